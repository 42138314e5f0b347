/* memory.c -- how the room lies in one block, and what must hold of it. */
#include "replica/state.h"

struct carver {
    uint8_t *block;
    size_t used;
};

static void *carve(struct carver *carver, size_t size)
{
    void *part = carver->block == NULL ? NULL : carver->block + carver->used;
    carver->used += (size + 63) / 64 * 64;
    return part;
}

struct parts {
    struct replicas *replicas;
    void *partitions, *by_id, *flows, *flows_pool, *nodes, *nodes_pool, *nodes_by_id;
    void *partition_timers, *flow_timers, *tell_timers;
    void *sendings, *sendings_pool, *buffers;
    void *queues[3];
    void *partition_hooks[2], *flow_hooks[5], *node_hooks[2];
};

static uint32_t turn_size_of(const struct replicas_config *config)
{
    return MIN((uint32_t)TURN_SIZE_MAX, config->batch_size_max);
}

static uint32_t read_count_of(const struct replicas_config *config)
{
    return MIN((uint32_t)REPLICA_READS_MAX, config->streams_max);
}

static uint32_t sendings_max_of(const struct replicas_config *config)
{
    return MIN((uint32_t)SENDINGS_MAX, MIN(config->nodes_max, (uint32_t)SENDINGS_MAX) * SENDINGS_PER_NODE);
}

static size_t lay_out(struct parts *parts, uint8_t *block, const struct replicas_config *config)
{
    struct carver carver = { block, 0 };
    const uint32_t sendings_max = sendings_max_of(config);

    *parts = (struct parts){
        .replicas = carve(&carver, sizeof(struct replicas)),
        .partitions = carve(&carver, config->partitions_max * sizeof(struct partition)),
        .by_id = carve(&carver, map_size(config->partitions_max, MAP_KEY_ID)),
        .flows = carve(&carver, config->streams_max * sizeof(struct flow)),
        .flows_pool = carve(&carver, pool_size(config->streams_max)),
        .nodes = carve(&carver, config->nodes_max * sizeof(struct node)),
        .nodes_pool = carve(&carver, pool_size(config->nodes_max)),
        .nodes_by_id = carve(&carver, map_size(config->nodes_max, MAP_KEY_U64)),
        .partition_timers = carve(&carver, timers_size(config->partitions_max)),
        .flow_timers = carve(&carver, timers_size(config->streams_max)),
        .tell_timers = carve(&carver, timers_size(config->nodes_max)),
        .sendings = carve(&carver, sendings_max * sizeof(struct sending)),
        .sendings_pool = carve(&carver, pool_size(sendings_max)),
        .buffers = carve(&carver, (size_t)read_count_of(config) * config->batch_size_max),
    };
    for (uint32_t i = 0; i < COUNT_OF(parts->queues); i++) {
        parts->queues[i] = carve(&carver, config->partitions_max * sizeof(uint32_t));
    }
    for (uint32_t i = 0; i < COUNT_OF(parts->partition_hooks); i++) {
        parts->partition_hooks[i] = carve(&carver, config->partitions_max * sizeof(struct chain_hook));
    }
    for (uint32_t i = 0; i < COUNT_OF(parts->flow_hooks); i++) {
        parts->flow_hooks[i] = carve(&carver, config->streams_max * sizeof(struct chain_hook));
    }
    for (uint32_t i = 0; i < COUNT_OF(parts->node_hooks); i++) {
        parts->node_hooks[i] = carve(&carver, config->nodes_max * sizeof(struct chain_hook));
    }
    return carver.used;
}

size_t replicas_size(const struct replicas_config *config)
{
    struct parts parts;

    return lay_out(&parts, NULL, config);
}

static void queue_init(struct queue *queue, void *memory, uint32_t items_max)
{
    ring_init(&queue->ring, items_max);
    queue->items = memory;
}

static void init_lines(struct replicas *replicas, const struct parts *parts)
{
    const uint32_t partitions_max = replicas->config.partitions_max;

    queue_init(&replicas->watermarks, parts->queues[0], partitions_max);
    queue_init(&replicas->wishes, parts->queues[1], partitions_max);
    queue_init(&replicas->losses, parts->queues[2], partitions_max);
    chain_init(&replicas->starts, parts->partition_hooks[0]);
    chain_init(&replicas->senders, parts->node_hooks[0]);
    chain_init(&replicas->ackers, parts->node_hooks[1]);
    chain_init(&replicas->readers, parts->flow_hooks[0]);
    chain_init(&replicas->judging, parts->flow_hooks[4]);
    replicas->hooks_of_node = parts->flow_hooks[1];
    replicas->hooks_of_turns = parts->flow_hooks[2];
    replicas->hooks_of_telling = parts->flow_hooks[3];
    replicas->hooks_of_acks = parts->partition_hooks[1];
}

