/* consumer_members.c -- members of groups of the newer protocol as things, and who owns which partition. */
#include "base/check.h"
#include "group/state.h"
#include "meta/image.h"

/* ---- owners ---- */

static struct map_key key_of(uint32_t group, const struct part *part)
{
    return (struct map_key){ { load_u64(part->topic.bytes), load_u64(part->topic.bytes + 8),
                               (uint64_t)group << 32 | (uint32_t)part->index } };
}

uint32_t owner_of(const struct groups *groups, uint32_t group, const struct part *part)
{
    uint32_t member;

    return map_get(&groups->owners, key_of(group, part), &member) ? member : NONE;
}

bool owners_have_room(const struct groups *groups, uint32_t count)
{
    return groups->owners.entries_max - groups->owners.count >= count;
}

void owners_add(struct groups *groups, uint32_t member, struct part_list parts)
{
    for (uint32_t i = 0; i < parts.count; i++) {
        CHECK(map_put(&groups->owners, key_of(groups->members[member].group, &parts.list[i]), member) != MAP_FULL);
    }
}

void owners_remove(struct groups *groups, uint32_t member, struct part_list parts)
{
    const uint32_t group = groups->members[member].group;

    for (uint32_t i = 0; i < parts.count; i++) {
        if (owner_of(groups, group, &parts.list[i]) != member) continue;
        map_remove(&groups->owners, key_of(group, &parts.list[i]));
    }
}

struct member_standing member_standing(const struct groups *groups, uint32_t number)
{
    const struct member *member = &groups->members[number];

    return (struct member_standing){
        .phase = (enum member_phase)member->consumer.phase,
        .epoch = member->consumer.epoch,
        .previous_epoch = member->consumer.previous_epoch,
        .assigned = parts_in(kept_bytes(groups, &member->assignment)),
        .revoking = parts_in(kept_bytes(groups, &member->consumer.revoking)),
    };
}

struct part_list member_target(const struct groups *groups, uint32_t member)
{
    return parts_in(kept_bytes(groups, &groups->members[member].consumer.target));
}

/* ---- names ---- */

static bool is_after(struct bytes a, struct bytes b)
{
    const int order = memcmp(a.data, b.data, MIN(a.size, b.size));

    return order != 0 ? order > 0 : a.size > b.size;
}

static void sift(struct bytes *heap, uint32_t count, uint32_t at)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= count) return;
        if (child + 1 < count && is_after(heap[child + 1], heap[child])) child++;
        if (!is_after(heap[child], heap[at])) return;
        const struct bytes swapped = heap[at];
        heap[at] = heap[child];
        heap[child] = swapped;
        at = child;
    }
}

static void sort(struct bytes *list, uint32_t count)
{
    for (uint32_t at = count / 2; at-- > 0;) sift(list, count, at);
    while (count > 1) {
        const struct bytes last = list[--count];
        list[count] = list[0];
        list[0] = last;
        sift(list, count, 0);
    }
}

static bool is_same(const struct groups *groups, const struct kept *kept, const struct bytes *list, uint32_t count)
{
    struct bytes left = kept_bytes(groups, kept), name;
    uint32_t at = 0;

    while (names_next(&left, &name)) {
        if (at == count || !bytes_equal(list[at++], name)) return false;
    }
    return at == count;
}

bool names_keep(struct groups *groups, struct bytes *list, uint32_t count, struct kept *kept, bool *changed)
{
    uint32_t once = 0;
    uint64_t size = 0;
    struct kept newer;

    sort(list, count);
    for (uint32_t i = 0; i < count; i++) {
        if (once > 0 && bytes_equal(list[once - 1], list[i])) continue;
        list[once++] = list[i];
        size += NAME_HEAD_SIZE + (uint64_t)list[i].size;
    }
    *changed = !is_same(groups, kept, list, once);
    if (!*changed) return true;
    uint8_t *to = size > INT32_MAX ? NULL : texts_take(&groups->texts, (uint32_t)size, &newer);
    if (to == NULL) return false;
    for (uint32_t i = 0; i < once; i++) to = names_put(to, list[i]);
    texts_give(&groups->texts, kept);
    *kept = newer;
    return true;
}

bool names_have(struct bytes names, struct bytes name)
{
    struct bytes one;

    while (names_next(&names, &one)) {
        if (bytes_equal(one, name)) return true;
    }
    return false;
}

bool consumer_reads(const struct groups *groups, uint32_t number, struct bytes topic)
{
    const struct consumer_member *member = &groups->members[number].consumer;

    if (names_have(kept_bytes(groups, &member->names), topic)) return true;
    return member->pattern != NONE && names_have(kept_bytes(groups, &groups->patterns[member->pattern].topics), topic);
}

/* ---- time ---- */

