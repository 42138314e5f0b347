#pragma once

/* Chaos for the metadata log of several members: what a seed draws, the deeds that disturb, how a run of seeds is
 * reported. What is to be changed about the members, and who may lose his disk, is each test's own matter.
 *
 * LAB_SEEDS=A..B runs others than the usual seeds, LAB_PRINT=1 prints what the nodes say. With -DCHRONIK_MUTANTS,
 * MUTANT=M67 switches a known bug on. */
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

struct deed_done {
    enum deed deed;
    struct lab_node *node; /* to whom */
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

/* What falls is picked up again, or soon nothing is left to test: call it when the weights are as they shall be. */
static void balance(struct mood *mood)
{
    mood->weights[RESTART] = 2 * (mood->weights[CRASH_ANY] + mood->weights[CRASH_LEADER] + mood->weights[KILL]) + 1;
    mood->weights[HEAL] = mood->weights[CUT] + 1;
    mood->weights[RELIEVE] = 2 * mood->weights[FULL];
    for (uint32_t i = 0; i < DEED_COUNT; i++) mood->sum += mood->weights[i];
}

static struct mood draw_mood(struct lab *lab)
{
    struct mood mood = { .pause_ns = 5 * LAB_MS + lab_draw(lab, 200 * LAB_MS) };

    for (uint32_t i = 0; i < DEED_COUNT; i++) {
        mood.weights[i] = lab_chance(lab, 600) ? 1 + (uint32_t)lab_draw(lab, 10) : 0;
    }
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

/* Does what it drew and says it; WIPE and LEAVE are left to the caller. */
static struct deed_done disturb(struct lab *lab, const struct mood *mood)
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
    case WIPE:
    case LEAVE:
    case DEED_COUNT: break;
    }
    return (struct deed_done){ (enum deed)deed, node };
}

/* All faults end, and who is down starts. */
static void end_chaos(struct lab *lab)
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
}

static unsigned long long running_seed;

static void on_abort(int signal_number)
{
    fprintf(stderr, "seed %llu\n", running_seed);
    signal(signal_number, SIG_DFL);
}

/* The end of a run, one way or the other. Frees the lab. */
static bool judge_run(struct lab *lab)
{
    const bool good = lab->violation[0] == 0;

    if (!good) {
        say_nodes(lab);
        fprintf(stderr, "seed %llu at %llu ms: %s\n", running_seed, (unsigned long long)(lab->now_ns / LAB_MS),
                lab->violation);
    }
    lab_free(lab);
    return good;
}

static void print_total(void)
{
    printf("steps %llu messages %llu crashes %llu wipes %llu proposed %llu applied %llu installs %llu leaders %llu "
           "changes %llu joins %llu removals %llu reads %llu\n",
           (unsigned long long)lab_total.steps, (unsigned long long)lab_total.messages,
           (unsigned long long)lab_total.crashes, (unsigned long long)lab_total.wipes,
           (unsigned long long)lab_total.proposed, (unsigned long long)lab_total.applied,
           (unsigned long long)lab_total.installs, (unsigned long long)lab_total.leaders,
           (unsigned long long)lab_total.changes, (unsigned long long)lab_total.joins,
           (unsigned long long)lab_total.removals, (unsigned long long)lab_total.reads);
#ifdef CHRONIK_MUTANTS
    printf("mutant reached %llu\n", (unsigned long long)mutant_reached);
#endif
}

/* Runs the seeds, LAB_SEEDS or else 1 to `usual`, and counts those that fail, up to ten; a mutant dies of one. */
static uint32_t run_seeds(uint32_t usual, bool (*run_seed)(uint64_t seed))
{
    unsigned long long from = 1, to = usual;
    const char *asked = getenv("LAB_SEEDS");
    uint32_t failed = 0;

    signal(SIGABRT, on_abort);
    if (asked != NULL && sscanf(asked, "%llu..%llu", &from, &to) == 1) to = from;
    for (unsigned long long seed = from; seed <= to && failed < 10; seed++) {
        running_seed = seed;
        if (!run_seed(seed)) failed++;
#ifdef CHRONIK_MUTANTS
        if (failed > 0) {
            fprintf(stderr, "killed by seed %llu\n", seed);
            break;
        }
#endif
    }
    if (asked != NULL) print_total();
    return failed;
}
