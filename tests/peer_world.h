/* peer_world.h -- rooms of core/peer on several nodes, and a network between them that can be slow, cut and lying.
 *
 * Deterministic: time goes from happening to happening. Every step checks the room's invariants; what is being sent is
 * compared when it leaves; what is received comes in pieces of the size that a test wants. */
#ifndef CHRONIK_TESTS_PEER_WORLD_H
#define CHRONIK_TESTS_PEER_WORLD_H

#include "peer_story.h"

/* ---- happenings ---- */

static inline void world_after(struct world *world, uint64_t delay_ns, enum world_happening kind, uint32_t wire,
                               enum side side)
{
    CHECK(world->happening_count < WORLD_HAPPENINGS_MAX);
    world->happenings[world->happening_count++] =
        (struct happening){ world->now_ns + delay_ns, world->sequence++, kind, wire, side, false };
}

static inline void world_step(struct world *world, int32_t id, struct event *event);

static inline const char *world_channel(enum peer_channel channel)
{
    static const char *const names[] = { "control", "data out", "data in" };
    return names[channel];
}

/* ---- orders ---- */

static inline uint32_t world_send_crc(const struct effect_send *send, uint32_t *size)
{
    uint32_t crc = 0;

    *size = 0;
    for (uint32_t i = 0; i < send->piece_count; i++) {
        const struct piece *piece = &send->pieces[i];
        /* A file of the tests is a run of bytes that follow from its position. */
        for (uint32_t at = 0; piece->data == NULL && at < piece->size; at++) {
            const uint8_t byte = (uint8_t)((piece->position + at) * 7);
            crc = crc32c(crc, &byte, 1);
        }
        if (piece->data != NULL) crc = crc32c(crc, piece->data, piece->size);
        *size += piece->size;
    }
    return crc;
}

static inline struct wire_end *world_end(struct world *world, int32_t id, uint32_t link, uint32_t *wire,
                                         enum side *side)
{
    const uint32_t number = world->nodes[id].wire_of[link - WORLD_FIRST_LINK];

    CHECK(number != UINT32_MAX);
    *wire = number;
    *side = link - WORLD_FIRST_LINK >= WORLD_LINKS ? DIALER : CALLED;
    struct wire_end *end = &world->wires[number].ends[*side];
    CHECK(end->used && end->link == link && end->node == (uint32_t)id);
    return end;
}

/* "nodeN", or 0: no such name. */
static inline uint32_t world_node_at(const struct world *world, const char *host)
{
    const int number = strncmp(host, "node", 4) == 0 ? atoi(host + 4) : 0;
    return number >= 1 && number <= (int)world->node_count ? (uint32_t)number : 0;
}

static inline void world_open(struct world *world, int32_t id, const struct effect_open_link *order)
{
    CHECK(world->wire_count < WORLD_WIRES_MAX);
    const uint32_t number = world->wire_count++;
    struct wire *wire = &world->wires[number];

    CHECK(world->nodes[id].wire_of[order->link - WORLD_FIRST_LINK] == UINT32_MAX);
    world->nodes[id].wire_of[order->link - WORLD_FIRST_LINK] = number;
    wire->used = true;
    wire->ends[DIALER] = (struct wire_end){ .used = true, .link = order->link, .node = (uint32_t)id };
    wire->ends[CALLED] = (struct wire_end){ .node = world_node_at(world, order->host) };
    CHECK(order->port == (order->at == LISTENER_WAL ? 9291 : 9093));
    wire->ends[CALLED].receive.size = order->at; /* until it is open: which door */
    world_after(world, WORLD_DELAY, WORLD_CONNECT, number, CALLED);
}

static inline void world_close(struct world *world, uint32_t number, enum side side)
{
    struct wire_end *end = &world->wires[number].ends[side];

    if (!end->used || end->closing) return;
    end->closing = true;
    world_after(world, world->close_delay_ns, WORLD_CLOSED, number, side);
}

