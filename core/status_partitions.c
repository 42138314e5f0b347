/* status_partitions.c -- how are the partitions: who leads, who has what, and what does a follower lack? */
#include "base/check.h"
#include "node_state.h"
#include "status.h"

#define NS_PER_MS 1000000
#define NS_PER_S UINT64_C(1000000000)

/* ---- followers ---- */

static void lag_of(const struct node *node, uint32_t slot, int64_t end, const struct replica_view *view,
                   struct node_follower *follower)
{
    const int64_t start = log_offsets(node->logs, slot).log_start_offset;
    const int64_t held = MAX(view->held_offset, start);

    *follower = (struct node_follower){
        .node_id = view->node_id,
        .in_sync = view->in_sync,
        .observes = view->observes,
        .streaming = view->streaming,
        .held_is_known = view->held_offset >= 0,
    };
    if (held >= end) return;
    follower->lag_records = (uint64_t)(end - held);
    follower->lag_size = logs_bytes_between(node->logs, slot, held, end);
    if (view->caught_up_ns < node->mono_ns) follower->lag_ms = (node->mono_ns - view->caught_up_ns) / NS_PER_MS;
}

static void put_followers(const struct node *node, uint32_t slot, int64_t end, struct node_partition *partition)
{
    struct replica_view view;

    for (uint32_t i = 0; replicas_view(node->replicas, slot, i, &view); i++) {
        const bool is_other = view.node_id != node->config.node_id;
        if (is_other && partition->follower_count < NODE_PARTITION_REPLICAS_MAX) {
            lag_of(node, slot, end, &view, &partition->followers[partition->follower_count++]);
        }
    }
}

/* What this node would lack if nobody else were left. */
static void put_lack(const struct node *node, uint32_t slot, struct node_partition *partition)
{
    uint64_t silent_ns;

    partition->lack_is_known = replicas_lack_of(node->replicas, slot, &partition->lack_records, &silent_ns);
    if (partition->lack_is_known) partition->lack_silent_ms = silent_ns / NS_PER_MS;
}

/* ---- all of them ---- */

static void add_partition(const struct node *node, uint32_t slot, const struct image_partition *partition,
                          struct node_status *status)
{
    const bool leads = partition->leader == node->config.node_id;
    const bool is_here = image_partition_has_copy(partition, node->config.node_id) && logs_has(node->logs, slot);
    const uint32_t in_sync = replica_set_count(partition->isr);
    const uint32_t lasting = partition->replica_count - replica_set_count(partition->adding);
    struct replica_view view;

    status->replicas += is_here;
    status->leaders += leads;
    status->offline += partition->leader < 0;
    status->offline_replicas += is_here && partition->leader < 0;
    status->not_preferred += partition->leader != partition->replicas[0];
    status->under_replicated += leads && in_sync < lasting;
    status->reassigning += leads && (partition->adding | partition->removing) != 0;
    status->under_min_isr += leads && in_sync < partition->min_isr;
    status->at_min_isr += leads && in_sync == partition->min_isr;
    if (!leads || !is_here) return;
    const struct log_offsets offsets = log_offsets(node->logs, slot);
    status->logs_size += offsets.size;
    for (uint32_t i = 0; replicas_view(node->replicas, slot, i, &view); i++) {
        struct node_follower follower;
        if (view.node_id == node->config.node_id) continue;
        lag_of(node, slot, offsets.log_end_offset, &view, &follower);
        status->lag_records = MAX(status->lag_records, follower.lag_records);
        status->lag_size += follower.lag_size;
    }
}

