/* raft_engine.h -- which of the Raft engines a simulated member runs.
 *
 * Both have the doors of raft/raft.h, and here they are one beside the other in one program. What else may be asked
 * of an engine is what the judge has to know of it, and which of its guards are on. */
#ifndef CHRONIK_SIM_RAFT_ENGINE_H
#define CHRONIK_SIM_RAFT_ENGINE_H

#include "raft/raft.h"

/* X(door): all of raft/raft.h. */
/* clang-format off */
#define EACH_RAFT_DOOR(X) \
    X(size) X(init) X(restore_snapshot) X(restore_hard_state) X(restore_truncate) X(restore_entry) X(found) X(start) \
    X(on_time) X(on_message) X(on_stored) X(on_snapshot_installed) X(on_snapshot_refused) \
    X(propose) X(change) X(read) X(transfer) X(on_snapshot_taken) X(compact) \
    X(deadline_ns) X(id) X(is_started) X(stored_index) X(snapshot_is_arriving) X(has_forgotten) \
    X(role) X(term) X(vote) X(leader) X(commit_index) X(last_index) X(first_index) X(entry) X(term_at) \
    X(configuration) X(configuration_is_committed) X(configuration_at) X(snapshot_needed) X(peer) X(check)
/* clang-format on */

struct raft_engine {
    const char *name;
    bool joint;   /* several changes of members in one step */
    bool recalls; /* its leaders hold members to what they acknowledged */
    bool leased;  /* a leader that hears no majority steps down within an election timeout and two heartbeats */
    void (*set_guards)(struct raft *raft, uint32_t guards); /* between init and start; NULL: it has none */
#define X(door) __typeof__(raft_##door) *door;
    EACH_RAFT_DOOR(X)
#undef X
};

extern const struct raft_engine raft_engine_ours;

/* Ours, or canonical/raft. NULL: not in this build. */
const struct raft_engine *raft_engine_named(const char *name);

#endif
