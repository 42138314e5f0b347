#include "broker_world.h"

struct produce_spec {
    int16_t version;
    int16_t acks;
    const char *topic;
    int32_t partition;
    const char *transactional_id;
    int32_t timeout_ms;
    struct bytes records;
};

static void put(struct world *world, int32_t correlation_id, const struct produce_spec *spec)
{
    struct produce_request_partition partition = { spec->partition, spec->records };
    struct produce_request_topic topic = { text_of(spec->topic), &partition, 1 };
    const struct produce_request request = {
        .transactional_id = spec->transactional_id == NULL ? (struct bytes){ 0 } : text_of(spec->transactional_id),
        .acks = spec->acks,
        .timeout_ms = spec->timeout_ms == 0 ? 30000 : spec->timeout_ms,
        .topics = &topic,
        .topics_count = 1,
    };

    WORLD_ASK(world, 0, API_PRODUCE, produce, spec->version, correlation_id, &request);
}

static struct produce_response_partition get(const char *why, struct world *world, int16_t version,
                                             int32_t correlation_id)
{
    struct produce_response response;

    WORLD_GET(why, world, 0, API_PRODUCE, produce, version, correlation_id, &response);
    EXPECT_EQ(why, 1, response.topics_count);
    if (response.topics_count != 1) return (struct produce_response_partition){ .error_code = -2 };
    EXPECT_EQ(why, 1, response.topics[0].partitions_count);
    return response.topics[0].partitions[0];
}

static uint8_t batch_memory[2 << 20];

static struct bytes small_batch(void)
{
    return batch_of(batch_memory, sizeof batch_memory, &(struct batch_spec){ .value_size = 10 });
}

/* ---- what a batch may be, and what is said of it ---- */

enum spoil { AS_IT_IS, SPOIL_CRC, SPOIL_MAGIC, SPOIL_SIZE, SPOIL_COUNT, EMPTY, NULL_RECORDS };

static const struct batch_row {
    const char *why;
    const char *config, *value; /* of the topic */
    struct batch_spec batch;
    enum spoil spoil;
    int16_t version;
    int16_t error;
    bool message;
    int32_t record; /* the record at fault; -1: none is named */
} batch_rows[] = {
    { "a plain batch", NULL, NULL, { .count = 3 }, AS_IT_IS, 9, ERROR_NONE, false, -1 },
    { "its checksum is wrong", NULL, NULL, { 0 }, SPOIL_CRC, 9, ERROR_CORRUPT_MESSAGE, true, -1 },
    { "its magic is old", NULL, NULL, { 0 }, SPOIL_MAGIC, 9, ERROR_INVALID_RECORD, true, -1 },
    { "its size is not its own", NULL, NULL, { 0 }, SPOIL_SIZE, 9, ERROR_INVALID_RECORD, true, -1 },
    { "no bytes at all", NULL, NULL, { 0 }, EMPTY, 9, ERROR_INVALID_RECORD, true, -1 },
    { "no records field", NULL, NULL, { 0 }, NULL_RECORDS, 9, ERROR_INVALID_RECORD, true, -1 },
    { "larger than the topic takes",
      "max.message.bytes",
      "1000",
      { .value_size = 2000 },
      AS_IT_IS,
      9,
      ERROR_MESSAGE_TOO_LARGE,
      true,
      -1 },
    { "as large as it takes", "max.message.bytes", "1000", { .value_size = 800 }, AS_IT_IS, 9, ERROR_NONE, false, -1 },
    { "a control batch",
      NULL,
      NULL,
      { .attributes = RECORD_BATCH_CONTROL },
      AS_IT_IS,
      9,
      ERROR_INVALID_RECORD,
      true,
      -1 },
    { "no key where keys are what is kept",
      "cleanup.policy",
      "compact",
      { .no_key = true, .count = 2 },
      AS_IT_IS,
      9,
      ERROR_INVALID_RECORD,
      true,
      0 },
    { "a time of the day before yesterday",
      "message.timestamp.before.max.ms",
      "1000",
      { .timestamp = INT64_C(1690000000000) },
      AS_IT_IS,
      9,
      ERROR_INVALID_TIMESTAMP,
      true,
      0 },
    { "a time of tomorrow",
      "message.timestamp.after.max.ms",
      "1000",
      { .timestamp = INT64_C(1710000000000) },
      AS_IT_IS,
      9,
      ERROR_INVALID_TIMESTAMP,
      true,
      0 },
    { "older versions get the code alone", NULL, NULL, { 0 }, SPOIL_CRC, 3, ERROR_CORRUPT_MESSAGE, false, -1 },
    { "part of a transaction",
      NULL,
      NULL,
      { .attributes = RECORD_BATCH_TRANSACTIONAL, .producer_id = 5 },
      AS_IT_IS,
      9,
      ERROR_INVALID_TXN_STATE,
      false,
      -1 },
};

