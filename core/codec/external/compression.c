/* The libraries behind codec/compression.h. Not part of the core: an archive of its own, which may use a C library.
 *
 * Each library works in the caller's scratch: zlib through its allocation hooks, zstd through static contexts, lz4 by
 * decoding block by block straight into the output (the frame around the blocks is read here: the library's own frame
 * reader would buffer up to 8 MiB). snappy needs nothing to decompress, and takes its hash table from the heap to
 * compress: its C interface leaves no choice.
 *
 * To make a zstd context asks the CPU what it is, which takes 13 us in a virtual machine: ten times what a small
 * batch takes to unpack. So the one for decompression stays in the scratch from call to call:
 *
 *     0     8         16                                 128 KiB + 16                        192 KiB
 *     | tag | nothing | context, if the tag says so      | what one call of zlib takes       |
 *
 * Packing uses the scratch from its begin on and wipes the tag. */
#include "codec/compression.h"
#include "base/check.h"

#define ZSTD_STATIC_LINKING_ONLY
#include <lz4.h>
#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

/* ---- memory out of the scratch: taken front to back, given back all at once ---- */

struct arena {
    uint8_t *at, *end;
};

static void *arena_take(void *opaque, unsigned items, unsigned size)
{
    struct arena *arena = opaque;
    const size_t wanted = ((size_t)items * size + 15) & ~(size_t)15;

    if (wanted > (size_t)(arena->end - arena->at)) return NULL;
    void *taken = arena->at;
    arena->at += wanted;
    return taken;
}

static void arena_give(void *opaque, void *address)
{
    (void)opaque;
    (void)address;
}

enum { CONTEXT_BEGIN = 16, CONTEXT_SIZE = 128 << 10, CONTEXT_END = CONTEXT_BEGIN + CONTEXT_SIZE };

static struct arena arena_of(const struct compression_memory *memory, uint32_t begin)
{
    uint8_t *scratch = memory->scratch;
    return (struct arena){ scratch + begin, scratch + memory->scratch_size };
}

/* ---- gzip ---- */

enum {
    GZIP_ONLY = 15 + 16, /* window bits, and zlib's way to say: gzip, nothing else */
    GZIP_MEMORY_LEVEL = 8,
};

static enum compression_verdict gzip_decompress(struct bytes input, const struct compression_memory *memory,
                                                uint32_t *written)
{
    struct arena arena = arena_of(memory, CONTEXT_END);
    z_stream stream = {
        .next_in = (uint8_t *)(uintptr_t)input.data, /* zlib only reads it */
        .avail_in = input.size,
        .next_out = memory->output,
        .avail_out = memory->output_size,
        .zalloc = arena_take,
        .zfree = arena_give,
        .opaque = &arena,
    };
    if (inflateInit2(&stream, GZIP_ONLY) != Z_OK) return COMPRESSION_CORRUPT;

    for (;;) {
        const int status = inflate(&stream, Z_NO_FLUSH);
        if (status == Z_STREAM_END) {
            if (stream.avail_in == 0) break;
            if (inflateReset(&stream) != Z_OK) return COMPRESSION_CORRUPT; /* the next member */
            continue;
        }
        if (status != Z_OK && status != Z_BUF_ERROR) return COMPRESSION_CORRUPT;
        if (stream.avail_out == 0) return COMPRESSION_TOO_LARGE;
        if (stream.avail_in == 0 || status == Z_BUF_ERROR) return COMPRESSION_CORRUPT;
    }
    *written = memory->output_size - stream.avail_out;
    return COMPRESSION_OK;
}

static enum compression_verdict gzip_compress(struct bytes input, const struct compression_memory *memory,
                                              uint32_t *written)
{
    struct arena arena = arena_of(memory, 0);
    z_stream stream = {
        .next_in = (uint8_t *)(uintptr_t)input.data,
        .avail_in = input.size,
        .next_out = memory->output,
        .avail_out = memory->output_size,
        .zalloc = arena_take,
        .zfree = arena_give,
        .opaque = &arena,
    };
    const int status =
        deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_ONLY, GZIP_MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
    CHECK(status == Z_OK);
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) return COMPRESSION_TOO_LARGE;
    *written = memory->output_size - stream.avail_out;
    return COMPRESSION_OK;
}

