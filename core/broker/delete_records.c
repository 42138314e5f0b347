/* delete_records.c -- moves the begin of logs up. Answered when that is durable here and where a successor may come
 * from: records that were said to be gone do not come back (KIP-107). Handled again as long as that is not so, which
 * changes nothing twice. */
#include "broker/apis.h"

#include "broker/partitions.h"
#include "broker/state.h"
#include "codec/messages.h"
#include "replica/replicas.h"

enum {
    OFFSET_HIGH_WATERMARK = -1,
    ANSWER_TOPIC_SIZE_MAX = 8,
    ANSWER_PARTITION_SIZE_MAX = 24,
    ANSWER_REST_SIZE_MAX = 64,
};

struct deleting {
    struct call *call;
    struct delete_records_request request;
    bool moved;        /* all of them were, when it was handled before */
    bool no_room;      /* the logs could not take one of them */
    uint64_t sequence; /* with which the last of the moves becomes durable; 0: all are */
    uint32_t log;      /* one that other replicas have not moved yet; LOG_NONE: none */
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

/* True when it is moved for good. */
static bool move(struct deleting *deleting, uint32_t log, int64_t wanted)
{
    const struct call *call = deleting->call;

    if (wanted > log_offsets(call->logs, log).log_start_offset) {
        const uint64_t sequence = logs_advance_start(call->logs, log, wanted);
        if (sequence == 0) deleting->no_room = true;
        deleting->sequence = MAX(deleting->sequence, sequence);
        return false;
    }
    if (replicas_start_is_held(call->replicas, log, wanted)) return true;
    deleting->log = log;
    return false;
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
    if (answer->error_code == ERROR_NONE) {
        const struct log_offsets offsets = log_offsets(call->logs, place.log);
        const int64_t all = deleting->moved ? offsets.next_start_offset : offsets.high_watermark;
        const int64_t wanted = asked->offset == OFFSET_HIGH_WATERMARK ? all : asked->offset;
        const bool done = move(deleting, place.log, wanted);
        if (done) answer->low_watermark = MAX(wanted, offsets.log_start_offset);
        else if (call->timed_out) answer->error_code = ERROR_REQUEST_TIMED_OUT;
    }
    if (answer->error_code != ERROR_NONE) call->failed = true;
}

static bool delete_all(struct deleting *deleting, struct delete_records_response *response)
{
    const struct call *call = deleting->call;

    *response = delete_records_response_default;
    response->topics = arena_take(call->arena, deleting->request.topics_count, sizeof *response->topics);
    if (response->topics == NULL) return false;
    for (uint32_t i = 0; i < deleting->request.topics_count; i++) {
        const struct delete_records_request_topic *from = &deleting->request.topics[i];
        struct delete_records_response_topic *to = &response->topics[response->topics_count++];
        const uint32_t topic = image_topic_by_name(call->image, from->name);
        *to = (struct delete_records_response_topic){ .name = from->name };
        to->partitions = arena_take(call->arena, from->partitions_count, sizeof *to->partitions);
        if (to->partitions == NULL) return false;
        for (uint32_t j = 0; j < from->partitions_count; j++) {
            delete_one(deleting, topic, &from->partitions[j], &to->partitions[to->partitions_count++]);
        }
    }
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

/* What has to be waited for; false: nothing. */
static bool must_wait(const struct deleting *deleting, struct wait *wait)
{
    if (deleting->no_room) *wait = (struct wait){ .what = WAIT_APPEND };
    else if (deleting->sequence > 0) *wait = (struct wait){ .what = WAIT_DURABLE, .value = deleting->sequence };
    else if (deleting->log != LOG_NONE) *wait = (struct wait){ .what = WAIT_START, .value = deleting->log };
    else return false;
    return true;
}

enum call_verdict delete_records_handle(struct call *call)
{
    struct deleting deleting = { .call = call, .moved = call->kept[0] != 0, .log = LOG_NONE };
    struct delete_records_response response;
    struct reader reader = reader_of(call->body);

    if (!delete_records_request_read(&reader, call->version, call->arena, &deleting.request)) return CALL_MALFORMED;
    const uint64_t size = answer_size(&deleting.request);
    if (size > ANSWER_SIZE_MAX) return CALL_MALFORMED;
    if (!call_reserve(call, (uint32_t)size)) return CALL_WAITS;
    if (!delete_all(&deleting, &response)) return CALL_MALFORMED;
    if (!call->timed_out && must_wait(&deleting, &call->wait)) {
        call->kept[0] = !deleting.no_room;
        call->wait.deadline_ns = call_deadline_ns(call, deleting.request.timeout_ms);
        return CALL_WAITS;
    }
    delete_records_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
