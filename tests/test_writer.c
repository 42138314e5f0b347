#include "codec/writer.h"
#include "t.h"

static const struct varint_row {
    const char *why;
    int64_t value;
    const char *bytes; /* zigzag */
    size_t size;
} varint_rows[] = {
    { "zero", 0, "\0", 1 },
    { "minus one", -1, "\1", 1 },
    { "one byte", -64, "\x7f", 1 },
    { "two bytes", 64, "\x80\x01", 2 },
    { "the largest of 32 bits", INT32_MAX, "\xfe\xff\xff\xff\x0f", 5 },
    { "the smallest of 32 bits", INT32_MIN, "\xff\xff\xff\xff\x0f", 5 },
    { "the largest of all", INT64_MAX, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10 },
    { "the smallest of all", INT64_MIN, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10 },
};

TEST(signed_varints)
{
    FOR_EACH(varint_row, row, varint_rows) {
        uint8_t wire[16];
        struct writer writer = writer_of(wire, sizeof wire);
        writer_varlong(&writer, row->value);
        EXPECT_BYTES(row->why, row->bytes, row->size, wire, writer.size);
        if (row->value < INT32_MIN || row->value > INT32_MAX) continue;
        writer = writer_of(wire, sizeof wire);
        writer_varint(&writer, (int32_t)row->value);
        EXPECT_BYTES(row->why, row->bytes, row->size, wire, writer.size);
    }
}

static const struct bytes null = { NULL, 0 };

TEST(scalars_strings_and_arrays)
{
    uint8_t wire[128];
    const struct uuid uuid = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };
    const char expected[] = "\xff\1\xff\xfe\xff\xff\xff\xfd\xff\xff\xff\xff\xff\xff\xff\xfc\xac\2"
                            "\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10" /* a uuid */
                            "\0\1a\0\0\xff\xff\0\0"                              /* strings: a, empty, null, null */
                            "\2a\1\0\1"                                          /* the same, flexible */
                            "\0\0\0\1a\0\0\0\0\xff\xff\xff\xff\0\0\0\0"          /* bytes */
                            "\2a\1\0\1"                                          /* the same, flexible */
                            "\0\0\0\3\xff\xff\xff\xff\0\0\0\0\4\0\1";            /* arrays: 3, null, null; flexible */
    struct writer writer = writer_of(wire, sizeof wire);

    writer_int8(&writer, -1);
    writer_bool(&writer, true);
    writer_int16(&writer, -2);
    writer_int32(&writer, -3);
    writer_int64(&writer, -4);
    writer_uvarint(&writer, 300);
    writer_uuid(&writer, &uuid);
    for (int flexible = 0; flexible < 2; flexible++) {
        writer_string(&writer, flexible, true, BYTES_LITERAL("a"));
        writer_string(&writer, flexible, true, BYTES_LITERAL(""));
        writer_string(&writer, flexible, true, null);
        writer_string(&writer, flexible, false, null);
    }
    for (int flexible = 0; flexible < 2; flexible++) {
        writer_bytes(&writer, flexible, true, BYTES_LITERAL("a"));
        writer_records(&writer, flexible, true, BYTES_LITERAL(""));
        writer_bytes(&writer, flexible, true, null);
        writer_records(&writer, flexible, false, null);
    }
    for (int flexible = 0; flexible < 2; flexible++) {
        writer_array(&writer, flexible, true, &uuid, 3);
        writer_array(&writer, flexible, true, NULL, 0);
        writer_array(&writer, flexible, false, NULL, 0);
    }
    EXPECT("it fits", writer_ok(&writer));
    EXPECT_BYTES("big-endian; null that may not be is empty", expected, sizeof expected - 1, wire, writer.size);
}

TEST(what_does_not_fit_is_counted_and_not_written)
{
    for (uint32_t capacity = 0; capacity <= 12; capacity++) {
        uint8_t wire[16];
        memset(wire, 0xee, sizeof wire);
        struct writer writer = writer_of(wire, capacity);
        writer_int32(&writer, 0x01020304);
        writer_string(&writer, false, false, BYTES_LITERAL("abcdef"));
        EXPECT_EQ("the size of it all", 12, writer.size);
        EXPECT_EQ("only the last capacity is enough", capacity == 12, writer_ok(&writer));
        for (uint32_t i = capacity; i < sizeof wire; i++) EXPECT_EQ("untouched", 0xee, wire[i]);
    }
    struct writer measure = writer_measuring();
    writer_int32(&measure, 1);
    writer_raw(&measure, BYTES_LITERAL("abc"));
    EXPECT_EQ("measuring", 7, measure.size);
    EXPECT("nothing to send", !writer_ok(&measure));
}

