/* state.h -- what the adapter remembers beside the library, and which file answers for which part.
 *
 * The library calls back: its struct raft_io is a table of functions. Here they only record (io.c); what they asked for
 * is completed when its call has returned (after_call). The log is mirrored as a trail, since entries carry no bytes:
 * those are the caller's. The library's own log holds member lists only.
 *
 *   canonical.c  the doors, and what follows from a call     io.c       what the library asks for
 *   deliver.c    messages to the library, and its guards     lists.c    member lists, theirs and ours
 *   snapshot.c   chunks                                      wishes.c   changes, reads, handing over
 *   restore.c    from the disk to a start                    validate.c what a message may say
 *
 * Invariants, numbered as in canonical_check():
 *   (1) The trail ends where the library's log ends, and begins no later.
 *   (2) told <= what the library has committed and stored.
 *   (3) The library is available: it calls itself otherwise when it has seen what cannot be.
 *   (4) Appends under way are those whose ticket has not come back, in order. */
#ifndef CHRONIK_RAFT_CANONICAL_STATE_H
#define CHRONIK_RAFT_CANONICAL_STATE_H

#include "base/check.h"
#include "base/prng.h"
#include "raft/canonical/canonical.h"
#include "raft/canonical/heap.h"
#include "raft/canonical/library.h"
#include "raft/trail.h"

enum {
    LISTS_MAX = 32,    /* that are remembered: one uncommitted, the one before it, and older ones for snapshots */
    APPENDS_MAX = 64,  /* under way at once */
    HELD_MAX = 64,     /* messages held back; more are lost, which is legal */
    SENDINGS_MAX = 16, /* snapshots on their way to as many followers */
    LIBRARY_ADDRESS_SIZE_MAX = 24 + 3 * RAFT_ADDRESS_SIZE_MAX,
};

struct append { /* the library waits for its disk */
    struct raft_io_append *request;
    uint64_t sequence; /* of the write; 0: not put out yet */
};

struct sent { /* the library waits to hear that a message left */
    struct raft_io_send *request;
    raft_io_send_cb callback;
};

struct list { /* a member list, as it is in the log */
    uint64_t index;
    uint64_t end_index; /* where one followed that was forgotten; 0: none was */
    uint32_t size;
    uint8_t *bytes; /* configuration_size_max of them */
};

struct outgoing { /* leaves when the hard state that came before it is durable */
    struct raft_message message;
    uint64_t sequence;
};

struct held { /* a message, with what was lent with it, in memory of the heap */
    struct raft_message message;
    struct raft_entry *entries;
    uint8_t *payload;
    size_t size;
};

struct sending { /* a snapshot to a follower */
    uint64_t to; /* 0: free */
    uint64_t index, term, total_size, offset, sent_offset;
    uint32_t ticks; /* since the offset moved */
};

struct snapshot {
    uint64_t index, term, total_size;
};

struct receiving {
    uint64_t from; /* 0: none */
    uint64_t index, term, total_size, offset;
    bool complete; /* the caller installs it */
};

enum reading_state { READING_WAITS, READING_ASKED, READING_FORWARDED, READING_ANSWERED, READING_FAILED };

struct reading {
    uint64_t token, from; /* from 0: our caller's */
    uint64_t wire_token;
    uint64_t index, term; /* of the entry that it waits for */
    uint64_t deadline_ns;
    enum reading_state state;
};

struct change { /* one server's */
    enum raft_change_kind kind;
    uint64_t id;
    uint32_t address_size;
    uint8_t address[RAFT_ADDRESS_SIZE_MAX];
};

struct source {                         /* of the sizes and bytes of entries that the library appends just now */
    const uint32_t *sizes;              /* of a proposal */
    const struct raft_message *message; /* of an append request */
    bool held;                          /* of a message that was held */
    uint64_t sizes_first;               /* index of the first of `sizes` */
};

struct listed { /* of the library's list: while it is the same, so is the list */
    const struct raft_server *servers;
    uint64_t count, index, uncommitted_index;
};

struct seen { /* at the end of the last call; what differs is noted */
    enum raft_role role;
    uint64_t term, leader, vote, list_index;
    bool list_committed;
};

struct raft {
    struct raft_config config;
    uint32_t guards;
    struct prng prng;
    uint64_t now_ns;
    bool started, more;

    /* the library */
    struct libraft library;
    struct raft_io io;
    struct raft_fsm fsm;
    struct raft_tracer tracer;
    raft_io_tick_cb tick;
    raft_io_recv_cb receive;
    struct heap heap;
    uint64_t next_tick_ns;
    bool tick_owed;

    /* its log and lists */
    struct raft_trail trail;
    struct list lists[LISTS_MAX]; /* by ascending index */
    uint32_t list_count;
    struct raft_configuration in_force, scratch, at; /* at: of the last question */
    struct listed listed;                            /* what in_force was made of */

    /* the disk */
    uint64_t sequence, stored_sequence, hard_sequence, found_sequence;
    struct raft_write pending;
    bool own_used; /* this call has an entry of our own already */
    struct append appends[APPENDS_MAX];
    uint32_t append_count, append_put_out; /* so many of them are in a write that was put out */
    struct source source;
    struct raft_io_snapshot_put *put;
    raft_io_snapshot_put_cb put_callback;
    uint64_t restored_vote, restored_term;
    bool restore_discards;

