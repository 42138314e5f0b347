/* links.c -- what a link brings: bytes, cut into frames; receiving, deadlines and closing. */
#include "base/check.h"
#include "broker/state.h"

struct link *link_at(struct broker *broker, uint32_t number)
{
    CHECK(number < broker->config.links_max);
    return &broker->links[number];
}

static uint8_t *nest_of(const struct broker *broker, const struct link *link)
{
    return broker->nests + (size_t)link_number(broker, link) * broker->nest_size;
}

/* ---- lists ---- */

void link_queue(struct broker *broker, struct link *link)
{
    const uint32_t number = link_number(broker, link);

    if (link->queued) return;
    link->queued = true;
    link->queue_next = LINK_NONE;
    if (broker->queue.last == LINK_NONE) broker->queue.first = number;
    else broker->links[broker->queue.last].queue_next = number;
    broker->queue.last = number;
}

static void list_add_behind(struct broker *broker, struct link *link, enum link_list list, uint32_t previous)
{
    struct link_ends *ends = &broker->lists[list];
    const uint32_t number = link_number(broker, link);

    CHECK(link->list == LIST_NONE && list != LIST_NONE);
    link->list = (uint8_t)list;
    link->list_previous = previous;
    link->list_next = previous == LINK_NONE ? ends->first : broker->links[previous].list_next;
    if (previous == LINK_NONE) ends->first = number;
    else broker->links[previous].list_next = number;
    if (link->list_next == LINK_NONE) ends->last = number;
    else broker->links[link->list_next].list_previous = number;
}

void link_list_add(struct broker *broker, struct link *link, enum link_list list)
{
    const bool ordered = list == LIST_DURABLE;
    uint32_t previous = broker->lists[list].last;

    while (ordered && previous != LINK_NONE && broker->links[previous].wait.value > link->wait.value) {
        previous = broker->links[previous].list_previous;
    }
    list_add_behind(broker, link, list, previous);
}

void link_list_add_first(struct broker *broker, struct link *link, enum link_list list)
{
    CHECK(list != LIST_DURABLE);
    list_add_behind(broker, link, list, LINK_NONE);
}

void link_list_remove(struct broker *broker, struct link *link)
{
    struct link_ends *ends = &broker->lists[link->list];

    if (link->list == LIST_NONE) return;
    if (link->list_previous == LINK_NONE) ends->first = link->list_next;
    else broker->links[link->list_previous].list_next = link->list_next;
    if (link->list_next == LINK_NONE) ends->last = link->list_previous;
    else broker->links[link->list_next].list_previous = link->list_previous;
    link->list = LIST_NONE;
}

void link_wake(struct broker *broker, struct link *link)
{
    if (!link->suspended) return;
    link->awake = true;
    link_list_remove(broker, link);
    link_queue(broker, link);
}

/* ---- opening and closing ---- */

void link_open(struct broker *broker, const struct event_link_opened *opened)
{
    const struct bytes peer = opened->peer;
    struct link *link = link_at(broker, opened->link);
    const bool queued = link->queued;
    const uint32_t queue_next = link->queue_next, generation = link->generation + 1;

    CHECK(link->state == LINK_FREE);
    *link = (struct link){
        .state = LINK_OPEN,
        .is_operator = opened->listener == LISTENER_OPERATOR,
        .queued = queued,
        .queue_next = queue_next,
        .generation = generation,
        .frame = BUDDY_NONE,
        .kept_block = BUDDY_NONE,
        .fetch_first = WAITS_NONE,
        .answer_first = ANSWER_NONE,
        .answer_last = ANSWER_NONE,
        .unready_first = ANSWER_NONE,
        .answer_block = BUDDY_NONE,
        .send_next = ANSWER_NONE,
        .active_ns = broker->mono_ns,
        .frame_ns = broker->mono_ns,
    };
    link->peer_size = (uint8_t)MIN(peer.size, (uint32_t)PEER_SIZE_MAX);
    if (link->peer_size > 0) memcpy(link->peer, peer.data, link->peer_size);
    broker->links_open++;
    broker->counters.links_opened++;
    link_queue(broker, link);
}

static void give_frame(struct broker *broker, struct link *link)
{
    if (link->frame == BUDDY_NONE) return;
    buddy_give(&broker->frames, link->frame);
    link->frame = BUDDY_NONE;
    broker->frames_freed = true;
}

void link_forget(struct broker *broker, uint32_t number)
{
    struct link *link = link_at(broker, number);

    CHECK(link->state != LINK_FREE);
    request_drop(broker, link);
    link_list_remove(broker, link);
    answers_drop(broker, link);
    give_frame(broker, link);
    timers_clear(&broker->timers, number);
    link->receiving = RECEIVE_NOTHING;
    link->state = LINK_FREE;
    broker->links_open--;
}

