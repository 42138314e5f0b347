/* Decisions in clusters that one node cannot be: several brokers, one of them fenced, one with a full image. What one
 * node can be asked is in test_admin.c. */
#include "controller/decide.h"
#include "meta/image_state.h"
#include "t.h"
#include <stdlib.h>

struct court {
    struct image *image;
    struct placement placement;
    uint32_t order[32];
    uint8_t memory[16 << 10];
    struct proposal records;
    char words[512];
    struct text message;
    struct decision decision;
};

static void apply(struct court *court)
{
    struct bytes rest = proposal_bytes(&court->records), record;
    struct image_change change;
    const uint64_t index = image_view(court->image).applied_index + 1;

    while (proposal_next(&rest, &record)) {
        EXPECT_EQ("what was decided applies", APPLY_DONE, image_apply(court->image, index, record, &change));
        while (image_is_draining(court->image)) image_drain(court->image, &change);
    }
    image_advance(court->image, index, 1);
    image_check(court->image);
    court->records = proposal_in(court->memory, sizeof court->memory);
}

/* Brokers 1, 2 and 3, of which 3 is fenced. */
static struct court *court_new(void)
{
    static const struct image_config config = { .node_id = 1,
                                                .topics_max = 10,
                                                .partitions_max = 100,
                                                .brokers_max = 8,
                                                .settings_max = 10,
                                                .statics = { { CONFIG_DEFAULT_REPLICATION_FACTOR, 3 } },
                                                .static_count = 1 };
    const size_t size = (image_size(&config) + 63) / 64 * 64;
    struct court *court = calloc(1, sizeof *court);

    court->image = aligned_alloc(64, size);
    memset(court->image, 0, size);
    image_init(court->image, &config);
    placement_init(&court->placement, court->order, 8);
    court->records = proposal_in(court->memory, sizeof court->memory);
    for (int32_t id = 1; id <= 3; id++) {
        const struct metadata_broker_record record = { .broker_id = id, .epoch = -1, .fenced = id == 3 };
        proposal_add_broker(&court->records, &record);
    }
    apply(court);
    return court;
}

static struct decision *sit(struct court *court)
{
    const struct image_view view = image_view(court->image);

    placement_refresh(&court->placement, court->image);
    court->message = text_in(court->words, sizeof court->words - 1);
    memset(court->words, 0, sizeof court->words);
    court->decision = (struct decision){ .image = court->image,
                                         .placement = &court->placement,
                                         .message_size_max = 1 << 20,
                                         .topics_left = 10 - view.topic_count,
                                         .partitions_left = 100 - view.partition_count,
                                         .settings_left = 10 - view.setting_count,
                                         .request_partitions_left = 10000,
                                         .records = &court->records,
                                         .message = &court->message };
    return &court->decision;
}

static void court_free(struct court *court)
{
    free(court->image);
    free(court);
}

static struct uuid id_of(uint8_t number)
{
    return (struct uuid){ { number } };
}

static const int32_t one[] = { 1 }, one_two[] = { 1, 2 }, two_three[] = { 2, 3 }, only_three[] = { 3 },
                     one_one[] = { 1, 1 }, minus[] = { -1 };

