#include "base/crc32c.h"
#include "peer/state.h"

static uint8_t *memory_of(const struct peers *peers, uint32_t unit)
{
    return peers->unit_memory + (size_t)unit * UNIT_SIZE;
}

static struct piece *pieces_of(const struct peers *peers, uint32_t unit)
{
    return (struct piece *)(void *)memory_of(peers, unit);
}

/* ---- room ---- */

/* Bytes that can go into the last unit. */
static uint32_t room_in_last(const struct peers *peers, const struct link *link)
{
    const bool in_flight = link->out_last == link->flight_last && !MUTANT(memory_in_flight_is_added_to);
    if (link->out_last == NONE || in_flight) return 0;
    const struct unit *last = &peers->units[link->out_last];
    return last->kind == UNIT_BYTES ? UNIT_SIZE - last->size : 0;
}

static uint32_t units_free(const struct peers *peers)
{
    return peers->unit_pool.slots_max - peers->unit_pool.taken_count;
}

/* Whether a link may take so many units more. It may have as many as are left over for all others (Choudhury and Hahne:
 * dynamic queue length thresholds): so n stalled links settle at one part of n + 1 each, and one part stays free for
 * those that move. Data leaves a quarter of all to control, which is less and matters more. Frames of this room's own,
 * one at a time, take what there is: without them a link would seem dead. */
static bool may_take(const struct peers *peers, const struct link *link, uint8_t kind, uint32_t count)
{
    const uint32_t kept = link->channel == PEER_CONTROL ? 0 : peers->unit_pool.slots_max / 4;
    const uint32_t free = units_free(peers);

    if (count == 0) return true;
    if (kind > PEER_KIND_MAX) return count <= free;
    if (free < kept || count > free - kept) return false;
    return link->out_units == 0 || link->out_units + count <= free - kept - count;
}

static uint32_t add_unit(struct peers *peers, struct link *link, enum unit_kind kind)
{
    const uint32_t unit = pool_take(&peers->unit_pool);

    CHECK(unit != POOL_NONE); /* may_take has seen to it */
    peers->units[unit] = (struct unit){ .next = NONE, .kind = kind };
    if (link->out_last == NONE) link->out_first = unit;
    else peers->units[link->out_last].next = unit;
    link->out_last = unit;
    link->out_units++;
    return unit;
}

/* Appends bytes; there is room. */
static void append(struct peers *peers, struct link *link, const uint8_t *from, uint32_t size)
{
    link->out_size += size;
    while (size > 0) {
        uint32_t room = room_in_last(peers, link);
        if (room == 0) {
            add_unit(peers, link, UNIT_BYTES);
            room = UNIT_SIZE;
        }
        struct unit *last = &peers->units[link->out_last];
        const uint32_t part = MIN(room, size);
        memcpy(memory_of(peers, link->out_last) + last->size, from, part);
        last->size += part;
        from += part;
        size -= part;
    }
}

/* ---- frames ---- */

static uint32_t units_for(const struct peers *peers, const struct link *link, uint32_t size)
{
    const uint32_t room = room_in_last(peers, link);

    return size <= room ? 0 : (size - room + UNIT_SIZE - 1) / UNIT_SIZE;
}

bool outbox_put(struct peers *peers, struct link *link, uint8_t kind, const struct bytes *parts, uint32_t part_count)
{
    uint8_t head[WIRE_HEAD_SIZE];
    uint32_t size = 0;

    for (uint32_t i = 0; i < part_count; i++) size += parts[i].size;
    if (!may_take(peers, link, kind, units_for(peers, link, WIRE_HEAD_SIZE + size))) return false;

    uint32_t crc = frame_crc_begin(kind, size);
    for (uint32_t i = 0; i < part_count; i++) {
        if (parts[i].size > 0) crc = crc32c(crc, parts[i].data, parts[i].size);
    }
    wire_head_write(head, &(struct frame_head){ WIRE_HEAD_SIZE + size, crc, size, kind });
    append(peers, link, head, sizeof head);
    for (uint32_t i = 0; i < part_count; i++) append(peers, link, parts[i].data, parts[i].size);
    peers->counters.frames_out++;
    link_work(peers, link);
    return true;
}

static struct link *live_link(const struct peers *peers, int32_t node_id, enum peer_channel channel)
{
    const struct node *node = node_find(peers, node_id);

    if (node == NULL || node->links[channel] == NONE) return NULL;
    return &peers->links[node->links[channel]];
}

enum peer_verdict peers_send(struct peers *peers, int32_t node_id, enum peer_channel channel, uint8_t kind,
                             const struct bytes *parts, uint32_t part_count)
{
    struct link *link = live_link(peers, node_id, channel);
    uint64_t size = 0;

    CHECK(kind <= PEER_KIND_MAX);
    for (uint32_t i = 0; i < part_count; i++) size += parts[i].size;
    CHECK(size <= frame_max(peers, channel));
    if (link == NULL) return PEER_NO_LINK;
    if (outbox_put(peers, link, kind, parts, part_count)) return PEER_SENT;
    peers->counters.full++;
    return PEER_FULL;
}

/* What the checksum covers: the head and what lies in memory, up to the first piece in a file. */
static void frame_head_of_lent(uint8_t kind, struct bytes head, const struct piece *pieces, uint32_t piece_count,
                               struct frame_head *frame)
{
    uint32_t in_memory = 0;
    uint64_t size = head.size;

