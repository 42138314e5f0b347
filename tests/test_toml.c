/* TOML 1.0, by the cases of its specification and of the usual test suite. */
#include "runtime/toml.h"
#include "t.h"

#include <math.h>
#include <stdarg.h>

/* What was read, on one line: {key=value ...} and [value ...], keys bare, strings in quotes with bytes escaped. */
struct shown {
    char text[4096];
    size_t size;
};

__attribute__((format(printf, 2, 3))) static void add(struct shown *shown, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    const int size = vsnprintf(shown->text + shown->size, sizeof shown->text - shown->size, format, list);
    va_end(list);
    if (size > 0) shown->size = MIN(shown->size + (size_t)size, sizeof shown->text - 1);
}

static void add_bytes(struct shown *shown, struct bytes bytes)
{
    for (uint32_t i = 0; i < bytes.size; i++) {
        const uint8_t c = bytes.data[i];
        add(shown, c >= 0x20 && c < 0x7f && c != '"' ? "%c" : "\\%02x", c);
    }
}

static void show(struct shown *shown, const struct toml_value *value)
{
    switch (value->type) {
    case TOML_STRING:
        add(shown, "\"");
        add_bytes(shown, value->string);
        add(shown, "\"");
        break;
    case TOML_INTEGER: add(shown, "%lld", (long long)value->integer); break;
    case TOML_FLOAT: add(shown, isnan(value->real) ? "nan" : "%.17gf", value->real); break;
    case TOML_BOOLEAN: add(shown, value->boolean ? "true" : "false"); break;
    case TOML_OFFSET_DATE_TIME:
    case TOML_LOCAL_DATE_TIME:
    case TOML_LOCAL_DATE:
    case TOML_LOCAL_TIME:
        add(shown, "%d:", value->type - TOML_OFFSET_DATE_TIME);
        add_bytes(shown, value->string);
        break;
    case TOML_ARRAY:
    case TOML_TABLE:
        add(shown, value->type == TOML_ARRAY ? "[" : "{");
        for (const struct toml_value *member = value->members.first; member != NULL; member = member->next) {
            if (member != value->members.first) add(shown, " ");
            if (value->type == TOML_TABLE) {
                add_bytes(shown, member->key);
                add(shown, "=");
            }
            show(shown, member);
        }
        add(shown, value->type == TOML_ARRAY ? "]" : "}");
        break;
    }
}

static const char *read(const char *text, size_t size)
{
    static struct shown shown;
    struct toml_error error;

    shown.size = 0;
    struct toml *toml = toml_parse(text, size, &error);
    if (toml == NULL) {
        add(&shown, "%u:%u: %s", error.line, error.column, error.message);
    } else {
        show(&shown, toml_root(toml));
        toml_free(toml);
    }
    return shown.text;
}

struct row {
    const char *why;
    const char *text;
    const char *want;
};

