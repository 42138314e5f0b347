/* offset_delete.c -- offsets of a group are forgotten, of topics that it does not read. */
#include "broker/apis.h"

#include "broker/group_calls.h"
#include "codec/messages.h"
#include "meta/image.h"

struct deleting {
    struct call *call;
    struct offset_delete_request request;
    struct offset_delete_response response;
};

static enum call_verdict answer(struct deleting *deleting, enum error error)
{
    struct call *call = deleting->call;

    if (error != ERROR_NONE) {
        deleting->response = offset_delete_response_default;
        deleting->response.error_code = (int16_t)error;
        call->failed = true;
    }
    offset_delete_response_write(call->out, call->version, &deleting->response);
    return CALL_ANSWERED;
}

static enum error delete_one(const struct deleting *deleting, struct bytes topic, int32_t partition)
{
    const struct call *call = deleting->call;
    const uint32_t slot = image_topic_by_name(call->image, topic);

    if (slot == SLOT_NONE || image_partition_slot(call->image, slot, partition) == SLOT_NONE) {
        return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    if (groups_subscribe(call->groups, deleting->request.group_id, topic)) return ERROR_GROUP_SUBSCRIBED_TO_TOPIC;
    return groups_add_deletion(call->groups, topic, partition);
}

/* False: the arena is exhausted. */
static bool delete_all(struct deleting *deleting)
{
    struct call *call = deleting->call;
    const struct offset_delete_request *request = &deleting->request;

    for (uint32_t i = 0; i < request->topics_count; i++) {
        const struct offset_delete_request_topic *from = &request->topics[i];
        struct offset_delete_response_topic *to = &deleting->response.topics[deleting->response.topics_count++];
        *to = (struct offset_delete_response_topic){ .name = from->name };
        to->partitions = arena_take(call->arena, from->partitions_count, sizeof *to->partitions);
        if (to->partitions == NULL) return false;
        for (uint32_t j = 0; j < from->partitions_count; j++) {
            const enum error error = delete_one(deleting, from->name, from->partitions[j].index);
            to->partitions[to->partitions_count++] =
                (struct offset_delete_response_partition){ from->partitions[j].index, (int16_t)error };
            call->failed |= error != ERROR_NONE;
        }
    }
    return true;
}

static uint32_t count_of(const struct offset_delete_request *request)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < request->topics_count; i++) count += request->topics[i].partitions_count;
    return count;
}

enum call_verdict offset_delete_handle(struct call *call)
{
    struct deleting deleting = { .call = call, .response = offset_delete_response_default };
    struct reader reader = reader_of(call->body);

    if (!offset_delete_request_read(&reader, call->version, call->arena, &deleting.request)) return CALL_MALFORMED;
    if (group_call_waited(call)) return answer(&deleting, group_call_outcome(call));
    if (call->timed_out) return answer(&deleting, ERROR_COORDINATOR_NOT_AVAILABLE); /* it waited for room */
    if (!group_call_reserve(call, call->body.size)) return CALL_WAITS;
    enum error error = groups_may_delete_offsets(call->groups, deleting.request.group_id);
    if (error != ERROR_NONE) return answer(&deleting, error);
    deleting.response.topics = arena_take(call->arena, deleting.request.topics_count, sizeof *deleting.response.topics);
    if (deleting.response.topics == NULL) return CALL_MALFORMED;
    error = groups_begin_commit(call->groups, deleting.request.group_id, count_of(&deleting.request));
    if (error != ERROR_NONE) return answer(&deleting, error);
    const bool fits = delete_all(&deleting);
    switch (groups_end_commit(call->groups, call->waiter, &error)) {
    case GROUP_NO_ROOM: return group_call_wait_for_room(call);
    case GROUP_ANSWERED: return fits ? answer(&deleting, error) : CALL_MALFORMED;
    case GROUP_HELD:
    case GROUP_WAITS: break;
    }
    if (!fits) return CALL_MALFORMED;
    answer(&deleting, ERROR_NONE);
    return group_call_hold(call);
}
