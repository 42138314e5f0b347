#include "base/buddy.h"
#include "base/prng.h"
#include "t.h"

#include <stdlib.h>

enum { KIB = 1024, PAGE = 4 * KIB };

static struct buddy buddy_of(uint64_t range, uint32_t block_min, uint32_t block_max)
{
    const struct buddy_config config = { range, block_min, block_max };
    struct buddy buddy;
    buddy_init(&buddy, calloc(1, buddy_size(&config)), &config);
    buddy_check(&buddy);
    return buddy;
}

/* Takes the sizes in order, of a range of `pages` pages; at[] in pages, -1 for none. */
static const struct take_row {
    const char *why;
    uint32_t pages, block_max;
    uint32_t sizes[6]; /* bytes; 0 ends */
    int at[6];
} take_rows[] = {
    { "one byte takes a page", 4, 4 * PAGE, { 1, 1 }, { 0, 1 } },
    { "a byte more than a page takes two", 4, 4 * PAGE, { PAGE + 1, 1 }, { 0, 2 } },
    { "a block lies at a multiple of itself", 8, 8 * PAGE, { PAGE, 2 * PAGE, 4 * PAGE, PAGE }, { 0, 2, 4, 1 } },
    { "the fullest part first", 8, 8 * PAGE, { 4 * PAGE, PAGE, 2 * PAGE, PAGE }, { 0, 4, 6, 5 } },
    { "all of it", 4, 4 * PAGE, { 4 * PAGE, 1 }, { 0, -1 } },
    { "more than there is", 4, 8 * PAGE, { 5 * PAGE }, { -1 } },
    { "more than is ever lent, though there is more", 8, 2 * PAGE, { 2 * PAGE + 1, 2 * PAGE }, { -1, 0 } },
    { "enough in sum is not enough in one piece", 4, 4 * PAGE, { PAGE, 4 * PAGE, 2 * PAGE }, { 0, -1, 2 } },
    { "a range that is no power of two ends where it ends",
      5,
      8 * PAGE,
      { 8 * PAGE, 4 * PAGE, 1, 1 },
      { -1, 0, 4, -1 } },
    { "six pages are a four and a two", 6, 4 * PAGE, { 2 * PAGE, 4 * PAGE, 1 }, { 4, 0, -1 } },
    { "a single page", 1, PAGE, { PAGE, 1 }, { 0, -1 } },
};

TEST(buddy_takes)
{
    FOR_EACH(take_row, row, take_rows) {
        struct buddy buddy = buddy_of((uint64_t)row->pages * PAGE, PAGE, row->block_max);
        for (int i = 0; i < 6 && row->sizes[i] != 0; i++) {
            const uint64_t want = row->at[i] < 0 ? BUDDY_NONE : (uint64_t)row->at[i] * PAGE;
            EXPECT_EQ(row->why, want, buddy_take(&buddy, row->sizes[i]));
            buddy_check(&buddy);
        }
        free(buddy.lack);
    }
}

TEST(buddy_joins_what_comes_back)
{
    struct buddy buddy = buddy_of(8 * PAGE, PAGE, 8 * PAGE);
    uint64_t at[8];
    for (int i = 0; i < 8; i++) at[i] = buddy_take(&buddy, PAGE);
    EXPECT_EQ("all taken", 8 * PAGE, buddy.taken_size);
    for (int i = 0; i < 8; i += 2) buddy_give(&buddy, at[i]);
    EXPECT("every second page is free: no two in a row", buddy_take(&buddy, 2 * PAGE) == BUDDY_NONE);
    buddy_give(&buddy, at[5]);
    EXPECT_EQ("4 and 5 joined", 4 * PAGE, buddy_take(&buddy, 2 * PAGE));
    EXPECT_EQ("two pages", 2 * PAGE, buddy_block_size(&buddy, 4 * PAGE));
    buddy_give(&buddy, 4 * PAGE);
    for (int i = 1; i < 8; i += 2) {
        if (i != 5) buddy_give(&buddy, at[i]);
    }
    buddy_check(&buddy);
    EXPECT_EQ("whole again", 0, buddy_take(&buddy, 8 * PAGE));
    free(buddy.lack);
}

/* The range of a real node: metadata is small and a take in a big range works like one in a small. */
TEST(buddy_of_a_big_range)
{
    const struct buddy_config config = { UINT64_C(6) << 30, PAGE, 128 << 20 };
    struct buddy buddy = buddy_of(config.range_size, PAGE, config.block_max);
    EXPECT_EQ("a byte for half a block, rounded up to a power of two", 4 << 20, buddy_size(&config));
    unsigned taken = 0;
    while (buddy_take(&buddy, 100 << 20) != BUDDY_NONE) taken++;
    EXPECT_EQ("48 times 128 MiB", 48, taken);
    EXPECT_EQ("all of it", config.range_size, buddy.taken_size);
    free(buddy.lack);
}

/* Random takes and gives: blocks never overlap, never leave the range, and all joins at the end. */
static void buddy_churn(uint32_t pages, uint64_t seed)
{
    enum { HELD_MAX = 64 };
    struct buddy buddy = buddy_of((uint64_t)pages * PAGE, PAGE, 16 * PAGE);
    uint8_t *owner = calloc(pages, 1);
    uint64_t held[HELD_MAX];
    unsigned count = 0;
    struct prng prng;

    prng_init(&prng, seed, pages);
    for (int step = 0; step < 5000; step++) {
        if (count < HELD_MAX && prng_chance(&prng, 1, 2)) {
            const uint64_t size = 1 + prng_below(&prng, 16 * PAGE), at = buddy_take(&buddy, size);
            if (at == BUDDY_NONE) continue;
            const uint32_t block = buddy_block_size(&buddy, at);
            EXPECT("large enough, and less than twice", block >= size && (block < 2 * size || block == PAGE));
            EXPECT("aligned to itself", at % block == 0);
            EXPECT("within the range", at + block <= (uint64_t)pages * PAGE);
            for (uint64_t page = at / PAGE; page < (at + block) / PAGE; page++) EXPECT("nobody's", owner[page]++ == 0);
            held[count++] = at;
        } else if (count > 0) {
            const uint32_t which = (uint32_t)prng_below(&prng, count);
            const uint64_t at = held[which], end = at + buddy_block_size(&buddy, at);
            for (uint64_t page = at / PAGE; page < end / PAGE; page++) owner[page]--;
            buddy_give(&buddy, at);
            held[which] = held[--count];
        }
        buddy_check(&buddy);
    }
    while (count > 0) buddy_give(&buddy, held[--count]);
    buddy_check(&buddy);
    EXPECT_EQ("nothing is taken", 0, buddy.taken_size);
    for (uint32_t i = 0; i < pages / 16; i++) EXPECT("all joined", buddy_take(&buddy, 16 * PAGE) != BUDDY_NONE);
    free(buddy.lack);
    free(owner);
}

TEST(buddy_survives_churn)
{
    buddy_churn(64, 1);
    buddy_churn(100, 2);
    buddy_churn(37, 3);
}
