/* wishing.c -- a wish's way: opened here, decided by whoever leads, applied everywhere.
 *
 *     controller_wish -> wishes -+-> (we lead) -----------------> queue -> decided -> log -> applied -> wishes -> done
 *                                `-> frame -> leader's queue -> decided -> log -> applied here --------^
 *                                                                  `-> answered: frame ----------------^ */
#include "base/check.h"
#include "controller/controller_state.h"

/* ---- who leads ---- */

void wishing_follow_leader(struct controller *controller)
{
    if (metadata_log_state(controller->log) != METADATA_LOG_OPEN) return;
    const uint64_t generation = metadata_log_generation(controller->log);
    const uint64_t leader = metadata_log_leader(controller->log);
    int32_t node_id = leader == 0 ? -1 : member_node(leader);

    if (generation != controller->led_term) {
        drafts_reset(controller);
        wish_queue_clear(&controller->queue);
        controller->led_term = generation;
    }
    /* In the same breath: a wish that comes in this very step may be to remove somebody. */
    membership_follow(&controller->membership, controller->log, generation, controller->mono_ns);
    /* A leader that has not applied yet what was there before it cannot decide: nobody leads so far. */
    if (node_id == controller->config.node_id && generation == 0) node_id = -1;
    wishes_on_leader(&controller->wishes, controller->mono_ns, node_id, metadata_log_term(controller->log));
}

static void note_leadership(struct controller *controller, struct effects *effects)
{
    if (controller->led_term == 0 || controller->led_term == controller->noted_term) return;
    NOTE(effects, BECAME_LEADER, (int64_t)controller->led_term, (int64_t)controller_applied_index(controller),
         metadata_log_view(controller->log).voters);
    controller->noted_term = controller->led_term;
}

/* ---- wishing ---- */

uint64_t controller_wish(struct controller *controller, int16_t api_key, int16_t version, struct bytes request,
                         uint64_t deadline_ns)
{
    CHECK(api_key >= 0 && api_key < WISH_INNER && request.size <= controller->wish_size_max);
    if (!wishes_have_room(&controller->wishes, (uint8_t)api_key)) return 0;
    return wishes_open(&controller->wishes, (uint8_t)api_key, version, request, deadline_ns, true);
}

bool controller_has_room(const struct controller *controller)
{
    return wishes_have_room(&controller->wishes, 0);
}

uint32_t controller_wish_size_max(const struct controller *controller)
{
    return controller->wish_size_max;
}

enum wish_verdict controller_outcome(const struct controller *controller, uint64_t wish, struct bytes *answer)
{
    return wishes_outcome(&controller->wishes, wish, answer);
}

void controller_forget(struct controller *controller, uint64_t wish)
{
    wishes_forget(&controller->wishes, wish);
}

uint64_t controller_next_done(struct controller *controller)
{
    const uint64_t sequence = wishes_next_done(&controller->wishes);

    if (sequence == 0) return 0;
    wish_queue_withdraw(&controller->queue, controller->config.node_id, sequence); /* given up before its turn came */
    inner_on_done(controller, sequence);
    return sequence;
}

void wishing_on_entry(struct controller *controller, bool whole)
{
    const struct own_wish own = controller->own_wish;

    controller->own_wish.sequence = 0;
    if (own.sequence != 0) wishes_on_applied(&controller->wishes, own.sequence, own.answer, whole);
}

void wishing_look_at_window(struct controller *controller)
{
    const uint64_t applied_index = controller_applied_index(controller);

    if (controller->window_index == applied_index || controller->own_wish.sequence != 0) return;
    controller->window_index = applied_index;
    const uint32_t broker = image_broker_by_id(controller->image, controller->config.node_id);
    if (!controller->registered || broker == SLOT_NONE) return;
    wishes_on_window(&controller->wishes, &image_broker(controller->image, broker)->wishes);
}

/* ---- answers to other nodes ---- */

