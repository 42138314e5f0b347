/* consumer.c -- a client that reads partitions from their start, and tells the judge what it saw. */
#include "sim/run.h"

#include "codec/errors.h"
#include "codec/record.h"

#include <stdlib.h>
#include <string.h>

enum { COOKIE_FETCH = 3, COOKIE_START };

void consumer_read_all(struct client *client)
{
    client->done = client->listed = false;
    for (uint32_t i = 0; i < client->target_count; i++) {
        client->targets[i].position = 0;
        client->targets[i].end = -1;
        client->targets[i].start_wanted = false;
    }
}

void consumer_on_lost(struct client *client, uint32_t machine)
{
    for (uint32_t i = 0; i < client->target_count; i++) {
        if (client->targets[i].source == machine) client->targets[i].source = MACHINE_NONE;
    }
}

static bool verifying(const struct run *run)
{
    return run->phase == PHASE_VERIFY || run->phase == PHASE_REVERIFY;
}

static bool is_to_read(const struct run *run, const struct target *target)
{
    if (target->judged->gone) return false;
    if (!verifying(run)) return true;
    return target->end < 0 && !plane_is_given_up(&run->plane, &target->topic_id, target->index);
}

/* Asks a node where those of its partitions begin whose offset was out of range. False: there are none. */
static bool ask_starts(struct run *run, struct client *client, struct session *session)
{
    struct list_offsets_request_partition partitions[TARGETS_MAX];
    struct list_offsets_request_topic topics[TARGETS_MAX];
    char names[TARGETS_MAX][32];
    struct list_offsets_request request = list_offsets_request_default;
    uint32_t wanted = 0;

    for (uint32_t i = 0; i < client->target_count; i++) {
        struct target *target = &client->targets[i];
        if (!target->start_wanted || target->judged->gone || target->leader != session->machine) continue;
        target->floor = judge_floor(target->judged);
        target->plane_floor = plane_floor(&run->plane, &target->topic_id, target->index, session->machine);
        target->asked_of = session->machine;
        target->asked_epoch = verifying(run) || prng_chance(&client->prng, 1, 2) ? target->leader_epoch : -1;
        topic_name(target->topic, names[wanted]);
        partitions[wanted] = list_offsets_request_partition_default;
        partitions[wanted].index = target->index;
        partitions[wanted].current_leader_epoch = target->asked_epoch;
        partitions[wanted].timestamp = -2;
        topics[wanted] = list_offsets_request_topic_default;
        topics[wanted].name = (struct bytes){ (const uint8_t *)names[wanted], (uint32_t)strlen(names[wanted]) };
        topics[wanted].partitions = &partitions[wanted];
        topics[wanted].partitions_count = 1;
        wanted++;
    }
    if (wanted == 0) return false;
    request.topics = topics;
    request.topics_count = wanted;
    list_offsets_request_write(session_begin(session, API_LIST_OFFSETS, 5), 5, &request);
    session_end(session, &run->world, COOKIE_START, true);
    return true;
}

/* Whom it reads a partition from: the leader, mostly. */
static uint32_t source_of(const struct target *target)
{
    return target->source != MACHINE_NONE ? target->source : target->leader;
}

static void draw_source(const struct run *run, struct client *client, struct target *target)
{
    if (target->source != MACHINE_NONE || target->replica_count == 0) return;
    if (!prng_chance(&client->prng, run->knobs.remote_reads, 150)) return;
    target->source = target->replicas[prng_below(&client->prng, target->replica_count)];
}

