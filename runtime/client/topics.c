/* topics.c -- `chronik-server topic create, list, describe, delete, alter`. */
#include "codec/errors.h"
#include "runtime/client/command.h"
#include "runtime/client/offsets.h"
#include "runtime/table.h"

#include <stdlib.h>
#include <string.h>

enum { RESOURCE_TOPIC = 2, CONFIG_SET = 0, CONFIG_DELETE = 1, SOURCE_OF_TOPIC = 1 };

static enum command_code fail_with_error(const struct typed *typed, const struct client *client)
{
    return command_fail(typed, "%s", client->error);
}

static enum command_code unreadable(const struct typed *typed)
{
    return command_fail(typed, "an answer that cannot be read");
}

/* An open controller that serves the API; *version is what to speak. */
static struct contact *ask_controller(struct client *client, int16_t api_key, int16_t most, int16_t *version)
{
    struct contact *contact = client_controller(client);

    *version = contact == NULL ? -1 : client_version(client, contact, api_key, most);
    return *version < 0 ? NULL : contact;
}

static bool split_config(const struct typed *typed, const char *text, struct bytes *name, struct bytes *value)
{
    const char *equals = strchr(text, '=');

    if (equals == NULL || equals == text) {
        command_fail(typed, "--config: KEY=VALUE is expected: %s", text);
        return false;
    }
    *name = (struct bytes){ (const uint8_t *)text, (uint32_t)(equals - text) };
    *value = command_bytes(equals + 1);
    return true;
}

static json_t *uuid_json(const struct uuid *id)
{
    char text[UUID_TEXT_SIZE];

    if (uuid_is_zero(id)) return json_null();
    uuid_format(id, text);
    return json_stringn(text, sizeof text);
}

/* ---- create ---- */

static bool fill_topics(const struct typed *typed, struct client *client, struct create_topics_request *request)
{
    struct create_topics_request_config *configs = client_take(client, typed->configs.count + 1, sizeof *configs);

    for (uint32_t i = 0; i < typed->configs.count; i++) {
        configs[i] = create_topics_request_config_default;
        if (!split_config(typed, typed->configs.texts[i], &configs[i].name, &configs[i].value)) return false;
    }
    request->topics = client_take(client, typed->names.count, sizeof *request->topics);
    request->topics_count = typed->names.count;
    for (uint32_t i = 0; i < typed->names.count; i++) {
        struct create_topics_request_topic *topic = &request->topics[i];
        *topic = create_topics_request_topic_default;
        topic->name = command_bytes(typed->names.texts[i]);
        topic->num_partitions = typed->partitions == NOT_TYPED ? -1 : (int32_t)typed->partitions;
        topic->replication_factor =
            typed->replication_factor == NOT_TYPED ? -1 : (int16_t)MIN(typed->replication_factor, INT16_MAX);
        topic->configs = configs;
        topic->configs_count = typed->configs.count;
    }
    return true;
}

enum command_code topic_create(const struct typed *typed, struct client *client)
{
    struct create_topics_request request = create_topics_request_default;
    struct create_topics_response response;
    enum command_code code = COMMAND_DONE;
    int16_t version;

    if (!fill_topics(typed, client, &request)) return COMMAND_USAGE;
    struct contact *contact = ask_controller(client, API_CREATE_TOPICS, 7, &version);
    if (contact == NULL) return fail_with_error(typed, client);
    request.timeout_ms = (int32_t)typed->timeout_ms;
    request.validate_only = typed->validate_only;
    create_topics_request_write(contact_begin(contact, API_CREATE_TOPICS, version), version, &request);
    struct reader *reader = contact_ask(contact);
    if (reader == NULL) return fail_with_error(typed, client);
    if (!create_topics_response_read(reader, version, &contact->arena, &response)) return unreadable(typed);
    json_t *rows = json_array();
    for (uint32_t i = 0; i < response.topics_count; i++) {
        const struct create_topics_response_topic *topic = &response.topics[i];
        const bool there = topic->error_code == ERROR_TOPIC_ALREADY_EXISTS && typed->if_absent;
        if (topic->error_code != ERROR_NONE && !there) {
            command_refused(typed, topic->name, topic->error_code, topic->error_message);
            code = COMMAND_FAILED;
            continue;
        }
        json_t *row = json_object();
        json_object_set_new(row, "topic", command_json(topic->name));
        json_object_set_new(row, "state", json_string(there ? "exists" : typed->validate_only ? "valid" : "created"));
        json_object_set_new(row, "partitions",
                            topic->num_partitions < 0 ? json_null() : json_integer(topic->num_partitions));
        json_object_set_new(row, "replicas",
                            topic->replication_factor < 0 ? json_null() : json_integer(topic->replication_factor));
        json_object_set_new(row, "id", uuid_json(&topic->topic_id));
        json_array_append_new(rows, row);
    }
    command_print_rows(typed, rows);
    return code;
}

