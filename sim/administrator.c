/* administrator.c -- a client that makes and deletes topics, adds partitions, deletes records, changes configs. */
#include "sim/run.h"

#include "codec/errors.h"

#include <stdlib.h>
#include <string.h>

enum {
    COOKIE_CREATE = 10,
    COOKIE_DELETE,
    COOKIE_PARTITIONS,
    COOKIE_RECORDS,
    COOKIE_TOO_MUCH,
    COOKIE_ALTER,
    COOKIE_OFFSETS,
    COOKIE_VERSIONS,
    COOKIE_LATEST,
    COOKIE_CONFIGS = 100,
    OPERATION_ENDS = 7,
    OPERATION_ELECT = 10,
    OPERATION_MIN_ISR,
    OPERATION_MOVE, /* from here on, only where replicas are moved: --moves */
    OPERATION_REBALANCE_ALL,
    OPERATION_DELETE_ALL,
    OPERATIONS = OPERATION_ELECT,        /* of any cluster, and ... */
    OPERATIONS_OF_MANY = OPERATION_MOVE, /* ... of one whose partitions have several replicas */
    CONFIG_VALUE_MIN = 1000000,          /* of max.message.bytes: large enough for every batch of ours */
};

static struct bytes text(const char *string)
{
    return (struct bytes){ (const uint8_t *)string, (uint32_t)strlen(string) };
}

static void own_topic(const struct client *client, char name[32])
{
    snprintf(name, 32, "own-%u-%u", client->number, client->administration.made);
}

static void create_topic(struct run *run, struct client *client, struct session *session)
{
    char name[32];
    struct create_topics_request request = create_topics_request_default;
    struct create_topics_request_topic topic = create_topics_request_topic_default;

    client->administration.made++;
    own_topic(client, name);
    topic.name = text(name);
    topic.num_partitions = 1 + (int32_t)prng_below(&client->prng, 3);
    topic.replication_factor = (int16_t)(1 + prng_below(&client->prng, MAX(run->knobs.replicas, 1U)));
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    create_topics_request_write(session_begin(session, API_CREATE_TOPICS, 7), 7, &request);
    session_end(session, &run->world, COOKIE_CREATE, true);
}

static void delete_topic(struct run *run, struct client *client, struct session *session)
{
    struct delete_topics_request request = delete_topics_request_default;
    struct delete_topics_request_topic topic = delete_topics_request_topic_default;

    topic.topic_id = client->administration.topic_id;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    judge_on_topic_deleting(&run->judge, &topic.topic_id);
    delete_topics_request_write(session_begin(session, API_DELETE_TOPICS, 6), 6, &request);
    session_end(session, &run->world, COOKIE_DELETE, true);
}

static void add_partition(struct run *run, struct client *client, struct session *session)
{
    struct create_partitions_request request = create_partitions_request_default;
    struct create_partitions_request_topic topic = create_partitions_request_topic_default;
    char name[32];
    int32_t partitions = 0;
    const uint32_t number = (uint32_t)prng_below(&client->prng, run->knobs.topics);

    topic_name(number, name);
    for (uint32_t i = 0; i < client->target_count; i++) {
        if (client->targets[i].topic == number) partitions = MAX(partitions, client->targets[i].index + 1);
    }
    topic.name = text(name);
    topic.count = MIN(partitions + 1, 6);
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    create_partitions_request_write(session_begin(session, API_CREATE_PARTITIONS, 3), 3, &request);
    session_end(session, &run->world, COOKIE_PARTITIONS, true);
}

/* A partition drawn at random, and the connection to its leader; NULL: there is none just now. */
static struct session *draw_target(struct run *run, struct client *client)
{
    if (client->target_count == 0) return NULL;
    client->administration.target = (uint32_t)prng_below(&client->prng, client->target_count);
    const struct target *target = &client->targets[client->administration.target];
    return target->leader == MACHINE_NONE ? NULL : client_session(run, client, target->leader);
}

static void delete_records(struct run *run, struct client *client, bool all)
{
    struct administration *administration = &client->administration;
    struct delete_records_request request = delete_records_request_default;
    struct delete_records_request_topic topic = delete_records_request_topic_default;
    struct delete_records_request_partition partition = delete_records_request_partition_default;
    char name[32];

    struct session *session = draw_target(run, client);
    if (session == NULL) return;
    struct target *target = &client->targets[administration->target];
    /* A little of what was seen, so that much is left to be lost. */
    administration->wanted_start =
        target->judged->log_start_seen +
        (int64_t)prng_below(&client->prng,
                            (uint64_t)(target->judged->high_watermark_seen - target->judged->log_start_seen) / 8 + 1);
    if (all) administration->wanted_start = target->judged->high_watermark_seen;
    if (target->judged->start_asked < administration->wanted_start) {
        target->judged->start_asked = administration->wanted_start;
    }
    topic_name(target->topic, name);
    partition.index = target->index;
    partition.offset = administration->wanted_start;
    topic.name = text(name);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    delete_records_request_write(session_begin(session, API_DELETE_RECORDS, 2), 2, &request);
    session_end(session, &run->world, COOKIE_RECORDS, true);
}

