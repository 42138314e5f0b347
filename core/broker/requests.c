/* requests.c -- a frame's way to its handler, and what becomes of the verdict. */
#include "base/check.h"
#include "broker/apis.h"
#include "broker/state.h"
#include "codec/api.h"
#include "controller/controller.h"
#include "group/groups.h"

enum { HEADER_SIZE_MAX = 16 }; /* frame head and response header */

/* ---- what handlers ask for ---- */

static void refuse(struct broker *broker, struct link *link)
{
    broker->counters.links_refused++;
    link_doom(broker, link);
}

bool call_reserve(struct call *call, uint32_t size)
{
    struct broker *broker = call->broker;

    struct link *link = link_at(broker, call->link);

    if (answers_reserve(broker, link, size + HEADER_SIZE_MAX)) return true;
    if (answers_never_fit(broker, size + HEADER_SIZE_MAX)) {
        NOTE(call->effects, ANSWER_TOO_LARGE, call->link, call->api_key);
        refuse(broker, link); /* so it does not wait for ever */
    }
    call->wait = (struct wait){ WAIT_ANSWER, 0, UINT64_MAX };
    return false;
}

int32_t call_throttle(struct call *call, uint64_t size)
{
    struct broker *broker = call->broker;
    const bool takes = call->api_key == API_FETCH;
    const enum quota_key key = takes ? QUOTA_CONSUMER_BYTE_RATE : QUOTA_PRODUCER_BYTE_RATE;

    call->throttle_ms = quotas_take(&broker->quotas, call->image, key, call->client_id, size, call->mono_ns);
    if (call->throttle_ms == 0) return 0;
    broker->counters.quota_throttles[key]++;
    broker->counters.quota_throttle_ms[key] += (uint64_t)call->throttle_ms;
    return call->throttle_ms;
}

uint64_t call_deadline_ns(const struct call *call, int32_t timeout_ms)
{
    const uint64_t timeout_ns = timeout_ms < 0 ? 0 : (uint64_t)timeout_ms * NS_PER_MS;

    return MAX(call->begun_ns + timeout_ns, call->mono_ns);
}

/* ---- suspending ---- */

uint64_t request_waiter(const struct broker *broker, const struct link *link)
{
    enum { GENERATION_BITS = 30 }; /* the highest two bits are for the waiters of replicas and of groups */

    /* Never 0, which is nobody. */
    return (uint64_t)(1 + link->generation % ((1u << GENERATION_BITS) - 1)) << 32 | link_number(broker, link);
}

static enum link_list list_of(enum wait_for what)
{
    switch (what) {
    case WAIT_WISH: return LIST_WISH;
    case WAIT_WISH_ROOM: return LIST_WISH_ROOM;
    case WAIT_DURABLE: return LIST_DURABLE;
    case WAIT_START: return LIST_START;
    case WAIT_APPEND: return LIST_APPEND;
    case WAIT_ANSWER: return LIST_ANSWER;
    case WAIT_TIME:
    case WAIT_READ:
    case WAIT_FETCH:
    case WAIT_GROUP: break;
    }
    return LIST_NONE;
}

static bool is_true_already(const struct broker *broker, const struct wait *wait)
{
    struct bytes unread;

    if (wait->what == WAIT_WISH) {
        return controller_outcome(broker->rooms.controller, wait->value, &unread) != WISH_OPEN;
    }
    if (wait->what == WAIT_DURABLE) return logs_is_durable(broker->rooms.logs, wait->value);
    return false;
}

static void suspend(struct broker *broker, struct link *link, const struct call *call)
{
    const enum link_list list = list_of(call->wait.what);

    if (link->state != LINK_OPEN) return;
    if (!link->suspended) broker->links_suspended++;
    link->suspended = true;
    link->awake = false;
    link->wait = call->wait;
    link->request_ns = call->begun_ns;
    if (call->wait.what == WAIT_FETCH) broker->fetches_waiting++;
    if (call->wait.what == WAIT_GROUP) link->in_group = true;
    if (is_true_already(broker, &call->wait)) link_wake(broker, link);
    else if (list != LIST_NONE) link_list_add(broker, link, list);
}

/* Before it is handled again: whatever it waited for, it does so no longer. */
static void resume(struct broker *broker, struct link *link)
{
    link_list_remove(broker, link);
    if (link->wait.what == WAIT_FETCH) broker->fetches_waiting--;
    link->wait.what = WAIT_TIME;
    waits_drop(&broker->waits, &link->fetch_first);
}

void request_drop(struct broker *broker, struct link *link)
{
    if (!link->suspended) return;
    resume(broker, link);
    answers_forget(broker, link);
    wish_forget(broker, link);
    if (link->in_group) groups_forget(broker->rooms.groups, request_waiter(broker, link));
    link->in_group = false;
    broker->links_suspended--;
    link->suspended = false;
    link->held = false;
    link->awake = false;
    link->timed_out = false;
    memset(link->kept, 0, sizeof link->kept);
}

/* ---- verdicts ---- */

static bool conclude_too_large(struct broker *broker, struct link *link, const struct call *call)
{
    NOTE(call->effects, ANSWER_TOO_LARGE, call->link, call->api_key);
    refuse(broker, link);
    return true;
}

