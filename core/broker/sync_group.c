/* sync_group.c -- what is a member to read? Its leader says so for all, and it is told when that is committed. */
#include "broker/apis.h"

#include "broker/group_calls.h"
#include "codec/messages.h"

static enum call_verdict put_answer(struct call *call, const struct group_synced *synced)
{
    struct sync_group_response response = sync_group_response_default;

    call->failed = synced->error != ERROR_NONE;
    response.error_code = (int16_t)synced->error;
    response.assignment = BYTES_LITERAL("");
    if (synced->error == ERROR_NONE) {
        response.protocol_type = synced->protocol_type;
        response.protocol_name = synced->protocol;
        response.assignment = synced->assignment;
    }
    sync_group_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}

enum call_verdict sync_group_handle(struct call *call)
{
    const struct group_caller caller = group_caller_of(call);
    struct sync_group_request request;
    struct reader reader = reader_of(call->body);
    struct group_synced synced = { 0 };

    if (!sync_group_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    if (group_call_waited(call)) {
        if (groups_is_ready(call->groups, call->waiter)) groups_synced(call->groups, call->waiter, &synced);
        else synced.error = ERROR_NOT_COORDINATOR; /* this node stops */
        return put_answer(call, &synced);
    }
    const enum group_verdict verdict = groups_sync(call->groups, &caller, &request, &synced);
    if (verdict == GROUP_WAITS) return group_call_wait(call);
    const enum call_verdict written = put_answer(call, &synced);
    return verdict == GROUP_HELD && written == CALL_ANSWERED ? group_call_hold(call) : written;
}
