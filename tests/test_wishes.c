/* Wishes at their origin and in a leader's queue: when each is asked, of whom, and what counts as an answer. */
#include "base/prng.h"
#include "controller/wish_queue.h"
#include "controller/wishes.h"
#include "t.h"
#include <stdlib.h>

enum { SIZE_MAX_OF_WISH = 300, SELF = 1, SECOND = 2, THIRD = 3, NOBODY = -1 };
#define MS UINT64_C(1000000)
#define SECOND_NS (1000 * MS)

static const struct uuid life = { { 7, [15] = 1 } };

static struct wishes *wishes_new(void)
{
    struct wishes *wishes = calloc(1, sizeof *wishes);

    wishes_init(wishes, malloc(wishes_memory_size(SIZE_MAX_OF_WISH)), SIZE_MAX_OF_WISH, SELF, &life);
    return wishes;
}

static void wishes_free(struct wishes *wishes)
{
    wishes_check(wishes);
    free(wishes->memory);
    free(wishes);
}

static struct bytes bytes_of(const char *text)
{
    return (struct bytes){ (const uint8_t *)text, (uint32_t)strlen(text) };
}

static uint64_t open_one(struct wishes *wishes, const char *body)
{
    return wishes_open(wishes, 19, 7, bytes_of(body), WISH_NEVER, true);
}

/* The wish that is asked now, 0: none; of others nothing is due. */
static uint64_t asked_at(struct wishes *wishes, uint64_t now_ns, struct wish *wish)
{
    struct wish another;

    wishes_on_time(wishes, now_ns);
    if (!wishes_next(wishes, now_ns, wish)) return 0;
    EXPECT("one alone", !wishes_next(wishes, now_ns, &another));
    wishes_check(wishes);
    return wish->sequence;
}

static struct wish_answer answer_to(const struct wish *wish, enum wish_verdict verdict, const char *text)
{
    return (
        struct wish_answer){ wish->incarnation, wish->sequence, wish->term, wish->attempt, verdict, bytes_of(text) };
}

/* ---- bytes ---- */

TEST(frames_say_what_was_said)
{
    const struct wish wish = { .incarnation = life,
                               .sequence = 70,
                               .first_open = 7,
                               .term = (uint64_t)1 << 40,
                               .attempt = 3,
                               .kind = 19,
                               .version = 7,
                               .body = BYTES_LITERAL("body") };
    uint8_t frame[WISH_HEAD_SIZE + 4];
    struct wish read;

    wish_write(&wish, frame);
    memcpy(frame + WISH_HEAD_SIZE, "body", 4);
    EXPECT("is read", wish_read((struct bytes){ frame, sizeof frame }, &read));
    EXPECT_EQ("kind", 19, read.kind);
    EXPECT_EQ("version", 7, read.version);
    EXPECT_EQ("sequence", 70, read.sequence);
    EXPECT_EQ("first open", 7, read.first_open);
    EXPECT_EQ("term", (int64_t)1 << 40, read.term);
    EXPECT_EQ("attempt", 3, read.attempt);
    EXPECT("incarnation", uuid_equal(&life, &read.incarnation));
    EXPECT_BYTES("body", "body", 4, read.body.data, read.body.size);

    const struct wish_answer answer = { life, 70, 9, 3, WISH_ANSWERED, BYTES_LITERAL("no") };
    uint8_t reply[WISH_ANSWER_HEAD_SIZE + 2];
    struct wish_answer said;
    wish_answer_write(&answer, reply);
    memcpy(reply + WISH_ANSWER_HEAD_SIZE, "no", 2);
    EXPECT("is read", wish_answer_read((struct bytes){ reply, sizeof reply }, &said));
    EXPECT_EQ("sequence", 70, said.sequence);
    EXPECT_EQ("term", 9, said.term);
    EXPECT_EQ("attempt", 3, said.attempt);
    EXPECT_EQ("verdict", WISH_ANSWERED, said.verdict);
    EXPECT_BYTES("answer", "no", 2, said.answer.data, said.answer.size);
}

