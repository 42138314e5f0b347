/* What a link may do to the broker, and what it gets: frames in pieces, pipelines, orders, limits, hostility. */
#include "base/prng.h"
#include "link_deeds.h"

/* ---- frames ---- */

TEST(a_request_may_come_in_any_pieces)
{
    const struct bytes frame = versions_frame(1);
    uint8_t copy[256];

    memcpy(copy, frame.data, frame.size);
    for (uint32_t chunk = 1; chunk <= frame.size; chunk++) {
        struct world *world = world_serving();
        world->chunk_size = chunk;
        for (int32_t i = 0; i < 3; i++) world_send(world, 0, copy, frame.size);
        world_run(world);
        for (int32_t i = 0; i < 3; i++) expect_versions("whatever the pieces", world, 0, 1);
        EXPECT_NO_ANSWER("and nothing else", world, 0);
        world_free(world);
    }
}

TEST(a_request_may_be_split_anywhere)
{
    const struct bytes frame = versions_frame(1);
    uint8_t copy[256];

    memcpy(copy, frame.data, frame.size);
    for (uint32_t split = 1; split < frame.size; split++) {
        struct world *world = world_serving();
        world_send(world, 0, copy, split);
        world_run(world);
        EXPECT_NO_ANSWER("not before it is whole", world, 0);
        world_send(world, 0, copy + split, frame.size - split);
        world_run(world);
        expect_versions("then at once", world, 0, 1);
        world_free(world);
    }
}

/* A frame that is larger than a nest goes into a block of its own; so both ways of receiving meet. */
TEST(large_and_small_requests_mix)
{
    static const uint32_t chunks[] = { 1000, 4096, 70000, UINT32_MAX };

    for (uint32_t i = 0; i < COUNT_OF(chunks); i++) {
        struct world *world = world_serving();
        world->chunk_size = chunks[i];
        const uint32_t log = world_log(world, "t", 1);
        int32_t correlation_id = 0;
        for (int round = 0; round < 3; round++) {
            put_produce(world, 0, correlation_id++, 1, 1, 10);
            put_produce(world, 0, correlation_id++, 1, 1, 500000);
            put_produce(world, 0, correlation_id++, 1, 1, 10);
            const struct bytes frame = versions_frame(correlation_id++);
            world_send(world, 0, frame.data, frame.size);
        }
        for (int round = 0; round < 3; round++) {
            world_run(world);
            world_durable(world, log);
        }
        correlation_id = 0;
        for (int round = 0; round < 3; round++) {
            for (int j = 0; j < 3; j++) {
                const int64_t offset = get_produce("all are answered", world, 0, correlation_id++, ERROR_NONE);
                EXPECT_EQ("and were appended in order", round * 3 + j, offset);
            }
            expect_versions("so is what came behind them", world, 0, correlation_id++);
        }
        EXPECT_EQ("no block is left", 0, broker_usage(world->broker).frames_size);
        EXPECT_EQ("nor any answer", 0, broker_usage(world->broker).answers_size);
        world_free(world);
    }
}

static const struct refused_row {
    const char *why;
    const char *bytes;
    uint32_t size;
    enum note_id note;
} refused_rows[] = {
    { "a negative size", "\xff\xff\xff\xff", 4, NOTE_FRAME_REFUSED },
    { "a size of nothing", "\0\0\0\0", 4, NOTE_FRAME_REFUSED },
    { "smaller than any header", "\0\0\0\7", 4, NOTE_FRAME_REFUSED },
    { "larger than socket.request.max.bytes", "\0\x10\0\1", 4, NOTE_FRAME_REFUSED },
    { "somebody who speaks HTTP", "GET / HTTP/1.1\r\n\r\n", 18, NOTE_FRAME_REFUSED },
    { "an api of nobody", "\0\0\0\x0a\x7f\0\0\0\0\0\0\1\xff\xff", 14, NOTE_VERSION_REFUSED },
    { "a version of tomorrow", "\0\0\0\x0a\0\3\0\x63\0\0\0\1\xff\xff", 14, NOTE_VERSION_REFUSED },
    { "an old Produce, which is only advertised", "\0\0\0\x0a\0\0\0\2\0\0\0\1\xff\xff", 14, NOTE_VERSION_REFUSED },
    { "an api that is not advertised", "\0\0\0\x0b\0\x78\0\0\0\0\0\1\xff\xff\0", 15, NOTE_VERSION_REFUSED },
    { "a header that ends early", "\0\0\0\x8\0\3\0\0\0\0\0\1", 12, NOTE_REQUEST_MALFORMED },
    { "a body that ends early", "\0\0\0\x0c\0\3\0\0\0\0\0\1\xff\xff\0\0", 16, NOTE_REQUEST_MALFORMED },
    { "an array that claims more than there is", "\0\0\0\x0e\0\3\0\1\0\0\0\1\xff\xff\x7f\xff\xff\xff", 18,
      NOTE_REQUEST_MALFORMED },
};

