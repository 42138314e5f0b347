/* append.c -- how does a batch get into a log? Judge, copy, stamp, remember; the journal makes it durable. */
#include "log/append.h"

#include "log/flush.h"
#include "log/remove.h"

static void mark_round(struct logs *logs)
{
    const uint64_t sequence = journal_open_sequence(logs->journal);
    struct round_mark *last =
        &logs->rounds[(logs->round_first + logs->round_count + ROUND_MARKS_MAX - 1) % ROUND_MARKS_MAX];

    if (logs->round_count == 0 || last->sequence != sequence) {
        CHECK(logs->round_count < ROUND_MARKS_MAX);
        last = &logs->rounds[(logs->round_first + logs->round_count++) % ROUND_MARKS_MAX];
        last->sequence = sequence;
    }
    last->end = logs->entries.end;
}

static void payload_head_write(uint8_t *payload, const struct logs *logs, const struct log *log)
{
    memcpy(payload, logs->topics[log->topic].id.bytes, sizeof(struct uuid));
    store_u32(payload + 16, (uint32_t)log->partition);
    store_u32(payload + 20, log->era);
}

uint8_t *append_take(struct logs *logs, const struct log *log, enum entry_kind kind, uint32_t size, uint32_t batches,
                     uint32_t *chunk)
{
    const uint64_t memory_size = tail_memory_size(logs->tail);
    /* Large entries have a part of the memory to themselves; that it is full shows little in the sum. */
    const uint64_t used_min = size > logs->config.tail_unit_size / 2 ? memory_size / 16 : memory_size / 2;
    bool evicted = false;

    for (uint32_t tries = 0; tries < 16; tries++) {
        const bool room = entries_have_room(&logs->entries, batches);
        if (room) {
            uint8_t *payload = journal_append(logs->journal, (uint16_t)kind, PAYLOAD_HEAD_SIZE + size, chunk);
            if (payload != NULL) {
                if (kind != ENTRY_EPOCH) logs->awaited_sequence = journal_open_sequence(logs->journal);
                payload_head_write(payload, logs, log);
                return payload + PAYLOAD_HEAD_SIZE;
            }
        }
        if (!flush_evict(logs, room ? used_min : 0, 64)) break;
        evicted = true;
    }
    /* Where something was evicted, the next try may find more; otherwise something under way will tell. */
    if (evicted) logs->due = true;
    else logs->starved = true;
    return NULL;
}

static enum append_verdict judge(struct logs *logs, uint32_t number, const struct record_batch *batch, int64_t wall_ms,
                                 struct append_answer *answer)
{
    const struct producer_stamp stamp = { batch->producer_id, batch->producer_epoch, batch->base_sequence,
                                          batch->last_offset_delta + 1 };
    struct producer_batch known;
    if (!record_batch_has_producer(batch)) return APPEND_OK;

    switch (producers_judge(&logs->producers, number, &stamp, wall_ms, &known)) {
    case PRODUCER_NEXT: return APPEND_OK;
    case PRODUCER_DUPLICATE:
        *answer =
            (struct append_answer){ known.base_offset, known.base_offset + batch->last_offset_delta, known.timestamp };
        if (MUTANT(duplicate_has_new_offset)) answer->base_offset = logs->logs[number].log_end_offset;
        return APPEND_DUPLICATE;
    case PRODUCER_OUT_OF_ORDER: return APPEND_OUT_OF_ORDER;
    case PRODUCER_FENCED: return APPEND_PRODUCER_FENCED;
    case PRODUCER_TABLE_FULL: return APPEND_TOO_MANY_PRODUCERS;
    }
    CHECK(false);
    return APPEND_OK;
}

void append_producer(struct logs *logs, uint32_t number, const struct record_batch *batch, int64_t wall_ms)
{
    if (!logs->logs[number].learning) append_learn(logs, number, batch, wall_ms);
}