void consumer_set_timer(struct groups *groups, uint32_t number)
{
    const struct consumer_member *member = &groups->members[number].consumer;
    const uint64_t revoke_ns = member->revoke_by_ns == 0 ? UINT64_MAX : member->revoke_by_ns;

    timers_set(&groups->timers, groups->config.groups_max + number, MIN(member->session_by_ns, revoke_ns));
}

void consumer_arm(struct groups *groups, uint32_t number)
{
    struct member *member = &groups->members[number];
    const uint64_t session_ms = member->consumer.classic
                                    ? (uint64_t)MAX(member->session_ms, 0)
                                    : (uint64_t)group_setting(groups, member->group, GROUP_SESSION_TIMEOUT_MS);

    member->consumer.session_by_ns = groups->mono_ns + session_ms * NS_PER_MS;
    if (member->consumer.phase == MEMBER_UNREVOKED && member->consumer.revoke_by_ns == 0) {
        member->consumer.revoke_by_ns = groups->mono_ns + (uint64_t)MAX(member->rebalance_ms, 0) * NS_PER_MS;
    }
    consumer_set_timer(groups, number);
}

void consumer_on_time(struct groups *groups, uint32_t number)
{
    struct consumer_member *member = &groups->members[number].consumer;

    if (groups->places[groups->groups[groups->members[number].group].place].state != PLACE_OPEN) {
        member->revoke_by_ns = 0;
        consumer_arm(groups, number);
    } else if (groups->mono_ns >= member->session_by_ns ||
               (member->revoke_by_ns != 0 && groups->mono_ns >= member->revoke_by_ns)) {
        consumer_remove(groups, number);
    } else {
        consumer_set_timer(groups, number);
    }
}

/* ---- groups ---- */

void consumer_begin(struct groups *groups, uint32_t number)
{
    struct group *group = &groups->groups[number];

    CHECK(!group->consumer.is);
    if (group->member_count == 0) {                                                   /* else it is being converted */
        while (group->member_first != NONE) member_free(groups, group->member_first); /* promises */
        group->generation = 0;
    }
    group->leader = NONE;
    group->initial = group->write_wanted = false;
    group->joined_count = 0;
    chain_remove(&groups->wanting, number);
    chain_remove(&groups->expected, number);
    group->consumer = (struct consumer_group){
        .is = true,
        .was_classic = group->recorded,
        .gone_first = NONE,
        .beat_first = NONE,
        .beat_last = NONE,
        .pattern_first = NONE,
    };
    group->recorded = false;
    timer_clear_group(groups, number);
    texts_give(&groups->texts, &group->protocol);
}

void consumer_bump(struct groups *groups, uint32_t number)
{
    struct group *group = &groups->groups[number];

    CHECK(group->generation < INT32_MAX); /* a thousand million times */
    group->generation++;
    group->consumer.epoch_dirty = true;
    group->recorded = true;
    groups->counters.rebalances++;
    write_want(groups, number);
}

enum error consumer_end(struct groups *groups, uint32_t number)
{
    struct group *group = &groups->groups[number];
    enum error error;

    if (group->member_count > 0) return ERROR_INCONSISTENT_GROUP_PROTOCOL;
    if (group->pending_count > 0) return ERROR_COORDINATOR_NOT_AVAILABLE; /* it is just saying that it is empty */
    if (group->recorded && consumer_bury(groups, number, &error) != APPENDED) return ERROR_COORDINATOR_NOT_AVAILABLE;
    chain_remove(&groups->wanting, number);
    group->write_wanted = false;
    consumer_forget(groups, number);
    group->recorded = false;
    group->generation = 0;
    texts_give(&groups->texts, &group->protocol_type);
    return ERROR_NONE;
}

void consumer_forget(struct groups *groups, uint32_t number)
{
    struct consumer_group *group = &groups->groups[number].consumer;

    if (!group->is) return;
    while (group->gone_first != NONE) {
        const uint32_t gone = group->gone_first;
        group->gone_first = groups->members[gone].next;
        texts_give(&groups->texts, &groups->members[gone].id);
        groups->members[gone].taken = false;
        pool_give(&groups->member_pool, gone);
    }
    while (group->beat_first != NONE) {
        const uint32_t beat = group->beat_first;
        group->beat_first = groups->writes[beat].next;
        chain_remove(&groups->awaited, beat);
        pool_give(&groups->write_pool, beat);
    }
    while (group->pattern_first != NONE) pattern_free(groups, group->pattern_first);
    group->is = false;
}

/* ---- members ---- */

