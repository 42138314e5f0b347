/* What clients are told of a partition that several nodes have: by its leader, by a follower, and by who has just
 * become one or the other. Node 1 is asked; 2 and 3 are the others. */
#include "broker_world.h"

enum { EPOCH = 5, RECORDS = 5, COMMITTED = 3 };

static const char *const racks[] = { NULL, "red", "blue", "blue" }; /* of nodes */

static void add_broker(struct world *world, int32_t id)
{
    static const char *const hosts[] = { NULL, "one", "two", "three" };
    uint8_t memory[1024];
    struct metadata_broker_record_endpoint endpoint = { 0, text_of(hosts[id]), 9092 };
    struct proposal proposal = proposal_in(memory, sizeof memory);

    proposal_add_broker(&proposal, &(struct metadata_broker_record){ .broker_id = id,
                                                                     .epoch = -1,
                                                                     .incarnation = topic_id_of(hosts[id]),
                                                                     .rack = text_of(racks[id]),
                                                                     .endpoints = &endpoint,
                                                                     .endpoints_count = 1 });
    world_apply(world, &proposal);
}

struct shape {
    int32_t leader;      /* 0: node 1 */
    uint32_t isr_count;  /* 0: all three */
    const char *relaxed; /* write.caching */
    bool elsewhere;      /* node 1 has no replica */
    int32_t observer;    /* 0: none */
};

/* Topic "r": one partition, two of its replicas must be in sync. */
static struct world *replicated(const struct shape *shape)
{
    static uint8_t memory[1024];
    struct world *world = world_new(NULL);
    const int32_t leader = shape->leader == 0 ? 1 : shape->leader;
    int32_t replicas[3] = { leader, leader % 3 + 1, (leader + 1) % 3 + 1 };
    const int32_t others[2] = { 2, 3 };
    struct proposal proposal = proposal_in(memory, sizeof memory);

    for (int32_t id = 1; id <= 3; id++) add_broker(world, id);
    proposal_add_topic(&proposal, &(struct metadata_topic_record){
                                      .name = text_of("r"), .topic_id = topic_id_of("r"), .replica_target = 3 });
    proposal_add_partition(
        &proposal, &(struct metadata_partition_record){ .topic_id = topic_id_of("r"),
                                                        .replicas = shape->elsewhere ? others : replicas,
                                                        .replicas_count = shape->elsewhere ? 2 : 3,
                                                        .observers = &shape->observer,
                                                        .observers_count = shape->observer != 0,
                                                        .isr = replicas,
                                                        .isr_count = shape->isr_count == 0 ? 3 : shape->isr_count,
                                                        .leader = leader,
                                                        .last_leader = leader,
                                                        .leader_epoch = EPOCH,
                                                        .partition_epoch = EPOCH });
    world_apply(world, &proposal);
    if (shape->relaxed != NULL) world_config(world, "r", "write.caching", shape->relaxed);
    world_open(world, 0);
    broker_open(world->broker);
    world_run(world);
    return world;
}

static uint32_t the_log(const struct world *world)
{
    return world_log(world, "r", 0);
}

static uint8_t batch_memory[4096];

static void put_batch(struct world *world, int32_t correlation_id, int16_t acks, int32_t producer_id)
{
    const struct batch_spec spec = { .value_size = 10, .producer_id = producer_id };
    struct produce_request_partition partition = { 0, batch_of(batch_memory, sizeof batch_memory, &spec) };
    struct produce_request_topic topic = { text_of("r"), &partition, 1 };
    const struct produce_request request = { .acks = acks, .timeout_ms = 500, .topics = &topic, .topics_count = 1 };

    WORLD_ASK(world, 0, API_PRODUCE, produce, 10, correlation_id, &request);
}

static struct produce_response_partition produced(const char *why, struct world *world, int32_t correlation_id)
{
    struct produce_response response;

    WORLD_GET(why, world, 0, API_PRODUCE, produce, 10, correlation_id, &response);
    if (response.topics_count != 1) return (struct produce_response_partition){ .error_code = -2 };
    return response.topics[0].partitions[0];
}

static bool is_answered(const struct world *world)
{
    return world->wires[0].out_at < world->wires[0].out_size;
}

static void set_marks(struct world *world, int64_t durable, int64_t committed)
{
    struct log_offsets *offsets = &world->logs->logs[the_log(world)].offsets;

    offsets->durable_offset = durable;
    offsets->high_watermark = committed;
    world_begin(world);
    broker_on_high_watermark(world->broker, the_log(world));
    world_end(world);
    world_run(world);
}