static void fetch(struct run *run, struct client *client, struct session *session)
{
    struct fetch_request_partition partitions[TARGETS_MAX];
    struct fetch_request_topic topics[TARGETS_MAX];
    char names[TARGETS_MAX][32];
    struct fetch_request request = fetch_request_default;
    struct prng *prng = &client->prng;
    uint32_t wanted = 0;
    int16_t version = (int16_t)(4 + prng_below(prng, 14));

    for (uint32_t i = 0; i < client->target_count; i++) {
        const struct target *target = &client->targets[i];
        /* What is read at the end is what the leader of that epoch says. */
        if (verifying(run) && target->replica_count > 1) version = MAX(version, 9);
        /* Followers answer only those who could know that they are some. */
        if (source_of(target) == session->machine && target->leader != session->machine) version = MAX(version, 11);
    }
    for (uint32_t i = 0; i < client->target_count; i++) {
        struct target *target = &client->targets[i];
        if (!is_to_read(run, target) || source_of(target) != session->machine) continue;
        if (!verifying(run) && prng_chance(prng, 1, 50)) target->position = target->judged->log_start_seen;
        target->floor = judge_floor(target->judged);
        target->asked_of = session->machine;
        target->asked_epoch = version >= 9 && prng_chance(prng, 1, 2) ? target->leader_epoch : -1;
        if (verifying(run) && target->replica_count > 1) target->asked_epoch = target->leader_epoch;
        if (target->source != MACHINE_NONE) target->asked_epoch = -1; /* others know less, and that is no step back */
        partitions[wanted] = fetch_request_partition_default;
        partitions[wanted].index = target->index;
        partitions[wanted].current_leader_epoch = target->asked_epoch;
        partitions[wanted].fetch_offset = target->position;
        partitions[wanted].partition_max_bytes = client->tiny > 0 ? client->tiny : 1 + (int32_t)prng_below(prng, 20000);
        topics[wanted] = fetch_request_topic_default;
        topic_name(target->topic, names[wanted]);
        topics[wanted].name = (struct bytes){ (const uint8_t *)names[wanted], (uint32_t)strlen(names[wanted]) };
        topics[wanted].topic_id = target->topic_id;
        topics[wanted].partitions = &partitions[wanted];
        topics[wanted].partitions_count = 1;
        wanted++;
    }
    if (wanted == 0) return;
    request.replica_id = -1;
    request.max_wait_ms = (int32_t)prng_below(prng, 500);
    request.min_bytes = (int32_t)prng_below(prng, 3);
    request.max_bytes = client->tiny > 0 ? client->tiny : 1 + (int32_t)prng_below(prng, 100000);
    request.isolation_level = (int8_t)prng_below(prng, 2);
    request.topics = topics;
    request.topics_count = wanted;
    fetch_request_write(session_begin(session, API_FETCH, version), version, &request);
    session_end(session, &run->world, COOKIE_FETCH, true);
}

/* Each node that leads something is asked for all of it at once, and nothing more before it has answered. */
void consumer_work(struct run *run, struct client *client)
{
    bool left = false;

    if (client->done || client->target_count == 0) return;
    if (verifying(run) && !client->listed && client_pending(client) == 0) {
        client->listed = true;
        list_topics(run, client);
        for (uint32_t i = 0; i < MIN(run->knobs.administrators, run->knobs.topics); i++)
            describe_config(run, client, i);
        return;
    }
    for (uint32_t i = 0; i < client->target_count; i++) {
        struct target *target = &client->targets[i];
        if (!is_to_read(run, target)) continue;
        left = true;
        draw_source(run, client, target);
        if (source_of(target) == MACHINE_NONE) { /* somebody may lead it again */
            if (!client->stale) client_wake(run, client, 5 * 1000 * 1000);
            client->stale = true;
            continue;
        }
        struct session *session = client_session(run, client, source_of(target));
        if (session == NULL || session->pending_count > 0) continue;
        if (!ask_starts(run, client, session)) fetch(run, client, session);
    }
    if (!left && client_pending(client) == 0) client->done = true;
}