static inline void world_obey(struct world *world, int32_t id, const struct effects *effects)
{
    uint32_t wire, size;
    enum side side;

    for (uint32_t i = 0; i < effects->count && world->nodes[id].alive; i++) {
        const struct effect *effect = &effects->list[i];
        struct wire_end *end;
        switch (effect->type) {
        case EFFECT_OPEN_LINK: world_open(world, id, &effect->open_link); break;
        case EFFECT_RECEIVE:
            end = world_end(world, id, effect->receive.link, &wire, &side);
            CHECK(end->opened && !end->receiving && effect->receive.size > 0 && effect->receive.into != NULL);
            end->receiving = true;
            end->receive = effect->receive;
            memset(effect->receive.into, 0xa5, MIN(effect->receive.size, 64u));
            world_after(world, WORLD_DELAY, WORLD_ARRIVE, wire, side);
            break;
        case EFFECT_SEND:
            end = world_end(world, id, effect->send.link, &wire, &side);
            CHECK(end->opened && !end->sending && effect->send.piece_count > 0);
            end->sending = true;
            end->send = effect->send;
            end->send_crc = world_send_crc(&effect->send, &size);
            CHECK(size > 0);
            world_after(world, WORLD_DELAY, WORLD_SENT, wire, side);
            break;
        case EFFECT_CLOSE_LINK:
            world_end(world, id, effect->close_link.link, &wire, &side);
            world_close(world, wire, side);
            break;
        case EFFECT_NOTE: world_say_note(world, id, &effect->note); break;
        case EFFECT_WRITE:
        case EFFECT_SYNC:
        case EFFECT_READ:
        case EFFECT_FILE:
        case EFFECT_HALT: CHECK(false); break;
        }
    }
}

/* ---- what a room tells ---- */

static inline void world_take_change(struct world *world, struct world_node *node, int32_t id,
                                     const struct peer_change *change)
{
    static const char *const kinds[] = { "up", "down", "missed", "turned away" };

    switch (change->kind) {
    case PEER_UP: node->ups++; break;
    case PEER_DOWN:
        node->downs++;
        node->last_down = *change;
        break;
    case PEER_MISSED:
        node->misses++;
        node->last_miss = *change;
        break;
    case PEER_TURNED_AWAY:
        node->turned_away++;
        node->last_turned_away = *change;
        break;
    }
    if (change->kind == PEER_UP) world_say(world, "%d up %d %s", id, change->node_id, world_channel(change->channel));
    else
        world_say(world, "%d %s %d %s: %s", id, kinds[change->kind], change->node_id, world_channel(change->channel),
                  peer_reason_text(change->reason));
}

static inline void world_take_frames(struct world *world, struct world_node *node, int32_t id)
{
    struct peer_frame frame;

    for (uint32_t i = 0; i < node->frames_per_step && peers_next_frame(node->peers, &frame); i++) {
        if (node->holds_all || (node->holds && frame.channel != PEER_CONTROL)) {
            peers_hold(node->peers);
            continue;
        }
        CHECK(node->frame_count < WORLD_FRAMES_MAX);
        node->frames[node->frame_count++] = (struct got_frame){
            .from = frame.node_id,
            .channel = frame.channel,
            .member_id = frame.member_id,
            .kind = frame.kind,
            .size = frame.payload.size,
            .checked_size = frame.checked_size,
            .crc = crc32c(0, frame.payload.data, frame.payload.size),
        };
        world_say(world, "%d < %d %s kind %u, %u bytes", id, frame.node_id, world_channel(frame.channel), frame.kind,
                  frame.payload.size);
    }
}

