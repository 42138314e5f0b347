#include "base/prng.h"
#include "codec/compression.h"
#include "t.h"

#include <stdlib.h>

enum { ROOM = 4 << 20 };

static uint8_t plain[ROOM], packed[ROOM], again[ROOM], unpacked[ROOM];
static _Alignas(16) uint8_t scratch[COMPRESSION_SCRATCH_SIZE];

#define FOX "the quick brown fox the quick brown fox"

/* FOX as other programs pack it (Python's lz4.frame, zstandard, snappy and zlib modules). */
static const uint8_t lz4_checked[] = {
    0x04, 0x22, 0x4d, 0x18, 0x7c, 0x40, 0x27, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x1b, 0x1e,
    0x00, 0x00, 0x00, 0xfa, 0x05, 0x74, 0x68, 0x65, 0x20, 0x71, 0x75, 0x69, 0x63, 0x6b, 0x20, 0x62,
    0x72, 0x6f, 0x77, 0x6e, 0x20, 0x66, 0x6f, 0x78, 0x20, 0x14, 0x00, 0x50, 0x6e, 0x20, 0x66, 0x6f,
    0x78, 0x11, 0xd7, 0xe9, 0x3d, 0x00, 0x00, 0x00, 0x00, 0x87, 0x3a, 0x6b, 0x28,
};
static const uint8_t lz4_linked[] = {
    0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0xc0, 0x1e, 0x00, 0x00, 0x00, 0xfa, 0x05, 0x74, 0x68,
    0x65, 0x20, 0x71, 0x75, 0x69, 0x63, 0x6b, 0x20, 0x62, 0x72, 0x6f, 0x77, 0x6e, 0x20, 0x66,
    0x6f, 0x78, 0x20, 0x14, 0x00, 0x50, 0x6e, 0x20, 0x66, 0x6f, 0x78, 0x00, 0x00, 0x00, 0x00,
};
static const uint8_t lz4_4mib[] = {
    0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 0x1e, 0x00, 0x00, 0x00, 0xfa, 0x05, 0x74, 0x68,
    0x65, 0x20, 0x71, 0x75, 0x69, 0x63, 0x6b, 0x20, 0x62, 0x72, 0x6f, 0x77, 0x6e, 0x20, 0x66,
    0x6f, 0x78, 0x20, 0x14, 0x00, 0x50, 0x6e, 0x20, 0x66, 0x6f, 0x78, 0x00, 0x00, 0x00, 0x00,
};
static const uint8_t zstd_checked[] = {
    0x28, 0xb5, 0x2f, 0xfd, 0x24, 0x27, 0xd5, 0x00, 0x00, 0xa0, 0x74, 0x68, 0x65,
    0x20, 0x71, 0x75, 0x69, 0x63, 0x6b, 0x20, 0x62, 0x72, 0x6f, 0x77, 0x6e, 0x20,
    0x66, 0x6f, 0x78, 0x20, 0x01, 0x00, 0x2e, 0x99, 0x4c, 0xaf, 0x3c, 0xfa, 0xda,
};
static const uint8_t zstd_unsized[] = {
    0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0xd5, 0x00, 0x00, 0xa0, 0x74, 0x68, 0x65, 0x20, 0x71, 0x75, 0x69, 0x63,
    0x6b, 0x20, 0x62, 0x72, 0x6f, 0x77, 0x6e, 0x20, 0x66, 0x6f, 0x78, 0x20, 0x01, 0x00, 0x2e, 0x99, 0x4c,
};
static const uint8_t snappy_raw[] = {
    0x27, 0x4c, 0x74, 0x68, 0x65, 0x20, 0x71, 0x75, 0x69, 0x63, 0x6b, 0x20, 0x62,
    0x72, 0x6f, 0x77, 0x6e, 0x20, 0x66, 0x6f, 0x78, 0x20, 0x4a, 0x14, 0x00,
};
static const uint8_t gzip_one[] = {
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x2b, 0xc9, 0x48, 0x55, 0x28,
    0x2c, 0xcd, 0x4c, 0xce, 0x56, 0x48, 0x2a, 0xca, 0x2f, 0xcf, 0x53, 0x48, 0xcb, 0xaf, 0x50,
    0x28, 0xc1, 0x14, 0x03, 0x00, 0x00, 0xff, 0x87, 0xf2, 0x27, 0x00, 0x00, 0x00,
};
static const uint8_t zlib_not_gzip[] = {
    0x78, 0x9c, 0x2b, 0xc9, 0x48, 0x55, 0x28, 0x2c, 0xcd, 0x4c, 0xce, 0x56, 0x48, 0x2a, 0xca, 0x2f,
    0xcf, 0x53, 0x48, 0xcb, 0xaf, 0x50, 0x28, 0xc1, 0x14, 0x03, 0x00, 0x21, 0xa8, 0x0e, 0x87,
};
static const uint8_t skippable[] = { 0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3 };

