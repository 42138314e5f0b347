/* Administration through the whole node: Kafka's bytes in, Kafka's bytes out, a disk that takes its time between. */
#include "admin_world.h"

/* ---- topics ---- */

static struct uuid create(struct world *world, const char *name, int32_t partitions)
{
    struct create_topics_request_topic topic = { .name = text_of(name),
                                                 .num_partitions = partitions,
                                                 .replication_factor = 1 };
    ASK(create_topics, API_CREATE_TOPICS, 7, .topics = &topic, .topics_count = 1, .timeout_ms = 5000)
    EXPECT_EQ(name, ERROR_NONE, create_topics_answer.topics[0].error_code);
    return create_topics_answer.topics[0].topic_id;
}

TEST(topics_are_created_in_every_version)
{
    struct world *world = world_new();

    for (int16_t version = 0; version <= 7; version++) {
        char name[16];
        sprintf(name, "topic-%d", version);
        struct create_topics_request_config config = { BYTES_LITERAL("retention.ms"), BYTES_LITERAL("1000") };
        struct create_topics_request_topic topic = {
            .name = text_of(name), .num_partitions = 3, .replication_factor = 1, .configs = &config, .configs_count = 1
        };
        ASK(create_topics, API_CREATE_TOPICS, version, .topics = &topic, .topics_count = 1, .timeout_ms = 5000)
        const struct create_topics_response_topic *made = &create_topics_answer.topics[0];
        EXPECT_EQ(name, 1, create_topics_answer.topics_count);
        EXPECT_EQ(name, ERROR_NONE, made->error_code);
        EXPECT(name, says(made->name, name));
        EXPECT(name, made->error_message.data == NULL);
        EXPECT_EQ("an id from version 7 on", version >= 7, !uuid_is_zero(&made->topic_id));
        if (version < 5) continue;
        EXPECT_EQ(name, 3, made->num_partitions);
        EXPECT_EQ(name, 1, made->replication_factor);
        EXPECT_EQ("all settings", TOPIC_CONFIG_COUNT, made->configs_count);
        for (uint32_t i = 0; i < made->configs_count; i++) {
            EXPECT("clients stumble over a source that is none", made->configs[i].config_source >= 1);
            if (!says(made->configs[i].name, "retention.ms")) continue;
            EXPECT("as it was set", says(made->configs[i].value, "1000"));
            EXPECT_EQ("by the topic", 1, made->configs[i].config_source);
        }
    }
    world_free(world);
}

