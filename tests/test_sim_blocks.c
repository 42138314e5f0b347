/* Blocks of simulated nodes: whatever an owner left behind, the next one finds zeros. */
#include "sim/blocks.h"
#include "t.h"

#include <stdint.h>

enum { MANY = 100 };

static bool is_zero(const uint8_t *block, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (block[i] != 0) return false;
    }
    return true;
}

TEST(cleared_blocks_are_zero)
{
    static const struct {
        const char *why;
        size_t size, begin, end; /* what is written before */
    } rows[] = {
        { "nothing was ever written", 1 << 20, 0, 0 },
        { "one byte, in the last page", 1 << 20, (1 << 20) - 1, 1 << 20 },
        { "the first page", 1 << 20, 0, 4096 },
        { "all of a size that is no number of pages", 70001, 0, 70001 },
        { "a byte and no more", 1, 0, 1 },
        { "so much that it goes back to the kernel", 32 << 20, 0, 32 << 20 },
        { "what lies behind the first pages that are asked about", 16 << 20, 12 << 20, (12 << 20) + 5000 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t *block = block_take(rows[i].size);
        block_clear(block, rows[i].size);
        memset(block + rows[i].begin, 0x5a, rows[i].end - rows[i].begin);
        block_clear(block, rows[i].size);
        EXPECT(rows[i].why, is_zero(block, rows[i].size));
        block_give(block, rows[i].size);
    }
}

TEST(a_block_comes_back)
{
    uint8_t *first = block_take(300000);
    first[0] = first[299999] = 1;
    block_give(first, 300000);

    uint8_t *other = block_take(5000000);
    EXPECT("it would not fit", other != first);
    uint8_t *again = block_take(300000);
    EXPECT("the one that was given back", again == first);
    block_clear(again, 300000);
    EXPECT("what the first owner wrote is gone", is_zero(again, 300000));
    block_give(other, 5000000);
    block_give(again, 300000);
}

TEST(more_blocks_than_are_kept)
{
    static uint8_t *blocks[MANY];

    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) {
            blocks[i] = block_take(8192);
            block_clear(blocks[i], 8192);
            EXPECT("zeros", is_zero(blocks[i], 8192));
            memset(blocks[i], i + 1, 8192);
        }
        for (int i = 0; i < MANY; i++) {
            EXPECT("nobody else has it", blocks[i][0] == i + 1 && blocks[i][8191] == i + 1);
            block_give(blocks[i], 8192);
        }
    }
}
