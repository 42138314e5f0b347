/* raft.h -- consensus: one log on which all members agree, entry by entry.
 *
 * The engine is a function of its state and one fact at a time. It has no clock, socket, disk or heap: time comes
 * with every call, and what it wants done is in a raft_output. It holds the log as a *trail* (term, kind and size of
 * each entry); the bytes of entries and snapshots live with the caller. With one voter the same code elects at once,
 * sends nothing, needs no timer, and commits what its own disk made durable.
 *
 *   Promise law.  Messages in an output may leave at once. What promises something (a vote, an acknowledgement) is
 *                 put out only by the call whose fact made it true, mostly raft_on_stored().
 *   Write law.    Writes are done in the order they were put out, and a crash keeps a prefix of them: of one write
 *                 first its hard state, then its truncation, then its entries in order. The ticket of a write comes
 *                 back by raft_on_stored() when it and all before it are durable; tickets in between may be left out.
 *   Order law.    Messages to one member leave in the order they were put out, or are lost; that is fast. The engine
 *                 is right with any order, with duplicates and with strays from an earlier life.
 *   Bound law.    A call does bounded work and puts out at most one write and RAFT_MESSAGES_MAX messages. What is left
 *                 over shows as a deadline that is already due.
 *
 * What a peer says is never trusted: every field is held against the state, and what cannot be is refused with a
 * verdict. What the caller does against this header stops the node. */
#ifndef CHRONIK_RAFT_RAFT_H
#define CHRONIK_RAFT_RAFT_H

#include "raft/configuration.h"
#include "raft/message.h"

enum {
    RAFT_MESSAGES_MAX = 32, /* per call: requests to all voters of a joint list, or several appends to each follower */
    RAFT_READS_MAX = 32,
    RAFT_NOTES_MAX = 16,
};

#define RAFT_NEVER UINT64_MAX /* a deadline that does not come */

struct raft_config {
    uint64_t id;   /* ours; not 0. A node whose disk was emptied must come back with another one: it forgot its votes */
    uint64_t seed; /* of all randomness of this start, and a new one for each: late answers to an earlier life must not
                      fit. The id is mixed in */
    uint64_t election_timeout_ns;    /* a leader is missed after 1 to 2 times this */
    uint64_t heartbeat_ns;           /* also the pace of all retries; at most a third of the election timeout */
    uint32_t members_max;            /* voters and learners; at least RAFT_VOTERS_MAX */
    uint32_t configuration_size_max; /* encoded: 8 + 10 per member + its address */
    uint32_t entries_max;            /* in the trail, that is between two compactions; a power of two */
    uint32_t uncommitted_max;        /* entries a leader takes ahead of the commit; at most a quarter of entries_max */
    uint32_t entry_size_max;
    uint32_t append_size_max;   /* payload in one message; one entry may always go */
    uint32_t inflight_size_max; /* payload (and 32 bytes per entry) sent to a follower and not yet acknowledged */
    uint32_t chunk_size_max;    /* of a snapshot, in one message; all members of a group may differ */
    uint32_t chunks_inflight_max;
    uint32_t reads_max;       /* waiting reads, forwarded ones included */
    uint32_t promote_lag_max; /* entries a learner may be behind the leader's log when it is promoted */
};

struct raft; /* the caller gives the memory */

/* ------------------------------------------------------------------------------------------------ orders */

/* Names a write. Hand it back unchanged. */
struct raft_ticket {
    uint64_t sequence; /* 1, 2, ...; 0: no write */
    uint64_t last_index;
};

/* What to make durable. Several writes may be under way. */
struct raft_write {
    struct raft_ticket ticket;
    bool hard_state; /* term and vote changed; both are given */
    uint64_t term, vote;
    uint64_t truncate_from; /* first drop this entry and all behind it; 0: none */
    uint64_t first_index;   /* then append entry_count entries; raft_entry() tells term, kind and size of each */
    uint32_t entry_count;
    struct bytes own_payload;  /* of an entry the engine made itself (at most one per write), in its own memory, until
                                 the next call. Otherwise the bytes are in the proposal or message of this call */
    struct bytes held_payload; /* of all its entries, one behind the other, where the message that brought them came in
                                  an earlier call: in the engine's memory, until the next. Ours holds no message back */
};

