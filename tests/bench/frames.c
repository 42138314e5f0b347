#include "frames.h"

#include "base/crc32c.h"

#include <string.h>
#include <time.h>

uint64_t get(struct cursor *cursor, int bytes)
{
    uint64_t value = 0;

    if (cursor->end - cursor->at < bytes) {
        cursor->at = cursor->end;
        return 0;
    }
    while (bytes-- > 0) value = value << 8 | *cursor->at++;
    return value;
}

void put(struct cursor *cursor, int bytes, uint64_t value)
{
    while (bytes-- > 0) *cursor->at++ = (uint8_t)(value >> (8 * bytes));
}

void put_bytes(struct cursor *cursor, const void *bytes, size_t size)
{
    memcpy(cursor->at, bytes, size);
    cursor->at += size;
}

static void put_string(struct cursor *cursor, const char *text)
{
    put(cursor, 2, strlen(text));
    put_bytes(cursor, text, strlen(text));
}

void skip_string(struct cursor *cursor)
{
    const int16_t size = (int16_t)get(cursor, 2);
    if (size > 0) cursor->at = cursor->end - cursor->at < size ? cursor->end : cursor->at + size;
}

/* ---- frames ---- */

static struct cursor frame_begin(uint8_t *to, int api, int version)
{
    struct cursor cursor = { to + 4, NULL };
    put(&cursor, 2, (uint64_t)api);
    put(&cursor, 2, (uint64_t)version);
    put(&cursor, 4, 1); /* the same correlation id in all: answers come in order */
    put_string(&cursor, "bench");
    return cursor;
}

static uint8_t *frame_end(uint8_t *to, struct cursor cursor)
{
    struct cursor size = { to, NULL };
    put(&size, 4, (uint64_t)(cursor.at - to - 4));
    return cursor.at;
}

uint8_t *frame_produce(uint8_t *to, const char *topic, int partition, int acks, const uint8_t *batch, size_t batch_size)
{
    struct cursor cursor = frame_begin(to, API_PRODUCE, PRODUCE_VERSION);
    put(&cursor, 2, 0xffff); /* no transaction */
    put(&cursor, 2, (uint16_t)acks);
    put(&cursor, 4, 30000);
    put(&cursor, 4, 1);
    put_string(&cursor, topic);
    put(&cursor, 4, 1);
    put(&cursor, 4, (uint64_t)partition);
    put(&cursor, 4, batch_size);
    put_bytes(&cursor, batch, batch_size);
    return frame_end(to, cursor);
}

uint8_t *frame_fetch(uint8_t *to, const char *topic, int partition, int64_t offset, int32_t wait_ms, int32_t size_max)
{
    struct cursor cursor = frame_begin(to, API_FETCH, FETCH_VERSION);
    put(&cursor, 4, 0xffffffff); /* a consumer */
    put(&cursor, 4, (uint64_t)wait_ms);
    put(&cursor, 4, 1);
    put(&cursor, 4, (uint64_t)size_max);
    put(&cursor, 1, 0);
    put(&cursor, 4, 1);
    put_string(&cursor, topic);
    put(&cursor, 4, 1);
    put(&cursor, 4, (uint64_t)partition);
    put(&cursor, 8, (uint64_t)offset);
    put(&cursor, 4, (uint64_t)size_max);
    return frame_end(to, cursor);
}

uint8_t *frame_create_topic(uint8_t *to, const char *topic, int partitions)
{
    struct cursor cursor = frame_begin(to, API_CREATE_TOPICS, 0);
    put(&cursor, 4, 1);
    put_string(&cursor, topic);
    put(&cursor, 4, (uint64_t)partitions);
    put(&cursor, 2, 1);
    put(&cursor, 4, 0);
    put(&cursor, 4, 0);
    put(&cursor, 4, 30000);
    return frame_end(to, cursor);
}

uint8_t *frame_simple(uint8_t *to, int api, int version)
{
    struct cursor cursor = frame_begin(to, api, version);
    if (api != API_VERSIONS) put(&cursor, 4, 0);
    return frame_end(to, cursor);
}

/* ---- a batch ---- */

static void put_varint(struct cursor *cursor, int64_t number)
{
    uint64_t bits = (uint64_t)number << 1 ^ (uint64_t)(number >> 63);
    for (; bits >= 0x80; bits >>= 7) put(cursor, 1, (bits & 0x7f) | 0x80);
    put(cursor, 1, bits);
}