/* ---- snappy ---- */

/* The Java client's framing: magic, version, compatible version, then (length, block)*. A second stream may follow
 * where a length could. */
static const uint8_t xerial_magic[8] = { 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0 };

enum { XERIAL_HEAD_SIZE = 16, XERIAL_VERSION = 1, XERIAL_BLOCK_SIZE = 32 << 10 };

static bool is_xerial(const uint8_t *at, uint32_t left)
{
    return left >= XERIAL_HEAD_SIZE && memcmp(at, xerial_magic, sizeof xerial_magic) == 0;
}

static enum compression_verdict snappy_block(const uint8_t *at, uint32_t size, const struct compression_memory *memory,
                                             uint32_t *written)
{
    size_t room = memory->output_size - *written, unpacked;

    if (snappy_uncompressed_length((const char *)at, size, &unpacked) != SNAPPY_OK) return COMPRESSION_CORRUPT;
    if (unpacked > room) return COMPRESSION_TOO_LARGE;
    if (snappy_uncompress((const char *)at, size, (char *)memory->output + *written, &room) != SNAPPY_OK) {
        return COMPRESSION_CORRUPT;
    }
    *written += (uint32_t)room;
    return COMPRESSION_OK;
}

static enum compression_verdict snappy_decompress(struct bytes input, const struct compression_memory *memory,
                                                  uint32_t *written)
{
    const uint8_t *at = input.data, *end = at + input.size;

    if (!is_xerial(at, input.size)) return snappy_block(at, input.size, memory, written);
    while (at != end) {
        if (is_xerial(at, (uint32_t)(end - at))) {
            at += XERIAL_HEAD_SIZE;
            continue;
        }
        if (end - at < 4) return COMPRESSION_CORRUPT;
        const uint32_t size = load_u32(at);
        at += 4;
        if (size > (uint32_t)(end - at)) return COMPRESSION_CORRUPT;
        const enum compression_verdict verdict = snappy_block(at, size, memory, written);
        if (verdict != COMPRESSION_OK) return verdict;
        at += size;
    }
    return COMPRESSION_OK;
}

static enum compression_verdict snappy_pack(struct bytes input, const struct compression_memory *memory,
                                            uint32_t *written)
{
    uint8_t *to = memory->output;
    uint32_t at = 0;

    if (memory->output_size < XERIAL_HEAD_SIZE) return COMPRESSION_TOO_LARGE;
    memcpy(to, xerial_magic, sizeof xerial_magic);
    store_u32(to + 8, XERIAL_VERSION);
    store_u32(to + 12, XERIAL_VERSION);
    *written = XERIAL_HEAD_SIZE;
    while (at < input.size) {
        const uint32_t size = MIN(input.size - at, (uint32_t)XERIAL_BLOCK_SIZE);
        const uint32_t room = memory->output_size - *written;
        size_t packed = room < 4 ? 0 : room - 4;
        /* snappy wants room for the worst case before it begins */
        if (packed < snappy_max_compressed_length(size)) return COMPRESSION_TOO_LARGE;
        const snappy_status status =
            snappy_compress((const char *)input.data + at, size, (char *)to + *written + 4, &packed);
        CHECK(status == SNAPPY_OK);
        store_u32(to + *written, (uint32_t)packed);
        *written += 4 + (uint32_t)packed;
        at += size;
    }
    return COMPRESSION_OK;
}

/* ---- lz4 ---- */

/* A frame, all integers little-endian:
 *
 *     magic u32 | flags | block descriptor | [content size u64] | header checksum
 *     (block size u32, top bit: stored | block | [block checksum u32])* | 0 u32 | [content checksum u32]
 */
