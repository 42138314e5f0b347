/* Who is there and what: ApiVersions, Metadata, DescribeCluster, DescribeTopicPartitions, FindCoordinator, and ids for
 * producers. */
#include "broker_world.h"

/* ---- ApiVersions ---- */

static const struct name_row {
    const char *why;
    const char *name, *version;
    int16_t error;
} name_rows[] = {
    { "as clients name themselves", "apache-kafka-java", "3.9.0", ERROR_NONE },
    { "a single letter", "x", "1", ERROR_NONE },
    { "no name", "", "1", ERROR_INVALID_REQUEST },
    { "no version", "x", "", ERROR_INVALID_REQUEST },
    { "a space", "my client", "1", ERROR_INVALID_REQUEST },
    { "ends in a dot", "x", "1.", ERROR_INVALID_REQUEST },
    { "begins with a dash", "-x", "1", ERROR_INVALID_REQUEST },
    { "an underscore", "a_b", "1", ERROR_INVALID_REQUEST },
};

TEST(clients_may_name_themselves)
{
    FOR_EACH(name_row, row, name_rows) {
        struct world *world = world_serving();
        const struct api_versions_request request = { text_of(row->name), text_of(row->version) };
        struct api_versions_response got;
        WORLD_ASK(world, 0, API_API_VERSIONS, api_versions, 3, 1, &request);
        WORLD_GET(row->why, world, 0, API_API_VERSIONS, api_versions, 3, 1, &got);
        EXPECT_EQ(row->why, row->error, got.error_code);
        EXPECT_EQ(row->why, row->error == ERROR_NONE, got.api_keys_count > 0);
        world_free(world);
    }
}

TEST(versions_are_what_the_table_advertises)
{
    struct world *world = world_serving();

    for (int16_t version = 0; version <= 4; version++) {
        const struct api_versions_request request = { text_of("x"), text_of("1") };
        struct api_versions_response got;
        WORLD_ASK(world, 0, API_API_VERSIONS, api_versions, version, 1, &request);
        WORLD_GET("answered", world, 0, API_API_VERSIONS, api_versions, version, 1, &got);
        for (uint32_t i = 0; i < got.api_keys_count; i++) {
            const struct api *api = api_find(got.api_keys[i].api_key);
            EXPECT("known and told", api != NULL && api->advertised);
            EXPECT_EQ("its first version", api->advertised_min, got.api_keys[i].min_version);
            EXPECT_EQ("its last", api->advertised_max, got.api_keys[i].max_version);
        }
        EXPECT_EQ("features from 3 on", version >= 3 ? 2 : 0, got.finalized_features_count);
    }
    world_free(world);
}

TEST(a_version_of_tomorrow_is_answered_in_version_0)
{
    struct world *world = world_serving();
    static const uint8_t request[] = { 0, 0, 0, 12, 0, 18, 0, 99, 0, 0, 0, 5, 0, 2, 'm', 'e' };
    struct api_versions_response got;

    world_send(world, 0, request, sizeof request);
    world_run(world);
    WORLD_GET("as KIP-511 says", world, 0, API_API_VERSIONS, api_versions, 0, 5, &got);
    EXPECT_EQ("error", ERROR_UNSUPPORTED_VERSION, got.error_code);
    EXPECT_EQ("one entry", 1, got.api_keys_count);
    EXPECT_EQ("that of ApiVersions", API_API_VERSIONS, got.api_keys[0].api_key);
    EXPECT("and the link stays", world->wires[0].open);
    world_free(world);
}

/* ---- Metadata ---- */

static void put_metadata(struct world *world, int16_t version, int32_t correlation_id, const char *name, bool create)
{
    struct metadata_request_topic topic = { .name = text_of(name == NULL ? "" : name) };
    struct metadata_request request = metadata_request_default;

    request.topics = name == NULL && version > 0 ? NULL : &topic;
    request.topics_count = name == NULL ? 0 : 1;
    request.allow_auto_topic_creation = create;
    request.include_cluster_authorized_operations = true;
    request.include_topic_authorized_operations = true;
    WORLD_ASK(world, 0, API_METADATA, metadata, version, correlation_id, &request);
}

