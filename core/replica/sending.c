/* sending.c -- what is sent to whom next? Each link takes turns among its streams: a message, then the next stream. */
#include "replica/state.h"

/* ---- lines ---- */

static bool has_records(const struct partition *partition, const struct flow *flow)
{
    return flow->stream.next_offset < partition->watermark.log_end_offset;
}

bool flow_window_is_open(const struct replicas *replicas, const struct flow *flow)
{
    const struct stream *stream = &flow->stream;

    if (stream->matched_offset >= stream->next_offset) return true; /* one batch may be larger than the window */
    return logs_bytes_between(replicas->rooms.logs, flow->log, stream->matched_offset, stream->next_offset) <
           replicas->window_size;
}

void flow_queue(struct replicas *replicas, uint32_t number)
{
    const struct flow *flow = flow_at(replicas, number);
    struct node *node = &replicas->nodes[flow->node];

    if (flow->stream.state != STREAM_MATCHED || !node->out_up) return;
    if (chain_has(&node->turns, number) || chain_has(&replicas->readers, number)) return;
    const bool records = has_records(&replicas->partitions[flow->log], flow);
    /* Who waits for a read has its turn when that is there. */
    const bool reads = flow->read != NONE && replicas->reads[flow->read].state != READ_READY;
    if (!flow->tells && (!records || reads)) return;
    if (!flow->tells && flow->read == NONE && !flow_window_is_open(replicas, flow)) return;
    chain_add(&node->turns, number);
    chain_add(&replicas->senders, flow->node);
}

void flow_tell(struct replicas *replicas, uint32_t number)
{
    const struct flow *flow = flow_at(replicas, number);
    struct node *node = &replicas->nodes[flow->node];

    if (flow->stream.state != STREAM_MATCHED || flow->tells || chain_has(&node->telling, number)) return;
    if (node->telling.count == 0) timers_set(&replicas->tell_timers, flow->node, replicas->mono_ns + TELL_NS);
    chain_add(&node->telling, number);
}

void flow_unqueue(struct replicas *replicas, uint32_t number)
{
    struct node *node = &replicas->nodes[flow_at(replicas, number)->node];

    chain_remove(&node->turns, number);
    chain_remove(&node->telling, number);
    if (node->telling.count == 0) timers_clear(&replicas->tell_timers, (uint32_t)(node - replicas->nodes));
}

/* Those who waited long enough for records to travel with. */
static void tell_due(struct replicas *replicas)
{
    uint32_t bound = TIMERS_PER_STEP;

    while (bound > 0) {
        const uint32_t number = timers_pop_due(&replicas->tell_timers, replicas->mono_ns);
        if (number == TIMERS_NO_SLOT) return;
        struct node *node = &replicas->nodes[number];
        for (uint32_t flow; bound > 0 && (flow = chain_take(&node->telling)) != CHAIN_NONE; bound--) {
            flow_at(replicas, flow)->tells = true;
            flow_queue(replicas, flow);
        }
        if (node->telling.count > 0) timers_set(&replicas->tell_timers, number, replicas->mono_ns);
    }
    replicas->due = true;
}

/* ---- messages ---- */

enum turn {
    TURN_SENT,
    TURN_NOTHING, /* it has nothing more to send, or waits for something */
    TURN_BLOCKED, /* the link, or this room, takes no more now */
};

static struct data_frame data_of(const struct replicas *replicas, const struct flow *flow, int64_t to)
{
    const struct partition *partition = &replicas->partitions[flow->log];

    return (struct data_frame){
        .follower_number = flow->stream.follower_number,
        .leader_epoch = partition->leader_epoch,
        .session = flow->stream.session,
        .from = flow->stream.next_offset,
        .to = to,
        .previous_epoch = flow->stream.sent_epoch,
        .high_watermark = partition->watermark.high_watermark,
        .log_start_offset = log_offsets(replicas->rooms.logs, flow->log).log_start_offset,
    };
}

static void was_sent(struct replicas *replicas, uint32_t number, const struct data_frame *data, int32_t last_epoch,
                     uint32_t size)
{
    struct flow *flow = flow_at(replicas, number);
    struct partition *partition = partition_at(replicas, flow->log);

    leader_stream_on_sent(&flow->stream, data->to, last_epoch, partition->watermark.log_end_offset, replicas->mono_ns);
    flow->sent_high_watermark = data->high_watermark;
    flow->sent_start_offset = data->log_start_offset;
    flow->tells = false;
    chain_remove(&replicas->nodes[flow->node].telling, number);
    replicas->counters.sent_frames++;
    replicas->counters.sent_size += DATA_HEAD_SIZE + size;
    if (MUTANT(leader_counts_what_is_sent)) {
        const struct ack ack = { flow->slot, data->session, data->leader_epoch, data->to };
        (void)watermark_on_ack(&partition->watermark, &ack);
    }
}