static const struct byte_row {
    const char *why;
    bool answer; /* a WISH_ANSWER, else a WISH */
    uint32_t at;
    uint8_t byte;
    uint32_t size; /* 0: whole */
    bool good;
} byte_rows[] = {
    { "as it was written", false, 0, 1, 0, true },
    { "another version", false, 0, 2, 0, false },
    { "any kind", false, 1, 255, 0, true },
    { "a negative version of the body", false, 2, 0x80, 0, false },
    { "no attempt", false, 7, 0, 0, false },
    { "no term", false, 15, 0, 0, false },
    { "no sequence", false, 23, 0, 0, false },
    { "a sequence beyond all", false, 16, 0x80, 0, false },
    { "too far from the first open one", false, 23, 64 + 2, 0, false },
    { "as far as can be", false, 23, 63 + 2, 0, true },
    { "below the first open one", false, 23, 1, 0, false },
    { "none is open", false, 31, 0, 0, false },
    { "no incarnation", false, 32, 0, 0, false },
    { "no body", false, 0, 1, WISH_HEAD_SIZE, true },
    { "cut short", false, 0, 1, WISH_HEAD_SIZE - 1, false },
    { "nothing", false, 0, 1, 1, false },
    { "an answer as it was written", true, 0, 1, 0, true },
    { "an answer of another version", true, 0, 2, 0, false },
    { "an answer with a flag", true, 3, 1, 0, false },
    { "no verdict", true, 1, 0, 0, false },
    { "a verdict of the origin's own", true, 1, WISH_OPEN, 0, false },
    { "a verdict with words that it never has", true, 1, WISH_LATER, 0, false },
    { "a verdict without words", true, 1, WISH_LATER, WISH_ANSWER_HEAD_SIZE, true },
    { "an answer to nothing", true, 23, 0, WISH_ANSWER_HEAD_SIZE, false },
    { "an answer cut short", true, 0, 1, WISH_ANSWER_HEAD_SIZE - 1, false },
};

TEST(what_cannot_have_been_written_is_not_believed)
{
    static const struct wish wish = {
        .incarnation = { { 7 } }, .sequence = 2, .first_open = 2, .term = 9, .attempt = 3
    };
    static const struct wish_answer answer = { .incarnation = { { 7 } }, .sequence = 2, .verdict = WISH_ANSWERED };

    FOR_EACH(byte_row, row, byte_rows) {
        uint8_t frame[WISH_FRAME_HEAD_MAX + 4] = { 0 };
        const uint32_t whole = (row->answer ? WISH_ANSWER_HEAD_SIZE : WISH_HEAD_SIZE) + 4;
        struct wish wish_said;
        struct wish_answer answer_said;
        if (row->answer) wish_answer_write(&answer, frame);
        else wish_write(&wish, frame);
        frame[row->at] = row->byte;
        const struct bytes bytes = { frame, row->size == 0 ? whole : row->size };
        EXPECT_EQ(row->why, row->good,
                  row->answer ? wish_answer_read(bytes, &answer_said) : wish_read(bytes, &wish_said));
    }
}

/* ---- asking ---- */