static struct bytes spoilt(const struct batch_row *row)
{
    struct bytes batch = batch_of(batch_memory, sizeof batch_memory, &row->batch);

    switch (row->spoil) {
    case AS_IT_IS:
    case SPOIL_COUNT: break;
    case SPOIL_CRC: batch_memory[batch.size - 1] ^= 1; break;
    case SPOIL_MAGIC: batch_memory[16] = 1; break;
    case SPOIL_SIZE: batch.size -= 5; break;
    case EMPTY: batch.size = 0; break;
    case NULL_RECORDS: batch = (struct bytes){ 0 }; break;
    }
    return batch;
}

TEST(batches_are_judged_as_by_kafka)
{
    FOR_EACH(batch_row, row, batch_rows) {
        struct world *world = world_serving();
        if (row->config != NULL) world_config(world, "t", row->config, row->value);
        put(world, 1, &(struct produce_spec){ row->version, 1, "t", 0, NULL, 0, spoilt(row) });
        world_durable(world, world_log(world, "t", 0));
        const struct produce_response_partition got = get(row->why, world, row->version, 1);
        EXPECT_EQ(row->why, row->error, got.error_code);
        EXPECT_EQ(row->why, row->message, got.error_message.data != NULL);
        EXPECT_EQ(row->why, row->record >= 0 ? 1 : 0, got.record_errors_count);
        if (got.record_errors_count == 1) EXPECT_EQ(row->why, row->record, got.record_errors[0].batch_index);
        EXPECT_EQ("only what is right is appended", row->error == ERROR_NONE ? 1 : 0,
                  world->logs->logs[world_log(world, "t", 0)].batch_count);
        EXPECT_EQ(row->why, row->error == ERROR_NONE ? 0 : -1, got.base_offset);
        world_free(world);
    }
}

/* ---- where it may go ---- */

static const struct place_row {
    const char *why;
    const char *topic;
    int32_t partition;
    int16_t acks;
    const char *transactional_id;
    int16_t error;
} place_rows[] = {
    { "our own partition", "t", 3, 1, NULL, ERROR_NONE },
    { "a topic that is not there", "nothing", 0, 1, NULL, ERROR_UNKNOWN_TOPIC_OR_PARTITION },
    { "a partition that is not there", "t", 4, 1, NULL, ERROR_UNKNOWN_TOPIC_OR_PARTITION },
    { "a negative partition", "t", -1, 1, NULL, ERROR_UNKNOWN_TOPIC_OR_PARTITION },
    { "led by another", "far", 0, 1, NULL, ERROR_NOT_LEADER_OR_FOLLOWER },
    { "of the coordinators", "__consumer_offsets", 0, 1, NULL, ERROR_INVALID_TOPIC_EXCEPTION },
    { "acks of two", "t", 0, 2, NULL, ERROR_INVALID_REQUIRED_ACKS },
    { "acks of minus two", "t", 0, -2, NULL, ERROR_INVALID_REQUIRED_ACKS },
    { "of a transaction", "t", 0, -1, "tx", ERROR_INVALID_TXN_STATE },
    { "fewer replicas than asked for", "wide", 0, -1, NULL, ERROR_NONE },
};

