/* image_configs.c -- which of the values set for a topic or a broker holds: the nearest one. */
#include "base/check.h"
#include "log/logs.h"
#include "meta/image_state.h"

enum { MIN_ISR_OF_THREE = 2, REPLICAS_OF_MIN_ISR = 3 };

static bool find(const struct broker_settings *settings, enum config_id id, int64_t *value)
{
    const uint32_t place = (uint32_t)id - TOPIC_CONFIG_COUNT;

    if ((settings->set >> place & 1) == 0) return false;
    *value = settings->values[place];
    return true;
}

static struct config_value broker_slot_config(const struct image *image, uint32_t broker, bool own, enum config_id id)
{
    struct config_value found;

    CHECK(config_scope(id) == SCOPE_BROKER);
    if (broker != SLOT_NONE && find(&image->settings[broker], id, &found.value)) found.source = SOURCE_BROKER;
    else if (find(&image->all_brokers, id, &found.value)) found.source = SOURCE_BROKERS;
    else if (own && find(&image->statics, id, &found.value)) found.source = SOURCE_STATIC;
    else found = (struct config_value){ config_info(id)->value, SOURCE_DEFAULT };
    return found;
}

struct config_value broker_config(const struct image *image, int32_t broker_id, enum config_id id)
{
    return broker_slot_config(image, image_broker_by_id(image, broker_id), broker_id == image->config.node_id, id);
}

bool broker_config_set(const struct image *image, int32_t broker_id, enum config_id id, enum config_source source,
                       int64_t *value)
{
    const uint32_t broker = image_broker_by_id(image, broker_id);

    CHECK(config_scope(id) == SCOPE_BROKER);
    switch (source) {
    case SOURCE_TOPIC: return false;
    case SOURCE_BROKER: return broker != SLOT_NONE && find(&image->settings[broker], id, value);
    case SOURCE_BROKERS: return find(&image->all_brokers, id, value);
    case SOURCE_STATIC: return broker_id == image->config.node_id && find(&image->statics, id, value);
    case SOURCE_DEFAULT: *value = config_info(id)->value; return true;
    }
    CHECK(false);
    return false;
}

int64_t broker_config_int(const struct image *image, enum config_id id)
{
    return broker_slot_config(image, image->own_broker, true, id).value;
}

/* What a topic that sets nothing itself gets. */
static struct config_value inherited(const struct image *image, uint8_t replica_target, enum config_id id)
{
    const struct config_info *info = config_info(id);

    if (info->broker_id == CONFIG_NONE) return (struct config_value){ info->value, SOURCE_DEFAULT };
    struct config_value found = broker_slot_config(image, image->own_broker, true, info->broker_id);
    const bool by_target = id == CONFIG_MIN_INSYNC_REPLICAS && found.source == SOURCE_DEFAULT;
    if (by_target && replica_target >= REPLICAS_OF_MIN_ISR) found.value = MIN_ISR_OF_THREE;
    return found;
}

struct config_value topic_config(const struct image *image, uint32_t topic, enum config_id id)
{
    const struct image_topic *owner = image_topic(image, topic);

    CHECK(config_scope(id) == SCOPE_TOPIC);
    if ((owner->configs_set >> id & 1) == 0) return inherited(image, owner->replica_target, id);
    return (struct config_value){ image->topic_values[(size_t)topic * TOPIC_CONFIG_COUNT + id], SOURCE_TOPIC };
}

struct topic_settings topic_settings(const struct image *image, uint32_t topic)
{
    const struct image_topic *owner = image_topic(image, topic);
    struct topic_settings settings = { .set = owner->configs_set, .replica_target = owner->replica_target };

    for (uint32_t i = 0; i < TOPIC_CONFIG_COUNT; i++) {
        if ((owner->configs_set >> i & 1) == 0) continue;
        settings.values[i] = image->topic_values[(size_t)topic * TOPIC_CONFIG_COUNT + i];
    }
    return settings;
}

