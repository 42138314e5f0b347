/* writer.h -- Kafka's primitive types, written into memory that the caller gives.
 *
 * A writer never writes past its capacity and never stops counting: `size` is what the message takes, whether it
 * fitted or not. So write all fields, ask once; and measuring is nothing but writing into no memory at all:
 *
 *     struct writer measure = writer_measuring();
 *     metadata_response_write(&measure, version, &response);       -> measure.size
 *
 * Records by reference. A fetch response carries records that lie elsewhere: in a partition's tail buffer, or in a
 * file. With writer_refer the writer takes no copy of them, it notes where they belong; see there.
 *
 * Null, empty and flexible are explained in reader.h. What is not nullable in the version being written goes out as
 * empty when it is null. */
#ifndef CHRONIK_CODEC_WRITER_H
#define CHRONIK_CODEC_WRITER_H

#include "base/bytes.h"
#include "base/check.h"
#include "base/uuid.h"
#include "codec/reader.h"

/* Records that go out between byte `position - 1` and byte `position` of what was written. */
struct referred {
    uint64_t position;
    struct bytes records; /* as it was in the message: never empty, never looked into */
};

struct writer {
    uint8_t *data;
    uint32_t capacity;
    uint64_t size;  /* what all of it takes so far; nothing beyond capacity is stored */
    bool malformed; /* a string above STRING_SIZE_MAX, a size above INT32_MAX, or too many records by reference */
    struct referred *referred;
    uint32_t referred_count;
    uint32_t referred_max; /* 0: records are copied like everything else */
    uint64_t referred_size;
};

static inline struct writer writer_of(void *memory, uint32_t capacity)
{
    return (struct writer){ .data = memory, .capacity = capacity };
}

static inline struct writer writer_measuring(void)
{
    return (struct writer){ .data = NULL };
}

/* From here on records are not copied: their length is written, and `list` says which bytes belong where, in rising
 * order of position. More than `max` of them is an overflow. Whoever sends puts them in between; for records in a
 * file, `data` may be any address that is not NULL. */
static inline void writer_refer(struct writer *writer, struct referred *list, uint32_t max)
{
    CHECK(max > 0);
    writer->referred = list;
    writer->referred_max = max;
}

/* The one question at the end: does all of it lie in memory? */
static inline bool writer_ok(const struct writer *writer)
{
    return !writer->malformed && writer->size <= writer->capacity;
}

/* What was written. Asked only when writer_ok. */
static inline struct bytes writer_written(const struct writer *writer)
{
    CHECK(writer_ok(writer));
    return (struct bytes){ writer->data, (uint32_t)writer->size };
}

/* Room for the next `size` bytes, or NULL if they do not fit. What did not fit once never fits later. */
static inline uint8_t *writer_take(struct writer *writer, uint32_t size)
{
    const uint64_t at = writer->size;

    writer->size += size;
    return writer->size <= writer->capacity ? writer->data + at : NULL;
}

static inline void writer_uint8(struct writer *writer, uint8_t value)
{
    uint8_t *to = writer_take(writer, 1);
    if (to != NULL) *to = value;
}

static inline void writer_uint16(struct writer *writer, uint16_t value)
{
    uint8_t *to = writer_take(writer, 2);
    if (to != NULL) store_u16(to, value);
}

static inline void writer_uint32(struct writer *writer, uint32_t value)
{
    uint8_t *to = writer_take(writer, 4);
    if (to != NULL) store_u32(to, value);
}

static inline void writer_int64(struct writer *writer, int64_t value)
{
    uint8_t *to = writer_take(writer, 8);
    if (to != NULL) store_u64(to, (uint64_t)value);
}

static inline void writer_bool(struct writer *writer, bool value)
{
    writer_uint8(writer, value);
}

static inline void writer_int8(struct writer *writer, int8_t value)
{
    writer_uint8(writer, (uint8_t)value);
}

static inline void writer_int16(struct writer *writer, int16_t value)
{
    writer_uint16(writer, (uint16_t)value);
}

static inline void writer_int32(struct writer *writer, int32_t value)
{
    writer_uint32(writer, (uint32_t)value);
}

void writer_uvarlong(struct writer *writer, uint64_t value);

static inline void writer_uvarint(struct writer *writer, uint32_t value)
{
    if (value < 0x80) writer_uint8(writer, (uint8_t)value);
    else writer_uvarlong(writer, value);
}

static inline void writer_varlong(struct writer *writer, int64_t value)
{
    writer_uvarlong(writer, (uint64_t)value << 1 ^ (uint64_t)(value < 0 ? -1 : 0));
}

static inline void writer_varint(struct writer *writer, int32_t value)
{
    writer_varlong(writer, value); /* zigzag of a small number is the same in 32 and 64 bits */
}

/* Bytes as they are, without a length. */
void writer_raw(struct writer *writer, struct bytes bytes);

void writer_uuid(struct writer *writer, const struct uuid *uuid);
void writer_string(struct writer *writer, bool flexible, bool nullable, struct bytes string);
void writer_bytes(struct writer *writer, bool flexible, bool nullable, struct bytes bytes);

/* Like writer_bytes, but by reference after writer_refer. */
void writer_records(struct writer *writer, bool flexible, bool nullable, struct bytes records);

/* An array's length; the elements follow. `elements` tells null from empty and is not looked into. */
void writer_array(struct writer *writer, bool flexible, bool nullable, const void *elements, uint32_t count);

/* What stands before a tagged value that was written into `measured` to learn its size. */
void writer_tag(struct writer *writer, uint32_t tag, const struct writer *measured);

/* An int32 whose value is known only later: its position, and its value then. A frame's size, for one. */
static inline uint64_t writer_leave_int32(struct writer *writer)
{
    const uint64_t position = writer->size;
    writer_uint32(writer, 0);
    return position;
}

void writer_patch_int32(struct writer *writer, uint64_t position, int32_t value);

#endif
