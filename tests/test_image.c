#include "codec/errors.h"
#include "log/logs.h"
#include "meta/image.h"
#include "meta/image_state.h"
#include "meta/snapshot.h"
#include "t.h"
#include <stdlib.h>

/* A small image: every limit is within reach. */
static struct image *image_small(void)
{
    const struct image_config config = { .node_id = 1,
                                         .topics_max = 4,
                                         .partitions_max = 8,
                                         .brokers_max = 3,
                                         .settings_max = 3,
                                         .hash_seed = 42,
                                         .static_count = 1,
                                         .statics = { { CONFIG_NUM_PARTITIONS, 4 } } };
    const size_t size = (image_size(&config) + 63) / 64 * 64;
    struct image *image = aligned_alloc(64, size);

    memset(image, 0, size);
    image_init(image, &config);
    return image;
}

static struct bytes bytes_of(const char *text)
{
    return (struct bytes){ (const uint8_t *)text, (uint32_t)strlen(text) };
}

static struct uuid id_of(uint8_t number)
{
    return (struct uuid){ { number, [15] = 1 } };
}

/* Applies the records of a proposal one by one, as the metadata log does; the last verdict, the last change. */
static enum apply_verdict apply(struct image *image, uint64_t index, const struct proposal *proposal,
                                struct image_change *change)
{
    struct bytes rest = proposal_bytes(proposal), record;
    enum apply_verdict verdict = APPLY_MALFORMED;
    struct image_change drained;

    while (proposal_next(&rest, &record)) {
        verdict = image_apply(image, index, record, change);
        while (image_is_draining(image)) image_drain(image, &drained);
        image_check(image);
        if (verdict != APPLY_DONE) break;
    }
    return verdict;
}

/* ---- one record each, by its name, so that tables stay tables ---- */

static enum apply_verdict topic(struct image *image, const char *name, uint8_t id, int8_t target)
{
    uint8_t memory[512];
    struct proposal proposal = proposal_in(memory, sizeof memory);
    struct image_change change;
    proposal_add_topic(&proposal, &(struct metadata_topic_record){
                                      .name = bytes_of(name), .topic_id = id_of(id), .replica_target = target });
    return apply(image, 1, &proposal, &change);
}

static enum apply_verdict remove_topic(struct image *image, uint8_t id)
{
    uint8_t memory[64];
    struct proposal proposal = proposal_in(memory, sizeof memory);
    struct image_change change;
    proposal_add_topic_removal(&proposal, &(struct metadata_topic_removal_record){ .topic_id = id_of(id) });
    return apply(image, 1, &proposal, &change);
}

static enum apply_verdict partition(struct image *image, uint8_t id, int32_t index, int32_t leader)
{
    uint8_t memory[256];
    int32_t replicas[3] = { 1, 2, 3 };
    struct proposal proposal = proposal_in(memory, sizeof memory);
    struct image_change change;
    proposal_add_partition(
        &proposal,
        &(struct metadata_partition_record){
            .topic_id = id_of(id), .index = index, .replicas = replicas, .replicas_count = 3, .leader = leader });
    return apply(image, 1, &proposal, &change);
}

static enum apply_verdict set(struct image *image, uint8_t id, const char *name, const char *value)
{
    uint8_t memory[256];
    struct proposal proposal = proposal_in(memory, sizeof memory);
    struct image_change change;
    proposal_add_config(
        &proposal, &(struct metadata_config_record){ .resource_type = 2,
                                                     .topic_id = id_of(id),
                                                     .name = bytes_of(name),
                                                     .value = value == NULL ? (struct bytes){ 0 } : bytes_of(value) });
    return apply(image, 1, &proposal, &change);
}

static enum apply_verdict set_broker(struct image *image, int32_t id, const char *name, const char *value)
{
    uint8_t memory[256];
    struct proposal proposal = proposal_in(memory, sizeof memory);
    struct image_change change;
    proposal_add_config(
        &proposal, &(struct metadata_config_record){ .resource_type = 4,
                                                     .broker_id = id,
                                                     .name = bytes_of(name),
                                                     .value = value == NULL ? (struct bytes){ 0 } : bytes_of(value) });
    return apply(image, 1, &proposal, &change);
}

