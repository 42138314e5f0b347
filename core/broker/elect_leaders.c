/* elect_leaders.c -- a preferred replica is to lead again; or, where nobody can without loss, anybody. */
#include "broker/admin.h"
#include "broker/apis.h"

enum { TYPE_PREFERRED, TYPE_UNCLEAN }; /* as on the wire */

struct election_call {
    struct call *call;
    const struct elect_leaders_request *request;
    struct elect_leaders_response response;
    struct bytes message; /* to response.error_code */
    uint64_t wait_index;
};

static void refuse(struct election_call *election, enum error error, struct bytes message,
                   struct elect_leaders_response_partition *answer)
{
    election->call->failed = true;
    answer->error_code = (int16_t)error;
    answer->error_message = message;
}

static struct bytes words_for(enum error error)
{
    if (error == ERROR_ELECTION_NOT_NEEDED) return admin_words("Leader election not needed for topic partition.");
    if (error == ERROR_PREFERRED_LEADER_NOT_AVAILABLE) return admin_words("The preferred leader was not available.");
    if (error == ERROR_ELIGIBLE_LEADERS_NOT_AVAILABLE) {
        return admin_words("Eligible topic partition leaders are not available.");
    }
    return (struct bytes){ 0 };
}

/* False: something has to be waited for. */
static bool decide_one(struct election_call *election, uint32_t slot, struct elect_leaders_response_partition *answer)
{
    struct controller_answer decided;
    const bool unclean = election->request->election_type == TYPE_UNCLEAN;

    controller_elect_leader(election->call->controller, slot, unclean, &decided);
    election->wait_index = decided.wait_index;
    if (decided.wait_index != 0) return false;
    if (decided.error != ERROR_NONE) refuse(election, decided.error, words_for(decided.error), answer);
    return true;
}

static struct bytes say(struct call *call, const char *words, struct bytes name, int32_t index)
{
    char data[CONTROLLER_MESSAGE_SIZE_MAX];
    struct text text = text_in(data, sizeof data);

    text_add(&text, words);
    text_add_bytes(&text, name);
    if (index >= 0) text_add(&text, "-");
    if (index >= 0) text_add_int(&text, index);
    return admin_message(call, &text);
}

static bool elect_named(struct election_call *election, struct bytes name, int32_t index,
                        struct elect_leaders_response_partition *answer)
{
    struct call *call = election->call;
    const uint32_t topic = image_topic_by_name(call->image, name);
    const uint32_t slot = topic == SLOT_NONE ? SLOT_NONE : image_partition_slot(call->image, topic, index);

    *answer = (struct elect_leaders_response_partition){ .index = index };
    if (election->response.error_code != ERROR_NONE) {
        refuse(election, (enum error)election->response.error_code, election->message, answer);
    } else if (topic == SLOT_NONE) {
        refuse(election, ERROR_UNKNOWN_TOPIC_OR_PARTITION, say(call, "No such topic as ", name, -1), answer);
    } else if (slot == SLOT_NONE) {
        refuse(election, ERROR_UNKNOWN_TOPIC_OR_PARTITION, say(call, "No such partition as ", name, index), answer);
    } else {
        return decide_one(election, slot, answer);
    }
    return true;
}

/* False: something has to be waited for, or the arena is exhausted. */
static bool elect_those(struct election_call *election)
{
    const struct elect_leaders_request *request = election->request;
    struct elect_leaders_response *response = &election->response;
    struct arena *arena = election->call->arena;

    response->topics = arena_take(arena, request->topics_count, sizeof *response->topics);
    for (uint32_t i = 0; i < request->topics_count && response->topics != NULL; i++) {
        const struct elect_leaders_request_topic *asked = &request->topics[i];
        struct elect_leaders_response_topic *topic = &response->topics[response->topics_count++];
        *topic = (struct elect_leaders_response_topic){ .name = asked->name };
        topic->partitions = arena_take(arena, asked->partitions_count, sizeof *topic->partitions);
        if (topic->partitions == NULL) return false;
        for (uint32_t j = 0; j < asked->partitions_count; j++) {
            struct elect_leaders_response_partition *answer = &topic->partitions[topic->partitions_count++];
            if (!elect_named(election, asked->name, asked->partitions[j], answer)) return false;
        }
    }
    return true;
}

/* As in Kafka, what leads already is left out of the answer. */
static bool elect_in_topic(struct election_call *election, uint32_t slot, struct elect_leaders_response_topic *topic)
{
    const struct image *image = election->call->image;
    const uint32_t count = image_topic(image, slot)->partition_count;

    *topic = (struct elect_leaders_response_topic){ .name = image_topic_name(image, slot) };
    topic->partitions = arena_take(election->call->arena, count, sizeof *topic->partitions);
    if (topic->partitions == NULL) return false;
    for (uint32_t at = image_topic(image, slot)->first_partition; at != SLOT_NONE;
         at = image_partition(image, at)->next_partition) {
        struct elect_leaders_response_partition *answer = &topic->partitions[topic->partitions_count];
        *answer = (struct elect_leaders_response_partition){ .index = image_partition(image, at)->index };
        if (!decide_one(election, at, answer)) return false;
        topic->partitions_count += answer->error_code != ERROR_ELECTION_NOT_NEEDED;
    }
    return true;
}

static bool elect_everywhere(struct election_call *election)
{
    struct elect_leaders_response *response = &election->response;
    const struct image *image = election->call->image;

    if (response->error_code != ERROR_NONE) return true;
    response->topics = arena_take(election->call->arena, image_view(image).topic_count, sizeof *response->topics);
    if (response->topics == NULL) return false;
    for (uint32_t slot = image_first_topic(image); slot != SLOT_NONE; slot = image_next_topic(image, slot)) {
        if (!elect_in_topic(election, slot, &response->topics[response->topics_count++])) return false;
    }
    return true;
}

/* Is anything to be judged at all? */
static void judge_request(struct election_call *election)
{
    const int8_t type = election->request->election_type;

    if (election->call->refusal != ERROR_NONE) {
        election->response.error_code = (int16_t)election->call->refusal;
        election->message = admin_refusal(election->call);
    } else if (type != TYPE_PREFERRED && type != TYPE_UNCLEAN) {
        election->response.error_code = ERROR_INVALID_REQUEST;
        election->message = admin_words("Unknown election type.");
    }
    election->call->failed = election->response.error_code != ERROR_NONE;
}

enum call_verdict elect_leaders_handle(struct call *call)
{
    struct elect_leaders_request request;
    struct election_call election = { .call = call, .request = &request, .response = elect_leaders_response_default };
    struct reader reader = reader_of(call->body);
    enum call_verdict verdict;

    if (!elect_leaders_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    if (call_wish(call, request.timeout_ms, &verdict)) return verdict;
    judge_request(&election);
    const bool whole = request.topics == NULL ? elect_everywhere(&election) : elect_those(&election);
    if (election.wait_index != 0) return admin_wait(call, election.wait_index);
    if (!whole || call->arena->exhausted) return CALL_MALFORMED;
    elect_leaders_response_write(call->out, call->version, &election.response);
    return CALL_ANSWERED;
}
