/* Who votes, who joins, who leaves: the rule as a table, then a few nodes that live by it. */
#include "cluster_deeds.h"

/* ---- the rule ---- */

/* Members as a picture, by rising id from 1 on, the first of them deciding: V a voter that answers, w one that just
 * does not, v one that is silent, x one that is lost; N a learner close enough to vote, n one that is not. */
static uint32_t view_of_picture(const char *picture, struct elector_view *members)
{
    uint32_t count = 0;

    for (; picture[count] != 0; count++) {
        const char c = picture[count];
        members[count] = (struct elector_view){ .id = count + 1,
                                                .voter = strchr("Vwvx", c) != NULL,
                                                .near = c == 'N',
                                                .silence = c == 'x'   ? SILENCE_LOST
                                                           : c == 'v' ? SILENCE_LONG
                                                           : c == 'w' ? SILENCE_SHORT
                                                                      : SILENCE_ANSWERS };
    }
    return count;
}

/* "+3 -2 #4": promotes 3, demotes 2, removes 4. */
static const char *text_of_changes(const struct raft_change *changes, uint32_t count, char *text)
{
    uint32_t size = 0;

    text[0] = 0;
    for (uint32_t i = 0; i < count; i++) {
        const char sign = changes[i].kind == RAFT_PROMOTE ? '+' : changes[i].kind == RAFT_DEMOTE ? '-' : '#';
        size += (uint32_t)sprintf(text + size, "%s%c%d", i > 0 ? " " : "", sign, (int)changes[i].id);
    }
    return text;
}

static const struct deal_row {
    const char *why;
    const char *members;
    uint64_t removed;
    uint32_t target;
    const char *changes;
} deal_rows[] = {
    { "alone", "V", 0, 5, "" },
    { "of two, one learns: two voters tolerate nothing", "VN", 0, 5, "" },
    { "three vote as soon as both others can", "VNN", 0, 5, "+2 +3" },
    { "but not two of them", "VNn", 0, 5, "" },
    { "a fourth learns", "VVVN", 0, 5, "" },
    { "five vote", "VVVNN", 0, 5, "+4 +5" },
    { "no more than the target", "VVVVVNN", 0, 5, "" },
    { "nor where the target is less", "VVVNN", 0, 3, "" },
    { "a target of one", "VNNNN", 0, 1, "" },
    { "the target was lowered: the last ones learn again", "VVVVV", 0, 3, "-5 -4" },
    { "rather those that are silent", "VvVVV", 0, 3, "-2 -5" },
    { "first those that are silent for longest", "VvxVV", 0, 3, "-3 -2" },
    { "who just does not answer may be gone for good", "VwVVV", 0, 3, "-2 -5" },
    { "two of which both vote: one learns again", "VV", 0, 5, "-2" },
    { "an even number, and one that is close", "VVN", 0, 5, "+3" },
    { "an even number survives no more than one less", "VVn", 0, 5, "-2" },
    { "of four, three", "VVVVn", 0, 5, "-4" },
    { "and not the one that may be gone", "VwVVn", 0, 5, "-2" },
    { "a silent voter keeps its vote for a while", "VVvN", 0, 5, "" },
    { "who is lost gives it to a learner that is there", "VVxN", 0, 3, "+4 -3" },
    { "one for one", "VVxxxNN", 0, 5, "+6 +7 -5 -4" },
    { "if there is none, it keeps it", "VVxn", 0, 3, "" },
    { "we decide, and do not think of ourselves as lost", "xVVN", 0, 3, "" },
    { "a learner leaves", "VVVN", 4, 5, "#4" },
    { "a voter leaves, and a learner takes its vote", "VVVN", 3, 3, "#3 +4" },
    { "of three one leaves: of the two, one learns", "VVV", 3, 5, "#3 -2" },
    { "of five one leaves: three vote", "VVVVV", 4, 5, "#4 -5" },
    { "a voter leaves, and the learner takes its vote later", "VVVn", 3, 3, "#3 -2" },
    { "of five that are left four: three vote", "VVVVVn", 5, 5, "#5 -4" },
    { "the leader leaves: the other one has to vote first", "VN", 1, 5, "#1 +2" },
    { "who cannot take over is not asked to", "Vn", 1, 5, "#1" },
    { "the leader leaves, of three", "VVV", 1, 5, "#1 -3" },
};

