/* checkpoint_format.c -- the bytes of a checkpoint's records; checkpoint.h draws them. */
#include "log/checkpoint.h"

/* ---- writing ---- */

static uint8_t *put_u32(uint8_t *to, uint32_t value)
{
    store_u32(to, value);
    return to + 4;
}

static uint8_t *put_u64(uint8_t *to, uint64_t value)
{
    store_u64(to, value);
    return to + 8;
}

static uint8_t *put_i64(uint8_t *to, int64_t value)
{
    return put_u64(to, (uint64_t)value);
}

static uint8_t *put_id(uint8_t *to, const struct uuid *id, int32_t partition)
{
    memcpy(to, id->bytes, sizeof id->bytes);
    return put_u32(to + sizeof id->bytes, (uint32_t)partition);
}

static uint8_t *put_head(uint8_t *to, const struct checkpoint_record *record)
{
    to = put_u32(to, CHECKPOINT_MAGIC);
    store_u16(to, CHECKPOINT_VERSION);
    store_u16(to + 2, record->head.clean ? CHECKPOINT_FLAG_CLEAN : 0);
    to = put_u64(to + 4, record->head.sequence);
    return put_i64(to, record->head.wall_ms);
}

static uint8_t *put_segment(uint8_t *to, const struct checkpoint_record *record)
{
    const struct segment_mark *mark = &record->segment.mark;

    to = put_i64(to, record->segment.base_offset);
    to = put_i64(to, mark->end_offset);
    to = put_i64(to, mark->largest_timestamp);
    to = put_i64(to, mark->largest_timestamp_offset);
    to = put_i64(to, mark->indexed_timestamp);
    to = put_i64(to, record->segment.first_timestamp);
    to = put_i64(to, record->segment.created_ms);
    to = put_u32(to, mark->size);
    to = put_u32(to, mark->index_size);
    to = put_u32(to, mark->time_index_size);
    to = put_u32(to, mark->unindexed_size);
    return put_u32(to, record->segment.edition);
}

static uint8_t *put_batch(uint8_t *to, const struct producer_batch *batch)
{
    to = put_i64(to, batch->base_offset);
    to = put_i64(to, batch->timestamp);
    to = put_u32(to, (uint32_t)batch->first_sequence);
    to = put_u32(to, (uint32_t)batch->last_sequence);
    store_u16(to, (uint16_t)batch->epoch);
    return to + 2;
}

uint32_t checkpoint_record_write(uint8_t *to, const struct checkpoint_record *record)
{
    const uint8_t *begin = to;

    if (record->kind != CHECKPOINT_HEAD) *to++ = (uint8_t)record->kind;
    switch (record->kind) {
    case CHECKPOINT_HEAD: to = put_head(to, record); break;
    case CHECKPOINT_LOG:
        to = put_id(to, &record->log.topic_id, record->log.partition);
        to = put_i64(to, record->log.log_start_offset);
        to = put_i64(to, record->log.begin_offset);
        to = put_i64(to, record->log.high_watermark);
        to = put_i64(to, record->log.cleaned_offset);
        to = put_u32(to, record->log.era);
        *to++ = record->log.producers_unknown ? 1 : 0;
        break;
    case CHECKPOINT_SEGMENT: to = put_segment(to, record); break;
    case CHECKPOINT_EPOCH:
        to = put_u32(to, (uint32_t)record->epoch.epoch);
        to = put_i64(to, record->epoch.start_offset);
        break;
    case CHECKPOINT_PRODUCER:
        to = put_id(to, &record->producer.topic_id, record->producer.partition);
        to = put_i64(to, record->producer.id);
        to = put_i64(to, record->producer.used_ms);
        *to++ = record->producer.older_lost ? 1 : 0;
        break;
    case CHECKPOINT_BATCH: to = put_batch(to, &record->batch); break;
    case CHECKPOINT_END:
        to = put_u64(to, record->end.records);
        to = put_u32(to, record->end.crc);
        break;
    }
    return (uint32_t)(to - begin);
}

/* ---- reading ---- */

static bool get_head(const uint8_t *from, struct checkpoint_record *record)
{
    *record = (struct checkpoint_record){ .kind = CHECKPOINT_HEAD };
    record->head.clean = (load_u16(from + 6) & CHECKPOINT_FLAG_CLEAN) != 0;
    record->head.sequence = load_u64(from + 8);
    record->head.wall_ms = load_i64(from + 16);
    return load_u32(from) == CHECKPOINT_MAGIC && load_u16(from + 4) == CHECKPOINT_VERSION;
}

