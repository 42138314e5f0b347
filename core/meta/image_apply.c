/* image_apply.c -- what each record does to the image. Guards first, then the change: a record is applied whole or
 * not at all. docs/metadata.md has the table. */
#include "base/check.h"
#include "meta/image_state.h"

enum {
    RESOURCE_TOPIC = 2, /* as in DescribeConfigs */
    RESOURCE_BROKER = 4,
    ALL_BROKERS = -1,
    LEADER_AS_IT_WAS = -2,
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
    image->view.setting_count -= (uint32_t)__builtin_popcountll(image->topics[topic].configs_set);
    image->draining = topic;
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

bool image_is_draining(const struct image *image)
{
    return image->draining != SLOT_NONE;
}

void image_drain(struct image *image, struct image_change *change)
{
    CHECK(image_is_draining(image));
    const uint32_t topic = image->draining;
    struct image_topic *owner = &image->topics[topic];
    const uint32_t partition = owner->first_partition;

    *change = (struct image_change){ CHANGE_NOTHING, SLOT_NONE, SLOT_NONE, SLOT_NONE };
    if (partition == SLOT_NONE) {
        pool_give(&image->topic_slots, topic);
        image->draining = SLOT_NONE;
        return;
    }
    owner->first_partition = image->partitions[partition].next_partition;
    owner->partition_count--;
    CHECK(map_remove(&image->partitions_by_index, partition_key(topic, image->partitions[partition].index)));
    pool_give(&image->partition_slots, partition);
    image->view.partition_count--;
    *change = (struct image_change){ CHANGE_PARTITION_REMOVED, topic, partition, SLOT_NONE };
}

/* ---- partitions ---- */

/* Up to REPLICAS_MAX different broker ids. */
static bool are_brokers(const int32_t *ids, uint32_t count)
{
    if (count > REPLICAS_MAX) return false;
    for (uint32_t i = 0; i < count; i++) {
        if (ids[i] < 0) return false;
        for (uint32_t j = 0; j < i; j++) {
            if (ids[i] == ids[j]) return false;
        }
    }
    return true;
}

static bool is_one_of(int32_t id, const int32_t *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (ids[i] == id) return true;
    }
    return false;
}

/* Whether leader, isr and replicas can be true together. */
static bool is_consistent(const struct image_partition *partition)
{
    if (partition->replica_count == 0) return false;
    for (uint32_t i = 0; i < partition->isr_count; i++) {
        if (!is_one_of(partition->isr[i], partition->replicas, partition->replica_count)) return false;
    }
    return partition->leader == -1 || is_one_of(partition->leader, partition->replicas, partition->replica_count);
}

static bool set_replicas(struct image_partition *partition, const int32_t *ids, uint32_t count)
{
    if (!are_brokers(ids, count)) return false;
    partition->replica_count = (uint8_t)count;
    for (uint32_t i = 0; i < count; i++) partition->replicas[i] = ids[i];
    return true;
}

static bool set_isr(struct image_partition *partition, const int32_t *ids, uint32_t count)
{
    if (!are_brokers(ids, count)) return false;
    partition->isr_count = (uint8_t)count;
    for (uint32_t i = 0; i < count; i++) partition->isr[i] = ids[i];
    return true;
}

bool image_read_partition(const struct metadata_partition_record *record, struct image_partition *made)
{
    const bool with_isr = record->isr != NULL;
    const int32_t *isr = with_isr ? record->isr : record->replicas;

    *made = (struct image_partition){ .topic = SLOT_NONE,
                                      .index = record->index,
                                      .leader = record->leader,
                                      .leader_epoch = record->leader_epoch,
                                      .partition_epoch = record->partition_epoch,
                                      .next_partition = SLOT_NONE };
    if (!set_replicas(made, record->replicas, record->replicas_count)) return false;
    return set_isr(made, isr, with_isr ? record->isr_count : record->replicas_count) && is_consistent(made);
}

