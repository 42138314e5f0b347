#include "codec/api.h"
#include "codec/errors.h"
#include "t.h"

static const struct header_row {
    const char *why;
    const char *bytes;
    size_t size;
    enum header_verdict verdict;
    const char *client_id; /* NULL: null */
    uint32_t left;
} header_rows[] = {
#define HEADER(key, version, rest) key version "\0\0\0\7" rest, 8 + sizeof(rest) - 1
    { "v1", HEADER("\0\0", "\0\3", "\0\2meBODY"), HEADER_SERVED, "me", 4 },
    { "v2: tags, and an older string", HEADER("\0\0", "\0\x09", "\0\2me\1\0\1xBODY"), HEADER_SERVED, "me", 4 },
    { "no client id", HEADER("\0\0", "\0\3", "\xff\xff"), HEADER_SERVED, NULL, 0 },
    { "advertised and yet not served", HEADER("\0\0", "\0\2", "\0\2me"), HEADER_UNSERVED_VERSION, "me", 0 },
    { "a version of tomorrow", HEADER("\0\x12", "\0\x63", "\0\2me\0BODY"), HEADER_UNSERVED_VERSION, "me", 5 },
    { "one of tomorrow's headers", HEADER("\0\x12", "\0\x63", "\x70"), HEADER_UNSERVED_VERSION, NULL, 0 },
    { "a negative version", HEADER("\0\x12", "\xff\xff", "\0\2me"), HEADER_UNSERVED_VERSION, "me", 0 },
    { "of a broker that is not ours", HEADER("\0\7", "\0\0", ""), HEADER_UNKNOWN_API, NULL, 0 },
    { "not advertised", HEADER("\0\x78", "\0\0", "\0\2me\0"), HEADER_UNADVERTISED, "me", 0 },
    { "a negative key", HEADER("\xff\xff", "\0\0", ""), HEADER_UNKNOWN_API, NULL, 0 },
    { "a key beyond all", HEADER("\x7f\xff", "\0\0", ""), HEADER_UNKNOWN_API, NULL, 0 },
    { "cut in the number", "\0\0\0\3\0\0\0", 7, HEADER_MALFORMED, NULL, 0 },
    { "cut in the client id", HEADER("\0\0", "\0\3", "\0\3me"), HEADER_MALFORMED, NULL, 0 },
    { "a client id of negative size", HEADER("\0\0", "\0\3", "\xff\xfe"), HEADER_MALFORMED, NULL, 0 },
    { "cut before the tags", HEADER("\0\0", "\0\x09", "\0\2me"), HEADER_MALFORMED, "me", 0 },
};

TEST(request_headers)
{
    FOR_EACH(header_row, row, header_rows) {
        struct request_header header;
        struct reader reader = reader_of((struct bytes){ (const uint8_t *)row->bytes, (uint32_t)row->size });
        EXPECT_EQ(row->why, row->verdict, request_header_read(&reader, &header));
        EXPECT_EQ(row->why, row->left, reader_left(&reader));
        EXPECT_EQ(row->why, row->client_id == NULL, header.client_id.data == NULL);
        if (row->client_id != NULL)
            EXPECT_BYTES(row->why, row->client_id, 2, header.client_id.data, header.client_id.size);
        if (row->verdict != HEADER_MALFORMED) EXPECT_EQ(row->why, 7, header.correlation_id);
    }
}

/* What clients in the field need; a change here needs a look at what they do. */
static const struct range_row {
    const char *why;
    int16_t key, served_min, served_max, advertised_min, flexible_min;
} range_rows[] = {
    { "librdkafka compresses only if produce begins at 0", API_PRODUCE, 3, 11, 0, 9 },
    { "batches v2 begin at 4, topic ids at 13", API_FETCH, 4, 17, 4, 12 },
    { "librdkafka asks with 2 exactly", API_OFFSET_FOR_LEADER_EPOCH, 0, 4, 0, 4 },
    { "old clients begin with 0, Java 4 ends with 13", API_METADATA, 0, 13, 0, 9 },
    { "the first request of all", API_API_VERSIONS, 0, 4, 0, 3 },
    { "kafka-go asks with 0", API_FIND_COORDINATOR, 0, 5, 0, 3 },
};

TEST(the_table_knows_what_clients_need)
{
    FOR_EACH(range_row, row, range_rows) {
        const struct api *api = api_find(row->key);
        EXPECT(row->why, api != NULL && api->advertised);
        EXPECT_EQ(row->why, row->served_min, api->served_min);
        EXPECT_EQ(row->why, row->served_max, api->served_max);
        EXPECT_EQ(row->why, row->advertised_min, api->advertised_min);
        EXPECT_EQ(row->why, row->served_max, api->advertised_max);
        EXPECT_EQ(row->why, row->flexible_min, api->flexible_min);
    }
}

TEST(the_table_is_sorted_and_found)
{
    for (int i = 0; i < API_COUNT; i++) {
        EXPECT(api_table[i].name, api_find(api_table[i].key) == &api_table[i]);
        EXPECT(api_table[i].name, i == 0 || api_table[i - 1].key < api_table[i].key);
    }
}

static const struct error_row {
    const char *why;
    int error;
    int number;
    const char *name;
} error_rows[] = {
    { "none", ERROR_NONE, 0, "NONE" },
    { "the only negative one", ERROR_UNKNOWN_SERVER_ERROR, -1, "UNKNOWN_SERVER_ERROR" },
    { "not leader", ERROR_NOT_LEADER_OR_FOLLOWER, 6, "NOT_LEADER_OR_FOLLOWER" },
    { "unsupported version", ERROR_UNSUPPORTED_VERSION, 35, "UNSUPPORTED_VERSION" },
    { "invalid record", ERROR_INVALID_RECORD, 87, "INVALID_RECORD" },
    { "unknown topic id", ERROR_UNKNOWN_TOPIC_ID, 100, "UNKNOWN_TOPIC_ID" },
    { "fenced member epoch", ERROR_FENCED_MEMBER_EPOCH, 110, "FENCED_MEMBER_EPOCH" },
    { "one that nobody has", 999, 999, "UNKNOWN" },
};

TEST(errors_have_kafkas_numbers_and_names)
{
    FOR_EACH(error_row, row, error_rows) {
        EXPECT_EQ(row->why, row->number, row->error);
        EXPECT_TEXT(row->why, row->name, error_name(row->error));
    }
}
