/* state.h -- what the engine remembers, and which file answers for which part. Private to the room.
 *
 * A call sets the time, changes the state through the files below, and ends in settle() (raft.c), where what follows
 * from the change is drawn: commit, membership, reads, the one write, messages.
 *
 * Invariants, numbered as in raft_check():
 *   (1) base <= told <= commit <= last entry; told <= stored <= last entry.
 *   (2) No entry is of a newer term than we are in.
 *   (3) A leader voted for itself, and its log ends in its own term. A candidate voted for itself.
 *   (4) Only a voter campaigns, or one that was until a list that is not committed. (So may a leader be no voter.)
 *   (5) Of each peer the leader knows: match < next <= last + 1.
 *   (6) The previous configuration is older than the one in force, which is not behind the log's end.
 *   (7) While a snapshot is installed, we follow.
 *   (8) Nothing is handed out to others that our disk could still lose: what we acknowledged is stored. */
#ifndef CHRONIK_RAFT_STATE_H
#define CHRONIK_RAFT_STATE_H

#include "base/check.h"
#include "base/prng.h"
#include "raft/raft.h"
#include "raft/trail.h"

enum {
    RAFT_SLOT_SELF = UINT32_MAX,     /* not a peer: ourselves */
    RAFT_SLOT_NONE = UINT32_MAX - 1, /* a voter that we have no peer for */
    RAFT_SETS = 2,                   /* new voters, old voters */
};

/* storage.c: what is written and what is durable. Several writes may be under way, and a truncation may overtake the
 * answer to an older append: then that answer speaks of entries that are gone (perhaps replaced by equal ones). */
struct raft_storage {
    uint64_t sequence;         /* of the newest write put out */
    uint64_t stored_sequence;  /* this one and all before are durable */
    uint64_t hard_sequence;    /* the write with the present term and vote */
    uint64_t stored_index;     /* our log is durable up to here */
    uint64_t cut_sequence;     /* the newest truncation that is not durable; 0: none. Answers to writes before it */
    uint64_t cut_index;        /* count up to here only */
    struct raft_write pending; /* what this call has to write so far */
};

/* membership.c: the voters of the configuration in force. */
struct raft_electorate {
    uint32_t count[RAFT_SETS]; /* of old voters: 0 unless joint */
    uint64_t ids[RAFT_SETS][RAFT_VOTERS_MAX];
    uint32_t slots[RAFT_SETS][RAFT_VOTERS_MAX]; /* a leader's: index of the peer */
    bool self;                                  /* we are one of them */
    bool sole;                                  /* the only one */
};

/* election.c */
struct raft_election {
    uint64_t deadline_ns; /* when a leader is missed, or a campaign has failed */
    uint64_t heard_ns;    /* when the leader was heard last; 0: not since its connection was lost */
    uint64_t round;
    uint8_t granted[RAFT_SETS]; /* bit i: voter i of the set said yes in this round */
    bool transfer;              /* the leader asked for this campaign */
    bool campaign_owed;         /* our vote for ourselves is not durable: nobody was asked yet */
    uint64_t grant_to;          /* a vote that is promised when it is durable; 0: none */
    uint64_t grant_round;
};

/* append.c: a follower's view of its leader's log. Both begin anew with each term. */
struct raft_following {
    uint64_t verified_index; /* our log equals the leader's up to here */
    uint64_t acked_index;    /* what we told it, durable */
    uint64_t beat;           /* the newest it sent */
};

struct raft_sending {
    uint64_t index, term, total_size;
    uint64_t offset; /* the follower has all below */
    uint64_t sent_offset;
    uint32_t beats; /* heartbeats since the offset moved */
    bool retried;   /* nothing moved for long: an answer may take us back */
};

/* progress.c: a leader's view of one member. */
struct raft_peer {
    uint64_t id;
    uint8_t flags;  /* of its membership */
    uint8_t state;  /* enum raft_peer_state */
    bool gone;      /* a member of the previous list only: it is to hear of its removal */
    bool probe_due; /* probing: ask now, not with the next heartbeat */
    bool forgot;    /* what it acknowledged is not there: it counts no more in this term, whatever it says */
    uint64_t match_index, next_index;
    uint64_t match_beat;   /* the newest beat when match_index rose: who answers a later one knew of that when it did */
    uint64_t flight_index; /* what was sent behind it since streaming began is in flight until it is acknowledged */
    uint64_t commit_told;
    uint64_t heard_ns, first_heard; /* first_heard: 1 once it answered in this term */
    uint64_t caught_up_ns;          /* it holds all that was in our log at this time; 0: not known */
    uint64_t goal_index, goal_ns;   /* where our log ended at that time: held, it has caught up with that */
    uint64_t beat_told, beat_heard;
    struct raft_sending sending;
};

