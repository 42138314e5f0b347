#include "sim/bench.h"

#include "sim/mutants.h"
#include "sim/shrink.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    BENCH_SEEDS = 150, /* of a block, unless it is said how many */
    OPEN_SEEDS = 8,    /* of gaps: a look whether they still are, not a hunt */
    LITE_SEEDS = 400,
    CLUSTER_SEEDS = 60,
    GROUP_MEMBERS = 6,
    LINE_SIZE = 1024,
};

struct bench {
    const struct options *options;
    struct plan *plan;
    const struct command *command;
    FILE *results;
    uint32_t tried, wrong, doomed, killed;
    uint64_t *medians; /* of those that were killed and had to be */
};

/* What came of one. */
struct row {
    const struct mutant *mutant;
    char runs[160]; /* words of the command line */
    const char *verdict;
    bool fine;
    char rule[16];
    uint32_t blocks, blocks_killed;
    uint64_t taken[BLOCKS_MAX]; /* seeds, of each block, and sorted in the end */
    uint64_t done, reached;
    bool infected;
    double seconds;
    bool shrunk;
    uint64_t shrunk_events;
    uint32_t shrunk_faults;
};

static bool is_doomed(enum mutant_fate fate)
{
    return fate == DIES || fate == DIES_IN_LITE || fate == DIES_IN_CLUSTER || fate == DIES_IN_DISASTER ||
           fate == DIES_IN_GROUPS;
}

/* Which runs, and how many of them, unless that is said. */
static void choose_runs(const struct mutant *mutant, struct options *options)
{
    struct wishes *wishes = &options->wishes;
    const bool in_lite = mutant->fate == DIES_IN_LITE || mutant->fate == OPEN;
    const bool in_cluster = is_doomed(mutant->fate) && mutant->fate != DIES && !in_lite;

    if (in_lite && wishes->profile == PROFILE_SWARM) wishes->profile = PROFILE_LITE;
    if (in_cluster && wishes->nodes == 0) wishes->nodes = 3;
    if (in_cluster && wishes->replicas == 0) wishes->replicas = 3;
    if (mutant->fate == DIES_IN_DISASTER && wishes->disasters == 0) wishes->disasters = 1;
    if (mutant->fate == DIES_IN_GROUPS && wishes->members == 0) wishes->members = GROUP_MEMBERS;
    if (options->many) return;
    options->seed_last = options->seed_first + BENCH_SEEDS - 1;
    if (in_cluster) options->seed_last = options->seed_first + CLUSTER_SEEDS - 1;
    if (in_lite) options->seed_last = options->seed_first + LITE_SEEDS - 1;
    if (mutant->fate == OPEN) options->seed_last = options->seed_first + OPEN_SEEDS - 1;
    /* A control that many seeds leave alone, more of them would: a third must do. */
    if (mutant->fate == LIVES || mutant->fate == ABSENT) {
        options->seed_last -= (options->seed_last - options->seed_first) / 3 * 2;
    }
}

/* What became of it, and whether that was to be. */
static void judge(struct row *row)
{
    const enum mutant_fate fate = row->mutant->fate;
    const bool died = row->blocks_killed > 0, reached = died || row->reached > 0;

    row->fine = true;
    if (is_doomed(fate)) row->fine = died;
    if (fate == LIVES) row->fine = reached && !died;
    if (fate == ABSENT) row->fine = !reached;
    if (died) row->verdict = "killed";
    else if (fate == OPEN) row->verdict = "open";
    else if (!reached) row->verdict = fate == ABSENT ? "absent" : "unseen";
    else row->verdict = fate == LIVES ? "control" : "survived";
}

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The smallest of sorted values that so many of a hundred do not exceed. */
static uint64_t percentile(const uint64_t *sorted, uint32_t count, uint32_t of_hundred)
{
    return count == 0 ? 0 : sorted[(count * of_hundred + 99) / 100 - 1];
}

/* ---- one mutant ---- */

/* It was asked for: does a run that did so come out otherwise than without it? */
static bool is_infected(struct bench *bench, const struct sweep *sweep)
{
    static struct result result;
    const struct request request = { .plan = bench->plan, .quiet = true };
    bool differs = false;

    mutant_choose(NULL);
    for (uint32_t i = 0; i < sweep->look_count && !differs; i++) {
        bench->plan->seed = sweep->looks[i].seed;
        differs = trial_make(&request, &result) && result.digest != sweep->looks[i].digest;
    }
    return differs;
}