TEST(what_is_no_request_closes_its_link_alone)
{
    FOR_EACH(refused_row, row, refused_rows) {
        struct world *world = world_serving();
        world_open(world, 1);
        const struct bytes frame = versions_frame(1);
        world_send(world, 0, frame.data, frame.size);
        world_send(world, 0, (const uint8_t *)row->bytes, row->size);
        world_send(world, 0, frame.data, frame.size);
        world_send(world, 1, frame.data, frame.size);
        world_run(world);
        expect_versions("what came before is answered", world, 0, 1);
        EXPECT_NO_ANSWER("what came behind is not", world, 0);
        EXPECT(row->why, !world->wires[0].open);
        EXPECT_EQ(row->why, 1, world->notes[row->note]);
        EXPECT_EQ(row->why, 1, broker_counters(world->broker)->links_refused);
        expect_versions("others are served", world, 1, 1);
        EXPECT_EQ("and stay", 1, broker_usage(world->broker).links);
        world_free(world);
    }
}

TEST(a_doomed_link_still_gets_what_it_was_promised)
{
    struct world *world = world_serving();
    const uint32_t log = world_log(world, "t", 0);

    put_produce(world, 0, 1, 1, 0, 10);
    world_send(world, 0, (const uint8_t *)"\xff\xff\xff\xff", 4);
    world_run(world);
    EXPECT("open as long as an answer is to come", world->wires[0].open);
    world_durable(world, log);
    EXPECT_EQ("there it is", 0, get_produce("answered", world, 0, 1, ERROR_NONE));
    EXPECT("then it is closed", !world->wires[0].open);
    world_free(world);
}

/* ---- order ---- */

TEST(produces_of_a_link_overlap_and_answers_keep_their_order)
{
    struct world *world = world_serving();

    for (int32_t i = 0; i < 4; i++) put_produce(world, 0, i, 1, i, 10);
    world_run(world);
    for (int32_t i = 0; i < 4; i++) {
        EXPECT_EQ("all are appended before any is durable", 1,
                  world->logs->logs[world_log(world, "t", i)].offsets.log_end_offset);
    }
    for (int32_t i = 3; i >= 1; i--) {
        world_durable(world, world_log(world, "t", i));
        EXPECT_NO_ANSWER("the first is not durable", world, 0);
    }
    world_durable(world, world_log(world, "t", 0));
    for (int32_t i = 0; i < 4; i++) get_produce("in the order of the requests", world, 0, i, ERROR_NONE);
    EXPECT_EQ("in one send", 1, world->wires[0].sends);
    EXPECT_EQ("of one piece", 1, world->wires[0].pieces);
    world_free(world);
}

TEST(any_other_request_waits_until_those_before_it_are_answered)
{
    struct world *world = world_serving();

    put_produce(world, 0, 1, -1, 0, 10);
    put_fetch(world, 0, 2, 0, 0);
    put_produce(world, 0, 3, -1, 0, 10);
    world_run(world);
    EXPECT_EQ("nothing overtakes the fetch", 1, world->logs->logs[world_log(world, "t", 0)].offsets.log_end_offset);
    world_durable(world, world_log(world, "t", 0));
    get_produce("the first", world, 0, 1, ERROR_NONE);
    EXPECT("the fetch sees what the produce before it was told", get_fetch("the second", world, 0, 2) > 0);
    EXPECT_NO_ANSWER("the third is not durable", world, 0);
    world_durable(world, world_log(world, "t", 0));
    EXPECT_EQ("the third", 1, get_produce("answered", world, 0, 3, ERROR_NONE));
    world_free(world);
}