#define FRAME(name) name, sizeof name
#define CORRUPT COMPRESSION_CORRUPT
#define GZIP COMPRESSION_GZIP
#define SNAPPY COMPRESSION_SNAPPY
#define LZ4 COMPRESSION_LZ4
#define ZSTD COMPRESSION_ZSTD

static const struct frame_row {
    const char *why;
    enum compression codec;
    const uint8_t *frame;
    uint32_t size;
    enum compression_verdict verdict;
    bool repeatable; /* two of them in a row are as good as one */
} frame_rows[] = {
    { "gzip", GZIP, FRAME(gzip_one), COMPRESSION_OK, true },
    { "a zlib stream is not gzip", GZIP, FRAME(zlib_not_gzip), CORRUPT, false },
    { "a bare snappy block, as librdkafka sends it", SNAPPY, FRAME(snappy_raw), COMPRESSION_OK, false },
    { "lz4 with every checksum and the content size", LZ4, FRAME(lz4_checked), COMPRESSION_OK, true },
    { "lz4 with blocks of 4 MiB", LZ4, FRAME(lz4_4mib), COMPRESSION_OK, true },
    { "lz4 with linked blocks, which Java cannot read", LZ4, FRAME(lz4_linked), CORRUPT, false },
    { "zstd with a checksum", ZSTD, FRAME(zstd_checked), COMPRESSION_OK, true },
    { "zstd without a content size", ZSTD, FRAME(zstd_unsized), COMPRESSION_OK, true },
    { "lz4 is not zstd", ZSTD, FRAME(lz4_checked), CORRUPT, false },
    { "zstd is not lz4", LZ4, FRAME(zstd_checked), CORRUPT, false },
    { "a skippable frame is no lz4 of Kafka's", LZ4, FRAME(skippable), CORRUPT, false },
};

static enum compression_verdict unpack(enum compression codec, struct bytes input, uint32_t room, struct bytes *output)
{
    const struct compression_memory memory = { unpacked, room, scratch, DECOMPRESSION_SCRATCH_SIZE };
    uint8_t *exact = malloc(input.size + 1); /* so that a sanitizer sees who reads too far */
    memcpy(exact + 1, input.data, input.size);
    memset(scratch, 0xa5, DECOMPRESSION_SCRATCH_SIZE); /* nobody may count on zeros */
    *output = (struct bytes){ NULL, 0 };
    const enum compression_verdict verdict =
        compression_decompress(codec, (struct bytes){ exact + 1, input.size }, &memory, output);
    if (codec == COMPRESSION_NONE) EXPECT("uncopied", output->data == exact + 1);
    free(exact);
    return verdict;
}

TEST(frames_of_others)
{
    FOR_EACH(frame_row, row, frame_rows) {
        struct bytes output;
        EXPECT_EQ(row->why, row->verdict, unpack(row->codec, (struct bytes){ row->frame, row->size }, ROOM, &output));
        if (row->verdict != COMPRESSION_OK) continue;
        EXPECT_BYTES(row->why, FOX, sizeof FOX - 1, output.data, output.size);

        memcpy(packed, row->frame, row->size);
        memcpy(packed + row->size, row->frame, row->size);
        const bool good = unpack(row->codec, (struct bytes){ packed, 2 * row->size }, ROOM, &output) == COMPRESSION_OK;
        EXPECT_EQ(row->why, row->repeatable, good);
        if (good) EXPECT_BYTES("twice", FOX FOX, 2 * (sizeof FOX - 1), output.data, output.size);
    }
}

TEST(a_frame_cut_short_is_corrupt)
{
    FOR_EACH(frame_row, row, frame_rows) {
        if (row->verdict != COMPRESSION_OK) continue;
        for (uint32_t size = 0; size < row->size; size++) {
            struct bytes output;
            const struct bytes cut = { row->frame, size };
            EXPECT_EQ(row->why, CORRUPT, unpack(row->codec, cut, ROOM, &output));
            EXPECT("nothing is handed out", output.data == NULL);
        }
    }
}

