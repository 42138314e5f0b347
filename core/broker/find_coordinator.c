/* find_coordinator.c -- which broker coordinates a group? The leader of its partition of __consumer_offsets. That topic
 * comes into being when it is first asked for; then the answer waits until it is there. Transactions have no
 * coordinator yet: clients are told to ask again. */
#include "broker/apis.h"

#include "broker/partitions.h"
#include "codec/messages.h"
#include "controller/controller.h"
#include "group/groups.h"
#include "group/records.h"

enum {
    KEY_TYPE_GROUP = 0,
    KEY_TYPE_TRANSACTION = 1,
    CREATE_WAIT_MS = 5000, /* longer than any healthy commit, shorter than a client's patience */
    FIRST_VERSION_WITH_KEYS = 4,
};

struct coordinator {
    enum error error;
    struct broker_address address; /* without an error */
};

static struct coordinator coordinator_of(struct call *call, int8_t key_type, struct bytes key)
{
    const uint32_t topic = image_topic_by_name(call->image, OFFSETS_TOPIC);
    struct coordinator coordinator = { .error = ERROR_COORDINATOR_NOT_AVAILABLE };

    if (key_type != KEY_TYPE_GROUP && key_type != KEY_TYPE_TRANSACTION) coordinator.error = ERROR_INVALID_REQUEST;
    if (key_type == KEY_TYPE_GROUP && key.size == 0) coordinator.error = ERROR_INVALID_GROUP_ID;
    if (key_type != KEY_TYPE_GROUP || key.size == 0 || topic == SLOT_NONE) return coordinator;
    const uint32_t index = group_partition(key, image_topic(call->image, topic)->partition_count);
    const uint32_t slot = image_partition_slot(call->image, topic, (int32_t)index);
    if (slot == SLOT_NONE) return coordinator; /* they come one by one */
    const int32_t leader = image_partition(call->image, slot)->leader;
    if (leader >= 0 && address_of_id(call->image, leader, &coordinator.address)) coordinator.error = ERROR_NONE;
    groups_hurry(call->groups, key);
    return coordinator;
}

/* True: the topic is to be made first. */
static bool awaits_topic(struct call *call, int8_t key_type)
{
    const struct bytes name = OFFSETS_TOPIC;
    uint64_t *wish = &call->kept[0];

    if (key_type != KEY_TYPE_GROUP || image_topic_by_name(call->image, name) != SLOT_NONE) return false;
    if (*wish != 0 || call->timed_out) return false;
    *wish = controller_auto_create_topics(call->controller, &name, 1, call_deadline_ns(call, CREATE_WAIT_MS));
    call_wait_wish(call, *wish, CREATE_WAIT_MS);
    return true;
}

static void put_one(struct call *call, const struct find_coordinator_request *request,
                    struct find_coordinator_response *response)
{
    const struct coordinator found = coordinator_of(call, request->key_type, request->key);

    response->error_code = (int16_t)found.error;
    call->failed = found.error != ERROR_NONE;
    if (found.error != ERROR_NONE) return;
    response->node_id = found.address.id;
    response->host = found.address.host;
    response->port = found.address.port;
}

static bool put_all(struct call *call, const struct find_coordinator_request *request,
                    struct find_coordinator_response *response)
{
    response->coordinators = arena_take(call->arena, request->coordinator_keys_count, sizeof *response->coordinators);
    if (response->coordinators == NULL) return false;
    for (uint32_t i = 0; i < request->coordinator_keys_count; i++) {
        const struct coordinator found = coordinator_of(call, request->key_type, request->coordinator_keys[i]);
        struct find_coordinator_response_coordinator *to = &response->coordinators[response->coordinators_count++];
        *to = (struct find_coordinator_response_coordinator){
            .key = request->coordinator_keys[i],
            .node_id = -1,
            .host = BYTES_LITERAL(""),
            .port = -1,
            .error_code = (int16_t)found.error,
        };
        call->failed |= found.error != ERROR_NONE;
        if (found.error != ERROR_NONE) continue;
        to->node_id = found.address.id;
        to->host = found.address.host;
        to->port = found.address.port;
    }
    return true;
}

enum call_verdict find_coordinator_handle(struct call *call)
{
    struct find_coordinator_request request;
    struct reader reader = reader_of(call->body);
    struct find_coordinator_response response = find_coordinator_response_default;

    if (!find_coordinator_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    if (awaits_topic(call, request.key_type)) return CALL_WAITS;
    response.node_id = -1;
    response.host = BYTES_LITERAL("");
    response.port = -1;
    if (call->version < FIRST_VERSION_WITH_KEYS) put_one(call, &request, &response);
    else if (!put_all(call, &request, &response)) return CALL_MALFORMED;
    find_coordinator_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
