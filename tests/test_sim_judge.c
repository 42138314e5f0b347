/* Each rule of the judge fires on the least story that breaks it, and on nothing else. */
#include "sim/judge.h"
#include "t.h"

static struct judge judge;
static struct judged_partition *partition;
static const struct uuid topic = { { 1 } };

static struct made made(uint64_t number)
{
    return (struct made){ .producer = 3, .number = number, .digest = number + 100 };
}

static void acked(int64_t offset, uint64_t number)
{
    const struct made record = made(number);
    judge_on_acked(&judge, partition, offset, -1, &record);
}

static void read_back(int64_t offset, uint64_t number)
{
    const struct made record = made(number);
    judge_on_read(&judge, partition, offset, &record);
}

static void offsets(int64_t start, int64_t high_watermark)
{
    const struct floor floor = judge_floor(partition);
    judge_on_offsets(&judge, partition, &floor, -1, start, high_watermark);
}

static void nothing_wrong(void)
{
    acked(0, 0);
    acked(1, 1);
    read_back(0, 0);
    read_back(1, 1);
    offsets(0, 2);
    judge_on_end(&judge);
}

static void acknowledged_and_lost(void)
{
    acked(0, 0);
    acked(1, 1);
    read_back(0, 0);
    judge_on_end(&judge);
}

static void acknowledged_and_changed(void)
{
    acked(0, 0);
    read_back(0, 7);
}

/* Records whose numbers are JUDGED_KEYS apart have one key. */
static void written_over(void)
{
    judge.compacts = true;
    acked(0, 5);
    acked(1, 5 + JUDGED_KEYS);
    read_back(1, 5 + JUDGED_KEYS);
    judge_on_step(&judge, partition, 0, 1);
    judge_on_end(&judge);
}

static void not_written_over(void)
{
    judge.compacts = true;
    acked(0, 5);
    acked(1, 6);
    read_back(1, 6);
    judge_on_end(&judge);
}

static void last_of_key_is_gone(void)
{
    judge.compacts = true;
    acked(0, 5);
    acked(1, 5 + JUDGED_KEYS);
    read_back(0, 5);
    judge_on_end(&judge);
}

static void two_values(void)
{
    read_back(4, 1);
    read_back(4, 2);
}

static void watermark_back(void)
{
    offsets(0, 5);
    offsets(0, 4);
}

static void late_answer(void)
{
    const struct floor asked_early = judge_floor(partition);
    offsets(0, 5);
    judge_on_offsets(&judge, partition, &asked_early, -1, 0, 3);
}

static void start_back(void)
{
    partition->start_asked = 3;
    offsets(3, 5);
    offsets(2, 5);
}

static void records_vanish(void)
{
    offsets(3, 5);
}

static void deleted_and_back(void)
{
    partition->start_asked = partition->start_acked = 1;
    acked(0, 0);
    read_back(0, 0);
    judge_on_end(&judge);
}

static void twice(void)
{
    read_back(0, 0);
    read_back(1, 0);
    judge_on_end(&judge);
}

static void read_sitting(int64_t offset, uint32_t sitting, uint64_t number)
{
    struct made record = made(number);
    record.sitting = sitting;
    judge_on_read(&judge, partition, offset, &record);
}

static void given_up_connection_is_read_late(void)
{
    read_sitting(0, 1, 0);
    read_sitting(1, 2, 5);
    read_sitting(2, 1, 1);
    read_sitting(3, 2, 6);
    judge_on_end(&judge);
}

static void one_connection_out_of_order(void)
{
    read_sitting(0, 2, 5);
    read_sitting(1, 1, 1);
    read_sitting(2, 2, 4);
    judge_on_end(&judge);
}

static void two_leaders(void)
{
    judge_on_leader(&judge, partition, 4, 1, 1);
    judge_on_leader(&judge, partition, 5, 2, 1);
    judge_on_leader(&judge, partition, 4, 2, 1);
}

