#include "meta/configs.h"
#include "base/check.h"

/* Kafka's words, in the order of the numbers they become (a list: of its bits). */
static const char *const cleanup_policies[] = { "compact", "delete", NULL };
static const char *const timestamp_types[] = { "CreateTime", "LogAppendTime", NULL };
static const char *const compression_types[] = { "producer", NULL };
static const char *const migration_policies[] = { "bidirectional", "disabled", "downgrade", "upgrade", NULL };
static const char *const no_words[] = { NULL };

enum {
    MINUTE_MS = 60 * 1000,
    HOUR_MS = 60 * MINUTE_MS,
    DAY_MS = 24 * HOUR_MS,
    WEEK_MS = 7 * DAY_MS,
    WEEK_HOURS = 7 * 24,
    GIB = 1 << 30,
    MIB = 1 << 20,
    RATIO_ONE = 1000000,
    EXPONENT_MAX = 308,              /* of a double */
    SEGMENT_SIZE_MIN = 1024,         /* smaller ones would be files for their own sake */
    MESSAGE_SIZE_DEFAULT = MIB + 12, /* Kafka's: a record of 1 MiB with the head of an old message */
};

/* The largest whole number of which the millionths can be said. */
static const uint64_t WHOLE_MAX = INT64_MAX / RATIO_ONE - 1;

#define ANY_INT INT32_MIN, INT32_MAX
#define INT_FROM(low) (low), INT32_MAX
#define LONG_FROM(low) (low), INT64_MAX
#define ONLY(value) (value), (value), (value)
#define FLAG(value) (value), 0, 1
#define TEXT_ONLY 0, 0, 0

