/* session.h -- a client's connection: requests out, responses in, told apart by correlation id and kept in order.
 *
 * It speaks Kafka's bytes and nothing else: what a simulated client knows of the node, it knows from the wire. */
#ifndef CHRONIK_SIM_SESSION_H
#define CHRONIK_SIM_SESSION_H

#include "codec/api.h"
#include "codec/writer.h"
#include "sim/judge.h"
#include "sim/world.h"

enum { SESSION_PENDING_MAX = 64, SESSION_FRAME_MAX = 1 << 20, SESSION_ARENA_SIZE = 8 << 20 };

struct pending {
    int16_t api_key, version;
    int32_t correlation_id;
    uint64_t cookie; /* the client's own */
    struct asked asked;
};

struct session {
    uint32_t wire;    /* WIRE_NONE: not connected */
    uint32_t machine; /* whom it is, or was, connected to */
    uint32_t sitting; /* the client's own number for this connection */
    struct pending pending[SESSION_PENDING_MAX];
    uint32_t pending_first, pending_count;
    int32_t correlation_id;
    uint8_t *in; /* what came: [in_begin, in_end) is not dealt with */
    uint32_t in_begin, in_end, in_max;
};

/* A response as its client gets it; its bytes and its arena are lent until the next call for this session. */
struct response {
    int16_t api_key, version;
    uint64_t cookie;
    struct asked asked; /* when, and whom */
    struct reader body;
    struct arena *arena;
};

enum session_verdict {
    SESSION_RESPONSE, /* here is one; ask again */
    SESSION_EMPTY,
    SESSION_GARBLED, /* not what we asked for, or not a response: the node has broken the protocol */
};

void session_init(struct session *session);
void session_free(struct session *session);

/* What is sent before it is known whether anybody listens waits until then. */
void session_connect(struct session *session, struct world *world, uint32_t client, uint32_t machine,
                     enum listener listener);
void session_hang_up(struct session *session, struct world *world);

/* Between these two the body is written. `answered` false: acks=0. */
struct writer *session_begin(struct session *session, int16_t api_key, int16_t version);
void session_end(struct session *session, struct world *world, uint64_t cookie, bool answered);

void session_take(struct session *session, const uint8_t *data, uint32_t size);
enum session_verdict session_next(struct session *session, struct response *response);

#endif