void status_of_partitions(const struct node *node, struct node_status *status)
{
    const struct image *image = controller_image(node->controller);

    for (uint32_t topic = image_first_topic(image); topic != SLOT_NONE; topic = image_next_topic(image, topic)) {
        for (uint32_t slot = image_topic(image, topic)->first_partition; slot != SLOT_NONE;
             slot = image_partition(image, slot)->next_partition) {
            add_partition(node, slot, image_partition(image, slot), status);
        }
    }
    const uint32_t own = image_broker_by_id(image, node->config.node_id);
    const struct replicas_lack lack = replicas_lack(node->replicas);
    status->observes = own != SLOT_NONE && image_broker(image, own)->observer;
    status->followed = lack.partitions;
    status->followed_behind = lack.behind;
    status->followed_lack = lack.records;
    status->followed_unheard = lack.unheard;
    status->followed_silent_ms = lack.silent_ns / NS_PER_MS;
    const uint64_t rate = node->replicated_rate;
    if (status->lag_size > 0 && rate > 0) {
        status->catch_up_seconds = (uint32_t)MIN((status->lag_size + rate - 1) / rate, (uint64_t)UINT32_MAX);
    }
}

void status_sample(struct node *node)
{
    if (node->mono_ns - node->sampled_ns < NS_PER_S) return;
    const uint64_t sent = replicas_counters(node->replicas)->sent_size;
    const double seconds = (double)(node->mono_ns - node->sampled_ns) / (double)NS_PER_S;

    node->replicated_rate = (uint64_t)((double)(sent - node->sampled_size) / seconds);
    node->sampled_size = sent;
    node->sampled_ns = node->mono_ns;
}

/* ---- one by one ---- */

/* A place is the slot of a topic and that of a partition of it, each and one. */
static uint32_t next_place(const struct image *image, uint64_t *place)
{
    uint32_t topic = (uint32_t)(*place >> 32) - 1, slot = (uint32_t)*place - 1;

    if (*place == 0) topic = image_first_topic(image);
    slot = *place == 0 ? SLOT_NONE : image_partition(image, slot)->next_partition;
    if (*place == 0 && topic != SLOT_NONE) slot = image_topic(image, topic)->first_partition;
    while (slot == SLOT_NONE && topic != SLOT_NONE) {
        topic = image_next_topic(image, topic);
        if (topic != SLOT_NONE) slot = image_topic(image, topic)->first_partition;
    }
    if (slot != SLOT_NONE) *place = (uint64_t)(topic + 1) << 32 | (slot + 1);
    return slot;
}

bool node_next_partition(const struct node *node, uint64_t *place, struct node_partition *partition)
{
    if (node->phase < PHASE_RETURNING || node->phase == PHASE_HALTED) return false;
    const struct image *image = controller_image(node->controller);
    const uint32_t slot = next_place(image, place);
    if (slot == SLOT_NONE) return false;
    const struct image_partition *found = image_partition(image, slot);
    const struct bytes name = image_topic_name(image, found->topic);

    *partition = (struct node_partition){
        .index = found->index,
        .leader = found->leader,
        .leader_epoch = found->leader_epoch,
        .partition_epoch = found->partition_epoch,
        .min_isr = found->min_isr,
        .replica_count = found->replica_count,
        .observer_count = found->observer_count,
        .is_here = image_partition_has_copy(found, node->config.node_id) && logs_has(node->logs, slot),
        .is_led = replicas_leader_epoch(node->replicas, slot) == found->leader_epoch,
    };
    memcpy(partition->topic, name.data, name.size);
    for (uint32_t i = 0; i < found->replica_count; i++) partition->replicas[i] = found->replicas[i];
    for (uint32_t i = 0; i < found->observer_count; i++) partition->observers[i] = found->observers[i];
    partition->isr_count = image_partition_brokers(found, found->isr, partition->isr);
    partition->elr_count = image_partition_brokers(found, found->elr, partition->elr);
    if (!partition->is_here) return true;
    const struct log_offsets offsets = log_offsets(node->logs, slot);
    partition->log_start_offset = offsets.log_start_offset;
    partition->high_watermark = offsets.high_watermark;
    partition->log_end_offset = offsets.log_end_offset;
    partition->size = offsets.size;
    put_lack(node, slot, partition);
    if (partition->is_led) put_followers(node, slot, offsets.log_end_offset, partition);
    return true;
}
