#include "sim/trial.h"

#include "sim/mutants.h"
#include "sim/story.h"
#include "sim/trace_files.h"
#include "sim/why.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

/* Of the run that is under way in this process; a crash is told with them. */
static struct run *running;
static uint64_t running_seed;
static uint64_t reached_before; /* by the runs before it, in this process */
static int told = -1;           /* the pipe to whoever began this process */

uint64_t trial_seed(void)
{
    return running_seed;
}

/* ---- what somebody wants to know of it ---- */

static const struct request *asked; /* of the run that is under way */

static bool begin_telling(struct run *run, const struct request *request)
{
    FILE *file = NULL;

    if (request->trace == NULL && request->why == 0 && request->story == NULL) return true;
    if (request->trace != NULL) file = strcmp(request->trace, "-") == 0 ? stdout : fopen(request->trace, "w");
    if (request->trace != NULL && file == NULL) {
        fprintf(stderr, "chronik-sim: %s: %s\n", request->trace, strerror(errno));
        return false;
    }
    run->tape = tape_new(run);
    run->trace = run->tape->lines;
    run->tape->file = file;
    if (file != NULL && trace_form(request->trace) == FORM_TEXT) run->tape->text = file;
    run->tape->text_orders = request->orders;
    run->tape->likelihood = request->likelihood;
    return true;
}

static void end_telling(struct run *run, const struct request *request)
{
    struct tape *tape = run->tape;

    if (tape == NULL) return;
    if (tape->file != NULL) trace_write(tape, trace_form(request->trace), tape->file);
    if (request->why != 0) why_print(tape, request->why == UINT64_MAX ? tape->event : request->why, stdout);
    if (request->story != NULL) story_print(tape, request->story);
    if (request->story != NULL) fflush(request->story);
    if (tape->file != NULL && tape->file != stdout) fclose(tape->file);
    tape_free(tape);
    run->tape = NULL;
    run->trace = NULL;
}

static void take_result(const struct run *run, struct result *result)
{
    result->digest = run->world.digest;
    result->events = run->world.events;
    result->sim_ns = run->world.now_ns;
    result->reached = mutant_reached() - reached_before;
    result->acked = run->judge.acked;
    result->seen = run->judge.seen;
    result->shadows = run->shadows_made;
    result->shadow_events = run->shadow_events;
    result->elections = run->plane.elections;
    result->isr_changes = run->plane.isr_changes;
    result->report = run->report;
    result->phase = run->phase;
    result->reseeded_ns = run->reseeded_ns;
}

static bool save_schedule(const struct request *request, const struct run *run, const struct result *result)
{
    if (request->schedule == NULL) return true;
    struct plan *plan = malloc(sizeof *plan);
    *plan = *request->plan;
    plan_fix(plan);
    plan->schedule = run->schedule;
    plan->breaks = result->failure;
    const bool good = plan_write(plan, request->schedule, NULL);
    if (!good) fprintf(stderr, "chronik-sim: %s: %s\n", request->schedule, strerror(errno));
    free(plan);
    return good;
}

bool trial_run(const struct request *request, struct result *result)
{
    const struct plan *plan = request->plan;
    struct run *run = calloc(1, sizeof *run);

    *result = (struct result){ .seed = plan->seed };
    running_seed = plan->seed;
    reached_before = mutant_reached();
    if (!begin_telling(run, request)) {
        free(run);
        return false;
    }
    running = run;
    asked = request;
    run->world.digests = request->digests;
    run->wishes = plan->wishes;
    run->settings = &plan->settings;
    run->given = plan->has_faults ? &plan->schedule : NULL;
    run->until = request->until;
    run->stop_at = request->stop_at;
    run->reseed_at = request->reseed_at;
    run->reseed = request->reseed;
    result->outcome = run_seed(run, plan->seed);
    take_result(run, result);
    result->cut = run->judge.broken == RULE_NONE && run->phase != PHASE_DONE;
    if (run->judge.broken != RULE_NONE) {
        snprintf(result->failure.rule, sizeof result->failure.rule, "%s", rule_name(run->judge.broken));
        memcpy(result->failure.place, run->judge.place, sizeof result->failure.place);
        memcpy(result->story, run->judge.story, sizeof result->story);
    }
    const bool good = save_schedule(request, run, result);
    end_telling(run, request);
    running = NULL;
    run_free(run);
    free(run);
    return good;
}

