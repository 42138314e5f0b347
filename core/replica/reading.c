/* reading.c -- segments that are read for followers that are behind: a bounded number at a time, no more than a few
 * for one node, and not faster than was asked for. What is read is judged before it is sent: a disk lies. */
#include "replica/state.h"

static void set_free(struct replicas *replicas, uint32_t slot)
{
    struct segment_read *read = &replicas->reads[slot];

    CHECK(replicas->nodes[read->node].reads > 0);
    replicas->nodes[read->node].reads--;
    read->state = READ_FREE;
    read->flow = NONE;
    replica_node_release(replicas, read->node);
}

/* The stream has its slot no more. */
static void part(struct replicas *replicas, uint32_t slot)
{
    struct segment_read *read = &replicas->reads[slot];

    if (read->flow != NONE) flow_at(replicas, read->flow)->read = NONE;
    read->flow = NONE;
}

void reading_want(struct replicas *replicas, uint32_t flow)
{
    chain_remove(&replicas->nodes[flow_at(replicas, flow)->node].turns, flow);
    chain_add(&replicas->readers, flow);
}

void reading_forget(struct replicas *replicas, uint32_t flow)
{
    const uint32_t slot = flow_at(replicas, flow)->read;

    chain_remove(&replicas->readers, flow);
    if (slot == NONE) return;
    part(replicas, slot);
    if (replicas->reads[slot].state != READ_UNDER_WAY) set_free(replicas, slot);
}

void reading_lend(struct replicas *replicas, uint32_t slot)
{
    part(replicas, slot);
    replicas->reads[slot].state = READ_SENDING;
}

void reading_give(struct replicas *replicas, uint32_t slot)
{
    set_free(replicas, slot);
}

/* ---- asking ---- */

/* Nothing is where a batch was written. Others may have it; this leader cannot send it. */
static void unreadable(struct replicas *replicas, uint32_t flow)
{
    replicas->counters.unreadable++;
    flow_close(replicas, flow, false);
}

/* It has come into memory meanwhile, or was there all the time. */
static void is_in_memory(struct replicas *replicas, uint32_t slot)
{
    const uint32_t flow = replicas->reads[slot].flow;

    logs_unpin(replicas->rooms.logs, &replicas->reads[slot].read);
    flow_at(replicas, flow)->behind = false;
    part(replicas, slot);
    set_free(replicas, slot);
    flow_queue(replicas, flow);
}

static void order(struct replicas *replicas, uint32_t slot, struct effects *effects)
{
    struct segment_read *read = &replicas->reads[slot];
    const struct piece *piece = &read->read.pieces[0];

    read->state = READ_UNDER_WAY;
    effects_add(effects, EFFECT_READ)->read = (struct effect_read){ .op = op_make(OP_REPLICAS, slot),
                                                                    .path = piece->path,
                                                                    .position = piece->position,
                                                                    .into = read->buffer,
                                                                    .size = piece->size };
    replicas->counters.reads++;
    replicas->counters.read_size += piece->size;
    if (replicas->throttle == 0) return;
    const uint64_t begin_ns = MAX(replicas->next_read_ns, replicas->mono_ns);
    replicas->next_read_ns = begin_ns + piece->size * UINT64_C(1000000000) / replicas->throttle;
}

static void ask(struct replicas *replicas, uint32_t slot, struct effects *effects)
{
    struct segment_read *read = &replicas->reads[slot];
    const uint32_t number = read->flow;
    const struct flow *flow = flow_at(replicas, number);
    const int64_t end_offset = partition_at(replicas, flow->log)->watermark.log_end_offset;

    read->ready = false;
    read->from = flow->stream.next_offset;
    const enum read_verdict verdict =
        logs_read(replicas->rooms.logs, flow->log, read->from, end_offset, replicas->turn_size, true,
                  REPLICAS_WAITER | slot, &read->read, effects);
    switch (verdict) {
    case READ_WAITS:
    case READ_BUSY: return;
    case READ_OUT_OF_RANGE: flow_close(replicas, number, true); return; /* it was deleted: he begins anew behind it */
    case READ_CORRUPT: unreadable(replicas, number); return;
    case READ_OK: break;
    }
    if (read->read.piece_count == 0) {
        unreadable(replicas, number);
    } else if (read->read.size > replicas->read_size) {
        logs_unpin(replicas->rooms.logs, &read->read);
        unreadable(replicas, number); /* of a time when batches might be larger */
    } else if (read->read.pieces[0].data != NULL) {
        is_in_memory(replicas, slot);
    } else {
        order(replicas, slot, effects);
    }
}

