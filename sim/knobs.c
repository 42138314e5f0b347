/* knobs.c -- what kind of run does this seed make? Everything is drawn, most limits are tiny, and each fault is off in
 * most runs (swarm testing): a wrap, a roll, a full queue happens every few events instead of once a year. */
#include "sim/scale.h"

#include <string.h>

static uint64_t between(struct prng *prng, uint64_t low, uint64_t high)
{
    return low + prng_below(prng, high - low + 1);
}

/* ---- what the nodes are told ---- */

static void draw_config(struct config *config, struct prng *prng)
{
    config_init(config);
    config->links_max = 64;
    config->topics_max = 64;
    config->partitions_max = 128;
    config->segments_max = 4096;
    config->producers_max = (uint32_t)between(prng, 80, 256); /* four producers in each of eighteen partitions fit */
    config->groups_max = 64;
    config->group_members_max = 256;
    config->group_offsets_max = 2048;
    config->group_memory_size = 1 << 20;
    config->request_size_max = 1 << 20;
    config->request_memory_size = 8 << 20;
    config->tail_unit_size = 4096u << prng_below(prng, 4);
    config->tail_memory_size = 1 << 20;
    if (prng_chance(prng, 1, 2)) config->tail_memory_size += (uint64_t)config->tail_unit_size * prng_below(prng, 64);
    config->journal_file_size = (uint32_t)(64 * 1024 << prng_below(prng, 4));
    config->journal_files_max = (uint32_t)between(prng, 3, 8);
    config->compaction_memory_size = 16 * 1024;
    config->compaction_backoff_ms = 200;
    config->meta_journal_file_size = 64 * 1024;
    config->meta_snapshot_entries = (uint32_t)between(prng, 2, prng_chance(prng, 1, 2) ? 8 : 40);
    config->message_size_max = 64 * 1024;
    config->auto_create_topics = true;
    config->retention_check_interval_ms = (int64_t)between(prng, 200, 3000);
    config->link_idle_ms = 600000;
    if (prng_chance(prng, 1, 4)) config->log_roll_ms = (int64_t)between(prng, 100, 5000);
}

static void set_address(struct address *address, uint32_t number, uint16_t port)
{
    snprintf(address->host, sizeof address->host, "n%u", number + 1);
    address->port = port;
}

void knobs_config(const struct knobs *knobs, const struct config *common, uint32_t number, struct config *config)
{
    *config = *common;
    config->node_id = (int32_t)number + 1;
    set_address(&config->advertised_kafka, number, 9092);
    if (knobs->nodes + knobs->joiners == 1) return;
    config->cluster_enabled = true;
    config->peer_links_max = knobs->peer_links;
    if (knobs->profile == PROFILE_SCALE) scale_config(knobs, config);
    else if (knobs->peer_links > 256)
        config->meta_journal_file_size = 2 << 20; /* a member list has to fit into an entry */
    config->voters_target = knobs->voters;
    config->observer = number < knobs->nodes && number + knobs->observers >= knobs->nodes;
    set_address(&config->node_address, number, 9093);
    set_address(&config->wal_address, number, 9291);
    const bool in_line =
        knobs->profile == PROFILE_SCALE; /* one zone behind the other: they are stopped in that order */
    const uint32_t zone = in_line ? (uint32_t)((uint64_t)number * knobs->zones / knobs->nodes) : number % knobs->zones;
    snprintf(config->rack, sizeof config->rack, "zone-%u", zone);
}

void knobs_seed(struct config *config, uint32_t number)
{
    struct seed_node *seed = &config->seeds[config->seed_count++];

    seed->node_id = (int32_t)number + 1;
    set_address(&seed->address, number, 9093);
}

/* ---- what goes wrong ---- */

enum { QUIET_US = 50 * 1000 };

/* Per 100 seconds where one machine is all there is, and how likely the kind is in a run, in 100ths. */
static const struct usual {
    uint32_t rate, chance;
    bool needs_others; /* it means nothing to a machine that is alone */
} usual[FAULT_COUNT] = {
    [FAULT_POWER_LOSS] = { 300, 75, false }, [FAULT_KILL] = { 200, 75, false }, [FAULT_STOP] = { 120, 30, false },
    [FAULT_STALL] = { 160, 45, false },      [FAULT_FULL] = { 40, 30, false },  [FAULT_SYNC_FAILS] = { 90, 40, false },
    [FAULT_READ_FAILS] = { 20, 30, false },  [FAULT_FLIP] = { 20, 4, false },   [FAULT_RESET] = { 200, 30, false },
    [FAULT_CLOG] = { 60, 30, false },        [FAULT_MUTE] = { 30, 20, false },  [FAULT_PARTITION] = { 60, 50, true },
    [FAULT_SWIZZLE] = { 20, 25, true },      [FAULT_SLOW] = { 30, 25, true },   [FAULT_REFUSE] = { 40, 20, false },
    [FAULT_CLOCK_STEP] = { 60, 30, false },  [FAULT_PAUSE] = { 60, 30, false }, [FAULT_WIPE] = { 40, 35, true },
    [FAULT_JOIN] = { 60, 50, true },         [FAULT_REMOVE] = { 50, 40, true }, [FAULT_TRANSFER] = { 40, 30, true },
};

