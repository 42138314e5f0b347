/* status.c -- how is this node? It asks the rooms; status.h says what for. */
#include "status.h"

#include "base/check.h"
#include "controller/metadata_log.h"
#include "node_state.h"
#include "raft/raft.h"

static void metadata_status(const struct node *node, struct node_status *status)
{
    const struct image *image = controller_image(node->controller);
    const struct image_view image_now = image_view(image);
    const struct controller_view view = controller_view(node->controller);

    status->cluster_id = image_now.cluster_id;
    status->is_controller = view.leads;
    status->topics = image_now.topic_count;
    status->partitions = image_now.partition_count;
    status->meta_index = (int64_t)controller_applied_index(node->controller);
    status->meta_term = (int64_t)view.term;
    status->meta_commits = view.commits;
    status->meta_commit_index = view.commit_index;
    status->meta_entries = view.entries;
    status->meta_snapshot_index = view.snapshot_index;
    status->meta_snapshot_size = view.snapshot_size;
    status->meta_snapshots = view.snapshots;
    status->voters = view.voters;
    status->learners = view.members - view.voters;
    status->wishes = view.wishes;
    for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
        status->fenced_brokers += image_broker(image, slot)->fenced;
    }
}

static void cluster_status(const struct node *node, struct node_status *status)
{
    const struct metadata_log_counters log = controller_view(node->controller).log;

    status->meta_commit_latency = log.commits;
    const struct rebalance_view rebalance = controller_rebalance_view(node->controller);
    status->evens = rebalance.wanted;
    status->moving = rebalance.moving;
    status->unmoved = rebalance.left;
    status->elections_won = log.elections_won;
    status->leaders_seen = log.leaders_seen;
    status->vote_requests = log.vote_requests_sent;
    status->appends = log.appends_sent;
    status->heartbeats = log.heartbeats_sent;
    status->snapshots_sent = log.snapshots_sent;
    status->snapshots_installed = log.snapshots_installed;
    status->members_forgot = log.members_forgot;
    status->frames_lost = log.frames_lost;
    status->frames_refused = node->frames_refused + log.frames_malformed + log.frames_stray + log.frames_impossible;
    if (node->peers == NULL) return;
    const struct peers_counters *peers = peers_counters(node->peers);
    status->peer_links = (uint32_t)peers->links_up;
    status->frames_lost += peers->full;
    status->peer_dials = peers->dials;
    status->peer_misses = peers->misses;
    status->peers_turned_away = peers->turned_away;
    status->peer_received_size = peers->received_size;
    status->peer_sent_size = peers->sent_size;
}

static void replica_status(const struct node *node, struct node_status *status)
{
    const struct replicas_counters *counters = replicas_counters(node->replicas);

    status->replicated_in_size = counters->received_size;
    status->replicated_out_size = counters->sent_size;
    status->isr_shrinks = counters->shrinks;
    status->isr_expands = counters->expands;
    status->truncations = counters->truncations + counters->resets;
    status->replicas_offline = counters->offline;
    for (uint32_t i = 0; i < COUNT_OF(counters->refused); i++) {
        status->replica_refusals += counters->refused[i] + counters->refusals[i];
    }
}

static void log_status(const struct node *node, struct node_status *status)
{
    const struct logs_usage usage = logs_usage(node->logs);

    status->tail_memory_used = usage.tail_used_size;
    status->tail_memory_max = node->config.tail_memory_size;
    status->journal_used = usage.journal_used_size;
    status->journal_max = (uint64_t)node->config.journal_file_size * node->config.journal_files_max;
    status->disk_full = usage.disk_full;
    status->producers_forgotten = usage.producers_forgotten;
    status->commit_rounds = usage.rounds;
    status->compaction = logs_compaction_usage(node->logs);
    const int64_t idle_ms = node->wall_ms - status->compaction.last_ms;
    status->compaction_idle_ms = status->compaction.last_ms > 0 && idle_ms > 0 ? (uint64_t)idle_ms : 0;
}

