/* Groups of the newer protocol (KIP-848): what each heartbeat is answered, in each state, and after each loss. */
#include "codec/record_batch_builder.h"
#include "consumer_world.h"
#include "group/consumer_records.h"

/* A story: heartbeats one after the other, and what is told. A dash instead of an assignment: none is told. */
struct line {
    const char *why;
    struct beat beat;
    enum error error;
    int32_t epoch;
    const char *parts;
};

static void play_line(struct world *world, const struct line *line)
{
    const struct told told = world_beats(world, &line->beat);

    EXPECT(line->why, !told.waits);
    EXPECT_EQ(line->why, line->error, told.error);
    if (line->error != ERROR_NONE || told.error != ERROR_NONE) return;
    EXPECT_EQ(line->why, line->epoch, told.epoch);
    EXPECT_TEXT(line->why, line->parts, told.tells ? told.parts : "-");
}

#define PLAY(world, ...)                                                                                               \
    do {                                                                                                               \
        static const struct line lines[] = { __VA_ARGS__ };                                                            \
        FOR_EACH(line, line, lines) play_line((world), line);                                                          \
    } while (0)

/* "a" has all of "t". */
#define A_JOINS                                                                                                        \
    {                                                                                                                  \
        "who comes first has everything", { .member = "a", .topics = "t", .owned = "" }, 0, 1,                         \
            "t0 t1 t2 t3 t4 t5 t6 t7"                                                                                  \
    }
#define B_JOINS                                                                                                        \
    {                                                                                                                  \
        "who comes next has nothing yet", { .member = "b", .topics = "t", .owned = "" }, 0, 2, ""                      \
    }

/* Both have a half, in epoch 2. */
static void share(struct world *world)
{
    PLAY(world, A_JOINS, B_JOINS, { "the first is to give up", { .member = "a", .epoch = 1 }, 0, 1, "t4 t5 t6 t7" },
         { "as long as it has not, the other waits", { .member = "b", .epoch = 2 }, 0, 2, "-" },
         { "it has not said so", { .member = "a", .epoch = 1 }, 0, 1, "-" },
         { "it still has it", { .member = "a", .epoch = 1, .owned = "t0 t1 t2 t3 t4 t5 t6 t7" }, 0, 1, "-" },
         { "it has", { .member = "a", .epoch = 1, .owned = "t4 t5 t6 t7" }, 0, 2, "-" },
         { "now it is free", { .member = "b", .epoch = 2 }, 0, 2, "t0 t1 t2 t3" },
         { "nothing more happens", { .member = "b", .epoch = 2, .owned = "t0 t1 t2 t3" }, 0, 2, "-" });
}

static const char *state_of(const struct world *world)
{
    return world_state(world, "g");
}

TEST(members_share_what_they_subscribe_to)
{
    struct world *world = world_new();

    share(world);
    EXPECT_TEXT("at rest", "Stable", state_of(world));
    PLAY(world, { "one leaves", { .member = "a", .epoch = -1 }, 0, -1, "-" },
         { "the other has everything", { .member = "b", .epoch = 2 }, 0, 3, "t0 t1 t2 t3 t4 t5 t6 t7" });
    EXPECT_TEXT("at rest", "Stable", state_of(world));
    PLAY(world, { "the last one leaves", { .member = "b", .epoch = -1 }, 0, -1, "-" },
         { "twice", { .member = "b", .epoch = -1 }, ERROR_UNKNOWN_MEMBER_ID, 0, "" });
    EXPECT_TEXT("nobody is left", "Empty", state_of(world));
    world_free(world);
}