TEST(metadata_tells_all_in_every_version)
{
    struct world *world = world_serving();

    world_topic(world, "__consumer_offsets", 2, 1);
    world_broker(world, 2, "there", 9093);
    for (int16_t version = 0; version <= 13; version++) {
        struct metadata_response got;
        put_metadata(world, version, version, NULL, false);
        WORLD_GET("answered", world, 0, API_METADATA, metadata, version, version, &got);
        EXPECT_EQ("brokers", 2, got.brokers_count);
        EXPECT_BYTES("hosts", "there", 5, got.brokers[1].host.data, got.brokers[1].host.size);
        EXPECT_EQ("ports", 9093, got.brokers[1].port);
        EXPECT_EQ("topics", 2, got.topics_count);
        EXPECT_EQ("partitions", 4, got.topics[0].partitions_count);
        EXPECT_EQ("leaders", 1, got.topics[0].partitions[3].leader_id);
        EXPECT_EQ("replicas", 1, got.topics[0].partitions[3].replica_nodes_count);
        EXPECT_EQ("internal ones are called so", version >= 1, got.topics[1].is_internal);
        if (version >= 1) EXPECT_EQ("a live broker", 1, got.controller_id);
        if (version >= 2) EXPECT_EQ("the cluster", 22, got.cluster_id.size);
        if (version >= 7) EXPECT_EQ("leader epochs", 3, got.topics[0].partitions[0].leader_epoch);
        if (version >= 8) EXPECT_EQ("what may be done", 3576, got.topics[0].authorized_operations);
        if (version >= 8 && version <= 10) EXPECT_EQ("and with the cluster", 8096, got.cluster_authorized_operations);
        if (version >= 10) {
            const struct uuid id = topic_id_of("t");
            EXPECT_BYTES("ids", id.bytes, 16, got.topics[0].topic_id.bytes, 16);
        }
    }
    world_free(world);
}

TEST(no_topics_are_none_but_in_version_0)
{
    for (int16_t version = 0; version <= 13; version++) {
        struct world *world = world_serving();
        struct metadata_request_topic none = { 0 };
        struct metadata_request request = metadata_request_default;
        struct metadata_response got;
        request.topics = &none;
        WORLD_ASK(world, 0, API_METADATA, metadata, version, 1, &request);
        WORLD_GET("answered", world, 0, API_METADATA, metadata, version, 1, &got);
        EXPECT_EQ("an empty list", version == 0 ? 1 : 0, got.topics_count);
        world_free(world);
    }
}

static const struct missing_row {
    const char *why;
    const char *name;
    bool allowed;
    const char *config; /* auto.create.topics.enable */
    int16_t error;
} missing_rows[] = {
    { "not there, and not to be made", "new", false, NULL, ERROR_UNKNOWN_TOPIC_OR_PARTITION },
    { "a name that nothing may have", "!", true, NULL, ERROR_INVALID_TOPIC_EXCEPTION },
};

TEST(missing_topics_are_told)
{
    FOR_EACH(missing_row, row, missing_rows) {
        for (int16_t version = 4; version <= 13; version++) {
            struct world *world = world_serving();
            struct metadata_response got;
            put_metadata(world, version, 1, row->name, row->allowed);
            WORLD_GET(row->why, world, 0, API_METADATA, metadata, version, 1, &got);
            EXPECT_EQ(row->why, row->error, got.topics[0].error_code);
            EXPECT_EQ("nothing was made", 0, world->controller.asked_count);
            world_free(world);
        }
    }
}

