#include "log/reads.h"

#include "log/lookup.h"
#include "log/segments.h"

enum { SMALL_READ = 64 * 1024 }; /* where so little fits into READ_PIECES_MAX batches, a range of the file is better */

/* ---- who waits ---- */

void reads_wake(struct logs *logs, uint64_t waiter)
{
    const uint32_t at = ring_push(&logs->ready);

    CHECK(at != RING_NONE); /* the roof asks for the ready ones in every step, and waiters_max is enough for it */
    logs->ready_waiters[at] = waiter;
}

void reads_wake_one(struct logs *logs)
{
    const uint32_t at = ring_pop(&logs->busy);

    if (at != RING_NONE) reads_wake(logs, logs->busy_waiters[at]);
}

/* One that reads many partitions waits for all of them with one entry: entries beyond the waiters there are would push
 * each other out and in again without end, for as long as the disk stands still. */
static bool waits_already(const struct logs *logs, uint64_t waiter)
{
    for (uint32_t i = 0; i < logs->busy.count; i++) {
        if (logs->busy_waiters[ring_at(&logs->busy, i)] == waiter) return true;
    }
    return false;
}

void reads_wait(struct logs *logs, uint64_t waiter)
{
    if (waits_already(logs, waiter)) return;
    if (logs->busy.count == logs->busy.items_max) reads_wake_one(logs); /* of a request that is gone: it tells nobody */
    logs->busy_waiters[ring_push(&logs->busy)] = waiter;
}

uint64_t logs_next_ready(struct logs *logs)
{
    const uint32_t at = ring_pop(&logs->ready);

    return at == RING_NONE ? 0 : logs->ready_waiters[at];
}

/* ---- from memory ---- */

/* Batches from entry `at` on, as many as the limits allow. */
static void read_memory(struct logs *logs, uint32_t at, int64_t end_offset, uint32_t size_max, bool first_whole,
                        struct log_read *read)
{
    while (at != ENTRY_NONE && read->piece_count < READ_PIECES_MAX) {
        const struct entry *entry = entry_at(&logs->entries, at);
        if (entry_last_offset(entry) >= end_offset) break;
        const bool fits = entry->size <= size_max - MIN(read->size, size_max);
        if (!fits && !(first_whole && read->piece_count == 0)) break;
        read->pieces[read->piece_count] =
            (struct piece){ .data = tail_data(logs->tail, entry->chunk) + entry->chunk_at, .size = entry->size };
        read->chunks[read->piece_count++] = entry->chunk;
        read->size += entry->size;
        at = entry->next;
    }
    for (uint32_t i = 0; i < read->piece_count; i++) tail_pin(logs->tail, read->chunks[i]);
}

/* ---- from a file ---- */

/* Keeps the segment's file, and its path, until logs_unpin. False: too many are kept. */
static bool pin_file(struct logs *logs, uint32_t number, struct log_read *read)
{
    struct segment *segment = &logs->segments[number];

    if (segment->file_pin == SLOT_FREE) {
        const uint32_t slot = pool_take(&logs->file_pins_pool);
        if (slot == POOL_NONE) return false;
        logs->file_pins[slot].segment = number;
        logs->file_pins[slot].pins = 0;
        segment_path(logs, segment, SEGMENT_LOG, logs->file_pins[slot].path);
        segment->file_pin = slot;
    }
    logs->file_pins[segment->file_pin].pins++;
    segment_pin(logs, number);
    read->segment_pin = segment->file_pin;
    return true;
}

static void unpin_file(struct logs *logs, uint32_t slot)
{
    CHECK(pool_is_taken(&logs->file_pins_pool, slot));
    struct file_pin *pin = &logs->file_pins[slot];

    CHECK(pin->pins > 0);
    if (--pin->pins == 0) {
        logs->segments[pin->segment].file_pin = SLOT_FREE;
        pool_give(&logs->file_pins_pool, slot);
    }
    segment_unpin(logs, pin->segment);
}