/* ---- crashes ---- */

static _Noreturn void tell(const struct result *result)
{
    const ssize_t written = write(told, result, sizeof *result);
    _exit(written == (ssize_t)sizeof *result ? 0 : 1);
}

static struct result *crash(const char *what)
{
    static struct result result;

    result = (struct result){ .outcome = OUTCOME_CRASH, .seed = running_seed, .failure = { .rule = "crash" } };
    snprintf(result.failure.place, sizeof result.failure.place, "%s", what);
    if (running != NULL) take_result(running, &result);
    if (running != NULL && running->tape != NULL) {
        tape_on_end(running->tape, "crash", what);
        end_telling(running, asked);
    }
    return &result;
}

/* From the repository on: the same check is the same place wherever it was built. */
static const char *in_repository(const char *file)
{
    static const char *const rooms[] = { "/core/", "/sim/" };

    for (uint32_t i = 0; i < COUNT_OF(rooms); i++) {
        for (const char *at = strstr(file, rooms[i]); at != NULL; at = strstr(file, rooms[i])) file = at + 1;
    }
    return file;
}

void trial_on_check(const char *file, int line, const char *what)
{
    char place[PLACE_SIZE];

    file = in_repository(file);
    snprintf(place, sizeof place, "%s: CHECK(%s)", file, what); /* lines move: the same check is the same place */
    if (told < 0) {
        crash(place);
        fflush(stdout); /* what was asked for is told, and then it ends */
        return;
    }
    struct result *result = crash(place);
    snprintf(result->story, sizeof result->story, "%s:%d: CHECK(%.400s)", file, line, what);
    tell(result);
}

extern char __executable_start[];

/* Which instruction it was, as an address in the program file. */
static void on_signal(int signal, siginfo_t *info, void *context)
{
    char place[PLACE_SIZE];
    uint64_t at = 0;

    (void)info;
#if defined(__x86_64__)
    at = (uint64_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    at = ((ucontext_t *)context)->uc_mcontext.pc;
#endif
    snprintf(place, sizeof place, "signal %d at 0x%llx of the program", signal,
             (unsigned long long)(at - (uint64_t)(uintptr_t)__executable_start));
    struct result *result = crash(place);
    memcpy(result->story, place, sizeof place);
    tell(result);
}

/* Where nobody else, a sanitizer say, wants to know. */
static void watch_signals(void)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };

    for (uint32_t i = 0; i < COUNT_OF(signals); i++) {
        struct sigaction action;
        sigaction(signals[i], NULL, &action);
        if ((action.sa_flags & SA_SIGINFO) != 0 || action.sa_handler != SIG_DFL) continue;
        action = (struct sigaction){ .sa_flags = SA_SIGINFO | (int)SA_RESETHAND };
        action.sa_sigaction = on_signal;
        sigaction(signals[i], &action, NULL);
    }
}

/* ---- processes ---- */

enum {
    RUNS_OF_PROCESS = 512,
    FILES_MAX = 3 + 4 * TRIALS_MAX, /* that whoever begins processes may have open */
};

static void report_result(const struct result *result)
{
    if (write(told, result, sizeof *result) != (ssize_t)sizeof *result) _exit(1);
}

/* The whole life of a process that runs seeds: the one it was begun for, and those that it is told. */
static _Noreturn void live(const struct request *request, int orders)
{
    static struct result result;
    struct plan plan = *request->plan;
    struct request own = *request;

    /* The ends of others' pipes: while anybody has them open, nobody who waits sees that the hunt is over. */
    for (int file = 3; orders >= 0 && file < FILES_MAX; file++) {
        if (file != told && file != orders) close(file);
    }
    watch_signals();
    own.plan = &plan;
    if (request->quiet) {
        const int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, 2);
    }
    do {
        if (!trial_run(&own, &result)) _exit(2);
        if (request->digests != NULL) fflush(request->digests);
        report_result(&result);
    } while (orders >= 0 && read(orders, &plan.seed, sizeof plan.seed) == (ssize_t)sizeof plan.seed);
    _exit(0);
}

