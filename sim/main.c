/* main.c -- the command: one seed and its story, or many seeds and those that fail. */
#include "base/check.h"
#include "sim/mutants.h"
#include "sim/options.h"
#include "sim/raft_main.h"
#include "sim/report.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t running_seed;
static char running_wishes[160]; /* to be said again when it is replayed */
static const char *program = "chronik-sim";

_Noreturn void check_failed(const char *file, int line, const char *what)
{
    fflush(stdout);
    fprintf(stderr, "%s:%d: CHECK(%s)\n", file, line, what);
    if (!raft_main_replay()) {
        fprintf(stderr, "replay: %s --seed %" PRIu64 "%s\n", program, running_seed, running_wishes);
    }
    if (getenv("CHRONIK_SIM_ABORT") != NULL) abort();
    _exit(OUTCOME_CRASH);
}

static double seconds_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- one seed ---- */

struct result {
    enum outcome outcome;
    uint64_t seed, digest, events, sim_ns, reached, acked, seen, shadows, elections, isr_changes;
    struct report report;
    char rule[8];
    char story[STORY_SIZE];
};

static bool prepare(struct run *run, const struct options *options, struct schedule *schedule)
{
    uint32_t line;

    if (options->trace != NULL) {
        run->trace = strcmp(options->trace, "-") == 0 ? stdout : fopen(options->trace, "w");
        if (run->trace == NULL) {
            fprintf(stderr, "%s: %s: %s\n", program, options->trace, strerror(errno));
            return false;
        }
    }
    if (options->schedule == NULL) return true;
    if (!schedule_read(schedule, options->schedule, &line)) {
        fprintf(stderr, "%s: %s: line %u: not a fault\n", program, options->schedule, line);
        return false;
    }
    run->given = schedule;
    return true;
}

static bool run_one(const struct options *options, uint64_t seed, FILE *digests, struct result *result)
{
    struct run *run = calloc(1, sizeof *run);
    static struct schedule schedule;

    running_seed = seed;
    *result = (struct result){ .seed = seed };
    if (!prepare(run, options, &schedule)) return false;
    run->world.digests = digests;
    run->wishes = options->wishes;
    result->outcome = run_seed(run, seed);
    result->digest = run->world.digest;
    result->events = run->world.events;
    result->sim_ns = run->world.now_ns;
    result->reached = mutant_reached();
    result->acked = run->judge.acked;
    result->seen = run->judge.seen;
    result->shadows = run->shadows;
    result->elections = run->plane.elections;
    result->isr_changes = run->plane.isr_changes;
    result->report = run->report;
    snprintf(result->rule, sizeof result->rule, "%s", rule_name(run->judge.broken));
    memcpy(result->story, run->judge.story, sizeof result->story);
    if (options->save_schedule != NULL && !schedule_write(&run->schedule, options->save_schedule)) {
        fprintf(stderr, "%s: %s: %s\n", program, options->save_schedule, strerror(errno));
    }
    if (run->trace != NULL && run->trace != stdout) fclose(run->trace);
    run_free(run);
    free(run);
    return true;
}

