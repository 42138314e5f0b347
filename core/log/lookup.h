/* lookup.h -- at which position of which segment lies an offset, or a timestamp?
 *
 * The answer comes from files, so it takes time: a lookup is a slot that reads the segment's index by binary search
 * in pages of 4 KiB (a first guess by interpolation), then heads of batches from the position found there on. What it
 * found is left in a cache of cursors, where the reader finds it when he asks again.
 *
 * No index is believed: the batch at the position must be the one that the entry names. If it is not, the segment is
 * scanned from its begin, and its indexes are rebuilt. */
#ifndef CHRONIK_LOG_LOOKUP_H
#define CHRONIK_LOG_LOOKUP_H

#include "log/state.h"

/* What is known about the offset, or NULL. An offset that begins a segment is always known. */
const struct cursor *lookup_cursor(struct logs *logs, uint32_t log, int64_t offset);

/* Forgets what was found: it has been used, and the slot is one of few. */
void lookup_forget(struct logs *logs, uint32_t log, int64_t offset);

/* Begins a lookup of an offset in what the segment holds. False: no slot is free, or no order left in this step. */
bool lookup_offset(struct logs *logs, uint32_t log, uint32_t segment, int64_t offset, uint64_t waiter,
                   struct effects *effects);

/* The same for the first record in the segment with a timestamp of at least `timestamp`; `asked` names the answer. */
bool lookup_time(struct logs *logs, uint32_t log, uint32_t segment, int64_t asked, int64_t timestamp, uint64_t waiter,
                 struct effects *effects);

/* A finished lookup_time's answer, which is forgotten. */
bool lookup_take_time(struct logs *logs, uint32_t log, int64_t asked, struct found_time *found);

/* Remembers an answer for lookup_take_time. */
void lookup_put_time(struct logs *logs, const struct found_time *found);

void lookup_on_disk(struct logs *logs, uint32_t slot, uint32_t part, const struct event_disk *disk,
                    struct effects *effects);

/* The log is about to be cut off: what was found may be wrong, and lookups under way end when their answers come. */
void lookup_cut_log(struct logs *logs, uint32_t log);

/* The log is deleted: its lookups end when their answers come. Returns how many orders `doomed` waits for. */
uint32_t lookup_abandon(struct logs *logs, uint32_t log, uint32_t doomed);

#endif
