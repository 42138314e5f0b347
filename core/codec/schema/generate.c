/* generate.c -- generate OUT_DIR FILES...: writes OUT_DIR/codec/messages.h and messages.c from message descriptions.
 *
 * Per structure: a C struct, its default value, and a reader and a writer without loops over descriptions, tables or
 * callbacks: what the compiler sees is what one would have written by hand. Version conditions appear only where the
 * served versions differ. The output depends on nothing but the descriptions. */
#include "schema.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { EXPRESSION_SIZE = 160 };

static FILE *output;

__attribute__((format(printf, 1, 2))) static void emit(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(output, format, arguments);
    va_end(arguments);
}

static void emit_upper(const char *name)
{
    for (; *name != '\0'; name++) fputc(toupper((unsigned char)*name), output);
}

/* How a type is called in C, by reader and by writer; its zero; and the least bytes it takes, the length included. */
static const struct type_row {
    const char *c, *reader, *writer, *zero;
    int size, size_flexible;
} type_rows[] = {
    [TYPE_BOOL] = { "bool", "bool", "bool", "false", 1, 1 },
    [TYPE_INT8] = { "int8_t", "int8", "int8", "0", 1, 1 },
    [TYPE_INT16] = { "int16_t", "int16", "int16", "0", 2, 2 },
    [TYPE_UINT16] = { "uint16_t", "uint16", "uint16", "0", 2, 2 },
    [TYPE_INT32] = { "int32_t", "int32", "int32", "0", 4, 4 },
    [TYPE_UINT32] = { "uint32_t", "uint32", "uint32", "0", 4, 4 },
    [TYPE_INT64] = { "int64_t", "int64", "int64", "0", 8, 8 },
    [TYPE_UUID] = { "struct uuid", "uuid", "uuid", "{ { 0 } }", 16, 16 },
    [TYPE_STRING] = { "struct bytes", "string", "string", "{ NULL, 0 }", 2, 1 },
    [TYPE_BYTES] = { "struct bytes", "bytes", "bytes", "{ NULL, 0 }", 4, 1 },
    [TYPE_RECORDS] = { "struct bytes", "bytes", "records", "{ NULL, 0 }", 4, 1 },
};
enum { ARRAY_SIZE = 4, ARRAY_SIZE_FLEXIBLE = 1, TAGS_SIZE = 1, FLAG_SIZE = 1 };

static bool is_sized(const struct field *field)
{
    return field->array || field->type == TYPE_STRING || field->type == TYPE_BYTES || field->type == TYPE_RECORDS;
}

static bool may_be_null(const struct field *field)
{
    return field->nullable_from <= field->versions.to;
}

/* A tagged structure, or one that may be null, says by a flag of its own whether it is there. */
static bool has_flag(const struct field *field)
{
    return field->type == TYPE_STRUCTURE && !field->array && (field->tag != NO_TAG || may_be_null(field));
}

static void c_type(const struct field *field, char *text)
{
    if (field->type == TYPE_STRUCTURE) snprintf(text, EXPRESSION_SIZE, "struct %s", field->structure->name);
    else snprintf(text, EXPRESSION_SIZE, "%s", type_rows[field->type].c);
}

/* --- The least bytes on the wire: what holds an array's claimed length against the bytes that are left -------- */

static int value_size_min(const struct field *field, int version, bool flexible);

static int structure_size_min(const struct structure *structure, int version)
{
    const bool flexible = version >= structure->message->flexible;
    int size = flexible ? TAGS_SIZE : 0;

    for (const struct field *field = structure->fields; field != NULL; field = field->next) {
        if (field->tag != NO_TAG || version < field->versions.from || version > field->versions.to) continue;
        if (field->array) size += flexible ? ARRAY_SIZE_FLEXIBLE : ARRAY_SIZE;
        else size += has_flag(field) ? FLAG_SIZE : value_size_min(field, version, flexible);
    }
    return size;
}

static int value_size_min(const struct field *field, int version, bool flexible)
{
    if (field->type == TYPE_STRUCTURE) return structure_size_min(field->structure, version);
    return flexible ? type_rows[field->type].size_flexible : type_rows[field->type].size;
}

