#include "controller/membership.h"

#include "base/check.h"
#include "raft/raft.h"

enum { VIEWS_MAX = 64 }; /* members that are looked at for a vote: all voters, and the first learners that could */

/* ---- who votes (pure) ---- */

static void add(struct raft_change *changes, uint32_t *count, enum raft_change_kind kind, uint64_t id)
{
    CHECK(*count < RAFT_CHANGES_MAX);
    changes[(*count)++] = (struct raft_change){ .kind = kind, .id = id };
}

static uint32_t promote(const struct elector_view *members, uint32_t count, uint64_t removed, uint32_t wanted,
                        struct raft_change *changes, uint32_t *change_count)
{
    uint32_t promoted = 0;

    for (uint32_t i = 0; i < count && promoted < wanted; i++) {
        if (members[i].voter || !members[i].near || members[i].id == removed) continue;
        add(changes, change_count, RAFT_PROMOTE, members[i].id);
        promoted++;
    }
    return promoted;
}

/* The one that was silent for longest, or the last of several: a disk that died a moment ago shows by nothing else. */
static const struct elector_view *most_silent(const struct elector_view *members, uint32_t count, uint64_t self,
                                              uint64_t removed, const struct elector_view *before)
{
    const struct elector_view *found = NULL;

    for (uint32_t i = 0; i < count; i++) {
        const struct elector_view *member = &members[i];
        if (!member->voter || member->id == self || member->id == removed) continue;
        const bool was_taken = before != NULL && (member->silence > before->silence ||
                                                  (member->silence == before->silence && member >= before));
        if (!was_taken && (found == NULL || member->silence >= found->silence)) found = member;
    }
    return found;
}

static void demote(const struct elector_view *members, uint32_t count, uint64_t self, uint64_t removed, uint32_t wanted,
                   struct raft_change *changes, uint32_t *change_count)
{
    const struct elector_view *member = NULL;

    for (; wanted > 0; wanted--) {
        member = most_silent(members, count, self, removed, member);
        if (member == NULL) return;
        add(changes, change_count, RAFT_DEMOTE, member->id);
    }
}

static uint32_t largest_odd(uint32_t number)
{
    return number == 0 ? 0 : number - 1 + number % 2;
}

uint32_t membership_deal(const struct elector_view *members, uint32_t count, uint64_t self, uint64_t removed,
                         uint32_t voters_target, struct raft_change changes[RAFT_CHANGES_MAX])
{
    uint32_t voters = 0, near = 0, nodes = 0, lost = 0, change_count = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (members[i].id == removed) continue;
        nodes++;
        voters += members[i].voter;
        near += !members[i].voter && members[i].near;
        lost += members[i].voter && members[i].silence >= SILENCE_LOST && members[i].id != self;
    }
    const uint32_t target = MAX(largest_odd(MIN(nodes, voters_target)), 1U);
    const uint32_t possible = MIN(target, largest_odd(voters + near));
    if (removed != 0) add(changes, &change_count, RAFT_REMOVE, removed);
    if (possible > voters) {
        promote(members, count, removed, possible - voters, changes, &change_count);
    } else if (possible < voters) { /* too many, or an even number, which survives no more than one less would */
        demote(members, count, self, removed, voters - MAX(possible, 1U), changes, &change_count);
    } else if (lost > 0 && near > 0) { /* one for one */
        const uint32_t swaps = promote(members, count, removed, MIN(lost, near), changes, &change_count);
        demote(members, count, self, removed, swaps, changes, &change_count);
    }
    return change_count;
}

static bool votes_after(const struct elector_view *member, const struct raft_change *changes, uint32_t change_count)
{
    bool votes = member->voter;

    for (uint32_t i = 0; i < change_count; i++) {
        if (changes[i].id == member->id) votes = changes[i].kind == RAFT_PROMOTE;
    }
    return votes;
}

bool membership_is_safe(const struct elector_view *members, uint32_t count, const struct raft_change *changes,
                        uint32_t change_count)
{
    uint32_t voters = 0, answering = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (!votes_after(&members[i], changes, change_count)) continue;
        voters++;
        answering += members[i].silence <= SILENCE_ANSWERS;
    }
    return answering > voters / 2;
}

