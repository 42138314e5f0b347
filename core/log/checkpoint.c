#include "log/checkpoint.h"

#include "base/crc32c.h"
#include "log/remove.h"
#include "log/sync.h"
#include "log/truncate.h"

enum {
    SLOTS_PER_STEP = 4096, /* free ones that are passed over at once */
    EPOCHS_ROOM = EPOCHS_OF_LOG_MAX * CHECKPOINT_EPOCH_SIZE,
    PRODUCER_ROOM = CHECKPOINT_PRODUCER_SIZE + PRODUCER_BATCHES_KEPT * CHECKPOINT_BATCH_SIZE,
};

/* ---- what it says ---- */

static uint32_t room(const struct checkpoint *checkpoint)
{
    return CHECKPOINT_BUFFER_SIZE - checkpoint->size;
}

static void add(struct checkpoint *checkpoint, const struct checkpoint_record *record)
{
    checkpoint->size += checkpoint_record_write(checkpoint->buffer + checkpoint->size, record);
    checkpoint->records++;
}

static void add_head(const struct logs *logs, struct checkpoint *checkpoint)
{
    add(checkpoint, &(struct checkpoint_record){ .kind = CHECKPOINT_HEAD,
                                                 .head = { checkpoint->clean, checkpoint->sequence, logs->wall_ms } });
    checkpoint->step = CHECKPOINT_STEP_LOG;
}

/* False: a bounded number of free slots was passed over, and there are more. */
static bool add_log(struct logs *logs, struct checkpoint *checkpoint)
{
    for (uint32_t bound = SLOTS_PER_STEP; bound > 0; bound--, checkpoint->log++) {
        if (checkpoint->log >= logs->logs_end) {
            checkpoint->step = CHECKPOINT_STEP_PRODUCER;
            return true;
        }
        struct log *log = &logs->logs[checkpoint->log];
        if (!log->open) continue;
        const uint32_t first = log->first_segment;
        /* What was passed over is mapped again by the next life: perhaps it can be read then. */
        const int64_t cleaned_offset =
            log->keeps_tombstones ? MIN(log->cleaned_offset, log->passed_offset) : log->cleaned_offset;
        add(checkpoint,
            &(struct checkpoint_record){
                .kind = CHECKPOINT_LOG,
                .log = { logs->topics[log->topic].id, log->partition, log->log_start_offset,
                         first == SEGMENT_NONE ? log->written_offset : logs->segments[first].base_offset,
                         MIN(log->high_watermark, log->durable_offset), cleaned_offset, log->era, log->learning } });
        checkpoint->segment = first;
        checkpoint->step = CHECKPOINT_STEP_SEGMENT;
        log->frozen = true;
        return true;
    }
    return false;
}

/* All that the log has beyond what was written of it must be in rounds that stay. */
static void end_segments(struct logs *logs, struct checkpoint *checkpoint, int64_t end_offset)
{
    struct log *log = &logs->logs[checkpoint->log];
    const uint32_t at = log_entry_find(logs, log, end_offset);

    /* Written and evicted since: then it was appended since, for what was there before is synced. */
    MAYBE(at == ENTRY_NONE && end_offset < log->log_end_offset);
    CHECK(at == ENTRY_NONE || (int32_t)(at - checkpoint->target) >= 0 || MUTANT(checkpoint_before_sync));
    checkpoint->step = CHECKPOINT_STEP_EPOCHS;
    log->frozen = false;
    remove_what_waited(logs, checkpoint->log);
}

