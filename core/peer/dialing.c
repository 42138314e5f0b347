/* dialing.c -- which nodes are known and wanted, and when one is dialed next. */
#include "peer/state.h"

/* ---- the table of nodes ---- */

struct node *node_find(const struct peers *peers, int32_t id)
{
    uint32_t slot;

    return map_get(&peers->by_id, map_key_u64((uint64_t)id), &slot) ? &peers->nodes[slot] : NULL;
}

struct node *node_get(struct peers *peers, int32_t id)
{
    struct node *node = node_find(peers, id);

    CHECK(id >= 1 && id != peers->config.node_id);
    if (node != NULL) return node;
    const uint32_t slot = pool_take(&peers->node_pool);
    if (slot == POOL_NONE) return NULL;
    CHECK(map_put(&peers->by_id, map_key_u64((uint64_t)id), slot) == MAP_ADDED);
    node = &peers->nodes[slot];
    *node = (struct node){ .id = id, .links = { NONE, NONE, NONE } };
    return node;
}

static bool is_kept(struct peers *peers, const struct node *node)
{
    if (node->known) return true;
    for (uint32_t channel = 0; channel < PEER_CHANNEL_COUNT; channel++) {
        if (node->links[channel] != NONE) return true;
        if (chain_has(&peers->untold, news_number(peers, node, (enum peer_channel)channel))) return true;
        if (channel != PEER_DATA_IN && dialer_of(peers, node, (enum peer_channel)channel)->wanted) return true;
    }
    return false;
}

void node_release(struct peers *peers, struct node *node)
{
    if (is_kept(peers, node)) return;
    for (uint32_t channel = 0; channel < PEER_CHANNEL_COUNT; channel++) {
        peers->news[news_number(peers, node, (enum peer_channel)channel)] = (struct news){ .told_life = 0 };
    }
    const bool was_there = map_remove(&peers->by_id, map_key_u64((uint64_t)node->id));
    CHECK(was_there);
    node->id = 0;
    pool_give(&peers->node_pool, node_slot(peers, node));
}

/* ---- when ---- */

static void dial_at(struct peers *peers, const struct dialer *dialer, uint64_t time_ns)
{
    timers_set(&peers->timers, peers->link_count + dialer_number(peers, dialer), time_ns);
}

/* Between half and all of it: those who lost the same node do not come back in one breath. */
static uint64_t jittered(struct peers *peers, uint64_t delay_ns)
{
    return delay_ns / 2 + prng_below(&peers->prng, delay_ns / 2 + 1);
}

static uint64_t backoff_ns(struct peers *peers, const struct dialer *dialer)
{
    uint64_t delay_ns = BACKOFF_MIN_NS;

    for (uint32_t i = 0; i < dialer->failures && delay_ns < BACKOFF_MAX_NS; i++) delay_ns *= 2;
    return jittered(peers, MIN(delay_ns, BACKOFF_MAX_NS));
}

/* Somebody has to change something before it can go better. */
static bool is_lasting(enum peer_reason reason)
{
    return reason == PEER_WRONG_VERSION || reason == PEER_WRONG_CLUSTER || reason == PEER_WRONG_NODE ||
           reason == PEER_ONESELF || reason == PEER_BROKEN;
}

/* The link that it is for stands, whoever dialed it. */
static bool is_served(const struct peers *peers, const struct dialer *dialer)
{
    const int32_t id = dialer->node_id != 0 ? dialer->node_id : dialer->found_id;
    const struct node *node = id == 0 ? NULL : node_find(peers, id);

    return node != NULL && node->links[dialer_channel(peers, dialer_number(peers, dialer))] != NONE;
}

static bool has_to_dial(const struct peers *peers, const struct dialer *dialer)
{
    return peers->open && dialer->wanted && dialer->link == NONE && !is_served(peers, dialer);
}

void dialer_on_timer(struct peers *peers, struct dialer *dialer)
{
    if (!has_to_dial(peers, dialer)) return;
    struct link *link = link_dial(peers, dialer_number(peers, dialer));
    if (link != NULL) dialer->link = link_number(peers, link);
    else dial_at(peers, dialer, peers->mono_ns + jittered(peers, BACKOFF_MAX_NS));
}

void dialer_on_miss(struct peers *peers, struct dialer *dialer, enum peer_reason reason, const struct uuid *cluster_id)
{
    dialer->link = NONE;
    peers->counters.misses++;
    news_on_miss(peers, dialer_number(peers, dialer), reason, cluster_id);
    if (has_to_dial(peers, dialer)) {
        dial_at(peers, dialer,
                peers->mono_ns + (is_lasting(reason) ? jittered(peers, REFUSED_NS) : backoff_ns(peers, dialer)));
    }
    dialer->failures++;
}

void dialer_on_up(struct peers *peers, struct dialer *dialer, int32_t node_id)
{
    dialer->found_id = node_id;
    news_on_reached(peers, dialer_number(peers, dialer));
}

static void dial_again(struct peers *peers, struct dialer *dialer, bool was_steady)
{
    if (was_steady) dialer->failures = 0;
    if (!has_to_dial(peers, dialer)) return;
    dial_at(peers, dialer, peers->mono_ns + backoff_ns(peers, dialer));
    dialer->failures++; /* a link that comes up and goes down at once is a failure too */
}

void dialing_on_down(struct peers *peers, struct node *node, enum peer_channel channel, bool was_steady)
{
    if (channel == PEER_DATA_IN) return;
    dial_again(peers, dialer_of(peers, node, channel), was_steady);
    if (channel == PEER_DATA_OUT) return;
    for (uint32_t seed = 0; seed < PEER_SEEDS_MAX; seed++) {
        struct dialer *dialer = &peers->dialers[peers->config.nodes_max * DIALERS_PER_NODE + seed];
        const int32_t id = dialer->node_id != 0 ? dialer->node_id : dialer->found_id;
        if (id == node->id) dial_again(peers, dialer, was_steady);
    }
}