TEST(a_topic_is_made_by_asking_and_the_answer_waits_for_it)
{
    struct world *world = world_serving();
    struct metadata_response got;

    put_metadata(world, 9, 1, "new", true);
    EXPECT_TEXT("wished for", "new", world->controller.asked[0]);
    EXPECT_NO_ANSWER("not there yet", world, 0);
    world_topic(world, "new", 1, 1);
    world_granted(world, world->controller.wish);
    WORLD_GET("there", world, 0, API_METADATA, metadata, 9, 1, &got);
    EXPECT_EQ("complete", ERROR_NONE, got.topics[0].error_code);
    EXPECT_EQ("with its leader", 1, got.topics[0].partitions[0].leader_id);
    EXPECT_EQ("wished for once", 1, world->controller.asked_count);
    put_metadata(world, 9, 2, "new", true);
    WORLD_GET("at once", world, 0, API_METADATA, metadata, 9, 2, &got);
    EXPECT_EQ("not wished for again", 1, world->controller.asked_count);
    world_free(world);
}

TEST(a_topic_that_is_long_in_the_making_is_asked_for_again)
{
    struct world *world = world_serving();
    struct metadata_response got;

    put_metadata(world, 9, 1, "new", true);
    world_pass(world, 4999);
    EXPECT_NO_ANSWER("patience", world, 0);
    world_pass(world, 1);
    WORLD_GET("has an end", world, 0, API_METADATA, metadata, 9, 1, &got);
    EXPECT_EQ("clients ask again", ERROR_LEADER_NOT_AVAILABLE, got.topics[0].error_code);
    EXPECT_EQ("wished for once", 1, world->controller.asked_count);
    world->controller.refuses = true;
    put_metadata(world, 9, 2, "other", true);
    WORLD_GET("refused", world, 0, API_METADATA, metadata, 9, 2, &got);
    EXPECT_EQ("is not there", ERROR_UNKNOWN_TOPIC_OR_PARTITION, got.topics[0].error_code);
    world_free(world);
}

TEST(each_waits_for_its_own_wish)
{
    struct world *world = world_serving();
    struct metadata_response got;
    struct metadata_request_topic topic = { .name = text_of("second") };
    struct metadata_request request = metadata_request_default;

    world_open(world, 1);
    put_metadata(world, 9, 1, "first", true);
    request.topics = &topic;
    request.topics_count = 1;
    request.allow_auto_topic_creation = true;
    WORLD_ASK(world, 1, API_METADATA, metadata, 9, 1, &request);
    world_topic(world, "first", 1, 1);
    world_granted(world, world->controller.wish - 1);
    WORLD_GET("the first", world, 0, API_METADATA, metadata, 9, 1, &got);
    EXPECT_EQ("is there", ERROR_NONE, got.topics[0].error_code);
    EXPECT_NO_ANSWER("the second is not", world, 1);
    world_topic(world, "second", 1, 1);
    world_granted(world, world->controller.wish);
    WORLD_GET("the second", world, 1, API_METADATA, metadata, 9, 1, &got);
    EXPECT_EQ("is there", ERROR_NONE, got.topics[0].error_code);
    world_free(world);
}

TEST(who_finds_no_room_to_wish_tries_again)
{
    struct world *world = world_serving();
    struct metadata_response got;

    world->controller.refusals_left = 2;
    put_metadata(world, 9, 1, "new", true);
    EXPECT_EQ("no room", 0, world->controller.wish);
    world_granted(world, 0 + (world->controller.wish = 1)); /* somebody else's is done */
    EXPECT_EQ("still none", 1, world->controller.wish);
    world_granted(world, 1);
    EXPECT_EQ("wished for", 1, world->controller.asked_count);
    EXPECT_NO_ANSWER("and waited for", world, 0);
    world_topic(world, "new", 1, 1);
    world_granted(world, 2);
    WORLD_GET("there", world, 0, API_METADATA, metadata, 9, 1, &got);
    EXPECT_EQ("complete", ERROR_NONE, got.topics[0].error_code);

    world->controller.refusals_left = 1000;
    put_metadata(world, 9, 2, "other", true);
    world_pass(world, 5000);
    WORLD_GET("not for ever", world, 0, API_METADATA, metadata, 9, 2, &got);
    EXPECT_EQ("clients ask again", ERROR_LEADER_NOT_AVAILABLE, got.topics[0].error_code);
    world_free(world);
}

