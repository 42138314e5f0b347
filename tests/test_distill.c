/* What is left of a batch when its log is compacted: rules as tables, over every codec. */
#include "codec/record_batch_builder.h"
#include "log/distill.h"
#include "t.h"

enum { SIZE = 256 * 1024, NOW = 1700000000, RETENTION = 1000 };

static uint8_t built[SIZE], packed[SIZE], unpacked[SIZE], kept[SIZE], opened[SIZE];
static _Alignas(16) uint8_t scratch[COMPRESSION_SCRATCH_SIZE], other_scratch[COMPRESSION_SCRATCH_SIZE];
static _Alignas(64) uint8_t slots[64 * 1024];
static const struct distill_memory memory = { unpacked, kept, sizeof unpacked, sizeof kept, scratch };

static struct bytes text(const char *chars)
{
    return (struct bytes){ (const uint8_t *)chars, chars == NULL ? 0 : (uint32_t)strlen(chars) };
}

/* ---- 128 bits of a key ---- */

static const struct siphash_row {
    const char *why;
    uint32_t size;
    uint64_t low, high;
} siphash_rows[] = {
    { "the authors' vector of no bytes", 0, 0xe6a825ba047f81a3, 0x930255c71472f66d },
    { "of one", 1, 0x44af996bd8c187da, 0x45fc229b11597634 },
};

TEST(siphash_is_that_of_its_authors)
{
    uint8_t input[64];

    for (uint32_t i = 0; i < sizeof input; i++) input[i] = (uint8_t)i;
    FOR_EACH(siphash_row, row, siphash_rows) {
        const struct hash128 hash =
            siphash128(0x0706050403020100, 0x0f0e0d0c0b0a0908, (struct bytes){ input, row->size });
        EXPECT(row->why, hash.low == row->low && hash.high == row->high);
    }
    const struct hash128 a = siphash128(1, 2, (struct bytes){ input, 8 });
    const struct hash128 b = siphash128(1, 2, (struct bytes){ input, 9 });
    EXPECT("a longer key is another one", a.low != b.low && a.high != b.high);
}

/* ---- the map ---- */

TEST(a_key_map_knows_the_last_offset_of_each_key)
{
    struct key_map map;
    char key[16];

    memset(slots, 0, sizeof slots);
    key_map_init(&map, slots, sizeof slots, 7);
    EXPECT("it has the size that it said", key_map_size(sizeof slots) <= sizeof slots);
    EXPECT_EQ("what was never written", -1, key_map_get(&map, text("no")));
    for (int64_t offset = 0; key_map_has_room(&map, 1); offset++) {
        snprintf(key, sizeof key, "k%lld", (long long)offset);
        key_map_put(&map, text(key), offset);
    }
    const uint32_t full = map.count;
    EXPECT_EQ("to three quarters", map.keys_max, full);
    key_map_put(&map, text("k0"), 90000);
    EXPECT_EQ("a key that it has needs no room", full, map.count);
    EXPECT_EQ("its last offset counts", 90000, key_map_get(&map, text("k0")));
    EXPECT_EQ("and nobody else's changes", 17, key_map_get(&map, text("k17")));
    for (bool begins = true; !key_map_clear(&map, begins); begins = false) {
    }
    EXPECT_EQ("it forgets all", -1, key_map_get(&map, text("k17")));
    EXPECT("and has room again", key_map_has_room(&map, full));
    EXPECT("what is empty needs no clearing", key_map_clear(&map, true));
    key_map_put(&map, (struct bytes){ NULL, 0 }, 5);
    EXPECT_EQ("a key of no bytes is one", 5, key_map_get(&map, text("")));
}

/* ---- a batch ---- */

/* A batch at offset 100: records as letters, upper case with a value, lower case a tombstone, '-' without a key. */
static struct record_batch make(const char *letters, uint16_t attributes, int64_t base_timestamp)
{
    const struct compression_memory to = { packed, sizeof packed, scratch, sizeof scratch };
    struct record_batch_builder builder;
    struct record_batch batch;
    struct bytes bytes;

