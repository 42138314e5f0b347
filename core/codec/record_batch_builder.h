/* record_batch_builder.h -- makes record batches: for internal topics, simulated clients and tests.
 *
 * Records are written one after the other behind the place of the head; the head comes last. The bytes are those that
 * the Java client writes for the same records. */
#ifndef CHRONIK_CODEC_RECORD_BATCH_BUILDER_H
#define CHRONIK_CODEC_RECORD_BATCH_BUILDER_H

#include "codec/record.h"

struct record_batch_builder {
    uint8_t *memory;
    uint32_t memory_size;
    uint32_t size;             /* head and records so far */
    struct record_batch batch; /* the head to be */
};

struct record_input {
    int64_t timestamp;
    struct bytes key;   /* NULL pointer: null */
    struct bytes value; /* NULL pointer: null */
    const struct record_header *headers;
    int32_t header_count;
};

/* Begins a batch in the caller's memory (at least RECORD_BATCH_HEAD_SIZE) with base offset 0, no leader epoch and no
 * producer; change builder->batch before the end for others: base_offset, leader_epoch, attributes (uncompressed),
 * producer_id, producer_epoch, base_sequence. */
void record_batch_builder_init(struct record_batch_builder *builder, uint8_t *memory, uint32_t memory_size);

/* Adds a record with the next offset. False, and nothing changed, if it does not fit. */
bool record_batch_builder_add(struct record_batch_builder *builder, const struct record_input *record);

/* Writes the head. The batch is in the builder's memory; more records may be added, and the head be written again. */
struct bytes record_batch_builder_end(struct record_batch_builder *builder);

/* The same batch with its records compressed, in memory->output. */
enum compression_verdict record_batch_compress(struct bytes plain, enum compression codec,
                                               const struct compression_memory *memory, struct bytes *packed);

#endif
