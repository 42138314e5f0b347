/* main.c -- the command: one seed and its story, or many seeds and those that fail. */
#include "base/check.h"
#include "sim/hunt.h"
#include "sim/likelihood.h"
#include "sim/mutants.h"
#include "sim/options.h"
#include "sim/raft_main.h"
#include "sim/report.h"
#include "sim/shrink.h"
#include "sim/trial.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static char replay_words[600]; /* which run it is, but for its seed */
static const char *program = "chronik-sim";
static struct plan plan; /* whose seed changes from run to run */

_Noreturn void check_failed(const char *file, int line, const char *what)
{
    fflush(stdout);
    if (getenv("CHRONIK_SIM_ABORT") == NULL) trial_on_check(file, line, what);
    fprintf(stderr, "%s:%d: CHECK(%s)\n", file, line, what);
    if (!raft_main_replay()) fprintf(stderr, "replay: %s --seed %" PRIu64 "%s\n", program, trial_seed(), replay_words);
    if (getenv("CHRONIK_SIM_ABORT") != NULL) abort();
    _exit(OUTCOME_CRASH);
}

static double seconds_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- what is to be run ---- */

/* From the file, if there is one, and the words of the command line. */
static bool make_plan(const struct options *options)
{
    char problem[PROBLEM_SIZE], wishes[160];

    if (options->schedule == NULL) {
        plan = (struct plan){ .seed = options->seed_first };
    } else if (!plan_read(&plan, options->schedule, problem)) {
        fprintf(stderr, "%s: %s\n", program, problem);
        return false;
    }
    if (options->seed_given || options->many) plan.seed = options->seed_first;
    if (options->mutant != NULL) snprintf(plan.mutant, sizeof plan.mutant, "%s", options->mutant);
    if (plan.settings.count > 0 && memcmp(&options->wishes, &(struct wishes){ 0 }, sizeof options->wishes) != 0) {
        fprintf(stderr, "%s: %s: it says itself what the run is made of; change it there\n", program,
                options->schedule);
        return false;
    }
    plan.wishes = options->wishes;
    options_format_wishes(&options->wishes, wishes, sizeof wishes);
    snprintf(replay_words, sizeof replay_words, "%s%s%.300s%s%s", wishes,
             options->schedule == NULL ? "" : " --schedule ", options->schedule == NULL ? "" : options->schedule,
             options->mutant == NULL ? "" : " --mutant ", options->mutant == NULL ? "" : options->mutant);
    return true;
}

/* A schedule may be of a bug that this program does not have: then it shows that the bug is gone. */
static bool choose_mutant(const struct options *options)
{
    const bool asked = options->mutant != NULL;

    if (plan.mutant[0] == 0 || mutant_choose(plan.mutant)) return true;
    if (!asked && mutant_count == 0) return true;
    fprintf(stderr, "%s: no mutant %s here%s\n", program, plan.mutant,
            mutant_count == 0 ? ": they are in chronik-sim-mutants" : "; --mutants lists all");
    return false;
}

/* ---- one seed ---- */

static void print_failure(const struct result *result)
{
    fprintf(stderr, "seed %" PRIu64 " breaks %s at %.6f s, event %" PRIu64 ": %s\nreplay: %s --seed %" PRIu64 "%s\n",
            result->seed, result->failure.rule, (double)result->sim_ns / 1e9, result->events, result->story, program,
            result->seed, replay_words);
}

static void print_settings(void)
{
    static struct plan fixed;
    char text[110];

    fixed = plan;
    plan_fix(&fixed);
    printf("seed=%" PRIu64 " faults=%u", fixed.seed, fixed.schedule.count);
    for (uint32_t at = 0; at < SETTING_COUNT;) {
        at = settings_format(&fixed.settings, at, text, sizeof text);
        printf(" %s\n", text);
    }
    fflush(stdout);
}

