/* update_features.c -- the level of metadata.version is raised or lowered (KIP-584, KIP-778). It is the only feature
 * there is; what every registered broker understands may be chosen. Errors and words are those of Kafka's
 * controller. */
#include "broker/admin.h"
#include "broker/apis.h"

enum { TYPE_UPGRADE = 1, TYPE_SAFE_DOWNGRADE, TYPE_UNSAFE_DOWNGRADE }; /* as on the wire */

static const char feature_name[] = "metadata.version";

static const char is_lower[] = "Can't downgrade the version of this feature without setting the upgrade type to either "
                               "safe or unsafe downgrade.";

/* Version 0 has a flag in its place. */
static int8_t type_of(const struct call *call, const struct update_features_request_feature_update *update)
{
    if (call->version > 0) return update->upgrade_type;
    return update->allow_downgrade ? TYPE_SAFE_DOWNGRADE : TYPE_UPGRADE;
}

/* What stands against an update, whatever brokers understand; NULL: nothing. */
static const char *objection(const struct call *call, const struct update_features_request_feature_update *update)
{
    const int16_t present = image_view(call->image).feature_level, wanted = update->max_version_level;
    const int8_t type = type_of(call, update);

    if (type < TYPE_UPGRADE || type > TYPE_UNSAFE_DOWNGRADE) {
        return "The controller does not support the given upgrade type.";
    }
    if (wanted < 0) return "A feature version cannot be less than 0.";
    if (!bytes_equal(update->feature, text_of(feature_name))) return "The controller does not support this feature.";
    if (wanted < present && type == TYPE_UPGRADE) return is_lower;
    if (wanted > present && type != TYPE_UPGRADE) return "Can't downgrade to a newer version.";
    return NULL;
}

static struct bytes words(struct call *call, const struct update_features_request_feature_update *update,
                          struct bytes why)
{
    char data[CONTROLLER_MESSAGE_SIZE_MAX];
    struct text text = text_in(data, sizeof data);

    text_add(&text, "Invalid update version ");
    text_add_int(&text, update->max_version_level);
    text_add(&text, " for feature ");
    text_add_bytes(&text, update->feature);
    text_add(&text, ". ");
    text_add_bytes(&text, why);
    return admin_message(call, &text);
}

/* The index to wait for; 0: it is decided. */
static uint64_t decide(struct call *call, const struct update_features_request *request,
                       const struct update_features_request_feature_update *update,
                       struct update_features_response_result *result)
{
    const char *why = objection(call, update);
    struct controller_answer answer = { .error = ERROR_INVALID_UPDATE_VERSION };
    struct bytes said = why == NULL ? (struct bytes){ 0 } : text_of(why);

    *result = (struct update_features_response_result){ .feature = update->feature };
    if (why == NULL) {
        controller_set_feature_level(call->controller, update->max_version_level, request->validate_only, &answer);
        if (answer.wait_index != 0) return answer.wait_index;
        said = text_bytes(&answer.message);
    }
    if (answer.error == ERROR_NONE) return 0;
    call->failed = true;
    result->error_code = (int16_t)answer.error;
    result->error_message = words(call, update, said);
    return 0;
}

enum call_verdict update_features_handle(struct call *call)
{
    struct update_features_request request;
    struct update_features_response response = update_features_response_default;
    struct reader reader = reader_of(call->body);
    enum call_verdict verdict;

    if (!update_features_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    if (call_wish(call, request.timeout_ms, &verdict)) return verdict;
    response.error_code = (int16_t)call->refusal;
    response.error_message = admin_refusal(call);
    call->failed = call->refusal != ERROR_NONE;
    if (call->refusal == ERROR_NONE) {
        response.results = arena_take(call->arena, request.feature_updates_count, sizeof *response.results);
        if (response.results == NULL) return CALL_MALFORMED;
        for (uint32_t i = 0; i < request.feature_updates_count; i++) {
            const uint64_t index = decide(call, &request, &request.feature_updates[i], &response.results[i]);
            if (index != 0) return admin_wait(call, index);
        }
        response.results_count = request.feature_updates_count;
    }
    update_features_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
