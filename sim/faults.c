/* faults.c -- carries out the schedule: begins each fault, ends it, and waits for the moment where it is aimed. */
#include "sim/run.h"

#include "base/check.h"
#include "broker/operate.h"
#include "meta/image.h"
#include "raft/raft.h"
#include "sim/rest.h"
#include "status.h"

#include <string.h>

enum {
    AIM_RETRY_NS = 20 * 1000,
    ROLE_RETRY_NS = 100 * 1000,
    AIM_PATIENCE_NS = 300 * 1000 * 1000,
    DISASTER_RETRY_NS = 50 * 1000 * 1000
};

/* ---- whom ---- */

/* Nothing can happen to a machine that is no part of the cluster, but that it becomes one. */
static bool is_object(const struct run *run, const struct fault *fault, uint32_t machine)
{
    return run->world.machines[machine]->wanted != (fault->kind == FAULT_JOIN);
}

/* The machine a role means now; MACHINE_NONE: there is none. */
static uint32_t machine_in_role(const struct run *run, const struct fault *fault)
{
    const struct world *world = &run->world;
    const uint32_t leader = run->group.leader;
    const uint32_t from = (uint32_t)(fault->time_us % world->machine_count);

    if (fault->machines.role == ROLE_LEADER) return leader < world->machine_count ? leader : 0;
    if (fault->machines.role >= ROLE_HEAD) {
        const uint32_t machine = plane_in_role(&run->plane, fault->machines.role, fault->time_us);
        return machine < world->machine_count && is_object(run, fault, machine) ? machine : MACHINE_NONE;
    }
    for (uint32_t i = 0; i < world->machine_count; i++) {
        const uint32_t machine = (from + i) % world->machine_count;
        if (machine == leader || !is_object(run, fault, machine)) continue;
        if (fault->machines.role == ROLE_OTHER || rest_votes(run, machine)) return machine;
    }
    return MACHINE_NONE;
}

/* The first machine at or behind *at that the fault is for; MACHINE_NONE at the end. */
static uint32_t next_target(const struct run *run, const struct fault *fault, uint32_t *at)
{
    if (fault->machines.role != ROLE_ANY) {
        const bool first = *at == 0;
        *at = UINT32_MAX;
        return first ? machine_in_role(run, fault) : MACHINE_NONE;
    }
    for (; *at < run->world.machine_count; ++*at) {
        if (machine_set_has(&fault->machines, *at) && is_object(run, fault, *at)) return (*at)++;
    }
    return MACHINE_NONE;
}

/* ---- when ---- */

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
    enum { NEW_LEADER_NS = 20 * 1000 * 1000 };
    const bool of_partition = fault->machines.role >= ROLE_HEAD; /* there may be somebody soon */
    uint32_t at = 0;

    if (run->world.now_ns > fault->time_us * 1000 + AIM_PATIENCE_NS) return true;
    if (fault->aim == AIM_NONE && !of_partition) return true;
    const uint32_t number = next_target(run, fault, &at);
    if (number == MACHINE_NONE) return !of_partition;
    if (fault->aim == AIM_NONE) return true;
    const struct machine *machine = run->world.machines[number];
    const struct raft *raft = node_raft(machine->node);
    switch (fault->aim) {
    case AIM_LATE: return disk_is_late(&machine->disk, LATE_STEPS);
    case AIM_RECOVERY: return machine->state == PROCESS_UP && machine->steps - machine->steps_at_start < 40;
    case AIM_ELECTION:
        return raft_role(raft) == RAFT_CANDIDATE || run->world.now_ns - run->group.leader_since_ns < NEW_LEADER_NS;
    case AIM_SNAPSHOT: return raft_snapshot_is_arriving(raft);
    case AIM_APPEND:
    case AIM_OFFICE:
    case AIM_CUT:
    case AIM_ISR:
    case AIM_BEHIND:
    case AIM_JOINING: return plane_moment(&run->plane, fault->aim, number, run->world.now_ns);
    default: return under_way(machine, fault->aim);
    }
}

/* ---- connections ---- */

/* Of one machine's connections on these channels, one in so many. */
static bool on_connections(struct run *run, const struct fault *fault, uint32_t machine)
{
    struct net *net = &run->world.net;
    const uint32_t one_of = MAX((uint32_t)fault->values[0], 1U);
    const uint32_t channels = fault->values[1] == 0 ? CHANNELS_ALL : (uint32_t)fault->values[1];
    uint32_t at = 0, end;
    bool met = false;

    while ((end = links_next(&run->world, machine, &at)) != LINK_NONE) {
        struct connection *connection = net_connection(net, end / 2);
        if ((channels & 1U << connection->listener) == 0) continue;
        if (prng_below(&connection->flows[0].prng, one_of) != 0) continue;
        met = true;
        if (fault->kind == FAULT_RESET) net_reset(net, end / 2);
        else if (fault->kind == FAULT_MUTE) connection->mute = true;
        else net_clog(net, end / 2, run->world.now_ns + fault->duration_us * 1000);
    }
    return met;
}

