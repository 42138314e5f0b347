/* acls.c -- there are no access rights yet, and whoever asks about them is told so in full: user interfaces ask. */
#include "broker/apis.h"

#include "codec/errors.h"
#include "codec/messages.h"

#define NO_AUTHORIZER BYTES_LITERAL("No Authorizer is configured.")

enum call_verdict describe_acls_handle(struct call *call)
{
    struct describe_acls_request request;
    struct describe_acls_response response = describe_acls_response_default;
    struct reader reader = reader_of(call->body);

    if (!describe_acls_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    call->failed = true;
    response.error_code = ERROR_SECURITY_DISABLED;
    response.error_message = NO_AUTHORIZER;
    describe_acls_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}

enum call_verdict create_acls_handle(struct call *call)
{
    struct create_acls_request request;
    struct create_acls_response response = create_acls_response_default;
    struct reader reader = reader_of(call->body);

    if (!create_acls_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    call->failed = true;
    response.results = arena_take(call->arena, request.creations_count, sizeof *response.results);
    if (response.results == NULL) return CALL_MALFORMED;
    for (uint32_t i = 0; i < request.creations_count; i++) {
        response.results[response.results_count++] =
            (struct create_acls_response_result){ ERROR_SECURITY_DISABLED, NO_AUTHORIZER };
    }
    create_acls_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}

enum call_verdict delete_acls_handle(struct call *call)
{
    struct delete_acls_request request;
    struct delete_acls_response response = delete_acls_response_default;
    struct reader reader = reader_of(call->body);

    if (!delete_acls_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    call->failed = true;
    response.filter_results = arena_take(call->arena, request.filters_count, sizeof *response.filter_results);
    if (response.filter_results == NULL) return CALL_MALFORMED;
    for (uint32_t i = 0; i < request.filters_count; i++) {
        response.filter_results[response.filter_results_count++] =
            (struct delete_acls_response_filter_result){ .error_code = ERROR_SECURITY_DISABLED,
                                                         .error_message = NO_AUTHORIZER };
    }
    delete_acls_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
