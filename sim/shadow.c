/* shadow.c -- if the power were lost at this very moment, in the worst way, would all that was promised still be there?
 *
 * The disk is copied as a power loss would leave it, a second node recovers from the copy in a world of its own, and a
 * consumer reads all of it for a copy of the judge. Now and then that node is made to lose power itself while it
 * recovers (O13). The run it was taken from does not notice: it shares no randomness and no state. */
#include "sim/run.h"

#include "base/check.h"
#include "status.h"

#include <stdlib.h>
#include <string.h>

static void copy_judge(const struct judge *judge, struct judge *copy)
{
    *copy = *judge;
    for (uint32_t i = 0; i < judge->partition_count; i++) {
        struct judged_partition *to = &copy->partitions[i];
        to->records = malloc(((size_t)to->max + 1) * sizeof *to->records);
        if (to->max > 0) memcpy(to->records, judge->partitions[i].records, (size_t)to->max * sizeof *to->records);
        to->leaders = NULL; /* what happens in a shadow happened in no run: others lead in the same epochs */
        to->leader_max = 0;
    }
    judge_read_again(copy);
}

/* A consumer that wants everything. */
static void add_reader(struct run *shadow)
{
    shadow->client_max = 1;
    shadow->clients = calloc(1, sizeof *shadow->clients);
    client_wake(shadow, run_add_client(shadow, CLIENT_CONSUMER), 1);
}

/* Power goes again, of one of them, before they have done much. */
static void crash_while_recovering(struct run *shadow, struct prng *prng)
{
    const uint32_t victim = (uint32_t)prng_below(prng, shadow->world.machine_count);

    shadow->world.events_max = shadow->world.events + 1 + prng_below(prng, 60 * shadow->world.machine_count);
    world_run(&shadow->world);
    shadow->world.events_max = UINT64_MAX;
    if (shadow->world.machines[victim]->state != PROCESS_UP) return;
    world_lose_power(&shadow->world, victim, (enum loss)prng_below(prng, LOSS_COUNT), false);
    world_start(&shadow->world, victim);
}

void shadow_perhaps(struct run *run, struct client *client, uint32_t weight)
{
    /* Where something waits for long, the rest has gone on without it: what if it never comes? */
    bool late = false;
    for (uint32_t i = 0; i < run->world.machine_count && !late; i++) {
        late = disk_is_late(&run->world.machines[i]->disk, LATE_STEPS);
    }
    if (late) weight *= 8;
    if (prng_chance(&client->prng, MIN(run->knobs.shadows * weight, 1000U), 1000)) shadow_check(run);
}

/* Who founded the cluster, and has lost his disk since, does not found it again. */
static void seed_copy(const struct run *run, struct machine *copy, uint32_t number)
{
    copy->config.seed_count = 0;
    for (uint32_t i = 0; i < run->world.machine_count && copy->config.seed_count < SEEDS_MAX; i++) {
        if (i != number && run->world.machines[i]->wanted) knobs_seed(&copy->config, i);
    }
}

/* All machines, with what a power loss of all of them at once would leave on their disks. */
static void add_copies(const struct run *run, struct run *shadow, struct prng *prng)
{
    for (uint32_t i = 0; i < run->world.machine_count; i++) {
        const struct machine *machine = run->world.machines[i];
        world_add_machine(&shadow->world, &machine->config, 0);
        struct machine *copy = shadow->world.machines[i];
        copy->wall_offset_ms = machine->wall_offset_ms;
        copy->wanted = machine->wanted;
        copy->may_leave = machine->may_leave;
        copy->wiped = machine->wiped;
        if (copy->wiped) seed_copy(run, copy, i);
        disk_free(&copy->disk);
        disk_copy_after_loss(&machine->disk, &copy->disk, shadow->world.seed ^ i << 8,
                             prng_chance(prng, 1, 2) ? LOSS_ALL : LOSS_MIXED);
        if (copy->wanted) world_start(&shadow->world, i);
    }
}

void shadow_check(struct run *run)
{
    struct prng prng;
    char *told = NULL;
    size_t told_size;

    if (run->damaged || run->phase == PHASE_DONE) return;
    /* Most voters are lost, and the survivor has not been told to go on alone: nobody would, before the operator. */
    if (run->disaster.stage == DISASTER_STRUCK) return;
    for (uint32_t i = 0; i < run->world.machine_count; i++) {
        if (run->world.machines[i]->state == PROCESS_HALTED) return;
    }
    const uint64_t number = ++run->shadows;
    if (run->world.now_ns < run->knobs.shadows_from_us * 1000) return;
    run->shadows_made++;
    struct run *shadow = calloc(1, sizeof *shadow);
    const uint64_t seed = run->world.seed ^ number << 48; /* no start of a machine has it: see world_start */
    prng_init(&prng, seed, 0);
    world_init(&shadow->world, seed, run->knobs.network_latency_ns);
    shadow->world.run = shadow;
    shadow->world.now_ns = shadow->phase_began_ns = run->world.now_ns; /* what the judge knows has its times */
    shadow->world.net.now_ns = shadow->world.now_ns;
    shadow->world.settled_index = run->world.machine_count == 1 ? UINT64_MAX : 0;
    shadow->knobs = run->knobs;
    shadow->phase = PHASE_VERIFY;
    shadow->is_shadow = true;
    if (run->trace != NULL) shadow->trace = open_memstream(&told, &told_size);
    copy_judge(&run->judge, &shadow->judge);
    group_init(&shadow->group);
    plane_copy(&run->plane, &shadow->plane);
    shadow->plane.trace = shadow->trace;
    add_copies(run, shadow, &prng);
    for (uint64_t crashes = prng_below(&prng, 4); crashes > 0; crashes--) crash_while_recovering(shadow, &prng);
    add_reader(shadow);
    shadow->seen_before = shadow->judge.seen;
    world_after(&shadow->world, SHADOW_PATIENCE_NS, HAPPENS_PHASE, MACHINE_NONE, 0, 0);
    world_run(&shadow->world);
    run->shadow_events += shadow->world.events;
    if (shadow->judge.broken == RULE_NONE) judge_on_end(&shadow->judge);
    if (shadow->judge.broken != RULE_NONE) {
        judge_violated(&run->judge, shadow->judge.broken == RULE_L ? RULE_L : RULE_O12,
                       "if the power were lost now: %.400s", shadow->judge.story);
        memcpy(run->judge.place, shadow->judge.place, sizeof run->judge.place); /* the loss is how, not what */
        run->world.ended = true;
    }
    if (run->trace != NULL) { /* what happens in a shadow is of interest where it is another than it should */
        fclose(shadow->trace);
        fprintf(run->trace, "[%12.6f] -- shadow %u: %s\n", (double)run->world.now_ns / 1e9, (unsigned)run->shadows,
                shadow->judge.broken == RULE_NONE ? "nothing is missing" : shadow->judge.story);
        if (shadow->judge.broken != RULE_NONE) fputs(told, run->trace);
        free(told);
    }
    run_free(shadow);
    free(shadow);
}
