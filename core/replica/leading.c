/* leading.c -- a partition as its leader has it: the epoch begins, acks come, the ISR is kept. */
#include "replica/state.h"

enum { OWN_SESSION = 1 };

static uint8_t slot_of(const struct partition *partition, int32_t node_id)
{
    for (uint8_t slot = 0; slot < partition->watermark.replica_count; slot++) {
        if (partition->nodes[slot] == node_id) return slot;
    }
    return REPLICA_SLOT_NONE;
}

/* Who is in sync, by slot, as the metadata log has it. */
static slot_set slots_in_sync(const struct partition *partition)
{
    slot_set set = slot_bit(partition->own_slot);

    for (uint8_t i = 0; i < partition->replica_count; i++) {
        const uint8_t slot = slot_of(partition, partition->replicas[i]);
        if ((partition->replica_isr >> i & 1) != 0 && slot != REPLICA_SLOT_NONE) set |= slot_bit(slot);
    }
    return set;
}

/* ---- the high watermark, and where the log begins ---- */

/* Who led before may have been lost before all knew what it had deleted. What is gone where a successor may come from
 * is gone everywhere: or it would be back, and lacking there. */
void leading_learn_start(struct replicas *replicas, uint32_t log)
{
    const struct partition *partition = partition_at(replicas, log);
    const struct log_offsets offsets = log_offsets(replicas->rooms.logs, log);
    int64_t start = 0;
    if (MUTANT(leader_forgets_what_was_deleted)) return;

    for (uint8_t slot = 0; slot < partition->watermark.replica_count; slot++) {
        if (partition->flows[slot] == 0) continue;
        const struct flow *flow = &replicas->flows[partition->flows[slot] - 1];
        if (flow->stream.state == STREAM_MATCHED) start = MAX(start, flow->held_start_offset);
    }
    start = MIN(start, offsets.high_watermark); /* the rest when that is known to be committed */
    if (start > offsets.next_start_offset) (void)logs_advance_start(replicas->rooms.logs, log, start); /* or later */
}

static void watermark_rose(struct replicas *replicas, uint32_t log)
{
    struct partition *partition = partition_at(replicas, log);

    logs_set_high_watermark(replicas->rooms.logs, log, partition->watermark.high_watermark);
    tell_watermark(replicas, log);
    leading_learn_start(replicas, log);
    for (uint8_t slot = 0; slot < partition->watermark.replica_count; slot++) {
        if (partition->flows[slot] != 0) flow_tell(replicas, partition->flows[slot] - 1);
    }
}

/* Who counts may have changed. */
static void count_anew(struct replicas *replicas, uint32_t log)
{
    struct partition *partition = partition_at(replicas, log);

    if (watermark_on_isr(&partition->watermark, &partition->isr.sets, partition->isr_min))
        watermark_rose(replicas, log);
}

/* What was deleted must not come back with another leader: followers learn of it at once. */
static void tell_start(struct replicas *replicas, const struct partition *partition, int64_t log_start_offset)
{
    for (uint8_t slot = 0; slot < partition->watermark.replica_count; slot++) {
        if (partition->flows[slot] == 0) continue;
        const struct flow *flow = flow_at(replicas, partition->flows[slot] - 1);
        if (flow->sent_start_offset != log_start_offset) flow_tell(replicas, partition->flows[slot] - 1);
    }
}

void leading_on_log(struct replicas *replicas, uint32_t log)
{
    struct partition *partition = partition_at(replicas, log);
    struct watermark *watermark = &partition->watermark;
    if (partition->alone) return;
    const struct log_offsets offsets = log_offsets(replicas->rooms.logs, log);
    const bool grew = offsets.log_end_offset > watermark->log_end_offset;

    for (uint8_t slot = 0; grew && slot < watermark->replica_count; slot++) {
        if (partition->flows[slot] == 0) continue;
        struct flow *flow = flow_at(replicas, partition->flows[slot] - 1);
        leader_stream_on_append(&flow->stream, watermark->log_end_offset, replicas->nodes[flow->node].answered_ns);
    }
    watermark_on_append(watermark, offsets.log_end_offset);
    for (uint8_t slot = 0; grew && slot < watermark->replica_count; slot++) {
        if (partition->flows[slot] != 0) flow_queue(replicas, partition->flows[slot] - 1);
    }
    tell_start(replicas, partition, offsets.log_start_offset);
    const struct ack own = {
        .slot = partition->own_slot,
        .session = OWN_SESSION,
        .leader_epoch = partition->leader_epoch,
        .held_offset =
            partition->relaxed || MUTANT(leader_counts_its_memory) ? offsets.log_end_offset : offsets.durable_offset,
    };
    if (watermark_on_ack(watermark, &own) == ACK_COMMITTED) watermark_rose(replicas, log);
}