static void cut_down(struct bench *bench, uint64_t seed, struct row *row)
{
    static struct shrink shrink;

    shrink = (struct shrink){ .jobs = (uint32_t)bench->options->jobs, .effort = SHRINK_EFFORT };
    bench->plan->seed = seed;
    row->shrunk = shrink_run(&shrink, bench->plan);
    row->shrunk_events = shrink.result.events;
    row->shrunk_faults = shrink.best.schedule.count;
}

static void run_blocks(struct bench *bench, struct row *row)
{
    static struct sweep sweep;
    struct options one = *bench->options;
    const bool measures = bench->options->blocks > 0;
    uint64_t first_seed = 0;

    one.quiet = true;
    one.keep_going = false;
    choose_runs(row->mutant, &one);
    options_format_wishes(&one.wishes, row->runs, sizeof row->runs);
    bench->plan->wishes = one.wishes;
    const uint64_t seeds = one.seed_last - one.seed_first + 1;
    const uint32_t blocks = is_doomed(row->mutant->fate) ? (uint32_t)MAX(one.blocks, UINT64_C(1)) : 1;
    for (; row->blocks < blocks; row->blocks++) {
        mutant_choose(row->mutant->name);
        sweep_run(&sweep, &one, bench->plan, bench->command);
        const bool died = sweep.failed > 0;
        row->taken[row->blocks] = died ? sweep.first.seed - one.seed_first + 1 : seeds + 1;
        if (died && row->blocks_killed++ == 0) {
            first_seed = sweep.first.seed;
            snprintf(row->rule, sizeof row->rule, "%s", sweep.first.failure.rule);
        }
        row->done += sweep.done;
        row->reached += sweep.reached;
        row->seconds += seconds_now() - sweep.began;
        one.seed_first += seeds;
        one.seed_last += seeds;
    }
    qsort(row->taken, row->blocks, sizeof *row->taken, by_value);
    row->infected = row->blocks_killed > 0 || (measures && is_infected(bench, &sweep));
    mutant_choose(row->mutant->name);
    if (measures && row->blocks_killed > 0) cut_down(bench, first_seed, row);
    mutant_choose(NULL);
    judge(row);
}

/* ---- what is told ---- */

static void print_head(const struct bench *bench)
{
    if (bench->options->blocks == 0) {
        printf("%-40s %-8s %-6s %6s %8s %8s  %s\n", "mutant", "verdict", "rule", "seeds", "reached", "seconds", "bug");
    } else {
        printf("%-40s %-8s %-6s %6s %6s %6s %7s %8s %8s %7s %6s  %s\n", "mutant", "verdict", "rule", "min", "median",
               "p95", "reached", "infected", "seconds", "events", "faults", "bug");
    }
}

static void print_row(const struct bench *bench, const struct row *row)
{
    const char *rule = row->blocks_killed > 0 ? row->rule : "-", *odd = row->fine ? "" : "  <-- not as it should be";
    const uint64_t *taken = row->taken;

    if (bench->options->blocks == 0) {
        printf("%-40s %-8s %-6s %6" PRIu64 " %8" PRIu64 " %8.1f  %s%s\n", row->mutant->name, row->verdict, rule,
               row->blocks_killed > 0 ? taken[0] : row->done, row->reached, row->seconds, row->mutant->bug, odd);
    } else {
        printf("%-40s %-8s %-6s %6" PRIu64 " %6" PRIu64 " %6" PRIu64 " %7" PRIu64 " %8s %8.1f %7" PRIu64 " %6u  %s%s\n",
               row->mutant->name, row->verdict, rule, taken[0], percentile(taken, row->blocks, 50),
               percentile(taken, row->blocks, 95), row->reached, row->infected ? "yes" : "no", row->seconds,
               row->shrunk_events, row->shrunk_faults, row->mutant->bug, odd);
    }
    fflush(stdout);
}

static void write_row(const struct bench *bench, const struct row *row)
{
    if (bench->results == NULL) return;
    fprintf(bench->results,
            "{\"mutant\":\"%s\",\"verdict\":\"%s\",\"fine\":%s,\"rule\":\"%s\",\"runs\":\"%s\",\"blocks\":%u,"
            "\"blocks_killed\":%u,\"seeds_min\":%" PRIu64 ",\"seeds_median\":%" PRIu64 ",\"seeds_p95\":%" PRIu64
            ",\"seeds_run\":%" PRIu64 ",\"reached\":%" PRIu64 ",\"infected\":%s,\"seconds\":%.1f,",
            row->mutant->name, row->verdict, row->fine ? "true" : "false", row->rule, row->runs, row->blocks,
            row->blocks_killed, row->taken[0], percentile(row->taken, row->blocks, 50),
            percentile(row->taken, row->blocks, 95), row->done, row->reached, row->infected ? "true" : "false",
            row->seconds);
    if (row->shrunk) {
        fprintf(bench->results, "\"shrunk_events\":%" PRIu64 ",\"shrunk_faults\":%u,", row->shrunk_events,
                row->shrunk_faults);
    }
    fprintf(bench->results, "\"bug\":\"%s\"}\n", row->mutant->bug);
    fflush(bench->results);
}

