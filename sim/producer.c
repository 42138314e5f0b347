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

void producer_on_lost(struct client *client, uint32_t machine)
{
    client->id_asked = false;
    for (uint32_t at = client->outstanding_count; at > 0; at--) {
        struct outstanding *batch = &client->outstanding[at - 1];
        if (!batch->in_flight || batch->machine != machine) continue;
        if (client->idempotent) batch->in_flight = false;
        else forget(client, at - 1);
    }
}

static struct bytes text(const char *string)
{
    return (struct bytes){ (const uint8_t *)string, (uint32_t)strlen(string) };
}

static void tell(const struct run *run, const struct client *client, const struct outstanding *batch)
{
    const struct target *target = &client->targets[batch->target];

    if (run->trace == NULL) return;
    fprintf(run->trace, "[%12.6f]   producer %u sends %llu..%llu of topic-%u-%d to n%u, request %llu%s\n",
            (double)run->world.now_ns / 1e9, client->number, (unsigned long long)batch->first_number,
            (unsigned long long)batch->first_number + batch->count - 1, target->topic, target->index,
            batch->machine + 1, (unsigned long long)batch->request, batch->sent_again ? " again" : "");
}

/* One request with all these batches, for partitions that one node leads; no two are for one partition. */
static void send_batches(struct run *run, struct client *client, struct session *session, struct outstanding **batches,
                         uint32_t count)
{
    const int16_t version = (int16_t)(3 + prng_below(&client->prng, 9));
    struct produce_request_partition partitions[OUTSTANDING_MAX];
    struct produce_request_topic topics[OUTSTANDING_MAX];
    char names[OUTSTANDING_MAX][32];
    struct produce_request request = produce_request_default;
    bool listed[OUTSTANDING_MAX] = { false };
    uint32_t put = 0;

    client->next_request++;
    request.topics = topics;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t number = client->targets[batches[i]->target].topic;
        if (listed[i]) continue;
        struct produce_request_topic *topic = &topics[request.topics_count];
        topic_name(number, names[request.topics_count]);
        *topic =
            (struct produce_request_topic){ .name = text(names[request.topics_count]), .partitions = &partitions[put] };
        request.topics_count++;
        /* A topic's partitions stand together; now and then one of them stands under its name a second time. */
        for (uint32_t j = i; j < count; j++) {
            const struct target *target = &client->targets[batches[j]->target];
            if (listed[j] || target->topic != number || (j > i && prng_chance(&client->prng, 1, 8))) continue;
            listed[j] = true;
            batches[j]->request = client->next_request;
            batches[j]->in_flight = true;
            batches[j]->machine = session->machine;
            batches[j]->epoch = target->leader_epoch;
            partitions[put++] =
                (struct produce_request_partition){ .index = target->index,
                                                    .records = { batches[j]->bytes, batches[j]->size } };
            topic->partitions_count++;
            tell(run, client, batches[j]);
        }
    }
    request.acks = client->acks;
    request.timeout_ms = 5000;
    if (prng_chance(&client->prng, 1, 4)) request.timeout_ms = 1 + (int32_t)prng_below(&client->prng, 100);
    else if (prng_chance(&client->prng, 1, 4)) request.timeout_ms = 1 + (int32_t)prng_below(&client->prng, 4);
    produce_request_write(session_begin(session, API_PRODUCE, version), version, &request);
    session_end(session, &run->world, COOKIE_BATCHES + client->next_request, client->acks != 0);
}

/* False: it has no producer id, and has asked for one, perhaps. */
static bool has_producer_id(struct run *run, struct client *client)
{
    struct init_producer_id_request request = init_producer_id_request_default;

    if (!client->idempotent || client->producer_id >= 0) return true;
    if (client->id_asked) return false;
    struct session *session = client_any_session(run, client);
    if (session == NULL) return false;
    request.transaction_timeout_ms = 60000;
    init_producer_id_request_write(session_begin(session, API_INIT_PRODUCER_ID, 4), 4, &request);
    session_end(session, &run->world, COOKIE_INIT, true);
    client->id_asked = true;
    return false;
}

/* Whether a batch for the partition may go to its leader: what was sent to another one before must be settled first, or
 * the two could overtake each other. And a partition that knows nothing of a producer takes him as he comes, as Kafka's
 * do: so the first batch goes alone, or a second one could be taken for it while the first meets an error. */
