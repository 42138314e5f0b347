/* An image in use is led to what a snapshot holds: whatever lies between the two, they are equal in the end, at no
 * moment beyond the limits, and whoever only hears the changes knows the same. */
#include "image_history.h"
#include "meta/converge.h"

enum {
    TOPICS = HISTORY_TOPICS,
    PARTITIONS = HISTORY_PARTITIONS,
    BROKERS = HISTORY_BROKERS,
    SETTINGS = HISTORY_SETTINGS,
    STEPS_MAX = 4000
};

static const struct image_config config = { .node_id = 2,
                                            .topics_max = TOPICS,
                                            .partitions_max = PARTITIONS,
                                            .brokers_max = BROKERS,
                                            .settings_max = SETTINGS,
                                            .hash_seed = 7 };

static struct image *image_new(const struct image_config *of)
{
    const size_t size = (image_size(of) + 63) / 64 * 64;
    struct image *image = aligned_alloc(64, size);

    memset(image, 0, size);
    image_init(image, of);
    return image;
}

static struct snapshot_loader snapshot_of(const struct image *image)
{
    const uint64_t size = snapshot_size_max(&config, 6);
    struct snapshot_writer writer;
    struct snapshot_loader loader;

    snapshot_writer_init(&writer, image, BYTES_LITERAL("voters"), malloc(size), size);
    while (!snapshot_write(&writer, image, 1 << 20)) {
    }
    CHECK(snapshot_loader_init(&loader, snapshot_written(&writer)) == SNAPSHOT_GOOD);
    return loader;
}

static void snapshot_free(struct snapshot_loader *loader)
{
    free((void *)(uintptr_t)(loader->configuration.data - SNAPSHOT_HEAD_SIZE));
}

/* ---- one who only hears the changes ---- */

struct listener {
    struct uuid topics[PARTITIONS]; /* by partition slot; zero: no partition */
    int32_t indexes[PARTITIONS];
    int32_t leaders[PARTITIONS];
    int32_t epochs[PARTITIONS];
    uint64_t configs[TOPICS]; /* by topic slot: a sum of its settings */
    uint64_t changes;
    uint64_t broker_changes;
};

static uint64_t sum_of_settings(const struct image *image, uint32_t topic)
{
    const struct topic_settings settings = topic_settings(image, topic);
    uint64_t sum = settings.set;

    for (uint32_t i = 0; i < TOPIC_CONFIG_COUNT; i++) sum = sum * 31 + (uint64_t)settings.values[i];
    return sum;
}

static void hear_partition(struct listener *listener, const struct image *image, uint32_t slot)
{
    const struct image_partition *partition = image_partition(image, slot);

    listener->topics[slot] = image_topic(image, partition->topic)->id;
    listener->indexes[slot] = partition->index;
    listener->leaders[slot] = partition->leader;
    listener->epochs[slot] = partition->partition_epoch;
}

static void hear(struct listener *listener, const struct image *image, const struct image_change *change)
{
    listener->changes += change->kind != CHANGE_NOTHING;
    switch (change->kind) {
    case CHANGE_NOTHING:
    case CHANGE_BROKER_CONFIG:
    case CHANGE_OWN_WISH:
    case CHANGE_TOPIC_REMOVED: break;
    case CHANGE_BROKER:
    case CHANGE_BROKER_REMOVED:
        EXPECT("it is counted", image_view(image).broker_changes > listener->broker_changes);
        listener->broker_changes = image_view(image).broker_changes;
        break;
    case CHANGE_TOPIC_CREATED:
    case CHANGE_TOPIC_CONFIG: listener->configs[change->topic] = sum_of_settings(image, change->topic); break;
    case CHANGE_PARTITION_CREATED:
        EXPECT("a slot that was free", uuid_is_zero(&listener->topics[change->partition]));
        hear_partition(listener, image, change->partition);
        break;
    case CHANGE_PARTITION_CHANGED: hear_partition(listener, image, change->partition); break;
    case CHANGE_PARTITION_REMOVED:
        EXPECT("a slot that was known", !uuid_is_zero(&listener->topics[change->partition]));
        listener->topics[change->partition] = (struct uuid){ { 0 } };
        break;
    }
}

static void look(struct listener *listener, const struct image *image)
{
    *listener = (struct listener){ .broker_changes = image_view(image).broker_changes };
    for (uint32_t topic = image_first_topic(image); topic != SLOT_NONE; topic = image_next_topic(image, topic)) {
        listener->configs[topic] = sum_of_settings(image, topic);
        uint32_t slot = image_topic(image, topic)->first_partition;
        for (; slot != SLOT_NONE; slot = image_partition(image, slot)->next_partition) {
            hear_partition(listener, image, slot);
        }
    }
}