static void print_figures(const struct result *result, double seconds)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    printf("digest=%016" PRIx64 " events=%" PRIu64 " events/s=%.0f sim:wall=%.0f rss=%ldMiB acked=%" PRIu64
           " read=%" PRIu64 " shadows=%" PRIu64 " elections=%" PRIu64 " isrs=%" PRIu64 "\n",
           result->digest, result->events, (double)result->events / seconds, (double)result->sim_ns / 1e9 / seconds,
           used.ru_maxrss / 1024, result->acked, result->seen, result->shadows, result->elections, result->isr_changes);
}

static int run_single(const struct options *options)
{
    const struct request request = { .plan = &plan,
                                     .until = options->until,
                                     .stop_at = options->stop_at,
                                     .trace = options->trace,
                                     .orders = options->orders,
                                     .why = options->why,
                                     .schedule = options->save_schedule };
    static struct result result;
    const double began = seconds_now();

    if (options->why == 0) print_settings();
    if (!trial_run(&request, &result)) return 2;
    if (result.outcome != OUTCOME_PASSED) print_failure(&result);
    if (result.cut) printf("stopped after event %" PRIu64 ", at %.6f s\n", result.events, (double)result.sim_ns / 1e9);
    if (options->report) report_print(&result.report, stdout);
    print_figures(&result, seconds_now() - began);
    return (int)result.outcome;
}

/* ---- cut down ---- */

/* Told by a process of its own, since it may end in a crash. */
static void print_story(const struct plan *of)
{
    static struct result result;
    FILE *file = tmpfile();
    const struct request request = { .plan = of, .story = file, .quiet = true };

    if (file == NULL || !trial_make(&request, &result)) return;
    rewind(file);
    for (int byte; (byte = fgetc(file)) != EOF;) putchar(byte);
    fclose(file);
}

/* Of this process and those that helped. */
static double cpu_seconds(void)
{
    struct rusage self, helpers;

    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &helpers);
    return (double)(self.ru_utime.tv_sec + self.ru_stime.tv_sec + helpers.ru_utime.tv_sec + helpers.ru_stime.tv_sec) +
           (double)(self.ru_utime.tv_usec + self.ru_stime.tv_usec + helpers.ru_utime.tv_usec +
                    helpers.ru_stime.tv_usec) /
               1e6;
}

static int run_shrink(const struct options *options)
{
    static struct shrink shrink;
    const double began = seconds_now();
    char path[64], about[STORY_SIZE + 200];

    shrink = (struct shrink){ .jobs = (uint32_t)options->jobs,
                              .effort = options->effort == 0 ? SHRINK_EFFORT : options->effort * 1000,
                              .progress = !options->quiet && (options->progress || isatty(2)) };
    if (!shrink_run(&shrink, &plan)) {
        fprintf(stderr, "%s: seed %" PRIu64 "%s does not fail: there is nothing to cut down\n", program, plan.seed,
                replay_words);
        return 2;
    }
    snprintf(path, sizeof path, "shrunk-%" PRIu64, plan.seed);
    const char *into = options->save_schedule != NULL ? options->save_schedule : path;
    snprintf(about, sizeof about, "%s\n%u of %d other seeds fail alike", shrink.result.story, shrink.other_seeds,
             SHRINK_OTHER_SEEDS);
    if (!plan_write(&shrink.best, into, about)) {
        fprintf(stderr, "%s: %s: %s\n", program, into, strerror(errno));
        return 2;
    }
    print_story(&shrink.best);
    printf("faults=%u of %u nodes=%d events=%" PRIu64 " runs=%u effort=%" PRIu64
           " others=%u/%d seconds=%.1f cpu=%.1f\n",
           shrink.best.schedule.count, shrink.faults_before, (int)shrink.best.settings.values[SETTING_nodes],
           shrink.result.events, shrink.trials, shrink.effort_spent, shrink.other_seeds, SHRINK_OTHER_SEEDS,
           seconds_now() - began, cpu_seconds());
    printf("replay: %s --schedule %s\n", program, into);
    return (int)shrink.result.outcome;
}

