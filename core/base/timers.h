/* timers.h -- which of N numbered slots is due next?
 *
 * Each slot has at most one deadline. What is due comes out ordered by (deadline, slot), whatever order it was set
 * in, so that two runs of the same events pop the same slots. It knows no clock: `now` is an argument. An indexed
 * 4-ary heap: set, clear and pop are O(log n), the next deadline is O(1).
 *
 * Invariants, numbered as in timers_check():
 *   (1) No entry of the heap is due before its parent.
 *   (2) place[slot] says where the slot's entry is, and zero if it has none; nothing else is in the heap. */
#ifndef CHRONIK_BASE_TIMERS_H
#define CHRONIK_BASE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMERS_NEVER UINT64_MAX   /* the deadline of a slot that is not set, and of an empty heap */
#define TIMERS_NO_SLOT UINT32_MAX /* what timers_pop_due says when nothing is due */

enum { TIMERS_SLOTS_MAX = 1 << 26 };

struct timers_entry {
    uint64_t deadline;
    uint32_t slot;
};

struct timers {
    uint32_t slots_max;
    uint32_t count;            /* slots that have a deadline */
    struct timers_entry *heap; /* [slots_max], of which [0, count) is in use */
    uint32_t *place;           /* [slots_max], 1 + index into the heap */
};

/* Bytes that timers_init wants for slots numbered [0, slots_max). */
size_t timers_size(uint32_t slots_max);

/* Begins with nothing set. `memory` is the caller's, zeroed and aligned to 8; it is touched only as slots are used. */
void timers_init(struct timers *timers, void *memory, uint32_t slots_max);

/* Sets or moves the slot's deadline; TIMERS_NEVER clears it. */
void timers_set(struct timers *timers, uint32_t slot, uint64_t deadline);

/* Clears the slot's deadline, if it has one. */
void timers_clear(struct timers *timers, uint32_t slot);

/* The slot's deadline, or TIMERS_NEVER. */
uint64_t timers_deadline(const struct timers *timers, uint32_t slot);

/* The smallest deadline of all, or TIMERS_NEVER. */
uint64_t timers_next(const struct timers *timers);

/* Takes out the first slot whose deadline is at or before `now`, or says TIMERS_NO_SLOT. */
uint32_t timers_pop_due(struct timers *timers, uint64_t now);

void timers_check(const struct timers *timers);

#endif