/* All of them in one request. */
static int32_t on_one[] = { 1 }, on_nine[] = { 9 };
static struct create_topics_request_assignment assignments[] = { { 1, on_one, 1 }, { 0, on_one, 1 } };
static struct create_topics_request_assignment strangers[] = { { 0, on_nine, 1 } };
static struct create_topics_request_config unknown = { BYTES_LITERAL("retention.parsecs"), BYTES_LITERAL("1") };
static struct create_topics_request_config null_value = { BYTES_LITERAL("retention.ms"), { 0 } };
static const struct wish_row {
    const char *why;
    struct create_topics_request_topic topic;
    enum error error;
    const char *message;
} wish_rows[] = {
    { "defaults", { BYTES_LITERAL("plain"), -1, -1 }, ERROR_NONE, NULL },
    { "it is there", { BYTES_LITERAL("there"), 1, 1 }, ERROR_TOPIC_ALREADY_EXISTS, "Topic 'there' already exists." },
    { "a name that is none",
      { BYTES_LITERAL("a/b"), 1, 1 },
      ERROR_INVALID_TOPIC_EXCEPTION,
      "Topic name is invalid: 'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' and "
      "'-'" },
    { "a name that is ours",
      { BYTES_LITERAL("__meta"), 1, 1 },
      ERROR_INVALID_TOPIC_EXCEPTION,
      "Topic name is invalid: '__meta' is reserved" },
    { "twice", { BYTES_LITERAL("twin"), 1, 1 }, ERROR_INVALID_REQUEST, "Duplicate topic name." },
    { "twice", { BYTES_LITERAL("twin"), 1, 1 }, ERROR_INVALID_REQUEST, "Duplicate topic name." },
    { "dots", { BYTES_LITERAL("a.b"), 1, 1 }, ERROR_NONE, NULL },
    { "alike",
      { BYTES_LITERAL("a_b"), 1, 1 },
      ERROR_INVALID_REQUEST,
      "The request names this or something too much alike more than once." },
    { "no partitions",
      { BYTES_LITERAL("p0"), 0, 1 },
      ERROR_INVALID_PARTITIONS,
      "Number of partitions was set to an invalid non-positive value." },
    { "no replicas",
      { BYTES_LITERAL("r0"), 1, 0 },
      ERROR_INVALID_REPLICATION_FACTOR,
      "Replication factor must be larger than 0, or -1 to use the default value." },
    { "more than there are",
      { BYTES_LITERAL("r3"), 1, 3 },
      ERROR_INVALID_REPLICATION_FACTOR,
      "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because "
      "only 1 broker(s) are registered." },
    { "more than one request may",
      { BYTES_LITERAL("huge"), 20000, 1 },
      ERROR_POLICY_VIOLATION,
      "Excessively large number of partitions per request." },
    { "more than the node may",
      { BYTES_LITERAL("large"), 400, 1 },
      ERROR_POLICY_VIOLATION,
      "This cluster has room for 297 more partition(s)." },
    { "by hand", { BYTES_LITERAL("manual"), -1, -1, assignments, 2 }, ERROR_NONE, NULL },
    { "by hand and by number",
      { BYTES_LITERAL("both"), 2, -1, assignments, 2 },
      ERROR_INVALID_REQUEST,
      "A manual partition assignment was specified, but numPartitions was not set to -1." },
    { "to a stranger",
      { BYTES_LITERAL("strange"), -1, -1, strangers, 1 },
      ERROR_INVALID_REPLICA_ASSIGNMENT,
      "The manual partition assignment includes broker 9, but no such broker is registered." },
    { "a setting that is none",
      { BYTES_LITERAL("c1"), 1, 1, NULL, 0, &unknown, 1 },
      ERROR_INVALID_CONFIG,
      "Unknown topic config name: retention.parsecs" },
    { "a setting without value",
      { BYTES_LITERAL("c2"), 1, 1, NULL, 0, &null_value, 1 },
      ERROR_INVALID_CONFIG,
      "Null value not supported for topic configs: retention.ms" },
};

TEST(a_request_is_judged_topic_by_topic)
{
    struct world *world = world_new();

    create(world, "there", 1);
    enum { ROWS = sizeof wish_rows / sizeof wish_rows[0] };
    struct create_topics_request_topic topics[ROWS];
    for (int i = 0; i < ROWS; i++) topics[i] = wish_rows[i].topic;
    ASK(create_topics, API_CREATE_TOPICS, 7, .topics = topics, .topics_count = ROWS, .timeout_ms = 5000)
    EXPECT_EQ("an answer for each", ROWS, create_topics_answer.topics_count);
    for (int i = 0; i < ROWS; i++) {
        const struct create_topics_response_topic *got = &create_topics_answer.topics[i];
        EXPECT_EQ(wish_rows[i].why, wish_rows[i].error, got->error_code);
        EXPECT(wish_rows[i].why, wish_rows[i].message == NULL ? got->error_message.data == NULL
                                                              : says(got->error_message, wish_rows[i].message));
    }
    world_free(world);
}

TEST(validation_makes_nothing)
{
    struct world *world = world_new();
    struct create_topics_request_topic topic = { .name = BYTES_LITERAL("t"),
                                                 .num_partitions = 2,
                                                 .replication_factor = -1 };
    ASK(create_topics, API_CREATE_TOPICS, 7, .topics = &topic, .topics_count = 1, .timeout_ms = 5000,
        .validate_only = true)
    EXPECT_EQ("would be right", ERROR_NONE, create_topics_answer.topics[0].error_code);
    EXPECT_EQ("with so many partitions", 2, create_topics_answer.topics[0].num_partitions);
    create(world, "t", 1); /* and can still be made */
    world_free(world);
}

