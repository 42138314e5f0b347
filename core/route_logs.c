/* route_logs.c -- what the disk and other nodes did to logs, and what that means to clients. */
#include "base/check.h"
#include "routes.h"

enum { DURABLE_PER_STEP_MAX = 4096 };

bool node_replicates(const struct node *node)
{
    return node->phase >= PHASE_RETURNING && node->phase < PHASE_FLUSHING;
}

static void on_high_watermark(struct node *node, uint32_t log)
{
    groups_on_high_watermark(node->groups, log);
    broker_on_high_watermark(node->broker, log);
}

static void route_committed(struct node *node)
{
    uint32_t log;

    while ((log = replicas_next_watermark(node->replicas)) != LOG_NONE) on_high_watermark(node, log);
}

void route_logs(struct node *node, struct effects *effects)
{
    struct log_truncated truncated;
    uint32_t count = 0;
    uint32_t log;
    uint64_t waiter;

    while (count < DURABLE_PER_STEP_MAX && (log = logs_next_durable(node->logs)) != LOG_NONE) {
        replicas_on_durable(node->replicas, log);
        on_high_watermark(node, log);
        count++;
    }
    while (count < DURABLE_PER_STEP_MAX && (truncated = logs_next_truncated(node->logs)).log != LOG_NONE) {
        replicas_on_truncated(node->replicas, truncated.log, truncated.failed, effects);
        count++;
    }
    while (count < DURABLE_PER_STEP_MAX && (waiter = logs_next_ready(node->logs)) != 0) {
        if ((waiter & REPLICAS_WAITER) != 0) replicas_on_ready(node->replicas, waiter);
        else if ((waiter & GROUPS_WAITER) != 0) groups_on_ready(node->groups, waiter);
        else broker_on_ready(node->broker, waiter);
        count++;
    }
    node->work_left |= count == DURABLE_PER_STEP_MAX;
    route_committed(node);
}

void route_groups(struct node *node)
{
    uint64_t waiter;

    while ((waiter = groups_next_ready(node->groups)) != 0) broker_on_group(node->broker, waiter);
}

void route_appended(struct node *node, struct effects *effects)
{
    uint32_t log;

    while ((log = logs_next_end(node->logs)) != LOG_NONE) replicas_on_end(node->replicas, log);
    replicas_work(node->replicas, effects);
    route_losses(node);
    route_committed(node); /* where what is written counts, it is committed by now */
}