static void post(struct controller *controller, int32_t to, const struct wish_answer *answer)
{
    struct outbox *outbox = &controller->outbox;

    if (outbox->sent == outbox->count) outbox->sent = outbox->count = outbox->used_size = 0;
    if (outbox->count == OUTBOX_MAX || answer->answer.size > controller->wish_size_max - outbox->used_size) {
        outbox->dropped++;
        return;
    }
    struct wish_answer *posted = &outbox->answers[outbox->count];
    *posted = *answer;
    if (answer->answer.size > 0) {
        posted->answer.data = outbox->memory + outbox->used_size;
        memcpy(outbox->memory + outbox->used_size, answer->answer.data, answer->answer.size);
        outbox->used_size += answer->answer.size;
    }
    outbox->to[outbox->count++] = to;
}

/* To whom a wish is, whoever that is. */
static void reply(struct controller *controller, const struct wish *wish, enum wish_verdict verdict,
                  struct bytes answer)
{
    const struct wish_answer said = {
        .incarnation = wish->incarnation,
        .sequence = wish->sequence,
        .term = wish->term,
        .attempt = wish->attempt,
        .verdict = verdict,
        .answer = answer,
    };

    if (wish->broker_id == controller->config.node_id) {
        wishes_on_answer(&controller->wishes, controller->mono_ns, &said);
    } else {
        post(controller, wish->broker_id, &said);
    }
}

/* ---- deciding ---- */

/* Our own, to ourselves: a call, and the body stays where it is. */
static void queue_own(struct controller *controller)
{
    struct wish wish;

    while (wishes_next(&controller->wishes, controller->mono_ns, &wish)) {
        if (wish_queue_add(&controller->queue, &wish, true) != WISH_QUEUE_FULL) continue;
        reply(controller, &wish, WISH_LATER, (struct bytes){ 0 });
    }
}

/* Whose turn it is, whole. WISH_QUEUE_NONE: nobody's. */
static uint32_t next_queued(struct controller *controller, struct wish *wish)
{
    for (;;) {
        const uint32_t entry = wish_queue_next(&controller->queue, controller_applied_index(controller));
        if (entry == WISH_QUEUE_NONE) return entry;
        *wish = *wish_queue_at(&controller->queue, entry);
        if (wish->broker_id != controller->config.node_id) return entry;
        if (wishes_asked(&controller->wishes, wish->sequence, wish->term, wish)) return entry;
        wish_queue_drop(&controller->queue, entry);
    }
}

/* Whether it is still to be decided. What was granted by an entry under way will be seen in the log. */
static bool is_open(struct controller *controller, const struct wish *wish)
{
    enum wish_standing standing =
        image_wish(controller->image, wish->broker_id, &wish->incarnation, wish->first_open, wish->sequence);

    if (wish->kind == WISH_REGISTER && standing == WISH_IMPOSSIBLE) standing = WISH_NEW; /* a life not known yet */
    if (drafts_have_underway(controller, wish) && !MUTANT(wish_underway_is_forgotten)) {
        wish_queue_drop(&controller->queue, controller->deciding);
        return false;
    }
    switch (standing) {
    case WISH_NEW: return true;
    case WISH_SETTLED: wishing_answer(controller, WISH_GRANTED, (struct bytes){ 0 }); return false;
    case WISH_IMPOSSIBLE: wishing_answer(controller, WISH_LATER, (struct bytes){ 0 }); return false;
    }
    CHECK(false);
    return false;
}

bool controller_next_wish(struct controller *controller, struct wish *wish, struct effects *effects)
{
    CHECK(controller->deciding == WISH_QUEUE_NONE);
    wishing_follow_leader(controller);
    if (!controller->loaded) return false;
    note_leadership(controller, effects);
    inner_wish(controller);
    if (controller->led_term == 0) return false;
    queue_own(controller);
    if (image_is_draining(controller->image) && !MUTANT(wish_is_decided_in_between))
        return false; /* what follows from a record is not all there yet */
    while (controller->outbox.count - controller->outbox.sent < OUTBOX_MAX / 2) { /* else what was said must go first */
        if (controller->decided_size > DECIDE_STEP_SIZE) return false;            /* the rest in the next step */
        const uint32_t entry = next_queued(controller, wish);
        if (entry == WISH_QUEUE_NONE) return false;
        controller->decided_size += DECIDE_SIZE_MIN + wish->body.size;
        controller->deciding = entry;
        if (is_open(controller, wish)) {
            controller_begin(controller);
            if (wish->kind < WISH_INNER) return true;
            inner_decide(controller, wish, effects);
        }
        controller->deciding = WISH_QUEUE_NONE;
    }
    return false;
}

