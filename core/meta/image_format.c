/* image_format.c -- an image as text, a line per thing, in the order in which a snapshot has them. */
#include "base/check.h"
#include "meta/image_state.h"

static void put_ids(const char *name, const int32_t *ids, uint32_t count, struct text *text)
{
    text_add(text, name);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) text_add(text, ",");
        text_add_int(text, ids[i]);
    }
}

static void put_set(const char *name, const struct image_partition *partition, replica_set set, struct text *text)
{
    int32_t ids[REPLICAS_MAX];

    put_ids(name, ids, image_partition_brokers(partition, set, ids), text);
}

static void put_number(const char *name, int64_t number, struct text *text)
{
    text_add(text, name);
    text_add_int(text, number);
}

static void put_setting(enum config_id id, int64_t value, struct text *text)
{
    text_add(text, "  ");
    text_add(text, config_info(id)->name);
    text_add(text, "=");
    config_format(id, value, text);
    text_add(text, "\n");
}

static void put_broker_settings(const struct broker_settings *settings, struct text *text)
{
    for (uint32_t i = 0; i < BROKER_CONFIG_COUNT; i++) {
        if ((settings->set >> i & 1) == 0) continue;
        put_setting((enum config_id)(TOPIC_CONFIG_COUNT + i), settings->values[i], text);
    }
}

static void put_broker(const struct image *image, uint32_t slot, struct text *text)
{
    const struct image_broker *broker = image_broker(image, slot);

    put_number("broker ", broker->id, text);
    put_number(" epoch=", broker->epoch, text);
    if (broker->fenced) text_add(text, " fenced");
    if (broker->in_controlled_shutdown) text_add(text, " shutting down");
    if (broker->leaving) text_add(text, " leaving");
    if (broker->observer) text_add(text, " observer");
    if (broker->wishes.floor > 1) put_number(" wishes<", (int64_t)broker->wishes.floor, text);
    if (broker->wishes.applied != 0) put_number("+", __builtin_popcountll(broker->wishes.applied), text);
    if (broker->rack_size > 0) {
        text_add(text, " rack=");
        text_add_bytes(text, (struct bytes){ broker->rack, broker->rack_size });
    }
    for (uint32_t i = 0; i < ENDPOINT_COUNT; i++) {
        if (broker->endpoints[i].port == 0) continue;
        text_add(text, " ");
        text_add_bytes(text, (struct bytes){ broker->endpoints[i].host, broker->endpoints[i].host_size });
        put_number(":", broker->endpoints[i].port, text);
    }
    text_add(text, "\n");
    put_broker_settings(&image->settings[slot], text);
}

static void put_partition(const struct image_partition *partition, struct text *text)
{
    put_number("  ", partition->index, text);
    put_number(" leader=", partition->leader, text);
    put_number(" epoch=", partition->leader_epoch, text);
    put_number("/", partition->partition_epoch, text);
    put_set(" isr=", partition, partition->isr, text);
    if (partition->elr != 0) put_set(" elr=", partition, partition->elr, text);
    put_ids(" replicas=", partition->replicas, partition->replica_count, text);
    if (partition->observer_count > 0) put_ids(" observers=", partition->observers, partition->observer_count, text);
    if (partition->adding != 0) put_set(" adding=", partition, partition->adding, text);
    if (partition->removing != 0) put_set(" removing=", partition, partition->removing, text);
    if (partition->last_leader != partition->leader) put_number(" last_leader=", partition->last_leader, text);
    if (partition->last_unclean_leader_epoch != 0) {
        put_number(" unclean=", partition->last_unclean_leader_epoch, text);
    }
    text_add(text, partition->recovering ? " recovering\n" : "\n");
}

static void put_topic(const struct image *image, uint32_t slot, struct text *text)
{
    const struct image_topic *topic = image_topic(image, slot);
    char id[UUID_TEXT_SIZE];

    uuid_format(&topic->id, id);
    text_add(text, "topic ");
    text_add_bytes(text, image_topic_name(image, slot));
    text_add(text, " ");
    text_add_bytes(text, (struct bytes){ (const uint8_t *)id, UUID_TEXT_SIZE });
    put_number(" target=", topic->replica_target, text);
    text_add(text, topic->internal ? " internal\n" : "\n");
    for (uint32_t i = 0; i < TOPIC_CONFIG_COUNT; i++) {
        if ((topic->configs_set >> i & 1) == 0) continue;
        put_setting((enum config_id)i, image->topic_values[(size_t)slot * TOPIC_CONFIG_COUNT + i], text);
    }
    for (uint32_t at = topic->first_partition; at != SLOT_NONE; at = image->partitions[at].next_partition) {
        put_partition(image_partition(image, at), text);
    }
}

static void put_quota_name(const char *what, const struct quota_name *name, struct text *text)
{
    if (name->part == QUOTA_PART_NONE) return;
    text_add(text, what);
    if (name->part == QUOTA_PART_DEFAULT) text_add(text, "<default>");
    else text_add_bytes(text, (struct bytes){ name->bytes, name->size });
}

static void put_quota(const struct image_quota *quota, struct text *text)
{
    text_add(text, "quota");
    put_quota_name(" user=", &quota->user, text);
    put_quota_name(" client-id=", &quota->client_id, text);
    put_number(" produce=", quota->rates[QUOTA_PRODUCER_BYTE_RATE], text);
    put_number(" fetch=", quota->rates[QUOTA_CONSUMER_BYTE_RATE], text);
    text_add(text, "\n");
}

static void put_group(const struct image_group *group, struct text *text)
{
    text_add(text, "group ");
    text_add_bytes(text, (struct bytes){ group->name, group->size });
    put_number(" heartbeat=", group->values[GROUP_HEARTBEAT_INTERVAL_MS], text);
    put_number(" session=", group->values[GROUP_SESSION_TIMEOUT_MS], text);
    text_add(text, "\n");
}

void image_format(const struct image *image, struct text *text)
{
    char id[UUID_TEXT_SIZE];

    uuid_format(&image->view.cluster_id, id);
    text_add(text, "cluster ");
    text_add_bytes(text, (struct bytes){ (const uint8_t *)id, UUID_TEXT_SIZE });
    if (image->view.incarnation != 0) put_number(" incarnation=", (int64_t)image->view.incarnation, text);
    put_number(" level=", image->view.feature_level, text);
    put_number(" next_producer_id=", image->view.next_producer_id, text);
    if (image->view.evens) text_add(text, " evens");
    put_number(" applied=", (int64_t)image->view.applied_index, text);
    text_add(text, "\n");
    put_broker_settings(&image->all_brokers, text);
    for (uint32_t i = 0; i < image->quota_count; i++) put_quota(&image->quotas[i], text);
    for (uint32_t i = 0; i < image->group_count; i++) put_group(&image->groups[i], text);
    for (uint32_t slot = image->first_broker; slot != SLOT_NONE; slot = image->brokers[slot].next_broker) {
        put_broker(image, slot, text);
    }
    for (uint32_t slot = image->first_topic; slot != SLOT_NONE; slot = image->topics[slot].next_topic) {
        put_topic(image, slot, text);
    }
}
