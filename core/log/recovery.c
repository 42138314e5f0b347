#include "log/recovery.h"

#include "base/crc32c.h"
#include "log/checkpoint.h"
#include "log/compaction.h"
#include "log/compare.h"
#include "log/learn.h"
#include "log/remove.h"
#include "log/replay.h"
#include "log/segments.h"

enum { ENTRIES_PER_STEP = 256 };

static void order_file(enum file_action action, const char *path, struct effects *effects)
{
    effects_add(effects, EFFECT_FILE)->file =
        (struct effect_file){ .op = logs_op(LOGS_OP_RECOVERY, 0, 0), .action = action, .path = path };
}

void recovery_begin(struct logs *logs, struct effects *effects)
{
    logs->recovery.state = RECOVERY_MAKING_DIRECTORY;
    logs->recovery.log = LOG_NONE;
    logs->checkpoint.due_ns = UINT64_MAX; /* none by age before the logs are open */
    order_file(FILE_MAKE_DIRECTORY, JOURNAL_DIRECTORY, effects);
}

/* ---- the checkpoint ---- */

static void order_read(struct logs *logs, struct effects *effects)
{
    logs->recovery.state = RECOVERY_READING_CHECKPOINT;
    effects_add(effects, EFFECT_READ)->read = (struct effect_read){
        .op = logs_op(LOGS_OP_RECOVERY, 0, 0),
        .path = CHECKPOINT_PATH,
        .position = logs->recovery.position,
        .into = logs->checkpoint.buffer,
        .size = CHECKPOINT_BUFFER_SIZE,
    };
}

static bool take_log(struct logs *logs, const struct checkpoint_record *record)
{
    struct recovery *recovery = &logs->recovery;
    uint32_t number;

    recovery->log = LOG_NONE;
    if (!map_get(&logs->names, map_key_id(&record->log.topic_id, (uint32_t)record->log.partition), &number))
        return true;
    struct log *log = &logs->logs[number];
    if (log->recovered) return false; /* twice */
    recovery->log = number;
    log->recovered = true;
    log->log_start_offset = record->log.log_start_offset;
    log->next_start_offset = record->log.log_start_offset;
    log->written_offset = record->log.begin_offset;
    log->durable_offset = record->log.begin_offset;
    log->log_end_offset = record->log.begin_offset;
    log->high_watermark = record->log.high_watermark;
    log->cleaned_offset = record->log.cleaned_offset;
    log->era = record->log.era;
    log->learning = record->log.producers_unknown;
    logs->era = MAX(logs->era, record->log.era);
    return true;
}

static bool take_segment(struct logs *logs, const struct checkpoint_record *record)
{
    if (logs->recovery.log == LOG_NONE) return true;
    struct log *log = &logs->logs[logs->recovery.log];
    if (record->segment.base_offset < log->written_offset) return false;
    if (log->last_segment != SEGMENT_NONE) logs->segments[log->last_segment].flags |= SEGMENT_SEALED;
    const uint32_t number = segment_add(logs, logs->recovery.log, record->segment.base_offset, log->written_position);
    if (number == SEGMENT_NONE) return false; /* segments_max is less than it was */
    struct segment *segment = &logs->segments[number];
    segment->first_timestamp = record->segment.first_timestamp;
    segment->created_ms = record->segment.created_ms;
    segment->written = record->segment.mark;
    segment->synced = record->segment.mark;
    segment->edition = record->segment.edition;
    log->edition_top = MAX(log->edition_top, record->segment.edition);
    log->segments_size += segment->written.size;
    log->written_position += segment->written.size;
    log->durable_position = log->written_position;
    log->end_position = log->written_position;
    log->written_offset = segment->written.end_offset;
    log->durable_offset = log->written_offset;
    log->log_end_offset = log->written_offset;
    log->recorded_offset = log->written_offset;
    return true;
}

