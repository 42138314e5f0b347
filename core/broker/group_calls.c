#include "broker/group_calls.h"

#include "broker/state.h"

enum { KEPT_WAITED = 0, ANSWER_REST_SIZE_MAX = 4096, ANSWER_FACTOR = 2 };

/* "/host", as Java writes it and tools show it. */
static struct bytes host_of(struct call *call)
{
    struct bytes host = call->peer;

    for (uint32_t i = host.size; i > 0; i--) { /* without the port */
        if (host.data[i - 1] != ':') continue;
        host.size = i - 1;
        break;
    }
    uint8_t *text = arena_take(call->arena, host.size + 1, 1);
    if (text == NULL) return host;
    text[0] = '/';
    if (host.size > 0) memcpy(text + 1, host.data, host.size);
    return (struct bytes){ text, host.size + 1 };
}

struct group_caller group_caller_of(struct call *call)
{
    return (struct group_caller){
        .waiter = call->waiter,
        .version = call->version,
        .client_id = call->client_id,
        .host = host_of(call),
    };
}

bool group_call_reserve(struct call *call, uint32_t size)
{
    return call_reserve(call,
                        MIN(size, (uint32_t)ANSWER_SIZE_MAX / ANSWER_FACTOR) * ANSWER_FACTOR + ANSWER_REST_SIZE_MAX);
}

enum call_verdict group_call_wait(struct call *call)
{
    call->kept[KEPT_WAITED] = 1;
    call->wait = (struct wait){ WAIT_GROUP, 0, UINT64_MAX };
    return CALL_WAITS;
}

bool group_call_waited(const struct call *call)
{
    return call->kept[KEPT_WAITED] != 0;
}

enum call_verdict group_call_hold(struct call *call)
{
    call->kept[KEPT_WAITED] = 1;
    call->wait = (struct wait){ WAIT_GROUP, 0, call_deadline_ns(call, COMMIT_TIMEOUT_MS) };
    return CALL_HELD;
}

enum call_verdict group_call_wait_for_room(struct call *call)
{
    call->wait = (struct wait){ WAIT_APPEND, 0, call_deadline_ns(call, COMMIT_TIMEOUT_MS) };
    return CALL_WAITS;
}

enum error group_call_outcome(const struct call *call)
{
    if (!groups_is_ready(call->groups, call->waiter)) return ERROR_COORDINATOR_NOT_AVAILABLE; /* it took too long */
    return groups_outcome(call->groups, call->waiter);
}
