/* Partitions that move from node to node because somebody asks for it, by Kafka's requests. */
#include "codec/api.h"
#include "plane_world.h"

enum { IDS_MAX = 20 };

static bool says(struct bytes bytes, const char *words)
{
    if (words == NULL) return bytes.data == NULL;
    return bytes.size == strlen(words) && memcmp(bytes.data, words, bytes.size) == 0;
}

static uint32_t ids_of(const char *text, int32_t ids[IDS_MAX])
{
    uint32_t count = 0;

    while (*text != 0 && count < IDS_MAX) {
        ids[count++] = (int32_t)strtol(text, (char **)(uintptr_t)&text, 10);
        if (*text == ',') text++;
    }
    return count;
}

/* A play: each row begins where the one before ended. Between two rows those that are in `isr` get in sync. */
static const struct move_row {
    const char *why;
    const char *topic;
    int32_t index;
    const char *replicas; /* NULL: taken back */
    enum error error;
    const char *message;
    const char *said;
    const char *isr; /* who is in sync then; NULL: who was */
    const char *then;
} move_rows[] = {
    { "no such topic", "x", 0, "1", ERROR_UNKNOWN_TOPIC_OR_PARTITION, "Unable to find a topic named x.", NULL, NULL,
      NULL },
    { "no such partition", "t", 7, "1", ERROR_UNKNOWN_TOPIC_OR_PARTITION, "Unable to find partition t:7.", NULL, NULL,
      NULL },
    { "nothing to be taken back", "t", 0, NULL, ERROR_NO_REASSIGNMENT_IN_PROGRESS,
      "No partition reassignment is in progress.", "leader=1 isr=1,2 replicas=1,2", NULL, NULL },
    { "to nobody", "t", 0, "", ERROR_INVALID_REPLICA_ASSIGNMENT,
      "The manual partition assignment includes an empty replica list.", "leader=1 isr=1,2 replicas=1,2", NULL, NULL },
    { "to more than there may be", "t", 0, "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
      ERROR_INVALID_REPLICA_ASSIGNMENT,
      "The manual partition assignment includes more replicas than a partition may have.",
      "leader=1 isr=1,2 replicas=1,2", NULL, NULL },
    { "to others", "t", 0, "3,4", ERROR_NONE, NULL, "leader=1 isr=1,2 replicas=3,4,1,2 adding=3,4 removing=1,2",
      "1,2,3", "leader=1 isr=3,1,2 replicas=3,4,1,2 adding=3,4 removing=1,2" },
    { "the last one of them: who goes leads no more", "t", 0, "3,4", ERROR_NONE, NULL,
      "leader=1 isr=3,1,2 replicas=3,4,1,2 adding=3,4 removing=1,2", "1,2,3,4", "leader=3 isr=3,4 replicas=3,4" },
    { "to fewer", "t", 0, "4", ERROR_NONE, NULL, "leader=4 isr=4 replicas=4", NULL, NULL },
    { "to more", "t", 0, "4,1,2", ERROR_NONE, NULL, "leader=4 isr=4 replicas=4,1,2 adding=1,2", NULL, NULL },
    { "taken back", "t", 0, NULL, ERROR_NONE, NULL, "leader=4 isr=4 replicas=4", NULL, NULL },
};

static void ask_for(struct plane *plane, const struct move_row *row)
{
    int32_t ids[IDS_MAX];
    struct alter_partition_reassignments_request_partition partition = { .index = row->index };
    struct alter_partition_reassignments_request_topic topic = { text_of(row->topic), &partition, 1 };

    if (row->replicas != NULL) {
        partition.replicas = ids;
        partition.replicas_count = ids_of(row->replicas, ids);
    }
    PLANE_ASK(alter_partition_reassignments, API_ALTER_PARTITION_REASSIGNMENTS, 0, .topics = &topic, .topics_count = 1)
    EXPECT_EQ("the request as a whole is fine", ERROR_NONE, alter_partition_reassignments_answer.error_code);
    EXPECT_EQ(row->why, row->error, alter_partition_reassignments_answer.topics[0].partitions[0].error_code);
    EXPECT(row->why, says(alter_partition_reassignments_answer.topics[0].partitions[0].error_message, row->message));
}

