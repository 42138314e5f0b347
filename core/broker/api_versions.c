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

enum call_verdict api_versions_handle(struct call *call)
{
    static const char feature_name[] = "metadata.version";
    struct api_versions_request request;
    struct reader reader = reader_of(call->body);
    struct api_versions_response response = api_versions_response_default;
    struct api_versions_response_supported_feature supported = api_versions_response_supported_feature_default;
    struct api_versions_response_finalized_feature finalized = api_versions_response_finalized_feature_default;
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
        supported.name = finalized.name = (struct bytes){ (const uint8_t *)feature_name, sizeof feature_name - 1 };
        supported.min_version = finalized.min_version_level = 1; /* 0 is a range that version 3 cannot say */
        supported.max_version = finalized.max_version_level = view.feature_level;
        response.supported_features = &supported;
        response.supported_features_count = 1;
        response.finalized_features = &finalized;
        response.finalized_features_count = 1;
        response.finalized_features_epoch = (int64_t)view.applied_index;
    }
    api_versions_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
