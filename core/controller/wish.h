/* wish.h -- what is a wish, and which bytes are it between nodes?
 *
 * A *wish* is a change of metadata that some node, its *origin*, asks for: a client's request, or the node's own. The
 * leader of the metadata log decides it, whoever that is by then. It is known by origin, incarnation and sequence, and
 * applied at most once however often it is asked (meta/wish_window.h).
 *
 * A *term* says to whose leader it is addressed, an *attempt* which of its askings this is. The origin heeds only the
 * answer to its last one, and a leader only what is addressed to its own term. So a refusal that was told is final: no
 * earlier asking of that wish is still on its way to somebody who would grant it. docs/peer.md has the bytes. */
#ifndef CHRONIK_CONTROLLER_WISH_H
#define CHRONIK_CONTROLLER_WISH_H

#include "base/bytes.h"
#include "base/uuid.h"

/* Below WISH_INNER: the key of a Kafka API; the body is a request of that version, decided by the broker room. From
 * there on: what a node itself wishes; the body is a record of codec/schema/wishes.schema. */
enum wish_kind {
    WISH_INNER = 128,
    WISH_REGISTER = 128,
    WISH_PRODUCER_IDS = 129,
    WISH_AUTO_CREATE = 130,
    WISH_ISR = 131,
};

struct wish {
    int32_t broker_id; /* its origin; between nodes the connection says it */
    struct uuid incarnation;
    uint64_t sequence;
    uint64_t first_open; /* the lowest that the origin had open when it asked */
    uint64_t term;
    uint32_t attempt;
    uint8_t kind;
    int16_t version; /* of the body */
    struct bytes body;
};

/* What became of a wish, as its origin sees it. The first five are said by a leader, in this order on the wire. */
enum wish_verdict {
    WISH_ANSWERED = 1,  /* nothing had to be changed, or it may not be; the answer says which */
    WISH_GRANTED = 2,   /* it was changed: by a leader without an answer, which is in the log; then with it */
    WISH_LATER = 3,     /* not by this node, or not now: ask again */
    WISH_MALFORMED = 4, /* the body is not what kind and version say */
    WISH_TOO_LARGE = 5, /* nothing can hold the answer */

    WISH_OPEN,    /* no answer yet */
    WISH_UNTOLD,  /* changed, but the answer is lost: a snapshot took the place of the entry */
    WISH_GIVEN_UP /* its time was over; perhaps it was changed, perhaps it will be */
};

struct wish_answer {
    struct uuid incarnation; /* of the wish, as sequence, term and attempt are */
    uint64_t sequence;
    uint64_t term;
    uint32_t attempt;
    enum wish_verdict verdict;
    struct bytes answer; /* of WISH_ANSWERED */
};

enum { WISH_HEAD_SIZE = 48, WISH_ANSWER_HEAD_SIZE = 40, WISH_FRAME_HEAD_MAX = 48 };

/* The head of a frame; body or answer come behind it. */
void wish_write(const struct wish *wish, uint8_t head[WISH_HEAD_SIZE]);
void wish_answer_write(const struct wish_answer *answer, uint8_t head[WISH_ANSWER_HEAD_SIZE]);

/* False: no such frame was ever written. Body and answer refer to the frame; broker_id is left alone. */
bool wish_read(struct bytes frame, struct wish *wish);
bool wish_answer_read(struct bytes frame, struct wish_answer *answer);

#endif
