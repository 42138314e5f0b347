/* join.c -- JoinGroup: who comes, and who comes back.
 *
 *   no id        a new member. From version 4 on it is given an id first and has to come back with it (KIP-394), so
 *                that a client whose answer is lost leaves nothing behind but a promise.
 *   an instance  a static member (KIP-345): whoever comes with its name takes its place, and where nothing of what it
 *                supports has changed, the group goes on undisturbed.
 *   an id        a member that joins again: because it was told to, or because it wants another assignment. */
#include "base/check.h"
#include "group/state.h"
#include "meta/image.h"

enum {
    FIRST_VERSION_WITH_IDS = 4,
    FIRST_VERSION_WITH_SKIPPING = 9,
    PROTOCOLS_MAX = 64,        /* of one member: clients have five; all members' are compared with all others' */
    CLIENT_ID_KEPT_MAX = 1024, /* of a longer one the begin makes the member's id */
};

struct joining {
    struct groups *groups;
    const struct group_caller *caller;
    const struct join_group_request *request;
    uint32_t group;
    struct member_terms terms;
};

static enum group_verdict refuse(struct group_joined *joined, enum error error)
{
    joined->error = error;
    return GROUP_ANSWERED;
}

/* ---- what is told ---- */

static void tell(const struct groups *groups, uint32_t member, struct group_joined *joined)
{
    const struct group *group = &groups->groups[groups->members[member].group];

    *joined = (struct group_joined){
        .generation = group->generation,
        .protocol_type = kept_bytes(groups, &group->protocol_type),
        .protocol = kept_bytes(groups, &group->protocol),
        .member_id = kept_bytes(groups, &groups->members[member].id),
        .group = groups->members[member].group,
        .lists_members = group->leader == member,
    };
    if (group->leader != NONE) joined->leader = kept_bytes(groups, &groups->members[group->leader].id);
}

void groups_joined(struct groups *groups, uint64_t waiter, const struct group_caller *caller,
                   struct group_joined *joined)
{
    const struct wait *wait = wait_of(groups, waiter);

    CHECK(wait != NULL && wait->ready && (wait->kind == WAIT_JOIN || wait->member == NONE));
    *joined = (struct group_joined){ .error = (enum error)wait->error, .generation = -1 };
    /* Of an answer that was held, and found no room. */
    if (wait->kind != WAIT_JOIN && wait->error == ERROR_NONE) joined->error = ERROR_COORDINATOR_NOT_AVAILABLE;
    if (wait->member == NONE) return;
    const struct group *group = &groups->groups[wait->group];
    if (group->generation != wait->generation) {
        joined->error = ERROR_REBALANCE_IN_PROGRESS; /* it has gone on without waiting for this answer */
        return;
    }
    tell(groups, wait->member, joined);
    if (!wait->skips) return;
    joined->skip_assignment = joined->lists_members && caller->version >= FIRST_VERSION_WITH_SKIPPING;
    /* A client that cannot skip takes the leader for somebody else, or it would assign anew. */
    if (joined->lists_members && !joined->skip_assignment) {
        joined->lists_members = false;
        joined->leader = BYTES_LITERAL("");
    }
}

/* ---- waiting ---- */

/* The member has joined what is being prepared, and is answered when the next generation begins. */
static enum group_verdict wait_for_generation(struct joining *joining, uint32_t member)
{
    struct groups *groups = joining->groups;
    struct member *at = &groups->members[member];

    member_tell(groups, member, ERROR_REBALANCE_IN_PROGRESS); /* of another connection, that it has given up */
    struct wait *wait = wait_begin(groups, joining->caller->waiter, WAIT_JOIN);
    wait->group = joining->group;
    wait->member = member;
    at->waiter = joining->caller->waiter;
    member_set_joined(groups, member, true);
    at->session_ms = joining->terms.session_ms;
    at->rebalance_ms = joining->terms.rebalance_ms;
    timer_set_member(groups, member);
    rebalance_begin(groups, joining->group);
    rebalance_try(groups, joining->group);
    return GROUP_WAITS;
}

/* It joins (again) with what it supports now. */
static enum group_verdict join_again(struct joining *joining, uint32_t member, struct group_joined *joined)
{
    if (!member_set_protocols(joining->groups, member, joining->request)) {
        return refuse(joined, ERROR_COORDINATOR_NOT_AVAILABLE);
    }
    return wait_for_generation(joining, member);
}

/* ---- new members ---- */

static bool is_full(const struct joining *joining)
{
    const struct group *group = &joining->groups->groups[joining->group];
    const int64_t size_max = setting(joining->groups, CONFIG_GROUP_MAX_SIZE);

    if (group->state == GROUP_EMPTY) return group->member_count + group->promised_count >= size_max;
    if (group->state == GROUP_PREPARING) return group->joined_count >= size_max;
    return group->member_count >= size_max;
}

static enum group_verdict add_member(struct joining *joining, struct group_joined *joined)
{
    struct groups *groups = joining->groups;
    struct group *group = &groups->groups[joining->group];
    const uint32_t member = member_make(groups, joining->group, &joining->terms, false);

