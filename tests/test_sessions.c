/* Who is alive: plays of heartbeats, links and time, and what is decided then. Times are milliseconds since the leader
 * began; brokers 1 (the leader's own), 2 and 3 are registered, 3 is fenced. */
#include "cluster_world.h"
#include "controller/sessions.h"

enum { MS = 1000 * 1000, BROKERS_MAX = 8 };

struct play {
    struct cluster cluster;
    struct sessions sessions;
    struct session list[BROKERS_MAX];
    struct session_decision decisions[8];
    uint32_t count;
    char said[256];
};

static struct play *play_new(void)
{
    struct play *play = calloc(1, sizeof *play);

    play->cluster = cluster_new();
    for (int32_t id = 1; id <= 3; id++) cluster_register(&play->cluster, id, id == 3, false);
    cluster_create(&play->cluster, "1,2,3");
    sessions_init(&play->sessions, 1, play->list, BROKERS_MAX);
    return play;
}

static void play_free(struct play *play)
{
    free(play->cluster.image);
    free(play);
}

static uint32_t slot_of(const struct play *play, int32_t id)
{
    return image_broker_by_id(play->cluster.image, id);
}

static const char *decide(struct play *play)
{
    static const char *const kinds[] = { "fence", "unfence", "shut down" };
    size_t size = 0;

    uint32_t count = 0;
    struct session_decision next;

    play->said[0] = 0;
    while (sessions_next(&play->sessions, play->cluster.image, &next)) {
        play->decisions[count++] = next;
        play->count = count; /* what was decided before, and not yet true, is forgotten */
        const struct session_decision *decision = &next;
        size += (size_t)snprintf(play->said + size, sizeof play->said - size, "%s%s %d%s", size > 0 ? ", " : "",
                                 kinds[decision->kind], decision->broker_id, decision->crashed ? " crashed" : "");
        CHECK(count < 8);
    }
    sessions_check(&play->sessions, play->cluster.image);
    return play->said;
}

/* What was decided comes true, and the leader hears of it. */
static void come_true(struct play *play)
{
    for (uint32_t i = 0; i < play->count; i++) {
        const struct session_decision *decision = &play->decisions[i];
        struct metadata_broker_change_record record = metadata_broker_change_record_default;
        record.broker_id = decision->broker_id;
        record.crashed = decision->crashed;
        if (decision->kind == SESSION_SHUT_DOWN) record.in_controlled_shutdown = 1;
        else record.fenced = decision->kind == SESSION_FENCE;
        cluster_change_broker(&play->cluster, record);
        sessions_on_broker(&play->sessions, play->cluster.image, slot_of(play, decision->broker_id),
                           play->cluster.index);
    }
    play->count = 0;
}

static void beat(struct play *play, int32_t id, const char *words)
{
    static const char *const verdicts[] = { "", "stale", "unknown" };
    const uint32_t slot = slot_of(play, id);
    struct heartbeat heartbeat = { .broker_id = id,
                                   .broker_epoch =
                                       slot == SLOT_NONE ? 1 : image_broker(play->cluster.image, slot)->epoch,
                                   .applied_index = play->cluster.index,
                                   .ready = strstr(words, "ready") != NULL,
                                   .crashed = strstr(words, "crashed") != NULL,
                                   .wants_shutdown = strstr(words, "going") != NULL };
    if (strstr(words, "behind") != NULL) heartbeat.applied_index--;
    if (strstr(words, "older") != NULL) heartbeat.broker_epoch--;
    if (strstr(words, "newer") != NULL) heartbeat.broker_epoch++;
    uint8_t bytes[HEARTBEAT_SIZE], answered[HEARTBEAT_ANSWER_SIZE];
    struct heartbeat got;
    struct heartbeat_answer answer;
    heartbeat_write(&heartbeat, bytes);
    EXPECT("it is read as it was written", heartbeat_read((struct bytes){ bytes, sizeof bytes }, &got));
    answer = sessions_on_heartbeat(&play->sessions, play->cluster.image, &got);
    heartbeat_answer_write(&answer, answered);
    EXPECT("so is the answer", heartbeat_answer_read((struct bytes){ answered, sizeof answered }, &answer));
    EXPECT_TEXT(words,
                strstr(words, "?stale")     ? "stale"
                : strstr(words, "?unknown") ? "unknown"
                                            : "",
                verdicts[answer.verdict]);
    EXPECT_EQ(words, strstr(words, "?may go") != NULL, answer.may_go);
}

