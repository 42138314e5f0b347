/* Settings of single groups through a whole node: what is taken, what is refused by which words, what is shown, and
 * that all of it is there again after a restart. */
#include "admin_world.h"

enum { SET, DELETE, APPEND, SUBTRACT, TYPE_GROUP = 32, FROM_GROUP = 8, FROM_DEFAULT = 5 };
#define SESSION "consumer.session.timeout.ms"
#define HEARTBEAT "consumer.heartbeat.interval.ms"

static const struct row {
    const char *why;
    const char *group, *key;
    int8_t operation;
    const char *value; /* NULL: none */
    enum error error;
    const char *message;
} rows[] = {
    { "a session", "g", SESSION, SET, "50000", ERROR_NONE, NULL },
    { "a heartbeat", "g", HEARTBEAT, SET, "6000", ERROR_NONE, NULL },
    { "of a group that is not there yet", "later", SESSION, SET, "60000", ERROR_NONE, NULL },
    { "one that goes again", "gone", SESSION, SET, "46000", ERROR_NONE, NULL },
    { "as it does", "gone", SESSION, DELETE, NULL, ERROR_NONE, NULL },
    { "what is not set may go", "gone", HEARTBEAT, DELETE, NULL, ERROR_NONE, NULL },
    { "below what brokers allow", "g", SESSION, SET, "44999", ERROR_INVALID_CONFIG,
      SESSION " must be greater than or equal to group.consumer.min.session.timeout.ms" },
    { "above it", "g", SESSION, SET, "60001", ERROR_INVALID_CONFIG,
      SESSION " must be less than or equal to group.consumer.max.session.timeout.ms" },
    { "below what brokers allow", "g", HEARTBEAT, SET, "4999", ERROR_INVALID_CONFIG,
      HEARTBEAT " must be greater than or equal to group.consumer.min.heartbeat.interval.ms" },
    { "above it", "g", HEARTBEAT, SET, "15001", ERROR_INVALID_CONFIG,
      HEARTBEAT " must be less than or equal to group.consumer.max.heartbeat.interval.ms" },
    { "no number", "g", SESSION, SET, "soon", ERROR_INVALID_CONFIG,
      "Invalid value soon for configuration " SESSION ": Not a number of type INT" },
    { "a number that is none", "g", SESSION, SET, "99999999999", ERROR_INVALID_CONFIG,
      "Invalid value 99999999999 for configuration " SESSION ": Not a number of type INT" },
    { "nothing", "g", SESSION, SET, NULL, ERROR_INVALID_CONFIG,
      "Null value not supported for group configs: " SESSION },
    { "what groups do not have", "g", "retention.ms", SET, "1", ERROR_INVALID_CONFIG,
      "Unknown group config name: retention.ms" },
    { "no list", "g", SESSION, APPEND, "1", ERROR_INVALID_CONFIG,
      "Can't APPEND to key " SESSION " because its type is not LIST." },
    { "nor less of one", "g", SESSION, SUBTRACT, "1", ERROR_INVALID_CONFIG,
      "Can't SUBTRACT from key " SESSION " because its type is not LIST." },
    { "no operation", "g", SESSION, 7, "1", ERROR_INVALID_REQUEST, "Unknown operation type 7" },
    { "no group", "", SESSION, SET, "50000", ERROR_INVALID_REQUEST, "Default group resources are not allowed." },
};

static void alter(struct world *world, const struct row *row, bool validate_only)
{
    struct incremental_alter_configs_request_config config = { .name = text_of(row->key), .operation = row->operation };
    struct incremental_alter_configs_request_resource resource = {
        .resource_type = TYPE_GROUP, .resource_name = text_of(row->group), .configs = &config, .configs_count = 1
    };

    if (row->value != NULL) config.value = text_of(row->value);
    ASK(incremental_alter_configs, API_INCREMENTAL_ALTER_CONFIGS, 1, .resources = &resource, .resources_count = 1,
        .validate_only = validate_only)
    const struct incremental_alter_configs_response_resource *got = &incremental_alter_configs_answer.resources[0];
    EXPECT_EQ(row->why, row->error, (enum error)got->error_code);
    if (row->message != NULL) EXPECT(row->why, says(got->error_message, row->message));
}

static void expect(struct world *world, const char *group, const char *heartbeat, int heartbeat_from,
                   const char *session, int session_from)
{
    struct describe_configs_request_resource resource = { .resource_type = TYPE_GROUP,
                                                          .resource_name = text_of(group) };

    ASK(describe_configs, API_DESCRIBE_CONFIGS, 4, .resources = &resource, .resources_count = 1,
        .include_synonyms = true)
    const struct describe_configs_response_resource *got = &describe_configs_answer.resources[0];
    EXPECT_EQ(group, ERROR_NONE, (enum error)got->error_code);
    EXPECT_EQ("all there are", 2, got->configs_count);
    EXPECT("their names", says(got->configs[0].name, HEARTBEAT) && says(got->configs[1].name, SESSION));
    EXPECT(group, says(got->configs[0].value, heartbeat));
    EXPECT(group, says(got->configs[1].value, session));
    EXPECT_EQ(group, heartbeat_from, got->configs[0].config_source);
    EXPECT_EQ(group, session_from, got->configs[1].config_source);
    EXPECT_EQ("what holds otherwise, too", session_from == FROM_GROUP ? 2 : 1, got->configs[1].synonyms_count);
}

static void expect_all(struct world *world)
{
    expect(world, "g", "6000", FROM_GROUP, "50000", FROM_GROUP);
    expect(world, "later", "5000", FROM_DEFAULT, "60000", FROM_GROUP);
    expect(world, "gone", "5000", FROM_DEFAULT, "45000", FROM_DEFAULT);
}

TEST(groups_have_settings_of_their_own)
{
    struct world *world = world_new();

    FOR_EACH(row, row, rows) alter(world, row, true);
    expect(world, "g", "5000", FROM_DEFAULT, "45000", FROM_DEFAULT);
    FOR_EACH(row, row, rows) alter(world, row, false);
    expect_all(world);
    world_start(world, false);
    expect_all(world);
    world_free(world);
}

TEST(what_is_not_named_goes_back)
{
    struct world *world = world_new();
    struct alter_configs_request_config config = { .name = text_of(HEARTBEAT), .value = text_of("7000") };
    struct alter_configs_request_resource resource = {
        .resource_type = TYPE_GROUP, .resource_name = text_of("g"), .configs = &config, .configs_count = 1
    };

    alter(world, &rows[0], false);
    ASK(alter_configs, API_ALTER_CONFIGS, 2, .resources = &resource, .resources_count = 1)
    EXPECT_EQ("it is taken", ERROR_NONE, (enum error)alter_configs_answer.resources[0].error_code);
    expect(world, "g", "7000", FROM_GROUP, "45000", FROM_DEFAULT);
    world_free(world);
}

TEST(so_many_groups_have_settings_and_no_more)
{
    struct world *world = world_new();
    char name[16];

    for (uint32_t i = 0; i < 128; i++) {
        sprintf(name, "g%u", i);
        alter(world, &(struct row){ name, name, SESSION, SET, "50000", ERROR_NONE, NULL }, false);
    }
    alter(world,
          &(struct row){ "one too many", "x", SESSION, SET, "50000", ERROR_POLICY_VIOLATION,
                         "There may be 128 groups with settings of their own." },
          false);
    alter(world, &(struct row){ "one that is there", "g7", SESSION, SET, "51000", ERROR_NONE, NULL }, false);
    world_free(world);
}
