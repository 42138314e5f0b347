#include "log/flush.h"

#include "log/compaction.h"
#include "log/remove.h"
#include "log/segments.h"

enum { PASSED_MAX = 1024 }; /* batches of logs that are held up, that are looked past in one step */

/* ---- which log ---- */

static void queue(struct logs *logs, uint32_t number)
{
    struct log *log = &logs->logs[number];

    if (log->flush_queued) return;
    log->flush_queued = true;
    log->next_flush = LOG_NONE;
    if (logs->flush_queue_last == LOG_NONE) logs->flush_queue_first = number;
    else logs->logs[logs->flush_queue_last].next_flush = number;
    logs->flush_queue_last = number;
}

static uint32_t unqueue(struct logs *logs)
{
    const uint32_t number = logs->flush_queue_first;
    if (number == LOG_NONE) return LOG_NONE;
    struct log *log = &logs->logs[number];

    logs->flush_queue_first = log->next_flush;
    if (log->next_flush == LOG_NONE) logs->flush_queue_last = LOG_NONE;
    log->flush_queued = false;
    return number;
}

/* Nothing stands in the way of writing to the log's files. */
static bool may_flush(const struct log *log)
{
    return log->flush == SLOT_FREE && !log->frozen && log->cuts == 0;
}

void flush_if_much(struct logs *logs, uint32_t number)
{
    const struct log *log = &logs->logs[number];
    const uint64_t wanted = MIN((uint64_t)FLUSH_SIZE_WANTED, tail_memory_size(logs->tail) / FLUSH_SHARE_WANTED);

    if (log->flush == SLOT_FREE && log->durable_position - log->written_position >= wanted) {
        queue(logs, number);
    }
}

/* Whether the oldest batch that no write was ordered for should have one. */
static bool oldest_is_wanted(const struct logs *logs)
{
    const struct entries *entries = &logs->entries;
    const uint32_t oldest = entries->unordered - entries->first;
    const uint32_t count = entries->end - entries->first;

    if (entries->unordered == entries->durable_end) return false;
    if (logs->flush_all) return true;
    /* Marks that were passed and evicted lie far away; they ask for nothing. */
    const uint32_t until = logs->flush_until - entries->first;
    if (until <= count && oldest < until) return true;
    const uint32_t target = logs->checkpoint.target - entries->first;
    if (logs->checkpoint.state == CHECKPOINT_FLUSHING && target <= count && oldest < target) return true;
    return logs->starved || logs->pending_size > tail_memory_size(logs->tail) / 4 ||
           count - oldest > entries->entries_max / 4;
}

/* The oldest batch of a log that may be flushed, not far behind the oldest of all: one log must not hold up others. */
static uint32_t oldest_log(const struct logs *logs)
{
    const struct entries *entries = &logs->entries;

    for (uint32_t at = entries->unordered, bound = PASSED_MAX; at != entries->durable_end && bound > 0; at++, bound--) {
        const struct entry *entry = entry_at(entries, at);
        if (entry->log == ENTRY_NONE || (entry->flags & ENTRY_ORDERED) != 0) continue;
        if (may_flush(&logs->logs[entry->log])) return entry->log;
    }
    return LOG_NONE;
}

/* The next log to flush. A queued one may have been deleted, or be held up: then it comes again. */
static uint32_t next_log(struct logs *logs)
{
    for (uint32_t number; (number = unqueue(logs)) != LOG_NONE;) {
        const struct log *log = &logs->logs[number];
        if (log->open && may_flush(log) && log->entries.unordered != ENTRY_NONE) return number;
    }
    entries_advance(&logs->entries);
    return oldest_is_wanted(logs) ? oldest_log(logs) : LOG_NONE;
}

/* ---- what is written ---- */

static bool fits(const struct flush *flush, const struct entry *entry)
{
    return flush->piece_count < FLUSH_PIECES_MAX &&
           (flush->size == 0 || (uint64_t)flush->size + entry->size <= FLUSH_SIZE_MAX);
}

