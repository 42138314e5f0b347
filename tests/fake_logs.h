/* fake_logs.h -- logs that do as a test tells them: what is durable, what the disk lacks, what is full. They keep
 * batches in memory and count pins. Stands in for core/log/ where the broker alone is tested. */
#ifndef CHRONIK_TESTS_FAKE_LOGS_H
#define CHRONIK_TESTS_FAKE_LOGS_H

#include "log/logs.h"
#include "t.h"
#include <stdlib.h>

enum { FAKE_LOGS_MAX = 64, FAKE_WAITERS_MAX = 64, FAKE_NO_LIMIT = -1 };

struct fake_batch {
    int64_t base_offset;
    int64_t last_offset;
    int64_t max_timestamp;
    int64_t producer_id;
    int32_t base_sequence;
    uint32_t size;
    uint8_t *data;
};

struct fake_log {
    struct log_offsets offsets;
    struct fake_batch *batches;
    uint32_t batch_count, batches_max;
    bool on_disk; /* read as a file range */
    int64_t next_start;
    uint64_t start_sequence;
};

struct logs {
    struct fake_log logs[FAKE_LOGS_MAX];
    int appends_left;                /* until APPEND_NO_MEMORY; FAKE_NO_LIMIT */
    enum append_verdict append_next; /* of the next appends, if not OK */
    int reads_waiting;               /* reads that say READ_WAITS before one says OK */
    enum read_verdict read_next;
    uint64_t waiters[FAKE_WAITERS_MAX];
    uint32_t waiter_count;
    int64_t pins;
    uint64_t sequence, durable_sequence;
    bool start_refused; /* there is no room to move a log's start */
    uint32_t read_calls;
    uint32_t between_calls;
};

static inline struct logs *fake_logs_new(void)
{
    struct logs *logs = calloc(1, sizeof *logs);

    logs->appends_left = FAKE_NO_LIMIT;
    return logs;
}

static inline void fake_logs_free(struct logs *logs)
{
    for (uint32_t log = 0; log < FAKE_LOGS_MAX; log++) {
        for (uint32_t i = 0; i < logs->logs[log].batch_count; i++) free(logs->logs[log].batches[i].data);
        free(logs->logs[log].batches);
    }
    free(logs);
}

struct log_offsets log_offsets(const struct logs *logs, uint32_t log)
{
    return logs->logs[log].offsets;
}

static inline const struct fake_batch *fake_duplicate(const struct fake_log *at, const struct record_batch *batch)
{
    for (uint32_t i = 0; i < at->batch_count; i++) {
        if (batch->producer_id >= 0 && at->batches[i].producer_id == batch->producer_id &&
            at->batches[i].base_sequence == batch->base_sequence) {
            return &at->batches[i];
        }
    }
    return NULL;
}

enum append_verdict logs_append(struct logs *logs, uint32_t log, const struct record_batch *batch, int32_t leader_epoch,
                                int64_t log_append_time, int64_t wall_ms, struct append_answer *answer)
{
    struct fake_log *at = &logs->logs[log];
    const struct fake_batch *duplicate = fake_duplicate(at, batch);

    (void)wall_ms;
    if (logs->append_next != APPEND_OK) return logs->append_next;
    if (duplicate != NULL) {
        *answer = (struct append_answer){ duplicate->base_offset, duplicate->last_offset, log_append_time };
        return APPEND_DUPLICATE;
    }
    if (logs->appends_left == 0) return APPEND_NO_MEMORY;
    if (logs->appends_left > 0) logs->appends_left--;
    if (at->batch_count == at->batches_max) {
        at->batches_max = at->batches_max == 0 ? 16 : 2 * at->batches_max;
        at->batches = realloc(at->batches, at->batches_max * sizeof *at->batches);
    }
    struct fake_batch *kept = &at->batches[at->batch_count++];
    *kept = (struct fake_batch){
        .base_offset = at->offsets.log_end_offset,
        .last_offset = at->offsets.log_end_offset + batch->last_offset_delta,
        .max_timestamp = log_append_time >= 0 ? log_append_time : batch->max_timestamp,
        .producer_id = batch->producer_id,
        .base_sequence = batch->base_sequence,
        .size = batch->bytes.size,
        .data = malloc(batch->bytes.size),
    };
    memcpy(kept->data, batch->bytes.data, kept->size);
    record_batch_stamp(kept->data, batch, kept->base_offset, leader_epoch, log_append_time);
    at->offsets.log_end_offset = kept->last_offset + 1;
    at->offsets.size += kept->size;
    *answer = (struct append_answer){ kept->base_offset, kept->last_offset, log_append_time };
    return APPEND_OK;
}

bool logs_has_room(const struct logs *logs)
{
    return logs->appends_left != 0;
}

uint64_t logs_advance_start(struct logs *logs, uint32_t log, int64_t log_start_offset)
{
    struct fake_log *at = &logs->logs[log];

    if (logs->start_refused) return 0;
    if (log_start_offset <= at->next_start) return at->start_sequence;
    at->next_start = at->offsets.next_start_offset = log_start_offset;
    at->start_sequence = ++logs->sequence;
    return at->start_sequence;
}

