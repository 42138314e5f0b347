/* Groups through the whole node, alone: Kafka's bytes in, Kafka's bytes out, in every version; and what is left of them
 * when it starts anew. */
#include "admin_world.h"

/* No first rebalance waits for more members than there are. */
static void hurry(struct world *world)
{
    struct incremental_alter_configs_request_config config = { BYTES_LITERAL("group.initial.rebalance.delay.ms"), 0,
                                                               BYTES_LITERAL("0") };
    struct incremental_alter_configs_request_resource resource = { 4, BYTES_LITERAL(""), &config, 1 };
    ASK(incremental_alter_configs, API_INCREMENTAL_ALTER_CONFIGS, 1, .resources = &resource, .resources_count = 1)
    EXPECT_EQ("set", ERROR_NONE, incremental_alter_configs_answer.resources[0].error_code);
}

static void create(struct world *world, const char *name)
{
    struct create_topics_request_topic topic = { .name = text_of(name), .num_partitions = 4, .replication_factor = 1 };
    ASK(create_topics, API_CREATE_TOPICS, 5, .topics = &topic, .topics_count = 1, .timeout_ms = 5000)
    EXPECT_EQ(name, ERROR_NONE, create_topics_answer.topics[0].error_code);
}

static void find(struct world *world, const char *group)
{
    ASK(find_coordinator, API_FIND_COORDINATOR, 2, .key = text_of(group))
    EXPECT_EQ("found", ERROR_NONE, find_coordinator_answer.error_code);
    EXPECT_EQ("here", 1, find_coordinator_answer.node_id);
}

static struct world *serving(void)
{
    struct world *world = world_new();

    hurry(world);
    create(world, "t");
    find(world, "g");
    return world;
}

static char member_id[128];

static int32_t join(struct world *world, int16_t version, const char *group)
{
    struct join_group_request_protocol protocol = { BYTES_LITERAL("range"), BYTES_LITERAL("\0\0\0\0\0\1\0\1t") };
    struct bytes member = BYTES_LITERAL("");
    int32_t generation = -1;

    for (int attempt = 0; attempt < 2 && generation < 0; attempt++) {
        ASK(join_group, API_JOIN_GROUP, version, .group_id = text_of(group), .session_timeout_ms = 10000,
            .rebalance_timeout_ms = 20000, .member_id = member, .protocol_type = BYTES_LITERAL("consumer"),
            .protocols = &protocol, .protocols_count = 1)
        const struct join_group_response *got = &join_group_answer;
        snprintf(member_id, sizeof member_id, "%.*s", (int)got->member_id.size, (const char *)got->member_id.data);
        member = text_of(member_id);
        if (got->error_code == ERROR_MEMBER_ID_REQUIRED) {
            EXPECT("asked for from version 4 on, once", version >= 4 && attempt == 0);
            continue;
        }
        EXPECT_EQ("joined", ERROR_NONE, got->error_code);
        EXPECT("leads", bytes_equal(got->leader, got->member_id));
        EXPECT_EQ("alone", 1, got->members_count);
        EXPECT("by its protocol", says(got->protocol_name, "range"));
        EXPECT("its kind from version 7 on", version < 7 || says(got->protocol_type, "consumer"));
        generation = got->generation_id;
    }
    return generation;
}

static void sync(struct world *world, int16_t version, const char *group, int32_t generation)
{
    struct sync_group_request_assignment assignment = { text_of(member_id), BYTES_LITERAL("share") };
    ASK(sync_group, API_SYNC_GROUP, version, .group_id = text_of(group), .generation_id = generation,
        .member_id = text_of(member_id), .assignments = &assignment, .assignments_count = 1)
    EXPECT_EQ("synced", ERROR_NONE, sync_group_answer.error_code);
    EXPECT("its share", says(sync_group_answer.assignment, "share"));
}

static void beat(struct world *world, int16_t version, const char *group, int32_t generation, int16_t error)
{
    ASK(heartbeat, API_HEARTBEAT, version, .group_id = text_of(group), .generation_id = generation,
        .member_id = text_of(member_id))
    EXPECT_EQ("alive", error, heartbeat_answer.error_code);
}

static void leave(struct world *world, int16_t version, const char *group)
{
    struct leave_group_request_member member = { text_of(member_id) };
    ASK(leave_group, API_LEAVE_GROUP, version, .group_id = text_of(group), .member_id = text_of(member_id),
        .members = &member, .members_count = 1)
    EXPECT_EQ("left", ERROR_NONE, leave_group_answer.error_code);
    EXPECT_EQ("each by itself", version >= 3 ? 1 : 0, leave_group_answer.members_count);
    if (version >= 3) EXPECT_EQ("left", ERROR_NONE, leave_group_answer.members[0].error_code);
}

