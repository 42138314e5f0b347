/* report.h -- which fault met a node in which state, and how often? A pair that never met proves nothing. */
#ifndef CHRONIK_SIM_REPORT_H
#define CHRONIK_SIM_REPORT_H

#include "sim/schedule.h"

#include <stdio.h>

/* X(state, its name); a node can be in several at a time */
#define EACH_STATE(X)                                                                                                  \
    X(DOWN, "down")                                                                                                    \
    X(STARTING, "starting")                                                                                            \
    X(SERVING, "serving")                                                                                              \
    X(STOPPING, "stopping")                                                                                            \
    X(FOLLOWING, "follows")                                                                                            \
    X(CANDIDATE, "candidate")                                                                                          \
    X(LEADING, "leads")                                                                                                \
    X(ALONE, "sole-voter")                                                                                             \
    X(CHANGING, "voters-change")                                                                                       \
    X(SNAPSHOT, "snapshot-comes")

enum node_condition {
#define X(state, text) CONDITION_##state,
    EACH_STATE(X)
#undef X
        CONDITION_COUNT
};

struct report {
    uint32_t met[FAULT_COUNT];                    /* faults that had an object */
    uint32_t pairs[FAULT_COUNT][CONDITION_COUNT]; /* and of their objects, how many were in that state */
};

struct raft;

/* A fault is about to hit a node. `process` is one of the first four. */
void report_on_hit(struct report *report, enum fault_kind kind, enum node_condition process, const struct raft *raft);

void report_add(struct report *report, const struct report *other);
void report_print(const struct report *report, FILE *file);

#endif
