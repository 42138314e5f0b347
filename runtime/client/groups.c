/* groups.c -- `chronik-server group list, describe, lag, reset-offsets, delete`. */
#include "codec/errors.h"
#include "runtime/client/command.h"
#include "runtime/client/offsets.h"
#include "runtime/client/when.h"
#include "runtime/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static enum command_code fail_with_error(const struct typed *typed, const struct client *client)
{
    return command_fail(typed, "%s", client->error);
}

/* ---- the coordinator ---- */

static int16_t ask_coordinator(struct client *client, struct bytes group, int32_t *node)
{
    struct find_coordinator_request request = find_coordinator_request_default;
    struct find_coordinator_response response;
    struct contact *contact = client_any(client);
    const int16_t version = contact == NULL ? -1 : client_version(client, contact, API_FIND_COORDINATOR, 3);

    if (version < 0) return ERROR_UNKNOWN_SERVER_ERROR;
    request.key = group;
    find_coordinator_request_write(contact_begin(contact, API_FIND_COORDINATOR, version), version, &request);
    struct reader *reader = contact_ask(contact);
    if (reader == NULL) return ERROR_UNKNOWN_SERVER_ERROR;
    if (!find_coordinator_response_read(reader, version, &contact->arena, &response)) {
        snprintf(client->error, sizeof client->error, "an answer that cannot be read");
        return ERROR_UNKNOWN_SERVER_ERROR;
    }
    *node = response.node_id;
    return response.error_code;
}

/* An open connection to the group's coordinator that serves the API; NULL: there is none. */
static struct contact *find_coordinator(const struct typed *typed, struct client *client, struct bytes group,
                                        int16_t api_key, int16_t most, int16_t *version)
{
    const uint64_t until = client_now_ms(CLOCK_MONOTONIC) + (uint64_t)typed->timeout_ms;
    struct client_topics none;
    int32_t node = -1;

    for (;;) {
        const struct bytes no_names[1] = { { NULL, 0 } };
        const int16_t error = ask_coordinator(client, group, &node);
        if (error == ERROR_NONE && client_topics(client, no_names, 0, &none)) break;
        if (error == ERROR_UNKNOWN_SERVER_ERROR) return NULL;
        snprintf(client->error, sizeof client->error, "no coordinator: %s", error_name(error));
        if (!client_may_retry(error) || client_now_ms(CLOCK_MONOTONIC) >= until) return NULL;
        client_pause();
    }
    struct contact *contact = client_broker(client, node);
    *version = contact == NULL ? -1 : client_version(client, contact, api_key, most);
    return *version < 0 ? NULL : contact;
}

/* Whether to ask the coordinator again: a group's offsets may be being loaded there, or it has just moved. */
static bool again(struct client *client, int16_t error, uint64_t until_ms)
{
    if (!client_may_retry(error) || client_now_ms(CLOCK_MONOTONIC) >= until_ms) return false;
    snprintf(client->error, sizeof client->error, "%s", error_name(error));
    client_pause();
    return true;
}

static uint64_t until_when(const struct typed *typed)
{
    return client_now_ms(CLOCK_MONOTONIC) + (uint64_t)typed->timeout_ms;
}

/* ---- list ---- */

enum command_code group_list(const struct typed *typed, struct client *client)
{
    const struct bytes no_names[1] = { { NULL, 0 } };
    struct client_topics none;

    if (!client_topics(client, no_names, 0, &none)) return fail_with_error(typed, client);
    json_t *rows = json_array();
    for (uint32_t i = 0; i < client->broker_count; i++) {
        struct list_groups_request request = list_groups_request_default;
        struct list_groups_response response;
        struct contact *contact = client_broker(client, client->brokers[i].id);
        const int16_t version = contact == NULL ? -1 : client_version(client, contact, API_LIST_GROUPS, 5);
        struct reader *reader = NULL;
        if (version >= 0) {
            list_groups_request_write(contact_begin(contact, API_LIST_GROUPS, version), version, &request);
            reader = contact_ask(contact);
        }
        if (reader == NULL) { /* the groups of the others are still of use */
            command_fail(typed, "%s", client->error);
            continue;
        }
        if (!list_groups_response_read(reader, version, &contact->arena, &response)) continue;
        for (uint32_t k = 0; k < response.groups_count; k++) {
            const struct list_groups_response_group *group = &response.groups[k];
            json_t *row = json_object();
            json_object_set_new(row, "group", command_json(group->group_id));
            json_object_set_new(row, "state", command_json(group->group_state));
            json_object_set_new(row, "type", version >= 5 ? command_json(group->group_type) : json_string("classic"));
            json_object_set_new(row, "protocol", command_json(group->protocol_type));
            json_object_set_new(row, "coordinator", json_integer(client->brokers[i].id));
            json_array_append_new(rows, row);
        }
    }
    command_print_rows(typed, rows);
    return COMMAND_DONE;
}

