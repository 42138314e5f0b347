#include "base/text.h"

void text_add_bytes(struct text *text, struct bytes bytes)
{
    const uint32_t size = MIN(bytes.size, text->size_max - text->size);

    if (size > 0) memcpy(text->data + text->size, bytes.data, size);
    text->size += size;
}

struct bytes text_of(const char *words)
{
    uint32_t size = 0;

    while (words[size] != 0) size++;
    return (struct bytes){ (const uint8_t *)words, size };
}

void text_add(struct text *text, const char *words)
{
    text_add_bytes(text, text_of(words));
}

void text_add_int(struct text *text, int64_t number)
{
    char digits[20];
    uint32_t at = sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0) text_add(text, "-");
    text_add_bytes(text, (struct bytes){ (const uint8_t *)digits + at, (uint32_t)sizeof digits - at });
}

void text_add_millionths(struct text *text, int64_t millionths)
{
    enum { PLACES = 6, ONE = 1000000 };
    char digits[PLACES];
    const uint64_t size = millionths < 0 ? 0 - (uint64_t)millionths : (uint64_t)millionths;
    uint64_t rest = size % ONE;
    uint32_t places = 0;

    if (millionths < 0) text_add(text, "-");
    text_add_int(text, (int64_t)(size / ONE));
    text_add(text, ".");
    for (uint32_t i = PLACES; i > 0; i--) {
        digits[i - 1] = (char)('0' + rest % 10);
        if (rest % 10 != 0 && places == 0) places = i;
        rest /= 10;
    }
    text_add_bytes(text, (struct bytes){ (const uint8_t *)digits, MAX(places, 1) });
}
