/* Two links where one belongs: calls that cross, ends that are gone on one side only, processes that come back. */
#include "peer_world.h"

static struct peers *room(struct world *world, int32_t id)
{
    return world->nodes[id].peers;
}

/* The wires that are in use between two nodes; who dialed the last of them. */
static uint32_t wires_between(const struct world *world, int32_t a, int32_t b, int32_t *dialed_by)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < world->wire_count; i++) {
        const struct wire_end *ends = world->wires[i].ends;
        if (!ends[DIALER].used && !ends[CALLED].used) continue;
        const bool from_a = ends[DIALER].node == (uint32_t)a && ends[CALLED].node == (uint32_t)b;
        const bool from_b = ends[DIALER].node == (uint32_t)b && ends[CALLED].node == (uint32_t)a;
        if (!from_a && !from_b) continue;
        count++;
        *dialed_by = from_a ? a : b;
    }
    return count;
}

/* Node 1 calls at 0, node 2 at a time of its own, each with a network of its own pace. */
TEST(calls_that_cross_leave_one_link)
{
    for (uint64_t first_us = 0; first_us <= 2000; first_us += 100) {
        for (uint64_t second_us = 0; second_us <= 2000; second_us += 100) {
            struct world *world = world_new(2);
            int32_t dialed_by = 0;
            const uint64_t begin_ns = world->now_ns;
            for (uint64_t us = 0; us <= 2000; us += 100) {
                world->now_ns = MAX(world->now_ns, begin_ns + us * 1000);
                if (us == first_us) peers_seek(room(world, 1), 0, 2, world_address(2, false));
                if (us == second_us) peers_seek(room(world, 2), 0, 1, world_address(1, false));
                world_run(world, 0);
            }
            world_run(world, 50);
            EXPECT("up", world_is_up(world, 1, 2, PEER_CONTROL) && world_is_up(world, 2, 1, PEER_CONTROL));
            EXPECT_EQ("one link", 1, wires_between(world, 1, 2, &dialed_by));
            EXPECT("none that stood longer than until the other did",
                   world->nodes[1].downs <= 1 && world->nodes[2].downs <= 1);
            if (first_us <= second_us) EXPECT_EQ("the lower id's", 1, dialed_by);
            world_run(world, 10000);
            EXPECT("and it stays", world->nodes[1].downs <= 1 && world->nodes[2].downs <= 1);
            EXPECT_EQ("told as often as it came", 1, world->nodes[1].ups - world->nodes[1].downs);
            world_free(world);
        }
    }
}

static const struct tear_row {
    const char *why;
    int32_t dialed_by, torn_at; /* whose end of it is gone without the other noticing */
    bool seeks;                 /* the one without an end calls whoever is at the address, not a node by id */
} tear_rows[] = {
    { "the lower one lost what it dialed", 1, 1, false },
    { "the lower one lost what the higher one dialed", 2, 1, false },
    { "the higher one lost what it dialed", 2, 2, false },
    { "the higher one lost what the lower one dialed", 1, 2, false },
    { "a seed is called again", 2, 2, true },
    { "a seed is called that called us", 1, 2, true },
};

/* The end that is left over hears from a new call, or from asking, that it is alone. */
TEST(half_a_link_does_not_keep_a_new_one_out)
{
    FOR_EACH(tear_row, row, tear_rows) {
        struct world *world = world_new(2);
        const int32_t other = 3 - row->dialed_by, torn_other = 3 - row->torn_at;
        peers_seek(room(world, row->dialed_by), 0, other, world_address(other, false));
        world_run(world, 6500); /* between two signs of life */
        peers_seek_end(room(world, row->dialed_by));
        EXPECT(row->why, world_is_up(world, 1, 2, PEER_CONTROL));
        if (row->seeks) peers_seek(room(world, row->torn_at), 1, 0, world_address(torn_other, false));
        else peers_want(room(world, row->torn_at), torn_other, PEER_CONTROL, world_address(torn_other, false));
        world_tear(world, row->torn_at, torn_other);
        EXPECT_EQ(row->why, 0, world->nodes[torn_other].downs);
        world_run(world, 150);
        EXPECT(row->why, world_is_up(world, 1, 2, PEER_CONTROL));
        EXPECT(row->why, world_is_up(world, 2, 1, PEER_CONTROL));
        EXPECT_EQ(row->why, 1, world->nodes[torn_other].downs);
        const bool by_id = !row->seeks && row->dialed_by == row->torn_at; /* then the call itself says it */
        if (by_id) EXPECT_EQ(row->why, 0, world->nodes[row->torn_at].misses);
        world_free(world);
    }
}