TEST(requests_behind_a_long_poll_wait_and_none_is_lost)
{
    struct world *world = world_serving();

    put_fetch(world, 0, 1, 0, 1000);
    for (int32_t i = 2; i < 40; i++) {
        const struct bytes frame = versions_frame(i);
        world_send(world, 0, frame.data, frame.size);
    }
    world->chunk_size = 100;
    world_run(world);
    EXPECT_NO_ANSWER("the poll is not over", world, 0);
    EXPECT_EQ("it waits", 1, broker_usage(world->broker).fetches_waiting);
    world_pass(world, 999);
    EXPECT_NO_ANSWER("nor now", world, 0);
    world_pass(world, 1);
    EXPECT_EQ("over, with nothing", 0, get_fetch("answered in time", world, 0, 1));
    for (int32_t i = 2; i < 40; i++) expect_versions("then all the others", world, 0, i);
    world_free(world);
}

/* ---- limits ---- */

TEST(a_link_that_takes_nothing_begins_nothing)
{
    struct world *world = world_serving();

    world->wires[0].slow = true;
    put_produce(world, 0, 0, 1, 0, 200000);
    world_run(world);
    world_durable(world, world_log(world, "t", 0));
    for (int32_t i = 1; i < 20; i++) put_fetch(world, 0, i, 0, 0);
    world_run(world);
    EXPECT("some fetches were begun, not all", world->logs->pins >= 1 && world->logs->pins <= 3);
    EXPECT("and the rest is not read", world->wires[0].in_at < world->wires[0].in_size || world->logs->pins < 19);
    world->wires[0].slow = false;
    world_run(world);
    get_produce("the produce", world, 0, 0, ERROR_NONE);
    for (int32_t i = 1; i < 20; i++) EXPECT("all of it", get_fetch("the fetch", world, 0, i) > 200000);
    EXPECT_EQ("nothing is pinned any more", 0, world->logs->pins);
    world_free(world);
}

TEST(a_link_that_takes_nothing_for_long_is_closed)
{
    struct world *world = world_serving();
    const struct bytes frame = versions_frame(1);

    world->wires[0].slow = true;
    world_send(world, 0, frame.data, frame.size);
    world_pass(world, 29000);
    EXPECT("patience", world->wires[0].open);
    world_pass(world, 2000);
    EXPECT("has an end", !world->wires[0].open);
    EXPECT_EQ("which is noted", 1, world->notes[NOTE_LINK_STALLED]);
    world_free(world);
}

TEST(a_link_that_stalls_within_a_frame_is_closed)
{
    static const uint32_t given[] = { 2, 100, 70000 };

    for (uint32_t i = 0; i < COUNT_OF(given); i++) {
        struct world *world = world_serving();
        put_produce(world, 0, 1, 1, 0, 500000);
        world->wires[0].in_size = given[i];
        world_pass(world, 29000);
        EXPECT("patience", world->wires[0].open);
        world_pass(world, 30000);
        EXPECT("has an end", !world->wires[0].open);
        EXPECT_EQ("which is noted", 1, world->notes[NOTE_LINK_STALLED]);
        EXPECT_EQ("and gives its memory back", 0, broker_usage(world->broker).frames_size);
        world_free(world);
    }
}

TEST(a_slow_frame_has_the_time_its_size_deserves)
{
    struct world *world = world_serving();

    put_produce(world, 0, 1, 1, 0, 1000000);
    const uint32_t size = world->wires[0].in_size;
    for (uint32_t at = 0; at < size; at += 20000) { /* 20 kB a second: 50 s, where 30 + 30 are allowed */
        world->wires[0].in_size = MIN(at, size);
        world_pass(world, 1000);
    }
    world->wires[0].in_size = size;
    world_run(world);
    EXPECT("it came whole", world->wires[0].open);
    world_durable(world, world_log(world, "t", 0));
    get_produce("and was answered", world, 0, 1, ERROR_NONE);
    world_free(world);
}

