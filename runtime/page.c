#include "page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static bool reserve(struct page *page, size_t more)
{
    size_t capacity = page->capacity == 0 ? 1024 : page->capacity;

    if (page->failed) return false;
    while (capacity - page->size <= more) capacity *= 2;
    if (capacity == page->capacity) return true;
    char *data = realloc(page->data, capacity);
    if (data == NULL) {
        page_free(page);
        page->failed = true;
        return false;
    }
    page->data = data;
    page->capacity = capacity;
    return true;
}

void page_add(struct page *page, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    const int size = vsnprintf(NULL, 0, format, list);
    va_end(list);
    if (size < 0 || !reserve(page, (size_t)size)) return;
    va_start(list, format);
    vsnprintf(page->data + page->size, (size_t)size + 1, format, list);
    va_end(list);
    page->size += (size_t)size;
}

void page_add_json(struct page *page, const char *string)
{
    page_add(page, "\"");
    for (; *string != 0; string++) {
        const unsigned char c = (unsigned char)*string;
        if (c == '"' || c == '\\') page_add(page, "\\%c", c);
        else if (c < 0x20 || c == 0x7f) page_add(page, "\\u%04x", c);
        else page_add(page, "%c", c);
    }
    page_add(page, "\"");
}

void page_free(struct page *page)
{
    free(page->data);
    *page = (struct page){ .data = NULL };
}
