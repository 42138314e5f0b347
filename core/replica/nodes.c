/* nodes.c -- the other nodes: who is registered, who is linked, and who still answers. */
#include "replica/state.h"

enum { SWEPT_PER_BEAT = 256 }; /* streams whose log starts are compared: told as they move, and looked after */

/* ---- who there is ---- */

uint32_t replica_node_find(const struct replicas *replicas, int32_t id)
{
    uint32_t number;

    return map_get(&replicas->nodes_by_id, map_key_u64((uint64_t)(uint32_t)id), &number) ? number : NONE;
}

uint32_t replica_node_get(struct replicas *replicas, int32_t id)
{
    uint32_t number = replica_node_find(replicas, id);

    if (number != NONE) return number;
    number = pool_take(&replicas->nodes_pool);
    if (number == POOL_NONE) return NONE;
    CHECK(map_put(&replicas->nodes_by_id, map_key_u64((uint64_t)(uint32_t)id), number) == MAP_ADDED);
    struct node *node = &replicas->nodes[number];
    *node = (struct node){ .id = id, .broker_epoch = -1 };
    chain_init(&node->flows, replicas->hooks_of_node);
    chain_init(&node->turns, replicas->hooks_of_turns);
    chain_init(&node->telling, replicas->hooks_of_telling);
    chain_init(&node->acks, replicas->hooks_of_acks);
    return number;
}

static void forget_if_unused(struct replicas *replicas, uint32_t number)
{
    const struct node *node = &replicas->nodes[number];

    if (node->broker_epoch >= 0 || node->wanted || node->out_up || node->in_up) return;
    if (node->flows.count > 0 || node->reads > 0 || node->sendings > 0) return;
    CHECK(node->acks.count == 0 && node->turns.count == 0);
    chain_remove(&replicas->senders, number);
    chain_remove(&replicas->ackers, number);
    timers_clear(&replicas->tell_timers, number);
    const bool was_there = map_remove(&replicas->nodes_by_id, map_key_u64((uint64_t)(uint32_t)node->id));
    CHECK(was_there);
    pool_give(&replicas->nodes_pool, number);
}

bool node_is_eligible(const struct node *node)
{
    if (node->broker_epoch < 0) return false;
    return (!node->fenced && !node->shutting_down) || MUTANT(who_goes_may_join);
}

/* ---- links ---- */

static void dial(struct replicas *replicas, uint32_t number)
{
    struct node *node = &replicas->nodes[number];
    const bool wanted = node->flows.count > 0 && node->port != 0;

    if (replicas->rooms.peers == NULL) return;
    if (wanted) {
        const struct peer_address address = { { node->host, node->host_size }, node->port };
        node->wanted = peers_want(replicas->rooms.peers, node->id, PEER_DATA_OUT, address);
    } else if (node->wanted) {
        node->wanted = false;
        peers_unwant(replicas->rooms.peers, node->id, PEER_DATA_OUT);
    }
}

void node_want(struct replicas *replicas, uint32_t node)
{
    if (!replicas->nodes[node].wanted) dial(replicas, node);
}

void replica_node_release(struct replicas *replicas, uint32_t node)
{
    if (replicas->nodes[node].flows.count == 0) {
        replicas->nodes[node].disk_full = false; /* nobody asks it any more: what it said grows old */
        dial(replicas, node);
    }
    forget_if_unused(replicas, node);
}

static void on_link_out(struct replicas *replicas, uint32_t number, bool up)
{
    struct node *node = &replicas->nodes[number];

    node->out_up = up;
    for (uint32_t at = node->flows.first; at != CHAIN_NONE; at = node->flows.hooks[at].next) {
        if (!up) flow_close(replicas, at, true);
        else timers_set(&replicas->flow_timers, at, replicas->mono_ns);
    }
}

