/* describe_configs.c -- what holds for a topic, a broker, or a group of consumers, and where that comes from. */
#include "broker/admin.h"
#include "broker/apis.h"
#include "broker/describe.h"
#include "broker/partitions.h"
#include "broker/state.h"

enum {
    RESOURCE_TOPIC = 2,
    RESOURCE_BROKER = 4,
    RESOURCE_GROUP = 32,
    SOURCE_GROUP = 8,                  /* set for the group */
    SYNONYMS_MAX = SOURCE_DEFAULT + 1, /* one from each source */
    LISTENER_TEXT_SIZE_MAX = HOST_SIZE_MAX + 32,
};

struct describing {
    struct call *call;
    const struct describe_configs_request *request;
    const struct describe_configs_request_resource *asked;
    enum config_scope scope;
    uint32_t topic;    /* of SCOPE_TOPIC */
    int32_t broker_id; /* of SCOPE_BROKER; -1: what is set for all of them, and nothing else */
    struct describe_configs_response_resource *answer;
};

/* ---- values ---- */

struct bytes describe_value(struct call *call, enum config_id id, int64_t value)
{
    char words[CONFIG_TEXT_SIZE_MAX];
    struct text text = text_in(words, sizeof words);

    config_format(id, value, &text);
    uint8_t *copy = arena_take(call->arena, text.size, 1);
    if (copy == NULL) return (struct bytes){ 0 };
    if (text.size > 0) memcpy(copy, words, text.size);
    return (struct bytes){ copy, text.size };
}

bool describe_read_only(enum config_id id)
{
    const enum config_change change = config_info(id)->change;

    return change == CHANGE_NEVER || change == CHANGE_UNSUPPORTED;
}

/* What a broker says about itself is in its registration. */
static struct bytes registered_text(struct call *call, int32_t broker_id, enum config_id id)
{
    char words[LISTENER_TEXT_SIZE_MAX];
    struct text text = text_in(words, sizeof words);
    const uint32_t slot = image_broker_by_id(call->image, broker_id);
    if (slot == SLOT_NONE) return (struct bytes){ 0 };
    const struct broker_address address = address_of(image_broker(call->image, slot));

    if (id == CONFIG_BROKER_RACK) return address.rack;
    text_add(&text, "PLAINTEXT://");
    text_add_bytes(&text, address.host);
    text_add(&text, ":");
    text_add_int(&text, address.port);
    return admin_message(call, &text);
}

static bool is_text_only(enum config_id id)
{
    return config_info(id)->type == TYPE_STRING && config_info(id)->words == NULL;
}

static struct config_value value_of(const struct describing *describing, enum config_id id)
{
    const struct image *image = describing->call->image;

    if (describing->scope == SCOPE_TOPIC) return topic_config(image, describing->topic, id);
    return broker_config(image, describing->broker_id, id);
}

/* ---- synonyms: the values that would hold if the nearer ones were not there, the nearest first ---- */

static void add_synonym(struct call *call, enum config_id id, enum config_source source, int64_t value,
                        struct describe_configs_response_config *to)
{
    to->synonyms[to->synonyms_count++] = (struct describe_configs_response_synonym){
        .name = admin_words(config_info(id)->name), .value = describe_value(call, id, value), .source = (int8_t)source
    };
}

static bool put_synonyms(const struct describing *describing, enum config_id id,
                         struct describe_configs_response_config *to)
{
    struct call *call = describing->call;
    const bool topic = describing->scope == SCOPE_TOPIC;
    const struct config_value value = value_of(describing, id);
    const enum config_id broker_level = topic ? config_info(id)->broker_id : id;
    const int32_t broker_id = topic ? call->broker->config.node_id : describing->broker_id;

    to->synonyms = arena_take(call->arena, SYNONYMS_MAX, sizeof *to->synonyms);
    if (to->synonyms == NULL) return false;
    if (value.source == SOURCE_TOPIC) add_synonym(call, id, SOURCE_TOPIC, value.value, to);
    if (broker_level == CONFIG_NONE) {
        add_synonym(call, id, SOURCE_DEFAULT, config_info(id)->value, to);
        return true;
    }
    if (is_text_only(broker_level)) return true;
    for (int source = SOURCE_BROKER; source <= SOURCE_DEFAULT; source++) {
        int64_t set;
        if (!broker_config_set(call->image, broker_id, broker_level, (enum config_source)source, &set)) continue;
        add_synonym(call, broker_level, (enum config_source)source, set, to);
    }
    return true;
}

/* ---- one setting, one resource ---- */

