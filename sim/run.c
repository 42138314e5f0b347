#include "sim/run.h"

#include "base/check.h"
#include "sim/audit.h"
#include "sim/trace.h"

#include <stdlib.h>
#include <string.h>

enum { PHASE_POLL_NS = 10 * 1000 * 1000 };
static const uint64_t rest_ns_max = 120ull * 1000 * 1000 * 1000; /* after the faults, all comes to rest within this */

static struct client *add_client(struct run *run, enum client_kind kind)
{
    struct client *client = &run->clients[run->client_count];
    CHECK(run->client_count < CLIENTS_MAX);

    *client = (struct client){ .kind = kind, .number = run->client_count++, .producer_id = -1 };
    session_init(&client->session);
    prng_init(&client->prng, run->world.seed, STREAM_CLIENT + client->number);
    client_wake(run, client, 1 + prng_below(&client->prng, 20 * 1000 * 1000));
    return client;
}

static void add_clients(struct run *run)
{
    static const int16_t kinds_of_acks[] = { -1, -1, 1, 0 };

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
    for (uint32_t i = 0; i < run->knobs.administrators; i++)
        add_client(run, CLIENT_ADMINISTRATOR)->administration.config = i;
}

/* ---- what the world tells ---- */

void run_on_bytes(struct world *world, uint32_t client, uint32_t wire, const uint8_t *data, uint32_t size)
{
    struct run *run = world->run;
    if (run->clients[client].session.wire != wire) return;
    client_on_bytes(run, &run->clients[client], data, size);
    if (run->judge.broken != RULE_NONE || (run->is_shadow && run->clients[0].done)) world->ended = true;
}

void run_on_hang_up(struct world *world, uint32_t client, uint32_t wire)
{
    struct run *run = world->run;
    if (run->clients[client].session.wire != wire) return;
    client_on_hang_up(run, &run->clients[client]);
}

void run_on_client(struct world *world, uint32_t client)
{
    struct run *run = world->run;
    run->judge.now_ns = world->now_ns;
    client_on_wake(run, &run->clients[client]);
    if (run->judge.broken != RULE_NONE) world->ended = true;
}

void run_on_step(struct world *world, uint32_t machine, const struct event *event)
{
    struct run *run = world->run;
    run->judge.now_ns = world->now_ns;
    if (run->trace != NULL) trace_event(run->trace, machine, event);
}

void run_on_orders(struct world *world, uint32_t machine, const struct effects *effects)
{
    struct run *run = world->run;
    if (run->trace != NULL) trace_orders(run->trace, world->now_ns, machine, effects);
}

/* A deadline that is due again and again, while nothing else happens: a host would burn a core. */
void run_on_spin(struct world *world, uint32_t machine)
{
    struct run *run = world->run;
    judge_violated(&run->judge, RULE_L, "machine %u spins: %d steps in a row only because it asked for them", machine,
                   IDLE_STEPS_MAX);
    world->ended = true;
}

/* The node ended itself. It had better have been given a reason. */
void run_on_halt(struct world *world, uint32_t number)
{
    struct run *run = world->run;
    struct machine *machine = &world->machines[number];
    const char *path = machine->halt.path == NULL ? "" : machine->halt.path;

    switch (machine->halt.reason) {
    case HALT_STOPPED:
        if (!machine->stop_asked) judge_violated(&run->judge, RULE_N, "the node stopped, and nobody asked it to");
        if (!run->damaged && machine->has_answered) audit_files(&machine->disk, &run->judge);
        break;
    case HALT_DISK_FAILED:
        if (!run->disk_failed) judge_violated(&run->judge, RULE_N, "a disk failure that was none: %s", path);
        /* Half of the machines are power-cycled after that. */
        if (prng_chance(&world->host_prng, 1, 2)) disk_lose_power(&machine->disk, LOSS_MIXED);
        break;
    case HALT_DISK_FULL:
        if (!run->disk_was_full) judge_violated(&run->judge, RULE_N, "a full disk that was none: %s", path);
        break;
    case HALT_CORRUPT:
        if (!run->damaged) {
            judge_violated(&run->judge, RULE_N, "undamaged data is taken for corrupt: %s", path);
        }
        run->phase = PHASE_DONE; /* found out and refused: that is all one may ask */
        world->ended = true;
        return;
    case HALT_FOREIGN: judge_violated(&run->judge, RULE_N, "its own data is foreign to it: %s", path); break;
    case HALT_REMOVED: judge_violated(&run->judge, RULE_N, "nobody removed it: %s", path); break;
    }
    if (run->judge.broken != RULE_NONE) {
        world->ended = true;
        return;
    }
    world_start(world, number);
}

/* ---- phases ---- */

static bool all_done(const struct run *run)
{
    if (run->world.machines[0].state != PROCESS_UP) return false;
    for (uint32_t i = 0; i < run->client_count; i++) {
        if (!client_is_done(run, &run->clients[i])) return false;
    }
    return true;
}