/* ---- when was it decided? ---- */

static int run_likelihood(const struct options *options)
{
    static struct likelihood likelihood;
    const struct request request = {
        .plan = &plan, .trace = options->trace, .likelihood = &likelihood, .quiet = options->trace == NULL
    };
    static struct result result;

    likelihood = (struct likelihood){ .jobs = (uint32_t)options->jobs,
                                      .effort = options->effort == 0 ? LIKELIHOOD_EFFORT : options->effort * 1000,
                                      .progress = !options->quiet && (options->progress || isatty(2)) };
    if (!likelihood_run(&likelihood, &plan)) {
        fprintf(stderr, "%s: seed %" PRIu64 "%s does not fail: nothing was decided\n", program, plan.seed,
                replay_words);
        return 2;
    }
    if (options->trace != NULL && !trial_make(&request, &result)) return 2;
    likelihood_print(&likelihood, stdout);
    printf("effort=%" PRIu64 " cpu=%.1f\n", likelihood.effort_spent, cpu_seconds());
    return (int)likelihood.result.outcome;
}

/* ---- twice the same? ---- */

static enum outcome check_seed(const struct options *options)
{
    static struct result results[2];
    FILE *digests[2];

    for (int i = 0; i < 2; i++) {
        digests[i] = tmpfile();
        const struct request request = { .plan = &plan, .until = options->until, .digests = digests[i] };
        if (digests[i] == NULL || !trial_make(&request, &results[i])) {
            fprintf(stderr, "%s: %s\n", program, strerror(errno));
            return OUTCOME_CRASH;
        }
        rewind(digests[i]);
    }
    uint64_t a, b, event = 0;
    bool more_a, more_b, same = true;
    do {
        more_a = fread(&a, sizeof a, 1, digests[0]) == 1;
        more_b = fread(&b, sizeof b, 1, digests[1]) == 1;
        event++;
        same = more_a == more_b && (!more_a || a == b);
    } while (same && more_a);
    fclose(digests[0]);
    fclose(digests[1]);
    if (!same) {
        fprintf(stderr, "seed %" PRIu64 " is not deterministic: event %" PRIu64 " differs\n", plan.seed, event);
        return OUTCOME_NONDETERMINISM;
    }
    if (results[0].outcome != OUTCOME_PASSED) print_failure(&results[0]);
    return results[0].outcome;
}

/* ---- many seeds ---- */

struct hunt {
    uint64_t done, failed, events, sim_ns;
    uint64_t reached; /* seeds that asked for the mutant where it makes a difference */
    struct report report;
    struct result first; /* the failure with the smallest seed that was seen */
    double began, told;  /* since when, and when it was told last how far it is */
};

static void add_result(struct hunt *hunt, const struct result *result)
{
    hunt->done++;
    hunt->events += result->events;
    hunt->sim_ns += result->sim_ns;
    hunt->reached += result->reached > 0;
    report_add(&hunt->report, &result->report);
    if (result->outcome == OUTCOME_PASSED) return;
    if (hunt->failed++ == 0 || result->seed < hunt->first.seed) hunt->first = *result;
}

/* Five times a second at most, and in the end. */
static void print_progress(const struct options *options, struct hunt *hunt, uint64_t total, bool end)
{
    const double now = seconds_now(), seconds = now - hunt->began;

    if (options->quiet || (!options->progress && !isatty(2))) return;
    const bool terminal = isatty(2) != 0;
    if (!end && now - hunt->told < (terminal ? 0.2 : 10.0)) return; /* a log needs fewer */
    hunt->told = now;
    fprintf(stderr,
            "%s%" PRIu64 "/%" PRIu64 " seeds, %.1f/s, %.0f events/s, %.0f simulated s, %" PRIu64 " failed, %.0f s%s",
            terminal ? "\r" : "", hunt->done, total, (double)hunt->done / seconds, (double)hunt->events / seconds,
            (double)hunt->sim_ns / 1e9, hunt->failed, seconds, end || !terminal ? "\n" : " ");
}

