/* record_validation.h -- may what a producer sent for one partition go into its log?
 *
 * The checks are those of Kafka's broker, in its order, so that a batch with several faults gets the error its
 * client would get there. Compressed batches are unpacked for it, into memory of a fixed size: count, offset deltas,
 * keys and timestamps lie inside. Producer sequences need the log's memory and are its business, not ours. */
#ifndef CHRONIK_CODEC_RECORD_VALIDATION_H
#define CHRONIK_CODEC_RECORD_VALIDATION_H

#include "codec/errors.h"
#include "codec/record.h"

/* What topic and request ask for; names as in Kafka's topic configs. */
struct record_rules {
    uint32_t message_size_max;       /* max.message.bytes: of a batch, compressed as it is */
    bool log_append_time;            /* message.timestamp.type=LogAppendTime: the records' own times do not matter */
    bool key_required;               /* cleanup.policy contains compact */
    int64_t now_ms;                  /* wall clock */
    int64_t timestamp_before_max_ms; /* message.timestamp.before.max.ms; INT64_MAX: no limit */
    int64_t timestamp_after_max_ms;  /* message.timestamp.after.max.ms; INT64_MAX: no limit */
    int16_t produce_version;         /* of the request: zstd is for 7 and above */
};

/* X(verdict, Kafka's error, what a client is told) */
#define EACH_RECORD_VERDICT(X)                                                                                         \
    X(OK, NONE, "")                                                                                                    \
    X(NO_BATCH, INVALID_RECORD, "The data holds no whole record batch.")                                               \
    X(CORRUPT, CORRUPT_MESSAGE, "The record batch does not match its checksum, or its length or magic is impossible.") \
    X(OLD_FORMAT, INVALID_RECORD, "Only record batches with magic 2 are accepted.")                                    \
    X(SEVERAL_BATCHES, INVALID_RECORD, "A partition's data must be exactly one record batch.")                         \
    X(UNKNOWN_COMPRESSION, UNSUPPORTED_COMPRESSION_TYPE, "There is no such compression type.")                         \
    X(ZSTD_TOO_EARLY, UNSUPPORTED_COMPRESSION_TYPE, "zstd needs version 7 of Produce or above.")                       \
    X(TOO_LARGE, MESSAGE_TOO_LARGE, "The record batch is larger than max.message.bytes.")                              \
    X(UNPACKS_TOO_LARGE, MESSAGE_TOO_LARGE, "The record batch unpacks to more than this broker accepts.")              \
    X(BASE_OFFSET, INVALID_RECORD, "The base offset must be 0.")                                                       \
    X(MISCOUNTED, INVALID_RECORD, "The record count does not match the offsets of the batch, or is not positive.")     \
    X(CONTROL_BATCH, INVALID_RECORD, "Clients may not write control records.")                                         \
    X(NO_SEQUENCE_GIVEN, INVALID_RECORD, "A batch with a producer id must have a sequence number.")                    \
    X(NO_PRODUCER_GIVEN, INVALID_RECORD, "A transactional batch must have a producer id.")                             \
    X(UNPACKABLE, INVALID_RECORD, "The records cannot be decompressed.")                                               \
    X(MALFORMED, INVALID_RECORD, "The records are malformed, or fewer or more than the batch says.")                   \
    X(OFFSET_DELTA, INVALID_RECORD, "The offset deltas of the records must be 0, 1, 2 and so on.")                     \
    X(KEY_MISSING, INVALID_RECORD, "A compacted topic accepts no record without a key.")                               \
    X(TIMESTAMP, INVALID_TIMESTAMP, "The timestamp of a record is out of the range that the topic accepts.")           \
    X(TIMESTAMP_TYPE, INVALID_TIMESTAMP, "A producer must not set the timestamp type to LogAppendTime.")

enum record_verdict {
#define X(verdict, error, text) RECORD_VERDICT_##verdict,
    EACH_RECORD_VERDICT(X)
#undef X
};

enum { RECORD_INDEX_NONE = -1 };

/* The records of one partition in a Produce request. With OK, `batch` is the one to append (its max_timestamp is the
 * records' true one: record_batch_stamp puts it right); bytes behind it that are no whole batch are not part of it,
 * as in Kafka. Else *record_index is the record at fault, where a single one is, or RECORD_INDEX_NONE. */
enum record_verdict record_batch_validate(struct bytes data, const struct record_rules *rules,
                                          const struct compression_memory *memory, struct record_batch *batch,
                                          int32_t *record_index);

/* The verdict as Kafka says it. */
enum error record_verdict_error(enum record_verdict verdict);

/* A sentence for error_message of a response. */
struct bytes record_verdict_text(enum record_verdict verdict);

#endif