static void begin_reading(struct run *run)
{
    bool first = true;

    judge_read_again(&run->judge);
    for (uint32_t i = 0; i < run->client_count; i++) {
        struct client *client = &run->clients[i];
        if (client->kind != CLIENT_CONSUMER) continue;
        consumer_read_all(client);
        client->done = !first;
        first = false;
        if (client->session.wire != WIRE_NONE) client_reconnect(run, client);
    }
}

static void enter(struct run *run, enum phase phase)
{
    run->phase = phase;
    run->phase_began_ns = run->world.now_ns;
    if (run->trace != NULL) fprintf(run->trace, "[%12.6f] phase %d\n", (double)run->world.now_ns / 1e9, (int)phase);
    switch (phase) {
    case PHASE_CHAOS: faults_begin(run); break;
    case PHASE_HEAL: faults_end(run); break;
    case PHASE_VERIFY: begin_reading(run); break;
    case PHASE_STOP: world_ask_stop(&run->world, 0); break;
    case PHASE_REVERIFY: begin_reading(run); break;
    case PHASE_DONE: run->world.ended = true; break;
    }
}

static void stuck(struct run *run)
{
    static const char *const names[] = { "chaos", "healing", "verifying", "stopping", "verifying again", "done" };
    uint32_t waiting = 0;

    for (uint32_t i = 0; i < run->client_count; i++) waiting += !client_is_done(run, &run->clients[i]);
    judge_violated(&run->judge, RULE_L, "nothing came to rest while %s: %u clients wait, the process is %s",
                   names[run->phase], waiting, run->world.machines[0].state == PROCESS_UP ? "up" : "down");
    run->world.ended = true;
}

static void end_reading(struct run *run, enum phase next)
{
    judge_on_end(&run->judge);
    if (run->judge.broken != RULE_NONE) run->world.ended = true;
    else enter(run, next);
}

void run_on_phase(struct world *world)
{
    struct run *run = world->run;
    const uint64_t spent_ns = world->now_ns - run->phase_began_ns;

    if (run->is_shadow) { /* the time it had is over; who still reads something new is given more */
        if (run->judge.seen > run->seen_before && !run->clients[0].done) {
            run->seen_before = run->judge.seen;
            world_after(world, SHADOW_PATIENCE_NS, HAPPENS_PHASE, 0, 0, 0);
            return;
        }
        if (!run->clients[0].done) stuck(run);
        world->ended = true;
        return;
    }
    switch (run->phase) {
    case PHASE_CHAOS:
        if (spent_ns >= run->knobs.chaos_us * 1000) enter(run, PHASE_HEAL);
        break;
    case PHASE_HEAL:
        if (all_done(run)) enter(run, PHASE_VERIFY);
        break;
    case PHASE_VERIFY:
        if (all_done(run)) end_reading(run, PHASE_STOP);
        break;
    case PHASE_STOP:
        if (!world->machines[0].stop_asked && world->machines[0].state == PROCESS_UP) enter(run, PHASE_REVERIFY);
        break;
    case PHASE_REVERIFY:
        if (all_done(run)) end_reading(run, PHASE_DONE);
        break;
    case PHASE_DONE: break;
    }
    if (run->phase != PHASE_CHAOS && run->phase != PHASE_DONE && spent_ns > rest_ns_max &&
        world->now_ns - run->phase_began_ns > rest_ns_max) {
        stuck(run);
    }
    world_after(world, PHASE_POLL_NS, HAPPENS_PHASE, 0, 0, 0);
}

/* ---- the run ---- */

enum outcome run_seed(struct run *run, uint64_t seed)
{
    struct config config;

    FILE *digests = run->world.digests;

    world_init(&run->world, seed);
    run->world.run = run;
    run->world.digests = digests;
    knobs_draw(&run->knobs, &config, seed);
    judge_init(&run->judge);
    world_add_machine(&run->world, &config);
    run->world.machines[0].checks_every = run->knobs.checks;
    struct disk *disk = &run->world.machines[0].disk;
    disk->write_latency_ns = disk->read_latency_ns = run->knobs.write_latency_ns;
    disk->sync_latency_ns = run->knobs.sync_latency_ns;
    run->world.latency_ns = run->knobs.network_latency_ns;
    world_start(&run->world, 0);
    add_clients(run);
    enter(run, PHASE_CHAOS);
    world_after(&run->world, PHASE_POLL_NS, HAPPENS_PHASE, 0, 0, 0);
    world_run(&run->world);
    if (run->judge.broken == RULE_NONE && run->phase != PHASE_DONE) {
        judge_violated(&run->judge, RULE_L, "nothing happens any more");
    }
    if (run->judge.broken == RULE_NONE) return OUTCOME_PASSED;
    return run->judge.broken == RULE_L ? OUTCOME_LIVENESS : OUTCOME_CORRECTNESS;
}

void run_free(struct run *run)
{
    for (uint32_t i = 0; i < run->client_count; i++) {
        struct client *client = &run->clients[i];
        session_free(&client->session);
        for (uint32_t j = 0; j < client->outstanding_count; j++) free(client->outstanding[j].bytes);
    }
    judge_free(&run->judge);
    world_free(&run->world);
}
