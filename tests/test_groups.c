/* Consumer groups: who is in one, which generation it is in, and what it has committed. */
#include "groups_world.h"

/* ---- one member ---- */

TEST(a_member_comes_gets_its_share_and_goes)
{
    struct world *world = world_new();
    const struct heard joined = world_enter(world, 1, &(struct asked){ 0 });

    EXPECT_EQ("joined", ERROR_NONE, joined.error);
    EXPECT_EQ("the first generation", 1, joined.generation);
    EXPECT("it leads", strcmp(joined.leader, joined.member) == 0);
    EXPECT("its id begins with its client's", strncmp(joined.member, "client-", 7) == 0);
    EXPECT_EQ("and a uuid", 7 + 36, strlen(joined.member));
    EXPECT_EQ("the leader is told who is there", 1, joined.members);
    EXPECT("an assignment is awaited", strcmp(world_state(world, "g"), "CompletingRebalance") == 0);
    const struct heard synced = world_sync(world, 1, joined.member, 1, (const char *[]){ joined.member }, 1);
    EXPECT_EQ("assigned", ERROR_NONE, synced.error);
    EXPECT("what the leader said", strcmp(synced.assignment, "0") == 0);
    EXPECT("settled", strcmp(world_state(world, "g"), "Stable") == 0);
    EXPECT_EQ("it is alive", ERROR_NONE, world_beat(world, joined.member, 1));
    EXPECT_EQ("and goes", ERROR_NONE, world_leave(world, joined.member, NULL));
    EXPECT("nobody is left", strcmp(world_state(world, "g"), "Empty") == 0);
    EXPECT_EQ("nor known", ERROR_UNKNOWN_MEMBER_ID, world_beat(world, joined.member, 1));
    world_free(world);
}

/* What a JoinGroup is answered at once, in a group "g" of one member at rest ("$"), and others that are not there. */
static const struct join_row {
    const char *why;
    struct asked asked;
    enum error error;
} join_rows[] = {
    { "no group", { .group = "" }, ERROR_INVALID_GROUP_ID },
    { "a session that is too short", { .session_ms = 5999 }, ERROR_INVALID_SESSION_TIMEOUT },
    { "a session that is too long", { .session_ms = 1800001 }, ERROR_INVALID_SESSION_TIMEOUT },
    { "the shortest session", { .session_ms = 6000, .version = 4 }, ERROR_MEMBER_ID_REQUIRED },
    { "no protocol", { .protocol = "" }, ERROR_INCONSISTENT_GROUP_PROTOCOL },
    { "none that all support", { .protocol = "sticky" }, ERROR_INCONSISTENT_GROUP_PROTOCOL },
    { "one that all support", { .protocol = "sticky,range", .version = 4 }, ERROR_MEMBER_ID_REQUIRED },
    { "an id that nobody gave", { .member = "me" }, ERROR_UNKNOWN_MEMBER_ID },
    { "in a group that is not there", { .group = "other", .member = "me" }, ERROR_UNKNOWN_MEMBER_ID },
    { "an instance that is not there", { .member = "$", .instance = "i" }, ERROR_UNKNOWN_MEMBER_ID },
    { "a new member has to come back", { .version = 4 }, ERROR_MEMBER_ID_REQUIRED },
    { "of another group, too", { .group = "other", .version = 9 }, ERROR_MEMBER_ID_REQUIRED },
};

TEST(joins_are_judged)
{
    FOR_EACH(join_row, row, join_rows) {
        struct world *world = world_new();
        const struct heard here = world_enter(world, 1, &(struct asked){ 0 });
        struct asked asked = row->asked;
        world_sync(world, 1, here.member, 1, (const char *[]){ here.member }, 1);
        if (asked.member != NULL && asked.member[0] == '$') asked.member = here.member;
        const struct heard heard = world_join(world, 2, &asked);
        EXPECT_EQ(row->why, row->error, heard.error);
        EXPECT(row->why, !heard.waits);
        EXPECT("nobody is disturbed by it", strcmp(world_state(world, "g"), "Stable") == 0);
        EXPECT("nothing is left of a refusal",
               row->error == ERROR_MEMBER_ID_REQUIRED || strcmp(world_state(world, "other"), "none") == 0);
        world_free(world);
    }
}