enum {
    LZ4_MAGIC = 0x184d2204,
    LZ4_FLAG_VERSION = 0xc0,
    LZ4_FLAG_VERSION_1 = 0x40,
    LZ4_FLAG_INDEPENDENT = 0x20,
    LZ4_FLAG_BLOCK_CHECKSUM = 0x10,
    LZ4_FLAG_CONTENT_SIZE = 0x08,
    LZ4_FLAG_CONTENT_CHECKSUM = 0x04,
    LZ4_FLAG_RESERVED = 0x03, /* one reserved, one for dictionaries, which nobody can have */
    LZ4_HEAD_SIZE_MIN = 7,
};
#define LZ4_STORED UINT32_C(0x80000000)

static uint32_t load_u32_little(const uint8_t *from)
{
    return __builtin_bswap32(load_u32(from));
}

static uint32_t rotate_left(uint32_t value, unsigned count)
{
    return value << count | value >> (32 - count);
}

#define XX_1 UINT32_C(0x9e3779b1)
#define XX_2 UINT32_C(0x85ebca77)
#define XX_3 UINT32_C(0xc2b2ae3d)
#define XX_4 UINT32_C(0x27d4eb2f)
#define XX_5 UINT32_C(0x165667b1)

/* The checksum of lz4 frames: xxHash32 with seed 0. liblz4 keeps its own to itself. */
static uint32_t xxhash32(const uint8_t *at, size_t size)
{
    const uint8_t *end = at + size;
    uint32_t hash = XX_5;

    if (size >= 16) {
        uint32_t lane[4] = { XX_1 + XX_2, XX_2, 0, 0 - XX_1 };
        for (; end - at >= 16; at += 16) {
            for (int i = 0; i < 4; i++) lane[i] = rotate_left(lane[i] + load_u32_little(at + 4 * i) * XX_2, 13) * XX_1;
        }
        hash = rotate_left(lane[0], 1) + rotate_left(lane[1], 7) + rotate_left(lane[2], 12) + rotate_left(lane[3], 18);
    }
    hash += (uint32_t)size;
    for (; end - at >= 4; at += 4) hash = rotate_left(hash + load_u32_little(at) * XX_3, 17) * XX_4;
    for (; at != end; at++) hash = rotate_left(hash + *at * XX_5, 11) * XX_1;
    hash = (hash ^ hash >> 15) * XX_2;
    hash = (hash ^ hash >> 13) * XX_3;
    return hash ^ hash >> 16;
}

struct lz4_frame {
    const uint8_t *at, *end; /* of the input */
    uint8_t flags;
    uint32_t block_max;
};

static bool lz4_head(struct lz4_frame *frame)
{
    const uint8_t *at = frame->at;

    if (frame->end - at < LZ4_HEAD_SIZE_MIN || load_u32_little(at) != LZ4_MAGIC) return false;
    const uint8_t flags = at[4], descriptor = at[5];
    if ((flags & LZ4_FLAG_VERSION) != LZ4_FLAG_VERSION_1 || (flags & LZ4_FLAG_RESERVED) != 0) return false;
    if ((flags & LZ4_FLAG_INDEPENDENT) == 0) return false;
    if ((descriptor & 0x8f) != 0 || descriptor >> 4 < 4) return false;
    const uint32_t size = LZ4_HEAD_SIZE_MIN + ((flags & LZ4_FLAG_CONTENT_SIZE) != 0 ? 8 : 0);
    if (frame->end - at < size) return false;
    if ((uint8_t)(xxhash32(at + 4, size - 5) >> 8) != at[size - 1]) return false;

    frame->flags = flags;
    frame->block_max = 1u << (8 + 2 * (descriptor >> 4)); /* 4: 64 KiB ... 7: 4 MiB */
    frame->at = at + size;
    return true;
}

