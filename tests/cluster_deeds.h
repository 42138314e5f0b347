/* cluster_deeds.h -- what tests of a cluster of metadata logs have in common: making one, working, coming to rest. */
#ifndef CHRONIK_TESTS_CLUSTER_DEEDS_H
#define CHRONIK_TESTS_CLUSTER_DEEDS_H

#include "cluster_lab.h"

#ifdef CHRONIK_MUTANTS
static uint64_t mutant_reached;

/* MUTANT=M67 switches a known bug on. */
bool mutant_active(const char *name)
{
    static const char *active;
    if (active == NULL) active = getenv("MUTANT") != NULL ? getenv("MUTANT") : "";
    if (strcmp(active, name) != 0) return false;
    mutant_reached++;
    return true;
}
#endif

static struct lab_config calm(uint32_t nodes)
{
    return (struct lab_config){ .seed = 1,
                                .nodes = nodes,
                                .delay_ns = LAB_MS / 2,
                                .disk_ns = LAB_MS / 4,
                                .snapshot_entries = 1000,
                                .journal_file_size = 64 << 10,
                                .prints = getenv("LAB_PRINT") != NULL };
}

static bool change(struct lab *lab, enum raft_change_kind kind, struct lab_node *node)
{
    struct lab_node *leader = lab_leader(lab);
    if (leader == NULL || (kind == RAFT_ADD && metadata_log_member(node->log) == 0)) return false;
    const struct raft_change one = { kind,
                                     metadata_log_member(node->log),
                                     { (const uint8_t *)node->address, (uint32_t)strlen(node->address) } };
    const enum raft_verdict verdict = metadata_log_change(leader->log, &one, 1);

    lab_after(lab, leader);
    return verdict == RAFT_ACCEPTED;
}

/* Until it is taken; nothing takes longer than this. */
static void change_surely(struct lab *lab, enum raft_change_kind kind, struct lab_node *node)
{
    for (int i = 0; i < 100; i++) {
        if (change(lab, kind, node)) return;
        lab_run(lab, lab->now_ns + 50 * LAB_MS);
    }
    EXPECT("the change is taken", false);
}

static bool is_at_rest(struct lab *lab)
{
    const struct lab_node *leader = lab_leader(lab);
    if (leader == NULL || !metadata_log_leads(leader->log)) return false;
    const struct raft_configuration *list = raft_configuration(leader->log->raft);
    const uint64_t last = raft_last_index(leader->log->raft);

    if (!raft_configuration_is_committed(leader->log->raft) || raft_configuration_is_joint(list)) return false;
    for (uint32_t i = 0; i < list->count; i++) {
        struct lab_node *node = lab_find(lab, member_node(list->members[i].id));
        if (node == NULL || !node->up || metadata_log_member(node->log) != list->members[i].id) continue;
        if (image_view(node->image).applied_index != last || raft_leader(node->log->raft) == 0) return false;
        if (metadata_log_first_index(node->log) > last + 1) return false; /* it waits for what never came to be */
    }
    return last >= lab->applied_max;
}

static bool rest(struct lab *lab, uint64_t ms)
{
    const uint64_t until_ns = lab->now_ns + ms * LAB_MS;

    while (lab->now_ns < until_ns && lab->violation[0] == 0) {
        lab_run(lab, lab->now_ns + 20 * LAB_MS);
        if (is_at_rest(lab)) return true;
    }
    return false;
}

static void expect_peace(struct lab *lab)
{
    EXPECT_TEXT("nothing was broken", "", lab->violation);
}

static void work(struct lab *lab, uint32_t entries)
{
    for (uint32_t i = 0; i < entries; i++) {
        struct lab_node *leader = lab_leader(lab);
        if (leader != NULL) lab_propose(lab, leader);
        lab_run(lab, lab->now_ns + lab_draw(lab, 3 * LAB_MS));
    }
}

/* The first of them founds, the others are added and, up to `voters`, vote. */
static struct lab *grown(const struct lab_config *config, uint32_t voters)
{
    struct lab *lab = lab_new(config);

    EXPECT("a founder leads", rest(lab, 1000));
    for (uint32_t i = 1; i < config->nodes; i++) change_surely(lab, RAFT_ADD, &lab->nodes[i]);
    EXPECT("they follow", rest(lab, 3000));
    for (uint32_t i = 1; i < voters; i++) change_surely(lab, RAFT_PROMOTE, &lab->nodes[i]);
    EXPECT("and vote", rest(lab, 3000));
    return lab;
}

/* The members of a list: V votes, v did, l leaves; with * where the directory is the one that is meant. */
static void say_list(struct lab *lab, const struct raft_configuration *list)
{
    fprintf(stderr, " list %d:", (int)list->index);
    for (uint32_t i = 0; i < list->count; i++) {
        const struct raft_member *member = &list->members[i];
        const struct lab_node *node = lab_find(lab, member_node(member->id));
        fprintf(stderr, " %d%s%s%s%s", member_node(member->id), (member->flags & RAFT_VOTER) != 0 ? "V" : "",
                (member->flags & RAFT_OLD_VOTER) != 0 ? "v" : "", (member->flags & RAFT_LEAVING) != 0 ? "l" : "",
                node != NULL && node->member == member->id ? "*" : "");
    }
    fprintf(stderr, "\n");
}

/* Where everybody stands, for who looks for the reason. */
static void say_nodes(struct lab *lab)
{
    for (uint32_t i = 0; i < lab->config.nodes; i++) {
        const struct lab_node *node = &lab->nodes[i];
        if (!lab->config.prints || !node->up) continue;
        const struct metadata_log *log = node->log;
        const struct metadata_log_view view = metadata_log_view(log);
        fprintf(
            stderr,
            "node %d: state %d role %d term %d applied %d committed %d entries %d..%d snapshot %d (%d) install %d "
            "journal %d of %d (%d shared, busy %d, stalled %d) tail %d of %d fits %d waits %d leader %d stored %d\n",
            node->id, (int)metadata_log_state(log), (int)raft_role(log->raft), (int)view.term,
            (int)image_view(node->image).applied_index, (int)view.commit_index, (int)raft_first_index(log->raft),
            (int)view.last_index, (int)view.snapshot_index, (int)log->snapshot, (int)log->install.state,
            (int)view.journal_used, (int)view.journal_max, (int)log->journal_shared_size, journal_is_busy(log->journal),
            journal_is_stalled(log->journal), (int)tail_used_size(log->tail), (int)log->tail_memory_size,
            metadata_entries_fit(log), log->proposer_waits, member_node(view.leader),
            (int)log->raft->storage.stored_index);
        say_list(lab, raft_configuration(log->raft));
    }
}

#endif
