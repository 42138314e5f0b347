/* segments.h -- which files does a log consist of, and which one holds an offset?
 *
 * Segments are slots of one pool; those of a log form a list by base offset, the newest known directly. A search goes
 * back from the newest in O(log n) (skew-binary jumps, as in entries.h). Segments leave at the ends; those in between
 * only as others take their place, and then the jumps are made anew. */
#ifndef CHRONIK_LOG_SEGMENTS_H
#define CHRONIK_LOG_SEGMENTS_H

#include "log/state.h"

/* Adds an empty segment behind the newest, which begins after so many bytes of the log; SEGMENT_NONE: segments_max. */
uint32_t segment_add(struct logs *logs, uint32_t log, int64_t base_offset, uint64_t begin_position);

/* The segment that contains the offset or is the first behind it; SEGMENT_NONE: beyond what is written. */
uint32_t segment_find(const struct logs *logs, const struct log *log, int64_t offset);

/* Takes the log's oldest segment off its list; it becomes SEGMENT_DYING and keeps its slot. */
uint32_t segment_take_first(struct logs *logs, struct log *log);

/* The same with the newest, whose records were cut off. */
uint32_t segment_take_last(struct logs *logs, struct log *log);

/* A segment that was made of several of a log that follow each other, and takes their place (compaction.h). */
bool segment_can_replace(const struct logs *logs, const struct replacement *group);

/* It does; all of it is durable, and of the old ones nothing lies in memory. Walks over the log's segments: what lies
 * before it moves nearer, and what lies behind finds its way past it. False: segments_max. */
bool segment_replace(struct logs *logs, const struct replacement *group);

/* Its log was deleted while somebody had it pinned: its files stay until the last pin is gone, and so does `doomed`. */
void segment_orphan(struct logs *logs, uint32_t segment, uint32_t doomed);

/* Gives its slot back: nobody has it pinned, no list but that of the dirty ones has it. */
void segment_free(struct logs *logs, uint32_t segment);

/* Pins keep a segment's files. */
void segment_pin(struct logs *logs, uint32_t segment);
void segment_unpin(struct logs *logs, uint32_t segment);

/* Files of it were written: it awaits a sync. `files` has a bit per enum segment_file. */
void segment_dirty(struct logs *logs, uint32_t segment, uint8_t files);

/* Takes the dirty segment that waits longest off the list, which is not empty; SEGMENT_NONE: it need not be synced
 * any more. */
uint32_t segment_take_dirty(struct logs *logs);

/* Whether `batch` may not go into the segment any more, as LogSegment.shouldRoll in Kafka. */
bool segment_must_roll(const struct segment *segment, const struct segment_mark *mark, const struct log_rules *rules,
                       const struct entry *batch, int64_t wall_ms);

#endif