static inline void world_step(struct world *world, int32_t id, struct event *event)
{
    static struct effects effects;
    struct world_node *node = &world->nodes[id];
    struct peer_change change;
    struct peer_returned returned;

    effects.count = 0;
    effects.notes_dropped = 0;
    peers_on_time(node->peers, world->now_ns);
    switch (event->type) {
    case EVENT_LINK_OPENED: peers_on_link_opened(node->peers, &event->link_opened); break;
    case EVENT_LINK_CLOSED: peers_on_link_closed(node->peers, &event->link_closed); break;
    case EVENT_RECEIVED: peers_on_received(node->peers, &event->received); break;
    case EVENT_SENT: peers_on_sent(node->peers, &event->sent); break;
    default: break;
    }
    while (peers_next_change(node->peers, &change, &effects)) world_take_change(world, node, id, &change);
    world_take_frames(world, node, id);
    while (peers_next_returned(node->peers, &returned)) {
        node->last_cookie = returned.cookie;
        if (returned.sent) node->returned_sent++;
        else node->returned_dropped++;
    }
    peers_work(node->peers, &effects);
    peers_check(node->peers);
    node->did_nothing = effects.count == 0;
    world_obey(world, id, &effects);
}

/* For what a test tells a room by itself. */
static inline void world_poke(struct world *world, int32_t id)
{
    struct event event = { .type = EVENT_TIME_PASSED };
    world_step(world, id, &event);
}

/* ---- the network ---- */

static inline void world_put(struct wire_end *end, const uint8_t *data, uint32_t size)
{
    if (end->size + size > end->capacity) {
        end->capacity = (end->size + size) * 2;
        end->data = realloc(end->data, end->capacity);
    }
    if (size > 0) memcpy(end->data + end->size, data, size);
    end->size += size;
}

static inline bool world_is_cut(const struct world *world, const struct wire *wire, enum side to)
{
    return world->cut[wire->ends[!to].node][wire->ends[to].node];
}

static inline void world_connect(struct world *world, uint32_t number)
{
    struct wire *wire = &world->wires[number];
    struct wire_end *called = &wire->ends[CALLED], *dialer = &wire->ends[DIALER];
    const uint32_t id = called->node;
    uint32_t link = 0;

    if (!dialer->used || dialer->closing) return;
    if (id != 0 && (world->cut[dialer->node][id] || world->cut[id][dialer->node])) return; /* and no answer comes */
    if (id == 0 || !world->nodes[id].alive) {
        world_close(world, number, DIALER);
        world->happenings[world->happening_count - 1].refused = id != 0;
        return;
    }
    while (link < WORLD_LINKS && world->nodes[id].wire_of[link] != UINT32_MAX) link++;
    if (link == WORLD_LINKS) {
        world_close(world, number, DIALER);
        return;
    }
    const enum listener door = (enum listener)called->receive.size;
    world->nodes[id].wire_of[link] = number;
    *called = (struct wire_end){ .used = true, .opened = true, .link = WORLD_FIRST_LINK + link, .node = id };
    world_after(world, WORLD_DELAY, WORLD_OPENED, number, DIALER);
    struct event event = { .type = EVENT_LINK_OPENED };
    event.link_opened = (struct event_link_opened){ called->link, door, BYTES_LITERAL("10.0.0.9:5") };
    dialer->receive.size = door;
    world_step(world, (int32_t)id, &event);
}

static inline void world_opened(struct world *world, uint32_t number)
{
    struct wire_end *end = &world->wires[number].ends[DIALER];

    if (!end->used) return;
    end->opened = true;
    struct event event = { .type = EVENT_LINK_OPENED };
    event.link_opened =
        (struct event_link_opened){ end->link, (enum listener)end->receive.size, BYTES_LITERAL("10.0.0.1:9093") };
    world_step(world, (int32_t)end->node, &event);
}

/* A handshake between nodes of two versions: what one says, and what the other one says to it, is not what it knows. */
static inline void world_translate(const struct world *world, uint32_t from, uint32_t to, uint8_t *frame, uint32_t size)
{
    enum { VERSIONS_AT = WIRE_HEAD_SIZE + 4, UNKNOWN_VERSION = 999 };
    const uint16_t said = world->nodes[from].speaks, heard = world->nodes[to].speaks == 0 ? 0 : UNKNOWN_VERSION;

    if ((said == 0 && heard == 0) || size < WIRE_HEAD_SIZE || load_u32(frame) != size) return;
    if (frame[12] < WIRE_HELLO || frame[12] > WIRE_REFUSED) return;
    store_u16(frame + VERSIONS_AT, said != 0 ? said : heard);
    store_u16(frame + VERSIONS_AT + 2, said != 0 ? said : heard);
    store_u32(frame + 4, crc32c(0, frame + 8, size - 8));
}