TEST(places_are_judged_as_by_kafka)
{
    FOR_EACH(place_row, row, place_rows) {
        struct world *world = world_serving();
        world_broker(world, 2, "there", 9093);
        world_topic(world, "far", 1, 2);
        world_topic(world, "__consumer_offsets", 1, 1);
        world_topic(world, "wide", 1, 1);
        for (int16_t version = 3; version <= 11; version++) {
            struct produce_response response;
            put(world, version,
                &(struct produce_spec){ version, row->acks, row->topic, row->partition, row->transactional_id, 0,
                                        small_batch() });
            const uint32_t log = world_log(world, "t", 3);
            world_durable(world, log);
            if (row->error == ERROR_NONE) world_durable(world, world_log(world, row->topic, row->partition));
            WORLD_GET(row->why, world, 0, API_PRODUCE, produce, version, version, &response);
            EXPECT_EQ(row->why, row->error, response.topics[0].partitions[0].error_code);
            const bool elsewhere = row->error == ERROR_NOT_LEADER_OR_FOLLOWER && version >= 10;
            EXPECT_EQ("KIP-951 names the leader", elsewhere, response.topics[0].partitions[0].has_current_leader);
            EXPECT_EQ("and where it is", elsewhere ? 1 : 0, response.node_endpoints_count);
            if (elsewhere) EXPECT_EQ("there", 9093, response.node_endpoints[0].port);
        }
        world_free(world);
    }
}

static const struct append_row {
    const char *why;
    enum append_verdict verdict;
    int16_t error;
} append_rows[] = {
    { "a sequence out of order", APPEND_OUT_OF_ORDER, ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER },
    { "an old epoch", APPEND_PRODUCER_FENCED, ERROR_INVALID_PRODUCER_EPOCH },
    { "larger than a segment", APPEND_TOO_LARGE, ERROR_RECORD_LIST_TOO_LARGE },
    { "a full disk", APPEND_DISK_FULL, ERROR_KAFKA_STORAGE_ERROR },
    { "too many producers", APPEND_TOO_MANY_PRODUCERS, ERROR_THROTTLING_QUOTA_EXCEEDED },
};

TEST(what_the_log_refuses_is_told)
{
    FOR_EACH(append_row, row, append_rows) {
        struct world *world = world_serving();
        world->logs->append_next = row->verdict;
        put(world, 1, &(struct produce_spec){ 7, 1, "t", 0, NULL, 0, small_batch() });
        EXPECT_EQ(row->why, row->error, get(row->why, world, 7, 1).error_code);
        EXPECT_EQ("and counted", 1, broker_counters(world->broker)->produce_errors);
        EXPECT_EQ("by api, too", 1, broker_counters(world->broker)->errors[API_PRODUCE]);
        world_free(world);
    }
}

TEST(log_append_time_is_the_brokers)
{
    struct world *world = world_serving();

    put(world, 1, &(struct produce_spec){ 9, 1, "t", 0, NULL, 0, small_batch() });
    world_durable(world, world_log(world, "t", 0));
    EXPECT_EQ("not told unless it is used", -1, get("CreateTime", world, 9, 1).log_append_time_ms);
    world_config(world, "t", "message.timestamp.type", "LogAppendTime");
    put(world, 2, &(struct produce_spec){ 9, 1, "t", 0, NULL, 0, small_batch() });
    world_durable(world, world_log(world, "t", 0));
    EXPECT_EQ("the wall clock", world->wall_ms, get("LogAppendTime", world, 9, 2).log_append_time_ms);
    EXPECT_EQ("stamped into the batch", world->wall_ms,
              world->logs->logs[world_log(world, "t", 0)].batches[1].max_timestamp);
    world_free(world);
}

/* ---- when it is answered ---- */

static const struct acks_row {
    const char *why;
    int16_t acks;
    int64_t durable, high_watermark;
    bool answered;
} acks_rows[] = {
    { "appended is not durable", 1, 0, 0, false },
    { "durable is enough for acks=1", 1, 1, 0, true },
    { "but not for acks=all", -1, 1, 0, false },
    { "committed is", -1, 1, 1, true },
};

