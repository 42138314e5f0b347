/* expiry.c -- what is too old, and groups that go.
 *
 * A search walks over all groups, a bounded number of things in each step: of a group with many offsets, some of them.
 * Offsets of a group without members go when they are older than offsets.retention.minutes, counted from when it became
 * empty; of a group with members, those of topics that none of them reads any more; and those of topics that are gone.
 * So does a group of which nothing is left.
 *
 * A group that goes is dead first: its offsets are deleted in the log batch by batch, then it is, and then it is
 * forgotten. */
#include "base/check.h"
#include "group/state.h"
#include "meta/image.h"

/* ---- deletion of a group ---- */

void group_kill(struct groups *groups, uint32_t number, uint64_t deleter)
{
    struct group *group = &groups->groups[number];

    CHECK(group->state == GROUP_EMPTY && group->member_count == 0);
    group_set_state(groups, number, GROUP_DEAD);
    group->deleter = deleter;
    group->deleter_ticket = groups->tickets; /* it has just begun to wait, if anybody has */
    /* Who waits for what such a group has to say still gets his answer; all else is said with the graves. */
    const bool waited = group->consumer.is && group->consumer.beat_first != NONE;
    if (!waited) chain_remove(&groups->wanting, number);
    chain_remove(&groups->expected, number);
    group->write_wanted = waited;
    while (group->member_first != NONE) member_free(groups, group->member_first); /* promises */
    group_reap(groups, number);
}

void group_reap(struct groups *groups, uint32_t number)
{
    const struct group *group = &groups->groups[number];

    if (group->state != GROUP_DEAD || group->pending_count > 0) return;
    chain_add(&groups->dying, number);
    write_expect(groups, number);
    groups->due = true;
}

void group_give_notice(struct groups *groups, uint32_t number, enum error error)
{
    wait_end_of(groups, groups->groups[number].deleter, groups->groups[number].deleter_ticket, error);
    groups->groups[number].deleter = NOBODY;
}

/* It cannot be deleted now: what was, is, and the rest stays. */
static void abandon(struct groups *groups, uint32_t number, enum error error)
{
    group_give_notice(groups, number, error);
    group_set_state(groups, number, GROUP_EMPTY);
}

static void bury(struct groups *groups, uint32_t number)
{
    group_give_notice(groups, number, ERROR_NONE);
    group_discard(groups, number);
}

/* The next batch of its offsets, or at last the group itself. */
static enum append_outcome delete_more(struct groups *groups, uint32_t number, enum error *error)
{
    const struct group *group = &groups->groups[number];
    uint32_t count = 0;

    if (group->offset_first == NONE) return write_removal(groups, number, error);
    commit_begin(groups, number);
    for (uint32_t at = group->offset_first; at != NONE && count < TOMBSTONES_MAX; at = groups->offsets[at].next) {
        if (commit_add_deletion(groups, at) != ERROR_NONE) break;
        count++;
    }
    if (groups->committing.count == 0) { /* all the reserve is under way */
        groups->committing.open = false;
        return APPEND_LATER;
    }
    switch (groups_end_commit(groups, NOBODY, error)) {
    case GROUP_HELD:
    case GROUP_WAITS: return APPENDED;
    case GROUP_NO_ROOM: return APPEND_LATER;
    case GROUP_ANSWERED: break;
    }
    return APPEND_REFUSED;
}

static void reap(struct groups *groups)
{
    uint32_t count = groups->dying.count;

    if (count > 0 && !logs_has_room(groups->rooms.logs)) return;
    while (count-- > 0) {
        const uint32_t number = chain_take(&groups->dying);
        const struct group *group = &groups->groups[number];
        enum error error = ERROR_NONE;
        if (group->offset_first == NONE && !group->recorded) {
            bury(groups, number);
            continue;
        }
        switch (delete_more(groups, number, &error)) {
        case APPENDED: break;
        case APPEND_LATER: chain_add(&groups->dying, number); break;
        case APPEND_REFUSED: abandon(groups, number, error); break;
        }
    }
}

enum group_verdict groups_delete(struct groups *groups, struct bytes group_id, uint64_t waiter, enum error *error)
{
    const uint32_t number = group_find(groups, group_id);

    *error = groups_place(groups, group_id);
    if (*error == ERROR_NONE && number == NONE) {
        *error = ERROR_GROUP_ID_NOT_FOUND;
    } else if (*error == ERROR_NONE && groups->groups[number].state == GROUP_DEAD) {
        *error = ERROR_COORDINATOR_NOT_AVAILABLE; /* it is going, and may yet stay */
    } else if (*error == ERROR_NONE && groups->groups[number].state != GROUP_EMPTY) {
        *error = ERROR_NON_EMPTY_GROUP;
    }
    if (*error != ERROR_NONE) return GROUP_ANSWERED;
    wait_begin(groups, waiter, WAIT_COMMIT)->group = number;
    group_kill(groups, number, waiter);
    return GROUP_WAITS;
}

/* ---- what is too old ---- */

static bool is_read(const struct groups *groups, uint32_t number, struct bytes topic, uint32_t *work)
{
    const struct bytes protocol = kept_bytes(groups, &groups->groups[number].protocol);

    for (uint32_t at = groups->groups[number].member_first; at != NONE; at = groups->members[at].next) {
        ++*work;
        if (groups->members[at].promised) continue;
        if (groups->groups[number].consumer.is
                ? consumer_reads(groups, at, topic)
                : subscription_has_topic(member_subscription(groups, at, protocol), topic)) {
            return true;
        }
    }
    return false;
}

