#include "toml.h"

#include "base/check.h"
#include "toml_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 2 * TOML_SIZE_MAX }; /* a string is read into as much as the rest of the text may need */

struct block {
    struct block *next;
    size_t used, size;
    _Alignas(16) uint8_t bytes[];
};

struct toml {
    struct block *blocks;
    struct toml_value root;
};

const char *toml_type_name(enum toml_type type)
{
    static const char *const names[] = {
        [TOML_STRING] = "a string",
        [TOML_INTEGER] = "an integer",
        [TOML_FLOAT] = "a float",
        [TOML_BOOLEAN] = "a boolean",
        [TOML_OFFSET_DATE_TIME] = "a date with time and offset",
        [TOML_LOCAL_DATE_TIME] = "a date with time",
        [TOML_LOCAL_DATE] = "a date",
        [TOML_LOCAL_TIME] = "a time",
        [TOML_ARRAY] = "an array",
        [TOML_TABLE] = "a table",
    };
    return names[type];
}

/* ---- the reader ---- */

void reader_locate(struct reader *reader, const uint8_t *where, uint32_t *line, uint32_t *column)
{
    if (where < reader->located) {
        reader->located = reader->begin;
        reader->line = reader->column = 1;
    }
    for (; reader->located < where; reader->located++) {
        if (*reader->located == '\n') {
            reader->line++;
            reader->column = 1;
        } else if ((*reader->located & 0xc0) != 0x80) { /* not the rest of a character */
            reader->column++;
        }
    }
    *line = reader->line;
    *column = reader->column;
}

bool reader_fail(struct reader *reader, const uint8_t *where, const char *format, ...)
{
    va_list list;

    if (reader->failed) return false;
    reader->failed = true;
    reader_locate(reader, where, &reader->error->line, &reader->error->column);
    va_start(list, format);
    vsnprintf(reader->error->message, sizeof reader->error->message, format, list);
    va_end(list);
    return false;
}

void *reader_allocate(struct reader *reader, size_t size)
{
    struct block *block = reader->toml->blocks;

    size = (size + 15) & ~(size_t)15;
    if (block == NULL || block->size - block->used < size) {
        const size_t block_size = MAX(size, (size_t)BLOCK_SIZE);
        block = calloc(1, sizeof *block + block_size);
        if (block == NULL) {
            reader_fail(reader, reader->at, "out of memory");
            return NULL;
        }
        block->size = block_size;
        block->next = reader->toml->blocks;
        reader->toml->blocks = block;
    }
    void *memory = block->bytes + block->used;
    block->used += size;
    return memory;
}

void reader_trim(struct reader *reader, const void *memory, size_t size)
{
    struct block *block = reader->toml->blocks;
    const size_t used = (size_t)((const uint8_t *)memory - block->bytes) + ((size + 15) & ~(size_t)15);

    CHECK(used <= block->used);
    memset(block->bytes + used, 0, block->used - used);
    block->used = used;
}

static void skip_blanks(struct reader *reader)
{
    while (reader_peek(reader) == ' ' || reader_peek(reader) == '\t') reader->at++;
}

static bool sees_newline(const struct reader *reader)
{
    return reader_peek(reader) == '\n' || reader_sees(reader, "\r\n", 2);
}

static void skip_newline(struct reader *reader)
{
    reader->at += *reader->at == '\r' ? 2 : 1;
}

static bool skip_comment(struct reader *reader)
{
    if (reader_peek(reader) != '#') return true;
    while (reader->at < reader->end && !sees_newline(reader)) {
        if ((*reader->at < 0x20 && *reader->at != '\t') || *reader->at == 0x7f) {
            return reader_fail(reader, reader->at, "a control character in a comment");
        }
        reader->at++;
    }
    return true;
}

/* Blanks, newlines and comments, as arrays may hold them. */
static bool skip_lines(struct reader *reader)
{
    for (;;) {
        skip_blanks(reader);
        if (!skip_comment(reader)) return false;
        if (reader->at == reader->end || !sees_newline(reader)) return true;
        skip_newline(reader);
    }
}

/* Nothing but blanks and a comment up to the end of the line. */
static bool end_line(struct reader *reader, const char *after)
{
    skip_blanks(reader);
    if (!skip_comment(reader)) return false;
    if (reader->at == reader->end) return true;
    if (!sees_newline(reader))
        return reader_fail(reader, reader->at, "only a comment may follow %s on its line", after);
    skip_newline(reader);
    return true;
}

