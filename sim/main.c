/* main.c -- the command: one seed and its story, or many seeds and those that fail. */
#include "base/check.h"
#include "sim/bench.h"
#include "sim/hunt.h"
#include "sim/likelihood.h"
#include "sim/mutants.h"
#include "sim/options.h"
#include "sim/raft_main.h"
#include "sim/report.h"
#include "sim/shrink.h"
#include "sim/sweep.h"
#include "sim/trial.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct command command = { .program = "chronik-sim" };
static struct plan plan; /* whose seed changes from run to run */

_Noreturn void check_failed(const char *file, int line, const char *what)
{
    fflush(stdout);
    if (getenv("CHRONIK_SIM_ABORT") == NULL) trial_on_check(file, line, what);
    fprintf(stderr, "%s:%d: CHECK(%s)\n", file, line, what);
    if (!raft_main_replay())
        fprintf(stderr, "replay: %s --seed %" PRIu64 "%s\n", command.program, trial_seed(), command.words);
    if (getenv("CHRONIK_SIM_ABORT") != NULL) abort();
    _exit(OUTCOME_CRASH);
}

/* ---- what is to be run ---- */

/* From the file, if there is one, and the words of the command line. */
static bool make_plan(const struct options *options)
{
    char problem[PROBLEM_SIZE], wishes[160];

    if (options->schedule == NULL) {
        plan = (struct plan){ .seed = options->seed_first };
    } else if (!plan_read(&plan, options->schedule, problem)) {
        fprintf(stderr, "%s: %s\n", command.program, problem);
        return false;
    }
    if (options->seed_given || options->many) plan.seed = options->seed_first;
    if (options->mutant != NULL) snprintf(plan.mutant, sizeof plan.mutant, "%s", options->mutant);
    if (plan.settings.count > 0 && memcmp(&options->wishes, &(struct wishes){ 0 }, sizeof options->wishes) != 0) {
        fprintf(stderr, "%s: %s: it says itself what the run is made of; change it there\n", command.program,
                options->schedule);
        return false;
    }
    plan.wishes = options->wishes;
    options_format_wishes(&options->wishes, wishes, sizeof wishes);
    snprintf(command.words, sizeof command.words, "%s%s%.300s%s%s", wishes,
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
    fprintf(stderr, "%s: no mutant %s here%s\n", command.program, plan.mutant,
            mutant_count == 0 ? ": they are in chronik-sim-mutants" : "; --mutants lists all");
    return false;
}

/* ---- one seed ---- */

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
    printf("digest=%016" PRIx64 " events=%" PRIu64 " events/s=%.0f sim=%.3fs sim:wall=%.0f rss=%ldMiB acked=%" PRIu64
           " read=%" PRIu64 " shadows=%" PRIu64 " elections=%" PRIu64 " isrs=%" PRIu64 "\n",
           result->digest, result->events, (double)result->events / seconds, (double)result->sim_ns / 1e9,
           (double)result->sim_ns / 1e9 / seconds, used.ru_maxrss / 1024, result->acked, result->seen, result->shadows,
           result->elections, result->isr_changes);
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
    if (result.outcome != OUTCOME_PASSED) command_print_failure(&command, &result);
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
        fprintf(stderr, "%s: seed %" PRIu64 "%s does not fail: there is nothing to cut down\n", command.program,
                plan.seed, command.words);
        return 2;
    }
    snprintf(path, sizeof path, "shrunk-%" PRIu64, plan.seed);
    const char *into = options->save_schedule != NULL ? options->save_schedule : path;
    snprintf(about, sizeof about, "%s\n%u of %d other seeds fail alike", shrink.result.story, shrink.other_seeds,
             SHRINK_OTHER_SEEDS);
    if (!plan_write(&shrink.best, into, about)) {
        fprintf(stderr, "%s: %s: %s\n", command.program, into, strerror(errno));
        return 2;
    }
    print_story(&shrink.best);
    printf("faults=%u of %u nodes=%d events=%" PRIu64 " runs=%u effort=%" PRIu64
           " others=%u/%d seconds=%.1f cpu=%.1f\n",
           shrink.best.schedule.count, shrink.faults_before, (int)shrink.best.settings.values[SETTING_nodes],
           shrink.result.events, shrink.trials, shrink.effort_spent, shrink.other_seeds, SHRINK_OTHER_SEEDS,
           seconds_now() - began, cpu_seconds());
    printf("replay: %s --schedule %s\n", command.program, into);
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
        fprintf(stderr, "%s: seed %" PRIu64 "%s does not fail: nothing was decided\n", command.program, plan.seed,
                command.words);
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
            fprintf(stderr, "%s: %s\n", command.program, strerror(errno));
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
    if (results[0].outcome != OUTCOME_PASSED) command_print_failure(&command, &results[0]);
    return results[0].outcome;
}

/* ---- many seeds ---- */

static enum outcome run_many(const struct options *options)
{
    static struct sweep sweep;

    if (options->check) {
        for (uint64_t i = 0; i <= options->seed_last - options->seed_first; i++) {
            if (options->many) plan.seed = options->seed_first + i;
            const enum outcome outcome = check_seed(options);
            if (outcome != OUTCOME_PASSED) return outcome;
        }
        printf("%" PRIu64 " seeds ran twice alike\n", options->seed_last - options->seed_first + 1);
        return OUTCOME_PASSED;
    }
    sweep_run(&sweep, options, &plan, &command);
    const double seconds = seconds_now() - sweep.began;
    if (options->report) report_print(&sweep.report, stdout);
    printf("seeds=%" PRIu64 " failed=%" PRIu64 " events=%" PRIu64
           " events/s=%.0f seeds/s=%.1f sim=%.3fs sim:wall=%.0f\n",
           sweep.done, sweep.failed, sweep.events, (double)sweep.events / seconds, (double)sweep.done / seconds,
           (double)sweep.sim_ns / 1e9, (double)sweep.sim_ns / 1e9 / seconds);
    if (plan.mutant[0] != 0) printf("seeds that asked for %s: %" PRIu64 "\n", plan.mutant, sweep.reached);
    return sweep.failed == 0 ? OUTCOME_PASSED : sweep.first.outcome;
}

int main(int argc, char **argv)
{
    struct options options;
    char problem[PROBLEM_SIZE];

    command.program = argv[0];
    if (argc == 1 || strcmp(argv[1], "--help") == 0) {
        fputs(options_usage, argc == 1 ? stderr : stdout);
        return argc == 1 ? 2 : 0;
    }
    if (hunt_is_asked(argc, argv)) return hunt_main(argc, argv);
    if (raft_main_is_asked(argc, argv)) return raft_main(argc, argv);
    if (!options_parse(argc, argv, &options, problem)) {
        fprintf(stderr, "%s: %s\n", command.program, problem);
        return 2;
    }
    if (!make_plan(&options)) return 2;
    if (!choose_mutant(&options)) return 2;
    if (options.mutants) return bench_run(&options, &plan, &command);
    if (options.many || options.check) return (int)run_many(&options);
    if (options.likelihood) return run_likelihood(&options);
    return options.shrink ? run_shrink(&options) : run_single(&options);
}
