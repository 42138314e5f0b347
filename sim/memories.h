/* memories.h -- do the replicas of a partition remember the same of its idempotent producers?
 *
 * Whoever leads next judges by what he remembers. So replicas with the same records know the same last batch of each
 * producer, however they came by it: appended, copied, replayed, learnt from what was left, out of a checkpoint. */
#ifndef CHRONIK_SIM_MEMORIES_H
#define CHRONIK_SIM_MEMORIES_H

#include "log/logs.h"
#include "sim/run.h"

enum { MEMORY_MAX = 256 };

struct memory {
    uint32_t machine;
    bool whole; /* nothing was ever deleted from the beginning of the log: so it knows all of them */
    uint32_t count;
    struct log_producer producers[MEMORY_MAX];
};

/* What two replicas with the same records remember. Rule O8. */
void memories_judge(struct judge *judge, int32_t partition, const struct memory *ours, const struct memory *theirs);

/* Everything is at rest: all replicas of all partitions. */
void memories_compare(struct run *run);

#endif