static void do_it(struct play *play, uint64_t ms, const char *deed)
{
    char verb[16] = "", words[64] = "";
    int id = 0;

    sscanf(deed, "%15s %d %63[^\n]", verb, &id, words);
    if (strcmp(verb, "lead") != 0) sessions_on_time(&play->sessions, ms * MS);
    if (strcmp(verb, "lead") == 0) sessions_begin(&play->sessions, play->cluster.image, ms * MS);
    else if (strcmp(verb, "end") == 0) sessions_end(&play->sessions);
    else if (strcmp(verb, "true") == 0) come_true(play);
    else if (strcmp(verb, "beat") == 0) beat(play, id, words);
    else if (strcmp(verb, "lost") == 0) sessions_on_link_lost(&play->sessions, play->cluster.image, id, false);
    else if (strcmp(verb, "refused") == 0) sessions_on_link_lost(&play->sessions, play->cluster.image, id, true);
    else if (strcmp(verb, "register") == 0) {
        cluster_register(&play->cluster, id, true, false);
        sessions_on_broker(&play->sessions, play->cluster.image, slot_of(play, id), play->cluster.index);
    } else {
        CHECK(strcmp(verb, "time") == 0);
    }
}

static const struct row {
    const char *why;
    uint64_t ms;
    const char *deed;
    const char *decided;
} silence_rows[] = {
    /* clang-format off */
    { "a new leader has heard of nobody, and waits", 0, "lead", "" },
    { "one is heard of", 200, "beat 2", "" },
    { "time that the leader looks at", 450, "time", "" },
    { "time that the leader looks at", 700, "time", "" },
    { "time that the leader looks at", 900, "time", "" },
    { "not yet", 1099, "time", "" },
    { "silent for a session", 1100, "time", "fence 2" },
    { "it is said once", 1101, "time", "" },
    { "and again when nothing came of it", 1350, "time", "" },
    { "and again when nothing came of it", 1600, "time", "fence 2" },
    { "now it came true", 1601, "true", "" },
    { "who is fenced is not fenced again", 1850, "time", "" },
    { "who is fenced is not fenced again", 2100, "time", "" },
    { "heard of again: but its logs?", 2200, "beat 2 behind", "" },
    { "ready, but it does not know yet that it was fenced", 2300, "beat 2 ready behind", "" },
    { "now it does", 2400, "beat 2 ready", "unfence 2" },
    { "which came true", 2401, "true", "" },
    { "the leader's own broker is never silent, whatever time passes", 2600, "time", "" },
    /* clang-format on */
};

static const struct row start_rows[] = {
    /* clang-format off */
    { "it leads", 0, "lead", "" },
    { "one that is registered and fenced recovers its logs", 100, "beat 3", "" },
    { "and is done: clean", 200, "beat 3 ready", "unfence 3" },
    { "which came true", 210, "true", "" },
    { "another start of it", 300, "register 3", "" },
    { "its last life is told so", 310, "beat 3 older ready ?stale", "" },
    { "a life that this leader does not know, either", 320, "beat 3 newer ready ?unknown", "" },
    { "nor a broker that is not registered", 330, "beat 7 ready ?unknown", "" },
    { "what the last life said is forgotten", 340, "beat 3", "" },
    { "this one lost something", 350, "beat 3 ready crashed", "unfence 3 crashed" },
    { "which came true", 360, "true", "" },
    { "the leader's own, too, starts fenced", 400, "register 1", "" },
    { "and is unfenced by what it says to itself", 410, "beat 1 ready", "unfence 1" },
    { "which came true", 420, "true", "" },
    { "others are heard of", 600, "beat 2 ready", "" },
    { "the one that lost something is not", 850, "time", "" },
    { "the one that lost something is not", 1100, "time", "" },
    { "for a whole session", 1260, "time", "fence 3" },
    { "which came true", 1270, "true", "" },
    { "since its start it has lost nothing", 1300, "beat 3 ready crashed", "unfence 3" },
    /* clang-format on */
};

static const struct row link_rows[] = {
    /* clang-format off */
    { "it leads", 0, "lead", "" },
    { "alive", 100, "beat 2 ready", "" },
    { "its link is closed: perhaps it is dead", 150, "lost 2", "" },
    { "it has a moment to come back", 399, "time", "" },
    { "but no more", 400, "time", "fence 2" },
    { "another leader", 500, "lead", "" },
    { "alive", 510, "beat 2 ready", "" },
    { "its link is closed", 520, "lost 2", "" },
    { "and opened again", 600, "beat 2 ready", "" },
    { "so nothing was wrong", 800, "time", "" },
    { "so nothing was wrong", 1000, "time", "" },
    { "nobody listens there any more: it is dead", 1010, "refused 2", "fence 2" },
    { "nobody listens where this leader does, if only for a moment: that is no death", 1020, "refused 1", "" },
    { "nor is a stranger's", 1030, "lost 7", "" },
    /* clang-format on */
};