TEST(acks_say_what_is_waited_for)
{
    FOR_EACH(acks_row, row, acks_rows) {
        struct world *world = world_serving();
        const uint32_t log = world_log(world, "t", 0);
        put(world, 1, &(struct produce_spec){ 7, row->acks, "t", 0, NULL, 0, small_batch() });
        world->logs->logs[log].offsets.durable_offset = row->durable;
        world->logs->logs[log].offsets.high_watermark = row->high_watermark;
        world_begin(world);
        broker_on_high_watermark(world->broker, log);
        world_end(world);
        world_run(world);
        EXPECT_EQ(row->why, row->answered, world->wires[0].out_size > 0);
        EXPECT_EQ(row->why, row->answered ? 0 : 1, broker_usage(world->broker).answers_waiting);
        world_free(world);
    }
}

TEST(acks_zero_is_silent_and_its_errors_close)
{
    struct world *world = world_serving();

    put(world, 1, &(struct produce_spec){ 7, 0, "t", 0, NULL, 0, small_batch() });
    EXPECT_NO_ANSWER("silence", world, 0);
    EXPECT_EQ("appended", 1, world->logs->logs[world_log(world, "t", 0)].batch_count);
    put(world, 2, &(struct produce_spec){ 7, 1, "t", 0, NULL, 0, small_batch() });
    world_durable(world, world_log(world, "t", 0));
    EXPECT_EQ("the next one's answer", 1, get("is the first", world, 7, 2).base_offset);
    put(world, 3, &(struct produce_spec){ 7, 0, "nothing", 0, NULL, 0, small_batch() });
    EXPECT("closed, for want of another word", !world->wires[0].open);
    EXPECT_EQ("noted", 1, world->notes[NOTE_PRODUCE_REFUSED]);
    world_free(world);
}

TEST(a_duplicate_waits_as_its_original)
{
    struct world *world = world_serving();
    const uint32_t log = world_log(world, "t", 0);
    const struct batch_spec first = { .producer_id = 9, .base_sequence = 0 }, other = { .producer_id = 8 };

    put(world, 1, &(struct produce_spec){ 7, 1, "t", 0, NULL, 0, batch_of(batch_memory, 4096, &first) });
    put(world, 2, &(struct produce_spec){ 7, 1, "t", 0, NULL, 0, batch_of(batch_memory, 4096, &other) });
    put(world, 3, &(struct produce_spec){ 7, 1, "t", 0, NULL, 0, batch_of(batch_memory, 4096, &first) });
    EXPECT_NO_ANSWER("nothing is durable", world, 0);
    world_durable(world, log);
    EXPECT_EQ("the original", 0, get("answered", world, 7, 1).base_offset);
    EXPECT_EQ("another", 1, get("answered", world, 7, 2).base_offset);
    EXPECT_EQ("the duplicate has the original's offset", 0, get("answered", world, 7, 3).base_offset);
    put(world, 4, &(struct produce_spec){ 7, 1, "t", 0, NULL, 0, batch_of(batch_memory, 4096, &first) });
    EXPECT_EQ("and what is durable is not waited for", 0, get("answered at once", world, 7, 4).base_offset);
    EXPECT_EQ("appended but once", 2, world->logs->logs[log].batch_count);
    world_free(world);
}

/* One request over all four partitions, of which some are late. */
static void put_wide(struct world *world, int32_t correlation_id, int32_t timeout_ms)
{
    struct produce_request_partition partitions[2][2];
    struct produce_request_topic topics[2] = { { text_of("t"), partitions[0], 2 }, { text_of("t"), partitions[1], 2 } };
    const struct produce_request request = { .acks = 1, .timeout_ms = timeout_ms, .topics = topics, .topics_count = 2 };

    for (int32_t i = 0; i < 4; i++) {
        partitions[i / 2][i % 2] = (struct produce_request_partition){ i, small_batch() };
    }
    WORLD_ASK(world, 0, API_PRODUCE, produce, 9, correlation_id, &request);
}

