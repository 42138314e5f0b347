/* Links between nodes: who dials, which one stays, who is turned away, and how one ends. */
#include "peer_world.h"

static struct peers *room(struct world *world, int32_t id)
{
    return world->nodes[id].peers;
}

TEST(two_nodes_are_linked)
{
    struct world *world = world_new(2);
    struct peer_view view;

    world_link(world, 1, 2);
    world_run(world, 100);
    EXPECT("seen by one", peers_view(room(world, 1), 2, PEER_CONTROL, &view));
    EXPECT_EQ("who it is", 2ull << 24 | 1, view.member_id);
    EXPECT("where it is", bytes_equal(view.node_address.host, BYTES_LITERAL("node2")) && view.wal_address.port == 9291);
    EXPECT("and by the other", peers_view(room(world, 2), 1, PEER_CONTROL, &view));
    EXPECT_EQ("one was told once", 1, world->nodes[1].ups);
    EXPECT_EQ("the other too", 1, world->nodes[2].ups);
    EXPECT_EQ("the lower id dialed", 1, peers_counters(room(world, 1))->dials);
    EXPECT_EQ("the higher one did not", 0, peers_counters(room(world, 2))->dials);
    world_free(world);
}

static const struct dial_row {
    const char *why;
    bool lower_wants, higher_wants;
    bool lower_is_reached, higher_is_reached; /* at its address, by the other one */
    bool up;
    bool lower_dialed;
} dial_rows[] = {
    { "both want: the lower one dials", true, true, true, true, true, true },
    { "only the lower one wants", true, false, true, true, true, true },
    { "only the higher one wants: it dials after a while", false, true, true, true, true, false },
    { "the higher one is not reached: it dials itself", true, true, true, false, true, false },
    { "the lower one is not reached: so what", true, true, false, true, true, true },
    { "neither is reached", true, true, false, false, false, false },
    { "nobody wants", false, false, true, true, false, false },
};

TEST(who_dials)
{
    FOR_EACH(dial_row, row, dial_rows) {
        struct world *world = world_new(2);
        const struct peer_address nowhere = world_address(66, false);
        if (row->lower_wants) {
            peers_want(room(world, 1), 2, PEER_CONTROL, row->higher_is_reached ? world_address(2, false) : nowhere);
        }
        if (row->higher_wants) {
            peers_want(room(world, 2), 1, PEER_CONTROL, row->lower_is_reached ? world_address(1, false) : nowhere);
        }
        world_run(world, 2000);
        EXPECT(row->why, world_is_up(world, 1, 2, PEER_CONTROL) == row->up);
        EXPECT(row->why, world_is_up(world, 2, 1, PEER_CONTROL) == row->up);
        const struct peers_counters *lower = peers_counters(room(world, 1)), *higher = peers_counters(room(world, 2));
        if (row->up) EXPECT(row->why, (lower->dials > lower->misses) == row->lower_dialed);
        EXPECT_EQ(row->why, row->up, lower->links_up);
        EXPECT_EQ(row->why, row->up, higher->handshakes);
        world_free(world);
    }
}

/* ---- who is turned away ---- */

enum { CLUSTER = 77, OTHER_CLUSTER = 78 };

