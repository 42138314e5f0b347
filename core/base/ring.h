/* ring.h -- the indexes of a queue of bounded size; the items are the caller's array.
 *
 * Invariants, numbered as in ring_check(): (1) count <= items_max; (2) first < items_max. */
#ifndef CHRONIK_BASE_RING_H
#define CHRONIK_BASE_RING_H

#include "base/check.h"
#include <stdint.h>

#define RING_NONE UINT32_MAX /* full, or empty: there is no such item */

struct ring {
    uint32_t items_max;
    uint32_t first; /* the index of the oldest item */
    uint32_t count;
};

static inline void ring_check(const struct ring *ring)
{
    CHECK(ring->count <= ring->items_max); /* (1) */
    CHECK(ring->first < ring->items_max);  /* (2) */
}

/* Begins empty, for an array of items_max items (at least one). */
static inline void ring_init(struct ring *ring, uint32_t items_max)
{
    *ring = (struct ring){ .items_max = items_max };
    CHECK(items_max <= UINT32_MAX / 2);
    ring_check(ring);
}

/* The index of the item that is `age` items younger than the oldest, or RING_NONE. */
static inline uint32_t ring_at(const struct ring *ring, uint32_t age)
{
    if (age >= ring->count) return RING_NONE;
    const uint32_t index = ring->first + age;
    return index < ring->items_max ? index : index - ring->items_max;
}

/* Makes room for one more item and says where, or RING_NONE if the ring is full. */
static inline uint32_t ring_push(struct ring *ring)
{
    if (ring->count == ring->items_max) return RING_NONE;
    ring->count++;
    return ring_at(ring, ring->count - 1);
}

/* Takes out the oldest item and says where it lies until the next push, or RING_NONE if there is none. */
static inline uint32_t ring_pop(struct ring *ring)
{
    if (ring->count == 0) return RING_NONE;
    const uint32_t index = ring->first;
    ring->first = index + 1 < ring->items_max ? index + 1 : 0;
    ring->count--;
    return index;
}

#endif