/* Every bit of every frame: a verdict each time, and where a checksum covers the content, never another content. */
TEST(a_flipped_bit_harms_nobody)
{
    FOR_EACH(frame_row, row, frame_rows) {
        const bool checked = row->frame == lz4_checked || row->frame == zstd_checked || row->frame == gzip_one;
        if (row->verdict != COMPRESSION_OK) continue;
        for (uint32_t bit = 0; bit < 8 * row->size; bit++) {
            struct bytes output;
            memcpy(packed, row->frame, row->size);
            packed[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (unpack(row->codec, (struct bytes){ packed, row->size }, ROOM, &output) != COMPRESSION_OK) continue;
            EXPECT("within the room", output.size <= ROOM);
            if (checked) EXPECT_BYTES(row->why, FOX, sizeof FOX - 1, output.data, output.size);
        }
    }
}

/* A field of the lz4 frame with every checksum, and what must come of it; `checksum` is the right one for the head. */
static const struct lz4_row {
    const char *why;
    uint32_t at;
    uint8_t value, checksum;
} lz4_rows[] = {
    { "version", 4, 0xbc, 0x53 },
    { "a dictionary", 4, 0x7d, 0xd1 },
    { "a reserved flag", 4, 0x7e, 0x20 },
    { "a block size that is none", 5, 0x30, 0x92 },
    { "a reserved bit of the descriptor", 5, 0x41, 0xf3 },
    { "the top bit of the descriptor", 5, 0xc0, 0xb0 },
    { "content size", 6, 0x28, 0x4d },
    { "content size, in its high half", 10, 0x01, 0xa4 },
    { "magic", 0, 5, 0x1b },
    { "header checksum", 14, 0x1c, 0x1c },
    { "a block larger than the input", 16, 1, 0x1b },
    { "block checksum", 49, 0, 0x1b },
    { "content checksum", 60, 0, 0x1b },
};

TEST(lz4_fields_are_looked_at)
{
    FOR_EACH(lz4_row, row, lz4_rows) {
        struct bytes output;
        memcpy(packed, lz4_checked, sizeof lz4_checked);
        EXPECT(row->why, packed[row->at] != row->value);
        packed[row->at] = row->value;
        packed[14] = row->checksum;
        EXPECT_EQ(row->why, CORRUPT, unpack(LZ4, (struct bytes){ packed, sizeof lz4_checked }, ROOM, &output));
    }
}

/* A stored block may be as large as the head says, and no larger: Java's reader has no more room. */
TEST(lz4_blocks_keep_to_their_size)
{
    for (uint32_t over = 0; over < 2; over++) {
        struct bytes output;
        const uint32_t size = 65536 + over;
        memset(packed, 0, size + 64);
        memcpy(packed, lz4_4mib, 7);
        packed[6] = 0x82;
        packed[7] = (uint8_t)size;
        packed[8] = (uint8_t)(size >> 8);
        packed[9] = (uint8_t)(size >> 16);
        packed[10] = 0x80;
        const struct bytes input = { packed, 7 + 4 + size + 4 };
        EXPECT_EQ("64 KiB", over == 0 ? COMPRESSION_OK : CORRUPT, unpack(LZ4, input, ROOM, &output));
    }
}

static const struct kind_row {
    const char *why;
    enum { ZEROS, WORDS, NOISE } kind;
} kind_rows[] = { { "zeros", ZEROS }, { "words", WORDS }, { "noise", NOISE } };

static void fill(int kind, uint32_t size)
{
    struct prng prng;
    prng_init(&prng, size, (uint64_t)kind);
    for (uint32_t i = 0; i < size; i++) {
        if (kind == ZEROS) plain[i] = 0;
        else if (kind == NOISE) plain[i] = (uint8_t)prng_next(&prng);
        else plain[i] = (uint8_t)FOX[prng_chance(&prng, 1, 8) ? prng_below(&prng, 39) : i % 39];
    }
}

static void round_trip(const char *why, enum compression codec, uint32_t size)
{
    const struct compression_memory memory = { packed, sizeof packed, scratch, sizeof scratch };
    const struct bytes input = { plain, size };
    struct bytes first, second, output;

    EXPECT_EQ(why, COMPRESSION_OK, compression_compress(codec, input, &memory, &first));
    memcpy(again, first.data, first.size);
    memset(scratch, 0x5a, sizeof scratch);
    memset(packed, 0x77, sizeof packed);
    EXPECT_EQ(why, COMPRESSION_OK, compression_compress(codec, input, &memory, &second));
    EXPECT_BYTES("the same bytes every time", again, first.size, second.data, second.size);

    EXPECT_EQ("exactly enough room", COMPRESSION_OK, unpack(codec, second, size, &output));
    EXPECT(why, output.size == size && memcmp(output.data, plain, size) == 0);
    if (size > 0) EXPECT_EQ("a byte short", COMPRESSION_TOO_LARGE, unpack(codec, second, size - 1, &output));
    if (size > 0) EXPECT_EQ("no room at all", COMPRESSION_TOO_LARGE, unpack(codec, second, 0, &output));
    if (size == 0) return;
    const struct compression_memory small = { packed, first.size - 1, scratch, sizeof scratch };
    EXPECT_EQ("no room to pack", COMPRESSION_TOO_LARGE, compression_compress(codec, input, &small, &second));
}

TEST(round_trips)
{
    static const uint32_t sizes[] = { 0, 1, 5, 100, 32768, 65535, 65536, 65537, 1000000 };
    FOR_EACH(kind_row, row, kind_rows) {
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            fill(row->kind, sizes[i]);
            for (enum compression codec = GZIP; codec <= ZSTD; codec++) round_trip(row->why, codec, sizes[i]);
        }
    }
}

