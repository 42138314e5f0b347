/* fuzz_requests.c -- any bytes as a message of any API, or a record of ours, in any version.
 *
 * The first byte chooses: 0, a frame with its request header; 1, a response, 2, a request, and 3, a record of the
 * metadata log, all three after a number (api key, record id) and a version of one byte each. Whatever is read
 *
 *   (1) is written in no more bytes than it was read from, and measured to be as long as it is;
 *   (2) reads again from what was written, to the last byte, and is then written to the same bytes;
 *   (3) took memory in proportion to what was sent;
 *   (4) is the same with its records by reference. */
#include "codec/api.h"
#include "codec/messages.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_SIZE_MAX = 16 * 1024, ARENA_PER_BYTE = 32, REFERRED_MAX = 4096 };

static _Alignas(8) uint8_t memory[2][INPUT_SIZE_MAX * ARENA_PER_BYTE];
static uint8_t first[INPUT_SIZE_MAX], second[INPUT_SIZE_MAX], parts[INPUT_SIZE_MAX], whole[INPUT_SIZE_MAX];

static void require(bool holds, const char *what, const char *message, int16_t version)
{
    if (holds) return;
    fprintf(stderr, "%s v%d: %s\n", message, version, what);
    abort();
}
#define REQUIRE(condition) require((condition), #condition, name, version)

/* Everything in its place, as whoever sends it would put it. */
static uint32_t assemble(const struct writer *writer, uint8_t *to)
{
    uint64_t from = 0;
    uint32_t size = 0;

    for (uint32_t i = 0; i < writer->referred_count; i++) {
        const struct referred *referred = &writer->referred[i];
        memcpy(to + size, writer->data + from, referred->position - from);
        size += (uint32_t)(referred->position - from);
        memcpy(to + size, referred->records.data, referred->records.size);
        size += referred->records.size;
        from = referred->position;
    }
    memcpy(to + size, writer->data + from, writer->size - from);
    return size + (uint32_t)(writer->size - from);
}

/* How one message is read and written, without its type. */
struct message {
    const char *name;
    bool (*read)(struct reader *reader, int16_t version, struct arena *arena, void *out);
    void (*write)(struct writer *writer, int16_t version, const void *in);
    void *out[2];
};

static void try_message(const struct message *message, int16_t version, struct bytes input)
{
    static struct referred referred[REFERRED_MAX];
    const char *name = message->name;
    struct arena arena;
    struct reader reader = reader_of(input);

    arena_init(&arena, memory[0], sizeof memory[0]);
    const bool read = message->read(&reader, version, &arena, message->out[0]);
    REQUIRE(read == reader_ok(&reader));
    REQUIRE(!arena.exhausted); /* (3) */
    if (!read) {
        REQUIRE(reader_left(&reader) == 0);
        return;
    }
    const uint32_t consumed = input.size - reader_left(&reader);
    REQUIRE(arena.used <= (size_t)consumed * ARENA_PER_BYTE); /* (3) */

    struct writer writer = writer_of(first, consumed), measure = writer_measuring();
    message->write(&writer, version, message->out[0]);
    message->write(&measure, version, message->out[0]);
    REQUIRE(writer_ok(&writer));          /* (1) */
    REQUIRE(writer.size == measure.size); /* (1) */

    struct reader again = reader_of(writer_written(&writer));
    struct writer rewriter = writer_of(second, sizeof second);
    arena_init(&arena, memory[1], sizeof memory[1]);
    REQUIRE(message->read(&again, version, &arena, message->out[1])); /* (2) */
    REQUIRE(reader_left(&again) == 0);                                /* (2) */
    message->write(&rewriter, version, message->out[1]);
    REQUIRE(bytes_equal(writer_written(&writer), writer_written(&rewriter))); /* (2) */

    struct writer referring = writer_of(parts, sizeof parts);
    writer_refer(&referring, referred, REFERRED_MAX);
    message->write(&referring, version, message->out[0]);
    if (!writer_ok(&referring)) return;
    REQUIRE(referring.size + referring.referred_size == writer.size);                                    /* (4) */
    REQUIRE(bytes_equal((struct bytes){ whole, assemble(&referring, whole) }, writer_written(&writer))); /* (4) */
}

#define TYPE(type)                                                                                                     \
    static bool type##_read_any(struct reader *reader, int16_t version, struct arena *arena, void *out)                \
    {                                                                                                                  \
        return type##_read(reader, version, arena, out);                                                               \
    }                                                                                                                  \
    static void type##_write_any(struct writer *writer, int16_t version, const void *in)                               \
    {                                                                                                                  \
        type##_write(writer, version, in);                                                                             \
    }                                                                                                                  \
    static void try_##type(int16_t version, struct bytes input)                                                        \
    {                                                                                                                  \
        struct type out[2];                                                                                            \
        const struct message message = { #type, type##_read_any, type##_write_any, { &out[0], &out[1] } };             \
        try_message(&message, version, input);                                                                         \
    }
#define X(name, number, first_version, last_version) TYPE(name##_request) TYPE(name##_response)
EACH_API(X)
#undef X
#define X(name, number, first_version, last_version) TYPE(name##_record)
EACH_RECORD(X)
#undef X

static void try_any(int16_t key, int16_t version, bool response, struct bytes input)
{
    switch (key) {
#define X(name, number, first_version, last_version)                                                                   \
    case number:                                                                                                       \
        if (response) try_##name##_response(version, input);                                                           \
        else try_##name##_request(version, input);                                                                     \
        break;
        EACH_API(X)
#undef X
    }
}

static void try_record(int16_t id, int16_t version, struct bytes input)
{
    switch (id) {
#define X(name, number, first_version, last_version)                                                                   \
    case number: try_##name##_record(version, input); break;
        EACH_RECORD(X)
#undef X
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > INPUT_SIZE_MAX) return 0;
    if (data[0] == 1 || data[0] == 2) {
        try_any(data[1], (int8_t)data[2], data[0] == 1, (struct bytes){ data + 3, (uint32_t)size - 3 });
    } else if (data[0] == 3) {
        try_record(data[1], (int8_t)data[2], (struct bytes){ data + 3, (uint32_t)size - 3 });
    } else if (data[0] == 0) {
        struct request_header header;
        struct reader reader = reader_of((struct bytes){ data + 1, (uint32_t)size - 1 });
        if (request_header_read(&reader, &header) != HEADER_SERVED) return 0;
        try_any(header.api_key, header.api_version, false, (struct bytes){ reader.at, reader_left(&reader) });
    }
    return 0;
}
