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
#include "base/text.h"
#include "node_state.h"

enum {
    ALIGNMENT = 64,
    CHECK_EVERY_STEPS = 4096, /* a full check walks everything; after each step it would decide the speed */
    CHANGES_PER_STEP_MAX = 64,
    DURABLE_PER_STEP_MAX = 4096,
    FRAMES_PER_STEP_MAX = 256,
    NODES_MIN = 8,
    DATA_HEAD_SIZE = 256,        /* around one batch, between nodes */
    FRAMES_QUEUED = 16,          /* of the largest size, for all nodes together */
    LINK_QUEUE_SIZE = 64 * 1024, /* and so much for each link there may be: an entry may have to go to all at once */
    FRAMES_RECEIVED = 8,
};

#define LEAVE_NS (5000 * UINT64_C(1000000)) /* a stop waits so long for others to take over */

/* ---- memory ---- */

struct room_configs {
    struct peers_config peers;
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

/* Nodes of a cluster that this one has room for, itself included. */
static uint32_t nodes_max(const struct config *config)
{
    return config->cluster_enabled ? MAX(config->peer_links_max / 2 + 1, (uint32_t)NODES_MIN) : NODES_MIN;
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

/* Others reach us there; "" if there are no others. */
static void format_address(const struct config *config, char *address, uint32_t size)
{
    struct text text = text_in(address, size - 1);

    if (config->cluster_enabled) {
        text_add(&text, config->node_address.host);
        text_add(&text, ":");
        text_add_int(&text, config->node_address.port);
    }
    address[text.size] = 0;
}

/* A node that is told of no other one begins by itself. */
static bool founds(const struct config *config)
{
    for (uint32_t i = 0; i < config->seed_count; i++) {
        const bool is_own = config->seeds[i].node_id == config->node_id;
        if (config->cluster_enabled && !is_own) return false;
    }
    return true;
}

static struct peer_address peer_address(const struct address *address)
{
    return (struct peer_address){ text_bytes_of(address->host), address->port };
}

static struct peers_config peers_of(const struct config *config, const struct room_configs *rooms)
{
    const uint32_t control_frame_max = controller_frame_size_max(&rooms->controller);
    const uint32_t data_frame_max = config->message_size_max + DATA_HEAD_SIZE;

    return (struct peers_config){
        .node_id = config->node_id,
        .first_link = config->links_max,
        .links_max = config->peer_links_max,
        .nodes_max = nodes_max(config),
        .node_address = peer_address(&config->node_address),
        .wal_address = peer_address(&config->wal_address),
        .control_frame_max = control_frame_max,
        .data_frame_max = data_frame_max,
        .send_memory_size =
            MAX(FRAMES_QUEUED * (uint64_t)control_frame_max, LINK_QUEUE_SIZE * (uint64_t)config->peer_links_max),
        .receive_memory_size = FRAMES_RECEIVED * (2 * (uint64_t)control_frame_max + data_frame_max),
    };
}

static void derive(const struct config *config, const char *address, struct room_configs *rooms)
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
                .brokers_max = nodes_max(config),
                .settings_max = config->topics_max * 4,
                .hash_seed = prng_next(&prng),
            },
            .rack = text_bytes_of(config->rack),
            .endpoints = {
                [ENDPOINT_KAFKA] = { text_bytes_of(config->advertised_kafka.host), config->advertised_kafka.port },
                [ENDPOINT_NODE] = { text_bytes_of(config->node_address.host), config->node_address.port },
                [ENDPOINT_WAL] = { text_bytes_of(config->wal_address.host), config->wal_address.port },
            },
            .members_max = nodes_max(config),
            .voters_target = config->cluster_enabled ? config->voters_target : 1,
            .address = text_bytes_of(address),
            .founds = founds(config),
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
    rooms->peers = peers_of(config, rooms);
    rooms->peers.seed[0] = prng_next(&prng);
    rooms->peers.seed[1] = prng_next(&prng);
}

