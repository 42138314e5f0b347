#include "sim/shrink.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- smaller plans ---- */

/* What is tried, in this order; each has candidates by number. */
enum pass {
    PASS_TAIL,     /* what lies behind the failure */
    PASS_QUICK,    /* settings that cost time */
    PASS_KINDS,    /* all faults of a kind */
    PASS_FAULTS,   /* neighbours in time, then single ones */
    PASS_SETTINGS, /* the rest */
    PASS_DETAILS,  /* of each fault */
    PASS_COUNT
};

/* Whether there is such a candidate, and whether it differs from the best. */
enum candidate { NONE, SAME, DIFFERS };

/* To what each setting is brought down, the most telling first; `seeds`: so many are tried. */
static const struct goal {
    enum setting setting;
    int64_t goal;
    uint32_t seeds;
} goals[] = {
    { SETTING_joiners, 0, 1 },
    { SETTING_administrators, 0, 2 },
    { SETTING_nodes, 1, 3 },
    { SETTING_replicas, 1, 2 },
    { SETTING_voters, 1, 2 },
    { SETTING_topics, 1, 2 },
    { SETTING_partitions, 1, 2 },
    { SETTING_producers, 0, 2 },
    { SETTING_idempotent_producers, 0, 2 },
    { SETTING_consumers, 1, 1 },
    { SETTING_records, 1, 2 },
    { SETTING_chaos_us, 0, 1 },
    { SETTING_retention, 0, 1 },
    { SETTING_settings_change, 0, 1 },
    { SETTING_remote_reads, 0, 1 },
    { SETTING_impatience, 0, 1 },
    { SETTING_zones, 1, 1 },
    { SETTING_clock_drift, 0, 1 },
    { SETTING_bytes_per_ms, 0, 1 },
    { SETTING_batch_records_max, 1, 1 },
    { SETTING_value_size_max, 1, 1 },
    { SETTING_min_isr, 1, 1 },
    { SETTING_rolling, 0, 1 },
};

/* Settings that cost time; and shadows long before the failure. */
static const enum setting quick[] = { SETTING_shadows, SETTING_checks, SETTING_images, SETTING_shadows_from_us };

enum { STEPS = 2, SEEDS = 3, DETAILS = 6 };

static uint64_t last_fault_us(const struct plan *plan)
{
    const struct schedule *schedule = &plan->schedule;
    return schedule->count == 0 ? 0 : schedule->list[schedule->count - 1].time_us;
}

/* Step 0: the goal itself; 1: half the way there. */
static enum candidate lower(struct plan *plan, const struct goal *goal, uint32_t step, uint32_t seed)
{
    const int64_t now = plan->settings.values[goal->setting];
    int64_t least = goal->goal;

    if (seed >= goal->seeds) return SAME;
    if (goal->setting == SETTING_chaos_us) least = (int64_t)last_fault_us(plan) + 1000;
    if (goal->setting == SETTING_replicas && now == 0) return SAME; /* then topics come by themselves */
    if (goal->setting == SETTING_nodes) least = MIN((int64_t)plan->settings.values[SETTING_replicas], now);
    if (least < 1 && goal->setting == SETTING_nodes) least = 1;
    if (now <= least) return SAME;
    const int64_t to = step == 0 ? least : (now + least) / 2;
    if (to == now || (step == 1 && to == least)) return SAME;
    plan->settings.values[goal->setting] = goal->setting == SETTING_voters ? to | 1 : to;
    if (plan->settings.values[goal->setting] == now) return SAME;
    plan->seed += seed;
    return plan_contradiction(plan) == NULL ? DIFFERS : SAME;
}

static enum candidate without(struct plan *plan, uint32_t first, uint32_t count)
{
    struct schedule *schedule = &plan->schedule;

    if (first >= schedule->count) return NONE;
    count = MIN(count, schedule->count - first);
    memmove(&schedule->list[first], &schedule->list[first + count],
            (schedule->count - first - count) * sizeof schedule->list[0]);
    schedule->count -= count;
    return DIFFERS;
}

static enum candidate without_kind(struct plan *plan, uint32_t kind)
{
    struct schedule *schedule = &plan->schedule;
    uint32_t kept = 0;

