#include "base/uuid.h"
#include "t.h"

static const struct text_row {
    const char *why;
    const char *text;
    bool valid;
} text_rows[] = {
    { "nothing's name", "AAAAAAAAAAAAAAAAAAAAAA", true },
    { "every digit class", "Az09-_AAAAAAAAAAAAAAAA", true },
    { "all ones", "_____________________w", true },
    { "spare bits must be zero", "______________________", false },
    { "too short", "AAAAAAAAAAAAAAAAAAAAA", false },
    { "not of the url alphabet", "+AAAAAAAAAAAAAAAAAAAAA", false },
};

TEST(uuid_text_round_trip)
{
    FOR_EACH(text_row, row, text_rows) {
        struct uuid uuid;
        char text[UUID_TEXT_SIZE + 1] = { 0 };
        const struct bytes given = { (const uint8_t *)row->text, (uint32_t)strlen(row->text) };
        EXPECT_EQ(row->why, row->valid, uuid_parse(given, &uuid));
        if (!row->valid) continue;
        uuid_format(&uuid, text);
        EXPECT_TEXT(row->why, row->text, text);
    }
}