static void add_segment(struct logs *logs, struct checkpoint *checkpoint)
{
    const struct log *log = &logs->logs[checkpoint->log];
    if (checkpoint->segment == SEGMENT_NONE) {
        end_segments(logs, checkpoint, log->written_offset);
        return;
    }
    const struct segment *segment = &logs->segments[checkpoint->segment];
    const struct segment_mark *mark = MUTANT(checkpoint_before_sync) ? &segment->written : &segment->synced;
    if (mark->size == 0) {
        end_segments(logs, checkpoint, segment->base_offset);
        return;
    }
    struct checkpoint_record record = { .kind = CHECKPOINT_SEGMENT,
                                        .segment = { segment->base_offset, segment->first_timestamp,
                                                     segment->created_ms, *mark, segment->edition } };
    if ((segment->flags & SEGMENT_INDEX_BAD) != 0) segment_mark_forget_indexes(&record.segment.mark);
    add(checkpoint, &record);
    /* What follows a segment that is not wholly durable cannot be durable for us either. */
    if (segment->next == SEGMENT_NONE || mark->end_offset < segment->written.end_offset) {
        end_segments(logs, checkpoint, mark->end_offset);
        return;
    }
    checkpoint->segment = segment->next;
}

/* Whether a crash could not take it back: it has a durable record, or its begin is one. */
static bool epoch_is_durable(const struct logs *logs, const struct log *log, const struct epoch *epoch)
{
    if (epoch->start_offset < log->durable_offset) return true;
    return epoch->start_offset == log->durable_offset && epoch->epoch == log->begun_epoch &&
           logs_is_durable(logs, log->epoch_sequence);
}

static void add_epochs(struct logs *logs, struct checkpoint *checkpoint)
{
    const struct log *log = &logs->logs[checkpoint->log];

    for (uint32_t age = log->epochs.count; age > 0; age--) {
        const struct epoch *epoch = epochs_at(&logs->epochs, &log->epochs, age - 1);
        if (!epoch_is_durable(logs, log, epoch)) break;
        add(checkpoint,
            &(struct checkpoint_record){ .kind = CHECKPOINT_EPOCH, .epoch = { epoch->epoch, epoch->start_offset } });
    }
    checkpoint->log++;
    checkpoint->step = CHECKPOINT_STEP_LOG;
}

/* What of the producer a crash could not take back: batches that are durable. */
static void add_producer(struct logs *logs, struct checkpoint *checkpoint, const struct producer *producer)
{
    const struct log *log = log_at(logs, producer->log);
    if (log->learning) return; /* its batches are there to be read again */
    const bool older_lost = producer->older_lost;
    bool begun = false;

    for (uint32_t age = producer->batch_count; age > 0; age--) {
        const struct producer_batch *batch = producer_batch(producer, age - 1);
        if (batch->base_offset >= log->durable_offset && !MUTANT(checkpoint_has_producers_of_tomorrow)) break;
        if (!begun) {
            add(checkpoint, &(struct checkpoint_record){ .kind = CHECKPOINT_PRODUCER,
                                                         .producer = { logs->topics[log->topic].id, log->partition,
                                                                       producer->id, producer->used_ms, older_lost } });
        }
        begun = true;
        add(checkpoint, &(struct checkpoint_record){ .kind = CHECKPOINT_BATCH, .batch = *batch });
    }
}

static bool add_producers(struct logs *logs, struct checkpoint *checkpoint)
{
    const struct producers *producers = &logs->producers;

    for (uint32_t bound = SLOTS_PER_STEP; bound > 0 && room(checkpoint) >= PRODUCER_ROOM; bound--) {
        if (checkpoint->producer >= producers->pool.fresh_first || MUTANT(checkpoint_lacks_producers)) {
            checkpoint->step = CHECKPOINT_STEP_END;
            return true;
        }
        const uint32_t slot = checkpoint->producer++;
        if (pool_is_taken(&producers->pool, slot)) add_producer(logs, checkpoint, &producers->producers[slot]);
    }
    return false;
}

static void add_end(struct checkpoint *checkpoint)
{
    struct checkpoint_record record = { .kind = CHECKPOINT_END, .end = { checkpoint->records, 0 } };
    uint8_t *to = checkpoint->buffer + checkpoint->size;

    checkpoint->size += checkpoint_record_write(to, &record);
    record.end.crc = crc32c(checkpoint->crc, checkpoint->buffer, checkpoint->size - 4);
    checkpoint_record_write(to, &record);
    checkpoint->step = CHECKPOINT_STEP_NONE;
}