TEST(an_idle_link_is_closed_and_a_busy_one_is_not)
{
    struct world *world = world_serving();
    const struct bytes frame = versions_frame(1);
    uint8_t copy[256];

    memcpy(copy, frame.data, frame.size);
    for (int i = 0; i < 3; i++) {
        world_pass(world, 599000);
        world_send(world, 0, copy, frame.size);
        world_run(world);
        expect_versions("alive", world, 0, 1);
    }
    put_fetch(world, 0, 2, 0, 700000);
    world_pass(world, 650000);
    EXPECT("a long poll is not idle", world->wires[0].open);
    world_pass(world, 50000);
    get_fetch("answered", world, 0, 2);
    world_pass(world, 601000);
    EXPECT("closed", !world->wires[0].open);
    EXPECT_EQ("as idle", 1, world->notes[NOTE_LINK_IDLE]);
    world_free(world);
}

/* Frames of 1 MiB, where memory holds four: the others are not read until there is some; none is dropped. */
TEST(when_memory_for_frames_is_used_up_links_wait)
{
    struct world *world = world_serving();

    for (uint32_t link = 1; link < WORLD_LINKS; link++) world_open(world, link);
    for (uint32_t link = 0; link < WORLD_LINKS; link++) {
        put_produce(world, link, 1, 1, 0, 1000000);
        world->wires[link].in_size -= 1; /* the last byte is held back */
    }
    world_run(world);
    EXPECT_EQ("memory is full", 4 << 20, broker_usage(world->broker).frames_size);
    EXPECT_EQ("the others were held back", 4, broker_counters(world->broker)->throttles);
    for (uint32_t link = 0; link < WORLD_LINKS; link++) {
        world->wires[link].in_size += 1;
        world_run(world);
    }
    world_durable(world, world_log(world, "t", 0));
    for (uint32_t link = 0; link < WORLD_LINKS; link++) get_produce("answered", world, link, 1, ERROR_NONE);
    EXPECT_EQ("all is back", 0, broker_usage(world->broker).frames_size);
    world_free(world);
}

TEST(a_link_number_may_come_again)
{
    struct world *world = world_serving();

    for (int round = 0; round < 20; round++) {
        put_produce(world, 0, 1, 1, 0, 10);
        world_run(world);
        put_fetch(world, 0, 2, 100000, 0);
        world->wires[0].in_size -= round % 3;
        world_run(world);
        world_close(world, 0);
        EXPECT_EQ("nothing is left of it", 0, broker_usage(world->broker).links);
        EXPECT_EQ("nothing waits", 0, broker_usage(world->broker).answers_waiting);
        EXPECT_EQ("no memory either", 0, broker_usage(world->broker).answers_size);
        world_durable(world, world_log(world, "t", 0));
        world_open(world, 0);
        world_run(world);
        EXPECT_NO_ANSWER("what the old one waited for is not the new one's", world, 0);
    }
    world_free(world);
}

TEST(nothing_is_received_before_the_broker_opens)
{
    struct world *world = world_new(NULL);
    const struct bytes frame = versions_frame(1);

    world_topic(world, "t", 1, 1);
    world_open(world, 0);
    world_send(world, 0, frame.data, frame.size);
    world_run(world);
    EXPECT_EQ("no order to receive", 0, world->wires[0].receives);
    broker_open(world->broker);
    world_run(world);
    expect_versions("then it is served", world, 0, 1);
    world_free(world);
}

TEST(stopping_answers_what_was_begun_and_closes)
{
    struct world *world = world_serving();

    world_open(world, 1);
    world_open(world, 2);
    put_produce(world, 0, 1, 1, 0, 10);
    put_fetch(world, 1, 1, 0, 60000);
    world_run(world);
    const struct bytes frame = versions_frame(2);
    world_send(world, 0, frame.data, frame.size);
    broker_stop(world->broker);
    world_run(world);
    EXPECT_EQ("a long poll ends", 0, get_fetch("at once", world, 1, 1));
    EXPECT("its link is closed", !world->wires[1].open);
    EXPECT("so is an idle one", !world->wires[2].open);
    EXPECT("a promise is kept first", world->wires[0].open && !broker_is_stopped(world->broker));
    world_durable(world, world_log(world, "t", 0));
    get_produce("kept", world, 0, 1, ERROR_NONE);
    EXPECT_NO_ANSWER("and nothing begun", world, 0);
    EXPECT("all is over", broker_is_stopped(world->broker));
    world_free(world);
}

/* The smallest memory that a broker may have: nests of 2 KiB, two frames of 8 KiB, 16 KiB of answers. */
static struct broker_config tight(void)
{
    struct broker_config config = world_broker_config;