/* One block, `size` as it stands in the frame, which is not 0. */
static enum compression_verdict lz4_block(struct lz4_frame *frame, uint32_t size,
                                          const struct compression_memory *memory, uint32_t *written)
{
    const bool stored = (size & LZ4_STORED) != 0, checksum = (frame->flags & LZ4_FLAG_BLOCK_CHECKSUM) != 0;
    const uint32_t packed = size & ~LZ4_STORED, room = memory->output_size - *written;
    uint8_t *to = memory->output + *written;

    if (packed > frame->block_max || packed > (uint32_t)(frame->end - frame->at)) return COMPRESSION_CORRUPT;
    const uint8_t *block = frame->at;
    frame->at += packed;
    if (checksum) {
        if (frame->end - frame->at < 4 || load_u32_little(frame->at) != xxhash32(block, packed)) {
            return COMPRESSION_CORRUPT;
        }
        frame->at += 4;
    }
    if (stored) {
        if (packed > room) return COMPRESSION_TOO_LARGE;
        memcpy(to, block, packed);
        *written += packed;
        return COMPRESSION_OK;
    }
    const uint32_t cap = MIN(room, frame->block_max);
    const int unpacked = LZ4_decompress_safe((const char *)block, (char *)to, (int)packed, (int)cap);
    /* liblz4 does not say whether it was the input or the room that failed; where room was short, assume the room */
    if (unpacked < 0) return cap < frame->block_max ? COMPRESSION_TOO_LARGE : COMPRESSION_CORRUPT;
    *written += (uint32_t)unpacked;
    return COMPRESSION_OK;
}

static enum compression_verdict lz4_frame(struct lz4_frame *frame, const struct compression_memory *memory,
                                          uint32_t *written)
{
    const uint8_t *head = frame->at;
    const uint32_t begin = *written;

    if (!lz4_head(frame)) return COMPRESSION_CORRUPT;
    for (;;) {
        if (frame->end - frame->at < 4) return COMPRESSION_CORRUPT;
        const uint32_t size = load_u32_little(frame->at);
        frame->at += 4;
        if (size == 0) break;
        const enum compression_verdict verdict = lz4_block(frame, size, memory, written);
        if (verdict != COMPRESSION_OK) return verdict;
    }
    const uint32_t unpacked = *written - begin;
    if ((frame->flags & LZ4_FLAG_CONTENT_SIZE) != 0) {
        if (load_u32_little(head + 6) != unpacked || load_u32_little(head + 10) != 0) return COMPRESSION_CORRUPT;
    }
    if ((frame->flags & LZ4_FLAG_CONTENT_CHECKSUM) != 0) {
        if (frame->end - frame->at < 4) return COMPRESSION_CORRUPT;
        if (load_u32_little(frame->at) != xxhash32(memory->output + begin, unpacked)) return COMPRESSION_CORRUPT;
        frame->at += 4;
    }
    return COMPRESSION_OK;
}

static enum compression_verdict lz4_decompress(struct bytes input, const struct compression_memory *memory,
                                               uint32_t *written)
{
    struct lz4_frame frame = { .at = input.data, .end = input.data + input.size };

    while (frame.at != frame.end) {
        const enum compression_verdict verdict = lz4_frame(&frame, memory, written);
        if (verdict != COMPRESSION_OK) return verdict;
    }
    return COMPRESSION_OK;
}

static enum compression_verdict lz4_compress(struct bytes input, const struct compression_memory *memory,
                                             uint32_t *written)
{
    /* What the Java client writes: 64 KiB blocks that stand alone. At this level the context is on the stack. */
    const LZ4F_preferences_t preferences = {
        .frameInfo = { .blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent },
    };
    /* liblz4 wants room for the worst case before it begins */
    if (memory->output_size < LZ4F_compressFrameBound(input.size, &preferences)) return COMPRESSION_TOO_LARGE;
    const size_t size = LZ4F_compressFrame(memory->output, memory->output_size, input.data, input.size, &preferences);
    CHECK(!LZ4F_isError(size));
    *written = (uint32_t)size;
    return COMPRESSION_OK;
}

/* ---- zstd ---- */

static enum compression_verdict zstd_result(size_t result, uint32_t *written)
{
    if (ZSTD_isError(result)) {
        return ZSTD_getErrorCode(result) == ZSTD_error_dstSize_tooSmall ? COMPRESSION_TOO_LARGE : COMPRESSION_CORRUPT;
    }
    *written = (uint32_t)result;
    return COMPRESSION_OK;
}