TEST(votes_are_dealt_out)
{
    FOR_EACH(deal_row, row, deal_rows) {
        struct elector_view members[16];
        struct raft_change changes[RAFT_CHANGES_MAX];
        char text[100];
        const uint32_t count = view_of_picture(row->members, members);
        const uint32_t change_count = membership_deal(members, count, 1, row->removed, row->target, changes);
        EXPECT_TEXT(row->why, row->changes, text_of_changes(changes, change_count, text));
    }
}

static const struct safe_row {
    const char *why;
    const char *members;
    uint64_t removed;
    bool safe;
} safe_rows[] = {
    { "of three, one goes", "VVV", 2, true },
    { "and the one that is left behind decides alone", "VVx", 2, true },
    { "of two, the one that does not vote", "VN", 2, true },
    { "of two, the one that votes, if the other one can", "VN", 1, true },
    { "but not if it cannot", "Vn", 1, false },
    { "of three, the one that decides, and one of the others is gone", "VVv", 1, true },
    { "but not both of them", "Vvv", 1, false },
    { "of five, two of which are gone, a third one", "VVVvv", 2, true },
    { "of five, three of which are gone", "VVvvv", 2, false },
};

TEST(nobody_goes_who_is_needed)
{
    FOR_EACH(safe_row, row, safe_rows) {
        struct elector_view members[16];
        struct raft_change changes[RAFT_CHANGES_MAX];
        const uint32_t count = view_of_picture(row->members, members);
        const uint32_t change_count = membership_deal(members, count, 1, row->removed, 5, changes);
        EXPECT_EQ(row->why, row->safe, membership_is_safe(members, count, changes, change_count));
    }
}

static const struct order_row {
    const char *why;
    const char *members;
    uint64_t member;
    enum voting given;
    const char *give_changes;
    enum voting taken;
    const char *take_changes;
} order_rows[] = {
    { "alone", "V", 1, VOTING_SAME, "", VOTING_FIXED, "" },
    { "of two, one votes, and decides", "VN", 2, VOTING_FIXED, "", VOTING_SAME, "" },
    { "of two, the other one could", "VN", 1, VOTING_SAME, "", VOTING_BEGUN, "+2 -1" },
    { "of three, dealing is about to give it one", "VNN", 2, VOTING_LATER, "", VOTING_SAME, "" },
    { "of three, all are needed", "VVV", 3, VOTING_SAME, "", VOTING_FIXED, "" },
    { "of four, they change places", "VVVN", 4, VOTING_BEGUN, "+4 -3", VOTING_SAME, "" },
    { "of four, they change places", "VVVN", 2, VOTING_SAME, "", VOTING_BEGUN, "+4 -2" },
    { "rather with one that is silent", "VvVN", 4, VOTING_BEGUN, "+4 -2", VOTING_SAME, "" },
    { "who lacks too much gets none", "VVVn", 4, VOTING_BEHIND, "", VOTING_SAME, "" },
    { "nor is it an heir", "VVVn", 2, VOTING_SAME, "", VOTING_FIXED, "" },
    { "who just does not answer loses it to nobody", "VwV", 2, VOTING_SAME, "", VOTING_BEGUN, "-2" },
    { "who is silent, too", "VvV", 2, VOTING_SAME, "", VOTING_BEGUN, "-2" },
    { "but nobody is left to decide it", "Vvv", 2, VOTING_SAME, "", VOTING_UNSAFE, "-2" },
    { "unless a learner is", "VvvN", 2, VOTING_SAME, "", VOTING_BEGUN, "+4 -2" },
};

TEST(votes_change_places_by_order)
{
    FOR_EACH(order_row, row, order_rows) {
        struct elector_view members[16];
        struct raft_change changes[RAFT_CHANGES_MAX];
        uint32_t change_count;
        char text[100];
        const uint32_t count = view_of_picture(row->members, members);
        EXPECT_EQ(row->why, row->given, membership_give(members, count, 1, row->member, changes, &change_count));
        EXPECT_TEXT(row->why, row->give_changes, text_of_changes(changes, change_count, text));
        EXPECT_EQ(row->why, row->taken, membership_take(members, count, row->member, changes, &change_count));
        EXPECT_TEXT(row->why, row->take_changes, text_of_changes(changes, change_count, text));
    }
}

