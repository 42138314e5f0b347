/* schema.c -- reads descriptions line by line: a line is a header, or a field of the structure one level out. */
#include "schema.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct message messages[MESSAGES_MAX];
int message_count;

static struct field fields[FIELDS_MAX];
static int field_count;
static struct structure structures[STRUCTURES_MAX];
static int structure_count;

static const char *path_now;
static int line_now;

/* While a file is read. */
static struct message api; /* the last api line, as a template for its two messages */
static bool in_api;
static struct message *message_now;                  /* NULL: fields have no home yet */
static struct structure *open_structures[DEPTH_MAX]; /* by depth; NULL: fields cannot stand there */

static const char *const type_names[] = { "bool",  "int8", "int16",  "uint16", "int32",  "uint32",
                                          "int64", "uuid", "string", "bytes",  "records" };

__attribute__((format(printf, 3, 0))) static _Noreturn void fail_at(const char *file, int line, const char *format,
                                                                    va_list arguments)
{
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(1);
}

__attribute__((format(printf, 1, 2))) static _Noreturn void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail_at(path_now, line_now, format, arguments);
}

__attribute__((format(printf, 4, 5))) static void require(bool holds, const char *file, int line, const char *format,
                                                          ...)
{
    if (holds) return;
    va_list arguments;
    va_start(arguments, format);
    fail_at(file, line, format, arguments);
}

static int parse_number(const char *text, const char *what, int max)
{
    char *end;
    const long value = strtol(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || value > max) fail("%s: \"%s\" is not a number", what, text);
    return (int)value;
}

/* "3", "3+" or "3-11". */
static struct range parse_range(const char *text, const char *what)
{
    struct range range = { 0, NEVER };
    char *end;

    if (!isdigit((unsigned char)text[0])) fail("%s: \"%s\" is not a version range", what, text);
    range.from = (int)strtol(text, &end, 10);
    if (*end == '\0') range.to = range.from;
    else if (*end == '-') range.to = parse_number(end + 1, what, NEVER - 1);
    else if (strcmp(end, "+") != 0) fail("%s: \"%s\" is not a version range", what, text);
    if (range.from > range.to) fail("%s: the range \"%s\" is empty", what, text);
    return range;
}

