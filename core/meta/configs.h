/* configs.h -- which settings do topics and brokers have, and what does a text mean for each?
 *
 * The one registry: name, type, default, who may change it when, documentation, and the rule that a value must obey.
 * A value that obeys is a number from then on (a truth value, an amount, the place of a word in its list, a set of
 * words), so that whoever acts by it looks up a number, and nothing needs to keep the text. Which value holds where
 * is the image's business.
 *
 * Names, defaults and messages are Kafka's. A setting of Kafka whose other values we do not carry out is in the
 * registry with the value that describes what we do, and refuses the others by name: a promise that is not kept is
 * worse than an error. */
#ifndef CHRONIK_META_CONFIGS_H
#define CHRONIK_META_CONFIGS_H

#include "base/text.h"

/* Topic settings first. The order is the order in which they are listed, and nothing else: records carry names. */
enum config_id {
    CONFIG_CLEANUP_POLICY, /* a set of CLEANUP_ */
    CONFIG_COMPRESSION_GZIP_LEVEL,
    CONFIG_COMPRESSION_LZ4_LEVEL,
    CONFIG_COMPRESSION_TYPE,
    CONFIG_COMPRESSION_ZSTD_LEVEL,
    CONFIG_DELETE_RETENTION_MS,
    CONFIG_FILE_DELETE_DELAY_MS,
    CONFIG_FLUSH_MESSAGES,
    CONFIG_FLUSH_MS,
    CONFIG_FOLLOWER_THROTTLED_REPLICAS,
    CONFIG_INDEX_INTERVAL_BYTES,
    CONFIG_LEADER_THROTTLED_REPLICAS,
    CONFIG_LOCAL_RETENTION_BYTES,
    CONFIG_LOCAL_RETENTION_MS,
    CONFIG_MAX_COMPACTION_LAG_MS,
    CONFIG_MAX_MESSAGE_BYTES,
    CONFIG_MESSAGE_TIMESTAMP_AFTER_MAX_MS,
    CONFIG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS,
    CONFIG_MESSAGE_TIMESTAMP_TYPE,    /* TIMESTAMP_CREATE_TIME or TIMESTAMP_LOG_APPEND_TIME */
    CONFIG_MIN_CLEANABLE_DIRTY_RATIO, /* millionths */
    CONFIG_MIN_COMPACTION_LAG_MS,
    CONFIG_MIN_INSYNC_REPLICAS,
    CONFIG_PREALLOCATE,
    CONFIG_REMOTE_STORAGE_ENABLE,
    CONFIG_RETENTION_BYTES,
    CONFIG_RETENTION_MS,
    CONFIG_SEGMENT_BYTES,
    CONFIG_SEGMENT_INDEX_BYTES,
    CONFIG_SEGMENT_JITTER_MS,
    CONFIG_SEGMENT_MS,
    CONFIG_UNCLEAN_LEADER_ELECTION_ENABLE,
    CONFIG_WRITE_CACHING,
    TOPIC_CONFIG_COUNT,