static int element_size_min(const struct field *field)
{
    int least = 0;

    for (int version = field->versions.from; version <= field->versions.to; version++) {
        const int size = value_size_min(field, version, version >= field->around->message->flexible);
        if (size == 0) {
            fprintf(stderr, "%s:%d: an element of %s has no bytes in version %d\n", field->file, field->line,
                    field->name, version);
            exit(1);
        }
        if (least == 0 || size < least) least = size;
    }
    return least;
}

/* --- Version conditions as C expressions ----------------------------------------------------------------------- */

/* "true", "false" or "version >= N", for `from` within the versions in which the question can be asked. */
static void since(int from, struct range asked, char *text)
{
    if (from <= asked.from) strcpy(text, "true");
    else if (from > asked.to) strcpy(text, "false");
    else snprintf(text, EXPRESSION_SIZE, "version >= %d", from);
}

static bool is_constant(const char *condition)
{
    return strncmp(condition, "version", 7) != 0;
}

/* The condition under which a field is there, "true" if always. */
static void presence(const struct field *field, const struct structure *around, char *text)
{
    const bool from = field->versions.from > around->versions.from, to = field->versions.to < around->versions.to;

    if (from && to && field->versions.from == field->versions.to) {
        snprintf(text, EXPRESSION_SIZE, "version == %d", field->versions.from);
    } else if (from && to) {
        snprintf(text, EXPRESSION_SIZE, "version >= %d && version <= %d", field->versions.from, field->versions.to);
    } else if (to) {
        snprintf(text, EXPRESSION_SIZE, "version <= %d", field->versions.to);
    } else {
        since(field->versions.from, around->versions, text);
    }
}

static bool needs_arena(const struct structure *structure)
{
    for (const struct field *field = structure->fields; field != NULL; field = field->next) {
        if (field->array || (field->type == TYPE_STRUCTURE && needs_arena(field->structure))) return true;
    }
    return false;
}

static bool needs_version(const struct structure *structure)
{
    char text[EXPRESSION_SIZE];

    since(structure->message->flexible, structure->versions, text);
    if (!is_constant(text)) return true;
    for (const struct field *field = structure->fields; field != NULL; field = field->next) {
        presence(field, structure, text);
        if (!is_constant(text)) return true;
        since(field->nullable_from, field->versions, text);
        if (!is_constant(text)) return true;
        if (field->type == TYPE_STRUCTURE && needs_version(field->structure)) return true;
    }
    return false;
}

/* A nested structure's reader and writer take only what they need; a message's own take everything. */
static bool is_root(const struct structure *structure)
{
    return structure == structure->message->root;
}

/* --- Declarations ----------------------------------------------------------------------------------------------- */

static void emit_structure(const struct structure *structure)
{
    emit("struct %s {\n", structure->name);
    for (const struct field *field = structure->fields; field != NULL; field = field->next) {
        char type[EXPRESSION_SIZE];
        c_type(field, type);
        if (has_flag(field)) emit("    bool has_%s;\n", field->name);
        const bool constant = field->array && field->type != TYPE_STRUCTURE;
        emit("    %s%s %s%s;", constant ? "const " : "", type, field->array ? "*" : "", field->name);
        if (may_be_null(field) && !has_flag(field)) emit(" /* may be null */");
        emit("\n");
        if (field->array) emit("    uint32_t %s_count;\n", field->name);
    }
    emit("};\nextern const struct %s %s_default;\n\n", structure->name, structure->name);
}

static void emit_message(const struct message *message)
{
    const char *name = message->name;

    emit("/* --- %s, versions %d to %d --- */\n\n", name, message->versions.from, message->versions.to);
    for (const struct structure *s = message->structures; s != NULL; s = s->next) emit_structure(s);
    emit("bool %s_read(struct reader *reader, int16_t version, struct arena *arena, struct %s *out);\n", name, name);
    emit("void %s_write(struct writer *writer, int16_t version, const struct %s *in);\n\n", name, name);
}

/* `enum api_key { API_PRODUCE = 0, ... }` and `EACH_API(X)`; the same for records. */
static void emit_list(enum kind kind, const char *upper, const char *enumeration)
{
    int count = 0;

    for (int i = 0; i < message_count; i++) count += messages[i].kind == kind;
    if (count == 0) return;
    emit("enum %s {\n", enumeration);
    for (int i = 0; i < message_count; i++) {
        if (messages[i].kind != kind) continue;
        emit("    %s_", upper);
        emit_upper(messages[i].base);
        emit(" = %d,\n", messages[i].key);
    }
    emit("};\n\nenum { %s_COUNT = %d };\n\n", upper, count);
    emit("/* X(name, number, first version, last version) */\n#define EACH_%s(X)", upper);
    for (int i = 0; i < message_count; i++) {
        if (messages[i].kind != kind) continue;
        const struct message *m = &messages[i];
        emit(" \\\n    X(%s, %d, %d, %d)", m->base, m->key, m->versions.from, m->versions.to);
    }
    emit("\n\n");
}

