/* report_partitions.c -- partitions, one by one: as JSON for people, and as metrics under the names that Kafka's have
 * behind the usual JMX exporter rules. */
#include "report.h"

#include "base/check.h"

#include <inttypes.h>

/* ---- as JSON ---- */

static void add_ids(struct page *page, const char *name, const int32_t *ids, uint32_t count)
{
    page_add(page, ", \"%s\": [", name);
    for (uint32_t i = 0; i < count; i++) page_add(page, "%s%d", i == 0 ? "" : ", ", ids[i]);
    page_add(page, "]");
}

static void add_log(struct page *page, const struct node_partition *partition)
{
    page_add(page,
             ", \"log_start_offset\": %" PRId64 ", \"high_watermark\": %" PRId64 ", \"log_end_offset\": %" PRId64
             ", \"bytes\": %" PRIu64,
             partition->log_start_offset, partition->high_watermark, partition->log_end_offset, partition->size);
}

/* What would be lost if this node were all that is left. */
static void add_lack(struct page *page, const struct node_partition *partition)
{
    page_add(page, ", \"lacks\": {\"records\": %" PRIu64 ", \"heard_seconds_ago\": %.3f}", partition->lack_records,
             (double)partition->lack_silent_ms / 1e3);
}

static void add_followers(struct page *page, const struct node_partition *partition)
{
    page_add(page, ", \"followers\": [");
    for (uint32_t i = 0; i < partition->follower_count; i++) {
        const struct node_follower *follower = &partition->followers[i];
        page_add(page,
                 "%s{\"node_id\": %d, \"in_sync\": %s, \"observes\": %s, \"streaming\": %s, \"lag_records\": %" PRIu64
                 ", \"lag_bytes\": %" PRIu64 ", \"lag_seconds\": %.3f}",
                 i == 0 ? "" : ", ", follower->node_id, follower->in_sync ? "true" : "false",
                 follower->observes ? "true" : "false", follower->streaming ? "true" : "false", follower->lag_records,
                 follower->lag_size, (double)follower->lag_ms / 1e3);
    }
    page_add(page, "]");
}

void report_partitions(const struct report_sources *sources, struct page *page)
{
    struct node_partition partition;
    uint64_t place = 0;
    bool is_first = true;

    page_add(page, "[");
    while (node_next_partition(sources->node, &place, &partition)) {
        page_add(page, "%s{\"topic\": ", is_first ? "" : ",\n ");
        page_add_json(page, partition.topic);
        page_add(page, ", \"partition\": %d, \"leader\": %d, \"leader_epoch\": %d, \"partition_epoch\": %d",
                 partition.index, partition.leader, partition.leader_epoch, partition.partition_epoch);
        add_ids(page, "replicas", partition.replicas, partition.replica_count);
        add_ids(page, "observers", partition.observers, partition.observer_count);
        add_ids(page, "isr", partition.isr, partition.isr_count);
        add_ids(page, "elr", partition.elr, partition.elr_count);
        page_add(page, ", \"min_isr\": %u", partition.min_isr);
        if (partition.is_here) add_log(page, &partition);
        if (partition.lack_is_known) add_lack(page, &partition);
        if (partition.is_led) add_followers(page, &partition);
        page_add(page, "}");
        is_first = false;
    }
    page_add(page, "]\n");
}

/* ---- as metrics ---- */

enum of_which { OF_REPLICAS, OF_LED };

struct gauge {
    const char *name, *help;
    enum of_which which;
    int64_t (*value)(const struct node_partition *partition);
};

