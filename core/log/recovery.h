/* recovery.h -- what was there when the node died?
 *
 *   1. The checkpoint says what of each log is durable in segments, and from where on the journal is needed.
 *   2. Each partition's directory is compared with it: later segments are unlinked, the files of known ones cut to
 *      the recorded sizes. A file that is shorter was durable once and is not any more: the node halts. An index that
 *      is, is rebuilt.
 *   3. The journal is applied over it: entries that the checkpoint covers are passed over, the others go through
 *      memory to segments as appends do, only that they are in the journal already.
 *
 * All of this changes nothing that the checkpoint and the journal speak of, so after a crash it begins anew with the
 * same result. Where there is no checkpoint there must be nothing at all; the first one is made before any append. */
#ifndef CHRONIK_LOG_RECOVERY_H
#define CHRONIK_LOG_RECOVERY_H

#include "log/state.h"

void recovery_begin(struct logs *logs, struct effects *effects);
void recovery_work(struct logs *logs, struct effects *effects);
void recovery_on_disk(struct logs *logs, const struct event_disk *disk, struct effects *effects);
void recovery_forget_log(struct logs *logs, uint32_t log);

#endif
