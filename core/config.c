/* config.c -- the defaults: what a single node on a laptop wants, and what Kafka's users expect. */
#include "node.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

void config_init(struct config *config)
{
    *config = (struct config){
        .node_id = 1,

        .links_max = 10000,
        .topics_max = 10000,
        .partitions_max = 20000,
        .segments_max = 200000,
        .producers_max = 100000,
        .request_size_max = 100 * MIB,
        .request_memory_size = 1024ull * MIB,
        .tail_unit_size = 256 * KIB,
        .tail_memory_size = 128ull * MIB,
        .journal_file_size = 64 * MIB,
        .journal_files_max = 8,
        .meta_journal_file_size = 8 * MIB,
        .meta_snapshot_entries = 4096,
        .message_size_max = 16 * MIB,

        .num_partitions = 1,
        .auto_create_topics = true,
        .link_idle_ms = 600000,
        .retention_check_interval_ms = 300000,
        .producer_id_expiration_ms = 86400000,
        .message_size_default = MIB + 12,
        .log_segment_size = 1024 * MIB,
        .log_roll_ms = 604800000,
        .log_retention_ms = 604800000,
        .log_retention_size = -1,
        .log_index_interval_size = 4096,
    };
}
