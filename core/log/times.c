#include "log/times.h"

#include "codec/record.h"
#include "log/lookup.h"
#include "log/reads.h"

enum times_verdict times_in_batch(struct logs *logs, struct bytes bytes, int64_t timestamp, int64_t offset_min,
                                  struct time_answer *answer)
{
    const struct compression_memory memory = { logs->unpacked, logs->unpacked_size, logs->unpack_scratch,
                                               DECOMPRESSION_SCRATCH_SIZE };
    struct record_batch batch;
    struct record_found found;
    struct bytes records;

    if (record_batch_read(bytes, &batch) != RECORD_BATCH_WHOLE) return TIMES_UNREADABLE;
    const enum compression_verdict opened = record_batch_open(&batch, &memory, &records);
    if (opened == COMPRESSION_TOO_LARGE) {
        *answer = (struct time_answer){ MAX(batch.base_offset, offset_min), batch.max_timestamp, batch.leader_epoch };
        return TIMES_FOUND;
    }
    if (opened != COMPRESSION_OK) return TIMES_UNREADABLE;
    switch (record_find_time(&batch, records, timestamp, offset_min, &found)) {
    case RECORD_FOUND:
        *answer = (struct time_answer){ found.offset, found.timestamp, batch.leader_epoch };
        return TIMES_FOUND;
    case RECORD_NOT_FOUND: return TIMES_NOT_FOUND;
    case RECORD_UNREADABLE: return TIMES_UNREADABLE;
    }
    CHECK(false);
    return TIMES_UNREADABLE;
}

uint32_t times_next_segment(const struct logs *logs, const struct log *log, uint32_t number, int64_t timestamp)
{
    while (number != SEGMENT_NONE) {
        const struct segment *segment = &logs->segments[number];
        if (segment->written.largest_timestamp >= timestamp && segment->written.end_offset > log->log_start_offset) {
            return number;
        }
        number = segment->next;
    }
    return SEGMENT_NONE;
}

enum times_verdict times_in_memory(struct logs *logs, const struct log *log, int64_t timestamp,
                                   struct time_answer *answer)
{
    if (timestamp > log->tail_timestamp) return TIMES_NOT_FOUND;
    for (uint32_t at = log_entry_find(logs, log, log->written_offset); at != ENTRY_NONE;) {
        const struct entry *entry = entry_at(&logs->entries, at);
        if (entry_last_offset(entry) >= log->high_watermark) break;
        at = entry->next;
        if (entry->max_timestamp < timestamp || entry_last_offset(entry) < log->log_start_offset) continue;
        const struct bytes bytes = { tail_data(logs->tail, entry->chunk) + entry->chunk_at, entry->size };
        const enum times_verdict verdict = times_in_batch(logs, bytes, timestamp, log->log_start_offset, answer);
        if (verdict != TIMES_NOT_FOUND) return verdict;
    }
    return TIMES_NOT_FOUND;
}

/* The largest timestamp of all records; -1: there is none. */
static int64_t largest_timestamp(const struct logs *logs, const struct log *log)
{
    int64_t largest = -1;

    for (uint32_t number = log->first_segment; number != SEGMENT_NONE; number = logs->segments[number].next) {
        const struct segment_mark *mark = &logs->segments[number].written;
        /* Where the youngest record was deleted, the segment's own word says nothing about the rest of it. */
        if (mark->largest_timestamp_offset < log->log_start_offset) continue;
        if (logs->segments[number].base_offset < log->hidden_offset) continue;
        largest = MAX(largest, mark->largest_timestamp);
    }
    for (uint32_t at = log_entry_find(logs, log, log->written_offset); at != ENTRY_NONE;) {
        const struct entry *entry = entry_at(&logs->entries, at);
        if (entry_last_offset(entry) >= log->high_watermark) break;
        largest = MAX(largest, entry->max_timestamp);
        at = entry->next;
    }
    return largest;
}

static enum read_verdict find_time(struct logs *logs, uint32_t number, int64_t timestamp, uint64_t waiter,
                                   struct time_answer *answer, struct effects *effects)
{
    struct log *log = log_at(logs, number);
    int64_t wanted = timestamp == LOOKUP_MAX_TIMESTAMP ? largest_timestamp(logs, log) : timestamp;
    struct found_time found;

    *answer = (struct time_answer){ -1, -1, -1 };
    if (lookup_take_time(logs, number, timestamp, &found)) {
        if (found.corrupt) return READ_CORRUPT;
        const bool known = found.answer.offset >= log->log_start_offset || MUTANT(time_lookup_finds_what_is_deleted);
        /* Somebody may have asked long ago, and not waited for it: what has come since lies in memory. */
        const bool nowhere = times_next_segment(logs, log, log->first_segment, wanted) == SEGMENT_NONE;
        const bool is_none = found.answer.offset < 0 && (!nowhere || MUTANT(time_lookup_trusts_an_old_answer));
        if (timestamp != LOOKUP_MAX_TIMESTAMP && (known || is_none)) {
            *answer = found.answer;
            return READ_OK;
        }
        /* A younger record may have come since; and where it is, it is in memory, so this does not go on for ever. */
        if (known && found.answer.timestamp >= wanted) {
            *answer = found.answer;
            return READ_OK;
        }
        if (timestamp == LOOKUP_MAX_TIMESTAMP && found.answer.offset < 0 && wanted >= found.searched) {
            /* The youngest record of the first segment was deleted, in the batch that the log now begins in. */
            log->hidden_offset = log->log_start_offset;
            wanted = largest_timestamp(logs, log);
        }
    }
    if (wanted < 0) return READ_OK; /* no record has a time */
    const uint32_t segment = times_next_segment(logs, log, log->first_segment, wanted);
    if (segment == SEGMENT_NONE) {
        const enum times_verdict verdict = times_in_memory(logs, log, wanted, answer);
        return verdict == TIMES_UNREADABLE ? READ_CORRUPT : READ_OK;
    }
    if (lookup_time(logs, number, segment, timestamp, wanted, waiter, effects)) return READ_WAITS;
    reads_wait(logs, waiter);
    return READ_BUSY;
}

enum read_verdict logs_find_time(struct logs *logs, uint32_t number, int64_t timestamp, uint64_t waiter,
                                 struct time_answer *answer, struct effects *effects)
{
    CHECK(waiter != 0);
    const enum read_verdict verdict = find_time(logs, number, timestamp, waiter, answer, effects);

    /* Segments hold what is durable here, committed or not. Where the first such record is not, none is. */
    if (verdict == READ_OK && answer->offset >= log_at(logs, number)->high_watermark) {
        *answer = (struct time_answer){ -1, -1, -1 };
    }
    return verdict;
}
