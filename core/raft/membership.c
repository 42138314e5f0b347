/* membership.c -- which member list is in force, and how it changes.
 *
 * A list is in force from its entry on. A leader proposes a list only when the one before it and an entry of its own
 * term are committed. So in any log all lists but the newest are committed, and two are enough to remember: the one
 * in force and the one before it, to which a truncation may lead back.
 *
 * Joint consensus (Raft 4.3) rather than one voter at a time (4.1): voters go from one odd number to another in one
 * change, 1 -> 3 and 3 -> 5, or a voter is replaced, and no moment has an even set that survives no more faults
 * than the smaller odd one. The price is one entry more. The joint phase ends by itself: whoever leads when the joint
 * list is committed appends the list that ends it.
 *
 *      old ----------> joint(old, new) ----------> new       adding or removing learners only:  old -----> new
 *          raft_change                  committed                                                raft_change */
#include "raft/state.h"

static uint32_t slot_of(struct raft *raft, uint64_t id)
{
    if (id == raft->config.id) return RAFT_SLOT_SELF;
    const struct raft_peer *peer = raft_progress_find(raft, id);
    return peer == NULL ? RAFT_SLOT_NONE : (uint32_t)(peer - raft->progress.peers);
}

void raft_membership_count_voters(struct raft *raft)
{
    static const uint8_t flags[RAFT_SETS] = { RAFT_VOTER, RAFT_OLD_VOTER };
    struct raft_electorate *voters = &raft->electorate;

    voters->count[0] = 0;
    voters->count[1] = 0;
    for (uint32_t i = 0; i < raft->in_force.count; i++) {
        const struct raft_member *member = &raft->in_force.members[i];
        for (uint32_t set = 0; set < RAFT_SETS; set++) {
            if ((member->flags & flags[set]) == 0) continue;
            CHECK(voters->count[set] < RAFT_VOTERS_MAX);
            voters->ids[set][voters->count[set]] = member->id;
            voters->slots[set][voters->count[set]++] = slot_of(raft, member->id);
        }
    }
    voters->self = raft_configuration_is_voter(&raft->in_force, raft->config.id);
    voters->sole = raft_configuration_is_sole_voter(&raft->in_force, raft->config.id);
}

/* The list in force is another one now. */
static void take_effect(struct raft *raft)
{
    if (raft->role == RAFT_LEADER) {
        raft_progress_rebuild(raft);
        raft->progress.recount = true;
    }
    raft_membership_count_voters(raft);
}

void raft_membership_adopt(struct raft *raft, uint64_t index, struct bytes payload, struct raft_output *output)
{
    const struct raft_configuration oldest = raft->previous;

    CHECK(index > raft->in_force.index);
    raft->previous = raft->in_force;
    raft->in_force = oldest;
    const enum raft_configuration_verdict verdict = raft_configuration_read(&raft->in_force, payload);
    CHECK(verdict == RAFT_CONFIGURATION_GOOD);
    raft->in_force.index = index;
    raft->configuration_settled = raft->previous.index;
    raft_note(output, RAFT_NOTE_CONFIGURATION, index, raft->in_force.count);
    take_effect(raft);
}

void raft_membership_roll_back(struct raft *raft, uint64_t from, struct raft_output *output)
{
    const struct raft_configuration lost = raft->in_force;

    if (raft->in_force.index < from || MUTANT(raft_truncated_list_stays)) return;
    CHECK(raft->previous.index < from);
    raft->in_force = raft->previous;
    raft->previous = lost;
    raft_configuration_clear(&raft->previous);
    raft->configuration_settled = raft->in_force.index;
    raft_note(output, RAFT_NOTE_ROLLED_BACK, raft->in_force.index, raft->in_force.count);
    take_effect(raft);
}

void raft_membership_replace(struct raft *raft, uint64_t index, struct raft_output *output)
{
    const struct raft_configuration spare = raft->in_force;

    raft->in_force = raft->scratch;
    raft->scratch = spare;
    raft->in_force.index = index;
    raft->configuration_settled = index;
    raft_configuration_clear(&raft->previous);
    raft_note(output, RAFT_NOTE_CONFIGURATION, index, raft->in_force.count);
    take_effect(raft);
}