static const struct refusal_row {
    const char *why;
    uint32_t caller_cluster, called_cluster;
    int32_t wanted; /* who is expected at node 2's address */
    enum peer_channel channel;
    bool known;
    enum peer_reason reason; /* PEER_REASON_NONE: it is taken */
    bool expected_us;
} refusal_rows[] = {
    { "of one cluster", CLUSTER, CLUSTER, 2, PEER_CONTROL, false, PEER_REASON_NONE, false },
    { "a node that joins", 0, CLUSTER, 2, PEER_CONTROL, false, PEER_REASON_NONE, false },
    { "a node that is fetched", CLUSTER, 0, 2, PEER_CONTROL, false, PEER_REASON_NONE, false },
    { "two that are new", 0, 0, 2, PEER_CONTROL, false, PEER_REASON_NONE, false },
    { "another cluster", CLUSTER, OTHER_CLUSTER, 2, PEER_CONTROL, false, PEER_WRONG_CLUSTER, true },
    { "another node", CLUSTER, CLUSTER, 9, PEER_CONTROL, false, PEER_WRONG_NODE, false },
    { "data of a member", CLUSTER, CLUSTER, 2, PEER_DATA_OUT, true, PEER_REASON_NONE, false },
    { "data of a node that is not known", CLUSTER, CLUSTER, 2, PEER_DATA_OUT, false, PEER_UNKNOWN, true },
    { "data before there is a cluster", 0, 0, 2, PEER_DATA_OUT, true, PEER_UNKNOWN, true },
    { "data of another cluster", CLUSTER, OTHER_CLUSTER, 2, PEER_DATA_OUT, true, PEER_WRONG_CLUSTER, true },
};

TEST(who_is_turned_away)
{
    FOR_EACH(refusal_row, row, refusal_rows) {
        struct world *world = world_new(2);
        world->nodes[1].identity.cluster_id = world_uuid(row->caller_cluster);
        world->nodes[2].identity.cluster_id = world_uuid(row->called_cluster);
        world_start(world, 1, 1);
        world_start(world, 2, 1);
        if (row->known) peers_know(room(world, 2), 1);
        const struct peer_address address = world_address(2, row->channel == PEER_DATA_OUT);
        peers_want(room(world, 1), row->wanted, row->channel, address);
        world_run(world, 100);
        const struct world_node *caller = &world->nodes[1], *called = &world->nodes[2];
        const bool taken = row->reason == PEER_REASON_NONE;
        EXPECT(row->why, world_is_up(world, 1, 2, row->channel) == taken);
        EXPECT_EQ(row->why, taken, called->ups);
        if (!taken) {
            EXPECT_EQ(row->why, row->reason, caller->last_miss.reason);
            EXPECT_EQ(row->why, row->wanted, caller->last_miss.node_id);
            EXPECT_EQ(row->why, row->reason, called->last_turned_away.reason);
            EXPECT_EQ(row->why, 1, called->last_turned_away.node_id);
            EXPECT_EQ(row->why, 1ull << 24 | 1, called->last_turned_away.member_id);
            EXPECT(row->why, called->last_turned_away.expected_us == row->expected_us);
            EXPECT(row->why, uuid_equal(&called->last_turned_away.cluster_id, &caller->identity.cluster_id));
        }
        if (row->reason == PEER_WRONG_CLUSTER) {
            EXPECT(row->why, uuid_equal(&caller->last_miss.cluster_id, &called->identity.cluster_id));
        }
        world_free(world);
    }
}

/* Nodes of two versions of the protocol: whoever calls, both say why there is no link. */
static const struct version_row {
    const char *why;
    uint16_t speaks;
    int32_t caller;
    const char *ours; /* what is read of node 1, which speaks ours, and of the other one */
    const char *theirs;
} version_rows[] = {
    { "an older node calls", WIRE_VERSION_MIN - 1, 2,
      "1   node 2 called, and was turned away: there is no version of the protocol that both speak",
      "2   node 1 takes no link from this node: there is no version of the protocol that both speak" },
    { "an older node is called", WIRE_VERSION_MIN - 1, 1,
      "1   node 2 takes no link from this node: there is no version of the protocol that both speak",
      "2   node 1 called, and was turned away: there is no version of the protocol that both speak" },
    { "a newer node calls", WIRE_VERSION_MAX + 1, 2,
      "1   node 2 called, and was turned away: there is no version of the protocol that both speak",
      "2   node 1 takes no link from this node: there is no version of the protocol that both speak" },
    { "a newer node is called", WIRE_VERSION_MAX + 1, 1,
      "1   node 2 takes no link from this node: there is no version of the protocol that both speak",
      "2   node 1 called, and was turned away: there is no version of the protocol that both speak" },
};

