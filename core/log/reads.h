/* reads.h -- where do the bytes of a fetch come from?
 *
 * What is in memory is served by reference, batch by batch, and its chunks stay pinned while it is sent; older bytes
 * are served as one range of a segment's file. logs.h has the calls; this has what the rest of the room needs. */
#ifndef CHRONIK_LOG_READS_H
#define CHRONIK_LOG_READS_H

#include "log/state.h"

/* Somebody waits for a lookup slot. */
void reads_wait(struct logs *logs, uint64_t waiter);

/* The waiter's question may be asked again. */
void reads_wake(struct logs *logs, uint64_t waiter);

/* A lookup slot is free: one that waits for it may ask again. */
void reads_wake_one(struct logs *logs);

#endif
