#include "t.h"
#include "wal/tail.h"

#include <stdlib.h>

static struct tail *tail_of(uint32_t unit_size, uint32_t units)
{
    const struct tail_config config = { unit_size, (uint64_t)unit_size * units };
    struct tail *tail = aligned_alloc(64, (tail_size(&config) + 63) / 64 * 64);
    tail_init(tail, &config);
    return tail;
}

static const struct take_row {
    const char *why;
    uint32_t sizes[4];
    uint32_t chunks[4];
} take_rows[] = {
    { "small entries take single units from the bottom", { 1, 512, 100, 512 }, { 0, 1, 2, 3 } },
    { "a large one takes a run from the top quarter", { 513, 100, 1024, 513 }, { 12, 0, 14, CHUNK_NONE } },
    { "larger than the quarter is never to be had", { 2049, 2048, 1, 1 }, { CHUNK_NONE, 12, 0, 1 } },
};

TEST(take)
{
    FOR_EACH(take_row, row, take_rows) {
        struct tail *tail = tail_of(512, 16);
        for (int i = 0; i < 4; i++) EXPECT_EQ(row->why, row->chunks[i], tail_take(tail, row->sizes[i]));
        tail_check(tail);
        free(tail);
    }
}

TEST(a_chunk_is_free_when_its_last_pin_goes)
{
    struct tail *tail = tail_of(512, 16);
    const uint32_t first = tail_take(tail, 512);
    const uint32_t run = tail_take(tail, 1500);
    tail_pin(tail, first);
    tail_unpin(tail, first);
    EXPECT_EQ("one pin is left", 4 * 512, tail_used_size(tail));
    EXPECT_EQ("the next is another unit", 1, tail_take(tail, 1));
    tail_unpin(tail, first);
    EXPECT_EQ("the last freed is taken first", first, tail_take(tail, 1));
    tail_unpin(tail, run);
    EXPECT_EQ("a run is whole again", run, tail_take(tail, 2048));
    tail_check(tail);
    free(tail);
}

TEST(single_units_run_out_before_the_quarter_for_runs)
{
    struct tail *tail = tail_of(512, 16);
    for (uint32_t i = 0; i < 12; i++) EXPECT_EQ("three quarters", i, tail_take(tail, 10));
    EXPECT_EQ("no more singles", CHUNK_NONE, tail_take(tail, 10));
    EXPECT_EQ("yet a large one finds its place", 12, tail_take(tail, 2000));
    tail_check(tail);
    free(tail);
}
