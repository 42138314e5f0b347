/* snapshot.c -- a member whose log ends before ours begins gets the state itself, in chunks.
 *
 * The leader keeps a few chunks in flight and believes the receiver: its answer says from where to go on. So a
 * connection that breaks, or a leader that sends the same snapshot from its beginning, resumes where the receiver
 * is. The receiver holds one transfer; when it is complete the caller verifies and installs it, which replaces the
 * log. Until that is durable the node takes no entries and does not campaign, but it follows and votes in any term. */
#include "raft/state.h"

enum { STALL_BEATS = 4 }; /* heartbeats without progress after which what is in flight counts as lost */

/* ------------------------------------------------------------------------------------- sending */

void raft_snapshot_begin(struct raft *raft, struct raft_peer *peer, struct raft_output *output)
{
    const struct raft_snapshot *snapshot = &raft->snapshot;

    CHECK(snapshot->index >= raft->trail.base_index && snapshot->index > 0);
    peer->state = RAFT_SENDING_SNAPSHOT;
    peer->sending = (struct raft_sending){
        .index = snapshot->index,
        .term = snapshot->term,
        .total_size = snapshot->total_size,
    };
    raft_note(output, RAFT_NOTE_SNAPSHOT_SENDING, peer->id, snapshot->index);
    raft_progress_touch(raft, peer);
}

bool raft_snapshot_send(struct raft *raft, struct raft_peer *peer, struct raft_output *output)
{
    struct raft_sending *sending = &peer->sending;
    const uint64_t window = (uint64_t)raft->config.chunk_size_max * raft->config.chunks_inflight_max;

    /* The log went on without this snapshot: behind it there would be a gap. */
    if (sending->index < raft->trail.base_index) raft_snapshot_begin(raft, peer, output);
    if (sending->sent_offset == sending->total_size) return false;
    if (sending->sent_offset - sending->offset >= window) return false;
    const uint64_t size = MIN(raft->config.chunk_size_max, sending->total_size - sending->sent_offset);
    raft_message_add(raft, output, RAFT_SNAPSHOT_REQUEST, peer->id)->snapshot_request = (struct raft_snapshot_request){
        .index = sending->index,
        .term = sending->term,
        .total_size = sending->total_size,
        .offset = sending->sent_offset,
        .beat = raft->progress.beat,
        .size = (uint32_t)size,
    };
    sending->sent_offset += size;
    peer->beat_told = raft->progress.beat;
    return true;
}

void raft_snapshot_on_heartbeat(struct raft *raft, struct raft_peer *peer)
{
    struct raft_sending *sending = &peer->sending;

    if (peer->state != RAFT_SENDING_SNAPSHOT) return;
    /* Nothing is sent into silence: a dead member gets heartbeats, and chunks when it has answered one. */
    if (peer->heard_ns + raft->config.election_timeout_ns < raft->now_ns) return;
    sending->beats++;
    if (sending->beats < STALL_BEATS) return;
    sending->beats = 0;
    sending->retried = true;
    /* Complete and not installed yet: one chunk asks how it stands. */
    sending->offset = MIN(sending->offset, sending->total_size - 1);
    sending->sent_offset = sending->offset;
}

enum raft_verdict raft_snapshot_on_response(struct raft *raft, const struct raft_message *message,
                                            struct raft_output *output)
{
    const struct raft_snapshot_response *response = &message->snapshot_response;
    struct raft_peer *peer = raft_progress_find(raft, message->from);

    if (raft->role != RAFT_LEADER || peer == NULL) return RAFT_STALE;
    if (response->beat > raft->progress.beat) return RAFT_IMPOSSIBLE;
    raft_progress_hear(raft, peer, response->beat);
    struct raft_sending *sending = &peer->sending;
    if (peer->state != RAFT_SENDING_SNAPSHOT || response->index != sending->index) return RAFT_STALE;
    if (response->offset > sending->total_size) return RAFT_IMPOSSIBLE;
    if (response->installed) {
        peer->match_index = MAX(peer->match_index, response->index);
        peer->match_beat = raft->progress.beat;
        peer->next_index = peer->match_index + 1;
        raft->progress.recount = true;
        raft_progress_stream(raft, peer, output);
        return RAFT_ACCEPTED;
    }
    if (response->offset > sending->offset) {
        sending->beats = 0;
        sending->retried = false;
    } else if (response->offset == sending->offset || !sending->retried) {
        return RAFT_STALE;
    } else {
        sending->sent_offset = response->offset; /* it began anew: a refused snapshot, or another leader's between */
    }
    sending->offset = response->offset;
    sending->sent_offset = MAX(sending->sent_offset, sending->offset);
    return RAFT_ACCEPTED;
}

/* ------------------------------------------------------------------------------------- receiving */