/* A chunk of a snapshot arrived: keep the message's payload at `offset` of a file that nobody reads yet. */
struct raft_chunk {
    uint64_t index, term, total_size, offset;
    uint32_t size; /* 0: no chunk in this output */
    bool first;    /* a new transfer: forget the bytes of an older one */
    bool last;     /* complete: verify it, make it durable, make it the state (it replaces the whole log), and say
                       raft_on_snapshot_installed(); or raft_on_snapshot_refused() */
};

/* The answer to raft_read(). */
struct raft_read_answer {
    uint64_t token;
    bool failed;    /* no leader could be asked in time: ask again */
    uint64_t index; /* a state that has applied this much is fresh enough */
};

/* Behind each: its subject, its detail. */
enum raft_note_kind {
    RAFT_NOTE_FOLLOWING,               /* leader, term */
    RAFT_NOTE_LEADER_LOST,             /* its id, term */
    RAFT_NOTE_PRE_CANDIDATE,           /* own id, term */
    RAFT_NOTE_CANDIDATE,               /* own id, term */
    RAFT_NOTE_LEADER,                  /* own id, term */
    RAFT_NOTE_STEPPED_DOWN,            /* own id, term it led */
    RAFT_NOTE_QUORUM_LOST,             /* own id, term: it steps down because too few answer */
    RAFT_NOTE_VOTED,                   /* for whom, term */
    RAFT_NOTE_CONFIGURATION,           /* in force: index, members */
    RAFT_NOTE_ROLLED_BACK,             /* a list lost its entry: index of the one in force again, members */
    RAFT_NOTE_CONFIGURATION_COMMITTED, /* index, members */
    RAFT_NOTE_REMOVED,          /* own id, index of the committed list that leaves it out, as the one before did not */
    RAFT_NOTE_TRUNCATED,        /* first index dropped, last index dropped */
    RAFT_NOTE_PROBING,          /* a follower, its next index: what it holds has to be found out */
    RAFT_NOTE_STREAMING,        /* a follower, its next index */
    RAFT_NOTE_SNAPSHOT_SENDING, /* a follower, snapshot index */
    RAFT_NOTE_SNAPSHOT_INSTALLED, /* leader or 0, snapshot index */
    RAFT_NOTE_SNAPSHOT_REFUSED,   /* who sent it, snapshot index */
    RAFT_NOTE_TRANSFER_BEGUN,     /* to whom, term */
    RAFT_NOTE_TRANSFER_FAILED,    /* to whom, term */
    RAFT_NOTE_IMPOSSIBLE,         /* from, kind of message: a peer said what cannot be */
    RAFT_NOTE_FORGOT,             /* who, index: what it acknowledged up to there is not on its disk any more */
    RAFT_NOTE_TRAIL_FULL,         /* first index that found no room, last index there is */
    RAFT_NOTE_KIND_COUNT,
};

/* What people and counters may want to know. Never needed for the protocol; surplus notes of one call are dropped. */
struct raft_note {
    enum raft_note_kind kind;
    uint64_t subject, detail;
};

/* All that one call wants. The engine empties it first; the caller acts on it before the next call. */
struct raft_output {
    struct raft_write write;
    uint64_t commit_index; /* entries up to here are committed and on our own disk; 0: nothing new */
    struct raft_chunk chunk;
    uint32_t message_count, read_count, note_count;
    struct raft_message messages[RAFT_MESSAGES_MAX];
    struct raft_read_answer reads[RAFT_READS_MAX];
    struct raft_note notes[RAFT_NOTES_MAX];
};

enum raft_verdict {
    RAFT_ACCEPTED,
    RAFT_STALE,      /* message: of an older term, or old news; harmless */
    RAFT_IGNORED,    /* message: true, but nothing for us now (a lease, an install under way, no room) */
    RAFT_IMPOSSIBLE, /* message: says what cannot be; noted */
    RAFT_NOT_LEADER, /* ask raft_leader() */
    RAFT_FULL,       /* too much under way: try again when the commit index has moved, or after a compaction */
    RAFT_BUSY,       /* change: another one is not finished, or this term has committed nothing yet;
                        propose and transfer: leadership is being handed over */
    RAFT_BEHIND,     /* change: the learner to be promoted lacks too much; transfer: so does its target */
    RAFT_UNKNOWN,    /* change, transfer: names nobody who is in question */
    RAFT_EMPTY,      /* change: no voter would be left */
    RAFT_TOO_LARGE,  /* propose: an entry above entry_size_max, or none, or too many; change: list too long */
    RAFT_CORRUPT,    /* restore: this is not what was written */
};