/* The context in the scratch, made where there is none. The tag holds the address: a copy elsewhere is no context. */
static ZSTD_DCtx *zstd_context(uint8_t *scratch)
{
    const uint64_t tag = (uint64_t)(uintptr_t)scratch ^ UINT64_C(0xc0dec7a6c0dec7a6);
    uint64_t found;

    memcpy(&found, scratch, sizeof found);
    if (found == tag) return (ZSTD_DCtx *)(void *)(scratch + CONTEXT_BEGIN);
    ZSTD_DCtx *context = ZSTD_initStaticDCtx(scratch + CONTEXT_BEGIN, CONTEXT_SIZE);
    CHECK((uint8_t *)context == scratch + CONTEXT_BEGIN);
    memcpy(scratch, &tag, sizeof tag);
    return context;
}

static enum compression_verdict zstd_decompress(struct bytes input, const struct compression_memory *memory,
                                                uint32_t *written)
{
    ZSTD_DCtx *context = zstd_context(memory->scratch);
    return zstd_result(ZSTD_decompressDCtx(context, memory->output, memory->output_size, input.data, input.size),
                       written);
}

static enum compression_verdict zstd_compress(struct bytes input, const struct compression_memory *memory,
                                              uint32_t *written)
{
    ZSTD_CCtx *context = ZSTD_initStaticCCtx(memory->scratch, memory->scratch_size);
    CHECK(context != NULL);
    const size_t result =
        ZSTD_compressCCtx(context, memory->output, memory->output_size, input.data, input.size, ZSTD_CLEVEL_DEFAULT);
    const enum compression_verdict verdict = zstd_result(result, written);
    CHECK(verdict != COMPRESSION_CORRUPT); /* the scratch was too small */
    return verdict;
}

/* ---- the two doors ---- */

static void check_memory(const struct compression_memory *memory, uint32_t scratch_size)
{
    CHECK(memory->scratch_size >= scratch_size);
    CHECK((uintptr_t)memory->scratch % 16 == 0);
    CHECK(memory->output != NULL && memory->output_size <= INT32_MAX);
}

enum compression_verdict compression_decompress(enum compression codec, struct bytes input,
                                                const struct compression_memory *memory, struct bytes *output)
{
    enum compression_verdict verdict = COMPRESSION_UNKNOWN;
    uint32_t written = 0;

    if (codec == COMPRESSION_NONE) {
        *output = input;
        return COMPRESSION_OK;
    }
    check_memory(memory, DECOMPRESSION_SCRATCH_SIZE);
    if (input.size == 0) return codec <= COMPRESSION_ZSTD ? COMPRESSION_CORRUPT : COMPRESSION_UNKNOWN;
    switch (codec) {
    case COMPRESSION_NONE: break;
    case COMPRESSION_GZIP: verdict = gzip_decompress(input, memory, &written); break;
    case COMPRESSION_SNAPPY: verdict = snappy_decompress(input, memory, &written); break;
    case COMPRESSION_LZ4: verdict = lz4_decompress(input, memory, &written); break;
    case COMPRESSION_ZSTD: verdict = zstd_decompress(input, memory, &written); break;
    }
    if (verdict == COMPRESSION_OK) *output = (struct bytes){ memory->output, written };
    return verdict;
}

enum compression_verdict compression_compress(enum compression codec, struct bytes input,
                                              const struct compression_memory *memory, struct bytes *output)
{
    enum compression_verdict verdict = COMPRESSION_UNKNOWN;
    uint32_t written = 0;

    if (codec == COMPRESSION_NONE) {
        *output = input;
        return COMPRESSION_OK;
    }
    check_memory(memory, COMPRESSION_SCRATCH_SIZE);
    CHECK(input.size <= INT32_MAX);
    memset(memory->scratch, 0, CONTEXT_BEGIN); /* whatever was kept there is overwritten */
    switch (codec) {
    case COMPRESSION_NONE: break;
    case COMPRESSION_GZIP: verdict = gzip_compress(input, memory, &written); break;
    case COMPRESSION_SNAPPY: verdict = snappy_pack(input, memory, &written); break;
    case COMPRESSION_LZ4: verdict = lz4_compress(input, memory, &written); break;
    case COMPRESSION_ZSTD: verdict = zstd_compress(input, memory, &written); break;
    }
    if (verdict == COMPRESSION_OK) *output = (struct bytes){ memory->output, written };
    return verdict;
}