static void on_records(struct run *run, struct client *client, struct target *target, struct bytes bytes,
                       int64_t high_watermark)
{
    struct record_batch batch;
    bool first = true;

    for (; bytes.size > 0; first = false) {
        if (record_batch_read(bytes, &batch) != RECORD_BATCH_WHOLE) {
            if (first) {
                judge_violated(&run->judge, RULE_O11, "partition %d offset %lld: no whole batch was given",
                               target->index, (long long)target->position);
            }
            return; /* the last one may be cut short */
        }
        if (!record_batch_crc_matches(&batch)) {
            if (!run->damaged) {
                judge_violated(&run->judge, RULE_O2, "partition %d offset %lld: the batch does not match its checksum",
                               target->index, (long long)batch.base_offset);
            }
            target->end = run->damaged ? target->position : target->end;
            return;
        }
        /* No checksum covers the base offset: where bits have flipped, one that cannot be says so. */
        if (run->damaged && (batch.base_offset > target->position || batch.base_offset < 0)) {
            target->end = target->position;
            return;
        }
        judge_on_step(&run->judge, target->judged, target->position, batch.base_offset);
        if (record_batch_last_offset(&batch) >= high_watermark) {
            judge_violated(&run->judge, RULE_O3, "partition %d: offset %lld was given above the high watermark %lld",
                           target->index, (long long)record_batch_last_offset(&batch), (long long)high_watermark);
        }
        struct record_iterator iterator;
        struct record record;
        record_iterator_init(&iterator, &batch, record_batch_payload(&batch));
        while (record_iterator_next(&iterator, &record) == RECORD_NEXT) {
            struct made made;
            const int64_t offset = record_offset(&batch, &record);
            if (!made_of_record(&record, &made)) {
                judge_violated(&run->judge, RULE_O2, "partition %d offset %lld: nobody made this record", target->index,
                               (long long)offset);
                return;
            }
            judge_on_read(&run->judge, target->judged, offset, &made);
        }
        if (record_batch_last_offset(&batch) + 1 > target->position) {
            target->position = record_batch_last_offset(&batch) + 1;
        }
        bytes.data += batch.bytes.size;
        bytes.size -= batch.bytes.size;
    }
    (void)client;
}

static struct target *answered(struct client *client, const struct uuid *topic_id, struct bytes topic, int32_t index)
{
    char name[32];

    for (uint32_t i = 0; i < client->target_count; i++) {
        struct target *target = &client->targets[i];
        if (target->index != index) continue;
        if (topic_id != NULL && uuid_equal(&target->topic_id, topic_id)) return target;
        topic_name(target->topic, name);
        const struct bytes own = { (const uint8_t *)name, (uint32_t)__builtin_strlen(name) };
        if (topic_id == NULL && bytes_equal(own, topic)) return target;
    }
    return NULL;
}

/* What we believe of the leader is old, or newer than what he knows himself. */
static bool is_of_another_leader(int16_t error)
{
    return error == ERROR_NOT_LEADER_OR_FOLLOWER || error == ERROR_FENCED_LEADER_EPOCH ||
           error == ERROR_UNKNOWN_LEADER_EPOCH;
}

/* What one who is behind may say to one who has read elsewhere. */
static bool is_of_follower(int16_t error)
{
    return error == ERROR_OFFSET_OUT_OF_RANGE || error == ERROR_OFFSET_NOT_AVAILABLE;
}

static void on_partition(struct run *run, struct client *client, struct target *target, int16_t version,
                         const struct fetch_response_partition *partition)
{
    const int64_t start = version >= 5 ? partition->log_start_offset : -1;
    const bool remote = target->source != MACHINE_NONE;

    if (remote && (partition->error_code != ERROR_NONE || prng_chance(&client->prng, 1, 20))) {
        target->source = MACHINE_NONE; /* back to the leader, at last */
    }
    if (partition->error_code == ERROR_OFFSET_OUT_OF_RANGE && !run->damaged) {
        plane_on_denied(&run->plane, &run->judge, target->judged, &target->plane_floor, target->asked_of,
                        target->position);
    }
    if (remote && is_of_follower(partition->error_code)) return;
    if (partition->error_code == ERROR_OFFSET_OUT_OF_RANGE) {
        target->start_wanted = true;
        return;
    }
    client->stale |= is_of_another_leader(partition->error_code);
    if (partition->error_code != ERROR_NONE) {
        if (run->damaged) target->end = target->position; /* it says that it cannot: that is all we may ask */
        return;
    }
    judge_on_offsets(&run->judge, target->judged, &target->floor, target->asked_epoch, start,
                     partition->high_watermark);
    const int64_t before = target->position;
    if (run->trace != NULL) {
        fprintf(
            run->trace, "[%12.6f]   consumer %u is given %u bytes of topic-%u-%d from %lld on, by n%u: [%lld, %lld)\n",
            (double)run->world.now_ns / 1e9, client->number, partition->records.size, target->topic, target->index,
            (long long)target->position, target->asked_of + 1, (long long)start, (long long)partition->high_watermark);
    }
    on_records(run, client, target, partition->records, partition->high_watermark);
    if (!verifying(run)) return;
    const bool all =
        run->damaged || plane_shows_all(&run->plane, &target->topic_id, target->index, partition->high_watermark);
    if (remote && target->position >= partition->high_watermark) {
        target->source = MACHINE_NONE; /* the leader has the last word */
        return;
    }
    if (target->position >= partition->high_watermark && all) target->end = partition->high_watermark;
    else if (target->position == before) client_wake(run, client, 1000 * 1000);
}

