/* inbox.c -- what comes on a link, cut into frames.
 *
 * Bytes are received where they stay until they are consumed: into the link's own buffer, and the rest of a frame that
 * is larger than it straight into a block of the frame's size. As long as a complete frame lies there, nothing more is
 * received: whoever does not consume is not sent more than the network holds. */
#include "peer/state.h"

static struct frame_memory *memory_for(struct peers *peers, const struct link *link)
{
    return &peers->memory[link->channel == PEER_CONTROL ? MEMORY_CONTROL : MEMORY_DATA];
}

static uint8_t *own_buffer(const struct peers *peers, const struct link *link)
{
    return peers->own_buffers + (size_t)link_number(peers, link) * OWN_BUFFER_SIZE;
}

void inbox_init(struct peers *peers, struct link *link)
{
    link->buffer = own_buffer(peers, link);
    link->capacity = OWN_BUFFER_SIZE;
}

static bool is_hungry(const struct peers *peers, const struct link *link)
{
    const uint32_t number = link_number(peers, link);
    return chain_has(&peers->memory[MEMORY_CONTROL].hungry, number) ||
           chain_has(&peers->memory[MEMORY_DATA].hungry, number);
}

bool inbox_wants(const struct peers *peers, const struct link *link)
{
    if (link->receiving || link->complete) return false;
    switch (link->state) {
    case LINK_WAITING: return peers->open;
    case LINK_GREETING: return true;
    case LINK_LIVE: return !is_hungry(peers, link);
    case LINK_FREE:
    case LINK_DIALING:
    case LINK_REFUSING:
    case LINK_CLOSING: break;
    }
    return false;
}

/* ---- room for a frame ---- */

/* A frame whose head is there gets a block of its own. False: none is free. */
static bool move_to_block(struct peers *peers, struct link *link)
{
    struct frame_memory *memory = memory_for(peers, link);
    const uint32_t have = link->end - link->begin;
    const uint64_t block = buddy_take(&memory->buddy, link->head.size);

    if (block == BUDDY_NONE) return false;
    uint8_t *to = memory->range + block;
    memcpy(to, link->buffer + link->begin, have);
    link->block = block;
    link->buffer = to;
    link->capacity = link->head.size;
    link->begin = 0;
    link->end = have;
    return true;
}

static void move_to_front(struct link *link)
{
    const uint32_t have = link->end - link->begin;

    if (link->begin > 0 && have > 0) memmove(link->buffer, link->buffer + link->begin, have);
    link->begin = 0;
    link->end = have;
}

/* Sees to it that `size` bytes from `begin` on have a place. False: it has to wait for one. */
static bool make_room(struct peers *peers, struct link *link, uint32_t size)
{
    if (size <= link->capacity - link->begin) return true;
    if (size <= link->capacity) {
        move_to_front(link);
        return true;
    }
    return move_to_block(peers, link);
}

/* The first in line may get what was given back; no later one goes ahead of it, or large frames would never come. */
static void feed(struct peers *peers, struct frame_memory *memory)
{
    while (memory->hungry.first != CHAIN_NONE) {
        struct link *link = &peers->links[memory->hungry.first];
        if (!move_to_block(peers, link)) return;
        chain_take(&memory->hungry);
        link_work(peers, link);
    }
}

static void give_block(struct peers *peers, struct link *link)
{
    struct frame_memory *memory = memory_for(peers, link);

    if (link->block == BUDDY_NONE) return;
    buddy_give(&memory->buddy, link->block);
    link->block = BUDDY_NONE;
    inbox_init(peers, link);
    link->begin = link->end = 0;
    feed(peers, memory);
}

void inbox_free(struct peers *peers, struct link *link)
{
    give_block(peers, link);
    link->receiving = false;
}

/* ---- frames ---- */

static void pass_over(struct peers *peers, struct link *link)
{
    peers->counters.frames_in++;
    link->begin += link->head.size;
    link->head_known = link->complete = false;
    give_block(peers, link);
    if (link->begin == link->end) link->begin = link->end = 0;
}

static uint32_t payload_max(const struct peers *peers, const struct link *link)
{
    return link->state == LINK_LIVE ? frame_max(peers, link->channel) : (uint32_t)WIRE_HANDSHAKE_SIZE_MAX;
}

