/* node.c -- the roof: which fact goes to which room, and whose answer matters to whom.
 *
 * A start goes through the states of enum phase; each waits for one room. Everything after that is routes: what the
 * disk did to logs and metadata, what metadata did to logs, what both mean to clients.
 *
 * Invariants, numbered as in node_check():
 *   (1) Time never steps back.
 *   (2) Clients are served only by a node whose metadata and logs are open. */
#include "node.h"

#include "base/check.h"
#include "base/prng.h"
#include "broker/broker.h"
#include "controller/controller.h"
#include "log/logs.h"
#include "status.h"

enum {
    ALIGNMENT = 64,
    CHECK_EVERY_STEPS = 4096, /* a full check walks everything; after each step it would decide the speed */
    CHANGES_PER_STEP_MAX = 64,
    DURABLE_PER_STEP_MAX = 4096,
};

enum phase {
    PHASE_NEW,
    PHASE_METADATA,    /* the controller reads its log */
    PHASE_LOGS,        /* the logs that the image names are recovered */
    PHASE_REGISTERING, /* the controller leads, and applies this start of the node */
    PHASE_SERVING,
    PHASE_ENDING,   /* asked to stop: requests are finished */
    PHASE_FLUSHING, /* the logs write what they hold, and a checkpoint */
    PHASE_HALTED,
};

struct node {
    struct config config;
    enum phase phase;
    uint64_t mono_ns;
    int64_t wall_ms;
    uint64_t steps;
    uint64_t retention_due_ns;
    bool work_left; /* more changed than one step may carry on */
    struct controller *controller;
    struct logs *logs;
    struct broker *broker;
};

/* ---- memory ---- */

struct room_configs {
    struct controller_config controller;
    struct logs_config logs;
    struct broker_config broker;
};

static struct bytes text_bytes_of(const char *text)
{
    struct bytes bytes = { (const uint8_t *)text, 0 };
    while (text[bytes.size] != 0) bytes.size++;
    return bytes;
}

static void set_static(struct image_config *image, enum config_id id, int64_t value)
{
    if (config_info(id)->value == value) return; /* what nobody chose is a default, and is told as one */
    CHECK(image->static_count < CONFIG_STATICS_MAX);
    image->statics[image->static_count++] = (struct config_static){ id, value };
}

static void set_statics(const struct config *config, struct image_config *image)
{
    set_static(image, CONFIG_NUM_PARTITIONS, config->num_partitions);
    set_static(image, CONFIG_AUTO_CREATE_TOPICS_ENABLE, config->auto_create_topics);
    set_static(image, CONFIG_CONNECTIONS_MAX_IDLE_MS, config->link_idle_ms);
    set_static(image, CONFIG_SOCKET_REQUEST_MAX_BYTES, config->request_size_max);
    set_static(image, CONFIG_LOG_RETENTION_CHECK_INTERVAL_MS, config->retention_check_interval_ms);
    set_static(image, CONFIG_PRODUCER_ID_EXPIRATION_MS, config->producer_id_expiration_ms);
    set_static(image, CONFIG_MESSAGE_MAX_BYTES, config->message_size_default);
    set_static(image, CONFIG_LOG_SEGMENT_BYTES, config->log_segment_size);
    set_static(image, CONFIG_LOG_ROLL_MS, config->log_roll_ms);
    set_static(image, CONFIG_LOG_RETENTION_MS, config->log_retention_ms);
    set_static(image, CONFIG_LOG_RETENTION_BYTES, config->log_retention_size);
    set_static(image, CONFIG_LOG_INDEX_INTERVAL_BYTES, config->log_index_interval_size);
    set_static(image, CONFIG_NODE_ID, config->node_id);
    set_static(image, CONFIG_BROKER_ID, config->node_id);
}

