/* node.c -- the roof: which fact goes to which room, and whose answer matters to whom.
 *
 * A start goes through the states of enum phase; each waits for one room. Everything after that is routes: what the
 * disk did to logs and metadata, what metadata did to logs, what other nodes hold of them, and what all that means to
 * clients.
 *
 * Invariants, numbered as in node_check():
 *   (1) Time never steps back.
 *   (2) Clients are served only by a node whose metadata and logs are open. */
#include "node.h"

#include "base/check.h"
#include "routes.h"

enum { CHECK_EVERY_STEPS = 4096 }; /* a full check walks everything; after each step it would decide the speed, */

#define CHECK_EVERY_NS UINT64_C(1000000000) /* and on a busy node even so often: it takes a millisecond or more */

#define LEAVE_NS (5000 * UINT64_C(1000000)) /* a stop waits so long for others to take over */

/* ---- ends ---- */

void node_halt(struct node *node, const struct effect_halt *why, struct effects *effects)
{
    node->phase = PHASE_HALTED;
    if (why->reason == HALT_STOPPED) NOTE(effects, STOPPED);
    effects_add(effects, EFFECT_HALT)->halt = *why;
}

static bool halt_if_broken(struct node *node, struct effects *effects)
{
    struct effect_halt why;

    if (controller_state(node->controller) == CONTROLLER_BROKEN) why = controller_halt(node->controller);
    else if (logs_state(node->logs) == LOGS_BROKEN) why = logs_halt(node->logs);
    else return false;
    node_halt(node, &why, effects);
    return true;
}

/* Takes no more requests, and finishes those that there are. */
static void end(struct node *node, struct effects *effects)
{
    NOTE(effects, STOPPING, broker_usage(node->broker).answers_waiting);
    broker_stop(node->broker);
    node->phase = PHASE_ENDING;
}

static void on_stop_asked(struct node *node, struct effects *effects)
{
    const struct effect_halt stopped = { .reason = HALT_STOPPED };

    if (node->phase < PHASE_SERVING) {
        node_halt(node, &stopped, effects); /* nothing was promised; the next start recovers anew */
    } else if (node->phase == PHASE_SERVING && image_view(controller_image(node->controller)).broker_count > 1) {
        controller_ask_to_go(node->controller);
        node->leave_by_ns = node->mono_ns + LEAVE_NS;
        node->phase = PHASE_LEAVING;
    } else if (node->phase == PHASE_SERVING) {
        end(node, effects);
    }
}

/* The cluster goes on without this node. */
static void on_removed(struct node *node, struct effects *effects)
{
    const struct effect_halt stopped = { .reason = HALT_STOPPED };

    if (node->phase >= PHASE_ENDING) return;
    NOTE(effects, REMOVED, node->config.node_id);
    if (node->phase < PHASE_SERVING) node_halt(node, &stopped, effects);
    else end(node, effects);
}

/* ---- the start ---- */

/* The image holds this start of the node, and stands still in a state that has a name. */
static bool is_registered(const struct node *node)
{
    return controller_state(node->controller) == CONTROLLER_REGISTERED &&
           !image_is_draining(controller_image(node->controller));
}

/* Of our registration, which is applied. */
static int64_t own_epoch(const struct node *node)
{
    const struct image *image = controller_image(node->controller);

    return image_broker(image, image_broker_by_id(image, node->config.node_id))->epoch;
}

static void serve(struct node *node, struct effects *effects)
{
    const struct image_view view = image_view(controller_image(node->controller));

    node->phase = PHASE_SERVING;
    node->retention_due_ns = node->mono_ns;
    broker_open(node->broker);
    NOTE(effects, STARTED, node->config.node_id, view.topic_count, view.partition_count, (int64_t)view.applied_index);
}

/* ---- the step ---- */