static void leaders_change(void)
{
    judge_on_leader(&judge, partition, 4, 1, 1);
    judge_on_leader(&judge, partition, 5, -1, 1);
    judge_on_leader(&judge, partition, 6, 2, 1);
    judge_on_leader(&judge, partition, 4, 1, 1);
}

/* acks=1, in epoch 4 of broker 1; there are three replicas. */
static void weakly_acked(int64_t offset, uint64_t number)
{
    const struct made record = made(number);
    judge_on_leader(&judge, partition, 4, 1, 3);
    judge_on_acked(&judge, partition, offset, 4, &record);
}

static void weak_and_replaced(void)
{
    weakly_acked(0, 0);
    judge_on_leader(&judge, partition, 5, 2, 3);
    read_back(0, 7);
    judge_on_end(&judge);
}

static void weak_and_lost_with_its_leader(void)
{
    weakly_acked(0, 0);
    judge_on_leader(&judge, partition, 5, 2, 3);
    judge_on_end(&judge);
}

static void weak_and_lost_under_its_leader(void)
{
    weakly_acked(0, 0);
    judge_on_end(&judge);
}

static void weak_and_alone(void)
{
    const struct made record = made(0);
    judge_on_leader(&judge, partition, 4, 1, 1);
    judge_on_acked(&judge, partition, 0, 4, &record);
    judge_on_leader(&judge, partition, 5, 1, 1);
    judge_on_end(&judge);
}

static void weak_and_seen_by_a_consumer(void)
{
    weakly_acked(0, 0);
    read_back(0, 0);
    judge_on_leader(&judge, partition, 5, 2, 3);
    read_back(0, 7);
}

static void new_leader_knows_less(void)
{
    judge_on_leader(&judge, partition, 4, 1, 3);
    const struct floor nothing = judge_floor(partition);
    judge_on_offsets(&judge, partition, &nothing, 4, 0, 9);
    const struct floor floor = judge_floor(partition);
    judge_on_offsets(&judge, partition, &floor, 5, 0, 7);
}

static void same_leader_knows_less(void)
{
    judge_on_leader(&judge, partition, 4, 1, 3);
    const struct floor nothing = judge_floor(partition);
    judge_on_offsets(&judge, partition, &nothing, 4, 0, 9);
    const struct floor floor = judge_floor(partition);
    judge_on_offsets(&judge, partition, &floor, 4, 0, 7);
}

/* The end of what is committed comes with answers that say nothing of the start. */
static void start_of(int32_t epoch, int64_t start)
{
    partition->start_asked = 5;
    judge_on_leader(&judge, partition, 4, 1, 3);
    const struct floor nothing = judge_floor(partition);
    judge_on_offsets(&judge, partition, &nothing, 4, 5, 9);
    const struct floor before = judge_floor(partition);
    judge_on_offsets(&judge, partition, &before, epoch, -1, 9);
    const struct floor floor = judge_floor(partition);
    judge_on_offsets(&judge, partition, &floor, epoch, start, 9);
}

static void new_leader_has_what_was_retained(void)
{
    start_of(5, 0);
}

static void same_leader_has_it_again(void)
{
    start_of(4, 0);
}

static void gap(void)
{
    judge.consecutive[3] = true;
    read_back(0, 1);
    read_back(1, 3);
    judge_on_end(&judge);
}

static void skipped(void)
{
    judge_on_step(&judge, partition, 4, 5);
}

static void topic_vanishes(void)
{
    judge.now_ns = 10;
    judge_on_topic(&judge, &topic, "t", 1);
    judge_on_topic_absent(&judge, "t", &(struct asked){ 20, 0 });
}

static void topic_asked_for_too_early(void)
{
    judge.now_ns = 10;
    judge_on_topic(&judge, &topic, "t", 1);
    judge_on_topic_absent(&judge, "t", &(struct asked){ 5, 0 });
}

static void node_is_behind(void)
{
    judge.now_ns = 10;
    judge.index = 7;
    judge_on_topic(&judge, &topic, "t", 1);
    judge_on_topic_absent(&judge, "t", &(struct asked){ 20, 6 });
}

