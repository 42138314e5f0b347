/* replica_judge.h -- what must hold of replicas, whatever happened: I1 to I12 of docs/replication.md. */
#ifndef CHRONIK_TESTS_REPLICA_JUDGE_H
#define CHRONIK_TESTS_REPLICA_JUDGE_H

#include "replica_rules.h"

/* ---- what a replica has ---- */

static inline uint32_t lab_copy_bytes(struct lab *lab, struct lab_node *node, const struct log_read *read,
                                      uint8_t *bytes)
{
    uint32_t size = 0;

    for (uint32_t i = 0; i < read->piece_count; i++) {
        const struct piece *piece = &read->pieces[i];
        if (piece->data != NULL) {
            memcpy(bytes + size, piece->data, piece->size);
        } else {
            const uint32_t inode = disk_inode_of(node->disk, piece->path);
            LAB_CHECK(inode != 0 && piece->position + piece->size <= node->disk->inodes[inode].now_size);
            memcpy(bytes + size, node->disk->inodes[inode].now + piece->position, piece->size);
        }
        size += piece->size;
    }
    return size;
}

static inline struct lab_made *lab_find_made(struct lab_judge *judge, int64_t base_offset, int32_t epoch)
{
    for (uint32_t i = judge->made_count; i > 0; i--) {
        struct lab_made *made = &judge->made[i - 1];
        if (made->base_offset == base_offset && made->epoch == epoch) return made;
    }
    return NULL;
}

/* A batch that this replica has now. I2: it is what its leader made, behind what that had before it. I3. */
static inline void lab_saw_batch(struct lab *lab, uint32_t partition, struct lab_shadow *shadow,
                                 const struct record_batch *batch)
{
    const int64_t last = record_batch_last_offset(batch);
    const bool begins = batch->base_offset <= shadow->start;
    const int32_t previous = begins ? -1 : shadow->epochs[batch->base_offset - 1];
    const struct lab_made *made = lab_find_made(&lab->judges[partition], batch->base_offset, batch->leader_epoch);

    LAB_CHECK(last < LAB_OFFSETS);
    LAB_CHECK(made != NULL && made->id == batch->crc);                                            /* I1, I2 */
    LAB_CHECK(begins || made->previous_epoch == previous || made->previous_epoch == LAB_UNKNOWN); /* I2 */
    LAB_CHECK(begins || batch->leader_epoch >= previous);                                         /* I3 */
    LAB_CHECK(batch->base_offset == shadow->end || begins);
    for (int64_t offset = batch->base_offset; offset <= last; offset++) {
        shadow->ids[offset] = (uint64_t)batch->crc << 8 | (uint64_t)(offset - batch->base_offset);
        shadow->epochs[offset] = batch->leader_epoch;
    }
    shadow->end = last + 1;
}

static inline void lab_answer_disk(struct lab *lab, int32_t id);

/* Reads what is new in a log. At the start it may lie on the disk only. */
static inline void lab_look(struct lab *lab, int32_t id, uint32_t partition)
{
    static uint8_t bytes[1 << 20];
    struct lab_node *node = &lab->nodes[id];
    struct lab_shadow *shadow = &node->shadows[partition];
    const uint32_t log = lab_log(id, partition);

    for (;;) {
        struct log_read read;
        const struct log_offsets offsets = log_offsets(node->logs, log);
        LAB_CHECK(offsets.log_start_offset >= shadow->start || offsets.log_end_offset == offsets.log_start_offset ||
                  shadow->end <= shadow->start);
        if (offsets.log_end_offset == offsets.log_start_offset) shadow->end = offsets.log_end_offset;
        shadow->start = offsets.log_start_offset;
        shadow->end = MIN(MAX(shadow->end, shadow->start), offsets.log_end_offset);
        shadow->judged = MIN(shadow->judged, shadow->end);
        if (shadow->end == offsets.log_end_offset) return;
        const enum read_verdict verdict =
            logs_read(node->logs, log, shadow->end, offsets.log_end_offset, 100000, true, 1, &read, &node->effects);
        if (verdict == READ_WAITS || verdict == READ_BUSY) {
            lab_answer_disk(lab, id);
            continue;
        }
        LAB_CHECK(verdict == READ_OK && read.piece_count > 0);
        struct bytes left = { bytes, lab_copy_bytes(lab, node, &read, bytes) };
        logs_unpin(node->logs, &read);
        struct record_batch batch;
        while (record_batch_read(left, &batch) == RECORD_BATCH_WHOLE) {
            lab_saw_batch(lab, partition, shadow, &batch);
            left.data += batch.bytes.size;
            left.size -= batch.bytes.size;
        }
    }
}