TEST(members_are_served_in_every_version)
{
    struct world *world = serving();

    for (int16_t version = 0; version <= 9; version++) {
        char group[16];
        sprintf(group, "group-%d", version);
        find(world, group);
        const int32_t generation = join(world, version, group);
        EXPECT_EQ("the first", 1, generation);
        sync(world, MIN(version, 5), group, generation);
        beat(world, MIN(version, 4), group, generation, ERROR_NONE);
        beat(world, MIN(version, 4), group, generation + 1, ERROR_ILLEGAL_GENERATION);
        leave(world, MIN(version, 5), group);
        beat(world, MIN(version, 4), group, generation, ERROR_UNKNOWN_MEMBER_ID);
    }
    world_free(world);
}

static int16_t commit(struct world *world, int16_t version, const char *topic, int32_t partition, int64_t offset)
{
    struct offset_commit_request_partition partitions = { partition, offset, 3, BYTES_LITERAL("note") };
    struct offset_commit_request_topic topics = { text_of(topic), &partitions, 1 };
    ASK(offset_commit, API_OFFSET_COMMIT, version, .group_id = BYTES_LITERAL("g"), .generation_id_or_member_epoch = -1,
        .retention_time_ms = -1, .topics = &topics, .topics_count = 1)
    EXPECT_EQ("one topic", 1, offset_commit_answer.topics_count);
    return offset_commit_answer.topics[0].partitions[0].error_code;
}

/* The offset that is answered; all of the group's, if `all`. */
static int64_t fetch(struct world *world, int16_t version, const char *group, int32_t partition, bool all)
{
    const int32_t indexes[1] = { partition };
    struct offset_fetch_request_topic topic = { BYTES_LITERAL("t"), indexes, 1 };
    struct offset_fetch_request_group_topic group_topic = { BYTES_LITERAL("t"), indexes, 1 };
    struct offset_fetch_request_group asked = { text_of(group), { 0 }, -1, all ? NULL : &group_topic, all ? 0 : 1 };
    ASK(offset_fetch, API_OFFSET_FETCH, version, .group_id = text_of(group), .topics = all ? NULL : &topic,
        .topics_count = all ? 0 : 1, .groups = &asked, .groups_count = 1)
    if (version < 8) {
        const struct offset_fetch_response *got = &offset_fetch_answer;
        EXPECT_EQ("no error", ERROR_NONE, got->error_code);
        return got->topics_count == 0 ? -2 : got->topics[0].partitions[0].committed_offset;
    }
    const struct offset_fetch_response_group *got = &offset_fetch_answer.groups[0];
    EXPECT_EQ("no error", ERROR_NONE, got->error_code);
    EXPECT("of this group", says(got->group_id, group));
    if (got->topics_count == 0) return -2;
    EXPECT("with what was noted",
           got->topics[0].partitions[0].committed_offset < 0 || says(got->topics[0].partitions[0].metadata, "note"));
    return got->topics[0].partitions[0].committed_offset;
}

TEST(offsets_are_served_in_every_version)
{
    struct world *world = serving();

    for (int16_t version = 2; version <= 9; version++) {
        EXPECT_EQ("committed", ERROR_NONE, commit(world, version, "t", 1, 100 + version));
        for (int16_t fetched = 1; fetched <= 9; fetched++) {
            EXPECT_EQ("fetched", 100 + version, fetch(world, fetched, "g", 1, false));
            EXPECT_EQ("nothing of another partition", -1, fetch(world, fetched, "g", 0, false));
            EXPECT_EQ("nor of a group that nobody knows", -1, fetch(world, fetched, "h", 1, false));
            if (fetched < 2) continue;
            EXPECT_EQ("all of it", 100 + version, fetch(world, fetched, "g", 1, true));
            EXPECT_EQ("all of nothing", -2, fetch(world, fetched, "h", 1, true));
        }
    }
    EXPECT_EQ("a topic that is not there", ERROR_UNKNOWN_TOPIC_OR_PARTITION, commit(world, 9, "nothing", 0, 1));
    EXPECT_EQ("a partition that is not there", ERROR_UNKNOWN_TOPIC_OR_PARTITION, commit(world, 9, "t", 4, 1));
    world_free(world);
}

