#include "broker_world.h"

enum { TARGETS_MAX = 4 };

struct fetch_spec {
    int16_t version;   /* 0: 11 */
    const char *topic; /* NULL: "t" */
    int32_t partition;
    int64_t offset;
    int32_t partition_max_bytes; /* 0: 1 MiB */
    int32_t leader_epoch;        /* 0: not given */
};

struct fetch_limits {
    int32_t max_wait_ms, min_bytes, max_bytes; /* max_bytes 0: 1 MiB */
    int8_t isolation_level;
    int32_t session_id, session_epoch; /* both 0: no session */
    int32_t replica_id;                /* 0: a consumer */
};

static void put(struct world *world, uint32_t link, int32_t correlation_id, const struct fetch_limits *limits,
                const struct fetch_spec *specs, uint32_t count)
{
    struct fetch_request_partition partitions[TARGETS_MAX];
    struct fetch_request_topic topics[TARGETS_MAX];
    struct fetch_request request = fetch_request_default;
    const int16_t version = specs[0].version == 0 ? 11 : specs[0].version;

    for (uint32_t i = 0; i < count; i++) {
        const char *name = specs[i].topic == NULL ? "t" : specs[i].topic;
        partitions[i] = fetch_request_partition_default;
        partitions[i].index = specs[i].partition;
        partitions[i].fetch_offset = specs[i].offset;
        partitions[i].partition_max_bytes = specs[i].partition_max_bytes == 0 ? 1 << 20 : specs[i].partition_max_bytes;
        partitions[i].current_leader_epoch = specs[i].leader_epoch == 0 ? -1 : specs[i].leader_epoch;
        topics[i] = (struct fetch_request_topic){
            .name = text_of(name), .topic_id = topic_id_of(name), .partitions = &partitions[i], .partitions_count = 1
        };
    }
    request.max_wait_ms = limits->max_wait_ms;
    request.min_bytes = limits->min_bytes;
    request.max_bytes = limits->max_bytes == 0 ? 1 << 20 : limits->max_bytes;
    request.isolation_level = limits->isolation_level;
    request.session_id = limits->session_id;
    request.session_epoch = limits->session_id == 0 && limits->session_epoch == 0 ? -1 : limits->session_epoch;
    if (limits->replica_id != 0) request.replica_id = request.replica_state.replica_id = limits->replica_id;
    if (limits->replica_id != 0 && version >= 15) request.has_replica_state = true;
    request.topics = topics;
    request.topics_count = count;
    WORLD_ASK(world, link, API_FETCH, fetch, version, correlation_id, &request);
}

static void put_one(struct world *world, int32_t correlation_id, const struct fetch_limits *limits,
                    const struct fetch_spec *spec)
{
    put(world, 0, correlation_id, limits, spec, 1);
}

static struct fetch_response get(const char *why, struct world *world, uint32_t link, int16_t version,
                                 int32_t correlation_id)
{
    struct fetch_response response;

    WORLD_GET(why, world, link, API_FETCH, fetch, version, correlation_id, &response);
    return response;
}

static uint32_t size_of(const struct fetch_response *response, uint32_t topic)
{
    return topic < response->topics_count ? response->topics[topic].partitions[0].records.size : 0;
}

/* Appends a batch as if a producer had; it is neither durable nor committed. */
static uint32_t append(struct world *world, int32_t partition, uint32_t value_size)
{
    static uint8_t memory[2 << 20];
    struct record_batch batch;
    struct append_answer answer;
    const struct bytes bytes = batch_of(memory, sizeof memory, &(struct batch_spec){ .value_size = value_size });

    CHECK(record_batch_read(bytes, &batch) == RECORD_BATCH_WHOLE);
    CHECK(logs_append(world->logs, world_log(world, "t", partition), &batch, 3, -1, 0, &answer) == APPEND_OK);
    return bytes.size;
}

/* ---- one partition's answer ---- */