static enum apply_verdict broker(struct image *image, int32_t id, int64_t epoch)
{
    uint8_t memory[1024];
    struct metadata_broker_record_endpoint endpoint = { 0, bytes_of("localhost"), 9092 };
    struct proposal proposal = proposal_in(memory, sizeof memory);
    struct image_change change;
    proposal_add_broker(&proposal, &(struct metadata_broker_record){ .broker_id = id,
                                                                     .incarnation = id_of(100 + (uint8_t)epoch),
                                                                     .epoch = epoch,
                                                                     .rack = bytes_of("here"),
                                                                     .endpoints = &endpoint,
                                                                     .endpoints_count = 1 });
    return apply(image, 7, &proposal, &change);
}

/* A wish of broker `id`, and behind it the topic that it is for; the last record's verdict. */
static enum apply_verdict wish(struct image *image, int32_t id, int64_t epoch, int64_t sequence, int64_t first_open,
                               const char *name, struct image_change *change)
{
    static uint8_t memory[512]; /* the answer is lent from it */
    struct proposal proposal = proposal_in(memory, sizeof memory);
    proposal_add_wish(&proposal, &(struct metadata_wish_record){ .broker_id = id,
                                                                 .incarnation = id_of(100 + (uint8_t)epoch),
                                                                 .sequence = sequence,
                                                                 .first_open = first_open,
                                                                 .answer = bytes_of(name) });
    const enum apply_verdict verdict = apply(image, 9, &proposal, change);
    if (verdict != APPLY_DONE) return verdict;
    return topic(image, name, (uint8_t)name[0], 1);
}

/* ---- topics ---- */

static const struct name_row {
    const char *why;
    const char *name;
    uint8_t id;
    enum apply_verdict verdict;
} name_rows[] = {
    { "a first topic", "a.b", 1, APPLY_DONE },
    { "the same name again", "a.b", 2, APPLY_REFUSED },
    { "the same but for a dot", "a_b", 3, APPLY_REFUSED },
    { "the same id again", "c", 1, APPLY_REFUSED },
    { "another name", "a-b", 4, APPLY_DONE },
    { "a name in another case is another name", "A.b", 5, APPLY_DONE },
    { "the fourth of four", "d", 6, APPLY_DONE },
    { "one too many for this node", "e", 7, APPLY_FULL },
    { "no name", "", 8, APPLY_MALFORMED },
};

TEST(topic_names_are_unique)
{
    struct image *image = image_small();

    FOR_EACH(name_row, row, name_rows) EXPECT_EQ(row->why, row->verdict, topic(image, row->name, row->id, 1));
    EXPECT_EQ("found under its exact name", 0, image_topic_by_name(image, bytes_of("a.b")));
    EXPECT_EQ("not under one that is alike", SLOT_NONE, image_topic_by_name(image, bytes_of("a_b")));
    EXPECT_EQ("which is what like is for", 0, image_topic_like(image, bytes_of("a_b")));
    free(image);
}

TEST(deletion_gives_everything_back)
{
    struct image *image = image_small();

    for (int round = 0; round < 20; round++) {
        EXPECT_EQ("made", APPLY_DONE, topic(image, "kept", 9, 1));
        EXPECT_EQ("made", APPLY_DONE, topic(image, "t", 1, 1));
        for (int32_t i = 0; i < 8; i++) EXPECT_EQ("room for eight", APPLY_DONE, partition(image, 1, i, 1));
        EXPECT_EQ("and no more", APPLY_FULL, partition(image, 1, 8, 1));
        EXPECT_EQ("a setting", APPLY_DONE, set(image, 1, "retention.ms", "5"));
        EXPECT_EQ("gone", APPLY_DONE, remove_topic(image, 1));
        EXPECT_EQ("twice is nothing", APPLY_REFUSED, remove_topic(image, 1));
        EXPECT_EQ("gone", APPLY_DONE, remove_topic(image, 9));
        const struct image_view view = image_view(image);
        EXPECT_EQ("nothing is left", 0, view.topic_count + view.partition_count + view.setting_count);
    }
    EXPECT_EQ("no list", SLOT_NONE, image_first_topic(image));
    free(image);
}

