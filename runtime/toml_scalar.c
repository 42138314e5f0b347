/* toml_scalar.c -- TOML's strings, numbers, booleans and dates. */
#include "base/check.h"
#include "toml_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- strings ---- */

static bool is_control(uint8_t c)
{
    return (c < 0x20 && c != '\t') || c == 0x7f;
}

static int32_t hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static uint8_t *put_utf8(uint8_t *to, uint32_t point)
{
    if (point < 0x80) {
        *to++ = (uint8_t)point;
    } else if (point < 0x800) {
        *to++ = (uint8_t)(0xc0 | point >> 6);
        *to++ = (uint8_t)(0x80 | (point & 0x3f));
    } else if (point < 0x10000) {
        *to++ = (uint8_t)(0xe0 | point >> 12);
        *to++ = (uint8_t)(0x80 | (point >> 6 & 0x3f));
        *to++ = (uint8_t)(0x80 | (point & 0x3f));
    } else {
        *to++ = (uint8_t)(0xf0 | point >> 18);
        *to++ = (uint8_t)(0x80 | (point >> 12 & 0x3f));
        *to++ = (uint8_t)(0x80 | (point >> 6 & 0x3f));
        *to++ = (uint8_t)(0x80 | (point & 0x3f));
    }
    return to;
}

/* The reader stands behind the backslash. An escape is never shorter than what it stands for. */
static uint8_t *read_escape(struct reader *reader, uint8_t *to)
{
    static const char letters[] = "btnfr\"\\", meanings[] = "\b\t\n\f\r\"\\";
    const uint8_t *backslash = reader->at - 1;
    const uint8_t letter = reader_peek(reader);
    const char *found = letter == 0 ? NULL : memchr(letters, letter, sizeof letters - 1);

    if (found != NULL) {
        reader->at++;
        *to++ = (uint8_t)meanings[found - letters];
        return to;
    }
    if (letter != 'u' && letter != 'U') {
        reader_fail(reader, backslash, "no such escape: \\b \\t \\n \\f \\r \\\" \\\\ \\uXXXX \\UXXXXXXXX are known");
        return to;
    }
    reader->at++;
    uint32_t point = 0;
    for (uint32_t i = 0; i < (letter == 'u' ? 4 : 8); i++) {
        const int32_t digit = hex_digit(reader_peek(reader));
        if (digit < 0) {
            reader_fail(reader, backslash, "\\%c needs %d hexadecimal digits", letter, letter == 'u' ? 4 : 8);
            return to;
        }
        point = point << 4 | (uint32_t)digit;
        reader->at++;
    }
    if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
        reader_fail(reader, backslash, "this is no Unicode character");
        return to;
    }
    return put_utf8(to, point);
}

static bool sees_newline(const struct reader *reader)
{
    return reader_peek(reader) == '\n' || reader_sees(reader, "\r\n", 2);
}

/* A backslash at the end of a line takes all white space up to the next character with it. */
static bool skip_line_ending(struct reader *reader)
{
    const uint8_t *at = reader->at;
    bool has_newline = false;

    while (at < reader->end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n')) {
        has_newline |= *at == '\n';
        if (!has_newline && *at == '\r' && (at + 1 == reader->end || at[1] != '\n')) break;
        at++;
    }
    if (has_newline) reader->at = at;
    return has_newline;
}

/* At three quotes: the end, but up to two more quotes belong to the text. */
static uint8_t *end_of_span(struct reader *reader, uint8_t quote, uint8_t *to)
{
    uint32_t count = 0;

    while (count < 5 && reader_peek(reader) == quote) {
        reader->at++;
        count++;
    }
    for (uint32_t i = 3; i < count; i++) *to++ = quote;
    return to;
}

