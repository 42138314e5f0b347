/* replicas.c -- the front of the room: what the metadata log says, who leads, which frame goes where. */
#include "replica/replicas.h"

#include "replica/state.h"

void replicas_set_lag(struct replicas *replicas, uint64_t lag_ns)
{
    replicas->lag_ns = lag_ns;
    for (uint32_t log = 0; log < replicas->partitions_end; log++) {
        if (replicas->partitions[log].role == ROLE_LEADER) leading_decide(replicas, log);
    }
}

void replicas_open(struct replicas *replicas, int64_t broker_epoch)
{
    replicas->open = true;
    replicas->broker_epoch = broker_epoch;
    replicas->lent_max = logs_usage(replicas->rooms.logs).tail_memory_size / LENT_PART;
    replicas->due = true;
}

/* Nothing is promised before our registration is applied, nor while the logs end. */
static bool is_open(const struct replicas *replicas)
{
    return replicas->open && logs_state(replicas->rooms.logs) == LOGS_OPEN;
}

/* ---- who leads ---- */

void partition_resign(struct replicas *replicas, uint32_t log)
{
    struct partition *partition = partition_at(replicas, log);

    if (partition->role == ROLE_LEADER) tell_loss(replicas, log, LOST_LEADERSHIP);
    leading_end(replicas, log);
    partition->role = ROLE_FOLLOWER;
}

static void begin(struct replicas *replicas, uint32_t log, const struct replica_partition *said)
{
    struct partition *partition = partition_at(replicas, log);
    /* It may wait in a line still, where an entry is at most once. */
    const struct partition before = *partition;
    const bool same = uuid_equal(&before.topic_id, &said->topic_id) && before.index == said->index;

    *partition = (struct partition){
        .role = ROLE_FOLLOWER,
        .cutting = same && before.cutting,
        .anew = same && before.anew,
        .watermark_queued = before.watermark_queued,
        .wish_queued = before.wish_queued,
        .loss_queued = before.loss_queued,
        .topic_id = said->topic_id,
        .index = said->index,
        .leader = -1,
        .leader_epoch = -1,
        .partition_epoch = -1,
        .follower.leader_epoch = -1,
    };
    (void)map_put(&replicas->by_id, map_key_id(&said->topic_id, (uint32_t)said->index), log);
    if (replicas->partitions_end <= log) replicas->partitions_end = log + 1;
}

static void adopt(struct partition *partition, const struct replica_partition *said)
{
    partition->leader = said->leader;
    partition->leader_epoch = said->leader_epoch;
    partition->partition_epoch = said->partition_epoch;
    partition->last_unclean_epoch = said->last_unclean_epoch;
    partition->recovering = said->recovering;
    partition->relaxed = said->relaxed;
    partition->isr_min = MAX(said->isr_min, (uint8_t)1);
    partition->replica_count = said->replica_count;
    memcpy(partition->replicas, said->replicas, sizeof partition->replicas);
    partition->replica_isr = said->isr;
    partition->replica_elr = said->elr;
    partition->replica_observers = said->observers;
}

/* To be led here. */
static bool is_ours(const struct replicas *replicas, const struct partition *partition)
{
    bool has_replica = false;

    for (uint8_t i = 0; i < partition->replica_count; i++) {
        has_replica |= partition->replicas[i] == replicas->config.node_id;
    }
    return has_replica && partition->leader == replicas->config.node_id;
}

static void follow(struct replicas *replicas, uint32_t log)
{
    struct partition *partition = partition_at(replicas, log);
    const struct follower *follower = &partition->follower;
    const bool moved = follower->leader_epoch < partition->leader_epoch ||
                       (follower->leader_epoch == partition->leader_epoch && follower->leader != partition->leader);

    if (partition_is_led(partition)) partition_resign(replicas, log);
    if (follower->state != FOLLOWER_CLOSED && moved) following_end(replicas, log);
}

/* What the log had, and what the journal still has of it, is of an earlier life of the replica. */
static void begin_anew(struct replicas *replicas, uint32_t log)
{
    struct partition *partition = partition_at(replicas, log);

    partition->anew = partition->cutting;
    if (partition->cutting) return;
    logs_reset(replicas->rooms.logs, log, 0);
    partition->cutting = true;
}