TEST(what_is_late_is_told_and_what_was_in_time_too)
{
    struct world *world = world_serving();
    struct produce_response response;

    put_wide(world, 1, 500);
    world_durable(world, world_log(world, "t", 1));
    world_durable(world, world_log(world, "t", 2));
    world_pass(world, 499);
    EXPECT_NO_ANSWER("there is time", world, 0);
    world_pass(world, 1);
    WORLD_GET("now it is over", world, 0, API_PRODUCE, produce, 9, 1, &response);
    for (uint32_t i = 0; i < 4; i++) {
        const struct produce_response_partition *got = &response.topics[i / 2].partitions[i % 2];
        EXPECT_EQ("partition", i, got->index);
        EXPECT_EQ("each its own", i == 1 || i == 2 ? ERROR_NONE : ERROR_REQUEST_TIMED_OUT, got->error_code);
        EXPECT_EQ("with the offset it will have", 0, got->base_offset);
    }
    EXPECT_EQ("counted once", 1, broker_counters(world->broker)->produce_timeouts);
    for (int32_t i = 0; i < 4; i++) world_durable(world, world_log(world, "t", i));
    EXPECT_NO_ANSWER("and not answered again", world, 0);
    put_wide(world, 2, 500);
    for (int32_t i = 0; i < 4; i++) world_durable(world, world_log(world, "t", i));
    WORLD_GET("the link goes on", world, 0, API_PRODUCE, produce, 9, 2, &response);
    EXPECT_EQ("as before", 1, response.topics[1].partitions[1].base_offset);
    world_free(world);
}

TEST(a_lost_log_answers_whoever_waits_for_it)
{
    struct world *world = world_serving();
    struct produce_response response;

    put_wide(world, 1, 30000);
    world_begin(world);
    broker_on_log_lost(world->broker, world_log(world, "t", 3));
    world_end(world);
    world_run(world);
    EXPECT_NO_ANSWER("three others", world, 0);
    for (int32_t i = 0; i < 3; i++) world_durable(world, world_log(world, "t", i));
    WORLD_GET("then", world, 0, API_PRODUCE, produce, 9, 1, &response);
    EXPECT_EQ("was durable", ERROR_NONE, response.topics[1].partitions[0].error_code);
    EXPECT_EQ("was lost", ERROR_UNKNOWN_TOPIC_OR_PARTITION, response.topics[1].partitions[1].error_code);
    world_free(world);
}

/* ---- no room ---- */

TEST(a_request_without_room_waits_and_appends_each_partition_once)
{
    for (int room = 0; room < 4; room++) {
        struct world *world = world_serving();
        struct produce_response response;
        world->logs->appends_left = room;
        put_wide(world, 1, 30000);
        EXPECT_EQ("it waits", 1, broker_usage(world->broker).links_waiting);
        for (int32_t i = 0; i < 4; i++) world_durable(world, world_log(world, "t", i));
        EXPECT_NO_ANSWER("what is appended is durable, but not all is appended", world, 0);
        world->logs->appends_left = 1;
        world_tick(world);
        world->logs->appends_left = FAKE_NO_LIMIT;
        world_tick(world);
        for (int32_t i = 0; i < 4; i++) world_durable(world, world_log(world, "t", i));
        WORLD_GET("answered", world, 0, API_PRODUCE, produce, 9, 1, &response);
        for (int32_t i = 0; i < 4; i++) {
            EXPECT_EQ("well", ERROR_NONE, response.topics[i / 2].partitions[i % 2].error_code);
            EXPECT_EQ("once", 1, world->logs->logs[world_log(world, "t", i)].batch_count);
        }
        EXPECT_EQ("nothing is kept", 0, broker_usage(world->broker).answers_size);
        world_free(world);
    }
}

/* The topic goes, and one of another name gets its slots. */
static void take_slots(struct world *world, const char *from, const char *to)
{
    static uint8_t memory[1024];
    struct proposal proposal = proposal_in(memory, sizeof memory);

    proposal_add_topic_removal(&proposal, &(struct metadata_topic_removal_record){ .topic_id = topic_id_of(from) });
    world_apply(world, &proposal);
    if (to != NULL) world_topic(world, to, 4, 1);
}

