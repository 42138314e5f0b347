#include "base/prng.h"
#include "codec/record.h"
#include "golden.h"

#include <stdlib.h>

static uint8_t file_bytes[GOLDEN_SIZE_MAX];
static uint8_t unpacked[GOLDEN_SIZE_MAX];
static _Alignas(16) uint8_t scratch[DECOMPRESSION_SCRATCH_SIZE];
static const struct compression_memory memory = { unpacked, sizeof unpacked, scratch, sizeof scratch };

/* What the heads of real batches say. */
static const struct golden_row {
    const char *name;
    uint16_t attributes;
    int64_t base_offset, max_timestamp, producer_id;
    int32_t leader_epoch, base_sequence, last_sequence, record_count;
    int16_t producer_epoch;
} golden_rows[] = {
    { "java-none", 0, 0, GOLDEN_TIME + 9, -1, -1, -1, 4, 6, -1 },
    { "java-gzip", 1, 0, GOLDEN_TIME + 9, -1, -1, -1, 4, 6, -1 },
    { "java-snappy", 2, 0, GOLDEN_TIME + 9, -1, -1, -1, 4, 6, -1 },
    { "java-lz4", 3, 0, GOLDEN_TIME + 9, -1, -1, -1, 4, 6, -1 },
    { "java-zstd", 4, 0, GOLDEN_TIME + 9, -1, -1, -1, 4, 6, -1 },
    { "java-idempotent", 0, 0, GOLDEN_TIME + 9, 4242, -1, 17, 22, 6, 3 },
    { "java-transactional", 16, 0, GOLDEN_TIME + 9, 4242, -1, INT32_MAX - 2, 2, 6, 3 },
    { "java-log-append-time", 8, 0, GOLDEN_TIME + 77, -1, -1, -1, 4, 6, -1 },
    { "java-commit-marker", 48, 12, GOLDEN_TIME, 4242, 5, -1, INT32_MAX, 1, 3 },
    { "java-abort-marker", 48, 13, GOLDEN_TIME, 4242, 5, -1, INT32_MAX, 1, 3 },
    { "python-none", 0, 0, GOLDEN_TIME + 9, -1, 0, -1, 4, 6, -1 },
    { "python-gzip", 1, 0, GOLDEN_TIME + 9, -1, 0, -1, 4, 6, -1 },
    { "python-snappy", 2, 0, GOLDEN_TIME + 9, -1, 0, -1, 4, 6, -1 },
    { "python-lz4", 3, 0, GOLDEN_TIME + 9, -1, 0, -1, 4, 6, -1 },
    { "python-zstd", 4, 0, GOLDEN_TIME + 9, -1, 0, -1, 4, 6, -1 },
    { "java-gzip-large", 1, 0, GOLDEN_TIME + 1999, -1, -1, -1, 1998, 2000, -1 },
    { "java-snappy-large", 2, 0, GOLDEN_TIME + 1999, -1, -1, -1, 1998, 2000, -1 },
    { "java-lz4-large", 3, 0, GOLDEN_TIME + 1999, -1, -1, -1, 1998, 2000, -1 },
    { "java-zstd-large", 4, 0, GOLDEN_TIME + 1999, -1, -1, -1, 1998, 2000, -1 },
    { "python-gzip-large", 1, 0, GOLDEN_TIME + 1999, -1, 0, -1, 1998, 2000, -1 },
    { "python-snappy-large", 2, 0, GOLDEN_TIME + 1999, -1, 0, -1, 1998, 2000, -1 },
    { "python-lz4-large", 3, 0, GOLDEN_TIME + 1999, -1, 0, -1, 1998, 2000, -1 },
    { "python-zstd-large", 4, 0, GOLDEN_TIME + 1999, -1, 0, -1, 1998, 2000, -1 },
};