bool toml_read_string(struct reader *reader, bool may_span, struct bytes *string)
{
    const uint8_t *opening = reader->at;
    const uint8_t quote = *opening;
    const char *triple = quote == '"' ? "\"\"\"" : "'''";
    const bool spans = reader_sees(reader, triple, 3);
    uint8_t *const text = reader_allocate(reader, (size_t)(reader->end - opening) + 1);
    uint8_t *to = text;

    if (text == NULL) return false;
    if (spans && !may_span) return reader_fail(reader, opening, "a key cannot span lines");
    reader->at += spans ? 3 : 1;
    if (spans && sees_newline(reader)) reader->at += reader_peek(reader) == '\r' ? 2 : 1;
    for (;;) {
        const uint8_t c = reader_peek(reader);
        if (reader->at == reader->end) return reader_fail(reader, opening, "this string has no end");
        if (spans && reader_sees(reader, triple, 3)) {
            to = end_of_span(reader, quote, to);
            break;
        }
        if (!spans && c == quote) {
            reader->at++;
            break;
        }
        if (sees_newline(reader)) {
            if (!spans) return reader_fail(reader, opening, "this string has no end on its line");
            reader->at += c == '\r' ? 2 : 1;
            *to++ = '\n';
        } else if (is_control(c)) {
            return reader_fail(reader, reader->at, "a control character in a string");
        } else if (c == '\\' && quote == '"') {
            reader->at++;
            if (!spans || !skip_line_ending(reader)) to = read_escape(reader, to);
            if (reader->failed) return false;
        } else {
            *to++ = c;
            reader->at++;
        }
    }
    reader_trim(reader, text, (size_t)(to - text));
    *string = (struct bytes){ text, (uint32_t)(to - text) };
    return true;
}

/* ---- dates ---- */

/* Exactly `count` digits; -1 if there are none. */
static int32_t digits(const uint8_t **at, const uint8_t *end, uint32_t count)
{
    int32_t value = 0;

    if ((size_t)(end - *at) < count) return -1;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t c = (*at)[i];
        if (c < '0' || c > '9') return -1;
        value = value * 10 + (c - '0');
    }
    *at += count;
    return value;
}

static bool letter(const uint8_t **at, const uint8_t *end, uint8_t wanted)
{
    if (*at == end || **at != wanted) return false;
    ++*at;
    return true;
}

static bool read_date(const uint8_t **at, const uint8_t *end)
{
    static const uint8_t month_days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    const int32_t year = digits(at, end, 4);

    if (year < 0 || !letter(at, end, '-')) return false;
    const int32_t month = digits(at, end, 2);
    if (month < 1 || month > 12 || !letter(at, end, '-')) return false;
    const int32_t day = digits(at, end, 2);
    const bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day >= 1 && day <= month_days[month - 1] + (month == 2 && is_leap ? 1 : 0);
}

static bool read_time(const uint8_t **at, const uint8_t *end)
{
    const int32_t hour = digits(at, end, 2);

    if (hour < 0 || hour > 23 || !letter(at, end, ':')) return false;
    const int32_t minute = digits(at, end, 2);
    if (minute < 0 || minute > 59 || !letter(at, end, ':')) return false;
    const int32_t second = digits(at, end, 2);
    if (second < 0 || second > 60) return false; /* 60: a leap second */
    if (!letter(at, end, '.')) return true;
    if (digits(at, end, 1) < 0) return false;
    while (digits(at, end, 1) >= 0) continue;
    return true;
}

static bool read_offset(const uint8_t **at, const uint8_t *end)
{
    if (letter(at, end, 'Z') || letter(at, end, 'z')) return true;
    if (!letter(at, end, '+') && !letter(at, end, '-')) return false;
    const int32_t hour = digits(at, end, 2);
    if (hour < 0 || hour > 23 || !letter(at, end, ':')) return false;
    const int32_t minute = digits(at, end, 2);
    return minute >= 0 && minute <= 59;
}

static bool read_date_time(const uint8_t *at, const uint8_t *end, enum toml_type *type)
{
    if (end - at >= 3 && at[2] == ':') {
        *type = TOML_LOCAL_TIME;
        return read_time(&at, end) && at == end;
    }
    *type = TOML_LOCAL_DATE;
    if (!read_date(&at, end)) return false;
    if (at == end) return true;
    *type = TOML_LOCAL_DATE_TIME;
    if (!letter(&at, end, 'T') && !letter(&at, end, 't') && !letter(&at, end, ' ')) return false;
    if (!read_time(&at, end)) return false;
    if (at == end) return true;
    *type = TOML_OFFSET_DATE_TIME;
    return read_offset(&at, end) && at == end;
}

/* ---- numbers ---- */

/* Digits of a base with single underscores between them. */
static bool read_digits(const uint8_t **at, const uint8_t *end, int32_t base)
{
    const uint8_t *begin = *at;

    for (; *at < end; ++*at) {
        if (**at == '_') {
            if (*at == begin || (*at)[-1] == '_') return false;
            continue;
        }
        const int32_t digit = hex_digit(**at);
        if (digit < 0 || digit >= base) break;
    }
    return *at > begin && (*at)[-1] != '_';
}

