#include "base/prng.h"
#include "t.h"

/* Frozen: a change of these numbers changes every seed's run. They were computed apart, by a program in another
 * language that reproduces the published outputs of splitmix64. */
static const struct walk_row {
    const char *why;
    uint64_t seed, stream, first[3];
} walk_rows[] = {
    { "nothing given", 0, 0, { 0xfb5405f7bd79c540, 0x780c98e26cea5883, 0x2a146e0980febc66 } },
    { "the first seed", 1, 0, { 0xef75d62a19ba94ed, 0x8e9490536375f270, 0xc05630b1c614195d } },
    { "another stream of it", 1, 1, { 0x309714ec38d33b4c, 0x1bc11473d28024a0, 0xaa4f7bbef2a5a194 } },
    { "the largest seed", UINT64_MAX, 3, { 0x19b71738009a8f02, 0xdb5e906f1a053a79, 0xa8548d2ad91cede5 } },
};

TEST(prng_walks_are_frozen)
{
    FOR_EACH(walk_row, row, walk_rows) {
        struct prng prng;
        prng_init(&prng, row->seed, row->stream);
        for (int i = 0; i < 3; i++) EXPECT_EQ(row->why, row->first[i], prng_next(&prng));
    }
}

/* The reference output of xoshiro256** for the state 1, 2, 3, 4. */
TEST(prng_is_xoshiro256_star_star)
{
    static const uint64_t want[] = { 11520, 0, 1509978240, 1215971899390074240, 1216172134540287360 };
    struct prng prng = { { 1, 2, 3, 4 } };
    for (int i = 0; i < 5; i++) EXPECT_EQ("published sequence", want[i], prng_next(&prng));
}

static const struct below_row {
    const char *why;
    uint64_t bound;
} below_rows[] = {
    { "one has one answer", 1 },   { "a coin", 2 },
    { "not a power of two", 7 },   { "half of the draws would be unfair", (UINT64_C(1) << 63) + 1 },
    { "the largest", UINT64_MAX },
};

TEST(prng_below_stays_below_and_reaches_both_halves)
{
    FOR_EACH(below_row, row, below_rows) {
        struct prng prng;
        unsigned low = 0;
        prng_init(&prng, 42, 7);
        for (int i = 0; i < 10000; i++) {
            const uint64_t drawn = prng_below(&prng, row->bound);
            EXPECT(row->why, drawn < row->bound);
            low += drawn < row->bound / 2;
        }
        const double share = (double)(row->bound / 2) / (double)row->bound;
        EXPECT(row->why, low > 10000 * share - 250 && low < 10000 * share + 250);
    }
}

TEST(prng_below_is_fair)
{
    unsigned seen[6] = { 0 };
    struct prng prng;
    prng_init(&prng, 1, 1);
    for (int i = 0; i < 60000; i++) seen[prng_below(&prng, 6)]++;
    for (int face = 0; face < 6; face++) EXPECT("10,000 of each face", seen[face] > 9600 && seen[face] < 10400);
}

/* Three quarters of 2^64: without drawing again, every third number would come twice as often as the others. */
TEST(prng_below_is_fair_in_the_large)
{
    unsigned seen[3] = { 0 };
    struct prng prng;
    prng_init(&prng, 1, 2);
    for (int i = 0; i < 30000; i++) seen[prng_below(&prng, UINT64_C(3) << 62) % 3]++;
    for (int rest = 0; rest < 3; rest++) EXPECT("10,000 of each rest", seen[rest] > 9600 && seen[rest] < 10400);
}

TEST(prng_chance_keeps_its_rate)
{
    static const struct rate_row {
        const char *why;
        uint32_t numerator, denominator;
        unsigned low, high; /* of 100,000 */
    } rows[] = {
        { "never", 0, 5, 0, 0 },
        { "always", 5, 5, 100000, 100000 },
        { "one in a hundred", 1, 100, 900, 1100 },
        { "a third", 1, 3, 32800, 33900 },
    };
    FOR_EACH(rate_row, row, rows) {
        struct prng prng;
        unsigned hits = 0;
        prng_init(&prng, 3, 0);
        for (int i = 0; i < 100000; i++) hits += prng_chance(&prng, row->numerator, row->denominator);
        EXPECT(row->why, hits >= row->low && hits <= row->high);
    }
}

TEST(prng_streams_are_apart)
{
    struct prng a, b;
    unsigned same = 0;
    prng_init(&a, 1, 2);
    prng_init(&b, 2, 1);
    for (int i = 0; i < 1000; i++) same += prng_next(&a) == prng_next(&b);
    EXPECT_EQ("seed and stream are not exchangeable", 0, same);
    prng_init(&a, 9, 0);
    prng_init(&b, 9, 1);
    uint64_t first[8];
    for (int i = 0; i < 8; i++) first[i] = prng_next(&a);
    for (int i = 0; i < 1000; i++) {
        const uint64_t other = prng_next(&b);
        for (int j = 0; j < 8; j++) same += first[j] == other;
    }
    EXPECT_EQ("a neighbour is not the same walk shifted", 0, same);
}