TEST(topics_go_by_name_and_by_id)
{
    struct world *world = world_new();

    create(world, "a", 2);
    const struct uuid b = create(world, "b", 2), c = create(world, "c", 2);
    for (int16_t version = 0; version <= 6; version++) {
        const struct bytes name = BYTES_LITERAL("nothing");
        struct delete_topics_request_topic by_name = { .name = name };
        ASK(delete_topics, API_DELETE_TOPICS, version, .topics = &by_name, .topics_count = 1, .topic_names = &name,
            .topic_names_count = 1, .timeout_ms = 5000)
        EXPECT_EQ("not there", ERROR_UNKNOWN_TOPIC_OR_PARTITION, delete_topics_answer.topics[0].error_code);
        EXPECT("by its name", says(delete_topics_answer.topics[0].name, "nothing"));
    }
    struct delete_topics_request_topic asked[] = {
        { .name = BYTES_LITERAL("a") }, { .topic_id = b }, { .name = BYTES_LITERAL("c") }, { .topic_id = c },
        { .topic_id = { { 1, 2 } } },   { .name = { 0 } }, { BYTES_LITERAL("a"), b },
    };
    const enum error errors[] = { ERROR_NONE,
                                  ERROR_NONE,
                                  ERROR_INVALID_REQUEST,
                                  ERROR_INVALID_REQUEST,
                                  ERROR_UNKNOWN_TOPIC_ID,
                                  ERROR_INVALID_REQUEST,
                                  ERROR_INVALID_REQUEST };
    {
        ASK(delete_topics, API_DELETE_TOPICS, 6, .topics = asked, .topics_count = 7, .timeout_ms = 5000)
        for (int i = 0; i < 7; i++) EXPECT_EQ("each by itself", errors[i], delete_topics_answer.topics[i].error_code);
        EXPECT("a name for an id", says(delete_topics_answer.topics[1].name, "b"));
    }
    {
        ASK(delete_topics, API_DELETE_TOPICS, 6, .topics = asked, .topics_count = 2, .timeout_ms = 5000)
        EXPECT_EQ("gone is gone", ERROR_UNKNOWN_TOPIC_OR_PARTITION, delete_topics_answer.topics[0].error_code);
        EXPECT_EQ("gone is gone", ERROR_UNKNOWN_TOPIC_ID, delete_topics_answer.topics[1].error_code);
    }
    create(world, "a", 5); /* and the name is free again */
    world_free(world);
}

TEST(topics_grow)
{
    struct world *world = world_new();
    int32_t here[] = { 1 };
    struct create_partitions_request_assignment one[] = { { here, 1 } };
    const struct {
        const char *why;
        struct create_partitions_request_topic topic;
        enum error error;
    } rows[] = {
        { "two more", { BYTES_LITERAL("t"), 4 }, ERROR_NONE },
        { "as many as there are", { BYTES_LITERAL("t"), 4 }, ERROR_INVALID_PARTITIONS },
        { "fewer", { BYTES_LITERAL("t"), 3 }, ERROR_INVALID_PARTITIONS },
        { "of no topic", { BYTES_LITERAL("u"), 3 }, ERROR_UNKNOWN_TOPIC_OR_PARTITION },
        { "one place for two", { BYTES_LITERAL("t"), 6, one, 1 }, ERROR_INVALID_REPLICA_ASSIGNMENT },
        { "one place for one", { BYTES_LITERAL("t"), 5, one, 1 }, ERROR_NONE },
        { "too many for the node", { BYTES_LITERAL("t"), 301 }, ERROR_POLICY_VIOLATION },
    };

    create(world, "t", 2);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct create_partitions_request_topic topic = rows[i].topic;
        for (int16_t version = 0; version <= 3; version++) {
            const bool last = version == 3; /* the others only ask */
            ASK(create_partitions, API_CREATE_PARTITIONS, version, .topics = &topic, .topics_count = 1,
                .timeout_ms = 5000, .validate_only = !last)
            EXPECT_EQ(rows[i].why, rows[i].error, create_partitions_answer.topics[0].error_code);
        }
    }
    world_free(world);
}

/* ---- settings ---- */

