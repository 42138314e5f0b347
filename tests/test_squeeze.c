/* Bytes that repeat themselves, in fewer; and bytes that never were. */
#include "base/prng.h"
#include "base/squeeze.h"
#include "t.h"
#include <stdlib.h>

enum { ROOM = 1 << 20 };

static struct squeeze_table table;
static uint8_t squeezed[ROOM], back[ROOM];

static uint32_t round_trip(const char *why, struct bytes from)
{
    uint32_t size = 0;
    const uint32_t squeezed_size = squeeze(&table, from, squeezed, ROOM);

    EXPECT(why, squeezed_size > 0);
    EXPECT(why, unsqueeze((struct bytes){ squeezed, squeezed_size }, back, from.size, &size));
    EXPECT_BYTES(why, from.data, from.size, back, size);
    return squeezed_size;
}

static const struct text_row {
    const char *why;
    const char *text;
    uint32_t size; /* squeezed */
} text_rows[] = {
    { "nothing", "", 4 },
    { "a byte", "a", 6 },
    { "too short to repeat", "aaa", 8 },
    { "one byte, again and again", "aaaaaaaaaaaaaaaaaaaaaaaa", 4 + 2 + 3 },
    { "nothing twice", "the quick brown fox", 4 + 1 + 19 },
    { "something twice", "retention.ms=1,retention.ms=2", 4 + 16 + 3 + 2 },
    { "three bytes twice are not worth it", "abcXabcY", 4 + 1 + 8 },
};

TEST(what_repeats_itself_takes_less)
{
    FOR_EACH(text_row, row, text_rows) {
        EXPECT_EQ(row->why, row->size,
                  round_trip(row->why, (struct bytes){ (const uint8_t *)row->text, (uint32_t)strlen(row->text) }));
    }
}

TEST(any_bytes_come_back)
{
    static uint8_t from[200000];
    struct prng prng;

    prng_init(&prng, 1, 1);
    for (int i = 0; i < 300; i++) {
        const uint32_t size = (uint32_t)prng_below(&prng, i % 10 == 0 ? sizeof from : 3000);
        const uint64_t letters = 1 + prng_below(&prng, i % 3 == 0 ? 256 : 3);
        for (uint32_t at = 0; at < size; at++) from[at] = (uint8_t)prng_below(&prng, letters);
        for (uint64_t copies = prng_below(&prng, 6); copies > 0 && size > 100; copies--) {
            const uint32_t length = (uint32_t)prng_below(&prng, size / 2);
            memmove(from + prng_below(&prng, size - length), from + prng_below(&prng, size - length), length);
        }
        const uint32_t squeezed_size = round_trip("as it was", (struct bytes){ from, size });
        EXPECT("hardly larger than before", squeezed_size <= 4 + size + size / 128 + 1);
        EXPECT_EQ("it fits where it fits", squeezed_size,
                  squeeze(&table, (struct bytes){ from, size }, squeezed, squeezed_size));
        EXPECT_EQ("and not where a byte is missing", 0,
                  squeeze(&table, (struct bytes){ from, size }, squeezed, squeezed_size - 1));
    }
}

static const struct bad_row {
    const char *why;
    const uint8_t bytes[12];
    uint32_t size;
    bool good;
} bad_rows[] = {
    { "no head", { 0, 0, 0 }, 3, false },
    { "nothing", { 0, 0, 0, 0 }, 4, true },
    { "less than it says", { 0, 0, 0, 2, 0, 'a' }, 6, false },
    { "as much as it says", { 0, 0, 0, 1, 0, 'a' }, 6, true },
    { "more than it says", { 0, 0, 0, 1, 1, 'a', 'b' }, 7, false },
    { "more than there is room for", { 0, 0, 1, 0, 1, 'a', 'b' }, 7, false },
    { "bytes that are missing", { 0, 0, 0, 3, 2, 'a', 'b' }, 7, false },
    { "before the begin", { 0, 0, 0, 5, 0, 'a', 0x80, 0, 2 }, 9, false },
    { "no distance", { 0, 0, 0, 5, 0, 'a', 0x80, 0, 0 }, 9, false },
    { "the byte before", { 0, 0, 0, 5, 0, 'a', 0x80, 0, 1 }, 9, true },
    { "half a token", { 0, 0, 0, 5, 0, 'a', 0x80, 0 }, 8, false },
    { "half a long token", { 0, 0, 0, 5, 0, 'a', 0xff, 0, 1, 0 }, 10, false },
    { "a long token", { 0, 0, 0, 5, 0, 'a', 0xff, 0, 1, 0, 4 }, 11, true },
    { "a long token too long", { 0, 0, 0, 5, 0, 'a', 0xff, 0, 1, 0, 5 }, 11, false },
};

TEST(what_was_never_squeezed_does_no_harm)
{
    FOR_EACH(bad_row, row, bad_rows) {
        uint8_t *exact = malloc(row->size), *room = malloc(5);
        uint32_t size;
        memcpy(exact, row->bytes, row->size);
        EXPECT_EQ(row->why, row->good, unsqueeze((struct bytes){ exact, row->size }, room, 5, &size));
        free(exact);
        free(room);
    }
}
