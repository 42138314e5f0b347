#include "sim/world.h"

#include "base/check.h"
#include "host.h"
#include "meta/image.h"
#include "sim/blocks.h"
#include "status.h"

#include <stdlib.h>
#include <string.h>

struct host {
    struct world *world;
};

void world_init(struct world *world, uint64_t seed, uint64_t latency_ns)
{
    *world = (struct world){
        .seed = seed,
        .wall_true_ms = 1700000000000,
        .events_max = UINT64_MAX,
        .digest = seed,
    };
    queue_init(&world->queue);
    net_init(&world->net, &world->queue, seed, latency_ns);
    prng_init(&world->host_prng, seed, STREAM_HOST);
    prng_init(&world->clock_prng, seed, STREAM_CLOCK);
}

void world_reseed(struct world *world, uint64_t future)
{
    struct prng prng;

    prng_init(&prng, world->seed, future);
    world->seed = prng_next(&prng);
    prng_init(&world->host_prng, world->seed, STREAM_HOST);
    net_reseed(&world->net, world->seed);
    for (uint32_t i = 0; i < world->machine_count; i++) {
        prng_init(&world->machines[i]->disk.prng, world->seed, STREAM_DISK + i);
    }
}

void world_free(struct world *world)
{
    for (uint32_t i = 0; i < world->machine_count; i++) {
        struct machine *machine = world->machines[i];
        block_give(machine->node, machine->node_size);
        links_free(world, i);
        free(machine->lent);
        disk_free(&machine->disk);
        free(machine);
    }
    free(world->machines);
    net_free(&world->net);
    queue_free(&world->queue);
}

uint32_t world_add_machine(struct world *world, const struct config *config, uint32_t drift)
{
    if (world->machine_count == world->machine_max) {
        world->machine_max = world->machine_max == 0 ? 8 : world->machine_max * 2;
        world->machines = realloc(world->machines, world->machine_max * sizeof *world->machines);
    }
    const uint32_t number = world->machine_count++;
    struct machine *machine = world->machines[number] = calloc(1, sizeof *machine);

    machine->config = *config;
    machine->node_size = node_size(config);
    CHECK(machine->node_size > 0);
    machine->node = block_take(machine->node_size);
    machine->clock_origin_ns = prng_below(&world->clock_prng, 1ull << 40);
    machine->clock_drift = (int32_t)prng_below(&world->clock_prng, 2 * (uint64_t)drift + 1) - (int32_t)drift;
    disk_init(&machine->disk, world->seed, STREAM_DISK + number);
    routes_add_place(&world->net.routes);
    return number;
}

void world_after(struct world *world, uint64_t delay_ns, enum happening_kind kind, uint32_t machine, uint32_t a,
                 uint32_t b)
{
    queue_add(&world->queue, &(struct happening){
                                 .time_ns = world->now_ns + delay_ns, .kind = kind, .node = machine, .a = a, .b = b });
}

uint64_t world_known_index(const struct world *world, uint32_t number)
{
    const struct machine *machine = world->machines[number];

    const uint64_t applied = machine->state == PROCESS_UP ? image_view(node_image(machine->node)).applied_index : 0;
    return MAX(applied, world->settled_index);
}

/* ---- clocks ---- */

int64_t world_wall_ms(const struct world *world)
{
    return world->wall_true_ms + (int64_t)(world->now_ns / 1000000);
}

/* What the machine's monotonic clock shows. */
static uint64_t clock_ns(const struct machine *machine, uint64_t now_ns)
{
    const uint64_t drifted = now_ns + (uint64_t)((int64_t)now_ns * machine->clock_drift / 1024);
    return machine->clock_origin_ns + drifted;
}

/* When it will show that, in the world's time; not a nanosecond earlier. */
static uint64_t when_clock_shows(const struct machine *machine, uint64_t shown_ns)
{
    if (shown_ns <= machine->clock_origin_ns) return 0;
    uint64_t now_ns = (shown_ns - machine->clock_origin_ns) / (uint64_t)(1024 + machine->clock_drift) * 1024;
    while (clock_ns(machine, now_ns) < shown_ns) now_ns += shown_ns - clock_ns(machine, now_ns);
    return now_ns;
}

/* ---- wires ---- */

uint32_t world_connect(struct world *world, uint32_t client, uint32_t machine, enum listener listener)
{
    const uint32_t wire = net_dial(&world->net, PLACE_CLIENT, machine, (uint8_t)listener);
    net_connection(&world->net, wire)->ends[0].client = client;
    return wire;
}

void world_write(struct world *world, uint32_t wire, const void *data, uint32_t size)
{
    run_on_written(world, wire, data, size);
    net_put(&world->net, wire, 0, data, size);
}