/* Fills the buffer with what comes next, as far as a step's bound goes. */
static void fill(struct logs *logs, struct checkpoint *checkpoint)
{
    bool goes_on = true;

    checkpoint->size = 0;
    while (goes_on && room(checkpoint) >= EPOCHS_ROOM + CHECKPOINT_RECORD_MAX) {
        switch (checkpoint->step) {
        case CHECKPOINT_STEP_HEAD: add_head(logs, checkpoint); break;
        case CHECKPOINT_STEP_LOG: goes_on = add_log(logs, checkpoint); break;
        case CHECKPOINT_STEP_SEGMENT: add_segment(logs, checkpoint); break;
        case CHECKPOINT_STEP_EPOCHS: add_epochs(logs, checkpoint); break;
        case CHECKPOINT_STEP_PRODUCER: goes_on = add_producers(logs, checkpoint); break;
        case CHECKPOINT_STEP_END: add_end(checkpoint); break;
        case CHECKPOINT_STEP_NONE: goes_on = false; break;
        }
    }
    checkpoint->crc = crc32c(checkpoint->crc, checkpoint->buffer, checkpoint->size);
}

/* ---- orders ---- */

static void order_file(enum file_action action, const char *path, const char *to, struct effects *effects)
{
    effects_add(effects, EFFECT_FILE)->file =
        (struct effect_file){ .op = logs_op(LOGS_OP_CHECKPOINT, 0, 0), .action = action, .path = path, .to = to };
}

static void order_sync(struct effects *effects)
{
    effects_add(effects, EFFECT_SYNC)->sync =
        (struct effect_sync){ .op = logs_op(LOGS_OP_CHECKPOINT, 0, 0), .path = CHECKPOINT_NEW_PATH };
}

static void order_write(struct checkpoint *checkpoint, struct effects *effects)
{
    checkpoint->piece = (struct piece){ .data = checkpoint->buffer, .size = checkpoint->size };
    effects_add(effects, EFFECT_WRITE)->write = (struct effect_write){
        .op = logs_op(LOGS_OP_CHECKPOINT, 0, 0),
        .path = CHECKPOINT_NEW_PATH,
        .position = checkpoint->position,
        .pieces = &checkpoint->piece,
        .piece_count = 1,
    };
    checkpoint->position += checkpoint->size;
}

/* ---- beginning ---- */

/* Whether the journal's space runs out: what is said now might wait for a checkpoint. */
static bool is_urgent(const struct logs *logs)
{
    return !journal_has_space(logs->journal);
}

static bool is_due(const struct logs *logs)
{
    const struct checkpoint *checkpoint = &logs->checkpoint;
    const struct journal_usage usage = journal_usage(logs->journal);

    if (!truncations_allow_checkpoint(logs, is_urgent(logs))) return false;
    if (checkpoint->wanted) return true;
    /* What is to be durable before a stop may have no space until another checkpoint lets go of some. */
    const bool stops = logs->state == LOGS_STOPPING && is_urgent(logs);
    if (logs->state != LOGS_OPEN && !stops) return false;
    if (checkpoint->activity && logs->mono_ns >= checkpoint->due_ns) return true;
    if (journal_durable_sequence(logs->journal) < checkpoint->sequence) return false; /* it would say the same */
    if (logs->segments_pool.taken_count > logs->segments_pool.slots_max / 8 * 7 && logs->dirty_count > 0) return true;
    return usage.used_size > usage.size_max / 2;
}

bool checkpoint_may_begin(const struct logs *logs)
{
    const struct checkpoint *checkpoint = &logs->checkpoint;

    if (!checkpoint->wanted || checkpoint->state != CHECKPOINT_IDLE) return false;
    return truncations_allow_checkpoint(logs, is_urgent(logs)) || MUTANT(stop_asks_while_it_cuts);
}

static void begin(struct logs *logs)
{
    struct checkpoint *checkpoint = &logs->checkpoint;

    checkpoint->state = CHECKPOINT_FLUSHING;
    checkpoint->yields = false;
    checkpoint->wanted = false;
    checkpoint->clean = logs->state == LOGS_STOPPING && logs->entries.durable_end == logs->entries.end;
    checkpoint->sequence = journal_durable_sequence(logs->journal) + 1;
    checkpoint->target = logs->entries.durable_end;
    checkpoint->activity = logs->entries.durable_end != logs->entries.end;
    checkpoint->due_ns = logs->mono_ns + CHECKPOINT_AGE_NS;
}