/* Whether a frame with this head may come now. */
static bool is_due(const struct link *link)
{
    const struct frame_head *head = &link->head;
    const bool all_checked = head->checked == head->size - WIRE_HEAD_SIZE;

    switch (link->state) {
    case LINK_WAITING: return head->kind == WIRE_HELLO && all_checked;
    case LINK_GREETING: return (head->kind == WIRE_WELCOME || head->kind == WIRE_REFUSED) && all_checked;
    case LINK_LIVE:
        if (link->channel == PEER_CONTROL && !all_checked) return false;
        return head->kind <= PEER_KIND_MAX || head->kind == WIRE_ALIVE;
    case LINK_FREE:
    case LINK_DIALING:
    case LINK_REFUSING:
    case LINK_CLOSING: break;
    }
    return false;
}

/* True if a whole frame begins at `begin`. False: more has to come, or the link has ended. */
static bool find_frame(struct peers *peers, struct link *link)
{
    if (!link->head_known) {
        if (!make_room(peers, link, WIRE_HEAD_SIZE) || link->end - link->begin < WIRE_HEAD_SIZE) return false;
        if (!wire_head_read(link->buffer + link->begin, payload_max(peers, link), &link->head) || !is_due(link)) {
            link_broken(peers, link);
            return false;
        }
        link->head_known = true;
        if (!make_room(peers, link, link->head.size)) {
            chain_add(&memory_for(peers, link)->hungry, link_number(peers, link));
            return false;
        }
    }
    if (link->end - link->begin < link->head.size) return false;
    if (!frame_is_whole(link->buffer + link->begin, &link->head)) {
        link_broken(peers, link);
        return false;
    }
    return true;
}

void inbox_look(struct peers *peers, struct link *link)
{
    while (find_frame(peers, link)) {
        const struct bytes payload = { link->buffer + link->begin + WIRE_HEAD_SIZE, link->head.size - WIRE_HEAD_SIZE };
        const uint8_t kind = link->head.kind;
        if (kind <= PEER_KIND_MAX) {
            link->complete = true;
            chain_add(&peers->arrivals, link_number(peers, link));
            break;
        }
        if (kind == WIRE_HELLO) handshake_on_hello(peers, link, payload);
        else if (kind != WIRE_ALIVE) handshake_on_answer(peers, link, kind, payload);
        if (link->state != LINK_LIVE) return;
        pass_over(peers, link);
    }
    if (link->state != LINK_CLOSING) link_work(peers, link);
}

void peers_on_received(struct peers *peers, const struct event_received *received)
{
    CHECK(peers_own(peers, received->link));
    struct link *link = &peers->links[received->link - peers->config.first_link];

    CHECK(link->receiving && received->size <= link->capacity - link->end);
    CHECK(received->data == link->buffer + link->end);
    link->receiving = false;
    if (link->state == LINK_CLOSING) return;
    link->heard_ns = peers->mono_ns;
    link->end += received->size;
    peers->counters.received_size += received->size;
    inbox_look(peers, link);
}

/* ---- to the rooms above ---- */

void inbox_consume(struct peers *peers, struct link *link)
{
    peers->lent = NONE;
    if (link->state != LINK_LIVE) return; /* it went down meanwhile, and took its frame along */
    pass_over(peers, link);
    inbox_look(peers, link);
}

bool peers_next_frame(struct peers *peers, struct peer_frame *frame)
{
    if (peers->lent != NONE) inbox_consume(peers, &peers->links[peers->lent]);
    const uint32_t number = chain_take(&peers->arrivals);
    if (number == CHAIN_NONE) return false;
    const struct link *link = &peers->links[number];

    peers->lent = number;
    *frame = (struct peer_frame){
        .node_id = link->said.node_id,
        .channel = link->channel,
        .member_id = link->said.member_id,
        .kind = link->head.kind,
        .payload = { link->buffer + link->begin + WIRE_HEAD_SIZE, link->head.size - WIRE_HEAD_SIZE },
        .checked_size = link->head.checked,
    };
    return true;
}

void peers_hold(struct peers *peers)
{
    CHECK(peers->lent != NONE);
    struct link *link = &peers->links[peers->lent];

    peers->lent = NONE;
    if (link->state == LINK_LIVE) link->held = true;
}

void peers_release(struct peers *peers, int32_t node_id, enum peer_channel channel)
{
    const struct node *node = node_find(peers, node_id);

    if (node == NULL || node->links[channel] == NONE) return;
    struct link *link = &peers->links[node->links[channel]];
    if (!link->held) return;
    link->held = false;
    chain_add(&peers->arrivals, node->links[channel]);
}
