/* following.c -- a partition as its follower has it: sessions, what comes in them, and what is acknowledged. */
#include "replica/state.h"

static struct follower_log log_of(const struct replicas *replicas, uint32_t log)
{
    const struct log_offsets offsets = log_offsets(replicas->rooms.logs, log);

    return (struct follower_log){ offsets.log_start_offset, offsets.log_end_offset, offsets.high_watermark,
                                  offsets.leader_epoch };
}

/* ---- answers ---- */

static bool refuse(struct replicas *replicas, uint32_t node, const struct nack_frame *nack)
{
    struct nack_frame frame = *nack;
    uint8_t bytes[NACK_SIZE];

    frame.broker_epoch = replicas->broker_epoch;
    nack_write(bytes, &frame);
    if (!node_send(replicas, node, PEER_DATA_IN, REPLICA_NACK, bytes, sizeof bytes)) return false;
    replicas->counters.refused[frame.reason]++;
    return true;
}

static void owe(struct replicas *replicas, uint32_t log)
{
    struct partition *partition = partition_at(replicas, log);
    const uint32_t node = replica_node_find(replicas, partition->follower.leader);

    if (node == NONE || !replicas->nodes[node].in_up) return;
    partition->ack_node = node;
    chain_add(&replicas->nodes[node].acks, log);
    chain_add(&replicas->ackers, node);
}

/* The session of that partition is over, and whoever opened it is told why. Once: what is on its way is of no use. */
static void end_session(struct replicas *replicas, uint32_t log, enum nack_reason reason)
{
    struct partition *partition = partition_at(replicas, log);

    if (partition->follower.session == 0 || partition->refused == partition->follower.session) return;
    following_end(replicas, log);
    partition->refused = partition->follower.session;
    partition->refusal = (uint8_t)reason;
    partition->refusal_due = true;
    owe(replicas, log);
}

/* False: the link takes nothing now. */
static bool send_refusal(struct replicas *replicas, uint32_t node, uint32_t log)
{
    struct partition *partition = partition_at(replicas, log);
    const struct follower *follower = &partition->follower;

    return refuse(replicas, node,
                  &(struct nack_frame){
                      .leader_number = follower->leader_number,
                      .leader_epoch = follower->leader_epoch,
                      .session = follower->session,
                      .reason = (enum nack_reason)partition->refusal,
                      .known_epoch = partition->leader_epoch,
                      .log_end_offset = log_of(replicas, log).log_end_offset,
                  });
}

static void answer(struct replicas *replicas, uint32_t log)
{
    struct follower *follower = &partition_at(replicas, log)->follower;
    const struct follower_log own = log_of(replicas, log);
    const uint32_t node = replica_node_find(replicas, follower->leader);
    uint8_t bytes[OPEN_ANSWER_SIZE];

    follower->answer_due = false;
    open_answer_write(bytes, &(struct open_answer_frame){
                                 .leader_number = follower->leader_number,
                                 .leader_epoch = follower->leader_epoch,
                                 .session = follower->session,
                                 .broker_epoch = replicas->broker_epoch,
                                 .follower_number = log,
                                 .last_epoch = own.last_epoch,
                                 .log_start_offset = own.log_start_offset,
                                 .log_end_offset = own.log_end_offset,
                             });
    if (node != NONE) (void)node_send(replicas, node, PEER_DATA_IN, REPLICA_OPEN_ANSWER, bytes, sizeof bytes);
}

/* What the log has cannot be given up, or not be read: somebody has to look at it, or a new configuration explains. */
static void go_offline(struct replicas *replicas, uint32_t log, struct effects *effects)
{
    struct partition *partition = partition_at(replicas, log);
    const struct follower_log own = log_of(replicas, log);

    partition->offline = true;
    replicas->counters.offline++;
    NOTE(effects, REPLICA_OFFLINE, log, own.log_end_offset, own.high_watermark, partition->follower.leader);
    end_session(replicas, log, NACK_OFFLINE);
}

/* ---- opening ---- */

static void begin_session(struct replicas *replicas, uint32_t log, uint32_t node, const struct open_frame *open)
{
    struct partition *partition = partition_at(replicas, log);
    struct follower *follower = &partition->follower;

    following_end(replicas, log);
    *follower = (struct follower){
        .state = FOLLOWER_ANSWERED,
        .leader = replicas->nodes[node].id,
        .leader_epoch = open->leader_epoch,
        .session = open->session,
        .leader_number = open->leader_number,
        .relaxed = open->relaxed,
    };
    partition->link_life = replicas->nodes[node].in_life;
    partition->refused = 0;
    partition->refusal_due = false;
    if (partition->cutting) follower->answer_due = true; /* of a session before: the log has to stand still first */
    else answer(replicas, log);
}

