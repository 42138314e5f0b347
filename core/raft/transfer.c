/* transfer.c -- leadership is handed to a chosen voter (Raft 3.10).
 *
 * While it lasts nothing is proposed, so that the target can catch up. When it holds everything, durably, it is told to
 * campaign at once, and told again with every heartbeat until somebody leads a newer term or time is up. */
#include "raft/state.h"

/* The new voter that holds most and answered lately; 0: nobody. */
uint64_t raft_transfer_best(const struct raft *raft)
{
    const struct raft_peer *best = NULL;

    for (uint32_t i = 0; i < raft->electorate.count[0]; i++) {
        const uint32_t slot = raft->electorate.slots[0][i];
        if (slot >= raft->progress.count) continue; /* ourselves, or not known */
        const struct raft_peer *peer = &raft->progress.peers[slot];
        const bool lately = raft->now_ns - peer->heard_ns < raft->config.election_timeout_ns;
        if (lately && !peer->forgot && (best == NULL || peer->match_index > best->match_index)) best = peer;
    }
    return best == NULL ? 0 : best->id;
}

enum raft_verdict raft_transfer_begin(struct raft *raft, uint64_t to, struct raft_output *output)
{
    if (raft->role != RAFT_LEADER) return RAFT_NOT_LEADER;
    if (raft->handover.to != 0) return raft->handover.to == to ? RAFT_ACCEPTED : RAFT_BUSY;
    const uint64_t target = to == 0 ? raft_transfer_best(raft) : to;
    const struct raft_peer *peer = raft_progress_find(raft, target);
    if (peer == NULL || (peer->flags & RAFT_VOTER) == 0) return RAFT_UNKNOWN;
    if (peer->state == RAFT_SENDING_SNAPSHOT || peer->forgot) return RAFT_BEHIND;
    raft->handover = (struct raft_handover){
        .to = target,
        .deadline_ns = raft->now_ns + raft->config.election_timeout_ns,
    };
    raft_note(output, RAFT_NOTE_TRANSFER_BEGUN, target, raft->term);
    return RAFT_ACCEPTED;
}

void raft_transfer_on_time(struct raft *raft, struct raft_output *output)
{
    struct raft_handover *handover = &raft->handover;

    if (handover->to == 0 || raft->now_ns < handover->deadline_ns) return;
    raft_note(output, RAFT_NOTE_TRANSFER_FAILED, handover->to, raft->term);
    handover->to = 0;
}

void raft_transfer_advance(struct raft *raft, struct raft_output *output)
{
    struct raft_handover *handover = &raft->handover;

    if (handover->to == 0) return;
    CHECK(raft->role == RAFT_LEADER);
    const struct raft_peer *peer = raft_progress_find(raft, handover->to);
    if (peer == NULL || (peer->flags & RAFT_VOTER) == 0) { /* the member list changed meanwhile */
        handover->to = 0;
        return;
    }
    if (peer->match_index < raft->trail.last_index) return;
    if (handover->asked_heartbeat == raft->progress.heartbeat || !raft_output_room(output)) return;
    handover->asked_heartbeat = raft->progress.heartbeat;
    raft_message_add(raft, output, RAFT_TIMEOUT_NOW, handover->to);
}
