/* route_logs.c -- what the disk did to logs, and what that means to clients. */
#include "base/check.h"
#include "routes.h"

enum { DURABLE_PER_STEP_MAX = 4096 };

void route_logs(struct node *node)
{
    uint32_t count = 0;
    uint32_t log;
    uint64_t waiter;

    while (count < DURABLE_PER_STEP_MAX && (log = logs_next_durable(node->logs)) != LOG_NONE) {
        broker_on_high_watermark(node->broker, log);
        count++;
    }
    while (count < DURABLE_PER_STEP_MAX && (waiter = logs_next_ready(node->logs)) != 0) {
        broker_on_ready(node->broker, waiter);
        count++;
    }
    node->work_left |= count == DURABLE_PER_STEP_MAX;
}