static void compare(const struct listener *heard, const struct image *image)
{
    struct listener seen;

    look(&seen, image);
    for (uint32_t slot = 0; slot < PARTITIONS; slot++) {
        EXPECT("the changes told of every partition", uuid_equal(&heard->topics[slot], &seen.topics[slot]));
        if (uuid_is_zero(&seen.topics[slot])) continue;
        EXPECT_EQ("its index", seen.indexes[slot], heard->indexes[slot]);
        EXPECT_EQ("and its leader", seen.leaders[slot], heard->leaders[slot]);
        EXPECT_EQ("and its epoch", seen.epochs[slot], heard->epochs[slot]);
    }
    for (uint32_t topic = image_first_topic(image); topic != SLOT_NONE; topic = image_next_topic(image, topic)) {
        EXPECT_EQ("and of settings", (int64_t)seen.configs[topic], (int64_t)heard->configs[topic]);
    }
}

/* ---- tests ---- */

static enum converge_verdict converge(struct image *image, const struct snapshot_loader *loader,
                                      struct listener *listener)
{
    struct image_converge state;

    look(listener, image);
    image_converge_init(&state, image, loader);
    for (int i = 0; i < STEPS_MAX; i++) {
        struct image_change change;
        const enum converge_verdict verdict = image_converge_step(&state, image, &change);
        if (verdict != CONVERGE_GOES_ON) return verdict;
        image_check(image);
        hear(listener, image, &change);
    }
    EXPECT("it ends", false);
    return CONVERGE_CORRUPT;
}

TEST(any_past_is_led_to_any_later_state)
{
    uint64_t changes = 0, full = 0;

    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct image *here = image_new(&config), *there = image_new(&config);
        struct listener *listener = malloc(sizeof *listener);
        struct prng prng, again;
        prng_init(&prng, seed, 1);
        prng_init(&again, seed, 1);
        const uint64_t past = prng_below(&prng, 80), later = 1 + prng_below(&prng, 80);

        prng_init(&prng, seed, 2);
        prng_init(&again, seed, 2);
        history_begin(here);
        history_begin(there);
        history_live(here, &prng, past);
        history_live(there, &again, past);
        history_live(there, &again, later);
        if (image_view(there).applied_index > image_view(here).applied_index) {
            struct snapshot_loader loader = snapshot_of(there);
            full += image_view(there).partition_count == PARTITIONS;
            EXPECT_EQ("led to its end", CONVERGE_DONE, converge(here, &loader, listener));
            EXPECT_EQ("says the same", (int64_t)image_digest(there), (int64_t)image_digest(here));
            image_check(here);
            compare(listener, here);
            changes += listener->changes;
            snapshot_free(&loader);
        }
        free(listener);
        free(here);
        free(there);
    }
    EXPECT("there was something to change", changes > 1000);
    EXPECT("and limits were reached", full > 10);
}

TEST(what_is_equal_makes_no_change)
{
    struct image *here = image_new(&config), *there = image_new(&config);
    struct listener *listener = malloc(sizeof *listener);
    struct prng prng;

    prng_init(&prng, 5, 2);
    history_begin(here);
    history_live(here, &prng, 60);
    prng_init(&prng, 5, 2);
    history_begin(there);
    history_live(there, &prng, 60);
    image_advance(there, image_view(there).applied_index + 1, 4);
    struct snapshot_loader loader = snapshot_of(there);
    EXPECT_EQ("led to its end", CONVERGE_DONE, converge(here, &loader, listener));
    EXPECT_EQ("without a change", 0, (int64_t)listener->changes);
    EXPECT_EQ("but for the term", 4, (int64_t)image_view(here).applied_term);
    EXPECT_EQ("says the same", (int64_t)image_digest(there), (int64_t)image_digest(here));
    snapshot_free(&loader);
    free(listener);
    free(here);
    free(there);
}

TEST(from_nothing_to_everything)
{
    struct image *here = image_new(&config), *there = image_new(&config);
    struct listener *listener = malloc(sizeof *listener);
    struct prng prng;

    prng_init(&prng, 9, 2);
    history_begin(there);
    history_live(there, &prng, 100);
    struct snapshot_loader loader = snapshot_of(there);
    EXPECT_EQ("led to its end", CONVERGE_DONE, converge(here, &loader, listener));
    EXPECT_EQ("says the same", (int64_t)image_digest(there), (int64_t)image_digest(here));
    compare(listener, here);
    snapshot_free(&loader);
    free(listener);
    free(here);
    free(there);
}

TEST(what_cannot_follow_is_told)
{
    struct image_config tiny = config;
    tiny.topics_max = 1;
    tiny.partitions_max = 1;
    struct image *here = image_new(&tiny), *there = image_new(&config), *foreign = image_new(&config);
    struct listener *listener = malloc(sizeof *listener);
    uint8_t memory[256];
    struct proposal proposal = proposal_in(memory, sizeof memory);
    struct prng prng;

    prng_init(&prng, 9, 2);
    history_begin(there);
    history_live(there, &prng, 100);
    struct snapshot_loader loader = snapshot_of(there);
    EXPECT_EQ("a cluster larger than our limits", CONVERGE_FULL, converge(here, &loader, listener));
    proposal_add_cluster(&proposal, &(struct metadata_cluster_record){ history_id_of(111) });
    history_apply(foreign, &proposal);
    EXPECT_EQ("another cluster", CONVERGE_CORRUPT, converge(foreign, &loader, listener));
    snapshot_free(&loader);
    free(listener);
    free(here);
    free(there);
    free(foreign);
}