TEST(a_wish_is_asked_of_whoever_leads_until_something_comes_of_it)
{
    struct wishes *wishes = wishes_new();
    struct wish wish;
    const uint64_t sequence = open_one(wishes, "make it");
    uint64_t now = 5 * SECOND_NS;

    EXPECT_EQ("nobody leads", 0, asked_at(wishes, now, &wish));
    EXPECT("and nothing else is due", wishes_deadline_ns(wishes) == WISH_NEVER);
    wishes_on_leader(wishes, now, SECOND, 4);
    EXPECT_EQ("asked at once", sequence, asked_at(wishes, now, &wish));
    EXPECT_EQ("of this term's leader", 4, wish.term);
    EXPECT_EQ("for the first time", 1, wish.attempt);
    EXPECT_BYTES("whole", "make it", 7, wish.body.data, wish.body.size);
    EXPECT_EQ("once", 0, asked_at(wishes, now, &wish));

    EXPECT_EQ("patience", 0, asked_at(wishes, now + SECOND_NS - 1, &wish));
    EXPECT("which has an end", wishes_deadline_ns(wishes) == now + SECOND_NS);
    EXPECT_EQ("again after a second", sequence, asked_at(wishes, now += SECOND_NS, &wish));
    EXPECT_EQ("as the same, for the second time", 2, wish.attempt);

    wishes_on_leader(wishes, now += MS, NOBODY, 5);
    EXPECT_EQ("nobody leads", 0, asked_at(wishes, now + 10 * SECOND_NS, &wish));
    wishes_on_leader(wishes, now += 10 * SECOND_NS, THIRD, 6);
    EXPECT_EQ("another leader is asked at once", sequence, asked_at(wishes, now, &wish));
    EXPECT_EQ("in its term", 6, wish.term);
    wishes_on_leader(wishes, now += MS, THIRD, 6);
    EXPECT_EQ("the same leader is not", 0, asked_at(wishes, now, &wish));
    wishes_on_leader(wishes, now += MS, THIRD, 7);
    EXPECT_EQ("the same leader in another term is", sequence, asked_at(wishes, now, &wish));

    wishes_on_leader(wishes, now += MS, SELF, 8);
    EXPECT_EQ("so are we ourselves", sequence, asked_at(wishes, now, &wish));
    EXPECT_EQ("but then once: a call is not lost", 0, asked_at(wishes, now + 100 * SECOND_NS, &wish));
    EXPECT("nor does it wait for a time", wishes_deadline_ns(wishes) == WISH_NEVER);
    wishes_free(wishes);
}

TEST(what_may_be_lost_is_asked_again)
{
    struct wishes *wishes = wishes_new();
    struct wish wish;
    const uint64_t sequence = open_one(wishes, "make it");

    wishes_on_leader(wishes, 0, SECOND, 4);
    EXPECT_EQ("asked", sequence, asked_at(wishes, 0, &wish));
    wishes_on_lost(wishes, 0, sequence);
    EXPECT_EQ("there was no way: not at once", 0, asked_at(wishes, WISH_LATER_NS - 1, &wish));
    EXPECT_EQ("but soon", sequence, asked_at(wishes, WISH_LATER_NS, &wish));
    wishes_on_link_up(wishes, WISH_LATER_NS, THIRD);
    EXPECT_EQ("a way to somebody else", 0, asked_at(wishes, WISH_LATER_NS, &wish));
    wishes_on_link_up(wishes, WISH_LATER_NS, SECOND);
    EXPECT_EQ("a new way to the leader: the old one may have lost it", sequence,
              asked_at(wishes, WISH_LATER_NS, &wish));
    EXPECT_EQ("as the same", 3, wish.attempt);
    wishes_on_applied(wishes, sequence, bytes_of("made"), true);
    wishes_on_lost(wishes, WISH_LATER_NS, sequence);
    wishes_on_link_up(wishes, WISH_LATER_NS, SECOND);
    EXPECT_EQ("what is done is not", 0, asked_at(wishes, 9 * SECOND_NS, &wish));
    wishes_free(wishes);
}

static const struct answer_row {
    const char *why;
    enum wish_verdict verdict;
    int32_t sequence_off, attempt_off, term_off; /* from the last asking */
    bool other_life;
    bool heeded;
    enum wish_verdict after;
    uint64_t asked_again_ns; /* after so long, 0: never */
} answer_rows[] = {
    { "no", WISH_ANSWERED, 0, 0, 0, false, true, WISH_ANSWERED, 0 },
    { "no sense", WISH_MALFORMED, 0, 0, 0, false, true, WISH_MALFORMED, 0 },
    { "no room for words", WISH_TOO_LARGE, 0, 0, 0, false, true, WISH_TOO_LARGE, 0 },
    { "later", WISH_LATER, 0, 0, 0, false, true, WISH_OPEN, WISH_LATER_NS },
    { "it is done: our log will tell", WISH_GRANTED, 0, 0, 0, false, true, WISH_OPEN, SECOND_NS },
    { "a no to the asking before: the last may be granted", WISH_ANSWERED, 0, -1, 0, false, false, WISH_OPEN,
      SECOND_NS },
    { "a no of the leader before", WISH_ANSWERED, 0, 0, -1, false, false, WISH_OPEN, SECOND_NS },
    { "a no to an asking that is still to come", WISH_ANSWERED, 0, 1, 0, false, false, WISH_OPEN, SECOND_NS },
    { "a no to another wish", WISH_ANSWERED, 1, 0, 0, false, false, WISH_OPEN, SECOND_NS },
    { "a no to a life before", WISH_ANSWERED, 0, 0, 0, true, false, WISH_OPEN, SECOND_NS },
};

