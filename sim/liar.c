/* liar.c -- a client that sends what no client should: batches that are bent in one way each, and bytes that are no
 * request at all.
 *
 * Whoever gets a bent batch has to refuse it with the error that Kafka gives, whatever else he has to do. Its values
 * are nobody's: a consumer that was given one would say so. What others have is judged by them. */
#include "codec/errors.h"
#include "codec/record_batch_builder.h"
#include "sim/run.h"

#include <string.h>

enum { COOKIE_LIES = 100, BENT_MAX = 2048, VALUE_SIZE = 24, PAUSE_NS = 60 * 1000 * 1000 };

enum lie {
    LIE_BITS,
    LIE_MORE_OFFSETS,
    LIE_MORE_RECORDS,
    LIE_NO_RECORDS,
    LIE_NO_KEY, /* where there must be one; elsewhere the base offset is not 0 */
    LIE_OLD,
    LIE_MAGIC,
    LIE_CUT,
    LIE_LENGTH,
    LIE_CONTROL,
    LIE_TWO,
    LIE_TIME,
    LIE_SEQUENCE,
    LIE_TRANSACTION,
    LIE_COMPRESSION,
    LIE_COUNT
};
_Static_assert(LIE_COUNT == (int)LIES, "all are told");

static const struct expected {
    const char *what;
    int16_t error;
} expected[LIE_COUNT] = {
    [LIE_BITS] = { "a bit has flipped", ERROR_CORRUPT_MESSAGE },
    [LIE_MORE_OFFSETS] = { "more offsets than records", ERROR_INVALID_RECORD },
    [LIE_MORE_RECORDS] = { "fewer records than it says", ERROR_INVALID_RECORD },
    [LIE_NO_RECORDS] = { "no records", ERROR_INVALID_RECORD },
    [LIE_NO_KEY] = { "a key is missing, or it does not begin at 0", ERROR_INVALID_RECORD },
    [LIE_OLD] = { "an old format", ERROR_INVALID_RECORD },
    [LIE_MAGIC] = { "a format that there is not", ERROR_CORRUPT_MESSAGE },
    [LIE_CUT] = { "a part of a batch", ERROR_INVALID_RECORD },
    [LIE_LENGTH] = { "a length that cannot be", ERROR_CORRUPT_MESSAGE },
    [LIE_CONTROL] = { "a control batch", ERROR_INVALID_RECORD },
    [LIE_TWO] = { "two batches", ERROR_INVALID_RECORD },
    [LIE_TIME] = { "a time that is the log's to give", ERROR_INVALID_TIMESTAMP },
    [LIE_SEQUENCE] = { "a producer without a sequence", ERROR_INVALID_RECORD },
    [LIE_TRANSACTION] = { "a transaction without a producer", ERROR_INVALID_RECORD },
    [LIE_COMPRESSION] = { "a compression that there is not", ERROR_UNSUPPORTED_COMPRESSION_TYPE },
};

/* A batch that nothing is wrong with, but for keys. */
static struct bytes make_batch(const struct run *run, struct client *client, enum lie lie, uint8_t *memory)
{
    const uint32_t count = 1 + (uint32_t)prng_below(&client->prng, 4);
    struct record_batch_builder builder;

    record_batch_builder_init(&builder, memory, BENT_MAX / 2);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t value[VALUE_SIZE];
        for (uint32_t at = 0; at < sizeof value; at++) value[at] = (uint8_t)prng_below(&client->prng, 256);
        value[0] = 0; /* no value of a producer begins so */
        const bool keyless = lie == LIE_NO_KEY && i + 1 == count;
        const struct record_input record = { .timestamp = world_wall_ms(&run->world),
                                             .key = { keyless ? NULL : value, keyless ? 0 : 4 },
                                             .value = { value, sizeof value } };
        record_batch_builder_add(&builder, &record);
    }
    return record_batch_builder_end(&builder);
}

static void bend_head(const struct run *run, struct client *client, enum lie lie, struct record_batch *head)
{
    switch (lie) {
    case LIE_MORE_OFFSETS: head->last_offset_delta += 1 + (int32_t)prng_below(&client->prng, 100); break;
    case LIE_MORE_RECORDS: head->record_count = ++head->last_offset_delta + 1; break;
    case LIE_NO_RECORDS:
        head->record_count = 0;
        head->last_offset_delta = -1;
        break;
    case LIE_NO_KEY:
        if (!run->judge.compacts) head->base_offset = 1 + (int64_t)prng_below(&client->prng, 100);
        break;
    case LIE_CONTROL: head->attributes |= RECORD_BATCH_CONTROL; break;
    case LIE_TIME: head->attributes |= RECORD_BATCH_LOG_APPEND_TIME; break;
    case LIE_SEQUENCE: head->producer_id = (int64_t)prng_below(&client->prng, 8); break;
    case LIE_TRANSACTION: head->attributes |= RECORD_BATCH_TRANSACTIONAL; break;
    case LIE_COMPRESSION: head->attributes |= 7; break;
    default: break;
    }
}

