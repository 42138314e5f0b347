/* DescribeClientQuotas and AlterClientQuotas through a whole node: what is taken, what is refused by which words, which
 * filter finds what, and that all of it is there again after a restart. */
#include "admin_world.h"

static int64_t bits(double value)
{
    int64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static const struct alter_row {
    const char *why;
    const char *types[2], *names[2]; /* a name "-" is the default */
    const char *key;
    double value;
    bool remove;
    enum error error;
    const char *message;
} alter_rows[] = {
    { "a client id", { "client-id" }, { "a" }, "producer_byte_rate", 1000, false, ERROR_NONE, NULL },
    { "its other key", { "client-id" }, { "a" }, "consumer_byte_rate", 2000, false, ERROR_NONE, NULL },
    { "all others", { "client-id" }, { "-" }, "producer_byte_rate", 500, false, ERROR_NONE, NULL },
    { "both", { "user", "client-id" }, { "u", "-" }, "producer_byte_rate", 7, false, ERROR_NONE, NULL },
    { "a user", { "user" }, { "u" }, "consumer_byte_rate", 9, false, ERROR_NONE, NULL },
    { "one that goes again", { "user" }, { "gone" }, "consumer_byte_rate", 9, false, ERROR_NONE, NULL },
    { "as it does", { "user" }, { "gone" }, "consumer_byte_rate", 0, true, ERROR_NONE, NULL },
    { "what is not there may go", { "user" }, { "never" }, "consumer_byte_rate", 0, true, ERROR_NONE, NULL },
    { "nobody",
      { NULL },
      { NULL },
      "producer_byte_rate",
      1,
      false,
      ERROR_INVALID_REQUEST,
      "Invalid empty client quota entity." },
    { "an address",
      { "ip" },
      { "10.0.0.1" },
      "connection_creation_rate",
      1,
      false,
      ERROR_INVALID_REQUEST,
      "Unhandled client quota entity type: users and client ids have quotas here, addresses have none." },
    { "one user twice",
      { "user", "user" },
      { "a", "b" },
      "producer_byte_rate",
      1,
      false,
      ERROR_INVALID_REQUEST,
      "Duplicate entity type." },
    { "a user without a name",
      { "user" },
      { "" },
      "producer_byte_rate",
      1,
      false,
      ERROR_INVALID_REQUEST,
      "The name of an entity must not be empty." },
    { "time",
      { "user" },
      { "u" },
      "request_percentage",
      50,
      false,
      ERROR_INVALID_REQUEST,
      "Invalid configuration key: producer_byte_rate and consumer_byte_rate are there." },
    { "half a byte",
      { "user" },
      { "u" },
      "producer_byte_rate",
      1.5,
      false,
      ERROR_INVALID_REQUEST,
      "A rate must be a whole number." },
    { "nothing",
      { "user" },
      { "u" },
      "producer_byte_rate",
      0,
      false,
      ERROR_INVALID_REQUEST,
      "A rate must be a number of bytes a second from 1 on." },
    { "no number",
      { "user" },
      { "u" },
      "producer_byte_rate",
      __builtin_nan(""),
      false,
      ERROR_INVALID_REQUEST,
      "A rate must be a number of bytes a second from 1 on." },
};

static struct bytes name_of(const char *name)
{
    return name[0] == '-' ? (struct bytes){ 0 } : text_of(name);
}

static void alter(struct world *world, const struct alter_row *row, int16_t version, bool validate_only)
{
    struct alter_client_quotas_request_entity entity[2];
    struct alter_client_quotas_request_op op = { text_of(row->key), bits(row->value), row->remove };
    struct alter_client_quotas_request_entry entry = { .entity = entity, .ops = &op, .ops_count = 1 };

    while (entry.entity_count < 2 && row->types[entry.entity_count] != NULL) {
        const uint32_t at = entry.entity_count++;
        entity[at] = (struct alter_client_quotas_request_entity){ text_of(row->types[at]), name_of(row->names[at]) };
    }
    ASK(alter_client_quotas, API_ALTER_CLIENT_QUOTAS, version, .entries = &entry, .entries_count = 1,
        .validate_only = validate_only)
    const struct alter_client_quotas_response_entry *got = &alter_client_quotas_answer.entries[0];
    EXPECT_EQ(row->why, 1, alter_client_quotas_answer.entries_count);
    EXPECT_EQ(row->why, row->error, (enum error)got->error_code);
    EXPECT_EQ("the entity is named", entry.entity_count, got->entity_count);
    if (row->message == NULL) EXPECT("no words", got->error_message.data == NULL);
    else EXPECT(row->why, says(got->error_message, row->message));
}

static const struct describe_row {
    const char *why;
    const char *types[2];
    int8_t matches[2];
    const char *names[2];
    bool strict;
    uint32_t count;
    enum error error;
} describe_rows[] = {
    { "all there are", { NULL }, { 0 }, { NULL }, false, 4, ERROR_NONE },
    { "none is of nothing", { NULL }, { 0 }, { NULL }, true, 0, ERROR_NONE },
    { "of client ids", { "client-id" }, { 2 }, { NULL }, false, 3, ERROR_NONE },
    { "of client ids alone", { "client-id" }, { 2 }, { NULL }, true, 2, ERROR_NONE },
    { "of one client id", { "client-id" }, { 0 }, { "a" }, false, 1, ERROR_NONE },
    { "of the default", { "client-id" }, { 1 }, { NULL }, true, 1, ERROR_NONE },
    { "of a user", { "user" }, { 0 }, { "u" }, false, 2, ERROR_NONE },
    { "of a user alone", { "user" }, { 0 }, { "u" }, true, 1, ERROR_NONE },
    { "of a user with any client id", { "user", "client-id" }, { 0, 2 }, { "u", NULL }, true, 1, ERROR_NONE },
    { "of addresses there are none", { "ip" }, { 2 }, { NULL }, false, 0, ERROR_NONE },
    { "of what nobody knows", { "moon" }, { 2 }, { NULL }, false, 0, ERROR_INVALID_REQUEST },
    { "in no way that there is", { "user" }, { 3 }, { NULL }, false, 0, ERROR_INVALID_REQUEST },
    { "by no name", { "user" }, { 0 }, { NULL }, false, 0, ERROR_INVALID_REQUEST },
    { "twice", { "user", "user" }, { 2, 2 }, { NULL }, false, 0, ERROR_INVALID_REQUEST },
};

static void describe(struct world *world, const struct describe_row *row, int16_t version)
{
    struct describe_client_quotas_request_component components[2];
    uint32_t count = 0;

    while (count < 2 && row->types[count] != NULL) {
        components[count] =
            (struct describe_client_quotas_request_component){ text_of(row->types[count]), row->matches[count],
                                                               row->names[count] == NULL ? (struct bytes){ 0 }
                                                                                         : text_of(row->names[count]) };
        count++;
    }
    ASK(describe_client_quotas, API_DESCRIBE_CLIENT_QUOTAS, version, .components = components,
        .components_count = count, .strict = row->strict)
    EXPECT_EQ(row->why, row->error, (enum error)describe_client_quotas_answer.error_code);
    EXPECT_EQ(row->why, row->count, describe_client_quotas_answer.entries_count);
    if (row->count != 1 || count != 1 || row->names[0] == NULL || row->names[0][0] != 'a') return;
    const struct describe_client_quotas_response_entry *entry = &describe_client_quotas_answer.entries[0];
    EXPECT("whose", says(entry->entity[0].entity_name, "a") && says(entry->entity[0].entity_type, "client-id"));
    EXPECT_EQ("both keys", 2, entry->values_count);
    EXPECT("what", says(entry->values[0].key, "producer_byte_rate") && entry->values[0].value == bits(1000));
    EXPECT("and how much", says(entry->values[1].key, "consumer_byte_rate") && entry->values[1].value == bits(2000));
}

TEST(quotas_are_set_found_and_kept)
{
    struct world *world = world_new();

    FOR_EACH(alter_row, row, alter_rows) alter(world, row, (int16_t)((row - alter_rows) % 2), true);
    describe(world, &(struct describe_row){ "what is only asked about does nothing", .count = 0 }, 1);
    FOR_EACH(alter_row, row, alter_rows) alter(world, row, (int16_t)((row - alter_rows) % 2), false);
    FOR_EACH(describe_row, row, describe_rows) describe(world, row, (int16_t)((row - describe_rows) % 2));
    world_start(world, false);
    FOR_EACH(describe_row, row, describe_rows) describe(world, row, 1);
    world_free(world);
}

TEST(there_are_so_many_quotas_and_no_more)
{
    struct world *world = world_new();
    char name[16];

    for (uint32_t i = 0; i < 128; i++) {
        sprintf(name, "c%u", i);
        alter(world, &(struct alter_row){ name, { "client-id" }, { name }, "producer_byte_rate", 1 }, 1, false);
    }
    alter(world,
          &(struct alter_row){ "one too many",
                               { "client-id" },
                               { "x" },
                               "producer_byte_rate",
                               1,
                               false,
                               ERROR_POLICY_VIOLATION,
                               "There may be 128 entities with quotas, those of this request among them." },
          1, false);
    describe(world, &(struct describe_row){ "all of them", .count = 128 }, 1);
    world_free(world);
}
