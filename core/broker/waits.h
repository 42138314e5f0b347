/* waits.h -- who waits for which log, and what does a log's progress mean to them?
 *
 * A Produce waits, for each partition it appended to, until that partition's durable offset (acks=1) or high
 * watermark (acks=all) has reached its records' end. A Fetch waits, for each partition it asks for, until bytes
 * come. Each of these is an entry; an entry is in one queue of one log, and in the list of its owner.
 *
 *              log 7   durable    [12] [15] [15]        in rising order of offset: progress pops from the front
 *                      committed  [11] [15]
 *                      fetch      [9] [15] [3]          in no order: all are told
 *
 * Everything is O(1) per entry: added, told and removed once each. It knows neither answers nor links, only the
 * numbers of owners.
 *
 * Invariants, numbered as in waits_check():
 *   (1) Every taken entry is in exactly one queue, and a queue's links are mutual.
 *   (2) Offsets do not fall along a durable or committed queue. */
#ifndef CHRONIK_BROKER_WAITS_H
#define CHRONIK_BROKER_WAITS_H

#include "base/pool.h"
#include <stdint.h>

enum { WAITS_NONE = UINT32_MAX };

enum waits_queue { QUEUE_DURABLE, QUEUE_COMMITTED, QUEUE_FETCH, QUEUE_COUNT };

struct waits_entry {
    uint8_t queue; /* enum waits_queue */
    int16_t error; /* produce: what became of it, if it is not what it waited for */
    uint32_t log;
    uint32_t previous; /* in the queue */
    uint32_t next;
    uint32_t owner;      /* an answer, or for a fetch a link */
    uint32_t owner_next; /* the owner's entry that was added before this one */
    int64_t offset;      /* produce: the mark it waits for; fetch: where it reads from */
    uint64_t number;     /* produce: which partition of its answer; fetch: bytes that are counted already */
};

/* First and last entry of a log's queue, plus one; 0: none. So zeroed memory is empty queues. */
struct waits_ends {
    uint32_t first;
    uint32_t last;
};

struct waits {
    uint32_t logs_max;
    uint32_t entries_max;
    uint32_t fetches_max; /* of them: fetches never take what produces need */
    uint32_t fetch_count;
    struct pool pool;
    struct waits_entry *entries;
    struct waits_ends (*queues)[QUEUE_COUNT]; /* [logs_max] */
};

size_t waits_size(uint32_t logs_max, uint32_t entries_max);
void waits_init(struct waits *waits, void *memory, uint32_t logs_max, uint32_t entries_max);

/* Whether `count` more entries fit. */
bool waits_have_room(const struct waits *waits, enum waits_queue queue, uint32_t count);

/* A new entry at the end of its queue, and in front of the owner's list, which begins at *owner_first. There is room.
 * In an ordered queue an offset below the last one's is raised to it: it is reached no later than that. */
struct waits_entry *waits_add(struct waits *waits, enum waits_queue queue, uint32_t log, uint32_t owner, int64_t offset,
                              uint32_t *owner_first);

/* The first entry of a queue, and the one behind an entry; WAITS_NONE at the end. */
uint32_t waits_first(const struct waits *waits, enum waits_queue queue, uint32_t log);
uint32_t waits_next(const struct waits *waits, uint32_t entry);
struct waits_entry *waits_at(const struct waits *waits, uint32_t entry);

/* Takes an entry out of its queue; it stays in its owner's list, as `queue` == QUEUE_COUNT, until waits_drop. */
void waits_reach(struct waits *waits, uint32_t entry);

/* Gives back all entries of an owner, wherever they are. */
void waits_drop(struct waits *waits, uint32_t *owner_first);

void waits_check(const struct waits *waits);

#endif