void consumer_release(struct groups *groups, uint32_t number)
{
    struct member *member = &groups->members[number];

    texts_give(&groups->texts, &member->consumer.spare);
    if (!groups->groups[member->group].consumer.is) return;
    consumer_set_classic(groups, number, false);
    owners_remove(groups, number, parts_in(kept_bytes(groups, &member->assignment)));
    owners_remove(groups, number, parts_in(kept_bytes(groups, &member->consumer.revoking)));
    pattern_leave(groups, number);
    texts_give(&groups->texts, &member->consumer.rack);
    texts_give(&groups->texts, &member->consumer.names);
    texts_give(&groups->texts, &member->consumer.target);
    texts_give(&groups->texts, &member->consumer.revoking);
}

void consumer_set_classic(struct groups *groups, uint32_t number, bool classic)
{
    struct member *member = &groups->members[number];
    struct consumer_group *group = &groups->groups[member->group].consumer;

    if (member->consumer.classic == classic) return;
    member->consumer.classic = classic;
    if (classic) {
        group->classic_count++;
        return;
    }
    group->classic_count--;
    texts_give(&groups->texts, &member->protocols);
}

/* The log is to be told that there is none of that id. It takes the place of what was just freed. */
static void add_gone(struct groups *groups, uint32_t group, struct bytes id)
{
    const uint32_t gone = pool_take(&groups->member_pool);
    struct member *member = &groups->members[gone];

    CHECK(gone != POOL_NONE);
    *member = (struct member){ .taken = true, .group = group, .previous = NONE, .waiter = NOBODY };
    CHECK(texts_keep(&groups->texts, id, &member->id));
    member->next = groups->groups[group].consumer.gone_first;
    groups->groups[group].consumer.gone_first = gone;
}

static void free_and_remember(struct groups *groups, uint32_t number)
{
    uint8_t buffer[STRING_SIZE_MAX];
    const struct bytes id = kept_bytes(groups, &groups->members[number].id);
    const uint32_t group = groups->members[number].group, size = id.size;

    CHECK(size <= sizeof buffer);
    memcpy(buffer, id.data, size);
    member_free(groups, number);
    add_gone(groups, group, (struct bytes){ buffer, size });
}

void consumer_remove(struct groups *groups, uint32_t number)
{
    const uint32_t group = groups->members[number].group;

    free_and_remember(groups, number);
    if (groups->groups[group].member_count == 0) group_set_state(groups, group, GROUP_EMPTY);
    consumer_bump(groups, group);
}

uint32_t consumer_replace(struct groups *groups, uint32_t number, struct bytes id)
{
    struct member *old = &groups->members[number];
    const struct member_terms terms = { .id = id, .rebalance_ms = old->rebalance_ms };
    const uint32_t made = member_make(groups, old->group, &terms, false);

    if (made == NONE) return NONE;
    struct member *member = &groups->members[made];
    const struct consumer_member none = { .pattern = NONE };
    member->instance = old->instance;
    member->client_id = old->client_id;
    member->client_host = old->client_host;
    member->assignment = old->assignment;
    member->protocols = old->protocols;
    member->session_ms = old->session_ms;
    member->consumer = old->consumer;
    member->consumer.dirty = SAYS | TARGET | CURRENT;
    member->consumer.epoch = member->consumer.previous_epoch = 0;
    old->instance = old->client_id = old->client_host = old->assignment = old->protocols = (struct kept){ 0 };
    old->consumer = none;
    owners_add(groups, made, parts_in(kept_bytes(groups, &member->assignment)));
    owners_add(groups, made, parts_in(kept_bytes(groups, &member->consumer.revoking)));
    free_and_remember(groups, number);
    write_want(groups, member->group);
    return made;
}

/* ---- checks ---- */

void consumer_check(const struct groups *groups, uint32_t number)
{
    const struct group *group = &groups->groups[number];
    uint32_t users = 0, classic = 0;

    CHECK(group->consumer.target_epoch <= group->generation); /* (2) */
    for (uint32_t at = group->member_first; at != NONE; at = groups->members[at].next) {
        const struct member_standing standing = member_standing(groups, at);
        CHECK(standing.epoch <= group->consumer.target_epoch); /* (2) */
        for (uint32_t i = 0; i < standing.assigned.count; i++) {
            CHECK(owner_of(groups, number, &standing.assigned.list[i]) == at); /* (1) */
        }
        for (uint32_t i = 0; i < standing.revoking.count; i++) {
            CHECK(owner_of(groups, number, &standing.revoking.list[i]) == at); /* (1) */
        }
        users += groups->members[at].consumer.pattern != NONE;
        classic += groups->members[at].consumer.classic;
    }
    for (uint32_t at = group->consumer.pattern_first; at != NONE; at = groups->patterns[at].next) {
        CHECK(groups->patterns[at].group == number && groups->patterns[at].users <= users); /* (3) */
        users -= groups->patterns[at].users;
    }
    CHECK(users == 0);                               /* (3) */
    CHECK(classic == group->consumer.classic_count); /* (4) */
}
