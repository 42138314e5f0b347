/* times.h -- which record is the first that is not older than a timestamp?
 *
 * logs.h has the call. Segments say how young their youngest record is, so the first one that can have the answer is
 * known; there lookup.h finds the batch. Batches that are only in memory are looked at directly. Within a batch the
 * records decide; of one that unpacks to more than the memory for it, the first offset is the answer, which is never
 * too late. */
#ifndef CHRONIK_LOG_TIMES_H
#define CHRONIK_LOG_TIMES_H

#include "log/state.h"

/* The first record at or above offset_min with at least that timestamp, in the bytes of one whole batch.
 * RECORD_NOT_FOUND leaves the answer alone. */
enum times_verdict { TIMES_FOUND, TIMES_NOT_FOUND, TIMES_UNREADABLE };
enum times_verdict times_in_batch(struct logs *logs, struct bytes batch, int64_t timestamp, int64_t offset_min,
                                  struct time_answer *answer);

/* The first segment from `segment` on that may hold such a record; SEGMENT_NONE. */
uint32_t times_next_segment(const struct logs *logs, const struct log *log, uint32_t segment, int64_t timestamp);

/* The answer from what is in memory only. */
enum times_verdict times_in_memory(struct logs *logs, const struct log *log, int64_t timestamp,
                                   struct time_answer *answer);

#endif
