/* sync.c -- what members of a generation do: ask for their assignment, say that they are alive, and leave. */
#include "base/check.h"
#include "group/state.h"

/* ---- who it is ---- */

enum error member_judge(const struct groups *groups, uint32_t group, struct bytes id, struct bytes instance,
                        int32_t generation, uint32_t *member)
{
    *member = NONE;
    if (instance.size > 0) {
        const uint32_t named = member_find_instance(groups, group, instance);
        if (named == NONE) return ERROR_UNKNOWN_MEMBER_ID;
        if (!texts_equal(&groups->texts, &groups->members[named].id, id)) return ERROR_FENCED_INSTANCE_ID;
    }
    const uint32_t found = member_find(groups, group, id);
    if (found == NONE || groups->members[found].promised) return ERROR_UNKNOWN_MEMBER_ID;
    if (generation >= 0 && generation != groups->groups[group].generation && !MUTANT(group_takes_any_generation)) {
        return ERROR_ILLEGAL_GENERATION;
    }
    *member = found;
    return ERROR_NONE;
}

/* The group and the member that a request speaks of, here and alive. */
static enum error find(const struct groups *groups, struct bytes group_id, struct bytes id, struct bytes instance,
                       int32_t generation, uint32_t *group, uint32_t *member)
{
    const enum error error = groups_place(groups, group_id);

    if (error != ERROR_NONE) return error;
    *group = group_find(groups, group_id);
    if (*group == NONE) return ERROR_UNKNOWN_MEMBER_ID;
    if (groups->groups[*group].state == GROUP_DEAD) return ERROR_COORDINATOR_NOT_AVAILABLE;
    if (groups->groups[*group].consumer.is) return ERROR_UNKNOWN_MEMBER_ID;
    return member_judge(groups, *group, id, instance, generation, member);
}

/* One of the newer protocol, here and alive; else NONE. */
static uint32_t find_consumer(const struct groups *groups, struct bytes group_id)
{
    const uint32_t group = groups_place(groups, group_id) == ERROR_NONE ? group_find(groups, group_id) : NONE;

    if (group == NONE || !groups->groups[group].consumer.is) return NONE;
    return groups->groups[group].state == GROUP_DEAD ? NONE : group;
}

/* ---- SyncGroup ---- */

static void tell(const struct groups *groups, uint32_t member, struct group_synced *synced)
{
    const struct group *group = &groups->groups[groups->members[member].group];

    *synced = (struct group_synced){
        .protocol_type = kept_bytes(groups, &group->protocol_type),
        .protocol = kept_bytes(groups, &group->protocol),
        .assignment = kept_bytes(groups, &groups->members[member].assignment),
    };
}

void groups_synced(struct groups *groups, uint64_t waiter, struct group_synced *synced)
{
    const struct wait *wait = wait_of(groups, waiter);

    CHECK(wait != NULL && wait->ready && (wait->kind == WAIT_SYNC || wait->member == NONE));
    *synced = (struct group_synced){ .error = (enum error)wait->error };
    /* Of an answer that was held, and found no room. */
    if (wait->kind != WAIT_SYNC && wait->error == ERROR_NONE) synced->error = ERROR_REBALANCE_IN_PROGRESS;
    if (wait->member == NONE) return;
    const struct group *group = &groups->groups[wait->group];
    if (group->generation != wait->generation || group->state != GROUP_STABLE) {
        synced->error = ERROR_REBALANCE_IN_PROGRESS;
        return;
    }
    tell(groups, wait->member, synced);
}

/* The leader has decided. Who is not named gets nothing; of one that is named twice, the last word counts. False: there
 * is no room for that. */
static bool take_assignments(struct groups *groups, uint32_t group, const struct sync_group_request *request)
{
    for (uint32_t at = groups->groups[group].member_first; at != NONE; at = groups->members[at].next) {
        texts_give(&groups->texts, &groups->members[at].assignment);
    }
    for (uint32_t i = 0; i < request->assignments_count; i++) {
        const struct sync_group_request_assignment *from = &request->assignments[i];
        const uint32_t member = member_find(groups, group, from->member_id);
        if (member == NONE || groups->members[member].promised) continue;
        if (!texts_replace(&groups->texts, &groups->members[member].assignment, from->assignment)) return false;
    }
    return true;
}

static void wait_for_assignment(struct groups *groups, const struct group_caller *caller, uint32_t member)
{
    struct member *at = &groups->members[member];

    member_tell(groups, member, ERROR_REBALANCE_IN_PROGRESS); /* of another connection, that it has given up */
    struct wait *wait = wait_begin(groups, caller->waiter, WAIT_SYNC);
    wait->group = at->group;
    wait->member = member;
    wait->generation = groups->groups[at->group].generation;
    at->waiter = caller->waiter;
    at->synced = true;
}

