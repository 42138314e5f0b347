/* A group goes over to the newer protocol while it has members, and back, and members of both are in it. */
#include "consumer_world.h"
#include "group/consumer_records.h"
#include "group/embedded.h"

/* ---- members of the classic protocol that say something ---- */

/* "t0 t1": as two topics of one partition, which is as good as one topic with two. */
static void put_parts(struct writer *writer, const char *parts)
{
    int32_t count = 0;

    for (const char *words = parts; *words != 0; count++) word_next(&words);
    writer_int32(writer, count);
    while (*parts != 0) {
        const struct bytes word = word_next(&parts);
        writer_string(writer, false, false, (struct bytes){ word.data, 1 });
        writer_int32(writer, 1);
        writer_int32(writer, word.data[1] - '0');
    }
}

static struct bytes subscription_of(uint8_t *memory, const char *topics, const char *owned)
{
    struct writer writer = writer_of(memory, 1024);
    struct bytes names[8];
    int32_t count = 0;

    while (*topics != 0) names[count++] = word_next(&topics);
    writer_int16(&writer, owned == NULL ? 0 : 3);
    writer_int32(&writer, count);
    for (int32_t i = 0; i < count; i++) writer_string(&writer, false, false, names[i]);
    writer_bytes(&writer, false, true, (struct bytes){ 0 });
    if (owned == NULL) return writer_written(&writer);
    put_parts(&writer, owned);
    writer_int32(&writer, -1);
    writer_string(&writer, false, true, (struct bytes){ 0 });
    return writer_written(&writer);
}

struct line {
    const char *why;
    enum { JOIN, SYNC, BEAT, LEAVE, NEWER } what;
    const char *member; /* the first letter of a dynamic one's name is its number in `ids` */
    int32_t epoch;
    const char *topics, *owned, *instance; /* of JOIN; of NEWER as there */
    enum error error;
    int32_t told;      /* generation, or epoch */
    const char *parts; /* SYNC, NEWER; a dash: none are told */
};

enum { WAITER = 5 };

/* Members of the classic protocol have ids of their own. */
static const char *id_of(char ids[26][128], const char *member)
{
    return ids[member[0] - 'a'];
}

static void play_join(struct world *world, char ids[26][128], const struct line *line)
{
    uint8_t memory[1024];
    struct asked asked = { .member = id_of(ids, line->member),
                           .instance = line->instance,
                           .version = 7,
                           .subscription = subscription_of(memory, line->topics, line->owned) };
    struct heard heard = world_enter(world, WAITER, &asked);

    if (heard.error == ERROR_MEMBER_ID_REQUIRED && line->error == ERROR_NONE) {
        EXPECT(line->why, heard.member[0] != 0);
        asked.member = heard.member;
        char id[128];
        memcpy(id, heard.member, sizeof id);
        asked.member = id;
        heard = world_enter(world, WAITER, &asked);
    }
    EXPECT_EQ(line->why, line->error, heard.error);
    if (heard.error != ERROR_NONE) return;
    EXPECT_EQ(line->why, line->told, heard.generation);
    memcpy(ids[line->member[0] - 'a'], heard.member, sizeof heard.member);
}

static void say_assignment(struct bytes bytes, char *text, size_t size)
{
    struct assignment assignment;
    struct bytes name;
    uint32_t count;

    text[0] = 0;
    EXPECT("it can be read", assignment_read(bytes, &assignment));
    while (embedded_topic(&assignment.topics, &name, &count)) {
        for (uint32_t i = 0; i < count; i++) {
            const size_t at = strlen(text);
            snprintf(text + at, size - at, "%s%.*s%d", at > 0 ? " " : "", (int)name.size, (const char *)name.data,
                     reader_int32(&assignment.topics.reader));
        }
    }
}

