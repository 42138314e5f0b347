/* produce.c -- appends what a producer sends.
 *
 * The answer is written when the records are appended, and waits, written, until they are durable here (acks=1) or
 * committed (acks=all): so nothing of the request but its answer is kept meanwhile, and the link may go on with the
 * next Produce. Who leads no more, or has too few replicas, answers those who wait at once. If the logs have no room,
 * the request itself waits, and remembers which of its partitions are appended already: they are never appended
 * twice. */
#include "broker/produce.h"

#include "base/check.h"
#include "broker/apis.h"
#include "broker/partitions.h"
#include "broker/state.h"
#include "codec/api.h"
#include "codec/record_validation.h"
#include "replica/replicas.h"

enum {
    ACKS_NONE = 0,
    ACKS_LEADER = 1,
    ACKS_ALL = -1,
    ANSWER_TOPIC_SIZE_MAX = 8,       /* encoded, beside its name */
    ANSWER_PARTITION_SIZE_MAX = 512, /* encoded, with the longest message and an endpoint */
    ANSWER_REST_SIZE_MAX = 1024,
    ENDPOINTS_MAX = 16,
};

/* What became of one partition's records. Fixed in size, so that it can be kept while the request waits. */
struct outcome {
    int16_t error;
    uint8_t verdict; /* enum record_verdict */
    bool appended;
    uint8_t queue;        /* enum waits_queue: what its answer waits for; QUEUE_COUNT: nothing */
    int32_t record_index; /* of the record at fault */
    int32_t leader_epoch; /* in which it was appended: in another one it may be there no more */
    uint32_t log;
    struct uuid topic_id; /* whose log it is: while the request waits, another may get its slot */
    int64_t base_offset;
    int64_t end_offset;
    int64_t log_append_time;
    int64_t log_start_offset;
};

/* Kept while the request waits for room: how far it got. */
struct progress {
    uint32_t done_count;
    struct outcome outcomes[];
};

struct producing {
    struct call *call;
    struct produce_request request;
    struct progress *progress;
    uint32_t partition_count; /* over all topics */
};

/* What a topic wants of its records. */
struct terms {
    uint32_t topic;
    struct record_rules rules;
    enum waits_queue queue;
};

/* ---- one partition ---- */

static struct topic_terms terms_of_topic(const struct image *image, uint32_t topic)
{
    const struct record_rules rules = {
        .message_size_max = (uint32_t)topic_config_int(image, topic, CONFIG_MAX_MESSAGE_BYTES),
        .log_append_time = topic_config_int(image, topic, CONFIG_MESSAGE_TIMESTAMP_TYPE) == TIMESTAMP_LOG_APPEND_TIME,
        .key_required = (topic_config_int(image, topic, CONFIG_CLEANUP_POLICY) & CLEANUP_COMPACT) != 0,
        .timestamp_before_max_ms = topic_config_int(image, topic, CONFIG_MESSAGE_TIMESTAMP_BEFORE_MAX_MS),
        .timestamp_after_max_ms = topic_config_int(image, topic, CONFIG_MESSAGE_TIMESTAMP_AFTER_MAX_MS),
    };
    const bool write_caching = topic_config_int(image, topic, CONFIG_WRITE_CACHING) != 0;

    return (struct topic_terms){ topic, rules, write_caching };
}

/* SLOT_NONE: there is no such topic. Requests that come together are mostly for one: its terms are looked up once. */
static struct terms terms_of(const struct producing *producing, struct bytes name)
{
    const struct call *call = producing->call;
    struct topic_terms *known = &call->broker->terms;