/* A range of a file: from `position`, where a batch of `batch_size` bytes begins, to at most `limit`. */
static enum read_verdict read_range(struct logs *logs, uint32_t segment, uint32_t position, uint32_t limit,
                                    uint32_t batch_size, uint32_t size_max, bool first_whole, struct log_read *read)
{
    uint32_t size = MIN(size_max, limit - position);

    CHECK(position < limit && batch_size <= limit - position);
    if (size < batch_size) size = first_whole ? batch_size : 0;
    if (size == 0) return READ_OK;
    if (!pin_file(logs, segment, read)) return READ_BUSY;
    read->pieces[0] =
        (struct piece){ .path = logs->file_pins[read->segment_pin].path, .position = position, .size = size };
    read->chunks[0] = CHUNK_NONE;
    read->piece_count = 1;
    read->size = size;
    return READ_OK;
}

/* Small batches that are in a segment already: more of them fit into one range than into a list of pieces. True if
 * it was done. */
static bool read_small(struct logs *logs, const struct log *log, uint32_t at, int64_t end_offset, uint32_t size_max,
                       struct log_read *read)
{
    const struct entry *entry = entry_at(&logs->entries, at);
    const uint32_t number = segment_find(logs, log, entry->base_offset);
    uint32_t bytes = 0;

    if (number == SEGMENT_NONE) return false;
    const struct segment *segment = &logs->segments[number];
    /* A high watermark within the segment would have to be found in it first. */
    if (end_offset < segment->written.end_offset) return false;
    uint32_t count = 0;
    for (uint32_t next = at; next != ENTRY_NONE && count < READ_PIECES_MAX; count++) {
        bytes += entry_at(&logs->entries, next)->size;
        if (bytes >= SMALL_READ || bytes >= size_max) return false;
        next = entry_at(&logs->entries, next)->next;
    }
    const uint64_t position = entry->position - segment->begin_position;
    if (count < READ_PIECES_MAX || segment->written.size - position <= bytes) return false;
    return read_range(logs, number, (uint32_t)position, segment->written.size, entry->size, size_max, true, read) ==
           READ_OK;
}

/* Where in the segment the batches end that lie below end_offset. */
static enum read_verdict find_limit(struct logs *logs, uint32_t number, uint32_t segment_number, int64_t end_offset,
                                    uint64_t waiter, uint32_t *limit, struct effects *effects)
{
    const struct segment *segment = &logs->segments[segment_number];
    const struct log *log = &logs->logs[number];

    *limit = segment->written.size;
    if (end_offset >= segment->written.end_offset || MUTANT(read_passes_high_watermark)) return READ_OK;
    const uint32_t at = log_entry_find(logs, log, end_offset);
    if (at != ENTRY_NONE) {
        *limit = (uint32_t)(entry_at(&logs->entries, at)->position - segment->begin_position);
        return READ_OK;
    }
    const struct cursor *cursor = lookup_cursor(logs, number, end_offset);
    if (cursor == NULL) {
        if (lookup_offset(logs, number, segment_number, end_offset, waiter, effects)) return READ_WAITS;
        return READ_BUSY;
    }
    *limit = cursor->position;
    return cursor->size > 0 ? READ_OK : READ_CORRUPT;
}

static enum read_verdict read_file(struct logs *logs, uint32_t number, int64_t offset, int64_t end_offset,
                                   uint32_t size_max, bool first_whole, uint64_t waiter, struct log_read *read,
                                   struct effects *effects)
{
    const struct log *log = &logs->logs[number];
    const uint32_t segment = segment_find(logs, log, offset);
    uint32_t limit;

