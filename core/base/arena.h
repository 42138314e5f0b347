/* arena.h -- memory that is handed out in one direction and taken back all at once.
 *
 * Whoever decodes a message does not know beforehand how many pieces it has. An arena gives each piece a place, and
 * forgets them all at the next reset. The block is the caller's; nothing is freed one by one, nothing is zeroed.
 *
 * Exhaustion is sticky: once something did not fit, nothing fits until the reset. Take all, ask once. */
#ifndef CHRONIK_BASE_ARENA_H
#define CHRONIK_BASE_ARENA_H

#include "base/bytes.h"
#include "base/check.h"

enum { ARENA_ALIGNMENT = 8 }; /* enough for every type of ours: none is wider than a pointer or an int64 */

struct arena {
    uint8_t *memory;
    size_t size;
    size_t used;    /* a multiple of ARENA_ALIGNMENT, at most size */
    bool exhausted; /* something did not fit since the last reset */
};

static inline void arena_init(struct arena *arena, void *memory, size_t size)
{
    CHECK(memory != NULL);
    CHECK((uintptr_t)memory % ARENA_ALIGNMENT == 0);
    *arena = (struct arena){ .memory = memory, .size = size / ARENA_ALIGNMENT * ARENA_ALIGNMENT };
}

/* Everything taken so far is gone. */
static inline void arena_reset(struct arena *arena)
{
    arena->used = 0;
    arena->exhausted = false;
}

/* Room for `count` things of `each` bytes, uninitialised, or NULL if it does not fit. No things at all need no room
 * but have an address: NULL always means exhausted. */
static inline void *arena_take(struct arena *arena, uint32_t count, uint32_t each)
{
    const uint64_t wanted = ((uint64_t)count * each + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;

    if (arena->exhausted || wanted > arena->size - arena->used) {
        arena->exhausted = true;
        return NULL;
    }
    void *taken = arena->memory + arena->used;
    arena->used += (size_t)wanted;
    return taken;
}

#endif
