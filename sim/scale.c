#include "sim/scale.h"

#include "meta/image.h"
#include "sim/rest.h"
#include "status.h"

#include <string.h>

enum {
    PARTITIONS_PER_NODE = 10,
    BULK_PARTITIONS_MAX = 1000, /* of one topic: what one entry of the metadata log has room for */
    ZONES = 10,                 /* all nodes of one are stopped together */
    SECOND_US = 1000 * 1000,
    ZONE_US = 2 * SECOND_US, /* from one to the next */
};

/* ---- what there is ---- */

void scale_knobs(struct knobs *knobs, const struct wishes *wishes)
{
    knobs->voters = wishes->voters != 0 ? wishes->voters : 5;
    knobs->joiners = 0;
    knobs->replicas = MIN(wishes->replicas != 0 ? wishes->replicas : 3, knobs->nodes);
    knobs->min_isr = MIN(2U, knobs->replicas);
    knobs->lag_ms = 10000;
    knobs->topics = 2;
    knobs->partitions = 16;
    knobs->producers = knobs->idempotent_producers = 3;
    knobs->consumers = 2;
    knobs->administrators = 1;
    knobs->records = 1000;
    knobs->batch_records_max = 10;
    knobs->value_size_max = 300;
    knobs->retention = knobs->settings_change = knobs->rolling = false;
    knobs->zones = MIN((uint32_t)ZONES, knobs->nodes);
    knobs->zone_factor = 3;
    knobs->network_latency_ns = 100 * 1000;
    knobs->write_latency_ns = 20 * 1000;
    knobs->sync_latency_ns = 500 * 1000;
    knobs->bytes_per_ms = 1250 * 1000; /* ten gigabits a second */
    knobs->window_size = 256 * 1024;
    knobs->clock_drift = 5;
    knobs->shadows = 0; /* a copy of all machines for each */
    knobs->checks = 0;  /* nodes check themselves now and then as it is */
    knobs->impatience = 0;
    knobs->patience_ns = 3ull * 1000 * 1000 * 1000;
    knobs->producer_pause_ns = 20 * 1000 * 1000;
    knobs->administration_ns = 100 * 1000 * 1000;
    knobs->chaos_us = (ZONES * ZONE_US) + 6ull * SECOND_US;
    knobs->bulk_partitions = PARTITIONS_PER_NODE * knobs->nodes;
}

void scale_config(const struct knobs *knobs, struct config *config)
{
    const uint32_t partitions = knobs->bulk_partitions + knobs->topics * knobs->partitions + 64;

    config->partitions_max = MAX(config->partitions_max, partitions);
    config->segments_max = MAX(config->segments_max, config->partitions_max);
    config->meta_journal_file_size = 256 * 1024; /* a list of all members, and half of it a topic of many partitions */
    config->meta_snapshot_entries = 256;
    config->journal_file_size = 64 * 1024;
    config->journal_files_max = 6;
}

/* ---- how it grows ---- */

static uint32_t bulk_topics(const struct knobs *knobs)
{
    return (knobs->bulk_partitions + BULK_PARTITIONS_MAX - 1) / BULK_PARTITIONS_MAX;
}

static uint32_t partitions_of(const struct knobs *knobs, uint32_t topic)
{
    return MIN((uint32_t)BULK_PARTITIONS_MAX, knobs->bulk_partitions - topic * BULK_PARTITIONS_MAX);
}

/* The first topic of those that are to be there, and is not; the number of topics: all are. */
static uint32_t missing_topic(const struct run *run)
{
    const struct image *image = node_image(run->world.machines[run->group.leader]->node);
    uint32_t topic = 0;
    char name[32];

    for (; topic < bulk_topics(&run->knobs); topic++) {
        bulk_name(topic, name);
        if (image_topic_by_name(image, (struct bytes){ (const uint8_t *)name, (uint32_t)strlen(name) }) == SLOT_NONE) {
            break;
        }
    }
    return topic;
}

bool scale_has_grown(struct run *run)
{
    if (!rest_is_reached(run)) return false;
    const uint32_t topic = missing_topic(run);
    if (topic == bulk_topics(&run->knobs)) return true;
    make_bulk(run, topic, topic * BULK_PARTITIONS_MAX, partitions_of(&run->knobs, topic));
    return false;
}

/* ---- what befalls it ---- */

static struct fault *add(struct schedule *schedule, uint64_t time_us, enum fault_kind kind, enum machine_role role)
{
    struct fault *fault = &schedule->list[schedule->count++];

    *fault = (struct fault){ .time_us = time_us, .kind = kind, .machines = { .role = role } };
    return fault;
}

void scale_schedule(const struct knobs *knobs, struct schedule *schedule)
{
    uint64_t time_us = SECOND_US;

    schedule->count = 0;
    for (uint32_t zone = 0; zone < knobs->zones; zone++, time_us += ZONE_US) {
        struct fault *fault = add(schedule, time_us, FAULT_STOP, ROLE_ANY);
        fault->machines.range_count = 1;
        fault->machines.ranges[0].first = (uint32_t)((uint64_t)zone * knobs->nodes / knobs->zones);
        fault->machines.ranges[0].last = (uint32_t)((uint64_t)(zone + 1) * knobs->nodes / knobs->zones) - 1;
    }
    add(schedule, time_us, FAULT_POWER_LOSS, ROLE_LEADER)->duration_us = 3 * SECOND_US;
    add(schedule, time_us + SECOND_US + SECOND_US / 2, FAULT_WIPE, ROLE_VOTER)->duration_us = SECOND_US;
}
