/* Whole exchanges, to be read. tests/transcripts/raft_NAME.txt is what NAME below must say, line by line; with
 * RAFT_REWRITE=1 it is written anew, and the difference is what gets reviewed.
 *
 *   [ms] node < a message it gets        [ms] node   what it notes */
#include "sim/raft_world.h"
#include "t.h"

#include <stdlib.h>

enum { TEXT_SIZE = 1 << 16 };
static char said[TEXT_SIZE], wanted[TEXT_SIZE];
static size_t said_size;

static void keep(const char *line)
{
    const size_t size = strlen(line);
    if (said_size + size + 2 > TEXT_SIZE) return;
    memcpy(said + said_size, line, size);
    said_size += size;
    said[said_size++] = '\n';
    said[said_size] = 0;
}

static struct raft_world *calm(uint32_t voters, uint32_t nodes)
{
    const struct raft_world_config config = { .engine = &raft_engine_ours,
                                              .seed = 1,
                                              .voters = voters,
                                              .nodes = nodes,
                                              .delay_ns = MS / 2,
                                              .disk_ns = MS,
                                              .ordered = true,
                                              .print = keep };
    said_size = 0;
    said[0] = 0;
    return raft_world_new(&config);
}

static void compare(const char *name, struct raft_world *world)
{
    char path[100];
    snprintf(path, sizeof path, "tests/transcripts/raft_%s.txt", name);
    const bool rewrite = getenv("RAFT_REWRITE") != NULL;
    FILE *file = fopen(path, rewrite ? "w" : "r");
    EXPECT(path, file != NULL);
    if (file == NULL) return;
    if (rewrite) fwrite(said, 1, said_size, file);
    wanted[rewrite ? 0 : fread(wanted, 1, TEXT_SIZE - 1, file)] = 0;
    fclose(file);
    if (!rewrite) EXPECT_TEXT(path, wanted, said);
    EXPECT_TEXT(path, "", world->violation);
    raft_world_free(world);
}

/* Runs on without a word. */
static void quietly(struct raft_world *world, uint64_t ms)
{
    world->config.print = NULL;
    raft_world_run(world, world->now_ns + ms * MS);
    world->config.print = keep;
}

TEST(alone)
{
    struct raft_world *world = calm(1, 1);
    raft_world_run(world, 50 * MS);
    keep("propose 2");
    raft_world_propose(world, &world->nodes[0], 2);
    raft_world_run(world, 1000 * MS);
    keep("crash; restart");
    raft_world_crash(world, &world->nodes[0]);
    raft_world_restart(world, &world->nodes[0]);
    raft_world_run(world, 2000 * MS);
    compare("alone", world);
}

TEST(election)
{
    struct raft_world *world = calm(3, 3);
    while (raft_world_leader(world) == NULL) raft_world_run(world, world->now_ns + MS);
    raft_world_run(world, world->now_ns + 20 * MS);
    compare("election", world);
}

TEST(failover)
{
    struct raft_world *world = calm(3, 3);
    quietly(world, 600);
    struct raft_node *leader = raft_world_leader(world);
    keep("the leader crashes in the middle of a proposal");
    raft_world_propose(world, leader, 1);
    raft_world_run(world, world->now_ns + MS / 2);
    raft_world_crash(world, leader);
    while (raft_world_leader(world) == NULL) raft_world_run(world, world->now_ns + MS);
    raft_world_run(world, world->now_ns + 10 * MS);
    keep("it comes back");
    raft_world_restart(world, leader);
    raft_world_run(world, world->now_ns + 40 * MS);
    compare("failover", world);
}

TEST(one_to_three)
{
    struct raft_world *world = calm(1, 3);
    struct raft_change changes[2] = { { RAFT_ADD, 2, BYTES_LITERAL("b") }, { RAFT_ADD, 3, BYTES_LITERAL("c") } };
    quietly(world, 20);
    keep("two learners join");
    raft_world_change(world, &world->nodes[0], changes, 2);
    raft_world_run(world, world->now_ns + 20 * MS);
    keep("both become voters");
    changes[0].kind = RAFT_PROMOTE;
    changes[1].kind = RAFT_PROMOTE;
    raft_world_change(world, &world->nodes[0], changes, 2);
    raft_world_run(world, world->now_ns + 15 * MS);
    compare("one_to_three", world);
}

TEST(snapshot)
{
    struct raft_world *world = calm(1, 2);
    const struct raft_change change = { RAFT_ADD, 2, BYTES_LITERAL("b") };
    world->config.snapshot_entries = 10;
    quietly(world, 20);
    raft_world_propose(world, &world->nodes[0], 12);
    quietly(world, 20);
    keep("a learner joins after the log's beginning is gone");
    raft_world_change(world, &world->nodes[0], &change, 1);
    raft_world_run(world, world->now_ns + 300 * MS);
    compare("snapshot", world);
}
