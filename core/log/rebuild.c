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

static void order_scan(struct logs *logs, struct lookup *lookup, struct effects *effects)
{
    lookup->state = LOOKUP_REBUILD_SCAN;
    lookup_order_read(logs, lookup, SEGMENT_LOG, lookup->rebuilt.size, lookup->buffer,
                      MIN((uint32_t)SCAN_SIZE, lookup->mark.size - lookup->rebuilt.size), effects);
}

void rebuild_want(struct logs *logs, uint32_t number, struct effects *effects)
{
    struct segment *segment = &logs->segments[number];

    segment->flags |= SEGMENT_INDEX_BAD | SEGMENT_SEALED;
    if ((segment->flags & (SEGMENT_REBUILDING | SEGMENT_DYING)) != 0) return;
    const struct log *log = log_at(logs, segment->log);
    if (log->flush != SLOT_FREE || log->frozen || logs->state != LOGS_OPEN) return;
    struct lookup *lookup = lookup_begin(logs, segment->log, number, LOOKUP_INDEXES, 0, effects);
    if (lookup == NULL) return;
    segment->flags |= SEGMENT_REBUILDING;
    lookup->rebuilt = segment_mark_empty(segment->base_offset);
    order_scan(logs, lookup, effects);
}

static void order_write(struct logs *logs, struct lookup *lookup, uint32_t part, enum segment_file file,
                        uint32_t position, const uint8_t *data, uint32_t size, struct effects *effects)
{
    const struct log_place place = log_place(logs, &logs->logs[lookup->log]);

    if (size == 0) return;
    path_of_segment(lookup->paths[part], &place, logs->segments[lookup->segment].base_offset, file);
    lookup->pieces[part] = (struct piece){ .data = data, .size = size };
    lookup->parts_waited |= 1U << part;
    effects_add(effects, EFFECT_WRITE)->write = (struct effect_write){
        .op = logs_op(LOGS_OP_LOOKUP, (uint32_t)(lookup - logs->lookups), part),
        .path = lookup->paths[part],
        .position = position,
        .pieces = &lookup->pieces[part],
        .piece_count = 1,
    };
}

static void order_cut(struct logs *logs, struct lookup *lookup, uint32_t part, enum segment_file file, uint32_t size,
                      struct effects *effects)
{
    const struct log_place place = log_place(logs, &logs->logs[lookup->log]);

    path_of_segment(lookup->paths[part], &place, logs->segments[lookup->segment].base_offset, file);
    lookup->parts_waited |= 1U << part;
    effects_add(effects, EFFECT_FILE)->file = (struct effect_file){
        .op = logs_op(LOGS_OP_LOOKUP, (uint32_t)(lookup - logs->lookups), part),
        .action = FILE_TRUNCATE,
        .path = lookup->paths[part],
        .size = size,
    };
}

/* Old entries behind the new ones go. */
static bool cut(struct logs *logs, struct lookup *lookup, struct effects *effects)
{
    lookup->state = LOOKUP_REBUILD_CUT;
    if (lookup->rebuilt.index_size > 0) {
        order_cut(logs, lookup, 0, SEGMENT_INDEX, lookup->rebuilt.index_size, effects);
    }
    if (lookup->rebuilt.time_index_size > 0) {
        order_cut(logs, lookup, 1, SEGMENT_TIME_INDEX, lookup->rebuilt.time_index_size, effects);
    }
    return lookup->parts_waited == 0;
}

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
        if (!batch_head_read(lookup->buffer + at, &head) || !continues(lookup, &head)) return true;
        segment_mark_add(&lookup->rebuilt, segment->base_offset,
                         &(struct indexed_batch){ head.last_offset, head.max_timestamp, head.size },
                         logs->logs[lookup->log].rules.index_interval_size, &entries);
    }
    if (lookup->rebuilt.size == before.size) return true;
    if (lookup->rebuilt.size == lookup->mark.size) segment_mark_close(&lookup->rebuilt, segment->base_offset, &entries);
    lookup->state = LOOKUP_REBUILD_WRITE;
    order_write(logs, lookup, 0, SEGMENT_INDEX, before.index_size, entries.index, entries.index_size, effects);
    order_write(logs, lookup, 1, SEGMENT_TIME_INDEX, before.time_index_size, entries.time_index,
                entries.time_index_size, effects);
    if (lookup->parts_waited != 0) return false;
    if (lookup->rebuilt.size == lookup->mark.size) return cut(logs, lookup, effects);
    order_scan(logs, lookup, effects);
    return false;
}

static void adopt(struct logs *logs, const struct lookup *lookup)
{
    struct segment *segment = &logs->segments[lookup->segment];

    if ((segment->flags & SEGMENT_DYING) != 0) return;
    segment->written = lookup->rebuilt;
    segment->flags &= (uint8_t)~SEGMENT_INDEX_BAD;
    logs->logs[lookup->log].directory_dirty = true;
    segment_dirty(logs, lookup->segment,
                  (uint8_t)((lookup->rebuilt.index_size > 0 ? 1U << SEGMENT_INDEX : 0) |
                            (lookup->rebuilt.time_index_size > 0 ? 1U << SEGMENT_TIME_INDEX : 0)));
}

static bool on_answer(struct logs *logs, struct lookup *lookup, const struct event_disk *disk, struct effects *effects)
{
    /* Without room, or where the segment cannot be read, the index stays bad, and is tried again when it is missed. */
    lookup->failed |= disk->result != DISK_DONE;
    if (disk->result == DISK_FAILED && lookup->state != LOOKUP_REBUILD_SCAN) {
        logs_break(logs, HALT_DISK_FAILED, lookup->paths[0]);
    }
    if (lookup->parts_waited != 0) return false;
    if (lookup->failed) return true;
    switch (lookup->state) {
    case LOOKUP_REBUILD_SCAN: return on_scanned(logs, lookup, disk->size, effects);
    case LOOKUP_REBUILD_WRITE:
        if (lookup->rebuilt.size == lookup->mark.size) {
            if (!cut(logs, lookup, effects)) return false;
            adopt(logs, lookup);
            return true;
        }
        order_scan(logs, lookup, effects);
        return false;
    case LOOKUP_REBUILD_CUT: adopt(logs, lookup); return true;
    case LOOKUP_FREE:
    case LOOKUP_TIME:
    case LOOKUP_INDEX:
    case LOOKUP_SCAN:
    case LOOKUP_BATCH: break;
    }
    CHECK(false);
    return true;
}

bool rebuild_on_disk(struct logs *logs, struct lookup *lookup, const struct event_disk *disk, struct effects *effects)
{
    const bool over = on_answer(logs, lookup, disk, effects);

    if (over) logs->segments[lookup->segment].flags &= (uint8_t)~SEGMENT_REBUILDING;
    return over;
}
