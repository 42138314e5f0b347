/* options.h -- what does the command line want? */
#ifndef CHRONIK_SIM_OPTIONS_H
#define CHRONIK_SIM_OPTIONS_H

#include "sim/plan.h"

enum { JOBS_MAX = 64, BLOCKS_MAX = 100 };

struct options {
    uint64_t seed_first, seed_last; /* both included */
    bool many;
    uint64_t jobs;
    bool check;
    bool keep_going;
    uint64_t seconds_max;
    const char *trace, *schedule, *save_schedule, *mutant;
    uint64_t until, stop_at, why; /* events of a run; 0: none; why: UINT64_MAX is the last one */
    bool orders;
    bool seed_given;
    bool mutants;
    uint64_t blocks;     /* of seeds, for each mutant that must die; 0: it is a test, with one of them */
    const char *results; /* of the bench, a file that grows; or NULL */
    bool shrink;
    bool likelihood;
    uint64_t effort; /* of either, in thousands of events; 0: as usual */
    bool report;
    bool progress; /* even where nobody looks */
    bool quiet;
    struct wishes wishes;
};

extern const char options_usage[];

/* False: `problem` says in one line what is wrong. */
bool options_parse(int argc, char **argv, struct options *options, char problem[PROBLEM_SIZE]);

/* The words that make the same run of a seed again, each with a space before it. */
void options_format_wishes(const struct wishes *wishes, char *text, uint32_t size);

#endif