/* Well-formed UTF-8 (Unicode 3.9, table 3-7), no zero byte, no lone carriage return. */
static bool check_text(struct reader *reader)
{
    for (const uint8_t *at = reader->begin; at < reader->end;) {
        const size_t left = (size_t)(reader->end - at);
        size_t size = 0;
        if (*at == 0) return reader_fail(reader, at, "a zero byte");
        if (*at == '\r' && (left < 2 || at[1] != '\n'))
            return reader_fail(reader, at, "a carriage return without a newline");
        if (*at < 0x80) size = 1;
        else if (*at >= 0xc2 && *at <= 0xdf) size = 2;
        else if (*at >= 0xe0 && *at <= 0xef) size = 3;
        else if (*at >= 0xf0 && *at <= 0xf4) size = 4;
        bool right = size > 0 && size <= left;
        for (size_t i = 1; right && i < size; i++) right = (at[i] & 0xc0) == 0x80;
        if (right && *at == 0xe0) right = at[1] >= 0xa0;
        if (right && *at == 0xed) right = at[1] <= 0x9f; /* no surrogates */
        if (right && *at == 0xf0) right = at[1] >= 0x90;
        if (right && *at == 0xf4) right = at[1] <= 0x8f;
        if (!right) return reader_fail(reader, at, "not valid UTF-8");
        at += size;
    }
    return true;
}

/* ---- tables ---- */

static struct toml_value *find(const struct toml_value *table, struct bytes key)
{
    for (struct toml_value *member = table->members.first; member != NULL; member = member->next) {
        if (bytes_equal(member->key, key)) return member;
    }
    return NULL;
}

const struct toml_value *toml_member(const struct toml_value *table, struct bytes key)
{
    return find(table, key);
}

static void append(struct toml_value *parent, struct toml_value *value)
{
    if (parent->members.last != NULL) parent->members.last->next = value;
    else parent->members.first = value;
    parent->members.last = value;
}

static struct toml_value *new_value(struct reader *reader, const uint8_t *where, struct bytes key, enum toml_type type)
{
    struct toml_value *value = reader_allocate(reader, sizeof *value);

    if (value == NULL) return NULL;
    value->type = type;
    value->key = key;
    reader_locate(reader, where, &value->line, &value->column);
    return value;
}

/* a."b c".d: the parts, and where each stands. */
struct key {
    uint32_t count;
    struct bytes parts[TOML_DEPTH_MAX];
    const uint8_t *where[TOML_DEPTH_MAX];
};

