#include "broker/waits.h"

#include "base/check.h"

enum { CACHE_LINE = 64 };

static size_t round_up(size_t size)
{
    return (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

size_t waits_size(uint32_t logs_max, uint32_t entries_max)
{
    return round_up(pool_size(entries_max)) + round_up(sizeof(struct waits_entry) * (size_t)entries_max) +
           round_up(sizeof(struct waits_ends[QUEUE_COUNT]) * (size_t)logs_max);
}

void waits_init(struct waits *waits, void *memory, uint32_t logs_max, uint32_t entries_max)
{
    uint8_t *at = memory;

    CHECK(logs_max >= 1 && entries_max >= 2);
    *waits = (struct waits){ .logs_max = logs_max, .entries_max = entries_max, .fetches_max = entries_max / 2 };
    pool_init(&waits->pool, at, entries_max);
    at += round_up(pool_size(entries_max));
    waits->entries = (struct waits_entry *)(void *)at;
    at += round_up(sizeof(struct waits_entry) * (size_t)entries_max);
    waits->queues = (struct waits_ends(*)[QUEUE_COUNT])(void *)at;
}

bool waits_have_room(const struct waits *waits, enum waits_queue queue, uint32_t count)
{
    if (queue == QUEUE_FETCH && count > waits->fetches_max - waits->fetch_count) return false;
    return count <= waits->entries_max - waits->pool.taken_count;
}

struct waits_entry *waits_at(const struct waits *waits, uint32_t entry)
{
    CHECK(pool_is_taken(&waits->pool, entry));
    return &waits->entries[entry];
}

struct waits_entry *waits_add(struct waits *waits, enum waits_queue queue, uint32_t log, uint32_t owner, int64_t offset,
                              uint32_t *owner_first)
{
    CHECK(log < waits->logs_max && queue < QUEUE_COUNT);
    CHECK(waits_have_room(waits, queue, 1));
    struct waits_ends *ends = &waits->queues[log][queue];
    const uint32_t entry = pool_take(&waits->pool);

    if (queue == QUEUE_FETCH) {
        waits->fetch_count++;
    } else if (ends->last != 0 && offset < waits->entries[ends->last - 1].offset) {
        MAYBE(true); /* a producer's duplicate of a batch that is not durable yet */
        offset = waits->entries[ends->last - 1].offset;
    }
    waits->entries[entry] = (struct waits_entry){
        .queue = (uint8_t)queue,
        .log = log,
        .previous = ends->last == 0 ? WAITS_NONE : ends->last - 1,
        .next = WAITS_NONE,
        .owner = owner,
        .owner_next = *owner_first,
        .offset = offset,
    };
    if (ends->last == 0) ends->first = entry + 1;
    else waits->entries[ends->last - 1].next = entry;
    ends->last = entry + 1;
    *owner_first = entry;
    return &waits->entries[entry];
}

uint32_t waits_first(const struct waits *waits, enum waits_queue queue, uint32_t log)
{
    CHECK(log < waits->logs_max && queue < QUEUE_COUNT);
    return waits->queues[log][queue].first == 0 ? WAITS_NONE : waits->queues[log][queue].first - 1;
}

uint32_t waits_next(const struct waits *waits, uint32_t entry)
{
    return waits_at(waits, entry)->next;
}

void waits_reach(struct waits *waits, uint32_t entry)
{
    struct waits_entry *gone = waits_at(waits, entry);

    CHECK(gone->queue < QUEUE_COUNT);
    struct waits_ends *ends = &waits->queues[gone->log][gone->queue];
    if (gone->previous == WAITS_NONE) ends->first = gone->next == WAITS_NONE ? 0 : gone->next + 1;
    else waits->entries[gone->previous].next = gone->next;
    if (gone->next == WAITS_NONE) ends->last = gone->previous == WAITS_NONE ? 0 : gone->previous + 1;
    else waits->entries[gone->next].previous = gone->previous;
    if (gone->queue == QUEUE_FETCH) waits->fetch_count--;
    gone->queue = QUEUE_COUNT;
    gone->previous = WAITS_NONE;
    gone->next = WAITS_NONE;
}

void waits_drop(struct waits *waits, uint32_t *owner_first)
{
    while (*owner_first != WAITS_NONE) {
        const uint32_t entry = *owner_first;
        struct waits_entry *gone = waits_at(waits, entry);
        if (gone->queue < QUEUE_COUNT) waits_reach(waits, entry);
        *owner_first = gone->owner_next;
        pool_give(&waits->pool, entry);
    }
}

void waits_check(const struct waits *waits)
{
    uint32_t queued = 0;

    pool_check(&waits->pool);
    CHECK(waits->fetch_count <= waits->fetches_max);
    for (uint32_t log = 0; log < waits->logs_max; log++) {
        for (enum waits_queue queue = 0; queue < QUEUE_COUNT; queue++) {
            uint32_t previous = WAITS_NONE;
            for (uint32_t entry = waits_first(waits, queue, log); entry != WAITS_NONE;) {
                const struct waits_entry *at = waits_at(waits, entry);
                CHECK(at->queue == queue && at->log == log && at->previous == previous); /* (1) */
                CHECK(queue == QUEUE_FETCH || previous == WAITS_NONE ||
                      waits->entries[previous].offset <= at->offset); /* (2) */
                CHECK(queued++ < waits->entries_max);                 /* (1) */
                previous = entry;
                entry = at->next;
            }
            CHECK(waits->queues[log][queue].last == (previous == WAITS_NONE ? 0 : previous + 1)); /* (1) */
        }
    }
    CHECK(queued <= waits->pool.taken_count);
}
