/* Nodes that join by themselves, lose their disks, are removed and come again, while leaders deal out votes; under
 * loss, cuts, crashes and full disks. Never more votes forget than the rest can spare. Then all is healed, and
 * everybody must be a member, with as many votes as there should be.
 */
#include "cluster_chaos.h"

static struct mood draw_moves(struct lab *lab)
{
    struct mood mood = draw_mood(lab);

    mood.weights[LEAVE] = MIN(mood.weights[LEAVE], 2);
    balance(&mood);
    return mood;
}

/* A leader notices that somebody is gone when he does not answer. Until then it may give him a vote, or let another
 * one go who has his: two such blows at once are more than is promised. */
static bool has_noticed(const struct lab *lab)
{
    return lab->now_ns - lab->wiped_ns > MEMBERSHIP_ANSWERS_NS + 500 * LAB_MS;
}

static bool anybody_leaves(const struct lab *lab)
{
    for (uint32_t i = 0; i < lab->config.nodes; i++) {
        if (lab->nodes[i].leaves) return true;
    }
    return false;
}

/* Whether the votes that are left can spare this one's memory. */
static bool may_be_wiped(struct lab *lab, const struct lab_node *node)
{
    const struct lab_node *leader = lab_leader(lab);
    uint32_t voters = 0, lost = 0;

    if (!has_noticed(lab) || anybody_leaves(lab)) return false;
    if (leader == NULL || metadata_log_generation(leader->log) == 0) return false;
    const struct raft_configuration *list = raft_configuration(leader->log->raft);
    if (!raft_configuration_is_committed(leader->log->raft) || raft_configuration_is_joint(list)) return false;
    for (uint32_t i = 0; i < list->count; i++) {
        if ((list->members[i].flags & RAFT_VOTER) == 0) continue;
        const struct lab_node *voter = lab_find(lab, member_node(list->members[i].id));
        voters++;
        lost += voter == node || voter->member != list->members[i].id;
    }
    return lost <= (voters - 1) / 2;
}

static void wipe(struct lab *lab, struct lab_node *node)
{
    if (!may_be_wiped(lab, node)) return;
    if (node->up) lab_crash(lab, node, true);
    lab_wipe(lab, node);
    lab_boot(lab, node);
}

/* Everybody is a member, as who he is now, and nobody else; and as many vote as should. */
static bool is_in_order(struct lab *lab)
{
    const struct lab_node *leader = lab_leader(lab);
    if (leader == NULL || !is_at_rest(lab)) return false;
    const struct metadata_log_view view = metadata_log_view(leader->log);
    const uint32_t nodes = lab->config.nodes, odd = nodes - 1 + nodes % 2;

    for (uint32_t i = 0; i < nodes; i++) {
        const struct lab_node *node = &lab->nodes[i];
        const uint64_t member = node->up ? metadata_log_member(node->log) : 0;
        if (raft_configuration_find(raft_configuration(leader->log->raft), member) == NULL) return false;
        if (metadata_log_standing(node->log) != STANDING_MEMBER) return false;
    }
    return view.members == nodes && view.voters == MIN(odd, lab->config.voters_target);
}

static bool come_to_rest(struct lab *lab)
{
    end_chaos(lab);
    const uint64_t before = lab->applied_max;
    for (uint32_t i = 0; i < lab->config.nodes; i++) lab->nodes[i].leaves = false;
    for (int i = 0; i < 1500 && lab->violation[0] == 0; i++) { /* a vote that is lost is waited for, half a minute */
        lab_run(lab, lab->now_ns + 50 * LAB_MS);
        for (uint32_t k = 0; k < lab->config.nodes; k++) {
            if (!lab->nodes[k].up) lab_boot(lab, &lab->nodes[k]); /* it was removed, and had not heard of it */
        }
        if (lab->applied_max > before && is_in_order(lab)) return true;
        struct lab_node *leader = lab_leader(lab);
        if (leader != NULL && lab->applied_max == before) lab_propose(lab, leader);
    }
    return false;
}

static bool run_seed(uint64_t seed)
{
    struct lab_config config = draw_config(seed);
    struct prng prng;

    prng_init(&prng, seed, 2);
    config.voters_target = 1 + 2 * (uint32_t)prng_below(&prng, 3);
    struct lab *lab = lab_new(&config);
    const struct mood mood = draw_moves(lab);
    uint64_t next_ns = mood.pause_ns;

    while (lab->now_ns < 15000 * LAB_MS && lab->violation[0] == 0) {
        lab_run(lab, lab->now_ns + 1 + lab_draw(lab, 15 * LAB_MS));
        struct lab_node *leader = lab_leader(lab), *node = lab_any(lab);
        if (leader != NULL && lab_chance(lab, 600)) lab_propose(lab, leader);
        if (node->up && lab_chance(lab, 100)) lab_read(lab, node);
        if (lab->now_ns < next_ns) continue;
        next_ns = lab->now_ns + lab_draw(lab, 2 * mood.pause_ns);
        const struct deed_done done = disturb(lab, &mood);
        if (done.deed == WIPE) wipe(lab, done.node);
        if (done.deed == LEAVE) done.node->leaves = has_noticed(lab);
    }
    if (lab->violation[0] == 0 && !come_to_rest(lab)) lab_violate(lab, "it does not come to rest");
    return judge_run(lab);
}

TEST(chaos_of_members)
{
    EXPECT_EQ("every seed is clean", 0, run_seeds(40, run_seed));
}
