/* names.c -- which names may a topic have? Kafka's rules and words, and a few names that are ours. */
#include "controller/decide.h"

static const char *const reserved_names[] = { "__meta", "__journal", "__checkpoint", "__cluster_metadata" };
static const char *const internal_names[] = { "__consumer_offsets", "__transaction_state" };

static bool is_one_of(struct bytes name, const char *const *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (bytes_equal(name, text_of(names[i]))) return true;
    }
    return false;
}

bool topic_name_is_internal(struct bytes name)
{
    return is_one_of(name, internal_names, COUNT_OF(internal_names));
}

static bool is_legal(uint8_t letter)
{
    const uint8_t low = letter | 0x20;

    if (low >= 'a' && low <= 'z') return true;
    return (letter >= '0' && letter <= '9') || letter == '.' || letter == '_' || letter == '-';
}

static bool is_legal_throughout(struct bytes name)
{
    for (uint32_t i = 0; i < name.size; i++) {
        if (!is_legal(name.data[i])) return false;
    }
    return true;
}

bool topic_name_is_valid(struct bytes name)
{
    struct text unsaid = text_in(NULL, 0);

    return decide_name(name, &unsaid) == ERROR_NONE;
}

enum error decide_name(struct bytes name, struct text *message)
{
    if (name.size == 0) {
        text_add(message, "Topic name is invalid: the empty string is not allowed");
    } else if (bytes_equal(name, BYTES_LITERAL(".")) || bytes_equal(name, BYTES_LITERAL(".."))) {
        text_add(message, "Topic name is invalid: '.' or '..' is not allowed");
    } else if (name.size > TOPIC_NAME_SIZE_MAX) {
        text_add(message, "Topic name is invalid: the length of '");
        text_add_bytes(message, (struct bytes){ name.data, TOPIC_NAME_SIZE_MAX });
        text_add(message, "...' is longer than the max allowed length 249");
    } else if (!is_legal_throughout(name)) {
        text_add(message, "Topic name is invalid: '");
        text_add_bytes(message, name);
        text_add(message, "' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'");
    } else if (is_one_of(name, reserved_names, COUNT_OF(reserved_names))) {
        text_add(message, "Topic name is invalid: '");
        text_add_bytes(message, name);
        text_add(message, "' is reserved");
    } else {
        return ERROR_NONE;
    }
    return ERROR_INVALID_TOPIC_EXCEPTION;
}