static bool take_epoch(struct logs *logs, const struct checkpoint_record *record)
{
    if (logs->recovery.log == LOG_NONE) return true;
    struct epoch_list *list = &logs->logs[logs->recovery.log].epochs;
    const bool rises =
        record->epoch.epoch > list->newest.epoch && record->epoch.start_offset > list->newest.start_offset;
    if (list->count > 0 && !rises) return false;
    epochs_add(&logs->epochs, list, record->epoch.epoch, record->epoch.start_offset);
    logs->logs[logs->recovery.log].begun_epoch = record->epoch.epoch;
    return true;
}

static bool take_batch(struct logs *logs, const struct checkpoint_record *record)
{
    const struct recovery *recovery = &logs->recovery;

    if (recovery->log == LOG_NONE) return true;
    /* False only where the table is smaller than it was. */
    const bool kept = producers_restore(&logs->producers, recovery->log, recovery->producer_id,
                                        recovery->producer_used_ms, recovery->producer_older_lost, &record->batch);
    logs->producers_forgotten += !kept;
    return true;
}

static bool take_record(struct logs *logs, const struct checkpoint_record *record)
{
    struct recovery *recovery = &logs->recovery;

    switch (record->kind) {
    case CHECKPOINT_HEAD:
        recovery->sequence = record->head.sequence;
        recovery->clean = record->head.clean;
        return true;
    case CHECKPOINT_LOG: return take_log(logs, record);
    case CHECKPOINT_SEGMENT: return take_segment(logs, record);
    case CHECKPOINT_EPOCH: return take_epoch(logs, record);
    case CHECKPOINT_PRODUCER:
        recovery->log = LOG_NONE;
        map_get(&logs->names, map_key_id(&record->producer.topic_id, (uint32_t)record->producer.partition),
                &recovery->log);
        recovery->producer_id = record->producer.id;
        recovery->producer_used_ms = record->producer.used_ms;
        recovery->producer_older_lost = record->producer.older_lost;
        return true;
    case CHECKPOINT_BATCH: return take_batch(logs, record);
    case CHECKPOINT_END: break;
    }
    return false;
}

static void corrupt(struct logs *logs)
{
    logs_break(logs, HALT_CORRUPT, CHECKPOINT_PATH);
}

static void on_checkpoint_read(struct logs *logs, const struct event_disk *disk, struct effects *effects)
{
    struct recovery *recovery = &logs->recovery;
    struct bytes bytes = { logs->checkpoint.buffer, disk->size };
    struct checkpoint_record record;

    for (;;) {
        const uint32_t size = checkpoint_record_read(bytes, recovery->position == 0, &record);
        if (size == UINT32_MAX) {
            corrupt(logs);
            return;
        }
        if (size == 0) break;
        if (record.kind == CHECKPOINT_END) {
            recovery->crc = crc32c(recovery->crc, bytes.data, size - 4);
            if (record.end.records != recovery->records || record.end.crc != recovery->crc) corrupt(logs);
            else recovery->state = RECOVERY_COMPARING;
            return;
        }
        if (!take_record(logs, &record)) {
            corrupt(logs);
            return;
        }
        recovery->crc = crc32c(recovery->crc, bytes.data, size);
        recovery->records++;
        recovery->position += size;
        bytes.data += size;
        bytes.size -= size;
    }
    /* A record that the buffer cuts is read again from its begin; one that the file cuts is none. */
    if (disk->size < CHECKPOINT_BUFFER_SIZE) corrupt(logs);
    else order_read(logs, effects);
}

/* ---- where there is none ---- */

static void order_list(struct logs *logs, struct effects *effects)
{
    logs->recovery.state = RECOVERY_LISTING;
    effects_add(effects, EFFECT_FILE)->file = (struct effect_file){
        .op = logs_op(LOGS_OP_RECOVERY, 0, 0),
        .action = FILE_LIST,
        .path = WAL_DIRECTORY,
        .to = logs->recovery.last_name,
        .size = CHECKPOINT_BUFFER_SIZE,
        .into = logs->checkpoint.buffer,
    };
}

/* Logs are never written before the first checkpoint: where there are some, it was lost, and with it the knowledge of
 * what in them was durable. */
