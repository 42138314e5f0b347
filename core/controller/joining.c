/* joining.c -- how does this node get into a cluster, and how does it find out that it is out of one?
 *
 * Whoever was never a member asks any node that it reaches, is sent on to the leader, and asks until the log comes by
 * itself. A member that has heard of no leader for a while asks as well: it may have been removed while it was away, or
 * be sought where it is not any more. The leader's side is membership.c's. */
#include "base/check.h"
#include "controller/controller_state.h"
#include "raft/raft.h"

#define ASK_NS (200 * UINT64_C(1000000))
#define ASK_AS_MEMBER_NS (1000 * UINT64_C(1000000))
#define LEADERLESS_NS (3000 * UINT64_C(1000000)) /* longer than elections take */

static bool knows_leader(const struct controller *controller)
{
    return metadata_log_leader(controller->log) != 0;
}

static bool is_sole(const struct controller *controller)
{
    return raft_configuration_is_sole_voter(raft_configuration(metadata_log_raft(controller->log)),
                                            metadata_log_member(controller->log));
}

/* Peers find a member by the address in the list. */
static bool has_moved(const struct controller *controller)
{
    const struct raft_configuration *list = raft_configuration(metadata_log_raft(controller->log));
    const struct raft_member *own = raft_configuration_find(list, metadata_log_member(controller->log));

    return own != NULL && !bytes_equal(raft_configuration_address(list, own), controller->config.address);
}

bool joining_is_leaderless(const struct controller *controller)
{
    if (knows_leader(controller)) return false;
    return controller->joining.began && controller->mono_ns - controller->joining.led_ns > LEADERLESS_NS;
}

static bool wants_in(const struct controller *controller)
{
    if (controller->config.address.size == 0 || metadata_log_state(controller->log) != METADATA_LOG_OPEN) return false;
    if (!metadata_log_identity_is_durable(controller->log)) return false;
    switch (metadata_log_standing(controller->log)) {
    case STANDING_REMOVED:
    case STANDING_FORGOT: return false;
    case STANDING_WAITS: return !is_sole(controller);
    case STANDING_MEMBER: break;
    }
    return knows_leader(controller) ? has_moved(controller) : joining_is_leaderless(controller);
}

bool controller_wants_in(const struct controller *controller)
{
    return wants_in(controller);
}

/* ---- whom it can ask ---- */

void controller_on_link_up(struct controller *controller, int32_t node_id)
{
    struct joining *joining = &controller->joining;

    wishing_on_link_up(controller, node_id);
    for (uint32_t i = 0; i < joining->up_count; i++) {
        if (joining->up[i] == node_id) return;
    }
    if (joining->up_count < ASKED_NODES_MAX) joining->up[joining->up_count++] = node_id;
    joining->due_ns = controller->mono_ns;
}

void joining_on_link_lost(struct controller *controller, int32_t node_id)
{
    struct joining *joining = &controller->joining;

    for (uint32_t i = 0; i < joining->up_count; i++) {
        if (joining->up[i] == node_id) joining->up[i--] = joining->up[--joining->up_count];
    }
    if (joining->leader_id == node_id) joining->leader_id = -1; /* what was said about it is old */
}

/* The one that leads, if we were told; by turns with others where it is not among those that we know to be linked: it
 * may be, for we do not keep all of them, and it may be where nobody gets any more. */
static int32_t whom_to_ask(struct controller *controller)
{
    struct joining *joining = &controller->joining;
    const uint64_t leader = metadata_log_leader(controller->log);
    const int32_t leader_id = leader != 0 ? member_node(leader) : joining->leader_id;
    const uint32_t turn = joining->turn++;

    for (uint32_t i = 0; i < joining->up_count; i++) {
        if (joining->up[i] == leader_id) return leader_id;
    }
    if (joining->up_count == 0 || (leader_id > 0 && turn % 2 == 0)) return leader_id;
    return joining->up[turn / 2 % joining->up_count];
}