TEST(who_was_promised_an_id_is_waited_for)
{
    struct world *world = world_new();
    const struct heard one = world_enter(world, 1, &(struct asked){ 0 });
    const struct heard promised = world_join(world, 2, &(struct asked){ .version = 4 });

    EXPECT_EQ("an id first", ERROR_MEMBER_ID_REQUIRED, promised.error);
    EXPECT_EQ("it is no member yet", ERROR_UNKNOWN_MEMBER_ID, world_beat(world, promised.member, 1));
    EXPECT("who joins meanwhile waits for it",
           world_join(world, 1, &(struct asked){ .member = one.member, .metadata = "n" }).waits);
    const struct heard joined = world_enter(world, 2, &(struct asked){ .member = promised.member, .version = 4 });
    EXPECT_EQ("who comes back", ERROR_NONE, joined.error);
    EXPECT("with that id", strcmp(joined.member, promised.member) == 0);
    EXPECT_EQ("both are in one generation", 2, world_joined(world, 1, 3).generation);
    world_free(world);
}

TEST(a_promise_does_not_last)
{
    struct world *world = world_new();
    const struct heard promised = world_join(world, 1, &(struct asked){ .version = 4, .session_ms = 6000 });

    world_pass(world, 6001);
    EXPECT_EQ("too late", ERROR_UNKNOWN_MEMBER_ID,
              world_join(world, 1, &(struct asked){ .member = promised.member, .version = 4 }).error);
    EXPECT("and nothing is left", strcmp(world_state(world, "g"), "none") == 0);
    world_free(world);
}

/* ---- several ---- */

TEST(members_come_and_go)
{
    struct world *world = world_new();
    const struct pair pair = pair_at_rest(world, &(struct asked){ 0 }, &(struct asked){ 0 });

    EXPECT_EQ("the second generation", 2, pair.generation);
    EXPECT_EQ("at rest", 1, groups_usage(world->groups).stable);
    EXPECT_EQ("one goes", ERROR_NONE, world_leave(world, pair.one.member, NULL));
    EXPECT_EQ("the other is told", ERROR_REBALANCE_IN_PROGRESS, world_beat(world, pair.two.member, 2));
    EXPECT_EQ("and so is whoever counts", 1, groups_usage(world->groups).preparing);
    EXPECT_EQ("and gets no assignment meanwhile", ERROR_REBALANCE_IN_PROGRESS,
              world_sync(world, 2, pair.two.member, 2, NULL, 0).error);
    const struct heard alone = world_enter(world, 2, &(struct asked){ .member = pair.two.member });
    EXPECT_EQ("a generation of one", 3, alone.generation);
    EXPECT("who leads now", strcmp(alone.leader, pair.two.member) == 0);
    EXPECT_EQ("the last one's is over", ERROR_ILLEGAL_GENERATION, world_beat(world, pair.two.member, 2));
    world_free(world);
}

TEST(an_assignment_is_made_once)
{
    struct world *world = world_new();
    const struct heard one = world_enter(world, 1, &(struct asked){ 0 });
    const char *names[] = { one.member, "nobody" }, *others[] = { "nobody", one.member };

    world->slow = true;
    EXPECT("on its way", world_sync(world, 1, one.member, 1, names, 2).waits);
    EXPECT("asked again, and otherwise", world_sync(world, 2, one.member, 1, others, 2).waits);
    EXPECT_EQ("who asked first has given up", ERROR_REBALANCE_IN_PROGRESS, world_synced(world, 1).error);
    world->slow = false;
    world_run(world);
    EXPECT("what was said first holds", strcmp(world_synced(world, 2).assignment, "0") == 0);
    world_restart(world);
    world_run(world);
    EXPECT("and is what the log has", strcmp(world_sync(world, 1, one.member, 1, NULL, 0).assignment, "0") == 0);
    world_free(world);
}

