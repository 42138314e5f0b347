/* configuration.c -- bytes of a member list:
 *
 *    0 u8  version, 1
 *    1 u8  0, three times
 *    4 u32 members
 *    8 per member, by ascending id:  u64 id, u8 flags (RAFT_VOTER ...), u8 address size, address */
#include "raft/configuration.h"

#include "base/check.h"

enum { VERSION = 1, HEAD_SIZE = 8, MEMBER_SIZE = 10, MEMBER_SLACK = 64 };

static size_t members_size(uint32_t members_max)
{
    return members_max * sizeof(struct raft_member);
}

size_t raft_configuration_memory(uint32_t members_max, uint32_t size_max)
{
    return (members_size(members_max) + size_max + 63) / 64 * 64;
}

void raft_configuration_init(struct raft_configuration *configuration, uint8_t *memory, uint32_t members_max,
                             uint32_t size_max)
{
    CHECK(members_max >= RAFT_VOTERS_MAX && size_max >= HEAD_SIZE + MEMBER_SLACK);
    *configuration = (struct raft_configuration){
        .members_max = members_max,
        .size_max = size_max,
        .members = (struct raft_member *)(void *)memory,
        .bytes = memory + members_size(members_max),
    };
    raft_configuration_clear(configuration);
}

void raft_configuration_clear(struct raft_configuration *configuration)
{
    configuration->index = 0;
    configuration->count = 0;
    configuration->size = HEAD_SIZE;
    memset(configuration->bytes, 0, HEAD_SIZE);
    configuration->bytes[0] = VERSION;
}

void raft_configuration_copy(struct raft_configuration *to, const struct raft_configuration *from)
{
    CHECK(from->count <= to->members_max && from->size <= to->size_max);
    to->index = from->index;
    to->count = from->count;
    to->size = from->size;
    memcpy(to->members, from->members, members_size(from->count));
    memcpy(to->bytes, from->bytes, from->size);
}

bool raft_configuration_put(struct raft_configuration *to, uint64_t id, uint8_t flags, struct bytes address)
{
    CHECK(to->count == 0 || to->members[to->count - 1].id < id);
    CHECK(address.size <= RAFT_ADDRESS_SIZE_MAX);
    if (to->count == to->members_max || to->size_max - to->size < MEMBER_SIZE + address.size) return false;
    uint8_t *at = to->bytes + to->size;
    store_u64(at, id);
    at[8] = flags;
    at[9] = (uint8_t)address.size;
    if (address.size > 0) memcpy(at + MEMBER_SIZE, address.data, address.size);
    to->members[to->count] = (struct raft_member){
        .id = id,
        .flags = flags,
        .address_size = (uint8_t)address.size,
        .address_begin = to->size + MEMBER_SIZE,
    };
    to->size += MEMBER_SIZE + address.size;
    to->count++;
    store_u32(to->bytes + 4, to->count);
    return true;
}

static uint32_t count_of(const struct raft_configuration *configuration, uint8_t flag)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < configuration->count; i++) count += (configuration->members[i].flags & flag) != 0;
    return count;
}

static enum raft_configuration_verdict verdict_of(const struct raft_configuration *list)
{
    const uint32_t voters = count_of(list, RAFT_VOTER), old = count_of(list, RAFT_OLD_VOTER);

    if (voters == 0) return RAFT_CONFIGURATION_EMPTY;
    if (voters > RAFT_VOTERS_MAX || old > RAFT_VOTERS_MAX) return RAFT_CONFIGURATION_FULL;
    return RAFT_CONFIGURATION_GOOD;
}

static enum raft_configuration_verdict refuse(struct raft_configuration *configuration,
                                              enum raft_configuration_verdict verdict)
{
    if (verdict != RAFT_CONFIGURATION_GOOD) raft_configuration_clear(configuration);
    return verdict;
}

static bool flags_make_sense(uint8_t flags)
{
    if ((flags & ~(RAFT_VOTER | RAFT_OLD_VOTER | RAFT_LEAVING)) != 0) return false;
    return (flags & RAFT_LEAVING) == 0 || flags == (RAFT_LEAVING | RAFT_OLD_VOTER);
}

enum raft_configuration_verdict raft_configuration_read(struct raft_configuration *configuration, struct bytes bytes)
{
    uint32_t at = HEAD_SIZE;

