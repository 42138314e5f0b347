#include "report.h"

#include "base/check.h"
#include "log.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

/* As Kafka names them in its request metrics. */
static const char *const api_names[STATUS_API_KEYS_MAX] = {
    [0] = "Produce",
    [1] = "Fetch",
    [2] = "ListOffsets",
    [3] = "Metadata",
    [8] = "OffsetCommit",
    [9] = "OffsetFetch",
    [10] = "FindCoordinator",
    [11] = "JoinGroup",
    [12] = "Heartbeat",
    [13] = "LeaveGroup",
    [14] = "SyncGroup",
    [15] = "DescribeGroups",
    [16] = "ListGroups",
    [17] = "SaslHandshake",
    [18] = "ApiVersions",
    [19] = "CreateTopics",
    [20] = "DeleteTopics",
    [21] = "DeleteRecords",
    [22] = "InitProducerId",
    [23] = "OffsetForLeaderEpoch",
    [24] = "AddPartitionsToTxn",
    [25] = "AddOffsetsToTxn",
    [26] = "EndTxn",
    [27] = "WriteTxnMarkers",
    [28] = "TxnOffsetCommit",
    [29] = "DescribeAcls",
    [30] = "CreateAcls",
    [31] = "DeleteAcls",
    [32] = "DescribeConfigs",
    [33] = "AlterConfigs",
    [34] = "AlterReplicaLogDirs",
    [35] = "DescribeLogDirs",
    [36] = "SaslAuthenticate",
    [37] = "CreatePartitions",
    [42] = "DeleteGroups",
    [43] = "ElectLeaders",
    [44] = "IncrementalAlterConfigs",
    [45] = "AlterPartitionReassignments",
    [46] = "ListPartitionReassignments",
    [47] = "OffsetDelete",
    [48] = "DescribeClientQuotas",
    [49] = "AlterClientQuotas",
    [50] = "DescribeUserScramCredentials",
    [51] = "AlterUserScramCredentials",
    [55] = "DescribeQuorum",
    [57] = "UpdateFeatures",
    [60] = "DescribeCluster",
    [61] = "DescribeProducers",
    [65] = "DescribeTransactions",
    [66] = "ListTransactions",
    [68] = "ConsumerGroupHeartbeat",
    [69] = "ConsumerGroupDescribe",
    [75] = "DescribeTopicPartitions",
};

/* One number with a name of its own. */
struct figure {
    const char *name;
    const char *type;
    const char *help;
    uint64_t value;
};

static void add_figure(struct page *page, const struct figure *figure)
{
    page_add(page, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", figure->name, figure->help, figure->name,
             figure->type, figure->name, figure->value);
}

