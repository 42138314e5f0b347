/* consume.c -- `chronik-server topic consume`: prints records, those of each partition in order. */
#include "codec/errors.h"
#include "codec/record.h"
#include "runtime/client/command.h"
#include "runtime/client/offsets.h"
#include "runtime/client/when.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    FETCH_MAX = 16 << 20,
    PARTITION_FETCH_MAX = 4 << 20,
    UNPACKED_MIN = 1 << 20,
    UNPACKED_MAX = 256 << 20,
    LONG_WAIT_MS = 500,
    RETRY_MS = 100
};

/* What is left to be read of a partition. */
struct reading {
    bool wanted;
    int64_t offset; /* the next one */
    int64_t end;    /* INT64_MAX: it has none */
};

struct consumption {
    const struct typed *typed;
    struct client *client;
    struct client_topic topic;
    struct reading *readings;
    struct compression_memory unpacking;
    uint64_t left; /* records that may still be printed */
    bool stopped;  /* what was asked for is printed, or nobody reads it any more */
    bool got_some; /* in this round */
};

/* ---- printing ---- */

static json_t *headers_json(const struct record *record)
{
    struct bytes headers = record->headers;
    json_t *array = json_array();

    for (int32_t i = 0; i < record->header_count; i++) {
        const struct record_header header = record_header_next(&headers);
        json_t *pair = json_array();
        json_array_append_new(pair, command_json(header.key));
        json_array_append_new(pair, command_json(header.value));
        json_array_append_new(array, pair);
    }
    return array;
}

static void print_record(struct consumption *consumption, uint32_t partition, const struct record_batch *batch,
                         const struct record *record)
{
    if (consumption->typed->json) {
        json_t *object = json_object();
        json_object_set_new(object, "partition", json_integer(partition));
        json_object_set_new(object, "offset", json_integer(record_offset(batch, record)));
        json_object_set_new(object, "timestamp", json_integer(record_timestamp(batch, record)));
        json_object_set_new(object, "key", command_json(record->key));
        json_object_set_new(object, "value", command_json(record->value));
        if (record->header_count > 0) json_object_set_new(object, "headers", headers_json(record));
        json_dumpf(object, stdout, JSON_COMPACT);
        json_decref(object);
    } else {
        if (consumption->typed->keys) {
            fwrite(record->key.data, 1, record->key.size, stdout);
            putchar('\t');
        }
        fwrite(record->value.data, 1, record->value.size, stdout);
    }
    putchar('\n');
    if (ferror(stdout)) consumption->stopped = true;
}

/* ---- batches ---- */

/* The records of a batch, unpacked; memory grows as far as it must. */
static bool unpack(struct consumption *consumption, const struct record_batch *batch, struct bytes *records)
{
    struct compression_memory *memory = &consumption->unpacking;

    for (uint32_t size = UNPACKED_MIN;; size *= 4) {
        if (size > memory->output_size) {
            free(memory->output);
            memory->output = malloc(size);
            memory->output_size = size;
            if (memory->output == NULL) abort();
        }
        const enum compression_verdict verdict = record_batch_open(batch, memory, records);
        if (verdict != COMPRESSION_TOO_LARGE || size >= UNPACKED_MAX) return verdict == COMPRESSION_OK;
    }
}

static bool print_batch(struct consumption *consumption, uint32_t partition, const struct record_batch *batch)
{
    struct reading *reading = &consumption->readings[partition];
    struct record_iterator iterator;
    struct record record;
    struct bytes records;
    enum record_iteration seen = RECORD_END;

    if ((batch->attributes & RECORD_BATCH_CONTROL) == 0) {
        if (!unpack(consumption, batch, &records)) return false;
        record_iterator_init(&iterator, batch, records);
        while ((seen = record_iterator_next(&iterator, &record)) == RECORD_NEXT) {
            const int64_t offset = record_offset(batch, &record);
            if (offset < reading->offset || offset >= reading->end) continue;
            if (consumption->left == 0 || consumption->stopped) break;
            print_record(consumption, partition, batch, &record);
            consumption->left--;
        }
    }
    reading->offset = MAX(reading->offset, record_batch_last_offset(batch) + 1);
    return seen != RECORD_MALFORMED;
}

/* Whole batches; the last one may be cut short. */
static bool print_batches(struct consumption *consumption, uint32_t partition, struct bytes records)
{
    struct record_batch batch;

    while (records.size > 0 && consumption->left > 0 && !consumption->stopped) {
        const enum record_batch_shape shape = record_batch_read(records, &batch);
        if (shape == RECORD_BATCH_CUT) return true;
        if (shape != RECORD_BATCH_WHOLE || !record_batch_crc_matches(&batch)) return false;
        if (!print_batch(consumption, partition, &batch)) return false;
        records.data += batch.bytes.size;
        records.size -= batch.bytes.size;
        consumption->got_some = true;
    }
    return true;
}

