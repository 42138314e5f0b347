/* members.c -- groups and members as things: made, found, changed, removed. */
#include "base/check.h"
#include "group/embedded.h"
#include "group/state.h"

/* ---- groups ---- */

uint32_t group_find(const struct groups *groups, struct bytes id)
{
    struct text_map_search search;

    for (uint32_t group = text_map_first(&groups->group_ids, id, &search); group != TEXT_MAP_NONE;
         group = text_map_next(&groups->group_ids, &search)) {
        if (bytes_equal(kept_bytes(groups, &groups->groups[group].id), id)) return group;
    }
    return NONE;
}

uint32_t group_make(struct groups *groups, uint32_t place, struct bytes id)
{
    struct kept kept;
    const uint32_t number = pool_take(&groups->group_pool);

    if (number == POOL_NONE) return NONE;
    if (!texts_keep(&groups->texts, id, &kept)) {
        pool_give(&groups->group_pool, number);
        return NONE;
    }
    struct place *at = &groups->places[place];
    groups->groups[number] = (struct group){
        .taken = true,
        .state = GROUP_EMPTY,
        .place = place,
        .previous = NONE,
        .next = at->group_first,
        .id = kept,
        .leader = NONE,
        .member_first = NONE,
        .member_last = NONE,
        .offset_first = NONE,
        .settled = true,
        .state_ms = groups->wall_ms,
    };
    if (at->group_first != NONE) groups->groups[at->group_first].previous = number;
    at->group_first = number;
    CHECK(text_map_add(&groups->group_ids, id, number) == MAP_ADDED);
    return number;
}

void group_discard(struct groups *groups, uint32_t number)
{
    struct group *group = &groups->groups[number];

    CHECK(group->member_first == NONE && group->offset_first == NONE && group->pending_count == 0);
    if (group->previous == NONE) groups->places[group->place].group_first = group->next;
    else groups->groups[group->previous].next = group->next;
    if (group->next != NONE) groups->groups[group->next].previous = group->previous;
    chain_remove(&groups->wanting, number);
    chain_remove(&groups->dying, number);
    chain_remove(&groups->expected, number);
    timer_clear_group(groups, number);
    consumer_forget(groups, number);
    CHECK(text_map_remove(&groups->group_ids, kept_bytes(groups, &group->id), number));
    texts_give(&groups->texts, &group->id);
    texts_give(&groups->texts, &group->protocol_type);
    texts_give(&groups->texts, &group->protocol);
    group->taken = false;
    pool_give(&groups->group_pool, number);
}

void group_discard_if_nothing(struct groups *groups, uint32_t number)
{
    const struct group *group = &groups->groups[number];

    if (group->member_first != NONE || group->offset_first != NONE || group->pending_count > 0) return;
    if (group->recorded || group->write_wanted || group->state != GROUP_EMPTY) return;
    group_discard(groups, number);
}

void group_set_state(struct groups *groups, uint32_t number, enum group_state state)
{
    groups->groups[number].state = (uint8_t)state;
    groups->groups[number].state_ms = groups->wall_ms;
}

/* ---- members ---- */

static bool keep_terms(struct groups *groups, struct member *member, const struct member_terms *terms)
{
    const bool kept = texts_keep(&groups->texts, terms->id, &member->id) &&
                      texts_keep(&groups->texts, terms->instance, &member->instance) &&
                      texts_keep(&groups->texts, terms->client_id, &member->client_id) &&
                      texts_keep(&groups->texts, terms->client_host, &member->client_host);

    if (kept) return true;
    texts_give(&groups->texts, &member->id);
    texts_give(&groups->texts, &member->instance);
    texts_give(&groups->texts, &member->client_id);
    texts_give(&groups->texts, &member->client_host);
    return false;
}

uint32_t member_make(struct groups *groups, uint32_t number, const struct member_terms *terms, bool promised)
{
    struct group *group = &groups->groups[number];
    struct member member = {
        .group = number,
        .previous = group->member_last,
        .next = NONE,
        .taken = true,
        .promised = promised,
        .session_ms = terms->session_ms,
        .rebalance_ms = terms->rebalance_ms,
        .waiter = NOBODY,
    };
    const uint32_t made = pool_take(&groups->member_pool);

    if (made == POOL_NONE) return NONE;
    if (!keep_terms(groups, &member, terms)) {
        pool_give(&groups->member_pool, made);
        return NONE;
    }
    groups->members[made] = member;
    if (group->member_last == NONE) group->member_first = made;
    else groups->members[group->member_last].next = made;
    group->member_last = made;
    if (promised) group->promised_count++;
    else group->member_count++;
    CHECK(text_map_add(&groups->member_ids, terms->id, made) == MAP_ADDED);
    return made;
}