/* Runs the seeds; a failure ends it unless it is to go on. Those before the first that failed have all been run. */
static void hunt_seeds(const struct options *options, struct hunt *hunt)
{
    static struct result result;
    struct trial trials[JOBS_MAX] = { 0 }; /* the first ones are busy; of the others some wait for a seed */
    uint32_t busy = 0;
    uint64_t next = options->seed_first;
    const uint64_t total = options->seed_last - options->seed_first + 1;
    const struct request request = { .plan = &plan, .until = options->until, .quiet = options->quiet };

    *hunt = (struct hunt){ .began = seconds_now() };
    for (;;) {
        const bool late = options->seconds_max != 0 && seconds_now() - hunt->began > (double)options->seconds_max;
        const bool enough = late || (hunt->failed > 0 && !options->keep_going);
        while (!enough && busy < options->jobs && next <= options->seed_last && next != 0) {
            plan.seed = next++;
            if (!trial_go_on(&request, &trials[busy])) return;
            busy++;
        }
        if (busy == 0) break;
        const uint32_t which = trial_wait(trials, busy, 200);
        print_progress(options, hunt, total, false);
        if (which == busy) continue;
        trial_end(&trials[which], &result);
        const struct trial idle = trials[which];
        trials[which] = trials[--busy];
        trials[busy] = idle;
        add_result(hunt, &result);
        if (result.outcome != OUTCOME_PASSED && !options->quiet) {
            if (isatty(2) || options->progress) fputc('\n', stderr);
            print_failure(&result);
        }
    }
    for (uint32_t i = 0; i < options->jobs; i++) trial_release(&trials[i]);
    print_progress(options, hunt, total, true);
}

static enum outcome run_many(const struct options *options)
{
    struct hunt hunt;

    if (options->check) {
        for (uint64_t i = 0; i <= options->seed_last - options->seed_first; i++) {
            if (options->many) plan.seed = options->seed_first + i;
            const enum outcome outcome = check_seed(options);
            if (outcome != OUTCOME_PASSED) return outcome;
        }
        printf("%" PRIu64 " seeds ran twice alike\n", options->seed_last - options->seed_first + 1);
        return OUTCOME_PASSED;
    }
    hunt_seeds(options, &hunt);
    const double seconds = seconds_now() - hunt.began;
    if (options->report) report_print(&hunt.report, stdout);
    printf("seeds=%" PRIu64 " failed=%" PRIu64 " events=%" PRIu64 " events/s=%.0f seeds/s=%.1f sim:wall=%.0f\n",
           hunt.done, hunt.failed, hunt.events, (double)hunt.events / seconds, (double)hunt.done / seconds,
           (double)hunt.sim_ns / 1e9 / seconds);
    if (plan.mutant[0] != 0) printf("seeds that asked for %s: %" PRIu64 "\n", plan.mutant, hunt.reached);
    return hunt.failed == 0 ? OUTCOME_PASSED : hunt.first.outcome;
}

/* ---- the bench of mutants ---- */

enum {
    BENCH_SEEDS = 150, /* unless it is said how many */
    OPEN_SEEDS = 8,    /* of gaps: a look whether they still are, not a hunt */
    LITE_SEEDS = 400,
    CLUSTER_SEEDS = 60,
    GROUP_MEMBERS = 6,
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
    if (in_cluster) options->seed_last = options->seed_first + CLUSTER_SEEDS - 1;
    if (in_lite) options->seed_last = options->seed_first + LITE_SEEDS - 1;
    if (mutant->fate == OPEN) options->seed_last = options->seed_first + OPEN_SEEDS - 1;
    /* A control that many seeds leave alone, more of them would: a third must do. */
    if (mutant->fate == LIVES || mutant->fate == ABSENT) {
        options->seed_last -= (options->seed_last - options->seed_first) / 3 * 2;
    }
}