/* ---- list ---- */

enum command_code topic_list(const struct typed *typed, struct client *client)
{
    struct client_topics topics;

    if (!client_topics(client, NULL, 0, &topics)) return fail_with_error(typed, client);
    json_t *rows = json_array();
    for (uint32_t i = 0; i < topics.count; i++) {
        const struct client_topic *topic = &topics.topics[i];
        if (topic->error != ERROR_NONE || (topic->internal && !typed->internal)) continue;
        uint32_t offline = 0, under_replicated = 0;
        for (uint32_t k = 0; k < topic->partition_count; k++) {
            offline += topic->partitions[k].leader < 0;
            under_replicated += topic->partitions[k].isr_count < topic->partitions[k].replica_count;
        }
        json_t *row = json_object();
        json_object_set_new(row, "topic", command_json(topic->name));
        json_object_set_new(row, "partitions", json_integer(topic->partition_count));
        json_object_set_new(row, "replicas",
                            json_integer(topic->partition_count > 0 ? topic->partitions[0].replica_count : 0));
        json_object_set_new(row, "under_replicated", json_integer(under_replicated));
        json_object_set_new(row, "offline", json_integer(offline));
        json_array_append_new(rows, row);
    }
    command_print_rows(typed, rows);
    return COMMAND_DONE;
}

/* ---- describe ---- */

static json_t *ids_json(const struct typed *typed, const int32_t *ids, uint32_t count)
{
    char text[256];
    size_t size = 0;

    if (typed->json) {
        json_t *array = json_array();
        for (uint32_t i = 0; i < count; i++) json_array_append_new(array, json_integer(ids[i]));
        return array;
    }
    text[0] = 0;
    for (uint32_t i = 0; i < count && size < sizeof text - 16; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%d", i > 0 ? "," : "", ids[i]);
    }
    return json_string(text);
}

static json_t *partitions_json(const struct typed *typed, struct client *client, const struct client_topic *topic)
{
    json_t *rows = json_array();
    struct offsets_asked *start = client_take(client, topic->partition_count, sizeof *start);
    struct offsets_asked *end = client_take(client, topic->partition_count, sizeof *end);

    for (uint32_t i = 0; i < topic->partition_count; i++) {
        start[i] = (struct offsets_asked){ .timestamp = OFFSETS_EARLIEST, .offset = -1 };
        end[i] = (struct offsets_asked){ .timestamp = OFFSETS_LATEST, .offset = -1 };
    }
    offsets_ask(client, topic, start);
    offsets_ask(client, topic, end);
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        const struct client_partition *partition = &topic->partitions[i];
        json_t *row = json_object();
        json_object_set_new(row, "partition", json_integer(partition->index));
        json_object_set_new(row, "leader",
                            partition->leader < 0 ? json_string("none") : json_integer(partition->leader));
        json_object_set_new(row, "epoch", json_integer(partition->leader_epoch));
        json_object_set_new(row, "replicas", ids_json(typed, partition->replicas, partition->replica_count));
        json_object_set_new(row, "isr", ids_json(typed, partition->isr, partition->isr_count));
        json_object_set_new(row, "start", start[i].offset < 0 ? json_null() : json_integer(start[i].offset));
        json_object_set_new(row, "end", end[i].offset < 0 ? json_null() : json_integer(end[i].offset));
        json_array_append_new(rows, row);
    }
    return rows;
}

/* The settings that are the topic's own; NULL: they are not to be had. */
static json_t *configs_json(struct client *client, struct bytes name)
{
    struct describe_configs_request_resource resource = describe_configs_request_resource_default;
    struct describe_configs_request request = describe_configs_request_default;
    struct describe_configs_response response;
    struct contact *contact = client_any(client);
    const int16_t version = contact == NULL ? -1 : contact_version(contact, API_DESCRIBE_CONFIGS, 4);

    if (version < 0) return NULL;
    resource.resource_type = RESOURCE_TOPIC;
    resource.resource_name = name;
    request.resources = &resource;
    request.resources_count = 1;
    describe_configs_request_write(contact_begin(contact, API_DESCRIBE_CONFIGS, version), version, &request);
    struct reader *reader = contact_ask(contact);
    if (reader == NULL || !describe_configs_response_read(reader, version, &contact->arena, &response)) return NULL;
    json_t *configs = json_object();
    for (uint32_t i = 0; i < response.resources_count; i++) {
        for (uint32_t k = 0; k < response.resources[i].configs_count; k++) {
            const struct describe_configs_response_config *config = &response.resources[i].configs[k];
            char key[256];
            if (config->config_source != SOURCE_OF_TOPIC) continue;
            snprintf(key, sizeof key, "%.*s", (int)config->name.size, (const char *)config->name.data);
            json_object_set_new(configs, key, command_json(config->value));
        }
    }
    return configs;
}