/* ---- describe ---- */

/* What a member reads: "topic:0,1 other:2", from the bytes of the consumer protocol; null if it is another one. */
static json_t *assignment_json(struct bytes assignment)
{
    struct reader reader = reader_of(assignment);
    char text[1024] = "";
    size_t size = 0;

    reader_int16(&reader);
    for (int32_t topics = reader_int32(&reader); topics > 0 && reader_ok(&reader); topics--) {
        const struct bytes name = reader_string(&reader, false, false);
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%.*s:", size > 0 ? " " : "",
                                 (int)MIN(name.size, 300U), (const char *)name.data);
        size = MIN(size, sizeof text - 1);
        int32_t partitions = reader_int32(&reader);
        for (int32_t i = 0; i < partitions && reader_ok(&reader); i++) {
            size += (size_t)snprintf(text + size, sizeof text - size, "%s%d", i > 0 ? "," : "", reader_int32(&reader));
            size = MIN(size, sizeof text - 1);
        }
    }
    return reader_ok(&reader) || assignment.size == 0 ? json_string(text) : json_null();
}

static bool describe_once(const struct typed *typed, struct client *client, struct bytes name,
                          struct describe_groups_response *response)
{
    struct describe_groups_request request = describe_groups_request_default;
    int16_t version;
    struct contact *contact = find_coordinator(typed, client, name, API_DESCRIBE_GROUPS, 5, &version);

    if (contact == NULL) return false;
    request.groups = &name;
    request.groups_count = 1;
    describe_groups_request_write(contact_begin(contact, API_DESCRIBE_GROUPS, version), version, &request);
    struct reader *reader = contact_ask(contact);
    if (reader == NULL) return false;
    if (describe_groups_response_read(reader, version, &contact->arena, response) && response->groups_count == 1) {
        return true;
    }
    snprintf(client->error, sizeof client->error, "an answer that cannot be read");
    return false;
}

static bool describe(const struct typed *typed, struct client *client, struct bytes name,
                     struct describe_groups_response *response)
{
    const uint64_t until_ms = until_when(typed);

    do {
        if (!describe_once(typed, client, name, response)) return false;
    } while (again(client, response->groups[0].error_code, until_ms));
    return true;
}

static json_t *members_json(const struct describe_groups_response_group *group)
{
    json_t *rows = json_array();

    for (uint32_t i = 0; i < group->members_count; i++) {
        const struct describe_groups_response_member *member = &group->members[i];
        json_t *row = json_object();
        json_object_set_new(row, "client", command_json(member->client_id));
        json_object_set_new(row, "host", command_json(member->client_host));
        json_object_set_new(row, "member", command_json(member->member_id));
        json_object_set_new(row, "instance", command_json(member->group_instance_id));
        json_object_set_new(row, "reads", assignment_json(member->member_assignment));
        json_array_append_new(rows, row);
    }
    return rows;
}

/* The same of a group of the newer protocol: "topic:0,1 other:2". */
static json_t *share_json(const struct consumer_group_describe_response_assignment *share)
{
    char text[1024] = "";
    size_t size = 0;

    for (uint32_t i = 0; i < share->topic_partitions_count; i++) {
        const struct consumer_group_describe_response_topic *topic = &share->topic_partitions[i];
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%.*s:", size > 0 ? " " : "",
                                 (int)MIN(topic->topic_name.size, 300U), (const char *)topic->topic_name.data);
        size = MIN(size, sizeof text - 1);
        for (uint32_t k = 0; k < topic->partitions_count; k++) {
            size += (size_t)snprintf(text + size, sizeof text - size, "%s%d", k > 0 ? "," : "", topic->partitions[k]);
            size = MIN(size, sizeof text - 1);
        }
    }
    return json_string(text);
}

