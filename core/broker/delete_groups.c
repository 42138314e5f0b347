/* delete_groups.c -- groups go, with all that they committed. One after the other: each is gone, durably, before it is
 * said to be. */
#include "broker/apis.h"

#include "broker/group_calls.h"
#include "broker/state.h"
#include "codec/messages.h"

/* Kept while the request waits. */
struct progress {
    uint32_t done_count;
    int16_t errors[];
};

static enum call_verdict answer(struct call *call, const struct delete_groups_request *request,
                                const struct progress *progress)
{
    struct delete_groups_response response = delete_groups_response_default;

    response.results = arena_take(call->arena, request->group_names_count, sizeof *response.results);
    if (response.results == NULL) return CALL_MALFORMED;
    for (uint32_t i = 0; i < request->group_names_count; i++) {
        response.results[response.results_count++] =
            (struct delete_groups_response_result){ request->group_names[i], progress->errors[i] };
        call->failed |= progress->errors[i] != ERROR_NONE;
    }
    delete_groups_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}

/* False: the next one is under way. */
static bool delete_all(struct call *call, const struct delete_groups_request *request, struct progress *progress)
{
    while (progress->done_count < request->group_names_count) {
        const struct bytes id = request->group_names[progress->done_count];
        enum error error;
        if (groups_delete(call->groups, id, call->waiter, &error) == GROUP_WAITS) return false;
        progress->errors[progress->done_count++] = (int16_t)error;
    }
    return true;
}

/* Of the one that was waited for. */
static void take_outcome(struct call *call, const struct delete_groups_request *request, struct progress *progress)
{
    const bool ready = groups_is_ready(call->groups, call->waiter);

    if (!group_call_waited(call) || progress->done_count == request->group_names_count) return;
    progress->errors[progress->done_count++] = (int16_t)group_call_outcome(call);
    groups_forget(call->groups, call->waiter);
    while (!ready && progress->done_count < request->group_names_count) { /* this node stops */
        progress->errors[progress->done_count++] = ERROR_NOT_COORDINATOR;
    }
}

enum call_verdict delete_groups_handle(struct call *call)
{
    struct link *link = link_at(call->broker, call->link);
    struct progress *progress = answers_kept(call->broker, link);
    struct delete_groups_request request;
    struct reader reader = reader_of(call->body);

    if (!delete_groups_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    const uint32_t size = (uint32_t)(sizeof *progress + request.group_names_count * sizeof progress->errors[0]);
    if (progress == NULL) {
        if (!group_call_reserve(call, call->body.size + size)) return CALL_WAITS;
        progress = arena_take(call->arena, 1, size);
        if (progress == NULL) return CALL_MALFORMED;
        memset(progress, 0, size);
    } else {
        take_outcome(call, &request, progress);
    }
    if (delete_all(call, &request, progress)) return answer(call, &request, progress);
    if (answers_kept(call->broker, link) == NULL) memcpy(answers_keep(call->broker, link, size), progress, size);
    return group_call_wait(call);
}