    if (kind >= FAULT_COUNT) return NONE;
    for (uint32_t i = 0; i < schedule->count; i++) {
        if (schedule->list[i].kind != (enum fault_kind)kind) schedule->list[kept++] = schedule->list[i];
    }
    const bool differs = kept < schedule->count;
    schedule->count = kept;
    return differs ? DIFFERS : SAME;
}

/* It ends where it failed. Faults later than that are none; where it failed after the chaos, all of them are. */
static enum candidate without_tail(struct plan *plan, const struct result *result)
{
    const uint64_t end_us = result->sim_ns / 1000 + 1;
    struct schedule *schedule = &plan->schedule;
    const uint32_t before = schedule->count;

    while (schedule->count > 0 && schedule->list[schedule->count - 1].time_us >= end_us) schedule->count--;
    return schedule->count < before ? DIFFERS : SAME;
}

/* They were fine, and cost as much as all the rest. Where the failure comes earlier now, so do they. */
static enum candidate without_old_shadows(struct plan *plan, const struct result *result)
{
    int64_t *from_us = &plan->settings.values[SETTING_shadows_from_us];
    const int64_t to = (int64_t)(result->sim_ns / 1000 / 20 * 19);

    if (plan->settings.values[SETTING_shadows] == 0) return SAME;
    if (*from_us >= to && *from_us <= (int64_t)(result->sim_ns / 1000)) return SAME;
    *from_us = to;
    return DIFFERS;
}

static enum candidate plainer(struct plan *plan, uint32_t fault, uint32_t detail)
{
    if (fault >= plan->schedule.count) return NONE;
    struct fault *it = &plan->schedule.list[fault];
    const struct fault before = *it;
    switch (detail) {
    case 0: it->aim = AIM_NONE; break;
    case 1: it->duration_us = it->duration_us > 2000 ? it->duration_us / 2 : it->duration_us; break;
    case 2:
        if (it->machines.role == ROLE_ANY) it->machines.ranges[0].last = it->machines.ranges[0].first;
        it->machines.range_count = MIN(it->machines.range_count, 1U);
        break;
    case 3: it->values[1] = 0; break;
    case 4: it->values[0] = 0; break;
    case 5: /* the first machine: then the last ones may be done without */
        if (it->machines.role == ROLE_ANY) it->machines.ranges[0].first = it->machines.ranges[0].last = 0;
        break;
    default: break;
    }
    return memcmp(&before, it, sizeof before) == 0 ? SAME : DIFFERS;
}

/* Candidate `which` of a pass, made of the best; chunks of faults are `chunk` long. */
static enum candidate make(const struct shrink *shrink, enum pass pass, uint32_t which, uint32_t chunk,
                           struct plan *plan)
{
    *plan = shrink->best;
    switch (pass) {
    case PASS_TAIL: return which > 0 ? NONE : without_tail(plan, &shrink->result);
    case PASS_QUICK:
        if (which >= COUNT_OF(quick)) return NONE;
        if (quick[which] == SETTING_shadows_from_us) return without_old_shadows(plan, &shrink->result);
        if (plan->settings.values[quick[which]] == 0) return SAME;
        plan->settings.values[quick[which]] = 0;
        return DIFFERS;
    case PASS_KINDS: return without_kind(plan, which);
    case PASS_FAULTS: return without(plan, which * chunk, chunk);
    case PASS_SETTINGS:
        if (which / (STEPS * SEEDS) >= COUNT_OF(goals)) return NONE;
        return lower(plan, &goals[which / (STEPS * SEEDS)], which / SEEDS % STEPS, which % SEEDS);
    case PASS_DETAILS: return plainer(plan, which / DETAILS, which % DETAILS);
    case PASS_COUNT: break;
    }
    return NONE;
}

/* ---- trying them ---- */

/* A few candidates under way at once; the first that fails as it should counts, in their order. */
struct batch {
    struct plan plans[TRIALS_MAX];
    struct trial trials[TRIALS_MAX];
    uint32_t which[TRIALS_MAX];
    uint32_t count;
};

static void tell_progress(const struct shrink *shrink, bool end)
{
    if (!shrink->progress) return;
    fprintf(stderr, "\r%u runs: %u of %u faults, %" PRId64 " nodes, %" PRIu64 " events, %.0f %% of the effort %s",
            shrink->trials, shrink->best.schedule.count, shrink->faults_before,
            shrink->best.settings.values[SETTING_nodes], shrink->result.events,
            100.0 * (double)shrink->effort_spent / (double)shrink->effort, end ? "\n" : "");
}