/* Takes batches of the log, from its first unordered one on, as far as one write to `segment` goes. */
static void gather(struct logs *logs, struct flush *flush, struct log *log)
{
    struct segment *segment = &logs->segments[flush->segment];
    struct index_entries entries = { .index = flush->index, .time_index = flush->time_index };
    uint32_t at = log->entries.unordered;

    while (at != ENTRY_NONE) {
        struct entry *entry = entry_at(&logs->entries, at);
        if (!entry_is_durable(&logs->entries, at) && !MUTANT(flush_takes_what_is_not_durable)) break;
        if (!fits(flush, entry) || segment_must_roll(segment, &flush->mark, &log->rules, entry, logs->wall_ms)) break;
        if (flush->mark.size == 0) segment->first_timestamp = entry->max_timestamp;
        segment_mark_add(&flush->mark, segment->base_offset,
                         &(struct indexed_batch){ entry_last_offset(entry), entry->max_timestamp, entry->size },
                         log->rules.index_interval_size, &entries);
        flush->pieces[flush->piece_count++] =
            (struct piece){ .data = tail_data(logs->tail, entry->chunk) + entry->chunk_at, .size = entry->size };
        flush->size += entry->size;
        flush->entry_count++;
        entry->flags |= ENTRY_ORDERED;
        at = entry->next;
    }
    log->entries.unordered = at;
    flush->index_piece = (struct piece){ .data = flush->index, .size = entries.index_size };
    flush->time_index_piece = (struct piece){ .data = flush->time_index, .size = entries.time_index_size };
}

static void order_write(struct flush *flush, uint32_t slot, enum flush_part part, uint64_t position,
                        const struct piece *pieces, uint32_t piece_count, struct effects *effects)
{
    flush->parts_waited |= 1U << part;
    effects_add(effects, EFFECT_WRITE)->write = (struct effect_write){
        .op = logs_op(LOGS_OP_FLUSH, slot, part),
        .path = flush->paths[part],
        .position = position,
        .pieces = pieces,
        .piece_count = piece_count,
    };
}

/* Orders the flush's writes; the same again after a full disk. */
static void order_writes(struct logs *logs, uint32_t slot, struct effects *effects)
{
    struct flush *flush = &logs->flushes[slot];
    const struct segment *segment = &logs->segments[flush->segment];

    flush->state = FLUSH_WRITING;
    flush->disk_full = false;
    order_write(flush, slot, FLUSH_LOG, segment->written.size, flush->pieces, flush->piece_count, effects);
    if (flush->index_piece.size > 0) {
        order_write(flush, slot, FLUSH_INDEX, segment->written.index_size, &flush->index_piece, 1, effects);
    }
    if (flush->time_index_piece.size > 0) {
        order_write(flush, slot, FLUSH_TIME_INDEX, segment->written.time_index_size, &flush->time_index_piece, 1,
                    effects);
    }
    if (flush->closed != SEGMENT_NONE && flush->closed_piece.size > 0) {
        order_write(flush, slot, FLUSH_CLOSE, logs->segments[flush->closed].written.time_index_size,
                    &flush->closed_piece, 1, effects);
    }
}

/* ---- beginning ---- */

static void close_segment(struct logs *logs, struct flush *flush, uint32_t number)
{
    struct segment *segment = &logs->segments[number];
    struct index_entries entries = { .time_index = flush->closed_entry };

    segment->flags |= SEGMENT_SEALED;
    flush->closed = number;
    flush->closed_mark = segment->written;
    segment_mark_close(&flush->closed_mark, segment->base_offset, &entries);
    flush->closed_piece = (struct piece){ .data = flush->closed_entry, .size = entries.time_index_size };
}

