/* join_group.c -- a member comes, or comes back. Answered when the group's next generation begins, by which time the
 * answer's leader knows who is in it. */
#include "broker/apis.h"

#include "broker/group_calls.h"
#include "codec/messages.h"

/* False: the arena is exhausted. */
static bool put_members(struct call *call, const struct group_joined *joined, struct join_group_response *response)
{
    const uint32_t count = groups_view(call->groups, joined->group).member_count;
    struct member_view view;

    response->members = arena_take(call->arena, count, sizeof *response->members);
    if (response->members == NULL) return false;
    for (uint32_t at = groups_next_member(call->groups, joined->group, GROUP_NONE, &view); at != GROUP_NONE;
         at = groups_next_member(call->groups, joined->group, at, &view)) {
        CHECK(response->members_count < count);
        response->members[response->members_count++] = (struct join_group_response_member){
            .member_id = view.member_id,
            .group_instance_id = view.instance_id,
            .metadata = view.subscription,
        };
    }
    return true;
}

static enum call_verdict put_answer(struct call *call, const struct group_joined *joined)
{
    struct join_group_response response = join_group_response_default;

    call->failed = joined->error != ERROR_NONE;
    response.error_code = (int16_t)joined->error;
    response.member_id = joined->member_id;
    response.generation_id = joined->generation;
    if (joined->error == ERROR_NONE) {
        response.protocol_type = joined->protocol_type;
        response.protocol_name = joined->protocol;
        response.leader = joined->leader;
        response.skip_assignment = joined->skip_assignment;
        if (joined->lists_members && !put_members(call, joined, &response)) return CALL_MALFORMED;
    }
    join_group_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}

enum call_verdict join_group_handle(struct call *call)
{
    const struct group_caller caller = group_caller_of(call);
    struct join_group_request request;
    struct reader reader = reader_of(call->body);
    struct group_joined joined = { .generation = -1 };

    if (!join_group_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    joined.member_id = request.member_id;
    if (group_call_waited(call)) {
        if (groups_is_ready(call->groups, call->waiter)) groups_joined(call->groups, call->waiter, &caller, &joined);
        else joined.error = ERROR_NOT_COORDINATOR; /* this node stops */
        if (joined.member_id.size == 0) joined.member_id = request.member_id;
        return put_answer(call, &joined);
    }
    if (!group_call_reserve(call, request.member_id.size + request.group_instance_id.size + call->client_id.size)) {
        return CALL_WAITS;
    }
    const enum group_verdict verdict = groups_join(call->groups, &caller, &request, &joined);
    if (verdict == GROUP_WAITS) return group_call_wait(call);
    const enum call_verdict written = put_answer(call, &joined);
    return verdict == GROUP_HELD && written == CALL_ANSWERED ? group_call_hold(call) : written;
}
