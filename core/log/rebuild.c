#include "log/rebuild.h"

#include "log/batch_head.h"
#include "log/lookup_index.h"
#include "log/segments.h"

enum {
    SCAN_SIZE = LOOKUP_BUFFER_SIZE / 2, /* the rest of the buffer takes the entries that come of it */
    ENTRIES_SIZE = SCAN_SIZE / 2,
};

/* Heads are 61 bytes apart at least, each gives one entry at most, and one more closes the time index. */
_Static_assert((SCAN_SIZE / BATCH_HEAD_SIZE + 2) * TIME_INDEX_ENTRY_SIZE <= ENTRIES_SIZE, "entries fit");

enum { PARTS = 2 };
static const enum segment_file files[PARTS] = { SEGMENT_INDEX, SEGMENT_TIME_INDEX };

static uint32_t rebuilt_size(const struct lookup *lookup, uint32_t part)
{
    return part == 0 ? lookup->rebuilt.index_size : lookup->rebuilt.time_index_size;
}

/* ---- orders ---- */

static uint64_t op_of(const struct logs *logs, const struct lookup *lookup, uint32_t part)
{
    return logs_op(LOGS_OP_LOOKUP, (uint32_t)(lookup - logs->lookups), part);
}

static const char *new_path(struct logs *logs, struct lookup *lookup, uint32_t part)
{
    const struct log_place place = log_place(logs, &logs->logs[lookup->log]);
    const struct segment *segment = &logs->segments[lookup->segment];

    path_of_new_segment(lookup->paths[part], &place, segment->base_offset, segment->edition, files[part]);
    return lookup->paths[part];
}

static const char *final_path(struct logs *logs, struct lookup *lookup, uint32_t part)
{
    segment_path(logs, &logs->segments[lookup->segment], files[part], lookup->targets[part]);
    return lookup->targets[part];
}

static void order_scan(struct logs *logs, struct lookup *lookup, struct effects *effects)
{
    lookup->state = LOOKUP_REBUILD_SCAN;
    lookup_order_read(logs, lookup, SEGMENT_LOG, lookup->rebuilt.size, lookup->buffer,
                      MIN((uint32_t)SCAN_SIZE, lookup->mark.size - lookup->rebuilt.size), effects);
}

static void order_file(struct logs *logs, struct lookup *lookup, uint32_t part, enum file_action action,
                       const char *path, const char *to, struct effects *effects)
{
    lookup->parts_waited |= 1U << part;
    effects_add(effects, EFFECT_FILE)->file =
        (struct effect_file){ .op = op_of(logs, lookup, part), .action = action, .path = path, .to = to };
}

static void clear(struct logs *logs, struct lookup *lookup, struct effects *effects)
{
    lookup->state = LOOKUP_REBUILD_CLEAR;
    for (uint32_t part = 0; part < PARTS; part++) {
        order_file(logs, lookup, part, FILE_UNLINK, new_path(logs, lookup, part), NULL, effects);
    }
}

/* It is over, and nothing came of it; the index stays bad, and is tried again when it is missed. */
static bool give_up(struct logs *logs, struct lookup *lookup, struct effects *effects)
{
    lookup->failed = true;
    clear(logs, lookup, effects);
    return false;
}

static void order_write(struct logs *logs, struct lookup *lookup, uint32_t part, uint32_t position, const uint8_t *data,
                        uint32_t size, struct effects *effects)
{
    if (size == 0) return;
    lookup->pieces[part] = (struct piece){ .data = data, .size = size };
    lookup->parts_waited |= 1U << part;
    effects_add(effects, EFFECT_WRITE)->write = (struct effect_write){
        .op = op_of(logs, lookup, part),
        .path = new_path(logs, lookup, part),
        .position = position,
        .pieces = &lookup->pieces[part],
        .piece_count = 1,
    };
}

/* The new files take the names of the old ones when all of them is durable, so that a crash leaves one or the other
 * whole. What has no entries has no file. */
static void rename_new(struct logs *logs, struct lookup *lookup, struct effects *effects)
{
    lookup->state = LOOKUP_REBUILD_RENAME;
    for (uint32_t part = 0; part < PARTS; part++) {
        const char *to = final_path(logs, lookup, part);
        if (rebuilt_size(lookup, part) == 0) order_file(logs, lookup, part, FILE_UNLINK, to, NULL, effects);
        else order_file(logs, lookup, part, FILE_RENAME, new_path(logs, lookup, part), to, effects);
    }
}

static void sync_new(struct logs *logs, struct lookup *lookup, struct effects *effects)
{
    lookup->state = LOOKUP_REBUILD_SYNC;
    for (uint32_t part = 0; part < PARTS; part++) {
        if (rebuilt_size(lookup, part) == 0) continue;
        lookup->parts_waited |= 1U << part;
        effects_add(effects, EFFECT_SYNC)->sync =
            (struct effect_sync){ .op = op_of(logs, lookup, part), .path = new_path(logs, lookup, part) };
    }
    if (lookup->parts_waited == 0) rename_new(logs, lookup, effects);
}

void rebuild_want(struct logs *logs, uint32_t number, struct effects *effects)
{
    struct segment *segment = &logs->segments[number];

    segment->flags |= SEGMENT_INDEX_BAD | SEGMENT_SEALED;
    if ((segment->flags & (SEGMENT_REBUILDING | SEGMENT_DYING | SEGMENT_CUTTING)) != 0) return;
    const struct log *log = log_at(logs, segment->log);
    if (log->flush != SLOT_FREE || log->frozen || logs->state != LOGS_OPEN) return;
    if (!logs_may_order(effects, PARTS)) return;
    struct lookup *lookup = lookup_begin(logs, segment->log, number, LOOKUP_INDEXES, 0, effects);
    if (lookup == NULL) return;
    segment->flags |= SEGMENT_REBUILDING;
    lookup->rebuilt = segment_mark_empty(segment->base_offset);
    clear(logs, lookup, effects);
}

