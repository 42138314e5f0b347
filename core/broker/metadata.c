/* metadata.c -- which topics are there, and who leads their partitions? A topic that is not there may be created by
 * being asked for; then the answer waits until it is there, so that the client need not ask twice. */
#include "broker/apis.h"

#include "broker/operations.h"
#include "broker/partitions.h"
#include "broker/state.h"
#include "codec/messages.h"
#include "controller/controller.h"

enum {
    CREATE_WAIT_MS = 5000, /* longer than any healthy commit, shorter than a client's patience */
};

static bool put_partitions(const struct call *call, const struct image_topic *topic,
                           struct metadata_response_topic *answer)
{
    answer->partitions = arena_take(call->arena, topic->partition_count, sizeof *answer->partitions);
    if (answer->partitions == NULL) return false;
    for (uint32_t slot = topic->first_partition; slot != SLOT_NONE;) {
        const struct image_partition *partition = image_partition(call->image, slot);
        struct metadata_response_partition *to = &answer->partitions[answer->partitions_count++];
        *to = (struct metadata_response_partition){
            .error_code = partition->leader < 0 ? ERROR_LEADER_NOT_AVAILABLE : ERROR_NONE,
            .index = partition->index,
            .leader_id = partition->leader,
            .leader_epoch = partition->leader_epoch,
            .replica_nodes = partition->replicas,
            .replica_nodes_count = partition->replica_count,
        };
        const replica_set offline = offline_replicas(call->image, partition);
        if (!partition_ids(call, partition, partition->isr, &to->isr_nodes, &to->isr_nodes_count) ||
            !partition_ids(call, partition, offline, &to->offline_replicas, &to->offline_replicas_count)) {
            return false;
        }
        slot = partition->next_partition;
    }
    return true;
}

static bool put_topic(const struct call *call, uint32_t slot, bool operations, struct metadata_response_topic *answer)
{
    const struct image_topic *topic = image_topic(call->image, slot);

    *answer = metadata_response_topic_default;
    answer->name = image_topic_name(call->image, slot);
    answer->topic_id = topic->id;
    answer->is_internal = topic->internal;
    if (operations) answer->authorized_operations = TOPIC_OPERATIONS;
    return put_partitions(call, topic, answer);
}

static bool put_all_topics(const struct call *call, bool operations, struct metadata_response *response)
{
    response->topics = arena_take(call->arena, image_view(call->image).topic_count, sizeof *response->topics);
    if (response->topics == NULL) return false;
    for (uint32_t slot = image_first_topic(call->image); slot != SLOT_NONE;
         slot = image_next_topic(call->image, slot)) {
        if (!put_topic(call, slot, operations, &response->topics[response->topics_count++])) return false;
    }
    return true;
}

/* Kafka's own client then says an empty name, others none. */
static bool is_asked_by_id(const struct metadata_request_topic *asked)
{
    return asked->name.data == NULL || !uuid_is_zero(&asked->topic_id);
}

static uint32_t find_topic(const struct call *call, const struct metadata_request_topic *asked)
{
    if (!is_asked_by_id(asked)) return image_topic_by_name(call->image, asked->name);
    return image_topic_by_id(call->image, &asked->topic_id);
}

/* What is said of a topic that is not there. */
static int16_t missing_error(const struct call *call, const struct metadata_request_topic *asked)
{
    if (is_asked_by_id(asked)) return ERROR_UNKNOWN_TOPIC_ID;
    if (!topic_name_is_valid(asked->name)) return ERROR_INVALID_TOPIC_EXCEPTION;
    if (call->timed_out) return ERROR_LEADER_NOT_AVAILABLE; /* it is on its way */
    return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
}

static bool put_asked_topics(struct call *call, const struct metadata_request *request,
                             struct metadata_response *response)
{
    response->topics = arena_take(call->arena, request->topics_count, sizeof *response->topics);
    if (response->topics == NULL) return false;
    for (uint32_t i = 0; i < request->topics_count; i++) {
        const struct metadata_request_topic *asked = &request->topics[i];
        struct metadata_response_topic *answer = &response->topics[response->topics_count++];
        const uint32_t slot = find_topic(call, asked);
        if (slot != SLOT_NONE) {
            if (!put_topic(call, slot, request->include_topic_authorized_operations, answer)) return false;
            continue;
        }
        call->failed = true;
        *answer = metadata_response_topic_default;
        answer->error_code = missing_error(call, asked);
        if (!is_asked_by_id(asked)) answer->name = asked->name;
        answer->topic_id = asked->topic_id;
    }
    return true;
}

