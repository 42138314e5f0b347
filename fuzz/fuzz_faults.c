/* Bytes as the decisions of a run: which faults hit whom, when, at which moment and how hard. The judge looks, and what
 * it finds ends the program. Coverage tells which decisions bring the core where none has been.
 *
 * Of a bug that is known, CHRONIK_MUTANT says which (`fuzz -Dfuzz-mutant=NAME -- faults`). CHRONIK_SCHEDULE is a file
 * into which each run is written before it begins, as a schedule: chronik-sim shows and shrinks one that fails. */
#include "base/bytes.h"
#include "base/check.h"
#include "sim/mutants.h"
#include "sim/trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    HEAD_SIZE = 8,
    DECISION_SIZE = 8,
    DECISIONS_MAX = 24,
    EVENTS_MAX = 8000, /* a run ends there, and has passed: what takes longer is for seeds */
    GAP_US = 2000,     /* of a step of the byte that says how long nothing happens */
};

/* Small runs: it is the order of things that is searched. */
static void decide_settings(struct plan *plan, const uint8_t head[HEAD_SIZE])
{
    const uint32_t nodes = 1 + head[1] % 5;

    plan->seed = 1 + head[0];
    settings_give(&plan->settings, SETTING_nodes, nodes);
    settings_give(&plan->settings, SETTING_joiners, head[2] % 2);
    settings_give(&plan->settings, SETTING_voters, nodes >= 3 ? 3 : 1);
    settings_give(&plan->settings, SETTING_replicas, nodes >= 3 ? 3 : nodes);
    settings_give(&plan->settings, SETTING_min_isr, nodes >= 3 ? 1 + head[3] % 2 : 1);
    settings_give(&plan->settings, SETTING_records, 10 + head[4]);
    settings_give(&plan->settings, SETTING_topics, 1 + head[5] % 2);
    settings_give(&plan->settings, SETTING_partitions, 1 + (head[5] >> 1) % 2);
    settings_give(&plan->settings, SETTING_lag_ms, 500 + 10 * head[6]);
    settings_give(&plan->settings, SETTING_shadows, head[7] % 32);
    settings_give(&plan->settings, SETTING_disasters, 0);
}

/* What a kind of fault takes, within what a seed would draw (draw.c). */
static void decide_values(struct fault *fault, uint8_t byte, uint8_t strength)
{
    static const int32_t channels[] = { 15, 15, 12, 4, 8, 12, 1, 15 };
    int32_t *values = fault->values;
    const int32_t sort = byte % 4 == 3 ? 1 : 3 + byte % 13;

    switch (fault->kind) {
    case FAULT_POWER_LOSS:
        values[0] = byte % 3;
        values[1] = byte / 3 % 4 == 0;
        break;
    case FAULT_STALL:
        values[0] = 2 + 15 * strength;
        values[1] = sort;
        break;
    case FAULT_STOP: values[0] = byte % 2; break;
    case FAULT_SYNC_FAILS:
        values[0] = 1 + strength % 20;
        values[1] = sort;
        break;
    case FAULT_RESET:
    case FAULT_MUTE:
    case FAULT_CLOG:
        values[0] = 1 + strength % 4;
        values[1] = channels[byte % COUNT_OF(channels)];
        break;
    case FAULT_PARTITION:
        values[0] = byte / 8 % 4 == 0 ? 1 + byte / 32 % 2 : 3;
        values[1] = channels[byte % COUNT_OF(channels)];
        break;
    case FAULT_SWIZZLE:
        values[0] = 1 + 1000 * strength;
        values[1] = channels[byte % COUNT_OF(channels)];
        break;
    case FAULT_SLOW: values[0] = 2 << strength % 9; break;
    case FAULT_CLOCK_STEP: values[0] = 12 * byte - 1500; break;
    default: break;
    }
}

