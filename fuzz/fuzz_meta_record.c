/* Any bytes as a proposal of the metadata log: refused or applied, never worse; and whatever image comes of it is one
 * that a snapshot can hold. */
#include "meta/image.h"
#include "meta/image_state.h"
#include "meta/snapshot.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct image_config config = {
    .node_id = 1, .topics_max = 8, .partitions_max = 16, .brokers_max = 4, .settings_max = 8, .hash_seed = 1
};

static struct image *fresh(void)
{
    const size_t size = (image_size(&config) + 63) / 64 * 64;
    struct image *image = aligned_alloc(64, size);

    memset(image, 0, size);
    image_init(image, &config);
    return image;
}

static void round_trip(const struct image *image)
{
    const uint64_t size = snapshot_size_max(&config, 0);
    struct snapshot_writer writer;
    struct snapshot_loader loader;
    struct image *again = fresh();
    uint8_t *memory = malloc(size);

    snapshot_writer_init(&writer, image, (struct bytes){ 0 }, memory, size);
    while (!snapshot_write(&writer, image, 4096)) {
    }
    CHECK(snapshot_loader_init(&loader, snapshot_written(&writer)) == SNAPSHOT_GOOD);
    do CHECK(snapshot_load(&loader, again, 7) == SNAPSHOT_GOOD);
    while (loader.rest.size > 0);
    image_check(again);
    CHECK(image_digest(image) == image_digest(again));
    free(memory);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = { data, (uint32_t)size }, record;
    struct image *image = fresh();
    struct image_change change;
    uint64_t index = 1;

    while (proposal_next(&rest, &record)) {
        const enum apply_verdict verdict = image_apply(image, index, record, &change);
        if (verdict != APPLY_DONE) CHECK(change.kind == CHANGE_NOTHING);
        while (image_is_draining(image)) image_drain(image, &change);
        index++;
    }
    image_check(image);
    image_advance(image, index, 1);
    round_trip(image);
    free(image);
    return 0;
}
