/* image_apply.c -- what each record does to the image. Guards first, then the change: a record is applied whole or
 * not at all. docs/metadata.md has the table. */
#include "base/check.h"
#include "meta/image_state.h"

enum {
    RESOURCE_TOPIC = 2, /* as in DescribeConfigs */
    RESOURCE_BROKER = 4,
    ALL_BROKERS = -1,
};

/* ---- topics ---- */

static void link_topic(struct image *image, uint32_t topic)
{
    struct image_topic *added = &image->topics[topic];

    added->previous_topic = image->last_topic;
    added->next_topic = SLOT_NONE;
    if (image->last_topic == SLOT_NONE) image->first_topic = topic;
    else image->topics[image->last_topic].next_topic = topic;
    image->last_topic = topic;
}

static void unlink_topic(struct image *image, uint32_t topic)
{
    const struct image_topic *gone = &image->topics[topic];

    if (gone->previous_topic == SLOT_NONE) image->first_topic = gone->next_topic;
    else image->topics[gone->previous_topic].next_topic = gone->next_topic;
    if (gone->next_topic == SLOT_NONE) image->last_topic = gone->previous_topic;
    else image->topics[gone->next_topic].previous_topic = gone->previous_topic;
}

static enum apply_verdict apply_topic(struct image *image, const struct metadata_topic_record *record,
                                      struct image_change *change)
{
    if (record->name.size == 0 || record->name.size > TOPIC_NAME_SIZE_MAX) return APPLY_MALFORMED;
    if (record->replica_target < 1 || record->replica_target > REPLICAS_MAX) return APPLY_MALFORMED;
    if (uuid_is_zero(&record->topic_id)) return APPLY_MALFORMED;
    if (image_topic_like(image, record->name) != SLOT_NONE) return APPLY_REFUSED;
    if (image_topic_by_id(image, &record->topic_id) != SLOT_NONE) return APPLY_REFUSED;

    const uint32_t topic = pool_take(&image->topic_slots);
    if (topic == POOL_NONE) return APPLY_FULL;
    image->topics[topic] = (struct image_topic){ .id = record->topic_id,
                                                 .name_size = (uint8_t)record->name.size,
                                                 .internal = record->internal,
                                                 .replica_target = (uint8_t)record->replica_target,
                                                 .first_partition = SLOT_NONE,
                                                 .last_partition = SLOT_NONE };
    memcpy(image->topics[topic].name, record->name.data, record->name.size);
    const struct folded_name folded = image_fold(record->name);
    CHECK(text_map_add(&image->topics_by_name, folded_bytes(&folded), topic) == MAP_ADDED);
    CHECK(map_put(&image->topics_by_id, map_key_id(&record->topic_id, 0), topic) == MAP_ADDED);
    link_topic(image, topic);
    image->view.topic_count++;
    image->view.topic_changes++;
    *change = (struct image_change){ CHANGE_TOPIC_CREATED, topic, SLOT_NONE, SLOT_NONE };
    return APPLY_DONE;
}

void image_remove_topic(struct image *image, uint32_t topic, struct image_change *change)
{
    const struct folded_name folded = image_fold(image_topic_name(image, topic));

    CHECK(text_map_remove(&image->topics_by_name, folded_bytes(&folded), topic));
    CHECK(map_remove(&image->topics_by_id, map_key_id(&image->topics[topic].id, 0)));
    unlink_topic(image, topic);
    image->view.topic_count--;
    image->view.topic_changes++;
    if (!MUTANT(removed_topic_keeps_its_settings)) {
        image->view.setting_count -= (uint32_t)__builtin_popcountll(image->topics[topic].configs_set);
    }
    image_drain_topic(image, topic);
    *change = (struct image_change){ CHANGE_TOPIC_REMOVED, topic, SLOT_NONE, SLOT_NONE };
}

static enum apply_verdict apply_topic_removal(struct image *image, const struct metadata_topic_removal_record *record,
                                              struct image_change *change)
{
    const uint32_t topic = image_topic_by_id(image, &record->topic_id);

    if (topic == SLOT_NONE) return APPLY_REFUSED;
    image_remove_topic(image, topic, change);
    return APPLY_DONE;
}

/* ---- settings ---- */

/* The value that a record sets. False: this version knows no such setting or value. The leader that proposed it did,
 * so ours is the older version: the setting has no effect here, as it had none before. */
static bool read_setting(const struct metadata_config_record *record, enum config_scope scope, enum config_id *id,
                         int64_t *value)
{
    struct text unsaid = text_in(NULL, 0);

    *id = config_by_name(scope, record->name);
    if (*id == CONFIG_NONE) return false;
    return record->value.data == NULL || config_parse(*id, record->value, value, &unsaid) == CONFIG_VALID;
}