static bool lasts(enum fault_kind kind)
{
    switch (kind) {
    case FAULT_STOP:
    case FAULT_SYNC_FAILS:
    case FAULT_FLIP:
    case FAULT_RESET:
    case FAULT_MUTE:
    case FAULT_CLOCK_STEP:
    case FAULT_JOIN:
    case FAULT_REMOVE:
    case FAULT_TRANSFER: return false;
    default: return true;
    }
}

/* kind, gap, whom, aim, a value, another one, how long (two) */
static void decide_fault(struct plan *plan, const uint8_t *bytes, uint64_t *time_us)
{
    const uint32_t nodes = (uint32_t)plan->settings.values[SETTING_nodes];
    const uint32_t machines = nodes + (uint32_t)plan->settings.values[SETTING_joiners];
    struct fault fault = { .kind = (enum fault_kind)(bytes[0] % FAULT_RECOVER) }; /* disasters are for seeds */
    char text[256];

    *time_us += 1 + (uint64_t)GAP_US * bytes[1];
    fault.time_us = *time_us;
    if (fault.kind == FAULT_FLIP && machines > 1) return; /* it would forgive the run its losses */
    if (bytes[2] < 128) {
        fault.machines.range_count = 1;
        fault.machines.ranges[0].first = bytes[2] % machines;
        fault.machines.ranges[0].last = MIN(fault.machines.ranges[0].first + bytes[2] / 64, machines - 1);
    } else {
        fault.machines.role = (enum machine_role)(1 + bytes[2] % (ROLE_COUNT - 1));
    }
    if (bytes[3] >= 128) fault.aim = (enum aim)(bytes[3] % (machines > 1 ? AIM_COUNT : AIM_ELECTION));
    decide_values(&fault, bytes[4], bytes[5]);
    if (lasts(fault.kind)) fault.duration_us = 1 + (uint64_t)(bytes[6] | bytes[7] << 8) * 30;
    /* Some fit nobody, or not this kind: what a file could not say is not done. */
    fault_format(&fault, text, sizeof text);
    if (fault_parse(text, &fault)) plan->schedule.list[plan->schedule.count++] = fault;
}

/* Of two inputs that decide the same, one is the longer: what is left over decides nothing. */
static void decide(struct plan *plan, const uint8_t *data, size_t size)
{
    uint8_t head[HEAD_SIZE] = { 0 };
    uint64_t time_us = 20 * 1000;

    memcpy(head, data, MIN(size, sizeof head));
    *plan = (struct plan){ .has_faults = true };
    decide_settings(plan, head);
    for (size_t at = HEAD_SIZE, i = 0; at + DECISION_SIZE <= size && i < DECISIONS_MAX; at += DECISION_SIZE, i++) {
        decide_fault(plan, data + at, &time_us);
    }
    settings_give(&plan->settings, SETTING_chaos_us, (int64_t)time_us + 100 * 1000);
}

/* What fails is told as a schedule, so that it can be looked at without these bytes. */
static void write_plan(const struct plan *plan, const char *about)
{
    const char *path = getenv("CHRONIK_SCHEDULE");

    if (path != NULL && !plan_write(plan, path, about)) fprintf(stderr, "%s: cannot be written\n", path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct plan plan;
    static struct result result;
    const char *mutant = getenv("CHRONIK_MUTANT");
    const struct request request = { .plan = &plan, .until = EVENTS_MAX, .quiet = true };

    CHECK(mutant_choose(mutant != NULL && mutant[0] != 0 ? mutant : NULL)); /* there is one of that name */
    if (size < HEAD_SIZE) return 0;
    decide(&plan, data, size);
    if (mutant != NULL) snprintf(plan.mutant, sizeof plan.mutant, "%s", mutant);
    if (plan_contradiction(&plan) != NULL) return 0;
    write_plan(&plan, NULL);
    CHECK(trial_run(&request, &result));
    if (result.outcome == OUTCOME_PASSED) return 0;
    plan.breaks = result.failure;
    write_plan(&plan, result.story);
    fprintf(stderr, "breaks %s: %s\n", result.failure.rule, result.story);
    abort();
}
