/* Places in a partition, as people type them. */
#include "runtime/client/when.h"
#include "t.h"

static const struct when_row {
    const char *why;
    const char *text;
    bool understood;
    enum when_kind kind;
    int64_t number;
} rows[] = {
    { "a word", "beginning", true, WHEN_BEGINNING, 0 },
    { "a word", "end", true, WHEN_END, 0 },
    { "words are whole", "begin", false, WHEN_OFFSET, 0 },
    { "an offset", "0", true, WHEN_OFFSET, 0 },
    { "a large one", "123456789012345678", true, WHEN_OFFSET, 123456789012345678 },
    { "too large to be counted", "1234567890123456789", false, WHEN_OFFSET, 0 },
    { "no number", "", false, WHEN_OFFSET, 0 },
    { "not only a number", "12x", false, WHEN_OFFSET, 0 },
    { "the last ten", "-10", true, WHEN_LAST, 10 },
    { "none of the last: the end", "-0", true, WHEN_LAST, 0 },
    { "the last of what?", "-", false, WHEN_LAST, 0 },
    { "ms since 1970", "@1709208000123", true, WHEN_TIME, 1709208000123 },
    { "a day, with a leap day", "@2024-02-29", true, WHEN_TIME, 1709164800000 },
    { "a minute", "@2024-02-29T12:00", true, WHEN_TIME, 1709208000000 },
    { "a second", "@2024-02-29T12:00:01", true, WHEN_TIME, 1709208001000 },
    { "times are UTC, and may say so", "@2024-02-29T12:00:01Z", true, WHEN_TIME, 1709208001000 },
    { "words are no time", "@yesterday", false, WHEN_TIME, 0 },
    { "nothing is no time", "@", false, WHEN_TIME, 0 },
    { "something behind it", "@2024-02-29 12:00", false, WHEN_TIME, 0 },
};

TEST(when)
{
    FOR_EACH(when_row, row, rows) {
        struct when when;
        const bool understood = when_parse(row->text, &when);
        EXPECT_EQ(row->why, row->understood, understood);
        if (!understood) continue;
        EXPECT_EQ(row->why, (int)row->kind, (int)when.kind);
        EXPECT_EQ(row->why, row->number, when.number);
    }
}