static void reply(struct raft *raft, const struct raft_snapshot_request *request, uint64_t offset, bool installed,
                  struct raft_output *output)
{
    CHECK(raft->leader != 0 && raft->leader != raft->config.id);
    raft_message_add(raft, output, RAFT_SNAPSHOT_RESPONSE, raft->leader)->snapshot_response =
        (struct raft_snapshot_response){
            .index = request->index,
            .offset = offset,
            .beat = raft->following.beat,
            .installed = installed,
        };
}

/* A snapshot covers committed entries only, so where our log has its last entry we hold all of it. */
static bool is_needless(struct raft *raft, const struct raft_snapshot_request *request)
{
    if (request->index <= raft->commit_index) return true;
    if (raft_trail_term(&raft->trail, request->index) != request->term) return false;
    raft->following.verified_index = MAX(raft->following.verified_index, request->index);
    raft->commit_index = request->index;
    return true;
}

static bool is_this_transfer(const struct raft_receiving *receiving, const struct raft_message *message)
{
    const struct raft_snapshot_request *request = &message->snapshot_request;
    return receiving->from == message->from && receiving->index == request->index && receiving->term == request->term &&
           receiving->total_size == request->total_size;
}

static void take_chunk(struct raft *raft, const struct raft_snapshot_request *request, struct raft_output *output)
{
    struct raft_receiving *receiving = &raft->receiving;

    output->chunk = (struct raft_chunk){
        .index = request->index,
        .term = request->term,
        .total_size = request->total_size,
        .offset = request->offset,
        .size = request->size,
        .first = request->offset == 0,
        .last = request->offset + request->size == request->total_size,
    };
    receiving->offset += request->size;
    receiving->complete = output->chunk.last;
}

enum raft_verdict raft_snapshot_on_request(struct raft *raft, const struct raft_message *message,
                                           struct raft_output *output)
{
    const struct raft_snapshot_request *request = &message->snapshot_request;
    struct raft_receiving *receiving = &raft->receiving;

    const enum raft_verdict verdict = raft_append_accept_leader(raft, message->from, output);
    if (verdict != RAFT_ACCEPTED) return verdict;
    raft->following.beat = MAX(raft->following.beat, request->beat);
    if (receiving->complete) {
        if (is_this_transfer(receiving, message)) reply(raft, request, receiving->offset, false, output);
        else raft_append_reply(raft, output); /* we are alive */
        return RAFT_IGNORED;
    }
    /* It showed us another entry there before: one of the two is a lie. */
    const uint64_t term = raft_trail_term(&raft->trail, request->index);
    if (request->index <= raft_append_verified(raft) && term != 0 && term != request->term) return RAFT_IMPOSSIBLE;
    if (is_needless(raft, request)) {
        receiving->from = 0;
        /* Said when it is durable: the leader counts us as holding it. */
        const bool held = raft->storage.stored_index >= request->index;
        if (held || MUTANT(raft_needless_snapshot_is_acked_at_once)) reply(raft, request, 0, true, output);
        else raft_append_reply(raft, output);
        return RAFT_ACCEPTED;
    }
    if (!is_this_transfer(receiving, message)) {
        *receiving =
            (struct raft_receiving){ message->from, request->index, request->term, request->total_size, 0, false };
    }
    const bool fits = request->offset == receiving->offset;
    if (fits) take_chunk(raft, request, output);
    reply(raft, request, receiving->offset, false, output);
    return fits ? RAFT_ACCEPTED : RAFT_STALE;
}

void raft_snapshot_installed(struct raft *raft, struct raft_output *output)
{
    struct raft_receiving *receiving = &raft->receiving;
    const uint64_t index = receiving->index + (MUTANT(M61) ? 1 : 0);
    const struct raft_snapshot_request request = { .index = index };

    CHECK(receiving->complete && raft->role == RAFT_FOLLOWER);
    CHECK(index > raft->commit_index);
    raft_storage_replace(raft, index, receiving->term);
    raft_membership_replace(raft, index, output);
    raft->commit_index = index;
    raft->snapshot = (struct raft_snapshot){ index, receiving->term, receiving->total_size };
    raft->following.verified_index = MAX(raft->following.verified_index, index);
    raft_note(output, RAFT_NOTE_SNAPSHOT_INSTALLED, raft->leader, index);
    *receiving = (struct raft_receiving){ .from = 0 };
    if (raft->leader != 0) reply(raft, &request, 0, true, output);
}

void raft_snapshot_refused(struct raft *raft, struct raft_output *output)
{
    CHECK(raft->receiving.complete);
    raft_note(output, RAFT_NOTE_SNAPSHOT_REFUSED, raft->receiving.from, raft->receiving.index);
    raft->receiving = (struct raft_receiving){ .from = 0 };
}
