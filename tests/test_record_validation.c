#include "base/crc32c.h"
#include "codec/record_validation.h"
#include "golden.h"

enum { UNPACKED_SIZE = 256 << 10 };

static uint8_t file_bytes[GOLDEN_SIZE_MAX], unpacked[UNPACKED_SIZE], built[GOLDEN_SIZE_MAX], packed[GOLDEN_SIZE_MAX];
static _Alignas(16) uint8_t scratch[COMPRESSION_SCRATCH_SIZE];
static const struct compression_memory memory = { unpacked, sizeof unpacked, scratch, sizeof scratch };

#define V(verdict) RECORD_VERDICT_##verdict
#define T GOLDEN_TIME
#define NO_LIMIT INT64_MAX

static const struct record_rules usual = {
    .message_size_max = 1 << 20,
    .now_ms = T,
    .timestamp_before_max_ms = NO_LIMIT,
    .timestamp_after_max_ms = NO_LIMIT,
    .produce_version = 9,
};

static struct record_rules rules_of(struct record_rules changed)
{
    struct record_rules rules = usual;
    if (changed.message_size_max != 0) rules.message_size_max = changed.message_size_max;
    if (changed.now_ms != 0) rules.now_ms = changed.now_ms;
    if (changed.timestamp_before_max_ms != 0) rules.timestamp_before_max_ms = changed.timestamp_before_max_ms;
    if (changed.timestamp_after_max_ms != 0) rules.timestamp_after_max_ms = changed.timestamp_after_max_ms;
    if (changed.produce_version != 0) rules.produce_version = changed.produce_version;
    rules.key_required = changed.key_required;
    rules.log_append_time = changed.log_append_time;
    return rules;
}

/* What real clients send is accepted, and what they do not is refused, by rules. The golden records have a null key
 * first at 1, and the times T, T+5, T+3, T+9, T+9, T-1. */
static const struct golden_row {
    const char *why, *name;
    struct record_rules rules; /* zero: the usual */
    enum record_verdict verdict;
    int32_t index;
} golden_rows[] = {
    { "plain, from Java", "java-none", { 0 }, V(OK), -1 },
    { "gzip, from Java", "java-gzip", { 0 }, V(OK), -1 },
    { "snappy in frames, from Java", "java-snappy", { 0 }, V(OK), -1 },
    { "lz4, from Java", "java-lz4", { 0 }, V(OK), -1 },
    { "zstd, from Java", "java-zstd", { 0 }, V(OK), -1 },
    { "gzip of several windows", "java-gzip-large", { 0 }, V(OK), -1 },
    { "snappy of several frames", "java-snappy-large", { 0 }, V(OK), -1 },
    { "lz4 of several blocks", "java-lz4-large", { 0 }, V(OK), -1 },
    { "zstd of several blocks", "java-zstd-large", { 0 }, V(OK), -1 },
    { "plain, from Python", "python-none", { 0 }, V(OK), -1 },
    { "gzip, from Python", "python-gzip-large", { 0 }, V(OK), -1 },
    { "snappy, from Python", "python-snappy-large", { 0 }, V(OK), -1 },
    { "lz4 with a content size, from Python", "python-lz4-large", { 0 }, V(OK), -1 },
    { "zstd, from Python", "python-zstd-large", { 0 }, V(OK), -1 },
    { "idempotent", "java-idempotent", { 0 }, V(OK), -1 },
    { "transactional", "java-transactional", { 0 }, V(OK), -1 },
    { "no records", "java-empty", { 0 }, V(MISCOUNTED), -1 },
    { "from before 0.10", "java-magic-0", { 0 }, V(OLD_FORMAT), -1 },
    { "from before 0.11", "java-magic-1", { 0 }, V(OLD_FORMAT), -1 },
    { "the log's own time is not a producer's to set", "java-log-append-time", { 0 }, V(TIMESTAMP_TYPE), 0 },
    { "not even where the log will", "java-log-append-time", { .log_append_time = true }, V(TIMESTAMP_TYPE), 0 },
    { "the largest that is allowed", "java-none", { .message_size_max = 550 }, V(OK), -1 },
    { "a byte more", "java-none", { .message_size_max = 549 }, V(TOO_LARGE), -1 },
    { "the limit is for the batch as sent", "java-zstd-large", { .message_size_max = 30000 }, V(OK), -1 },
    { "a compacted topic", "java-none", { .key_required = true }, V(KEY_MISSING), 1 },
    { "a compacted topic looks inside", "java-zstd", { .key_required = true }, V(KEY_MISSING), 1 },
    { "all have keys", "java-zstd-large", { .key_required = true }, V(OK), -1 },
    { "zstd before its time", "java-zstd", { .produce_version = 6 }, V(ZSTD_TOO_EARLY), -1 },
    { "zstd at its time", "java-zstd", { .produce_version = 7 }, V(OK), -1 },
    { "the others were always there", "java-lz4", { .produce_version = 3 }, V(OK), -1 },
    { "nine ahead is allowed", "java-none", { .timestamp_after_max_ms = 9 }, V(OK), -1 },
    { "eight is not: the first of them", "java-none", { .timestamp_after_max_ms = 8 }, V(TIMESTAMP), 3 },
    { "one behind is allowed", "java-none", { .timestamp_before_max_ms = 1 }, V(OK), -1 },
    { "one too old", "java-none", { .now_ms = T + 1, .timestamp_before_max_ms = 1 }, V(TIMESTAMP), 5 },
    { "the log's time does not look at theirs",
      "java-none",
      { .now_ms = T + 99, .timestamp_before_max_ms = 1, .log_append_time = true },
      V(OK),
      -1 },
};