/* ---- votes, by order (pure) ---- */

static const struct elector_view *view_in(const struct elector_view *members, uint32_t count, uint64_t member)
{
    for (uint32_t i = 0; i < count; i++) {
        if (members[i].id == member) return &members[i];
    }
    CHECK(false);
    return members;
}

static enum voting swap(const struct elector_view *members, uint32_t count, uint64_t gets, uint64_t loses,
                        struct raft_change *changes, uint32_t *change_count)
{
    if (gets != 0) add(changes, change_count, RAFT_PROMOTE, gets);
    if (loses != 0) add(changes, change_count, RAFT_DEMOTE, loses);
    return membership_is_safe(members, count, changes, *change_count) ? VOTING_BEGUN : VOTING_UNSAFE;
}

enum voting membership_give(const struct elector_view *members, uint32_t count, uint64_t self, uint64_t member,
                            struct raft_change changes[RAFT_CHANGES_MAX], uint32_t *change_count)
{
    const struct elector_view *view = view_in(members, count, member);
    const struct elector_view *spared = most_silent(members, count, self, member, NULL);

    *change_count = 0;
    if (view->voter) return VOTING_SAME;
    if (!view->near) return VOTING_BEHIND;
    if (spared == NULL) return count > 2 ? VOTING_LATER : VOTING_FIXED; /* of three, dealing will give it one */
    return swap(members, count, member, spared->id, changes, change_count);
}

enum voting membership_take(const struct elector_view *members, uint32_t count, uint64_t member,
                            struct raft_change changes[RAFT_CHANGES_MAX], uint32_t *change_count)
{
    const struct elector_view *view = view_in(members, count, member);
    uint64_t heir = 0;

    *change_count = 0;
    if (!view->voter) return VOTING_SAME;
    for (uint32_t i = 0; i < count && heir == 0; i++) {
        if (!members[i].voter && members[i].near) heir = members[i].id;
    }
    if (heir == 0 && view->silence == SILENCE_ANSWERS) return VOTING_FIXED;
    return swap(members, count, heir, member, changes, change_count);
}

/* ---- what is known ---- */

static const struct raft_configuration *list_of(const struct metadata_log *log)
{
    return raft_configuration(metadata_log_raft(log));
}

static bool is_settled(const struct metadata_log *log)
{
    return raft_configuration_is_committed(metadata_log_raft(log)) && !raft_configuration_is_joint(list_of(log));
}

/* A new leader has to listen for a while before it can say of anybody that he is silent. */
static bool is_listening(const struct membership *membership, uint64_t now_ns)
{
    return now_ns - membership->began_ns < MEMBERSHIP_ANSWERS_NS;
}

static uint64_t silence_ns(const struct membership *membership, const struct metadata_log *log, uint64_t member,
                           uint64_t now_ns)
{
    struct raft_peer_view peer;

    if (member == membership->own_member) return 0;
    if (!raft_peer(metadata_log_raft(log), member, &peer)) return MEMBERSHIP_LOST_NS;
    return now_ns - MAX(peer.heard_ns, membership->began_ns);
}

static enum silence silence_of(uint64_t silent_ns)
{
    if (silent_ns >= MEMBERSHIP_LOST_NS) return SILENCE_LOST;
    if (silent_ns >= MEMBERSHIP_GONE_NS) return SILENCE_LONG;
    return silent_ns >= MEMBERSHIP_ANSWERS_NS ? SILENCE_SHORT : SILENCE_ANSWERS;
}

static struct elector_view view_of(const struct membership *membership, const struct metadata_log *log,
                                   const struct raft_member *member, uint64_t now_ns)
{
    struct elector_view view = { .id = member->id,
                                 .voter = (member->flags & RAFT_VOTER) != 0,
                                 .silence = silence_of(silence_ns(membership, log, member->id, now_ns)) };
    struct raft_peer_view peer;

    if (view.voter || !raft_peer(metadata_log_raft(log), member->id, &peer)) return view;
    /* Close enough is Raft's to judge; who is sent a snapshot is not. */
    view.near = view.silence == SILENCE_ANSWERS && peer.heard_ns != 0 && peer.state == RAFT_STREAMING;
    return view;
}

