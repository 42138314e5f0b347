#include "log/segments.h"

#include "log/replaced.h"

static void link_back(struct logs *logs, struct segment *added, uint32_t previous)
{
    added->jump = SEGMENT_NONE;
    added->depth = 0;
    if (previous == SEGMENT_NONE) return;
    const struct segment *before = &logs->segments[previous];
    const struct log *log = &logs->logs[added->log];
    const int64_t oldest = logs->segments[log->first_segment].base_offset;
    added->jump = previous;
    added->jump_base = before->base_offset;
    added->depth = before->depth + 1;
    if (before->jump == SEGMENT_NONE || before->jump_base < oldest) return;
    const struct segment *skipped = &logs->segments[before->jump];
    if (skipped->jump == SEGMENT_NONE || skipped->jump_base < oldest) return;
    if (before->depth - skipped->depth != skipped->depth - logs->segments[skipped->jump].depth) return;
    added->jump = skipped->jump;
    added->jump_base = skipped->jump_base;
}

uint32_t segment_add(struct logs *logs, uint32_t log_number, int64_t base_offset, uint64_t begin_position)
{
    struct log *log = log_at(logs, log_number);
    const uint32_t slot = pool_take(&logs->segments_pool);
    if (slot == POOL_NONE) return SEGMENT_NONE;

    struct segment *segment = &logs->segments[slot];
    *segment = (struct segment){
        .base_offset = base_offset,
        .begin_position = begin_position,
        .first_timestamp = -1,
        .created_ms = logs->wall_ms,
        .written = segment_mark_empty(base_offset),
        .synced = segment_mark_empty(base_offset),
        .log = log_number,
        .generation = log->generation,
        .edition = log->edition,
        .next = SEGMENT_NONE,
        .previous = log->last_segment,
        .file_pin = SLOT_FREE,
        .doomed = DOOMED_NONE,
        .list_next = SEGMENT_NONE,
    };
    if (log->last_segment == SEGMENT_NONE) {
        log->first_segment = slot;
    } else {
        CHECK(logs->segments[log->last_segment].base_offset < base_offset);
        logs->segments[log->last_segment].next = slot;
    }
    link_back(logs, segment, log->last_segment);
    log->last_segment = slot;
    log->segment_count++;
    return slot;
}

uint32_t segment_find(const struct logs *logs, const struct log *log, int64_t offset)
{
    uint32_t at = log->last_segment;

    if (at == SEGMENT_NONE) return SEGMENT_NONE;
    const int64_t oldest = logs->segments[log->first_segment].base_offset;
    if (offset < oldest) return log->first_segment;
    while (logs->segments[at].base_offset > offset) {
        const struct segment *segment = &logs->segments[at];
        const bool jumps = segment->jump != SEGMENT_NONE && segment->jump_base >= oldest && segment->jump_base > offset;
        at = jumps ? segment->jump : segment->previous;
    }
    return offset < logs->segments[at].written.end_offset ? at : logs->segments[at].next;
}

uint32_t segment_take_first(struct logs *logs, struct log *log)
{
    const uint32_t slot = log->first_segment;
    CHECK(slot != SEGMENT_NONE);
    struct segment *segment = &logs->segments[slot];

    log->first_segment = segment->next;
    if (segment->next == SEGMENT_NONE) log->last_segment = SEGMENT_NONE;
    else logs->segments[segment->next].previous = SEGMENT_NONE;
    log->segment_count--;
    log->segments_size -= segment->written.size;
    segment->flags |= SEGMENT_DYING;
    return slot;
}

uint32_t segment_take_last(struct logs *logs, struct log *log)
{
    const uint32_t slot = log->last_segment;
    CHECK(slot != SEGMENT_NONE);
    struct segment *segment = &logs->segments[slot];

    log->last_segment = segment->previous;
    if (segment->previous == SEGMENT_NONE) log->first_segment = SEGMENT_NONE;
    else logs->segments[segment->previous].next = SEGMENT_NONE;
    log->segment_count--;
    log->segments_size -= segment->written.size;
    segment->flags |= SEGMENT_DYING;
    return slot;
}

/* ---- one in the place of several ---- */

bool segment_can_replace(const struct logs *logs, const struct replacement *group)
{
    const struct log *log = &logs->logs[group->log];
    uint32_t at = segment_find(logs, log, group->base_offset), count = 0;
    uint64_t size = 0;
    int64_t end_offset = -1;

    if (at == SEGMENT_NONE || logs->segments[at].base_offset != group->base_offset) return false;
    for (; at != SEGMENT_NONE && count < group->count; at = logs->segments[at].next, count++) {
        const struct segment *segment = &logs->segments[at];
        if ((segment->flags & (SEGMENT_DYING | SEGMENT_CUTTING)) != 0) return false;
        size += segment->written.size;
        end_offset = segment->written.end_offset;
    }
    return at != SEGMENT_NONE && count == group->count && size == group->size && end_offset == group->end_offset;
}

/* Takes the sources off the list; `made` stands between those before and behind them. */
static void take_out(struct logs *logs, const struct replacement *group, struct segment *made)
{
    uint32_t at = segment_find(logs, &logs->logs[group->log], group->base_offset);

    made->previous = logs->segments[at].previous;
    for (uint32_t count = group->count; count > 0; count--) {
        struct segment *source = &logs->segments[at];
        made->created_ms = source->created_ms;
        made->next = source->next;
        source->flags |= SEGMENT_DYING;
        replaced_add(logs, at);
        at = made->next;
    }
}