TEST(heads_of_real_batches)
{
    FOR_EACH(golden_row, row, golden_rows) {
        const struct bytes bytes = golden_read(row->name, file_bytes);
        struct record_batch batch;
        EXPECT_EQ(row->name, RECORD_BATCH_WHOLE, record_batch_read(bytes, &batch));
        EXPECT_EQ(row->name, bytes.size, batch.bytes.size);
        EXPECT(row->name, record_batch_crc_matches(&batch));
        EXPECT_EQ(row->name, row->attributes, batch.attributes);
        EXPECT_EQ(row->name, row->base_offset, batch.base_offset);
        EXPECT_EQ(row->name, row->leader_epoch, batch.leader_epoch);
        EXPECT_EQ(row->name, row->max_timestamp, batch.max_timestamp);
        EXPECT_EQ(row->name, row->producer_id, batch.producer_id);
        EXPECT_EQ(row->name, row->producer_id >= 0, record_batch_has_producer(&batch));
        EXPECT_EQ(row->name, row->producer_epoch, batch.producer_epoch);
        EXPECT_EQ(row->name, row->base_sequence, batch.base_sequence);
        EXPECT_EQ(row->name, row->last_sequence, record_batch_last_sequence(&batch));
        EXPECT_EQ(row->name, row->record_count, batch.record_count);
        EXPECT_EQ(row->name, row->base_offset + row->record_count - 1, record_batch_last_offset(&batch));
    }
}

static void expect_bytes(const char *why, struct bytes want, struct bytes got)
{
    EXPECT(why, (want.data == NULL) == (got.data == NULL));
    EXPECT_BYTES(why, want.data, want.size, got.data, got.size);
}

static void expect_golden_record(const char *why, const struct record_batch *batch, const struct record *record)
{
    const struct record_input *want = &golden_records[record->offset_delta];
    struct bytes headers = record->headers;

    expect_bytes(why, want->key, record->key);
    expect_bytes(why, want->value, record->value);
    EXPECT_EQ(why, batch->base_offset + record->offset_delta, record_offset(batch, record));
    const bool ours = (batch->attributes & RECORD_BATCH_LOG_APPEND_TIME) != 0;
    EXPECT_EQ(why, ours ? GOLDEN_TIME + 77 : want->timestamp, record_timestamp(batch, record));
    EXPECT_EQ(why, want->header_count, record->header_count);
    for (int32_t i = 0; i < record->header_count; i++) {
        const struct record_header header = record_header_next(&headers);
        expect_bytes(why, want->headers[i].key, header.key);
        expect_bytes(why, want->headers[i].value, header.value);
    }
    EXPECT_EQ(why, 0, headers.size);
}

TEST(records_of_real_batches)
{
    FOR_EACH(golden_row, row, golden_rows) {
        struct record_batch batch;
        struct record_iterator iterator;
        struct record record;
        struct bytes records;
        enum record_iteration iteration;
        int32_t count = 0;

        record_batch_read(golden_read(row->name, file_bytes), &batch);
        EXPECT_EQ(row->name, COMPRESSION_OK, record_batch_open(&batch, &memory, &records));
        record_iterator_init(&iterator, &batch, records);
        while ((iteration = record_iterator_next(&iterator, &record)) == RECORD_NEXT) {
            EXPECT_EQ(row->name, count++, record.offset_delta);
            if (row->record_count == COUNT_OF(golden_records)) expect_golden_record(row->name, &batch, &record);
        }
        EXPECT_EQ(row->name, RECORD_END, iteration);
        EXPECT_EQ(row->name, row->record_count, count);
        EXPECT_EQ("asked again, the same", RECORD_END, record_iterator_next(&iterator, &record));
    }
}