static bool put_config(const struct describing *describing, enum config_id id)
{
    struct call *call = describing->call;
    const struct config_info *info = config_info(id);
    const struct config_value value = value_of(describing, id);
    struct describe_configs_response_config *to = &describing->answer->configs[describing->answer->configs_count++];

    *to = (struct describe_configs_response_config){
        .name = admin_words(info->name),
        .value =
            is_text_only(id) ? registered_text(call, describing->broker_id, id) : describe_value(call, id, value.value),
        .read_only = describe_read_only(id),
        .config_source = (int8_t)(is_text_only(id) ? SOURCE_STATIC : value.source),
        .config_type = (int8_t)info->type,
    };
    if (describing->request->include_documentation) to->documentation = admin_words(info->documentation);
    return !describing->request->include_synonyms || put_synonyms(describing, id, to);
}

/* ---- groups ---- */

static bool is_asked(const struct describing *describing, const char *name)
{
    const struct describe_configs_request_resource *asked = describing->asked;

    for (uint32_t i = 0; i < asked->configuration_keys_count; i++) {
        if (bytes_equal(asked->configuration_keys[i], admin_words(name))) return true;
    }
    return asked->configuration_keys_count == 0;
}

static bool put_group_synonyms(struct call *call, enum group_setting setting, int32_t own,
                               struct describe_configs_response_config *to)
{
    const enum config_id id = group_setting_default(setting);

    to->synonyms = arena_take(call->arena, SYNONYMS_MAX, sizeof *to->synonyms);
    if (to->synonyms == NULL) return false;
    if (own != 0) {
        to->synonyms[to->synonyms_count++] =
            (struct describe_configs_response_synonym){ .name = admin_words(group_setting_name(setting)),
                                                        .value = describe_value(call, id, own),
                                                        .source = SOURCE_GROUP };
    }
    for (int source = SOURCE_BROKER; source <= SOURCE_DEFAULT; source++) {
        int64_t set;
        if (!broker_config_set(call->image, call->broker->config.node_id, id, (enum config_source)source, &set))
            continue;
        add_synonym(call, id, (enum config_source)source, set, to);
    }
    return true;
}

static bool put_group_config(const struct describing *describing, enum group_setting setting)
{
    struct call *call = describing->call;
    const enum config_id id = group_setting_default(setting);
    const struct config_value inherited = broker_config(call->image, call->broker->config.node_id, id);
    const int32_t own = image_group_setting(call->image, describing->asked->resource_name, setting);
    struct describe_configs_response_config *to = &describing->answer->configs[describing->answer->configs_count++];

    *to = (struct describe_configs_response_config){
        .name = admin_words(group_setting_name(setting)),
        .value = describe_value(call, id, own != 0 ? own : inherited.value),
        .config_source = (int8_t)(own != 0 ? SOURCE_GROUP : (int)inherited.source),
        .config_type = (int8_t)config_info(id)->type,
    };
    if (describing->request->include_documentation) to->documentation = admin_words(config_info(id)->documentation);
    return !describing->request->include_synonyms || put_group_synonyms(call, setting, own, to);
}

/* Of any group, whether there is one or not: settings may be there first. */
static bool put_group(const struct describing *describing)
{
    describing->answer->configs =
        arena_take(describing->call->arena, GROUP_SETTINGS, sizeof *describing->answer->configs);
    if (describing->answer->configs == NULL) return false;
    for (uint32_t i = 0; i < GROUP_SETTINGS; i++) {
        const enum group_setting setting = (enum group_setting)i;
        if (is_asked(describing, group_setting_name(setting)) && !put_group_config(describing, setting)) return false;
    }
    return true;
}

/* The resource of all brokers has only what was set for all of them. */
static bool is_there(const struct describing *describing, enum config_id id)
{
    if (describing->scope == SCOPE_TOPIC || describing->broker_id != -1) return true;
    return value_of(describing, id).source == SOURCE_BROKERS;
}

/* The ids that a list of keys names, as a set. */
static uint64_t asked_ids(const struct describing *describing)
{
    const struct describe_configs_request_resource *asked = describing->asked;
    uint64_t ids = 0;

    for (uint32_t i = 0; i < asked->configuration_keys_count; i++) {
        const enum config_id id = config_by_name(describing->scope, asked->configuration_keys[i]);
        if (id == CONFIG_NONE) continue;
        ids |= (uint64_t)1 << (describing->scope == SCOPE_TOPIC ? (int)id : (int)id - TOPIC_CONFIG_COUNT);
    }
    return ids;
}

