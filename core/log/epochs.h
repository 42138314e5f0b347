/* epochs.h -- where did each leader epoch of a log begin?
 *
 * The leader epoch cache of KIP-101: per log a list of (epoch, start offset), both rising. An entry is made when a
 * leader begins an epoch or when its first batch is copied, and dropped when the log start offset has passed its end,
 * or when the log is cut off before it. An epoch in which nothing was appended gives way to the one after it. The
 * newest entry of every log always has room; older ones share a pool, and when that is used up, or a log has very many,
 * it forgets its oldest: then it does not know the epochs of its first records any more, and says so (epochs_floor):
 * epoch_search.c finds them in the batches.
 *
 * Invariant, as in epochs_check(): (1) newer entries have larger epochs and larger start offsets. */
#ifndef CHRONIK_LOG_EPOCHS_H
#define CHRONIK_LOG_EPOCHS_H

#include "base/pool.h"

enum { EPOCHS_OF_LOG_MAX = 64 };

struct epoch {
    int64_t start_offset;
    int32_t epoch;
    uint32_t older; /* in the pool, POOL_NONE: none */
};

struct epoch_list {
    struct epoch newest; /* epoch -1: the list is empty */
    uint32_t count;
};

struct epochs {
    struct pool pool;
    struct epoch *epochs;
};

size_t epochs_size(uint32_t epochs_max);

/* In the caller's memory, aligned to 8. */
void epochs_init(struct epochs *epochs, void *memory, uint32_t epochs_max);

void epoch_list_init(struct epoch_list *list);

/* A batch of this epoch was appended at `start_offset`; says nothing new unless the epoch is larger than all. */
void epochs_add(struct epochs *epochs, struct epoch_list *list, int32_t epoch, int64_t start_offset);

/* Drops what lies wholly below the log start offset. */
void epochs_trim(struct epochs *epochs, struct epoch_list *list, int64_t log_start_offset);

/* The log ends at `end_offset`: epochs that begin there or behind it are none of its. */
void epochs_truncate(struct epochs *epochs, struct epoch_list *list, int64_t end_offset);

void epochs_clear(struct epochs *epochs, struct epoch_list *list);

/* The entry `age` entries older than the newest, or NULL. */
const struct epoch *epochs_at(const struct epochs *epochs, const struct epoch_list *list, uint32_t age);

struct epoch_answer {
    int32_t epoch; /* -1: asked for one that is newer than all */
    int64_t end_offset;
};

/* The largest epoch <= the asked one, and where it ends, as Kafka's LeaderEpochFileCache.endOffsetFor. */
struct epoch_answer epochs_end(const struct epochs *epochs, const struct epoch_list *list, int32_t epoch,
                               int64_t log_end_offset);

/* The largest epoch <= the asked one of which the log may hold records, and where those end; for the comparison of two
 * logs, so it never guesses. Of an epoch from before the log's first record, that record's offset is the end. */
struct epoch_floor {
    bool known; /* false: nothing is known of the epochs up to the asked one */
    int32_t epoch;
    int64_t end_offset;
};
struct epoch_floor epochs_floor(const struct epochs *epochs, const struct epoch_list *list, int32_t epoch,
                                int64_t log_start_offset, int64_t log_end_offset);

void epochs_check(const struct epochs *epochs, const struct epoch_list *list);

#endif