/* Where the next batch begins, from a batch of 78 bytes with a field changed and cut after `size` bytes. */
static const struct shape_row {
    const char *why;
    uint32_t length;
    uint8_t magic;
    uint32_t size;
    enum record_batch_shape shape;
    uint32_t next_size;
} shape_rows[] = {
    { "whole", 66, 2, 78, RECORD_BATCH_WHOLE, 78 },
    { "and more behind it", 66, 2, 200, RECORD_BATCH_WHOLE, 78 },
    { "nothing", 66, 2, 0, RECORD_BATCH_CUT, 12 },
    { "less than a length", 66, 2, 11, RECORD_BATCH_CUT, 12 },
    { "a length", 66, 2, 12, RECORD_BATCH_CUT, 78 },
    { "no magic yet", 66, 2, 16, RECORD_BATCH_CUT, 78 },
    { "a magic", 66, 2, 17, RECORD_BATCH_CUT, 78 },
    { "one byte short", 66, 2, 77, RECORD_BATCH_CUT, 78 },
    { "shorter than any message ever was", 13, 2, 78, RECORD_BATCH_BROKEN, 12 },
    { "zero length, as in pre-written space", 0, 0, 78, RECORD_BATCH_BROKEN, 12 },
    { "shorter than a head", 48, 2, 78, RECORD_BATCH_BROKEN, 60 },
    { "a head and nothing else", 49, 2, 78, RECORD_BATCH_WHOLE, 61 },
    { "negative length", UINT32_MAX, 2, 78, RECORD_BATCH_BROKEN, 12 },
    { "a size that is no int32", INT32_MAX - 11, 2, 78, RECORD_BATCH_BROKEN, 12 },
    { "the largest", INT32_MAX - 12, 2, 78, RECORD_BATCH_CUT, INT32_MAX },
    { "magic of the future", 66, 3, 78, RECORD_BATCH_BROKEN, 78 },
    { "magic 1", 66, 1, 78, RECORD_BATCH_OLD, 78 },
    { "magic 0, cut", 66, 0, 77, RECORD_BATCH_CUT, 78 },
    { "magic 0, smaller than our head", 14, 0, 78, RECORD_BATCH_OLD, 26 },
};

TEST(next_size)
{
    FOR_EACH(shape_row, row, shape_rows) {
        uint8_t bytes[200] = { 0 };
        uint32_t size = 0;
        struct record_batch batch = { .record_count = 99 };
        store_u32(bytes + 8, row->length);
        bytes[16] = row->magic;
        EXPECT_EQ(row->why, row->shape, record_batch_next_size((struct bytes){ bytes, row->size }, &size));
        EXPECT_EQ(row->why, row->next_size, size);
        EXPECT_EQ(row->why, row->shape, record_batch_read((struct bytes){ bytes, row->size }, &batch));
        EXPECT(row->why, row->shape == RECORD_BATCH_WHOLE || batch.record_count == 99);
    }
}

/* What stamping changes, and that the checksum holds after it. */
static const struct stamp_row {
    const char *why;
    int64_t base_offset, log_append_time, true_max; /* true_max 0: as in the batch */
    int32_t leader_epoch;
    bool crc_stays;
    int64_t max_timestamp;
} stamp_rows[] = {
    { "offset and epoch leave the checksum", 1000, -1, 0, 7, true, GOLDEN_TIME + 9 },
    { "the largest of them", INT64_MAX, -1, 0, INT32_MAX, true, GOLDEN_TIME + 9 },
    { "a log append time does not", 5, 1234567, 0, 7, false, 1234567 },
    { "time zero is a time", 5, 0, 0, 7, false, 0 },
    { "a max timestamp that was a lie is put right", 5, -1, GOLDEN_TIME + 10, 7, false, GOLDEN_TIME + 10 },
};

TEST(stamp)
{
    FOR_EACH(stamp_row, row, stamp_rows) {
        static uint8_t copy[GOLDEN_SIZE_MAX];
        struct record_batch batch, stamped;
        const struct bytes bytes = golden_read("java-idempotent", file_bytes);
        record_batch_read(bytes, &batch);
        memcpy(copy, bytes.data, bytes.size);
        if (row->true_max != 0) batch.max_timestamp = row->true_max;
        record_batch_stamp(copy, &batch, row->base_offset, row->leader_epoch, row->log_append_time);

        EXPECT_EQ(row->why, RECORD_BATCH_WHOLE, record_batch_read((struct bytes){ copy, bytes.size }, &stamped));
        EXPECT(row->why, record_batch_crc_matches(&stamped));
        EXPECT_EQ(row->why, row->crc_stays, stamped.crc == batch.crc);
        EXPECT_EQ(row->why, row->base_offset, stamped.base_offset);
        EXPECT_EQ(row->why, row->leader_epoch, stamped.leader_epoch);
        EXPECT_EQ(row->why, row->max_timestamp, stamped.max_timestamp);
        EXPECT_EQ(row->why, row->log_append_time >= 0, stamped.attributes >> 3 & 1);
        EXPECT_EQ(row->why, 4242, stamped.producer_id);
        EXPECT_BYTES("the records are as they were", bytes.data + 61, bytes.size - 61, copy + 61, bytes.size - 61);
    }
}

