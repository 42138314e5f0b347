#include "base/squeeze.h"

enum {
    LITERALS_MAX = 128,
    MATCH_MIN = 4,
    SHORT_MATCH_MAX = 126 + MATCH_MIN,
    LONG_MATCH = 0xff,
    DISTANCE_MAX = 0xffff,
    LENGTH_MAX = 0xffff,
};

/* ---- squeezing ---- */

struct squeezing {
    struct bytes from;
    uint32_t literals; /* bytes before the present place that are not written yet */
    uint8_t *to;
    uint32_t size, size_max; /* size may pass size_max: then nothing is written any more */
};

static uint32_t place_of(const uint8_t *at)
{
    return load_u32(at) * 2654435761U >> 20; /* 12 bits: SQUEEZE_PLACES */
}

static void put(struct squeezing *squeezing, const uint8_t *bytes, uint32_t size)
{
    if (size <= squeezing->size_max - MIN(squeezing->size, squeezing->size_max)) {
        memcpy(squeezing->to + squeezing->size, bytes, size);
    }
    squeezing->size += size;
}

static void put_literals(struct squeezing *squeezing, uint32_t end)
{
    while (squeezing->literals > 0 && squeezing->size <= squeezing->size_max) {
        const uint32_t count = MIN(squeezing->literals, (uint32_t)LITERALS_MAX);
        const uint8_t token = (uint8_t)(count - 1);
        put(squeezing, &token, 1);
        put(squeezing, squeezing->from.data + end - squeezing->literals, count);
        squeezing->literals -= count;
    }
}

static void put_match(struct squeezing *squeezing, uint32_t distance, uint32_t length)
{
    uint8_t token[5] = { LONG_MATCH };

    store_u16(token + 1, (uint16_t)distance);
    store_u16(token + 3, (uint16_t)length);
    if (length <= SHORT_MATCH_MAX) token[0] = (uint8_t)(0x80 | (length - MATCH_MIN));
    put(squeezing, token, length <= SHORT_MATCH_MAX ? 3 : 5);
}

static uint32_t match_length(struct bytes from, uint32_t before, uint32_t at)
{
    const uint32_t max = MIN(from.size - at, (uint32_t)LENGTH_MAX);
    uint32_t length = 0;

    while (length < max && from.data[before + length] == from.data[at + length]) length++;
    return length;
}

uint32_t squeeze(struct squeeze_table *table, struct bytes from, uint8_t *to, uint32_t size_max)
{
    struct squeezing squeezing = { .from = from, .to = to, .size_max = size_max };
    uint8_t head[SQUEEZE_HEAD_SIZE];
    uint32_t at = 0;

    memset(table, 0, sizeof *table);
    store_u32(head, from.size);
    put(&squeezing, head, sizeof head);
    while (at < from.size && squeezing.size <= size_max) {
        uint32_t length = 1;
        if (from.size - at >= MATCH_MIN) {
            uint32_t *place = &table->places[place_of(from.data + at)]; /* one more than where, 0: nowhere */
            const uint32_t before = *place == 0 ? at : *place - 1;
            *place = at + 1;
            if (before < at && at - before <= DISTANCE_MAX) length = MAX(match_length(from, before, at), 1U);
            if (length >= MATCH_MIN) {
                put_literals(&squeezing, at);
                put_match(&squeezing, at - before, length);
            }
        }
        if (length < MATCH_MIN) {
            length = 1;
            squeezing.literals++;
        }
        at += length;
    }
    put_literals(&squeezing, at);
    return squeezing.size <= size_max ? squeezing.size : 0;
}

/* ---- and back ---- */

struct unsqueezing {
    const uint8_t *at, *end;
    uint8_t *to;
    uint32_t size, size_max;
};

static bool take_literals(struct unsqueezing *unsqueezing, uint32_t count)
{
    if (count > (size_t)(unsqueezing->end - unsqueezing->at)) return false;
    if (count > unsqueezing->size_max - unsqueezing->size) return false;
    memcpy(unsqueezing->to + unsqueezing->size, unsqueezing->at, count);
    unsqueezing->at += count;
    unsqueezing->size += count;
    return true;
}

static bool take_match(struct unsqueezing *unsqueezing, uint32_t distance, uint32_t length)
{
    if (distance == 0 || distance > unsqueezing->size) return false;
    if (length > unsqueezing->size_max - unsqueezing->size) return false;
    for (uint32_t i = 0; i < length; i++, unsqueezing->size++) { /* byte by byte: it may repeat what it makes */
        unsqueezing->to[unsqueezing->size] = unsqueezing->to[unsqueezing->size - distance];
    }
    return true;
}

static bool take_token(struct unsqueezing *unsqueezing)
{
    const uint8_t token = *unsqueezing->at++;
    const uint8_t *numbers = unsqueezing->at;
    const uint32_t numbers_size = token == LONG_MATCH ? 4 : 2;

    if (token < 0x80) return take_literals(unsqueezing, token + 1U);
    if (numbers_size > (size_t)(unsqueezing->end - unsqueezing->at)) return false;
    unsqueezing->at += numbers_size;
    const uint32_t length = token == LONG_MATCH ? load_u16(numbers + 2) : (token & 0x7fU) + MATCH_MIN;
    return take_match(unsqueezing, load_u16(numbers), length);
}

bool unsqueeze(struct bytes from, uint8_t *to, uint32_t size_max, uint32_t *size)
{
    if (from.size < SQUEEZE_HEAD_SIZE) return false;
    const uint32_t whole = load_u32(from.data);
    struct unsqueezing unsqueezing = {
        .at = from.data + SQUEEZE_HEAD_SIZE, .end = from.data + from.size, .to = to, .size_max = MIN(whole, size_max)
    };

    if (whole > size_max) return false;
    while (unsqueezing.at < unsqueezing.end) {
        if (!take_token(&unsqueezing)) return false;
    }
    *size = unsqueezing.size;
    return unsqueezing.size == whole;
}