static inline void world_sent(struct world *world, uint32_t number, enum side side)
{
    struct wire *wire = &world->wires[number];
    struct wire_end *end = &wire->ends[side], *other = &wire->ends[!side];
    uint32_t size;

    if (!end->used || !end->sending) return;
    if (end->ended && !world_is_cut(world, wire, !side)) { /* nobody is there any more, and says so */
        world_close(world, number, side);
        return;
    }
    if (other->size > WORLD_WINDOW || world_is_cut(world, wire, !side)) {
        end->blocked = true;
        return;
    }
    CHECK(world_send_crc(&end->send, &size) == end->send_crc); /* the loan law */
    for (uint32_t i = 0; i < end->send.piece_count; i++) {
        const struct piece *piece = &end->send.pieces[i];
        for (uint32_t at = 0; piece->data == NULL && at < piece->size; at++) {
            const uint8_t byte = (uint8_t)((piece->position + at) * 7);
            world_put(other, &byte, 1);
        }
        if (piece->data != NULL) world_put(other, piece->data, piece->size);
    }
    if (world->flips > 0 && size > 20) {
        world->flips--;
        other->data[other->size - 1] ^= 0x10;
    }
    world_translate(world, end->node, other->node, other->data + other->size - size, size);
    world->bytes_moved += size;
    end->sending = end->blocked = false;
    world_after(world, WORLD_DELAY, WORLD_ARRIVE, number, !side);
    struct event event = { .type = EVENT_SENT, .sent = { end->link } };
    world_step(world, (int32_t)end->node, &event);
}

static inline void world_arrive(struct world *world, uint32_t number, enum side side)
{
    struct wire *wire = &world->wires[number];
    struct wire_end *end = &wire->ends[side];

    if (!end->used || !end->receiving || world_is_cut(world, wire, side)) return;
    if (end->size == 0) {
        if (end->ended) world_close(world, number, side);
        return;
    }
    uint32_t size = MIN(end->size, end->receive.size);
    const uint32_t chunk = world->chunk_max == 0 ? size : 1 + (uint32_t)prng_below(&world->prng, world->chunk_max);
    if (size > chunk) size = chunk;
    memcpy(end->receive.into, end->data, size);
    memmove(end->data, end->data + size, end->size - size);
    end->size -= size;
    end->receiving = false;
    if (wire->ends[!side].blocked) world_after(world, 1000, WORLD_SENT, number, !side);
    struct event event = { .type = EVENT_RECEIVED, .received = { end->link, size, end->receive.into } };
    world_step(world, (int32_t)end->node, &event);
}

static inline void world_closed(struct world *world, uint32_t number, enum side side, bool refused)
{
    struct wire_end *end = &world->wires[number].ends[side], *other = &world->wires[number].ends[!side];

    if (!end->used) return;
    end->used = end->receiving = end->sending = false;
    world->nodes[end->node].wire_of[end->link - WORLD_FIRST_LINK] = UINT32_MAX;
    if (other->used) {
        other->ended = true;
        if (!world_is_cut(world, &world->wires[number], !side)) {
            world_after(world, WORLD_DELAY, WORLD_ARRIVE, number, !side);
            if (other->sending) world_after(world, WORLD_DELAY, WORLD_SENT, number, !side);
        }
    }
    struct event event = { .type = EVENT_LINK_CLOSED, .link_closed = { end->link, refused } };
    if (world->nodes[end->node].alive) world_step(world, (int32_t)end->node, &event);
}

static inline uint32_t world_next(const struct world *world)
{
    uint32_t next = UINT32_MAX;

    for (uint32_t i = 0; i < world->happening_count; i++) {
        const struct happening *at = &world->happenings[i];
        const struct happening *best = next == UINT32_MAX ? NULL : &world->happenings[next];
        if (best != NULL && at->time_ns > best->time_ns) continue;
        if (best == NULL || at->time_ns < best->time_ns || at->sequence < best->sequence) next = i;
    }
    return next;
}