/* At once, whatever is still to be sent. What answers refer to stays put until EVENT_LINK_CLOSED. */
static void link_close(struct broker *broker, struct link *link)
{
    if (link->state == LINK_CLOSING) return;
    link->state = LINK_CLOSING;
    request_drop(broker, link);
    link_list_remove(broker, link);
    link_queue(broker, link);
}

void link_doom(struct broker *broker, struct link *link)
{
    if (link->state != LINK_OPEN) return;
    const bool held = link->held; /* its answer would never be ready */
    link->state = LINK_DOOMED;
    request_drop(broker, link);
    link_list_remove(broker, link);
    if (held || link->answer_count == 0) link_close(broker, link);
    else link_queue(broker, link);
}

/* ---- frames ---- */

enum frame_state {
    FRAME_NONE,    /* not one byte */
    FRAME_PARTIAL, /* total_size is 0 as long as even that is not known */
    FRAME_WHOLE,
    FRAME_REFUSED, /* of a size that no request has */
};

struct frame {
    enum frame_state state;
    const uint8_t *data;  /* with its head */
    uint32_t total_size;  /* with its head */
    uint32_t filled_size; /* bytes there, of it and of what follows */
};

static struct frame frame_in(const struct broker *broker, const uint8_t *data, uint32_t size)
{
    struct frame frame = { .data = data, .filled_size = size };

    if (size == 0) return frame;
    frame.state = FRAME_PARTIAL;
    if (size < FRAME_HEAD_SIZE) return frame;
    const uint32_t body_size = load_u32(data); /* a negative size is a very large one */
    if (body_size < FRAME_SIZE_MIN || body_size > broker->config.request_size_max) {
        frame.state = FRAME_REFUSED;
        frame.total_size = body_size;
        return frame;
    }
    frame.total_size = FRAME_HEAD_SIZE + body_size;
    if (size >= frame.total_size) frame.state = FRAME_WHOLE;
    return frame;
}

/* The oldest frame of the link's input, as far as it has come. */
static struct frame oldest_frame(const struct broker *broker, const struct link *link)
{
    if (link->lent.size > 0) return frame_in(broker, link->lent.data, link->lent.size);
    if (link->frame != BUDDY_NONE) return frame_in(broker, broker->frame_memory + link->frame, link->frame_filled);
    return frame_in(broker, nest_of(broker, link) + link->nest_begin, link->nest_end - link->nest_begin);
}

static void consume(struct broker *broker, struct link *link, uint32_t size)
{
    if (link->lent.size > 0) {
        CHECK(size <= link->lent.size);
        link->lent.data += size;
        link->lent.size -= size;
    } else if (link->frame != BUDDY_NONE) {
        CHECK(size == link->frame_size && size == link->frame_filled);
        give_frame(broker, link);
    } else {
        CHECK(size <= link->nest_end - link->nest_begin);
        link->nest_begin += size;
    }
    link->frame_ns = broker->mono_ns;
}

/* A block for a frame that is larger than the nest, and what has come of it. */
static bool take_frame(struct broker *broker, struct link *link, const struct frame *frame)
{
    CHECK(link->frame == BUDDY_NONE && frame->state == FRAME_PARTIAL && frame->total_size > broker->nest_size);
    const uint64_t block = buddy_take(&broker->frames, frame->total_size);
    if (block == BUDDY_NONE) return false;
    memcpy(broker->frame_memory + block, frame->data, frame->filled_size);
    link->frame = block;
    link->frame_size = frame->total_size;
    link->frame_filled = frame->filled_size;
    link->frame_ns = broker->mono_ns;
    return true;
}

/* What is left of the loan moves to memory of our own. */
static void keep_lent(struct broker *broker, struct link *link)
{
    const struct bytes rest = link->lent;
    const struct frame frame = oldest_frame(broker, link);

    if (rest.size == 0) return;
    CHECK(link->nest_begin == link->nest_end && link->frame == BUDDY_NONE && rest.size <= broker->nest_size);
    link->lent = (struct bytes){ 0 };
    if (frame.state == FRAME_PARTIAL && frame.total_size > broker->nest_size && take_frame(broker, link, &frame))
        return;
    memcpy(nest_of(broker, link), rest.data, rest.size);
    link->nest_begin = 0;
    link->nest_end = rest.size;
}