/* ------------------------------------------------------------------------------------------------ begin
 * raft_init, then either restore what the disk has, or found a group, or neither (a node that waits to be added);
 * then raft_start once, before everything else. */

size_t raft_size(const struct raft_config *config);
void raft_init(struct raft *raft, const struct raft_config *config);

/* First the newest durable snapshot, if there is one; then what was written, in the order in which it was: hard
 * states, truncations, entries. What the snapshot covers already is recognised and passed over. RAFT_CORRUPT: this
 * cannot have been written; do not start. RAFT_FULL: entries_max is smaller than the log above its snapshot. */
enum raft_verdict raft_restore_snapshot(struct raft *raft, uint64_t index, uint64_t term, uint64_t total_size,
                                        struct bytes configuration);
enum raft_verdict raft_restore_hard_state(struct raft *raft, uint64_t term, uint64_t vote);
enum raft_verdict raft_restore_truncate(struct raft *raft, uint64_t from);
enum raft_verdict raft_restore_entry(struct raft *raft, uint64_t index, uint8_t kind, uint64_t term,
                                     struct bytes payload);

/* From here on we are another member: what is said to or by the one we were concerns us no more. */
void raft_restore_id(struct raft *raft, uint64_t id);

/* Makes these the voters, by an entry of its own, whatever was before: founds a group on an empty log, or forces a
 * survivor's (then the old members must be fenced by other means). All founders of a group found the same one. */
enum raft_verdict raft_found(struct raft *raft, const struct raft_change *founders, uint32_t count);

void raft_start(struct raft *raft, uint64_t now_ns, struct raft_output *output);

/* ------------------------------------------------------------------------------------------------ facts */

void raft_on_time(struct raft *raft, uint64_t now_ns, struct raft_output *output);
enum raft_verdict raft_on_message(struct raft *raft, uint64_t now_ns, const struct raft_message *message,
                                  struct raft_output *output);
void raft_on_stored(struct raft *raft, uint64_t now_ns, struct raft_ticket ticket, struct raft_output *output);

/* The connection to this member is gone, as when its process died. If it leads, it is not waited for as long as one
 * that only says nothing: raft_deadline_ns. If it is heard again, nothing has happened. */
void raft_on_lost(struct raft *raft, uint64_t now_ns, uint64_t id);

/* The chunk marked last: its snapshot is durable and the state is replaced by it. `configuration` is the member list
 * in it. The write that comes out truncates at index + 1, so that whoever replays the writes after a crash knows where
 * the old log ended. False: the list is no good, and the snapshot is refused. */
bool raft_on_snapshot_installed(struct raft *raft, uint64_t now_ns, struct bytes configuration,
                                struct raft_output *output);
/* It is no good (a checksum failed): the transfer begins anew. */
void raft_on_snapshot_refused(struct raft *raft, uint64_t now_ns, struct raft_output *output);

/* ------------------------------------------------------------------------------------------------ wishes */

/* Appends entries of these sizes; output->write says at which indexes. Accepted is not committed: after a change of
 * leader another entry may stand there, and the term of the entry tells. */
enum raft_verdict raft_propose(struct raft *raft, uint64_t now_ns, const uint32_t *sizes, uint32_t count,
                               struct raft_output *output);

/* Changes the member list; done when the list at or behind output->write.first_index is committed and not joint. */
enum raft_verdict raft_change(struct raft *raft, uint64_t now_ns, const struct raft_change *changes, uint32_t count,
                              struct raft_output *output);

/* Asks how far a state must have applied so that reading it is linearizable. The answer comes in some output->reads,
 * perhaps this one. Any member may ask. */
enum raft_verdict raft_read(struct raft *raft, uint64_t now_ns, uint64_t token, struct raft_output *output);

/* Hands leadership to a voter; to 0: to the one that is furthest. Tried again for an election timeout. */
enum raft_verdict raft_transfer(struct raft *raft, uint64_t now_ns, uint64_t to, struct raft_output *output);

