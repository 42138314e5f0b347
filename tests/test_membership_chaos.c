/* Nodes that join by themselves, lose their disks, are removed and come again, while leaders deal out votes; under
 * loss, cuts, crashes and full disks. Never more votes forget than the rest can spare. Then all is healed, and
 * everybody must be a member, with as many votes as there should be.
 *
 * LAB_SEEDS=A..B runs others than the usual seeds, LAB_PRINT=1 prints what the nodes say. */
#include "cluster_deeds.h"

#include <signal.h>

enum deed {
    CRASH_ANY,
    CRASH_LEADER,
    KILL,
    RESTART,
    WIPE,
    LEAVE,
    CUT,
    HEAL,
    HAND_OVER,
    STALL,
    FULL,
    RELIEVE,
    DEED_COUNT
};

struct mood {
    uint32_t weights[DEED_COUNT], sum;
    uint64_t pause_ns;
};

static struct lab_config draw_config(uint64_t seed)
{
    struct prng prng;
    prng_init(&prng, seed, 1);
    const bool storm = prng_chance(&prng, 1, 5);
    return (struct lab_config){
        .seed = seed,
        .nodes = 3 + (uint32_t)prng_below(&prng, 4),
        .loss = (uint32_t)prng_below(&prng, storm ? 200 : 60),
        .duplicate = (uint32_t)prng_below(&prng, 60),
        .delay_ns = LAB_MS / 10 + prng_below(&prng, (storm ? 60 : 5) * LAB_MS),
        .disk_ns = LAB_MS / 20 + prng_below(&prng, 3 * LAB_MS),
        .late = (uint32_t)prng_below(&prng, 40),
        .snapshot_entries = 4 + (uint32_t)prng_below(&prng, 40),
        .journal_file_size = 16u << (10 + prng_below(&prng, 3)),
        .voters_target = 1 + 2 * (uint32_t)prng_below(&prng, 3),
        .prints = getenv("LAB_PRINT") != NULL,
    };
}

static struct mood draw_mood(struct lab *lab)
{
    struct mood mood = { .pause_ns = 5 * LAB_MS + lab_draw(lab, 200 * LAB_MS) };

    for (uint32_t i = 0; i < DEED_COUNT; i++) {
        mood.weights[i] = lab_chance(lab, 600) ? 1 + (uint32_t)lab_draw(lab, 10) : 0;
    }
    mood.weights[LEAVE] = MIN(mood.weights[LEAVE], 2);
    /* What falls is picked up again, or soon nothing is left to test. */
    mood.weights[RESTART] = 2 * (mood.weights[CRASH_ANY] + mood.weights[CRASH_LEADER] + mood.weights[KILL]) + 1;
    mood.weights[HEAL] = mood.weights[CUT] + 1;
    mood.weights[RELIEVE] = 2 * mood.weights[FULL];
    for (uint32_t i = 0; i < DEED_COUNT; i++) mood.sum += mood.weights[i];
    return mood;
}

