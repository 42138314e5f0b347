/* Who gets a vote, when it leaves, and who may campaign. The voter's log ends at index 4, term 2. */
#include "raft_lab.h"

enum { NOT_SENT, NO, YES };

static const struct vote_row {
    const char *why;
    uint64_t term, vote; /* of the voter, whose log is 1 1 2 2 */
    uint64_t leader;     /* whom it has just heard, if anybody */
    uint64_t asks_term;
    bool pre;
    uint64_t last_index, last_term;
    int at_once, when_stored;
    uint64_t term_then;
} vote_rows[] = {
    { "a newer term and an equal log: when it is durable", 2, 0, 0, 3, false, 4, 2, NOT_SENT, YES, 3 },
    { "a longer log", 2, 0, 0, 3, false, 9, 2, NOT_SENT, YES, 3 },
    { "a shorter log of the same term", 2, 0, 0, 3, false, 3, 2, NO, NOT_SENT, 3 },
    { "a longer log of an older term", 3, 0, 0, 4, false, 9, 1, NO, NOT_SENT, 4 },
    { "a shorter log of a newer term", 4, 0, 0, 5, false, 2, 4, NOT_SENT, YES, 5 },
    { "an empty log", 2, 0, 0, 3, false, 0, 0, NO, NOT_SENT, 3 },
    { "the vote of this term is given", 3, 2, 0, 3, false, 9, 2, NO, NOT_SENT, 3 },
    { "asked again by the same: it is durable already", 3, 3, 0, 3, false, 4, 2, YES, NOT_SENT, 3 },
    { "an older term is told ours", 5, 0, 0, 3, false, 9, 2, NO, NOT_SENT, 5 },
    { "a leader is heard: not even the term is taken", 2, 0, 2, 9, false, 9, 2, NOT_SENT, NOT_SENT, 2 },
    { "this term has a leader already", 3, 0, 2, 3, false, 9, 2, NOT_SENT, NOT_SENT, 3 },
    { "a pre-vote changes nothing and leaves at once", 2, 0, 0, 2, true, 4, 2, YES, NOT_SENT, 2 },
    { "even if the real vote of this term is given", 3, 1, 0, 3, true, 4, 2, YES, NOT_SENT, 3 },
    { "but not for a log that lacks something", 2, 0, 0, 2, true, 3, 2, NO, NOT_SENT, 2 },
    { "a pre-vote from behind is told our term", 5, 0, 0, 3, true, 9, 2, NO, NOT_SENT, 5 },
    { "a pre-vote from ahead tells us its term", 2, 0, 0, 7, true, 9, 2, YES, NOT_SENT, 7 },
    { "nor a pre-vote while a leader is heard", 2, 0, 2, 2, true, 9, 2, NOT_SENT, NOT_SENT, 2 },
};

static int vote_sent(void)
{
    const struct raft_message *sent = lab_sent(RAFT_VOTE_RESPONSE, 3);
    return sent == NULL ? NOT_SENT : sent->vote_response.granted ? YES : NO;
}

TEST(votes)
{
    FOR_EACH(vote_row, row, vote_rows) {
        struct raft *raft = lab_restore(1, row->term, row->vote, "122");
        if (row->leader != 0) {
            lab_append(raft, row->leader, row->term, 4, 2, "", 0);
        }
        lab_ask_vote(raft, 3, row->asks_term, row->pre, row->last_index, row->last_term);
        EXPECT_EQ(row->why, row->at_once, vote_sent());
        EXPECT_EQ(row->why, row->term_then, raft->term);
        lab_stored(raft);
        EXPECT_EQ(row->why, row->when_stored, vote_sent());
        free(raft);
    }
}

static const struct lost_row {
    const char *why;
    uint64_t id, leader, lost;
    uint64_t turn; /* how many half heartbeats later it stands; 9: not before its usual time */
} lost_rows[] = {
    { "the leader: the first of the others stands at once", 1, 2, 2, 0 },
    { "the next one gives it time to win", 3, 2, 2, 1 },
    { "whatever the leader's own place", 3, 1, 1, 1 },
    { "and the first of these is another one then", 2, 1, 1, 0 },
    { "another member is not missed", 1, 2, 3, 9 },
    { "nor is one that leads nothing", 1, 0, 2, 9 },
};

