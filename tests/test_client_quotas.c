/* Quotas: who is told to wait, for how long, and that he does. */
#include "broker/quotas.h"
#include "broker_world.h"

enum { PRODUCE = QUOTA_PRODUCER_BYTE_RATE, FETCH = QUOTA_CONSUMER_BYTE_RATE };
enum { NONE = QUOTA_PART_NONE, DEFAULT = QUOTA_PART_DEFAULT, NAMED = QUOTA_PART_NAMED };

static void set(struct world *world, int8_t user_part, const char *user, int8_t client_part, const char *client,
                int8_t key, int64_t rate)
{
    uint8_t memory[1024];
    struct proposal proposal = proposal_in(memory, sizeof memory);

    proposal_add_client_quota(&proposal, &(struct metadata_client_quota_record){ .user_part = user_part,
                                                                                 .user = text_of(user),
                                                                                 .client_id_part = client_part,
                                                                                 .client_id = text_of(client),
                                                                                 .key = key,
                                                                                 .rate = rate });
    world_apply(world, &proposal);
}

/* ---- which quota counts ---- */

static const struct rank_row {
    const char *why;
    int8_t user_part;
    const char *user;
    int8_t client_part;
    const char *client;
} rank_rows[] = {
    /* Each counts more than those above it. */
    { "all client ids", NONE, "", DEFAULT, "" },
    { "a client id", NONE, "", NAMED, "test" },
    { "all users", DEFAULT, "", NONE, "" },
    { "all users, all client ids", DEFAULT, "", DEFAULT, "" },
    { "all users, a client id", DEFAULT, "", NAMED, "test" },
    { "a user", NAMED, "ANONYMOUS", NONE, "" },
    { "a user, all client ids", NAMED, "ANONYMOUS", DEFAULT, "" },
    { "a user, a client id", NAMED, "ANONYMOUS", NAMED, "test" },
};

static int64_t rate_of(const struct world *world, const char *client)
{
    const struct image_quota *quota = image_quota_of(world->image, PRODUCE, text_of("ANONYMOUS"), text_of(client));

    return quota == NULL ? 0 : quota->rates[PRODUCE];
}

TEST(who_is_named_comes_before_all_others)
{
    struct world *world = world_serving();
    int64_t rate = 0;

    set(world, NAMED, "somebody else", NONE, "", PRODUCE, 77);
    EXPECT_EQ("another user's", 0, rate_of(world, "test"));
    FOR_EACH(rank_row, row, rank_rows) {
        set(world, row->user_part, row->user, row->client_part, row->client, PRODUCE, ++rate);
        EXPECT_EQ(row->why, rate, rate_of(world, "test"));
    }
    FOR_EACH(rank_row, row, rank_rows) {
        set(world, row->user_part, row->user, row->client_part, row->client, FETCH, 5);
    }
    EXPECT_EQ("the other key is another quota", rate, rate_of(world, "test"));
    for (uint32_t i = COUNT_OF(rank_rows); i-- > 0;) {
        const struct rank_row *row = &rank_rows[i];
        EXPECT_EQ(row->why, i + 1, rate_of(world, "test"));
        set(world, row->user_part, row->user, row->client_part, row->client, PRODUCE, 0);
    }
    EXPECT_EQ("none is left", 0, rate_of(world, "test"));
    EXPECT_EQ("but those of the other key", 1 + COUNT_OF(rank_rows), image_quota_count(world->image));
    world_free(world);
}

/* ---- how long ---- */

#define SECOND UINT64_C(1000000000)

TEST(what_is_owed_is_paid_back)
{
    static struct quotas quotas;
    struct world *world = world_serving();
    uint64_t now = 5 * SECOND;

    EXPECT_EQ("without a quota", 0, quotas_take(&quotas, world->image, PRODUCE, text_of("a"), 1 << 30, now));
    set(world, NONE, "", DEFAULT, "", PRODUCE, 1000);
    EXPECT_EQ("ten seconds' worth at once", 0, quotas_take(&quotas, world->image, PRODUCE, text_of("a"), 10000, now));
    EXPECT_EQ("and more", 2001, quotas_take(&quotas, world->image, PRODUCE, text_of("a"), 2000, now));
    EXPECT_EQ("another client has its own", 0, quotas_take(&quotas, world->image, PRODUCE, text_of("b"), 10000, now));
    EXPECT_EQ("to take is not to send", 0, quotas_take(&quotas, world->image, FETCH, text_of("a"), 1 << 30, now));
    now += 2 * SECOND;
    EXPECT_EQ("after the wait all is well", 0, quotas_take(&quotas, world->image, PRODUCE, text_of("a"), 0, now));
    EXPECT_EQ("and one byte too many", 2, quotas_take(&quotas, world->image, PRODUCE, text_of("a"), 1, now));
    now += 3600 * SECOND;
    EXPECT_EQ("silence pays all", 0, quotas_take(&quotas, world->image, PRODUCE, text_of("a"), 10000, now));
    EXPECT_EQ("never more than an hour", 3600000,
              quotas_take(&quotas, world->image, PRODUCE, text_of("a"), UINT64_C(1) << 40, now));
    set(world, NONE, "", DEFAULT, "", PRODUCE, INT64_MAX);
    now += SECOND;
    EXPECT_EQ("a rate beyond all bounds", 0, quotas_take(&quotas, world->image, PRODUCE, text_of("a"), 1 << 30, now));
    world_free(world);
}

