/* Each rule about the metadata group fires on the least history that breaks it, and on nothing else.
 *
 * Histories are made by hand: what raft/raft.h and meta/image.h would answer is set here, in place of them. */
#include "sim/group.h"
#include "t.h"

#include "meta/snapshot.h"
#include "raft/raft.h"
#include "status.h"

enum { NODES = 3, ENTRIES_MAX = 16 };

struct raft {
    uint64_t id, term, vote, first, last, stored, commit;
    bool started, vote_is_under_way;
    enum raft_role role;
    struct raft_entry entries[ENTRIES_MAX]; /* by index */
    uint8_t payloads[ENTRIES_MAX];
    struct raft_configuration configuration, before;
    struct raft_member members[NODES], members_before[NODES];
};

struct image {
    uint64_t applied, digest;
};

static struct raft rafts[NODES];
static struct image images[NODES];
static uint32_t lives[NODES];
static bool applying;
static struct group group;
static struct judge judge;

uint64_t raft_id(const struct raft *raft)
{
    return raft->id;
}

bool raft_is_started(const struct raft *raft)
{
    return raft->started;
}

enum raft_role raft_role(const struct raft *raft)
{
    return raft->role;
}

uint64_t raft_term(const struct raft *raft)
{
    return raft->term;
}

uint64_t raft_vote(const struct raft *raft)
{
    return raft->vote;
}

bool raft_vote_is_durable(const struct raft *raft)
{
    return !raft->vote_is_under_way;
}

uint64_t raft_commit_index(const struct raft *raft)
{
    return raft->commit;
}

uint64_t raft_first_index(const struct raft *raft)
{
    return raft->first;
}

uint64_t raft_last_index(const struct raft *raft)
{
    return raft->last;
}

uint64_t raft_stored_index(const struct raft *raft)
{
    return raft->stored;
}

struct raft_entry raft_entry(const struct raft *raft, uint64_t index)
{
    return raft->entries[index];
}

uint64_t raft_term_at(const struct raft *raft, uint64_t index)
{
    return index + 1 < raft->first || index > raft->last ? 0 : raft->entries[index].term;
}

struct bytes node_entry(const struct node *node, uint64_t index)
{
    const struct raft *raft = (const struct raft *)(const void *)node; /* here a node is nothing else */
    return (struct bytes){ &raft->payloads[index], 1 };
}

const struct raft_configuration *raft_configuration(const struct raft *raft)
{
    return &raft->configuration;
}

const struct raft_configuration *raft_configuration_at(const struct raft *raft, uint64_t index)
{
    (void)index;
    return raft->before.count == 0 ? NULL : &raft->before;
}

struct image_view image_view(const struct image *image)
{
    return (struct image_view){ .applied_index = image->applied };
}

bool node_image_is_whole(const struct node *node)
{
    (void)node;
    return !applying;
}

uint64_t image_digest(const struct image *image)
{
    return image->digest;
}

/* ---- telling a history ---- */

/* Three voters with nothing in their logs. */
static void begin(void)
{
    group_init(&group);
    judge_init(&judge);
    memset(images, 0, sizeof images);
    applying = false;
    for (uint32_t i = 0; i < NODES; i++) {
        struct raft *raft = &rafts[i];
        *raft = (struct raft){ .id = (uint64_t)(i + 1) << 24 | 7, .started = true, .term = 1, .first = 1 };
        raft->configuration = (struct raft_configuration){ .count = NODES, .members = raft->members };
        for (uint32_t j = 0; j < NODES; j++) {
            raft->members[j] = (struct raft_member){ .id = (uint64_t)(j + 1) << 24 | 7, .flags = RAFT_VOTER };
        }
        lives[i] = 1;
    }
}

static void look(uint32_t node)
{
    const struct group_look now = { .number = node - 1,
                                    .life = lives[node - 1],
                                    .node = (const struct node *)(const void *)&rafts[node - 1],
                                    .raft = &rafts[node - 1],
                                    .image = &images[node - 1],
                                    .images = 1 };
    group_on_step(&group, &judge, &now);
}

