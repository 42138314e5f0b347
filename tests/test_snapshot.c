#include "t.h"
#include "meta/image_state.h"
#include "meta/snapshot.h"
#include <stdlib.h>

enum { TOPICS = 40, PARTITIONS = 120, BROKERS = 5 };

static const struct image_config small_config = { .node_id = 1,
                                                  .topics_max = TOPICS,
                                                  .partitions_max = PARTITIONS,
                                                  .brokers_max = BROKERS,
                                                  .settings_max = 2 * TOPICS,
                                                  .hash_seed = 7 };

static struct image *image_new(const struct image_config *config)
{
    const size_t size = (image_size(config) + 63) / 64 * 64;
    struct image *image = aligned_alloc(64, size);

    memset(image, 0, size);
    image_init(image, config);
    return image;
}

static struct bytes bytes_of(const char *text)
{
    return (struct bytes){ (const uint8_t *)text, (uint32_t)strlen(text) };
}

static struct uuid id_of(uint32_t number)
{
    return (struct uuid){ { (uint8_t)(number >> 8), (uint8_t)number, [15] = 1 } };
}

static void apply(struct image *image, const struct proposal *proposal)
{
    struct bytes rest = proposal_bytes(proposal), record;
    struct image_change change;
    const uint64_t index = image_view(image).applied_index + 1;

    while (proposal_next(&rest, &record)) {
        EXPECT_EQ("applied", APPLY_DONE, image_apply(image, index, record, &change));
        while (image_is_draining(image)) image_drain(image, &change);
    }
    image_advance(image, index, 3);
}

static void add_topic(struct image *image, uint32_t number, uint32_t partitions)
{
    uint8_t memory[16 << 10];
    struct proposal proposal = proposal_in(memory, sizeof memory);
    char name[TOPIC_NAME_SIZE_MAX + 1];
    int32_t replicas[REPLICAS_MAX];

    snprintf(name, sizeof name, "topic-%u", number);
    memset(name + strlen(name), 'x', number % 200); /* names of many sizes */
    name[TOPIC_NAME_SIZE_MAX] = 0;
    for (int i = 0; i < REPLICAS_MAX; i++) replicas[i] = 100 + i;
    const struct metadata_topic_record topic = {
        .name = { (uint8_t *)name, (uint32_t)(snprintf(NULL, 0, "topic-%u", number) + number % 200) },
        .topic_id = id_of(number),
        .internal = number % 5 == 0,
        .replica_target = 3
    };
    proposal_add_topic(&proposal, &topic);
    for (uint32_t i = 0; i < partitions; i++) {
        const uint32_t count = 1 + (number + i) % REPLICAS_MAX;
        const struct metadata_partition_record partition = { .topic_id = topic.topic_id,
                                                             .index = (int32_t)i,
                                                             .replicas = replicas,
                                                             .replicas_count = count,
                                                             .isr = replicas + (i % 2 == 1 ? count - 1 : 0),
                                                             .isr_count = i % 2 == 1 ? 1 : count,
                                                             .leader = i % 3 == 0 ? -1 : 100,
                                                             .leader_epoch = (int32_t)i,
                                                             .partition_epoch = (int32_t)(2 * i) };
        proposal_add_partition(&proposal, &partition);
    }
    apply(image, &proposal);
}

static void set(struct image *image, int8_t type, uint32_t topic, int32_t broker, const char *name, const char *value)
{
    uint8_t memory[512];
    struct proposal proposal = proposal_in(memory, sizeof memory);
    const struct metadata_config_record record = { .resource_type = type,
                                                   .topic_id = id_of(topic),
                                                   .broker_id = broker,
                                                   .name = bytes_of(name),
                                                   .value = bytes_of(value) };
    proposal_add_config(&proposal, &record);
    apply(image, &proposal);
}

static void settle(struct image *image, int32_t broker, int64_t first_open, int64_t sequence)
{
    uint8_t memory[128];
    struct proposal proposal = proposal_in(memory, sizeof memory);

    proposal_add_wish(&proposal, &(struct metadata_wish_record){ .broker_id = broker,
                                                                 .incarnation = id_of((uint32_t)broker),
                                                                 .sequence = sequence,
                                                                 .first_open = first_open });
    apply(image, &proposal);
}