    if (known->topic == SLOT_NONE || !bytes_equal(name, image_topic_name(call->image, known->topic))) {
        const uint32_t topic = image_topic_by_name(call->image, name);
        if (topic == SLOT_NONE) return (struct terms){ .topic = SLOT_NONE, .queue = QUEUE_COUNT };
        *known = terms_of_topic(call->image, topic);
    }
    struct terms terms = { known->topic, known->rules, QUEUE_DURABLE };
    terms.rules.now_ms = call->wall_ms;
    terms.rules.produce_version = call->version;
    /* In a relaxed topic what is appended counts as if it were durable. */
    if (producing->request.acks == ACKS_ALL) terms.queue = QUEUE_COMMITTED;
    else if (known->write_caching) terms.queue = QUEUE_COUNT;
    return terms;
}

static int16_t error_of_append(enum append_verdict verdict)
{
    switch (verdict) {
    case APPEND_OK:
    case APPEND_DUPLICATE: return ERROR_NONE;
    case APPEND_OUT_OF_ORDER: return ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    case APPEND_PRODUCER_FENCED: return ERROR_INVALID_PRODUCER_EPOCH;
    case APPEND_TOO_LARGE: return ERROR_RECORD_LIST_TOO_LARGE;
    case APPEND_NO_MEMORY: return ERROR_REQUEST_TIMED_OUT;
    case APPEND_DISK_FULL: return ERROR_KAFKA_STORAGE_ERROR;
    case APPEND_TOO_MANY_PRODUCERS: return ERROR_THROTTLING_QUOTA_EXCEEDED;
    }
    CHECK(false);
    return ERROR_UNKNOWN_SERVER_ERROR;
}

static enum append_verdict append(struct call *call, const struct place *place, const struct record_batch *batch,
                                  bool stamp_time, struct outcome *outcome)
{
    struct append_answer answer;
    const int32_t leader_epoch = replicas_leader_epoch(call->replicas, place->log);
    const enum append_verdict verdict = logs_append(call->logs, place->log, batch, leader_epoch,
                                                    stamp_time ? call->wall_ms : -1, call->wall_ms, &answer);

    outcome->error = error_of_append(verdict);
    if (outcome->error != ERROR_NONE) return verdict;
    outcome->appended = verdict != APPEND_DUPLICATE || !MUTANT(broker_duplicate_is_not_awaited);
    outcome->leader_epoch = leader_epoch;
    outcome->base_offset = answer.base_offset;
    outcome->end_offset = MUTANT(broker_awaits_first_offset) ? answer.base_offset : answer.last_offset + 1;
    if (stamp_time) outcome->log_append_time = answer.log_append_time;
    outcome->log_start_offset = log_offsets(call->logs, place->log).log_start_offset;
    if (verdict == APPEND_OK) {
        call->broker->counters.produced_size += batch->bytes.size;
        call->broker->counters.produced_records += (uint64_t)batch->record_count;
    }
    return verdict;
}

/* Whether the replicas allow it, before anything is looked at. */
static enum error error_of_permission(const struct producing *producing, uint32_t log)
{
    const bool acks_all = producing->request.acks == ACKS_ALL && !MUTANT(broker_forgets_min_isr);

    switch (replicas_may_append(producing->call->replicas, log, acks_all)) {
    case APPEND_PERMITTED: return ERROR_NONE;
    case APPEND_NOT_LED: return ERROR_NOT_LEADER_OR_FOLLOWER;
    case APPEND_NOT_ENOUGH: return ERROR_NOT_ENOUGH_REPLICAS;
    }
    CHECK(false);
    return ERROR_UNKNOWN_SERVER_ERROR;
}