/* Goes on to the next phase when its room is ready; several may be at once. */
static void advance(struct node *node, struct effects *effects)
{
    const bool promoted = controller_is_promoted(node->controller);
    const struct effect_halt stopped = { .reason = promoted ? HALT_PROMOTED : HALT_STOPPED };

    if (node->phase == PHASE_METADATA || node->phase == PHASE_REGISTERING) route_changes(node, effects);
    if (node->phase == PHASE_METADATA && controller_state(node->controller) >= CONTROLLER_LOADED) {
        node->phase = PHASE_REGISTERING;
    }
    if (node->config.recovers && controller_is_recovered(node->controller)) {
        NOTE(effects, CLUSTER_RECOVERED, member_node(controller_member(node->controller)),
             (int64_t)(image_view(controller_image(node->controller)).incarnation >> INCARNATION_DRAWN_BITS));
        node_halt(node, &stopped, effects);
        return;
    }
    if (node->phase == PHASE_REGISTERING && is_registered(node) && !node->config.recovers) {
        route_open_logs(node);
        node->phase = PHASE_LOGS;
        logs_recover(node->logs, effects);
    }
    if (node->phase == PHASE_LOGS && logs_state(node->logs) == LOGS_OPEN) {
        controller_set_ready(node->controller, logs_crashed(node->logs));
        replicas_open(node->replicas, own_epoch(node));
        node->phase = PHASE_RETURNING;
    }
    if (node->phase >= PHASE_RETURNING) {
        route_changes(node, effects);
        route_logs(node, effects);
    }
    if (node->phase == PHASE_RETURNING && controller_state(node->controller) == CONTROLLER_OPEN) serve(node, effects);
    if (node->phase == PHASE_SERVING && node->retention_due_ns <= node->mono_ns) {
        logs_retain(node->logs, node->wall_ms);
        node->retention_due_ns = node->mono_ns + (uint64_t)node->config.retention_check_interval_ms * 1000000;
    }
    if (node->phase == PHASE_LEAVING && (controller_may_go(node->controller) || node->leave_by_ns <= node->mono_ns)) {
        end(node, effects);
    }
    if (node->phase == PHASE_SERVING && promoted) {
        NOTE(effects, PROMOTED, node->config.node_id);
        end(node, effects);
    }
    if (controller_was_removed(node->controller)) on_removed(node, effects);
    if (node->phase == PHASE_ENDING && broker_is_stopped(node->broker)) {
        node->phase = PHASE_FLUSHING;
        logs_stop(node->logs, effects);
    }
    if (node->phase == PHASE_FLUSHING && logs_state(node->logs) == LOGS_STOPPED) node_halt(node, &stopped, effects);
}

/* The logs reach a state at the end of a step, behind advance(): no event needs to follow that would take it there. */
static bool waits_for_next_step(const struct node *node)
{
    return (node->phase == PHASE_LOGS && logs_state(node->logs) == LOGS_OPEN) ||
           (node->phase == PHASE_FLUSHING && logs_state(node->logs) == LOGS_STOPPED);
}

static bool is_of_peers(const struct node *node, uint32_t link)
{
    return node->peers != NULL && peers_own(node->peers, link);
}

static void on_link_opened(struct node *node, const struct event_link_opened *opened)
{
    if (is_of_peers(node, opened->link)) peers_on_link_opened(node->peers, opened);
    else broker_on_link_opened(node->broker, opened);
}

static void on_link_closed(struct node *node, const struct event_link_closed *closed)
{
    if (is_of_peers(node, closed->link)) peers_on_link_closed(node->peers, closed);
    else broker_on_link_closed(node->broker, closed->link);
}

static void on_received(struct node *node, const struct event_received *received, struct effects *effects)
{
    if (is_of_peers(node, received->link)) peers_on_received(node->peers, received);
    else broker_on_received(node->broker, received, effects);
}

static void on_sent(struct node *node, const struct event_sent *sent)
{
    if (is_of_peers(node, sent->link)) peers_on_sent(node->peers, sent);
    else broker_on_sent(node->broker, sent->link);
}

static void on_disk(struct node *node, const struct event *event, struct effects *effects)
{
    switch (op_owner(event->disk.op)) {
    case OP_JOURNAL:
    case OP_LOGS: logs_on_disk(node->logs, event, effects); break;
    case OP_META_JOURNAL:
    case OP_META: controller_on_disk(node->controller, event, effects); break;
    case OP_REPLICAS: replicas_on_disk(node->replicas, event); break;
    case OP_GROUPS: groups_on_disk(node->groups, event); break;
    }
}