struct raft_progress {
    uint32_t count, count_max;
    struct raft_peer *peers, *spare; /* by ascending id */
    uint64_t *dirty;                 /* bit per peer: there may be something to send */
    uint32_t cursor;                 /* where sending goes on */
    uint64_t term_start_index;       /* our no-op */
    uint64_t beat;                   /* the newest: given to everything we send */
    uint64_t heartbeat;              /* the beat that everybody gets; voters get every beat */
    uint64_t heartbeat_due_ns;
    uint64_t gone_until_ns;
    bool recount; /* something arrived that may move the commit index */
};

/* snapshot.c */
struct raft_receiving {
    uint64_t from; /* 0: none under way */
    uint64_t index, term, total_size, offset;
    bool complete; /* the caller installs it */
};

struct raft_snapshot {
    uint64_t index, term, total_size;
};

/* read.c */
enum raft_read_state { RAFT_READ_WAITS, RAFT_READ_ASKED, RAFT_READ_FORWARDED, RAFT_READ_ANSWERED, RAFT_READ_FAILED };

struct raft_reading {
    uint64_t token;
    uint64_t from; /* 0: our caller; else the member that forwarded it */
    uint64_t beat;
    uint64_t index;
    uint64_t deadline_ns;
    uint64_t wire_token; /* what a forwarded one is called on the wire; never used twice */
    enum raft_read_state state;
};

struct raft_reads {
    uint32_t count, count_max;
    struct raft_reading *list;
    uint64_t round_beat; /* the round under way; 0: none */
    uint64_t next_wire_token;
};

/* transfer.c */
struct raft_handover {
    uint64_t to; /* 0: none under way */
    uint64_t deadline_ns;
    uint64_t asked_heartbeat; /* the heartbeat with which it was asked last; 0: not yet */
};

struct raft {
    struct raft_config config;
    struct prng prng;
    uint64_t now_ns;
    bool started;
    bool forgot;           /* our disk lacks what we acknowledged: we promise nothing any more */
    bool more;             /* messages or answers found no room in the last output */
    bool restore_discards; /* the log on disk parted from the snapshot: what follows is void */

    uint64_t term, vote, leader;
    enum raft_role role;
    struct raft_trail trail;
    uint64_t commit_index;          /* as far as we know; our disk may be behind */
    uint64_t told_index;            /* as put out */
    uint64_t configuration_settled; /* index of the newest member list that must be committed, since another followed */
    uint64_t configuration_noted;   /* index of the newest one that we said is committed */

    struct raft_configuration in_force, previous, scratch; /* previous.count 0: not known */
    struct raft_electorate electorate;
    struct raft_storage storage;
    struct raft_election election;
    struct raft_following following;
    struct raft_progress progress;
    struct raft_snapshot snapshot;
    struct raft_receiving receiving;
    struct raft_reads reads;
    struct raft_handover handover;
};

/* ---- output.c: what goes out ---- */
void raft_note(struct raft_output *output, enum raft_note_kind kind, uint64_t subject, uint64_t detail);
bool raft_output_room(const struct raft_output *output);
/* Needs room; fills in sender and term. */
struct raft_message *raft_message_add(struct raft *raft, struct raft_output *output, enum raft_message_kind kind,
                                      uint64_t to);

/* ---- storage.c ---- */
void raft_storage_hard(struct raft *raft); /* term or vote changed */
bool raft_storage_hard_is_durable(const struct raft *raft);
void raft_storage_truncate(struct raft *raft, uint64_t from, struct raft_output *output);
/* Appends an entry; a configuration is in force at once. `payload` is read for a configuration only. */
void raft_storage_append(struct raft *raft, struct raft_entry entry, struct bytes payload, struct raft_output *output);
void raft_storage_replace(struct raft *raft, uint64_t index, uint64_t term); /* by a snapshot that is durable */
void raft_storage_stored(struct raft *raft, struct raft_ticket ticket);
void raft_storage_put_out(struct raft *raft, struct raft_output *output);

/* ---- election.c ---- */
void raft_election_rearm(struct raft *raft);
bool raft_election_may_campaign(const struct raft *raft);
bool raft_election_leased(const struct raft *raft);
/* Follows `leader` (0: nobody known) in `term`, which is not older than ours. */
void raft_election_follow(struct raft *raft, uint64_t term, uint64_t leader, struct raft_output *output);
void raft_election_begin(struct raft *raft, struct raft_output *output);
void raft_election_campaign(struct raft *raft, bool transfer, struct raft_output *output);
void raft_election_on_hard_stored(struct raft *raft, struct raft_output *output);
void raft_election_on_lost(struct raft *raft, uint64_t id);
void raft_election_on_time(struct raft *raft, struct raft_output *output);
enum raft_verdict raft_election_on_request(struct raft *raft, const struct raft_message *message,
                                           struct raft_output *output);
enum raft_verdict raft_election_on_response(struct raft *raft, const struct raft_message *message,
                                            struct raft_output *output);
