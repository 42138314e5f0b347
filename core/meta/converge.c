#include "meta/converge.h"

#include "base/check.h"
#include "meta/image_state.h"

enum {
    RESOURCE_TOPIC = 2, /* as in DescribeConfigs */
    RESOURCE_BROKER = 4,
    ALL_BROKERS = -1,
    COMPARED_SIZE = 2048, /* more than the largest record of a partition or a broker */
};

enum owner_kind { OWNER_NONE, OWNER_ALL_BROKERS, OWNER_BROKER, OWNER_TOPIC };

/* A record of the snapshot, decoded as far as its kind asks. */
struct incoming {
    struct bytes bytes;
    uint8_t id;
    union {
        struct metadata_cluster_record cluster;
        struct metadata_recovery_record recovery;
        struct metadata_producer_ids_record producer_ids;
        struct metadata_broker_record broker;
        struct metadata_topic_record topic;
        struct metadata_partition_record partition;
        struct metadata_config_record config;
    };
};

void image_converge_init(struct image_converge *converge, const struct image *image,
                         const struct snapshot_loader *loader)
{
    CHECK(loader->head.index > image->view.applied_index);
    *converge = (struct image_converge){ .loader = *loader,
                                         .rest = loader->rest,
                                         .topic = image->first_topic,
                                         .broker = image->first_broker,
                                         .owner_kind = OWNER_ALL_BROKERS };
}

#define READ(name) metadata_##name##_record_read(&reader, version, &image->arena, &incoming->name)

static bool read_record(struct image *image, struct bytes bytes, struct incoming *incoming)
{
    struct reader reader = reader_of(bytes);

    *incoming = (struct incoming){ .bytes = bytes, .id = reader_uint8(&reader) };
    const int16_t version = reader_uint8(&reader);
    arena_reset(&image->arena);
    switch (incoming->id) {
    case RECORD_METADATA_CLUSTER: return READ(cluster);
    case RECORD_METADATA_RECOVERY: return READ(recovery);
    case RECORD_METADATA_PRODUCER_IDS: return READ(producer_ids);
    case RECORD_METADATA_BROKER: return READ(broker);
    case RECORD_METADATA_TOPIC: return READ(topic);
    case RECORD_METADATA_PARTITION: return READ(partition);
    case RECORD_METADATA_CONFIG: return READ(config);
    default: return true; /* it says all by itself: it is applied as it is */
    }
}

static enum converge_verdict verdict_of(enum apply_verdict verdict)
{
    switch (verdict) {
    case APPLY_DONE: return CONVERGE_GOES_ON;
    case APPLY_FULL: return CONVERGE_FULL;
    case APPLY_REFUSED:
    case APPLY_SKIPPED:
    case APPLY_MALFORMED: return CONVERGE_CORRUPT;
    }
    return CONVERGE_CORRUPT;
}

/* ---- first walk: what the snapshot lacks ---- */

static void remove_topic(struct image_converge *converge, struct image *image, struct image_change *change)
{
    const uint32_t topic = converge->topic;

    converge->topic = image->topics[topic].next_topic;
    image_remove_topic(image, topic, change);
}

static void remove_broker(struct image_converge *converge, struct image *image, struct image_change *change)
{
    const uint32_t broker = converge->broker;

    converge->broker = image->brokers[broker].next_broker;
    image_remove_broker(image, broker, change);
}

static uint64_t settings_of(const struct image *image, const struct image_converge *converge)
{
    switch ((enum owner_kind)converge->owner_kind) {
    case OWNER_NONE: return 0;
    case OWNER_ALL_BROKERS: return image->all_brokers.set;
    case OWNER_BROKER: return image->settings[converge->owner].set;
    case OWNER_TOPIC: return image->topics[converge->owner].configs_set;
    }
    return 0;
}

