/* A connection is TCP as seen from above: what was sent comes once, in order, and whole, or the connection ends. */
#include "t.h"
#include "sim/net.h"

#include <stdlib.h>

enum { MS = 1000 * 1000, MACHINES = 4, GOT_MAX = 1 << 20 };

static struct queue queue;
static struct net net;
static struct {
    bool accepted, refused; /* as the dialer was told */
    uint64_t told_ns;
    uint8_t *got[2]; /* at either end */
    uint32_t got_size[2];
    bool ended[2];
    bool reads[2]; /* takes what comes */
    uint32_t space_told[2];
} seen;
static bool listens;

static void begin(void)
{
    queue_init(&queue);
    net_init(&net, &queue, 1, 100 * 1000);
    for (uint32_t i = 0; i < MACHINES; i++) routes_add_place(&net.routes);
    memset(&seen, 0, sizeof seen);
    seen.got[0] = malloc(GOT_MAX);
    seen.got[1] = malloc(GOT_MAX);
    seen.reads[0] = seen.reads[1] = listens = true;
}

static void end(void)
{
    free(seen.got[0]);
    free(seen.got[1]);
    net_free(&net);
    queue_free(&queue);
}

static void read_at(uint32_t number, uint32_t side)
{
    const uint32_t size = net_readable(&net, number, side);

    if (!seen.reads[side]) return;
    if (size > 0) {
        memcpy(seen.got[side] + seen.got_size[side], net_bytes(&net, number, side), size);
        seen.got_size[side] += size;
        net_take(&net, number, side, size);
    }
    if (!net_has_ended(&net, number, side)) return;
    seen.ended[side] = true;
    net_close(&net, number, side, false);
}

static void happens(const struct happening *happening)
{
    const uint32_t number = happening->a / 2, side = happening->a & 1;
    const struct connection *connection = net_connection(&net, number);
    enum dialed dialed;

    switch (happening->kind) {
    case HAPPENS_KNOCK:
        if (net_knock(&net, happening)) net_answer(&net, number, listens);
        break;
    case HAPPENS_DIALED:
        dialed = net_dialed(&net, happening);
        if (dialed == DIALED_NOTHING) break;
        seen.accepted = dialed == DIALED_OPEN;
        seen.refused = dialed == DIALED_REFUSED;
        seen.told_ns = net.now_ns;
        if (dialed == DIALED_OPEN) net_want(&net, number, 0);
        break;
    case HAPPENS_ARRIVAL:
        net_arrive(&net, happening);
        if (connection->generation == happening->b && connection->ends[side].state == END_OPEN) read_at(number, side);
        break;
    case HAPPENS_SENT: seen.space_told[side]++; break;
    default: break;
    }
}

static void run_until(uint64_t ns)
{
    struct happening next;

    while (queue_next(&queue, &next)) {
        if (next.time_ns > ns) {
            queue_add(&queue, &next);
            break;
        }
        net.now_ns = next.time_ns;
        happens(&next);
    }
    net.now_ns = ns;
}

static uint32_t connected(void)
{
    const uint32_t number = net_dial(&net, 0, 1, LISTENER_NODE);
    run_until(net.now_ns + 100 * MS);
    EXPECT("the dialer is told", seen.accepted);
    return number;
}

static uint32_t block(uint8_t ways, uint8_t channels, uint64_t until_ns)
{
    const uint32_t obstacle = routes_block(&net.routes, ways, channels, until_ns);
    routes_join(&net.routes, obstacle, 0);
    return obstacle;
}

/* ---- bytes ---- */

TEST(bytes_come_once_in_order_and_whole)
{
    enum { TOTAL = 200000 };
    uint8_t *sent = malloc(TOTAL);
    struct prng prng;
    uint32_t at = 0;

    begin();
    prng_init(&prng, 3, 3);
    for (uint32_t i = 0; i < TOTAL; i++) sent[i] = (uint8_t)prng_next(&prng);
    const uint32_t number = connected();
    while (at < TOTAL) {
        const uint32_t size = 1 + (uint32_t)prng_below(&prng, 5000);
        net_put(&net, number, 0, sent + at, size < TOTAL - at ? size : TOTAL - at);
        at += size < TOTAL - at ? size : TOTAL - at;
        run_until(net.now_ns + prng_below(&prng, 300 * 1000)); /* several are on their way at a time */
    }
    run_until(net.now_ns + 1000 * MS);
    EXPECT_BYTES("in order", sent, TOTAL, seen.got[1], seen.got_size[1]);
    EXPECT("an idle flow has no buffer", net_connection(&net, number)->flows[1].data == NULL);
    free(sent);
    end();
}

