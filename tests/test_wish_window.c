/* Which wishes are settled: a floor and 64 bits, held against a set that forgets nothing. */
#include "base/prng.h"
#include "meta/wish_window.h"
#include "t.h"

/* Wishes 3, 5 and 6 of a node whose lowest open one is 2. */
static struct wish_window some(void)
{
    struct wish_window window;

    wish_window_init(&window);
    wish_window_settle(&window, 2, 5);
    wish_window_settle(&window, 2, 3);
    wish_window_settle(&window, 2, 6);
    return window;
}

static const struct judge_row {
    const char *why;
    uint64_t first_open, sequence;
    enum wish_standing standing;
    uint64_t floor_after; /* of a new one that is settled */
} judge_rows[] = {
    { "the lowest", 2, 2, WISH_NEW, 4 },
    { "a gap", 2, 4, WISH_NEW, 2 },
    { "a second time", 2, 5, WISH_SETTLED, 0 },
    { "the highest so far, again", 2, 6, WISH_SETTLED, 0 },
    { "the next", 2, 7, WISH_NEW, 2 },
    { "the last that can be open", 2, 65, WISH_NEW, 2 },
    { "one that cannot", 2, 66, WISH_IMPOSSIBLE, 0 },
    { "below the floor", 1, 1, WISH_SETTLED, 0 },
    { "asked when older ones were open", 1, 4, WISH_NEW, 2 },
    { "a retry from before the floor rose", 1, 5, WISH_SETTLED, 0 },
    { "those before are given up", 4, 4, WISH_NEW, 7 },
    { "all are given up", 7, 7, WISH_NEW, 8 },
    { "far ahead", 1000, 1063, WISH_NEW, 1000 },
    { "too far ahead", 1000, 1064, WISH_IMPOSSIBLE, 0 },
    { "below what it has open", 6, 4, WISH_IMPOSSIBLE, 0 },
    { "no number", 0, 4, WISH_IMPOSSIBLE, 0 },
    { "no number at all", 0, 0, WISH_IMPOSSIBLE, 0 },
    { "the highest of all", WISH_SEQUENCE_MAX, WISH_SEQUENCE_MAX, WISH_NEW, WISH_SEQUENCE_MAX + 1 },
    { "beyond all", WISH_SEQUENCE_MAX, WISH_SEQUENCE_MAX + 1, WISH_IMPOSSIBLE, 0 },
    { "a negative one", UINT64_MAX, UINT64_MAX, WISH_IMPOSSIBLE, 0 },
};

TEST(a_wish_is_new_once)
{
    FOR_EACH(judge_row, row, judge_rows) {
        struct wish_window window = some();
        EXPECT_EQ(row->why, row->standing, wish_window_judge(&window, row->first_open, row->sequence));
        if (row->standing != WISH_NEW) continue;
        wish_window_settle(&window, row->first_open, row->sequence);
        EXPECT_EQ(row->why, WISH_SETTLED, wish_window_judge(&window, row->first_open, row->sequence));
        EXPECT_EQ(row->why, row->floor_after, window.floor);
    }
}

TEST(a_full_window_closes_over_itself)
{
    struct wish_window window;

    wish_window_init(&window);
    for (uint64_t sequence = WISHES_OPEN_MAX; sequence > 1; sequence--) wish_window_settle(&window, 1, sequence);
    EXPECT_EQ("the lowest is missing", 1, window.floor);
    EXPECT_EQ("nothing fits beside it", WISH_IMPOSSIBLE, wish_window_judge(&window, 1, WISHES_OPEN_MAX + 1));
    wish_window_settle(&window, 1, 1);
    EXPECT_EQ("all are below the floor", WISHES_OPEN_MAX + 1, window.floor);
    EXPECT_EQ("and no bit is left", 0, window.applied);
}

/* Origins that open and close in any order, proposals that come late, twice and out of order. */
TEST(no_history_applies_a_wish_twice)
{
    enum { WISHES = 2000, LATE = 256 };
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct {
            uint64_t first_open, sequence;
        } late[LATE];
        static bool open[WISHES + 1], applied[WISHES + 1];
        struct wish_window window;
        struct prng prng;
        uint64_t first_open = 1, next = 1;
        uint32_t late_count = 0;

        memset(open, 0, sizeof open);
        memset(applied, 0, sizeof applied);
        prng_init(&prng, seed, 1);
        wish_window_init(&window);
        while (next <= WISHES || late_count > 0) {
            if (next <= WISHES && next - first_open < WISHES_OPEN_MAX && prng_chance(&prng, 1, 3)) open[next++] = true;
            if (first_open < next && prng_chance(&prng, 1, 3)) { /* one is given up, or was answered */
                open[first_open + prng_below(&prng, next - first_open)] = false;
            }
            while (first_open < next && !open[first_open]) first_open++;
            if (first_open < next && late_count < LATE && prng_chance(&prng, 2, 3)) {
                const uint64_t sequence = first_open + prng_below(&prng, next - first_open);
                if (open[sequence]) {
                    late[late_count].first_open = first_open;
                    late[late_count++].sequence = sequence;
                }
            }
            if (late_count == 0) continue;
            const uint32_t chosen = (uint32_t)prng_below(&prng, late_count);
            const uint64_t first = late[chosen].first_open, sequence = late[chosen].sequence;
            if (wish_window_judge(&window, first, sequence) == WISH_NEW) {
                EXPECT("never a second time", !applied[sequence]);
                applied[sequence] = true;
                wish_window_settle(&window, first, sequence);
            } else {
                EXPECT("refused only if applied or given up", applied[sequence] || sequence < window.floor);
            }
            EXPECT("the floor passes nothing that is open and not applied",
                   window.floor <= first_open || applied[first_open]);
            if (prng_chance(&prng, 1, 2)) late[chosen] = late[--late_count];
        }
    }
}
