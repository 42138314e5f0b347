/* slots.h -- a replica's number within its partition, and sets of such numbers.
 *
 * The leader of an epoch numbers a partition's replicas 0, 1, 2 ... and keeps to it while the epoch lasts: a slot is
 * never given to another replica, so that what is remembered under it is about one replica only. */
#ifndef CHRONIK_REPLICA_SLOTS_H
#define CHRONIK_REPLICA_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    REPLICA_SLOTS_MAX = 18, /* 7, as many again while a reassignment runs, some more, and two observers */
    REPLICA_SLOT_NONE = UINT8_MAX,
};

typedef uint32_t slot_set; /* bit per slot */

static inline slot_set slot_bit(uint8_t slot)
{
    return (slot_set)1 << slot;
}

static inline bool slots_have(slot_set set, uint8_t slot)
{
    return (set & slot_bit(slot)) != 0;
}

static inline uint8_t slots_count(slot_set set)
{
    return (uint8_t)__builtin_popcount(set);
}

#endif
