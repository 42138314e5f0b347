/* index.h -- which index entries does a segment get, and what do they say?
 *
 * Kafka's own files, byte for byte. An entry of .index says at which position the batch lies whose *last* offset it
 * names; one of .timeindex says that no record up to that batch is younger than its timestamp:
 *
 *     .index       i32 last offset - base offset | i32 position
 *     .timeindex   i64 largest timestamp so far  | i32 last offset of its batch - base offset
 *
 * A batch gets an entry when more than index.interval.bytes were appended since the last one; the time index only when
 * its timestamp rose, and once more when the segment is closed. Flushing and rebuilding both go through
 * segment_mark_add, so that a rebuilt index is the one that was lost. */
#ifndef CHRONIK_LOG_INDEX_H
#define CHRONIK_LOG_INDEX_H

#include "base/bytes.h"

enum {
    INDEX_ENTRY_SIZE = 8,
    TIME_INDEX_ENTRY_SIZE = 12,
    /* Where an index is not to be believed: whole entries of either, and more than any file has. */
    INDEX_SIZE_UNKNOWN = INT32_MAX / 24 * 24,
};

/* How far the three files of a segment reach: a state between two batches. */
struct segment_mark {
    int64_t end_offset;               /* next after the last batch */
    int64_t largest_timestamp;        /* -1: none yet */
    int64_t largest_timestamp_offset; /* last offset of the first batch that has it */
    int64_t indexed_timestamp;        /* of the last entry of the time index, -1: none */
    uint32_t size;
    uint32_t index_size;
    uint32_t time_index_size;
    uint32_t unindexed_size; /* since the last index entry */
};

/* Of a segment without a batch. */
struct segment_mark segment_mark_empty(int64_t base_offset);

/* What a batch adds, in a form that both a flush and a rebuild have. */
struct indexed_batch {
    int64_t last_offset;
    int64_t max_timestamp;
    uint32_t size;
};

/* Entries to be written behind those already in the files; the caller sees to it that there is room for one more. */
struct index_entries {
    uint8_t *index;
    uint8_t *time_index;
    uint32_t index_size;
    uint32_t time_index_size;
};

/* Moves the mark over one batch and adds the entries that are due. */
void segment_mark_add(struct segment_mark *mark, int64_t base_offset, const struct indexed_batch *batch,
                      uint32_t interval_size, struct index_entries *entries);

/* Whoever reads that the files end there finds them shorter, and believes neither index. */
void segment_mark_forget_indexes(struct segment_mark *mark);

/* Adds the time index's last entry, when the segment is closed. */
void segment_mark_close(struct segment_mark *mark, int64_t base_offset, struct index_entries *entries);

struct index_entry {
    int64_t last_offset;
    uint32_t position;
};
struct index_entry index_entry_read(const uint8_t *bytes, int64_t base_offset);

struct time_index_entry {
    int64_t timestamp;
    int64_t last_offset;
};
struct time_index_entry time_index_entry_read(const uint8_t *bytes, int64_t base_offset);

#endif
