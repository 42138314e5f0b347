/* alter_partition_reassignments.c -- partitions move to other nodes, or stay after all (KIP-455). */
#include "broker/admin.h"
#include "broker/apis.h"

static void refuse(struct call *call, enum error error, struct bytes message,
                   struct alter_partition_reassignments_response_partition *answer)
{
    call->failed = true;
    answer->error_code = (int16_t)error;
    answer->error_message = message;
}

static struct bytes say_unknown(struct call *call, struct bytes name, const int32_t *index)
{
    char data[CONTROLLER_MESSAGE_SIZE_MAX];
    struct text text = text_in(data, sizeof data);

    text_add(&text, index == NULL ? "Unable to find a topic named " : "Unable to find partition ");
    text_add_bytes(&text, name);
    if (index != NULL) text_add(&text, ":");
    if (index != NULL) text_add_int(&text, *index);
    text_add(&text, ".");
    return admin_message(call, &text);
}

/* The index to wait for; 0: none. */
static uint64_t decide_one(struct call *call, struct bytes name,
                           const struct alter_partition_reassignments_request_partition *asked,
                           struct alter_partition_reassignments_response_partition *answer)
{
    const uint32_t topic = image_topic_by_name(call->image, name);
    const uint32_t slot = topic == SLOT_NONE ? SLOT_NONE : image_partition_slot(call->image, topic, asked->index);
    struct controller_answer decided;

    *answer = (struct alter_partition_reassignments_response_partition){ .index = asked->index };
    if (call->refusal != ERROR_NONE) {
        refuse(call, call->refusal, admin_refusal(call), answer);
        return 0;
    }
    if (slot == SLOT_NONE) {
        const int32_t *index = topic == SLOT_NONE ? NULL : &asked->index;
        refuse(call, ERROR_UNKNOWN_TOPIC_OR_PARTITION, say_unknown(call, name, index), answer);
        return 0;
    }
    controller_reassign(call->controller, slot, asked->replicas, asked->replicas_count, &decided);
    if (decided.wait_index != 0) return decided.wait_index;
    if (decided.error != ERROR_NONE) refuse(call, decided.error, admin_message(call, &decided.message), answer);
    return 0;
}

static uint64_t decide_topic(struct call *call, const struct alter_partition_reassignments_request_topic *asked,
                             struct alter_partition_reassignments_response_topic *answer)
{
    uint64_t wait_index = 0;

    *answer = (struct alter_partition_reassignments_response_topic){ .name = asked->name };
    answer->partitions = arena_take(call->arena, asked->partitions_count, sizeof *answer->partitions);
    if (answer->partitions == NULL) return 0;
    for (uint32_t i = 0; i < asked->partitions_count && wait_index == 0; i++) {
        wait_index =
            decide_one(call, asked->name, &asked->partitions[i], &answer->partitions[answer->partitions_count++]);
    }
    return wait_index;
}

enum call_verdict alter_partition_reassignments_handle(struct call *call)
{
    struct alter_partition_reassignments_request request;
    struct alter_partition_reassignments_response response = alter_partition_reassignments_response_default;
    struct reader reader = reader_of(call->body);
    enum call_verdict verdict;

    if (!alter_partition_reassignments_request_read(&reader, call->version, call->arena, &request)) {
        return CALL_MALFORMED;
    }
    if (call_wish(call, request.timeout_ms, &verdict)) return verdict;
    response.topics = arena_take(call->arena, request.topics_count, sizeof *response.topics);
    if (response.topics == NULL) return CALL_MALFORMED;
    for (uint32_t i = 0; i < request.topics_count; i++) {
        const uint64_t wait_index = decide_topic(call, &request.topics[i], &response.topics[response.topics_count++]);
        if (wait_index != 0) return admin_wait(call, wait_index);
    }
    if (call->arena->exhausted) return CALL_MALFORMED;
    response.error_code = (int16_t)call->refusal;
    response.error_message = admin_refusal(call);
    alter_partition_reassignments_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