static void play_sync(struct world *world, char ids[26][128], const struct line *line)
{
    uint8_t memory[1024];
    char parts[512];
    struct writer writer = writer_of(memory, sizeof memory);
    struct sync_group_request_assignment assignment = { .member_id = text_of(id_of(ids, line->member)) };
    struct sync_group_request request = { .group_id = BYTES_LITERAL("g"),
                                          .generation_id = line->epoch,
                                          .member_id = assignment.member_id,
                                          .protocol_type = BYTES_LITERAL("consumer"),
                                          .protocol_name = BYTES_LITERAL("range"),
                                          .assignments = &assignment };
    const struct group_caller caller = world_caller(WAITER, 5);
    struct group_synced synced;

    if (line->owned != NULL) { /* a leader gives itself these */
        writer_int16(&writer, 1);
        put_parts(&writer, line->owned);
        writer_int32(&writer, -1);
        assignment.assignment = writer_written(&writer);
        request.assignments_count = 1;
    }
    world->ready[WAITER] = false;
    const enum group_verdict verdict = groups_sync(world->groups, &caller, &request, &synced);
    if (verdict != GROUP_WAITS && synced.error == ERROR_NONE) say_assignment(synced.assignment, parts, 512);
    world_run(world);
    if (verdict == GROUP_HELD) synced.error = world_held(world, WAITER);
    if (verdict == GROUP_WAITS) {
        groups_synced(world->groups, WAITER, &synced);
        if (synced.error == ERROR_NONE) say_assignment(synced.assignment, parts, 512);
        groups_forget(world->groups, WAITER);
    }
    EXPECT_EQ(line->why, line->error, synced.error);
    if (synced.error == ERROR_NONE) EXPECT_TEXT(line->why, line->parts, parts);
}

static void play_newer(struct world *world, const struct line *line)
{
    const struct told told = world_beats(world, &(struct beat){ .member = line->member,
                                                                .epoch = line->epoch,
                                                                .topics = line->topics,
                                                                .owned = line->owned,
                                                                .instance = line->instance });

    EXPECT_EQ(line->why, line->error, told.error);
    if (told.error != ERROR_NONE) return;
    EXPECT_EQ(line->why, line->told, told.epoch);
    EXPECT_TEXT(line->why, line->parts, told.tells ? told.parts : "-");
}

static void play_line(struct world *world, char ids[26][128], const struct line *line)
{
    switch (line->what) {
    case JOIN: play_join(world, ids, line); break;
    case SYNC: play_sync(world, ids, line); break;
    case BEAT: EXPECT_EQ(line->why, line->error, world_beat(world, id_of(ids, line->member), line->epoch)); break;
    case LEAVE: EXPECT_EQ(line->why, line->error, world_leave(world, id_of(ids, line->member), line->instance)); break;
    case NEWER: play_newer(world, line); break;
    }
}

static const char *kind_of(const struct world *world)
{
    const uint32_t group = groups_find(world->groups, text_of("g"));

    if (group == GROUP_NONE) return "none";
    return groups_view(world->groups, group).consumer ? "consumer" : "classic";
}

#define ALL "t0 t1 t2 t3 t4 t5 t6 t7"
#define HALF "t0 t1 t2 t3"
#define REST "t4 t5 t6 t7"

/* "a" speaks the classic protocol, and has everything in generation 1. */
#define A_IS_THERE                                                                                                     \
    { "a group of the classic protocol", JOIN, "a", 0, "t", "", NULL, 0, 1, NULL },                                    \
    {                                                                                                                  \
        "its leader takes everything", SYNC, "a", 1, NULL, ALL, NULL, 0, 0, ALL                                        \
    }

#define PLAY(world, ids, ...)                                                                                          \
    do {                                                                                                               \
        static const struct line lines[] = { __VA_ARGS__ };                                                            \
        FOR_EACH(line, line, lines) play_line((world), (ids), line);                                                   \
    } while (0)

