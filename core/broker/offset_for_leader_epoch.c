/* offset_for_leader_epoch.c -- up to which offset is a leader epoch of the past still what the log holds? (KIP-320) */
#include "broker/apis.h"

#include "broker/partitions.h"
#include "codec/messages.h"
#include "log/logs.h"

static struct offset_for_leader_epoch_response_partition
end_of(struct call *call, uint32_t topic, const struct offset_for_leader_epoch_request_partition *asked)
{
    const struct place place = partition_place(call, topic, asked->index, asked->current_leader_epoch);
    struct offset_for_leader_epoch_response_partition answer = offset_for_leader_epoch_response_partition_default;

    answer.index = asked->index;
    answer.error_code = (int16_t)place.error;
    answer.leader_epoch = -1;
    answer.end_offset = -1;
    if (place.error != ERROR_NONE) {
        call->failed = true;
        return answer;
    }
    const struct epoch_end end = log_epoch_end(call->logs, place.log, asked->leader_epoch);
    answer.leader_epoch = end.leader_epoch;
    answer.end_offset = end.end_offset;
    return answer;
}

enum call_verdict offset_for_leader_epoch_handle(struct call *call)
{
    struct offset_for_leader_epoch_request request;
    struct reader reader = reader_of(call->body);
    struct offset_for_leader_epoch_response response = offset_for_leader_epoch_response_default;

    if (!offset_for_leader_epoch_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    response.topics = arena_take(call->arena, request.topics_count, sizeof *response.topics);
    if (response.topics == NULL) return CALL_MALFORMED;
    for (uint32_t i = 0; i < request.topics_count; i++) {
        const struct offset_for_leader_epoch_request_topic *from = &request.topics[i];
        struct offset_for_leader_epoch_response_topic *to = &response.topics[response.topics_count++];
        const uint32_t topic = image_topic_by_name(call->image, from->name);
        *to = (struct offset_for_leader_epoch_response_topic){ .name = from->name };
        to->partitions = arena_take(call->arena, from->partitions_count, sizeof *to->partitions);
        if (to->partitions == NULL) return CALL_MALFORMED;
        for (uint32_t j = 0; j < from->partitions_count; j++) {
            to->partitions[to->partitions_count++] = end_of(call, topic, &from->partitions[j]);
        }
    }
    offset_for_leader_epoch_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