/* Only what is committed. */
static enum turn send_marks(struct replicas *replicas, uint32_t number)
{
    struct flow *flow = flow_at(replicas, number);
    const struct data_frame data = data_of(replicas, flow, flow->stream.next_offset);
    uint8_t head[DATA_HEAD_SIZE];

    flow->tells = false;
    if (data.high_watermark == flow->sent_high_watermark && data.log_start_offset == flow->sent_start_offset) {
        return TURN_NOTHING;
    }
    data_write_head(head, &data);
    if (!node_send(replicas, flow->node, PEER_DATA_OUT, REPLICA_DATA, head, sizeof head)) {
        flow->tells = true;
        return TURN_BLOCKED;
    }
    was_sent(replicas, number, &data, -1, 0);
    return TURN_SENT;
}

/* Records in memory that stays put until the link has sent them. The pieces are lent. */
static bool lend(struct replicas *replicas, uint32_t number, int64_t to, int32_t last_epoch, const struct piece *pieces,
                 uint32_t piece_count, uint32_t size, uint32_t sending)
{
    const struct flow *flow = flow_at(replicas, number);
    const struct data_frame data = data_of(replicas, flow, to);
    uint8_t head[DATA_HEAD_SIZE];

    data_write_head(head, &data);
    if (replicas->rooms.peers == NULL) return false;
    if (peers_send_lent(replicas->rooms.peers, replicas->nodes[flow->node].id, PEER_DATA_OUT, REPLICA_DATA,
                        (struct bytes){ head, sizeof head }, pieces, piece_count, sending + UINT64_C(1)) != PEER_SENT) {
        return false;
    }
    was_sent(replicas, number, &data, last_epoch, size);
    return true;
}

static enum turn send_read(struct replicas *replicas, uint32_t number, uint32_t sending)
{
    const uint32_t slot = flow_at(replicas, number)->read;
    const struct segment_read *read = &replicas->reads[slot];
    const struct piece piece = { .data = read->buffer, .size = read->size };

    if (!lend(replicas, number, read->to, read->last_epoch, &piece, 1, read->size, sending)) return TURN_BLOCKED;
    replicas->sendings[sending] = (struct sending){ .slot = slot };
    reading_lend(replicas, slot);
    return TURN_SENT;
}

/* Where the last of these batches ends, each of which is a piece of memory. */
static bool last_of(const struct log_read *read, int64_t *to, int32_t *epoch)
{
    const struct piece *piece = &read->pieces[read->piece_count - 1];
    struct record_batch last;

    if (record_batch_read((struct bytes){ piece->data, piece->size }, &last) != RECORD_BATCH_WHOLE) return false;
    *to = record_batch_last_offset(&last) + 1;
    *epoch = last.leader_epoch;
    return true;
}

static enum turn send_memory(struct replicas *replicas, uint32_t number, uint32_t sending, struct effects *effects)
{
    struct flow *flow = flow_at(replicas, number);
    struct log_read *read = &replicas->sendings[sending].read;
    int64_t to;
    int32_t epoch;

    replicas->sendings[sending].slot = NONE;
    const enum read_verdict verdict = logs_read(replicas->rooms.logs, flow->log, flow->stream.next_offset,
                                                partition_at(replicas, flow->log)->watermark.log_end_offset,
                                                replicas->turn_size, true, REPLICAS_WAITER | NOBODY, read, effects);
    const bool is_memory = verdict == READ_OK && read->piece_count > 0 && read->pieces[0].data != NULL;
    if (!is_memory || read->size > replicas->config.batch_size_max || !last_of(read, &to, &epoch)) {
        if (verdict == READ_OK) logs_unpin(replicas->rooms.logs, read);
        flow->behind = true;
        reading_want(replicas, number);
        return TURN_NOTHING;
    }
    if (lend(replicas, number, to, epoch, read->pieces, read->piece_count, read->size, sending)) return TURN_SENT;
    logs_unpin(replicas->rooms.logs, read);
    return TURN_BLOCKED;
}

/* A link that stands still gives nothing back. It has at most as much as is left for others: so it has one part, where
 * others divide the rest, and something is always left. Nobody waits for others with nothing lent. */
static bool may_lend(const struct replicas *replicas, const struct node *node)
{
    const struct pool *pool = &replicas->sendings_pool;
    const uint32_t left = pool->slots_max - pool->taken_count;
    const uint64_t size_left = replicas->lent_max - MIN(replicas->lent_max, replicas->lent_size);

    if (node->sendings == 0) return true;
    return node->sendings < MIN(left, (uint32_t)SENDINGS_PER_NODE) && node->lent_size < size_left;
}

static void was_lent(struct replicas *replicas, uint32_t node, uint32_t number, bool is_read)
{
    struct sending *sending = &replicas->sendings[number];

    sending->node = node;
    sending->pinned_size = is_read ? 0 : logs_pinned_size(replicas->rooms.logs, &sending->read);
    replicas->nodes[node].sendings++;
    replicas->nodes[node].lent_size += sending->pinned_size;
    replicas->lent_size += sending->pinned_size;
}