/* APPEND_NO_MEMORY leaves everything as it was. */
static enum append_verdict produce_one(const struct producing *producing, const struct terms *terms,
                                       const struct produce_request_partition *partition, struct outcome *outcome)
{
    struct call *call = producing->call;
    const uint32_t topic = terms->topic;
    const struct place place = partition_place(call, topic, partition->index, EPOCH_NOT_GIVEN);
    struct record_batch batch;

    *outcome = (struct outcome){
        .error = (int16_t)place.error,
        .queue = (uint8_t)terms->queue,
        .record_index = RECORD_INDEX_NONE,
        .leader_epoch = -1,
        .log = place.log,
        .base_offset = -1,
        .log_append_time = -1,
        .log_start_offset = -1,
    };
    if (place.log != SLOT_NONE) outcome->topic_id = image_topic(call->image, topic)->id;
    if (place.log != SLOT_NONE && image_topic(call->image, topic)->internal &&
        !bytes_equal(call->client_id, BYTES_LITERAL("__admin_client"))) {
        outcome->error = ERROR_INVALID_TOPIC_EXCEPTION; /* its records are the coordinators' own */
    }
    if (outcome->error == ERROR_NONE) outcome->error = (int16_t)error_of_permission(producing, place.log);
    if (outcome->error != ERROR_NONE) return APPEND_OK;
    const enum record_verdict verdict =
        record_batch_validate(partition->records, &terms->rules, &call->broker->unpack, &batch, &outcome->record_index);
    outcome->verdict = (uint8_t)verdict;
    outcome->error = (int16_t)record_verdict_error(verdict);
    if (outcome->error != ERROR_NONE) return APPEND_OK;
    if ((batch.attributes & RECORD_BATCH_TRANSACTIONAL) != 0 || producing->request.transactional_id.data != NULL) {
        outcome->error = ERROR_INVALID_TXN_STATE; /* its partition was never added to a transaction */
        return APPEND_OK;
    }
    return append(call, &place, &batch, terms->rules.log_append_time, outcome);
}

/* Appends from where it left off; false: the logs have no room now. */
static bool produce_all(struct producing *producing)
{
    const struct produce_request *request = &producing->request;
    struct progress *progress = producing->progress;
    uint32_t number = 0;

    for (uint32_t i = 0; i < request->topics_count; i++) {
        const struct produce_request_topic *from = &request->topics[i];
        if (number + from->partitions_count <= progress->done_count) {
            number += from->partitions_count;
            continue;
        }
        const struct terms terms = terms_of(producing, from->name);
        for (uint32_t j = 0; j < from->partitions_count; j++, number++) {
            struct outcome *outcome = &progress->outcomes[number];
            if (number < progress->done_count && !MUTANT(broker_appends_again)) continue;
            const enum append_verdict verdict = produce_one(producing, &terms, &from->partitions[j], outcome);
            if (verdict == APPEND_NO_MEMORY) return false;
            progress->done_count++;
        }
    }
    return true;
}

static void forget_if_deposed(const struct producing *producing, struct outcome *outcome)
{
    if (!outcome->appended || MUTANT(broker_awaits_other_epochs)) return;
    if (replicas_leader_epoch(producing->call->replicas, outcome->log) == outcome->leader_epoch) return;
    outcome->appended = false;
    outcome->error = ERROR_NOT_LEADER_OR_FOLLOWER;
    outcome->base_offset = -1;
}

/* Who is told of such a loss while it waits for replicas must not miss it while it waits for room. */
static void forget_if_too_few(const struct producing *producing, struct outcome *outcome)
{
    const struct call *call = producing->call;

    if (!outcome->appended || outcome->queue != QUEUE_COMMITTED || MUTANT(broker_forgets_min_isr)) return;
    if (replicas_may_append(call->replicas, outcome->log, true) != APPEND_NOT_ENOUGH) return;
    if (outcome->end_offset <= log_offsets(call->logs, outcome->log).high_watermark) return; /* committed before */
    outcome->appended = false;
    outcome->error = ERROR_NOT_ENOUGH_REPLICAS_AFTER_APPEND;
}

/* What was appended before the request had to wait may be gone by now: with its topic (the slot that it was in is
 * nobody's, or another's), or with our leadership (the offset that it was given may be another record's); or too few
 * replicas may be left to commit it soon. */