static void on_listed(struct logs *logs, const struct event_disk *disk, struct effects *effects)
{
    struct recovery *recovery = &logs->recovery;
    struct bytes list = { logs->checkpoint.buffer, disk->size };
    struct listed_file listed;
    struct uuid topic_id;

    while (listed_file_read(&list, &listed)) {
        if (topic_directory_read(listed.name, &topic_id)) {
            corrupt(logs);
            return;
        }
        const uint32_t kept = MIN(listed.name.size, (uint32_t)PATH_SIZE_MAX - 1);
        memcpy(recovery->last_name, listed.name.data, kept);
        recovery->last_name[kept] = 0;
    }
    if (disk->more && disk->size > 0) order_list(logs, effects);
    else recovery->state = RECOVERY_COMPARING;
}

/* ---- the journal ---- */

/* What was committed is not known exactly, but what is below the log start offset was. */
static void open_log(struct logs *logs, uint32_t number)
{
    struct log *log = &logs->logs[number];

    log->high_watermark = MIN(MAX(log->high_watermark, log->log_start_offset), log->log_end_offset);
    if (!log->replicated) log->high_watermark = log->durable_offset;
    if (log->log_start_offset > 0) remove_when_durable(logs, number);
    if (log->learning) learn_begin(logs, number);
    log->cleaned_offset = MIN(log->cleaned_offset, log->log_end_offset);
    compaction_wake(logs, log);
}

static bool was_clean(const struct recovery *recovery)
{
    return recovery->clean && recovery->rounds == 0;
}

bool logs_crashed(const struct logs *logs)
{
    return logs->recovery.found && !was_clean(&logs->recovery);
}

static void open_logs(struct logs *logs, struct effects *effects)
{
    struct recovery *recovery = &logs->recovery;

    recovery->state = RECOVERY_DONE;
    logs->state = LOGS_OPEN;
    logs->sweep_wanted = true;
    logs->checkpoint.due_ns = logs->mono_ns + CHECKPOINT_AGE_NS;
    logs->checkpoint.activity |= recovery->batches > 0;
    for (uint32_t number = 0; number < logs->logs_end; number++) {
        if (logs->logs[number].open) open_log(logs, number);
    }
    logs->due = true;
    NOTE(effects, RECOVERED, (int64_t)recovery->rounds, (int64_t)recovery->batches, was_clean(recovery));
    logs_check(logs);
}

/* Whether every file is there that holds something from the log start offset on. */
static bool log_is_whole(const struct logs *logs, const struct log *log)
{
    for (uint32_t at = log->first_segment; at != SEGMENT_NONE; at = logs->segments[at].next) {
        const struct segment *segment = &logs->segments[at];
        if ((segment->flags & SEGMENT_DAMAGED) == 0 || segment->written.end_offset <= log->log_start_offset) continue;
        if (segment->found_size < segment->written.size) return false;
    }
    return true;
}

static bool nothing_is_missing(struct logs *logs)
{
    for (uint32_t number = 0; number < logs->logs_end; number++) {
        const struct log *log = &logs->logs[number];
        if (!log->open || log_is_whole(logs, log)) continue;
        const struct log_place place = log_place(logs, log);
        path_of_partition(logs->recovery.compares[0].directory, &place);
        logs_break(logs, HALT_CORRUPT, logs->recovery.compares[0].directory);
        return false;
    }
    return true;
}

static void on_journal_read(struct logs *logs, struct effects *effects)
{
    struct recovery *recovery = &logs->recovery;

    if (recovery->chunk != CHUNK_NONE) tail_unpin(logs->tail, recovery->chunk);
    recovery->chunk = CHUNK_NONE;
    logs->starved = false;
    if (!nothing_is_missing(logs)) return;
    if (recovery->found) {
        open_logs(logs, effects);
        return;
    }
    recovery->state = RECOVERY_FIRST_CHECKPOINT;
    logs->checkpoint.wanted = true;
    logs->due = true;
}