void append_learn(struct logs *logs, uint32_t number, const struct record_batch *batch, int64_t wall_ms)
{
    /* What the batch stands for, whether those records are left or not: a compacted one keeps its sequences. */
    const struct producer_stamp stamp = { batch->producer_id, batch->producer_epoch, batch->base_sequence,
                                          batch->last_offset_delta + 1 };
    const bool append_time = (batch->attributes & RECORD_BATCH_LOG_APPEND_TIME) != 0;

    if (!record_batch_has_producer(batch) || batch->base_sequence < 0) return;
    /* A table that is smaller than another node's, or than it was, has to forget; then any sequence is accepted, as
     * from a new producer. Of our own appends none is made without room for it. */
    const bool kept_all = producers_record(&logs->producers, number, &stamp, batch->base_offset,
                                           append_time ? batch->max_timestamp : -1, wall_ms);
    logs->producers_forgotten += !kept_all;
}

void append_end_moved(struct logs *logs, uint32_t number)
{
    struct log *log = &logs->logs[number];

    if (!log->replicated || log->end_queued) return;
    log->end_queued = true;
    log->next_end = LOG_NONE;
    if (logs->end_last == LOG_NONE) logs->end_first = number;
    else logs->logs[logs->end_last].next_end = number;
    logs->end_last = number;
}

void append_durable_moved(struct logs *logs, uint32_t number)
{
    struct log *log = &logs->logs[number];

    if (log->durable_queued) return;
    log->durable_queued = true;
    log->next_durable = LOG_NONE;
    if (logs->durable_last == LOG_NONE) logs->durable_first = number;
    else logs->logs[logs->durable_last].next_durable = number;
    logs->durable_last = number;
}

void append_entry(struct logs *logs, uint32_t number, const struct record_batch *batch, const uint8_t *copy,
                  uint32_t chunk)
{
    struct log *log = &logs->logs[number];
    /* Of a batch that compaction left without records, nobody looks for a time. */
    const int64_t max_timestamp = batch->record_count > 0 ? batch->max_timestamp : NO_TIMESTAMP;

    tail_pin(logs->tail, chunk);
    entries_add(&logs->entries, &log->entries,
                &(struct entry){ .base_offset = batch->base_offset,
                                 .max_timestamp = max_timestamp,
                                 .position = log->end_position,
                                 .last_delta = (uint32_t)batch->last_offset_delta,
                                 .log = number,
                                 .size = batch->bytes.size,
                                 .chunk = chunk,
                                 .chunk_at = (uint32_t)(copy - tail_data(logs->tail, chunk)) });
    log->log_end_offset = record_batch_last_offset(batch) + 1;
    log->end_position += batch->bytes.size;
    logs->pending_size += batch->bytes.size;
    log->tail_timestamp = MAX(log->tail_timestamp, max_timestamp);
    /* A log may begin within its first batch, where an epoch without a record has begun before. */
    const int64_t known = log->epochs.count > 0 ? log->epochs.newest.start_offset : 0;
    epochs_add(&logs->epochs, &log->epochs, batch->leader_epoch, MAX(batch->base_offset, known));
}

void append_batch(struct logs *logs, uint32_t number, const struct record_batch *batch, const uint8_t *copy,
                  uint32_t chunk)
{
    append_entry(logs, number, batch, copy, chunk);
    mark_round(logs);
    logs->checkpoint.activity = true;
    append_end_moved(logs, number);
}

enum append_verdict logs_append(struct logs *logs, uint32_t number, const struct record_batch *batch,
                                int32_t leader_epoch, int64_t log_append_time, int64_t wall_ms,
                                struct append_answer *answer)
{
    struct log *log = log_at(logs, number);
    const uint32_t size = batch->bytes.size;
    uint32_t chunk;

    CHECK(logs->state == LOGS_OPEN);
    CHECK(batch->record_count >= 1 && batch->last_offset_delta >= 0);
    CHECK(log->truncation == TRUNCATION_NONE && !log->learning);
    if (size > MIN(logs->batch_size_max, log->rules.segment_size)) return APPEND_TOO_LARGE;
    const bool full = logs->journal_full || logs->segments_full;
    const enum append_verdict verdict = judge(logs, number, batch, wall_ms, answer);
    /* What a producer sent before was refused for want of space, and so leaves a gap: it is to come again in order. */
    if (full && (verdict == APPEND_OK || verdict == APPEND_OUT_OF_ORDER)) return APPEND_DISK_FULL;
    if (verdict != APPEND_OK) return verdict;