/* Takes back one of the owner's settings that the snapshot does not give it. False: there is none. */
static bool take_setting_back(struct image_converge *converge, struct image *image, struct image_change *change)
{
    uint8_t memory[256];
    struct proposal records = proposal_in(memory, sizeof memory);
    const uint64_t surplus = settings_of(image, converge) & ~converge->owner_settings;
    struct metadata_config_record record = { .resource_type = RESOURCE_BROKER, .broker_id = ALL_BROKERS };
    if (surplus == 0 || MUTANT(converge_keeps_settings)) return false;
    uint32_t id = (uint32_t)__builtin_ctzll(surplus);

    if (converge->owner_kind == OWNER_TOPIC) {
        record.resource_type = RESOURCE_TOPIC;
        record.topic_id = image->topics[converge->owner].id;
    } else {
        id += TOPIC_CONFIG_COUNT;
    }
    if (converge->owner_kind == OWNER_BROKER) record.broker_id = image->brokers[converge->owner].id;
    record.name = text_of(config_info((enum config_id)id)->name);
    proposal_add_config(&records, &record);
    struct bytes rest = proposal_bytes(&records), bytes;
    CHECK(proposal_next(&rest, &bytes));
    CHECK(image_apply(image, image->view.applied_index, bytes, change) == APPLY_DONE); /* it is set, here */
    return true;
}

static void begin_owner(struct image_converge *converge, enum owner_kind kind, uint32_t owner)
{
    converge->owner_kind = owner == SLOT_NONE ? OWNER_NONE : kind;
    converge->owner = owner;
    converge->owner_settings = 0;
}

/* Settings follow their owner. */
static void note_setting(struct image_converge *converge, const struct metadata_config_record *record)
{
    const bool topic = record->resource_type == RESOURCE_TOPIC;
    const enum config_id id = config_by_name(topic ? SCOPE_TOPIC : SCOPE_BROKER, record->name);

    if (id == CONFIG_NONE) return; /* of a newer version; the second walk judges it */
    converge->owner_settings |= (uint64_t)1 << (topic ? (uint32_t)id : (uint32_t)id - TOPIC_CONFIG_COUNT);
}

static bool ends_owner(const struct incoming *incoming)
{
    return incoming->id == RECORD_METADATA_BROKER || incoming->id == RECORD_METADATA_TOPIC ||
           incoming->id == RECORD_METADATA_PARTITION;
}

/* False: something else has to go first. */
static bool compare(struct image_converge *converge, struct image *image, const struct incoming *incoming,
                    struct image_change *change)
{
    if (ends_owner(incoming) && take_setting_back(converge, image, change)) return false;
    if (incoming->id == RECORD_METADATA_CONFIG) note_setting(converge, &incoming->config);
    if (incoming->id == RECORD_METADATA_BROKER) {
        const uint32_t broker = image_broker_by_id(image, incoming->broker.broker_id);
        if (converge->broker != SLOT_NONE && image->brokers[converge->broker].id < incoming->broker.broker_id) {
            remove_broker(converge, image, change);
            return false;
        }
        if (broker != SLOT_NONE) converge->broker = image->brokers[broker].next_broker;
        begin_owner(converge, OWNER_BROKER, broker);
    }
    if (incoming->id == RECORD_METADATA_TOPIC) {
        const uint32_t topic = image_topic_by_id(image, &incoming->topic.topic_id);
        if (topic != SLOT_NONE && converge->topic != topic && converge->topic != SLOT_NONE) {
            remove_topic(converge, image, change);
            return false;
        }
        if (topic != SLOT_NONE) converge->topic = image->topics[topic].next_topic;
        begin_owner(converge, OWNER_TOPIC, topic);
    }
    return true;
}

/* Behind the last record: what was not named by then is not in the snapshot. False: all of it is gone. */
static bool remove_rest(struct image_converge *converge, struct image *image, struct image_change *change)
{
    if (take_setting_back(converge, image, change)) return true;
    begin_owner(converge, OWNER_NONE, SLOT_NONE);
    image_forget_groups(image);
    image_forget_quotas(image); /* all that there are follow, and nobody acts by what is gone in between */
    if (converge->broker != SLOT_NONE) remove_broker(converge, image, change);
    else if (converge->topic != SLOT_NONE) remove_topic(converge, image, change);
    else return false;
    return true;
}

/* ---- second walk: what differs, and what is new ---- */

static bool is_same(const struct proposal *ours, struct bytes theirs)
{
    struct bytes rest = proposal_bytes(ours), record;

    CHECK(proposal_next(&rest, &record));
    return bytes_equal(record, theirs);
}