static enum node_condition condition_of(const struct machine *machine)
{
    if (machine->state != PROCESS_UP) return CONDITION_DOWN;
    switch (node_state(machine->node)) {
    case NODE_STARTING: return CONDITION_STARTING;
    case NODE_SERVING: return CONDITION_SERVING;
    case NODE_STOPPING: return CONDITION_STOPPING;
    }
    return CONDITION_DOWN;
}

static void note_hit(struct run *run, const struct fault *fault, uint32_t number)
{
    const struct machine *machine = run->world.machines[number];
    const struct raft *raft = machine->starts == 0 ? NULL : node_raft(machine->node);
    report_on_hit(&run->report, fault->kind, condition_of(machine), raft);
}

/* One obstacle around all of the set. */
static bool cut_off(struct run *run, uint32_t entry)
{
    const struct fault *fault = &run->schedule.list[entry];
    struct routes *routes = &run->world.net.routes;
    const uint64_t duration_ns = fault->duration_us * 1000;
    const uint8_t ways = fault->values[0] == 0 ? WAYS_BOTH : (uint8_t)fault->values[0];
    const uint8_t channels = fault->values[1] == 0 ? CHANNELS_ALL : (uint8_t)fault->values[1];
    const uint32_t obstacle = routes_block(routes, ways, channels, run->world.now_ns + duration_ns);
    uint32_t at = 0, machine;

    if (obstacle == OBSTACLE_NONE) return false;
    while ((machine = next_target(run, fault, &at)) != MACHINE_NONE) {
        note_hit(run, fault, machine);
        routes_join(routes, obstacle, machine);
    }
    world_after(&run->world, duration_ns, HAPPENS_FAULT_END, MACHINE_NONE, entry, obstacle);
    return true;
}

/* Each machine of the set gets an obstacle of its own, one after the other; they go in another order. */
static bool swizzle(struct run *run, uint32_t entry)
{
    const struct fault *fault = &run->schedule.list[entry];
    struct routes *routes = &run->world.net.routes;
    const uint64_t step_ns = (uint64_t)fault->values[0] * 1000;
    const uint8_t channels = fault->values[1] == 0 ? CHANNELS_ALL : (uint8_t)fault->values[1];
    uint32_t at = 0, machine, count = 0;

    while ((machine = next_target(run, fault, &at)) != MACHINE_NONE && count < OBSTACLES_MAX / 2) {
        const uint64_t ends_ns = fault->duration_us * 1000 + step_ns * (1 + count * 7 % 5);
        const uint32_t obstacle = routes_block(routes, WAYS_BOTH, channels, run->world.now_ns + ends_ns);
        if (obstacle == OBSTACLE_NONE) break;
        note_hit(run, fault, machine);
        routes_join(routes, obstacle, machine);
        world_after(&run->world, ends_ns, HAPPENS_FAULT_END, MACHINE_NONE, entry, obstacle);
        count++;
    }
    return count > 0;
}

/* ---- one fault at one machine ---- */

static void breaks(struct run *run, uint32_t machine)
{
    uint32_t at = 0, end;
    while ((end = links_next(&run->world, machine, &at)) != LINK_NONE) net_reset(&run->world.net, end / 2);
}

/* To a process. */
static bool hit_process(struct run *run, const struct fault *fault, uint32_t number, bool *ends)
{
    struct world *world = &run->world;
    struct machine *machine = world->machines[number];

    if (machine->state != PROCESS_UP) return false;
    *ends = true;
    switch (fault->kind) {
    case FAULT_POWER_LOSS:
        world_lose_power(world, number, (enum loss)((uint32_t)fault->values[0] % LOSS_COUNT), fault->values[1] != 0);
        break;
    case FAULT_KILL: world_kill(world, number); break;
    case FAULT_STOP:
        *ends = false; /* run_on_halt starts it again */
        if (fault->values[0] != 0) breaks(run, number);
        if (!machine->stop_asked) world_ask_stop(world, number);
        break;
    case FAULT_PAUSE:
        *ends = false;
        machine->paused_until_ns = world->now_ns + fault->duration_us * 1000;
        break;
    default: CHECK(false);
    }
    return true;
}