TEST(deletion_names_every_partition_before_its_number_is_used_again)
{
    struct image *image = image_small();
    uint8_t memory[64];
    struct proposal proposal = proposal_in(memory, sizeof memory);
    struct image_change change;
    struct bytes rest, record;
    uint32_t removed = 0;

    topic(image, "t", 1, 1);
    for (int32_t i = 0; i < 3; i++) partition(image, 1, i, 1);
    const uint32_t slot = image_topic_by_name(image, bytes_of("t"));
    proposal_add_topic_removal(&proposal, &(struct metadata_topic_removal_record){ .topic_id = id_of(1) });
    rest = proposal_bytes(&proposal);
    EXPECT("a record", proposal_next(&rest, &record));
    EXPECT_EQ("applied", APPLY_DONE, image_apply(image, 2, record, &change));
    EXPECT_EQ("the topic first", CHANGE_TOPIC_REMOVED, change.kind);
    EXPECT_EQ("not found any more", SLOT_NONE, image_topic_by_name(image, bytes_of("t")));
    EXPECT_EQ("but still to be looked at", 't', image_topic(image, slot)->name[0]);
    while (image_is_draining(image)) {
        image_check(image);
        image_drain(image, &change);
        if (change.kind == CHANGE_PARTITION_REMOVED) {
            EXPECT_EQ("in order", removed, image_partition(image, change.partition)->index);
            removed++;
        }
    }
    EXPECT_EQ("all of them", 3, removed);
    image_check(image);
    free(image);
}

/* ---- partitions ---- */

static const struct partition_row {
    const char *why;
    uint8_t topic;
    int32_t index;
    int32_t leader;
    enum apply_verdict verdict;
} partition_rows[] = {
    { "the first", 1, 0, 1, APPLY_DONE },
    { "the same again", 1, 0, 1, APPLY_REFUSED },
    { "one with a gap before it", 1, 2, 1, APPLY_REFUSED },
    { "below zero", 1, -1, 1, APPLY_REFUSED },
    { "the next, without a leader", 1, 1, -1, APPLY_DONE },
    { "of no topic", 2, 0, 1, APPLY_REFUSED },
    { "led by one who is no replica", 1, 2, 7, APPLY_MALFORMED },
};

TEST(partitions_come_in_order)
{
    struct image *image = image_small();

    topic(image, "t", 1, 3);
    FOR_EACH(partition_row, row, partition_rows) {
        EXPECT_EQ(row->why, row->verdict, partition(image, row->topic, row->index, row->leader));
    }
    EXPECT("found", image_partition_slot(image, 0, 1) != SLOT_NONE);
    EXPECT_EQ("not found", SLOT_NONE, image_partition_slot(image, 0, 2));
    EXPECT_EQ("a negative index is no partition", SLOT_NONE, image_partition_slot(image, 0, -1));
    free(image);
}

static void three_brokers(struct image *image)
{
    for (int32_t id = 1; id <= 3; id++) EXPECT_EQ("registered", APPLY_DONE, broker(image, id, 10 + id));
}

/* What a partition says, in one line. */
static const char *said(const struct image *image, int32_t index)
{
    static char line[512];
    char words[2048];
    struct text text = text_in(words, sizeof words - 1);
    char begin[16];

    image_format(image, &text);
    words[text.size] = 0;
    snprintf(begin, sizeof begin, "\n  %d ", index);
    const char *found = strstr(words, begin);
    snprintf(line, sizeof line, "%.*s", found == NULL ? 0 : (int)strcspn(found + 5, "\n"),
             found == NULL ? "" : found + 5);
    return line;
}

