#include "log/compaction.h"

#include "log/cleanable.h"
#include "log/compaction_source.h"
#include "log/segments.h"

enum {
    LOGS_PER_STEP = 64,
    WORK_OF_STEP = 64 << 10, /* bytes of records, unless one batch has more */
    ENTRIES_PER_STEP = 1024, /* that leave memory, because their segment is another one now */
    ORDERS_OF_STEP = SEGMENT_FILES + 1,
};

/* ---- its end ---- */

/* Logs are looked at again: at once behind one that was compacted, else in a while. */
static void rest(struct logs *logs, bool done)
{
    struct compaction *compaction = &logs->compaction;

    compaction->state = COMPACTION_IDLE;
    compaction->log = LOG_NONE;
    compaction->woken = true;
    compaction->next_ns = logs->mono_ns + (done ? 0 : compaction->backoff_ns);
    logs->due |= done;
}

static void order_unlinks(struct logs *logs, struct effects *effects)
{
    struct compaction *compaction = &logs->compaction;

    compaction->state = COMPACTION_UNLINKING;
    for (uint32_t file = 0; file < SEGMENT_FILES; file++) {
        compaction_waits(compaction, file);
        effects_add(effects, EFFECT_FILE)->file =
            (struct effect_file){ .op = compaction_op(file), .action = FILE_UNLINK, .path = compaction->paths[file] };
    }
}

/* Nothing was changed so far, or only what was swapped, and that is whole. */
static void give_up(struct logs *logs, enum compaction_failure why, struct effects *effects)
{
    struct compaction *compaction = &logs->compaction;

    source_leave(logs);
    compaction->usage.failures++;
    NOTE(effects, COMPACTION_FAILED, compaction->log, compaction->offset, (int64_t)why);
    if (compaction->group.edition > 0) order_unlinks(logs, effects);
    else rest(logs, false);
}

/* ---- choosing ---- */

static void take_best(struct logs *logs, uint32_t number)
{
    struct compaction *compaction = &logs->compaction;
    struct cleanable found;

    if (!cleanable_read(logs, number, &found)) {
        compaction->polls |= found.later;
        return;
    }
    if (compaction->log != LOG_NONE && !cleanable_before(&found, &compaction->chosen)) return;
    compaction->log = number;
    compaction->generation = logs->logs[number].generation;
    compaction->chosen = found;
}

static void begin_run(struct logs *logs)
{
    struct compaction *compaction = &logs->compaction;
    struct log *log = &logs->logs[compaction->log];

    compaction->state = COMPACTION_CLEARING;
    compaction->era = log->era;
    compaction->now_ms = logs->wall_ms;
    compaction->offset = compaction->chosen.begin_offset;
    compaction->mapped_end = compaction->chosen.begin_offset;
    compaction->group.edition = 0;
    compaction->begun_ns = logs->mono_ns;
    compaction->failed = compaction->disk_full = false;
    if (compaction->chosen.begin_offset <= log->passed_offset)
        log->keeps_tombstones = false; /* it is looked at again */
    logs->due = true;
}

static void choose(struct logs *logs)
{
    struct compaction *compaction = &logs->compaction;

    for (uint32_t count = 0; count < LOGS_PER_STEP; count++, compaction->next_log++) {
        if (compaction->next_log >= logs->logs_end) {
            if (compaction->log != LOG_NONE) {
                begin_run(logs);
                return;
            }
            compaction->state = COMPACTION_IDLE;
            compaction->next_ns = logs->mono_ns + compaction->backoff_ns;
            return;
        }
        if (logs->logs[compaction->next_log].open) take_best(logs, compaction->next_log);
    }
    logs->due = true;
}

static void begin_choosing(struct logs *logs)
{
    struct compaction *compaction = &logs->compaction;

    if (!(compaction->woken || compaction->polls) || logs->mono_ns < compaction->next_ns) return;
    compaction->state = COMPACTION_CHOOSING;
    compaction->next_log = 0;
    compaction->log = LOG_NONE;
    compaction->woken = compaction->polls = false;
    choose(logs);
}

/* ---- reading ---- */

