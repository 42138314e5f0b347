#include "sim/net.h"

#include "base/bytes.h"
#include "base/check.h"
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

enum { TRIES_MAX = 3, BUFFER_LOG_MIN = 9 };

static const uint64_t retry_ns = 1000ull * 1000 * 1000; /* between two knocks, doubled each time, as Linux does */

void net_init(struct net *net, struct queue *queue, uint64_t seed, uint64_t latency_ns)
{
    *net = (struct net){ .queue = queue, .seed = seed, .window_size = 256 * 1024, .free = CONNECTION_NONE };
    routes_init(&net->routes, latency_ns);
}

void net_free(struct net *net)
{
    for (uint32_t number = 0; number < net->count; number++) {
        free(net_connection(net, number)->flows[0].data);
        free(net_connection(net, number)->flows[1].data);
    }
    for (uint32_t i = 0; i * CHUNK_SIZE < net->count; i++) free(net->chunks[i]);
    for (uint32_t i = 0; i < COUNT_OF(net->buffers); i++) {
        for (struct free_buffer *buffer = net->buffers[i], *next; buffer != NULL; buffer = next) {
            next = buffer->next;
            free(buffer);
        }
    }
    routes_free(&net->routes);
}

static void happen(struct net *net, uint64_t at_ns, enum happening_kind kind, uint32_t number, uint32_t side)
{
    const struct connection *connection = net_connection(net, number);
    const uint32_t place = connection->ends[side].place;

    queue_add(net->queue, &(struct happening){ .time_ns = at_ns > net->now_ns ? at_ns : net->now_ns + 1,
                                               .kind = kind,
                                               .node = place == PLACE_CLIENT ? MACHINE_NONE : place,
                                               .a = number * 2 + side,
                                               .b = connection->generation });
}

static bool is_stale(const struct net *net, const struct happening *happening)
{
    const struct connection *connection = net_connection(net, happening->a / 2);
    return !connection->used || connection->generation != happening->b;
}

/* ---- buffers: an idle flow has none ---- */

static void buffer_give(struct net *net, struct flow *flow)
{
    if (flow->data == NULL) return;
    const uint32_t log = (uint32_t)__builtin_ctz(flow->capacity);
    struct free_buffer *buffer = (struct free_buffer *)(void *)flow->data;
    buffer->next = net->buffers[log];
    net->buffers[log] = buffer;
    flow->data = NULL;
    flow->capacity = flow->begin = flow->end = 0;
}

static uint8_t *buffer_take(struct net *net, uint32_t log)
{
    struct free_buffer *buffer = net->buffers[log];

    if (buffer == NULL) return malloc((size_t)1 << log);
    net->buffers[log] = buffer->next;
    return (uint8_t *)buffer;
}

static void flow_put(struct net *net, struct flow *flow, const void *data, uint32_t size)
{
    const uint32_t kept = flow->end - flow->begin;

    if (size == 0) return;
    if (flow->end + size > flow->capacity) {
        uint32_t log = BUFFER_LOG_MIN;
        while ((1U << log) < 2 * (kept + size)) log++; /* or it would be moved again and again */
        uint8_t *buffer = buffer_take(net, log);
        if (kept > 0) memcpy(buffer, flow->data + flow->begin, kept);
        buffer_give(net, flow);
        flow->data = buffer;
        flow->capacity = 1U << log;
        flow->begin = 0;
        flow->end = kept;
    }
    memcpy(flow->data + flow->end, data, size);
    flow->end += size;
    flow->total += size;
}

static void flow_forget(struct net *net, struct flow *flow)
{
    buffer_give(net, flow);
    flow->arrived = flow->held = 0;
    flow->segment_count = 0;
}

/* ---- numbers ---- */

static uint32_t number_new(struct net *net)
{
    uint32_t number = net->free;

    net->open++;
    if (number != CONNECTION_NONE) {
        net->free = net_connection(net, number)->next_free;
        return number;
    }
    number = net->count++;
    CHECK(number / CHUNK_SIZE < CHUNKS_MAX);
    if (number % CHUNK_SIZE == 0) net->chunks[number / CHUNK_SIZE] = calloc(CHUNK_SIZE, sizeof(struct connection));
    return number;
}

static bool end_is_over(const struct end *end)
{
    return end->state == END_GONE || end->state == END_NONE;
}

static void release(struct net *net, uint32_t number)
{
    struct connection *connection = net_connection(net, number);

    if (!end_is_over(&connection->ends[0]) || !end_is_over(&connection->ends[1])) return;
    flow_forget(net, &connection->flows[0]);
    flow_forget(net, &connection->flows[1]);
    connection->used = false;
    connection->generation++;
    connection->next_free = net->free;
    net->free = number;
    net->open--;
}