/* ---- one leader ---- */

static bool is_open(const struct reading *reading)
{
    return reading->wanted && reading->offset < reading->end;
}

static uint32_t write_fetch(struct consumption *consumption, struct contact *contact, int16_t version, int32_t leader,
                            int32_t wait_ms)
{
    const struct client_topic *topic = &consumption->topic;
    struct fetch_request request = fetch_request_default;
    struct fetch_request_topic wanted = fetch_request_topic_default;

    wanted.name = topic->name;
    wanted.partitions = calloc(topic->partition_count, sizeof *wanted.partitions);
    if (wanted.partitions == NULL) abort();
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        if (!is_open(&consumption->readings[i]) || topic->partitions[i].leader != leader) continue;
        struct fetch_request_partition *partition = &wanted.partitions[wanted.partitions_count++];
        *partition = fetch_request_partition_default;
        partition->index = (int32_t)i;
        partition->current_leader_epoch = -1;
        partition->fetch_offset = consumption->readings[i].offset;
        partition->partition_max_bytes = PARTITION_FETCH_MAX;
    }
    request.replica_id = -1;
    request.max_wait_ms = wait_ms;
    request.min_bytes = 1;
    request.max_bytes = FETCH_MAX;
    request.session_epoch = -1;
    request.topics = &wanted;
    request.topics_count = 1;
    if (wanted.partitions_count > 0) {
        fetch_request_write(contact_begin(contact, API_FETCH, version), version, &request);
    }
    free(wanted.partitions);
    return wanted.partitions_count;
}

static bool take_partition(struct consumption *consumption, const struct fetch_response_partition *answer)
{
    struct reading *reading = &consumption->readings[answer->index];

    if (answer->error_code == ERROR_OFFSET_OUT_OF_RANGE) {
        if (reading->offset >= answer->log_start_offset) {
            command_fail(consumption->typed, "partition %d: offset %" PRId64 " is beyond its end", answer->index,
                         reading->offset);
            return false;
        }
        fprintf(stderr, "partition %d: records %" PRId64 " to %" PRId64 " are deleted\n", answer->index,
                reading->offset, answer->log_start_offset - 1);
        reading->offset = answer->log_start_offset;
        return true;
    }
    if (client_may_retry(answer->error_code)) return true;
    if (answer->error_code != ERROR_NONE) {
        command_fail(consumption->typed, "partition %d: %s", answer->index, error_name(answer->error_code));
        return false;
    }
    if (print_batches(consumption, (uint32_t)answer->index, answer->records)) return true;
    command_fail(consumption->typed, "partition %d: what lies at offset %" PRId64 " cannot be read", answer->index,
                 reading->offset);
    return false;
}

/* False: that was the end of it; the reason is said. */
static bool fetch_from(struct consumption *consumption, int32_t leader, int32_t wait_ms)
{
    struct client *client = consumption->client;
    struct fetch_response response;
    struct contact *contact = client_broker(client, leader);

    if (contact == NULL) return true; /* somebody else may lead in a moment */
    const int16_t version = client_version(client, contact, API_FETCH, 12);
    if (version < 0) {
        command_fail(consumption->typed, "%s", client->error);
        return false;
    }
    if (write_fetch(consumption, contact, version, leader, wait_ms) == 0) return true;
    struct reader *reader = contact_ask(contact);
    if (reader == NULL) return true;
    if (!fetch_response_read(reader, version, &contact->arena, &response)) {
        command_fail(consumption->typed, "an answer that cannot be read");
        return false;
    }
    for (uint32_t i = 0; i < response.topics_count; i++) {
        for (uint32_t k = 0; k < response.topics[i].partitions_count; k++) {
            const struct fetch_response_partition *partition = &response.topics[i].partitions[k];
            if (partition->index < 0 || (uint32_t)partition->index >= consumption->topic.partition_count) continue;
            if (!take_partition(consumption, partition)) return false;
        }
    }
    return true;
}

/* ---- all of them ---- */

static bool anything_open(const struct consumption *consumption)
{
    for (uint32_t i = 0; i < consumption->topic.partition_count; i++) {
        if (is_open(&consumption->readings[i])) return true;
    }
    return false;
}

static void learn_leaders(struct consumption *consumption)
{
    struct client_topics topics;
    const uint32_t partitions = consumption->topic.partition_count;

    if (!client_topics(consumption->client, &consumption->topic.name, 1, &topics) || topics.count != 1) return;
    if (topics.topics[0].error != ERROR_NONE || topics.topics[0].partition_count < partitions) return;
    consumption->topic = topics.topics[0];
    consumption->topic.partition_count = partitions;
}

