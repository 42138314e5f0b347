/* raft_forced.h -- a schedule that leaves an engine no choice, so that two engines can be held against each other.
 *
 * One node is impatient and leads for ever; nothing is lost but what a follower misses while it is cut off. Each step
 * (proposals, a change of members, a read, a follower away and back) is asked for until it is accepted, and the next
 * one waits until it is done. Then the proposals are committed in the order in which they were made, the lists after
 * each step are those that were asked for, and all members end up with the same state. */
#ifndef CHRONIK_SIM_RAFT_FORCED_H
#define CHRONIK_SIM_RAFT_FORCED_H

#include "sim/raft_world.h"

struct raft_forced {
    char violation[RAFT_VIOLATION_SIZE]; /* empty: none */
    uint64_t digest;                     /* of the values in the order of their commits, and of the lists between */
    uint32_t values, lists;
};

/* `print`: as in raft_world_config. */
void raft_forced_run(const struct raft_engine *engine, uint32_t guards, uint64_t seed, void (*print)(const char *line),
                     struct raft_forced *forced);

#endif