static void emit_header(void)
{
    emit("/* messages.h -- generated from core/codec/schema; change it there.\n"
         " *\n"
         " * Every message and every structure in it is a plain struct. What it refers to is not its own: read, "
         "strings\n"
         " * and records lie in the bytes that were read, arrays in the arena.\n"
         " *\n"
         " * x_default is x before anything is known; start from it what is to be written, because zero is not the\n"
         " * default of every field. Null, empty and what an absent field reads as: reader.h and schema.h.\n"
         " *\n"
         " * x_read says whether the message was right; only then may *out be looked at. It leaves what comes after "
         "the\n"
         " * message to the reader: reader_left. A version that is not ours fails, too.\n"
         " * x_write needs a version of ours; whether all of it fitted is writer_ok's to say. */\n"
         "#ifndef CHRONIK_CODEC_MESSAGES_H\n#define CHRONIK_CODEC_MESSAGES_H\n\n"
         "#include \"base/arena.h\"\n#include \"base/bytes.h\"\n#include \"base/uuid.h\"\n"
         "#include \"codec/reader.h\"\n#include \"codec/writer.h\"\n\n");
    emit_list(KIND_REQUEST, "API", "api_key");
    emit_list(KIND_RECORD, "RECORD", "record_id");
    for (int i = 0; i < message_count; i++) emit_message(&messages[i]);
    emit("#endif\n");
}

/* --- Defaults --------------------------------------------------------------------------------------------------- */

static const char *default_value(const struct field *field)
{
    if (field->array) return "NULL";
    if (strcmp(field->value, "-2147483648") == 0) return "INT32_MIN"; /* not a literal of that type in C */
    return field->value[0] != '\0' ? field->value : type_rows[field->type].zero;
}

static void emit_initializer(const struct structure *structure)
{
    emit("{ ");
    for (const struct field *field = structure->fields; field != NULL; field = field->next) {
        emit(".%s = ", field->name);
        if (field->type == TYPE_STRUCTURE && !field->array) emit_initializer(field->structure);
        else emit("%s", default_value(field));
        emit(field->next != NULL ? ", " : " }");
    }
}

/* What a reader says of a field that is not in this version. */
static void emit_absent(const struct field *field, const char *indent)
{
    if (has_flag(field)) emit("%sout->has_%s = false;\n", indent, field->name);
    if (field->array) {
        emit("%sout->%s = NULL;\n%sout->%s_count = 0;\n", indent, field->name, indent, field->name);
    } else if (field->type == TYPE_STRUCTURE) {
        emit("%sout->%s = %s_default;\n", indent, field->name, field->structure->name);
    } else {
        char type[EXPRESSION_SIZE] = "";
        if (type_rows[field->type].zero[0] == '{') snprintf(type, sizeof type, "(%s)", type_rows[field->type].c);
        emit("%sout->%s = %s%s;\n", indent, field->name, type, default_value(field));
    }
}

/* --- Readers ---------------------------------------------------------------------------------------------------- */

static void emit_read_call(const struct field *field, const char *reader, const char *target)
{
    const struct structure *inner = field->structure;

    emit("%s_read(%s%s%s, %s)", inner->name, reader, needs_version(inner) ? ", version" : "",
         needs_arena(inner) ? ", arena" : "", target);
}

/* The expression that reads one value which is not a structure. */
static void emit_read_value(const struct field *field, const char *reader, const char *flexible, bool element)
{
    char null[EXPRESSION_SIZE];

    emit("reader_%s(%s", type_rows[field->type].reader, reader);
    if (type_rows[field->type].size_flexible != type_rows[field->type].size) {
        since(element ? NEVER : field->nullable_from, field->versions, null);
        emit(", %s, %s", flexible, null);
    }
    emit(")");
}

