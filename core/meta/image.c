/* image.c -- the image's memory, and the questions to it. image_apply.c changes it, image_configs.c knows settings. */
#include "meta/image.h"

#include "base/check.h"
#include "meta/image_state.h"

/* ---- memory ---- */

enum {
    MEMORY_IMAGE,
    MEMORY_TOPICS,
    MEMORY_TOPIC_VALUES,
    MEMORY_TOPIC_SLOTS,
    MEMORY_TOPICS_BY_NAME,
    MEMORY_TOPICS_BY_ID,
    MEMORY_PARTITIONS,
    MEMORY_PARTITION_SLOTS,
    MEMORY_PARTITIONS_BY_INDEX,
    MEMORY_BROKERS,
    MEMORY_SETTINGS,
    MEMORY_BROKER_SLOTS,
    MEMORY_BROKERS_BY_ID,
    MEMORY_COPIES,
    MEMORY_ARENA,
    MEMORY_COUNT,
};

static size_t rounded(size_t size)
{
    return (size + 63) / 64 * 64;
}

static void sizes_of(const struct image_config *config, size_t sizes[MEMORY_COUNT])
{
    const size_t topics = config->topics_max, partitions = config->partitions_max, brokers = config->brokers_max;

    sizes[MEMORY_IMAGE] = sizeof(struct image);
    sizes[MEMORY_TOPICS] = topics * sizeof(struct image_topic);
    sizes[MEMORY_TOPIC_VALUES] = topics * TOPIC_CONFIG_COUNT * sizeof(int64_t);
    sizes[MEMORY_TOPIC_SLOTS] = pool_size(config->topics_max);
    sizes[MEMORY_TOPICS_BY_NAME] = text_map_size(config->topics_max);
    sizes[MEMORY_TOPICS_BY_ID] = map_size(config->topics_max, MAP_KEY_ID);
    sizes[MEMORY_PARTITIONS] = partitions * sizeof(struct image_partition);
    sizes[MEMORY_PARTITION_SLOTS] = pool_size(config->partitions_max);
    sizes[MEMORY_PARTITIONS_BY_INDEX] = map_size(config->partitions_max, MAP_KEY_U64);
    sizes[MEMORY_BROKERS] = brokers * sizeof(struct image_broker);
    sizes[MEMORY_SETTINGS] = brokers * sizeof(struct broker_settings);
    sizes[MEMORY_BROKER_SLOTS] = pool_size(config->brokers_max);
    sizes[MEMORY_BROKERS_BY_ID] = map_size(config->brokers_max, MAP_KEY_U64);
    sizes[MEMORY_COPIES] = brokers * image_copies_words(config->partitions_max) * sizeof(uint64_t);
    sizes[MEMORY_ARENA] = RECORD_ARENA_SIZE;
}

size_t image_size(const struct image_config *config)
{
    size_t sizes[MEMORY_COUNT], sum = 0;

    sizes_of(config, sizes);
    for (uint32_t i = 0; i < MEMORY_COUNT; i++) sum += rounded(sizes[i]);
    return sum;
}

static void point(struct image *image)
{
    size_t sizes[MEMORY_COUNT];
    void *parts[MEMORY_COUNT];
    uint8_t *at = (uint8_t *)image;

    sizes_of(&image->config, sizes);
    for (uint32_t i = 0; i < MEMORY_COUNT; i++) {
        parts[i] = at;
        at += rounded(sizes[i]);
    }
    image->topics = parts[MEMORY_TOPICS];
    image->topic_values = parts[MEMORY_TOPIC_VALUES];
    image->partitions = parts[MEMORY_PARTITIONS];
    image->brokers = parts[MEMORY_BROKERS];
    image->settings = parts[MEMORY_SETTINGS];
    image->copies = parts[MEMORY_COPIES];
    image->copies_words = image_copies_words(image->config.partitions_max);

    const struct image_config *config = &image->config;
    const uint64_t seed = config->hash_seed;
    pool_init(&image->topic_slots, parts[MEMORY_TOPIC_SLOTS], config->topics_max);
    pool_init(&image->partition_slots, parts[MEMORY_PARTITION_SLOTS], config->partitions_max);
    pool_init(&image->broker_slots, parts[MEMORY_BROKER_SLOTS], config->brokers_max);
    text_map_init(&image->topics_by_name, parts[MEMORY_TOPICS_BY_NAME], config->topics_max, seed);
    map_init(&image->topics_by_id, parts[MEMORY_TOPICS_BY_ID], config->topics_max, MAP_KEY_ID, seed);
    map_init(&image->partitions_by_index, parts[MEMORY_PARTITIONS_BY_INDEX], config->partitions_max, MAP_KEY_U64, seed);
    map_init(&image->brokers_by_id, parts[MEMORY_BROKERS_BY_ID], config->brokers_max, MAP_KEY_U64, seed);
    arena_init(&image->arena, parts[MEMORY_ARENA], RECORD_ARENA_SIZE);
}

