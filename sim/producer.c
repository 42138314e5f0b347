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

static void send_batch(struct run *run, struct client *client, const struct outstanding *batch)
{
    const struct target *target = &client->targets[batch->target];
    const int16_t version = (int16_t)(3 + prng_below(&client->prng, 9));
    char name[32];

    topic_name(target->topic, name);
    struct produce_request_partition partition = { .index = target->index, .records = { batch->bytes, batch->size } };
    struct produce_request_topic topic = { .name = { (const uint8_t *)name, (uint32_t)strlen(name) },
                                           .partitions = &partition,
                                           .partitions_count = 1 };
    struct produce_request request = produce_request_default;
    request.acks = client->acks;
    request.timeout_ms = 5000;
    request.topics = &topic;
    request.topics_count = 1;
    produce_request_write(session_begin(&client->session, API_PRODUCE, version), version, &request);
    session_end(&client->session, &run->world, COOKIE_BATCHES + batch->id, client->acks != 0);
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
    for (uint32_t i = 0; i < client->outstanding_count; i++) send_batch(run, client, &client->outstanding[i]);
}

static void make_value(struct client *client, uint64_t number, uint8_t *value, uint32_t size)
{
    store_u32(value, 0x53494d31);
    store_u32(value + 4, client->number);
    store_u64(value + 8, number);
    for (uint32_t i = 20; i < size; i++) value[i] = (uint8_t)(number * 31 + i);
    store_u32(value + 16, crc32c(client->number, value + 20, size - 20));
}

static void make_batch(struct run *run, struct client *client, struct outstanding *batch)
{
    static uint8_t memory[1 << 20];
    uint8_t value[4096];
    struct record_batch_builder builder;

    batch->target = (uint32_t)prng_below(&client->prng, client->target_count);
    batch->id = client->next_id++;
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
        struct outstanding *batch = &client->outstanding[client->outstanding_count++];
        make_batch(run, client, batch);
        send_batch(run, client, batch);
        if (client->acks == 0) forget(client, client->outstanding_count - 1);
        if (prng_chance(&client->prng, 1, 4)) break;
    }
    if (client->to_make > 0) client_wake(run, client, 1 + prng_below(&client->prng, 20 * 1000 * 1000));
}

static void on_acked(struct run *run, struct client *client, uint32_t at, int64_t base_offset)
{
    const struct outstanding *batch = &client->outstanding[at];
    const struct target *target = &client->targets[batch->target];

    for (uint32_t i = 0; i < batch->count; i++) {
        const struct made made = { client->number, batch->first_number + i, batch->digests[i] };
        judge_on_acked(&run->judge, target->judged, base_offset + i, &made);
    }
    forget(client, at);
    if (prng_chance(&client->prng, run->knobs.shadows, 1000)) shadow_check(run);
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

static void on_produced(struct run *run, struct client *client, struct response *response)
{
    struct produce_response produced;
    uint32_t at = 0;

    while (at < client->outstanding_count && COOKIE_BATCHES + client->outstanding[at].id != response->cookie) at++;
    if (at == client->outstanding_count) return;
    if (!produce_response_read(&response->body, response->version, response->arena, &produced) ||
        produced.topics_count != 1 || produced.topics[0].partitions_count != 1) {
        judge_violated(&run->judge, RULE_N, "producer %u: a Produce response cannot be read", client->number);
        return;
    }
    const struct produce_response_partition *partition = &produced.topics[0].partitions[0];
    if (partition->error_code == ERROR_NONE) {
        on_acked(run, client, at, partition->base_offset);
    } else if (!is_retriable(partition->error_code)) {
        judge_violated(&run->judge, client->idempotent ? RULE_O8 : RULE_N, "producer %u: %s for a valid batch",
                       client->number, error_name(partition->error_code));
    } else if (client->idempotent) {
        client_reconnect(run, client);
        return;
    } else {
        forget(client, at);
    }
    producer_work(run, client);
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
