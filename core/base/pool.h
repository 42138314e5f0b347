/* pool.h -- which of N numbered slots is free?
 *
 * The slots themselves are the caller's array; this keeps only the numbers. What was given back last is taken first
 * (its memory is warm), then the lowest number never used: the same takes and gives yield the same numbers.
 *
 * Invariants, numbered as in pool_check():
 *   (1) A slot is taken, or on the free list once, or at or above fresh_first.
 *   (2) taken_count says how many are taken. */
#ifndef CHRONIK_BASE_POOL_H
#define CHRONIK_BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_NONE UINT32_MAX /* no slot is free */

struct pool {
    uint32_t slots_max;
    uint32_t taken_count;
    uint32_t fresh_first; /* slots from here on were never taken */
    uint32_t free_first;  /* head of the free list, or POOL_NONE */
    uint32_t *next;       /* [slots_max]: the next free slot, POOL_NONE at the end, or POOL_TAKEN; see pool.c */
};

/* Bytes that pool_init wants for slots numbered [0, slots_max). */
size_t pool_size(uint32_t slots_max);

/* Begins with all free. `memory` is the caller's, aligned to 4; it is touched only as slots are used. */
void pool_init(struct pool *pool, void *memory, uint32_t slots_max);

/* A free slot, now taken, or POOL_NONE. */
uint32_t pool_take(struct pool *pool);

/* Frees a slot that was taken. */
void pool_give(struct pool *pool, uint32_t slot);

bool pool_is_taken(const struct pool *pool, uint32_t slot);

void pool_check(const struct pool *pool);

#endif
