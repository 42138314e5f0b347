#include "sim/hunt.h"

#include "sim/hunt_store.h"
#include "sim/mutants.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "chronik-sim hunt: runs of every kind, as long as there is time, and what fails among them\n"
    "\n"
    "  --dir DIR          where results are kept, and where it goes on from (hunt)\n"
    "  --time-budget S    ends after S seconds (when it is interrupted)\n"
    "  --jobs J           so many at once (1)\n"
    "  --first-seed N     of each kind (1); a hunt that goes on begins where it ended, if that is later\n"
    "  --canary-every N   so often a run that fails on purpose (200)\n"
    "  --mutant NAME      with a known bug (chronik-sim-mutants only)\n"
    "  --page             runs nothing: makes failures.jsonl and index.html of results.jsonl anew\n"
    "  --progress         a line that tells how far it is, even where no terminal is\n"
    "\n"
    "exit: 0 nothing failed, 1 a canary was missed, 2 usage, 129 something failed\n";

enum { JOBS_MAX = TRIALS_MAX, WRITE_EVERY_SECONDS = 10, CANARY_KIND = HUNT_KINDS };

struct job {
    struct trial trial;
    uint32_t kind; /* or CANARY_KIND */
    double began;
};

struct hunt {
    const char *directory, *mutant;
    uint64_t jobs_max, canary_every, first_seed, seconds_max;
    bool page, progress;

    FILE *results;
    struct hunt_store store;
    struct hunt_figures news[HUNT_KINDS]; /* since results were written last */
    uint64_t next[HUNT_KINDS];            /* seeds */
    struct job jobs[JOBS_MAX];
    uint32_t busy;
    double began, written, told;
    uint64_t begun, canaries;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    interrupted = 1;
}

static double seconds_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

bool hunt_is_asked(int argc, char **argv)
{
    return argc > 1 && strcmp(argv[1], "hunt") == 0;
}

/* ---- what is wanted ---- */

static uint64_t *amount_of(struct hunt *hunt, const char *name)
{
    if (strcmp(name, "--time-budget") == 0) return &hunt->seconds_max;
    if (strcmp(name, "--jobs") == 0) return &hunt->jobs_max;
    if (strcmp(name, "--first-seed") == 0) return &hunt->first_seed;
    return strcmp(name, "--canary-every") == 0 ? &hunt->canary_every : NULL;
}

static bool parse(int argc, char **argv, struct hunt *hunt)
{
    for (int i = 2; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : "";
        uint64_t *amount = amount_of(hunt, name);
        const bool text = strcmp(name, "--dir") == 0 || strcmp(name, "--mutant") == 0;
        char *end;
        if (strcmp(name, "--page") == 0) hunt->page = true;
        else if (strcmp(name, "--progress") == 0) hunt->progress = true;
        else if (!text && amount == NULL) {
            fprintf(stderr, "chronik-sim hunt: %s: no such option; --help lists all\n", name);
            return false;
        } else if (text && *value != 0) {
            if (name[2] == 'd') hunt->directory = value;
            else hunt->mutant = value;
            i++;
        } else {
            errno = 0;
            const uint64_t number = strtoull(value, &end, 10);
            const uint64_t most = amount == &hunt->jobs_max ? JOBS_MAX : UINT64_MAX;
            if (amount == NULL || *value < '0' || *value > '9' || *end != 0 || errno != 0 || number == 0 ||
                number > most) {
                fprintf(stderr, "chronik-sim hunt: %s %s: %s is wanted\n", name, value,
                        text ? "a name" : "a number of at least 1 (of jobs, at most 64)");
                return false;
            }
            *amount = number;
            i++;
        }
    }
    return true;
}

/* ---- results ---- */

static bool read_results(struct hunt *hunt)
{
    char path[600];
    char *line = NULL;
    size_t size = 0;

    mkdir(hunt->directory, 0777);
    snprintf(path, sizeof path, "%s/results.jsonl", hunt->directory);
    FILE *file = fopen(path, "r");
    while (file != NULL && getline(&line, &size, file) > 0) hunt_store_line(&hunt->store, line);
    free(line);
    if (file != NULL) fclose(file);
    hunt->results = fopen(path, "a");
    if (hunt->results == NULL) fprintf(stderr, "chronik-sim hunt: %s: %s\n", path, strerror(errno));
    for (uint32_t i = 0; i < HUNT_KINDS; i++) hunt->next[i] = MAX(hunt->first_seed, hunt->store.figures[i].next);
    return hunt->results != NULL;
}