/* clang-format off */
static const struct config_info infos[CONFIG_COUNT] = {
    /* ---- of topics ---- */
    [CONFIG_CLEANUP_POLICY] = { "cleanup.policy", TYPE_LIST, CHANGE_DYNAMIC, CONFIG_LOG_CLEANUP_POLICY,
        CLEANUP_DELETE, 1, CLEANUP_COMPACT | CLEANUP_DELETE, cleanup_policies,
        "What happens to old records: \"delete\" drops whole segments by age and size, \"compact\" keeps the last "
        "record of each key." },
    [CONFIG_COMPRESSION_GZIP_LEVEL] = { "compression.gzip.level", TYPE_INT, CHANGE_UNSUPPORTED, CONFIG_NONE,
        ONLY(-1), NULL, "Unused: batches are stored as the producer compressed them." },
    [CONFIG_COMPRESSION_LZ4_LEVEL] = { "compression.lz4.level", TYPE_INT, CHANGE_UNSUPPORTED, CONFIG_NONE,
        ONLY(9), NULL, "Unused: batches are stored as the producer compressed them." },
    [CONFIG_COMPRESSION_TYPE] = { "compression.type", TYPE_STRING, CHANGE_UNSUPPORTED, CONFIG_NONE,
        ONLY(0), compression_types, "Batches are stored as the producer compressed them." },
    [CONFIG_COMPRESSION_ZSTD_LEVEL] = { "compression.zstd.level", TYPE_INT, CHANGE_UNSUPPORTED, CONFIG_NONE,
        ONLY(3), NULL, "Unused: batches are stored as the producer compressed them." },
    [CONFIG_DELETE_RETENTION_MS] = { "delete.retention.ms", TYPE_LONG, CHANGE_DYNAMIC,
        CONFIG_LOG_CLEANER_DELETE_RETENTION_MS, DAY_MS, LONG_FROM(0), NULL,
        "How long a record without a value is kept in a compacted topic at least." },
    [CONFIG_FILE_DELETE_DELAY_MS] = { "file.delete.delay.ms", TYPE_LONG, CHANGE_DYNAMIC,
        CONFIG_LOG_SEGMENT_DELETE_DELAY_MS, MINUTE_MS, LONG_FROM(0), NULL,
        "How long a dropped segment stays on the disk." },
    [CONFIG_FLUSH_MESSAGES] = { "flush.messages", TYPE_LONG, CHANGE_DYNAMIC, CONFIG_LOG_FLUSH_INTERVAL_MESSAGES,
        INT64_MAX, LONG_FROM(1), NULL,
        "After how many records they are synced at the latest. Every acknowledged record is synced anyway." },
    [CONFIG_FLUSH_MS] = { "flush.ms", TYPE_LONG, CHANGE_DYNAMIC, CONFIG_LOG_FLUSH_INTERVAL_MS,
        INT64_MAX, LONG_FROM(0), NULL,
        "After how long records are synced at the latest. Every acknowledged record is synced anyway." },
    [CONFIG_FOLLOWER_THROTTLED_REPLICAS] = { "follower.replication.throttled.replicas", TYPE_LIST,
        CHANGE_UNSUPPORTED, CONFIG_NONE, ONLY(0), no_words, "Replication is not throttled by replica." },
    [CONFIG_INDEX_INTERVAL_BYTES] = { "index.interval.bytes", TYPE_INT, CHANGE_DYNAMIC,
        CONFIG_LOG_INDEX_INTERVAL_BYTES, 4096, INT_FROM(0), NULL,
        "How many bytes of records lie between two entries of an index." },
    [CONFIG_LEADER_THROTTLED_REPLICAS] = { "leader.replication.throttled.replicas", TYPE_LIST,
        CHANGE_UNSUPPORTED, CONFIG_NONE, ONLY(0), no_words, "Replication is not throttled by replica." },
    [CONFIG_LOCAL_RETENTION_BYTES] = { "local.retention.bytes", TYPE_LONG, CHANGE_UNSUPPORTED, CONFIG_NONE,
        ONLY(-2), NULL, "As retention.bytes: there is no tiered storage." },
    [CONFIG_LOCAL_RETENTION_MS] = { "local.retention.ms", TYPE_LONG, CHANGE_UNSUPPORTED, CONFIG_NONE,
        ONLY(-2), NULL, "As retention.ms: there is no tiered storage." },
    [CONFIG_MAX_COMPACTION_LAG_MS] = { "max.compaction.lag.ms", TYPE_LONG, CHANGE_DYNAMIC,
        CONFIG_LOG_CLEANER_MAX_COMPACTION_LAG_MS, INT64_MAX, LONG_FROM(1), NULL,
        "After how long a record is compacted, however little else there is to compact." },
    [CONFIG_MAX_MESSAGE_BYTES] = { "max.message.bytes", TYPE_INT, CHANGE_DYNAMIC, CONFIG_MESSAGE_MAX_BYTES,
        MESSAGE_SIZE_DEFAULT, INT_FROM(0), NULL, "The largest batch of records that is taken, compressed." },
    [CONFIG_MESSAGE_TIMESTAMP_AFTER_MAX_MS] = { "message.timestamp.after.max.ms", TYPE_LONG, CHANGE_DYNAMIC,
        CONFIG_LOG_MESSAGE_TIMESTAMP_AFTER_MAX_MS, HOUR_MS, LONG_FROM(0), NULL,
        "How far a record's timestamp may lie after the broker's clock." },
    [CONFIG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS] = { "message.timestamp.before.max.ms", TYPE_LONG, CHANGE_DYNAMIC,
        CONFIG_LOG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS, INT64_MAX, LONG_FROM(0), NULL,
        "How far a record's timestamp may lie before the broker's clock." },
    [CONFIG_MESSAGE_TIMESTAMP_TYPE] = { "message.timestamp.type", TYPE_STRING, CHANGE_DYNAMIC,
        CONFIG_LOG_MESSAGE_TIMESTAMP_TYPE, TIMESTAMP_CREATE_TIME, 0, 1, timestamp_types,
        "Whether a record's timestamp is the producer's or the time of its append." },
    [CONFIG_MIN_CLEANABLE_DIRTY_RATIO] = { "min.cleanable.dirty.ratio", TYPE_DOUBLE, CHANGE_DYNAMIC,
        CONFIG_LOG_CLEANER_MIN_CLEANABLE_RATIO, RATIO_ONE / 2, 0, RATIO_ONE, NULL,
        "Which part of a compacted log may consist of records not yet compacted." },
    [CONFIG_MIN_COMPACTION_LAG_MS] = { "min.compaction.lag.ms", TYPE_LONG, CHANGE_DYNAMIC,
        CONFIG_LOG_CLEANER_MIN_COMPACTION_LAG_MS, 0, LONG_FROM(0), NULL,
        "How long a record is kept from compaction at least." },
    [CONFIG_MIN_INSYNC_REPLICAS] = { "min.insync.replicas", TYPE_INT, CHANGE_DYNAMIC,
        CONFIG_BROKER_MIN_INSYNC_REPLICAS, 1, INT_FROM(1), NULL,
        "How many replicas must hold a record before acks=all is answered; never more than there are. Without a "
        "value of its own, a topic that is meant to have three replicas or more has 2." },
    [CONFIG_PREALLOCATE] = { "preallocate", TYPE_BOOLEAN, CHANGE_UNSUPPORTED, CONFIG_NONE, ONLY(0), NULL,
        "Segments grow as they are written." },
    [CONFIG_REMOTE_STORAGE_ENABLE] = { "remote.storage.enable", TYPE_BOOLEAN, CHANGE_UNSUPPORTED, CONFIG_NONE,
        ONLY(0), NULL, "There is no tiered storage." },
    [CONFIG_RETENTION_BYTES] = { "retention.bytes", TYPE_LONG, CHANGE_DYNAMIC, CONFIG_LOG_RETENTION_BYTES,
        -1, LONG_FROM(-1), NULL, "How large a partition may grow before its oldest segments go; -1: no limit." },
    [CONFIG_RETENTION_MS] = { "retention.ms", TYPE_LONG, CHANGE_DYNAMIC, CONFIG_LOG_RETENTION_MS,
        WEEK_MS, LONG_FROM(-1), NULL, "How old records may grow before their segment goes; -1: no limit." },
    [CONFIG_SEGMENT_BYTES] = { "segment.bytes", TYPE_INT, CHANGE_DYNAMIC, CONFIG_LOG_SEGMENT_BYTES,
        GIB, INT_FROM(SEGMENT_SIZE_MIN), NULL, "How large a segment may grow before the next one begins." },
    [CONFIG_SEGMENT_INDEX_BYTES] = { "segment.index.bytes", TYPE_INT, CHANGE_DYNAMIC,
        CONFIG_LOG_INDEX_SIZE_MAX_BYTES, 10 * MIB, INT_FROM(4), NULL,
        "How large a segment's index may grow before the next segment begins." },
    [CONFIG_SEGMENT_JITTER_MS] = { "segment.jitter.ms", TYPE_LONG, CHANGE_UNSUPPORTED, CONFIG_NONE, ONLY(0), NULL,
        "Segments end when segment.ms says so." },
    [CONFIG_SEGMENT_MS] = { "segment.ms", TYPE_LONG, CHANGE_DYNAMIC, CONFIG_LOG_ROLL_MS, WEEK_MS, LONG_FROM(1), NULL,
        "After how long the next segment begins even if the last one is not full." },
    [CONFIG_UNCLEAN_LEADER_ELECTION_ENABLE] = { "unclean.leader.election.enable", TYPE_BOOLEAN, CHANGE_DYNAMIC,
        CONFIG_BROKER_UNCLEAN_LEADER_ELECTION_ENABLE, FLAG(0), NULL,
        "Whether a replica that may lack records becomes leader when no other is left." },
    [CONFIG_WRITE_CACHING] = { "write.caching", TYPE_BOOLEAN, CHANGE_DYNAMIC, CONFIG_NONE, FLAG(0), NULL,
        "Whether records count as kept as soon as replicas have them in memory. It is faster, and loses acknowledged "
        "records when all of them stop at once; a replica that stops counts as one that lost records." },

    /* ---- of brokers ---- */
    [CONFIG_ADVERTISED_LISTENERS] = { "advertised.listeners", TYPE_STRING, CHANGE_NEVER, CONFIG_NONE, TEXT_ONLY,
        NULL, "Where clients reach this broker." },
    [CONFIG_AUTO_CREATE_TOPICS_ENABLE] = { "auto.create.topics.enable", TYPE_BOOLEAN, CHANGE_CLUSTER, CONFIG_NONE,
        FLAG(1), NULL, "Whether a topic that a client asks for comes into being." },
    [CONFIG_AUTO_LEADER_REBALANCE_ENABLE] = { "auto.leader.rebalance.enable", TYPE_BOOLEAN, CHANGE_CLUSTER,
        CONFIG_NONE, FLAG(1), NULL, "Whether partitions go back to their preferred leaders by themselves." },
    [CONFIG_BROKER_ID] = { "broker.id", TYPE_INT, CHANGE_NEVER, CONFIG_NONE, -1, ANY_INT, NULL,
        "The number of this node." },
    [CONFIG_BROKER_RACK] = { "broker.rack", TYPE_STRING, CHANGE_NEVER, CONFIG_NONE, TEXT_ONLY, NULL,
        "Where this node stands: replicas are spread over racks." },
    [CONFIG_CONNECTIONS_MAX_IDLE_MS] = { "connections.max.idle.ms", TYPE_LONG, CHANGE_NEVER, CONFIG_NONE,
        10 * MINUTE_MS, LONG_FROM(-1), NULL, "After how long a silent connection is closed." },
    [CONFIG_DEFAULT_REPLICATION_FACTOR] = { "default.replication.factor", TYPE_INT, CHANGE_CLUSTER, CONFIG_NONE,
        3, 1, 7, NULL, "How many replicas a topic is meant to have if it does not say; with fewer nodes it has fewer "
        "until there are more." },
    [CONFIG_DELETE_TOPIC_ENABLE] = { "delete.topic.enable", TYPE_BOOLEAN, CHANGE_CLUSTER, CONFIG_NONE, FLAG(1), NULL,
        "Whether topics may be deleted." },
    [CONFIG_FOLLOWER_REPLICATION_THROTTLED_RATE] = { "follower.replication.throttled.rate", TYPE_LONG,
        CHANGE_UNSUPPORTED, CONFIG_NONE, ONLY(INT64_MAX), NULL, "Leaders throttle what they send." },
    [CONFIG_GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS] = { "group.consumer.heartbeat.interval.ms", TYPE_INT, CHANGE_CLUSTER,
        CONFIG_NONE, 5000, 1, DAY_MS, NULL,
        "How often members of a group of the newer protocol are to say that they are there." },
    [CONFIG_GROUP_CONSUMER_MAX_HEARTBEAT_INTERVAL_MS] = { "group.consumer.max.heartbeat.interval.ms", TYPE_INT,
        CHANGE_CLUSTER, CONFIG_NONE, 15000, 1, DAY_MS, NULL, "The largest consumer.heartbeat.interval.ms of a group." },
    [CONFIG_GROUP_CONSUMER_MAX_SESSION_TIMEOUT_MS] = { "group.consumer.max.session.timeout.ms", TYPE_INT,
        CHANGE_CLUSTER, CONFIG_NONE, MINUTE_MS, 1, DAY_MS, NULL,
        "The largest consumer.session.timeout.ms of a group." },
    [CONFIG_GROUP_CONSUMER_MAX_SIZE] = { "group.consumer.max.size", TYPE_INT, CHANGE_CLUSTER, CONFIG_NONE, INT32_MAX,
        INT_FROM(1), NULL, "How many members a group of the newer protocol may have." },
    [CONFIG_GROUP_CONSUMER_MIGRATION_POLICY] = { "group.consumer.migration.policy", TYPE_STRING, CHANGE_CLUSTER,
        CONFIG_NONE, MIGRATION_BIDIRECTIONAL, 0, 3, migration_policies,
        "Whether a group with members goes over to the newer protocol when the first member speaks it (upgrade), and "
        "back when the last one is gone (downgrade)." },
    [CONFIG_GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS] = { "group.consumer.min.heartbeat.interval.ms", TYPE_INT,
        CHANGE_CLUSTER, CONFIG_NONE, 5000, 1, DAY_MS, NULL, "The smallest consumer.heartbeat.interval.ms of a group." },
    [CONFIG_GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS] = { "group.consumer.min.session.timeout.ms", TYPE_INT,
        CHANGE_CLUSTER, CONFIG_NONE, 45000, 1, DAY_MS, NULL, "The smallest consumer.session.timeout.ms of a group." },
    [CONFIG_GROUP_CONSUMER_SESSION_TIMEOUT_MS] = { "group.consumer.session.timeout.ms", TYPE_INT, CHANGE_CLUSTER,
        CONFIG_NONE, 45000, 1, DAY_MS, NULL,
        "How long a member of a group of the newer protocol may be silent until it is missed." },
    [CONFIG_GROUP_INITIAL_REBALANCE_DELAY_MS] = { "group.initial.rebalance.delay.ms", TYPE_INT, CHANGE_CLUSTER,
        CONFIG_NONE, 3000, 0, HOUR_MS, NULL,
        "How long the first rebalance of a group waits for more members to come." },
    [CONFIG_GROUP_MAX_SESSION_TIMEOUT_MS] = { "group.max.session.timeout.ms", TYPE_INT, CHANGE_CLUSTER, CONFIG_NONE,
        30 * MINUTE_MS, 1, DAY_MS, NULL, "The longest time that a member of a group may have until it is missed." },
    [CONFIG_GROUP_MAX_SIZE] = { "group.max.size", TYPE_INT, CHANGE_CLUSTER, CONFIG_NONE, INT32_MAX, INT_FROM(1), NULL,
        "How many members a group may have." },
    [CONFIG_GROUP_MIN_SESSION_TIMEOUT_MS] = { "group.min.session.timeout.ms", TYPE_INT, CHANGE_CLUSTER, CONFIG_NONE,
        6000, 1, DAY_MS, NULL, "The shortest time that a member of a group may have until it is missed." },
    [CONFIG_LEADER_IMBALANCE_CHECK_INTERVAL_SECONDS] = { "leader.imbalance.check.interval.seconds", TYPE_LONG,
        CHANGE_CLUSTER, CONFIG_NONE, 300, 1, DAY_MS / 1000, NULL,
        "How often partitions are searched for some that their preferred leaders could lead." },
    [CONFIG_LEADER_REPLICATION_THROTTLED_RATE] = { "leader.replication.throttled.rate", TYPE_LONG, CHANGE_DYNAMIC,
        CONFIG_NONE, INT64_MAX, LONG_FROM(1), NULL,
        "How many bytes a second a leader reads from segments for followers that catch up." },
    [CONFIG_LOG_CLEANER_DELETE_RETENTION_MS] = { "log.cleaner.delete.retention.ms", TYPE_LONG, CHANGE_DYNAMIC,
        CONFIG_NONE, DAY_MS, LONG_FROM(0), NULL, "delete.retention.ms of topics that do not say." },
    [CONFIG_LOG_CLEANER_IO_MAX_BYTES_PER_SECOND] = { "log.cleaner.io.max.bytes.per.second", TYPE_DOUBLE,
        CHANGE_DYNAMIC, CONFIG_NONE, INT64_MAX, LONG_FROM(RATIO_ONE), NULL,
        "How many bytes a second compaction reads and writes at most, together." },
    [CONFIG_LOG_CLEANER_MAX_COMPACTION_LAG_MS] = { "log.cleaner.max.compaction.lag.ms", TYPE_LONG, CHANGE_DYNAMIC,
        CONFIG_NONE, INT64_MAX, LONG_FROM(1), NULL, "max.compaction.lag.ms of topics that do not say." },
    [CONFIG_LOG_CLEANER_MIN_CLEANABLE_RATIO] = { "log.cleaner.min.cleanable.ratio", TYPE_DOUBLE, CHANGE_DYNAMIC,
        CONFIG_NONE, RATIO_ONE / 2, 0, RATIO_ONE, NULL, "min.cleanable.dirty.ratio of topics that do not say." },
    [CONFIG_LOG_CLEANER_MIN_COMPACTION_LAG_MS] = { "log.cleaner.min.compaction.lag.ms", TYPE_LONG, CHANGE_DYNAMIC,
        CONFIG_NONE, 0, LONG_FROM(0), NULL, "min.compaction.lag.ms of topics that do not say." },
    [CONFIG_LOG_CLEANUP_POLICY] = { "log.cleanup.policy", TYPE_LIST, CHANGE_DYNAMIC, CONFIG_NONE,
        CLEANUP_DELETE, 1, CLEANUP_COMPACT | CLEANUP_DELETE, cleanup_policies,
        "cleanup.policy of topics that do not say." },
    [CONFIG_LOG_FLUSH_INTERVAL_MESSAGES] = { "log.flush.interval.messages", TYPE_LONG, CHANGE_DYNAMIC, CONFIG_NONE,
        INT64_MAX, LONG_FROM(1), NULL, "flush.messages of topics that do not say." },
    [CONFIG_LOG_FLUSH_INTERVAL_MS] = { "log.flush.interval.ms", TYPE_LONG, CHANGE_DYNAMIC, CONFIG_NONE,
        INT64_MAX, LONG_FROM(0), NULL, "flush.ms of topics that do not say." },
    [CONFIG_LOG_INDEX_INTERVAL_BYTES] = { "log.index.interval.bytes", TYPE_INT, CHANGE_DYNAMIC, CONFIG_NONE,
        4096, INT_FROM(0), NULL, "index.interval.bytes of topics that do not say." },
    [CONFIG_LOG_INDEX_SIZE_MAX_BYTES] = { "log.index.size.max.bytes", TYPE_INT, CHANGE_DYNAMIC, CONFIG_NONE,
        10 * MIB, INT_FROM(4), NULL, "segment.index.bytes of topics that do not say." },
    [CONFIG_LOG_MESSAGE_TIMESTAMP_AFTER_MAX_MS] = { "log.message.timestamp.after.max.ms", TYPE_LONG, CHANGE_DYNAMIC,
        CONFIG_NONE, HOUR_MS, LONG_FROM(0), NULL, "message.timestamp.after.max.ms of topics that do not say." },
    [CONFIG_LOG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS] = { "log.message.timestamp.before.max.ms", TYPE_LONG,
        CHANGE_DYNAMIC, CONFIG_NONE, INT64_MAX, LONG_FROM(0), NULL,
        "message.timestamp.before.max.ms of topics that do not say." },
    [CONFIG_LOG_MESSAGE_TIMESTAMP_TYPE] = { "log.message.timestamp.type", TYPE_STRING, CHANGE_DYNAMIC, CONFIG_NONE,
        TIMESTAMP_CREATE_TIME, 0, 1, timestamp_types, "message.timestamp.type of topics that do not say." },
    [CONFIG_LOG_RETENTION_BYTES] = { "log.retention.bytes", TYPE_LONG, CHANGE_DYNAMIC, CONFIG_NONE,
        -1, LONG_FROM(-1), NULL, "retention.bytes of topics that do not say." },
    [CONFIG_LOG_RETENTION_CHECK_INTERVAL_MS] = { "log.retention.check.interval.ms", TYPE_LONG, CHANGE_NEVER,
        CONFIG_NONE, 5 * MINUTE_MS, LONG_FROM(1), NULL, "How often logs are searched for segments that may go." },
    [CONFIG_LOG_RETENTION_HOURS] = { "log.retention.hours", TYPE_INT, CHANGE_NEVER, CONFIG_NONE,
        WEEK_HOURS, INT_FROM(-1), NULL, "The default of log.retention.ms, in hours." },
    [CONFIG_LOG_RETENTION_MS] = { "log.retention.ms", TYPE_LONG, CHANGE_DYNAMIC, CONFIG_NONE,
        WEEK_MS, LONG_FROM(-1), NULL, "retention.ms of topics that do not say." },
    [CONFIG_LOG_ROLL_HOURS] = { "log.roll.hours", TYPE_INT, CHANGE_NEVER, CONFIG_NONE, WEEK_HOURS, INT_FROM(1), NULL,
        "The default of log.roll.ms, in hours." },
    [CONFIG_LOG_ROLL_MS] = { "log.roll.ms", TYPE_LONG, CHANGE_DYNAMIC, CONFIG_NONE, WEEK_MS, LONG_FROM(1), NULL,
        "segment.ms of topics that do not say." },
    [CONFIG_LOG_SEGMENT_BYTES] = { "log.segment.bytes", TYPE_INT, CHANGE_DYNAMIC, CONFIG_NONE,
        GIB, INT_FROM(SEGMENT_SIZE_MIN), NULL, "segment.bytes of topics that do not say." },
    [CONFIG_LOG_SEGMENT_DELETE_DELAY_MS] = { "log.segment.delete.delay.ms", TYPE_LONG, CHANGE_DYNAMIC, CONFIG_NONE,
        MINUTE_MS, LONG_FROM(0), NULL, "file.delete.delay.ms of topics that do not say." },
    [CONFIG_MESSAGE_MAX_BYTES] = { "message.max.bytes", TYPE_INT, CHANGE_DYNAMIC, CONFIG_NONE,
        MESSAGE_SIZE_DEFAULT, INT_FROM(0), NULL, "max.message.bytes of topics that do not say." },
    [CONFIG_BROKER_MIN_INSYNC_REPLICAS] = { "min.insync.replicas", TYPE_INT, CHANGE_CLUSTER, CONFIG_NONE,
        1, INT_FROM(1), NULL, "min.insync.replicas of topics that do not say." },
    [CONFIG_NODE_ID] = { "node.id", TYPE_INT, CHANGE_NEVER, CONFIG_NONE, -1, ANY_INT, NULL,
        "The number of this node." },
    [CONFIG_NUM_PARTITIONS] = { "num.partitions", TYPE_INT, CHANGE_CLUSTER, CONFIG_NONE, 1, INT_FROM(1), NULL,
        "How many partitions a topic has if it does not say." },
    [CONFIG_OFFSET_METADATA_MAX_BYTES] = { "offset.metadata.max.bytes", TYPE_INT, CHANGE_CLUSTER, CONFIG_NONE,
        4096, 0, INT16_MAX, NULL, "How long the text may be that a client commits with an offset." },
    [CONFIG_OFFSETS_RETENTION_CHECK_INTERVAL_MS] = { "offsets.retention.check.interval.ms", TYPE_LONG, CHANGE_CLUSTER,
        CONFIG_NONE, 10 * MINUTE_MS, 1, DAY_MS, NULL, "How often offsets are searched for some that are too old." },
    [CONFIG_OFFSETS_RETENTION_MINUTES] = { "offsets.retention.minutes", TYPE_INT, CHANGE_CLUSTER, CONFIG_NONE,
        WEEK_HOURS * 60, INT_FROM(1), NULL,
        "How long offsets are kept after their group has become empty, or does not read their topic any more." },
    [CONFIG_OFFSETS_TOPIC_NUM_PARTITIONS] = { "offsets.topic.num.partitions", TYPE_INT, CHANGE_CLUSTER, CONFIG_NONE,
        50, 1, 10000, NULL, "How many partitions __consumer_offsets will have when it is made." },
    [CONFIG_OFFSETS_TOPIC_SEGMENT_BYTES] = { "offsets.topic.segment.bytes", TYPE_INT, CHANGE_CLUSTER, CONFIG_NONE,
        100 * MIB, INT_FROM(SEGMENT_SIZE_MIN), NULL, "segment.bytes of __consumer_offsets when it is made." },
    [CONFIG_PRODUCER_ID_EXPIRATION_MS] = { "producer.id.expiration.ms", TYPE_INT, CHANGE_NEVER, CONFIG_NONE,
        DAY_MS, INT_FROM(1), NULL, "After how long a silent idempotent producer is forgotten." },
    [CONFIG_REPLICA_ALTER_LOG_DIRS_IO_MAX_BYTES_PER_SECOND] = { "replica.alter.log.dirs.io.max.bytes.per.second",
        TYPE_LONG, CHANGE_UNSUPPORTED, CONFIG_NONE, ONLY(INT64_MAX), NULL, "There is one log directory." },
    [CONFIG_REPLICA_LAG_TIME_MAX_MS] = { "replica.lag.time.max.ms", TYPE_LONG, CHANGE_DYNAMIC, CONFIG_NONE,
        10000, LONG_FROM(100), NULL, "A replica that has not had everything for so long is no longer in sync." },
    [CONFIG_SOCKET_REQUEST_MAX_BYTES] = { "socket.request.max.bytes", TYPE_INT, CHANGE_NEVER, CONFIG_NONE,
        100 * MIB, INT_FROM(1), NULL, "The largest request that is read." },
    [CONFIG_BROKER_UNCLEAN_LEADER_ELECTION_ENABLE] = { "unclean.leader.election.enable", TYPE_BOOLEAN,
        CHANGE_CLUSTER, CONFIG_NONE, FLAG(0), NULL, "unclean.leader.election.enable of topics that do not say." },
};
/* clang-format on */