/* What is told of a group; `members` are given away. */
static json_t *group_json(struct bytes name, struct bytes state, struct bytes assignor, json_t *members)
{
    json_t *object = json_object();

    json_object_set_new(object, "group", command_json(name));
    json_object_set_new(object, "state", command_json(state));
    json_object_set_new(object, "assignor", command_json(assignor));
    json_object_set_new(object, "members", members);
    return object;
}

/* A group of the newer protocol; NULL: there is none of that name, or the broker does not know that protocol. */
static json_t *describe_newer(const struct typed *typed, struct client *client, struct bytes name)
{
    struct consumer_group_describe_request request = consumer_group_describe_request_default;
    struct consumer_group_describe_response response;
    int16_t version;
    struct contact *contact = find_coordinator(typed, client, name, API_CONSUMER_GROUP_DESCRIBE, 1, &version);

    if (contact == NULL) return NULL;
    request.group_ids = &name;
    request.group_ids_count = 1;
    consumer_group_describe_request_write(contact_begin(contact, API_CONSUMER_GROUP_DESCRIBE, version), version,
                                          &request);
    struct reader *reader = contact_ask(contact);
    if (reader == NULL || !consumer_group_describe_response_read(reader, version, &contact->arena, &response)) {
        return NULL;
    }
    if (response.groups_count != 1 || response.groups[0].error_code != ERROR_NONE) return NULL;
    const struct consumer_group_describe_response_group *group = &response.groups[0];
    json_t *rows = json_array();
    for (uint32_t i = 0; i < group->members_count; i++) {
        const struct consumer_group_describe_response_member *member = &group->members[i];
        json_t *row = json_object();
        json_object_set_new(row, "client", command_json(member->client_id));
        json_object_set_new(row, "host", command_json(member->client_host));
        json_object_set_new(row, "member", command_json(member->member_id));
        json_object_set_new(row, "instance", command_json(member->instance_id));
        json_object_set_new(row, "reads", share_json(&member->assignment));
        json_array_append_new(rows, row);
    }
    return group_json(name, group->group_state, group->assignor_name, rows);
}

static void print_group(const json_t *object, bool first)
{
    printf("%sgroup     %s\nstate     %s\nassignor  %s\n\n", first ? "" : "\n",
           json_string_value(json_object_get(object, "group")), json_string_value(json_object_get(object, "state")),
           json_string_value(json_object_get(object, "assignor")));
    table_print(json_object_get(object, "members"));
}

enum command_code group_describe(const struct typed *typed, struct client *client)
{
    enum command_code code = COMMAND_DONE;
    json_t *all = json_array();

    for (uint32_t i = 0; i < typed->names.count; i++) {
        const struct bytes name = command_bytes(typed->names.texts[i]);
        struct describe_groups_response response;
        if (!describe(typed, client, name, &response)) {
            json_decref(all);
            return fail_with_error(typed, client);
        }
        const struct describe_groups_response_group *group = &response.groups[0];
        const bool dead = bytes_equal(group->group_state, BYTES_LITERAL("Dead"));
        json_t *object = NULL;
        if (group->error_code == ERROR_NONE && !dead) {
            object = group_json(name, group->group_state, group->protocol_data, members_json(group));
        } else {
            const int16_t error = dead ? ERROR_GROUP_ID_NOT_FOUND : group->error_code;
            if (dead) object = describe_newer(typed, client, name);
            if (object == NULL) command_refused(typed, name, error, (struct bytes){ 0 });
        }
        if (object == NULL) {
            code = COMMAND_FAILED;
            continue;
        }
        if (!typed->json) print_group(object, json_array_size(all) == 0);
        json_array_append_new(all, object);
    }
    if (typed->json) command_print_rows(typed, all);
    else json_decref(all);
    return code;
}

