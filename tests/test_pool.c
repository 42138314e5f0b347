#include "base/pool.h"
#include "base/ring.h"
#include "t.h"

/* A letter takes and names what came; a small letter gives that one back. '-' must come as none. */
static const struct pool_row {
    const char *why;
    const char *script;
    const char *slots; /* what each capital letter got, in order */
} pool_rows[] = {
    { "from the lowest up", "ABC", "012" },
    { "full is a verdict", "ABCDE", "0123-" },
    { "last given, first taken", "ABCabcDEF", "012210" },
    { "given before fresh", "AaB", "00" },
    { "full, then one comes back", "ABCDbE", "01231" },
};

TEST(pool_takes_and_gives)
{
    FOR_EACH(pool_row, row, pool_rows) {
        uint32_t memory[4], taken[26];
        char got[16] = { 0 };
        int count = 0;
        struct pool pool;
        EXPECT_EQ("fits", sizeof memory, pool_size(4));
        pool_init(&pool, memory, 4);
        for (const char *at = row->script; *at != 0; at++) {
            if (*at >= 'a') {
                pool_give(&pool, taken[*at - 'a']);
                EXPECT(row->why, !pool_is_taken(&pool, taken[*at - 'a']));
            } else {
                const uint32_t slot = taken[*at - 'A'] = pool_take(&pool);
                got[count++] = slot == POOL_NONE ? '-' : (char)('0' + slot);
                EXPECT(row->why, slot == POOL_NONE || pool_is_taken(&pool, slot));
            }
            pool_check(&pool);
        }
        EXPECT_TEXT(row->why, row->slots, got);
    }
}

static const struct ring_row {
    const char *why;
    const char *script; /* '+' pushes, '-' pops */
    const char *indexes;
} ring_rows[] = {
    { "pops what was pushed first", "++--", "0101" },
    { "goes round", "+++-+--+", "01200121" },
    { "full is a verdict", "++++", "012x" },
    { "empty is one too", "+--", "00x" },
};

TEST(ring_pushes_and_pops)
{
    FOR_EACH(ring_row, row, ring_rows) {
        struct ring ring;
        char got[16] = { 0 };
        ring_init(&ring, 3);
        for (int i = 0; row->script[i] != 0; i++) {
            const uint32_t index = row->script[i] == '+' ? ring_push(&ring) : ring_pop(&ring);
            got[i] = index == RING_NONE ? 'x' : (char)('0' + index);
            ring_check(&ring);
        }
        EXPECT_TEXT(row->why, row->indexes, got);
    }
}

TEST(ring_looks_at_any_age)
{
    struct ring ring;
    ring_init(&ring, 3);
    for (int i = 0; i < 3; i++) ring_push(&ring);
    ring_pop(&ring), ring_pop(&ring), ring_push(&ring);
    EXPECT_EQ("the oldest", 2, ring_at(&ring, 0));
    EXPECT_EQ("the youngest, round the corner", 0, ring_at(&ring, 1));
    EXPECT_EQ("there is no third", RING_NONE, ring_at(&ring, 2));
}
