#include "log/cleanable.h"

#include "log/segments.h"

static bool is_being_closed(const struct logs *logs, const struct log *log, uint32_t number)
{
    return log->flush != SLOT_FREE && logs->flushes[log->flush].closed == number;
}

/* Nothing is written to it any more, and all of it is committed. */
static bool is_settled(const struct logs *logs, const struct log *log, uint32_t number)
{
    const struct segment *segment = &logs->segments[number];
    const uint16_t unsettled = SEGMENT_DYING | SEGMENT_CUTTING | SEGMENT_DAMAGED;

    if (segment->next == SEGMENT_NONE || (segment->flags & SEGMENT_SEALED) == 0) return false;
    if ((segment->flags & unsettled) != 0 || is_being_closed(logs, log, number)) return false;
    return segment->written.end_offset <= log->high_watermark || MUTANT(compaction_passes_high_watermark);
}

/* Records without a time are as old as their segment. */
static int64_t time_of(const struct segment *segment, int64_t timestamp)
{
    return timestamp >= 0 ? timestamp : segment->created_ms;
}

static bool is_young(const struct log *log, const struct segment *segment, int64_t wall_ms)
{
    const int64_t lag_ms = log->rules.min_compaction_lag_ms;

    return lag_ms > 0 && time_of(segment, segment->written.largest_timestamp) > wall_ms - MIN(lag_ms, wall_ms);
}

bool cleanable_read(const struct logs *logs, uint32_t number, struct cleanable *found)
{
    const struct log *log = &logs->logs[number];
    uint64_t clean_size = 0, dirty_size = 0;
    int64_t oldest_ms = INT64_MAX;

    *found = (struct cleanable){ .later = log->learning };
    if (!log->rules.compacts || log->uncleanable || log->learning || log->first_segment == SEGMENT_NONE) return false;
    if (log->truncation != TRUNCATION_NONE || log->cuts > 0) return false;
    found->begin_offset = MAX(log->cleaned_offset, logs->segments[log->first_segment].base_offset);
    for (uint32_t at = log->first_segment; is_settled(logs, log, at); at = logs->segments[at].next) {
        const struct segment *segment = &logs->segments[at];
        found->end_offset = logs->segments[segment->next].base_offset;
        if ((segment->flags & SEGMENT_OPAQUE) != 0) continue;
        const bool dirty = segment->written.end_offset > found->begin_offset;
        if (dirty && is_young(log, segment, logs->wall_ms)) {
            found->later = true;
            found->end_offset = segment->base_offset;
            break;
        }
        if (dirty) dirty_size += segment->written.size;
        else clean_size += segment->written.size;
        if (dirty) oldest_ms = MIN(oldest_ms, time_of(segment, segment->first_timestamp));
    }
    if (dirty_size == 0) return false;
    const bool limited = log->rules.max_compaction_lag_ms < INT64_MAX;
    const uint32_t shift = (clean_size + dirty_size) >> 40 != 0 ? 24 : 0; /* what is multiplied must not run over */
    const uint64_t ratio = (uint64_t)log->rules.min_cleanable_dirty_ratio * ((clean_size + dirty_size) >> shift);
    found->must = limited && logs->wall_ms > oldest_ms && logs->wall_ms - oldest_ms > log->rules.max_compaction_lag_ms;
    found->ratio = (dirty_size >> shift) * DIRTY_RATIO_ONE / ((clean_size + dirty_size) >> shift);
    found->later |= limited;
    return found->must || (dirty_size >> shift) * DIRTY_RATIO_ONE > ratio;
}

bool cleanable_before(const struct cleanable *a, const struct cleanable *b)
{
    if (a->must != b->must) return a->must;
    return a->ratio > b->ratio;
}

bool cleanable_add(const struct logs *logs, const struct log *log, int64_t offset, int64_t end_offset, uint64_t size,
                   struct replacement *group)
{
    const uint64_t size_max = MIN(log->rules.segment_size, (uint32_t)INT32_MAX);
    const uint32_t number = segment_find(logs, log, offset);

    if (number == SEGMENT_NONE) return false;
    const struct segment *segment = &logs->segments[number];
    if (segment->base_offset >= end_offset || segment->next == SEGMENT_NONE) return false;
    if ((segment->flags & SEGMENT_OPAQUE) != 0) return false;
    if (group->count == 0) group->base_offset = segment->base_offset;
    else if (size + segment->written.size > size_max) return false;
    if (segment->written.end_offset - 1 - group->base_offset > INT32_MAX) return false;
    group->count++;
    group->size += segment->written.size;
    group->end_offset = segment->written.end_offset;
    group->end_position = segment->begin_position + segment->written.size;
    return true;
}