/* ---- offsets ---- */

/* What a group has committed of a topic: an offset for each partition, -1 none. */
struct committed {
    struct client_topic topic;
    int64_t *offsets;
};

static bool fetch_once(const struct typed *typed, struct client *client, struct bytes group,
                       struct offset_fetch_response *response)
{
    struct offset_fetch_request request = offset_fetch_request_default;
    int16_t version;
    struct contact *contact = find_coordinator(typed, client, group, API_OFFSET_FETCH, 7, &version);

    if (contact == NULL) return false;
    request.group_id = group;
    request.topics = NULL; /* all */
    offset_fetch_request_write(contact_begin(contact, API_OFFSET_FETCH, version), version, &request);
    struct reader *reader = contact_ask(contact);
    if (reader == NULL) return false;
    if (!offset_fetch_response_read(reader, version, &contact->arena, response)) {
        snprintf(client->error, sizeof client->error, "an answer that cannot be read");
        return false;
    }
    return true;
}

static bool fetch_committed(const struct typed *typed, struct client *client, struct bytes group,
                            struct offset_fetch_response *response)
{
    const uint64_t until_ms = until_when(typed);

    do {
        if (!fetch_once(typed, client, group, response)) return false;
    } while (again(client, response->error_code, until_ms));
    if (response->error_code == ERROR_NONE) return true;
    snprintf(client->error, sizeof client->error, "%.*s: %s", (int)group.size, (const char *)group.data,
             error_name(response->error_code));
    return false;
}

/* All that a group has committed, by topics that are still there. NULL: not to be had. */
static struct committed *all_committed(const struct typed *typed, struct client *client, struct bytes group,
                                       uint32_t *count)
{
    struct offset_fetch_response response;
    struct client_topics topics;

    if (!fetch_committed(typed, client, group, &response)) return NULL;
    const uint32_t fetched = response.topics_count;
    struct bytes *names = client_take(client, fetched + 1, sizeof *names);
    struct committed *all = client_take(client, fetched + 1, sizeof *all);
    const struct offset_fetch_response_partition **lists = client_take(client, fetched + 1, sizeof *lists);
    uint32_t *sizes = client_take(client, fetched + 1, sizeof *sizes);
    for (uint32_t i = 0; i < fetched; i++) {
        const struct offset_fetch_response_topic *topic = &response.topics[i];
        const uint32_t size = topic->partitions_count * (uint32_t)sizeof topic->partitions[0];
        names[i] = client_keep(client, topic->name);
        lists[i] = (const void *)client_keep(client, (struct bytes){ (const uint8_t *)topic->partitions, size }).data;
        sizes[i] = topic->partitions_count;
    }
    *count = 0;
    if (fetched == 0) return all;
    if (!client_topics(client, names, fetched, &topics)) return NULL;
    for (uint32_t i = 0; i < topics.count; i++) {
        struct committed *committed = &all[*count];
        committed->topic = topics.topics[i];
        if (committed->topic.error != ERROR_NONE) continue;
        committed->offsets = client_take(client, committed->topic.partition_count, sizeof *committed->offsets);
        for (uint32_t k = 0; k < committed->topic.partition_count; k++) committed->offsets[k] = -1;
        for (uint32_t k = 0; k < fetched; k++) {
            if (!bytes_equal(names[k], committed->topic.name)) continue;
            for (uint32_t n = 0; n < sizes[k]; n++) {
                const int32_t index = lists[k][n].index;
                if (index < 0 || (uint32_t)index >= committed->topic.partition_count) continue;
                committed->offsets[index] = lists[k][n].committed_offset;
            }
        }
        (*count)++;
    }
    return all;
}

struct left {
    int64_t records;
    uint32_t uncommitted; /* partitions of these topics that the group has committed nothing of */
};

