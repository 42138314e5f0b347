/* leave_group.c -- members go, one or several, by themselves or sent by an administrator. */
#include "broker/apis.h"

#include "broker/group_calls.h"
#include "codec/messages.h"

enum { FIRST_VERSION_WITH_MEMBERS = 3 };

static bool leave_all(struct call *call, const struct leave_group_request *request,
                      struct leave_group_response *response)
{
    response->members = arena_take(call->arena, request->members_count, sizeof *response->members);
    if (response->members == NULL) return false;
    for (uint32_t i = 0; i < request->members_count; i++) {
        const struct leave_group_request_member *from = &request->members[i];
        const struct group_leaver leaver = { from->member_id, from->group_instance_id };
        response->members[response->members_count++] = (struct leave_group_response_member){
            .member_id = from->member_id,
            .group_instance_id = from->group_instance_id,
            .error_code = (int16_t)groups_leave(call->groups, request->group_id, &leaver),
        };
    }
    return true;
}

enum call_verdict leave_group_handle(struct call *call)
{
    struct leave_group_request request;
    struct reader reader = reader_of(call->body);
    struct leave_group_response response = leave_group_response_default;

    if (!leave_group_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    if (!group_call_reserve(call, call->body.size)) return CALL_WAITS;
    response.error_code = (int16_t)groups_place(call->groups, request.group_id);
    if (response.error_code == ERROR_NONE && call->version < FIRST_VERSION_WITH_MEMBERS) {
        const struct group_leaver leaver = { .member_id = request.member_id };
        response.error_code = (int16_t)groups_leave(call->groups, request.group_id, &leaver);
    } else if (response.error_code == ERROR_NONE && !leave_all(call, &request, &response)) {
        return CALL_MALFORMED;
    }
    call->failed = response.error_code != ERROR_NONE;
    leave_group_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
