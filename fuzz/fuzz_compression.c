/* First byte: codec, and direction. Unpacking anything yields a verdict within the room; for lz4 the library's own
 * frame reader is the second opinion. Packing and unpacking yields what was there. */
#include "codec/compression.h"

#include <lz4frame.h>
#include <stdlib.h>

enum { ROOM = 1 << 20 };

static uint8_t packed[2 * ROOM], unpacked[ROOM], opinion[ROOM];
static _Alignas(16) uint8_t scratch[COMPRESSION_SCRATCH_SIZE];

static void must(bool holds)
{
    if (!holds) abort();
}

/* What liblz4 makes of it: true and the content, if all of it is whole frames. */
static bool second_opinion(struct bytes input, size_t *size)
{
    LZ4F_dctx *context;
    size_t at = 0, hint = 0;

    *size = 0;
    must(!LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)));
    while (at < input.size) {
        size_t left = input.size - at, room = ROOM - *size;
        hint = LZ4F_decompress(context, opinion + *size, &room, input.data + at, &left, NULL);
        if (LZ4F_isError(hint) || (left == 0 && room == 0)) break;
        at += left;
        *size += room;
    }
    LZ4F_freeDecompressionContext(context);
    return at == input.size && hint == 0;
}

static void unpack(enum compression codec, struct bytes input)
{
    const uint32_t room = input.size % 3 == 0 ? 64 : ROOM;
    const struct compression_memory memory = { unpacked, room, scratch, DECOMPRESSION_SCRATCH_SIZE };
    struct bytes output;
    size_t size;

    if (compression_decompress(codec, input, &memory, &output) != COMPRESSION_OK) return;
    must(output.size <= room || codec == COMPRESSION_NONE);
    if (codec != COMPRESSION_LZ4) return;
    must(second_opinion(input, &size));
    must(size == output.size && memcmp(opinion, output.data, size) == 0);
}

static void pack_and_unpack(enum compression codec, struct bytes input)
{
    const struct compression_memory to = { packed, sizeof packed, scratch, sizeof scratch };
    const struct compression_memory from = { unpacked, sizeof unpacked, scratch, sizeof scratch };
    struct bytes output;

    must(compression_compress(codec, input, &to, &output) == COMPRESSION_OK);
    must(compression_decompress(codec, output, &from, &output) == COMPRESSION_OK);
    must(output.size == input.size && memcmp(output.data, input.data, input.size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > ROOM) return 0;
    const struct bytes input = { data + 1, (uint32_t)(size - 1) };
    const enum compression codec = (enum compression)(data[0] & 7);

    if ((data[0] & 8) == 0) unpack(codec, input);
    else if (codec >= COMPRESSION_GZIP && codec <= COMPRESSION_ZSTD) pack_and_unpack(codec, input);
    return 0;
}