/* ---- Produce ---- */

enum waits { WAITS_FOR_NOTHING, WAITS_FOR_DISK, WAITS_FOR_REPLICAS };

static const struct ask_row {
    const char *why;
    struct shape shape;
    bool unready;
    int16_t acks;
    int16_t error;
    enum waits waits;
} ask_rows[] = {
    { "one disk is enough for acks=1", { 0 }, false, 1, ERROR_NONE, WAITS_FOR_DISK },
    { "acks=all needs the replicas, whatever our disk has", { 0 }, false, -1, ERROR_NONE, WAITS_FOR_REPLICAS },
    { "as many as are wanted are enough", { .isr_count = 2 }, false, -1, ERROR_NONE, WAITS_FOR_REPLICAS },
    { "too few: nothing is appended", { .isr_count = 1 }, false, -1, ERROR_NOT_ENOUGH_REPLICAS, WAITS_FOR_NOTHING },
    { "too few: acks=1 does not ask for them", { .isr_count = 1 }, false, 1, ERROR_NONE, WAITS_FOR_DISK },
    { "led elsewhere", { .leader = 2 }, false, 1, ERROR_NOT_LEADER_OR_FOLLOWER, WAITS_FOR_NOTHING },
    { "elected, but the log is not ready", { 0 }, true, 1, ERROR_NOT_LEADER_OR_FOLLOWER, WAITS_FOR_NOTHING },
    { "relaxed: memory is enough for acks=1", { .relaxed = "true" }, false, 1, ERROR_NONE, WAITS_FOR_NOTHING },
    { "relaxed: but acks=all is of all", { .relaxed = "true" }, false, -1, ERROR_NONE, WAITS_FOR_REPLICAS },
    { "not relaxed, in words", { .relaxed = "false" }, false, 1, ERROR_NONE, WAITS_FOR_DISK },
};

TEST(produce_asks_the_replicas)
{
    FOR_EACH(ask_row, row, ask_rows) {
        struct world *world = replicated(&row->shape);
        world->replicas.partitions[the_log(world)].unready = row->unready;
        put_batch(world, 1, row->acks, 0);
        const struct fake_log *log = &world->logs->logs[the_log(world)];
        EXPECT_EQ(row->why, row->error == ERROR_NONE, log->batch_count);
        EXPECT_EQ(row->why, row->waits == WAITS_FOR_NOTHING, is_answered(world));
        set_marks(world, 1, 0);
        EXPECT_EQ(row->why, row->waits != WAITS_FOR_REPLICAS, is_answered(world));
        set_marks(world, 1, 1);
        const struct produce_response_partition got = produced(row->why, world, 1);
        EXPECT_EQ(row->why, row->error, got.error_code);
        EXPECT_EQ(row->why, row->error == ERROR_NONE ? 0 : -1, got.base_offset);
        EXPECT_EQ("who leads is said", row->error == ERROR_NOT_LEADER_OR_FOLLOWER, got.has_current_leader);
        if (row->error == ERROR_NONE) EXPECT_EQ("in our epoch", EPOCH, (int32_t)load_u32(log->batches[0].data + 12));
        world_free(world);
    }
}

enum loss { LOSES_LEADERSHIP, LOSES_MIN_ISR, LOSES_TIME };

static const struct loss_row {
    const char *why;
    int16_t acks;
    int64_t durable; /* of one record */
    enum loss loss;
    int16_t error; /* -1: it goes on waiting */
} loss_rows[] = {
    { "leadership: the record may be taken back", -1, 0, LOSES_LEADERSHIP, ERROR_NOT_LEADER_OR_FOLLOWER },
    { "leadership: durable is not committed", -1, 1, LOSES_LEADERSHIP, ERROR_NOT_LEADER_OR_FOLLOWER },
    { "leadership: acks=1 of what is not durable", 1, 0, LOSES_LEADERSHIP, ERROR_NOT_LEADER_OR_FOLLOWER },
    { "too few replicas: it may take long", -1, 0, LOSES_MIN_ISR, ERROR_NOT_ENOUGH_REPLICAS_AFTER_APPEND },
    { "too few replicas: acks=1 is not concerned", 1, 0, LOSES_MIN_ISR, -1 },
    { "its own time", -1, 1, LOSES_TIME, ERROR_REQUEST_TIMED_OUT },
    { "its own time, of acks=1", 1, 0, LOSES_TIME, ERROR_REQUEST_TIMED_OUT },
};

