/* client.c -- what all clients have in common: connecting, learning the topics, giving up on a silent node. */
#include "sim/run.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "codec/errors.h"

#include <stdlib.h>
#include <string.h>

enum { COOKIE_METADATA = 1, COOKIE_ALL_TOPICS = 9, SILENCE_NS_MAX = 1000 * 1000 * 1000 };

void topic_name(uint32_t topic, char name[32])
{
    snprintf(name, 32, "topic-%u", topic);
}

void client_wake(struct run *run, struct client *client, uint64_t delay_ns)
{
    const uint64_t at_ns = run->world.now_ns + delay_ns;

    if (client->wake_ns > run->world.now_ns && client->wake_ns <= at_ns) return;
    client->wake_ns = at_ns; /* a later one that is queued will find that it is not meant */
    world_after(&run->world, delay_ns, HAPPENS_CLIENT, 0, client->number, 0);
}

void client_reconnect(struct run *run, struct client *client)
{
    session_hang_up(&client->session, &run->world);
    client_on_hang_up(run, client);
}

void client_on_hang_up(struct run *run, struct client *client)
{
    client->session.wire = WIRE_NONE;
    client->session.pending_count = 0;
    client->ready = false;
    if (client->kind == CLIENT_PRODUCER) producer_on_lost(client);
    /* At once, soon, or so late that much has happened to what was asked and not answered. */
    const uint64_t delays_ns[] = { 200 * 1000, 50 * 1000 * 1000, 50 * 1000 * 1000, 3000ull * 1000 * 1000 };
    const uint64_t delay_ns = delays_ns[prng_below(&client->prng, COUNT_OF(delays_ns))];
    client_wake(run, client, 1 + prng_below(&client->prng, client->kind == CLIENT_PRODUCER ? delay_ns : delays_ns[1]));
}

static void ask_metadata(struct run *run, struct client *client)
{
    struct metadata_request_topic topics[TOPICS_MAX];
    char names[TOPICS_MAX][32];
    const int16_t version = (int16_t)(10 + prng_below(&client->prng, 4));

    for (uint32_t i = 0; i < run->knobs.topics; i++) {
        topic_name(i, names[i]);
        topics[i] = metadata_request_topic_default;
        topics[i].name = (struct bytes){ (const uint8_t *)names[i], (uint32_t)strlen(names[i]) };
    }
    struct metadata_request request = metadata_request_default;
    request.topics = topics;
    request.topics_count = run->knobs.topics;
    request.allow_auto_topic_creation = true;
    metadata_request_write(session_begin(&client->session, API_METADATA, version), version, &request);
    session_end(&client->session, &run->world, COOKIE_METADATA, true);
}

static bool silent_too_long(const struct run *run, const struct client *client)
{
    if (client->session.pending_count == 0) return false;
    const struct pending *oldest = &client->session.pending[client->session.pending_first];
    return run->world.now_ns > oldest->sent_ns + (uint64_t)SILENCE_NS_MAX * 20;
}

/* A list of all there is: nothing that was promised may be missing in it. */
void list_topics(struct run *run, struct client *client)
{
    struct metadata_request request = metadata_request_default;
    request.topics = NULL;
    metadata_request_write(session_begin(&client->session, API_METADATA, 12), 12, &request);
    session_end(&client->session, &run->world, COOKIE_ALL_TOPICS, true);
}

void client_on_wake(struct run *run, struct client *client)
{
    if (client->wake_ns != run->world.now_ns) return;
    client->wake_ns = 0;
    if (client->session.wire == WIRE_NONE) {
        if (!session_connect(&client->session, &run->world, client->number, 0)) {
            client_wake(run, client, 5 * 1000 * 1000 + prng_below(&client->prng, 50 * 1000 * 1000));
            return;
        }
        ask_metadata(run, client);
    } else if (silent_too_long(run, client) ||
               (run->phase == PHASE_CHAOS && prng_chance(&client->prng, run->knobs.impatience, 1000))) {
        client_reconnect(run, client);
        return;
    }
    if (client->ready) {
        switch (client->kind) {
        case CLIENT_PRODUCER: producer_work(run, client); break;
        case CLIENT_CONSUMER: consumer_work(run, client); break;
        case CLIENT_ADMINISTRATOR: administrator_work(run, client); break;
        }
    }
    client_wake(run, client, SILENCE_NS_MAX); /* to see whether the node is silent */
}

static struct target *target_of(struct client *client, const struct uuid *topic_id, int32_t index)
{
    for (uint32_t i = 0; i < client->target_count; i++) {
        struct target *target = &client->targets[i];
        if (target->index == index && uuid_equal(&target->topic_id, topic_id)) return target;
    }
    return NULL;
}