static void forget_lost(const struct producing *producing)
{
    const struct produce_request *request = &producing->request;
    const struct image *image = producing->call->image;
    struct outcome *outcome = producing->progress->outcomes;

    for (uint32_t i = 0; i < request->topics_count; i++) {
        const uint32_t topic = image_topic_by_name(image, request->topics[i].name);
        for (uint32_t j = 0; j < request->topics[i].partitions_count; j++, outcome++) {
            if (outcome->log == SLOT_NONE) continue;
            if (topic != SLOT_NONE && uuid_equal(&image_topic(image, topic)->id, &outcome->topic_id)) {
                forget_if_deposed(producing, outcome);
                forget_if_too_few(producing, outcome);
                continue;
            }
            outcome->log = SLOT_NONE;
            outcome->appended = false;
            outcome->error = ERROR_UNKNOWN_TOPIC_OR_PARTITION; /* the client looks for it anew */
        }
    }
}

/* ---- the answer ---- */

static bool put_record_error(struct call *call, const struct outcome *outcome,
                             struct produce_response_partition *answer)
{
    if (outcome->verdict == RECORD_VERDICT_OK) return true;
    answer->error_message = record_verdict_text((enum record_verdict)outcome->verdict);
    if (outcome->record_index == RECORD_INDEX_NONE) return true;
    answer->record_errors = arena_take(call->arena, 1, sizeof *answer->record_errors);
    if (answer->record_errors == NULL) return false;
    answer->record_errors_count = 1;
    answer->record_errors[0] = produce_response_record_error_default;
    answer->record_errors[0].batch_index = outcome->record_index;
    answer->record_errors[0].message = answer->error_message;
    return true;
}

/* KIP-951: who it is instead, so that the client need not ask. */
static void put_leader(struct call *call, const struct outcome *outcome, struct produce_response *response,
                       struct produce_response_partition *answer)
{
    struct broker_address address;
    const struct image_partition *partition = image_partition(call->image, outcome->log);

    answer->has_current_leader = true;
    answer->current_leader.leader_id = partition->leader;
    answer->current_leader.leader_epoch = partition->leader_epoch;
    for (uint32_t i = 0; i < response->node_endpoints_count; i++) {
        if (response->node_endpoints[i].node_id == partition->leader) return;
    }
    if (response->node_endpoints_count == ENDPOINTS_MAX || !address_of_id(call->image, partition->leader, &address)) {
        return;
    }
    response->node_endpoints[response->node_endpoints_count++] = (struct produce_response_node_endpoint){
        .node_id = address.id, .host = address.host, .port = address.port, .rack = address.rack
    };
}

static bool put_partition(const struct producing *producing, uint32_t number, int32_t index,
                          struct produce_response *response, struct produce_response_partition *answer)
{
    struct call *call = producing->call;
    const struct outcome *outcome = &producing->progress->outcomes[number];

    *answer = produce_response_partition_default;
    answer->index = index;
    answer->error_code = outcome->error;
    answer->base_offset = outcome->base_offset;
    answer->log_append_time_ms = outcome->log_append_time;
    answer->log_start_offset = outcome->log_start_offset;
    if (outcome->error == ERROR_NOT_LEADER_OR_FOLLOWER) put_leader(call, outcome, response, answer);
    return put_record_error(call, outcome, answer);
}

static bool put_answer(const struct producing *producing)
{
    struct call *call = producing->call;
    const struct produce_request *request = &producing->request;
    struct produce_response response = produce_response_default;
    struct produce_response_node_endpoint endpoints[ENDPOINTS_MAX];
    uint32_t number = 0;

    response.node_endpoints = endpoints;
    response.throttle_time_ms = call->throttle_ms;
    response.topics = arena_take(call->arena, request->topics_count, sizeof *response.topics);
    if (response.topics == NULL) return false;
    for (uint32_t i = 0; i < request->topics_count; i++) {
        const struct produce_request_topic *from = &request->topics[i];
        struct produce_response_topic *to = &response.topics[response.topics_count++];
        *to = (struct produce_response_topic){ .name = from->name };
        to->partitions = arena_take(call->arena, from->partitions_count, sizeof *to->partitions);
        if (to->partitions == NULL) return false;
        to->partitions_count = from->partitions_count;
        for (uint32_t j = 0; j < from->partitions_count; j++, number++) {
            if (!put_partition(producing, number, from->partitions[j].index, &response, &to->partitions[j]))
                return false;
        }
    }
    produce_response_write(call->out, call->version, &response);
    return true;
}