static const struct fetch_row {
    const char *why;
    struct fetch_spec spec;
    int32_t replica_id;
    int16_t error;
    uint32_t batches; /* of three that are committed, and one that is not */
} fetch_rows[] = {
    { "from the begin", { .offset = 0 }, 0, ERROR_NONE, 3 },
    { "from the middle", { .offset = 2 }, 0, ERROR_NONE, 1 },
    { "at the high watermark", { .offset = 3 }, 0, ERROR_NONE, 0 },
    { "above it, but in the log", { .offset = 4 }, 0, ERROR_NONE, 0 },
    { "above the log's end", { .offset = 5 }, 0, ERROR_OFFSET_OUT_OF_RANGE, 0 },
    { "below its start", { .partition = 1, .offset = 0 }, 0, ERROR_OFFSET_OUT_OF_RANGE, 0 },
    { "a negative offset", { .offset = -1 }, 0, ERROR_OFFSET_OUT_OF_RANGE, 0 },
    { "a topic that is not there", { .topic = "nothing" }, 0, ERROR_UNKNOWN_TOPIC_OR_PARTITION, 0 },
    { "a partition that is not there", { .partition = 4 }, 0, ERROR_UNKNOWN_TOPIC_OR_PARTITION, 0 },
    { "led by another", { .topic = "far" }, 0, ERROR_NOT_LEADER_OR_FOLLOWER, 0 },
    { "of a leader epoch that is over", { .leader_epoch = 2 }, 0, ERROR_FENCED_LEADER_EPOCH, 0 },
    { "of the present leader epoch", { .leader_epoch = 3 }, 0, ERROR_NONE, 3 },
    { "of a leader epoch to come", { .leader_epoch = 4 }, 0, ERROR_UNKNOWN_LEADER_EPOCH, 0 },
    { "by somebody who claims to be a broker", { .offset = 0 }, 2, ERROR_NOT_LEADER_OR_FOLLOWER, 0 },
};

static struct world *world_with_records(void)
{
    struct world *world = world_serving();

    world_broker(world, 2, "there", 9093);
    world_topic(world, "far", 1, 2);
    for (int i = 0; i < 3; i++) append(world, 0, 100);
    world_durable(world, world_log(world, "t", 0));
    append(world, 0, 100);
    append(world, 1, 100);
    world->logs->logs[world_log(world, "t", 1)].offsets.log_start_offset = 1;
    return world;
}

TEST(partitions_are_answered_as_by_kafka)
{
    FOR_EACH(fetch_row, row, fetch_rows) {
        struct world *world = world_with_records();
        const uint32_t size = world->logs->logs[world_log(world, "t", 0)].batches[0].size;
        for (int16_t version = 4; version <= 17; version++) {
            struct fetch_spec spec = row->spec;
            spec.version = version;
            int16_t error = row->error;
            if (version >= 13 && row->spec.topic != NULL && error == ERROR_UNKNOWN_TOPIC_OR_PARTITION) {
                error = ERROR_UNKNOWN_TOPIC_ID;
            }
            uint32_t batches = row->batches;
            if (version < 9 && spec.leader_epoch != 0) { /* not on the wire yet */
                error = ERROR_NONE;
                batches = 3;
            }
            put_one(world, version, &(struct fetch_limits){ .replica_id = row->replica_id }, &spec);
            const struct fetch_response got = get(row->why, world, 0, version, version);
            const struct fetch_response_partition *partition = &got.topics[0].partitions[0];
            EXPECT_EQ(row->why, error, partition->error_code);
            EXPECT_EQ(row->why, batches * size, partition->records.size);
            EXPECT("an empty list of records, not none", partition->records.data != NULL);
            EXPECT_EQ("the high watermark", error == ERROR_NONE ? 3 : -1, partition->high_watermark);
            EXPECT("no session", got.session_id == 0);
            const bool elsewhere =
                version >= 12 && (error == ERROR_NOT_LEADER_OR_FOLLOWER || error == ERROR_FENCED_LEADER_EPOCH);
            EXPECT_EQ("the leader is named", elsewhere, partition->has_current_leader);
            EXPECT_EQ("and where", elsewhere && version >= 16 ? 1 : 0, got.node_endpoints_count);
        }
        EXPECT_EQ("nothing stays pinned", 0, world->logs->pins);
        world_free(world);
    }
}

