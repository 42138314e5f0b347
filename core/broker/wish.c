/* wish.c -- requests that change metadata: asked as a wish on any node, decided on the leader, answered by the origin.
 *
 * Both sides run the same API file. At the origin it reads the request, and call_wish takes it from there: the link
 * waits for the wish, keeping its frame, and gets the answer that the decider wrote. On the leader it decides, and the
 * answer goes into the log with what it promises.
 *
 * An answer travels as u8 flags, then the response's body in the request's version, squeezed if that is shorter: the
 * answer to CreateTopics says all settings of every topic, and goes through the log with it. */
#include "base/check.h"
#include "base/squeeze.h"
#include "broker/admin.h"
#include "broker/state.h"
#include "codec/api.h"

enum {
    FLAG_FAILED = 1, /* it carries an error code */
    FLAG_SQUEEZED = 2,
    SQUEEZED_MIN = 128, /* what is smaller stays as it is */
};

/* ---- at the origin ---- */

bool call_wish(struct call *call, int32_t timeout_ms, enum call_verdict *verdict)
{
    const uint64_t deadline_ns = call_deadline_ns(call, timeout_ms);

    if (call->decides || call->refusal != ERROR_NONE) return false;
    CHECK(*call->wish == 0);
    if (call->timed_out) { /* it waited for room */
        call->refusal = ERROR_REQUEST_TIMED_OUT;
        return false;
    }
    if (call->body.size > controller_wish_size_max(call->controller)) {
        call->refusal = ERROR_POLICY_VIOLATION;
        return false;
    }
    *call->wish = controller_wish(call->controller, call->api_key, call->version, call->body, deadline_ns);
    if (*call->wish != 0) call->broker->wishes_waiting++;
    *verdict = call_wait_wish(call, *call->wish, timeout_ms);
    return true;
}

enum call_verdict call_wait_wish(struct call *call, uint64_t wish, int32_t timeout_ms)
{
    const enum wait_for what = wish == 0 ? WAIT_WISH_ROOM : WAIT_WISH;

    call->wait = (struct wait){ what, wish, call_deadline_ns(call, timeout_ms) };
    return CALL_WAITS;
}

static enum call_verdict put_answer(struct call *call, struct bytes answer)
{
    struct writer *out = call->out;
    uint32_t size;

    if (answer.size == 0) return CALL_CLOSE; /* no decider of ours writes nothing */
    const struct bytes body = { answer.data + 1, answer.size - 1 };
    call->failed = (answer.data[0] & FLAG_FAILED) != 0;
    if ((answer.data[0] & FLAG_SQUEEZED) == 0) {
        writer_raw(out, body);
        return CALL_ANSWERED;
    }
    if (!unsqueeze(body, out->data + out->size, (uint32_t)(out->capacity - out->size), &size)) {
        NOTE(call->effects, ANSWER_TOO_LARGE, call->link, call->api_key); /* for us; its decider had room */
        return CALL_CLOSE;
    }
    out->size += size;
    return CALL_ANSWERED;
}

enum call_verdict wish_handle(struct call *call)
{
    struct bytes answer;

    switch (controller_outcome(call->controller, *call->wish, &answer)) {
    case WISH_ANSWERED:
    case WISH_GRANTED: return put_answer(call, answer);
    case WISH_MALFORMED: return CALL_MALFORMED;
    case WISH_TOO_LARGE: NOTE(call->effects, ANSWER_TOO_LARGE, call->link, call->api_key); return CALL_CLOSE;
    case WISH_LATER: CHECK(false); break; /* the origin waits on */
    case WISH_OPEN: CHECK(call->timed_out); break;
    case WISH_UNTOLD:
    case WISH_GIVEN_UP: break;
    }
    call->refusal = ERROR_REQUEST_TIMED_OUT; /* perhaps it was changed, perhaps it will be */
    return api_handle(call);
}

void wish_forget(struct broker *broker, struct link *link)
{
    if (link->wish == 0) return;
    controller_forget(broker->rooms.controller, link->wish);
    link->wish = 0;
    broker->wishes_waiting--;
    broker->wishes_freed = true;
}

