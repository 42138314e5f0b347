/* producer.c -- a client that makes records, counts them, and insists on an answer as its kind may.
 *
 * An idempotent producer sends again whatever has no final answer, in order and with the same sequence numbers; any
 * other never sends twice, so that no record of either kind may ever be there two times. */
#include "sim/run.h"

#include "base/crc32c.h"
#include "codec/errors.h"
#include "codec/record_batch_builder.h"

#include <stdlib.h>
#include <string.h>

enum { COOKIE_INIT = 2, COOKIE_BATCHES = 100 };

static void forget(struct client *client, uint32_t at)
{
    free(client->outstanding[at].bytes);
    client->outstanding_count--;
    memmove(&client->outstanding[at], &client->outstanding[at + 1],
            (client->outstanding_count - at) * sizeof client->outstanding[0]);
}

void producer_on_lost(struct client *client)
{
    if (client->idempotent) return;
    while (client->outstanding_count > 0) forget(client, 0);
}

/* One request with all these batches; no two are for one partition. */
static void send_batches(struct run *run, struct client *client, struct outstanding **batches, uint32_t count)
{
    const int16_t version = (int16_t)(3 + prng_below(&client->prng, 9));
    struct produce_request_partition partitions[OUTSTANDING_MAX];
    struct produce_request_topic topics[OUTSTANDING_MAX];
    char names[OUTSTANDING_MAX][32];
    struct produce_request request = produce_request_default;

    client->next_request++;
    for (uint32_t i = 0; i < count; i++) {
        const struct target *target = &client->targets[batches[i]->target];
        batches[i]->request = client->next_request;
        topic_name(target->topic, names[i]);
        partitions[i] = (struct produce_request_partition){ .index = target->index,
                                                            .records = { batches[i]->bytes, batches[i]->size } };
        topics[i] = (struct produce_request_topic){ .name = { (const uint8_t *)names[i], (uint32_t)strlen(names[i]) },
                                                    .partitions = &partitions[i],
                                                    .partitions_count = 1 };
    }
    request.acks = client->acks;
    request.timeout_ms = prng_chance(&client->prng, 1, 4) ? 1 + (int32_t)prng_below(&client->prng, 100) : 5000;
    request.topics = topics;
    request.topics_count = count;
    produce_request_write(session_begin(&client->session, API_PRODUCE, version), version, &request);
    session_end(&client->session, &run->world, COOKIE_BATCHES + client->next_request, client->acks != 0);
}

void producer_on_connected(struct run *run, struct client *client)
{
    if (client->idempotent && client->producer_id < 0) {
        struct init_producer_id_request request = init_producer_id_request_default;
        request.transaction_timeout_ms = 60000;
        init_producer_id_request_write(session_begin(&client->session, API_INIT_PRODUCER_ID, 4), 4, &request);
        session_end(&client->session, &run->world, COOKIE_INIT, true);
        return;
    }
    for (uint32_t i = 0; i < client->outstanding_count; i++) {
        struct outstanding *batch = &client->outstanding[i];
        batch->sent_again = true;
        send_batches(run, client, &batch, 1);
    }
}

static void make_value(struct client *client, uint64_t number, uint8_t *value, uint32_t size)
{
    store_u32(value, 0x53494d31);
    store_u32(value + 4, client->number);
    store_u64(value + 8, number);
    for (uint32_t i = 20; i < size; i++) value[i] = (uint8_t)(number * 31 + i);
    store_u32(value + 16, crc32c(client->number, value + 20, size - 20));
}

