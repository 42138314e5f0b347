#include "sim/links.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "sim/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KERNEL_NS = 20 * 1000 }; /* what the host needs for something, at most */

/* ---- numbers ---- */

static uint32_t bank_begin(const struct config *config, uint32_t bank)
{
    if (bank == BANK_KAFKA) return 0;
    return config->links_max + (bank == BANK_DIALED ? config->peer_links_max : 0);
}

static uint32_t bank_max(const struct config *config, uint32_t bank)
{
    return bank == BANK_KAFKA ? config->links_max : config->peer_links_max;
}

static uint32_t bank_of(const struct config *config, uint32_t link)
{
    if (link < config->links_max) return BANK_KAFKA;
    return link < config->links_max + config->peer_links_max ? BANK_PEERS : BANK_DIALED;
}

static uint32_t *entry_of(struct machine *machine, uint32_t link)
{
    const uint32_t which = bank_of(&machine->config, link);
    const uint32_t index = link - bank_begin(&machine->config, which);
    struct bank *bank = &machine->banks[which];

    CHECK(index < bank_max(&machine->config, which));
    if (index >= bank->count) {
        uint32_t count = bank->count == 0 ? 4 : bank->count;
        while (count <= index) count *= 2;
        bank->list = realloc(bank->list, count * sizeof *bank->list);
        for (uint32_t i = bank->count; i < count; i++) bank->list[i] = LINK_NONE;
        bank->count = count;
    }
    return &bank->list[index];
}

/* The lowest free number of a range that the host gives; LINK_NONE: all are in use. */
static uint32_t link_new(struct machine *machine, uint32_t which)
{
    struct bank *bank = &machine->banks[which];

    while (bank->lowest < bank->count && bank->list[bank->lowest] != LINK_NONE) bank->lowest++;
    if (bank->lowest >= bank_max(&machine->config, which)) return LINK_NONE;
    return bank_begin(&machine->config, which) + bank->lowest;
}

static void link_release(struct machine *machine, uint32_t link)
{
    const uint32_t which = bank_of(&machine->config, link);
    const uint32_t index = link - bank_begin(&machine->config, which);

    *entry_of(machine, link) = LINK_NONE;
    if (index < machine->banks[which].lowest) machine->banks[which].lowest = index;
}

/* Which end an order means. */
static uint32_t end_of(struct machine *machine, uint32_t link)
{
    const uint32_t end = *entry_of(machine, link);
    CHECK(end != LINK_NONE);
    return end;
}

uint32_t links_end(const struct world *world, uint32_t number, uint32_t link)
{
    const struct machine *machine = world->machines[number];
    const uint32_t which = bank_of(&machine->config, link);
    const uint32_t index = link - bank_begin(&machine->config, which);

    return index < machine->banks[which].count ? machine->banks[which].list[index] : LINK_NONE;
}

static struct end *end_at(struct world *world, uint32_t end)
{
    return &net_connection(&world->net, end / 2)->ends[end & 1];
}

void links_free(struct world *world, uint32_t machine)
{
    for (uint32_t i = 0; i < BANK_COUNT; i++) free(world->machines[machine]->banks[i].list);
}

uint32_t links_next(const struct world *world, uint32_t number, uint32_t *at)
{
    const struct machine *machine = world->machines[number];
    uint32_t before = 0;

    for (uint32_t which = 0; which < BANK_COUNT; which++) {
        const struct bank *bank = &machine->banks[which];
        for (; *at < before + bank->count; ++*at) {
            if (bank->list[*at - before] != LINK_NONE) return bank->list[(*at)++ - before];
        }
        before += bank->count;
    }
    return LINK_NONE;
}

static void later(struct world *world, uint32_t machine, enum happening_kind kind, uint32_t end)
{
    world_after(world, 1 + prng_below(&world->host_prng, KERNEL_NS), kind, machine, end,
                net_connection(&world->net, end / 2)->generation);
}

/* ---- connections begin ---- */

