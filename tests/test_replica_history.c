/* Where logs begin and end that have a history: records that were deleted, leaders of long ago. */
#include "replica_calm.h"

TEST(who_is_behind_the_begin_of_the_log_begins_anew)
{
    struct lab *lab = lab_of(2, 1);

    produce(lab, 10);
    isolate(lab, 2, true);
    lab_run(lab, 1500);
    produce(lab, 50);
    lab_run(lab, 50);
    lab_begin_step(lab, 1);
    EXPECT("records are deleted", logs_advance_start(lab->nodes[1].logs, 1, offsets_of(lab, 1).high_watermark) != 0);
    lab_end_step(lab, 1);
    produce(lab, 5);
    isolate(lab, 2, false);
    lab_run(lab, 1500);
    EXPECT_EQ("once", 1, counters_of(lab, 2)->resets);
    EXPECT_EQ("where the leader's does", offsets_of(lab, 1).log_start_offset, offsets_of(lab, 2).log_start_offset);
    EXPECT_EQ("and has the rest", offsets_of(lab, 1).log_end_offset, offsets_of(lab, 2).high_watermark);
    lab_end(lab);
}

TEST(followers_learn_at_once_of_records_that_are_deleted)
{
    struct lab *lab = lab_of(3, 1);

    produce(lab, 10);
    lab_run(lab, 50);
    for (int64_t start = 1; start <= 5; start++) {
        lab_begin_step(lab, 1);
        EXPECT("there is room", logs_advance_start(lab->nodes[1].logs, lab_log(1, 0), start) != 0);
        lab_end_step(lab, 1);
        lab_run(lab, 25); /* five times: beats are further apart than that */
        for (int32_t id = 1; id <= 3; id++) {
            EXPECT_EQ("wherever it leads next", start, offsets_of(lab, id).log_start_offset);
        }
    }
    lab_end(lab);
}

/* A node that was away while others led in more epochs than a log remembers. */
TEST(who_was_away_for_many_epochs_comes_back)
{
    struct lab *lab = lab_of(3, 1);

    produce(lab, 20);
    lab_run(lab, 50);
    lab_crash(lab, 3, false);
    lab_fence(lab, 3);
    lab_run(lab, 20);
    for (uint32_t i = 0; i < 100; i++) {
        lab_fence(lab, lab_newest(lab)->configs[0].leader);
        lab_run(lab, 20);
        produce(lab, 8);
    }
    lab_run(lab, 1500);
    const int32_t leader = lab_newest(lab)->configs[0].leader;
    EXPECT("he ended in an epoch that is forgotten",
           !log_epoch_bound(lab->nodes[leader].logs, lab_log(leader, 0), 0).known);
    lab_restart(lab, 3, false);
    lab_run(lab, 3000);
    EXPECT_EQ("it is there in the log", 0, counters_of(lab, 3)->offline + counters_of(lab, 3)->resets);
    EXPECT_EQ("so he goes on where he was", offsets_of(lab, leader).log_end_offset, offsets_of(lab, 3).high_watermark);
    EXPECT_EQ("and is in sync", lab_bit(1) | lab_bit(2) | lab_bit(3), isr_of(lab));
    lab_end(lab);
}

static bool start_is_held(struct lab *lab, int64_t start)
{
    return replicas_start_is_held(lab->nodes[1].replicas, lab_log(1, 0), start);
}

/* Moves the start of node 1's log. */
static void delete_below(struct lab *lab, int64_t start)
{
    lab_begin_step(lab, 1);
    EXPECT("there is room", logs_advance_start(lab->nodes[1].logs, lab_log(1, 0), start) != 0);
    lab_end_step(lab, 1);
}

TEST(a_deletion_is_held_when_all_who_may_lead_have_made_it)
{
    struct lab *lab = lab_of(3, 2);

    produce(lab, 10);
    lab_run(lab, 50);
    isolate(lab, 3, true);
    delete_below(lab, 5);
    lab_run(lab, 100);
    EXPECT_EQ("one has made it", 5, offsets_of(lab, 2).log_start_offset);
    EXPECT("but not the other, who may be elected", !start_is_held(lab, 5));
    lab_run(lab, 1500);
    EXPECT_EQ("he is not in sync any more", lab_bit(1) | lab_bit(2), isr_of(lab));
    EXPECT("so nobody waits for him", start_is_held(lab, 5));
    isolate(lab, 2, true);
    lab_run(lab, 1500);
    EXPECT_EQ("nor is anybody", lab_bit(1), isr_of(lab));
    EXPECT("then who may be elected is not here", !start_is_held(lab, 5));
    isolate(lab, 3, false);
    lab_run(lab, 1500);
    EXPECT("he comes back", start_is_held(lab, 5));
    EXPECT("and has not made more than was asked for", !start_is_held(lab, 6));
    lab_end(lab);
}

/* Of the records that a leader deletes, its successor may not know; but others do. All of them, or some. */
TEST(what_anybody_has_deleted_is_not_shown_again)
{
    for (int64_t all = 0; all < 2; all++) {
        struct lab *lab = lab_of(3, 1);
        produce(lab, 10);
        lab_run(lab, 50);
        const int64_t start = all > 0 ? offsets_of(lab, 1).high_watermark : 5;
        isolate(lab, 3, true);
        delete_below(lab, start);
        lab_run(lab, 50);
        for (int32_t id = 1; id <= 2; id++) {
            EXPECT_EQ("two have made it", start, offsets_of(lab, id).log_start_offset);
            lab_crash(lab, id, true);
            lab_fence(lab, id);
        }
        isolate(lab, 3, false);
        lab_run(lab, 50);
        EXPECT("the third one leads", replicas_leader_epoch(lab->nodes[3].replicas, lab_log(3, 0)) >= 0);
        EXPECT_EQ("and knows nothing of it", 0, offsets_of(lab, 3).log_start_offset);
        lab_restart(lab, 2, false);
        lab_run(lab, 200);
        EXPECT_EQ("until one says so who does", start, offsets_of(lab, 3).log_start_offset);
        EXPECT_EQ("who may be elected with what he has", start, offsets_of(lab, 2).log_start_offset);
        EXPECT("and is", (isr_of(lab) & lab_bit(2)) != 0);
        lab_end(lab);
    }
}