TEST(requests_that_are_wrong_are_told_so)
{
    struct world *world = world_new();

    PLAY(world, { "no group", { .member = "a", .epoch = 1 }, ERROR_GROUP_ID_NOT_FOUND, 0, "" },
         { "none to leave", { .member = "a", .epoch = -1 }, ERROR_GROUP_ID_NOT_FOUND, 0, "" },
         { "a group without a name",
           { .group = "", .member = "a", .topics = "t", .owned = "" },
           ERROR_INVALID_REQUEST,
           0,
           "" },
         { "a member without a name", { .member = "", .topics = "t", .owned = "" }, ERROR_INVALID_REQUEST, 0, "" },
         { "who joins says what it reads", { .member = "a", .owned = "" }, ERROR_INVALID_REQUEST, 0, "" },
         { "and has nothing", { .member = "a", .topics = "t", .owned = "t0" }, ERROR_INVALID_REQUEST, 0, "" },
         { "and says that it has nothing", { .member = "a", .topics = "t" }, ERROR_INVALID_REQUEST, 0, "" },
         { "an epoch that there is not", { .member = "a", .epoch = -3 }, ERROR_INVALID_REQUEST, 0, "" },
         { "who leaves for a while has an instance", { .member = "a", .epoch = -2 }, ERROR_INVALID_REQUEST, 0, "" },
         { "an assignor that there is not",
           { .member = "a", .topics = "t", .owned = "", .assignor = "sticky" },
           ERROR_UNSUPPORTED_ASSIGNOR,
           0,
           "" },
         { "no expression", { .member = "a", .regex = "(", .owned = "" }, ERROR_INVALID_REGULAR_EXPRESSION, 0, "" });
    EXPECT_TEXT("none of them made the group", "none", state_of(world));
    PLAY(world, A_JOINS, { "a stranger", { .member = "z", .epoch = 1 }, ERROR_UNKNOWN_MEMBER_ID, 0, "" },
         { "ahead of the group", { .member = "a", .epoch = 7 }, ERROR_FENCED_MEMBER_EPOCH, 0, "" },
         { "its answer was lost", { .member = "a", .topics = "t", .owned = "" }, 0, 1, "t0 t1 t2 t3 t4 t5 t6 t7" });
    share(world);
    PLAY(world, { "one epoch back, and less than it has", { .member = "a", .epoch = 1, .owned = "t4" }, 0, 2, "-" },
         { "one epoch back, and more than it has",
           { .member = "a", .epoch = 1, .owned = "t0" },
           ERROR_FENCED_MEMBER_EPOCH,
           0,
           "" },
         { "one epoch back, and it does not say what it has",
           { .member = "a", .epoch = 1 },
           ERROR_FENCED_MEMBER_EPOCH,
           0,
           "" });
    world_config(world, "group.consumer.max.size", "2");
    PLAY(world, { "it is full", { .member = "c", .topics = "t", .owned = "" }, ERROR_GROUP_MAX_SIZE_REACHED, 0, "" },
         { "for strangers", { .member = "a", .epoch = 2 }, 0, 2, "-" });
    world_free(world);
}

TEST(an_older_version_gets_its_id)
{
    struct world *world = world_new();
    const struct told told =
        world_beats(world, &(struct beat){ .member = "", .topics = "t", .owned = "", .old = true });

    EXPECT_EQ("it is a member", ERROR_NONE, told.error);
    EXPECT_EQ("with an id", 36, strlen(told.member));
    const struct told again = world_beats(world, &(struct beat){ .member = told.member, .epoch = 1, .old = true });
    EXPECT_EQ("that it is known by", 1, again.epoch);
    world_free(world);
}

