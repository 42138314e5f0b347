/* check.c -- the invariants of state.h. */
#include "raft/state.h"

static void check_leader(const struct raft *raft)
{
    const struct raft_progress *progress = &raft->progress;

    CHECK(raft->leader == raft->config.id && raft->vote == raft->config.id); /* (3) */
    CHECK(raft_trail_last_term(&raft->trail) == raft->term);                 /* (3) */
    CHECK(progress->term_start_index <= raft->trail.last_index);             /* (3) */
    CHECK(progress->heartbeat <= progress->beat && progress->count <= progress->count_max);
    CHECK((progress->count > 0) == (progress->heartbeat_due_ns != RAFT_NEVER));
    for (uint32_t i = 0; i < progress->count; i++) {
        const struct raft_peer *peer = &progress->peers[i];
        CHECK(peer->id != raft->config.id && (i == 0 || progress->peers[i - 1].id < peer->id));
        CHECK(peer->match_index < peer->next_index);           /* (5) */
        CHECK(peer->next_index <= raft->trail.last_index + 1); /* (5) */
        CHECK(peer->beat_heard <= progress->beat && peer->beat_told <= progress->beat);
        CHECK(peer->sending.offset <= peer->sending.sent_offset);
        CHECK(peer->sending.sent_offset <= peer->sending.total_size);
    }
}

void raft_check(const struct raft *raft)
{
    const struct raft_storage *storage = &raft->storage;

    raft_trail_check(&raft->trail);
    raft_configuration_check(&raft->in_force);
    raft_configuration_check(&raft->previous);
    prng_check(&raft->prng);
    CHECK(raft->trail.base_index <= raft->told_index);      /* (1) */
    CHECK(raft->told_index <= raft->commit_index);          /* (1) */
    CHECK(raft->commit_index <= raft->trail.last_index);    /* (1) */
    CHECK(raft->told_index <= storage->stored_index);       /* (1) */
    CHECK(storage->stored_index <= raft->trail.last_index); /* (1) */
    CHECK(storage->stored_sequence <= storage->sequence);
    CHECK(storage->hard_sequence <= storage->sequence && storage->cut_sequence <= storage->sequence);
    CHECK(raft_trail_last_term(&raft->trail) <= raft->term);              /* (2) */
    CHECK(raft->role != RAFT_CANDIDATE || raft->vote == raft->config.id); /* (3) */
    const bool campaigns = raft->role == RAFT_PRE_CANDIDATE || raft->role == RAFT_CANDIDATE;
    CHECK(!campaigns || (raft_election_may_campaign(raft) && raft->leader == 0));    /* (4) */
    CHECK(raft->previous.count == 0 || raft->previous.index < raft->in_force.index); /* (6) */
    CHECK(raft->in_force.index <= raft->trail.last_index);                           /* (6) */
    CHECK(!raft->receiving.complete || raft->role == RAFT_FOLLOWER);                 /* (7) */
    CHECK(raft->receiving.offset <= raft->receiving.total_size);
    CHECK(raft->following.acked_index <= storage->stored_index); /* (8) */
    CHECK(raft->reads.count <= raft->reads.count_max);
    if (raft->role == RAFT_LEADER) check_leader(raft);
}
