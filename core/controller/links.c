/* links.c -- to which nodes shall there be a control link?
 *
 * To all members, for one who votes, since he may come to lead; to all who vote, for the others. To whoever is said to
 * lead, for one who wants to join. What there shall be is compared with what was said before, one difference at a time,
 * so that who carries it out needs no list. Both lists are ordered by node id. */
#include "base/check.h"
#include "base/hash.h"
#include "controller/controller_state.h"
#include "raft/raft.h"

static bool is_wanted(const struct raft_configuration *list, uint64_t own_member, uint64_t member)
{
    if (member_node(member) == member_node(own_member)) return false;
    return raft_configuration_is_voter(list, own_member) || raft_configuration_is_voter(list, member);
}

static uint32_t digest_of(const struct controller *controller, struct bytes address)
{
    return (uint32_t)hash_bytes(controller->config.image.hash_seed, address);
}

/* By rising node id: a later member of the same node takes the place of an earlier one. */
static void put(struct links *links, uint32_t max, struct link_known known)
{
    if (links->wanted_count > 0 && links->wanted[links->wanted_count - 1].node_id == known.node_id) {
        links->wanted_count--;
    }
    if (links->wanted_count < max) links->wanted[links->wanted_count++] = known;
}

/* What there shall be, anew. */
static void plan(struct controller *controller)
{
    const struct raft_configuration *list = raft_configuration(metadata_log_raft(controller->log));
    const uint64_t own_member = metadata_log_member(controller->log);
    const struct joining *joining = &controller->joining;
    struct links *links = &controller->links;
    const uint32_t max = controller->config.members_max;
    const int32_t leader_id = joining->leader_id == controller->config.node_id ? -1 : joining->leader_id;
    bool hinted = leader_id < 1;

    links->wanted_count = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        const uint64_t member = list->members[i].id;
        const struct link_known known = { member_node(member),
                                          digest_of(controller, raft_configuration_address(list, &list->members[i])) };
        if (!hinted && leader_id <= known.node_id) {
            hinted = true;
            if (leader_id < known.node_id) put(links, max, (struct link_known){ leader_id, 0 });
        }
        /* Whoever is said to lead is wanted, even if our list is so old that it does not even vote in it. */
        if (is_wanted(list, own_member, member) || known.node_id == leader_id) put(links, max, known);
    }
    if (!hinted) put(links, max, (struct link_known){ leader_id, 0 });
    links->at = 0;
    links->going = true;
}

static struct bytes address_of(const struct controller *controller, int32_t node_id)
{
    const struct raft_configuration *list = raft_configuration(metadata_log_raft(controller->log));
    const uint64_t member = membership_of_node(controller->log, node_id);
    const struct joining *joining = &controller->joining;

    if (member != 0) return raft_configuration_address(list, raft_configuration_find(list, member));
    if (node_id == joining->leader_id) return (struct bytes){ joining->address, joining->address_size };
    return (struct bytes){ 0 };
}

static bool say(struct controller *controller, int32_t node_id, bool wanted, struct control_link *link)
{
    *link = (struct control_link){ .node_id = node_id, .wanted = wanted };
    return !wanted || join_address_split(address_of(controller, node_id), &link->host, &link->port);
}

static void insert(struct links *links, uint32_t at, struct link_known known)
{
    memmove(&links->known[at + 1], &links->known[at], (links->known_count - at) * sizeof links->known[0]);
    links->known[at] = known;
    links->known_count++;
}

static void drop(struct links *links, uint32_t at)
{
    links->known_count--;
    memmove(&links->known[at], &links->known[at + 1], (links->known_count - at) * sizeof links->known[0]);
}

/* The first place at which both lists differ. */
static bool next_difference(struct controller *controller, struct control_link *link)
{
    struct links *links = &controller->links;

    while (links->at < links->wanted_count || links->at < links->known_count) {
        const struct link_known *known = links->at < links->known_count ? &links->known[links->at] : NULL;
        const struct link_known *wanted = links->at < links->wanted_count ? &links->wanted[links->at] : NULL;
        if (known != NULL && (wanted == NULL || known->node_id < wanted->node_id)) {
            const int32_t gone = known->node_id;
            drop(links, links->at);
            return say(controller, gone, false, link);
        }
        const bool is_new = known == NULL || known->node_id > wanted->node_id;
        const bool has_moved = !is_new && known->address_digest != wanted->address_digest;
        if (is_new) insert(links, links->at, *wanted);
        else links->known[links->at] = *wanted;
        links->at++;
        if ((is_new || has_moved) && say(controller, wanted->node_id, true, link)) return true;
    }
    return false;
}

bool controller_next_link(struct controller *controller, struct control_link *link)
{
    struct links *links = &controller->links;
    if (metadata_log_state(controller->log) != METADATA_LOG_OPEN) return false;
    const uint64_t index = raft_configuration(metadata_log_raft(controller->log))->index;

    if (index != links->list_index || controller->joining.leader_id != links->hint) {
        links->list_index = index;
        links->hint = controller->joining.leader_id;
        plan(controller);
    }
    if (!links->going) return false;
    links->going = next_difference(controller, link);
    return links->going;
}