static enum apply_verdict apply_partition(struct image *image, const struct metadata_partition_record *record,
                                          struct image_change *change)
{
    struct image_partition made;
    if (!image_read_partition(record, &made)) return APPLY_MALFORMED;
    const uint32_t topic = image_topic_by_id(image, &record->topic_id);
    if (topic == SLOT_NONE) return APPLY_REFUSED;
    struct image_topic *owner = &image->topics[topic];
    if (record->index < 0 || (uint32_t)record->index != owner->partition_count) return APPLY_REFUSED;

    const uint32_t partition = pool_take(&image->partition_slots);
    if (partition == POOL_NONE) return APPLY_FULL;
    made.topic = topic;
    image->partitions[partition] = made;
    CHECK(map_put(&image->partitions_by_index, partition_key(topic, made.index), partition) == MAP_ADDED);
    if (owner->last_partition == SLOT_NONE) owner->first_partition = partition;
    else image->partitions[owner->last_partition].next_partition = partition;
    owner->last_partition = partition;
    owner->partition_count++;
    image->view.partition_count++;
    *change = (struct image_change){ CHANGE_PARTITION_CREATED, topic, partition, SLOT_NONE };
    return APPLY_DONE;
}

static bool drops_a_replica(const struct image_partition *before, const struct image_partition *after)
{
    for (uint32_t i = 0; i < before->replica_count; i++) {
        if (!is_one_of(before->replicas[i], after->replicas, after->replica_count)) return true;
    }
    return false;
}

/* The partition's epoch grows with every change, the leader's with every change of leader and whenever replicas are
 * dropped (docs/replication.md, section 1). */
static enum apply_verdict apply_partition_change(struct image *image,
                                                 const struct metadata_partition_change_record *record,
                                                 struct image_change *change)
{
    const uint32_t topic = image_topic_by_id(image, &record->topic_id);
    if (topic == SLOT_NONE) return APPLY_REFUSED;
    const uint32_t slot = image_partition_slot(image, topic, record->index);
    if (slot == SLOT_NONE) return APPLY_REFUSED;
    struct image_partition after = image->partitions[slot];
    if (record->partition_epoch != after.partition_epoch) return APPLY_REFUSED;

    if (record->replicas != NULL && !set_replicas(&after, record->replicas, record->replicas_count)) {
        return APPLY_MALFORMED;
    }
    if (record->isr != NULL && !set_isr(&after, record->isr, record->isr_count)) return APPLY_MALFORMED;
    if (record->leader != LEADER_AS_IT_WAS) after.leader = record->leader;
    if (!is_consistent(&after)) return APPLY_MALFORMED;
    const bool new_leader = after.leader != image->partitions[slot].leader;
    if (new_leader || drops_a_replica(&image->partitions[slot], &after)) after.leader_epoch++;
    after.partition_epoch++;
    image->partitions[slot] = after;
    *change = (struct image_change){ CHANGE_PARTITION_CHANGED, topic, slot, SLOT_NONE };
    return APPLY_DONE;
}

/* ---- brokers ---- */

static void link_broker(struct image *image, uint32_t broker)
{
    uint32_t *link = &image->first_broker;

    while (*link != SLOT_NONE && image->brokers[*link].id < image->brokers[broker].id) {
        link = &image->brokers[*link].next_broker;
    }
    image->brokers[broker].next_broker = *link;
    *link = broker;
}

static bool read_endpoint(struct image_broker *broker, const struct metadata_broker_record_endpoint *endpoint)
{
    if (endpoint->kind < 0 || endpoint->kind >= ENDPOINT_COUNT || endpoint->host.size > HOST_SIZE_MAX) return false;
    struct image_endpoint *to = &broker->endpoints[endpoint->kind];
    to->port = endpoint->port;
    to->host_size = (uint8_t)endpoint->host.size;
    if (endpoint->host.size > 0) memcpy(to->host, endpoint->host.data, endpoint->host.size);
    return true;
}