TEST(only_the_answer_to_the_last_asking_counts)
{
    FOR_EACH(answer_row, row, answer_rows) {
        struct wishes *wishes = wishes_new();
        struct wish wish, again;
        struct bytes words;
        wishes_on_leader(wishes, 0, SECOND, 4);
        const uint64_t sequence = open_one(wishes, "make it");
        asked_at(wishes, 0, &wish);
        asked_at(wishes, SECOND_NS, &wish);
        EXPECT_EQ(row->why, 2, wish.attempt);

        struct wish_answer answer = answer_to(&wish, row->verdict, "");
        answer.sequence += (uint64_t)row->sequence_off;
        answer.attempt += (uint32_t)row->attempt_off;
        answer.term += (uint64_t)row->term_off;
        if (row->other_life) answer.incarnation.bytes[0]++;
        if (row->verdict == WISH_ANSWERED) answer.answer = bytes_of("because");
        EXPECT_EQ(row->why, row->heeded, wishes_on_answer(wishes, SECOND_NS, &answer));
        EXPECT_EQ(row->why, row->after, wishes_outcome(wishes, sequence, &words));
        if (row->after == WISH_ANSWERED) EXPECT_BYTES(row->why, "because", 7, words.data, words.size);
        EXPECT_EQ(row->why, row->after == WISH_OPEN ? 0 : sequence, wishes_next_done(wishes));
        EXPECT_EQ(row->why, 0, wishes_next_done(wishes));
        if (row->asked_again_ns != 0) {
            EXPECT_EQ(row->why, 0, asked_at(wishes, SECOND_NS + row->asked_again_ns - 1, &again));
            EXPECT_EQ(row->why, sequence, asked_at(wishes, SECOND_NS + row->asked_again_ns, &again));
        } else {
            EXPECT_EQ(row->why, 0, asked_at(wishes, 100 * SECOND_NS, &again));
        }
        wishes_free(wishes);
    }
}

/* What comes out of the log ends it, whoever was asked last and whatever was said. */
static const struct applied_row {
    const char *why;
    bool whole;
    const char *answer;
    enum wish_verdict verdict;
} applied_rows[] = {
    { "granted", true, "made", WISH_GRANTED },
    { "its records were refused half way: what is said to be is not", false, "made", WISH_UNTOLD },
    { "an answer that is larger than we hold: a leader with other limits", true,
      "................................................................................................................"
      "................................................................................................................"
      "..............................................................................................................",
      WISH_UNTOLD },
};

TEST(what_is_applied_is_done)
{
    FOR_EACH(applied_row, row, applied_rows) {
        struct wishes *wishes = wishes_new();
        struct wish wish;
        struct bytes words;
        const uint64_t sequence = open_one(wishes, "make it");
        wishes_on_leader(wishes, 0, SECOND, 4);
        asked_at(wishes, 0, &wish);
        wishes_on_leader(wishes, 0, THIRD, 5);
        wishes_on_applied(wishes, sequence, bytes_of(row->answer), row->whole);
        EXPECT_EQ(row->why, row->verdict, wishes_outcome(wishes, sequence, &words));
        if (row->verdict == WISH_GRANTED) EXPECT_BYTES(row->why, "made", 4, words.data, words.size);
        EXPECT_EQ("nobody is asked any more", 0, asked_at(wishes, 9 * SECOND_NS, &wish));
        EXPECT_EQ("it is told", sequence, wishes_next_done(wishes));
        const struct wish_answer no = answer_to(&wish, WISH_ANSWERED, "no");
        EXPECT("what else is said comes too late", !wishes_on_answer(wishes, 0, &no));
        wishes_on_applied(wishes, sequence, bytes_of("twice"), true);
        EXPECT_EQ("as does the log itself", row->verdict, wishes_outcome(wishes, sequence, &words));
        wishes_forget(wishes, sequence);
        EXPECT_EQ("until it is forgotten", WISH_GIVEN_UP, wishes_outcome(wishes, sequence, &words));
        wishes_free(wishes);
    }
}

