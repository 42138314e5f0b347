/* The metadata log of several members in chaos: loss, reordering, cuts, crashes at any order, full and slow disks,
 * members that come and go. Then all is healed, and everything must come to rest in one state.
 */
#include "cluster_chaos.h"

/* Up to two changes at once, most of which make sense. */
static void change_members(struct lab *lab)
{
    struct lab_node *leader = lab_leader(lab);
    struct raft_change changes[2];
    uint32_t count = 0;

    if (leader == NULL) return;
    const struct raft_configuration *list = raft_configuration(leader->log->raft);
    const bool grow = lab_chance(lab, 700);
    const uint32_t first = (uint32_t)lab_draw(lab, lab->config.nodes);
    for (uint32_t i = 0; i < lab->config.nodes && count < 2; i++) {
        struct lab_node *node = &lab->nodes[(first + i) % lab->config.nodes];
        if (!node->up || metadata_log_state(node->log) != METADATA_LOG_OPEN) continue;
        const uint64_t id = metadata_log_member(node->log);
        const struct raft_member *member = raft_configuration_find(list, id);
        const bool voter = member != NULL && (member->flags & RAFT_VOTER) != 0;
        if (lab_chance(lab, 300) || !metadata_log_identity_is_durable(node->log)) continue;
        if (member == NULL && metadata_log_standing(node->log) != STANDING_WAITS) continue;
        struct raft_change change = { RAFT_ADD,
                                      id,
                                      { (const uint8_t *)node->address, (uint32_t)strlen(node->address) } };
        if (member != NULL && !voter) change.kind = grow ? RAFT_PROMOTE : RAFT_REMOVE;
        if (voter) change.kind = lab_chance(lab, 500) ? RAFT_REMOVE : RAFT_DEMOTE;
        if (member != NULL && voter == grow) continue;
        changes[count++] = change;
    }
    if (count == 0) return;
    lab->stats.changes += metadata_log_change(leader->log, changes, count) == RAFT_ACCEPTED;
    lab_after(lab, leader);
}

/* A disk is wiped only where that cannot cost a majority its memory: of a node that votes in nobody's list. */
static bool may_be_wiped(struct lab *lab, uint64_t member)
{
    for (uint32_t i = 0; i < lab->config.nodes; i++) {
        const struct lab_node *other = &lab->nodes[i];
        if (!other->up || metadata_log_state(other->log) != METADATA_LOG_OPEN) return false;
        const struct raft *raft = other->log->raft;
        const struct raft_configuration *lists[] = { &raft->in_force, &raft->previous };
        for (uint32_t k = 0; k < 2; k++) {
            const struct raft_member *listed = raft_configuration_find(lists[k], member);
            if (listed != NULL && listed->flags != 0) return false;
        }
    }
    return true;
}

static void wipe(struct lab *lab, struct lab_node *node)
{
    if (!node->up || metadata_log_state(node->log) != METADATA_LOG_OPEN) return;
    const uint64_t member = metadata_log_member(node->log);
    if (!may_be_wiped(lab, member)) return;
    lab_crash(lab, node, true);
    lab_wipe(lab, node);
    lab_boot(lab, node);
}

static bool come_to_rest(struct lab *lab)
{
    end_chaos(lab);
    const uint64_t before = lab->applied_max;
    for (int i = 0; i < 400 && lab->violation[0] == 0; i++) {
        lab_run(lab, lab->now_ns + 50 * LAB_MS);
        if (lab->applied_max > before && is_at_rest(lab)) return true;
        struct lab_node *leader = lab_leader(lab);
        if (leader != NULL && lab->applied_max == before) lab_propose(lab, leader);
    }
    return false;
}

static bool run(uint64_t seed, uint32_t corrupt)
{
    struct lab_config config = draw_config(seed);

    config.corrupt = corrupt;
    struct lab *lab = lab_new(&config);
    struct mood mood = draw_mood(lab);
    const uint32_t usual = lab_chance(lab, 800) ? (uint32_t)lab_draw(lab, 60) : 0; /* changes, per mille of moments */
    mood.weights[WIPE] = mood.weights[WIPE] > 0;
    mood.weights[LEAVE] = 0; /* here members are changed by hand */
    balance(&mood);
    uint64_t next_ns = mood.pause_ns;

    while (lab->now_ns < 6000 * LAB_MS && lab->violation[0] == 0) {
        lab_run(lab, lab->now_ns + 1 + lab_draw(lab, 15 * LAB_MS));
        struct lab_node *leader = lab_leader(lab), *node = lab_any(lab);
        if (leader != NULL && lab_chance(lab, 600)) lab_propose(lab, leader);
        if (node->up && lab_chance(lab, 100)) lab_read(lab, node);
        const uint32_t changes = lab->now_ns < 500 * LAB_MS ? 300 : usual; /* a founder is not alone for long */
        if (lab_chance(lab, changes)) change_members(lab);
        if (lab->now_ns < next_ns) continue;
        next_ns = lab->now_ns + lab_draw(lab, 2 * mood.pause_ns);
        const struct deed_done done = disturb(lab, &mood);
        if (done.deed == WIPE) wipe(lab, done.node);
    }
    if (corrupt == 0 && lab->violation[0] == 0 && !come_to_rest(lab)) lab_violate(lab, "it does not come to rest");
    return judge_run(lab);
}

static bool run_honest(uint64_t seed)
{
    return run(seed, 0);
}

static bool run_with_lies(uint64_t seed)
{
    return run(seed, 5 + (uint32_t)(seed % 50));
}

TEST(chaos)
{
    EXPECT_EQ("every seed is clean", 0, run_seeds(60, run_honest));
}

/* Members that say anything: whole frames with bits changed. A node may be led astray, but it fails no CHECK. */
TEST(chaos_with_lies)
{
    EXPECT_EQ("every seed is clean", 0, run_seeds(20, run_with_lies));
}
