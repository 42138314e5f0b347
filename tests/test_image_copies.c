/* A broker's partitions among very many: whoever is fenced, removed or registered is found wherever it is. */
#include "base/prng.h"
#include "meta/image.h"
#include "meta/image_state.h"
#include "t.h"

#include <stdlib.h>

enum { MANY_TOPICS = 6, MANY_PARTITIONS = 3000, MANY_BROKERS = 40, MANY_COPIES = 3 };

static struct image *image_large(void)
{
    const struct image_config config = { .node_id = 1,
                                         .topics_max = MANY_TOPICS,
                                         .partitions_max = MANY_PARTITIONS,
                                         .brokers_max = MANY_BROKERS,
                                         .settings_max = 3,
                                         .hash_seed = 42 };
    const size_t size = (image_size(&config) + 63) / 64 * 64;
    struct image *image = aligned_alloc(64, size);

    memset(image, 0, size);
    image_init(image, &config);
    return image;
}

static struct uuid id_of(uint32_t number)
{
    struct uuid id = { { [15] = 1 } };
    store_u32(id.bytes, number);
    return id;
}

static void apply(struct image *image, const struct proposal *proposal)
{
    struct bytes rest = proposal_bytes(proposal), record;
    struct image_change change;

    while (proposal_next(&rest, &record)) {
        const enum apply_verdict verdict = image_apply(image, 1, record, &change);
        while (image_is_draining(image)) image_drain(image, &change);
        if (verdict != APPLY_DONE) break;
    }
    image_check(image);
}

static void remove_topic(struct image *image, uint32_t id)
{
    uint8_t memory[64];
    struct proposal proposal = proposal_in(memory, sizeof memory);

    proposal_add_topic_removal(&proposal, &(struct metadata_topic_removal_record){ .topic_id = id_of(id) });
    apply(image, &proposal);
}

static void register_broker(struct image *image, int32_t id, int64_t epoch)
{
    uint8_t memory[256];
    struct proposal proposal = proposal_in(memory, sizeof memory);

    proposal_add_broker(&proposal, &(struct metadata_broker_record){
                                       .broker_id = id, .incarnation = id_of(1000 + (uint32_t)epoch), .epoch = epoch });
    apply(image, &proposal);
}

/* Each broker is a replica of partitions that lie next to each other, so most blocks have none of it. */
static void many_partitions(struct image *image, struct prng *prng, uint32_t id)
{
    static uint8_t memory[64 << 10];
    struct proposal proposal = proposal_in(memory, sizeof memory);
    const uint8_t name[] = { 't', (uint8_t)('a' + id) };
    const uint32_t count = (uint32_t)prng_below(prng, 300);

    proposal_add_topic(&proposal, &(struct metadata_topic_record){ .name = { name, sizeof name },
                                                                   .topic_id = id_of(id),
                                                                   .replica_target = MANY_COPIES });
    for (uint32_t i = 0; i < count; i++) {
        const int32_t first = 1 + (int32_t)(i / 20 + prng_below(prng, 2)) % (MANY_BROKERS - 2);
        const int32_t replicas[MANY_COPIES] = { first, first + 1, first + 2 };
        proposal_add_partition(&proposal, &(struct metadata_partition_record){ .topic_id = id_of(id),
                                                                               .index = (int32_t)i,
                                                                               .replicas = (int32_t *)replicas,
                                                                               .replicas_count = MANY_COPIES,
                                                                               .leader = first });
    }
    apply(image, &proposal);
}

static void change_broker(struct image *image, struct prng *prng, uint32_t slot)
{
    uint8_t memory[128];
    struct proposal proposal = proposal_in(memory, sizeof memory);
    const struct image_broker *broker = image_broker(image, slot);

    if (prng_chance(prng, 1, 8)) {
        proposal_add_broker_removal(
            &proposal, &(struct metadata_broker_removal_record){ .broker_id = broker->id, .epoch = broker->epoch });
    } else {
        struct metadata_broker_change_record record = metadata_broker_change_record_default;
        record.broker_id = broker->id;
        record.epoch = broker->epoch;
        record.fenced = !broker->fenced;
        proposal_add_broker_change(&proposal, &record);
    }
    apply(image, &proposal);
}

/* image_check() holds every partition against the rules: one that was not found when its broker was fenced is not what
 * they make of it. */
TEST(a_brokers_partitions_are_found_among_very_many)
{
    struct image *image = image_large();
    struct prng prng;
    int64_t epoch = 0;
    uint32_t most = 0;

    prng_init(&prng, 4, 1);
    for (int i = 0; i < 120; i++) {
        const int32_t id = 1 + (int32_t)prng_below(&prng, MANY_BROKERS - 1);
        const uint32_t slot = image_broker_by_id(image, id);
        const uint32_t of = 1 + (uint32_t)prng_below(&prng, MANY_TOPICS);
        if (prng_chance(&prng, 1, 10)) remove_topic(image, of);
        if (prng_chance(&prng, 1, 4)) many_partitions(image, &prng, of);
        if (slot == SLOT_NONE || prng_chance(&prng, 1, 3)) register_broker(image, id, ++epoch);
        else change_broker(image, &prng, slot);
        most = MAX(most, image_view(image).partition_count);
    }
    EXPECT("there were many", most > 500);
    free(image);
}