static const struct topic_row {
    const char *why;
    int32_t partitions;
    int16_t replicas;
    struct create_topics_request_assignment assignments[3];
    uint32_t assignment_count;
    enum error error;
    const char *message;
    int16_t replica_count; /* then, and meant to be */
    uint8_t target;
    int32_t leader; /* of partition 0; 0: any */
    uint8_t isr_count;
} topic_rows[] = {
    { "a fenced broker is the last resort, and not in sync", 4, -1, { { 0 } }, 0, ERROR_NONE, "", 3, 3, 0, 2 },
    { "who asks for as many as there are gets them", 4, 2, { { 0 } }, 0, ERROR_NONE, "", 2, 2, 0, 2 },
    { "who asks for more than there are gets none",
      1,
      4,
      { { 0 } },
      0,
      ERROR_INVALID_REPLICATION_FACTOR,
      "Unable to replicate the partition 4 time(s): The target replication factor of 4 cannot be reached because only "
      "3 "
      "broker(s) are registered.",
      0,
      0,
      0,
      0 },
    { "by hand, in any order", -1, -1, { { 1, one_two, 2 }, { 0, two_three, 2 } }, 2, ERROR_NONE, "", 2, 2, 2, 1 },
    { "by hand, to a fenced broker alone: nobody could lead",
      -1,
      -1,
      { { 0, only_three, 1 } },
      1,
      ERROR_INVALID_REPLICA_ASSIGNMENT,
      "All brokers specified in the manual partition assignment for partition 0 are fenced or in controlled shutdown.",
      0,
      0,
      0,
      0 },
    { "a gap",
      -1,
      -1,
      { { 0, one, 1 }, { 2, one, 1 } },
      2,
      ERROR_INVALID_REPLICA_ASSIGNMENT,
      "partitions should be a consecutive 0-based integer sequence",
      0,
      0,
      0,
      0 },
    { "below zero",
      -1,
      -1,
      { { -1, one, 1 } },
      1,
      ERROR_INVALID_REPLICA_ASSIGNMENT,
      "partitions should be a consecutive 0-based integer sequence",
      0,
      0,
      0,
      0 },
    { "a partition twice",
      -1,
      -1,
      { { 0, one, 1 }, { 0, one, 1 } },
      2,
      ERROR_INVALID_REPLICA_ASSIGNMENT,
      "Found multiple manual partition assignments for partition 0",
      0,
      0,
      0,
      0 },
    { "a broker twice",
      -1,
      -1,
      { { 0, one_one, 2 } },
      1,
      ERROR_INVALID_REPLICA_ASSIGNMENT,
      "The manual partition assignment includes the broker 1 more than once.",
      0,
      0,
      0,
      0 },
    { "no broker",
      -1,
      -1,
      { { 0, one, 0 } },
      1,
      ERROR_INVALID_REPLICA_ASSIGNMENT,
      "The manual partition assignment includes an empty replica list.",
      0,
      0,
      0,
      0 },
    { "a broker that cannot be",
      -1,
      -1,
      { { 0, minus, 1 } },
      1,
      ERROR_INVALID_REPLICA_ASSIGNMENT,
      "The manual partition assignment includes broker -1, but no such broker is registered.",
      0,
      0,
      0,
      0 },
    { "unequal replicas",
      -1,
      -1,
      { { 0, one_two, 2 }, { 1, one, 1 } },
      2,
      ERROR_INVALID_REPLICA_ASSIGNMENT,
      "The manual partition assignment includes a partition with 1 replica(s), but this is not consistent with "
      "previous "
      "partitions, which have 2 replica(s).",
      0,
      0,
      0,
      0 },
    { "by hand, and a factor",
      -1,
      1,
      { { 0, one, 1 } },
      1,
      ERROR_INVALID_REQUEST,
      "A manual partition assignment was specified, but replication factor was not set to -1.",
      0,
      0,
      0,
      0 },
};

TEST(topics_are_decided)
{
    FOR_EACH(topic_row, row, topic_rows) {
        struct court *court = court_new();
        struct create_topics_request_assignment assignments[3];
        struct topic_made made;
        const struct uuid id = id_of(1);
        memcpy(assignments, row->assignments, sizeof assignments);
        const struct create_topics_request_topic topic = { .name = BYTES_LITERAL("t"),
                                                           .num_partitions = row->partitions,
                                                           .replication_factor = row->replicas,
                                                           .assignments = assignments,
                                                           .assignments_count = row->assignment_count };
        EXPECT_EQ(row->why, row->error, decide_topic(sit(court), &topic, &id, &made));
        EXPECT_TEXT(row->why, row->message, court->words);
        if (row->error == ERROR_NONE) {
            EXPECT_EQ(row->why, row->replica_count, made.replica_count);
            EXPECT_EQ(row->why, 9, court->decision.topics_left);
            EXPECT_EQ(row->why, 100 - made.partition_count, court->decision.partitions_left);
            apply(court);
            EXPECT_EQ(row->why, row->target, image_topic(court->image, 0)->replica_target);
            const struct image_partition *first =
                image_partition(court->image, image_topic(court->image, 0)->first_partition);
            if (row->leader != 0) EXPECT_EQ(row->why, row->leader, first->leader);
            EXPECT_EQ(row->why, row->isr_count, replica_set_count(first->isr));
        } else {
            EXPECT_EQ(row->why, 0, court->records.record_count);
            EXPECT_EQ(row->why, 0, (int64_t)court->records.writer.size);
            EXPECT_EQ(row->why, 10, court->decision.topics_left);
        }
        court_free(court);
    }
}

/* What does not fit into a proposal is refused, and leaves nothing behind. */
TEST(a_proposal_has_an_end)
{
    struct court *court = court_new();
    struct topic_made made;
    const struct uuid id = id_of(1);
    const struct create_topics_request_topic topic = { .name = BYTES_LITERAL("t"),
                                                       .num_partitions = 100,
                                                       .replication_factor = 2 };
    court->records = proposal_in(court->memory, 1000);
    EXPECT_EQ("too much", ERROR_POLICY_VIOLATION, decide_topic(sit(court), &topic, &id, &made));
    EXPECT_EQ("nothing is left of it", 0, (int64_t)court->records.writer.size);
    EXPECT_EQ("nothing is taken", 100, court->decision.partitions_left);
    court_free(court);
}