static const struct back_row {
    const char *why;
    int32_t node;         /* it vanishes, and comes back as another process */
    bool with_other_data; /* and as another member */
} back_rows[] = {
    { "the higher one", 2, false },
    { "the lower one", 1, false },
    { "the higher one, wiped", 2, true },
    { "the lower one, wiped", 1, true },
};

TEST(who_comes_back_is_linked_soon)
{
    FOR_EACH(back_row, row, back_rows) {
        struct world *world = world_new(2);
        struct world_node *node = &world->nodes[row->node];
        const int32_t other = 3 - row->node;
        struct peer_view view;
        /* Each may have dialed: both ways round. */
        for (int32_t dialed_by = 1; dialed_by <= 2; dialed_by++) {
            peers_seek(room(world, dialed_by), 0, 3 - dialed_by, world_address(3 - dialed_by, false));
            world_run(world, 500);
            peers_seek_end(room(world, dialed_by));
            world_vanish(world, row->node);
            world_run(world, 100);
            node->identity.member_id += row->with_other_data;
            world_start(world, row->node, 2 + (uint32_t)dialed_by);
            world->cut[1][2] = world->cut[2][1] = false;
            peers_seek(room(world, row->node), 0, other, world_address(other, false));
            world_run(world, 150);
            EXPECT(row->why, peers_view(room(world, other), row->node, PEER_CONTROL, &view));
            EXPECT(row->why, uuid_equal(&view.incarnation, &node->identity.incarnation));
            EXPECT_EQ(row->why, node->identity.member_id, view.member_id);
            EXPECT(row->why, world_is_up(world, row->node, other, PEER_CONTROL));
            if (!row->with_other_data) EXPECT_EQ("at the first call", 0, node->misses);
            peers_seek_end(room(world, row->node));
            peers_forget(room(world, other), row->node);
            world_run(world, 5000);
        }
        world_free(world);
    }
}

TEST(a_newer_process_ends_all_links_of_the_older)
{
    struct world *world = world_new(2);

    world_link(world, 1, 2);
    peers_want(room(world, 2), 1, PEER_DATA_OUT, world_address(1, true));
    world_run(world, 100);
    EXPECT("data", world_is_up(world, 1, 2, PEER_DATA_IN));
    world_vanish(world, 2);
    world_start(world, 2, 2);
    world->cut[1][2] = world->cut[2][1] = false;
    peers_seek(room(world, 2), 0, 1, world_address(1, false));
    world_run(world, 20);
    EXPECT("control is new", world_is_up(world, 1, 2, PEER_CONTROL));
    EXPECT("data of the old one is over", !world_is_up(world, 1, 2, PEER_DATA_IN));
    world_free(world);
}

/* ---- how often ---- */

TEST(a_link_that_flaps_is_not_dialed_without_end)
{
    struct world *world = world_new(2);

    peers_want(room(world, 1), 2, PEER_CONTROL, world_address(2, false));
    for (uint32_t i = 0; i < 1000; i++) {
        world_run(world, 10);
        peers_forget(room(world, 2), 1); /* it hangs up on whoever calls */
        world_poke(world, 2);
    }
    EXPECT("it comes up now and then", world->nodes[1].ups > 5);
    EXPECT("less and less often", peers_counters(room(world, 1))->dials < 30);
    world_run(world, 8000);
    EXPECT("then it stands", world_is_up(world, 1, 2, PEER_CONTROL));
    peers_forget(room(world, 2), 1);
    world_poke(world, 2);
    world_run(world, 40);
    EXPECT("one that stood for long is dialed at once", world_is_up(world, 1, 2, PEER_CONTROL));
    world_free(world);
}

