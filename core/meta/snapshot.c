#include "meta/snapshot.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "base/hash.h"
#include "meta/image_state.h"

enum {
    SNAPSHOT_MAGIC = 0x43485253, /* "CHRS" */
    SNAPSHOT_VERSION = 1,
    RESOURCE_TOPIC = 2,
    RESOURCE_BROKER = 4,
};

/* The largest records of each kind, frames included; test_snapshot.c makes one of each. */
enum {
    CLUSTER_RECORDS_SIZE_MAX = 4096, /* cluster, feature, producer ids, and every setting of all brokers */
    BROKER_RECORD_SIZE_MAX = 80 + RACK_SIZE_MAX + ENDPOINT_COUNT * (HOST_SIZE_MAX + 8),
    WINDOW_RECORD_SIZE_MAX = 32,
    TOPIC_RECORD_SIZE_MAX = 32 + TOPIC_NAME_SIZE_MAX,
    /* Nobody is in isr and elr, or adding and removing. */
    PARTITION_RECORD_SIZE_MAX = 64 + 3 * 4 * REPLICAS_MAX + 4 * OBSERVERS_MAX,
    SETTING_RECORD_SIZE_MAX = 128 + CONFIG_TEXT_SIZE_MAX,
    QUOTA_RECORD_SIZE_MAX = 64 + 2 * QUOTA_NAME_SIZE_MAX,
    GROUP_RECORD_SIZE_MAX = 64 + GROUP_NAME_SIZE_MAX,
};

uint64_t snapshot_size_max(const struct image_config *config, uint32_t configuration_size_max)
{
    const uint64_t brokers = (uint64_t)config->brokers_max * (BROKER_RECORD_SIZE_MAX + WINDOW_RECORD_SIZE_MAX +
                                                              BROKER_CONFIG_COUNT * SETTING_RECORD_SIZE_MAX);

    return SNAPSHOT_HEAD_SIZE + configuration_size_max + CLUSTER_RECORDS_SIZE_MAX +
           (uint64_t)BROKER_CONFIG_COUNT * SETTING_RECORD_SIZE_MAX + brokers +
           (uint64_t)QUOTAS_MAX * QUOTA_KEYS * QUOTA_RECORD_SIZE_MAX +
           (uint64_t)SET_GROUPS_MAX * GROUP_SETTINGS * GROUP_RECORD_SIZE_MAX +
           (uint64_t)config->topics_max * TOPIC_RECORD_SIZE_MAX +
           (uint64_t)config->partitions_max * PARTITION_RECORD_SIZE_MAX +
           (uint64_t)config->settings_max * SETTING_RECORD_SIZE_MAX + SNAPSHOT_CRC_SIZE;
}

/* ---- the image as records ---- */

enum stage { STAGE_CLUSTER, STAGE_ALL_BROKERS, STAGE_QUOTAS, STAGE_GROUPS, STAGE_BROKERS, STAGE_TOPICS, STAGE_END };

void snapshot_cursor_init(struct snapshot_cursor *cursor)
{
    *cursor = (struct snapshot_cursor){
        .stage = STAGE_CLUSTER, .topic = SLOT_NONE, .partition = SLOT_NONE, .broker = SLOT_NONE
    };
}

static void add_cluster(const struct image *image, struct proposal *records)
{
    const struct image_view *view = &image->view;

    if (!uuid_is_zero(&view->cluster_id)) {
        proposal_add_cluster(records, &(struct metadata_cluster_record){ .cluster_id = view->cluster_id });
    }
    if (view->incarnation != 0) {
        const struct metadata_recovery_record recovery = { .incarnation = (int64_t)view->incarnation, .node_id = -1 };
        proposal_add_recovery(records, &recovery);
    }
    if (view->feature_level != 0) {
        const struct metadata_feature_record feature = { BYTES_LITERAL("metadata.version"), view->feature_level };
        proposal_add_feature(records, &feature);
    }
    if (view->next_producer_id > 0 && !MUTANT(snapshot_forgets_producer_ids)) {
        const struct metadata_producer_ids_record ids = { .broker_id = -1,
                                                          .broker_epoch = -1,
                                                          .count = view->next_producer_id };
        proposal_add_producer_ids(records, &ids);
    }
    if (view->evens) proposal_add_balance(records, &(struct metadata_balance_record){ .wanted = true });
}