static enum converge_verdict set_cluster(struct image *image, const struct incoming *incoming,
                                         struct image_change *change)
{
    if (uuid_equal(&image->view.cluster_id, &incoming->cluster.cluster_id)) return CONVERGE_GOES_ON;
    return verdict_of(image_apply(image, image->view.applied_index, incoming->bytes, change));
}

static enum converge_verdict set_producer_ids(struct image *image, const struct metadata_producer_ids_record *record)
{
    if (record->first_producer_id != 0 || record->count < image->view.next_producer_id) return CONVERGE_CORRUPT;
    image->view.next_producer_id = record->count; /* it covers all that were ever given out */
    return CONVERGE_GOES_ON;
}

static enum converge_verdict set_broker(struct image *image, const struct incoming *incoming,
                                        struct image_change *change)
{
    uint8_t memory[COMPARED_SIZE];
    struct proposal ours = proposal_in(memory, sizeof memory);
    struct image_broker made;
    const uint32_t broker = image_broker_by_id(image, incoming->broker.broker_id);

    if (broker == SLOT_NONE) {
        return verdict_of(image_apply(image, image->view.applied_index, incoming->bytes, change));
    }
    image_add_broker(image, broker, &ours);
    if (is_same(&ours, incoming->bytes)) return CONVERGE_GOES_ON;
    if (!image_read_broker(&incoming->broker, 0, &made)) return CONVERGE_CORRUPT;
    image_replace_broker(image, broker, &made);
    *change = (struct image_change){ CHANGE_BROKER, SLOT_NONE, SLOT_NONE, broker };
    return CONVERGE_GOES_ON;
}

static enum converge_verdict set_topic(struct image *image, const struct incoming *incoming,
                                       struct image_change *change)
{
    const struct metadata_topic_record *record = &incoming->topic;
    const uint32_t topic = image_topic_by_id(image, &record->topic_id);

    if (topic == SLOT_NONE) {
        return verdict_of(image_apply(image, image->view.applied_index, incoming->bytes, change));
    }
    struct image_topic *ours = &image->topics[topic];
    if (!bytes_equal(record->name, image_topic_name(image, topic))) return CONVERGE_CORRUPT;
    if (record->replica_target < 1 || record->replica_target > REPLICAS_MAX) return CONVERGE_CORRUPT;
    const bool same = ours->internal == record->internal && ours->replica_target == record->replica_target;
    ours->internal = record->internal;
    ours->replica_target = (uint8_t)record->replica_target;
    if (!same) *change = (struct image_change){ CHANGE_TOPIC_CONFIG, topic, SLOT_NONE, SLOT_NONE };
    return CONVERGE_GOES_ON;
}

static enum converge_verdict set_partition(struct image *image, const struct incoming *incoming,
                                           struct image_change *change)
{
    uint8_t memory[COMPARED_SIZE];
    struct proposal ours = proposal_in(memory, sizeof memory);
    struct image_partition made;
    const uint32_t topic = image_topic_by_id(image, &incoming->partition.topic_id);
    const uint32_t slot =
        topic == SLOT_NONE ? SLOT_NONE : image_partition_slot(image, topic, incoming->partition.index);

    if (slot == SLOT_NONE) {
        return verdict_of(image_apply(image, image->view.applied_index, incoming->bytes, change));
    }
    image_add_partition(image, slot, &ours);
    if (is_same(&ours, incoming->bytes)) return CONVERGE_GOES_ON;
    if (!image_read_partition(image, topic, &incoming->partition, &made)) return CONVERGE_CORRUPT;
    const bool unclean = made.last_unclean_leader_epoch != image->partitions[slot].last_unclean_leader_epoch;
    made.next_partition = image->partitions[slot].next_partition;
    image_change_partition(image, slot, &made);
    *change = (struct image_change){ CHANGE_PARTITION_CHANGED, topic, slot, SLOT_NONE, .unclean = unclean };
    return CONVERGE_GOES_ON;
}