TEST(who_waits_is_told_at_once)
{
    FOR_EACH(loss_row, row, loss_rows) {
        struct world *world = replicated(&(struct shape){ 0 });
        put_batch(world, 1, row->acks, 0);
        set_marks(world, row->durable, 0);
        world_pass(world, 499);
        EXPECT(row->why, !is_answered(world));
        world_begin(world);
        if (row->loss == LOSES_LEADERSHIP) broker_on_leadership_lost(world->broker, the_log(world));
        if (row->loss == LOSES_MIN_ISR) broker_on_min_isr_lost(world->broker, the_log(world));
        world_end(world);
        world_run(world);
        if (row->loss == LOSES_TIME) world_pass(world, 1);
        EXPECT_EQ(row->why, row->error != -1, is_answered(world));
        set_marks(world, 1, 1);
        EXPECT_EQ(row->why, row->error == -1 ? ERROR_NONE : row->error, produced(row->why, world, 1).error_code);
        world_free(world);
    }
}

/* Whoever stops is not held up by replicas that do not answer. */
TEST(a_stop_does_not_wait_for_replicas_for_long)
{
    struct world *world = replicated(&(struct shape){ 0 });
    struct produce_request_partition partition = { 0, batch_of(batch_memory, sizeof batch_memory,
                                                               &(struct batch_spec){ .value_size = 10 }) };
    struct produce_request_topic topic = { text_of("r"), &partition, 1 };
    const struct produce_request request = { .acks = -1, .timeout_ms = 600000, .topics = &topic, .topics_count = 1 };

    for (int32_t i = 1; i <= 2; i++) WORLD_ASK(world, 0, API_PRODUCE, produce, 10, i, &request);
    set_marks(world, 2, 0);
    broker_stop(world->broker);
    world_pass(world, 4900);
    EXPECT("for a while it does", !is_answered(world));
    world_pass(world, 200);
    for (int32_t i = 1; i <= 2; i++) {
        EXPECT_EQ("perhaps it will be", ERROR_REQUEST_TIMED_OUT, produced("answered", world, i).error_code);
    }
    EXPECT("and that is all", broker_is_stopped(world->broker));
    world_free(world);
}

TEST(a_duplicate_waits_for_the_replicas_as_well)
{
    struct world *world = replicated(&(struct shape){ 0 });

    put_batch(world, 1, -1, 7);
    put_batch(world, 2, -1, 7);
    EXPECT_EQ("it is there once", 1, world->logs->logs[the_log(world)].batch_count);
    set_marks(world, 1, 0);
    EXPECT("durable is not committed, not for a duplicate either", !is_answered(world));
    set_marks(world, 1, 1);
    EXPECT_EQ("the first", 0, produced("the first", world, 1).base_offset);
    EXPECT_EQ("the same offset", 0, produced("the second", world, 2).base_offset);
    world_free(world);
}

/* It was appended to half of its partitions, and waits for room with the rest. */
static const struct half_row {
    const char *why;
    int16_t acks;
    int64_t committed; /* meanwhile, of the half that is there */
    enum loss loss;
    int16_t errors[2]; /* of what was appended, and of the rest */
    int64_t base_offset;
} half_rows[] = {
    { "of another epoch: the offset may be another record's",
      -1,
      0,
      LOSES_LEADERSHIP,
      { ERROR_NOT_LEADER_OR_FOLLOWER, ERROR_NOT_LEADER_OR_FOLLOWER },
      -1 },
    { "of too few replicas: it may take long",
      -1,
      0,
      LOSES_MIN_ISR,
      { ERROR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, ERROR_NOT_ENOUGH_REPLICAS },
      0 },
    { "of too few replicas, but committed before", -1, 1, LOSES_MIN_ISR, { ERROR_NONE, ERROR_NOT_ENOUGH_REPLICAS }, 0 },
    { "of too few replicas, which acks=1 does not ask for", 1, 0, LOSES_MIN_ISR, { ERROR_NONE, ERROR_NONE }, 0 },
};

