#include "codec/record_batch.h"
#include "base/check.h"
#include "base/crc32c.h"

enum {
    AT_LENGTH = 8,
    AT_LEADER_EPOCH = 12,
    AT_MAGIC = 16,
    AT_CRC = 17,
    AT_ATTRIBUTES = 21,
    AT_LAST_OFFSET_DELTA = 23,
    AT_BASE_TIMESTAMP = 27,
    AT_MAX_TIMESTAMP = 35,
    AT_PRODUCER_ID = 43,
    AT_PRODUCER_EPOCH = 51,
    AT_BASE_SEQUENCE = 53,
    AT_RECORD_COUNT = 57,
    MAGIC = 2,
    OLD_LENGTH_MIN = 14, /* the smallest message of magic 0: nothing that Kafka ever wrote is shorter */
};

_Static_assert((int)AT_RECORD_COUNT + 4 == (int)RECORD_BATCH_HEAD_SIZE, "the head is drawn right");
_Static_assert((int)AT_ATTRIBUTES == (int)RECORD_BATCH_CRC_BEGIN, "the checksum begins behind itself");

enum record_batch_shape record_batch_next_size(struct bytes bytes, uint32_t *size)
{
    *size = RECORD_BATCH_LENGTH_END;
    if (bytes.size < RECORD_BATCH_LENGTH_END) return RECORD_BATCH_CUT;

    const uint32_t length = load_u32(bytes.data + AT_LENGTH);
    if (length < OLD_LENGTH_MIN || length > RECORD_BATCH_SIZE_MAX - RECORD_BATCH_LENGTH_END) return RECORD_BATCH_BROKEN;
    *size = RECORD_BATCH_LENGTH_END + length;
    if (bytes.size < RECORD_BATCH_MAGIC_END) return RECORD_BATCH_CUT;

    const uint8_t magic = bytes.data[AT_MAGIC];
    if (magic > MAGIC) return RECORD_BATCH_BROKEN;
    if (magic < MAGIC) return bytes.size < *size ? RECORD_BATCH_CUT : RECORD_BATCH_OLD;
    if (*size < RECORD_BATCH_HEAD_SIZE) return RECORD_BATCH_BROKEN;
    return bytes.size < *size ? RECORD_BATCH_CUT : RECORD_BATCH_WHOLE;
}

enum record_batch_shape record_batch_read(struct bytes bytes, struct record_batch *batch)
{
    uint32_t size;
    const enum record_batch_shape shape = record_batch_next_size(bytes, &size);
    if (shape != RECORD_BATCH_WHOLE) return shape;

    const uint8_t *from = bytes.data;
    *batch = (struct record_batch){
        .bytes = { from, size },
        .base_offset = (int64_t)load_u64(from),
        .leader_epoch = (int32_t)load_u32(from + AT_LEADER_EPOCH),
        .crc = load_u32(from + AT_CRC),
        .attributes = load_u16(from + AT_ATTRIBUTES),
        .last_offset_delta = (int32_t)load_u32(from + AT_LAST_OFFSET_DELTA),
        .base_timestamp = (int64_t)load_u64(from + AT_BASE_TIMESTAMP),
        .max_timestamp = (int64_t)load_u64(from + AT_MAX_TIMESTAMP),
        .producer_id = (int64_t)load_u64(from + AT_PRODUCER_ID),
        .producer_epoch = (int16_t)load_u16(from + AT_PRODUCER_EPOCH),
        .base_sequence = (int32_t)load_u32(from + AT_BASE_SEQUENCE),
        .record_count = (int32_t)load_u32(from + AT_RECORD_COUNT),
    };
    return RECORD_BATCH_WHOLE;
}

static uint32_t crc_of(const uint8_t *batch, uint32_t size)
{
    return crc32c(0, batch + RECORD_BATCH_CRC_BEGIN, size - RECORD_BATCH_CRC_BEGIN);
}

bool record_batch_crc_matches(const struct record_batch *batch)
{
    if (MUTANT(record_batch_crc_unchecked)) return true;
    return batch->crc == crc_of(batch->bytes.data, batch->bytes.size);
}

enum compression_verdict record_batch_open(const struct record_batch *batch, const struct compression_memory *memory,
                                           struct bytes *records)
{
    const enum compression codec = record_batch_compression(batch);
    *records = record_batch_payload(batch);
    if (codec == COMPRESSION_NONE) return COMPRESSION_OK;
    return compression_decompress(codec, *records, memory, records);
}

void record_batch_stamp(uint8_t *copy, const struct record_batch *batch, int64_t base_offset, int32_t leader_epoch,
                        int64_t log_append_time)
{
    store_u64(copy, (uint64_t)base_offset);
    store_u32(copy + AT_LEADER_EPOCH, (uint32_t)leader_epoch);

    const bool ours = log_append_time >= 0;
    const uint16_t attributes = (uint16_t)(batch->attributes | (ours ? RECORD_BATCH_LOG_APPEND_TIME : 0));
    const uint64_t max_timestamp = (uint64_t)(ours ? log_append_time : batch->max_timestamp);
    if (load_u16(copy + AT_ATTRIBUTES) == attributes && load_u64(copy + AT_MAX_TIMESTAMP) == max_timestamp) return;

    store_u16(copy + AT_ATTRIBUTES, attributes);
    store_u64(copy + AT_MAX_TIMESTAMP, max_timestamp);
    if (MUTANT(record_batch_stamp_keeps_crc)) return;
    store_u32(copy + AT_CRC, crc_of(copy, batch->bytes.size));
}

void record_batch_write_head(uint8_t *to, uint32_t size, const struct record_batch *batch)
{
    CHECK(size >= RECORD_BATCH_HEAD_SIZE && size <= RECORD_BATCH_SIZE_MAX);
    store_u64(to, (uint64_t)batch->base_offset);
    store_u32(to + AT_LENGTH, size - RECORD_BATCH_LENGTH_END);
    store_u32(to + AT_LEADER_EPOCH, (uint32_t)batch->leader_epoch);
    to[AT_MAGIC] = MAGIC;
    store_u16(to + AT_ATTRIBUTES, batch->attributes);
    store_u32(to + AT_LAST_OFFSET_DELTA, (uint32_t)batch->last_offset_delta);
    store_u64(to + AT_BASE_TIMESTAMP, (uint64_t)batch->base_timestamp);
    store_u64(to + AT_MAX_TIMESTAMP, (uint64_t)batch->max_timestamp);
    store_u64(to + AT_PRODUCER_ID, (uint64_t)batch->producer_id);
    store_u16(to + AT_PRODUCER_EPOCH, (uint16_t)batch->producer_epoch);
    store_u32(to + AT_BASE_SEQUENCE, (uint32_t)batch->base_sequence);
    store_u32(to + AT_RECORD_COUNT, (uint32_t)batch->record_count);
    store_u32(to + AT_CRC, crc_of(to, size));
}