static void print_failure(const struct result *result)
{
    fprintf(stderr, "seed %" PRIu64 " breaks %s at %.6f s: %s\nreplay: %s --seed %" PRIu64 "%s\n", result->seed,
            result->rule, (double)result->sim_ns / 1e9, result->story, program, result->seed, running_wishes);
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

/* ---- runs in processes of their own, so that a crash is a result ---- */

struct child {
    pid_t process;
    int pipe;
    uint64_t seed;
};

static bool spawn(const struct options *options, uint64_t seed, FILE *digests, struct child *child)
{
    int ends[2];

    fflush(NULL);
    if (pipe(ends) != 0) return false;
    child->seed = seed;
    child->process = fork();
    if (child->process < 0) return false;
    if (child->process == 0) {
        struct result result;
        close(ends[0]);
        if (options->quiet) {
            const int nowhere = open("/dev/null", O_WRONLY);
            dup2(nowhere, 2);
        }
        if (!run_one(options, seed, digests, &result)) _exit(2);
        if (digests != NULL) fflush(digests);
        const ssize_t written = write(ends[1], &result, sizeof result);
        _exit(written == (ssize_t)sizeof result ? 0 : 1);
    }
    close(ends[1]);
    child->pipe = ends[0];
    return true;
}

static void collect(const struct child *child, struct result *result)
{
    int status;
    ssize_t got;

    do got = read(child->pipe, result, sizeof *result);
    while (got < 0 && errno == EINTR);
    waitpid(child->process, &status, 0);
    close(child->pipe);
    if (got == (ssize_t)sizeof *result) return;
    *result = (struct result){ .seed = child->seed, .outcome = OUTCOME_CRASH, .rule = "crash" };
    snprintf(result->story, sizeof result->story, "the process ended with %s %d",
             WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* ---- twice the same? ---- */

static enum outcome check_seed(const struct options *options, uint64_t seed)
{
    struct result results[2];
    FILE *digests[2];

    for (int i = 0; i < 2; i++) {
        struct child child;
        digests[i] = tmpfile();
        if (digests[i] == NULL || !spawn(options, seed, digests[i], &child)) {
            fprintf(stderr, "%s: %s\n", program, strerror(errno));
            return OUTCOME_CRASH;
        }
        collect(&child, &results[i]);
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
        fprintf(stderr, "seed %" PRIu64 " is not deterministic: event %" PRIu64 " differs\n", seed, event);
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
    double began;
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

static void print_progress(const struct hunt *hunt, uint64_t total)
{
    const double seconds = seconds_now() - hunt->began;

    if (isatty(2)) {
        fprintf(stderr, "\r%" PRIu64 "/%" PRIu64 " seeds, %.1f/s, %.0f events/s, %.0f simulated s, %" PRIu64 " failed ",
                hunt->done, total, (double)hunt->done / seconds, (double)hunt->events / seconds,
                (double)hunt->sim_ns / 1e9, hunt->failed);
    }
}

/* Runs the seeds; `found` ends it at the first failure unless it goes on. */
static void hunt_seeds(const struct options *options, struct hunt *hunt)
{
    struct child children[JOBS_MAX];
    uint32_t busy = 0;
    uint64_t next = options->seed_first;
    const uint64_t total = options->seed_last - options->seed_first + 1;

    *hunt = (struct hunt){ .began = seconds_now() };
    for (;;) {
        const bool late = options->seconds_max != 0 && seconds_now() - hunt->began > (double)options->seconds_max;
        const bool enough = late || (hunt->failed > 0 && !options->keep_going);
        while (!enough && busy < options->jobs && next <= options->seed_last) {
            if (!spawn(options, next, NULL, &children[busy])) return;
            busy++;
            next++;
        }
        if (busy == 0) break;
        struct result result;
        collect(&children[0], &result);
        memmove(&children[0], &children[1], --busy * sizeof children[0]);
        add_result(hunt, &result);
        if (result.outcome != OUTCOME_PASSED && !options->quiet) {
            fputc('\n', stderr);
            print_failure(&result);
        }
        if (!options->quiet) print_progress(hunt, total);
    }
    if (!options->quiet && isatty(2)) fputc('\n', stderr);
}

static enum outcome run_many(const struct options *options)
{
    struct hunt hunt;

    if (options->check) {
        for (uint64_t seed = options->seed_first; seed <= options->seed_last; seed++) {
            const enum outcome outcome = check_seed(options, seed);
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
    return hunt.failed == 0 ? OUTCOME_PASSED : hunt.first.outcome;
}

/* ---- the bench of mutants ---- */

enum {
    BENCH_SEEDS = 150, /* unless it is said how many */
    OPEN_SEEDS = 8,    /* of gaps: a look whether they still are, not a hunt */
};

/* What became of one, and whether that was to be. */
static const char *mutant_verdict(const struct mutant *mutant, const struct hunt *hunt, bool *fine)
{
    const bool died = hunt->failed > 0, reached = died || hunt->reached > 0;

    switch (mutant->fate) {
    case DIES: *fine = died; break;
    case LIVES: *fine = reached && !died; break;
    case ABSENT: *fine = !reached; break;
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
    uint32_t wrong = 0, killed = 0, doomed = 0;
    uint64_t *taken = calloc(mutant_count + 1, sizeof *taken);

    printf("%-40s %-8s %-6s %6s %8s %8s  %s\n", "mutant", "verdict", "rule", "seeds", "reached", "seconds", "bug");
    for (uint32_t i = 0; i < mutant_count; i++) {
        struct options one = *options;
        struct hunt hunt;
        const struct mutant *mutant = &mutants[i];
        bool fine = false;
        one.quiet = true;
        one.keep_going = false;
        if (mutant->fate == OPEN && !options->many) one.seed_last = options->seed_first + OPEN_SEEDS - 1;
        /* A control that many seeds leave alone, more of them would: a third must do. */
        if (mutant->fate == LIVES || mutant->fate == ABSENT) one.seed_last -= (one.seed_last - one.seed_first) / 3 * 2;
        mutant_choose(mutant->name);
        hunt_seeds(&one, &hunt);
        const bool died = hunt.failed > 0;
        const uint64_t seeds = died ? hunt.first.seed - options->seed_first + 1 : hunt.done;
        const char *verdict = mutant_verdict(mutant, &hunt, &fine);
        printf("%-40s %-8s %-6s %6" PRIu64 " %8" PRIu64 " %8.1f  %s%s\n", mutant->name, verdict,
               died ? hunt.first.rule : "-", seeds, hunt.reached, seconds_now() - hunt.began, mutant->bug,
               fine ? "" : "  <-- not as it should be");
        fflush(stdout);
        doomed += mutant->fate == DIES;
        if (mutant->fate == DIES && died) taken[killed++] = seeds;
        wrong += !fine;
    }
    mutant_choose(NULL);
    qsort(taken, killed, sizeof *taken, by_value);
    printf("%u of %u killed, after %" PRIu64 " seeds in the median\n", killed, doomed, taken[killed / 2]);
    printf("%u passed, %u failed\n", mutant_count - wrong, wrong);
    free(taken);
    return wrong == 0;
}

int main(int argc, char **argv)
{
    struct options options;
    struct result result;

    program = argv[0];
    if (argc == 1 || strcmp(argv[1], "--help") == 0) {
        fputs(options_usage, argc == 1 ? stderr : stdout);
        return argc == 1 ? 2 : 0;
    }
    if (raft_main_is_asked(argc, argv)) return raft_main(argc, argv);
    const char *odd;
    if (!options_parse(argc, argv, &options, &odd)) {
        fprintf(stderr, "%s: %s: this, or what follows it, is not understood; --help lists all flags\n", program, odd);
        return 2;
    }
    options_format_wishes(&options.wishes, running_wishes, sizeof running_wishes);
    if (options.mutants) {
        if (!options.many) options.seed_last = options.seed_first + BENCH_SEEDS - 1;
        return mutant_bench(&options) ? 0 : 1;
    }
    if (options.mutant != NULL && !mutant_choose(options.mutant)) {
        fprintf(stderr, "%s: no mutant %s here\n", program, options.mutant);
        return 2;
    }
    if (options.many || options.check) return (int)run_many(&options);
    const double began = seconds_now();
    if (!run_one(&options, options.seed_first, NULL, &result)) return 2;
    if (result.outcome != OUTCOME_PASSED) print_failure(&result);
    if (options.report) report_print(&result.report, stdout);
    print_figures(&result, seconds_now() - began);
    return (int)result.outcome;
}