static bool put_configs(const struct describing *describing)
{
    const bool topic = describing->scope == SCOPE_TOPIC;
    const uint32_t first = topic ? 0 : TOPIC_CONFIG_COUNT;
    const uint32_t end = topic ? TOPIC_CONFIG_COUNT : CONFIG_COUNT;
    const uint64_t asked = describing->asked->configuration_keys_count == 0 ? UINT64_MAX : asked_ids(describing);

    describing->answer->configs = arena_take(describing->call->arena, end - first, sizeof *describing->answer->configs);
    if (describing->answer->configs == NULL) return false;
    for (uint32_t i = first; i < end; i++) {
        if ((asked >> (i - first) & 1) == 0 || !is_there(describing, (enum config_id)i)) continue;
        if (!put_config(describing, (enum config_id)i)) return false;
    }
    return true;
}

static enum error refuse(struct describing *describing, enum error error, const char *words)
{
    describing->answer->error_message = admin_words(words);
    return error;
}

/* Which topic or broker is meant? */
static enum error find(struct describing *describing)
{
    struct call *call = describing->call;
    const struct bytes name = describing->asked->resource_name;
    char own[12];
    struct text text = text_in(own, sizeof own);

    if (describing->asked->resource_type == RESOURCE_TOPIC) {
        describing->scope = SCOPE_TOPIC;
        describing->topic = image_topic_by_name(call->image, name);
        if (describing->topic != SLOT_NONE) return ERROR_NONE;
        return refuse(describing, ERROR_UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition.");
    }
    if (describing->asked->resource_type == RESOURCE_GROUP) {
        if (name.size > 0) return ERROR_NONE;
        return refuse(describing, ERROR_INVALID_REQUEST, "Group name must not be empty");
    }
    if (describing->asked->resource_type != RESOURCE_BROKER) {
        return refuse(describing, ERROR_INVALID_REQUEST, "Only topics, brokers and groups have settings here.");
    }
    describing->scope = SCOPE_BROKER;
    describing->broker_id = -1;
    if (name.size == 0) return ERROR_NONE;
    describing->broker_id = call->broker->config.node_id;
    text_add_int(&text, describing->broker_id);
    if (bytes_equal(name, text_bytes(&text))) return ERROR_NONE;
    return refuse(describing, ERROR_INVALID_REQUEST,
                  "Ask the broker itself: its own configuration is known only there.");
}

/* ---- the answer ---- */

static bool put_resource(struct describing *describing, const struct describe_configs_request_resource *asked)
{
    describing->asked = asked;
    *describing->answer = (struct describe_configs_response_resource){ .resource_type = asked->resource_type,
                                                                       .resource_name = asked->resource_name };
    describing->answer->error_code = (int16_t)find(describing);
    if (describing->answer->error_code == ERROR_NONE) {
        return asked->resource_type == RESOURCE_GROUP ? put_group(describing) : put_configs(describing);
    }
    describing->call->failed = true;
    return true;
}

enum call_verdict describe_configs_handle(struct call *call)
{
    struct describe_configs_request request;
    struct describe_configs_response response = describe_configs_response_default;
    struct reader reader = reader_of(call->body);
    struct describing describing = { .call = call, .request = &request };

    if (!describe_configs_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    response.resources = arena_take(call->arena, request.resources_count, sizeof *response.resources);
    if (response.resources == NULL) return CALL_MALFORMED;
    for (uint32_t i = 0; i < request.resources_count; i++) {
        describing.answer = &response.resources[response.resources_count++];
        if (!put_resource(&describing, &request.resources[i])) return CALL_MALFORMED;
    }
    describe_configs_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}

/* ---- for CreateTopics ---- */

bool describe_made_topic(struct call *call, const struct topic_settings *settings,
                         struct create_topics_response_topic *answer)
{
    answer->configs = arena_take(call->arena, TOPIC_CONFIG_COUNT, sizeof *answer->configs);
    if (answer->configs == NULL) return false;
    for (uint32_t i = 0; i < TOPIC_CONFIG_COUNT; i++) {
        const enum config_id id = (enum config_id)i;
        const struct config_value value = topic_settings_config(call->image, settings, id);
        answer->configs[answer->configs_count++] =
            (struct create_topics_response_config){ .name = admin_words(config_info(id)->name),
                                                    .value = describe_value(call, id, value.value),
                                                    .read_only = describe_read_only(id),
                                                    .config_source = (int8_t)value.source };
    }
    return !call->arena->exhausted;
}
