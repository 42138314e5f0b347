/* retention.h -- which segments has a topic's config outlived?
 *
 * By time: the largest timestamp of a segment is older than retention.ms. By size: the log would still have
 * retention.bytes without it. Always the oldest first, never beyond the high watermark, and never by unlinking alone:
 * first the log start offset moves, durably, through the journal; remove.h does the rest. */
#ifndef CHRONIK_LOG_RETENTION_H
#define CHRONIK_LOG_RETENTION_H

#include "log/state.h"

/* Goes on with the round that logs_retain began; a few logs per step. */
void retention_work(struct logs *logs);

#endif