static uint32_t free_slot(const struct replicas *replicas)
{
    for (uint32_t slot = 0; slot < replicas->read_count; slot++) {
        if (replicas->reads[slot].state == READ_FREE) return slot;
    }
    return NONE;
}

static bool may_read(const struct replicas *replicas, const struct node *node)
{
    if (node->reads >= READS_PER_NODE) return false;
    return peers_queued_size(replicas->rooms.peers, node->id, PEER_DATA_OUT) < QUEUE_SIZE_MAX;
}

static bool is_throttled(const struct replicas *replicas)
{
    return replicas->throttle > 0 && replicas->mono_ns < replicas->next_read_ns;
}

void reading_work(struct replicas *replicas, struct effects *effects)
{
    uint32_t count = MIN(replicas->readers.count, (uint32_t)READS_PER_STEP), slot;

    for (uint32_t i = 0; i < replicas->read_count; i++) {
        if (replicas->reads[i].state == READ_ASKING && replicas->reads[i].ready) ask(replicas, i, effects);
    }
    while (count-- > 0 && !is_throttled(replicas) && (slot = free_slot(replicas)) != NONE) {
        if (effects_space(effects) <= EFFECTS_KEPT) {
            replicas->due = true;
            return;
        }
        const uint32_t number = chain_take(&replicas->readers);
        struct flow *flow = flow_at(replicas, number);
        if (!may_read(replicas, &replicas->nodes[flow->node])) {
            chain_add(&replicas->readers, number);
            continue;
        }
        replicas->nodes[flow->node].reads++;
        flow->read = slot;
        replicas->reads[slot].state = READ_ASKING;
        replicas->reads[slot].flow = number;
        replicas->reads[slot].node = flow->node;
        ask(replicas, slot, effects);
    }
}

void replicas_on_ready(struct replicas *replicas, uint64_t waiter)
{
    const uint64_t slot = waiter & ~REPLICAS_WAITER;

    if ((slot & SEARCH_WAITER) != 0) streams_on_ready(replicas, slot & ~SEARCH_WAITER);
    else if (slot < replicas->read_count) replicas->reads[slot].ready = true;
}

/* ---- what came ---- */

/* The whole batches at its begin. False: there is none, or one is not what was written. */
static bool take(struct segment_read *read, uint32_t size)
{
    struct bytes left = { read->buffer, size };
    struct record_batch batch;

    read->size = 0;
    while (record_batch_read(left, &batch) == RECORD_BATCH_WHOLE) {
        if (!record_batch_crc_matches(&batch) || record_batch_last_offset(&batch) < read->from) return false;
        read->to = record_batch_last_offset(&batch) + 1;
        read->last_epoch = batch.leader_epoch;
        read->size += batch.bytes.size;
        left.data += batch.bytes.size;
        left.size -= batch.bytes.size;
    }
    return read->size > 0;
}

void replicas_on_disk(struct replicas *replicas, const struct event *event)
{
    const uint64_t slot = event->disk.op & 0xff;

    CHECK(event->type == EVENT_READ_DONE && slot < replicas->read_count);
    struct segment_read *read = &replicas->reads[slot];
    CHECK(read->state == READ_UNDER_WAY);
    logs_unpin(replicas->rooms.logs, &read->read);
    read->state = READ_READY;
    if (read->flow == NONE) set_free(replicas, (uint32_t)slot);
    else if (event->disk.result != DISK_DONE || !take(read, event->disk.size)) unreadable(replicas, read->flow);
    else flow_queue(replicas, read->flow);
}

void replicas_set_throttle(struct replicas *replicas, uint64_t bytes_per_second)
{
    replicas->throttle = bytes_per_second;
    replicas->next_read_ns = replicas->mono_ns;
}

uint64_t reading_deadline_ns(const struct replicas *replicas)
{
    return replicas->readers.count > 0 && is_throttled(replicas) ? replicas->next_read_ns : UINT64_MAX;
}
