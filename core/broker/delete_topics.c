/* delete_topics.c -- topics go, by name or, from version 6 on, by id. */
#include "broker/admin.h"
#include "broker/apis.h"

enum { FIRST_VERSION_WITH_IDS = 6, FIRST_VERSION_WITH_DISABLED = 3 };

/* The older form of the request as the newer one. False: the arena is exhausted. */
static bool unite(struct call *call, struct delete_topics_request *request)
{
    if (call->version >= FIRST_VERSION_WITH_IDS) return true;
    request->topics = arena_take(call->arena, request->topic_names_count, sizeof *request->topics);
    if (request->topics == NULL) return false;
    for (uint32_t i = 0; i < request->topic_names_count; i++) {
        request->topics[i] = (struct delete_topics_request_topic){ .name = request->topic_names[i] };
    }
    request->topics_count = request->topic_names_count;
    return true;
}

static void refuse(struct call *call, enum error error, struct bytes message,
                   struct delete_topics_response_topic *answer)
{
    call->failed = true;
    answer->error_code = (int16_t)error;
    answer->error_message = message;
}

/* Which topic is meant? SLOT_NONE: the answer says what is wrong. */
static uint32_t find(struct call *call, const struct delete_topics_request_topic *asked,
                     struct delete_topics_response_topic *answer)
{
    const bool by_id = !uuid_is_zero(&asked->topic_id);
    uint32_t topic;

    if (asked->name.data != NULL && by_id) {
        refuse(call, ERROR_INVALID_REQUEST, BYTES_LITERAL("You may not specify both topic name and topic id."), answer);
        return SLOT_NONE;
    }
    if (asked->name.data == NULL && !by_id) {
        refuse(call, ERROR_INVALID_REQUEST, BYTES_LITERAL("Neither topic name nor id were specified."), answer);
        return SLOT_NONE;
    }
    topic = by_id ? image_topic_by_id(call->image, &asked->topic_id) : image_topic_by_name(call->image, asked->name);
    if (topic != SLOT_NONE) {
        answer->name = image_topic_name(call->image, topic);
        answer->topic_id = image_topic(call->image, topic)->id;
    } else if (by_id) {
        refuse(call, ERROR_UNKNOWN_TOPIC_ID, BYTES_LITERAL("This server does not host this topic ID."), answer);
    } else {
        refuse(call, ERROR_UNKNOWN_TOPIC_OR_PARTITION, BYTES_LITERAL("This server does not host this topic-partition."),
               answer);
    }
    return topic;
}

/* Finds all first: a topic may be named by name and by id. */
static bool find_all(struct call *call, const struct delete_topics_request *request,
                     struct delete_topics_response *response, uint32_t *topics)
{
    struct bytes *names = arena_take(call->arena, request->topics_count, sizeof *names);

    if (names == NULL) return false;
    for (uint32_t i = 0; i < request->topics_count; i++) {
        const struct delete_topics_request_topic *asked = &request->topics[i];
        struct delete_topics_response_topic *answer = &response->topics[response->topics_count++];
        *answer = delete_topics_response_topic_default;
        answer->name = asked->name;
        answer->topic_id = asked->topic_id;
        topics[i] = find(call, asked, answer);
        names[i] = topics[i] == SLOT_NONE ? (struct bytes){ 0 } : answer->name;
    }
    const bool *repeated = admin_repeated(call, names, request->topics_count);
    if (repeated == NULL) return false;
    for (uint32_t i = 0; i < request->topics_count; i++) {
        if (!repeated[i]) continue;
        topics[i] = SLOT_NONE;
        refuse(call, ERROR_INVALID_REQUEST, BYTES_LITERAL("Duplicate topic name."), &response->topics[i]);
    }
    return true;
}

static uint64_t decide_one(struct call *call, uint32_t topic, struct delete_topics_response_topic *answer)
{
    struct controller_answer decided;

    controller_delete_topic(call->controller, topic, &decided);
    if (decided.wait_index != 0) return decided.wait_index;
    const bool old = decided.error == ERROR_TOPIC_DELETION_DISABLED && call->version < FIRST_VERSION_WITH_DISABLED;
    if (old) decided.error = ERROR_INVALID_REQUEST;
    if (decided.error != ERROR_NONE) refuse(call, decided.error, admin_message(call, &decided.message), answer);
    return 0;
}

enum call_verdict delete_topics_handle(struct call *call)
{
    struct delete_topics_request request;
    struct delete_topics_response response = delete_topics_response_default;
    struct reader reader = reader_of(call->body);
    enum call_verdict verdict;

    if (!delete_topics_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    if (call_wish(call, request.timeout_ms, &verdict)) return verdict;
    if (!unite(call, &request)) return CALL_MALFORMED;
    uint32_t *topics = arena_take(call->arena, request.topics_count, sizeof *topics);
    response.topics = arena_take(call->arena, request.topics_count, sizeof *response.topics);
    if (topics == NULL || response.topics == NULL) return CALL_MALFORMED;
    if (!find_all(call, &request, &response, topics)) return CALL_MALFORMED;

    for (uint32_t i = 0; i < request.topics_count; i++) {
        uint64_t wait_index = 0;
        if (call->refusal != ERROR_NONE) refuse(call, call->refusal, admin_refusal(call), &response.topics[i]);
        else if (topics[i] != SLOT_NONE) wait_index = decide_one(call, topics[i], &response.topics[i]);
        if (wait_index != 0) return admin_wait(call, wait_index);
    }
    if (call->arena->exhausted) return CALL_MALFORMED;
    delete_topics_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
