#include "base/prng.h"
#include "base/timers.h"
#include "t.h"

#include <stdlib.h>

enum { SLOTS = 8 };

struct bed {
    struct timers timers;
    _Alignas(8) uint8_t memory[SLOTS * 20];
};

static void bed_make(struct bed *bed)
{
    memset(bed, 0, sizeof *bed);
    EXPECT("fits", timers_size(SLOTS) <= sizeof bed->memory);
    timers_init(&bed->timers, bed->memory, SLOTS);
}

/* The slots that pop at each of a few times, as text: "now:slot,slot". */
static const struct pop_row {
    const char *why;
    uint64_t deadlines[SLOTS]; /* 0: not set */
    uint64_t now;
    const char *popped;
    uint64_t next;
} pop_rows[] = {
    { "nothing set, nothing due", { 0 }, 100, "", TIMERS_NEVER },
    { "before its time nothing", { 100 }, 99, "", 100 },
    { "at its time", { 100 }, 100, "0", TIMERS_NEVER },
    { "by time", { 30, 10, 20 }, 50, "120", TIMERS_NEVER },
    { "by slot where times are equal", { 7, 7, 7, 7, 7, 7, 7, 7 }, 7, "01234567", TIMERS_NEVER },
    { "what is later stays", { 5, 50, 4, 40 }, 10, "20", 40 },
    { "the largest deadline is one", { TIMERS_NEVER - 1 }, TIMERS_NEVER - 1, "0", TIMERS_NEVER },
};

TEST(timers_pop_in_order)
{
    FOR_EACH(pop_row, row, pop_rows) {
        struct bed bed;
        char popped[SLOTS + 1] = { 0 };
        bed_make(&bed);
        for (uint32_t i = SLOTS; i-- > 0;) {
            if (row->deadlines[i] != 0) timers_set(&bed.timers, i, row->deadlines[i]);
        }
        for (int i = 0;; i++) {
            const uint32_t slot = timers_pop_due(&bed.timers, row->now);
            if (slot == TIMERS_NO_SLOT) break;
            popped[i] = (char)('0' + slot);
            EXPECT("popped is cleared", timers_deadline(&bed.timers, slot) == TIMERS_NEVER);
        }
        EXPECT_TEXT(row->why, row->popped, popped);
        EXPECT(row->why, timers_next(&bed.timers) == row->next);
        timers_check(&bed.timers);
    }
}

TEST(timers_move_and_clear)
{
    struct bed bed;
    bed_make(&bed);
    timers_set(&bed.timers, 3, 10);
    timers_set(&bed.timers, 4, 20);
    timers_set(&bed.timers, 3, 30);
    EXPECT("a later deadline replaces the earlier", timers_next(&bed.timers) == 20);
    timers_set(&bed.timers, 3, 5);
    EXPECT("an earlier one the later", timers_next(&bed.timers) == 5);
    timers_set(&bed.timers, 3, TIMERS_NEVER);
    EXPECT("never clears", timers_next(&bed.timers) == 20);
    timers_clear(&bed.timers, 3);
    EXPECT("clearing twice is nothing", timers_next(&bed.timers) == 20);
    timers_clear(&bed.timers, 4);
    EXPECT("empty", timers_next(&bed.timers) == TIMERS_NEVER);
    timers_check(&bed.timers);
}

/* Random sets, clears and pops beside an array that is searched in full. */
TEST(timers_agree_with_a_plain_search)
{
    enum { MANY = 300 };
    static uint64_t plain[MANY];
    struct timers timers;
    struct prng prng;
    void *memory = calloc(1, timers_size(MANY));

    prng_init(&prng, 5, 0);
    timers_init(&timers, memory, MANY);
    for (int i = 0; i < MANY; i++) plain[i] = TIMERS_NEVER;
    for (int step = 0; step < 30000; step++) {
        const uint32_t slot = (uint32_t)prng_below(&prng, MANY);
        uint32_t due = 0;
        switch (prng_below(&prng, 4)) {
        case 0: timers_clear(&timers, slot), plain[slot] = TIMERS_NEVER; break;
        case 1:
            for (uint32_t i = 1; i < MANY; i++) due = plain[i] < plain[due] ? i : due;
            EXPECT("the same next", timers_next(&timers) == plain[due]);
            const uint64_t now = prng_below(&prng, 500);
            const uint32_t want = plain[due] <= now ? due : TIMERS_NO_SLOT;
            EXPECT_EQ("the same slot", want, timers_pop_due(&timers, now));
            if (want != TIMERS_NO_SLOT) plain[want] = TIMERS_NEVER;
            break;
        default: plain[slot] = prng_below(&prng, 500), timers_set(&timers, slot, plain[slot]); break;
        }
        if (step % 100 == 0) timers_check(&timers);
    }
    free(memory);
}