bool image_read_broker(const struct metadata_broker_record *record, uint64_t index, struct image_broker *broker)
{
    if (record->broker_id < 0 || record->rack.size > RACK_SIZE_MAX) return false;
    *broker = (struct image_broker){ .id = record->broker_id,
                                     .epoch = record->epoch == -1 ? (int64_t)index : record->epoch,
                                     .incarnation = record->incarnation,
                                     .fenced = record->fenced,
                                     .rack_size = (uint8_t)record->rack.size,
                                     .next_broker = SLOT_NONE };
    wish_window_init(&broker->wishes);
    if (record->rack.size > 0) memcpy(broker->rack, record->rack.data, record->rack.size);
    for (uint32_t i = 0; i < record->endpoints_count; i++) {
        if (!read_endpoint(broker, &record->endpoints[i])) return false;
    }
    return true;
}

/* A broker that starts anew must never append again in an epoch it led before: it may have forgotten what it promised
 * there. So all that it led begins a new epoch, even where it stays the leader (NoResume, C3). */
static void end_epochs_led_by(struct image *image, int32_t id)
{
    for (uint32_t topic = image->first_topic; topic != SLOT_NONE; topic = image->topics[topic].next_topic) {
        uint32_t slot = image->topics[topic].first_partition;
        for (; slot != SLOT_NONE; slot = image->partitions[slot].next_partition) {
            struct image_partition *partition = &image->partitions[slot];
            if (partition->leader != id) continue;
            partition->leader_epoch++;
            partition->partition_epoch++;
        }
    }
}

static enum apply_verdict apply_broker(struct image *image, uint64_t index, const struct metadata_broker_record *record,
                                       struct image_change *change)
{
    struct image_broker made;
    uint32_t broker = image_broker_by_id(image, record->broker_id);

    if (!image_read_broker(record, index, &made)) return APPLY_MALFORMED;
    if (broker == SLOT_NONE) {
        broker = pool_take(&image->broker_slots);
        if (broker == POOL_NONE) return APPLY_FULL;
        CHECK(map_put(&image->brokers_by_id, broker_key(made.id), broker) == MAP_ADDED);
        image->brokers[broker] = made;
        image->settings[broker] = (struct broker_settings){ 0 };
        link_broker(image, broker);
        image->view.broker_count++;
        if (made.id == image->config.node_id) image->own_broker = broker;
    } else {
        if (made.epoch <= image->brokers[broker].epoch) return APPLY_REFUSED;
        if (uuid_equal(&made.incarnation, &image->brokers[broker].incarnation)) return APPLY_REFUSED;
        made.next_broker = image->brokers[broker].next_broker;
        image->brokers[broker] = made;
        if (!MUTANT(meta_same_epoch_after_restart)) end_epochs_led_by(image, made.id);
    }
    image->view.broker_changes++;
    *change = (struct image_change){ CHANGE_BROKER, SLOT_NONE, SLOT_NONE, broker };
    return APPLY_DONE;
}

/* The broker that a record means: of this epoch, not of an earlier or later life. */
static uint32_t broker_of_epoch(const struct image *image, int32_t id, int64_t epoch)
{
    const uint32_t broker = image_broker_by_id(image, id);

    if (broker == SLOT_NONE || image->brokers[broker].epoch != epoch) return SLOT_NONE;
    return broker;
}

static enum apply_verdict apply_broker_change(struct image *image, const struct metadata_broker_change_record *record,
                                              struct image_change *change)
{
    const uint32_t broker = broker_of_epoch(image, record->broker_id, record->epoch);
    if (broker == SLOT_NONE) return APPLY_REFUSED;

    image->brokers[broker].fenced = record->fenced;
    image->view.broker_changes++;
    *change = (struct image_change){ CHANGE_BROKER, SLOT_NONE, SLOT_NONE, broker };
    return APPLY_DONE;
}

