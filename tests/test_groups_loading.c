/* Logs that cannot be loaded: nothing of them stays, others are served, and they are tried again. */
#include "groups_world.h"

static struct world *with_two_groups(void)
{
    struct world *world = world_new();

    for (int32_t i = 0; i < 8; i++) world_commits(world, &(struct commit){ "g", "", -1, "t", i, 1 });
    world_commits(world, &(struct commit){ "h", "", -1, "t", 0, 1 });
    CHECK(world_log_of(world, "g") != world_log_of(world, "h"));
    return world;
}

static enum error placed(const struct world *world, const char *group)
{
    return groups_place(world->groups, text_of(group));
}

static const struct trouble_row {
    const char *why;
    enum read_verdict verdict;
    bool on_disk, disk_fails;
} trouble_rows[] = {
    { "the log says that it is damaged", .verdict = READ_CORRUPT },
    { "the disk does not read it", .verdict = READ_OK, .on_disk = true, .disk_fails = true },
};

TEST(what_could_not_be_read_is_tried_again)
{
    FOR_EACH(trouble_row, row, trouble_rows) {
        struct world *world = with_two_groups();
        world->logs->logs[world_log_of(world, "g")].on_disk = row->on_disk;
        world->logs->logs[world_log_of(world, "h")].on_disk = row->on_disk;
        world->logs->read_next = row->verdict;
        world->disk_fails = row->disk_fails;
        world_restart(world);
        world_run(world);
        EXPECT_EQ(row->why, ERROR_COORDINATOR_NOT_AVAILABLE, placed(world, "g"));
        EXPECT_EQ("both are missed", 2, groups_usage(world->groups).failed);
        EXPECT("it is said", world->notes >= 2);
        world_pass(world, 900);
        EXPECT_EQ("not at once", 2, groups_usage(world->groups).load_failures);
        world->logs->read_next = READ_OK;
        world->disk_fails = false;
        world_pass(world, 200);
        EXPECT_EQ("but soon", ERROR_NONE, placed(world, "g"));
        EXPECT_EQ("with all that there is", 9, groups_usage(world->groups).offsets);
        EXPECT_EQ("nothing is missed", 0, groups_usage(world->groups).failed);
        world_free(world);
    }
}

TEST(what_never_can_be_read_is_not_tried_all_the_time)
{
    struct world *world = with_two_groups();

    world->logs->read_next = READ_CORRUPT;
    world_restart(world);
    world_pass(world, 10 * 60 * 1000);
    EXPECT("in ten minutes", groups_usage(world->groups).load_failures < 2 * 20);
    groups_on_lost(world->groups, world_log_of(world, "g"));
    groups_on_removed(world->groups, world_log_of(world, "g"));
    world_run(world);
    EXPECT_EQ("what is led elsewhere is not tried", 1, groups_usage(world->groups).failed);
    world_free(world);
}

TEST(what_does_not_fit_leaves_room_for_others)
{
    struct world *world = with_two_groups();

    world->offsets_max = 4;
    world_restart(world);
    world_run(world);
    EXPECT_EQ("too many", ERROR_COORDINATOR_NOT_AVAILABLE, placed(world, "g"));
    EXPECT_EQ("another log is loaded", ERROR_NONE, placed(world, "h"));
    EXPECT_EQ("and nothing else is kept", 1, groups_usage(world->groups).offsets);
    EXPECT_EQ("nor is its group", 1, groups_usage(world->groups).groups);
    EXPECT_EQ("which has room", ERROR_NONE, world_commits(world, &(struct commit){ "h", "", -1, "t", 1, 1 }));
    world_free(world);
}

static const char *const three[] = { "g", "h", "i" };

/* In which order they are served after a restart: indexes of `three`, each one digit. `hurried` is asked for when the
 * first of them is being read. */
static uint32_t order_of(struct world *world, const char *hurried)
{
    uint32_t order = 0, served = 0;

    world_restart(world);
    for (uint32_t steps = 0; steps < 1000 && served < 7; steps++) {
        world_step(world);
        if (steps == 0 && hurried != NULL) groups_hurry(world->groups, text_of(hurried));
        for (uint32_t i = 0; i < 3; i++) {
            if ((served >> i & 1) != 0 || placed(world, three[i]) != ERROR_NONE) continue;
            served |= 1u << i;
            order = order * 10 + i;
        }
    }
    return order;
}

TEST(who_is_asked_for_is_read_before_the_others)
{
    struct world *world = with_two_groups();

    world_commits(world, &(struct commit){ "i", "", -1, "t", 0, 1 });
    CHECK(world_log_of(world, "i") != world_log_of(world, "g") && world_log_of(world, "i") != world_log_of(world, "h"));
    for (uint32_t i = 0; i < 3; i++) world->logs->logs[world_log_of(world, three[i])].on_disk = true;
    const uint32_t order = order_of(world, NULL), first = order / 100, second = order / 10 % 10, last = order % 10;
    EXPECT_EQ("whoever is last, and asked for, is second", first * 100 + last * 10 + second,
              order_of(world, three[last]));
    EXPECT_EQ("who is second is", order, order_of(world, three[second]));
    world_free(world);
}