/* ---- begin and end ---- */

void leading_want(struct replicas *replicas, uint32_t log)
{
    partition_at(replicas, log)->role = ROLE_STARTING;
    chain_add(&replicas->starts, log);
}

/* Replicas that have no stream get one, or are tried again. */
static void begin_flows(struct replicas *replicas, uint32_t log)
{
    struct partition *partition = partition_at(replicas, log);

    partition->flows_again_ns = UINT64_MAX;
    for (uint8_t i = 0; i < partition->replica_count; i++) {
        const int32_t id = partition->replicas[i];
        const uint8_t slot = slot_of(partition, id);
        if (id == replicas->config.node_id || slot == REPLICA_SLOT_NONE || partition->flows[slot] != 0) continue;
        const uint32_t node = replica_node_get(replicas, id);
        if (node != NONE && flow_begin(replicas, log, slot, node) != NONE) continue;
        if (node != NONE) replica_node_release(replicas, node);
        replicas->counters.no_room++;
        partition->flows_again_ns = replicas->mono_ns + FLOWS_AGAIN_NS;
    }
}

/* Replicas that have no slot yet get one, and a stream. */
static void add_replicas(struct replicas *replicas, uint32_t log)
{
    struct partition *partition = partition_at(replicas, log);

    for (uint8_t i = 0; i < partition->replica_count; i++) {
        const int32_t id = partition->replicas[i];
        if (slot_of(partition, id) != REPLICA_SLOT_NONE) continue;
        const uint8_t slot = watermark_add_replica(&partition->watermark);
        if (slot == REPLICA_SLOT_NONE) break; /* a list of so many has lost some, and so it is another epoch */
        partition->nodes[slot] = id;
        partition->flows[slot] = 0;
        if (id == replicas->config.node_id) partition->own_slot = slot;
    }
    begin_flows(replicas, log);
}

static void begin(struct replicas *replicas, uint32_t log)
{
    struct partition *partition = partition_at(replicas, log);
    const struct log_offsets offsets = log_offsets(replicas->rooms.logs, log);
    const struct watermark opening = {
        .leader_epoch = partition->leader_epoch,
        .isr_min = partition->isr_min,
        .log_end_offset = offsets.log_end_offset,
        .high_watermark = offsets.high_watermark,
    };

    partition->role = ROLE_LEADER;
    logs_set_led(replicas->rooms.logs, log, true);
    partition->epoch_start = offsets.log_end_offset;
    partition->begun_ns = replicas->mono_ns;
    watermark_init(&partition->watermark, &opening);
    add_replicas(replicas, log);
    partition->watermark.session[partition->own_slot] = OWN_SESSION;
    isr_init(&partition->isr, partition->own_slot, slots_in_sync(partition));
    count_anew(replicas, log);
    leading_on_log(replicas, log);
    leading_decide(replicas, log);
}

/* False: the log is not ready yet. */
static bool try_to_begin(struct replicas *replicas, uint32_t log)
{
    struct partition *partition = partition_at(replicas, log);
    if (partition->cutting) return false;
    const struct log_offsets offsets = log_offsets(replicas->rooms.logs, log);

    if (!offsets.producers_known) return false; /* it could not tell a duplicate from a gap */
    /* Elected uncleanly, it may have been told that records are committed which only other disks had. */
    if (offsets.durable_offset < offsets.high_watermark && !partition->relaxed) return false;
    if (offsets.leader_epoch > partition->leader_epoch) {
        /* Its records are of a later time than the metadata of this cluster. */
        partition->role = ROLE_FOLLOWER;
        replicas->counters.offline++;
        return true;
    }
    /* Its begin lies in the journal before all that is appended in this epoch, and so is durable before any of it. */
    if (logs_begin_epoch(replicas->rooms.logs, log, partition->leader_epoch) == 0) return false;
    begin(replicas, log);
    return true;
}

