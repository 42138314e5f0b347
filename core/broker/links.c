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
        .block = BUDDY_NONE,
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

static void give_block(struct broker *broker, struct link *link)
{
    if (link->block == BUDDY_NONE) return;
    buddy_give(&broker->frames, link->block);
    link->block = BUDDY_NONE;
    broker->frames_freed = true;
}

void link_forget(struct broker *broker, uint32_t number)
{
    struct link *link = link_at(broker, number);

    CHECK(link->state != LINK_FREE);
    request_drop(broker, link);
    link_list_remove(broker, link);
    answers_drop(broker, link);
    give_block(broker, link);
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

static uint8_t *input_of(const struct broker *broker, const struct link *link)
{
    return link->block == BUDDY_NONE ? nest_of(broker, link) : broker->frame_memory + link->block;
}

static uint32_t input_size(const struct broker *broker, const struct link *link)
{
    return link->block == BUDDY_NONE ? broker->nest_size : buddy_block_size(&broker->frames, link->block);
}

/* The oldest frame of the link's input, as far as it has come. */
static struct frame oldest_frame(const struct broker *broker, const struct link *link)
{
    if (link->lent.size > 0) return frame_in(broker, link->lent.data, link->lent.size);
    return frame_in(broker, input_of(broker, link) + link->input_begin, link->input_end - link->input_begin);
}

static bool is_large(const struct broker *broker, const struct frame *frame)
{
    return frame->state == FRAME_PARTIAL && frame->total_size > broker->nest_size;
}

static void consume(struct broker *broker, struct link *link, uint32_t size)
{
    if (link->lent.size > 0) {
        CHECK(size <= link->lent.size);
        link->lent.data += size;
        link->lent.size -= size;
    } else {
        CHECK(size <= link->input_end - link->input_begin);
        link->input_begin += size;
    }
    link->frame_ns = broker->mono_ns;
}

/* Fast links have so much memory each, as long as most of it is left for frames that need it. */
static bool may_be_busy(const struct broker *broker, uint64_t more_size)
{
    return broker->busy_size > broker->nest_size &&
           broker->frames.taken_size + more_size <= broker->frames.config.range_size / BUSY_SHARE;
}

static uint64_t take_busy(struct broker *broker, const struct link *link)
{
    if (!link->brimful || !may_be_busy(broker, broker->busy_size)) return BUDDY_NONE;
    return buddy_take(&broker->frames, broker->busy_size);
}

/* What has come of the oldest frame, and behind it, goes to a block, or with BUDDY_NONE to the nest, instead of where
 * it is. */
static void move_input(struct broker *broker, struct link *link, const struct frame *frame, uint64_t block)
{
    uint8_t *to = block == BUDDY_NONE ? nest_of(broker, link) : broker->frame_memory + block;

    if (frame->filled_size > 0) memcpy(to, frame->data, frame->filled_size);
    give_block(broker, link);
    link->block = block;
    link->input_begin = 0;
    link->input_end = frame->filled_size;
}

/* A block for a frame that is larger than the input, and what has come of it. */
static bool take_frame(struct broker *broker, struct link *link, const struct frame *frame)
{
    uint64_t block = frame->total_size <= broker->busy_size ? take_busy(broker, link) : BUDDY_NONE;

    if (block == BUDDY_NONE) block = buddy_take(&broker->frames, frame->total_size);
    if (block == BUDDY_NONE) return false;
    move_input(broker, link, frame, block);
    link->frame_ns = broker->mono_ns;
    return true;
}

/* What is left of the loan moves to memory of our own. */
static void keep_lent(struct broker *broker, struct link *link)
{
    const struct bytes rest = link->lent;
    const struct frame frame = oldest_frame(broker, link);

    if (rest.size == 0) return;
    CHECK(link->input_begin == link->input_end && link->block == BUDDY_NONE && rest.size <= broker->nest_size);
    link->lent = (struct bytes){ 0 };
    if (is_large(broker, &frame) && take_frame(broker, link, &frame)) return;
    move_input(broker, link, &frame, BUDDY_NONE);
}

void link_received(struct broker *broker, struct link *link, const struct event_received *received)
{
    const enum receive_into into = link->receiving;

    CHECK(received->size <= link->receive_size);
    link->receiving = RECEIVE_NOTHING;
    link->brimful = received->size == link->receive_size;
    link->active_ns = broker->mono_ns;
    broker->counters.received_size += received->size;
    switch (into) {
    case RECEIVE_NOTHING: CHECK(false); break;
    case RECEIVE_LENT:
        link->lent = (struct bytes){ received->data, received->size };
        link->frame_ns = broker->mono_ns;
        break;
    case RECEIVE_INPUT:
        CHECK(received->data == input_of(broker, link) + link->input_end);
        if (link->input_begin == link->input_end) link->frame_ns = broker->mono_ns;
        link->input_end += received->size;
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

static bool is_muted(const struct broker *broker, const struct link *link)
{
    return broker->mono_ns < link->muted_until_ns && !MUTANT(broker_quotas_are_only_told);
}

/* Handles frames until none can be handled now. */
static void handle_frames(struct broker *broker, struct link *link, struct effects *effects)
{
    for (uint32_t turn = 0; link->state == LINK_OPEN; turn++) {
        const struct frame frame = oldest_frame(broker, link);
        if (frame.state == FRAME_REFUSED) refuse_frame(broker, link, &frame, effects);
        if (frame.state != FRAME_WHOLE) return;
        const struct bytes body = { frame.data + FRAME_HEAD_SIZE, frame.total_size - FRAME_HEAD_SIZE };
        if (link->suspended ? !link->awake : is_muted(broker, link) || !request_may_begin(broker, link, body)) return;
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
    link->receive_size = size;
    effects_add(effects, EFFECT_RECEIVE)->receive =
        (struct effect_receive){ .link = link_number(broker, link), .into = at, .size = size };
}

/* Moves what the input holds to its begin, if `wanted` bytes do not fit where it lies. */
static void settle_input(struct broker *broker, struct link *link, uint32_t wanted)
{
    uint8_t *input = input_of(broker, link);

    if (link->input_begin == 0 || wanted <= input_size(broker, link) - link->input_begin) return;
    memmove(input, input + link->input_begin, link->input_end - link->input_begin);
    link->input_end -= link->input_begin;
    link->input_begin = 0;
}

/* Chooses memory for what comes next: a link that fills all it is given is given more, and gives it back when it does
 * not. */
static void choose_input(struct broker *broker, struct link *link, const struct frame *frame)
{
    const bool fits_nest = frame->filled_size <= broker->nest_size && frame->total_size <= broker->nest_size;
    const bool is_busy = link->brimful && input_size(broker, link) <= broker->busy_size && may_be_busy(broker, 0);

    if (link->block == BUDDY_NONE) {
        const uint64_t block = take_busy(broker, link);
        if (block != BUDDY_NONE) move_input(broker, link, frame, block);
    } else if (fits_nest && !is_busy) {
        move_input(broker, link, frame, BUDDY_NONE);
    }
}

/* Orders the next bytes, where there is a place for them. */
static void receive(struct broker *broker, struct link *link, struct effects *effects)
{
    if (link->receiving != RECEIVE_NOTHING || link->list == LIST_FRAME) return;
    if (link->input_begin == link->input_end) link->input_begin = link->input_end = 0;
    struct frame frame = oldest_frame(broker, link);
    if (frame.state == FRAME_REFUSED) return;
    choose_input(broker, link, &frame);
    if (frame.state == FRAME_NONE && link->block == BUDDY_NONE) {
        order_receive(broker, link, RECEIVE_LENT, NULL, broker->nest_size, effects);
        return;
    }
    if (frame.state == FRAME_PARTIAL && frame.total_size > input_size(broker, link)) {
        frame = oldest_frame(broker, link);
        if (!take_frame(broker, link, &frame)) {
            link_list_add(broker, link, LIST_FRAME);
            broker->counters.throttles++;
            return;
        }
    }
    settle_input(broker, link, MAX(frame.total_size, (uint32_t)FRAME_HEAD_SIZE));
    /* Behind a large frame nothing is received: what came of the next would have to be moved. */
    const uint32_t wanted = MAX(frame.total_size, MAX(broker->busy_size, broker->nest_size));
    const uint32_t end = (uint32_t)MIN((uint64_t)input_size(broker, link), (uint64_t)link->input_begin + wanted);
    if (link->input_end < end) {
        order_receive(broker, link, RECEIVE_INPUT, input_of(broker, link) + link->input_end, end - link->input_end,
                      effects);
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
    uint64_t muted; /* it is listened to again */
};

static struct deadlines deadlines_of(const struct broker *broker, const struct link *link)
{
    struct deadlines deadlines = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX };

    if (link->suspended && !link->awake) deadlines.request = link->wait.deadline_ns;
    if (link->unready_first != ANSWER_NONE) deadlines.answer = broker->answers[link->unready_first].deadline_ns;
    const struct frame frame = oldest_frame(broker, link);
    if (link->muted_until_ns > 0) deadlines.muted = link->muted_until_ns;
    if (link->sending) {
        deadlines.stalled = link->send_ns + STALL_NS;
    } else if (link->muted_until_ns > 0) {
        return deadlines; /* what has come waits for us */
    } else if (link->receiving != RECEIVE_NOTHING && is_large(broker, &frame)) {
        deadlines.stalled = link->frame_ns + STALL_NS + frame.total_size / FRAME_RATE_MIN * UINT64_C(1000000000);
    } else if (link->receiving != RECEIVE_NOTHING && !link->suspended && link->answer_count == 0) {
        if (frame.state != FRAME_NONE) deadlines.stalled = link->frame_ns + STALL_NS;
        else deadlines.idle = after_ms(link->active_ns, broker->config.link_idle_ms);
    }
    return deadlines;
}

static void set_timer(struct broker *broker, struct link *link)
{
    const struct deadlines deadlines = deadlines_of(broker, link);
    const uint64_t next =
        MIN(MIN(deadlines.request, deadlines.answer), MIN(MIN(deadlines.stalled, deadlines.muted), deadlines.idle));
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
    if (deadlines.muted <= now) {
        link->muted_until_ns = 0;
        link->frame_ns = link->active_ns = now;
        link_queue(broker, link);
    }
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
    CHECK(link->input_begin <= link->input_end && link->input_end <= input_size(broker, link));         /* (1) */
    CHECK(link->lent.size == 0 || (link->input_begin == link->input_end && link->block == BUDDY_NONE)); /* (1) */
    CHECK(!link->held || link->suspended);
    if (link->suspended) CHECK(oldest_frame(broker, link).state == FRAME_WHOLE); /* (2) */
    CHECK(link->list == LIST_NONE || link->list == LIST_FRAME || link->suspended);
    CHECK(link->fetch_first == WAITS_NONE || link->suspended);
    CHECK(link->wish == 0 || link->suspended);
    answers_check(broker, link);
}
