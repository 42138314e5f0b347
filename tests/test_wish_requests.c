/* Requests that change metadata, as the broker room sees them: what is wished for, what is said when something came of
 * it, and what a leader makes of a wish. Controller and logs are the test's. */
#include "base/squeeze.h"
#include "broker_world.h"
#include "controller/wish.h"

/* ---- at the origin ---- */

static void ask_to_create(struct world *world, uint32_t link, int32_t correlation_id, int32_t timeout_ms)
{
    struct create_topics_request_topic topic = { .name = BYTES_LITERAL("new"), .num_partitions = 1 };
    struct create_topics_request request = create_topics_request_default;

    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = timeout_ms;
    WORLD_ASK(world, link, API_CREATE_TOPICS, create_topics, 7, correlation_id, &request);
}

/* What a decider writes: flags, and a response to CreateTopics. */
static struct bytes made_answer(uint8_t flags, enum error error)
{
    static uint8_t memory[FAKE_ANSWER_MAX], squeezed[FAKE_ANSWER_MAX];
    static struct squeeze_table table;
    struct writer writer = writer_of(memory, sizeof memory);
    struct create_topics_response_topic topic = create_topics_response_topic_default;
    struct create_topics_response response = create_topics_response_default;

    topic.name = BYTES_LITERAL("new");
    topic.error_code = (int16_t)error;
    response.topics = &topic;
    response.topics_count = 1;
    create_topics_response_write(&writer, 7, &response);
    squeezed[0] = flags;
    if ((flags & 2) != 0) {
        return (struct bytes){ squeezed,
                               1 + squeeze(&table, writer_written(&writer), squeezed + 1, FAKE_ANSWER_MAX - 1) };
    }
    memcpy(squeezed + 1, memory, (size_t)writer.size);
    return (struct bytes){ squeezed, 1 + (uint32_t)writer.size };
}

static const struct outcome_row {
    const char *why;
    enum wish_verdict verdict;
    uint8_t flags;
    enum error said; /* in the answer */
    enum error error;
    bool closed;
    uint64_t errors;
} outcome_rows[] = {
    { "granted", WISH_GRANTED, 0, ERROR_NONE, ERROR_NONE, false, 0 },
    { "granted, squeezed", WISH_GRANTED, 2, ERROR_NONE, ERROR_NONE, false, 0 },
    { "refused", WISH_ANSWERED, 1, ERROR_TOPIC_ALREADY_EXISTS, ERROR_TOPIC_ALREADY_EXISTS, false, 1 },
    { "nobody decided it in time", WISH_GIVEN_UP, 0, ERROR_NONE, ERROR_REQUEST_TIMED_OUT, false, 1 },
    { "made, but what was answered is lost", WISH_UNTOLD, 0, ERROR_NONE, ERROR_REQUEST_TIMED_OUT, false, 1 },
    { "not what the leader understands", WISH_MALFORMED, 0, ERROR_NONE, ERROR_NONE, true, 0 },
    { "no answer could be held", WISH_TOO_LARGE, 0, ERROR_NONE, ERROR_NONE, true, 0 },
};

TEST(the_answer_is_what_came_of_the_wish)
{
    FOR_EACH(outcome_row, row, outcome_rows) {
        struct world *world = world_serving();
        struct create_topics_response got;
        ask_to_create(world, 0, 1, 5000);
        EXPECT_EQ(row->why, 1, world->controller.wish);
        const struct fake_wish *wish = fake_wish_at(&world->controller, 1);
        EXPECT_EQ("as the request that it is", API_CREATE_TOPICS, wish->kind);
        EXPECT_EQ("in its version", 7, wish->version);
        EXPECT("until the request's own timeout", wish->deadline_ns == world->now + 5000 * MS);
        EXPECT_NO_ANSWER("not yet", world, 0);
        EXPECT_EQ("somebody waits", 1, broker_usage(world->broker).answers_waiting);

        world_done(world, 1, row->verdict,
                   row->verdict <= WISH_GRANTED ? made_answer(row->flags, row->said) : (struct bytes){ 0 });
        EXPECT_EQ(row->why, row->closed, !world->wires[0].open);
        EXPECT("it is forgotten", fake_wish_at(&world->controller, 1)->forgotten);
        EXPECT_EQ("nobody waits", 0, broker_usage(world->broker).answers_waiting);
        EXPECT_EQ("counted", row->errors, broker_counters(world->broker)->errors[API_CREATE_TOPICS]);
        if (!row->closed) {
            WORLD_GET(row->why, world, 0, API_CREATE_TOPICS, create_topics, 7, 1, &got);
            EXPECT_EQ(row->why, 1, got.topics_count);
            EXPECT_EQ(row->why, row->error, got.topics[0].error_code);
        }
        world_free(world);
    }
}

