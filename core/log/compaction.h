/* compaction.h -- how does a log forget all but the last record of each key?
 *
 * Of logs whose rules say so, one at a time, the one with the largest part that was never compacted first:
 *
 *   CHOOSING  logs are looked at, a few in a step
 *   CLEARING  the key map is emptied
 *   MAPPING   what was never compacted is read, and its keys go into the map, as many as it takes
 *   COPYING   segments are read from the log's first on, as far as the map goes, and what stays (distill.h) is written
 *             to a new segment; small ones become one
 *   SYNCING   its files are synced,
 *   NAMING    and their names
 *   SWAPPING  it takes the place of those that it was made of (segment_replace); then the next ones are copied
 *
 * Never looked at are the segment that is written to, what lies above the high watermark, and what is younger than
 * min.compaction.lag.ms. A step unpacks and packs one batch, or several small ones; everything else is the disk's time.
 * Between two pieces that are read or written it waits for as long as its pace says (pace.h).
 *
 * Nothing that stands is written over, so a crash needs no words of its own: new files have names that no checkpoint
 * knows (the segment's edition is part of them), and old ones stay until a checkpoint is durable that knows the new
 * ones. What is left over by a crash is a file that is not recorded, and recovery unlinks those anyway. Whoever reads
 * an old segment keeps it until he is done.
 *
 * What goes wrong costs the run and no more: its files are unlinked, and the log is tried again later. A segment that
 * cannot be read is passed over from then on, until the next start, and a batch that unpacks to more than there is
 * memory for stays whole. Values that lie there are not found, so tombstones behind them stay for ever. */
#ifndef CHRONIK_LOG_COMPACTION_H
#define CHRONIK_LOG_COMPACTION_H

#include "log/state.h"

void compaction_work(struct logs *logs, struct effects *effects);
void compaction_on_disk(struct logs *logs, uint32_t part, const struct event_disk *disk);

/* Nothing is under way: so it is soon when the node stops. */
bool compaction_is_idle(const struct logs *logs);

uint64_t compaction_deadline_ns(const struct logs *logs);

/* Something happened to the log by which it may have become one to be compacted. */
void compaction_wake(struct logs *logs, const struct log *log);

/* As flush_abandon. */
uint32_t compaction_abandon(struct logs *logs, uint32_t log, uint32_t doomed);

#endif
