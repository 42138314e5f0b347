/* list_groups.c -- which groups are coordinated here? */
#include "broker/apis.h"

#include "base/text.h"
#include "broker/group_calls.h"
#include "codec/messages.h"

static const struct bytes classic = BYTES_LITERAL("classic"), consumer = BYTES_LITERAL("consumer");

static uint8_t lower(uint8_t letter)
{
    return letter >= 'A' && letter <= 'Z' ? (uint8_t)(letter | 0x20) : letter;
}

static bool is_word(struct bytes text, struct bytes word)
{
    if (text.size != word.size) return false;
    for (uint32_t i = 0; i < text.size; i++) {
        if (lower(text.data[i]) != lower(word.data[i])) return false;
    }
    return true;
}

/* Whether a word passes a filter; no filter lets everything pass. */
static bool passes(const struct bytes *filter, uint32_t count, struct bytes word)
{
    for (uint32_t i = 0; i < count; i++) {
        if (is_word(filter[i], word)) return true;
    }
    return count == 0;
}

enum call_verdict list_groups_handle(struct call *call)
{
    struct list_groups_request request;
    struct list_groups_response response = list_groups_response_default;
    struct reader reader = reader_of(call->body);

    if (!list_groups_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    if (groups_are_loading(call->groups)) response.error_code = ERROR_COORDINATOR_LOAD_IN_PROGRESS;
    response.groups = arena_take(call->arena, groups_usage(call->groups).groups, sizeof *response.groups);
    if (response.groups == NULL) return CALL_MALFORMED;
    for (uint32_t at = groups_next_group(call->groups, GROUP_NONE); at != GROUP_NONE && response.error_code == 0;
         at = groups_next_group(call->groups, at)) {
        const struct group_view view = groups_view(call->groups, at);
        const struct bytes state = text_of(view.state);
        const struct bytes type = view.consumer ? consumer : classic;
        if (!passes(request.states_filter, request.states_filter_count, state)) continue;
        if (!passes(request.types_filter, request.types_filter_count, type)) continue;
        response.groups[response.groups_count++] = (struct list_groups_response_group){
            .group_id = view.group_id,
            .protocol_type = view.protocol_type,
            .group_state = state,
            .group_type = type,
        };
    }
    call->failed = response.error_code != ERROR_NONE;
    list_groups_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
