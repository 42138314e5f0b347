/* config.c -- the defaults: what a single node on a laptop wants, and what Kafka's users expect. */
#include "node.h"

enum {
    KIB = 1024,
    MIB = 1024 * 1024,
    TAIL_UNITS_MIN = 16,
    TAIL_UNITS_MAX = 65000, /* numbered with 16 bits */
    PEER_LINKS_MIN = 8,     /* a cluster of three: control and data, both ways, and one that is being replaced */
    PEER_LINKS_MAX = 65536,
    GROUP_TIMERS_MAX = 1 << 26, /* each group and each member has one */
    VOTERS_TARGET_MAX = 7,      /* as many as the consensus engine takes; more would only be slower */
};

#define GROUP_MEMORY_MAX (UINT64_C(64) << 30) /* its blocks are numbered with 30 bits */

void config_init(struct config *config)
{
    *config = (struct config){
        .node_id = 1,

        .voters_target = 5,

        .links_max = 10000,
        .topics_max = 10000,
        .partitions_max = 20000,
        .segments_max = 200000,
        .producers_max = 100000,
        .groups_max = 10000,
        .group_members_max = 50000,
        .group_offsets_max = 1000000,
        .group_memory_size = 256ull * MIB,
        .request_size_max = 100 * MIB,
        .request_memory_size = 1024ull * MIB,
        .tail_unit_size = 256 * KIB,
        .tail_memory_size = 128ull * MIB,
        .journal_file_size = 64 * MIB,
        .journal_files_max = 8,
        .compaction_memory_size = 32ull * MIB,
        .meta_journal_file_size = 8 * MIB,
        .meta_snapshot_entries = 4096,
        .message_size_max = 16 * MIB,

        .num_partitions = 1,
        .replication_factor = 3,
        .auto_create_topics = true,
        .link_idle_ms = 600000,
        .retention_check_interval_ms = 300000,
        .compaction_backoff_ms = 15000,
        .producer_id_expiration_ms = 86400000,
        .message_size_default = MIB + 12,
        .log_segment_size = 1024 * MIB,
        .log_roll_ms = 604800000,
        .log_retention_ms = 604800000,
        .log_retention_size = -1,
        .log_index_interval_size = 4096,
    };
}

static bool is_power_of_two(uint64_t number)
{
    return number > 0 && (number & (number - 1)) == 0;
}

static bool is_reachable(const struct address *address)
{
    return address->host[0] != 0 && address->port != 0;
}

static const char *cluster_contradiction(const struct config *config)
{
    if (!config->cluster_enabled) {
        return config->peer_links_max == 0 ? NULL : "peer_connections_max must be 0 where cluster.enabled is false";
    }
    if (config->peer_links_max < PEER_LINKS_MIN) return "peer_connections_max must be 8 or more";
    if (config->peer_links_max > PEER_LINKS_MAX) return "peer_connections_max must be 65536 or less";
    if (!is_reachable(&config->node_address)) return "advertised_node_addr must have a host and a port";
    if (!is_reachable(&config->wal_address)) return "advertised_wal_addr must have a host and a port";
    if (config->voters_target % 2 == 0 || config->voters_target > VOTERS_TARGET_MAX) {
        return "voters must be 1, 3, 5 or 7";
    }
    if (config->seed_count > SEEDS_MAX) return "seed_nodes must be 16 or fewer";
    for (uint32_t i = 0; i < config->seed_count; i++) {
        const struct seed_node *seed = &config->seeds[i];
        if (seed->node_id < 0 || !is_reachable(&seed->address)) return "each of seed_nodes must be id@host:port";
    }
    return NULL;
}

const char *config_contradiction(const struct config *config)
{
    const uint32_t unit_size = config->tail_unit_size;

    if (config->node_id < 1) return "node_id must be 1 or more";
    if (config->links_max < 1 || config->topics_max < 1 || config->partitions_max < 1 || config->producers_max < 1) {
        return "no limit may be 0";
    }
    if (config->groups_max < 1 || config->group_members_max < 1 || config->group_offsets_max < 1) {
        return "no limit of groups may be 0";
    }
    if ((uint64_t)config->groups_max + config->group_members_max > GROUP_TIMERS_MAX) {
        return "groups_max and group_members_max must not be above 67108864 together";
    }
    if (!is_power_of_two(config->group_memory_size) || config->group_memory_size < 64 * KIB ||
        config->group_memory_size > GROUP_MEMORY_MAX) {
        return "group_memory must be a power of two, of 64KiB or more, and 64GiB or less";
    }
    if (config->segments_max < config->partitions_max) return "segments_max must not be below partitions_max";
    if (unit_size < 4 * KIB || !is_power_of_two(unit_size)) return "tail_unit must be a power of two, of 4KiB or more";
    if (config->tail_memory_size % unit_size != 0) return "tail_memory must be a multiple of tail_unit";
    if (config->tail_memory_size / unit_size < TAIL_UNITS_MIN) return "tail_memory must be 16 times tail_unit or more";
    if (config->tail_memory_size / unit_size > TAIL_UNITS_MAX) return "tail_memory has too many units of tail_unit";
    if (config->tail_memory_size < MIB) return "tail_memory must be 1MiB or more";
    if (config->journal_file_size < 64 * KIB || config->journal_file_size % (4 * KIB) != 0) {
        return "journal_file must be a multiple of 4KiB, and 64KiB or more";
    }
    if (config->journal_files_max < 2 || config->journal_files_max > 64) return "journal_files_max must be 2 to 64";
    if (config->meta_journal_file_size < 64 * KIB || config->meta_journal_file_size % (4 * KIB) != 0) {
        return "meta_journal_file must be a multiple of 4KiB, and 64KiB or more";
    }
    if (config->request_size_max > config->request_memory_size / 4) {
        return "request_memory must be 4 times request_size_max or more";
    }
    return cluster_contradiction(config);
}
