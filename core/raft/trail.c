#include "raft/trail.h"

#include "base/check.h"

size_t raft_trail_memory(uint32_t capacity)
{
    return capacity * sizeof(struct raft_trail_slot);
}

void raft_trail_init(struct raft_trail *trail, uint8_t *memory, uint32_t capacity)
{
    CHECK(capacity > 0 && (capacity & (capacity - 1)) == 0);
    *trail = (struct raft_trail){ .capacity = capacity, .slots = (struct raft_trail_slot *)(void *)memory };
}

static struct raft_trail_slot *slot_of(const struct raft_trail *trail, uint64_t index)
{
    CHECK(trail->base_index < index && index <= trail->last_index);
    return &trail->slots[index & (trail->capacity - 1)];
}

/* Weight of all that was ever appended up to `index`. */
static uint64_t position_of(const struct raft_trail *trail, uint64_t index)
{
    return index <= trail->base_index ? trail->base_position : slot_of(trail, index)->end_position;
}

void raft_trail_reset(struct raft_trail *trail, uint64_t index, uint64_t term)
{
    trail->base_position = position_of(trail, trail->last_index);
    trail->base_index = index;
    trail->base_term = term;
    trail->last_index = index;
}

uint32_t raft_trail_room(const struct raft_trail *trail)
{
    return trail->capacity - (uint32_t)(trail->last_index - trail->base_index);
}

void raft_trail_append(struct raft_trail *trail, struct raft_entry entry)
{
    CHECK(raft_trail_room(trail) > 0);
    CHECK(raft_trail_last_term(trail) <= entry.term && entry.term < RAFT_NUMBER_MAX);
    const uint64_t position = position_of(trail, trail->last_index);
    trail->last_index++;
    *slot_of(trail, trail->last_index) = (struct raft_trail_slot){
        .term_kind = entry.term << 8 | entry.kind,
        .end_position = position + RAFT_ENTRY_OVERHEAD + entry.size,
    };
}

void raft_trail_truncate(struct raft_trail *trail, uint64_t from)
{
    CHECK(trail->base_index < from && from <= trail->last_index);
    trail->last_index = from - 1;
}

void raft_trail_compact(struct raft_trail *trail, uint64_t index)
{
    CHECK(raft_trail_covers(trail, index));
    trail->base_term = raft_trail_term(trail, index);
    trail->base_position = position_of(trail, index);
    trail->base_index = index;
}

bool raft_trail_covers(const struct raft_trail *trail, uint64_t index)
{
    return trail->base_index <= index && index <= trail->last_index;
}

uint64_t raft_trail_term(const struct raft_trail *trail, uint64_t index)
{
    if (!raft_trail_covers(trail, index)) return 0;
    return index == trail->base_index ? trail->base_term : slot_of(trail, index)->term_kind >> 8;
}

uint64_t raft_trail_last_term(const struct raft_trail *trail)
{
    return raft_trail_term(trail, trail->last_index);
}

struct raft_entry raft_trail_entry(const struct raft_trail *trail, uint64_t index)
{
    const struct raft_trail_slot *slot = slot_of(trail, index);
    return (struct raft_entry){
        .term = slot->term_kind >> 8,
        .kind = (uint8_t)slot->term_kind,
        .size = (uint32_t)(slot->end_position - position_of(trail, index - 1) - RAFT_ENTRY_OVERHEAD),
    };
}

uint64_t raft_trail_weight(const struct raft_trail *trail, uint64_t after, uint64_t up_to)
{
    CHECK(after <= up_to && up_to <= trail->last_index);
    return position_of(trail, up_to) - position_of(trail, after);
}

uint64_t raft_trail_fit(const struct raft_trail *trail, uint64_t after, uint64_t weight)
{
    uint64_t low = after, high = trail->last_index;

    CHECK(raft_trail_covers(trail, after));
    while (low < high) {
        const uint64_t middle = high - (high - low) / 2;
        if (raft_trail_weight(trail, after, middle) <= weight) low = middle;
        else high = middle - 1;
    }
    return low;
}

uint64_t raft_trail_find(const struct raft_trail *trail, uint64_t index, uint64_t term)
{
    uint64_t low = trail->base_index, high = MIN(index, trail->last_index);

    if (high < low || trail->base_term > term) return low == 0 ? 0 : low - 1;
    while (low < high) { /* the term at low is at most `term`; the one behind high is not, or high is the limit */
        const uint64_t middle = high - (high - low) / 2;
        if (raft_trail_term(trail, middle) <= term) low = middle;
        else high = middle - 1;
    }
    return low;
}

void raft_trail_check(const struct raft_trail *trail)
{
    CHECK(trail->base_index <= trail->last_index);                        /* (1) */
    CHECK(trail->last_index - trail->base_index <= trail->capacity);      /* (1) */
    CHECK(trail->base_term <= raft_trail_last_term(trail));               /* (2) */
    CHECK(trail->base_position <= position_of(trail, trail->last_index)); /* (2) */
}
