/* faults.c -- carries out the schedule: begins each fault, ends it, and waits for the moment where it is aimed. */
#include "sim/run.h"

#include "base/check.h"

#include <string.h>

enum { AIM_RETRY_NS = 20 * 1000, AIM_PATIENCE_NS = 300 * 1000 * 1000 };

/* Is an order of this sort under way? */
static bool under_way(const struct machine *machine, enum aim aim)
{
    for (uint32_t slot = 0; slot < machine->disk.order_high; slot++) {
        const struct disk_order *order = &machine->disk.orders[slot];
        if (!order->used) continue;
        const enum effect_type type = order->effect.type;
        if (aim == AIM_WRITE && type == EFFECT_WRITE) return true;
        if (aim == AIM_SYNC && type == EFFECT_SYNC) return true;
        if (type != EFFECT_FILE) continue;
        const enum file_action action = order->effect.file.action;
        if (aim == AIM_RENAME && action == FILE_RENAME) return true;
        if (aim == AIM_DIRECTORY && action == FILE_SYNC_DIRECTORY) return true;
        if (aim == AIM_UNLINK && (action == FILE_UNLINK || action == FILE_TRUNCATE)) return true;
    }
    return false;
}

static bool moment_is_here(const struct run *run, const struct fault *fault)
{
    const struct machine *machine = &run->world.machines[fault->machine];
    const enum aim aim = (enum aim)(fault->argument >> AIM_SHIFT);

    if (aim == AIM_NONE) return true;
    if (run->world.now_ns > fault->time_us * 1000 + AIM_PATIENCE_NS) return true;
    if (aim == AIM_RECOVERY) return machine->state == PROCESS_UP && machine->steps - machine->steps_at_start < 40;
    return under_way(machine, aim);
}

/* All connections to a machine break, whatever is on its way. */
static void break_wires(struct run *run, uint32_t machine)
{
    for (uint32_t i = 0; i < WIRES_MAX; i++) {
        const struct wire *wire = &run->world.wires[i];
        if (wire->used && wire->client_open && wire->machine == machine) {
            client_reconnect(run, &run->clients[wire->client]);
        }
    }
}

static void on_wires(struct run *run, const struct fault *fault)
{
    for (uint32_t i = 0; i < WIRES_MAX; i++) {
        struct wire *wire = &run->world.wires[i];
        if (!wire->used || !wire->client_open || wire->machine != fault->machine) continue;
        if (prng_below(&run->world.net_prng, MAX(fault->argument & 0xffff, 1U)) != 0) continue;
        if (fault->kind == FAULT_RESET) client_reconnect(run, &run->clients[wire->client]);
        else wire->clogged_until_ms = (uint32_t)((run->world.now_ns / 1000 + fault->duration_us) / 1000) + 1;
    }
}

/* A second crash of a machine that is down, or a fault that has no object, is nothing. */
static void carry_out(struct run *run, uint32_t entry)
{
    const struct fault *fault = &run->schedule.list[entry];
    struct world *world = &run->world;
    struct machine *machine = &world->machines[fault->machine];
    const bool up = machine->state == PROCESS_UP;
    bool met = up, ends = false;

    switch (fault->kind) {
    case FAULT_POWER_LOSS:
        if (up) world_lose_power(world, fault->machine, (enum loss)((fault->argument & 0xffff) % LOSS_COUNT));
        ends = up;
        break;
    case FAULT_KILL:
        if (up) world_kill(world, fault->machine);
        ends = up;
        break;
    case FAULT_STOP:
        if (up && (fault->argument & 1) != 0) break_wires(run, fault->machine);
        if (up && !machine->stop_asked) world_ask_stop(world, fault->machine);
        break; /* run_on_halt starts it again */
    case FAULT_STALL:
        machine->disk.latency_factor = MAX(fault->argument & 0xfff, 1U);
        machine->disk.stalled = (enum stalled)((fault->argument >> 12 & 0xf) % STALLED_COUNT);
        met = ends = true;
        break;
    case FAULT_FULL:
        machine->disk.full = met = ends = true;
        run->disk_was_full = true;
        break;
    case FAULT_SYNC_FAILS:
        machine->disk.sync_fails_in = MAX(fault->argument & 0xfff, 1U);
        machine->disk.failing = (enum stalled)((fault->argument >> 12 & 0xf) % STALLED_COUNT);
        run->disk_failed = met = true;
        break;
    case FAULT_READ_FAILS:
        machine->disk.reads_fail = met = ends = true;
        run->disk_failed = true;
        break;
    case FAULT_FLIP:
        met = disk_flip(&machine->disk, "");
        run->damaged |= met;
        run->judge.forgives_loss |= met;
        break;
    case FAULT_RESET:
    case FAULT_CLOG: on_wires(run, fault); break;
    case FAULT_CLOCK_STEP:
        world->wall_base_ms = world->wall_true_ms + (int64_t)(int16_t)(fault->argument & 0xffff) * 1000;
        met = true;
        break;
    case FAULT_PAUSE:
        if (up) machine->paused_until_ns = world->now_ns + fault->duration_us * 1000;
        break;
    case FAULT_COUNT: CHECK(false);
    }
    run->faults_met[fault->kind] += met;
    if (run->trace != NULL && met) {
        fprintf(run->trace, "[%12.6f] ! %s %u\n", (double)world->now_ns / 1e9, fault_name(fault->kind),
                fault->argument & 0xffff);
    }
    if (ends) world_after(world, fault->duration_us * 1000, HAPPENS_FAULT_END, fault->machine, entry, machine->starts);
}

void run_on_fault(struct world *world, uint32_t entry)
{
    struct run *run = world->run;

    if (run->phase != PHASE_CHAOS) return;
    if (!moment_is_here(run, &run->schedule.list[entry])) {
        world_after(world, AIM_RETRY_NS, HAPPENS_FAULT, 0, entry, 0);
        return;
    }
    carry_out(run, entry);
}

void run_on_fault_end(struct world *world, uint32_t entry)
{
    struct run *run = world->run;
    const struct fault *fault = &run->schedule.list[entry];
    struct machine *machine = &world->machines[fault->machine];

    switch (fault->kind) {
    case FAULT_POWER_LOSS:
    case FAULT_KILL:
        if (machine->state == PROCESS_DOWN) world_start(world, fault->machine);
        break;
    case FAULT_STALL: machine->disk.latency_factor = 1; break;
    case FAULT_FULL: machine->disk.full = false; break;
    case FAULT_READ_FAILS: machine->disk.reads_fail = false; break;
    default: break;
    }
}

void faults_begin(struct run *run)
{
    if (run->given != NULL) run->schedule = *run->given;
    else
        schedule_draw(&run->schedule, run->world.seed, &run->knobs.rates, run->world.machine_count, 50 * 1000,
                      run->knobs.chaos_us);
    for (uint32_t i = 0; i < run->schedule.count; i++) {
        world_after(&run->world, run->schedule.list[i].time_us * 1000, HAPPENS_FAULT, 0, i, 0);
    }
}

void faults_end(struct run *run)
{
    for (uint32_t i = 0; i < run->world.machine_count; i++) {
        struct machine *machine = &run->world.machines[i];
        machine->disk.latency_factor = 1;
        machine->disk.full = machine->disk.reads_fail = false;
        machine->disk.sync_fails_in = 0;
        machine->paused_until_ns = 0;
        if (machine->state != PROCESS_UP) world_start(&run->world, i);
    }
    for (uint32_t i = 0; i < WIRES_MAX; i++) run->world.wires[i].clogged_until_ms = 0;
}
