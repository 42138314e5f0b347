/* Each rule about leaders, configurations and lines of epochs fires on the least history that breaks it, and not on the
 * closest one that is as it should be. Histories are made by hand: what an image, a log and a leader would answer is
 * set here, in place of them. */
#include "sim/offices.h"
#include "t.h"

#include "log/logs.h"
#include "replica/replicas.h"

#include <stdlib.h>

enum { NODES = 3 };

/* ---- in place of an image ---- */

static struct image_broker brokers[NODES];

uint32_t image_broker_by_id(const struct image *image, int32_t id)
{
    (void)image;
    return id >= 1 && id <= NODES ? (uint32_t)id - 1 : SLOT_NONE;
}

const struct image_broker *image_broker(const struct image *image, uint32_t slot)
{
    (void)image;
    return &brokers[slot];
}

uint32_t image_first_broker(const struct image *image)
{
    (void)image;
    return 0;
}

uint32_t image_next_broker(const struct image *image, uint32_t slot)
{
    (void)image;
    return slot + 1 < NODES ? slot + 1 : SLOT_NONE;
}

replica_set image_partition_place(const struct image_partition *which, int32_t broker_id)
{
    for (uint32_t i = 0; i < which->replica_count; i++) {
        if (which->replicas[i] == broker_id) return (replica_set)(1u << i);
    }
    return 0;
}

/* ---- in place of a log and its leader ---- */

static int64_t log_start, log_end;
static int32_t epochs[4];
static int64_t epoch_starts[4];
static uint32_t epoch_count;
static bool forgets; /* where the oldest epoch began */

struct log_offsets log_offsets(const struct logs *logs, uint32_t log)
{
    (void)logs, (void)log;
    return (struct log_offsets){ .log_start_offset = log_start,
                                 .log_end_offset = log_end,
                                 .leader_epoch = epoch_count == 0 ? -1 : epochs[epoch_count - 1] };
}

struct epoch_bound log_epoch_bound(const struct logs *logs, uint32_t log, int32_t leader_epoch)
{
    int64_t end = log_end;

    (void)logs, (void)log;
    for (uint32_t i = epoch_count; i-- > 0;) {
        if (epochs[i] <= leader_epoch) return (struct epoch_bound){ true, epochs[i], end };
        end = epoch_starts[i];
    }
    const bool known = leader_epoch >= 0 && end <= log_start && !forgets;
    return (struct epoch_bound){ known, known ? leader_epoch : -1, known ? end : log_start };
}

int32_t replicas_leader_epoch(const struct replicas *replicas, uint32_t log)
{
    (void)replicas, (void)log;
    return -1;
}

bool replicas_view(const struct replicas *replicas, uint32_t log, uint32_t number, struct replica_view *view)
{
    (void)replicas, (void)log, (void)number, (void)view;
    return false;
}

/* ---- the usual ---- */

static struct judge judge;
static struct plane_partition partition;
static struct image_partition *const newest = &partition.newest;
static struct office office;

static void begin(void)
{
    judge_init(&judge);
    free(partition.line);
    partition = (struct plane_partition){ .high_watermark = 10, .high_watermark_epoch = 4 };
    *newest = (struct image_partition){ .leader = 1,
                                        .leader_epoch = 4,
                                        .partition_epoch = 9,
                                        .isr = 7,
                                        .min_isr = 2,
                                        .replica_count = NODES,
                                        .replicas = { 1, 2, 3 } };
    partition.replica_count = NODES;
    office = (struct office){ .machine = 0, .leader_epoch = 4, .log_epoch = 4, .high_watermark = 10, .count = NODES };
    for (uint32_t i = 0; i < NODES; i++) {
        brokers[i] = (struct image_broker){ .id = (int32_t)i + 1, .epoch = 20 + (int64_t)i };
        partition.replicas[i] = (struct plane_replica){
            .machine = i, .durable_offset = 12, .log_end_offset = 12, .able = true, .emptied_epoch = -1
        };
        office.views[i] = (struct office_view){
            .node_id = (int32_t)i + 1, .wished = true, .able = true, .held_offset = 12, .asked_epoch = -1
        };
    }
    log_start = 0;
    log_end = 12;
    epoch_count = 2;
    epochs[0] = 1;
    epoch_starts[0] = 0;
    epochs[1] = 4;
    epoch_starts[1] = 7;
    forgets = false;
}