TEST(bytes_that_were_never_squeezed_cost_a_link_and_no_more)
{
    struct world *world = world_serving();

    ask_to_create(world, 0, 1, 5000);
    world_done(world, 1, WISH_GRANTED, BYTES_LITERAL("\2\0\0\0\5\0a\200\0\2"));
    EXPECT("closed", !world->wires[0].open);
    world_open(world, 1);
    ask_to_create(world, 1, 1, 5000);
    world_done(world, 2, WISH_GRANTED, (struct bytes){ 0 });
    EXPECT("nor was an empty answer ever written", !world->wires[1].open);
    world_free(world);
}

TEST(a_wish_has_the_time_of_its_request)
{
    struct world *world = world_serving();
    struct create_topics_response got;

    ask_to_create(world, 0, 1, 300);
    world_pass(world, 299);
    EXPECT_NO_ANSWER("patience", world, 0);
    world_pass(world, 1);
    WORLD_GET("has an end", world, 0, API_CREATE_TOPICS, create_topics, 7, 1, &got);
    EXPECT_EQ("and nobody knows", ERROR_REQUEST_TIMED_OUT, got.topics[0].error_code);
    EXPECT("nobody waits for it", fake_wish_at(&world->controller, 1)->forgotten);
    EXPECT_EQ("it was wished for once", 1, world->controller.wish);
    ask_to_create(world, 0, 2, 300);
    EXPECT_EQ("the link goes on", 2, world->controller.wish);
    world_free(world);
}

TEST(a_closed_link_drops_its_interest)
{
    struct world *world = world_serving();

    ask_to_create(world, 0, 1, 5000);
    world_close(world, 0);
    EXPECT("forgotten", fake_wish_at(&world->controller, 1)->forgotten);
    world_granted(world, 1); /* and nobody minds */
    EXPECT_EQ("nobody waits", 0, broker_usage(world->broker).answers_waiting);
    world_free(world);
}

TEST(a_node_that_stops_waits_for_what_is_wished)
{
    struct world *world = world_serving();
    struct create_topics_response got;

    ask_to_create(world, 0, 1, 5000);
    broker_stop(world->broker);
    world_tick(world);
    EXPECT_NO_ANSWER("it was asked", world, 0);
    world_done(world, 1, WISH_GRANTED, made_answer(0, ERROR_NONE));
    WORLD_GET("and is answered", world, 0, API_CREATE_TOPICS, create_topics, 7, 1, &got);
    EXPECT_EQ("as it came out", ERROR_NONE, got.topics[0].error_code);
    EXPECT("then it stops", broker_is_stopped(world->broker));
    world_free(world);

    world = world_serving();
    ask_to_create(world, 0, 1, 60000);
    broker_stop(world->broker);
    world_tick(world);
    world_pass(world, 4999);
    EXPECT_NO_ANSWER("with patience", world, 0);
    world_pass(world, 1);
    WORLD_GET("which has an end", world, 0, API_CREATE_TOPICS, create_topics, 7, 1, &got);
    EXPECT_EQ("nobody knows", ERROR_REQUEST_TIMED_OUT, got.topics[0].error_code);
    EXPECT("then it stops", broker_is_stopped(world->broker));
    world_free(world);
}