static int64_t own_bound(const struct replicas *replicas, uint32_t log, int32_t epoch)
{
    const struct epoch_bound bound = log_epoch_bound(replicas->rooms.logs, log, epoch);

    return bound.known ? bound.end_offset : log_offsets(replicas->rooms.logs, log).log_start_offset;
}

/* The leader has compared. */
static void cut(struct replicas *replicas, uint32_t log, const struct open_frame *open, struct effects *effects)
{
    struct partition *partition = partition_at(replicas, log);
    const struct follower_log own = log_of(replicas, log);
    const struct cut_verdict verdict =
        follower_judge_cut(&own, open, own_bound(replicas, log, open->bound_epoch), partition->last_unclean_epoch);

    if (partition->cutting) return; /* he did not wait for our answer */
    switch (verdict.kind) {
    case CUT_NOTHING: answer(replicas, log); return;
    case CUT_REFUSED: go_offline(replicas, log, effects); return;
    case CUT_TRUNCATE:
        replicas->counters.truncations++;
        logs_truncate(replicas->rooms.logs, log, verdict.offset);
        break;
    case CUT_RESET:
        replicas->counters.resets++;
        logs_reset(replicas->rooms.logs, log, verdict.offset);
        break;
    }
    partition->cutting = true;
    partition->follower.state = FOLLOWER_TRUNCATING;
    partition->follower.answer_due = true;
}

/* Somebody says that he was elected after all that our metadata knows. To follow him before our metadata is as new
 * would be wrong: it may yet tell us to delete this replica, which was taken from us and given back in between, and by
 * then it would count. Nor is his word enough to obey nobody else, for a number proves no election. Who was deposed
 * commits nothing as it is: his successor refuses him. */
static bool is_ahead(struct replicas *replicas, uint32_t log, const struct open_frame *open)
{
    const struct partition *partition = partition_at(replicas, log);

    if (open->leader_epoch <= partition->leader_epoch) return false;
    if (!MUTANT(follower_is_ahead_of_its_metadata)) return true;
    if (partition_is_led(partition)) partition_resign(replicas, log);
    return false;
}

/* Two that lead in one epoch, or one that leads where the metadata log says another one does. */
static bool contradicts(const struct partition *partition, int32_t from, const struct open_frame *open)
{
    return open->leader_epoch == partition->leader_epoch && partition->leader != from;
}

static enum open_verdict judge(struct replicas *replicas, uint32_t node, uint32_t log, const struct open_frame *open)
{
    const struct follower nobody = { .leader_epoch = -1 };
    struct follower_view view = {
        .broker_epoch = replicas->broker_epoch,
        .leader_broker_epoch = replicas->nodes[node].broker_epoch,
    };
    if (log == NONE) return follower_judge_open(&nobody, &view, replicas->nodes[node].id, open);
    const struct partition *partition = partition_at(replicas, log);

    view.present = true;
    view.offline = partition->offline;
    view.leader_epoch = partition->leader_epoch;
    if (contradicts(partition, replicas->nodes[node].id, open)) return OPEN_OLD_EPOCH;
    const enum open_verdict verdict = follower_judge_open(&partition->follower, &view, replicas->nodes[node].id, open);
    return verdict == OPEN_ACCEPTED && is_ahead(replicas, log, open) ? OPEN_UNKNOWN : verdict;
}

static enum nack_reason reason_of(enum open_verdict verdict)
{
    switch (verdict) {
    case OPEN_OLD_EPOCH: return NACK_OLD_EPOCH;
    case OPEN_STRANGER: return NACK_STRANGER;
    case OPEN_OFFLINE: return NACK_OFFLINE;
    case OPEN_UNKNOWN:
    case OPEN_ACCEPTED:
    case OPEN_STALE: break;
    }
    return NACK_UNKNOWN;
}

void following_on_open(struct replicas *replicas, uint32_t node, const struct open_frame *open, struct effects *effects)
{
    uint32_t log;
    if (!map_get(&replicas->by_id, map_key_id(&open->topic_id, (uint32_t)open->partition), &log)) log = NONE;

    const enum open_verdict verdict = judge(replicas, node, log, open);
    if (verdict == OPEN_STALE) {
        replicas->counters.stale++;
        return;
    }
    if (verdict != OPEN_ACCEPTED) {
        const bool known = log != NONE;
        refuse(replicas, node,
               &(struct nack_frame){
                   .leader_number = open->leader_number,
                   .leader_epoch = open->leader_epoch,
                   .session = open->session,
                   .reason = reason_of(verdict),
                   .known_epoch = known ? partition_at(replicas, log)->leader_epoch : -1,
                   .log_end_offset = known ? log_of(replicas, log).log_end_offset : 0,
               });
        return;
    }
    CHECK(!partition_is_led(partition_at(replicas, log))); /* in this epoch another node leads */
    if (open->step == OPEN_ASK) begin_session(replicas, log, node, open);
    else cut(replicas, log, open, effects);
}

