#include "log/entries.h"

#include "base/check.h"

size_t entries_size(uint32_t entries_max)
{
    return entries_max * sizeof(struct entry);
}

void entries_init(struct entries *entries, void *memory, uint32_t entries_max)
{
    CHECK(entries_max >= 4 && entries_max < 1U << 31 && (entries_max & (entries_max - 1)) == 0);
    *entries = (struct entries){ .mask = entries_max - 1, .entries_max = entries_max, .entries = memory };
}

void entry_list_init(struct entry_list *list)
{
    *list = (struct entry_list){ ENTRY_NONE, ENTRY_NONE, ENTRY_NONE };
}

static void link_back(struct entries *entries, struct entry *entry, uint32_t previous)
{
    entry->previous = ENTRY_NONE;
    entry->jump = ENTRY_NONE;
    entry->depth = 0;
    if (!entry_lives(entries, previous)) return;
    const struct entry *before = entry_at(entries, previous);
    entry->previous = previous;
    entry->jump = previous;
    entry->depth = before->depth + 1;
    if (!entry_lives(entries, before->jump)) return;
    const struct entry *skipped = entry_at(entries, before->jump);
    /* Two jumps of one length in a row become one of both. */
    if (entry_lives(entries, skipped->jump) &&
        before->depth - skipped->depth == skipped->depth - entry_at(entries, skipped->jump)->depth) {
        entry->jump = skipped->jump;
    }
}

/* The number that all ones would be is left to a dead entry: it means "none". */
static void skip_none(struct entries *entries)
{
    if (entries->end != ENTRY_NONE) return;
    *entry_at(entries, entries->end) = (struct entry){
        .log = ENTRY_NONE,
        .chunk = ENTRY_NONE,
        .flags = ENTRY_ORDERED | ENTRY_WRITTEN,
        .next = ENTRY_NONE,
        .previous = ENTRY_NONE,
        .jump = ENTRY_NONE,
    };
    entries->end++;
}

void entries_add(struct entries *entries, struct entry_list *list, const struct entry *entry)
{
    CHECK(entries_have_room(entries, 1));
    skip_none(entries);
    const uint32_t number = entries->end++;
    struct entry *added = entry_at(entries, number);

    *added = *entry;
    added->next = ENTRY_NONE;
    added->flags = 0;
    link_back(entries, added, list->last);
    if (list->last != ENTRY_NONE) {
        struct entry *before = entry_at(entries, list->last);
        CHECK(added->base_offset > entry_last_offset(before));     /* (3) */
        CHECK(added->position == before->position + before->size); /* (3) */
        before->next = number;
    } else {
        list->first = number;
    }
    if (list->unordered == ENTRY_NONE) list->unordered = number;
    list->last = number;
}

uint32_t entries_find(const struct entries *entries, const struct entry_list *list, int64_t offset)
{
    uint32_t at = list->last;

    if (at == ENTRY_NONE || entry_last_offset(entry_at(entries, at)) < offset) return ENTRY_NONE;
    if (list->first == ENTRY_NONE || offset < entry_at(entries, list->first)->base_offset) return ENTRY_NONE;
    /* `at` always ends at or behind the offset; go back while the one before does too. */
    for (;;) {
        const struct entry *entry = entry_at(entries, at);
        if (entry_lives(entries, entry->jump) && entry_last_offset(entry_at(entries, entry->jump)) >= offset) {
            at = entry->jump;
        } else if (entry_lives(entries, entry->previous) &&
                   entry_last_offset(entry_at(entries, entry->previous)) >= offset) {
            at = entry->previous;
        } else {
            return at;
        }
    }
}

void entries_advance(struct entries *entries)
{
    while (entries->unordered != entries->durable_end &&
           ((entry_at(entries, entries->unordered)->flags & ENTRY_ORDERED) != 0 ||
            entry_at(entries, entries->unordered)->log == ENTRY_NONE)) {
        entries->unordered++;
    }
    while (entries->unwritten != entries->unordered &&
           ((entry_at(entries, entries->unwritten)->flags & ENTRY_WRITTEN) != 0 ||
            entry_at(entries, entries->unwritten)->log == ENTRY_NONE)) {
        entries->unwritten++;
    }
}

bool entries_evict(struct entries *entries, struct entry *evicted)
{
    if (entries->first == entries->unwritten) return false;
    *evicted = *entry_at(entries, entries->first);
    entries->first++;
    return true;
}

void entry_list_evict(struct entry_list *list, const struct entry *evicted)
{
    list->first = evicted->next;
    if (evicted->next == ENTRY_NONE) list->last = ENTRY_NONE;
}

uint64_t entries_truncate(struct entries *entries, struct entry_list *list, uint64_t position)
{
    uint64_t unwritten_size = 0;

    while (list->last != ENTRY_NONE && entry_at(entries, list->last)->position >= position) {
        struct entry *entry = entry_at(entries, list->last);
        if ((entry->flags & ENTRY_WRITTEN) == 0) unwritten_size += entry->size;
        if (list->unordered == list->last) list->unordered = ENTRY_NONE;
        if (list->first == list->last) list->first = ENTRY_NONE;
        entry->log = ENTRY_NONE;
        list->last = list->first == ENTRY_NONE ? ENTRY_NONE : entry->previous;
        if (list->last != ENTRY_NONE) entry_at(entries, list->last)->next = ENTRY_NONE;
    }
    entries_advance(entries);
    return unwritten_size;
}

bool entries_drop(struct entries *entries, struct entry_list *list, uint64_t position, uint32_t count_max)
{
    for (; list->first != ENTRY_NONE; count_max--) {
        struct entry *entry = entry_at(entries, list->first);
        if ((int64_t)(entry->position - position) >= 0) return true; /* positions wrap */
        if (count_max == 0) return false;
        CHECK((entry->flags & ENTRY_WRITTEN) != 0 && list->unordered != list->first);
        entry->log = ENTRY_NONE;
        list->first = entry->next;
        if (list->first == ENTRY_NONE) list->last = ENTRY_NONE;
    }
    return true;
}

void entries_kill(struct entries *entries, struct entry_list *list)
{
    for (uint32_t at = list->first; at != ENTRY_NONE;) {
        struct entry *entry = entry_at(entries, at);
        at = entry->next;
        entry->log = ENTRY_NONE;
    }
    entry_list_init(list);
    entries_advance(entries);
}

void entries_check(const struct entries *entries)
{
    const uint32_t count = entries->end - entries->first;

    CHECK(count <= entries->entries_max);                                                /* (1) */
    CHECK(entries->unwritten - entries->first <= entries->unordered - entries->first);   /* (1) */
    CHECK(entries->unordered - entries->first <= entries->durable_end - entries->first); /* (1) */
    CHECK(entries->durable_end - entries->first <= count);                               /* (1) */
    for (uint32_t at = entries->first; at != entries->end; at++) {
        const struct entry *entry = entry_at(entries, at);
        if (entry->log == ENTRY_NONE) continue;
        if (at - entries->first < entries->unwritten - entries->first)
            CHECK((entry->flags & ENTRY_WRITTEN) != 0); /* (2) */
        if (at - entries->first < entries->unordered - entries->first)
            CHECK((entry->flags & ENTRY_ORDERED) != 0); /* (2) */
        if (!entry_lives(entries, entry->next)) continue;
        const struct entry *next = entry_at(entries, entry->next);
        CHECK(next->log == entry->log && next->base_offset > entry_last_offset(entry)); /* (3) */
        CHECK(next->position == entry->position + entry->size);                         /* (3) */
    }
}