/* A copy without underscores, for strtoll and strtod. */
static char *plain(struct reader *reader, const uint8_t *at, const uint8_t *end)
{
    char *text = reader_allocate(reader, (size_t)(end - at) + 1);
    char *to = text;

    if (text == NULL) return NULL;
    for (; at < end; at++) {
        if (*at != '_') *to++ = (char)*at;
    }
    return text;
}

static bool read_integer(struct reader *reader, const uint8_t *begin, const uint8_t *end, int32_t base,
                         int64_t *integer)
{
    const char *text = plain(reader, begin, end);

    if (text == NULL) return false;
    errno = 0;
    *integer = strtoll(text, NULL, base);
    if (errno == ERANGE) return reader_fail(reader, reader->at, "this integer does not fit into 64 bits");
    return true;
}

static bool read_based(struct reader *reader, const uint8_t *end, struct toml_value *value)
{
    const uint8_t *at = reader->at + 2;
    const int32_t base = reader->at[1] == 'x' ? 16 : reader->at[1] == 'o' ? 8 : 2;

    value->type = TOML_INTEGER;
    if (!read_digits(&at, end, base) || at != end) {
        return reader_fail(reader, reader->at, "this is no number in base %d", base);
    }
    return read_integer(reader, reader->at + 2, end, base, &value->integer);
}

static bool is_number(const uint8_t *at, const uint8_t *end, bool *is_float)
{
    *is_float = false;
    if (at < end && (*at == '+' || *at == '-')) at++;
    const uint8_t *whole = at;
    if (!read_digits(&at, end, 10)) return false;
    if (*whole == '0' && at - whole > 1) return false; /* no leading zeros */
    if (letter(&at, end, '.')) {
        *is_float = true;
        if (!read_digits(&at, end, 10)) return false;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        *is_float = true;
        at++;
        if (at < end && (*at == '+' || *at == '-')) at++;
        if (!read_digits(&at, end, 10)) return false;
    }
    return at == end;
}

static bool is_word(const uint8_t *begin, const uint8_t *end, const char *word)
{
    return (size_t)(end - begin) == strlen(word) && memcmp(begin, word, strlen(word)) == 0;
}

static bool read_special_float(const uint8_t *begin, const uint8_t *end, struct toml_value *value)
{
    const bool has_sign = begin < end && (*begin == '+' || *begin == '-');
    const uint8_t *name = begin + (has_sign ? 1 : 0);

    value->type = TOML_FLOAT;
    if (is_word(name, end, "inf")) value->real = has_sign && *begin == '-' ? -__builtin_inf() : __builtin_inf();
    else if (is_word(name, end, "nan")) value->real = __builtin_nan("");
    else return false;
    return true;
}

static bool in_scalar(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' ||
           c == '+' || c == '-' || c == ':';
}

/* The word here; of a date the time behind a blank belongs to it. */
static const uint8_t *end_of_scalar(const struct reader *reader)
{
    const uint8_t *end = reader->at;

    while (end < reader->end && in_scalar(*end)) end++;
    const uint8_t *date = reader->at;
    if (end - reader->at == 10 && read_date(&date, end) && reader->end - end > 3 && *end == ' ' && end[1] >= '0' &&
        end[1] <= '9') {
        end++;
        while (end < reader->end && in_scalar(*end)) end++;
    }
    return end;
}

bool toml_read_scalar(struct reader *reader, struct toml_value *value)
{
    const uint8_t *begin = reader->at, *end = end_of_scalar(reader);
    bool is_float = false;

    if (begin == end) return reader_fail(reader, begin, "a value is expected here");
    if (is_word(begin, end, "true") || is_word(begin, end, "false")) {
        value->type = TOML_BOOLEAN;
        value->boolean = *begin == 't';
    } else if (end - begin > 2 && begin[0] == '0' && (begin[1] == 'x' || begin[1] == 'o' || begin[1] == 'b')) {
        if (!read_based(reader, end, value)) return false;
    } else if (is_number(begin, end, &is_float)) {
        value->type = is_float ? TOML_FLOAT : TOML_INTEGER;
        if (is_float) {
            const char *text = plain(reader, begin, end);
            if (text == NULL) return false;
            value->real = strtod(text, NULL);
        } else if (!read_integer(reader, begin, end, 10, &value->integer)) {
            return false;
        }
    } else if (!read_special_float(begin, end, value)) {
        if (!read_date_time(begin, end, &value->type)) {
            return reader_fail(reader, begin, "'%.*s' is no value: strings need quotes", (int)MIN(end - begin, 40),
                               (const char *)begin);
        }
        value->string = (struct bytes){ begin, (uint32_t)(end - begin) };
    }
    reader->at = end;
    return true;
}
