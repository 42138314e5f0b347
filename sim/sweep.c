#include "sim/sweep.h"

#include <inttypes.h>
#include <time.h>
#include <unistd.h>

double seconds_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void command_print_failure(const struct command *command, const struct result *result)
{
    fprintf(stderr, "seed %" PRIu64 " breaks %s at %.6f s, event %" PRIu64 ": %s\nreplay: %s --seed %" PRIu64 "%s\n",
            result->seed, result->failure.rule, (double)result->sim_ns / 1e9, result->events, result->story,
            command->program, result->seed, command->words);
}

static void add_result(struct sweep *sweep, const struct result *result)
{
    sweep->done++;
    sweep->events += result->events;
    sweep->sim_ns += result->sim_ns;
    sweep->reached += result->reached > 0;
    if (result->reached > 0 && sweep->look_count < SWEEP_LOOKS) {
        sweep->looks[sweep->look_count++] = (struct look){ result->seed, result->digest };
    }
    report_add(&sweep->report, &result->report);
    if (result->outcome == OUTCOME_PASSED) return;
    if (sweep->failed++ == 0 || result->seed < sweep->first.seed) sweep->first = *result;
}

/* Five times a second at most, and in the end. */
static void print_progress(const struct options *options, struct sweep *sweep, uint64_t total, bool end)
{
    const double now = seconds_now(), seconds = now - sweep->began;

    if (options->quiet || (!options->progress && !isatty(2))) return;
    const bool terminal = isatty(2) != 0;
    if (!end && now - sweep->told < (terminal ? 0.2 : 10.0)) return; /* a log needs fewer */
    sweep->told = now;
    fprintf(stderr,
            "%s%" PRIu64 "/%" PRIu64 " seeds, %.1f/s, %.0f events/s, %.0f simulated s, %" PRIu64 " failed, %.0f s%s",
            terminal ? "\r" : "", sweep->done, total, (double)sweep->done / seconds, (double)sweep->events / seconds,
            (double)sweep->sim_ns / 1e9, sweep->failed, seconds, end || !terminal ? "\n" : " ");
}

void sweep_run(struct sweep *sweep, const struct options *options, struct plan *plan, const struct command *command)
{
    static struct result result;
    struct trial trials[JOBS_MAX] = { 0 }; /* the first ones are busy; of the others some wait for a seed */
    uint32_t busy = 0;
    uint64_t next = options->seed_first;
    const uint64_t total = options->seed_last - options->seed_first + 1;
    const struct request request = { .plan = plan, .until = options->until, .quiet = options->quiet };

    *sweep = (struct sweep){ .began = seconds_now() };
    for (;;) {
        const bool late = options->seconds_max != 0 && seconds_now() - sweep->began > (double)options->seconds_max;
        const bool enough = late || (sweep->failed > 0 && !options->keep_going);
        while (!enough && busy < options->jobs && next <= options->seed_last && next != 0) {
            plan->seed = next++;
            if (!trial_go_on(&request, &trials[busy])) return;
            busy++;
        }
        if (busy == 0) break;
        const uint32_t which = trial_wait(trials, busy, 200);
        print_progress(options, sweep, total, false);
        if (which == busy) continue;
        trial_end(&trials[which], &result);
        const struct trial idle = trials[which];
        trials[which] = trials[--busy];
        trials[busy] = idle;
        add_result(sweep, &result);
        if (result.outcome != OUTCOME_PASSED && !options->quiet) {
            if (isatty(2) || options->progress) fputc('\n', stderr);
            command_print_failure(command, &result);
        }
    }
    for (uint32_t i = 0; i < options->jobs; i++) trial_release(&trials[i]);
    print_progress(options, sweep, total, true);
}
