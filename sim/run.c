#include "sim/run.h"

#include "base/check.h"
#include "meta/image.h"
#include "raft/raft.h"
#include "sim/audit.h"
#include "sim/memories.h"
#include "sim/rest.h"
#include "sim/scale.h"
#include "sim/settings.h"
#include "sim/tape.h"
#include "sim/trace.h"
#include "status.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { PHASE_POLL_NS = 10 * 1000 * 1000, PHASE_POLL_OF_MANY_NS = 100 * 1000 * 1000, MANY = 100, SEEDS = 3 };
static const uint64_t rest_ns_max = 120ull * 1000 * 1000 * 1000; /* after the faults, all comes to rest within this */
static const uint64_t growth_ns_max = 900ull * 1000 * 1000 * 1000;

struct client *run_add_client(struct run *run, enum client_kind kind)
{
    struct client *client = malloc(sizeof *client);

    CHECK(run->client_count < run->client_max);
    client_init(client, kind, run->client_count, run->world.seed);
    run->clients[run->client_count++] = client;
    return client;
}

static struct client *add_client(struct run *run, enum client_kind kind)
{
    struct client *client = run_add_client(run, kind);
    client_wake(run, client, 1 + prng_below(&client->prng, 20 * 1000 * 1000));
    return client;
}

static void add_clients(struct run *run)
{
    static const int16_t kinds_of_acks[] = { -1, -1, 1, 0 };

    run->client_max = run->knobs.producers + run->knobs.idempotent_producers + run->knobs.consumers +
                      run->knobs.administrators + run->knobs.members + run->knobs.owners + run->knobs.liars + 1;
    run->clients = calloc(run->client_max, sizeof *run->clients);
    for (uint32_t i = 0; i < run->knobs.producers; i++) {
        struct client *client = add_client(run, CLIENT_PRODUCER);
        client->acks = kinds_of_acks[prng_below(&client->prng, COUNT_OF(kinds_of_acks))];
        client->to_make = run->knobs.records;
    }
    for (uint32_t i = 0; i < run->knobs.idempotent_producers; i++) {
        struct client *client = add_client(run, CLIENT_PRODUCER);
        client->acks = -1;
        client->idempotent = true;
        client->to_make = run->knobs.records;
        run->judge.consecutive[client->number] = true;
    }
    for (uint32_t i = 0; i < run->knobs.consumers; i++) add_client(run, CLIENT_CONSUMER);
    for (uint32_t i = 0; i < run->knobs.administrators; i++) {
        struct client *client = add_client(run, CLIENT_ADMINISTRATOR);
        client->administration.config = i;
        administrator_init(run, client);
    }
    for (uint32_t i = 0; i < run->knobs.members; i++) member_init(run, add_client(run, CLIENT_MEMBER), i);
    for (uint32_t i = 0; i < run->knobs.owners; i++) owner_init(add_client(run, CLIENT_OWNER));
    for (uint32_t i = 0; i < run->knobs.liars; i++) add_client(run, CLIENT_LIAR);
    if (run->world.machine_count > 1) run->operator= add_client(run, CLIENT_OPERATOR);
}

/* ---- what the world tells ---- */

static void after_fact(struct run *run)
{
    if (run->judge.broken != RULE_NONE || (run->is_shadow && run->clients[0]->done)) run->world.ended = true;
}

void run_on_bytes(struct world *world, uint32_t client, uint32_t wire, const uint8_t *data, uint32_t size)
{
    struct run *run = world->run;
    if (run->tape != NULL) tape_on_client_bytes(run->tape, wire, size);
    client_on_bytes(run, run->clients[client], wire, data, size);
    after_fact(run);
}

void run_on_written(struct world *world, uint32_t wire, const void *data, uint32_t size)
{
    struct run *run = world->run;
    if (run->tape != NULL) tape_on_client_wrote(run->tape, wire, data, size);
}

void run_on_hang_up(struct world *world, uint32_t client, uint32_t wire)
{
    struct run *run = world->run;
    client_on_hang_up(run, run->clients[client], wire);
}

void run_on_client(struct world *world, uint32_t client)
{
    struct run *run = world->run;
    run->judge.now_ns = world->now_ns;
    client_on_wake(run, run->clients[client]);
    after_fact(run);
}

/* What is under way stays so; all that is drawn from now on is another draw. */
static void begin_other_future(struct run *run)
{
    run->reseeded_ns = run->world.now_ns;
    world_reseed(&run->world, run->reseed);
    for (uint32_t i = 0; i < run->client_count; i++) {
        prng_init(&run->clients[i]->prng, run->world.seed, STREAM_CLIENT + i);
    }
}