void image_init(struct image *image, const struct image_config *config)
{
    CHECK(config->topics_max > 0 && config->partitions_max > 0 && config->brokers_max > 0);
    CHECK(config->static_count <= CONFIG_STATICS_MAX);
    *image = (struct image){ .config = *config,
                             .first_topic = SLOT_NONE,
                             .last_topic = SLOT_NONE,
                             .first_broker = SLOT_NONE,
                             .own_broker = SLOT_NONE };
    point(image);
    for (uint32_t i = 0; i < config->static_count; i++) {
        const struct config_static *set = &config->statics[i];
        CHECK(config_scope(set->id) == SCOPE_BROKER && (int)set->id < (int)CONFIG_COUNT);
        image->statics.values[set->id - TOPIC_CONFIG_COUNT] = set->value;
        image->statics.set |= (uint64_t)1 << (set->id - TOPIC_CONFIG_COUNT);
    }
}

void image_clear(struct image *image)
{
    const struct image_config config = image->config;
    const uint64_t topic_changes = image->view.topic_changes;

    memset(image, 0, image_size(&config));
    image_init(image, &config);
    image->view.topic_changes = topic_changes + 1; /* it counts on: who has seen a number has to look again */
}

/* ---- names ---- */

struct folded_name image_fold(struct bytes name)
{
    struct folded_name folded;

    CHECK(name.size <= TOPIC_NAME_SIZE_MAX);
    folded.size = (uint8_t)name.size;
    for (uint32_t i = 0; i < name.size; i++) folded.bytes[i] = name.data[i] == '.' ? '_' : name.data[i];
    return folded;
}

uint32_t image_topic_like(const struct image *image, struct bytes name)
{
    if (name.size == 0 || name.size > TOPIC_NAME_SIZE_MAX) return SLOT_NONE;
    const struct folded_name wanted = image_fold(name);
    struct text_map_search search;
    uint32_t topic = text_map_first(&image->topics_by_name, folded_bytes(&wanted), &search);

    for (; topic != TEXT_MAP_NONE; topic = text_map_next(&image->topics_by_name, &search)) {
        const struct folded_name found = image_fold(image_topic_name(image, topic));
        if (bytes_equal(folded_bytes(&wanted), folded_bytes(&found))) return topic;
    }
    return SLOT_NONE;
}

uint32_t image_topic_by_name(const struct image *image, struct bytes name)
{
    const uint32_t topic = image_topic_like(image, name); /* two that are alike cannot both be there */

    if (topic == SLOT_NONE || !bytes_equal(name, image_topic_name(image, topic))) return SLOT_NONE;
    return topic;
}

uint32_t image_topic_by_id(const struct image *image, const struct uuid *id)
{
    uint32_t topic;

    return map_get(&image->topics_by_id, map_key_id(id, 0), &topic) ? topic : SLOT_NONE;
}

const struct image_topic *image_topic(const struct image *image, uint32_t topic)
{
    CHECK(topic < image->config.topics_max);
    return &image->topics[topic];
}

struct bytes image_topic_name(const struct image *image, uint32_t topic)
{
    const struct image_topic *found = image_topic(image, topic);

    return (struct bytes){ found->name, found->name_size };
}

/* ---- partitions ---- */

uint32_t image_partition_slot(const struct image *image, uint32_t topic, int32_t index)
{
    uint32_t partition;

    return map_get(&image->partitions_by_index, partition_key(topic, index), &partition) ? partition : SLOT_NONE;
}

const struct image_partition *image_partition(const struct image *image, uint32_t partition)
{
    CHECK(partition < image->config.partitions_max);
    return &image->partitions[partition];
}

replica_set image_partition_place(const struct image_partition *partition, int32_t broker_id)
{
    for (uint32_t i = 0; i < partition->replica_count; i++) {
        if (partition->replicas[i] == broker_id) return (replica_set)(1u << i);
    }
    return 0;
}

bool image_partition_has_replica(const struct image_partition *partition, int32_t broker_id)
{
    return image_partition_place(partition, broker_id) != 0;
}

bool image_partition_has_observer(const struct image_partition *partition, int32_t broker_id)
{
    for (uint32_t i = 0; i < partition->observer_count; i++) {
        if (partition->observers[i] == broker_id) return true;
    }
    return false;
}

bool image_partition_has_copy(const struct image_partition *partition, int32_t broker_id)
{
    return image_partition_has_replica(partition, broker_id) || image_partition_has_observer(partition, broker_id);
}