void leading_work(struct replicas *replicas)
{
    uint32_t count = MIN(replicas->starts.count, (uint32_t)STARTS_PER_STEP);

    while (count-- > 0) {
        const uint32_t log = chain_take(&replicas->starts);
        if (partition_at(replicas, log)->role != ROLE_STARTING) continue;
        if (!try_to_begin(replicas, log)) chain_add(&replicas->starts, log);
    }
}

void leading_end(struct replicas *replicas, uint32_t log)
{
    struct partition *partition = partition_at(replicas, log);

    chain_remove(&replicas->starts, log);
    if (partition->role == ROLE_LEADER) logs_set_led(replicas->rooms.logs, log, false);
    timers_clear(&replicas->partition_timers, log);
    for (uint8_t slot = 0; slot < REPLICA_SLOTS_MAX; slot++) {
        if (partition->flows[slot] != 0) flow_end(replicas, partition->flows[slot] - 1);
    }
}

/* ---- the ISR ---- */

/* All that there is was sent, and all that was deleted is. */
static bool is_live(const struct replicas *replicas, const struct partition *partition, const struct flow *flow)
{
    if (flow->stream.state != STREAM_MATCHED) return false;
    if (flow->held_start_offset < log_offsets(replicas->rooms.logs, flow->log).log_start_offset) return false;
    return logs_bytes_between(replicas->rooms.logs, flow->log, flow->stream.next_offset,
                              partition->watermark.log_end_offset) <= replicas->window_size;
}

static void facts_of(const struct replicas *replicas, const struct partition *partition, struct isr_facts *facts)
{
    for (uint8_t slot = 0; slot < partition->watermark.replica_count; slot++) {
        facts[slot] = (struct isr_facts){ .broker_epoch = -1,
                                          .held_offset = partition->watermark.held_offset[slot],
                                          .caught_up_ns = partition->begun_ns };
        if (partition->flows[slot] == 0) continue;
        const struct flow *flow = &replicas->flows[partition->flows[slot] - 1];
        const struct node *node = &replicas->nodes[flow->node];
        facts[slot].eligible = node_is_eligible(node) && !partition_is_observed_by(partition, node->id);
        facts[slot].live = is_live(replicas, partition, flow);
        facts[slot].full = node->disk_full;
        facts[slot].broker_epoch = flow->broker_epoch;
        facts[slot].caught_up_ns =
            leader_stream_caught_up_ns(&flow->stream, partition->watermark.log_end_offset, node->answered_ns);
    }
}

static struct isr_view view_of(const struct replicas *replicas, const struct partition *partition,
                               const struct isr_facts *facts)
{
    return (struct isr_view){
        .mono_ns = replicas->mono_ns,
        .lag_ns = replicas->lag_ns,
        .high_watermark = partition->watermark.high_watermark,
        .epoch_start = partition->epoch_start,
        .replica_count = partition->watermark.replica_count,
        .isr_min = partition->isr_min,
        .own_full = replicas->own_full,
        .facts = facts,
    };
}

/* The epochs that a wish names are those of the processes that were judged: another one that has come since may have
 * lost what this one held (KIP-903, KAFKA-15221). */
static void keep_epochs(struct replicas *replicas, struct partition *partition, const struct isr_facts *facts)
{
    for (uint8_t slot = 0; slot < partition->watermark.replica_count; slot++) {
        const uint32_t node = replica_node_find(replicas, partition->nodes[slot]);
        const bool is_member = slots_have(partition->isr.sets.current, slot);
        const int64_t registered = node == NONE ? -1 : replicas->nodes[node].broker_epoch;
        partition->asked_epochs[slot] = is_member ? registered : facts[slot].broker_epoch;
    }
    partition->asked_epochs[partition->own_slot] = replicas->broker_epoch;
}

