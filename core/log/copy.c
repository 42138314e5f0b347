/* copy.c -- how do a leader's batches get into a follower's log? As they are, after they were judged: what a peer sends
 * is believed no more than what a client sends, and one bad batch must not stay. */
#include "base/check.h"
#include "log/append.h"

enum {
    COPY_BATCHES_MAX = 64,     /* of one journal entry: it needs so many places in memory at once */
    COPY_SIZE_MAX = 256 << 10, /* of one journal entry, unless one batch is larger */
};

/* A run of batches that goes into one journal entry. */
struct run {
    struct bytes bytes;
    uint32_t batches;
    int64_t end_offset; /* behind the last one */
};

/* Whether the batch at the begin of `bytes` may follow a log that ends at `from` in epoch `epoch`. The batch that holds
 * the log's first offset may begin before it: where the leader's log was cut short at its front, so is the copy. */
static bool is_next(const struct record_batch *batch, int64_t from, int32_t epoch, bool first_of_log)
{
    if (batch->base_offset < 0 || batch->last_offset_delta < 0 || batch->last_offset_delta == INT32_MAX) return false;
    if (batch->base_offset > INT64_MAX - 1 - batch->last_offset_delta) return false;
    if (batch->base_offset < from && !(first_of_log && record_batch_last_offset(batch) >= from)) return false;
    return batch->leader_epoch >= 0 && batch->leader_epoch >= epoch;
}

static enum copy_verdict judge(const struct logs *logs, const struct log *log, const struct log_copy *copy)
{
    struct bytes left = copy->batches;
    int64_t from = copy->from;
    int32_t epoch = log->epochs.newest.epoch;

    while (left.size > 0) {
        struct record_batch batch;
        const bool first_of_log = from == copy->from && log->log_start_offset == log->log_end_offset;
        if (record_batch_read(left, &batch) != RECORD_BATCH_WHOLE) return COPY_INVALID;
        if (!is_next(&batch, from, epoch, first_of_log)) return COPY_INVALID;
        if (record_batch_last_offset(&batch) >= copy->to || batch.leader_epoch > copy->leader_epoch)
            return COPY_INVALID;
        if (!record_batch_crc_matches(&batch) && !MUTANT(copy_is_not_checked)) return COPY_INVALID;
        if (batch.bytes.size > logs->batch_size_max - COPY_HEAD_SIZE) return COPY_TOO_LARGE;
        from = record_batch_last_offset(&batch) + 1;
        epoch = batch.leader_epoch;
        left.data += batch.bytes.size;
        left.size -= batch.bytes.size;
    }
    /* Whoever ends with a hole would have to fill it with his own records, should he lead. */
    return from == copy->to ? COPY_OK : COPY_INVALID;
}

/* The next batches that fit into one entry. */
/* An entry has to fit into an empty round, or it would wait for memory for ever. */
static struct run next_run(const struct logs *logs, struct bytes left)
{
    const uint64_t fits = MUTANT(copy_is_larger_than_a_round) ? COPY_SIZE_MAX : logs->batch_size_max - COPY_HEAD_SIZE;
    const uint32_t size_max = (uint32_t)MIN((uint64_t)COPY_SIZE_MAX, fits);
    struct run run = { .bytes = { left.data, 0 } };

    while (left.size > 0 && run.batches < COPY_BATCHES_MAX) {
        struct record_batch batch;
        CHECK(record_batch_read(left, &batch) == RECORD_BATCH_WHOLE); /* judged before */
        if (run.batches > 0 && run.bytes.size + batch.bytes.size > size_max) break;
        run.bytes.size += batch.bytes.size;
        run.batches++;
        run.end_offset = record_batch_last_offset(&batch) + 1;
        left.data += batch.bytes.size;
        left.size -= batch.bytes.size;
    }
    return run;
}

static void add_batches(struct logs *logs, uint32_t number, struct bytes copied, uint32_t chunk, int64_t wall_ms)
{
    while (copied.size > 0) {
        struct record_batch batch;
        CHECK(record_batch_read(copied, &batch) == RECORD_BATCH_WHOLE);
        append_batch(logs, number, &batch, copied.data, chunk);
        append_producer(logs, number, &batch, wall_ms);
        copied.data += batch.bytes.size;
        copied.size -= batch.bytes.size;
    }
}

static bool append_run(struct logs *logs, uint32_t number, const struct run *run, int64_t wall_ms)
{
    struct log *log = &logs->logs[number];
    uint32_t chunk;

    uint8_t *said = append_take(logs, log, ENTRY_COPY, COPY_HEAD_SIZE + run->bytes.size, run->batches, &chunk);
    if (said == NULL) return false;
    store_u64(said, (uint64_t)log->log_end_offset);
    store_u64(said + 8, (uint64_t)run->end_offset);
    memcpy(said + COPY_HEAD_SIZE, run->bytes.data, run->bytes.size);
    add_batches(logs, number, (struct bytes){ said + COPY_HEAD_SIZE, run->bytes.size }, chunk, wall_ms);
    return true;
}

enum copy_verdict logs_append_copy(struct logs *logs, uint32_t number, const struct log_copy *copy, int64_t wall_ms)
{
    const struct log *log = log_at(logs, number);
    struct bytes left = copy->batches;

    CHECK(logs->state == LOGS_OPEN && log->truncation == TRUNCATION_NONE);
    if (copy->from != log->log_end_offset) return COPY_NOT_NEXT;
    const enum copy_verdict verdict = judge(logs, log, copy);
    if (verdict != COPY_OK) return verdict;
    if (logs->journal_full || logs->segments_full) return COPY_DISK_FULL;
    while (left.size > 0) {
        const struct run run = next_run(logs, left);
        if (!append_run(logs, number, &run, wall_ms)) return COPY_NO_MEMORY;
        left.data += run.bytes.size;
        left.size -= run.bytes.size;
    }
    log_check(logs, number);
    return COPY_OK;
}