static void make_batch(struct run *run, struct client *client, struct outstanding *batch, uint32_t number)
{
    static uint8_t memory[1 << 20];
    uint8_t value[4096];
    struct record_batch_builder builder;

    batch->target = number;
    batch->sent_again = false;
    struct target *target = &client->targets[batch->target];
    batch->first_number = target->next_number;
    batch->count = 0;
    record_batch_builder_init(&builder, memory, sizeof memory);
    const uint32_t wanted = 1 + (uint32_t)prng_below(&client->prng, run->knobs.batch_records_max);
    for (uint32_t i = 0; i < wanted && i < COUNT_OF(batch->digests) && client->to_make > 0; i++) {
        const uint32_t size = 20 + (uint32_t)prng_below(&client->prng, run->knobs.value_size_max);
        struct made made;
        make_value(client, target->next_number, value, size);
        const struct record_input record = {
            .timestamp = run->world.wall_base_ms + (int64_t)(run->world.now_ns / 1000000),
            .key = { prng_chance(&client->prng, 1, 3) ? NULL : value, prng_chance(&client->prng, 1, 2) ? 4 : 0 },
            .value = { value, size },
        };
        struct record_input given = record;
        if (given.key.data == NULL) given.key.size = 0;
        if (!record_batch_builder_add(&builder, &given)) break;
        made_of(record.value, &made);
        batch->digests[i] = made.digest;
        batch->count++;
        target->next_number++;
        client->to_make--;
    }
    if (client->idempotent) {
        builder.batch.producer_id = client->producer_id;
        builder.batch.producer_epoch = client->producer_epoch;
        builder.batch.base_sequence = target->next_sequence;
        target->next_sequence += (int32_t)batch->count;
    }
    const struct bytes bytes = record_batch_builder_end(&builder);
    batch->bytes = malloc(bytes.size);
    batch->size = bytes.size;
    memcpy(batch->bytes, bytes.data, bytes.size);
}

void producer_work(struct run *run, struct client *client)
{
    if (run->phase != PHASE_CHAOS || client->target_count == 0) return;
    if (client->idempotent && client->producer_id < 0) return;
    const uint32_t window = client->idempotent ? 5 : OUTSTANDING_MAX;
    while (client->outstanding_count < window && client->to_make > 0 && client->session.wire != WIRE_NONE) {
        struct outstanding *batches[OUTSTANDING_MAX];
        uint32_t count = 0;
        uint64_t partitions = 0; /* bits */
        do {
            struct outstanding *batch = &client->outstanding[client->outstanding_count];
            const uint32_t target = (uint32_t)prng_below(&client->prng, client->target_count);
            if (partitions & 1ull << target) break;
            partitions |= 1ull << target;
            make_batch(run, client, batch, target);
            client->outstanding_count++;
            batches[count++] = batch;
        } while (client->outstanding_count < window && client->to_make > 0 && prng_chance(&client->prng, 1, 3));
        send_batches(run, client, batches, count);
        while (client->acks == 0 && client->outstanding_count > 0) forget(client, client->outstanding_count - 1);
        if (prng_chance(&client->prng, 1, 4)) break;
    }
    if (client->to_make > 0) client_wake(run, client, 1 + prng_below(&client->prng, run->knobs.producer_pause_ns));
}

static void on_acked(struct run *run, struct client *client, uint32_t at, int64_t base_offset)
{
    const struct outstanding *batch = &client->outstanding[at];
    const struct target *target = &client->targets[batch->target];
    const bool sent_again = batch->sent_again;

    for (uint32_t i = 0; i < batch->count; i++) {
        const struct made made = { client->number, batch->first_number + i, batch->digests[i] };
        judge_on_acked(&run->judge, target->judged, base_offset + i, &made);
    }
    forget(client, at);
    client->shadow_weight += sent_again ? 16 : 1;
}

/* What a broker may say when it could not do it now. */
static bool is_retriable(int16_t error)
{
    switch (error) {
    case ERROR_UNKNOWN_TOPIC_OR_PARTITION: /* while it starts */
    case ERROR_LEADER_NOT_AVAILABLE:
    case ERROR_NOT_LEADER_OR_FOLLOWER:
    case ERROR_REQUEST_TIMED_OUT:
    case ERROR_KAFKA_STORAGE_ERROR:
    case ERROR_NOT_ENOUGH_REPLICAS:
    case ERROR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case ERROR_THROTTLING_QUOTA_EXCEEDED: return true;
    default: return false;
    }
}