static void on_starts(struct run *run, struct client *client, uint32_t machine, struct response *response)
{
    struct list_offsets_response listed;

    if (!list_offsets_response_read(&response->body, response->version, response->arena, &listed)) {
        judge_violated(&run->judge, RULE_N, "consumer %u: a ListOffsets response cannot be read", client->number);
        return;
    }
    for (uint32_t i = 0; i < listed.topics_count; i++) {
        for (uint32_t j = 0; j < listed.topics[i].partitions_count; j++) {
            const struct list_offsets_response_partition *partition = &listed.topics[i].partitions[j];
            struct target *target = answered(client, NULL, listed.topics[i].name, partition->index);
            client->stale |= is_of_another_leader(partition->error_code);
            if (target == NULL || partition->error_code != ERROR_NONE || target->asked_of != machine) continue;
            judge_on_offsets(&run->judge, target->judged, &target->floor, target->asked_epoch, partition->offset, -1);
            /* Where there are others, they may have begun to lead since, with more of the past. */
            if (partition->offset <= target->position && target->judged->replica_count <= 1) {
                judge_violated(&run->judge, RULE_O11, "partition %d: offset %lld is out of range, which begins at %lld",
                               target->index, (long long)target->position, (long long)partition->offset);
            }
            target->position = partition->offset;
            target->start_wanted = false;
        }
    }
    client_wake(run, client, 1 + prng_below(&client->prng, 20 * 1000 * 1000));
}

void consumer_on_response(struct run *run, struct client *client, struct session *session, struct response *response)
{
    const uint32_t machine = session->machine;
    struct fetch_response fetched;

    if (response->api_key == API_LIST_OFFSETS) {
        on_starts(run, client, machine, response);
        return;
    }
    if (response->api_key == API_DESCRIBE_CONFIGS) {
        on_described(run, response);
        client_wake(run, client, 1);
        return;
    }
    if (!fetch_response_read(&response->body, response->version, response->arena, &fetched)) {
        judge_violated(&run->judge, RULE_N, "consumer %u: a Fetch response cannot be read", client->number);
        return;
    }
    bool refused = response->version >= 7 && fetched.error_code != ERROR_NONE;
    for (uint32_t i = 0; i < fetched.topics_count; i++) {
        const struct fetch_response_topic *topic = &fetched.topics[i];
        for (uint32_t j = 0; j < topic->partitions_count; j++) {
            const struct uuid *id = response->version >= 13 ? &topic->topic_id : NULL;
            struct target *target = answered(client, id, topic->name, topic->partitions[j].index);
            if (target == NULL) {
                judge_violated(&run->judge, RULE_N, "consumer %u: an answer about nothing it asked for",
                               client->number);
                continue;
            }
            if (target->asked_of != machine) continue;
            on_partition(run, client, target, response->version, &topic->partitions[j]);
            refused |= topic->partitions[j].error_code != ERROR_NONE;
        }
    }
    if (refused || prng_chance(&client->prng, 1, 10))
        client_wake(run, client, prng_below(&client->prng, 20 * 1000 * 1000) + 1);
    else consumer_work(run, client);
}
