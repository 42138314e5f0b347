/* When is somebody told that a member has got a vote, lost it, or is gone? Node 1 leads; 2 and 3 vote, 4 learns, and
 * what they have of the log is in the test's hand. */
#include "codec/api.h"
#include "plane_world.h"
#include "raft/state.h"

struct voters {
    struct plane *plane;
    struct raft *raft;
    struct raft_output output;
    struct raft_ticket ticket;
    uint64_t asked; /* the wish that was asked last */
    uint64_t entries;
};

static uint64_t member(int32_t id)
{
    return (uint64_t)id << MEMBER_SUFFIX_BITS | 1;
}

static struct uuid directory(int32_t id)
{
    struct uuid directory = { { 0 } };

    store_u64(directory.bytes, member(id));
    return directory;
}

static void settle(struct voters *voters)
{
    struct metadata_log *log = group.logs[1];

    log->raft_ns = voters->plane->now_ns;
    plane_settle(voters->plane);
    if (voters->output.write.ticket.sequence != 0) voters->ticket = voters->output.write.ticket;
}

static void stored(struct voters *voters)
{
    raft_on_stored(voters->raft, voters->plane->now_ns, voters->ticket, &voters->output);
    if (voters->output.write.ticket.sequence != 0) voters->ticket = voters->output.write.ticket;
}

static void say(struct voters *voters, int32_t from, struct raft_message message)
{
    message.from = member(from);
    message.to = member(1);
    message.term = voters->raft->term;
    raft_on_message(voters->raft, voters->plane->now_ns, &message, &voters->output);
    if (voters->output.write.ticket.sequence != 0) voters->ticket = voters->output.write.ticket;
}

static void vote(struct voters *voters, bool pre)
{
    say(voters, 2,
        (struct raft_message){
            .kind = RAFT_VOTE_RESPONSE,
            .vote_response = { .round = voters->raft->election.round, .pre = pre, .granted = true } });
}

/* It has so much of the log. */
static void hold(struct voters *voters, int32_t from, uint64_t index)
{
    say(voters, from,
        (struct raft_message){ .kind = RAFT_APPEND_RESPONSE,
                               .append_response = { .beat = voters->raft->progress.beat, .index = index } });
}

/* Everybody answers, and has what there was so far, or all there is. */
static void pass(struct voters *voters, uint64_t ms, uint64_t index)
{
    for (uint64_t passed = 0; passed < ms; passed += 100) {
        group.logs[1]->raft_ns = voters->plane->now_ns;
        plane_pass(voters->plane, 100);
        raft_on_time(voters->raft, voters->plane->now_ns, &voters->output);
        stored(voters);
        for (int32_t id = 2; id <= 4; id++) {
            if (!voters->plane->silent[id]) hold(voters, id, MIN(index, raft_last_index(voters->raft)));
        }
    }
}

static void commit_all(struct voters *voters)
{
    pass(voters, 300, UINT64_MAX);
    EXPECT("the list is committed", raft_configuration_is_committed(voters->raft));
    EXPECT("and not joint", !raft_configuration_is_joint(raft_configuration(voters->raft)));
    group_append(group.term, (struct bytes){ 0 }); /* its entries are applied as others are; in this log they are not */
    settle(voters);
}

static struct voters *voters_new(void)
{
    struct voters *voters = calloc(1, sizeof *voters);
    uint8_t list[8 + 4 * 10] = { 1, 0, 0, 0, 0, 0, 0, 4 };

    voters->plane = plane_new(4);
    voters->raft = group.logs[1]->raft;
    for (int32_t id = 1; id <= 4; id++) {
        store_u64(list + 8 + (id - 1) * 10, member(id));
        list[8 + (id - 1) * 10 + 8] = id == 4 ? 0 : RAFT_VOTER;
    }
    raft_restore_id(voters->raft, member(1));
    CHECK(raft_restore_hard_state(voters->raft, 1, 0) == RAFT_ACCEPTED);
    CHECK(raft_restore_entry(voters->raft, 1, RAFT_ENTRY_CONFIGURATION, 1, (struct bytes){ list, sizeof list }) ==
          RAFT_ACCEPTED);
    raft_start(voters->raft, voters->plane->now_ns, &voters->output);
    plane_pass(voters->plane, 3000);
    raft_on_time(voters->raft, voters->plane->now_ns, &voters->output);
    vote(voters, true);
    voters->ticket = voters->output.write.ticket;
    stored(voters);
    vote(voters, false);
    voters->ticket = voters->output.write.ticket;
    CHECK(raft_role(voters->raft) == RAFT_LEADER);
    group.logs[1]->raft_output = &voters->output;
    pass(voters, 1500, UINT64_MAX);
    return voters;
}

static void voters_free(struct voters *voters)
{
    plane_free(voters->plane);
    free(voters);
}

/* ---- what is asked ---- */

static void ask(struct voters *voters, int16_t key, const struct writer *body)
{
    voters->entries = group.last;
    voters->asked = controller_wish(voters->plane->controller, key, 0, writer_written(body), UINT64_MAX);
    settle(voters);
}

