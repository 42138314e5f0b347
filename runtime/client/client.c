#include "runtime/client/client.h"

#include "codec/errors.h"
#include "runtime/socket.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAUSE_MS = 100, UNKNOWN_MS = 1000 };

const char *client_init(struct client *client, const char *bootstrap)
{
    char one[sizeof client->bootstrap[0].host + 16];

    *client = (struct client){ .controller = -1 };
    contact_init(&client->first, client->error);
    for (const char *at = bootstrap; *at != 0; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ',')) {
        const size_t size = strcspn(at, ",");
        if (client->bootstrap_count == CLIENT_BOOTSTRAP_MAX) return "more than 16 addresses";
        if (size >= sizeof one) return "the host is too long";
        snprintf(one, sizeof one, "%.*s", (int)size, at);
        const char *wrong = address_parse(one, &client->bootstrap[client->bootstrap_count++]);
        if (wrong != NULL) return wrong;
    }
    if (client->bootstrap_count == 0) return "no address";
    void *memory = malloc(CLIENT_MEMORY_SIZE); /* untouched, it takes nothing */
    if (memory == NULL) return "no memory";
    arena_init(&client->memory, memory, CLIENT_MEMORY_SIZE);
    return NULL;
}

void client_free(struct client *client)
{
    contact_close(&client->first);
    for (uint32_t i = 0; i < client->broker_count; i++) contact_close(&client->brokers[i].contact);
    free(client->brokers);
    free(client->memory.memory);
}

/* ---- memory ---- */

void *client_take(struct client *client, size_t count, size_t size)
{
    void *taken = arena_take(&client->memory, (uint32_t)count, (uint32_t)size);

    if (taken == NULL) {
        fputs("chronik-server: out of memory\n", stderr);
        exit(1);
    }
    return memset(taken, 0, count * size);
}

struct bytes client_keep(struct client *client, struct bytes bytes)
{
    if (bytes.data == NULL) return bytes;
    uint8_t *copy = client_take(client, bytes.size + (bytes.size == 0), 1);
    if (bytes.size > 0) memcpy(copy, bytes.data, bytes.size);
    return (struct bytes){ copy, bytes.size };
}

static const int32_t *keep_ids(struct client *client, const int32_t *ids, uint32_t count)
{
    return (const int32_t *)(const void *)client_keep(client,
                                                      (struct bytes){ (const uint8_t *)ids, count * sizeof *ids })
        .data;
}

/* ---- brokers ---- */

struct contact *client_any(struct client *client)
{
    for (uint32_t i = 0; i < client->bootstrap_count; i++) {
        if (contact_open(&client->first, &client->bootstrap[i])) return &client->first;
    }
    for (uint32_t i = 0; i < client->broker_count; i++) { /* one that was learned meanwhile */
        struct contact *contact = &client->brokers[i].contact;
        if (contact_open(contact, &contact->address)) return contact;
    }
    return NULL;
}

struct contact *client_broker(struct client *client, int32_t id)
{
    for (uint32_t i = 0; i < client->broker_count; i++) {
        struct contact *contact = &client->brokers[i].contact;
        if (client->brokers[i].id == id) return contact_open(contact, &contact->address) ? contact : NULL;
    }
    snprintf(client->error, sizeof client->error, "broker %d is not there", id);
    return NULL;
}

struct contact *client_controller(struct client *client)
{
    struct client_topics none;
    const struct bytes no_names[1] = { { NULL, 0 } };

    if (client->broker_count == 0 && !client_topics(client, no_names, 0, &none)) return NULL;
    struct contact *contact = client->controller < 0 ? NULL : client_broker(client, client->controller);
    return contact != NULL ? contact : client_any(client);
}

int16_t client_version(struct client *client, const struct contact *contact, int16_t api_key, int16_t most)
{
    char address[ADDRESS_TEXT_SIZE];
    const int16_t version = contact_version(contact, api_key, most);

    if (version < 0) {
        snprintf(client->error, sizeof client->error, "%s: it does not serve %s in a version that is known here",
                 address_format(&contact->address, address), api_find(api_key)->name);
    }
    return version;
}

static void learn_broker(struct client *client, const struct metadata_response_broker *broker)
{
    struct address address = { .port = (uint16_t)broker->port };
    uint32_t at = 0;

    snprintf(address.host, sizeof address.host, "%.*s", (int)broker->host.size, (const char *)broker->host.data);
    while (at < client->broker_count && client->brokers[at].id != broker->node_id) at++;
    if (at == client->broker_max) {
        client->broker_max = client->broker_max * 2 + 4;
        client->brokers = realloc(client->brokers, client->broker_max * sizeof *client->brokers);
        if (client->brokers == NULL) abort();
    }
    struct client_broker *known = &client->brokers[at];
    if (at == client->broker_count) {
        client->broker_count++;
        known->id = broker->node_id;
        contact_init(&known->contact, client->error);
    } else if (strcmp(known->contact.address.host, address.host) == 0 && known->contact.address.port == address.port) {
        return;
    }
    contact_close(&known->contact);
    known->contact.address = address;
}