enum raft_verdict raft_election_on_timeout_now(struct raft *raft, const struct raft_message *message,
                                               struct raft_output *output);

/* ---- append.c ---- */
uint64_t raft_append_verified(const struct raft *raft); /* up to here our log cannot differ from the leader's */
enum raft_verdict raft_append_accept_leader(struct raft *raft, uint64_t from, struct raft_output *output);
enum raft_verdict raft_append_on_request(struct raft *raft, const struct raft_message *message,
                                         struct raft_output *output);
void raft_append_refuse_old_term(struct raft *raft, const struct raft_message *message, struct raft_output *output);
void raft_append_on_stored(struct raft *raft, struct raft_output *output);
void raft_append_reply(struct raft *raft, struct raft_output *output);

/* ---- progress.c ---- */
struct raft_peer *raft_progress_find(const struct raft *raft, uint64_t id);
void raft_progress_touch(struct raft *raft, const struct raft_peer *peer);
void raft_progress_touch_all(struct raft *raft);
void raft_progress_lead(struct raft *raft, struct raft_output *output);
void raft_progress_resign(struct raft *raft, struct raft_output *output);
void raft_progress_rebuild(struct raft *raft);
/* It answered: `beat` is the newest it has seen of us. */
void raft_progress_hear(struct raft *raft, struct raft_peer *peer, uint64_t beat);
void raft_progress_probe(struct raft *raft, struct raft_peer *peer, uint64_t next_index, struct raft_output *output);
void raft_progress_stream(struct raft *raft, struct raft_peer *peer, struct raft_output *output);
enum raft_verdict raft_progress_on_response(struct raft *raft, const struct raft_message *message,
                                            struct raft_output *output);
void raft_progress_on_time(struct raft *raft, struct raft_output *output);
void raft_progress_count(struct raft *raft);
void raft_progress_send(struct raft *raft, struct raft_output *output);

/* ---- quorum.c: questions to the electorate ---- */
enum raft_quorum_of { RAFT_QUORUM_MATCH, RAFT_QUORUM_BEAT, RAFT_QUORUM_HEARD };
uint64_t raft_quorum(const struct raft *raft, enum raft_quorum_of what);
bool raft_quorum_granted(const struct raft *raft);

/* ---- membership.c ---- */
/* A configuration entered the log at `index`; `payload` was read successfully before. */
void raft_membership_adopt(struct raft *raft, uint64_t index, struct bytes payload, struct raft_output *output);
void raft_membership_roll_back(struct raft *raft, uint64_t from, struct raft_output *output);
void raft_membership_replace(struct raft *raft, uint64_t index, struct raft_output *output); /* by scratch */
void raft_membership_count_voters(struct raft *raft);
enum raft_verdict raft_membership_change(struct raft *raft, const struct raft_change *changes, uint32_t count,
                                         struct raft_output *output);
void raft_membership_advance(struct raft *raft, struct raft_output *output);

/* ---- snapshot.c ---- */
void raft_snapshot_begin(struct raft *raft, struct raft_peer *peer, struct raft_output *output);
bool raft_snapshot_send(struct raft *raft, struct raft_peer *peer, struct raft_output *output);
void raft_snapshot_on_heartbeat(struct raft *raft, struct raft_peer *peer);
enum raft_verdict raft_snapshot_on_request(struct raft *raft, const struct raft_message *message,
                                           struct raft_output *output);
void raft_snapshot_installed(struct raft *raft, struct raft_output *output); /* its member list is in scratch */
void raft_snapshot_refused(struct raft *raft, struct raft_output *output);
enum raft_verdict raft_snapshot_on_response(struct raft *raft, const struct raft_message *message,
                                            struct raft_output *output);

/* ---- read.c ---- */
enum raft_verdict raft_read_begin(struct raft *raft, uint64_t token, struct raft_output *output);
enum raft_verdict raft_read_on_request(struct raft *raft, const struct raft_message *message);
enum raft_verdict raft_read_on_response(struct raft *raft, const struct raft_message *message);
void raft_read_leader_changed(struct raft *raft);
void raft_read_on_time(struct raft *raft);
void raft_read_advance(struct raft *raft);
void raft_read_put_out(struct raft *raft, struct raft_output *output);
uint64_t raft_read_deadline_ns(const struct raft *raft);

/* ---- transfer.c ---- */
enum raft_verdict raft_transfer_begin(struct raft *raft, uint64_t to, struct raft_output *output);
uint64_t raft_transfer_best(const struct raft *raft);
void raft_transfer_advance(struct raft *raft, struct raft_output *output);
void raft_transfer_on_time(struct raft *raft, struct raft_output *output);

/* ---- validate.c ---- */
bool raft_message_is_possible(struct raft *raft, const struct raft_message *message); /* uses scratch */

#endif
