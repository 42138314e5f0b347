/* route_changes.c -- what the metadata log applied, carried on to logs and clients; and what is to be decided here. */
#include "base/check.h"
#include "routes.h"

enum { CHANGES_PER_STEP_MAX = 64 };

static void open_log(struct node *node, uint32_t topic, uint32_t slot)
{
    const struct image *image = controller_image(node->controller);
    const struct image_partition *partition = image_partition(image, slot);
    const struct log_rules rules = topic_log_rules(image, topic);

    if (!image_partition_has_replica(partition, node->config.node_id)) return;
    const bool opened = logs_open(node->logs, slot, &image_topic(image, topic)->id, image_topic_name(image, topic),
                                  partition->index, &rules);
    CHECK(opened); /* slots are below partitions_max, on both sides */
}

void route_open_logs(struct node *node)
{
    const struct image *image = controller_image(node->controller);

    for (uint32_t topic = image_first_topic(image); topic != SLOT_NONE; topic = image_next_topic(image, topic)) {
        for (uint32_t slot = image_topic(image, topic)->first_partition; slot != SLOT_NONE;
             slot = image_partition(image, slot)->next_partition) {
            open_log(node, topic, slot);
        }
    }
}

static void set_topic_rules(struct node *node, uint32_t topic)
{
    const struct image *image = controller_image(node->controller);
    const struct log_rules rules = topic_log_rules(image, topic);

    for (uint32_t slot = image_topic(image, topic)->first_partition; slot != SLOT_NONE;
         slot = image_partition(image, slot)->next_partition) {
        if (logs_has(node->logs, slot)) logs_set_rules(node->logs, slot, &rules);
    }
}

static void set_all_rules(struct node *node)
{
    const struct image *image = controller_image(node->controller);

    for (uint32_t topic = image_first_topic(image); topic != SLOT_NONE; topic = image_next_topic(image, topic)) {
        set_topic_rules(node, topic);
    }
}

static void lose_log(struct node *node, uint32_t slot)
{
    broker_on_log_lost(node->broker, slot);
    if (logs_has(node->logs, slot)) logs_delete(node->logs, slot);
}

/* A replica may have come here, or gone. */
static void on_partition_changed(struct node *node, const struct image_change *change)
{
    const struct image_partition *partition = image_partition(controller_image(node->controller), change->partition);
    const bool has_replica = image_partition_has_replica(partition, node->config.node_id);

    if (!has_replica) lose_log(node, change->partition);
    else if (!logs_has(node->logs, change->partition)) open_log(node, change->topic, change->partition);
}

static void on_change(struct node *node, const struct image_change *change)
{
    switch (change->kind) {
    case CHANGE_NOTHING:
    case CHANGE_TOPIC_CREATED: /* its partitions follow */
    case CHANGE_TOPIC_REMOVED: /* as before */
    case CHANGE_BROKER:
    case CHANGE_BROKER_REMOVED:
    case CHANGE_OWN_WISH: break;
    case CHANGE_PARTITION_CREATED: open_log(node, change->topic, change->partition); break;
    case CHANGE_PARTITION_CHANGED: on_partition_changed(node, change); break;
    case CHANGE_PARTITION_REMOVED: lose_log(node, change->partition); break;
    case CHANGE_TOPIC_CONFIG: set_topic_rules(node, change->topic); break;
    case CHANGE_BROKER_CONFIG: set_all_rules(node); break;
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
    route_done(node);
}
