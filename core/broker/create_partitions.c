/* create_partitions.c -- topics grow. */
#include "broker/admin.h"
#include "broker/apis.h"

static const bool *repeated_names(struct call *call, const struct create_partitions_request *request)
{
    struct bytes *names = arena_take(call->arena, request->topics_count, sizeof *names);

    if (names == NULL) return NULL;
    for (uint32_t i = 0; i < request->topics_count; i++) names[i] = request->topics[i].name;
    return admin_repeated(call, names, request->topics_count);
}

static void refuse(struct call *call, enum error error, struct bytes message,
                   struct create_partitions_response_topic *answer)
{
    call->failed = true;
    answer->error_code = (int16_t)error;
    answer->error_message = message;
}

static uint64_t decide_one(struct call *call, const struct create_partitions_request_topic *wish, bool judge_only,
                           struct create_partitions_response_topic *answer)
{
    struct controller_answer decided;

    controller_create_partitions(call->controller, wish, judge_only, &decided);
    if (decided.wait_index != 0) return decided.wait_index;
    if (decided.error != ERROR_NONE) refuse(call, decided.error, admin_message(call, &decided.message), answer);
    return 0;
}

enum call_verdict create_partitions_handle(struct call *call)
{
    struct create_partitions_request request;
    struct create_partitions_response response = create_partitions_response_default;
    struct reader reader = reader_of(call->body);
    enum call_verdict verdict;

    if (!create_partitions_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    if (call_wish(call, request.timeout_ms, &verdict)) return verdict;
    const bool *repeated = repeated_names(call, &request);
    response.topics = arena_take(call->arena, request.topics_count, sizeof *response.topics);
    if (repeated == NULL || response.topics == NULL) return CALL_MALFORMED;

    for (uint32_t i = 0; i < request.topics_count; i++) {
        struct create_partitions_response_topic *answer = &response.topics[response.topics_count++];
        uint64_t wait_index = 0;
        *answer = create_partitions_response_topic_default;
        answer->name = request.topics[i].name;
        if (call->refusal != ERROR_NONE) refuse(call, call->refusal, admin_refusal(call), answer);
        else if (repeated[i]) refuse(call, ERROR_INVALID_REQUEST, BYTES_LITERAL("Duplicate topic name."), answer);
        else wait_index = decide_one(call, &request.topics[i], request.validate_only, answer);
        if (wait_index != 0) return admin_wait(call, wait_index);
    }
    if (call->arena->exhausted) return CALL_MALFORMED;
    create_partitions_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
