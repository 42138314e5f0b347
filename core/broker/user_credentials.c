/* user_credentials.c -- DescribeUserScramCredentials: nobody has credentials here, and whoever is asked for by name is
 * said to have none (KIP-554). Tools ask when they list what there is of users. */
#include "base/hash.h"
#include "broker/apis.h"
#include "codec/errors.h"
#include "codec/messages.h"

#define TWICE BYTES_LITERAL("Cannot describe SCRAM credentials for the same user twice in a single request: ")
#define NOT_THERE BYTES_LITERAL("Attempt to describe a user credential that does not exist: ")

/* Users by their names, and where each has its result: each has one, however often it is named. */
struct users {
    uint32_t *table; /* [mask + 1]: number of the result + 1, or 0 */
    uint32_t mask;
};

static bool make_users(struct call *call, uint32_t count, struct users *users)
{
    users->mask = 1;
    while (users->mask / 2 < count) users->mask = users->mask * 2 + 1;
    users->table = arena_take(call->arena, users->mask + 1, sizeof *users->table);
    if (users->table != NULL) memset(users->table, 0, (users->mask + 1) * sizeof *users->table);
    return users->table != NULL;
}

static bool put_error(struct call *call, struct describe_user_scram_credentials_response_result *result,
                      enum error error, struct bytes words)
{
    uint8_t *said = arena_take(call->arena, words.size + result->user.size, 1);

    if (said == NULL) return false;
    memcpy(said, words.data, words.size);
    if (result->user.size > 0) memcpy(said + words.size, result->user.data, result->user.size);
    result->error_code = (int16_t)error;
    result->error_message = (struct bytes){ said, words.size + result->user.size };
    return true;
}

static bool put_user(struct call *call, const struct users *users, struct bytes name,
                     struct describe_user_scram_credentials_response *response)
{
    uint64_t at = hash_bytes(0, name);

    for (;; at++) {
        const uint32_t found = users->table[at & users->mask];
        if (found == 0) break;
        struct describe_user_scram_credentials_response_result *result = &response->results[found - 1];
        if (!bytes_equal(result->user, name)) continue;
        if (result->error_code == ERROR_DUPLICATE_RESOURCE) return true;
        return put_error(call, result, ERROR_DUPLICATE_RESOURCE, TWICE);
    }
    struct describe_user_scram_credentials_response_result *result = &response->results[response->results_count++];
    *result = (struct describe_user_scram_credentials_response_result){ .user = name };
    users->table[at & users->mask] = response->results_count;
    return put_error(call, result, ERROR_RESOURCE_NOT_FOUND, NOT_THERE);
}

enum call_verdict describe_user_scram_credentials_handle(struct call *call)
{
    struct describe_user_scram_credentials_request request;
    struct describe_user_scram_credentials_response response = describe_user_scram_credentials_response_default;
    struct reader reader = reader_of(call->body);
    struct users users;

    if (!describe_user_scram_credentials_request_read(&reader, call->version, call->arena, &request)) {
        return CALL_MALFORMED;
    }
    response.results = arena_take(call->arena, request.users_count, sizeof *response.results);
    if (response.results == NULL || !make_users(call, request.users_count, &users)) return CALL_MALFORMED;
    for (uint32_t i = 0; i < request.users_count; i++) {
        if (!put_user(call, &users, request.users[i].name, &response)) return CALL_MALFORMED;
    }
    call->failed = request.users_count > 0;
    describe_user_scram_credentials_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
