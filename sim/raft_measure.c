#include "sim/raft_measure.h"

#include "base/check.h"

#include <stdlib.h>
#include <time.h>

enum { BATCHES_PER_S = 5000, KEEP_ENTRIES = 20000, COMPACT_ENTRIES = 50000 };

struct offers {
    uint64_t *at_ns, *index; /* of each batch: when it was offered, its last entry once it is proposed */
    double *latencies_ms;
    uint32_t offered, proposed, applied;
};

static double cpu_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static struct raft_node *wait_for_leader(struct raft_world *world)
{
    const uint64_t until_ns = world->now_ns + 60000 * MS;
    while ((raft_world_leader(world) == NULL || !raft_world_is_at_rest(world)) && world->now_ns < until_ns) {
        raft_world_run(world, world->now_ns + MS);
    }
    return raft_world_leader(world);
}

static void propose(struct raft_world *world, struct raft_node *leader, struct offers *offers)
{
    const uint32_t batches = MIN(offers->offered - offers->proposed, RAFT_PROPOSE_MAX / RAFT_MEASURE_BATCH);

    if (batches == 0 || raft_world_propose(world, leader, batches * RAFT_MEASURE_BATCH) != RAFT_ACCEPTED) return;
    const uint64_t last_index = leader->engine->last_index(leader->raft);
    for (uint32_t i = 0; i < batches; i++) {
        const uint64_t behind = (uint64_t)(batches - 1 - i) * RAFT_MEASURE_BATCH;
        offers->index[offers->proposed++] = last_index - behind;
    }
}

static void note_applied(const struct raft_world *world, const struct raft_node *leader, struct offers *offers)
{
    for (; offers->applied < offers->proposed; offers->applied++) {
        if (offers->index[offers->applied] > leader->applied) return;
        const uint64_t took_ns = world->now_ns - offers->at_ns[offers->applied];
        offers->latencies_ms[offers->applied] = (double)took_ns / 1e6;
    }
}

/* Nobody writes snapshots here; the logs would only grow. */
static void compact(struct raft_world *world)
{
    for (uint32_t i = 0; i < world->config.nodes; i++) {
        const struct raft_engine *engine = world->nodes[i].engine;
        struct raft *raft = world->nodes[i].raft;
        if (engine->commit_index(raft) <= engine->first_index(raft) + COMPACT_ENTRIES) continue;
        engine->on_snapshot_taken(raft, engine->commit_index(raft), 100);
        engine->compact(raft, engine->commit_index(raft) - KEEP_ENTRIES);
    }
}

void raft_measure(const struct raft_engine *engine, uint32_t guards, uint64_t delay_ns, uint32_t seconds,
                  struct raft_measured *measured)
{
    const struct raft_world_config config = { .engine = engine,
                                              .guards = guards,
                                              .seed = 1,
                                              .voters = 5,
                                              .nodes = 5,
                                              .delay_ns = delay_ns,
                                              .disk_ns = MS / 10,
                                              .ordered = true,
                                              .roomy = true };
    struct raft_world *world = raft_world_new(&config);
    struct raft_node *leader = wait_for_leader(world);
    const uint32_t max = seconds * BATCHES_PER_S;
    struct offers offers = {
        calloc(max, sizeof(uint64_t)), calloc(max, sizeof(uint64_t)), calloc(max, sizeof(double)), 0, 0, 0
    };

    CHECK(leader != NULL);
    const uint64_t begin_ns = world->now_ns, begin_index = leader->applied;
    const double cpu_begin_ns = cpu_ns();
    while (offers.offered < max) {
        const uint64_t next_ns = begin_ns + offers.offered * MS / 5;
        while (world->queue_count > 0 && world->queue[0].at_ns <= next_ns) {
            raft_world_run(world, world->queue[0].at_ns);
            note_applied(world, leader, &offers);
            propose(world, leader, &offers);
        }
        raft_world_run(world, next_ns);
        offers.at_ns[offers.offered++] = world->now_ns;
        propose(world, leader, &offers);
        compact(world);
    }
    const uint64_t committed = leader->applied - begin_index;
    qsort(offers.latencies_ms, offers.applied, sizeof(double), compare);
    const bool any = offers.applied > 0;
    *measured = (struct raft_measured){ .commits_per_s = (double)committed / seconds,
                                        .latency_p50_ms = any ? offers.latencies_ms[offers.applied / 2] : 0,
                                        .latency_p99_ms = any ? offers.latencies_ms[offers.applied / 100 * 99] : 0,
                                        .cpu_us = (cpu_ns() - cpu_begin_ns) / 1e3 / (double)MAX(committed, 1) };
    free(offers.at_ns);
    free(offers.index);
    free(offers.latencies_ms);
    raft_world_free(world);
}