TEST(silence_and_slowness_end_a_membership)
{
    struct world *world = world_new();

    share(world);
    world_pass(world, 44000);
    PLAY(world, { "nearly too late", { .member = "a", .epoch = 2 }, 0, 2, "-" });
    world_pass(world, 1000);
    PLAY(world, { "the silent one is out", { .member = "b", .epoch = 2 }, ERROR_UNKNOWN_MEMBER_ID, 0, "" },
         { "the other has its share", { .member = "a", .epoch = 2 }, 0, 3, "t0 t1 t2 t3 t4 t5 t6 t7" },
         { "who comes", { .member = "c", .topics = "t", .owned = "" }, 0, 4, "" },
         { "is to be given a half", { .member = "a", .epoch = 3 }, 0, 3, "t4 t5 t6 t7" });
    for (uint32_t i = 0; i < 2; i++) {
        world_pass(world, 29000);
        PLAY(world, { "it says that it is there, and not that it has", { .member = "a", .epoch = 3 }, 0, 3, "-" },
             { "the other waits", { .member = "c", .epoch = 4 }, 0, 4, "-" });
    }
    world_pass(world, 2000);
    PLAY(world, { "it was too slow", { .member = "a", .epoch = 3 }, ERROR_UNKNOWN_MEMBER_ID, 0, "" },
         { "and the other has everything", { .member = "c", .epoch = 4 }, 0, 5, "t0 t1 t2 t3 t4 t5 t6 t7" });
    world_free(world);
}

/* What is set for a group holds for its members, and not for those of others. */
TEST(a_group_may_have_a_session_of_its_own)
{
    struct world *world = world_new();
    uint8_t memory[256];
    struct proposal proposal = proposal_in(memory, sizeof memory);

    proposal_add_group_config(&proposal, &(struct metadata_group_config_record){ .group = text_of("g"),
                                                                                 .setting = GROUP_SESSION_TIMEOUT_MS,
                                                                                 .value = 50000 });
    world_apply(world, &proposal);
    PLAY(world, A_JOINS,
         { "one of another group",
           { .member = "z", .topics = "u", .owned = "", .group = "h" },
           0,
           1,
           "u0 u1 u2 u3 u4 u5 u6 u7" });
    world_pass(world, 49000);
    PLAY(world, { "it has more time", { .member = "a", .epoch = 1 }, 0, 1, "-" },
         { "than the other had", { .member = "z", .epoch = 1, .group = "h" }, ERROR_UNKNOWN_MEMBER_ID, 0, "" });
    world_pass(world, 50000);
    PLAY(world, { "but not for ever", { .member = "a", .epoch = 1 }, ERROR_UNKNOWN_MEMBER_ID, 0, "" });
    world_free(world);
}

TEST(static_members_keep_their_share)
{
    struct world *world = world_new();

    PLAY(world,
         { "one comes",
           { .member = "a", .topics = "t", .owned = "", .instance = "i" },
           0,
           1,
           "t0 t1 t2 t3 t4 t5 t6 t7" },
         { "its instance is taken",
           { .member = "b", .topics = "t", .owned = "", .instance = "i" },
           ERROR_UNRELEASED_INSTANCE_ID,
           0,
           "" },
         { "it leaves for a while", { .member = "a", .epoch = -2, .instance = "i" }, 0, -2, "-" },
         { "nobody else gets it", { .member = "c", .topics = "t", .owned = "" }, 0, 2, "" },
         { "it comes back as another one",
           { .member = "b", .topics = "t", .owned = "", .instance = "i" },
           0,
           2,
           "t4 t5 t6 t7" },
         { "and the first is none any more",
           { .member = "a", .epoch = 1, .instance = "i" },
           ERROR_FENCED_INSTANCE_ID,
           0,
           "" },
         { "what it gave up is the other's", { .member = "c", .epoch = 2 }, 0, 2, "t0 t1 t2 t3" },
         { "an instance that nobody has",
           { .member = "b", .epoch = 2, .instance = "j" },
           ERROR_UNKNOWN_MEMBER_ID,
           0,
           "" },
         { "it leaves again", { .member = "b", .epoch = -2, .instance = "i" }, 0, -2, "-" },
         { "and is not heard in between",
           { .member = "b", .epoch = 2, .instance = "i" },
           ERROR_FENCED_MEMBER_EPOCH,
           0,
           "" });
    world_restart(world);
    world_run(world);
    world_pass(world, 40000);
    PLAY(world, { "a session begins anew with a coordinator", { .member = "c", .epoch = 2 }, 0, 2, "-" });
    world_pass(world, 5000);
    PLAY(world, { "it has not come back", { .member = "c", .epoch = 2 }, 0, 3, "t0 t1 t2 t3 t4 t5 t6 t7" });
    world_free(world);
}