TEST(who_finds_no_room_waits_for_it)
{
    struct world *world = world_serving();
    struct create_topics_response got;

    world->controller.refusals_left = 3;
    ask_to_create(world, 0, 1, 5000);
    world_open(world, 1);
    ask_to_create(world, 1, 1, 300);
    EXPECT_EQ("none of them is wished", 0, world->controller.wish);
    world_pass(world, 300);
    WORLD_GET("the impatient one", world, 1, API_CREATE_TOPICS, create_topics, 7, 1, &got);
    EXPECT_EQ("hears so", ERROR_REQUEST_TIMED_OUT, got.topics[0].error_code);
    fake_wish_open(&world->controller, 0); /* takes the last refusal */
    EXPECT_EQ("room", 0, world->controller.refusals_left);
    world->controller.wish = 1;
    world->controller.wishes[1].verdict = WISH_OPEN;
    world_granted(world, 1); /* somebody else's: there is room now */
    EXPECT_EQ("the patient one is wished", 2, world->controller.wish);
    world_done(world, 2, WISH_GRANTED, made_answer(0, ERROR_NONE));
    WORLD_GET("and answered", world, 0, API_CREATE_TOPICS, create_topics, 7, 1, &got);
    world_free(world);
}

TEST(a_request_larger_than_a_wish_is_refused)
{
    struct world *world = world_serving();
    static struct create_topics_request_topic topics[400];
    struct create_topics_request request = create_topics_request_default;
    struct create_topics_response got;

    for (int i = 0; i < 400; i++) topics[i] = (struct create_topics_request_topic){ .name = BYTES_LITERAL("a-topic") };
    request.topics = topics;
    request.topics_count = 400;
    WORLD_ASK(world, 0, API_CREATE_TOPICS, create_topics, 7, 1, &request);
    EXPECT_EQ("nothing is wished", 0, world->controller.wish);
    WORLD_GET("answered at once", world, 0, API_CREATE_TOPICS, create_topics, 7, 1, &got);
    EXPECT_EQ("for each", 400, got.topics_count);
    EXPECT_EQ("with why", ERROR_POLICY_VIOLATION, got.topics[399].error_code);
    EXPECT("in words", got.topics[399].error_message.size > 0);
    world_free(world);
}

TEST(every_change_of_metadata_is_a_wish)
{
    static const int16_t keys[] = { API_CREATE_TOPICS, API_DELETE_TOPICS, API_CREATE_PARTITIONS, API_ALTER_CONFIGS,
                                    API_INCREMENTAL_ALTER_CONFIGS };
    struct world *world = world_serving();

    for (uint32_t i = 0; i < COUNT_OF(keys); i++) {
        const struct api *api = api_find(keys[i]);
        for (int16_t version = api->served_min; version <= api->served_max; version++) {
            struct frame_out frame = frame_begin(keys[i], version, 1);
            const bool flexible = version >= api->flexible_min;
            if (keys[i] == API_DELETE_TOPICS && version >= 6) writer_array(&frame.writer, true, false, "", 0);
            else writer_array(&frame.writer, flexible, false, "", 0); /* of no topics, no resources */
            if (i < 3) writer_int32(&frame.writer, 1000);             /* timeout */
            if (keys[i] == API_CREATE_TOPICS ? version >= 1 : i >= 2) writer_bool(&frame.writer, false);
            if (flexible) writer_uvarint(&frame.writer, 0);
            const struct bytes bytes = frame_end(&frame);
            const uint64_t before = world->controller.wish;
            world_send(world, 0, bytes.data, bytes.size);
            world_run(world);
            EXPECT_EQ(api->name, before + 1, world->controller.wish);
            EXPECT_EQ(api->name, version, fake_wish_at(&world->controller, before + 1)->version);
            world_done(world, before + 1, WISH_MALFORMED, (struct bytes){ 0 });
            EXPECT("the link is closed", !world->wires[0].open);
            world_open(world, 0);
            world_run(world);
        }
    }
    world_free(world);
}

/* ---- on the leader ---- */

static uint8_t body_memory[FAKE_WISH_SIZE_MAX];

static struct wish wish_to_create(uint32_t count)
{
    static struct create_topics_request_topic topics[64];
    struct writer writer = writer_of(body_memory, sizeof body_memory);
    struct create_topics_request request = create_topics_request_default;

    for (uint32_t i = 0; i < count; i++) {
        static char names[64][8];
        sprintf(names[i], "t-%u", i);
        topics[i] = (struct create_topics_request_topic){ .name = text_of(names[i]), .num_partitions = 1 };
    }
    request.topics = topics;
    request.topics_count = count;
    create_topics_request_write(&writer, 7, &request);
    return (struct wish){ .broker_id = 2,
                          .sequence = 1,
                          .first_open = 1,
                          .kind = API_CREATE_TOPICS,
                          .version = 7,
                          .body = writer_written(&writer) };
}