void run_on_step(struct world *world, uint32_t machine, const struct event *event)
{
    struct run *run = world->run;
    run->judge.now_ns = world->now_ns;
    if (run->tape != NULL) tape_on_event(run->tape, machine, event);
    if (run->trace != NULL) trace_event(run->trace, world->now_ns, machine, event);
    if (world->events == run->reseed_at && !run->is_shadow) begin_other_future(run);
    if (world->events == run->stop_at && !run->is_shadow) {
        fprintf(stderr, "event %" PRIu64 ": node %u is about to be told, at %.9f s\n", world->events, machine + 1,
                (double)world->now_ns / 1e9);
        raise(SIGTRAP);
    }
}

void run_on_orders(struct world *world, uint32_t machine, const struct effects *effects)
{
    struct run *run = world->run;
    if (run->tape != NULL) tape_on_orders(run->tape, machine, effects);
    if (run->trace != NULL) trace_orders(run->trace, world->now_ns, machine, effects);
}

/* What each node believes, for whoever has to find out which of them is wrong. */
static void trace_images(const struct run *run)
{
    static char memory[64 << 10];

    for (uint32_t i = 0; i < run->world.machine_count; i++) {
        struct text text = text_in(memory, sizeof memory);
        if (run->world.machines[i]->starts == 0) continue;
        image_format(node_image(run->world.machines[i]->node), &text);
        fprintf(run->trace, "--- image of node %u\n%.*s\n", i + 1, (int)text.size, memory);
    }
}

static void look_at_data(struct run *run, uint32_t number)
{
    const struct machine *machine = run->world.machines[number];
    const struct plane_look look = { .number = number,
                                     .life = machine->starts,
                                     .now_ns = run->world.now_ns,
                                     .quiet = machine->quiet,
                                     .thorough = run->world.machine_count <= MANY,
                                     .replicas = node_replicas(machine->node),
                                     .image = node_image(machine->node),
                                     .logs = node_logs(machine->node) };

    if (node_image_is_whole(machine->node) && !run->damaged) plane_on_step(&run->plane, &run->judge, &look);
}

void run_on_stepped(struct world *world, uint32_t number)
{
    struct run *run = world->run;
    const struct machine *machine = world->machines[number];
    const struct group_look look = { .number = number,
                                     .life = machine->starts,
                                     .now_ns = world->now_ns,
                                     .node = machine->node,
                                     .raft = node_raft(machine->node),
                                     .image = node_image(machine->node),
                                     .images = run->knobs.images };

    if (machine->outlived) return; /* it is of another cluster */
    group_on_step(&run->group, &run->judge, &look);
    look_at_data(run, number);
    run->judge.index = run->group.applied_index;
    if (run->tape != NULL) tape_on_stepped(run->tape, number);
    if (run->judge.broken == RULE_NONE) return;
    world->ended = true;
    if (run->trace != NULL && run->judge.broken == RULE_O6) trace_images(run);
}

/* A deadline that is due again and again, while nothing else happens: a host would burn a core. */
void run_on_spin(struct world *world, uint32_t machine)
{
    struct run *run = world->run;
    judge_violated(&run->judge, RULE_L, "node %u spins: %d steps in a row only because it asked for them", machine + 1,
                   IDLE_STEPS_MAX);
    world->ended = true;
}

/* Somebody has changed the settings meanwhile, where that is allowed: what is on disk was made with others. */
void run_on_start(struct world *world, uint32_t number)
{
    const struct run *run = world->run;
    if (!run->is_shadow) knobs_redraw(&run->knobs, &world->machines[number]->config, world->machines[number]->starts);
}

/* What the sync was for may be lost, and every later promise may rest on it. */
void run_on_sync_ignored(struct world *world, uint32_t number)
{
    struct run *run = world->run;
    judge_violated(&run->judge, RULE_N, "node %u goes on after a sync that failed", number + 1);
    world->ended = true;
}