TEST(what_a_snapshot_swallowed_is_done_without_an_answer)
{
    struct wishes *wishes = wishes_new();
    struct wish_window window;
    struct bytes words;
    const uint64_t first = open_one(wishes, "a"), second = open_one(wishes, "b"), third = open_one(wishes, "c");

    wish_window_init(&window);
    wish_window_settle(&window, 1, second);
    wishes_on_window(wishes, &window);
    EXPECT_EQ("not this one", WISH_OPEN, wishes_outcome(wishes, first, &words));
    EXPECT_EQ("this one", WISH_UNTOLD, wishes_outcome(wishes, second, &words));
    EXPECT_EQ("not this one", WISH_OPEN, wishes_outcome(wishes, third, &words));
    wishes_free(wishes);
}

/* ---- time ---- */

TEST(what_takes_too_long_is_given_up)
{
    struct wishes *wishes = wishes_new();
    struct wish wish;
    struct bytes words;

    wishes_on_leader(wishes, 0, SECOND, 4);
    const uint64_t kept = wishes_open(wishes, 19, 7, bytes_of("a"), 30 * SECOND_NS, true);
    const uint64_t unkept = wishes_open(wishes, 19, 7, bytes_of("b"), 30 * SECOND_NS, false);
    while (wishes_next(wishes, 0, &wish)) {
    }
    wishes_on_time(wishes, 30 * SECOND_NS - 1);
    EXPECT_EQ("until then it is open", WISH_OPEN, wishes_outcome(wishes, kept, &words));
    while (wishes_next(wishes, 30 * SECOND_NS - 1, &wish)) {
    }
    EXPECT("then something is due", wishes_deadline_ns(wishes) == 30 * SECOND_NS);
    wishes_on_time(wishes, 30 * SECOND_NS);
    EXPECT_EQ("then it is not", WISH_GIVEN_UP, wishes_outcome(wishes, kept, &words));
    EXPECT_EQ("which is told", kept, wishes_next_done(wishes));
    EXPECT_EQ("of each", unkept, wishes_next_done(wishes));
    EXPECT_EQ("once", 0, wishes_next_done(wishes));
    EXPECT_EQ("nobody is asked any more", 0, asked_at(wishes, 40 * SECOND_NS, &wish));
    wishes_on_applied(wishes, kept, bytes_of("made"), true);
    EXPECT_EQ("what comes late is nobody's", WISH_GIVEN_UP, wishes_outcome(wishes, kept, &words));
    wishes_forget(wishes, kept);
    open_one(wishes, "c");
    asked_at(wishes, 40 * SECOND_NS, &wish);
    EXPECT_EQ("and those that come later say that it is given up", unkept + 1, wish.first_open);
    wishes_free(wishes);
}

TEST(who_loses_interest_leaves_a_wish_open)
{
    struct wishes *wishes = wishes_new();
    struct wish wish;

    wishes_on_leader(wishes, 0, SECOND, 4);
    const uint64_t sequence = open_one(wishes, "make it");
    wishes_forget(wishes, sequence);
    EXPECT_EQ("it is asked", sequence, asked_at(wishes, 0, &wish));
    EXPECT_EQ("and asked again", sequence, asked_at(wishes, SECOND_NS, &wish));
    wishes_on_applied(wishes, sequence, bytes_of("made"), true);
    EXPECT_EQ("and told, once", sequence, wishes_next_done(wishes));
    EXPECT_EQ("then it is gone", 0, wishes->slots[0].sequence);
    wishes_free(wishes);
}

/* ---- room ---- */

