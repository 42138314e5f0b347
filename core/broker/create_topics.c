/* create_topics.c -- topics come into being: all that the request may have, or none if the cluster cannot take it. */
#include "broker/admin.h"
#include "broker/apis.h"
#include "broker/describe.h"

enum { FIRST_VERSION_WITH_CONFIGS = 5 };

static const bool *repeated_names(struct call *call, const struct create_topics_request *request)
{
    struct bytes *names = arena_take(call->arena, request->topics_count, sizeof *names);

    if (names == NULL) return NULL;
    for (uint32_t i = 0; i < request->topics_count; i++) names[i] = request->topics[i].name;
    return admin_repeated(call, names, request->topics_count);
}

static void refuse(struct call *call, enum error error, struct bytes message,
                   struct create_topics_response_topic *answer)
{
    call->failed = true;
    answer->error_code = (int16_t)error;
    answer->error_message = message;
    answer->config_error_code = 0;
    answer->configs = arena_take(call->arena, 0, sizeof *answer->configs); /* none, and not null */
}

static bool put_made(struct call *call, const struct topic_made *made, struct create_topics_response_topic *answer)
{
    answer->topic_id = made->id;
    answer->num_partitions = made->partition_count;
    answer->replication_factor = made->replica_count;
    if (call->version < FIRST_VERSION_WITH_CONFIGS) return true;
    return describe_made_topic(call, &made->settings, answer);
}

/* Decides one topic. The index to wait for before that can be done, or 0. */
static uint64_t decide_one(struct call *call, const struct create_topics_request_topic *wish, bool judge_only,
                           struct create_topics_response_topic *answer)
{
    struct controller_answer decided;
    struct topic_made made;

    controller_create_topic(call->controller, wish, judge_only, &made, &decided);
    if (decided.wait_index != 0) return decided.wait_index;
    if (decided.error != ERROR_NONE) refuse(call, decided.error, admin_message(call, &decided.message), answer);
    else if (!put_made(call, &made, answer))
        refuse(call, ERROR_POLICY_VIOLATION, BYTES_LITERAL("Too many topics in one request."), answer);
    return 0;
}

enum call_verdict create_topics_handle(struct call *call)
{
    struct create_topics_request request;
    struct create_topics_response response = create_topics_response_default;
    struct reader reader = reader_of(call->body);
    enum call_verdict verdict;

    if (!create_topics_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    if (call_wish(call, request.timeout_ms, &verdict)) return verdict;
    const bool *repeated = repeated_names(call, &request);
    response.topics = arena_take(call->arena, request.topics_count, sizeof *response.topics);
    if (repeated == NULL || response.topics == NULL) return CALL_MALFORMED;

    for (uint32_t i = 0; i < request.topics_count; i++) {
        struct create_topics_response_topic *answer = &response.topics[response.topics_count++];
        uint64_t wait_index = 0;
        *answer = create_topics_response_topic_default;
        answer->name = request.topics[i].name;
        if (call->refusal != ERROR_NONE) refuse(call, call->refusal, admin_refusal(call), answer);
        else if (repeated[i]) refuse(call, ERROR_INVALID_REQUEST, BYTES_LITERAL("Duplicate topic name."), answer);
        else wait_index = decide_one(call, &request.topics[i], request.validate_only, answer);
        if (wait_index != 0) return admin_wait(call, wait_index);
    }
    if (call->arena->exhausted) return CALL_MALFORMED;
    create_topics_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
