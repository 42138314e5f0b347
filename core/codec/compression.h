/* compression.h -- what the core may ask of the compression libraries.
 *
 * The functions stand in an archive of their own (external/compression.c), which may use a C library; the core only
 * calls them. All memory is the caller's, the output is capped by it, and the same input gives the same output on
 * every run of one build. Nothing that must be the same across versions of a library may hold compressed bytes.
 *
 *   gzip    RFC 1952, any number of members.
 *   snappy  Read: the framing of the Java client (xerial) and a bare block (librdkafka). Written: xerial, as Java.
 *   lz4     LZ4 frames, any number, with correct header checksums. Blocks that depend on the block before are refused
 *           as by Kafka: a Java consumer could not read them.
 *   zstd    Frames, any number.
 *
 * A batch that unpacks to more than the caller's memory is a verdict (a bomb costs what the caller was willing to
 * spend). Time is bounded by input size plus output size. */
#ifndef CHRONIK_CODEC_COMPRESSION_H
#define CHRONIK_CODEC_COMPRESSION_H

#include "base/bytes.h"

/* The numbers are those of a record batch's attributes. */
enum compression {
    COMPRESSION_NONE,
    COMPRESSION_GZIP,
    COMPRESSION_SNAPPY,
    COMPRESSION_LZ4,
    COMPRESSION_ZSTD,
};

enum compression_verdict {
    COMPRESSION_OK,
    COMPRESSION_TOO_LARGE, /* the result does not fit into the output */
    COMPRESSION_CORRUPT,   /* not what the codec writes, or cut short */
    COMPRESSION_UNKNOWN,   /* no such codec */
};

/* What the libraries need beside input and output, whatever the input says. A call may leave something there that
 * makes the next one faster. So between calls scratch memory is left alone, or handed over with its first 16 bytes
 * zeroed or random; no result depends on which. */
enum {
    DECOMPRESSION_SCRATCH_SIZE = 192 << 10,
    COMPRESSION_SCRATCH_SIZE = 2 << 20,
};

struct compression_memory {
    uint8_t *output;
    uint32_t output_size; /* the cap */
    void *scratch;        /* aligned to 16 */
    uint32_t scratch_size;
};

/* Unpacks all of `input` to the begin of memory->output; `output` is then what was written. For COMPRESSION_NONE it
 * is the input itself, uncopied. The scratch has at least DECOMPRESSION_SCRATCH_SIZE bytes. */
enum compression_verdict compression_decompress(enum compression codec, struct bytes input,
                                                const struct compression_memory *memory, struct bytes *output);

/* Packs `input` to the begin of memory->output at the codec's usual level. The scratch has at least
 * COMPRESSION_SCRATCH_SIZE bytes. snappy alone takes up to 200 KiB from the heap for the duration of the call. */
enum compression_verdict compression_compress(enum compression codec, struct bytes input,
                                              const struct compression_memory *memory, struct bytes *output);

#endif
