/* ListOffsets, OffsetForLeaderEpoch and DeleteRecords: where logs begin and end. */
#include "broker_world.h"

/* Partition 0: offsets 0 to 4, of which 1 is deleted and 4 is not committed; times 1000, 2000 ... 5000. */
static struct world *world_with_times(void)
{
    struct world *world = world_serving();
    static uint8_t memory[4096];
    struct append_answer answer;
    struct record_batch batch;
    const uint32_t log = world_log(world, "t", 0);

    world_broker(world, 2, "there", 9093);
    world_topic(world, "far", 1, 2);
    for (int64_t i = 1; i <= 5; i++) {
        const struct bytes bytes = batch_of(memory, sizeof memory, &(struct batch_spec){ .timestamp = 1000 * i });
        CHECK(record_batch_read(bytes, &batch) == RECORD_BATCH_WHOLE);
        CHECK(logs_append(world->logs, log, &batch, 3, -1, 0, &answer) == APPEND_OK);
        if (i == 4) world_durable(world, log);
    }
    world->logs->logs[log].offsets.log_start_offset = 1;
    world->logs->logs[log].offsets.leader_epoch = 3;
    return world;
}

static const struct list_row {
    const char *why;
    const char *topic;
    int32_t partition, leader_epoch;
    int64_t timestamp;
    int16_t since; /* the version from which on it is served */
    int16_t error;
    int64_t offset, time;
} list_rows[] = {
    { "the end is the high watermark", "t", 0, -1, -1, 1, ERROR_NONE, 4, -1 },
    { "the begin is the log's start", "t", 0, -1, -2, 1, ERROR_NONE, 1, -1 },
    { "the largest time", "t", 0, -1, -3, 7, ERROR_NONE, -1, -1 }, /* of offset 4, which nobody may see */
    { "the local begin", "t", 0, -1, -4, 8, ERROR_NONE, 1, -1 },
    { "nothing is tiered", "t", 0, -1, -5, 9, ERROR_NONE, -1, -1 },
    { "a time that is there", "t", 0, -1, 3000, 1, ERROR_NONE, 2, 3000 },
    { "a time in between", "t", 0, -1, 2001, 1, ERROR_NONE, 2, 3000 },
    { "a time after all", "t", 0, -1, 6000, 1, ERROR_NONE, -1, -1 },
    { "a time above the high watermark", "t", 0, -1, 4500, 1, ERROR_NONE, -1, -1 },
    { "a topic that is not there", "nothing", 0, -1, -1, 1, ERROR_UNKNOWN_TOPIC_OR_PARTITION, -1, -1 },
    { "a partition that is not there", "t", 7, -1, -1, 1, ERROR_UNKNOWN_TOPIC_OR_PARTITION, -1, -1 },
    { "led by another", "far", 0, -1, -1, 1, ERROR_NOT_LEADER_OR_FOLLOWER, -1, -1 },
    { "of an epoch that is over", "t", 0, 2, -1, 4, ERROR_FENCED_LEADER_EPOCH, -1, -1 },
    { "of an epoch to come", "t", 0, 4, -1, 4, ERROR_UNKNOWN_LEADER_EPOCH, -1, -1 },
};

TEST(offsets_are_listed_as_by_kafka)
{
    FOR_EACH(list_row, row, list_rows) {
        struct world *world = world_with_times();
        for (int16_t version = 1; version <= 10; version++) {
            struct list_offsets_request_partition partition = list_offsets_request_partition_default;
            struct list_offsets_request_topic topic = { text_of(row->topic), &partition, 1 };
            struct list_offsets_request request = list_offsets_request_default;
            struct list_offsets_response got;
            partition.index = row->partition;
            partition.timestamp = row->timestamp;
            partition.current_leader_epoch = row->leader_epoch;
            request.topics = &topic;
            request.topics_count = 1;
            WORLD_ASK(world, 0, API_LIST_OFFSETS, list_offsets, version, version, &request);
            WORLD_GET(row->why, world, 0, API_LIST_OFFSETS, list_offsets, version, version, &got);
            if (row->leader_epoch >= 0 && version < row->since) continue; /* not on the wire yet */
            const struct list_offsets_response_partition *answer = &got.topics[0].partitions[0];
            const bool early = version < row->since;
            EXPECT_EQ(row->why, early ? ERROR_UNSUPPORTED_VERSION : row->error, answer->error_code);
            EXPECT_EQ(row->why, early ? -1 : row->offset, answer->offset);
            EXPECT_EQ(row->why, early ? -1 : row->time, answer->timestamp);
        }
        world_free(world);
    }
}

