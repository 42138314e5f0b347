#include "sim/disaster.h"

#include "broker/operate.h"
#include "raft/raft.h"
#include "sim/run.h"
#include "status.h"

enum { BACK_ONE_OF = 8 }; /* each time it is looked, one in so many of those left behind comes back */

/* ---- it strikes ---- */

/* One that serves, is a member beside others who vote, and is counted on by all. */
static bool may_survive(const struct run *run, uint32_t number)
{
    const struct machine *machine = run->world.machines[number];
    uint32_t voters = 0;

    if (run->operator== NULL || !machine->wanted || machine->may_leave || machine->state != PROCESS_UP) return false;
    if (node_state(machine->node) != NODE_SERVING) return false;
    for (uint32_t i = 0; i < run->world.machine_count; i++) {
        if (run->world.machines[i]->wiped || run->world.machines[i]->outlived) return false;
    }
    const struct raft *raft = node_raft(machine->node);
    const struct raft_configuration *list = raft_configuration(raft);
    for (uint32_t i = 0; i < list->count; i++) voters += (list->members[i].flags & RAFT_VOTER) != 0;
    return voters > 1 && raft_configuration_is_committed(raft) && !raft_configuration_is_joint(list) &&
           raft_configuration_find(list, raft_id(raft)) != NULL;
}

static void leave_behind(struct run *run, uint32_t number)
{
    struct machine *machine = run->world.machines[number];

    machine->outlived = true;
    machine->wanted = machine->may_leave = false;
    world_lose_power(&run->world, number, LOSS_MIXED, false);
    routes_join(&run->world.net.routes, run->disaster.obstacle, number);
}

static uint32_t keep_clients_away(struct run *run)
{
    const uint8_t channels = CHANNELS_KAFKA | 1 << LISTENER_OPERATOR;
    return routes_block(&run->world.net.routes, WAYS_BOTH, channels, UINT64_MAX);
}

/* Clients are started anew, too: they would wait for epochs and nodes that will never be. */
static void restart_clients(struct run *run)
{
    for (uint32_t i = 0; i < run->client_count; i++) {
        struct client *client = run->clients[i];
        client_drop_all(run, client);
        client->stale = true;
        for (uint32_t k = 0; k < client->target_count; k++) {
            client->targets[k].leader_epoch = -1;
            client->targets[k].leader = MACHINE_NONE;
            client->targets[k].source = MACHINE_NONE;
        }
    }
    run->operator->operator.duty_count = 0; /* what was ordered of the others is void */
}

bool disaster_strike(struct run *run, uint32_t survivor, bool online)
{
    if (run->disaster.stage == DISASTER_STRUCK || !may_survive(run, survivor)) return false;
    const uint32_t obstacle = keep_clients_away(run);
    if (obstacle == OBSTACLE_NONE) return false;
    run->disaster = (struct disaster){
        .stage = DISASTER_STRUCK, .survivor = survivor, .obstacle = obstacle, .count = run->disaster.count + 1
    };
    for (uint32_t i = 0; i < run->world.machine_count; i++) {
        if (i != survivor && run->world.machines[i]->wanted) leave_behind(run, i);
    }
    const uint64_t known_index = group_on_disaster(&run->group, survivor);
    judge_on_disaster(&run->judge, known_index);
    plane_on_disaster(&run->plane, &run->judge, survivor);
    restart_clients(run);
    if (online) {
        operator_on_duty(run, run->operator, OPERATION_PROMOTE, survivor);
    } else {
        world_lose_power(&run->world, survivor, LOSS_MIXED, false);
        run_start(run, survivor);
    }
    return true;
}

/* ---- the survivor ---- */

void disaster_on_start(struct run *run, uint32_t number)
{
    const struct disaster *disaster = &run->disaster;

    if (disaster->stage == DISASTER_STRUCK && number == disaster->survivor) {
        run->world.machines[number]->config.recovers = true;
    }
}

static bool on_halt_of_survivor(struct run *run, struct machine *machine, uint32_t number)
{
    if (machine->halt.reason == HALT_STOPPED && machine->config.recovers && !machine->stop_asked) {
        machine->config.recovers = false;
        run->disaster.stage = DISASTER_ALONE;
        run->operator->operator.duty_count = 0;
    } else if (machine->halt.reason != HALT_PROMOTED) {
        return false;
    }
    machine->stop_asked = false;
    run_start(run, number);
    return true;
}

/* ---- those that were left behind ---- */

/* With an empty disk: as somebody that the cluster has never seen. */
static void come_as_another(struct run *run, struct machine *machine, uint32_t number)
{
    machine->outlived = false;
    world_wipe(&run->world, number);
    group_on_wiped(&run->group, number);
    run->world.net.routes.places[number].obstacles &= ~(1U << run->disaster.obstacle);
    machine->wanted = machine->wiped = true;
    run_start(run, number);
}

static bool on_halt_of_others(struct run *run, struct machine *machine, uint32_t number)
{
    switch (machine->halt.reason) {
    case HALT_OUTLIVED:
    case HALT_REMOVED:
    case HALT_STOPPED: /* it was told that it is none any more */ come_as_another(run, machine, number); return true;
    case HALT_DISK_FAILED:
    case HALT_DISK_FULL: machine->state = PROCESS_DOWN; return true;
    default: return false;
    }
}

bool disaster_on_halt(struct run *run, uint32_t number)
{
    struct machine *machine = run->world.machines[number];

    if (machine->outlived) return on_halt_of_others(run, machine, number);
    if (run->disaster.stage != DISASTER_STRUCK || number != run->disaster.survivor) return false;
    return on_halt_of_survivor(run, machine, number);
}

/* A disk of the cluster as it was must not be taken for a member of what came out of it. */
static void check_members(struct run *run, uint32_t number)
{
    const struct machine *survivor = run->world.machines[run->disaster.survivor];
    const struct raft *raft = node_raft(survivor->node);
    const uint64_t old = raft_id(node_raft(run->world.machines[number]->node));

    if (survivor->state != PROCESS_UP || !raft_is_started(raft)) return;
    if (raft_configuration_find(raft_configuration(raft), old) == NULL) return;
    judge_violated(&run->judge, RULE_O6, "node %u is a member again, with the disk that its cluster went on without",
                   number + 1);
}

void disaster_go_on(struct run *run)
{
    struct world *world = &run->world;

    if (run->disaster.stage != DISASTER_ALONE) return;
    for (uint32_t i = 0; i < world->machine_count; i++) {
        struct machine *machine = world->machines[i];
        if (!machine->outlived) continue;
        if (machine->starts > 0) check_members(run, i);
        const bool comes = run->phase > PHASE_CHAOS || prng_chance(&world->host_prng, 1, BACK_ONE_OF);
        if (machine->state == PROCESS_DOWN && comes) run_start(run, i);
    }
}

void disaster_heal(struct run *run)
{
    const uint32_t obstacle = run->disaster.stage == DISASTER_NONE ? OBSTACLE_NONE : keep_clients_away(run);

    if (obstacle == OBSTACLE_NONE) return;
    run->disaster.obstacle = obstacle;
    for (uint32_t i = 0; i < run->world.machine_count; i++) {
        if (run->world.machines[i]->outlived) routes_join(&run->world.net.routes, obstacle, i);
    }
}

bool disaster_is_over(const struct run *run)
{
    if (run->disaster.stage == DISASTER_STRUCK) return false;
    for (uint32_t i = 0; i < run->world.machine_count; i++) {
        if (run->world.machines[i]->outlived) return false;
    }
    return true;
}
