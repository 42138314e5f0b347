#include "log/sync.h"

#include "log/segments.h"

static void order_file(struct sync *sync, uint32_t slot, uint32_t file, struct effects *effects)
{
    sync->parts_waited |= 1U << file;
    effects_add(effects, EFFECT_SYNC)->sync =
        (struct effect_sync){ .op = logs_op(LOGS_OP_SYNC, slot, file), .path = sync->paths[file] };
}

static void order_directory(struct sync *sync, uint32_t slot, uint32_t part, struct effects *effects)
{
    sync->parts_waited |= 1U << part;
    effects_add(effects, EFFECT_FILE)->file = (struct effect_file){ .op = logs_op(LOGS_OP_SYNC, slot, part),
                                                                    .action = FILE_SYNC_DIRECTORY,
                                                                    .path = sync->paths[part] };
}

/* Names that were made since: of the segment's files, of its partition, of its topic. */
static void order_directories(struct logs *logs, struct sync *sync, uint32_t slot, struct log *log,
                              struct effects *effects)
{
    static const char wal[] = WAL_DIRECTORY;
    struct log_topic *topic = &logs->topics[log->topic];
    const struct log_place place = log_place(logs, log);

    if (MUTANT(directories_not_synced)) return;
    if (log->directory_dirty) {
        log->directory_dirty = false;
        path_of_partition(sync->paths[SYNC_PARTITION_DIRECTORY], &place);
        order_directory(sync, slot, SYNC_PARTITION_DIRECTORY, effects);
    }
    if (topic->directory_dirty) {
        topic->directory_dirty = false;
        path_of_topic(sync->paths[SYNC_TOPIC_DIRECTORY], &place);
        order_directory(sync, slot, SYNC_TOPIC_DIRECTORY, effects);
    }
    if (logs->wal_directory_dirty) {
        logs->wal_directory_dirty = false;
        memcpy(sync->paths[SYNC_WAL_DIRECTORY], wal, sizeof wal);
        order_directory(sync, slot, SYNC_WAL_DIRECTORY, effects);
    }
}

static void finish(struct logs *logs, struct sync *sync)
{
    if (sync->doomed == DOOMED_NONE) logs->segments[sync->segment].synced = sync->mark;
    segment_unpin(logs, sync->segment);
    sync->used = false;
    logs->syncs_used--;
}

static void begin(struct logs *logs, uint32_t slot, uint32_t number, struct effects *effects)
{
    struct sync *sync = &logs->syncs[slot];
    struct segment *segment = &logs->segments[number];
    struct log *log = log_at(logs, segment->log);

    sync->used = true;
    sync->segment = number;
    sync->log = segment->log;
    sync->generation = segment->generation;
    sync->doomed = DOOMED_NONE;
    sync->parts_waited = 0;
    sync->mark = segment->written; /* a sync covers what was written before it was ordered */
    logs->syncs_used++;
    segment_pin(logs, number);
    for (uint32_t file = 0; file < SEGMENT_FILES; file++) {
        if ((segment->dirty & 1U << file) == 0) continue;
        segment_path(logs, segment, (enum segment_file)file, sync->paths[file]);
        order_file(sync, slot, file, effects);
    }
    segment->dirty = 0;
    order_directories(logs, sync, slot, log, effects);
    if (sync->parts_waited == 0) finish(logs, sync); /* what there was to sync is gone */
}

bool sync_work(struct logs *logs, struct effects *effects)
{
    struct checkpoint *checkpoint = &logs->checkpoint;

    for (uint32_t bound = 64; checkpoint->syncs_left > 0 && logs->syncs_used < SYNCS_MAX; bound--) {
        if (bound == 0 || !logs_may_order(effects, SYNC_PARTS)) {
            logs->due = true;
            return false;
        }
        checkpoint->syncs_left--;
        const uint32_t segment = segment_take_dirty(logs);
        if (segment == SEGMENT_NONE) continue;
        uint32_t slot = 0;
        while (logs->syncs[slot].used) slot++;
        begin(logs, slot, segment, effects);
    }
    return (checkpoint->syncs_left == 0 && logs->syncs_used == 0) || MUTANT(checkpoint_before_sync);
}

void sync_on_disk(struct logs *logs, uint32_t slot, uint32_t part, const struct event_disk *disk)
{
    CHECK(slot < SYNCS_MAX && part < SYNC_PARTS);
    struct sync *sync = &logs->syncs[slot];
    CHECK((sync->parts_waited & 1U << part) != 0);

    sync->parts_waited &= ~(1U << part);
    /* An index that is made anew may have no entry any more, and then no file. */
    const bool gone = disk->result == DISK_NOT_FOUND && (part == SEGMENT_INDEX || part == SEGMENT_TIME_INDEX);
    if (gone) segment_mark_forget_indexes(&sync->mark);
    /* A failed sync may have dropped the data and marked it clean: it is not asked again, and nothing is believed. */
    if (disk->result != DISK_DONE && !gone && !MUTANT(segment_sync_failure_ignored)) {
        logs_break(logs, HALT_DISK_FAILED, sync->paths[part]);
        return;
    }
    if (sync->doomed != DOOMED_NONE) logs->doomed[sync->doomed].holds--;
    if (sync->parts_waited != 0) return;
    finish(logs, sync);
}

uint32_t sync_abandon(struct logs *logs, uint32_t log, uint32_t doomed)
{
    uint32_t orders = 0;

    for (uint32_t slot = 0; slot < SYNCS_MAX; slot++) {
        struct sync *sync = &logs->syncs[slot];
        if (!sync->used || sync->log != log || sync->doomed != DOOMED_NONE) continue;
        sync->doomed = doomed;
        for (uint32_t parts = sync->parts_waited; parts != 0; parts &= parts - 1) orders++;
    }
    return orders;
}