static void print_topic(const json_t *topic)
{
    const json_t *configs = json_object_get(topic, "configs");
    const json_t *id = json_object_get(topic, "id");
    const char *key;
    json_t *value;

    printf("topic     %s\n", json_string_value(json_object_get(topic, "topic")));
    if (json_is_string(id)) printf("id        %s\n", json_string_value(id));
    json_object_foreach((json_t *)(uintptr_t)configs, key, value)
    {
        printf("config    %s=%s\n", key, json_is_string(value) ? json_string_value(value) : "");
    }
    putchar('\n');
    table_print(json_object_get(topic, "partitions"));
}

enum command_code topic_describe(const struct typed *typed, struct client *client)
{
    struct bytes names[COMMAND_LIST_MAX];
    struct client_topics topics;
    enum command_code code = COMMAND_DONE;

    for (uint32_t i = 0; i < typed->names.count; i++) names[i] = command_bytes(typed->names.texts[i]);
    if (!client_topics(client, names, typed->names.count, &topics)) return fail_with_error(typed, client);
    json_t *all = json_array();
    for (uint32_t i = 0; i < topics.count; i++) {
        const struct client_topic *topic = &topics.topics[i];
        if (topic->error != ERROR_NONE) {
            command_refused(typed, topic->name, topic->error, (struct bytes){ NULL, 0 });
            code = COMMAND_FAILED;
            continue;
        }
        json_t *object = json_object();
        json_object_set_new(object, "topic", command_json(topic->name));
        json_object_set_new(object, "id", uuid_json(&topic->id));
        json_t *configs = configs_json(client, topic->name);
        json_object_set_new(object, "configs", configs != NULL ? configs : json_object());
        json_object_set_new(object, "partitions", partitions_json(typed, client, topic));
        if (!typed->json && json_array_size(all) > 0) putchar('\n');
        if (!typed->json) print_topic(object);
        json_array_append_new(all, object);
    }
    if (typed->json) command_print_rows(typed, all);
    else json_decref(all);
    return code;
}

/* ---- delete ---- */

enum command_code topic_delete(const struct typed *typed, struct client *client)
{
    struct delete_topics_request request = delete_topics_request_default;
    struct delete_topics_response response;
    struct bytes *names = client_take(client, typed->names.count, sizeof *names);
    enum command_code code = COMMAND_DONE;
    int16_t version;

    struct contact *contact = ask_controller(client, API_DELETE_TOPICS, 5, &version);
    if (contact == NULL) return fail_with_error(typed, client);
    for (uint32_t i = 0; i < typed->names.count; i++) names[i] = command_bytes(typed->names.texts[i]);
    request.topic_names = names;
    request.topic_names_count = typed->names.count;
    request.timeout_ms = (int32_t)typed->timeout_ms;
    delete_topics_request_write(contact_begin(contact, API_DELETE_TOPICS, version), version, &request);
    struct reader *reader = contact_ask(contact);
    if (reader == NULL) return fail_with_error(typed, client);
    if (!delete_topics_response_read(reader, version, &contact->arena, &response)) return unreadable(typed);
    json_t *rows = json_array();
    for (uint32_t i = 0; i < response.topics_count; i++) {
        const struct delete_topics_response_topic *topic = &response.topics[i];
        const bool absent = topic->error_code == ERROR_UNKNOWN_TOPIC_OR_PARTITION && typed->if_exists;
        if (topic->error_code != ERROR_NONE && !absent) {
            command_refused(typed, topic->name, topic->error_code, topic->error_message);
            code = COMMAND_FAILED;
            continue;
        }
        json_t *row = json_object();
        json_object_set_new(row, "topic", command_json(topic->name));
        json_object_set_new(row, "state", json_string(absent ? "absent" : "deleted"));
        json_array_append_new(rows, row);
    }
    command_print_rows(typed, rows);
    return code;
}