/* A snapshot of the state after entry `index` (not above the last commit_index put out) is durable here; it contains
 * the bytes of raft_configuration_at(index). It may be sent to followers until raft_snapshot_needed() says no. */
void raft_on_snapshot_taken(struct raft *raft, uint64_t index, uint64_t total_size);

/* Forgets entries up to `index`, which a snapshot covers. Followers that need them get the snapshot. */
void raft_compact(struct raft *raft, uint64_t index);

/* ------------------------------------------------------------------------------------------------ questions */

enum raft_role { RAFT_FOLLOWER, RAFT_PRE_CANDIDATE, RAFT_CANDIDATE, RAFT_LEADER };

uint64_t raft_deadline_ns(const struct raft *raft); /* when to call raft_on_time next; RAFT_NEVER if nothing waits */
uint64_t raft_id(const struct raft *raft);
bool raft_is_started(const struct raft *raft); /* all that was on disk is restored */

/* Our disk lacks entries that we acknowledged: it is an older copy of what it was, or was written to behind our back.
 * Then we have broken a promise that a majority may rest on. The leader was told; from here on nothing is heard, said,
 * voted or acknowledged, and the caller stops this node: only as another member it may come back. */
bool raft_has_forgotten(const struct raft *raft);
enum raft_role raft_role(const struct raft *raft);
uint64_t raft_term(const struct raft *raft);
uint64_t raft_vote(const struct raft *raft);         /* 0: nobody in this term */
bool raft_vote_is_durable(const struct raft *raft);  /* it, or that there is none, is on our own disk: it may be told */
uint64_t raft_leader(const struct raft *raft);       /* 0: none known */
uint64_t raft_commit_index(const struct raft *raft); /* as put out: committed and on our own disk */
uint64_t raft_last_index(const struct raft *raft);
uint64_t raft_stored_index(const struct raft *raft); /* our own disk has all up to here, as far as we were told */
uint64_t raft_first_index(const struct raft *raft);  /* of the trail; last_index + 1 if it is empty */

/* An entry of the trail; first_index <= index <= last_index. */
struct raft_entry raft_entry(const struct raft *raft, uint64_t index);
/* 0: not known (compacted, or not there yet). */
uint64_t raft_term_at(const struct raft *raft, uint64_t index);

const struct raft_configuration *raft_configuration(const struct raft *raft); /* the one in force */
bool raft_configuration_is_committed(const struct raft *raft);
/* The one that was in force after entry `index`, for a snapshot there; NULL: not known any more (take it at a newer
 * index) or not yet (so much is not committed here). */
const struct raft_configuration *raft_configuration_at(const struct raft *raft, uint64_t index);

/* The newest list that is committed, as far as is known here. The one in force may be newer, and joint: until its phase
 * has ended both the old voters and the new ones are needed, and losing most of the old ones stops the group. */
static inline const struct raft_configuration *raft_configuration_decided(const struct raft *raft)
{
    const struct raft_configuration *list = raft_configuration_at(raft, raft_commit_index(raft));

    return list == NULL ? raft_configuration(raft) : list;
}

/* Whether one is being received, or installed. */
bool raft_snapshot_is_arriving(const struct raft *raft);

/* Whether the snapshot at `index` may still be sent; if not, and it is not the newest, it may be deleted. */
bool raft_snapshot_needed(const struct raft *raft, uint64_t index);

enum raft_peer_state { RAFT_PROBING, RAFT_STREAMING, RAFT_SENDING_SNAPSHOT };

/* A leader's view of a peer. */
struct raft_peer_view {
    enum raft_peer_state state;
    uint64_t match_index;  /* it holds all up to here, durably */
    uint64_t heard_ns;     /* when it last answered; 0: never in this term */
    uint64_t caught_up_ns; /* it holds all that was in our log at this time; 0: not known in this term */
    uint64_t snapshot_offset, snapshot_size; /* while one is sent */
};

/* False: we do not lead, or it is nobody we replicate to. */
bool raft_peer(const struct raft *raft, uint64_t id, struct raft_peer_view *view);

void raft_check(const struct raft *raft); /* the invariants, numbered in state.h; O(members + a sample of the trail) */

#endif
