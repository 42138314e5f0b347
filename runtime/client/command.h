/* command.h -- `chronik-server topic ...` and `group ...`: what can be typed, and what of it was.
 *
 * One table says which commands there are, what each takes and what it is for; what is typed, help, the man page and
 * the completions of shells all come from it. */
#ifndef CHRONIK_RUNTIME_CLIENT_COMMAND_H
#define CHRONIK_RUNTIME_CLIENT_COMMAND_H

#include "runtime/client/client.h"

#include <jansson.h>

enum { COMMAND_LIST_MAX = 64 };

enum flag_kind { FLAG_SWITCH, FLAG_TEXT, FLAG_NUMBER, FLAG_LIST };

struct flag {
    char letter; /* in the commands' lists */
    const char *name;
    const char *value; /* as help shows it; NULL: a switch */
    enum flag_kind kind;
    size_t place; /* in struct typed */
    const char *help;
};
const struct flag *flag_of_letter(char letter);

enum command_code { COMMAND_DONE, COMMAND_FAILED, COMMAND_USAGE };

struct command_list {
    const char *texts[COMMAND_LIST_MAX];
    uint32_t count;
};

/* NULL, an empty list, INT64_MIN: it was not typed. */
struct typed {
    const struct command *command;
    struct command_list names; /* behind the command's words */
    const char *bootstrap;
    struct command_list configs, unset, headers;
    int64_t partitions, replication_factor, partition, count, timeout_ms;
    const char *acks, *compression, *key_separator, *null, *from, *topic, *to;
    bool json, follow, keys, internal, validate_only, if_absent, if_exists, execute, all_topics, no_idempotence;
};

extern const struct command {
    const char *noun, *verb;
    const char *operands; /* as help shows them */
    uint32_t names_min, names_max;
    const char *help;
    const char *flags; /* of those in the table, by their letters */
    enum command_code (*run)(const struct typed *typed, struct client *client);
} commands[];
extern const uint32_t commands_count;

#define NOT_TYPED INT64_MIN

/* "chronik-server topic create: " and the rest, on stderr. */
__attribute__((format(printf, 2, 3))) enum command_code command_fail(const struct typed *typed, const char *format,
                                                                     ...);

/* A refusal in a broker's words: for one of the things that were named. */
void command_refused(const struct typed *typed, struct bytes name, int16_t error, struct bytes message);

/* Prints rows as a table, or as JSON if that was asked for, and takes them back. */
void command_print_rows(const struct typed *typed, json_t *rows);

/* Text as JSON; bytes that are no UTF-8 as base64 behind "base64:". Null is null. */
json_t *command_json(struct bytes bytes);

struct bytes command_bytes(const char *text);

enum command_code topic_create(const struct typed *typed, struct client *client);
enum command_code topic_list(const struct typed *typed, struct client *client);
enum command_code topic_describe(const struct typed *typed, struct client *client);
enum command_code topic_delete(const struct typed *typed, struct client *client);
enum command_code topic_alter(const struct typed *typed, struct client *client);
enum command_code topic_produce(const struct typed *typed, struct client *client);
enum command_code topic_consume(const struct typed *typed, struct client *client);
enum command_code group_list(const struct typed *typed, struct client *client);
enum command_code group_describe(const struct typed *typed, struct client *client);
enum command_code group_lag(const struct typed *typed, struct client *client);
enum command_code group_reset(const struct typed *typed, struct client *client);
enum command_code group_delete(const struct typed *typed, struct client *client);

#endif