static bool publish(const struct hunt *hunt)
{
    if (hunt_store_publish(&hunt->store, hunt->directory)) return true;
    fprintf(stderr, "chronik-sim hunt: %s: %s\n", hunt->directory, strerror(errno));
    return false;
}

/* What came since, as lines. Seeds that are still running are run again by whoever goes on. */
static void write_news(struct hunt *hunt)
{
    for (uint32_t kind = 0; kind < HUNT_KINDS; kind++) {
        struct hunt_figures *news = &hunt->news[kind];
        if (news->runs == 0) continue;
        news->next = hunt->next[kind];
        for (uint32_t i = 0; i < hunt->busy; i++) {
            if (hunt->jobs[i].kind == kind) news->next = MIN(news->next, hunt->jobs[i].trial.seed);
        }
        hunt_write_runs(hunt->results, (enum hunt_kind)kind, news);
        hunt->store.figures[kind].next = news->next;
        *news = (struct hunt_figures){ 0 };
    }
    hunt->written = seconds_now();
    publish(hunt);
}

/* ---- runs ---- */

/* The kind that had the least time so far. */
static uint32_t whose_turn(const struct hunt *hunt)
{
    double spent[HUNT_KINDS], now = seconds_now();
    uint32_t least = 0;

    for (uint32_t i = 0; i < HUNT_KINDS; i++) spent[i] = hunt->store.figures[i].seconds;
    for (uint32_t i = 0; i < hunt->busy; i++) {
        if (hunt->jobs[i].kind < HUNT_KINDS) spent[hunt->jobs[i].kind] += now - hunt->jobs[i].began + 0.01;
    }
    for (uint32_t i = 1; i < HUNT_KINDS; i++) {
        if (spent[i] < spent[least]) least = i;
    }
    return least;
}

/* One crash that cannot be missed, and a judge who was told to find it. */
static void make_canary(struct plan *plan)
{
    *plan = (struct plan){ .seed = 1, .wishes.profile = PROFILE_LITE, .has_faults = true };
    settings_give(&plan->settings, SETTING_canary, 1);
    settings_give(&plan->settings, SETTING_joiners, 0);
    settings_give(&plan->settings, SETTING_chaos_us, 500 * 1000);
    plan->schedule.count = 1;
    plan->schedule.list[0] = (struct fault){ .kind = FAULT_KILL, .time_us = 100 * 1000, .duration_us = 10 * 1000 };
    plan->schedule.list[0].machines.range_count = 1; /* the first machine */
}

static bool begin_job(struct hunt *hunt)
{
    static struct plan plan;
    struct job *job = &hunt->jobs[hunt->busy];
    const struct request request = { .plan = &plan, .quiet = true };
    const bool canary = hunt->begun++ % hunt->canary_every == 0;

    if (canary) {
        make_canary(&plan);
    } else {
        const uint32_t kind = whose_turn(hunt);
        plan = (struct plan){ .seed = hunt->next[kind]++, .wishes = hunt_kinds[kind].wishes };
        job->kind = kind;
    }
    if (canary) job->kind = CANARY_KIND;
    job->began = seconds_now();
    if (!trial_begin(&request, &job->trial)) return false;
    hunt->busy++;
    return true;
}

static void take_canary(struct hunt *hunt, const struct result *result)
{
    const bool found = strcmp(result->failure.rule, "canary") == 0;

    hunt->canaries++;
    hunt->store.canaries++;
    hunt->store.canaries_missed += !found;
    hunt_write_canary(hunt->results, found);
    if (!found) fprintf(stderr, "chronik-sim hunt: the canary was missed: what this hunt says is worth nothing\n");
}

static void take_failure(struct hunt *hunt, enum hunt_kind kind, const struct result *result)
{
    struct hunt_failure failure = {
        .failure = result->failure, .kind = kind, .seed = result->seed, .events = result->events
    };
    char replay[300];

    memcpy(failure.story, result->story, sizeof failure.story);
    if (hunt->mutant != NULL) snprintf(failure.mutant, sizeof failure.mutant, "%s", hunt->mutant);
    hunt_write_failure(hunt->results, &failure);
    if (!hunt_store_failure(&hunt->store, &failure)) return;
    hunt_format_replay(&failure, replay, sizeof replay);
    fprintf(stderr, "%sbreaks %s after %" PRIu64 " events: %s\nreplay: %s\n", hunt->told > 0 ? "\n" : "",
            failure.failure.rule, failure.events, failure.story, replay);
}

