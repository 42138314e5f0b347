/* append.c -- a follower makes its log equal to its leader's (Raft 5.3).
 *
 * What we acknowledge is the smaller of two: `verified`, up to where this leader has shown our log to equal its own,
 * and `stored`, up to where our disk has it. Entries behind `verified` may be of another history, however long they
 * have been durable. So an acknowledgement leaves either at once, when both are known, or from the call that made
 * the entries durable.
 *
 *   our log   |---- compacted ----|---- committed ----|---- verified ----|---- of whatever history ----|
 *   request          prev ^---------------^--- here nothing can disagree ---^--- here it may: truncate */
#include "raft/state.h"

uint64_t raft_append_verified(const struct raft *raft)
{
    return MAX(raft->following.verified_index, raft->commit_index);
}

void raft_append_reply(struct raft *raft, struct raft_output *output)
{
    const uint64_t durable = MUTANT(M28) ? raft->trail.last_index : raft->storage.stored_index;

    CHECK(raft->role == RAFT_FOLLOWER && raft->leader != 0);
    raft->following.acked_index = MIN(raft_append_verified(raft), durable);
    raft_message_add(raft, output, RAFT_APPEND_RESPONSE, raft->leader)->append_response =
        (struct raft_append_response){ .beat = raft->following.beat, .index = raft->following.acked_index };
}

static void reject(struct raft *raft, uint64_t to, uint64_t beat, uint64_t prev_index, uint64_t prev_term,
                   struct raft_output *output)
{
    const uint64_t found = raft_trail_find(&raft->trail, MIN(prev_index, raft->trail.last_index), prev_term);
    const uint64_t hint_index = MAX(found, raft->commit_index);

    raft_message_add(raft, output, RAFT_APPEND_RESPONSE, to)->append_response = (struct raft_append_response){
        .beat = beat,
        .rejected = true,
        .index = prev_index,
        .hint_index = hint_index,
        .hint_term = raft_trail_term(&raft->trail, hint_index),
    };
}

/* A leader of an older term is told ours, so that it steps down; and so that one whose followers all moved on to a
 * higher term cannot keep them waiting. */
void raft_append_refuse_old_term(struct raft *raft, const struct raft_message *message, struct raft_output *output)
{
    raft_message_add(raft, output, RAFT_APPEND_RESPONSE, message->from)->append_response =
        (struct raft_append_response){ .rejected = true };
}

enum raft_verdict raft_append_accept_leader(struct raft *raft, uint64_t from, struct raft_output *output)
{
    /* Election safety says one leader per term; whoever else claims to be it is broken. */
    if (raft->role == RAFT_LEADER) return RAFT_IMPOSSIBLE;
    if (raft->leader != 0 && raft->leader != from) return RAFT_IMPOSSIBLE;
    raft_election_follow(raft, raft->term, from, output);
    raft->election.heard_ns = raft->now_ns;
    return RAFT_ACCEPTED;
}

/* Appends what is new of the request's entries. False: they contradict what cannot be otherwise. */
static bool append_entries(struct raft *raft, const struct raft_append_request *request, struct bytes payload,
                           struct raft_output *output)
{
    for (uint32_t i = 0; i < request->entry_count; i++) {
        const struct raft_entry entry = request->entries[i];
        const uint64_t index = request->prev_index + 1 + i;
        const struct bytes bytes = { payload.data, entry.size };
        payload.data += entry.size;
        if (index < raft->trail.base_index) continue;
        if (index <= raft->trail.last_index) {
            if (raft_trail_term(&raft->trail, index) == entry.term) continue;
            /* A new configuration is proposed only when the one before it is committed, so that at most the newest
             * one in a log is ever rolled back. */
            const bool settled = index <= raft_append_verified(raft) || index <= raft->configuration_settled;
            if (settled) return false;
            raft_storage_truncate(raft, index, output);
        }
        if (raft_trail_room(&raft->trail) == 0) {
            raft_note(output, RAFT_NOTE_TRAIL_FULL, index, raft->trail.last_index);
            return true;
        }
        raft_storage_append(raft, entry, bytes, output);
    }
    return true;
}

/* What this leader was told in this term we hold, durably, and do not: no crash does that. It was said of entries of
 * this term, which our disk got behind the term itself: so no leader of an older term can have made us drop them after
 * a crash, and this one never does. A late request names less than we have said, never more. */
static bool has_forgotten(const struct raft *raft, uint64_t held_index)
{
    if (held_index == 0 || MUTANT(raft_broken_promises_are_not_noticed)) return false;
    if (held_index > raft->trail.last_index) return true;
    return raft_trail_covers(&raft->trail, held_index) && raft_trail_term(&raft->trail, held_index) != raft->term;
}

static void forget(struct raft *raft, uint64_t held_index, struct raft_output *output)
{
    raft->forgot = true;
    raft_note(output, RAFT_NOTE_FORGOT, raft->config.id, held_index);
    raft_message_add(raft, output, RAFT_APPEND_RESPONSE, raft->leader)->append_response = (struct raft_append_response){
        .beat = raft->following.beat, .rejected = true, .forgot = true, .index = held_index
    };
}

static void learn_commit(struct raft *raft, uint64_t commit_index)
{
    const uint64_t known = MUTANT(M50) ? raft->trail.last_index : raft_append_verified(raft);
    const uint64_t committed = MIN(commit_index, known);
    if (committed > raft->commit_index || MUTANT(M53)) raft->commit_index = committed;
}

enum raft_verdict raft_append_on_request(struct raft *raft, const struct raft_message *message,
                                         struct raft_output *output)
{
    const struct raft_append_request *request = &message->append_request;
    const uint64_t prev_index = request->prev_index;

    const enum raft_verdict verdict = raft_append_accept_leader(raft, message->from, output);
    if (verdict != RAFT_ACCEPTED) return verdict;
    raft->following.beat = MAX(raft->following.beat, request->beat);
    if (has_forgotten(raft, request->held_index)) {
        forget(raft, request->held_index, output);
        return RAFT_ACCEPTED;
    }
    if (raft->receiving.complete && !MUTANT(M65)) {
        /* A snapshot is about to replace the log. We are alive, and take nothing, whatever term it is. */
        raft_append_reply(raft, output);
        return RAFT_IGNORED;
    }
    if (raft_trail_covers(&raft->trail, prev_index) &&
        raft_trail_term(&raft->trail, prev_index) != request->prev_term) {
        if (prev_index <= raft_append_verified(raft)) return RAFT_IMPOSSIBLE;
        reject(raft, message->from, raft->following.beat, prev_index, request->prev_term, output);
        return RAFT_ACCEPTED;
    }
    if (prev_index > raft->trail.last_index) {
        reject(raft, message->from, raft->following.beat, prev_index, request->prev_term, output);
        return RAFT_ACCEPTED;
    }
    if (!append_entries(raft, request, message->payload, output)) return RAFT_IMPOSSIBLE;
    const uint64_t verified = MIN(prev_index + request->entry_count, raft->trail.last_index);
    raft->following.verified_index = MAX(raft->following.verified_index, verified);
    learn_commit(raft, request->commit_index);
    const bool later = request->entry_count > 0 && raft->storage.stored_index < verified;
    if (!later || MUTANT(M28)) raft_append_reply(raft, output);
    return RAFT_ACCEPTED;
}

void raft_append_on_stored(struct raft *raft, struct raft_output *output)
{
    if (raft->role != RAFT_FOLLOWER || raft->leader == 0) return;
    const uint64_t durable = MIN(raft_append_verified(raft), raft->storage.stored_index);
    if (durable > raft->following.acked_index) raft_append_reply(raft, output);
}