/* ---- making one ---- */

void net_reseed(struct net *net, uint64_t seed)
{
    net->seed = seed;
    for (uint32_t number = 0; number < net->count; number++) {
        for (uint32_t side = 0; side < 2; side++) {
            prng_init(&net_connection(net, number)->flows[side].prng, seed ^ number, (uint64_t)STREAM_NET << 32 | side);
        }
    }
}

uint32_t net_dial(struct net *net, uint32_t from, uint32_t to, uint8_t listener)
{
    const uint32_t number = number_new(net);
    struct connection *connection = net_connection(net, number);
    const uint64_t pair = ((uint64_t)from << 32 | to) * 0x9e3779b97f4a7c15 ^ net->now_ns;

    *connection = (struct connection){ .generation = connection->generation + 1, .used = true, .listener = listener };
    for (uint32_t side = 0; side < 2; side++) {
        connection->ends[side] = (struct end){ .place = side == 0 ? from : to, .link = LINK_NONE };
        prng_init(&connection->flows[side].prng, net->seed ^ pair, (uint64_t)STREAM_NET << 32 | listener << 1 | side);
    }
    connection->ends[0].state = END_DIALING;
    net->dialed++;
    if (to == PLACE_CLIENT) { /* the name means nothing to anybody */
        connection->tries = TRIES_MAX;
        happen(net, net->now_ns + net->routes.latency_ns, HAPPENS_DIALED, number, 0);
        return number;
    }
    const uint64_t delay = routes_delay(&net->routes, from, to, &connection->flows[1].prng);
    happen(net, net->now_ns + delay, HAPPENS_KNOCK, number, 1);
    return number;
}

static uint64_t passes_at(const struct net *net, const struct connection *connection, uint32_t to)
{
    const struct end *ends = connection->ends;
    return routes_blocked_until(&net->routes, ends[1 - to].place, ends[to].place, connection->listener);
}

static void dial_again(struct net *net, uint32_t number)
{
    struct connection *connection = net_connection(net, number);

    if (++connection->tries == TRIES_MAX) {
        net->timed_out++;
        happen(net, net->now_ns, HAPPENS_DIALED, number, 0);
        return;
    }
    happen(net, net->now_ns + (retry_ns << (connection->tries - 1)), HAPPENS_KNOCK, number, 1);
}

bool net_knock(struct net *net, const struct happening *happening)
{
    const uint32_t number = happening->a / 2;

    if (is_stale(net, happening)) return false;
    const struct connection *connection = net_connection(net, number);
    if (connection->ends[0].state != END_DIALING) return false;
    /* Both ways are needed: with one of them alone the handshake does not end. */
    if (place_is_dark(&net->routes, connection->ends[1].place) || passes_at(net, connection, 0) > net->now_ns ||
        passes_at(net, connection, 1) > net->now_ns) {
        dial_again(net, number);
        return false;
    }
    return true;
}

void net_answer(struct net *net, uint32_t number, bool accepted)
{
    struct connection *connection = net_connection(net, number);
    const struct end *ends = connection->ends;

    if (accepted) connection->ends[1].state = END_OPEN;
    else net->refused++;
    happen(net, net->now_ns + routes_delay(&net->routes, ends[1].place, ends[0].place, &connection->flows[0].prng),
           HAPPENS_DIALED, number, 0);
}

static void schedule(struct net *net, uint32_t number, uint32_t side)
{
    struct flow *flow = &net_connection(net, number)->flows[side];

    if (flow->queued || flow->segment_count == 0) return;
    flow->queued = true;
    happen(net, flow->segments[flow->segment_first].at_ns, HAPPENS_ARRIVAL, number, side);
}

/* The bytes up to `end` arrive after the usual time. */
static void add_segment(struct net *net, uint32_t number, uint32_t side, uint32_t size)
{
    struct connection *connection = net_connection(net, number);
    struct flow *flow = &connection->flows[side];
    const uint32_t from = connection->ends[1 - side].place, to = connection->ends[side].place;
    uint64_t at_ns = net->now_ns + routes_transmit(&net->routes, from, net->now_ns, size) +
                     routes_delay(&net->routes, from, to, &flow->prng);

    if (at_ns <= flow->last_ns) at_ns = flow->last_ns + 1;
    flow->last_ns = at_ns;
    if (flow->segment_count == SEGMENTS_MAX) { /* joins the last one */
        struct segment *last = &flow->segments[(flow->segment_first + SEGMENTS_MAX - 1) % SEGMENTS_MAX];
        last->size += size;
        last->at_ns = at_ns;
    } else {
        const uint32_t at = (flow->segment_first + flow->segment_count++) % SEGMENTS_MAX;
        flow->segments[at] = (struct segment){ at_ns, size };
    }
    schedule(net, number, side);
}