TEST(every_byte_is_under_the_checksum)
{
    struct record_batch batch;
    const struct bytes bytes = golden_read("java-none", file_bytes);
    for (uint32_t at = 17; at < bytes.size; at++) {
        file_bytes[at] ^= 0x10;
        record_batch_read(bytes, &batch);
        EXPECT("a flipped bit shows", !record_batch_crc_matches(&batch));
        file_bytes[at] ^= 0x10;
    }
}

/* Times of the golden records: T, T+5, T+3, T+9, T+9, T-1; offsets 100 to 105. */
static const struct time_row {
    const char *why, *name;
    int64_t timestamp, offset_min, offset, found;
    enum record_search search;
} time_rows[] = {
    { "the very time", "java-none", GOLDEN_TIME, 0, 100, GOLDEN_TIME, RECORD_FOUND },
    { "the first that is late enough, not the nearest", "java-none", GOLDEN_TIME + 2, 0, 101, GOLDEN_TIME + 5,
      RECORD_FOUND },
    { "the first of equals", "java-none", GOLDEN_TIME + 9, 0, 103, GOLDEN_TIME + 9, RECORD_FOUND },
    { "later than all", "java-none", GOLDEN_TIME + 10, 0, 0, 0, RECORD_NOT_FOUND },
    { "long ago", "java-none", 0, 0, 100, GOLDEN_TIME, RECORD_FOUND },
    { "not below an offset", "java-none", GOLDEN_TIME, 102, 102, GOLDEN_TIME + 3, RECORD_FOUND },
    { "no such record from there on", "java-none", GOLDEN_TIME, 105, 0, 0, RECORD_NOT_FOUND },
    { "the log's time goes for all", "java-log-append-time", GOLDEN_TIME + 70, 0, 100, GOLDEN_TIME + 77, RECORD_FOUND },
    { "and no other", "java-log-append-time", GOLDEN_TIME + 78, 0, 0, 0, RECORD_NOT_FOUND },
    { "through compression", "java-zstd", GOLDEN_TIME + 9, 0, 103, GOLDEN_TIME + 9, RECORD_FOUND },
};

TEST(find_time)
{
    FOR_EACH(time_row, row, time_rows) {
        struct record_batch batch;
        struct record_found found = { 0, 0 };
        struct bytes records;
        record_batch_read(golden_read(row->name, file_bytes), &batch);
        batch.base_offset = 100;
        record_batch_open(&batch, &memory, &records);
        EXPECT_EQ(row->why, row->search, record_find_time(&batch, records, row->timestamp, row->offset_min, &found));
        if (row->search != RECORD_FOUND) continue;
        EXPECT_EQ(row->why, row->offset, found.offset);
        EXPECT_EQ(row->why, row->found, found.timestamp);
    }
}

TEST(find_max_timestamp)
{
    struct record_batch batch;
    struct record_found found;
    struct bytes records;
    record_batch_read(golden_read("java-lz4", file_bytes), &batch);
    batch.base_offset = 100;
    record_batch_open(&batch, &memory, &records);
    EXPECT_EQ("there is one", RECORD_FOUND, record_find_max_timestamp(&batch, records, &found));
    EXPECT_EQ("the first that has it", 103, found.offset);
    EXPECT_EQ("and what it is", GOLDEN_TIME + 9, found.timestamp);
    records.size -= 5;
    EXPECT_EQ("a record that is cut", RECORD_UNREADABLE, record_find_time(&batch, records, INT64_MAX, 0, &found));
}

