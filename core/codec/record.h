/* record.h -- the records inside a batch, one after the other, from uncompressed bytes.
 *
 *     length | attributes | timestamp delta | offset delta | key length | key | value length | value |
 *     header count | (key length | key | value length | value)*
 *
 * All numbers but the attributes byte (0, and ignored as Kafka does) are zigzag varints; a negative length of a key
 * or value is null. The walk believes no length beyond the bytes there are, and costs no more than they.
 * A null key, value or header value has a NULL pointer; an empty one has size 0 and a pointer that is not NULL. */
#ifndef CHRONIK_CODEC_RECORD_H
#define CHRONIK_CODEC_RECORD_H

#include "codec/record_batch.h"

struct record {
    int64_t timestamp_delta;
    int32_t offset_delta;
    int32_t header_count;
    struct bytes key;
    struct bytes value;
    struct bytes headers; /* header_count of them, already seen to be well formed; see record_header_next */
};

struct record_header {
    struct bytes key; /* never null */
    struct bytes value;
};

/* Varints of any length: at most five and ten bytes, else NULL. */
const uint8_t *varint_read_long(const uint8_t *at, const uint8_t *end, int32_t *value);
const uint8_t *varlong_read_long(const uint8_t *at, const uint8_t *end, int64_t *value);

static inline int32_t unzigzag(uint32_t zigzag)
{
    return (int32_t)(zigzag >> 1) ^ -(int32_t)(zigzag & 1);
}

/* Reads a zigzag varint: where it ends, or NULL if it is cut short or too long. */
static inline const uint8_t *varint_read(const uint8_t *at, const uint8_t *end, int32_t *value)
{
    if (at == end || *at >= 0x80) return varint_read_long(at, end, value);
    *value = unzigzag(*at);
    return at + 1;
}

/* A length and as many bytes; NULL if there are fewer. */
static inline const uint8_t *varint_bytes_read(const uint8_t *at, const uint8_t *end, struct bytes *bytes)
{
    int32_t length;
    at = varint_read(at, end, &length);
    if (at == NULL || length > end - at) return NULL;
    *bytes = length < 0 ? (struct bytes){ NULL, 0 } : (struct bytes){ at, (uint32_t)length };
    return at + bytes->size;
}

/* Reads the record at `at`: where the next one begins, or NULL if this is none. */
const uint8_t *record_read_any(const uint8_t *at, const uint8_t *end, struct record *record);

/* An unsigned varint of one or two bytes, which must be readable; where it is longer, `longer` gets its top bit. */
static inline uint32_t short_varint(const uint8_t **at, uint32_t *longer)
{
    const uint8_t *from = *at;
    if (from[0] < 0x80) {
        *at += 1;
        return from[0];
    }
    *at += 2;
    *longer |= from[1];
    return (from[0] & 0x7fu) | (uint32_t)from[1] << 7;
}

/* The same as record_read_any, which it asks in all cases that are not quite usual: varints of three bytes and more
 * (records of 8 KiB and more), headers, the last bytes of a batch, and whatever is wrong. Most records are small, and
 * a broker spends most of its time for a produce request here; it pays to look for the end only now and then. */
static inline const uint8_t *record_read(const uint8_t *begin, const uint8_t *end, struct record *record)
{
    enum { FIXED_MAX = 2 + 1 + 2 + 2 + 2 }; /* up to and with the key's length */
    const uint8_t *at = begin;
    uint32_t longer = 0;

    if (end - at < FIXED_MAX) return record_read_any(begin, end, record);
    const uint32_t length = short_varint(&at, &longer);
    if (length / 2 > end - at) return record_read_any(begin, end, record);
    const uint8_t *next = at + length / 2;
    at++;
    record->timestamp_delta = unzigzag(short_varint(&at, &longer));
    record->offset_delta = unzigzag(short_varint(&at, &longer));
    const uint32_t key = short_varint(&at, &longer);
    const uint32_t key_size = (key & 1) != 0 ? 0 : key / 2;
    /* two numbers follow the key */
    if ((length & 1) != 0 || next - at < (ptrdiff_t)key_size + 2) return record_read_any(begin, end, record);
    record->key = (struct bytes){ (key & 1) != 0 ? NULL : at, key_size };
    at += key_size;

    const uint32_t value = short_varint(&at, &longer);
    const uint32_t value_size = (value & 1) != 0 ? 0 : value / 2;
    if ((longer & 0x80) != 0 || next - at != (ptrdiff_t)value_size + 1) return record_read_any(begin, end, record);
    record->value = (struct bytes){ (value & 1) != 0 ? NULL : at, value_size };
    at += value_size;
    if (*at != 0) return record_read_any(begin, end, record);
    record->header_count = 0;
    record->headers = (struct bytes){ next, 0 };
    return next;
}

/* Writing: how many bytes an unsigned varint has, and where it ends. */
static inline uint32_t unsigned_varint_size(uint64_t value)
{
    uint32_t size = 1;
    for (; value >= 0x80; value >>= 7) size++;
    return size;
}

static inline uint8_t *unsigned_varint_write(uint8_t *to, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) *to++ = (uint8_t)(value | 0x80);
    *to++ = (uint8_t)value;
    return to;
}

static inline uint32_t varint_zigzag(int32_t value)
{
    return (uint32_t)value << 1 ^ (uint32_t)(value >> 31);
}

static inline uint64_t varlong_zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

/* A record with another timestamp delta may be so much larger. */
enum { RECORD_RETIMED_GROWTH_MAX = 9 + 4 };

/* Writes a record as it lies in a batch, which record_read has read, with another timestamp delta; where it ends. */
uint8_t *record_write_retimed(uint8_t *to, struct bytes record, int64_t timestamp_delta);

/* Takes the next header off the front of `headers`, which came from a record; call it header_count times. */
struct record_header record_header_next(struct bytes *headers);

struct record_iterator {
    const struct record_batch *batch;
    const uint8_t *at, *end;
    int32_t left;
};

enum record_iteration {
    RECORD_NEXT,      /* here is one */
    RECORD_END,       /* as many as the head says, and no bytes behind them */
    RECORD_MALFORMED, /* the bytes are not the records that the head speaks of */
};

/* Begins to walk `records`, the batch's uncompressed payload (record_batch_open). */
void record_iterator_init(struct record_iterator *iterator, const struct record_batch *batch, struct bytes records);

enum record_iteration record_iterator_next(struct record_iterator *iterator, struct record *record);

static inline int64_t record_offset(const struct record_batch *batch, const struct record *record)
{
    return (int64_t)((uint64_t)batch->base_offset + (uint64_t)record->offset_delta);
}

/* With LogAppendTime all records have the batch's time, whatever their producer wrote. */
static inline int64_t record_timestamp(const struct record_batch *batch, const struct record *record)
{
    if ((batch->attributes & RECORD_BATCH_LOG_APPEND_TIME) != 0) return batch->max_timestamp;
    return (int64_t)((uint64_t)batch->base_timestamp + (uint64_t)record->timestamp_delta);
}

struct record_found {
    int64_t offset;
    int64_t timestamp;
};

enum record_search {
    RECORD_FOUND,
    RECORD_NOT_FOUND,
    RECORD_UNREADABLE, /* malformed before one was found */
};

/* The first record at or above offset_min whose timestamp is at least `timestamp`. */
enum record_search record_find_time(const struct record_batch *batch, struct bytes records, int64_t timestamp,
                                    int64_t offset_min, struct record_found *found);

/* The first record that has the batch's max timestamp. */
enum record_search record_find_max_timestamp(const struct record_batch *batch, struct bytes records,
                                             struct record_found *found);

#endif
