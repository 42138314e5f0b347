#include "sim/raft_hunt.h"

#include "base/check.h"
#include "sim/mutants.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SECONDS_MAX = 60 }; /* of processor and waiting for one seed; a usual one takes milliseconds */

static uint64_t running_seed;

uint64_t raft_hunt_running(void)
{
    return running_seed;
}

static double seconds_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void raft_hunt_one(const struct raft_chaos_options *chaos, uint64_t seed, struct raft_hunt_result *result)
{
    const uint64_t reached = mutant_reached();

    running_seed = seed;
    memset(result, 0, sizeof *result);
    raft_chaos_run(chaos, seed, &result->run);
    result->seed = seed;
    result->reached = mutant_reached() - reached;
    running_seed = 0;
}

/* A child takes every jobs-th seed, so that reading from one after the other brings them in their order. */
struct child {
    pid_t process;
    int pipe;
    uint64_t next; /* seed it will tell of next */
};

static void live(const struct raft_hunt_plan *plan, uint64_t seed, int pipe)
{
    for (; seed <= plan->seed_last; seed += plan->jobs) {
        struct raft_hunt_result result;
        alarm(SECONDS_MAX);
        raft_hunt_one(&plan->chaos, seed, &result);
        if (write(pipe, &result, sizeof result) != (ssize_t)sizeof result) _exit(1);
    }
    _exit(0);
}

static bool spawn(const struct raft_hunt_plan *plan, struct child *child)
{
    int ends[2];

    fflush(NULL);
    if (pipe(ends) != 0) return false;
    child->process = fork();
    if (child->process < 0) return false;
    if (child->process == 0) {
        close(ends[0]);
        if (plan->quiet) {
            const int nowhere = open("/dev/null", O_WRONLY);
            dup2(nowhere, 2);
        }
        live(plan, child->next, ends[1]);
    }
    close(ends[1]);
    child->pipe = ends[0];
    return true;
}

static void end(struct child *child)
{
    kill(child->process, SIGKILL);
    close(child->pipe);
    waitpid(child->process, NULL, 0);
}

/* The seed that the child was to tell of. A child that died with it is followed by another. */
static bool collect(const struct raft_hunt_plan *plan, struct child *child, struct raft_hunt_result *result)
{
    size_t got = 0;
    int status = 0;

    while (got < sizeof *result) {
        const ssize_t size = read(child->pipe, (char *)result + got, sizeof *result - got);
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) break;
        got += (size_t)size;
    }
    const uint64_t seed = child->next;
    child->next += plan->jobs;
    if (got == sizeof *result) return true;
    close(child->pipe);
    waitpid(child->process, &status, 0);
    memset(result, 0, sizeof *result);
    result->seed = seed;
    result->reached = 1; /* whatever it died of, it came by there */
    const bool late = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
    snprintf(result->run.violation, sizeof result->run.violation, "%s: the process ended with %s %d",
             late ? "hang" : "crash", WIFSIGNALED(status) ? "signal" : "status",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    if (child->next > plan->seed_last) {
        child->process = -1;
        return true;
    }
    return spawn(plan, child);
}

static void count_rule(struct raft_hunt *hunt, const char *violation)
{
    char rule[sizeof hunt->rules[0].rule];
    const char *colon = strchr(violation, ':');
    const size_t size = colon == NULL ? 0 : (size_t)(colon - violation);

    snprintf(rule, sizeof rule, "%.*s", (int)MIN(size, sizeof rule - 1), violation);
    for (uint32_t i = 0; i < hunt->rule_count; i++) {
        if (strcmp(hunt->rules[i].rule, rule) != 0) continue;
        hunt->rules[i].count++;
        return;
    }
    if (hunt->rule_count == RAFT_RULES_MAX) return;
    memcpy(hunt->rules[hunt->rule_count].rule, rule, sizeof rule);
    hunt->rules[hunt->rule_count++].count = 1;
}

static void add_up(struct raft_hunt *hunt, const struct raft_hunt_plan *plan, const struct raft_hunt_result *result)
{
    const uint64_t *from = (const uint64_t *)(const void *)&result->run.stats;
    uint64_t *to = (uint64_t *)(void *)&hunt->stats;

    hunt->done++;
    hunt->digest = raft_world_mix(hunt->digest, result->run.digest);
    hunt->reached += result->reached > 0;
    for (size_t i = 0; i < sizeof hunt->stats / sizeof *to; i++) to[i] += from[i];
    if (result->run.violation[0] == 0) return;
    if (hunt->failed++ == 0) hunt->first = *result;
    count_rule(hunt, result->run.violation);
    if (plan->quiet) return;
    fprintf(stderr, "seed %llu at %.3f s: %s\n", (unsigned long long)result->seed, (double)result->run.now_ns / 1e9,
            result->run.violation);
}

bool raft_hunt_seeds(const struct raft_hunt_plan *plan, struct raft_hunt *hunt)
{
    struct child children[RAFT_JOBS_MAX];
    const uint64_t total = plan->seed_last - plan->seed_first + 1;
    const uint32_t jobs = (uint32_t)MIN(plan->jobs, total);
    const struct raft_hunt_plan shared = { plan->chaos, plan->seed_first, plan->seed_last,
                                           jobs,        plan->keep_going, plan->quiet };
    const double began = seconds_now();
    bool well = true;

    CHECK(jobs > 0 && jobs <= RAFT_JOBS_MAX);
    *hunt = (struct raft_hunt){ .done = 0 };
    for (uint32_t i = 0; i < jobs; i++) {
        children[i] = (struct child){ .process = -1, .next = plan->seed_first + i };
        if (well) well = spawn(&shared, &children[i]);
    }
    for (uint64_t seed = plan->seed_first; well && seed <= plan->seed_last; seed++) {
        struct raft_hunt_result result;
        well = collect(&shared, &children[(seed - plan->seed_first) % jobs], &result);
        add_up(hunt, plan, &result);
        if (hunt->failed > 0 && !plan->keep_going) break;
    }
    for (uint32_t i = 0; i < jobs; i++) {
        if (children[i].process > 0) end(&children[i]);
    }
    hunt->seconds = seconds_now() - began;
    return well;
}

uint64_t raft_hunt_broken(const struct raft_hunt *hunt, const char *rule)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < hunt->rule_count; i++) {
        if (strncmp(hunt->rules[i].rule, rule, strlen(rule)) == 0) count += hunt->rules[i].count;
    }
    return count;
}