/* False: the entry waits, or there is no going on. */
static bool apply(struct logs *logs, struct effects *effects)
{
    struct recovery *recovery = &logs->recovery;

    if (!recovery->found) {
        corrupt(logs); /* the journal is older than this start: there was a checkpoint */
        return false;
    }
    if (recovery->entry.sequence != recovery->last_round) {
        recovery->last_round = recovery->entry.sequence;
        recovery->rounds++;
    }
    switch (replay_entry(logs, &recovery->entry, effects)) {
    case REPLAY_DONE: recovery->entry_waits = false; return true;
    case REPLAY_WAITS: recovery->entry_waits = true; return false;
    case REPLAY_CORRUPT: logs_break(logs, HALT_CORRUPT, JOURNAL_DIRECTORY); return false;
    }
    CHECK(false);
    return false;
}

static void replay_work(struct logs *logs, struct effects *effects)
{
    struct recovery *recovery = &logs->recovery;

    if (recovery->entry_waits && !apply(logs, effects)) return;
    for (uint32_t count = 0; count < ENTRIES_PER_STEP; count++) {
        switch (journal_opening_next(logs->journal, &recovery->entry, effects)) {
        case JOURNAL_OPENING_WAITS: return;
        case JOURNAL_OPENING_ENTRY:
            if (!apply(logs, effects)) return;
            break;
        case JOURNAL_OPENING_DONE: on_journal_read(logs, effects); return;
        case JOURNAL_OPENING_FAILED: {
            const struct effect_halt halt = journal_opening_halt(logs->journal);
            logs_break(logs, halt.reason, halt.path);
            return;
        }
        }
    }
    logs->due = true;
}

/* ---- steps and answers ---- */

void recovery_work(struct logs *logs, struct effects *effects)
{
    struct recovery *recovery = &logs->recovery;

    if (recovery->state == RECOVERY_COMPARING && compare_work(logs, effects) && logs->state != LOGS_BROKEN) {
        recovery->state = RECOVERY_OPENING;
        journal_open(logs->journal, recovery->sequence, effects);
        return;
    }
    if (recovery->state == RECOVERY_OPENING) replay_work(logs, effects);
    if (recovery->state == RECOVERY_FIRST_CHECKPOINT && logs->checkpoint.count > 0) open_logs(logs, effects);
}

static void on_read(struct logs *logs, const struct event_disk *disk, struct effects *effects)
{
    if (disk->result == DISK_NOT_FOUND && logs->recovery.position == 0) {
        order_list(logs, effects);
        return;
    }
    if (disk->result != DISK_DONE) {
        logs_break(logs, HALT_DISK_FAILED, CHECKPOINT_PATH);
        return;
    }
    logs->recovery.found = true;
    on_checkpoint_read(logs, disk, effects);
}

void recovery_on_disk(struct logs *logs, const struct event_disk *disk, struct effects *effects)
{
    struct recovery *recovery = &logs->recovery;

    if (logs->state != LOGS_RECOVERING) return; /* stopped meanwhile */
    if (recovery->state == RECOVERY_READING_CHECKPOINT) {
        on_read(logs, disk, effects);
        return;
    }
    if (disk->result != DISK_DONE) {
        logs_break(logs, disk->result == DISK_FULL ? HALT_DISK_FULL : HALT_DISK_FAILED, WAL_DIRECTORY);
        return;
    }
    switch (recovery->state) {
    case RECOVERY_MAKING_DIRECTORY:
        recovery->state = RECOVERY_SYNCING_WAL;
        order_file(FILE_SYNC_DIRECTORY, WAL_DIRECTORY, effects);
        return;
    case RECOVERY_SYNCING_WAL:
        recovery->state = RECOVERY_SYNCING_DATA;
        order_file(FILE_SYNC_DIRECTORY, DATA_DIRECTORY, effects);
        return;
    case RECOVERY_SYNCING_DATA: order_read(logs, effects); return;
    case RECOVERY_LISTING: on_listed(logs, disk, effects); return;
    case RECOVERY_NOT:
    case RECOVERY_READING_CHECKPOINT:
    case RECOVERY_COMPARING:
    case RECOVERY_OPENING:
    case RECOVERY_FIRST_CHECKPOINT:
    case RECOVERY_DONE: break;
    }
    CHECK(false);
}

void recovery_forget_log(struct logs *logs, uint32_t log)
{
    if (logs->recovery.log == log) logs->recovery.log = LOG_NONE;
    compare_forget_log(logs, log);
}