TEST(topics_are_found_by_id_from_version_12_on)
{
    struct world *world = world_serving();

    for (int16_t version = 10; version <= 13; version++) {
        /* Kafka's own client says an empty name beside an id. */
        struct metadata_request_topic topics[3] = { { .topic_id = topic_id_of("t") },
                                                    { .topic_id = topic_id_of("?") },
                                                    { .topic_id = topic_id_of("t"), .name = BYTES_LITERAL("") } };
        struct metadata_request request = metadata_request_default;
        struct metadata_response got;
        request.topics = topics;
        request.topics_count = 3;
        WORLD_ASK(world, 0, API_METADATA, metadata, version, 1, &request);
        WORLD_GET("answered", world, 0, API_METADATA, metadata, version, 1, &got);
        const bool early = version < 12;
        EXPECT_EQ("found", early ? ERROR_INVALID_REQUEST : ERROR_NONE, got.topics[0].error_code);
        EXPECT_EQ("named", early ? 0 : 1, got.topics[0].name.size);
        EXPECT_EQ("found whatever else is said", early ? ERROR_INVALID_REQUEST : ERROR_NONE, got.topics[2].error_code);
        EXPECT_EQ("not found", early ? ERROR_INVALID_REQUEST : ERROR_UNKNOWN_TOPIC_ID, got.topics[1].error_code);
    }
    world_free(world);
}

TEST(a_partition_without_a_leader_is_told_so)
{
    struct world *world = world_serving();
    struct metadata_response got;

    world_topic(world, "headless", 1, 2); /* broker 2 is not known */
    put_metadata(world, 9, 1, "headless", true);
    WORLD_GET("answered", world, 0, API_METADATA, metadata, 9, 1, &got);
    EXPECT_EQ("no leader", -1, got.topics[0].partitions[0].leader_id);
    EXPECT_EQ("so it is said", ERROR_LEADER_NOT_AVAILABLE, got.topics[0].partitions[0].error_code);
    EXPECT_EQ("its replica is offline", 1, got.topics[0].partitions[0].offline_replicas_count);
    world_free(world);
}

/* ---- the others ---- */

TEST(the_cluster_describes_itself)
{
    struct world *world = world_serving();

    world_broker(world, 2, "there", 9093);
    for (int16_t version = 0; version <= 2; version++) {
        for (int8_t type = 1; type <= 3; type++) {
            struct describe_cluster_request request = describe_cluster_request_default;
            struct describe_cluster_response got;
            request.endpoint_type = type;
            request.include_cluster_authorized_operations = true;
            WORLD_ASK(world, 0, API_DESCRIBE_CLUSTER, describe_cluster, version, 1, &request);
            WORLD_GET("answered", world, 0, API_DESCRIBE_CLUSTER, describe_cluster, version, 1, &got);
            const int16_t error = version == 0 || type == 1 ? ERROR_NONE
                                  : type == 2               ? ERROR_MISMATCHED_ENDPOINT_TYPE
                                                            : ERROR_UNSUPPORTED_ENDPOINT_TYPE;
            EXPECT_EQ("by type", error, got.error_code);
            EXPECT_EQ("brokers", error == ERROR_NONE ? 2 : 0, got.brokers_count);
            if (error == ERROR_NONE) EXPECT_EQ("what may be done", 8096, got.cluster_authorized_operations);
        }
    }
    world_free(world);
}

struct page_got {
    uint32_t topics, partitions;
    bool more;
    char cursor[32];
    int32_t cursor_partition;
};

static struct page_got get_page(struct world *world, int32_t limit, const char *cursor, int32_t cursor_partition)
{
    struct describe_topic_partitions_request request = describe_topic_partitions_request_default;
    struct describe_topic_partitions_response got;
    struct page_got page = { 0 };