static void add_setting(const struct metadata_config_record *of, enum config_id id, int64_t value,
                        struct proposal *records)
{
    char words[CONFIG_TEXT_SIZE_MAX];
    struct text text = text_in(words, sizeof words);
    struct metadata_config_record record = *of;

    config_format(id, value, &text);
    record.name = text_of(config_info(id)->name);
    record.value = text_bytes(&text);
    proposal_add_config(records, &record);
}

/* The next setting of brokers at or after `setting`; false if there is none. */
static bool add_broker_setting(const struct broker_settings *settings, int32_t broker_id, uint32_t *setting,
                               struct proposal *records)
{
    const struct metadata_config_record of = { .resource_type = RESOURCE_BROKER, .broker_id = broker_id };

    while (*setting < BROKER_CONFIG_COUNT && (settings->set >> *setting & 1) == 0) ++*setting;
    if (*setting == BROKER_CONFIG_COUNT) return false;
    add_setting(&of, (enum config_id)(TOPIC_CONFIG_COUNT + *setting), settings->values[*setting], records);
    ++*setting;
    return true;
}

/* The next rate at or after `place`, which counts all keys of all entities; false if there is none. */
static bool add_quota(const struct image *image, uint32_t *place, struct proposal *records)
{
    while (*place < image->quota_count * QUOTA_KEYS) {
        const struct image_quota *quota = &image->quotas[*place / QUOTA_KEYS];
        const uint32_t key = (*place)++ % QUOTA_KEYS;
        if (quota->rates[key] == 0) continue;
        const struct metadata_client_quota_record record = { .user_part = (int8_t)quota->user.part,
                                                             .user = { quota->user.bytes, quota->user.size },
                                                             .client_id_part = (int8_t)quota->client_id.part,
                                                             .client_id = { quota->client_id.bytes,
                                                                            quota->client_id.size },
                                                             .key = (int8_t)key,
                                                             .rate = quota->rates[key] };
        proposal_add_client_quota(records, &record);
        return true;
    }
    return false;
}

/* The same of settings of groups. */
static bool add_group(const struct image *image, uint32_t *place, struct proposal *records)
{
    while (*place < image->group_count * GROUP_SETTINGS) {
        const struct image_group *group = &image->groups[*place / GROUP_SETTINGS];
        const uint32_t setting = (*place)++ % GROUP_SETTINGS;
        if (group->values[setting] == 0) continue;
        const struct metadata_group_config_record record = { .group = { group->name, group->size },
                                                             .setting = (int8_t)setting,
                                                             .value = group->values[setting] };
        proposal_add_group_config(records, &record);
        return true;
    }
    return false;
}

void image_add_broker(const struct image *image, uint32_t slot, struct proposal *records)
{
    const struct image_broker *broker = &image->brokers[slot];
    struct metadata_broker_record_endpoint endpoints[ENDPOINT_COUNT];
    struct metadata_broker_record record = { .broker_id = broker->id,
                                             .incarnation = broker->incarnation,
                                             .epoch = broker->epoch,
                                             .fenced = broker->fenced,
                                             .endpoints = endpoints,
                                             .in_controlled_shutdown = broker->in_controlled_shutdown,
                                             .leaving = broker->leaving,
                                             .unfenced_epoch = broker->unfenced_epoch,
                                             .feature_level_min = broker->feature_level_min,
                                             .feature_level_max = broker->feature_level_max,
                                             .observer = broker->observer };

    if (broker->rack_size > 0) record.rack = (struct bytes){ broker->rack, broker->rack_size };
    for (uint32_t kind = 0; kind < ENDPOINT_COUNT; kind++) {
        const struct image_endpoint *from = &broker->endpoints[kind];
        if (from->port == 0) continue;
        endpoints[record.endpoints_count++] = (struct metadata_broker_record_endpoint){
            .kind = (int8_t)kind, .host = { from->host, from->host_size }, .port = from->port
        };
    }
    proposal_add_broker(records, &record);
    if (broker->wishes.floor == 1 && broker->wishes.applied == 0) return; /* as the registration leaves it */
    const struct metadata_wish_window_record window = { .broker_id = broker->id,
                                                        .floor = (int64_t)broker->wishes.floor,
                                                        .applied = (int64_t)broker->wishes.applied };
    if (!MUTANT(snapshot_forgets_wishes)) proposal_add_wish_window(records, &window);
}