static bool listens(const struct world *world, const struct machine *machine, uint32_t number, uint8_t listener)
{
    if (machine->state != PROCESS_UP || machine->steps == machine->steps_at_start) return false; /* not yet */
    if (world->net.routes.places[number].refuses_until_ns > world->now_ns) return false;
    return listener == LISTENER_KAFKA || listener == LISTENER_OPERATOR ||
           (machine->config.cluster_enabled && machine->config.peer_links_max > 0);
}

/* The kernel answers, whatever the process does just then. */
static void knock(struct world *world, const struct happening *happening)
{
    const uint32_t number = happening->a / 2;

    if (!net_knock(&world->net, happening)) return;
    struct connection *connection = net_connection(&world->net, number);
    const uint32_t place = connection->ends[1].place;
    struct machine *machine = world->machines[place];
    if (!listens(world, machine, place, connection->listener)) {
        net_answer(&world->net, number, false);
        return;
    }
    net_answer(&world->net, number, true);
    const bool of_node = connection->listener == LISTENER_NODE || connection->listener == LISTENER_WAL;
    const uint32_t link = link_new(machine, of_node ? BANK_PEERS : BANK_KAFKA);
    if (link == LINK_NONE) { /* taken, and closed at once */
        net_close(&world->net, number, 1, false);
        return;
    }
    connection->ends[1].link = link;
    *entry_of(machine, link) = happening->a;
    later(world, place, HAPPENS_OPENED, happening->a);
}

static bool opened(struct world *world, const struct happening *happening, struct event *event)
{
    struct connection *connection = net_connection(&world->net, happening->a / 2);
    struct end *end = &connection->ends[1];
    static char peer[32];

    if (connection->generation != happening->b || end->state != END_OPEN) return false;
    end->told = true;
    if (connection->ends[0].place == PLACE_CLIENT) snprintf(peer, sizeof peer, "client.sim:1");
    else snprintf(peer, sizeof peer, "n%u:1", connection->ends[0].place + 1);
    event->type = EVENT_LINK_OPENED;
    event->link_opened = (struct event_link_opened){ .link = end->link,
                                                     .listener = (enum listener)connection->listener,
                                                     .peer = { (const uint8_t *)peer, (uint32_t)strlen(peer) } };
    return true;
}

static void tell_closed(struct world *world, uint32_t place, uint32_t link, bool refused, struct event *event)
{
    link_release(world->machines[place], link);
    event->type = EVENT_LINK_CLOSED;
    event->link_closed = (struct event_link_closed){ .link = link, .refused = refused };
}

static bool dialed(struct world *world, const struct happening *happening, struct event *event)
{
    const uint32_t number = happening->a / 2;
    const struct end end = net_connection(&world->net, number)->ends[0];
    const bool timed_out = net_connection(&world->net, number)->tries > 0;
    const enum dialed verdict = net_dialed(&world->net, happening);

    if (verdict == DIALED_NOTHING) return false;
    if (end.place == PLACE_CLIENT) {
        if (verdict == DIALED_OPEN) net_want(&world->net, number, 0);
        else run_on_hang_up(world, end.client, number);
        return false;
    }
    if (verdict == DIALED_REFUSED) {
        tell_closed(world, end.place, end.link, !timed_out, event);
        return true;
    }
    end_at(world, happening->a)->told = true;
    event->type = EVENT_LINK_OPENED;
    event->link_opened =
        (struct event_link_opened){ .link = end.link,
                                    .listener = (enum listener)net_connection(&world->net, number)->listener,
                                    .peer = BYTES_LITERAL("dialed.sim:1") };
    return true;
}

/* ---- bytes ---- */

/* TCP knows no messages: now and then the bytes come in odd cuts. */
static uint32_t cut(struct world *world, uint32_t size)
{
    return prng_chance(&world->host_prng, 1, 8) ? 1 + (uint32_t)prng_below(&world->host_prng, size) : size;
}

static void arrive_at_client(struct world *world, const struct happening *happening)
{
    const uint32_t number = happening->a / 2, side = happening->a & 1;
    const struct connection *connection = net_connection(&world->net, number);
    const uint32_t client = connection->ends[side].client, readable = net_readable(&world->net, number, side);

    if (readable > 0) {
        const uint32_t size = cut(world, readable);
        run_on_bytes(world, client, number, net_bytes(&world->net, number, side), size);
        if (connection->generation != happening->b || connection->ends[side].state != END_OPEN) return;
        net_take(&world->net, number, side, size);
    }
    if (net_has_ended(&world->net, number, side)) {
        net_close(&world->net, number, side, false);
        run_on_hang_up(world, client, number);
        return;
    }
    net_want(&world->net, number, side);
}