TEST(all_of_it_is_there_after_a_start)
{
    struct world *world = serving();
    const int32_t generation = join(world, 5, "g");

    sync(world, 3, "g", generation);
    struct offset_commit_request_partition partitions[] = { { 0, 10, 1, { 0 } }, { 3, 13, 1, BYTES_LITERAL("note") } };
    struct offset_commit_request_topic topics = { BYTES_LITERAL("t"), partitions, 2 };
    ASK(offset_commit, API_OFFSET_COMMIT, 7, .group_id = BYTES_LITERAL("g"),
        .generation_id_or_member_epoch = generation, .member_id = text_of(member_id), .topics = &topics,
        .topics_count = 1)
    EXPECT_EQ("by a member", ERROR_NONE, offset_commit_answer.topics[0].partitions[1].error_code);
    world_start(world, false);
    run(world, world->mono_ns + 1000 * MS);
    beat(world, 3, "g", generation, ERROR_NONE);
    EXPECT_EQ("its offsets", 13, fetch(world, 5, "g", 3, false));
    world_free(world);
}

TEST(administrators_see_groups)
{
    struct world *world = serving();
    const int32_t generation = join(world, 9, "g");
    struct bytes groups[] = { BYTES_LITERAL("g"), BYTES_LITERAL("nobody") };

    sync(world, 5, "g", generation);
    for (int16_t version = 0; version <= 6; version++) {
        ASK(describe_groups, API_DESCRIBE_GROUPS, version, .groups = groups, .groups_count = 2,
            .include_authorized_operations = version >= 3)
        const struct describe_groups_response_group *one = &describe_groups_answer.groups[0];
        const struct describe_groups_response_group *none = &describe_groups_answer.groups[1];
        EXPECT("its state", says(one->group_state, "Stable"));
        EXPECT("its protocol", says(one->protocol_data, "range") && says(one->protocol_type, "consumer"));
        EXPECT_EQ("its member", 1, one->members_count);
        EXPECT("who it is", says(one->members[0].client_id, "test") && says(one->members[0].client_host, "/127.0.0.1"));
        EXPECT("what it reads", says(one->members[0].member_assignment, "share"));
        EXPECT("who is not there is dead", says(none->group_state, "Dead"));
        EXPECT_EQ("which is an error by now", version >= 6 ? ERROR_GROUP_ID_NOT_FOUND : ERROR_NONE, none->error_code);
        EXPECT_EQ("what may be done with it", version >= 3 ? 8 + 64 + 256 : INT32_MIN, one->authorized_operations);
    }
    for (int16_t version = 0; version <= 5; version++) {
        struct bytes stable = BYTES_LITERAL("stable"), empty = BYTES_LITERAL("Empty");
        ASK(list_groups, API_LIST_GROUPS, version, .states_filter = &stable, .states_filter_count = 1)
        EXPECT_EQ("one", 1, list_groups_answer.groups_count);
        EXPECT("it", says(list_groups_answer.groups[0].group_id, "g"));
        EXPECT("of its kind", version < 5 || says(list_groups_answer.groups[0].group_type, "classic"));
        if (version < 4) continue;
        list_groups_answer.groups_count = 9;
        struct writer asking = begin(world, API_LIST_GROUPS, version);
        const struct list_groups_request none = { .states_filter = &empty, .states_filter_count = 1 };
        list_groups_request_write(&asking, version, &none);
        finish(world, &asking);
        run(world, 0);
        struct reader answering = answer(world, API_LIST_GROUPS, version);
        EXPECT("can be read", list_groups_response_read(&answering, version, &world->arena, &list_groups_answer));
        EXPECT_EQ("none in that state", 0, list_groups_answer.groups_count);
    }
    world_free(world);
}

static int16_t delete_group(struct world *world, int16_t version)
{
    struct bytes names[] = { BYTES_LITERAL("g"), BYTES_LITERAL("nobody") };
    ASK(delete_groups, API_DELETE_GROUPS, version, .group_names = names, .group_names_count = 2)
    EXPECT_EQ("each by itself", 2, delete_groups_answer.results_count);
    EXPECT_EQ("nobody", ERROR_GROUP_ID_NOT_FOUND, delete_groups_answer.results[1].error_code);
    return delete_groups_answer.results[0].error_code;
}

static int16_t delete_offset(struct world *world, int32_t partition, int16_t *whole)
{
    struct offset_delete_request_partition partitions = { partition };
    struct offset_delete_request_topic topics = { BYTES_LITERAL("t"), &partitions, 1 };
    ASK(offset_delete, API_OFFSET_DELETE, 0, .group_id = BYTES_LITERAL("g"), .topics = &topics, .topics_count = 1)
    *whole = offset_delete_answer.error_code;
    return *whole != ERROR_NONE ? *whole : offset_delete_answer.topics[0].partitions[0].error_code;
}