void member_free(struct groups *groups, uint32_t number)
{
    struct member *member = &groups->members[number];
    struct group *group = &groups->groups[member->group];

    CHECK(member->waiter == NOBODY);
    member_set_joined(groups, number, false);
    if (group->leader == number) group->leader = NONE;
    if (member->previous == NONE) group->member_first = member->next;
    else groups->members[member->previous].next = member->next;
    if (member->next == NONE) group->member_last = member->previous;
    else groups->members[member->next].previous = member->previous;
    if (member->promised) group->promised_count--;
    else group->member_count--;
    timer_clear_member(groups, number);
    consumer_release(groups, number);
    CHECK(text_map_remove(&groups->member_ids, kept_bytes(groups, &member->id), number));
    texts_give(&groups->texts, &member->id);
    texts_give(&groups->texts, &member->instance);
    texts_give(&groups->texts, &member->client_id);
    texts_give(&groups->texts, &member->client_host);
    texts_give(&groups->texts, &member->protocols);
    texts_give(&groups->texts, &member->assignment);
    member->taken = false;
    pool_give(&groups->member_pool, number);
}

uint32_t member_find(const struct groups *groups, uint32_t group, struct bytes id)
{
    struct text_map_search search;

    for (uint32_t member = text_map_first(&groups->member_ids, id, &search); member != TEXT_MAP_NONE;
         member = text_map_next(&groups->member_ids, &search)) {
        const struct member *at = &groups->members[member];
        if (at->group == group && bytes_equal(kept_bytes(groups, &at->id), id)) return member;
    }
    return NONE;
}

uint32_t member_find_instance(const struct groups *groups, uint32_t group, struct bytes instance)
{
    if (instance.size == 0) return NONE;
    for (uint32_t member = groups->groups[group].member_first; member != NONE; member = groups->members[member].next) {
        if (bytes_equal(kept_bytes(groups, &groups->members[member].instance), instance)) return member;
    }
    return NONE;
}

void member_set_joined(struct groups *groups, uint32_t number, bool joined)
{
    struct member *member = &groups->members[number];
    struct group *group = &groups->groups[member->group];

    if (member->joined == joined) return;
    member->joined = joined;
    if (joined) group->joined_count++;
    else group->joined_count--;
}

bool member_rename(struct groups *groups, uint32_t number, struct bytes id)
{
    struct member *member = &groups->members[number];
    struct kept newer;

    if (!texts_keep(&groups->texts, id, &newer)) return false;
    CHECK(text_map_remove(&groups->member_ids, kept_bytes(groups, &member->id), number));
    texts_give(&groups->texts, &member->id);
    member->id = newer;
    CHECK(text_map_add(&groups->member_ids, id, number) == MAP_ADDED);
    return true;
}

void member_tell(struct groups *groups, uint32_t number, enum error error)
{
    struct member *member = &groups->members[number];

    if (member->waiter == NOBODY) return;
    struct wait *wait = wait_of(groups, member->waiter);
    CHECK(wait != NULL && wait->member == number);
    wait_end(groups, member->waiter, error);
    if (error == ERROR_NONE) return; /* the answer will be about this member */
    wait->error = (int16_t)error;    /* of one that is ready and not taken, too */
    wait->member = NONE;
    member->waiter = NOBODY;
}

/* ---- what they support ---- */

bool member_set_protocols(struct groups *groups, uint32_t number, const struct join_group_request *request)
{
    struct member *member = &groups->members[number];
    struct kept newer;
    uint64_t size = 0;

    for (uint32_t i = 0; i < request->protocols_count; i++) {
        const struct supported one = { request->protocols[i].name, request->protocols[i].metadata };
        size += supported_size(&one);
    }
    if (size > INT32_MAX) return false;
    uint8_t *to = texts_take(&groups->texts, (uint32_t)size, &newer);
    if (to == NULL) return false;
    for (uint32_t i = 0; i < request->protocols_count; i++) {
        const struct supported one = { request->protocols[i].name, request->protocols[i].metadata };
        to = supported_put(to, &one);
    }
    texts_give(&groups->texts, &member->protocols);
    member->protocols = newer;
    return true;
}