void link_received(struct broker *broker, struct link *link, const struct event_received *received)
{
    const enum receive_into into = link->receiving;

    link->receiving = RECEIVE_NOTHING;
    link->active_ns = broker->mono_ns;
    broker->counters.received_size += received->size;
    switch (into) {
    case RECEIVE_NOTHING: CHECK(false); break;
    case RECEIVE_LENT:
        CHECK(received->size <= broker->nest_size);
        link->lent = (struct bytes){ received->data, received->size };
        link->frame_ns = broker->mono_ns;
        break;
    case RECEIVE_NEST:
        CHECK(received->data == nest_of(broker, link) + link->nest_end);
        CHECK(received->size <= broker->nest_size - link->nest_end);
        if (link->nest_begin == link->nest_end) link->frame_ns = broker->mono_ns;
        link->nest_end += received->size;
        break;
    case RECEIVE_FRAME:
        CHECK(received->data == broker->frame_memory + link->frame + link->frame_filled);
        CHECK(received->size <= link->frame_size - link->frame_filled);
        link->frame_filled += received->size;
        break;
    }
}

/* ---- running ---- */

static void refuse_frame(struct broker *broker, struct link *link, const struct frame *frame, struct effects *effects)
{
    NOTE(effects, FRAME_REFUSED, link_number(broker, link), (int32_t)frame->total_size);
    broker->counters.links_refused++;
    broker->counters.requests_malformed++;
    link_doom(broker, link);
}

static bool step_has_room(const struct broker *broker, const struct effects *effects)
{
    return effects_space(effects) > ORDERS_KEPT + ORDERS_OF_LINK && broker->step_size < STEP_SIZE_MAX;
}

/* Handles frames until none can be handled now. */
static void handle_frames(struct broker *broker, struct link *link, struct effects *effects)
{
    for (uint32_t turn = 0; link->state == LINK_OPEN; turn++) {
        const struct frame frame = oldest_frame(broker, link);
        if (frame.state == FRAME_REFUSED) refuse_frame(broker, link, &frame, effects);
        if (frame.state != FRAME_WHOLE) return;
        const struct bytes body = { frame.data + FRAME_HEAD_SIZE, frame.total_size - FRAME_HEAD_SIZE };
        if (link->suspended ? !link->awake : !request_may_begin(broker, link, body)) return;
        if (turn == TURN_REQUESTS_MAX || !step_has_room(broker, effects)) {
            link_queue(broker, link);
            return;
        }
        broker->step_size += frame.total_size;
        if (!request_handle(broker, link, body, effects)) return;
        if (link->state == LINK_OPEN) consume(broker, link, frame.total_size);
    }
}

static void order_receive(struct broker *broker, struct link *link, enum receive_into into, uint8_t *at, uint32_t size,
                          struct effects *effects)
{
    CHECK(size > 0);
    link->receiving = (uint8_t)into;
    effects_add(effects, EFFECT_RECEIVE)->receive =
        (struct effect_receive){ .link = link_number(broker, link), .into = at, .size = size };
}

/* Moves what the nest holds to its begin, if it does not reach there from where it lies. */
static void settle_nest(struct broker *broker, struct link *link, uint32_t wanted)
{
    uint8_t *nest = nest_of(broker, link);

    if (link->nest_begin == 0 || wanted <= broker->nest_size - link->nest_begin) return;
    memmove(nest, nest + link->nest_begin, link->nest_end - link->nest_begin);
    link->nest_end -= link->nest_begin;
    link->nest_begin = 0;
}

/* Orders the next bytes, where there is a place for them. */
static void receive(struct broker *broker, struct link *link, struct effects *effects)
{
    if (link->receiving != RECEIVE_NOTHING || link->list == LIST_FRAME) return;
    if (link->nest_begin == link->nest_end) link->nest_begin = link->nest_end = 0;
    if (link->frame == BUDDY_NONE) {
        const struct frame frame = oldest_frame(broker, link);
        if (frame.state == FRAME_NONE) {
            order_receive(broker, link, RECEIVE_LENT, NULL, broker->nest_size, effects);
            return;
        }
        if (frame.state == FRAME_REFUSED) return;
        if (frame.state == FRAME_PARTIAL && frame.total_size > broker->nest_size) {
            if (!take_frame(broker, link, &frame)) {
                link_list_add(broker, link, LIST_FRAME);
                broker->counters.throttles++;
                return;
            }
            link->nest_begin = link->nest_end = 0;
        } else {
            settle_nest(broker, link, MAX(frame.total_size, (uint32_t)FRAME_HEAD_SIZE));
        }
    }
    if (link->frame != BUDDY_NONE && link->frame_filled < link->frame_size) {
        order_receive(broker, link, RECEIVE_FRAME, broker->frame_memory + link->frame + link->frame_filled,
                      link->frame_size - link->frame_filled, effects);
    } else if (link->nest_end < broker->nest_size) {
        order_receive(broker, link, RECEIVE_NEST, nest_of(broker, link) + link->nest_end,
                      broker->nest_size - link->nest_end, effects);
    }
}

