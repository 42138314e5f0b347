/* The metadata log of several members in chaos: loss, reordering, cuts, crashes at any order, full and slow disks,
 * members that come and go. Then all is healed, and everything must come to rest in one state.
 *
 * LAB_SEEDS=A..B runs others than the usual seeds, LAB_PRINT=1 prints what the nodes say. With -DCHRONIK_MUTANTS,
 * LAB_MUTANT=M67 switches a known bug on. */
#include "cluster_deeds.h"

#include <signal.h>

enum deed { CRASH_ANY, CRASH_LEADER, KILL, RESTART, WIPE, CUT, HEAL, HAND_OVER, STALL, FULL, RELIEVE, DEED_COUNT };

struct mood {
    uint32_t weights[DEED_COUNT], sum;
    uint64_t pause_ns;
    uint32_t changes; /* of members, per mille of moments */
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
        .prints = getenv("LAB_PRINT") != NULL,
    };
}

static struct mood draw_mood(struct lab *lab)
{
    struct mood mood = { .pause_ns = 5 * LAB_MS + lab_draw(lab, 200 * LAB_MS) };

    for (uint32_t i = 0; i < DEED_COUNT; i++) {
        mood.weights[i] = lab_chance(lab, 600) ? 1 + (uint32_t)lab_draw(lab, 10) : 0;
    }
    mood.changes = lab_chance(lab, 800) ? (uint32_t)lab_draw(lab, 60) : 0;
    mood.weights[WIPE] = mood.weights[WIPE] > 0;
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
    for (int i = 0; i < 400 && lab->violation[0] == 0; i++) {
        lab_run(lab, lab->now_ns + 50 * LAB_MS);
        if (lab->applied_max > before && is_at_rest(lab)) return true;
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

static bool run_seed(uint64_t seed, uint32_t corrupt)
{
    struct lab_config config = draw_config(seed);

    running_seed = seed;
    config.corrupt = corrupt;
    struct lab *lab = lab_new(&config);
    const struct mood mood = draw_mood(lab);
    uint64_t next_ns = mood.pause_ns;

    while (lab->now_ns < 6000 * LAB_MS && lab->violation[0] == 0) {
        lab_run(lab, lab->now_ns + 1 + lab_draw(lab, 15 * LAB_MS));
        struct lab_node *leader = lab_leader(lab), *node = lab_any(lab);
        if (leader != NULL && lab_chance(lab, 600)) lab_propose(lab, leader);
        if (node->up && lab_chance(lab, 100)) lab_read(lab, node);
        const uint32_t changes = lab->now_ns < 500 * LAB_MS ? 300 : mood.changes; /* a founder is not alone for long */
        if (lab_chance(lab, changes)) change_members(lab);
        if (lab->now_ns < next_ns) continue;
        next_ns = lab->now_ns + lab_draw(lab, 2 * mood.pause_ns);
        disturb(lab, &mood);
    }
    if (corrupt == 0 && lab->violation[0] == 0 && !come_to_rest(lab)) lab_violate(lab, "it does not come to rest");
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

TEST(chaos)
{
    unsigned long long from = 1, to = 60, failed = 0;

    signal(SIGABRT, on_abort);
    seeds(&from, &to);
    for (unsigned long long seed = from; seed <= to && failed < 10; seed++) {
        if (!run_seed(seed, 0)) failed++;
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
           "changes %llu reads %llu\n",
           (unsigned long long)lab_total.steps, (unsigned long long)lab_total.messages,
           (unsigned long long)lab_total.crashes, (unsigned long long)lab_total.wipes,
           (unsigned long long)lab_total.proposed, (unsigned long long)lab_total.applied,
           (unsigned long long)lab_total.installs, (unsigned long long)lab_total.leaders,
           (unsigned long long)lab_total.changes, (unsigned long long)lab_total.reads);
#ifdef CHRONIK_MUTANTS
    printf("mutant reached %llu\n", (unsigned long long)mutant_reached);
#endif
}

/* Members that say anything: whole frames with bits changed. A node may be led astray, but it fails no CHECK. */
TEST(chaos_with_lies)
{
    unsigned long long from = 1, to = 20, failed = 0;

    signal(SIGABRT, on_abort);
    seeds(&from, &to);
    for (unsigned long long seed = from; seed <= to && failed < 10; seed++) {
        if (!run_seed(seed, 5 + (uint32_t)(seed % 50))) failed++;
    }
    EXPECT_EQ("every seed is clean", 0, failed);
}
