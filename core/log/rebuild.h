/* rebuild.h -- how does a segment get its indexes back?
 *
 * An index is derived: its entries follow from the batches alone (index.h). One that is missing or wrong is marked bad,
 * lookups scan without it, and it is made anew in a lookup slot, a piece at a time, under another name until it is
 * durable. A segment with a bad index takes no more batches, so that nobody else writes to its files meanwhile; and a
 * checkpoint says that it is bad, so that the next start does not believe it either. */
#ifndef CHRONIK_LOG_REBUILD_H
#define CHRONIK_LOG_REBUILD_H

#include "log/state.h"

/* The segment's indexes are bad: begins to make them anew, now if that is possible, else when they are missed again. */
void rebuild_want(struct logs *logs, uint32_t segment, struct effects *effects);

/* The answer for a part of a lookup that wants LOOKUP_INDEXES. True when it is over. */
bool rebuild_on_disk(struct logs *logs, struct lookup *lookup, uint32_t part, const struct event_disk *disk,
                     struct effects *effects);

#endif