TEST(times_are_looked_up_on_disk_each_once)
{
    struct world *world = world_with_times();
    struct list_offsets_request_partition partitions[4];
    struct list_offsets_request_topic topic = { text_of("t"), partitions, 4 };
    struct list_offsets_request request = list_offsets_request_default;
    struct list_offsets_response got;

    for (int32_t i = 0; i < 4; i++) {
        partitions[i] = list_offsets_request_partition_default;
        partitions[i].index = i;
        partitions[i].timestamp = 2500;
    }
    request.topics = &topic;
    request.topics_count = 1;
    world->logs->reads_waiting = 3;
    WORLD_ASK(world, 0, API_LIST_OFFSETS, list_offsets, 5, 1, &request);
    EXPECT_EQ("all are asked at once", 4, world->logs->read_calls);
    EXPECT_NO_ANSWER("three wait", world, 0);
    world->logs->reads_waiting = 2;
    world_read_done(world);
    EXPECT_EQ("the three are asked again, the fourth is not", 7, world->logs->read_calls);
    EXPECT_NO_ANSWER("two wait", world, 0);
    world_read_done(world);
    EXPECT_EQ("the two", 9, world->logs->read_calls);
    WORLD_GET("answered", world, 0, API_LIST_OFFSETS, list_offsets, 5, 1, &got);
    EXPECT_EQ("found", 2, got.topics[0].partitions[0].offset);
    EXPECT_EQ("nothing there", -1, got.topics[0].partitions[3].offset);
    EXPECT_EQ("nothing is kept", 0, broker_usage(world->broker).answers_size);
    world->logs->read_next = READ_CORRUPT;
    WORLD_ASK(world, 0, API_LIST_OFFSETS, list_offsets, 5, 2, &request);
    WORLD_GET("damaged", world, 0, API_LIST_OFFSETS, list_offsets, 5, 2, &got);
    EXPECT_EQ("is told", ERROR_KAFKA_STORAGE_ERROR, got.topics[0].partitions[1].error_code);
    world_free(world);
}

TEST(a_link_that_closes_while_it_waits_for_the_disk_leaves_nothing)
{
    struct world *world = world_with_times();
    struct list_offsets_request_partition partition = list_offsets_request_partition_default;
    struct list_offsets_request_topic topic = { text_of("t"), &partition, 1 };
    struct list_offsets_request request = list_offsets_request_default;

    partition.timestamp = 1;
    request.topics = &topic;
    request.topics_count = 1;
    world->logs->reads_waiting = 1;
    WORLD_ASK(world, 0, API_LIST_OFFSETS, list_offsets, 5, 1, &request);
    world_close(world, 0);
    EXPECT_EQ("nothing", 0, broker_usage(world->broker).answers_size);
    world_open(world, 0);
    world_read_done(world);
    EXPECT_NO_ANSWER("the read is nobody's", world, 0);
    world_free(world);
}

static const struct epoch_row {
    const char *why;
    int32_t partition, current, asked;
    int16_t error;
    int32_t epoch;
    int64_t end;
} epoch_rows[] = {
    { "one that the log knows", 0, 3, 0, ERROR_NONE, 0, 5 },
    { "one that it does not", 0, 3, -1, ERROR_NONE, -1, -1 },
    { "asked with an old epoch", 0, 2, 0, ERROR_FENCED_LEADER_EPOCH, -1, -1 },
    { "asked with one to come", 0, 4, 0, ERROR_UNKNOWN_LEADER_EPOCH, -1, -1 },
    { "no such partition", 9, -1, 0, ERROR_UNKNOWN_TOPIC_OR_PARTITION, -1, -1 },
};