static void add_lag(struct client *client, const struct committed *committed, json_t *rows, struct left *left)
{
    const struct client_topic *topic = &committed->topic;
    struct offsets_asked *end = client_take(client, topic->partition_count, sizeof *end);

    for (uint32_t i = 0; i < topic->partition_count; i++) {
        end[i].offset = -1;
        end[i].timestamp = OFFSETS_LATEST;
    }
    offsets_ask(client, topic, end);
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        const bool ends = end[i].offset >= 0, began = committed->offsets[i] >= 0;
        const bool known = ends && began;
        const int64_t lag = known ? MAX(end[i].offset - committed->offsets[i], 0) : 0;
        json_t *row = json_object();
        json_object_set_new(row, "topic", command_json(topic->name));
        json_object_set_new(row, "partition", json_integer(i));
        json_object_set_new(row, "committed", began ? json_integer(committed->offsets[i]) : json_null());
        json_object_set_new(row, "end", ends ? json_integer(end[i].offset) : json_null());
        json_object_set_new(row, "lag", known ? json_integer(lag) : json_null());
        json_array_append_new(rows, row);
        left->records += lag;
        left->uncommitted += !began;
    }
}

enum command_code group_lag(const struct typed *typed, struct client *client)
{
    const struct bytes group = command_bytes(typed->names.texts[0]);
    uint32_t count;
    struct left left = { 0 };
    const struct committed *all = all_committed(typed, client, group, &count);

    if (all == NULL) return fail_with_error(typed, client);
    json_t *rows = json_array();
    for (uint32_t i = 0; i < count; i++) add_lag(client, &all[i], rows, &left);
    if (json_array_size(rows) == 0) {
        json_decref(rows);
        return command_fail(typed, "%s: it has committed nothing", typed->names.texts[0]);
    }
    command_print_rows(typed, rows);
    if (typed->json) return COMMAND_DONE;
    printf("\n%" PRId64 " records are left", left.records);
    if (left.uncommitted > 0) {
        printf(", and nothing is committed of %u %s", left.uncommitted,
               left.uncommitted == 1 ? "partition" : "partitions");
    }
    printf("\n");
    return COMMAND_DONE;
}

/* ---- reset ---- */

/* Which topic, and which partition of it: -1 all. */
static bool read_topic(const struct typed *typed, struct bytes *name, int64_t *partition)
{
    const char *colon = strrchr(typed->topic, ':');
    char *end;

    *name = command_bytes(typed->topic);
    *partition = -1;
    if (colon == NULL) return true;
    *partition = strtoll(colon + 1, &end, 10);
    name->size = (uint32_t)(colon - typed->topic);
    return end != colon + 1 && *end == 0 && *partition >= 0;
}

/* The new offsets, those of partitions that are not meant stay -1. */
static bool find_places(struct client *client, const struct client_topic *topic, int64_t only, const struct when *when,
                        int64_t *places)
{
    struct offsets_asked *first = client_take(client, topic->partition_count, sizeof *first);
    struct offsets_asked *last = client_take(client, topic->partition_count, sizeof *last);
    struct offsets_asked *timed = client_take(client, topic->partition_count, sizeof *timed);

    for (uint32_t i = 0; i < topic->partition_count; i++) {
        const bool meant = only < 0 || only == i;
        first[i].timestamp = meant ? OFFSETS_EARLIEST : OFFSETS_NOT_ASKED;
        last[i].timestamp = meant ? OFFSETS_LATEST : OFFSETS_NOT_ASKED;
        timed[i].timestamp = meant ? when->number : OFFSETS_NOT_ASKED;
        timed[i].offset = -1;
    }
    if (!offsets_ask(client, topic, first) || !offsets_ask(client, topic, last)) return false;
    if (when->kind == WHEN_TIME && !offsets_ask(client, topic, timed)) return false;
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        places[i] = -1;
        if (only >= 0 && only != i) continue;
        places[i] = when_offset(when, first[i].offset, last[i].offset, timed[i].offset);
    }
    return true;
}