static void derive(const struct config *config, struct room_configs *rooms)
{
    struct prng prng;

    prng_init(&prng, config->seed[0], config->seed[1]);
    *rooms = (struct room_configs){
        .controller = {
            .node_id = config->node_id,
            .seed = { prng_next(&prng), prng_next(&prng) },
            .image = {
                .node_id = config->node_id,
                .topics_max = config->topics_max,
                .partitions_max = config->partitions_max,
                .brokers_max = 64,
                .settings_max = config->topics_max * 4,
                .hash_seed = prng_next(&prng),
            },
            .rack = text_bytes_of(config->rack),
            .endpoints[ENDPOINT_KAFKA] = { text_bytes_of(config->advertised_kafka.host),
                                           config->advertised_kafka.port },
            .journal_file_size = config->meta_journal_file_size,
            .snapshot_entries = config->meta_snapshot_entries,
            .message_size_max = config->message_size_max,
        },
        .logs = {
            .logs_max = config->partitions_max,
            .segments_max = config->segments_max,
            .producers_max = config->producers_max,
            .journal_id = prng_next(&prng),
            .tail_unit_size = config->tail_unit_size,
            .tail_memory_size = config->tail_memory_size,
            .journal_file_size = config->journal_file_size,
            .journal_files_max = config->journal_files_max,
            .hash_seed = prng_next(&prng),
            .producer_id_expiration_ms = config->producer_id_expiration_ms,
            .waiters_max = config->links_max,
        },
        .broker = {
            .node_id = config->node_id,
            .links_max = config->links_max,
            .logs_max = config->partitions_max,
            .request_size_max = config->request_size_max,
            .request_memory_size = config->request_memory_size,
            .tail_memory_size = config->tail_memory_size,
            .message_size_max = config->message_size_max,
            .link_idle_ms = config->link_idle_ms,
        },
    };
    set_statics(config, &rooms->controller.image);
}

static size_t aligned(size_t size)
{
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

size_t node_size(const struct config *config)
{
    struct room_configs rooms;

    if (config_contradiction(config) != NULL) return 0;
    derive(config, &rooms);
    const size_t controller = controller_size(&rooms.controller);
    const size_t logs = logs_size(&rooms.logs);
    const size_t broker = broker_size(&rooms.broker);
    if (controller == 0 || logs == 0 || broker == 0) return 0;
    return aligned(sizeof(struct node)) + aligned(controller) + aligned(logs) + aligned(broker);
}

void node_init(struct node *node, const struct config *config)
{
    struct room_configs rooms;

    *node = (struct node){ .config = *config };
    derive(&node->config, &rooms); /* the rooms keep pointers to texts of the copy */
    uint8_t *memory = (uint8_t *)node + aligned(sizeof *node);
    node->controller = (struct controller *)(void *)memory;
    memory += aligned(controller_size(&rooms.controller));
    node->logs = (struct logs *)(void *)memory;
    memory += aligned(logs_size(&rooms.logs));
    node->broker = (struct broker *)(void *)memory;

    controller_init(node->controller, &rooms.controller);
    logs_init(node->logs, &rooms.logs);
    const struct broker_rooms below = { node->logs, node->controller, controller_image(node->controller) };
    broker_init(node->broker, &rooms.broker, &below);
}

/* ---- ends ---- */

static void halt(struct node *node, const struct effect_halt *why, struct effects *effects)
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
    halt(node, &why, effects);
    return true;
}

static void on_stop_asked(struct node *node, struct effects *effects)
{
    const struct effect_halt stopped = { .reason = HALT_STOPPED };

    if (node->phase < PHASE_SERVING) {
        halt(node, &stopped, effects); /* nothing was promised; the next start recovers anew */
    } else if (node->phase == PHASE_SERVING) {
        NOTE(effects, STOPPING, broker_usage(node->broker).answers_waiting);
        broker_stop(node->broker);
        node->phase = PHASE_ENDING;
    }
}

/* ---- the start ---- */

static void open_log(struct node *node, uint32_t topic, uint32_t slot)
{
    const struct image *image = controller_image(node->controller);
    const struct image_partition *partition = image_partition(image, slot);
    const struct log_rules rules = topic_log_rules(image, topic);

    if (!image_partition_has_replica(partition, node->config.node_id)) return;
    const bool opened = logs_open(node->logs, slot, &image_topic(image, topic)->id, image_topic_name(image, topic),
                                  partition->index, &rules);
    CHECK(opened); /* slots are below partitions_max, on both sides */
}