enum dialed net_dialed(struct net *net, const struct happening *happening)
{
    const uint32_t number = happening->a / 2;

    if (is_stale(net, happening)) return DIALED_NOTHING;
    struct connection *connection = net_connection(net, number);
    if (connection->ends[0].state != END_DIALING) return DIALED_NOTHING;
    if (connection->ends[1].state == END_NONE) {
        connection->ends[0].state = END_GONE;
        release(net, number);
        return DIALED_REFUSED;
    }
    connection->ends[0].state = END_OPEN;
    const struct flow *waiting = &connection->flows[1];
    if (waiting->end > waiting->begin) add_segment(net, number, 1, waiting->end - waiting->begin);
    return DIALED_OPEN;
}

/* ---- bytes ---- */

void net_put(struct net *net, uint32_t number, uint32_t side, const void *data, uint32_t size)
{
    struct connection *connection = net_connection(net, number);

    CHECK(connection->used &&
          (connection->ends[side].state == END_OPEN || connection->ends[side].state == END_DIALING));
    if (connection->ends[1 - side].state == END_GONE || connection->flows[1 - side].ended) return; /* it will be told */
    flow_put(net, &connection->flows[1 - side], data, size);
    if (connection->ends[side].state == END_OPEN) add_segment(net, number, 1 - side, size);
}

uint32_t net_space(struct net *net, uint32_t number, uint32_t side)
{
    struct connection *connection = net_connection(net, number);
    struct flow *flow = &connection->flows[1 - side];

    if (flow->held > 0 && passes_at(net, connection, side) <= net->now_ns) flow->held = 0;
    const uint32_t used = flow->end - flow->begin + flow->held;
    if (used < net->window_size) return net->window_size - used;
    connection->ends[side].waits_for_space = true;
    if (flow->held > 0) happen(net, passes_at(net, connection, side) + 1, HAPPENS_SENT, number, side);
    return 0;
}

/* Nobody is there any more who could take it. */
static void arrive_nowhere(struct net *net, uint32_t number, uint32_t side)
{
    struct connection *connection = net_connection(net, number);
    struct flow *flow = &connection->flows[side];

    if (place_is_dark(&net->routes, connection->ends[side].place)) { /* sent again, and again */
        flow->queued = true;
        happen(net, net->now_ns + 200 * 1000 * 1000 + prng_below(&flow->prng, retry_ns), HAPPENS_ARRIVAL, number, side);
        return;
    }
    net_close(net, number, side, true); /* "there is no such connection": a reset comes back */
}

void net_arrive(struct net *net, const struct happening *happening)
{
    const uint32_t number = happening->a / 2, side = happening->a & 1;

    if (is_stale(net, happening)) return;
    struct connection *connection = net_connection(net, number);
    struct flow *flow = &connection->flows[side];
    flow->queued = false;
    if (connection->mute) return;
    const uint64_t blocked_ns = flow->segment_count == 0 ? 0 : passes_at(net, connection, side);
    if (blocked_ns > net->now_ns) { /* it is sent again, with growing patience */
        struct segment *first = &flow->segments[flow->segment_first];
        first->at_ns = blocked_ns + 1 + prng_below(&flow->prng, (blocked_ns - net->now_ns) / 2 + retry_ns / 4);
        flow->last_ns = flow->last_ns < first->at_ns ? first->at_ns : flow->last_ns;
        schedule(net, number, side);
        return;
    }
    if (connection->ends[side].state == END_DARK) {
        arrive_nowhere(net, number, side);
        return;
    }
    while (flow->segment_count > 0 && flow->segments[flow->segment_first].at_ns <= net->now_ns) {
        flow->arrived += flow->segments[flow->segment_first].size;
        flow->segment_first = (flow->segment_first + 1) % SEGMENTS_MAX;
        flow->segment_count--;
    }
    schedule(net, number, side);
}

bool net_has_ended(const struct net *net, uint32_t number, uint32_t side)
{
    const struct flow *flow = &net_connection(net, number)->flows[side];
    return flow->ended && flow->segment_count == 0 && flow->arrived == 0;
}

void net_take(struct net *net, uint32_t number, uint32_t side, uint32_t size)
{
    struct connection *connection = net_connection(net, number);
    struct flow *flow = &connection->flows[side];
    struct end *sender = &connection->ends[1 - side];

    CHECK(size <= flow->arrived);
    flow->begin += size;
    flow->arrived -= size;
    if (flow->begin == flow->end) buffer_give(net, flow);
    if (passes_at(net, connection, 1 - side) > net->now_ns) flow->held += size;
    else if (sender->waits_for_space) {
        sender->waits_for_space = false;
        const uint64_t delay = routes_delay(&net->routes, connection->ends[side].place, sender->place, &flow->prng);
        happen(net, net->now_ns + delay, HAPPENS_SENT, number, 1 - side);
    }
}