/* To try that again would come to the same. What lies in other segments is compacted in another run. */
static void pass_over(struct logs *logs, enum compaction_failure why, struct effects *effects)
{
    struct compaction *compaction = &logs->compaction;

    if (compaction->source != SEGMENT_NONE) {
        logs->segments[compaction->source].flags |= SEGMENT_OPAQUE;
        logs->logs[compaction->log].passed_over = true;
        logs->due = true;
    } else {
        logs->logs[compaction->log].uncleanable = true;
    }
    give_up(logs, why, effects);
}

static void give_up_for_good(struct logs *logs, enum compaction_failure why, struct effects *effects)
{
    logs->logs[logs->compaction.log].uncleanable = true;
    give_up(logs, why, effects);
}

/* ---- mapping ---- */

static void begin_group(struct logs *logs);

static void begin_copying(struct logs *logs)
{
    struct compaction *compaction = &logs->compaction;

    source_leave(logs);
    compaction->state = COMPACTION_COPYING;
    compaction->offset = 0; /* the first segment that is there by now */
    begin_group(logs);
}

/* False: it is over, or has failed. */
static bool map_batch(struct logs *logs, const struct record_batch *batch, uint32_t *work, struct effects *effects)
{
    struct compaction *compaction = &logs->compaction;
    struct distilled distilled = { 0 };
    enum distill_verdict verdict = DISTILL_SAME;

    if (record_batch_last_offset(batch) >= compaction->chosen.begin_offset) {
        verdict = distill_map(batch, &compaction->keys, &compaction->memory, &distilled);
    }
    switch (verdict) {
    case DISTILL_SAME: break;
    case DISTILL_GONE: /* no more keys fit in: what lies from here on is for the next run */
        if (compaction->mapped_end > compaction->chosen.begin_offset) begin_copying(logs);
        else give_up_for_good(logs, COMPACTION_TOO_LARGE, effects);
        return false;
    case DISTILL_TOO_LARGE: break; /* it stays as it is, and what is older stays beside it */
    case DISTILL_WRITTEN:
    case DISTILL_UNREADABLE: pass_over(logs, COMPACTION_UNREADABLE, effects); return false;
    }
    source_pass(compaction, batch);
    compaction->mapped_end = MAX(compaction->mapped_end, compaction->source_offset);
    *work += MAX(distilled.unpacked_size, (uint32_t)RECORD_BATCH_HEAD_SIZE);
    return true;
}

static void map(struct logs *logs, struct effects *effects)
{
    struct compaction *compaction = &logs->compaction;
    const struct log *log = &logs->logs[compaction->log];
    struct record_batch batch;

    for (uint32_t work = 0; work < WORK_OF_STEP;) {
        if (compaction->source == SEGMENT_NONE) {
            const uint32_t number = segment_find(logs, log, compaction->offset);
            if (number == SEGMENT_NONE || logs->segments[number].base_offset >= compaction->chosen.end_offset) {
                compaction->mapped_end = compaction->chosen.end_offset;
                begin_copying(logs);
                return;
            }
            if ((logs->segments[number].flags & SEGMENT_OPAQUE) != 0) {
                compaction->offset = logs->segments[number].written.end_offset;
                work += RECORD_BATCH_HEAD_SIZE;
                continue;
            }
            source_enter(logs, number);
        }
        switch (source_next(logs, &batch, effects)) {
        case READING_WAITS: return;
        case READING_BAD: pass_over(logs, COMPACTION_UNREADABLE, effects); return;
        case READING_TOO_LARGE: pass_over(logs, COMPACTION_TOO_LARGE, effects); return;
        case READING_END:
            compaction->offset = logs->segments[compaction->source].written.end_offset;
            source_leave(logs);
            break;
        case READING_BATCH:
            if (!map_batch(logs, &batch, &work, effects)) return;
            break;
        }
    }
    logs->due = true;
}

/* ---- writing ---- */

static uint32_t size_written(const struct segment_mark *mark, uint32_t file)
{
    if (file == SEGMENT_LOG) return mark->size;
    return file == SEGMENT_INDEX ? mark->index_size : mark->time_index_size;
}

