/* consumer_replay.c -- what a record of a group of the newer protocol makes of what is known.
 *
 * Compaction keeps the last record of each key, so they come in any order: a member may have a target before it is
 * named. Who has not been named at the end is none. */
#include "base/check.h"
#include "group/state.h"

/* No group lives long enough for others. */
static bool is_epoch(int32_t epoch)
{
    return epoch >= EPOCH_LEAVES_STATIC && epoch <= INT32_MAX / 2;
}

/* The group that a record speaks of; a record that only says that something is gone makes none. */
static enum replay_verdict find_group(struct groups *groups, uint32_t place, const struct record_key *key, bool makes,
                                      uint32_t *group)
{
    *group = group_find(groups, key->group_id);
    if (*group == NONE && makes) {
        *group = group_make(groups, place, key->group_id);
        if (*group == NONE) return REPLAY_FULL;
    }
    if (*group == NONE || groups->groups[*group].consumer.is) return REPLAY_DONE;
    if (!makes || groups->groups[*group].member_count > 0) {
        *group = NONE; /* a classic one: this is what another life of it has left */
        return REPLAY_DONE;
    }
    if (!texts_replace(&groups->texts, &groups->groups[*group].protocol_type, BYTES_LITERAL("consumer"))) {
        return REPLAY_FULL;
    }
    consumer_begin(groups, *group);
    return REPLAY_DONE;
}

static uint32_t find_member(struct groups *groups, uint32_t group, struct bytes id)
{
    const uint32_t found = member_find(groups, group, id);
    const struct member_terms terms = { .id = id };

    if (found != NONE) return found;
    const uint32_t made = member_make(groups, group, &terms, false);
    if (made == NONE) return NONE;
    groups->members[made].consumer = (struct consumer_member){ .pattern = NONE };
    groups->groups[group].state = GROUP_STABLE;
    return made;
}

/* Its last grave: it is out. */
static void forget_member(struct groups *groups, uint32_t group, struct bytes id)
{
    const uint32_t member = member_find(groups, group, id);

    if (member != NONE) member_free(groups, member);
    if (groups->groups[group].member_count == 0) groups->groups[group].state = GROUP_EMPTY;
}

/* ---- what members say ---- */

static bool keep_names(struct groups *groups, const struct texts_value *value, struct kept *kept)
{
    struct reader reader = reader_of(value->texts);
    bool changed;

    if (value->count > groups->workshop.topics_max) return false;
    for (uint32_t i = 0; i < value->count; i++) groups->workshop.names[i] = reader_string(&reader, true, false);
    return names_keep(groups, groups->workshop.names, value->count, kept, &changed);
}

static bool keep_protocols(struct groups *groups, struct member *member, const struct classic_value *value)
{
    struct reader reader = reader_of(value->protocols);
    struct kept newer;
    uint64_t size = 0;

    for (uint32_t i = 0; i < value->count; i++) {
        const struct supported supported = supported_value_read(&reader);
        size += supported_size(&supported);
    }
    uint8_t *to = size > INT32_MAX ? NULL : texts_take(&groups->texts, (uint32_t)size, &newer);
    if (to == NULL) return false;
    reader = reader_of(value->protocols);
    for (uint32_t i = 0; i < value->count; i++) {
        const struct supported supported = supported_value_read(&reader);
        to = supported_put(to, &supported);
    }
    texts_give(&groups->texts, &member->protocols);
    member->protocols = newer;
    return true;
}

static uint32_t find_pattern(struct groups *groups, uint32_t group, struct bytes text)
{
    const uint32_t found = pattern_find(groups, group, text);

    return found != NONE ? found : pattern_make(groups, group, text);
}

static bool set_pattern(struct groups *groups, uint32_t number, struct bytes text)
{
    struct consumer_member *member = &groups->members[number].consumer;

    if (member->pattern != NONE) groups->patterns[member->pattern].users--;
    member->pattern = NONE;
    if (text.size == 0) return true;
    member->pattern = find_pattern(groups, groups->members[number].group, text);
    if (member->pattern == NONE) return false;
    groups->patterns[member->pattern].users++;
    return true;
}

static enum replay_verdict replay_member(struct groups *groups, uint32_t group, struct bytes id, struct bytes bytes)
{
    struct consumer_member_value value;