/* The file begins anew. */
static void cut(struct logs *logs, struct effects *effects)
{
    struct checkpoint *checkpoint = &logs->checkpoint;

    checkpoint->state = CHECKPOINT_CUTTING;
    checkpoint->step = CHECKPOINT_STEP_HEAD;
    checkpoint->log = 0;
    checkpoint->producer = 0;
    checkpoint->position = 0;
    checkpoint->crc = 0;
    checkpoint->records = 0;
    order_file(FILE_UNLINK, CHECKPOINT_NEW_PATH, NULL, effects);
}

static void write_on(struct logs *logs, struct effects *effects)
{
    struct checkpoint *checkpoint = &logs->checkpoint;

    if (checkpoint->step == CHECKPOINT_STEP_NONE) {
        checkpoint->state = CHECKPOINT_FILE_SYNCING;
        if (MUTANT(checkpoint_not_synced)) checkpoint->state = CHECKPOINT_RENAMING;
        if (MUTANT(checkpoint_not_synced)) order_file(FILE_RENAME, CHECKPOINT_NEW_PATH, CHECKPOINT_PATH, effects);
        else order_sync(effects);
        return;
    }
    checkpoint->state = CHECKPOINT_WRITING;
    fill(logs, checkpoint);
    if (checkpoint->size > 0) order_write(checkpoint, effects);
    else logs->due = true; /* only free slots were passed over; checkpoint_work goes on */
}

void checkpoint_work(struct logs *logs, struct effects *effects)
{
    struct checkpoint *checkpoint = &logs->checkpoint;

    if (!logs_may_order(effects, SYNC_PARTS)) {
        logs->due |= checkpoint->state != CHECKPOINT_IDLE;
        return;
    }
    if (checkpoint->state == CHECKPOINT_IDLE && is_due(logs)) begin(logs);
    /* Syncs of one that has given up may be under way: no segment has two at the same time. */
    const bool flushed = (int32_t)(logs->entries.unwritten - checkpoint->target) >= 0 && logs->syncs_used == 0;
    if (checkpoint->state == CHECKPOINT_FLUSHING && flushed) {
        checkpoint->state = CHECKPOINT_SYNCING;
        checkpoint->syncs_left = logs->dirty_count;
    }
    if (checkpoint->state == CHECKPOINT_SYNCING && sync_work(logs, effects)) cut(logs, effects);
    else if (checkpoint->state == CHECKPOINT_DISK_FULL && logs->mono_ns >= checkpoint->retry_ns) cut(logs, effects);
    else if (checkpoint->state == CHECKPOINT_WRITING && checkpoint->size == 0) write_on(logs, effects);
}

/* ---- answers ---- */

static void thaw(struct logs *logs)
{
    const struct checkpoint *checkpoint = &logs->checkpoint;

    if (checkpoint->step == CHECKPOINT_STEP_SEGMENT) logs->logs[checkpoint->log].frozen = false;
}

static void is_full(struct logs *logs)
{
    struct checkpoint *checkpoint = &logs->checkpoint;

    thaw(logs);
    checkpoint->step = CHECKPOINT_STEP_HEAD;
    checkpoint->state = CHECKPOINT_DISK_FULL;
    checkpoint->retry_ns = logs->mono_ns + DISK_RETRY_NS;
    if (logs->state == LOGS_RECOVERING) logs_break(logs, HALT_DISK_FULL, CHECKPOINT_NEW_PATH);
}

static void finish(struct logs *logs)
{
    struct checkpoint *checkpoint = &logs->checkpoint;

    const uint64_t last = journal_durable_sequence(logs->journal);
    journal_release(logs->journal, MUTANT(checkpoint_releases_what_came_meanwhile) ? last + 1 : checkpoint->sequence);
    checkpoint->state = CHECKPOINT_IDLE;
    checkpoint->count++;
    logs->starved = false;
    logs->due = true;
}

