/* validate.c -- what a peer's message may say, whatever our state is. What depends on state is held against it where
 * it is used. Nothing here trusts a number: sums cannot wrap, since every one of them is below RAFT_NUMBER_MAX. */
#include "raft/state.h"

/* An index and the term of the entry there: both are there, or neither. */
static bool is_place(uint64_t index, uint64_t term, uint64_t term_max)
{
    return index < RAFT_NUMBER_MAX && term <= term_max && (index == 0) == (term == 0);
}

static bool entry_is_possible(struct raft *raft, const struct raft_entry *entry, struct bytes payload)
{
    if (entry->size > raft->config.entry_size_max && entry->kind == RAFT_ENTRY_DATA) return false;
    if (entry->size > payload.size) return false;
    switch (entry->kind) {
    case RAFT_ENTRY_DATA: return true;
    case RAFT_ENTRY_NOOP: return entry->size == 0;
    case RAFT_ENTRY_CONFIGURATION: {
        const struct bytes bytes = { payload.data, entry->size };
        return raft_configuration_read(&raft->scratch, bytes) == RAFT_CONFIGURATION_GOOD;
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
    if (request->commit_index >= RAFT_NUMBER_MAX || request->beat >= RAFT_NUMBER_MAX) return false;
    if (request->held_index >= RAFT_NUMBER_MAX) return false;
    if (request->entry_count > RAFT_APPEND_ENTRIES_MAX) return false;
    if (request->entry_count > 0 && request->entries == NULL) return false;
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
    if (request->beat >= RAFT_NUMBER_MAX) return false;
    return request->size > 0 && request->size <= request->total_size - request->offset &&
           request->size == message->payload.size;
}

static bool body_is_possible(struct raft *raft, const struct raft_message *message)
{
    switch (message->kind) {
    case RAFT_VOTE_REQUEST: {
        const struct raft_vote_request *request = &message->vote_request;
        if (!is_place(request->last_index, request->last_term, message->term)) return false;
        return request->pre || request->last_term < message->term; /* nobody led the term it campaigns for */
    }
    case RAFT_VOTE_RESPONSE: return true;
    case RAFT_APPEND_REQUEST: return append_is_possible(raft, message);
    case RAFT_APPEND_RESPONSE: {
        const struct raft_append_response *response = &message->append_response;
        if (response->index >= RAFT_NUMBER_MAX || response->beat >= RAFT_NUMBER_MAX) return false;
        if (response->forgot && !response->rejected) return false;
        return is_place(response->hint_index, response->hint_term, message->term);
    }
    case RAFT_SNAPSHOT_REQUEST: return chunk_is_possible(message);
    case RAFT_SNAPSHOT_RESPONSE: {
        const struct raft_snapshot_response *response = &message->snapshot_response;
        return response->index > 0 && response->index < RAFT_NUMBER_MAX && response->beat < RAFT_NUMBER_MAX;
    }
    case RAFT_TIMEOUT_NOW: return true;
    case RAFT_READ_REQUEST: return true;
    case RAFT_READ_RESPONSE: return message->read_response.index < RAFT_NUMBER_MAX;
    }
    return false;
}

bool raft_message_is_possible(struct raft *raft, const struct raft_message *message)
{
    const bool carries = message->kind == RAFT_APPEND_REQUEST || message->kind == RAFT_SNAPSHOT_REQUEST;

    if (message->to != raft->config.id || message->from == 0 || message->from == raft->config.id) return false;
    if (message->term == 0 || message->term >= RAFT_NUMBER_MAX)
        return false; /* who was in no term has nothing to say */
    if (!carries && message->payload.size != 0) return false;
    return body_is_possible(raft, message);
}