const struct config_info *config_info(enum config_id id)
{
    CHECK((int)id < (int)CONFIG_COUNT);
    return &infos[id];
}

static int compare(struct bytes a, struct bytes b)
{
    const int order = memcmp(a.data, b.data, MIN(a.size, b.size));

    if (order != 0) return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

enum config_id config_by_name(enum config_scope scope, struct bytes name)
{
    uint32_t low = scope == SCOPE_TOPIC ? 0 : TOPIC_CONFIG_COUNT;
    uint32_t high = scope == SCOPE_TOPIC ? TOPIC_CONFIG_COUNT : CONFIG_COUNT;

    if (name.size == 0) return CONFIG_NONE;
    while (low < high) { /* both halves are sorted by name */
        const uint32_t middle = low + (high - low) / 2;
        const int order = compare(name, text_of(infos[middle].name));
        if (order == 0) return (enum config_id)middle;
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return CONFIG_NONE;
}

/* ---- from text ---- */

static uint8_t lower(uint8_t letter)
{
    return letter >= 'A' && letter <= 'Z' ? (uint8_t)(letter | 0x20) : letter;
}

static bool is_word(struct bytes text, const char *word, bool any_case)
{
    const struct bytes wanted = text_of(word);

    if (text.size != wanted.size) return false;
    for (uint32_t i = 0; i < text.size; i++) {
        const uint8_t letter = any_case ? lower(text.data[i]) : text.data[i];
        if (letter != wanted.data[i]) return false;
    }
    return true;
}

/* Kafka trims values before it looks at them. */
static struct bytes trimmed(struct bytes text)
{
    while (text.size > 0 && text.data[0] <= ' ') text = (struct bytes){ text.data + 1, text.size - 1 };
    while (text.size > 0 && text.data[text.size - 1] <= ' ') text.size--;
    return text;
}

static bool parse_digits(struct bytes text, uint64_t limit, uint64_t *number)
{
    uint64_t sum = 0;

    if (text.size == 0) return false;
    for (uint32_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        const uint64_t digit = (uint64_t)(text.data[i] - '0');
        if (sum > (limit - digit) / 10) return false;
        sum = sum * 10 + digit;
    }
    *number = sum;
    return true;
}

static bool parse_integer(struct bytes text, int64_t low, int64_t high, int64_t *value)
{
    const bool negative = text.size > 0 && text.data[0] == '-';
    const bool sign = negative || (text.size > 0 && text.data[0] == '+');
    uint64_t number;

    if (sign) text = (struct bytes){ text.data + 1, text.size - 1 };
    if (!parse_digits(text, negative ? (uint64_t)1 << 63 : INT64_MAX, &number)) return false;
    *value = negative ? (int64_t)(0 - number) : (int64_t)number;
    return low <= *value && *value <= high;
}

/* A decimal fraction, in millionths. Digits beyond the sixth are believed to be digits, and dropped. */
static bool parse_fraction(struct bytes text, int64_t *value)
{
    uint64_t whole = 0, part = 0;
    uint32_t dot = 0;
    struct bytes places;
    const bool negative = text.size > 0 && text.data[0] == '-';

    if (negative) text = (struct bytes){ text.data + 1, text.size - 1 };
    while (dot < text.size && text.data[dot] != '.') dot++;
    places = (struct bytes){ text.data + dot + 1, dot < text.size ? text.size - dot - 1 : 0 };
    if (dot == 0 && places.size == 0) return false;
    if (dot > 0 && !parse_digits((struct bytes){ text.data, dot }, WHOLE_MAX, &whole)) return false;
    for (uint32_t i = 0; i < places.size; i++) {
        if (places.data[i] < '0' || places.data[i] > '9') return false;
    }
    for (uint32_t i = 0; i < 6; i++) part = part * 10 + (i < places.size ? (uint64_t)(places.data[i] - '0') : 0);
    *value = (int64_t)(whole * RATIO_ONE + part);
    if (negative) *value = -*value;
    return true;
}

/* ... which may have an exponent, as doubles are printed. What is larger than can be said is the largest number. */
static bool parse_millionths(struct bytes text, int64_t *value)
{
    uint32_t mark = 0;
    int64_t exponent = 0;

    while (mark < text.size && (text.data[mark] | 0x20) != 'e') mark++;
    if (!parse_fraction((struct bytes){ text.data, mark }, value)) return false;
    if (mark == text.size) return true;
    const struct bytes power = { text.data + mark + 1, text.size - mark - 1 };
    if (!parse_integer(power, -EXPONENT_MAX, EXPONENT_MAX, &exponent)) return false;
    for (; exponent < 0; exponent++) *value /= 10;
    for (; exponent > 0 && *value != 0; exponent--) {
        if (*value > INT64_MAX / 10) *value = INT64_MAX;
        else if (*value < INT64_MIN / 10) *value = INT64_MIN;
        else *value *= 10;
    }
    return true;
}

static bool parse_word(struct bytes text, const char *const *words, int64_t *value)
{
    for (uint32_t i = 0; words[i] != NULL; i++) {
        if (!is_word(text, words[i], false)) continue;
        *value = i;
        return true;
    }
    return false;
}

/* Words with commas between them, as a set. An empty text is the empty set. */
static bool parse_list(struct bytes text, const char *const *words, int64_t *value)
{
    *value = 0;
    while (text.size > 0) {
        int64_t place;
        uint32_t end = 0;
        while (end < text.size && text.data[end] != ',') end++;
        if (!parse_word(trimmed((struct bytes){ text.data, end }), words, &place)) return false;
        *value |= (int64_t)1 << place;
        if (end == text.size) return true;
        text = (struct bytes){ text.data + end + 1, text.size - end - 1 };
        if (text.size == 0) return false; /* a comma with nothing behind it */
    }
    return true;
}

static bool parse_boolean(struct bytes text, int64_t *value)
{
    *value = is_word(text, "true", true);
    return *value == 1 || is_word(text, "false", true);
}

static const char *type_name(enum config_type type)
{
    switch (type) {
    case TYPE_BOOLEAN: return "BOOLEAN";
    case TYPE_STRING: return "STRING";
    case TYPE_INT: return "INT";
    case TYPE_SHORT: return "SHORT";
    case TYPE_LONG: return "LONG";
    case TYPE_DOUBLE: return "DOUBLE";
    case TYPE_LIST: return "LIST";
    }
    CHECK(false);
    return "";
}

/* Of its type at all; whether the value is allowed comes after. */
static bool parse_typed(const struct config_info *info, struct bytes text, int64_t *value)
{
    switch (info->type) {
    case TYPE_BOOLEAN: return parse_boolean(text, value);
    case TYPE_STRING: return parse_word(text, info->words, value);
    case TYPE_INT: return parse_integer(text, INT32_MIN, INT32_MAX, value);
    case TYPE_SHORT: return parse_integer(text, INT16_MIN, INT16_MAX, value);
    case TYPE_LONG: return parse_integer(text, INT64_MIN, INT64_MAX, value);
    case TYPE_DOUBLE: return parse_millionths(text, value);
    case TYPE_LIST: return parse_list(text, info->words, value);
    }
    CHECK(false);
    return false;
}

static void say_words(const char *const *words, struct text *message)
{
    text_add(message, "must be one of: ");
    for (uint32_t i = 0; words[i] != NULL; i++) {
        if (i > 0) text_add(message, ", ");
        text_add(message, words[i]);
    }
}

static void say_type(const struct config_info *info, struct text *message)
{
    switch (info->type) {
    case TYPE_BOOLEAN: text_add(message, "Expected value to be either true or false"); return;
    case TYPE_STRING:
    case TYPE_LIST:
        text_add(message, "String ");
        say_words(info->words, message);
        return;
    case TYPE_INT:
    case TYPE_SHORT:
    case TYPE_LONG:
    case TYPE_DOUBLE:
        text_add(message, "Not a number of type ");
        text_add(message, type_name(info->type));
        return;
    }
}

/* INT64_MAX stands for no limit, which in a double is its largest. */
static void add_double(struct text *text, int64_t millionths)
{
    if (millionths == INT64_MAX) text_add(text, "1.7976931348623157E308");
    else text_add_millionths(text, millionths);
}

static void say_number(const struct config_info *info, int64_t number, struct text *message)
{
    if (info->type == TYPE_DOUBLE) add_double(message, number);
    else text_add_int(message, number);
}

static void say_range(const struct config_info *info, int64_t value, struct text *message)
{
    if (info->type == TYPE_LIST) {
        text_add(message, "it names nothing; each ");
        say_words(info->words, message);
        return;
    }
    text_add(message, value < info->value_min ? "Value must be at least " : "Value must be no more than ");
    say_number(info, value < info->value_min ? info->value_min : info->value_max, message);
}

enum config_verdict config_parse(enum config_id id, struct bytes text, int64_t *value, struct text *message)
{
    const struct config_info *info = config_info(id);

    if (info->change == CHANGE_NEVER) {
        text_add(message, "Cannot update these configs dynamically: Set(");
        text_add(message, info->name);
        text_add(message, ")");
        return CONFIG_NOT_DYNAMIC;
    }
    text = trimmed(text);
    const bool typed = parse_typed(info, text, value);
    if (typed && info->value_min <= *value && *value <= info->value_max) return CONFIG_VALID;

    text_add(message, "Invalid value ");
    text_add_bytes(message, text);
    text_add(message, " for configuration ");
    text_add(message, info->name);
    text_add(message, ": ");
    if (info->change == CHANGE_UNSUPPORTED) {
        text_add(message, "this server supports only \"");
        config_format(id, info->value, message);
        text_add(message, "\"");
    } else if (!typed) {
        say_type(info, message);
    } else {
        say_range(info, *value, message);
    }
    return CONFIG_INVALID;
}

/* ---- to text ---- */

static void format_list(const char *const *words, int64_t value, struct text *text)
{
    bool first = true;

    for (uint32_t i = 0; words[i] != NULL; i++) {
        if ((value >> i & 1) == 0) continue;
        if (!first) text_add(text, ",");
        text_add(text, words[i]);
        first = false;
    }
}

void config_format(enum config_id id, int64_t value, struct text *text)
{
    const struct config_info *info = config_info(id);

    switch (info->type) {
    case TYPE_BOOLEAN: text_add(text, value != 0 ? "true" : "false"); return;
    case TYPE_STRING:
        if (info->words != NULL) text_add(text, info->words[value]);
        return;
    case TYPE_INT:
    case TYPE_SHORT:
    case TYPE_LONG: text_add_int(text, value); return;
    case TYPE_DOUBLE: add_double(text, value); return;
    case TYPE_LIST: format_list(info->words, value, text); return;
    }
}