uint32_t image_partition_brokers(const struct image_partition *partition, replica_set set, int32_t ids[REPLICAS_MAX])
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < partition->replica_count; i++) {
        if ((set >> i & 1) != 0) ids[count++] = partition->replicas[i];
    }
    return count;
}

uint32_t image_first_topic(const struct image *image)
{
    return image->first_topic;
}

uint32_t image_next_topic(const struct image *image, uint32_t topic)
{
    return image_topic(image, topic)->next_topic;
}

uint32_t image_next_partition(const struct image *image, uint32_t partition)
{
    uint32_t slot = partition == SLOT_NONE ? 0 : partition + 1;

    CHECK(!image_is_draining(image));
    while (slot < image->partition_slots.fresh_first && !pool_is_taken(&image->partition_slots, slot)) slot++;
    return slot < image->partition_slots.fresh_first ? slot : SLOT_NONE;
}

/* ---- who belongs to the cluster ---- */

struct uuid ancestry_identity(const struct ancestry *ancestry)
{
    struct uuid identity = ancestry->cluster_id;

    if (!uuid_is_zero(&identity)) store_u64(identity.bytes + 8, load_u64(identity.bytes + 8) ^ ancestry->incarnation);
    return identity;
}

enum kinship ancestry_kinship(const struct ancestry *ancestry, const struct uuid *other)
{
    const struct uuid *own = &ancestry->cluster_id;

    if (uuid_is_zero(own) || memcmp(own->bytes, other->bytes, 8) != 0) return KINSHIP_NONE;
    const uint64_t incarnation = load_u64(own->bytes + 8) ^ load_u64(other->bytes + 8);
    if (incarnation == ancestry->incarnation) return KINSHIP_SAME;
    const uint64_t ours = ancestry->incarnation >> INCARNATION_DRAWN_BITS;
    const uint64_t theirs = incarnation >> INCARNATION_DRAWN_BITS;
    if (theirs == ours) return KINSHIP_APART;
    return theirs < ours ? KINSHIP_OLDER : KINSHIP_NEWER;
}

struct ancestry image_ancestry(const struct image *image)
{
    return (struct ancestry){ image->view.cluster_id, image->view.incarnation };
}

struct uuid image_identity(const struct image *image)
{
    const struct ancestry ancestry = image_ancestry(image);

    return ancestry_identity(&ancestry);
}

enum kinship image_kinship(const struct image *image, const struct uuid *other)
{
    const struct ancestry ancestry = image_ancestry(image);

    return ancestry_kinship(&ancestry, other);
}

/* ---- brokers, cluster ---- */

uint32_t image_broker_by_id(const struct image *image, int32_t id)
{
    uint32_t broker;

    if (id == image->config.node_id) return image->own_broker; /* asked for in every step */
    return map_get(&image->brokers_by_id, broker_key(id), &broker) ? broker : SLOT_NONE;
}

const struct image_broker *image_broker(const struct image *image, uint32_t broker)
{
    CHECK(broker < image->config.brokers_max);
    return &image->brokers[broker];
}

uint32_t image_first_broker(const struct image *image)
{
    return image->first_broker;
}

uint32_t image_next_broker(const struct image *image, uint32_t broker)
{
    return image_broker(image, broker)->next_broker;
}

enum wish_standing image_wish(const struct image *image, int32_t broker_id, const struct uuid *incarnation,
                              uint64_t first_open, uint64_t sequence)
{
    const uint32_t broker = image_broker_by_id(image, broker_id);

    if (broker == SLOT_NONE || !uuid_equal(&image->brokers[broker].incarnation, incarnation)) return WISH_IMPOSSIBLE;
    return wish_window_judge(&image->brokers[broker].wishes, first_open, sequence);
}

struct image_view image_view(const struct image *image)
{
    return image->view;
}

/* ---- invariants ---- */

/* Nothing is under way. */
static bool is_whole(const struct image *image)
{
    return !image_is_draining(image) && !image->converging;
}

static void check_settled(const struct image *image, const struct image_partition *partition)
{
    const struct partition_fact nothing = { .broker = -1 };
    struct image_partition after = *partition;

    CHECK(!partition_settle(image, partition, &nothing, &after)); /* (6) */
    for (uint32_t i = 0; i < partition->replica_count; i++) {
        const uint32_t slot = image_broker_by_id(image, partition->replicas[i]);
        if ((partition->isr >> i & 1) != 0) CHECK(slot != SLOT_NONE && !image_broker(image, slot)->fenced); /* (6) */
    }
    for (uint32_t i = 0; i < partition->observer_count; i++) {
        const uint32_t slot = image_broker_by_id(image, partition->observers[i]);
        CHECK(slot != SLOT_NONE && image_broker(image, slot)->observer); /* (6) */
    }
}

/* What brokers have in all. */
struct held {
    uint32_t replicas, removing, led, preferred, observed;
};