/* The segment that the log's next batch goes to: the active one, or a new one behind it. False: segments_max. */
static bool choose_segment(struct logs *logs, struct flush *flush, struct log *log, struct effects *effects)
{
    const struct entry *first = entry_at(&logs->entries, log->entries.unordered);
    const uint32_t active = log->last_segment;

    flush->closed = SEGMENT_NONE;
    flush->segment = active;
    if (active != SEGMENT_NONE && !segment_must_roll(&logs->segments[active], &logs->segments[active].written,
                                                     &log->rules, first, logs->wall_ms)) {
        return true;
    }
    flush->segment = segment_add(logs, flush->log, first->base_offset, first->position);
    if (flush->segment == SEGMENT_NONE) return false;
    if (active != SEGMENT_NONE && (logs->segments[active].flags & SEGMENT_SEALED) == 0) {
        close_segment(logs, flush, active);
    }
    NOTE(effects, SEGMENT_ROLLED, flush->log, first->base_offset);
    return true;
}

static void set_paths(const struct logs *logs, struct flush *flush)
{
    const struct segment *segment = &logs->segments[flush->segment];

    segment_path(logs, segment, SEGMENT_LOG, flush->paths[FLUSH_LOG]);
    segment_path(logs, segment, SEGMENT_INDEX, flush->paths[FLUSH_INDEX]);
    segment_path(logs, segment, SEGMENT_TIME_INDEX, flush->paths[FLUSH_TIME_INDEX]);
    if (flush->closed == SEGMENT_NONE) return;
    segment_path(logs, &logs->segments[flush->closed], SEGMENT_TIME_INDEX, flush->paths[FLUSH_CLOSE]);
}

static void order_directory(struct logs *logs, uint32_t slot, const struct log *log, struct effects *effects)
{
    struct flush *flush = &logs->flushes[slot];
    const struct log_place place = log_place(logs, log);

    flush->state = FLUSH_MAKING_DIRECTORY;
    flush->disk_full = false;
    flush->parts_waited |= 1U << FLUSH_DIRECTORY;
    path_of_partition(flush->paths[FLUSH_DIRECTORY], &place);
    effects_add(effects, EFFECT_FILE)->file = (struct effect_file){
        .op = logs_op(LOGS_OP_FLUSH, slot, FLUSH_DIRECTORY),
        .action = FILE_MAKE_DIRECTORY,
        .path = flush->paths[FLUSH_DIRECTORY],
    };
}

static void segments_are_full(struct logs *logs, struct effects *effects)
{
    if (logs->state == LOGS_RECOVERING) logs_break(logs, HALT_DISK_FULL, WAL_DIRECTORY);
    if (!logs->segments_full) NOTE(effects, LOG_DISK_FULL);
    logs->segments_full = true;
    logs->segments_retry_ns = logs->mono_ns + DISK_RETRY_NS;
}

static bool begin(struct logs *logs, uint32_t number, struct effects *effects)
{
    struct log *log = log_at(logs, number);
    uint32_t slot = 0;

    while (logs->flushes[slot].state != FLUSH_FREE) slot++;
    struct flush *flush = &logs->flushes[slot];
    flush->log = number;
    flush->generation = log->generation;
    flush->doomed = DOOMED_NONE;
    flush->piece_count = 0;
    flush->entry_count = 0;
    flush->size = 0;
    flush->parts_waited = 0;
    flush->first_entry = log->entries.unordered;
    if (!entry_is_durable(&logs->entries, flush->first_entry) && !MUTANT(flush_takes_what_is_not_durable)) return true;
    if (!choose_segment(logs, flush, log, effects)) {
        segments_are_full(logs, effects); /* as on a full disk: retention may make room */
        return false;
    }
    flush->mark = logs->segments[flush->segment].written;
    gather(logs, flush, log);
    CHECK(flush->entry_count > 0);
    log->fresh = false;
    log->flush = slot;
    logs->flushes_used++;
    set_paths(logs, flush);
    if (log->directory_made) order_writes(logs, slot, effects);
    else order_directory(logs, slot, log, effects);
    return true;
}

/* ---- answers ---- */