static void copy_name(char *to, const char *name)
{
    bool good = islower((unsigned char)name[0]) && strlen(name) < NAME_MAX_SIZE / 2;
    for (const char *c = name; *c != '\0'; c++) {
        good = good && (islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_');
    }
    if (!good) fail("\"%s\" is not a name: small letters, digits and _, short", name);
    strcpy(to, name);
}

static void join_name(char *to, const char *first, const char *second)
{
    if (strlen(first) + strlen(second) + 2 > NAME_MAX_SIZE) fail("the name %s_%s is too long", first, second);
    snprintf(to, NAME_MAX_SIZE, "%s_%s", first, second);
}

/* The value of `key=value` when the word is that; NULL if not. */
static const char *value_of(const char *word, const char *key)
{
    const size_t size = strlen(key);
    return strncmp(word, key, size) == 0 && word[size] == '=' ? word + size + 1 : NULL;
}

static struct structure *add_structure(struct message *message, const char *name, struct range versions)
{
    for (int i = 0; i < structure_count; i++) {
        if (strcmp(structures[i].name, name) == 0) fail("the structure %s is described twice", name);
    }
    if (structure_count == STRUCTURES_MAX) fail("more than %d structures", STRUCTURES_MAX);
    struct structure *structure = &structures[structure_count++];
    strcpy(structure->name, name);
    structure->kind = message->kind;
    structure->key = message->key;
    structure->versions = versions;
    return structure;
}

static void begin_message(enum kind kind, const char *suffix)
{
    if (message_count == MESSAGES_MAX) fail("more than %d messages", MESSAGES_MAX);
    struct message *message = &messages[message_count++];
    *message = api;
    message->file = path_now;
    message->line = line_now;
    message->kind = kind;
    join_name(message->name, api.base, suffix);
    message->root = add_structure(message, message->name, message->versions);
    message_now = message;
    open_structures[0] = message->root;
}

static int parse_flexible(const char *text)
{
    return strcmp(text, "no") == 0 ? NEVER : parse_number(text, "flexible", NEVER - 1);
}

/* `api NAME key=N served=A-B advertised=A-B flexible=N` and `record NAME id=N versions=A-B flexible=N`. */
static void parse_header(bool record, char **words, int count)
{
    const char *const range_key = record ? "versions" : "served";
    const char *value;
    unsigned seen = 0;

    api = (struct message){ .advertised = { NEVER, NEVER } };
    if (count < 2) fail("the name is missing");
    copy_name(api.base, words[1]);
    for (int i = 2; i < count; i++) {
        unsigned bit;
        if ((value = value_of(words[i], record ? "id" : "key")) != NULL) {
            bit = 1;
            api.key = parse_number(value, "key", 0x7fff);
        } else if ((value = value_of(words[i], range_key)) != NULL) {
            bit = 2;
            api.versions = parse_range(value, range_key);
        } else if ((value = value_of(words[i], "flexible")) != NULL) {
            bit = 4;
            api.flexible = parse_flexible(value);
        } else if (!record && (value = value_of(words[i], "advertised")) != NULL) {
            bit = 8;
            if (strcmp(value, "no") != 0) api.advertised = parse_range(value, "advertised");
        } else {
            fail("\"%s\" is not understood here", words[i]);
        }
        if ((seen & bit) != 0) fail("\"%s\" comes twice", words[i]);
        seen |= bit;
    }
    if (seen != (record ? 7u : 15u))
        fail("needs %s", record ? "id versions flexible" : "key served advertised flexible");
    if (api.versions.to == NEVER) fail("%s: the range must end", range_key);
    const bool advertised = api.advertised.from != NEVER;
    if (advertised && (api.advertised.from > api.versions.from || api.advertised.to != api.versions.to)) {
        fail("advertised must hold all served versions and end with them");
    }
    in_api = !record;
    message_now = NULL;
    if (record) begin_message(KIND_RECORD, "record");
}

/* `string`, `[]int32?1`, `[]topic`. A name that is no type opens a structure for the lines below. */
static const char *parse_type(struct field *field, char *word)
{
    char *mark = strchr(word, '?');
    if (mark != NULL) {
        *mark = '\0';
        field->nullable_from = mark[1] == '\0' ? 0 : parse_number(mark + 1, "null from", NEVER - 1);
    }
    field->array = strncmp(word, "[]", 2) == 0;
    if (field->array) word += 2;
    for (int type = TYPE_BOOL; type < TYPE_STRUCTURE; type++) {
        if (strcmp(word, type_names[type]) != 0) continue;
        field->type = (enum type)type;
        if (mark != NULL && !field->array && field->type < TYPE_STRING) fail("%s cannot be null", word);
        return NULL;
    }
    field->type = TYPE_STRUCTURE;
    return word;
}

static void check_default(const struct field *field)
{
    static const struct {
        long long min, max;
    } limits[] = {
        [TYPE_INT8] = { -128, 127 },         [TYPE_INT16] = { -32768, 32767 },
        [TYPE_UINT16] = { 0, 65535 },        [TYPE_INT32] = { -2147483648LL, 2147483647 },
        [TYPE_UINT32] = { 0, 4294967295LL }, [TYPE_INT64] = { -9223372036854775807LL, 9223372036854775807LL },
    };
    char *end;

    if (field->array || field->type > TYPE_INT64) fail("only numbers and bool have a default to choose");
    if (field->type == TYPE_BOOL) {
        if (strcmp(field->value, "true") != 0 && strcmp(field->value, "false") != 0) fail("neither true nor false");
        return;
    }
    const long long value = strtoll(field->value, &end, 10);
    if (*end != '\0' || value < limits[field->type].min || value > limits[field->type].max) {
        fail("\"%s\" is not a value of %s", field->value, type_names[field->type]);
    }
}

/* What follows name and type: versions, tag=N, = VALUE. */
static void parse_attributes(struct field *field, char **words, int count)
{
    bool versions_seen = false;

    for (int i = 0; i < count; i++) {
        const char *value;
        if (strcmp(words[i], "=") == 0) {
            if (i + 2 != count) fail("one default value is expected after =, and nothing more");
            if (strlen(words[i + 1]) >= NAME_MAX_SIZE) fail("the default value is too long");
            strcpy(field->value, words[++i]);
            check_default(field);
        } else if ((value = value_of(words[i], "tag")) != NULL && field->tag == NO_TAG) {
            field->tag = parse_number(value, "tag", 0x7fff);
        } else if (isdigit((unsigned char)words[i][0]) && !versions_seen) {
            versions_seen = true;
            field->versions = parse_range(words[i], "versions");
        } else {
            fail("\"%s\" is not understood here", words[i]);
        }
    }
}

/* In C, a field x may be accompanied by x_count or has_x. */
static bool same_name_in_c(const struct field *a, const struct field *b)
{
    char companion[NAME_MAX_SIZE];

    if (strcmp(a->name, b->name) == 0) return true;
    snprintf(companion, sizeof companion, a->array ? "%.80s_count" : "has_%.80s", a->name);
    return (a->array || a->type == TYPE_STRUCTURE) && strcmp(companion, b->name) == 0;
}

static void append_field(struct structure *around, struct field *field)
{
    struct field **link = &around->fields;

    for (; *link != NULL; link = &(*link)->next) {
        if (same_name_in_c(*link, field) || same_name_in_c(field, *link)) {
            fail("%s: its name is taken by %s in line %d", field->name, (*link)->name, (*link)->line);
        }
        if (field->tag != NO_TAG && (*link)->tag == field->tag) {
            fail("%s: tag %d is taken by %s in line %d", field->name, field->tag, (*link)->name, (*link)->line);
        }
        if ((*link)->tag != NO_TAG && field->tag != NO_TAG && (*link)->tag > field->tag) {
            fail("%s: tags must rise", field->name);
        }
    }
    field->around = around;
    *link = field;
}

static void clamp(struct field *field, const struct structure *around)
{
    const struct range asked = field->versions;

    if (field->versions.from < around->versions.from) field->versions.from = around->versions.from;
    if (field->versions.to > around->versions.to) field->versions.to = around->versions.to;
    if (field->versions.from > field->versions.to) {
        fail("%s: versions %d-%d lie outside %d-%d of what is around it", field->name, asked.from, asked.to,
             around->versions.from, around->versions.to);
    }
}

static void parse_field(int depth, char **words, int count)
{
    if (message_now == NULL) fail("a field belongs below request, response or record");
    if (depth > DEPTH_MAX || open_structures[depth - 1] == NULL)
        fail("nothing that holds fields stands above this line");
    if (count < 2) fail("%s: the type is missing", words[0]);
    if (field_count == FIELDS_MAX) fail("more than %d fields", FIELDS_MAX);
    struct structure *around = open_structures[depth - 1];
    struct field *field = &fields[field_count++];

    *field = (struct field){
        .file = path_now, .line = line_now, .versions = { 0, NEVER }, .tag = NO_TAG, .nullable_from = NEVER
    };
    copy_name(field->name, words[0]);
    const char *structure = parse_type(field, words[1]);
    parse_attributes(field, words + 2, count - 2);
    clamp(field, around);
    if (field->tag != NO_TAG && field->versions.from < message_now->flexible) {
        fail("%s: a tagged field needs flexible versions", field->name);
    }
    if (field->tag != NO_TAG && structure != NULL && !field->array && field->nullable_from != NEVER) {
        fail("%s: a tagged structure is absent rather than null", field->name);
    }
    append_field(around, field);
    for (int i = depth; i < DEPTH_MAX; i++) open_structures[i] = NULL;
    if (structure == NULL) return;
    if (depth == DEPTH_MAX) fail("%s: nested too deep", field->name);
    char local[NAME_MAX_SIZE], full[NAME_MAX_SIZE];
    copy_name(local, structure);
    join_name(full, message_now->name, local);
    field->structure = add_structure(message_now, full, field->versions);
    open_structures[depth] = field->structure;
}

static void parse_line(char *line)
{
    char *words[16];
    int count = 0;

    line[strcspn(line, "#\r\n")] = '\0';
    if (strchr(line, '\t') != NULL) fail("a tab; indentation is four spaces");
    const int indent = (int)strspn(line, " ");
    for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " ")) {
        if (count == 16) fail("too many words");
        words[count++] = word;
    }
    if (count == 0) return;
    if (indent % 4 != 0) fail("indented by %d spaces, not by a multiple of four", indent);
    if (indent > 0) {
        parse_field(indent / 4, words, count);
    } else if (strcmp(words[0], "api") == 0) {
        parse_header(false, words, count);
    } else if (strcmp(words[0], "record") == 0) {
        parse_header(true, words, count);
    } else if (strcmp(words[0], "request") == 0 || strcmp(words[0], "response") == 0) {
        if (!in_api || count != 1) fail("\"%s\" stands alone, below an api line", words[0]);
        begin_message(words[0][2] == 'q' ? KIND_REQUEST : KIND_RESPONSE, words[0]);
    } else {
        fail("\"%s\": expected api, request, response, record or an indented field", words[0]);
    }
}