/* What is owed to it was of that link. */
static void on_link_in(struct replicas *replicas, uint32_t number, bool up)
{
    struct node *node = &replicas->nodes[number];

    node->in_up = up;
    node->in_life += up;
    while (chain_take(&node->acks) != CHAIN_NONE) {
    }
    replicas->held_count -= node->held;
    node->held = false;
}

void replicas_on_link(struct replicas *replicas, int32_t node_id, enum peer_channel channel, bool up)
{
    const uint32_t node = channel == PEER_CONTROL ? NONE : replica_node_get(replicas, node_id);

    if (node == NONE) return;
    if (channel == PEER_DATA_OUT) on_link_out(replicas, node, up);
    else on_link_in(replicas, node, up);
    forget_if_unused(replicas, node);
}

bool node_send(struct replicas *replicas, uint32_t node, enum peer_channel channel, enum replica_kind kind,
               const uint8_t *bytes, uint32_t size)
{
    const struct bytes part = { bytes, size };

    if (replicas->rooms.peers == NULL) return false;
    return peers_send(replicas->rooms.peers, replicas->nodes[node].id, channel, (uint8_t)kind, &part, 1) == PEER_SENT;
}

/* ---- registrations ---- */

/* Its streams spoke to another process, which may have had another disk: nothing that it said holds any more. */
static void forget_sessions(struct replicas *replicas, uint32_t number)
{
    const struct node *node = &replicas->nodes[number];

    for (uint32_t at = node->flows.first; at != CHAIN_NONE; at = node->flows.hooks[at].next) {
        const struct flow *flow = flow_at(replicas, at);
        flow_close(replicas, at, true);
        watermark_on_session(&partition_at(replicas, flow->log)->watermark, flow->slot, replicas->next_session++);
        timers_set(&replicas->flow_timers, at, replicas->mono_ns);
    }
}

static void decide_all(struct replicas *replicas, uint32_t number)
{
    const struct chain *flows = &replicas->nodes[number].flows;

    for (uint32_t at = flows->first; at != CHAIN_NONE; at = flows->hooks[at].next) {
        leading_decide(replicas, flow_at(replicas, at)->log);
    }
}

static void keep_address(struct node *node, const struct peer_address *address)
{
    node->host_size = (uint8_t)MIN(address->host.size, (uint32_t)PEER_HOST_SIZE_MAX);
    if (node->host_size > 0) memcpy(node->host, address->host.data, node->host_size);
    node->port = node->host_size > 0 ? address->port : 0;
}

void replicas_on_broker(struct replicas *replicas, const struct replica_broker *broker)
{
    const uint32_t number =
        broker->node_id == replicas->config.node_id ? NONE : replica_node_get(replicas, broker->node_id);

    if (number == NONE) return;
    struct node *node = &replicas->nodes[number];
    const bool is_new = node->broker_epoch != broker->epoch;
    keep_address(node, &broker->wal_address);
    node->broker_epoch = broker->epoch;
    node->fenced = broker->fenced;
    node->shutting_down = broker->shutting_down;
    if (replicas->rooms.peers != NULL) (void)peers_know(replicas->rooms.peers, broker->node_id);
    dial(replicas, number);
    if (is_new) {
        node->disk_full = false;
        forget_sessions(replicas, number);
    }
    decide_all(replicas, number);
}

void replicas_on_broker_removed(struct replicas *replicas, int32_t node_id)
{
    const uint32_t number = replica_node_find(replicas, node_id);

    if (number == NONE) return;
    struct node *node = &replicas->nodes[number];
    node->broker_epoch = -1;
    node->port = 0;
    forget_sessions(replicas, number);
    decide_all(replicas, number);
    dial(replicas, number);
    if (node->wanted) {
        node->wanted = false;
        peers_unwant(replicas->rooms.peers, node_id, PEER_DATA_OUT);
    }
    forget_if_unused(replicas, number);
}

void node_set_full(struct replicas *replicas, uint32_t number, bool full)
{
    struct node *node = &replicas->nodes[number];

    if (node->disk_full == full || (!full && MUTANT(full_follower_stays_out))) return;
    node->disk_full = full;
    decide_all(replicas, number);
}

