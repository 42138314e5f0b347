/* reader.h -- Kafka's primitive types, read from memory that somebody else owns.
 *
 * A reader walks over bytes once, front to back. It is sticky: the first byte that is missing or wrong makes it fail,
 * and from then on every question is answered with zero or nothing. So read all fields, ask once.
 *
 * What it hands out refers to the bytes it reads; nothing is copied except arrays, whose elements go into an arena.
 *
 *   Null and empty.  A null string, byte string or array has a NULL pointer (and size 0). An empty one has size 0 and
 *                    a pointer that is not NULL.
 *   Lengths.         A length is believed only up to the bytes that are left; an array's, only up to the elements
 *                    that the bytes left could hold. So no claim makes us take more memory than a fixed multiple of
 *                    what was really sent.
 *
 * "flexible" is Kafka's word for the newer encoding (KIP-482): lengths are unsigned varints, one larger than the
 * length so that 0 is null, and every structure ends in tagged fields. */
#ifndef CHRONIK_CODEC_READER_H
#define CHRONIK_CODEC_READER_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/uuid.h"

enum { STRING_SIZE_MAX = 0x7fff }; /* what the older encoding can say; Kafka refuses more in the newer one too */

struct reader {
    const uint8_t *at; /* the next byte */
    const uint8_t *end;
    bool failed; /* then at == end */
};

/* The tagged fields at the end of a structure, while they are walked. */
struct tags {
    uint32_t left;
    int64_t last; /* tags come in rising order, each once; -1 before the first */
};

static inline struct reader reader_of(struct bytes bytes)
{
    return (struct reader){ .at = bytes.data, .end = bytes.data == NULL ? NULL : bytes.data + bytes.size };
}

/* The one question at the end: has everything so far been there, and right? */
static inline bool reader_ok(const struct reader *reader)
{
    return !reader->failed;
}

/* Bytes not read yet. After the last field of a message: trailing garbage. */
static inline uint32_t reader_left(const struct reader *reader)
{
    return (uint32_t)(reader->end - reader->at);
}

/* For callers that find a value impossible. */
static inline void reader_fail(struct reader *reader)
{
    reader->at = reader->end;
    reader->failed = true;
}

/* The next `size` bytes, or NULL and failure. */
static inline const uint8_t *reader_take(struct reader *reader, uint32_t size)
{
    if (reader_left(reader) < size) {
        reader_fail(reader);
        return NULL;
    }
    const uint8_t *taken = reader->at;
    reader->at += size;
    return taken;
}

static inline uint8_t reader_uint8(struct reader *reader)
{
    const uint8_t *from = reader_take(reader, 1);
    return from == NULL ? 0 : *from;
}

static inline uint16_t reader_uint16(struct reader *reader)
{
    const uint8_t *from = reader_take(reader, 2);
    return from == NULL ? 0 : load_u16(from);
}

static inline uint32_t reader_uint32(struct reader *reader)
{
    const uint8_t *from = reader_take(reader, 4);
    return from == NULL ? 0 : load_u32(from);
}

static inline int64_t reader_int64(struct reader *reader)
{
    const uint8_t *from = reader_take(reader, 8);
    return from == NULL ? 0 : (int64_t)load_u64(from);
}

/* Kafka reads any byte but 0 as true. */
static inline bool reader_bool(struct reader *reader)
{
    return reader_uint8(reader) != 0;
}

static inline int8_t reader_int8(struct reader *reader)
{
    return (int8_t)reader_uint8(reader);
}

static inline int16_t reader_int16(struct reader *reader)
{
    return (int16_t)reader_uint16(reader);
}

static inline int32_t reader_int32(struct reader *reader)
{
    return (int32_t)reader_uint32(reader);
}

/* Unsigned varints: seven bits per byte, the lowest first, the top bit set while more follow. Five bytes carry 32
 * bits, ten carry 64; more, or bits beyond the width, fail. */
uint32_t reader_long_uvarint(struct reader *reader);
uint64_t reader_uvarlong(struct reader *reader);

static inline uint32_t reader_uvarint(struct reader *reader)
{
    if (reader->at < reader->end && *reader->at < 0x80) return *reader->at++;
    return reader_long_uvarint(reader);
}

/* Signed varints, zigzag: 0, -1, 1, -2 ... are 0, 1, 2, 3 ... */
static inline int32_t reader_varint(struct reader *reader)
{
    const uint32_t zigzag = reader_uvarint(reader);
    return (int32_t)(zigzag >> 1 ^ (0 - (zigzag & 1)));
}

static inline int64_t reader_varlong(struct reader *reader)
{
    const uint64_t zigzag = reader_uvarlong(reader);
    return (int64_t)(zigzag >> 1 ^ (0 - (zigzag & 1)));
}

struct uuid reader_uuid(struct reader *reader);

/* A string; null fails unless `nullable`. */
struct bytes reader_string(struct reader *reader, bool flexible, bool nullable);

/* A byte string or records (one encoding for both); null fails unless `nullable`. */
struct bytes reader_bytes(struct reader *reader, bool flexible, bool nullable);

/* An array's length and, from the arena, room for its elements of `element_size` bytes in memory. `wire_size_min` is
 * the least that one element takes on the wire. NULL and *count 0 if the array is null or reading failed; a full
 * arena fails the reader too, and arena->exhausted tells the two apart. */
void *reader_array(struct reader *reader, struct arena *arena, bool flexible, bool nullable, uint32_t wire_size_min,
                   uint32_t element_size, uint32_t *count);

/* Tagged fields: reader_tags, then reader_tag until it answers -1. Each tag comes with a reader over its value alone.
 * A tag that is not known is simply not looked at; after reading one that is, reader_join reports to `reader` whether
 * the value was right and whole. */
struct tags reader_tags(struct reader *reader);
int32_t reader_tag(struct reader *reader, struct tags *tags, struct reader *value);
void reader_join(struct reader *reader, const struct reader *value);

/* For a structure that knows no tag. */
void reader_skip_long_tags(struct reader *reader);

static inline void reader_skip_tags(struct reader *reader)
{
    if (reader->at < reader->end && *reader->at == 0) reader->at++;
    else reader_skip_long_tags(reader);
}

#endif