static void broker_status(const struct node *node, struct node_status *status)
{
    const struct broker_counters *counters = broker_counters(node->broker);
    const struct broker_usage usage = broker_usage(node->broker);

    status->links = usage.links;
    status->waiting_fetches = usage.fetches_waiting;
    status->waiting_produces = usage.answers_waiting;
    status->request_memory_used = usage.frames_size + usage.answers_size;
    status->request_memory_max = node->config.request_memory_size;
    for (uint32_t key = 0; key < STATUS_API_KEYS_MAX && key < BROKER_API_KEYS; key++) {
        status->apis[key] =
            (struct status_api){ counters->requests[key], counters->errors[key], counters->time_us[key] };
    }
    status->received_size = counters->received_size;
    status->sent_size = counters->sent_size;
    status->messages_in = counters->produced_records;
    status->produced_size = counters->produced_size;
    status->fetched_size = counters->fetched_size;
    status->produces_failed = counters->produce_errors;
    status->fetches_failed = counters->fetch_errors;
    status->throttles = counters->throttles;
    status->produce_throttles = counters->quota_throttles[QUOTA_PRODUCER_BYTE_RATE];
    status->produce_throttle_ms = counters->quota_throttle_ms[QUOTA_PRODUCER_BYTE_RATE];
    status->fetch_throttles = counters->quota_throttles[QUOTA_CONSUMER_BYTE_RATE];
    status->fetch_throttle_ms = counters->quota_throttle_ms[QUOTA_CONSUMER_BYTE_RATE];
    status->links_opened = counters->links_opened;
}

static void put_broker(const struct image *image, struct node_member *member)
{
    const uint32_t slot = image_broker_by_id(image, member->node_id);

    if (slot == SLOT_NONE) return;
    const struct image_broker *broker = image_broker(image, slot);
    member->registered = true;
    member->fenced = broker->fenced;
    member->leaving = broker->leaving;
    member->partitions = broker->replica_count + broker->observed_count;
    member->leaders = broker->leader_count;
}

static bool observes(const struct image *image, int32_t node_id)
{
    const uint32_t slot = image_broker_by_id(image, node_id);

    return slot != SLOT_NONE && image_broker(image, slot)->observer;
}

static void put_progress(const struct node *node, uint64_t id, struct node_member *member)
{
    const struct raft *raft = controller_raft(node->controller);
    struct raft_peer_view peer;

    if (!raft_peer(raft, id, &peer) || peer.heard_ns == 0) return;
    member->is_followed = true;
    member->lag = raft_last_index(raft) - peer.match_index;
    member->silence_ms = (node->mono_ns - peer.heard_ns) / 1000000;
}

uint32_t node_members(const struct node *node, uint32_t first, struct node_member *list, uint32_t max)
{
    if (node->phase < PHASE_REGISTERING || node->phase == PHASE_HALTED) return 0;
    const struct raft *raft = controller_raft(node->controller);
    const struct raft_configuration *members = raft_configuration_decided(raft);
    const uint8_t voting = raft_configuration_voting(members);
    uint32_t count = 0;

    for (uint32_t i = first; i < members->count && count < max; i++) {
        const uint64_t id = members->members[i].id;
        const struct bytes address = raft_configuration_address(members, &members->members[i]);
        struct node_member *member = &list[count++];
        *member = (struct node_member){ .node_id = member_node(id), .state = MEMBER_LEARNER };
        if ((members->members[i].flags & voting) != 0) member->state = MEMBER_FOLLOWER;
        if (raft_leader(raft) == id) member->state = MEMBER_LEADER;
        if (member->state == MEMBER_LEARNER && observes(controller_image(node->controller), member->node_id)) {
            member->state = MEMBER_OBSERVER;
        }
        CHECK(address.size < sizeof member->address);
        if (address.size > 0) memcpy(member->address, address.data, address.size);
        put_broker(controller_image(node->controller), member);
        put_progress(node, id, member);
    }
    return count;
}

const struct raft *node_raft(const struct node *node)
{
    return controller_raft(node->controller);
}

struct bytes node_entry(const struct node *node, uint64_t index)
{
    return controller_entry(node->controller, index);
}

const struct logs *node_logs(const struct node *node)
{
    return node->logs;
}

const struct replicas *node_replicas(const struct node *node)
{
    return node->replicas;
}

const struct image *node_image(const struct node *node)
{
    return controller_image(node->controller);
}

bool node_image_is_whole(const struct node *node)
{
    return !controller_is_applying(node->controller);
}

enum node_state node_state(const struct node *node)
{
    if (node->phase < PHASE_SERVING) return NODE_STARTING;
    return node->phase == PHASE_SERVING ? NODE_SERVING : NODE_STOPPING;
}

struct node_health node_health(const struct node *node)
{
    return (struct node_health){
        .state = node_state(node),
        .node_id = node->config.node_id,
        .disk_full = logs_usage(node->logs).disk_full,
    };
}

void node_status(const struct node *node, struct node_status *status)
{
    *status = (struct node_status){ .node_id = node->config.node_id, .state = node_state(node) };
    broker_status(node, status);
    if (node->phase < PHASE_REGISTERING) return;
    metadata_status(node, status);
    cluster_status(node, status);
    replica_status(node, status);
    status_of_partitions(node, status);
    log_status(node, status);
    status->groups = groups_usage(node->groups);
}