/* ---- what is committed ---- */

/* I4, I5: whoever may be elected has all that is. */
static inline void lab_judge_members(struct lab *lab, uint32_t partition)
{
    const struct lab_config *config = &lab_newest(lab)->configs[partition];
    const struct lab_judge *judge = &lab->judges[partition];

    if (judge->unclean_epoch != config->last_unclean_epoch) return; /* it is not known yet what was lost */
    for (int32_t id = 1; id <= (int32_t)lab->node_count; id++) {
        const struct lab_node *node = &lab->nodes[id];
        if (((config->isr | config->elr) & lab_bit(id)) == 0 || !node->up || !node->has[partition]) continue;
        const struct lab_shadow *shadow = &node->shadows[partition];
        LAB_CHECK(log_offsets(node->logs, lab_log(id, partition)).durable_offset >= judge->committed); /* I4 */
        LAB_CHECK(shadow->end >= judge->committed);
        /* Below `judged` it was compared, and has not changed since. */
        for (int64_t offset = MAX(shadow->start, shadow->judged); offset < judge->committed; offset++) {
            LAB_CHECK(shadow->ids[offset] == judge->ids[offset]); /* I4, I5 */
        }
    }
}

static inline bool lab_is_of_before(struct lab *lab, uint32_t partition, int32_t leader_epoch)
{
    return leader_epoch < lab_newest(lab)->configs[partition].last_unclean_epoch;
}

/* Who leads after an unclean election has lost what it has lost. */
static inline void lab_adopt(struct lab *lab, uint32_t partition, const struct lab_shadow *shadow, int64_t durable)
{
    struct lab_judge *judge = &lab->judges[partition];
    int64_t same = MIN(judge->committed, durable);

    if (judge->unclean_epoch == lab_newest(lab)->configs[partition].last_unclean_epoch) return;
    judge->unclean_epoch = lab_newest(lab)->configs[partition].last_unclean_epoch;
    for (int64_t offset = shadow->start; offset < same; offset++) {
        if (judge->ids[offset] != shadow->ids[offset]) same = offset;
    }
    judge->committed = MAX(same, (int64_t)0);
    judge->deleted = 0; /* by somebody else, perhaps */
}

/* Its leader says that all below its high watermark is committed. */
static inline void lab_judge_leader(struct lab *lab, int32_t id, uint32_t partition, int32_t leader_epoch)
{
    struct lab_node *node = &lab->nodes[id];
    struct lab_shadow *shadow = &node->shadows[partition];
    struct lab_judge *judge = &lab->judges[partition];
    const int64_t high_watermark = log_offsets(node->logs, lab_log(id, partition)).high_watermark;

    if (shadow->led_epoch == leader_epoch) LAB_CHECK(high_watermark >= shadow->led_watermark); /* I6 */
    shadow->led_epoch = leader_epoch;
    shadow->led_watermark = high_watermark;
    if (lab_is_of_before(lab, partition, leader_epoch)) return;
    lab_adopt(lab, partition, shadow, log_offsets(node->logs, lab_log(id, partition)).durable_offset);
    LAB_CHECK(shadow->start <= high_watermark && high_watermark <= shadow->end); /* I12 */
    const bool newest = leader_epoch == lab_newest(lab)->configs[partition].leader_epoch;
    LAB_CHECK(!newest || shadow->start >= judge->deleted); /* I12 */
    for (int64_t offset = MAX(shadow->judged, shadow->start); offset < high_watermark; offset++) {
        if (offset < judge->committed) LAB_CHECK(shadow->ids[offset] == judge->ids[offset]); /* I6, I7, I8 */
        judge->ids[offset] = shadow->ids[offset];
    }
    shadow->judged = MAX(shadow->judged, high_watermark);
    if (high_watermark <= judge->committed) return;
    judge->committed = high_watermark;
    lab_judge_members(lab, partition);
}

