/* entries.h -- which batches are still in memory, and how far has each come on its way to the disk?
 *
 * One ring for all logs, in the order of appending; each batch also knows its neighbours in its own log. An entry goes
 * through these states, and the ring's positions say how far all entries have come:
 *
 *     first          unwritten        unordered        durable_end        end
 *       | written ... | some written .. | some ordered .. | not durable ... |
 *
 *   appended   in the journal's open round
 *   durable    the journal has it on disk: it may be flushed to its segment
 *   ordered    a write of it to a segment is under way
 *   written    its segment has it (perhaps only in the page cache; the journal still has it too): it may be evicted
 *
 * Entries are evicted from the front only, so the chunk that was filled first is free first. Entry numbers wrap; one
 * that was evicted is told from one that lives by its distance from `first`.
 *
 * A log's entry for an offset is found in O(log n): each entry has, beside the one before, one that lies further
 * back (a skew-binary jump; Myers, "An applicative random-access stack").
 *
 * Invariants, numbered as in entries_check():
 *   (1) first <= unwritten <= unordered <= durable_end <= end, and end - first <= entries_max.
 *   (2) Entries below `unwritten` are written or dead, those below `unordered` are ordered or dead.
 *   (3) Within a log, offsets and positions continue from entry to entry. */
#ifndef CHRONIK_LOG_ENTRIES_H
#define CHRONIK_LOG_ENTRIES_H

#include "base/bytes.h"

enum { ENTRY_NONE = UINT32_MAX };

enum entry_flags { ENTRY_ORDERED = 1, ENTRY_WRITTEN = 2 };

struct entry {
    int64_t base_offset;
    int64_t max_timestamp;
    uint64_t position;   /* bytes of the log before it, counted from when the log was opened */
    uint32_t last_delta; /* last offset - base offset */
    uint32_t log;        /* ENTRY_NONE: deleted or cut off, the entry is dead */
    uint32_t size;
    uint32_t chunk;    /* pinned once by the entry */
    uint32_t chunk_at; /* where in the chunk the batch lies */
    uint32_t next;     /* in its log; numbers of entries, ENTRY_NONE: none */
    uint32_t previous;
    uint32_t jump;
    uint32_t depth; /* of the jumps */
    uint32_t flags;
};

/* What a log keeps. */
struct entry_list {
    uint32_t first; /* oldest in memory */
    uint32_t last;
    uint32_t unordered; /* first that is not ordered */
};

struct entries {
    uint32_t mask;
    uint32_t entries_max;
    uint32_t first;
    uint32_t unwritten;
    uint32_t unordered;
    uint32_t durable_end;
    uint32_t end;
    struct entry *entries;
};

size_t entries_size(uint32_t entries_max);

/* entries_max is a power of two, below 2^31. */
void entries_init(struct entries *entries, void *memory, uint32_t entries_max);

void entry_list_init(struct entry_list *list);

static inline struct entry *entry_at(const struct entries *entries, uint32_t entry)
{
    return &entries->entries[entry & entries->mask];
}

/* Whether number `entry` is of a living entry. ENTRY_NONE is skipped by entries_add, and never is. */
static inline bool entry_lives(const struct entries *entries, uint32_t entry)
{
    return entry != ENTRY_NONE && entry - entries->first < entries->end - entries->first;
}

static inline bool entry_is_durable(const struct entries *entries, uint32_t entry)
{
    return entry - entries->first < entries->durable_end - entries->first;
}

static inline int64_t entry_last_offset(const struct entry *entry)
{
    return entry->base_offset + entry->last_delta;
}

static inline bool entries_have_room(const struct entries *entries, uint32_t count)
{
    return count < entries->entries_max - (entries->end - entries->first); /* one number may be skipped */
}

/* Adds a log's next batch: the fields up to chunk_at are the caller's. */
void entries_add(struct entries *entries, struct entry_list *list, const struct entry *entry);

/* The log's entry that contains the offset, or the first one behind it; ENTRY_NONE if that is evicted or not there. */
uint32_t entries_find(const struct entries *entries, const struct entry_list *list, int64_t offset);

/* Moves `unordered` and `unwritten` over what has come further. */
void entries_advance(struct entries *entries);

/* Takes out the oldest if it is written or dead; false: there is none. The caller unpins `evicted->chunk`, and if the
 * entry is not dead tells its list with entry_list_evict. */
bool entries_evict(struct entries *entries, struct entry *evicted);
void entry_list_evict(struct entry_list *list, const struct entry *evicted);

/* The log was cut off at that position: what lies there or behind it is dead. Returns its bytes that no segment has. */
uint64_t entries_truncate(struct entries *entries, struct entry_list *list, uint64_t position);

/* Those of its entries that lie before that position are dead; all of them are written. False: there are more than
 * count_max, and that many are. */
bool entries_drop(struct entries *entries, struct entry_list *list, uint64_t position, uint32_t count_max);

/* The log is gone: its entries are dead. */
void entries_kill(struct entries *entries, struct entry_list *list);

void entries_check(const struct entries *entries);

#endif