struct history {
    const char *why;
    enum rule breaks;
    void (*happens)(void);
};

static void run_histories(const struct history *histories, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        begin();
        histories[i].happens();
        EXPECT_TEXT(histories[i].why, rule_name(histories[i].breaks), rule_name(judge.broken));
    }
}

/* ---- configurations ---- */

static void configuration(void)
{
    office_check_configuration(&judge, NULL, newest);
}

static void one_is_fenced(void)
{
    brokers[2].fenced = true;
    configuration();
}

static void one_is_fenced_and_has_left(void)
{
    brokers[2].fenced = true;
    newest->isr = 3;
    configuration();
}

static void one_goes(void)
{
    brokers[1].in_controlled_shutdown = true;
    configuration();
}

static void the_last_one_goes(void)
{
    brokers[0].in_controlled_shutdown = true;
    newest->isr = 1;
    newest->elr = 2;
    configuration();
}

static void one_observes(void)
{
    brokers[1].observer = true;
    newest->isr = 1;
    newest->elr = 2;
    configuration();
}

static void enough_and_eligible(void)
{
    newest->isr = 3;
    newest->elr = 4;
    configuration();
}

static void too_few_and_eligible(void)
{
    newest->isr = 1;
    newest->elr = 6;
    configuration();
}

static void starts_anew(bool leaves)
{
    struct plane plane = { 0 };
    struct image_partition after = *newest;
    uint64_t changed[1];

    EXPECT("the first look knows nobody", !office_see_brokers(&plane, NULL, changed, 1));
    brokers[1].epoch = 40;
    EXPECT("another process", office_see_brokers(&plane, NULL, changed, 1));
    EXPECT_EQ("of the second", 2, (int64_t)changed[0]);
    if (leaves) after.partition_epoch++; /* and was added again, perhaps */
    office_check_lives(&judge, &partition, &after, changed, 1);
    free(plane.broker_epochs);
}

static void stays_when_it_starts_anew(void)
{
    starts_anew(false);
}

static void leaves_when_it_starts_anew(void)
{
    starts_anew(true);
}

static void starts_anew_outside(void)
{
    newest->isr = 5;
    starts_anew(false);
}

/* The leader judges the third one, and asks for it; then a configuration has it. */
static void added(int64_t judged_epoch, int32_t later_epochs)
{
    struct image_partition after = *newest;

    newest->isr = 3;
    after.partition_epoch++;
    after.leader_epoch += later_epochs;
    office.views[2].asked_epoch = judged_epoch;
    office_check(&judge, &partition, &office);
    office_check_added(&judge, NULL, &partition, &after);
}

static void the_one_that_was_judged_is_added(void)
{
    added(22, 0);
}

static void another_process_is_added(void)
{
    added(21, 0);
}

static void another_leader_adds_it(void)
{
    added(21, 1);
}

static const struct history configurations[] = {
    { "all as it should be", RULE_NONE, configuration },
    { "who is fenced is in no ISR", RULE_O7, one_is_fenced },
    { "nor is he, when he was taken out", RULE_NONE, one_is_fenced_and_has_left },
    { "who is about to go leaves others behind", RULE_O7, one_goes },
    { "unless nobody else is there", RULE_NONE, the_last_one_goes },
    { "an observer is not eligible", RULE_O7, one_observes },
    { "with enough in sync the mark rises without those who are eligible", RULE_O7, enough_and_eligible },
    { "with fewer it stands", RULE_NONE, too_few_and_eligible },
    { "another process is in sync by what the one before it had", RULE_O7, stays_when_it_starts_anew },
    { "a new configuration may have it", RULE_NONE, leaves_when_it_starts_anew },
    { "who was not in sync may start as he likes", RULE_NONE, starts_anew_outside },
    { "who was judged is added", RULE_NONE, the_one_that_was_judged_is_added },
    { "another process than the one that was judged", RULE_O7, another_process_is_added },
    { "what an earlier leader asked for is over", RULE_NONE, another_leader_adds_it },
};

