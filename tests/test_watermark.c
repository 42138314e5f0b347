/* The high watermark of a leader: what counts, what is believed, and what never happens. */
#include "replica/watermark.h"
#include "t.h"

#include "base/prng.h"

enum { ooo = 0, Loo = 1, oFo = 2, LFo = 3, ooG = 4, LoG = 5, oFG = 6, LFG = 7 }; /* a set as a picture: leader, F, G */
enum { EPOCH = 5, SESSION = 70, END = 10 };

static struct watermark mark_of_three(struct isr_sets isr, uint8_t isr_min)
{
    struct watermark watermark;
    const struct watermark opening = {
        .leader_epoch = EPOCH,
        .replica_count = 3,
        .isr_min = isr_min,
        .isr = isr,
        .log_end_offset = END,
        .session = { SESSION, SESSION + 1, SESSION + 2 },
    };
    watermark_init(&watermark, &opening);
    return watermark;
}

static enum ack_verdict hold(struct watermark *watermark, uint8_t slot, int64_t held_offset)
{
    return watermark_on_ack(watermark, &(struct ack){ slot, (uint64_t)SESSION + slot, EPOCH, held_offset });
}

static const struct mark_row {
    const char *why;
    struct isr_sets isr;
    uint8_t isr_min;
    int64_t acks[3], high_watermark;
} mark_rows[] = {
    /* clang-format off */
    /*                                           current asked join  min    L   F  G   mark */
    { "alone, our own disk commits",            { Loo,   Loo,  ooo }, 1, { 9, -1, -1 }, 9 },
    { "the slowest member holds the mark",      { LFG,   LFG,  ooo }, 2, { 9,  4,  7 }, 4 },
    { "a silent member holds it too",           { LFG,   LFG,  ooo }, 2, { 9,  9, -1 }, 0 },
    { "a slow outsider does not",               { LFo,   LFo,  ooo }, 2, { 9,  6,  1 }, 6 },
    { "nor does a silent one",                  { LFo,   LFo,  ooo }, 2, { 9,  6, -1 }, 6 },
    { "a member being added counts already",    { LFo,   LFG,  ooo }, 2, { 9,  6,  5 }, 5 },
    { "a member being removed counts still",    { LFG,   LFo,  ooo }, 2, { 9,  6,  5 }, 5 },
    { "one about to join counts already",       { LFo,   LFo,  ooG }, 2, { 9,  6,  5 }, 5 },
    { "our own slow disk counts like any",      { LFG,   LFG,  ooo }, 2, { 2,  9,  9 }, 2 },
    { "below isr_min nothing commits",          { Loo,   Loo,  ooo }, 2, { 9, -1, -1 }, 0 },
    { "nor if only a proposal would be enough", { Loo,   LFo,  ooo }, 2, { 9,  9, -1 }, 0 },
    { "what was handed out is the limit",       { LFo,   LFo,  ooo }, 2, { END, END, -1 }, END },
    /* clang-format on */
};

TEST(high_watermark)
{
    FOR_EACH(mark_row, row, mark_rows) {
        struct watermark mark = mark_of_three(row->isr, row->isr_min);
        for (uint8_t slot = 0; slot < 3; slot++) {
            if (row->acks[slot] >= 0) hold(&mark, slot, row->acks[slot]);
        }
        EXPECT_EQ(row->why, row->high_watermark, mark.high_watermark);
    }
}

static const struct ack_row {
    const char *why;
    struct ack ack; /* of F, who holds 4 as does the leader 9 */
    enum ack_verdict verdict;
    int64_t high_watermark;
} ack_rows[] = {
    /* clang-format off */
    { "news",                                      { 1, SESSION + 1, EPOCH,     6 },       ACK_COMMITTED,  6 },
    { "the same again teaches nothing",            { 1, SESSION + 1, EPOCH,     4 },       ACK_KEPT,       4 },
    { "late, takes none back",                     { 1, SESSION + 1, EPOCH,     2 },       ACK_KEPT,       4 },
    { "of the epoch before: of another log",       { 1, SESSION + 1, EPOCH - 1, 6 },       ACK_FENCED,     4 },
    { "of an epoch that we do not lead",           { 1, SESSION + 1, EPOCH + 1, 6 },       ACK_FENCED,     4 },
    { "of a session before: it may have been wiped since", { 1, SESSION, EPOCH, 6 },       ACK_FENCED,     4 },
    { "up to the end",                             { 1, SESSION + 1, EPOCH,     END },     ACK_COMMITTED,  9 },
    { "beyond what we handed out",                 { 1, SESSION + 1, EPOCH,     END + 1 }, ACK_IMPOSSIBLE, 4 },
    { "no offset at all",                          { 1, SESSION + 1, EPOCH,     -1 },      ACK_IMPOSSIBLE, 4 },
    { "an outsider's changes nothing",             { 2, SESSION + 2, EPOCH,     8 },       ACK_KEPT,       4 },
    /* clang-format on */
};

TEST(acks_are_judged)
{
    FOR_EACH(ack_row, row, ack_rows) {
        struct watermark mark = mark_of_three((struct isr_sets){ LFo, LFo, ooo }, 2);
        hold(&mark, 0, 9);
        hold(&mark, 1, 4);
        EXPECT_EQ(row->why, row->verdict, watermark_on_ack(&mark, &row->ack));
        EXPECT_EQ(row->why, row->high_watermark, mark.high_watermark);
    }
}