TEST(who_is_silent_is_out)
{
    struct world *world = world_new();
    const struct pair pair =
        pair_at_rest(world, &(struct asked){ .session_ms = 30000 }, &(struct asked){ .session_ms = 10000 });

    world_pass(world, 9000);
    EXPECT_EQ("in time", ERROR_NONE, world_beat(world, pair.two.member, 2));
    world_pass(world, 9000);
    EXPECT_EQ("still there", ERROR_NONE, world_beat(world, pair.one.member, 2));
    world_pass(world, 2000);
    EXPECT_EQ("one is missed", ERROR_REBALANCE_IN_PROGRESS, world_beat(world, pair.one.member, 2));
    EXPECT_EQ("and not known any more", ERROR_UNKNOWN_MEMBER_ID, world_beat(world, pair.two.member, 2));
    world_free(world);
}

TEST(who_does_not_join_again_is_out)
{
    struct world *world = world_new();
    const struct pair pair = pair_at_rest(world, &(struct asked){ .rebalance_ms = 5000, .session_ms = 60000 },
                                          &(struct asked){ .rebalance_ms = 7000, .session_ms = 60000 });

    EXPECT("a third one comes", world_join(world, 3, &(struct asked){ .rebalance_ms = 1000 }).waits);
    EXPECT("one of the two joins", world_join(world, 1, &(struct asked){ .member = pair.one.member }).waits);
    world_pass(world, 6999);
    EXPECT("the longest time that one wants counts", !world->ready[1] && !world->ready[3]);
    world_pass(world, 1);
    EXPECT_EQ("then it goes on without him", 3, world_joined(world, 1, 3).generation);
    EXPECT_EQ("with all that came", 3, world_joined(world, 3, 3).generation);
    EXPECT_EQ("he is out", ERROR_UNKNOWN_MEMBER_ID, world_beat(world, pair.two.member, 2));
    world_free(world);
}

TEST(a_leader_that_says_nothing_is_out)
{
    struct world *world = world_new();
    const struct heard one = world_enter(world, 1, &(struct asked){ .rebalance_ms = 5000, .session_ms = 60000 });

    EXPECT("another one comes", world_join(world, 2, &(struct asked){ .rebalance_ms = 5000 }).waits);
    EXPECT_EQ("the leader hears of it", ERROR_REBALANCE_IN_PROGRESS, world_beat(world, one.member, 1));
    world_enter(world, 1, &(struct asked){ .member = one.member, .rebalance_ms = 5000, .session_ms = 60000 });
    const struct heard two = world_joined(world, 2, 3);
    EXPECT("it does not say who shall read what", world_sync(world, 2, two.member, 2, NULL, 0).waits);
    world_pass(world, 4999);
    EXPECT("it has its time", !world->ready[2]);
    world_pass(world, 1);
    EXPECT_EQ("and is given up", ERROR_REBALANCE_IN_PROGRESS, world_synced(world, 2).error);
    EXPECT_EQ("so that others lead", ERROR_UNKNOWN_MEMBER_ID, world_beat(world, one.member, 2));
    EXPECT_EQ("the next generation", 3, world_enter(world, 2, &(struct asked){ .member = two.member }).generation);
    world_free(world);
}

TEST(the_first_rebalance_waits_for_more)
{
    struct world *world = world_new();

    world_config(world, "group.initial.rebalance.delay.ms", "3000");
    EXPECT("one", world_join(world, 1, &(struct asked){ 0 }).waits);
    world_pass(world, 2000);
    EXPECT("two", world_join(world, 2, &(struct asked){ 0 }).waits);
    world_pass(world, 2000);
    EXPECT("more may follow", !world->ready[1] && !world->ready[2]);
    world_pass(world, 2000);
    EXPECT_EQ("nobody did", 1, world_joined(world, 1, 3).generation);
    EXPECT_EQ("so all are in the first", 1, world_joined(world, 2, 3).generation);
    world_free(world);
}

/* Which protocol a group of two agrees on. */
static const struct vote_row {
    const char *why;
    const char *one, *two, *chosen;
} vote_rows[] = {
    { "the only one", "range", "range", "range" },
    { "what both support", "range,sticky", "sticky", "sticky" },
    { "what more like best", "range,sticky", "sticky,range", "range" }, /* one voice each: the first member's order */
    { "not what one alone has", "odd,range", "range,even", "range" },
};