TEST(configurations_are_judged)
{
    run_histories(configurations, COUNT_OF(configurations));
}

/* ---- leaders ---- */

static void in_office(void)
{
    office.rose = true;
    office_check(&judge, &partition, &office);
}

static void believes_too_much(void)
{
    partition.replicas[2].durable_offset = 11;
    in_office();
}

static void was_deposed_and_believes_too_much(void)
{
    newest->leader_epoch = 5;
    believes_too_much();
}

static void has_not_heard_of_a_lost_disk(void)
{
    partition.replicas[2].emptied_epoch = 4;
    partition.replicas[2].durable_offset = 0;
    office.high_watermark = 0;
    in_office();
}

static void knows_nothing(void)
{
    office.views[2].held_offset = -1;
    partition.replicas[2].durable_offset = 10;
    in_office();
}

static void commits_without_one_that_was_asked_for(void)
{
    office.views[2].held_offset = 9;
    partition.replicas[2].durable_offset = 9;
    in_office();
}

static void commits_without_one_that_is_not(void)
{
    office.views[2].wished = false;
    commits_without_one_that_was_asked_for();
}

static void commits_without_one_that_joins(void)
{
    office.views[2].joining = partition.replicas[2].joins = true;
    commits_without_one_that_is_not();
}

static void one_begins_to_join(void)
{
    office.views[2].joining = true;
    commits_without_one_that_is_not();
}

static void commits_nothing_new(void)
{
    office.views[2].held_offset = partition.replicas[2].durable_offset = 9;
    office_check(&judge, &partition, &office);
}

static void log_is_of_another_epoch(void)
{
    office.log_epoch = 1;
    in_office();
}

static void waits_for_one_who_may_not_join(void)
{
    office.views[1].able = partition.replicas[1].able = false;
    office.views[1].joining = true;
    in_office();
}

static void learns_that_one_may_not_join(void)
{
    office.views[1].able = false;
    office.views[1].joining = true;
    in_office();
}

static const struct history leaders[] = {
    { "all as it should be", RULE_NONE, in_office },
    { "a follower has less than its leader believes", RULE_O7, believes_too_much },
    { "who was deposed believes what was so", RULE_NONE, was_deposed_and_believes_too_much },
    { "nor does he know of a lost disk at once", RULE_NONE, has_not_heard_of_a_lost_disk },
    { "of whom nothing was heard nothing is believed", RULE_NONE, knows_nothing },
    { "who may be in sync any time lacks what is committed", RULE_O7, commits_without_one_that_was_asked_for },
    { "who is neither may", RULE_NONE, commits_without_one_that_is_not },
    { "the mark waits for who joins, too", RULE_O7, commits_without_one_that_joins },
    { "from the next time on", RULE_NONE, one_begins_to_join },
    { "what was committed before he was asked for is another matter", RULE_NONE, commits_nothing_new },
    { "an epoch begins in its leader's log", RULE_O5, log_is_of_another_epoch },
    { "it waits for one who could not be added", RULE_O7, waits_for_one_who_may_not_join },
    { "who was able a moment ago may be waited for still", RULE_NONE, learns_that_one_may_not_join },
};

TEST(leaders_are_judged)
{
    run_histories(leaders, COUNT_OF(leaders));
}

/* ---- answers ---- */

static void latest(int32_t epoch, int64_t offset)
{
    const struct plane_floor floor = { 10, 4, false };
    office_check_latest(&judge, &partition, &floor, epoch, offset);
}

static void latest_is_less(void)
{
    latest(5, 9);
}

static void latest_is_as_much(void)
{
    latest(5, 10);
}

static void latest_of_one_who_was_deposed(void)
{
    latest(3, 9);
}

static void denies(bool followed, bool follows, int64_t offset)
{
    const struct judged_partition judged = { .start_asked = 2 };
    const struct plane_floor floor = { 10, 4, followed }, now = { 12, 5, follows };
    office_check_denied(&judge, &judged, &floor, &now, 1, offset);
}

