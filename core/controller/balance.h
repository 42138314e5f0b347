/* balance.h -- which partitions should have other replicas than they have, and which?
 *
 * Nobody asks for these changes; they are what keeps the cluster as it is meant to be, whatever joins and leaves it:
 *
 *   Targets.   A partition has as many replicas as it is meant to have, or as there are brokers that stay, if those are
 *              fewer. So a topic of three grows with the cluster from one broker to two and three, and shrinks with it.
 *   Leaving.   Replicas on a broker that leaves, or is unknown, go to others; where there is nobody else, they go when
 *              enough remain without them.
 *   Observers. Each site of observers (those of one rack, or one that has none) observes each partition once.
 *   Evenness.  While the image says that it is wanted, since data has to move: brokers have as many replicas, and are
 *              first in line to lead as many partitions, as each other; racks are covered as far as there are any.
 *
 * It walks through the partitions, a few in each step, and proposes a few reassignments at a time: replicas that catch
 * up cost others their bandwidth. All it remembers is where it is; a new leader begins anew. */
#ifndef CHRONIK_CONTROLLER_BALANCE_H
#define CHRONIK_CONTROLLER_BALANCE_H

#include "controller/placement.h"
#include "meta/records.h"

enum {
    BALANCE_MOVES_MAX = 64,   /* reassignments that go on at the same time */
    BALANCE_WORK_MAX = 4096,  /* partitions looked at in one step, or brokers compared: some 100 us */
    BALANCE_RECORDS_MAX = 16, /* changes proposed in one step, as one entry */
};

struct balance {
    uint32_t *replicas;    /* by broker slot: how many it has, with what is under way; of observers: how many
                              partitions they observe; [brokers_max] */
    uint32_t *preferred;   /* ... and is the first of */
    uint32_t replicas_min; /* of any broker that can take one */
    uint32_t work_left;    /* in this step */
    uint32_t partition;    /* where to go on; SLOT_NONE: from the beginning */
    uint32_t stalled;      /* moves that could not go on in the last walk: their leader or target is not there */
    uint32_t stalled_now;  /* ... so far in this one */
    bool found;            /* something, in this walk */
    bool held_back;        /* something was not looked at in this walk: enough was under way */
    bool resting;          /* a whole walk has found nothing */
    uint64_t seen;         /* a sum of what would make another walk worth while */
};

size_t balance_size(uint32_t brokers_max);

/* In zeroed memory of balance_size bytes. */
void balance_init(struct balance *balance, void *memory, uint32_t brokers_max);

/* Leadership begins: from the beginning. */
void balance_begin(struct balance *balance);

/* How many replicas brokers have more than their share, as far as racks allow that they move: what evenness has still
 * to move. O(brokers) */
uint32_t balance_left(const struct image *image);

enum balance_verdict {
    BALANCE_FOUND, /* records were added */
    BALANCE_MORE,  /* nothing in this piece: go on, in the next step */
    BALANCE_WAITS, /* as many moves as may be are under way, and none has to go elsewhere: when one ends */
    BALANCE_RESTS, /* all is as it is meant to be, as far as it can be */
};

/* Whether another walk may find something. */
bool balance_is_due(const struct balance *balance, const struct image *image);

/* Looks at the next partitions. `placement` is refreshed. Not before what it added is applied. */
enum balance_verdict balance_next(struct balance *balance, const struct image *image, const struct placement *placement,
                                  struct proposal *records);

#endif
