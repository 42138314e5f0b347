/* checkpoint.h -- from where on is the journal needed?
 *
 * A checkpoint says: of every log, this much is durable in segments; and of the journal, nothing before this sequence
 * is needed. It is made in small steps while appends go on:
 *
 *   FLUSHING   what was durable at its begin is written to segments (flush.h)
 *   SYNCING    segments and directories are synced (sync.h)
 *   WRITING    wal/__checkpoint.new is written, log by log, each as it is at that instant
 *   ...        it is synced, takes the place of wal/__checkpoint, and its name is synced; then the journal is released
 *
 * No log is cut off while that goes on (truncate.h): what is taken back, and what takes it back, are both behind the
 * sequence, or both before it.
 *
 * What is written of a log is what its last syncs covered, so every batch that is missing in it is of the sequence or
 * later, and in the journal. Producer states and epochs are written up to the durable offset at that instant: what of
 * them is newer than the segments is met again in the journal, and changes nothing twice.
 *
 * The file is records of fixed sizes, each begun by its kind; all integers big-endian:
 *
 *   head        0 u32 magic "CHRC"   4 u16 version   6 u16 flags (1: clean)   8 u64 sequence   16 i64 wall clock, ms
 *   'L' log     u8[16] topic id | i32 partition | i64 log start offset | i64 begin of its segments
 *               | i64 high watermark | i64 compacted up to | u32 era | u8 flags (1: its producers are not known)
 *   'S' segment i64 base | i64 end | i64 largest timestamp | i64 its offset | i64 indexed timestamp
 *               | i64 first timestamp | i64 created | u32 size | u32 index | u32 time index | u32 unindexed
 *               | u32 edition
 *   'E' epoch   i32 epoch | i64 start offset                                     (oldest first)
 *   'P' producer u8[16] topic id | i32 partition | i64 id | i64 last used, ms | u8 flags (1: had more batches before)
 *   'B' batch   i64 base offset | i64 timestamp | i32 first | i32 last sequence | i16 epoch   (oldest first)
 *   'Z' end     u64 number of records before it | u32 crc-32c of everything before the crc
 *
 * S and E belong to the L before them, B to the P before it. A log is recovered up to the end of its last segment. */
#ifndef CHRONIK_LOG_CHECKPOINT_H
#define CHRONIK_LOG_CHECKPOINT_H

#include "log/state.h"

enum {
    CHECKPOINT_MAGIC = 0x43485243,
    CHECKPOINT_VERSION = 3,
    CHECKPOINT_FLAG_CLEAN = 1,
    CHECKPOINT_HEAD_SIZE = 24,
    CHECKPOINT_LOG_SIZE = 1 + 16 + 4 + 4 * 8 + 4 + 1,
    CHECKPOINT_SEGMENT_SIZE = 1 + 7 * 8 + 5 * 4,
    CHECKPOINT_EPOCH_SIZE = 1 + 4 + 8,
    CHECKPOINT_PRODUCER_SIZE = 1 + 16 + 4 + 8 + 8 + 1,
    CHECKPOINT_BATCH_SIZE = 1 + 8 + 8 + 4 + 4 + 2,
    CHECKPOINT_END_SIZE = 1 + 8 + 4,
    CHECKPOINT_RECORD_MAX = CHECKPOINT_SEGMENT_SIZE,
};

/* ---- the format ---- */

enum checkpoint_kind {
    CHECKPOINT_HEAD = 'H', /* has no kind byte in the file: it is the first */
    CHECKPOINT_LOG = 'L',
    CHECKPOINT_SEGMENT = 'S',
    CHECKPOINT_EPOCH = 'E',
    CHECKPOINT_PRODUCER = 'P',
    CHECKPOINT_BATCH = 'B',
    CHECKPOINT_END = 'Z',
};

struct checkpoint_record {
    enum checkpoint_kind kind;
    union {
        struct {
            bool clean;
            uint64_t sequence;
            int64_t wall_ms;
        } head;
        struct {
            struct uuid topic_id;
            int32_t partition;
            int64_t log_start_offset;
            int64_t begin_offset;
            int64_t high_watermark;
            int64_t cleaned_offset;
            uint32_t era;
            bool producers_unknown;
        } log;
        struct {
            int64_t base_offset;
            int64_t first_timestamp;
            int64_t created_ms;
            struct segment_mark mark;
            uint32_t edition;
        } segment;
        struct {
            int32_t epoch;
            int64_t start_offset;
        } epoch;
        struct {
            struct uuid topic_id;
            int32_t partition;
            int64_t id;
            int64_t used_ms;
            bool older_lost;
        } producer;
        struct producer_batch batch;
        struct {
            uint64_t records;
            uint32_t crc;
        } end;
    };
};

/* Writes a record; returns its size. An end's crc is the caller's. */
uint32_t checkpoint_record_write(uint8_t *to, const struct checkpoint_record *record);

/* Its size; 0: the bytes end before the record does; UINT32_MAX: no record that checkpoint_record_write writes.
 * `first`: the head is expected. */
uint32_t checkpoint_record_read(struct bytes bytes, bool first, struct checkpoint_record *record);

/* ---- making one ---- */

/* Whether one that is wanted waits for nothing. A truncation that is being said is waited for: the disk's answer to
 * that comes by itself. */
bool checkpoint_may_begin(const struct logs *logs);

/* Begins one when it is time, and goes on with it. */
void checkpoint_work(struct logs *logs, struct effects *effects);

void checkpoint_on_disk(struct logs *logs, const struct event_disk *disk, struct effects *effects);
uint64_t checkpoint_deadline_ns(const struct logs *logs);

/* A log is to be cut off. What a checkpoint says must be true of all logs when the rounds that it lets go of were
 * written, so one that has not said all of it gives way and begins anew, unless the journal's space runs out. True:
 * none is in the way now. */
bool checkpoint_yields(struct logs *logs);

/* The log is deleted: the checkpoint passes over the rest of it. */
void checkpoint_forget_log(struct logs *logs, uint32_t log);

#endif