    config.request_size_max = 8000;
    config.request_memory_size = 64 << 10;
    config.tail_memory_size = 256 << 10;
    config.message_size_max = 8 << 10;
    return config;
}

static void random_step(struct world *world, struct prng *prng, int16_t kinds[][256], int32_t *asked, uint32_t size_max)
{
    const uint32_t link = (uint32_t)prng_below(prng, WORLD_LINKS);

    world->chunk_size = prng_chance(prng, 1, 3) ? 1 + (uint32_t)prng_below(prng, 300) : UINT32_MAX;
    if (asked[link] < 250 && prng_chance(prng, 2, 3)) {
        const int16_t kind = prng_chance(prng, 2, 3) ? API_PRODUCE : API_FETCH;
        const uint32_t size = (uint32_t)prng_below(prng, prng_chance(prng, 1, 20) ? size_max : size_max / 50);
        if (kind == API_FETCH) put_fetch(world, link, asked[link], 0, 5);
        else put_produce(world, link, asked[link], 1, (int32_t)prng_below(prng, 4), size);
        kinds[link][asked[link]++] = kind;
    }
    world->wires[link].slow = prng_chance(prng, 1, 4);
    for (uint64_t moves = prng_below(prng, 20); moves > 0; moves--) {
        world_move(world, (uint32_t)prng_below(prng, WORLD_LINKS));
    }
    if (prng_chance(prng, 1, 6)) world->logs->appends_left = prng_chance(prng, 1, 2) ? FAKE_NO_LIMIT : 2;
    if (prng_chance(prng, 1, 6)) world->logs->reads_waiting = (int)prng_below(prng, 3);
    if (prng_chance(prng, 1, 4)) world_read_done(world);
    if (prng_chance(prng, 1, 5)) world_durable(world, world_log(world, "t", (int32_t)prng_below(prng, 4)));
    if (prng_chance(prng, 1, 10)) world_pass(world, 3);
}

static void random_run(const struct broker_config *config, uint64_t seed, uint32_t size_max)
{
    struct world *world = world_new(config);
    struct prng prng;
    int32_t asked[WORLD_LINKS] = { 0 };
    int16_t kinds[WORLD_LINKS][256];

    prng_init(&prng, seed, 1);
    world_topic(world, "t", 4, 1);
    for (uint32_t link = 0; link < WORLD_LINKS; link++) world_open(world, link);
    broker_open(world->broker);
    for (int step = 0; step < 400; step++) random_step(world, &prng, kinds, asked, size_max);
    world->chunk_size = UINT32_MAX;
    world->logs->appends_left = FAKE_NO_LIMIT;
    world->logs->reads_waiting = 0;
    for (uint32_t link = 0; link < WORLD_LINKS; link++) world->wires[link].slow = false;
    for (int round = 0; round < 300; round++) {
        world_read_done(world);
        for (int32_t i = 0; i < 4; i++) world_durable(world, world_log(world, "t", i));
        world_pass(world, 5);
    }
    broker_check(world->broker);
    for (uint32_t link = 0; link < WORLD_LINKS; link++) {
        for (int32_t id = 0; id < asked[link]; id++) {
            if (kinds[link][id] == API_FETCH) get_fetch("each is answered", world, link, id);
            else get_produce("each is answered", world, link, id, ERROR_NONE);
        }
        EXPECT_NO_ANSWER("once", world, link);
    }
    for (uint32_t link = 0; link < WORLD_LINKS; link++) { /* one that filled what it was given has it until then */
        const struct bytes frame = versions_frame(1);
        world_send(world, link, frame.data, frame.size);
    }
    world_run(world);
    for (uint32_t link = 0; link < WORLD_LINKS; link++) expect_versions("all the links live", world, link, 1);
    EXPECT_EQ("no pin is left", 0, world->logs->pins);
    EXPECT_EQ("no frame", 0, broker_usage(world->broker).frames_size);
    EXPECT_EQ("no answer", 0, broker_usage(world->broker).answers_size);
    world_free(world);
}

/* Random pieces, sizes, durability, disk and room: answers come in order, each once, and nothing leaks. */
TEST(random_links)
{
    for (uint64_t seed = 1; seed <= 15; seed++) random_run(&world_broker_config, seed, 150000);
}

