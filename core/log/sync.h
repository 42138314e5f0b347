/* sync.h -- are the segments on the disk, and not only in its cache?
 *
 * Asked for by checkpoints only: until then the journal has everything. The segments that were dirty when a checkpoint
 * began to sync are taken in the order in which they became dirty; so a segment is never durable before the one it
 * follows. A file whose name is not durable is not durable: the directories with new names are synced with it. */
#ifndef CHRONIK_LOG_SYNC_H
#define CHRONIK_LOG_SYNC_H

#include "log/state.h"

/* Orders syncs for the dirty segments that the checkpoint waits for. True when all of them are durable. */
bool sync_work(struct logs *logs, struct effects *effects);

void sync_on_disk(struct logs *logs, uint32_t slot, uint32_t part, const struct event_disk *disk);

/* As flush_abandon. */
uint32_t sync_abandon(struct logs *logs, uint32_t log, uint32_t doomed);

#endif