void broker_on_wish(struct broker *broker, uint64_t wish)
{
    uint32_t number = broker->lists[LIST_WISH].first;

    broker->wishes_freed = true;
    while (number != LINK_NONE) {
        struct link *link = link_at(broker, number);
        number = link->list_next;
        if (link->wait.value == wish) link_wake(broker, link);
    }
}

/* ---- on the leader ---- */

/* The first part of the scratch memory has the response as it is, the rest what goes on its way. */
static struct writer response_in(const struct broker *broker, uint32_t *rest_size)
{
    *rest_size = MIN(controller_wish_size_max(broker->rooms.controller), broker->scratch_size / 2);
    return writer_of(broker->scratch, broker->scratch_size - *rest_size);
}

static bool conclude(struct broker *broker, const struct writer *out, bool failed, uint32_t rest_size)
{
    struct squeeze_table table;
    uint8_t *answer = broker->scratch + broker->scratch_size - rest_size;
    uint32_t size = 0;

    if (!writer_ok(out)) return false;
    const struct bytes body = writer_written(out);
    answer[0] = failed ? FLAG_FAILED : 0;
    if (body.size >= SQUEEZED_MIN) size = squeeze(&table, body, answer + 1, MIN(rest_size - 1, body.size));
    if (size > 0) {
        answer[0] |= FLAG_SQUEEZED;
    } else {
        if (body.size > rest_size - 1) return false;
        if (body.size > 0) memcpy(answer + 1, body.data, body.size);
        size = body.size;
    }
    return controller_conclude(broker->rooms.controller, (struct bytes){ answer, size + 1 });
}

/* Decides it, or says `refusal` to all that it asks for. False: the answer is too large. */
static bool decide(struct broker *broker, const struct wish *wish, enum error refusal, struct effects *effects)
{
    struct controller *controller = broker->rooms.controller;
    uint32_t rest_size;
    struct writer out = response_in(broker, &rest_size);
    uint64_t kept[KEPT_WORDS] = { 0 }, no_wish = 0;
    struct call call = {
        .link = LINK_NONE,
        .api_key = wish->kind,
        .version = wish->version,
        .body = wish->body,
        .begun_ns = broker->mono_ns,
        .decides = true,
        .refusal = refusal,
        .kept = kept,
        .wish = &no_wish,
        .logs = broker->rooms.logs,
        .controller = controller,
        .image = broker->rooms.image,
        .broker = broker,
        .mono_ns = broker->mono_ns,
        .wall_ms = broker->wall_ms,
        .arena = &broker->arena,
        .effects = effects,
        .out = &out,
    };

    arena_reset(&broker->arena);
    controller_begin(controller);
    switch (api_handle(&call)) {
    case CALL_ANSWERED: return conclude(broker, &out, call.failed, rest_size);
    case CALL_WAITS: controller_postpone(controller, call.wait.value); return true;
    case CALL_MALFORMED: controller_dismiss(controller, WISH_MALFORMED); return true;
    case CALL_HELD:
    case CALL_PRODUCED:
    case CALL_SILENT:
    case CALL_CLOSE: break;
    }
    CHECK(false); /* what changes metadata does none of these */
    return true;
}

static bool is_served(const struct wish *wish)
{
    const struct api *api = api_find(wish->kind);

    if (api == NULL || !admin_changes_metadata(wish->kind)) return false;
    return wish->version >= api->served_min && wish->version <= api->served_max;
}

void broker_decide(struct broker *broker, const struct wish *wish, struct effects *effects)
{
    struct controller *controller = broker->rooms.controller;

    if (!is_served(wish)) { /* of a newer node */
        controller_dismiss(controller, WISH_LATER);
        return;
    }
    if (decide(broker, wish, ERROR_NONE, effects)) return;
    if (decide(broker, wish, ERROR_POLICY_VIOLATION, effects)) return;
    controller_dismiss(controller, WISH_TOO_LARGE);
}