static bool begin(const struct request *request, bool many, struct trial *trial)
{
    int results[2], orders[2] = { -1, -1 };

    fflush(NULL);
    if (pipe2(results, O_CLOEXEC) != 0) return false;
    if (many && pipe2(orders, O_CLOEXEC) != 0) {
        close(results[0]);
        close(results[1]);
        return false;
    }
    *trial = (struct trial){
        .process = fork(), .pipe = results[0], .orders = orders[1], .seed = request->plan->seed, .runs = 1
    };
    if (trial->process == 0) {
        close(results[0]);
        if (many) close(orders[1]);
        told = results[1];
        live(request, orders[0]);
    }
    close(results[1]);
    if (many) close(orders[0]);
    if (trial->process > 0) return true;
    close(results[0]);
    if (many) close(orders[1]);
    return false;
}

bool trial_begin(const struct request *request, struct trial *trial)
{
    return begin(request, false, trial);
}

bool trial_begin_many(const struct request *request, struct trial *trial)
{
    return begin(request, true, trial);
}

/* It has no more to do. */
static void await(struct trial *trial, int *status)
{
    if (trial->orders >= 0) close(trial->orders);
    waitpid(trial->process, status, 0);
    close(trial->pipe);
    trial->process = 0;
}

bool trial_go_on(const struct request *request, struct trial *trial)
{
    const uint64_t seed = request->plan->seed;

    if (trial->process != 0 && trial->runs == RUNS_OF_PROCESS) trial_release(trial);
    if (trial->process == 0) return begin(request, true, trial);
    trial->seed = seed;
    trial->runs++;
    if (write(trial->orders, &seed, sizeof seed) == (ssize_t)sizeof seed) return true;
    trial_release(trial);
    return begin(request, true, trial);
}

void trial_release(struct trial *trial)
{
    int status;

    if (trial->process != 0) await(trial, &status);
}

uint32_t trial_wait(const struct trial *trials, uint32_t count, int milliseconds)
{
    struct pollfd polls[TRIALS_MAX];

    for (uint32_t i = 0; i < count; i++) polls[i] = (struct pollfd){ .fd = trials[i].pipe, .events = POLLIN };
    if (poll(polls, count, milliseconds) <= 0) return count;
    for (uint32_t i = 0; i < count; i++) {
        if (polls[i].revents != 0) return i;
    }
    return count;
}

void trial_end(struct trial *trial, struct result *result)
{
    size_t have = 0;
    ssize_t got;
    int status;

    while (have < sizeof *result) {
        got = read(trial->pipe, (char *)result + have, sizeof *result - have);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        have += (size_t)got;
    }
    /* A crash is told by a process that is about to end. */
    const bool whole = have == sizeof *result;
    if (whole && trial->orders >= 0 && result->outcome != OUTCOME_CRASH) return;
    await(trial, &status);
    if (whole) return;
    *result = (struct result){ .seed = trial->seed, .outcome = OUTCOME_CRASH, .failure = { .rule = "crash" } };
    snprintf(result->story, sizeof result->story, "the process ended with %s %d",
             WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    snprintf(result->failure.place, sizeof result->failure.place, "%.100s", result->story);
}

void trial_give_up(struct trial *trial)
{
    int status;

    kill(trial->process, SIGKILL);
    await(trial, &status);
}

uint64_t trial_effort(const struct result *result)
{
    enum { BEGIN = 1500, SHADOW = 1000 };
    return result->events + BEGIN + result->shadows * SHADOW + result->shadow_events;
}

bool trial_make(const struct request *request, struct result *result)
{
    struct trial trial;

    if (!trial_begin(request, &trial)) return false;
    trial_end(&trial, result);
    return true;
}