TEST(nodes_of_other_versions_are_turned_away)
{
    static char story[1 << 14];

    FOR_EACH(version_row, row, version_rows) {
        struct world *world = world_new(2);
        world->story = story;
        world->story_max = sizeof story;
        story[0] = 0;
        world->nodes[2].speaks = row->speaks;
        world_start(world, 1, 1);
        world_start(world, 2, 1);
        peers_want(room(world, row->caller), 3 - row->caller, PEER_CONTROL, world_address(3 - row->caller, false));
        world_run(world, 1000);
        EXPECT(row->why, !world_is_up(world, 1, 2, PEER_CONTROL) && !world_is_up(world, 2, 1, PEER_CONTROL));
        EXPECT_EQ(row->why, PEER_WRONG_VERSION, world->nodes[row->caller].last_miss.reason);
        EXPECT_EQ(row->why, PEER_WRONG_VERSION, world->nodes[3 - row->caller].last_turned_away.reason);
        EXPECT(row->ours, strstr(story, row->ours) != NULL);
        EXPECT(row->theirs, strstr(story, row->theirs) != NULL);
        world_free(world);
    }
}

TEST(what_can_not_change_soon_is_not_asked_often)
{
    struct world *world = world_new(2);

    world->nodes[1].identity.cluster_id = world_uuid(OTHER_CLUSTER);
    world_start(world, 1, 1);
    peers_want(room(world, 1), 2, PEER_CONTROL, world_address(2, false));
    world_run(world, 60000);
    EXPECT("every few seconds", world->nodes[1].misses >= 12 && world->nodes[1].misses <= 24);
    world_free(world);
}

TEST(a_double_is_turned_away_while_the_first_is_alive)
{
    struct world *world = world_new(3);
    struct world_node *doubled = &world->nodes[3];

    world_link(world, 1, 2);
    world_run(world, 100);
    /* Machine 3 runs with node id 2 and a directory of its own. */
    doubled->config.node_id = 2;
    doubled->identity.member_id = 2ull << 24 | 9;
    world_start(world, 3, 1);
    peers_want(doubled->peers, 1, PEER_CONTROL, world_address(1, false));
    world_run(world, 1000);
    EXPECT_EQ("why", PEER_DUPLICATE, world->nodes[1].last_turned_away.reason);
    EXPECT_EQ("who", 2ull << 24 | 9, world->nodes[1].last_turned_away.member_id);
    EXPECT_EQ("it is told", PEER_DUPLICATE, doubled->last_miss.reason);
    EXPECT("the first one stays", world_is_up(world, 1, 2, PEER_CONTROL) && world->nodes[1].downs == 0);
    world_kill(world, 2);
    world_run(world, 6000);
    struct peer_view view;
    EXPECT("when it is gone", peers_view(room(world, 1), 2, PEER_CONTROL, &view));
    EXPECT_EQ("the other one is taken", 2ull << 24 | 9, view.member_id);
    world_free(world);
}

TEST(a_node_that_calls_itself_notices)
{
    struct world *world = world_new(1);

    peers_seek(room(world, 1), 0, 0, world_address(1, false));
    world_run(world, 1000);
    EXPECT_EQ("it is told", PEER_ONESELF, world->nodes[1].last_miss.reason);
    EXPECT_EQ("no link", 0, peers_counters(room(world, 1))->links_up);
    EXPECT_EQ("it does not hurry", 1, world->nodes[1].misses);
    world_free(world);
}

/* ---- seeds ---- */