static void open_all_logs(struct node *node)
{
    const struct image *image = controller_image(node->controller);

    for (uint32_t topic = image_first_topic(image); topic != SLOT_NONE; topic = image_next_topic(image, topic)) {
        for (uint32_t slot = image_topic(image, topic)->first_partition; slot != SLOT_NONE;
             slot = image_partition(image, slot)->next_partition) {
            open_log(node, topic, slot);
        }
    }
}

static void serve(struct node *node, struct effects *effects)
{
    const struct image_view view = image_view(controller_image(node->controller));

    node->phase = PHASE_SERVING;
    node->retention_due_ns = node->mono_ns;
    broker_open(node->broker);
    NOTE(effects, STARTED, node->config.node_id, view.topic_count, view.partition_count, (int64_t)view.applied_index);
}

/* ---- routes ---- */

static void set_topic_rules(struct node *node, uint32_t topic)
{
    const struct image *image = controller_image(node->controller);
    const struct log_rules rules = topic_log_rules(image, topic);

    for (uint32_t slot = image_topic(image, topic)->first_partition; slot != SLOT_NONE;
         slot = image_partition(image, slot)->next_partition) {
        if (image_partition_has_replica(image_partition(image, slot), node->config.node_id)) {
            logs_set_rules(node->logs, slot, &rules);
        }
    }
}

static void set_all_rules(struct node *node)
{
    const struct image *image = controller_image(node->controller);

    for (uint32_t topic = image_first_topic(image); topic != SLOT_NONE; topic = image_next_topic(image, topic)) {
        set_topic_rules(node, topic);
    }
}

static void on_partition_removed(struct node *node, uint32_t slot)
{
    broker_on_log_lost(node->broker, slot);
    if (image_partition_has_replica(image_partition(controller_image(node->controller), slot), node->config.node_id)) {
        logs_delete(node->logs, slot);
    }
}

static void on_change(struct node *node, const struct image_change *change)
{
    switch (change->kind) {
    case CHANGE_NOTHING:
    case CHANGE_TOPIC_CREATED:     /* its partitions follow */
    case CHANGE_TOPIC_REMOVED:     /* as before */
    case CHANGE_PARTITION_CHANGED: /* its replicas are this node, which leads */
    case CHANGE_BROKER:
    case CHANGE_BROKER_REMOVED:
    case CHANGE_OWN_WISH: break;
    case CHANGE_PARTITION_CREATED: open_log(node, change->topic, change->partition); break;
    case CHANGE_PARTITION_REMOVED: on_partition_removed(node, change->partition); break;
    case CHANGE_TOPIC_CONFIG: set_topic_rules(node, change->topic); break;
    case CHANGE_BROKER_CONFIG: set_all_rules(node); break;
    }
}

static void route_done(struct node *node)
{
    uint64_t wish;

    while ((wish = controller_next_done(node->controller)) != 0) broker_on_wish(node->broker, wish);
}

/* What this node has to decide, as the leader of the metadata log; whoever asked. */
static void route_wishes(struct node *node, struct effects *effects)
{
    struct wish wish;

    while (controller_next_wish(node->controller, &wish, effects)) broker_decide(node->broker, &wish, effects);
    route_done(node);
}

/* What the metadata log applied, carried on to logs and clients. Before that, what there was already is applied: the
 * logs are opened from the image as a whole. */
static void route_changes(struct node *node, struct effects *effects)
{
    struct image_change change;
    uint32_t count = 0;

    while (count < CHANGES_PER_STEP_MAX && controller_next_change(node->controller, &change, effects)) {
        if (node->phase >= PHASE_REGISTERING) on_change(node, &change);
        count++;
    }
    node->work_left |= count == CHANGES_PER_STEP_MAX;
    route_done(node);
}

/* What became durable, and which reads may be asked again. */
static void route_logs(struct node *node)
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