void joining_work(struct controller *controller)
{
    struct joining *joining = &controller->joining;

    if (metadata_log_state(controller->log) == METADATA_LOG_OPEN && (!joining->began || knows_leader(controller))) {
        joining->led_ns = controller->mono_ns;
        joining->began = true;
    }
    joining->asks = false;
    if (!wants_in(controller) || joining->due_ns > controller->mono_ns) return;
    joining->asked_id = whom_to_ask(controller);
    joining->asks = joining->asked_id > 0 && joining->asked_id != controller->config.node_id;
    const bool member = metadata_log_standing(controller->log) == STANDING_MEMBER;
    joining->due_ns = controller->mono_ns + (member ? ASK_AS_MEMBER_NS : ASK_NS);
}

bool joining_reaches_most(const struct controller *controller)
{
    const struct raft_configuration *list = raft_configuration(metadata_log_raft(controller->log));
    uint32_t voters = 0, reached = 0;

    for (uint32_t i = 0; i < list->count; i++) {
        const struct raft_member *member = &list->members[i];
        if ((member->flags & RAFT_VOTER) == 0) continue;
        bool linked = member->id == metadata_log_member(controller->log);
        for (uint32_t k = 0; k < controller->joining.up_count && !linked; k++) {
            linked = controller->joining.up[k] == member_node(member->id);
        }
        voters++;
        reached += linked;
    }
    return reached > voters / 2;
}

uint64_t joining_deadline_ns(const struct controller *controller)
{
    const struct joining *joining = &controller->joining;

    if (controller->config.address.size == 0 || metadata_log_state(controller->log) != METADATA_LOG_OPEN) {
        return UINT64_MAX;
    }
    if (wants_in(controller)) return joining->up_count == 0 ? UINT64_MAX : joining->due_ns;
    const bool may_miss = metadata_log_standing(controller->log) == STANDING_MEMBER && !knows_leader(controller);
    return may_miss ? joining->led_ns + LEADERLESS_NS + 1 : UINT64_MAX;
}

/* ---- frames ---- */

bool joining_next_frame(struct controller *controller, struct controller_frame *frame)
{
    struct joining *joining = &controller->joining;

    if (joining->answer_to != 0) {
        controller->frame_parts[0] = (struct bytes){ joining->answer, joining->answer_size };
        *frame =
            (struct controller_frame){ joining->answer_to, CONTROLLER_FRAME_JOIN_ANSWER, controller->frame_parts, 1 };
        joining->answer_to = 0;
        return true;
    }
    if (!joining->asks) return false;
    joining->asks = false;
    const struct join join = { .was_member = metadata_log_standing(controller->log) == STANDING_MEMBER,
                               .address = controller->config.address };
    controller->frame_parts[0] = (struct bytes){ joining->question, join_write(&join, joining->question) };
    *frame = (struct controller_frame){ joining->asked_id, CONTROLLER_FRAME_JOIN, controller->frame_parts, 1 };
    return true;
}

/* Nobody but us ever belonged to the cluster that we founded, so who was a member was one of another cluster. */
static bool is_founded_twice(const struct controller *controller, const struct join *join)
{
    return join->was_member && is_sole(controller) && controller_founded_by_mistake(controller) &&
           raft_configuration(metadata_log_raft(controller->log))->index <= 1;
}

/* What a leader says to who wants in. As long as its cluster has no id it cannot know who is of it. */
static enum join_verdict judge(struct controller *controller, int32_t from, uint64_t member, const struct join *join,
                               struct effects *effects)
{
    const struct ancestry ancestry = controller_ancestry(controller);

    if (is_founded_twice(controller, join)) {
        if (!controller->joining.founded_twice) NOTE(effects, FOUNDED_TWICE, from);
        controller->joining.founded_twice = true;
        return JOIN_LATER;
    }
    if (uuid_is_zero(&ancestry.cluster_id)) return JOIN_LATER;
    const enum join_verdict verdict =
        membership_on_join(&controller->membership, controller->log, member, join, controller->mono_ns);
    if (verdict == JOIN_DUPLICATE) NOTE(effects, MEMBER_TWICE, from);
    if (verdict == JOIN_REMOVED) NOTE(effects, MEMBER_GONE, from);
    return verdict;
}