TEST(members_agree_on_a_protocol)
{
    FOR_EACH(vote_row, row, vote_rows) {
        struct world *world = world_new();
        const struct pair pair =
            pair_at_rest(world, &(struct asked){ .protocol = row->one }, &(struct asked){ .protocol = row->two });
        EXPECT(row->why, strcmp(pair.one.protocol, row->chosen) == 0);
        EXPECT(row->why, strcmp(pair.two.protocol, row->chosen) == 0);
        world_free(world);
    }
}

/* A member of a pair at rest joins again, unasked. */
static const struct again_row {
    const char *why;
    bool leader;
    const char *metadata;
    bool rebalances;
} again_rows[] = {
    { "a follower that only asks", false, "m", false },
    { "a follower that wants something else", false, "n", true },
    { "the leader always means it", true, "m", true },
};

TEST(joining_again_may_mean_something)
{
    FOR_EACH(again_row, row, again_rows) {
        struct world *world = world_new();
        const struct pair pair = pair_at_rest(world, &(struct asked){ 0 }, &(struct asked){ 0 });
        const struct asked asked = { .member = row->leader ? pair.one.member : pair.two.member,
                                     .metadata = row->metadata };
        EXPECT_EQ(row->why, row->rebalances, world_join(world, 3, &asked).waits);
        EXPECT_EQ(row->why, row->rebalances, strcmp(world_state(world, "g"), "PreparingRebalance") == 0);
        world_free(world);
    }
}

TEST(a_group_has_a_largest_size)
{
    struct world *world = world_new();

    world_config(world, "group.max.size", "2");
    const struct pair pair = pair_at_rest(world, &(struct asked){ 0 }, &(struct asked){ 0 });
    EXPECT_EQ("a third is one too many", ERROR_GROUP_MAX_SIZE_REACHED,
              world_join(world, 3, &(struct asked){ 0 }).error);
    EXPECT("who is in may join again", world_join(world, 1, &(struct asked){ .member = pair.one.member }).waits);
    world_free(world);
}

TEST(whose_link_is_gone_is_not_waited_for_for_ever)
{
    struct world *world = world_new();
    const struct pair pair =
        pair_at_rest(world, &(struct asked){ .rebalance_ms = 300000, .session_ms = 300000 }, &(struct asked){ 0 });

    EXPECT("a third comes", world_join(world, 3, &(struct asked){ .session_ms = 10000 }).waits);
    groups_forget(world->groups, 3); /* its connection is closed */
    EXPECT("the others join",
           world_join(world, 1, &(struct asked){ .member = pair.one.member, .session_ms = 300000 }).waits);
    EXPECT_EQ("all are there", 3, world_enter(world, 2, &(struct asked){ .member = pair.two.member }).generation);
    EXPECT_EQ("with the third, as far as anybody knows", 3, world_joined(world, 1, 3).members);
    world_pass(world, 10001);
    EXPECT_EQ("it is missed", ERROR_REBALANCE_IN_PROGRESS, world_beat(world, pair.one.member, 3));
    world_free(world);
}

/* ---- static members ---- */

TEST(a_static_member_comes_back_unnoticed)
{
    struct world *world = world_new();
    const struct pair pair =
        pair_at_rest(world, &(struct asked){ .instance = "a" }, &(struct asked){ .instance = "b" });
    const struct heard back = world_enter(world, 3, &(struct asked){ .instance = "b" });

    EXPECT_EQ("in the same generation", 2, back.generation);
    EXPECT("under a new id", strcmp(back.member, pair.two.member) != 0);
    EXPECT("with what it had", strcmp(world_sync(world, 3, back.member, 2, NULL, 0).assignment, "1") == 0);
    EXPECT_EQ("the others see nothing of it", ERROR_NONE, world_beat(world, pair.one.member, 2));
    struct heartbeat_request late = { .group_id = BYTES_LITERAL("g"),
                                      .generation_id = 2,
                                      .member_id = text_of(pair.two.member),
                                      .group_instance_id = BYTES_LITERAL("b") };
    EXPECT_EQ("its earlier life is fenced off", ERROR_FENCED_INSTANCE_ID, groups_heartbeat(world->groups, &late));
    world_free(world);
}

