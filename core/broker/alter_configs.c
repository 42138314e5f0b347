/* alter_configs.c -- settings change: AlterConfigs, where what is not named goes back to its default, and
 * IncrementalAlterConfigs, where it stays. Both requests become the same list of wishes, and the answers have the same
 * fields. */
#include "broker/admin.h"
#include "broker/apis.h"

struct resource {
    int8_t type;
    struct bytes name;
    const struct setting_wish *wishes;
    uint32_t wish_count;
};

struct altering {
    struct resource *resources;
    uint32_t count;
    bool replace;
    bool validate_only;
};

/* One of either response; they differ in nothing. */
struct altered {
    enum error error;
    struct bytes message;
};

/* A name that no other kind of resource has, for finding those that come twice. */
static struct bytes full_name(struct call *call, const struct resource *resource)
{
    uint8_t *name = arena_take(call->arena, resource->name.size + 1, 1);

    if (name == NULL) return (struct bytes){ 0 };
    name[0] = (uint8_t)resource->type;
    if (resource->name.size > 0) memcpy(name + 1, resource->name.data, resource->name.size);
    return (struct bytes){ name, resource->name.size + 1 };
}

static const bool *repeated_resources(struct call *call, const struct altering *altering)
{
    struct bytes *names = arena_take(call->arena, altering->count, sizeof *names);

    if (names == NULL) return NULL;
    for (uint32_t i = 0; i < altering->count; i++) names[i] = full_name(call, &altering->resources[i]);
    return admin_repeated(call, names, altering->count);
}

/* The index to wait for before it can be decided, or 0. */
static uint64_t decide_one(struct call *call, const struct altering *altering, const struct resource *resource,
                           struct altered *altered)
{
    struct controller_answer decided;

    controller_change_settings(call->controller, resource->type, resource->name, resource->wishes, resource->wish_count,
                               altering->replace, altering->validate_only, &decided);
    if (decided.wait_index != 0) return decided.wait_index;
    *altered = (struct altered){ decided.error, admin_message(call, &decided.message) };
    return 0;
}

/* Decides all. CALL_ANSWERED: go on; else return what it says. */
static enum call_verdict decide_all(struct call *call, const struct altering *altering, struct altered *altered)
{
    const bool *repeated = repeated_resources(call, altering);
    if (repeated == NULL) return CALL_MALFORMED;

    for (uint32_t i = 0; i < altering->count; i++) {
        uint64_t wait_index = 0;
        altered[i] = (struct altered){ ERROR_NONE };
        if (call->refusal != ERROR_NONE) altered[i] = (struct altered){ call->refusal, admin_refusal(call) };
        else if (repeated[i])
            altered[i] =
                (struct altered){ ERROR_INVALID_REQUEST, BYTES_LITERAL("Each resource must appear at most once.") };
        else wait_index = decide_one(call, altering, &altering->resources[i], &altered[i]);
        if (wait_index != 0) return admin_wait(call, wait_index);
        if (altered[i].error != ERROR_NONE) call->failed = true;
    }
    return call->arena->exhausted ? CALL_MALFORMED : CALL_ANSWERED;
}

/* ---- AlterConfigs ---- */

static bool read_alter(struct call *call, struct altering *altering)
{
    struct alter_configs_request request;
    struct reader reader = reader_of(call->body);

    if (!alter_configs_request_read(&reader, call->version, call->arena, &request)) return false;
    altering->replace = true;
    altering->validate_only = request.validate_only;
    altering->count = request.resources_count;
    altering->resources = arena_take(call->arena, altering->count, sizeof *altering->resources);
    if (altering->resources == NULL) return false;
    for (uint32_t i = 0; i < altering->count; i++) {
        const struct alter_configs_request_resource *from = &request.resources[i];
        struct setting_wish *wishes = arena_take(call->arena, from->configs_count, sizeof *wishes);
        if (wishes == NULL) return false;
        for (uint32_t j = 0; j < from->configs_count; j++) {
            wishes[j] = (struct setting_wish){ from->configs[j].name, SETTING_SET, from->configs[j].value };
        }
        altering->resources[i] =
            (struct resource){ from->resource_type, from->resource_name, wishes, from->configs_count };
    }
    return true;
}

