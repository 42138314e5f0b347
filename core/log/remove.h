/* remove.h -- how do files leave the disk that nobody needs any more?
 *
 * Segments below a log start offset that is durable are dying: they leave their log at once and the disk after
 * file.delete.delay.ms, or sooner if the disk is full; so are those of which compaction made others, as soon as no
 * checkpoint speaks of them. Deleted topics are doomed: their directories go when nothing
 * that was ordered before needs them. Both wait for pins. Directories of topics that nobody knows, left by a crash in
 * the middle of this, are looked for once after each start. */
#ifndef CHRONIK_LOG_REMOVE_H
#define CHRONIK_LOG_REMOVE_H

#include "log/state.h"

/* The log start offset moved up: what lies below it is dropped when that is durable. */
void remove_when_durable(struct logs *logs, uint32_t log);

/* The same; with a round that is not durable yet. */
void remove_start_moves(struct logs *logs, uint32_t log);

/* Nothing holds the log's segments back any more (a flush, a checkpoint): those below its start go now. */
void remove_what_waited(struct logs *logs, uint32_t log);

/* A log that was not there at the start is opened: what is being deleted of its directory goes first. */
void remove_before_it_is_opened(struct logs *logs, uint32_t log);

/* The log begins anew, and may write files with the names of those that are dying: these go first, at once (cut.h). */
void remove_before_it_begins(struct logs *logs, uint32_t log);

/* The segment has left its log: its files go after file.delete.delay.ms, or with the log. */
void remove_later(struct logs *logs, uint32_t segment);

/* A round became durable: so did, perhaps, a log start offset. */
void remove_starts_are_durable(struct logs *logs);

void remove_work(struct logs *logs, struct effects *effects);
void remove_on_disk(struct logs *logs, uint32_t slot, const struct event_disk *disk, struct effects *effects);
uint64_t remove_deadline_ns(const struct logs *logs);

/* Takes over what a log that is being deleted leaves behind. */
void remove_log(struct logs *logs, uint32_t log);

/* A reference of a topic's name is not needed any more. */
void topic_release(struct logs *logs, uint32_t topic);

#endif