/* The leader comes back: whether it is told that it is one. */
static const struct static_row {
    const char *why;
    int16_t version;
    bool leads, skips;
} static_rows[] = {
    { "one that can skip the assignment", 9, true, true },
    { "one that cannot is to think that others lead", 8, false, false },
};

TEST(a_static_leader_assigns_nothing_anew)
{
    FOR_EACH(static_row, row, static_rows) {
        struct world *world = world_new();
        pair_at_rest(world, &(struct asked){ .instance = "a" }, &(struct asked){ .instance = "b" });
        const struct heard back = world_enter(world, 3, &(struct asked){ .instance = "a", .version = row->version });
        EXPECT_EQ(row->why, 2, back.generation);
        EXPECT_EQ(row->why, row->skips, back.skips);
        EXPECT_EQ(row->why, row->leads, strcmp(back.leader, back.member) == 0);
        EXPECT_EQ(row->why, row->leads ? 2 : 0, back.members);
        EXPECT("its share", strcmp(world_sync(world, 3, back.member, 2, NULL, 0).assignment, "0") == 0);
        world_free(world);
    }
}

TEST(a_static_member_that_wants_something_else_is_noticed)
{
    struct world *world = world_new();
    const struct pair pair =
        pair_at_rest(world, &(struct asked){ .instance = "a" }, &(struct asked){ .instance = "b" });

    EXPECT("it waits for a generation",
           world_join(world, 3, &(struct asked){ .instance = "b", .metadata = "n" }).waits);
    EXPECT_EQ("the others are told", ERROR_REBALANCE_IN_PROGRESS, world_beat(world, pair.one.member, 2));
    world_free(world);
}

TEST(an_administrator_sends_a_static_member_away)
{
    struct world *world = world_new();
    const struct pair pair =
        pair_at_rest(world, &(struct asked){ .instance = "a" }, &(struct asked){ .instance = "b" });

    EXPECT_EQ("not there", ERROR_UNKNOWN_MEMBER_ID, world_leave(world, "", "c"));
    EXPECT_EQ("another one's id", ERROR_FENCED_INSTANCE_ID, world_leave(world, pair.one.member, "b"));
    EXPECT_EQ("by its name alone", ERROR_NONE, world_leave(world, "", "b"));
    EXPECT_EQ("the group is told", ERROR_REBALANCE_IN_PROGRESS, world_beat(world, pair.one.member, 2));
    world_free(world);
}

TEST(static_members_are_waited_for_as_long_as_their_sessions_last)
{
    struct world *world = world_new();
    const struct asked one = { .instance = "a", .session_ms = 150000, .rebalance_ms = 5000 };
    const struct asked two = { .instance = "b", .session_ms = 150000, .rebalance_ms = 5000 };
    const struct pair pair = pair_at_rest(world, &one, &two);

    const struct heard three = world_join(world, 3, &(struct asked){ .version = 4 });
    EXPECT("another one comes", world_join(world, 3, &(struct asked){ .version = 4, .member = three.member }).waits);
    EXPECT_EQ("and goes", ERROR_NONE, world_leave(world, three.member, NULL));
    world_pass(world, 60000);
    EXPECT("nobody is there", strcmp(world_state(world, "g"), "PreparingRebalance") == 0);
    EXPECT_EQ("but known", ERROR_REBALANCE_IN_PROGRESS, world_beat(world, pair.one.member, 2));
    EXPECT_EQ("both of them", ERROR_REBALANCE_IN_PROGRESS, world_beat(world, pair.two.member, 2));
    world_pass(world, 200000);
    EXPECT("but not for ever", strcmp(world_state(world, "g"), "Empty") == 0);
    world_free(world);
}

/* ---- what is committed ---- */