static void begin_output(struct compaction *compaction)
{
    compaction->output_size = 0;
    compaction->entries = (struct index_entries){ .index = compaction->index, .time_index = compaction->time_index };
}

static void order_writes(struct logs *logs, struct effects *effects)
{
    struct compaction *compaction = &logs->compaction;
    const struct piece pieces[SEGMENT_FILES] = {
        { .data = compaction->output, .size = compaction->output_size },
        { .data = compaction->entries.index, .size = compaction->entries.index_size },
        { .data = compaction->entries.time_index, .size = compaction->entries.time_index_size },
    };

    for (uint32_t file = 0; file < SEGMENT_FILES; file++) {
        compaction->pieces[file] = pieces[file];
        if (pieces[file].size == 0) continue;
        compaction_waits(compaction, file);
        effects_add(effects, EFFECT_WRITE)->write = (struct effect_write){
            .op = compaction_op(file),
            .path = compaction->paths[file],
            .position = size_written(&compaction->mark, file) - pieces[file].size,
            .pieces = &compaction->pieces[file],
            .piece_count = 1,
        };
        compaction->usage.bytes_written += pieces[file].size;
        pace_take(&compaction->pace, pieces[file].size, logs->mono_ns);
    }
    begin_output(compaction); /* the memory stays put: nothing is added before the answers */
}

static void keep_tombstones(struct log *log, int64_t offset)
{
    log->passed_offset = log->keeps_tombstones ? MIN(log->passed_offset, offset) : offset;
    log->keeps_tombstones = true;
}

/* Segments that stay as they are, unread. */
static void pass_opaque(struct logs *logs)
{
    struct compaction *compaction = &logs->compaction;
    uint32_t number = segment_find(logs, &logs->logs[compaction->log], compaction->offset);

    for (; number != SEGMENT_NONE && (logs->segments[number].flags & SEGMENT_OPAQUE) != 0;
         number = logs->segments[number].next) {
        compaction->offset = logs->segments[number].written.end_offset;
        keep_tombstones(&logs->logs[compaction->log], logs->segments[number].base_offset);
    }
}

/* The next segment, which may take more in; or all are done. */
static void begin_group(struct logs *logs)
{
    struct compaction *compaction = &logs->compaction;
    struct log *log = &logs->logs[compaction->log];
    struct replacement *group = &compaction->group;

    pass_opaque(logs);
    *group = (struct replacement){ .log = compaction->log };
    if (!cleanable_add(logs, log, compaction->offset, compaction->mapped_end, 0, group)) {
        compaction->usage.runs++;
        compaction->usage.busy_ns += logs->mono_ns - compaction->begun_ns;
        compaction->usage.last_ms = logs->wall_ms;
        log->cleaned_offset = MAX(log->cleaned_offset, compaction->mapped_end);
        logs->checkpoint.activity = true;
        rest(logs, true);
        return;
    }
    group->edition = ++log->edition_top;
    compaction->offset = group->base_offset;
    compaction->mark = segment_mark_empty(group->base_offset);
    compaction->first_timestamp = NO_TIMESTAMP;
    compaction->closed = false;
    begin_output(compaction);
    const struct log_place place = log_place(logs, log);
    for (uint32_t file = 0; file < SEGMENT_FILES; file++) {
        path_of_segment(compaction->paths[file], &place, group->base_offset, group->edition, (enum segment_file)file);
    }
    path_of_partition(compaction->directory, &place);
    logs->due = true;
}

/* False: the segment would grow beyond what its index can say. */
static bool add_batch(struct logs *logs, const struct record_batch *batch, struct bytes bytes)
{
    struct compaction *compaction = &logs->compaction;
    const int64_t timestamp = batch->record_count > 0 ? batch->max_timestamp : NO_TIMESTAMP;

    if (bytes.size > INT32_MAX - compaction->mark.size) return false;
    CHECK(bytes.size <= compaction->output_room - compaction->output_size);
    if (compaction->first_timestamp < 0) compaction->first_timestamp = timestamp;
    segment_mark_add(&compaction->mark, compaction->group.base_offset,
                     &(struct indexed_batch){ record_batch_last_offset(batch), timestamp, bytes.size },
                     logs->logs[compaction->log].rules.index_interval_size, &compaction->entries);
    memcpy(compaction->output + compaction->output_size, bytes.data, bytes.size);
    compaction->output_size += bytes.size;
    return true;
}