static inline void world_happen(struct world *world, const struct happening *what)
{
    switch (what->kind) {
    case WORLD_CONNECT: world_connect(world, what->wire); break;
    case WORLD_OPENED: world_opened(world, what->wire); break;
    case WORLD_ARRIVE: world_arrive(world, what->wire, what->side); break;
    case WORLD_SENT: world_sent(world, what->wire, what->side); break;
    case WORLD_CLOSED: world_closed(world, what->wire, what->side, what->refused); break;
    }
}

static inline void world_run(struct world *world, uint64_t ms)
{
    const uint64_t end_ns = world->now_ns + ms * WORLD_MS;

    for (;;) {
        const uint32_t next = world_next(world);
        uint64_t time_ns = next == UINT32_MAX ? UINT64_MAX : world->happenings[next].time_ns;
        int32_t due = 0;
        for (int32_t id = 1; id <= (int32_t)world->node_count; id++) {
            if (!world->nodes[id].alive) continue;
            const uint64_t deadline_ns = peers_deadline_ns(world->nodes[id].peers);
            if (deadline_ns >= time_ns) continue;
            time_ns = deadline_ns;
            due = id;
        }
        if (time_ns > end_ns) break;
        world->now_ns = MAX(world->now_ns, time_ns);
        if (due != 0) {
            world->now_ns += 1000; /* a step takes time, so that work that is due at once does not stand still */
            world_poke(world, due);
            struct world_node *node = &world->nodes[due];
            node->spins = node->did_nothing ? node->spins + 1 : 0;
            CHECK(node->spins < 1000); /* it asks for time, and does nothing with it */
            continue;
        }
        const struct happening what = world->happenings[next];
        world->happenings[next] = world->happenings[--world->happening_count];
        world_happen(world, &what);
    }
    world->now_ns = MAX(world->now_ns, end_ns);
}

/* ---- nodes ---- */

static inline struct peer_address world_address(int32_t id, bool is_wal)
{
    static char hosts[100][8];
    char *host = hosts[id % 100];

    snprintf(host, sizeof hosts[0], "node%d", id % 100);
    return (struct peer_address){ { (const uint8_t *)host, (uint32_t)strlen(host) }, is_wal ? 9291 : 9093 };
}

static inline struct uuid world_uuid(uint32_t number)
{
    struct uuid uuid = { { 0 } };

    store_u32(uuid.bytes + 12, number);
    return uuid;
}

/* Its process begins, with nothing open. `life` is any number. */
static inline void world_start(struct world *world, int32_t id, uint32_t life)
{
    struct world_node *node = &world->nodes[id];

    CHECK(madvise(node->peers, node->size, MADV_DONTNEED) == 0);
    node->config.seed[0] = (uint64_t)id * 1000 + life;
    node->identity.incarnation = world_uuid((uint32_t)id * 1000 + life);
    node->alive = true;
    for (uint32_t i = 0; i < 2 * WORLD_LINKS; i++) node->wire_of[i] = UINT32_MAX;
    peers_init(node->peers, &node->config);
    peers_on_time(node->peers, world->now_ns);
    peers_open(node->peers, &node->identity);
}

