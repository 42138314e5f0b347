/* route_changes.c -- what the metadata log applied, carried on to logs, replicas and clients; and what is to be decided
 * here. */
#include "base/check.h"
#include "routes.h"

enum { CHANGES_PER_STEP_MAX = 64 };
#define NS_PER_MS 1000000

/* ---- to replicas ---- */

/* What the metadata log says of a partition whose log is open. */
static void tell_partition(struct node *node, uint32_t slot)
{
    const struct image *image = controller_image(node->controller);
    const struct image_partition *partition = image_partition(image, slot);
    struct replica_partition said = {
        .topic_id = image_topic(image, partition->topic)->id,
        .index = partition->index,
        .leader = partition->leader,
        .leader_epoch = partition->leader_epoch,
        .partition_epoch = partition->partition_epoch,
        .last_unclean_epoch = partition->last_unclean_leader_epoch,
        .recovering = partition->recovering,
        .relaxed = topic_config_int(image, partition->topic, CONFIG_WRITE_CACHING) != 0,
        .isr_min = partition->min_isr,
        .replica_count = partition->replica_count,
        .isr = partition->isr,
        .elr = partition->elr,
    };

    _Static_assert(REPLICAS_MAX + OBSERVERS_MAX <= (int)REPLICAS_OF_PARTITION_MAX, "every copy has a place");
    if (node->phase >= PHASE_FLUSHING) return; /* the logs stand still */
    for (uint32_t i = 0; i < partition->replica_count; i++) said.replicas[i] = partition->replicas[i];
    for (uint32_t i = 0; i < partition->observer_count; i++) {
        said.observers |= 1u << said.replica_count;
        said.replicas[said.replica_count++] = partition->observers[i];
    }
    replicas_on_partition(node->replicas, slot, &said);
    groups_on_partition(node->groups, slot);
}

/* Another node that may follow us, or that we may follow: from now on it may call. */
static void tell_broker(struct node *node, uint32_t slot)
{
    const struct image_broker *broker = image_broker(controller_image(node->controller), slot);
    const struct image_endpoint *endpoint = &broker->endpoints[ENDPOINT_WAL];

    if (broker->id == node->config.node_id || node->peers == NULL) return;
    replicas_on_broker(node->replicas, &(struct replica_broker){
                                           .node_id = broker->id,
                                           .epoch = broker->epoch,
                                           .fenced = broker->fenced,
                                           .shutting_down = broker->in_controlled_shutdown,
                                           .wal_address = { { endpoint->host, endpoint->host_size }, endpoint->port },
                                       });
}

/* ---- to logs ---- */

static void open_log(struct node *node, uint32_t topic, uint32_t slot)
{
    const struct image *image = controller_image(node->controller);
    const struct image_partition *partition = image_partition(image, slot);
    const struct log_rules rules = topic_log_rules(image, topic);

    if (!image_partition_has_copy(partition, node->config.node_id)) return;
    const bool opened = logs_open(node->logs, slot, &image_topic(image, topic)->id, image_topic_name(image, topic),
                                  partition->index, &rules);
    CHECK(opened); /* slots are below partitions_max, on both sides */
    tell_partition(node, slot);
}

static void set_topic_rules(struct node *node, uint32_t topic)
{
    const struct image *image = controller_image(node->controller);
    const struct log_rules rules = topic_log_rules(image, topic);

    for (uint32_t slot = image_topic(image, topic)->first_partition; slot != SLOT_NONE;
         slot = image_partition(image, slot)->next_partition) {
        if (!logs_has(node->logs, slot)) continue;
        logs_set_rules(node->logs, slot, &rules);
        if (image_partition_has_copy(image_partition(image, slot), node->config.node_id)) tell_partition(node, slot);
    }
}

static void set_all_rules(struct node *node)
{
    const struct image *image = controller_image(node->controller);

    for (uint32_t topic = image_first_topic(image); topic != SLOT_NONE; topic = image_next_topic(image, topic)) {
        set_topic_rules(node, topic);
    }
}

static void set_lag(struct node *node)
{
    const int64_t lag_ms = broker_config_int(controller_image(node->controller), CONFIG_REPLICA_LAG_TIME_MAX_MS);

    replicas_set_lag(node->replicas, (uint64_t)MIN(lag_ms, INT64_MAX / NS_PER_MS) * NS_PER_MS);
}

static void set_throttle(struct node *node)
{
    const struct image *image = controller_image(node->controller);
    const int64_t rate = broker_config_int(image, CONFIG_LEADER_REPLICATION_THROTTLED_RATE);

    replicas_set_throttle(node->replicas, rate == INT64_MAX ? 0 : (uint64_t)rate);
}

static void set_compaction_rate(struct node *node)
{
    const struct image *image = controller_image(node->controller);
    const int64_t millionths = broker_config_int(image, CONFIG_LOG_CLEANER_IO_MAX_BYTES_PER_SECOND);

    logs_set_compaction_rate(node->logs, millionths == INT64_MAX ? 0 : (uint64_t)millionths / 1000000);
}