/* Who leads after an unclean election says first that it is done with what it had: then others may join. */
static bool decide_recovered(struct replicas *replicas, struct partition *partition)
{
    struct isr *isr = &partition->isr;

    if (isr->asked || replicas->mono_ns < isr->quiet_until_ns) return false;
    isr->asked = true;
    isr->asked_for = isr->sets.current;
    return true;
}

static bool decide(struct replicas *replicas, struct partition *partition, const struct isr_view *view)
{
    slot_set wanted;

    if (partition->recovering) return decide_recovered(replicas, partition);
    if (!isr_decide(&partition->isr, view, &wanted)) return false;
    replicas->counters.shrinks += (partition->isr.sets.current & ~wanted) != 0;
    replicas->counters.expands += (wanted & ~partition->isr.sets.current) != 0;
    return true;
}

void leading_decide(struct replicas *replicas, uint32_t log)
{
    struct partition *partition = partition_at(replicas, log);
    struct isr_facts facts[REPLICA_SLOTS_MAX];
    if (partition->role != ROLE_LEADER || partition->alone) return;

    facts_of(replicas, partition, facts);
    struct isr_view view = view_of(replicas, partition, facts);
    if (decide(replicas, partition, &view)) {
        keep_epochs(replicas, partition, facts);
        tell_wish(replicas, log);
    }
    count_anew(replicas, log);
    uint64_t deadline = isr_deadline_ns(&partition->isr, &view);
    if (partition->recovering) deadline = partition->isr.asked ? UINT64_MAX : partition->isr.quiet_until_ns;
    deadline = MIN(deadline, partition->flows_again_ns);
    timers_set(&replicas->partition_timers, log, MAX(deadline, replicas->mono_ns + 1));
}

void leading_on_time(struct replicas *replicas, uint32_t log)
{
    const struct partition *partition = partition_at(replicas, log);
    const bool is_due = replicas->mono_ns >= partition->flows_again_ns;

    if (partition->role == ROLE_LEADER && is_due) begin_flows(replicas, log);
    leading_decide(replicas, log);
}

void leading_resign(struct replicas *replicas)
{
    if (!replicas->own_full) return;
    for (uint32_t i = 0; i < RESIGNS_PER_STEP && replicas->resigned < replicas->partitions_end; i++) {
        leading_decide(replicas, replicas->resigned++);
    }
    replicas->due |= replicas->resigned < replicas->partitions_end;
}

void leading_on_lost(struct replicas *replicas, uint32_t log, uint8_t slot)
{
    isr_on_lost(&partition_at(replicas, log)->isr, slot, replicas->mono_ns);
    count_anew(replicas, log);
}

void leading_on_promise(struct replicas *replicas, uint32_t log)
{
    struct partition *partition = partition_at(replicas, log);
    if (MUTANT(old_promises_count)) return;

    for (uint8_t slot = 0; slot < partition->watermark.replica_count; slot++) {
        watermark_on_session(&partition->watermark, slot, slot == partition->own_slot ? OWN_SESSION : 0);
    }
    for (uint8_t slot = 0; slot < partition->watermark.replica_count; slot++) {
        if (partition->flows[slot] != 0) flow_close(replicas, partition->flows[slot] - 1, true);
    }
}

void leading_on_partition(struct replicas *replicas, uint32_t log, bool newer)
{
    struct partition *partition = partition_at(replicas, log);
    const struct watermark *watermark = &partition->watermark;
    const bool was_enough = slots_count(partition->isr.sets.current) >= watermark->isr_min;

    add_replicas(replicas, log);
    if (newer) isr_on_config(&partition->isr, slots_in_sync(partition));
    const bool is_enough = slots_count(partition->isr.sets.current) >= partition->isr_min;
    count_anew(replicas, log);
    if (was_enough && !is_enough) tell_loss(replicas, log, LOST_MIN_ISR);
    tell_watermark(replicas, log); /* who deletes waits for fewer, perhaps */
    leading_on_log(replicas, log);
    leading_decide(replicas, log);
}

void replicas_on_wish_refused(struct replicas *replicas, uint32_t log, int32_t leader_epoch, int32_t partition_epoch,
                              enum error error)
{
    struct partition *partition = partition_at(replicas, log);
    struct isr_facts facts[REPLICA_SLOTS_MAX];

