/* DescribeProducers, DescribeTransactions and ListTransactions: who produces, and in which transactions. */
#include "broker_world.h"

/* Partition 0 of "t": two producers, and a batch of nobody between them. */
static struct world *world_with_producers(void)
{
    static const struct batch_spec specs[] = {
        { .timestamp = 1000, .producer_id = 7, .base_sequence = 5, .count = 3 },
        { .timestamp = 2000 },
        { .timestamp = 3000, .producer_id = 9, .base_sequence = 0 },
    };
    struct world *world = world_serving();
    static uint8_t memory[4096];
    struct append_answer answer;
    struct record_batch batch;

    world_broker(world, 2, "there", 9093);
    world_topic(world, "far", 1, 2);
    for (uint32_t i = 0; i < COUNT_OF(specs); i++) {
        const struct bytes bytes = batch_of(memory, sizeof memory, &specs[i]);
        CHECK(record_batch_read(bytes, &batch) == RECORD_BATCH_WHOLE);
        CHECK(logs_append(world->logs, world_log(world, "t", 0), &batch, 3, -1, 0, &answer) == APPEND_OK);
    }
    return world;
}

static const struct producers_row {
    const char *why;
    const char *topic;
    int32_t partition;
    int16_t error;
    uint32_t count;
} producers_rows[] = {
    { "all that the log remembers", "t", 0, ERROR_NONE, 2 },
    { "nobody has produced there", "t", 1, ERROR_NONE, 0 },
    { "a partition that is not there", "t", 70, ERROR_UNKNOWN_TOPIC_OR_PARTITION, 0 },
    { "a partition that never is", "t", -1, ERROR_UNKNOWN_TOPIC_OR_PARTITION, 0 },
    { "a topic that is not there", "nothing", 0, ERROR_UNKNOWN_TOPIC_OR_PARTITION, 0 },
    { "no replica is here", "far", 0, ERROR_NOT_LEADER_OR_FOLLOWER, 0 },
};

TEST(producers_are_described)
{
    struct world *world = world_with_producers();

    FOR_EACH(producers_row, row, producers_rows) {
        struct describe_producers_request_topic topic = { text_of(row->topic), &row->partition, 1 };
        const struct describe_producers_request request = { .topics = &topic, .topics_count = 1 };
        struct describe_producers_response got;
        WORLD_ASK(world, 0, API_DESCRIBE_PRODUCERS, describe_producers, 0, 1, &request);
        WORLD_GET(row->why, world, 0, API_DESCRIBE_PRODUCERS, describe_producers, 0, 1, &got);
        const struct describe_producers_response_partition *partition = &got.topics[0].partitions[0];
        EXPECT_EQ(row->why, row->error, partition->error_code);
        EXPECT_EQ(row->why, row->partition, partition->index);
        EXPECT_EQ(row->why, row->count, partition->active_producers_count);
        if (row->count == 0) continue;
        EXPECT_EQ("who", 7, partition->active_producers[0].producer_id);
        EXPECT_EQ("the last of its three records", 7, partition->active_producers[0].last_sequence);
        EXPECT_EQ("when", 1000, partition->active_producers[0].last_timestamp);
        EXPECT_EQ("in no transaction", -1, partition->active_producers[0].current_txn_start_offset);
        EXPECT_EQ("and who else", 9, partition->active_producers[1].producer_id);
    }
    world_free(world);
}

TEST(there_are_no_transactions)
{
    struct world *world = world_serving();
    const struct bytes ids[] = { BYTES_LITERAL("one"), BYTES_LITERAL("two") };
    const struct bytes states[] = { BYTES_LITERAL("Ongoing"), BYTES_LITERAL("Lost"), BYTES_LITERAL("Dead") };
    const struct describe_transactions_request describe = { .transactional_ids = ids, .transactional_ids_count = 2 };
    struct describe_transactions_response described;
    struct list_transactions_response listed;

    WORLD_ASK(world, 0, API_DESCRIBE_TRANSACTIONS, describe_transactions, 0, 1, &describe);
    WORLD_GET("described", world, 0, API_DESCRIBE_TRANSACTIONS, describe_transactions, 0, 1, &described);
    EXPECT_EQ("an answer for each", 2, described.transaction_states_count);
    EXPECT_EQ("not there", ERROR_TRANSACTIONAL_ID_NOT_FOUND, described.transaction_states[1].error_code);
    EXPECT("which one", bytes_equal(ids[1], described.transaction_states[1].transactional_id));
    for (int16_t version = 0; version <= 1; version++) {
        const struct list_transactions_request list = { .state_filters = states,
                                                        .state_filters_count = 3,
                                                        .duration_filter = version == 0 ? -1 : 10 };
        WORLD_ASK(world, 0, API_LIST_TRANSACTIONS, list_transactions, version, 1, &list);
        WORLD_GET("listed", world, 0, API_LIST_TRANSACTIONS, list_transactions, version, 1, &listed);
        EXPECT_EQ("no error", ERROR_NONE, listed.error_code);
        EXPECT_EQ("none", 0, listed.transaction_states_count);
        EXPECT_EQ("a state that is none", 1, listed.unknown_state_filters_count);
        EXPECT("it is named", bytes_equal(states[1], listed.unknown_state_filters[0]));
    }
    world_free(world);
}
