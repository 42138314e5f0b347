/* decide_settings.c -- settings of topics and brokers: set, taken back, added to, taken from. */
#include "base/check.h"
#include "controller/decide.h"

/* Kafka refuses a bad setting of a topic and a bad setting of a broker with different errors, and says itself that it
 * should not (KAFKA-13609). */
static enum error invalid(enum config_scope scope)
{
    return scope == SCOPE_TOPIC ? ERROR_INVALID_CONFIG : ERROR_INVALID_REQUEST;
}

static enum error say(struct decision *decision, enum error error, const char *before, struct bytes name,
                      const char *after)
{
    text_add(decision->message, before);
    text_add_bytes(decision->message, name);
    text_add(decision->message, after);
    return error;
}

static enum error find(struct decision *decision, enum config_scope scope, struct bytes name, enum config_id *id)
{
    *id = config_by_name(scope, name);
    if (*id != CONFIG_NONE) return ERROR_NONE;
    return say(decision, invalid(scope),
               scope == SCOPE_TOPIC ? "Unknown topic config name: " : "Unknown broker config name: ", name, "");
}

enum error decide_setting(struct decision *decision, enum config_scope scope, struct bytes name, struct bytes text,
                          enum config_id *id, int64_t *value)
{
    const enum error error = find(decision, scope, name, id);
    if (error != ERROR_NONE) return error;
    if (text.data == NULL) {
        return say(decision, invalid(scope),
                   scope == SCOPE_TOPIC ? "Null value not supported for topic configs: "
                                        : "Null value not supported for broker configs: ",
                   name, "");
    }
    if (config_parse(*id, text, value, decision->message) != CONFIG_VALID) return invalid(scope);
    const bool is_size = *id == CONFIG_MAX_MESSAGE_BYTES || *id == CONFIG_MESSAGE_MAX_BYTES;
    if (!is_size || *value <= (int64_t)decision->message_size_max) return ERROR_NONE;
    say(decision, ERROR_NONE, "Invalid value ", text, " for configuration ");
    say(decision, ERROR_NONE, "", name, ": this server takes batches of up to ");
    text_add_int(decision->message, decision->message_size_max);
    text_add(decision->message, " bytes");
    return invalid(scope);
}

/* ---- one resource ---- */

struct resource {
    enum config_scope scope;
    uint32_t topic;                       /* of SCOPE_TOPIC */
    int32_t broker_id;                    /* of SCOPE_BROKER; ALL_BROKERS */
    uint64_t named;                       /* ids that wishes have named; of a broker's less TOPIC_CONFIG_COUNT */
    struct metadata_config_record record; /* name and value to be filled in */
};

bool decide_broker_name(struct bytes name, int32_t *broker_id)
{
    int64_t number = 0;

    *broker_id = ALL_BROKERS;
    if (name.size == 0) return true;
    for (uint32_t i = 0; i < name.size; i++) {
        if (name.data[i] < '0' || name.data[i] > '9') return false;
        number = number * 10 + (name.data[i] - '0');
        if (number > INT32_MAX) return false;
    }
    *broker_id = (int32_t)number;
    return true;
}

static enum error find_resource(struct decision *decision, int8_t type, struct bytes name, struct resource *resource)
{
    *resource = (struct resource){ .record = { .resource_type = type } };
    if (type == RESOURCE_TOPIC) {
        resource->scope = SCOPE_TOPIC;
        resource->topic = image_topic_by_name(decision->image, name);
        if (resource->topic == SLOT_NONE) {
            return say(decision, ERROR_UNKNOWN_TOPIC_OR_PARTITION, "The topic '", name, "' does not exist.");
        }
        resource->record.topic_id = image_topic(decision->image, resource->topic)->id;
        return ERROR_NONE;
    }
    if (type != RESOURCE_BROKER) {
        text_add(decision->message, "Unexpected resource type ");
        text_add_int(decision->message, type);
        return ERROR_INVALID_REQUEST;
    }
    resource->scope = SCOPE_BROKER;
    if (!decide_broker_name(name, &resource->broker_id)) {
        return say(decision, ERROR_INVALID_REQUEST, "Unable to parse broker name: ", name, "");
    }
    const bool all = resource->broker_id == ALL_BROKERS;
    if (!all && image_broker_by_id(decision->image, resource->broker_id) == SLOT_NONE) {
        return say(decision, ERROR_INVALID_REQUEST, "No broker is registered with id ", name, "");
    }
    resource->record.broker_id = resource->broker_id;
    return ERROR_NONE;
}

static uint32_t place_of(const struct resource *resource, enum config_id id)
{
    return resource->scope == SCOPE_TOPIC ? (uint32_t)id : (uint32_t)id - TOPIC_CONFIG_COUNT;
}

static struct config_value value_of(const struct decision *decision, const struct resource *resource, enum config_id id)
{
    if (resource->scope == SCOPE_TOPIC) return topic_config(decision->image, resource->topic, id);
    return broker_config(decision->image, resource->broker_id, id);
}

/* Whether the resource itself has a value, of its own and not from farther away. */
static bool has_own(const struct decision *decision, const struct resource *resource, enum config_id id)
{
    const enum config_source source = value_of(decision, resource, id).source;

    if (resource->scope == SCOPE_TOPIC) return source == SOURCE_TOPIC;
    return source == (resource->broker_id == ALL_BROKERS ? SOURCE_BROKERS : SOURCE_BROKER);
}

