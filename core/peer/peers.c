/* peers.c -- the room's memory, and where facts go. */
#include "peer/peers.h"

#include "peer/state.h"

enum {
    ALIGNMENT = 64,
    LINKS_MAX = 1 << 16,
    NODES_MAX = 1 << 16,
    FRAMES_QUEUED_MIN = 8,   /* largest control frames that fit into the memory for sending */
    FRAMES_RECEIVED_MIN = 2, /* largest frames that fit into the memory for receiving, of each class */
};

/* ---- memory ---- */

/* Hands out parts of a block one behind the other; without a block it only counts. */
struct carver {
    uint8_t *block;
    size_t used;
};

static void *carve(struct carver *carver, uint64_t count, size_t each)
{
    uint8_t *part = carver->block == NULL ? NULL : carver->block + carver->used;

    carver->used += (size_t)(count * each + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return part;
}

static uint32_t block_for(uint32_t payload_max)
{
    uint32_t size = BLOCK_MIN;

    while (size < WIRE_HEAD_SIZE + payload_max) size *= 2;
    return size;
}

/* Control gets a quarter: its frames are smaller, and must never wait for data. */
static struct buddy_config memory_config(const struct peers_config *config, enum memory_class class)
{
    const uint64_t control_size = config->receive_memory_size / 4;
    const uint64_t size = class == MEMORY_CONTROL ? control_size : config->receive_memory_size - control_size;

    return (struct buddy_config){
        .range_size = size / BLOCK_MIN * BLOCK_MIN,
        .block_min = BLOCK_MIN,
        .block_max = block_for(class == MEMORY_CONTROL ? config->control_frame_max : config->data_frame_max),
    };
}

static uint64_t unit_count(const struct peers_config *config)
{
    return config->send_memory_size / UNIT_SIZE;
}

static bool is_host(struct bytes host)
{
    return host.size >= 1 && host.size <= PEER_HOST_SIZE_MAX;
}

static bool is_possible(const struct peers_config *config)
{
    const uint32_t payload_max = (1u << 30) - WIRE_HEAD_SIZE;

    if (config->node_id < 1 || config->links_max < 1 || config->links_max > LINKS_MAX) return false;
    if (config->nodes_max < 1 || config->nodes_max > NODES_MAX) return false;
    if (config->control_frame_max < 1 || config->control_frame_max > payload_max) return false;
    if (config->data_frame_max < 1 || config->data_frame_max > payload_max) return false;
    if (!is_host(config->node_address.host) || !is_host(config->wal_address.host)) return false;
    if (unit_count(config) > UINT32_MAX / 2) return false;
    if (config->send_memory_size < (uint64_t)FRAMES_QUEUED_MIN * block_for(config->control_frame_max)) return false;
    for (uint32_t class = 0; class < MEMORY_CLASS_COUNT; class ++) {
        const struct buddy_config memory = memory_config(config, (enum memory_class) class);
        if (memory.range_size < (uint64_t)FRAMES_RECEIVED_MIN * memory.block_max) return false;
    }
    return true;
}

/* The parts of the block, in one order for all who ask. */
static void lay_out(struct peers *peers, struct carver *carver, const struct peers_config *config)
{
    const uint32_t links = 2 * config->links_max;
    const uint32_t dialers = config->nodes_max * DIALERS_PER_NODE + PEER_SEEDS_MAX;
    const uint32_t news = config->nodes_max * PEER_CHANNEL_COUNT + PEER_SEEDS_MAX;
    const uint32_t units = (uint32_t)unit_count(config);
    struct peers parts;

    parts.links = carve(carver, links, sizeof(struct link));
    parts.nodes = carve(carver, config->nodes_max, sizeof(struct node));
    parts.dialers = carve(carver, dialers, sizeof(struct dialer));
    parts.news = carve(carver, news, sizeof(struct news));
    parts.units = carve(carver, units, sizeof(struct unit));
    parts.unit_memory = carve(carver, units, UNIT_SIZE);
    parts.own_buffers = carve(carver, links, OWN_BUFFER_SIZE);
    void *work = carve(carver, links, sizeof(struct chain_hook));
    void *arrivals = carve(carver, links, sizeof(struct chain_hook));
    void *untold = carve(carver, news, sizeof(struct chain_hook));
    void *dialed = carve(carver, 1, pool_size(config->links_max));
    void *by_id = carve(carver, 1, map_size(config->nodes_max, MAP_KEY_U64));
    void *node_pool = carve(carver, 1, pool_size(config->nodes_max));
    void *timers = carve(carver, 1, timers_size(links + dialers));
    void *unit_pool = carve(carver, 1, pool_size(units));
    for (uint32_t class = 0; class < MEMORY_CLASS_COUNT; class ++) {
        const struct buddy_config memory = memory_config(config, (enum memory_class) class);
        void *hungry = carve(carver, links, sizeof(struct chain_hook));
        void *tree = carve(carver, 1, buddy_size(&memory));
        uint8_t *range = carve(carver, 1, memory.range_size);
        if (peers == NULL) continue;
        peers->memory[class].range = range;
        chain_init(&peers->memory[class].hungry, hungry);
        buddy_init(&peers->memory[class].buddy, tree, &memory);
    }
    if (peers == NULL) return;

    peers->links = parts.links;
    peers->nodes = parts.nodes;
    peers->dialers = parts.dialers;
    peers->news = parts.news;
    peers->units = parts.units;
    peers->unit_memory = parts.unit_memory;
    peers->own_buffers = parts.own_buffers;
    peers->link_count = links;
    peers->dialer_count = dialers;
    chain_init(&peers->work, work);
    chain_init(&peers->arrivals, arrivals);
    chain_init(&peers->untold, untold);
    pool_init(&peers->dialed, dialed, config->links_max);
    map_init(&peers->by_id, by_id, config->nodes_max, MAP_KEY_U64, config->seed[1]);
    pool_init(&peers->node_pool, node_pool, config->nodes_max);
    timers_init(&peers->timers, timers, links + dialers);
    pool_init(&peers->unit_pool, unit_pool, units);
}

size_t peers_size(const struct peers_config *config)
{
    struct carver carver = { .block = NULL };

    if (!is_possible(config)) return 0;
    carve(&carver, 1, sizeof(struct peers));
    lay_out(NULL, &carver, config);
    return carver.used;
}

void peers_init(struct peers *peers, const struct peers_config *config)
{
    struct carver carver = { .block = (uint8_t *)peers };

    CHECK(is_possible(config));
    carve(&carver, 1, sizeof *peers);
    *peers = (struct peers){ .config = *config, .lent = NONE, .returned_first = NONE, .returned_last = NONE };
    prng_init(&peers->prng, config->seed[0], config->seed[1]);
    lay_out(peers, &carver, config);
}

void peers_open(struct peers *peers, const struct peer_identity *identity)
{
    CHECK(!peers->open && identity->member_id != 0 && !uuid_is_zero(&identity->incarnation));
    peers->open = true;
    peers->identity = *identity;
    for (uint32_t number = 0; number < peers->called_count; number++) {
        if (peers->links[number].state == LINK_WAITING) link_work(peers, &peers->links[number]);
    }
    dialing_open(peers);
}

void peers_set_cluster(struct peers *peers, const struct uuid *cluster_id)
{
    peers->identity.cluster_id = *cluster_id;
    for (uint32_t slot = 0; slot < peers->node_pool.fresh_first; slot++) {
        struct node *node = &peers->nodes[slot];
        for (uint32_t channel = 0; node->id != 0 && channel < PEER_CHANNEL_COUNT; channel++) {
            if (node->links[channel] == NONE) continue;
            struct link *link = &peers->links[node->links[channel]];
            const bool said = !uuid_is_zero(&link->said.cluster_id);
            if (said && uuid_equal(&link->said.cluster_id, cluster_id)) continue;
            if (!said && MUTANT(peer_nameless_links_stay)) continue;
            link_end(peers, link, said ? PEER_WRONG_CLUSTER : PEER_DISMISSED);
        }
    }
}

/* ---- facts ---- */

bool peers_own(const struct peers *peers, uint32_t link)
{
    return link >= peers->config.first_link && link - peers->config.first_link < peers->link_count;
}

void peers_on_time(struct peers *peers, uint64_t mono_ns)
{
    CHECK(mono_ns >= peers->mono_ns);
    /* Links that are live have this called once in KEEPALIVE_NS at least. If not, it was this process that stood
     * still: what came meanwhile lies in the network, and is heard in a moment. */
    if (peers->counters.links_up > 0 && mono_ns - peers->mono_ns > 2 * KEEPALIVE_NS) {
        peers->grace_ns = mono_ns + KEEPALIVE_NS;
    }
    peers->mono_ns = mono_ns;
    for (uint32_t i = 0; i < TIMERS_PER_STEP; i++) {
        const uint32_t slot = timers_pop_due(&peers->timers, mono_ns);
        if (slot == TIMERS_NO_SLOT) break;
        if (slot < peers->link_count) link_on_timer(peers, &peers->links[slot]);
        else dialer_on_timer(peers, &peers->dialers[slot - peers->link_count]);
    }
}

void peers_on_sent(struct peers *peers, const struct event_sent *sent)
{
    CHECK(peers_own(peers, sent->link));
    struct link *link = &peers->links[sent->link - peers->config.first_link];

    outbox_on_sent(peers, link);
    link->said_ns = peers->mono_ns;
    if (link->state == LINK_REFUSING) link_end(peers, link, PEER_DISMISSED); /* it has been said */
    else if (link->state != LINK_CLOSING) link_work(peers, link);
}

/* ---- questions ---- */

uint64_t peers_deadline_ns(const struct peers *peers)
{
    if (peers->work.count > 0 || peers->arrivals.count > 0 || peers->untold.count > 0) return peers->mono_ns;
    if (peers->turned_away_untold || peers->returned_first != NONE) return peers->mono_ns;
    return timers_next(&peers->timers);
}

bool peers_view(const struct peers *peers, int32_t node_id, enum peer_channel channel, struct peer_view *view)
{
    const struct node *node = node_find(peers, node_id);

    if (node == NULL || node->links[channel] == NONE) return false;
    const struct link *link = &peers->links[node->links[channel]];
    *view = (struct peer_view){
        .member_id = link->said.member_id,
        .incarnation = link->said.incarnation,
        .cluster_id = link->said.cluster_id,
        .node_address = link->said.node_address,
        .wal_address = link->said.wal_address,
        .up_since_ns = link->up_since_ns,
        .heard_ns = link->heard_ns,
    };
    return true;
}

const struct peers_counters *peers_counters(const struct peers *peers)
{
    return &peers->counters;
}

void peers_check(const struct peers *peers)
{
    uint32_t units = 0;

    for (uint32_t number = 0; number < peers->link_count; number++) {
        if (number == peers->called_count) number = peers->config.links_max;
        if (number == peers->config.links_max + peers->dialed.fresh_first) break; /* the rest was never used */
        const struct link *link = &peers->links[number];
        if (link->state == LINK_FREE) {
            CHECK(!chain_has(&peers->work, number) && !chain_has(&peers->arrivals, number)); /* (4) */
            continue;
        }
        peer_link_check(peers, link);
        units += link->out_units; /* (3) */
    }
    for (uint32_t unit = peers->returned_first; unit != NONE; unit = peers->units[unit].next) units++;
    CHECK(units == peers->unit_pool.taken_count); /* (3) */
    for (uint32_t slot = 0; slot < peers->node_pool.fresh_first; slot++) {
        const struct node *node = &peers->nodes[slot];
        for (uint32_t channel = 0; node->id != 0 && channel < PEER_CHANNEL_COUNT; channel++) {
            if (node->links[channel] == NONE) continue;
            CHECK(peers->links[node->links[channel]].state == LINK_LIVE); /* (1) */
        }
    }
    prng_check(&peers->prng);
    map_check(&peers->by_id);
    pool_check(&peers->node_pool);
    pool_check(&peers->dialed);
    pool_check(&peers->unit_pool);
    timers_check(&peers->timers);
    for (uint32_t class = 0; class < MEMORY_CLASS_COUNT; class ++) buddy_check(&peers->memory[class].buddy);
}
