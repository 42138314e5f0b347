#include "runtime/client/commands.h"

#include "codec/errors.h"
#include "runtime/client/command.h"
#include "runtime/table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const struct flag flags[] = {
    { 'b', "--bootstrap", "HOST:PORT,...", FLAG_TEXT, offsetof(struct typed, bootstrap),
      "brokers to begin with; else CHRONIK_BOOTSTRAP, else 127.0.0.1:9092" },
    { 'j', "--json", NULL, FLAG_SWITCH, offsetof(struct typed, json), "JSON instead of a table" },
    { 'p', "--partitions", "N", FLAG_NUMBER, offsetof(struct typed, partitions), "how many partitions it is to have" },
    { 'r', "--replication-factor", "N", FLAG_NUMBER, offsetof(struct typed, replication_factor),
      "how many copies of each partition" },
    { 'c', "--config", "KEY=VALUE", FLAG_LIST, offsetof(struct typed, configs),
      "a setting of the topic; may be repeated" },
    { 'u', "--unset", "KEY", FLAG_LIST, offsetof(struct typed, unset),
      "a setting goes back to its default; may be repeated" },
    { 'v', "--validate-only", NULL, FLAG_SWITCH, offsetof(struct typed, validate_only), "asks whether it would work" },
    { 'n', "--if-not-exists", NULL, FLAG_SWITCH, offsetof(struct typed, if_absent),
      "a topic that is there is no failure" },
    { 'e', "--if-exists", NULL, FLAG_SWITCH, offsetof(struct typed, if_exists), "one that is not there is no failure" },
    { 'i', "--internal", NULL, FLAG_SWITCH, offsetof(struct typed, internal), "internal topics too" },
    { 'P', "--partition", "N", FLAG_NUMBER, offsetof(struct typed, partition), "this partition only" },
    { 'a', "--acks", "0|1|all", FLAG_TEXT, offsetof(struct typed, acks),
      "who must have a record before it counts (all)" },
    { 'z', "--compression", "CODEC", FLAG_TEXT, offsetof(struct typed, compression),
      "none, gzip, snappy, lz4 or zstd (none)" },
    { 'k', "--key-separator", "TEXT", FLAG_TEXT, offsetof(struct typed, key_separator),
      "what stands before it in a line is the key" },
    { 'h', "--header", "KEY=VALUE", FLAG_LIST, offsetof(struct typed, headers),
      "a header for every record; may be repeated" },
    { '0', "--null", "TEXT", FLAG_TEXT, offsetof(struct typed, null), "a key or value of that text is null" },
    { 'I', "--no-idempotence", NULL, FLAG_SWITCH, offsetof(struct typed, no_idempotence),
      "a record that is sent again may be there twice" },
    { 't', "--timeout-ms", "MS", FLAG_NUMBER, offsetof(struct typed, timeout_ms),
      "for how long something that fails is tried again (30000)" },
    { 'f', "--from", "WHERE", FLAG_TEXT, offsetof(struct typed, from),
      "beginning, end, an offset, -N for the last N of each partition, @MS or @YYYY-MM-DD[THH:MM:SS] (UTC) "
      "(beginning)" },
    { 'w', "--follow", NULL, FLAG_SWITCH, offsetof(struct typed, follow), "waits for more at the end" },
    { 'x', "--count", "N", FLAG_NUMBER, offsetof(struct typed, count), "ends after so many records" },
    { 'T', "--topic", "NAME[:N]", FLAG_TEXT, offsetof(struct typed, topic), "this topic, or one partition of it" },
    { 'A', "--all-topics", NULL, FLAG_SWITCH, offsetof(struct typed, all_topics), "all that the group has offsets of" },
    { 'o', "--to", "WHERE", FLAG_TEXT, offsetof(struct typed, to),
      "beginning, end, an offset, -N for N before the end, @MS or @YYYY-MM-DD[THH:MM:SS] (UTC)" },
    { 'E', "--execute", NULL, FLAG_SWITCH, offsetof(struct typed, execute), "does it; else it is only shown" },
    { 'y', "--keys", NULL, FLAG_SWITCH, offsetof(struct typed, keys), "the key and a tab before each value" },
};