/* What decides about partitions: they are settled anew, in the same entry, so that no commit is judged by the one
 * value and an election by the other (C6 of the replication rules). */
static bool decides_about_partitions(enum config_id id)
{
    switch ((int)id) {
    case CONFIG_MIN_INSYNC_REPLICAS:
    case CONFIG_BROKER_MIN_INSYNC_REPLICAS:
    case CONFIG_UNCLEAN_LEADER_ELECTION_ENABLE:
    case CONFIG_BROKER_UNCLEAN_LEADER_ELECTION_ENABLE: return !MUTANT(meta_min_isr_change_settles_nothing);
    default: return false;
    }
}

static enum apply_verdict apply_topic_config(struct image *image, const struct metadata_config_record *record,
                                             struct image_change *change)
{
    enum config_id id;
    int64_t value;
    const uint32_t topic = image_topic_by_id(image, &record->topic_id);
    if (topic == SLOT_NONE || !read_setting(record, SCOPE_TOPIC, &id, &value)) return APPLY_REFUSED;

    struct image_topic *owner = &image->topics[topic];
    const uint64_t bit = (uint64_t)1 << id;
    if (record->value.data != NULL) {
        if ((owner->configs_set & bit) == 0) {
            if (image->view.setting_count == image->config.settings_max) return APPLY_FULL;
            image->view.setting_count++;
        }
        owner->configs_set |= bit;
        image->topic_values[(size_t)topic * TOPIC_CONFIG_COUNT + id] = value;
    } else if ((owner->configs_set & bit) != 0) {
        owner->configs_set &= ~bit;
        image->view.setting_count--;
    }
    if (decides_about_partitions(id)) image_settle_topic(image, topic);
    *change = (struct image_change){ CHANGE_TOPIC_CONFIG, topic, SLOT_NONE, SLOT_NONE };
    return APPLY_DONE;
}

static enum apply_verdict apply_broker_config(struct image *image, const struct metadata_config_record *record,
                                              struct image_change *change)
{
    enum config_id id;
    int64_t value;
    const bool all = record->broker_id == ALL_BROKERS;
    const uint32_t broker = all ? SLOT_NONE : image_broker_by_id(image, record->broker_id);
    if (!all && broker == SLOT_NONE) return APPLY_REFUSED;
    if (!read_setting(record, SCOPE_BROKER, &id, &value)) return APPLY_REFUSED;

    struct broker_settings *settings = all ? &image->all_brokers : &image->settings[broker];
    const uint32_t place = (uint32_t)id - TOPIC_CONFIG_COUNT;
    if (record->value.data != NULL) {
        settings->set |= (uint64_t)1 << place;
        settings->values[place] = value;
    } else {
        settings->set &= ~((uint64_t)1 << place);
    }
    if (decides_about_partitions(id)) image_settle_all(image);
    *change = (struct image_change){ CHANGE_BROKER_CONFIG, SLOT_NONE, SLOT_NONE, broker };
    return APPLY_DONE;
}

static enum apply_verdict apply_config(struct image *image, const struct metadata_config_record *record,
                                       struct image_change *change)
{
    if (record->resource_type == RESOURCE_TOPIC) return apply_topic_config(image, record, change);
    if (record->resource_type == RESOURCE_BROKER) return apply_broker_config(image, record, change);
    return APPLY_MALFORMED;
}

/* ---- the cluster ---- */

static enum apply_verdict apply_cluster(struct image *image, const struct metadata_cluster_record *record)
{
    if (!uuid_is_zero(&image->view.cluster_id)) return APPLY_REFUSED; /* a cluster has one id for ever */
    image->view.cluster_id = record->cluster_id;
    return APPLY_DONE;
}

static enum apply_verdict apply_feature(struct image *image, const struct metadata_feature_record *record)
{
    if (!bytes_equal(record->name, BYTES_LITERAL("metadata.version"))) return APPLY_REFUSED;
    image->view.feature_level = record->level;
    return APPLY_DONE;
}

static enum apply_verdict apply_recovery(struct image *image, const struct metadata_recovery_record *record,
                                         struct image_change *change)
{
    if ((uint64_t)record->previous != image->view.incarnation) return APPLY_REFUSED;
    image->view.incarnation = (uint64_t)record->incarnation;
    if (record->node_id >= 0) image_keep_broker(image, record->node_id, change);
    return APPLY_DONE;
}

static enum apply_verdict apply_producer_ids(struct image *image, const struct metadata_producer_ids_record *record)
{
    if (record->count < 1) return APPLY_MALFORMED;
    if (record->first_producer_id != image->view.next_producer_id) return APPLY_REFUSED;
    if (record->count > INT64_MAX - record->first_producer_id) return APPLY_MALFORMED;
    image->view.next_producer_id += record->count;
    return APPLY_DONE;
}

