/* cleanable.h -- which part of a log may be compacted, and is it worth while?
 *
 * As Kafka's LogCleanerManager: a log whose part that was never compacted (the dirty one) is larger than
 * min.cleanable.dirty.ratio of what could be, or holds a record that has waited for max.compaction.lag.ms. */
#ifndef CHRONIK_LOG_CLEANABLE_H
#define CHRONIK_LOG_CLEANABLE_H

#include "log/state.h"

/* Whether the log is to be compacted now. If not, `found->later` says that time alone may change that. */
bool cleanable_read(const struct logs *logs, uint32_t log, struct cleanable *found);

/* Whether `a` comes first. */
bool cleanable_before(const struct cleanable *a, const struct cleanable *b);

/* Adds the segment that holds the offset, or is the first behind it, to those that become one. `size` is what is left
 * of them so far: with the next one it must fit into segment.bytes, and into the width of an index. False: it does not,
 * or begins at `end_offset` or later, or is one that is passed over. */
bool cleanable_add(const struct logs *logs, const struct log *log, int64_t offset, int64_t end_offset, uint64_t size,
                   struct replacement *group);

#endif