TEST(seeds_lead_to_whoever_is_there)
{
    struct world *world = world_new(3);

    world->nodes[3].identity.cluster_id = world_uuid(0);
    world_start(world, 3, 1);
    peers_seek(room(world, 3), 0, 0, world_address(1, false));
    peers_seek(room(world, 3), 1, 2, world_address(2, false));
    peers_seek(room(world, 3), 2, 0, world_address(66, false));
    world_run(world, 100);
    EXPECT("by address", world_is_up(world, 3, 1, PEER_CONTROL) && world_is_up(world, 1, 3, PEER_CONTROL));
    EXPECT("by id", world_is_up(world, 3, 2, PEER_CONTROL));
    EXPECT("nobody is where nobody is", world->nodes[3].last_miss.reason == PEER_UNREACHABLE);
    world_kill(world, 1);
    world_run(world, 100);
    EXPECT("gone", !world_is_up(world, 3, 1, PEER_CONTROL));
    EXPECT_EQ("and that is known at once", PEER_CONNECTION_REFUSED, world->nodes[3].last_miss.reason);
    world_start(world, 1, 2);
    world_run(world, 2000);
    EXPECT("it is found again", world_is_up(world, 3, 1, PEER_CONTROL));
    peers_seek_end(room(world, 3));
    world_run(world, 100);
    EXPECT("what stands stays", world_is_up(world, 3, 1, PEER_CONTROL));
    world_kill(world, 1);
    world_start(world, 1, 3);
    const uint64_t dials = peers_counters(room(world, 3))->dials;
    world_run(world, 3000);
    EXPECT_EQ("nobody is sought any more", dials, peers_counters(room(world, 3))->dials);
    world_free(world);
}

TEST(two_seeds_may_be_one_node)
{
    struct world *world = world_new(2);

    for (uint32_t seed = 0; seed < PEER_SEEDS_MAX; seed++) {
        peers_seek(room(world, 2), seed, 0, world_address(1, false));
    }
    world_run(world, 10000);
    EXPECT_EQ("one link", 1, peers_counters(room(world, 2))->links_up);
    EXPECT_EQ("that came up once", 1, world->nodes[1].ups);
    EXPECT_EQ("and stays", 0, world->nodes[1].downs + world->nodes[2].downs);
    EXPECT("without further calls", peers_counters(room(world, 2))->dials <= PEER_SEEDS_MAX);
    world_free(world);
}

/* ---- ends ---- */

static void link_all(struct world *world)
{
    world_link(world, 1, 2);
    peers_want(room(world, 1), 2, PEER_DATA_OUT, world_address(2, true));
    peers_want(room(world, 2), 1, PEER_DATA_OUT, world_address(1, true));
    world_run(world, 100);
    for (uint32_t channel = 0; channel < PEER_CHANNEL_COUNT; channel++) {
        EXPECT("all three", world_is_up(world, 1, 2, (enum peer_channel)channel));
        EXPECT("from both sides", world_is_up(world, 2, 1, (enum peer_channel)channel));
    }
}

TEST(a_process_that_dies_is_noticed_at_once)
{
    struct world *world = world_new(2);

    link_all(world);
    world_kill(world, 2);
    world_run(world, 1);
    EXPECT_EQ("three links", 3, world->nodes[1].downs);
    EXPECT_EQ("were closed", PEER_CLOSED, world->nodes[1].last_down.reason);
    world_run(world, 30);
    EXPECT_EQ("nobody listens there", PEER_CONNECTION_REFUSED, world->nodes[1].last_miss.reason);
    EXPECT_EQ("node 2", 2, world->nodes[1].last_miss.node_id);
    world_run(world, 20000);
    EXPECT("it is called again and again, not too often", world->nodes[1].misses > 40 && world->nodes[1].misses < 130);
    world_start(world, 2, 2);
    peers_know(room(world, 2), 1);
    world_run(world, 1100);
    EXPECT("and found when it is back", world_is_up(world, 1, 2, PEER_CONTROL));
    EXPECT("for data too", world_is_up(world, 1, 2, PEER_DATA_OUT) && world_is_up(world, 2, 1, PEER_DATA_IN));
    world_free(world);
}

