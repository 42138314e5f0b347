#include "base/timers.h"
#include "base/check.h"

enum { CHILDREN = 4 };

static bool before(struct timers_entry a, struct timers_entry b)
{
    return a.deadline != b.deadline ? a.deadline < b.deadline : a.slot < b.slot;
}

static void put(struct timers *timers, uint32_t index, struct timers_entry entry)
{
    timers->heap[index] = entry;
    timers->place[entry.slot] = index + 1;
}

/* Places `entry` at `index` or as far above it as it belongs. */
static void rise(struct timers *timers, uint32_t index, struct timers_entry entry)
{
    while (index > 0) {
        const uint32_t parent = (index - 1) / CHILDREN;
        if (!before(entry, timers->heap[parent])) break;
        put(timers, index, timers->heap[parent]);
        index = parent;
    }
    put(timers, index, entry);
}

static uint32_t first_child(const struct timers *timers, uint32_t begin, uint32_t end)
{
    uint32_t first = begin;
    for (uint32_t child = begin + 1; child < end; child++) {
        if (before(timers->heap[child], timers->heap[first])) first = child;
    }
    return first;
}

/* Places `entry` at `index` or as far below it as it belongs. */
static void sink(struct timers *timers, uint32_t index, struct timers_entry entry)
{
    for (;;) {
        const uint32_t begin = index * CHILDREN + 1;
        if (begin >= timers->count) break;
        const uint32_t end = begin + CHILDREN < timers->count ? begin + CHILDREN : timers->count;
        const uint32_t child = first_child(timers, begin, end);
        if (!before(timers->heap[child], entry)) break;
        put(timers, index, timers->heap[child]);
        index = child;
    }
    put(timers, index, entry);
}

/* Where an entry was, another goes: up if it is due before the one above, else down. */
static void replace(struct timers *timers, uint32_t index, struct timers_entry entry)
{
    if (index > 0 && before(entry, timers->heap[(index - 1) / CHILDREN])) rise(timers, index, entry);
    else sink(timers, index, entry);
}

size_t timers_size(uint32_t slots_max)
{
    CHECK(slots_max <= TIMERS_SLOTS_MAX);
    return slots_max * (sizeof(struct timers_entry) + sizeof(uint32_t));
}

void timers_init(struct timers *timers, void *memory, uint32_t slots_max)
{
    CHECK(slots_max <= TIMERS_SLOTS_MAX);
    CHECK((uintptr_t)memory % sizeof(uint64_t) == 0);
    timers->slots_max = slots_max;
    timers->count = 0;
    timers->heap = memory;
    timers->place = (uint32_t *)(timers->heap + slots_max);
}

void timers_set(struct timers *timers, uint32_t slot, uint64_t deadline)
{
    CHECK(slot < timers->slots_max);
    if (deadline == TIMERS_NEVER) {
        timers_clear(timers, slot);
        return;
    }
    const struct timers_entry entry = { deadline, slot };
    const uint32_t place = timers->place[slot];
    if (place != 0) replace(timers, place - 1, entry);
    else rise(timers, timers->count++, entry);
}

void timers_clear(struct timers *timers, uint32_t slot)
{
    CHECK(slot < timers->slots_max);
    const uint32_t place = timers->place[slot];
    if (place == 0) return;

    timers->place[slot] = 0;
    const struct timers_entry last = timers->heap[--timers->count];
    if (place - 1 < timers->count) replace(timers, place - 1, last);
}

uint64_t timers_deadline(const struct timers *timers, uint32_t slot)
{
    CHECK(slot < timers->slots_max);
    const uint32_t place = timers->place[slot];
    return place == 0 ? TIMERS_NEVER : timers->heap[place - 1].deadline;
}

uint64_t timers_next(const struct timers *timers)
{
    return timers->count == 0 ? TIMERS_NEVER : timers->heap[0].deadline;
}

uint32_t timers_pop_due(struct timers *timers, uint64_t now)
{
    if (timers->count == 0 || timers->heap[0].deadline > now) return TIMERS_NO_SLOT;
    const uint32_t slot = timers->heap[0].slot;
    timers_clear(timers, slot);
    return slot;
}

void timers_check(const struct timers *timers)
{
    uint32_t placed = 0;

    CHECK(timers->count <= timers->slots_max);
    for (uint32_t index = 0; index < timers->count; index++) {
        const struct timers_entry entry = timers->heap[index];
        CHECK(entry.deadline != TIMERS_NEVER);
        CHECK(index == 0 || !before(entry, timers->heap[(index - 1) / CHILDREN])); /* (1) */
        CHECK(entry.slot < timers->slots_max);
        CHECK(timers->place[entry.slot] == index + 1); /* (2) */
    }
    for (uint32_t slot = 0; slot < timers->slots_max; slot++) placed += timers->place[slot] != 0;
    CHECK(placed == timers->count); /* (2) */
}