    if (member == NONE) return refuse(joined, ERROR_COORDINATOR_NOT_AVAILABLE);
    if (!member_set_protocols(groups, member, joining->request) ||
        !texts_replace(&groups->texts, &group->protocol_type, joining->request->protocol_type)) {
        member_free(groups, member);
        return refuse(joined, ERROR_COORDINATOR_NOT_AVAILABLE);
    }
    if (group->leader == NONE) group->leader = member;
    if (group->state == GROUP_PREPARING) group->grew = true;
    return wait_for_generation(joining, member);
}

/* It gets an id, and has its session's time to come back with it. */
static enum group_verdict promise(struct joining *joining, struct bytes id, struct group_joined *joined)
{
    struct groups *groups = joining->groups;
    const uint32_t member = member_make(groups, joining->group, &joining->terms, true);

    if (member == NONE) return refuse(joined, ERROR_COORDINATOR_NOT_AVAILABLE);
    timer_set_member(groups, member);
    joined->member_id = id;
    return refuse(joined, ERROR_MEMBER_ID_REQUIRED);
}

/* ---- static members ---- */

/* Somebody takes the place of a static member: of its earlier life, which is fenced off. */
static enum group_verdict replace(struct joining *joining, uint32_t member, struct group_joined *joined)
{
    struct groups *groups = joining->groups;
    struct group *group = &groups->groups[joining->group];
    const struct bytes protocol = kept_bytes(groups, &group->protocol);
    enum error error = ERROR_NONE;

    member_tell(groups, member, ERROR_FENCED_INSTANCE_ID);
    if (!member_rename(groups, member, joining->terms.id)) return refuse(joined, ERROR_COORDINATOR_NOT_AVAILABLE);
    const bool same = member_has_protocols(groups, member, joining->request);
    struct bytes before = member_subscription(groups, member, protocol);
    bool undisturbed = group->state == GROUP_STABLE && before.data != NULL;
    if (undisturbed && !same) {
        /* Only what is in use counts: after a failure nothing else is known of it. */
        undisturbed = false;
        for (uint32_t i = 0; i < joining->request->protocols_count; i++) {
            const struct join_group_request_protocol *now = &joining->request->protocols[i];
            if (bytes_equal(now->name, protocol)) undisturbed = bytes_equal(now->metadata, before);
        }
    }
    if (!undisturbed) return join_again(joining, member, joined);
    if (!same && !member_set_protocols(groups, member, joining->request)) {
        return refuse(joined, ERROR_COORDINATOR_NOT_AVAILABLE);
    }
    if (!same && !bytes_equal(group_choose_protocol(groups, joining->group), protocol)) {
        return wait_for_generation(joining, member);
    }
    groups->members[member].session_ms = joining->terms.session_ms;
    groups->members[member].rebalance_ms = joining->terms.rebalance_ms;
    timer_set_member(groups, member);
    /* Its new id has to be known to the next coordinator before it is used. */
    if (write_generation(groups, joining->group, joining->caller->waiter, &error) != APPENDED) {
        return refuse(joined, error == ERROR_NONE ? ERROR_COORDINATOR_NOT_AVAILABLE : error);
    }
    struct wait *wait = wait_begin(groups, joining->caller->waiter, WAIT_JOIN);
    wait->group = joining->group;
    wait->member = member;
    wait->generation = group->generation;
    wait->skips = true;
    groups->members[member].waiter = joining->caller->waiter;
    return GROUP_WAITS;
}

static enum group_verdict join_new(struct joining *joining, struct group_joined *joined)
{
    struct groups *groups = joining->groups;
    const struct join_group_request *request = joining->request;
    const bool is_static = request->group_instance_id.size > 0;
    uint8_t buffer[CLIENT_ID_KEPT_MAX + MEMBER_ID_UUID_SIZE];
    const struct bytes before = is_static ? request->group_instance_id : joining->caller->client_id;

    joining->terms.id = member_make_id(groups, before, buffer, sizeof buffer);
    if (is_static) {
        const uint32_t member = member_find_instance(groups, joining->group, request->group_instance_id);
        if (member != NONE) return replace(joining, member, joined);
    }
    if (is_full(joining)) return refuse(joined, ERROR_GROUP_MAX_SIZE_REACHED);
    if (groups_are_crowded(groups)) return refuse(joined, ERROR_COORDINATOR_NOT_AVAILABLE); /* not for good */
    if (is_static || joining->caller->version < FIRST_VERSION_WITH_IDS) return add_member(joining, joined);
    const enum group_verdict verdict = promise(joining, joining->terms.id, joined);
    if (joined->error != ERROR_MEMBER_ID_REQUIRED) return verdict;
    const uint32_t promised = groups->groups[joining->group].member_last;
    joined->member_id = kept_bytes(groups, &groups->members[promised].id);
    return verdict;
}

/* ---- members that come back ---- */

/* With the id that it was promised. */
static enum group_verdict join_promised(struct joining *joining, uint32_t member, struct group_joined *joined)
{
    struct groups *groups = joining->groups;