void route_open_logs(struct node *node)
{
    const struct image *image = controller_image(node->controller);

    set_lag(node);
    set_throttle(node);
    set_compaction_rate(node);
    for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
        tell_broker(node, slot);
    }
    for (uint32_t topic = image_first_topic(image); topic != SLOT_NONE; topic = image_next_topic(image, topic)) {
        for (uint32_t slot = image_topic(image, topic)->first_partition; slot != SLOT_NONE;
             slot = image_partition(image, slot)->next_partition) {
            open_log(node, topic, slot);
        }
    }
}

/* The partition lives on elsewhere. Its log is emptied, and stays: the replica may come back. */
static void lose_replica(struct node *node, uint32_t slot)
{
    broker_on_log_lost(node->broker, slot);
    groups_on_removed(node->groups, slot);
    replicas_on_partition_removed(node->replicas, slot);
}

static void lose_log(struct node *node, uint32_t slot)
{
    lose_replica(node, slot);
    if (logs_has(node->logs, slot)) logs_delete(node->logs, slot);
}

/* A replica may have come here, or gone. */
static void on_partition_changed(struct node *node, const struct image_change *change)
{
    const struct image_partition *partition = image_partition(controller_image(node->controller), change->partition);
    const bool has_copy = image_partition_has_copy(partition, node->config.node_id);

    if (!has_copy) lose_replica(node, change->partition);
    else if (logs_has(node->logs, change->partition)) tell_partition(node, change->partition);
    else open_log(node, change->topic, change->partition);
}

static void on_change(struct node *node, const struct image_change *change)
{
    switch (change->kind) {
    case CHANGE_NOTHING:
    case CHANGE_TOPIC_CREATED: /* its partitions follow */
    case CHANGE_OWN_WISH: break;
    case CHANGE_TOPIC_REMOVED: /* its partitions follow */
        groups_on_topic_removed(node->groups, image_topic_name(controller_image(node->controller), change->topic));
        break;
    case CHANGE_BROKER: tell_broker(node, change->broker); break;
    case CHANGE_BROKER_REMOVED: replicas_on_broker_removed(node->replicas, change->broker_id); break;
    case CHANGE_PARTITION_CREATED: open_log(node, change->topic, change->partition); break;
    case CHANGE_PARTITION_CHANGED: on_partition_changed(node, change); break;
    case CHANGE_PARTITION_REMOVED: lose_log(node, change->partition); break;
    case CHANGE_TOPIC_CONFIG: set_topic_rules(node, change->topic); break;
    case CHANGE_BROKER_CONFIG:
        set_all_rules(node);
        set_lag(node);
        set_throttle(node);
        set_compaction_rate(node);
        break;
    }
}

void route_losses(struct node *node)
{
    struct replica_loss loss;

    while (replicas_next_loss(node->replicas, &loss)) {
        switch (loss.kind) {
        case LOSS_LEADERSHIP:
            broker_on_leadership_lost(node->broker, loss.log);
            groups_on_lost(node->groups, loss.log);
            break;
        case LOSS_MIN_ISR:
            broker_on_min_isr_lost(node->broker, loss.log);
            groups_on_min_isr_lost(node->groups, loss.log);
            break;
        }
    }
}

/* ---- wishes ---- */

/* ISRs that leaders here want changed. */
static void route_isr_wishes(struct node *node)
{
    struct replica_wish wish;

    while (controller_has_isr_room(node->controller) && replicas_next_wish(node->replicas, &wish)) {
        struct isr_wish asked = {
            .topic_id = wish.topic_id,
            .index = wish.index,
            .leader_epoch = wish.leader_epoch,
            .partition_epoch = wish.partition_epoch,
            .isr_count = wish.isr_count,
        };
        for (uint32_t i = 0; i < wish.isr_count; i++) {
            asked.isr[i] = wish.isr[i];
            asked.broker_epochs[i] = wish.broker_epochs[i];
        }
        CHECK(controller_wish_isr(node->controller, &asked)); /* there was room */
    }
}

/* What will not become of them. */
static void route_isr_answers(struct node *node)
{
    const struct image *image = controller_image(node->controller);
    struct isr_answer answer;

    while (controller_next_isr_answer(node->controller, &answer)) {
        const uint32_t topic = image_topic_by_id(image, &answer.topic_id);
        const uint32_t slot = topic == SLOT_NONE ? SLOT_NONE : image_partition_slot(image, topic, answer.index);
        if (slot == SLOT_NONE) continue; /* it is gone by now */
        replicas_on_wish_refused(node->replicas, slot, answer.leader_epoch, answer.partition_epoch, answer.error);
    }
}

static void route_done(struct node *node)
{
    uint64_t wish;

    while ((wish = controller_next_done(node->controller)) != 0) broker_on_wish(node->broker, wish);
}

void route_wishes(struct node *node, struct effects *effects)
{
    struct wish wish;

    route_isr_wishes(node);
    while (controller_next_wish(node->controller, &wish, effects)) broker_decide(node->broker, &wish, effects);
    route_done(node);
}

void route_changes(struct node *node, struct effects *effects)
{
    struct image_change change;
    uint32_t count = 0;

    while (count < CHANGES_PER_STEP_MAX && controller_next_change(node->controller, &change, effects)) {
        if (node->phase >= PHASE_RETURNING) on_change(node, &change);
        count++;
    }
    node->work_left |= count == CHANGES_PER_STEP_MAX;
    if (count < CHANGES_PER_STEP_MAX) route_isr_answers(node);
    route_losses(node);
    route_done(node);
}