/* What the answer has to wait for. */
static bool put_produced(const struct producing *producing)
{
    struct call *call = producing->call;
    struct produced *produced = arena_take(call->arena, producing->partition_count, sizeof *produced);

    if (produced == NULL) return false;
    for (uint32_t number = 0; number < producing->partition_count; number++) {
        const struct outcome *outcome = &producing->progress->outcomes[number];
        if (!outcome->appended || outcome->queue == QUEUE_COUNT) continue;
        produced[call->produced_count++] = (struct produced){
            .log = outcome->log,
            .number = number,
            .queue = (enum waits_queue)outcome->queue,
            .end_offset = outcome->end_offset,
        };
    }
    call->produced = produced;
    return true;
}

static uint32_t count_errors(const struct producing *producing, int16_t *last)
{
    uint32_t count = 0;

    for (uint32_t number = 0; number < producing->partition_count; number++) {
        if (producing->progress->outcomes[number].error == ERROR_NONE) continue;
        *last = producing->progress->outcomes[number].error;
        count++;
    }
    return count;
}

static enum call_verdict conclude(const struct producing *producing)
{
    struct call *call = producing->call;
    int16_t error = ERROR_NONE;
    const uint32_t errors = count_errors(producing, &error);

    call->failed = errors > 0;
    call->broker->counters.produce_errors += errors;
    call_throttle(call, call->body.size);
    if (producing->request.acks == ACKS_NONE) {
        if (errors == 0) return CALL_SILENT;
        NOTE(call->effects, PRODUCE_REFUSED, call->link, error);
        return CALL_CLOSE; /* all that a producer who wants no answers can be told */
    }
    /* Room was made sure of before the first append: from here on nothing may fail. */
    CHECK(put_answer(producing) && put_produced(producing));
    call->wait.deadline_ns = call_deadline_ns(call, producing->request.timeout_ms);
    return CALL_PRODUCED;
}

/* ---- the request ---- */

/* Upper bounds of what answering will take, so that all of it can be had before anything is done. */
static bool count_request(struct producing *producing, uint64_t *answer_size)
{
    const struct produce_request *request = &producing->request;
    uint64_t partitions = 0;

    *answer_size = ANSWER_REST_SIZE_MAX;
    for (uint32_t i = 0; i < request->topics_count; i++) {
        partitions += request->topics[i].partitions_count;
        *answer_size += request->topics[i].name.size + ANSWER_TOPIC_SIZE_MAX;
    }
    const uint64_t progress_size = sizeof(struct progress) + partitions * sizeof(struct outcome);
    *answer_size += partitions * ANSWER_PARTITION_SIZE_MAX + progress_size;
    producing->partition_count = (uint32_t)partitions;
    const uint64_t arena_left = producing->call->arena->size - producing->call->arena->used;
    const uint64_t arena_wanted =
        progress_size + request->topics_count * sizeof(struct produce_response_topic) +
        partitions * (sizeof(struct produce_response_partition) + sizeof(struct produce_response_record_error) +
                      sizeof(struct produced)) +
        (uint64_t)(request->topics_count + partitions + 4) * 2 * ARENA_ALIGNMENT;
    return arena_wanted <= arena_left && *answer_size <= ANSWER_SIZE_MAX;
}

static enum call_verdict refuse_acks(struct producing *producing)
{
    for (uint32_t number = 0; number < producing->partition_count; number++) {
        producing->progress->outcomes[number] = (struct outcome){
            .error = ERROR_INVALID_REQUIRED_ACKS,
            .log = SLOT_NONE,
            .record_index = RECORD_INDEX_NONE,
            .base_offset = -1,
            .log_append_time = -1,
            .log_start_offset = -1,
        };
    }
    return conclude(producing);
}