TEST(random_links_in_tight_memory)
{
    const struct broker_config config = tight();

    for (uint64_t seed = 1; seed <= 40; seed++) random_run(&config, seed, 7000);
}

/* ---- corners ---- */

TEST(what_is_left_of_a_nest_moves_to_its_begin)
{
    const struct broker_config config = tight();
    struct world *world = world_new(&config);

    world_topic(world, "t", 4, 1);
    world_open(world, 0);
    broker_open(world->broker);
    put_fetch(world, 0, 1, 0, 100); /* so that the nest is used */
    world_run(world);
    for (int32_t i = 2; i < 12; i++) put_produce(world, 0, i, 1, 0, 700);
    world_pass(world, 100);
    world_durable(world, world_log(world, "t", 0));
    get_fetch("the poll", world, 0, 1);
    for (int32_t i = 2; i < 12; i++) get_produce("and what came behind it", world, 0, i, ERROR_NONE);
    world_free(world);
}

TEST(many_small_requests_in_one_piece)
{
    struct world *world = world_serving();

    for (int32_t i = 0; i < 2000; i++) {
        const struct bytes frame = versions_frame(i);
        world_send(world, 0, frame.data, frame.size);
    }
    world_run(world);
    for (int32_t i = 0; i < 2000; i++) expect_versions("all are answered", world, 0, i);
    world_free(world);
}

TEST(time_counts_from_a_frames_first_byte)
{
    struct world *world = world_serving();

    put_fetch(world, 0, 1, 0, 100);
    world_pass(world, 100);
    get_fetch("a poll, so that the nest receives", world, 0, 1);
    world_pass(world, 100000);
    const struct bytes frame = versions_frame(2);
    world_send(world, 0, frame.data, 7);
    world_pass(world, 29000);
    EXPECT("not stalled yet", world->wires[0].open);
    world_send(world, 0, frame.data + 7, frame.size - 7);
    world_run(world);
    expect_versions("answered", world, 0, 2);
    for (int i = 0; i < 3; i++) {
        put_produce(world, 0, 3, 0, 0, 10);
        world_pass(world, 599000);
        EXPECT("who only sends is not idle", world->wires[0].open);
    }
    world_free(world);
}

TEST(stopping_begins_nothing_behind_a_long_poll)
{
    struct world *world = world_serving();

    put_fetch(world, 0, 1, 0, 60000);
    const struct bytes frame = versions_frame(2);
    world_send(world, 0, frame.data, frame.size);
    world_run(world);
    broker_stop(world->broker);
    world_run(world);
    get_fetch("the poll", world, 0, 1);
    EXPECT_NO_ANSWER("and nothing more", world, 0);
    EXPECT("closed", !world->wires[0].open);
    world_free(world);
}

/* Answers are copied into a small range. Where it is full, requests wait, and what they had read is given back. */
TEST(when_memory_for_answers_is_used_up_requests_wait)
{
    const struct broker_config config = tight();
    struct world *world = world_new(&config);

    world_topic(world, "t", 4, 1);
    broker_open(world->broker);
    for (uint32_t link = 0; link < WORLD_LINKS; link++) world_open(world, link);
    put_produce(world, 0, 1, 1, 0, 3000);
    world_run(world);
    world_durable(world, world_log(world, "t", 0));
    get_produce("something to fetch", world, 0, 1, ERROR_NONE);
    for (uint32_t link = 0; link < WORLD_LINKS; link++) {
        world->wires[link].slow = true;
        put_fetch(world, link, 2, 0, 0);
        put_fetch(world, link, 3, 0, 0);
        world_run(world);
    }
    EXPECT_EQ("memory is full", 16 << 10, broker_usage(world->broker).answers_size);
    EXPECT_EQ("with the answers of four links", 8, world->logs->pins);
    EXPECT_EQ("the others wait", 4, broker_usage(world->broker).links_waiting);
    for (uint32_t link = 0; link < WORLD_LINKS; link++) world->wires[link].slow = false;
    world_run(world);
    for (uint32_t link = 0; link < WORLD_LINKS; link++) {
        for (int32_t i = 2; i < 4; i++) EXPECT("and are served", get_fetch("later", world, link, i) > 3000);
    }
    EXPECT_EQ("nothing is left", 0, world->logs->pins);
    world_free(world);
}