bool segment_replace(struct logs *logs, const struct replacement *group)
{
    const uint32_t slot = pool_take(&logs->segments_pool);
    struct log *log = &logs->logs[group->log];
    struct segment *made = &logs->segments[slot];

    if (slot == POOL_NONE) return false;
    *made = (struct segment){
        .base_offset = group->base_offset,
        .begin_position = group->end_position - group->mark.size,
        .first_timestamp = group->first_timestamp,
        .written = group->mark,
        .synced = group->mark,
        .log = group->log,
        .generation = log->generation,
        .edition = group->edition,
        .flags = SEGMENT_SEALED,
        .file_pin = SLOT_FREE,
        .doomed = DOOMED_NONE,
        .list_next = SEGMENT_NONE,
    };
    take_out(logs, group, made);
    logs->segments[made->next].previous = slot;
    if (made->previous == SEGMENT_NONE) log->first_segment = slot;
    else logs->segments[made->previous].next = slot;
    log->segment_count -= group->count - 1;
    log->segments_size += group->mark.size;
    log->segments_size -= group->size;
    for (uint32_t at = made->previous; at != SEGMENT_NONE; at = logs->segments[at].previous) {
        logs->segments[at].begin_position += group->size - group->mark.size;
    }
    for (uint32_t at = slot; at != SEGMENT_NONE; at = logs->segments[at].next) {
        link_back(logs, &logs->segments[at], logs->segments[at].previous);
    }
    return true;
}

void segment_orphan(struct logs *logs, uint32_t slot, uint32_t doomed)
{
    struct segment *segment = &logs->segments[slot];

    CHECK(segment->pins > 0);
    segment->flags |= SEGMENT_ORPHAN;
    segment->doomed = doomed;
    logs->doomed[doomed].holds++;
}

void segment_free(struct logs *logs, uint32_t slot)
{
    struct segment *segment = &logs->segments[slot];

    CHECK(segment->pins == 0);
    /* The list of dirty segments is walked from its front only: there it is freed. */
    if ((segment->flags & SEGMENT_LISTED) != 0) segment->flags |= SEGMENT_FREED;
    else pool_give(&logs->segments_pool, slot);
}

void segment_pin(struct logs *logs, uint32_t slot)
{
    logs->segments[slot].pins++;
}

void segment_unpin(struct logs *logs, uint32_t slot)
{
    struct segment *segment = &logs->segments[slot];

    CHECK(segment->pins > 0);
    if (--segment->pins > 0 || (segment->flags & SEGMENT_ORPHAN) == 0) return;
    CHECK(logs->doomed[segment->doomed].holds > 0);
    logs->doomed[segment->doomed].holds--;
    if ((segment->flags & SEGMENT_DYING) == 0) segment_free(logs, slot); /* else it is still in that list */
}

void segment_dirty(struct logs *logs, uint32_t slot, uint8_t files)
{
    struct segment *segment = &logs->segments[slot];

    segment->dirty |= files;
    if ((segment->flags & SEGMENT_LISTED) != 0) return;
    segment->flags |= SEGMENT_LISTED;
    segment->list_next = SEGMENT_NONE;
    if (logs->dirty_last == SEGMENT_NONE) logs->dirty_first = slot;
    else logs->segments[logs->dirty_last].list_next = slot;
    logs->dirty_last = slot;
    logs->dirty_count++;
}

uint32_t segment_take_dirty(struct logs *logs)
{
    const uint32_t slot = logs->dirty_first;
    CHECK(slot != SEGMENT_NONE);
    struct segment *segment = &logs->segments[slot];

    logs->dirty_first = segment->list_next;
    if (logs->dirty_first == SEGMENT_NONE) logs->dirty_last = SEGMENT_NONE;
    logs->dirty_count--;
    segment->list_next = SEGMENT_NONE;
    segment->flags &= (uint16_t)~SEGMENT_LISTED;
    if ((segment->flags & SEGMENT_FREED) != 0) pool_give(&logs->segments_pool, slot);
    /* What leaves with its log, or lies below a log start offset that is durable, need not be durable. */
    const uint16_t gone = SEGMENT_FREED | SEGMENT_DYING | SEGMENT_ORPHAN;
    return (segment->flags & gone) != 0 ? SEGMENT_NONE : slot;
}

bool segment_must_roll(const struct segment *segment, const struct segment_mark *mark, const struct log_rules *rules,
                       const struct entry *batch, int64_t wall_ms)
{
    const uint32_t index_entries_max = rules->segment_index_size / INDEX_ENTRY_SIZE;
    const uint32_t time_entries_max = rules->segment_index_size / TIME_INDEX_ENTRY_SIZE;
    const uint32_t size_max = MIN(rules->segment_size, (uint32_t)INT32_MAX);

    if ((segment->flags & SEGMENT_SEALED) != 0) return true;
    /* Index entries hold offsets of 31 bits, and the largest batch is the one that must fit. */
    if (entry_last_offset(batch) - segment->base_offset > INT32_MAX) return true;
    if (mark->size == 0) return false;
    if (batch->size > size_max || mark->size > size_max - batch->size) return true;
    if (mark->index_size / INDEX_ENTRY_SIZE >= index_entries_max) return true;
    /* One place in the time index is kept for the entry that closes it. */
    if (mark->time_index_size / TIME_INDEX_ENTRY_SIZE + 1 >= time_entries_max) return true;
    /* By record timestamps as in Kafka; by the clock too, for records that carry old times or none. */
    const bool aged = segment->first_timestamp >= 0 && batch->max_timestamp > segment->first_timestamp &&
                      batch->max_timestamp - segment->first_timestamp > rules->segment_ms;
    return aged || (wall_ms > segment->created_ms && wall_ms - segment->created_ms > rules->segment_ms);
}
