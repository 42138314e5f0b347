#include "meta/configs.h"
#include "t.h"

static struct bytes bytes_of(const char *text)
{
    return (struct bytes){ (const uint8_t *)text, (uint32_t)strlen(text) };
}

static const struct parse_row {
    const char *why;
    enum config_id id;
    const char *text;
    enum config_verdict verdict;
    int64_t value;
    const char *said; /* the canonical text of what is valid, the message of what is not */
} parse_rows[] = {
    { "a number", CONFIG_RETENTION_MS, "1000", CONFIG_VALID, 1000, "1000" },
    { "no limit", CONFIG_RETENTION_MS, "-1", CONFIG_VALID, -1, "-1" },
    { "blanks around it do not count", CONFIG_RETENTION_MS, " 7\n", CONFIG_VALID, 7, "7" },
    { "a plus is a sign", CONFIG_RETENTION_MS, "+7", CONFIG_VALID, 7, "7" },
    { "the largest", CONFIG_FLUSH_MS, "9223372036854775807", CONFIG_VALID, INT64_MAX, "9223372036854775807" },
    { "one more than the largest", CONFIG_FLUSH_MS, "9223372036854775808", CONFIG_INVALID, 0,
      "Invalid value 9223372036854775808 for configuration flush.ms: Not a number of type LONG" },
    { "the smallest is a number, but too small", CONFIG_RETENTION_MS, "-9223372036854775808", CONFIG_INVALID, 0,
      "Invalid value -9223372036854775808 for configuration retention.ms: Value must be at least -1" },
    { "out of range", CONFIG_RETENTION_MS, "-2", CONFIG_INVALID, 0,
      "Invalid value -2 for configuration retention.ms: Value must be at least -1" },
    { "not a number", CONFIG_RETENTION_MS, "week", CONFIG_INVALID, 0,
      "Invalid value week for configuration retention.ms: Not a number of type LONG" },
    { "nothing is not a number", CONFIG_RETENTION_MS, "", CONFIG_INVALID, 0,
      "Invalid value  for configuration retention.ms: Not a number of type LONG" },
    { "a sign alone is not a number", CONFIG_RETENTION_MS, "-", CONFIG_INVALID, 0,
      "Invalid value - for configuration retention.ms: Not a number of type LONG" },
    { "more than an int holds", CONFIG_SEGMENT_BYTES, "2147483648", CONFIG_INVALID, 0,
      "Invalid value 2147483648 for configuration segment.bytes: Not a number of type INT" },
    { "all that an int holds", CONFIG_SEGMENT_BYTES, "2147483647", CONFIG_VALID, INT32_MAX, "2147483647" },
    { "a segment for its own sake", CONFIG_SEGMENT_BYTES, "14", CONFIG_INVALID, 0,
      "Invalid value 14 for configuration segment.bytes: Value must be at least 1024" },
    { "a truth value in any case", CONFIG_UNCLEAN_LEADER_ELECTION_ENABLE, "TRUE", CONFIG_VALID, 1, "true" },
    { "yes is not a truth value", CONFIG_UNCLEAN_LEADER_ELECTION_ENABLE, "yes", CONFIG_INVALID, 0,
      "Invalid value yes for configuration unclean.leader.election.enable: Expected value to be either true or false" },
    { "one word of two", CONFIG_CLEANUP_POLICY, "compact", CONFIG_VALID, CLEANUP_COMPACT, "compact" },
    { "both, in any order", CONFIG_CLEANUP_POLICY, "delete, compact", CONFIG_VALID, 3, "compact,delete" },
    { "no word at all", CONFIG_CLEANUP_POLICY, "", CONFIG_INVALID, 0,
      "Invalid value  for configuration cleanup.policy: it names nothing; each must be one of: compact, delete" },
    { "a comma with nothing behind it", CONFIG_CLEANUP_POLICY, "delete,", CONFIG_INVALID, 0,
      "Invalid value delete, for configuration cleanup.policy: String must be one of: compact, delete" },
    { "another word", CONFIG_CLEANUP_POLICY, "shred", CONFIG_INVALID, 0,
      "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete" },
    { "words have a case", CONFIG_MESSAGE_TIMESTAMP_TYPE, "logappendtime", CONFIG_INVALID, 0,
      "Invalid value logappendtime for configuration message.timestamp.type: String must be one of: CreateTime, "
      "LogAppendTime" },
    { "an enumeration", CONFIG_MESSAGE_TIMESTAMP_TYPE, "LogAppendTime", CONFIG_VALID, 1, "LogAppendTime" },
    { "a fraction", CONFIG_MIN_CLEANABLE_DIRTY_RATIO, "0.05", CONFIG_VALID, 50000, "0.05" },
    { "a whole fraction", CONFIG_MIN_CLEANABLE_DIRTY_RATIO, "1", CONFIG_VALID, 1000000, "1.0" },
    { "a fraction without a whole part", CONFIG_MIN_CLEANABLE_DIRTY_RATIO, ".5", CONFIG_VALID, 500000, "0.5" },
    { "more than all", CONFIG_MIN_CLEANABLE_DIRTY_RATIO, "1.1", CONFIG_INVALID, 0,
      "Invalid value 1.1 for configuration min.cleanable.dirty.ratio: Value must be no more than 1.0" },
    { "less than nothing", CONFIG_MIN_CLEANABLE_DIRTY_RATIO, "-0.5", CONFIG_INVALID, 0,
      "Invalid value -0.5 for configuration min.cleanable.dirty.ratio: Value must be at least 0.0" },
    { "a dot is not a number", CONFIG_MIN_CLEANABLE_DIRTY_RATIO, ".", CONFIG_INVALID, 0,
      "Invalid value . for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE" },
    { "a rate", CONFIG_LOG_CLEANER_IO_MAX_BYTES_PER_SECOND, "1048576.5", CONFIG_VALID, 1048576500000, "1048576.5" },
    { "with an exponent", CONFIG_LOG_CLEANER_IO_MAX_BYTES_PER_SECOND, "1e6", CONFIG_VALID, 1000000000000, "1000000.0" },
    { "with one that makes it small", CONFIG_LOG_CLEANER_IO_MAX_BYTES_PER_SECOND, "25E-1", CONFIG_VALID, 2500000,
      "2.5" },
    { "no limit, as Kafka says it", CONFIG_LOG_CLEANER_IO_MAX_BYTES_PER_SECOND, "1.7976931348623157E308", CONFIG_VALID,
      INT64_MAX, "1.7976931348623157E308" },
    { "an exponent that is none", CONFIG_LOG_CLEANER_IO_MAX_BYTES_PER_SECOND, "1e", CONFIG_INVALID, 0,
      "Invalid value 1e for configuration log.cleaner.io.max.bytes.per.second: Not a number of type DOUBLE" },
    { "nothing at all", CONFIG_LOG_CLEANER_IO_MAX_BYTES_PER_SECOND, "0", CONFIG_INVALID, 0,
      "Invalid value 0 for configuration log.cleaner.io.max.bytes.per.second: Value must be at least 1.0" },
    { "what we do anyway may be asked for", CONFIG_COMPRESSION_TYPE, "producer", CONFIG_VALID, 0, "producer" },
    { "what we do not do may not", CONFIG_COMPRESSION_TYPE, "zstd", CONFIG_INVALID, 0,
      "Invalid value zstd for configuration compression.type: this server supports only \"producer\"" },
    { "no tiered storage", CONFIG_REMOTE_STORAGE_ENABLE, "true", CONFIG_INVALID, 0,
      "Invalid value true for configuration remote.storage.enable: this server supports only \"false\"" },
    { "no throttled replicas is what there are", CONFIG_LEADER_THROTTLED_REPLICAS, "", CONFIG_VALID, 0, "" },
    { "some are refused", CONFIG_LEADER_THROTTLED_REPLICAS, "*", CONFIG_INVALID, 0,
      "Invalid value * for configuration leader.replication.throttled.replicas: this server supports only \"\"" },
    { "a broker setting of the cluster", CONFIG_NUM_PARTITIONS, "12", CONFIG_VALID, 12, "12" },
    { "what a node says about itself stays", CONFIG_NODE_ID, "2", CONFIG_NOT_DYNAMIC, 0,
      "Cannot update these configs dynamically: Set(node.id)" },
    { "even where the text would be right", CONFIG_BROKER_RACK, "a", CONFIG_NOT_DYNAMIC, 0,
      "Cannot update these configs dynamically: Set(broker.rack)" },
};