static int varint_size(int64_t number)
{
    uint8_t bytes[10];
    struct cursor cursor = { bytes, NULL };
    put_varint(&cursor, number);
    return (int)(cursor.at - bytes);
}

static void put_record(struct cursor *cursor, uint32_t index, size_t value_size, uint64_t *random)
{
    const int64_t value = (int64_t)value_size;

    put_varint(cursor, 1 + 1 + varint_size(index) + 1 + varint_size(value) + value + 1);
    put(cursor, 1, 0);
    put_varint(cursor, 0);
    put_varint(cursor, index);
    put_varint(cursor, -1); /* no key */
    put_varint(cursor, value);
    for (size_t i = 0; i < value_size; i++) {
        *random ^= *random << 13, *random ^= *random >> 7, *random ^= *random << 17;
        put(cursor, 1, *random & 0xff);
    }
    put_varint(cursor, 0); /* no headers */
}

size_t batch_write(uint8_t *to, uint32_t count, size_t value_size, uint64_t seed)
{
    struct cursor cursor = { to + BATCH_HEADER_SIZE, NULL };
    struct timespec wall;
    uint64_t random = seed * 2 + 88172645463325252u;

    for (uint32_t i = 0; i < count; i++) put_record(&cursor, i, value_size, &random);
    const size_t size = (size_t)(cursor.at - to);
    clock_gettime(CLOCK_REALTIME, &wall);
    const uint64_t now_ms = (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_nsec / 1000000;
    cursor.at = to;
    put(&cursor, 8, 0);
    put(&cursor, 4, size - 12);
    put(&cursor, 4, 0xffffffff);
    put(&cursor, 1, 2);
    put(&cursor, 4, 0); /* the checksum's place */
    put(&cursor, 2, 0);
    put(&cursor, 4, count - 1);
    put(&cursor, 8, now_ms);
    put(&cursor, 8, now_ms);
    put(&cursor, 8, UINT64_MAX);
    put(&cursor, 2, 0xffff);
    put(&cursor, 4, 0xffffffff);
    put(&cursor, 4, count);
    cursor.at = to + 17;
    put(&cursor, 4, crc32c(0, to + 21, size - 21));
    return size;
}

/* ---- answers ---- */

static struct cursor answer_begin(const uint8_t *payload, size_t size)
{
    struct cursor cursor = { (uint8_t *)(uintptr_t)payload, (uint8_t *)(uintptr_t)payload + size };
    get(&cursor, 4); /* correlation id */
    return cursor;
}

int16_t produce_answer_error(const uint8_t *payload, size_t size)
{
    struct cursor cursor = answer_begin(payload, size);
    get(&cursor, 4);
    skip_string(&cursor);
    get(&cursor, 8); /* one partition, and its index */
    return (int16_t)get(&cursor, 2);
}

struct fetched fetch_answer_read(const uint8_t *payload, size_t size)
{
    struct cursor cursor = answer_begin(payload, size);
    struct fetched fetched = { .next_offset = -1 };

    get(&cursor, 8); /* throttle time, topics */
    skip_string(&cursor);
    get(&cursor, 8);
    fetched.error = (int16_t)get(&cursor, 2);
    fetched.high_watermark = (int64_t)get(&cursor, 8);
    get(&cursor, 8);
    const int32_t aborted = (int32_t)get(&cursor, 4);
    if (aborted > 0) cursor.at += 16 * aborted;
    fetched.records_size = (uint32_t)get(&cursor, 4);
    while (cursor.end - cursor.at >= BATCH_HEADER_SIZE) {
        struct cursor batch = cursor;
        const int64_t base = (int64_t)get(&batch, 8);
        const size_t length = get(&batch, 4);
        if (length > (size_t)(batch.end - batch.at)) break; /* cut by the limit */
        cursor.at = batch.at + length;
        batch.at += 11;
        fetched.next_offset = base + (int64_t)get(&batch, 4) + 1;
        batch.at += 30;
        fetched.record_count += get(&batch, 4);
    }
    return fetched;
}

int16_t create_answer_error(const uint8_t *payload, size_t size)
{
    struct cursor cursor = answer_begin(payload, size);
    get(&cursor, 4);
    skip_string(&cursor);
    return (int16_t)get(&cursor, 2);
}