/* A learner that is not to vote: an observer, or one of whom is not known yet whether it is one. */
static bool is_outside(const struct membership *membership, uint64_t member)
{
    if (membership->image == NULL) return false;
    const uint32_t broker = image_broker_by_id(membership->image, member_node(member));

    return broker == SLOT_NONE || image_broker(membership->image, broker)->observer;
}

/* All voters, and as many learners as matter. */
static uint32_t views(const struct membership *membership, const struct metadata_log *log, uint64_t removed,
                      uint64_t now_ns, struct elector_view list[VIEWS_MAX])
{
    const struct raft_configuration *members = list_of(log);
    uint32_t count = 0;

    for (uint32_t i = 0; i < members->count; i++) {
        const struct raft_member *member = &members->members[i];
        const struct elector_view view = view_of(membership, log, member, now_ns);
        if (!view.voter && member->id != removed && is_outside(membership, member->id)) continue;
        const bool matters = view.voter || view.near || member->id == removed;
        const uint32_t reserved = view.voter || member->id == removed ? 0 : RAFT_VOTERS_MAX + 1;
        if (count + reserved < VIEWS_MAX && (matters || count + reserved < VIEWS_MAX / 2)) list[count++] = view;
    }
    return count;
}

uint64_t membership_of_node(const struct metadata_log *log, int32_t node_id)
{
    const struct raft_configuration *members = list_of(log);

    for (uint32_t i = 0; i < members->count; i++) {
        const struct raft_member *member = &members->members[i];
        if (member_node(member->id) == node_id && (member->flags & RAFT_LEAVING) == 0) return member->id;
    }
    return 0;
}

/* ---- who leads ---- */

void membership_init(struct membership *membership, const struct image *image, uint32_t voters_target)
{
    *membership = (struct membership){ .image = image, .voters_target = voters_target, .look_ns = UINT64_MAX };
}

void membership_follow(struct membership *membership, const struct metadata_log *log, uint64_t led_term,
                       uint64_t now_ns)
{
    membership->own_member = metadata_log_member(log);
    if (led_term != membership->led_term) {
        membership->led_term = led_term;
        membership->began_ns = now_ns;
        memset(membership->newcomers, 0, sizeof membership->newcomers);
        membership->list_index = 0;
    }
    if (led_term == 0) membership->look_ns = UINT64_MAX;
    if (led_term == 0 || list_of(log)->index == membership->list_index) return;
    membership->list_index = list_of(log)->index;
    membership->look_ns = now_ns;
}

/* ---- changes ---- */

static bool change(struct metadata_log *log, const struct raft_change *changes, uint32_t count)
{
    return metadata_log_change(log, changes, count) == RAFT_ACCEPTED;
}

/* A place for it: its own from before, a free one, or that of somebody who did not ask again. */
static void note_newcomer(struct membership *membership, uint64_t member, const struct join *join, uint64_t now_ns)
{
    struct newcomer *place = NULL;

    for (uint32_t i = 0; i < NEWCOMERS_MAX; i++) {
        struct newcomer *newcomer = &membership->newcomers[i];
        const bool is_own = newcomer->member == member;
        if (is_own || newcomer->member == 0 || now_ns - newcomer->asked_ns > MEMBERSHIP_ASKED_NS) place = newcomer;
        if (is_own) break;
    }
    if (place == NULL) return;
    *place = (struct newcomer){ .member = member, .asked_ns = now_ns, .address_size = (uint8_t)join->address.size };
    memcpy(place->address, join->address.data, join->address.size);
}

static bool names_node(const struct raft_change *changes, uint32_t count, int32_t node_id)
{
    for (uint32_t i = 0; i < count; i++) {
        if (member_node(changes[i].id) == node_id) return true;
    }
    return false;
}