struct config_value topic_settings_config(const struct image *image, const struct topic_settings *settings,
                                          enum config_id id)
{
    CHECK(config_scope(id) == SCOPE_TOPIC);
    if ((settings->set >> id & 1) == 0) return inherited(image, settings->replica_target, id);
    return (struct config_value){ settings->values[id], SOURCE_TOPIC };
}

int64_t topic_config_int(const struct image *image, uint32_t topic, enum config_id id)
{
    return topic_config(image, topic, id).value;
}

/* ---- the same for the whole cluster ---- */

/* What the topic says, or all brokers, or nobody; but nothing that one broker says for itself: images would differ. */
static int64_t cluster_wide(const struct image *image, uint32_t topic, enum config_id id)
{
    const struct image_topic *owner = image_topic(image, topic);
    int64_t value;

    if ((owner->configs_set >> id & 1) != 0) return image->topic_values[(size_t)topic * TOPIC_CONFIG_COUNT + id];
    if (find(&image->all_brokers, config_info(id)->broker_id, &value)) return value;
    if (id == CONFIG_MIN_INSYNC_REPLICAS && owner->replica_target >= REPLICAS_OF_MIN_ISR) return MIN_ISR_OF_THREE;
    return config_info(id)->value;
}

int64_t topic_min_isr(const struct image *image, uint32_t topic)
{
    return cluster_wide(image, topic, CONFIG_MIN_INSYNC_REPLICAS);
}

bool topic_elects_uncleanly(const struct image *image, uint32_t topic)
{
    return cluster_wide(image, topic, CONFIG_UNCLEAN_LEADER_ELECTION_ENABLE) != 0;
}

bool topic_is_relaxed(const struct image *image, uint32_t topic)
{
    return topic_config_int(image, topic, CONFIG_WRITE_CACHING) != 0;
}

/* A record may have to be compacted before its segment would end; and the one that is written to never is. */
static int64_t segment_ms(const struct image *image, uint32_t topic, bool compacts)
{
    const int64_t segment_ms = topic_config_int(image, topic, CONFIG_SEGMENT_MS);

    return compacts ? MIN(segment_ms, topic_config_int(image, topic, CONFIG_MAX_COMPACTION_LAG_MS)) : segment_ms;
}

struct log_rules topic_log_rules(const struct image *image, uint32_t topic)
{
    const int64_t policy = topic_config_int(image, topic, CONFIG_CLEANUP_POLICY);

    return (struct log_rules){
        .retention_ms = topic_config_int(image, topic, CONFIG_RETENTION_MS),
        .retention_size = topic_config_int(image, topic, CONFIG_RETENTION_BYTES),
        .segment_size = (uint32_t)topic_config_int(image, topic, CONFIG_SEGMENT_BYTES),
        .segment_ms = segment_ms(image, topic, (policy & CLEANUP_COMPACT) != 0),
        .index_interval_size = (uint32_t)topic_config_int(image, topic, CONFIG_INDEX_INTERVAL_BYTES),
        .segment_index_size = (uint32_t)topic_config_int(image, topic, CONFIG_SEGMENT_INDEX_BYTES),
        .file_delete_delay_ms = topic_config_int(image, topic, CONFIG_FILE_DELETE_DELAY_MS),
        .deletes = (policy & CLEANUP_DELETE) != 0,
        .compacts = (policy & CLEANUP_COMPACT) != 0,
        .min_compaction_lag_ms = topic_config_int(image, topic, CONFIG_MIN_COMPACTION_LAG_MS),
        .max_compaction_lag_ms = topic_config_int(image, topic, CONFIG_MAX_COMPACTION_LAG_MS),
        .delete_retention_ms = topic_config_int(image, topic, CONFIG_DELETE_RETENTION_MS),
        .min_cleanable_dirty_ratio = (uint32_t)topic_config_int(image, topic, CONFIG_MIN_CLEANABLE_DIRTY_RATIO),
    };
}