/* False: the producer has to begin anew, with what has no final answer. */
static bool on_partition(struct run *run, struct client *client, uint64_t request, const char *topic,
                         const struct produce_response_partition *partition)
{
    for (uint32_t at = 0; at < client->outstanding_count; at++) {
        const struct outstanding *batch = &client->outstanding[at];
        char name[32];
        topic_name(client->targets[batch->target].topic, name);
        if (batch->request != request || client->targets[batch->target].index != partition->index) continue;
        if (strcmp(name, topic) != 0) continue;
        if (run->trace != NULL && partition->error_code != ERROR_NONE) {
            fprintf(run->trace, "[%12.6f]   producer %u is told %s for %s-%d\n", (double)run->world.now_ns / 1e9,
                    client->number, error_name(partition->error_code), name, partition->index);
        }
        if (partition->error_code == ERROR_NONE) {
            on_acked(run, client, at, partition->base_offset);
        } else if (!is_retriable(partition->error_code)) {
            judge_violated(&run->judge, client->idempotent ? RULE_O8 : RULE_N, "producer %u: %s for a valid batch",
                           client->number, error_name(partition->error_code));
        } else if (client->idempotent) {
            return false;
        } else {
            forget(client, at);
        }
        return true;
    }
    judge_violated(&run->judge, RULE_N, "producer %u: an answer for a batch it did not send", client->number);
    return true;
}

static void on_produced(struct run *run, struct client *client, struct response *response)
{
    const uint64_t request = response->cookie - COOKIE_BATCHES;
    struct produce_response produced;
    bool goes_on = true;

    if (!produce_response_read(&response->body, response->version, response->arena, &produced)) {
        judge_violated(&run->judge, RULE_N, "producer %u: a Produce response cannot be read", client->number);
        return;
    }
    for (uint32_t i = 0; i < produced.topics_count; i++) {
        const struct produce_response_topic *topic = &produced.topics[i];
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)topic->name.size, (const char *)topic->name.data);
        for (uint32_t j = 0; j < topic->partitions_count; j++) {
            goes_on = on_partition(run, client, request, name, &topic->partitions[j]) && goes_on;
        }
    }
    for (uint32_t at = 0; at < client->outstanding_count && goes_on; at++) {
        if (client->outstanding[at].request != request) continue;
        judge_violated(&run->judge, RULE_N, "producer %u: a batch has no answer in its response", client->number);
    }
    /* The response's memory is everybody's: a shadow has responses of its own. */
    shadow_perhaps(run, client, client->shadow_weight);
    client->shadow_weight = 0;
    if (goes_on) producer_work(run, client);
    else client_reconnect(run, client);
}

void producer_on_response(struct run *run, struct client *client, struct response *response)
{
    if (response->api_key == API_PRODUCE) {
        on_produced(run, client, response);
        return;
    }
    struct init_producer_id_response init;
    if (!init_producer_id_response_read(&response->body, response->version, response->arena, &init)) {
        judge_violated(&run->judge, RULE_N, "producer %u: an InitProducerId response cannot be read", client->number);
        return;
    }
    if (init.error_code != ERROR_NONE) {
        client_reconnect(run, client);
        return;
    }
    for (uint32_t i = 0; i < run->client_count; i++) {
        if (run->clients[i].kind == CLIENT_PRODUCER && run->clients[i].producer_id == init.producer_id) {
            judge_violated(&run->judge, RULE_O6, "producers %u and %u have the same id %lld", client->number, i,
                           (long long)init.producer_id);
        }
    }
    client->producer_id = init.producer_id;
    client->producer_epoch = init.producer_epoch;
    producer_work(run, client);
}
