/* image_groups.c -- what is set for single groups of consumers. */
#include "base/check.h"
#include "meta/image_state.h"

static const struct {
    const char *name;
    enum config_id of_brokers;
} settings[GROUP_SETTINGS] = {
    [GROUP_HEARTBEAT_INTERVAL_MS] = { "consumer.heartbeat.interval.ms", CONFIG_GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS },
    [GROUP_SESSION_TIMEOUT_MS] = { "consumer.session.timeout.ms", CONFIG_GROUP_CONSUMER_SESSION_TIMEOUT_MS },
};

const char *group_setting_name(enum group_setting setting)
{
    return settings[setting].name;
}

enum config_id group_setting_default(enum group_setting setting)
{
    return settings[setting].of_brokers;
}

uint32_t image_group_count(const struct image *image)
{
    return image->group_count;
}

const struct image_group *image_group(const struct image *image, uint32_t number)
{
    CHECK(number < image->group_count);
    return &image->groups[number];
}

static uint32_t find(const struct image *image, struct bytes name)
{
    uint32_t at = 0;

    while (at < image->group_count &&
           !bytes_equal((struct bytes){ image->groups[at].name, image->groups[at].size }, name)) {
        at++;
    }
    return at;
}

int32_t image_group_setting(const struct image *image, struct bytes name, enum group_setting setting)
{
    const uint32_t at = find(image, name);

    return at == image->group_count ? 0 : image->groups[at].values[setting];
}

static bool has_any(const struct image_group *group)
{
    for (uint32_t i = 0; i < GROUP_SETTINGS; i++) {
        if (group->values[i] != 0) return true;
    }
    return false;
}

enum apply_verdict image_apply_group_config(struct image *image, const struct metadata_group_config_record *record)
{
    if (record->group.size == 0 || record->group.size > GROUP_NAME_SIZE_MAX) return APPLY_MALFORMED;
    if (record->setting < 0 || record->setting >= GROUP_SETTINGS || record->value < 0) return APPLY_MALFORMED;
    const uint32_t at = find(image, record->group);
    if (at == image->group_count) {
        if (record->value == 0) return APPLY_DONE;
        if (at == SET_GROUPS_MAX) return APPLY_FULL;
        image->groups[at] = (struct image_group){ .size = (uint8_t)record->group.size };
        memcpy(image->groups[at].name, record->group.data, record->group.size);
        image->group_count++;
    }
    image->groups[at].values[record->setting] = record->value;
    if (has_any(&image->groups[at])) return APPLY_DONE;
    memmove(&image->groups[at], &image->groups[at + 1], (image->group_count - at - 1) * sizeof image->groups[0]);
    image->group_count--;
    return APPLY_DONE;
}

void image_forget_groups(struct image *image)
{
    image->group_count = 0;
}
