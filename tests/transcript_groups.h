/* transcript_groups.h -- the part of test_transcripts.c that plays a member of the group "g": it keeps the id and the
 * generation that it was told. Ids are random, and are told as they begin. */
#ifndef CHRONIK_TESTS_TRANSCRIPT_GROUPS_H
#define CHRONIK_TESTS_TRANSCRIPT_GROUPS_H

static char member_id[128];
static int32_t generation = -1;

#define ASK_NODE(KEY, name, version, ...)                                                                              \
    do {                                                                                                               \
        const struct name##_request request_ = { __VA_ARGS__ };                                                        \
        name##_request_write(session_begin(&session, KEY, version), version, &request_);                               \
        session_end(&session, &world, 0, true);                                                                        \
    } while (0)

#define READ_ANSWER(name)                                                                                              \
    struct name##_response told;                                                                                       \
    CHECK(name##_response_read(&response->body, response->version, response->arena, &told))

/* ---- questions ---- */

static void ask_to_configure(const char *name, const char *value)
{
    struct incremental_alter_configs_request_config config = { .name = text(name), .value = text(value) };
    struct incremental_alter_configs_request_resource resource = {
        .resource_type = 4, .resource_name = text(""), .configs = &config, .configs_count = 1
    };

    ASK_NODE(API_INCREMENTAL_ALTER_CONFIGS, incremental_alter_configs, 1, .resources = &resource, .resources_count = 1);
}

static void ask_to_join(void)
{
    struct join_group_request_protocol protocol = { BYTES_LITERAL("range"), BYTES_LITERAL("t") };

    ASK_NODE(API_JOIN_GROUP, join_group, 7, .group_id = BYTES_LITERAL("g"), .session_timeout_ms = 10000,
             .rebalance_timeout_ms = 20000, .member_id = text(member_id), .protocol_type = BYTES_LITERAL("consumer"),
             .protocols = &protocol, .protocols_count = 1);
}

static void ask_to_sync(void)
{
    struct sync_group_request_assignment assignment = { text(member_id), BYTES_LITERAL("all") };

    ASK_NODE(API_SYNC_GROUP, sync_group, 3, .group_id = BYTES_LITERAL("g"), .generation_id = generation,
             .member_id = text(member_id), .assignments = &assignment, .assignments_count = 1);
}

static void ask_to_commit(char **words)
{
    struct offset_commit_request_partition partition = { .index = atoi(words[2]),
                                                         .committed_offset = atoi(words[3]),
                                                         .committed_leader_epoch = -1 };
    struct offset_commit_request_topic topic = { text(words[1]), &partition, 1 };

    ASK_NODE(API_OFFSET_COMMIT, offset_commit, 8, .group_id = BYTES_LITERAL("g"),
             .generation_id_or_member_epoch = generation, .member_id = text(member_id), .topics = &topic,
             .topics_count = 1);
}

static void ask_what_is_committed(char **words)
{
    int32_t index = atoi(words[2]);
    struct offset_fetch_request_topic topic = { text(words[1]), &index, 1 };

    ASK_NODE(API_OFFSET_FETCH, offset_fetch, 7, .group_id = BYTES_LITERAL("g"), .topics = &topic, .topics_count = 1);
}

static void ask_to_leave(void)
{
    struct leave_group_request_member member = { .member_id = text(member_id) };

    ASK_NODE(API_LEAVE_GROUP, leave_group, 4, .group_id = BYTES_LITERAL("g"), .members = &member, .members_count = 1);
}

static bool group_command(char **words)
{
    struct bytes group = BYTES_LITERAL("g");
    const char *command = words[0];

    if (strcmp(command, "configure") == 0) ask_to_configure(words[1], words[2]);
    else if (strcmp(command, "coordinator") == 0) ASK_NODE(API_FIND_COORDINATOR, find_coordinator, 3, .key = group);
    else if (strcmp(command, "join") == 0) ask_to_join();
    else if (strcmp(command, "sync") == 0) ask_to_sync();
    else if (strcmp(command, "commit") == 0) ask_to_commit(words);
    else if (strcmp(command, "committed") == 0) ask_what_is_committed(words);
    else if (strcmp(command, "leave") == 0) ask_to_leave();
    else if (strcmp(command, "describe") == 0)
        ASK_NODE(API_DESCRIBE_GROUPS, describe_groups, 5, .groups = &group, .groups_count = 1);
    else if (strcmp(command, "delete-group") == 0)
        ASK_NODE(API_DELETE_GROUPS, delete_groups, 2, .group_names = &group, .group_names_count = 1);
    else if (strcmp(command, "beat") == 0)
        ASK_NODE(API_HEARTBEAT, heartbeat, 4, .group_id = group, .generation_id = generation,
                 .member_id = text(member_id));
    else return false;
    return true;
}

/* ---- answers ---- */

static void print_joined(struct response *response)
{
    READ_ANSWER(join_group);
    if (told.member_id.size < sizeof member_id) {
        snprintf(member_id, sizeof member_id, "%.*s", (int)told.member_id.size, (const char *)told.member_id.data);
    }
    if (told.error_code == ERROR_NONE) generation = told.generation_id;
    fprintf(out, "client: join answered: %s, generation %d, member %.4s..., leads: %s, members: %u\n",
            error_name(told.error_code), told.generation_id, member_id,
            bytes_equal(told.leader, told.member_id) ? "yes" : "no", told.members_count);
}

static void print_described(struct response *response)
{
    READ_ANSWER(describe_groups);
    const struct describe_groups_response_group *group = &told.groups[0];
    fprintf(out, "client: describe answered: %s, %.*s, protocol %.*s, %u members\n", error_name(group->error_code),
            (int)group->group_state.size, (const char *)group->group_state.data, (int)group->protocol_data.size,
            (const char *)group->protocol_data.data, group->members_count);
}

static void print_synced(struct response *response)
{
    READ_ANSWER(sync_group);
    fprintf(out, "client: sync answered: %s, assignment '%.*s'\n", error_name(told.error_code),
            (int)told.assignment.size, (const char *)told.assignment.data);
}

static void print_what_is_committed(struct response *response)
{
    READ_ANSWER(offset_fetch);
    const struct offset_fetch_response_partition *partition =
        told.topics_count == 1 ? &told.topics[0].partitions[0] : NULL;
    const int16_t error = partition == NULL || told.error_code != 0 ? told.error_code : partition->error_code;
    fprintf(out, "client: committed answered: %s, offset %lld\n", error_name(error),
            partition == NULL ? -1LL : (long long)partition->committed_offset);
}

static void print_error(const char *command, int16_t error)
{
    fprintf(out, "client: %s answered: %s\n", command, error_name(error));
}

static void print_group_answer(struct response *response)
{
    switch (response->api_key) {
    case API_JOIN_GROUP: print_joined(response); break;
    case API_SYNC_GROUP: print_synced(response); break;
    case API_OFFSET_FETCH: print_what_is_committed(response); break;
    case API_DESCRIBE_GROUPS: print_described(response); break;
    case API_INCREMENTAL_ALTER_CONFIGS: {
        READ_ANSWER(incremental_alter_configs);
        print_error("configure", told.resources[0].error_code);
        break;
    }
    case API_FIND_COORDINATOR: {
        READ_ANSWER(find_coordinator);
        fprintf(out, "client: coordinator answered: %s, node %d\n", error_name(told.error_code), told.node_id);
        break;
    }
    case API_HEARTBEAT: {
        READ_ANSWER(heartbeat);
        print_error("beat", told.error_code);
        break;
    }
    case API_LEAVE_GROUP: {
        READ_ANSWER(leave_group);
        print_error("leave", told.members[0].error_code);
        break;
    }
    case API_OFFSET_COMMIT: {
        READ_ANSWER(offset_commit);
        print_error("commit", told.topics[0].partitions[0].error_code);
        break;
    }
    case API_DELETE_GROUPS: {
        READ_ANSWER(delete_groups);
        print_error("delete-group", told.results[0].error_code);
        break;
    }
    default: CHECK(false); break;
    }
}

#endif