static bool is_bare(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool read_key(struct reader *reader, struct key *key)
{
    key->count = 0;
    for (;;) {
        skip_blanks(reader);
        if (key->count == TOML_DEPTH_MAX) {
            return reader_fail(reader, reader->at, "a key has at most %d parts", TOML_DEPTH_MAX);
        }
        struct bytes *part = &key->parts[key->count];
        key->where[key->count++] = reader->at;
        if (reader_peek(reader) == '"' || reader_peek(reader) == '\'') {
            if (!toml_read_string(reader, false, part)) return false;
        } else {
            part->data = reader->at;
            while (is_bare(reader_peek(reader))) reader->at++;
            part->size = (uint32_t)(reader->at - part->data);
            if (part->size == 0) return reader_fail(reader, reader->at, "a key is expected here");
        }
        skip_blanks(reader);
        if (reader_peek(reader) != '.') return true;
        reader->at++;
    }
}

static bool fail_key(struct reader *reader, const struct key *key, uint32_t part, const char *what)
{
    return reader_fail(reader, key->where[part], "'%.*s' %s", (int)MIN(key->parts[part].size, 60u),
                       (const char *)key->parts[part].data, what);
}

/* For headers: the table a part leads to, made if missing; of an array of tables the last one. */
static struct toml_value *step_into(struct reader *reader, struct toml_value *table, const struct key *key,
                                    uint32_t part)
{
    struct toml_value *next = find(table, key->parts[part]);

    if (next == NULL) {
        next = new_value(reader, key->where[part], key->parts[part], TOML_TABLE);
        if (next != NULL) append(table, next);
        return next;
    }
    if (next->type == TOML_ARRAY && !next->members.is_frozen) return next->members.last;
    if (next->type != TOML_TABLE) {
        fail_key(reader, key, part, "is not a table");
        return NULL;
    }
    if (next->members.is_frozen) {
        fail_key(reader, key, part, "is an inline table: nothing can be added to it");
        return NULL;
    }
    return next;
}

/* [a.b]: each table has one such header, and none if dotted keys have made it. */
static struct toml_value *open_table(struct reader *reader, struct toml_value *root, const struct key *key)
{
    struct toml_value *table = root;
    const uint32_t last = key->count - 1;

    for (uint32_t i = 0; i < last; i++) {
        table = step_into(reader, table, key, i);
        if (table == NULL) return NULL;
    }
    const struct toml_value *existing = find(table, key->parts[last]);
    if (existing != NULL && existing->type == TOML_ARRAY && !existing->members.is_frozen) {
        fail_key(reader, key, last, "is an array of tables: [[ ]] adds one more");
        return NULL;
    }
    table = step_into(reader, table, key, last);
    if (table == NULL) return NULL;
    if (table->members.is_explicit || table->members.body != 0) {
        fail_key(reader, key, last, "is defined twice");
        return NULL;
    }
    table->members.is_explicit = true;
    return table;
}

/* [[a.b]]: one more table in that array. */
static struct toml_value *open_element(struct reader *reader, struct toml_value *root, const struct key *key)
{
    struct toml_value *table = root;
    const uint32_t last = key->count - 1;

    for (uint32_t i = 0; i < last; i++) {
        table = step_into(reader, table, key, i);
        if (table == NULL) return NULL;
    }
    struct toml_value *array = find(table, key->parts[last]);
    if (array == NULL) {
        array = new_value(reader, key->where[last], key->parts[last], TOML_ARRAY);
        if (array == NULL) return NULL;
        append(table, array);
    } else if (array->type != TOML_ARRAY || array->members.is_frozen) {
        fail_key(reader, key, last, "is not an array of tables");
        return NULL;
    }
    struct toml_value *element = new_value(reader, key->where[last], (struct bytes){ NULL, 0 }, TOML_TABLE);
    if (element == NULL) return NULL;
    element->members.is_explicit = true;
    append(array, element);
    return element;
}

/* a.b.c = value, in `table`. Tables on the way are made, and may be added to only from this body. */
static bool put(struct reader *reader, struct toml_value *table, const struct key *key, struct toml_value *value)
{
    const uint32_t last = key->count - 1;

    for (uint32_t i = 0; i < last; i++) {
        struct toml_value *next = find(table, key->parts[i]);
        if (next == NULL) {
            next = new_value(reader, key->where[i], key->parts[i], TOML_TABLE);
            if (next == NULL) return false;
            append(table, next);
        } else if (next->type != TOML_TABLE) {
            return fail_key(reader, key, i, "is not a table");
        } else if (next->members.is_frozen) {
            return fail_key(reader, key, i, "is an inline table: nothing can be added to it");
        } else if (next->members.is_explicit || (next->members.body != 0 && next->members.body != reader->body)) {
            return fail_key(reader, key, i, "is defined elsewhere: dotted keys cannot add to it here");
        }
        next->members.body = reader->body;
        table = next;
    }
    if (find(table, key->parts[last]) != NULL) return fail_key(reader, key, last, "is there twice");
    value->key = key->parts[last];
    append(table, value);
    return true;
}

/* ---- values and statements ---- */

static bool read_value(struct reader *reader, struct toml_value *value);

static bool read_array(struct reader *reader, struct toml_value *array)
{
    const uint8_t *opening = reader->at++;

    array->type = TOML_ARRAY;
    array->members.is_frozen = true;
    for (;;) {
        if (!skip_lines(reader)) return false;
        if (reader_peek(reader) == ']') break;
        if (reader->at == reader->end) return reader_fail(reader, opening, "this array has no end");
        struct toml_value *element = new_value(reader, reader->at, (struct bytes){ NULL, 0 }, TOML_STRING);
        if (element == NULL || !read_value(reader, element)) return false;
        append(array, element);
        if (!skip_lines(reader)) return false;
        if (reader_peek(reader) == ']') break;
        if (reader_peek(reader) != ',') {
            if (reader->at == reader->end) return reader_fail(reader, opening, "this array has no end");
            return reader_fail(reader, reader->at, "',' or ']' is expected here");
        }
        reader->at++;
    }
    reader->at++;
    return true;
}

static bool read_pair(struct reader *reader, struct toml_value *table)
{
    struct key key;

    if (!read_key(reader, &key)) return false;
    if (reader_peek(reader) != '=') return reader_fail(reader, reader->at, "'=' is expected here");
    reader->at++;
    skip_blanks(reader);
    struct toml_value *value = new_value(reader, key.where[0], key.parts[key.count - 1], TOML_STRING);
    return value != NULL && read_value(reader, value) && put(reader, table, &key, value);
}

/* On one line, without a comma behind the last pair. */
static bool read_inline_table(struct reader *reader, struct toml_value *table)
{
    reader->at++;
    table->type = TOML_TABLE;
    skip_blanks(reader);
    if (reader_peek(reader) != '}') {
        for (;;) {
            if (!read_pair(reader, table)) return false;
            skip_blanks(reader);
            if (reader_peek(reader) == '}') break;
            if (reader_peek(reader) != ',') return reader_fail(reader, reader->at, "',' or '}' is expected here");
            reader->at++;
            skip_blanks(reader);
        }
    }
    reader->at++;
    table->members.is_frozen = true;
    return true;
}

static bool read_value(struct reader *reader, struct toml_value *value)
{
    bool right = false;

    if (reader->depth == TOML_DEPTH_MAX) {
        return reader_fail(reader, reader->at, "more than %d arrays or tables in each other", TOML_DEPTH_MAX);
    }
    reader->depth++;
    switch (reader_peek(reader)) {
    case '"':
    case '\'':
        value->type = TOML_STRING;
        right = toml_read_string(reader, true, &value->string);
        break;
    case '[': right = read_array(reader, value); break;
    case '{': right = read_inline_table(reader, value); break;
    default: right = toml_read_scalar(reader, value); break;
    }
    reader->depth--;
    return right;
}

static struct toml_value *read_header(struct reader *reader, struct toml_value *root)
{
    const bool is_element = reader_sees(reader, "[[", 2);
    struct key key;

    reader->at += is_element ? 2 : 1;
    if (!read_key(reader, &key)) return NULL;
    if (!reader_sees(reader, "]]", is_element ? 2 : 0) || reader_peek(reader) != ']') {
        reader_fail(reader, reader->at, "'%s' is expected here", is_element ? "]]" : "]");
        return NULL;
    }
    reader->at += is_element ? 2 : 1;
    reader->body++;
    struct toml_value *table = is_element ? open_element(reader, root, &key) : open_table(reader, root, &key);
    return table != NULL && end_line(reader, "a header") ? table : NULL;
}

static bool read_document(struct reader *reader, struct toml_value *root)
{
    struct toml_value *table = root;

    if (!check_text(reader)) return false;
    for (;;) {
        if (!skip_lines(reader)) return false;
        if (reader->at == reader->end) return true;
        if (*reader->at == '[') {
            table = read_header(reader, root);
            if (table == NULL) return false;
        } else if (!read_pair(reader, table) || !end_line(reader, "a value")) {
            return false;
        }
    }
}

/* The text is copied: keys and dates lie in it. */
static bool take_text(struct reader *reader, const char *text, size_t size)
{
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark says nothing in UTF-8 */
        text += 3;
        size -= 3;
    }
    uint8_t *copy = reader_allocate(reader, size + 1);
    if (copy == NULL) return false;
    if (size > 0) memcpy(copy, text, size);
    reader->begin = reader->at = reader->located = copy;
    reader->end = copy + size;
    return true;
}

struct toml *toml_parse(const char *text, size_t size, struct toml_error *error)
{
    struct toml *toml = calloc(1, sizeof *toml);
    struct reader reader = { .error = error, .toml = toml, .body = 1, .line = 1, .column = 1 };

    *error = (struct toml_error){ .line = 1, .column = 1, .message = "out of memory" };
    if (toml == NULL) return NULL;
    toml->root.type = TOML_TABLE;
    if (size > TOML_SIZE_MAX) reader_fail(&reader, reader.begin, "the file has more than %d bytes", TOML_SIZE_MAX);
    else if (take_text(&reader, text, size) && read_document(&reader, &toml->root)) return toml;
    CHECK(reader.failed);
    toml_free(toml);
    return NULL;
}

void toml_free(struct toml *toml)
{
    while (toml->blocks != NULL) {
        struct block *next = toml->blocks->next;
        free(toml->blocks);
        toml->blocks = next;
    }
    free(toml);
}

const struct toml_value *toml_root(const struct toml *toml)
{
    return &toml->root;
}
