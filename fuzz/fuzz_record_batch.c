/* The records of a Produce request: judged by any rules, then stamped, walked, searched and built anew. What was
 * judged good must stay good through all of that. */
#include "codec/record_batch_builder.h"
#include "codec/record_validation.h"

#include <stdlib.h>

enum { UNPACKED_SIZE = 1 << 20, RULES_SIZE = 4 };

static uint8_t unpacked[UNPACKED_SIZE], copy[UNPACKED_SIZE], rebuilt[2 * UNPACKED_SIZE];
static _Alignas(16) uint8_t scratch[DECOMPRESSION_SCRATCH_SIZE];
static const struct compression_memory memory = { unpacked, sizeof unpacked, scratch, sizeof scratch };

static void must(bool holds)
{
    if (!holds) abort();
}

static struct record_rules rules_of(const uint8_t *data)
{
    return (struct record_rules){
        .message_size_max = (data[0] & 1) != 0 ? 600 : 1 << 20,
        .key_required = (data[0] & 2) != 0,
        .log_append_time = (data[0] & 4) != 0,
        .now_ms = INT64_C(1700000000000) + (int8_t)data[1],
        .timestamp_before_max_ms = (data[0] & 8) != 0 ? data[2] : INT64_MAX,
        .timestamp_after_max_ms = (data[0] & 16) != 0 ? data[2] : INT64_MAX,
        .produce_version = (int16_t)(data[3] % 14),
    };
}

/* The short way to read a record finds what the general one does. */
static void both_ways(const uint8_t *at, const uint8_t *end)
{
    struct record quick, general;
    const uint8_t *next = record_read(at, end, &quick);

    must(record_read_any(at, end, &general) == next);
    if (next == NULL) return;
    must(quick.timestamp_delta == general.timestamp_delta && quick.offset_delta == general.offset_delta);
    must(quick.header_count == general.header_count && quick.headers.size == general.headers.size);
    must(quick.key.data == general.key.data && quick.key.size == general.key.size);
    must(quick.value.data == general.value.data && quick.value.size == general.value.size);
}

/* Walks bytes that nobody judged. */
static void walk(const struct record_batch *batch, struct bytes records)
{
    struct record_iterator iterator;
    struct record record;
    struct record_found found;

    for (uint32_t at = 0; at < MIN(records.size, 64u); at++) both_ways(records.data + at, records.data + records.size);
    record_iterator_init(&iterator, batch, records);
    while (record_iterator_next(&iterator, &record) == RECORD_NEXT) {
        struct bytes headers = record.headers;
        for (int32_t i = 0; i < record.header_count; i++) must(record_header_next(&headers).key.data != NULL);
        must(headers.size == 0);
    }
    (void)record_find_time(batch, records, batch->base_timestamp, batch->base_offset, &found);
}

static void good(const struct record_batch *batch, struct bytes records)
{
    struct record_batch_builder builder;
    struct record_batch stamped;
    struct record_iterator iterator, twin;
    struct record record, other;
    struct record_found found;
    int32_t count = 0;

    memcpy(copy, batch->bytes.data, batch->bytes.size);
    record_batch_stamp(copy, batch, 77, 5, -1);
    must(record_batch_read((struct bytes){ copy, batch->bytes.size }, &stamped) == RECORD_BATCH_WHOLE);
    must(record_batch_crc_matches(&stamped) && stamped.max_timestamp == batch->max_timestamp);

    record_batch_builder_init(&builder, rebuilt, sizeof rebuilt);
    record_iterator_init(&iterator, &stamped, records);
    while (record_iterator_next(&iterator, &record) == RECORD_NEXT) {
        const struct record_input input = { .timestamp = record_timestamp(&stamped, &record),
                                            .key = record.key,
                                            .value = record.value };
        must(record_offset(&stamped, &record) == 77 + count++);
        must(record_batch_builder_add(&builder, &input));
    }
    must(count == batch->record_count);
    if (batch->max_timestamp >= 0) must(record_find_max_timestamp(&stamped, records, &found) == RECORD_FOUND);

    must(record_batch_read(record_batch_builder_end(&builder), &stamped) == RECORD_BATCH_WHOLE);
    record_iterator_init(&iterator, batch, records);
    record_iterator_init(&twin, &stamped, record_batch_payload(&stamped));
    while (record_iterator_next(&iterator, &record) == RECORD_NEXT) {
        must(record_iterator_next(&twin, &other) == RECORD_NEXT);
        must(bytes_equal(record.key, other.key) && (record.key.data == NULL) == (other.key.data == NULL));
        must(bytes_equal(record.value, other.value) && (record.value.data == NULL) == (other.value.data == NULL));
        must(record_timestamp(batch, &record) == record_timestamp(&stamped, &other));
    }
    must(record_iterator_next(&twin, &other) == RECORD_END);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t input[UNPACKED_SIZE];
    struct record_batch batch;
    struct bytes records;
    int32_t index;

    if (size < RULES_SIZE || size - RULES_SIZE > sizeof input) return 0;
    const struct record_rules rules = rules_of(data);
    memcpy(input, data + RULES_SIZE, size - RULES_SIZE);
    struct bytes bytes = { input, (uint32_t)(size - RULES_SIZE) };

    /* Sealed anew half of the time: no fuzzer guesses a checksum. */
    if ((data[0] & 128) == 0 && record_batch_read(bytes, &batch) == RECORD_BATCH_WHOLE) {
        record_batch_write_head(input, batch.bytes.size, &batch);
    }
    const enum record_verdict verdict = record_batch_validate(bytes, &rules, &memory, &batch, &index);
    must(index >= RECORD_INDEX_NONE);
    must((record_verdict_error(verdict) == ERROR_NONE) == (verdict == RECORD_VERDICT_OK));
    if (record_batch_read(bytes, &batch) != RECORD_BATCH_WHOLE) return 0;
    if (record_batch_open(&batch, &memory, &records) != COMPRESSION_OK) return 0;
    walk(&batch, records);
    if (verdict != RECORD_VERDICT_OK) return 0;
    must(record_batch_validate(bytes, &rules, &memory, &batch, &index) == RECORD_VERDICT_OK);
    must(record_batch_open(&batch, &memory, &records) == COMPRESSION_OK);
    good(&batch, records);
    return 0;
}