TEST(what_is_sent_before_the_answer_waits_for_it)
{
    begin();
    const uint32_t number = net_dial(&net, PLACE_CLIENT, 1, LISTENER_KAFKA);
    net_put(&net, number, 0, "early", 5);
    run_until(100 * MS);
    EXPECT_BYTES("comes behind the handshake", "early", 5, seen.got[1], seen.got_size[1]);
    end();
}

TEST(the_end_comes_behind_the_last_byte)
{
    begin();
    const uint32_t number = connected();
    net_put(&net, number, 0, "last", 4);
    net_close(&net, number, 0, false);
    run_until(net.now_ns + 100 * MS);
    EXPECT_BYTES("all of it", "last", 4, seen.got[1], seen.got_size[1]);
    EXPECT("then the end", seen.ended[1]);
    EXPECT_EQ("and the number is free", 0, net.open);
    end();
}

TEST(late_happenings_of_an_earlier_connection_mean_nothing)
{
    begin();
    const uint32_t number = connected();
    net_put(&net, number, 0, "old", 3);
    net_close(&net, number, 1, false);
    net_close(&net, number, 0, false);
    const uint32_t again = net_dial(&net, 2, 3, LISTENER_NODE);
    EXPECT_EQ("the number is used again", number, again);
    run_until(net.now_ns + 1000 * MS);
    EXPECT_EQ("and nothing of the old one comes", 0, seen.got_size[1]);
    EXPECT("it is another connection", !seen.ended[0] && !seen.ended[1]);
    end();
}

/* ---- what is in the way ---- */

static const struct block_row {
    const char *why;
    uint8_t ways, channels;
    bool forth, back; /* whether a byte from the set, and one to it, comes while it lasts */
} block_rows[] = {
    { "both ways", WAYS_BOTH, CHANNELS_ALL, false, false },
    { "it is not heard", WAY_OUT, CHANNELS_ALL, false, true },
    { "it does not hear", WAY_IN, CHANNELS_ALL, true, false },
    { "another channel", WAYS_BOTH, 1 << LISTENER_WAL, true, true },
    { "this channel", WAYS_BOTH, 1 << LISTENER_NODE, false, false },
};

TEST(an_obstacle_holds_up_and_loses_nothing)
{
    FOR_EACH(block_row, row, block_rows) {
        begin();
        const uint32_t number = connected();
        const uint32_t obstacle = block(row->ways, row->channels, net.now_ns + 500 * MS);
        net_put(&net, number, 0, "forth", 5);
        net_put(&net, number, 1, "back", 4);
        run_until(net.now_ns + 400 * MS);
        EXPECT_EQ(row->why, row->forth ? 5 : 0, seen.got_size[1]);
        EXPECT_EQ(row->why, row->back ? 4 : 0, seen.got_size[0]);
        run_until(net.now_ns + 100 * MS);
        routes_unblock(&net.routes, obstacle);
        run_until(net.now_ns + 2000 * MS);
        EXPECT_EQ(row->why, 5, seen.got_size[1]);
        EXPECT_EQ(row->why, 4, seen.got_size[0]);
        end();
    }
}

TEST(healing_early_does_not_wait_for_the_planned_end)
{
    begin();
    const uint32_t number = connected();
    block(WAYS_BOTH, CHANNELS_ALL, net.now_ns + 100000ull * MS);
    net_put(&net, number, 0, "x", 1);
    run_until(net.now_ns + 100 * MS);
    routes_unblock_all(&net.routes);
    net_resume(&net);
    run_until(net.now_ns + 1000 * MS);
    EXPECT_EQ("it comes soon after", 1, seen.got_size[1]);
    end();
}