static void node_is_level(void)
{
    judge.now_ns = 10;
    judge.index = 7;
    judge_on_topic(&judge, &topic, "t", 1);
    judge_on_topic_absent(&judge, "t", &(struct asked){ 20, 7 });
}

static void topic_comes_back(void)
{
    judge_on_topic(&judge, &topic, "t", 1);
    judge_on_topic_deleting(&judge, &topic);
    judge.now_ns = 10;
    judge_on_topic_deleted(&judge, &topic);
    judge_on_topic_seen(&judge, &topic, "t", 1, &(struct asked){ 20, 0 });
}

static const struct rule_row {
    const char *why;
    void (*story)(void);
    enum rule rule;
} rule_rows[] = {
    { "a quiet life", nothing_wrong, RULE_NONE },
    { "an acknowledged record is not there at the end", acknowledged_and_lost, RULE_O1 },
    { "an acknowledged record reads otherwise", acknowledged_and_changed, RULE_O1 },
    { "two values at one offset", two_values, RULE_O2 },
    { "the high watermark steps back", watermark_back, RULE_O3 },
    { "an answer to an early question may be old", late_answer, RULE_NONE },
    { "the log start offset steps back", start_back, RULE_O3 },
    { "the start moves, and nobody deleted records", records_vanish, RULE_O1 },
    { "deleted records are back", deleted_and_back, RULE_O1 },
    { "a record is there twice", twice, RULE_O8 },
    { "a connection that was given up is read late", given_up_connection_is_read_late, RULE_NONE },
    { "one connection's records are out of order", one_connection_out_of_order, RULE_O8 },
    { "an idempotent producer's record is missing between two", gap, RULE_O8 },
    { "acks=1: another leader has another record there", weak_and_replaced, RULE_NONE },
    { "acks=1: lost with its leader", weak_and_lost_with_its_leader, RULE_NONE },
    { "acks=1: lost, and its leader leads on", weak_and_lost_under_its_leader, RULE_O1 },
    { "acks=1: the only replica restarts", weak_and_alone, RULE_O1 },
    { "acks=1: what a consumer was given stays", weak_and_seen_by_a_consumer, RULE_O1 },
    { "a new leader may have a lower high watermark", new_leader_knows_less, RULE_NONE },
    { "the same leader may not", same_leader_knows_less, RULE_O3 },
    { "a new leader may begin lower", new_leader_has_what_was_retained, RULE_NONE },
    { "the same leader may not", same_leader_has_it_again, RULE_O3 },
    { "a consumer is given later records than it asked for", skipped, RULE_O11 },
    { "an acknowledged topic is not there", topic_vanishes, RULE_O6 },
    { "it was asked for before it was there", topic_asked_for_too_early, RULE_NONE },
    { "a node that is behind does not know of it", node_is_behind, RULE_NONE },
    { "a node that has applied as much has to", node_is_level, RULE_O6 },
    { "a deleted topic is there again", topic_comes_back, RULE_O6 },
    { "what was written over may be gone from a compacted log", written_over, RULE_NONE },
    { "nothing else may", not_written_over, RULE_O15 },
    { "least of all the last one of its key", last_of_key_is_gone, RULE_O15 },
    { "two brokers lead in one epoch", two_leaders, RULE_O4 },
    { "each epoch has a leader, or none", leaders_change, RULE_NONE },
};

TEST(rules)
{
    FOR_EACH(rule_row, row, rule_rows) {
        judge_init(&judge);
        partition = judge_partition(&judge, &topic, 0);
        row->story();
        EXPECT_EQ(row->why, row->rule, judge.broken);
        judge_free(&judge);
    }
}

TEST(damage_forgives_loss_but_not_lies)
{
    judge_init(&judge);
    partition = judge_partition(&judge, &topic, 0);
    judge.forgives_loss = true;
    acknowledged_and_lost();
    EXPECT_EQ("durable bytes were damaged: loss is allowed here", RULE_NONE, judge.broken);
    two_values();
    EXPECT_EQ("another record in a record's place is not", RULE_O2, judge.broken);
    judge_free(&judge);
}