/* It may be lost at each point, and the next coordinator goes on. */
static const struct line rolling[] = {
    A_IS_THERE,
    { "one comes that speaks the newer one", NEWER, "x", 0, "t", "", NULL, 0, 2, "" },
    { "the first is to come again", BEAT, "a", 1, NULL, NULL, NULL, ERROR_REBALANCE_IN_PROGRESS, 0, NULL },
    { "and still has all", JOIN, "a", 0, "t", ALL, NULL, 0, 1, NULL },
    { "a half of which it is to give up", SYNC, "a", 1, NULL, NULL, NULL, 0, 0, REST },
    { "nobody has that yet", NEWER, "x", 2, NULL, NULL, NULL, 0, 2, "-" },
    { "it comes again without it", JOIN, "a", 0, "t", REST, NULL, 0, 2, NULL },
    { "and goes on", SYNC, "a", 2, NULL, NULL, NULL, 0, 0, REST },
    { "in peace", BEAT, "a", 2, NULL, NULL, NULL, 0, 0, NULL },
    { "the other has what is free", NEWER, "x", 2, NULL, NULL, NULL, 0, 2, HALF },
    { "the newer one leaves", NEWER, "x", -1, NULL, NULL, NULL, 0, -1, "-" },
    { "its generation is over", BEAT, "a", 2, NULL, NULL, NULL, ERROR_ILLEGAL_GENERATION, 0, NULL },
};
enum { ROLLING_COUNT = sizeof rolling / sizeof rolling[0] };

TEST(members_of_both_protocols_share_a_group)
{
    for (uint32_t lost = 0; lost <= ROLLING_COUNT; lost++) { /* at last: never */
        struct world *world = world_new();
        char ids[26][128] = { 0 };
        for (uint32_t i = 0; i < ROLLING_COUNT; i++) {
            play_line(world, ids, &rolling[i]);
            if (i == lost) {
                world_restart(world);
                world_run(world);
            }
            const bool newer = i >= 2 && i < ROLLING_COUNT - 2;
            EXPECT_TEXT(rolling[i].why, i == 0 && lost == 0 ? "none" : newer ? "consumer" : "classic", kind_of(world));
            if (i == 0 && lost == 0) break; /* of a generation that was not committed nothing is left */
        }
        world_free(world);
    }
}

/* Who is to get what depends on who was there first: nobody is lost on the way. */
TEST(a_third_member_waits_for_both)
{
    struct world *world = world_new();
    char ids[26][128] = { 0 };

    for (uint32_t i = 0; i < ROLLING_COUNT - 2; i++) play_line(world, ids, &rolling[i]);
    PLAY(world, ids, { "another classic one comes", JOIN, "b", 0, "t", "", NULL, 0, 3, NULL },
         { "what others have is not its yet", SYNC, "b", 3, NULL, NULL, NULL, 0, 0, "" },
         { "it waits for them", BEAT, "b", 3, NULL, NULL, NULL, 0, 0, NULL },
         { "one gives up something", NEWER, "x", 2, NULL, HALF, NULL, 0, 2, "t2 t3" },
         { "which is not free yet", BEAT, "b", 3, NULL, NULL, NULL, 0, 0, NULL },
         { "now it is", NEWER, "x", 2, NULL, "t2 t3", NULL, 0, 3, "-" },
         { "so the third one is to come again", BEAT, "b", 3, NULL, NULL, NULL, ERROR_REBALANCE_IN_PROGRESS, 0, NULL },
         { "it does", JOIN, "b", 0, "t", "", NULL, 0, 3, NULL },
         { "and has its share", SYNC, "b", 3, NULL, NULL, NULL, 0, 0, "t0 t1" },
         { "the older one", JOIN, "a", 0, "t", REST, NULL, 0, 2, NULL },
         { "gives up something, too", SYNC, "a", 2, NULL, NULL, NULL, 0, 0, "t5 t6 t7" },
         { "it has", JOIN, "a", 0, "t", "t5 t6 t7", NULL, 0, 3, NULL },
         { "and goes on", SYNC, "a", 3, NULL, NULL, NULL, 0, 0, "t5 t6 t7" },
         { "which is what another one waits for", NEWER, "x", 3, NULL, NULL, NULL, 0, 3, "t2 t3 t4" });
    EXPECT_TEXT("at rest", "Stable", world_state(world, "g"));
    world_free(world);
}