    *frame = (struct frame_head){ .checked = head.size, .kind = kind };
    for (uint32_t i = 0; i < piece_count; i++) size += pieces[i].size;
    while (in_memory < piece_count && pieces[in_memory].data != NULL) frame->checked += pieces[in_memory++].size;
    frame->size = WIRE_HEAD_SIZE + (uint32_t)size;
    frame->crc = frame_crc_begin(kind, frame->checked);
    if (head.size > 0) frame->crc = crc32c(frame->crc, head.data, head.size);
    for (uint32_t i = 0; i < in_memory; i++) frame->crc = crc32c(frame->crc, pieces[i].data, pieces[i].size);
}

enum peer_verdict peers_send_lent(struct peers *peers, int32_t node_id, enum peer_channel channel, uint8_t kind,
                                  struct bytes head, const struct piece *pieces, uint32_t piece_count, uint64_t cookie)
{
    struct link *link = live_link(peers, node_id, channel);
    uint8_t bytes[WIRE_HEAD_SIZE];
    struct frame_head frame;
    uint64_t lent_size = 0;

    CHECK(channel != PEER_CONTROL && kind <= PEER_KIND_MAX);
    CHECK(head.size <= PEER_HEAD_SIZE_MAX && piece_count >= 1 && piece_count <= PEER_PIECES_MAX);
    for (uint32_t i = 0; i < piece_count; i++) lent_size += pieces[i].size;
    CHECK(head.size + lent_size <= frame_max(peers, channel));
    if (link == NULL) return PEER_NO_LINK;
    if (!may_take(peers, link, kind, units_for(peers, link, WIRE_HEAD_SIZE + head.size) + 1)) {
        peers->counters.full++;
        return PEER_FULL;
    }

    frame_head_of_lent(kind, head, pieces, piece_count, &frame);
    wire_head_write(bytes, &frame);
    append(peers, link, bytes, sizeof bytes);
    append(peers, link, head.data, head.size);
    const uint32_t number = add_unit(peers, link, UNIT_LENT);
    struct unit *unit = &peers->units[number];
    memcpy(pieces_of(peers, number), pieces, piece_count * sizeof *pieces);
    unit->size = piece_count;
    unit->cookie = cookie;
    unit->lent_size = lent_size;
    unit->node_id = node_id;
    link->out_size += lent_size;
    peers->counters.frames_out++;
    link_work(peers, link);
    return PEER_SENT;
}

uint64_t peers_queued_size(const struct peers *peers, int32_t node_id, enum peer_channel channel)
{
    const struct link *link = live_link(peers, node_id, channel);
    return link == NULL ? 0 : link->out_size;
}

/* ---- flight ---- */

bool outbox_wants(const struct link *link)
{
    return !link->sending && link->out_first != NONE;
}

void outbox_send(struct peers *peers, struct link *link, struct effects *effects)
{
    uint32_t count = 0;
    uint64_t size = 0;

    for (uint32_t at = link->out_first; at != NONE && size < SEND_ORDER_SIZE; at = peers->units[at].next) {
        const struct unit *unit = &peers->units[at];
        if (unit->kind == UNIT_BYTES) {
            if (count == SEND_PIECES_MAX) break;
            link->pieces[count++] = (struct piece){ .data = memory_of(peers, at), .size = unit->size };
        } else {
            if (count + unit->size > SEND_PIECES_MAX) break;
            memcpy(link->pieces + count, pieces_of(peers, at), unit->size * sizeof(struct piece));
            count += unit->size;
        }
        size += unit->kind == UNIT_BYTES ? unit->size : unit->lent_size;
        link->flight_last = at;
    }
    link->sending = true;
    effects_add(effects, EFFECT_SEND)->send = (struct effect_send){
        .link = peers->config.first_link + link_number(peers, link), .piece_count = count, .pieces = link->pieces
    };
}

static void take_back(struct peers *peers, struct link *link, bool sent)
{
    const uint32_t number = link->out_first;
    struct unit *unit = &peers->units[number];

    link->out_first = unit->next;
    if (link->out_first == NONE) link->out_last = NONE;
    link->out_units--;
    if (unit->kind == UNIT_BYTES) {
        link->out_size -= unit->size;
        if (sent) peers->counters.sent_size += unit->size;
        pool_give(&peers->unit_pool, number);
        return;
    }
    link->out_size -= unit->lent_size;
    if (sent) peers->counters.sent_size += unit->lent_size;
    unit->sent = sent;
    unit->next = NONE;
    if (peers->returned_last == NONE) peers->returned_first = number;
    else peers->units[peers->returned_last].next = number;
    peers->returned_last = number;
}

void outbox_on_sent(struct peers *peers, struct link *link)
{
    const uint32_t last = link->flight_last;

    CHECK(link->sending && last != NONE);
    link->sending = false;
    link->flight_last = NONE;
    for (uint32_t number = NONE; number != last;) {
        number = link->out_first;
        take_back(peers, link, true);
    }
}

void outbox_free(struct peers *peers, struct link *link)
{
    link->flight_last = NONE;
    while (link->out_first != NONE) take_back(peers, link, false);
}

bool peers_next_returned(struct peers *peers, struct peer_returned *returned)
{
    const uint32_t number = peers->returned_first;

    if (number == NONE) return false;
    const struct unit *unit = &peers->units[number];
    *returned = (struct peer_returned){ unit->cookie, unit->node_id, unit->sent };
    peers->returned_first = unit->next;
    if (peers->returned_first == NONE) peers->returned_last = NONE;
    pool_give(&peers->unit_pool, number);
    return true;
}
