/* append.c -- how does a batch get into a log? Judge, copy, stamp, remember; the journal makes it durable. */
#include "log/flush.h"
#include "log/remove.h"
#include "log/state.h"

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

/* Memory for a journal entry, if need be after evicting what is written; NULL: not now. */
static uint8_t *take_memory(struct logs *logs, enum entry_kind kind, uint32_t size, uint32_t *chunk)
{
    const uint64_t memory_size = tail_memory_size(logs->tail);
    /* Large entries have a part of the memory to themselves; that it is full shows little in the sum. */
    const uint64_t used_min = size > logs->config.tail_unit_size / 2 ? memory_size / 16 : memory_size / 2;
    bool evicted = false;

    for (uint32_t tries = 0; tries < 16; tries++) {
        if (entries_have_room(&logs->entries)) {
            uint8_t *memory = journal_append(logs->journal, (uint16_t)kind, size, chunk);
            if (memory != NULL) return memory;
        }
        const uint64_t used_max = entries_have_room(&logs->entries) ? used_min : 0;
        if (!flush_evict(logs, used_max, 64)) break;
        evicted = true;
    }
    /* Where something was evicted, the next try may find more; otherwise something under way will tell. */
    if (evicted) logs->due = true;
    else logs->starved = true;
    return NULL;
}

static void payload_head_write(uint8_t *payload, const struct logs *logs, const struct log *log)
{
    memcpy(payload, logs->topics[log->topic].id.bytes, sizeof(struct uuid));
    store_u32(payload + 16, (uint32_t)log->partition);
    store_u32(payload + 20, 0);
}

static enum append_verdict judge(struct logs *logs, uint32_t number, const struct record_batch *batch, int64_t wall_ms,
                                 struct append_answer *answer)
{
    const struct producer_stamp stamp = { batch->producer_id, batch->producer_epoch, batch->base_sequence,
                                          batch->record_count };
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

static void record_producer(struct logs *logs, uint32_t number, const struct record_batch *batch, int64_t base_offset,
                            int64_t log_append_time, int64_t wall_ms)
{
    const struct producer_stamp stamp = { batch->producer_id, batch->producer_epoch, batch->base_sequence,
                                          batch->record_count };

    if (!record_batch_has_producer(batch)) return;
    CHECK(producers_record(&logs->producers, number, &stamp, base_offset, log_append_time, wall_ms));
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
    if (size > MIN(logs->batch_size_max, log->rules.segment_size)) return APPEND_TOO_LARGE;
    const enum append_verdict verdict = judge(logs, number, batch, wall_ms, answer);
    if (verdict != APPEND_OK) return verdict;
    if (logs->journal_full || logs->segments_full) return APPEND_DISK_FULL;

    const int64_t base_offset = log->log_end_offset;
    if (MUTANT(producer_recorded_before_append)) {
        record_producer(logs, number, batch, base_offset, log_append_time, wall_ms);
    }
    uint8_t *payload = take_memory(logs, ENTRY_APPEND, PAYLOAD_HEAD_SIZE + size, &chunk);
    if (payload == NULL) return APPEND_NO_MEMORY;
    payload_head_write(payload, logs, log);
    uint8_t *copy = payload + PAYLOAD_HEAD_SIZE;
    memcpy(copy, batch->bytes.data, size);
    record_batch_stamp(copy, batch, base_offset, leader_epoch, log_append_time);

    tail_pin(logs->tail, chunk);
    entries_add(&logs->entries, &log->entries,
                &(struct entry){ .base_offset = base_offset,
                                 .max_timestamp = log_append_time >= 0 ? log_append_time : batch->max_timestamp,
                                 .position = log->end_position,
                                 .last_delta = (uint32_t)batch->last_offset_delta,
                                 .log = number,
                                 .size = size,
                                 .chunk = chunk,
                                 .chunk_at = (uint32_t)(copy - tail_data(logs->tail, chunk)) });
    mark_round(logs);
    log->log_end_offset = base_offset + batch->last_offset_delta + 1;
    log->end_position += size;
    logs->pending_size += size;
    logs->checkpoint.activity = true;
    log->tail_timestamp = MAX(log->tail_timestamp, log_append_time >= 0 ? log_append_time : batch->max_timestamp);
    epochs_add(&logs->epochs, &log->epochs, leader_epoch, base_offset);
    record_producer(logs, number, batch, base_offset, log_append_time, wall_ms);
    *answer = (struct append_answer){ base_offset, log->log_end_offset - 1, log_append_time };
    log_check(logs, number);
    return APPEND_OK;
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
    uint8_t *payload = take_memory(logs, ENTRY_START_OFFSET, PAYLOAD_HEAD_SIZE + 8, &chunk);
    if (payload == NULL) return 0;
    payload_head_write(payload, logs, log);
    store_u64(payload + PAYLOAD_HEAD_SIZE, (uint64_t)log_start_offset);
    if (log->start_sequence < journal_open_sequence(logs->journal)) {
        log->sent_start_offset = log->next_start_offset;
        log->sent_sequence = log->start_sequence;
    }
    log->next_start_offset = log_start_offset; /* seen by nobody before it is durable: it must not step back */
    if (MUTANT(start_shown_early)) log->log_start_offset = log_start_offset;
    log->start_sequence = journal_open_sequence(logs->journal);
    logs->checkpoint.activity = true;
    remove_when_durable(logs, number);
    return log->start_sequence;
}

bool logs_is_durable(const struct logs *logs, uint64_t sequence)
{
    return sequence <= journal_durable_sequence(logs->journal);
}
