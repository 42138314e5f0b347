/* likelihood.h -- when was it decided that a run fails?
 *
 * The run is repeated as far as some event, and goes on from there with other randomness: other delays, other losses,
 * clients that do something else; the faults stay, they are data. How many of such futures fail alike says how likely
 * the failure was by then. Early in a run that is what its schedule is worth; at its end it is certain. Where it rises
 * most, something happened that could not be undone, and there the points are put closer together.
 *
 * Futures are compared by rule and place, as shrinking does it. One that goes on for twice as long as the run, and has
 * not failed, does not count as failed. The budget is in events, so the curve is the same on every machine. */
#ifndef CHRONIK_SIM_LIKELIHOOD_H
#define CHRONIK_SIM_LIKELIHOOD_H

#include "sim/trial.h"

#include <stdio.h>

enum { LIKELIHOOD_STRIDES = 16, LIKELIHOOD_POINTS_MAX = 2 * LIKELIHOOD_STRIDES + 1, LIKELIHOOD_FUTURES = 16 };

#define LIKELIHOOD_EFFORT (UINT64_C(40) * 1000 * 1000)

struct likelihood_point {
    uint64_t event;
    uint64_t time_ns; /* of the world */
    uint32_t tried, alike;
};

struct likelihood {
    uint32_t jobs;   /* so many processes help */
    uint64_t effort; /* at most: events, with what starts and shadows cost */
    bool progress;

    struct result result;                                  /* of the run itself */
    struct likelihood_point points[LIKELIHOOD_POINTS_MAX]; /* by event */
    uint32_t count;
    uint32_t decided; /* the point behind which the failure becomes most likely; the next one is behind that */
    uint64_t effort_spent;
};

/* False: the plan does not fail, or no process could be made. */
bool likelihood_run(struct likelihood *likelihood, const struct plan *plan);

void likelihood_print(const struct likelihood *likelihood, FILE *file);

#endif
