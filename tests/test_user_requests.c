/* DescribeUserScramCredentials through a whole node: nobody has any. */
#include "admin_world.h"

static const struct row {
    const char *why;
    const char *names[3];
    uint32_t count; /* results */
    struct {
        const char *user;
        enum error error;
        const char *message;
    } results[2];
} rows[] = {
    { "all there are", { NULL }, 0, { { 0 } } },
    { "one by name",
      { "alice" },
      1,
      { { "alice", ERROR_RESOURCE_NOT_FOUND, "Attempt to describe a user credential that does not exist: alice" } } },
    { "two",
      { "alice", "" },
      2,
      { { "alice", ERROR_RESOURCE_NOT_FOUND, "Attempt to describe a user credential that does not exist: alice" },
        { "", ERROR_RESOURCE_NOT_FOUND, "Attempt to describe a user credential that does not exist: " } } },
    { "one twice",
      { "bob", "alice", "bob" },
      2,
      { { "bob", ERROR_DUPLICATE_RESOURCE,
          "Cannot describe SCRAM credentials for the same user twice in a single request: bob" },
        { "alice", ERROR_RESOURCE_NOT_FOUND, "Attempt to describe a user credential that does not exist: alice" } } },
    { "one three times",
      { "bob", "bob", "bob" },
      1,
      { { "bob", ERROR_DUPLICATE_RESOURCE,
          "Cannot describe SCRAM credentials for the same user twice in a single request: bob" } } },
};

static void ask(struct world *world, const struct row *row)
{
    struct describe_user_scram_credentials_request_user users[3];
    uint32_t count = 0;

    while (count < 3 && row->names[count] != NULL) {
        users[count] = (struct describe_user_scram_credentials_request_user){ text_of(row->names[count]) };
        count++;
    }
    ASK(describe_user_scram_credentials, API_DESCRIBE_USER_SCRAM_CREDENTIALS, 0, .users = users, .users_count = count)
    const struct describe_user_scram_credentials_response *got = &describe_user_scram_credentials_answer;
    EXPECT_EQ(row->why, ERROR_NONE, (enum error)got->error_code);
    EXPECT_EQ(row->why, row->count, got->results_count);
    for (uint32_t i = 0; i < row->count && i < got->results_count; i++) {
        EXPECT(row->why, says(got->results[i].user, row->results[i].user));
        EXPECT_EQ(row->why, row->results[i].error, (enum error)got->results[i].error_code);
        EXPECT(row->why, says(got->results[i].error_message, row->results[i].message));
        EXPECT_EQ("and nothing else", 0, got->results[i].credential_infos_count);
    }
}

TEST(nobody_has_credentials)
{
    struct world *world = world_new();

    FOR_EACH(row, row, rows) ask(world, row);
    world_free(world);
}