    raft_configuration_clear(configuration);
    if (bytes.size < HEAD_SIZE || memcmp(bytes.data, configuration->bytes, 4) != 0) {
        return RAFT_CONFIGURATION_MALFORMED;
    }
    const uint32_t count = load_u32(bytes.data + 4);
    for (uint32_t i = 0; i < count; i++) {
        if (bytes.size - at < MEMBER_SIZE) return refuse(configuration, RAFT_CONFIGURATION_MALFORMED);
        const uint64_t id = load_u64(bytes.data + at);
        const uint8_t flags = bytes.data[at + 8];
        const struct bytes address = { bytes.data + at + MEMBER_SIZE, bytes.data[at + 9] };
        const uint64_t previous = i == 0 ? 0 : configuration->members[i - 1].id;
        if (id <= previous || !flags_make_sense(flags) || bytes.size - at - MEMBER_SIZE < address.size) {
            return refuse(configuration, RAFT_CONFIGURATION_MALFORMED);
        }
        if (!raft_configuration_put(configuration, id, flags, address))
            return refuse(configuration, RAFT_CONFIGURATION_FULL);
        at += MEMBER_SIZE + address.size;
    }
    if (at != bytes.size) return refuse(configuration, RAFT_CONFIGURATION_MALFORMED);
    return refuse(configuration, verdict_of(configuration));
}

const struct raft_member *raft_configuration_find(const struct raft_configuration *configuration, uint64_t id)
{
    uint32_t low = 0, high = configuration->count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (configuration->members[middle].id < id) low = middle + 1;
        else high = middle;
    }
    if (low == configuration->count || configuration->members[low].id != id) return NULL;
    return &configuration->members[low];
}

struct bytes raft_configuration_address(const struct raft_configuration *configuration,
                                        const struct raft_member *member)
{
    return (struct bytes){ configuration->bytes + member->address_begin, member->address_size };
}

bool raft_configuration_is_joint(const struct raft_configuration *configuration)
{
    return count_of(configuration, RAFT_OLD_VOTER) > 0;
}

uint8_t raft_configuration_voting(const struct raft_configuration *configuration)
{
    return raft_configuration_is_joint(configuration) ? RAFT_OLD_VOTER : RAFT_VOTER;
}

bool raft_configuration_is_voter(const struct raft_configuration *configuration, uint64_t id)
{
    const struct raft_member *member = raft_configuration_find(configuration, id);
    return member != NULL && (member->flags & (RAFT_VOTER | RAFT_OLD_VOTER)) != 0;
}

bool raft_configuration_is_sole_voter(const struct raft_configuration *configuration, uint64_t id)
{
    const struct raft_member *member = raft_configuration_find(configuration, id);
    return member != NULL && (member->flags & RAFT_VOTER) != 0 &&
           count_of(configuration, RAFT_VOTER | RAFT_OLD_VOTER) == 1;
}

static const struct raft_change *change_of(const struct raft_change *changes, uint32_t count, uint64_t id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (changes[i].id == id) return &changes[i];
    }
    return NULL;
}

/* Whether `change` can be made to `member` (NULL: there is none), and is the only one for its id. */
static bool change_makes_sense(const struct raft_change *change, const struct raft_member *member,
                               const struct raft_change *changes, uint32_t count)
{
    const bool voter = member != NULL && (member->flags & RAFT_VOTER) != 0;

    if (change->id == 0 || change != change_of(changes, count, change->id)) return false;
    switch (change->kind) {
    case RAFT_ADD: return change->address.size <= RAFT_ADDRESS_SIZE_MAX;
    case RAFT_PROMOTE: return member != NULL && !voter;
    case RAFT_DEMOTE: return voter;
    case RAFT_REMOVE: return member != NULL;
    }
    return false;
}

/* The flags of a member after `change` (NULL: none). */
static uint8_t changed_flags(uint8_t flags, const struct raft_change *change, bool joint)
{
    const bool promoted = change != NULL && change->kind == RAFT_PROMOTE;
    const bool demoted = change != NULL && change->kind == RAFT_DEMOTE;
    const bool removed = change != NULL && change->kind == RAFT_REMOVE;
    const bool voter = (flags & RAFT_VOTER) != 0;
    uint8_t to = 0;

    if (promoted || (voter && !demoted && !removed)) to |= RAFT_VOTER;
    if (voter && joint) to |= RAFT_OLD_VOTER;
    if (voter && removed) to |= RAFT_LEAVING;
    return to;
}

/* The added member with the smallest id above `after` and below `before`. */
static const struct raft_change *next_added(const struct raft_configuration *from, const struct raft_change *changes,
                                            uint32_t count, uint64_t after, uint64_t before)
{
    const struct raft_change *next = NULL;
    for (uint32_t i = 0; i < count; i++) {
        const struct raft_change *change = &changes[i];
        if (change->kind != RAFT_ADD || change->id <= after || change->id >= before) continue;
        if (raft_configuration_find(from, change->id) != NULL) continue;
        if (next == NULL || change->id < next->id) next = change;
    }
    return next;
}