/* ---- what comes of it ---- */

/* Whether the batch may follow what was rebuilt so far. */
static bool continues(const struct lookup *lookup, const struct batch_head *head)
{
    return head->base_offset >= lookup->rebuilt.end_offset && head->last_offset < lookup->mark.end_offset &&
           head->size <= lookup->mark.size - lookup->rebuilt.size;
}

static bool on_scanned(struct logs *logs, struct lookup *lookup, uint32_t size, struct effects *effects)
{
    const struct segment *segment = &logs->segments[lookup->segment];
    struct index_entries entries = { .index = lookup->buffer + SCAN_SIZE,
                                     .time_index = lookup->buffer + SCAN_SIZE + ENTRIES_SIZE };
    const struct segment_mark before = lookup->rebuilt;
    struct batch_head head;

    for (uint64_t at = 0; at + BATCH_HEAD_SIZE <= size; at += head.size) {
        /* Whoever reads there will be told; without its batches a segment has no index. */
        if (!batch_head_read(lookup->buffer + at, &head) || !continues(lookup, &head)) {
            return give_up(logs, lookup, effects);
        }
        segment_mark_add(&lookup->rebuilt, segment->base_offset,
                         &(struct indexed_batch){ head.last_offset, head.max_timestamp, head.size },
                         logs->logs[lookup->log].rules.index_interval_size, &entries);
    }
    if (lookup->rebuilt.size == before.size) return give_up(logs, lookup, effects);
    if (lookup->rebuilt.size == lookup->mark.size) segment_mark_close(&lookup->rebuilt, segment->base_offset, &entries);
    lookup->state = LOOKUP_REBUILD_WRITE;
    order_write(logs, lookup, 0, before.index_size, entries.index, entries.index_size, effects);
    order_write(logs, lookup, 1, before.time_index_size, entries.time_index, entries.time_index_size, effects);
    if (lookup->parts_waited != 0) return false;
    if (lookup->rebuilt.size == lookup->mark.size) sync_new(logs, lookup, effects);
    else order_scan(logs, lookup, effects);
    return false;
}

/* The new names are not durable, and a sync that is under way may be of the old files: until the next one no
 * checkpoint may say that either index can be believed. */
static void adopt(struct logs *logs, const struct lookup *lookup)
{
    struct segment *segment = &logs->segments[lookup->segment];

    if ((segment->flags & SEGMENT_DYING) != 0) return;
    segment->written = lookup->rebuilt;
    segment_mark_forget_indexes(&segment->synced);
    for (uint32_t slot = 0; slot < SYNCS_MAX; slot++) {
        struct sync *sync = &logs->syncs[slot];
        if (sync->used && sync->segment == lookup->segment) segment_mark_forget_indexes(&sync->mark);
    }
    segment->flags &= (uint16_t)~SEGMENT_INDEX_BAD;
    logs->logs[lookup->log].directory_dirty = true;
    segment->dirty &= 1U << SEGMENT_LOG; /* what was written to the old files is nobody's any more */
    segment_dirty(logs, lookup->segment,
                  (uint8_t)((lookup->rebuilt.index_size > 0 ? 1U << SEGMENT_INDEX : 0) |
                            (lookup->rebuilt.time_index_size > 0 ? 1U << SEGMENT_TIME_INDEX : 0)));
}

static bool on_answer(struct logs *logs, struct lookup *lookup, uint32_t part, const struct event_disk *disk,
                      struct effects *effects)
{
    const bool unlinked = lookup->state == LOOKUP_REBUILD_CLEAR ||
                          (lookup->state == LOOKUP_REBUILD_RENAME && rebuilt_size(lookup, part) == 0);
    const bool fine = disk->result == DISK_DONE || (disk->result == DISK_NOT_FOUND && unlinked);

    lookup->failed |= !fine || lookup->stale;
    if (disk->result == DISK_FAILED && lookup->state != LOOKUP_REBUILD_SCAN) {
        logs_break(logs, HALT_DISK_FAILED, lookup->paths[part]);
    }
    if (lookup->parts_waited != 0 || logs->state == LOGS_BROKEN) return false;
    if (lookup->failed) {
        /* There is no room, or the segment cannot be read, or was cut meanwhile. */
        return lookup->state == LOOKUP_REBUILD_CLEAR ? true : give_up(logs, lookup, effects);
    }
    switch (lookup->state) {
    case LOOKUP_REBUILD_CLEAR: order_scan(logs, lookup, effects); return false;
    case LOOKUP_REBUILD_SCAN: return on_scanned(logs, lookup, disk->size, effects);
    case LOOKUP_REBUILD_WRITE:
        if (lookup->rebuilt.size == lookup->mark.size) sync_new(logs, lookup, effects);
        else order_scan(logs, lookup, effects);
        return false;
    case LOOKUP_REBUILD_SYNC: rename_new(logs, lookup, effects); return false;
    case LOOKUP_REBUILD_RENAME: adopt(logs, lookup); return true;
    case LOOKUP_FREE:
    case LOOKUP_TIME:
    case LOOKUP_INDEX:
    case LOOKUP_SCAN:
    case LOOKUP_BATCH:
    case LOOKUP_LEARN: break;
    }
    CHECK(false);
    return true;
}

bool rebuild_on_disk(struct logs *logs, struct lookup *lookup, uint32_t part, const struct event_disk *disk,
                     struct effects *effects)
{
    const bool over = on_answer(logs, lookup, part, disk, effects);

    if (over) logs->segments[lookup->segment].flags &= (uint16_t)~SEGMENT_REBUILDING;
    return over;
}