    record_batch_builder_init(&builder, built, sizeof built);
    for (uint32_t i = 0; letters[i] != 0; i++) {
        const char key = (char)(letters[i] & ~0x20);
        const bool tombstone = letters[i] >= 'a';
        const struct record_input record = {
            .timestamp = NOW - 500 + i,
            .key = letters[i] == '-' ? text(NULL) : (struct bytes){ (const uint8_t *)&key, 1 },
            .value = tombstone ? text(NULL) : text("some value, and more of it and more of it"),
        };
        EXPECT("built", record_batch_builder_add(&builder, &record));
    }
    builder.batch.base_offset = 100;
    builder.batch.leader_epoch = 7;
    builder.batch.producer_id = 42;
    builder.batch.producer_epoch = 3;
    builder.batch.base_sequence = 11;
    builder.batch.attributes = attributes & (uint16_t)~RECORD_BATCH_COMPRESSION;
    bytes = record_batch_builder_end(&builder);
    if (base_timestamp != 0) { /* as a compaction leaves it */
        struct record_batch head;
        EXPECT_EQ("plain", RECORD_BATCH_WHOLE, record_batch_read(bytes, &head));
        head.base_timestamp = base_timestamp;
        record_batch_write_head(built, bytes.size, &head);
    }
    if ((attributes & RECORD_BATCH_COMPRESSION) != 0) {
        EXPECT_EQ("packed", COMPRESSION_OK,
                  record_batch_compress(bytes, (enum compression)(attributes & RECORD_BATCH_COMPRESSION), &to, &bytes));
    }
    EXPECT_EQ("a batch", RECORD_BATCH_WHOLE, record_batch_read(bytes, &batch));
    return batch;
}

enum { HORIZON = RECORD_BATCH_DELETE_HORIZON, BY_LOG = RECORD_BATCH_LOG_APPEND_TIME };

/* `later` names the keys that are written again at offset 500; the map knows what lies below `mapped_end`. */
static const struct distill_row {
    const char *why;
    const char *letters, *later;
    uint16_t attributes;
    int64_t base_timestamp;
    int64_t mapped_end;
    bool head_stays;
    enum distill_verdict verdict;
    const char *left;
    bool horizon; /* it has one behind it */
} distill_rows[] = {
    { "every key is the last of its name", "ABC", "", 0, 0, 1000, false, DISTILL_SAME, "ABC", false },
    { "one was written again", "ABC", "B", 0, 0, 1000, false, DISTILL_WRITTEN, "AC", false },
    { "within the batch, too", "ABA", "", 0, 0, 1000, false, DISTILL_WRITTEN, "BA", false },
    { "all were written again", "ABC", "ABC", 0, 0, 1000, false, DISTILL_GONE, "", false },
    { "but the head is needed", "ABC", "ABC", 0, 0, 1000, true, DISTILL_WRITTEN, "", false },
    { "a head that is needed changes nothing for records", "ABC", "B", 0, 0, 1000, true, DISTILL_WRITTEN, "AC", false },
    { "a record without a key has no place", "A-C", "", 0, 0, 1000, false, DISTILL_WRITTEN, "AC", false },
    { "nothing but such", "--", "", 0, 0, 1000, false, DISTILL_GONE, "", false },
    { "a tombstone gets a horizon when it is seen", "Ab", "", 0, 0, 1000, false, DISTILL_WRITTEN, "Ab", true },
    { "one that was written over needs none", "Ab", "B", 0, 0, 1000, false, DISTILL_WRITTEN, "A", false },
    { "before its horizon it stays", "Ab", "", HORIZON, NOW + 1, 1000, false, DISTILL_SAME, "Ab", true },
    { "at it, it goes", "Ab", "", HORIZON, NOW, 1000, false, DISTILL_WRITTEN, "A", true },
    { "a horizon is set once", "Ab", "A", HORIZON, NOW + 1, 1000, false, DISTILL_WRITTEN, "b", true },
    { "where only tombstones were, nothing is left", "ab", "", HORIZON, NOW - 9, 1000, false, DISTILL_GONE, "", false },
    { "a head that stays loses its horizon", "ab", "", HORIZON, NOW - 9, 1000, true, DISTILL_WRITTEN, "", false },
    { "the log's own time stays as it is", "ABC", "A", BY_LOG, 0, 1000, false, DISTILL_WRITTEN, "BC", false },
    { "what the map does not know stays", "ABa", "AB", 0, 0, 103 - 1, false, DISTILL_SAME, "ABa", false },
    { "it may know just this batch", "ABC", "AB", 0, 0, 103, false, DISTILL_WRITTEN, "C", false },
    { "of a transaction nothing is known", "AB", "AB", RECORD_BATCH_TRANSACTIONAL, 0, 1000, false, DISTILL_SAME, "AB",
      false },
    { "its marker least of all", "A", "A", RECORD_BATCH_TRANSACTIONAL | RECORD_BATCH_CONTROL, 0, 1000, false,
      DISTILL_SAME, "A", false },
};