/* Crashes in most runs, the rest in some; damage in few, since it forgives so much. */
static void draw_rates(struct fault_rates *rates, struct prng *prng, const struct knobs *knobs)
{
    for (enum fault_kind kind = 0; kind <= FAULT_TRANSFER; kind++) { /* disasters come by wish only */
        const bool on = prng_chance(prng, usual[kind].chance, 100);
        uint32_t rate = usual[kind].rate / 2 + (uint32_t)prng_below(prng, usual[kind].rate);
        if (knobs->nodes > 1) rate = rate * MIN(knobs->nodes + 2, 12U) / 4;
        if (knobs->nodes == 1 && usual[kind].needs_others) rate = 0;
        if (knobs->nodes > 1 && kind == FAULT_FLIP) rate = 0; /* it forgives the run its losses: all nodes' */
        rates->per_100_s[kind] = on && knobs->profile != PROFILE_CALM ? rate : 0;
    }
    rates->aimed = prng_chance(prng, 3, 4);
    rates->quiet_us = QUIET_US;
}

/* Of what makes others lead, or leaves a replica behind, some kinds happen often, and to those whom it hurts; of all
 * else little. Nothing happens before there are partitions. */
static void trouble_replicas(struct fault_rates *rates, struct prng *prng)
{
    static const enum fault_kind kinds[] = { FAULT_POWER_LOSS, FAULT_KILL,  FAULT_STOP, FAULT_PAUSE,
                                             FAULT_PARTITION,  FAULT_STALL, FAULT_CLOG, FAULT_RESET,
                                             FAULT_WIPE,       FAULT_SLOW,  FAULT_FULL };

    for (enum fault_kind kind = 0; kind < FAULT_COUNT; kind++) rates->per_100_s[kind] /= 3;
    for (uint32_t i = 0; i < COUNT_OF(kinds); i++) {
        rates->per_100_s[kinds[i]] = prng_chance(prng, 1, 2) ? (uint32_t)between(prng, 40, 400) : 0;
    }
    rates->aimed = true;
    rates->at_replicas = (uint32_t)between(prng, 30, 95);
    rates->aftershocks = prng_chance(prng, 1, 2) ? (uint32_t)between(prng, 10, 70) : 0;
    rates->quiet_us = between(prng, 50, 500) * 1000;
}

/* ---- what there is ---- */

static uint32_t draw_nodes(struct prng *prng, const struct wishes *wishes)
{
    static const uint32_t some[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 3, 3, 3, 2, 4, 5, 5, 7 };
    const uint32_t drawn = some[prng_below(prng, COUNT_OF(some))];

    if (wishes->nodes != 0) return wishes->nodes;
    if (wishes->profile == PROFILE_LITE) return drawn >= 4 ? 4 : 3;
    if (wishes->profile == PROFILE_CALM) return 5;
    return wishes->profile == PROFILE_SCALE ? 1000 : drawn;
}

static void draw_times(struct knobs *knobs, struct prng *prng)
{
    knobs->chaos_us = between(prng, 1000, 8000) * 1000;
    knobs->network_latency_ns = between(prng, 10, 1000) * 1000;
    knobs->write_latency_ns = between(prng, 2, 100) * 1000;
    knobs->sync_latency_ns = between(prng, 50, 3000) * 1000;
    knobs->impatience = prng_chance(prng, 1, 2) ? (uint32_t)between(prng, 1, 40) : 0;
    knobs->patience_ns = between(prng, 400, prng_chance(prng, 1, 2) ? 3000 : 20000) * 1000 * 1000;
    knobs->producer_pause_ns = prng_chance(prng, 1, 3) ? between(prng, 10, 1000) * 1000 : 20 * 1000 * 1000;
    knobs->administration_ns =
        prng_chance(prng, 1, 3) ? between(prng, 100, 2000) * 1000 : between(prng, 2, 60) * 1000 * 1000;
    knobs->checks = prng_chance(prng, 1, 8) ? 1 : (uint32_t)between(prng, 20, 100);
    knobs->shadows = (uint32_t)between(prng, 0, 12);
    knobs->clock_drift = prng_chance(prng, 1, 3) ? (uint32_t)between(prng, 1, 50) : 0;
    knobs->zones = prng_chance(prng, 1, 3) ? (uint32_t)between(prng, 2, 3) : 1;
    knobs->zone_factor = (uint32_t)between(prng, 2, 20);
    knobs->bytes_per_ms = prng_chance(prng, 1, 3) ? between(prng, 2000, 200000) : 0;
    knobs->window_size = 1024u << prng_below(prng, 9);
    knobs->rolling = prng_chance(prng, 1, 2);
}