static const struct change_row {
    const char *why;
    int32_t leader_epoch, partition_epoch; /* that it was decided on */
    int32_t broker;                        /* that it counts on; 0: on nobody */
    int64_t broker_epoch;
    int32_t isr[3];
    uint32_t isr_count; /* 0: as it was */
    enum apply_verdict verdict;
    const char *after;
} change_rows[] = {
    /* clang-format off */
    { "the isr shrinks, the leader's epoch stays", 0, 0, 0, 0, { 1, 2 }, 2,
      APPLY_DONE, "leader=1 epoch=0/1 isr=1,2 replicas=1,2,3" },
    { "decided on an older partition epoch", 0, 0, 0, 0, { 1, 3 }, 2,
      APPLY_SKIPPED, "leader=1 epoch=0/1 isr=1,2 replicas=1,2,3" },
    { "the leader cannot be left out and stay", 0, 1, 0, 0, { 2 }, 1,
      APPLY_DONE, "leader=2 epoch=1/2 isr=2 elr=1 replicas=1,2,3" },
    { "decided on an older leader epoch", 0, 2, 0, 0, { 2, 3 }, 2,
      APPLY_SKIPPED, "leader=2 epoch=1/2 isr=2 elr=1 replicas=1,2,3" },
    { "counts on a broker as it was before it restarted", 1, 2, 3, 12, { 2, 3 }, 2,
      APPLY_SKIPPED, "leader=2 epoch=1/2 isr=2 elr=1 replicas=1,2,3" },
    { "counts on a broker that nobody knows", 1, 2, 4, 14, { 2, 3 }, 2,
      APPLY_SKIPPED, "leader=2 epoch=1/2 isr=2 elr=1 replicas=1,2,3" },
    { "the isr grows to min_isr, and the elr is no more", 1, 2, 3, 13, { 2, 3 }, 2,
      APPLY_DONE, "leader=2 epoch=1/3 isr=2,3 replicas=1,2,3" },
    { "nothing is no change", 1, 3, 0, 0, { 2, 3 }, 2,
      APPLY_SKIPPED, "leader=2 epoch=1/3 isr=2,3 replicas=1,2,3" },
    { "an isr of strangers", 1, 3, 0, 0, { 7 }, 1,
      APPLY_MALFORMED, "leader=2 epoch=1/3 isr=2,3 replicas=1,2,3" },
    { "the same member twice", 1, 3, 0, 0, { 2, 2 }, 2,
      APPLY_MALFORMED, "leader=2 epoch=1/3 isr=2,3 replicas=1,2,3" },
    /* clang-format on */
};

TEST(partition_changes_guard_themselves)
{
    struct image *image = image_small();

    three_brokers(image);
    topic(image, "t", 1, 3);
    partition(image, 1, 0, 1);
    FOR_EACH(change_row, row, change_rows) {
        uint8_t memory[256];
        struct proposal proposal = proposal_in(memory, sizeof memory);
        struct image_change change;
        struct metadata_partition_change_record_broker guard = { row->broker, row->broker_epoch };
        struct metadata_partition_change_record record = metadata_partition_change_record_default;
        record.topic_id = id_of(1);
        record.leader_epoch = row->leader_epoch;
        record.partition_epoch = row->partition_epoch;
        record.brokers = &guard;
        record.brokers_count = row->broker != 0;
        if (row->isr_count > 0) record.isr = row->isr, record.isr_count = row->isr_count;
        proposal_add_partition_change(&proposal, &record);
        EXPECT_EQ(row->why, row->verdict, apply(image, 2, &proposal, &change));
        EXPECT_TEXT(row->why, row->after, said(image, 0));
    }
    free(image);
}

TEST(a_change_that_is_skipped_lets_the_next_one_through)
{
    struct image *image = image_small();
    uint8_t memory[512];
    struct proposal proposal = proposal_in(memory, sizeof memory);
    struct metadata_partition_change_record record = metadata_partition_change_record_default;
    const int32_t isr[2] = { 1, 2 };
    struct image_change change;
    struct bytes rest, bytes;

    three_brokers(image);
    topic(image, "t", 1, 3);
    partition(image, 1, 0, 1);
    partition(image, 1, 1, 1);
    record.topic_id = id_of(1);
    record.isr = isr;
    record.isr_count = 2;
    record.partition_epoch = 7;
    proposal_add_partition_change(&proposal, &record);
    record.index = 1;
    record.partition_epoch = 0;
    proposal_add_partition_change(&proposal, &record);
    rest = proposal_bytes(&proposal);
    EXPECT("a record", proposal_next(&rest, &bytes));
    EXPECT_EQ("stands alone", APPLY_SKIPPED, image_apply(image, 9, bytes, &change));
    EXPECT_EQ("and did nothing", CHANGE_NOTHING, change.kind);
    EXPECT("a record", proposal_next(&rest, &bytes));
    EXPECT_EQ("goes on", APPLY_DONE, image_apply(image, 9, bytes, &change));
    free(image);
}