TEST(machines_of_one_set_and_all_others_hear_each_other)
{
    static const struct {
        uint32_t from, to;
        bool passes;
    } rows[] = { { 0, 1, true },
                 { 1, 0, true },
                 { 2, 3, true },
                 { 0, 2, false },
                 { 3, 1, false },
                 { PLACE_CLIENT, 3, true },
                 { PLACE_CLIENT, 0, false } };
    begin();
    const uint32_t obstacle = block(WAYS_BOTH, CHANNELS_ALL, 50);
    routes_join(&net.routes, obstacle, 1);
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        EXPECT_EQ("a set and the rest", rows[i].passes ? 0 : 50,
                  routes_blocked_until(&net.routes, rows[i].from, rows[i].to, LISTENER_KAFKA));
    }
    end();
}

TEST(a_clogged_connection_stands_still_alone)
{
    begin();
    const uint32_t number = connected();
    const uint32_t other = net_dial(&net, 0, 1, LISTENER_NODE);
    run_until(net.now_ns + 100 * MS);
    net_put(&net, number, 0, "a", 1);
    net_clog(&net, number, net.now_ns + 300 * MS);
    net_put(&net, number, 0, "b", 1);
    net_put(&net, other, 0, "c", 1);
    run_until(net.now_ns + 200 * MS);
    EXPECT_BYTES("the other one goes on", "c", 1, seen.got[1], seen.got_size[1]);
    run_until(net.now_ns + 400 * MS);
    EXPECT_BYTES("what stood still comes in order", "cab", 3, seen.got[1], seen.got_size[1]);
    end();
}

/* ---- the window ---- */

TEST(a_sender_is_a_window_ahead_and_no_more)
{
    static uint8_t bytes[4096];

    begin();
    net.window_size = sizeof bytes;
    seen.reads[1] = false;
    const uint32_t number = connected();
    net_put(&net, number, 0, bytes, sizeof bytes);
    EXPECT_EQ("full", 0, net_space(&net, number, 0));
    run_until(net.now_ns + 100 * MS);
    EXPECT_EQ("who does not read keeps it full", 0, seen.space_told[0]);
    net_take(&net, number, 1, 1000);
    run_until(net.now_ns + 100 * MS);
    EXPECT_EQ("who reads some lets the sender go on", 1, seen.space_told[0]);
    EXPECT_EQ("by so much", 1000, net_space(&net, number, 0));
    end();
}

TEST(a_sender_who_hears_nothing_stops_at_its_window)
{
    static uint8_t bytes[4096];

    begin();
    net.window_size = sizeof bytes;
    const uint32_t number = connected();
    const uint32_t obstacle = block(WAY_IN, CHANNELS_ALL, net.now_ns + 1000 * MS);
    net_put(&net, number, 0, bytes, sizeof bytes);
    run_until(net.now_ns + 100 * MS);
    EXPECT_EQ("it was taken", sizeof bytes, seen.got_size[1]);
    EXPECT_EQ("but no acknowledgement comes back", 0, net_space(&net, number, 0));
    run_until(net.now_ns + 900 * MS);
    routes_unblock(&net.routes, obstacle);
    run_until(net.now_ns + 100 * MS);
    EXPECT("it is told when it can go on", seen.space_told[0] > 0);
    EXPECT_EQ("with all of it", sizeof bytes, net_space(&net, number, 0));
    end();
}

/* ---- nobody there ---- */

TEST(dialing)
{
    static const struct dial_row {
        const char *why;
        bool listens, dark;
        uint8_t ways;
        bool accepted, refused;
        uint64_t after_ms, before_ms;
    } dial_rows[] = {
        { "somebody listens", true, false, 0, true, false, 0, 100 },
        { "nobody does: it is told at once", false, false, 0, false, true, 0, 100 },
        { "no power there: it is told after some tries", true, true, 0, false, true, 1000, 10000 },
        { "the call does not get there", true, false, WAY_OUT, false, true, 1000, 10000 },
        { "the answer does not come back", true, false, WAY_IN, false, true, 1000, 10000 },
    };
    FOR_EACH(dial_row, row, dial_rows) {
        begin();
        listens = row->listens;
        net.routes.places[1].dark = row->dark;
        if (row->ways != 0) block(row->ways, CHANNELS_ALL, 1000000ull * MS);
        net_dial(&net, 0, 1, LISTENER_NODE);
        run_until(20000ull * MS);
        EXPECT_EQ(row->why, row->accepted, seen.accepted);
        EXPECT_EQ(row->why, row->refused, seen.refused);
        EXPECT(row->why, seen.told_ns >= row->after_ms * MS && seen.told_ns < row->before_ms * MS);
        EXPECT_EQ(row->why, row->accepted, net.open);
        end();
    }
}