static void entries_are_written(struct logs *logs, const struct flush *flush, struct log *log)
{
    uint32_t at = flush->first_entry;

    for (uint32_t i = 0; i < flush->entry_count; i++) {
        struct entry *entry = entry_at(&logs->entries, at);
        entry->flags |= ENTRY_WRITTEN;
        log->written_position = entry->position + entry->size;
        at = entry->next;
    }
    log->written_offset = flush->mark.end_offset;
    entries_advance(&logs->entries);
}

/* A write found room: those that had none try at once. */
static void relieve(struct logs *logs, struct effects *effects)
{
    bool waits = false;

    if (!logs->segments_full) return;
    for (uint32_t slot = 0; slot < FLUSHES_MAX; slot++) waits |= logs->flushes[slot].state == FLUSH_DISK_FULL;
    logs->segments_retry_ns = logs->mono_ns;
    if (waits) return;
    logs->segments_full = false;
    NOTE(effects, LOG_DISK_RELIEVED);
}

static void finish(struct logs *logs, uint32_t slot, struct effects *effects)
{
    struct flush *flush = &logs->flushes[slot];
    struct log *log = log_at(logs, flush->log);
    struct segment *segment = &logs->segments[flush->segment];

    CHECK(segment->written.end_offset <= flush->mark.end_offset);
    /* Files that did not exist have names now, which no earlier sync of the directory can have covered. */
    log->directory_dirty |= segment->written.size == 0 ||
                            (segment->written.index_size == 0 && flush->index_piece.size > 0) ||
                            (segment->written.time_index_size == 0 && flush->time_index_piece.size > 0) ||
                            (flush->closed != SEGMENT_NONE && flush->closed_piece.size > 0);
    log->segments_size += flush->mark.size - segment->written.size;
    logs->pending_size -= flush->size;
    segment->written = flush->mark;
    segment_dirty(logs, flush->segment,
                  (uint8_t)(1U << SEGMENT_LOG | (flush->index_piece.size > 0 ? 1U << SEGMENT_INDEX : 0) |
                            (flush->time_index_piece.size > 0 ? 1U << SEGMENT_TIME_INDEX : 0)));
    if (flush->closed != SEGMENT_NONE) {
        logs->segments[flush->closed].written = flush->closed_mark;
        if (flush->closed_piece.size > 0) segment_dirty(logs, flush->closed, 1U << SEGMENT_TIME_INDEX);
    }
    compaction_wake(logs, log);
    entries_are_written(logs, flush, log);
    flush->state = FLUSH_FREE;
    log->flush = SLOT_FREE;
    logs->flushes_used--;
    logs->flushes_done++;
    logs->starved = false;
    logs->checkpoint.activity = true;
    flush_if_much(logs, flush->log);
    relieve(logs, effects);
    remove_what_waited(logs, flush->log);
}

static void abandon_answered(struct logs *logs, struct flush *flush)
{
    logs->doomed[flush->doomed].holds--;
    if (flush->parts_waited > 0) return;
    flush->state = FLUSH_FREE;
    logs->flushes_used--;
}

void flush_on_disk(struct logs *logs, uint32_t slot, uint32_t part, const struct event_disk *disk,
                   struct effects *effects)
{
    CHECK(slot < FLUSHES_MAX && part < FLUSH_PARTS);
    struct flush *flush = &logs->flushes[slot];
    CHECK((flush->parts_waited & 1U << part) != 0);

    flush->parts_waited &= ~(1U << part);
    if (flush->doomed != DOOMED_NONE) {
        abandon_answered(logs, flush);
        return;
    }
    if (disk->result == DISK_FULL) flush->disk_full = true;
    else if (disk->result != DISK_DONE) logs_break(logs, HALT_DISK_FAILED, flush->paths[part]);
    if (flush->parts_waited > 0 || logs->state == LOGS_BROKEN) return;
    if (flush->disk_full) {
        flush->state = FLUSH_DISK_FULL;
        segments_are_full(logs, effects);
        return;
    }
    struct log *log = log_at(logs, flush->log);
    if (flush->state == FLUSH_MAKING_DIRECTORY) {
        log->directory_made = true;
        logs->topics[log->topic].directory_dirty = !MUTANT(partition_directory_has_no_name);
        logs->wal_directory_dirty = true;
        order_writes(logs, slot, effects); /* four at most, in answer to one: a step's bound holds */
        return;
    }
    finish(logs, slot, effects);
}