/* One setting as it is described, or NULL. */
static const struct describe_configs_response_config *described(const struct describe_configs_response *answered,
                                                                uint32_t resource, const char *name)
{
    for (uint32_t i = 0; i < answered->resources[resource].configs_count; i++) {
        const struct describe_configs_response_config *config = &answered->resources[resource].configs[i];
        if (says(config->name, name)) return config;
    }
    return NULL;
}

TEST(settings_are_described)
{
    struct world *world = world_new();
    const struct bytes keys[] = { BYTES_LITERAL("retention.ms"), BYTES_LITERAL("no.such.key") };
    struct describe_configs_request_resource resources[] = {
        { 2, BYTES_LITERAL("t"), NULL, 0 }, { 4, BYTES_LITERAL("1"), NULL, 0 }, { 2, BYTES_LITERAL("t"), keys, 2 },
        { 2, BYTES_LITERAL("u"), NULL, 0 }, { 4, BYTES_LITERAL("2"), NULL, 0 }, { 8, BYTES_LITERAL("1"), NULL, 0 },
        { 4, BYTES_LITERAL(""), NULL, 0 },
    };

    create(world, "t", 1);
    for (int16_t version = 1; version <= 4; version++) {
        ASK(describe_configs, API_DESCRIBE_CONFIGS, version, .resources = resources, .resources_count = 7,
            .include_synonyms = true, .include_documentation = true)
        const struct describe_configs_response *got = &describe_configs_answer;
        EXPECT_EQ("all of a topic", TOPIC_CONFIG_COUNT, got->resources[0].configs_count);
        EXPECT_EQ("all of a broker", BROKER_CONFIG_COUNT, got->resources[1].configs_count);
        EXPECT_EQ("the one that was asked for", 1, got->resources[2].configs_count);
        EXPECT_EQ("no topic", ERROR_UNKNOWN_TOPIC_OR_PARTITION, got->resources[3].error_code);
        EXPECT_EQ("not this broker", ERROR_INVALID_REQUEST, got->resources[4].error_code);
        EXPECT_EQ("no such kind", ERROR_INVALID_REQUEST, got->resources[5].error_code);
        EXPECT_EQ("nothing is set for all brokers", 0, got->resources[6].configs_count);

        const struct describe_configs_response_config *retention = described(got, 0, "retention.ms");
        EXPECT("a day", says(retention->value, "86400000"));
        EXPECT_EQ("of the node's own configuration", 4, retention->config_source);
        EXPECT_EQ("under two names", 2, retention->synonyms_count);
        EXPECT("the broker's", says(retention->synonyms[0].name, "log.retention.ms"));
        EXPECT_EQ("a default at the end", 5, retention->synonyms[1].source);
        EXPECT_EQ("a number from version 3 on", version >= 3 ? TYPE_LONG : 0, retention->config_type);
        EXPECT_EQ("with a word about it", version >= 3, retention->documentation.data != NULL);
        EXPECT("may be changed", !retention->read_only);
        EXPECT("what clients reach",
               says(described(got, 1, "advertised.listeners")->value, "PLAINTEXT://broker.example:9092"));
        EXPECT("where it stands", says(described(got, 1, "broker.rack")->value, "east"));
        EXPECT("which may not be changed", described(got, 1, "broker.rack")->read_only);
        for (uint32_t i = 0; i < got->resources[0].configs_count; i++) {
            EXPECT("each has a value", got->resources[0].configs[i].value.data != NULL);
        }
    }
    world_free(world);
}

static enum error change(struct world *world, int8_t type, const char *resource_name, const char *key, int8_t operation,
                         const char *value)
{
    struct incremental_alter_configs_request_config config = { text_of(key), operation, { 0 } };
    if (value != NULL) config.value = text_of(value);
    struct incremental_alter_configs_request_resource resource = { type, text_of(resource_name), &config, 1 };
    ASK(incremental_alter_configs, API_INCREMENTAL_ALTER_CONFIGS, 1, .resources = &resource, .resources_count = 1)
    return (enum error)incremental_alter_configs_answer.resources[0].error_code;
}