TEST(a_group_goes_over_when_it_may)
{
    struct world *world = world_new();
    char ids[26][128] = { 0 };

    PLAY(world, ids, A_IS_THERE);
    world_config(world, "group.consumer.migration.policy", "downgrade");
    PLAY(world, ids, { "not by this policy", NEWER, "x", 0, "t", "", NULL, ERROR_GROUP_ID_NOT_FOUND, 0, NULL },
         { "and nothing happened", BEAT, "a", 1, NULL, NULL, NULL, 0, 0, NULL });
    world_config(world, "group.consumer.migration.policy", "upgrade");
    PLAY(world, ids,
         { "who does not join converts nothing", NEWER, "x", 1, "t", "", NULL, ERROR_GROUP_ID_NOT_FOUND, 0, NULL },
         { "by this one", NEWER, "x", 0, "t", "", NULL, 0, 2, "" },
         { "it leaves", NEWER, "x", -1, NULL, NULL, NULL, 0, -1, "-" },
         { "and the other stays where it is", BEAT, "a", 1, NULL, NULL, NULL, ERROR_REBALANCE_IN_PROGRESS, 0, NULL });
    EXPECT_TEXT("a group of the newer protocol, without one that speaks it", "consumer", kind_of(world));
    world_config(world, "group.consumer.migration.policy", "bidirectional");
    PLAY(world, ids, { "with the next thing it says", JOIN, "a", 0, "t", "", NULL, 0, 3, NULL });
    EXPECT_TEXT("it goes back", "classic", kind_of(world));
    world_free(world);
}

TEST(what_nobody_knows_is_not_converted)
{
    struct world *world = world_new();
    char ids[26][128] = { 0 };

    PLAY(world, ids, { "a generation begins", JOIN, "a", 0, "t", "", NULL, 0, 1, NULL },
         { "who has what is open", NEWER, "x", 0, "t", "", NULL, ERROR_COORDINATOR_NOT_AVAILABLE, 0, NULL },
         { "now it is not", SYNC, "a", 1, NULL, ALL, NULL, 0, 0, ALL },
         { "a rebalance that has just begun", LEAVE, "z", 0, NULL, NULL, NULL, ERROR_UNKNOWN_MEMBER_ID, 0, NULL });
    EXPECT("changes nothing", world_join(world, 7, &(struct asked){ .metadata = "m" }).waits);
    PLAY(world, ids, { "but that cannot be read", NEWER, "x", 0, "t", "", NULL, ERROR_GROUP_ID_NOT_FOUND, 0, NULL });
    EXPECT_TEXT("and stays", "PreparingRebalance", world_state(world, "g"));
    world_free(world);
}

TEST(a_rebalance_is_broken_off)
{
    struct world *world = world_new();
    char ids[26][128] = { 0 };
    uint8_t memory[1024];

    PLAY(world, ids, A_IS_THERE);
    EXPECT("one waits for the other",
           world_join(world, 7, &(struct asked){ .subscription = subscription_of(memory, "t", "") }).waits);
    PLAY(world, ids, { "a third one comes, who does not wait", NEWER, "x", 0, "t", "", NULL, 0, 2, "" });
    EXPECT_EQ("the one who waits is to come again", ERROR_REBALANCE_IN_PROGRESS, world_joined(world, 7, 3).error);
    EXPECT_TEXT("in another group", "consumer", kind_of(world));
    EXPECT_EQ("with all members", 3, groups_view(world->groups, groups_find(world->groups, text_of("g"))).member_count);
    PLAY(world, ids, { "what one has is not another's", JOIN, "a", 0, "t", ALL, NULL, 0, 1, NULL });
    world_free(world);
}

TEST(static_members_go_over_and_back)
{
    struct world *world = world_new();
    char ids[26][128] = { 0 };

    PLAY(world, ids, { "a static member", JOIN, "a", 0, "t", "", "i", 0, 1, NULL },
         { "takes everything", SYNC, "a", 1, NULL, ALL, NULL, 0, 0, ALL },
         { "its next life speaks the newer protocol", NEWER, "x", 0, "t", "", "i", 0, 2, ALL },
         { "another one does not know its name", NEWER, "y", 0, "t", "", "i", ERROR_UNRELEASED_INSTANCE_ID, 0, NULL });
    EXPECT_TEXT("and the group", "consumer", kind_of(world));
    EXPECT_EQ("its former life is over", ERROR_UNKNOWN_MEMBER_ID, world_beat(world, ids[0], 1));
    ids[0][0] = 0;
    PLAY(world, ids, { "its next life speaks the classic one", JOIN, "a", 0, "t", "", "i", 0, 2, NULL });
    EXPECT_TEXT("and the group goes back", "classic", kind_of(world));
    world_restart(world);
    world_run(world);
    EXPECT_TEXT("as its log says", "classic", kind_of(world));
    EXPECT_EQ("with its member", 1, groups_view(world->groups, groups_find(world->groups, text_of("g"))).member_count);
    world_free(world);
}

