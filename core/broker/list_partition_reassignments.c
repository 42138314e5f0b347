/* list_partition_reassignments.c -- which partitions are on the move, from where to where, as this node's image has it
 * (KIP-455). Whoever asks for what is not on the move hears nothing of it. */
#include "broker/admin.h"
#include "broker/apis.h"
#include "meta/partition_rules.h"

static int32_t *take_ids(struct call *call, const struct image_partition *partition, replica_set set, uint32_t *count)
{
    int32_t *ids = arena_take(call->arena, REPLICAS_MAX, sizeof *ids);

    *count = ids == NULL ? 0 : image_partition_brokers(partition, set, ids);
    return ids;
}

static bool moves(const struct image_partition *partition)
{
    return (partition->adding | partition->removing) != 0;
}

static void tell(struct call *call, const struct image_partition *partition,
                 struct list_partition_reassignments_response_partition *answer)
{
    *answer = (struct list_partition_reassignments_response_partition){ .index = partition->index };
    answer->replicas = take_ids(call, partition, replica_set_all(partition), &answer->replicas_count);
    answer->adding_replicas = take_ids(call, partition, partition->adding, &answer->adding_replicas_count);
    answer->removing_replicas = take_ids(call, partition, partition->removing, &answer->removing_replicas_count);
}

/* Those of these partitions that move; `indexes` NULL: of all that the topic has. */
static void tell_topic(struct call *call, uint32_t topic, const int32_t *indexes, uint32_t count,
                       struct list_partition_reassignments_response *response)
{
    const struct image *image = call->image;
    struct list_partition_reassignments_response_topic *answer = &response->topics[response->topics_count];
    uint32_t slot = image_topic(image, topic)->first_partition;

    *answer = (struct list_partition_reassignments_response_topic){ .name = image_topic_name(image, topic) };
    for (uint32_t i = 0; indexes == NULL ? slot != SLOT_NONE : i < count; i++) {
        const uint32_t at = indexes == NULL ? slot : image_partition_slot(image, topic, indexes[i]);
        if (indexes == NULL) slot = image_partition(image, slot)->next_partition;
        if (at == SLOT_NONE || !moves(image_partition(image, at))) continue;
        const uint32_t room = indexes == NULL ? image_topic(image, topic)->partition_count : count;
        if (answer->partitions == NULL) {
            answer->partitions = arena_take(call->arena, room, sizeof *answer->partitions);
            if (answer->partitions == NULL) return;
        }
        tell(call, image_partition(image, at), &answer->partitions[answer->partitions_count++]);
    }
    response->topics_count += answer->partitions_count > 0;
}

static void tell_all(struct call *call, struct list_partition_reassignments_response *response)
{
    const struct image *image = call->image;
    const uint32_t count = image_view(image).reassigning_count;
    if (count == 0) return;

    response->topics = arena_take(call->arena, image_view(image).topic_count, sizeof *response->topics);
    for (uint32_t topic = image_first_topic(image); topic != SLOT_NONE && !call->arena->exhausted;
         topic = image_next_topic(image, topic)) {
        tell_topic(call, topic, NULL, 0, response);
    }
}

static void tell_those(struct call *call, const struct list_partition_reassignments_request *request,
                       struct list_partition_reassignments_response *response)
{
    response->topics = arena_take(call->arena, request->topics_count, sizeof *response->topics);
    for (uint32_t i = 0; i < request->topics_count && !call->arena->exhausted; i++) {
        const struct list_partition_reassignments_request_topic *asked = &request->topics[i];
        const uint32_t topic = image_topic_by_name(call->image, asked->name);
        if (topic == SLOT_NONE || asked->partitions_count == 0) continue;
        tell_topic(call, topic, asked->partitions, asked->partitions_count, response);
    }
}

enum call_verdict list_partition_reassignments_handle(struct call *call)
{
    struct list_partition_reassignments_request request;
    struct list_partition_reassignments_response response = list_partition_reassignments_response_default;
    struct reader reader = reader_of(call->body);

    if (!list_partition_reassignments_request_read(&reader, call->version, call->arena, &request)) {
        return CALL_MALFORMED;
    }
    if (request.topics == NULL) tell_all(call, &response);
    else tell_those(call, &request, &response);
    if (call->arena->exhausted) return CALL_MALFORMED;
    list_partition_reassignments_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