    /* the network */
    struct sent *sents;
    uint32_t sent_count, sent_max;
    struct raft_io_snapshot_get **gets;
    raft_io_snapshot_get_cb get_callback;
    uint32_t get_count;
    struct outgoing *outgoings; /* a ring */
    uint32_t outgoing_first, outgoing_count, outgoing_max;
    struct held held[HELD_MAX]; /* a ring */
    uint32_t held_first, held_count;
    size_t held_size, held_size_max;
    struct held released; /* the one that was delivered last: its bytes may be in pending */
    uint64_t delivering_from;

    /* guards */
    bool in_append, in_install;
    uint64_t verified_end;                  /* CLAMP: of the message that is delivered */
    uint64_t verified_index, verified_term; /* CLAMP */
    uint64_t barrier_term, barrier_index;   /* BARRIER */

    uint64_t told_index;
    struct snapshot snapshot; /* the newest */
    struct sending sendings[SENDINGS_MAX];
    struct receiving receiving;
    struct reading *readings;
    uint32_t reading_count;
    uint64_t next_wire_token;
    struct change changes[2 * RAFT_CHANGES_MAX];
    uint32_t change_first, change_count;
    struct seen seen;
};

/* ---- canonical.c ---- */
void canonical_begin(struct raft *raft, uint64_t now_ns, struct raft_output *output);
void canonical_settle(struct raft *raft, struct raft_output *output);
bool canonical_must_hold(const struct raft *raft);
bool canonical_leads_safely(const struct raft *raft);  /* and its term's barrier is committed, if there must be one */
uint64_t canonical_committed(const struct raft *raft); /* as far as it may be said */
void canonical_after_call(struct raft *raft);          /* completes what the library asked for in a call */
void canonical_note(struct raft_output *output, enum raft_note_kind kind, uint64_t subject, uint64_t detail);
struct raft_message *canonical_say(struct raft *raft, enum raft_message_kind kind, uint64_t to, uint64_t term);

/* ---- io.c ---- */
void canonical_io_init(struct raft *raft);
struct libraft_snapshot *snapshot_newest(struct raft *raft); /* without its bytes */

/* ---- lists.c ---- */
void lists_add(struct raft *raft, uint64_t index, struct bytes bytes);
void lists_truncate(struct raft *raft, uint64_t from);
const struct list *lists_at(const struct raft *raft, uint64_t index); /* newest at or below; NULL: not known */
/* The library's encoding of a list, or its struct, from ours. False: it cannot be said. */
bool lists_to_library(struct raft *raft, struct bytes bytes, struct libraft_configuration *to);
void lists_address(uint64_t id, struct bytes address, char to[LIBRARY_ADDRESS_SIZE_MAX]); /* as the library has it */
/* Ours, from the library's struct, in `to` (index 0). */
void lists_from_library(const struct libraft_configuration *from, struct raft_configuration *to);
bool lists_decode(const struct raft_buffer *payload, struct libraft_configuration *to);
size_t lists_encoded_size(const struct libraft_configuration *list);
void lists_encode(const struct libraft_configuration *list, uint8_t *to);
const struct raft_server *lists_server(const struct libraft_configuration *list, uint64_t id);
bool lists_is_sole_voter(const struct libraft_configuration *list, uint64_t id);
void lists_refresh(struct raft *raft); /* in_force is what the library goes by */

/* ---- deliver.c ---- */
void canonical_deliver(struct raft *raft, const struct raft_message *message);
void canonical_deliver_install(struct raft *raft, uint64_t from, uint64_t index, uint64_t term, struct bytes list);
void canonical_tick(struct raft *raft);

/* ---- validate.c ---- */
bool canonical_message_is_possible(struct raft *raft, const struct raft_message *message);
/* Held against our state: a follower or a leader that the library would not survive. */
bool canonical_message_fits(struct raft *raft, const struct raft_message *message);

/* ---- snapshot.c ---- */
void sendings_begin(struct raft *raft, uint64_t to, uint64_t index, uint64_t term);
void sendings_on_tick(struct raft *raft);
void sendings_put_out(struct raft *raft, struct raft_output *output);
enum raft_verdict sendings_on_response(struct raft *raft, const struct raft_message *message);
enum raft_verdict receiving_on_request(struct raft *raft, const struct raft_message *message,
                                       struct raft_output *output);

/* ---- wishes.c ---- */
void changes_advance(struct raft *raft);
void readings_advance(struct raft *raft);
void readings_follow(struct raft *raft, uint64_t index); /* an entry of our own was proposed there */
void readings_put_out(struct raft *raft, struct raft_output *output);
uint64_t readings_deadline_ns(const struct raft *raft);
enum raft_verdict readings_on_request(struct raft *raft, const struct raft_message *message);
enum raft_verdict readings_on_response(struct raft *raft, const struct raft_message *message);
void canonical_barrier(struct raft *raft);

#endif
