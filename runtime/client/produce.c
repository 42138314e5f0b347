/* produce.c -- `chronik-server topic produce`: lines of the input become records.
 *
 * Lines gather in one batch per partition, which go out when there is much, or when the input pauses. One request is
 * under way at a time, and is sent again until it succeeds: with an id and sequence numbers, so that nothing is there
 * twice. */
#include "codec/errors.h"
#include "codec/record_batch_builder.h"
#include "runtime/client/command.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INPUT_SIZE = 64 << 20, GATHERED_MAX = 512 << 10, PAUSE_MS = 20, TOLD_EVERY_MS = 1000 };

/* A partition's open batch. */
struct gathered {
    uint8_t *memory;
    uint32_t memory_size;
    struct record_batch_builder builder; /* size 0: it has none */
    struct bytes batch;                  /* what is to be sent; size 0: nothing */
    int32_t sequence;                    /* of the next record */
};

struct production {
    const struct typed *typed;
    struct client *client;
    struct bytes name;
    struct client_topic topic;
    struct gathered *gathered;
    struct record_header headers[COMMAND_LIST_MAX];
    struct compression_memory packing;
    enum compression codec;
    int16_t acks;
    int64_t producer_id;
    int16_t producer_epoch;
    bool refused;    /* for good, by the broker or here: nothing is under way */
    uint32_t sticky; /* the partition of records without a key, until something was sent */
    uint64_t gathered_size;
    uint64_t records, bytes; /* sent, or acknowledged if that was asked for */
    uint64_t gathered_records;
    uint64_t told_ms, told_records;
};

/* ---- where a record goes ---- */

/* The hash of the Java client's partitioner, so that a key goes where other clients put it. */
static uint32_t murmur2(struct bytes key)
{
    const uint32_t m = 0x5bd1e995;
    uint32_t h = 0x9747b28c ^ key.size, at = 0;

    for (; at + 4 <= key.size; at += 4) {
        uint32_t k = (uint32_t)key.data[at] | (uint32_t)key.data[at + 1] << 8 | (uint32_t)key.data[at + 2] << 16 |
                     (uint32_t)key.data[at + 3] << 24;
        k *= m;
        k ^= k >> 24;
        h = h * m ^ k * m;
    }
    const uint32_t left = key.size - at;
    if (left > 2) h ^= (uint32_t)key.data[at + 2] << 16;
    if (left > 1) h ^= (uint32_t)key.data[at + 1] << 8;
    if (left > 0) {
        h ^= key.data[at];
        h *= m;
    }
    h ^= h >> 13;
    h *= m;
    return h ^ h >> 15;
}

static uint32_t place_of(const struct production *production, struct bytes key)
{
    if (production->typed->partition != NOT_TYPED) return (uint32_t)production->typed->partition;
    if (key.data == NULL) return production->sticky;
    return (murmur2(key) & INT32_MAX) % production->topic.partition_count;
}

/* ---- a cluster that moves ---- */

static bool learn_topic(struct production *production)
{
    struct client_topics topics;

    if (!client_topics(production->client, &production->name, 1, &topics) || topics.count != 1) return false;
    production->topic = topics.topics[0];
    return true;
}

/* Sets *error, if it can be asked again in a moment. */
static bool ask_producer_id(struct production *production, int16_t *error)
{
    struct init_producer_id_request request = init_producer_id_request_default;
    struct init_producer_id_response response = init_producer_id_response_default;
    struct contact *contact = client_any(production->client);
    const int16_t version = contact == NULL ? -1 : contact_version(contact, API_INIT_PRODUCER_ID, 4);

    if (version < 0) return contact != NULL; /* an old broker: without one, then */
    request.transactional_id = (struct bytes){ NULL, 0 };
    request.transaction_timeout_ms = 0;
    request.producer_id = NO_PRODUCER_ID;
    request.producer_epoch = NO_PRODUCER_EPOCH;
    init_producer_id_request_write(contact_begin(contact, API_INIT_PRODUCER_ID, version), version, &request);
    struct reader *reader = contact_ask(contact);
    if (reader == NULL || !init_producer_id_response_read(reader, version, &contact->arena, &response)) return false;
    if (response.error_code != ERROR_NONE) {
        snprintf(production->client->error, CONTACT_ERROR_SIZE, "no producer id: %s", error_name(response.error_code));
        *error = response.error_code;
        return false;
    }
    production->producer_id = response.producer_id;
    production->producer_epoch = response.producer_epoch;
    return true;
}