TEST(real_batches_by_rules)
{
    FOR_EACH(golden_row, row, golden_rows) {
        const struct bytes bytes = golden_read(row->name, file_bytes);
        const struct record_rules rules = rules_of(row->rules);
        struct record_batch batch;
        int32_t index = 77;
        EXPECT_EQ(row->why, row->verdict, record_batch_validate(bytes, &rules, &memory, &batch, &index));
        EXPECT_EQ(row->why, row->index, index);
    }
}

/* A field of the head of java-idempotent overwritten; sealed: with its checksum made anew. */
static const struct patch_row {
    const char *why;
    uint32_t at, size;
    uint64_t value;
    bool sealed;
    enum record_verdict verdict;
} patch_rows[] = {
    { "nothing changed", 0, 8, 0, false, V(OK) },
    { "a flipped checksum", 17, 4, 0, false, V(CORRUPT) },
    { "a base offset", 0, 8, 5, false, V(BASE_OFFSET) },
    { "a leader epoch is ours to set, and nothing to us", 12, 4, 9, false, V(OK) },
    { "a negative length", 8, 4, 0xffffffff, false, V(CORRUPT) },
    { "a length that ends in the head", 8, 4, 48, false, V(CORRUPT) },
    { "a length beyond the bytes", 8, 4, 600, false, V(NO_BATCH) },
    { "a length short of the records: the checksum tells", 8, 4, 500, false, V(CORRUPT) },
    { "magic of the future", 16, 1, 3, false, V(CORRUPT) },
    { "magic 1", 16, 1, 1, false, V(OLD_FORMAT) },
    { "an unknown codec", 21, 2, 5, true, V(UNKNOWN_COMPRESSION) },
    { "the last codec number", 21, 2, 7, true, V(UNKNOWN_COMPRESSION) },
    { "plain bytes that claim to be gzip", 21, 2, 1, true, V(UNPACKABLE) },
    { "plain bytes that claim to be snappy", 21, 2, 2, true, V(UNPACKABLE) },
    { "plain bytes that claim to be lz4", 21, 2, 3, true, V(UNPACKABLE) },
    { "plain bytes that claim to be zstd", 21, 2, 4, true, V(UNPACKABLE) },
    { "a control batch", 21, 2, 0x20, true, V(CONTROL_BATCH) },
    { "transactional, with a producer", 21, 2, 0x10, true, V(OK) },
    { "one offset more than records", 23, 4, 6, true, V(MISCOUNTED) },
    { "a negative last offset delta", 23, 4, 0xffffffff, true, V(MISCOUNTED) },
    { "a record less than offsets", 57, 4, 5, true, V(MISCOUNTED) },
    { "no records", 57, 4, 0, true, V(MISCOUNTED) },
    { "fewer than none", 57, 4, 0x80000000, true, V(MISCOUNTED) },
    { "a producer without a sequence", 53, 4, 0xffffffff, true, V(NO_SEQUENCE_GIVEN) },
    { "the first sequence", 53, 4, 0, true, V(OK) },
    { "no producer, and so no sequence either", 43, 8, UINT64_MAX, true, V(OK) },
    { "the first record's length", 61, 1, 2, true, V(MALFORMED) },
    { "the first record's offset delta", 64, 1, 2, true, V(OFFSET_DELTA) },
    { "a base timestamp from the dawn of time", 27, 8, 0, true, V(OK) },
};