static const struct row right_rows[] = {
    { "nothing", "", "{}" },
    { "a byte order mark",
      "\xef\xbb\xbf"
      "a=1",
      "{a=1}" },
    { "comments and blanks", " # one\n\n\t a = 1 # two\r\n#three", "{a=1}" },
    { "a comment may hold any character but control characters", "#\t\xc3\xa4", "{}" },

    { "bare keys, even of digits", "1-_a = 1\n1234 = 2", "{1-_a=1 1234=2}" },
    { "quoted keys", "\"a b\" = 1\n'c\"' = 2\n\"\" = 3", "{a b=1 c\\22=2 =3}" },
    { "dotted keys", "a.b.c = 1\na . \"b\" . d = 2", "{a={b={c=1 d=2}}}" },
    { "looks like a float", "3.14 = 1", "{3={14=1}}" },
    { "an escaped key is the same key", "\"\\u0061\".x = 1\na.y = 2", "{a={x=1 y=2}}" },

    { "escapes", "a = \"\\b\\t\\n\\f\\r\\\"\\\\\"", "{a=\"\\08\\09\\0a\\0c\\0d\\22\\\"}" },
    { "characters by number", "a = \"\\u00e4\\U0001F600\\u0000\"", "{a=\"\\c3\\a4\\f0\\9f\\98\\80\\00\"}" },
    { "the newline after the quotes is not in it", "a = \"\"\"\nx\r\ny\"\"\"", "{a=\"x\\0ay\"}" },
    { "a backslash joins lines", "a = \"\"\"x\\\n\n   \t y\\  \n z\"\"\"", "{a=\"xyz\"}" },
    { "quotes in a span", "a = \"\"\"\"x\"\"y\"\"\"\"\"", "{a=\"\\22x\\22\\22y\\22\\22\"}" },
    { "escaped quotes in a span", "a = \"\"\"\\\"\"\"\\\"\"\"\"", "{a=\"\\22\\22\\22\\22\"}" },
    { "literals keep backslashes", "a = 'C:\\n'\nb = '''\n'x''\ty'''", "{a=\"C:\\n\" b=\"'x''\\09y\"}" },
    { "empty strings", "a = \"\"\nb = ''\nc = \"\"\"\"\"\"\nd = ''''''", "{a=\"\" b=\"\" c=\"\" d=\"\"}" },

    { "integers", "a = [0, +0, -0, 1_000, -17, +99]", "{a=[0 0 0 1000 -17 99]}" },
    { "in other bases", "a = [0xDEAD_beef, 0o755, 0b1101, 0x00]", "{a=[3735928559 493 13 0]}" },
    { "the largest and smallest", "a = [9223372036854775807, -9223372036854775808, 0x7fffffffffffffff]",
      "{a=[9223372036854775807 -9223372036854775808 9223372036854775807]}" },
    { "floats", "a = [1.5, -0.25, 5e+2, 1E6, 6.5e-1, 1_0.2_5]",
      "{a=[1.5f -0.25f 500f 1000000f 0.65000000000000002f 10.25f]}" },
    { "special floats", "a = [inf, +inf, -inf, nan, -nan]", "{a=[inff inff -inff nan nan]}" },
    { "booleans", "a = [true, false]", "{a=[true false]}" },

    { "dates and times", "a = [1979-05-27T07:32:00Z, 1979-05-27t00:32:00.999-07:00, 1979-05-27 07:32:00z]",
      "{a=[0:1979-05-27T07:32:00Z 0:1979-05-27t00:32:00.999-07:00 0:1979-05-27 07:32:00z]}" },
    { "without offset", "a = 1979-05-27T07:32:00.5\nb = 1979-05-27 07:32:00",
      "{a=1:1979-05-27T07:32:00.5 b=1:1979-05-27 07:32:00}" },
    { "date or time alone", "a = 2024-02-29\nb = 23:59:60", "{a=2:2024-02-29 b=3:23:59:60}" },
    { "a comment behind a date", "a = 2024-02-29 # x", "{a=2:2024-02-29}" },

    { "arrays over lines, with a comma at the end", "a = [ # x\n 1, # y\n\n 2 , ]", "{a=[1 2]}" },
    { "arrays of anything", "a = [1, 'x', [], {b=1}]", "{a=[1 \"x\" [] {b=1}]}" },
    { "inline tables", "a = { b = 1, c.d = 2, c.e = {} }", "{a={b=1 c={d=2 e={}}}}" },
    { "an array in an inline table may span lines", "a = { b = [\n1\n] }", "{a={b=[1]}}" },

    { "tables", "[a]\nx=1\n[b.c]\ny=2", "{a={x=1} b={c={y=2}}}" },
    { "blanks in a header", "[ a . \"b\" ] # x", "{a={b={}}}" },
    { "the outer one afterwards", "[a.b]\nx=1\n[a]\ny=2", "{a={b={x=1} y=2}}" },
    { "a table below dotted keys", "[a]\nb.c=1\n[a.b.d]\nx=1", "{a={b={c=1 d={x=1}}}}" },
    { "arrays of tables", "[[a]]\nx=1\n[[a]]\n[[a]]\nx=3", "{a=[{x=1} {} {x=3}]}" },
    { "tables belong to the last element", "[[a]]\n[a.b]\nx=1\n[[a]]\n[a.b]\nx=2", "{a=[{b={x=1}} {b={x=2}}]}" },
    { "arrays of tables in each other", "[[a]]\n[[a.b]]\nx=1\n[[a.b]]\nx=2\n[[a]]\n[[a.b]]\nx=3",
      "{a=[{b=[{x=1} {x=2}]} {b=[{x=3}]}]}" },
};

TEST(what_is_right_is_read)
{
    FOR_EACH(row, row, right_rows) EXPECT_TEXT(row->why, row->want, read(row->text, strlen(row->text)));
    EXPECT_TEXT("the end may come without a newline", "{a=1}", read("a=1", 3));
}