TEST(classic_members_have_their_time)
{
    struct world *world = world_new();
    char ids[26][128] = { 0 };

    PLAY(world, ids, A_IS_THERE, { "one comes", NEWER, "x", 0, "t", "", NULL, 0, 2, "" });
    world_pass(world, 9000);
    PLAY(world, ids, { "nearly too late", BEAT, "a", 1, NULL, NULL, NULL, ERROR_REBALANCE_IN_PROGRESS, 0, NULL });
    world_pass(world, 10000);
    PLAY(world, ids, { "its own session is over", BEAT, "a", 1, NULL, NULL, NULL, ERROR_UNKNOWN_MEMBER_ID, 0, NULL },
         { "and what it had another's", NEWER, "x", 2, NULL, NULL, NULL, 0, 3, ALL });
    ids[0][0] = 0;
    PLAY(world, ids, { "it comes back", JOIN, "a", 0, "t", "", NULL, 0, 4, NULL });
    PLAY(world, ids, { "the other gives up a half", NEWER, "x", 3, NULL, NULL, NULL, 0, 3, REST },
         { "and has", NEWER, "x", 3, NULL, REST, NULL, 0, 4, "-" });
    for (uint32_t i = 0; i < 8; i++) {
        world_pass(world, 7000);
        PLAY(world, ids, { "the other is there", NEWER, "x", 4, NULL, NULL, NULL, 0, 4, "-" },
             { "it is, too", BEAT, "a", 4, NULL, NULL, NULL, ERROR_REBALANCE_IN_PROGRESS, 0, NULL });
    }
    world_pass(world, 4000);
    PLAY(world, ids,
         { "but never asked what it is to read", BEAT, "a", 4, NULL, NULL, NULL, ERROR_UNKNOWN_MEMBER_ID, 0, NULL });
    world_free(world);
}

TEST(classic_members_are_judged_by_their_generation)
{
    struct world *world = world_new();
    char ids[26][128] = { 0 };

    PLAY(world, ids, A_IS_THERE, { "one comes", NEWER, "x", 0, "t", "", NULL, 0, 2, "" },
         { "another generation", BEAT, "a", 2, NULL, NULL, NULL, ERROR_ILLEGAL_GENERATION, 0, NULL },
         { "another generation", SYNC, "a", 2, NULL, NULL, NULL, ERROR_ILLEGAL_GENERATION, 0, NULL },
         { "its own is over", SYNC, "a", 1, NULL, NULL, NULL, ERROR_REBALANCE_IN_PROGRESS, 0, NULL },
         { "a stranger", BEAT, "z", 1, NULL, NULL, NULL, ERROR_UNKNOWN_MEMBER_ID, 0, NULL });
    const struct commit commit = { "g", ids[0], 1, "t", 1, 11 }, wrong = { "g", ids[0], 2, "t", 1, 12 };
    EXPECT_EQ("it commits in its own, whatever the version", ERROR_NONE, world_commits(world, &commit));
    EXPECT_EQ("and not in another", ERROR_ILLEGAL_GENERATION, world_commits(world, &wrong));
    const struct asked other = { .protocol = "sticky" };
    EXPECT_EQ("who has no protocol in common", ERROR_INCONSISTENT_GROUP_PROTOCOL, world_join(world, 7, &other).error);
    PLAY(world, ids, { "it leaves", LEAVE, "a", 0, NULL, NULL, NULL, 0, 0, NULL },
         { "once", LEAVE, "a", 0, NULL, NULL, NULL, ERROR_UNKNOWN_MEMBER_ID, 0, NULL },
         { "the other has all", NEWER, "x", 2, NULL, NULL, NULL, 0, 3, ALL });
    world_free(world);
}
