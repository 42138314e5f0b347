/* describe_cluster.c -- which brokers are there? */
#include "broker/apis.h"

#include "broker/operations.h"
#include "broker/partitions.h"
#include "broker/state.h"
#include "codec/messages.h"

enum { ENDPOINT_TYPE_BROKERS = 1, ENDPOINT_TYPE_CONTROLLERS = 2 };

static bool put_brokers(const struct call *call, bool fenced_too, struct describe_cluster_response *response)
{
    response->brokers = arena_take(call->arena, image_view(call->image).broker_count, sizeof *response->brokers);
    if (response->brokers == NULL) return false;
    for (uint32_t slot = image_first_broker(call->image); slot != SLOT_NONE;
         slot = image_next_broker(call->image, slot)) {
        const struct broker_address address = address_of(image_broker(call->image, slot));
        if (address.fenced && !fenced_too) continue;
        response->brokers[response->brokers_count++] = (struct describe_cluster_response_broker){
            .node_id = address.id,
            .host = address.host,
            .port = address.port,
            .rack = address.rack,
            .is_fenced = address.fenced,
        };
    }
    return true;
}

enum call_verdict describe_cluster_handle(struct call *call)
{
    struct describe_cluster_request request;
    struct reader reader = reader_of(call->body);
    struct describe_cluster_response response = describe_cluster_response_default;
    const struct image_view view = image_view(call->image);
    char cluster_id[UUID_TEXT_SIZE];

    if (!describe_cluster_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    uuid_format(&view.cluster_id, cluster_id);
    response.endpoint_type = request.endpoint_type;
    response.cluster_id = (struct bytes){ (const uint8_t *)cluster_id, UUID_TEXT_SIZE };
    if (request.endpoint_type != ENDPOINT_TYPE_BROKERS) {
        /* KIP-919: controllers have listeners of their own, and this is not one. */
        const bool known = request.endpoint_type == ENDPOINT_TYPE_CONTROLLERS;
        response.error_code = known ? ERROR_MISMATCHED_ENDPOINT_TYPE : ERROR_UNSUPPORTED_ENDPOINT_TYPE;
        response.error_message = BYTES_LITERAL("This is an endpoint for brokers.");
        call->failed = true;
    } else {
        if (!put_brokers(call, request.include_fenced_brokers, &response)) return CALL_MALFORMED;
        response.controller_id = call->broker->config.node_id; /* any broker takes what a controller is asked */
        if (request.include_cluster_authorized_operations) response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    describe_cluster_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