/* One record as bytes, length first; what varints may and may not be. */
static const struct record_row {
    const char *why;
    uint8_t size, bytes[24];
    bool good;
} record_rows[] = {
    /*                                            len  att  ts  off  key       value     headers */
    { "the smallest: nulls", 7, { 12, 0, 0, 0, 1, 1, 0 }, true },
    { "empty key and value", 7, { 12, 0, 0, 0, 0, 0, 0 }, true },
    { "any negative length is null", 7, { 12, 0, 0, 0, 3, 5, 0 }, true },
    { "an attribute nobody knows", 7, { 12, 0xff, 0, 0, 1, 1, 0 }, true },
    { "a key of one", 8, { 14, 0, 0, 0, 2, 'k', 1, 0 }, true },
    { "a key longer than the record", 8, { 14, 0, 0, 0, 8, 'k', 1, 0 }, false },
    { "a value that ends behind the record", 8, { 14, 0, 0, 0, 1, 4, 'v', 0 }, false },
    { "a length beyond the bytes", 7, { 14, 0, 0, 0, 1, 1, 0 }, false },
    { "a length that leaves bytes over", 8, { 14, 0, 0, 0, 1, 1, 0, 0 }, false },
    { "a negative length", 7, { 11, 0, 0, 0, 1, 1, 0 }, false },
    { "length zero", 7, { 0, 0, 0, 0, 1, 1, 0 }, false },
    { "length one: only attributes", 2, { 2, 0 }, false },
    { "a varint of five bytes", 11, { 20, 0, 0, 0x80, 0x80, 0x80, 0x80, 0, 1, 1, 0 }, true },
    { "a varint of six", 12, { 22, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 1, 1, 0 }, false },
    { "a varlong of ten bytes",
      16,
      { 30, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0, 1, 1, 0 },
      true },
    { "a varlong of eleven",
      17,
      { 32, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0, 1, 1, 0 },
      false },
    { "a header", 11, { 20, 0, 0, 0, 1, 1, 2, 2, 'h', 1, 0 }, false },
    { "a header that fits", 10, { 18, 0, 0, 0, 1, 1, 2, 2, 'h', 1 }, true },
    { "a header without a key", 9, { 16, 0, 0, 0, 1, 1, 2, 1, 1 }, false },
    { "a header too many", 10, { 18, 0, 0, 0, 1, 1, 4, 2, 'h', 1 }, false },
    { "a negative count of headers", 7, { 12, 0, 0, 0, 1, 1, 1 }, false },
    { "more headers than bytes", 11, { 20, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f }, false },
    { "a header value behind the end", 10, { 18, 0, 0, 0, 1, 1, 2, 0, 4, 'v' }, false },
};

TEST(record_shapes)
{
    FOR_EACH(record_row, row, record_rows) {
        struct record record;
        const uint8_t *end = row->bytes + row->size, *next = record_read(row->bytes, end, &record);
        EXPECT(row->why, row->good ? next == end : next == NULL);
        /* with room behind it, where the short way through is taken */
        uint8_t roomy[64] = { 0 };
        memcpy(roomy, row->bytes, row->size);
        if (row->good) EXPECT(row->why, record_read(roomy, roomy + 64, &record) == roomy + row->size);
        if (row->good) EXPECT(row->why, record_read_any(roomy, roomy + 64, &record) == roomy + row->size);
        for (uint8_t cut = 0; cut < row->size; cut++) {
            EXPECT("cut short, it is none", record_read(row->bytes, row->bytes + cut, &record) == NULL);
        }
    }
}

/* Any number, as one byte or two. */
static uint32_t put_number(struct prng *prng, uint8_t *to, uint8_t zigzag)
{
    if (zigzag < 0x80 && prng_chance(prng, 2, 3)) return *to = zigzag, 1;
    to[0] = zigzag | 0x80;
    to[1] = zigzag >> 7;
    return 2;
}

