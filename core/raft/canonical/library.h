/* library.h -- canonical/raft's own header, with its names out of the way of ours.
 *
 * Both speak of raft_message and RAFT_LEADER and mean different things. What the library calls raft_x is libraft_x
 * here, and so are its symbols in the copy of its archive that we link (library.sh renames them). Only what this room
 * uses is named. Bound to 0.15: the guards reach into its structures. */
#ifndef CHRONIK_RAFT_CANONICAL_LIBRARY_H
#define CHRONIK_RAFT_CANONICAL_LIBRARY_H

#define raft libraft
#define raft_add libraft_add
#define raft_apply libraft_apply
#define raft_assign libraft_assign
#define raft_barrier libraft_barrier
#define raft_calloc libraft_calloc
#define raft_change libraft_change
#define raft_configuration libraft_configuration
#define raft_configuration_add libraft_configuration_add
#define raft_configuration_close libraft_configuration_close
#define raft_configuration_init libraft_configuration_init
#define raft_entry libraft_entry
#define raft_free libraft_free
#define raft_heap_set libraft_heap_set
#define raft_id libraft_id
#define raft_index libraft_index
#define raft_init libraft_init
#define raft_last_index libraft_last_index
#define raft_leader libraft_leader
#define raft_malloc libraft_malloc
#define raft_message libraft_message
#define raft_remove libraft_remove
#define raft_set_election_timeout libraft_set_election_timeout
#define raft_set_heartbeat_timeout libraft_set_heartbeat_timeout
#define raft_set_install_snapshot_timeout libraft_set_install_snapshot_timeout
#define raft_set_pre_vote libraft_set_pre_vote
#define raft_set_snapshot_threshold libraft_set_snapshot_threshold
#define raft_snapshot libraft_snapshot
#define raft_start libraft_start
#define raft_term libraft_term
#define raft_transfer libraft_transfer
#define RAFT_CANDIDATE LIBRAFT_CANDIDATE
#define RAFT_FOLLOWER LIBRAFT_FOLLOWER
#define RAFT_LEADER LIBRAFT_LEADER
#define RAFT_UNAVAILABLE LIBRAFT_UNAVAILABLE
#define RAFT_BARRIER LIBRAFT_BARRIER
#define RAFT_CHANGE LIBRAFT_CHANGE
#define RAFT_COMMAND LIBRAFT_COMMAND

#include <raft.h>

#undef raft
#undef raft_add
#undef raft_apply
#undef raft_assign
#undef raft_barrier
#undef raft_calloc
#undef raft_change
#undef raft_configuration
#undef raft_configuration_add
#undef raft_configuration_close
#undef raft_configuration_init
#undef raft_entry
#undef raft_free
#undef raft_heap_set
#undef raft_id
#undef raft_index
#undef raft_init
#undef raft_last_index
#undef raft_leader
#undef raft_malloc
#undef raft_message
#undef raft_remove
#undef raft_set_election_timeout
#undef raft_set_heartbeat_timeout
#undef raft_set_install_snapshot_timeout
#undef raft_set_pre_vote
#undef raft_set_snapshot_threshold
#undef raft_snapshot
#undef raft_start
#undef raft_term
#undef raft_transfer
#undef RAFT_CANDIDATE
#undef RAFT_FOLLOWER
#undef RAFT_LEADER
#undef RAFT_UNAVAILABLE
#undef RAFT_BARRIER
#undef RAFT_CHANGE
#undef RAFT_COMMAND

enum {
    LIBRAFT_STANDBY = RAFT_STANDBY, /* a learner */
    LIBRAFT_VOTER = RAFT_VOTER,
    LIBRAFT_SPARE = RAFT_SPARE, /* a member that gets nothing: what raft_add() makes */
};

#undef RAFT_STANDBY
#undef RAFT_VOTER
#undef RAFT_SPARE
#undef RAFT_BUSY
#undef RAFT_CORRUPT

/* Of its inside: records that a snapshot covers the log up to last_index, and drops all but `trailing` entries
 * before it. */
void logSnapshot(struct raft_log *log, libraft_index last_index, unsigned trailing);

/* raft_progress.state (its progress.h). */
enum { LIBRAFT_PROBE, LIBRAFT_PIPELINE, LIBRAFT_SENDING };

#endif