static void cut_network(struct lab *lab)
{
    const uint64_t how = lab_draw(lab, 4);
    struct lab_node *node = lab_any(lab);

    if (how == 0) {
        for (uint32_t i = 0; i < lab->config.nodes; i++) lab->nodes[i].group = (uint32_t)lab_draw(lab, 2);
    } else if (how == 1) node->group = 2;
    else if (how == 2) node->deaf = true;
    else node->mute = true;
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

static void disturb(struct lab *lab, const struct mood *mood)
{
    struct lab_node *node = lab_any(lab), *leader = lab_leader(lab);
    uint64_t at = lab_draw(lab, mood->sum);
    uint32_t deed = 0;

    for (; at >= mood->weights[deed]; deed++) at -= mood->weights[deed];
    switch ((enum deed)deed) {
    case CRASH_ANY:
        if (node->up) lab_crash(lab, node, true);
        break;
    case CRASH_LEADER:
        if (leader != NULL) lab_crash(lab, leader, true);
        break;
    case KILL:
        if (node->up) lab_crash(lab, node, false);
        break;
    case RESTART:
        if (!node->up) lab_boot(lab, node);
        break;
    case WIPE: wipe(lab, node); break;
    case LEAVE: node->leaves = has_noticed(lab); break;
    case CUT: cut_network(lab); break;
    case HEAL: lab_heal(lab); break;
    case HAND_OVER:
        if (leader == NULL) break;
        metadata_log_transfer(leader->log, lab_chance(lab, 500) || !node->up ? 0 : metadata_log_member(node->log));
        lab_after(lab, leader);
        break;
    case STALL:
        if (node->disk_due_ns != LAB_NEVER) node->disk_due_ns += lab_draw(lab, 600 * LAB_MS);
        break;
    case FULL: node->disk->full = node->up && metadata_log_state(node->log) == METADATA_LOG_OPEN; break;
    case RELIEVE:
        for (uint32_t i = 0; i < lab->config.nodes; i++) lab->nodes[i].disk->full = false;
        break;
    case DEED_COUNT: break;
    }
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
    lab->config.loss = 0;
    lab->config.duplicate = 0;
    lab->config.late = 0;
    lab->config.corrupt = 0;
    lab->config.delay_ns = MIN(lab->config.delay_ns, 5 * LAB_MS);
    lab_heal(lab);
    for (uint32_t i = 0; i < lab->config.nodes; i++) {
        if (!lab->nodes[i].up) lab_boot(lab, &lab->nodes[i]);
    }
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

static unsigned long long running_seed;

static void on_abort(int signal_number)
{
    fprintf(stderr, "seed %llu\n", running_seed);
    signal(signal_number, SIG_DFL);
}

static bool run_seed(uint64_t seed)
{
    struct lab_config config = draw_config(seed);

    running_seed = seed;
    struct lab *lab = lab_new(&config);
    const struct mood mood = draw_mood(lab);
    uint64_t next_ns = mood.pause_ns;

    while (lab->now_ns < 15000 * LAB_MS && lab->violation[0] == 0) {
        lab_run(lab, lab->now_ns + 1 + lab_draw(lab, 15 * LAB_MS));
        struct lab_node *leader = lab_leader(lab), *node = lab_any(lab);
        if (leader != NULL && lab_chance(lab, 600)) lab_propose(lab, leader);
        if (node->up && lab_chance(lab, 100)) lab_read(lab, node);
        if (lab->now_ns < next_ns) continue;
        next_ns = lab->now_ns + lab_draw(lab, 2 * mood.pause_ns);
        disturb(lab, &mood);
    }
    if (lab->violation[0] == 0 && !come_to_rest(lab)) lab_violate(lab, "it does not come to rest");
    if (lab->violation[0] != 0) say_nodes(lab);
    const bool good = lab->violation[0] == 0;
    if (!good) {
        fprintf(stderr, "seed %llu at %llu ms: %s\n", (unsigned long long)seed,
                (unsigned long long)(lab->now_ns / LAB_MS), lab->violation);
    }
    lab_free(lab);
    return good;
}

static void seeds(unsigned long long *from, unsigned long long *to)
{
    const char *asked = getenv("LAB_SEEDS");
    if (asked != NULL && sscanf(asked, "%llu..%llu", from, to) == 1) *to = *from;
}

TEST(chaos_of_members)
{
    unsigned long long from = 1, to = 40, failed = 0;

    signal(SIGABRT, on_abort);
    seeds(&from, &to);
    for (unsigned long long seed = from; seed <= to && failed < 10; seed++) {
        if (!run_seed(seed)) failed++;
#ifdef CHRONIK_MUTANTS
        if (failed > 0) {
            fprintf(stderr, "killed by seed %llu\n", seed);
            break;
        }
#endif
    }
    EXPECT_EQ("every seed is clean", 0, failed);
    if (getenv("LAB_SEEDS") == NULL) return;
    printf("steps %llu messages %llu crashes %llu wipes %llu proposed %llu applied %llu installs %llu leaders %llu "
           "joins %llu removals %llu reads %llu\n",
           (unsigned long long)lab_total.steps, (unsigned long long)lab_total.messages,
           (unsigned long long)lab_total.crashes, (unsigned long long)lab_total.wipes,
           (unsigned long long)lab_total.proposed, (unsigned long long)lab_total.applied,
           (unsigned long long)lab_total.installs, (unsigned long long)lab_total.leaders,
           (unsigned long long)lab_total.joins, (unsigned long long)lab_total.removals,
           (unsigned long long)lab_total.reads);
#ifdef CHRONIK_MUTANTS
    printf("mutant reached %llu\n", (unsigned long long)mutant_reached);
#endif
}
