/* find_coordinator.c -- which broker coordinates a group or a transaction? None does yet: clients are told to ask
 * again, which is what they do while a coordinator moves. */
#include "broker/apis.h"

#include "codec/errors.h"
#include "codec/messages.h"

enum { KEY_TYPE_GROUP = 0, KEY_TYPE_TRANSACTION = 1 };

static int16_t error_of(int8_t key_type)
{
    if (key_type == KEY_TYPE_GROUP || key_type == KEY_TYPE_TRANSACTION) return ERROR_COORDINATOR_NOT_AVAILABLE;
    return ERROR_INVALID_REQUEST;
}

enum call_verdict find_coordinator_handle(struct call *call)
{
    const struct bytes nowhere = BYTES_LITERAL("");
    struct find_coordinator_request request;
    struct reader reader = reader_of(call->body);
    struct find_coordinator_response response = find_coordinator_response_default;

    if (!find_coordinator_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    call->failed = true;
    response.error_code = call->version <= 3 ? error_of(request.key_type) : ERROR_NONE;
    response.node_id = -1;
    response.host = nowhere;
    response.port = -1;
    if (request.coordinator_keys_count > 0) {
        struct find_coordinator_response_coordinator *coordinators =
            arena_take(call->arena, request.coordinator_keys_count, sizeof *coordinators);
        if (coordinators == NULL) return CALL_MALFORMED;
        for (uint32_t i = 0; i < request.coordinator_keys_count; i++) {
            coordinators[i] = (struct find_coordinator_response_coordinator){
                .key = request.coordinator_keys[i],
                .node_id = -1,
                .host = nowhere,
                .port = -1,
                .error_code = error_of(request.key_type),
            };
        }
        response.coordinators = coordinators;
        response.coordinators_count = request.coordinator_keys_count;
    }
    find_coordinator_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