static bool may_send(const struct client *client, uint32_t target)
{
    const uint32_t leader = client->targets[target].leader;

    if (leader == MACHINE_NONE || client->targets[target].judged->gone) return false;
    for (uint32_t i = 0; i < client->outstanding_count && client->idempotent; i++) {
        const struct outstanding *batch = &client->outstanding[i];
        if (batch->target != target) continue;
        if (!batch->in_flight || batch->machine != leader || !client->targets[target].known_there) return false;
    }
    return true;
}

/* Nothing is owed any more of a partition that is gone. */
static void give_up(struct client *client)
{
    for (uint32_t at = client->outstanding_count; at > 0; at--) {
        const struct outstanding *batch = &client->outstanding[at - 1];
        if (!batch->in_flight && client->targets[batch->target].judged->gone) forget(client, at - 1);
    }
}

/* What has no final answer and is on no way is sent again, in order. Only idempotent producers have such batches. */
static void send_again(struct run *run, struct client *client)
{
    uint64_t blocked = 0; /* targets, as bits: an earlier batch could not be sent */

    give_up(client);

    for (uint32_t i = 0; i < client->outstanding_count; i++) {
        struct outstanding *batch = &client->outstanding[i];
        const uint32_t leader = client->targets[batch->target].leader;
        struct session *session = NULL;
        if (batch->in_flight && batch->machine != leader) blocked |= 1ull << batch->target;
        if (batch->in_flight || (blocked & 1ull << batch->target) != 0) continue;
        if (leader != MACHINE_NONE) session = client_session(run, client, leader);
        if (session == NULL) {
            blocked |= 1ull << batch->target;
            continue;
        }
        batch->sent_again = true;
        send_batches(run, client, session, &batch, 1);
    }
}

void make_value(const struct client *client, uint32_t sitting, uint64_t number, uint8_t *value, uint32_t size)
{
    store_u32(value, 0x53494d31);
    store_u32(value + 4, client->number);
    store_u32(value + 8, sitting);
    store_u32(value + 12, (uint32_t)number);
    for (uint32_t i = 20; i < size; i++) value[i] = (uint8_t)(number * 31 + i);
    store_u32(value + 16, crc32c(client->number, value + 20, size - 20));
}