static void leads(uint32_t node, uint64_t term)
{
    rafts[node - 1].role = RAFT_LEADER;
    rafts[node - 1].term = term;
    look(node);
}

static void follows(uint32_t node, uint64_t term)
{
    rafts[node - 1].role = RAFT_FOLLOWER;
    rafts[node - 1].term = term;
    look(node);
}

static void votes(uint32_t node, uint64_t term, uint32_t candidate, bool stored)
{
    struct raft *raft = &rafts[node - 1];
    raft->term = term;
    raft->vote = (uint64_t)candidate << 24 | 7;
    raft->vote_is_under_way = !stored;
    look(node);
}

/* An entry behind the last one, on disk or not. */
static void appends(uint32_t node, uint64_t term, uint32_t size, bool stored)
{
    struct raft *raft = &rafts[node - 1];
    raft->entries[++raft->last] = (struct raft_entry){ .term = term, .size = size, .kind = RAFT_ENTRY_DATA };
    if (stored) raft->stored = raft->last;
    look(node);
}

static void truncates(uint32_t node, uint64_t last)
{
    rafts[node - 1].last = rafts[node - 1].stored = last;
    look(node);
}

static void commits(uint32_t node, uint64_t index)
{
    rafts[node - 1].commit = index;
    look(node);
}

static void applies(uint32_t node, uint64_t index, uint64_t digest)
{
    images[node - 1] = (struct image){ index, digest };
    look(node);
}

static void restarts(uint32_t node, uint64_t last)
{
    struct raft *raft = &rafts[node - 1];
    lives[node - 1]++;
    raft->started = false;
    const uint64_t before = raft->last;
    raft->last = raft->stored = raft->commit = raft->term = raft->vote = 0;
    raft->role = RAFT_FOLLOWER;
    look(node);
    raft->started = true;
    raft->last = raft->stored = last < before ? last : before;
    look(node);
}

/* ---- histories ---- */

static void a_quiet_life(void)
{
    leads(1, 2);
    for (uint32_t node = 1; node <= 3; node++) appends(node, 2, 10, true);
    for (uint32_t node = 1; node <= 3; node++) commits(node, 1);
    for (uint32_t node = 1; node <= 3; node++) applies(node, 1, 77);
    restarts(1, 1);
    follows(1, 2);
    leads(2, 3);
}

static void two_leaders(void)
{
    leads(1, 2);
    leads(2, 2);
}

static void a_new_term_has_a_new_leader(void)
{
    leads(1, 2);
    leads(2, 3);
    follows(1, 3);
    leads(1, 4);
}

static void it_leads_again_after_a_restart(void)
{
    leads(1, 2);
    restarts(1, 0);
    leads(1, 2);
}

static void the_term_steps_back(void)
{
    follows(1, 5);
    follows(1, 4);
}

static void it_votes_again_after_a_restart(void)
{
    votes(3, 2, 1, true);
    restarts(3, 0);
    votes(3, 2, 2, true);
}

static void a_vote_that_was_not_on_disk_is_forgotten(void)
{
    votes(3, 2, 1, false);
    restarts(3, 0);
    votes(3, 2, 2, true);
}

static void a_vote_per_term(void)
{
    votes(3, 2, 1, true);
    votes(3, 3, 2, true);
    votes(2, 3, 1, true);
}

static void a_term_that_was_not_on_disk_is_forgotten(void)
{
    follows(1, 5);
    restarts(1, 0);
    follows(1, 4);
}

static void two_entries_of_one_name(void)
{
    appends(1, 2, 10, true);
    appends(2, 2, 11, true);
}

static void two_contents_of_one_entry(void)
{
    rafts[1].payloads[1] = 'x';
    appends(1, 2, 10, true);
    appends(2, 2, 10, true);
}