TEST(who_led_and_is_lost_is_not_waited_for)
{
    FOR_EACH(lost_row, row, lost_rows) {
        struct raft *raft = lab_restore(row->id, 2, 0, "122");
        const uint64_t half_ns = lab_config.heartbeat_ns / 2;
        if (row->leader != 0) lab_append(raft, row->leader, 2, 4, 2, "", 0);
        const uint64_t usual_ns = raft->election.deadline_ns;
        raft_on_lost(raft, lab_now, row->lost);
        raft_check(raft);
        const uint64_t wait_ns = raft->election.deadline_ns - lab_now;
        EXPECT_EQ(row->why, row->turn == 9, raft->election.deadline_ns == usual_ns);
        if (row->turn != 9) EXPECT(row->why, wait_ns >= row->turn * half_ns && wait_ns < (row->turn + 1) * half_ns);
        EXPECT_EQ("others that stand are answered", row->turn == 9 && row->leader != 0, raft_election_leased(raft));
        free(raft);
    }
}

TEST(who_led_and_is_heard_again_leads_on)
{
    struct raft *raft = lab_restore(1, 2, 0, "122");
    lab_append(raft, 2, 2, 4, 2, "", 0);
    raft_on_lost(raft, lab_now, 2);
    lab_append(raft, 2, 2, 4, 2, "", 0);
    EXPECT("it is waited for again", raft->election.deadline_ns >= lab_now + lab_config.election_timeout_ns);
    EXPECT("and nobody else is answered", raft_election_leased(raft));
    EXPECT_EQ("it is followed", 2, raft_leader(raft));
    free(raft);
}

TEST(a_vote_does_not_ask_what_the_own_list_says)
{
    struct raft *raft = lab_restore(LAB_LEARNER, 2, 0, "1");
    lab_ask_vote(raft, 5, 3, false, 9, 2);
    lab_stored(raft);
    const struct raft_message *sent = lab_sent(RAFT_VOTE_RESPONSE, 5);
    EXPECT("a learner votes, and for a stranger: its list may be old", sent != NULL && sent->vote_response.granted);
    free(raft);
}

TEST(a_learner_never_campaigns)
{
    struct raft *raft = lab_restore(LAB_LEARNER, 2, 0, "1");
    EXPECT("it waits for nothing", raft_deadline_ns(raft) == RAFT_NEVER);
    lab_wait(raft, 100 * LAB_TIMEOUT_MS);
    EXPECT_EQ("and asks nobody", 0, lab_out.message_count);
    lab_append(raft, 2, 2, 2, 1, "", 0);
    EXPECT_EQ("it follows", 2, raft_leader(raft));
    lab_wait(raft, 2 * LAB_TIMEOUT_MS);
    EXPECT_EQ("until the leader is silent", 0, raft_leader(raft));
    EXPECT_EQ("in its term", 2, raft->term);
    free(raft);
}

TEST(an_election_step_by_step)
{
    struct raft *raft = lab_restore(1, 2, 0, "122");
    EXPECT("patience is drawn from one to two timeouts", raft_deadline_ns(raft) >= lab_now + LAB_TIMEOUT_MS * MS);
    EXPECT("and not more", raft_deadline_ns(raft) < lab_now + 2 * LAB_TIMEOUT_MS * MS);
    lab_wait(raft, LAB_TIMEOUT_MS - 1);
    EXPECT_EQ("before that nothing happens", RAFT_FOLLOWER, raft_role(raft));
    lab_wait(raft, LAB_TIMEOUT_MS + 1);
    EXPECT_EQ("then it asks who would", RAFT_PRE_CANDIDATE, raft_role(raft));
    EXPECT_EQ("both others, not the learner", 2, lab_out.message_count);
    EXPECT_EQ("without a new term", 2, raft->term);
    EXPECT_EQ("and writes nothing", 0, lab_out.write.ticket.sequence);

    lab_vote(raft, 3, true, false);
    EXPECT_EQ("a no does not help", RAFT_PRE_CANDIDATE, raft_role(raft));
    lab_vote(raft, LAB_LEARNER, true, true);
    EXPECT_EQ("nor does a learner", RAFT_PRE_CANDIDATE, raft_role(raft));
    lab_vote(raft, 3, true, true);
    EXPECT_EQ("a majority would", RAFT_CANDIDATE, raft_role(raft));
    EXPECT("its own vote is written first", lab_out.write.hard_state && lab_out.write.vote == 1);
    EXPECT_EQ("and nobody asked before it is durable", 0, lab_out.message_count);
    EXPECT("however long that takes", raft_deadline_ns(raft) == RAFT_NEVER);
    lab_vote(raft, 3, false, true);
    EXPECT_EQ("an answer to what was not asked", RAFT_CANDIDATE, raft_role(raft));
    lab_stored(raft);
    EXPECT_EQ("now both are asked", 2, lab_out.message_count);
    EXPECT_EQ("in the new term", 3, lab_out.messages[0].term);

    lab_say(raft, 3, 3, (struct raft_message){ .kind = RAFT_VOTE_RESPONSE, .vote_response = { 1, false, true } });
    EXPECT_EQ("a vote for another round does not count", RAFT_CANDIDATE, raft_role(raft));
    lab_vote(raft, 3, false, true);
    EXPECT_EQ("elected", RAFT_LEADER, raft_role(raft));
    EXPECT_TEXT("its term begins with a no-op", "11223", lab_draw(raft));
    EXPECT_EQ("all others are probed behind their supposed end", 3, lab_out.message_count);
    EXPECT_EQ("which is before the no-op", 4, lab_out.messages[0].append_request.prev_index);
    free(raft);
}

