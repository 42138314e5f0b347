/* canonical.h -- canonical/raft 0.15 as a second engine behind the doors of raft/raft.h.
 *
 * It is the reference that our engine is held against, and, without its guards, the negative control of the judge: as
 * shipped it loses what it acknowledged. canonical_x does what raft.h says of raft_x; seam.c makes the one the other
 * for a server that is built with it. Where raft.h has more than the library can, this is what it comes to:
 *
 *   changes    One server at a time: several changes of one call are made one after the other, each an entry that is
 *              committed before the next begins, while we lead; additions first. A voter becomes a learner by being
 *              removed and added. An address cannot be changed. RAFT_BUSY while one is under way, and for a leader's
 *              own vote: hand over first.
 *   reads      Wait for the next entry of the leader's own to be committed, a barrier if nothing else comes.
 *   proposals  Stop and wait: RAFT_FULL while anything is not committed.
 *   snapshots  Chunks are put together here; the library hears of a snapshot when it is durable.
 *   transfer   Asked once.
 *   time       The library polls: half a heartbeat is the tick, and a leader that hears nobody may lead for up to
 *              twice the election timeout. */
#ifndef CHRONIK_RAFT_CANONICAL_CANONICAL_H
#define CHRONIK_RAFT_CANONICAL_CANONICAL_H

#include "raft/raft.h"

/* What an adapter must do to make the library keep Raft's promises, each with the defect that it fences. */
enum canonical_guard {
    /* It campaigns with, compares, and is configured by entries that its disk may still lose, and by a snapshot that
     * is being installed: while a write is under way whatever else comes is held back, in order. */
    CANONICAL_HOLD = 1,
    /* It commits entries of older terms by counting replicas (Raft, figure 8), and changes members before its own
     * term has committed anything: a barrier opens each term, and nothing else is done before that is committed. */
    CANONICAL_BARRIER = 2,
    /* A follower acknowledges all that its disk has, not what the leader has shown it to equal: acknowledgements, and
     * the commit index that comes in, are cut to that. */
    CANONICAL_CLAMP = 4,
    /* Who was handing leadership over votes for the target although it has voted for somebody else in that term. */
    CANONICAL_VOTE = 8,
    /* Snapshots hold the list in force, committed or not; rolling back a list reads an entry that compaction has
     * dropped (a crash); a restart takes the newest list for committed: we keep the lists, and roll back ourselves. */
    CANONICAL_CONF = 16,
    /* Only an entry at the very end of the log is counted: under load nothing is committed. */
    CANONICAL_WINDOW = 32,
    /* Messages are believed: lengths, types, terms, entries from before the snapshot. */
    CANONICAL_VALIDATE = 64,
    /* Memory goes to the wire and to the disk that nobody wrote. */
    CANONICAL_ZERO = 128,
    /* A refused pre-vote carries the candidate's own term, so that one with an old term never learns. */
    CANONICAL_PREVOTE = 256,
    /* A node whose own list is too old to have it as a voter gives no vote, and never forgets a leader. */
    CANONICAL_NVOTE = 512,
    /* A sole voter that starts, or is left over, leads without a new term: in the one that somebody else led. */
    CANONICAL_TERM = 1024,

    CANONICAL_ALL = 2047,
};

/* Between canonical_init and canonical_start; without it, all. */
void canonical_set_guards(struct raft *raft, uint32_t guards);

size_t canonical_size(const struct raft_config *config);
void canonical_init(struct raft *raft, const struct raft_config *config);
enum raft_verdict canonical_restore_snapshot(struct raft *raft, uint64_t index, uint64_t term, uint64_t total_size,
                                             struct bytes configuration);
enum raft_verdict canonical_restore_hard_state(struct raft *raft, uint64_t term, uint64_t vote);
enum raft_verdict canonical_restore_truncate(struct raft *raft, uint64_t from);
enum raft_verdict canonical_restore_entry(struct raft *raft, uint64_t index, uint8_t kind, uint64_t term,
                                          struct bytes payload);
void canonical_restore_id(struct raft *raft, uint64_t id);
enum raft_verdict canonical_found(struct raft *raft, const struct raft_change *founders, uint32_t count);
void canonical_start(struct raft *raft, uint64_t now_ns, struct raft_output *output);

void canonical_on_time(struct raft *raft, uint64_t now_ns, struct raft_output *output);
enum raft_verdict canonical_on_message(struct raft *raft, uint64_t now_ns, const struct raft_message *message,
                                       struct raft_output *output);
void canonical_on_stored(struct raft *raft, uint64_t now_ns, struct raft_ticket ticket, struct raft_output *output);
bool canonical_on_snapshot_installed(struct raft *raft, uint64_t now_ns, struct bytes configuration,
                                     struct raft_output *output);
void canonical_on_snapshot_refused(struct raft *raft, uint64_t now_ns, struct raft_output *output);

enum raft_verdict canonical_propose(struct raft *raft, uint64_t now_ns, const uint32_t *sizes, uint32_t count,
                                    struct raft_output *output);
enum raft_verdict canonical_change(struct raft *raft, uint64_t now_ns, const struct raft_change *changes,
                                   uint32_t count, struct raft_output *output);
enum raft_verdict canonical_read(struct raft *raft, uint64_t now_ns, uint64_t token, struct raft_output *output);
enum raft_verdict canonical_transfer(struct raft *raft, uint64_t now_ns, uint64_t to, struct raft_output *output);
void canonical_on_snapshot_taken(struct raft *raft, uint64_t index, uint64_t total_size);
void canonical_compact(struct raft *raft, uint64_t index);

uint64_t canonical_deadline_ns(const struct raft *raft);
uint64_t canonical_id(const struct raft *raft);
bool canonical_is_started(const struct raft *raft);
uint64_t canonical_stored_index(const struct raft *raft);
bool canonical_vote_is_durable(const struct raft *raft);
bool canonical_snapshot_is_arriving(const struct raft *raft);
bool canonical_has_forgotten(const struct raft *raft); /* never: its leaders do not say what they were told */
enum raft_role canonical_role(const struct raft *raft);
uint64_t canonical_term(const struct raft *raft);
uint64_t canonical_vote(const struct raft *raft);
uint64_t canonical_leader(const struct raft *raft);
uint64_t canonical_commit_index(const struct raft *raft);
uint64_t canonical_last_index(const struct raft *raft);
uint64_t canonical_first_index(const struct raft *raft);
struct raft_entry canonical_entry(const struct raft *raft, uint64_t index);
uint64_t canonical_term_at(const struct raft *raft, uint64_t index);
const struct raft_configuration *canonical_configuration(const struct raft *raft);
bool canonical_configuration_is_committed(const struct raft *raft);
const struct raft_configuration *canonical_configuration_at(const struct raft *raft, uint64_t index);
bool canonical_snapshot_needed(const struct raft *raft, uint64_t index);
bool canonical_peer(const struct raft *raft, uint64_t id, struct raft_peer_view *view);
void canonical_check(const struct raft *raft);

#endif