/* Segments a few batches long, and never shorter than one. */
static void draw_segments(const struct knobs *knobs, struct config *config, struct prng *prng)
{
    const uint64_t batch_size = knobs->batch_records_max * (knobs->value_size_max + 64);
    config->log_segment_size = (int32_t)(batch_size + between(prng, 1, 6) * (batch_size / 2 + 512));
    config->log_index_interval_size = (int32_t)between(prng, 64, 4096);
}

void knobs_redraw(const struct knobs *knobs, struct config *config, uint64_t start)
{
    struct prng prng;

    prng_init(&prng, knobs->seed ^ (uint64_t)config->node_id << 32, (uint64_t)STREAM_KNOBS << 32 | start);
    if (knobs->settings_change && prng_chance(&prng, 1, 2)) draw_segments(knobs, config, &prng);
}

static void draw_replicas(struct knobs *knobs, struct prng *prng, uint32_t replicas_max)
{
    struct prng own = *prng; /* what is drawn here shifts nothing of other runs */

    if (knobs->nodes == 1 || replicas_max == 0) return;
    const uint32_t max = MIN(replicas_max, knobs->nodes - knobs->observers);
    knobs->replicas = prng_chance(&own, 2, 3) ? max : (uint32_t)between(&own, 1, max);
    knobs->min_isr = MIN(1 + (uint32_t)prng_below(&own, 3), MAX(knobs->replicas, 1U));
    knobs->lag_ms = (uint32_t)between(&own, 500, prng_chance(&own, 1, 2) ? 1000 : 10000); /* beats come every 100 */
    knobs->remote_reads = prng_chance(&own, 1, 2) ? (uint32_t)prng_below(&own, 100) : 0;
    if (knobs->replicas > 1 && prng_chance(&own, 1, 3)) knobs->moves = (uint32_t)between(&own, 1, 20);
}

/* Whether partitions have several replicas, and whether all of the run is about who leads them and who follows. */
struct replication {
    uint32_t replicas_max; /* 0: topics come by themselves */
    bool in_focus;
};

static struct replication draw_replication(struct knobs *knobs, const struct prng *prng, const struct wishes *wishes)
{
    struct prng own = *prng; /* what is drawn here shifts nothing of other runs */
    const bool lite = knobs->profile == PROFILE_LITE;
    const bool any = prng_chance(&own, lite ? 7 : 4, 8), focus = prng_chance(&own, lite ? 15 : 8, 16);
    const bool observed = prng_chance(&own, 1, 2);
    struct replication drawn = { .replicas_max = wishes->replicas };

    if (knobs->nodes == 1 || knobs->nodes > 16 || (!lite && knobs->profile != PROFILE_SWARM)) return drawn;
    if (any && wishes->replicas == 0) drawn.replicas_max = 3;
    /* Groups and disasters take their time. */
    drawn.in_focus = focus && drawn.replicas_max > 1 && wishes->members == 0 && wishes->disasters == 0;
    if (observed && drawn.replicas_max > 1 && knobs->nodes > 3 && wishes->disasters == 0) knobs->observers = 1;
    return drawn;
}

/* Little to do, and much trouble: replicas fall behind and come back, leaders follow each other in no time, and few
 * records are under way when they do. */
