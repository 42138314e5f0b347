/* regex.h -- does a topic's name match a subscription's regular expression, in time that is linear in the name?
 *
 * The syntax is that of RE2, which KIP-848 names, as far as it can make a difference for names of topics: letters,
 * `.`, classes, \d \w \s \b and their opposites, [:alpha:] and the like, groups, `|`, `* + ? {n,m}` (and their lazy
 * forms, which match the same), ^ $ \A \z, \Q...\E, (?i). Unicode classes (\p) are not there. An expression has to
 * match the whole name, as in Kafka.
 *
 * It is compiled to the instructions of a machine that is in several states at a time (Thompson), so no expression
 * takes longer than its size times the name's. An expression that is wrong, or larger than the limits here, is said to
 * be so. */
#ifndef CHRONIK_GROUP_REGEX_H
#define CHRONIK_GROUP_REGEX_H

#include "base/bytes.h"

enum {
    REGEX_SIZE_MAX = 4096, /* bytes of an expression */
    REGEX_CODE_MAX = 4096, /* instructions */
    REGEX_CLASSES_MAX = 128,
    REGEX_DEPTH_MAX = 64,    /* of groups in groups */
    REGEX_REPEAT_MAX = 1000, /* as RE2 has it */
};

struct regex_class {
    uint64_t has[4]; /* a bit for each byte */
};

struct regex_instruction {
    uint8_t kind;
    uint8_t class_number;
    int16_t jumps[2]; /* relative to itself */
};

struct regex {
    uint32_t code_count;
    uint32_t class_count;
    struct regex_instruction code[REGEX_CODE_MAX];
    struct regex_class classes[REGEX_CLASSES_MAX];
};

/* False: no expression, or too large. */
bool regex_compile(struct regex *regex, struct bytes text);

/* Whether it matches all of the text. */
bool regex_matches(const struct regex *regex, struct bytes text);

#endif