TEST(nothing_is_told_before_it_is_committed)
{
    struct world *world = world_new();
    const struct heard one = world_enter(world, 1, &(struct asked){ 0 });

    world->slow = true;
    EXPECT("an assignment is to be durable first",
           world_sync(world, 1, one.member, 1, (const char *[]){ one.member }, 1).waits);
    EXPECT("and so is the generation", strcmp(world_state(world, "g"), "CompletingRebalance") == 0);
    EXPECT_EQ("it is alive meanwhile", ERROR_NONE, world_beat(world, one.member, 1));
    world_commit(world);
    world_run(world);
    EXPECT("then it is told", strcmp(world_synced(world, 1).assignment, "0") == 0);

    const struct commit commit = { "g", one.member, 1, "t", 0, 42 };
    EXPECT_EQ("an offset is taken", ERROR_NONE, world_send_commit(world, 2, &commit));
    EXPECT("and not answered", !world->ready[2]);
    EXPECT_EQ("nor shown", -1, world_offset(world, "g", "t", 0));
    world_commit(world);
    world_run(world);
    EXPECT_EQ("until it is committed", ERROR_NONE, world_outcome(world, 2));
    EXPECT_EQ("then it is", 42, world_offset(world, "g", "t", 0));
    world_free(world);
}

/* Who may commit, in a group of one member ("$", generation 1) in a state. */
enum { FREE = 1 << 0, EMPTY = 1 << 1, PREPARING = 1 << 2, COMPLETING = 1 << 3, STABLE = 1 << 4 };
static const struct commit_row {
    const char *why;
    unsigned states;
    const char *member;
    int32_t generation;
    enum error error;
} commit_rows[] = {
    { "nobody's, where there is no group", FREE, "", -1, ERROR_NONE },
    { "a member of no group", FREE, "me", 1, ERROR_ILLEGAL_GENERATION },
    { "nobody's, where nobody is", EMPTY, "", -1, ERROR_NONE },
    { "nobody's, where somebody is", PREPARING | COMPLETING | STABLE, "", -1, ERROR_UNKNOWN_MEMBER_ID },
    { "a stranger's", PREPARING | COMPLETING | STABLE, "me", 1, ERROR_UNKNOWN_MEMBER_ID },
    { "a member's", STABLE, "$", 1, ERROR_NONE },
    { "who is about to give up its share", PREPARING, "$", 1, ERROR_NONE },
    { "who does not know its share yet", COMPLETING, "$", 1, ERROR_REBALANCE_IN_PROGRESS },
    { "of an earlier generation", STABLE, "$", 0, ERROR_ILLEGAL_GENERATION },
    { "of none", STABLE, "$", -1, ERROR_ILLEGAL_GENERATION },
    { "who has left", EMPTY, "$", 1, ERROR_UNKNOWN_MEMBER_ID },
};

static struct heard group_in(struct world *world, unsigned state)
{
    struct heard one = { 0 };

    if (state == FREE) return one;
    one = world_enter(world, 1, &(struct asked){ 0 });
    if (state == COMPLETING) return one;
    world_sync(world, 1, one.member, 1, (const char *[]){ one.member }, 1);
    if (state == EMPTY) world_leave(world, one.member, NULL);
    if (state == PREPARING) world_join(world, 2, &(struct asked){ 0 });
    return one;
}

TEST(commits_are_judged)
{
    FOR_EACH(commit_row, row, commit_rows) {
        for (unsigned state = FREE; state <= STABLE; state <<= 1) {
            if ((row->states & state) == 0) continue;
            struct world *world = world_new();
            const struct heard one = group_in(world, state);
            const struct commit commit = {
                "g", row->member[0] == '$' ? one.member : row->member, row->generation, "t", 3, 10
            };
            EXPECT_EQ(row->why, row->error, world_commits(world, &commit));
            EXPECT_EQ(row->why, row->error == ERROR_NONE ? 10 : -1, world_offset(world, "g", "t", 3));
            world_free(world);
        }
    }
}

TEST(the_last_commit_counts)
{
    struct world *world = world_new();

    world->slow = true;
    world_send_commit(world, 1, &(struct commit){ "g", "", -1, "t", 0, 5 });
    world_send_commit(world, 2, &(struct commit){ "g", "", -1, "t", 0, 4 }); /* back on purpose */
    world_send_commit(world, 3, &(struct commit){ "g", "", -1, "u", 0, 9 });
    world_commit(world);
    EXPECT_EQ("in the log's order", 4, world_offset(world, "g", "t", 0));
    EXPECT_EQ("each partition its own", 9, world_offset(world, "g", "u", 0));
    EXPECT_EQ("two, not three", 2, groups_offset_count(world->groups, BYTES_LITERAL("g")));
    EXPECT_EQ("another group knows nothing", -1, world_offset(world, "h", "t", 0));
    world_free(world);
}