static void emit_read_array(const struct field *field, const char *reader, const char *flexible, const char *indent)
{
    char type[EXPRESSION_SIZE], null[EXPRESSION_SIZE];
    const char *name = field->name;

    c_type(field, type);
    since(field->nullable_from, field->versions, null);
    emit("%s{\n%s    %s *elements = reader_array(%s, arena, %s, %s, %d, sizeof *elements, &out->%s_count);\n", indent,
         indent, type, reader, flexible, null, element_size_min(field), name);
    emit("%s    for (uint32_t i = 0; i < out->%s_count && reader_ok(%s); i++) ", indent, name, reader);
    if (field->type == TYPE_STRUCTURE) {
        emit_read_call(field, reader, "&elements[i]");
    } else {
        emit("elements[i] = ");
        emit_read_value(field, reader, flexible, true);
    }
    emit(";\n%s    out->%s = elements;\n%s}\n", indent, name, indent);
}

static void emit_read_present(const struct field *field, const char *reader, const char *flexible, const char *indent)
{
    char target[EXPRESSION_SIZE];

    snprintf(target, sizeof target, "&out->%s", field->name);
    if (field->array) {
        emit_read_array(field, reader, flexible, indent);
    } else if (field->type != TYPE_STRUCTURE) {
        emit("%sout->%s = ", indent, field->name);
        emit_read_value(field, reader, flexible, false);
        emit(";\n");
    } else if (field->tag == NO_TAG && has_flag(field)) {
        emit("%sout->%s = %s_default;\n", indent, field->name, field->structure->name);
        emit("%sout->has_%s = reader_int8(%s) >= 0;\n", indent, field->name, reader);
        emit("%sif (out->has_%s) ", indent, field->name);
        emit_read_call(field, reader, target);
        emit(";\n");
    } else {
        if (has_flag(field)) emit("%sout->has_%s = true;\n", indent, field->name);
        emit("%s", indent);
        emit_read_call(field, reader, target);
        emit(";\n");
    }
}

static void emit_read_field(const struct field *field, const struct structure *around, const char *flexible)
{
    char present[EXPRESSION_SIZE];

    presence(field, around, present);
    if (is_constant(present)) {
        emit_read_present(field, "reader", flexible, "    ");
        return;
    }
    emit("    if (%s) {\n", present);
    emit_read_present(field, "reader", flexible, "        ");
    emit("    } else {\n");
    emit_absent(field, "        ");
    emit("    }\n");
}

static void emit_read_tags(const struct structure *structure, const char *flexible)
{
    bool any = false;
    const char *indent = is_constant(flexible) ? "    " : "        ";
    char inner[32], present[EXPRESSION_SIZE];

    for (const struct field *field = structure->fields; field != NULL; field = field->next) {
        if (field->tag == NO_TAG) continue;
        any = true;
        emit_absent(field, "    ");
    }
    if (strcmp(flexible, "false") == 0) return;
    if (!any) {
        if (!is_constant(flexible)) emit("    if (%s) ", flexible);
        else emit("    ");
        emit("reader_skip_tags(reader);\n");
        return;
    }
    if (!is_constant(flexible)) emit("    if (%s) {\n", flexible);
    emit("%sstruct tags tags = reader_tags(reader);\n%sstruct reader value;\n", indent, indent);
    emit("%sfor (int32_t tag = reader_tag(reader, &tags, &value); tag >= 0; tag = reader_tag(reader, &tags, &value)) "
         "{\n",
         indent);
    snprintf(inner, sizeof inner, "%s        ", indent);
    any = false;
    for (const struct field *field = structure->fields; field != NULL; field = field->next) {
        if (field->tag == NO_TAG) continue;
        presence(field, structure, present);
        emit("%s    %sif (tag == %d", indent, any ? "} else " : "", field->tag);
        if (is_constant(present) || strcmp(present, flexible) == 0) emit(") {\n");
        else emit(" && %s) {\n", present);
        any = true;
        emit_read_present(field, "&value", "true", inner);
    }
    emit("%s    } else {\n%s        continue; /* of a newer peer */\n%s    }\n", indent, indent, indent);
    emit("%s    reader_join(reader, &value);\n%s}\n", indent, indent);
    if (!is_constant(flexible)) emit("    }\n");
}

