/* bench_compaction.c -- what compaction costs beside reading and writing: CPU time of one thread.
 *
 * A log of many keys, each written twice: its keys are mapped, then every batch is distilled, and half of its records
 * go. Each key comes again far behind, so the map is met at random places, as it is in a log. */
#include "base/check.h"
#include "base/prng.h"
#include "codec/record_batch_builder.h"
#include "log/distill.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { KEYS = 500000, VALUE_SIZE = 100, RECORDS_OF_BATCH = 100, ROOM = 1 << 20 };

static uint8_t built[ROOM], unpacked[ROOM], kept[ROOM];
static _Alignas(16) uint8_t scratch[COMPRESSION_SCRATCH_SIZE];
static const struct distill_memory memory = { unpacked, kept, ROOM, ROOM, scratch };

_Noreturn void check_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: CHECK(%s)\n", file, line, what);
    abort();
}

static double cpu_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

struct log {
    uint8_t *bytes;
    uint64_t size;
};

/* Keys in a new order each time. */
static uint32_t key_at(uint32_t at)
{
    return (uint32_t)((uint64_t)(at % KEYS) * (at < KEYS ? 2654435761U : 2246822519U) % KEYS);
}

static void build(struct log *log, enum compression codec)
{
    const struct compression_memory to = { unpacked, ROOM, scratch, sizeof scratch };
    struct prng prng;

    prng_init(&prng, 1, 1);
    log->bytes = malloc((size_t)2 * KEYS * (VALUE_SIZE + 60));
    log->size = 0;
    for (uint32_t at = 0; at < 2 * KEYS;) {
        struct record_batch_builder builder;
        record_batch_builder_init(&builder, built, ROOM);
        builder.batch.base_offset = at;
        for (uint32_t i = 0; i < RECORDS_OF_BATCH; i++, at++) {
            char key[16], value[VALUE_SIZE + 64];
            const int key_size = snprintf(key, sizeof key, "user-%u", key_at(at));
            int size = 0;
            while (size < VALUE_SIZE) {
                size +=
                    snprintf(value + size, 64, "{\"id\":%u,\"total\":%u},", at, (unsigned)prng_below(&prng, 100000));
            }
            const struct record_input record = { .timestamp = 1700000000000 + at,
                                                 .key = { (uint8_t *)key, (uint32_t)key_size },
                                                 .value = { (uint8_t *)value, VALUE_SIZE } };
            if (!record_batch_builder_add(&builder, &record)) abort();
        }
        struct bytes batch = record_batch_builder_end(&builder);
        if (codec != COMPRESSION_NONE && record_batch_compress(batch, codec, &to, &batch) != COMPRESSION_OK) abort();
        memcpy(log->bytes + log->size, batch.data, batch.size);
        log->size += batch.size;
    }
}

static void measure(const char *name, enum compression codec)
{
    const size_t map_size = (size_t)32 << 20;
    struct log log;
    struct key_map keys;
    struct record_batch batch;
    struct distilled distilled;
    void *slots = aligned_alloc(64, key_map_size(map_size));
    uint64_t plain = 0, left = 0;

    build(&log, codec);
    memset(slots, 0, key_map_size(map_size));
    key_map_init(&keys, slots, map_size, 7);
    const double begin = cpu_ns();
    for (uint64_t at = 0; at < log.size; at += batch.bytes.size) {
        if (record_batch_read((struct bytes){ log.bytes + at, (uint32_t)MIN(log.size - at, (uint64_t)ROOM) }, &batch) !=
            RECORD_BATCH_WHOLE) {
            abort();
        }
        if (!record_batch_crc_matches(&batch)) abort();
        if (distill_map(&batch, &keys, &memory, &distilled) != DISTILL_SAME) abort();
        plain += distilled.unpacked_size;
    }
    const double mapped = cpu_ns();
    const struct distill_rules rules = { &keys, INT64_MAX, 0, 0 };
    for (uint64_t at = 0; at < log.size; at += batch.bytes.size) {
        record_batch_read((struct bytes){ log.bytes + at, (uint32_t)MIN(log.size - at, (uint64_t)ROOM) }, &batch);
        if (!record_batch_crc_matches(&batch)) abort();
        const enum distill_verdict verdict = distill_batch(&batch, &rules, false, &memory, &distilled);
        if (verdict == DISTILL_WRITTEN) left += distilled.batch.size;
        if (verdict == DISTILL_SAME) left += batch.bytes.size;
    }
    const double end = cpu_ns();
    printf("  %-8s %5.1f to 1   map %6.0f ns/record %6.0f MB/s   copy %6.0f ns/record %6.0f MB/s   %3.0f %% left\n",
           name, (double)plain / (double)log.size, (mapped - begin) / (2 * KEYS),
           (double)log.size * 1e3 / (mapped - begin), (end - mapped) / (2 * KEYS),
           (double)log.size * 1e3 / (end - mapped), 100.0 * (double)left / (double)log.size);
    free(slots);
    free(log.bytes);
}

int main(void)
{
    printf("%d records of %d bytes, %d keys; MB of the log as it lies on the disk\n", 2 * KEYS, VALUE_SIZE, KEYS);
    measure("none", COMPRESSION_NONE);
    measure("gzip", COMPRESSION_GZIP);
    measure("snappy", COMPRESSION_SNAPPY);
    measure("lz4", COMPRESSION_LZ4);
    measure("zstd", COMPRESSION_ZSTD);
    return 0;
}