void world_hang_up(struct world *world, uint32_t wire)
{
    net_close(&world->net, wire, 0, false);
}

/* ---- processes ---- */

void world_start(struct world *world, uint32_t number)
{
    struct machine *machine = world->machines[number];
    CHECK(machine->state != PROCESS_UP);
    struct prng seed;

    block_clear(machine->node, machine->node_size);
    machine->state = PROCESS_UP;
    machine->starts++;
    machine->stop_asked = machine->has_answered = false;
    machine->steps_at_start = machine->steps;
    machine->refused_at_start = machine->disk.figures.refused_full;
    machine->deadline_generation++;
    machine->deadline_ns = machine->due_ns = UINT64_MAX;
    world->net.routes.places[number].dark = false;
    prng_init(&seed, world->seed ^ (uint64_t)machine->starts << 32, STREAM_NODE + number);
    machine->config.seed[0] = prng_next(&seed);
    machine->config.seed[1] = prng_next(&seed);
    run_on_start(world, number);
    node_init(machine->node, &machine->config);
    world_after(world, 1000, HAPPENS_START, number, machine->starts, 0);
}

static void end_process(struct world *world, uint32_t number, bool dark)
{
    struct machine *machine = world->machines[number];

    if (machine->state == PROCESS_DOWN) return;
    machine->state = PROCESS_DOWN;
    machine->deadline_generation++;
    machine->paused_until_ns = 0; /* it was the process that stood still */
    disk_kill(&machine->disk);
    links_kill(world, number, dark);
}

void world_kill(struct world *world, uint32_t number)
{
    end_process(world, number, false);
}

void world_lose_power(struct world *world, uint32_t number, enum loss loss, bool dark)
{
    end_process(world, number, dark);
    world->net.routes.places[number].dark = dark;
    disk_lose_power(&world->machines[number]->disk, loss);
}

void world_wipe(struct world *world, uint32_t number)
{
    struct disk *disk = &world->machines[number]->disk;

    end_process(world, number, false);
    const struct disk old = *disk;
    disk_free(disk);
    disk_init(disk, world->seed ^ world->now_ns, STREAM_DISK + number);
    disk->write_latency_ns = old.write_latency_ns;
    disk->read_latency_ns = old.read_latency_ns;
    disk->sync_latency_ns = old.sync_latency_ns;
}

void world_ask_stop(struct world *world, uint32_t number)
{
    world->machines[number]->stop_asked = true;
    world_after(world, 1, HAPPENS_START, number, world->machines[number]->starts, 1);
}

/* ---- happenings to events ---- */

/* In memory of their own, so that keeping a pointer into it is seen by the sanitizers, and by everybody once it is
 * overwritten. */
const uint8_t *world_lend(struct machine *machine, const uint8_t *data, uint32_t size)
{
    free(machine->lent);
    machine->lent = malloc(size);
    machine->lent_size = size;
    memcpy(machine->lent, data, size);
    return machine->lent;
}

static void poison(struct machine *machine)
{
    if (machine->lent == NULL) return;
    memset(machine->lent, 0xdd, machine->lent_size);
    free(machine->lent);
    machine->lent = NULL;
}

/* A deadline that moved on since it was queued is queued anew: cheaper than to queue each of its moves. */
static bool deadline_is_here(struct world *world, const struct happening *happening)
{
    struct machine *machine = world->machines[happening->node];

    if (machine->state != PROCESS_UP || machine->deadline_generation != happening->b) return false;
    machine->due_ns = UINT64_MAX;
    if (machine->deadline_ns == UINT64_MAX) return false;
    const uint64_t due_ns = when_clock_shows(machine, machine->deadline_ns);
    if (due_ns > world->now_ns) {
        machine->due_ns = due_ns;
        world_after(world, due_ns - world->now_ns, HAPPENS_DEADLINE, happening->node, 0, happening->b);
        return false;
    }
    machine->deadline_ns = UINT64_MAX;
    return true;
}

/* True if the happening is a fact for the node of machine `happening->node`. */
static bool make_event(struct world *world, const struct happening *happening, struct event *event)
{
    struct machine *machine;

    if (links_concern(happening->kind)) return links_event(world, happening, event);
    switch (happening->kind) {
    case HAPPENS_DISK:
        machine = world->machines[happening->node];
        if (machine->state != PROCESS_UP || happening->b != machine->starts) return false;
        if (!machine->disk.orders[happening->a].used) return false;
        disk_carry_out(&machine->disk, happening->a, event);
        return true;
    case HAPPENS_DEADLINE:
        if (!deadline_is_here(world, happening)) return false;
        event->type = EVENT_TIME_PASSED;
        return true;
    case HAPPENS_START:
        machine = world->machines[happening->node];
        if (machine->state != PROCESS_UP || machine->starts != happening->a) return false;
        event->type = happening->b == 0 ? EVENT_STARTED : EVENT_STOP_ASKED;
        return true;
    case HAPPENS_CLIENT: run_on_client(world, happening->a); return false;
    case HAPPENS_FAULT: run_on_fault(world, happening->a); return false;
    case HAPPENS_FAULT_END: run_on_fault_end(world, happening->a, happening->node, happening->b); return false;
    case HAPPENS_PHASE: run_on_phase(world); return false;
    default: return false;
    }
}