TEST(the_higher_one_calls_too_when_the_lower_one_died)
{
    struct world *world = world_new(2);

    world_link(world, 1, 2);
    world_run(world, 6000);
    world_kill(world, 1);
    world_run(world, 30);
    EXPECT_EQ("early", PEER_CONNECTION_REFUSED, world->nodes[2].last_miss.reason);
    world_free(world);
}

TEST(silence_ends_a_link)
{
    struct world *world = world_new(2);

    link_all(world);
    world_run(world, 20000);
    EXPECT_EQ("idle links live", 0, world->nodes[1].downs + world->nodes[2].downs);
    world_cut(world, 1, 2, true);
    world_run(world, 2500);
    EXPECT_EQ("a short cut is nothing", 0, world->nodes[1].downs);
    world_cut(world, 1, 2, false);
    world_run(world, 20000);
    EXPECT_EQ("nobody has noticed", 0, world->nodes[1].downs + world->nodes[2].downs);
    world_cut(world, 1, 2, true);
    world_run(world, 5500);
    EXPECT_EQ("a longer one is", 3, world->nodes[1].downs);
    EXPECT_EQ("silence", PEER_SILENT, world->nodes[1].last_down.reason);
    EXPECT_EQ("for both", 3, world->nodes[2].downs);
    world_run(world, 10000);
    EXPECT_EQ("nobody answers", PEER_UNREACHABLE, world->nodes[1].last_miss.reason);
    world_cut(world, 1, 2, false);
    world_run(world, 5000);
    for (uint32_t channel = 0; channel < PEER_CHANNEL_COUNT; channel++) {
        EXPECT("it heals", world_is_up(world, 1, 2, (enum peer_channel)channel));
        EXPECT("for both", world_is_up(world, 2, 1, (enum peer_channel)channel));
    }
    world_free(world);
}

TEST(a_cut_of_one_direction_ends_both)
{
    struct world *world = world_new(2);

    world_link(world, 1, 2);
    world_run(world, 100);
    world->cut[2][1] = true;
    world_run(world, 5500);
    EXPECT_EQ("who hears nothing", PEER_SILENT, world->nodes[1].last_down.reason);
    EXPECT_EQ("ends it for who does", 1, world->nodes[2].downs);
    world_free(world);
}

TEST(a_process_that_stood_still_does_not_blame_others)
{
    struct world *world = world_new(2);

    world_link(world, 1, 2);
    world_run(world, 100);
    /* Node 1 is not stepped for ten seconds; what node 2 said meanwhile lies in the network. */
    world->nodes[1].alive = false;
    world_send(world, 2, 1, PEER_CONTROL, 1, "hello", 5);
    world->nodes[1].alive = true;
    world->now_ns += 10000 * WORLD_MS;
    world_poke(world, 1);
    EXPECT_EQ("it listens first", 0, world->nodes[1].downs);
    world_run(world, 10);
    EXPECT_EQ("and hears", 1, world->nodes[1].frame_count);
    world_free(world);
}

TEST(a_machine_that_came_back_replaces_its_links)
{
    struct world *world = world_new(2);

    link_all(world);
    world_vanish(world, 2);
    world_run(world, 100);
    EXPECT_EQ("nobody knows", 0, world->nodes[1].downs);
    world_start(world, 2, 2);
    world->cut[1][2] = world->cut[2][1] = false;
    world_link(world, 1, 2);
    peers_want(room(world, 2), 1, PEER_DATA_OUT, world_address(1, true));
    world_run(world, 500);
    struct peer_view view;
    EXPECT("it is up", peers_view(room(world, 1), 2, PEER_CONTROL, &view));
    const struct uuid incarnation = world_uuid(2002);
    EXPECT("the new process", uuid_equal(&view.incarnation, &incarnation));
    EXPECT_EQ("the old ones are over", 3, world->nodes[1].downs);
    EXPECT_EQ("because of it", PEER_REPLACED, world->nodes[1].last_down.reason);
    EXPECT("data from it", world_is_up(world, 1, 2, PEER_DATA_IN));
    world_free(world);
}

