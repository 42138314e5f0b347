/* api_versions.c -- which versions do we speak, and what does the cluster support? Always in a response header that
 * clients of any age can read. */
#include "broker/apis.h"

#include "codec/api.h"
#include "codec/errors.h"
#include "meta/image.h"

static bool is_letter_or_digit(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
}

/* KIP-511: [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])? */
static bool is_software_text(struct bytes text)
{
    if (text.size == 0 || !is_letter_or_digit(text.data[0])) return false;
    for (uint32_t i = 1; i < text.size; i++) {
        const uint8_t byte = text.data[i];
        if (!is_letter_or_digit(byte) && byte != '-' && byte != '.') return false;
    }
    return is_letter_or_digit(text.data[text.size - 1]);
}

static struct api_versions_response_api_key key_of(const struct api *api)
{
    struct api_versions_response_api_key key = api_versions_response_api_key_default;

    key.api_key = api->key;
    key.min_version = api->advertised_min;
    key.max_version = api->advertised_max;
    return key;
}

enum call_verdict api_versions_unserved(struct call *call)
{
    struct api_versions_response_api_key key = key_of(api_find(API_API_VERSIONS));
    struct api_versions_response response = api_versions_response_default;

    response.error_code = ERROR_UNSUPPORTED_VERSION;
    response.api_keys = &key;
    response.api_keys_count = 1;
    call->failed = true;
    api_versions_response_write(call->out, 0, &response);
    return CALL_ANSWERED;
}

/* The level of metadata.version is the cluster's; that of group.version says that there are groups of the newer
 * protocol (KIP-848), which every node of this version has. */
enum { FEATURE_COUNT = 2, GROUP_VERSION = 1 };

static void put_features(int16_t metadata_level, struct api_versions_response_supported_feature *supported,
                         struct api_versions_response_finalized_feature *finalized)
{
    const struct bytes names[FEATURE_COUNT] = { BYTES_LITERAL("group.version"), BYTES_LITERAL("metadata.version") };
    const int16_t levels[FEATURE_COUNT] = { GROUP_VERSION, metadata_level };

    for (uint32_t i = 0; i < FEATURE_COUNT; i++) {
        supported[i] = api_versions_response_supported_feature_default;
        finalized[i] = api_versions_response_finalized_feature_default;
        supported[i].name = finalized[i].name = names[i];
        supported[i].min_version = finalized[i].min_version_level = 1; /* 0 is a range that version 3 cannot say */
        supported[i].max_version = finalized[i].max_version_level = levels[i];
    }
}

enum call_verdict api_versions_handle(struct call *call)
{
    struct api_versions_request request;
    struct reader reader = reader_of(call->body);
    struct api_versions_response response = api_versions_response_default;
    struct api_versions_response_supported_feature supported[FEATURE_COUNT];
    struct api_versions_response_finalized_feature finalized[FEATURE_COUNT];
    struct api_versions_response_api_key keys[API_COUNT];
    const struct image_view view = image_view(call->image);

    if (!api_versions_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    response.api_keys = keys;
    if (call->version >= 3 &&
        (!is_software_text(request.client_software_name) || !is_software_text(request.client_software_version))) {
        response.error_code = ERROR_INVALID_REQUEST;
        call->failed = true;
        api_versions_response_write(call->out, call->version, &response);
        return CALL_ANSWERED;
    }
    for (uint32_t i = 0; i < API_COUNT; i++) {
        if (api_table[i].advertised) keys[response.api_keys_count++] = key_of(&api_table[i]);
    }
    if (view.feature_level > 0) {
        put_features(view.feature_level, supported, finalized);
        response.supported_features = supported;
        response.supported_features_count = FEATURE_COUNT;
        response.finalized_features = finalized;
        response.finalized_features_count = FEATURE_COUNT;
        response.finalized_features_epoch = (int64_t)view.applied_index;
    }
    api_versions_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