static void ask_to_add(struct voters *voters, int32_t id)
{
    const struct add_raft_voter_request request = { .voter_id = id, .voter_directory_id = directory(id) };
    uint8_t memory[256];
    struct writer body = writer_of(memory, sizeof memory);

    add_raft_voter_request_write(&body, 0, &request);
    ask(voters, API_ADD_RAFT_VOTER, &body);
}

static void ask_to_remove(struct voters *voters, int32_t id)
{
    const struct remove_raft_voter_request request = { .voter_id = id, .voter_directory_id = directory(id) };
    uint8_t memory[256];
    struct writer body = writer_of(memory, sizeof memory);

    remove_raft_voter_request_write(&body, 0, &request);
    ask(voters, API_REMOVE_RAFT_VOTER, &body);
}

static void ask_to_unregister(struct voters *voters, int32_t id)
{
    const struct unregister_broker_request request = { .broker_id = id };
    uint8_t memory[256];
    struct writer body = writer_of(memory, sizeof memory);

    unregister_broker_request_write(&body, 0, &request);
    ask(voters, API_UNREGISTER_BROKER, &body);
}

enum { UNTOLD = 10000 };

/* The error that was told; all three answers begin with the time to wait, and it. */
static int told(const struct voters *voters)
{
    struct bytes answer;

    switch (controller_outcome(voters->plane->controller, voters->asked, &answer)) {
    case WISH_OPEN: return UNTOLD;
    case WISH_GRANTED:
    case WISH_ANSWERED: return (int16_t)load_u16(answer.data + 4);
    default: return -UNTOLD;
    }
}

/* ---- tests ---- */

TEST(a_vote_is_told_when_it_is_committed)
{
    struct voters *voters = voters_new();
    const uint64_t before = raft_last_index(voters->raft);

    ask_to_add(voters, 4);
    EXPECT("begun", raft_configuration_is_joint(raft_configuration(voters->raft)));
    EXPECT_EQ("and not told", UNTOLD, told(voters));
    pass(voters, 1000, before);
    EXPECT_EQ("nor after a while", UNTOLD, told(voters));
    const uint64_t asked = voters->asked;
    ask_to_remove(voters, 2);
    EXPECT_EQ("who comes meanwhile waits for its turn", UNTOLD, told(voters));
    pass(voters, 100, before + 1);
    EXPECT("the joint phase alone decides nothing", !raft_configuration_is_committed(voters->raft));
    const uint64_t later = voters->asked;
    voters->asked = asked;
    EXPECT_EQ("so nothing is told", UNTOLD, told(voters));
    commit_all(voters);
    EXPECT_EQ("now it is", ERROR_NONE, told(voters));
    EXPECT("it votes", raft_configuration_is_voter(raft_configuration(voters->raft), member(4)));
    voters->asked = later;
    commit_all(voters);
    EXPECT_EQ("and the other one after it", ERROR_NONE, told(voters));
    EXPECT("votes no more", !raft_configuration_is_voter(raft_configuration(voters->raft), member(2)));

    ask_to_add(voters, 4);
    EXPECT_EQ("who has one gets none", ERROR_DUPLICATE_VOTER, told(voters));
    ask_to_remove(voters, 2);
    EXPECT_EQ("who has none loses none", ERROR_VOTER_NOT_FOUND, told(voters));
    EXPECT_EQ("and the log knows nothing of that", (int64_t)voters->entries, (int64_t)group.last);
    voters_free(voters);
}

/* The wish is asked of the next leader, who sees what the one before has done. */
TEST(an_order_that_outlives_its_leader_acts_once)
{
    struct voters *voters = voters_new();
    const uint64_t before = raft_last_index(voters->raft);

    ask_to_add(voters, 4);
    pass(voters, 300, before);
    group_elect(1, 0);
    settle(voters);
    EXPECT_EQ("the next one waits for it", UNTOLD, told(voters));
    commit_all(voters);
    EXPECT_EQ("it is told that it was done", ERROR_NONE, told(voters));
    EXPECT("which the log remembers", group.last > voters->entries + 2);
    const uint64_t list = raft_configuration(voters->raft)->index;

    group_elect(1, 0);
    settle(voters);
    pass(voters, 1500, UINT64_MAX);
    ask_to_remove(voters, 4);
    commit_all(voters);
    EXPECT_EQ("it goes", ERROR_NONE, told(voters));
    EXPECT_EQ("by one change", (int64_t)list + 2, (int64_t)raft_configuration(voters->raft)->index);
    voters_free(voters);
}

TEST(who_is_unregistered_is_off_the_list_first)
{
    struct voters *voters = voters_new();

    voters->plane->silent[3] = true;
    pass(voters, 3000, UINT64_MAX);
    const uint64_t before = raft_last_index(voters->raft);
    ask_to_unregister(voters, 3);
    pass(voters, 500, before);
    EXPECT_EQ("not told", UNTOLD, told(voters));
    EXPECT("nor forgotten", image_broker_by_id(plane_image(voters->plane), 3) != SLOT_NONE);
    commit_all(voters);
    EXPECT_EQ("told", ERROR_NONE, told(voters));
    EXPECT("and forgotten", image_broker_by_id(plane_image(voters->plane), 3) == SLOT_NONE);
    EXPECT("it is no member", raft_configuration_find(raft_configuration(voters->raft), member(3)) == NULL);
    voters_free(voters);
}