TEST(a_try_that_comes_after_the_obstacle_gets_through)
{
    begin();
    const uint32_t obstacle = block(WAYS_BOTH, CHANNELS_ALL, 500 * MS);
    net_dial(&net, 0, 1, LISTENER_NODE);
    run_until(500 * MS);
    routes_unblock(&net.routes, obstacle);
    run_until(3000ull * MS);
    EXPECT("the second knock is heard", seen.accepted);
    end();
}

/* ---- ends that nobody announces ---- */

TEST(a_machine_without_power_says_nothing)
{
    begin();
    const uint32_t number = connected();
    net_put(&net, number, 1, "on its way", 10);
    net_go_dark(&net, number, 1);
    net.routes.places[1].dark = true;
    run_until(net.now_ns + 5000ull * MS);
    EXPECT("the other end does not know", !seen.ended[0]);
    EXPECT_EQ("and what was on its way is lost", 0, seen.got_size[0]);
    net_put(&net, number, 0, "hello?", 6);
    run_until(net.now_ns + 5000ull * MS);
    EXPECT("not even when it calls", !seen.ended[0]);
    net.routes.places[1].dark = false;
    run_until(net.now_ns + 5000ull * MS);
    EXPECT("the machine is back: it knows of no such connection", seen.ended[0]);
    EXPECT_EQ("and that is all of it", 0, net.open);
    end();
}

TEST(a_half_open_connection_that_is_given_up_is_gone)
{
    begin();
    const uint32_t number = connected();
    net_go_dark(&net, number, 1);
    net.routes.places[1].dark = true;
    net_close(&net, number, 0, false);
    EXPECT_EQ("nobody is left who has an end of it", 0, net.open);
    end();
}

TEST(a_mute_connection_tells_neither_end)
{
    begin();
    const uint32_t number = connected();
    net_connection(&net, number)->mute = true;
    net_put(&net, number, 0, "x", 1);
    run_until(net.now_ns + 5000ull * MS);
    EXPECT_EQ("nothing passes", 0, seen.got_size[1]);
    net_close(&net, number, 0, false);
    run_until(net.now_ns + 5000ull * MS);
    EXPECT("not even the end", !seen.ended[1]);
    net_close(&net, number, 1, false);
    EXPECT_EQ("each end gives it up by itself", 0, net.open);
    end();
}

TEST(a_connection_that_is_reset_ends_at_both_ends)
{
    begin();
    net_reset(&net, connected());
    run_until(net.now_ns + 1000 * MS);
    EXPECT("the dialer is told", seen.ended[0]);
    EXPECT("and the other one", seen.ended[1]);
    EXPECT_EQ("and it is gone", 0, net.open);
    end();
}

TEST(nothing_comes_behind_what_a_reset_has_lost)
{
    begin();
    const uint32_t number = connected();
    for (uint32_t i = 0; i < 50; i++) net_put(&net, number, 0, "before ", 7);
    net_reset(&net, number);
    net_put(&net, number, 0, "after", 5);
    run_until(net.now_ns + 1000 * MS);
    EXPECT("all of the old bytes or none, and no new ones", seen.got_size[1] == 0 || seen.got_size[1] == 350);
    end();
}

TEST(what_belongs_to_one_connection_shifts_nothing_elsewhere)
{
    uint64_t arrival_ns[2];

    for (uint32_t with = 0; with < 2; with++) {
        begin();
        const uint32_t number = connected();
        if (with == 1) {
            const uint32_t other = net_dial(&net, 2, 3, LISTENER_NODE);
            net_put(&net, other, 0, "draws", 5);
        }
        net_put(&net, number, 0, "x", 1);
        arrival_ns[with] = net_connection(&net, number)->flows[1].segments[0].at_ns;
        end();
    }
    EXPECT_EQ("each direction draws for itself", arrival_ns[0], arrival_ns[1]);
}