/* A record of a few bytes and some noise behind it; every other one with something spoilt, or cut. */
static uint32_t put_record(struct prng *prng, uint8_t *to)
{
    uint32_t at = 1 + (uint32_t)prng_below(prng, 2);
    uint8_t *length = to;
    const uint32_t begin = at;

    to[at++] = 0;
    at += put_number(prng, to + at, (uint8_t)prng_below(prng, 256));
    at += put_number(prng, to + at, (uint8_t)prng_below(prng, 256));
    for (int i = 0; i < 2; i++) {
        const uint8_t size = (uint8_t)prng_below(prng, 8);
        at += put_number(prng, to + at, size);
        for (uint8_t j = 0; j < (size % 2 == 0 ? size / 2 : 0); j++) to[at++] = (uint8_t)prng_next(prng);
    }
    const uint8_t headers = prng_chance(prng, 1, 4) ? 2 : 0;
    at += put_number(prng, to + at, headers);
    if (headers != 0) to[at++] = 0, to[at++] = 1;
    length[0] = (uint8_t)(2 * (at - begin)) | (begin == 2 ? 0x80 : 0);
    if (begin == 2) length[1] = 0;
    if (prng_chance(prng, 1, 2)) to[prng_below(prng, at)] = (uint8_t)prng_next(prng);
    for (uint64_t noise = prng_below(prng, 12); noise > 0; noise--) to[at++] = (uint8_t)prng_next(prng);
    return prng_chance(prng, 1, 4) ? (uint32_t)prng_below(prng, at) : at;
}

/* Whole, spoilt and cut records: the short way through says what the general one does. */
TEST(records_read_both_ways)
{
    unsigned good = 0;
    struct prng prng;
    prng_init(&prng, 1, 0);
    for (int i = 0; i < 300000; i++) {
        struct record quick = { 0 }, general = { 0 };
        uint8_t record[80];
        const uint32_t size = put_record(&prng, record);
        uint8_t *bytes = malloc(size + 1), *at = bytes + 1, *end = at + size;
        memcpy(at, record, size);
        const uint8_t *next = record_read(at, end, &quick);
        EXPECT("the same end", next == record_read_any(at, end, &general));
        if (next != NULL) {
            good++;
            EXPECT_EQ("the same delta", general.offset_delta, quick.offset_delta);
            EXPECT_EQ("the same time", general.timestamp_delta, quick.timestamp_delta);
            EXPECT_EQ("as many headers", general.header_count, quick.header_count);
            EXPECT("the same key", general.key.data == quick.key.data && general.key.size == quick.key.size);
            EXPECT("the same value", general.value.data == quick.value.data && general.value.size == quick.value.size);
        }
        free(bytes);
    }
    EXPECT("and some of them were records", good > 100000);
}

static const struct varint_row {
    const char *why;
    uint8_t size, bytes[10];
    int64_t value;
} varint_rows[] = {
    { "zero", 1, { 0 }, 0 },
    { "minus one", 1, { 1 }, -1 },
    { "the last of one byte", 1, { 0x7e }, 63 },
    { "the first of two", 2, { 0x80, 0x01 }, 64 },
    { "minus 64", 1, { 0x7f }, -64 },
    { "minus 65", 2, { 0x81, 0x01 }, -65 },
    { "the largest int32", 5, { 0xfe, 0xff, 0xff, 0xff, 0x0f }, INT32_MAX },
    { "the smallest int32", 5, { 0xff, 0xff, 0xff, 0xff, 0x0f }, INT32_MIN },
    { "the largest int64", 10, { 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01 }, INT64_MAX },
    { "the smallest int64", 10, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01 }, INT64_MIN },
};

TEST(varints)
{
    FOR_EACH(varint_row, row, varint_rows) {
        int32_t narrow = 0;
        int64_t wide = 0;
        const uint8_t *end = row->bytes + row->size;
        EXPECT(row->why, varlong_read_long(row->bytes, end, &wide) == end);
        EXPECT_EQ(row->why, row->value, wide);
        if (row->size > 5) continue;
        EXPECT(row->why, varint_read(row->bytes, end, &narrow) == end);
        EXPECT_EQ(row->why, row->value, narrow);
    }
}