    request.response_partition_limit = limit;
    request.has_cursor = cursor != NULL;
    if (cursor != NULL) request.cursor.topic_name = text_of(cursor);
    request.cursor.partition_index = cursor_partition;
    WORLD_ASK(world, 0, API_DESCRIBE_TOPIC_PARTITIONS, describe_topic_partitions, 0, 1, &request);
    WORLD_GET("answered", world, 0, API_DESCRIBE_TOPIC_PARTITIONS, describe_topic_partitions, 0, 1, &got);
    page.topics = got.topics_count;
    for (uint32_t i = 0; i < got.topics_count; i++) {
        page.partitions += got.topics[i].partitions_count;
        if (i > 0) EXPECT("by name", memcmp(got.topics[i - 1].name.data, got.topics[i].name.data, 1) <= 0);
        for (uint32_t j = 0; j < got.topics[i].partitions_count; j++) {
            EXPECT("never null: tools would fail", got.topics[i].partitions[j].eligible_leader_replicas != NULL);
        }
    }
    page.more = got.has_next_cursor;
    snprintf(page.cursor, sizeof page.cursor, "%.*s", (int)got.next_cursor.topic_name.size,
             (const char *)got.next_cursor.topic_name.data);
    page.cursor_partition = got.next_cursor.partition_index;
    return page;
}

TEST(topics_come_page_by_page)
{
    struct world *world = world_serving();

    world_topic(world, "b", 5, 1);
    world_topic(world, "a", 3, 1);
    struct page_got page = get_page(world, 2000, NULL, 0);
    EXPECT_EQ("all topics", 3, page.topics);
    EXPECT_EQ("all partitions", 12, page.partitions);
    EXPECT("no more", !page.more);
    for (int32_t limit = 1; limit <= 13; limit++) {
        uint32_t partitions = 0, pages = 0;
        char cursor[32] = "";
        page = get_page(world, limit, NULL, 0);
        for (;; pages++) {
            partitions += page.partitions;
            EXPECT("a page is not too long", page.partitions <= (uint32_t)limit);
            if (!page.more || pages > 20) break;
            snprintf(cursor, sizeof cursor, "%s", page.cursor);
            page = get_page(world, limit, cursor, page.cursor_partition);
        }
        EXPECT_EQ("each partition once", 12, partitions);
        EXPECT_EQ("on as many pages as it takes", (12 + limit - 1) / limit, pages + 1);
    }
    world_free(world);
}

/* What is asked in each version; the error where the topic is there, and its leader is known. */
static const struct key_row {
    const char *why;
    int8_t type;
    const char *key;
    int16_t error;
} key_rows[] = {
    { "a group", 0, "group", ERROR_NONE },
    { "a group without a name", 0, "", ERROR_INVALID_GROUP_ID },
    { "transactions have no coordinator", 1, "tx", ERROR_COORDINATOR_NOT_AVAILABLE },
    { "groups that share are not known", 2, "share", ERROR_INVALID_REQUEST },
};

static struct find_coordinator_response find_coordinator(struct world *world, int16_t version, int8_t type,
                                                         const char *name)
{
    const struct bytes key = text_of(name);
    const struct find_coordinator_request request = {
        .key = key, .key_type = type, .coordinator_keys = &key, .coordinator_keys_count = 1
    };
    struct find_coordinator_response got;

    WORLD_ASK(world, 0, API_FIND_COORDINATOR, find_coordinator, version, 1, &request);
    WORLD_GET("answered", world, 0, API_FIND_COORDINATOR, find_coordinator, version, 1, &got);
    return got;
}

TEST(groups_have_a_coordinator)
{
    struct world *world = world_serving();

    world_topic(world, "__consumer_offsets", 3, 1);
    FOR_EACH(key_row, row, key_rows) {
        for (int16_t version = row->type > 0; version <= 5; version++) {
            const struct find_coordinator_response got = find_coordinator(world, version, row->type, row->key);
            const bool old = version <= 3;
            EXPECT_EQ(row->why, row->error, old ? got.error_code : got.coordinators[0].error_code);
            EXPECT_EQ("who leads", row->error == ERROR_NONE ? 1 : -1, old ? got.node_id : got.coordinators[0].node_id);
            EXPECT_EQ("where clients reach him", row->error == ERROR_NONE ? 9092 : -1,
                      old ? got.port : got.coordinators[0].port);
        }
    }
    world_free(world);
}

