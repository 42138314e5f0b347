/* raft_chaos.h -- one seed of the Raft profile: what is drawn from it, what goes wrong, and how it must end.
 *
 * One to seven voters and two more nodes under loss, duplicates, reordering, partitions that need not be symmetric,
 * crashes that forget, emptied disks, slow disks, membership changes, handovers and reads, each in most seeds and in
 * its own measure. Then all is healed and everything must come to rest. */
#ifndef CHRONIK_SIM_RAFT_CHAOS_H
#define CHRONIK_SIM_RAFT_CHAOS_H

#include "sim/raft_world.h"

struct raft_chaos_options {
    const struct raft_engine *engine;
    uint32_t guards;
    uint32_t voters;  /* 0: drawn */
    bool fixed;       /* nobody joins, leaves or loses his disk */
    bool lies;        /* messages are bent: a node may be led astray, but keeps its own promises and lives */
    uint64_t time_ms; /* of chaos; 0: the usual 10 s */
    void (*print)(const char *line);
    void *digests; /* as in raft_world_config */
};

struct raft_chaos_result {
    char violation[RAFT_VIOLATION_SIZE]; /* empty: none. Its first word is the rule; "L": it does not come to rest */
    uint64_t digest, now_ns;
    struct raft_world_stats stats;
};

void raft_chaos_run(const struct raft_chaos_options *options, uint64_t seed, struct raft_chaos_result *result);

#endif