/* Java's framing around snappy blocks. */
static const struct xerial_row {
    const char *why;
    uint32_t size;
    uint8_t tail[24]; /* behind the 16 bytes of the head */
    enum compression_verdict verdict;
    uint32_t unpacked;
} xerial_rows[] = {
    { "no blocks", 0, { 0 }, COMPRESSION_OK, 0 },
    { "a block", 7, { 0, 0, 0, 3, 1, 0, 'a' }, COMPRESSION_OK, 1 },
    { "two", 14, { 0, 0, 0, 3, 1, 0, 'a', 0, 0, 0, 3, 1, 0, 'b' }, COMPRESSION_OK, 2 },
    { "half a length", 2, { 0, 0 }, CORRUPT, 0 },
    { "a block that is cut", 6, { 0, 0, 0, 3, 1, 0 }, CORRUPT, 0 },
    { "a negative length", 7, { 0xff, 0xff, 0xff, 0xff, 1, 0, 'a' }, CORRUPT, 0 },
    { "an empty block is not even a block", 4, { 0, 0, 0, 0 }, CORRUPT, 0 },
    { "a block that claims 4 GiB", 9, { 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x0f }, COMPRESSION_TOO_LARGE, 0 },
    { "a second stream",
      23,
      { 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 3, 1, 0, 'a' },
      COMPRESSION_OK,
      1 },
};

TEST(xerial_framing)
{
    FOR_EACH(xerial_row, row, xerial_rows) {
        static const uint8_t head[16] = { 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1 };
        struct bytes output;
        memcpy(packed, head, sizeof head);
        memcpy(packed + sizeof head, row->tail, row->size);
        const struct bytes input = { packed, 16 + row->size };
        EXPECT_EQ(row->why, row->verdict, unpack(SNAPPY, input, ROOM, &output));
        if (row->verdict == COMPRESSION_OK) EXPECT_EQ(row->why, row->unpacked, output.size);
    }
}

/* The scratch may keep what an earlier call left there: good after good, after corrupt, after packing, after gzip. */
TEST(scratch_that_is_kept)
{
    const struct compression_memory memory = { unpacked, ROOM, scratch, sizeof scratch };
    const struct compression_memory to = { packed, ROOM, scratch, sizeof scratch };
    const struct bytes good = { zstd_checked, sizeof zstd_checked }, cut = { zstd_checked, 20 };
    const struct bytes gzipped = { gzip_one, sizeof gzip_one }, fox = { (const uint8_t *)FOX, 39 };
    struct bytes output;

    memset(scratch, 0, sizeof scratch);
    for (int round = 0; round < 12; round++) {
        if (round % 3 == 1) EXPECT_EQ("cut", CORRUPT, compression_decompress(ZSTD, cut, &memory, &output));
        if (round % 4 == 2) compression_compress(round % 8 == 2 ? ZSTD : GZIP, fox, &to, &output);
        if (round % 5 == 3) EXPECT_EQ("gzip", COMPRESSION_OK, compression_decompress(GZIP, gzipped, &memory, &output));
        EXPECT_EQ("zstd", COMPRESSION_OK, compression_decompress(ZSTD, good, &memory, &output));
        EXPECT_BYTES("zstd", FOX, 39, output.data, output.size);
    }
}

TEST(codecs_that_are_none)
{
    struct bytes output;
    const struct bytes input = { (const uint8_t *)FOX, 39 };
    for (int codec = ZSTD + 1; codec <= 7; codec++) {
        EXPECT_EQ("unknown", COMPRESSION_UNKNOWN, unpack((enum compression)codec, input, ROOM, &output));
    }
    EXPECT_EQ("nothing to do", COMPRESSION_OK, unpack(COMPRESSION_NONE, input, 0, &output));
    EXPECT_EQ("all of it", input.size, output.size);
}
