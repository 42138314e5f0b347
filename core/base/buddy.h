/* buddy.h -- lends blocks of one big range to things of very different size, and never more than there is.
 *
 * A hostile peer that asks for much gets BUDDY_NONE, which its caller turns into backpressure; the node's memory
 * does not grow. Blocks are powers of two, halved and joined again with their buddies; a block lies at a multiple of
 * its own size. The range is only numbers here: offsets from its begin. Take and give cost O(log(range / block_min)).
 *
 * Kept outside the range: a binary tree over the smallest blocks, one byte a node. `lack` of a node is how many
 * powers of two the largest free block below it falls short of the node's own size:
 *
 *     order 2            [1]          nothing taken:  0        the left quarter taken:      1
 *     order 1       [2]       [3]                   0   0                                 1   0
 *     order 0     [4] [5]   [6] [7]                0 0 0 0                               1 0 0 0
 *
 * A node of order k that lacks k + 1 has nothing free. Among the places that fit, the one in the fullest part of
 * the tree is taken, so that large blocks survive; of equals, the leftmost.
 *
 * Invariants, numbered as in buddy_check():
 *   (1) Two nodes that lack nothing have a parent that lacks nothing, unless the parent is itself a taken block.
 *   (2) Otherwise a parent has the larger of its children's free blocks.
 *   (3) taken_size is the sum of the taken blocks. */
#ifndef CHRONIK_BASE_BUDDY_H
#define CHRONIK_BASE_BUDDY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUDDY_NONE UINT64_MAX /* nothing of that size is free */

struct buddy_config {
    uint64_t range_size; /* a multiple of block_min */
    uint32_t block_min;  /* a power of two; 4 KiB is usual */
    uint32_t block_max;  /* a power of two, at least block_min: nothing larger is ever lent */
};

struct buddy {
    struct buddy_config config;
    uint64_t taken_size;
    uint8_t height;      /* order of the root: it spans block_min << height, which may end beyond the range */
    uint8_t block_shift; /* block_min == 1 << block_shift */
    uint8_t *lack;       /* [2 << height]; [1] is the root, [2n] and [2n + 1] the children of [n] */
};

/* Bytes that buddy_init wants. */
size_t buddy_size(const struct buddy_config *config);

/* Begins with all free. `memory` is the caller's and zeroed; it is touched only as blocks are used. */
void buddy_init(struct buddy *buddy, void *memory, const struct buddy_config *config);

/* The offset of a block of at least `size` bytes (1 or more), or BUDDY_NONE. */
uint64_t buddy_take(struct buddy *buddy, uint64_t size);

/* What the block that begins at `offset` really holds; it was taken. */
uint32_t buddy_block_size(const struct buddy *buddy, uint64_t offset);

/* Gives back the block that begins at `offset`; it was taken. */
void buddy_give(struct buddy *buddy, uint64_t offset);

void buddy_check(const struct buddy *buddy);

#endif