/* Takes what came of them; returns where the pass goes on. */
static uint32_t judge_batch(struct shrink *shrink, struct batch *batch, uint32_t next)
{
    static struct result result;
    bool found = false;

    for (uint32_t i = 0; i < batch->count; i++) {
        if (found) {
            trial_give_up(&batch->trials[i]);
            continue;
        }
        trial_end(&batch->trials[i], &result);
        shrink->trials++;
        shrink->effort_spent += trial_effort(&result);
        if (!failure_is_same(&result.failure, &shrink->failure)) continue;
        found = true;
        shrink->best = batch->plans[i];
        shrink->result = result;
        shrink->kept++;
        next = batch->which[i]; /* its neighbour has moved up, or the same can be done once more */
    }
    tell_progress(shrink, false);
    return next;
}

/* Returns whether anything became smaller. */
static bool run_pass(struct shrink *shrink, enum pass pass, uint32_t chunk)
{
    static struct batch batch;
    const uint32_t kept = shrink->kept;
    uint32_t next = 0;

    for (bool more = true; more && shrink->effort_spent < shrink->effort;) {
        batch.count = 0;
        while (batch.count < shrink->jobs) {
            const enum candidate candidate = make(shrink, pass, next, chunk, &batch.plans[batch.count]);
            more = candidate != NONE;
            if (!more) break;
            batch.which[batch.count] = next++;
            if (candidate == SAME) continue;
            /* Who needs many more events than the best is no smaller. */
            const struct request request = { .plan = &batch.plans[batch.count],
                                             .until = shrink->result.events * 2 + 5000,
                                             .quiet = true };
            if (!trial_begin(&request, &batch.trials[batch.count])) return false;
            batch.count++;
        }
        if (batch.count == 0) continue;
        const uint32_t behind = next;
        next = judge_batch(shrink, &batch, next);
        more |= next != behind;
    }
    return shrink->kept > kept;
}

/* Half of the faults, a quarter, and so on, down to single ones. */
static bool cut_faults(struct shrink *shrink)
{
    bool smaller = false;

    for (uint32_t chunk = (shrink->best.schedule.count + 1) / 2; chunk > 0; chunk = chunk == 1 ? 0 : (chunk + 1) / 2) {
        smaller |= run_pass(shrink, PASS_FAULTS, chunk);
    }
    return smaller;
}

/* How far it hangs on the delays that this seed makes. */
static void try_other_seeds(struct shrink *shrink)
{
    static struct result result;
    struct plan *plan = malloc(sizeof *plan);

    *plan = shrink->best;
    for (uint32_t i = 0; i < SHRINK_OTHER_SEEDS; i++) {
        const struct request request = { .plan = plan, .until = shrink->result.events * 2 + 5000, .quiet = true };
        plan->seed = shrink->best.seed + 1000 + i;
        if (trial_make(&request, &result)) shrink->other_seeds += failure_is_same(&result.failure, &shrink->failure);
    }
    free(plan);
}

bool shrink_run(struct shrink *shrink, const struct plan *plan)
{
    const struct request request = { .plan = plan, .quiet = true };
    bool smaller = true;

    shrink->best = *plan;
    plan_fix(&shrink->best);
    shrink->faults_before = shrink->best.schedule.count;
    if (!trial_make(&request, &shrink->result)) return false;
    shrink->failure = shrink->result.failure;
    if (shrink->failure.rule[0] == 0) return false;
    run_pass(shrink, PASS_TAIL, 0);
    run_pass(shrink, PASS_QUICK, 0);
    while (smaller && shrink->effort_spent < shrink->effort) {
        smaller = run_pass(shrink, PASS_KINDS, 0);
        smaller |= cut_faults(shrink);
        smaller |= run_pass(shrink, PASS_SETTINGS, 0);
        smaller |= run_pass(shrink, PASS_TAIL, 0);
        run_pass(shrink, PASS_QUICK, 0);
        smaller |= run_pass(shrink, PASS_DETAILS, 0);
    }
    tell_progress(shrink, true);
    try_other_seeds(shrink);
    shrink->best.breaks = shrink->failure;
    return true;
}
