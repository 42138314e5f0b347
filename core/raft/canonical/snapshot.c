/* snapshot.c -- a snapshot travels in chunks, which the library has never heard of: it sends one message with all of
 * it. Here that message opens a transfer, and the receiver's library gets it when the caller has installed the bytes.
 * Transfers are told apart by their index; what is lost is sent again from where the receiver stands. */
#include "raft/canonical/state.h"

enum { TICKS_PATIENCE = 4 }; /* two heartbeats */

/* ---- sending ---- */

static struct sending *sending_to(struct raft *raft, uint64_t to)
{
    for (uint32_t i = 0; i < SENDINGS_MAX; i++) {
        if (raft->sendings[i].to == to) return &raft->sendings[i];
    }
    return NULL;
}

void sendings_begin(struct raft *raft, uint64_t to, uint64_t index, uint64_t term)
{
    struct sending *sending = sending_to(raft, to);

    if (sending != NULL && sending->index == index) return; /* the library's patience ended, ours goes on */
    if (sending == NULL) sending = sending_to(raft, 0);
    if (sending == NULL) return; /* it asks again */
    CHECK(index == raft->snapshot.index && term == raft->snapshot.term);
    *sending = (struct sending){ .to = to, .index = index, .term = term, .total_size = raft->snapshot.total_size };
}

/* Whether the library still waits for it. */
static bool is_wanted(const struct raft *raft, const struct sending *sending)
{
    const struct libraft *library = &raft->library;

    if (library->state != LIBRAFT_LEADER) return false;
    for (unsigned i = 0; i < library->configuration.n; i++) {
        if (library->configuration.servers[i].id != sending->to) continue;
        const struct raft_progress *progress = &library->leader_state.progress[i];
        return progress->state == LIBRAFT_SENDING && progress->match_index < sending->index;
    }
    return false;
}

void sendings_on_tick(struct raft *raft)
{
    for (uint32_t i = 0; i < SENDINGS_MAX; i++) {
        struct sending *sending = &raft->sendings[i];
        if (sending->to == 0) continue;
        if (++sending->ticks >= TICKS_PATIENCE && sending->ticks % TICKS_PATIENCE == 0) {
            sending->sent_offset = sending->offset;
        }
        /* Its message to the library's peer may be between two states of patience: probing, and sending again. */
        if (!is_wanted(raft, sending) && sending->ticks > 8 * TICKS_PATIENCE) sending->to = 0;
        if (raft->library.state != LIBRAFT_LEADER) sending->to = 0;
    }
}

void sendings_put_out(struct raft *raft, struct raft_output *output)
{
    for (uint32_t i = 0; i < SENDINGS_MAX; i++) {
        struct sending *sending = &raft->sendings[i];
        const uint64_t window = (uint64_t)raft->config.chunks_inflight_max * raft->config.chunk_size_max;
        if (sending->to == 0 || raft->library.state != LIBRAFT_LEADER) continue;
        while (sending->sent_offset < MIN(sending->total_size, sending->offset + window)) {
            if (output->message_count == RAFT_MESSAGES_MAX) {
                raft->more = true;
                return;
            }
            const uint64_t rest = sending->total_size - sending->sent_offset;
            const uint32_t size = (uint32_t)MIN(rest, raft->config.chunk_size_max);
            output->messages[output->message_count++] = (struct raft_message){
                .kind = RAFT_SNAPSHOT_REQUEST,
                .from = raft->config.id,
                .to = sending->to,
                .term = raft->library.current_term,
                .snapshot_request = { .index = sending->index,
                                      .term = sending->term,
                                      .total_size = sending->total_size,
                                      .offset = sending->sent_offset,
                                      .size = size },
            };
            sending->sent_offset += size;
        }
    }
}

enum raft_verdict sendings_on_response(struct raft *raft, const struct raft_message *message)
{
    const struct raft_snapshot_response *response = &message->snapshot_response;
    struct sending *sending = sending_to(raft, message->from);

