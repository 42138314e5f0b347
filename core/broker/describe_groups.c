/* describe_groups.c -- who is in these groups, and what do they read? */
#include "broker/apis.h"

#include "base/check.h"
#include "base/text.h"
#include "broker/group_calls.h"
#include "broker/operations.h"
#include "codec/messages.h"

enum { FIRST_VERSION_WITH_NOT_FOUND = 6 };

static bool put_members(struct call *call, uint32_t group, uint32_t count,
                        struct describe_groups_response_group *answer)
{
    const bool stable = bytes_equal(answer->group_state, BYTES_LITERAL("Stable"));
    struct member_view view;

    answer->members = arena_take(call->arena, count, sizeof *answer->members);
    if (answer->members == NULL) return false;
    for (uint32_t at = groups_next_member(call->groups, group, GROUP_NONE, &view); at != GROUP_NONE;
         at = groups_next_member(call->groups, group, at, &view)) {
        CHECK(answer->members_count < count);
        answer->members[answer->members_count++] = (struct describe_groups_response_member){
            .member_id = view.member_id,
            .group_instance_id = view.instance_id,
            .client_id = view.client_id,
            .client_host = view.client_host,
            .member_metadata = stable ? view.subscription : BYTES_LITERAL(""),
            .member_assignment = stable ? view.assignment : BYTES_LITERAL(""),
        };
    }
    return true;
}

/* One of the newer protocol is none that this API knows. */
static void put_missing(struct call *call, struct describe_groups_response_group *answer, bool consumer)
{
    static const char words[] = "Group not found.", other[] = "The group is not a classic group.";

    answer->group_state = BYTES_LITERAL("Dead");
    if (call->version < FIRST_VERSION_WITH_NOT_FOUND) return; /* no error, once */
    call->failed = true;
    answer->error_code = ERROR_GROUP_ID_NOT_FOUND;
    answer->error_message = consumer ? BYTES_LITERAL(other) : BYTES_LITERAL(words);
}

static bool put_group(struct call *call, struct bytes id, bool operations,
                      struct describe_groups_response_group *answer)
{
    const enum error error = groups_place(call->groups, id);
    const uint32_t group = error == ERROR_NONE ? groups_find(call->groups, id) : GROUP_NONE;

    *answer = describe_groups_response_group_default;
    answer->error_code = (int16_t)error;
    answer->group_id = id;
    answer->group_state = answer->protocol_type = answer->protocol_data = BYTES_LITERAL("");
    call->failed |= error != ERROR_NONE;
    if (error != ERROR_NONE) return true;
    if (operations) answer->authorized_operations = GROUP_OPERATIONS;
    if (group == GROUP_NONE || groups_view(call->groups, group).consumer) {
        put_missing(call, answer, group != GROUP_NONE);
        return true;
    }
    const struct group_view view = groups_view(call->groups, group);
    answer->group_state = text_of(view.state);
    answer->protocol_type = view.protocol_type;
    answer->protocol_data = view.protocol;
    return put_members(call, group, view.member_count, answer);
}

enum call_verdict describe_groups_handle(struct call *call)
{
    struct describe_groups_request request;
    struct describe_groups_response response = describe_groups_response_default;
    struct reader reader = reader_of(call->body);

    if (!describe_groups_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    response.groups = arena_take(call->arena, request.groups_count, sizeof *response.groups);
    if (response.groups == NULL) return CALL_MALFORMED;
    for (uint32_t i = 0; i < request.groups_count; i++) {
        struct describe_groups_response_group *answer = &response.groups[response.groups_count++];
        if (!put_group(call, request.groups[i], request.include_authorized_operations, answer)) return CALL_MALFORMED;
    }
    describe_groups_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