static void end_job(struct hunt *hunt, uint32_t which)
{
    static struct result result;
    struct job job = hunt->jobs[which];

    trial_end(&job.trial, &result);
    hunt->jobs[which] = hunt->jobs[--hunt->busy];
    if (job.kind == CANARY_KIND) {
        take_canary(hunt, &result);
        return;
    }
    const double seconds = seconds_now() - job.began;
    struct hunt_figures *both[] = { &hunt->store.figures[job.kind], &hunt->news[job.kind] };
    for (int i = 0; i < 2; i++) {
        both[i]->runs++;
        both[i]->failed += result.outcome != OUTCOME_PASSED;
        both[i]->events += result.events;
        both[i]->seconds += seconds;
        both[i]->sim_seconds += (double)result.sim_ns / 1e9;
    }
    if (result.outcome != OUTCOME_PASSED) take_failure(hunt, (enum hunt_kind)job.kind, &result);
}

static void tell(struct hunt *hunt, bool end)
{
    struct hunt_figures all = { 0 };
    const double now = seconds_now();

    if (!hunt->progress && !isatty(2)) return;
    const bool terminal = isatty(2) != 0;
    if (!end && now - hunt->told < (terminal ? 0.2 : 10.0)) return; /* a log needs fewer */
    hunt->told = now;
    for (uint32_t i = 0; i < HUNT_KINDS; i++) {
        all.runs += hunt->store.figures[i].runs;
        all.failed += hunt->store.figures[i].failed;
        all.sim_seconds += hunt->store.figures[i].sim_seconds;
    }
    fprintf(stderr,
            "%s%" PRIu64 " runs, %.1f simulated hours, %" PRIu64 " failed in %u ways, %" PRIu64 " canaries, %.0f s%s",
            terminal ? "\r" : "", all.runs, all.sim_seconds / 3600, all.failed, hunt->store.failure_count,
            hunt->canaries, now - hunt->began, end || !terminal ? "\n" : " ");
}

static void run(struct hunt *hunt)
{
    hunt->began = hunt->written = seconds_now();
    for (;;) {
        const bool late = hunt->seconds_max != 0 && seconds_now() - hunt->began > (double)hunt->seconds_max;
        const bool enough = late || interrupted || hunt->store.canaries_missed > 0;
        while (!enough && hunt->busy < hunt->jobs_max) {
            if (!begin_job(hunt)) break;
        }
        if (hunt->busy == 0) break;
        struct trial trials[JOBS_MAX];
        for (uint32_t i = 0; i < hunt->busy; i++) trials[i] = hunt->jobs[i].trial;
        const uint32_t which = trial_wait(trials, hunt->busy, 200);
        if (which < hunt->busy) end_job(hunt, which);
        tell(hunt, false);
        if (seconds_now() - hunt->written > WRITE_EVERY_SECONDS) write_news(hunt);
    }
    write_news(hunt);
    tell(hunt, true);
}

int hunt_main(int argc, char **argv)
{
    static struct hunt hunt;

    hunt = (struct hunt){ .directory = "hunt", .jobs_max = 1, .canary_every = 200, .first_seed = 1 };
    if (argc > 2 && strcmp(argv[2], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (!parse(argc, argv, &hunt)) return 2;
    if (hunt.mutant != NULL && !mutant_choose(hunt.mutant)) {
        fprintf(stderr, "chronik-sim hunt: no mutant %s here\n", hunt.mutant);
        return 2;
    }
    hunt_store_init(&hunt.store);
    if (!read_results(&hunt)) return 2;
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    if (!hunt.page) run(&hunt);
    if (!publish(&hunt)) return 2;
    printf("%s/index.html: failed in %u ways; canaries missed: %" PRIu64 "\n", hunt.directory, hunt.store.failure_count,
           hunt.store.canaries_missed);
    fclose(hunt.results);
    const int code = hunt.store.canaries_missed > 0 ? 1 : hunt.store.failure_count > 0 ? 129 : 0;
    hunt_store_free(&hunt.store);
    return code;
}