static void judge_left(const struct distill_row *row, const struct record_batch *before, struct bytes bytes)
{
    const struct compression_memory from = { opened, sizeof opened, other_scratch, sizeof other_scratch };
    struct record_iterator iterator;
    struct record_batch batch;
    struct record record;
    struct bytes records;
    char left[16];
    uint32_t count = 0;
    int64_t youngest = NO_TIMESTAMP;

    EXPECT_EQ(row->why, RECORD_BATCH_WHOLE, record_batch_read(bytes, &batch));
    EXPECT(row->why, record_batch_crc_matches(&batch));
    EXPECT_EQ(row->why, 100, batch.base_offset);
    EXPECT_EQ(row->why, before->last_offset_delta, batch.last_offset_delta);
    EXPECT_EQ(row->why, 7, batch.leader_epoch);
    EXPECT_EQ(row->why, 42, batch.producer_id);
    EXPECT_EQ(row->why, 3, batch.producer_epoch);
    EXPECT_EQ(row->why, 11, batch.base_sequence);
    EXPECT_EQ(row->why, row->horizon, (batch.attributes & HORIZON) != 0);
    EXPECT_EQ(row->why, before->attributes & BY_LOG, batch.attributes & BY_LOG);
    EXPECT_EQ(row->why, COMPRESSION_OK, record_batch_open(&batch, &from, &records));
    record_iterator_init(&iterator, &batch, records);
    enum record_iteration iteration;
    while ((iteration = record_iterator_next(&iterator, &record)) == RECORD_NEXT) {
        const int32_t at = record.offset_delta;
        left[count++] = row->letters[at]; /* an offset names its record for ever */
        EXPECT_EQ(row->why, row->letters[at] & ~0x20, record.key.data[0]);
        if ((before->attributes & BY_LOG) == 0 && row->base_timestamp == 0) {
            EXPECT_EQ(row->why, NOW - 500 + at, record_timestamp(&batch, &record));
        }
        youngest = MAX(youngest, record_timestamp(&batch, &record));
    }
    left[count] = 0;
    EXPECT_EQ(row->why, RECORD_END, iteration);
    EXPECT_TEXT(row->why, row->left, left);
    if (count > 0) EXPECT_EQ(row->why, youngest, batch.max_timestamp);
    else EXPECT_EQ(row->why, before->max_timestamp, batch.max_timestamp);
    if (row->horizon && row->base_timestamp == 0) EXPECT_EQ(row->why, NOW + RETENTION, batch.base_timestamp);
    if (row->horizon && row->base_timestamp != 0) EXPECT_EQ(row->why, row->base_timestamp, batch.base_timestamp);
}

TEST(a_batch_keeps_the_last_of_each_key)
{
    for (enum compression codec = COMPRESSION_NONE; codec <= COMPRESSION_ZSTD; codec++) {
        FOR_EACH(distill_row, row, distill_rows) {
            struct key_map keys;
            struct distilled distilled;
            const struct record_batch batch =
                make(row->letters, (uint16_t)(row->attributes | (unsigned)codec), row->base_timestamp);
            memset(slots, 0, sizeof slots);
            key_map_init(&keys, slots, sizeof slots, 7);
            EXPECT_EQ(row->why, DISTILL_SAME, distill_map(&batch, &keys, &memory, &distilled));
            for (uint32_t i = 0; row->later[i] != 0; i++) {
                key_map_put(&keys, (struct bytes){ (const uint8_t *)&row->later[i], 1 }, 500);
            }
            const struct distill_rules rules = { &keys, row->mapped_end, NOW, RETENTION };
            const enum distill_verdict verdict = distill_batch(&batch, &rules, row->head_stays, &memory, &distilled);
            EXPECT_EQ(row->why, row->verdict, verdict);
            if (verdict != DISTILL_WRITTEN) continue;
            judge_left(row, &batch, distilled.batch);
            EXPECT_EQ(row->why, strlen(row->letters) - strlen(row->left), distilled.removed_count);
        }
    }
}

