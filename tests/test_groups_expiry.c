/* What goes: groups that are deleted, offsets that are too old, and topics with theirs; and what is not taken. */
#include "groups_world.h"

/* ---- what goes ---- */

static enum error delete_group(struct world *world, const char *group)
{
    enum error error;

    if (groups_delete(world->groups, text_of(group), 1, &error) == GROUP_WAITS) {
        world_run(world);
        error = world_outcome(world, 1);
    }
    return error;
}

TEST(groups_are_deleted)
{
    struct world *world = world_new();
    const struct pair pair = pair_at_rest(world, &(struct asked){ 0 }, &(struct asked){ 0 });

    for (int64_t i = 0; i < 8; i++) {
        world_commits(world, &(struct commit){ "g", pair.one.member, 2, "t", (int32_t)i, i });
    }
    EXPECT_EQ("not while somebody is in it", ERROR_NON_EMPTY_GROUP, delete_group(world, "g"));
    world_leave(world, pair.one.member, NULL);
    world_leave(world, pair.two.member, NULL);
    EXPECT_EQ("then it goes", ERROR_NONE, delete_group(world, "g"));
    EXPECT_EQ("and was", ERROR_GROUP_ID_NOT_FOUND, delete_group(world, "g"));
    EXPECT_EQ("with its offsets", 0, groups_usage(world->groups).offsets);
    world_restart(world);
    world_run(world);
    EXPECT("for good", strcmp(world_state(world, "g"), "none") == 0);
    EXPECT_EQ("nothing of it came back", 0, groups_usage(world->groups).offsets);
    world_free(world);
}

TEST(what_is_too_old_goes)
{
    struct world *world = world_new();
    const struct heard one = world_enter(world, 1, &(struct asked){ .session_ms = 6000 });

    world_config(world, "offsets.retention.minutes", "60");
    world_sync(world, 1, one.member, 1, (const char *[]){ one.member }, 1);
    world_commits(world, &(struct commit){ "g", one.member, 1, "t", 0, 5 });
    world_commits(world, &(struct commit){ "simple", "", -1, "t", 0, 6 });
    for (int i = 0; i < 45 * 60 / 5; i++) {
        world_pass(world, 5000);
        world_beat(world, one.member, 1);
    }
    world_leave(world, one.member, NULL);
    world_pass(world, 30 * 60 * 1000);
    EXPECT_EQ("a group's time begins when it is empty", 5, world_offset(world, "g", "t", 0));
    EXPECT_EQ("where nobody ever was, with the commit", -1, world_offset(world, "simple", "t", 0));
    world_pass(world, 45 * 60 * 1000);
    EXPECT_EQ("then it is over, too", -1, world_offset(world, "g", "t", 0));
    EXPECT_EQ("and the group goes", 0, groups_usage(world->groups).groups);
    world_restart(world);
    world_run(world);
    EXPECT_EQ("in the log as well", 0, groups_usage(world->groups).groups);
    world_free(world);
}

TEST(many_offsets_are_looked_at_in_many_steps)
{
    enum { MANY = 10000 };
    struct world *world = world_new();

    world->offsets_max = MANY;
    world_restart(world);
    world_run(world);
    world_config(world, "offsets.retention.minutes", "60");
    for (int32_t i = 0; i < MANY; i++) world_commits(world, &(struct commit){ "g", "", -1, "t", i, 1 });
    world->now += 601 * 1000 * MS;
    EXPECT("none is too old, and one step would be a long one", world_run(world) > 2);
    EXPECT_EQ("all stay", MANY, groups_usage(world->groups).offsets);
    world_pass(world, 90 * 60 * 1000);
    EXPECT_EQ("and go, when it is time", 0, groups_usage(world->groups).offsets);
    world_free(world);
}

TEST(what_is_on_its_way_is_no_reason_to_look_again)
{
    struct world *world = world_new();

    world_commits(world, &(struct commit){ "g", "", -1, "t", 0, 1 });
    world->slow = true;
    world_send_commit(world, 1, &(struct commit){ "g", "", -1, "t", 1, 1 });
    world_pass(world, 601 * 1000);
    EXPECT("nothing was too old", groups_deadline_ns(world->groups) > world->now + 500 * 1000 * MS);
    groups_on_topic_removed(world->groups, BYTES_LITERAL("t"));
    world_pass(world, 100);
    EXPECT("that is gone", groups_deadline_ns(world->groups) < world->now + 2000 * MS);
    world->slow = false;
    world_pass(world, 5000);
    EXPECT_EQ("and goes when nothing is on its way", 0, groups_usage(world->groups).offsets);
    world_free(world);
}

