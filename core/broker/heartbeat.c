/* heartbeat.c -- a member is alive, and learns whether its group goes on without it. */
#include "broker/apis.h"

#include "codec/messages.h"
#include "group/groups.h"

enum call_verdict heartbeat_handle(struct call *call)
{
    struct heartbeat_request request;
    struct reader reader = reader_of(call->body);
    struct heartbeat_response response = heartbeat_response_default;

    if (!heartbeat_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    response.error_code = (int16_t)groups_heartbeat(call->groups, &request);
    call->failed = response.error_code != ERROR_NONE;
    heartbeat_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