TEST(a_group_follows_its_topics)
{
    struct world *world = world_new();

    PLAY(world, { "a topic that is not there yet",
                  { .member = "a", .topics = "v t", .owned = "" },
                  0,
                  1,
                  "t0 t1 t2 t3 t4 t5 t6 t7" });
    world_topic(world, "v", 2);
    PLAY(world, { "now it is", { .member = "a", .epoch = 1 }, 0, 2, "t0 t1 t2 t3 t4 t5 t6 t7 v0 v1" },
         { "it subscribes to something else", { .member = "a", .epoch = 2, .topics = "v" }, 0, 2, "v0 v1" },
         { "and has given it up", { .member = "a", .epoch = 2, .owned = "v0 v1" }, 0, 3, "-" },
         { "to the same, said again", { .member = "a", .epoch = 3, .topics = "v" }, 0, 3, "-" },
         { "to nothing", { .member = "a", .epoch = 3, .topics = "" }, 0, 3, "" },
         { "and has nothing", { .member = "a", .epoch = 3, .owned = "" }, 0, 4, "-" });
    world_free(world);
}

TEST(a_group_follows_its_expressions)
{
    struct world *world = world_new();

    PLAY(world, { "topics of one letter, and not ours",
                  { .member = "a", .regex = "[t-v]", .owned = "" },
                  0,
                  1,
                  "t0 t1 t2 t3 t4 t5 t6 t7 u0 u1 u2 u3 u4 u5 u6 u7" });
    world_topic(world, "v", 1);
    PLAY(world,
         { "one comes", { .member = "a", .epoch = 1 }, 0, 2, "t0 t1 t2 t3 t4 t5 t6 t7 u0 u1 u2 u3 u4 u5 u6 u7 v0" });
    world_restart(world);
    world_run(world);
    PLAY(
        world, { "the next coordinator knows", { .member = "a", .epoch = 2 }, 0, 2, "-" },
        { "another one", { .member = "a", .epoch = 2, .regex = "u|v" }, 0, 2, "u0 u1 u2 u3 u4 u5 u6 u7 v0" },
        { "it has given up the rest", { .member = "a", .epoch = 2, .owned = "u0 u1 u2 u3 u4 u5 u6 u7 v0" }, 0, 3, "-" },
        { "both", { .member = "a", .epoch = 3, .regex = "v", .topics = "v" }, 0, 3, "v0" },
        { "names alone", { .member = "a", .epoch = 3, .regex = "", .topics = "v", .owned = "v0" }, 0, 5, "-" });
    world_free(world);
}

TEST(members_vote_for_an_assignor)
{
    struct world *world = world_new();

    PLAY(world,
         { "range",
           { .member = "b", .topics = "t", .owned = "", .assignor = "range" },
           0,
           1,
           "t0 t1 t2 t3 t4 t5 t6 t7" },
         { "the first by name has the first half",
           { .member = "a", .topics = "t", .owned = "", .assignor = "range" },
           0,
           2,
           "" },
         { "the other the second", { .member = "b", .epoch = 1 }, 0, 1, "t4 t5 t6 t7" });
    EXPECT_TEXT("the group's", "range", groups_view(world->groups, groups_find(world->groups, text_of("g"))).assignor);
    world_free(world);
}