static enum apply_verdict apply_balance(struct image *image, const struct metadata_balance_record *record)
{
    image->view.evens = record->wanted;
    return APPLY_DONE;
}

/* ---- wishes ---- */

static enum apply_verdict apply_wish(struct image *image, const struct metadata_wish_record *record,
                                     struct image_change *change)
{
    const uint64_t sequence = (uint64_t)record->sequence, first_open = (uint64_t)record->first_open;
    enum wish_standing standing = image_wish(image, record->broker_id, &record->incarnation, first_open, sequence);

    if (standing != WISH_NEW && !(standing == WISH_SETTLED && MUTANT(wish_applied_twice))) return APPLY_REFUSED;
    const uint32_t broker = image_broker_by_id(image, record->broker_id);
    if (standing == WISH_NEW) wish_window_settle(&image->brokers[broker].wishes, first_open, sequence);
    if (record->broker_id == image->config.node_id) {
        *change = (struct image_change){ CHANGE_OWN_WISH, SLOT_NONE, SLOT_NONE, SLOT_NONE, sequence, record->answer };
    }
    return APPLY_DONE;
}

static enum apply_verdict apply_wish_window(struct image *image, const struct metadata_wish_window_record *record)
{
    const struct wish_window window = { (uint64_t)record->floor, (uint64_t)record->applied };
    const uint32_t broker = image_broker_by_id(image, record->broker_id);

    if (broker == SLOT_NONE) return APPLY_REFUSED;
    if (record->floor < 1 || window.floor > WISH_SEQUENCE_MAX || (window.applied & 1) != 0) return APPLY_MALFORMED;
    image->brokers[broker].wishes = window;
    return APPLY_DONE;
}

/* ---- all of them ---- */

#define APPLY(name, call)                                                                                              \
    {                                                                                                                  \
        struct metadata_##name##_record decoded;                                                                       \
        if (!metadata_##name##_record_read(&reader, version, &image->arena, &decoded)) return APPLY_MALFORMED;         \
        return reader_left(&reader) > 0 ? APPLY_MALFORMED : (call);                                                    \
    }

enum apply_verdict image_apply(struct image *image, uint64_t index, struct bytes record, struct image_change *change)
{
    CHECK(!image_is_draining(image));
    struct reader reader = reader_of(record);
    const uint8_t id = reader_uint8(&reader);
    const uint8_t version = reader_uint8(&reader);

    *change = NO_CHANGE;
    if (!reader_ok(&reader)) return APPLY_MALFORMED;
    arena_reset(&image->arena);
    switch (id) {
    case RECORD_METADATA_CLUSTER: APPLY(cluster, apply_cluster(image, &decoded))
    case RECORD_METADATA_FEATURE: APPLY(feature, apply_feature(image, &decoded))
    case RECORD_METADATA_BROKER: APPLY(broker, image_apply_broker(image, index, &decoded, change))
    case RECORD_METADATA_BROKER_CHANGE: APPLY(broker_change, image_apply_broker_change(image, &decoded, change))
    case RECORD_METADATA_BROKER_REMOVAL: APPLY(broker_removal, image_apply_broker_removal(image, &decoded, change))
    case RECORD_METADATA_TOPIC: APPLY(topic, apply_topic(image, &decoded, change))
    case RECORD_METADATA_TOPIC_REMOVAL: APPLY(topic_removal, apply_topic_removal(image, &decoded, change))
    case RECORD_METADATA_PARTITION: APPLY(partition, image_apply_partition(image, &decoded, change))
    case RECORD_METADATA_PARTITION_CHANGE:
        APPLY(partition_change, image_apply_partition_change(image, &decoded, change))
    case RECORD_METADATA_CONFIG: APPLY(config, apply_config(image, &decoded, change))
    case RECORD_METADATA_PRODUCER_IDS: APPLY(producer_ids, apply_producer_ids(image, &decoded))
    case RECORD_METADATA_RECOVERY: APPLY(recovery, apply_recovery(image, &decoded, change))
    case RECORD_METADATA_BALANCE: APPLY(balance, apply_balance(image, &decoded))
    case RECORD_METADATA_WISH: APPLY(wish, apply_wish(image, &decoded, change))
    case RECORD_METADATA_CLIENT_QUOTA: APPLY(client_quota, image_apply_client_quota(image, &decoded))
    case RECORD_METADATA_GROUP_CONFIG: APPLY(group_config, image_apply_group_config(image, &decoded))
    case RECORD_METADATA_WISH_WINDOW: APPLY(wish_window, apply_wish_window(image, &decoded))
    default: return APPLY_MALFORMED;
    }
}

void image_advance(struct image *image, uint64_t index, uint64_t term)
{
    CHECK(!image_is_draining(image));
    CHECK(index > image->view.applied_index && term >= image->view.applied_term);
    image->view.applied_index = index;
    image->view.applied_term = term;
}
