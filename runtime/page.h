/* page.h -- a text that grows. If memory runs out it stays empty from then on, and says so. */
#ifndef CHRONIK_RUNTIME_PAGE_H
#define CHRONIK_RUNTIME_PAGE_H

#include <stdbool.h>
#include <stddef.h>

struct page {
    char *data; /* terminated, once something was added */
    size_t size, capacity;
    bool failed;
};

__attribute__((format(printf, 2, 3))) void page_add(struct page *page, const char *format, ...);

/* Escaped and in quotes, as JSON has strings. */
void page_add_json(struct page *page, const char *string);

void page_free(struct page *page);

#endif
