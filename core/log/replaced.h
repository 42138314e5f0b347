/* replaced.h -- when may the files go of which compaction made others?
 *
 * Not while a checkpoint names them: whoever starts from that one has nothing else. So they wait for one that was begun
 * to be written after their place was taken, and then go as others do (remove.h). */
#ifndef CHRONIK_LOG_REPLACED_H
#define CHRONIK_LOG_REPLACED_H

#include "log/state.h"

/* The segment's place was taken by another one. */
void replaced_add(struct logs *logs, uint32_t segment);

/* Lets go of those that no checkpoint speaks of any more. */
void replaced_release(struct logs *logs);

#endif
