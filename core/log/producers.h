/* producers.h -- has this producer sent this batch to this log before, and is it the next one?
 *
 * Idempotent producers number their batches per log. For each pair of log and producer id this remembers the epoch and
 * the last batches: enough to answer a repeated one with its first offset, and to refuse a gap. Judging changes
 * nothing; what was appended is recorded afterwards, in the same step. It knows neither bytes nor disk.
 *
 * Judged are the last five batches, as in Kafka: clients have at most five in flight. Ten are kept, each with its
 * epoch, because a checkpoint must say what was true at an offset that is durable, and the newest five may all lie
 * beyond it.
 *
 * The table is bounded. A producer that was silent for producer.id.expiration.ms is forgotten when its place is wanted
 * or when time comes round to it; the one silent for longest comes first.
 *
 * Invariants, numbered as in producers_check():
 *   (1) Every producer is in the map, in its log's list and in the list by age, once.
 *   (2) It has at least one batch, and their offsets rise. */
#ifndef CHRONIK_LOG_PRODUCERS_H
#define CHRONIK_LOG_PRODUCERS_H

#include "base/map.h"
#include "base/pool.h"

enum {
    PRODUCER_BATCHES_JUDGED = 5,
    PRODUCER_BATCHES_KEPT = 10,
    PRODUCER_NONE = UINT32_MAX,
};

struct producer_batch {
    int64_t base_offset;
    int64_t timestamp; /* its log append time, -1: it keeps the producer's times */
    int32_t first_sequence;
    int32_t last_sequence;
    int16_t epoch;
};

struct producer {
    int64_t id;
    int64_t used_ms; /* wall clock of the last append */
    uint32_t log;
    uint32_t next_of_log;
    uint32_t previous_of_log;
    uint32_t older; /* used before it */
    uint32_t newer;
    uint32_t batch_count; /* at most KEPT */
    bool older_lost;      /* it appended batches before those that are kept */
    uint64_t batch_end;   /* batches ever recorded; the newest is at (batch_end - 1) % KEPT */
    struct producer_batch batches[PRODUCER_BATCHES_KEPT];
};

struct producers {
    uint32_t logs_max;
    int64_t expiration_ms;
    struct pool pool;
    struct map map;
    struct producer *producers;
    uint32_t *first_of_log; /* [logs_max] */
    uint32_t oldest;
    uint32_t newest;
};

size_t producers_size(uint32_t producers_max, uint32_t logs_max);

/* In zeroed memory, aligned to 64. */
void producers_init(struct producers *producers, void *memory, uint32_t producers_max, uint32_t logs_max,
                    int64_t expiration_ms, uint64_t hash_seed);

/* What a batch says of its producer. */
struct producer_stamp {
    int64_t id; /* not negative */
    int16_t epoch;
    int32_t first_sequence;
    int32_t record_count;
};

/* The sequence of the batch's last record; sequences go from INT32_MAX to 0. */
int32_t producer_last_sequence(const struct producer_stamp *stamp);

enum producer_verdict {
    PRODUCER_NEXT,      /* may be appended */
    PRODUCER_DUPLICATE, /* of `batch` */
    PRODUCER_OUT_OF_ORDER,
    PRODUCER_FENCED,
    PRODUCER_TABLE_FULL, /* of live producers */
};

/* What to do with a batch of this stamp. PRODUCER_NEXT leaves a place for it in the table. */
enum producer_verdict producers_judge(struct producers *producers, uint32_t log, const struct producer_stamp *stamp,
                                      int64_t wall_ms, struct producer_batch *batch);

/* It was appended. False: the table was full of live ones, and the one that was silent for longest was forgotten for
 * it: where a leader's batches are copied or replayed, none can be refused, and who wrote last is who may repeat it. */
bool producers_record(struct producers *producers, uint32_t log, const struct producer_stamp *stamp,
                      int64_t base_offset, int64_t timestamp, int64_t wall_ms);

/* A batch from a checkpoint, oldest first; `older_lost` as it was. False: the table is full. */
bool producers_restore(struct producers *producers, uint32_t log, int64_t id, int64_t used_ms, bool older_lost,
                       const struct producer_batch *batch);

/* The log ends at `end_offset`: what its producers did from there on has not happened. False: of some, too few of the
 * batches before it are kept to judge by. Then the log's producers are forgotten, to be learnt from its batches. */
bool producers_truncate(struct producers *producers, uint32_t log, int64_t end_offset);

/* Forgets some of those that expired; true if there are more. */
bool producers_expire(struct producers *producers, int64_t wall_ms, uint32_t count_max);

/* Whether a batch that begins there may be one of the last ones by which the producer is judged, also when the log has
 * lost what is not committed. */
bool producers_need(const struct producers *producers, uint32_t log, int64_t id, int64_t base_offset,
                    int64_t high_watermark);

void producers_forget_log(struct producers *producers, uint32_t log);

/* The first producer of a log's list; PRODUCER_NONE: there is none. */
uint32_t producers_first_of_log(const struct producers *producers, uint32_t log);
uint32_t producers_next_of_log(const struct producers *producers, uint32_t producer);

/* Its batches: `age` 0 is the newest; NULL from batch_count on. */
const struct producer_batch *producer_batch(const struct producer *producer, uint32_t age);

void producers_check(const struct producers *producers);

#endif