static enum call_verdict wait_for_room(struct producing *producing, uint32_t progress_size)
{
    struct call *call = producing->call;
    struct broker *broker = call->broker;
    struct link *link = link_at(broker, call->link);

    if (answers_kept(broker, link) == NULL) {
        memcpy(answers_keep(broker, link, progress_size), producing->progress, progress_size);
    }
    call->wait = (struct wait){ .what = WAIT_APPEND, .deadline_ns = UINT64_MAX };
    /* With no answer to come there is nobody to be told that it took too long. */
    if (producing->request.acks != ACKS_NONE) {
        call->wait.deadline_ns = call_deadline_ns(call, producing->request.timeout_ms);
    }
    broker->counters.throttles++;
    return CALL_WAITS;
}

enum call_verdict produce_handle(struct call *call)
{
    struct broker *broker = call->broker;
    struct link *link = link_at(broker, call->link);
    struct producing producing = { .call = call, .progress = answers_kept(broker, link) };
    struct reader reader = reader_of(call->body);
    uint64_t answer_size;

    if (!produce_request_read(&reader, call->version, call->arena, &producing.request)) return CALL_MALFORMED;
    if (!count_request(&producing, &answer_size)) return CALL_MALFORMED;
    if (producing.partition_count > broker->waits.entries_max / 2) return CALL_MALFORMED;
    if (!call_reserve(call, (uint32_t)answer_size)) return CALL_WAITS;
    if (!waits_have_room(&broker->waits, QUEUE_COMMITTED, producing.partition_count)) {
        call->wait = (struct wait){ .what = WAIT_ANSWER, .deadline_ns = UINT64_MAX };
        return CALL_WAITS;
    }
    const uint32_t progress_size =
        (uint32_t)(sizeof(struct progress) + producing.partition_count * sizeof(struct outcome));
    if (producing.progress == NULL) {
        producing.progress = arena_take(call->arena, 1, progress_size);
        producing.progress->done_count = 0;
        if (producing.partition_count > 0)
            memset(producing.progress->outcomes, 0, progress_size - sizeof(struct progress));
    }
    const int16_t acks = producing.request.acks;
    if (acks != ACKS_NONE && acks != ACKS_LEADER && acks != ACKS_ALL) return refuse_acks(&producing);
    /* Who came first tries first: small batches must not pass a large one for ever. */
    const bool others_wait = broker->lists[LIST_APPEND].first != LINK_NONE && !call->resumed;
    if (others_wait || !produce_all(&producing)) {
        /* An error as answer would let through what was sent behind it on this link, as an idempotent producer's first
         * batch in a partition even without the one before it. The client sends all of it again, in order. */
        return call->timed_out ? CALL_CLOSE : wait_for_room(&producing, progress_size);
    }
    if (call->resumed) forget_lost(&producing);
    return conclude(&producing);
}

/* ---- waiting ---- */

void produce_answered(struct broker *broker, uint32_t number, const struct call *call)
{
    struct answer *answer = answer_at(broker, number);

    for (uint32_t i = 0; i < call->produced_count; i++) {
        const struct produced *produced = &call->produced[i];
        const struct log_offsets offsets = log_offsets(broker->rooms.logs, produced->log);
        const int64_t mark = produced->queue == QUEUE_COMMITTED ? offsets.high_watermark : offsets.durable_offset;
        if (produced->end_offset <= mark || MUTANT(broker_ack_before_durable)) {
            MAYBE(true); /* a duplicate of what was durable before */
            continue;
        }
        waits_add(&broker->waits, produced->queue, produced->log, number, produced->end_offset, &answer->waits_first)
            ->number = produced->number;
        answer->waiting_count++;
    }
    if (answer->waiting_count == 0) answer_ready(broker, number);
}