TEST(what_was_distilled_is_not_distilled_again)
{
    struct key_map keys;
    struct distilled first, second;
    struct record_batch batch = make("AbCA", COMPRESSION_LZ4, 0);

    memset(slots, 0, sizeof slots);
    key_map_init(&keys, slots, sizeof slots, 7);
    EXPECT_EQ("mapped", DISTILL_SAME, distill_map(&batch, &keys, &memory, &first));
    const struct distill_rules rules = { &keys, 1000, NOW, RETENTION };
    EXPECT_EQ("some go", DISTILL_WRITTEN, distill_batch(&batch, &rules, false, &memory, &first));
    memcpy(built, first.batch.data, first.batch.size);
    EXPECT_EQ("a batch", RECORD_BATCH_WHOLE, record_batch_read((struct bytes){ built, first.batch.size }, &batch));
    EXPECT_EQ("the rest stays", DISTILL_SAME, distill_batch(&batch, &rules, false, &memory, &second));
}

TEST(a_tombstone_may_stay_for_ever)
{
    const struct record_batch batch = make("a", 0, 0);
    struct distilled distilled;
    struct record_batch left;
    struct key_map keys;

    memset(slots, 0, sizeof slots);
    key_map_init(&keys, slots, sizeof slots, 7);
    const struct distill_rules rules = { &keys, 1000, NOW, INT64_MAX };
    EXPECT_EQ("it gets a horizon", DISTILL_WRITTEN, distill_batch(&batch, &rules, false, &memory, &distilled));
    EXPECT_EQ("a batch", RECORD_BATCH_WHOLE, record_batch_read(distilled.batch, &left));
    EXPECT_EQ("that no time reaches", INT64_MAX, left.base_timestamp);
}

/* A disk may say anything: a batch whose checksum is right and whose records are not is only refused. */
TEST(a_batch_that_is_none_is_not_touched)
{
    struct record_batch batch = make("ABC", 0, 0);
    struct distilled distilled;
    struct key_map keys;

    memset(slots, 0, sizeof slots);
    key_map_init(&keys, slots, sizeof slots, 7);
    const struct distill_rules rules = { &keys, 1000, NOW, RETENTION };
    struct record_batch lying = batch;
    lying.record_count = 4;
    EXPECT_EQ("a record less than the head says", DISTILL_UNREADABLE,
              distill_batch(&lying, &rules, false, &memory, &distilled));
    lying = batch;
    lying.last_offset_delta = 1;
    EXPECT_EQ("an offset beyond the last one", DISTILL_UNREADABLE,
              distill_batch(&lying, &rules, false, &memory, &distilled));
    EXPECT_EQ("nor are its keys taken", DISTILL_UNREADABLE, distill_map(&lying, &keys, &memory, &distilled));
    lying = batch;
    lying.attributes |= 5;
    EXPECT_EQ("a codec that is none", DISTILL_UNREADABLE, distill_map(&lying, &keys, &memory, &distilled));
    const struct record_batch large = make("ABCDEFGH", COMPRESSION_ZSTD, 0);
    const struct distill_memory small = { unpacked, kept, 100, 100, scratch };
    EXPECT_EQ("more than there is memory for", DISTILL_TOO_LARGE, distill_map(&large, &keys, &small, &distilled));
    for (uint32_t i = 0; key_map_has_room(&keys, 1); i++) {
        key_map_put(&keys, (struct bytes){ (const uint8_t *)&i, sizeof i }, 1);
    }
    batch = make("ABC", 0, 0);
    EXPECT_EQ("a map that is full", DISTILL_GONE, distill_map(&batch, &keys, &memory, &distilled));
}