void net_want(struct net *net, uint32_t number, uint32_t side)
{
    struct flow *flow = &net_connection(net, number)->flows[side];

    if (flow->queued || (flow->arrived == 0 && !net_has_ended(net, number, side))) return;
    flow->queued = true;
    happen(net, net->now_ns + 1 + prng_below(&flow->prng, 5000), HAPPENS_ARRIVAL, number, side);
}

/* ---- ends ---- */

void net_close(struct net *net, uint32_t number, uint32_t side, bool reset)
{
    struct connection *connection = net_connection(net, number);
    struct end *end = &connection->ends[side], *other = &connection->ends[1 - side];
    struct flow *flow = &connection->flows[1 - side];

    CHECK(connection->used && end->state != END_GONE && end->state != END_NONE);
    end->state = END_GONE;
    end->receiving = end->sending = false;
    flow_forget(net, &connection->flows[side]);
    if (other->state == END_DARK) other->state = END_GONE; /* nobody is left who could miss anything */
    if (!end_is_over(other) && !flow->ended) {
        flow->ended = true;
        /* A connection that is reset forgets what its other end has not read yet. */
        if (reset && prng_chance(&flow->prng, 1, 2)) flow_forget(net, flow);
        add_segment(net, number, 1 - side, 0);
    }
    if (reset) net->resets++;
    release(net, number);
}

void net_go_dark(struct net *net, uint32_t number, uint32_t side)
{
    struct connection *connection = net_connection(net, number);
    struct end *end = &connection->ends[side], *other = &connection->ends[1 - side];

    CHECK(connection->used && end->state != END_GONE && end->state != END_NONE);
    end->receiving = end->sending = false;
    /* What it had sent and what is on its way to it is sent again by nobody. */
    struct flow *out = &connection->flows[1 - side];
    if (out->segment_count > 0) {
        uint32_t lost = 0;
        for (; out->segment_count > 0; out->segment_count--) {
            lost += out->segments[(out->segment_first + out->segment_count - 1) % SEGMENTS_MAX].size;
        }
        out->end -= lost;
    }
    out->ended = false;
    end->state = other->state == END_OPEN || other->state == END_DIALING ? END_DARK : END_GONE;
    if (other->state == END_DARK) other->state = END_GONE;
    if (end->state == END_DARK && connection->flows[side].end > connection->flows[side].begin &&
        connection->flows[side].segment_count == 0) {
        add_segment(net, number, side, 0); /* unread: its acknowledgement will be missed */
    }
    if (end->state == END_GONE) release(net, number);
}

/* ---- faults ---- */

void net_reset(struct net *net, uint32_t number)
{
    struct connection *connection = net_connection(net, number);

    if (!connection->used || connection->ends[1].state == END_NONE) return;
    for (uint32_t side = 0; side < 2; side++) {
        struct flow *flow = &connection->flows[side];
        if (connection->ends[side].state != END_OPEN || flow->ended) continue;
        flow->ended = true;
        if (prng_chance(&flow->prng, 1, 2)) flow_forget(net, flow);
        add_segment(net, number, side, 0);
    }
    net->resets++;
}

void net_clog(struct net *net, uint32_t number, uint64_t until_ns)
{
    struct connection *connection = net_connection(net, number);

    for (uint32_t side = 0; side < 2; side++) {
        struct flow *flow = &connection->flows[side];
        flow->last_ns = MAX(flow->last_ns, until_ns);
        for (uint32_t i = 0; i < flow->segment_count; i++) {
            struct segment *segment = &flow->segments[(flow->segment_first + i) % SEGMENTS_MAX];
            segment->at_ns = MAX(segment->at_ns, until_ns);
        }
    }
}

void net_resume(struct net *net)
{
    for (uint32_t number = 0; number < net->count; number++) {
        struct connection *connection = net_connection(net, number);
        if (!connection->used || connection->mute) continue;
        for (uint32_t side = 0; side < 2; side++) {
            struct flow *flow = &connection->flows[side];
            if (flow->segment_count > 0) {
                const uint64_t soon_ns = net->now_ns + 1 + prng_below(&flow->prng, retry_ns / 4);
                struct segment *first = &flow->segments[flow->segment_first];
                if (first->at_ns > soon_ns) first->at_ns = soon_ns;
                happen(net, first->at_ns, HAPPENS_ARRIVAL, number, side);
            }
            if (connection->ends[side].waits_for_space) happen(net, net->now_ns, HAPPENS_SENT, number, side);
        }
    }
}