void following_on_truncated(struct replicas *replicas, uint32_t log, bool failed, struct effects *effects)
{
    struct partition *partition = partition_at(replicas, log);
    struct follower *follower = &partition->follower;

    if (!partition->cutting) return;
    partition->cutting = false;
    if (failed) {
        go_offline(replicas, log, effects);
        return;
    }
    if (!follower->answer_due) return;
    follower->state = FOLLOWER_ANSWERED;
    answer(replicas, log);
}

/* ---- data ---- */

/* What came before memory was short is here already. */
static void skip_known(struct data_frame *data, const struct follower_log *own)
{
    struct record_batch batch;

    while (record_batch_read(data->batches, &batch) == RECORD_BATCH_WHOLE &&
           record_batch_last_offset(&batch) < own->log_end_offset) {
        data->batches.data += batch.bytes.size;
        data->batches.size -= batch.bytes.size;
    }
    data->from = own->log_end_offset;
    data->previous_epoch = own->last_epoch;
}

static void raise_watermark(struct replicas *replicas, uint32_t log, const struct data_frame *data)
{
    const struct follower_log own = log_of(replicas, log);
    const int64_t high_watermark = follower_high_watermark(&own, data);
    struct follower *follower = &partition_at(replicas, log)->follower;

    follower->told = true;
    follower->told_watermark = MAX(data->high_watermark, own.high_watermark);
    if (partition_at(replicas, log)->alone || high_watermark <= own.high_watermark) return;
    logs_set_high_watermark(replicas->rooms.logs, log, high_watermark);
    tell_watermark(replicas, log);
}

/* What is written counts like what is durable: only where both of us know that it does. */
static bool acks_early(const struct partition *partition)
{
    return (partition->follower.relaxed && partition->relaxed) || MUTANT(follower_acks_before_durable);
}

static void data_is_here(struct replicas *replicas, uint32_t log, const struct data_frame *data)
{
    struct partition *partition = partition_at(replicas, log);
    const bool first = partition->follower.state != FOLLOWER_MATCHED;

    partition->follower.state = FOLLOWER_MATCHED;
    partition->held = false;
    raise_watermark(replicas, log, data);
    const struct follower_log own = log_of(replicas, log);
    const int64_t start = MIN(data->log_start_offset, own.high_watermark);
    if (start > own.log_start_offset) (void)logs_advance_start(replicas->rooms.logs, log, start); /* or next time */
    const bool told = first || acks_early(partition);
    if (told) owe(replicas, log);
}

/* False: no memory now. */
static bool append(struct replicas *replicas, uint32_t log, const struct data_frame *data)
{
    struct partition *partition = partition_at(replicas, log);
    const struct log_copy copy = { data->from, data->to, data->leader_epoch, data->batches };

    switch (logs_append_copy(replicas->rooms.logs, log, &copy, replicas->wall_ms)) {
    case COPY_OK: data_is_here(replicas, log, data); return true;
    case COPY_NOT_NEXT: end_session(replicas, log, NACK_NOT_NEXT); return true;
    case COPY_INVALID:
    case COPY_TOO_LARGE: end_session(replicas, log, NACK_INVALID); return true;
    case COPY_DISK_FULL: end_session(replicas, log, NACK_FULL); return true;
    case COPY_NO_MEMORY: break;
    }
    partition->held = true;
    return false;
}

/* The partition whose session, the present or the last one, a message belongs to; NONE: there is none. */
static uint32_t find_log(const struct replicas *replicas, int32_t from, const struct data_frame *data)
{
    if (data->follower_number >= replicas->config.partitions_max) return NONE;
    const struct partition *partition = &replicas->partitions[data->follower_number];
    const struct follower *follower = &partition->follower;

    if (partition->role == ROLE_NONE || follower->session != data->session) return NONE;
    return follower->leader == from ? data->follower_number : NONE;
}