TEST(records_come_as_they_were_stored)
{
    for (int on_disk = 0; on_disk < 2; on_disk++) {
        struct world *world = world_serving();
        const uint32_t log = world_log(world, "t", 0);
        static const uint32_t sizes[] = { 10, 5000, 20, 30, 100000, 7 };
        world->logs->logs[log].on_disk = on_disk == 1;
        for (uint32_t i = 0; i < COUNT_OF(sizes); i++) append(world, 0, sizes[i]);
        world_durable(world, log);
        put_one(world, 1, &(struct fetch_limits){ 0 }, &(struct fetch_spec){ .version = 12 });
        const struct fetch_response got = get("all of them", world, 0, 12, 1);
        struct bytes rest = got.topics[0].partitions[0].records;
        for (uint32_t i = 0; i < COUNT_OF(sizes); i++) {
            const struct fake_batch *batch = &world->logs->logs[log].batches[i];
            EXPECT("there", rest.size >= batch->size);
            if (rest.size < batch->size) break;
            EXPECT_BYTES("byte for byte", batch->data, batch->size, rest.data, batch->size);
            rest.data += batch->size;
            rest.size -= batch->size;
        }
        EXPECT_EQ("and no more", 0, rest.size);
        EXPECT("from the disk without a copy", world->wires[0].file_pieces == (on_disk ? 6 : 0));
        EXPECT_EQ("unpinned when sent", 0, world->logs->pins);
        world_free(world);
    }
}

TEST(few_bytes_are_copied_rather_than_pinned)
{
    struct world *world = world_serving();

    for (int32_t i = 0; i < 4; i++) {
        append(world, i, 100);
        world_durable(world, world_log(world, "t", i));
    }
    world->wires[0].slow = true;
    const struct fetch_spec specs[4] = {
        { .partition = 0 }, { .partition = 1 }, { .partition = 2 }, { .partition = 3 }
    };
    put(world, 0, 1, &(struct fetch_limits){ 0 }, specs, 4);
    EXPECT_EQ("nothing is pinned while it is on its way", 0, world->logs->pins);
    EXPECT_EQ("it is one piece", 1, world->wires[0].pieces);
    const struct fetch_response got = get("whole", world, 0, 11, 1);
    for (uint32_t i = 0; i < 4; i++) EXPECT("each has its records", size_of(&got, i) > 100);
    world_free(world);
}

/* ---- limits ---- */

static const struct limit_row {
    const char *why;
    int32_t max_bytes;
    int32_t partition_max_bytes[2];
    uint32_t batches[2]; /* of three batches of 1,000 bytes and some in each partition */
} limit_rows[] = {
    { "enough for all", 1 << 20, { 1 << 20, 1 << 20 }, { 3, 3 } },
    { "the first batch comes whole, however small the limits", 1, { 1, 1 }, { 1, 0 } },
    { "and if only the partition's is small", 1 << 20, { 1, 1 << 20 }, { 1, 3 } },
    { "later partitions obey theirs", 1 << 20, { 1 << 20, 1 }, { 3, 0 } },
    { "whole batches only", 1 << 20, { 2500, 2500 }, { 2, 2 } },
    { "the answer's limit is for all", 4500, { 1 << 20, 1 << 20 }, { 3, 1 } },
    { "a limit of nothing is one of one batch", -1, { -1, -1 }, { 1, 0 } },
};