TEST(growth_keeps_the_target)
{
    struct court *court = court_new();
    struct topic_made made;
    const struct uuid id = id_of(1);
    const struct create_topics_request_topic topic = { .name = BYTES_LITERAL("t"),
                                                       .num_partitions = 1,
                                                       .replication_factor = -1 };
    struct create_partitions_request_assignment too_few = { one, 1 };
    struct create_partitions_request_topic wish = { .name = BYTES_LITERAL("t"), .count = 3 };

    EXPECT_EQ("made", ERROR_NONE, decide_topic(sit(court), &topic, &id, &made));
    apply(court);
    EXPECT_EQ("grown", ERROR_NONE, decide_partitions(sit(court), &wish));
    apply(court);
    EXPECT_EQ("as many replicas as there can be", 3,
              image_partition(court->image, image_topic(court->image, 0)->last_partition)->replica_count);
    wish.count = 4;
    wish.assignments = &too_few;
    wish.assignments_count = 1;
    EXPECT_EQ("by hand as many as the others have", ERROR_INVALID_REPLICA_ASSIGNMENT,
              decide_partitions(sit(court), &wish));
    court_free(court);
}

/* A group's partition is found by their number: its offsets would be looked for where they are not. */
TEST(internal_topics_keep_their_partitions)
{
    struct court *court = court_new();
    struct topic_made made;
    const struct uuid id = id_of(1);
    const struct create_topics_request_topic topic = { .name = BYTES_LITERAL("__consumer_offsets"),
                                                       .num_partitions = 1,
                                                       .replication_factor = -1 };
    const struct create_partitions_request_topic wish = { .name = BYTES_LITERAL("__consumer_offsets"), .count = 3 };

    EXPECT_EQ("made", ERROR_NONE, decide_topic(sit(court), &topic, &id, &made));
    apply(court);
    EXPECT_EQ("and not grown", ERROR_INVALID_TOPIC_EXCEPTION, decide_partitions(sit(court), &wish));
    EXPECT_EQ("nothing is decided", 0, (int64_t)court->records.writer.size);
    court_free(court);
}

TEST(deletion_can_be_switched_off)
{
    struct court *court = court_new();
    struct topic_made made;
    const struct uuid id = id_of(1);
    const struct create_topics_request_topic topic = { .name = BYTES_LITERAL("t"),
                                                       .num_partitions = 1,
                                                       .replication_factor = 1 };
    const struct setting_wish off = { BYTES_LITERAL("delete.topic.enable"), SETTING_SET, BYTES_LITERAL("false") };

    EXPECT_EQ("made", ERROR_NONE, decide_topic(sit(court), &topic, &id, &made));
    EXPECT_EQ("off", ERROR_NONE, decide_settings(sit(court), RESOURCE_BROKER, BYTES_LITERAL(""), &off, 1, false));
    apply(court);
    EXPECT_EQ("so", ERROR_TOPIC_DELETION_DISABLED, decide_topic_removal(sit(court), 0));
    court_free(court);
}

static const struct name_row {
    const char *why;
    const char *name;
    bool valid, internal;
} name_rows[] = {
    { "letters, digits, dots and the like", "Az09._-", true, false },
    { "a dot more", "...", true, false },
    { "a dot", ".", false, false },
    { "two dots", "..", false, false },
    { "nothing", "", false, false },
    { "a blank", "a b", false, false },
    { "not of this alphabet", "\xc3\xa4", false, false },
    { "what is between the letters", "a[", false, false },
    { "ours", "__meta", false, false },
    { "ours", "__journal", false, false },
    { "Kafka's", "__cluster_metadata", false, false },
    { "a topic of the broker's", "__consumer_offsets", true, true },
    { "two lines make nobody's", "__mine", true, false },
};

TEST(names_are_judged)
{
    char long_name[251];

    FOR_EACH(name_row, row, name_rows) {
        EXPECT_EQ(row->why, row->valid, topic_name_is_valid(text_of(row->name)));
        EXPECT_EQ(row->why, row->internal, topic_name_is_internal(text_of(row->name)));
    }
    memset(long_name, 'n', sizeof long_name);
    EXPECT("the longest", topic_name_is_valid((struct bytes){ (uint8_t *)long_name, 249 }));
    EXPECT("one more", !topic_name_is_valid((struct bytes){ (uint8_t *)long_name, 250 }));
}