static const struct row stall_rows[] = {
    /* clang-format off */
    { "it leads", 0, "lead", "" },
    { "alive", 100, "beat 2 ready", "" },
    { "the leader itself was away: what was sent meanwhile is still unread", 5000, "time", "" },
    { "the session goes on where it was", 5250, "time", "" },
    { "the session goes on where it was", 5500, "time", "" },
    { "the session goes on where it was", 5750, "time", "" },
    { "until it is over", 5900, "time", "fence 2" },
    { "who leads no more decides nothing", 6000, "end", "" },
    { "and hears nothing", 6010, "beat 2 ready ?unknown", "" },
    { "leading again it begins anew", 6020, "lead", "" },
    { "and has heard of nobody", 6200, "time", "" },
    { "for a whole session", 6400, "time", "" },
    { "for a whole session", 6600, "time", "" },
    { "for a whole session", 6800, "time", "" },
    { "which is over", 6920, "time", "fence 2" },
    /* clang-format on */
};

static const struct row shutdown_rows[] = {
    /* clang-format off */
    { "it leads", 0, "lead", "" },
    { "a third one", 10, "beat 3 ready", "unfence 3" },
    { "is there", 20, "true", "" },
    { "one wants to go", 100, "beat 2 ready going", "shut down 2" },
    { "which is said once", 110, "beat 2 ready going", "" },
    { "it is relieved", 120, "true", "" },
    { "but the others do not know that yet", 130, "beat 2 ready going", "" },
    { "not even now", 140, "beat 3 ready behind", "" },
    { "so it stays", 150, "beat 2 ready going", "" },
    { "now they do", 160, "beat 3 ready", "" },
    { "so it may go", 170, "beat 2 ready going ?may go", "" },
    { "it is gone", 180, "refused 2", "fence 2" },
    { "fenced", 190, "true", "" },
    { "alive still, and still going: nobody needs it", 200, "beat 2 ready going ?may go", "" },
    /* clang-format on */
};

static void play_rows(const struct row *rows, size_t count)
{
    struct play *play = play_new();

    for (const struct row *row = rows; row < rows + count; row++) {
        do_it(play, row->ms, row->deed);
        EXPECT_TEXT(row->why, row->decided, decide(play));
        EXPECT("the deadline says when to look again",
               sessions_deadline_ns(&play->sessions) > row->ms * MS || !play->sessions.leads);
    }
    play_free(play);
}

#define PLAY_ROWS(rows) play_rows((rows), sizeof(rows) / sizeof((rows)[0]))

TEST(silence_is_noticed)
{
    PLAY_ROWS(silence_rows);
}

TEST(a_start_ends_when_the_logs_are_recovered)
{
    PLAY_ROWS(start_rows);
}

TEST(a_lost_link_is_asked_about_at_once)
{
    PLAY_ROWS(link_rows);
}

TEST(time_in_which_the_leader_was_away_does_not_count)
{
    PLAY_ROWS(stall_rows);
}

TEST(who_wants_to_go_is_relieved_first)
{
    PLAY_ROWS(shutdown_rows);
}

/* Whoever writes nonsense is not heard. */
TEST(heartbeats_are_judged)
{
    const struct heartbeat heartbeat = { 3, 77, 99, true, true, true };
    const struct heartbeat_answer answer = { 77, HEARTBEAT_UNKNOWN, true };
    uint8_t bytes[HEARTBEAT_SIZE + 1] = { 0 }, damaged[HEARTBEAT_SIZE + 1];
    struct heartbeat got;
    struct heartbeat_answer got_answer;

    heartbeat_write(&heartbeat, bytes);
    EXPECT("a byte too many", !heartbeat_read((struct bytes){ bytes, HEARTBEAT_SIZE + 1 }, &got));
    EXPECT("a byte too few", !heartbeat_read((struct bytes){ bytes, HEARTBEAT_SIZE - 1 }, &got));
    for (uint32_t at = 0; at < 4; at++) {
        memcpy(damaged, bytes, sizeof damaged);
        damaged[at] ^= 0x80;
        EXPECT("another version, flag or use", !heartbeat_read((struct bytes){ damaged, HEARTBEAT_SIZE }, &got));
    }
    heartbeat_answer_write(&answer, bytes);
    EXPECT("an answer", heartbeat_answer_read((struct bytes){ bytes, HEARTBEAT_ANSWER_SIZE }, &got_answer));
    EXPECT("as it was", got_answer.broker_epoch == 77 && got_answer.verdict == HEARTBEAT_UNKNOWN && got_answer.may_go);
    for (uint32_t at = 0; at < 8; at++) {
        memcpy(damaged, bytes, sizeof damaged);
        damaged[at] ^= 0x80;
        EXPECT("not as it was", !heartbeat_answer_read((struct bytes){ damaged, HEARTBEAT_ANSWER_SIZE }, &got_answer));
    }
}
