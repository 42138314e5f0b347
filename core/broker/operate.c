/* operate.c -- an operator orders something of the cluster's nodes (operate.h). Any node takes the order, the leader of
 * the metadata decides. */
#include "broker/operate.h"

#include "broker/admin.h"
#include "broker/apis.h"
#include "broker/state.h"
#include "replica/replicas.h"

static void decide(struct call *call, const struct operate_request *request, struct controller_answer *answer)
{
    switch (request->operation) {
    case OPERATION_ADD_NODE: controller_add_node(call->controller, request->node_id, answer); break;
    case OPERATION_REMOVE_NODE:
        controller_remove_node(call->controller, request->node_id, request->force, answer);
        break;
    case OPERATION_REBALANCE: controller_rebalance(call->controller, answer); break;
    case OPERATION_PROMOTE_OBSERVER: controller_promote_observer(call->controller, request->node_id, answer); break;
    case OPERATION_TRANSFER_LEADER: controller_transfer(call->controller, request->node_id, answer); break;
    default: answer->error = ERROR_INVALID_REQUEST; break;
    }
}

static enum call_verdict say(struct call *call, const struct controller_answer *answer)
{
    struct operate_response response = operate_response_default;

    call->failed = answer->error != ERROR_NONE;
    response.error_code = (int16_t)answer->error;
    response.message = text_bytes(&answer->message);
    operate_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}

/* What is lost by that, as far as it can be known: what was acknowledged since leaders fell silent is not. */
static void say_lack(const struct call *call, struct text *message)
{
    const struct replicas_lack lack = replicas_lack(call->replicas);

    if (lack.behind == 0 && lack.unheard == 0) {
        NOTE(call->effects, PROMOTED_WHOLE, call->broker->config.node_id, (int64_t)(lack.silent_ns / NS_PER_MS));
        text_add(message, " It lacks nothing that it knows of");
        if (lack.partitions == 0) {
            text_add(message, ": nobody else led a partition that it has.");
            return;
        }
        text_add(message, ": of ");
        text_add_int(message, lack.partitions);
        text_add(message, " partitions that others led it has all that was committed when their leaders were heard "
                          "last, up to ");
        text_add_int(message, (int64_t)(lack.silent_ns / NS_PER_MS));
        text_add(message, " ms ago.");
        return;
    }
    NOTE(call->effects, PROMOTED_LACKING, call->broker->config.node_id, lack.behind,
         (int64_t)MIN(lack.records, (uint64_t)INT64_MAX), (int64_t)(lack.silent_ns / NS_PER_MS));
    text_add(message, " Of ");
    text_add_int(message, lack.partitions);
    text_add(message, " partitions that others led, ");
    text_add_int(message, lack.behind);
    text_add(message, " lacked ");
    text_add_int(message, (int64_t)MIN(lack.records, (uint64_t)INT64_MAX));
    text_add(message, " committed records in all when their leaders were heard last, up to ");
    text_add_int(message, (int64_t)(lack.silent_ns / NS_PER_MS));
    text_add(message, " ms ago: these are lost, and what was acknowledged since.");
    if (lack.unheard == 0) return;
    text_add(message, " Of ");
    text_add_int(message, lack.unheard);
    text_add(message, " it is not known: no leader was heard since the start.");
}

enum call_verdict operate_handle(struct call *call)
{
    struct operate_request request;
    struct controller_answer answer = { .message = text_in(answer.message_data, CONTROLLER_MESSAGE_SIZE_MAX) };
    struct reader reader = reader_of(call->body);
    enum call_verdict verdict;

    if (!operate_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    if (request.operation == OPERATION_PROMOTE) { /* nobody else is there who could decide it */
        controller_promote(call->controller, request.force, &answer);
        if (answer.error == ERROR_NONE) say_lack(call, &answer.message);
        return say(call, &answer);
    }
    if (call_wish(call, ADMIN_TIMEOUT_MS, &verdict)) return verdict;
    if (call->refusal != ERROR_NONE) {
        answer.error = call->refusal;
        text_add(&answer.message, "Nobody leads the metadata who could decide this in time; perhaps it is done later.");
    } else {
        decide(call, &request, &answer);
        if (answer.wait_index != 0) return admin_wait(call, answer.wait_index);
    }
    return say(call, &answer);
}