TEST(what_the_wire_cannot_say)
{
    static uint8_t wire[2 * STRING_SIZE_MAX], long_string[STRING_SIZE_MAX + 1];
    for (int flexible = 0; flexible < 2; flexible++) {
        struct writer writer = writer_of(wire, sizeof wire);
        writer_string(&writer, flexible, false, (struct bytes){ long_string, STRING_SIZE_MAX });
        EXPECT("the longest string", writer_ok(&writer));
        writer = writer_of(wire, sizeof wire);
        writer_string(&writer, flexible, false, (struct bytes){ long_string, STRING_SIZE_MAX + 1 });
        EXPECT("one more", !writer_ok(&writer));
        writer = writer_of(wire, sizeof wire);
        writer_array(&writer, flexible, false, wire, (uint32_t)INT32_MAX + 1);
        EXPECT("too many elements", !writer_ok(&writer));
        writer = writer_measuring();
        writer_bytes(&writer, flexible, false, (struct bytes){ wire, INT32_MAX });
        EXPECT("the most bytes", !writer.malformed);
        writer_bytes(&writer, flexible, false, (struct bytes){ wire, (uint32_t)INT32_MAX + 1 });
        EXPECT("one more", writer.malformed);
    }
}

TEST(a_tagged_value_stands_after_tag_and_size)
{
    uint8_t wire[8];
    struct writer writer = writer_of(wire, sizeof wire), measured = writer_measuring();
    writer_int64(&measured, 1);
    writer_tag(&writer, 300, &measured);
    EXPECT_BYTES("300, and 8 bytes", "\xac\2\x08", 3, wire, writer.size);
    EXPECT("so far so good", writer_ok(&writer));
    measured.malformed = true;
    writer_tag(&writer, 301, &measured);
    EXPECT("what the wire cannot say, it cannot say in a tag", !writer_ok(&writer));
}

TEST(an_int32_is_patched)
{
    uint8_t wire[8];
    struct writer writer = writer_of(wire, sizeof wire), small = writer_of(wire, 3);
    const uint64_t at = (writer_uint8(&writer, 9), writer_leave_int32(&writer));
    writer_uint16(&writer, 0x0a0b);
    writer_patch_int32(&writer, at, 0x01020304);
    EXPECT_BYTES("in its place", "\x09\1\2\3\4\x0a\x0b", 7, wire, writer.size);
    memset(wire, 0xee, sizeof wire);
    writer_patch_int32(&small, writer_leave_int32(&small), 1);
    EXPECT_BYTES("never beyond the end", "\xee\xee\xee\xee", 4, wire, 4);
}

TEST(records_are_referred_to)
{
    uint8_t wire[64];
    struct referred list[2];
    struct writer writer = writer_of(wire, sizeof wire);
    writer_refer(&writer, list, COUNT_OF(list));
    writer_records(&writer, false, true, BYTES_LITERAL("abc"));
    writer_uint8(&writer, 9);
    writer_records(&writer, false, true, BYTES_LITERAL(""));
    writer_records(&writer, false, true, null);
    writer_records(&writer, true, true, BYTES_LITERAL("de"));
    EXPECT_BYTES("lengths only", "\0\0\0\3\x09\0\0\0\0\xff\xff\xff\xff\3", 14, wire, writer.size);
    EXPECT_EQ("what is empty is not listed", 2, writer.referred_count);
    EXPECT_EQ("the bytes that are not here", 5, writer.referred_size);
    EXPECT_EQ("after the length", 4, list[0].position);
    EXPECT_EQ("after the length", 14, list[1].position);
    EXPECT_BYTES("the records", "de", 2, list[1].records.data, list[1].records.size);
    EXPECT("so far so good", writer_ok(&writer));
    writer_records(&writer, true, true, BYTES_LITERAL("f"));
    EXPECT("one too many", !writer_ok(&writer));
    EXPECT_EQ("none beyond the list", 2, writer.referred_count);
}