TEST(epochs_end_where_the_log_says)
{
    FOR_EACH(epoch_row, row, epoch_rows) {
        struct world *world = world_with_times();
        for (int16_t version = 2; version <= 4; version++) {
            struct offset_for_leader_epoch_request_partition partition = { row->partition, row->current, row->asked };
            struct offset_for_leader_epoch_request_topic topic = { text_of("t"), &partition, 1 };
            const struct offset_for_leader_epoch_request request = { .replica_id = -1,
                                                                     .topics = &topic,
                                                                     .topics_count = 1 };
            struct offset_for_leader_epoch_response got;
            WORLD_ASK(world, 0, API_OFFSET_FOR_LEADER_EPOCH, offset_for_leader_epoch, version, 1, &request);
            WORLD_GET(row->why, world, 0, API_OFFSET_FOR_LEADER_EPOCH, offset_for_leader_epoch, version, 1, &got);
            EXPECT_EQ(row->why, row->error, got.topics[0].partitions[0].error_code);
            EXPECT_EQ(row->why, row->epoch, got.topics[0].partitions[0].leader_epoch);
            EXPECT_EQ(row->why, row->end, got.topics[0].partitions[0].end_offset);
        }
        world_free(world);
    }
}

/* ---- DeleteRecords ---- */

static const struct delete_row {
    const char *why;
    const char *topic, *cleanup;
    int64_t offset;
    int16_t error;
    int64_t low_watermark;
    bool waits;
} delete_rows[] = {
    { "up to an offset", "t", "delete", 3, ERROR_NONE, 3, true },
    { "up to the high watermark", "t", "delete", -1, ERROR_NONE, 4, true },
    { "exactly to it", "t", "delete", 4, ERROR_NONE, 4, true },
    { "above it", "t", "delete", 5, ERROR_OFFSET_OUT_OF_RANGE, -1, false },
    { "what is gone already", "t", "delete", 1, ERROR_NONE, 1, false },
    { "before that", "t", "delete", 0, ERROR_NONE, 1, false },
    { "a negative offset that means nothing", "t", "delete", -2, ERROR_OFFSET_OUT_OF_RANGE, -1, false },
    { "where the policy is to compact", "t", "compact", 3, ERROR_POLICY_VIOLATION, -1, false },
    { "of a topic that is not there", "nothing", NULL, 3, ERROR_UNKNOWN_TOPIC_OR_PARTITION, -1, false },
    { "led by another", "far", NULL, 0, ERROR_NOT_LEADER_OR_FOLLOWER, -1, false },
};

static void put_delete(struct world *world, uint32_t link, int16_t version, int32_t correlation_id, const char *name,
                       int64_t offset)
{
    struct delete_records_request_partition partition = { 0, offset };
    struct delete_records_request_topic topic = { text_of(name), &partition, 1 };
    const struct delete_records_request request = { .topics = &topic, .topics_count = 1, .timeout_ms = 1000 };

    WORLD_ASK(world, link, API_DELETE_RECORDS, delete_records, version, correlation_id, &request);
}

TEST(records_are_deleted_as_by_kafka)
{
    FOR_EACH(delete_row, row, delete_rows) {
        for (int16_t version = 0; version <= 2; version++) {
            struct world *world = world_with_times();
            struct delete_records_response got;
            if (row->cleanup != NULL) world_config(world, row->topic, "cleanup.policy", row->cleanup);
            put_delete(world, 0, version, 1, row->topic, row->offset);
            if (row->waits) EXPECT_NO_ANSWER("not before it is durable", world, 0);
            fake_logs_sync(world->logs);
            world_tick(world);
            WORLD_GET(row->why, world, 0, API_DELETE_RECORDS, delete_records, version, 1, &got);
            EXPECT_EQ(row->why, row->error, got.topics[0].partitions[0].error_code);
            EXPECT_EQ(row->why, row->low_watermark, got.topics[0].partitions[0].low_watermark);
            EXPECT_EQ("moved once, or not at all", row->waits ? 1 : 0, world->logs->sequence);
            world_free(world);
        }
    }
}