/* The one that is being decided, whole. */
static struct wish decided(const struct controller *controller)
{
    CHECK(controller->deciding != WISH_QUEUE_NONE);
    return *wish_queue_at(&controller->queue, controller->deciding);
}

void wishing_answer(struct controller *controller, enum wish_verdict verdict, struct bytes answer)
{
    const struct wish wish = decided(controller);

    reply(controller, &wish, verdict, answer);
    wish_queue_drop(&controller->queue, controller->deciding);
    controller->deciding = WISH_QUEUE_NONE;
}

bool controller_conclude(struct controller *controller, struct bytes answer)
{
    const struct wish wish = decided(controller);

    if (answer.size > controller->wish_size_max) return false;
    switch (draft_propose(controller, &wish, answer)) {
    case DRAFT_PROPOSED:
        wish_queue_drop(&controller->queue, controller->deciding);
        controller->deciding = WISH_QUEUE_NONE;
        if (MUTANT(wish_is_answered_when_proposed)) reply(controller, &wish, WISH_ANSWERED, answer);
        return true;
    case DRAFT_EMPTY: wishing_answer(controller, WISH_ANSWERED, answer); return true;
    case DRAFT_WAITS: controller_postpone(controller, controller_applied_index(controller) + 1); return true;
    case DRAFT_TOO_LARGE: return false;
    }
    CHECK(false);
    return false;
}

void controller_postpone(struct controller *controller, uint64_t index)
{
    CHECK(controller->deciding != WISH_QUEUE_NONE && index > controller_applied_index(controller));
    wish_queue_wait(&controller->queue, controller->deciding, index);
    controller->deciding = WISH_QUEUE_NONE;
    controller_begin(controller);
}

void controller_dismiss(struct controller *controller, enum wish_verdict why)
{
    CHECK(why == WISH_MALFORMED || why == WISH_TOO_LARGE || why == WISH_LATER);
    wishing_answer(controller, why, (struct bytes){ 0 });
    controller_begin(controller);
}

/* ---- frames ---- */

static void on_wish(struct controller *controller, const struct wish *wish)
{
    const bool addressed = wish->term == controller->led_term;

    if (!addressed && !MUTANT(wish_of_another_term)) {
        reply(controller, wish, WISH_LATER, (struct bytes){ 0 });
    } else if (wish_queue_add(&controller->queue, wish, false) == WISH_QUEUE_FULL) {
        reply(controller, wish, WISH_LATER, (struct bytes){ 0 });
    }
}

static bool on_wish_frame(struct controller *controller, int32_t from, struct bytes frame)
{
    struct wish wish;

    if (!wish_read(frame, &wish)) return false;
    wish.broker_id = from;
    on_wish(controller, &wish);
    return true;
}

static bool on_wish_answer_frame(struct controller *controller, struct bytes frame)
{
    struct wish_answer answer;

    if (!wish_answer_read(frame, &answer)) return false;
    wishes_on_answer(&controller->wishes, controller->mono_ns, &answer); /* old news is no fault */
    return true;
}

bool controller_on_peer_frame(struct controller *controller, int32_t from, uint64_t member, uint8_t kind,
                              struct bytes frame, struct effects *effects)
{
    if (from == controller->config.node_id || metadata_log_state(controller->log) != METADATA_LOG_OPEN) return false;
    wishing_follow_leader(controller);
    switch (kind) {
    case CONTROLLER_FRAME_RAFT: return metadata_log_on_frame(controller->log, member, frame);
    case CONTROLLER_FRAME_HEARTBEAT:
    case CONTROLLER_FRAME_HEARTBEAT_ANSWER: return heartbeats_on_frame(controller, from, kind, frame);
    case CONTROLLER_FRAME_WISH: return on_wish_frame(controller, from, frame);
    case CONTROLLER_FRAME_WISH_ANSWER: return on_wish_answer_frame(controller, frame);
    case CONTROLLER_FRAME_JOIN:
    case CONTROLLER_FRAME_JOIN_ANSWER: return joining_on_frame(controller, from, member, kind, frame, effects);
    default: return false;
    }
}