static void add_held(const struct image *image, const struct image_partition *partition, struct held *held)
{
    for (uint32_t i = 0; i < partition->replica_count; i++) {
        if (image_broker_by_id(image, partition->replicas[i]) == SLOT_NONE) continue;
        held->replicas++;
        held->removing += partition->removing >> i & 1;
    }
    for (uint32_t i = 0; i < partition->observer_count; i++) {
        held->observed += image_broker_by_id(image, partition->observers[i]) != SLOT_NONE;
    }
    held->preferred += image_broker_by_id(image, partition->replicas[0]) != SLOT_NONE;
    held->led += partition->leader != -1;
}

static void check_copies(const struct image *image, uint32_t slot)
{
    const struct image_partition *partition = &image->partitions[slot];

    for (uint32_t i = 0; i < partition->replica_count + partition->observer_count; i++) {
        const bool observes = i >= partition->replica_count;
        const int32_t id = observes ? partition->observers[i - partition->replica_count] : partition->replicas[i];
        const uint32_t broker = image_broker_by_id(image, id);
        if (broker != SLOT_NONE) CHECK(image_copies_may_have(image, broker, slot)); /* (8) */
    }
}

static uint32_t check_chain(const struct image *image, uint32_t topic, struct held *held)
{
    const struct image_topic *owner = image_topic(image, topic);
    uint32_t count = 0, last = SLOT_NONE;

    for (uint32_t slot = owner->first_partition; slot != SLOT_NONE; slot = image->partitions[slot].next_partition) {
        const struct image_partition *partition = image_partition(image, slot);
        CHECK(pool_is_taken(&image->partition_slots, slot));
        CHECK(partition->topic == topic && partition->index == (int32_t)count); /* (2) */
        CHECK(image_partition_slot(image, topic, partition->index) == slot);    /* (2) */
        partition_check(partition);                                             /* (5) */
        if (is_whole(image)) check_settled(image, partition);
        if (!image_is_draining(image)) check_copies(image, slot);
        add_held(image, partition, held);
        last = slot;
        count++;
    }
    CHECK(count == owner->partition_count && last == owner->last_partition); /* (2) */
    return count;
}

static void check_brokers(const struct image *image, struct held held)
{
    uint32_t brokers = 0;
    int64_t last_id = -1;

    for (uint32_t slot = image->first_broker; slot != SLOT_NONE; slot = image->brokers[slot].next_broker) {
        const struct image_broker *broker = &image->brokers[slot];
        CHECK(broker->id > last_id); /* (4) */
        CHECK(image_broker_by_id(image, broker->id) == slot);
        CHECK(broker->unfenced_epoch <= broker->epoch);
        wish_window_check(&broker->wishes);
        held.replicas -= broker->replica_count;
        held.removing -= broker->removing_count;
        held.led -= broker->leader_count;
        held.preferred -= broker->preferred_count;
        held.observed -= broker->observed_count;
        last_id = broker->id;
        brokers++;
    }
    CHECK(brokers == image->view.broker_count && brokers == image->broker_slots.taken_count);
    uint32_t own;
    if (!map_get(&image->brokers_by_id, broker_key(image->config.node_id), &own)) own = SLOT_NONE;
    CHECK(image->own_broker == own);
    if (!is_whole(image)) return;
    CHECK(held.replicas == 0 && held.removing == 0 && held.led == 0 && held.preferred == 0); /* (7) */
    CHECK(held.observed == 0);                                                               /* (7) */
}

void image_check(const struct image *image)
{
    const bool removing = image->drain.kind == DRAIN_TOPIC;
    uint32_t topics = 0, partitions = 0, settings = 0, previous = SLOT_NONE;
    struct held held = { 0 };

    for (uint32_t topic = image->first_topic; topic != SLOT_NONE; topic = image->topics[topic].next_topic) {
        CHECK(pool_is_taken(&image->topic_slots, topic));
        CHECK(image->topics[topic].previous_topic == previous);
        CHECK(image_topic_by_name(image, image_topic_name(image, topic)) == topic); /* (1) */
        CHECK(image_topic_by_id(image, &image->topics[topic].id) == topic);         /* (1) */
        partitions += check_chain(image, topic, &held);
        settings += (uint32_t)__builtin_popcountll(image->topics[topic].configs_set);
        previous = topic;
        topics++;
    }
    CHECK(image->last_topic == previous);
    CHECK(topics == image->view.topic_count);                   /* (3) */
    CHECK(topics + removing == image->topic_slots.taken_count); /* (3) */
    CHECK(settings == image->view.setting_count);
    if (!removing) CHECK(partitions == image->view.partition_count);          /* (3) */
    CHECK(image->view.partition_count == image->partition_slots.taken_count); /* (3) */
    check_brokers(image, held);
}
