/* consumer_group_describe.c -- who is in these groups of the newer protocol (KIP-848), what does each of them read, and
 * what is it to read? */
#include "broker/apis.h"

#include "base/check.h"
#include "base/text.h"
#include "broker/group_calls.h"
#include "broker/operations.h"
#include "codec/messages.h"
#include "meta/image.h"

enum { MEMBER_IS_CLASSIC = 0, MEMBER_IS_CONSUMER = 1 };

/* A topic that is gone has no name: what was read of it is not told. */
static bool topic_name(const struct call *call, const struct uuid *id, struct bytes *name)
{
    const uint32_t topic = image_topic_by_id(call->image, id);

    if (topic == SLOT_NONE) return false;
    *name = image_topic_name(call->image, topic);
    return true;
}

/* The indexes of the first topic's partitions, which are taken off. NULL: the arena is exhausted. */
static int32_t *take_topic(const struct call *call, struct part_list *parts, uint32_t *count)
{
    *count = parts_of_topic(*parts);
    int32_t *indexes = arena_take(call->arena, *count, sizeof *indexes);

    if (indexes == NULL) return NULL;
    for (uint32_t i = 0; i < *count; i++) indexes[i] = parts->list[i].index;
    *parts = (struct part_list){ parts->list + *count, parts->count - *count };
    return indexes;
}

static bool put_assignment(const struct call *call, struct part_list parts,
                           struct consumer_group_describe_response_assignment *answer)
{
    answer->topic_partitions = arena_take(call->arena, parts_topic_count(parts), sizeof *answer->topic_partitions);
    if (answer->topic_partitions == NULL) return false;
    while (parts.count > 0) {
        struct consumer_group_describe_response_topic topic = { .topic_id = parts.list[0].topic };
        topic.partitions = take_topic(call, &parts, &topic.partitions_count);
        if (topic.partitions == NULL) return false;
        if (!topic_name(call, &topic.topic_id, &topic.topic_name)) continue;
        answer->topic_partitions[answer->topic_partitions_count++] = topic;
    }
    return true;
}

static bool put_target(const struct call *call, struct part_list parts,
                       struct consumer_group_describe_response_target *answer)
{
    answer->topic_partitions = arena_take(call->arena, parts_topic_count(parts), sizeof *answer->topic_partitions);
    if (answer->topic_partitions == NULL) return false;
    while (parts.count > 0) {
        struct consumer_group_describe_response_target_topic topic = { .topic_id = parts.list[0].topic };
        topic.partitions = take_topic(call, &parts, &topic.partitions_count);
        if (topic.partitions == NULL) return false;
        if (!topic_name(call, &topic.topic_id, &topic.topic_name)) continue;
        answer->topic_partitions[answer->topic_partitions_count++] = topic;
    }
    return true;
}

static bool put_names(const struct call *call, struct bytes names,
                      struct consumer_group_describe_response_member *answer)
{
    struct bytes left = names, name;
    uint32_t count = 0;

    while (groups_next_name(&left, &name)) count++;
    struct bytes *list = arena_take(call->arena, count, sizeof *list);
    if (list == NULL) return false;
    answer->subscribed_topic_names = list;
    while (groups_next_name(&names, &name)) *list++ = name;
    answer->subscribed_topic_names_count = count;
    return true;
}

static bool put_members(const struct call *call, uint32_t group, uint32_t count,
                        struct consumer_group_describe_response_group *answer)
{
    struct consumer_view view;

    answer->members = arena_take(call->arena, count, sizeof *answer->members);
    if (answer->members == NULL) return false;
    for (uint32_t at = groups_next_consumer(call->groups, group, GROUP_NONE, &view); at != GROUP_NONE;
         at = groups_next_consumer(call->groups, group, at, &view)) {
        CHECK(answer->members_count < count);
        struct consumer_group_describe_response_member *member = &answer->members[answer->members_count++];
        *member = consumer_group_describe_response_member_default;
        member->member_id = view.member_id;
        member->instance_id = view.instance_id;
        member->rack_id = view.rack;
        member->member_epoch = view.epoch;
        member->client_id = view.client_id;
        member->client_host = view.client_host;
        member->subscribed_topic_regex = view.regex;
        member->member_type = view.classic ? MEMBER_IS_CLASSIC : MEMBER_IS_CONSUMER;
        if (!put_names(call, view.topics, member) || !put_assignment(call, view.assignment, &member->assignment) ||
            !put_target(call, view.target, &member->target_assignment)) {
            return false;
        }
    }
    return true;
}

