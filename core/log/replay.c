#include "log/replay.h"

#include "log/flush.h"

/* Room for a batch, pinned once more for its entry; false: none until something is flushed. */
static bool take_memory(struct logs *logs, uint32_t size, uint32_t *chunk, uint32_t *chunk_at)
{
    struct recovery *recovery = &logs->recovery;

    if (!entries_have_room(&logs->entries) && !flush_evict(logs, 0, 64)) return false;
    if (recovery->chunk == CHUNK_NONE || tail_chunk_size(logs->tail, recovery->chunk) - recovery->chunk_used < size) {
        uint32_t taken = tail_take(logs->tail, size);
        for (uint32_t tries = 0; taken == CHUNK_NONE && tries < 16 && flush_evict(logs, 0, 64); tries++) {
            taken = tail_take(logs->tail, size);
        }
        if (taken == CHUNK_NONE) return false;
        if (recovery->chunk != CHUNK_NONE) tail_unpin(logs->tail, recovery->chunk);
        recovery->chunk = taken;
        recovery->chunk_used = 0;
    }
    tail_pin(logs->tail, recovery->chunk);
    *chunk = recovery->chunk;
    *chunk_at = recovery->chunk_used;
    recovery->chunk_used += (size + 7) / 8 * 8;
    if (recovery->chunk_used > tail_chunk_size(logs->tail, recovery->chunk)) {
        recovery->chunk_used = tail_chunk_size(logs->tail, recovery->chunk);
    }
    return true;
}

static void remember(struct logs *logs, uint32_t number, const struct record_batch *batch)
{
    const struct producer_stamp stamp = { batch->producer_id, batch->producer_epoch, batch->base_sequence,
                                          batch->record_count };
    const bool append_time = (batch->attributes & RECORD_BATCH_LOG_APPEND_TIME) != 0;

    epochs_add(&logs->epochs, &logs->logs[number].epochs, batch->leader_epoch, batch->base_offset);
    if (!record_batch_has_producer(batch) || batch->base_sequence < 0 || MUTANT(replay_forgets_producers)) return;
    /* A table that is smaller than it was has to forget; then any sequence is accepted, as from a new producer. */
    MAYBE(!producers_record(&logs->producers, number, &stamp, batch->base_offset,
                            append_time ? batch->max_timestamp : -1, logs->wall_ms));
}

static enum replay_verdict replay_append(struct logs *logs, uint32_t number, struct bytes bytes)
{
    struct log *log = &logs->logs[number];
    struct record_batch batch;
    uint32_t chunk, chunk_at;

    if (record_batch_read(bytes, &batch) != RECORD_BATCH_WHOLE || batch.bytes.size != bytes.size) return REPLAY_CORRUPT;
    if (batch.base_offset < 0 || batch.last_offset_delta < 0 || batch.record_count < 1) return REPLAY_CORRUPT;
    if (batch.base_offset > INT64_MAX - 1 - batch.last_offset_delta) return REPLAY_CORRUPT;
    const int64_t last_offset = record_batch_last_offset(&batch);
    if (last_offset < log->log_end_offset) return REPLAY_DONE; /* the checkpoint has it */
    if (batch.base_offset != log->log_end_offset) return REPLAY_CORRUPT;
    if (!take_memory(logs, bytes.size, &chunk, &chunk_at)) {
        logs->starved = true;
        return REPLAY_WAITS;
    }
    memcpy(tail_data(logs->tail, chunk) + chunk_at, bytes.data, bytes.size);
    entries_add(&logs->entries, &log->entries,
                &(struct entry){ .base_offset = batch.base_offset,
                                 .max_timestamp = batch.max_timestamp,
                                 .position = log->end_position,
                                 .last_delta = (uint32_t)batch.last_offset_delta,
                                 .log = number,
                                 .size = bytes.size,
                                 .chunk = chunk,
                                 .chunk_at = chunk_at });
    logs->entries.durable_end = logs->entries.end; /* the journal has it: that is where it comes from */
    log->end_position += bytes.size;
    log->durable_position = log->end_position;
    logs->pending_size += bytes.size;
    log->log_end_offset = last_offset + 1;
    log->durable_offset = log->log_end_offset;
    log->high_watermark = log->durable_offset;
    log->tail_timestamp = MAX(log->tail_timestamp, batch.max_timestamp);
    remember(logs, number, &batch);
    flush_if_much(logs, number);
    logs->recovery.batches++;
    return REPLAY_DONE;
}

static enum replay_verdict replay_start_offset(struct logs *logs, uint32_t number, struct bytes bytes)
{
    struct log *log = &logs->logs[number];

    if (bytes.size != 8) return REPLAY_CORRUPT;
    const int64_t offset = (int64_t)load_u64(bytes.data);
    if (offset < 0 || offset > log->log_end_offset) return REPLAY_CORRUPT;
    if (offset <= log->log_start_offset) return REPLAY_DONE;
    log->log_start_offset = offset;
    log->next_start_offset = offset;
    epochs_trim(&logs->epochs, &log->epochs, offset);
    return REPLAY_DONE;
}

enum replay_verdict replay_entry(struct logs *logs, const struct journal_entry *entry)
{
    struct bytes payload = entry->payload;
    struct uuid topic_id;
    uint32_t number;

    if (payload.size < PAYLOAD_HEAD_SIZE) return REPLAY_CORRUPT;
    memcpy(topic_id.bytes, payload.data, sizeof topic_id.bytes);
    const uint32_t partition = load_u32(payload.data + 16);
    payload.data += PAYLOAD_HEAD_SIZE;
    payload.size -= PAYLOAD_HEAD_SIZE;
    if (entry->kind != ENTRY_APPEND && entry->kind != ENTRY_START_OFFSET) return REPLAY_CORRUPT;
    if (partition > INT32_MAX) return REPLAY_CORRUPT;
    if (!map_get(&logs->names, map_key_id(&topic_id, partition), &number)) return REPLAY_DONE; /* deleted since */
    if (entry->kind == ENTRY_APPEND) return replay_append(logs, number, payload);
    return replay_start_offset(logs, number, payload);
}