static void learn_topic(struct run *run, struct client *client, const struct metadata_response_topic *topic,
                        uint64_t asked_ns)
{
    char name[32] = { 0 };

    if (topic->name.size >= sizeof name) return;
    if (topic->name.size > 0) memcpy(name, topic->name.data, topic->name.size);
    if (topic->error_code == ERROR_UNKNOWN_TOPIC_OR_PARTITION) judge_on_topic_absent(&run->judge, name, asked_ns);
    if (topic->error_code != ERROR_NONE) return;
    judge_on_topic_seen(&run->judge, &topic->topic_id, name, (int32_t)topic->partitions_count, asked_ns);
    if (strncmp(name, "topic-", 6) != 0) return; /* an administrator's: nobody reads or writes it */
    for (uint32_t i = 0; i < topic->partitions_count; i++) {
        const int32_t index = topic->partitions[i].index;
        if (target_of(client, &topic->topic_id, index) != NULL || client->target_count == TARGETS_MAX) continue;
        struct target *target = &client->targets[client->target_count++];
        *target = (struct target){ .topic_id = topic->topic_id, .index = index, .end = -1 };
        sscanf(name, "topic-%u", &target->topic);
        target->judged = judge_partition(&run->judge, &topic->topic_id, index);
        target->judged->may_retain = run->knobs.retention;
    }
}

static void on_metadata(struct run *run, struct client *client, struct response *response)
{
    struct metadata_response metadata;

    if (!metadata_response_read(&response->body, response->version, response->arena, &metadata)) {
        judge_violated(&run->judge, RULE_N, "client %u: a Metadata response cannot be read", client->number);
        return;
    }
    if (response->cookie == COOKIE_ALL_TOPICS) {
        judge_on_listing(&run->judge);
        for (uint32_t i = 0; i < metadata.topics_count; i++) {
            learn_topic(run, client, &metadata.topics[i], response->sent_ns);
        }
        judge_on_listed(&run->judge, response->sent_ns);
        client_wake(run, client, 1);
        return;
    }
    bool complete = metadata.topics_count == run->knobs.topics;
    for (uint32_t i = 0; i < metadata.topics_count; i++) {
        learn_topic(run, client, &metadata.topics[i], response->sent_ns);
        if (metadata.topics[i].error_code != ERROR_NONE) complete = false;
    }
    if (!complete) {
        client_reconnect(run, client); /* being created: ask again a little later */
        return;
    }
    client->ready = true;
    client->listed = false;
    client->tiny = prng_chance(&client->prng, 1, 4) ? 1 + (int32_t)prng_below(&client->prng, 200) : 0;
    if (client->kind == CLIENT_PRODUCER) producer_on_connected(run, client);
    client_wake(run, client, 1);
}

void client_on_bytes(struct run *run, struct client *client, const uint8_t *data, uint32_t size)
{
    struct response response;

    session_take(&client->session, data, size);
    while (client->session.wire != WIRE_NONE) {
        switch (session_next(&client->session, &response)) {
        case SESSION_EMPTY: return;
        case SESSION_GARBLED:
            judge_violated(&run->judge, RULE_N, "client %u: what the node sent is no answer to what was asked",
                           client->number);
            client_reconnect(run, client);
            return;
        case SESSION_RESPONSE: break;
        }
        if (response.api_key == API_METADATA) on_metadata(run, client, &response);
        else if (client->kind == CLIENT_PRODUCER) producer_on_response(run, client, &response);
        else if (client->kind == CLIENT_CONSUMER) consumer_on_response(run, client, &response);
        else administrator_on_response(run, client, &response);
    }
}

bool client_is_done(const struct run *run, const struct client *client)
{
    switch (client->kind) {
    case CLIENT_PRODUCER: return client->outstanding_count == 0;
    case CLIENT_CONSUMER: return client->done || (run->phase != PHASE_VERIFY && run->phase != PHASE_REVERIFY);
    case CLIENT_ADMINISTRATOR: return client->session.pending_count == 0;
    }
    return true;
}

/* A value of ours: magic, producer, number, checksum of the rest; then filling. */
bool made_of(struct bytes value, struct made *made)
{
    if (value.size < 20 || load_u32(value.data) != 0x53494d31) return false;
    made->producer = load_u32(value.data + 4);
    made->number = load_u64(value.data + 8);
    if (load_u32(value.data + 16) != crc32c(made->producer, value.data + 20, value.size - 20)) return false;
    made->digest = ((uint64_t)crc32c(1, value.data, value.size) << 32 | crc32c(2, value.data, value.size)) | 1;
    return true;
}