static void one_entry_behind_two(void)
{
    appends(1, 2, 10, true);
    appends(1, 4, 20, true);
    appends(2, 3, 10, true);
    appends(2, 4, 20, true);
}

static void entries_of_two_terms(void)
{
    appends(1, 2, 10, true);
    appends(2, 3, 11, true);
}

static void an_entry_is_replaced(void)
{
    appends(1, 2, 10, true);
    appends(1, 2, 10, true);
    truncates(1, 1);
    appends(1, 3, 5, true);
    appends(2, 2, 10, true);
    appends(2, 3, 5, true);
}

static void a_replaced_entry_is_looked_at_again(void)
{
    appends(2, 2, 10, true);
    appends(2, 3, 6, true);
    appends(1, 2, 10, true);
    appends(1, 2, 10, true);
    rafts[0].entries[2] = (struct raft_entry){ .term = 3, .size = 5, .kind = RAFT_ENTRY_DATA }; /* in one step */
    look(1);
}

static void two_commits_at_one_index(void)
{
    appends(1, 2, 10, true);
    appends(2, 2, 10, true);
    appends(3, 3, 10, true);
    leads(1, 2);
    commits(1, 1);
    commits(3, 1);
}

static void a_commit_is_taken_back(void)
{
    appends(1, 2, 10, true);
    appends(1, 2, 10, true);
    appends(2, 2, 10, true);
    appends(2, 2, 10, true);
    leads(1, 2);
    commits(1, 2);
    commits(1, 1);
}

static void two_images_at_one_index(void)
{
    applies(1, 4, 77);
    applies(2, 4, 78);
}

static void an_entry_is_applied_in_part(void)
{
    applies(1, 4, 77);
    applying = true;
    applies(2, 4, 78);
}

static void images_at_different_indexes_differ(void)
{
    applies(1, 4, 77);
    applies(2, 5, 78);
}

static void committed_by_one_of_three(void)
{
    appends(1, 2, 10, true);
    appends(2, 2, 10, false);
    appends(3, 2, 10, false);
    leads(1, 2);
    commits(1, 1);
}

static void committed_before_the_leader_has_it(void)
{
    appends(1, 2, 10, false);
    appends(2, 2, 10, true);
    appends(3, 2, 10, true);
    leads(1, 2);
    commits(1, 1);
}

static void a_learner_does_not_count(void)
{
    for (uint32_t i = 0; i < NODES; i++) rafts[i].members[2].flags = 0;
    appends(1, 2, 10, true);
    appends(3, 2, 10, true);
    leads(1, 2);
    commits(1, 1);
}

static void both_sets_of_voters_count(void)
{
    for (uint32_t i = 0; i < NODES; i++) {
        rafts[i].members[0].flags = RAFT_VOTER | RAFT_OLD_VOTER;
        rafts[i].members[1].flags = RAFT_VOTER;
        rafts[i].members[2].flags = RAFT_OLD_VOTER;
    }
    appends(1, 2, 10, true);
    appends(2, 2, 10, true);
    leads(1, 2);
    commits(1, 1);
}

static void the_list_changes_with_the_commit(void)
{
    struct raft *leader = &rafts[0];
    leader->members_before[0] = leader->members[0];
    leader->before = (struct raft_configuration){ .count = 1, .members = leader->members_before };
    appends(1, 2, 10, true);
    leads(1, 2);
    commits(1, 1);
}

static void another_entry_at_that_index_does_not_count(void)
{
    appends(1, 2, 10, true);
    appends(2, 3, 10, true);
    appends(3, 3, 10, true);
    leads(1, 2);
    commits(1, 1);
}

static void a_follower_may_not_know_of_a_majority(void)
{
    appends(2, 2, 10, true);
    commits(2, 1);
}