/* Whether it is the last batch of the last source. */
static bool is_last(const struct logs *logs, const struct record_batch *batch)
{
    const struct compaction *compaction = &logs->compaction;
    const struct segment *source = &logs->segments[compaction->source];
    const uint32_t end = compaction->input_position + compaction->input_used + batch->bytes.size;

    return source->written.end_offset == compaction->group.end_offset && end == source->written.size;
}

/* What is left of the sources may have room for one more. If not, their end stays where it is, lest the log has a hole
 * there. */
static bool is_end(struct logs *logs, const struct record_batch *batch, enum distill_verdict verdict, uint32_t size)
{
    struct compaction *compaction = &logs->compaction;
    struct replacement *group = &compaction->group;
    const uint64_t left = (uint64_t)compaction->mark.size + (verdict == DISTILL_GONE ? 0 : size);

    if (!is_last(logs, batch)) return false;
    return !cleanable_add(logs, &logs->logs[compaction->log], group->end_offset, compaction->mapped_end, left, group);
}

/* A producer that is remembered needs the batches that it is judged by: after a truncation, the log may be all there is
 * to learn them from. */
static bool head_stays(const struct logs *logs, const struct record_batch *batch)
{
    const struct compaction *compaction = &logs->compaction;

    if (!record_batch_has_producer(batch) || MUTANT(compaction_forgets_producers)) return false;
    return producers_need(&logs->producers, compaction->log, batch->producer_id, batch->base_offset,
                          logs->logs[compaction->log].high_watermark);
}

/* What was packed anew may be larger than it was, and then than what a follower can take. */
static bool is_too_large(const struct logs *logs, const struct record_batch *batch, const struct distilled *distilled)
{
    return distilled->batch.size > MAX(batch->bytes.size, logs->batch_size_max / 2);
}

/* What is left of a batch. One that is too large for that stays whole. */
static enum distill_verdict distill(struct logs *logs, const struct record_batch *batch, struct distilled *distilled)
{
    struct compaction *compaction = &logs->compaction;
    struct log *log = &logs->logs[compaction->log];
    const bool keeps = log->keeps_tombstones && batch->base_offset >= log->passed_offset;
    const struct distill_rules rules = {
        .keys = &compaction->keys,
        .mapped_end = compaction->mapped_end,
        .now_ms = compaction->now_ms,
        .delete_retention_ms = log->rules.delete_retention_ms,
        .keeps_tombstones = keeps && !MUTANT(compaction_forgets_what_it_passed_over),
    };
    enum distill_verdict verdict =
        distill_batch(batch, &rules, head_stays(logs, batch), &compaction->memory, distilled);
    if (verdict == DISTILL_TOO_LARGE || (verdict == DISTILL_WRITTEN && is_too_large(logs, batch, distilled))) {
        *distilled = (struct distilled){ .unpacked_size = distilled->unpacked_size };
        keep_tombstones(log, batch->base_offset);
        verdict = DISTILL_SAME;
    }
    const uint32_t size = verdict == DISTILL_WRITTEN ? distilled->batch.size : batch->bytes.size;

    if (!is_end(logs, batch, verdict, size) || verdict != DISTILL_GONE) return verdict;
    return distill_batch(batch, &rules, true, &compaction->memory, distilled);
}