static int64_t in_sync(const struct node_partition *partition)
{
    return partition->isr_count;
}
static int64_t all_replicas(const struct node_partition *partition)
{
    return partition->replica_count;
}
static int64_t under_replicated(const struct node_partition *partition)
{
    return partition->isr_count < partition->replica_count;
}
static int64_t under_min_isr(const struct node_partition *partition)
{
    return partition->isr_count < partition->min_isr;
}
static int64_t at_min_isr(const struct node_partition *partition)
{
    return partition->isr_count == partition->min_isr;
}
static int64_t leader_epoch(const struct node_partition *partition)
{
    return partition->leader_epoch;
}
static int64_t start_offset(const struct node_partition *partition)
{
    return partition->log_start_offset;
}
static int64_t end_offset(const struct node_partition *partition)
{
    return partition->log_end_offset;
}
static int64_t high_watermark(const struct node_partition *partition)
{
    return partition->high_watermark;
}
static int64_t size(const struct node_partition *partition)
{
    return (int64_t)partition->size;
}

static const struct gauge gauges[] = {
    { "kafka_cluster_partition_replicascount", "Replicas.", OF_LED, all_replicas },
    { "kafka_cluster_partition_insyncreplicascount", "Replicas in sync.", OF_LED, in_sync },
    { "kafka_cluster_partition_underreplicated", "1 where a replica is not in sync.", OF_LED, under_replicated },
    { "kafka_cluster_partition_underminisr", "1 where too few are for acks=all.", OF_LED, under_min_isr },
    { "kafka_cluster_partition_atminisr", "1 where none may be lost for acks=all.", OF_LED, at_min_isr },
    { "kafka_log_log_logstartoffset", "First offset.", OF_REPLICAS, start_offset },
    { "kafka_log_log_logendoffset", "Next offset.", OF_REPLICAS, end_offset },
    { "kafka_log_log_size", "Bytes.", OF_REPLICAS, size },
    { "chronik_partition_high_watermark", "Every record below is committed.", OF_REPLICAS, high_watermark },
    { "chronik_partition_leader_epoch", "Leader epoch.", OF_REPLICAS, leader_epoch },
};

static void add_gauge(const struct report_sources *sources, const struct gauge *gauge, struct page *page)
{
    struct node_partition partition;
    uint64_t place = 0;

    page_add(page, "# HELP %s %s\n# TYPE %s gauge\n", gauge->name, gauge->help, gauge->name);
    while (node_next_partition(sources->node, &place, &partition)) {
        if (gauge->which == OF_LED ? !partition.is_led : !partition.is_here) continue;
        page_add(page, "%s{topic=\"%s\",partition=\"%d\"} %" PRId64 "\n", gauge->name, partition.topic, partition.index,
                 gauge->value(&partition));
    }
}

enum lag { LAG_RECORDS, LAG_SIZE, LAG_MS };

static void add_lag(const struct report_sources *sources, const char *name, const char *help, enum lag lag,
                    struct page *page)
{
    struct node_partition partition;
    uint64_t place = 0;

    page_add(page, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
    while (node_next_partition(sources->node, &place, &partition)) {
        for (uint32_t i = 0; i < partition.follower_count; i++) {
            const struct node_follower *follower = &partition.followers[i];
            page_add(page, "%s{topic=\"%s\",partition=\"%d\",follower=\"%d\"} ", name, partition.topic, partition.index,
                     follower->node_id);
            switch (lag) {
            case LAG_RECORDS: page_add(page, "%" PRIu64 "\n", follower->lag_records); break;
            case LAG_SIZE: page_add(page, "%" PRIu64 "\n", follower->lag_size); break;
            case LAG_MS: page_add(page, "%.3f\n", (double)follower->lag_ms / 1e3); break;
            }
        }
    }
}

void report_partition_metrics(const struct report_sources *sources, struct page *page)
{
    for (uint32_t i = 0; i < COUNT_OF(gauges); i++) add_gauge(sources, &gauges[i], page);
    add_lag(sources, "chronik_follower_lag_records", "Records that a follower lacks.", LAG_RECORDS, page);
    add_lag(sources, "chronik_follower_lag_bytes", "Bytes that a follower lacks.", LAG_SIZE, page);
    add_lag(sources, "chronik_follower_lag_seconds", "How long a follower has lacked something.", LAG_MS, page);
}