TEST(a_new_address_is_tried_at_once)
{
    struct world *world = world_new(2);

    peers_want(room(world, 1), 2, PEER_CONTROL, world_address(66, false));
    world_run(world, 20000);
    EXPECT("nobody is there", !world_is_up(world, 1, 2, PEER_CONTROL) && world->nodes[1].misses > 5);
    peers_want(room(world, 1), 2, PEER_CONTROL, world_address(2, false));
    world_run(world, 10);
    EXPECT("it has moved", world_is_up(world, 1, 2, PEER_CONTROL));
    const uint64_t dials = peers_counters(room(world, 1))->dials;
    peers_want(room(world, 1), 2, PEER_CONTROL, world_address(66, false));
    world_run(world, 10000);
    EXPECT_EQ("a link that stands is not touched", dials, peers_counters(room(world, 1))->dials);
    world_free(world);
}

TEST(an_attempt_that_was_not_ordered_yet_leaves_nothing)
{
    struct world *world = world_new(2);

    peers_want(room(world, 1), 2, PEER_CONTROL, world_address(2, false));
    peers_on_time(room(world, 1), world->now_ns);
    peers_unwant(room(world, 1), 2, PEER_CONTROL);
    world_poke(world, 1);
    world_run(world, 1000);
    EXPECT_EQ("nothing was dialed", 0, world->wire_count);
    for (uint32_t i = 0; i < WORLD_LINKS + 1; i++) peers_know(room(world, 1), (int32_t)i + 3);
    world_free(world);
}

TEST(who_is_not_open_lets_callers_wait)
{
    struct world *world = world_new(2);
    struct world_node *node = &world->nodes[2];

    CHECK(madvise(node->peers, node->size, MADV_DONTNEED) == 0);
    peers_init(node->peers, &node->config);
    peers_on_time(node->peers, world->now_ns);
    peers_want(node->peers, 1, PEER_DATA_OUT, world_address(1, true));
    peers_know(room(world, 1), 2);
    peers_want(room(world, 1), 2, PEER_CONTROL, world_address(2, false));
    world_run(world, 1000);
    EXPECT_EQ("nothing was said", 0, peers_counters(node->peers)->received_size);
    EXPECT_EQ("nobody was called", 0, peers_counters(node->peers)->dials);
    EXPECT_EQ("nothing was missed", 0, world->nodes[1].misses);
    world_run(world, 5000);
    EXPECT("a while, not for ever", world->nodes[1].misses > 0);
    EXPECT_EQ("and who was not listened to is no stranger", 0, peers_counters(node->peers)->strangers);
    peers_open(node->peers, &node->identity);
    world_run(world, 1000);
    EXPECT("now it answers", world_is_up(world, 1, 2, PEER_CONTROL));
    EXPECT("and dials", world_is_up(world, 2, 1, PEER_DATA_OUT));
    world_free(world);
}

/* ---- what people read ---- */

TEST(the_same_trouble_is_noted_once)
{
    struct world *world = world_new(2);
    static char story[1 << 16];
    uint32_t unreached = 0, turned_away = 0;

    world->story = story;
    world->story_max = sizeof story;
    world->nodes[1].identity.cluster_id = world_uuid(78);
    world_start(world, 1, 1);
    peers_want(room(world, 1), 2, PEER_CONTROL, world_address(2, false));
    peers_want(room(world, 1), 7, PEER_CONTROL, world_address(66, false));
    world_run(world, 50000);
    for (const char *at = story; (at = strstr(at, "cannot be reached")) != NULL; at++) unreached++;
    for (const char *at = story; (at = strstr(at, "called, and was turned away")) != NULL; at++) turned_away++;
    EXPECT_EQ("by who calls", 1, unreached);
    EXPECT_EQ("by who is called", 1, turned_away);
    EXPECT("and why", strstr(story, "node 2 takes no link from this node: the other one belongs to another cluster"));
    world_run(world, 20000);
    turned_away = 0;
    for (const char *at = story; (at = strstr(at, "called, and was turned away")) != NULL; at++) turned_away++;
    EXPECT_EQ("again after a while", 2, turned_away);
    world_free(world);
}