    if (!consumer_member_value_read(bytes, &value)) return REPLAY_BROKEN;
    const uint32_t number = find_member(groups, group, id);
    if (number == NONE) return REPLAY_FULL;
    struct member *member = &groups->members[number];
    member->consumer.named = true;
    member->rebalance_ms = MAX(value.rebalance_ms, 0);
    member->consumer.assignor = ASSIGNOR_NONE;
    if (bytes_equal(value.assignor, BYTES_LITERAL("range"))) member->consumer.assignor = ASSIGNOR_RANGE;
    if (bytes_equal(value.assignor, BYTES_LITERAL("uniform"))) member->consumer.assignor = ASSIGNOR_UNIFORM;
    if (value.is_classic && value.classic.count == 0) return REPLAY_BROKEN;
    member->session_ms = value.classic.session_ms;
    consumer_set_classic(groups, number, value.is_classic);
    if (value.is_classic && !keep_protocols(groups, member, &value.classic)) return REPLAY_FULL;
    const bool kept = texts_replace(&groups->texts, &member->instance, value.instance_id) &&
                      texts_replace(&groups->texts, &member->consumer.rack, value.rack) &&
                      texts_replace(&groups->texts, &member->client_id, value.client_id) &&
                      texts_replace(&groups->texts, &member->client_host, value.client_host) &&
                      keep_names(groups, &value.topics, &member->consumer.names) &&
                      set_pattern(groups, number, value.regex);
    return kept ? REPLAY_DONE : REPLAY_FULL;
}

/* ---- what they are to have, and have ---- */

static enum replay_verdict replay_target(struct groups *groups, uint32_t group, struct bytes bytes)
{
    int32_t epoch;

    if (!target_value_read(bytes, &epoch) || !is_epoch(epoch)) return REPLAY_BROKEN;
    groups->groups[group].consumer.target_epoch = epoch;
    return REPLAY_DONE;
}

static enum replay_verdict replay_target_member(struct groups *groups, uint32_t group, struct bytes id,
                                                struct bytes bytes)
{
    struct part_list parts;

    if (!target_member_value_read(bytes, groups->workshop.owned, groups->workshop.parts_max, &parts))
        return REPLAY_BROKEN;
    const uint32_t number = find_member(groups, group, id);
    if (number == NONE) return REPLAY_FULL;
    const bool kept = texts_replace(&groups->texts, &groups->members[number].consumer.target, parts_bytes(parts));
    return kept ? REPLAY_DONE : REPLAY_FULL;
}

static enum replay_verdict replay_current(struct groups *groups, uint32_t group, struct bytes id, struct bytes bytes)
{
    struct member_standing standing;

    if (!current_member_value_read(bytes, groups->workshop.owned, groups->workshop.parts_max, &standing) ||
        !is_epoch(standing.epoch))
        return REPLAY_BROKEN;
    const uint32_t number = find_member(groups, group, id);
    if (number == NONE) return REPLAY_FULL;
    struct member *member = &groups->members[number];
    const struct member_standing before = member_standing(groups, number);
    owners_remove(groups, number, before.assigned);
    owners_remove(groups, number, before.revoking);
    member->consumer.phase = (uint8_t)standing.phase;
    member->consumer.epoch = standing.epoch;
    member->consumer.previous_epoch = standing.previous_epoch;
    if (!owners_have_room(groups, standing.assigned.count + standing.revoking.count) ||
        !texts_replace(&groups->texts, &member->assignment, parts_bytes(standing.assigned)) ||
        !texts_replace(&groups->texts, &member->consumer.revoking, parts_bytes(standing.revoking))) {
        return REPLAY_FULL;
    }
    owners_add(groups, number, standing.assigned);
    owners_add(groups, number, standing.revoking);
    return REPLAY_DONE;
}

/* That it has nothing: what it says, if it does, has the last word on whether it is there. */
static void forget_current(struct groups *groups, uint32_t group, struct bytes id)
{
    const uint32_t number = member_find(groups, group, id);
    struct member *member = &groups->members[number];

    if (number == NONE) return;
    owners_remove(groups, number, parts_in(kept_bytes(groups, &member->assignment)));
    owners_remove(groups, number, parts_in(kept_bytes(groups, &member->consumer.revoking)));
    texts_give(&groups->texts, &member->assignment);
    texts_give(&groups->texts, &member->consumer.revoking);
    member->consumer.phase = MEMBER_STABLE;
    member->consumer.epoch = member->consumer.previous_epoch = 0;
}

/* ---- the group ---- */

static enum replay_verdict replay_epoch(struct groups *groups, uint32_t number, struct bytes bytes)
{
    struct group *group = &groups->groups[number];
    struct consumer_group_value value;

    if (!consumer_group_value_read(bytes, &value) || !is_epoch(value.epoch)) return REPLAY_BROKEN;
    group->recorded = true;
    group->consumer.was_classic = false;
    group->generation = value.epoch;
    group->consumer.topics_hash = value.hash;
    group->state_ms = groups->wall_ms;
    return REPLAY_DONE;
}

static void forget_group(struct groups *groups, uint32_t number)
{
    struct group *group = &groups->groups[number];

    while (group->member_first != NONE) member_free(groups, group->member_first);
    consumer_forget(groups, number);
    group->recorded = false;
    group->state = GROUP_EMPTY;
    group->generation = 0;
    texts_give(&groups->texts, &group->protocol_type);
    if (group->offset_first == NONE) group_discard(groups, number);
}