/* Whatever the picture: no more changes than Raft takes, never nobody left to vote, and it comes to an end. */
TEST(dealing_comes_to_an_end)
{
    static const char kinds[] = "VwvxNn";
    struct prng prng;
    prng_init(&prng, 7, 7);

    for (int i = 0; i < 20000; i++) {
        struct elector_view members[16];
        struct raft_change changes[RAFT_CHANGES_MAX];
        char picture[16] = "V";
        uint32_t voters = 1;
        const uint32_t size = 1 + (uint32_t)prng_below(&prng, 10), target = 1 + 2 * (uint32_t)prng_below(&prng, 4);
        for (uint32_t k = 1; k < size; k++) {
            char kind = kinds[prng_below(&prng, 6)];
            if (voters == RAFT_VOTERS_MAX && strchr("Vwvx", kind) != NULL) kind = 'n';
            voters += strchr("Vwvx", kind) != NULL;
            picture[k] = kind;
        }
        uint32_t count = view_of_picture(picture, members), rounds = 0, change_count;
        while ((change_count = membership_deal(members, count, 1, 0, target, changes)) > 0 && rounds++ < 10) {
            EXPECT("as many as Raft takes, with a newcomer", change_count < RAFT_CHANGES_MAX);
            for (uint32_t k = 0; k < change_count; k++) {
                struct elector_view *member = &members[changes[k].id - 1];
                EXPECT("nobody is changed twice", member->voter == (changes[k].kind == RAFT_DEMOTE));
                member->voter = changes[k].kind == RAFT_PROMOTE;
                member->near = false;
            }
            uint32_t votes = 0;
            for (uint32_t k = 0; k < count; k++) votes += members[k].voter;
            EXPECT("somebody votes, and no more than may", votes >= 1 && votes <= MAX(target, voters));
            EXPECT("we do", members[0].voter);
            voters = votes;
        }
        EXPECT("it ends", rounds < 3);
    }
}

/* ---- nodes ---- */

static uint32_t voters_of(struct lab *lab)
{
    const struct lab_node *leader = lab_leader(lab);
    return leader == NULL ? 0 : metadata_log_view(leader->log).voters;
}

static uint32_t members_of(struct lab *lab)
{
    const struct lab_node *leader = lab_leader(lab);
    return leader == NULL ? 0 : metadata_log_view(leader->log).members;
}

/* Everybody who is there is in the list, as who he is now. */
static bool all_are_listed(struct lab *lab)
{
    const struct raft_configuration *list = raft_configuration(lab_leader(lab)->log->raft);

    for (uint32_t i = 0; i < lab->config.nodes; i++) {
        const struct lab_node *node = &lab->nodes[i];
        if (node->up && raft_configuration_find(list, metadata_log_member(node->log)) == NULL) return false;
    }
    return true;
}

static bool becomes(struct lab *lab, uint32_t members, uint32_t voters)
{
    for (int i = 0; i < 600 && lab->violation[0] == 0; i++) {
        lab_run(lab, lab->now_ns + 100 * LAB_MS);
        if (members_of(lab) != members || voters_of(lab) != voters) continue;
        if (all_are_listed(lab) && is_at_rest(lab)) return true;
    }
    return false;
}

/* One grows to five and shrinks to one again, under work, whoever leads. */
TEST(a_cluster_grows_and_shrinks)
{
    struct lab_config config = calm(5);
    config.voters_target = 5;
    config.snapshot_entries = 20;
    struct lab *lab = lab_new(&config);
    static const struct {
        uint32_t nodes, voters;
    } up[] = { { 1, 1 }, { 2, 1 }, { 3, 3 }, { 4, 3 }, { 5, 5 } };

    for (uint32_t i = 1; i < 5; i++) lab_crash(lab, &lab->nodes[i], false);
    for (uint32_t i = 0; i < 5; i++) {
        if (i > 0) lab_boot(lab, &lab->nodes[i]);
        EXPECT("one joins", becomes(lab, up[i].nodes, up[i].voters));
        work(lab, 30);
    }
    for (uint32_t i = 4; i > 0; i--) {
        struct lab_node *leaves = lab_leader(lab); /* each time the one that leads */
        leaves->leaves = true;
        EXPECT("one leaves", becomes(lab, up[i - 1].nodes, up[i - 1].voters));
        lab_run(lab, lab->now_ns + 1000 * LAB_MS);
        EXPECT("it was told, and has stopped", !leaves->up && !leaves->leaves);
        work(lab, 30);
    }
    EXPECT("the last one", rest(lab, 2000));
    lab_leader(lab)->leaves = true;
    work(lab, 10);
    EXPECT_EQ("stays", 1, (int)members_of(lab));
    expect_peace(lab);
    lab_free(lab);
}

