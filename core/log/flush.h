/* flush.h -- how do batches get from the journal into their segments?
 *
 * Written behind, oldest first: a log is flushed when it has much pending, when its oldest batch is half a second
 * old, when memory runs short, or when a checkpoint wants it. A flush takes consecutive batches of one log, only such
 * as the journal has on disk, and writes them with one order to the active segment, their index entries with two
 * more. A segment is rolled by what it would hold then. Nothing of a flush is believed before all of it is written;
 * if the disk is full, the same writes are ordered again every second, and the batches stay in memory and journal. */
#ifndef CHRONIK_LOG_FLUSH_H
#define CHRONIK_LOG_FLUSH_H

#include "log/state.h"

/* Begins as many flushes as are wanted and fit into `effects`. */
void flush_work(struct logs *logs, struct effects *effects);

/* The log has so much pending that it should not wait: asked when its durable offset rose. */
void flush_if_much(struct logs *logs, uint32_t log);

void flush_on_disk(struct logs *logs, uint32_t slot, uint32_t part, const struct event_disk *disk,
                   struct effects *effects);

/* When flush_work has something to do next. */
uint64_t flush_deadline_ns(const struct logs *logs);

/* The log is deleted: flushes of it only wait for their answers. Returns how many orders `doomed` waits for. */
uint32_t flush_abandon(struct logs *logs, uint32_t log, uint32_t doomed);

/* Frees memory by evicting what is written, oldest first, until less than `used_max` bytes of the tail are used, or
 * `count_max` entries are out. True if any was. */
bool flush_evict(struct logs *logs, uint64_t used_max, uint32_t count_max);

#endif