static enum turn send_records(struct replicas *replicas, uint32_t number, struct effects *effects)
{
    const struct flow *flow = flow_at(replicas, number);
    const bool is_read = flow->read != NONE;

    if (is_read && replicas->reads[flow->read].state != READ_READY) return TURN_NOTHING;
    if (!is_read && flow->behind) {
        reading_want(replicas, number);
        return TURN_NOTHING;
    }
    if (!may_lend(replicas, &replicas->nodes[flow->node])) return TURN_BLOCKED;
    const uint32_t sending = pool_take(&replicas->sendings_pool);
    if (sending == POOL_NONE) return TURN_BLOCKED;
    const enum turn turn =
        is_read ? send_read(replicas, number, sending) : send_memory(replicas, number, sending, effects);
    if (turn == TURN_SENT) was_lent(replicas, flow->node, sending, is_read);
    else pool_give(&replicas->sendings_pool, sending);
    return turn;
}

static enum turn take_turn(struct replicas *replicas, uint32_t number, struct effects *effects)
{
    const struct flow *flow = flow_at(replicas, number);
    const bool records = has_records(partition_at(replicas, flow->log), flow);
    const bool may = flow->read != NONE || flow_window_is_open(replicas, flow);
    enum turn turn = TURN_NOTHING;

    if (records && may) turn = send_records(replicas, number, effects);
    if (turn == TURN_NOTHING && flow->tells) turn = send_marks(replicas, number);
    return turn;
}

/* ---- turns ---- */

/* True: it wants to go on in the next step. */
static bool serve_link(struct replicas *replicas, uint32_t number, struct effects *effects)
{
    struct node *node = &replicas->nodes[number];

    for (uint32_t turns = 0; node->turns.count > 0; turns++) {
        if (turns == TURNS_PER_STEP) return true;
        if (peers_queued_size(replicas->rooms.peers, node->id, PEER_DATA_OUT) >= QUEUE_SIZE_MAX) break;
        if (effects_space(effects) <= EFFECTS_KEPT) return true;
        const uint32_t flow = chain_take(&node->turns);
        const enum turn turn = take_turn(replicas, flow, effects);
        if (turn == TURN_SENT) {
            flow_queue(replicas, flow);
            continue;
        }
        if (turn == TURN_NOTHING) continue;
        /* It could not send, and keeps its turn; unless it waits for a read, which comes first. */
        if (!chain_has(&replicas->readers, flow)) chain_add(&node->turns, flow);
        break;
    }
    /* What is sent comes back, and makes room; or it was of others. */
    if (node->turns.count > 0) replicas->again_ns = MIN(replicas->again_ns, replicas->mono_ns + AGAIN_NS);
    return false;
}

static void try_again(struct replicas *replicas)
{
    if (replicas->mono_ns < replicas->again_ns) return;
    replicas->again_ns = UINT64_MAX;
    for (uint32_t number = 0; number < replicas->nodes_pool.fresh_first; number++) {
        if (!pool_is_taken(&replicas->nodes_pool, number)) continue;
        if (replicas->nodes[number].turns.count > 0) chain_add(&replicas->senders, number);
        if (replicas->nodes[number].acks.count > 0) chain_add(&replicas->ackers, number);
    }
}

void sending_work(struct replicas *replicas, struct effects *effects)
{
    try_again(replicas);
    tell_due(replicas);
    if (replicas->gathers) {
        replicas->due |= replicas->senders.count > 0;
        return;
    }
    uint32_t count = replicas->senders.count;
    while (count-- > 0) {
        const uint32_t number = chain_take(&replicas->senders);
        if (!replicas->nodes[number].out_up || !serve_link(replicas, number, effects)) continue;
        chain_add(&replicas->senders, number);
        replicas->due = true;
    }
}

void sending_on_returned(struct replicas *replicas, const struct peer_returned *returned)
{
    const uint32_t number = (uint32_t)(returned->cookie - 1);
    const struct sending *sending = &replicas->sendings[number];
    const uint32_t at = sending->node;
    struct node *node = &replicas->nodes[at];

    if (sending->slot != NONE) reading_give(replicas, sending->slot);
    else logs_unpin(replicas->rooms.logs, &sending->read);
    node->sendings--;
    node->lent_size -= sending->pinned_size;
    replicas->lent_size -= sending->pinned_size;
    pool_give(&replicas->sendings_pool, number);
    if (node->turns.count > 0) chain_add(&replicas->senders, at);
    replica_node_release(replicas, at);
}

uint64_t sending_deadline_ns(const struct replicas *replicas)
{
    return MIN(timers_next(&replicas->tell_timers), replicas->again_ns);
}
