/* toml.h -- reads TOML 1.0, all of it and nothing else, and says exactly where a text is wrong.
 *
 * Dates are checked and kept as text: no setting has one. What it does not know is what the keys mean. */
#ifndef CHRONIK_RUNTIME_TOML_H
#define CHRONIK_RUNTIME_TOML_H

#include "base/bytes.h"

enum {
    TOML_SIZE_MAX = 64 * 1024, /* of a text: a config file, not a database */
    TOML_DEPTH_MAX = 32,       /* arrays and inline tables in each other, and parts of a key */
};

enum toml_type {
    TOML_STRING,
    TOML_INTEGER,
    TOML_FLOAT,
    TOML_BOOLEAN,
    TOML_OFFSET_DATE_TIME,
    TOML_LOCAL_DATE_TIME,
    TOML_LOCAL_DATE,
    TOML_LOCAL_TIME,
    TOML_ARRAY,
    TOML_TABLE,
};

/* In words: "a string", "an integer". */
const char *toml_type_name(enum toml_type type);

struct toml_value {
    enum toml_type type;
    uint32_t line, column;   /* where its key stands, or it itself in an array; from 1, columns in characters */
    struct bytes key;        /* in a table */
    struct toml_value *next; /* in its table or array, in the order of the text */
    union {
        struct bytes string; /* also dates, as written */
        int64_t integer;
        double real;
        bool boolean;
        struct {
            struct toml_value *first, *last;
            bool is_frozen;   /* written out whole, as [...] or {...}: nothing is added */
            bool is_explicit; /* has had its header */
            uint32_t body;    /* the part of the text whose dotted keys named it; only there it may grow so */
        } members;            /* of an array or table */
    };
};

struct toml_error {
    uint32_t line, column;
    char message[160];
};

struct toml;

/* NULL, and the error filled in. */
struct toml *toml_parse(const char *text, size_t size, struct toml_error *error);
void toml_free(struct toml *toml);

/* The table that everything is in. It and all below it live until toml_free. */
const struct toml_value *toml_root(const struct toml *toml);

/* NULL if there is no such key. */
const struct toml_value *toml_member(const struct toml_value *table, struct bytes key);

#endif