TEST(limits_hold_but_for_the_first_batch)
{
    FOR_EACH(limit_row, row, limit_rows) {
        struct world *world = world_serving();
        uint32_t size = 0;
        for (int32_t i = 0; i < 2; i++) {
            for (int j = 0; j < 3; j++) size = append(world, i, 1000);
            world_durable(world, world_log(world, "t", i));
        }
        const struct fetch_spec specs[2] = {
            { .partition = 0, .partition_max_bytes = row->partition_max_bytes[0] },
            { .partition = 1, .partition_max_bytes = row->partition_max_bytes[1] },
        };
        put(world, 0, 1, &(struct fetch_limits){ .max_bytes = row->max_bytes }, specs, 2);
        const struct fetch_response got = get(row->why, world, 0, 11, 1);
        for (uint32_t i = 0; i < 2; i++) EXPECT_EQ(row->why, row->batches[i] * size, size_of(&got, i));
        world_free(world);
    }
}

/* ---- waiting ---- */

TEST(a_long_poll_waits_for_what_is_committed)
{
    struct world *world = world_serving();
    const uint32_t log = world_log(world, "t", 0);

    put_one(world, 1, &(struct fetch_limits){ .max_wait_ms = 1000, .min_bytes = 1 }, &(struct fetch_spec){ 0 });
    append(world, 0, 100);
    world->logs->logs[log].offsets.durable_offset = 1;
    world_begin(world);
    broker_on_high_watermark(world->broker, log);
    world_end(world);
    world_run(world);
    EXPECT_NO_ANSWER("durable is not committed", world, 0);
    world_durable(world, log);
    const struct fetch_response got = get("at once", world, 0, 11, 1);
    EXPECT("there it is", size_of(&got, 0) > 100);
    EXPECT_EQ("nobody waits", 0, broker_usage(world->broker).fetches_waiting);
    world_free(world);
}

TEST(a_long_poll_waits_for_enough)
{
    struct world *world = world_serving();
    const struct fetch_spec specs[2] = { { .partition = 0 }, { .partition = 1 } };

    put(world, 0, 1, &(struct fetch_limits){ .max_wait_ms = 1000, .min_bytes = 1500 }, specs, 2);
    for (int i = 0; i < 2; i++) {
        append(world, 0, 300);
        world_durable(world, world_log(world, "t", 0));
    }
    append(world, 1, 300);
    world_durable(world, world_log(world, "t", 1));
    EXPECT_NO_ANSWER("1,200 and some are not 1,500", world, 0);
    EXPECT_EQ("and nothing was read for that", 0, world->logs->read_calls);
    append(world, 1, 600);
    world_durable(world, world_log(world, "t", 1));
    const struct fetch_response got = get("now they are", world, 0, 11, 1);
    EXPECT("of one", size_of(&got, 0) > 600);
    EXPECT("and of the other", size_of(&got, 1) > 900);
    world_free(world);
}

TEST(a_long_poll_ends_in_time_with_what_there_is)
{
    struct world *world = world_serving();

    put_one(world, 1, &(struct fetch_limits){ .max_wait_ms = 1000, .min_bytes = 5000 }, &(struct fetch_spec){ 0 });
    append(world, 0, 100);
    world_durable(world, world_log(world, "t", 0));
    world_pass(world, 999);
    EXPECT_NO_ANSWER("there is time", world, 0);
    world_pass(world, 1);
    const struct fetch_response got = get("in time", world, 0, 11, 1);
    EXPECT("with the little there is", size_of(&got, 0) > 100);
    world_free(world);
}

