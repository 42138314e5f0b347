/* The judge of consumer groups: what breaks O10, and what does not. */
#include "t.h"
#include "sim/run.h"

#include <stdlib.h>

enum { NODE = 1, OTHER = 2, SHARE = 3, ANNA = 1, BERT = 2 };

static struct run *run;

static struct cohort_asked ask(uint32_t machine)
{
    struct cohort_asked asked;

    cohort_on_asked(run, 0, machine, &asked);
    return asked;
}

static void shown_by(const struct cohort_asked *asked, int64_t number)
{
    cohort_on_shown(run, 0, asked, false, SHARE, number);
}

/* Commits the next number in this generation. */
static void commit(int32_t generation)
{
    const struct cohort_asked asked = ask(NODE);
    const int64_t number = cohort_on_sent(run, 0, SHARE);

    cohort_on_committed(run, 0, &asked, generation, SHARE, number);
}

static void send_and_hear_nothing(int32_t generation)
{
    cohort_on_doubt(run, 0, generation, SHARE, cohort_on_sent(run, 0, SHARE));
}

static void quiet_life(void)
{
    cohort_on_share(run, 0, 1, ANNA, 1 << SHARE);
    commit(1);
    const struct cohort_asked asked = ask(NODE);
    shown_by(&asked, 0);
    cohort_on_joined(run, 0, &asked, 2);
    cohort_on_share(run, 0, 2, BERT, 1 << SHARE);
}

static void two_owners(void)
{
    cohort_on_share(run, 0, 1, ANNA, 1 << SHARE);
    cohort_on_share(run, 0, 1, BERT, 1 << SHARE | 1);
}

static void told_twice(void)
{
    cohort_on_share(run, 0, 1, ANNA, 1 << SHARE);
    cohort_on_share(run, 0, 1, ANNA, 1 << SHARE);
    cohort_on_share(run, 0, 1, BERT, 1);
}

static void generation_back(void)
{
    cohort_on_share(run, 0, 4, ANNA, 1);
    const struct cohort_asked asked = ask(NODE);
    cohort_on_joined(run, 0, &asked, 3);
}

static void deposed_one_goes_back(void)
{
    cohort_on_share(run, 0, 4, ANNA, 1);
    const struct cohort_asked asked = ask(OTHER);
    cohort_on_joined(run, 0, &asked, 3);
}

static void deposed_meanwhile(void)
{
    commit(1);
    const struct cohort_asked asked = ask(NODE);
    run->cohorts.list[0].epoch++;
    run->cohorts.list[0].machine = OTHER;
    shown_by(&asked, -1);
}

static void commit_of_yesterday(void)
{
    cohort_on_share(run, 0, 2, ANNA, 1 << SHARE);
    commit(1);
}

static void commit_under_way(void)
{
    const struct cohort_asked asked = ask(NODE);
    const int64_t number = cohort_on_sent(run, 0, SHARE);

    cohort_on_share(run, 0, 2, ANNA, 1 << SHARE);
    cohort_on_committed(run, 0, &asked, 1, SHARE, number);
}

static void commit_forgotten(void)
{
    commit(1);
    commit(1);
    const struct cohort_asked asked = ask(NODE);
    shown_by(&asked, 0);
}

static void asked_before(void)
{
    const struct cohort_asked asked = ask(NODE);

    commit(1);
    shown_by(&asked, -1);
}

static void shown_and_forgotten(void)
{
    commit(1);
    cohort_on_sent(run, 0, SHARE); /* on its way, and seen by somebody */
    struct cohort_asked asked = ask(NODE);
    shown_by(&asked, 1);
    asked = ask(NODE);
    shown_by(&asked, 0);
}

static void doubt_comes_true(void)
{
    send_and_hear_nothing(1);
    commit(1);
    const struct cohort_asked asked = ask(NODE);
    shown_by(&asked, 0); /* it came last */
}

static void doubt_of_yesterday(void)
{
    send_and_hear_nothing(1);
    commit(1);
    commit(2);
    const struct cohort_asked asked = ask(NODE);
    shown_by(&asked, 0); /* the commit of generation 2 is lost */
}

static void doubt_comes_late(void)
{
    const int64_t number = cohort_on_sent(run, 0, SHARE);

    commit(2);
    cohort_on_doubt(run, 0, 1, SHARE, number); /* it has waited for its answer until now */
    const struct cohort_asked asked = ask(NODE);
    shown_by(&asked, number);
}

static void doubt_of_today(void)
{
    send_and_hear_nothing(1);
    send_and_hear_nothing(2);
    commit(2);
    const struct cohort_asked asked = ask(NODE);
    shown_by(&asked, 1);
}

static void asked_when_in_doubt(void)
{
    send_and_hear_nothing(1);
    commit(1);
    const struct cohort_asked asked = ask(NODE);
    commit(2);
    shown_by(&asked, 0);
}

static void many_doubts(void)
{
    for (uint32_t i = 0; i < 2 * COHORT_DOUBTS; i++) send_and_hear_nothing(1);
    commit(1);
    const struct cohort_asked asked = ask(NODE);
    shown_by(&asked, 2 * COHORT_DOUBTS - 1);
}

static void many_doubts_of_yesterday(void)
{
    many_doubts();
    commit(2);
    const struct cohort_asked asked = ask(NODE);
    shown_by(&asked, 2 * COHORT_DOUBTS - 1);
}

static void nobody_sent_it(void)
{
    commit(1);
    const struct cohort_asked asked = ask(NODE);
    shown_by(&asked, 7);
}

