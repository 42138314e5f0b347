#include "codec/api.h"

#include "base/check.h"

const struct api *api_find(int16_t key)
{
    uint32_t begin = 0, end = API_COUNT;

    while (begin < end) {
        const uint32_t middle = begin + (end - begin) / 2;
        if (api_table[middle].key == key) return &api_table[middle];
        if (api_table[middle].key < key) begin = middle + 1;
        else end = middle;
    }
    return NULL;
}

enum header_verdict request_header_read(struct reader *reader, struct request_header *header)
{
    *header = (struct request_header){ .api_key = reader_int16(reader) };
    header->api_version = reader_int16(reader);
    header->correlation_id = reader_int32(reader);
    if (!reader_ok(reader)) return HEADER_MALFORMED;
    const struct api *api = api_find(header->api_key);
    if (api == NULL) return HEADER_UNKNOWN_API;

    const bool served = api->served_min <= header->api_version && header->api_version <= api->served_max;
    header->client_id = reader_string(reader, false, true);
    if (!served) return HEADER_UNSERVED_VERSION;
    if (header->api_version >= api->flexible_min) reader_skip_tags(reader);
    if (!reader_ok(reader)) return HEADER_MALFORMED;
    return api->advertised ? HEADER_SERVED : HEADER_UNADVERTISED;
}

void request_header_write(struct writer *writer, const struct request_header *header)
{
    const struct api *api = api_find(header->api_key);

    CHECK(api != NULL);
    writer_int16(writer, header->api_key);
    writer_int16(writer, header->api_version);
    writer_int32(writer, header->correlation_id);
    writer_string(writer, false, true, header->client_id);
    if (header->api_version >= api->flexible_min) writer_uvarint(writer, 0);
}

static bool response_header_has_tags(int16_t api_key, int16_t api_version)
{
    const struct api *api = api_find(api_key);

    CHECK(api != NULL);
    return api_key != API_API_VERSIONS && api_version >= api->flexible_min;
}

void response_header_write(struct writer *writer, int16_t api_key, int16_t api_version, int32_t correlation_id)
{
    writer_int32(writer, correlation_id);
    if (response_header_has_tags(api_key, api_version)) writer_uvarint(writer, 0);
}

bool response_header_read(struct reader *reader, int16_t api_key, int16_t api_version, int32_t *correlation_id)
{
    *correlation_id = reader_int32(reader);
    if (response_header_has_tags(api_key, api_version)) reader_skip_tags(reader);
    return reader_ok(reader);
}