/* ---- alter ---- */

static enum command_code alter_partitions(const struct typed *typed, struct client *client)
{
    struct create_partitions_request_topic topic = create_partitions_request_topic_default;
    struct create_partitions_request request = create_partitions_request_default;
    struct create_partitions_response response;
    enum command_code code = COMMAND_DONE;
    int16_t version;

    struct contact *contact = ask_controller(client, API_CREATE_PARTITIONS, 3, &version);
    if (contact == NULL) return fail_with_error(typed, client);
    topic.name = command_bytes(typed->names.texts[0]);
    topic.count = (int32_t)typed->partitions;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = (int32_t)typed->timeout_ms;
    request.validate_only = typed->validate_only;
    create_partitions_request_write(contact_begin(contact, API_CREATE_PARTITIONS, version), version, &request);
    struct reader *reader = contact_ask(contact);
    if (reader == NULL) return fail_with_error(typed, client);
    if (!create_partitions_response_read(reader, version, &contact->arena, &response)) return unreadable(typed);
    for (uint32_t i = 0; i < response.topics_count; i++) {
        if (response.topics[i].error_code == ERROR_NONE) continue;
        command_refused(typed, response.topics[i].name, response.topics[i].error_code,
                        response.topics[i].error_message);
        code = COMMAND_FAILED;
    }
    return code;
}

static enum command_code alter_configs(const struct typed *typed, struct client *client)
{
    const uint32_t count = typed->configs.count + typed->unset.count;
    struct incremental_alter_configs_request_config *configs = client_take(client, count, sizeof *configs);
    struct incremental_alter_configs_request_resource resource = incremental_alter_configs_request_resource_default;
    struct incremental_alter_configs_request request = incremental_alter_configs_request_default;
    struct incremental_alter_configs_response response;
    enum command_code code = COMMAND_DONE;
    int16_t version;

    for (uint32_t i = 0; i < count; i++) {
        configs[i] = incremental_alter_configs_request_config_default;
        configs[i].operation = i < typed->configs.count ? CONFIG_SET : CONFIG_DELETE;
        if (i >= typed->configs.count) configs[i].name = command_bytes(typed->unset.texts[i - typed->configs.count]);
        else if (!split_config(typed, typed->configs.texts[i], &configs[i].name, &configs[i].value))
            return COMMAND_USAGE;
    }
    struct contact *contact = ask_controller(client, API_INCREMENTAL_ALTER_CONFIGS, 1, &version);
    if (contact == NULL) return fail_with_error(typed, client);
    resource.resource_type = RESOURCE_TOPIC;
    resource.resource_name = command_bytes(typed->names.texts[0]);
    resource.configs = configs;
    resource.configs_count = count;
    request.resources = &resource;
    request.resources_count = 1;
    request.validate_only = typed->validate_only;
    incremental_alter_configs_request_write(contact_begin(contact, API_INCREMENTAL_ALTER_CONFIGS, version), version,
                                            &request);
    struct reader *reader = contact_ask(contact);
    if (reader == NULL) return fail_with_error(typed, client);
    if (!incremental_alter_configs_response_read(reader, version, &contact->arena, &response)) return unreadable(typed);
    for (uint32_t i = 0; i < response.resources_count; i++) {
        if (response.resources[i].error_code == ERROR_NONE) continue;
        command_refused(typed, response.resources[i].resource_name, response.resources[i].error_code,
                        response.resources[i].error_message);
        code = COMMAND_FAILED;
    }
    return code;
}

enum command_code topic_alter(const struct typed *typed, struct client *client)
{
    const bool settings = typed->configs.count + typed->unset.count > 0;
    enum command_code code = COMMAND_DONE;

    if (typed->partitions == NOT_TYPED && !settings) {
        command_fail(typed, "nothing is to be changed: --partitions, --config or --unset is missing");
        return COMMAND_USAGE;
    }
    if (settings) code = alter_configs(typed, client);
    if (code == COMMAND_DONE && typed->partitions != NOT_TYPED) code = alter_partitions(typed, client);
    if (code != COMMAND_DONE) return code;
    json_t *row = json_object();
    json_object_set_new(row, "topic", json_string(typed->names.texts[0]));
    json_object_set_new(row, "state", json_string(typed->validate_only ? "valid" : "altered"));
    json_t *rows = json_array();
    json_array_append_new(rows, row);
    command_print_rows(typed, rows);
    return COMMAND_DONE;
}