    CONFIG_ADVERTISED_LISTENERS = TOPIC_CONFIG_COUNT,
    CONFIG_AUTO_CREATE_TOPICS_ENABLE,
    CONFIG_AUTO_LEADER_REBALANCE_ENABLE,
    CONFIG_BROKER_ID,
    CONFIG_BROKER_RACK,
    CONFIG_CONNECTIONS_MAX_IDLE_MS,
    CONFIG_DEFAULT_REPLICATION_FACTOR,
    CONFIG_DELETE_TOPIC_ENABLE,
    CONFIG_FOLLOWER_REPLICATION_THROTTLED_RATE,
    CONFIG_GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS,
    CONFIG_GROUP_CONSUMER_MAX_HEARTBEAT_INTERVAL_MS,
    CONFIG_GROUP_CONSUMER_MAX_SESSION_TIMEOUT_MS,
    CONFIG_GROUP_CONSUMER_MAX_SIZE,
    CONFIG_GROUP_CONSUMER_MIGRATION_POLICY,
    CONFIG_GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS,
    CONFIG_GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS,
    CONFIG_GROUP_CONSUMER_SESSION_TIMEOUT_MS,
    CONFIG_GROUP_INITIAL_REBALANCE_DELAY_MS,
    CONFIG_GROUP_MAX_SESSION_TIMEOUT_MS,
    CONFIG_GROUP_MAX_SIZE,
    CONFIG_GROUP_MIN_SESSION_TIMEOUT_MS,
    CONFIG_LEADER_IMBALANCE_CHECK_INTERVAL_SECONDS,
    CONFIG_LEADER_REPLICATION_THROTTLED_RATE,
    CONFIG_LOG_CLEANER_DELETE_RETENTION_MS,
    CONFIG_LOG_CLEANER_IO_MAX_BYTES_PER_SECOND,
    CONFIG_LOG_CLEANER_MAX_COMPACTION_LAG_MS,
    CONFIG_LOG_CLEANER_MIN_CLEANABLE_RATIO,
    CONFIG_LOG_CLEANER_MIN_COMPACTION_LAG_MS,
    CONFIG_LOG_CLEANUP_POLICY,
    CONFIG_LOG_FLUSH_INTERVAL_MESSAGES,
    CONFIG_LOG_FLUSH_INTERVAL_MS,
    CONFIG_LOG_INDEX_INTERVAL_BYTES,
    CONFIG_LOG_INDEX_SIZE_MAX_BYTES,
    CONFIG_LOG_MESSAGE_TIMESTAMP_AFTER_MAX_MS,
    CONFIG_LOG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS,
    CONFIG_LOG_MESSAGE_TIMESTAMP_TYPE,
    CONFIG_LOG_RETENTION_BYTES,
    CONFIG_LOG_RETENTION_CHECK_INTERVAL_MS,
    CONFIG_LOG_RETENTION_HOURS,
    CONFIG_LOG_RETENTION_MS,
    CONFIG_LOG_ROLL_HOURS,
    CONFIG_LOG_ROLL_MS,
    CONFIG_LOG_SEGMENT_BYTES,
    CONFIG_LOG_SEGMENT_DELETE_DELAY_MS,
    CONFIG_MESSAGE_MAX_BYTES,
    CONFIG_BROKER_MIN_INSYNC_REPLICAS,
    CONFIG_NODE_ID,
    CONFIG_NUM_PARTITIONS,
    CONFIG_OFFSET_METADATA_MAX_BYTES,
    CONFIG_OFFSETS_RETENTION_CHECK_INTERVAL_MS,
    CONFIG_OFFSETS_RETENTION_MINUTES,
    CONFIG_OFFSETS_TOPIC_NUM_PARTITIONS,
    CONFIG_OFFSETS_TOPIC_SEGMENT_BYTES,
    CONFIG_PRODUCER_ID_EXPIRATION_MS,
    CONFIG_REPLICA_ALTER_LOG_DIRS_IO_MAX_BYTES_PER_SECOND,
    CONFIG_REPLICA_LAG_TIME_MAX_MS,
    CONFIG_SOCKET_REQUEST_MAX_BYTES,
    CONFIG_BROKER_UNCLEAN_LEADER_ELECTION_ENABLE,
    CONFIG_COUNT,
    BROKER_CONFIG_COUNT = CONFIG_COUNT - TOPIC_CONFIG_COUNT,
    CONFIG_NONE = CONFIG_COUNT,
};
_Static_assert(TOPIC_CONFIG_COUNT <= 64 && BROKER_CONFIG_COUNT <= 64, "which are set is a set of 64 bits");

enum { CLEANUP_COMPACT = 1, CLEANUP_DELETE = 2 };
enum { TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME };
enum { MIGRATION_BIDIRECTIONAL, MIGRATION_DISABLED, MIGRATION_DOWNGRADE, MIGRATION_UPGRADE };

/* As DescribeConfigs numbers them. */
enum config_type {
    TYPE_BOOLEAN = 1,
    TYPE_STRING = 2,
    TYPE_INT = 3,
    TYPE_SHORT = 4,
    TYPE_LONG = 5,
    TYPE_DOUBLE = 6,
    TYPE_LIST = 7,
};

/* Where a value comes from, the nearest first; numbered as in DescribeConfigs. */
enum config_source {
    SOURCE_TOPIC = 1,   /* set for the topic */
    SOURCE_BROKER = 2,  /* set for this broker */
    SOURCE_BROKERS = 3, /* set for all brokers */
    SOURCE_STATIC = 4,  /* in the node's own configuration when it started */
    SOURCE_DEFAULT = 5,
};

enum config_change {
    CHANGE_DYNAMIC,     /* for a topic; for one broker or for all */
    CHANGE_CLUSTER,     /* a broker setting that only all brokers can have together */
    CHANGE_NEVER,       /* comes from the node's own configuration */
    CHANGE_UNSUPPORTED, /* has the one value that describes what we do */
};

enum config_scope { SCOPE_TOPIC, SCOPE_BROKER };

struct config_info {
    const char *name;
    enum config_type type;
    enum config_change change;
    enum config_id broker_id; /* of a topic setting: the broker setting that is its default, or CONFIG_NONE */
    int64_t value;            /* the default; a setting that is text only has none */
    int64_t value_min;
    int64_t value_max;
    const char *const *words; /* of TYPE_STRING and TYPE_LIST, ended by NULL; else NULL */
    const char *documentation;
};

const struct config_info *config_info(enum config_id id);

static inline enum config_scope config_scope(enum config_id id)
{
    return (int)id < (int)TOPIC_CONFIG_COUNT ? SCOPE_TOPIC : SCOPE_BROKER;
}

/* CONFIG_NONE if there is none of that name. O(log of their number). */
enum config_id config_by_name(enum config_scope scope, struct bytes name);

enum config_verdict {
    CONFIG_VALID,
    CONFIG_INVALID,     /* not of its type, out of its range, or one that we do not carry out */
    CONFIG_NOT_DYNAMIC, /* CHANGE_NEVER */
};

/* The number that a text means. Otherwise `message` says, in Kafka's words where it has some, what is wrong. */
enum config_verdict config_parse(enum config_id id, struct bytes text, int64_t *value, struct text *message);

/* The text of a number that config_parse gave, or a default. Settings that are only text (advertised.listeners,
 * broker.rack) yield nothing: they are told from the broker's registration. */
void config_format(enum config_id id, int64_t value, struct text *text);
enum { CONFIG_TEXT_SIZE_MAX = 64 };

#endif
