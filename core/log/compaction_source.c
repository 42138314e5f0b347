#include "log/compaction_source.h"

#include "log/segments.h"

void source_leave(struct logs *logs)
{
    struct compaction *compaction = &logs->compaction;

    if (compaction->source == SEGMENT_NONE) return;
    segment_unpin(logs, compaction->source);
    compaction->source = SEGMENT_NONE;
}

static void order_read(struct logs *logs, uint32_t size, struct effects *effects)
{
    struct compaction *compaction = &logs->compaction;
    const struct segment *source = &logs->segments[compaction->source];

    compaction->input_position += compaction->input_used;
    compaction->input_used = 0;
    compaction->input_size = MIN(MAX(size, (uint32_t)COMPACTION_READ_SIZE),
                                 MIN(source->written.size - compaction->input_position, compaction->batch_size_max));
    segment_path(logs, source, SEGMENT_LOG, compaction->read_path);
    pace_take(&compaction->pace, compaction->input_size, logs->mono_ns);
    compaction_waits(compaction, PART_READ);
    effects_add(effects, EFFECT_READ)->read = (struct effect_read){
        .op = compaction_op(PART_READ),
        .path = compaction->read_path,
        .position = compaction->input_position,
        .into = compaction->input,
        .size = compaction->input_size,
    };
}

void source_enter(struct logs *logs, uint32_t number)
{
    struct compaction *compaction = &logs->compaction;

    segment_pin(logs, number);
    compaction->source = number;
    compaction->source_offset = logs->segments[number].base_offset;
    compaction->input_position = compaction->input_size = compaction->input_used = 0;
}

enum reading source_next(struct logs *logs, struct record_batch *batch, struct effects *effects)
{
    struct compaction *compaction = &logs->compaction;
    const struct segment_mark *mark = &logs->segments[compaction->source].written;
    const uint32_t left = mark->size - compaction->input_position - compaction->input_used;
    const struct bytes bytes = { compaction->input + compaction->input_used,
                                 compaction->input_size - compaction->input_used };
    uint32_t size;

    if (left == 0) return READING_END;
    switch (record_batch_next_size(bytes, &size)) {
    case RECORD_BATCH_WHOLE: break;
    case RECORD_BATCH_CUT:
        if (size > left) return READING_BAD;
        if (size > compaction->batch_size_max) return READING_TOO_LARGE;
        order_read(logs, size, effects);
        return READING_WAITS;
    case RECORD_BATCH_OLD:
    case RECORD_BATCH_BROKEN: return READING_BAD;
    }
    if (record_batch_read(bytes, batch) != RECORD_BATCH_WHOLE || batch->last_offset_delta < 0) return READING_BAD;
    if (batch->base_offset < compaction->source_offset || batch->record_count < 0) return READING_BAD;
    if (record_batch_last_offset(batch) >= mark->end_offset || !record_batch_crc_matches(batch)) return READING_BAD;
    return READING_BATCH;
}

void source_pass(struct compaction *compaction, const struct record_batch *batch)
{
    compaction->source_offset = record_batch_last_offset(batch) + 1;
    compaction->input_used += batch->bytes.size;
    compaction->usage.bytes_read += batch->bytes.size;
}
