/* replica_calm.h -- a lab of replicas in which nothing happens by chance: one thing at a time. */
#ifndef CHRONIK_TESTS_REPLICA_CALM_H
#define CHRONIK_TESTS_REPLICA_CALM_H

#include "replica_deeds.h"

static struct lab the_lab;

/* Node 1 leads a partition that all have; some only observe it. */
static inline struct lab *lab_observed(uint32_t node_count, uint8_t isr_min, uint32_t streams_max, uint32_t observers)
{
    struct lab *lab = &the_lab;

    memset(lab, 0, sizeof *lab);
    prng_init(&lab->prng, 7, 1);
    prng_init(&lab->net.prng, 7, 2);
    lab->calm = true;
    lab->unfences = true;
    lab->mono_ns = 1000 * LAB_MS;
    lab->node_count = node_count;
    lab->streams_max = streams_max;
    lab->partition_count = 1;
    lab->states = calloc(LAB_STATES, sizeof *lab->states);
    lab->state_count = 1;
    struct lab_config *config = &lab->states[0].configs[0];
    *config = (struct lab_config){ .replica_count = (uint8_t)node_count, .leader = 1, .last_leader = 1 };
    config->isr_min = isr_min;
    config->observers = observers;
    for (int32_t id = 1; id <= (int32_t)node_count; id++) {
        lab->states[0].brokers[id] = (struct lab_broker){ .epoch = ++lab->next_broker_epoch };
        config->replicas[id - 1] = id;
        if ((observers & lab_bit(id)) == 0) config->isr |= lab_bit(id);
        lab->nodes[id].disk = calloc(1, sizeof *lab->nodes[id].disk);
        lab->nodes[id].disk->inode_count = 1;
        prng_init(&lab->nodes[id].disk->prng, 7, 10 + (uint64_t)id);
    }
    for (int32_t id = 1; id <= (int32_t)node_count; id++) lab_start(lab, id);
    lab_run(lab, 100);
    return lab;
}

static inline struct lab *lab_with(uint32_t node_count, uint8_t isr_min, uint32_t streams_max)
{
    return lab_observed(node_count, isr_min, streams_max, 0);
}

static inline struct lab *lab_of(uint32_t node_count, uint8_t isr_min)
{
    return lab_with(node_count, isr_min, 0);
}

static inline const struct replicas_counters *counters_of(struct lab *lab, int32_t id)
{
    return replicas_counters(lab->nodes[id].replicas);
}

static inline struct log_offsets offsets_of(struct lab *lab, int32_t id)
{
    return log_offsets(lab->nodes[id].logs, lab_log(id, 0));
}

/* Appends until so many were. */
static inline void produce(struct lab *lab, uint32_t batches)
{
    const uint64_t end = lab->appends + batches;

    for (uint32_t i = 0; lab->appends < end && i < 100 * batches; i++) {
        lab_produce(lab);
        if (i % 8 == 7) lab_settle_down(lab);
    }
}

static inline void isolate(struct lab *lab, int32_t id, bool isolated)
{
    for (int32_t other = 1; other <= (int32_t)lab->node_count; other++) {
        if (isolated) net_break(&lab->net, id, other);
        if (isolated) net_break(&lab->net, other, id);
        lab->net.links[id][other].cut = lab->net.links[other][id].cut = isolated;
    }
}

/* As many as those, all like the first one. */
static inline void more_partitions(struct lab *lab, uint32_t count)
{
    struct lab_state *state = lab_begin_state(lab);

    for (uint32_t p = 1; p < count; p++) state->configs[p] = state->configs[0];
    lab->partition_count = count;
    lab_run(lab, 50);
}

static inline uint32_t isr_of(struct lab *lab)
{
    return lab_newest(lab)->configs[0].isr;
}

#endif
