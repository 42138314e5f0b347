/* batch_head.h -- the fixed front of a record batch as it lies in a journal entry or a segment.
 *
 *     0 i64 base offset     16 i8 magic, 2        27 i64 base timestamp    53 i32 base sequence
 *     8 i32 size from 12    17 u32 crc of 21..    35 i64 max timestamp     57 i32 record count
 *    12 i32 leader epoch    21 i16 attributes     43 i64 producer id       61 records
 *                           23 i32 last delta     51 i16 producer epoch
 *
 * What is read here comes from our own disk, but disks lie: batch_head_read judges before anybody relies on it. */
#ifndef CHRONIK_LOG_BATCH_HEAD_H
#define CHRONIK_LOG_BATCH_HEAD_H

#include "codec/record_batch.h"

enum { BATCH_HEAD_SIZE = 61, BATCH_SIZE_OVERHEAD = 12 };

struct batch_head {
    int64_t base_offset;
    int64_t last_offset;
    uint32_t size; /* all of it */
    int32_t leader_epoch;
    uint32_t crc;
    int16_t attributes;
    int64_t max_timestamp; /* -1: of no record */
    int64_t producer_id;   /* -1: not idempotent */
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
};

/* False: these 61 bytes do not begin a batch. */
static inline bool batch_head_read(const uint8_t *bytes, struct batch_head *head)
{
    const int64_t size = (int64_t)(int32_t)load_u32(bytes + 8) + BATCH_SIZE_OVERHEAD;
    const int32_t last_delta = (int32_t)load_u32(bytes + 23);

    *head = (struct batch_head){
        .base_offset = (int64_t)load_u64(bytes),
        .size = (uint32_t)size,
        .leader_epoch = (int32_t)load_u32(bytes + 12),
        .crc = load_u32(bytes + 17),
        .attributes = (int16_t)load_u16(bytes + 21),
        .max_timestamp = (int64_t)load_u64(bytes + 35),
        .producer_id = (int64_t)load_u64(bytes + 43),
        .producer_epoch = (int16_t)load_u16(bytes + 51),
        .base_sequence = (int32_t)load_u32(bytes + 53),
        .record_count = (int32_t)load_u32(bytes + 57),
    };
    if (bytes[16] != 2 || size < BATCH_HEAD_SIZE || size > INT32_MAX || last_delta < 0) return false;
    if (head->base_offset < 0 || head->base_offset > INT64_MAX - 1 - last_delta) return false;
    head->last_offset = head->base_offset + last_delta;
    if (head->record_count == 0) head->max_timestamp = NO_TIMESTAMP; /* compaction left it the one that it had */
    return true;
}

/* The head as a batch whose records are not at hand. */
static inline struct record_batch batch_of_head(const struct batch_head *head, const uint8_t *bytes)
{
    return (struct record_batch){
        .bytes = { bytes, BATCH_HEAD_SIZE },
        .base_offset = head->base_offset,
        .leader_epoch = head->leader_epoch,
        .crc = head->crc,
        .attributes = (uint16_t)head->attributes,
        .last_offset_delta = (int32_t)(head->last_offset - head->base_offset),
        .max_timestamp = (int64_t)load_u64(bytes + 35),
        .producer_id = head->producer_id,
        .producer_epoch = head->producer_epoch,
        .base_sequence = head->base_sequence,
        .record_count = head->record_count,
    };
}

#endif