static bool get_log(const uint8_t *from, struct checkpoint_record *record)
{
    memcpy(record->log.topic_id.bytes, from, sizeof(struct uuid));
    record->log.partition = load_i32(from + 16);
    record->log.log_start_offset = load_i64(from + 20);
    record->log.begin_offset = load_i64(from + 28);
    record->log.high_watermark = load_i64(from + 36);
    record->log.cleaned_offset = load_i64(from + 44);
    record->log.era = load_u32(from + 52);
    record->log.producers_unknown = from[56] == 1;
    return record->log.partition >= 0 && record->log.log_start_offset >= 0 && record->log.begin_offset >= 0 &&
           record->log.high_watermark >= 0 && record->log.cleaned_offset >= 0 && from[56] <= 1;
}

static bool get_segment(const uint8_t *from, struct checkpoint_record *record)
{
    struct segment_mark *mark = &record->segment.mark;
    const int64_t base_offset = load_i64(from);

    record->segment.base_offset = base_offset;
    record->segment.first_timestamp = load_i64(from + 40);
    record->segment.created_ms = load_i64(from + 48);
    record->segment.edition = load_u32(from + 72);
    *mark = (struct segment_mark){
        .end_offset = load_i64(from + 8),
        .largest_timestamp = load_i64(from + 16),
        .largest_timestamp_offset = load_i64(from + 24),
        .indexed_timestamp = load_i64(from + 32),
        .size = load_u32(from + 56),
        .index_size = load_u32(from + 60),
        .time_index_size = load_u32(from + 64),
        .unindexed_size = load_u32(from + 68),
    };
    return base_offset >= 0 && mark->end_offset > base_offset && mark->end_offset - 1 - base_offset <= INT32_MAX &&
           mark->largest_timestamp_offset >= base_offset && mark->largest_timestamp_offset < mark->end_offset &&
           mark->size > 0 && mark->size <= INT32_MAX && mark->index_size % INDEX_ENTRY_SIZE == 0 &&
           mark->time_index_size % TIME_INDEX_ENTRY_SIZE == 0;
}

static bool get_batch(const uint8_t *from, struct checkpoint_record *record)
{
    record->batch = (struct producer_batch){
        .base_offset = load_i64(from),
        .timestamp = load_i64(from + 8),
        .first_sequence = load_i32(from + 16),
        .last_sequence = load_i32(from + 20),
        .epoch = (int16_t)load_u16(from + 24),
    };
    return record->batch.base_offset >= 0 && record->batch.first_sequence >= 0 && record->batch.last_sequence >= 0;
}

static uint32_t size_of_kind(uint8_t kind)
{
    switch (kind) {
    case CHECKPOINT_LOG: return CHECKPOINT_LOG_SIZE;
    case CHECKPOINT_SEGMENT: return CHECKPOINT_SEGMENT_SIZE;
    case CHECKPOINT_EPOCH: return CHECKPOINT_EPOCH_SIZE;
    case CHECKPOINT_PRODUCER: return CHECKPOINT_PRODUCER_SIZE;
    case CHECKPOINT_BATCH: return CHECKPOINT_BATCH_SIZE;
    case CHECKPOINT_END: return CHECKPOINT_END_SIZE;
    default: return UINT32_MAX; /* a byte of the file, not a value of ours */
    }
}

uint32_t checkpoint_record_read(struct bytes bytes, bool first, struct checkpoint_record *record)
{
    const uint8_t *from = bytes.data + 1;
    bool valid = false;

    if (first) {
        if (bytes.size < CHECKPOINT_HEAD_SIZE) return 0;
        return get_head(bytes.data, record) ? (uint32_t)CHECKPOINT_HEAD_SIZE : UINT32_MAX;
    }
    if (bytes.size < 1) return 0;
    const uint32_t size = size_of_kind(bytes.data[0]);
    if (size == UINT32_MAX) return UINT32_MAX;
    if (bytes.size < size) return 0;
    *record = (struct checkpoint_record){ .kind = (enum checkpoint_kind)bytes.data[0] };
    switch (record->kind) {
    case CHECKPOINT_LOG: valid = get_log(from, record); break;
    case CHECKPOINT_SEGMENT: valid = get_segment(from, record); break;
    case CHECKPOINT_EPOCH:
        record->epoch.epoch = load_i32(from);
        record->epoch.start_offset = load_i64(from + 4);
        valid = record->epoch.epoch >= 0 && record->epoch.start_offset >= 0;
        break;
    case CHECKPOINT_PRODUCER:
        memcpy(record->producer.topic_id.bytes, from, sizeof(struct uuid));
        record->producer.partition = load_i32(from + 16);
        record->producer.id = load_i64(from + 20);
        record->producer.used_ms = load_i64(from + 28);
        record->producer.older_lost = from[36] == 1;
        valid = record->producer.partition >= 0 && record->producer.id >= 0 && from[36] <= 1;
        break;
    case CHECKPOINT_BATCH: valid = get_batch(from, record); break;
    case CHECKPOINT_END:
        record->end.records = load_u64(from);
        record->end.crc = load_u32(from + 8);
        valid = true;
        break;
    case CHECKPOINT_HEAD: break;
    }
    return valid ? size : UINT32_MAX;
}