/* Goes on to the next phase when its room is ready; several may be at once. */
static void advance(struct node *node, struct effects *effects)
{
    const struct effect_halt stopped = { .reason = HALT_STOPPED };

    if (node->phase == PHASE_METADATA) route_changes(node, effects);
    if (node->phase == PHASE_METADATA && controller_state(node->controller) >= CONTROLLER_LOADED) {
        open_all_logs(node);
        node->phase = PHASE_LOGS;
        logs_recover(node->logs, effects);
    }
    if (node->phase == PHASE_LOGS && logs_state(node->logs) == LOGS_OPEN) node->phase = PHASE_REGISTERING;
    if (node->phase >= PHASE_REGISTERING) {
        route_changes(node, effects);
        route_logs(node);
    }
    if (node->phase == PHASE_REGISTERING && controller_state(node->controller) == CONTROLLER_OPEN) {
        serve(node, effects);
    }
    if (node->phase == PHASE_SERVING && node->retention_due_ns <= node->mono_ns) {
        logs_retain(node->logs, node->wall_ms);
        node->retention_due_ns = node->mono_ns + (uint64_t)node->config.retention_check_interval_ms * 1000000;
    }
    if (node->phase == PHASE_ENDING && broker_is_stopped(node->broker)) {
        node->phase = PHASE_FLUSHING;
        logs_stop(node->logs, effects);
    }
    if (node->phase == PHASE_FLUSHING && logs_state(node->logs) == LOGS_STOPPED) halt(node, &stopped, effects);
}

/* The logs reach a state at the end of a step, behind advance(): no event needs to follow that would take it there. */
static bool waits_for_next_step(const struct node *node)
{
    return (node->phase == PHASE_LOGS && logs_state(node->logs) == LOGS_OPEN) ||
           (node->phase == PHASE_FLUSHING && logs_state(node->logs) == LOGS_STOPPED);
}

