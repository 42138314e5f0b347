/* message.h -- what members say to each other, and its bytes.
 *
 * Every message carries its sender's own current term. Bytes of entries and snapshots lie behind the message and
 * are not copied: raft_message_write makes the head, and whoever sends puts `payload_size` bytes behind it.
 * docs/peer.md draws the bytes. */
#ifndef CHRONIK_RAFT_MESSAGE_H
#define CHRONIK_RAFT_MESSAGE_H

#include "base/bytes.h"

enum {
    RAFT_MESSAGE_VERSION = 1,
    RAFT_APPEND_ENTRIES_MAX = 1024,   /* in one message */
    RAFT_PAYLOAD_SIZE_MAX = 64 << 20, /* behind one message; what a node accepts of one entry is its config's matter */
    RAFT_MESSAGE_HEAD_SIZE_MAX = 128 + RAFT_APPEND_ENTRIES_MAX * 13,
};

/* Terms and indexes stay below this, so that arithmetic on what a peer says never wraps. */
#define RAFT_NUMBER_MAX ((uint64_t)1 << 56)

enum raft_entry_kind {
    RAFT_ENTRY_DATA = 1,      /* the caller's */
    RAFT_ENTRY_NOOP,          /* opens a term; empty */
    RAFT_ENTRY_CONFIGURATION, /* a member list */
};

struct raft_entry {
    uint64_t term;
    uint32_t size; /* of the payload */
    uint8_t kind;
};

enum raft_message_kind {
    RAFT_VOTE_REQUEST = 1,
    RAFT_VOTE_RESPONSE,
    RAFT_APPEND_REQUEST, /* without entries: a heartbeat */
    RAFT_APPEND_RESPONSE,
    RAFT_SNAPSHOT_REQUEST, /* one chunk */
    RAFT_SNAPSHOT_RESPONSE,
    RAFT_TIMEOUT_NOW, /* the leader hands over: campaign at once */
    RAFT_READ_REQUEST,
    RAFT_READ_RESPONSE,
};

struct raft_vote_request {
    uint64_t last_index, last_term; /* of the candidate's log */
    uint64_t round;                 /* comes back in the response: an answer to an older request does not count */
    bool pre;                       /* would you? Nobody's term changes */
    bool transfer;                  /* the leader asked for this: leases do not count */
};

struct raft_vote_response {
    uint64_t round;
    bool pre, granted;
};

struct raft_append_request {
    uint64_t prev_index, prev_term; /* the entry before the first one; 0, 0: the log's beginning */
    uint64_t commit_index;
    uint64_t beat;        /* grows; comes back in the response: proof that the leader still led when it sent this */
    uint64_t held_index;  /* the receiver said that it holds all up to here, durably, with entries of this term; 0: it
                             did not. If that is not so, its disk is not the one that it was */
    uint32_t entry_count; /* entries prev_index + 1 ... */
    const struct raft_entry *entries; /* received: lent with the message. To be sent: NULL, ask raft_entry() */
};

struct raft_append_response {
    uint64_t beat;
    bool rejected;
    bool forgot;    /* and for good: what it acknowledged up to `index` is not there */
    uint64_t index; /* accepted: all up to here equals the leader's log, durably. Rejected: the prev_index it was */
    uint64_t hint_index, hint_term; /* rejected: my last entry that may still agree, at or below prev_index */
};

struct raft_snapshot_request {
    uint64_t index, term; /* what the snapshot covers */
    uint64_t total_size, offset;
    uint64_t beat;
    uint32_t size; /* of this chunk; the last one ends at total_size */
};

struct raft_snapshot_response {
    uint64_t index;
    uint64_t offset; /* all below it has arrived: send on from here */
    uint64_t beat;
    bool installed; /* durable and in force; or not needed at all */
};

struct raft_read_request {
    uint64_t token;
};

struct raft_read_response {
    uint64_t token, index;
};

struct raft_message {
    enum raft_message_kind kind;
    uint64_t from, to;
    uint64_t term; /* the sender's */
    union {
        struct raft_vote_request vote_request;
        struct raft_vote_response vote_response;
        struct raft_append_request append_request;
        struct raft_append_response append_response;
        struct raft_snapshot_request snapshot_request;
        struct raft_snapshot_response snapshot_response;
        struct raft_read_request read_request;
        struct raft_read_response read_response;
    };
    struct bytes payload; /* received: of the entries, one behind the other, or of the chunk; lent. To be sent: empty */
};

/* Bytes that belong behind the head. `entries` are those of an append request, else NULL. */
uint32_t raft_message_payload_size(const struct raft_message *message, const struct raft_entry *entries);

/* Writes the head to `to`, which has room for RAFT_MESSAGE_HEAD_SIZE_MAX bytes, and returns its size. `entries` are
 * the entry_count entries of an append request, else NULL. */
uint32_t raft_message_write(const struct raft_message *message, const struct raft_entry *entries, uint8_t *to);

/* Reads head and payload. False: these are not the bytes of a message, whole and nothing else. `entries` has room
 * for RAFT_APPEND_ENTRIES_MAX and is lent to the message, as the bytes are. from and to are not in the bytes (the
 * connection knows them) and are set to 0. */
bool raft_message_read(struct bytes bytes, struct raft_entry *entries, struct raft_message *message);

#endif
