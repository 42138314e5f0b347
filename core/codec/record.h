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

/* The general case of varint_read and varlong_read: at most five and ten bytes, else NULL. */
const uint8_t *varint_read_long(const uint8_t *at, const uint8_t *end, int32_t *value);
const uint8_t *varlong_read_long(const uint8_t *at, const uint8_t *end, int64_t *value);

/* Whether so many headers lie between `at` and `end`, and nothing else. */
bool record_headers_fit(const uint8_t *at, const uint8_t *end, int32_t count);

/* Reads a zigzag varint: where it ends, or NULL if it is cut short or too long. One and two bytes are nearly all that
 * ever comes, and are worth being inline. */
static inline const uint8_t *varint_read(const uint8_t *at, const uint8_t *end, int32_t *value)
{
    uint32_t zigzag;
    if (end - at < 2 || (at[0] & at[1]) >= 0x80) return varint_read_long(at, end, value);
    if (at[0] < 0x80) zigzag = *at++;
    else zigzag = (at[0] & 0x7fu) | (uint32_t)at[1] << 7, at += 2;
    *value = (int32_t)(zigzag >> 1) ^ -(int32_t)(zigzag & 1);
    return at;
}

static inline const uint8_t *varlong_read(const uint8_t *at, const uint8_t *end, int64_t *value)
{
    int32_t narrow;
    if (end - at < 2 || (at[0] & at[1]) >= 0x80) return varlong_read_long(at, end, value);
    at = varint_read(at, end, &narrow);
    *value = narrow;
    return at;
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
static inline const uint8_t *record_read(const uint8_t *at, const uint8_t *end, struct record *record)
{
    int32_t length;
    at = varint_read(at, end, &length);
    if (at == NULL || length < 1 || length > end - at) return NULL;
    end = at + length;

    if ((at = varlong_read(at + 1, end, &record->timestamp_delta)) == NULL) return NULL;
    if ((at = varint_read(at, end, &record->offset_delta)) == NULL) return NULL;
    if ((at = varint_bytes_read(at, end, &record->key)) == NULL) return NULL;
    if ((at = varint_bytes_read(at, end, &record->value)) == NULL) return NULL;
    if ((at = varint_read(at, end, &record->header_count)) == NULL) return NULL;
    record->headers = (struct bytes){ at, (uint32_t)(end - at) };
    if (record->header_count == 0 && at == end) return end;
    return record_headers_fit(at, end, record->header_count) ? end : NULL;
}

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