TEST(what_a_waiting_request_appended_and_lost_is_not_awaited)
{
    FOR_EACH(half_row, row, half_rows) {
        struct world *world = replicated(&(struct shape){ 0 });
        struct produce_request_partition partitions[2];
        struct produce_request_topic topic = { text_of("r"), partitions, 2 };
        const struct produce_request request = {
            .acks = row->acks, .timeout_ms = 500, .topics = &topic, .topics_count = 1
        };
        struct produce_response got;
        const struct bytes batch =
            batch_of(batch_memory, sizeof batch_memory, &(struct batch_spec){ .value_size = 10 });
        for (int32_t i = 0; i < 2; i++) partitions[i] = (struct produce_request_partition){ 0, batch };
        world->logs->appends_left = 1;
        WORLD_ASK(world, 0, API_PRODUCE, produce, 10, 1, &request);
        EXPECT_EQ(row->why, 1, broker_usage(world->broker).links_waiting);
        struct fake_replica *replica = &world->replicas.partitions[the_log(world)];
        replica->unready = row->loss == LOSES_LEADERSHIP;
        replica->few = row->loss == LOSES_MIN_ISR;
        set_marks(world, row->committed, row->committed);
        world->logs->appends_left = FAKE_NO_LIMIT;
        world_tick(world);
        EXPECT_EQ(row->why, row->acks == -1, is_answered(world));   /* at once, and not when its time is over */
        set_marks(world, 2, row->loss == LOSES_LEADERSHIP ? 1 : 0); /* another leader's record, at the same offset */
        WORLD_GET(row->why, world, 0, API_PRODUCE, produce, 10, 1, &got);
        for (uint32_t i = 0; i < 2; i++) {
            EXPECT_EQ(row->why, row->errors[i], got.topics[0].partitions[i].error_code);
        }
        EXPECT_EQ(row->why, row->base_offset, got.topics[0].partitions[0].base_offset);
        world_free(world);
    }
}

/* ---- Fetch ---- */

static void fill(struct world *world)
{
    struct record_batch batch;
    struct append_answer answer;
    const struct bytes bytes = batch_of(batch_memory, sizeof batch_memory, &(struct batch_spec){ .value_size = 10 });

    CHECK(record_batch_read(bytes, &batch) == RECORD_BATCH_WHOLE);
    for (int i = 0; i < RECORDS; i++) {
        CHECK(logs_append(world->logs, the_log(world), &batch, EPOCH, -1, 0, &answer) == APPEND_OK);
    }
    world->logs->logs[the_log(world)].offsets.log_start_offset = 1;
    set_marks(world, RECORDS, COMMITTED);
}

static struct fetch_response_partition fetched(const char *why, struct world *world, int16_t version, int64_t offset,
                                               int32_t epoch, const char *rack)
{
    struct fetch_request_partition partition = fetch_request_partition_default;
    struct fetch_request_topic topic = { .name = text_of("r"), .topic_id = topic_id_of("r"), &partition, 1 };
    struct fetch_request request = fetch_request_default;
    struct fetch_response response;

    partition.fetch_offset = offset;
    partition.partition_max_bytes = 1 << 20;
    partition.current_leader_epoch = epoch;
    request.topics = &topic;
    request.topics_count = 1;
    if (rack != NULL) request.rack_id = text_of(rack);
    WORLD_ASK(world, 0, API_FETCH, fetch, version, 1, &request);
    WORLD_GET(why, world, 0, API_FETCH, fetch, version, 1, &response);
    if (response.topics_count != 1) return (struct fetch_response_partition){ .error_code = -2 };
    return response.topics[0].partitions[0];
}