TEST(a_deletion_that_is_not_durable_in_time_is_told)
{
    struct world *world = world_with_times();
    struct delete_records_response got;

    put_delete(world, 0, 1, 1, "t", 3);
    world_pass(world, 999);
    EXPECT_NO_ANSWER("there is time", world, 0);
    world_pass(world, 1);
    WORLD_GET("over", world, 0, API_DELETE_RECORDS, delete_records, 1, 1, &got);
    EXPECT_EQ("told", ERROR_REQUEST_TIMED_OUT, got.topics[0].partitions[0].error_code);
    EXPECT_EQ("but not done twice", 1, world->logs->sequence);
    fake_logs_sync(world->logs);
    world_tick(world);
    EXPECT_NO_ANSWER("nor answered twice", world, 0);
    put_delete(world, 0, 1, 2, "t", 3);
    WORLD_GET("the link goes on", world, 0, API_DELETE_RECORDS, delete_records, 1, 2, &got);
    EXPECT_EQ("gone already", 3, got.topics[0].partitions[0].low_watermark);
    world_free(world);
}

TEST(a_second_deletion_waits_for_the_first)
{
    struct world *world = world_with_times();
    struct delete_records_response got;

    world_open(world, 1);
    put_delete(world, 0, 1, 1, "t", 3);
    put_delete(world, 1, 1, 2, "t", 2);
    EXPECT_NO_ANSWER("it is not durable", world, 0);
    EXPECT_NO_ANSWER("so what it did for the other is not either", world, 1);
    fake_logs_sync(world->logs);
    world_tick(world);
    WORLD_GET("the first", world, 0, API_DELETE_RECORDS, delete_records, 1, 1, &got);
    WORLD_GET("the second", world, 1, API_DELETE_RECORDS, delete_records, 1, 2, &got);
    EXPECT_EQ("is told where the log begins", 3, got.topics[0].partitions[0].low_watermark);
    world_free(world);
}

/* What was said to be gone must not come back with another leader. */
TEST(a_deletion_waits_for_the_replicas)
{
    struct world *world = world_with_times();
    struct delete_records_response got;
    const uint32_t log = world_log(world, "t", 0);
    struct fake_replica *replica = &world->replicas.partitions[log];

    for (int32_t turn = 0; turn < 3; turn++) {
        replica->deletes_late = true;
        put_delete(world, 0, 1, turn, "t", 2 + turn);
        fake_logs_sync(world->logs);
        world_tick(world);
        world_pass(world, 999);
        EXPECT_NO_ANSWER("others still have it", world, 0);
        replica->deletes_late = turn > 0;
        replica->unready = turn == 1;
        if (turn == 0) broker_on_high_watermark(world->broker, log);
        if (turn == 1) broker_on_leadership_lost(world->broker, log);
        if (turn == 2) world_pass(world, 1);
        else world_tick(world);
        WORLD_GET("answered", world, 0, API_DELETE_RECORDS, delete_records, 1, turn, &got);
        const int16_t error = got.topics[0].partitions[0].error_code;
        if (turn == 0) EXPECT_EQ("when they have it no more", ERROR_NONE, error);
        if (turn == 1) EXPECT_EQ("or when that is not known", ERROR_NOT_LEADER_OR_FOLLOWER, error);
        if (turn == 2) EXPECT_EQ("or when it takes too long", ERROR_REQUEST_TIMED_OUT, error);
        EXPECT_EQ("moved once", turn + 1, world->logs->sequence);
        replica->unready = false;
    }
    world_free(world);
}

TEST(a_deletion_waits_for_room)
{
    struct world *world = world_with_times();
    struct delete_records_response got;

    world->logs->start_refused = true;
    put_delete(world, 0, 1, 1, "t", 3);
    world_tick(world);
    world->logs->start_refused = false;
    world_tick(world);
    EXPECT_NO_ANSWER("moved, not durable", world, 0);
    fake_logs_sync(world->logs);
    world_tick(world);
    WORLD_GET("answered", world, 0, API_DELETE_RECORDS, delete_records, 1, 1, &got);
    EXPECT_EQ("well", ERROR_NONE, got.topics[0].partitions[0].error_code);
    world->logs->start_refused = true;
    put_delete(world, 0, 1, 2, "t", 4);
    world_pass(world, 1000);
    WORLD_GET("too long", world, 0, API_DELETE_RECORDS, delete_records, 1, 2, &got);
    EXPECT_EQ("is told", ERROR_REQUEST_TIMED_OUT, got.topics[0].partitions[0].error_code);
    world_free(world);
}