/* ---- beats ---- */

static void beat(struct replicas *replicas, uint32_t number)
{
    uint8_t bytes[BEAT_SIZE];
    struct node *node = &replicas->nodes[number];

    if (!node->wanted && node->flows.count > 0) dial(replicas, number); /* there was no room for it */
    if (!node->out_up || node->flows.count == 0) return;
    beat_write(bytes, &(struct beat_frame){ replicas->mono_ns, replicas->broker_epoch });
    /* Without room for it the link is busy enough to be heard of. */
    (void)node_send(replicas, number, PEER_DATA_OUT, REPLICA_BEAT, bytes, sizeof bytes);
}

static void sweep(struct replicas *replicas)
{
    const uint32_t end = replicas->flows_pool.fresh_first;

    for (uint32_t i = 0; i < MIN(end, (uint32_t)SWEPT_PER_BEAT); i++) {
        replicas->swept = replicas->swept + 1 < end ? replicas->swept + 1 : 0;
        if (!pool_is_taken(&replicas->flows_pool, replicas->swept)) continue;
        struct flow *flow = flow_at(replicas, replicas->swept);
        if (flow->stream.state != STREAM_MATCHED) continue;
        const int64_t start = log_offsets(replicas->rooms.logs, flow->log).log_start_offset;
        if (flow->held_start_offset > start) leading_learn_start(replicas, flow->log);
        /* It may have had no memory for it when it was told. */
        if (flow->held_start_offset < start) flow->sent_start_offset = -1;
        if (start != flow->sent_start_offset) flow_tell(replicas, replicas->swept);
    }
}

/* What we lead takes nothing more if our disk does not: others may have room. A beat later they have said so. */
static void look_at_own_disk(struct replicas *replicas)
{
    const bool full = logs_usage(replicas->rooms.logs).disk_full;
    const bool lasts = full && replicas->own_fills;

    if (lasts && !replicas->own_full) replicas->resigned = 0;
    replicas->own_full = lasts;
    replicas->own_fills = full;
}

void nodes_work(struct replicas *replicas)
{
    if (replicas->flows_pool.taken_count == 0) { /* nothing that we lead has anywhere to go */
        replicas->own_fills = replicas->own_full = false;
        return;
    }
    if (replicas->mono_ns < replicas->next_beat_ns) return;
    replicas->next_beat_ns = replicas->mono_ns + BEAT_NS;
    look_at_own_disk(replicas);
    for (uint32_t number = 0; number < replicas->nodes_pool.fresh_first; number++) {
        if (pool_is_taken(&replicas->nodes_pool, number)) beat(replicas, number);
    }
    sweep(replicas);
}

void nodes_on_beat(struct replicas *replicas, uint32_t number, const struct beat_frame *beat)
{
    uint8_t bytes[BEAT_ANSWER_SIZE];

    if (beat->broker_epoch < replicas->nodes[number].broker_epoch) {
        replicas->counters.stale++;
        return;
    }
    beat_answer_write(bytes, &(struct beat_answer_frame){ .sent_ns = beat->sent_ns,
                                                          .broker_epoch = replicas->broker_epoch,
                                                          .disk_full = logs_usage(replicas->rooms.logs).disk_full });
    (void)node_send(replicas, number, PEER_DATA_IN, REPLICA_BEAT_ANSWER, bytes, sizeof bytes);
}

void nodes_on_beat_answer(struct replicas *replicas, uint32_t number, const struct beat_answer_frame *answer)
{
    struct node *node = &replicas->nodes[number];

    if (answer->broker_epoch != node->broker_epoch) {
        replicas->counters.stale++;
        return;
    }
    if (answer->sent_ns > replicas->mono_ns) {
        replicas->counters.malformed++;
        return;
    }
    node->answered_ns = MAX(node->answered_ns, answer->sent_ns);
    node_set_full(replicas, number, answer->disk_full);
}