static bool get_producer_id(struct production *production)
{
    const uint64_t until = client_now_ms(CLOCK_MONOTONIC) + (uint64_t)production->typed->timeout_ms;

    for (;;) {
        int16_t error = ERROR_NONE;
        if (ask_producer_id(production, &error)) return true;
        if (!client_may_retry(error) || client_now_ms(CLOCK_MONOTONIC) >= until) return false;
        client_pause();
    }
}

/* ---- sending ---- */

static void close_batch(struct production *production, struct gathered *gathered)
{
    struct record_batch *batch = &gathered->builder.batch;

    if (gathered->builder.size == 0) return;
    if (production->producer_id >= 0) {
        batch->producer_id = production->producer_id;
        batch->producer_epoch = production->producer_epoch;
        batch->base_sequence = gathered->sequence;
    }
    const int32_t records = batch->record_count;
    gathered->batch = record_batch_builder_end(&gathered->builder);
    gathered->sequence = (int32_t)(((uint32_t)gathered->sequence + (uint32_t)records) & INT32_MAX);
    gathered->builder.size = 0;
    if (production->codec == COMPRESSION_NONE) return;
    struct bytes packed;
    const uint32_t room = gathered->batch.size + gathered->batch.size / 4 + (64u << 10);
    production->packing.output = malloc(room);
    production->packing.output_size = room;
    const bool fits =
        production->packing.output != NULL &&
        record_batch_compress(gathered->batch, production->codec, &production->packing, &packed) == COMPRESSION_OK &&
        packed.size <= gathered->memory_size;
    if (fits) {
        memcpy(gathered->memory, packed.data, packed.size);
        gathered->batch = (struct bytes){ gathered->memory, packed.size };
    }
    free(production->packing.output);
}

/* What is said of each partition takes its batch away, or leaves it for another attempt. False: a refusal for good. */
static bool take_answer(struct production *production, const struct produce_response *response)
{
    for (uint32_t i = 0; i < response->topics_count; i++) {
        for (uint32_t k = 0; k < response->topics[i].partitions_count; k++) {
            const struct produce_response_partition *answer = &response->topics[i].partitions[k];
            if (answer->index < 0 || (uint32_t)answer->index >= production->topic.partition_count) continue;
            struct gathered *gathered = &production->gathered[answer->index];
            if (answer->error_code == ERROR_NONE || answer->error_code == ERROR_DUPLICATE_SEQUENCE_NUMBER) {
                gathered->batch.size = 0;
                continue;
            }
            snprintf(production->client->error, CONTACT_ERROR_SIZE, "partition %d: %s%s%.*s", answer->index,
                     error_name(answer->error_code), answer->error_message.size > 0 ? ": " : "",
                     (int)MIN(answer->error_message.size, 200U), (const char *)answer->error_message.data);
            if (!client_may_retry(answer->error_code) && answer->error_code != ERROR_UNKNOWN_TOPIC_OR_PARTITION) {
                production->refused = true;
                return false;
            }
        }
    }
    return true;
}

