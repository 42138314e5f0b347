/* append.h -- how does a batch get into the journal and into memory? What appends of our own and copies of a leader's
 * batches have in common. */
#ifndef CHRONIK_LOG_APPEND_H
#define CHRONIK_LOG_APPEND_H

#include "log/state.h"

/* Memory in the open journal round for what an entry says about the log behind its head, and room for `batches` more
 * entries in memory; if need be, what is written is evicted for it. NULL: not now. */
uint8_t *append_take(struct logs *logs, const struct log *log, enum entry_kind kind, uint32_t size, uint32_t batches,
                     uint32_t *chunk);

/* The batch whose bytes lie at `copy`, in memory that is pinned, is now the log's last. */
void append_entry(struct logs *logs, uint32_t log, const struct record_batch *batch, const uint8_t *copy,
                  uint32_t chunk);

/* The same for one in memory of append_take: it becomes durable with the open round. */
void append_batch(struct logs *logs, uint32_t log, const struct record_batch *batch, const uint8_t *copy,
                  uint32_t chunk);

/* What its producer is to be remembered for; of a log that is learning, learn.h has it in its turn. */
void append_producer(struct logs *logs, uint32_t log, const struct record_batch *batch, int64_t wall_ms);
void append_learn(struct logs *logs, uint32_t log, const struct record_batch *batch, int64_t wall_ms);

/* The log's end has moved: logs_next_end will name it. */
void append_end_moved(struct logs *logs, uint32_t log);

/* More of the log is durable, or less of its front: logs_next_durable will name it. */
void append_durable_moved(struct logs *logs, uint32_t log);

#endif