const struct command commands[] = {
    { "topic", "create", "NAME...", 1, COMMAND_LIST_MAX, "makes topics", "bjprcvn", topic_create },
    { "topic", "list", "", 0, 0, "which topics there are", "bji", topic_list },
    { "topic", "describe", "NAME...", 1, COMMAND_LIST_MAX, "leaders, replicas, offsets and settings", "bj",
      topic_describe },
    { "topic", "delete", "NAME...", 1, COMMAND_LIST_MAX, "deletes topics, with all they hold", "bje", topic_delete },
    { "topic", "alter", "NAME", 1, 1, "more partitions, other settings", "bjpcuv", topic_alter },
    { "topic", "produce", "NAME", 1, 1, "sends the lines of its input, a record each", "bjPazkh0It", topic_produce },
    { "topic", "consume", "NAME", 1, 1, "prints records", "bjPfwxyt", topic_consume },
    { "group", "list", "", 0, 0, "which groups there are", "bj", group_list },
    { "group", "describe", "NAME...", 1, COMMAND_LIST_MAX, "state, members and what each of them reads", "bjt",
      group_describe },
    { "group", "lag", "NAME", 1, 1, "how far each partition is read, and how much is left", "bjt", group_lag },
    { "group", "reset-offsets", "NAME", 1, 1, "a group without members goes on elsewhere", "bjTAoEt", group_reset },
    { "group", "delete", "NAME...", 1, COMMAND_LIST_MAX, "forgets groups without members, and their offsets", "bjt",
      group_delete },
};
const uint32_t commands_count = COUNT_OF(commands);

/* ---- what is printed ---- */

enum command_code command_fail(const struct typed *typed, const char *format, ...)
{
    va_list list;

    fprintf(stderr, "chronik-server %s %s: ", typed->command->noun, typed->command->verb);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
    return COMMAND_FAILED;
}

void command_refused(const struct typed *typed, struct bytes name, int16_t error, struct bytes message)
{
    command_fail(typed, "%.*s: %s%s%.*s", (int)name.size, (const char *)name.data, error_name(error),
                 message.size > 0 ? ": " : "", (int)message.size, (const char *)message.data);
}

void command_print_rows(const struct typed *typed, json_t *rows)
{
    if (typed->json) {
        json_dumpf(rows, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
        putchar('\n');
    } else if (json_array_size(rows) > 0) {
        table_print(rows);
    }
    json_decref(rows);
}

json_t *command_json(struct bytes bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    if (bytes.data == NULL) return json_null();
    json_t *text = json_stringn((const char *)bytes.data, bytes.size);
    if (text != NULL) return text;
    char *packed = malloc(bytes.size / 3 * 4 + 16);
    if (packed == NULL) return json_null();
    size_t size = (size_t)sprintf(packed, "base64:");
    for (uint32_t i = 0; i < bytes.size; i += 3) {
        const uint32_t left = MIN(bytes.size - i, 3U);
        const uint32_t group = (uint32_t)bytes.data[i] << 16 | (left > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0) |
                               (left > 2 ? bytes.data[i + 2] : 0u);
        for (uint32_t k = 0; k < 4; k++) packed[size++] = k <= left ? digits[group >> (18 - 6 * k) & 63] : '=';
    }
    text = json_stringn(packed, size);
    free(packed);
    return text;
}

struct bytes command_bytes(const char *text)
{
    return text == NULL ? (struct bytes){ NULL, 0 } : (struct bytes){ (const uint8_t *)text, (uint32_t)strlen(text) };
}

const struct flag *flag_of_letter(char letter)
{
    for (uint32_t i = 0; i < COUNT_OF(flags); i++) {
        if (flags[i].letter == letter) return &flags[i];
    }
    abort();
}

static void print_flags(const struct command *command)
{
    for (const char *letter = command->flags; *letter != 0; letter++) {
        const struct flag *flag = flag_of_letter(*letter);
        char words[64];
        snprintf(words, sizeof words, "%s%s%s", flag->name, flag->value != NULL ? " " : "",
                 flag->value != NULL ? flag->value : "");
        printf("  %-26s %s\n", words, flag->help);
    }
}

static void print_help(const char *noun, const char *verb)
{
    for (uint32_t i = 0; i < COUNT_OF(commands); i++) {
        const struct command *command = &commands[i];
        if (strcmp(command->noun, noun) != 0) continue;
        if (verb == NULL) {
            char words[64];
            snprintf(words, sizeof words, "%s %s", command->verb, command->operands);
            printf("  chronik-server %s %-24s %s\n", noun, words, command->help);
        } else if (strcmp(command->verb, verb) == 0) {
            printf("chronik-server %s %s %s\n\n%s.\n\n", noun, verb, command->operands, command->help);
            print_flags(command);
        }
    }
    if (verb == NULL)
        printf("\nEach says more with --help. Exit codes: 0 done, 1 refused or not reached, 2 not understood.\n");
}

/* ---- what was typed ---- */

bool commands_have(const char *noun)
{
    for (uint32_t i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(commands[i].noun, noun) == 0) return true;
    }
    return false;
}