static size_t aligned(size_t size)
{
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

size_t node_size(const struct config *config)
{
    struct room_configs rooms;
    char address[NODE_ADDRESS_SIZE];

    if (config_contradiction(config) != NULL) return 0;
    format_address(config, address, sizeof address);
    derive(config, address, &rooms);
    const size_t peers = config->cluster_enabled ? peers_size(&rooms.peers) : 0;
    const size_t controller = controller_size(&rooms.controller);
    const size_t logs = logs_size(&rooms.logs);
    const size_t broker = broker_size(&rooms.broker);
    if (controller == 0 || logs == 0 || broker == 0 || (config->cluster_enabled && peers == 0)) return 0;
    return aligned(sizeof(struct node)) + aligned(peers) + aligned(controller) + aligned(logs) + aligned(broker);
}

void node_init(struct node *node, const struct config *config)
{
    struct room_configs rooms;

    *node = (struct node){ .config = *config };
    format_address(config, node->address, sizeof node->address);
    derive(&node->config, node->address, &rooms); /* the rooms keep pointers to texts of the copy */
    uint8_t *memory = (uint8_t *)node + aligned(sizeof *node);
    if (config->cluster_enabled) {
        node->peers = (struct peers *)(void *)memory;
        memory += aligned(peers_size(&rooms.peers));
        peers_init(node->peers, &rooms.peers);
    }
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
        halt(node, &stopped, effects); /* nothing was promised; the next start recovers anew */
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
    if (node->phase < PHASE_SERVING) halt(node, &stopped, effects);
    else end(node, effects);
}

/* ---- the start ---- */

/* The image holds this start of the node, and stands still in a state that has a name. */
static bool is_registered(const struct node *node)
{
    return controller_state(node->controller) == CONTROLLER_REGISTERED &&
           !image_is_draining(controller_image(node->controller));
}

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
        if (logs_has(node->logs, slot)) logs_set_rules(node->logs, slot, &rules);
    }
}

static void set_all_rules(struct node *node)
{
    const struct image *image = controller_image(node->controller);

    for (uint32_t topic = image_first_topic(image); topic != SLOT_NONE; topic = image_next_topic(image, topic)) {
        set_topic_rules(node, topic);
    }
}

static void lose_log(struct node *node, uint32_t slot)
{
    broker_on_log_lost(node->broker, slot);
    if (logs_has(node->logs, slot)) logs_delete(node->logs, slot);
}

/* A replica may have come here, or gone. */
static void on_partition_changed(struct node *node, const struct image_change *change)
{
    const struct image_partition *partition = image_partition(controller_image(node->controller), change->partition);
    const bool has_replica = image_partition_has_replica(partition, node->config.node_id);

    if (!has_replica) lose_log(node, change->partition);
    else if (!logs_has(node->logs, change->partition)) open_log(node, change->topic, change->partition);
}

