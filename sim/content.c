#include "sim/content.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

enum { SECTORS = CONTENT_PAGE_SIZE / SECTOR_SIZE, PACKED_SIZE_MAX = CONTENT_PAGE_SIZE / 4 * 3, PACKED_UNIT = 64 };

/* What is written is whole. What is durable has no more bytes than up to its last one that is not zero: a journal's
 * rounds are small, and begin with a page of their own. */
struct page {
    uint32_t references;
    uint32_t size;     /* behind that it is zeros */
    struct page *next; /* of the spare ones, which are whole */
    uint8_t bytes[];
};

static struct page *spare;
static const uint8_t zeros[CONTENT_PAGE_SIZE];

static struct page *page_new(uint32_t size)
{
    struct page *page = size == CONTENT_PAGE_SIZE ? spare : NULL;

    if (page != NULL) spare = page->next;
    else page = malloc(sizeof *page + size);
    page->references = 1;
    page->size = size;
    return page;
}

static void page_drop(struct page *page)
{
    if (page == NULL || --page->references > 0) return;
    if (page->size < CONTENT_PAGE_SIZE) {
        free(page);
        return;
    }
    page->next = spare;
    spare = page;
}

static void page_set(struct page **place, struct page *page)
{
    if (*place == page) return;
    if (page != NULL) page->references++;
    page_drop(*place);
    *place = page;
}

static void page_read(const struct page *page, uint32_t at, uint8_t *into, uint32_t size)
{
    const uint32_t there = page == NULL || page->size <= at ? 0 : MIN(size, page->size - at);

    if (there > 0) memcpy(into, page->bytes + at, there);
    if (there < size) memset(into + there, 0, size - there);
}

/* The page of nobody else, whole, to be written. */
static uint8_t *page_own(struct page **place)
{
    if (*place != NULL && (*place)->references == 1 && (*place)->size == CONTENT_PAGE_SIZE) return (*place)->bytes;
    struct page *page = page_new(CONTENT_PAGE_SIZE);
    page_read(*place, 0, page->bytes, CONTENT_PAGE_SIZE);
    page_drop(*place);
    *place = page;
    return page->bytes;
}

static uint32_t size_without_zeros(const uint8_t *bytes)
{
    uint32_t size = CONTENT_PAGE_SIZE;

    while (size > 0 && load_u64(bytes + size - 8) == 0) size -= 8;
    return (size + PACKED_UNIT - 1) / PACKED_UNIT * PACKED_UNIT;
}

static void page_pack(struct page **place)
{
    struct page *whole = *place;

    if (whole == NULL || whole->references > 1 || whole->size < CONTENT_PAGE_SIZE) return;
    const uint32_t size = size_without_zeros(whole->bytes);
    if (size > PACKED_SIZE_MAX) return;
    *place = size == 0 ? NULL : page_new(size);
    if (size > 0) memcpy((*place)->bytes, whole->bytes, size);
    page_drop(whole);
}

static void *grown(void *list, uint32_t from, uint32_t to, size_t size)
{
    uint8_t *bytes = realloc(list, to * size);
    memset(bytes + from * size, 0, (to - from) * size);
    return bytes;
}

static void reserve(struct content *content, uint64_t size)
{
    const uint32_t pages = (uint32_t)((size + CONTENT_PAGE_SIZE - 1) / CONTENT_PAGE_SIZE);
    uint32_t max = content->page_max == 0 ? 1 : content->page_max;

    if (pages <= content->page_max) return;
    while (max < pages) max *= 2;
    content->now = grown(content->now, content->page_max, max, sizeof content->now[0]);
    content->durable = grown(content->durable, content->page_max, max, sizeof content->durable[0]);
    content->dirty = grown(content->dirty, content->page_max, max, 1);
    content->dirty_pages = grown(content->dirty_pages, content->page_max, max, sizeof content->dirty_pages[0]);
    content->page_max = max;
}

void content_free(struct content *content)
{
    for (uint32_t i = 0; i < content->page_max; i++) {
        page_drop(content->now[i]);
        page_drop(content->durable[i]);
    }
    free(content->now);
    free(content->durable);
    free(content->dirty);
    free(content->dirty_pages);
}

void content_forget(struct content *content)
{
    for (uint32_t i = 0; i < content->page_max; i++) {
        page_set(&content->now[i], NULL);
        page_set(&content->durable[i], NULL);
    }
    content->forgotten = true;
    if (content->dirty_count > 0) return;
    content_free(content);
    *content = (struct content){ .size = content->size, .durable_size = content->durable_size, .forgotten = true };
}

/* The sectors of page `number` that lie in [from, to) are dirty. */
static void mark_dirty(struct content *content, uint32_t number, uint32_t from, uint32_t to)
{
    if (content->dirty[number] == 0) content->dirty_pages[content->dirty_count++] = number;
    for (uint32_t sector = from / SECTOR_SIZE; sector * SECTOR_SIZE < to; sector++) {
        content->dirty[number] |= (uint8_t)(1U << sector);
    }
}

/* A page of which nothing was ever written but zeros takes no memory: journals prepare whole files of them. */
static bool stays_empty(const struct page *page, const uint8_t *data, uint32_t size)
{
    return page == NULL && (data == NULL || memcmp(data, zeros, size) == 0);
}