/* What was moved is shown when it is durable. */
static inline void fake_logs_sync(struct logs *logs)
{
    logs->durable_sequence = logs->sequence;
    for (uint32_t log = 0; log < FAKE_LOGS_MAX; log++) {
        struct fake_log *at = &logs->logs[log];
        if (at->next_start > at->offsets.log_start_offset) at->offsets.log_start_offset = at->next_start;
    }
}

bool logs_is_durable(const struct logs *logs, uint64_t sequence)
{
    return sequence <= logs->durable_sequence;
}

static inline bool fake_waits(struct logs *logs, uint64_t waiter)
{
    if (logs->reads_waiting == 0) return false;
    logs->reads_waiting--;
    CHECK(logs->waiter_count < FAKE_WAITERS_MAX);
    logs->waiters[logs->waiter_count++] = waiter;
    return true;
}

enum read_verdict logs_read(struct logs *logs, uint32_t log, int64_t offset, int64_t end_offset, uint32_t size_max,
                            bool first_whole, uint64_t waiter, struct log_read *read, struct effects *effects)
{
    const struct fake_log *at = &logs->logs[log];

    (void)effects;
    logs->read_calls++;
    *read = (struct log_read){ 0 };
    if (fake_waits(logs, waiter)) return READ_WAITS;
    if (logs->read_next != READ_OK) return logs->read_next;
    for (uint32_t i = 0; i < at->batch_count && read->piece_count < READ_PIECES_MAX; i++) {
        const struct fake_batch *batch = &at->batches[i];
        if (batch->last_offset < offset || batch->last_offset >= end_offset) continue;
        if (read->size + batch->size > size_max && !(first_whole && read->size == 0)) break;
        struct piece *piece = &read->pieces[read->piece_count];
        *piece = (struct piece){ .data = batch->data, .size = batch->size };
        if (at->on_disk)
            *piece = (struct piece){ .path = "a segment", .position = (uintptr_t)batch->data, .size = batch->size };
        read->chunks[read->piece_count++] = i;
        read->size += batch->size;
    }
    if (read->piece_count > 0) logs->pins++;
    return READ_OK;
}

void logs_unpin(struct logs *logs, const struct log_read *read)
{
    CHECK(read->piece_count > 0 && logs->pins > 0);
    logs->pins--;
}

uint64_t logs_bytes_between(const struct logs *logs, uint32_t log, int64_t offset, int64_t end_offset)
{
    const struct fake_log *at = &logs->logs[log];
    uint64_t size = 0;

    ((struct logs *)(uintptr_t)logs)->between_calls++;
    for (uint32_t i = 0; i < at->batch_count; i++) {
        if (at->batches[i].last_offset >= offset && at->batches[i].last_offset < end_offset)
            size += at->batches[i].size;
    }
    return size;
}

enum read_verdict logs_find_time(struct logs *logs, uint32_t log, int64_t timestamp, uint64_t waiter,
                                 struct time_answer *answer, struct effects *effects)
{
    const struct fake_log *at = &logs->logs[log];

    (void)effects;
    *answer = (struct time_answer){ -1, -1, -1 };
    logs->read_calls++;
    if (fake_waits(logs, waiter)) return READ_WAITS;
    if (logs->read_next != READ_OK) return logs->read_next;
    for (uint32_t i = 0; i < at->batch_count; i++) {
        const struct fake_batch *batch = &at->batches[i];
        if (timestamp == LOOKUP_MAX_TIMESTAMP) {
            if (batch->max_timestamp <= answer->timestamp) continue;
        } else if (batch->max_timestamp < timestamp || answer->offset >= 0) {
            continue;
        }
        *answer = (struct time_answer){ batch->base_offset, batch->max_timestamp, 0 };
    }
    return READ_OK;
}

/* Here each batch with a producer is one of another producer. */
uint32_t log_producer_count(const struct logs *logs, uint32_t log)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < logs->logs[log].batch_count; i++) count += logs->logs[log].batches[i].producer_id >= 0;
    return count;
}

bool log_next_producer(const struct logs *logs, uint32_t log, uint32_t *place, struct log_producer *producer)
{
    const struct fake_log *at = &logs->logs[log];

    for (*place = *place == LOG_PRODUCERS_BEGIN ? 0 : *place + 1; *place < at->batch_count; (*place)++) {
        const struct fake_batch *batch = &at->batches[*place];
        if (batch->producer_id < 0) continue;
        const int32_t records = (int32_t)(batch->last_offset - batch->base_offset);
        *producer =
            (struct log_producer){ batch->producer_id, batch->max_timestamp, batch->base_sequence + records, 0 };
        return true;
    }
    return false;
}

struct epoch_end log_epoch_end(const struct logs *logs, uint32_t log, int32_t leader_epoch)
{
    if (leader_epoch < 0) return (struct epoch_end){ -1, -1 };
    return (struct epoch_end){ 0, logs->logs[log].offsets.log_end_offset };
}

#endif
