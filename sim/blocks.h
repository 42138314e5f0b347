/* blocks.h -- where do the blocks of simulated nodes come from? A run begins nodes all the time: at restarts, and
 * all of them for each shadow. Of a block only few pages are ever touched, and to have one from the kernel costs
 * more than to clear it; so blocks are kept, and what was touched is cleared. A node cannot tell. */
#ifndef CHRONIK_SIM_BLOCKS_H
#define CHRONIK_SIM_BLOCKS_H

#include <stddef.h>

/* A block of at least `size` bytes, with whatever its last owner left in it, which takes memory only where it is
 * written. Never NULL: without memory the process ends. */
void *block_take(size_t size);

/* Zeros, in all of a block that was taken with this size. */
void block_clear(void *block, size_t size);

/* Gives it back; the size is that it was taken with. */
void block_give(void *block, size_t size);

#endif