static enum replay_verdict replay_pattern(struct groups *groups, uint32_t group, struct bytes text, struct bytes bytes)
{
    struct regex_value value;

    if (!regex_value_read(bytes, &value)) return REPLAY_BROKEN;
    const uint32_t number = find_pattern(groups, group, text);
    if (number == NONE) return REPLAY_FULL;
    groups->patterns[number].resolved = true;
    return keep_names(groups, &value.topics, &groups->patterns[number].topics) ? REPLAY_DONE : REPLAY_FULL;
}

static void forget_pattern(struct groups *groups, uint32_t group, struct bytes text)
{
    const uint32_t number = pattern_find(groups, group, text);

    if (number != NONE && groups->patterns[number].users == 0) pattern_free(groups, number);
}

static void replay_grave(struct groups *groups, uint32_t group, const struct record_key *key)
{
    const uint32_t member = key->name.size == 0 ? NONE : member_find(groups, group, key->name);

    switch (key->kind) {
    case RECORD_CONSUMER_GROUP: forget_group(groups, group); break;
    case RECORD_CONSUMER_MEMBER: forget_member(groups, group, key->name); break;
    case RECORD_TARGET: groups->groups[group].consumer.target_epoch = 0; break;
    case RECORD_TARGET_MEMBER:
        if (member != NONE) texts_give(&groups->texts, &groups->members[member].consumer.target);
        break;
    case RECORD_CURRENT_MEMBER: forget_current(groups, group, key->name); break;
    case RECORD_REGEX: forget_pattern(groups, group, key->name); break;
    case RECORD_OFFSET:
    case RECORD_GROUP:
    case RECORD_OTHER:
    case RECORD_BROKEN: CHECK(false); break;
    }
}

enum replay_verdict consumer_replay(struct groups *groups, uint32_t place, const struct record_key *key,
                                    struct bytes value)
{
    uint32_t group;
    const enum replay_verdict found = find_group(groups, place, key, value.data != NULL, &group);

    if (found != REPLAY_DONE || group == NONE) return found;
    if (value.data == NULL) {
        replay_grave(groups, group, key);
        return REPLAY_DONE;
    }
    switch (key->kind) {
    case RECORD_CONSUMER_GROUP: return replay_epoch(groups, group, value);
    case RECORD_CONSUMER_MEMBER: return replay_member(groups, group, key->name, value);
    case RECORD_TARGET: return replay_target(groups, group, value);
    case RECORD_TARGET_MEMBER: return replay_target_member(groups, group, key->name, value);
    case RECORD_CURRENT_MEMBER: return replay_current(groups, group, key->name, value);
    case RECORD_REGEX: return replay_pattern(groups, group, key->name, value);
    case RECORD_OFFSET:
    case RECORD_GROUP:
    case RECORD_OTHER:
    case RECORD_BROKEN: break;
    }
    CHECK(false);
    return REPLAY_BROKEN;
}

/* No log that a coordinator wrote says that two members have a partition, nor that one has it and is to give it up.
 * If it does, the last word holds. */
static void keep_own(struct groups *groups, uint32_t member, struct kept *kept, struct part_list but)
{
    const struct part_list parts = parts_in(kept_bytes(groups, kept));
    struct part *own = groups->workshop.assigned;
    uint32_t count = 0;

    for (uint32_t i = 0; i < parts.count; i++) {
        const bool is_own = owner_of(groups, groups->members[member].group, &parts.list[i]) == member;
        if (is_own && !parts_have(but, &parts.list[i])) own[count++] = parts.list[i];
    }
    if (count == parts.count) return;
    texts_give(&groups->texts, kept);
    CHECK(texts_keep(&groups->texts, parts_bytes((struct part_list){ own, count }), kept)); /* in less room */
}

void consumer_settle(struct groups *groups, uint32_t number)
{
    struct group *group = &groups->groups[number];
    uint32_t next;

    for (uint32_t at = group->member_first; at != NONE; at = next) {
        struct member *member = &groups->members[at];
        next = member->next;
        if (!member->consumer.named) {
            member_free(groups, at);
            continue;
        }
        keep_own(groups, at, &member->assignment, (struct part_list){ 0 });
        keep_own(groups, at, &member->consumer.revoking, parts_in(kept_bytes(groups, &member->assignment)));
        consumer_arm(groups, at);
    }
    group->state = group->member_count > 0 ? GROUP_STABLE : GROUP_EMPTY;
    /* A log that ends in the middle of what belongs together. */
    group->generation = MAX(group->generation, group->consumer.target_epoch);
    for (uint32_t at = group->member_first; at != NONE; at = groups->members[at].next) {
        group->consumer.target_epoch = MAX(group->consumer.target_epoch, groups->members[at].consumer.epoch);
        group->generation = MAX(group->generation, group->consumer.target_epoch);
    }
}
