/* What is appended and not committed: whoever waits for it is told so in time, and what comes true later is true. */
#include "groups_world.h"

/* How it comes that nobody is to wait any longer. */
static const struct trouble_row {
    const char *why;
    bool few; /* too few replicas are in sync; else it takes too long */
    enum error sync, rest;
} trouble_rows[] = {
    { "too few replicas are in sync", true, ERROR_COORDINATOR_NOT_AVAILABLE, ERROR_COORDINATOR_NOT_AVAILABLE },
    { "it takes too long", false, ERROR_REBALANCE_IN_PROGRESS, ERROR_COORDINATOR_NOT_AVAILABLE },
};

static void pass(struct world *world, const struct trouble_row *row)
{
    if (row->few) groups_on_min_isr_lost(world->groups, world_log_of(world, "g"));
    world_pass(world, row->few ? 0 : 5000);
}

TEST(an_assignment_is_not_waited_for_for_ever)
{
    FOR_EACH(trouble_row, row, trouble_rows) {
        struct world *world = world_new();
        const struct heard one = world_enter(world, 1, &(struct asked){ 0 });
        world->slow = true;
        EXPECT("on its way", world_sync(world, 1, one.member, 1, (const char *[]){ one.member }, 1).waits);
        if (!row->few) world_pass(world, 4900);
        EXPECT("not yet", world_synced(world, 1).waits);
        pass(world, row);
        EXPECT_EQ(row->why, row->sync, world_synced(world, 1).error);
        EXPECT_EQ("it is to join again", ERROR_REBALANCE_IN_PROGRESS, world_beat(world, one.member, 1));
        const struct heard again = world_enter(world, 1, &(struct asked){ .member = one.member });
        EXPECT_EQ("another generation", 2, again.generation);
        EXPECT("and its assignment", world_sync(world, 1, one.member, 2, NULL, 0).waits);
        world->slow = false;
        world_run(world);
        EXPECT("is what counts, though the first came true as well", world_synced(world, 1).assignment[0] == 0);
        EXPECT("at rest", strcmp(world_state(world, "g"), "Stable") == 0);
        world_free(world);
    }
}

TEST(a_deletion_is_not_waited_for_for_ever)
{
    FOR_EACH(trouble_row, row, trouble_rows) {
        struct world *world = world_new();
        enum error error;
        world_commits(world, &(struct commit){ "g", "", -1, "t", 0, 1 });
        world->slow = true;
        EXPECT_EQ("begun", GROUP_WAITS, groups_delete(world->groups, BYTES_LITERAL("g"), 1, &error));
        world_run(world);
        EXPECT("not yet", !world->ready[1]);
        pass(world, row);
        EXPECT_EQ(row->why, row->rest, world_outcome(world, 1));
        EXPECT_EQ("asked again", GROUP_ANSWERED, groups_delete(world->groups, BYTES_LITERAL("g"), 2, &error));
        EXPECT_EQ("it is not gone yet, and may not go", ERROR_COORDINATOR_NOT_AVAILABLE, error);
        world->slow = false;
        world_run(world);
        EXPECT("it goes all the same", strcmp(world_state(world, "g"), "none") == 0);
        world_free(world);
    }
}

TEST(a_static_member_does_not_wait_for_ever)
{
    FOR_EACH(trouble_row, row, trouble_rows) {
        struct world *world = world_new();
        pair_at_rest(world, &(struct asked){ .instance = "a" }, &(struct asked){ .instance = "b" });
        world->slow = true;
        EXPECT("its new id is on its way", world_join(world, 3, &(struct asked){ .instance = "b" }).waits);
        pass(world, row);
        EXPECT_EQ(row->why, row->rest, world_joined(world, 3, 3).error);
        EXPECT("it tries again", world_join(world, 3, &(struct asked){ .instance = "b" }).waits);
        world->slow = false;
        world_run(world);
        const struct heard back = world_joined(world, 3, 3);
        EXPECT_EQ("and is back", ERROR_NONE, back.error);
        EXPECT("in its place",
               strcmp(world_sync(world, 3, back.member, back.generation, NULL, 0).assignment, "1") == 0);
        world_free(world);
    }
}

/* The disk hangs: there is no room to append anything. */
TEST(what_cannot_be_appended_is_not_waited_for_for_ever)
{
    struct world *world = world_new();
    const struct heard one = world_enter(world, 1, &(struct asked){ 0 });
    enum error error;

    world_commits(world, &(struct commit){ "h", "", -1, "t", 0, 1 });
    world->logs->appends_left = 0;
    EXPECT("to be appended", world_sync(world, 1, one.member, 1, (const char *[]){ one.member }, 1).waits);
    EXPECT_EQ("to be deleted", GROUP_WAITS, groups_delete(world->groups, BYTES_LITERAL("h"), 2, &error));
    world_pass(world, 4900);
    EXPECT("not yet", world_synced(world, 1).waits && !world->ready[2]);
    world_pass(world, 100);
    EXPECT_EQ("join again", ERROR_REBALANCE_IN_PROGRESS, world_synced(world, 1).error);
    EXPECT_EQ("try again", ERROR_COORDINATOR_NOT_AVAILABLE, world_outcome(world, 2));
    const struct heard again = world_enter(world, 1, &(struct asked){ .member = one.member });
    EXPECT_EQ("another generation", 2, again.generation);
    EXPECT("to be appended", world_sync(world, 1, one.member, 2, (const char *[]){ one.member }, 1).waits);
    world->logs->appends_left = FAKE_NO_LIMIT;
    world_run(world);
    EXPECT("it is", strcmp(world_synced(world, 1).assignment, "0") == 0);
    EXPECT("at rest", strcmp(world_state(world, "g"), "Stable") == 0);
    EXPECT("the deletion went on", strcmp(world_state(world, "h"), "none") == 0);
    world_free(world);
}

/* A connection has one number, whatever it asks for: who has given up is not told of it when it asks for something
 * else. */
TEST(an_answer_is_for_the_question_that_it_was_asked)
{
    struct world *world = world_new();
    const uint32_t log = world_log_of(world, "g");
    struct log_offsets *offsets = &world->logs->logs[log].offsets;
    enum error error;

    world->slow = true;
    world_send_commit(world, 1, &(struct commit){ "g", "", -1, "t", 0, 5 });
    const int64_t first = offsets->log_end_offset;
    groups_on_min_isr_lost(world->groups, log);
    world_run(world);
    EXPECT_EQ("it gives up", ERROR_COORDINATOR_NOT_AVAILABLE, world_outcome(world, 1));
    world_send_commit(world, 1, &(struct commit){ "g", "", -1, "t", 0, 6 });
    offsets->durable_offset = offsets->high_watermark = first;
    groups_on_high_watermark(world->groups, log);
    world_run(world);
    EXPECT("the first commit comes true, not the second", !world->ready[1]);
    EXPECT_EQ("which is what is shown", 5, world_offset(world, "g", "t", 0));
    world_commit(world);
    world_run(world);
    EXPECT_EQ("then it is answered", ERROR_NONE, world_outcome(world, 1));
    EXPECT_EQ("begun", GROUP_WAITS, groups_delete(world->groups, BYTES_LITERAL("g"), 1, &error));
    world_run(world);
    groups_forget(world->groups, 1);
    world_send_commit(world, 1, &(struct commit){ "h", "", -1, "t", 0, 6 });
    offsets->durable_offset = offsets->high_watermark = offsets->log_end_offset;
    groups_on_high_watermark(world->groups, log);
    world_step(world);
    EXPECT("nor is a deletion", world_log_of(world, "h") == log || !world->ready[1]);
    world_free(world);
}