void replicas_on_partition(struct replicas *replicas, uint32_t log, const struct replica_partition *said)
{
    struct partition *partition = partition_at(replicas, log);
    const bool alone = said->replica_count == 1 && !said->relaxed && !said->recovering;

    CHECK(said->replica_count >= 1 && said->replica_count <= REPLICAS_OF_PARTITION_MAX);
    const bool is_new = partition->role == ROLE_NONE;
    if (is_new) begin(replicas, log, said);
    const bool newer = said->leader_epoch > partition->leader_epoch;
    const bool newer_config = said->partition_epoch > partition->partition_epoch;
    const bool other_promise = !is_new && said->relaxed != partition->relaxed;

    if (is_new || alone != partition->alone) logs_set_replicated(replicas->rooms.logs, log, !alone);
    partition->alone = alone;
    partition->offline = false; /* what has changed may explain it */
    if (newer && partition_is_led(partition)) partition_resign(replicas, log);
    adopt(partition, said);
    /* It is not new to the cluster, so this node may have had it before. */
    if (is_new && said->partition_epoch > 0 && is_open(replicas)) begin_anew(replicas, log);
    if (!is_ours(replicas, partition)) {
        follow(replicas, log);
    } else if (!partition_is_led(partition)) {
        following_end(replicas, log);
        leading_want(replicas, log);
    } else if (partition->role == ROLE_LEADER) {
        if (other_promise) leading_on_promise(replicas, log);
        leading_on_partition(replicas, log, newer_config);
    }
}

void replicas_on_partition_removed(struct replicas *replicas, uint32_t log)
{
    struct partition *partition = partition_at(replicas, log);

    if (partition->role == ROLE_NONE) return;
    if (partition_is_led(partition)) leading_end(replicas, log);
    following_end(replicas, log);
    (void)map_remove(&replicas->by_id, map_key_id(&partition->topic_id, (uint32_t)partition->index));
    partition->losses = 0;
    partition->role = ROLE_NONE;
    if (is_open(replicas)) begin_anew(replicas, log);
}

/* ---- what logs did ---- */

void replicas_on_end(struct replicas *replicas, uint32_t log)
{
    if (partition_at(replicas, log)->role == ROLE_LEADER) leading_on_log(replicas, log);
}

void replicas_on_durable(struct replicas *replicas, uint32_t log)
{
    const struct partition *partition = partition_at(replicas, log);

    if (partition->role == ROLE_LEADER) leading_on_log(replicas, log);
    if (partition->role == ROLE_FOLLOWER) following_on_durable(replicas, log);
}

void replicas_on_truncated(struct replicas *replicas, uint32_t log, bool failed, struct effects *effects)
{
    struct partition *partition = partition_at(replicas, log);
    const bool anew = partition->anew;

    if (anew) {
        partition->cutting = false;
        if (is_open(replicas)) begin_anew(replicas, log); /* logs that end take no orders */
    } else if (partition->role == ROLE_NONE) {
        partition->cutting = false;
    } else {
        following_on_truncated(replicas, log, failed, effects);
    }
}

void replicas_on_returned(struct replicas *replicas, const struct peer_returned *returned)
{
    sending_on_returned(replicas, returned);
}

/* ---- frames ---- */

static bool malformed(struct replicas *replicas)
{
    replicas->counters.malformed++;
    return true;
}

/* What a leader sends to us. */
static bool on_leader_frame(struct replicas *replicas, uint32_t node, const struct peer_frame *frame,
                            struct effects *effects)
{
    struct open_frame open;
    struct data_frame data;
    struct beat_frame beat;

    replicas->nodes[node].heard_ns = replicas->mono_ns;
    switch (frame->kind) {
    case REPLICA_OPEN:
        if (!open_read(frame->payload, &open)) return malformed(replicas);
        following_on_open(replicas, node, &open, effects);
        return true;
    case REPLICA_DATA:
        if (!data_read(frame->payload, &data)) return malformed(replicas);
        return following_on_data(replicas, node, &data);
    case REPLICA_BEAT:
        if (!beat_read(frame->payload, &beat)) return malformed(replicas);
        nodes_on_beat(replicas, node, &beat);
        return true;
    default: return malformed(replicas); /* a byte of the peer's, not a value of ours */
    }
}