static void a_voter_that_is_down_still_has_its_disk(void)
{
    appends(1, 2, 10, true);
    appends(2, 2, 10, true);
    lives[1]++;
    rafts[1] = (struct raft){ .id = rafts[1].id };
    look(2);
    leads(1, 2);
    commits(1, 1);
}

static void a_voter_whose_disk_is_wiped_has_nothing(void)
{
    a_voter_that_is_down_still_has_its_disk();
    group_on_wiped(&group, 1);
    appends(1, 2, 10, true);
    commits(1, 2);
}

static void a_disk_forgets(void)
{
    appends(1, 2, 10, true);
    appends(1, 2, 10, true);
    restarts(1, 1);
}

static void what_was_not_on_disk_is_forgotten(void)
{
    appends(1, 2, 10, true);
    appends(1, 2, 10, false);
    restarts(1, 1);
}

static const struct history_row {
    const char *why;
    void (*history)(void);
    enum rule rule;
} history_rows[] = {
    { "a quiet life", a_quiet_life, RULE_NONE },
    { "two leaders in one term", two_leaders, RULE_O4 },
    { "a leader per term", a_new_term_has_a_new_leader, RULE_NONE },
    { "a leader that restarts has forgotten what it appended", it_leads_again_after_a_restart, RULE_O4 },
    { "a term that steps back in one life", the_term_steps_back, RULE_O4 },
    { "a voter that restarts has forgotten its vote", it_votes_again_after_a_restart, RULE_O4 },
    { "a vote that nobody was told of", a_vote_that_was_not_on_disk_is_forgotten, RULE_NONE },
    { "a vote per term and voter", a_vote_per_term, RULE_NONE },
    { "a term that nobody was promised", a_term_that_was_not_on_disk_is_forgotten, RULE_NONE },
    { "two entries at an index and a term", two_entries_of_one_name, RULE_O5 },
    { "two contents of an entry", two_contents_of_one_entry, RULE_O5 },
    { "an entry, and two before it", one_entry_behind_two, RULE_O5 },
    { "two terms have an entry each", entries_of_two_terms, RULE_NONE },
    { "what is not committed may be replaced", an_entry_is_replaced, RULE_NONE },
    { "and is looked at anew, if the length is the same", a_replaced_entry_is_looked_at_again, RULE_O5 },
    { "two entries committed at one index", two_commits_at_one_index, RULE_O6 },
    { "a commit is taken back", a_commit_is_taken_back, RULE_O6 },
    { "two images after the same entry", two_images_at_one_index, RULE_O6 },
    { "an image that is on its way to the next one", an_entry_is_applied_in_part, RULE_NONE },
    { "an image per entry", images_at_different_indexes_differ, RULE_NONE },
    { "committed, and one disk of three has it", committed_by_one_of_three, RULE_O14 },
    { "the leader's own disk is one like the others", committed_before_the_leader_has_it, RULE_NONE },
    { "a learner's disk is not a voter's", a_learner_does_not_count, RULE_O14 },
    { "while they change, both sets decide", both_sets_of_voters_count, RULE_O14 },
    { "enough by the list that was in force when it was committed", the_list_changes_with_the_commit, RULE_NONE },
    { "another entry there is no vote for this one", another_entry_at_that_index_does_not_count, RULE_O14 },
    { "followers commit what they are told", a_follower_may_not_know_of_a_majority, RULE_NONE },
    { "a voter that is down has its disk", a_voter_that_is_down_still_has_its_disk, RULE_NONE },
    { "one that was wiped has none", a_voter_whose_disk_is_wiped_has_nothing, RULE_O14 },
    { "a disk forgets what it was said to hold", a_disk_forgets, RULE_O12 },
    { "it may forget the rest", what_was_not_on_disk_is_forgotten, RULE_NONE },
};

TEST(histories)
{
    FOR_EACH(history_row, row, history_rows) {
        begin();
        row->history();
        EXPECT_EQ(row->why, row->rule, judge.broken);
        group_free(&group);
        judge_free(&judge);
    }
}
