/* describe_producers.c -- which idempotent producers does a partition remember, and what did they send last? (KIP-664)
 * Any replica answers for itself: a tool compares them. */
#include "broker/apis.h"

#include "broker/partitions.h"
#include "codec/messages.h"
#include "log/logs.h"

static bool put_producers(struct call *call, uint32_t log, struct describe_producers_response_partition *answer)
{
    const uint32_t count = log_producer_count(call->logs, log);
    struct log_producer producer;
    uint32_t place = LOG_PRODUCERS_BEGIN;

    answer->active_producers = arena_take(call->arena, count, sizeof *answer->active_producers);
    if (answer->active_producers == NULL) return false;
    while (answer->active_producers_count < count && log_next_producer(call->logs, log, &place, &producer)) {
        struct describe_producers_response_producer *to = &answer->active_producers[answer->active_producers_count++];
        *to = describe_producers_response_producer_default;
        to->producer_id = producer.id;
        to->producer_epoch = producer.epoch;
        to->last_sequence = producer.last_sequence;
        to->last_timestamp = producer.used_ms;
        to->coordinator_epoch = -1; /* no transaction was ever ended by a marker */
    }
    return true;
}

/* False: the answer does not fit. */
static bool describe(struct call *call, uint32_t topic, int32_t index,
                     struct describe_producers_response_partition *answer)
{
    const struct place place = partition_place_to_read(call, topic, index, EPOCH_NOT_GIVEN);

    *answer = describe_producers_response_partition_default;
    answer->index = index;
    answer->error_code = (int16_t)place.error;
    answer->error_message = (struct bytes){ NULL, 0 };
    answer->active_producers = arena_take(call->arena, 0, sizeof *answer->active_producers);
    if (place.error == ERROR_NONE) return put_producers(call, place.log, answer);
    call->failed = true;
    return answer->active_producers != NULL;
}

enum call_verdict describe_producers_handle(struct call *call)
{
    struct describe_producers_request request;
    struct describe_producers_response response = describe_producers_response_default;
    struct reader reader = reader_of(call->body);

    if (!describe_producers_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    response.topics = arena_take(call->arena, request.topics_count, sizeof *response.topics);
    if (response.topics == NULL) return CALL_MALFORMED;
    for (uint32_t i = 0; i < request.topics_count; i++) {
        const struct describe_producers_request_topic *from = &request.topics[i];
        struct describe_producers_response_topic *to = &response.topics[response.topics_count++];
        const uint32_t topic = image_topic_by_name(call->image, from->name);
        *to = (struct describe_producers_response_topic){ .name = from->name };
        to->partitions = arena_take(call->arena, from->partition_indexes_count, sizeof *to->partitions);
        if (to->partitions == NULL) return CALL_MALFORMED;
        for (uint32_t j = 0; j < from->partition_indexes_count; j++) {
            if (!describe(call, topic, from->partition_indexes[j], &to->partitions[to->partitions_count++])) {
                return CALL_MALFORMED;
            }
        }
    }
    describe_producers_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