/* ---- what an earlier bench has found ---- */

static void count(struct bench *bench, const struct mutant *mutant, bool killed, bool fine, uint64_t median)
{
    bench->tried++;
    bench->wrong += !fine;
    bench->doomed += is_doomed(mutant->fate);
    if (is_doomed(mutant->fate) && killed) bench->medians[bench->killed++] = median;
}

/* True: the line is of this mutant, and counts. */
static bool is_known(struct bench *bench, const struct mutant *mutant, const char *line)
{
    char begin[96];

    snprintf(begin, sizeof begin, "{\"mutant\":\"%.70s\",", mutant->name);
    if (strncmp(line, begin, strlen(begin)) != 0 || strstr(line, "\"}\n") == NULL) return false; /* or cut */
    const char *median = strstr(line, "\"seeds_median\":");
    count(bench, mutant, strstr(line, "\"verdict\":\"killed\"") != NULL, strstr(line, "\"fine\":true") != NULL,
          median == NULL ? 0 : strtoull(median + strlen("\"seeds_median\":"), NULL, 10));
    return true;
}

static bool was_tried(struct bench *bench, const struct mutant *mutant)
{
    char line[LINE_SIZE];
    bool known = false;

    if (bench->results == NULL) return false;
    rewind(bench->results);
    while (!known && fgets(line, sizeof line, bench->results) != NULL) known = is_known(bench, mutant, line);
    fseek(bench->results, 0, SEEK_END);
    return known;
}

/* A file of whole lines that begin as ours do; one that is cut in the middle is finished, and not of any mutant. */
static bool open_results(struct bench *bench)
{
    const char *path = bench->options->results;
    char line[LINE_SIZE] = "\n";

    if (path == NULL) return true;
    bench->results = fopen(path, "a+");
    if (bench->results == NULL) {
        fprintf(stderr, "%s: %s: %s\n", bench->command->program, path, strerror(errno));
        return false;
    }
    rewind(bench->results);
    while (fgets(line, sizeof line, bench->results) != NULL) {
        if (strncmp(line, "{\"mutant\":\"", 11) == 0) continue;
        fprintf(stderr, "%s: %s: not the results of a bench\n", bench->command->program, path);
        fclose(bench->results);
        return false;
    }
    fseek(bench->results, 0, SEEK_END);
    if (strchr(line, '\n') == NULL) fputc('\n', bench->results);
    return true;
}

int bench_run(const struct options *options, struct plan *plan, const struct command *command)
{
    static struct row row;
    struct bench bench = { .options = options, .plan = plan, .command = command };

    if (mutant_count == 0) {
        fprintf(stderr, "%s: no mutants here: they are in chronik-sim-mutants\n", command->program);
        return 2;
    }
    if (!open_results(&bench)) return 2;
    bench.medians = calloc(mutant_count + 1, sizeof *bench.medians);
    print_head(&bench);
    for (uint32_t i = 0; i < mutant_count; i++) {
        if (mutants[i].fate == DIES_IN_TEST) continue;
        if (options->mutant != NULL && strcmp(options->mutant, mutants[i].name) != 0) continue;
        if (was_tried(&bench, &mutants[i])) continue;
        row = (struct row){ .mutant = &mutants[i] };
        run_blocks(&bench, &row);
        print_row(&bench, &row);
        write_row(&bench, &row);
        count(&bench, row.mutant, row.blocks_killed > 0, row.fine, percentile(row.taken, row.blocks, 50));
    }
    qsort(bench.medians, bench.killed, sizeof *bench.medians, by_value);
    printf("%u of %u killed, after %" PRIu64 " seeds in the median\n", bench.killed, bench.doomed,
           percentile(bench.medians, bench.killed, 50));
    printf("%u passed, %u failed\n", bench.tried - bench.wrong, bench.wrong);
    free(bench.medians);
    if (bench.results != NULL) fclose(bench.results);
    if (bench.tried == 0) {
        fprintf(stderr, "%s: none was tried: it is of the Raft engine (--raft ours --mutants), or a test shows it\n",
                command->program);
        return 2;
    }
    return bench.wrong == 0 ? 0 : 1;
}