/* The whole story again after the coordinator was lost, at each point of it. */
TEST(the_next_coordinator_goes_on)
{
    static const struct line lines[] = {
        A_JOINS,
        B_JOINS,
        { "the first is to give up", { .member = "a", .epoch = 1 }, 0, 1, "t4 t5 t6 t7" },
        { "it has", { .member = "a", .epoch = 1, .owned = "t4 t5 t6 t7" }, 0, 2, "-" },
        { "now it is free", { .member = "b", .epoch = 2 }, 0, 2, "t0 t1 t2 t3" },
        { "one leaves", { .member = "a", .epoch = -1 }, 0, -1, "-" },
        { "the other has everything", { .member = "b", .epoch = 2 }, 0, 3, "t0 t1 t2 t3 t4 t5 t6 t7" },
        { "the last one leaves", { .member = "b", .epoch = -1 }, 0, -1, "-" },
        { "and comes back", { .member = "b", .topics = "t", .owned = "" }, 0, 5, "t0 t1 t2 t3 t4 t5 t6 t7" },
    };
    enum { LINE_COUNT = sizeof lines / sizeof lines[0] };

    for (uint32_t lost = 0; lost < LINE_COUNT; lost++) {
        struct world *world = world_new();
        for (uint32_t i = 0; i < LINE_COUNT; i++) {
            play_line(world, &lines[i]);
            if (i != lost) continue;
            world_restart(world);
            world_run(world);
        }
        world_free(world);
    }
}

/* ---- logs that nobody should have written ---- */

static void put_record(struct record_batch_builder *builder, enum record_kind kind, const char *name,
                       const struct writer *value)
{
    uint8_t bytes[64];
    struct writer key = writer_of(bytes, sizeof bytes);

    record_key_write(&key, &(struct record_key){ .kind = kind, .group_id = text_of("g"), .name = text_of(name) });
    EXPECT("fits", record_batch_builder_add(
                       builder, &(struct record_input){ .key = writer_written(&key), .value = writer_written(value) }));
}

static void put_member(struct record_batch_builder *builder, const char *name, struct part_list assigned,
                       struct part_list revoking)
{
    uint8_t bytes[256];
    static const uint8_t topics[] = { 0, 1, 't' };
    struct writer value = writer_of(bytes, sizeof bytes);

    consumer_member_value_write(&value, &(struct consumer_member_value){ .client_id = text_of("c"),
                                                                         .client_host = text_of("/h"),
                                                                         .topics.texts = { topics, sizeof topics },
                                                                         .rebalance_ms = 1000 });
    put_record(builder, RECORD_CONSUMER_MEMBER, name, &value);
    value = writer_of(bytes, sizeof bytes);
    current_member_value_write(&value, &(struct member_standing){ MEMBER_STABLE, 4, 3, assigned, revoking });
    put_record(builder, RECORD_CURRENT_MEMBER, name, &value);
}

/* Two members have the same, and one of them is to give it up, too: the last word holds. */
TEST(a_log_that_contradicts_itself_is_made_sense_of)
{
    struct world *world = world_new();
    const uint32_t log = world_log_of(world, "g");
    static uint8_t memory[4096];
    struct record_batch_builder builder;
    struct record_batch batch;
    struct append_answer answer;
    struct part list[2] = { { world_id("t"), 0 }, { world_id("t"), 1 } };

    record_batch_builder_init(&builder, memory, sizeof memory);
    put_member(&builder, "a", (struct part_list){ list, 2 }, (struct part_list){ 0 });
    put_member(&builder, "b", (struct part_list){ list, 1 }, (struct part_list){ list, 1 });
    EXPECT_EQ("whole", RECORD_BATCH_WHOLE, record_batch_read(record_batch_builder_end(&builder), &batch));
    EXPECT_EQ("in the log", APPEND_OK, logs_append(world->logs, log, &batch, 3, -1, 0, &answer));
    world_commit(world);
    world_restart(world);
    world_run(world);
    const uint32_t group = groups_find(world->groups, text_of("g"));
    char had[64];
    struct consumer_view view;
    const uint32_t first = groups_next_consumer(world->groups, group, GROUP_NONE, &view);
    world_say_parts(world, view.assignment, had, sizeof had);
    EXPECT_TEXT("one has less than was said", "t1", had);
    EXPECT("there is another one", groups_next_consumer(world->groups, group, first, &view) != GROUP_NONE);
    world_say_parts(world, view.assignment, had, sizeof had);
    EXPECT_TEXT("who has it", "t0", had);
    PLAY(world, { "the group goes on", { .member = "a", .epoch = 4, .owned = "t1" }, 0, 4, "" },
         { "with what is free", { .member = "a", .epoch = 4, .owned = "" }, 0, 5, "t2 t4 t6" });
    world_free(world);
}