/* The list of one is not committed yet when it is made: that it is settled has to be seen as well. */
TEST(of_two_the_one_that_learns_leaves)
{
    struct lab_config config = calm(2);
    config.voters_target = 5;
    struct lab *lab = lab_new(&config);

    EXPECT("two, of which one votes", becomes(lab, 2, 1));
    lab->nodes[1].leaves = true;
    EXPECT("one is alone", becomes(lab, 1, 1));
    lab_run(lab, lab->now_ns + 3000 * LAB_MS);
    EXPECT("and has seen that it is", !lab->nodes[1].leaves);
    EXPECT("and looks no more", lab->nodes[0].membership.look_ns == UINT64_MAX);
    expect_peace(lab);
    lab_free(lab);
}

/* The sole voter is to go: the other one has to vote, lead and remove it, and nothing takes that back half way. */
TEST(of_two_the_one_that_decides_leaves)
{
    struct lab_config config = calm(2);
    config.voters_target = 5;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        config.seed = seed;
        struct lab *lab = lab_new(&config);
        EXPECT("two, of which one votes", becomes(lab, 2, 1));
        lab->nodes[0].leaves = true;
        EXPECT("the other one is alone", becomes(lab, 1, 1));
        EXPECT("and leads", lab_leader(lab) == &lab->nodes[1]);
        expect_peace(lab);
        lab_free(lab);
    }
}

/* With the other one gone, its leaving would end the cluster: it stays, and goes on. */
TEST(of_two_the_one_that_decides_stays_if_it_is_needed)
{
    struct lab_config config = calm(2);
    config.voters_target = 5;
    struct lab *lab = lab_new(&config);

    EXPECT("two, of which one votes", becomes(lab, 2, 1));
    lab_crash(lab, &lab->nodes[1], true);
    lab_run(lab, lab->now_ns + 3000 * LAB_MS);
    const struct lab_node *needed = &lab->nodes[0];
    EXPECT_EQ("whoever asks is told so", REMOVAL_UNSAFE,
              (int)membership_may_remove(&needed->membership, needed->log, needed->id, lab->now_ns));
    lab->nodes[0].leaves = true;
    lab_run(lab, lab->now_ns + 10000 * LAB_MS);
    EXPECT_EQ("it did not go", 2, (int)members_of(lab));
    const uint64_t before = lab->applied_max;
    work(lab, 20);
    EXPECT("and goes on deciding", lab->applied_max > before);
    lab_boot(lab, &lab->nodes[1]);
    EXPECT("until the other one is back", becomes(lab, 1, 1));
    EXPECT("which leads", lab_leader(lab) == &lab->nodes[1]);
    expect_peace(lab);
    lab_free(lab);
}

/* A leader does not remove itself, but hands over; and a new one listens first, for it cannot know who is silent. */
TEST(a_leader_that_leaves_hands_over_first)
{
    struct lab_config config = calm(3);
    config.voters_target = 3;
    struct lab *lab = lab_new(&config);

    EXPECT("three vote", becomes(lab, 3, 3));
    struct lab_node *leader = lab_leader(lab);
    EXPECT_EQ("begun", REMOVAL_BEGUN,
              (int)membership_remove(&leader->membership, leader->log, leader->id, lab->now_ns));
    EXPECT("by handing over", leader->log->raft->handover.to != 0);
    EXPECT("and by nothing else", raft_configuration_is_committed(leader->log->raft));
    lab_after(lab, leader);
    struct lab_node *next = leader;
    for (int i = 0; i < 1000 && (next == NULL || next == leader || metadata_log_generation(next->log) == 0); i++) {
        lab_run(lab, lab->now_ns + LAB_MS);
        next = lab_leader(lab);
    }
    EXPECT("another one leads", next != NULL && next != leader);
    lab_after(lab, next);
    EXPECT_EQ("it listens", REMOVAL_LATER,
              (int)membership_remove(&next->membership, next->log, leader->id, lab->now_ns));
    lab_run(lab, lab->now_ns + MEMBERSHIP_ANSWERS_NS);
    EXPECT_EQ("and then removes", REMOVAL_BEGUN,
              (int)membership_remove(&next->membership, next->log, leader->id, lab->now_ns));
    lab_after(lab, next);
    EXPECT("two are left, and one votes", becomes(lab, 2, 1));
    expect_peace(lab);
    lab_free(lab);
}