TEST(an_error_ends_a_long_poll)
{
    struct world *world = world_serving();
    const struct fetch_spec specs[2] = { { .partition = 0 }, { .partition = 9 } };

    put(world, 0, 1, &(struct fetch_limits){ .max_wait_ms = 1000, .min_bytes = 1 }, specs, 2);
    struct fetch_response got = get("not even begun", world, 0, 11, 1);
    EXPECT_EQ("the good one", ERROR_NONE, got.topics[0].partitions[0].error_code);
    EXPECT_EQ("the bad one", ERROR_UNKNOWN_TOPIC_OR_PARTITION, got.topics[1].partitions[0].error_code);

    put_one(world, 2, &(struct fetch_limits){ .max_wait_ms = 1000, .min_bytes = 1 }, &(struct fetch_spec){ 0 });
    const uint32_t log = world_log(world, "t", 0);
    uint8_t memory[64];
    struct proposal proposal = proposal_in(memory, sizeof memory);
    proposal_add_topic_removal(&proposal, &(struct metadata_topic_removal_record){ .topic_id = topic_id_of("t") });
    world_apply(world, &proposal);
    world_begin(world);
    broker_on_log_lost(world->broker, log);
    world_end(world);
    world_run(world);
    got = get("the topic is gone", world, 0, 11, 2);
    EXPECT_EQ("as is said", ERROR_UNKNOWN_TOPIC_OR_PARTITION, got.topics[0].partitions[0].error_code);
    world_free(world);
}

TEST(many_poll_one_log)
{
    struct world *world = world_serving();

    for (uint32_t link = 0; link < WORLD_LINKS; link++) {
        if (link > 0) world_open(world, link);
        put(world, link, 1, &(struct fetch_limits){ .max_wait_ms = 1000, .min_bytes = 1 }, &(struct fetch_spec){ 0 },
            1);
    }
    EXPECT_EQ("all wait", WORLD_LINKS, broker_usage(world->broker).fetches_waiting);
    world_close(world, 3);
    append(world, 0, 3000);
    world_durable(world, world_log(world, "t", 0));
    for (uint32_t link = 0; link < WORLD_LINKS; link++) {
        if (link == 3) continue;
        const struct fetch_response got = get("all are told", world, link, 11, 1);
        EXPECT("all get it", size_of(&got, 0) > 3000);
    }
    EXPECT_EQ("nothing is pinned", 0, world->logs->pins);
    world_free(world);
}

/* More partitions than there is room for waits: the request looks for itself now and then. */
TEST(a_fetch_that_finds_no_room_to_wait_looks_for_itself)
{
    struct world *world = world_serving();
    enum { MANY = 9000 };
    static struct fetch_request_partition partitions[MANY];
    struct fetch_request_topic topic = { .name = text_of("t"), .partitions = partitions, .partitions_count = MANY };
    struct fetch_request request = fetch_request_default;

    for (uint32_t i = 0; i < MANY; i++) {
        partitions[i] = fetch_request_partition_default;
        partitions[i].partition_max_bytes = 1 << 20;
        partitions[i].index = (int32_t)(i % 4);
    }
    request.max_wait_ms = 1000;
    request.min_bytes = 1;
    request.max_bytes = 1;
    request.topics = &topic;
    request.topics_count = 1;
    WORLD_ASK(world, 0, API_FETCH, fetch, 11, 1, &request);
    EXPECT_EQ("it waits", 1, broker_usage(world->broker).links_waiting);
    append(world, 2, 100);
    world_durable(world, world_log(world, "t", 2));
    EXPECT_NO_ANSWER("nobody tells it", world, 0);
    world_pass(world, 50);
    const struct fetch_response got = get("it saw", world, 0, 11, 1);
    EXPECT("the records", got.topics[0].partitions[2].records.size > 100);
    for (uint32_t i = 0; i < MANY; i++) partitions[i].fetch_offset = (i % 4) == 2;
    WORLD_ASK(world, 0, API_FETCH, fetch, 11, 2, &request);
    world_pass(world, 999);
    EXPECT_NO_ANSWER("nothing new", world, 0);
    world_pass(world, 1);
    EXPECT_EQ("but it ends in time", 1, get("answered", world, 0, 11, 2).topics_count);
    world_free(world);
}