/* ---- what is committed ---- */

TEST(answers_wait_for_the_log)
{
    struct world *world = world_new();
    const struct beat joins = { .member = "a", .topics = "t", .owned = "" };
    const struct beat stays = { .member = "a", .epoch = 1 };

    world->slow = true;
    EXPECT("it waits", world_beats(world, &joins).waits);
    EXPECT("so does who asks again", world_send_beat(world, 1, &stays).waits);
    world_run(world);
    EXPECT("still", !world->ready[1] && !world->ready[BEAT_WAITER]);
    world_commit(world);
    world_run(world);
    EXPECT("both are told when it is committed", world->ready[1] && world->ready[BEAT_WAITER]);
    EXPECT_EQ("that all is well", ERROR_NONE, groups_outcome(world->groups, 1));
    groups_forget(world->groups, 1);
    groups_forget(world->groups, BEAT_WAITER);
    EXPECT("who changes nothing does not wait", !world_beats(world, &stays).waits);
    const struct beat leaves = { .member = "a", .epoch = -1 };
    EXPECT("who leaves does", world_beats(world, &leaves).waits);
    world_pass(world, 5000);
    EXPECT("not for ever", world->ready[BEAT_WAITER]);
    EXPECT_EQ("it may ask again", ERROR_COORDINATOR_NOT_AVAILABLE, groups_outcome(world->groups, BEAT_WAITER));
    groups_forget(world->groups, BEAT_WAITER);
    EXPECT("one more", world_beats(world, &joins).waits);
    groups_on_lost(world->groups, world_log_of(world, "g"));
    world_step(world);
    EXPECT("the partition is lost", world->ready[BEAT_WAITER]);
    EXPECT_EQ("it is told so", ERROR_NOT_COORDINATOR, groups_outcome(world->groups, BEAT_WAITER));
    groups_forget(world->groups, BEAT_WAITER);
    world->slow = false;
    world_run(world);
    world_free(world);
}

TEST(many_heartbeats_are_one_batch)
{
    struct world *world = world_new();
    const uint32_t log = world_log_of(world, "g");
    static const char *const names[] = { "a", "b", "c", "d", "e", "f" };

    const int64_t before = world->logs->logs[log].offsets.log_end_offset;
    for (uint32_t i = 0; i < 6; i++) {
        const struct beat joins = { .member = names[i], .topics = "t", .owned = "" };
        EXPECT("each waits", world_send_beat(world, 1 + i, &joins).waits);
    }
    world_run(world);
    for (uint32_t i = 0; i < 6; i++) {
        EXPECT("each is told", world->ready[1 + i]);
        groups_forget(world->groups, 1 + i);
    }
    /* Each says who it is, has a target and something; the group has two epochs. */
    EXPECT_EQ("by one batch", before + 20, world->logs->logs[log].offsets.log_end_offset);
    world_free(world);
}

