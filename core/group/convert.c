/* convert.c -- a group goes over to the newer protocol while it has members, and back (KIP-848).
 *
 * Over, when somebody comes who speaks it: what members have stays theirs, and those that speak the classic protocol
 * are told to come again. That is known of a group whose assignment is committed; while one is being made nobody knows
 * what the members still have. Back, when the last one that speaks it is gone: then all the others are to join anew.
 *
 * Each is one batch, so that the next coordinator finds one of the two. Both are prepared in the members' spare texts,
 * and nothing changes if there is no room for that. */
#include "base/check.h"
#include "group/state.h"
#include "meta/image.h"

#define CONSUMER_TYPE BYTES_LITERAL("consumer")

/* Of the largest batch a conversion takes as much at most: what members say meanwhile is in the same one. */
enum { BATCH_PART = 2, RECORD_REST_SIZE_MAX = 128 };

static void give_spares(struct groups *groups, uint32_t group)
{
    for (uint32_t at = groups->groups[group].member_first; at != NONE; at = groups->members[at].next) {
        texts_give(&groups->texts, &groups->members[at].consumer.spare);
        if (!groups->groups[group].consumer.is) texts_give(&groups->texts, &groups->members[at].consumer.names);
    }
}

/* ---- over ---- */

/* Nobody knows better: what two have by what their leader said is the first one's. */
static void without_twice(const struct groups *groups, uint32_t group, struct part *list, struct part_list *parts)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < parts->count; i++) {
        if (owner_of(groups, group, &parts->list[i]) == NONE) list[count++] = parts->list[i];
    }
    parts->count = count;
}

/* What a member has goes into its spare text, and its topics into their place. */
static enum error prepare_member(struct groups *groups, uint32_t group, uint32_t number)
{
    struct member *member = &groups->members[number];
    const struct bytes protocol = kept_bytes(groups, &groups->groups[group].protocol);
    struct subscription subscription;
    struct assignment assignment;
    struct part_list parts;
    uint32_t count;
    bool changed;

    if (!subscription_read(member_subscription(groups, number, protocol), &subscription) ||
        !assignment_read(kept_bytes(groups, &member->assignment), &assignment) || assignment.has_user_data) {
        return ERROR_GROUP_ID_NOT_FOUND;
    }
    member->consumer = (struct consumer_member){ .named = true, .pattern = NONE };
    const bool kept = consumer_take_names(groups, subscription.names, &count) &&
                      names_keep(groups, groups->workshop.names, count, &member->consumer.names, &changed) &&
                      consumer_take_parts(groups, assignment.topics, groups->workshop.owned, &parts) &&
                      texts_keep(&groups->texts, parts_bytes(parts), &member->consumer.spare);
    return kept ? ERROR_NONE : ERROR_COORDINATOR_NOT_AVAILABLE;
}

/* How much the log is told of all members, at most, and how many partitions they have. */
static bool fits(const struct groups *groups, uint32_t number)
{
    const struct group *group = &groups->groups[number];
    const uint32_t topic = image_partition(groups->rooms.image, group->place)->topic;
    const uint64_t batch_max = MIN((uint64_t)topic_config_int(groups->rooms.image, topic, CONFIG_MAX_MESSAGE_BYTES),
                                   (uint64_t)groups->batch_size);
    uint64_t size = 0, parts = 0;

    for (uint32_t at = group->member_first; at != NONE; at = groups->members[at].next) {
        const struct member *member = &groups->members[at];
        size += 3 * (RECORD_REST_SIZE_MAX + (uint64_t)member->id.size + group->id.size) + member->instance.size +
                member->client_id.size + member->client_host.size + member->protocols.size +
                member->consumer.names.size + 2 * (uint64_t)member->consumer.spare.size;
        parts += member->consumer.spare.size / sizeof(struct part);
    }
    return size <= batch_max / BATCH_PART && parts <= UINT32_MAX && owners_have_room(groups, (uint32_t)parts);
}

static void go_over(struct groups *groups, uint32_t number, uint32_t member_number)
{
    struct member *member = &groups->members[member_number];
    const int32_t epoch = groups->groups[number].generation;
    struct part *list = groups->workshop.owned;
    struct part_list parts = parts_in(kept_bytes(groups, &member->consumer.spare));

    memcpy(list, parts.list, parts.count * sizeof *list);
    parts.list = list;
    without_twice(groups, number, list, &parts);
    member->joined = member->synced = false;
    texts_give(&groups->texts, &member->assignment);
    texts_give(&groups->texts, &member->consumer.spare);
    /* In the room that was just given back. */
    CHECK(texts_keep(&groups->texts, parts_bytes(parts), &member->assignment));
    /* Without room it is nothing, until the next target, which whoever comes now brings about. */
    (void)texts_keep(&groups->texts, parts_bytes(parts), &member->consumer.target);
    member->consumer.epoch = member->consumer.previous_epoch = epoch;
    member->consumer.dirty = SAYS | TARGET | CURRENT;
    consumer_set_classic(groups, member_number, true);
    owners_add(groups, member_number, parts);
    consumer_arm(groups, member_number);
}

static enum error may_upgrade(const struct groups *groups, uint32_t number)
{
    const struct group *group = &groups->groups[number];
    const int64_t policy = setting(groups, CONFIG_GROUP_CONSUMER_MIGRATION_POLICY);
    const bool is_allowed = policy == MIGRATION_BIDIRECTIONAL || policy == MIGRATION_UPGRADE;