/* False: it has failed. */
static bool copy_batch(struct logs *logs, const struct record_batch *batch, uint32_t *work, struct effects *effects)
{
    struct compaction *compaction = &logs->compaction;
    struct record_batch left = *batch;
    struct distilled distilled;
    bool fits = true;

    switch (distill(logs, batch, &distilled)) {
    case DISTILL_GONE: break;
    case DISTILL_SAME: fits = add_batch(logs, batch, batch->bytes); break;
    case DISTILL_WRITTEN:
        CHECK(record_batch_read(distilled.batch, &left) == RECORD_BATCH_WHOLE);
        fits = add_batch(logs, &left, distilled.batch);
        break;
    case DISTILL_UNREADABLE: pass_over(logs, COMPACTION_UNREADABLE, effects); return false;
    case DISTILL_TOO_LARGE: CHECK(false); break;
    }
    if (!fits) {
        give_up_for_good(logs, COMPACTION_TOO_LARGE, effects);
        return false;
    }
    compaction->usage.records_removed += distilled.removed_count;
    compaction->usage.keyless_removed += distilled.keyless_count;
    source_pass(compaction, batch);
    *work += MAX(distilled.unpacked_size, (uint32_t)RECORD_BATCH_HEAD_SIZE);
    return true;
}

/* All sources of the group were read. */
static void close_output(struct logs *logs, struct effects *effects)
{
    struct compaction *compaction = &logs->compaction;

    if (compaction->mark.size == 0) {
        const bool gone = !segment_can_replace(logs, &compaction->group);
        if (gone) give_up(logs, COMPACTION_OVERTAKEN, effects);
        else give_up_for_good(logs, COMPACTION_UNREADABLE, effects);
        return;
    }
    compaction->mark.end_offset = compaction->group.end_offset;
    segment_mark_close(&compaction->mark, compaction->group.base_offset, &compaction->entries);
    compaction->closed = true;
    order_writes(logs, effects);
    logs->due |= compaction->parts_waited == 0;
}

static void order_syncs(struct logs *logs, struct effects *effects)
{
    struct compaction *compaction = &logs->compaction;

    compaction->state = COMPACTION_SYNCING;
    for (uint32_t file = 0; file < SEGMENT_FILES; file++) {
        if (size_written(&compaction->mark, file) == 0) continue;
        compaction_waits(compaction, file);
        effects_add(effects, EFFECT_SYNC)->sync =
            (struct effect_sync){ .op = compaction_op(file), .path = compaction->paths[file] };
    }
}

static void order_directory(struct compaction *compaction, uint32_t part, const char *path, struct effects *effects)
{
    compaction_waits(compaction, part);
    effects_add(effects, EFFECT_FILE)->file =
        (struct effect_file){ .op = compaction_op(part), .action = FILE_SYNC_DIRECTORY, .path = path };
}

/* A log may be compacted before any checkpoint has it: then nobody has made the names of its directories durable. They
 * stay dirty for the next checkpoint, since a sync that is under way here is none that it waits for. */
static void order_naming(struct logs *logs, struct effects *effects)
{
    struct compaction *compaction = &logs->compaction;
    const struct log *log = &logs->logs[compaction->log];
    const struct log_place place = log_place(logs, log);

    compaction->state = COMPACTION_NAMING;
    order_directory(compaction, PART_DIRECTORY, compaction->directory, effects);
    if (MUTANT(compaction_forgets_directories)) return;
    if (logs->topics[log->topic].directory_dirty) {
        path_of_topic(compaction->topic_directory, &place);
        order_directory(compaction, PART_TOPIC_DIRECTORY, compaction->topic_directory, effects);
    }
    if (logs->wal_directory_dirty) order_directory(compaction, PART_WAL_DIRECTORY, WAL_DIRECTORY, effects);
}

