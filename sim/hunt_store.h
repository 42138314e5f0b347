/* hunt_store.h -- what a hunt has found, and how far it is: in memory, and as lines of JSON for the next one.
 *
 * A directory holds results.jsonl, to which lines are only added:
 *
 *     {"what":"runs","kind":"three","runs":40,"failed":1,"next":41,"seconds":9.1,"events":512340, ...}
 *     {"what":"failure","kind":"three","seed":17,"rule":"O12","place":"...","story":"...","events":9310, ...}
 *     {"what":"canary","found":true}
 *
 * Lines of several hunts can be put behind each other: figures add up, and failures that are the same in rule and
 * place are one, of which the run with the fewest events is kept. From them failures.jsonl (a line per failure) and
 * index.html are made anew. */
#ifndef CHRONIK_SIM_HUNT_STORE_H
#define CHRONIK_SIM_HUNT_STORE_H

#include "sim/trial.h"

/* X(kind, what the command line says for it, and as wishes) */
/* clang-format off */
#define EACH_HUNT_KIND(X) \
    X(single,   " --nodes 1",              .nodes = 1) \
    X(three,    " --nodes 3",              .nodes = 3) \
    X(five,     " --nodes 5",              .nodes = 5) \
    X(seven,    " --nodes 7",              .nodes = 7) \
    X(lite,     " --profile lite",         .profile = PROFILE_LITE) \
    X(swarm,    "",                        .profile = PROFILE_SWARM) \
    X(replicas, " --nodes 3 --replicas 3", .nodes = 3, .replicas = 3) \
    X(spread,   " --nodes 5 --replicas 3", .nodes = 5, .replicas = 3)
/* clang-format on */

enum hunt_kind {
#define X(kind, words, ...) HUNT_##kind,
    EACH_HUNT_KIND(X)
#undef X
        HUNT_KINDS
};

extern const struct hunt_kind_row {
    const char *name, *words;
    struct wishes wishes;
} hunt_kinds[HUNT_KINDS];

struct hunt_figures {
    uint64_t runs, failed, events;
    uint64_t next; /* the smallest seed that was not run; 0: none was */
    double seconds, sim_seconds;
};

struct hunt_failure {
    struct failure failure;
    char story[STORY_SIZE], mutant[64];
    enum hunt_kind kind;
    uint64_t seed, events;
    uint64_t count; /* runs that ended so */
};

enum { HUNT_FAILURES_MAX = 1000 };

struct hunt_store {
    struct hunt_figures figures[HUNT_KINDS];
    struct hunt_failure *failures;
    uint32_t failure_count;
    uint64_t failures_dropped; /* more than there is room for */
    uint64_t canaries, canaries_missed;
    uint64_t odd_lines; /* that were not understood: another's, or cut off by a crash */
};

void hunt_store_init(struct hunt_store *store);
void hunt_store_free(struct hunt_store *store);

/* Takes a line of results.jsonl. */
void hunt_store_line(struct hunt_store *store, const char *line);

/* A run failed. Returns whether it is the first of its sort, or smaller than all before it. */
bool hunt_store_failure(struct hunt_store *store, const struct hunt_failure *failure);

/* Lines for results.jsonl. */
void hunt_write_runs(FILE *file, enum hunt_kind kind, const struct hunt_figures *figures);
void hunt_write_failure(FILE *file, const struct hunt_failure *failure);
void hunt_write_canary(FILE *file, bool found);

/* failures.jsonl and index.html in that directory. False: they cannot be written. */
bool hunt_store_publish(const struct hunt_store *store, const char *directory);

/* The command that shows the failure. */
void hunt_format_replay(const struct hunt_failure *failure, char *text, uint32_t size);

/* hunt_page.c */
void hunt_write_page(FILE *file, const struct hunt_store *store);

#endif