/* Those that asked lately, and whose nodes nobody knows; none is noted any more. */
static uint32_t take_newcomers(struct membership *membership, const struct metadata_log *log, uint64_t now_ns,
                               struct raft_change changes[RAFT_CHANGES_MAX], uint32_t count)
{
    for (uint32_t i = 0; i < NEWCOMERS_MAX; i++) {
        struct newcomer *newcomer = &membership->newcomers[i];
        const uint64_t member = newcomer->member;
        newcomer->member = 0;
        if (member == 0 || now_ns - newcomer->asked_ns > MEMBERSHIP_ASKED_NS || count == RAFT_CHANGES_MAX) continue;
        if (names_node(changes, count, member_node(member)) || membership_of_node(log, member_node(member)) != 0) {
            continue;
        }
        changes[count++] = (struct raft_change){ .kind = RAFT_ADD,
                                                 .id = member,
                                                 .address = { newcomer->address, newcomer->address_size } };
    }
    return count;
}

/* A new directory: with others that are new, or in the place of an older one of the same node. */
static enum join_verdict add_member(struct membership *membership, struct metadata_log *log, uint64_t member,
                                    const struct join *join, uint64_t now_ns)
{
    const uint64_t older = membership_of_node(log, member_node(member));
    struct raft_change changes[RAFT_CHANGES_MAX];
    uint32_t count = 0;

    if (older != 0) {
        struct elector_view list[VIEWS_MAX];
        if (silence_ns(membership, log, older, now_ns) < MEMBERSHIP_GONE_NS) return JOIN_DUPLICATE;
        const uint32_t view_count = views(membership, log, older, now_ns, list);
        count = membership_deal(list, view_count, membership->own_member, older, membership->voters_target, changes);
    }
    changes[count++] = (struct raft_change){ .kind = RAFT_ADD, .id = member, .address = join->address };
    if (older == 0) {
        const uint32_t all = take_newcomers(membership, log, now_ns, changes, count);
        if (all > count && change(log, changes, all)) return JOIN_TAKEN;
    }
    switch (metadata_log_change(log, changes, count)) {
    case RAFT_ACCEPTED: return JOIN_TAKEN;
    case RAFT_TOO_LARGE: return JOIN_FULL;
    default: return JOIN_LATER;
    }
}

enum join_verdict membership_on_join(struct membership *membership, struct metadata_log *log, uint64_t member,
                                     const struct join *join, uint64_t now_ns)
{
    const struct raft_configuration *members = list_of(log);
    const struct raft_member *known = raft_configuration_find(members, member);

    CHECK(membership->led_term != 0);
    if (!is_settled(log)) {
        if (known == NULL && !join->was_member) note_newcomer(membership, member, join, now_ns);
        return JOIN_LATER;
    }
    if (known == NULL && join->was_member) return JOIN_REMOVED;
    if (known == NULL) return add_member(membership, log, member, join, now_ns);
    if (bytes_equal(raft_configuration_address(members, known), join->address)) return JOIN_TAKEN;
    const struct raft_change moved = { .kind = RAFT_ADD, .id = member, .address = join->address };
    return change(log, &moved, 1) ? JOIN_TAKEN : JOIN_LATER;
}

static bool others_may_lead(const struct elector_view *members, uint32_t count, uint64_t self)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct elector_view *member = &members[i];
        if (member->voter && member->silence == SILENCE_ANSWERS && member->id != self) return true;
    }
    return false;
}

/* What removing `member` would take. */
struct plan {
    struct raft_change changes[RAFT_CHANGES_MAX];
    uint32_t count;
    bool hands_over; /* another one leads first */
};

static enum removal plan_removal(const struct membership *membership, const struct metadata_log *log, uint64_t member,
                                 uint64_t now_ns, struct plan *plan)
{
    const uint64_t self = membership->own_member;
    struct elector_view list[VIEWS_MAX];

    if (member == 0) return REMOVAL_DONE;
    if (list_of(log)->count == 1) return REMOVAL_LAST;
    if (is_listening(membership, now_ns)) return REMOVAL_LATER;
    const uint32_t count = views(membership, log, member, now_ns, list);
    plan->count = membership_deal(list, count, self, member, membership->voters_target, plan->changes);
    plan->hands_over = member == self && others_may_lead(list, count, self);
    return membership_is_safe(list, count, plan->changes, plan->count) ? REMOVAL_BEGUN : REMOVAL_UNSAFE;
}

