/* cut.h -- how does what was cut off leave the disk?
 *
 * Segments behind the seam are unlinked, the one that the seam lies in is cut there: when the journal has durably said
 * so (truncate.h), and when nobody reads them any more. Until then their log is not flushed: a new segment may have
 * the name of one that goes. */
#ifndef CHRONIK_LOG_CUT_H
#define CHRONIK_LOG_CUT_H

#include "log/state.h"

/* The segment was shortened, or with SEGMENT_DYING has left its log, by what that journal round says. */
void cut_later(struct logs *logs, uint32_t segment, uint64_t sequence);

/* One file less that was to go before the log is flushed. */
void cut_is_done(struct logs *logs, uint32_t log);

void cut_work(struct logs *logs, struct effects *effects);
void cut_on_disk(struct logs *logs, uint32_t slot, const struct event_disk *disk, struct effects *effects);

/* The log is deleted, and its files go with their directory: what is still read is waited for by `doomed`. */
void cut_forget_log(struct logs *logs, uint32_t log, uint32_t doomed);

#endif
