/* test_golden.c -- every API in every version, against bytes that Apache Kafka's own serialisers wrote.
 *
 * tests/golden/messages.bin comes from tests/golden/Golden.java, run with kafka-clients 3.9.0 and, for what came later,
 * 4.1.0. Whatever it holds must be read to its last byte and written again as it was. */
#include "codec/api.h"
#include "codec/messages.h"
#include "t.h"

enum kind {
    KIND_REQUEST,
    KIND_RESPONSE,
    KIND_REQUEST_HEADER,
    KIND_RESPONSE_HEADER,
    KIND_MASK = 15,
    KIND_UNKNOWN_TAGS = 32, /* the case before it, with unknown tagged fields in every structure */
};

struct golden {
    int16_t key, version;
    uint8_t kind;
    struct bytes bytes;
};

static uint8_t file_bytes[256 * 1024], memory[64 * 1024];

/* The cases of the file, one after the other. */
static struct reader open_golden(void)
{
    FILE *file = fopen("tests/golden/messages.bin", "rb");
    EXPECT("tests run in the repository's top directory", file != NULL);
    if (file == NULL) return reader_of((struct bytes){ NULL, 0 });
    const size_t size = fread(file_bytes, 1, sizeof file_bytes, file);
    fclose(file);
    EXPECT("the golden file fits", size > 0 && size < sizeof file_bytes);
    return reader_of((struct bytes){ file_bytes, (uint32_t)size });
}

static bool next_golden(struct reader *file, struct golden *golden)
{
    if (reader_left(file) == 0) return false;
    golden->key = reader_int16(file);
    golden->version = reader_int16(file);
    golden->kind = reader_uint8(file);
    golden->bytes = reader_bytes(file, false, false);
    EXPECT("the golden file is whole", reader_ok(file));
    return reader_ok(file);
}

/* Reads a body and writes it again. False if it cannot be read. */
static bool rewrite_body(int16_t key, int16_t version, bool response, struct reader *reader, struct writer *writer)
{
    struct arena arena;

    arena_init(&arena, memory, sizeof memory);
#define REWRITE(type)                                                                                                  \
    {                                                                                                                  \
        struct type message;                                                                                           \
        if (!type##_read(reader, version, &arena, &message)) return false;                                             \
        type##_write(writer, version, &message);                                                                       \
        return true;                                                                                                   \
    }
#define X(name, number, first, last)                                                                                   \
    case number:                                                                                                       \
        if (response) REWRITE(name##_response)                                                                         \
        else REWRITE(name##_request)
    switch (key) {
        EACH_API(X)
    }
#undef X
#undef REWRITE
    return false;
}

static bool rewrite(const struct golden *golden, struct reader *reader, struct writer *writer)
{
    struct request_header header;
    int32_t correlation_id;

    switch (golden->kind & KIND_MASK) {
    case KIND_REQUEST_HEADER: {
        const enum header_verdict verdict = request_header_read(reader, &header);
        const enum header_verdict expected = api_find(golden->key)->advertised ? HEADER_SERVED : HEADER_UNADVERTISED;
        EXPECT_EQ("a header is served if its api is advertised", expected, verdict);
        if (verdict == HEADER_UNADVERTISED) return false;
        EXPECT_EQ("api key", golden->key, header.api_key);
        EXPECT_EQ("api version", golden->version, header.api_version);
        EXPECT("client id", bytes_equal(header.client_id, BYTES_LITERAL("client")));
        request_header_write(writer, &header);
        return true;
    }
    case KIND_RESPONSE_HEADER:
        if (!response_header_read(reader, golden->key, golden->version, &correlation_id)) return false;
        EXPECT_EQ("correlation id", 0x01020304, correlation_id);
        response_header_write(writer, golden->key, golden->version, correlation_id);
        return true;
    default:
        return rewrite_body(golden->key, golden->version, (golden->kind & KIND_MASK) == KIND_RESPONSE, reader, writer);
    }
}

static const char *name_of(const struct golden *golden)
{
    static char name[96];
    const struct api *api = api_find(golden->key);
    snprintf(name, sizeof name, "%s v%d kind %d", api == NULL ? "?" : api->name, golden->version, golden->kind);
    return name;
}

TEST(golden_bytes_are_read_and_written_again)
{
    struct reader file = open_golden();
    struct golden golden;
    struct bytes known = { NULL, 0 }; /* what the last case without unknown tags was */
    unsigned cases = 0;

    while (next_golden(&file, &golden)) {
        static uint8_t wire[16 * 1024];
        struct reader reader = reader_of(golden.bytes), again = reader;
        struct writer writer = writer_of(wire, sizeof wire), measure = writer_measuring();
        const bool header = (golden.kind & KIND_MASK) >= KIND_REQUEST_HEADER;
        const bool unadvertised = header && !api_find(golden.key)->advertised;
        const bool read = rewrite(&golden, &reader, &writer);
        cases++;
        if (!read && unadvertised) continue;
        EXPECT(name_of(&golden), read);
        if (!read) continue;
        EXPECT_EQ(name_of(&golden), 0, reader_left(&reader));
        if ((golden.kind & KIND_UNKNOWN_TAGS) == 0) known = golden.bytes;
        const struct bytes written = writer_written(&writer);
        EXPECT_BYTES(name_of(&golden), known.data, known.size, written.data, written.size);
        rewrite(&golden, &again, &measure);
        EXPECT_EQ(name_of(&golden), known.size, measure.size);
    }
    EXPECT("all cases are there", cases > 1000);
}

/* Cut anywhere, a message is refused. */
TEST(golden_bytes_cut_short_are_refused)
{
    struct reader file = open_golden();
    struct golden golden;

    while (next_golden(&file, &golden)) {
        if ((golden.kind & KIND_MASK) >= KIND_REQUEST_HEADER) continue;
        for (uint32_t size = 0; size < golden.bytes.size; size++) {
            struct reader reader = reader_of((struct bytes){ golden.bytes.data, size });
            struct writer measure = writer_measuring();
            const bool read = rewrite(&golden, &reader, &measure);
            EXPECT(name_of(&golden), !read);
            if (read) break;
        }
    }
}

TEST(golden_bytes_cover_all_that_is_served)
{
    struct reader file = open_golden();
    struct golden golden;
    static uint8_t seen[128][32]; /* by key and version, a bit per kind of body */

    while (next_golden(&file, &golden)) {
        if ((golden.kind & KIND_MASK) <= KIND_RESPONSE) seen[golden.key][golden.version] |= 1 << (golden.kind & 1);
    }
    for (int i = 0; i < API_COUNT; i++) {
        const struct api *api = &api_table[i];
        if (api->key == API_OPERATE) continue; /* Kafka has none like it */
        for (int version = api->served_min; version <= api->served_max; version++) {
            EXPECT_EQ(api->name, 3, seen[api->key][version]);
        }
    }
}