/* To a disk. */
static bool hit_disk(struct run *run, const struct fault *fault, uint32_t number, bool *ends)
{
    struct disk *disk = &run->world.machines[number]->disk;
    bool met = true;

    *ends = true;
    switch (fault->kind) {
    case FAULT_STALL:
        disk->latency_factor = (uint32_t)MAX(fault->values[0], 1);
        disk->stalled = (uint32_t)fault->values[1] % SORT_COUNT;
        break;
    case FAULT_FULL: disk->full = run->disk_was_full = true; break;
    case FAULT_READ_FAILS: disk->reads_fail = run->disk_failed = true; break;
    case FAULT_SYNC_FAILS:
        *ends = false;
        disk->sync_fails_in = (uint32_t)MAX(fault->values[0], 1);
        disk->failing = (uint32_t)fault->values[1] % SORT_COUNT;
        run->disk_failed = true;
        break;
    case FAULT_FLIP:
        *ends = false;
        met = disk_flip(disk, "");
        run->damaged |= met;
        run->judge.forgives_loss |= met;
        break;
    default: CHECK(false);
    }
    return met;
}

static void lose_disk(struct run *run, uint32_t number)
{
    world_wipe(&run->world, number);
    group_on_wiped(&run->group, number);
    plane_on_wiped(&run->plane, &run->judge, number);
}

/* To what the cluster is made of. */
static bool hit_members(struct run *run, const struct fault *fault, uint32_t number, bool *ends)
{
    struct world *world = &run->world;
    struct machine *machine = world->machines[number];

    switch (fault->kind) {
    case FAULT_WIPE:
        if (!machine->wanted || machine->starts == 0 || !rest_may_wipe(run, number)) return false;
        lose_disk(run, number);
        machine->wiped = *ends = true;
        return true;
    case FAULT_JOIN:
        if (machine->wanted || machine->outlived || machine->state == PROCESS_UP) return false;
        if (rest_is_member(run, number)) return false;
        /* Else it might come to pass that it is removed by an order that was meant for who it was before. */
        if (run->operator!= NULL && operator_has_duty(run->operator, number)) return false;
        if (machine->starts > 0) lose_disk(run, number); /* it was removed, and comes back as somebody else */
        machine->wanted = machine->wiped = true;         /* it founds nothing */
        machine->may_leave = false;
        run_start(run, number);
        return true;
    case FAULT_REMOVE:
        if (!machine->wanted || run->operator== NULL) return false;
        operator_on_duty(run, run->operator, OPERATION_REMOVE_NODE, number);
        return true;
    case FAULT_TRANSFER:
        if (!machine->wanted || run->operator== NULL) return false;
        operator_on_duty(run, run->operator, OPERATION_TRANSFER_LEADER, number);
        return true;
    case FAULT_RECOVER:
    case FAULT_PROMOTE: return disaster_strike(run, number, fault->kind == FAULT_PROMOTE);
    default: CHECK(false); return false;
    }
}

static bool hit(struct run *run, uint32_t entry, uint32_t number)
{
    const struct fault *fault = &run->schedule.list[entry];
    struct world *world = &run->world;
    struct machine *machine = world->machines[number];
    struct place *place = &world->net.routes.places[number];
    bool met = true, ends = false;

    switch (fault->kind) {
    case FAULT_POWER_LOSS:
    case FAULT_KILL:
    case FAULT_STOP:
    case FAULT_PAUSE: met = hit_process(run, fault, number, &ends); break;
    case FAULT_STALL:
    case FAULT_FULL:
    case FAULT_SYNC_FAILS:
    case FAULT_READ_FAILS:
    case FAULT_FLIP: met = hit_disk(run, fault, number, &ends); break;
    case FAULT_RESET:
    case FAULT_CLOG:
    case FAULT_MUTE: met = on_connections(run, fault, number); break;
    case FAULT_SLOW:
        place->slow_factor = (uint32_t)MAX(fault->values[0], 1);
        ends = true;
        break;
    case FAULT_REFUSE: place->refuses_until_ns = world->now_ns + fault->duration_us * 1000; break;
    case FAULT_CLOCK_STEP: machine->wall_offset_ms = (int64_t)fault->values[0] * 1000; break;
    case FAULT_WIPE:
    case FAULT_JOIN:
    case FAULT_REMOVE:
    case FAULT_TRANSFER:
    case FAULT_RECOVER:
    case FAULT_PROMOTE: met = hit_members(run, fault, number, &ends); break;
    case FAULT_PARTITION:
    case FAULT_SWIZZLE:
    case FAULT_COUNT: CHECK(false);
    }
    if (ends && met) {
        world_after(world, fault->duration_us * 1000, HAPPENS_FAULT_END, number, entry, machine->starts);
    }
    return met;
}

