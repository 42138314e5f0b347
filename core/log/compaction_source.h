/* compaction_source.h -- which batch comes next of the segments that are compacted?
 *
 * One segment at a time is read through a buffer, from its begin; it is pinned meanwhile. What comes from the disk is
 * judged before anybody relies on it. */
#ifndef CHRONIK_LOG_COMPACTION_SOURCE_H
#define CHRONIK_LOG_COMPACTION_SOURCE_H

#include "log/state.h"

/* Parts of what a compaction orders: the files of the new segment, and what else is under way. */
enum { PART_READ = SEGMENT_FILES, PART_DIRECTORY, PART_TOPIC_DIRECTORY, PART_WAL_DIRECTORY, COMPACTION_PARTS };

static inline uint64_t compaction_op(uint32_t part)
{
    return logs_op(LOGS_OP_COMPACTION, 0, part);
}

static inline void compaction_waits(struct compaction *compaction, uint32_t part)
{
    compaction->parts_waited |= 1U << part;
}

void source_enter(struct logs *logs, uint32_t segment);

/* The source, if there is one, is not read any more. */
void source_leave(struct logs *logs);

enum reading { READING_BATCH, READING_WAITS, READING_END, READING_BAD, READING_TOO_LARGE };

/* The next batch of the source, if the buffer has it whole; else more is read. */
enum reading source_next(struct logs *logs, struct record_batch *batch, struct effects *effects);

/* That batch is done with. */
void source_pass(struct compaction *compaction, const struct record_batch *batch);

#endif