static bool wrong(const struct typed *typed, const char *what, const char *word)
{
    command_fail(typed, "%s%s (--help says more)", what, word);
    return false;
}

static bool read_number(const struct typed *typed, const struct flag *flag, const char *text, int64_t *number)
{
    char *end;

    *number = strtoll(text, &end, 10);
    if (end == text || *end != 0 || *number < 0 || *number > INT32_MAX) {
        command_fail(typed, "%s: not a number: %s", flag->name, text);
        return false;
    }
    return true;
}

static bool add_to(const struct typed *typed, struct command_list *list, const char *text)
{
    if (list->count == COMMAND_LIST_MAX) return wrong(typed, "that is too much: ", text);
    list->texts[list->count++] = text;
    return true;
}

static bool read_flag(struct typed *typed, char *const **at)
{
    const char *word = *(*at)++;
    const char *equals = strchr(word, '=');
    const size_t size = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const struct flag *flag = NULL;

    for (const char *letter = typed->command->flags; *letter != 0 && flag == NULL; letter++) {
        const struct flag *one = flag_of_letter(*letter);
        if (strlen(one->name) == size && memcmp(one->name, word, size) == 0) flag = one;
    }
    if (flag == NULL) return wrong(typed, "there is no flag ", word);
    void *place = (uint8_t *)typed + flag->place;
    if (flag->kind == FLAG_SWITCH) {
        if (equals != NULL) return wrong(typed, "there is no value behind ", flag->name);
        *(bool *)place = true;
        return true;
    }
    const char *value = equals != NULL ? equals + 1 : *(*at);
    if (value == NULL) return wrong(typed, "a value is missing behind ", flag->name);
    if (equals == NULL) (*at)++;
    if (flag->kind == FLAG_NUMBER) return read_number(typed, flag, value, place);
    if (flag->kind == FLAG_LIST) return add_to(typed, place, value);
    *(const char **)place = value;
    return true;
}

static bool read_typed(struct typed *typed, char *const *at)
{
    bool only_names = false;

    while (*at != NULL) {
        if (!only_names && strcmp(*at, "--") == 0) {
            only_names = true;
            at++;
        } else if (!only_names && strncmp(*at, "--", 2) == 0) {
            if (!read_flag(typed, &at)) return false;
        } else {
            if (typed->names.count == typed->command->names_max) return wrong(typed, "there is no need of ", *at);
            if (!add_to(typed, &typed->names, *at++)) return false;
        }
    }
    if (typed->names.count < typed->command->names_min) return wrong(typed, "a name is missing", "");
    return true;
}

static const struct command *find(const char *noun, const char *verb)
{
    for (uint32_t i = 0; i < COUNT_OF(commands) && verb != NULL; i++) {
        if (strcmp(commands[i].noun, noun) == 0 && strcmp(commands[i].verb, verb) == 0) return &commands[i];
    }
    return NULL;
}

static bool asks_for_help(char *const *arguments)
{
    for (; *arguments != NULL && strcmp(*arguments, "--") != 0; arguments++) {
        if (strcmp(*arguments, "--help") == 0) return true;
    }
    return false;
}

int commands_run(char *const *arguments)
{
    const char *noun = arguments[0], *verb = arguments[1];
    const char *usual = getenv("CHRONIK_BOOTSTRAP");
    struct typed typed = { .command = find(noun, verb),
                           .bootstrap = usual != NULL && usual[0] != 0 ? usual : "127.0.0.1:9092",
                           .partitions = NOT_TYPED,
                           .replication_factor = NOT_TYPED,
                           .partition = NOT_TYPED,
                           .count = NOT_TYPED,
                           .timeout_ms = 30000 };
    struct client client;

    if (verb == NULL || strcmp(verb, "help") == 0 || strcmp(verb, "--help") == 0) {
        print_help(noun, NULL);
        return verb == NULL ? COMMAND_USAGE : COMMAND_DONE;
    }
    if (typed.command == NULL) {
        fprintf(stderr, "chronik-server %s: there is no command '%s'; 'chronik-server %s help' lists them\n", noun,
                verb, noun);
        return COMMAND_USAGE;
    }
    if (asks_for_help(arguments + 2)) {
        print_help(noun, verb);
        return COMMAND_DONE;
    }
    if (!read_typed(&typed, arguments + 2)) return COMMAND_USAGE;
    const char *mistake = client_init(&client, typed.bootstrap);
    if (mistake != NULL) {
        command_fail(&typed, "--bootstrap: %s", mistake);
        return COMMAND_USAGE;
    }
    const enum command_code code = typed.command->run(&typed, &client);
    client_free(&client);
    if (fflush(stdout) != 0 || ferror(stdout)) return COMMAND_FAILED;
    return code;
}