static void on_event(struct node *node, const struct event *event, struct effects *effects)
{
    switch (event->type) { /* no default: a new event does not compile until it has a home */
    case EVENT_STARTED:
        CHECK(node->phase == PHASE_NEW);
        node->phase = PHASE_METADATA;
        controller_start(node->controller, effects);
        break;
    case EVENT_TIME_PASSED: break; /* every room looks at the time itself, below */
    case EVENT_LINK_OPENED: on_link_opened(node, &event->link_opened); break;
    case EVENT_LINK_CLOSED: on_link_closed(node, &event->link_closed); break;
    case EVENT_RECEIVED: on_received(node, &event->received, effects); break;
    case EVENT_SENT: on_sent(node, &event->sent); break;
    case EVENT_WRITTEN:
    case EVENT_SYNCED:
    case EVENT_READ_DONE:
    case EVENT_FILE_DONE: on_disk(node, event, effects); break;
    case EVENT_STOP_ASKED: on_stop_asked(node, effects); break;
    }
}

void node_step(struct node *node, const struct event *event, struct effects *effects)
{
    CHECK(effects->count == 0);
    CHECK(node->phase != PHASE_HALTED);
    CHECK(node->mono_ns <= event->mono_ns); /* (1) */
    node->mono_ns = event->mono_ns;
    node->wall_ms = event->wall_ms;
    node->work_left = false;

    if (node->peers != NULL) peers_on_time(node->peers, node->mono_ns);
    controller_on_time(node->controller, node->mono_ns);
    replicas_on_time(node->replicas, node->mono_ns, node->wall_ms);
    groups_on_time(node->groups, node->mono_ns, node->wall_ms);
    broker_on_time(node->broker, node->mono_ns, node->wall_ms);
    on_event(node, event, effects);
    if (node->peers != NULL && node->phase != PHASE_HALTED) route_in(node, effects);
    if (node->phase == PHASE_HALTED || halt_if_broken(node, effects)) return;
    advance(node, effects);
    if (node->phase == PHASE_HALTED) return;
    if (node_replicates(node)) groups_work(node->groups, effects);
    route_groups(node);
    broker_work(node->broker, effects);
    route_groups(node);
    if (event_is_of_link(event)) {
        logs_gather(node->logs);
        replicas_gather(node->replicas);
    }
    if (node_replicates(node)) route_appended(node, effects);
    status_sample(node);
    if (node->phase >= PHASE_METADATA) route_wishes(node, effects);
    if (node->phase >= PHASE_LOGS) logs_commit(node->logs, node->mono_ns, node->wall_ms, effects);
    if (node->phase >= PHASE_METADATA) controller_commit(node->controller, effects);
    if (node->peers != NULL) route_out(node, effects);
    if (halt_if_broken(node, effects)) return;
    node->work_left |= waits_for_next_step(node);
    if (++node->steps < CHECK_EVERY_STEPS || node->mono_ns - node->checked_ns < CHECK_EVERY_NS) return;
    node->steps = 0;
    node->checked_ns = node->mono_ns;
    node_check(node);
}

uint64_t node_deadline_ns(const struct node *node)
{
    if (node->work_left) return node->mono_ns;
    uint64_t deadline_ns = broker_deadline_ns(node->broker);
    if (node->peers != NULL) deadline_ns = MIN(deadline_ns, peers_deadline_ns(node->peers));
    if (node->phase == PHASE_LEAVING) deadline_ns = MIN(deadline_ns, node->leave_by_ns);
    if (node->phase >= PHASE_LOGS) deadline_ns = MIN(deadline_ns, logs_deadline_ns(node->logs));
    if (node_replicates(node)) {
        deadline_ns = MIN(deadline_ns, replicas_deadline_ns(node->replicas));
        deadline_ns = MIN(deadline_ns, groups_deadline_ns(node->groups));
    }
    if (node->phase >= PHASE_METADATA) {
        deadline_ns = MIN(deadline_ns, controller_deadline_ns(node->controller, node->phase != PHASE_LOGS));
    }
    if (node->phase == PHASE_SERVING) deadline_ns = MIN(deadline_ns, node->retention_due_ns);
    return deadline_ns;
}

void node_check(const struct node *node)
{
    broker_check(node->broker);
    if (node->peers != NULL) peers_check(node->peers);
    if (node->phase >= PHASE_METADATA) controller_check(node->controller);
    if (node->phase >= PHASE_LOGS) logs_check(node->logs);
    replicas_check(node->replicas);
    groups_check(node->groups);
    if (node->phase == PHASE_SERVING) {
        CHECK(controller_state(node->controller) == CONTROLLER_OPEN); /* (2) */
        CHECK(logs_state(node->logs) == LOGS_OPEN);                   /* (2) */
    }
}
