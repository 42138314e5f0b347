#include "golden.h"

static uint8_t built[GOLDEN_SIZE_MAX], packed[GOLDEN_SIZE_MAX], unpacked[GOLDEN_SIZE_MAX], file_bytes[GOLDEN_SIZE_MAX];
static _Alignas(16) uint8_t scratch[COMPRESSION_SCRATCH_SIZE];

static struct bytes build_golden(struct record_batch_builder *builder, uint32_t size)
{
    record_batch_builder_init(builder, built, size);
    FOR_EACH(record_input, record, golden_records) {
        if (!record_batch_builder_add(builder, record)) break;
    }
    return record_batch_builder_end(builder);
}

TEST(builds_what_java_builds)
{
    struct record_batch_builder builder;
    struct bytes want = golden_read("java-none", file_bytes), got = build_golden(&builder, sizeof built);
    EXPECT_BYTES("plain", want.data, want.size, got.data, got.size);

    builder.batch.producer_id = 4242;
    builder.batch.producer_epoch = 3;
    builder.batch.base_sequence = INT32_MAX - 2;
    builder.batch.attributes = RECORD_BATCH_TRANSACTIONAL;
    want = golden_read("java-transactional", file_bytes);
    got = record_batch_builder_end(&builder);
    EXPECT_BYTES("transactional", want.data, want.size, got.data, got.size);
}

TEST(builds_a_commit_marker)
{
    struct record_batch_builder builder;
    const struct bytes want = golden_read("java-commit-marker", file_bytes);
    const struct record_input marker = {
        .timestamp = GOLDEN_TIME,
        .key = BYTES_LITERAL("\0\0\0\1"),        /* version 0, commit */
        .value = BYTES_LITERAL("\0\0\0\0\0\11"), /* version 0, coordinator epoch 9 */
    };
    record_batch_builder_init(&builder, built, sizeof built);
    record_batch_builder_add(&builder, &marker);
    builder.batch.base_offset = 12;
    builder.batch.leader_epoch = 5;
    builder.batch.producer_id = 4242;
    builder.batch.producer_epoch = 3;
    builder.batch.attributes = RECORD_BATCH_TRANSACTIONAL | RECORD_BATCH_CONTROL;
    const struct bytes got = record_batch_builder_end(&builder);
    EXPECT_BYTES("as Java's", want.data, want.size, got.data, got.size);
}

/* However little memory: what does not fit leaves no trace, what fits is a whole batch. */
TEST(a_full_builder_says_so)
{
    struct record_batch_builder builder;
    struct record_batch batch;
    int32_t count = 0;
    const uint32_t whole = build_golden(&builder, sizeof built).size;

    for (uint32_t size = RECORD_BATCH_HEAD_SIZE; size <= whole; size++) {
        memset(built, 0xee, sizeof built);
        const struct bytes bytes = build_golden(&builder, size);
        EXPECT_EQ("a batch", RECORD_BATCH_WHOLE, record_batch_read(bytes, &batch));
        EXPECT_EQ("nothing was written behind the memory", 0xee, built[size]);
        EXPECT("more memory, no fewer records", batch.record_count >= count);
        count = batch.record_count;
    }
    EXPECT_EQ("all of them at last", COUNT_OF(golden_records), count);
}

TEST(compressed_batches_hold_the_same_records)
{
    const struct compression_memory to = { packed, sizeof packed, scratch, sizeof scratch };
    const struct compression_memory from = { unpacked, sizeof unpacked, scratch, sizeof scratch };
    struct record_batch_builder builder;
    const struct bytes plain = build_golden(&builder, sizeof built);

    for (enum compression codec = COMPRESSION_NONE; codec <= COMPRESSION_ZSTD; codec++) {
        struct record_batch batch;
        struct bytes bytes, records;
        EXPECT_EQ("compressed", COMPRESSION_OK, record_batch_compress(plain, codec, &to, &bytes));
        EXPECT_EQ("a batch", RECORD_BATCH_WHOLE, record_batch_read(bytes, &batch));
        EXPECT_EQ("that says how", codec, record_batch_compression(&batch));
        EXPECT("with its checksum", record_batch_crc_matches(&batch));
        EXPECT_EQ("opens", COMPRESSION_OK, record_batch_open(&batch, &from, &records));
        EXPECT_BYTES("the same", plain.data + 61, plain.size - 61, records.data, records.size);
        const struct compression_memory small = { packed, 70, scratch, sizeof scratch };
        EXPECT_EQ("no room", COMPRESSION_TOO_LARGE, record_batch_compress(plain, codec, &small, &bytes));
    }
}

TEST(the_ends_of_numbers)
{
    static const struct end_row {
        const char *why;
        int64_t first, second;
    } rows[] = {
        { "a delta over the whole of int64", INT64_MIN, INT64_MAX },
        { "and back", INT64_MAX, INT64_MIN },
        { "no timestamp", -1, -1 },
    };
    FOR_EACH(end_row, row, rows) {
        struct record_batch_builder builder;
        struct record_batch batch;
        struct record_iterator iterator;
        struct record record;
        record_batch_builder_init(&builder, built, sizeof built);
        record_batch_builder_add(&builder, &(struct record_input){ .timestamp = row->first });
        record_batch_builder_add(&builder, &(struct record_input){ .timestamp = row->second });
        record_batch_read(record_batch_builder_end(&builder), &batch);
        record_iterator_init(&iterator, &batch, record_batch_payload(&batch));
        EXPECT_EQ(row->why, RECORD_NEXT, record_iterator_next(&iterator, &record));
        EXPECT_EQ(row->why, row->first, record_timestamp(&batch, &record));
        EXPECT_EQ(row->why, RECORD_NEXT, record_iterator_next(&iterator, &record));
        EXPECT_EQ(row->why, row->second, record_timestamp(&batch, &record));
    }
}