TEST(administrators_delete_groups)
{
    struct world *world = serving();
    int16_t whole;

    EXPECT_EQ("there is none", ERROR_GROUP_ID_NOT_FOUND, delete_offset(world, 1, &whole));
    for (int16_t version = 0; version <= 2; version++) {
        commit(world, 5, "t", 1, 7);
        commit(world, 5, "t", 2, 8);
        EXPECT_EQ("an offset", ERROR_NONE, delete_offset(world, 1, &whole));
        EXPECT_EQ("is gone", -1, fetch(world, 5, "g", 1, false));
        EXPECT_EQ("alone", 8, fetch(world, 5, "g", 2, false));
        EXPECT_EQ("a partition that is not there", ERROR_UNKNOWN_TOPIC_OR_PARTITION, delete_offset(world, 9, &whole));
        const int32_t generation = join(world, 9, "g");
        sync(world, 5, "g", generation);
        EXPECT_EQ("of a topic that is read", ERROR_GROUP_SUBSCRIBED_TO_TOPIC, delete_offset(world, 2, &whole));
        EXPECT_EQ("not while it is read by", ERROR_NON_EMPTY_GROUP, delete_group(world, version));
        leave(world, 5, "g");
        EXPECT_EQ("then", ERROR_NONE, delete_group(world, version));
        EXPECT_EQ("and it is gone", ERROR_GROUP_ID_NOT_FOUND, delete_group(world, version));
        EXPECT_EQ("with its offsets", -2, fetch(world, 5, "g", 2, true));
    }
    world_free(world);
}

TEST(the_topic_of_groups_is_the_coordinators_own)
{
    struct world *world = serving();
    const struct bytes name = BYTES_LITERAL("__consumer_offsets");

    ASK(delete_topics, API_DELETE_TOPICS, 4, .topic_names = &name, .topic_names_count = 1, .timeout_ms = 1000)
    EXPECT_EQ("nobody deletes it", ERROR_INVALID_TOPIC_EXCEPTION, delete_topics_answer.topics[0].error_code);
    struct metadata_request_topic topic = { .name = name };
    ASK(metadata, API_METADATA, 9, .topics = &topic, .topics_count = 1)
    EXPECT("clients hide it", metadata_answer.topics[0].is_internal);
    EXPECT_EQ("as many partitions as Kafka's", 50, metadata_answer.topics[0].partitions_count);
    struct describe_configs_request_resource resource = { 2, name, NULL, 0 };
    ASK(describe_configs, API_DESCRIBE_CONFIGS, 1, .resources = &resource, .resources_count = 1)
    for (uint32_t i = 0; i < describe_configs_answer.resources[0].configs_count; i++) {
        const struct describe_configs_response_config *config = &describe_configs_answer.resources[0].configs[i];
        if (says(config->name, "cleanup.policy")) EXPECT("compacted", says(config->value, "compact"));
    }
    world_free(world);
}

/* ---- the newer protocol ---- */

static int32_t beat_newer(struct world *world, int16_t version, int32_t epoch, int16_t error)
{
    const struct bytes name = BYTES_LITERAL("t");
    struct consumer_group_heartbeat_request_topic none = { 0 };
    const bool joins = epoch == 0;

    ASK(consumer_group_heartbeat, API_CONSUMER_GROUP_HEARTBEAT, version, .group_id = BYTES_LITERAL("newer"),
        .member_id = joins && version == 0 ? BYTES_LITERAL("") : text_of(member_id), .member_epoch = epoch,
        .rebalance_timeout_ms = joins ? 10000 : -1, .subscribed_topic_names = joins ? &name : NULL,
        .subscribed_topic_names_count = joins ? 1 : 0, .topic_partitions = joins ? &none : NULL)
    const struct consumer_group_heartbeat_response *got = &consumer_group_heartbeat_answer;
    EXPECT_EQ("answered", error, got->error_code);
    if (error != ERROR_NONE) return -1;
    snprintf(member_id, sizeof member_id, "%.*s", (int)got->member_id.size, (const char *)got->member_id.data);
    EXPECT_EQ("told what it reads when it joins", joins, got->has_assignment);
    if (joins) EXPECT_EQ("all of it", 4, got->assignment.topic_partitions[0].partitions_count);
    EXPECT_EQ("told when to come again", 5000, got->heartbeat_interval_ms);
    return got->member_epoch;
}