static const struct answer_row {
    const char *why;
    int topics; /* of 250 bytes each */
    bool open;
} answer_rows[] = {
    { "two answers that fit one after the other", 40, true },
    { "an answer that no memory can hold", 64, false },
};

TEST(an_answer_that_no_memory_can_hold_closes)
{
    FOR_EACH(answer_row, row, answer_rows) {
        const struct broker_config config = tight();
        struct world *world = world_new(&config);
        const struct metadata_request request = { 0 };
        struct metadata_response response;
        for (int i = 0; i < row->topics; i++) {
            char name[220];
            memset(name, 'a', sizeof name);
            name[0] = (char)('A' + i / 26);
            name[1] = (char)('A' + i % 26);
            name[219] = '\0';
            world_topic(world, name, 1, 1);
        }
        world_open(world, 0);
        broker_open(world->broker);
        for (int i = 0; i < 2; i++) WORLD_PUT(world, 0, API_METADATA, metadata, 8, 1, &request);
        world_run(world);
        EXPECT_EQ(row->why, row->open, world->wires[0].open);
        EXPECT_EQ(row->why, row->open ? 0 : 1, world->notes[NOTE_ANSWER_TOO_LARGE]);
        for (int i = 0; i < 2 && row->open; i++) {
            WORLD_GET(row->why, world, 0, API_METADATA, metadata, 8, 1, &response);
            EXPECT_EQ(row->why, row->topics, response.topics_count);
        }
        world_free(world);
    }
}

TEST(a_change_whose_answer_no_memory_can_hold_is_not_begun)
{
    const struct broker_config config = tight();
    struct world *world = world_new(&config);
    static uint8_t memory[256];
    struct produce_request_partition partitions[60];
    struct produce_request_topic topic = { text_of("t"), partitions, 60 };
    const struct produce_request request = { .acks = 1, .timeout_ms = 10, .topics = &topic, .topics_count = 1 };

    for (int32_t i = 0; i < 60; i++) {
        partitions[i] =
            (struct produce_request_partition){ i % 4, batch_of(memory, sizeof memory, &(struct batch_spec){ 0 }) };
    }
    world_topic(world, "t", 4, 1);
    world_open(world, 0);
    broker_open(world->broker);
    WORLD_ASK(world, 0, API_PRODUCE, produce, 7, 1, &request);
    EXPECT("closed, not waiting for ever", !world->wires[0].open);
    EXPECT_EQ("noted", 1, world->notes[NOTE_ANSWER_TOO_LARGE]);
    EXPECT_EQ("nothing was appended", 0, world->logs->logs[world_log(world, "t", 0)].batch_count);
    world_free(world);
}

TEST(a_large_answer_leaves_in_several_sends)
{
    for (int on_disk = 0; on_disk < 2; on_disk++) {
        struct world *world = world_serving();
        const uint32_t log = world_log(world, "t", 0);
        struct fetch_response response;
        for (uint32_t i = 0; i < 1 << 20; i++) batch_value[i] = (uint8_t)(i * 2654435761u >> 24);
        put_produce(world, 0, 1, 1, 0, 1000000);
        put_produce(world, 0, 2, 1, 0, 300000);
        world->logs->logs[log].on_disk = on_disk == 1;
        world_run(world);
        world_durable(world, log);
        get_produce("one", world, 0, 1, ERROR_NONE);
        get_produce("two", world, 0, 2, ERROR_NONE);
        const uint32_t sends = world->wires[0].sends;
        for (int64_t offset = 0; offset < 2; offset++) put_fetch(world, 0, 3, offset, 0);
        world_run(world);
        EXPECT("in several sends", world->wires[0].sends - sends >= 3);
        for (int64_t offset = 0; offset < 2; offset++) {
            WORLD_GET("whole", world, 0, API_FETCH, fetch, 11, 3, &response);
            const struct bytes records = response.topics[0].partitions[0].records;
            const struct fake_batch *batch = &world->logs->logs[log].batches[offset];
            EXPECT_BYTES("byte for byte", batch->data, batch->size, records.data, MIN(records.size, batch->size));
        }
        memset(batch_value, 0, sizeof batch_value);
        world_free(world);
    }
}