void schema_read(const char *path)
{
    char line[512];
    FILE *file = fopen(path, "r");

    path_now = path;
    line_now = 0;
    in_api = false;
    message_now = NULL;
    if (file == NULL) fail("cannot be opened");
    while (fgets(line, sizeof line, file) != NULL) {
        line_now++;
        if (strlen(line) == sizeof line - 1) fail("the line is too long");
        parse_line(line);
    }
    fclose(file);
}

static int by_kind_and_key(const void *a, const void *b)
{
    const struct message *one = a, *other = b;
    return one->kind != other->kind ? (int)one->kind - (int)other->kind : one->key - other->key;
}

/* A type that is none is a structure that nothing was described of. */
static void check_structure(const struct structure *structure, const struct message *message)
{
    require(message->root->fields != NULL, message->file, message->line, "%s has no fields", message->name);
    for (const struct field *field = structure->fields; field != NULL; field = field->next) {
        require(field->type != TYPE_STRUCTURE || field->structure->fields != NULL, field->file, field->line,
                "%s: not a type, and no fields are indented below it", field->name);
    }
}

/* Fields hold their structures by pointer, and messages move when they are sorted: tie them anew. */
static void tie(struct message *message)
{
    struct structure **link = &message->structures;

    for (int i = structure_count - 1; i >= 0; i--) { /* described outer first, so backwards is inner first */
        if (structures[i].kind != message->kind || structures[i].key != message->key) continue;
        structures[i].message = message;
        *link = &structures[i];
        link = &structures[i].next;
    }
}

void schema_finish(void)
{
    qsort(messages, (size_t)message_count, sizeof messages[0], by_kind_and_key);
    for (int i = 0; i < message_count; i++) {
        struct message *message = &messages[i];
        require(i == 0 || by_kind_and_key(message - 1, message) != 0, message->file, message->line,
                "%s: its number %d is taken by %s", message->name, message->key, message[-1].name);
        tie(message);
        for (const struct structure *s = message->structures; s != NULL; s = s->next) check_structure(s, message);
        if (message->kind == KIND_RECORD) continue;
        bool paired = false;
        for (int j = 0; j < message_count; j++) {
            paired = paired || (messages[j].kind + message->kind == 1 && messages[j].key == message->key);
        }
        require(paired, message->file, message->line, "%s has no %s", message->base,
                message->kind == KIND_REQUEST ? "response" : "request");
    }
}