/* What no log can have: nothing may move. */
static void delete_too_much(struct run *run, struct client *client)
{
    struct delete_records_request request = delete_records_request_default;
    struct delete_records_request_topic topic = delete_records_request_topic_default;
    struct delete_records_request_partition partition = delete_records_request_partition_default;
    char name[32];

    struct session *session = draw_target(run, client);
    if (session == NULL) return;
    const struct target *target = &client->targets[client->administration.target];
    topic_name(target->topic, name);
    partition.index = target->index;
    partition.offset = target->judged->high_watermark_seen + 1000 * 1000;
    topic.name = text(name);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 5000;
    delete_records_request_write(session_begin(session, API_DELETE_RECORDS, 2), 2, &request);
    session_end(session, &run->world, COOKIE_TOO_MUCH, true);
}

void alter_topic(struct run *run, struct session *session, uint32_t topic, const char *name, int32_t number,
                 uint64_t cookie)
{
    struct incremental_alter_configs_request request = incremental_alter_configs_request_default;
    struct incremental_alter_configs_request_resource resource = incremental_alter_configs_request_resource_default;
    struct incremental_alter_configs_request_config config = incremental_alter_configs_request_config_default;
    char value[16], topic_text[32];

    snprintf(value, sizeof value, "%d", number);
    topic_name(topic, topic_text);
    config.name = text(name);
    config.value = text(value);
    resource.resource_type = 2;
    resource.resource_name = text(topic_text);
    resource.configs = &config;
    resource.configs_count = 1;
    request.resources = &resource;
    request.resources_count = 1;
    incremental_alter_configs_request_write(session_begin(session, API_INCREMENTAL_ALTER_CONFIGS, 1), 1, &request);
    session_end(session, &run->world, cookie, true);
}

static void alter_config(struct run *run, struct client *client, struct session *session)
{
    const uint32_t number = client->administration.config;
    const struct judged_config *known = &run->judge.configs[number];

    if (number >= run->knobs.topics) return;
    /* One whose answer was lost is asked again, the same: it may still be under way. */
    const int32_t drawn = CONFIG_VALUE_MIN + (int32_t)prng_below(&client->prng, 40000);
    judge_on_config_asked(&run->judge, number, known->in_doubt ? known->asked : drawn);
    alter_topic(run, session, number, "max.message.bytes", known->asked, COOKIE_ALTER);
}

void describe_config(struct run *run, struct client *client, uint32_t config)
{
    struct describe_configs_request request = describe_configs_request_default;
    struct describe_configs_request_resource resource = describe_configs_request_resource_default;
    struct bytes key = text("max.message.bytes");
    struct session *session = client_any_session(run, client);
    char name[32];

    if (session == NULL) return;
    topic_name(config, name);
    resource.resource_type = 2;
    resource.resource_name = text(name);
    resource.configuration_keys = &key;
    resource.configuration_keys_count = 1;
    request.resources = &resource;
    request.resources_count = 1;
    describe_configs_request_write(session_begin(session, API_DESCRIBE_CONFIGS, 4), 4, &request);
    session_end(session, &run->world, COOKIE_CONFIGS + config, true);
}

static void list_offsets(struct run *run, struct client *client)
{
    struct list_offsets_request request = list_offsets_request_default;
    struct list_offsets_request_topic topic = list_offsets_request_topic_default;
    struct list_offsets_request_partition partition = list_offsets_request_partition_default;
    char name[32];

    struct session *session = draw_target(run, client);
    if (session == NULL) return;
    struct target *target = &client->targets[client->administration.target];
    target->floor = judge_floor(target->judged);
    target->plane_floor = plane_floor(&run->plane, &target->topic_id, target->index, target->leader);
    target->asked_epoch = prng_chance(&client->prng, 1, 2) ? target->leader_epoch : -1;
    topic_name(target->topic, name);
    partition.index = target->index;
    partition.current_leader_epoch = target->asked_epoch;
    const int64_t now_ms = world_wall_ms(&run->world);
    const int64_t asked[] = { -1, -1, -2, -3, now_ms - (int64_t)prng_below(&client->prng, 3000) };
    partition.timestamp = asked[prng_below(&client->prng, COUNT_OF(asked))];
    topic.name = text(name);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    list_offsets_request_write(session_begin(session, API_LIST_OFFSETS, 7), 7, &request);
    session_end(session, &run->world, partition.timestamp == -1 ? COOKIE_LATEST : COOKIE_OFFSETS, true);
}