static void add_broker(struct image *image, int32_t id)
{
    uint8_t memory[2048];
    struct proposal proposal = proposal_in(memory, sizeof memory);
    char host[HOST_SIZE_MAX], rack[RACK_SIZE_MAX];

    memset(host, 'h', sizeof host);
    memset(rack, 'r', sizeof rack);
    struct metadata_broker_record_endpoint endpoints[3] = { { 0, { (uint8_t *)host, sizeof host }, 9092 },
                                                            { 1, { (uint8_t *)host, sizeof host }, 9093 },
                                                            { 2, { (uint8_t *)host, sizeof host }, 9291 } };
    const struct metadata_broker_record record = { .broker_id = id,
                                                   .incarnation = id_of((uint32_t)id),
                                                   .epoch = -1,
                                                   .rack = { (uint8_t *)rack, id % 2 == 0 ? sizeof rack : 0 },
                                                   .fenced = id == 3,
                                                   .endpoints = endpoints,
                                                   .endpoints_count = (uint32_t)(id % 4) };
    proposal_add_broker(&proposal, &record);
    apply(image, &proposal);
}

/* Everything that an image can hold, with holes where topics were. */
static void fill(struct image *image)
{
    uint8_t memory[512];
    struct proposal proposal = proposal_in(memory, sizeof memory);

    proposal_add_cluster(&proposal, &(struct metadata_cluster_record){ .cluster_id = id_of(999) });
    proposal_add_feature(&proposal, &(struct metadata_feature_record){ bytes_of("metadata.version"), 1 });
    proposal_add_producer_ids(&proposal, &(struct metadata_producer_ids_record){ .count = (int64_t)1 << 40 });
    apply(image, &proposal);
    for (int32_t id = BROKERS; id >= 1; id--) add_broker(image, id);
    for (uint32_t i = 0; i < TOPICS; i++) add_topic(image, i, i % 6);
    for (uint32_t i = 0; i < TOPICS; i += 3) {
        proposal = proposal_in(memory, sizeof memory);
        proposal_add_topic_removal(&proposal, &(struct metadata_topic_removal_record){ .topic_id = id_of(i) });
        apply(image, &proposal);
    }
    settle(image, 2, 1, 7);
    settle(image, 2, 3, 66);
    settle(image, 4, 1, 1);
    add_topic(image, 3, 2); /* last in creation order, in a slot from the middle */
    set(image, 2, 1, 0, "retention.ms", "-1");
    set(image, 2, 1, 0, "cleanup.policy", "compact,delete");
    set(image, 2, 4, 0, "min.cleanable.dirty.ratio", "0.25");
    set(image, 4, 0, -1, "num.partitions", "7");
    set(image, 4, 0, 2, "log.segment.bytes", "65536");
}

/* Writes in steps of that size. */
static struct bytes written(const struct image *image, const struct image_config *config, uint32_t step,
                            struct bytes configuration)
{
    const uint64_t size = snapshot_size_max(config, configuration.size);
    struct snapshot_writer writer;

    snapshot_writer_init(&writer, image, configuration, malloc(size), size);
    while (!snapshot_write(&writer, image, step)) {
    }
    return snapshot_written(&writer);
}

static enum snapshot_verdict loaded(struct image *image, struct bytes snapshot, uint32_t step)
{
    struct snapshot_loader loader;
    enum snapshot_verdict verdict = snapshot_loader_init(&loader, snapshot);

    if (verdict != SNAPSHOT_GOOD) return verdict;
    do verdict = snapshot_load(&loader, image, step);
    while (verdict == SNAPSHOT_GOOD && loader.rest.size > 0);
    return verdict;
}

TEST(a_snapshot_makes_the_same_image)
{
    struct image *image = image_new(&small_config), *again = image_new(&small_config);
    const uint32_t steps[] = { 1, 100, 1 << 20 };

    fill(image);
    const struct bytes whole = written(image, &small_config, 1 << 20, BYTES_LITERAL("voters"));
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        const struct bytes pieces = written(image, &small_config, steps[i], BYTES_LITERAL("voters"));
        EXPECT_BYTES("in steps of any size", whole.data, whole.size, pieces.data, pieces.size);
        image_clear(again);
        EXPECT_EQ("loads", SNAPSHOT_GOOD, loaded(again, pieces, steps[i]));
        image_check(again);
        EXPECT_EQ("says the same", (int64_t)image_digest(image), (int64_t)image_digest(again));
        EXPECT_EQ("is as far", (int64_t)image_view(image).applied_index, (int64_t)image_view(again).applied_index);
        const struct bytes second = written(again, &small_config, 1 << 20, BYTES_LITERAL("voters"));
        EXPECT_BYTES("byte for byte", whole.data, whole.size, second.data, second.size);
        free((void *)second.data);
        free((void *)pieces.data);
    }
    EXPECT_EQ("two of the same name in creation order", 3,
              image_topic(again, image_topic_by_id(again, &(struct uuid){ { 0, 3, [15] = 1 } }))->id.bytes[1]);
    const struct uuid two = id_of(2), four = id_of(4);
    EXPECT_EQ("what was applied stays so", WISH_SETTLED, image_wish(again, 2, &two, 3, 66));
    EXPECT_EQ("what was given up too", WISH_SETTLED, image_wish(again, 2, &two, 1, 2));
    EXPECT_EQ("what is open may still come", WISH_NEW, image_wish(again, 2, &two, 3, 65));
    EXPECT_EQ("of each broker its own", WISH_SETTLED, image_wish(again, 4, &four, 1, 1));
    free((void *)whole.data);
    free(image);
    free(again);
}