/* A node with another directory takes the place of its former self, voter or not, leader or not. */
TEST(who_comes_with_an_empty_directory_takes_its_own_place)
{
    struct lab_config config = calm(3);
    config.voters_target = 3;
    config.snapshot_entries = 20;
    struct lab *lab = lab_new(&config);

    EXPECT("three vote", becomes(lab, 3, 3));
    for (int i = 0; i < 6; i++) {
        struct lab_node *node = i % 2 == 0 ? lab_leader(lab) : lab_any(lab);
        const uint64_t member = metadata_log_member(node->log);
        work(lab, 30);
        lab_crash(lab, node, true);
        lab_wipe(lab, node);
        lab_boot(lab, node);
        EXPECT("three vote again", becomes(lab, 3, 3));
        EXPECT("it is another member", member != metadata_log_member(node->log));
        const struct raft_configuration *list = raft_configuration(lab_leader(lab)->log->raft);
        EXPECT("and the old one is gone", raft_configuration_find(list, member) == NULL);
    }
    expect_peace(lab);
    lab_free(lab);
}

/* The same node id twice: as long as the one is there the other one gets no place. */
TEST(two_of_one_name_are_told_apart)
{
    struct lab_config config = calm(3);
    config.voters_target = 3;
    struct lab *lab = lab_new(&config);

    EXPECT("three vote", becomes(lab, 3, 3));
    struct lab_node *leader = lab_leader(lab);
    struct lab_node *other = leader == &lab->nodes[2] ? &lab->nodes[1] : &lab->nodes[2];
    const uint64_t double_of = metadata_log_member(other->log) ^ 1;
    const struct join join = { false, BYTES_LITERAL("elsewhere:9093") };
    EXPECT_EQ("refused", JOIN_DUPLICATE,
              (int)membership_on_join(&leader->membership, leader->log, double_of, &join, lab->now_ns));
    const uint64_t ours = metadata_log_member(leader->log) ^ 1;
    EXPECT_EQ("our own double, too", JOIN_DUPLICATE,
              (int)membership_on_join(&leader->membership, leader->log, ours, &join, lab->now_ns));
    const struct join late = { true, BYTES_LITERAL("elsewhere:9093") };
    EXPECT_EQ("who was a member and is none", JOIN_REMOVED,
              (int)membership_on_join(&leader->membership, leader->log, (uint64_t)9 << MEMBER_SUFFIX_BITS | 1, &late,
                                      lab->now_ns));
    const struct join moved = { true, BYTES_LITERAL("moved:9093") };
    EXPECT_EQ("who has moved", JOIN_TAKEN,
              (int)membership_on_join(&leader->membership, leader->log, metadata_log_member(other->log), &moved,
                                      lab->now_ns));
    lab_after(lab, leader);
    EXPECT("rests", rest(lab, 3000));
    const struct raft_configuration *list = raft_configuration(leader->log->raft);
    const struct raft_member *member = raft_configuration_find(list, metadata_log_member(other->log));
    EXPECT("is known there", bytes_equal(raft_configuration_address(list, member), moved.address));
    EXPECT("and votes as before", (member->flags & RAFT_VOTER) != 0);
    expect_peace(lab);
    lab_free(lab);
}