/* ---- wishes ---- */

static bool set_address(struct dialer *dialer, struct peer_address address)
{
    char host[PEER_HOST_SIZE_MAX + 1] = { 0 };

    CHECK(address.host.size >= 1 && address.host.size <= PEER_HOST_SIZE_MAX && address.port != 0);
    memcpy(host, address.host.data, address.host.size);
    if (dialer->port == address.port && memcmp(dialer->host, host, sizeof host) == 0) return false;
    dialer->port = address.port;
    memcpy(dialer->host, host, sizeof host);
    return true;
}

/* For control the lower id goes first; the higher one calls if nothing came. A node without a cluster does not wait: it
 * was told whom to ask, and they do not know of it. */
static uint64_t patience_ns(const struct peers *peers, uint32_t dialer, int32_t node_id)
{
    if (dialer_channel(peers, dialer) != PEER_CONTROL || dialer_is_seed(peers, dialer)) return 0;
    return peers->config.node_id > node_id && !uuid_is_zero(&peers->identity.cluster_id) ? PATIENCE_NS : 0;
}

static void begin_dialing(struct peers *peers, struct dialer *dialer, int32_t node_id, uint64_t patience_ns)
{
    dialer->wanted = true;
    dialer->node_id = node_id;
    dialer->found_id = 0;
    dialer->failures = 0;
    if (has_to_dial(peers, dialer)) dial_at(peers, dialer, peers->mono_ns + patience_ns);
}

bool peers_want(struct peers *peers, int32_t node_id, enum peer_channel channel, struct peer_address address)
{
    struct node *node = node_get(peers, node_id);

    if (node == NULL) return false;
    struct dialer *dialer = dialer_of(peers, node, channel);
    const bool has_moved = set_address(dialer, address);
    if (!dialer->wanted) {
        dialer->link = NONE;
        begin_dialing(peers, dialer, node_id, patience_ns(peers, dialer_number(peers, dialer), node_id));
    } else if (has_moved && has_to_dial(peers, dialer)) {
        dial_at(peers, dialer, peers->mono_ns);
    }
    return true;
}

static void end_dialing(struct peers *peers, struct dialer *dialer, bool keeps_live)
{
    struct link *link = dialer->link == NONE ? NULL : &peers->links[dialer->link];

    if (!dialer->wanted) return;
    dialer->wanted = false;
    timers_clear(&peers->timers, peers->link_count + dialer_number(peers, dialer));
    if (link == NULL) return;
    dialer->link = NONE;
    link->dialer = NONE;
    if (link->state != LINK_LIVE || !keeps_live) link_end(peers, link, PEER_DISMISSED);
}

void peers_unwant(struct peers *peers, int32_t node_id, enum peer_channel channel)
{
    struct node *node = node_find(peers, node_id);

    if (node == NULL) return;
    end_dialing(peers, dialer_of(peers, node, channel), false);
    /* A seed's dialer, or one from before, may have made the link. */
    if (node->links[channel] != NONE && link_is_dialed(peers, &peers->links[node->links[channel]])) {
        link_end(peers, &peers->links[node->links[channel]], PEER_DISMISSED);
    }
    node_release(peers, node);
}

bool peers_know(struct peers *peers, int32_t node_id)
{
    struct node *node = node_get(peers, node_id);

    if (node == NULL) return false;
    node->known = true;
    return true;
}

void peers_forget(struct peers *peers, int32_t node_id)
{
    struct node *node = node_find(peers, node_id);

    if (node == NULL) return;
    node->known = false;
    end_dialing(peers, dialer_of(peers, node, PEER_CONTROL), false);
    end_dialing(peers, dialer_of(peers, node, PEER_DATA_OUT), false);
    for (uint32_t channel = 0; channel < PEER_CHANNEL_COUNT; channel++) {
        if (node->links[channel] != NONE) link_end(peers, &peers->links[node->links[channel]], PEER_DISMISSED);
    }
    node_release(peers, node);
}

static struct dialer *seed_dialer(struct peers *peers, uint32_t seed)
{
    CHECK(seed < PEER_SEEDS_MAX);
    return &peers->dialers[peers->config.nodes_max * DIALERS_PER_NODE + seed];
}

void peers_seek(struct peers *peers, uint32_t seed, int32_t node_id, struct peer_address address)
{
    struct dialer *dialer = seed_dialer(peers, seed);

    CHECK(node_id >= 0 && node_id != peers->config.node_id);
    end_dialing(peers, dialer, true);
    dialer->link = NONE;
    set_address(dialer, address);
    begin_dialing(peers, dialer, node_id, 0);
}

void peers_seek_end(struct peers *peers)
{
    for (uint32_t seed = 0; seed < PEER_SEEDS_MAX; seed++) end_dialing(peers, seed_dialer(peers, seed), true);
}

/* All that was wanted before. */
void dialing_open(struct peers *peers)
{
    const uint32_t used = peers->node_pool.fresh_first * DIALERS_PER_NODE;
    const uint32_t seeds = peers->config.nodes_max * DIALERS_PER_NODE;

    for (uint32_t number = 0; number < peers->dialer_count; number++) {
        if (number == used) number = seeds; /* the rest was never used: who knows few nodes has touched few */
        struct dialer *dialer = &peers->dialers[number];
        if (!dialer->wanted) continue;
        dial_at(peers, dialer, peers->mono_ns + patience_ns(peers, number, dialer->node_id));
    }
}