/* It begins anew from the start, in its time. */
static void give_up(struct logs *logs)
{
    struct checkpoint *checkpoint = &logs->checkpoint;

    thaw(logs);
    checkpoint->syncs_left = 0; /* those under way come to their end */
    checkpoint->step = CHECKPOINT_STEP_HEAD;
    checkpoint->state = CHECKPOINT_IDLE;
    checkpoint->yields = false;
    checkpoint->wanted = true;
    logs->due = true;
}

bool checkpoint_yields(struct logs *logs)
{
    struct checkpoint *checkpoint = &logs->checkpoint;

    if (is_urgent(logs)) return false;
    switch (checkpoint->state) {
    case CHECKPOINT_IDLE:
    case CHECKPOINT_FILE_SYNCING:
    case CHECKPOINT_RENAMING:
    case CHECKPOINT_NAME_SYNCING: break; /* what it says is said */
    case CHECKPOINT_FLUSHING:
    case CHECKPOINT_SYNCING:
    case CHECKPOINT_DISK_FULL: give_up(logs); break;
    case CHECKPOINT_CUTTING:
    case CHECKPOINT_WRITING:
        if (checkpoint->step == CHECKPOINT_STEP_NONE) break;
        checkpoint->yields = true;
        return false;
    }
    return logs->syncs_used == 0;
}

void checkpoint_on_disk(struct logs *logs, const struct event_disk *disk, struct effects *effects)
{
    struct checkpoint *checkpoint = &logs->checkpoint;
    const bool fine =
        disk->result == DISK_DONE || (disk->result == DISK_NOT_FOUND && checkpoint->state == CHECKPOINT_CUTTING);

    if (disk->result == DISK_FULL && checkpoint->state != CHECKPOINT_FILE_SYNCING) {
        is_full(logs);
        return;
    }
    if (!fine) {
        logs_break(logs, HALT_DISK_FAILED, CHECKPOINT_NEW_PATH);
        return;
    }
    switch (checkpoint->state) {
    case CHECKPOINT_CUTTING:
    case CHECKPOINT_WRITING:
        if (checkpoint->yields && checkpoint->step != CHECKPOINT_STEP_NONE && !is_urgent(logs)) give_up(logs);
        else write_on(logs, effects);
        return;
    case CHECKPOINT_FILE_SYNCING:
        checkpoint->state = CHECKPOINT_RENAMING;
        order_file(FILE_RENAME, CHECKPOINT_NEW_PATH, CHECKPOINT_PATH, effects);
        if (MUTANT(journal_released_before_checkpoint)) journal_release(logs->journal, checkpoint->sequence);
        return;
    case CHECKPOINT_RENAMING:
        checkpoint->state = CHECKPOINT_NAME_SYNCING;
        order_file(FILE_SYNC_DIRECTORY, WAL_DIRECTORY, NULL, effects);
        return;
    case CHECKPOINT_NAME_SYNCING: finish(logs); return;
    case CHECKPOINT_IDLE:
    case CHECKPOINT_FLUSHING:
    case CHECKPOINT_SYNCING:
    case CHECKPOINT_DISK_FULL: break;
    }
    CHECK(false);
}

uint64_t checkpoint_deadline_ns(const struct logs *logs)
{
    const struct checkpoint *checkpoint = &logs->checkpoint;

    if (checkpoint->state == CHECKPOINT_DISK_FULL) return checkpoint->retry_ns;
    if (checkpoint->state == CHECKPOINT_IDLE && checkpoint->activity) return checkpoint->due_ns;
    return UINT64_MAX;
}

void checkpoint_forget_log(struct logs *logs, uint32_t log)
{
    struct checkpoint *checkpoint = &logs->checkpoint;

    if (checkpoint->log != log) return;
    if (checkpoint->step != CHECKPOINT_STEP_SEGMENT && checkpoint->step != CHECKPOINT_STEP_EPOCHS) return;
    logs->logs[log].frozen = false;
    checkpoint->log++;
    checkpoint->step = CHECKPOINT_STEP_LOG;
}