static void on_change(struct node *node, const struct image_change *change)
{
    switch (change->kind) {
    case CHANGE_NOTHING:
    case CHANGE_TOPIC_CREATED: /* its partitions follow */
    case CHANGE_TOPIC_REMOVED: /* as before */
    case CHANGE_BROKER:
    case CHANGE_BROKER_REMOVED:
    case CHANGE_OWN_WISH: break;
    case CHANGE_PARTITION_CREATED: open_log(node, change->topic, change->partition); break;
    case CHANGE_PARTITION_CHANGED: on_partition_changed(node, change); break;
    case CHANGE_PARTITION_REMOVED: lose_log(node, change->partition); break;
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

/* What the metadata log applied, carried on to logs and clients. Before the logs are open they hear of nothing: they
 * are opened from the image as a whole. */
static void route_changes(struct node *node, struct effects *effects)
{
    struct image_change change;
    uint32_t count = 0;

    while (count < CHANGES_PER_STEP_MAX && controller_next_change(node->controller, &change, effects)) {
        if (node->phase >= PHASE_RETURNING) on_change(node, &change);
        count++;
    }
    node->work_left |= count == CHANGES_PER_STEP_MAX;
    route_done(node);
}

/* ---- other nodes ---- */

static void on_peer_change(struct node *node, const struct peer_change *change, struct effects *effects)
{
    const struct effect_halt foreign = { .reason = HALT_FOREIGN };
    struct peer_view view;
    const bool is_lost = change->kind == PEER_DOWN || change->kind == PEER_MISSED;

    if (change->kind == PEER_TURNED_AWAY && change->expected_us && change->reason == PEER_WRONG_CLUSTER &&
        controller_founded_by_mistake(node->controller)) {
        NOTE(effects, FOUNDED_TWICE, change->node_id);
        halt(node, &foreign, effects);
        return;
    }
    if (change->channel != PEER_CONTROL || change->node_id == 0) return;
    if (change->kind == PEER_UP) controller_on_link_up(node->controller, change->node_id);
    /* One that was dialed beside a link that stands may well have been missed. */
    if (is_lost && !peers_view(node->peers, change->node_id, PEER_CONTROL, &view)) {
        controller_on_link_lost(node->controller, change->node_id, change->reason == PEER_CONNECTION_REFUSED);
    }
}

static void on_frame(struct node *node, const struct peer_frame *frame, struct effects *effects)
{
    const bool taken =
        frame->channel == PEER_CONTROL && controller_on_peer_frame(node->controller, frame->node_id, frame->member_id,
                                                                   frame->kind, frame->payload, effects);
    node->frames_refused += !taken;
}

/* What other nodes did and said, to the rooms. */
static void route_in(struct node *node, struct effects *effects)
{
    struct peer_change change;
    struct peer_frame frame;
    uint32_t count = 0;

    while (node->phase != PHASE_HALTED && peers_next_change(node->peers, &change, effects)) {
        on_peer_change(node, &change, effects);
    }
    while (count++ < FRAMES_PER_STEP_MAX && peers_next_frame(node->peers, &frame)) on_frame(node, &frame, effects);
}

/* Others may know of us once a crash cannot make us another one. */
static void open_peers(struct node *node)
{
    const struct peer_identity identity = { .cluster_id = image_view(controller_image(node->controller)).cluster_id,
                                            .member_id = controller_member(node->controller),
                                            .incarnation = controller_incarnation(node->controller) };

    if (identity.member_id == 0) return;
    node->cluster_id = identity.cluster_id;
    node->peers_open = true;
    peers_open(node->peers, &identity);
}

static void seek(struct node *node)
{
    const bool seeks = controller_wants_in(node->controller);

    if (seeks == node->seeks) return;
    node->seeks = seeks;
    if (!seeks) peers_seek_end(node->peers);
    for (uint32_t i = 0; seeks && i < node->config.seed_count; i++) {
        const struct seed_node *from = &node->config.seeds[i];
        if (from->node_id == node->config.node_id) continue;
        peers_seek(node->peers, i, from->node_id, peer_address(&from->address));
    }
}

static void set_links(struct node *node)
{
    struct control_link link;

    while (controller_next_link(node->controller, &link)) {
        if (link.wanted) {
            peers_want(node->peers, link.node_id, PEER_CONTROL, (struct peer_address){ link.host, link.port });
        } else {
            peers_unwant(node->peers, link.node_id, PEER_CONTROL);
        }
    }
}

/* What the rooms have to say to other nodes, and with whom they want to speak. */
static void route_out(struct node *node, struct effects *effects)
{
    const struct uuid cluster_id = image_view(controller_image(node->controller)).cluster_id;
    struct controller_frame frame;

    if (!node->peers_open) open_peers(node);
    if (!node->peers_open) {
        peers_work(node->peers, effects);
        return;
    }
    if (!uuid_equal(&node->cluster_id, &cluster_id)) {
        node->cluster_id = cluster_id;
        peers_set_cluster(node->peers, &cluster_id);
    }
    while (controller_next_frame(node->controller, &frame)) {
        const enum peer_verdict verdict =
            peers_send(node->peers, frame.to, PEER_CONTROL, frame.kind, frame.parts, frame.part_count);
        if (verdict != PEER_SENT) controller_on_frame_lost(node->controller);
    }
    set_links(node);
    seek(node);
    peers_work(node->peers, effects);
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

    if (node->phase == PHASE_METADATA || node->phase == PHASE_REGISTERING) route_changes(node, effects);
    if (node->phase == PHASE_METADATA && controller_state(node->controller) >= CONTROLLER_LOADED) {
        node->phase = PHASE_REGISTERING;
    }
    if (node->phase == PHASE_REGISTERING && is_registered(node)) {
        open_all_logs(node);
        node->phase = PHASE_LOGS;
        logs_recover(node->logs, effects);
    }
    if (node->phase == PHASE_LOGS && logs_state(node->logs) == LOGS_OPEN) {
        controller_set_ready(node->controller, false);
        node->phase = PHASE_RETURNING;
    }
    if (node->phase >= PHASE_RETURNING) {
        route_changes(node, effects);
        route_logs(node);
    }
    if (node->phase == PHASE_RETURNING && controller_state(node->controller) == CONTROLLER_OPEN) serve(node, effects);
    if (node->phase == PHASE_SERVING && node->retention_due_ns <= node->mono_ns) {
        logs_retain(node->logs, node->wall_ms);
        node->retention_due_ns = node->mono_ns + (uint64_t)node->config.retention_check_interval_ms * 1000000;
    }
    if (node->phase == PHASE_LEAVING && (controller_may_go(node->controller) || node->leave_by_ns <= node->mono_ns)) {
        end(node, effects);
    }
    if (controller_was_removed(node->controller)) on_removed(node, effects);
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
    case OP_REPLICAS: CHECK(false); break; /* nobody replicates yet */
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
    broker_on_time(node->broker, node->mono_ns, node->wall_ms);
    on_event(node, event, effects);
    if (node->peers != NULL && node->phase != PHASE_HALTED) route_in(node, effects);
    if (node->phase == PHASE_HALTED || halt_if_broken(node, effects)) return;
    advance(node, effects);
    if (node->phase == PHASE_HALTED) return;
    broker_work(node->broker, effects);
    if (node->phase >= PHASE_METADATA) route_wishes(node, effects);
    if (node->phase >= PHASE_LOGS) logs_commit(node->logs, node->mono_ns, node->wall_ms, effects);
    if (node->phase >= PHASE_METADATA) controller_commit(node->controller, effects);
    if (node->peers != NULL) route_out(node, effects);
    if (halt_if_broken(node, effects)) return;
    node->work_left |= waits_for_next_step(node);
    if (++node->steps % CHECK_EVERY_STEPS == 0) node_check(node);
}

uint64_t node_deadline_ns(const struct node *node)
{
    if (node->work_left) return node->mono_ns;
    uint64_t deadline_ns = broker_deadline_ns(node->broker);
    if (node->peers != NULL) deadline_ns = MIN(deadline_ns, peers_deadline_ns(node->peers));
    if (node->phase == PHASE_LEAVING) deadline_ns = MIN(deadline_ns, node->leave_by_ns);
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
    if (node->peers != NULL) peers_check(node->peers);
    if (node->phase >= PHASE_METADATA) controller_check(node->controller);
    if (node->phase >= PHASE_LOGS) logs_check(node->logs);
    if (node->phase == PHASE_SERVING) {
        CHECK(controller_state(node->controller) == CONTROLLER_OPEN); /* (2) */
        CHECK(logs_state(node->logs) == LOGS_OPEN);                   /* (2) */
    }
}