TEST(what_administrators_see_is_committed)
{
    struct world *world = world_new();
    const struct beat joins = { .member = "a", .topics = "t", .owned = "" },
                      other = { .member = "z", .topics = "u", .owned = "", .group = "h" };

    world_beats(world, &joins);
    const uint32_t group = groups_find(world->groups, text_of("g"));
    EXPECT("nothing is under way", !groups_hold(world->groups, group, 1, true));
    world->slow = true;
    world_send_beat(world, 2, &(struct beat){ .member = "b", .topics = "t", .owned = "" });
    world_send_beat(world, 3, &other);
    world_run(world);
    EXPECT_EQ("an epoch that is not committed is known", 2, groups_view(world->groups, group).epoch);
    EXPECT("who tells of it waits", groups_hold(world->groups, group, 1, true));
    EXPECT("and for the other group", groups_hold(world->groups, groups_find(world->groups, text_of("h")), 1, false));
    world_run(world);
    EXPECT("for the commit", !world->ready[1]);
    world_commit(world);
    world_run(world);
    EXPECT("of both", world->ready[1]);
    EXPECT_EQ("which came", ERROR_NONE, groups_outcome(world->groups, 1));
    world_free(world);
}

TEST(who_tells_of_two_groups_waits_for_both)
{
    struct world *world = world_new();
    const struct beat one = { .member = "a", .topics = "t", .owned = "" },
                      other = { .member = "z", .topics = "u", .owned = "", .group = "h" };
    const uint32_t log = world_log_of(world, "g");

    world->slow = true;
    world_send_beat(world, 2, &one);
    world_send_beat(world, 3, &other);
    world_run(world);
    EXPECT("they are apart", log != world_log_of(world, "h"));
    EXPECT("one", groups_hold(world->groups, groups_find(world->groups, text_of("g")), 1, true));
    EXPECT("and the other", groups_hold(world->groups, groups_find(world->groups, text_of("h")), 1, false));
    world_run(world);
    struct log_offsets *offsets = &world->logs->logs[log].offsets;
    offsets->durable_offset = offsets->high_watermark = offsets->log_end_offset;
    groups_on_high_watermark(world->groups, log);
    world_run(world);
    EXPECT("one is not enough", !world->ready[1]);
    world_commit(world);
    world_run(world);
    EXPECT("both are", world->ready[1]);
    world_free(world);
}

/* ---- offsets ---- */

static enum error may_commit(struct world *world, const char *member, int32_t epoch, int16_t version)
{
    return groups_may_commit(world->groups, &(struct group_committer){ .group_id = BYTES_LITERAL("g"),
                                                                       .member_id = text_of(member),
                                                                       .generation = epoch,
                                                                       .version = version });
}

TEST(offsets_are_committed_in_an_epoch)
{
    struct world *world = world_new();

    share(world);
    EXPECT_EQ("its own", ERROR_NONE, may_commit(world, "a", 2, 9));
    EXPECT_EQ("an older one", ERROR_STALE_MEMBER_EPOCH, may_commit(world, "a", 1, 9));
    EXPECT_EQ("none", ERROR_UNKNOWN_MEMBER_ID, may_commit(world, "", -1, 9));
    EXPECT_EQ("of a stranger", ERROR_UNKNOWN_MEMBER_ID, may_commit(world, "z", 2, 9));
    EXPECT_EQ("in a version that has none", ERROR_UNSUPPORTED_VERSION, may_commit(world, "a", 2, 8));
    EXPECT_EQ("asked for in it", ERROR_NONE, groups_consumer_judge(world->groups, text_of("g"), text_of("a"), 2));
    EXPECT_EQ("or in another", ERROR_STALE_MEMBER_EPOCH,
              groups_consumer_judge(world->groups, text_of("g"), text_of("a"), 3));
    EXPECT_EQ("a topic that is read keeps its offsets", ERROR_NONE,
              groups_may_delete_offsets(world->groups, text_of("g")));
    EXPECT("this one is", groups_subscribe(world->groups, text_of("g"), text_of("t")));
    EXPECT("this one is not", !groups_subscribe(world->groups, text_of("g"), text_of("u")));
    PLAY(world, { "both leave", { .member = "a", .epoch = -1 }, 0, -1, "-" },
         { "both", { .member = "b", .epoch = -1 }, 0, -1, "-" });
    EXPECT_EQ("an empty group takes those of anybody", ERROR_NONE, may_commit(world, "", -1, 8));
    world_free(world);
}