/* One request with all that waits for this leader. False: a refusal for good. */
static bool send_to(struct production *production, int32_t leader)
{
    struct produce_request_topic topic = produce_request_topic_default;
    struct produce_request request = produce_request_default;
    struct produce_response response;
    struct contact *contact = client_broker(production->client, leader);
    const int16_t version = contact == NULL ? -1 : client_version(production->client, contact, API_PRODUCE, 9);

    if (version < 0) return true;
    struct produce_request_partition *partitions = calloc(production->topic.partition_count, sizeof *partitions);
    if (partitions == NULL) abort();
    for (uint32_t i = 0; i < production->topic.partition_count; i++) {
        if (production->gathered[i].batch.size == 0 || production->topic.partitions[i].leader != leader) continue;
        partitions[topic.partitions_count++] =
            (struct produce_request_partition){ .index = (int32_t)i, .records = production->gathered[i].batch };
    }
    bool well = true;
    if (topic.partitions_count > 0) {
        topic.name = production->name;
        topic.partitions = partitions;
        request.transactional_id = (struct bytes){ NULL, 0 };
        request.acks = production->acks;
        request.timeout_ms = 10000;
        request.topics = &topic;
        request.topics_count = 1;
        produce_request_write(contact_begin(contact, API_PRODUCE, version), version, &request);
        if (production->acks == 0) {
            if (contact_tell(contact)) {
                for (uint32_t i = 0; i < topic.partitions_count; i++) {
                    production->gathered[partitions[i].index].batch.size = 0;
                }
            }
        } else {
            struct reader *reader = contact_ask(contact);
            if (reader != NULL && produce_response_read(reader, version, &contact->arena, &response)) {
                well = take_answer(production, &response);
            }
        }
    }
    free(partitions);
    return well;
}

static bool all_sent(const struct production *production)
{
    for (uint32_t i = 0; i < production->topic.partition_count; i++) {
        if (production->gathered[i].batch.size > 0) return false;
    }
    return true;
}

static void tell_progress(struct production *production, bool at_end)
{
    const uint64_t now = client_now_ms(CLOCK_MONOTONIC);

    if (!isatty(STDERR_FILENO) || (!at_end && now - production->told_ms < TOLD_EVERY_MS)) return;
    const uint64_t took = MAX(now - production->told_ms, 1U);
    fprintf(stderr, "\r%" PRIu64 " records, %" PRIu64 " KiB, %" PRIu64 "/s   ", production->records,
            production->bytes >> 10, (production->records - production->told_records) * 1000 / took);
    if (at_end) fputc('\r', stderr);
    production->told_ms = now;
    production->told_records = production->records;
}

/* Sends all that was gathered, and waits until that is done. */
static bool flush(struct production *production)
{
    const uint64_t until = client_now_ms(CLOCK_MONOTONIC) + (uint64_t)production->typed->timeout_ms;

    for (uint32_t i = 0; i < production->topic.partition_count; i++) close_batch(production, &production->gathered[i]);
    while (!all_sent(production)) {
        for (uint32_t i = 0; i < production->client->broker_count; i++) {
            if (!send_to(production, production->client->brokers[i].id)) return false;
        }
        if (all_sent(production)) break;
        if (client_now_ms(CLOCK_MONOTONIC) >= until) return false;
        client_pause();
        const uint32_t partitions = production->topic.partition_count;
        const struct client_topic before = production->topic;
        if (!learn_topic(production) || production->topic.partition_count < partitions) production->topic = before;
        production->topic.partition_count = partitions; /* those that were added meanwhile get nothing */
    }
    production->records += production->gathered_records;
    production->bytes += production->gathered_size;
    production->gathered_records = production->gathered_size = 0;
    production->sticky = (production->sticky + 1) % production->topic.partition_count;
    tell_progress(production, false);
    return true;
}

/* ---- lines ---- */

static bool is_null(const struct production *production, struct bytes text)
{
    const char *null = production->typed->null;
    return null != NULL && bytes_equal(text, command_bytes(null));
}

static struct bytes find_separator(struct bytes line, const char *separator)
{
    const uint8_t *found = memmem(line.data, line.size, separator, strlen(separator));
    return found == NULL ? (struct bytes){ NULL, 0 } : (struct bytes){ line.data, (uint32_t)(found - line.data) };
}