TEST(config_values)
{
    FOR_EACH(parse_row, row, parse_rows) {
        char said[256];
        int64_t value = 0;
        struct text text = text_in(said, sizeof said - 1);
        const enum config_verdict verdict = config_parse(row->id, bytes_of(row->text), &value, &text);
        EXPECT_EQ(row->why, row->verdict, verdict);
        if (verdict == CONFIG_VALID) {
            EXPECT_EQ(row->why, row->value, value);
            config_format(row->id, value, &text);
        }
        said[text.size] = 0;
        EXPECT_TEXT(row->why, row->said, said);
    }
}

TEST(config_names_are_found)
{
    EXPECT_EQ("of a topic", CONFIG_RETENTION_MS, config_by_name(SCOPE_TOPIC, bytes_of("retention.ms")));
    EXPECT_EQ("a topic has no broker settings", CONFIG_NONE, config_by_name(SCOPE_TOPIC, bytes_of("num.partitions")));
    EXPECT_EQ("one name in both scopes", CONFIG_BROKER_MIN_INSYNC_REPLICAS,
              config_by_name(SCOPE_BROKER, bytes_of("min.insync.replicas")));
    EXPECT_EQ("nothing", CONFIG_NONE, config_by_name(SCOPE_BROKER, (struct bytes){ 0 }));
    EXPECT_EQ("a longer name", CONFIG_NONE, config_by_name(SCOPE_TOPIC, bytes_of("retention.ms2")));
    EXPECT_EQ("a shorter name", CONFIG_NONE, config_by_name(SCOPE_TOPIC, bytes_of("retention.m")));
}