TEST(the_digest_tells_images_apart)
{
    struct image *image = image_new(&small_config), *other = image_new(&small_config);

    fill(image);
    fill(other);
    EXPECT_EQ("the same history", (int64_t)image_digest(image), (int64_t)image_digest(other));
    set(image, 2, 1, 0, "retention.ms", "5");
    set(other, 2, 1, 0, "retention.ms", "6");
    EXPECT("one value apart", image_digest(image) != image_digest(other));
    free(image);
    free(other);
}

TEST(a_damaged_snapshot_is_not_believed)
{
    struct image *image = image_new(&small_config), *again = image_new(&small_config);
    fill(image);
    const struct bytes good = written(image, &small_config, 1 << 20, (struct bytes){ 0 });
    uint8_t *bad = malloc(good.size + 1);

    memcpy(bad, good.data, good.size);
    for (uint32_t at = 0; at < good.size; at += at < 64 ? 1 : 37) {
        bad[at] ^= 0x10;
        EXPECT_EQ("a bit that flipped", SNAPSHOT_CORRUPT, loaded(again, (struct bytes){ bad, good.size }, 100));
        bad[at] ^= 0x10;
        EXPECT_EQ("cut short", SNAPSHOT_CORRUPT, loaded(again, (struct bytes){ bad, at }, 100));
    }
    EXPECT_EQ("a byte too many", SNAPSHOT_CORRUPT, loaded(again, (struct bytes){ bad, good.size + 1 }, 100));
    EXPECT_EQ("and nothing was loaded", 0, image_view(again).topic_count);
    EXPECT_EQ("whole it is good", SNAPSHOT_GOOD, loaded(again, (struct bytes){ bad, good.size }, 100));
    free(bad);
    free((void *)good.data);
    free(image);
    free(again);
}

TEST(a_snapshot_of_a_larger_cluster_says_so)
{
    struct image_config tiny_config = small_config;
    tiny_config.topics_max = 5;
    struct image *image = image_new(&small_config), *tiny = image_new(&tiny_config);

    fill(image);
    const struct bytes snapshot = written(image, &small_config, 1 << 20, (struct bytes){ 0 });
    EXPECT_EQ("too large for this node", SNAPSHOT_FULL, loaded(tiny, snapshot, 100));
    free((void *)snapshot.data);
    free(image);
    free(tiny);
}

/* Every limit reached at once, with the largest of everything: the bound must hold. */
TEST(the_size_bound_holds)
{
    struct image_config full_config = {
        .node_id = 1, .topics_max = 8, .partitions_max = 40, .brokers_max = 3, .settings_max = 8 * TOPIC_CONFIG_COUNT
    };
    struct image *image = image_new(&full_config);

    for (int32_t id = 1; id <= 3; id++) {
        add_broker(image, id == 1 ? 7 : id * 4 + 2);
        settle(image, id == 1 ? 7 : id * 4 + 2, 1, 2);
    }
    for (uint32_t i = 0; i < 8; i++) add_topic(image, 190 + i, 5);
    for (uint32_t t = 0; t < 8; t++) {
        image->topics[t].configs_set = ((uint64_t)1 << TOPIC_CONFIG_COUNT) - 1;
        for (uint32_t c = 0; c < TOPIC_CONFIG_COUNT; c++) {
            const struct config_info *info = config_info((enum config_id)c);
            image->topic_values[t * TOPIC_CONFIG_COUNT + c] = info->words == NULL ? INT64_MAX : info->value_max;
        }
    }
    image->view.setting_count = full_config.settings_max;
    const struct bytes snapshot = written(image, &full_config, 1 << 20, BYTES_LITERAL("some voters"));
    EXPECT("written within its bound", snapshot.size <= snapshot_size_max(&full_config, 11));
    free((void *)snapshot.data);
    free(image);
}
