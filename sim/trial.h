/* trial.h -- one run, in this process or in one of its own, and what came of it. */
#ifndef CHRONIK_SIM_TRIAL_H
#define CHRONIK_SIM_TRIAL_H

#include "sim/plan.h"

#include <sys/types.h>

struct likelihood;

struct request {
    const struct plan *plan;
    uint64_t until;       /* ends after that event; 0: when it is over */
    uint64_t stop_at;     /* SIGTRAP before that event; 0: never */
    const char *trace;    /* a file, "-": standard output, NULL: nobody wants to know; see trace_files.h */
    bool orders;          /* of a text, with a line for each order */
    uint64_t why;         /* what led to that event is printed; UINT64_MAX: to the last one; 0: nobody asks */
    FILE *story;          /* where the story of the run goes; or NULL */
    const char *schedule; /* where the faults and the rest are written down; NULL: nowhere */
    FILE *digests;        /* of every event; or NULL */
    const struct likelihood *likelihood; /* of its failure, for a page; or NULL */
    bool quiet;                          /* a process of its own says nothing */
    uint64_t reseed_at; /* from that event on all randomness is that of another future; 0: it is the seed's */
    uint64_t reseed;    /* of which */
};

struct result {
    enum outcome outcome;
    bool cut;             /* `until` came first */
    uint64_t reseeded_ns; /* when the other future began; 0: it did not */
    uint64_t seed, digest, events, sim_ns, reached, acked, seen, shadows, shadow_events, elections, isr_changes;
    enum phase phase; /* where it ended */
    struct report report;
    struct failure failure;
    char story[STORY_SIZE];
};

/* False: a file cannot be written, and that was said. */
bool trial_run(const struct request *request, struct result *result);

/* ---- runs in processes of their own, so that a crash is a result ---- */

enum { TRIALS_MAX = 64 };

struct trial {
    pid_t process;
    int pipe, orders; /* results; seeds to run next, -1: it ends after one */
    uint64_t seed;
    uint32_t runs; /* that it has begun */
};

bool trial_begin(const struct request *request, struct trial *trial);

/* The same, where only the seed differs from run to run: the process goes on with further ones, since what memory it
 * has need not come from the kernel again. A crash ends it, and so do many runs; the next one begins another. */
bool trial_begin_many(const struct request *request, struct trial *trial);

/* Another run, of another seed, after one that was begun so and has ended. */
bool trial_go_on(const struct request *request, struct trial *trial);

/* Begun so, and ended: there is nothing more to run. */
void trial_release(struct trial *trial);

/* Waits until one of them is over, at most so long (-1: for ever). Returns which; `count`: none is yet. */
uint32_t trial_wait(const struct trial *trials, uint32_t count, int milliseconds);

/* Waits for it, and says what came of it. */
void trial_end(struct trial *trial, struct result *result);

/* Ends it without a result. */
void trial_give_up(struct trial *trial);

/* One alone, in a process of its own. */
bool trial_make(const struct request *request, struct result *result);

/* What a run has cost, whatever the machine: shadows are runs of their own, and each run has to begin. */
uint64_t trial_effort(const struct result *result);

/* For check_failed: a run's process says so through its pipe and is gone; else this returns, and the seed that was
 * being run is trial_seed(). */
void trial_on_check(const char *file, int line, const char *what);
uint64_t trial_seed(void);

#endif