static void focus_on_replicas(struct knobs *knobs, struct config *config, const struct prng *prng)
{
    struct prng own = *prng;

    knobs->chaos_us = between(&own, 1500, 5000) * 1000;
    knobs->joiners = prng_chance(&own, 1, 4) ? MIN(knobs->joiners, 1U) : 0;
    knobs->producers = (uint32_t)prng_below(&own, 2);
    knobs->idempotent_producers = (uint32_t)between(&own, 1, 2);
    knobs->consumers = 1;
    knobs->administrators = (uint32_t)between(&own, 1, 2);
    knobs->topics = prng_chance(&own, 1, 6) ? 2 : 1;
    knobs->partitions = (uint32_t)between(&own, 1, 2);
    knobs->records = (uint32_t)between(&own, 50, 200);
    knobs->batch_records_max = (uint32_t)between(&own, 1, 4);
    knobs->value_size_max = (uint32_t)(prng_chance(&own, 1, 4) ? between(&own, 1000, 4000) : between(&own, 1, 300));
    if (prng_chance(&own, 3, 4)) knobs->producer_pause_ns = knobs->chaos_us * 1000 * 4 / knobs->records;
    knobs->administration_ns = between(&own, 2, 100) * 1000 * 1000;
    knobs->shadows = (uint32_t)between(&own, 0, 10);
    knobs->patience_ns = between(&own, 400, 3000) * 1000 * 1000;
    knobs->lag_ms = (uint32_t)between(&own, 150, 700);
    if (prng_chance(&own, 1, 2)) knobs->min_isr = MIN(2U, knobs->replicas);
    knobs->moves = (uint32_t)between(&own, 0, 60);
    if (prng_chance(&own, 1, 2)) config->journal_file_size = 64 * 1024; /* what is copied does not fit into a round */
}

static void draw_owners_and_liars(struct knobs *knobs, const struct prng *prng)
{
    struct prng own = *prng; /* shifts nothing of other runs */

    if (knobs->nodes > 16 || knobs->disasters > 0 || knobs->profile == PROFILE_CALM) return;
    if (prng_chance(&own, 1, 3)) knobs->owners = 1 + (uint32_t)prng_below(&own, 2);
    knobs->liars = prng_chance(&own, 1, 4);
}

/* So that a hundred of them fit into a second: everything happens, and little of it. */
static void make_little(struct knobs *knobs, struct prng *prng)
{
    knobs->chaos_us = between(prng, 300, 1200) * 1000;
    knobs->joiners = MIN(knobs->joiners, 1U);
    knobs->producers = (uint32_t)between(prng, 0, 1);
    knobs->idempotent_producers = 1;
    knobs->consumers = 1;
    knobs->administrators = (uint32_t)between(prng, 0, 1);
    knobs->topics = (uint32_t)between(prng, 1, 2);
    knobs->partitions = (uint32_t)between(prng, 1, 2);
    knobs->records = (uint32_t)between(prng, 20, 150);
    knobs->batch_records_max = (uint32_t)between(prng, 1, 6);
    knobs->value_size_max = (uint32_t)between(prng, 1, 300);
    knobs->shadows = (uint32_t)between(prng, 0, 20);
}

/* So many in all: somebody reads, in any case, and of the others most write. */
static void count_clients(struct knobs *knobs, uint32_t clients)
{
    knobs->consumers = MAX(1U, clients / 4);
    knobs->administrators = MIN(clients / 4, 4U); /* each has a topic of its own to configure */
    const uint32_t left = clients - knobs->consumers - knobs->administrators;
    knobs->producers = left / 2;
    knobs->idempotent_producers = left - left / 2;
}

static void heed_wishes(struct knobs *knobs, const struct wishes *wishes)
{
    if (wishes->topics != 0) knobs->topics = wishes->topics;
    if (wishes->partitions != 0) knobs->partitions = wishes->partitions;
    knobs->partitions = MIN(knobs->partitions, TARGETS_MAX / knobs->topics);
    if (wishes->clients != 0) count_clients(knobs, wishes->clients);
}