static const struct row wrong_rows[] = {
    { "no value", "a =", "1:4: a value is expected here" },
    { "no value on this line", "a = \n1", "1:5: a value is expected here" },
    { "no equals sign", "a 1", "1:3: '=' is expected here" },
    { "no key", "= 1", "1:1: a key is expected here" },
    { "no part of a key", "a..b = 1", "1:3: a key is expected here" },
    { "a key over lines", "\"\"\"a\"\"\" = 1", "1:1: a key cannot span lines" },
    { "two on a line", "a = 1 b = 2", "1:7: only a comment may follow a value on its line" },
    { "columns are characters", "\xc3\xa4 = 1", "1:1: a key is expected here" },
    { "behind others", "a = '\xc3\xa4\xc3\xa4' x", "1:10: only a comment may follow a value on its line" },
    { "something behind a header", "[a] b = 1", "1:5: only a comment may follow a header on its line" },
    { "an open header", "[a\nb=1", "1:3: ']' is expected here" },
    { "an open double header", "[[a]\nb=1", "1:4: ']]' is expected here" },
    { "an empty header", "[]", "1:2: a key is expected here" },
    { "a word", "level = info", "1:9: 'info' is no value: strings need quotes" },
    { "not a boolean", "a = True", "1:5: 'True' is no value: strings need quotes" },

    { "twice", "a = 1\nb = 2\na = 3", "3:1: 'a' is there twice" },
    { "a table twice", "[a]\n[b]\n[a]", "3:2: 'a' is defined twice" },
    { "a table over a value", "a = 1\n[a]", "2:2: 'a' is not a table" },
    { "below a value", "a = 1\n[a.b]", "2:2: 'a' is not a table" },
    { "dotted below a value", "a = 1\na.b = 2", "2:1: 'a' is not a table" },
    { "a value over a table", "a.b = 1\na = 2", "2:1: 'a' is there twice" },
    { "an inline table is whole", "a = {}\na.b = 1", "2:1: 'a' is an inline table: nothing can be added to it" },
    { "for headers too", "a = {b = {}}\n[a.b.c]", "2:2: 'a' is an inline table: nothing can be added to it" },
    { "inside one", "a = {b = {}, b.c = 1}", "1:14: 'b' is an inline table: nothing can be added to it" },
    { "twice in one", "a = {b = 1, b = 2}", "1:13: 'b' is there twice" },
    { "dotted tables get no header", "[a]\nb.c = 1\n[a.b]", "3:4: 'b' is defined twice" },
    { "dotted keys do not reach into tables", "[a.b]\nx = 1\n[a]\nb.y = 2",
      "4:1: 'b' is defined elsewhere: dotted keys cannot add to it here" },
    { "nor deeper", "[a.b.c.d]\nz = 9\n[a]\nb.c.d.k.t = 1",
      "4:5: 'd' is defined elsewhere: dotted keys cannot add to it here" },
    { "nor into arrays of tables", "[[a.b]]\n[a]\nb.y = 2", "3:1: 'b' is not a table" },
    { "an array that was written out", "a = [{}]\n[[a]]", "2:3: 'a' is not an array of tables" },
    { "an array over a table", "[a]\n[[a]]", "2:3: 'a' is not an array of tables" },
    { "a table over an array", "[[a]]\n[a]", "2:2: 'a' is an array of tables: [[ ]] adds one more" },
    { "an array over what a table implied", "[a.b]\n[[a]]", "2:3: 'a' is not an array of tables" },

    { "an open string", "a = \"x\nb = 1", "1:5: this string has no end on its line" },
    { "at the end", "a = \"x", "1:5: this string has no end" },
    { "an open span", "a = '''x\n''", "1:5: this string has no end" },
    { "an escape", "a = \"\\x41\"",
      "1:6: no such escape: \\b \\t \\n \\f \\r \\\" \\\\ \\uXXXX \\UXXXXXXXX are known" },
    { "too few digits", "a = \"\\u12\"", "1:6: \\u needs 4 hexadecimal digits" },
    { "half a pair", "a = \"\\ud800\"", "1:6: this is no Unicode character" },
    { "too large", "a = \"\\U00110000\"", "1:6: this is no Unicode character" },
    { "a control character", "a = \"\x01\"", "1:6: a control character in a string" },
    { "in a comment", "# \x7f", "1:3: a control character in a comment" },
    { "a backslash before words", "a = \"\"\"\\ x\"\"\"",
      "1:8: no such escape: \\b \\t \\n \\f \\r \\\" \\\\ \\uXXXX \\UXXXXXXXX are known" },
    { "a lone carriage return", "a = 1\rb = 2", "1:6: a carriage return without a newline" },
    { "bytes that are no text", "a = '\xff'", "1:6: not valid UTF-8" },
    { "too long a way to write it", "a = '\xc0\x80'", "1:6: not valid UTF-8" },
    { "a surrogate", "a = '\xed\xa0\x80'", "1:6: not valid UTF-8" },
    { "cut off", "#\xe2\x82", "1:2: not valid UTF-8" },
    { "beyond Unicode", "#\xf4\x90\x80\x80", "1:2: not valid UTF-8" },

    { "a leading zero", "a = 01", "1:5: '01' is no value: strings need quotes" },
    { "a double sign", "a = --1", "1:5: '--1' is no value: strings need quotes" },
    { "an underscore at the end", "a = 1_", "1:5: '1_' is no value: strings need quotes" },
    { "two underscores", "a = 1__0", "1:5: '1__0' is no value: strings need quotes" },
    { "a signed base", "a = +0x1", "1:5: '+0x1' is no value: strings need quotes" },
    { "a base in capitals", "a = 0X1", "1:5: '0X1' is no value: strings need quotes" },
    { "a wrong digit", "a = 0b12", "1:5: this is no number in base 2" },
    { "too large", "a = 9223372036854775808", "1:5: this integer does not fit into 64 bits" },
    { "a point without digits", "a = 1.", "1:5: '1.' is no value: strings need quotes" },
    { "before digits", "a = .5", "1:5: '.5' is no value: strings need quotes" },
    { "an exponent without digits", "a = 1e", "1:5: '1e' is no value: strings need quotes" },
    { "no such month", "a = 2024-13-01", "1:5: '2024-13-01' is no value: strings need quotes" },
    { "no leap year", "a = 2023-02-29", "1:5: '2023-02-29' is no value: strings need quotes" },
    { "nor in 1900", "a = 1900-02-29", "1:5: '1900-02-29' is no value: strings need quotes" },
    { "no such hour", "a = 24:00:00", "1:5: '24:00:00' is no value: strings need quotes" },
    { "no seconds", "a = 10:00", "1:5: '10:00' is no value: strings need quotes" },
    { "no such offset", "a = 2024-01-01T00:00:00+24:00",
      "1:5: '2024-01-01T00:00:00+24:00' is no value: strings need quotes" },

    { "an open array", "a = [1, [2]\n", "1:5: this array has no end" },
    { "no comma", "a = [1 2]", "1:8: ',' or ']' is expected here" },
    { "two commas", "a = [1,,2]", "1:8: a value is expected here" },
    { "an inline table over lines", "a = { b = 1,\n c = 2 }", "1:13: a key is expected here" },
    { "with a comma at the end", "a = { b = 1, }", "1:14: a key is expected here" },
    { "an open one", "a = { b = 1", "1:12: ',' or '}' is expected here" },
};