static void add_topic(const struct image_topic *topic, struct proposal *records)
{
    const struct metadata_topic_record record = { .name = { topic->name, topic->name_size },
                                                  .topic_id = topic->id,
                                                  .internal = topic->internal,
                                                  .replica_target = (int8_t)topic->replica_target };
    proposal_add_topic(records, &record);
}

void image_add_partition(const struct image *image, uint32_t slot, struct proposal *records)
{
    const struct image_partition *partition = &image->partitions[slot];
    const struct image_topic *topic = &image->topics[partition->topic];
    int32_t isr[REPLICAS_MAX], elr[REPLICAS_MAX], adding[REPLICAS_MAX], removing[REPLICAS_MAX];
    struct metadata_partition_record record = {
        .topic_id = topic->id,
        .index = partition->index,
        .replicas = partition->replicas,
        .replicas_count = partition->replica_count,
        .leader = partition->leader,
        .leader_epoch = partition->leader_epoch,
        .partition_epoch = partition->partition_epoch,
        .elr = elr,
        .elr_count = image_partition_brokers(partition, partition->elr, elr),
        .adding = adding,
        .adding_count = image_partition_brokers(partition, partition->adding, adding),
        .removing = removing,
        .removing_count = image_partition_brokers(partition, partition->removing, removing),
        .last_leader = MUTANT(snapshot_forgets_last_leader) ? -1 : partition->last_leader,
        .last_unclean_leader_epoch = partition->last_unclean_leader_epoch,
        .recovering = partition->recovering,
        .replica_target = (int8_t)partition->replica_target,
        .observers = partition->observers,
        .observers_count = partition->observer_count,
    };

    if (partition->isr != replica_set_all(partition)) { /* null: the replicas */
        record.isr = isr;
        record.isr_count = image_partition_brokers(partition, partition->isr, isr);
    }
    proposal_add_partition(records, &record);
}

/* The next record of the brokers; false if that was the last broker. */
static bool next_of_brokers(const struct image *image, struct snapshot_cursor *cursor, struct proposal *records)
{
    const uint32_t broker = cursor->broker;

    if (broker != SLOT_NONE) {
        const int32_t id = image->brokers[broker].id;
        if (add_broker_setting(&image->settings[broker], id, &cursor->setting, records)) return true;
    }
    cursor->broker = broker == SLOT_NONE ? image->first_broker : image->brokers[broker].next_broker;
    cursor->setting = 0;
    if (cursor->broker == SLOT_NONE) return false;
    image_add_broker(image, cursor->broker, records);
    return true;
}

static bool add_topic_setting(const struct image *image, struct snapshot_cursor *cursor, struct proposal *records)
{
    const struct image_topic *topic = &image->topics[cursor->topic];
    const struct metadata_config_record of = { .resource_type = RESOURCE_TOPIC, .topic_id = topic->id };

    while (cursor->setting < TOPIC_CONFIG_COUNT && (topic->configs_set >> cursor->setting & 1) == 0) cursor->setting++;
    if (cursor->setting == TOPIC_CONFIG_COUNT) return false;
    const int64_t value = image->topic_values[(size_t)cursor->topic * TOPIC_CONFIG_COUNT + cursor->setting];
    add_setting(&of, (enum config_id)cursor->setting, value, records);
    cursor->setting++;
    return true;
}