void knobs_draw(struct knobs *knobs, struct config *config, uint64_t seed, const struct wishes *wishes)
{
    struct prng prng;

    prng_init(&prng, seed, STREAM_KNOBS);
    draw_config(config, &prng);
    *knobs = (struct knobs){
        .profile = wishes->profile,
        .nodes = draw_nodes(&prng, wishes),
        .voters = wishes->voters != 0 ? wishes->voters : 1 + 2 * (uint32_t)prng_below(&prng, 3),
        .producers = (uint32_t)between(&prng, 1, 4),
        .idempotent_producers = (uint32_t)between(&prng, 1, 4),
        .consumers = (uint32_t)between(&prng, 1, 3),
        .administrators = (uint32_t)between(&prng, 0, 4),
        .topics = (uint32_t)between(&prng, 1, 3),
        .partitions = (uint32_t)between(&prng, 1, 4),
        .records = (uint32_t)between(&prng, 100, 1500),
        .batch_records_max = (uint32_t)between(&prng, 1, 30),
        .value_size_max = (uint32_t)between(&prng, 1, 900),
        .retention = prng_chance(&prng, 1, 4),
        .settings_change = prng_chance(&prng, 1, 2),
        .seed = seed,
        .images = 1,
    };
    draw_times(knobs, &prng);
    const uint32_t joiners = (uint32_t)between(&prng, 0, 3);
    if (knobs->nodes > 1) knobs->joiners = joiners;
    knobs->peer_links = MAX(64U, 2 * (knobs->nodes + knobs->joiners));
    if (knobs->nodes > 16) { /* what looks at all of a node takes time that grows with their number */
        knobs->images = knobs->nodes / 2;
        knobs->checks = 20 * knobs->nodes;
        knobs->shadows = 0;
    }
    if (prng_chance(&prng, 1, 3)) { /* large records: memory runs short */
        knobs->value_size_max = (uint32_t)between(&prng, 1000, 4000);
        knobs->batch_records_max = (uint32_t)between(&prng, 1, 14);
    }
    /* What a power loss of all nodes at once would leave costs as many starts as there are nodes. */
    if (knobs->nodes > 1) knobs->shadows = (knobs->shadows + knobs->nodes / 2) / ((knobs->nodes + 1) / 2);
    if (knobs->profile == PROFILE_LITE) make_little(knobs, &prng);
    if (knobs->profile == PROFILE_CALM) knobs->shadows = 0; /* it is there to measure the nodes */
    const struct replication replication = draw_replication(knobs, &prng, wishes);
    if (wishes->observers != 0) knobs->observers = wishes->observers;
    knobs->observers = MIN(knobs->observers, knobs->nodes - 1);
    draw_replicas(knobs, &prng, replication.replicas_max);
    if (replication.in_focus) focus_on_replicas(knobs, config, &prng);
    heed_wishes(knobs, wishes);
    const uint32_t places = knobs->idempotent_producers * knobs->topics * MAX(knobs->partitions, 6U);
    if (wishes->clients + wishes->topics + wishes->partitions > 0) config->producers_max = MAX(256U, places);
    if (wishes->moves != 0) knobs->moves = wishes->moves;
    knobs->members = wishes->members;
    knobs->disasters = knobs->nodes > 1 ? wishes->disasters : 0;
    if (knobs->profile == PROFILE_SCALE) scale_knobs(knobs, wishes);
    config->num_partitions = (int32_t)knobs->partitions;
    config->replication_factor = 1; /* who wants more asks for it */
    draw_segments(knobs, config, &prng);
    if (knobs->retention) {
        config->log_retention_ms = (int64_t)between(&prng, 200, 20000);
        config->log_retention_size = (int64_t)between(&prng, 4, 200) * 1024;
    }
    draw_rates(&knobs->rates, &prng, knobs);
    if (replication.in_focus) trouble_replicas(&knobs->rates, &prng);
    draw_owners_and_liars(knobs, &prng);
    config->log_compacts = prng_chance(&prng, 1, 4);
}

/* When there was time for something to be lost, and there is time to come back. It is somebody else each time. */
static void draw_disasters(const struct knobs *knobs, struct schedule *schedule, uint64_t seed)
{
    struct prng prng;

    prng_init(&prng, seed, (uint64_t)STREAM_FAULTS << 32 | FAULT_RECOVER);
    for (uint32_t i = 0; i < knobs->disasters && schedule->count < SCHEDULE_MAX; i++) {
        struct fault *fault = &schedule->list[schedule->count++];
        const uint64_t share_us = knobs->chaos_us / knobs->disasters;
        *fault = (struct fault){ .kind = prng_chance(&prng, 1, 2) ? FAULT_RECOVER : FAULT_PROMOTE };
        fault->time_us = i * share_us + between(&prng, share_us / 4, share_us * 2 / 3);
        fault->machines.range_count = 1;
        fault->machines.ranges[0].first = (uint32_t)prng_below(&prng, knobs->nodes);
        fault->machines.ranges[0].last = fault->machines.ranges[0].first;
    }
    if (knobs->disasters > 0) schedule_sort(schedule);
}

void knobs_draw_faults(const struct knobs *knobs, struct schedule *schedule, uint64_t seed)
{
    if (knobs->profile == PROFILE_SCALE) {
        scale_schedule(knobs, schedule);
        return;
    }
    schedule_draw(schedule, seed, &knobs->rates, knobs->nodes + knobs->joiners, knobs->nodes, knobs->rates.quiet_us,
                  knobs->chaos_us);
    draw_disasters(knobs, schedule, seed);
}