static void put_missing(struct call *call, struct consumer_group_describe_response_group *answer, bool classic)
{
    static const char missing[] = "Group not found.", other[] = "The group is not a consumer group.";

    call->failed = true;
    answer->error_code = ERROR_GROUP_ID_NOT_FOUND;
    answer->error_message = classic ? BYTES_LITERAL(other) : BYTES_LITERAL(missing);
}

static bool put_group(struct call *call, struct bytes id, bool operations,
                      struct consumer_group_describe_response_group *answer)
{
    const enum error error = groups_place(call->groups, id);
    const uint32_t group = error == ERROR_NONE ? groups_find(call->groups, id) : GROUP_NONE;

    *answer = consumer_group_describe_response_group_default;
    answer->error_code = (int16_t)error;
    answer->group_id = id;
    answer->group_state = answer->assignor_name = BYTES_LITERAL("");
    call->failed |= error != ERROR_NONE;
    if (error != ERROR_NONE) return true;
    if (group == GROUP_NONE || !groups_view(call->groups, group).consumer) {
        put_missing(call, answer, group != GROUP_NONE);
        return true;
    }
    const struct group_view view = groups_view(call->groups, group);
    if (operations) answer->authorized_operations = GROUP_OPERATIONS;
    answer->group_state = text_of(view.state);
    answer->group_epoch = view.epoch;
    answer->assignment_epoch = view.target_epoch;
    answer->assignor_name = text_of(view.assignor);
    return put_members(call, group, view.member_count, answer);
}

/* None of it can be told: what was written would have been ahead of the log. */
static enum call_verdict answer_error(struct call *call, const struct consumer_group_describe_request *request,
                                      enum error error)
{
    struct consumer_group_describe_response response = consumer_group_describe_response_default;

    call->failed = true;
    response.groups = arena_take(call->arena, request->group_ids_count, sizeof *response.groups);
    if (response.groups == NULL) return CALL_MALFORMED;
    for (uint32_t i = 0; i < request->group_ids_count; i++) {
        struct consumer_group_describe_response_group *answer = &response.groups[response.groups_count++];
        *answer = consumer_group_describe_response_group_default;
        answer->error_code = (int16_t)error;
        answer->group_id = request->group_ids[i];
        answer->group_state = answer->assignor_name = BYTES_LITERAL("");
    }
    consumer_group_describe_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}

/* What is told has to be committed, of each of them. */
static bool hold(struct call *call, const struct consumer_group_describe_request *request)
{
    bool held = false;

    for (uint32_t i = 0; i < request->group_ids_count; i++) {
        const bool here = groups_place(call->groups, request->group_ids[i]) == ERROR_NONE;
        const uint32_t group = here ? groups_find(call->groups, request->group_ids[i]) : GROUP_NONE;
        if (group == GROUP_NONE || !groups_view(call->groups, group).consumer) continue;
        held |= groups_hold(call->groups, group, call->waiter, !held);
    }
    return held;
}

enum call_verdict consumer_group_describe_handle(struct call *call)
{
    struct consumer_group_describe_request request;
    struct consumer_group_describe_response response = consumer_group_describe_response_default;
    struct reader reader = reader_of(call->body);

    if (!consumer_group_describe_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    if (group_call_waited(call)) {
        const enum error error = group_call_outcome(call);
        return answer_error(call, &request, error == ERROR_NONE ? ERROR_COORDINATOR_NOT_AVAILABLE : error);
    }
    if (!groups_may_hold(call->groups, request.group_ids_count)) {
        return answer_error(call, &request, ERROR_COORDINATOR_NOT_AVAILABLE);
    }
    response.groups = arena_take(call->arena, request.group_ids_count, sizeof *response.groups);
    if (response.groups == NULL) return CALL_MALFORMED;
    for (uint32_t i = 0; i < request.group_ids_count; i++) {
        struct consumer_group_describe_response_group *answer = &response.groups[response.groups_count++];
        if (!put_group(call, request.group_ids[i], request.include_authorized_operations, answer)) {
            return CALL_MALFORMED;
        }
    }
    consumer_group_describe_response_write(call->out, call->version, &response);
    return hold(call, &request) ? group_call_hold(call) : CALL_ANSWERED;
}
