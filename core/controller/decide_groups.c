/* decide_groups.c -- settings of single groups of consumers (KIP-848, KIP-1043), within what brokers allow. */
#include "base/check.h"
#include "controller/decide.h"

static const struct limits {
    enum config_id min, max;
} limits[GROUP_SETTINGS] = {
    [GROUP_HEARTBEAT_INTERVAL_MS] = { CONFIG_GROUP_CONSUMER_MIN_HEARTBEAT_INTERVAL_MS,
                                      CONFIG_GROUP_CONSUMER_MAX_HEARTBEAT_INTERVAL_MS },
    [GROUP_SESSION_TIMEOUT_MS] = { CONFIG_GROUP_CONSUMER_MIN_SESSION_TIMEOUT_MS,
                                   CONFIG_GROUP_CONSUMER_MAX_SESSION_TIMEOUT_MS },
};

static enum error say(struct decision *decision, enum error error, const char *before, struct bytes name,
                      const char *after)
{
    text_add(decision->message, before);
    text_add_bytes(decision->message, name);
    text_add(decision->message, after);
    return error;
}

/* A whole number from 0 on, in decimal. */
static bool parse(struct bytes text, int32_t *value)
{
    int64_t number = 0;

    for (uint32_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        number = number * 10 + (text.data[i] - '0');
        if (number > INT32_MAX) return false;
    }
    *value = (int32_t)number;
    return text.size > 0;
}

static enum error judge_value(struct decision *decision, enum group_setting setting, struct bytes text, int32_t *value)
{
    const struct limits *of = &limits[setting];
    const struct bytes name = text_of(group_setting_name(setting));

    if (text.data == NULL) {
        return say(decision, ERROR_INVALID_CONFIG, "Null value not supported for group configs: ", name, "");
    }
    if (!parse(text, value)) {
        say(decision, ERROR_NONE, "Invalid value ", text, " for configuration ");
        return say(decision, ERROR_INVALID_CONFIG, "", name, ": Not a number of type INT");
    }
    if (*value < broker_config_int(decision->image, of->min) || *value == 0) {
        say(decision, ERROR_NONE, "", name, " must be greater than or equal to ");
        return say(decision, ERROR_INVALID_CONFIG, "", text_of(config_info(of->min)->name), "");
    }
    if (*value > broker_config_int(decision->image, of->max)) {
        say(decision, ERROR_NONE, "", name, " must be less than or equal to ");
        return say(decision, ERROR_INVALID_CONFIG, "", text_of(config_info(of->max)->name), "");
    }
    return ERROR_NONE;
}

struct group_wish {
    bool named[GROUP_SETTINGS];
    int32_t values[GROUP_SETTINGS]; /* as they will be; 0: not set */
};

static enum error change_one(struct decision *decision, const struct setting_wish *wish, struct group_wish *group)
{
    uint32_t setting = 0;

    while (setting < GROUP_SETTINGS &&
           !bytes_equal(wish->name, text_of(group_setting_name((enum group_setting)setting))))
        setting++;
    if (setting == GROUP_SETTINGS) {
        return say(decision, ERROR_INVALID_CONFIG, "Unknown group config name: ", wish->name, "");
    }
    if (group->named[setting]) {
        return say(decision, ERROR_INVALID_REQUEST, "Error due to duplicate config keys: ", wish->name, "");
    }
    group->named[setting] = true;
    switch (wish->operation) {
    case SETTING_SET: return judge_value(decision, (enum group_setting)setting, wish->value, &group->values[setting]);
    case SETTING_DELETE: group->values[setting] = 0; return ERROR_NONE;
    case SETTING_APPEND:
    case SETTING_SUBTRACT:
        return say(decision, ERROR_INVALID_CONFIG,
                   wish->operation == SETTING_APPEND ? "Can't APPEND to key " : "Can't SUBTRACT from key ", wish->name,
                   " because its type is not LIST.");
    default: break;
    }
    text_add(decision->message, "Unknown operation type ");
    text_add_int(decision->message, wish->operation);
    return ERROR_INVALID_REQUEST;
}

static int64_t effective(const struct decision *decision, const struct group_wish *group, enum group_setting setting)
{
    return group->values[setting] != 0 ? group->values[setting]
                                       : broker_config_int(decision->image, group_setting_default(setting));
}

static enum error judge_name(struct decision *decision, struct bytes name)
{
    if (name.size == 0) {
        return say(decision, ERROR_INVALID_REQUEST, "Default group resources are not allowed.", name, "");
    }
    if (name.size > GROUP_NAME_SIZE_MAX) {
        text_add(decision->message, "The name of a group with settings of its own may have 249 bytes.");
        return ERROR_POLICY_VIOLATION;
    }
    return ERROR_NONE;
}

/* What differs from what is there. */
static enum error write(struct decision *decision, struct bytes name, const struct group_wish *group)
{
    bool had = false, has = false;

    for (uint32_t i = 0; i < GROUP_SETTINGS; i++) {
        had |= image_group_setting(decision->image, name, (enum group_setting)i) != 0;
        has |= group->values[i] != 0;
    }
    if (!had && has && image_group_count(decision->image) == SET_GROUPS_MAX) {
        text_add(decision->message, "There may be 128 groups with settings of their own.");
        return ERROR_POLICY_VIOLATION;
    }
    for (uint32_t i = 0; i < GROUP_SETTINGS; i++) {
        if (group->values[i] == image_group_setting(decision->image, name, (enum group_setting)i)) continue;
        const struct metadata_group_config_record record = { .group = name,
                                                             .setting = (int8_t)i,
                                                             .value = group->values[i] };
        proposal_add_group_config(decision->records, &record);
    }
    return ERROR_NONE;
}

enum error decide_group_settings(struct decision *decision, struct bytes name, const struct setting_wish *wishes,
                                 uint32_t count, bool replace)
{
    struct group_wish group = { 0 };
    enum error error = judge_name(decision, name);

    for (uint32_t i = 0; i < GROUP_SETTINGS && !replace; i++) {
        group.values[i] = image_group_setting(decision->image, name, (enum group_setting)i);
    }
    for (uint32_t i = 0; i < count && error == ERROR_NONE; i++) error = change_one(decision, &wishes[i], &group);
    if (error != ERROR_NONE) return error;
    if (effective(decision, &group, GROUP_SESSION_TIMEOUT_MS) <=
        effective(decision, &group, GROUP_HEARTBEAT_INTERVAL_MS)) {
        text_add(decision->message, "consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms");
        return ERROR_INVALID_CONFIG;
    }
    return write(decision, name, &group);
}