/* Somebody wants in. One answer leaves in each step: who gets none asks again. */
static bool on_join(struct controller *controller, int32_t from, uint64_t member, struct bytes bytes,
                    struct effects *effects)
{
    struct joining *joining = &controller->joining;
    const uint64_t leader = metadata_log_leader(controller->log);
    struct join_answer answer = { .verdict = JOIN_ASK, .leader_id = -1 };
    struct join join;

    if (!join_read(bytes, &join) || member_node(member) != from) return false;
    if (controller->led_term != 0) {
        answer.verdict = judge(controller, from, member, &join, effects);
        answer.leader_id = controller->config.node_id;
    } else if (leader != 0) {
        const struct raft_configuration *list = raft_configuration(metadata_log_raft(controller->log));
        const struct raft_member *known = raft_configuration_find(list, leader);
        answer.leader_id = member_node(leader);
        if (known != NULL) answer.address = raft_configuration_address(list, known);
    }
    if (joining->answer_to != 0) return true;
    joining->answer_size = join_answer_write(&answer, joining->answer);
    joining->answer_to = from;
    return true;
}

static void take_hint(struct controller *controller, const struct join_answer *answer)
{
    struct joining *joining = &controller->joining;

    const struct bytes known = { joining->address, joining->address_size };

    if (answer->leader_id < 1 || answer->address.size == 0) return;
    if (joining->leader_id == answer->leader_id && bytes_equal(known, answer->address)) return; /* asked at its time */
    joining->leader_id = answer->leader_id;
    joining->address_size = answer->address.size;
    memcpy(joining->address, answer->address.data, answer->address.size);
    joining->due_ns = controller->mono_ns;
}

/* Links stand only to nodes of our cluster, if we know which one that is. Others cannot turn us out of it. */
static void on_removed(struct controller *controller)
{
    const struct ancestry ancestry = controller_ancestry(controller);

    if (!uuid_is_zero(&ancestry.cluster_id)) metadata_log_on_removed(controller->log);
}

static bool on_join_answer(struct controller *controller, int32_t from, struct bytes bytes, struct effects *effects)
{
    struct joining *joining = &controller->joining;
    struct join_answer answer;

    if (!join_answer_read(bytes, &answer)) return false;
    if (!wants_in(controller) || from != joining->asked_id) return true; /* old news */
    switch (answer.verdict) {
    case JOIN_ASK: take_hint(controller, &answer); break;
    case JOIN_REMOVED: on_removed(controller); break;
    case JOIN_DUPLICATE: /* the leader waits until it does not hear that one any more; so do we */
        if (!joining->refusal_noted) NOTE(effects, JOIN_REFUSED, from);
        joining->refusal_noted = true;
        break;
    case JOIN_FULL:
        if (!joining->refusal_noted) NOTE(effects, JOIN_NO_ROOM, from);
        joining->refusal_noted = true;
        break;
    case JOIN_TAKEN:
    case JOIN_LATER:
    case JOIN_VERDICT_END: break;
    }
    return true;
}

bool joining_on_frame(struct controller *controller, int32_t from, uint64_t member, uint8_t kind, struct bytes bytes,
                      struct effects *effects)
{
    if (kind == CONTROLLER_FRAME_JOIN) return on_join(controller, from, member, bytes, effects);
    return on_join_answer(controller, from, bytes, effects);
}

bool controller_founded_twice(const struct controller *controller)
{
    return controller->joining.founded_twice;
}

bool controller_was_removed(const struct controller *controller)
{
    return metadata_log_state(controller->log) == METADATA_LOG_OPEN &&
           metadata_log_standing(controller->log) == STANDING_REMOVED;
}
