/* contact.h -- one connection to a broker, for commands that are typed: sends a request, waits for its answer.
 *
 * Whoever made the broker, it says which versions it serves, and the newest that both know is spoken. One request is
 * under way at a time. */
#ifndef CHRONIK_RUNTIME_CLIENT_CONTACT_H
#define CHRONIK_RUNTIME_CLIENT_CONTACT_H

#include "codec/api.h"
#include "node.h"

enum {
    CONTACT_PATIENCE_S = 40,        /* longer than a broker may take for what it is asked here */
    CONTACT_ANSWER_MAX = 512 << 20, /* more than that is no answer */
    CONTACT_ERROR_SIZE = 400,
};

struct contact {
    int fd; /* -1: it is not open */
    struct address address;
    struct contact_version {
        int16_t min, max;     /* -1: not served */
    } versions[API_COUNT];    /* in the order of api_table */
    int16_t api_key, version; /* of the request under way */
    int32_t correlation_id;
    struct writer writer;
    uint8_t *out, *in;
    uint32_t in_size;
    struct arena arena;
    char *error; /* whose it is has CONTACT_ERROR_SIZE bytes there */
};

/* Not open; what goes wrong is said in `error`. */
void contact_init(struct contact *contact, char *error);

/* Connects and learns the versions. Open ones stay as they are. */
bool contact_open(struct contact *contact, const struct address *address);
void contact_close(struct contact *contact);

/* The newest version up to `most` that both know; -1: the broker does not serve it. */
int16_t contact_version(const struct contact *contact, int16_t api_key, int16_t most);

/* Begins a request in a version of contact_version; what is written into the writer until contact_ask is its body. */
struct writer *contact_begin(struct contact *contact, int16_t api_key, int16_t version);

/* Sends it and waits for the answer, whose body and arena stay until the next request. NULL: it failed, and the
 * connection is closed. */
struct reader *contact_ask(struct contact *contact);

/* Sends it; there will be no answer. */
bool contact_tell(struct contact *contact);

#endif