static void put_frame(struct controller *controller, int32_t to, uint8_t kind, uint32_t head_size, struct bytes rest,
                      struct controller_frame *frame)
{
    controller->frame_parts[0] = (struct bytes){ controller->frame_head, head_size };
    controller->frame_parts[1] = rest;
    *frame = (struct controller_frame){ to, kind, controller->frame_parts, 2 };
}

static bool next_log_frame(struct controller *controller, struct controller_frame *frame)
{
    struct metadata_frame log_frame;

    if (metadata_log_state(controller->log) != METADATA_LOG_OPEN) return false;
    if (!metadata_log_next_frame(controller->log, &log_frame)) return false;
    *frame = (struct controller_frame){ member_node(log_frame.to), CONTROLLER_FRAME_RAFT, log_frame.parts,
                                        log_frame.part_count };
    return true;
}

void wishing_on_link_up(struct controller *controller, int32_t node_id)
{
    wishes_on_link_up(&controller->wishes, controller->mono_ns, node_id);
}

void controller_on_frame_lost(struct controller *controller)
{
    if (controller->sent_wish == 0) return;
    wishes_on_lost(&controller->wishes, controller->mono_ns, controller->sent_wish);
    controller->sent_wish = 0;
}

/* What others wait for comes first: votes, entries, signs of life. */
bool controller_next_frame(struct controller *controller, struct controller_frame *frame)
{
    struct outbox *outbox = &controller->outbox;
    struct wish wish;

    controller->sent_wish = 0;
    wishing_follow_leader(controller);
    if (next_log_frame(controller, frame) || heartbeats_next_frame(controller, frame)) return true;
    if (joining_next_frame(controller, frame)) return true;
    if (outbox->sent < outbox->count) {
        const uint32_t number = outbox->sent++;
        const struct wish_answer *answer = &outbox->answers[number];
        wish_answer_write(answer, controller->frame_head);
        put_frame(controller, outbox->to[number], CONTROLLER_FRAME_WISH_ANSWER, WISH_ANSWER_HEAD_SIZE, answer->answer,
                  frame);
        return true;
    }
    const int32_t leader = controller->wishes.leader_id;
    if (leader == controller->config.node_id || !wishes_next(&controller->wishes, controller->mono_ns, &wish)) {
        return false;
    }
    controller->sent_wish = wish.sequence;
    wish_write(&wish, controller->frame_head);
    put_frame(controller, leader, CONTROLLER_FRAME_WISH, WISH_HEAD_SIZE, wish.body, frame);
    return true;
}

uint64_t wishing_deadline_ns(const struct controller *controller)
{
    const bool due = wish_queue_is_due(&controller->queue, controller_applied_index(controller));
    const bool registers = controller->loaded && !controller->registered && controller->registration_wish == 0;
    const uint64_t again_ns = registers ? controller->registration_ns : WISH_NEVER;

    if (isr_wishes_are_due(controller->isr_wishes, &controller->wishes)) return controller->mono_ns;
    if (due || controller->outbox.sent < controller->outbox.count) return controller->mono_ns;
    const uint64_t wishes_ns = wishes_deadline_ns(&controller->wishes);
    const uint64_t next_ns = MIN(wishes_ns, again_ns);
    return MAX(next_ns, controller->mono_ns);
}

void wishing_check(const struct controller *controller)
{
    wishes_check(&controller->wishes);
    wish_queue_check(&controller->queue);
    CHECK(controller->led_term != 0 || controller->queue.count == 0);
    CHECK(controller->outbox.sent <= controller->outbox.count && controller->outbox.count <= OUTBOX_MAX);
}