static void ask_versions(struct run *run, struct session *session)
{
    struct api_versions_request request = api_versions_request_default;

    request.client_software_name = text("sim");
    request.client_software_version = text("1.0");
    api_versions_request_write(session_begin(session, API_API_VERSIONS, 3), 3, &request);
    session_end(session, &run->world, COOKIE_VERSIONS, true);
}

static uint32_t operations(const struct run *run)
{
    return run->knobs.replicas > 1 ? OPERATIONS_OF_MANY : OPERATIONS;
}

void administrator_init(const struct run *run, struct client *client)
{
    client->administration.favourite = (uint32_t)prng_below(&client->prng, operations(run));
    client->administration.devotion = prng_chance(&client->prng, 1, 2) ? (uint32_t)prng_below(&client->prng, 100) : 0;
}

void administrator_work(struct run *run, struct client *client)
{
    if (run->phase != PHASE_CHAOS || client_pending(client) > 0) return;
    struct session *session = client_any_session(run, client);
    if (session == NULL) return;
    uint32_t what = (uint32_t)prng_below(&client->prng, operations(run));
    if (prng_chance(&client->prng, client->administration.devotion, 100)) what = client->administration.favourite;
    if (run->knobs.moves > 0 && run->knobs.replicas > 1 && prng_chance(&client->prng, run->knobs.moves, 100)) {
        static const uint32_t some[] = { OPERATION_MOVE,       OPERATION_MOVE,   OPERATION_MOVE, OPERATION_ELECT,
                                         OPERATION_ELECT,      OPERATION_ELECT,  OPERATION_ENDS, OPERATION_ENDS,
                                         OPERATION_DELETE_ALL, OPERATION_MIN_ISR };
        what = some[prng_below(&client->prng, COUNT_OF(some))];
        if (prng_chance(&client->prng, 1, 16)) what = OPERATION_REBALANCE_ALL;
    }
    switch (what) {
    case 0:
    case 1:
        if (client->administration.has_topic) delete_topic(run, client, session);
        else create_topic(run, client, session);
        break;
    case 2: add_partition(run, client, session); break;
    case 3:
        if (prng_chance(&client->prng, 1, 3)) delete_too_much(run, client);
        else delete_records(run, client, false);
        break;
    case 4: alter_config(run, client, session); break;
    case 5:
    case 6: describe_config(run, client, (uint32_t)prng_below(&client->prng, run->knobs.topics)); break;
    case OPERATION_ENDS:
    case OPERATION_ENDS + 1: list_offsets(run, client); break;
    case 9: ask_versions(run, session); break;
    case OPERATION_ELECT: elect_leaders(run, client, session); break;
    case OPERATION_MIN_ISR: alter_min_isr(run, client, session); break;
    case OPERATION_MOVE: move_partition(run, client, session); break;
    case OPERATION_REBALANCE_ALL: rebalance(run); break;
    case OPERATION_DELETE_ALL: delete_records(run, client, true); break;
    }
    if (client_pending(client) == 0)
        client_wake(run, client, 1 + prng_below(&client->prng, run->knobs.administration_ns));
}

static bool garbled(struct run *run, const char *what, bool was_read)
{
    if (!was_read) judge_violated(&run->judge, RULE_N, "administrator: a %s response cannot be read", what);
    return !was_read;
}

static void on_created(struct run *run, struct client *client, struct response *response)
{
    struct create_topics_response created;
    char name[32];

    if (garbled(run, "CreateTopics",
                create_topics_response_read(&response->body, response->version, response->arena, &created) &&
                    created.topics_count == 1))
        return;
    if (created.topics[0].error_code != ERROR_NONE) return;
    own_topic(client, name);
    client->administration.has_topic = true;
    client->administration.topic_id = created.topics[0].topic_id;
    judge_on_topic(&run->judge, &created.topics[0].topic_id, name, created.topics[0].num_partitions);
    shadow_perhaps(run, client, 8);
}