/* Writes out `from` with the changes; false: no room. */
static bool put_changed(struct raft_configuration *to, const struct raft_configuration *from,
                        const struct raft_change *changes, uint32_t count, bool joint)
{
    uint64_t after = 0;

    for (uint32_t i = 0; i <= from->count; i++) {
        const uint64_t before = i < from->count ? from->members[i].id : UINT64_MAX;
        const struct raft_change *added;
        while ((added = next_added(from, changes, count, after, before)) != NULL) {
            if (!raft_configuration_put(to, added->id, 0, added->address)) return false;
            after = added->id;
        }
        if (i == from->count) break;
        const struct raft_member *member = &from->members[i];
        const struct raft_change *change = change_of(changes, count, member->id);
        const bool learner = (member->flags & RAFT_VOTER) == 0;
        after = member->id;
        if (change != NULL && change->kind == RAFT_REMOVE && (learner || !joint)) continue;
        const bool moved = change != NULL && change->kind == RAFT_ADD;
        if (!raft_configuration_put(to, member->id, changed_flags(member->flags, change, joint),
                                    moved ? change->address : raft_configuration_address(from, member))) {
            return false;
        }
    }
    return true;
}

enum raft_configuration_verdict raft_configuration_change(struct raft_configuration *to,
                                                          const struct raft_configuration *from,
                                                          const struct raft_change *changes, uint32_t count)
{
    bool joint = false;

    CHECK(to != from && !raft_configuration_is_joint(from));
    raft_configuration_clear(to);
    if (count > RAFT_CHANGES_MAX) return RAFT_CONFIGURATION_FULL;
    if (count == 0) return RAFT_CONFIGURATION_UNKNOWN;
    for (uint32_t i = 0; i < count; i++) {
        const struct raft_member *member = raft_configuration_find(from, changes[i].id);
        if (!change_makes_sense(&changes[i], member, changes, count)) return RAFT_CONFIGURATION_UNKNOWN;
        const bool voter = member != NULL && (member->flags & RAFT_VOTER) != 0;
        /* Without a joint phase, an old and a new majority need not meet if more than one voter comes or goes. */
        if (changes[i].kind == RAFT_PROMOTE && !MUTANT(M43)) joint = true;
        if (voter && changes[i].kind != RAFT_ADD && !MUTANT(M44)) joint = true;
    }
    if (!put_changed(to, from, changes, count, joint)) return refuse(to, RAFT_CONFIGURATION_FULL);
    return refuse(to, verdict_of(to));
}

enum raft_configuration_verdict raft_configuration_found(struct raft_configuration *to,
                                                         const struct raft_change *founders, uint32_t count)
{
    uint64_t after = 0;

    raft_configuration_clear(to);
    if (count > RAFT_VOTERS_MAX) return RAFT_CONFIGURATION_FULL;
    for (uint32_t i = 0; i < count; i++) {
        if (founders[i].kind != RAFT_ADD || !change_makes_sense(&founders[i], NULL, founders, count)) {
            return RAFT_CONFIGURATION_UNKNOWN;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct raft_change *next = next_added(to, founders, count, after, UINT64_MAX);
        if (next == NULL) return refuse(to, RAFT_CONFIGURATION_UNKNOWN);
        if (!raft_configuration_put(to, next->id, RAFT_VOTER, next->address))
            return refuse(to, RAFT_CONFIGURATION_FULL);
        after = next->id;
    }
    return refuse(to, verdict_of(to));
}

void raft_configuration_leave_joint(struct raft_configuration *to, const struct raft_configuration *from)
{
    CHECK(to != from && raft_configuration_is_joint(from));
    raft_configuration_clear(to);
    for (uint32_t i = 0; i < from->count; i++) {
        const struct raft_member *member = &from->members[i];
        if ((member->flags & RAFT_LEAVING) != 0) continue;
        const bool fits = raft_configuration_put(to, member->id, member->flags & RAFT_VOTER,
                                                 raft_configuration_address(from, member));
        CHECK(fits); /* it is no longer than the list it comes from */
    }
}

void raft_configuration_check(const struct raft_configuration *configuration)
{
    const uint32_t voters = count_of(configuration, RAFT_VOTER);

    CHECK(configuration->count <= configuration->members_max && configuration->size <= configuration->size_max);
    CHECK(configuration->count == 0 || (voters >= 1 && voters <= RAFT_VOTERS_MAX)); /* (2) */
    CHECK(count_of(configuration, RAFT_OLD_VOTER) <= RAFT_VOTERS_MAX);              /* (3) */
    for (uint32_t i = 0; i < configuration->count; i++) {
        const struct raft_member *member = &configuration->members[i];
        CHECK(member->id > (i == 0 ? 0 : configuration->members[i - 1].id)); /* (1) */
        CHECK(flags_make_sense(member->flags));                              /* (4) */
        CHECK(member->address_begin + member->address_size <= configuration->size);
    }
}
