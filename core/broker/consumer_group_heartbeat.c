/* consumer_group_heartbeat.c -- a member of a group of the newer protocol (KIP-848) comes, is there, or leaves, and
 * learns what it is to read. Answered when the coordinator's log has what it was told, committed. */
#include "broker/apis.h"

#include "broker/group_calls.h"
#include "codec/messages.h"

static enum call_verdict answer_error(struct call *call, enum error error)
{
    struct consumer_group_heartbeat_response response = consumer_group_heartbeat_response_default;

    response.error_code = (int16_t)error;
    call->failed = error != ERROR_NONE;
    consumer_group_heartbeat_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}

/* Topic by topic. False: the arena is exhausted. */
static bool put_assignment(struct call *call, struct part_list parts,
                           struct consumer_group_heartbeat_response *response)
{
    struct consumer_group_heartbeat_response_topic *topics =
        arena_take(call->arena, parts_topic_count(parts), sizeof *topics);
    int32_t *indexes = arena_take(call->arena, parts.count, sizeof *indexes);

    if (topics == NULL || indexes == NULL) return false;
    response->has_assignment = true;
    response->assignment.topic_partitions = topics;
    while (parts.count > 0) {
        const uint32_t count = parts_of_topic(parts);
        for (uint32_t i = 0; i < count; i++) indexes[i] = parts.list[i].index;
        topics[response->assignment.topic_partitions_count++] = (struct consumer_group_heartbeat_response_topic){
            .topic_id = parts.list[0].topic,
            .partitions = indexes,
            .partitions_count = count,
        };
        indexes += count;
        parts = (struct part_list){ parts.list + count, parts.count - count };
    }
    return true;
}

static enum call_verdict put_answer(struct call *call, const struct consumer_answer *answer)
{
    struct consumer_group_heartbeat_response response = consumer_group_heartbeat_response_default;

    response.member_id = answer->member_id;
    response.member_epoch = answer->member_epoch;
    response.heartbeat_interval_ms = answer->heartbeat_interval_ms;
    if (answer->tells_assignment && !put_assignment(call, answer->assignment, &response)) return CALL_MALFORMED;
    consumer_group_heartbeat_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}

enum call_verdict consumer_group_heartbeat_handle(struct call *call)
{
    const struct group_caller caller = group_caller_of(call);
    struct consumer_group_heartbeat_request request;
    struct reader reader = reader_of(call->body);
    struct consumer_answer answer;

    if (!consumer_group_heartbeat_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    if (group_call_waited(call)) return answer_error(call, group_call_outcome(call));
    if (call->timed_out) return answer_error(call, ERROR_COORDINATOR_NOT_AVAILABLE); /* it waited for room */
    if (!group_call_reserve(call, call->body.size)) return CALL_WAITS;
    const enum group_verdict verdict = groups_consumer_beat(call->groups, &caller, &request, &answer);
    if (verdict == GROUP_NO_ROOM) return group_call_wait_for_room(call);
    if (answer.error != ERROR_NONE) return answer_error(call, answer.error);
    const enum call_verdict written = put_answer(call, &answer);
    return verdict == GROUP_WAITS && written == CALL_ANSWERED ? group_call_hold(call) : written;
}