bool member_has_protocols(const struct groups *groups, uint32_t member, const struct join_group_request *request)
{
    struct bytes left = kept_bytes(groups, &groups->members[member].protocols);

    for (uint32_t i = 0; i < request->protocols_count; i++) {
        if (left.size == 0) return false;
        const struct supported supported = supported_next(&left);
        if (!bytes_equal(supported.name, request->protocols[i].name)) return false;
        if (!bytes_equal(supported.subscription, request->protocols[i].metadata)) return false;
    }
    return left.size == 0;
}

struct bytes member_subscription(const struct groups *groups, uint32_t member, struct bytes protocol)
{
    struct bytes left = kept_bytes(groups, &groups->members[member].protocols);

    while (left.size > 0) {
        const struct supported supported = supported_next(&left);
        if (bytes_equal(supported.name, protocol)) return supported.subscription;
    }
    return (struct bytes){ 0 };
}

static bool all_support(const struct groups *groups, uint32_t group, struct bytes protocol)
{
    for (uint32_t member = groups->groups[group].member_first; member != NONE; member = groups->members[member].next) {
        const bool newer = groups->groups[group].consumer.is && !groups->members[member].consumer.classic;
        if (groups->members[member].promised || newer) continue;
        if (member_subscription(groups, member, protocol).data == NULL) return false;
    }
    return true;
}

bool group_supports(const struct groups *groups, uint32_t group, const struct join_group_request *request)
{
    for (uint32_t i = 0; i < request->protocols_count; i++) {
        if (all_support(groups, group, request->protocols[i].name)) return true;
    }
    return false;
}

/* Protocols that all members support, of those that one of them named. Nobody names more than a few; of many, the first
 * count. */
enum { CANDIDATES_MAX = 32 };
struct candidates {
    uint32_t count;
    struct bytes names[CANDIDATES_MAX];
    uint32_t votes[CANDIDATES_MAX];
};

static void find_candidates(const struct groups *groups, uint32_t group, struct candidates *candidates)
{
    uint32_t first = groups->groups[group].member_first;

    while (first != NONE && groups->members[first].promised) first = groups->members[first].next;
    candidates->count = 0;
    if (first == NONE) return;
    struct bytes left = kept_bytes(groups, &groups->members[first].protocols);
    while (left.size > 0 && candidates->count < CANDIDATES_MAX) {
        const struct bytes name = supported_next(&left).name;
        if (!all_support(groups, group, name)) continue;
        candidates->names[candidates->count] = name;
        candidates->votes[candidates->count++] = 0;
    }
}

/* A member's voice goes to what it likes best. */
static void vote(const struct groups *groups, uint32_t member, struct candidates *candidates)
{
    struct bytes left = kept_bytes(groups, &groups->members[member].protocols);

    while (left.size > 0) {
        const struct bytes name = supported_next(&left).name;
        for (uint32_t i = 0; i < candidates->count; i++) {
            if (!bytes_equal(candidates->names[i], name)) continue;
            candidates->votes[i]++;
            return;
        }
    }
}

struct bytes group_choose_protocol(const struct groups *groups, uint32_t group)
{
    struct candidates candidates;
    uint32_t best = 0;

    find_candidates(groups, group, &candidates);
    if (candidates.count == 0) return (struct bytes){ 0 };
    for (uint32_t member = groups->groups[group].member_first; member != NONE; member = groups->members[member].next) {
        if (!groups->members[member].promised) vote(groups, member, &candidates);
    }
    for (uint32_t i = 1; i < candidates.count; i++) {
        if (candidates.votes[i] > candidates.votes[best]) best = i;
    }
    return candidates.names[best];
}

/* ---- ids ---- */

struct bytes member_make_id(struct groups *groups, struct bytes before, uint8_t *buffer, uint32_t size)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t words[2] = { prng_next(&groups->prng), prng_next(&groups->prng) };
    const uint32_t kept_size = MIN(before.size, size - MEMBER_ID_UUID_SIZE);
    uint8_t *to = buffer + kept_size;

    CHECK(size >= MEMBER_ID_UUID_SIZE);
    words[0] = (words[0] & ~UINT64_C(0xf000)) | 0x4000; /* a random uuid, as RFC 9562 marks it */
    words[1] = (words[1] & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62;
    if (kept_size > 0) memcpy(buffer, before.data, kept_size);
    *to++ = '-';
    for (uint32_t i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20) *to++ = '-';
        *to++ = (uint8_t)digits[words[i / 16] >> (60 - i % 16 * 4) & 15];
    }
    return (struct bytes){ buffer, (uint32_t)(to - buffer) };
}