static const struct read_row {
    const char *why;
    struct shape shape;
    bool unready;
    int16_t version;
    int64_t offset;
    int32_t epoch; /* 0: not given */
    int16_t error;
    bool records;
} read_rows[] = {
    { "the leader: committed", { 0 }, false, 12, 1, 0, ERROR_NONE, true },
    { "the leader: at the high watermark", { 0 }, false, 12, 3, 0, ERROR_NONE, false },
    { "the leader: what is there may be committed yet", { 0 }, false, 12, 5, 0, ERROR_NONE, false },
    { "the leader: beyond all", { 0 }, false, 12, 6, 0, ERROR_OFFSET_OUT_OF_RANGE, false },
    { "the leader: gone", { 0 }, false, 12, 0, 0, ERROR_OFFSET_OUT_OF_RANGE, false },
    { "a follower: committed", { .leader = 2 }, false, 11, 1, 0, ERROR_NONE, true },
    { "a follower: not committed, as far as it knows", { .leader = 2 }, false, 12, 4, 0, ERROR_NONE, false },
    { "a follower: the leader may have it", { .leader = 2 }, false, 12, 6, 0, ERROR_OFFSET_NOT_AVAILABLE, false },
    { "a follower: gone", { .leader = 2 }, false, 12, 0, 0, ERROR_OFFSET_OUT_OF_RANGE, false },
    { "a follower: a client that knows leaders only",
      { .leader = 2 },
      false,
      10,
      1,
      0,
      ERROR_NOT_LEADER_OR_FOLLOWER,
      false },
    { "a follower: of the present epoch", { .leader = 2 }, false, 12, 1, EPOCH, ERROR_NONE, true },
    { "a follower: of an older epoch", { .leader = 2 }, false, 12, 1, EPOCH - 1, ERROR_FENCED_LEADER_EPOCH, false },
    { "a follower: of one to come", { .leader = 2 }, false, 12, 1, EPOCH + 1, ERROR_UNKNOWN_LEADER_EPOCH, false },
    { "elected and not ready: as a follower", { 0 }, true, 12, 6, 0, ERROR_OFFSET_NOT_AVAILABLE, false },
    { "elected and not ready: not to who knows leaders only",
      { 0 },
      true,
      10,
      1,
      0,
      ERROR_NOT_LEADER_OR_FOLLOWER,
      false },
    { "no replica here",
      { .leader = 2, .elsewhere = true, .isr_count = 2 },
      false,
      12,
      1,
      0,
      ERROR_NOT_LEADER_OR_FOLLOWER,
      false },
};

TEST(any_replica_serves_what_it_knows_to_be_committed)
{
    FOR_EACH(read_row, row, read_rows) {
        struct world *world = replicated(&row->shape);
        if (!row->shape.elsewhere) fill(world);
        world->replicas.partitions[the_log(world)].unready = row->unready;
        const struct fetch_response_partition got =
            fetched(row->why, world, row->version, row->offset, row->epoch == 0 ? -1 : row->epoch, "green");
        EXPECT_EQ(row->why, row->error, got.error_code);
        EXPECT_EQ(row->why, row->records, got.records.size > 0);
        EXPECT_EQ("nobody is preferred", -1, got.preferred_read_replica);
        world_free(world);
    }
}

/* When a broker is removed its partitions are settled one after the other: for a while some name it still. */
TEST(nobody_is_sent_to_an_observer_that_was_removed)
{
    struct world *world = replicated(&(struct shape){ .isr_count = 1, .observer = 9 });

    fill(world);
    const struct fetch_response_partition got = fetched("a rack", world, 12, 1, -1, "blue");
    EXPECT_EQ("nobody is preferred", -1, got.preferred_read_replica);
    EXPECT_EQ("it is read here", ERROR_NONE, got.error_code);
    world_free(world);
}

static const struct rack_row {
    const char *why;
    int32_t leader;
    const char *rack;
    int16_t version;
    int64_t offset;
    int64_t held[2]; /* by nodes 2 and 3 */
    uint32_t isr_count;
    int32_t preferred;
} rack_rows[] = {
    { "in the leader's rack", 1, "red", 12, 1, { 5, 5 }, 3, -1 },
    { "in a rack where nobody is", 1, "green", 12, 1, { 5, 5 }, 3, -1 },
    { "of a client that does not say", 1, NULL, 12, 1, { 5, 5 }, 3, -1 },
    { "in a rack of two: the one that has more", 1, "blue", 12, 1, { 4, 5 }, 3, 3 },
    { "whichever it is", 1, "blue", 12, 1, { 5, 4 }, 3, 2 },
    { "of two that have as much, the first", 1, "blue", 12, 1, { 5, 5 }, 3, 2 },
    { "who lacks what is asked for does not help", 1, "blue", 12, 5, { 4, 4 }, 3, -1 },
    { "who has all up to there does", 1, "blue", 12, 4, { 3, 4 }, 3, 3 },
    { "of whom nothing is known", 1, "blue", 12, 1, { -1, -1 }, 3, -1 },
    { "who is not in sync may fall behind", 1, "blue", 12, 1, { 4, 5 }, 2, 2 },
    { "an offset that is nowhere is told here", 1, "blue", 12, 6, { 5, 5 }, 3, -1 },
    { "followers send nobody on", 2, "blue", 12, 1, { 5, 5 }, 3, -1 },
    { "clients that know leaders only", 1, "blue", 10, 1, { 5, 5 }, 3, -1 },
};