static void store(uint8_t *to, uint32_t size, uint64_t value)
{
    for (uint32_t i = size; i-- > 0; value >>= 8) to[i] = (uint8_t)value;
}

static void seal(uint8_t *batch, uint32_t size)
{
    store_u32(batch + 17, crc32c(0, batch + 21, size - 21));
}

TEST(patched_heads)
{
    FOR_EACH(patch_row, row, patch_rows) {
        const struct bytes bytes = golden_read("java-idempotent", file_bytes);
        struct record_batch batch;
        int32_t index;
        store(file_bytes + row->at, row->size, row->value);
        if (row->sealed) seal(file_bytes, bytes.size);
        EXPECT_EQ(row->why, row->verdict, record_batch_validate(bytes, &usual, &memory, &batch, &index));
    }
}

TEST(transactional_without_a_producer)
{
    const struct bytes bytes = golden_read("java-none", file_bytes);
    struct record_batch batch;
    int32_t index;
    store_u16(file_bytes + 21, RECORD_BATCH_TRANSACTIONAL);
    seal(file_bytes, bytes.size);
    EXPECT_EQ("refused", V(NO_PRODUCER_GIVEN), record_batch_validate(bytes, &usual, &memory, &batch, &index));
}

/* What lies behind the batch. */
static const struct behind_row {
    const char *why;
    uint32_t size, length;
    uint8_t magic;
    enum record_verdict verdict;
} behind_rows[] = {
    { "a few bytes are cut away, as in Kafka", 11, 0, 0, V(OK) },
    { "a batch that is not all there too", 70, 100, 2, V(OK) },
    { "a whole one is one too many", 61, 49, 2, V(SEVERAL_BATCHES) },
    { "so is an old message", 26, 14, 0, V(SEVERAL_BATCHES) },
    { "a length that nothing has", 30, 5, 2, V(CORRUPT) },
};

TEST(bytes_behind_the_batch)
{
    FOR_EACH(behind_row, row, behind_rows) {
        const struct bytes first = golden_read("java-none", file_bytes);
        struct record_batch batch;
        int32_t index;
        memset(file_bytes + first.size, 0, row->size);
        if (row->length != 0) store_u32(file_bytes + first.size + 8, row->length);
        if (row->size > 16) file_bytes[first.size + 16] = row->magic;
        const struct bytes both = { file_bytes, first.size + row->size };
        EXPECT_EQ(row->why, row->verdict, record_batch_validate(both, &usual, &memory, &batch, &index));
        if (row->verdict == V(OK)) EXPECT_EQ(row->why, first.size, batch.bytes.size);
    }
}

TEST(cut_data_has_no_batch)
{
    const struct bytes whole = golden_read("java-none", file_bytes);
    for (uint32_t size = 0; size < whole.size; size++) {
        struct record_batch batch;
        int32_t index;
        const struct bytes cut = { file_bytes, size };
        EXPECT_EQ("cut", V(NO_BATCH), record_batch_validate(cut, &usual, &memory, &batch, &index));
    }
}

/* One record fewer or more than the head says, in the payload: the head is right about itself. */
TEST(head_and_records_disagree)
{
    struct record_batch_builder builder;
    for (int32_t delta = -1; delta <= 1; delta += 2) {
        for (enum compression codec = COMPRESSION_NONE; codec <= COMPRESSION_ZSTD; codec++) {
            const struct compression_memory to = { packed, sizeof packed, scratch, sizeof scratch };
            struct record_batch batch;
            struct bytes bytes;
            int32_t index;
            record_batch_builder_init(&builder, built, sizeof built);
            FOR_EACH(record_input, record, golden_records) record_batch_builder_add(&builder, record);
            builder.batch.record_count += delta;
            builder.batch.last_offset_delta += delta;
            record_batch_compress(record_batch_builder_end(&builder), codec, &to, &bytes);
            EXPECT_EQ("told apart", V(MALFORMED), record_batch_validate(bytes, &usual, &memory, &batch, &index));
            EXPECT_EQ("at the record that is not there", delta < 0 ? RECORD_INDEX_NONE : 6, index);
        }
    }
}

