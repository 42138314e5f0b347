/* delete_records.c -- moves the begin of logs up. Answered when that is durable: records that were said to be gone do
 * not come back. */
#include "broker/apis.h"

#include "broker/partitions.h"
#include "broker/state.h"
#include "codec/messages.h"

enum {
    OFFSET_HIGH_WATERMARK = -1,
    ANSWER_TOPIC_SIZE_MAX = 8,
    ANSWER_PARTITION_SIZE_MAX = 24,
    ANSWER_REST_SIZE_MAX = 64,
};

struct deleting {
    struct call *call;
    struct delete_records_request request;
    uint64_t sequence; /* with which the last of the moves becomes durable */
    bool no_room;      /* the logs could not take one of them */
};

static int16_t check(const struct deleting *deleting, const struct place *place,
                     const struct delete_records_request_partition *asked)
{
    const struct call *call = deleting->call;

    if (place->error != ERROR_NONE) return (int16_t)place->error;
    const uint32_t topic = place->partition->topic;
    if (image_topic(call->image, topic)->internal) return ERROR_INVALID_TOPIC_EXCEPTION;
    if ((topic_config_int(call->image, topic, CONFIG_CLEANUP_POLICY) & CLEANUP_DELETE) == 0) {
        return ERROR_POLICY_VIOLATION;
    }
    if (asked->offset == OFFSET_HIGH_WATERMARK) return ERROR_NONE;
    const int64_t high_watermark = log_offsets(call->logs, place->log).high_watermark;
    const bool beyond = asked->offset > high_watermark && !MUTANT(start_beyond_high_watermark);
    return asked->offset < 0 || beyond ? ERROR_OFFSET_OUT_OF_RANGE : ERROR_NONE;
}

static void delete_one(struct deleting *deleting, uint32_t topic, const struct delete_records_request_partition *asked,
                       struct delete_records_response_partition *answer)
{
    struct call *call = deleting->call;
    const struct place place = partition_place(call, topic, asked->index, EPOCH_NOT_GIVEN);

    *answer = delete_records_response_partition_default;
    answer->index = asked->index;
    answer->low_watermark = -1;
    answer->error_code = check(deleting, &place, asked);
    if (answer->error_code == ERROR_NONE && call->timed_out) answer->error_code = ERROR_REQUEST_TIMED_OUT;
    if (answer->error_code != ERROR_NONE) {
        call->failed = true;
        return;
    }
    const struct log_offsets offsets = log_offsets(call->logs, place.log);
    const int64_t wanted = asked->offset == OFFSET_HIGH_WATERMARK ? offsets.high_watermark : asked->offset;
    answer->low_watermark = MAX(wanted, offsets.log_start_offset);
    if (wanted <= offsets.log_start_offset) return; /* it is gone already */
    const uint64_t sequence = logs_advance_start(call->logs, place.log, wanted);
    if (sequence == 0) deleting->no_room = true;
    deleting->sequence = MAX(deleting->sequence, sequence);
}

static bool delete_all(struct deleting *deleting)
{
    struct call *call = deleting->call;
    struct delete_records_response response = delete_records_response_default;

    response.topics = arena_take(call->arena, deleting->request.topics_count, sizeof *response.topics);
    if (response.topics == NULL) return false;
    for (uint32_t i = 0; i < deleting->request.topics_count; i++) {
        const struct delete_records_request_topic *from = &deleting->request.topics[i];
        struct delete_records_response_topic *to = &response.topics[response.topics_count++];
        const uint32_t topic = image_topic_by_name(call->image, from->name);
        *to = (struct delete_records_response_topic){ .name = from->name };
        to->partitions = arena_take(call->arena, from->partitions_count, sizeof *to->partitions);
        if (to->partitions == NULL) return false;
        for (uint32_t j = 0; j < from->partitions_count; j++) {
            delete_one(deleting, topic, &from->partitions[j], &to->partitions[to->partitions_count++]);
        }
    }
    delete_records_response_write(call->out, call->version, &response);
    return true;
}

static uint64_t answer_size(const struct delete_records_request *request)
{
    uint64_t size = ANSWER_REST_SIZE_MAX;

    for (uint32_t i = 0; i < request->topics_count; i++) {
        size += request->topics[i].name.size + ANSWER_TOPIC_SIZE_MAX;
        size += (uint64_t)request->topics[i].partitions_count * ANSWER_PARTITION_SIZE_MAX;
    }
    return size;
}

enum call_verdict delete_records_handle(struct call *call)
{
    struct deleting deleting = { .call = call };
    struct reader reader = reader_of(call->body);

    if (!delete_records_request_read(&reader, call->version, call->arena, &deleting.request)) return CALL_MALFORMED;
    const uint64_t size = answer_size(&deleting.request);
    if (size > ANSWER_SIZE_MAX) return CALL_MALFORMED;
    if (!call_reserve(call, (uint32_t)size)) return CALL_WAITS;
    if (!delete_all(&deleting)) return CALL_MALFORMED;
    call->wait.deadline_ns = call_deadline_ns(call, deleting.request.timeout_ms);
    if (deleting.no_room) { /* all of it again: what was moved stays so */
        call->wait.what = WAIT_APPEND;
        return CALL_WAITS;
    }
    if (deleting.sequence == 0) return CALL_ANSWERED;
    call->wait.what = WAIT_DURABLE;
    call->wait.value = deleting.sequence;
    return CALL_HELD;
}