static void describe_newer(struct world *world, int16_t version, const char *group, int16_t error)
{
    const struct bytes id = text_of(group);

    ASK(consumer_group_describe, API_CONSUMER_GROUP_DESCRIBE, version, .group_ids = &id, .group_ids_count = 1,
        .include_authorized_operations = true)
    const struct consumer_group_describe_response_group *got = &consumer_group_describe_answer.groups[0];
    EXPECT_EQ("described", error, got->error_code);
    if (error != ERROR_NONE) return;
    EXPECT("at rest", says(got->group_state, "Stable"));
    EXPECT("its assignor", says(got->assignor_name, "uniform"));
    EXPECT_EQ("its epochs", got->group_epoch, got->assignment_epoch);
    const struct consumer_group_describe_response_member *member = &got->members[0];
    EXPECT("its member", got->members_count == 1 && says(member->member_id, member_id));
    EXPECT_EQ("in its epoch", got->group_epoch, member->member_epoch);
    EXPECT("what it asks for", says(member->subscribed_topic_names[0], "t"));
    EXPECT_EQ("what it has", 4, member->assignment.topic_partitions[0].partitions_count);
    EXPECT("by name", says(member->assignment.topic_partitions[0].topic_name, "t"));
    EXPECT_EQ("what it is to have", 4, member->target_assignment.topic_partitions[0].partitions_count);
    EXPECT_EQ("its kind from version 1 on", version == 0 ? -1 : 1, member->member_type);
}

static void list_newer(struct world *world, const char *type, uint32_t count)
{
    const struct bytes types = text_of(type);

    ASK(list_groups, API_LIST_GROUPS, 5, .types_filter = &types, .types_filter_count = 1)
    EXPECT_EQ(type, count, list_groups_answer.groups_count);
    if (count > 0) EXPECT("of that type", says(list_groups_answer.groups[0].group_type, type));
}

static int16_t commit_newer(struct world *world, int16_t version, int32_t epoch)
{
    struct offset_commit_request_partition partitions = { 1, 42, 3, BYTES_LITERAL("note") };
    struct offset_commit_request_topic topics = { BYTES_LITERAL("t"), &partitions, 1 };
    ASK(offset_commit, API_OFFSET_COMMIT, version, .group_id = BYTES_LITERAL("newer"),
        .generation_id_or_member_epoch = epoch, .member_id = text_of(member_id), .retention_time_ms = -1,
        .topics = &topics, .topics_count = 1)
    return offset_commit_answer.topics[0].partitions[0].error_code;
}

static int16_t fetch_newer(struct world *world, int32_t epoch)
{
    struct offset_fetch_request_group asked = { BYTES_LITERAL("newer"), text_of(member_id), epoch, NULL, 0 };
    ASK(offset_fetch, API_OFFSET_FETCH, 9, .groups = &asked, .groups_count = 1)
    return offset_fetch_answer.groups[0].error_code;
}

TEST(members_of_the_newer_protocol_are_served_in_every_version)
{
    struct world *world = serving();
    const struct bytes id = BYTES_LITERAL("newer");

    find(world, "newer");
    for (int16_t version = 0; version <= 1; version++) {
        snprintf(member_id, sizeof member_id, "me");
        const int32_t epoch = beat_newer(world, version, 0, ERROR_NONE);
        EXPECT_EQ("it is there", epoch, beat_newer(world, version, epoch, ERROR_NONE));
        beat_newer(world, version, epoch + 1, ERROR_FENCED_MEMBER_EPOCH);
        describe_newer(world, version, "newer", ERROR_NONE);
        describe_newer(world, version, "nobody", ERROR_GROUP_ID_NOT_FOUND);
        list_newer(world, "consumer", 1);
        list_newer(world, "classic", 0);
        EXPECT_EQ("committed in its epoch", ERROR_NONE, commit_newer(world, 9, epoch));
        EXPECT_EQ("not in another", ERROR_STALE_MEMBER_EPOCH, commit_newer(world, 9, epoch + 1));
        EXPECT_EQ("nor in a version without epochs", ERROR_UNSUPPORTED_VERSION, commit_newer(world, 8, epoch));
        EXPECT_EQ("fetched in its epoch", ERROR_NONE, fetch_newer(world, epoch));
        EXPECT_EQ("not in another", ERROR_STALE_MEMBER_EPOCH, fetch_newer(world, epoch + 1));
        {
            ASK(describe_groups, API_DESCRIBE_GROUPS, 6, .groups = &id, .groups_count = 1)
            EXPECT_EQ("no classic group", ERROR_GROUP_ID_NOT_FOUND, describe_groups_answer.groups[0].error_code);
        }
        EXPECT_EQ("it leaves", -1, beat_newer(world, version, -1, ERROR_NONE));
        beat_newer(world, version, epoch, ERROR_UNKNOWN_MEMBER_ID);
    }
    world_free(world);
}