TEST(wishes_end)
{
    struct world *world = world_new(2);

    link_all(world);
    peers_unwant(room(world, 1), 2, PEER_DATA_OUT);
    world_run(world, 100);
    EXPECT("what we dialed is down", !world_is_up(world, 1, 2, PEER_DATA_OUT));
    EXPECT("for the other too", !world_is_up(world, 2, 1, PEER_DATA_IN));
    EXPECT("what it dialed is its own", world_is_up(world, 1, 2, PEER_DATA_IN));
    peers_unwant(room(world, 2), 1, PEER_CONTROL);
    world_run(world, 5000);
    EXPECT("who was called does not end it", world_is_up(world, 1, 2, PEER_CONTROL));
    peers_forget(room(world, 1), 2);
    world_run(world, 5000);
    EXPECT_EQ("all is over", 0, peers_counters(room(world, 1))->links_up);
    EXPECT_EQ("data of a stranger is not taken", PEER_UNKNOWN, world->nodes[2].last_miss.reason);
    world_free(world);
}

TEST(an_attempt_can_be_given_up_at_any_moment)
{
    for (uint64_t us = 0; us < 2000; us += 50) {
        struct world *world = world_new(2);
        world->close_delay_ns = us % 100 == 0 ? 1000 : WORLD_MS;
        peers_want(room(world, 1), 2, PEER_CONTROL, world_address(2, false));
        world->now_ns += 1;
        world_run(world, 0);
        const uint64_t end_ns = world->now_ns + us * 1000;
        while (world->now_ns < end_ns) {
            world_run(world, 0);
            world->now_ns += 25000;
        }
        peers_unwant(room(world, 1), 2, PEER_CONTROL);
        world_run(world, 5000);
        EXPECT_EQ("nothing is left", 0, peers_counters(room(world, 1))->links_up);
        EXPECT_EQ("on neither side", 0, peers_counters(room(world, 2))->links_up);
        EXPECT_EQ("what was told up was told down", world->nodes[2].ups, world->nodes[2].downs);
        EXPECT_EQ("what was not wanted was not missed", 0, world->nodes[1].misses);
        for (uint32_t link = 0; link < 2 * WORLD_LINKS; link++) {
            EXPECT("no number is taken", world->nodes[1].wire_of[link] == UINT32_MAX);
            EXPECT("there too", world->nodes[2].wire_of[link] == UINT32_MAX);
        }
        world_free(world);
    }
}

TEST(a_cluster_is_joined_later)
{
    struct world *world = world_new(3);
    const struct uuid own = world_uuid(5), other = world_uuid(6);

    for (int32_t id = 1; id <= 3; id++) {
        world->nodes[id].identity.cluster_id = id == 3 ? other : world_uuid(0);
        world_start(world, id, 1);
    }
    world_link(world, 1, 2);
    world_link(world, 1, 3);
    world_run(world, 100);
    EXPECT_EQ("whoever is of none", 2, peers_counters(room(world, 1))->links_up);
    const uint32_t downs = world->nodes[1].downs;
    peers_set_cluster(room(world, 1), &own);
    world_run(world, 1000);
    EXPECT("stays with whoever is of none", world_is_up(world, 1, 2, PEER_CONTROL));
    EXPECT_EQ("having told it of which it is itself", 2, world->nodes[1].downs - downs);
    EXPECT("and leaves the others", !world_is_up(world, 1, 3, PEER_CONTROL));
    EXPECT_EQ("because", PEER_WRONG_CLUSTER, world->nodes[1].last_down.reason);
    peers_set_cluster(room(world, 2), &other);
    world_run(world, 1000);
    EXPECT("so who then founds a cluster of its own leaves it", !world_is_up(world, 2, 1, PEER_CONTROL));
    EXPECT_EQ("because", PEER_WRONG_CLUSTER, world->nodes[2].last_down.reason);
    EXPECT("and is not let in again", !world_is_up(world, 1, 2, PEER_CONTROL));
    world_free(world);
}