/* ---- brokers ---- */

TEST(brokers_are_listed_by_id)
{
    struct image *image = image_small();

    EXPECT_EQ("registered", APPLY_DONE, broker(image, 2, -1));
    EXPECT_EQ("its epoch is where the record stands", 7, image_broker(image, image_broker_by_id(image, 2))->epoch);
    EXPECT_EQ("the same registration again", APPLY_REFUSED, broker(image, 2, 7));
    EXPECT_EQ("an earlier one", APPLY_REFUSED, broker(image, 2, 6));
    EXPECT_EQ("the same start, proposed once more", APPLY_REFUSED, broker(image, 2, -1));
    EXPECT_EQ("a later one", APPLY_DONE, broker(image, 2, 9));
    broker(image, 1, 10);
    broker(image, 3, 11);
    int32_t ids[4] = { 0 };
    uint32_t count = 0;
    for (uint32_t i = image_first_broker(image); i != SLOT_NONE; i = image_next_broker(image, i)) {
        ids[count++] = image_broker(image, i)->id;
    }
    EXPECT("by rising id", count == 3 && ids[0] == 1 && ids[1] == 2 && ids[2] == 3);
    EXPECT_EQ("one too many", APPLY_FULL, broker(image, 4, 12));
    free(image);
}

/* What a broker has is counted when it comes and goes, and when what it has does. */
TEST(what_brokers_have_is_counted)
{
    struct image *image = image_small();
    struct image_change change;
    uint8_t memory[64];
    struct proposal proposal = proposal_in(memory, sizeof memory);

    broker(image, 2, 12);
    topic(image, "t", 1, 3);
    partition(image, 1, 0, 2);
    partition(image, 1, 1, 2);
    const struct image_broker *two = image_broker(image, image_broker_by_id(image, 2));
    EXPECT("both, as the only one there is", two->replica_count == 2 && two->leader_count == 2);
    EXPECT_EQ("but not the first replica", 0, two->preferred_count);
    broker(image, 1, 11);
    const struct image_broker *one = image_broker(image, image_broker_by_id(image, 1));
    EXPECT("partitions waited for it", one->replica_count == 2 && one->preferred_count == 2 && one->leader_count == 0);
    proposal_add_broker_removal(&proposal, &(struct metadata_broker_removal_record){ .broker_id = 2, .epoch = 12 });
    EXPECT_EQ("removed", APPLY_DONE, apply(image, 2, &proposal, &change));
    broker(image, 2, 13);
    two = image_broker(image, image_broker_by_id(image, 2));
    EXPECT("back again, and counted again", two->replica_count == 2);
    remove_topic(image, 1);
    EXPECT("all gone", two->replica_count == 0 && one->replica_count == 0 && one->preferred_count == 0);
    free(image);
}

/* ---- wishes ---- */

static const struct wish_row {
    const char *why;
    int32_t broker;
    int64_t epoch, sequence, first_open;
    const char *name;
    enum apply_verdict verdict;
} wish_rows[] = {
    { "a first wish", 1, 1, 1, 1, "a", APPLY_DONE },
    { "proposed twice", 1, 1, 1, 1, "b", APPLY_REFUSED },
    { "another", 1, 1, 3, 1, "c", APPLY_DONE },
    { "the same number of another broker", 2, 2, 3, 1, "d", APPLY_DONE },
    { "of a broker that is not there", 3, 3, 1, 1, "e", APPLY_REFUSED },
    { "of another life", 1, 2, 2, 1, "f", APPLY_REFUSED },
    { "further than one may have open", 1, 1, 66, 2, "g", APPLY_REFUSED },
    { "what was given up comes late", 2, 2, 2, 1, "h", APPLY_DONE },
    { "all below is given up", 2, 2, 5, 5, "i", APPLY_DONE },
    { "and comes too late", 2, 2, 4, 1, "j", APPLY_REFUSED },
};