static inline void lab_judge_follower(struct lab *lab, int32_t id, uint32_t partition)
{
    struct lab_node *node = &lab->nodes[id];
    struct lab_shadow *shadow = &node->shadows[partition];
    const struct lab_judge *judge = &lab->judges[partition];
    const int64_t high_watermark = log_offsets(node->logs, lab_log(id, partition)).high_watermark;

    if (lab_newest(lab)->configs[partition].last_unclean_epoch > 0) return; /* it may not know yet what was lost */
    if ((lab_newest(lab)->configs[partition].isr | lab_newest(lab)->configs[partition].elr) == lab_bit(id)) return;
    if (lab->states[node->applied].configs[partition].replica_count == 1) return; /* nobody else can have it */
    LAB_CHECK(high_watermark <= judge->committed);                                /* I9 */
    for (int64_t offset = MAX(shadow->judged, shadow->start); offset < high_watermark; offset++) {
        LAB_CHECK(shadow->ids[offset] == judge->ids[offset]); /* I6 */
    }
    shadow->judged = MAX(shadow->judged, high_watermark);
}

static inline void lab_judge_node(struct lab *lab, int32_t id)
{
    struct lab_node *node = &lab->nodes[id];

    for (uint32_t p = 0; p < lab->partition_count; p++) {
        if (!node->has[p]) continue;
        lab_look(lab, id, p);
        const int32_t leader_epoch = replicas_leader_epoch(node->replicas, lab_log(id, p));
        if (leader_epoch >= 0) lab_judge_leader(lab, id, p, leader_epoch);
        else lab_judge_follower(lab, id, p);
    }
}

/* ---- acknowledgements ---- */

/* I7: what is acknowledged is committed, in the leader's eyes and in ours. */
static inline void lab_settle_pending(struct lab *lab, int32_t id, uint32_t partition)
{
    struct lab_node *node = &lab->nodes[id];
    const uint32_t log = lab_log(id, partition);
    const int64_t high_watermark = log_offsets(node->logs, log).high_watermark;

    for (uint32_t i = 0; i < lab->pending_count;) {
        const struct lab_pending *pending = &lab->pending[i];
        const bool done = pending->node == id && pending->partition == partition &&
                          pending->last_offset < high_watermark &&
                          replicas_leader_epoch(node->replicas, log) == pending->leader_epoch &&
                          replicas_may_append(node->replicas, log, true) == APPEND_PERMITTED;
        if (!done) {
            i++;
            continue;
        }
        lab->acked++;
        const bool judged = !lab->unjudged && !lab_is_of_before(lab, partition, pending->leader_epoch);
        if (judged) LAB_CHECK(pending->last_offset < lab->judges[partition].committed);
        lab->pending[i] = lab->pending[--lab->pending_count];
    }
}

/* I12: who is told that records are deleted does not see them again. */
static inline void lab_settle_deletions(struct lab *lab, int32_t id)
{
    const struct lab_node *node = &lab->nodes[id];

    for (uint32_t i = 0; i < lab->deletion_count;) {
        const struct lab_deletion *deletion = &lab->deletions[i];
        const uint32_t log = lab_log(id, deletion->partition);
        struct lab_judge *judge = &lab->judges[deletion->partition];
        if (deletion->node != id) {
            i++;
            continue;
        }
        const bool leads =
            node->has[deletion->partition] && replicas_leader_epoch(node->replicas, log) == deletion->leader_epoch;
        const bool done = leads && log_offsets(node->logs, log).log_start_offset >= deletion->start &&
                          replicas_start_is_held(node->replicas, log, deletion->start);
        const bool judged = !lab->unjudged && !lab_is_of_before(lab, deletion->partition, deletion->leader_epoch);
        if (done) lab->deleted++;
        if (done && judged) judge->deleted = MAX(judge->deleted, deletion->start);
        if (done || !leads) lab->deletions[i] = lab->deletions[--lab->deletion_count];
        else i++;
    }
}

/* Whoever waited is told otherwise: `partition` LAB_PARTITIONS: of all. */
static inline void lab_drop_pending(struct lab *lab, int32_t id, uint32_t partition)
{
    for (uint32_t i = 0; i < lab->pending_count;) {
        const struct lab_pending *pending = &lab->pending[i];
        const bool is_it = pending->node == id && (partition == LAB_PARTITIONS || pending->partition == partition);
        if (is_it) lab->pending[i] = lab->pending[--lab->pending_count];
        else i++;
    }
}

#endif
