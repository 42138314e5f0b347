/* quorum.c -- what a majority of the voters has reached; while joint, of both voter sets (Raft 4.3). */
#include "raft/state.h"

static uint64_t own_value(const struct raft *raft, enum raft_quorum_of what)
{
    switch (what) {
    case RAFT_QUORUM_MATCH: return raft->storage.stored_index;
    case RAFT_QUORUM_BEAT: return raft->progress.beat;
    case RAFT_QUORUM_HEARD: return raft->now_ns;
    }
    return 0;
}

static uint64_t value_of(const struct raft *raft, uint32_t slot, enum raft_quorum_of what)
{
    if (slot == RAFT_SLOT_SELF) return own_value(raft, what);
    if (slot == RAFT_SLOT_NONE) return 0;
    const struct raft_peer *peer = &raft->progress.peers[slot];
    switch (what) {
    case RAFT_QUORUM_MATCH: return peer->forgot ? 0 : peer->match_index;
    case RAFT_QUORUM_BEAT: return peer->beat_heard;
    case RAFT_QUORUM_HEARD: return peer->heard_ns;
    }
    return 0;
}

/* The largest value that more than half of the set has reached. */
static uint64_t majority(const struct raft *raft, uint32_t set, enum raft_quorum_of what)
{
    const struct raft_electorate *voters = &raft->electorate;
    uint64_t sorted[RAFT_VOTERS_MAX]; /* descending */

    for (uint32_t i = 0; i < voters->count[set]; i++) {
        const uint64_t value = value_of(raft, voters->slots[set][i], what);
        uint32_t at = i;
        for (; at > 0 && sorted[at - 1] < value; at--) sorted[at] = sorted[at - 1];
        sorted[at] = value;
    }
    return sorted[voters->count[set] / 2];
}

uint64_t raft_quorum(const struct raft *raft, enum raft_quorum_of what)
{
    uint64_t reached = UINT64_MAX;

    CHECK(raft->electorate.count[0] > 0);
    for (uint32_t set = 0; set < RAFT_SETS; set++) {
        if (raft->electorate.count[set] == 0) continue;
        if (set > 0 && MUTANT(raft_joint_counts_one_set)) continue;
        reached = MIN(reached, majority(raft, set, what));
    }
    return reached;
}

bool raft_quorum_granted(const struct raft *raft)
{
    for (uint32_t set = 0; set < RAFT_SETS; set++) {
        const uint32_t count = raft->electorate.count[set];
        uint32_t granted = 0;
        for (uint32_t i = 0; i < count; i++) granted += raft->election.granted[set] >> i & 1;
        if (count > 0 && granted <= count / 2) return false;
    }
    return raft->electorate.count[0] > 0;
}