static void init_tables(struct replicas *replicas, const struct parts *parts)
{
    const struct replicas_config *config = &replicas->config;

    pool_init(&replicas->flows_pool, parts->flows_pool, config->streams_max);
    pool_init(&replicas->nodes_pool, parts->nodes_pool, config->nodes_max);
    pool_init(&replicas->sendings_pool, parts->sendings_pool, sendings_max_of(config));
    map_init(&replicas->by_id, parts->by_id, config->partitions_max, MAP_KEY_ID, config->hash_seed);
    map_init(&replicas->nodes_by_id, parts->nodes_by_id, config->nodes_max, MAP_KEY_U64, config->hash_seed);
    timers_init(&replicas->partition_timers, parts->partition_timers, config->partitions_max);
    timers_init(&replicas->flow_timers, parts->flow_timers, config->streams_max);
    timers_init(&replicas->tell_timers, parts->tell_timers, config->nodes_max);
}

void replicas_init(struct replicas *replicas, const struct replicas_config *config, const struct replicas_rooms *rooms)
{
    struct parts parts;
    const uint32_t turn_size = turn_size_of(config);

    CHECK(config->partitions_max >= 1 && config->nodes_max >= 1 && config->streams_max >= 1);
    CHECK(config->batch_size_max >= ACK_HEAD_SIZE + ACK_ENTRY_SIZE);
    lay_out(&parts, (uint8_t *)replicas, config);
    *replicas = (struct replicas){
        .config = *config,
        .rooms = *rooms,
        .broker_epoch = -1,
        .lag_ns = config->lag_ns,
        .next_session = 1,
        .again_ns = UINT64_MAX,
        .partitions = parts.partitions,
        .flows = parts.flows,
        .nodes = parts.nodes,
        .sendings = parts.sendings,
        .read_count = read_count_of(config),
        .turn_size = turn_size,
        .read_size = config->batch_size_max,
        .window_size = MIN((uint32_t)WINDOW_SIZE, turn_size * WINDOW_TURNS),
        .ack_entries = MIN((uint32_t)ACK_ENTRIES_MAX, (config->batch_size_max - ACK_HEAD_SIZE) / ACK_ENTRY_SIZE),
    };
    init_tables(replicas, &parts);
    init_lines(replicas, &parts);
    for (uint32_t i = 0; i < replicas->read_count; i++) {
        replicas->reads[i].flow = NONE;
        replicas->reads[i].buffer = (uint8_t *)parts.buffers + (size_t)i * replicas->read_size;
    }
}

/* ---- invariants ---- */

static void partition_check(const struct replicas *replicas, uint32_t log)
{
    const struct partition *partition = &replicas->partitions[log];

    for (uint8_t slot = 0; slot < REPLICA_SLOTS_MAX && partition->role != ROLE_NONE; slot++) {
        if (partition->flows[slot] == 0) continue;
        const struct flow *flow = &replicas->flows[partition->flows[slot] - 1];
        CHECK(partition->role == ROLE_LEADER);                                   /* (1) */
        CHECK(pool_is_taken(&replicas->flows_pool, partition->flows[slot] - 1)); /* (1) */
        CHECK(flow->log == log && flow->slot == slot);                           /* (1) */
        CHECK(replicas->nodes[flow->node].id == partition->nodes[slot]);         /* (1) */
        leader_stream_check(&flow->stream);
    }
    if (partition->role != ROLE_LEADER || partition->alone) return;
    const struct log_offsets offsets = log_offsets(replicas->rooms.logs, log);
    watermark_check(&partition->watermark);
    isr_check(&partition->isr);
    CHECK(partition->watermark.high_watermark == offsets.high_watermark);
    CHECK(partition->watermark.isr.current == partition->isr.sets.current);
}

static void node_check(const struct replicas *replicas, uint32_t number)
{
    const struct node *node = &replicas->nodes[number];
    uint32_t count = 0;

    for (uint32_t at = node->flows.first; at != CHAIN_NONE; at = node->flows.hooks[at].next) {
        CHECK(pool_is_taken(&replicas->flows_pool, at) && replicas->flows[at].node == number); /* (2) */
        CHECK(!chain_has(&node->turns, at) || !chain_has(&replicas->readers, at));             /* (2) */
        count++;
    }
    CHECK(count == node->flows.count);                                 /* (2) */
    CHECK(node->turns.count <= count && node->telling.count <= count); /* (2) */
    CHECK(node->turns.count == 0 || node->out_up);
    CHECK(node->sendings <= SENDINGS_PER_NODE && (node->sendings > 0 || node->lent_size == 0)); /* (3) */
}

void replicas_check(const struct replicas *replicas)
{
    uint32_t sendings = 0;

    for (uint32_t log = 0; log < replicas->partitions_end; log++) partition_check(replicas, log);
    for (uint32_t node = 0; node < replicas->config.nodes_max && node < replicas->nodes_pool.fresh_first; node++) {
        if (!pool_is_taken(&replicas->nodes_pool, node)) continue;
        node_check(replicas, node);
        sendings += replicas->nodes[node].sendings;
    }
    CHECK(sendings == replicas->sendings_pool.taken_count); /* (3) */
    for (uint32_t i = 0; i < replicas->read_count; i++) {
        const struct segment_read *read = &replicas->reads[i];
        const bool wanted = read->state != READ_FREE && read->flow != NONE;
        if (wanted) CHECK(pool_is_taken(&replicas->flows_pool, read->flow)); /* (4) */
        if (wanted) CHECK(replicas->flows[read->flow].read == i);            /* (4) */
    }
    pool_check(&replicas->flows_pool);
    timers_check(&replicas->partition_timers);
    timers_check(&replicas->flow_timers);
}