static enum converge_verdict set_topic_setting(struct image *image, const struct incoming *incoming,
                                               struct image_change *change)
{
    int64_t before[TOPIC_CONFIG_COUNT];
    const uint32_t topic = image_topic_by_id(image, &incoming->config.topic_id);
    if (topic == SLOT_NONE) return CONVERGE_CORRUPT;
    const int64_t *values = &image->topic_values[(size_t)topic * TOPIC_CONFIG_COUNT];
    const uint64_t set = image->topics[topic].configs_set;

    memcpy(before, values, sizeof before);
    const enum apply_verdict verdict = image_apply(image, image->view.applied_index, incoming->bytes, change);
    const bool same = set == image->topics[topic].configs_set && memcmp(before, values, sizeof before) == 0;
    if (same) change->kind = CHANGE_NOTHING;
    return verdict_of(verdict);
}

static enum converge_verdict set_broker_setting(struct image *image, const struct incoming *incoming,
                                                struct image_change *change)
{
    const int32_t id = incoming->config.broker_id;
    const uint32_t broker = id == ALL_BROKERS ? SLOT_NONE : image_broker_by_id(image, id);
    if (id != ALL_BROKERS && broker == SLOT_NONE) return CONVERGE_CORRUPT;
    const struct broker_settings *settings = id == ALL_BROKERS ? &image->all_brokers : &image->settings[broker];
    const struct broker_settings before = *settings;

    const enum apply_verdict verdict = image_apply(image, image->view.applied_index, incoming->bytes, change);
    const bool same = before.set == settings->set && memcmp(before.values, settings->values, sizeof before.values) == 0;
    if (same) change->kind = CHANGE_NOTHING;
    return verdict_of(verdict);
}

static enum converge_verdict set_record(struct image *image, const struct incoming *incoming,
                                        struct image_change *change)
{
    switch (incoming->id) {
    case RECORD_METADATA_CLUSTER: return set_cluster(image, incoming, change);
    case RECORD_METADATA_RECOVERY: /* we take nothing from a cluster that went on without us: so it is ours */
        image->view.incarnation = (uint64_t)incoming->recovery.incarnation;
        return CONVERGE_GOES_ON;
    case RECORD_METADATA_PRODUCER_IDS: return set_producer_ids(image, &incoming->producer_ids);
    case RECORD_METADATA_BROKER: return set_broker(image, incoming, change);
    case RECORD_METADATA_TOPIC: return set_topic(image, incoming, change);
    case RECORD_METADATA_PARTITION: return set_partition(image, incoming, change);
    case RECORD_METADATA_CONFIG:
        if (incoming->config.resource_type == RESOURCE_TOPIC) return set_topic_setting(image, incoming, change);
        return set_broker_setting(image, incoming, change);
    default: return verdict_of(image_apply(image, image->view.applied_index, incoming->bytes, change));
    }
}

/* ---- both ---- */

static enum converge_verdict end_of_walk(struct image_converge *converge, struct image *image,
                                         struct image_change *change)
{
    if (converge->rest.size > 0) return CONVERGE_CORRUPT; /* bytes that are no record */
    if (converge->sets) {
        image_advance(image, converge->loader.head.index, converge->loader.head.term);
        image->converging = false;
        return CONVERGE_DONE;
    }
    if (remove_rest(converge, image, change)) return CONVERGE_GOES_ON;
    image->view.evens = false; /* unless a record says so */
    converge->sets = true;
    converge->rest = converge->loader.rest;
    return CONVERGE_GOES_ON;
}

enum converge_verdict image_converge_step(struct image_converge *converge, struct image *image,
                                          struct image_change *change)
{
    enum converge_verdict verdict = CONVERGE_GOES_ON;
    struct bytes rest = converge->rest, record;
    struct incoming incoming;

    *change = NO_CHANGE;
    image->converging = true;
    if (image_is_draining(image)) {
        image_drain(image, change);
        return CONVERGE_GOES_ON;
    }
    if (!proposal_next(&rest, &record)) return end_of_walk(converge, image, change);
    if (!read_record(image, record, &incoming)) return CONVERGE_CORRUPT;
    if (converge->sets) verdict = set_record(image, &incoming, change);
    else if (!compare(converge, image, &incoming, change)) return CONVERGE_GOES_ON;
    converge->rest = rest;
    return verdict;
}