TEST(what_is_wrong_is_named_with_its_place)
{
    FOR_EACH(row, row, wrong_rows) EXPECT_TEXT(row->why, row->want, read(row->text, strlen(row->text)));
    EXPECT_TEXT("a zero byte", "1:2: a zero byte", read("a\0=1", 4));
}

TEST(depth_and_size_have_limits)
{
    static char text[TOML_SIZE_MAX + 1];

    memset(text, '[', sizeof text);
    memcpy(text, "a=", 2);
    EXPECT_TEXT("arrays in arrays", "1:35: more than 32 arrays or tables in each other", read(text, 100));
    memset(text, ' ', sizeof text);
    for (uint32_t i = 0; i < 100; i++) memcpy(text + i * 2, "a.", 2);
    EXPECT_TEXT("parts of a key", "1:65: a key has at most 32 parts", read(text, 200));
    memset(text, '\n', sizeof text);
    EXPECT_TEXT("as large as can be", "{}", read(text, TOML_SIZE_MAX));
    EXPECT_TEXT("too large", "1:1: the file has more than 65536 bytes", read(text, TOML_SIZE_MAX + 1));
    memset(text, ' ', sizeof text);
    for (uint32_t i = 0; i < 10000; i++) memcpy(text + i * 6, i % 2 == 0 ? "[[a]]\n" : "x='' \n", 6);
    text[TOML_SIZE_MAX - 1] = '"';
    EXPECT_TEXT("each string may be as long as the rest, and takes what it is", "10001:5536: this string has no end",
                read(text, TOML_SIZE_MAX));
}

TEST(values_know_their_place)
{
    struct toml_error error;
    struct toml *toml = toml_parse("[server]\n  x = 1\n", 17, &error);
    const struct toml_value *server = toml_member(toml_root(toml), BYTES_LITERAL("server"));
    const struct toml_value *x = toml_member(server, BYTES_LITERAL("x"));

    EXPECT_EQ("the line of its key", 2, x->line);
    EXPECT_EQ("and the column", 3, x->column);
    EXPECT("what is not there is not found", toml_member(server, BYTES_LITERAL("y")) == NULL);
    toml_free(toml);
}