static bool is_consistent(const struct groups *groups, uint32_t number, const struct sync_group_request *request)
{
    const struct group *group = &groups->groups[number];

    if (request->protocol_type.data != NULL &&
        !texts_equal(&groups->texts, &group->protocol_type, request->protocol_type)) {
        return false;
    }
    return request->protocol_name.data == NULL || texts_equal(&groups->texts, &group->protocol, request->protocol_name);
}

static enum group_verdict complete(struct groups *groups, const struct group_caller *caller, uint32_t member,
                                   const struct sync_group_request *request)
{
    struct group *group = &groups->groups[groups->members[member].group];
    const uint32_t number = groups->members[member].group;

    wait_for_assignment(groups, caller, member);
    /* A leader that asks again has lost its connection, and may have thought of something else since. What it said
     * first is on its way into the log. */
    if (group->leader != member || (group->assigned && !MUTANT(group_assigns_twice))) return GROUP_WAITS;
    if (!take_assignments(groups, number, request)) {
        rebalance_settle(groups, number, group->generation, ERROR_COORDINATOR_NOT_AVAILABLE);
        return GROUP_WAITS;
    }
    group->assigned = true;
    if (MUTANT(group_tells_uncommitted)) {
        rebalance_settle(groups, number, group->generation, ERROR_NONE);
    }
    write_want(groups, number);
    return GROUP_WAITS;
}

enum group_verdict groups_sync(struct groups *groups, const struct group_caller *caller,
                               const struct sync_group_request *request, struct group_synced *synced)
{
    uint32_t group, member;

    *synced = (struct group_synced){ 0 };
    const uint32_t consumer = find_consumer(groups, request->group_id);
    if (consumer != NONE) return consumer_sync(groups, consumer, caller, request, synced);
    synced->error = find(groups, request->group_id, request->member_id, request->group_instance_id,
                         MAX(request->generation_id, 0), &group, &member);
    if (synced->error != ERROR_NONE) return GROUP_ANSWERED;
    if (!is_consistent(groups, group, request)) {
        synced->error = ERROR_INCONSISTENT_GROUP_PROTOCOL;
        return GROUP_ANSWERED;
    }
    switch ((enum group_state)groups->groups[group].state) {
    case GROUP_EMPTY:
    case GROUP_DEAD: synced->error = ERROR_UNKNOWN_MEMBER_ID; return GROUP_ANSWERED;
    case GROUP_PREPARING: synced->error = ERROR_REBALANCE_IN_PROGRESS; return GROUP_ANSWERED;
    case GROUP_COMPLETING: return complete(groups, caller, member, request);
    case GROUP_STABLE: break;
    }
    groups->members[member].synced = true;
    timer_set_member(groups, member);
    tell(groups, member, synced);
    return GROUP_ANSWERED;
}

/* ---- Heartbeat ---- */

enum error groups_heartbeat(struct groups *groups, const struct heartbeat_request *request)
{
    const uint32_t consumer = find_consumer(groups, request->group_id);
    uint32_t group, member;

    if (consumer != NONE) return consumer_heartbeat(groups, consumer, request);
    const enum error error = find(groups, request->group_id, request->member_id, request->group_instance_id,
                                  MAX(request->generation_id, 0), &group, &member);
    if (error != ERROR_NONE) return error;
    timer_set_member(groups, member);
    return groups->groups[group].state == GROUP_PREPARING ? ERROR_REBALANCE_IN_PROGRESS : ERROR_NONE;
}

/* ---- LeaveGroup ---- */

enum error groups_leave(struct groups *groups, struct bytes group_id, const struct group_leaver *leaver)
{
    const uint32_t group = group_find(groups, group_id);
    uint32_t member;

    if (group == NONE) return ERROR_UNKNOWN_MEMBER_ID;
    if (groups->groups[group].state == GROUP_DEAD) return ERROR_COORDINATOR_NOT_AVAILABLE;
    if (groups->groups[group].consumer.is) return consumer_leave(groups, group, leaver);
    if (leaver->instance_id.size > 0 && leaver->member_id.size == 0) { /* whoever it is */
        member = member_find_instance(groups, group, leaver->instance_id);
        if (member == NONE) return ERROR_UNKNOWN_MEMBER_ID;
    } else {
        member = member_find(groups, group, leaver->member_id);
        if (member == NONE || !groups->members[member].promised) {
            const enum error error = member_judge(groups, group, leaver->member_id, leaver->instance_id, -1, &member);
            if (error != ERROR_NONE) return error;
        }
    }
    rebalance_remove(groups, member, ERROR_UNKNOWN_MEMBER_ID);
    return ERROR_NONE;
}
