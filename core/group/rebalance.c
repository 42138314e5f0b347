/* rebalance.c -- from one generation of a group to the next.
 *
 * Members are collected until all that are known have joined, or their time is over; who has not joined by then is out,
 * unless it is a static member, which is waited for as long as its session lasts. Then the next generation begins: all
 * that joined are answered, the leader is asked who shall read what, and his answer is committed before anybody acts by
 * it. The first rebalance of a group waits a while for more members, so that many that start together make one
 * generation. */
#include "base/check.h"
#include "group/state.h"
#include "meta/image.h"

enum { ABSENT_MS = 1000 }; /* static members are waited for as long at least, before it is looked again */

/* ---- beginning ---- */

/* The longest that a member wants to have for finishing what it does. */
static int32_t rebalance_ms(const struct groups *groups, uint32_t group)
{
    int32_t longest = 0;

    for (uint32_t member = groups->groups[group].member_first; member != NONE; member = groups->members[member].next) {
        if (!groups->members[member].promised) longest = MAX(longest, groups->members[member].rebalance_ms);
    }
    return longest;
}

/* The assignment that was about to come will not: who waits for it joins anew. */
static void break_off(struct groups *groups, uint32_t group)
{
    for (uint32_t at = groups->groups[group].member_first; at != NONE; at = groups->members[at].next) {
        struct member *member = &groups->members[at];
        texts_give(&groups->texts, &member->assignment);
        member->synced = false;
        if (member->waiter == NOBODY || wait_of(groups, member->waiter)->kind != WAIT_SYNC) continue;
        member_tell(groups, at, ERROR_REBALANCE_IN_PROGRESS);
        timer_set_member(groups, at);
    }
}

void rebalance_begin(struct groups *groups, uint32_t number)
{
    struct group *group = &groups->groups[number];

    if (group->state == GROUP_PREPARING || group->state == GROUP_DEAD) return;
    const int32_t longest_ms = rebalance_ms(groups, number);
    if (group->state == GROUP_COMPLETING) break_off(groups, number);
    chain_remove(&groups->wanting, number); /* what the last one was to say is of yesterday */
    chain_remove(&groups->expected, number);
    group->write_wanted = false;
    group->initial = group->state == GROUP_EMPTY;
    group->grew = false;
    group_set_state(groups, number, GROUP_PREPARING);
    if (group->initial) {
        const int64_t delay_ms = setting(groups, CONFIG_GROUP_INITIAL_REBALANCE_DELAY_MS);
        group->join_by_ns = groups->mono_ns + (uint64_t)MAX(longest_ms, delay_ms) * NS_PER_MS;
        timer_set_group(groups, number, (uint64_t)delay_ms);
        if (delay_ms == 0) group->initial = false;
    } else {
        timer_set_group(groups, number, (uint64_t)longest_ms);
    }
    rebalance_try(groups, number);
}

/* ---- the next generation ---- */

/* Who has not joined is out. What a static member did not do may be because it starts anew. */
static void drop_absent(struct groups *groups, uint32_t group)
{
    uint32_t next;

    for (uint32_t at = groups->groups[group].member_first; at != NONE; at = next) {
        const struct member *member = &groups->members[at];
        next = member->next;
        if (member->promised || member->joined || member->instance.size > 0) continue;
        member_tell(groups, at, ERROR_UNKNOWN_MEMBER_ID);
        member_free(groups, at);
    }
}

/* The leader stays if he is here; else the first that is. False: nobody is. */
static bool choose_leader(struct groups *groups, uint32_t number)
{
    struct group *group = &groups->groups[number];

    if (group->leader != NONE && groups->members[group->leader].joined) return true;
    for (uint32_t at = group->member_first; at != NONE; at = groups->members[at].next) {
        if (!groups->members[at].joined) continue;
        group->leader = at;
        return true;
    }
    return false;
}

/* All that joined are told; from now on they are expected to ask for what the leader decides. */
static void tell_joined(struct groups *groups, uint32_t number)
{
    const struct group *group = &groups->groups[number];

    for (uint32_t at = group->member_first; at != NONE; at = groups->members[at].next) {
        struct member *member = &groups->members[at];
        if (member->promised) continue;
        member_set_joined(groups, at, false);
        member->synced = false;
        texts_give(&groups->texts, &member->assignment);
        timer_set_member(groups, at);
        if (member->waiter == NOBODY) continue;
        wait_of(groups, member->waiter)->generation = group->generation;
        wait_of(groups, member->waiter)->skips = false;
        member_tell(groups, at, ERROR_NONE);
    }
}

