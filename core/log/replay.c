#include "log/replay.h"

#include "log/append.h"
#include "log/flush.h"
#include "log/truncate.h"

/* Room for bytes of so many batches, pinned until the next such call; false: none until something is flushed. */
static bool take_memory(struct logs *logs, uint32_t size, uint32_t batches, uint32_t *chunk, uint32_t *chunk_at)
{
    struct recovery *recovery = &logs->recovery;

    for (uint32_t tries = 0; !entries_have_room(&logs->entries, batches); tries++) {
        if (tries == 16 || !flush_evict(logs, 0, 64)) return false;
    }
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
    *chunk = recovery->chunk;
    *chunk_at = recovery->chunk_used;
    recovery->chunk_used += (size + 7) / 8 * 8;
    if (recovery->chunk_used > tail_chunk_size(logs->tail, recovery->chunk)) {
        recovery->chunk_used = tail_chunk_size(logs->tail, recovery->chunk);
    }
    return true;
}

static bool is_sound(const struct record_batch *batch)
{
    return batch->base_offset >= 0 && batch->last_offset_delta >= 0 && batch->last_offset_delta < INT32_MAX &&
           batch->base_offset <= INT64_MAX - 1 - batch->last_offset_delta;
}

/* The journal has it: that is where it comes from. */
static void take_batch(struct logs *logs, uint32_t number, const struct record_batch *batch, const uint8_t *copy,
                       uint32_t chunk)
{
    struct log *log = &logs->logs[number];

    append_entry(logs, number, batch, copy, chunk);
    logs->entries.durable_end = logs->entries.end;
    log->durable_position = log->end_position;
    log->durable_offset = log->log_end_offset;
    if (!log->replicated) log->high_watermark = log->durable_offset;
    if (!MUTANT(replay_forgets_producers)) append_producer(logs, number, batch, logs->wall_ms);
    logs->recovery.batches++;
}

static enum replay_verdict replay_append(struct logs *logs, uint32_t number, struct bytes bytes)
{
    struct log *log = &logs->logs[number];
    struct record_batch batch;
    uint32_t chunk, chunk_at;

    if (record_batch_read(bytes, &batch) != RECORD_BATCH_WHOLE || batch.bytes.size != bytes.size) return REPLAY_CORRUPT;
    if (!is_sound(&batch) || batch.record_count < 1) return REPLAY_CORRUPT;
    if (record_batch_last_offset(&batch) < log->log_end_offset) return REPLAY_DONE; /* the checkpoint has it */
    if (batch.base_offset != log->log_end_offset) return REPLAY_CORRUPT;
    if (!take_memory(logs, bytes.size, 1, &chunk, &chunk_at)) {
        logs->starved = true;
        return REPLAY_WAITS;
    }
    uint8_t *copy = tail_data(logs->tail, chunk) + chunk_at;
    memcpy(copy, bytes.data, bytes.size);
    take_batch(logs, number, &batch, copy, chunk);
    flush_if_much(logs, number);
    return REPLAY_DONE;
}

static enum replay_verdict replay_start_offset(struct logs *logs, uint32_t number, struct bytes bytes)
{
    struct log *log = &logs->logs[number];

    if (bytes.size != 8) return REPLAY_CORRUPT;
    const int64_t offset = (int64_t)load_u64(bytes.data);
    if (offset < 0 || offset > log->log_end_offset) return REPLAY_CORRUPT;
    if (offset <= log->log_start_offset || MUTANT(replay_forgets_deletions)) return REPLAY_DONE;
    log->log_start_offset = offset;
    log->next_start_offset = offset;
    epochs_trim(&logs->epochs, &log->epochs, offset);
    return REPLAY_DONE;
}

/* The batches of a copy that are not in the log yet: a checkpoint may have the first of them, as segments have them,
 * whole. False: they do not continue it. */
static bool find_new(const struct log *log, struct bytes copied, int64_t from, int64_t to, struct bytes *fresh,
                     uint32_t *batches)
{
    /* A log that begins within its first batch ends before it begins, as long as a checkpoint has nothing of it. */
    const bool empty = log->log_start_offset >= log->log_end_offset;
    int64_t end_offset = from;
    struct record_batch batch;

    *batches = 0;
    for (; copied.size > 0; copied.data += batch.bytes.size, copied.size -= batch.bytes.size) {
        if (record_batch_read(copied, &batch) != RECORD_BATCH_WHOLE || !is_sound(&batch)) return false;
        const bool follows = batch.base_offset >= MAX(end_offset, log->log_end_offset);
        end_offset = record_batch_last_offset(&batch) + 1;
        if (end_offset <= log->log_end_offset) continue;
        if (!follows && !(empty && *batches == 0)) return false;
        if ((*batches)++ == 0) *fresh = copied;
    }
    return end_offset == to && from <= MAX(log->log_start_offset, log->log_end_offset);
}

