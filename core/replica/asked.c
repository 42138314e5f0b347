/* asked.c -- what became true, and questions. */
#include "replica/state.h"

/* ---- what became true ---- */

void tell_watermark(struct replicas *replicas, uint32_t log)
{
    queue_push(&replicas->watermarks, &partition_at(replicas, log)->watermark_queued, log);
}

uint32_t replicas_next_watermark(struct replicas *replicas)
{
    for (uint32_t log; (log = queue_pop(&replicas->watermarks)) != NONE;) {
        struct partition *partition = partition_at(replicas, log);
        partition->watermark_queued = false;
        if (partition->role != ROLE_NONE) return log;
    }
    return LOG_NONE;
}

void tell_loss(struct replicas *replicas, uint32_t log, uint8_t loss)
{
    struct partition *partition = partition_at(replicas, log);

    partition->losses |= loss;
    queue_push(&replicas->losses, &partition->loss_queued, log);
}

bool replicas_next_loss(struct replicas *replicas, struct replica_loss *loss)
{
    for (uint32_t log; (log = queue_pop(&replicas->losses)) != NONE;) {
        struct partition *partition = partition_at(replicas, log);
        partition->loss_queued = false;
        if (partition->losses == 0) continue; /* it is gone as a whole */
        /* Who lost its leader need not know that others are missing as well. */
        const bool leadership = (partition->losses & LOST_LEADERSHIP) != 0;
        *loss = (struct replica_loss){ log, leadership ? LOSS_LEADERSHIP : LOSS_MIN_ISR };
        partition->losses = 0;
        return true;
    }
    return false;
}

void tell_wish(struct replicas *replicas, uint32_t log)
{
    queue_push(&replicas->wishes, &partition_at(replicas, log)->wish_queued, log);
}

static void wish_of(struct replicas *replicas, uint32_t log, struct replica_wish *wish)
{
    const struct partition *partition = partition_at(replicas, log);

    *wish = (struct replica_wish){
        .log = log,
        .topic_id = partition->topic_id,
        .index = partition->index,
        .leader_epoch = partition->leader_epoch,
        .partition_epoch = partition->partition_epoch,
    };
    for (uint8_t slot = 0; slot < partition->watermark.replica_count; slot++) {
        if (!slots_have(partition->isr.asked_for, slot)) continue;
        int64_t epoch = partition->asked_epochs[slot];
        if (MUTANT(wish_names_newest_epochs) && slot != partition->own_slot) {
            const uint32_t node = replica_node_find(replicas, partition->nodes[slot]);
            epoch = node == NONE ? -1 : replicas->nodes[node].broker_epoch;
        }
        wish->isr[wish->isr_count] = partition->nodes[slot];
        wish->broker_epochs[wish->isr_count++] = epoch;
    }
}

bool replicas_next_wish(struct replicas *replicas, struct replica_wish *wish)
{
    for (uint32_t log; (log = queue_pop(&replicas->wishes)) != NONE;) {
        struct partition *partition = partition_at(replicas, log);
        partition->wish_queued = false;
        if (partition->role != ROLE_LEADER || !partition->isr.asked) continue;
        wish_of(replicas, log, wish);
        return true;
    }
    return false;
}

/* ---- questions ---- */

enum append_permission replicas_may_append(const struct replicas *replicas, uint32_t log, bool acks_all)
{
    CHECK(log < replicas->config.partitions_max);
    const struct partition *partition = &replicas->partitions[log];

    if (partition->role != ROLE_LEADER) return APPEND_NOT_LED;
    if (acks_all && slots_count(partition->isr.sets.current) < partition->isr_min) return APPEND_NOT_ENOUGH;
    return APPEND_PERMITTED;
}

int32_t replicas_leader_epoch(const struct replicas *replicas, uint32_t log)
{
    CHECK(log < replicas->config.partitions_max);
    const struct partition *partition = &replicas->partitions[log];

    return partition->role == ROLE_LEADER ? partition->leader_epoch : -1;
}

bool replicas_watermark_is_known(const struct replicas *replicas, uint32_t log)
{
    CHECK(log < replicas->config.partitions_max);
    const struct partition *partition = &replicas->partitions[log];

    if (partition->role != ROLE_LEADER || partition->alone) return true;
    return partition->watermark.high_watermark >= partition->epoch_start;
}