TEST(timeout_now_is_obeyed_without_asking_who_would)
{
    struct raft *raft = lab_restore(1, 2, 0, "122");
    const struct raft_message order = { .kind = RAFT_TIMEOUT_NOW };

    EXPECT_EQ("a stranger's word", RAFT_IGNORED, lab_say(raft, 3, 2, order));
    lab_append(raft, 2, 2, 4, 2, "", 0);
    EXPECT_EQ("not the leader's", RAFT_IMPOSSIBLE, lab_say(raft, 3, 2, order));
    EXPECT_EQ("the leader's", RAFT_ACCEPTED, lab_say(raft, 2, 2, order));
    EXPECT_EQ("a candidate at once", RAFT_CANDIDATE, raft_role(raft));
    lab_stored(raft);
    const struct raft_message *sent = lab_sent(RAFT_VOTE_REQUEST, 3);
    EXPECT("its requests pass leases", sent != NULL && sent->vote_request.transfer && !sent->vote_request.pre);
    free(raft);
}

/* As a process does that is not held up: it looks at the clock all the time. */
static void live(struct raft *raft, uint64_t ms)
{
    while (ms-- > 0) lab_wait(raft, 1);
}

TEST(a_leader_steps_down)
{
    struct raft *raft = lab_lead(3, "122");
    EXPECT_EQ("it leaves candidates alone", RAFT_IGNORED, lab_ask_vote(raft, 3, 9, false, 99, 8));
    EXPECT_EQ("the same term has no other leader", RAFT_IMPOSSIBLE, lab_append(raft, 3, 3, 4, 2, "", 0));
    live(raft, LAB_TIMEOUT_MS / 2);
    lab_hold(raft, 3, 4);
    live(raft, LAB_TIMEOUT_MS - 1);
    EXPECT_EQ("one of two others is a majority with itself", RAFT_LEADER, raft_role(raft));
    lab_wait(raft, 10 * LAB_TIMEOUT_MS);
    EXPECT_EQ("who stood still has not heard", RAFT_LEADER, raft_role(raft));
    for (int i = 0; i < LAB_TIMEOUT_MS && raft_role(raft) == RAFT_LEADER; i++) lab_wait(raft, 1);
    EXPECT_EQ("until it is silent too", RAFT_FOLLOWER, raft_role(raft));
    EXPECT("which is said", lab_noted(RAFT_NOTE_QUORUM_LOST));
    EXPECT_EQ("in the same term", 3, raft->term);
    free(raft);

    raft = lab_lead(3, "122");
    lab_say(raft, 3, 5, (struct raft_message){ .kind = RAFT_APPEND_RESPONSE, .append_response = { .rejected = true } });
    EXPECT_EQ("a newer term, from whomever", RAFT_FOLLOWER, raft_role(raft));
    EXPECT("is taken, and written", raft->term == 5 && lab_out.write.hard_state);
    free(raft);
}
