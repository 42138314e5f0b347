/* offset_commit.c -- how far has a group come? Answered when the log of its coordinator has it, committed: whoever
 * coordinates the group next knows it. */
#include "broker/apis.h"

#include "broker/group_calls.h"
#include "codec/messages.h"
#include "meta/image.h"

struct committing_call {
    struct call *call;
    struct offset_commit_request request;
    struct offset_commit_response response;
    uint32_t partition_count;
};

/* The same error for all. */
static enum call_verdict answer_error(struct committing_call *committing, enum error error)
{
    struct call *call = committing->call;
    struct offset_commit_response *response = &committing->response;

    for (uint32_t i = 0; i < response->topics_count; i++) {
        for (uint32_t j = 0; j < response->topics[i].partitions_count; j++) {
            response->topics[i].partitions[j].error_code = (int16_t)error;
        }
    }
    call->failed = error != ERROR_NONE;
    offset_commit_response_write(call->out, call->version, response);
    return CALL_ANSWERED;
}

/* The answer's shape. False: the arena is exhausted. */
static bool shape(struct committing_call *committing)
{
    struct call *call = committing->call;
    const struct offset_commit_request *request = &committing->request;
    struct offset_commit_response *response = &committing->response;

    *response = offset_commit_response_default;
    response->topics = arena_take(call->arena, request->topics_count, sizeof *response->topics);
    if (response->topics == NULL) return false;
    for (uint32_t i = 0; i < request->topics_count; i++) {
        const struct offset_commit_request_topic *from = &request->topics[i];
        struct offset_commit_response_topic *to = &response->topics[response->topics_count++];
        *to = (struct offset_commit_response_topic){ .name = from->name };
        to->partitions = arena_take(call->arena, from->partitions_count, sizeof *to->partitions);
        if (to->partitions == NULL) return false;
        to->partitions_count = from->partitions_count;
        committing->partition_count += from->partitions_count;
        for (uint32_t j = 0; j < from->partitions_count; j++) {
            to->partitions[j] = (struct offset_commit_response_partition){ .index = from->partitions[j].index };
        }
    }
    return true;
}

static enum error add(const struct committing_call *committing, uint32_t topic, struct bytes name,
                      const struct offset_commit_request_partition *partition)
{
    const struct call *call = committing->call;
    const int64_t retention_ms = committing->request.retention_time_ms;
    const struct group_offset offset = {
        .topic = name,
        .partition = partition->index,
        .offset = partition->committed_offset,
        .leader_epoch = partition->committed_leader_epoch,
        .metadata = partition->committed_metadata,
        .expire_ms = retention_ms < 0 ? -1 : call->wall_ms + MIN(retention_ms, INT64_MAX / 2),
    };

    if (topic == SLOT_NONE || image_partition_slot(call->image, topic, partition->index) == SLOT_NONE) {
        return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return groups_add_commit(call->groups, &offset);
}

static void add_all(struct committing_call *committing)
{
    for (uint32_t i = 0; i < committing->request.topics_count; i++) {
        const struct offset_commit_request_topic *from = &committing->request.topics[i];
        const uint32_t topic = image_topic_by_name(committing->call->image, from->name);
        for (uint32_t j = 0; j < from->partitions_count; j++) {
            const enum error error = add(committing, topic, from->name, &from->partitions[j]);
            committing->response.topics[i].partitions[j].error_code = (int16_t)error;
            committing->call->failed |= error != ERROR_NONE;
        }
    }
}

static enum call_verdict commit(struct committing_call *committing)
{
    struct call *call = committing->call;
    enum error error = groups_begin_commit(call->groups, committing->request.group_id, committing->partition_count);

    if (error != ERROR_NONE) return answer_error(committing, error);
    add_all(committing);
    switch (groups_end_commit(call->groups, call->waiter, &error)) {
    case GROUP_NO_ROOM: return group_call_wait_for_room(call);
    case GROUP_ANSWERED:
        if (error != ERROR_NONE) return answer_error(committing, error);
        offset_commit_response_write(call->out, call->version, &committing->response);
        return CALL_ANSWERED;
    case GROUP_HELD:
    case GROUP_WAITS: break;
    }
    offset_commit_response_write(call->out, call->version, &committing->response);
    return group_call_hold(call);
}

enum call_verdict offset_commit_handle(struct call *call)
{
    struct committing_call committing = { .call = call };
    struct reader reader = reader_of(call->body);

    if (!offset_commit_request_read(&reader, call->version, call->arena, &committing.request)) return CALL_MALFORMED;
    if (!shape(&committing)) return CALL_MALFORMED;
    if (group_call_waited(call)) return answer_error(&committing, group_call_outcome(call));
    if (call->timed_out) return answer_error(&committing, ERROR_COORDINATOR_NOT_AVAILABLE); /* it waited for room */
    if (!group_call_reserve(call, call->body.size)) return CALL_WAITS;
    const struct group_committer committer = {
        .group_id = committing.request.group_id,
        .member_id = committing.request.member_id,
        .instance_id = committing.request.group_instance_id,
        .generation = committing.request.generation_id_or_member_epoch,
        .version = call->version,
    };
    const enum error error = groups_may_commit(call->groups, &committer);
    if (error != ERROR_NONE) return answer_error(&committing, error);
    return commit(&committing);
}
