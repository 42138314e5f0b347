#include "codec/reader.h"

static const struct bytes nothing = { NULL, 0 };

/* The bytes of a varint of at most `bits` bits. */
static uint64_t uvarint_of(struct reader *reader, unsigned bits)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < bits; shift += 7) {
        const uint8_t byte = reader_uint8(reader);
        const uint64_t seven = byte & 0x7f;
        if (bits - shift < 7 && seven >> (bits - shift) != 0) break;
        value |= seven << shift;
        if ((byte & 0x80) == 0) return reader->failed ? 0 : value;
    }
    reader_fail(reader);
    return 0;
}

uint32_t reader_long_uvarint(struct reader *reader)
{
    return (uint32_t)uvarint_of(reader, 32);
}

uint64_t reader_uvarlong(struct reader *reader)
{
    return uvarint_of(reader, 64);
}

struct uuid reader_uuid(struct reader *reader)
{
    struct uuid uuid = { { 0 } };
    const uint8_t *from = reader_take(reader, sizeof uuid.bytes);

    if (from != NULL) memcpy(uuid.bytes, from, sizeof uuid.bytes);
    return uuid;
}

/* `size` bytes; -1 is null, and whatever else is negative has failed before or fails here. */
static struct bytes slice(struct reader *reader, int64_t size, int64_t size_max, bool nullable)
{
    if (size == -1 && nullable) return nothing;
    if (size < 0 || size > size_max) {
        reader_fail(reader);
        return nothing;
    }
    const uint8_t *data = reader_take(reader, (uint32_t)size);
    return data == NULL ? nothing : (struct bytes){ data, (uint32_t)size };
}

struct bytes reader_string(struct reader *reader, bool flexible, bool nullable)
{
    const int64_t size = flexible ? (int64_t)reader_uvarint(reader) - 1 : reader_int16(reader);
    return reader->failed ? nothing : slice(reader, size, STRING_SIZE_MAX, nullable);
}

struct bytes reader_bytes(struct reader *reader, bool flexible, bool nullable)
{
    const int64_t size = flexible ? (int64_t)reader_uvarint(reader) - 1 : reader_int32(reader);
    return reader->failed ? nothing : slice(reader, size, INT32_MAX, nullable);
}

void *reader_array(struct reader *reader, struct arena *arena, bool flexible, bool nullable, uint32_t wire_size_min,
                   uint32_t element_size, uint32_t *count)
{
    const int64_t claimed = flexible ? (int64_t)reader_uvarint(reader) - 1 : reader_int32(reader);

    CHECK(wire_size_min > 0);
    *count = 0;
    if (reader->failed || (claimed == -1 && nullable)) return NULL;
    if (claimed < 0 || claimed > reader_left(reader) / wire_size_min) {
        reader_fail(reader);
        return NULL;
    }
    void *elements = arena_take(arena, (uint32_t)claimed, element_size);
    if (elements == NULL) reader_fail(reader);
    else *count = (uint32_t)claimed;
    return elements;
}

struct tags reader_tags(struct reader *reader)
{
    return (struct tags){ .left = reader_uvarint(reader), .last = -1 };
}

int32_t reader_tag(struct reader *reader, struct tags *tags, struct reader *value)
{
    if (tags->left == 0 || reader->failed) return -1;
    const uint32_t tag = reader_uvarint(reader), size = reader_uvarint(reader);
    const uint8_t *data = reader_take(reader, size);
    if (reader->failed || tag > INT32_MAX || (int64_t)tag <= tags->last) {
        reader_fail(reader);
        return -1;
    }
    tags->left--;
    tags->last = tag;
    *value = reader_of((struct bytes){ data, size });
    return (int32_t)tag;
}

void reader_join(struct reader *reader, const struct reader *value)
{
    if (value->failed || reader_left(value) > 0) reader_fail(reader);
}

void reader_skip_long_tags(struct reader *reader)
{
    struct tags tags = reader_tags(reader);
    struct reader value;

    while (reader_tag(reader, &tags, &value) >= 0) {
    }
}
