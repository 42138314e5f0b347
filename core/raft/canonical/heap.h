/* heap.h -- memory for a library that wants malloc, out of the block that its node was given.
 *
 * The library knows one heap for the whole process; here it is the one of the node that is being stepped. Memory comes
 * zeroed (guard ZERO): the library puts bytes on the wire and on the disk that it never wrote. It does not survive
 * running out of memory, so that stops the node. The process dies with everything in it: nothing is ever freed but
 * by the library itself. */
#ifndef CHRONIK_RAFT_CANONICAL_HEAP_H
#define CHRONIK_RAFT_CANONICAL_HEAP_H

#include "base/buddy.h"

struct heap {
    struct buddy buddy;
    uint8_t *range;
    bool zeroed;
};

size_t heap_size(uint64_t range_size);
void heap_init(struct heap *heap, uint8_t *memory, uint64_t range_size);

/* What the library takes and gives from here on is this heap's. */
void heap_enter(struct heap *heap);

/* Ours, from the same memory: never NULL. */
void *heap_take(struct heap *heap, size_t size);
void heap_give(struct heap *heap, void *block);

#endif
