#include "codec/record_batch_builder.h"
#include "base/check.h"

static uint8_t *write_varint(uint8_t *to, int32_t value)
{
    return unsigned_varint_write(to, varint_zigzag(value));
}

static int32_t length_of(struct bytes bytes)
{
    return bytes.data == NULL ? -1 : (int32_t)bytes.size;
}

static uint64_t bytes_size(struct bytes bytes)
{
    CHECK(bytes.size <= INT32_MAX);
    return unsigned_varint_size(varint_zigzag(length_of(bytes))) + (uint64_t)bytes.size;
}

static uint8_t *write_bytes(uint8_t *to, struct bytes bytes)
{
    to = write_varint(to, length_of(bytes));
    if (bytes.size != 0) memcpy(to, bytes.data, bytes.size);
    return to + bytes.size;
}

/* What lies behind the record's length. */
static uint64_t body_size(const struct record_input *record, int64_t timestamp_delta, int32_t offset_delta)
{
    uint64_t size =
        1 + unsigned_varint_size(varlong_zigzag(timestamp_delta)) + unsigned_varint_size(varint_zigzag(offset_delta));
    size +=
        bytes_size(record->key) + bytes_size(record->value) + unsigned_varint_size(varint_zigzag(record->header_count));
    for (int32_t i = 0; i < record->header_count; i++) {
        CHECK(record->headers[i].key.data != NULL);
        size += bytes_size(record->headers[i].key) + bytes_size(record->headers[i].value);
    }
    return size;
}

void record_batch_builder_init(struct record_batch_builder *builder, uint8_t *memory, uint32_t memory_size)
{
    CHECK(memory_size >= RECORD_BATCH_HEAD_SIZE && memory_size <= RECORD_BATCH_SIZE_MAX);
    *builder = (struct record_batch_builder){ .memory = memory, .memory_size = memory_size };
    builder->size = RECORD_BATCH_HEAD_SIZE;
    builder->batch = (struct record_batch){
        .leader_epoch = NO_LEADER_EPOCH,
        .last_offset_delta = -1,
        .base_timestamp = NO_TIMESTAMP,
        .max_timestamp = NO_TIMESTAMP,
        .producer_id = NO_PRODUCER_ID,
        .producer_epoch = NO_PRODUCER_EPOCH,
        .base_sequence = NO_SEQUENCE,
    };
}

bool record_batch_builder_add(struct record_batch_builder *builder, const struct record_input *record)
{
    struct record_batch *batch = &builder->batch;
    const int32_t offset_delta = batch->record_count;
    const int64_t base_timestamp = offset_delta == 0 ? record->timestamp : batch->base_timestamp;
    const int64_t timestamp_delta = (int64_t)((uint64_t)record->timestamp - (uint64_t)base_timestamp);
    const uint64_t size = body_size(record, timestamp_delta, offset_delta);

    if (size > INT32_MAX || offset_delta == INT32_MAX) return false;
    if (unsigned_varint_size(varint_zigzag((int32_t)size)) + size > builder->memory_size - builder->size) return false;

    uint8_t *to = write_varint(builder->memory + builder->size, (int32_t)size);
    *to++ = 0;
    to = unsigned_varint_write(to, varlong_zigzag(timestamp_delta));
    to = write_varint(to, offset_delta);
    to = write_bytes(to, record->key);
    to = write_bytes(to, record->value);
    to = write_varint(to, record->header_count);
    for (int32_t i = 0; i < record->header_count; i++) {
        to = write_bytes(to, record->headers[i].key);
        to = write_bytes(to, record->headers[i].value);
    }
    builder->size = (uint32_t)(to - builder->memory);
    CHECK(builder->size <= builder->memory_size);

    batch->base_timestamp = base_timestamp;
    batch->max_timestamp = MAX(batch->max_timestamp, record->timestamp);
    batch->last_offset_delta = offset_delta;
    batch->record_count = offset_delta + 1;
    return true;
}

struct bytes record_batch_builder_end(struct record_batch_builder *builder)
{
    CHECK(record_batch_compression(&builder->batch) == COMPRESSION_NONE);
    record_batch_write_head(builder->memory, builder->size, &builder->batch);
    return (struct bytes){ builder->memory, builder->size };
}

enum compression_verdict record_batch_compress(struct bytes plain, enum compression codec,
                                               const struct compression_memory *memory, struct bytes *packed)
{
    struct record_batch batch;
    struct compression_memory payload_memory = *memory;
    struct bytes payload;

    const enum record_batch_shape shape = record_batch_read(plain, &batch);
    CHECK(shape == RECORD_BATCH_WHOLE && record_batch_compression(&batch) == COMPRESSION_NONE);
    if (memory->output_size < RECORD_BATCH_HEAD_SIZE) return COMPRESSION_TOO_LARGE;
    payload_memory.output += RECORD_BATCH_HEAD_SIZE;
    payload_memory.output_size -= RECORD_BATCH_HEAD_SIZE;

    const enum compression_verdict verdict =
        compression_compress(codec, record_batch_payload(&batch), &payload_memory, &payload);
    if (verdict != COMPRESSION_OK) return verdict;
    if (codec == COMPRESSION_NONE) {
        if (payload.size > payload_memory.output_size) return COMPRESSION_TOO_LARGE;
        memcpy(payload_memory.output, payload.data, payload.size);
    }
    batch.attributes = (uint16_t)(batch.attributes | codec);
    *packed = (struct bytes){ memory->output, RECORD_BATCH_HEAD_SIZE + payload.size };
    record_batch_write_head(memory->output, packed->size, &batch);
    return COMPRESSION_OK;
}
