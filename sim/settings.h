/* settings.h -- all that a run is made of besides its faults, as names and numbers: so that it can be said in a file,
 * and cut down one by one. What is not given is whatever the seed draws. */
#ifndef CHRONIK_SIM_SETTINGS_H
#define CHRONIK_SIM_SETTINGS_H

#include "sim/run.h"

/* X(name, whose field it is, least, most). A knob may be less than the seed would ever draw: 0 producers are few. */
/* clang-format off */
#define EACH_SETTING(X) \
    X(nodes,                       knobs,  1, NODES_MAX) \
    X(joiners,                     knobs,  0, 1000) \
    X(voters,                      knobs,  1, 7) \
    X(peer_links,                  knobs,  64, 2 * NODES_MAX + 2000) \
    X(producers,                   knobs,  0, 32) \
    X(idempotent_producers,        knobs,  0, 32) \
    X(consumers,                   knobs,  1, 32) \
    X(administrators,              knobs,  0, 8) \
    X(topics,                      knobs,  1, TOPICS_MAX) \
    X(partitions,                  knobs,  1, TARGETS_MAX) \
    X(bulk_partitions,             knobs,  0, 1000000) \
    X(replicas,                    knobs,  0, 7) \
    X(moves,                       knobs,  0, 100) \
    X(disasters,                   knobs,  0, 3) \
    X(observers,                   knobs,  0, 8) \
    X(members,                     knobs,  0, 32) \
    X(owners,                      knobs,  0, 8) \
    X(liars,                       knobs,  0, 8) \
    X(min_isr,                     knobs,  0, 7) \
    X(lag_ms,                      knobs,  0, 1000000) \
    X(remote_reads,                knobs,  0, 100) \
    X(records,                     knobs,  0, 100000) \
    X(batch_records_max,           knobs,  1, 64) \
    X(value_size_max,              knobs,  1, 8000) \
    X(impatience,                  knobs,  0, 1000) \
    X(patience_ns,                 knobs,  1000000, 1000000000000) \
    X(producer_pause_ns,           knobs,  1, 1000000000000) \
    X(administration_ns,           knobs,  1, 1000000000000) \
    X(chaos_us,                    knobs,  0, 3600000000) \
    X(network_latency_ns,          knobs,  1000, 1000000000) \
    X(write_latency_ns,            knobs,  100, 1000000000) \
    X(sync_latency_ns,             knobs,  100, 1000000000) \
    X(zones,                       knobs,  1, 100) \
    X(zone_factor,                 knobs,  1, 1000) \
    X(bytes_per_ms,                knobs,  0, 1000000000) \
    X(window_size,                 knobs,  512, 1 << 24) \
    X(clock_drift,                 knobs,  0, 100) \
    X(checks,                      knobs,  0, 1000000) \
    X(shadows,                     knobs,  0, 1000) \
    X(shadows_from_us,             knobs,  0, 3600000000) \
    X(images,                      knobs,  0, 1000000) \
    X(retention,                   knobs,  0, 1) \
    X(settings_change,             knobs,  0, 1) \
    X(rolling,                     knobs,  0, 1) \
    X(canary,                      knobs,  0, 1000) \
    X(producers_max,               config, 1, 100000) \
    X(tail_unit_size,              config, 4096, 1 << 20) \
    X(tail_memory_size,            config, 1 << 20, 1 << 28) \
    X(journal_file_size,           config, 65536, 1 << 28) \
    X(journal_files_max,           config, 3, 64) \
    X(meta_journal_file_size,      config, 65536, 1 << 28) \
    X(meta_snapshot_entries,       config, 1, 100000) \
    X(retention_check_interval_ms, config, 1, 1000000000) \
    X(log_roll_ms,                 config, 1, 1000000000000) \
    X(log_segment_size,            config, 512, 1 << 30) \
    X(log_compacts,                config, 0, 1) \
    X(log_index_interval_size,     config, 1, 1 << 30) \
    X(log_retention_ms,            config, -1, 1000000000000) \
    X(log_retention_size,          config, -1, 1000000000000)
/* clang-format on */

enum setting {
#define X(name, of, least, most) SETTING_##name,
    EACH_SETTING(X)
#undef X
        SETTING_COUNT
};

struct settings {
    uint32_t count; /* how many are given */
    bool given[SETTING_COUNT];
    int64_t values[SETTING_COUNT];
};

void settings_give(struct settings *settings, enum setting setting, int64_t value);

/* All of them, as they were drawn. */
void settings_take(struct settings *settings, const struct knobs *knobs, const struct config *config);

/* What is given replaces what was drawn. */
void settings_apply(const struct settings *settings, struct knobs *knobs, struct config *config);

/* Why no run can be made of these; NULL: one can. */
const char *settings_contradiction(const struct settings *settings, uint64_t seed, const struct wishes *wishes);

/* "nodes=3 voters=1 ...", starting with the so-manieth that is given, as many as fit. Returns where to go on. */
uint32_t settings_format(const struct settings *settings, uint32_t from, char *text, uint32_t size);

/* One "name=value". False, and *problem says why. */
bool settings_parse(struct settings *settings, const char *text, const char **problem);

#endif