    if (segment == SEGMENT_NONE) return READ_CORRUPT; /* what is not in memory should be in a segment */
    const struct cursor *cursor = lookup_cursor(logs, number, offset);
    if (cursor == NULL) {
        if (lookup_offset(logs, number, segment, offset, waiter, effects)) return READ_WAITS;
        return READ_BUSY;
    }
    if (cursor->size == 0) {
        lookup_forget(logs, number, offset);
        return READ_CORRUPT;
    }
    const uint32_t position = cursor->position, size = cursor->size;
    const enum read_verdict verdict = find_limit(logs, number, segment, end_offset, waiter, &limit, effects);
    if (verdict != READ_OK) return verdict;
    if (limit <= position) return READ_OK; /* the batch reaches beyond what may be seen */
    if (size > limit - position) return READ_CORRUPT;
    return read_range(logs, segment, position, limit, size, size_max, first_whole, read);
}

enum read_verdict logs_read(struct logs *logs, uint32_t number, int64_t offset, int64_t end_offset, uint32_t size_max,
                            bool first_whole, uint64_t waiter, struct log_read *read, struct effects *effects)
{
    const struct log *log = log_at(logs, number);

    CHECK(waiter != 0);
    read->piece_count = 0;
    read->size = 0;
    read->segment_pin = SLOT_FREE;
    if (offset < log->log_start_offset || offset > log->log_end_offset) return READ_OUT_OF_RANGE;
    end_offset = MIN(end_offset, log->log_end_offset);
    if (offset >= end_offset) return READ_OK;
    const uint32_t at = log_entry_find(logs, log, offset);
    if (at != ENTRY_NONE) {
        if (read_small(logs, log, at, end_offset, size_max, read)) return READ_OK;
        read_memory(logs, at, end_offset, size_max, first_whole, read);
        return READ_OK;
    }
    const enum read_verdict verdict =
        read_file(logs, number, offset, end_offset, size_max, first_whole, waiter, read, effects);
    if (verdict == READ_BUSY) reads_wait(logs, waiter);
    return verdict;
}

void logs_unpin(struct logs *logs, const struct log_read *read)
{
    for (uint32_t i = 0; i < read->piece_count; i++) {
        if (read->chunks[i] != CHUNK_NONE) tail_unpin(logs->tail, read->chunks[i]);
    }
    if (read->segment_pin != SLOT_FREE) {
        unpin_file(logs, read->segment_pin);
        reads_wake_one(logs);
    }
    logs->starved = false;
}

uint64_t logs_pinned_size(const struct logs *logs, const struct log_read *read)
{
    uint64_t size = 0;

    for (uint32_t i = 0; i < read->piece_count; i++) {
        const bool is_known = i > 0 && read->chunks[i] == read->chunks[i - 1];
        if (read->chunks[i] != CHUNK_NONE && !is_known) size += tail_chunk_size(logs->tail, read->chunks[i]);
    }
    return size;
}

/* ---- sizes ---- */

/* Bytes of the log before the offset: exact where a batch is in memory, else as if batches of a segment were equal. */
static uint64_t position_of(const struct logs *logs, const struct log *log, int64_t offset)
{
    if (offset >= log->log_end_offset) return log->end_position;
    const uint32_t at = log_entry_find(logs, log, offset);
    if (at != ENTRY_NONE) return entry_at(&logs->entries, at)->position;
    const uint32_t number = segment_find(logs, log, offset);
    if (number == SEGMENT_NONE) return log->written_position;
    const struct segment *segment = &logs->segments[number];
    if (offset <= segment->base_offset) return segment->begin_position;
    const uint64_t offsets = (uint64_t)(segment->written.end_offset - segment->base_offset);
    return segment->begin_position + (uint64_t)(offset - segment->base_offset) * segment->written.size / offsets;
}

uint64_t logs_bytes_between(const struct logs *logs, uint32_t number, int64_t offset, int64_t end_offset)
{
    const struct log *log = log_at(logs, number);
    const int64_t begin = MAX(offset, log->log_start_offset);

    if (begin >= end_offset) return 0;
    /* Positions of segments that were there at the start lie below zero, and wrap. */
    return position_of(logs, log, end_offset) - position_of(logs, log, begin);
}
