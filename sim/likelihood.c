#include "sim/likelihood.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- points ---- */

static double share_of(const struct likelihood_point *point)
{
    return point->tried == 0 ? 0 : (double)point->alike / point->tried;
}

static int by_event(const void *a, const void *b)
{
    const struct likelihood_point *x = a, *y = b;
    return (x->event > y->event) - (x->event < y->event);
}

/* LIKELIHOOD_STRIDES equal strides from one event to another, without the ends and those that fall together. */
static void add_points(struct likelihood *likelihood, uint64_t from, uint64_t to)
{
    uint64_t last = from;

    for (uint64_t i = 1; i <= LIKELIHOOD_STRIDES; i++) {
        const uint64_t event = from + (to - from) * i / LIKELIHOOD_STRIDES;
        if (event == last || event == to) continue;
        likelihood->points[likelihood->count++] = (struct likelihood_point){ .event = last = event };
    }
    qsort(likelihood->points, likelihood->count, sizeof likelihood->points[0], by_event);
}

/* What may be believed of it: of one future alone, not much (Laplace's rule). */
static double believed(const struct likelihood_point *point)
{
    return (point->alike + 1.0) / (point->tried + 2.0);
}

/* Behind which point it rises most; of several, the first. */
static uint32_t steepest(const struct likelihood *likelihood)
{
    uint32_t best = 0;
    double most = -1;

    for (uint32_t i = 0; i + 1 < likelihood->count; i++) {
        const double rise = believed(&likelihood->points[i + 1]) - believed(&likelihood->points[i]);
        if (rise <= most) continue;
        most = rise;
        best = i;
    }
    return best;
}

/* ---- futures ---- */

struct future {
    struct trial trial;
    uint32_t point;
};

static void take(struct likelihood *likelihood, struct future *future)
{
    static struct result result;
    struct likelihood_point *point = &likelihood->points[future->point];

    trial_end(&future->trial, &result);
    likelihood->effort_spent += trial_effort(&result);
    point->tried++;
    point->alike += failure_is_same(&result.failure, &likelihood->result.failure);
    if (result.reseeded_ns != 0) point->time_ns = result.reseeded_ns;
}

/* One future of each point that has had fewer than `number` of them. */
static bool try_all(struct likelihood *likelihood, const struct plan *plan, uint32_t number)
{
    struct future futures[TRIALS_MAX];
    uint32_t busy = 0, next = 0;

    while (next < likelihood->count || busy > 0) {
        while (next < likelihood->count && busy < MIN(likelihood->jobs, (uint32_t)TRIALS_MAX)) {
            const struct request request = { .plan = plan,
                                             .until = 2 * likelihood->result.events + 1000,
                                             .reseed_at = likelihood->points[next].event,
                                             .reseed = number,
                                             .quiet = true };
            futures[busy].point = next;
            if (likelihood->points[next++].tried >= number) continue;
            if (!trial_begin(&request, &futures[busy].trial)) return false;
            busy++;
        }
        if (busy == 0) break;
        take(likelihood, &futures[0]); /* whatever order they end in, what comes of them is added up */
        memmove(futures, futures + 1, --busy * sizeof futures[0]);
    }
    if (likelihood->progress) {
        fprintf(stderr, "\r%u points, %u futures of each, %.0f %% of the effort ", likelihood->count, number,
                100.0 * (double)likelihood->effort_spent / (double)likelihood->effort);
    }
    return true;
}

static bool try_futures(struct likelihood *likelihood, const struct plan *plan, uint64_t effort)
{
    for (uint32_t number = 1; number <= LIKELIHOOD_FUTURES; number++) {
        if (number > 1 && likelihood->effort_spent >= effort) break;
        if (!try_all(likelihood, plan, number)) return false;
    }
    return true;
}

bool likelihood_run(struct likelihood *likelihood, const struct plan *plan)
{
    const struct request request = { .plan = plan, .quiet = true };

    likelihood->count = 0;
    likelihood->effort_spent = 0;
    if (!trial_make(&request, &likelihood->result) || likelihood->result.outcome == OUTCOME_PASSED) return false;
    const uint64_t events = likelihood->result.events;
    likelihood->points[likelihood->count++] = (struct likelihood_point){ .event = 1 };
    add_points(likelihood, 1, events);
    /* What happened is that it failed. */
    likelihood->points[likelihood->count++] = (struct likelihood_point){
        .event = events, .time_ns = likelihood->result.sim_ns, .tried = LIKELIHOOD_FUTURES, .alike = LIKELIHOOD_FUTURES
    };
    if (!try_futures(likelihood, plan, likelihood->effort / 2)) return false;
    const uint32_t at = steepest(likelihood);
    add_points(likelihood, likelihood->points[at].event, likelihood->points[at + 1].event);
    if (!try_futures(likelihood, plan, likelihood->effort)) return false;
    likelihood->decided = steepest(likelihood);
    if (likelihood->progress) fputc('\n', stderr);
    return true;
}

void likelihood_print(const struct likelihood *likelihood, FILE *file)
{
    enum { WIDTH = 40 };
    const struct likelihood_point *points = likelihood->points;
    const uint32_t at = likelihood->decided;

    fprintf(file, "how likely was it by then? %s: %s\n%10s %14s %7s\n", likelihood->result.failure.rule,
            likelihood->result.failure.place, "event", "seconds", "alike");
    for (uint32_t i = 0; i < likelihood->count; i++) {
        const int width = (int)(share_of(&points[i]) * WIDTH + 0.5);
        fprintf(file, "%10" PRIu64 " %14.9f %3u/%-3u |%.*s%s\n", points[i].event, (double)points[i].time_ns / 1e9,
                points[i].alike, points[i].tried, width, "########################################",
                i == at || i == at + 1 ? "  <-" : "");
    }
    if (at + 1 < likelihood->count) {
        fprintf(file, "decided between event %" PRIu64 " and %" PRIu64 ": from %.0f %% to %.0f %%\n", points[at].event,
                points[at + 1].event, 100 * share_of(&points[at]), 100 * share_of(&points[at + 1]));
    }
}