    if (joining->request->group_instance_id.size > 0) return refuse(joined, ERROR_UNKNOWN_MEMBER_ID);
    if (is_full(joining)) {
        rebalance_remove(groups, member, ERROR_UNKNOWN_MEMBER_ID);
        return refuse(joined, ERROR_GROUP_MAX_SIZE_REACHED);
    }
    member_free(groups, member);
    return add_member(joining, joined);
}

static enum group_verdict join_known(struct joining *joining, struct group_joined *joined)
{
    struct groups *groups = joining->groups;
    const struct join_group_request *request = joining->request;
    const struct group *group = &groups->groups[joining->group];
    uint32_t member = member_find(groups, joining->group, request->member_id);

    if (member != NONE && groups->members[member].promised) return join_promised(joining, member, joined);
    const enum error error =
        member_judge(groups, joining->group, request->member_id, request->group_instance_id, -1, &member);
    if (error != ERROR_NONE) return refuse(joined, error);
    const bool same = member_has_protocols(groups, member, request);
    const bool settled = group->state == GROUP_COMPLETING || (group->state == GROUP_STABLE && group->leader != member);
    if (!settled || !same) return join_again(joining, member, joined);
    /* Its answer was lost, or it only looks whether something has changed. */
    member_tell(groups, member, ERROR_REBALANCE_IN_PROGRESS);
    timer_set_member(groups, member);
    tell(groups, member, joined);
    return GROUP_ANSWERED;
}

/* ---- all of them ---- */

static enum error judge(const struct groups *groups, const struct join_group_request *request)
{
    const int64_t min_ms = setting(groups, CONFIG_GROUP_MIN_SESSION_TIMEOUT_MS);
    const int64_t max_ms = setting(groups, CONFIG_GROUP_MAX_SESSION_TIMEOUT_MS);
    const enum error error = groups_place(groups, request->group_id);

    if (error != ERROR_NONE) return error;
    if (request->session_timeout_ms < min_ms || request->session_timeout_ms > max_ms) {
        return ERROR_INVALID_SESSION_TIMEOUT;
    }
    return ERROR_NONE;
}

static bool is_consistent(const struct joining *joining)
{
    const struct groups *groups = joining->groups;
    const struct join_group_request *request = joining->request;
    const struct group *group = &groups->groups[joining->group];

    if (request->protocol_type.size == 0 || request->protocols_count == 0) return false;
    if (request->protocols_count > PROTOCOLS_MAX) return false;
    if (group->member_count == 0) return true;
    return texts_equal(&groups->texts, &group->protocol_type, request->protocol_type) &&
           group_supports(groups, joining->group, request);
}

enum group_verdict groups_join(struct groups *groups, const struct group_caller *caller,
                               const struct join_group_request *request, struct group_joined *joined)
{
    struct joining joining = { .groups = groups, .caller = caller, .request = request };

    *joined = (struct group_joined){ .generation = -1, .member_id = request->member_id, .group = GROUP_NONE };
    const enum error error = judge(groups, request);
    if (error != ERROR_NONE) return refuse(joined, error);
    joining.terms = (struct member_terms){
        .id = request->member_id,
        .instance = request->group_instance_id,
        .client_id = caller->client_id,
        .client_host = caller->host,
        .session_ms = request->session_timeout_ms,
        .rebalance_ms = caller->version == 0 ? request->session_timeout_ms : request->rebalance_timeout_ms,
    };
    joining.terms.rebalance_ms = MAX(joining.terms.rebalance_ms, 0);
    joining.group = group_find(groups, request->group_id);
    if (joining.group == NONE) {
        if (request->member_id.size > 0) return refuse(joined, ERROR_UNKNOWN_MEMBER_ID);
        if (groups_are_crowded(groups)) return refuse(joined, ERROR_COORDINATOR_NOT_AVAILABLE);
        joining.group = group_make(groups, place_of(groups, request->group_id), request->group_id);
        if (joining.group == NONE) return refuse(joined, ERROR_COORDINATOR_NOT_AVAILABLE);
    }
    if (groups->groups[joining.group].state == GROUP_DEAD) return refuse(joined, ERROR_COORDINATOR_NOT_AVAILABLE);
    const struct group *group = &groups->groups[joining.group];
    if (group->consumer.is && group->member_count > 0) {
        return consumer_join(groups, joining.group, caller, request, joined);
    }
    const enum error ended = group->consumer.is ? consumer_end(groups, joining.group) : ERROR_NONE;
    if (ended != ERROR_NONE) return refuse(joined, ended);
    if (!is_consistent(&joining)) {
        group_discard_if_nothing(groups, joining.group);
        return refuse(joined, ERROR_INCONSISTENT_GROUP_PROTOCOL);
    }
    const enum group_verdict verdict =
        request->member_id.size == 0 ? join_new(&joining, joined) : join_known(&joining, joined);
    if (verdict == GROUP_ANSWERED && joined->error != ERROR_NONE) group_discard_if_nothing(groups, joining.group);
    return verdict;
}