static void make_batch(struct run *run, struct client *client, uint32_t sitting, struct outstanding *batch,
                       uint32_t number)
{
    static uint8_t memory[1 << 20];
    uint8_t value[4096], key[4];
    struct record_batch_builder builder;

    batch->target = number;
    batch->sitting = sitting;
    batch->sent_again = false;
    struct target *target = &client->targets[batch->target];
    batch->first_number = target->next_number;
    batch->count = 0;
    record_batch_builder_init(&builder, memory, sizeof memory);
    const uint32_t wanted = 1 + (uint32_t)prng_below(&client->prng, run->knobs.batch_records_max);
    for (uint32_t i = 0; i < wanted && i < COUNT_OF(batch->digests) && client->to_make > 0; i++) {
        const uint32_t size = 20 + (uint32_t)prng_below(&client->prng, run->knobs.value_size_max);
        struct made made;
        make_value(client, sitting, target->next_number, value, size);
        const struct record_input record = {
            .timestamp = world_wall_ms(&run->world),
            .key = { prng_chance(&client->prng, 1, 3) ? NULL : value, prng_chance(&client->prng, 1, 2) ? 4 : 0 },
            .value = { value, size },
        };
        const struct record_header header = { .key = text("made"), .value = record.value };
        struct record_input given = record;
        if (given.key.data == NULL) given.key.size = 0;
        if (run->judge.compacts) {
            store_u32(key, judged_key(target->next_number));
            given.key = (struct bytes){ key, sizeof key };
        }
        if (run->judge.compacts && judged_is_tombstone(target->next_number)) {
            given.headers = &header;
            given.header_count = 1;
            given.value = (struct bytes){ 0 };
        }
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

/* Batches for one node, in one request. False: there is nothing that could go just now. */
static bool send_new(struct run *run, struct client *client, uint32_t window)
{
    struct outstanding *batches[OUTSTANDING_MAX];
    struct session *session = NULL;
    uint32_t count = 0;
    uint64_t partitions = 0; /* bits */

    do {
        struct outstanding *batch = &client->outstanding[client->outstanding_count];
        const uint32_t target = (uint32_t)prng_below(&client->prng, client->target_count);
        if (partitions & 1ull << target || !may_send(client, target)) break;
        const uint32_t leader = client->targets[target].leader;
        if (count > 0 && leader != session->machine) break;
        if (count == 0) session = client_session(run, client, leader);
        if (session == NULL) break;
        partitions |= 1ull << target;
        make_batch(run, client, session->sitting, batch, target);
        client->outstanding_count++;
        batches[count++] = batch;
    } while (client->outstanding_count < window && client->to_make > 0 && prng_chance(&client->prng, 1, 3));
    if (count == 0) return false;
    send_batches(run, client, session, batches, count);
    return true;
}

void producer_work(struct run *run, struct client *client)
{
    if (client->target_count == 0 || !has_producer_id(run, client)) return;
    send_again(run, client);
    if (run->phase != PHASE_CHAOS) return;
    const uint32_t window = client->idempotent ? 5 : OUTSTANDING_MAX;
    while (client->outstanding_count < window && client->to_make > 0) {
        if (!send_new(run, client, window)) break;
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

    client->targets[batch->target].known_there = true;
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct made made = { .producer = client->number,
                                   .sitting = batch->sitting,
                                   .number = batch->first_number + i,
                                   .digest = batch->digests[i] };
        judge_on_acked(&run->judge, target->judged, base_offset + i, client->acks == 1 ? batch->epoch : -1, &made);
    }
    if (client->acks == -1) {
        plane_on_acked(&run->plane, &run->judge, &target->topic_id, target->index, base_offset + batch->count - 1);
    }
    forget(client, at);
    client->shadow_weight += sent_again ? 16 : 1;
}

bool error_is_retriable(int16_t error)
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

/* False: the producer has to begin anew with this node, with what has no final answer. */
static bool on_partition(struct run *run, struct client *client, uint64_t request, const char *topic,
                         const struct produce_response_partition *partition)
{
    for (uint32_t at = 0; at < client->outstanding_count; at++) {
        struct outstanding *batch = &client->outstanding[at];
        char name[32];
        topic_name(client->targets[batch->target].topic, name);
        if (batch->request != request || !batch->in_flight || client->targets[batch->target].index != partition->index)
            continue;
        if (strcmp(name, topic) != 0) continue;
        if (run->trace != NULL && partition->error_code != ERROR_NONE) {
            fprintf(run->trace, "[%12.6f]   producer %u is told %s for %u.. of %s-%d, request %llu\n",
                    (double)run->world.now_ns / 1e9, client->number, error_name(partition->error_code),
                    (uint32_t)batch->first_number, name, partition->index, (unsigned long long)request);
        }
        if (client->targets[batch->target].judged->gone) {
            forget(client, at);
        } else if (partition->error_code == ERROR_NONE) {
            on_acked(run, client, at, partition->base_offset);
        } else if (!error_is_retriable(partition->error_code)) {
            judge_violated(&run->judge, client->idempotent ? RULE_O8 : RULE_N, "producer %u: %s for a valid batch",
                           client->number, error_name(partition->error_code));
            forget(client, at); /* where damage excuses it, that was the final answer */
        } else if (client->idempotent) {
            return false;
        } else {
            client->stale |= partition->error_code == ERROR_NOT_LEADER_OR_FOLLOWER;
            forget(client, at);
        }
        return true;
    }
    judge_violated(&run->judge, RULE_N, "producer %u: an answer for a batch it did not send", client->number);
    return true;
}

static void on_produced(struct run *run, struct client *client, struct session *session, struct response *response)
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
    if (!goes_on) client_drop(run, client, session);
    else if (client->stale) client_wake(run, client, 1 + prng_below(&client->prng, 20 * 1000 * 1000));
    else producer_work(run, client);
}

void producer_on_response(struct run *run, struct client *client, struct session *session, struct response *response)
{
    if (response->api_key == API_PRODUCE) {
        on_produced(run, client, session, response);
        return;
    }
    client->id_asked = false;
    struct init_producer_id_response init;
    if (!init_producer_id_response_read(&response->body, response->version, response->arena, &init)) {
        judge_violated(&run->judge, RULE_N, "producer %u: an InitProducerId response cannot be read", client->number);
        return;
    }
    if (init.error_code != ERROR_NONE) {
        client_drop(run, client, session);
        return;
    }
    for (uint32_t i = 0; i < run->client_count; i++) {
        if (run->clients[i]->kind == CLIENT_PRODUCER && run->clients[i]->producer_id == init.producer_id) {
            judge_violated(&run->judge, RULE_O6, "producers %u and %u have the same id %lld", client->number, i,
                           (long long)init.producer_id);
        }
    }
    client->producer_id = init.producer_id;
    client->producer_epoch = init.producer_epoch;
    producer_work(run, client);
}