/* The answer is in call->out. */
static bool conclude_answer(struct broker *broker, struct link *link, struct call *call, enum answer_state state)
{
    enum answers_verdict verdict;
    uint32_t answer = link->answer_last;

    if (link->held) verdict = answers_replace(broker, link, call);
    else verdict = answers_add(broker, link, call, state, &answer);
    switch (verdict) {
    case ANSWER_TOO_LARGE: return conclude_too_large(broker, link, call);
    case ANSWER_NO_MEMORY:
        call->wait = (struct wait){ WAIT_ANSWER, 0, UINT64_MAX };
        suspend(broker, link, call);
        return false;
    case ANSWER_STORED: break;
    }
    if (call->failed && call->api_key < BROKER_API_KEYS) broker->counters.errors[call->api_key]++;
    if (link->held) {
        answer_ready(broker, answer);
    } else if (state == ANSWER_HELD) {
        link->held = true;
        suspend(broker, link, call);
        return false;
    } else if (state == ANSWER_WAITS) {
        produce_answered(broker, answer, call);
    }
    request_drop(broker, link);
    return true;
}

static bool conclude(struct broker *broker, struct link *link, struct call *call, enum call_verdict verdict)
{
    switch (verdict) {
    case CALL_ANSWERED: return conclude_answer(broker, link, call, ANSWER_READY);
    case CALL_HELD: return conclude_answer(broker, link, call, ANSWER_HELD);
    case CALL_PRODUCED: return conclude_answer(broker, link, call, ANSWER_WAITS);
    case CALL_WAITS: suspend(broker, link, call); return false;
    case CALL_SILENT: request_drop(broker, link); return true;
    case CALL_MALFORMED:
        NOTE(call->effects, REQUEST_MALFORMED, call->link, call->api_key, call->version);
        broker->counters.requests_malformed++;
        break;
    case CALL_CLOSE: break;
    }
    refuse(broker, link);
    return true;
}

/* ---- the request ---- */

/* One link may have as many as it likes, as long as that leaves enough for all others. */
static uint32_t answers_max(const struct broker *broker)
{
    const struct pool *pool = &broker->answer_pool;

    return pool->taken_count <= pool->slots_max / 2 ? LINK_ANSWERS_MAX : LINK_ANSWERS_SHARE;
}

bool request_may_begin(const struct broker *broker, const struct link *link, struct bytes frame)
{
    if (broker->stopping || link->answer_count >= answers_max(broker) || link->unsent_size > LINK_UNSENT_MAX) {
        return false;
    }
    return link->unready_count == 0 || load_u16(frame.data) == API_PRODUCE;
}

static bool refuse_header(struct broker *broker, struct link *link, enum header_verdict verdict,
                          const struct request_header *header, struct effects *effects)
{
    if (verdict == HEADER_MALFORMED) {
        NOTE(effects, REQUEST_MALFORMED, link_number(broker, link), header->api_key, header->api_version);
        broker->counters.requests_malformed++;
    } else {
        NOTE(effects, VERSION_REFUSED, link_number(broker, link), header->api_key, header->api_version);
        broker->counters.requests_unserved++;
    }
    refuse(broker, link);
    return true;
}

static bool request_call(struct broker *broker, struct link *link, const struct request_header *header,
                         struct bytes body, bool served, struct effects *effects)
{
    struct writer out = writer_of(broker->scratch, broker->scratch_size);
    const bool first = !link->suspended;
    struct call call = {
        .link = link_number(broker, link),
        .api_key = header->api_key,
        .version = header->api_version,
        .client_id = header->client_id,
        .peer = { link->peer, link->peer_size },
        .body = body,
        .begun_ns = first ? broker->mono_ns : link->request_ns,
        .timed_out = link->timed_out,
        .resumed = !first,
        .kept = link->kept,
        .wish = &link->wish,
        .logs = broker->rooms.logs,
        .controller = broker->rooms.controller,
        .image = broker->rooms.image,
        .replicas = broker->rooms.replicas,
        .groups = broker->rooms.groups,
        .broker = broker,
        .mono_ns = broker->mono_ns,
        .wall_ms = broker->wall_ms,
        .waiter = request_waiter(broker, link),
        .arena = &broker->arena,
        .effects = effects,
        .out = &out,
        .wait = { WAIT_TIME, 0, UINT64_MAX },
    };

    arena_reset(&broker->arena);
    writer_leave_int32(&out); /* the frame's size, put in when it is known */
    response_header_write(&out, header->api_key, header->api_version, header->correlation_id);
    if (first && header->api_key < BROKER_API_KEYS) broker->counters.requests[header->api_key]++;
    enum call_verdict verdict;
    if (!served) verdict = api_versions_unserved(&call);
    else if (link->wish != 0) verdict = wish_handle(&call);
    else verdict = api_handle(&call);
    if (call.throttle_ms > 0) link->muted_until_ns = broker->mono_ns + (uint64_t)call.throttle_ms * NS_PER_MS;
    const bool done = conclude(broker, link, &call, verdict);
    answers_settle(broker, link);
    return done;
}

/* What operators order is not for clients. */
static bool is_for(const struct link *link, enum header_verdict verdict, const struct request_header *header)
{
    if (header->api_key == API_OPERATE) return link->is_operator && verdict == HEADER_UNADVERTISED;
    return verdict == HEADER_SERVED;
}

bool request_handle(struct broker *broker, struct link *link, struct bytes frame, struct effects *effects)
{
    struct reader reader = reader_of(frame);
    struct request_header header;
    const enum header_verdict verdict = request_header_read(&reader, &header);
    const bool unserved = verdict == HEADER_UNSERVED_VERSION && header.api_key == API_API_VERSIONS;

    CHECK(!link->suspended || link->awake);
    if (!is_for(link, verdict, &header) && !unserved) return refuse_header(broker, link, verdict, &header, effects);
    if (link->suspended) resume(broker, link);
    if (link->held && !link->timed_out) { /* what its answer promises has come true */
        answer_ready(broker, link->answer_last);
        request_drop(broker, link);
        return true;
    }
    const struct bytes body = { reader.at, reader_left(&reader) };
    return request_call(broker, link, &header, body, !unserved, effects);
}
