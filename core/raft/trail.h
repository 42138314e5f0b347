/* trail.h -- the log as Raft needs it: of each entry its term, kind and weight, no bytes.
 *
 * A ring of slots between `base` (the last entry that was forgotten, whose term is still known) and `last`. Terms never
 * fall along the log, so the place where two logs part can be searched by halving (Raft 5.3).
 *
 * Invariants, numbered as in raft_trail_check():
 *   (1) base_index <= last_index, and no more than `capacity` entries lie between them.
 *   (2) Terms do not fall from the base to the last entry; positions grow. (Checked at both ends.) */
#ifndef CHRONIK_RAFT_TRAIL_H
#define CHRONIK_RAFT_TRAIL_H

#include "raft/message.h"

enum { RAFT_ENTRY_OVERHEAD = 32 }; /* what an entry weighs beside its payload when bytes in flight are counted */

struct raft_trail_slot {
    uint64_t term_kind;    /* term << 8 | kind */
    uint64_t end_position; /* weight of all entries up to and with this one, ever */
};

struct raft_trail {
    uint64_t base_index, base_term, base_position;
    uint64_t last_index;
    uint32_t capacity; /* a power of two */
    struct raft_trail_slot *slots;
};

size_t raft_trail_memory(uint32_t capacity);
void raft_trail_init(struct raft_trail *trail, uint8_t *memory, uint32_t capacity);

/* The log is what a snapshot up to this entry covers, and nothing behind it. */
void raft_trail_reset(struct raft_trail *trail, uint64_t index, uint64_t term);

uint32_t raft_trail_room(const struct raft_trail *trail);
void raft_trail_append(struct raft_trail *trail, struct raft_entry entry); /* needs room */
void raft_trail_truncate(struct raft_trail *trail, uint64_t from);         /* base < from <= last */
void raft_trail_compact(struct raft_trail *trail, uint64_t index);         /* base <= index <= last */

/* base <= index <= last: its term is known. */
bool raft_trail_covers(const struct raft_trail *trail, uint64_t index);
uint64_t raft_trail_term(const struct raft_trail *trail, uint64_t index); /* 0: not known */
uint64_t raft_trail_last_term(const struct raft_trail *trail);
struct raft_entry raft_trail_entry(const struct raft_trail *trail, uint64_t index); /* base < index <= last */

/* Weight of the entries in (after, up_to]; what lies below the base weighs nothing any more. */
uint64_t raft_trail_weight(const struct raft_trail *trail, uint64_t after, uint64_t up_to);

/* The last entry up to which those behind `after` weigh at most `weight`; `after` if not even one fits. */
uint64_t raft_trail_fit(const struct raft_trail *trail, uint64_t after, uint64_t weight);

/* The last entry at or below `index` whose term is at most `term`; base_index - 1 (or 0) if it is not covered. */
uint64_t raft_trail_find(const struct raft_trail *trail, uint64_t index, uint64_t term);

void raft_trail_check(const struct raft_trail *trail);

#endif