/* A few KiB that unpack to a MiB, where a quarter is the limit. */
TEST(a_bomb_is_a_verdict)
{
    static uint8_t zeros[1000000];
    struct record_batch_builder builder;
    record_batch_builder_init(&builder, built, sizeof built);
    const struct record_input record = { .timestamp = T, .value = { zeros, 1000000 } };
    EXPECT("fits", record_batch_builder_add(&builder, &record));
    const struct bytes plain = record_batch_builder_end(&builder);

    for (enum compression codec = COMPRESSION_GZIP; codec <= COMPRESSION_ZSTD; codec++) {
        static uint8_t room[2 << 20];
        const struct compression_memory to = { room, sizeof room, scratch, sizeof scratch };
        struct record_batch batch;
        struct bytes bytes;
        int32_t index;
        EXPECT_EQ("packed", COMPRESSION_OK, record_batch_compress(plain, codec, &to, &bytes));
        EXPECT("small", bytes.size < 60000);
        EXPECT_EQ("refused", V(UNPACKS_TOO_LARGE), record_batch_validate(bytes, &usual, &memory, &batch, &index));
        EXPECT_EQ("so that a producer splits it", ERROR_MESSAGE_TOO_LARGE, record_verdict_error(V(UNPACKS_TOO_LARGE)));
    }
}

/* The largest time is taken from the records, whatever the head says; times at the ends of int64 do not wrap. */
static const struct time_row {
    const char *why;
    int64_t times[3];
    int64_t before_max, after_max, now;
    enum record_verdict verdict;
    int64_t max_timestamp;
} time_rows[] = {
    { "in any order", { T, T + 2, T + 1 }, NO_LIMIT, NO_LIMIT, T, V(OK), T + 2 },
    { "none at all", { -1, -1, -1 }, NO_LIMIT, NO_LIMIT, T, V(OK), -1 },
    { "none is never out of range", { -1, -1, -1 }, 5, 5, T, V(OK), -1 },
    { "before 1970 counts as none for the largest", { -9, -5, -7 }, NO_LIMIT, NO_LIMIT, T, V(OK), -1 },
    { "the end of time", { INT64_MAX, T, T }, NO_LIMIT, NO_LIMIT, T, V(OK), INT64_MAX },
    { "the end of time, one hour allowed", { INT64_MAX, T, T }, NO_LIMIT, 3600000, T, V(TIMESTAMP), 0 },
    { "the begin of time", { INT64_MIN, T, T }, NO_LIMIT, NO_LIMIT, T, V(OK), T },
    { "the begin of time, one hour allowed", { INT64_MIN, T, T }, 3600000, NO_LIMIT, T, V(TIMESTAMP), 0 },
    { "a clock near its end", { INT64_MAX, INT64_MAX, INT64_MAX }, 5, 5, INT64_MAX - 1, V(OK), INT64_MAX },
};

TEST(timestamps)
{
    FOR_EACH(time_row, row, time_rows) {
        struct record_rules rules = usual;
        struct record_batch_builder builder;
        struct record_batch batch;
        int32_t index;
        rules.now_ms = row->now;
        rules.timestamp_before_max_ms = row->before_max;
        rules.timestamp_after_max_ms = row->after_max;
        record_batch_builder_init(&builder, built, sizeof built);
        for (int i = 0; i < 3; i++) {
            record_batch_builder_add(&builder, &(struct record_input){ .timestamp = row->times[i] });
        }
        builder.batch.max_timestamp = 42;
        const struct bytes bytes = record_batch_builder_end(&builder);
        EXPECT_EQ(row->why, row->verdict, record_batch_validate(bytes, &rules, &memory, &batch, &index));
        if (row->verdict == V(OK)) EXPECT_EQ(row->why, row->max_timestamp, batch.max_timestamp);
    }
}

static const struct error_row {
    enum record_verdict verdict;
    int error;
} error_rows[] = {
    { V(OK), 0 },
    { V(NO_BATCH), 87 },
    { V(CORRUPT), 2 },
    { V(OLD_FORMAT), 87 },
    { V(SEVERAL_BATCHES), 87 },
    { V(UNKNOWN_COMPRESSION), 76 },
    { V(ZSTD_TOO_EARLY), 76 },
    { V(TOO_LARGE), 10 },
    { V(KEY_MISSING), 87 },
    { V(TIMESTAMP), 32 },
    { V(TIMESTAMP_TYPE), 32 },
};

TEST(verdicts_in_kafkas_numbers)
{
    FOR_EACH(error_row, row, error_rows) {
        EXPECT_EQ("Errors.java", row->error, record_verdict_error(row->verdict));
        EXPECT("has a text", (row->error != 0) == (record_verdict_text(row->verdict).size != 0));
    }
}