static inline struct world *world_new(uint32_t node_count)
{
    struct world *world = calloc(1, sizeof *world);

    CHECK(node_count <= WORLD_NODES_MAX);
    world->now_ns = 1000 * WORLD_MS;
    world->node_count = node_count;
    world->close_delay_ns = 1000;
    prng_init(&world->prng, 1, 1);
    for (int32_t id = 1; id <= (int32_t)node_count; id++) {
        struct world_node *node = &world->nodes[id];
        node->frames_per_step = UINT32_MAX;
        node->identity = (struct peer_identity){ world_uuid(77), (uint64_t)id << 24 | 1, { { 0 } } };
        node->config = (struct peers_config){
            .node_id = id,
            .seed = { 0, 9 },
            .first_link = WORLD_FIRST_LINK,
            .links_max = WORLD_LINKS,
            .nodes_max = 20,
            .node_address = world_address(id, false),
            .wal_address = world_address(id, true),
            .control_frame_max = WORLD_CONTROL_MAX,
            .data_frame_max = WORLD_DATA_MAX,
            .send_memory_size = 2 << 20,
            .receive_memory_size = 8 << 20,
        };
        node->size = peers_size(&node->config);
        CHECK(node->size > 0);
        node->peers =
            mmap(NULL, node->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        CHECK(node->peers != MAP_FAILED);
        world_start(world, id, 1);
    }
    return world;
}

static inline void world_free(struct world *world)
{
    for (uint32_t i = 0; i < world->wire_count; i++) {
        free(world->wires[i].ends[0].data);
        free(world->wires[i].ends[1].data);
    }
    for (uint32_t id = 1; id <= world->node_count; id++) munmap(world->nodes[id].peers, world->nodes[id].size);
    free(world);
}

/* Its process ends: others see the end of their links, unless the network is cut. */
static inline void world_kill(struct world *world, int32_t id)
{
    world->nodes[id].alive = false;
    for (uint32_t i = 0; i < world->wire_count; i++) {
        for (uint32_t side = 0; side < 2; side++) {
            struct wire_end *end = &world->wires[i].ends[side];
            if (end->used && end->node == (uint32_t)id) world_closed(world, i, (enum side)side, false);
        }
    }
}

/* Its machine is gone without a word: nothing is told to anybody, and nothing answers. */
static inline void world_vanish(struct world *world, int32_t id)
{
    for (uint32_t other = 1; other <= world->node_count; other++) {
        world->cut[id][other] = world->cut[other][id] = true;
    }
    world_kill(world, id);
}

static inline void world_cut(struct world *world, int32_t a, int32_t b, bool cut)
{
    world->cut[a][b] = world->cut[b][a] = cut;
    for (uint32_t i = 0; !cut && i < world->wire_count; i++) {
        for (uint32_t side = 0; side < 2; side++) {
            struct wire_end *end = &world->wires[i].ends[side];
            if (!end->used) continue;
            if (end->receiving) world_after(world, WORLD_DELAY, WORLD_ARRIVE, i, (enum side)side);
            if (end->sending) world_after(world, WORLD_DELAY, WORLD_SENT, i, (enum side)side);
        }
    }
}

/* One node's end of a wire is gone, and the other end hears nothing of it until it says something. */
static inline void world_tear(struct world *world, int32_t id, int32_t other)
{
    for (uint32_t i = 0; i < world->wire_count; i++) {
        for (uint32_t side = 0; side < 2; side++) {
            struct wire_end *end = &world->wires[i].ends[side], *there = &world->wires[i].ends[!side];
            if (!end->used || end->node != (uint32_t)id || there->node != (uint32_t)other) continue;
            world->cut[id][other] = true;
            world_closed(world, i, (enum side)side, false);
            world->cut[id][other] = false;
        }
    }
}

/* Both know each other, and want control. */
static inline void world_link(struct world *world, int32_t a, int32_t b)
{
    CHECK(peers_know(world->nodes[a].peers, b) && peers_know(world->nodes[b].peers, a));
    CHECK(peers_want(world->nodes[a].peers, b, PEER_CONTROL, world_address(b, false)));
    CHECK(peers_want(world->nodes[b].peers, a, PEER_CONTROL, world_address(a, false)));
}

static inline bool world_is_up(struct world *world, int32_t id, int32_t other, enum peer_channel channel)
{
    struct peer_view view;
    return peers_view(world->nodes[id].peers, other, channel, &view);
}

static inline enum peer_verdict world_send(struct world *world, int32_t from, int32_t to, enum peer_channel channel,
                                           uint8_t kind, const void *data, uint32_t size)
{
    const struct bytes part = { data, size };
    const enum peer_verdict verdict = peers_send(world->nodes[from].peers, to, channel, kind, &part, 1);

    world_poke(world, from);
    return verdict;
}

#endif