    if (!is_allowed || !texts_equal(&groups->texts, &group->protocol_type, CONSUMER_TYPE) ||
        group->member_count > setting(groups, CONFIG_GROUP_CONSUMER_MAX_SIZE)) {
        return ERROR_GROUP_ID_NOT_FOUND;
    }
    return group->settled || MUTANT(group_upgrades_unsettled) ? ERROR_NONE : ERROR_COORDINATOR_NOT_AVAILABLE;
}

static void free_promised(struct groups *groups, uint32_t group)
{
    uint32_t next;

    for (uint32_t at = groups->groups[group].member_first; at != NONE; at = next) {
        next = groups->members[at].next;
        if (groups->members[at].promised) member_free(groups, at);
    }
}

enum error group_upgrade(struct groups *groups, uint32_t number)
{
    struct group *group = &groups->groups[number];
    enum error error = may_upgrade(groups, number);

    if (error != ERROR_NONE) return error;
    free_promised(groups, number);
    for (uint32_t at = group->member_first; at != NONE && error == ERROR_NONE; at = groups->members[at].next) {
        error = prepare_member(groups, number, at);
    }
    if (error == ERROR_NONE && !fits(groups, number)) error = ERROR_GROUP_ID_NOT_FOUND;
    if (error != ERROR_NONE) {
        give_spares(groups, number);
        return error;
    }
    for (uint32_t at = group->member_first; at != NONE; at = groups->members[at].next) {
        member_tell(groups, at, ERROR_REBALANCE_IN_PROGRESS);
    }
    consumer_begin(groups, number);
    for (uint32_t at = group->member_first; at != NONE; at = groups->members[at].next) go_over(groups, number, at);
    group->consumer.target_epoch = group->generation;
    group->consumer.epoch_dirty = group->consumer.target_dirty = true;
    group->recorded = true;
    group_set_state(groups, number, GROUP_STABLE);
    write_want(groups, number);
    return ERROR_NONE;
}

/* ---- back ---- */

bool group_is_to_go_back(const struct groups *groups, uint32_t number)
{
    const struct group *group = &groups->groups[number];
    const int64_t policy = setting(groups, CONFIG_GROUP_CONSUMER_MIGRATION_POLICY);

    if (group->member_count == 0 || group->consumer.classic_count < group->member_count) return false;
    if (policy != MIGRATION_BIDIRECTIONAL && policy != MIGRATION_DOWNGRADE) return false;
    return group->member_count <= setting(groups, CONFIG_GROUP_MAX_SIZE);
}

/* What a member has and is still to give up, as an assignment of the classic protocol. */
static bool prepare_assignment(struct groups *groups, uint32_t number)
{
    const struct member_standing standing = member_standing(groups, number);
    struct writer writer = writer_of(groups->value, groups->batch_size);
    struct part *all = groups->workshop.owned;
    uint32_t count = standing.assigned.count;

    memcpy(all, standing.assigned.list, standing.assigned.count * sizeof *all);
    memcpy(all + count, standing.revoking.list, standing.revoking.count * sizeof *all);
    count = parts_sort(all, count + standing.revoking.count);
    consumer_put_assignment(groups, &writer, 0, (struct part_list){ all, count });
    return writer_ok(&writer) &&
           texts_keep(&groups->texts, writer_written(&writer), &groups->members[number].consumer.spare);
}

static bool prepare_back(struct groups *groups, uint32_t number)
{
    struct group *group = &groups->groups[number];

    for (uint32_t at = group->member_first; at != NONE; at = groups->members[at].next) {
        if (!prepare_assignment(groups, at)) return false;
    }
    const struct bytes protocol = group_choose_protocol(groups, number);
    if (protocol.size == 0 || !texts_replace(&groups->texts, &group->protocol, protocol)) return false;
    group->leader = group->member_first;
    return true;
}

static void go_back(struct groups *groups, uint32_t number)
{
    struct member *member = &groups->members[number];
    const struct member_standing standing = member_standing(groups, number);

    owners_remove(groups, number, standing.assigned);
    owners_remove(groups, number, standing.revoking);
    texts_give(&groups->texts, &member->assignment);
    texts_give(&groups->texts, &member->consumer.rack);
    texts_give(&groups->texts, &member->consumer.names);
    texts_give(&groups->texts, &member->consumer.target);
    texts_give(&groups->texts, &member->consumer.revoking);
    member->assignment = member->consumer.spare;
    member->consumer = (struct consumer_member){ .pattern = NONE };
    member->synced = true;
    timer_set_member(groups, number);
}

enum append_outcome group_downgrade(struct groups *groups, uint32_t number, enum error *error)
{
    struct group *group = &groups->groups[number];
    enum append_outcome outcome = APPEND_REFUSED;
    struct bytes value;

    *error = ERROR_COORDINATOR_NOT_AVAILABLE;
    if (prepare_back(groups, number) && generation_value(groups, number, &value)) {
        outcome = consumer_write_back(groups, number, value, error);
    }
    if (outcome != APPENDED) {
        give_spares(groups, number);
        texts_give(&groups->texts, &group->protocol);
        group->leader = NONE;
        return outcome;
    }
    for (uint32_t at = group->member_first; at != NONE; at = groups->members[at].next) go_back(groups, at);
    consumer_forget(groups, number);
    group->settled = true;
    rebalance_begin(groups, number);
    return APPENDED;
}
