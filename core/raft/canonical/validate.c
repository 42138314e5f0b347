/* validate.c -- guard VALIDATE: what a peer may say, and what our state can bear. The library believes everything. */
#include "raft/canonical/state.h"

static bool is_place(uint64_t index, uint64_t term, uint64_t term_max)
{
    return index < RAFT_NUMBER_MAX && term <= term_max && (index == 0) == (term == 0);
}

static bool entry_is_possible(struct raft *raft, const struct raft_entry *entry, struct bytes payload)
{
    if (entry->size > payload.size) return false;
    switch (entry->kind) {
    case RAFT_ENTRY_DATA: return entry->size <= raft->config.entry_size_max;
    case RAFT_ENTRY_NOOP: return entry->size == 0;
    case RAFT_ENTRY_CONFIGURATION: {
        const struct bytes bytes = { payload.data, entry->size };
        if (raft_configuration_read(&raft->scratch, bytes) != RAFT_CONFIGURATION_GOOD) return false;
        return !raft_configuration_is_joint(&raft->scratch);
    }
    default: return false;
    }
}

static bool append_is_possible(struct raft *raft, const struct raft_message *message)
{
    const struct raft_append_request *request = &message->append_request;
    struct bytes payload = message->payload;
    uint64_t term = request->prev_term;

    if (!is_place(request->prev_index, request->prev_term, message->term)) return false;
    if (request->commit_index >= RAFT_NUMBER_MAX) return false;
    for (uint32_t i = 0; i < request->entry_count; i++) {
        const struct raft_entry *entry = &request->entries[i];
        if (entry->term == 0 || entry->term < term || entry->term > message->term) return false;
        if (!entry_is_possible(raft, entry, payload)) return false;
        term = entry->term;
        payload.data += entry->size;
        payload.size -= entry->size;
    }
    return payload.size == 0;
}

static bool chunk_is_possible(const struct raft_message *message)
{
    const struct raft_snapshot_request *request = &message->snapshot_request;

    if (!is_place(request->index, request->term, message->term) || request->index == 0) return false;
    if (request->total_size >= RAFT_NUMBER_MAX || request->offset >= request->total_size) return false;
    return request->size > 0 && request->size <= request->total_size - request->offset &&
           request->size == message->payload.size;
}

bool canonical_message_is_possible(struct raft *raft, const struct raft_message *message)
{
    const bool carries = message->kind == RAFT_APPEND_REQUEST || message->kind == RAFT_SNAPSHOT_REQUEST;

    if (message->to != raft->config.id || message->from == 0 || message->from == raft->config.id) return false;
    if (message->term == 0 || message->term >= RAFT_NUMBER_MAX) return false;
    if (!carries && message->payload.size != 0) return false;
    switch (message->kind) {
    case RAFT_VOTE_REQUEST:
        return is_place(message->vote_request.last_index, message->vote_request.last_term, message->term - 1);
    case RAFT_VOTE_RESPONSE: return true;
    case RAFT_APPEND_REQUEST: return append_is_possible(raft, message);
    case RAFT_APPEND_RESPONSE:
        return message->append_response.index < RAFT_NUMBER_MAX &&
               message->append_response.hint_index < RAFT_NUMBER_MAX;
    case RAFT_SNAPSHOT_REQUEST: return chunk_is_possible(message);
    case RAFT_SNAPSHOT_RESPONSE: return message->snapshot_response.index < RAFT_NUMBER_MAX;
    case RAFT_TIMEOUT_NOW: return true;
    case RAFT_READ_REQUEST: return true;
    case RAFT_READ_RESPONSE: return message->read_response.index < RAFT_NUMBER_MAX;
    }
    return false;
}

/* What is committed stays. The library shuts itself down over it. */
static bool contradicts_committed(const struct raft *raft, const struct raft_append_request *request)
{
    const uint64_t commit_index = raft->library.commit_index;

    for (uint64_t index = MAX(request->prev_index, raft->trail.base_index);
         index <= MIN(commit_index, request->prev_index + request->entry_count); index++) {
        const uint64_t ours = raft_trail_term(&raft->trail, index);
        const uint64_t theirs =
            index == request->prev_index ? request->prev_term : request->entries[index - request->prev_index - 1].term;
        if (index > 0 && ours != 0 && ours != theirs) return true;
    }
    return false;
}

bool canonical_message_fits(struct raft *raft, const struct raft_message *message)
{
    const struct libraft *library = &raft->library;

    switch (message->kind) {
    case RAFT_APPEND_REQUEST:
        if (message->term == library->current_term && library->state == LIBRAFT_LEADER) return false;
        return message->term < library->current_term || !contradicts_committed(raft, &message->append_request);
    case RAFT_VOTE_RESPONSE:
        /* A yes is of the term that was asked for, which a pre-vote's is not yet. */
        return !message->vote_response.granted || message->term <= library->current_term + message->vote_response.pre;
    case RAFT_APPEND_RESPONSE:
        return message->append_response.rejected || message->append_response.index <= raft->trail.last_index ||
               message->term != library->current_term;
    case RAFT_VOTE_REQUEST: return true;
    case RAFT_SNAPSHOT_REQUEST: return true;
    case RAFT_SNAPSHOT_RESPONSE: return true;
    case RAFT_TIMEOUT_NOW: return true;
    case RAFT_READ_REQUEST: return true;
    case RAFT_READ_RESPONSE: return true;
    }
    return true;
}