static bool arrive(struct world *world, const struct happening *happening, struct event *event)
{
    const uint32_t number = happening->a / 2, side = happening->a & 1;
    struct connection *connection = net_connection(&world->net, number);
    struct end *end = &connection->ends[side];

    net_arrive(&world->net, happening);
    if (connection->generation != happening->b || end->state != END_OPEN) return false;
    if (end->place == PLACE_CLIENT) {
        arrive_at_client(world, happening);
        return false;
    }
    if (!end->told) return false;
    if (net_has_ended(&world->net, number, side)) {
        const uint32_t place = end->place, link = end->link;
        net_close(&world->net, number, side, false);
        tell_closed(world, place, link, false, event);
        return true;
    }
    uint32_t size = MIN(net_readable(&world->net, number, side), end->receive.size);
    if (!end->receiving || size == 0) return false;
    size = cut(world, size);
    const uint8_t *data = net_bytes(&world->net, number, side);
    if (end->receive.into != NULL) {
        memcpy(end->receive.into, data, size);
        data = end->receive.into;
    } else {
        data = world_lend(world->machines[end->place], data, size);
    }
    net_take(&world->net, number, side, size);
    end->receiving = false;
    world->machines[end->place]->quiet = connection->listener == LISTENER_NODE;
    event->type = EVENT_RECEIVED;
    event->received = (struct event_received){ .link = end->link, .size = size, .data = data };
    return true;
}

/* The pieces as they are now; the checksum is of those in memory. *size is UINT32_MAX where a file is shorter than
 * what was to be sent of it: the host can only end the link. */
static const uint8_t *gather(const struct world *world, const struct end *end, uint32_t *size, uint32_t *crc)
{
    static uint8_t *bytes;
    static uint32_t bytes_max;
    const struct disk *disk = &world->machines[end->place]->disk;
    uint32_t total = 0, at = 0;

    for (uint32_t i = 0; i < end->send.piece_count; i++) total += end->send.pieces[i].size;
    if (total > bytes_max) bytes = realloc(bytes, bytes_max = total);
    *crc = 0;
    for (uint32_t i = 0; i < end->send.piece_count; i++) {
        const struct piece *piece = &end->send.pieces[i];
        if (piece->data != NULL) {
            memcpy(bytes + at, piece->data, piece->size);
            *crc = crc32c(*crc, bytes + at, piece->size);
            at += piece->size;
        } else {
            at += disk_peek(disk, piece->path, piece->position, bytes + at, piece->size);
        }
    }
    *size = at == total ? total : UINT32_MAX;
    return bytes;
}

static uint32_t pieces_crc(const struct effect_send *send)
{
    uint32_t crc = 0;
    for (uint32_t i = 0; i < send->piece_count; i++) {
        if (send->pieces[i].data != NULL) crc = crc32c(crc, send->pieces[i].data, send->pieces[i].size);
    }
    return crc;
}

static bool sent(struct world *world, const struct happening *happening, struct event *event)
{
    const uint32_t number = happening->a / 2, side = happening->a & 1;
    struct connection *connection = net_connection(&world->net, number);
    struct end *end = &connection->ends[side];
    uint32_t size, crc;

    if (connection->generation != happening->b || end->state != END_OPEN || !end->sending) return false;
    if (net_space(&world->net, number, side) == 0) return false;
    const uint8_t *bytes = gather(world, end, &size, &crc);
    CHECK(crc == end->send_crc); /* the loan law: what is being sent stays as it was */
    end->sending = false;
    if (size == UINT32_MAX) {
        const uint32_t place = end->place, link = end->link;
        net_close(&world->net, number, side, true);
        tell_closed(world, place, link, false, event);
        return true;
    }
    world_mix(world, (uint64_t)size << 32 ^ crc);
    net_put(&world->net, number, side, bytes, size);
    if (connection->listener == LISTENER_KAFKA) world->machines[end->place]->has_answered = true;
    world->machines[end->place]->quiet = true;
    event->type = EVENT_SENT;
    event->sent.link = end->link;
    return true;
}

