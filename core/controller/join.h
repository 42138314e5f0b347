/* join.h -- how a node asks to belong to a cluster, and what it is told; docs/peer.md has the bytes. */
#ifndef CHRONIK_CONTROLLER_JOIN_H
#define CHRONIK_CONTROLLER_JOIN_H

#include "base/bytes.h"

enum {
    JOIN_ADDRESS_SIZE_MAX = 255,
    JOIN_SIZE_MAX = 4 + JOIN_ADDRESS_SIZE_MAX,
    JOIN_ANSWER_SIZE_MAX = 8 + JOIN_ADDRESS_SIZE_MAX,
};

/* To any node that may know the leader. Who asks, and with which directory, the connection says. */
struct join {
    bool was_member; /* a committed list had us: are we out of it? */
    struct bytes address;
};

enum join_verdict {
    JOIN_TAKEN = 1, /* it is a member now, or will be in a moment: the log comes by itself */
    JOIN_ASK,       /* another node leads: the one that is named, if any is */
    JOIN_LATER,     /* another change is under way */
    JOIN_REMOVED,   /* it was a member and is none: its directory is good for nothing any more */
    JOIN_DUPLICATE, /* another directory of that node is alive */
    JOIN_FULL,      /* there are as many members as this cluster may have */
    JOIN_VERDICT_END,
};

struct join_answer {
    enum join_verdict verdict;
    int32_t leader_id;    /* -1: nobody is known */
    struct bytes address; /* of the leader; may be empty */
};

/* The size of what was written. */
uint32_t join_write(const struct join *join, uint8_t bytes[JOIN_SIZE_MAX]);
uint32_t join_answer_write(const struct join_answer *answer, uint8_t bytes[JOIN_ANSWER_SIZE_MAX]);

/* False: not what this version writes. Addresses lie in the bytes. */
bool join_read(struct bytes bytes, struct join *join);
bool join_answer_read(struct bytes bytes, struct join_answer *answer);

/* "host:port", host in brackets or not. False: it is no such thing. */
bool join_address_split(struct bytes address, struct bytes *host, uint16_t *port);

#endif
