/* mutants.h -- known bugs, switched on one at a time, to see whether the simulator finds them.
 *
 * Only the bench's binary has them (CHRONIK_MUTANTS); in every other MUTANT() is the constant false. */
#ifndef CHRONIK_SIM_MUTANTS_H
#define CHRONIK_SIM_MUTANTS_H

#include <stdbool.h>
#include <stdint.h>

enum mutant_fate {
    DIES,
    LIVES,            /* a control: harmless, and must survive where it is reached, or the judge simply cries */
    ABSENT,           /* a control: no run of one node comes where it would show. Once one does, it must die */
    DIES_IN_LITE,     /* of who leads and who follows: lite runs are about that, and are tried, for they are cheap */
    DIES_IN_CLUSTER,  /* where partitions have several replicas; so it is tried there */
    DIES_IN_DISASTER, /* where, besides, all nodes but one are lost for ever */
    DIES_IN_GROUPS,   /* where, besides, there are consumer groups */
    DIES_IN_TEST,     /* no run shows it: tests/mutants.txt names a test that does, and the bench leaves it alone */
    OPEN,             /* the same, or a schedule does; the bench looks at a few lite seeds, and does not judge */
};

struct mutant {
    const char *name;
    const char *bug; /* and of a control the reason */
    enum mutant_fate fate;
};

extern const struct mutant mutants[];
extern const uint32_t mutant_count;

/* Of the Raft engine: they are tried by the Raft profile. raft_mutants.c */
struct raft_mutant {
    const char *name;
    const char *bug;
    enum mutant_fate fate;
    uint32_t seeds_max; /* by then it must be found */
};

extern const struct raft_mutant raft_mutants[];
extern const uint32_t raft_mutant_count;

/* NULL switches all off. False: there is none of that name. */
bool mutant_choose(const char *name);

/* How often the chosen one was asked for: 0 means that no run came by. */
uint64_t mutant_reached(void);

#endif