static void copy(struct logs *logs, struct effects *effects)
{
    struct compaction *compaction = &logs->compaction;
    const struct log *log = &logs->logs[compaction->log];
    struct record_batch batch;

    if (compaction->closed) {
        if (!MUTANT(compaction_swaps_before_sync)) order_syncs(logs, effects);
        else compaction->state = COMPACTION_SWAPPING;
        logs->due |= compaction->parts_waited == 0;
        return;
    }
    for (uint32_t work = 0; work < WORK_OF_STEP;) {
        if (compaction->source == SEGMENT_NONE) {
            const uint32_t number = segment_find(logs, log, compaction->offset);
            if (number == SEGMENT_NONE || logs->segments[number].base_offset >= compaction->group.end_offset) {
                close_output(logs, effects);
                return;
            }
            source_enter(logs, number);
        }
        switch (source_next(logs, &batch, effects)) {
        case READING_WAITS: return;
        case READING_BAD: pass_over(logs, COMPACTION_UNREADABLE, effects); return;
        case READING_TOO_LARGE: pass_over(logs, COMPACTION_TOO_LARGE, effects); return;
        case READING_END:
            compaction->offset = logs->segments[compaction->source].written.end_offset;
            source_leave(logs);
            break;
        case READING_BATCH:
            if (!copy_batch(logs, &batch, &work, effects)) return;
            if (compaction->output_size < COMPACTION_WRITE_SIZE) break;
            order_writes(logs, effects);
            return;
        }
    }
    logs->due = true;
}

/* ---- swapping ---- */

static void swap(struct logs *logs, struct effects *effects)
{
    struct compaction *compaction = &logs->compaction;
    struct replacement *group = &compaction->group;
    struct log *log = &logs->logs[compaction->log];

    if (log->frozen) return; /* the checkpoint's answer comes */
    group->mark = compaction->mark;
    group->first_timestamp = compaction->first_timestamp;
    if (!segment_can_replace(logs, group)) {
        give_up(logs, COMPACTION_OVERTAKEN, effects);
        return;
    }
    /* What lies in memory knows where it lay in the old files. */
    if (!entries_drop(&logs->entries, &log->entries, group->end_position, ENTRIES_PER_STEP)) {
        logs->due = true;
        return;
    }
    if (!segment_replace(logs, group)) {
        give_up(logs, COMPACTION_NO_ROOM, effects);
        return;
    }
    compaction->usage.bytes_before += group->size;
    compaction->usage.bytes_after += group->mark.size;
    logs->checkpoint.activity = true;
    NOTE(effects, COMPACTED, compaction->log, group->base_offset, (int64_t)group->size, (int64_t)group->mark.size);
    compaction->offset = group->end_offset;
    compaction->state = COMPACTION_COPYING;
    begin_group(logs);
    log_check(logs, group->log);
}

/* ---- steps and answers ---- */

/* What the run began with is still so. */
static bool is_overtaken(const struct logs *logs)
{
    const struct compaction *compaction = &logs->compaction;
    const struct log *log = &logs->logs[compaction->log];

    if (log->era != compaction->era || log->truncation != TRUNCATION_NONE || log->cuts > 0) return true;
    if (!log->rules.compacts || log->learning) return true;
    return compaction->source != SEGMENT_NONE && (logs->segments[compaction->source].flags & SEGMENT_DYING) != 0;
}

static bool goes_on(struct logs *logs, struct effects *effects)
{
    const struct compaction *compaction = &logs->compaction;

    if (is_overtaken(logs)) give_up(logs, COMPACTION_OVERTAKEN, effects);
    else if (compaction->disk_full) give_up(logs, COMPACTION_NO_ROOM, effects);
    else if (compaction->failed) pass_over(logs, COMPACTION_UNREADABLE, effects);
    else return true;
    return false;
}

/* The node stops: what was begun is not brought to its end, and leaves nothing behind. */
static void stop(struct logs *logs, struct effects *effects)
{
    struct compaction *compaction = &logs->compaction;
    const bool has_files = compaction->state >= COMPACTION_COPYING && compaction->state < COMPACTION_UNLINKING;

    if (compaction->state == COMPACTION_IDLE) return;
    source_leave(logs);
    if (!has_files) rest(logs, false);
    else if (logs_may_order(effects, ORDERS_OF_STEP)) order_unlinks(logs, effects);
    else logs->due = true;
}

/* It has read and written as much as its pace allows, and waits. What it is made of is kept open meanwhile. */
static bool is_held(const struct logs *logs)
{
    const struct compaction *compaction = &logs->compaction;
    const bool moves = compaction->state == COMPACTION_MAPPING || compaction->state == COMPACTION_COPYING;

    return moves && compaction->parts_waited == 0 && logs->mono_ns < compaction->pace.free_ns;
}