/* The node ended itself. It had better have been given a reason. */
void run_on_halt(struct world *world, uint32_t number)
{
    struct run *run = world->run;
    struct machine *machine = world->machines[number];
    const char *path = machine->halt.path == NULL ? "" : machine->halt.path;

    if (disaster_on_halt(run, number)) return;
    switch (machine->halt.reason) {
    case HALT_STOPPED:
        if (machine->stop_asked) {
            machine->stop_asked = false; /* and starts again */
        } else if (machine->may_leave) {
            machine->wanted = machine->wiped = false; /* it was removed */
        } else {
            judge_violated(&run->judge, RULE_N, "node %u stopped, and nobody asked it to", number + 1);
        }
        /* On a full disk it may leave to the journal what no segment took: its files are mended by the next start. */
        if (!run->damaged && machine->has_answered && machine->refused_at_start == machine->disk.figures.refused_full) {
            audit_files(&machine->disk, number, &run->judge, &run->plane);
        }
        break;
    case HALT_DISK_FAILED:
        if (!run->disk_failed)
            judge_violated(&run->judge, RULE_N, "node %u: a disk failure that was none: %s", number + 1, path);
        /* Half of the machines are power-cycled after that. */
        if (prng_chance(&world->host_prng, 1, 2)) disk_lose_power(&machine->disk, LOSS_MIXED);
        break;
    case HALT_DISK_FULL:
        if (!run->disk_was_full)
            judge_violated(&run->judge, RULE_N, "node %u: a full disk that was none: %s", number + 1, path);
        break;
    case HALT_CORRUPT:
        if (!run->damaged) {
            judge_violated(&run->judge, RULE_N, "node %u: undamaged data is taken for corrupt: %s", number + 1, path);
        }
        run->phase = PHASE_DONE; /* found out and refused: that is all one may ask */
        world->ended = true;
        return;
    case HALT_FOREIGN:
        judge_violated(&run->judge, RULE_N, "node %u: its own data is foreign to it: %s", number + 1, path);
        break;
    case HALT_PROMOTED:
        judge_violated(&run->judge, RULE_N, "node %u: nobody asked it to go on alone", number + 1);
        break;
    case HALT_OUTLIVED:
        judge_violated(&run->judge, RULE_N, "node %u: its cluster was not recovered", number + 1);
        break;
    case HALT_FORGOT:
        judge_violated(&run->judge, RULE_N, "node %u: nobody gave it an older disk: %s", number + 1, path);
        break;
    case HALT_REMOVED:
        if (!machine->may_leave)
            judge_violated(&run->judge, RULE_N, "node %u: nobody removed it: %s", number + 1, path);
        machine->wanted = machine->wiped = false;
        break;
    }
    if (run->judge.broken != RULE_NONE) {
        world->ended = true;
        return;
    }
    if (machine->wanted) run_start(run, number);
}

/* ---- phases ---- */

static bool clients_are_done(const struct run *run)
{
    for (uint32_t i = 0; i < run->client_count; i++) {
        if (!client_is_done(run, run->clients[i])) return false;
    }
    return true;
}

static void begin_reading(struct run *run)
{
    bool first = true;

    memories_compare(run);
    judge_read_again(&run->judge);
    for (uint32_t i = 0; i < run->client_count; i++) {
        struct client *client = run->clients[i];
        if (client->kind == CLIENT_MEMBER) member_read_all(run, client);
        if (client->kind == CLIENT_OWNER) {
            client_drop_all(run, client);
            owner_read_all(client);
            client_wake(run, client, 1 + prng_below(&client->prng, 20 * 1000 * 1000));
        }
        if (client->kind != CLIENT_CONSUMER) continue;
        consumer_read_all(client);
        client->done = !first;
        first = false;
        client_drop_all(run, client);
        client_wake(run, client, 1 + prng_below(&client->prng, 20 * 1000 * 1000));
    }
}

/* Asks the next machine to stop, or all of them at once. */
static void stop_nodes(struct run *run)
{
    struct world *world = &run->world;

    do {
        struct machine *machine = world->machines[run->stopping++];
        if (machine->wanted && machine->state == PROCESS_UP) world_ask_stop(world, run->stopping - 1);
    } while (!run->knobs.rolling && run->stopping < world->machine_count);
}

static void begin_healing(struct run *run)
{
    faults_end(run);
    for (uint32_t i = 0; i < run->client_count; i++) {
        if (run->clients[i]->kind == CLIENT_MEMBER) member_calm(run, run->clients[i]);
    }
}