static enum error add(struct decision *decision, struct resource *resource, enum config_id id, struct bytes value)
{
    struct metadata_config_record record = resource->record;

    record.name = text_of(config_info(id)->name);
    record.value = value;
    if (resource->scope == SCOPE_TOPIC && value.data != NULL && !has_own(decision, resource, id)) {
        if (decision->settings_left == 0) {
            text_add(decision->message, "This cluster has no room for more topic configs.");
            return ERROR_POLICY_VIOLATION;
        }
        decision->settings_left--;
    }
    proposal_add_config(decision->records, &record);
    return ERROR_NONE;
}

/* ---- one wish ---- */

/* The words that a list has now, with others or without them. */
static enum error change_list(struct decision *decision, struct resource *resource, enum config_id id,
                              const struct setting_wish *wish)
{
    const bool append = wish->operation == SETTING_APPEND;
    char words[CONFIG_TEXT_SIZE_MAX];
    struct text text = text_in(words, sizeof words);
    const struct bytes name = wish->name;
    int64_t given;

    if (config_info(id)->type != TYPE_LIST) {
        return say(decision, ERROR_INVALID_CONFIG, append ? "Can't APPEND to key " : "Can't SUBTRACT from key ", name,
                   " because its type is not LIST.");
    }
    if (config_parse(id, wish->value, &given, decision->message) != CONFIG_VALID) return invalid(resource->scope);
    const int64_t now = value_of(decision, resource, id).value;
    const int64_t then = append ? now | given : now & ~given;
    config_format(id, then, &text);
    if (config_parse(id, text_bytes(&text), &given, decision->message) != CONFIG_VALID) {
        return invalid(resource->scope);
    }
    return add(decision, resource, id, text_bytes(&text));
}

static enum error judge_scope(struct decision *decision, const struct resource *resource, enum config_id id)
{
    const struct config_info *info = config_info(id);

    if (resource->scope != SCOPE_BROKER || resource->broker_id == ALL_BROKERS) return ERROR_NONE;
    if (info->change != CHANGE_CLUSTER) return ERROR_NONE;
    return say(decision, ERROR_INVALID_REQUEST, "Cannot update these configs dynamically for one broker: Set(",
               text_of(info->name), ")");
}

static enum error change_one(struct decision *decision, struct resource *resource, const struct setting_wish *wish)
{
    enum config_id id;
    int64_t value;
    enum error error = find(decision, resource->scope, wish->name, &id);
    if (error != ERROR_NONE) return error;
    const uint64_t bit = (uint64_t)1 << place_of(resource, id);
    if ((resource->named & bit) != 0) {
        return say(decision, ERROR_INVALID_REQUEST, "Error due to duplicate config keys: ", wish->name, "");
    }
    resource->named |= bit;
    error = judge_scope(decision, resource, id);
    if (error != ERROR_NONE) return error;

    const struct bytes nothing = { NULL, 0 };
    if (wish->operation == SETTING_DELETE) {
        return has_own(decision, resource, id) ? add(decision, resource, id, nothing) : ERROR_NONE;
    }
    error = decide_setting(decision, resource->scope, wish->name, wish->value, &id, &value);
    if (wish->operation == SETTING_SET) {
        return error == ERROR_NONE ? add(decision, resource, id, wish->value) : error;
    }
    if (error != ERROR_NONE) return error;
    if (wish->operation == SETTING_APPEND || wish->operation == SETTING_SUBTRACT) {
        return change_list(decision, resource, id, wish);
    }
    text_add(decision->message, "Unknown operation type ");
    text_add_int(decision->message, wish->operation);
    return ERROR_INVALID_REQUEST;
}

/* What no wish has named goes back to its default. */
static enum error take_back_rest(struct decision *decision, struct resource *resource)
{
    const bool topic = resource->scope == SCOPE_TOPIC;
    const uint32_t first = topic ? 0 : TOPIC_CONFIG_COUNT;
    const uint32_t end = topic ? TOPIC_CONFIG_COUNT : CONFIG_COUNT;

    for (uint32_t i = first; i < end; i++) {
        const enum config_id id = (enum config_id)i;
        if ((resource->named >> place_of(resource, id) & 1) != 0 || !has_own(decision, resource, id)) continue;
        const enum error error = add(decision, resource, id, (struct bytes){ NULL, 0 });
        if (error != ERROR_NONE) return error;
    }
    return ERROR_NONE;
}

enum error decide_settings(struct decision *decision, int8_t resource_type, struct bytes resource_name,
                           const struct setting_wish *wishes, uint32_t count, bool replace)
{
    const struct decision before = *decision;
    const struct proposal records = *decision->records;
    struct resource resource;

    if (resource_type == RESOURCE_GROUP) {
        return decide_group_settings(decision, resource_name, wishes, count, replace);
    }
    enum error error = find_resource(decision, resource_type, resource_name, &resource);

    for (uint32_t i = 0; i < count && error == ERROR_NONE; i++) error = change_one(decision, &resource, &wishes[i]);
    if (error == ERROR_NONE && replace) error = take_back_rest(decision, &resource);
    if (error == ERROR_NONE && !proposal_ok(decision->records)) {
        text_add(decision->message, "Excessively large number of configs per request.");
        error = ERROR_POLICY_VIOLATION;
    }
    if (error == ERROR_NONE) return error;
    *decision = before;
    *decision->records = records;
    return error;
}
