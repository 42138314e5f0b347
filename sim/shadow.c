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
    }
    judge_read_again(copy);
}

/* A consumer that wants everything. */
static void add_reader(struct run *shadow)
{
    struct client *reader = &shadow->clients[shadow->client_count++];

    *reader = (struct client){ .kind = CLIENT_CONSUMER, .producer_id = -1 };
    session_init(&reader->session);
    prng_init(&reader->prng, shadow->world.seed, STREAM_CLIENT);
    client_wake(shadow, reader, 1);
}

static void crash_while_recovering(struct run *shadow, struct prng *prng)
{
    shadow->world.events_max = shadow->world.events + 1 + prng_below(prng, 60);
    world_run(&shadow->world);
    shadow->world.events_max = UINT64_MAX;
    if (shadow->world.machines[0].state != PROCESS_UP) return;
    world_lose_power(&shadow->world, 0, (enum loss)prng_below(prng, LOSS_COUNT));
    world_start(&shadow->world, 0);
}

void shadow_perhaps(struct run *run, struct client *client, uint32_t weight)
{
    if (prng_chance(&client->prng, MIN(run->knobs.shadows * weight, 1000U), 1000)) shadow_check(run);
}

void shadow_check(struct run *run)
{
    struct machine *machine = &run->world.machines[0];
    struct prng prng;

    if (run->damaged || machine->state != PROCESS_UP || run->phase == PHASE_DONE) return;
    struct run *shadow = calloc(1, sizeof *shadow);
    const uint64_t seed = run->world.seed ^ ++run->shadows << 32;
    prng_init(&prng, seed, 0);
    world_init(&shadow->world, seed);
    shadow->world.run = shadow;
    shadow->world.now_ns = shadow->phase_began_ns = run->world.now_ns; /* what the judge knows has its times */
    shadow->world.wall_base_ms = run->world.wall_base_ms;
    shadow->knobs = run->knobs;
    shadow->phase = PHASE_VERIFY;
    shadow->is_shadow = true;
    shadow->trace = run->trace;
    if (run->trace != NULL) fprintf(run->trace, "--- shadow %u\n", (unsigned)run->shadows);
    copy_judge(&run->judge, &shadow->judge);
    world_add_machine(&shadow->world, &machine->config);
    disk_free(&shadow->world.machines[0].disk);
    disk_copy_after_loss(&machine->disk, &shadow->world.machines[0].disk, seed,
                         prng_chance(&prng, 1, 2) ? LOSS_ALL : LOSS_MIXED);
    world_start(&shadow->world, 0);
    for (uint64_t crashes = prng_below(&prng, 4); crashes > 0; crashes--) crash_while_recovering(shadow, &prng);
    add_reader(shadow);
    shadow->seen_before = shadow->judge.seen;
    world_after(&shadow->world, SHADOW_PATIENCE_NS, HAPPENS_PHASE, 0, 0, 0);
    world_run(&shadow->world);
    if (shadow->judge.broken == RULE_NONE) judge_on_end(&shadow->judge);
    if (shadow->judge.broken != RULE_NONE) {
        judge_violated(&run->judge, shadow->judge.broken == RULE_L ? RULE_L : RULE_O12,
                       "if the power were lost now: %.400s", shadow->judge.story);
        run->world.ended = true;
    }
    if (run->trace != NULL) fprintf(run->trace, "--- end of shadow\n");
    run_free(shadow);
    free(shadow);
}
