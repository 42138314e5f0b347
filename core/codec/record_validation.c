#include "codec/record_validation.h"
#include "base/check.h"

enum { PRODUCE_VERSION_OF_ZSTD = 7 };

/* The one batch of the data: ProduceRequest.validateRecords. */
static enum record_verdict find_batch(struct bytes data, int16_t produce_version, struct record_batch *batch)
{
    struct bytes behind;
    uint32_t size;

    switch (record_batch_read(data, batch)) {
    case RECORD_BATCH_CUT: return RECORD_VERDICT_NO_BATCH;
    case RECORD_BATCH_BROKEN: return RECORD_VERDICT_CORRUPT;
    case RECORD_BATCH_OLD: return RECORD_VERDICT_OLD_FORMAT;
    case RECORD_BATCH_WHOLE: break;
    }
    const enum compression codec = record_batch_compression(batch);
    if (codec > COMPRESSION_ZSTD) return RECORD_VERDICT_UNKNOWN_COMPRESSION;
    if (codec == COMPRESSION_ZSTD && produce_version < PRODUCE_VERSION_OF_ZSTD) return RECORD_VERDICT_ZSTD_TOO_EARLY;

    behind = (struct bytes){ data.data + batch->bytes.size, data.size - batch->bytes.size };
    switch (record_batch_next_size(behind, &size)) {
    case RECORD_BATCH_WHOLE:
    case RECORD_BATCH_OLD: return RECORD_VERDICT_SEVERAL_BATCHES;
    case RECORD_BATCH_BROKEN: return RECORD_VERDICT_CORRUPT;
    case RECORD_BATCH_CUT: break;
    }
    return RECORD_VERDICT_OK;
}

/* What the head alone says: UnifiedLog.analyzeAndValidateRecords, then LogValidator.validateBatch. */
static enum record_verdict judge_head(const struct record_batch *batch, const struct record_rules *rules)
{
    if (batch->base_offset != 0) return RECORD_VERDICT_BASE_OFFSET;
    if (batch->bytes.size > rules->message_size_max) return RECORD_VERDICT_TOO_LARGE;
    if (!record_batch_crc_matches(batch)) return RECORD_VERDICT_CORRUPT;

    if (batch->record_count <= 0) return RECORD_VERDICT_MISCOUNTED;
    if (!MUTANT(record_count_unchecked) && batch->last_offset_delta != batch->record_count - 1) {
        return RECORD_VERDICT_MISCOUNTED;
    }
    if ((batch->attributes & RECORD_BATCH_CONTROL) != 0) return RECORD_VERDICT_CONTROL_BATCH;
    if (record_batch_has_producer(batch)) {
        if (batch->base_sequence < 0) return RECORD_VERDICT_NO_SEQUENCE_GIVEN;
    } else if ((batch->attributes & RECORD_BATCH_TRANSACTIONAL) != 0) {
        return RECORD_VERDICT_NO_PRODUCER_GIVEN;
    }
    return RECORD_VERDICT_OK;
}

/* The times that a record may have: as far from now as the limits say, without stepping over the ends of int64. */
struct span {
    int64_t first, last;
};

static struct span accepted_times(const struct record_rules *rules)
{
    struct span span;
    if (rules->log_append_time) return (struct span){ INT64_MIN, INT64_MAX };
    if (__builtin_sub_overflow(rules->now_ms, rules->timestamp_before_max_ms, &span.first)) span.first = INT64_MIN;
    if (__builtin_add_overflow(rules->now_ms, rules->timestamp_after_max_ms, &span.last)) span.last = INT64_MAX;
    if (rules->timestamp_before_max_ms == INT64_MAX) span.first = INT64_MIN;
    return span;
}

/* What each record says: LogValidator.validateRecord. This is the loop that a produce request's time goes into. */
static enum record_verdict judge_records(struct record_batch *batch, const struct record_rules *rules,
                                         struct bytes records, int32_t *record_index)
{
    const struct span times = accepted_times(rules);
    const uint8_t *at = records.data, *end = at + records.size;
    const uint64_t base_timestamp = (uint64_t)batch->base_timestamp;
    const int32_t count = batch->record_count;
    const bool key_required = rules->key_required && !MUTANT(record_key_unchecked);
    int64_t max_timestamp = NO_TIMESTAMP;

    for (int32_t i = 0; i < count; i++) {
        struct record record;
        *record_index = i;
        at = record_read(at, end, &record);
        if (at == NULL) return RECORD_VERDICT_MALFORMED;
        if (record.offset_delta != i) return RECORD_VERDICT_OFFSET_DELTA;
        if (key_required && record.key.data == NULL) return RECORD_VERDICT_KEY_MISSING;

        const int64_t timestamp = (int64_t)(base_timestamp + (uint64_t)record.timestamp_delta);
        if ((timestamp < times.first || timestamp > times.last) && timestamp != NO_TIMESTAMP) {
            return RECORD_VERDICT_TIMESTAMP;
        }
        if (timestamp > max_timestamp) max_timestamp = timestamp;
    }
    *record_index = RECORD_INDEX_NONE;
    if (at != end) return RECORD_VERDICT_MALFORMED;
    batch->max_timestamp = max_timestamp;
    return RECORD_VERDICT_OK;
}

enum record_verdict record_batch_validate(struct bytes data, const struct record_rules *rules,
                                          const struct compression_memory *memory, struct record_batch *batch,
                                          int32_t *record_index)
{
    struct bytes records;
    enum record_verdict verdict;

    *record_index = RECORD_INDEX_NONE;
    verdict = find_batch(data, rules->produce_version, batch);
    if (verdict != RECORD_VERDICT_OK) return verdict;
    verdict = judge_head(batch, rules);
    if (verdict != RECORD_VERDICT_OK) return verdict;

    switch (record_batch_open(batch, memory, &records)) {
    case COMPRESSION_OK: break;
    case COMPRESSION_TOO_LARGE: return RECORD_VERDICT_UNPACKS_TOO_LARGE;
    case COMPRESSION_CORRUPT: return RECORD_VERDICT_UNPACKABLE;
    case COMPRESSION_UNKNOWN: return RECORD_VERDICT_UNKNOWN_COMPRESSION;
    }
    if ((batch->attributes & RECORD_BATCH_LOG_APPEND_TIME) != 0) {
        *record_index = 0;
        return RECORD_VERDICT_TIMESTAMP_TYPE;
    }
    return judge_records(batch, rules, records, record_index);
}

enum error record_verdict_error(enum record_verdict verdict)
{
    static const enum error errors[] = {
#define X(name, error, text) ERROR_##error,
        EACH_RECORD_VERDICT(X)
#undef X
    };
    CHECK(verdict < COUNT_OF(errors));
    return errors[verdict];
}

struct bytes record_verdict_text(enum record_verdict verdict)
{
    static const struct bytes texts[] = {
#define X(name, error, text) { (const uint8_t *)(text), sizeof(text) - 1 },
        EACH_RECORD_VERDICT(X)
#undef X
    };
    CHECK(verdict < COUNT_OF(texts));
    return texts[verdict];
}
