/* text.h -- puts a short text for people together, in memory of fixed size.
 *
 * Messages to clients name what was wrong. What does not fit is cut off: a message is never worth failing for, and
 * what a client sent never makes it longer than its room. */
#ifndef CHRONIK_BASE_TEXT_H
#define CHRONIK_BASE_TEXT_H

#include "base/bytes.h"

struct text {
    char *data;
    uint32_t size;
    uint32_t size_max;
};

static inline struct text text_in(char *data, uint32_t size_max)
{
    return (struct text){ .data = data, .size_max = size_max };
}

static inline struct bytes text_bytes(const struct text *text)
{
    return (struct bytes){ (const uint8_t *)text->data, text->size };
}

void text_add_bytes(struct text *text, struct bytes bytes);
void text_add(struct text *text, const char *words);
void text_add_int(struct text *text, int64_t number);

/* Millionths as a decimal fraction, without needless zeros: 500000 is "0.5". */
void text_add_millionths(struct text *text, int64_t millionths);

/* The bytes of a C string. */
struct bytes text_of(const char *words);

#endif
