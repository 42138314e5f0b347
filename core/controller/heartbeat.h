/* heartbeat.h -- what a broker and the leader of the metadata log tell each other all the time; docs/peer.md has the
 * bytes. */
#ifndef CHRONIK_CONTROLLER_HEARTBEAT_H
#define CHRONIK_CONTROLLER_HEARTBEAT_H

#include "base/bytes.h"

enum { HEARTBEAT_SIZE = 24, HEARTBEAT_ANSWER_SIZE = 16 };

/* To the leader, every HEARTBEAT_INTERVAL_NS (sessions.h) and at once when one of the flags changes. */
struct heartbeat {
    int32_t broker_id;
    int64_t broker_epoch;
    uint64_t applied_index; /* of the metadata log */
    bool ready;             /* its registration is applied and durable here, and its logs are recovered */
    bool crashed;           /* ... and lost what was not durable: its last life did not end as it should */
    bool wants_shutdown;
};

enum heartbeat_verdict {
    HEARTBEAT_TAKEN,
    HEARTBEAT_STALE,   /* of an earlier life: another start of this broker has registered */
    HEARTBEAT_UNKNOWN, /* of a broker, or a life of it, that is not registered as far as the leader knows */
};

struct heartbeat_answer {
    int64_t broker_epoch; /* of the heartbeat that is answered */
    enum heartbeat_verdict verdict;
    bool may_go; /* to one that wants to shut down: nobody needs it any more */
};

/* `bytes` has HEARTBEAT_SIZE bytes. */
void heartbeat_write(const struct heartbeat *heartbeat, uint8_t *bytes);
void heartbeat_answer_write(const struct heartbeat_answer *answer, uint8_t *bytes);

/* False: not what this version writes. */
bool heartbeat_read(struct bytes bytes, struct heartbeat *heartbeat);
bool heartbeat_answer_read(struct bytes bytes, struct heartbeat_answer *answer);

#endif