/* The value that is described now, as text. */
static const char *value_now(struct world *world, int8_t type, const char *resource_name, const char *key)
{
    static char text[64];
    struct describe_configs_request_resource resource = { type, text_of(resource_name), NULL, 0 };
    ASK(describe_configs, API_DESCRIBE_CONFIGS, 4, .resources = &resource, .resources_count = 1)
    const struct describe_configs_response_config *found = described(&describe_configs_answer, 0, key);
    snprintf(text, sizeof text, "%.*s", found == NULL ? 4 : (int)found->value.size,
             found == NULL ? "none" : (const char *)found->value.data);
    return text;
}

static const struct change_row {
    const char *why;
    int8_t type;
    const char *resource, *key;
    int8_t operation; /* set, delete, append, subtract */
    const char *value;
    enum error error;
    const char *after;
} change_rows[] = {
    { "set", 2, "t", "retention.ms", 0, "100", ERROR_NONE, "100" },
    { "set again", 2, "t", "retention.ms", 0, "200", ERROR_NONE, "200" },
    { "wrong", 2, "t", "retention.ms", 0, "soon", ERROR_INVALID_CONFIG, "200" },
    { "null", 2, "t", "retention.ms", 0, NULL, ERROR_INVALID_CONFIG, "200" },
    { "not a list", 2, "t", "retention.ms", 2, "5", ERROR_INVALID_CONFIG, "200" },
    { "taken back", 2, "t", "retention.ms", 1, NULL, ERROR_NONE, "86400000" },
    { "taken back twice", 2, "t", "retention.ms", 1, NULL, ERROR_NONE, "86400000" },
    { "a word more, to the default", 2, "t", "cleanup.policy", 2, "compact", ERROR_NONE, "compact,delete" },
    { "a word less", 2, "t", "cleanup.policy", 3, "delete", ERROR_NONE, "compact" },
    { "the last word", 2, "t", "cleanup.policy", 3, "compact", ERROR_INVALID_CONFIG, "compact" },
    { "no such operation", 2, "t", "cleanup.policy", 7, "compact", ERROR_INVALID_REQUEST, "compact" },
    { "what we do not do", 2, "t", "compression.type", 0, "gzip", ERROR_INVALID_CONFIG, "producer" },
    { "more than the node takes", 2, "t", "max.message.bytes", 0, "2000000000", ERROR_INVALID_CONFIG, "1048588" },
    { "no such topic", 2, "u", "retention.ms", 0, "1", ERROR_UNKNOWN_TOPIC_OR_PARTITION, "none" },
    { "of all brokers", 4, "", "log.retention.ms", 0, "777", ERROR_NONE, "777" },
    { "which topics follow", 2, "t", "retention.ms", 1, NULL, ERROR_NONE, "777" },
    { "of this broker", 4, "1", "log.retention.ms", 0, "888", ERROR_NONE, "888" },
    { "which is nearer", 2, "t", "retention.ms", 1, NULL, ERROR_NONE, "888" },
    { "only together", 4, "1", "num.partitions", 0, "3", ERROR_INVALID_REQUEST, "1" },
    { "together", 4, "", "num.partitions", 0, "3", ERROR_NONE, "3" },
    { "never", 4, "1", "node.id", 0, "3", ERROR_INVALID_REQUEST, "1" },
    { "no such broker", 4, "2", "log.retention.ms", 0, "3", ERROR_INVALID_REQUEST, "none" },
    { "no broker's name", 4, "x", "log.retention.ms", 0, "3", ERROR_INVALID_REQUEST, "none" },
    { "no such kind", 8, "1", "org.apache.kafka", 0, "DEBUG", ERROR_INVALID_REQUEST, "none" },
};

TEST(settings_change_one_by_one)
{
    struct world *world = world_new();

    create(world, "t", 1);
    FOR_EACH(change_row, row, change_rows) {
        EXPECT_EQ(row->why, row->error, change(world, row->type, row->resource, row->key, row->operation, row->value));
        EXPECT_TEXT(row->why, row->after, value_now(world, row->type, row->resource, row->key));
    }
    world_free(world);
}