enum removal membership_may_remove(const struct membership *membership, const struct metadata_log *log, int32_t node_id,
                                   uint64_t now_ns)
{
    struct plan plan;

    CHECK(membership->led_term != 0);
    return plan_removal(membership, log, membership_of_node(log, node_id), now_ns, &plan);
}

enum removal membership_remove(struct membership *membership, struct metadata_log *log, int32_t node_id,
                               uint64_t now_ns)
{
    const uint64_t member = membership_of_node(log, node_id);
    struct plan plan;

    CHECK(membership->led_term != 0);
    if (!is_settled(log)) return REMOVAL_UNDERWAY;
    const enum removal removal = plan_removal(membership, log, member, now_ns, &plan);
    if (removal != REMOVAL_BEGUN) return removal;
    if (plan.hands_over) return metadata_log_transfer(log, 0) == RAFT_ACCEPTED ? REMOVAL_BEGUN : REMOVAL_LATER;
    return change(log, plan.changes, plan.count) ? REMOVAL_BEGUN : REMOVAL_LATER;
}

enum voting membership_give_vote(struct membership *membership, struct metadata_log *log, uint64_t member,
                                 uint64_t now_ns)
{
    struct raft_change changes[RAFT_CHANGES_MAX];
    struct elector_view list[VIEWS_MAX];
    uint32_t change_count;

    CHECK(membership->led_term != 0);
    if (!is_settled(log)) return VOTING_UNDERWAY;
    if (raft_configuration_is_voter(list_of(log), member)) return VOTING_SAME;
    if (is_listening(membership, now_ns)) return VOTING_LATER;
    const uint32_t count = views(membership, log, member, now_ns, list);
    const enum voting voting = membership_give(list, count, membership->own_member, member, changes, &change_count);
    if (voting == VOTING_BEGUN && !change(log, changes, change_count)) return VOTING_LATER;
    return voting;
}

enum voting membership_take_vote(struct membership *membership, struct metadata_log *log, uint64_t member,
                                 uint64_t now_ns)
{
    const uint64_t self = membership->own_member;
    struct raft_change changes[RAFT_CHANGES_MAX];
    struct elector_view list[VIEWS_MAX];
    uint32_t change_count;

    CHECK(membership->led_term != 0);
    if (!is_settled(log)) return VOTING_UNDERWAY;
    if (!raft_configuration_is_voter(list_of(log), member)) return VOTING_SAME;
    if (is_listening(membership, now_ns)) return VOTING_LATER;
    const uint32_t count = views(membership, log, member, now_ns, list);
    const enum voting voting = membership_take(list, count, member, changes, &change_count);
    if (voting != VOTING_BEGUN) return voting;
    if (member == self && others_may_lead(list, count, self)) {
        return metadata_log_transfer(log, 0) == RAFT_ACCEPTED ? VOTING_HANDING : VOTING_LATER;
    }
    return change(log, changes, change_count) ? VOTING_BEGUN : VOTING_LATER;
}

bool membership_work(struct membership *membership, struct metadata_log *log, bool alone, uint64_t now_ns)
{
    struct raft_change changes[RAFT_CHANGES_MAX];
    struct elector_view list[VIEWS_MAX];

    if (membership->led_term == 0 || membership->look_ns > now_ns) return false;
    membership->look_ns = (alone || MUTANT(last_one_forgets_nobody)) && list_of(log)->count == 1
                              ? UINT64_MAX
                              : now_ns + MEMBERSHIP_AGAIN_NS;
    if (!is_settled(log) || is_listening(membership, now_ns)) return true;
    const uint32_t view_count = views(membership, log, 0, now_ns, list);
    const uint32_t count =
        membership_deal(list, view_count, membership->own_member, 0, membership->voters_target, changes);
    if (count > 0) change(log, changes, count);
    return true;
}
