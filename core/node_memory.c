/* node_memory.c -- how much memory does a node get, and what does its config say to each room? */
#include "base/check.h"
#include "base/prng.h"
#include "base/text.h"
#include "routes.h"

enum {
    ALIGNMENT = 64,
    NODES_MIN = 8,
    DATA_HEAD_SIZE = 256,        /* around one batch, between nodes */
    FRAMES_QUEUED = 16,          /* of the largest size, for all nodes together */
    LINK_QUEUE_SIZE = 64 * 1024, /* and so much for each link there may be: an entry may have to go to all at once */
    FRAMES_RECEIVED = 8,
    FOLLOWERS_OF_PARTITION = 4, /* where all are led here: five replicas, or three that move to two other nodes */
};

struct room_configs {
    struct peers_config peers;
    struct controller_config controller;
    struct logs_config logs;
    struct replicas_config replicas;
    struct groups_config groups;
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
    set_static(image, CONFIG_DEFAULT_REPLICATION_FACTOR, config->replication_factor);
    set_static(image, CONFIG_AUTO_CREATE_TOPICS_ENABLE, config->auto_create_topics);
    set_static(image, CONFIG_CONNECTIONS_MAX_IDLE_MS, config->link_idle_ms);
    set_static(image, CONFIG_SOCKET_REQUEST_MAX_BYTES, config->request_size_max);
    set_static(image, CONFIG_LOG_RETENTION_CHECK_INTERVAL_MS, config->retention_check_interval_ms);
    set_static(image, CONFIG_PRODUCER_ID_EXPIRATION_MS, config->producer_id_expiration_ms);
    if (config->log_compacts) set_static(image, CONFIG_LOG_CLEANUP_POLICY, CLEANUP_COMPACT | CLEANUP_DELETE);
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

struct peer_address route_address(const struct address *address)
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
        .node_address = route_address(&config->node_address),
        .wal_address = route_address(&config->wal_address),
        .control_frame_max = control_frame_max,
        .data_frame_max = data_frame_max,
        .send_memory_size =
            MAX(FRAMES_QUEUED * (uint64_t)control_frame_max, LINK_QUEUE_SIZE * (uint64_t)config->peer_links_max),
        .receive_memory_size = FRAMES_RECEIVED * (2 * (uint64_t)control_frame_max + data_frame_max),
    };
}

static struct groups_config groups_of(const struct config *config, struct prng *prng)
{
    return (struct groups_config){
        .node_id = config->node_id,
        .groups_max = config->groups_max,
        .members_max = config->group_members_max,
        .offsets_max = config->group_offsets_max,
        .memory_size = config->group_memory_size,
        .topics_max = 2 * config->topics_max, /* and those that are gone, until their offsets are */
        .logs_max = config->partitions_max,
        .waiters_max = config->links_max,
        .message_size_max = config->message_size_max,
        .seed = { prng_next(prng), prng_next(prng) },
    };
}

static struct broker_config broker_of(const struct config *config)
{
    return (struct broker_config){
        .node_id = config->node_id,
        .links_max = config->links_max,
        .logs_max = config->partitions_max,
        .request_size_max = config->request_size_max,
        .request_memory_size = config->request_memory_size,
        .tail_memory_size = config->tail_memory_size,
        .message_size_max = config->message_size_max,
        .link_idle_ms = config->link_idle_ms,
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
            .observer = config->observer,
            .endpoints = {
                [ENDPOINT_KAFKA] = { text_bytes_of(config->advertised_kafka.host), config->advertised_kafka.port },
                [ENDPOINT_NODE] = { text_bytes_of(config->node_address.host), config->node_address.port },
                [ENDPOINT_WAL] = { text_bytes_of(config->wal_address.host), config->wal_address.port },
            },
            .members_max = nodes_max(config),
            .voters_target = config->cluster_enabled ? config->voters_target : 1,
            .address = text_bytes_of(address),
            .founds = founds(config),
            .recovers = config->recovers,
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
            .compaction_memory_size = config->compaction_memory_size,
            .compaction_backoff_ms = (uint64_t)config->compaction_backoff_ms,
            .waiters_max = config->links_max + REPLICA_WAITERS_MAX + 1, /* groups read one log at a time */
        },
        .replicas = {
            .node_id = config->node_id,
            .partitions_max = config->partitions_max,
            .nodes_max = config->cluster_enabled ? nodes_max(config) : 1,
            .streams_max = config->cluster_enabled ? FOLLOWERS_OF_PARTITION * config->partitions_max : 1,
            .batch_size_max = config->message_size_max,
            .lag_ns = (uint64_t)config_info(CONFIG_REPLICA_LAG_TIME_MAX_MS)->value * 1000000,
            .hash_seed = prng_next(&prng),
        },
        .broker = broker_of(config),
    };
    set_statics(config, &rooms->controller.image);
    rooms->groups = groups_of(config, &prng);
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
    const bool has_peers = config->cluster_enabled && !config->recovers;
    const size_t peers = has_peers ? peers_size(&rooms.peers) : 0;
    const size_t controller = controller_size(&rooms.controller);
    const size_t logs = logs_size(&rooms.logs);
    const size_t replicas = replicas_size(&rooms.replicas);
    const size_t groups = groups_size(&rooms.groups);
    const size_t broker = broker_size(&rooms.broker);
    if (controller == 0 || logs == 0 || groups == 0 || broker == 0 || (has_peers && peers == 0)) return 0;
    return aligned(sizeof(struct node)) + aligned(peers) + aligned(controller) + aligned(logs) + aligned(replicas) +
           aligned(groups) + aligned(broker);
}

void node_init(struct node *node, const struct config *config)
{
    struct room_configs rooms;

    *node = (struct node){ .config = *config };
    format_address(config, node->address, sizeof node->address);
    derive(&node->config, node->address, &rooms); /* the rooms keep pointers to texts of the copy */
    uint8_t *memory = (uint8_t *)node + aligned(sizeof *node);
    if (config->cluster_enabled && !config->recovers) {
        node->peers = (struct peers *)(void *)memory;
        memory += aligned(peers_size(&rooms.peers));
        peers_init(node->peers, &rooms.peers);
    }
    node->controller = (struct controller *)(void *)memory;
    memory += aligned(controller_size(&rooms.controller));
    node->logs = (struct logs *)(void *)memory;
    memory += aligned(logs_size(&rooms.logs));
    node->replicas = (struct replicas *)(void *)memory;
    memory += aligned(replicas_size(&rooms.replicas));
    node->groups = (struct groups *)(void *)memory;
    memory += aligned(groups_size(&rooms.groups));
    node->broker = (struct broker *)(void *)memory;

    controller_init(node->controller, &rooms.controller);
    logs_init(node->logs, &rooms.logs);
    const struct replicas_rooms beside = { node->logs, node->peers };
    replicas_init(node->replicas, &rooms.replicas, &beside);
    const struct groups_rooms read = { node->logs, node->replicas, controller_image(node->controller) };
    groups_init(node->groups, &rooms.groups, &read);
    const struct broker_rooms below = { node->logs, node->controller, controller_image(node->controller),
                                        node->replicas, node->groups };
    broker_init(node->broker, &rooms.broker, &below);
}
