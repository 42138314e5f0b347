/* offset_fetch.c -- how far had a group come? For the partitions that are named, or for all that it committed. Of what
 * it never committed the answer is -1, and no error: so is that of a group that nobody knows. */
#include "broker/apis.h"

#include "base/check.h"
#include "broker/group_calls.h"
#include "codec/messages.h"

enum {
    FIRST_VERSION_WITH_ALL = 2, /* and with an error of the group as a whole */
    FIRST_VERSION_WITH_GROUPS = 8,
};

static struct offset_fetch_response_group_partition told(const struct group_offset *offset)
{
    return (struct offset_fetch_response_group_partition){
        .index = offset->partition,
        .committed_offset = offset->offset,
        .committed_leader_epoch = offset->leader_epoch,
        .metadata = offset->metadata.data == NULL ? BYTES_LITERAL("") : offset->metadata,
    };
}

/* ---- what is asked for by name ---- */

static bool fetch_named(struct call *call, const struct offset_fetch_request_group *asked, enum error error,
                        struct offset_fetch_response_group *group)
{
    group->topics = arena_take(call->arena, asked->topics_count, sizeof *group->topics);
    if (group->topics == NULL) return false;
    for (uint32_t i = 0; i < asked->topics_count; i++) {
        const struct offset_fetch_request_group_topic *from = &asked->topics[i];
        struct offset_fetch_response_group_topic *to = &group->topics[group->topics_count++];
        *to = (struct offset_fetch_response_group_topic){ .name = from->name };
        to->partitions = arena_take(call->arena, from->partition_indexes_count, sizeof *to->partitions);
        if (to->partitions == NULL) return false;
        for (uint32_t j = 0; j < from->partition_indexes_count; j++) {
            struct group_offset offset = { .offset = -1, .leader_epoch = -1 };
            if (error == ERROR_NONE) {
                offset = groups_offset(call->groups, asked->group_id, from->name, from->partition_indexes[j]);
            }
            offset.partition = from->partition_indexes[j];
            to->partitions[to->partitions_count] = told(&offset);
            to->partitions[to->partitions_count++].error_code = (int16_t)error;
        }
    }
    return true;
}

/* ---- all that there is ---- */

/* An offset, and what it is sorted by: a number of its topic, and its partition. */
struct found {
    uint64_t key;
    uint32_t offset;
};

static void sift(struct found *heap, uint32_t count, uint32_t at)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= count) return;
        if (child + 1 < count && heap[child + 1].key > heap[child].key) child++;
        if (heap[at].key >= heap[child].key) return;
        const struct found swapped = heap[at];
        heap[at] = heap[child];
        heap[child] = swapped;
        at = child;
    }
}

static void sort(struct found *found, uint32_t count)
{
    for (uint32_t at = count / 2; at-- > 0;) sift(found, count, at);
    while (count > 1) {
        const struct found last = found[--count];
        found[count] = found[0];
        found[0] = last;
        sift(found, count, 0);
    }
}

static bool fetch_all(struct call *call, const struct offset_fetch_request_group *asked,
                      struct offset_fetch_response_group *group)
{
    const uint32_t count_max = groups_offset_count(call->groups, asked->group_id);
    struct found *found = arena_take(call->arena, count_max, sizeof *found);
    struct offset_fetch_response_group_partition *partitions = arena_take(call->arena, count_max, sizeof *partitions);
    struct group_offset offset;
    uint32_t count = 0, topics = 0;

    if (found == NULL || partitions == NULL) return false;
    for (uint32_t at = groups_next_offset(call->groups, asked->group_id, GROUP_NONE, &offset); at != GROUP_NONE;
         at = groups_next_offset(call->groups, asked->group_id, at, &offset)) {
        CHECK(count < count_max);
        const uint64_t topic = groups_offset_topic(call->groups, at);
        found[count++] = (struct found){ topic << 32 | (uint32_t)offset.partition, at };
    }
    sort(found, count);
    for (uint32_t i = 0; i < count; i++) topics += i == 0 || found[i].key >> 32 != found[i - 1].key >> 32;
    group->topics = arena_take(call->arena, topics, sizeof *group->topics);
    if (group->topics == NULL) return false;
    for (uint32_t i = 0; i < count; i++) {
        offset = groups_offset_at(call->groups, found[i].offset);
        partitions[i] = told(&offset);
        if (i == 0 || found[i].key >> 32 != found[i - 1].key >> 32) {
            group->topics[group->topics_count++] =
                (struct offset_fetch_response_group_topic){ .name = offset.topic, .partitions = &partitions[i] };
        }
        group->topics[group->topics_count - 1].partitions_count++;
    }
    return true;
}