    struct record_batch stamped = *batch;
    stamped.base_offset = log->log_end_offset;
    stamped.leader_epoch = leader_epoch;
    if (log_append_time >= 0) {
        stamped.max_timestamp = log_append_time;
        stamped.attributes |= RECORD_BATCH_LOG_APPEND_TIME;
    }
    if (MUTANT(producer_recorded_before_append)) append_producer(logs, number, &stamped, wall_ms);
    uint8_t *copy = append_take(logs, log, ENTRY_APPEND, size, 1, &chunk);
    if (copy == NULL) return APPEND_NO_MEMORY;
    memcpy(copy, batch->bytes.data, size);
    record_batch_stamp(copy, batch, stamped.base_offset, leader_epoch, log_append_time);
    append_batch(logs, number, &stamped, copy, chunk);
    append_producer(logs, number, &stamped, wall_ms);
    *answer = (struct append_answer){ stamped.base_offset, log->log_end_offset - 1, log_append_time };
    log_check(logs, number);
    return APPEND_OK;
}

uint64_t logs_begin_epoch(struct logs *logs, uint32_t number, int32_t leader_epoch)
{
    struct log *log = log_at(logs, number);
    uint32_t chunk;

    CHECK(logs->state == LOGS_OPEN && log->truncation == TRUNCATION_NONE);
    CHECK(log->epochs.count == 0 || leader_epoch >= log->epochs.newest.epoch);
    if (log->epochs.count > 0 && leader_epoch == log->epochs.newest.epoch) return MAX(log->epoch_sequence, 1U);
    if (MUTANT(epoch_start_not_written)) return 1;
    uint8_t *said = append_take(logs, log, ENTRY_EPOCH, EPOCH_ENTRY_SIZE, 0, &chunk);
    if (said == NULL) return 0;
    store_u32(said, (uint32_t)leader_epoch);
    store_u64(said + 4, (uint64_t)log->log_end_offset);
    epochs_add(&logs->epochs, &log->epochs, leader_epoch, log->log_end_offset);
    log->begun_epoch = leader_epoch;
    log->epoch_sequence = journal_open_sequence(logs->journal);
    logs->checkpoint.activity = true;
    return log->epoch_sequence;
}

bool logs_has_room(const struct logs *logs)
{
    return !logs->starved;
}

uint64_t logs_advance_start(struct logs *logs, uint32_t number, int64_t log_start_offset)
{
    struct log *log = log_at(logs, number);
    uint32_t chunk;

    CHECK(logs->state == LOGS_OPEN);
    if (log_start_offset > log->high_watermark && !MUTANT(start_beyond_high_watermark)) {
        log_start_offset = log->high_watermark;
    }
    if (log_start_offset <= log->next_start_offset) return MAX(log->start_sequence, 1U);
    uint8_t *said = append_take(logs, log, ENTRY_START_OFFSET, 8, 0, &chunk);
    if (said == NULL) return 0;
    store_u64(said, (uint64_t)log_start_offset);
    if (log->start_sequence < journal_open_sequence(logs->journal)) {
        log->sent_start_offset = log->next_start_offset;
        log->sent_sequence = log->start_sequence;
    }
    log->next_start_offset = log_start_offset; /* seen by nobody before it is durable: it must not step back */
    if (MUTANT(start_shown_early)) log->log_start_offset = log_start_offset;
    log->start_sequence = journal_open_sequence(logs->journal);
    logs->checkpoint.activity = true;
    remove_start_moves(logs, number);
    return log->start_sequence;
}

bool logs_is_durable(const struct logs *logs, uint64_t sequence)
{
    return sequence <= journal_durable_sequence(logs->journal);
}