/* Asked for while a list is on its way, they are added by the next one, all at once; who does not ask again is not. */
TEST(many_who_come_at_once_share_a_list)
{
    struct lab_config config = calm(3);
    config.voters_target = 3;
    struct lab *lab = lab_new(&config);
    const struct join join = { false, BYTES_LITERAL("new:9093") };

    EXPECT("three vote", becomes(lab, 3, 3));
    struct lab_node *leader = lab_leader(lab);
    const struct {
        int32_t node_id;
        uint64_t after_ms;
        enum join_verdict verdict;
        const char *why;
    } rows[] = {
        { 4, 0, JOIN_TAKEN, "nothing is under way" },
        { 5, 0, JOIN_LATER, "the list with 4 is" },
        { 6, 0, JOIN_LATER, "likewise" },
        { 5, 0, JOIN_LATER, "who asks twice is noted once" },
        { 7, 500, JOIN_TAKEN, "with 5 and 6" },
        { 8, 0, JOIN_LATER, "the list with 7 is under way" },
        { 5, 5000, JOIN_TAKEN, "it is there; and 8 has not asked for long" },
    };
    for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
        lab_run(lab, lab->now_ns + rows[i].after_ms * LAB_MS);
        const uint64_t member = (uint64_t)rows[i].node_id << MEMBER_SUFFIX_BITS | 1;
        const enum join_verdict verdict =
            membership_on_join(&leader->membership, leader->log, member, &join, lab->now_ns);
        EXPECT_EQ(rows[i].why, (int)rows[i].verdict, (int)verdict);
        lab_after(lab, leader);
    }
    lab_run(lab, lab->now_ns + 500 * LAB_MS);
    for (int32_t node_id = 4; node_id <= 8; node_id++) {
        EXPECT_EQ("8 alone is not there", node_id != 8, membership_of_node(leader->log, node_id) != 0);
    }
    EXPECT_EQ("7 came with 5 and 6", 7, (int)raft_configuration(leader->log->raft)->count);
    lab_free(lab);
}

/* Removed while it was away: it learns that from whoever leads, and stops. */
TEST(who_was_removed_while_away_finds_out)
{
    struct lab_config config = calm(3);
    config.voters_target = 3;
    struct lab *lab = lab_new(&config);

    EXPECT("three vote", becomes(lab, 3, 3));
    struct lab_node *away = lab_leader(lab) == &lab->nodes[2] ? &lab->nodes[1] : &lab->nodes[2];
    lab_crash(lab, away, true);
    away->leaves = true;
    EXPECT("it is removed", becomes(lab, 2, 1));
    lab_run(lab, lab->now_ns + 10000 * LAB_MS); /* longer than members that are gone are told so */
    const uint64_t wipes = lab->stats.wipes;
    lab_boot(lab, away);
    lab_run(lab, lab->now_ns + 6000 * LAB_MS);
    EXPECT("it has stopped, for good", !away->up && lab->stats.wipes == wipes + 1);
    lab_boot(lab, away);
    EXPECT("with another directory it may come again", becomes(lab, 3, 3));
    expect_peace(lab);
    lab_free(lab);
}

/* A learner and a voter change places when somebody orders it; and again, when the voter is to learn. */
TEST(an_ordered_vote_stays)
{
    struct lab_config config = calm(4);
    config.voters_target = 5;
    struct lab *lab = lab_new(&config);

    EXPECT("of four, three vote", becomes(lab, 4, 3));
    lab_run(lab, lab->now_ns + MEMBERSHIP_ANSWERS_NS);
    struct lab_node *leader = lab_leader(lab);
    const struct raft_configuration *list = raft_configuration(leader->log->raft);
    uint64_t learner = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        if ((list->members[i].flags & RAFT_VOTER) == 0) learner = list->members[i].id;
    }
    EXPECT_EQ("begun", VOTING_BEGUN, membership_give_vote(&leader->membership, leader->log, learner, lab->now_ns));
    lab_after(lab, leader);
    EXPECT_EQ("one after the other", VOTING_UNDERWAY,
              membership_take_vote(&leader->membership, leader->log, learner, lab->now_ns));
    lab_run(lab, lab->now_ns + 3000 * LAB_MS);
    EXPECT("still three", becomes(lab, 4, 3));
    leader = lab_leader(lab);
    EXPECT("and it is one of them", raft_configuration_is_voter(raft_configuration(leader->log->raft), learner));
    EXPECT_EQ("back again", VOTING_BEGUN, membership_take_vote(&leader->membership, leader->log, learner, lab->now_ns));
    lab_after(lab, leader);
    lab_run(lab, lab->now_ns + 3000 * LAB_MS);
    EXPECT("still three", becomes(lab, 4, 3));
    leader = lab_leader(lab);
    EXPECT("without it", !raft_configuration_is_voter(raft_configuration(leader->log->raft), learner));
    const uint64_t own = metadata_log_member(leader->log);
    EXPECT_EQ("who leads hands over first", VOTING_HANDING,
              membership_take_vote(&leader->membership, leader->log, own, lab->now_ns));
    lab_after(lab, leader);
    lab_run(lab, lab->now_ns + 1000 * LAB_MS);
    EXPECT("another one leads", lab_leader(lab) != NULL && lab_leader(lab) != leader);
    expect_peace(lab);
    lab_free(lab);
}