/* The next record of the topics: the topic, its settings, its partitions; false if that was the last topic. */
static bool next_of_topics(const struct image *image, struct snapshot_cursor *cursor, struct proposal *records)
{
    if (cursor->topic != SLOT_NONE) {
        if (add_topic_setting(image, cursor, records)) return true;
        if (cursor->partition != SLOT_NONE) {
            image_add_partition(image, cursor->partition, records);
            cursor->partition = image->partitions[cursor->partition].next_partition;
            return true;
        }
    }
    cursor->topic = cursor->topic == SLOT_NONE ? image->first_topic : image->topics[cursor->topic].next_topic;
    if (cursor->topic == SLOT_NONE) return false;
    cursor->partition = image->topics[cursor->topic].first_partition;
    cursor->setting = 0;
    add_topic(&image->topics[cursor->topic], records);
    return true;
}

bool snapshot_records(const struct image *image, struct snapshot_cursor *cursor, uint32_t count,
                      struct proposal *records)
{
    CHECK(!image_is_draining(image));
    while (count > 0) {
        bool more = false;
        switch (cursor->stage) {
        case STAGE_CLUSTER: add_cluster(image, records); break;
        case STAGE_ALL_BROKERS: more = add_broker_setting(&image->all_brokers, -1, &cursor->setting, records); break;
        case STAGE_QUOTAS: more = add_quota(image, &cursor->setting, records); break;
        case STAGE_GROUPS: more = add_group(image, &cursor->setting, records); break;
        case STAGE_BROKERS: more = next_of_brokers(image, cursor, records); break;
        case STAGE_TOPICS: more = next_of_topics(image, cursor, records); break;
        default: return false;
        }
        if (more) {
            count--;
        } else {
            cursor->stage++;
            cursor->setting = 0;
        }
    }
    return true;
}

/* ---- writing ---- */

void snapshot_writer_init(struct snapshot_writer *writer, const struct image *image, struct bytes configuration,
                          uint8_t *memory, uint64_t size)
{
    CHECK(size <= INT32_MAX);
    *writer = (struct snapshot_writer){ .out = proposal_in(memory, (uint32_t)size) };
    snapshot_cursor_init(&writer->cursor);
    struct writer *out = &writer->out.writer;
    writer_uint32(out, SNAPSHOT_MAGIC);
    writer_uint16(out, SNAPSHOT_VERSION);
    writer_uint16(out, 0);
    writer_int64(out, 0); /* the size, when it is known */
    const uint64_t index = image->view.applied_index + (MUTANT(snapshot_index_off_by_one) ? 1 : 0);
    writer_int64(out, (int64_t)(index - (MUTANT(M56) && index > 8 ? 1 : 0)));
    writer_int64(out, (int64_t)image->view.applied_term);
    writer_uint32(out, configuration.size);
    writer_uint32(out, 0);
    writer_raw(out, configuration);
}

/* Records are written after the head, and the head's size is written last: so the checksum begins when all is there,
 * and goes on in steps of its own. */
static bool sum_up(struct snapshot_writer *writer, uint32_t size)
{
    struct writer *out = &writer->out.writer;
    const uint64_t step = MIN((uint64_t)size, out->size - writer->crc_position);

    if (writer->crc_position == 0) store_u64(out->data + 8, out->size + SNAPSHOT_CRC_SIZE);
    writer->crc = crc32c(writer->crc, out->data + writer->crc_position, (size_t)step);
    writer->crc_position += step;
    if (writer->crc_position < out->size) return false;
    writer_uint32(out, writer->crc);
    CHECK(writer_ok(out));
    writer->complete = true;
    return true;
}