TEST(the_next_coordinator_knows_it_all)
{
    for (int where = 0; where < 3; where++) {
        struct world *world = world_new();
        const struct pair pair = pair_at_rest(world, &(struct asked){ .instance = "a" }, &(struct asked){ 0 });
        world_commits(world, &(struct commit){ "g", pair.two.member, 2, "t", 1, 77 });
        world_commits(world, &(struct commit){ "other", "", -1, "t", 1, 5 });
        for (uint32_t log = 0; log < FAKE_LOGS_MAX; log++) world->logs->logs[log].on_disk = where == 1;
        if (where == 2) world->logs->reads_waiting = 1;
        world_restart(world);
        EXPECT_EQ("not before it has read", ERROR_COORDINATOR_LOAD_IN_PROGRESS,
                  groups_place(world->groups, BYTES_LITERAL("g")));
        world_run(world);
        if (where == 2) {
            groups_on_ready(world->groups, GROUPS_WAITER);
            world_run(world);
        }
        EXPECT_EQ("offsets", 77, world_offset(world, "g", "t", 1));
        EXPECT_EQ("of all groups", 5, world_offset(world, "other", "t", 1));
        EXPECT_EQ("members go on as if nothing had been", ERROR_NONE, world_beat(world, pair.one.member, 2));
        EXPECT("with their shares", strcmp(world_sync(world, 2, pair.two.member, 2, NULL, 0).assignment, "1") == 0);
        EXPECT("and who leads",
               world_join(world, 1, &(struct asked){ .member = pair.one.member, .instance = "a" }).waits);
        EXPECT_EQ("nothing is lent any more", 0, world->logs->pins);
        world_free(world);
    }
}

TEST(what_compaction_left_is_enough)
{
    struct world *world = world_new();
    struct fake_log *log = &world->logs->logs[world_log_of(world, "g")];

    for (int64_t offset = 5; offset <= 7; offset++) {
        world_commits(world, &(struct commit){ "g", "", -1, "t", 0, offset });
    }
    free(log->batches[0].data);
    log->batches[0] = log->batches[1]; /* the middle one is all that is left */
    free(log->batches[2].data);
    log->batch_count = 1;
    world_restart(world);
    world_run(world);
    EXPECT_EQ("where nothing is left, nothing is missed", ERROR_NONE, groups_place(world->groups, BYTES_LITERAL("g")));
    EXPECT_EQ("what is left counts", 6, world_offset(world, "g", "t", 0));
    world_free(world);
}

TEST(members_have_their_time_after_a_failover)
{
    struct world *world = world_new();
    const struct pair pair = pair_at_rest(world, &(struct asked){ 0 }, &(struct asked){ 0 });

    world_pass(world, 9000);
    world_restart(world);
    world_pass(world, 9000);
    EXPECT_EQ("nobody could have heard of them before", ERROR_NONE, world_beat(world, pair.one.member, 2));
    world_pass(world, 1500);
    EXPECT_EQ("but then they are missed", ERROR_UNKNOWN_MEMBER_ID, world_beat(world, pair.two.member, 2));
    world_free(world);
}

TEST(what_is_not_committed_is_not_served)
{
    struct world *world = world_new();
    const uint32_t log = world_log_of(world, "g");

    world_commits(world, &(struct commit){ "g", "", -1, "t", 0, 5 });
    world->slow = true;
    world_send_commit(world, 1, &(struct commit){ "g", "", -1, "t", 0, 6 });
    world_restart(world);
    world_run(world);
    EXPECT_EQ("a successor may be without it", ERROR_COORDINATOR_LOAD_IN_PROGRESS,
              groups_place(world->groups, BYTES_LITERAL("g")));
    world->logs->logs[log].offsets.high_watermark = world->logs->logs[log].offsets.log_end_offset;
    world_run(world);
    EXPECT_EQ("now it may not", ERROR_NONE, groups_place(world->groups, BYTES_LITERAL("g")));
    EXPECT_EQ("so it holds", 6, world_offset(world, "g", "t", 0));
    world_free(world);
}