static bool is_too_old(const struct groups *groups, uint32_t number, const struct offset *offset, int64_t retention_ms,
                       uint32_t *work)
{
    const struct group *group = &groups->groups[number];
    const struct bytes topic = kept_bytes(groups, &groups->topics[offset->topic].name);
    const bool consumes = texts_equal(&groups->texts, &group->protocol_type, BYTES_LITERAL("consumer"));

    if (groups->topics[offset->topic].removed || image_topic_by_name(groups->rooms.image, topic) == SLOT_NONE)
        return true;
    if (offset->expire_ms != NO_EXPIRY) return group->state == GROUP_EMPTY && offset->expire_ms <= groups->wall_ms;
    if (group->state == GROUP_EMPTY) {
        const int64_t since_ms = group->protocol_type.size > 0 && !group->consumer.is
                                     ? MAX(group->state_ms, offset->commit_ms)
                                     : offset->commit_ms;
        return since_ms + retention_ms <= groups->wall_ms;
    }
    if (group->state != GROUP_STABLE || !consumes || offset->commit_ms + retention_ms > groups->wall_ms) return false;
    return !is_read(groups, number, topic, work);
}

/* There is an offset for another topic of that name: a deletion in the log would be taken for that one's. */
static bool is_outlived(const struct groups *groups, const struct offset *offset)
{
    if (!groups->topics[offset->topic].removed) return false;
    const uint32_t now = topic_find(groups, kept_bytes(groups, &groups->topics[offset->topic].name));
    return now != NONE && offset_find(groups, offset->group, now, offset->partition) != NONE;
}

/* Goes on with the offsets of a group, as far as the step's work reaches. What is committed meanwhile comes before
 * those that are left, and is young. While something is on its way nothing goes: that says more than a deletion behind
 * it would. */
static void look_at(struct groups *groups, uint32_t number, uint32_t *work)
{
    const int64_t retention_ms = setting(groups, CONFIG_OFFSETS_RETENTION_MINUTES) * 60000;
    const bool waits = groups->groups[number].pending_count > 0;
    enum error error;

    commit_begin(groups, number);
    while (groups->look_offset != NONE && *work < LOOKS_PER_STEP_MAX) {
        const uint32_t at = groups->look_offset;
        const struct offset *offset = &groups->offsets[at];
        ++*work;
        if (is_too_old(groups, number, offset, retention_ms, work)) {
            if (waits) {
                groups->look_again = true;
                groups->look_offset = offset->next;
                continue;
            }
            if (is_outlived(groups, offset)) {
                offset_remove(groups, at); /* and with it, the search goes on */
                continue;
            }
            if (groups->committing.count == TOMBSTONES_MAX || commit_add_deletion(groups, at) != ERROR_NONE) {
                groups->look_again = true;
                groups->look_offset = NONE;
                break;
            }
        }
        groups->look_offset = offset->next;
    }
    const uint32_t expired = groups->committing.count;
    if (expired == 0) {
        groups->committing.open = false;
    } else if (groups_end_commit(groups, NOBODY, &error) != GROUP_WAITS) {
        groups->look_again = true;
    } else {
        groups->counters.offsets_expired += expired;
        groups->look_again |= groups->groups[number].state == GROUP_EMPTY; /* perhaps nothing is left of it */
    }
}

static bool may_be_looked_at(const struct groups *groups, uint32_t number)
{
    const struct group *group = &groups->groups[number];

    if (!pool_is_taken(&groups->group_pool, number) || !place_is_open(groups, group->place)) return false;
    return group->state == GROUP_EMPTY || group->state == GROUP_STABLE;
}

static void look(struct groups *groups)
{
    uint32_t work = 0;

    while (groups->look_group < groups->group_pool.fresh_first && work < LOOKS_PER_STEP_MAX) {
        const uint32_t number = groups->look_group;
        const struct group *group = &groups->groups[number];
        work++;
        if (may_be_looked_at(groups, number)) {
            if (groups->look_offset == NONE) groups->look_offset = group->offset_first;
            look_at(groups, number, &work);
            if (groups->look_offset != NONE) continue; /* with this group, in another step */
            const bool idle = group->pending_count == 0 && group->promised_count == 0 && !group->write_wanted;
            if (group->state == GROUP_EMPTY && group->offset_first == NONE && idle) group_kill(groups, number, NOBODY);
        }
        groups->look_offset = NONE;
        groups->look_group++;
    }
    groups->due |= groups->look_group < groups->group_pool.fresh_first;
}

static bool is_looking(const struct groups *groups)
{
    return groups->look_group < groups->group_pool.fresh_first;
}

void expiry_work(struct groups *groups)
{
    enum { AGAIN_MS = 1000 };

    if (groups->dying.count > 0) reap(groups);
    if (groups->mono_ns < groups->look_due_ns && !is_looking(groups)) return;
    const uint64_t interval_ms = (uint64_t)setting(groups, CONFIG_OFFSETS_RETENTION_CHECK_INTERVAL_MS);
    if (groups->look_due_ns == 0) groups->look_due_ns = groups->mono_ns + interval_ms * NS_PER_MS;
    if (!is_looking(groups)) {
        if (groups->mono_ns < groups->look_due_ns) return;
        groups->look_group = 0;
        groups->look_offset = NONE;
        groups->look_again = false;
    }
    look(groups);
    if (is_looking(groups)) return;
    groups->look_group = NONE;
    groups->look_due_ns = groups->mono_ns + (groups->look_again ? AGAIN_MS : interval_ms) * NS_PER_MS;
}
