/* An image in use is led to what a snapshot holds: whatever lies between the two, they are equal in the end, at no
 * moment beyond the limits, and whoever only hears the changes knows the same. */
#include "base/prng.h"
#include "meta/converge.h"
#include "meta/image_state.h"
#include "t.h"

#include <stdlib.h>

enum { TOPICS = 12, PARTITIONS = 16, BROKERS = 6, SETTINGS = 14, STEPS_MAX = 4000 };

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

/* ---- a history ---- */

static struct uuid id_of(uint64_t number)
{
    struct uuid id = { { [15] = 1 } };
    store_u64(id.bytes, number);
    return id;
}

static struct bytes name_of(uint64_t number, char *name)
{
    return (struct bytes){ (uint8_t *)name, (uint32_t)sprintf(name, "topic-%d", (int)number) };
}

static void apply(struct image *image, const struct proposal *proposal)
{
    struct bytes rest = proposal_bytes(proposal), record;
    struct image_change change;
    const uint64_t index = image_view(image).applied_index + 1;

    while (proposal_next(&rest, &record)) {
        const enum apply_verdict verdict = image_apply(image, index, record, &change);
        const bool good = verdict == APPLY_DONE || verdict == APPLY_REFUSED || verdict == APPLY_SKIPPED;
        EXPECT("a history of good records", good);
        while (image_is_draining(image)) image_drain(image, &change);
        if (verdict == APPLY_REFUSED) break;
    }
    image_advance(image, index, 3);
}

static uint32_t any_topic(const struct image *image, struct prng *prng)
{
    const uint32_t count = image_view(image).topic_count;
    uint32_t topic = image_first_topic(image);

    for (uint64_t i = count == 0 ? 0 : prng_below(prng, count); i > 0; i--) topic = image_next_topic(image, topic);
    return topic;
}

static void add_partition(struct image *image, struct prng *prng, const struct uuid *topic_id, uint32_t at,
                          struct proposal *proposal)
{
    const int32_t replicas[] = { 1, 2, 3 };
    const uint32_t count = 1 + (uint32_t)prng_below(prng, 3);

    if (image_view(image).partition_count + at >= PARTITIONS) return;
    proposal_add_partition(proposal, &(struct metadata_partition_record){ .topic_id = *topic_id,
                                                                          .index = (int32_t)at,
                                                                          .replicas = (int32_t *)replicas,
                                                                          .replicas_count = count,
                                                                          .leader = 1 });
}

static void make_topic(struct image *image, struct prng *prng, struct proposal *proposal)
{
    char name[32];
    const struct uuid id = id_of(prng_next(prng));
    if (image_view(image).topic_count == TOPICS) return;

    proposal_add_topic(proposal, &(struct metadata_topic_record){ .name = name_of(prng_below(prng, 2 * TOPICS), name),
                                                                  .topic_id = id,
                                                                  .replica_target = 3 });
    const uint32_t count = (uint32_t)prng_below(prng, 6);
    for (uint32_t i = 0; i < count; i++) add_partition(image, prng, &id, i, proposal);
}

static void change_topic(struct image *image, struct prng *prng, struct proposal *proposal)
{
    const uint32_t topic = any_topic(image, prng);
    if (topic == SLOT_NONE) return;
    const struct image_topic *owner = image_topic(image, topic);
    const uint32_t slot = owner->first_partition;

    if (prng_chance(prng, 1, 2) && image_view(image).partition_count < PARTITIONS) {
        const int32_t replicas[] = { 3, 1 };
        proposal_add_partition(proposal, &(struct metadata_partition_record){ .topic_id = owner->id,
                                                                              .index = (int32_t)owner->partition_count,
                                                                              .replicas = (int32_t *)replicas,
                                                                              .replicas_count = 2,
                                                                              .leader = -1 });
    } else if (slot != SLOT_NONE) {
        const struct image_partition *partition = image_partition(image, slot);
        const int32_t isr[] = { partition->replicas[0] };
        struct metadata_partition_change_record record = metadata_partition_change_record_default;
        record.topic_id = owner->id;
        record.leader_epoch = partition->leader_epoch;
        record.partition_epoch = partition->partition_epoch;
        if (prng_chance(prng, 1, 2)) record.isr = isr, record.isr_count = 1;
        else record.election = ELECT_ANYBODY;
        proposal_add_partition_change(proposal, &record);
    }
}

static void set_something(struct image *image, struct prng *prng, struct proposal *proposal)
{
    static const char *const topic_names[] = { "retention.ms", "segment.bytes", "max.message.bytes",
                                               "min.insync.replicas" };
    static const char *const broker_names[] = { "log.retention.ms", "log.segment.bytes", "num.partitions",
                                                "min.insync.replicas" };
    char value[32];
    const uint64_t which = prng_below(prng, 4);
    const bool of_topic = prng_chance(prng, 2, 3), takes_back = prng_chance(prng, 1, 3);
    struct metadata_config_record record = { .resource_type = of_topic ? 2 : 4 };
    const uint32_t topic = any_topic(image, prng);
    const char *name = of_topic ? topic_names[which] : broker_names[which];

    record.name = (struct bytes){ (const uint8_t *)name, (uint32_t)strlen(name) };
    if (!takes_back) {
        record.value.data = (uint8_t *)value;
        record.value.size =
            (uint32_t)sprintf(value, "%d", (int)(which == 3 ? 1 + prng_below(prng, 3) : 100000 + prng_below(prng, 3)));
    }
    if (of_topic) {
        if (topic == SLOT_NONE) return;
        if (!takes_back && image_view(image).setting_count == SETTINGS) return;
        record.topic_id = image_topic(image, topic)->id;
    } else {
        record.broker_id = prng_chance(prng, 1, 2) ? -1 : 1 + (int32_t)prng_below(prng, BROKERS);
    }
    proposal_add_config(proposal, &record);
}

