/* transactions.c -- which transactions are there? There is no coordinator of transactions, so there are none; tools ask
 * all the same (KIP-664). */
#include "broker/apis.h"

#include "codec/errors.h"
#include "codec/messages.h"

enum call_verdict describe_transactions_handle(struct call *call)
{
    struct describe_transactions_request request;
    struct describe_transactions_response response = describe_transactions_response_default;
    struct reader reader = reader_of(call->body);

    if (!describe_transactions_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    response.transaction_states =
        arena_take(call->arena, request.transactional_ids_count, sizeof *response.transaction_states);
    if (response.transaction_states == NULL) return CALL_MALFORMED;
    for (uint32_t i = 0; i < request.transactional_ids_count; i++) {
        response.transaction_states[i] = describe_transactions_response_transaction_state_default;
        response.transaction_states[i].error_code = ERROR_TRANSACTIONAL_ID_NOT_FOUND;
        response.transaction_states[i].transactional_id = request.transactional_ids[i];
    }
    response.transaction_states_count = request.transactional_ids_count;
    describe_transactions_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}

static bool is_state(struct bytes name)
{
    static const struct bytes states[] = {
        BYTES_LITERAL("Empty"),
        BYTES_LITERAL("Ongoing"),
        BYTES_LITERAL("PrepareCommit"),
        BYTES_LITERAL("PrepareAbort"),
        BYTES_LITERAL("CompleteCommit"),
        BYTES_LITERAL("CompleteAbort"),
        BYTES_LITERAL("PrepareEpochFence"),
        BYTES_LITERAL("Dead"),
    };

    for (uint32_t i = 0; i < COUNT_OF(states); i++) {
        if (bytes_equal(states[i], name)) return true;
    }
    return false;
}

enum call_verdict list_transactions_handle(struct call *call)
{
    struct list_transactions_request request;
    struct list_transactions_response response = list_transactions_response_default;
    struct reader reader = reader_of(call->body);

    if (!list_transactions_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    struct bytes *unknown = arena_take(call->arena, request.state_filters_count, sizeof *unknown);
    if (unknown == NULL) return CALL_MALFORMED;
    for (uint32_t i = 0; i < request.state_filters_count; i++) {
        if (!is_state(request.state_filters[i]))
            unknown[response.unknown_state_filters_count++] = request.state_filters[i];
    }
    response.unknown_state_filters = unknown;
    list_transactions_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