TEST(a_wish_is_applied_once)
{
    struct image_config config = {
        .node_id = 1, .topics_max = 16, .partitions_max = 8, .brokers_max = 3, .settings_max = 3
    };
    const size_t size = (image_size(&config) + 63) / 64 * 64;
    struct image *image = aligned_alloc(64, size);

    memset(image, 0, size);
    image_init(image, &config);
    broker(image, 1, 1);
    broker(image, 2, 2);
    FOR_EACH(wish_row, row, wish_rows) {
        struct image_change change = { 0 };
        const enum wish_standing standing =
            image_wish(image, row->broker, &(struct uuid){ { 100 + (uint8_t)row->epoch, [15] = 1 } },
                       (uint64_t)row->first_open, (uint64_t)row->sequence);
        EXPECT_EQ(row->why, row->verdict == APPLY_DONE, standing == WISH_NEW);
        EXPECT_EQ(row->why, row->verdict,
                  wish(image, row->broker, row->epoch, row->sequence, row->first_open, row->name, &change));
        EXPECT_EQ(row->why, row->verdict == APPLY_DONE, image_topic_by_name(image, bytes_of(row->name)) != SLOT_NONE);
        const bool own = row->verdict == APPLY_DONE && row->broker == 1;
        EXPECT_EQ("who wished is told, and nobody else", own, change.kind == CHANGE_OWN_WISH);
        if (!own) continue;
        EXPECT_EQ(row->why, row->sequence, change.wish);
        EXPECT_BYTES(row->why, row->name, strlen(row->name), change.answer.data, change.answer.size);
    }
    EXPECT_EQ("a new life", APPLY_DONE, broker(image, 1, 11));
    struct image_change change;
    EXPECT_EQ("wishes from the beginning", APPLY_DONE, wish(image, 1, 11, 1, 1, "k", &change));
    EXPECT_EQ("and the old one's do nothing", APPLY_REFUSED, wish(image, 1, 1, 9, 9, "l", &change));
    free(image);
}

/* ---- settings ---- */

TEST(the_nearest_setting_holds)
{
    struct image *image = image_small();
    const enum config_id id = CONFIG_RETENTION_MS;

    broker(image, 1, 1);
    topic(image, "t", 1, 1);
    EXPECT_EQ("nobody said", SOURCE_DEFAULT, topic_config(image, 0, id).source);
    EXPECT_EQ("a week", 604800000, topic_config_int(image, 0, id));
    EXPECT_EQ("for all brokers", APPLY_DONE, set_broker(image, -1, "log.retention.ms", "100"));
    EXPECT_EQ("holds for topics", 100, topic_config_int(image, 0, id));
    EXPECT_EQ("and is told", SOURCE_BROKERS, topic_config(image, 0, id).source);
    EXPECT_EQ("for this broker", APPLY_DONE, set_broker(image, 1, "log.retention.ms", "200"));
    EXPECT_EQ("is nearer", 200, topic_config_int(image, 0, id));
    EXPECT_EQ("for another broker", APPLY_REFUSED, set_broker(image, 2, "log.retention.ms", "300"));
    EXPECT_EQ("for the topic", APPLY_DONE, set(image, 1, "retention.ms", "400"));
    EXPECT_EQ("is nearest", 400, topic_config_int(image, 0, id));
    EXPECT_EQ("rules follow", 400, topic_log_rules(image, 0).retention_ms);
    EXPECT_EQ("taken back", APPLY_DONE, set(image, 1, "retention.ms", NULL));
    EXPECT_EQ("and the next one holds", 200, topic_config_int(image, 0, id));
    set_broker(image, 1, "log.retention.ms", NULL);
    set_broker(image, -1, "log.retention.ms", NULL);
    EXPECT_EQ("all taken back", SOURCE_DEFAULT, topic_config(image, 0, id).source);

    EXPECT_EQ("the node's own configuration", 4, broker_config_int(image, CONFIG_NUM_PARTITIONS));
    EXPECT_EQ("is told as that", SOURCE_STATIC, broker_config(image, 1, CONFIG_NUM_PARTITIONS).source);
    EXPECT_EQ("and not known of others", SOURCE_DEFAULT, broker_config(image, 2, CONFIG_NUM_PARTITIONS).source);
    free(image);
}

