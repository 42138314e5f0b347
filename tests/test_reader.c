#include "codec/reader.h"
#include "t.h"

static struct bytes wire(const char *bytes, size_t size)
{
    return (struct bytes){ (const uint8_t *)bytes, (uint32_t)size };
}
#define WIRE(literal) literal, sizeof(literal) - 1

static const struct varint_row {
    const char *why;
    const char *bytes;
    size_t size;
    bool long_one; /* 64 bits */
    bool good;
    uint64_t value;
    int64_t zigzag;
} varint_rows[] = {
    { "zero", WIRE("\x00"), false, true, 0, 0 },
    { "minus one is one", WIRE("\x01"), false, true, 1, -1 },
    { "one byte at most", WIRE("\x7f"), false, true, 127, -64 },
    { "two bytes at least", WIRE("\x80\x01"), false, true, 128, 64 },
    { "300", WIRE("\xac\x02"), false, true, 300, 150 },
    { "longer than needed is legal", WIRE("\x80\x00"), false, true, 0, 0 },
    { "32 bits", WIRE("\xff\xff\xff\xff\x0f"), false, true, UINT32_MAX, INT32_MIN },
    { "a 33rd bit", WIRE("\xff\xff\xff\xff\x1f"), false, false, 0, 0 },
    { "a sixth byte", WIRE("\x80\x80\x80\x80\x80\x00"), false, false, 0, 0 },
    { "cut", WIRE("\xff"), false, false, 0, 0 },
    { "nothing", WIRE(""), false, false, 0, 0 },
    { "a long of one byte", WIRE("\x03"), true, true, 3, -2 },
    { "64 bits", WIRE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), true, true, UINT64_MAX, INT64_MIN },
    { "a 65th bit", WIRE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x03"), true, false, 0, 0 },
    { "an eleventh byte", WIRE("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), true, false, 0, 0 },
    { "a long one cut", WIRE("\x80\x80\x80\x80\x80\x80"), true, false, 0, 0 },
};

TEST(varints)
{
    FOR_EACH(varint_row, row, varint_rows) {
        struct reader reader = reader_of(wire(row->bytes, row->size)), again = reader;
        const uint64_t value = row->long_one ? reader_uvarlong(&reader) : reader_uvarint(&reader);
        EXPECT_EQ(row->why, row->good, reader_ok(&reader));
        EXPECT_EQ(row->why, 0, reader_left(&reader));
        EXPECT_EQ(row->why, row->value, value);
        EXPECT_EQ(row->why, row->zigzag, row->long_one ? reader_varlong(&again) : reader_varint(&again));
    }
}

enum text_kind { STRING, COMPACT_STRING, BYTES, COMPACT_BYTES };

static const struct text_row {
    const char *why;
    enum text_kind kind;
    const char *bytes;
    size_t size;
    bool nullable, good;
    const char *value; /* NULL: null */
    uint32_t left;
} text_rows[] = {
    { "a string", STRING, WIRE("\0\2ab"), false, true, "ab", 0 },
    { "an empty one is not null", STRING, WIRE("\0\0"), true, true, "", 0 },
    { "what follows stays", STRING, WIRE("\0\1abc"), false, true, "a", 2 },
    { "null", STRING, WIRE("\xff\xff"), true, true, NULL, 0 },
    { "null where it may not be", STRING, WIRE("\xff\xff"), false, false, NULL, 0 },
    { "negative is not null", STRING, WIRE("\xff\xfe"), true, false, NULL, 0 },
    { "longer than what is left", STRING, WIRE("\0\3ab"), false, false, NULL, 0 },
    { "half a length", STRING, WIRE("\0"), true, false, NULL, 0 },
    { "compact", COMPACT_STRING, WIRE("\3ab"), false, true, "ab", 0 },
    { "compact and empty", COMPACT_STRING, WIRE("\1"), false, true, "", 0 },
    { "compact null", COMPACT_STRING, WIRE("\0"), true, true, NULL, 0 },
    { "compact null where it may not be", COMPACT_STRING, WIRE("\0"), false, false, NULL, 0 },
    { "compact, too long", COMPACT_STRING, WIRE("\4ab"), false, false, NULL, 0 },
    { "compact, the longest claim", COMPACT_STRING, WIRE("\xff\xff\xff\xff\x0f"), true, false, NULL, 0 },
    { "no length at all", COMPACT_STRING, WIRE(""), true, false, NULL, 0 },
    { "bytes", BYTES, WIRE("\0\0\0\2ab"), false, true, "ab", 0 },
    { "null bytes", BYTES, WIRE("\xff\xff\xff\xff"), true, true, NULL, 0 },
    { "null bytes where they may not be", BYTES, WIRE("\xff\xff\xff\xff"), false, false, NULL, 0 },
    { "bytes of the most negative size", BYTES, WIRE("\x80\0\0\0"), true, false, NULL, 0 },
    { "bytes that claim 2 GiB", BYTES, WIRE("\x7f\xff\xff\xff"), true, false, NULL, 0 },
    { "half a length", BYTES, WIRE("\xff\xff"), true, false, NULL, 0 },
    { "compact bytes", COMPACT_BYTES, WIRE("\3ab"), false, true, "ab", 0 },
    { "compact bytes that claim 4 GiB", COMPACT_BYTES, WIRE("\xff\xff\xff\xff\x0f"), true, false, NULL, 0 },
    { "compact bytes, null", COMPACT_BYTES, WIRE("\0"), true, true, NULL, 0 },
};

TEST(strings_and_bytes)
{
    FOR_EACH(text_row, row, text_rows) {
        const bool flexible = row->kind == COMPACT_STRING || row->kind == COMPACT_BYTES;
        const bool string = row->kind == STRING || row->kind == COMPACT_STRING;
        struct reader reader = reader_of(wire(row->bytes, row->size));
        const struct bytes value =
            string ? reader_string(&reader, flexible, row->nullable) : reader_bytes(&reader, flexible, row->nullable);
        EXPECT_EQ(row->why, row->good, reader_ok(&reader));
        EXPECT_EQ(row->why, row->value == NULL, value.data == NULL);
        EXPECT_EQ(row->why, row->left, reader_left(&reader));
        if (row->value == NULL) EXPECT_EQ(row->why, 0, value.size);
        else EXPECT_BYTES(row->why, row->value, strlen(row->value), value.data, value.size);
    }
}

TEST(a_string_is_at_most_what_the_older_encoding_can_say)
{
    static uint8_t bytes[STRING_SIZE_MAX + 4] = { 0x80, 0x80, 0x02 }; /* 0x8000: a length of 0x7fff */
    struct reader reader = reader_of((struct bytes){ bytes, STRING_SIZE_MAX + 3 });
    EXPECT_EQ("the longest", STRING_SIZE_MAX, reader_string(&reader, true, false).size);
    bytes[0] = 0x81;
    reader = reader_of((struct bytes){ bytes, sizeof bytes });
    EXPECT_EQ("one more", 0, reader_string(&reader, true, false).size);
    EXPECT("is refused", !reader_ok(&reader));
    reader = reader_of((struct bytes){ bytes, sizeof bytes });
    EXPECT_EQ("bytes may be longer", STRING_SIZE_MAX + 1, reader_bytes(&reader, true, false).size);
}

static const struct array_row {
    const char *why;
    const char *bytes;
    size_t size;
    bool flexible, nullable;
    uint32_t wire_size_min, arena_size;
    bool good, exhausted, null;
    uint32_t count;
} array_rows[] = {
    { "two of four bytes", WIRE("\0\0\0\2--------"), false, false, 4, 64, true, false, false, 2 },
    { "two where only one fits", WIRE("\0\0\0\2-------"), false, false, 4, 64, false, false, true, 0 },
    { "none at all are not null", WIRE("\0\0\0\0"), false, true, 4, 64, true, false, false, 0 },
    { "none need no room", WIRE("\0\0\0\0"), false, true, 4, 0, true, false, false, 0 },
    { "null", WIRE("\xff\xff\xff\xff"), false, true, 4, 64, true, false, true, 0 },
    { "null where it may not be", WIRE("\xff\xff\xff\xff"), false, false, 4, 64, false, false, true, 0 },
    { "negative", WIRE("\xff\xff\xff\xfe--------"), false, true, 4, 64, false, false, true, 0 },
    { "a claim of 2^31 - 1", WIRE("\x7f\xff\xff\xff--------"), false, true, 1, 64, false, false, true, 0 },
    { "more than the arena holds", WIRE("\0\0\0\3---"), false, false, 1, 16, false, true, true, 0 },
    { "just what the arena holds", WIRE("\0\0\0\2--"), false, false, 1, 16, true, false, false, 2 },
    { "compact", WIRE("\3--"), true, false, 1, 64, true, false, false, 2 },
    { "compact null", WIRE("\0"), true, true, 1, 64, true, false, true, 0 },
    { "compact null where it may not be", WIRE("\0"), true, false, 1, 64, false, false, true, 0 },
    { "compact, a claim of 2^32 - 2", WIRE("\xff\xff\xff\xff\x0f----"), true, true, 1, 64, false, false, true, 0 },
    { "no length at all", WIRE(""), true, true, 1, 64, false, false, true, 0 },
};

TEST(arrays)
{
    FOR_EACH(array_row, row, array_rows) {
        _Alignas(8) uint8_t memory[64];
        struct arena arena;
        uint32_t count = 77;
        struct reader reader = reader_of(wire(row->bytes, row->size));
        arena_init(&arena, memory, row->arena_size);
        const void *elements =
            reader_array(&reader, &arena, row->flexible, row->nullable, row->wire_size_min, 8, &count);
        EXPECT_EQ(row->why, row->good, reader_ok(&reader));
        EXPECT_EQ(row->why, row->exhausted, arena.exhausted);
        EXPECT_EQ(row->why, row->null, elements == NULL);
        EXPECT_EQ(row->why, row->count, count);
        EXPECT_EQ(row->why, row->count * 8, arena.used);
    }
}

static const struct tags_row {
    const char *why;
    const char *bytes;
    size_t size;
    bool good;
    const char *seen; /* the tags, as letters from 'a' on */
} tags_rows[] = {
    { "none", WIRE("\0"), true, "" },
    { "two", WIRE("\2\0\1x\3\2yz"), true, "ad" },
    { "a value of no bytes", WIRE("\1\1\0"), true, "b" },
    { "fewer than claimed", WIRE("\2\0\1x"), false, "a" },
    { "a value longer than what is left", WIRE("\1\0\2x"), false, "" },
    { "the same tag twice", WIRE("\2\1\0\1\0"), false, "b" },
    { "falling tags", WIRE("\2\1\0\0\0"), false, "b" },
    { "a tag above 2^31 - 1", WIRE("\1\x80\x80\x80\x80\x08\0"), false, "" },
    { "a count above what is left", WIRE("\xff\xff\xff\xff\x0f\0\0"), false, "a" },
};

TEST(tagged_fields)
{
    FOR_EACH(tags_row, row, tags_rows) {
        char seen[8] = { 0 };
        struct reader reader = reader_of(wire(row->bytes, row->size)), skipper = reader, value;
        struct tags tags = reader_tags(&reader);
        for (int32_t tag; (tag = reader_tag(&reader, &tags, &value)) >= 0;) seen[strlen(seen)] = (char)('a' + tag);
        EXPECT_EQ(row->why, row->good, reader_ok(&reader));
        EXPECT_TEXT(row->why, row->seen, seen);
        reader_skip_tags(&skipper);
        EXPECT_EQ(row->why, row->good, reader_ok(&skipper));
        if (row->good) EXPECT_EQ(row->why, 0, reader_left(&skipper));
    }
}

TEST(a_tagged_value_is_right_and_whole)
{
    struct reader reader = reader_of(wire(WIRE("\1\0\3\0\0\1"))), value;
    struct tags tags = reader_tags(&reader);
    EXPECT_EQ("the tag", 0, reader_tag(&reader, &tags, &value));
    EXPECT_EQ("its value", 0, reader_int16(&value));
    struct reader copy = reader;
    reader_join(&copy, &value);
    EXPECT("a byte too many", !reader_ok(&copy));
    EXPECT_EQ("and it", 1, reader_int8(&value));
    reader_join(&reader, &value);
    EXPECT("just right", reader_ok(&reader));
    reader_int8(&value);
    reader_join(&reader, &value);
    EXPECT("a byte too few", !reader_ok(&reader));
}

TEST(any_byte_but_zero_is_true)
{
    struct reader reader = reader_of(wire(WIRE("\0\1\2\xff")));
    EXPECT("0", !reader_bool(&reader));
    for (int i = 0; i < 3; i++) EXPECT("1, 2, 255", reader_bool(&reader));
}

TEST(a_failure_sticks)
{
    struct reader reader = reader_of(wire(WIRE("\1\2\3\4\5\6\7\x08\x09")));
    EXPECT_EQ("big-endian", 0x01020304, reader_int32(&reader));
    EXPECT_EQ("too wide", 0, reader_int64(&reader));
    EXPECT_EQ("nothing is left", 0, reader_left(&reader));
    EXPECT_EQ("not even a byte", 0, reader_uint8(&reader));
    EXPECT_EQ("no varint", 0, reader_uvarint(&reader));
    const struct uuid none = reader_uuid(&reader);
    EXPECT("no id", uuid_is_zero(&none));
    EXPECT("no string, not even an empty one", reader_string(&reader, true, false).data == NULL);
    EXPECT("failed", !reader_ok(&reader));
}