/* A step of one log must not cost a fetch over many partitions more than O(1). */
TEST(a_wide_fetch_does_not_look_at_all_of_it_each_time)
{
    struct world *world = world_serving();
    enum { MANY = 1000 };
    static struct fetch_request_partition partitions[MANY];
    struct fetch_request_topic topic = { .name = text_of("t"), .partitions = partitions, .partitions_count = MANY };
    struct fetch_request request = fetch_request_default;

    for (uint32_t i = 0; i < MANY; i++) {
        partitions[i] = fetch_request_partition_default;
        partitions[i].partition_max_bytes = 1 << 20;
        partitions[i].index = i == 0 ? 0 : 1 + (int32_t)(i % 3);
    }
    request.max_wait_ms = 1000;
    request.min_bytes = 20000; /* a hundred batches do not reach it; counted twice they would */
    request.max_bytes = 1 << 20;
    request.topics = &topic;
    request.topics_count = 1;
    WORLD_ASK(world, 0, API_FETCH, fetch, 11, 1, &request);
    append(world, 0, 10);
    world_durable(world, world_log(world, "t", 0));
    WORLD_ASK(world, 0, API_FETCH, fetch, 11, 2, &request);
    const uint32_t calls = world->logs->between_calls;
    for (int i = 0; i < 100; i++) {
        append(world, 0, 10);
        world_durable(world, world_log(world, "t", 0));
    }
    EXPECT_EQ("one question for each step of the log", 100, world->logs->between_calls - calls);
    world_free(world);
}

/* ---- the disk ---- */

TEST(a_fetch_waits_for_the_disk)
{
    struct world *world = world_serving();

    append(world, 0, 100);
    world_durable(world, world_log(world, "t", 0));
    world->logs->reads_waiting = 1;
    put_one(world, 1, &(struct fetch_limits){ .max_wait_ms = 10, .min_bytes = 1 }, &(struct fetch_spec){ 0 });
    world_pass(world, 100);
    EXPECT_NO_ANSWER("however long it takes", world, 0);
    world_read_done(world);
    const struct fetch_response got = get("then", world, 0, 11, 1);
    EXPECT("there it is", size_of(&got, 0) > 100);
    world_free(world);
}

TEST(a_fetch_waits_for_the_disk_only_so_often_if_it_has_something)
{
    struct world *world = world_serving();
    const struct fetch_spec specs[2] = { { .partition = 0 }, { .partition = 1 } };

    for (int32_t i = 0; i < 2; i++) {
        append(world, i, 3000);
        world_durable(world, world_log(world, "t", i));
    }
    world->logs->reads_waiting = 2;
    put(world, 0, 1, &(struct fetch_limits){ .min_bytes = 1 }, specs, 2);
    for (int i = 0; i < 3; i++) {
        EXPECT_NO_ANSWER("the cold one has its turn", world, 0);
        EXPECT_EQ("nothing is held meanwhile", 0, world->logs->pins);
        world->logs->reads_waiting = 1;
        world_read_done(world);
    }
    const struct fetch_response got = get("but not for ever", world, 0, 11, 1);
    EXPECT_EQ("the cold one is empty", 0, size_of(&got, 0));
    EXPECT("the hot one is not", size_of(&got, 1) > 3000);
    world_free(world);
}

static const struct read_row {
    const char *why;
    enum read_verdict verdict;
    int16_t error;
} read_rows[] = {
    { "retention was faster", READ_OUT_OF_RANGE, ERROR_OFFSET_OUT_OF_RANGE },
    { "the segment is damaged", READ_CORRUPT, ERROR_KAFKA_STORAGE_ERROR },
};

TEST(what_cannot_be_read_is_told)
{
    FOR_EACH(read_row, row, read_rows) {
        struct world *world = world_serving();
        append(world, 0, 100);
        world_durable(world, world_log(world, "t", 0));
        world->logs->read_next = row->verdict;
        put_one(world, 1, &(struct fetch_limits){ .min_bytes = 1 }, &(struct fetch_spec){ 0 });
        const struct fetch_response got = get(row->why, world, 0, 11, 1);
        EXPECT_EQ(row->why, row->error, got.topics[0].partitions[0].error_code);
        EXPECT_EQ("counted", 1, broker_counters(world->broker)->fetch_errors);
        world_free(world);
    }
}

