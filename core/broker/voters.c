/* voters.c -- who votes on the metadata, and who is forgotten: AddRaftVoter, RemoveRaftVoter, UnregisterBroker. The
 * leader decides, and answers when the member list that says so is committed. */
#include "broker/admin.h"
#include "broker/apis.h"

static struct controller_answer answer_in(struct controller_answer *answer, enum error refusal)
{
    return (struct controller_answer){ .error = refusal,
                                       .message = text_in(answer->message_data, CONTROLLER_MESSAGE_SIZE_MAX) };
}

/* Null, or this cluster's (KIP-853). */
static bool is_ours(const struct call *call, struct bytes cluster_id, struct controller_answer *answer)
{
    const struct image_view view = image_view(call->image);
    char ours[UUID_TEXT_SIZE];

    uuid_format(&view.cluster_id, ours);
    if (cluster_id.data == NULL) return true;
    if (bytes_equal(cluster_id, (struct bytes){ (const uint8_t *)ours, UUID_TEXT_SIZE })) return true;
    answer->error = ERROR_INCONSISTENT_CLUSTER_ID;
    text_add(&answer->message, "That is the id of another cluster.");
    return false;
}

static struct bytes said(const struct controller_answer *answer)
{
    return answer->message.size == 0 ? (struct bytes){ 0 } : text_bytes(&answer->message);
}

enum call_verdict add_raft_voter_handle(struct call *call)
{
    struct add_raft_voter_request request;
    struct add_raft_voter_response response = add_raft_voter_response_default;
    struct reader reader = reader_of(call->body);
    struct controller_answer answer;
    enum call_verdict verdict;

    if (!add_raft_voter_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    if (call_wish(call, request.timeout_ms, &verdict)) return verdict;
    answer = answer_in(&answer, call->refusal);
    if (call->refusal == ERROR_NONE && is_ours(call, request.cluster_id, &answer)) {
        controller_add_voter(call->controller, request.voter_id, &request.voter_directory_id, &answer);
        if (answer.wait_index != 0) return admin_wait(call, answer.wait_index);
    }
    call->failed = answer.error != ERROR_NONE;
    response.error_code = (int16_t)answer.error;
    response.error_message = said(&answer);
    add_raft_voter_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}

enum call_verdict remove_raft_voter_handle(struct call *call)
{
    struct remove_raft_voter_request request;
    struct remove_raft_voter_response response = remove_raft_voter_response_default;
    struct reader reader = reader_of(call->body);
    struct controller_answer answer;
    enum call_verdict verdict;

    if (!remove_raft_voter_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    if (call_wish(call, ADMIN_TIMEOUT_MS, &verdict)) return verdict;
    answer = answer_in(&answer, call->refusal);
    if (call->refusal == ERROR_NONE && is_ours(call, request.cluster_id, &answer)) {
        controller_remove_voter(call->controller, request.voter_id, &request.voter_directory_id, &answer);
        if (answer.wait_index != 0) return admin_wait(call, answer.wait_index);
    }
    call->failed = answer.error != ERROR_NONE;
    response.error_code = (int16_t)answer.error;
    response.error_message = said(&answer);
    remove_raft_voter_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}

enum call_verdict unregister_broker_handle(struct call *call)
{
    struct unregister_broker_request request;
    struct unregister_broker_response response = unregister_broker_response_default;
    struct reader reader = reader_of(call->body);
    struct controller_answer answer;
    enum call_verdict verdict;

    if (!unregister_broker_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    if (call_wish(call, ADMIN_TIMEOUT_MS, &verdict)) return verdict;
    answer = answer_in(&answer, call->refusal);
    if (call->refusal == ERROR_NONE) {
        controller_unregister(call->controller, request.broker_id, &answer);
        if (answer.wait_index != 0) return admin_wait(call, answer.wait_index);
    }
    call->failed = answer.error != ERROR_NONE;
    response.error_code = (int16_t)answer.error;
    response.error_message = answer.error == ERROR_NONE ? (struct bytes){ 0 } : said(&answer);
    unregister_broker_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