/* ---- topics ---- */

static void keep_topic(struct client *client, const struct metadata_response_topic *from, struct client_topic *to)
{
    *to = (struct client_topic){ .name = client_keep(client, from->name),
                                 .id = from->topic_id,
                                 .error = from->error_code,
                                 .internal = from->is_internal,
                                 .partition_count = from->partitions_count };
    to->partitions = client_take(client, from->partitions_count, sizeof *to->partitions);
    for (uint32_t i = 0; i < from->partitions_count; i++) {
        const struct metadata_response_partition *partition = &from->partitions[i];
        const uint32_t place = partition->index >= 0 && (uint32_t)partition->index < from->partitions_count
                                   ? (uint32_t)partition->index
                                   : i;
        to->partitions[place] = (struct client_partition){
            .index = partition->index,
            .leader = partition->leader_id,
            .leader_epoch = partition->leader_epoch,
            .replicas = keep_ids(client, partition->replica_nodes, partition->replica_nodes_count),
            .replica_count = partition->replica_nodes_count,
            .isr = keep_ids(client, partition->isr_nodes, partition->isr_nodes_count),
            .isr_count = partition->isr_nodes_count,
            .offline = keep_ids(client, partition->offline_replicas, partition->offline_replicas_count),
            .offline_count = partition->offline_replicas_count,
        };
    }
}

bool client_topics(struct client *client, const struct bytes *names, uint32_t count, struct client_topics *topics)
{
    struct metadata_request request = metadata_request_default;
    struct metadata_response response;
    struct contact *contact = client_any(client);
    const int16_t version = contact == NULL ? -1 : client_version(client, contact, API_METADATA, 12);

    if (version < 0) return false;
    if (names != NULL) {
        request.topics = client_take(client, MAX(count, 1U), sizeof *request.topics);
        request.topics_count = count;
        for (uint32_t i = 0; i < count; i++) {
            request.topics[i] = metadata_request_topic_default;
            request.topics[i].name = names[i];
        }
    }
    request.allow_auto_topic_creation = false;
    metadata_request_write(contact_begin(contact, API_METADATA, version), version, &request);
    struct reader *reader = contact_ask(contact);
    if (reader == NULL) return false;
    if (!metadata_response_read(reader, version, &contact->arena, &response)) {
        snprintf(client->error, sizeof client->error, "an answer that cannot be read");
        return false;
    }
    client->controller = response.controller_id;
    for (uint32_t i = 0; i < response.brokers_count; i++) learn_broker(client, &response.brokers[i]);
    topics->count = response.topics_count;
    topics->topics = client_take(client, MAX(response.topics_count, 1U), sizeof *topics->topics);
    for (uint32_t i = 0; i < response.topics_count; i++) keep_topic(client, &response.topics[i], &topics->topics[i]);
    return true;
}

bool client_find_topic(struct client *client, struct bytes name, int64_t patience_ms, struct client_topic *topic)
{
    const uint64_t begun = client_now_ms(CLOCK_MONOTONIC);
    struct client_topics topics;

    for (;;) {
        if (!client_topics(client, &name, 1, &topics)) return false;
        const int16_t error = topics.count == 1 ? topics.topics[0].error : ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        if (error == ERROR_NONE && topics.topics[0].partition_count > 0) {
            *topic = topics.topics[0];
            return true;
        }
        snprintf(client->error, sizeof client->error, "%.*s: %s", (int)name.size, (const char *)name.data,
                 error_name(error));
        const bool unknown = error == ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        const int64_t patience = unknown ? MIN(patience_ms, UNKNOWN_MS) : client_may_retry(error) ? patience_ms : 0;
        if (client_now_ms(CLOCK_MONOTONIC) - begun >= (uint64_t)patience) return false;
        client_pause();
    }
}

bool client_may_retry(int16_t error)
{
    switch (error) {
    case ERROR_LEADER_NOT_AVAILABLE:
    case ERROR_NOT_LEADER_OR_FOLLOWER:
    case ERROR_REQUEST_TIMED_OUT:
    case ERROR_BROKER_NOT_AVAILABLE:
    case ERROR_REPLICA_NOT_AVAILABLE:
    case ERROR_COORDINATOR_LOAD_IN_PROGRESS:
    case ERROR_COORDINATOR_NOT_AVAILABLE:
    case ERROR_NOT_COORDINATOR:
    case ERROR_NOT_ENOUGH_REPLICAS:
    case ERROR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case ERROR_NOT_CONTROLLER:
    case ERROR_KAFKA_STORAGE_ERROR:
    case ERROR_FENCED_LEADER_EPOCH:
    case ERROR_UNKNOWN_LEADER_EPOCH:
    case ERROR_OFFSET_NOT_AVAILABLE: return true;
    default: return false;
    }
}

void client_pause(void)
{
    poll(NULL, 0, PAUSE_MS);
}

uint64_t client_now_ms(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}