/* The first error of any of them. */
static int16_t commit_once(const struct typed *typed, struct client *client, struct bytes group,
                           const struct client_topic *topic, const int64_t *places)
{
    struct offset_commit_request_topic wanted = offset_commit_request_topic_default;
    struct offset_commit_request request = offset_commit_request_default;
    struct offset_commit_response response;
    int16_t version;
    struct contact *contact = find_coordinator(typed, client, group, API_OFFSET_COMMIT, 8, &version);

    if (contact == NULL) return ERROR_UNKNOWN_SERVER_ERROR;
    wanted.name = topic->name;
    wanted.partitions = client_take(client, topic->partition_count, sizeof *wanted.partitions);
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        if (places[i] < 0) continue;
        struct offset_commit_request_partition *partition = &wanted.partitions[wanted.partitions_count++];
        *partition = offset_commit_request_partition_default;
        partition->index = (int32_t)i;
        partition->committed_offset = places[i];
        partition->committed_metadata = BYTES_LITERAL("");
    }
    request.group_id = group;
    request.generation_id_or_member_epoch = -1;
    request.member_id = BYTES_LITERAL("");
    request.topics = &wanted;
    request.topics_count = 1;
    offset_commit_request_write(contact_begin(contact, API_OFFSET_COMMIT, version), version, &request);
    struct reader *reader = contact_ask(contact);
    if (reader == NULL) return ERROR_UNKNOWN_SERVER_ERROR;
    if (!offset_commit_response_read(reader, version, &contact->arena, &response)) {
        snprintf(client->error, sizeof client->error, "an answer that cannot be read");
        return ERROR_UNKNOWN_SERVER_ERROR;
    }
    for (uint32_t i = 0; i < response.topics_count; i++) {
        for (uint32_t k = 0; k < response.topics[i].partitions_count; k++) {
            const struct offset_commit_response_partition *partition = &response.topics[i].partitions[k];
            if (partition->error_code == ERROR_NONE) continue;
            snprintf(client->error, sizeof client->error, "%.*s, partition %d: %s", (int)topic->name.size,
                     (const char *)topic->name.data, partition->index, error_name(partition->error_code));
            return partition->error_code;
        }
    }
    return ERROR_NONE;
}

static enum command_code commit(const struct typed *typed, struct client *client, struct bytes group,
                                const struct client_topic *topic, const int64_t *places)
{
    const uint64_t until_ms = until_when(typed);
    int16_t error;

    do error = commit_once(typed, client, group, topic, places);
    while (again(client, error, until_ms));
    return error == ERROR_NONE ? COMMAND_DONE : fail_with_error(typed, client);
}

static enum command_code reset_topic(const struct typed *typed, struct client *client,
                                     const struct committed *committed, int64_t only, json_t *rows)
{
    const struct bytes group = command_bytes(typed->names.texts[0]);
    const struct client_topic *topic = &committed->topic;
    int64_t *places = client_take(client, topic->partition_count, sizeof *places);
    struct when when;

    when_parse(typed->to, &when);
    if (only >= topic->partition_count) {
        return command_fail(typed, "%.*s has %u partitions", (int)topic->name.size, (const char *)topic->name.data,
                            topic->partition_count);
    }
    if (!find_places(client, topic, only, &when, places)) {
        return command_fail(typed, "not all partitions say where they begin and end: %s",
                            client->error[0] != 0 ? client->error : "some have no leader");
    }
    if (typed->execute) {
        const enum command_code code = commit(typed, client, group, topic, places);
        if (code != COMMAND_DONE) return code;
    }
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        if (places[i] < 0) continue;
        const int64_t before = committed->offsets == NULL ? -1 : committed->offsets[i];
        json_t *row = json_object();
        json_object_set_new(row, "topic", command_json(topic->name));
        json_object_set_new(row, "partition", json_integer(i));
        json_object_set_new(row, "before", before < 0 ? json_null() : json_integer(before));
        json_object_set_new(row, typed->execute ? "now" : "would_be", json_integer(places[i]));
        json_array_append_new(rows, row);
    }
    return COMMAND_DONE;
}

/* Offsets of a group that somebody is in are that member's to commit. */
static bool is_at_rest(const struct typed *typed, struct client *client, struct bytes group)
{
    struct describe_groups_response response;

    if (!describe(typed, client, group, &response)) {
        fail_with_error(typed, client);
        return false;
    }
    const struct describe_groups_response_group *found = &response.groups[0];
    if (found->members_count == 0) return true;
    command_fail(typed, "%s has %u members; only a group without any is reset", typed->names.texts[0],
                 found->members_count);
    return false;
}