static void add_head(struct page *page, const char *name, const char *type, const char *help)
{
    page_add(page, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Under the names that Kafka's metrics have behind the usual JMX exporter rules: dashboards know these. */
static void add_kafka(struct page *page, const struct node_status *status)
{
    const struct figure figures[] = {
        { "kafka_server_brokertopicmetrics_messagesin_total", "counter", "Records appended.", status->messages_in },
        { "kafka_server_brokertopicmetrics_bytesin_total", "counter", "Bytes of record batches produced.",
          status->produced_size },
        { "kafka_server_brokertopicmetrics_bytesout_total", "counter", "Bytes of record batches fetched.",
          status->fetched_size },
        { "kafka_server_brokertopicmetrics_failedproducerequests_total", "counter",
          "Partitions of produce requests answered with an error.", status->produces_failed },
        { "kafka_server_brokertopicmetrics_failedfetchrequests_total", "counter",
          "Partitions of fetch requests answered with an error.", status->fetches_failed },
        { "kafka_server_brokertopicmetrics_totalproducerequests_total", "counter", "Produce requests.",
          status->apis[0].requests },
        { "kafka_server_brokertopicmetrics_totalfetchrequests_total", "counter", "Fetch requests.",
          status->apis[1].requests },
        { "kafka_server_replicamanager_partitioncount", "gauge", "Partitions with a replica here.", status->replicas },
        { "kafka_server_replicamanager_leadercount", "gauge", "Partitions led here.", status->leaders },
        { "kafka_server_replicamanager_underreplicatedpartitions", "gauge", "Partitions led here that lack a replica.",
          status->under_replicated },
        { "kafka_server_replicamanager_underminisrpartitioncount", "gauge",
          "Partitions led here with fewer in-sync replicas than min.insync.replicas.", status->under_min_isr },
        { "kafka_server_replicamanager_atminisrpartitioncount", "gauge",
          "Partitions led here with as many in-sync replicas as min.insync.replicas.", status->at_min_isr },
        { "kafka_server_replicamanager_offlinereplicacount", "gauge", "Replicas here of partitions without a leader.",
          status->offline_replicas },
        { "kafka_server_replicamanager_isrshrinks_total", "counter", "Replicas that fell out of sync.",
          status->isr_shrinks },
        { "kafka_server_replicamanager_isrexpands_total", "counter", "Replicas that came into sync.",
          status->isr_expands },
        { "kafka_server_replicafetchermanager_maxlag", "gauge", "Records that a follower of this node lacks at most.",
          status->lag_records },
        { "kafka_server_brokertopicmetrics_replicationbytesin_total", "counter", "Bytes from leaders.",
          status->replicated_in_size },
        { "kafka_server_brokertopicmetrics_replicationbytesout_total", "counter", "Bytes to followers.",
          status->replicated_out_size },
        { "kafka_controller_kafkacontroller_preferredreplicaimbalancecount", "gauge",
          "Partitions that another replica than the first one leads.", status->not_preferred },
        { "kafka_controller_kafkacontroller_activecontrollercount", "gauge", "1 on the node that leads the metadata.",
          status->is_controller },
        { "kafka_controller_kafkacontroller_offlinepartitionscount", "gauge", "Partitions without a leader.",
          status->offline },
        { "kafka_controller_controllerstats_uncleanleaderelections_total", "counter",
          "Elections after which committed records may be missing, as this node has seen them.",
          log_note_count(NOTE_LEADER_UNCLEAN) },
        { "kafka_controller_kafkacontroller_globaltopiccount", "gauge", "Topics in the cluster.", status->topics },
        { "kafka_controller_kafkacontroller_globalpartitioncount", "gauge", "Partitions in the cluster.",
          status->partitions },
    };
    for (uint32_t i = 0; i < COUNT_OF(figures); i++) add_figure(page, &figures[i]);

    static const char requests[] = "kafka_network_requestmetrics_requests_total";
    static const char errors[] = "kafka_network_requestmetrics_errors_total";
    static const char times[] = "kafka_network_requestmetrics_totaltimems_sum";
    add_head(page, requests, "counter", "Requests by API.");
    for (uint32_t key = 0; key < STATUS_API_KEYS_MAX; key++) {
        if (api_names[key] == NULL || status->apis[key].requests == 0) continue;
        page_add(page, "%s{request=\"%s\"} %" PRIu64 "\n", requests, api_names[key], status->apis[key].requests);
    }
    add_head(page, errors, "counter", "Requests answered with an error, by API.");
    for (uint32_t key = 0; key < STATUS_API_KEYS_MAX; key++) {
        if (api_names[key] == NULL || status->apis[key].requests == 0) continue;
        page_add(page, "%s{request=\"%s\"} %" PRIu64 "\n", errors, api_names[key], status->apis[key].errors);
    }
    add_head(page, times, "counter", "Milliseconds from the last byte of requests to their answers, by API.");
    for (uint32_t key = 0; key < STATUS_API_KEYS_MAX; key++) {
        if (api_names[key] == NULL || status->apis[key].requests == 0) continue;
        page_add(page, "%s{request=\"%s\"} %" PRIu64 ".%03u\n", times, api_names[key], status->apis[key].time_us / 1000,
                 (unsigned)(status->apis[key].time_us % 1000));
    }
}

static void add_node(struct page *page, const struct node_status *status)
{
    const struct figure figures[] = {
        { "chronik_node_state", "gauge", "0 starting, 1 serving, 2 stopping.", status->state },
        { "chronik_topics", "gauge", "Topics.", status->topics },
        { "kafka_server_replicamanager_reassigningpartitions", "gauge",
          "Partitions led here that are on the way to other replicas.", status->reassigning },
        { "chronik_links", "gauge", "Open client connections.", status->links },
        { "chronik_links_opened_total", "counter", "Client connections since the start.", status->links_opened },
        { "chronik_received_bytes_total", "counter", "Bytes from clients.", status->received_size },
        { "chronik_sent_bytes_total", "counter", "Bytes to clients.", status->sent_size },
        { "chronik_waiting_fetches", "gauge", "Fetches that wait for data.", status->waiting_fetches },
        { "chronik_waiting_produces", "gauge", "Produces that wait for durability.", status->waiting_produces },
        { "chronik_request_memory_bytes", "gauge", "Memory for requests and answers, used.",
          status->request_memory_used },
        { "chronik_request_memory_limit_bytes", "gauge", "Memory for requests and answers, at most.",
          status->request_memory_max },
        { "chronik_tail_memory_bytes", "gauge", "Memory for what was appended lately, used.",
          status->tail_memory_used },
        { "chronik_tail_memory_limit_bytes", "gauge", "Memory for what was appended lately, at most.",
          status->tail_memory_max },
        { "chronik_journal_bytes", "gauge", "Journal on disk that is still needed.", status->journal_used },
        { "chronik_journal_limit_bytes", "gauge", "What the journal may grow to.", status->journal_max },
        { "chronik_logs_bytes", "gauge", "Bytes of all logs.", status->logs_size },
        { "chronik_producers_forgotten_total", "counter",
          "Idempotent producers that were forgotten before their time for want of room.", status->producers_forgotten },
        { "chronik_disk_full", "gauge", "1 while produces are refused for want of space.", status->disk_full },
        { "chronik_meta_index", "gauge", "Metadata index applied.", (uint64_t)status->meta_index },
        { "chronik_meta_term", "gauge", "Metadata term.", (uint64_t)status->meta_term },
        { "chronik_meta_commits_total", "counter", "Metadata records committed.", status->meta_commits },
        { "chronik_commit_rounds_total", "counter", "Journal rounds made durable.", status->commit_rounds },
        { "chronik_throttles_total", "counter", "Times that a connection was not read for want of memory.",
          status->throttles },
        { "chronik_produce_throttles_total", "counter", "Requests of clients that have sent more than their quota.",
          status->produce_throttles },
        { "chronik_produce_throttle_ms_total", "counter", "... and how long those were to wait.",
          status->produce_throttle_ms },
        { "chronik_fetch_throttles_total", "counter", "Requests of clients that have taken more than their quota.",
          status->fetch_throttles },
        { "chronik_fetch_throttle_ms_total", "counter", "... and how long those were to wait.",
          status->fetch_throttle_ms },
        { "chronik_segments_rolled_total", "counter", "Segments begun.", status->segments_rolled },
        { "chronik_segments_deleted_total", "counter", "Segments dropped.", status->segments_deleted },
    };

    for (uint32_t i = 0; i < COUNT_OF(figures); i++) add_figure(page, &figures[i]);
}

/* Of compaction: three under Kafka's names, the rest is more than Kafka tells. */
static void add_compaction(struct page *page, const struct node_status *status)
{
    const struct compaction_usage *usage = &status->compaction;
    const uint64_t recopied = usage->bytes_read == 0 ? 0 : usage->bytes_written * 100 / usage->bytes_read;
    const struct figure figures[] = {
        { "kafka_log_logcleanermanager_time_since_last_run_ms", "gauge", "Since a log was compacted.",
          status->compaction_idle_ms },
        { "kafka_log_logcleanermanager_uncleanable_partitions_count", "gauge",
          "Partitions of which a part, or all, is not compacted before the next start.", usage->uncleanable },
        { "kafka_log_logcleaner_cleaner_recopy_percent", "gauge", "Bytes written of those read by compaction.",
          recopied },
        { "chronik_compaction_runs_total", "counter", "Logs compacted.", usage->runs },
        { "chronik_compaction_failures_total", "counter", "... and given up on the way.", usage->failures },
        { "chronik_compaction_busy_seconds_total", "counter", "Time that it took.", usage->busy_ns / 1000000000 },
        { "chronik_compaction_read_bytes_total", "counter", "Bytes read by compaction.", usage->bytes_read },
        { "chronik_compaction_written_bytes_total", "counter", "Bytes written by it.", usage->bytes_written },
        { "chronik_compaction_replaced_bytes_total", "counter", "Bytes of segments that others took the place of.",
          usage->bytes_before },
        { "chronik_compaction_kept_bytes_total", "counter", "Bytes of those.", usage->bytes_after },
        { "chronik_compaction_removed_records_total", "counter", "Records that compaction removed.",
          usage->records_removed },
        { "chronik_compaction_removed_keyless_total", "counter", "... because they had no key.",
          usage->keyless_removed },
    };

    for (uint32_t i = 0; i < COUNT_OF(figures); i++) add_figure(page, &figures[i]);
}

/* Of consumer groups that are coordinated here; under Kafka's names, as far as it has any. */
static void add_groups(struct page *page, const struct node_status *status)
{
    const struct groups_usage *usage = &status->groups;
    const struct figure figures[] = {
        { "kafka_coordinator_group_groupmetadatamanager_numgroups", "gauge", "Groups coordinated here.",
          usage->groups },
        { "kafka_coordinator_group_groupmetadatamanager_numgroupsempty", "gauge", "... without members.",
          usage->empty },
        { "kafka_coordinator_group_groupmetadatamanager_numgroupspreparingrebalance", "gauge",
          "... that wait for their members to join.", usage->preparing },
        { "kafka_coordinator_group_groupmetadatamanager_numgroupscompletingrebalance", "gauge",
          "... that wait for an assignment.", usage->completing },
        { "kafka_coordinator_group_groupmetadatamanager_numgroupsstable", "gauge", "... at rest.", usage->stable },
        { "kafka_coordinator_group_groupmetadatamanager_numgroupsdead", "gauge", "... that are being deleted.",
          usage->dead },
        { "kafka_coordinator_group_groupmetadatamanager_numoffsets", "gauge",
          "Partitions that groups have an offset for, and commits under way.", usage->offsets },
        { "kafka_coordinator_group_group_coordinator_metrics_offset_commit_count", "counter", "Offsets committed.",
          usage->offsets_committed },
        { "kafka_coordinator_group_group_coordinator_metrics_offset_deletion_count", "counter", "Offsets deleted.",
          usage->offsets_deleted },
        { "kafka_coordinator_group_group_coordinator_metrics_offset_expiration_count", "counter",
          "Offsets that were too old.", usage->offsets_expired },
        { "kafka_coordinator_group_group_coordinator_metrics_group_completed_rebalance_count", "counter",
          "Generations begun.", usage->rebalances },
        { "chronik_group_members", "gauge", "Members of groups coordinated here.", usage->members },
        { "chronik_group_commits_total", "counter", "Batches of offsets committed.", usage->commits },
        { "chronik_group_memory_bytes", "gauge", "Names, subscriptions and assignments of groups.",
          usage->memory_used },
        { "chronik_group_memory_max_bytes", "gauge", "What there is room for.", usage->memory_max },
        { "chronik_group_partitions_loading", "gauge", "Partitions of __consumer_offsets that are being loaded.",
          usage->loading },
        { "chronik_group_partitions_failed", "gauge", "... that could not be, and are tried again.", usage->failed },
        { "chronik_group_loads_total", "counter", "Partitions of __consumer_offsets that were loaded.", usage->loads },
        { "chronik_group_load_failures_total", "counter", "... or could not be.", usage->load_failures },
    };

    for (uint32_t i = 0; i < COUNT_OF(figures); i++) add_figure(page, &figures[i]);
}

static void add_of_node(struct page *page, const struct node_status *status, const struct figure *figure)
{
    page_add(page, "# HELP %s %s\n# TYPE %s %s\n%s{node_id=\"%d\"} %" PRIu64 "\n", figure->name, figure->help,
             figure->name, figure->type, figure->name, status->node_id, figure->value);
}

/* Of the group that agrees on the metadata, and of the links between nodes. */
static void add_cluster(struct page *page, const struct node_status *status)
{
    const struct figure figures[] = {
        { "raft_leader_elections_total", "counter", "Elections that this node won.", status->elections_won },
        { "raft_leader_changes_total", "counter", "Changes of the leader that this node heard of.",
          status->leaders_seen },
        { "raft_append_entries_total", "counter", "Messages with entries, sent.", status->appends },
        { "raft_vote_requests_total", "counter", "Requests for votes, sent.", status->vote_requests },
        { "raft_heartbeats_total", "counter", "Messages without entries, sent.", status->heartbeats },
        { "raft_log_entries", "gauge", "Entries in the log above the newest snapshot.", status->meta_entries },
        { "raft_current_term", "gauge", "Term.", (uint64_t)status->meta_term },
        { "raft_commit_index", "gauge", "Index up to which entries are committed.", status->meta_commit_index },
        { "raft_applied_index", "gauge", "Index up to which entries are applied.", (uint64_t)status->meta_index },
        { "raft_is_leader", "gauge", "1 on the node that leads.", status->is_controller },
        { "raft_voters", "gauge", "Members that vote.", status->voters },
        { "raft_learners", "gauge", "Members that only follow.", status->learners },
        { "raft_snapshot_index", "gauge", "Index of the newest snapshot.", status->meta_snapshot_index },
        { "raft_snapshot_bytes", "gauge", "Size of the newest snapshot.", status->meta_snapshot_size },
        { "raft_snapshots_taken_total", "counter", "Snapshots taken.", status->meta_snapshots },
        { "raft_snapshots_sent_total", "counter", "Snapshots sent to members that were left behind.",
          status->snapshots_sent },
        { "raft_snapshots_installed_total", "counter", "Snapshots received and installed.",
          status->snapshots_installed },
        { "raft_members_forgot_total", "counter", "Members whose disk lacks what they had acknowledged.",
          status->members_forgot },
        { "chronik_fenced_brokers", "gauge", "Brokers that are registered, and fenced.", status->fenced_brokers },
        { "chronik_wishes", "gauge", "Changes of metadata that this node waits for.", status->wishes },
        { "chronik_peer_links", "gauge", "Links to other nodes.", status->peer_links },
        { "chronik_peer_dials_total", "counter", "Links that this node tried to open.", status->peer_dials },
        { "chronik_peer_misses_total", "counter", "... and that did not come up.", status->peer_misses },
        { "chronik_peers_turned_away_total", "counter", "Nodes that were refused.", status->peers_turned_away },
        { "chronik_peer_received_bytes_total", "counter", "Bytes from other nodes.", status->peer_received_size },
        { "chronik_peer_sent_bytes_total", "counter", "Bytes to other nodes.", status->peer_sent_size },
        { "chronik_peer_frames_lost_total", "counter", "Frames that found no room or no link.", status->frames_lost },
        { "chronik_observer", "gauge", "1 on a node that follows and does not count.", status->observes },
        { "chronik_if_alone_records_lost", "gauge",
          "Committed records that this node lacked when their leaders were heard last.", status->followed_lack },
        { "chronik_if_alone_partitions_behind", "gauge", "Partitions of which it lacked some.",
          status->followed_behind },
        { "chronik_if_alone_partitions_unknown", "gauge", "Partitions whose leader it has not heard.",
          status->followed_unheard },
        { "chronik_if_alone_heard_milliseconds_ago", "gauge", "Since when nothing is known of some leader.",
          status->followed_silent_ms },
        { "chronik_replica_lag_bytes", "gauge", "Bytes that followers of this node lack.", status->lag_size },
        { "chronik_replica_catch_up_seconds", "gauge", "Until they have them, as fast as bytes leave now.",
          status->catch_up_seconds },
        { "chronik_replica_truncations_total", "counter", "Times that a follower here gave up records.",
          status->truncations },
        { "chronik_replica_refusals_total", "counter", "Streams that a follower could not take.",
          status->replica_refusals },
        { "chronik_replicas_offline_total", "counter", "Replicas here that somebody has to look at.",
          status->replicas_offline },
        { "chronik_peer_frames_refused_total", "counter", "Frames that say what cannot be.", status->frames_refused },
    };

    for (uint32_t i = 0; i < COUNT_OF(figures); i++) add_of_node(page, status, &figures[i]);
}

static void add_host(struct page *page, const struct report_sources *sources)
{
    const struct net_counts net = net_counts(sources->net);
    const struct disk_counts disk = disk_counts(sources->disk);
    const struct figure figures[] = {
        { "chronik_connections_accepted_total", "counter", "Connections accepted.", net.accepted },
        { "chronik_connections_refused_total", "counter", "Connections closed at once: too many.", net.refused },
        { "chronik_connections_stalled_total", "counter", "Connections closed because they took no data.",
          net.stalled },
        { "chronik_connections_lost_total", "counter", "Connections lost to an error.", net.lost },
        { "chronik_socket_received_bytes_total", "counter", "Bytes read from sockets.", net.received_size },
        { "chronik_socket_sent_bytes_total", "counter", "Bytes written to sockets.", net.sent_size },
        { "chronik_cold_sends_total", "counter", "File ranges read from the disk before they were sent.", net.warmed },
        { "chronik_disk_orders_total", "counter", "Orders for files.", disk.orders },
        { "chronik_disk_waiting", "gauge", "Orders for files under way.", disk.waiting },
        { "chronik_disk_written_bytes_total", "counter", "Bytes written to files.", disk.written_size },
        { "chronik_disk_read_bytes_total", "counter", "Bytes read from files.", disk.read_size },
        { "chronik_disk_cached_reads_total", "counter", "Reads answered from the page cache at once.",
          disk.reads_at_once },
        { "chronik_disk_commits_on_loop_total", "counter",
          "Commits done by the loop thread, as nothing else was to do.", disk.commits_here },
        { "chronik_disk_failures_total", "counter", "Orders for files that failed.", disk.failures },
        { "chronik_log_lines_dropped_total", "counter", "Log lines left out because there were too many.",
          log_lines_dropped() },
    };

    for (uint32_t i = 0; i < COUNT_OF(figures); i++) add_figure(page, &figures[i]);
    add_head(page, "chronik_disk_sync_seconds", "summary", "fdatasync.");
    page_add(page, "chronik_disk_sync_seconds_sum %.6f\nchronik_disk_sync_seconds_count %" PRIu64 "\n",
             (double)disk.sync_ns / 1e9, disk.syncs);
    add_head(page, "chronik_notes_total", "counter", "What the node has said, by event.");
    for (enum note_id id = 0; id < NOTE_COUNT; id++) {
        page_add(page, "chronik_notes_total{event=\"%s\"} %" PRIu64 "\n", log_note_name(id), log_note_count(id));
    }
}

static uint64_t resident_size(void)
{
    unsigned long long all = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file == NULL) return 0;
    const int read = fscanf(file, "%llu %llu", &all, &resident);
    fclose(file);
    return read == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static uint32_t open_descriptors(void)
{
    uint32_t count = 0;
    DIR *directory = opendir("/proc/self/fd");

    if (directory == NULL) return 0;
    while (readdir(directory) != NULL) count++;
    closedir(directory);
    return count - 3; /* ".", "..", and the one that looks */
}

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static uint64_t uptime_ms(const struct report_sources *sources)
{
    return uv_now(sources->loop) - sources->start_ms;
}

static void add_process(struct page *page, const struct report_sources *sources)
{
    const struct figure figures[] = {
        { "process_resident_memory_bytes", "gauge", "Resident memory.", resident_size() },
        { "process_open_fds", "gauge", "Open file descriptors.", open_descriptors() },
    };

    for (uint32_t i = 0; i < COUNT_OF(figures); i++) add_figure(page, &figures[i]);
    add_head(page, "process_cpu_seconds_total", "counter", "CPU time, user and system.");
    page_add(page, "process_cpu_seconds_total %.3f\n", cpu_seconds());
    add_head(page, "chronik_uptime_seconds", "gauge", "Time since the start.");
    page_add(page, "chronik_uptime_seconds %.3f\n", (double)uptime_ms(sources) / 1e3);
    add_head(page, "chronik_build_info", "gauge", "The version that runs.");
    page_add(page, "chronik_build_info{version=\"%s\"} 1\n", CHRONIK_VERSION);
}

void report_metrics(const struct report_sources *sources, const struct node_status *status, struct page *page)
{
    add_kafka(page, status);
    report_partition_metrics(sources, page);
    add_node(page, status);
    add_compaction(page, status);
    add_groups(page, status);
    add_cluster(page, status);
    report_quorum(sources, status, page);
    add_host(page, sources);
    add_process(page, sources);
}

void report_status(const struct report_sources *sources, const struct node_status *status, const char *state,
                   struct page *page)
{
    const struct net_counts net = net_counts(sources->net);
    const struct disk_counts disk = disk_counts(sources->disk);
    char cluster_id[UUID_TEXT_SIZE + 1];

    uuid_format(&status->cluster_id, cluster_id);
    cluster_id[UUID_TEXT_SIZE] = 0;
    page_add(page, "{\n  \"state\": \"%s\",\n  \"version\": \"%s\",\n  \"uptime_seconds\": %.3f,\n", state,
             CHRONIK_VERSION, (double)uptime_ms(sources) / 1e3);
    page_add(page, "  \"node_id\": %d,\n  \"cluster_id\": \"%s\",\n  \"is_controller\": %s,\n", status->node_id,
             cluster_id, status->is_controller ? "true" : "false");
    page_add(page, "  \"topics\": %u,\n  \"partitions\": %u,\n  \"offline_partitions\": %u,\n", status->topics,
             status->partitions, status->offline);
    page_add(page,
             "  \"replication\": {\"under_replicated\": %u, \"under_min_isr\": %u, \"reassigning\": %u, \"lag_bytes\": "
             "%" PRIu64 ", \"catch_up_seconds\": %u, \"bytes_in\": %" PRIu64 ", \"bytes_out\": %" PRIu64 "},\n",
             status->under_replicated, status->under_min_isr, status->reassigning, status->lag_size,
             status->catch_up_seconds, status->replicated_in_size, status->replicated_out_size);
    page_add(page,
             "  \"rebalance\": {\"goes_on\": %s, \"partitions_moving\": %u, \"replicas_to_move\": %u, "
             "\"leaders_to_change\": %u},\n",
             status->evens ? "true" : "false", status->moving, status->evens ? status->unmoved : 0,
             status->evens ? status->not_preferred : 0);
    page_add(page, "  \"metadata\": {\"index\": %" PRId64 ", \"term\": %" PRId64 "},\n", status->meta_index,
             status->meta_term);
    page_add(page,
             "  \"observer\": %s,\n  \"if_alone\": {\"partitions\": %u, \"behind\": %u, \"records_lost\": %" PRIu64
             ", \"unknown\": %u, \"heard_seconds_ago\": %.3f},\n",
             status->observes ? "true" : "false", status->followed, status->followed_behind, status->followed_lack,
             status->followed_unheard, (double)status->followed_silent_ms / 1e3);
    page_add(page,
             "  \"connections\": {\"open\": %u, \"accepted\": %" PRIu64 ", \"refused\": %" PRIu64
             ", \"stalled\": %" PRIu64 "},\n",
             status->links, net.accepted, net.refused, net.stalled);
    page_add(page, "  \"waiting\": {\"fetches\": %u, \"produces\": %u},\n", status->waiting_fetches,
             status->waiting_produces);
    page_add(page, "  \"messages_in\": %" PRIu64 ",\n  \"bytes_in\": %" PRIu64 ",\n  \"bytes_out\": %" PRIu64 ",\n",
             status->messages_in, status->produced_size, status->fetched_size);
    page_add(page, "  \"journal\": {\"bytes\": %" PRIu64 ", \"limit_bytes\": %" PRIu64 ", \"rounds\": %" PRIu64 "},\n",
             status->journal_used, status->journal_max, status->commit_rounds);
    page_add(page, "  \"tail\": {\"bytes\": %" PRIu64 ", \"limit_bytes\": %" PRIu64 "},\n", status->tail_memory_used,
             status->tail_memory_max);
    page_add(page, "  \"request_memory\": {\"bytes\": %" PRIu64 ", \"limit_bytes\": %" PRIu64 "},\n",
             status->request_memory_used, status->request_memory_max);
    page_add(page,
             "  \"disk\": {\"full\": %s, \"logs_bytes\": %" PRIu64 ", \"orders_waiting\": %u, \"failures\": %" PRIu64
             "},\n",
             status->disk_full ? "true" : "false", status->logs_size, disk.waiting, disk.failures);
    page_add(page, "  \"resident_bytes\": %" PRIu64 "\n}\n", resident_size());
}