/* ---- sessions, isolation, memory ---- */

static const struct session_row {
    const char *why;
    int32_t session_id, session_epoch;
    int16_t error;
} session_rows[] = {
    { "none", 0, -1, ERROR_NONE },
    { "a new one is not opened", 0, 0, ERROR_NONE },
    { "an old one is closed", 7, -1, ERROR_NONE },
    { "an old one is begun anew", 7, 0, ERROR_NONE },
    { "one that goes on is not known", 7, 1, ERROR_FETCH_SESSION_ID_NOT_FOUND },
    { "nor one without an id", 0, 5, ERROR_FETCH_SESSION_ID_NOT_FOUND },
};

TEST(sessions_are_never_opened)
{
    FOR_EACH(session_row, row, session_rows) {
        struct world *world = world_serving();
        const struct fetch_limits limits = { .session_id = row->session_id, .session_epoch = row->session_epoch };
        put_one(world, 1, &limits, &(struct fetch_spec){ 0 });
        const struct fetch_response got = get(row->why, world, 0, 11, 1);
        EXPECT_EQ(row->why, row->error, got.error_code);
        EXPECT_EQ(row->why, 0, got.session_id);
        EXPECT_EQ(row->why, row->error == ERROR_NONE ? 1 : 0, got.topics_count);
        world_free(world);
    }
}

TEST(aborted_transactions_are_a_list_for_those_who_ask_for_committed_records)
{
    for (int8_t isolation = 0; isolation < 2; isolation++) {
        struct world *world = world_serving();
        put_one(world, 1, &(struct fetch_limits){ .isolation_level = isolation }, &(struct fetch_spec){ 0 });
        const struct fetch_response got = get("answered", world, 0, 11, 1);
        EXPECT_EQ("null or empty", isolation == 1, got.topics[0].partitions[0].aborted_transactions != NULL);
        EXPECT_EQ("the last stable offset", 0, got.topics[0].partitions[0].last_stable_offset);
        world_free(world);
    }
}

/* Slow consumers may pin only a share of the tail's memory: one gets less and less of what is left, and then waits. */
TEST(slow_consumers_do_not_take_the_producers_memory)
{
    struct broker_config config = world_broker_config;
    config.tail_memory_size = 4 << 20; /* of which 1 MiB may be pinned */
    struct world *world = world_new(&config);

    world_topic(world, "t", 4, 1);
    broker_open(world->broker);
    for (int i = 0; i < 10; i++) append(world, 0, 200000);
    world_durable(world, world_log(world, "t", 0));
    for (uint32_t link = 0; link < WORLD_LINKS; link++) {
        world_open(world, link);
        world->wires[link].slow = true;
        put(world, link, 1, &(struct fetch_limits){ .min_bytes = 1, .max_bytes = 50 << 20 },
            &(struct fetch_spec){ .partition_max_bytes = 50 << 20 }, 1);
    }
    EXPECT("bounded, but for a batch", broker_usage(world->broker).pinned_size < (1 << 20) + 210000);
    EXPECT("shared", world->logs->pins >= 4);
    EXPECT("and well used", broker_usage(world->broker).links_waiting >= 1);
    for (uint32_t link = 0; link < WORLD_LINKS; link++) world->wires[link].slow = false;
    world_run(world);
    for (uint32_t link = 0; link < WORLD_LINKS; link++) {
        const struct fetch_response got = get("all are served", world, link, 11, 1);
        EXPECT("at least a batch", size_of(&got, 0) > 200000);
    }
    EXPECT_EQ("nothing is pinned", 0, broker_usage(world->broker).pinned_size);
    world_free(world);
}

/* ---- corners ---- */

