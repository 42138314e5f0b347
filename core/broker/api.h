/* api.h -- what an API file is: one function from a request to its answer.
 *
 *     enum call_verdict list_offsets_handle(struct call *call);
 *
 * reads call->body with the codec, asks and orders through the rooms in the call, and writes the answer's body to
 * call->out. It is a case in apis.c that makes it known. It keeps nothing between calls: a request that has to wait is
 * handled again from its frame, when what it waits for came true or its deadline passed. Whoever must know on the
 * second call what happened on the first has call->kept.
 *
 *   Read-only.     Answer from what is there, and return CALL_ANSWERED. If the answer finds no memory it is thrown
 *                  away, and the call made again later.
 *   Metadata.      What changes it is decided on the leader, and answered here when it is applied here: see call_wish.
 *   A change.      Of this node's own logs: call_reserve first, so that the answer has its memory whatever happens.
 *                  Change, write the answer, and return CALL_HELD: it goes out when call->wait comes true. If the time
 *                  is over first, the handler is called again with timed_out set, and its answer replaces the first.
 *   Not yet.       return call_wait_wish (or the like) with nothing written; the handler is called again.
 *
 * What the call lends (body, client_id, arena) is gone when the handler returns. */
#ifndef CHRONIK_BROKER_API_H
#define CHRONIK_BROKER_API_H

#include "base/arena.h"
#include "base/effect.h"
#include "codec/errors.h"
#include "codec/writer.h"

struct broker;
struct logs;
struct controller;
struct image;
struct replicas;
struct groups;

enum call_verdict {
    CALL_ANSWERED,  /* the answer is written */
    CALL_HELD,      /* it is written, and goes out when call->wait comes true */
    CALL_WAITS,     /* nothing is written; call again when call->wait comes true, or at its deadline */
    CALL_PRODUCED,  /* Produce's: it is written, and goes out when what call->produced names is reached */
    CALL_SILENT,    /* there is no answer (acks=0) */
    CALL_MALFORMED, /* the body is not what its version says: the link is closed, with a note and a counter */
    CALL_CLOSE,     /* the link is closed without an answer: the only way to tell a client of acks=0 */
};

enum wait_for {
    WAIT_TIME,      /* for the deadline alone */
    WAIT_WISH,      /* the wish `value` is done */
    WAIT_WISH_ROOM, /* controller_has_room */
    WAIT_DURABLE,   /* logs_is_durable(`value`) */
    WAIT_START,     /* replicas_start_is_held of the log `value`, perhaps */
    WAIT_READ,      /* logs_next_ready named call->waiter */
    WAIT_APPEND,    /* logs_has_room */
    WAIT_ANSWER,    /* memory for answers */
    WAIT_FETCH,     /* Fetch's: its logs have `value` bytes for it */
    WAIT_GROUP,     /* groups_next_ready named call->waiter */
};

struct wait {
    enum wait_for what;
    uint64_t value;
    uint64_t deadline_ns; /* UINT64_MAX: none */
};

enum {
    KEPT_WORDS = 4,
    ANSWER_SIZE_MAX = 32 << 20, /* encoded bytes of one answer; records that it refers to come on top */
};

struct produced;

struct call {
    /* the request */
    uint32_t link;
    int16_t api_key;
    int16_t version;
    struct bytes client_id; /* null if the client has none */
    struct bytes peer;      /* "host:port" */
    struct bytes body;
    uint64_t begun_ns;  /* when it was first handled */
    bool timed_out;     /* this is a repetition, because the deadline has passed */
    bool resumed;       /* this is a repetition */
    bool decides;       /* this is a wish, on the leader: what is written is what its origin will answer */
    enum error refusal; /* what all that is asked for is answered with; ERROR_NONE: it is to be judged */
    uint64_t *kept;     /* [KEPT_WORDS], zero at first; stays over CALL_WAITS and CALL_HELD */
    uint64_t *wish;     /* call_wish's */

    /* what it may use */
    struct logs *logs;
    struct controller *controller;
    const struct image *image;
    const struct replicas *replicas;
    struct groups *groups;
    struct broker *broker; /* for files of this room */
    uint64_t mono_ns;
    int64_t wall_ms;
    uint64_t waiter;     /* this request's name for logs_read and logs_find_time */
    struct arena *arena; /* for decoding and encoding; empty when the call begins */
    struct effects *effects;

    /* the answer */
    struct writer *out;  /* behind the header: the body goes here */
    bool failed;         /* the answer carries an error code; for the counters */
    int32_t throttle_ms; /* the link is not listened to for so long: see call_throttle */
    struct wait wait;    /* with CALL_WAITS and CALL_HELD; of CALL_PRODUCED the deadline */
    const struct produced *produced;
    uint32_t produced_count;
};

/* Before anything is changed: memory for an answer of up to `size` bytes of body. False: return CALL_WAITS, with
 * call->wait as it was set here. */
bool call_reserve(struct call *call, uint32_t size);

/* The client has sent (or, of a Fetch, taken) so many bytes: how long it is to wait for that, which its answer says.
 * Once per request. */
int32_t call_throttle(struct call *call, uint64_t size);

/* What is left of the request's time, as a deadline: `timeout_ms` after it was first handled, at least now. */
uint64_t call_deadline_ns(const struct call *call, int32_t timeout_ms);

/* Whoever changes metadata calls this as soon as the request is read. True: we are the origin, and it is on its way;
 * return the verdict. False: go on. Decide, or answer all that is asked for with call->refusal, and return
 * CALL_ANSWERED; or, where something has to wait, CALL_WAITS with the index in call->wait.value. */
bool call_wish(struct call *call, int32_t timeout_ms, enum call_verdict *verdict);

/* The handler is called again when this wish is done; 0: when another one may be wished. */
enum call_verdict call_wait_wish(struct call *call, uint64_t wish, int32_t timeout_ms);

/* Hands a request to its API file. It is served in this version, or we would not have come here. */
enum call_verdict api_handle(struct call *call);

#endif