TEST(reassignments_are_answered_as_by_kafka)
{
    struct plane *plane = plane_new(4);
    int32_t ids[IDS_MAX];

    plane_create(plane, "t", 2, (int32_t[]){ 1, 2 }, 2, 2);
    FOR_EACH(move_row, row, move_rows) {
        ask_for(plane, row);
        if (row->said != NULL) EXPECT_TEXT(row->why, row->said, plane_said(plane, "t", 0));
        if (row->isr == NULL) continue;
        plane_wish_isr(plane, "t", 0, ids, ids_of(row->isr, ids));
        EXPECT_TEXT(row->why, row->then, plane_said(plane, "t", 0));
    }
    EXPECT_TEXT("the other one is where it was", "leader=1 isr=1,2 replicas=1,2", plane_said(plane, "t", 1));
    plane_pass(plane, 5000);
    EXPECT_TEXT("and what was asked for stays", "leader=4 isr=4 replicas=4", plane_said(plane, "t", 0));
    plane_free(plane);
}

static bool are(const int32_t *ids, uint32_t count, const char *text)
{
    int32_t expected[IDS_MAX];

    return ids_of(text, expected) == count && memcmp(ids, expected, count * sizeof *ids) == 0;
}

static void expect_nothing(struct plane *plane)
{
    PLANE_ASK(list_partition_reassignments, API_LIST_PARTITION_REASSIGNMENTS, 0, .topics = NULL)
    EXPECT_EQ("nothing moves", 0, list_partition_reassignments_answer.topics_count);
}

/* Partition 1 of "t" goes from 1 to 3; whoever asks for all topics hears of the same. */
static void expect_one(struct plane *plane, struct list_partition_reassignments_request_topic *topics, uint32_t count)
{
    PLANE_ASK(list_partition_reassignments, API_LIST_PARTITION_REASSIGNMENTS, 0, .topics = topics,
              .topics_count = count)
    EXPECT_EQ("one topic", 1, list_partition_reassignments_answer.topics_count);
    const struct list_partition_reassignments_response_topic *topic = &list_partition_reassignments_answer.topics[0];
    const struct list_partition_reassignments_response_partition *moved = &topic->partitions[0];

    EXPECT("that one", says(topic->name, "t") && topic->partitions_count == 1);
    EXPECT_EQ("and this partition", 1, moved->index);
    EXPECT("new and old ones", are(moved->replicas, moved->replicas_count, "3,2,1"));
    EXPECT("who comes", are(moved->adding_replicas, moved->adding_replicas_count, "3"));
    EXPECT("who goes", are(moved->removing_replicas, moved->removing_replicas_count, "1"));
}

TEST(what_moves_is_listed)
{
    struct plane *plane = plane_new(4);
    const int32_t both[] = { 0, 1, 9 };
    struct list_partition_reassignments_request_topic asked[] = { { BYTES_LITERAL("x"), both, 3 },
                                                                  { BYTES_LITERAL("u"), both, 3 },
                                                                  { BYTES_LITERAL("t"), both, 3 } };

    plane_create(plane, "t", 2, (int32_t[]){ 1, 2 }, 2, 2);
    plane_create(plane, "u", 2, (int32_t[]){ 1, 2 }, 2, 2);
    expect_nothing(plane);
    ask_for(plane, &(struct move_row){ "moves", "t", 1, "3,2", ERROR_NONE, NULL, NULL, NULL, NULL });
    expect_one(plane, asked, 3);
    expect_one(plane, NULL, 0);
    plane_wish_isr(plane, "t", 1, (int32_t[]){ 1, 2, 3 }, 3);
    expect_nothing(plane);
    plane_free(plane);
}
