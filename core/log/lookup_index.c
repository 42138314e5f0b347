#include "log/lookup_index.h"

enum { PAGE_SIZE = 4096 };

static uint32_t entry_size(const struct lookup *lookup)
{
    return lookup->state == LOOKUP_TIME ? TIME_INDEX_ENTRY_SIZE : INDEX_ENTRY_SIZE;
}

/* Offsets grow about evenly over a segment: the first page is where the offset would lie if they did. */
static uint32_t guess(const struct logs *logs, struct lookup *lookup)
{
    const int64_t base = logs->segments[lookup->segment].base_offset;

    if (lookup->guessed) return lookup->low + (lookup->high - lookup->low) / 2;
    lookup->guessed = true;
    const uint64_t offsets = (uint64_t)(lookup->mark.end_offset - base);
    return (uint32_t)((uint64_t)(lookup->offset - base) * lookup->high / offsets);
}

void lookup_order_page(struct logs *logs, struct lookup *lookup, struct effects *effects)
{
    const uint32_t page_max = PAGE_SIZE / entry_size(lookup);
    const uint32_t middle = guess(logs, lookup);

    CHECK(lookup->low < lookup->high);
    lookup->page = middle > lookup->low + page_max / 2 ? middle - page_max / 2 : lookup->low;
    lookup->page = MIN(lookup->page, lookup->high - 1);
    const uint32_t count = MIN(page_max, lookup->high - lookup->page);
    lookup_order_read(logs, lookup, lookup->state == LOOKUP_TIME ? SEGMENT_TIME_INDEX : SEGMENT_INDEX,
                      lookup->page * entry_size(lookup), lookup->buffer, count * entry_size(lookup), effects);
}

/* What an entry is ordered by, and whether it can be one. */
static bool key_of(const struct logs *logs, const struct lookup *lookup, uint32_t i, int64_t *key)
{
    const int64_t base = logs->segments[lookup->segment].base_offset;
    const uint8_t *bytes = lookup->buffer + i * entry_size(lookup);

    if (lookup->state == LOOKUP_TIME) {
        const struct time_index_entry entry = time_index_entry_read(bytes, base);
        *key = entry.timestamp;
        return entry.timestamp >= 0 && entry.last_offset >= base && entry.last_offset < lookup->mark.end_offset;
    }
    const struct index_entry entry = index_entry_read(bytes, base);
    *key = entry.last_offset;
    return entry.last_offset >= base && entry.last_offset < lookup->mark.end_offset &&
           entry.position < lookup->mark.size;
}

static void take(const struct logs *logs, struct lookup *lookup, uint32_t i)
{
    const int64_t base = logs->segments[lookup->segment].base_offset;
    const uint8_t *bytes = lookup->buffer + i * entry_size(lookup);

    if (lookup->state == LOOKUP_TIME) lookup->time_found = time_index_entry_read(bytes, base);
    else lookup->index_found = index_entry_read(bytes, base);
}

enum page_verdict lookup_take_page(const struct logs *logs, struct lookup *lookup, uint32_t size)
{
    const int64_t wanted = lookup->state == LOOKUP_TIME ? lookup->timestamp : lookup->offset;
    const uint32_t count = size / entry_size(lookup);
    const uint32_t expected = MIN(PAGE_SIZE / entry_size(lookup), lookup->high - lookup->page);
    int64_t previous = -1;
    uint32_t below = 0;

    if (count < expected) return PAGE_BAD;
    for (uint32_t i = 0; i < count; i++) {
        int64_t key;
        if (!key_of(logs, lookup, i, &key) || key <= previous) return PAGE_BAD;
        if (key <= wanted) below = i + 1;
        previous = key;
    }
    if (below == 0) {
        lookup->high = lookup->page;
    } else {
        take(logs, lookup, below - 1);
        lookup->low = lookup->page + below;
        if (below < count) lookup->high = lookup->low;
    }
    return lookup->low < lookup->high ? PAGE_MORE : PAGE_DONE;
}