static bool put_alter(struct call *call, const struct altering *altering, const struct altered *altered,
                      struct alter_configs_response *response)
{
    *response = alter_configs_response_default;
    response->resources = arena_take(call->arena, altering->count, sizeof *response->resources);
    if (response->resources == NULL) return false;
    for (uint32_t i = 0; i < altering->count; i++) {
        response->resources[response->resources_count++] =
            (struct alter_configs_response_resource){ .error_code = (int16_t)altered[i].error,
                                                      .error_message = altered[i].message,
                                                      .resource_type = altering->resources[i].type,
                                                      .resource_name = altering->resources[i].name };
    }
    return true;
}

enum call_verdict alter_configs_handle(struct call *call)
{
    struct altering altering = { 0 };
    struct alter_configs_response response;
    enum call_verdict verdict;

    if (!read_alter(call, &altering)) return CALL_MALFORMED;
    if (call_wish(call, ADMIN_TIMEOUT_MS, &verdict)) return verdict;
    struct altered *altered = arena_take(call->arena, altering.count, sizeof *altered);
    if (altered == NULL) return CALL_MALFORMED;
    const enum call_verdict decided = decide_all(call, &altering, altered);
    if (decided != CALL_ANSWERED) return decided;
    if (!put_alter(call, &altering, altered, &response)) return CALL_MALFORMED;

    alter_configs_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}

/* ---- IncrementalAlterConfigs ---- */

static bool read_incremental(struct call *call, struct altering *altering)
{
    struct incremental_alter_configs_request request;
    struct reader reader = reader_of(call->body);

    if (!incremental_alter_configs_request_read(&reader, call->version, call->arena, &request)) return false;
    altering->validate_only = request.validate_only;
    altering->count = request.resources_count;
    altering->resources = arena_take(call->arena, altering->count, sizeof *altering->resources);
    if (altering->resources == NULL) return false;
    for (uint32_t i = 0; i < altering->count; i++) {
        const struct incremental_alter_configs_request_resource *from = &request.resources[i];
        struct setting_wish *wishes = arena_take(call->arena, from->configs_count, sizeof *wishes);
        if (wishes == NULL) return false;
        for (uint32_t j = 0; j < from->configs_count; j++) {
            wishes[j] =
                (struct setting_wish){ from->configs[j].name, from->configs[j].operation, from->configs[j].value };
        }
        altering->resources[i] =
            (struct resource){ from->resource_type, from->resource_name, wishes, from->configs_count };
    }
    return true;
}

static bool put_incremental(struct call *call, const struct altering *altering, const struct altered *altered,
                            struct incremental_alter_configs_response *response)
{
    *response = incremental_alter_configs_response_default;
    response->resources = arena_take(call->arena, altering->count, sizeof *response->resources);
    if (response->resources == NULL) return false;
    for (uint32_t i = 0; i < altering->count; i++) {
        response->resources[response->resources_count++] =
            (struct incremental_alter_configs_response_resource){ .error_code = (int16_t)altered[i].error,
                                                                  .error_message = altered[i].message,
                                                                  .resource_type = altering->resources[i].type,
                                                                  .resource_name = altering->resources[i].name };
    }
    return true;
}

enum call_verdict incremental_alter_configs_handle(struct call *call)
{
    struct altering altering = { 0 };
    struct incremental_alter_configs_response response;
    enum call_verdict verdict;

    if (!read_incremental(call, &altering)) return CALL_MALFORMED;
    if (call_wish(call, ADMIN_TIMEOUT_MS, &verdict)) return verdict;
    struct altered *altered = arena_take(call->arena, altering.count, sizeof *altered);
    if (altered == NULL) return CALL_MALFORMED;
    const enum call_verdict decided = decide_all(call, &altering, altered);
    if (decided != CALL_ANSWERED) return decided;
    if (!put_incremental(call, &altering, altered, &response)) return CALL_MALFORMED;

    incremental_alter_configs_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
