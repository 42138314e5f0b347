/* Whole exchanges between nodes, to be read. tests/transcripts/peer_NAME.txt is what NAME below must say, line by line;
 * with PEER_REWRITE=1 it is written anew, and the difference is what gets reviewed.
 *
 *   [ms] node   a note of its     [ms] node up|down|missed|turned away other channel     [ms] node < a frame */
#include "peer_world.h"

enum { TEXT_SIZE = 1 << 16 };
static char said[TEXT_SIZE], wanted[TEXT_SIZE];

static struct world *begin(uint32_t node_count)
{
    struct world *world = world_new(node_count);

    said[0] = 0;
    world->story = said;
    world->story_max = TEXT_SIZE;
    return world;
}

static struct peers *room(struct world *world, int32_t id)
{
    return world->nodes[id].peers;
}

static void compare(const char *name, struct world *world)
{
    char path[100];
    snprintf(path, sizeof path, "tests/transcripts/peer_%s.txt", name);
    const bool rewrite = getenv("PEER_REWRITE") != NULL;
    FILE *file = fopen(path, rewrite ? "w" : "r");
    EXPECT(path, file != NULL);
    if (file == NULL) return;
    if (rewrite) fwrite(said, 1, world->story_size, file);
    wanted[rewrite ? 0 : fread(wanted, 1, TEXT_SIZE - 1, file)] = 0;
    fclose(file);
    if (!rewrite) EXPECT_TEXT(path, wanted, said);
    world_free(world);
}

TEST(three_links)
{
    struct world *world = begin(2);

    world_say(world, "# both want control, and each has data for the other");
    world_link(world, 1, 2);
    peers_want(room(world, 1), 2, PEER_DATA_OUT, world_address(2, true));
    peers_want(room(world, 2), 1, PEER_DATA_OUT, world_address(1, true));
    world_run(world, 100);
    world_say(world, "# node 1 speaks on each channel");
    world_send(world, 1, 2, PEER_CONTROL, 2, "heartbeat", 9);
    const struct piece piece = { .data = (const uint8_t *)"a batch", .size = 7 };
    peers_send_lent(room(world, 1), 2, PEER_DATA_OUT, 34, BYTES_LITERAL("head"), &piece, 1, 1);
    world_send(world, 1, 2, PEER_DATA_IN, 35, "ack", 3);
    world_run(world, 100);
    world_say(world, "# node 2 moves on, and wants no more to send data");
    peers_unwant(room(world, 2), 1, PEER_DATA_OUT);
    world_run(world, 100);
    compare("three_links", world);
}

TEST(joins)
{
    struct world *world = begin(3);

    world_say(world, "# node 3 belongs to no cluster yet; of its seeds one is down, one is itself");
    world->nodes[3].identity.cluster_id = world_uuid(0);
    world_start(world, 3, 1);
    peers_seek(room(world, 3), 0, 9, world_address(66, false));
    peers_seek(room(world, 3), 1, 1, world_address(1, false));
    peers_seek(room(world, 3), 2, 0, world_address(3, false));
    world_run(world, 100);
    world_say(world, "# node 1 names node 2, which leads");
    peers_want(room(world, 3), 2, PEER_CONTROL, world_address(2, false));
    world_run(world, 1000);
    const struct uuid cluster = world_uuid(77);
    world_say(world, "# it is a member now");
    peers_set_cluster(room(world, 3), &cluster);
    peers_seek_end(room(world, 3));
    for (int32_t id = 1; id <= 2; id++) {
        peers_know(room(world, id), 3);
        peers_want(room(world, id), 3, PEER_DATA_OUT, world_address(3, true));
        peers_know(room(world, 3), id);
    }
    world_run(world, 1000);
    compare("joins", world);
}

TEST(turned_away)
{
    struct world *world = begin(4);

    world_say(world,
              "# node 2 is of another cluster; node 3 runs with node 4's id; node 4 is no member for node 1 yet");
    world->nodes[2].identity.cluster_id = world_uuid(78);
    world_start(world, 2, 1);
    peers_seek(room(world, 4), 0, 1, world_address(1, false));
    world_run(world, 100);
    world->nodes[3].config.node_id = 4;
    world->nodes[3].identity.member_id = 4ull << 24 | 99;
    world_start(world, 3, 1);
    peers_want(room(world, 2), 1, PEER_CONTROL, world_address(1, false));
    peers_want(room(world, 3), 1, PEER_CONTROL, world_address(1, false));
    peers_want(room(world, 4), 1, PEER_DATA_OUT, world_address(1, true));
    peers_want(room(world, 4), 2, PEER_CONTROL, world_address(1, false));
    world_run(world, 400);
    compare("turned_away", world);
}

TEST(dies_and_comes_back)
{
    struct world *world = begin(2);

    world_link(world, 1, 2);
    world_run(world, 6000);
    world_say(world, "# the process of node 1 dies: the higher id calls too");
    world_kill(world, 1);
    world_run(world, 60);
    world_say(world, "# it is started again");
    world_start(world, 1, 2);
    world_link(world, 1, 2);
    world_run(world, 500);
    world_say(world, "# the machine of node 1 loses power, and is back before anybody has noticed");
    world_vanish(world, 1);
    world_run(world, 300);
    world_start(world, 1, 3);
    world->cut[1][2] = world->cut[2][1] = false;
    world_link(world, 1, 2);
    world_run(world, 500);
    compare("dies_and_comes_back", world);
}

TEST(silence)
{
    struct world *world = begin(2);

    world_link(world, 1, 2);
    world_run(world, 2000);
    world_say(world, "# nothing passes between them any more");
    world_cut(world, 1, 2, true);
    world_run(world, 12000);
    world_say(world, "# it does again");
    world_cut(world, 1, 2, false);
    world_run(world, 5000);
    compare("silence", world);
}

TEST(calls_cross)
{
    struct world *world = begin(2);

    world_say(world, "# both call in the same moment");
    peers_seek(room(world, 1), 0, 2, world_address(2, false));
    peers_seek(room(world, 2), 0, 1, world_address(1, false));
    world_run(world, 3000);
    compare("calls_cross", world);
}