TEST(what_a_waiting_request_appended_may_be_gone)
{
    static const struct {
        const char *why, *heir;
    } rows[] = { { "nobody has the slots", NULL }, { "another topic has them", "u" } };

    for (size_t at = 0; at < COUNT_OF(rows); at++) {
        const char *why = rows[at].why;
        struct world *world = world_serving();
        struct produce_response response;
        world->logs->appends_left = 2;
        put_wide(world, 1, 30000);
        EXPECT_EQ(why, 1, broker_usage(world->broker).links_waiting);
        take_slots(world, "t", rows[at].heir);
        world->logs->appends_left = FAKE_NO_LIMIT;
        world_tick(world);
        WORLD_GET(why, world, 0, API_PRODUCE, produce, 9, 1, &response);
        for (uint32_t i = 0; i < 4; i++) {
            const struct produce_response_partition *got = &response.topics[i / 2].partitions[i % 2];
            EXPECT_EQ(why, ERROR_UNKNOWN_TOPIC_OR_PARTITION, got->error_code);
        }
        world_free(world);
    }
}

/* An answer would let the next request of an idempotent producer be appended without this one before it. */
TEST(a_request_that_waits_for_room_too_long_ends_its_link)
{
    struct world *world = world_serving();

    world->logs->appends_left = 2;
    put_wide(world, 1, 500);
    for (int32_t i = 0; i < 4; i++) world_durable(world, world_log(world, "t", i));
    world_pass(world, 490);
    EXPECT("it waits as long as it was told", world->wires[0].open);
    world_pass(world, 20);
    EXPECT("and no longer", !world->wires[0].open);
    world_free(world);
}

TEST(who_waits_for_room_is_not_overtaken)
{
    struct world *world = world_serving();

    world_open(world, 1);
    world->logs->appends_left = 0;
    put(world, 1, &(struct produce_spec){ 7, 1, "t", 0, NULL, 0, small_batch() });
    world->logs->appends_left = 1;
    struct produce_request_partition partition = { 0, small_batch() };
    struct produce_request_topic topic = { text_of("t"), &partition, 1 };
    const struct produce_request request = { .acks = 1, .timeout_ms = 1000, .topics = &topic, .topics_count = 1 };
    WORLD_PUT(world, 1, API_PRODUCE, produce, 7, 1, &request);
    world_deliver(world, 1); /* its step begins with the newcomer */
    world_run(world);
    world->logs->appends_left = FAKE_NO_LIMIT;
    world_tick(world);
    world_durable(world, world_log(world, "t", 0));
    EXPECT_EQ("first come", 0, get("first served", world, 7, 1).base_offset);
    world_free(world);
}

/* ---- corners ---- */

TEST(each_answer_has_its_own_time)
{
    struct world *world = world_serving();

    put(world, 1, &(struct produce_spec){ 7, 1, "t", 0, NULL, 500, small_batch() });
    put(world, 2, &(struct produce_spec){ 7, 1, "t", 1, NULL, 2000, small_batch() });
    put(world, 3, &(struct produce_spec){ 7, 1, "t", 2, NULL, 100, small_batch() });
    world_pass(world, 500);
    EXPECT_EQ("the first is late", ERROR_REQUEST_TIMED_OUT, get("answered", world, 7, 1).error_code);
    EXPECT_NO_ANSWER("the second has time, and the third is behind it", world, 0);
    world_durable(world, world_log(world, "t", 1));
    EXPECT_EQ("the second is in time", ERROR_NONE, get("answered", world, 7, 2).error_code);
    EXPECT_EQ("the third was not", ERROR_REQUEST_TIMED_OUT, get("answered", world, 7, 3).error_code);
    world_free(world);
}

TEST(all_records_of_a_batch_are_waited_for)
{
    struct world *world = world_serving();
    const uint32_t log = world_log(world, "t", 0);
    const struct batch_spec three = { .count = 3 };

    put(world, 1, &(struct produce_spec){ 7, 1, "t", 0, NULL, 0, batch_of(batch_memory, 4096, &three) });
    for (int64_t durable = 0; durable <= 3; durable++) {
        EXPECT_NO_ANSWER("not all are durable", world, 0);
        world->logs->logs[log].offsets.durable_offset = durable;
        world_begin(world);
        broker_on_high_watermark(world->broker, log);
        world_end(world);
        world_run(world);
    }
    EXPECT_EQ("now they are", 0, get("answered", world, 7, 1).base_offset);
    world_free(world);
}