uint32_t flush_abandon(struct logs *logs, uint32_t number, uint32_t doomed)
{
    const struct log *log = &logs->logs[number];
    uint32_t orders = 0;
    if (log->flush == SLOT_FREE) return 0;
    struct flush *flush = &logs->flushes[log->flush];

    flush->doomed = doomed;
    for (uint32_t parts = flush->parts_waited; parts != 0; parts &= parts - 1) orders++;
    if (orders == 0) {
        flush->state = FLUSH_FREE;
        logs->flushes_used--;
    }
    return orders;
}

/* ---- memory and time ---- */

bool flush_evict(struct logs *logs, uint64_t used_max, uint32_t count_max)
{
    struct entry entry;
    bool any = false;

    entries_advance(&logs->entries);
    while (count_max-- > 0 && tail_used_size(logs->tail) >= used_max && entries_evict(&logs->entries, &entry)) {
        if (entry.chunk != CHUNK_NONE) tail_unpin(logs->tail, entry.chunk);
        if (entry.log != ENTRY_NONE) entry_list_evict(&logs->logs[entry.log].entries, &entry);
        any = true;
    }
    if (any) logs->starved = false;
    return any;
}

/* Orders again what found no space. True if further flushes may begin. */
static bool retry(struct logs *logs, struct effects *effects)
{
    bool waits = false;

    if (!logs->segments_full) return true;
    if (logs->mono_ns < logs->segments_retry_ns) return false;
    logs->segments_retry_ns = logs->mono_ns + DISK_RETRY_NS;
    for (uint32_t slot = 0; slot < FLUSHES_MAX; slot++) {
        const struct flush *flush = &logs->flushes[slot];
        waits |= flush->state != FLUSH_FREE;
        if (flush->state != FLUSH_DISK_FULL || !logs_may_order(effects, FLUSH_PARTS)) continue;
        const struct log *log = log_at(logs, flush->log);
        if (log->directory_made) order_writes(logs, slot, effects);
        else order_directory(logs, slot, log, effects);
    }
    /* Where nothing waits, a segment slot was not to be had, or the log that waited is gone: the next one will tell. */
    if (!waits) logs->segments_full = false;
    return !waits;
}

static void age(struct logs *logs)
{
    if (logs->age_mark_ns == 0) logs->age_mark_ns = logs->mono_ns;
    if (logs->mono_ns - logs->age_mark_ns < FLUSH_AGE_NS) return;
    logs->flush_until = logs->age_mark;
    logs->age_mark = logs->entries.end;
    logs->age_mark_ns = logs->mono_ns;
}

void flush_work(struct logs *logs, struct effects *effects)
{
    age(logs);
    /* While the disk is full, the flushes that wait are enough to find out when it is not. */
    const bool may_begin = retry(logs, effects);
    while (may_begin && logs->flushes_used < FLUSHES_MAX) {
        if (!logs_may_order(effects, FLUSH_PARTS)) {
            logs->due = true;
            break;
        }
        const uint32_t number = next_log(logs);
        if (number == LOG_NONE || !begin(logs, number, effects)) break;
    }
    /* A quarter of the range is for large entries: at five eighths the rest is nearly used up. */
    flush_evict(logs, tail_memory_size(logs->tail) / 8 * 5, 4096);
}

uint64_t flush_deadline_ns(const struct logs *logs)
{
    uint64_t deadline = UINT64_MAX;

    if (logs->entries.unwritten != logs->entries.end) deadline = logs->age_mark_ns + FLUSH_AGE_NS;
    if (logs->segments_full) deadline = MIN(deadline, logs->segments_retry_ns);
    return deadline;
}
