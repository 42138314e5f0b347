/* views.c -- what is told to administrators. */
#include "base/check.h"
#include "group/state.h"

static const char *const state_words[] = {
    [GROUP_EMPTY] = "Empty",
    [GROUP_PREPARING] = "PreparingRebalance",
    [GROUP_COMPLETING] = "CompletingRebalance",
    [GROUP_STABLE] = "Stable",
    [GROUP_DEAD] = "Dead",
};

/* Kafka's word for a group of the newer protocol. */
static const char *consumer_state(const struct groups *groups, uint32_t number)
{
    const struct group *group = &groups->groups[number];

    if (group->state == GROUP_DEAD) return "Dead";
    if (group->member_count == 0) return "Empty";
    if (group->generation > group->consumer.target_epoch) return "Assigning";
    for (uint32_t at = group->member_first; at != NONE; at = groups->members[at].next) {
        const struct member_standing standing = member_standing(groups, at);
        if (!standing_is_reconciled(&standing, group->consumer.target_epoch)) return "Reconciling";
    }
    return "Stable";
}

uint32_t groups_find(const struct groups *groups, struct bytes group_id)
{
    return group_find(groups, group_id);
}

struct group_view groups_view(const struct groups *groups, uint32_t number)
{
    const struct group *group = &groups->groups[number];
    struct group_view view = {
        .group_id = kept_bytes(groups, &group->id),
        .state = state_words[group->state],
        .protocol_type = kept_bytes(groups, &group->protocol_type),
        .protocol = BYTES_LITERAL(""),
        .member_count = group->member_count,
    };

    if (group->consumer.is) {
        view.consumer = true;
        view.state = consumer_state(groups, number);
        view.epoch = group->generation;
        view.target_epoch = group->consumer.target_epoch;
        view.assignor = group_assignor(groups, number) == ASSIGNOR_RANGE ? "range" : "uniform";
        return view;
    }
    if (group->state == GROUP_STABLE) view.protocol = kept_bytes(groups, &group->protocol);
    return view;
}

uint32_t groups_next_member(const struct groups *groups, uint32_t number, uint32_t after, struct member_view *view)
{
    const struct group *group = &groups->groups[number];
    uint32_t next = after == GROUP_NONE ? group->member_first : groups->members[after].next;

    while (next != NONE && groups->members[next].promised) next = groups->members[next].next;
    if (next == NONE) return GROUP_NONE;
    const struct member *member = &groups->members[next];
    *view = (struct member_view){
        .member_id = kept_bytes(groups, &member->id),
        .client_id = kept_bytes(groups, &member->client_id),
        .client_host = kept_bytes(groups, &member->client_host),
        .subscription = member_subscription(groups, next, kept_bytes(groups, &group->protocol)),
        .assignment = kept_bytes(groups, &member->assignment),
    };
    if (member->instance.size > 0) view->instance_id = kept_bytes(groups, &member->instance);
    return next;
}

uint32_t groups_next_consumer(const struct groups *groups, uint32_t number, uint32_t after, struct consumer_view *view)
{
    const uint32_t next = after == GROUP_NONE ? groups->groups[number].member_first : groups->members[after].next;

    if (next == NONE) return GROUP_NONE;
    const struct member *member = &groups->members[next];
    *view = (struct consumer_view){
        .member_id = kept_bytes(groups, &member->id),
        .epoch = member->consumer.epoch,
        .client_id = kept_bytes(groups, &member->client_id),
        .client_host = kept_bytes(groups, &member->client_host),
        .topics = kept_bytes(groups, &member->consumer.names),
        .classic = member->consumer.classic,
        .assignment = parts_in(kept_bytes(groups, &member->assignment)),
        .target = member_target(groups, next),
    };
    if (member->instance.size > 0) view->instance_id = kept_bytes(groups, &member->instance);
    if (member->consumer.rack.size > 0) view->rack = kept_bytes(groups, &member->consumer.rack);
    if (member->consumer.pattern != NONE) {
        view->regex = kept_bytes(groups, &groups->patterns[member->consumer.pattern].text);
    }
    return next;
}

bool groups_next_name(struct bytes *names, struct bytes *name)
{
    return names_next(names, name);
}

uint32_t groups_next_group(const struct groups *groups, uint32_t after)
{
    for (uint32_t next = after == GROUP_NONE ? 0 : after + 1; next < groups->group_pool.fresh_first; next++) {
        if (!pool_is_taken(&groups->group_pool, next)) continue;
        if (place_is_open(groups, groups->groups[next].place)) return next;
    }
    return GROUP_NONE;
}

enum error groups_may_delete_offsets(const struct groups *groups, struct bytes group_id)
{
    const enum error error = groups_place(groups, group_id);
    const uint32_t number = error == ERROR_NONE ? group_find(groups, group_id) : NONE;

    if (error != ERROR_NONE) return error;
    if (number == NONE || groups->groups[number].state == GROUP_DEAD) return ERROR_GROUP_ID_NOT_FOUND;
    const struct group *group = &groups->groups[number];
    if (group->state == GROUP_EMPTY) return ERROR_NONE;
    const bool consumes = texts_equal(&groups->texts, &group->protocol_type, BYTES_LITERAL("consumer"));
    return consumes ? ERROR_NONE : ERROR_NON_EMPTY_GROUP;
}

bool groups_subscribe(const struct groups *groups, struct bytes group_id, struct bytes topic)
{
    const uint32_t number = group_find(groups, group_id);

    if (number == NONE) return false;
    const struct bytes protocol = kept_bytes(groups, &groups->groups[number].protocol);
    for (uint32_t at = groups->groups[number].member_first; at != NONE; at = groups->members[at].next) {
        if (groups->members[at].promised) continue;
        if (groups->groups[number].consumer.is
                ? consumer_reads(groups, at, topic)
                : subscription_has_topic(member_subscription(groups, at, protocol), topic)) {
            return true;
        }
    }
    return false;
}