static void follower_denies(void)
{
    denies(true, true, 10);
}

static void follower_denies_what_nobody_has(void)
{
    denies(true, true, 11);
}

static void follower_denies_what_is_deleted(void)
{
    denies(true, true, 1);
}

static void leader_denies(void)
{
    denies(false, true, 10);
}

static const struct history answers[] = {
    { "a new leader guesses the end", RULE_O3, latest_is_less },
    { "or knows it", RULE_NONE, latest_is_as_much },
    { "who leads no more knows less", RULE_NONE, latest_of_one_who_was_deposed },
    { "a follower denies what its leader has", RULE_O11, follower_denies },
    { "nobody had committed that when it was asked", RULE_NONE, follower_denies_what_nobody_has },
    { "somebody asked for its deletion", RULE_NONE, follower_denies_what_is_deleted },
    { "it led when it was asked", RULE_NONE, leader_denies },
};

TEST(answers_are_judged)
{
    run_histories(answers, COUNT_OF(answers));
}

/* ---- lines of epochs ---- */

static void commit(int64_t to)
{
    struct stretch stretches[STRETCHES_MAX];
    line_extend(&partition, stretches, office_stretches(NULL, 0, partition.line_end, to, stretches), to);
}

static void compare(int64_t from, int64_t to)
{
    struct stretch stretches[STRETCHES_MAX];
    line_check(&judge, &partition, 1, stretches, office_stretches(NULL, 0, from, to, stretches));
}

static void same_line(void)
{
    commit(9);
    compare(0, 9);
}

static void begins_elsewhere(void)
{
    commit(9);
    epoch_starts[1] = 6; /* another log, then: it took the same epoch earlier */
    compare(0, 9);
}

static void begins_elsewhere_beyond(void)
{
    commit(6);
    epoch_starts[1] = 6;
    compare(0, 6);
}

static void lacks_an_epoch(void)
{
    commit(9);
    epoch_count = 1;
    compare(0, 9);
}

static void another_epoch_at_the_end(void)
{
    commit(7);
    epochs[1] = 5;
    commit(9);
    epochs[1] = 4;
    compare(0, 9);
}

static void line_begins_late(void)
{
    log_start = 3;
    commit(9);
    log_start = 0;
    epoch_count = 2;
    epochs[0] = 2;
    compare(0, 3);
}

static void line_was_forgotten(void)
{
    epochs[0] = 3;
    forgets = true;
    log_start = 2;
    epoch_starts[0] = 4; /* nobody knows whose 2 and 3 are */
    commit(9);
    log_start = 0;
    epochs[0] = 2;
    forgets = false;
    compare(0, 4);
}

static const struct history lines[] = {
    { "the log that it was committed in", RULE_NONE, same_line },
    { "another record at 6", RULE_O2, begins_elsewhere },
    { "at 6, which is not committed", RULE_NONE, begins_elsewhere_beyond },
    { "records of the old epoch in place of new ones", RULE_O2, lacks_an_epoch },
    { "two leaders of one record", RULE_O2, another_epoch_at_the_end },
    { "of what the first one did not have nothing is known", RULE_NONE, line_begins_late },
    { "nor of what it has forgotten", RULE_NONE, line_was_forgotten },
};

TEST(lines_are_judged)
{
    run_histories(lines, COUNT_OF(lines));
}

TEST(stretches_are_those_of_the_log)
{
    struct stretch stretches[STRETCHES_MAX];

    begin();
    EXPECT_EQ("two of them", 2, office_stretches(NULL, 0, 3, 9, stretches));
    EXPECT("the last one first", stretches[0].leader_epoch == 4 && stretches[0].from == 7 && stretches[0].to == 9);
    EXPECT("and the one before", stretches[1].leader_epoch == 1 && stretches[1].from == 3 && stretches[1].to == 7);
    epoch_count = 0;
    EXPECT_EQ("an empty log has none", 0, office_stretches(NULL, 0, 0, 9, stretches));
}