static void begin_generation(struct groups *groups, uint32_t number)
{
    struct group *group = &groups->groups[number];

    group->generation = group->generation == INT32_MAX ? 1 : group->generation + 1;
    group->assigned = group->settled = false;
    groups->counters.rebalances++;
    timer_clear_group(groups, number);
    if (group->member_count == 0) {
        group->leader = NONE;
        texts_give(&groups->texts, &group->protocol);
        group_set_state(groups, number, GROUP_EMPTY);
        write_want(groups, number);
        return;
    }
    /* It was one of the members' own: so there is room for it, or for nothing any more. */
    if (!texts_replace(&groups->texts, &group->protocol, group_choose_protocol(groups, number))) {
        texts_give(&groups->texts, &group->protocol);
    }
    group_set_state(groups, number, GROUP_COMPLETING);
    timer_set_group(groups, number, (uint64_t)rebalance_ms(groups, number));
    tell_joined(groups, number);
}

static void finish(struct groups *groups, uint32_t number)
{
    struct group *group = &groups->groups[number];

    group->initial = false;
    drop_absent(groups, number);
    if (!choose_leader(groups, number) && group->member_count > 0) { /* static members, none of them here */
        timer_set_group(groups, number, MAX((uint64_t)rebalance_ms(groups, number), (uint64_t)ABSENT_MS));
        return;
    }
    begin_generation(groups, number);
}

void rebalance_try(struct groups *groups, uint32_t number)
{
    const struct group *group = &groups->groups[number];
    const bool early = MUTANT(group_joins_early);

    if (group->state != GROUP_PREPARING || group->initial) return;
    if (early ? group->joined_count > 0 : group->joined_count == group->member_count && group->promised_count == 0) {
        finish(groups, number);
    }
}

/* ---- time ---- */

/* Who took the generation and did not ask for its assignment is gone. */
static void drop_unsynced(struct groups *groups, uint32_t number)
{
    struct group *group = &groups->groups[number];
    bool dropped = false;
    uint32_t next;

    for (uint32_t at = group->member_first; at != NONE; at = next) {
        const struct member *member = &groups->members[at];
        next = member->next;
        if (member->promised || member->synced) continue;
        member_tell(groups, at, ERROR_UNKNOWN_MEMBER_ID);
        member_free(groups, at);
        dropped = true;
    }
    if (dropped) rebalance_begin(groups, number);
}

void rebalance_on_time(struct groups *groups, uint32_t number)
{
    struct group *group = &groups->groups[number];

    if (groups->places[group->place].state != PLACE_OPEN) return; /* it is being dropped */
    if (group->state == GROUP_COMPLETING || group->state == GROUP_STABLE) {
        drop_unsynced(groups, number);
    } else if (group->state == GROUP_PREPARING && group->initial && group->grew &&
               groups->mono_ns < group->join_by_ns) {
        const uint64_t left_ms = (group->join_by_ns - groups->mono_ns) / NS_PER_MS;
        const uint64_t delay_ms = (uint64_t)setting(groups, CONFIG_GROUP_INITIAL_REBALANCE_DELAY_MS);
        group->grew = false;
        timer_set_group(groups, number, MIN(left_ms, delay_ms));
    } else if (group->state == GROUP_PREPARING) {
        finish(groups, number);
    }
}

/* ---- who goes ---- */

void rebalance_remove(struct groups *groups, uint32_t number, enum error error)
{
    const uint32_t group = groups->members[number].group;
    const bool promised = groups->members[number].promised;

    member_tell(groups, number, error);
    member_free(groups, number);
    if (groups->groups[group].state == GROUP_PREPARING) rebalance_try(groups, group);
    else if (!promised) rebalance_begin(groups, group);
    else group_discard_if_nothing(groups, group);
}

/* ---- the assignment ---- */

void rebalance_settle(struct groups *groups, uint32_t number, int32_t generation, enum error error)
{
    struct group *group = &groups->groups[number];

    if (group->state != GROUP_COMPLETING || group->generation != generation) return; /* it has gone on */
    if (error != ERROR_NONE) {
        for (uint32_t at = group->member_first; at != NONE; at = groups->members[at].next) {
            if (groups->members[at].waiter != NOBODY) member_tell(groups, at, error);
            timer_set_member(groups, at);
        }
        rebalance_begin(groups, number);
        return;
    }
    group_set_state(groups, number, GROUP_STABLE);
    group->settled = true;
    for (uint32_t at = group->member_first; at != NONE; at = groups->members[at].next) {
        struct member *member = &groups->members[at];
        if (member->waiter == NOBODY || wait_of(groups, member->waiter)->kind != WAIT_SYNC) continue;
        member_tell(groups, at, ERROR_NONE);
        timer_set_member(groups, at);
    }
}