/* Room for one more record in a partition's batch: it grows, and keeps what it has. */
static void make_room(struct gathered *gathered, uint64_t size)
{
    const uint64_t wanted = (gathered->builder.size == 0 ? RECORD_BATCH_HEAD_SIZE : gathered->builder.size) + size;

    if (wanted > gathered->memory_size) {
        uint8_t *memory = realloc(gathered->memory, wanted * 2);
        if (memory == NULL) abort();
        gathered->memory = memory;
        gathered->memory_size = (uint32_t)wanted * 2;
        gathered->builder.memory = memory;
        gathered->builder.memory_size = gathered->memory_size;
    }
    if (gathered->builder.size == 0) {
        record_batch_builder_init(&gathered->builder, gathered->memory, gathered->memory_size);
    }
}

static bool add_line(struct production *production, struct bytes line)
{
    const char *separator = production->typed->key_separator;
    struct record_input record = { .timestamp = (int64_t)client_now_ms(CLOCK_REALTIME),
                                   .key = { NULL, 0 },
                                   .value = line,
                                   .headers = production->headers,
                                   .header_count = (int32_t)production->typed->headers.count };

    if (separator != NULL) {
        record.key = find_separator(line, separator);
        if (record.key.data == NULL) {
            snprintf(production->client->error, CONTACT_ERROR_SIZE, "a line has no key: %.*s",
                     (int)MIN(line.size, 100U), (const char *)line.data);
            return false;
        }
        const uint32_t skipped = record.key.size + (uint32_t)strlen(separator);
        record.value = (struct bytes){ line.data + skipped, line.size - skipped };
        if (is_null(production, record.key)) record.key = (struct bytes){ NULL, 0 };
    }
    if (is_null(production, record.value)) record.value = (struct bytes){ NULL, 0 };
    uint64_t size = 64 + (uint64_t)record.key.size + record.value.size;
    for (int32_t i = 0; i < record.header_count; i++) {
        size += 16 + (uint64_t)record.headers[i].key.size + record.headers[i].value.size;
    }
    struct gathered *gathered = &production->gathered[place_of(production, record.key)];
    make_room(gathered, size);
    if (!record_batch_builder_add(&gathered->builder, &record)) abort();
    production->gathered_size += size;
    production->gathered_records++;
    return production->gathered_size < GATHERED_MAX || flush(production);
}

/* Everything up to the input's end. What was read and is no whole line yet stays in front. */
static bool take_input(struct production *production)
{
    uint8_t *input = malloc(INPUT_SIZE);
    size_t begin = 0, end = 0;
    bool well = input != NULL;

    while (well) {
        struct pollfd pause = { STDIN_FILENO, POLLIN, 0 };
        if (production->gathered_records > 0 && poll(&pause, 1, PAUSE_MS) == 0) {
            well = flush(production);
            continue;
        }
        if (begin > 0) memmove(input, input + begin, end - begin);
        end -= begin;
        begin = 0;
        const ssize_t size = end == INPUT_SIZE ? -1 : read(STDIN_FILENO, input + end, MIN(INPUT_SIZE - end, 1u << 20));
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) {
            snprintf(production->client->error, CONTACT_ERROR_SIZE, "%s",
                     end == INPUT_SIZE ? "a line is too long" : strerror(errno));
            well = false;
        }
        if (size <= 0) break;
        size_t searched = end;
        end += (size_t)size;
        for (;;) {
            const uint8_t *newline = memchr(input + searched, '\n', end - searched);
            if (newline == NULL || !well) break;
            well =
                add_line(production, (struct bytes){ input + begin, (uint32_t)(newline - input - (ptrdiff_t)begin) });
            begin = searched = (size_t)(newline - input) + 1;
        }
    }
    if (well && end > begin) well = add_line(production, (struct bytes){ input + begin, (uint32_t)(end - begin) });
    if (well) well = flush(production);
    free(input);
    return well;
}