static void reach(struct broker *broker, uint32_t entry)
{
    const uint32_t number = waits_at(&broker->waits, entry)->owner;
    struct answer *answer = answer_at(broker, number);

    CHECK(answer->state == ANSWER_WAITS && answer->waiting_count > 0);
    waits_reach(&broker->waits, entry);
    if (--answer->waiting_count == 0) answer_ready(broker, number);
}

static void reach_up_to(struct broker *broker, enum waits_queue queue, uint32_t log, int64_t mark)
{
    for (;;) {
        const uint32_t entry = waits_first(&broker->waits, queue, log);
        if (entry == WAITS_NONE || waits_at(&broker->waits, entry)->offset > mark) break;
        reach(broker, entry);
    }
}

void produce_progress(struct broker *broker, uint32_t log, int64_t durable_offset, int64_t high_watermark)
{
    reach_up_to(broker, QUEUE_DURABLE, log, durable_offset);
    reach_up_to(broker, QUEUE_COMMITTED, log, high_watermark);
}

void produce_lost(struct broker *broker, enum waits_queue queue, uint32_t log, enum error error)
{
    for (;;) {
        const uint32_t entry = waits_first(&broker->waits, queue, log);
        if (entry == WAITS_NONE) break;
        struct waits_entry *lost = waits_at(&broker->waits, entry);
        lost->error = (int16_t)error;
        answer_at(broker, lost->owner)->failed = true;
        broker->counters.produce_errors++;
        reach(broker, entry);
    }
}

void produce_expire(struct broker *broker, uint32_t number)
{
    struct answer *answer = answer_at(broker, number);

    CHECK(answer->state == ANSWER_WAITS && answer->waiting_count > 0);
    answer->failed = true;
    broker->counters.produce_timeouts++;
    for (uint32_t entry = answer->waits_first; entry != WAITS_NONE;
         entry = waits_at(&broker->waits, entry)->owner_next) {
        struct waits_entry *late = waits_at(&broker->waits, entry);
        if (late->queue >= QUEUE_COUNT) continue; /* reached in time */
        late->error = MUTANT(timeout_is_success) ? ERROR_NONE : ERROR_REQUEST_TIMED_OUT;
        broker->counters.produce_errors++;
    }
}

/* The partition that is the `number`th of an answer, over all topics. */
static struct produce_response_partition *partition_at(const struct produce_response *response, uint64_t number)
{
    for (uint32_t i = 0; i < response->topics_count; i++) {
        if (number < response->topics[i].partitions_count) return &response->topics[i].partitions[number];
        number -= response->topics[i].partitions_count;
    }
    CHECK(false);
    return NULL;
}

void produce_patch(struct broker *broker, uint32_t number)
{
    struct answer *answer = answer_at(broker, number);
    uint8_t *bytes = broker->answer_memory + answer->bytes_at;
    struct reader reader = reader_of((struct bytes){ bytes + FRAME_HEAD_SIZE, answer->bytes_size - FRAME_HEAD_SIZE });
    struct produce_response response;
    int32_t correlation_id;

    /* An error code has the same size whatever its value: so the bytes are read, changed, and written to their place.
     * By way of other memory, because the strings that were read lie in these bytes. */
    arena_reset(&broker->arena);
    CHECK(response_header_read(&reader, answer->api_key, answer->version, &correlation_id));
    const uint32_t body_at = (uint32_t)(reader.at - bytes);
    CHECK(produce_response_read(&reader, answer->version, &broker->arena, &response) && reader_left(&reader) == 0);
    for (uint32_t entry = answer->waits_first; entry != WAITS_NONE;
         entry = waits_at(&broker->waits, entry)->owner_next) {
        const struct waits_entry *done = waits_at(&broker->waits, entry);
        if (done->error != ERROR_NONE) partition_at(&response, done->number)->error_code = done->error;
    }
    struct writer writer = writer_of(broker->scratch, answer->bytes_size - body_at);
    produce_response_write(&writer, answer->version, &response);
    CHECK(writer_ok(&writer) && writer.size == answer->bytes_size - body_at);
    memcpy(bytes + body_at, broker->scratch, writer.size);
}
