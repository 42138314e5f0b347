/* bench_codec.c -- what looking at a record batch costs: checksum, validation, each codec; CPU time of one thread.
 *
 * Medians of several rounds, warm cache. Compressed batches show what validation pays for having to unpack. */
#include "base/check.h"
#include "base/crc32c.h"
#include "base/prng.h"
#include "codec/record_batch_builder.h"
#include "codec/record_validation.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROOM = 4 << 20, ROUNDS = 9, ROUND_NS = 20 * 1000 * 1000 };

static uint8_t built[ROOM], packed[ROOM], unpacked[ROOM], values[ROOM];
static _Alignas(16) uint8_t scratch[COMPRESSION_SCRATCH_SIZE];
static const struct compression_memory to = { packed, sizeof packed, scratch, sizeof scratch };
static const struct compression_memory from = { unpacked, sizeof unpacked, scratch, sizeof scratch };
static const struct record_rules rules = {
    .message_size_max = ROOM,
    .now_ms = INT64_C(1700000000000),
    .timestamp_before_max_ms = INT64_MAX,
    .timestamp_after_max_ms = 3600000,
    .produce_version = 9,
};

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

struct job {
    enum { JOB_CRC, JOB_HEAD, JOB_VALIDATE, JOB_COPY_AND_STAMP, JOB_PACK, JOB_UNPACK } what;
    enum compression codec;
    struct bytes bytes;
};

static void work(const struct job *job)
{
    struct record_batch batch;
    struct bytes output;
    int32_t index;

    switch (job->what) {
    case JOB_CRC: *(volatile uint32_t *)values = crc32c(0, job->bytes.data, job->bytes.size); break;
    case JOB_HEAD: (void)record_batch_read(job->bytes, &batch); break;
    case JOB_VALIDATE:
        if (record_batch_validate(job->bytes, &rules, &from, &batch, &index) != RECORD_VERDICT_OK) abort();
        break;
    case JOB_COPY_AND_STAMP:
        record_batch_read(job->bytes, &batch);
        memcpy(unpacked, batch.bytes.data, batch.bytes.size);
        record_batch_stamp(unpacked, &batch, 1, 2, -1);
        break;
    case JOB_PACK:
        if (compression_compress(job->codec, job->bytes, &to, &output) != COMPRESSION_OK) abort();
        break;
    case JOB_UNPACK:
        if (compression_decompress(job->codec, job->bytes, &from, &output) != COMPRESSION_OK) abort();
        break;
    }
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* ns of one job, the median of the rounds. */
static double measure(const struct job *job)
{
    double rounds[ROUNDS];
    unsigned times = 1;

    for (;;) {
        const double begin = cpu_ns();
        for (unsigned i = 0; i < times; i++) work(job);
        if (cpu_ns() - begin > ROUND_NS) break;
        times *= 2;
    }
    for (int round = 0; round < ROUNDS; round++) {
        const double begin = cpu_ns();
        for (unsigned i = 0; i < times; i++) work(job);
        rounds[round] = (cpu_ns() - begin) / times;
    }
    qsort(rounds, ROUNDS, sizeof *rounds, by_size);
    return rounds[ROUNDS / 2];
}

static struct bytes build(int count, uint32_t value_size)
{
    struct record_batch_builder builder;
    struct prng prng;

    prng_init(&prng, 1, value_size);
    record_batch_builder_init(&builder, built, sizeof built);
    for (int i = 0; i < count; i++) {
        uint8_t *value = values + 8;
        for (uint32_t at = 0; at < value_size;) {
            char text[64];
            const int size = snprintf(text, sizeof text, "{\"id\":%d,\"user\":\"u-%u\",\"total\":%u},", i,
                                      (unsigned)prng_below(&prng, 1000), (unsigned)prng_below(&prng, 100000));
            for (int j = 0; j < size && at < value_size; j++) value[at++] = (uint8_t)text[j];
        }
        char key[16];
        const uint32_t key_size = (uint32_t)snprintf(key, sizeof key, "key-%d", i);
        const struct record_input record = { .timestamp = rules.now_ms + i,
                                             .key = { (uint8_t *)key, key_size },
                                             .value = { value, value_size } };
        if (!record_batch_builder_add(&builder, &record)) abort();
    }
    return record_batch_builder_end(&builder);
}

static void row(const char *what, double ns, uint32_t size, int records)
{
    printf("  %-26s %12.1f ns  %8.2f GB/s", what, ns, size / ns);
    if (records > 0) printf("  %8.2f ns/record", ns / records);
    printf("\n");
}

static void batch_rows(int count, uint32_t value_size)
{
    static const char *const names[] = { "none", "gzip", "snappy", "lz4", "zstd" };
    const struct bytes plain = build(count, value_size);
    struct bytes copy, payload = { plain.data + RECORD_BATCH_HEAD_SIZE, plain.size - RECORD_BATCH_HEAD_SIZE };
    char what[40];

    printf("%d records of %u bytes, a batch of %u\n", count, value_size, plain.size);
    row("checksum", measure(&(struct job){ JOB_CRC, 0, plain }), plain.size, 0);
    row("head", measure(&(struct job){ JOB_HEAD, 0, plain }), plain.size, 0);
    row("copy and stamp", measure(&(struct job){ JOB_COPY_AND_STAMP, 0, plain }), plain.size, 0);
    row("validate", measure(&(struct job){ JOB_VALIDATE, 0, plain }), plain.size, count);
    for (enum compression codec = COMPRESSION_GZIP; codec <= COMPRESSION_ZSTD; codec++) {
        struct bytes out;
        snprintf(what, sizeof what, "%s pack", names[codec]);
        row(what, measure(&(struct job){ JOB_PACK, codec, payload }), payload.size, 0);
        if (compression_compress(codec, payload, &to, &out) != COMPRESSION_OK) abort();
        copy = (struct bytes){ malloc(out.size), out.size };
        memcpy((uint8_t *)(uintptr_t)copy.data, out.data, out.size);
        snprintf(what, sizeof what, "%s unpack (%.1f to 1)", names[codec], (double)payload.size / out.size);
        row(what, measure(&(struct job){ JOB_UNPACK, codec, copy }), payload.size, 0);
        free((void *)(uintptr_t)copy.data);
        if (record_batch_compress(plain, codec, &to, &out) != COMPRESSION_OK) abort();
        snprintf(what, sizeof what, "%s validate", names[codec]);
        row(what, measure(&(struct job){ JOB_VALIDATE, codec, out }), plain.size, count);
    }
}

int main(void)
{
    batch_rows(1, 100);
    batch_rows(100, 100);
    batch_rows(16, 1024);
    batch_rows(1000, 1024);
    return 0;
}