static void decide(struct world *world, const struct wish *wish)
{
    world_begin(world);
    broker_decide(world->broker, wish, &world->effects);
    world_end(world);
}

/* What was concluded, as the response that it is. */
static struct create_topics_response concluded(struct world *world)
{
    static uint8_t memory[1 << 20];
    const struct controller *controller = &world->controller;
    struct bytes body = { controller->concluded + 1, controller->concluded_size - 1 };
    struct create_topics_response response = create_topics_response_default;
    uint32_t size = 0;

    CHECK(controller->concluded_size > 0);
    if ((controller->concluded[0] & 2) != 0) {
        EXPECT("squeezed well", unsqueeze(body, memory, sizeof memory, &size));
        body = (struct bytes){ memory, size };
    }
    struct reader reader = reader_of(body);
    arena_init(&answer_arena, answer_arena_memory, sizeof answer_arena_memory);
    EXPECT("a response", create_topics_response_read(&reader, 7, &answer_arena, &response));
    EXPECT_EQ("and nothing behind it", 0, reader_left(&reader));
    return response;
}

TEST(a_leader_writes_the_answer_when_it_decides)
{
    struct world *world = world_serving();
    struct wish wish = wish_to_create(1);

    decide(world, &wish);
    EXPECT_EQ("decided", 1, world->controller.conclusions);
    EXPECT_EQ("no error", ERROR_NONE, concluded(world).topics[0].error_code);
    EXPECT_EQ("which it says", 0, world->controller.concluded[0] & 1);
    world->controller.error = ERROR_INVALID_PARTITIONS;
    decide(world, &wish);
    EXPECT_EQ("an error", ERROR_INVALID_PARTITIONS, concluded(world).topics[0].error_code);
    EXPECT_EQ("which it says", 1, world->controller.concluded[0] & 1);

    world->controller.wait_index = 77;
    decide(world, &wish);
    EXPECT_EQ("something is under way", 77, world->controller.postponed);
    EXPECT_EQ("nothing is decided", 2, world->controller.conclusions);
    world_free(world);
}

TEST(answers_are_squeezed_before_they_are_called_too_large)
{
    struct world *world = world_serving();
    const struct wish wish = wish_to_create(40);

    decide(world, &wish);
    EXPECT_EQ("forty topics with all their settings", 40, concluded(world).topics_count);
    EXPECT("in little room", world->controller.concluded_size < FAKE_WISH_SIZE_MAX);
    world->controller.too_large = 1;
    decide(world, &wish);
    EXPECT_EQ("too large with its records: it is decided again", 2, world->controller.conclusions);
    const struct create_topics_response refused = concluded(world);
    EXPECT_EQ("all is refused", ERROR_POLICY_VIOLATION, refused.topics[0].error_code);
    EXPECT_EQ("all", ERROR_POLICY_VIOLATION, refused.topics[39].error_code);
    world->controller.too_large = 2;
    decide(world, &wish);
    EXPECT_EQ("even that is too large", WISH_TOO_LARGE, world->controller.dismissed);
    world_free(world);
}

static const struct foreign_row {
    const char *why;
    uint8_t kind;
    int16_t version;
    const char *body;
    enum wish_verdict dismissed;
} foreign_rows[] = {
    { "a version that we do not know: a newer node may", API_CREATE_TOPICS, 99, "", WISH_LATER },
    { "an API that changes nothing", API_METADATA, 9, "", WISH_LATER },
    { "an API that is none", 127, 0, "", WISH_LATER },
    { "no request", API_CREATE_TOPICS, 7, "", WISH_MALFORMED },
    { "half a request", API_DELETE_TOPICS, 6, "\2", WISH_MALFORMED },
};

TEST(what_no_leader_understands_is_dismissed)
{
    FOR_EACH(foreign_row, row, foreign_rows) {
        struct world *world = world_serving();
        const struct wish wish = {
            .broker_id = 2, .sequence = 1, .kind = row->kind, .version = row->version, .body = text_of(row->body)
        };
        decide(world, &wish);
        EXPECT_EQ(row->why, row->dismissed, world->controller.dismissed);
        EXPECT_EQ(row->why, 0, world->controller.conclusions);
        world_free(world);
    }
}
