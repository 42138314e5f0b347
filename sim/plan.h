/* plan.h -- what is to be run: a seed, and whatever replaces what it would draw. As a file it outlives the draws.
 *
 *     chronik-sim schedule 3
 *     # one line of words about it
 *     seed 42
 *     mutant checkpoint_before_sync
 *     breaks O12 if the power were lost now: partition %d: offset %lld is lost
 *     set nodes=3 joiners=0 voters=3
 *     1250000 partition 1,4..5 ways=out channels=node+wal for=400000
 *
 * The first line is always this one. `seed` is where all is drawn from that nothing else says: delays, above all.
 * `breaks` is what the run shows: the rule, and which of its questions; with `mutant`, only where that bug is switched
 * on. Of a setting that is not given the seed draws one; faults are those of the file and no others. */
#ifndef CHRONIK_SIM_PLAN_H
#define CHRONIK_SIM_PLAN_H

#include "sim/settings.h"

enum { PLACE_SIZE = 160, PROBLEM_SIZE = 400 };

/* Two failures are the same if they are equal in both. */
struct failure {
    char rule[8];           /* "": none */
    char place[PLACE_SIZE]; /* the judge's words before they were filled in, or where the crash was */
};

bool failure_is_same(const struct failure *a, const struct failure *b);

struct plan {
    uint64_t seed;
    struct wishes wishes;
    char mutant[64]; /* "": none */
    struct failure breaks;
    struct settings settings;
    bool has_faults; /* those of the schedule, instead of those the seed draws */
    struct schedule schedule;
};

/* False: it cannot be read or is no schedule, and `problem` says why in one line. */
bool plan_read(struct plan *plan, const char *path, char problem[PROBLEM_SIZE]);

/* `about`: lines of words, or NULL. */
bool plan_write(const struct plan *plan, const char *path, const char *about);

/* Says everything that the seed would draw. */
void plan_fix(struct plan *plan);

/* Why no run can be made of it; NULL: one can. */
const char *plan_contradiction(const struct plan *plan);

#endif
