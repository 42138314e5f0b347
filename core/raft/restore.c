/* restore.c -- from what the disk says to a state that may start.
 *
 * The caller replays its writes in their order, over its newest snapshot. What lies below the snapshot is passed over,
 * except that the entry at the snapshot's own index must be of the snapshot's term: if it is not, the log on disk is
 * one that the snapshot replaced, and nothing of it counts until a truncation (the install's own write makes one). */
#include "raft/state.h"

enum raft_verdict raft_restore_snapshot(struct raft *raft, uint64_t index, uint64_t term, uint64_t total_size,
                                        struct bytes configuration)
{
    CHECK(!raft->started && raft->trail.last_index == 0 && raft->term == 0);
    if (index == 0 || index >= RAFT_NUMBER_MAX || term == 0 || term >= RAFT_NUMBER_MAX) return RAFT_CORRUPT;
    if (total_size == 0 || total_size >= RAFT_NUMBER_MAX) return RAFT_CORRUPT;
    if (raft_configuration_read(&raft->in_force, configuration) != RAFT_CONFIGURATION_GOOD) return RAFT_CORRUPT;
    raft->in_force.index = index;
    raft->configuration_settled = index;
    raft->snapshot = (struct raft_snapshot){ index, term, total_size };
    raft_trail_reset(&raft->trail, index, term);
    raft->commit_index = index;
    raft->told_index = index;
    return RAFT_ACCEPTED;
}

enum raft_verdict raft_restore_hard_state(struct raft *raft, uint64_t term, uint64_t vote)
{
    CHECK(!raft->started);
    if (term < raft->term || term >= RAFT_NUMBER_MAX) return RAFT_CORRUPT;
    if (term == raft->term && raft->vote != 0 && vote != raft->vote) return RAFT_CORRUPT;
    raft->term = term;
    raft->vote = vote;
    return RAFT_ACCEPTED;
}

enum raft_verdict raft_restore_truncate(struct raft *raft, uint64_t from)
{
    struct raft_output *const nobody = NULL;

    CHECK(!raft->started);
    if (from == 0 || from >= RAFT_NUMBER_MAX) return RAFT_CORRUPT;
    raft->restore_discards = false;
    const uint64_t first = MAX(from, raft->snapshot.index + 1);
    if (first > raft->trail.last_index) return RAFT_ACCEPTED;
    if (first <= raft->configuration_settled) return RAFT_CORRUPT;
    raft_trail_truncate(&raft->trail, first);
    raft_membership_roll_back(raft, first, nobody);
    return RAFT_ACCEPTED;
}

enum raft_verdict raft_restore_entry(struct raft *raft, uint64_t index, uint8_t kind, uint64_t term,
                                     struct bytes payload)
{
    struct raft_output *const nobody = NULL;
    const struct raft_entry entry = { .term = term, .size = payload.size, .kind = kind };

    CHECK(!raft->started);
    if (index == 0 || index >= RAFT_NUMBER_MAX || term == 0 || term > raft->term) return RAFT_CORRUPT;
    if (kind < RAFT_ENTRY_DATA || kind > RAFT_ENTRY_CONFIGURATION) return RAFT_CORRUPT;
    if (index == raft->snapshot.index) raft->restore_discards = term != raft->snapshot.term;
    if (index <= raft->snapshot.index || raft->restore_discards) return RAFT_ACCEPTED;
    /* A log that begins behind its snapshot has lost what lies between. */
    if (index > raft->trail.last_index + 1 && MUTANT(M62)) raft_trail_reset(&raft->trail, index - 1, 0);
    if (index != raft->trail.last_index + 1) return RAFT_CORRUPT;
    if (term < raft_trail_last_term(&raft->trail)) return RAFT_CORRUPT;
    if (raft_trail_room(&raft->trail) == 0) return RAFT_FULL;
    if (kind == RAFT_ENTRY_CONFIGURATION &&
        raft_configuration_read(&raft->scratch, payload) != RAFT_CONFIGURATION_GOOD) {
        return RAFT_CORRUPT;
    }
    raft_trail_append(&raft->trail, entry);
    if (kind == RAFT_ENTRY_CONFIGURATION) raft_membership_adopt(raft, index, payload, nobody);
    return RAFT_ACCEPTED;
}

void raft_restore_id(struct raft *raft, uint64_t id)
{
    CHECK(!raft->started && id != 0);
    raft->config.id = id;
}

enum raft_verdict raft_found(struct raft *raft, const struct raft_change *founders, uint32_t count)
{
    struct raft_output *const nobody = NULL;

    CHECK(!raft->started);
    switch (raft_configuration_found(&raft->scratch, founders, count)) {
    case RAFT_CONFIGURATION_GOOD: break;
    case RAFT_CONFIGURATION_MALFORMED: return RAFT_UNKNOWN;
    case RAFT_CONFIGURATION_UNKNOWN: return RAFT_UNKNOWN;
    case RAFT_CONFIGURATION_EMPTY: return RAFT_EMPTY;
    case RAFT_CONFIGURATION_FULL: return RAFT_TOO_LARGE;
    }
    if (raft_trail_room(&raft->trail) < 2) return RAFT_FULL;
    raft->storage.stored_index = raft->trail.last_index; /* what follows is still to be written */
    raft->term++;
    raft->vote = 0;
    raft_storage_hard(raft);
    const struct raft_entry entry = { .term = raft->term,
                                      .size = raft->scratch.size,
                                      .kind = RAFT_ENTRY_CONFIGURATION };
    raft_storage_append(raft, entry, (struct bytes){ raft->scratch.bytes, raft->scratch.size }, nobody);
    raft->storage.pending.own_payload = (struct bytes){ raft->in_force.bytes, raft->in_force.size };
    return RAFT_ACCEPTED;
}

void raft_start(struct raft *raft, uint64_t now_ns, struct raft_output *output)
{
    CHECK(!raft->started);
    if (raft->storage.pending.entry_count == 0) raft->storage.stored_index = raft->trail.last_index;
    if (raft->restore_discards)
        raft->storage.pending.truncate_from = raft->snapshot.index + 1; /* for the next replay */
    raft->restore_discards = false;
    raft->started = true;
    raft->now_ns = now_ns;
    raft_membership_count_voters(raft);
    raft_election_rearm(raft);
    if (raft->electorate.sole) raft->election.deadline_ns = now_ns; /* nobody else could lead */
    raft_on_time(raft, now_ns, output);
}