TEST(what_is_not_of_the_protocol_is_shown_the_door)
{
    static const char *const said[] = { "GET / HTTP/1.1\r\n\r\n", "\0\0\0\x10kafkakafkakafka",
                                        "\0\0\0\x10\0\0\0\0\0\0\0\0\xc8\0\0\0" };
    struct world *world = world_new(1);

    for (uint32_t i = 0; i < 4; i++) {
        world->wires[i].used = true;
        world->wires[i].ends[CALLED].node = 1;
        world->wires[i].ends[DIALER] = (struct wire_end){ .used = true, .node = 2 };
        world->wires[i].ends[CALLED].receive.size = LISTENER_NODE;
        world->wire_count++;
        world->nodes[2].wire_of[0] = i;
        world->wires[i].ends[DIALER].link = WORLD_FIRST_LINK;
        world_connect(world, i);
        if (i < 3) world_put(&world->wires[i].ends[CALLED], (const uint8_t *)said[i], 16);
    }
    world->happening_count = 0; /* node 2 is nobody that is told anything */
    for (uint32_t i = 0; i < 4; i++) world_after(world, WORLD_MS, WORLD_ARRIVE, i, CALLED);
    world_run(world, 100);
    EXPECT_EQ("three said something else", 3, peers_counters(room(world, 1))->strangers);
    world_run(world, 3000);
    EXPECT_EQ("one said nothing", 4, peers_counters(room(world, 1))->strangers);
    EXPECT_EQ("nobody is left", UINT32_MAX, world->nodes[1].wire_of[3]);
    world_free(world);
}

TEST(there_are_only_so_many_nodes)
{
    struct world *world = world_new(2);

    for (int32_t id = 10; id < 30; id++) EXPECT("as many as were said", peers_know(room(world, 2), id));
    EXPECT("one is too many", !peers_know(room(world, 2), 31));
    EXPECT("to want as well", !peers_want(room(world, 2), 31, PEER_CONTROL, world_address(1, false)));
    peers_want(room(world, 1), 2, PEER_CONTROL, world_address(2, false));
    world_run(world, 100);
    EXPECT_EQ("and to be called by", PEER_NO_ROOM, world->nodes[1].last_miss.reason);
    peers_forget(room(world, 2), 15);
    world_run(world, 1500);
    EXPECT("when one is forgotten there is room", world_is_up(world, 1, 2, PEER_CONTROL));
    world_free(world);
}

TEST(who_came_and_went_is_forgotten)
{
    struct world *world = world_new(2);
    struct world_node *caller = &world->nodes[1];

    for (int32_t id = 10; id < 60; id++) {
        caller->config.node_id = id;
        caller->identity.member_id = (uint64_t)id << 24 | 1;
        world_start(world, 1, (uint32_t)id);
        peers_seek(caller->peers, 0, 2, world_address(2, false));
        world_run(world, 20);
        EXPECT("each is taken", world_is_up(world, 2, id, PEER_CONTROL));
        world_kill(world, 1);
        world_run(world, 20);
    }
    world_free(world);
}

TEST(who_speaks_need_not_say_that_he_lives)
{
    struct world *world = world_new(2);

    world_link(world, 1, 2);
    world_run(world, 100);
    const uint64_t before = peers_counters(room(world, 1))->frames_out;
    for (uint32_t i = 0; i < 100; i++) {
        world_send(world, 1, 2, PEER_CONTROL, 1, "beat", 4);
        world_run(world, 100);
    }
    EXPECT_EQ("nothing else is sent", 100, peers_counters(room(world, 1))->frames_out - before);
    const uint64_t other = peers_counters(room(world, 2))->frames_out;
    EXPECT("who is silent says it", other > 8 && other < 14);
    world_free(world);
}
