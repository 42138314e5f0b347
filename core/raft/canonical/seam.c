/* seam.c -- raft_x is canonical_x: the doors of raft/raft.h for a server that is built with -Draft=canonical. Ours are
 * not in that build. */
#include "raft/canonical/canonical.h"

size_t raft_size(const struct raft_config *config)
{
    return canonical_size(config);
}

void raft_init(struct raft *raft, const struct raft_config *config)
{
    canonical_init(raft, config);
}

enum raft_verdict raft_restore_snapshot(struct raft *raft, uint64_t index, uint64_t term, uint64_t total_size,
                                        struct bytes configuration)
{
    return canonical_restore_snapshot(raft, index, term, total_size, configuration);
}

enum raft_verdict raft_restore_hard_state(struct raft *raft, uint64_t term, uint64_t vote)
{
    return canonical_restore_hard_state(raft, term, vote);
}

enum raft_verdict raft_restore_truncate(struct raft *raft, uint64_t from)
{
    return canonical_restore_truncate(raft, from);
}

enum raft_verdict raft_restore_entry(struct raft *raft, uint64_t index, uint8_t kind, uint64_t term,
                                     struct bytes payload)
{
    return canonical_restore_entry(raft, index, kind, term, payload);
}

void raft_restore_id(struct raft *raft, uint64_t id)
{
    canonical_restore_id(raft, id);
}

enum raft_verdict raft_found(struct raft *raft, const struct raft_change *founders, uint32_t count)
{
    return canonical_found(raft, founders, count);
}

void raft_start(struct raft *raft, uint64_t now_ns, struct raft_output *output)
{
    canonical_start(raft, now_ns, output);
}

void raft_on_time(struct raft *raft, uint64_t now_ns, struct raft_output *output)
{
    canonical_on_time(raft, now_ns, output);
}

enum raft_verdict raft_on_message(struct raft *raft, uint64_t now_ns, const struct raft_message *message,
                                  struct raft_output *output)
{
    return canonical_on_message(raft, now_ns, message, output);
}

void raft_on_stored(struct raft *raft, uint64_t now_ns, struct raft_ticket ticket, struct raft_output *output)
{
    canonical_on_stored(raft, now_ns, ticket, output);
}

bool raft_on_snapshot_installed(struct raft *raft, uint64_t now_ns, struct bytes configuration,
                                struct raft_output *output)
{
    return canonical_on_snapshot_installed(raft, now_ns, configuration, output);
}

void raft_on_snapshot_refused(struct raft *raft, uint64_t now_ns, struct raft_output *output)
{
    canonical_on_snapshot_refused(raft, now_ns, output);
}

enum raft_verdict raft_propose(struct raft *raft, uint64_t now_ns, const uint32_t *sizes, uint32_t count,
                               struct raft_output *output)
{
    return canonical_propose(raft, now_ns, sizes, count, output);
}

enum raft_verdict raft_change(struct raft *raft, uint64_t now_ns, const struct raft_change *changes, uint32_t count,
                              struct raft_output *output)
{
    return canonical_change(raft, now_ns, changes, count, output);
}

enum raft_verdict raft_read(struct raft *raft, uint64_t now_ns, uint64_t token, struct raft_output *output)
{
    return canonical_read(raft, now_ns, token, output);
}

void raft_on_lost(struct raft *raft, uint64_t now_ns, uint64_t id)
{
    (void)raft, (void)now_ns, (void)id; /* the library waits as long for all */
}

enum raft_verdict raft_transfer(struct raft *raft, uint64_t now_ns, uint64_t to, struct raft_output *output)
{
    return canonical_transfer(raft, now_ns, to, output);
}

void raft_on_snapshot_taken(struct raft *raft, uint64_t index, uint64_t total_size)
{
    canonical_on_snapshot_taken(raft, index, total_size);
}

void raft_compact(struct raft *raft, uint64_t index)
{
    canonical_compact(raft, index);
}

uint64_t raft_deadline_ns(const struct raft *raft)
{
    return canonical_deadline_ns(raft);
}

enum raft_role raft_role(const struct raft *raft)
{
    return canonical_role(raft);
}

uint64_t raft_term(const struct raft *raft)
{
    return canonical_term(raft);
}

uint64_t raft_vote(const struct raft *raft)
{
    return canonical_vote(raft);
}

bool raft_vote_is_durable(const struct raft *raft)
{
    return canonical_vote_is_durable(raft);
}

uint64_t raft_leader(const struct raft *raft)
{
    return canonical_leader(raft);
}

uint64_t raft_commit_index(const struct raft *raft)
{
    return canonical_commit_index(raft);
}

uint64_t raft_last_index(const struct raft *raft)
{
    return canonical_last_index(raft);
}

uint64_t raft_first_index(const struct raft *raft)
{
    return canonical_first_index(raft);
}

struct raft_entry raft_entry(const struct raft *raft, uint64_t index)
{
    return canonical_entry(raft, index);
}

uint64_t raft_term_at(const struct raft *raft, uint64_t index)
{
    return canonical_term_at(raft, index);
}

const struct raft_configuration *raft_configuration(const struct raft *raft)
{
    return canonical_configuration(raft);
}

bool raft_configuration_is_committed(const struct raft *raft)
{
    return canonical_configuration_is_committed(raft);
}

const struct raft_configuration *raft_configuration_at(const struct raft *raft, uint64_t index)
{
    return canonical_configuration_at(raft, index);
}

bool raft_snapshot_needed(const struct raft *raft, uint64_t index)
{
    return canonical_snapshot_needed(raft, index);
}

bool raft_peer(const struct raft *raft, uint64_t id, struct raft_peer_view *view)
{
    return canonical_peer(raft, id, view);
}

void raft_check(const struct raft *raft)
{
    canonical_check(raft);
}

uint64_t raft_id(const struct raft *raft)
{
    return canonical_id(raft);
}

bool raft_is_started(const struct raft *raft)
{
    return canonical_is_started(raft);
}

uint64_t raft_stored_index(const struct raft *raft)
{
    return canonical_stored_index(raft);
}

bool raft_has_forgotten(const struct raft *raft)
{
    return canonical_has_forgotten(raft);
}

bool raft_snapshot_is_arriving(const struct raft *raft)
{
    return canonical_snapshot_is_arriving(raft);
}
