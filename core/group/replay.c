/* replay.c -- what a record of the log makes of what is known. Each says all about its key; so the last one holds. */
#include "base/check.h"
#include "group/state.h"

static void free_if_nothing(struct groups *groups, uint32_t number)
{
    const struct group *group = &groups->groups[number];

    if (!group->recorded && group->offset_first == NONE && group->member_first == NONE) group_discard(groups, number);
}

/* ---- offsets ---- */

static enum replay_verdict replay_offset(struct groups *groups, uint32_t place, const struct record_key *key,
                                         struct bytes value)
{
    uint32_t group = group_find(groups, key->group_id);
    struct offset_value read;

    if (value.data == NULL) {
        const uint32_t topic = topic_find(groups, key->topic);
        if (group == NONE || topic == NONE) return REPLAY_DONE;
        const uint32_t offset = offset_find(groups, group, topic, key->partition);
        if (offset != NONE) offset_remove(groups, offset);
        free_if_nothing(groups, group);
        return REPLAY_DONE;
    }
    if (!offset_value_read(value, &read)) return REPLAY_BROKEN;
    if (group == NONE) group = group_make(groups, place, key->group_id);
    if (group == NONE) return REPLAY_FULL;
    const uint32_t topic = topic_find(groups, key->topic);
    const bool known = topic != NONE && offset_find(groups, group, topic, key->partition) != NONE;
    if (!known && !offsets_have_room(groups, true)) return REPLAY_FULL;
    const uint32_t offset = offset_make(groups, group, key, &read);
    if (offset == NONE) return REPLAY_FULL;
    offset_commit(groups, offset);
    return REPLAY_DONE;
}

/* ---- groups ---- */

static void forget_members(struct groups *groups, uint32_t group)
{
    while (groups->groups[group].member_first != NONE) member_free(groups, groups->groups[group].member_first);
}

/* It supported more than this once; what is left is what the group has agreed on. */
static bool set_subscription(struct groups *groups, uint32_t member, struct bytes protocol, struct bytes subscription)
{
    struct join_group_request_protocol one = { .name = protocol, .metadata = subscription };
    const struct join_group_request request = { .protocols = &one, .protocols_count = 1 };

    return member_set_protocols(groups, member, &request);
}

static enum replay_verdict add_member(struct groups *groups, uint32_t group, const struct group_value *read,
                                      const struct member_value *value)
{
    const struct member_terms terms = {
        .id = value->member_id,
        .instance = value->instance_id,
        .client_id = value->client_id,
        .client_host = value->client_host,
        .session_ms = value->session_ms,
        .rebalance_ms = value->rebalance_ms,
    };

    if (member_find(groups, group, value->member_id) != NONE) return REPLAY_BROKEN;
    const uint32_t member = member_make(groups, group, &terms, false);
    if (member == NONE) return REPLAY_FULL;
    if (!texts_keep(&groups->texts, value->assignment, &groups->members[member].assignment)) return REPLAY_FULL;
    if (!set_subscription(groups, member, read->protocol, value->subscription)) return REPLAY_FULL;
    groups->members[member].synced = true;
    if (read->leader.data != NULL && bytes_equal(value->member_id, read->leader)) groups->groups[group].leader = member;
    return REPLAY_DONE;
}

static enum replay_verdict replay_generation(struct groups *groups, uint32_t number, struct bytes value)
{
    struct group *group = &groups->groups[number];
    struct reader reader = reader_of(value);
    struct group_value read;
    int16_t version;

    if (!group_value_read(&reader, &version, &read)) return REPLAY_BROKEN;
    forget_members(groups, number);
    group->recorded = true;
    group->generation = MUTANT(group_generation_begins_anew) ? 0 : read.generation;
    group->state_ms = read.state_ms < 0 ? groups->wall_ms : read.state_ms;
    if (!texts_replace(&groups->texts, &group->protocol_type, read.protocol_type)) return REPLAY_FULL;
    if (!texts_replace(&groups->texts, &group->protocol, read.protocol)) return REPLAY_FULL;
    for (uint32_t i = 0; i < read.member_count; i++) {
        struct member_value member;
        if (!member_value_read(&reader, version, &member)) return REPLAY_BROKEN;
        const enum replay_verdict verdict = add_member(groups, number, &read, &member);
        if (verdict != REPLAY_DONE) return verdict;
    }
    group->state = group->member_count > 0 ? GROUP_STABLE : GROUP_EMPTY;
    group->settled = true;
    if (group->leader == NONE) group->leader = group->member_first;
    return REPLAY_DONE;
}

static enum replay_verdict replay_group(struct groups *groups, uint32_t place, const struct record_key *key,
                                        struct bytes value)
{
    uint32_t group = group_find(groups, key->group_id);

    if (group != NONE && groups->groups[group].consumer.is) return REPLAY_DONE; /* from before it was one */
    if (value.data == NULL) {
        if (group == NONE) return REPLAY_DONE;
        forget_members(groups, group);
        groups->groups[group].recorded = false;
        groups->groups[group].state = GROUP_EMPTY;
        free_if_nothing(groups, group);
        return REPLAY_DONE;
    }
    if (group == NONE) group = group_make(groups, place, key->group_id);
    return group == NONE ? REPLAY_FULL : replay_generation(groups, group, value);
}

enum replay_verdict replay_record(struct groups *groups, uint32_t place, const struct record *record)
{
    const struct record_key key = record_key_read(record->key);
    const uint32_t group =
        key.kind == RECORD_OTHER || key.kind == RECORD_BROKEN ? NONE : group_find(groups, key.group_id);

    /* A topic with more partitions than it had once: such a group is coordinated elsewhere, and this is left of it. */
    if (group != NONE && groups->groups[group].place != place) return REPLAY_DONE;
    switch (key.kind) {
    case RECORD_OFFSET: return replay_offset(groups, place, &key, record->value);
    case RECORD_GROUP: return replay_group(groups, place, &key, record->value);
    case RECORD_CONSUMER_GROUP:
    case RECORD_CONSUMER_MEMBER:
    case RECORD_TARGET:
    case RECORD_TARGET_MEMBER:
    case RECORD_CURRENT_MEMBER:
    case RECORD_REGEX: return consumer_replay(groups, place, &key, record->value);
    case RECORD_OTHER: return REPLAY_DONE;
    case RECORD_BROKEN: return REPLAY_BROKEN;
    }
    return REPLAY_BROKEN;
}