static void enter(struct run *run, enum phase phase)
{
    static const char *const names[] = { "grow", "chaos", "heal", "verify", "stop", "verify again", "done" };

    run->phase = phase;
    run->phase_began_ns = run->world.now_ns;
    if (run->trace != NULL) fprintf(run->trace, "[%12.6f] == %s\n", (double)run->world.now_ns / 1e9, names[phase]);
    const bool at_rest = phase == PHASE_VERIFY || phase == PHASE_REVERIFY;
    run->world.settled_index = run->world.machine_count == 1 ? UINT64_MAX : at_rest ? run->group.applied_index : 0;
    switch (phase) {
    case PHASE_GROW: break;
    case PHASE_CHAOS: faults_begin(run); break;
    case PHASE_HEAL: begin_healing(run); break;
    case PHASE_VERIFY: begin_reading(run); break;
    case PHASE_STOP:
        run->stopping = 0;
        stop_nodes(run);
        break;
    case PHASE_REVERIFY: begin_reading(run); break;
    case PHASE_DONE: run->world.ended = true; break;
    }
}

/* Nothing rests for many reasons: the phase and the first of them, without its numbers. */
static void name_unrest(char *place, size_t size, const char *phase, const char *why)
{
    size_t used = (size_t)snprintf(place, size, "no rest while %s: ", phase);

    for (; *why != 0 && *why != ';' && used + 1 < size; why++) {
        if (*why < '0' || *why > '9') place[used++] = *why;
    }
    place[used] = 0;
}

static void stuck(struct run *run)
{
    static const char *const names[] = { "growing",  "chaos",           "healing", "verifying",
                                         "stopping", "verifying again", "done" };
    char text[400];

    rest_format(run, text, sizeof text);
    judge_violated(&run->judge, RULE_L, "nothing came to rest while %s: %s", names[run->phase], text);
    if (run->judge.broken == RULE_L) name_unrest(run->judge.place, sizeof run->judge.place, names[run->phase], text);
    run->world.ended = true;
}

static void end_reading(struct run *run, enum phase next)
{
    judge_on_end(&run->judge);
    if (run->judge.broken != RULE_NONE) run->world.ended = true;
    else enter(run, next);
}

static void on_shadow_phase(struct run *run)
{
    /* The time it had is over; who still reads something new is given more. */
    if (run->judge.seen > run->seen_before && !run->clients[0]->done) {
        run->seen_before = run->judge.seen;
        world_after(&run->world, SHADOW_PATIENCE_NS, HAPPENS_PHASE, MACHINE_NONE, 0, 0);
        return;
    }
    if (!run->clients[0]->done) stuck(run);
    run->world.ended = true;
}

static bool is_stopped(const struct run *run)
{
    for (uint32_t i = 0; i < run->world.machine_count; i++) {
        if (run->world.machines[i]->stop_asked) return false;
    }
    return rest_is_reached(run);
}

/* Goes on to the next phase when this one is over. */
static void advance(struct run *run)
{
    switch (run->phase) {
    case PHASE_GROW:
        if (scale_has_grown(run)) enter(run, PHASE_CHAOS);
        break;
    case PHASE_CHAOS:
        if (run->world.now_ns - run->phase_began_ns >= run->knobs.chaos_us * 1000) enter(run, PHASE_HEAL);
        break;
    case PHASE_HEAL:
        if (!disaster_is_over(run) || !rest_is_reached(run) || !clients_are_done(run)) break;
        run->settled_ns = run->world.now_ns - run->phase_began_ns;
        enter(run, PHASE_VERIFY);
        break;
    case PHASE_VERIFY:
        if (clients_are_done(run)) end_reading(run, PHASE_STOP);
        break;
    case PHASE_STOP:
        if (!is_stopped(run)) break;
        if (run->stopping < run->world.machine_count) stop_nodes(run);
        else enter(run, PHASE_REVERIFY);
        break;
    case PHASE_REVERIFY:
        if (clients_are_done(run)) end_reading(run, PHASE_DONE);
        break;
    case PHASE_DONE: break;
    }
}

/* What has become of lost disks, and of those who are to go. */
static void look_at_members(struct run *run)
{
    struct world *world = &run->world;

    for (uint32_t i = 0; i < world->machine_count; i++) {
        struct machine *machine = world->machines[i];
        if (machine->wiped && rest_is_whole(run, i)) machine->wiped = false;
    }
    if (run->operator== NULL || run->phase <= PHASE_CHAOS) return;
    const uint32_t leaving = rest_leaving(run);
    if (leaving != MACHINE_NONE) operator_settle(run, run->operator, leaving);
}

void run_on_phase(struct world *world)
{
    struct run *run = world->run;

    if (run->is_shadow) {
        on_shadow_phase(run);
        return;
    }
    look_at_members(run);
    disaster_go_on(run);
    advance(run);
    const bool rests = run->phase != PHASE_CHAOS && run->phase != PHASE_DONE;
    const uint64_t most_ns = run->phase == PHASE_GROW ? growth_ns_max : rest_ns_max;
    if (rests && world->now_ns - run->phase_began_ns > most_ns) stuck(run);
    /* To look at all of them takes time that grows with their number. */
    const uint64_t pause_ns = world->machine_count > MANY ? PHASE_POLL_OF_MANY_NS : PHASE_POLL_NS;
    world_after(world, pause_ns, HAPPENS_PHASE, MACHINE_NONE, 0, 0);
}

