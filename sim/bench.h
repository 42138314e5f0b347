/* bench.h -- the bench of mutants: which known bugs does the simulator find, after how many seeds, by which rule?
 *
 * As a test each mutant has one block of seeds, and those that must die have to (--mutants). To measure, it has several
 * disjoint ones (--blocks N): the least, the median and the 95th percentile of the seeds it takes; of one that lives,
 * whether any run asked for it, and whether one came out otherwise than without it; of one that dies, how little its
 * first failing run can be cut down to. A block that finds nothing counts as one seed more than it has.
 *
 * With --results FILE a line of JSON for each mutant is added to a file, and those in it are not run again: a bench may
 * be ended at any time, and goes on. */
#ifndef CHRONIK_SIM_BENCH_H
#define CHRONIK_SIM_BENCH_H

#include "sim/sweep.h"

/* The exit code: 0 where all is as it must be, 1 where not, 2 where a file is not what it should be. */
int bench_run(const struct options *options, struct plan *plan, const struct command *command);

#endif
