/* Kafka's requests about voters, at a node that is alone: what can be asked of it, and what it refuses. What becomes of
 * votes where there are more nodes is told in test_membership.c. */
#include "admin_world.h"
#include "raft/raft.h"
#include "status.h"

#define METADATA_TOPIC BYTES_LITERAL("__cluster_metadata")

static struct uuid own_directory(const struct world *world)
{
    struct uuid directory = { { 0 } };

    store_u64(directory.bytes, raft_id(node_raft(world->node)));
    return directory;
}

TEST(the_quorum_is_described_in_every_version)
{
    struct world *world = world_new();
    struct describe_quorum_request_partition asked = { .index = 0 };
    struct describe_quorum_request_topic topic = { METADATA_TOPIC, &asked, 1 };

    for (int16_t version = 0; version <= 2; version++) {
        ASK(describe_quorum, API_DESCRIBE_QUORUM, version, .topics = &topic, .topics_count = 1)
        EXPECT_EQ("answered", ERROR_NONE, describe_quorum_answer.error_code);
        EXPECT_EQ("its one topic", 1, describe_quorum_answer.topics_count);
        EXPECT("by name", bytes_equal(METADATA_TOPIC, describe_quorum_answer.topics[0].name));
        const struct describe_quorum_response_partition *partition = &describe_quorum_answer.topics[0].partitions[0];
        EXPECT_EQ("led here", 1, partition->leader_id);
        EXPECT_EQ("in its term", (int32_t)raft_term(node_raft(world->node)), partition->leader_epoch);
        EXPECT_EQ("one votes", 1, partition->current_voters_count);
        EXPECT_EQ("nobody learns", 0, partition->observers_count);
        const struct describe_quorum_response_voter *voter = &partition->current_voters[0];
        EXPECT_EQ("it does", 1, voter->replica_id);
        EXPECT_EQ("it holds all", (int64_t)raft_last_index(node_raft(world->node)) + 1, voter->log_end_offset);
        EXPECT_EQ("of which all is committed", voter->log_end_offset, partition->high_watermark);
        EXPECT_EQ("as of now", version >= 1 ? 1700000000000 : -1, voter->last_fetch_timestamp);
        EXPECT_EQ("as of now", version >= 1 ? 1700000000000 : -1, voter->last_caught_up_timestamp);
        const struct uuid own = own_directory(world);
        EXPECT("with its directory", version < 2 || uuid_equal(&own, &voter->replica_directory_id));
        EXPECT_EQ("where it is", version >= 2, (int)describe_quorum_answer.nodes_count);
    }
    world_free(world);
}

TEST(only_the_metadata_has_a_quorum)
{
    struct world *world = world_new();
    static const struct {
        const char *why;
        struct bytes name;
        int32_t partitions[2];
        uint32_t partition_count, topic_count;
    } rows[] = {
        { "another topic", { (const uint8_t *)"t", 1 }, { 0 }, 1, 1 },
        { "another partition", { (const uint8_t *)"__cluster_metadata", 18 }, { 1 }, 1, 1 },
        { "two partitions", { (const uint8_t *)"__cluster_metadata", 18 }, { 0, 1 }, 2, 1 },
        { "the same topic twice", { (const uint8_t *)"__cluster_metadata", 18 }, { 0 }, 1, 2 },
        { "no partition", { (const uint8_t *)"__cluster_metadata", 18 }, { 0 }, 0, 1 },
        { "nothing", { (const uint8_t *)"", 0 }, { 0 }, 0, 0 },
    };

    for (uint32_t row = 0; row < COUNT_OF(rows); row++) {
        struct describe_quorum_request_partition asked[2] = { { rows[row].partitions[0] },
                                                              { rows[row].partitions[1] } };
        struct describe_quorum_request_topic topics[2] = { { rows[row].name, asked, rows[row].partition_count } };
        topics[1] = topics[0];
        ASK(describe_quorum, API_DESCRIBE_QUORUM, 2, .topics = topics, .topics_count = rows[row].topic_count)
        EXPECT_EQ(rows[row].why, ERROR_NONE, describe_quorum_answer.error_code);
        EXPECT_EQ(rows[row].why, rows[row].topic_count, describe_quorum_answer.topics_count);
        for (uint32_t i = 0; i < describe_quorum_answer.topics_count; i++) {
            EXPECT_EQ(rows[row].why, rows[row].partition_count, describe_quorum_answer.topics[i].partitions_count);
            for (uint32_t k = 0; k < rows[row].partition_count; k++) {
                EXPECT_EQ(rows[row].why, ERROR_UNKNOWN_TOPIC_OR_PARTITION,
                          describe_quorum_answer.topics[i].partitions[k].error_code);
            }
        }
    }
    world_free(world);
}

