/* init_producer_id.c -- an id for an idempotent producer, which nobody else ever gets. */
#include "broker/apis.h"

#include "codec/errors.h"
#include "codec/messages.h"
#include "controller/controller.h"

enum { IDS_WAIT_MS = 5000 };

enum call_verdict init_producer_id_handle(struct call *call)
{
    struct init_producer_id_request request;
    struct reader reader = reader_of(call->body);
    struct init_producer_id_response response = init_producer_id_response_default;
    uint64_t wish;

    if (!init_producer_id_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    response.producer_id = -1;
    response.producer_epoch = -1;
    if (request.transactional_id.data != NULL) {
        /* There is no coordinator that could take it; an empty id is nobody's. */
        response.error_code =
            request.transactional_id.size == 0 ? ERROR_INVALID_REQUEST : ERROR_COORDINATOR_NOT_AVAILABLE;
    } else if (controller_producer_id(call->controller, &response.producer_id, &wish)) {
        response.producer_epoch = 0;
    } else if (!call->timed_out) {
        return call_wait_wish(call, wish, IDS_WAIT_MS);
    } else {
        response.producer_id = -1;
        response.error_code = ERROR_COORDINATOR_NOT_AVAILABLE; /* clients try again */
    }
    call->failed = response.error_code != ERROR_NONE;
    init_producer_id_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