/* What a follower answers. */
static bool on_follower_frame(struct replicas *replicas, uint32_t node, const struct peer_frame *frame,
                              struct effects *effects)
{
    struct open_answer_frame answer;
    struct ack_frame ack;
    struct nack_frame nack;
    struct beat_answer_frame beat;

    switch (frame->kind) {
    case REPLICA_OPEN_ANSWER:
        if (!open_answer_read(frame->payload, &answer)) return malformed(replicas);
        streams_on_answer(replicas, node, &answer);
        return true;
    case REPLICA_ACK:
        if (!ack_read(frame->payload, &ack)) return malformed(replicas);
        leading_on_ack(replicas, node, &ack, effects);
        return true;
    case REPLICA_NACK:
        if (!nack_read(frame->payload, &nack)) return malformed(replicas);
        streams_on_nack(replicas, node, &nack);
        return true;
    case REPLICA_BEAT_ANSWER:
        if (!beat_answer_read(frame->payload, &beat)) return malformed(replicas);
        nodes_on_beat_answer(replicas, node, &beat);
        return true;
    default: return malformed(replicas);
    }
}

bool replicas_on_frame(struct replicas *replicas, const struct peer_frame *frame, struct effects *effects)
{
    const uint32_t number = replica_node_get(replicas, frame->node_id);

    replicas->counters.received_frames++;
    replicas->counters.received_size += frame->payload.size;
    if (number == NONE || !is_open(replicas)) return true; /* whoever is not answered asks again */
    if (frame->channel == PEER_DATA_OUT) return on_follower_frame(replicas, number, frame, effects);
    if (frame->channel != PEER_DATA_IN) return malformed(replicas);
    if (on_leader_frame(replicas, number, frame, effects)) return true;
    struct node *node = &replicas->nodes[number];
    replicas->held_count += !node->held;
    node->held = true;
    return false;
}

/* ---- steps ---- */

void replicas_on_time(struct replicas *replicas, uint64_t mono_ns, int64_t wall_ms)
{
    replicas->mono_ns = mono_ns;
    replicas->wall_ms = wall_ms;
}

static void run_timers(struct replicas *replicas)
{
    uint32_t bound = TIMERS_PER_STEP, number;

    while (bound > 0 && (number = timers_pop_due(&replicas->partition_timers, replicas->mono_ns)) != TIMERS_NO_SLOT) {
        leading_on_time(replicas, number);
        bound--;
    }
    while (bound > 0 && (number = timers_pop_due(&replicas->flow_timers, replicas->mono_ns)) != TIMERS_NO_SLOT) {
        flow_open(replicas, number);
        bound--;
    }
    replicas->due |= bound == 0;
}

void replicas_gather(struct replicas *replicas)
{
    replicas->gathers = true;
}

void replicas_work(struct replicas *replicas, struct effects *effects)
{
    replicas->due = false;
    if (!is_open(replicas)) return;
    leading_work(replicas);
    run_timers(replicas);
    following_work(replicas);
    nodes_work(replicas);
    leading_resign(replicas);
    streams_work(replicas, effects);
    reading_work(replicas, effects);
    sending_work(replicas, effects);
    replicas->gathers = false;
}

uint64_t replicas_deadline_ns(const struct replicas *replicas)
{
    uint64_t deadline = UINT64_MAX;

    if (!is_open(replicas)) return UINT64_MAX;
    if (replicas->due) return 0;
    deadline = MIN(timers_next(&replicas->partition_timers), timers_next(&replicas->flow_timers));
    deadline = MIN(deadline, MIN(sending_deadline_ns(replicas), reading_deadline_ns(replicas)));
    if (replicas->starts.count > 0) deadline = MIN(deadline, replicas->mono_ns + START_NS);
    if (replicas->flows_pool.taken_count > 0) deadline = MIN(deadline, replicas->next_beat_ns);
    return deadline;
}