TEST(settings_are_replaced_as_a_whole)
{
    struct world *world = world_new();

    create(world, "t", 1);
    change(world, 2, "t", "retention.ms", 0, "100");
    change(world, 2, "t", "segment.ms", 0, "100");
    for (int16_t version = 0; version <= 2; version++) {
        char text[16];
        sprintf(text, "%d", 4096 + version);
        struct alter_configs_request_config config = { BYTES_LITERAL("segment.bytes"), text_of(text) };
        struct alter_configs_request_resource resource = { 2, BYTES_LITERAL("t"), &config, 1 };
        ASK(alter_configs, API_ALTER_CONFIGS, version, .resources = &resource, .resources_count = 1)
        EXPECT_EQ("done", ERROR_NONE, alter_configs_answer.resources[0].error_code);
        EXPECT_TEXT("what is named is set", text, value_now(world, 2, "t", "segment.bytes"));
        EXPECT_TEXT("what is not goes back", "86400000", value_now(world, 2, "t", "retention.ms"));
    }
    struct alter_configs_request_config twice[] = { { BYTES_LITERAL("segment.bytes"), BYTES_LITERAL("9999") },
                                                    { BYTES_LITERAL("segment.bytes"), BYTES_LITERAL("9998") } };
    struct alter_configs_request_resource same[] = { { 2, BYTES_LITERAL("t"), twice, 1 },
                                                     { 2, BYTES_LITERAL("t"), twice, 1 },
                                                     { 4, BYTES_LITERAL(""), twice, 0 } };
    struct alter_configs_request_resource double_key[] = { { 2, BYTES_LITERAL("t"), twice, 2 } };
    {
        ASK(alter_configs, API_ALTER_CONFIGS, 2, .resources = same, .resources_count = 3)
        EXPECT_EQ("a resource twice", ERROR_INVALID_REQUEST, alter_configs_answer.resources[0].error_code);
        EXPECT_EQ("both times", ERROR_INVALID_REQUEST, alter_configs_answer.resources[1].error_code);
        EXPECT_EQ("others are done", ERROR_NONE, alter_configs_answer.resources[2].error_code);
    }
    {
        ASK(alter_configs, API_ALTER_CONFIGS, 2, .resources = double_key, .resources_count = 1)
        EXPECT_EQ("a key twice", ERROR_INVALID_REQUEST, alter_configs_answer.resources[0].error_code);
    }
    EXPECT_TEXT("and nothing was changed by halves", "4098", value_now(world, 2, "t", "segment.bytes"));
    world_free(world);
}

TEST(settings_of_topics_are_bounded)
{
    struct world *world = world_new();
    struct create_topics_request_config configs[] = {
        { BYTES_LITERAL("retention.ms"), BYTES_LITERAL("1") },    { BYTES_LITERAL("segment.ms"), BYTES_LITERAL("1") },
        { BYTES_LITERAL("retention.bytes"), BYTES_LITERAL("1") }, { BYTES_LITERAL("flush.ms"), BYTES_LITERAL("1") },
        { BYTES_LITERAL("flush.messages"), BYTES_LITERAL("1") },
    };
    enum error error = ERROR_NONE;
    int made = 0;

    for (; made < 50 && error == ERROR_NONE; made++) {
        char name[16];
        sprintf(name, "t%d", made);
        struct create_topics_request_topic topic = {
            .name = text_of(name), .num_partitions = 1, .replication_factor = 1, .configs = configs, .configs_count = 5
        };
        ASK(create_topics, API_CREATE_TOPICS, 7, .topics = &topic, .topics_count = 1, .timeout_ms = 5000)
        error = (enum error)create_topics_answer.topics[0].error_code;
    }
    EXPECT_EQ("four for each topic there may be", 41, made);
    EXPECT_EQ("then no more", ERROR_POLICY_VIOLATION, error);
    world_free(world);
}

/* ---- the rest ---- */

