/* Any bytes as a snapshot. First as they are, which the checksum refuses; then as the records of one whose head and
 * checksum are right, as only a mistake of ours or an ill-meaning peer could make it. */
#include "base/check.h"
#include "base/crc32c.h"
#include "meta/snapshot.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct image_config config = {
    .node_id = 1, .topics_max = 8, .partitions_max = 16, .brokers_max = 4, .settings_max = 8, .hash_seed = 1
};

static void load(struct bytes snapshot, uint32_t step)
{
    const size_t size = (image_size(&config) + 63) / 64 * 64;
    struct image *image = aligned_alloc(64, size);
    struct snapshot_loader loader;

    memset(image, 0, size);
    image_init(image, &config);
    enum snapshot_verdict verdict = snapshot_loader_init(&loader, snapshot);
    if (verdict == SNAPSHOT_GOOD) {
        do verdict = snapshot_load(&loader, image, step);
        while (verdict == SNAPSHOT_GOOD && loader.rest.size > 0);
    }
    if (verdict == SNAPSHOT_GOOD) image_check(image);
    free(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint32_t whole = SNAPSHOT_HEAD_SIZE + (uint32_t)size + SNAPSHOT_CRC_SIZE;
    uint8_t *made = calloc(1, whole);

    load((struct bytes){ data, (uint32_t)size }, 1);
    store_u32(made, 0x43485253);
    store_u16(made + 4, 1);
    store_u64(made + 8, whole);
    store_u64(made + 16, 9);
    store_u64(made + 24, 2);
    if (size > 0) memcpy(made + SNAPSHOT_HEAD_SIZE, data, size);
    store_u32(made + whole - SNAPSHOT_CRC_SIZE, crc32c(0, made, whole - SNAPSHOT_CRC_SIZE));
    load((struct bytes){ made, whole }, 3);
    free(made);
    return 0;
}