TEST(a_quota_of_a_user_is_shared)
{
    static struct quotas quotas;
    struct world *world = world_serving();

    set(world, DEFAULT, "", NONE, "", FETCH, 1000);
    quotas_take(&quotas, world->image, FETCH, text_of("a"), 6000, SECOND);
    EXPECT("by all its clients", quotas_take(&quotas, world->image, FETCH, text_of("b"), 6000, SECOND) > 0);
    world_free(world);
}

TEST(very_many_clients_are_forgotten)
{
    static struct quotas quotas;
    struct world *world = world_serving();
    char name[16];

    set(world, NONE, "", DEFAULT, "", PRODUCE, 1000);
    for (uint32_t i = 0; i < 20000; i++) {
        sprintf(name, "c%u", i);
        EXPECT("each is counted by itself",
               quotas_take(&quotas, world->image, PRODUCE, text_of(name), 9000, SECOND + i) == 0);
    }
    EXPECT("the last one is known",
           quotas_take(&quotas, world->image, PRODUCE, text_of(name), 9000, SECOND + 20000) > 0);
    world_free(world);
}

/* ---- on a link ---- */

static uint8_t batch_memory[64 << 10];

static void produce(struct world *world, uint32_t link, int32_t correlation_id, int16_t acks, uint32_t size)
{
    const struct batch_spec spec = { .value_size = size };
    struct produce_request_partition partition = { 0, batch_of(batch_memory, sizeof batch_memory, &spec) };
    struct produce_request_topic topic = { text_of("t"), &partition, 1 };
    const struct produce_request request = { .acks = acks, .timeout_ms = 30000, .topics = &topic, .topics_count = 1 };

    WORLD_ASK(world, link, API_PRODUCE, produce, 7, correlation_id, &request);
}

static void ask_versions(struct world *world, uint32_t link, int32_t correlation_id)
{
    const struct api_versions_request request = api_versions_request_default;

    WORLD_ASK(world, link, API_API_VERSIONS, api_versions, 0, correlation_id, &request);
}

static struct world *limited(int8_t key)
{
    struct world *world = world_serving();

    set(world, NONE, "", NAMED, "test", key, 1000);
    return world;
}

static const struct muted_row {
    const char *why;
    int16_t acks;
} muted_rows[] = {
    { "who waits for the answer", 1 },
    { "who wants none", 0 },
};

TEST(who_sends_too_much_is_answered_and_not_listened_to)
{
    FOR_EACH(muted_row, row, muted_rows) {
        struct world *world = limited(PRODUCE);
        struct produce_response response;
        struct api_versions_response versions;
        world_open(world, 1);
        produce(world, 0, 1, row->acks, 40000);
        world_durable(world, world_log(world, "t", 0));
        world_run(world);
        if (row->acks != 0) {
            WORLD_GET(row->why, world, 0, API_PRODUCE, produce, 7, 1, &response);
            EXPECT("is answered at once, and told", response.throttle_time_ms > 29000);
            EXPECT("how long", response.throttle_time_ms < 32000);
        }
        ask_versions(world, 0, 2);
        EXPECT_NO_ANSWER("what comes next waits", world, 0);
        ask_versions(world, 1, 3);
        WORLD_GET("nobody else does", world, 1, API_API_VERSIONS, api_versions, 0, 3, &versions);
        world_pass(world, 29000);
        EXPECT_NO_ANSWER("as long as it was told", world, 0);
        world_pass(world, 3000);
        WORLD_GET("and no longer", world, 0, API_API_VERSIONS, api_versions, 0, 2, &versions);
        EXPECT_EQ("it is counted", 1, broker_counters(world->broker)->quota_throttles[PRODUCE]);
        world_free(world);
    }
}

TEST(who_takes_too_much_is_told_with_the_records)
{
    struct world *world = limited(FETCH);
    struct fetch_request_partition partition = fetch_request_partition_default;
    struct fetch_request_topic topic = { .name = BYTES_LITERAL("t"), .partitions = &partition, .partitions_count = 1 };
    struct fetch_request request = fetch_request_default;
    struct fetch_response response;

    produce(world, 0, 1, 0, 40000);
    world_durable(world, world_log(world, "t", 0));
    partition.partition_max_bytes = 1 << 20;
    request.replica_id = -1;
    request.max_bytes = 1 << 20;
    request.topics = &topic;
    request.topics_count = 1;
    WORLD_ASK(world, 0, API_FETCH, fetch, 5, 2, &request);
    WORLD_GET("the records", world, 0, API_FETCH, fetch, 5, 2, &response);
    EXPECT("and the time", response.throttle_time_ms > 29000 && response.throttle_time_ms < 32000);
    WORLD_ASK(world, 0, API_FETCH, fetch, 5, 3, &request);
    EXPECT_NO_ANSWER("then it waits", world, 0);
    world_pass(world, 32000);
    WORLD_GET("and is served again", world, 0, API_FETCH, fetch, 5, 3, &response);
    world_free(world);
}