/* Appends the list in `scratch`. */
static void append_scratch(struct raft *raft, struct raft_output *output)
{
    const struct bytes payload = { raft->scratch.bytes, raft->scratch.size };
    const struct raft_entry entry = { .term = raft->term, .size = payload.size, .kind = RAFT_ENTRY_CONFIGURATION };

    raft_storage_append(raft, entry, payload, output);
    raft->storage.pending.own_payload = (struct bytes){ raft->in_force.bytes, raft->in_force.size };
    raft_progress_touch_all(raft);
    raft->progress.recount = true;
}

/* We committed our own removal or demotion: the one that is furthest goes on. */
static void hand_over_and_leave(struct raft *raft, struct raft_output *output)
{
    const uint64_t best = raft_transfer_best(raft);
    if (best != 0 && raft_output_room(output)) raft_message_add(raft, output, RAFT_TIMEOUT_NOW, best);
    raft_election_follow(raft, raft->term, 0, output);
}

void raft_membership_advance(struct raft *raft, struct raft_output *output)
{
    const struct raft_configuration *list = &raft->in_force;

    if (list->index > raft->commit_index || list->count == 0) return;
    if (raft->configuration_noted != list->index) {
        raft->configuration_noted = list->index;
        raft_note(output, RAFT_NOTE_CONFIGURATION_COMMITTED, list->index, list->count);
        const bool was = raft_configuration_find(&raft->previous, raft->config.id) != NULL;
        if (was && raft_configuration_find(list, raft->config.id) == NULL) {
            raft_note(output, RAFT_NOTE_REMOVED, raft->config.id, list->index);
        }
    }
    if (raft->role != RAFT_LEADER || raft->commit_index < raft->progress.term_start_index) return;
    if (raft->electorate.count[1] > 0) {
        if (raft->storage.pending.entry_count > 0 || raft_trail_room(&raft->trail) == 0) return; /* the next call */
        raft_configuration_leave_joint(&raft->scratch, list);
        append_scratch(raft, output);
    } else if (!raft->electorate.self) {
        hand_over_and_leave(raft, output);
    }
}

/* A learner that lacks much, or says nothing, would count for a majority that it cannot help to form. */
static bool promotes_one_behind(struct raft *raft, const struct raft_change *changes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (changes[i].kind != RAFT_PROMOTE || changes[i].id == raft->config.id) continue;
        const struct raft_peer *peer = raft_progress_find(raft, changes[i].id);
        if (peer == NULL) continue; /* no member: the list will say so */
        if (peer->state != RAFT_STREAMING || peer->first_heard == 0 || peer->forgot) return true;
        if (raft->now_ns - peer->heard_ns >= raft->config.election_timeout_ns) return true;
        if (raft->trail.last_index - peer->match_index > raft->config.promote_lag_max) return true;
    }
    return false;
}

static enum raft_verdict verdict_of(enum raft_configuration_verdict verdict)
{
    switch (verdict) {
    case RAFT_CONFIGURATION_GOOD: return RAFT_ACCEPTED;
    case RAFT_CONFIGURATION_MALFORMED: return RAFT_UNKNOWN;
    case RAFT_CONFIGURATION_UNKNOWN: return RAFT_UNKNOWN;
    case RAFT_CONFIGURATION_EMPTY: return RAFT_EMPTY;
    case RAFT_CONFIGURATION_FULL: return RAFT_TOO_LARGE;
    }
    return RAFT_UNKNOWN;
}

enum raft_verdict raft_membership_change(struct raft *raft, const struct raft_change *changes, uint32_t count,
                                         struct raft_output *output)
{
    if (raft->role != RAFT_LEADER) return RAFT_NOT_LEADER;
    if (raft->handover.to != 0) return RAFT_BUSY;
    /* Without an entry of our own term committed, another leader's list may lie hidden (Ongaro's erratum of 2015). */
    if (raft->commit_index < raft->progress.term_start_index) return RAFT_BUSY;
    if (raft->in_force.index > raft->commit_index || raft->electorate.count[1] > 0) return RAFT_BUSY;
    if (raft_trail_room(&raft->trail) < 2) return RAFT_FULL; /* for the list, and for the end of a joint phase */
    if (count <= RAFT_CHANGES_MAX && promotes_one_behind(raft, changes, count)) return RAFT_BEHIND;
    const enum raft_verdict verdict =
        verdict_of(raft_configuration_change(&raft->scratch, &raft->in_force, changes, count));
    if (verdict == RAFT_ACCEPTED) append_scratch(raft, output);
    return verdict;
}