bool following_on_data(struct replicas *replicas, uint32_t node, const struct data_frame *data)
{
    const int32_t from = replicas->nodes[node].id;
    const uint32_t log = find_log(replicas, from, data);
    struct data_frame rest = *data;

    if (log == NONE) {
        replicas->counters.stale++;
        return true;
    }
    struct partition *partition = partition_at(replicas, log);
    const struct follower_log own = log_of(replicas, log);
    const bool again = partition->held && partition->held_from == data->from && own.log_end_offset > data->from;
    if (again) skip_known(&rest, &own);
    if (MUTANT(follower_raises_watermark_first)) raise_watermark(replicas, log, data);
    enum data_verdict verdict = follower_judge_data(&partition->follower, &own, from, &rest);
    const bool other_link = partition->link_life != replicas->nodes[node].in_life;
    if (partition_is_led(partition) || partition->cutting || other_link) verdict = DATA_CLOSED;
    switch (verdict) {
    case DATA_ACCEPTED: break;
    case DATA_CLOSED:
        replicas->counters.stale++;
        end_session(replicas, log, NACK_CLOSED);
        return true;
    case DATA_NOT_NEXT: end_session(replicas, log, NACK_NOT_NEXT); return true;
    }
    partition->held_from = data->from;
    return append(replicas, log, &rest);
}

/* ---- acknowledgements ---- */

void following_on_durable(struct replicas *replicas, uint32_t log)
{
    if (partition_at(replicas, log)->follower.state == FOLLOWER_MATCHED) owe(replicas, log);
}

void following_end(struct replicas *replicas, uint32_t log)
{
    struct partition *partition = partition_at(replicas, log);

    partition->follower.state = FOLLOWER_CLOSED;
    partition->follower.answer_due = false;
    partition->held = false;
    partition->refusal_due = false;
    if (replicas->hooks_of_acks[log].waits) chain_remove(&replicas->nodes[partition->ack_node].acks, log);
}

static bool ack_of(const struct replicas *replicas, uint32_t log, struct ack_entry *entry)
{
    const struct follower *follower = &replicas->partitions[log].follower;
    const struct log_offsets offsets = log_offsets(replicas->rooms.logs, log);

    *entry = (struct ack_entry){
        .leader_number = follower->leader_number,
        .leader_epoch = follower->leader_epoch,
        .session = follower->session,
        .held_offset = acks_early(&replicas->partitions[log]) ? offsets.log_end_offset : offsets.durable_offset,
        .log_start_offset = offsets.log_start_offset,
    };
    return follower->state == FOLLOWER_MATCHED;
}

/* One frame of acks; refusals are seldom, and have frames of their own. False: the link takes none now. */
static bool send_acks(struct replicas *replicas, uint32_t number)
{
    struct node *node = &replicas->nodes[number];
    uint8_t bytes[ACK_HEAD_SIZE + ACK_ENTRIES_MAX * ACK_ENTRY_SIZE];
    uint32_t count = 0;

    for (uint32_t log = node->acks.first, next; log != CHAIN_NONE && count < replicas->ack_entries; log = next) {
        struct ack_entry entry;
        next = node->acks.hooks[log].next;
        if (ack_of(replicas, log, &entry)) {
            ack_write_entry(bytes + ACK_HEAD_SIZE + count++ * ACK_ENTRY_SIZE, &entry);
            continue;
        }
        if (partition_at(replicas, log)->refusal_due && !send_refusal(replicas, number, log)) return false;
        partition_at(replicas, log)->refusal_due = false;
        chain_remove(&node->acks, log);
    }
    if (count == 0) return true;
    ack_write_head(bytes, replicas->broker_epoch, count);
    if (!node_send(replicas, number, PEER_DATA_IN, REPLICA_ACK, bytes, ACK_HEAD_SIZE + count * ACK_ENTRY_SIZE)) {
        return false;
    }
    while (count-- > 0) (void)chain_take(&node->acks);
    return true;
}

static void release_held(struct replicas *replicas)
{
    if (replicas->held_count == 0 || !logs_has_room(replicas->rooms.logs)) return;
    for (uint32_t number = 0; number < replicas->nodes_pool.fresh_first; number++) {
        struct node *node = &replicas->nodes[number];
        if (!pool_is_taken(&replicas->nodes_pool, number) || !node->held) continue;
        node->held = false;
        replicas->held_count--;
        peers_release(replicas->rooms.peers, node->id, PEER_DATA_IN);
    }
}

void following_work(struct replicas *replicas)
{
    uint32_t count = replicas->ackers.count;

    while (count-- > 0) {
        const uint32_t number = chain_take(&replicas->ackers);
        struct node *node = &replicas->nodes[number];
        bool sent = true;
        for (uint32_t i = 0; i < ACK_FRAMES_PER_STEP && node->acks.count > 0 && sent; i++) {
            sent = send_acks(replicas, number);
        }
        if (node->acks.count == 0) continue;
        if (sent) {
            chain_add(&replicas->ackers, number);
            replicas->due = true;
        } else {
            replicas->again_ns = MIN(replicas->again_ns, replicas->mono_ns + AGAIN_NS);
        }
    }
    release_held(replicas);
}