/* What the lookups rely on, of every row. */
TEST(the_registry_is_whole)
{
    for (uint32_t i = 0; i < CONFIG_COUNT; i++) {
        const enum config_id id = (enum config_id)i;
        const struct config_info *info = config_info(id);
        EXPECT("every number has a row", info->name != NULL);
        if (info->name == NULL) continue;
        EXPECT_EQ(info->name, id, config_by_name(config_scope(id), bytes_of(info->name)));
        EXPECT(info->name, info->documentation[0] != 0);
        EXPECT(info->name, info->value_min <= info->value_max);
        EXPECT_EQ(info->name, info->type == TYPE_LIST, info->words != NULL && info->type != TYPE_STRING);

        if (info->broker_id != CONFIG_NONE) {
            const struct config_info *broker = config_info(info->broker_id);
            EXPECT_EQ(info->name, SCOPE_TOPIC, config_scope(id));
            EXPECT_EQ(info->name, SCOPE_BROKER, config_scope(info->broker_id));
            EXPECT_EQ(info->name, info->value, broker->value);
            EXPECT_EQ(info->name, info->value_min, broker->value_min);
            EXPECT_EQ(info->name, info->value_max, broker->value_max);
            EXPECT_EQ(info->name, info->type, broker->type);
        }
        if (info->change == CHANGE_NEVER) continue;
        char said[CONFIG_TEXT_SIZE_MAX];
        struct text text = text_in(said, sizeof said);
        int64_t value;
        config_format(id, info->value, &text);
        EXPECT("a default fits its room", text.size < sizeof said);
        EXPECT_EQ(info->name, CONFIG_VALID, config_parse(id, text_bytes(&text), &value, &text));
        EXPECT_EQ(info->name, info->value, value);
    }
}

TEST(a_message_is_cut_off)
{
    char small[8], long_value[4096];
    struct text text = text_in(small, sizeof small);
    int64_t value;

    memset(long_value, 'x', sizeof long_value);
    config_parse(CONFIG_RETENTION_MS, (struct bytes){ (const uint8_t *)long_value, sizeof long_value }, &value, &text);
    EXPECT_BYTES("what does not fit is gone", "Invalid ", 8, text.data, text.size);
}