/* Somebody wants to know whether a failure would be found. */
static void sing(struct run *run, enum fault_kind kind)
{
    if (kind != FAULT_POWER_LOSS && kind != FAULT_KILL) return;
    if (++run->crashes != run->knobs.canary) return;
    judge_violated(&run->judge, RULE_CANARY, "crash number %u, as it was asked for", run->crashes);
    run->world.ended = true;
}

/* A second crash of a machine that is down, or a fault that has no object, is nothing. */
static void carry_out(struct run *run, uint32_t entry)
{
    const struct fault *fault = &run->schedule.list[entry];
    char text[200];
    bool met = false;

    if (fault->kind == FAULT_PARTITION) {
        met = cut_off(run, entry);
    } else if (fault->kind == FAULT_SWIZZLE) {
        met = swizzle(run, entry);
    } else {
        uint32_t at = 0, machine;
        while ((machine = next_target(run, fault, &at)) != MACHINE_NONE) {
            const struct report before = run->report;
            note_hit(run, fault, machine);
            if (hit(run, entry, machine)) met = true;
            else run->report = before; /* it had no object */
        }
    }
    run->report.met[fault->kind] += met;
    if (met) sing(run, fault->kind);
    if (!met && (fault->kind == FAULT_RECOVER || fault->kind == FAULT_PROMOTE)) { /* one is asked for: later, then */
        world_after(&run->world, DISASTER_RETRY_NS, HAPPENS_FAULT, MACHINE_NONE, entry, 0);
    }
    if (run->trace == NULL || !met) return;
    fault_format(fault, text, sizeof text);
    fprintf(run->trace, "[%12.6f] ! %s\n", (double)run->world.now_ns / 1e9, strchr(text, ' ') + 1);
}

/* What concerns replicas lasts longer than an order of a disk. */
static uint64_t retry_ns(const struct fault *fault)
{
    return fault->aim == AIM_NONE || fault->aim >= AIM_APPEND ? ROLE_RETRY_NS : AIM_RETRY_NS;
}

void run_on_fault(struct world *world, uint32_t entry)
{
    struct run *run = world->run;

    if (run->phase != PHASE_CHAOS) return;
    if (!moment_is_here(run, &run->schedule.list[entry])) {
        world_after(world, retry_ns(&run->schedule.list[entry]), HAPPENS_FAULT, MACHINE_NONE, entry, 0);
        return;
    }
    carry_out(run, entry);
}

void run_on_fault_end(struct world *world, uint32_t entry, uint32_t number, uint32_t detail)
{
    struct run *run = world->run;
    const struct fault *fault = &run->schedule.list[entry];
    struct machine *machine = number == MACHINE_NONE ? NULL : world->machines[number];

    switch (fault->kind) {
    case FAULT_POWER_LOSS:
    case FAULT_KILL:
    case FAULT_WIPE:
        if (machine->state == PROCESS_DOWN && machine->wanted) run_start(run, number);
        break;
    case FAULT_STALL: machine->disk.latency_factor = 1; break;
    case FAULT_FULL: machine->disk.full = false; break;
    case FAULT_READ_FAILS: machine->disk.reads_fail = false; break;
    case FAULT_SLOW: world->net.routes.places[number].slow_factor = 1; break;
    case FAULT_PARTITION:
    case FAULT_SWIZZLE:
        if (run->phase == PHASE_CHAOS) routes_unblock(&world->net.routes, detail);
        break;
    default: break;
    }
}

void faults_begin(struct run *run)
{
    if (run->given != NULL) run->schedule = *run->given;
    else knobs_draw_faults(&run->knobs, &run->schedule, run->world.seed);
    for (uint32_t i = 0; i < run->schedule.count; i++) {
        world_after(&run->world, run->schedule.list[i].time_us * 1000, HAPPENS_FAULT, MACHINE_NONE, i, 0);
    }
}

void faults_end(struct run *run)
{
    struct world *world = &run->world;

    for (uint32_t i = 0; i < world->machine_count; i++) {
        struct machine *machine = world->machines[i];
        struct place *place = &world->net.routes.places[i];
        machine->disk.latency_factor = 1;
        machine->disk.full = machine->disk.reads_fail = false;
        machine->disk.sync_fails_in = 0;
        machine->paused_until_ns = 0;
        place->slow_factor = 1;
        place->refuses_until_ns = 0;
        if (machine->wanted && machine->state == PROCESS_DOWN) run_start(run, i);
    }
    routes_unblock_all(&world->net.routes);
    disaster_heal(run);
    net_resume(&world->net);
}