static bool closed(struct world *world, const struct happening *happening, struct event *event)
{
    const uint32_t number = happening->a / 2, side = happening->a & 1;
    const struct connection *connection = net_connection(&world->net, number);
    const struct end *end = &connection->ends[side];

    if (connection->generation != happening->b) return false;
    if (end->state != END_OPEN && end->state != END_DIALING) return false;
    const uint32_t place = end->place, link = end->link;
    net_close(&world->net, number, side, false);
    tell_closed(world, place, link, false, event);
    return true;
}

bool links_concern(enum happening_kind kind)
{
    return kind <= HAPPENS_CLOSED;
}

bool links_event(struct world *world, const struct happening *happening, struct event *event)
{
    switch (happening->kind) {
    case HAPPENS_KNOCK: knock(world, happening); return false;
    case HAPPENS_OPENED: return opened(world, happening, event);
    case HAPPENS_DIALED: return dialed(world, happening, event);
    case HAPPENS_ARRIVAL: return arrive(world, happening, event);
    case HAPPENS_SENT: return sent(world, happening, event);
    case HAPPENS_CLOSED: return closed(world, happening, event);
    default: return false;
    }
}

/* ---- orders ---- */

/* Machines are called n1, n2 and so on. PLACE_CLIENT: nobody is. */
static uint32_t machine_called(const struct world *world, const char *host)
{
    char *end;

    if (host[0] != 'n') return PLACE_CLIENT;
    const unsigned long number = strtoul(host + 1, &end, 10);
    return *end != 0 || number == 0 || number > world->machine_count ? PLACE_CLIENT : (uint32_t)number - 1;
}

static void order_open(struct world *world, uint32_t number, const struct effect_open_link *order)
{
    struct machine *machine = world->machines[number];
    uint32_t *entry = entry_of(machine, order->link);

    CHECK(bank_of(&machine->config, order->link) == BANK_DIALED && *entry == LINK_NONE);
    CHECK(order->at != LISTENER_KAFKA && order->host != NULL);
    const uint32_t connection = net_dial(&world->net, number, machine_called(world, order->host), (uint8_t)order->at);
    net_connection(&world->net, connection)->ends[0].link = order->link;
    *entry_of(machine, order->link) = connection * 2;
}

void links_order(struct world *world, uint32_t number, const struct effect *effect)
{
    struct machine *machine = world->machines[number];
    struct end *end;
    uint32_t which;

    switch (effect->type) {
    case EFFECT_OPEN_LINK: order_open(world, number, &effect->open_link); break;
    case EFFECT_RECEIVE:
        which = end_of(machine, effect->receive.link);
        end = end_at(world, which);
        CHECK(end->told && !end->receiving && effect->receive.size > 0);
        end->receiving = true;
        end->receive = effect->receive;
        if (end->receive.into != NULL) memset(end->receive.into, 0xa5, MIN(end->receive.size, 64U));
        net_want(&world->net, which / 2, which & 1);
        break;
    case EFFECT_SEND:
        which = end_of(machine, effect->send.link);
        end = end_at(world, which);
        CHECK(end->told && !end->sending);
        end->sending = true;
        end->send = effect->send;
        end->send_crc = pieces_crc(&effect->send);
        later(world, number, HAPPENS_SENT, which);
        break;
    case EFFECT_CLOSE_LINK:
        which = end_of(machine, effect->close_link.link);
        later(world, number, HAPPENS_CLOSED, which);
        break;
    default: CHECK(false);
    }
}

void links_kill(struct world *world, uint32_t number, bool dark)
{
    uint32_t at = 0, end;

    while ((end = links_next(world, number, &at)) != LINK_NONE) {
        link_release(world->machines[number], end_at(world, end)->link);
        if (dark) net_go_dark(&world->net, end / 2, end & 1);
        else net_close(&world->net, end / 2, end & 1, true);
    }
}