/* ---- other protocols ---- */

TEST(a_group_is_of_one_protocol_at_a_time)
{
    struct world *world = world_new();
    const struct beat joins = { .member = "a", .topics = "t", .owned = "" };
    struct heard heard;

    share(world);
    heard = world_join(world, 1, &(struct asked){ 0 });
    EXPECT_EQ("who subscribes to nothing that one can read does not get in", ERROR_UNKNOWN_SERVER_ERROR, heard.error);
    EXPECT_EQ("nor is a member one of them", ERROR_UNKNOWN_MEMBER_ID, world_beat(world, "a", 2));
    EXPECT_EQ("nor can it leave so", ERROR_UNKNOWN_MEMBER_ID, world_leave(world, "a", NULL));
    PLAY(world, { "both leave", { .member = "a", .epoch = -1 }, 0, -1, "-" },
         { "both", { .member = "b", .epoch = -1 }, 0, -1, "-" });
    const struct commit commit = { "g", "", -1, "t", 1, 11 };
    EXPECT_EQ("what was committed", ERROR_NONE, world_commits(world, &commit));
    heard = world_enter(world, 1, &(struct asked){ 0 });
    EXPECT_EQ("an empty one is anybody's", ERROR_NONE, heard.error);
    EXPECT("it is classic", !groups_view(world->groups, groups_find(world->groups, text_of("g"))).consumer);
    EXPECT_EQ("what was committed is there", 11, world_offset(world, "g", "t", 1));
    EXPECT_EQ("and not the other's", ERROR_COORDINATOR_NOT_AVAILABLE, world_beats(world, &joins).error);
    const char *names[] = { heard.member };
    world_sync(world, 1, heard.member, heard.generation, names, 1);
    EXPECT_EQ("nor ever: nobody can read its shares", ERROR_GROUP_ID_NOT_FOUND, world_beats(world, &joins).error);
    world_restart(world);
    world_run(world);
    EXPECT("the log says so, too", !groups_view(world->groups, groups_find(world->groups, text_of("g"))).consumer);
    EXPECT_EQ("it leaves", ERROR_NONE, world_leave(world, heard.member, NULL));
    EXPECT_TEXT("an empty one", "Empty", state_of(world));
    EXPECT_EQ("is anybody's again", ERROR_NONE, world_beats(world, &joins).error);
    world_restart(world);
    world_run(world);
    EXPECT("the log says so, too", groups_view(world->groups, groups_find(world->groups, text_of("g"))).consumer);
    EXPECT_EQ("what was committed is there still", 11, world_offset(world, "g", "t", 1));
    world_free(world);
}

TEST(a_group_that_is_deleted_is_gone)
{
    struct world *world = world_new();
    enum error error;

    share(world);
    EXPECT("not with members",
           groups_delete(world->groups, text_of("g"), 1, &error) == GROUP_ANSWERED && error == ERROR_NON_EMPTY_GROUP);
    PLAY(world, { "both leave", { .member = "a", .epoch = -1 }, 0, -1, "-" },
         { "both", { .member = "b", .epoch = -1 }, 0, -1, "-" });
    EXPECT_EQ("it takes a while", GROUP_WAITS, groups_delete(world->groups, text_of("g"), 1, &error));
    world_run(world);
    EXPECT_EQ("it is gone", ERROR_NONE, groups_outcome(world->groups, 1));
    groups_forget(world->groups, 1);
    EXPECT_TEXT("here", "none", state_of(world));
    world_restart(world);
    world_run(world);
    EXPECT_TEXT("and for the next coordinator", "none", state_of(world));
    EXPECT_EQ("nothing is left of it", 0, groups_usage(world->groups).members);
    EXPECT_EQ("no name", 0, groups_usage(world->groups).memory_used);
    world_free(world);
}