TEST(settings_are_bounded_and_understood)
{
    struct image *image = image_small();

    topic(image, "t", 1, 1);
    EXPECT_EQ("unknown to this version", APPLY_REFUSED, set(image, 1, "retention.parsecs", "5"));
    EXPECT_EQ("a value unknown to this version", APPLY_REFUSED, set(image, 1, "retention.ms", "soon"));
    EXPECT_EQ("one", APPLY_DONE, set(image, 1, "retention.ms", "5"));
    EXPECT_EQ("the same again is no more", APPLY_DONE, set(image, 1, "retention.ms", "6"));
    EXPECT_EQ("two", APPLY_DONE, set(image, 1, "segment.ms", "6"));
    EXPECT_EQ("three", APPLY_DONE, set(image, 1, "retention.bytes", "6"));
    EXPECT_EQ("too many for this node", APPLY_FULL, set(image, 1, "segment.bytes", "4096"));
    EXPECT_EQ("taking one back", APPLY_DONE, set(image, 1, "retention.ms", NULL));
    EXPECT_EQ("makes room", APPLY_DONE, set(image, 1, "segment.bytes", "4096"));
    free(image);
}

static const struct min_isr_row {
    const char *why;
    int8_t target;
    const char *all, *value; /* for all brokers, for the topic; NULL: nothing is set */
    uint8_t min_isr;
} min_isr_rows[] = {
    { "one replica needs itself", 1, NULL, NULL, 1 },
    { "two can lose none of their promises with one", 2, NULL, NULL, 1 },
    { "three are meant to survive the loss of one", 3, NULL, NULL, 2 },
    { "what is set for all holds", 3, "3", NULL, 3 },
    { "what is set for the topic holds more", 3, "3", "1", 1 },
    { "but never more than there are", 3, NULL, "5", 3 },
};

TEST(min_insync_replicas_follow_the_target)
{
    FOR_EACH(min_isr_row, row, min_isr_rows) {
        for (int before = 0; before < 2; before++) { /* than the partition, or after it */
            struct image *image = image_small();
            three_brokers(image);
            topic(image, "t", 1, row->target);
            if (before == 0) partition(image, 1, 0, 1); /* with three replicas */
            if (row->all != NULL) set_broker(image, -1, "min.insync.replicas", row->all);
            if (row->value != NULL) set(image, 1, "min.insync.replicas", row->value);
            if (before == 1) partition(image, 1, 0, 1);
            EXPECT_EQ(row->why, row->min_isr, image_partition(image, image_partition_slot(image, 0, 0))->min_isr);
            free(image);
        }
    }
}

/* Images must not differ by what is only one node's: not even if a record says so. */
TEST(one_brokers_own_settings_decide_nothing)
{
    struct image *image = image_small();

    three_brokers(image);
    topic(image, "t", 1, 3);
    partition(image, 1, 0, 1);
    EXPECT_EQ("as a record may say", APPLY_DONE, set_broker(image, 1, "min.insync.replicas", "3"));
    EXPECT_EQ("and mean nothing", 2, image_partition(image, image_partition_slot(image, 0, 0))->min_isr);
    free(image);
}

/* ---- the cluster ---- */

