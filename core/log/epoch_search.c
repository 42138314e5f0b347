/* epoch_search.c -- where do the records of a leader epoch end that is not remembered any more? logs.h has the call.
 *
 * Epochs rise along a log, and every batch says its own: so the end is found by halves, a batch at a time. */
#include "log/lookup.h"
#include "log/reads.h"
#include "log/segments.h"

enum { BATCH_EPOCH_AT = 12 }; /* in its head */

struct probe {
    int32_t epoch;
    int64_t end_offset;
};

/* The batch that holds the offset, or the first one behind it. */
static enum read_verdict probe(struct logs *logs, uint32_t number, int64_t offset, uint64_t waiter, struct probe *found,
                               struct effects *effects)
{
    const struct log *log = &logs->logs[number];
    const uint32_t at = log_entry_find(logs, log, offset);

    if (at != ENTRY_NONE) {
        const struct entry *entry = entry_at(&logs->entries, at);
        const uint8_t *batch = tail_data(logs->tail, entry->chunk) + entry->chunk_at;
        *found = (struct probe){ (int32_t)load_u32(batch + BATCH_EPOCH_AT), entry_last_offset(entry) + 1 };
        return READ_OK;
    }
    const uint32_t segment = segment_find(logs, log, offset);
    if (segment == SEGMENT_NONE) return READ_CORRUPT; /* what is not in memory should be in a segment */
    const struct cursor *cursor = lookup_cursor(logs, number, offset);
    if (cursor == NULL) {
        if (lookup_offset(logs, number, segment, offset, waiter, effects)) return READ_WAITS;
        reads_wait(logs, waiter);
        return READ_BUSY;
    }
    const bool fine = cursor->size > 0;
    *found = (struct probe){ cursor->leader_epoch, cursor->last_offset + 1 };
    lookup_forget(logs, number, offset);
    return fine ? READ_OK : READ_CORRUPT;
}

static void begin(const struct logs *logs, const struct log *log, int32_t leader_epoch, struct epoch_search *search)
{
    const struct epoch *oldest = epochs_at(&logs->epochs, &log->epochs, log->epochs.count - 1);

    if (search->begun && search->asked_epoch == leader_epoch) return;
    *search = (struct epoch_search){ .begun = true, .asked_epoch = leader_epoch, .epoch = leader_epoch };
    search->high = oldest->start_offset;
}

/* Where no record of such an epoch is left, nothing here could tell what somebody else's last one is. */
static struct epoch_bound what_is_left(const struct log *log, struct epoch_bound bound)
{
    const int64_t start_offset = log->log_start_offset;
    const bool is_left = bound.end_offset > start_offset || start_offset == 0;
    if (!bound.known || is_left || MUTANT(leader_trusts_what_is_gone)) return bound;
    return (struct epoch_bound){ false, -1, log->log_start_offset };
}

enum read_verdict logs_find_epoch(struct logs *logs, uint32_t number, int32_t leader_epoch, uint64_t waiter,
                                  struct epoch_search *search, struct epoch_bound *bound, struct effects *effects)
{
    const struct log *log = log_at(logs, number);
    struct probe found;

    CHECK(waiter != 0);
    *bound = log_epoch_bound(logs, number, leader_epoch);
    const bool known = bound->known || log->epochs.count == 0 || leader_epoch < 0;
    *bound = what_is_left(log, *bound);
    if (known) return READ_OK;
    begin(logs, log, leader_epoch, search);
    /* Deleted meanwhile, it may have had any epoch up to the asked one. */
    search->low = MAX(search->low, log->log_start_offset);
    while (search->low < search->high) {
        const int64_t middle = search->low + (search->high - search->low) / 2;
        const enum read_verdict verdict = probe(logs, number, middle, waiter, &found, effects);
        if (verdict != READ_OK) return verdict;
        if (found.epoch > leader_epoch) {
            search->high = middle;
        } else {
            search->low = found.end_offset;
            search->epoch = found.epoch;
        }
    }
    *bound = what_is_left(log, (struct epoch_bound){ true, search->epoch, search->low });
    return READ_OK;
}