bool compaction_is_idle(const struct logs *logs)
{
    return logs->compaction.state == COMPACTION_IDLE;
}

void compaction_work(struct logs *logs, struct effects *effects)
{
    struct compaction *compaction = &logs->compaction;

    if (compaction->parts_waited != 0) return;
    if (logs->state == LOGS_STOPPING) stop(logs, effects);
    if (logs->state != LOGS_OPEN) return;
    if (compaction->state == COMPACTION_IDLE) begin_choosing(logs);
    else if (compaction->state == COMPACTION_CHOOSING) choose(logs);
    if (compaction->state <= COMPACTION_CHOOSING) return;
    if (!logs_may_order(effects, ORDERS_OF_STEP)) {
        logs->due = true;
        return;
    }
    if (compaction->state == COMPACTION_UNLINKING) {
        rest(logs, false);
        return;
    }
    if (!goes_on(logs, effects) || is_held(logs)) return;
    switch (compaction->state) {
    case COMPACTION_CLEARING:
        if (key_map_clear(&compaction->keys, !compaction->clears)) compaction->state = COMPACTION_MAPPING;
        compaction->clears = compaction->state == COMPACTION_CLEARING;
        logs->due = true;
        return;
    case COMPACTION_MAPPING: map(logs, effects); return;
    case COMPACTION_COPYING: copy(logs, effects); return;
    case COMPACTION_SYNCING: order_naming(logs, effects); return;
    case COMPACTION_NAMING:
    case COMPACTION_SWAPPING:
        compaction->state = COMPACTION_SWAPPING;
        swap(logs, effects);
        return;
    case COMPACTION_IDLE:
    case COMPACTION_CHOOSING:
    case COMPACTION_UNLINKING: break;
    }
    CHECK(false);
}

static void abandon_answered(struct logs *logs)
{
    struct compaction *compaction = &logs->compaction;

    logs->doomed[compaction->doomed].holds--;
    if (compaction->parts_waited != 0) return;
    source_leave(logs);
    compaction->doomed = DOOMED_NONE;
    rest(logs, false);
}

void compaction_on_disk(struct logs *logs, uint32_t part, const struct event_disk *disk)
{
    struct compaction *compaction = &logs->compaction;

    CHECK(part < COMPACTION_PARTS && (compaction->parts_waited & 1U << part) != 0);
    compaction->parts_waited &= ~(1U << part);
    if (compaction->doomed != DOOMED_NONE) {
        abandon_answered(logs);
        return;
    }
    if (compaction->state == COMPACTION_UNLINKING) return; /* what stays is gone after the next start */
    if (part == PART_READ) {
        compaction->failed |= disk->result != DISK_DONE || disk->size < compaction->input_size;
        return;
    }
    if (disk->result == DISK_DONE) return;
    /* A full disk may have room again; of one that fails nothing is believed, as everywhere. */
    if (disk->result == DISK_FULL && compaction->state == COMPACTION_COPYING) compaction->disk_full = true;
    else logs_break(logs, HALT_DISK_FAILED, compaction->paths[part >= PART_DIRECTORY ? SEGMENT_LOG : part]);
}

uint64_t compaction_deadline_ns(const struct logs *logs)
{
    const struct compaction *compaction = &logs->compaction;

    if (is_held(logs)) return compaction->pace.free_ns;
    if (compaction->state != COMPACTION_IDLE || !(compaction->woken || compaction->polls)) return UINT64_MAX;
    return compaction->next_ns;
}

void compaction_wake(struct logs *logs, const struct log *log)
{
    if (log->rules.compacts) logs->compaction.woken = true;
}

uint32_t compaction_abandon(struct logs *logs, uint32_t number, uint32_t doomed)
{
    struct compaction *compaction = &logs->compaction;
    uint32_t orders = 0;

    if (compaction->log != number || compaction->doomed != DOOMED_NONE) return 0;
    for (uint32_t parts = compaction->parts_waited; parts != 0; parts &= parts - 1) orders++;
    if (orders > 0) {
        compaction->doomed = doomed;
    } else {
        source_leave(logs);
        rest(logs, false);
    }
    return orders;
}
