/* sweep.h -- many seeds, several at a time: how many of them fail, and which one first? */
#ifndef CHRONIK_SIM_SWEEP_H
#define CHRONIK_SIM_SWEEP_H

#include "sim/options.h"
#include "sim/trial.h"

enum { SWEEP_LOOKS = 8 };

struct sweep {
    uint64_t done, failed, events, sim_ns;
    uint64_t reached; /* seeds that asked for the mutant where it makes a difference */
    struct report report;
    struct result first; /* the failure with the smallest seed that was seen */
    double began, told;  /* since when, and when it was told last how far it is */

    /* The first seeds that did so, and what became of them: whether it made a difference then is to be seen. */
    struct look {
        uint64_t seed, digest;
    } looks[SWEEP_LOOKS];
    uint32_t look_count;
};

/* How this program was called, for lines that say how to see something again. */
struct command {
    const char *program;
    char words[600]; /* which run it is, but for its seed */
};

/* "seed N breaks ...", and how to see it again: to standard error. */
void command_print_failure(const struct command *command, const struct result *result);

/* Runs the plan with each of the seeds that `options` wants; a failure ends it unless it is to go on. Those before the
 * first one that failed have all been run. */
void sweep_run(struct sweep *sweep, const struct options *options, struct plan *plan, const struct command *command);

double seconds_now(void);

#endif