    if (partition->role != ROLE_LEADER || partition->leader_epoch != leader_epoch) return;
    if (partition->partition_epoch != partition_epoch || !partition->isr.asked) return;
    facts_of(replicas, partition, facts);
    const struct isr_view view = view_of(replicas, partition, facts);
    isr_on_refused(&partition->isr, &view, error == ERROR_INELIGIBLE_REPLICA);
    count_anew(replicas, log);
    if (!MUTANT(isr_refusal_sets_no_timer)) leading_decide(replicas, log);
}

/* ---- acks ---- */

static void on_impossible_ack(struct replicas *replicas, uint32_t flow, const struct ack_entry *entry,
                              struct effects *effects)
{
    const struct node *node = &replicas->nodes[flow_at(replicas, flow)->node];

    replicas->counters.impossible_acks++;
    NOTE(effects, REPLICA_IMPOSSIBLE, node->id, entry->held_offset, entry->leader_number);
    flow_close(replicas, flow, false);
}

static void start_is_held(struct replicas *replicas, uint32_t number, int64_t log_start_offset)
{
    struct flow *flow = flow_at(replicas, number);

    if (log_start_offset <= flow->held_start_offset) return;
    flow->held_start_offset = log_start_offset;
    leading_learn_start(replicas, flow->log);
    tell_watermark(replicas, flow->log);
}

/* A bug that counts how many hold a record, and not who. */
static enum ack_verdict count_observer(struct partition *partition, const struct ack *ack)
{
    enum ack_verdict verdict = ACK_KEPT;

    for (uint8_t slot = 0; slot < partition->watermark.replica_count; slot++) {
        if (slot == partition->own_slot || !slots_have(partition->isr.sets.current, slot)) continue;
        const struct ack counted = { slot, partition->watermark.session[slot], ack->leader_epoch, ack->held_offset };
        if (watermark_on_ack(&partition->watermark, &counted) == ACK_COMMITTED) verdict = ACK_COMMITTED;
    }
    return verdict;
}

static void on_ack(struct replicas *replicas, uint32_t node, const struct ack_entry *entry, struct effects *effects)
{
    const uint32_t number = flow_find(replicas, node, entry->leader_number, entry->leader_epoch, entry->session);
    if (number == NONE || replicas->flows[number].stream.state != STREAM_MATCHED) {
        replicas->counters.stale++;
        return;
    }
    struct flow *flow = flow_at(replicas, number);
    struct partition *partition = partition_at(replicas, flow->log);
    const struct ack ack = { flow->slot, entry->session, entry->leader_epoch, entry->held_offset };

    const bool sent = entry->held_offset <= flow->stream.next_offset;
    enum ack_verdict verdict = sent ? watermark_on_ack(&partition->watermark, &ack) : ACK_IMPOSSIBLE;
    const bool observes = partition_is_observed_by(partition, replicas->nodes[node].id);
    if (observes && verdict == ACK_KEPT && MUTANT(observers_count)) verdict = count_observer(partition, &ack);
    switch (verdict) {
    case ACK_FENCED: replicas->counters.stale++; return;
    case ACK_IMPOSSIBLE: on_impossible_ack(replicas, number, entry, effects); return;
    case ACK_KEPT:
    case ACK_COMMITTED: break;
    }
    leader_stream_on_ack(&flow->stream, entry->held_offset);
    start_is_held(replicas, number, entry->log_start_offset);
    if (verdict == ACK_COMMITTED) watermark_rose(replicas, flow->log);
    flow_queue(replicas, number); /* the window may have opened */
    if (!slots_have(partition->isr.sets.current, flow->slot)) leading_decide(replicas, flow->log);
}

void leading_on_ack(struct replicas *replicas, uint32_t node, const struct ack_frame *ack, struct effects *effects)
{
    if (ack->broker_epoch != replicas->nodes[node].broker_epoch) {
        replicas->counters.stale += ack->count;
        return;
    }
    replicas->counters.acks_received += ack->count;
    for (uint32_t i = 0; i < ack->count; i++) {
        struct ack_entry entry;
        if (ack_read_entry(ack, i, &entry)) on_ack(replicas, node, &entry, effects);
        else replicas->counters.malformed++;
    }
}