TEST(what_was_there_before_counts)
{
    struct world *world = world_serving();
    const uint32_t size = append(world, 0, 300);

    world_durable(world, world_log(world, "t", 0));
    put_one(world, 1, &(struct fetch_limits){ .max_wait_ms = 1000, .min_bytes = (int32_t)(2 * size + 1) },
            &(struct fetch_spec){ 0 });
    append(world, 0, 300);
    world_durable(world, world_log(world, "t", 0));
    EXPECT_NO_ANSWER("one byte is missing", world, 0);
    append(world, 0, 300);
    world_durable(world, world_log(world, "t", 0));
    const struct fetch_response got = get("enough", world, 0, 11, 1);
    EXPECT_EQ("all three", 3 * size, size_of(&got, 0));
    put_one(world, 2, &(struct fetch_limits){ .max_wait_ms = 1000, .min_bytes = (int32_t)(3 * size) },
            &(struct fetch_spec){ 0 });
    get("exactly enough is enough", world, 0, 11, 2);
    world_free(world);
}

TEST(a_fetch_of_nothing_does_not_wait)
{
    struct world *world = world_serving();
    struct fetch_request_topic none = { 0 };
    struct fetch_request request = fetch_request_default;

    request.max_wait_ms = 1000;
    request.min_bytes = 1;
    request.topics = &none;
    WORLD_ASK(world, 0, API_FETCH, fetch, 11, 1, &request);
    EXPECT_EQ("answered at once", 0, get("with nothing", world, 0, 11, 1).topics_count);
    world_free(world);
}

/* Bytes that a partition's limit keeps back do not count: woken by them, the request has to wait again. */
TEST(a_fetch_may_wait_again)
{
    struct world *world = world_serving();

    put_one(world, 1, &(struct fetch_limits){ .max_wait_ms = 1000, .min_bytes = 500 },
            &(struct fetch_spec){ .partition_max_bytes = 100 });
    for (int i = 0; i < 3; i++) {
        append(world, 0, 600);
        world_durable(world, world_log(world, "t", 0));
        EXPECT_EQ("it waits", 1, broker_usage(world->broker).fetches_waiting);
        EXPECT_EQ("as one link", 1, broker_usage(world->broker).links_waiting);
    }
    world_pass(world, 1000);
    const struct fetch_response got = get("in time", world, 0, 11, 1);
    EXPECT("one batch", size_of(&got, 0) > 600 && size_of(&got, 0) < 1200);
    EXPECT_EQ("nobody waits", 0, broker_usage(world->broker).fetches_waiting);
    world_free(world);
}

TEST(each_request_has_its_own_patience_with_the_disk)
{
    struct world *world = world_serving();
    const struct fetch_spec specs[2] = { { .partition = 0 }, { .partition = 1 } };

    for (int32_t i = 0; i < 2; i++) {
        append(world, i, 3000);
        world_durable(world, world_log(world, "t", i));
    }
    for (int32_t id = 1; id < 10; id++) {
        world->logs->reads_waiting = 1;
        put(world, 0, id, &(struct fetch_limits){ .min_bytes = 1 }, specs, 2);
        EXPECT_NO_ANSWER("waits for the cold one", world, 0);
        world_read_done(world);
        const struct fetch_response got = get("and gets it", world, 0, 11, id);
        EXPECT("both", size_of(&got, 0) > 3000 && size_of(&got, 1) > 3000);
    }
    world_free(world);
}

TEST(few_bytes_on_disk_are_sent_from_there)
{
    struct world *world = world_serving();

    append(world, 0, 10);
    world_durable(world, world_log(world, "t", 0));
    world->logs->logs[world_log(world, "t", 0)].on_disk = true;
    put_one(world, 1, &(struct fetch_limits){ 0 }, &(struct fetch_spec){ 0 });
    const struct fetch_response got = get("sent", world, 0, 11, 1);
    EXPECT("whole", size_of(&got, 0) > 70);
    EXPECT_EQ("as a range of the file", 1, world->wires[0].file_pieces);
    world_free(world);
}