/* Writes `data`, or zeros if it is NULL. */
static void put(struct content *content, uint64_t position, const uint8_t *data, uint64_t size)
{
    while (size > 0) {
        const uint32_t number = (uint32_t)(position / CONTENT_PAGE_SIZE), at = position % CONTENT_PAGE_SIZE;
        const uint32_t part = (uint32_t)MIN(size, (uint64_t)(CONTENT_PAGE_SIZE - at));
        if (!stays_empty(content->now[number], data, part)) {
            memcpy(page_own(&content->now[number]) + at, data == NULL ? zeros : data, part);
        }
        mark_dirty(content, number, at, at + part);
        if (data != NULL) data += part;
        position += part;
        size -= part;
    }
}

void content_write(struct content *content, uint64_t position, const uint8_t *data, uint32_t size)
{
    reserve(content, position + size);
    put(content, position, data, size);
    if (content->size < position + size) content->size = (uint32_t)(position + size);
}

void content_truncate(struct content *content, uint32_t size)
{
    reserve(content, size);
    if (size < content->size) put(content, size, NULL, content->size - size);
    content->size = size;
}

uint32_t content_read(const struct content *content, uint64_t position, uint8_t *into, uint32_t size)
{
    if (position >= content->size) return 0;
    const uint32_t there = (uint32_t)MIN((uint64_t)size, content->size - position);
    for (uint32_t left = there; left > 0;) {
        const uint32_t at = position % CONTENT_PAGE_SIZE, part = MIN(left, CONTENT_PAGE_SIZE - at);
        page_read(content->now[position / CONTENT_PAGE_SIZE], at, into, part);
        into += part;
        position += part;
        left -= part;
    }
    return there;
}

/* Of page `number` the sectors in `sectors` become durable. */
static void settle(struct content *content, uint32_t number, uint8_t sectors)
{
    if (sectors == 0) return;
    if (!content->tainted && sectors == content->dirty[number]) { /* only those differ */
        page_pack(&content->now[number]);
        page_set(&content->durable[number], content->now[number]);
        return;
    }
    uint8_t *to = page_own(&content->durable[number]);
    for (uint32_t sector = 0; sector < SECTORS; sector++) {
        const uint32_t at = sector * SECTOR_SIZE;
        if (sectors & 1U << sector) page_read(content->now[number], at, to + at, SECTOR_SIZE);
    }
}

static void forget_dirty(struct content *content)
{
    for (uint32_t i = 0; i < content->dirty_count; i++) content->dirty[content->dirty_pages[i]] = 0;
    content->dirty_count = 0;
}

void content_sync(struct content *content)
{
    for (uint32_t i = 0; i < content->dirty_count; i++) {
        const uint32_t number = content->dirty_pages[i];
        settle(content, number, content->dirty[number]);
    }
    content->durable_size = content->size;
    forget_dirty(content);
}

void content_fail_sync(struct content *content)
{
    content->tainted = true;
    forget_dirty(content);
}

/* Behind its end a file is zeros, whatever was there before. */
static void cut_durable(struct content *content)
{
    const uint32_t number = content->durable_size / CONTENT_PAGE_SIZE, at = content->durable_size % CONTENT_PAGE_SIZE;

    for (uint32_t i = number + (at > 0); i < content->page_max; i++) page_set(&content->durable[i], NULL);
    if (at > 0 && content->durable[number] != NULL) {
        memset(page_own(&content->durable[number]) + at, 0, CONTENT_PAGE_SIZE - at);
    }
}

void content_lose(struct content *content, enum loss loss, struct prng *prng, struct loss_count *count)
{
    for (uint32_t i = 0; i < content->dirty_count; i++) {
        const uint32_t number = content->dirty_pages[i];
        uint8_t kept = 0;
        for (uint32_t sector = 0; sector < SECTORS; sector++) {
            if ((content->dirty[number] & 1U << sector) == 0) continue;
            const bool keep = loss == LOSS_NONE || (loss == LOSS_MIXED && prng_chance(prng, 1, 2));
            if (keep) kept |= (uint8_t)(1U << sector);
            count->sectors_kept += keep;
            count->sectors_lost += !keep;
        }
        if (!content->forgotten) settle(content, number, kept);
    }
    if (content->size != content->durable_size) {
        const bool keep = loss == LOSS_NONE || (loss == LOSS_MIXED && prng_chance(prng, 1, 2));
        if (keep) content->durable_size = content->size;
        if (!content->forgotten) cut_durable(content);
    }
    forget_dirty(content);
    for (uint32_t i = 0; i < content->page_max; i++) page_set(&content->now[i], content->durable[i]);
    content->size = content->durable_size;
    content->tainted = false;
}

static void *copied(const void *list, size_t size)
{
    void *copy = malloc(size + 1);
    if (size > 0) memcpy(copy, list, size);
    return copy;
}

void content_copy(const struct content *from, struct content *to)
{
    const uint32_t max = from->page_max;

    *to = *from;
    to->now = copied(from->now, max * sizeof to->now[0]);
    to->durable = copied(from->durable, max * sizeof to->durable[0]);
    to->dirty = copied(from->dirty, max);
    to->dirty_pages = copied(from->dirty_pages, max * sizeof to->dirty_pages[0]);
    for (uint32_t i = 0; i < max; i++) {
        if (to->now[i] != NULL) to->now[i]->references++;
        if (to->durable[i] != NULL) to->durable[i]->references++;
    }
}

void content_flip(struct content *content, uint32_t position, uint8_t bit)
{
    page_own(&content->now[position / CONTENT_PAGE_SIZE])[position % CONTENT_PAGE_SIZE] ^= bit;
    page_own(&content->durable[position / CONTENT_PAGE_SIZE])[position % CONTENT_PAGE_SIZE] ^= bit;
}