static void on_deleted(struct run *run, struct client *client, struct response *response)
{
    struct delete_topics_response deleted;

    if (garbled(run, "DeleteTopics",
                delete_topics_response_read(&response->body, response->version, response->arena, &deleted) &&
                    deleted.topics_count == 1))
        return;
    const int16_t error = deleted.topics[0].error_code;
    if (error == ERROR_NONE) judge_on_topic_deleted(&run->judge, &client->administration.topic_id);
    if (error == ERROR_NONE || error == ERROR_UNKNOWN_TOPIC_ID) client->administration.has_topic = false;
    shadow_perhaps(run, client, 8);
}

static void on_records_deleted(struct run *run, struct client *client, struct response *response)
{
    struct delete_records_response deleted;
    const struct administration *administration = &client->administration;

    if (garbled(run, "DeleteRecords",
                delete_records_response_read(&response->body, response->version, response->arena, &deleted) &&
                    deleted.topics_count == 1 && deleted.topics[0].partitions_count == 1))
        return;
    if (deleted.topics[0].partitions[0].error_code != ERROR_NONE) return;
    if (response->cookie == COOKIE_TOO_MUCH) {
        judge_violated(&run->judge, RULE_O1, "records beyond the high watermark were deleted");
        return;
    }
    const struct target *target = &client->targets[administration->target];
    struct judged_partition *judged = target->judged;
    plane_on_deleted(&run->plane, &run->judge, &target->topic_id, target->index, administration->wanted_start);
    if (judged->start_acked < administration->wanted_start) judged->start_acked = administration->wanted_start;
    shadow_perhaps(run, client, 8);
}

void on_described(struct run *run, struct response *response)
{
    struct describe_configs_response described;
    const uint32_t config = (uint32_t)(response->cookie - COOKIE_CONFIGS);
    char value[32] = { 0 };

    if (garbled(run, "DescribeConfigs",
                describe_configs_response_read(&response->body, response->version, response->arena, &described) &&
                    described.resources_count == 1))
        return;
    if (described.resources[0].error_code != ERROR_NONE || described.resources[0].configs_count != 1) return;
    const struct bytes told = described.resources[0].configs[0].value;
    if (told.size >= sizeof value) return;
    memcpy(value, told.data, told.size);
    judge_on_config_seen(&run->judge, config, atoi(value), &response->asked);
}

static void on_altered(struct run *run, struct client *client, struct response *response)
{
    struct incremental_alter_configs_response altered;

    if (garbled(
            run, "IncrementalAlterConfigs",
            incremental_alter_configs_response_read(&response->body, response->version, response->arena, &altered) &&
                altered.resources_count == 1))
        return;
    if (altered.resources[0].error_code != ERROR_NONE) return;
    judge_on_config_acked(&run->judge, client->administration.config);
    shadow_perhaps(run, client, 8);
}

static void on_offsets(struct run *run, struct client *client, struct response *response)
{
    struct list_offsets_response listed;
    const bool latest = response->cookie == COOKIE_LATEST;

    if (garbled(run, "ListOffsets",
                list_offsets_response_read(&response->body, response->version, response->arena, &listed) &&
                    listed.topics_count == 1 && listed.topics[0].partitions_count == 1))
        return;
    if (listed.topics[0].partitions[0].error_code != ERROR_NONE) return;
    struct target *target = &client->targets[client->administration.target];
    const int64_t offset = listed.topics[0].partitions[0].offset;
    if (!latest) return;
    judge_on_offsets(&run->judge, target->judged, &target->floor, target->asked_epoch, -1, offset);
    plane_on_latest(&run->plane, &run->judge, &target->topic_id, target->index, &target->plane_floor,
                    target->asked_epoch, offset);
}

void administrator_on_response(struct run *run, struct client *client, struct response *response)
{
    struct create_partitions_response made;
    struct api_versions_response versions;

    switch (response->api_key) {
    case API_CREATE_TOPICS: on_created(run, client, response); break;
    case API_DELETE_TOPICS: on_deleted(run, client, response); break;
    case API_DELETE_RECORDS: on_records_deleted(run, client, response); break;
    case API_DESCRIBE_CONFIGS: on_described(run, response); break;
    case API_INCREMENTAL_ALTER_CONFIGS: on_altered(run, client, response); break;
    case API_LIST_OFFSETS: on_offsets(run, client, response); break;
    case API_CREATE_PARTITIONS:
        garbled(run, "CreatePartitions",
                create_partitions_response_read(&response->body, response->version, response->arena, &made));
        break;
    case API_API_VERSIONS:
        garbled(run, "ApiVersions",
                api_versions_response_read(&response->body, response->version, response->arena, &versions));
        break;
    }
    client_wake(run, client, 1 + prng_below(&client->prng, run->knobs.administration_ns));
}