/* ---- the answer ---- */

static bool fetch_group(struct call *call, const struct offset_fetch_request_group *asked,
                        struct offset_fetch_response_group *group)
{
    enum error error = groups_place(call->groups, asked->group_id);

    if (error == ERROR_NONE && (asked->member_id.data != NULL || asked->member_epoch >= 0)) {
        error = groups_consumer_judge(call->groups, asked->group_id, asked->member_id, asked->member_epoch);
    }
    *group = offset_fetch_response_group_default;
    group->group_id = asked->group_id;
    group->error_code = (int16_t)error;
    call->failed |= error != ERROR_NONE;
    if (asked->topics == NULL) return error != ERROR_NONE || fetch_all(call, asked, group);
    if (error != ERROR_NONE && call->version >= FIRST_VERSION_WITH_ALL) return true;
    return fetch_named(call, asked, error, group);
}

/* The older form of the answer. */
static bool put_one(struct call *call, const struct offset_fetch_response_group *group)
{
    struct offset_fetch_response response = offset_fetch_response_default;

    response.error_code = group->error_code;
    response.topics = arena_take(call->arena, group->topics_count, sizeof *response.topics);
    if (response.topics == NULL) return false;
    for (uint32_t i = 0; i < group->topics_count; i++) {
        const struct offset_fetch_response_group_topic *from = &group->topics[i];
        struct offset_fetch_response_topic *to = &response.topics[response.topics_count++];
        *to = (struct offset_fetch_response_topic){ .name = from->name };
        to->partitions = arena_take(call->arena, from->partitions_count, sizeof *to->partitions);
        if (to->partitions == NULL) return false;
        for (uint32_t j = 0; j < from->partitions_count; j++) {
            to->partitions[to->partitions_count++] = (struct offset_fetch_response_partition){
                .index = from->partitions[j].index,
                .committed_offset = from->partitions[j].committed_offset,
                .committed_leader_epoch = from->partitions[j].committed_leader_epoch,
                .metadata = from->partitions[j].metadata,
                .error_code = from->partitions[j].error_code,
            };
        }
    }
    offset_fetch_response_write(call->out, call->version, &response);
    return true;
}

/* The older form of the request as the newer one. False: the arena is exhausted. */
static bool fetch_one(struct call *call, const struct offset_fetch_request *request)
{
    struct offset_fetch_request_group asked = { .group_id = request->group_id, .member_epoch = -1 };
    struct offset_fetch_response_group group;

    if (request->topics != NULL) {
        asked.topics = arena_take(call->arena, request->topics_count, sizeof *asked.topics);
        if (asked.topics == NULL) return false;
        for (uint32_t i = 0; i < request->topics_count; i++) {
            asked.topics[asked.topics_count++] = (struct offset_fetch_request_group_topic){
                .name = request->topics[i].name,
                .partition_indexes = request->topics[i].partition_indexes,
                .partition_indexes_count = request->topics[i].partition_indexes_count,
            };
        }
    }
    return fetch_group(call, &asked, &group) && put_one(call, &group);
}

enum call_verdict offset_fetch_handle(struct call *call)
{
    struct offset_fetch_request request;
    struct offset_fetch_response response = offset_fetch_response_default;
    struct reader reader = reader_of(call->body);

    if (!offset_fetch_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    if (call->version < FIRST_VERSION_WITH_GROUPS) return fetch_one(call, &request) ? CALL_ANSWERED : CALL_MALFORMED;
    response.groups = arena_take(call->arena, request.groups_count, sizeof *response.groups);
    if (response.groups == NULL) return CALL_MALFORMED;
    for (uint32_t i = 0; i < request.groups_count; i++) {
        if (!fetch_group(call, &request.groups[i], &response.groups[response.groups_count++])) return CALL_MALFORMED;
    }
    offset_fetch_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
