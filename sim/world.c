#include "sim/world.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "host.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct host {
    struct world *world;
};

void world_init(struct world *world, uint64_t seed)
{
    *world = (struct world){
        .seed = seed,
        .wall_true_ms = 1700000000000,
        .wall_base_ms = 1700000000000,
        .latency_ns = 100 * 1000,
        .events_max = UINT64_MAX,
        .digest = seed,
    };
    queue_init(&world->queue);
    prng_init(&world->host_prng, seed, STREAM_HOST);
    prng_init(&world->net_prng, seed, STREAM_NET);
}

void world_free(struct world *world)
{
    for (uint32_t i = 0; i < world->machine_count; i++) {
        munmap(world->machines[i].node, world->machines[i].node_size);
        free(world->machines[i].lent);
        disk_free(&world->machines[i].disk);
    }
    for (uint32_t i = 0; i < WIRES_MAX; i++) {
        free(world->wires[i].to_node.data);
        free(world->wires[i].to_client.data);
    }
    queue_free(&world->queue);
}

uint32_t world_add_machine(struct world *world, const struct config *config)
{
    CHECK(world->machine_count < MACHINES_MAX);
    const uint32_t number = world->machine_count++;
    struct machine *machine = &world->machines[number];

    machine->config = *config;
    machine->node_size = node_size(config);
    CHECK(machine->node_size > 0);
    machine->node =
        mmap(NULL, machine->node_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(machine->node != MAP_FAILED);
    disk_init(&machine->disk, world->seed, STREAM_DISK + number);
    return number;
}

void world_after(struct world *world, uint64_t delay_ns, enum happening_kind kind, uint32_t machine, uint32_t a,
                 uint32_t b)
{
    queue_add(&world->queue, &(struct happening){
                                 .time_ns = world->now_ns + delay_ns, .kind = kind, .node = machine, .a = a, .b = b });
}

/* ---- bytes on their way ---- */

static void flow_put(struct flow *flow, const void *data, uint32_t size)
{
    if (flow->begin == flow->end) flow->begin = flow->end = 0;
    if (flow->end + size > flow->capacity) {
        if (flow->end > flow->begin) memmove(flow->data, flow->data + flow->begin, flow->end - flow->begin);
        flow->end -= flow->begin;
        flow->begin = 0;
        while (flow->end + size > flow->capacity) flow->capacity = flow->capacity == 0 ? 4096 : flow->capacity * 2;
        flow->data = realloc(flow->data, flow->capacity);
    }
    if (size > 0) memcpy(flow->data + flow->end, data, size);
    flow->end += size;
}

static uint32_t flow_size(const struct flow *flow)
{
    return flow->end - flow->begin;
}

/* Mostly about the latency, now and then far longer: queues, retransmissions. */
static uint64_t draw_latency(struct world *world)
{
    uint64_t delay = world->latency_ns / 2 + prng_below(&world->net_prng, world->latency_ns) + 1;
    if (prng_chance(&world->net_prng, 1, 100)) delay += prng_below(&world->net_prng, world->latency_ns * 200);
    return delay;
}

static uint64_t after_flow(struct world *world, const struct wire *wire, struct flow *flow)
{
    uint64_t at = world->now_ns + draw_latency(world);
    const uint64_t clogged = (uint64_t)wire->clogged_until_ms * 1000000;
    if (at < clogged) at = clogged;
    if (at <= flow->last_ns) at = flow->last_ns + 1;
    flow->last_ns = at;
    return at - world->now_ns;
}

static void pump(struct world *world, uint32_t number)
{
    struct wire *wire = &world->wires[number];

    if (wire->node_open && wire->receiving && flow_size(&wire->to_node) > 0 && !wire->arrival_queued) {
        wire->arrival_queued = true;
        world_after(world, after_flow(world, wire, &wire->to_node), HAPPENS_ARRIVAL, wire->machine, number,
                    wire->generation);
    }
    if (wire->client_open && flow_size(&wire->to_client) > 0 && !wire->delivery_queued) {
        wire->delivery_queued = true;
        world_after(world, after_flow(world, wire, &wire->to_client), HAPPENS_DELIVERY, wire->machine, number,
                    wire->generation);
    }
}

static void release_wire(struct wire *wire)
{
    if (wire->node_open || wire->client_open) return;
    wire->used = false;
    wire->generation++;
    wire->to_node.begin = wire->to_node.end = 0;
    wire->to_client.begin = wire->to_client.end = 0;
}

uint32_t world_connect(struct world *world, uint32_t client, uint32_t machine)
{
    if (world->machines[machine].state != PROCESS_UP) return WIRE_NONE;
    for (uint32_t number = 0; number < world->machines[machine].config.links_max && number < WIRES_MAX; number++) {
        struct wire *wire = &world->wires[number];
        if (wire->used) continue;
        const struct flow to_node = wire->to_node, to_client = wire->to_client;
        *wire = (struct wire){ .used = true,
                               .generation = wire->generation + 1,
                               .machine = machine,
                               .client = client,
                               .client_open = true,
                               .to_node = to_node,
                               .to_client = to_client };
        wire->to_node.last_ns = wire->to_client.last_ns = 0;
        world_after(world, draw_latency(world), HAPPENS_OPENED, machine, number, wire->generation);
        return number;
    }
    return WIRE_NONE;
}

void world_write(struct world *world, uint32_t number, const void *data, uint32_t size)
{
    struct wire *wire = &world->wires[number];
    CHECK(wire->used && wire->client_open);
    flow_put(&wire->to_node, data, size);
    pump(world, number);
}

void world_hang_up(struct world *world, uint32_t number)
{
    struct wire *wire = &world->wires[number];
    CHECK(wire->used && wire->client_open);
    wire->client_open = false;
    world_after(world, draw_latency(world), HAPPENS_CLOSED, wire->machine, number, wire->generation);
}

/* The node's side is over: what it had not taken or sent is gone. */
static void node_side_ends(struct wire *wire)
{
    wire->node_open = wire->receiving = wire->sending = false;
    wire->to_node.begin = wire->to_node.end = 0;
}

/* ---- processes ---- */

void world_start(struct world *world, uint32_t number)
{
    struct machine *machine = &world->machines[number];
    CHECK(machine->state != PROCESS_UP);
    struct prng seed;

    memset(machine->node, 0xa5, machine->node_size < (1 << 16) ? machine->node_size : (1 << 16));
    madvise(machine->node, machine->node_size, MADV_DONTNEED);
    machine->state = PROCESS_UP;
    machine->starts++;
    machine->stop_asked = machine->has_answered = false;
    machine->steps_at_start = machine->steps;
    machine->deadline_generation++;
    machine->deadline_ns = UINT64_MAX;
    prng_init(&seed, world->seed, STREAM_NODE + number);
    for (uint32_t i = 0; i < machine->starts; i++) machine->config.seed[0] = prng_next(&seed);
    machine->config.seed[1] = prng_next(&seed);
    node_init(machine->node, &machine->config);
    world_after(world, 1000, HAPPENS_START, number, machine->starts, 0);
}

void world_kill(struct world *world, uint32_t number)
{
    struct machine *machine = &world->machines[number];

    if (machine->state == PROCESS_DOWN) return;
    machine->state = PROCESS_DOWN;
    machine->deadline_generation++;
    disk_kill(&machine->disk);
    for (uint32_t i = 0; i < WIRES_MAX; i++) {
        struct wire *wire = &world->wires[i];
        if (!wire->used || wire->machine != number) continue;
        node_side_ends(wire);
        /* A connection that is reset forgets what its other end has not read yet. */
        if (prng_chance(&world->net_prng, 1, 2)) wire->to_client.begin = wire->to_client.end = 0;
        if (wire->client_open) {
            world_after(world, draw_latency(world), HAPPENS_DELIVERY, number, i, wire->generation);
            wire->delivery_queued = true;
        }
        release_wire(wire);
    }
}

void world_lose_power(struct world *world, uint32_t number, enum loss loss)
{
    world_kill(world, number);
    disk_lose_power(&world->machines[number].disk, loss);
}

void world_ask_stop(struct world *world, uint32_t number)
{
    world->machines[number].stop_asked = true;
    world_after(world, 1, HAPPENS_START, number, world->machines[number].starts, 1);
}

/* ---- happenings to events ---- */

static bool process_is_up(const struct world *world, uint32_t number)
{
    return world->machines[number].state == PROCESS_UP;
}

/* Bytes that the host lends lie in memory of their own, so that keeping a pointer into it is seen by the sanitizers,
 * and by everybody once it is overwritten. */
static const uint8_t *lend(struct machine *machine, const uint8_t *data, uint32_t size)
{
    free(machine->lent);
    machine->lent = malloc(size);
    machine->lent_size = size;
    memcpy(machine->lent, data, size);
    return machine->lent;
}

static bool arrive(struct world *world, const struct happening *happening, struct event *event)
{
    struct wire *wire = &world->wires[happening->a];
    struct machine *machine = &world->machines[wire->machine];

    if (wire->generation != happening->b) return false;
    wire->arrival_queued = false;
    if (!wire->node_open || !wire->receiving || flow_size(&wire->to_node) == 0) return false;
    uint32_t size = flow_size(&wire->to_node);
    if (size > wire->receive.size) size = wire->receive.size;
    /* TCP knows no messages: now and then the bytes come in odd cuts. */
    if (prng_chance(&world->host_prng, 1, 8)) size = 1 + (uint32_t)prng_below(&world->host_prng, size);
    const uint8_t *data = wire->to_node.data + wire->to_node.begin;
    if (wire->receive.into != NULL) {
        memcpy(wire->receive.into, data, size);
        data = wire->receive.into;
    } else {
        data = lend(machine, data, size);
    }
    wire->to_node.begin += size;
    wire->receiving = false;
    event->type = EVENT_RECEIVED;
    event->received = (struct event_received){ .link = happening->a, .size = size, .data = data };
    return true;
}

static uint32_t piece_crc(const struct world *world, const struct wire *wire, uint8_t **copy, uint32_t *copy_size)
{
    const struct disk *disk = &world->machines[wire->machine].disk;
    uint32_t crc = 0, total = 0;

    for (uint32_t i = 0; i < wire->send.piece_count; i++) total += wire->send.pieces[i].size;
    uint8_t *bytes = malloc(total + 1);
    uint32_t at = 0;
    for (uint32_t i = 0; i < wire->send.piece_count; i++) {
        const struct piece *piece = &wire->send.pieces[i];
        if (piece->data != NULL) {
            memcpy(bytes + at, piece->data, piece->size);
            crc = crc32c(crc, bytes + at, piece->size);
            at += piece->size;
        } else {
            at += disk_peek(disk, piece->path, piece->position, bytes + at, piece->size);
        }
    }
    /* A file that is shorter than what was to be sent of it: the host can only end the link. */
    *copy_size = at == total ? total : UINT32_MAX;
    *copy = bytes;
    return crc;
}

static bool send_is_done(struct world *world, const struct happening *happening, struct event *event)
{
    struct wire *wire = &world->wires[happening->a];
    uint8_t *bytes;
    uint32_t size;

    if (wire->generation != happening->b || !wire->sending) return false;
    const uint32_t crc = piece_crc(world, wire, &bytes, &size);
    CHECK(crc == wire->send_crc); /* the loan law: what is being sent stays as it was */
    wire->sending = false;
    if (size == UINT32_MAX) {
        free(bytes);
        node_side_ends(wire);
        event->type = EVENT_LINK_CLOSED;
        event->link_closed.link = happening->a;
        if (wire->client_open && !wire->delivery_queued) {
            wire->delivery_queued = true;
            world_after(world, draw_latency(world), HAPPENS_DELIVERY, wire->machine, happening->a, wire->generation);
        }
        release_wire(wire);
        return true;
    }
    world_mix(world, crc32c(0, bytes, size));
    if (wire->client_open) flow_put(&wire->to_client, bytes, size);
    free(bytes);
    pump(world, happening->a);
    world->machines[wire->machine].has_answered = true;
    event->type = EVENT_SENT;
    event->sent.link = happening->a;
    return true;
}

static void deliver(struct world *world, const struct happening *happening)
{
    struct wire *wire = &world->wires[happening->a];

    if (wire->generation != happening->b || !wire->client_open) return;
    wire->delivery_queued = false;
    uint32_t size = flow_size(&wire->to_client);
    if (size > 0) {
        if (prng_chance(&world->host_prng, 1, 8)) size = 1 + (uint32_t)prng_below(&world->host_prng, size);
        uint8_t *copy = malloc(size);
        memcpy(copy, wire->to_client.data + wire->to_client.begin, size);
        wire->to_client.begin += size;
        run_on_bytes(world, wire->client, happening->a, copy, size);
        free(copy);
    }
    if (wire->generation != happening->b || !wire->client_open) return;
    if (flow_size(&wire->to_client) == 0 && !wire->node_open && wire->machine < world->machine_count) {
        wire->client_open = false;
        const uint32_t client = wire->client;
        release_wire(wire);
        run_on_hang_up(world, client, happening->a);
        return;
    }
    pump(world, happening->a);
}

static bool open_link(struct world *world, const struct happening *happening, struct event *event)
{
    struct wire *wire = &world->wires[happening->a];

    if (wire->generation != happening->b || !wire->used) return false;
    if (!process_is_up(world, wire->machine)) {
        wire->delivery_queued = true;
        world_after(world, draw_latency(world), HAPPENS_DELIVERY, wire->machine, happening->a, wire->generation);
        return false;
    }
    wire->node_open = true;
    event->type = EVENT_LINK_OPENED;
    event->link_opened = (struct event_link_opened){ .link = happening->a, .peer = BYTES_LITERAL("client.sim:1") };
    return true;
}

static bool close_link(struct world *world, const struct happening *happening, struct event *event)
{
    struct wire *wire = &world->wires[happening->a];

    if (wire->generation != happening->b || !wire->used) return false;
    if (!wire->node_open) { /* the node never knew, or knows already */
        release_wire(wire);
        return false;
    }
    node_side_ends(wire);
    event->type = EVENT_LINK_CLOSED;
    event->link_closed.link = happening->a;
    if (wire->client_open && !wire->delivery_queued) {
        wire->delivery_queued = true;
        world_after(world, draw_latency(world), HAPPENS_DELIVERY, wire->machine, happening->a, wire->generation);
    }
    release_wire(wire);
    return true;
}

/* True if the happening is a fact for the node of machine `happening->node`. */
static bool make_event(struct world *world, const struct happening *happening, struct event *event)
{
    struct machine *machine = &world->machines[happening->node];

    switch (happening->kind) {
    case HAPPENS_DISK:
        if (!process_is_up(world, happening->node)) return false;
        if (!machine->disk.orders[happening->a].used || happening->b != machine->starts) return false;
        disk_carry_out(&machine->disk, happening->a, event);
        return true;
    case HAPPENS_ARRIVAL: return arrive(world, happening, event);
    case HAPPENS_SENT: return send_is_done(world, happening, event);
    case HAPPENS_OPENED: return open_link(world, happening, event);
    case HAPPENS_CLOSED: return close_link(world, happening, event);
    case HAPPENS_REFUSED:
        if (!process_is_up(world, happening->node) || machine->starts != happening->b) return false;
        event->type = EVENT_LINK_CLOSED;
        event->link_closed = (struct event_link_closed){ .link = happening->a, .refused = true };
        return true;
    case HAPPENS_DEADLINE:
        if (!process_is_up(world, happening->node) || machine->deadline_generation != happening->b) return false;
        machine->deadline_ns = UINT64_MAX;
        event->type = EVENT_TIME_PASSED;
        return true;
    case HAPPENS_START:
        if (!process_is_up(world, happening->node) || machine->starts != happening->a) return false;
        event->type = happening->b == 0 ? EVENT_STARTED : EVENT_STOP_ASKED;
        return true;
    case HAPPENS_DELIVERY: deliver(world, happening); return false;
    case HAPPENS_CLIENT: run_on_client(world, happening->a); return false;
    case HAPPENS_FAULT: run_on_fault(world, happening->a); return false;
    case HAPPENS_FAULT_END: run_on_fault_end(world, happening->a); return false;
    case HAPPENS_PHASE: run_on_phase(world); return false;
    }
    return false;
}

/* A fact for a process that is paused waits until it goes on. */
static bool postpone(struct world *world, const struct happening *happening)
{
    const struct machine *machine = &world->machines[happening->node];

    switch (happening->kind) {
    case HAPPENS_DISK:
    case HAPPENS_ARRIVAL:
    case HAPPENS_SENT:
    case HAPPENS_OPENED:
    case HAPPENS_CLOSED:
    case HAPPENS_REFUSED:
    case HAPPENS_DEADLINE:
    case HAPPENS_START: break;
    default: return false;
    }
    if (world->now_ns >= machine->paused_until_ns) return false;
    struct happening later = *happening;
    later.time_ns = machine->paused_until_ns;
    queue_add(&world->queue, &later);
    return true;
}

struct node *host_wait(struct host *host, struct event *event)
{
    struct world *world = host->world;
    struct happening happening;

    while (!world->ended && world->events < world->events_max && queue_next(&world->queue, &happening)) {
        world->now_ns = happening.time_ns;
        if (postpone(world, &happening)) continue;
        *event = (struct event){ 0 };
        if (!make_event(world, &happening, event)) continue;
        event->mono_ns = world->now_ns;
        event->wall_ms = world->wall_base_ms + (int64_t)(world->now_ns / 1000000);
        world->current = happening.node;
        world->machines[happening.node].steps++;
        world->events++;
        world_mix(world, world->now_ns ^ (uint64_t)event->type << 56 ^ (uint64_t)happening.node << 48);
        if (event->type >= EVENT_WRITTEN && event->type <= EVENT_FILE_DONE) {
            world_mix(world, event->disk.op ^ (uint64_t)event->disk.result << 40 ^ (uint64_t)event->disk.size << 8);
        }
        if (world->digests != NULL) fwrite(&world->digest, sizeof world->digest, 1, world->digests);
        run_on_step(world, happening.node, event);
        struct machine *machine = &world->machines[happening.node];
        machine->idle_steps = event->type == EVENT_TIME_PASSED ? machine->idle_steps + 1 : 0;
        if (machine->idle_steps > IDLE_STEPS_MAX) run_on_spin(world, happening.node);
        return world->machines[happening.node].node;
    }
    return NULL;
}

/* ---- orders to happenings ---- */

static void order_send(struct world *world, const struct effect_send *send)
{
    struct wire *wire = &world->wires[send->link];
    uint8_t *bytes;
    uint32_t size;

    CHECK(wire->used && wire->node_open && !wire->sending);
    wire->sending = true;
    wire->send = *send;
    wire->send_crc = piece_crc(world, wire, &bytes, &size);
    free(bytes);
    world_after(world, after_flow(world, wire, &(struct flow){ 0 }) / 4 + 1, HAPPENS_SENT, wire->machine, send->link,
                wire->generation);
}

static void order(struct world *world, uint32_t number, const struct effect *effect)
{
    struct machine *machine = &world->machines[number];
    struct wire *wire;
    uint64_t delay_ns;

    switch (effect->type) {
    case EFFECT_OPEN_LINK: /* no machine of this room listens to others */
        world_after(world, draw_latency(world), HAPPENS_REFUSED, number, effect->open_link.link, machine->starts);
        break;
    case EFFECT_RECEIVE:
        wire = &world->wires[effect->receive.link];
        CHECK(wire->used && wire->node_open && !wire->receiving && effect->receive.size > 0);
        wire->receiving = true;
        wire->receive = effect->receive;
        if (wire->receive.into != NULL) memset(wire->receive.into, 0xa5, MIN(wire->receive.size, 64U));
        pump(world, effect->receive.link);
        break;
    case EFFECT_SEND: order_send(world, &effect->send); break;
    case EFFECT_CLOSE_LINK:
        wire = &world->wires[effect->close_link.link];
        CHECK(wire->used && wire->node_open);
        world_after(world, 1 + prng_below(&world->host_prng, 50000), HAPPENS_CLOSED, number, effect->close_link.link,
                    wire->generation);
        break;
    case EFFECT_WRITE:
    case EFFECT_SYNC:
    case EFFECT_READ:
    case EFFECT_FILE: {
        const uint32_t slot = disk_take(&machine->disk, effect, &delay_ns);
        world_after(world, delay_ns, HAPPENS_DISK, number, slot, machine->starts);
        break;
    }
    case EFFECT_NOTE: world->note_counts[effect->note.id]++; break;
    case EFFECT_HALT:
        world_kill(world, number);
        machine->state = PROCESS_HALTED;
        machine->halt = effect->halt;
        break;
    }
}

/* The promise law lets a host do a step's orders in any order that keeps each path's own. So two neighbours that do
 * not concern one path are swapped at random: a hidden order between effects becomes a failing seed. */
static void shuffle(struct world *world, struct effects *effects)
{
    for (uint32_t i = 1; i < effects->count; i++) {
        struct effect *a = &effects->list[i - 1], *b = &effects->list[i];
        const bool a_disk = a->type >= EFFECT_WRITE && a->type <= EFFECT_FILE;
        const bool b_disk = b->type >= EFFECT_WRITE && b->type <= EFFECT_FILE;
        if (a->type == EFFECT_HALT || b->type == EFFECT_HALT) continue;
        if (a_disk && b_disk) continue; /* their delays shuffle them, per path */
        if (!prng_chance(&world->host_prng, 1, 2)) continue;
        const struct effect swapped = *a;
        *a = *b;
        *b = swapped;
    }
}

static void poison(struct machine *machine)
{
    if (machine->lent == NULL) return;
    memset(machine->lent, 0xdd, machine->lent_size);
    free(machine->lent);
    machine->lent = NULL;
}

void host_do(struct host *host, struct effects *effects)
{
    struct world *world = host->world;
    const uint32_t number = world->current;
    struct machine *machine = &world->machines[number];

    run_on_orders(world, number, effects);
    poison(machine);
    shuffle(world, effects);
    for (uint32_t i = 0; i < effects->count; i++) {
        if (machine->state != PROCESS_UP) break;
        world_mix(world, effects->list[i].type);
        order(world, number, &effects->list[i]);
    }
    if (machine->state == PROCESS_HALTED) {
        run_on_halt(world, number);
        return;
    }
    if (machine->checks_every > 0 && machine->steps % machine->checks_every == 0 && machine->state == PROCESS_UP) {
        node_check(machine->node);
    }
    const uint64_t deadline_ns = node_deadline_ns(machine->node);
    if (deadline_ns == machine->deadline_ns || machine->state != PROCESS_UP) return;
    machine->deadline_ns = deadline_ns;
    machine->deadline_generation++;
    if (deadline_ns == UINT64_MAX) return;
    const uint64_t delay = deadline_ns > world->now_ns ? deadline_ns - world->now_ns : 1;
    world_after(world, delay, HAPPENS_DEADLINE, number, 0, machine->deadline_generation);
}

void world_run(struct world *world)
{
    struct host host = { world };
    static struct effects effects;

    host_run(&host, &effects);
}