/* A group of so many offsets that they are looked at in several steps, and a small one before it. */
enum { LONG = 10000 };

static struct world *long_group(void)
{
    struct world *world = world_new();

    world->offsets_max = LONG + 1;
    world_restart(world);
    world_run(world);
    world_commits(world, &(struct commit){ "a", "", -1, "u", 0, 1 });
    for (int32_t i = 0; i < LONG; i++) world_commits(world, &(struct commit){ "g", "", -1, "t", i, 1 });
    EXPECT_EQ("full", LONG + 1, groups_usage(world->groups).offsets);
    return world;
}

TEST(a_topic_that_goes_during_a_search_is_looked_for)
{
    struct world *world = long_group();

    world->now += 601 * 1000 * MS;
    world_step(world);
    groups_on_topic_removed(world->groups, BYTES_LITERAL("u"));
    world_run(world);
    EXPECT_EQ("the search is past it", LONG + 1, groups_usage(world->groups).offsets);
    world_pass(world, 2000);
    EXPECT_EQ("and begins again", LONG, groups_usage(world->groups).offsets);
    world_free(world);
}

TEST(offsets_of_a_topic_go_with_it)
{
    struct world *world = world_new();

    world_commits(world, &(struct commit){ "g", "", -1, "t", 0, 5 });
    world_commits(world, &(struct commit){ "g", "", -1, "t", 1, 6 });
    world_commits(world, &(struct commit){ "g", "", -1, "u", 0, 7 });
    world->slow = true;
    groups_on_topic_removed(world->groups, BYTES_LITERAL("t"));
    EXPECT_EQ("at once", -1, world_offset(world, "g", "t", 0));
    world_send_commit(world, 1, &(struct commit){ "g", "", -1, "t", 0, 1 }); /* another topic of that name */
    world->slow = false;
    world_pass(world, 20001);
    EXPECT_EQ("the other one keeps what was committed for it", 1, world_offset(world, "g", "t", 0));
    EXPECT_EQ("the rest is gone", -1, world_offset(world, "g", "t", 1));
    EXPECT_EQ("and nothing else", 7, world_offset(world, "g", "u", 0));
    world_restart(world);
    world_run(world);
    EXPECT_EQ("for the next coordinator, too", 1, world_offset(world, "g", "t", 0));
    EXPECT_EQ("gone is gone", -1, world_offset(world, "g", "t", 1));
    world_free(world);
}

TEST(limits_are_told)
{
    struct world *world = world_new();
    uint32_t joined = 0, committed = 0;
    char name[16];

    for (int i = 0; i < 200; i++) {
        sprintf(name, "g%d", i);
        const struct heard heard = world_join(world, 1, &(struct asked){ .group = name, .version = 4 });
        joined += heard.error == ERROR_MEMBER_ID_REQUIRED;
        EXPECT("else try elsewhere, or later",
               heard.error == ERROR_MEMBER_ID_REQUIRED || heard.error == ERROR_COORDINATOR_NOT_AVAILABLE);
    }
    EXPECT_EQ("as many groups as there may be", 64, joined);
    world_pass(world, 10001);
    EXPECT_EQ("they were promises only", 0, groups_usage(world->groups).groups);
    world->slow = true;
    for (uint64_t i = 0; i < 200; i++) {
        const uint64_t waiter = 1 + i % 60;
        groups_forget(world->groups, waiter);
        committed +=
            world_send_commit(world, waiter, &(struct commit){ "g", "", -1, "t", 0, (int64_t)i }) == ERROR_NONE;
    }
    EXPECT_EQ("so many may be under way, or are told to wait", 200, committed);
    world_commit(world);
    world_run(world);
    EXPECT("all of them were committed in their order", world_offset(world, "g", "t", 0) >= 190);
    world_free(world);
}

/* A room of eight offsets, all of them taken by one group. */
static struct world *full_room(void)
{
    struct world *world = world_new();

    world->offsets_max = 8;
    world_restart(world);
    world_run(world);
    for (int32_t i = 0; i < 8; i++) world_commits(world, &(struct commit){ "g", "", -1, "t", i, 1 });
    EXPECT_EQ("full", 8, groups_usage(world->groups).offsets);
    return world;
}