static void damaged(void)
{
    run->damaged = true;
    commit_forgotten();
    two_owners();
}

/* ---- the newer protocol: who has what at a time ---- */

enum { SESSION_MS = 1000, REBALANCE_MS = 400, MS = 1000000 };

static struct client *anna(void)
{
    return run->clients[0];
}

static void pass(uint64_t ms)
{
    run->world.now_ns += ms * MS;
}

static void two_holders(void)
{
    cohort_on_held(run, 0, 0, 1 << SHARE);
    pass(SESSION_MS / 2);
    cohort_on_held(run, 0, 1, 1 << SHARE);
}

static void handed_over(void)
{
    cohort_on_held(run, 0, 0, 1 << SHARE | 1);
    cohort_on_released(run, 0, 0, 1 << SHARE);
    cohort_on_held(run, 0, 1, 1 << SHARE);
    cohort_on_released(run, 0, 0, 1 << SHARE); /* which is not its any more */
    cohort_on_held(run, 0, 1, 1 << SHARE);
}

static void others_keep_theirs(void)
{
    handed_over();
    cohort_on_held(run, 0, 1, 1);
}

static void silent_for_a_session(void)
{
    cohort_on_held(run, 0, 0, 1 << SHARE);
    pass(SESSION_MS);
    cohort_on_held(run, 0, 1, 1 << SHARE);
}

static void slow_to_give_up(void)
{
    cohort_on_held(run, 0, 0, 1 << SHARE);
    anna()->membership.going = 1 << SHARE;
    pass(REBALANCE_MS);
    cohort_on_held(run, 0, 1, 1 << SHARE);
}

static void not_that_slow(void)
{
    cohort_on_held(run, 0, 0, 1 << SHARE);
    anna()->membership.going = 1 << SHARE;
    pass(REBALANCE_MS / 2);
    cohort_on_held(run, 0, 1, 1 << SHARE);
}

static void epoch_back(void)
{
    cohort_on_epoch(run, 0, 7);
    const struct cohort_asked asked = ask(NODE);
    cohort_on_joined(run, 0, &asked, 6);
}

static void epochs_differ(void)
{
    run->cohorts.list[0].newer = true; /* each member goes at its own pace */
    cohort_on_epoch(run, 0, 7);
    commit(6);
}

static const struct story_row {
    const char *why;
    void (*story)(void);
    enum rule rule;
} story_rows[] = {
    { "a quiet life", quiet_life, RULE_NONE },
    { "a partition is two members' in one generation", two_owners, RULE_O10 },
    { "one member may be told twice", told_twice, RULE_NONE },
    { "a generation below one that has its shares", generation_back, RULE_O10 },
    { "who coordinates no more may not know", deposed_one_goes_back, RULE_NONE },
    { "nor whoever was deposed before he answered", deposed_meanwhile, RULE_NONE },
    { "a commit of yesterday's generation", commit_of_yesterday, RULE_O10 },
    { "it may be on its way when the next one begins", commit_under_way, RULE_NONE },
    { "a commit that was answered is not there", commit_forgotten, RULE_O10 },
    { "it was asked for before", asked_before, RULE_NONE },
    { "what was shown is not there", shown_and_forgotten, RULE_O10 },
    { "a commit without an answer may come true late", doubt_comes_true, RULE_NONE },
    { "but not when one of a newer generation was answered", doubt_of_yesterday, RULE_O10 },
    { "though nobody knew then that it is not answered", doubt_comes_late, RULE_O10 },
    { "one of that generation may", doubt_of_today, RULE_NONE },
    { "and whoever asked before may have seen it", asked_when_in_doubt, RULE_NONE },
    { "more of them than are kept may all come true", many_doubts, RULE_NONE },
    { "until one of a newer generation was answered", many_doubts_of_yesterday, RULE_O10 },
    { "a number that nobody sent", nobody_sent_it, RULE_O10 },
    { "bits were flipped: nothing is owed", damaged, RULE_NONE },
    { "a partition is two members' at a time", two_holders, RULE_O10 },
    { "it may be given up, and be another's", handed_over, RULE_NONE },
    { "one of two that somebody had", others_keep_theirs, RULE_O10 },
    { "who was silent for as long as a session may be out", silent_for_a_session, RULE_NONE },
    { "as may one that has not given up what it was to", slow_to_give_up, RULE_NONE },
    { "in its time", not_that_slow, RULE_O10 },
    { "who joins is not in an older epoch than others were", epoch_back, RULE_O10 },
    { "who is there may be", epochs_differ, RULE_NONE },
};

TEST(cohorts_are_judged)
{
    FOR_EACH(story_row, row, story_rows) {
        run = calloc(1, sizeof *run);
        judge_init(&run->judge);
        cohorts_init(&run->cohorts, 1, 1, true);
        run->cohorts.session_ms = SESSION_MS;
        run->clients = calloc(2, sizeof run->clients[0]);
        for (uint32_t i = 0; i < 2; i++) {
            run->clients[i] = calloc(1, sizeof *run->clients[i]);
            run->clients[i]->membership.rebalance_ms = REBALANCE_MS;
        }
        run->cohorts.list[0].machine = NODE;
        run->cohorts.list[0].epoch = 5;
        row->story();
        EXPECT_EQ(row->why, row->rule, run->judge.broken);
        judge_free(&run->judge);
        cohorts_free(&run->cohorts);
        for (uint32_t i = 0; i < 2; i++) free(run->clients[i]);
        free(run->clients);
        free(run);
    }
}