TEST(producer_ids_are_given_once)
{
    struct image *image = image_small();
    struct image_change change;
    const struct {
        const char *why;
        int64_t first, count;
        enum apply_verdict verdict;
        int64_t next;
    } rows[] = {
        { "the first block", 0, 1000, APPLY_DONE, 1000 },
        { "the same block to another", 0, 1000, APPLY_REFUSED, 1000 },
        { "the next", 1000, 1000, APPLY_DONE, 2000 },
        { "none", 2000, 0, APPLY_MALFORMED, 2000 },
        { "more than there are", 2000, INT64_MAX, APPLY_MALFORMED, 2000 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t memory[64];
        struct proposal proposal = proposal_in(memory, sizeof memory);
        proposal_add_producer_ids(&proposal, &(struct metadata_producer_ids_record){ .first_producer_id = rows[i].first,
                                                                                     .count = rows[i].count });
        EXPECT_EQ(rows[i].why, rows[i].verdict, apply(image, 3, &proposal, &change));
        EXPECT_EQ(rows[i].why, rows[i].next, image_view(image).next_producer_id);
    }
    free(image);
}

TEST(a_cluster_has_one_id)
{
    struct image *image = image_small();
    struct image_change change;
    uint8_t memory[64];
    struct proposal proposal = proposal_in(memory, sizeof memory);

    proposal_add_cluster(&proposal, &(struct metadata_cluster_record){ .cluster_id = id_of(1) });
    EXPECT_EQ("the first", APPLY_DONE, apply(image, 1, &proposal, &change));
    EXPECT_EQ("and the last", APPLY_REFUSED, apply(image, 2, &proposal, &change));
    free(image);
}

TEST(an_image_can_be_read_by_people)
{
    struct image *image = image_small();
    char words[1024] = { 0 };
    struct text text = text_in(words, sizeof words - 1);

    broker(image, 2, 5);
    broker(image, 3, 6);
    topic(image, "t", 1, 3);
    partition(image, 1, 0, 2);
    set(image, 1, "cleanup.policy", "compact");
    set_broker(image, -1, "num.partitions", "6");
    image_format(image, &text);
    EXPECT_TEXT("a line per thing",
                "cluster AAAAAAAAAAAAAAAAAAAAAA level=0 next_producer_id=0 applied=0\n"
                "  num.partitions=6\n"
                "broker 2 epoch=5 rack=here localhost:9092\n"
                "broker 3 epoch=6 rack=here localhost:9092\n"
                "topic t AQAAAAAAAAAAAAAAAAAAAQ target=3\n"
                "  cleanup.policy=compact\n"
                "  0 leader=2 epoch=0/1 isr=2,3 replicas=1,2,3\n",
                words);
    free(image);
}

/* Every record of every prefix and with every byte changed: refused or applied, never worse, and never half. */
TEST(damaged_records_do_no_harm)
{
    uint8_t memory[2048], damaged[2048];
    int32_t replicas[2] = { 1, 2 };
    struct metadata_broker_record_endpoint endpoint = { 0, bytes_of("h"), 9092 };
    struct proposal proposal = proposal_in(memory, sizeof memory);
    struct bytes rest, record;
    struct image_change change;
    struct image *image = image_small();

    proposal_add_broker(
        &proposal, &(struct metadata_broker_record){ .broker_id = 1, .endpoints = &endpoint, .endpoints_count = 1 });
    proposal_add_topic(
        &proposal, &(struct metadata_topic_record){ .name = bytes_of("t"), .topic_id = id_of(1), .replica_target = 1 });
    proposal_add_partition(&proposal,
                           &(struct metadata_partition_record){
                               .topic_id = id_of(1), .replicas = replicas, .replicas_count = 2, .leader = 1 });
    proposal_add_config(&proposal, &(struct metadata_config_record){ .resource_type = 2,
                                                                     .topic_id = id_of(1),
                                                                     .name = bytes_of("retention.ms"),
                                                                     .value = bytes_of("5") });
    proposal_add_topic_removal(&proposal, &(struct metadata_topic_removal_record){ .topic_id = id_of(1) });
    rest = proposal_bytes(&proposal);
    while (proposal_next(&rest, &record)) {
        for (uint32_t at = 0; at < record.size; at++) {
            for (int bit = 0; bit < 8; bit++) {
                memcpy(damaged, record.data, record.size);
                damaged[at] ^= (uint8_t)(1 << bit);
                image_apply(image, 5, (struct bytes){ damaged, record.size }, &change);
                while (image_is_draining(image)) image_drain(image, &change);
                image_check(image);
            }
            const enum apply_verdict cut = image_apply(image, 5, (struct bytes){ record.data, at }, &change);
            EXPECT_EQ("a record that is cut short is none", APPLY_MALFORMED, cut);
        }
        image_clear(image);
    }
    free(image);
}