TEST(a_client_is_sent_to_a_replica_in_its_rack)
{
    FOR_EACH(rack_row, row, rack_rows) {
        struct world *world = replicated(&(struct shape){ .leader = row->leader, .isr_count = row->isr_count });
        fill(world);
        for (int i = 0; i < 2; i++) world->replicas.partitions[the_log(world)].held[2 + i] = row->held[i];
        const struct fetch_response_partition got = fetched(row->why, world, row->version, row->offset, -1, row->rack);
        EXPECT_EQ(row->why, row->preferred, got.preferred_read_replica);
        if (row->preferred > 0) {
            EXPECT_EQ("nothing is read here", 0, got.records.size);
            EXPECT_EQ("but the marks are told", COMMITTED, got.high_watermark);
            EXPECT_EQ("without an error", ERROR_NONE, got.error_code);
        }
        EXPECT_EQ("nothing stays pinned", 0, world->logs->pins);
        world_free(world);
    }
}

TEST(a_long_poll_ends_with_leadership)
{
    struct world *world = replicated(&(struct shape){ 0 });
    struct fetch_request_partition partition = fetch_request_partition_default;
    struct fetch_request_topic topic = { .name = text_of("r"), .topic_id = topic_id_of("r"), &partition, 1 };
    struct fetch_request request = fetch_request_default;
    struct fetch_response response;

    partition.partition_max_bytes = 1 << 20;
    request.topics = &topic;
    request.topics_count = 1;
    request.max_wait_ms = 1000;
    request.min_bytes = 1;
    WORLD_ASK(world, 0, API_FETCH, fetch, 10, 1, &request);
    EXPECT("there is nothing", !is_answered(world));
    world->replicas.partitions[the_log(world)].unready = true;
    world_begin(world);
    broker_on_leadership_lost(world->broker, the_log(world));
    world_end(world);
    world_run(world);
    WORLD_GET("at once", world, 0, API_FETCH, fetch, 10, 1, &response);
    EXPECT_EQ("as is said", ERROR_NOT_LEADER_OR_FOLLOWER, response.topics[0].partitions[0].error_code);
    world_free(world);
}

/* ---- ListOffsets ---- */

static const struct end_row {
    const char *why;
    bool unknown;
    int64_t timestamp;
    int16_t version;
    int16_t error;
    int64_t offset;
} end_rows[] = {
    { "the end", false, -1, 7, ERROR_NONE, COMMITTED },
    { "an end that may lie before what was shown", true, -1, 7, ERROR_OFFSET_NOT_AVAILABLE, -1 },
    { "the same to older clients", true, -1, 4, ERROR_LEADER_NOT_AVAILABLE, -1 },
    { "the begin is known all the same", true, -2, 7, ERROR_NONE, 1 },
    { "a time that was found below it is, too", true, INT64_C(1700000000000), 7, ERROR_NONE, 0 },
    { "a time that may lie above it", true, INT64_C(1700000000001), 7, ERROR_OFFSET_NOT_AVAILABLE, -1 },
    { "a time that nobody has", false, INT64_C(1700000000001), 7, ERROR_NONE, -1 },
};

TEST(a_new_leader_tells_the_end_when_it_knows_it)
{
    FOR_EACH(end_row, row, end_rows) {
        struct world *world = replicated(&(struct shape){ 0 });
        struct list_offsets_request_partition partition = list_offsets_request_partition_default;
        struct list_offsets_request_topic topic = { text_of("r"), &partition, 1 };
        struct list_offsets_request request = list_offsets_request_default;
        struct list_offsets_response got;
        fill(world);
        world->replicas.partitions[the_log(world)].unknown = row->unknown;
        partition.timestamp = row->timestamp;
        request.topics = &topic;
        request.topics_count = 1;
        WORLD_ASK(world, 0, API_LIST_OFFSETS, list_offsets, row->version, 1, &request);
        WORLD_GET(row->why, world, 0, API_LIST_OFFSETS, list_offsets, row->version, 1, &got);
        EXPECT_EQ(row->why, row->error, got.topics[0].partitions[0].error_code);
        EXPECT_EQ(row->why, row->offset, got.topics[0].partitions[0].offset);
        world_free(world);
    }
}
