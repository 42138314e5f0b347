/* raft_hunt.h -- many seeds of the Raft profile, in processes of their own, so that a crash is a result.
 *
 * canonical/raft is built without its assertions: what it does wrong may end in a signal, or never. */
#ifndef CHRONIK_SIM_RAFT_HUNT_H
#define CHRONIK_SIM_RAFT_HUNT_H

#include "sim/raft_chaos.h"

enum { RAFT_JOBS_MAX = 64, RAFT_RULES_MAX = 32 };

struct raft_hunt_plan {
    struct raft_chaos_options chaos;
    uint64_t seed_first, seed_last;
    uint32_t jobs;
    bool keep_going;
    bool quiet; /* no line per failure */
};

struct raft_hunt_result {
    struct raft_chaos_result run; /* of one seed */
    uint64_t seed, reached;       /* how often the mutant was asked for */
};

struct raft_rule_count {
    char rule[16];
    uint64_t count;
};

struct raft_hunt {
    uint64_t done, failed;
    uint64_t reached;              /* seeds that asked for the mutant */
    uint64_t digest;               /* of all */
    struct raft_hunt_result first; /* the failure with the smallest seed */
    struct raft_world_stats stats; /* of all */
    struct raft_rule_count rules[RAFT_RULES_MAX];
    uint32_t rule_count;
    double seconds;
};

/* False: no process could be had. */
bool raft_hunt_seeds(const struct raft_hunt_plan *plan, struct raft_hunt *hunt);

/* How many of the failures broke this rule ("O14 QUORUM") or rules ("O14"). */
uint64_t raft_hunt_broken(const struct raft_hunt *hunt, const char *rule);

/* The seed that runs in this process; 0: none. */
uint64_t raft_hunt_running(void);

/* One seed, in this process. */
void raft_hunt_one(const struct raft_chaos_options *chaos, uint64_t seed, struct raft_hunt_result *result);

#endif