/* What became of one, and whether that was to be. */
static const char *mutant_verdict(const struct mutant *mutant, const struct hunt *hunt, bool *fine)
{
    const bool died = hunt->failed > 0, reached = died || hunt->reached > 0;

    switch (mutant->fate) {
    case DIES:
    case DIES_IN_LITE:
    case DIES_IN_CLUSTER:
    case DIES_IN_DISASTER:
    case DIES_IN_GROUPS: *fine = died; break;
    case LIVES: *fine = reached && !died; break;
    case ABSENT: *fine = !reached; break;
    case DIES_IN_TEST:
    case OPEN: *fine = true; break;
    }
    if (died) return "killed";
    if (mutant->fate == OPEN) return "open";
    if (!reached) return mutant->fate == ABSENT ? "absent" : "unseen";
    return mutant->fate == LIVES ? "control" : "survived";
}

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool mutant_bench(const struct options *options)
{
    uint32_t wrong = 0, killed = 0, doomed = 0, tried = 0;
    uint64_t *taken = calloc(mutant_count + 1, sizeof *taken);

    printf("%-40s %-8s %-6s %6s %8s %8s  %s\n", "mutant", "verdict", "rule", "seeds", "reached", "seconds", "bug");
    for (uint32_t i = 0; i < mutant_count; i++) {
        struct options one = *options;
        struct hunt hunt;
        const struct mutant *mutant = &mutants[i];
        bool fine = false;
        if (mutant->fate == DIES_IN_TEST) continue;
        tried++;
        one.quiet = true;
        one.keep_going = false;
        choose_runs(mutant, &one);
        plan.wishes = one.wishes;
        mutant_choose(mutant->name);
        hunt_seeds(&one, &hunt);
        const bool died = hunt.failed > 0;
        const uint64_t seeds = died ? hunt.first.seed - options->seed_first + 1 : hunt.done;
        const char *verdict = mutant_verdict(mutant, &hunt, &fine);
        printf("%-40s %-8s %-6s %6" PRIu64 " %8" PRIu64 " %8.1f  %s%s\n", mutant->name, verdict,
               died ? hunt.first.failure.rule : "-", seeds, hunt.reached, seconds_now() - hunt.began, mutant->bug,
               fine ? "" : "  <-- not as it should be");
        fflush(stdout);
        doomed += is_doomed(mutant->fate);
        if (is_doomed(mutant->fate) && died) taken[killed++] = seeds;
        wrong += !fine;
    }
    mutant_choose(NULL);
    qsort(taken, killed, sizeof *taken, by_value);
    printf("%u of %u killed, after %" PRIu64 " seeds in the median\n", killed, doomed, taken[killed / 2]);
    printf("%u passed, %u failed\n", tried - wrong, wrong);
    free(taken);
    return wrong == 0;
}

int main(int argc, char **argv)
{
    struct options options;
    char problem[PROBLEM_SIZE];

    program = argv[0];
    if (argc == 1 || strcmp(argv[1], "--help") == 0) {
        fputs(options_usage, argc == 1 ? stderr : stdout);
        return argc == 1 ? 2 : 0;
    }
    if (hunt_is_asked(argc, argv)) return hunt_main(argc, argv);
    if (raft_main_is_asked(argc, argv)) return raft_main(argc, argv);
    if (!options_parse(argc, argv, &options, problem)) {
        fprintf(stderr, "%s: %s\n", program, problem);
        return 2;
    }
    if (!make_plan(&options)) return 2;
    if (options.mutants) {
        if (!options.many) options.seed_last = options.seed_first + BENCH_SEEDS - 1;
        return mutant_bench(&options) ? 0 : 1;
    }
    if (!choose_mutant(&options)) return 2;
    if (options.many || options.check) return (int)run_many(&options);
    if (options.likelihood) return run_likelihood(&options);
    return options.shrink ? run_shrink(&options) : run_single(&options);
}