bool snapshot_write(struct snapshot_writer *writer, const struct image *image, uint32_t size)
{
    enum { RECORDS_STEP = 32 };
    const uint64_t end = writer->out.writer.size + size;

    CHECK(!writer->complete);
    if (writer->crc_position > 0) return sum_up(writer, size);
    while (snapshot_records(image, &writer->cursor, RECORDS_STEP, &writer->out)) {
        CHECK(proposal_ok(&writer->out)); /* snapshot_size_max is an upper bound */
        if (writer->out.writer.size >= end) return false;
    }
    CHECK(proposal_ok(&writer->out));
    return sum_up(writer, size);
}

struct bytes snapshot_written(const struct snapshot_writer *writer)
{
    CHECK(writer->complete);
    return proposal_bytes(&writer->out);
}

/* ---- loading ---- */

bool snapshot_head_read(struct bytes bytes, struct snapshot_head *head)
{
    CHECK(bytes.size >= SNAPSHOT_HEAD_SIZE);
    *head = (struct snapshot_head){
        .size = load_u64(bytes.data + 8),
        .index = load_u64(bytes.data + 16),
        .term = load_u64(bytes.data + 24),
        .configuration_size = load_u32(bytes.data + 32),
    };
    if (load_u32(bytes.data) != SNAPSHOT_MAGIC || load_u16(bytes.data + 4) != SNAPSHOT_VERSION) return false;
    if (head->size < SNAPSHOT_HEAD_SIZE + SNAPSHOT_CRC_SIZE) return false;
    if (head->configuration_size > head->size - SNAPSHOT_HEAD_SIZE - SNAPSHOT_CRC_SIZE) return false;
    return head->index > 0;
}

enum snapshot_verdict snapshot_loader_init(struct snapshot_loader *loader, struct bytes snapshot)
{
    struct snapshot_head *head = &loader->head;

    if (snapshot.size < SNAPSHOT_HEAD_SIZE || !snapshot_head_read(snapshot, head)) return SNAPSHOT_CORRUPT;
    if (head->size != snapshot.size) return SNAPSHOT_CORRUPT;
    const uint32_t end = snapshot.size - SNAPSHOT_CRC_SIZE;
    const bool whole = crc32c(0, snapshot.data, end) == load_u32(snapshot.data + end);
    if (!whole && !MUTANT(snapshot_trusts_bytes)) return SNAPSHOT_CORRUPT;
    loader->configuration = (struct bytes){ snapshot.data + SNAPSHOT_HEAD_SIZE, head->configuration_size };
    const uint32_t begin = SNAPSHOT_HEAD_SIZE + head->configuration_size;
    loader->rest = (struct bytes){ snapshot.data + begin, end - begin };
    return SNAPSHOT_GOOD;
}

enum snapshot_verdict snapshot_load(struct snapshot_loader *loader, struct image *image, uint32_t count)
{
    while (count-- > 0 && loader->rest.size > 0) {
        struct bytes record;
        struct image_change change;
        if (!proposal_next(&loader->rest, &record)) return SNAPSHOT_CORRUPT;
        switch (image_apply(image, loader->head.index, record, &change)) {
        case APPLY_DONE: break;
        case APPLY_FULL: return SNAPSHOT_FULL;
        case APPLY_REFUSED:
        case APPLY_SKIPPED:
        case APPLY_MALFORMED: return SNAPSHOT_CORRUPT;
        }
        if (image_is_draining(image)) return SNAPSHOT_CORRUPT; /* a snapshot takes nothing back */
    }
    if (loader->rest.size == 0) image_advance(image, loader->head.index, loader->head.term);
    return SNAPSHOT_GOOD;
}

/* ---- for tests and for the simulator's judge ---- */

uint64_t image_digest(const struct image *image)
{
    uint8_t memory[16 << 10]; /* more than the largest step's records */
    struct snapshot_cursor cursor;
    uint64_t digest = hash_mix(image->view.applied_index, image->view.applied_term);
    bool more = true;

    snapshot_cursor_init(&cursor);
    while (more) {
        struct proposal records = proposal_in(memory, sizeof memory);
        more = snapshot_records(image, &cursor, 1, &records);
        CHECK(proposal_ok(&records));
        digest = hash_bytes(digest, proposal_bytes(&records));
    }
    return digest;
}