static void on_disk(struct node *node, const struct event *event, struct effects *effects)
{
    switch (op_owner(event->disk.op)) {
    case OP_JOURNAL:
    case OP_LOGS: logs_on_disk(node->logs, event, effects); break;
    case OP_META_JOURNAL:
    case OP_META: controller_on_disk(node->controller, event, effects); break;
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
    case EVENT_LINK_OPENED: broker_on_link_opened(node->broker, &event->link_opened); break;
    case EVENT_LINK_CLOSED: broker_on_link_closed(node->broker, event->link_closed.link); break;
    case EVENT_RECEIVED: broker_on_received(node->broker, &event->received, effects); break;
    case EVENT_SENT: broker_on_sent(node->broker, event->sent.link); break;
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

    controller_on_time(node->controller, node->mono_ns);
    broker_on_time(node->broker, node->mono_ns, node->wall_ms);
    on_event(node, event, effects);
    if (node->phase == PHASE_HALTED || halt_if_broken(node, effects)) return;
    advance(node, effects);
    if (node->phase == PHASE_HALTED) return;
    broker_work(node->broker, effects);
    if (node->phase >= PHASE_METADATA) route_wishes(node, effects);
    if (node->phase >= PHASE_LOGS) logs_commit(node->logs, node->mono_ns, node->wall_ms, effects);
    if (node->phase >= PHASE_METADATA) controller_commit(node->controller, effects);
    if (halt_if_broken(node, effects)) return;
    node->work_left |= waits_for_next_step(node);
    if (++node->steps % CHECK_EVERY_STEPS == 0) node_check(node);
}

uint64_t node_deadline_ns(const struct node *node)
{
    if (node->work_left) return node->mono_ns;
    uint64_t deadline_ns = broker_deadline_ns(node->broker);
    if (node->phase >= PHASE_LOGS) deadline_ns = MIN(deadline_ns, logs_deadline_ns(node->logs));
    if (node->phase >= PHASE_METADATA) {
        deadline_ns = MIN(deadline_ns, controller_deadline_ns(node->controller, node->phase != PHASE_LOGS));
    }
    if (node->phase == PHASE_SERVING) deadline_ns = MIN(deadline_ns, node->retention_due_ns);
    return deadline_ns;
}

void node_check(const struct node *node)
{
    broker_check(node->broker);
    if (node->phase >= PHASE_METADATA) controller_check(node->controller);
    if (node->phase >= PHASE_LOGS) logs_check(node->logs);
    if (node->phase == PHASE_SERVING) {
        CHECK(controller_state(node->controller) == CONTROLLER_OPEN); /* (2) */
        CHECK(logs_state(node->logs) == LOGS_OPEN);                   /* (2) */
    }
}

/* ---- questions ---- */

static void metadata_status(const struct node *node, struct node_status *status)
{
    const struct image *image = controller_image(node->controller);
    const struct image_view image_now = image_view(image);
    const struct controller_view view = controller_view(node->controller);

    status->cluster_id = image_now.cluster_id;
    status->is_controller = view.leads;
    status->topics = image_now.topic_count;
    status->partitions = image_now.partition_count;
    status->meta_index = (int64_t)controller_applied_index(node->controller);
    status->meta_term = (int64_t)view.term;
    status->meta_commits = view.commits;
}

static void partition_status(const struct node *node, struct node_status *status)
{
    const struct image *image = controller_image(node->controller);

    for (uint32_t topic = image_first_topic(image); topic != SLOT_NONE; topic = image_next_topic(image, topic)) {
        for (uint32_t slot = image_topic(image, topic)->first_partition; slot != SLOT_NONE;
             slot = image_partition(image, slot)->next_partition) {
            const struct image_partition *partition = image_partition(image, slot);
            const bool leads = partition->leader == node->config.node_id;
            status->leaders += leads;
            status->offline += partition->leader < 0;
            const uint32_t in_sync = replica_set_count(partition->isr);
            const uint32_t lasting = partition->replica_count - replica_set_count(partition->adding);
            status->under_replicated += leads && in_sync < lasting;
            status->under_min_isr += leads && in_sync < partition->min_isr;
            if (leads) status->logs_size += log_offsets(node->logs, slot).size;
        }
    }
}

static void log_status(const struct node *node, struct node_status *status)
{
    const struct logs_usage usage = logs_usage(node->logs);

    status->tail_memory_used = usage.tail_used_size;
    status->tail_memory_max = node->config.tail_memory_size;
    status->journal_used = usage.journal_used_size;
    status->journal_max = (uint64_t)node->config.journal_file_size * node->config.journal_files_max;
    status->disk_full = usage.disk_full;
    status->commit_rounds = usage.rounds;
}

static void broker_status(const struct node *node, struct node_status *status)
{
    const struct broker_counters *counters = broker_counters(node->broker);
    const struct broker_usage usage = broker_usage(node->broker);

    status->links = usage.links;
    status->waiting_fetches = usage.fetches_waiting;
    status->waiting_produces = usage.answers_waiting;
    status->request_memory_used = usage.frames_size + usage.answers_size;
    status->request_memory_max = node->config.request_memory_size;
    for (uint32_t key = 0; key < STATUS_API_KEYS_MAX && key < BROKER_API_KEYS; key++) {
        status->apis[key] =
            (struct status_api){ counters->requests[key], counters->errors[key], counters->time_us[key] };
    }
    status->received_size = counters->received_size;
    status->sent_size = counters->sent_size;
    status->messages_in = counters->produced_records;
    status->produced_size = counters->produced_size;
    status->fetched_size = counters->fetched_size;
    status->produces_failed = counters->produce_errors;
    status->fetches_failed = counters->fetch_errors;
    status->throttles = counters->throttles;
    status->links_opened = counters->links_opened;
}

const struct raft *node_raft(const struct node *node)
{
    return controller_raft(node->controller);
}

struct bytes node_entry(const struct node *node, uint64_t index)
{
    return controller_entry(node->controller, index);
}

const struct image *node_image(const struct node *node)
{
    return controller_image(node->controller);
}

enum node_state node_state(const struct node *node)
{
    if (node->phase < PHASE_SERVING) return NODE_STARTING;
    return node->phase == PHASE_SERVING ? NODE_SERVING : NODE_STOPPING;
}

void node_status(const struct node *node, struct node_status *status)
{
    *status = (struct node_status){ .node_id = node->config.node_id, .state = node_state(node) };
    broker_status(node, status);
    if (node->phase < PHASE_REGISTERING) return;
    metadata_status(node, status);
    partition_status(node, status);
    log_status(node, status);
}