TEST(wishes_are_bounded)
{
    struct wishes *wishes = wishes_new();
    struct wish wish;
    uint64_t last = 0;

    wishes_on_leader(wishes, 0, SECOND, 4);
    for (uint32_t i = 0; i < WISHES_OUTER_MAX; i++) {
        EXPECT("room for a client's", wishes_have_room(wishes, 19));
        last = open_one(wishes, "a");
    }
    EXPECT("no more of those", !wishes_have_room(wishes, 19));
    for (uint32_t i = WISHES_OUTER_MAX; i < WISHES_OPEN_MAX; i++) {
        EXPECT("room for our own", wishes_have_room(wishes, WISH_PRODUCER_IDS));
        last = wishes_open(wishes, WISH_PRODUCER_IDS, 0, bytes_of(""), WISH_NEVER, false);
    }
    EXPECT("none at all", !wishes_have_room(wishes, WISH_PRODUCER_IDS));
    EXPECT_EQ("as many as a window holds", WISHES_OPEN_MAX, last);
    for (uint64_t sequence = 1; wishes_next(wishes, 0, &wish); sequence++) {
        EXPECT_EQ("asked in the order in which they were opened", sequence, wish.sequence);
        EXPECT_EQ("all are open", 1, wish.first_open);
    }
    for (uint64_t sequence = 2; sequence <= last; sequence++) {
        wishes_on_applied(wishes, sequence, bytes_of("made"), true);
        EXPECT_EQ("told", sequence, wishes_next_done(wishes));
        if (sequence <= WISHES_OUTER_MAX) wishes_forget(wishes, sequence);
    }
    EXPECT("the oldest holds all back: the window does not move", !wishes_have_room(wishes, WISH_PRODUCER_IDS));
    wishes_on_applied(wishes, 1, bytes_of("made"), true);
    EXPECT("then it does", wishes_have_room(wishes, 19));
    EXPECT_EQ("an answer that nobody took yet takes a place, and no more", last + 1, open_one(wishes, "b"));
    wishes_free(wishes);
}

TEST(the_same_can_be_found)
{
    struct wishes *wishes = wishes_new();
    const uint64_t first = wishes_open(wishes, WISH_AUTO_CREATE, 0, bytes_of("t"), WISH_NEVER, false);

    EXPECT_EQ("the same", first, wishes_same(wishes, WISH_AUTO_CREATE, bytes_of("t")));
    EXPECT_EQ("something else", 0, wishes_same(wishes, WISH_AUTO_CREATE, bytes_of("u")));
    EXPECT_EQ("of another kind", 0, wishes_same(wishes, WISH_REGISTER, bytes_of("t")));
    wishes_on_applied(wishes, first, bytes_of(""), true);
    EXPECT_EQ("that is done", 0, wishes_same(wishes, WISH_AUTO_CREATE, bytes_of("t")));
    wishes_free(wishes);
}

/* ---- the leader's queue ---- */

struct queue_world {
    struct wish_queue queue;
    uint8_t *memory;
};

static struct queue_world *queue_new(void)
{
    struct queue_world *world = calloc(1, sizeof *world);

    world->memory = calloc(1, wish_queue_memory_size(SIZE_MAX_OF_WISH));
    wish_queue_init(&world->queue, world->memory, SIZE_MAX_OF_WISH);
    return world;
}

static void queue_free(struct queue_world *world)
{
    wish_queue_check(&world->queue);
    wish_queue_clear(&world->queue);
    wish_queue_check(&world->queue);
    EXPECT_EQ("all is given back", 0, world->queue.blocks.taken_size);
    free(world->memory);
    free(world);
}

static enum wish_queue_verdict queue_add(struct queue_world *world, int32_t broker, uint64_t sequence, uint32_t attempt)
{
    char body[16];
    snprintf(body, sizeof body, "%d/%d", broker, (int)sequence);
    const struct wish wish = { .broker_id = broker,
                               .incarnation = life,
                               .sequence = sequence,
                               .first_open = 1,
                               .term = 4,
                               .attempt = attempt,
                               .body = bytes_of(body) };
    return wish_queue_add(&world->queue, &wish, broker == SELF);
}