TEST(a_full_room_takes_no_more_offsets_and_all_else)
{
    struct world *world = full_room();

    EXPECT_EQ("one more partition", ERROR_COORDINATOR_NOT_AVAILABLE,
              world_commits(world, &(struct commit){ "g", "", -1, "u", 0, 1 }));
    EXPECT_EQ("of another group", ERROR_COORDINATOR_NOT_AVAILABLE,
              world_commits(world, &(struct commit){ "h", "", -1, "t", 0, 1 }));
    EXPECT("which is not kept for that", strcmp(world_state(world, "h"), "none") == 0);
    for (int32_t i = 0; i < 8; i++) {
        EXPECT_EQ("who has some goes on", ERROR_NONE, world_commits(world, &(struct commit){ "g", "", -1, "t", i, 2 }));
    }
    world->slow = true;
    for (int32_t i = 0; i < 8; i++) {
        EXPECT_EQ("all at once, too", ERROR_NONE,
                  world_send_commit(world, 1 + (uint64_t)i, &(struct commit){ "g", "", -1, "t", i, 3 }));
    }
    EXPECT_EQ("as many on their way as there is room for", ERROR_COORDINATOR_NOT_AVAILABLE,
              world_send_commit(world, 20, &(struct commit){ "g", "", -1, "t", 0, 4 }));
    world->slow = false;
    world_run(world);
    EXPECT_EQ("they came through", 3, world_offset(world, "g", "t", 7));
    world_restart(world);
    world_run(world);
    EXPECT_EQ("as many are loaded", 8, groups_usage(world->groups).offsets);
    EXPECT_EQ("the group can be deleted", ERROR_NONE, delete_group(world, "g"));
    EXPECT_EQ("with all of them", 0, groups_usage(world->groups).offsets);
    EXPECT_EQ("and there is room again", ERROR_NONE, world_commits(world, &(struct commit){ "h", "", -1, "t", 0, 1 }));
    world_free(world);
}

TEST(what_is_too_old_leaves_a_full_room)
{
    struct world *world = full_room();

    world_config(world, "offsets.retention.minutes", "60");
    world_pass(world, 80 * 60 * 1000);
    EXPECT_EQ("all are gone", 0, groups_usage(world->groups).offsets);
    world_free(world);
}

TEST(a_deletion_waits_for_the_reserve)
{
    struct world *world = full_room();
    enum error error;

    world->slow = true;
    for (int32_t i = 0; i < 8; i++) {
        world_send_commit(world, 1 + (uint64_t)i, &(struct commit){ "g", "", -1, "t", i, 3 });
    }
    EXPECT_EQ("begun", GROUP_WAITS, groups_delete(world->groups, BYTES_LITERAL("g"), 20, &error));
    world_run(world);
    EXPECT("not yet", !world->ready[20]);
    world->slow = false;
    world_run(world);
    EXPECT_EQ("then it goes", ERROR_NONE, world_outcome(world, 20));
    world_free(world);
}

TEST(names_that_fill_the_memory_leave_a_part_of_it)
{
    static const uint32_t sizes[] = { 20000, 4000, 1000, 200 };
    struct world *world = world_new();
    char *id = calloc(1, sizes[0] + 1);
    uint32_t count = 0;
    int32_t partition = 0;

    world_commits(world, &(struct commit){ "g", "", -1, "t", 0, 1 });
    for (uint32_t i = 0; i < 4; i++) {
        memset(id, 'x', sizes[0]);
        id[sizes[i]] = 0;
        do {
            id[0] = (char)('a' + ++count % 26);
            id[1] = (char)('a' + count / 26);
        } while (world_commits(world, &(struct commit){ id, "", -1, "t", 0, 1 }) == ERROR_NONE);
    }
    EXPECT("by names, not by groups", groups_usage(world->groups).groups < 64);
    while (world_commits(world, &(struct commit){ "g", "", -1, "t", ++partition, 1 }) == ERROR_NONE) {
    }
    EXPECT_EQ("another member is to try again later: this is not for good", ERROR_COORDINATOR_NOT_AVAILABLE,
              world_join(world, 1, &(struct asked){ .metadata = id }).error);
    EXPECT_EQ("nor another partition", ERROR_COORDINATOR_NOT_AVAILABLE,
              world_commits(world, &(struct commit){ "g", "", -1, "t", partition, 1 }));
    EXPECT_EQ("who is there goes on", ERROR_NONE, world_commits(world, &(struct commit){ "g", "", -1, "t", 0, 2 }));
    EXPECT_EQ("and can be deleted", ERROR_NONE, delete_group(world, "g"));
    free(id);
    world_free(world);
}