/* Which id and directory a row names. */
enum whose { OWN, OTHER, NONE };

static struct uuid directory_of(const struct world *world, enum whose whose)
{
    struct uuid directory = own_directory(world);

    if (whose == OTHER) directory.bytes[7] ^= 1;
    return whose == NONE ? (struct uuid){ { 0 } } : directory;
}

TEST(one_node_has_the_only_vote)
{
    struct world *world = world_new();
    static const struct {
        const char *why;
        const char *cluster_id; /* NULL: none, "own": ours */
        int32_t node_id;
        enum whose directory;
        enum error added, removed;
    } rows[] = {
        { "the last vote stays", NULL, 1, OWN, ERROR_DUPLICATE_VOTER, ERROR_INVALID_REQUEST },
        { "and with our cluster's id", "own", 1, OWN, ERROR_DUPLICATE_VOTER, ERROR_INVALID_REQUEST },
        { "another cluster", "AAAAAAAAAAAAAAAAAAAAAA", 1, OWN, ERROR_INCONSISTENT_CLUSTER_ID,
          ERROR_INCONSISTENT_CLUSTER_ID },
        { "no cluster's id", "", 1, OWN, ERROR_INCONSISTENT_CLUSTER_ID, ERROR_INCONSISTENT_CLUSTER_ID },
        { "a directory that it had", NULL, 1, OTHER, ERROR_DUPLICATE_VOTER, ERROR_VOTER_NOT_FOUND },
        { "no directory", NULL, 1, NONE, ERROR_DUPLICATE_VOTER, ERROR_VOTER_NOT_FOUND },
        { "a node that has not joined", NULL, 2, OWN, ERROR_REQUEST_TIMED_OUT, ERROR_VOTER_NOT_FOUND },
        { "nor is there a member 0", NULL, 2, NONE, ERROR_REQUEST_TIMED_OUT, ERROR_VOTER_NOT_FOUND },
        { "no node", NULL, -1, OWN, ERROR_INVALID_REQUEST, ERROR_VOTER_NOT_FOUND },
        { "no node either", NULL, 0, OWN, ERROR_INVALID_REQUEST, ERROR_VOTER_NOT_FOUND },
    };
    ASK(describe_cluster, API_DESCRIBE_CLUSTER, 2, .endpoint_type = 1)
    char own_id[UUID_TEXT_SIZE];
    memcpy(own_id, describe_cluster_answer.cluster_id.data, UUID_TEXT_SIZE);

    for (uint32_t row = 0; row < COUNT_OF(rows); row++) {
        struct bytes cluster_id = { 0 };
        if (rows[row].cluster_id != NULL) cluster_id = text_of(rows[row].cluster_id);
        if (rows[row].cluster_id != NULL && strcmp(rows[row].cluster_id, "own") == 0) {
            cluster_id = (struct bytes){ (const uint8_t *)own_id, UUID_TEXT_SIZE };
        }
        const struct uuid directory = directory_of(world, rows[row].directory);
        ASK(add_raft_voter, API_ADD_RAFT_VOTER, 0, .cluster_id = cluster_id, .timeout_ms = 1000,
            .voter_id = rows[row].node_id, .voter_directory_id = directory)
        EXPECT_EQ(rows[row].why, rows[row].added, (enum error)add_raft_voter_answer.error_code);
        EXPECT(rows[row].why, add_raft_voter_answer.error_message.size > 0);
        ASK(remove_raft_voter, API_REMOVE_RAFT_VOTER, 0, .cluster_id = cluster_id, .voter_id = rows[row].node_id,
            .voter_directory_id = directory)
        EXPECT_EQ(rows[row].why, rows[row].removed, (enum error)remove_raft_voter_answer.error_code);
        EXPECT(rows[row].why, remove_raft_voter_answer.error_message.size > 0);
    }
    world_free(world);
}

TEST(who_is_alive_or_unknown_is_not_unregistered)
{
    struct world *world = world_new();
    static const struct {
        const char *why;
        int32_t broker_id;
        enum error error;
    } rows[] = {
        { "it is alive", 1, ERROR_INVALID_REQUEST },
        { "it is not there", 2, ERROR_BROKER_ID_NOT_REGISTERED },
        { "nor is this", -1, ERROR_BROKER_ID_NOT_REGISTERED },
    };

    for (uint32_t row = 0; row < COUNT_OF(rows); row++) {
        ASK(unregister_broker, API_UNREGISTER_BROKER, 0, .broker_id = rows[row].broker_id)
        EXPECT_EQ(rows[row].why, rows[row].error, (enum error)unregister_broker_answer.error_code);
        EXPECT(rows[row].why, unregister_broker_answer.error_message.size > 0);
    }
    world_free(world);
}
