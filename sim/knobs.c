/* knobs.c -- what kind of run does this seed make? Everything is drawn, most limits are tiny, and each fault is off in
 * most runs (swarm testing): a wrap, a roll, a full queue happens every few events instead of once a year. */
#include "sim/run.h"

static uint64_t between(struct prng *prng, uint64_t low, uint64_t high)
{
    return low + prng_below(prng, high - low + 1);
}

static void draw_config(struct config *config, struct prng *prng)
{
    config_init(config);
    config->node_id = 1;
    config->advertised_kafka = (struct address){ "node1.sim", 9092 };
    config->links_max = 64;
    config->topics_max = 64;
    config->partitions_max = 128;
    config->segments_max = 4096;
    config->producers_max = (uint32_t)between(prng, 80, 256); /* four producers in each of eighteen partitions fit */
    config->request_size_max = 1 << 20;
    config->request_memory_size = 8 << 20;
    config->tail_unit_size = 4096u << prng_below(prng, 4);
    config->tail_memory_size = 1 << 20;
    if (prng_chance(prng, 1, 2)) config->tail_memory_size += (uint64_t)config->tail_unit_size * prng_below(prng, 64);
    config->journal_file_size = (uint32_t)(64 * 1024 << prng_below(prng, 4));
    config->journal_files_max = (uint32_t)between(prng, 3, 8);
    config->meta_journal_file_size = 64 * 1024;
    config->meta_snapshot_entries = (uint32_t)between(prng, 2, prng_chance(prng, 1, 2) ? 8 : 40);
    config->message_size_max = 64 * 1024;
    config->auto_create_topics = true;
    config->retention_check_interval_ms = (int64_t)between(prng, 200, 3000);
    config->link_idle_ms = 600000;
    config->log_index_interval_size = (int32_t)between(prng, 64, 4096);
    if (prng_chance(prng, 1, 4)) config->log_roll_ms = (int64_t)between(prng, 100, 5000);
}

static void draw_rates(struct fault_rates *rates, struct prng *prng)
{
    static const uint32_t usual[FAULT_COUNT] = {
        [FAULT_POWER_LOSS] = 300, [FAULT_KILL] = 200,      [FAULT_STOP] = 120,      [FAULT_STALL] = 120,
        [FAULT_FULL] = 40,        [FAULT_SYNC_FAILS] = 60, [FAULT_READ_FAILS] = 20, [FAULT_FLIP] = 20,
        [FAULT_RESET] = 200,      [FAULT_CLOG] = 60,       [FAULT_CLOCK_STEP] = 60, [FAULT_PAUSE] = 60,
    };
    for (enum fault_kind kind = 0; kind < FAULT_COUNT; kind++) {
        /* Crashes in most runs, the rest in some; damage in few, since it forgives so much. */
        const bool crash = kind == FAULT_POWER_LOSS || kind == FAULT_KILL;
        const uint32_t chance = crash ? 75 : kind == FAULT_FLIP ? 4 : 30;
        const bool on = prng_chance(prng, chance, 100);
        const uint32_t rate = usual[kind] / 2 + (uint32_t)prng_below(prng, usual[kind]);
        rates->per_100_s[kind] = on ? rate : 0;
    }
    rates->aimed = prng_chance(prng, 3, 4);
}

void knobs_draw(struct knobs *knobs, struct config *config, uint64_t seed)
{
    struct prng prng;

    prng_init(&prng, seed, STREAM_KNOBS);
    draw_config(config, &prng);
    *knobs = (struct knobs){
        .producers = (uint32_t)between(&prng, 1, 4),
        .idempotent_producers = (uint32_t)between(&prng, 1, 4),
        .consumers = (uint32_t)between(&prng, 1, 3),
        .administrators = (uint32_t)between(&prng, 0, 3),
        .topics = (uint32_t)between(&prng, 1, 3),
        .partitions = (uint32_t)between(&prng, 1, 4),
        .records = (uint32_t)between(&prng, 100, 1500),
        .batch_records_max = (uint32_t)between(&prng, 1, 30),
        .value_size_max = (uint32_t)between(&prng, 1, 900),
        .chaos_us = between(&prng, 1000, 8000) * 1000,
        .network_latency_ns = between(&prng, 10, 1000) * 1000,
        .write_latency_ns = between(&prng, 2, 100) * 1000,
        .sync_latency_ns = between(&prng, 50, 3000) * 1000,
        .impatience = prng_chance(&prng, 1, 2) ? (uint32_t)between(&prng, 1, 40) : 0,
        .producer_pause_ns = prng_chance(&prng, 1, 3) ? between(&prng, 10, 1000) * 1000 : 20 * 1000 * 1000,
        .administration_ns = between(&prng, 2, 60) * 1000 * 1000,
        .checks = prng_chance(&prng, 1, 8) ? 1 : (uint32_t)between(&prng, 20, 100),
        .shadows = (uint32_t)between(&prng, 0, 12),
        .retention = prng_chance(&prng, 1, 4),
    };
    if (prng_chance(&prng, 1, 3)) { /* large records: memory runs short */
        knobs->value_size_max = (uint32_t)between(&prng, 1000, 4000);
        knobs->batch_records_max = (uint32_t)between(&prng, 1, 14);
    }
    config->num_partitions = (int32_t)knobs->partitions;
    /* Segments a few batches long, and never shorter than one. */
    const uint64_t batch_size = knobs->batch_records_max * (knobs->value_size_max + 64);
    config->log_segment_size = (int32_t)(batch_size + between(&prng, 1, 6) * (batch_size / 2 + 512));
    if (knobs->retention) {
        config->log_retention_ms = (int64_t)between(&prng, 200, 20000);
        config->log_retention_size = (int64_t)between(&prng, 4, 200) * 1024;
    }
    draw_rates(&knobs->rates, &prng);
}
