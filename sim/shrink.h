/* shrink.h -- how little of a run that fails is needed for it to fail?
 *
 * It tries smaller runs, one change at a time, and keeps each that breaks the same rule at the same place: without what
 * comes after the failure, without whole kinds of faults, without single faults, with fewer nodes, clients, partitions
 * and records, with simpler settings, with shorter and plainer faults. Where a change moves everything (a node less),
 * a few other seeds for the delays are tried as well.
 *
 * What it does depends on the run alone, not on the machine or on how many processes help: effort is counted in
 * events. */
#ifndef CHRONIK_SIM_SHRINK_H
#define CHRONIK_SIM_SHRINK_H

#include "sim/trial.h"

enum { SHRINK_OTHER_SEEDS = 10 };

struct shrink {
    uint32_t jobs;   /* so many processes help */
    uint64_t effort; /* at most; events and the like */
    bool progress;

    struct plan best;     /* the smallest so far */
    struct result result; /* and what it does */
    struct failure failure;
    uint64_t effort_spent;
    uint32_t faults_before, trials, kept;
    uint32_t other_seeds; /* of so many, how many show the same failure with the smallest schedule */
};

enum { SHRINK_EFFORT = 2000000 };

/* False: the plan does not fail, or what was said could not be done. Then `result` is what it does. */
bool shrink_run(struct shrink *shrink, const struct plan *plan);

#endif