/* ---- the command ---- */

static bool read_wishes(struct production *production)
{
    static const char *const codecs[] = { "none", "gzip", "snappy", "lz4", "zstd" };
    const struct typed *typed = production->typed;
    const char *acks = typed->acks == NULL ? "all" : typed->acks;

    if (strcmp(acks, "all") == 0 || strcmp(acks, "-1") == 0) production->acks = -1;
    else if (strcmp(acks, "1") == 0 || strcmp(acks, "0") == 0) production->acks = (int16_t)(acks[0] - '0');
    else {
        command_fail(typed, "--acks: 0, 1 or all is expected: %s", acks);
        return false;
    }
    production->codec = typed->compression == NULL ? COMPRESSION_NONE : (enum compression)COUNT_OF(codecs);
    for (uint32_t i = 0; i < COUNT_OF(codecs) && typed->compression != NULL; i++) {
        if (strcmp(codecs[i], typed->compression) == 0) production->codec = (enum compression)i;
    }
    if (production->codec == COUNT_OF(codecs)) {
        command_fail(typed, "--compression: none, gzip, snappy, lz4 or zstd is expected: %s", typed->compression);
        return false;
    }
    if (typed->key_separator != NULL && typed->key_separator[0] == 0) {
        command_fail(typed, "--key-separator: it is empty");
        return false;
    }
    for (uint32_t i = 0; i < typed->headers.count; i++) {
        const char *text = typed->headers.texts[i], *equals = strchr(text, '=');
        if (equals == NULL) {
            command_fail(typed, "--header: KEY=VALUE is expected: %s", text);
            return false;
        }
        production->headers[i].key = (struct bytes){ (const uint8_t *)text, (uint32_t)(equals - text) };
        production->headers[i].value = command_bytes(equals + 1);
    }
    return true;
}

enum command_code topic_produce(const struct typed *typed, struct client *client)
{
    struct production production = { .typed = typed,
                                     .client = client,
                                     .name = command_bytes(typed->names.texts[0]),
                                     .producer_id = NO_PRODUCER_ID,
                                     .producer_epoch = NO_PRODUCER_EPOCH,
                                     .told_ms = client_now_ms(CLOCK_MONOTONIC) };

    if (!read_wishes(&production)) return COMMAND_USAGE;
    /* One that is not there is not made: it would be a typo. */
    if (!client_find_topic(client, production.name, typed->timeout_ms, &production.topic)) {
        return command_fail(typed, "%s (topic create makes one)", client->error);
    }
    if (typed->partition != NOT_TYPED && typed->partition >= production.topic.partition_count) {
        return command_fail(typed, "%s has %u partitions", typed->names.texts[0], production.topic.partition_count);
    }
    if (production.acks == -1 && !typed->no_idempotence && !get_producer_id(&production)) {
        return command_fail(typed, "%s", client->error);
    }
    production.gathered = client_take(client, production.topic.partition_count, sizeof *production.gathered);
    production.packing.scratch_size = COMPRESSION_SCRATCH_SIZE;
    production.packing.scratch = client_take(client, 1, COMPRESSION_SCRATCH_SIZE + 16);
    production.packing.scratch = (void *)(((uintptr_t)production.packing.scratch + 15) / 16 * 16);
    const bool well = take_input(&production);
    tell_progress(&production, true);
    for (uint32_t i = 0; i < production.topic.partition_count; i++) free(production.gathered[i].memory);
    if (typed->json) printf("{\"records\": %" PRIu64 "}\n", production.records);
    else fprintf(stderr, "%" PRIu64 " records to %s\n", production.records, typed->names.texts[0]);
    if (well) return COMMAND_DONE;
    const char *why = client->error[0] != 0 ? client->error : "no answer";
    if (production.refused) return command_fail(typed, "%s", why);
    return command_fail(typed, "%s (of the last %" PRIu64 " records it is not known whether they are there)", why,
                        production.gathered_records);
}