static void emit_reader(const struct structure *structure)
{
    const struct range versions = structure->versions;
    const bool root = is_root(structure);
    char flexible[EXPRESSION_SIZE];

    since(structure->message->flexible, versions, flexible);
    emit("%s %s_read(struct reader *reader%s%s, struct %s *out)\n{\n", root ? "bool" : "static void", structure->name,
         root || needs_version(structure) ? ", int16_t version" : "",
         root || needs_arena(structure) ? ", struct arena *arena" : "", structure->name);
    if (root && !needs_arena(structure)) emit("    (void)arena;\n");
    if (root) {
        emit("    if (version < %d || version > %d) {\n        reader_fail(reader);\n        return false;\n    }\n",
             versions.from, versions.to);
    }
    for (const struct field *field = structure->fields; field != NULL; field = field->next) {
        if (field->tag == NO_TAG) emit_read_field(field, structure, flexible);
    }
    emit_read_tags(structure, flexible);
    if (root) emit("    return reader_ok(reader);\n");
    emit("}\n\n");
}

/* --- Writers ---------------------------------------------------------------------------------------------------- */

static void emit_write_value(const struct field *field, const char *writer, const char *flexible, const char *source,
                             bool element)
{
    char null[EXPRESSION_SIZE];

    if (field->type == TYPE_STRUCTURE) {
        emit("%s_write(%s%s, &%s);\n", field->structure->name, writer,
             needs_version(field->structure) ? ", version" : "", source);
        return;
    }
    emit("writer_%s(%s", type_rows[field->type].writer, writer);
    if (type_rows[field->type].size_flexible != type_rows[field->type].size) {
        since(element ? NEVER : field->nullable_from, field->versions, null);
        emit(", %s, %s", flexible, null);
    }
    emit(", %s%s);\n", field->type == TYPE_UUID ? "&" : "", source);
}

static void emit_write_present(const struct field *field, const char *writer, const char *flexible, const char *indent)
{
    char source[EXPRESSION_SIZE], null[EXPRESSION_SIZE];
    const char *name = field->name;

    snprintf(source, sizeof source, "in->%s%s", name, field->array ? "[i]" : "");
    if (field->array) {
        since(field->nullable_from, field->versions, null);
        emit("%swriter_array(%s, %s, %s, in->%s, in->%s_count);\n", indent, writer, flexible, null, name, name);
        emit("%sfor (uint32_t i = 0; i < in->%s_count; i++) ", indent, name);
    } else if (field->tag == NO_TAG && has_flag(field)) {
        emit("%swriter_int8(%s, in->has_%s ? 1 : -1);\n", indent, writer, name);
        emit("%sif (in->has_%s) ", indent, name);
    } else {
        emit("%s", indent);
    }
    emit_write_value(field, writer, flexible, source, field->array);
}

/* Whether a tagged field differs from its default: otherwise it is not sent. */
static void emit_tag_condition(const struct field *field, const struct structure *around, const char *flexible)
{
    char present[EXPRESSION_SIZE];
    const char *name = field->name;

    presence(field, around, present);
    if (!is_constant(present) && strcmp(present, flexible) != 0) emit("%s && ", present);
    if (has_flag(field)) emit("in->has_%s", name);
    else if (field->array) emit(may_be_null(field) ? "in->%s != NULL" : "in->%s_count > 0", name);
    else if (is_sized(field)) emit(may_be_null(field) ? "in->%s.data != NULL" : "in->%s.size > 0", name);
    else if (field->type == TYPE_UUID) emit("!uuid_is_zero(&in->%s)", name);
    else emit("in->%s != %s", name, default_value(field));
}