TEST(the_topic_of_groups_is_made_when_it_is_asked_for)
{
    struct world *world = world_serving();
    const struct bytes key = text_of("group");
    const struct find_coordinator_request request = { .coordinator_keys = &key, .coordinator_keys_count = 1 };
    struct find_coordinator_response got;

    WORLD_ASK(world, 0, API_FIND_COORDINATOR, find_coordinator, 4, 1, &request);
    EXPECT_EQ("wished for", 1, world->controller.asked_count);
    EXPECT("by its name", strcmp(world->controller.asked[0], "__consumer_offsets") == 0);
    world_topic(world, "__consumer_offsets", 3, 1);
    world_granted(world, 1);
    WORLD_GET("answered then", world, 0, API_FIND_COORDINATOR, find_coordinator, 4, 1, &got);
    EXPECT_EQ("found", ERROR_NONE, got.coordinators[0].error_code);
    world_free(world);

    world = world_serving();
    WORLD_ASK(world, 0, API_FIND_COORDINATOR, find_coordinator, 4, 1, &request);
    world_pass(world, 5000);
    WORLD_GET("not for ever", world, 0, API_FIND_COORDINATOR, find_coordinator, 4, 1, &got);
    EXPECT_EQ("try again", ERROR_COORDINATOR_NOT_AVAILABLE, got.coordinators[0].error_code);
    world_free(world);
}

static const struct id_row {
    const char *why;
    const char *transactional_id;
    int16_t error;
} id_rows[] = {
    { "an idempotent producer", NULL, ERROR_NONE },
    { "a transactional one has no coordinator", "tx", ERROR_COORDINATOR_NOT_AVAILABLE },
    { "one with an empty name", "", ERROR_INVALID_REQUEST },
};

static struct init_producer_id_response get_id(struct world *world, int16_t version)
{
    struct init_producer_id_response got;

    WORLD_GET("answered", world, 0, API_INIT_PRODUCER_ID, init_producer_id, version, 1, &got);
    return got;
}

TEST(producers_get_ids)
{
    FOR_EACH(id_row, row, id_rows) {
        struct world *world = world_serving();
        int64_t id = 1000;
        world->controller.producer_id = 1000;
        world->controller.producer_id_end = 2000;
        for (int16_t version = 0; version <= 5; version++) {
            struct init_producer_id_request request = init_producer_id_request_default;
            if (row->transactional_id != NULL) request.transactional_id = text_of(row->transactional_id);
            WORLD_ASK(world, 0, API_INIT_PRODUCER_ID, init_producer_id, version, 1, &request);
            const struct init_producer_id_response got = get_id(world, version);
            EXPECT_EQ(row->why, row->error, got.error_code);
            EXPECT_EQ("an id of its own", row->error == ERROR_NONE ? id++ : -1, got.producer_id);
            EXPECT_EQ("epoch", row->error == ERROR_NONE ? 0 : -1, got.producer_epoch);
        }
        world_free(world);
    }
}

TEST(producers_wait_for_a_block_of_ids)
{
    struct world *world = world_serving();
    const struct init_producer_id_request request = init_producer_id_request_default;

    WORLD_ASK(world, 0, API_INIT_PRODUCER_ID, init_producer_id, 4, 1, &request);
    EXPECT_NO_ANSWER("none is there", world, 0);
    world->controller.producer_id_end = 10;
    world_granted(world, world->controller.wish);
    EXPECT_EQ("then the first", 0, get_id(world, 4).producer_id);
    world->controller.producer_id_end = 0;
    WORLD_ASK(world, 0, API_INIT_PRODUCER_ID, init_producer_id, 4, 1, &request);
    world_pass(world, 5000);
    EXPECT_EQ("but not for ever", ERROR_COORDINATOR_NOT_AVAILABLE, get_id(world, 4).error_code);
    world_free(world);
}