static enum replay_verdict replay_copy(struct logs *logs, uint32_t number, struct bytes bytes)
{
    struct log *log = &logs->logs[number];
    struct record_batch batch;
    struct bytes fresh;
    uint32_t chunk, chunk_at, batches;

    if (bytes.size <= COPY_HEAD_SIZE) return REPLAY_CORRUPT;
    const int64_t from = (int64_t)load_u64(bytes.data), to = (int64_t)load_u64(bytes.data + 8);
    if (to <= log->log_end_offset) return REPLAY_DONE; /* the checkpoint has it */
    const struct bytes copied = { bytes.data + COPY_HEAD_SIZE, bytes.size - COPY_HEAD_SIZE };
    if (!find_new(log, copied, from, to, &fresh, &batches)) return REPLAY_CORRUPT;
    if (!take_memory(logs, fresh.size, batches, &chunk, &chunk_at)) {
        logs->starved = true;
        return REPLAY_WAITS;
    }
    const uint8_t *copy = memcpy(tail_data(logs->tail, chunk) + chunk_at, fresh.data, fresh.size);
    for (uint32_t at = 0; at < fresh.size; at += batch.bytes.size) {
        CHECK(record_batch_read((struct bytes){ copy + at, fresh.size - at }, &batch) == RECORD_BATCH_WHOLE);
        take_batch(logs, number, &batch, copy + at, chunk);
    }
    flush_if_much(logs, number);
    return REPLAY_DONE;
}

static enum replay_verdict replay_epoch(struct logs *logs, uint32_t number, struct bytes bytes)
{
    struct log *log = &logs->logs[number];

    if (bytes.size != EPOCH_ENTRY_SIZE) return REPLAY_CORRUPT;
    const int32_t epoch = (int32_t)load_u32(bytes.data);
    const int64_t start_offset = (int64_t)load_u64(bytes.data + 4);
    if (epoch < 0 || start_offset < 0) return REPLAY_CORRUPT;
    if (epoch <= log->epochs.newest.epoch) return REPLAY_DONE; /* the checkpoint has it */
    if (start_offset != log->log_end_offset) return REPLAY_CORRUPT;
    epochs_add(&logs->epochs, &log->epochs, epoch, start_offset);
    log->begun_epoch = epoch;
    return REPLAY_DONE;
}

/* An entry of an era that is new to the log: it was cut off, or it is a log that was not there before. */
static enum replay_verdict replay_era(struct logs *logs, uint32_t number, uint32_t era, uint16_t kind,
                                      struct bytes said, struct effects *effects)
{
    struct log *log = &logs->logs[number];

    if (kind == ENTRY_TRUNCATE) return truncate_replay(logs, number, era, said, effects);
    if (kind == ENTRY_RESET) return reset_replay(logs, number, era, said);
    if (log->log_end_offset > 0 || log->epochs.count > 0) return REPLAY_CORRUPT;
    log->era = era;
    return REPLAY_DONE;
}

static enum replay_verdict replay_kind(struct logs *logs, uint32_t number, uint16_t kind, struct bytes said)
{
    switch ((enum entry_kind)kind) {
    case ENTRY_TRUNCATE:
    case ENTRY_RESET: return REPLAY_DONE; /* the checkpoint has it, or it has begun this era */
    case ENTRY_APPEND: return replay_append(logs, number, said);
    case ENTRY_START_OFFSET: return replay_start_offset(logs, number, said);
    case ENTRY_COPY: return replay_copy(logs, number, said);
    case ENTRY_EPOCH: return replay_epoch(logs, number, said);
    }
    return REPLAY_CORRUPT;
}

enum replay_verdict replay_entry(struct logs *logs, const struct journal_entry *entry, struct effects *effects)
{
    struct bytes said = entry->payload;
    struct uuid topic_id;
    uint32_t number;

    if (said.size < PAYLOAD_HEAD_SIZE) return REPLAY_CORRUPT;
    memcpy(topic_id.bytes, said.data, sizeof topic_id.bytes);
    const uint32_t partition = load_u32(said.data + 16), era = load_u32(said.data + 20);
    said.data += PAYLOAD_HEAD_SIZE;
    said.size -= PAYLOAD_HEAD_SIZE;
    if (partition > INT32_MAX) return REPLAY_CORRUPT;
    logs->era = MAX(logs->era, era);
    if (!map_get(&logs->names, map_key_id(&topic_id, partition), &number)) return REPLAY_DONE; /* deleted since */
    struct log *log = &logs->logs[number];
    if (era < log->era) return REPLAY_DONE; /* of what was cut off since, as the checkpoint has it */
    if (era > log->era) {
        const enum replay_verdict verdict = replay_era(logs, number, era, entry->kind, said, effects);
        if (verdict != REPLAY_DONE) return verdict;
    }
    return replay_kind(logs, number, entry->kind, said);
}