static void emit_write_tags(const struct structure *structure, const char *flexible)
{
    const char *indent = is_constant(flexible) ? "    " : "        ";
    char inner[32];
    bool any = false;

    if (strcmp(flexible, "false") == 0) return;
    for (const struct field *field = structure->fields; field != NULL; field = field->next) any |= field->tag != NO_TAG;
    if (!any) {
        if (!is_constant(flexible)) emit("    if (%s) ", flexible);
        else emit("    ");
        emit("writer_uvarint(writer, 0);\n");
        return;
    }
    if (!is_constant(flexible)) emit("    if (%s) {\n", flexible);
    snprintf(inner, sizeof inner, "%s    ", indent);
    for (const struct field *field = structure->fields; field != NULL; field = field->next) {
        if (field->tag == NO_TAG) continue;
        emit("%sconst bool with_%s = ", indent, field->name);
        emit_tag_condition(field, structure, flexible);
        emit(";\n");
    }
    emit("%suint32_t tags = 0;\n", indent);
    for (const struct field *field = structure->fields; field != NULL; field = field->next) {
        if (field->tag != NO_TAG) emit("%stags += with_%s;\n", indent, field->name);
    }
    emit("%swriter_uvarint(writer, tags);\n", indent);
    for (const struct field *field = structure->fields; field != NULL; field = field->next) {
        if (field->tag == NO_TAG) continue;
        emit("%sif (with_%s) {\n%s    struct writer measured = writer_measuring();\n", indent, field->name, indent);
        emit_write_present(field, "&measured", "true", inner);
        emit("%s    writer_tag(writer, %d, &measured);\n", indent, field->tag);
        emit_write_present(field, "writer", "true", inner);
        emit("%s}\n", indent);
    }
    if (!is_constant(flexible)) emit("    }\n");
}

static void emit_writer(const struct structure *structure)
{
    const bool root = is_root(structure);
    char flexible[EXPRESSION_SIZE], present[EXPRESSION_SIZE];

    since(structure->message->flexible, structure->versions, flexible);
    emit("%s %s_write(struct writer *writer%s, const struct %s *in)\n{\n", root ? "void" : "static void",
         structure->name, root || needs_version(structure) ? ", int16_t version" : "", structure->name);
    if (root) emit("    CHECK(version >= %d && version <= %d);\n", structure->versions.from, structure->versions.to);
    for (const struct field *field = structure->fields; field != NULL; field = field->next) {
        if (field->tag != NO_TAG) continue;
        presence(field, structure, present);
        if (!is_constant(present)) emit("    if (%s) {\n", present);
        emit_write_present(field, "writer", flexible, is_constant(present) ? "    " : "        ");
        if (!is_constant(present)) emit("    }\n");
    }
    emit_write_tags(structure, flexible);
    emit("}\n\n");
}

/* --- The two files ---------------------------------------------------------------------------------------------- */

static void emit_api_table(void)
{
    emit("const struct api api_table[API_COUNT] = {\n");
    for (int i = 0; i < message_count; i++) {
        const struct message *m = &messages[i];
        if (m->kind != KIND_REQUEST) continue;
        const bool advertised = m->advertised.from != NEVER;
        emit("    { .key = %d, .name = \"%s\", .served_min = %d, .served_max = %d, .advertised = %s,\n", m->key,
             m->base, m->versions.from, m->versions.to, advertised ? "true" : "false");
        emit("      .advertised_min = %d, .advertised_max = %d, .flexible_min = ", advertised ? m->advertised.from : 0,
             advertised ? m->advertised.to : 0);
        if (m->flexible == NEVER) emit("INT16_MAX },\n");
        else emit("%d },\n", m->flexible);
    }
    emit("};\n");
}

static void emit_source(void)
{
    emit("/* messages.c -- generated from core/codec/schema; change it there. */\n"
         "#include \"codec/messages.h\"\n\n#include \"base/check.h\"\n#include \"codec/api.h\"\n\n");
    for (int i = 0; i < message_count; i++) {
        for (const struct structure *s = messages[i].structures; s != NULL; s = s->next) {
            emit("const struct %s %s_default = ", s->name, s->name);
            emit_initializer(s);
            emit(";\n\n");
            emit_reader(s);
            emit_writer(s);
        }
    }
    emit_api_table();
}

static void write_file(const char *directory, const char *name, void (*emit_all)(void))
{
    char path[4096];

    snprintf(path, sizeof path, "%s/codec/%s", directory, name);
    output = fopen(path, "w");
    if (output == NULL) {
        perror(path);
        exit(1);
    }
    emit_all();
    if (ferror(output) != 0 || fclose(output) != 0) {
        perror(path);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    char path[4096];

    if (argc < 3) {
        fprintf(stderr, "usage: generate OUT_DIR FILES...\n");
        return 2;
    }
    for (int i = 2; i < argc; i++) schema_read(argv[i]);
    schema_finish();
    mkdir(argv[1], 0777); /* either may exist; if not both do, opening the files fails and says so */
    snprintf(path, sizeof path, "%s/codec", argv[1]);
    mkdir(path, 0777);
    write_file(argv[1], "messages.h", emit_header);
    write_file(argv[1], "messages.c", emit_source);
    return 0;
}