TEST(acks_all_asks_for_enough_replicas)
{
    struct world *world = world_serving();
    static uint8_t memory[1024];
    int32_t replicas[2] = { 1, 2 }, isr[1] = { 1 };
    struct proposal proposal = proposal_in(memory, sizeof memory);
    struct produce_response response;

    proposal_add_topic(&proposal, &(struct metadata_topic_record){
                                      .name = text_of("wide"), .topic_id = topic_id_of("wide"), .replica_target = 2 });
    proposal_add_partition(&proposal, &(struct metadata_partition_record){ .topic_id = topic_id_of("wide"),
                                                                           .replicas = replicas,
                                                                           .replicas_count = 2,
                                                                           .isr = isr,
                                                                           .isr_count = 1,
                                                                           .leader = 1 });
    world_apply(world, &proposal);
    world_config(world, "wide", "min.insync.replicas", "2");
    put(world, 1, &(struct produce_spec){ 7, -1, "wide", 0, NULL, 0, small_batch() });
    WORLD_GET("too few", world, 0, API_PRODUCE, produce, 7, 1, &response);
    EXPECT_EQ("for all", ERROR_NOT_ENOUGH_REPLICAS, response.topics[0].partitions[0].error_code);
    EXPECT_EQ("nothing is appended", 0, world->logs->logs[world_log(world, "wide", 0)].batch_count);
    put(world, 2, &(struct produce_spec){ 7, 1, "wide", 0, NULL, 0, small_batch() });
    world_durable(world, world_log(world, "wide", 0));
    EXPECT_EQ("but not for one", ERROR_NONE, get("answered", world, 7, 2).error_code);
    world_free(world);
}

TEST(a_leader_is_named_once_however_often_it_is_meant)
{
    struct world *world = world_serving();
    struct produce_request_partition partitions[2] = { { 0, small_batch() }, { 1, small_batch() } };
    struct produce_request_topic topic = { text_of("far"), partitions, 2 };
    const struct produce_request request = { .acks = 1, .timeout_ms = 1, .topics = &topic, .topics_count = 1 };
    struct produce_response got;

    world_broker(world, 2, "there", 9093);
    world_topic(world, "far", 2, 2);
    WORLD_ASK(world, 0, API_PRODUCE, produce, 10, 1, &request);
    WORLD_GET("answered", world, 0, API_PRODUCE, produce, 10, 1, &got);
    EXPECT_EQ("both are elsewhere", ERROR_NOT_LEADER_OR_FOLLOWER, got.topics[0].partitions[1].error_code);
    EXPECT_EQ("at one place", 1, got.node_endpoints_count);
    world_free(world);
}

TEST(silence_takes_no_memory)
{
    struct world *world = world_serving();

    put(world, 1, &(struct produce_spec){ 7, 0, "t", 0, NULL, 0, small_batch() });
    EXPECT_EQ("none", 0, broker_usage(world->broker).answers_size);
    world_free(world);
}

TEST(who_waits_for_room_keeps_his_place)
{
    struct world *world = world_serving();
    struct produce_request_partition partition = { 0, small_batch() };
    struct produce_request_topic topic = { text_of("t"), &partition, 1 };
    const struct produce_request request = { .acks = 1, .timeout_ms = 30000, .topics = &topic, .topics_count = 1 };
    struct produce_response got;

    world->logs->append_next = APPEND_NO_MEMORY; /* although it says that there is room */
    for (uint32_t link = 0; link < 3; link++) {
        if (link > 0) world_open(world, link);
        WORLD_ASK(world, link, API_PRODUCE, produce, 7, 1, &request);
    }
    for (int i = 0; i < 4; i++) world_tick(world); /* each step somebody tries */
    world->logs->append_next = APPEND_OK;
    world_tick(world);
    world_durable(world, world_log(world, "t", 0));
    for (uint32_t link = 0; link < 3; link++) {
        WORLD_GET("all are served", world, link, API_PRODUCE, produce, 7, 1, &got);
        EXPECT_EQ("in the order in which they came", link, got.topics[0].partitions[0].base_offset);
    }
    world_free(world);
}