/* ---- the run ---- */

void run_start(struct run *run, uint32_t number)
{
    struct world *world = &run->world;
    struct config *config = &world->machines[number]->config;
    /* Of few, others each time. Where there are very many, an operator names the same to all: a chain of newcomers that
     * know each other alone would come in one by one. */
    const uint32_t from = world->machine_count > MANY ? 0 : number + world->machines[number]->starts;
    const bool founds = number == 0 && !world->machines[number]->wiped;

    config->seed_count = 0;
    for (uint32_t i = 0; i < world->machine_count && config->seed_count < SEEDS && !founds; i++) {
        const uint32_t other = (from + i) % world->machine_count;
        if (other != number && world->machines[other]->wanted) knobs_seed(config, other);
    }
    disaster_on_start(run, number);
    world_start(world, number);
}

static void add_machines(struct run *run, const struct config *common)
{
    struct world *world = &run->world;

    for (uint32_t i = 0; i < run->knobs.nodes + run->knobs.joiners; i++) {
        struct config config;
        knobs_config(&run->knobs, common, i, &config);
        world_add_machine(world, &config, run->knobs.clock_drift);
        struct machine *machine = world->machines[i];
        machine->checks_every = run->knobs.checks;
        machine->disk.write_latency_ns = machine->disk.read_latency_ns = run->knobs.write_latency_ns;
        machine->disk.sync_latency_ns = run->knobs.sync_latency_ns;
        machine->wanted = i < run->knobs.nodes;
    }
    for (uint32_t i = 0; i < run->knobs.nodes; i++) run_start(run, i);
}

enum outcome run_seed(struct run *run, uint64_t seed)
{
    struct config common;
    FILE *digests = run->world.digests;

    knobs_draw(&run->knobs, &common, seed, &run->wishes);
    if (run->settings != NULL) settings_apply(run->settings, &run->knobs, &common);
    world_init(&run->world, seed, run->knobs.network_latency_ns);
    run->world.run = run;
    run->world.digests = digests;
    if (run->until != 0) run->world.events_max = run->until;
    struct routes *routes = &run->world.net.routes;
    routes->zones = run->knobs.zones;
    routes->zone_factor = run->knobs.zone_factor;
    routes->bytes_per_ms = run->knobs.bytes_per_ms;
    run->world.net.window_size = run->knobs.window_size;
    judge_init(&run->judge);
    run->judge.compacts = common.log_compacts;
    group_init(&run->group);
    cohorts_init(&run->cohorts, MIN((run->knobs.members + 2) / 3, (uint32_t)COHORTS_MAX), run->knobs.seed,
                 run->knobs.partitions > SHARES_PER_TOPIC);
    plane_init(&run->plane);
    run->judge.all_strict = run->knobs.producers == 0 && run->knobs.members == 0;
    run->plane.trace = run->trace;
    add_machines(run, &common);
    add_clients(run);
    enter(run, run->knobs.bulk_partitions > 0 ? PHASE_GROW : PHASE_CHAOS);
    world_after(&run->world, PHASE_POLL_NS, HAPPENS_PHASE, MACHINE_NONE, 0, 0);
    world_run(&run->world);
    const bool cut = run->until != 0 && run->world.events >= run->until;
    if (run->judge.broken == RULE_NONE && run->phase != PHASE_DONE && !cut) {
        judge_violated(&run->judge, RULE_L, "nothing happens any more");
    }
    if (run->tape != NULL) {
        tape_on_end(run->tape, run->judge.broken == RULE_NONE ? "" : rule_name(run->judge.broken), run->judge.story);
    }
    if (run->judge.broken == RULE_NONE) return OUTCOME_PASSED;
    return run->judge.broken == RULE_L ? OUTCOME_LIVENESS : OUTCOME_CORRECTNESS;
}

void run_free(struct run *run)
{
    for (uint32_t i = 0; i < run->client_count; i++) {
        client_free(run->clients[i]);
        free(run->clients[i]);
    }
    free(run->clients);
    judge_free(&run->judge);
    cohorts_free(&run->cohorts);
    group_free(&run->group);
    plane_free(&run->plane);
    world_free(&run->world);
}