/* The topics that are asked for by name, and may be made, and are not there. False: the arena is exhausted. */
static bool find_missing(struct call *call, const struct metadata_request *request, struct bytes **names,
                         uint32_t *count)
{
    *count = 0;
    *names = arena_take(call->arena, request->topics_count, sizeof **names);
    if (*names == NULL) return false;
    if (!request->allow_auto_topic_creation) return true;
    if (broker_config_int(call->image, CONFIG_AUTO_CREATE_TOPICS_ENABLE) == 0) return true;
    for (uint32_t i = 0; i < request->topics_count; i++) {
        const struct bytes name = request->topics[i].name;
        if (is_asked_by_id(&request->topics[i]) || image_topic_by_name(call->image, name) != SLOT_NONE) continue;
        if (topic_name_is_valid(name)) (*names)[(*count)++] = name;
    }
    return true;
}

/* Wishes for what is missing, once. True: the answer has to wait for that. */
static bool awaits_missing(struct call *call, const struct bytes *names, uint32_t count)
{
    uint64_t *wish = &call->kept[0];

    if (*wish != 0 || count == 0 || call->timed_out) return false;
    const uint64_t deadline_ns = call_deadline_ns(call, CREATE_WAIT_MS);
    *wish = controller_auto_create_topics(call->controller, names, count, deadline_ns);
    call_wait_wish(call, *wish, CREATE_WAIT_MS);
    return true;
}

/* In versions 10 and 11 ids are there to be answered, not to ask by. */
static bool asks_by_id_too_early(const struct call *call, const struct metadata_request *request)
{
    if (call->version < 10 || call->version > 11) return false;
    for (uint32_t i = 0; i < request->topics_count; i++) {
        if (is_asked_by_id(&request->topics[i])) return true;
    }
    return false;
}

static bool put_refusals(struct call *call, const struct metadata_request *request, struct metadata_response *response)
{
    response->topics = arena_take(call->arena, request->topics_count, sizeof *response->topics);
    if (response->topics == NULL) return false;
    for (uint32_t i = 0; i < request->topics_count; i++) {
        response->topics[i] = metadata_response_topic_default;
        response->topics[i].error_code = ERROR_INVALID_REQUEST;
        response->topics[i].name = request->topics[i].name;
        response->topics[i].topic_id = request->topics[i].topic_id;
    }
    response->topics_count = request->topics_count;
    call->failed = true;
    return true;
}

static bool put_brokers(const struct call *call, struct metadata_response *response)
{
    response->brokers = arena_take(call->arena, image_view(call->image).broker_count, sizeof *response->brokers);
    if (response->brokers == NULL) return false;
    for (uint32_t slot = image_first_broker(call->image); slot != SLOT_NONE;
         slot = image_next_broker(call->image, slot)) {
        const struct broker_address address = address_of(image_broker(call->image, slot));
        if (address.fenced) continue;
        response->brokers[response->brokers_count++] = (struct metadata_response_broker){
            .node_id = address.id,
            .host = address.host,
            .port = address.port,
            .rack = address.rack,
        };
    }
    return true;
}

enum call_verdict metadata_handle(struct call *call)
{
    struct metadata_request request;
    struct reader reader = reader_of(call->body);
    struct metadata_response response = metadata_response_default;
    const struct image_view view = image_view(call->image);
    char cluster_id[UUID_TEXT_SIZE];
    struct bytes *missing;
    uint32_t missing_count;
    bool fits;

    if (!metadata_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    const bool too_early = asks_by_id_too_early(call, &request);
    if (!find_missing(call, &request, &missing, &missing_count)) return CALL_MALFORMED;
    if (!too_early && awaits_missing(call, missing, missing_count)) return CALL_WAITS;
    uuid_format(&view.cluster_id, cluster_id);
    response.cluster_id = (struct bytes){ (const uint8_t *)cluster_id, UUID_TEXT_SIZE };
    response.controller_id = call->broker->config.node_id; /* any broker takes what a controller is asked */
    if (request.include_cluster_authorized_operations) response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    const bool all = request.topics == NULL || (call->version == 0 && request.topics_count == 0);
    if (too_early) fits = put_refusals(call, &request, &response);
    else if (all) fits = put_all_topics(call, request.include_topic_authorized_operations, &response);
    else fits = put_asked_topics(call, &request, &response);
    if (!fits || !put_brokers(call, &response)) return CALL_MALFORMED;
    metadata_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