void image_remove_broker(struct image *image, uint32_t broker, struct image_change *change)
{
    uint32_t *link = &image->first_broker;

    while (*link != broker) link = &image->brokers[*link].next_broker;
    *link = image->brokers[broker].next_broker;
    CHECK(map_remove(&image->brokers_by_id, broker_key(image->brokers[broker].id)));
    pool_give(&image->broker_slots, broker);
    image->view.broker_count--;
    image->view.broker_changes++;
    if (broker == image->own_broker) image->own_broker = SLOT_NONE;
    *change = (struct image_change){ CHANGE_BROKER_REMOVED, SLOT_NONE, SLOT_NONE, SLOT_NONE };
}

static enum apply_verdict apply_broker_removal(struct image *image, const struct metadata_broker_removal_record *record,
                                               struct image_change *change)
{
    const uint32_t broker = broker_of_epoch(image, record->broker_id, record->epoch);

    if (broker == SLOT_NONE) return APPLY_REFUSED;
    image_remove_broker(image, broker, change);
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

static enum apply_verdict apply_producer_ids(struct image *image, const struct metadata_producer_ids_record *record)
{
    if (record->count < 1) return APPLY_MALFORMED;
    if (record->first_producer_id != image->view.next_producer_id) return APPLY_REFUSED;
    if (record->count > INT64_MAX - record->first_producer_id) return APPLY_MALFORMED;
    image->view.next_producer_id += record->count;
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

#define READ(name)                                                                                                     \
    struct metadata_##name##_record decoded;                                                                           \
    if (!metadata_##name##_record_read(&reader, 0, &image->arena, &decoded)) return APPLY_MALFORMED;                   \
    if (reader_left(&reader) > 0) return APPLY_MALFORMED

#define APPLY(name, ...)                                                                                               \
    {                                                                                                                  \
        READ(name);                                                                                                    \
        return apply_##name(__VA_ARGS__);                                                                              \
    }

enum apply_verdict image_apply(struct image *image, uint64_t index, struct bytes record, struct image_change *change)
{
    CHECK(!image_is_draining(image));
    struct reader reader = reader_of(record);
    const uint8_t id = reader_uint8(&reader);
    const uint8_t version = reader_uint8(&reader);

    *change = (struct image_change){ CHANGE_NOTHING, SLOT_NONE, SLOT_NONE, SLOT_NONE };
    if (!reader_ok(&reader) || version != 0) return APPLY_MALFORMED;
    arena_reset(&image->arena);
    switch (id) {
    case RECORD_METADATA_CLUSTER: APPLY(cluster, image, &decoded)
    case RECORD_METADATA_FEATURE: APPLY(feature, image, &decoded)
    case RECORD_METADATA_BROKER: APPLY(broker, image, index, &decoded, change)
    case RECORD_METADATA_BROKER_CHANGE: APPLY(broker_change, image, &decoded, change)
    case RECORD_METADATA_BROKER_REMOVAL: APPLY(broker_removal, image, &decoded, change)
    case RECORD_METADATA_TOPIC: APPLY(topic, image, &decoded, change)
    case RECORD_METADATA_TOPIC_REMOVAL: APPLY(topic_removal, image, &decoded, change)
    case RECORD_METADATA_PARTITION: APPLY(partition, image, &decoded, change)
    case RECORD_METADATA_PARTITION_CHANGE: APPLY(partition_change, image, &decoded, change)
    case RECORD_METADATA_CONFIG: APPLY(config, image, &decoded, change)
    case RECORD_METADATA_PRODUCER_IDS: APPLY(producer_ids, image, &decoded)
    case RECORD_METADATA_WISH: APPLY(wish, image, &decoded, change)
    case RECORD_METADATA_WISH_WINDOW: APPLY(wish_window, image, &decoded)
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