static uint64_t after_ms(uint64_t from_ns, int64_t ms)
{
    if (ms < 0 || (uint64_t)ms > (UINT64_MAX - from_ns) / NS_PER_MS) return UINT64_MAX;
    return from_ns + (uint64_t)ms * NS_PER_MS;
}

struct deadlines {
    uint64_t request; /* of the suspended request */
    uint64_t answer;  /* of the oldest answer that waits */
    uint64_t stalled; /* the peer must have taken or given something by then */
    uint64_t idle;
};

static struct deadlines deadlines_of(const struct broker *broker, const struct link *link)
{
    struct deadlines deadlines = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX };

    if (link->suspended && !link->awake) deadlines.request = link->wait.deadline_ns;
    if (link->unready_first != ANSWER_NONE) deadlines.answer = broker->answers[link->unready_first].deadline_ns;
    if (link->sending) {
        deadlines.stalled = link->send_ns + STALL_NS;
    } else if (link->receiving == RECEIVE_FRAME) {
        deadlines.stalled = link->frame_ns + STALL_NS + link->frame_size / FRAME_RATE_MIN * UINT64_C(1000000000);
    } else if (link->receiving != RECEIVE_NOTHING && !link->suspended && link->answer_count == 0) {
        const bool begun = link->nest_begin < link->nest_end;
        if (begun) deadlines.stalled = link->frame_ns + STALL_NS;
        else deadlines.idle = after_ms(link->active_ns, broker->config.link_idle_ms);
    }
    return deadlines;
}

static void set_timer(struct broker *broker, struct link *link)
{
    const struct deadlines deadlines = deadlines_of(broker, link);
    const uint64_t next = MIN(MIN(deadlines.request, deadlines.answer), MIN(deadlines.stalled, deadlines.idle));
    const uint32_t number = link_number(broker, link);

    /* A timer that comes early is set again then: cheaper than to move it with every request. */
    if (next < timers_deadline(&broker->timers, number)) timers_set(&broker->timers, number, next);
}

void link_run(struct broker *broker, struct link *link, struct effects *effects)
{
    if (link->state == LINK_FREE) return;
    handle_frames(broker, link, effects);
    keep_lent(broker, link);
    if (effects_space(effects) <= ORDERS_KEPT) {
        link_queue(broker, link);
        return;
    }
    if (broker->stopping && link->state == LINK_OPEN && !link->suspended) link_doom(broker, link);
    if (link->state == LINK_DOOMED && link->answer_count == 0) link_close(broker, link);
    if (link->state == LINK_CLOSING) {
        if (!link->close_ordered) effects_add(effects, EFFECT_CLOSE_LINK)->close_link.link = link_number(broker, link);
        link->close_ordered = true;
        return;
    }
    answers_send(broker, link, effects);
    if (link->state == LINK_OPEN && broker->open) receive(broker, link, effects);
    set_timer(broker, link);
}

void link_expire(struct broker *broker, struct link *link, struct effects *effects)
{
    const struct deadlines deadlines = deadlines_of(broker, link);
    const uint64_t now = broker->mono_ns;

    if (link->state == LINK_CLOSING) return;
    if (deadlines.request <= now) {
        link->timed_out = true;
        link_wake(broker, link);
    }
    if (deadlines.answer <= now) answers_expire(broker, link);
    if (deadlines.stalled <= now || deadlines.idle <= now) {
        if (deadlines.stalled <= now) NOTE(effects, LINK_STALLED, link_number(broker, link));
        else NOTE(effects, LINK_IDLE, link_number(broker, link));
        broker->counters.links_refused++;
        link_close(broker, link);
        return;
    }
    set_timer(broker, link);
}

void link_check(const struct broker *broker, uint32_t number)
{
    const struct link *link = &broker->links[number];

    if (link->state == LINK_FREE) return;
    CHECK(link->nest_begin <= link->nest_end && link->nest_end <= broker->nest_size);                 /* (1) */
    CHECK(link->lent.size == 0 || (link->nest_begin == link->nest_end && link->frame == BUDDY_NONE)); /* (1) */
    CHECK(link->frame == BUDDY_NONE || link->frame_filled <= link->frame_size);
    CHECK(!link->held || link->suspended);
    if (link->suspended) CHECK(oldest_frame(broker, link).state == FRAME_WHOLE); /* (2) */
    CHECK(link->list == LIST_NONE || link->list == LIST_FRAME || link->suspended);
    CHECK(link->fetch_first == WAITS_NONE || link->suspended);
    CHECK(link->wish == 0 || link->suspended);
    answers_check(broker, link);
}
