/* compare.h -- do a partition's files agree with the checkpoint? Step 2 of recovery.h, a few directories at a time. */
#ifndef CHRONIK_LOG_COMPARE_H
#define CHRONIK_LOG_COMPARE_H

#include "log/state.h"

/* True when every log was compared. */
bool compare_work(struct logs *logs, struct effects *effects);
void compare_on_disk(struct logs *logs, uint32_t slot, const struct event_disk *disk, struct effects *effects);
void compare_forget_log(struct logs *logs, uint32_t log);

#endif