static struct bytes bend_bytes(struct client *client, enum lie lie, uint8_t *memory, uint32_t size)
{
    switch (lie) {
    case LIE_BITS:
        memory[RECORD_BATCH_HEAD_SIZE + prng_below(&client->prng, size - RECORD_BATCH_HEAD_SIZE)] ^=
            (uint8_t)(1 << prng_below(&client->prng, 8));
        break;
    case LIE_OLD: memory[16] = (uint8_t)prng_below(&client->prng, 2); break;
    case LIE_MAGIC: memory[16] = (uint8_t)(3 + prng_below(&client->prng, 100)); break;
    case LIE_CUT: size = 1 + (uint32_t)prng_below(&client->prng, size - 1); break;
    case LIE_LENGTH: store_u32(memory + 8, (uint32_t)prng_below(&client->prng, 14)); break;
    case LIE_TWO:
        memcpy(memory + size, memory, size);
        size *= 2;
        break;
    default: break;
    }
    return (struct bytes){ memory, size };
}

static void lie(struct run *run, struct client *client)
{
    const struct target *target = &client->targets[prng_below(&client->prng, client->target_count)];
    const enum lie lie = (enum lie)prng_below(&client->prng, LIE_COUNT);
    struct produce_request request = produce_request_default;
    struct produce_request_partition partition = { .index = target->index };
    struct produce_request_topic topic = { .partitions = &partition, .partitions_count = 1 };
    uint8_t memory[BENT_MAX];
    struct record_batch head;
    char name[32];

    if (target->leader == MACHINE_NONE) return;
    struct session *session = client_session(run, client, target->leader);
    if (session == NULL) return;
    const struct bytes batch = make_batch(run, client, lie, memory);
    record_batch_read(batch, &head);
    bend_head(run, client, lie, &head);
    record_batch_write_head(memory, batch.size, &head);
    partition.records = bend_bytes(client, lie, memory, batch.size);
    topic_name(target->topic, name);
    topic.name = (struct bytes){ (const uint8_t *)name, (uint32_t)strlen(name) };
    request.topics = &topic;
    request.topics_count = 1;
    request.acks = prng_chance(&client->prng, 1, 3) ? 1 : -1;
    request.timeout_ms = 5000;
    produce_request_write(session_begin(session, API_PRODUCE, 9), 9, &request);
    session_end(session, &run->world, COOKIE_LIES + (uint64_t)lie, true);
}

/* Bytes that are no request: a length that no request has, a head that means nothing, or one with a body that ends too
 * early. Whatever is said to that is not listened to. */
static void babble(struct run *run, struct client *client)
{
    uint8_t bytes[200];
    const uint32_t size = 8 + (uint32_t)prng_below(&client->prng, sizeof bytes - 8);
    const uint32_t machine = (uint32_t)prng_below(&client->prng, run->world.machine_count);
    const uint64_t kind = prng_below(&client->prng, 4);

    for (uint32_t i = 0; i < size; i++) bytes[i] = (uint8_t)prng_below(&client->prng, kind == 3 ? 4 : 256);
    store_u32(bytes, kind == 0 ? (uint32_t)prng_next(&client->prng) : size - 4);
    if (kind >= 2) { /* of an API that there is, and that ends nobody */
        store_u16(bytes + 4, (uint16_t)prng_below(&client->prng, 33));
        store_u16(bytes + 6, (uint16_t)prng_below(&client->prng, 14));
    }
    client->babbling = world_connect(&run->world, client->number, machine, LISTENER_KAFKA);
    world_write(&run->world, client->babbling, bytes, size);
}

void liar_work(struct run *run, struct client *client)
{
    if (client->babbling != WIRE_NONE && (run->phase != PHASE_CHAOS || prng_chance(&client->prng, 1, 4))) {
        world_hang_up(&run->world, client->babbling);
        client->babbling = WIRE_NONE;
    }
    if (run->phase != PHASE_CHAOS) return;
    if (client->babbling == WIRE_NONE && prng_chance(&client->prng, 1, 8)) babble(run, client);
    else if (client->target_count > 0 && client_pending(client) < 4) lie(run, client);
    client_wake(run, client, 1 + prng_below(&client->prng, PAUSE_NS));
}

void liar_on_response(struct run *run, struct client *client, struct response *response)
{
    struct produce_response produced;

    if (!produce_response_read(&response->body, response->version, response->arena, &produced) ||
        produced.topics_count != 1 || produced.topics[0].partitions_count != 1) {
        judge_violated(&run->judge, RULE_N, "liar: a Produce response cannot be read");
        return;
    }
    const int16_t error = produced.topics[0].partitions[0].error_code;
    client->stale |= error == ERROR_NOT_LEADER_OR_FOLLOWER;
    liar_judge(&run->judge, response->cookie - COOKIE_LIES, error);
}

void liar_judge(struct judge *judge, uint64_t lie, int16_t error)
{
    if (error == expected[lie].error || error_is_retriable(error)) return;
    judge_violated(judge, RULE_N, "a batch was bent (%s), and the answer is %s", expected[lie].what, error_name(error));
}
