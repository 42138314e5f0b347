/* record_batch.h -- the unit in which Kafka's records are sent, stored and served: record batch v2 (magic 2).
 *
 * A batch is kept as the producer sent it, from the socket to the segment to the consumer. This room reads its head,
 * says where it ends, and stamps the few fields that are the log's to decide. All integers are big-endian:
 *
 *    0                   8         12        16   17        21     23         27                  35
 *    +-------------------+---------+---------+----+---------+------+----------+-------------------+--
 *    | base offset       | length  | leader  | 2  | CRC-32C | attr | last off.| base timestamp    |
 *    |                   | from 12 | epoch   |    | from 21 |      | delta    |                   |
 *    +-------------------+---------+---------+----+---------+------+----------+-------------------+--
 *   35                  43                  51     53          57         61
 *    +-------------------+-------------------+------+-----------+----------+------------------------+
 *    | max timestamp     | producer id       | epoch| base seq. | count    | records, as one        |
 *    |                   |                   |      |           |          | compressed run or none |
 *    +-------------------+-------------------+------+-----------+----------+------------------------+
 *
 *   attributes: bits 0-2 compression, 3 LogAppendTime, 4 transactional, 5 control, 6 delete horizon (the base
 *   timestamp is one). Base offset, length, leader epoch and magic lie outside the checksum, so stamping offset and
 *   epoch leaves it valid. */
#ifndef CHRONIK_CODEC_RECORD_BATCH_H
#define CHRONIK_CODEC_RECORD_BATCH_H

#include "codec/compression.h"

enum {
    RECORD_BATCH_LENGTH_END = 12, /* base offset and length: enough to know the batch's size */
    RECORD_BATCH_MAGIC_END = 17,  /* ... and to know that it is one */
    RECORD_BATCH_CRC_BEGIN = 21,  /* what the checksum covers, up to the end */
    RECORD_BATCH_HEAD_SIZE = 61,
    RECORD_BATCH_SIZE_MAX = INT32_MAX,
};

enum record_batch_attribute {
    RECORD_BATCH_COMPRESSION = 7,
    RECORD_BATCH_LOG_APPEND_TIME = 1 << 3,
    RECORD_BATCH_TRANSACTIONAL = 1 << 4,
    RECORD_BATCH_CONTROL = 1 << 5,
    RECORD_BATCH_DELETE_HORIZON = 1 << 6,
};

enum {
    NO_TIMESTAMP = -1,
    NO_PRODUCER_ID = -1,
    NO_PRODUCER_EPOCH = -1,
    NO_SEQUENCE = -1,
    NO_LEADER_EPOCH = -1,
};

struct record_batch {
    struct bytes bytes; /* all of it, head and records; somebody else's */
    int64_t base_offset;
    int32_t leader_epoch;
    uint32_t crc;
    uint16_t attributes;
    int32_t last_offset_delta; /* of the last offset that the batch stands for, whether that record is left or not */
    int64_t base_timestamp;
    int64_t max_timestamp; /* after record_batch_validate: the true one, whatever the bytes say */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
};

enum record_batch_shape {
    RECORD_BATCH_WHOLE,
    RECORD_BATCH_CUT,    /* begins like a batch; the bytes end before it does */
    RECORD_BATCH_OLD,    /* magic 0 or 1, from before Kafka 0.11 */
    RECORD_BATCH_BROKEN, /* a length or magic that no batch has */
};

/* How large the batch at the begin of `bytes` is: *size is set for WHOLE and OLD, and for CUT to what is known to be
 * needed (at least one byte more than there is). So one steps from batch to batch; it looks at no checksum. */
enum record_batch_shape record_batch_next_size(struct bytes bytes, uint32_t *size);

/* Reads the head of the batch at the begin of `bytes`; batch->bytes ends where the batch does. Only WHOLE fills it. */
enum record_batch_shape record_batch_read(struct bytes bytes, struct record_batch *batch);

/* Whether the bytes are those that the checksum was made of. */
bool record_batch_crc_matches(const struct record_batch *batch);

static inline int64_t record_batch_last_offset(const struct record_batch *batch)
{
    return (int64_t)((uint64_t)batch->base_offset + (uint64_t)batch->last_offset_delta);
}

/* The sequence number of the last record: they wrap from 2^31 - 1 to 0. */
static inline int32_t record_batch_last_sequence(const struct record_batch *batch)
{
    return (int32_t)(((uint32_t)batch->base_sequence + (uint32_t)batch->last_offset_delta) & INT32_MAX);
}

/* One of enum compression, or a number that is none. */
static inline enum compression record_batch_compression(const struct record_batch *batch)
{
    return (enum compression)(batch->attributes & RECORD_BATCH_COMPRESSION);
}

static inline bool record_batch_has_producer(const struct record_batch *batch)
{
    return batch->producer_id > NO_PRODUCER_ID;
}

/* What follows the head: compressed, or the records themselves. */
static inline struct bytes record_batch_payload(const struct record_batch *batch)
{
    return (struct bytes){ batch->bytes.data + RECORD_BATCH_HEAD_SIZE, batch->bytes.size - RECORD_BATCH_HEAD_SIZE };
}

/* The records, uncompressed: in the batch itself, or in memory->output. */
enum compression_verdict record_batch_open(const struct record_batch *batch, const struct compression_memory *memory,
                                           struct bytes *records);

/* Writes what the log decides into `copy`, a copy of batch->bytes: base offset, leader epoch, and with
 * log_append_time >= 0 that time and its attribute. The checksum is made anew only if what it covers has changed:
 * for a log append time, and where the producer's max timestamp was not batch->max_timestamp. */
void record_batch_stamp(uint8_t *copy, const struct record_batch *batch, int64_t base_offset, int32_t leader_epoch,
                        int64_t log_append_time);

/* Writes the head of a batch whose payload lies behind it already, with length and checksum; `crc` and `bytes` of the
 * batch are not read. `size` is that of the whole batch. */
void record_batch_write_head(uint8_t *to, uint32_t size, const struct record_batch *batch);

#endif
