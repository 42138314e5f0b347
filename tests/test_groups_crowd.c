/* Very many members in one group: all of them come at once, and each gets what is its own. */
#include "groups_world.h"

enum { CROWD = 1000, NAME_SIZE = 64 };

static char names[CROWD][NAME_SIZE];
static char shares[CROWD][8];

/* All are in one generation; says which, and who leads it. */
static int32_t take_all(struct world *world, uint32_t *leader)
{
    int32_t generation = -1;

    for (uint32_t i = 0; i < CROWD; i++) {
        const struct heard heard = world_joined(world, 1 + i, 3);
        EXPECT("is answered", !heard.waits && heard.error == ERROR_NONE);
        EXPECT("in one generation with all others", i == 0 || heard.generation == generation);
        generation = heard.generation;
        snprintf(names[i], NAME_SIZE, "%s", heard.member);
        if (heard.members == 0) continue;
        EXPECT_EQ("the leader knows all", CROWD, heard.members);
        *leader = i;
    }
    return generation;
}

/* The leader names them from the last to the first, and those that are not there as well. */
static void assign(struct world *world, uint32_t leader, int32_t generation)
{
    static struct sync_group_request_assignment assignments[2 * CROWD];
    static char strangers[CROWD][NAME_SIZE];
    const struct group_caller caller = world_caller(1 + leader, 3);
    const struct sync_group_request request = { .group_id = BYTES_LITERAL("g"),
                                                .generation_id = generation,
                                                .member_id = text_of(names[leader]),
                                                .assignments = assignments,
                                                .assignments_count = 2 * CROWD };
    struct group_synced synced;

    for (uint32_t i = 0; i < CROWD; i++) snprintf(shares[i], sizeof shares[i], "%u", i);
    for (uint32_t i = 0; i < CROWD; i++) {
        snprintf(strangers[i], NAME_SIZE, "nobody-%u", i);
        assignments[2 * i] = (struct sync_group_request_assignment){ text_of(strangers[i]), text_of("none") };
        assignments[2 * i + 1] =
            (struct sync_group_request_assignment){ text_of(names[CROWD - 1 - i]), text_of(shares[CROWD - 1 - i]) };
    }
    EXPECT_EQ("it waits for the log", GROUP_WAITS, groups_sync(world->groups, &caller, &request, &synced));
    world_run(world);
}

TEST(a_thousand_members_join_at_once)
{
    struct world *world = world_new();
    uint32_t leader = CROWD;

    world_config(world, "group.initial.rebalance.delay.ms", "3000");
    for (uint32_t i = 0; i < CROWD; i++) {
        EXPECT("waits for more", world_join(world, 1 + i, &(struct asked){ .protocol = "range,sticky" }).waits);
    }
    world_pass(world, 6000);
    const int32_t generation = take_all(world, &leader);
    EXPECT_EQ("one rebalance is all it takes", 1, generation);
    CHECK(leader < CROWD);
    for (uint32_t i = 0; i < CROWD; i++) {
        if (i != leader) EXPECT("waits", world_sync(world, 1 + i, names[i], generation, NULL, 0).waits);
    }
    assign(world, leader, generation);
    for (uint32_t i = 0; i < CROWD; i++) {
        EXPECT("its own share", strcmp(world_synced(world, 1 + i).assignment, shares[i]) == 0);
    }
    EXPECT("at rest", strcmp(world_state(world, "g"), "Stable") == 0);
    world_restart(world);
    world_run(world);
    EXPECT_EQ("and the next coordinator knows them all", CROWD, groups_usage(world->groups).members);
    world_free(world);
}

TEST(a_thousand_that_never_come_back_leave_nothing)
{
    struct world *world = world_new();

    for (uint32_t i = 0; i < CROWD; i++) {
        EXPECT_EQ("an id", ERROR_MEMBER_ID_REQUIRED, world_join(world, 1, &(struct asked){ .version = 4 }).error);
    }
    EXPECT_EQ("all are promises", CROWD, groups_usage(world->groups).members);
    world_pass(world, 10001);
    EXPECT_EQ("for as long as a session lasts", 0, groups_usage(world->groups).members);
    EXPECT_EQ("with their group", 0, groups_usage(world->groups).groups);
    world_free(world);
}

TEST(one_more_than_there_may_be_is_to_try_again)
{
    enum { ROOM = 1200 };
    struct world *world = world_new();
    const struct asked new = { .version = 4 }, old = { .version = 3 };

    for (uint32_t i = 0; i < ROOM; i++) {
        EXPECT_EQ("an id", ERROR_MEMBER_ID_REQUIRED, world_join(world, 1, &new).error);
    }
    EXPECT_EQ("no more ids", ERROR_COORDINATOR_NOT_AVAILABLE, world_join(world, 1, &new).error);
    EXPECT_EQ("nor members", ERROR_COORDINATOR_NOT_AVAILABLE, world_join(world, 1, &old).error);
    world_pass(world, 10001);
    EXPECT_EQ("until others are gone", ERROR_MEMBER_ID_REQUIRED, world_join(world, 1, &new).error);
    world_free(world);
}