TEST(who_coordinates_no_more_says_so)
{
    struct world *world = world_new();
    const struct pair pair = pair_at_rest(world, &(struct asked){ 0 }, &(struct asked){ 0 });
    const uint32_t log = world_log_of(world, "g");

    world->slow = true;
    EXPECT_EQ("a commit is under way", ERROR_NONE,
              world_send_commit(world, 4, &(struct commit){ "g", pair.two.member, 2, "t", 0, 6 }));
    EXPECT("and a join", world_join(world, 1, &(struct asked){ .member = pair.one.member }).waits);
    const int64_t before = world->logs->logs[log].offsets.log_end_offset;
    world->replicas.partitions[log].unready = true; /* led by nobody, or elsewhere */
    groups_on_lost(world->groups, log);
    world_run(world);
    EXPECT_EQ("who joins is sent away", ERROR_NOT_COORDINATOR, world_joined(world, 1, 3).error);
    EXPECT_EQ("and who commits", ERROR_NOT_COORDINATOR, world_outcome(world, 4));
    EXPECT("as is who comes later", world_beat(world, pair.two.member, 2) == ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    EXPECT_EQ("nothing is kept", 0, groups_usage(world->groups).members);
    EXPECT_EQ("no group", 0, groups_usage(world->groups).groups);
    EXPECT_EQ("no offset", 0, groups_usage(world->groups).offsets);
    EXPECT_EQ("no text", 0, groups_usage(world->groups).memory_used);
    world->replicas.partitions[log].unready = false;
    world_run(world);
    EXPECT_EQ("when it comes back it reads again", ERROR_COORDINATOR_LOAD_IN_PROGRESS,
              groups_place(world->groups, BYTES_LITERAL("g")));
    world_commit(world);
    world_run(world);
    EXPECT_EQ("what the log had", 6, world_offset(world, "g", "t", 0));
    EXPECT_EQ("and writes nothing for that", before, world->logs->logs[log].offsets.log_end_offset);
    world_free(world);
}

TEST(a_log_that_cannot_be_read_is_not_served)
{
    struct world *world = world_new();

    world_commits(world, &(struct commit){ "g", "", -1, "t", 0, 5 });
    world->logs->logs[world_log_of(world, "g")].batches[0].data[70] ^= 1;
    world_restart(world);
    world_run(world);
    EXPECT_EQ("what is not known is not guessed", ERROR_COORDINATOR_NOT_AVAILABLE,
              groups_place(world->groups, BYTES_LITERAL("g")));
    EXPECT_EQ("and somebody is told", 1, world->notes);
    world_free(world);
}

TEST(where_too_few_replicas_are_nobody_waits)
{
    struct world *world = world_new();
    const uint32_t log = world_log_of(world, "g");

    world->slow = true;
    world_send_commit(world, 1, &(struct commit){ "g", "", -1, "t", 0, 5 });
    groups_on_min_isr_lost(world->groups, log);
    world_run(world);
    EXPECT_EQ("to be tried again", ERROR_COORDINATOR_NOT_AVAILABLE, world_outcome(world, 1));
    world->replicas.partitions[log].few = true;
    EXPECT_EQ("nothing more is appended", ERROR_COORDINATOR_NOT_AVAILABLE,
              world_send_commit(world, 1, &(struct commit){ "g", "", -1, "t", 0, 6 }));
    world_commit(world);
    EXPECT_EQ("what was, may be true later", 5, world_offset(world, "g", "t", 0));
    world_free(world);
}

TEST(logs_without_room_are_waited_for)
{
    struct world *world = world_new();
    const struct heard one = world_enter(world, 1, &(struct asked){ 0 });

    world->logs->appends_left = 0;
    EXPECT("no room for a generation", world_sync(world, 1, one.member, 1, (const char *[]){ one.member }, 1).waits);
    world->logs->appends_left = FAKE_NO_LIMIT;
    world_run(world);
    EXPECT("it is appended when there is", strcmp(world_synced(world, 1).assignment, "0") == 0);
    world_free(world);
}