bool replicas_start_is_held(const struct replicas *replicas, uint32_t log, int64_t log_start_offset)
{
    CHECK(log < replicas->config.partitions_max);
    const struct partition *partition = &replicas->partitions[log];
    const slot_set counting = watermark_waits_for(&partition->watermark);

    if (partition->role != ROLE_LEADER) return false;
    if (partition->alone || MUTANT(deletion_is_told_to_nobody)) return true;
    if (slots_count(partition->isr.sets.current) < partition->isr_min) return false;
    for (uint8_t slot = 0; slot < partition->watermark.replica_count; slot++) {
        if (slot == partition->own_slot || !slots_have(counting, slot)) continue;
        if (partition->flows[slot] == 0) return false;
        const struct flow *flow = &replicas->flows[partition->flows[slot] - 1];
        if (flow->stream.state != STREAM_MATCHED || flow->held_start_offset < log_start_offset) return false;
    }
    return true;
}

static uint8_t slot_of(const struct partition *partition, int32_t node_id)
{
    for (uint8_t slot = 0; slot < partition->watermark.replica_count; slot++) {
        if (partition->nodes[slot] == node_id) return slot;
    }
    return REPLICA_SLOT_NONE;
}

int64_t replicas_held_offset(const struct replicas *replicas, uint32_t log, int32_t node_id)
{
    CHECK(log < replicas->config.partitions_max);
    const struct partition *partition = &replicas->partitions[log];
    const uint8_t slot = partition->role == ROLE_LEADER ? slot_of(partition, node_id) : REPLICA_SLOT_NONE;

    return slot == REPLICA_SLOT_NONE ? -1 : partition->watermark.held_offset[slot];
}

bool replicas_view(const struct replicas *replicas, uint32_t log, uint32_t number, struct replica_view *view)
{
    CHECK(log < replicas->config.partitions_max);
    const struct partition *partition = &replicas->partitions[log];
    if (partition->role != ROLE_LEADER || number >= partition->watermark.replica_count) return false;
    const uint8_t slot = (uint8_t)number;

    *view = (struct replica_view){
        .node_id = partition->nodes[slot],
        .in_sync = slots_have(partition->isr.sets.current, slot),
        .joining = slots_have(partition->isr.sets.joining, slot),
        .wished = slots_have(partition->isr.sets.proposed, slot),
        .observes = partition_is_observed_by(partition, partition->nodes[slot]),
        .held_offset = partition->watermark.held_offset[slot],
        .asked_epoch = partition->isr.asked ? partition->asked_epochs[slot] : -1,
        .caught_up_ns = replicas->mono_ns,
    };
    if (partition->flows[slot] == 0) return true;
    const struct flow *flow = &replicas->flows[partition->flows[slot] - 1];
    view->streaming = flow->stream.state == STREAM_MATCHED;
    view->caught_up_ns = leader_stream_caught_up_ns(&flow->stream, partition->watermark.log_end_offset,
                                                    replicas->nodes[flow->node].answered_ns);
    return true;
}

bool replicas_lack_of(const struct replicas *replicas, uint32_t log, uint64_t *records, uint64_t *silent_ns)
{
    CHECK(log < replicas->config.partitions_max);
    const struct partition *partition = &replicas->partitions[log];
    const struct follower *follower = &partition->follower;

    if (partition->role != ROLE_FOLLOWER || !follower->told) return false;
    const int64_t end = log_offsets(replicas->rooms.logs, log).log_end_offset;
    const uint32_t node = replica_node_find(replicas, follower->leader);
    const uint64_t heard_ns = node == NONE ? 0 : replicas->nodes[node].heard_ns;
    *records = (uint64_t)MAX(follower->told_watermark - end, (int64_t)0);
    *silent_ns = replicas->mono_ns - MIN(heard_ns, replicas->mono_ns);
    return true;
}

struct replicas_lack replicas_lack(const struct replicas *replicas)
{
    struct replicas_lack lack = { .partitions = 0 };

    for (uint32_t log = 0; log < replicas->partitions_end; log++) {
        uint64_t records, silent_ns;
        if (replicas->partitions[log].role != ROLE_FOLLOWER) continue;
        lack.partitions++;
        if (!replicas_lack_of(replicas, log, &records, &silent_ns)) {
            lack.unheard++;
            continue;
        }
        lack.behind += records > 0;
        lack.records += records;
        lack.silent_ns = MAX(lack.silent_ns, silent_ns);
    }
    return lack;
}

const struct replicas_counters *replicas_counters(const struct replicas *replicas)
{
    return &replicas->counters;
}
