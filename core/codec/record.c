#include "codec/record.h"
#include "base/check.h"

const uint8_t *varint_read_long(const uint8_t *at, const uint8_t *end, int32_t *value)
{
    uint32_t zigzag = 0;

    for (unsigned shift = 0; shift < 35 && at != end; shift += 7) {
        const uint32_t byte = *at++;
        zigzag |= (byte & 0x7f) << shift;
        if (byte >= 0x80) continue;
        *value = unzigzag(zigzag);
        return at;
    }
    return NULL;
}

const uint8_t *varlong_read_long(const uint8_t *at, const uint8_t *end, int64_t *value)
{
    uint64_t zigzag = 0;

    for (unsigned shift = 0; shift < 70 && at != end; shift += 7) {
        const uint64_t byte = *at++;
        zigzag |= (byte & 0x7f) << shift;
        if (byte >= 0x80) continue;
        *value = (int64_t)(zigzag >> 1) ^ -(int64_t)(zigzag & 1);
        return at;
    }
    return NULL;
}

/* Whether so many headers lie between `at` and `end`, and nothing else. */
static bool record_headers_fit(const uint8_t *at, const uint8_t *end, int32_t count)
{
    if (count < 0) return false; /* and a large lie ends with the bytes */
    for (int32_t i = 0; i < count; i++) {
        struct bytes key, value;
        if ((at = varint_bytes_read(at, end, &key)) == NULL || key.data == NULL) return false;
        if ((at = varint_bytes_read(at, end, &value)) == NULL) return false;
    }
    return at == end;
}

const uint8_t *record_read_any(const uint8_t *at, const uint8_t *end, struct record *record)
{
    int32_t length;
    at = varint_read(at, end, &length);
    if (at == NULL || length < 1 || length > end - at) return NULL;
    end = at + length;

    if ((at = varlong_read_long(at + 1, end, &record->timestamp_delta)) == NULL) return NULL;
    if ((at = varint_read(at, end, &record->offset_delta)) == NULL) return NULL;
    if ((at = varint_bytes_read(at, end, &record->key)) == NULL) return NULL;
    if ((at = varint_bytes_read(at, end, &record->value)) == NULL) return NULL;
    if ((at = varint_read(at, end, &record->header_count)) == NULL) return NULL;
    record->headers = (struct bytes){ at, (uint32_t)(end - at) };
    return record_headers_fit(at, end, record->header_count) ? end : NULL;
}

uint8_t *record_write_retimed(uint8_t *to, struct bytes record, int64_t timestamp_delta)
{
    const uint8_t *end = record.data + record.size;
    int64_t delta_before;
    int32_t length;

    const uint8_t *attributes = varint_read(record.data, end, &length);
    CHECK(attributes != NULL && attributes < end);
    const uint8_t *rest = varlong_read_long(attributes + 1, end, &delta_before);
    CHECK(rest != NULL);
    const uint64_t delta = varlong_zigzag(timestamp_delta);
    const uint32_t rest_size = (uint32_t)(end - rest);
    to = unsigned_varint_write(to, varint_zigzag((int32_t)(1 + unsigned_varint_size(delta) + rest_size)));
    *to++ = *attributes;
    to = unsigned_varint_write(to, delta);
    memcpy(to, rest, rest_size);
    return to + rest_size;
}

struct record_header record_header_next(struct bytes *headers)
{
    struct record_header header;
    const uint8_t *end = headers->data + headers->size;
    const uint8_t *at = varint_bytes_read(headers->data, end, &header.key);
    CHECK(at != NULL); /* record_read looked */
    at = varint_bytes_read(at, end, &header.value);
    CHECK(at != NULL);
    *headers = (struct bytes){ at, (uint32_t)(end - at) };
    return header;
}

void record_iterator_init(struct record_iterator *iterator, const struct record_batch *batch, struct bytes records)
{
    *iterator = (struct record_iterator){ batch, records.data, records.data + records.size, batch->record_count };
}

enum record_iteration record_iterator_next(struct record_iterator *iterator, struct record *record)
{
    if (iterator->left <= 0) return iterator->at == iterator->end ? RECORD_END : RECORD_MALFORMED;
    const uint8_t *next = record_read(iterator->at, iterator->end, record);
    if (next == NULL) return RECORD_MALFORMED;
    iterator->at = next;
    iterator->left--;
    return RECORD_NEXT;
}

enum record_search record_find_time(const struct record_batch *batch, struct bytes records, int64_t timestamp,
                                    int64_t offset_min, struct record_found *found)
{
    struct record_iterator iterator;
    struct record record;
    enum record_iteration iteration;

    record_iterator_init(&iterator, batch, records);
    while ((iteration = record_iterator_next(&iterator, &record)) == RECORD_NEXT) {
        *found = (struct record_found){ record_offset(batch, &record), record_timestamp(batch, &record) };
        if (MUTANT(record_find_time_is_strict) && found->timestamp == timestamp) continue;
        if (found->timestamp >= timestamp && found->offset >= offset_min) return RECORD_FOUND;
    }
    return iteration == RECORD_END ? RECORD_NOT_FOUND : RECORD_UNREADABLE;
}

enum record_search record_find_max_timestamp(const struct record_batch *batch, struct bytes records,
                                             struct record_found *found)
{
    return record_find_time(batch, records, batch->max_timestamp, batch->base_offset, found);
}