TEST(log_directories_are_described)
{
    struct world *world = world_new();
    const int32_t partitions[] = { 1, 7 };
    struct describe_log_dirs_request_topic asked[] = { { BYTES_LITERAL("t"), partitions, 2 },
                                                       { BYTES_LITERAL("u"), partitions, 1 } };

    create(world, "t", 3);
    create(world, "v", 1);
    for (int16_t version = 1; version <= 4; version++) {
        {
            ASK(describe_log_dirs, API_DESCRIBE_LOG_DIRS, version, .topics = NULL)
            const struct describe_log_dirs_response_log_dir *log_dir = &describe_log_dirs_answer.log_dirs[0];
            EXPECT_EQ("one directory", 1, describe_log_dirs_answer.log_dirs_count);
            EXPECT_EQ("all topics", 2, log_dir->topics_count);
            EXPECT_EQ("all partitions", 3, log_dir->topics[0].partitions_count);
            EXPECT_EQ("nothing in it", 0, log_dir->topics[0].partitions[0].size);
        }
        ASK(describe_log_dirs, API_DESCRIBE_LOG_DIRS, version, .topics = asked, .topics_count = 2)
        const struct describe_log_dirs_response_log_dir *log_dir = &describe_log_dirs_answer.log_dirs[0];
        EXPECT_EQ("what is there of what was asked for", 1, log_dir->topics_count);
        EXPECT_EQ("one partition", 1, log_dir->topics[0].partitions_count);
        EXPECT_EQ("this one", 1, log_dir->topics[0].partitions[0].index);
    }
    world_free(world);
}

TEST(access_rights_are_not_there)
{
    struct world *world = world_new();
    struct create_acls_request_creation creations[2] = { { .resource_name = BYTES_LITERAL("t") } };
    struct delete_acls_request_filter filters[2] = { { .operation = 1 } };

    creations[1] = creations[0];
    filters[1] = filters[0];
    for (int16_t version = 1; version <= 3; version++) {
        ASK(describe_acls, API_DESCRIBE_ACLS, version, .operation = 1)
        EXPECT_EQ("described", ERROR_SECURITY_DISABLED, describe_acls_answer.error_code);
        EXPECT_EQ("none", 0, describe_acls_answer.resources_count);
        ASK(create_acls, API_CREATE_ACLS, version, .creations = creations, .creations_count = 2)
        EXPECT_EQ("an answer for each", 2, create_acls_answer.results_count);
        EXPECT_EQ("made", ERROR_SECURITY_DISABLED, create_acls_answer.results[1].error_code);
        ASK(delete_acls, API_DELETE_ACLS, version, .filters = filters, .filters_count = 2)
        EXPECT_EQ("an answer for each", 2, delete_acls_answer.filter_results_count);
        EXPECT_EQ("removed", ERROR_SECURITY_DISABLED, delete_acls_answer.filter_results[1].error_code);
    }
    world_free(world);
}

TEST(what_takes_too_long_is_said_to)
{
    struct world *world = world_new();
    struct create_topics_request_topic topic = { .name = BYTES_LITERAL("slow"),
                                                 .num_partitions = 1,
                                                 .replication_factor = 1 };
    const struct create_topics_request request = { .topics = &topic, .topics_count = 1, .timeout_ms = 300 };
    struct create_topics_response response;

    world->disk_stands = true;
    struct writer writer = begin(world, API_CREATE_TOPICS, 7);
    create_topics_request_write(&writer, 7, &request);
    finish(world, &writer);
    run(world, 0);
    EXPECT_EQ("nothing is said before it is durable", 0, world->out_size);
    run(world, world->mono_ns + 299 * MS);
    EXPECT_EQ("nor before its time is over", 0, world->out_size);
    run(world, world->mono_ns + 2 * MS);
    struct reader reader = answer(world, API_CREATE_TOPICS, 7);
    arena_reset(&world->arena);
    EXPECT("can be read", create_topics_response_read(&reader, 7, &world->arena, &response));
    EXPECT_EQ("and then that", ERROR_REQUEST_TIMED_OUT, response.topics[0].error_code);

    world->disk_stands = false;
    run(world, 0);
    struct delete_topics_request_topic gone = { .name = BYTES_LITERAL("slow") };
    ASK(delete_topics, API_DELETE_TOPICS, 6, .topics = &gone, .topics_count = 1, .timeout_ms = 5000)
    EXPECT_EQ("it came all the same", ERROR_NONE, delete_topics_answer.topics[0].error_code);
    world_free(world);
}