    if (sending == NULL || message->from == 0 || response->index != sending->index) return RAFT_STALE;
    if (message->term != raft->library.current_term) return RAFT_STALE;
    if (response->installed) {
        sending->to = 0;
        return RAFT_ACCEPTED;
    }
    if (response->offset > sending->total_size) return RAFT_IMPOSSIBLE;
    if (response->offset > sending->offset || sending->ticks >= TICKS_PATIENCE) {
        sending->offset = response->offset; /* back, too, where either has begun anew */
        sending->ticks = 0;
    }
    sending->sent_offset = MAX(sending->sent_offset, sending->offset);
    return RAFT_ACCEPTED;
}

/* ---- receiving ---- */

static void reply(struct raft *raft, const struct raft_message *request, uint64_t offset, bool installed)
{
    struct raft_message *message =
        canonical_say(raft, RAFT_SNAPSHOT_RESPONSE, request->from, raft->library.current_term);

    if (message == NULL) return;
    message->snapshot_response = (struct raft_snapshot_response){ .index = request->snapshot_request.index,
                                                                  .offset = offset,
                                                                  .installed = installed };
}

/* The library would make nothing of it: it has all that the snapshot covers. */
static bool is_needless(const struct raft *raft, const struct raft_snapshot_request *request)
{
    const uint64_t known = raft_trail_term(&raft->trail, request->index);
    return request->index <= raft->library.log.snapshot.last_index || request->index <= raft->library.commit_index ||
           (known != 0 && known >= request->term);
}

/* What it has is said by the library, in the library's way. */
static void say_needless(struct raft *raft, const struct raft_message *message)
{
    const struct raft_snapshot_request *request = &message->snapshot_request;

    if (canonical_must_hold(raft) || raft->library.last_stored < request->index || raft->list_count == 0) return;
    reply(raft, message, 0, true);
    const struct list *list = &raft->lists[raft->list_count - 1];
    const bool known = raft_trail_term(&raft->trail, request->index) >= request->term;
    if (!known && request->index > raft->library.log.snapshot.last_index) return;
    canonical_deliver_install(raft, message->from, request->index, request->term,
                              (struct bytes){ list->bytes, list->size });
}

enum raft_verdict receiving_on_request(struct raft *raft, const struct raft_message *message,
                                       struct raft_output *output)
{
    const struct raft_snapshot_request *request = &message->snapshot_request;
    const struct libraft *library = &raft->library;
    struct receiving *receiving = &raft->receiving;

    /* Heartbeats, which come as well, make a leader known and its term ours. */
    if (message->term != library->current_term || library->state != LIBRAFT_FOLLOWER) return RAFT_STALE;
    if (library->follower_state.current_leader.id != message->from) return RAFT_STALE;
    const bool same = receiving->from == message->from && receiving->index == request->index &&
                      receiving->term == request->term && receiving->total_size == request->total_size;
    if (receiving->complete) {
        if (same) reply(raft, message, receiving->offset, false);
        return RAFT_IGNORED;
    }
    if (is_needless(raft, request)) {
        receiving->from = 0;
        say_needless(raft, message);
        return RAFT_ACCEPTED;
    }
    if (!same) {
        *receiving = (struct receiving){ message->from, request->index, request->term, request->total_size, 0, false };
    }
    const bool fits = request->offset == receiving->offset;
    if (fits) {
        receiving->offset += request->size;
        receiving->complete = receiving->offset == receiving->total_size;
        output->chunk = (struct raft_chunk){
            .index = request->index,
            .term = request->term,
            .total_size = request->total_size,
            .offset = request->offset,
            .size = request->size,
            .first = request->offset == 0,
            .last = receiving->complete,
        };
    }
    reply(raft, message, receiving->offset, false);
    return fits ? RAFT_ACCEPTED : RAFT_STALE;
}