enum command_code group_reset(const struct typed *typed, struct client *client)
{
    const struct bytes group = command_bytes(typed->names.texts[0]);
    enum command_code code = COMMAND_DONE;
    struct bytes name = { NULL, 0 };
    int64_t only = -1;
    uint32_t count;
    struct when when;
    bool found = false;

    if (typed->to == NULL || !when_parse(typed->to, &when)) {
        command_fail(typed, "--to: beginning, end, an offset, -N, @MS or @YYYY-MM-DDTHH:MM:SS is expected");
        return COMMAND_USAGE;
    }
    if ((typed->topic == NULL) == !typed->all_topics || (typed->topic != NULL && !read_topic(typed, &name, &only))) {
        command_fail(typed, "--topic NAME, --topic NAME:PARTITION or --all-topics is expected");
        return COMMAND_USAGE;
    }
    if (!is_at_rest(typed, client, group)) return COMMAND_FAILED;
    const struct committed *all = all_committed(typed, client, group, &count);
    if (all == NULL) return fail_with_error(typed, client);
    json_t *rows = json_array();
    for (uint32_t i = 0; i < count && code == COMMAND_DONE; i++) {
        if (typed->topic != NULL && !bytes_equal(all[i].topic.name, name)) continue;
        found = true;
        code = reset_topic(typed, client, &all[i], only, rows);
    }
    if (!found && code == COMMAND_DONE && typed->topic != NULL) { /* it has committed nothing there so far */
        struct committed fresh = { .offsets = NULL };
        struct client_topics topics;
        const bool there = client_topics(client, &name, 1, &topics) && topics.count == 1;
        if (there) fresh.topic = topics.topics[0];
        if (!there) code = fail_with_error(typed, client);
        else if (fresh.topic.error != ERROR_NONE) {
            command_refused(typed, name, fresh.topic.error, (struct bytes){ NULL, 0 });
            code = COMMAND_FAILED;
        } else code = reset_topic(typed, client, &fresh, only, rows);
    }
    command_print_rows(typed, rows);
    if (code == COMMAND_DONE && !typed->execute && !typed->json) puts("\nNothing was changed: --execute does it.");
    return code;
}

/* ---- delete ---- */

/* ERROR_UNKNOWN_SERVER_ERROR: nobody answered. */
static int16_t delete_once(const struct typed *typed, struct client *client, struct bytes name)
{
    struct delete_groups_request request = delete_groups_request_default;
    struct delete_groups_response response;
    int16_t version;
    struct contact *contact = find_coordinator(typed, client, name, API_DELETE_GROUPS, 2, &version);

    if (contact == NULL) return ERROR_UNKNOWN_SERVER_ERROR;
    request.group_names = &name;
    request.group_names_count = 1;
    delete_groups_request_write(contact_begin(contact, API_DELETE_GROUPS, version), version, &request);
    struct reader *reader = contact_ask(contact);
    if (reader == NULL || !delete_groups_response_read(reader, version, &contact->arena, &response) ||
        response.results_count != 1) {
        return ERROR_UNKNOWN_SERVER_ERROR;
    }
    return response.results[0].error_code;
}

enum command_code group_delete(const struct typed *typed, struct client *client)
{
    enum command_code code = COMMAND_DONE;
    json_t *rows = json_array();

    for (uint32_t i = 0; i < typed->names.count; i++) {
        const struct bytes name = command_bytes(typed->names.texts[i]);
        const uint64_t until_ms = until_when(typed);
        int16_t error;
        do error = delete_once(typed, client, name);
        while (again(client, error, until_ms));
        if (error != ERROR_NONE) {
            const bool silent = error == ERROR_UNKNOWN_SERVER_ERROR;
            command_refused(typed, name, error, silent ? command_bytes(client->error) : (struct bytes){ NULL, 0 });
            code = COMMAND_FAILED;
            continue;
        }
        json_t *row = json_object();
        json_object_set_new(row, "group", command_json(name));
        json_object_set_new(row, "state", json_string("deleted"));
        json_array_append_new(rows, row);
    }
    command_print_rows(typed, rows);
    return code;
}
