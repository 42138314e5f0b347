/* schema.h -- what our message descriptions say, once read and found consistent.
 *
 * A build tool, not part of the core: it has a C library, and exits at the first mistake with file and line.
 *
 * The language, by example:
 *
 *     api produce key=0 served=3-11 advertised=0-11 flexible=9      # or advertised=no, flexible=no
 *     request
 *         transactional_id     string?                     # `?`: may be null; `?1`: may be null from version 1 on
 *         acks                 int16
 *         topics               []topic                     # an array of structures, whose fields follow, indented
 *             name             string      0-12            # only in versions 0 to 12; `5` is 5 alone, `5+` and later
 *             throttle_time_ms int32       1+ = -1         # what readers say where the version has none (else zero)
 *             current_leader   leader      10+ tag=0       # a tagged field
 *                 leader_id    int32
 *     response
 *         ...
 *
 *     record topic id=2 versions=0-1 flexible=0             # a format of our own, with the same fields
 *         name                 string
 *
 * Types: bool int8 int16 uint16 int32 uint32 int64 uuid string bytes records, `[]type`, or a name of one's own: a
 * structure, described by the lines indented below it. Indentation is four spaces. `#` starts a comment. Versions of
 * a nested field are within those of the field that holds it. */
#ifndef CHRONIK_SCHEMA_H
#define CHRONIK_SCHEMA_H

#include <stdbool.h>

enum { NAME_MAX_SIZE = 96, FIELDS_MAX = 4096, STRUCTURES_MAX = 1024, MESSAGES_MAX = 256, DEPTH_MAX = 8 };
enum { NEVER = 0x7fff, NO_TAG = -1 };

enum type {
    TYPE_BOOL,
    TYPE_INT8,
    TYPE_INT16,
    TYPE_UINT16,
    TYPE_INT32,
    TYPE_UINT32,
    TYPE_INT64,
    TYPE_UUID,
    TYPE_STRING,
    TYPE_BYTES,
    TYPE_RECORDS,
    TYPE_STRUCTURE,
};

struct range {
    int from, to; /* inclusive; to == NEVER is open */
};

struct field {
    const char *file;
    int line;
    char name[NAME_MAX_SIZE];
    enum type type;
    bool array;
    struct structure *structure; /* of TYPE_STRUCTURE */
    const struct structure *around;
    struct range versions;     /* clamped to those of the structure around it */
    int nullable_from;         /* NEVER: null is refused */
    int tag;                   /* NO_TAG: an ordinary field */
    char value[NAME_MAX_SIZE]; /* the default as written, "" if none was */
    struct field *next;
};

enum kind { KIND_REQUEST, KIND_RESPONSE, KIND_RECORD };

struct structure {
    char name[NAME_MAX_SIZE]; /* in C: produce_request_topic */
    enum kind kind;           /* its message, by number; `message` is set by schema_finish */
    int key;
    const struct message *message;
    struct range versions; /* in which it can occur */
    struct field *fields;
    struct structure *next; /* of the same message, inner before outer */
};

struct message {
    const char *file;
    int line;
    enum kind kind;
    char base[NAME_MAX_SIZE]; /* produce */
    char name[NAME_MAX_SIZE]; /* produce_request */
    int key;                  /* the api key or the record's id */
    struct range versions;    /* what we read and write */
    struct range advertised;  /* of an api; from == NEVER: not at all */
    int flexible;             /* first flexible version, or NEVER */
    struct structure *root;
    struct structure *structures; /* inner before outer, so root is the last */
};

/* Requests, responses and records, by (kind, key). */
extern struct message messages[MESSAGES_MAX];
extern int message_count;

/* Reads one file; afterwards schema_finish checks what needs all of them. Both exit on a mistake. */
void schema_read(const char *path);
void schema_finish(void);

#endif