static void change_broker(struct image *image, struct prng *prng, struct proposal *proposal)
{
    const int32_t id = 1 + (int32_t)prng_below(prng, BROKERS);
    const uint32_t slot = image_broker_by_id(image, id);
    const uint64_t what = prng_below(prng, 4);

    if (slot == SLOT_NONE || what == 0) {
        struct metadata_broker_record_endpoint endpoint = { 0, BYTES_LITERAL("somewhere"),
                                                            (uint16_t)(9092 + prng_below(prng, 3)) };
        proposal_add_broker(proposal, &(struct metadata_broker_record){ .broker_id = id,
                                                                        .incarnation = id_of(prng_next(prng)),
                                                                        .epoch = -1,
                                                                        .endpoints = &endpoint,
                                                                        .endpoints_count = 1 });
        return;
    }
    const int64_t epoch = image_broker(image, slot)->epoch;
    struct metadata_broker_change_record change = metadata_broker_change_record_default;
    change.broker_id = id;
    change.epoch = epoch;
    if (what == 2) change.fenced = (int8_t)prng_below(prng, 2);
    else change.in_controlled_shutdown = (int8_t)prng_below(prng, 2);
    change.unclean = prng_chance(prng, 1, 8);
    if (what == 1) proposal_add_broker_removal(proposal, &(struct metadata_broker_removal_record){ id, epoch });
    else proposal_add_broker_change(proposal, &change);
}

static void wish(struct image *image, struct prng *prng, struct proposal *proposal)
{
    const int32_t id = 1 + (int32_t)prng_below(prng, BROKERS);
    const uint32_t slot = image_broker_by_id(image, id);
    if (slot == SLOT_NONE) return;
    const struct image_broker *broker = image_broker(image, slot);
    const int64_t floor = (int64_t)broker->wishes.floor;

    proposal_add_wish(proposal, &(struct metadata_wish_record){ .broker_id = id,
                                                                .incarnation = broker->incarnation,
                                                                .sequence = floor + (int64_t)prng_below(prng, 5),
                                                                .first_open = floor,
                                                                .answer = BYTES_LITERAL("done") });
}

static void live(struct image *image, struct prng *prng, uint64_t entries)
{
    uint8_t memory[8 << 10];

    for (; entries > 0; entries--) {
        struct proposal proposal = proposal_in(memory, sizeof memory);
        const uint32_t topic = any_topic(image, prng);
        switch (prng_below(prng, 10)) {
        case 0:
        case 1: make_topic(image, prng, &proposal); break;
        case 2:
            if (topic == SLOT_NONE) break;
            proposal_add_topic_removal(&proposal,
                                       &(struct metadata_topic_removal_record){ image_topic(image, topic)->id });
            break;
        case 3: change_broker(image, prng, &proposal); break;
        case 4: {
            const int64_t next = image_view(image).next_producer_id;
            proposal_add_producer_ids(&proposal, &(struct metadata_producer_ids_record){ 1, 1, next, 1000 });
            break;
        }
        case 5: change_topic(image, prng, &proposal); break;
        case 6: wish(image, prng, &proposal); break;
        default: set_something(image, prng, &proposal); break;
        }
        if (proposal.record_count > 0) apply(image, &proposal);
    }
}

static void begin(struct image *image)
{
    uint8_t memory[256];
    struct proposal proposal = proposal_in(memory, sizeof memory);

    proposal_add_cluster(&proposal, &(struct metadata_cluster_record){ id_of(999) });
    proposal_add_feature(&proposal, &(struct metadata_feature_record){ BYTES_LITERAL("metadata.version"), 1 });
    apply(image, &proposal);
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
        begin(here);
        begin(there);
        live(here, &prng, past);
        live(there, &again, past);
        live(there, &again, later);
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
    begin(here);
    live(here, &prng, 60);
    prng_init(&prng, 5, 2);
    begin(there);
    live(there, &prng, 60);
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
    begin(there);
    live(there, &prng, 100);
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
    begin(there);
    live(there, &prng, 100);
    struct snapshot_loader loader = snapshot_of(there);
    EXPECT_EQ("a cluster larger than our limits", CONVERGE_FULL, converge(here, &loader, listener));
    proposal_add_cluster(&proposal, &(struct metadata_cluster_record){ id_of(111) });
    apply(foreign, &proposal);
    EXPECT_EQ("another cluster", CONVERGE_CORRUPT, converge(foreign, &loader, listener));
    snapshot_free(&loader);
    free(listener);
    free(here);
    free(there);
    free(foreign);
}