/* Whose turn it is, as broker * 100 + sequence; 0: nobody's. */
static int turn(struct queue_world *world, uint64_t applied)
{
    const uint32_t entry = wish_queue_next(&world->queue, applied);

    if (entry == WISH_QUEUE_NONE) return 0;
    const struct wish *wish = wish_queue_at(&world->queue, entry);
    char body[16];
    snprintf(body, sizeof body, "%d/%d", wish->broker_id, (int)wish->sequence);
    if (wish->broker_id != SELF) EXPECT_BYTES("its own body", body, strlen(body), wish->body.data, wish->body.size);
    return wish->broker_id * 100 + (int)wish->sequence;
}

static void postpone(struct queue_world *world, uint64_t applied, uint64_t index)
{
    wish_queue_wait(&world->queue, wish_queue_next(&world->queue, applied), index);
}

static void decide(struct queue_world *world, uint64_t applied)
{
    wish_queue_drop(&world->queue, wish_queue_next(&world->queue, applied));
}

TEST(each_origin_has_its_turn_in_its_own_order)
{
    struct queue_world *world = queue_new();

    queue_add(world, 2, 1, 1);
    queue_add(world, 2, 2, 1);
    queue_add(world, 3, 1, 1);
    queue_add(world, SELF, 1, 1);
    EXPECT_EQ("the first that came", 201, turn(world, 10));
    EXPECT_EQ("until it is decided", 201, turn(world, 10));
    postpone(world, 10, 12);
    EXPECT_EQ("what waits lets others pass, but none of its own origin", 301, turn(world, 10));
    decide(world, 10);
    EXPECT_EQ("of whichever node", 101, turn(world, 11));
    postpone(world, 11, 12);
    EXPECT_EQ("all wait", 0, turn(world, 11));
    EXPECT("for an index", !wish_queue_is_due(&world->queue, 11));
    EXPECT("which comes", wish_queue_is_due(&world->queue, 12));
    EXPECT_EQ("then the first", 201, turn(world, 12));
    decide(world, 12);
    EXPECT_EQ("and whoever stood behind it", 202, turn(world, 12));
    decide(world, 12);
    decide(world, 12);
    EXPECT_EQ("and nobody", 0, turn(world, 12));
    queue_free(world);
}

TEST(a_wish_that_is_asked_again_keeps_its_place)
{
    struct queue_world *world = queue_new();

    EXPECT_EQ("a new one", WISH_QUEUED, queue_add(world, 2, 1, 1));
    EXPECT_EQ("another", WISH_QUEUED, queue_add(world, 3, 1, 1));
    postpone(world, 10, 12);
    EXPECT_EQ("the first again", WISH_QUEUED_ALREADY, queue_add(world, 2, 1, 2));
    EXPECT_EQ("still it waits", 301, turn(world, 10));
    EXPECT_EQ("and then comes first", 201, turn(world, 12));
    EXPECT_EQ("as the last asking, which is what counts", 2,
              wish_queue_at(&world->queue, wish_queue_next(&world->queue, 12))->attempt);
    wish_queue_withdraw(&world->queue, 2, 1);
    wish_queue_withdraw(&world->queue, 2, 1); /* is not there */
    EXPECT_EQ("given up", 301, turn(world, 12));
    queue_free(world);
}

TEST(the_queue_is_bounded)
{
    struct queue_world *world = queue_new();
    uint8_t body[600] = { 0 };
    struct wish wish = { .broker_id = 2, .incarnation = life, .first_open = 1, .body = { body, 2048 } };

    EXPECT_EQ("larger than any may be", WISH_QUEUE_FULL, wish_queue_add(&world->queue, &wish, false));
    uint64_t count = 0;
    while (queue_add(world, 2, count + 1, 1) == WISH_QUEUED) count++;
    EXPECT_EQ("as many as its memory holds", 8, count);
    for (uint64_t i = 1; i <= WISHES_OPEN_MAX; i++) {
        EXPECT_EQ("our own take none of it", WISH_QUEUED, queue_add(world, SELF, i, 1));
    }
    wish_queue_withdraw(&world->queue, 2, 4);
    EXPECT_EQ("what leaves makes room", WISH_QUEUED, queue_add(world, 3, 1, 1));
    queue_free(world);
}