static const struct isr_row {
    const char *why;
    struct isr_sets isr; /* after L, F and G were all in it, and hold 9, 6 and 3 */
    uint8_t isr_min;
    bool rises;
    int64_t high_watermark;
} isr_rows[] = {
    /* clang-format off */
    { "one is asked to leave: not yet",            { LFG, LFo, ooo }, 2, false, 3 },
    { "he left",                                   { LFo, LFo, ooo }, 2, true,  6 },
    { "alone, and that is allowed",                { Loo, Loo, ooo }, 1, true,  9 },
    { "alone, and that is not",                    { Loo, Loo, ooo }, 2, false, 3 },
    { "the mark does not step back for a newcomer", { LFG, LFG, ooo }, 3, false, 3 },
    /* clang-format on */
};

TEST(isr_changes_move_the_mark)
{
    FOR_EACH(isr_row, row, isr_rows) {
        struct watermark mark = mark_of_three((struct isr_sets){ LFG, LFG, ooo }, 2);
        hold(&mark, 0, 9);
        hold(&mark, 1, 6);
        hold(&mark, 2, 3);
        EXPECT_EQ(row->why, row->rises, watermark_on_isr(&mark, &row->isr, row->isr_min));
        EXPECT_EQ(row->why, row->high_watermark, mark.high_watermark);
    }
}

TEST(a_new_session_forgets_what_was_held)
{
    struct watermark mark = mark_of_three((struct isr_sets){ LFo, LFo, ooo }, 2);

    hold(&mark, 0, 5);
    hold(&mark, 1, 5);
    watermark_on_session(&mark, 1, 99);
    hold(&mark, 0, 9);
    EXPECT_EQ("nothing above the mark until he speaks", 5, mark.high_watermark);
    EXPECT_EQ("his old session is over", ACK_FENCED, hold(&mark, 1, 9));
    EXPECT_EQ("he holds less than he did", ACK_KEPT, watermark_on_ack(&mark, &(struct ack){ 1, 99, EPOCH, 3 }));
    EXPECT_EQ("the mark does not step back", 5, mark.high_watermark);
    EXPECT_EQ("and rises when he has it", ACK_COMMITTED, watermark_on_ack(&mark, &(struct ack){ 1, 99, EPOCH, 7 }));
    EXPECT_EQ("as far as he has it", 7, mark.high_watermark);
}

TEST(what_was_held_in_an_old_session_commits_nothing)
{
    struct watermark mark = mark_of_three((struct isr_sets){ LFo, LFo, ooo }, 2);

    hold(&mark, 1, 8);
    hold(&mark, 0, 5);
    EXPECT_EQ("our own disk is behind", 5, mark.high_watermark);
    watermark_on_session(&mark, 1, 99);
    EXPECT_EQ("he may have lost since what he held", ACK_KEPT, hold(&mark, 0, 9));
    EXPECT_EQ("so the mark stays", 5, mark.high_watermark);
}

TEST(replicas_are_added_behind_the_others)
{
    struct watermark mark = mark_of_three((struct isr_sets){ LFG, LFG, ooo }, 2);

    EXPECT_EQ("the next slot", 3, watermark_add_replica(&mark));
    EXPECT_EQ("he holds nothing that we know", HELD_UNKNOWN, mark.held_offset[3]);
    while (mark.replica_count < REPLICA_SLOTS_MAX) watermark_add_replica(&mark);
    EXPECT_EQ("there is a limit", REPLICA_SLOT_NONE, watermark_add_replica(&mark));
}

/* Random facts: the mark is the minimum over those that are waited for, and never falls. */
TEST(the_mark_never_falls_and_never_runs_ahead)
{
    struct prng prng;

    prng_init(&prng, 7, 1);
    for (uint32_t run = 0; run < 200; run++) {
        struct watermark mark = mark_of_three((struct isr_sets){ LFG, LFG, ooo }, 2);
        for (uint32_t i = 0; i < 200; i++) {
            const int64_t before = mark.high_watermark;
            const uint8_t slot = (uint8_t)prng_below(&prng, 3);
            switch (prng_below(&prng, 8)) {
            case 0: watermark_on_append(&mark, mark.log_end_offset + (int64_t)prng_below(&prng, 5)); break;
            case 1: {
                const slot_set current = 1 | (slot_set)prng_below(&prng, 8), asked = 1 | (slot_set)prng_below(&prng, 8);
                const struct isr_sets isr = { current, asked, (slot_set)prng_below(&prng, 8) };
                watermark_on_isr(&mark, &isr, (uint8_t)(1 + prng_below(&prng, 3)));
                break;
            }
            case 2:
                if (slot > 0) watermark_on_session(&mark, slot, mark.session[slot] + 1);
                break;
            default: {
                const int64_t held = (int64_t)prng_below(&prng, (uint64_t)mark.log_end_offset + 2);
                watermark_on_ack(&mark, &(struct ack){ slot, mark.session[slot], EPOCH, held });
            }
            }
            EXPECT("it never falls", mark.high_watermark >= before);
            if (mark.high_watermark == before) continue;
            for (uint8_t at = 0; at < 3; at++) {
                if (!slots_have(mark.isr.current | mark.isr.proposed | mark.isr.joining, at)) continue;
                EXPECT("whoever counts holds it", mark.held_offset[at] >= mark.high_watermark);
            }
            EXPECT("there were enough", slots_count(mark.isr.current) >= mark.isr_min);
        }
    }
}
