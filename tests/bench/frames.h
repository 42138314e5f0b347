/* frames.h -- the few Kafka messages that the raw client and the null broker speak, byte by byte, without a codec. */
#ifndef CHRONIK_TESTS_BENCH_FRAMES_H
#define CHRONIK_TESTS_BENCH_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where Kafka's messages are read and written: `at` moves on. */
struct cursor {
    uint8_t *at, *end;
};

uint64_t get(struct cursor *cursor, int bytes);
void put(struct cursor *cursor, int bytes, uint64_t value);
void put_bytes(struct cursor *cursor, const void *bytes, size_t size);
void skip_string(struct cursor *cursor);

enum {
    API_PRODUCE = 0,
    API_FETCH = 1,
    API_METADATA = 3,
    API_VERSIONS = 18,
    API_CREATE_TOPICS = 19,
    PRODUCE_VERSION = 7,
    FETCH_VERSION = 4,
    BATCH_HEADER_SIZE = 61,
};

/* Each writes a whole frame, its size before it, and returns where it ends. */
uint8_t *frame_produce(uint8_t *to, const char *topic, int partition, int acks, const uint8_t *batch,
                       size_t batch_size);
uint8_t *frame_fetch(uint8_t *to, const char *topic, int partition, int64_t offset, int32_t wait_ms, int32_t size_max);
uint8_t *frame_create_topic(uint8_t *to, const char *topic, int partitions);
uint8_t *frame_simple(uint8_t *to, int api, int version); /* with an empty array, or without a body */

/* A batch of `count` records with `value_size` random bytes each, dated now. */
size_t batch_write(uint8_t *to, uint32_t count, size_t value_size, uint64_t seed);

/* A frame's payload, behind its size. What a Produce answer says of its one partition. */
int16_t produce_answer_error(const uint8_t *payload, size_t size);

struct fetched {
    int16_t error;
    int64_t high_watermark;
    int64_t next_offset; /* -1: nothing came */
    uint64_t records_size;
    uint64_t record_count;
};
struct fetched fetch_answer_read(const uint8_t *payload, size_t size);

int16_t create_answer_error(const uint8_t *payload, size_t size);

#endif
