/* wire.h -- which bytes are a frame between nodes, and which are a handshake?
 *
 * Pure: bytes to structs and back. docs/peer.md has the tables. What is read is checked against the format alone;
 * whether it fits the other node is handshake.h's to say. */
#ifndef CHRONIK_PEER_WIRE_H
#define CHRONIK_PEER_WIRE_H

#include "base/uuid.h"
#include "peer/peers.h"

enum {
    WIRE_VERSION_MIN = 2, /* 1 had shorter acks, and appends that recalled no promise */
    WIRE_VERSION_MAX = 2,
    WIRE_HEAD_SIZE = 16,
    WIRE_HANDSHAKE_SIZE_MAX = 1024, /* of a payload; later versions may say more than this one does */
};

/* Kinds of frames that are this room's own. */
enum wire_kind {
    WIRE_HELLO = PEER_KIND_MAX + 1,
    WIRE_WELCOME,
    WIRE_REFUSED,
    WIRE_ALIVE, /* nothing, said so that the link is not silent */
};

struct frame_head {
    uint32_t size;    /* of the whole frame */
    uint32_t crc;     /* of what follows it, up to the end of the checked part */
    uint32_t checked; /* bytes of the payload that the checksum covers */
    uint8_t kind;
};

/* False: these WIRE_HEAD_SIZE bytes begin no frame whose payload has at most payload_max bytes. */
bool wire_head_read(const uint8_t *from, uint32_t payload_max, struct frame_head *head);

/* Whether the frame that begins here is what was sent. It is complete. */
bool frame_is_whole(const uint8_t *frame, const struct frame_head *head);

/* The checksum over a frame's head, to be continued over what is checked of its payload. */
uint32_t frame_crc_begin(uint8_t kind, uint32_t checked);
void wire_head_write(uint8_t *to, const struct frame_head *head);

enum wire_channel { WIRE_CONTROL, WIRE_DATA };

/* Who speaks: the body of HELLO and of WELCOME. Bytes in it are of the message. */
struct introduction {
    uint16_t version_min, version_max; /* WELCOME: both are the one that is spoken from here on */
    enum wire_channel channel;
    int32_t node_id;
    int32_t wanted_id; /* whom it wants to reach; 0: whoever is there */
    uint64_t member_id;
    struct uuid cluster_id;
    struct uuid incarnation;
    struct peer_address node_address, wal_address;
};

/* False: it is none. */
bool introduction_read(struct bytes payload, struct introduction *introduction);

/* Writes at most WIRE_HANDSHAKE_SIZE_MAX bytes; says how many. */
uint32_t introduction_write(uint8_t *to, const struct introduction *introduction);

/* The body of REFUSED. */
struct refusal {
    uint16_t version_min, version_max;
    enum peer_reason reason; /* PEER_WRONG_VERSION and what follows it */
    int32_t node_id;         /* who refuses */
    struct uuid cluster_id;
};

bool refusal_read(struct bytes payload, struct refusal *refusal);
uint32_t refusal_write(uint8_t *to, const struct refusal *refusal);

#endif
