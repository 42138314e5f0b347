#include "runtime/client/offsets.h"

#include "codec/errors.h"

/* Asks one leader for all that he leads. */
static bool ask_leader(struct client *client, const struct client_topic *topic, int32_t leader,
                       struct offsets_asked *asked)
{
    struct list_offsets_request request = list_offsets_request_default;
    struct list_offsets_request_topic wanted = list_offsets_request_topic_default;
    struct list_offsets_response response;
    struct contact *contact = client_broker(client, leader);
    const int16_t version = contact == NULL ? -1 : client_version(client, contact, API_LIST_OFFSETS, 7);
    bool all = true;

    if (version < 0) return false;
    wanted.name = topic->name;
    wanted.partitions = client_take(client, topic->partition_count, sizeof *wanted.partitions);
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        if (topic->partitions[i].leader != leader || asked[i].timestamp == OFFSETS_NOT_ASKED) continue;
        struct list_offsets_request_partition *partition = &wanted.partitions[wanted.partitions_count++];
        *partition = list_offsets_request_partition_default;
        partition->index = topic->partitions[i].index;
        partition->timestamp = asked[i].timestamp;
    }
    request.replica_id = -1;
    request.topics = &wanted;
    request.topics_count = 1;
    list_offsets_request_write(contact_begin(contact, API_LIST_OFFSETS, version), version, &request);
    struct reader *reader = contact_ask(contact);
    if (reader == NULL || !list_offsets_response_read(reader, version, &contact->arena, &response)) return false;
    for (uint32_t i = 0; i < response.topics_count; i++) {
        for (uint32_t k = 0; k < response.topics[i].partitions_count; k++) {
            const struct list_offsets_response_partition *partition = &response.topics[i].partitions[k];
            if (partition->index < 0 || (uint32_t)partition->index >= topic->partition_count) continue;
            asked[partition->index].error = partition->error_code;
            if (partition->error_code == ERROR_NONE) asked[partition->index].offset = partition->offset;
            else all = false;
        }
    }
    return all;
}

bool offsets_ask(struct client *client, const struct client_topic *topic, struct offsets_asked *asked)
{
    bool all = true;

    for (uint32_t i = 0; i < client->broker_count; i++) {
        bool leads = false;
        for (uint32_t k = 0; k < topic->partition_count && !leads; k++) {
            leads = topic->partitions[k].leader == client->brokers[i].id && asked[k].timestamp != OFFSETS_NOT_ASKED;
        }
        if (leads && !ask_leader(client, topic, client->brokers[i].id, asked)) all = false;
    }
    for (uint32_t k = 0; k < topic->partition_count; k++) {
        if (topic->partitions[k].leader < 0 && asked[k].timestamp != OFFSETS_NOT_ASKED) all = false;
    }
    return all;
}