/* Where each partition is to be read from, and up to where. */
static bool find_places(struct consumption *consumption, const struct when *when)
{
    const struct client_topic *topic = &consumption->topic;
    struct client *client = consumption->client;
    struct offsets_asked *first = client_take(client, topic->partition_count, sizeof *first);
    struct offsets_asked *last = client_take(client, topic->partition_count, sizeof *last);
    struct offsets_asked *timed = client_take(client, topic->partition_count, sizeof *timed);

    for (uint32_t i = 0; i < topic->partition_count; i++) {
        const bool wanted = consumption->readings[i].wanted;
        first[i].timestamp = wanted ? OFFSETS_EARLIEST : OFFSETS_NOT_ASKED;
        last[i].timestamp = wanted ? OFFSETS_LATEST : OFFSETS_NOT_ASKED;
        timed[i].timestamp = wanted ? when->number : OFFSETS_NOT_ASKED;
        timed[i].offset = -1;
    }
    if (!offsets_ask(client, topic, first) || !offsets_ask(client, topic, last)) return false;
    if (when->kind == WHEN_TIME && !offsets_ask(client, topic, timed)) return false;
    for (uint32_t i = 0; i < topic->partition_count; i++) {
        struct reading *reading = &consumption->readings[i];
        reading->offset = when_offset(when, first[i].offset, last[i].offset, timed[i].offset);
        reading->end = consumption->typed->follow ? INT64_MAX : last[i].offset;
    }
    return true;
}

static bool consume(struct consumption *consumption)
{
    uint32_t idle = 0;

    while (consumption->left > 0 && !consumption->stopped && anything_open(consumption)) {
        /* Who leads much is waited at; but not while others have more. */
        const int32_t wait_ms = idle == 0 ? 0 : LONG_WAIT_MS / (int32_t)MAX(consumption->client->broker_count, 1U);
        consumption->got_some = false;
        for (uint32_t i = 0; i < consumption->client->broker_count; i++) {
            if (!fetch_from(consumption, consumption->client->brokers[i].id, wait_ms)) return false;
        }
        idle = consumption->got_some ? 0 : idle + 1;
        if (idle > 0 && fflush(stdout) != 0) consumption->stopped = true;
        if (idle > 1) { /* perhaps somebody else leads */
            if (!consumption->typed->follow) client_pause();
            learn_leaders(consumption);
        }
    }
    return true;
}

enum command_code topic_consume(const struct typed *typed, struct client *client)
{
    struct consumption consumption = { .typed = typed,
                                       .client = client,
                                       .left = typed->count == NOT_TYPED ? UINT64_MAX : (uint64_t)typed->count };
    const struct bytes name = command_bytes(typed->names.texts[0]);
    struct when when;

    if (!when_parse(typed->from == NULL ? "beginning" : typed->from, &when)) {
        command_fail(typed, "--from: beginning, end, an offset, -N, @MS or @YYYY-MM-DDTHH:MM:SS is expected: %s",
                     typed->from);
        return COMMAND_USAGE;
    }
    if (!client_find_topic(client, name, typed->timeout_ms, &consumption.topic)) {
        return command_fail(typed, "%s", client->error);
    }
    if (typed->partition != NOT_TYPED && typed->partition >= consumption.topic.partition_count) {
        return command_fail(typed, "%s has %u partitions", typed->names.texts[0], consumption.topic.partition_count);
    }
    consumption.readings = client_take(client, consumption.topic.partition_count, sizeof *consumption.readings);
    for (uint32_t i = 0; i < consumption.topic.partition_count; i++) {
        consumption.readings[i].wanted = typed->partition == NOT_TYPED || typed->partition == i;
    }
    const uint64_t until = client_now_ms(CLOCK_MONOTONIC) + (uint64_t)typed->timeout_ms;
    bool found = find_places(&consumption, &when);
    while (!found && client_now_ms(CLOCK_MONOTONIC) < until) { /* somebody is being elected */
        client_pause();
        learn_leaders(&consumption);
        found = find_places(&consumption, &when);
    }
    if (!found) {
        return command_fail(typed, "not all partitions say where they begin and end: %s",
                            client->error[0] != 0 ? client->error : "some have no leader");
    }
    consumption.unpacking.scratch_size = DECOMPRESSION_SCRATCH_SIZE;
    consumption.unpacking.scratch = client_take(client, 1, DECOMPRESSION_SCRATCH_SIZE + 16);
    consumption.unpacking.scratch = (void *)(((uintptr_t)consumption.unpacking.scratch + 15) / 16 * 16);
    const bool well = consume(&consumption);
    free(consumption.unpacking.output);
    return well ? COMMAND_DONE : COMMAND_FAILED;
}