/* A fact for a process that is paused waits until it goes on. */
static bool postpone(struct world *world, const struct happening *happening)
{
    if (happening->kind > HAPPENS_START || happening->node == MACHINE_NONE) return false;
    if (happening->kind == HAPPENS_KNOCK) return false; /* the kernel answers */
    const struct machine *machine = world->machines[happening->node];
    if (world->now_ns >= machine->paused_until_ns) return false;
    struct happening later = *happening;
    later.time_ns = machine->paused_until_ns;
    queue_add(&world->queue, &later);
    return true;
}

static void begin_step(struct world *world, uint32_t number, struct event *event)
{
    struct machine *machine = world->machines[number];

    event->mono_ns = clock_ns(machine, world->now_ns);
    event->wall_ms = world_wall_ms(world) + machine->wall_offset_ms;
    world->current = number;
    machine->disk.steps = ++machine->steps;
    machine->sync_failed =
        (event->type == EVENT_SYNCED || event->type == EVENT_FILE_DONE) && event->disk.result == DISK_FAILED;
    world->events++;
    world_mix(world, world->now_ns ^ (uint64_t)event->type << 56 ^ (uint64_t)number << 40);
    if (event->type >= EVENT_WRITTEN && event->type <= EVENT_FILE_DONE) {
        world_mix(world, event->disk.op ^ (uint64_t)event->disk.result << 40 ^ (uint64_t)event->disk.size << 8);
    }
    if (world->digests != NULL) fwrite(&world->digest, sizeof world->digest, 1, world->digests);
    run_on_step(world, number, event);
    machine->idle_steps = event->type == EVENT_TIME_PASSED ? machine->idle_steps + 1 : 0;
    if (machine->idle_steps > IDLE_STEPS_MAX) run_on_spin(world, number);
}

struct node *host_wait(struct host *host, struct event *event)
{
    struct world *world = host->world;
    struct happening happening;

    while (!world->ended && world->events < world->events_max && queue_next(&world->queue, &happening)) {
        world->now_ns = world->net.now_ns = happening.time_ns;
        if (postpone(world, &happening)) continue;
        *event = (struct event){ 0 };
        if (happening.node != MACHINE_NONE) world->machines[happening.node]->quiet = false;
        if (!make_event(world, &happening, event)) continue;
        begin_step(world, happening.node, event);
        return world->machines[happening.node]->node;
    }
    return NULL;
}

/* ---- orders to happenings ---- */

static void order(struct world *world, uint32_t number, const struct effect *effect)
{
    struct machine *machine = world->machines[number];
    uint64_t delay_ns;

    switch (effect->type) {
    case EFFECT_OPEN_LINK:
    case EFFECT_RECEIVE:
    case EFFECT_SEND:
    case EFFECT_CLOSE_LINK: links_order(world, number, effect); break;
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

static void set_deadline(struct world *world, uint32_t number)
{
    struct machine *machine = world->machines[number];

    machine->deadline_ns = node_deadline_ns(machine->node);
    if (machine->deadline_ns == UINT64_MAX) return;
    uint64_t due_ns = when_clock_shows(machine, machine->deadline_ns);
    if (due_ns <= world->now_ns) due_ns = world->now_ns + 1;
    if (due_ns >= machine->due_ns) return; /* the one that is queued will see to it */
    machine->due_ns = due_ns;
    machine->deadline_generation++;
    world_after(world, due_ns - world->now_ns, HAPPENS_DEADLINE, number, 0, machine->deadline_generation);
}

void host_do(struct host *host, struct effects *effects)
{
    struct world *world = host->world;
    const uint32_t number = world->current;
    struct machine *machine = world->machines[number];

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
    if (machine->state != PROCESS_UP) return;
    if (machine->sync_failed) run_on_sync_ignored(world, number);
    if (machine->checks_every > 0 && machine->steps % machine->checks_every == 0) node_check(machine->node);
    run_on_stepped(world, number);
    set_deadline(world, number);
}

void world_run(struct world *world)
{
    struct host host = { world };
    static struct effects effects;

    host_run(&host, &effects);
}
