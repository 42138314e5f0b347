/* fetch.c -- gives a consumer what lies behind the offsets it names, below the high watermark.
 *
 * Any replica serves up to the high watermark that it knows (KIP-392), if the client is one that may be sent to
 * another replica. The leader sends it to one in the client's rack that holds what it asks for; a follower that does
 * not hold it cannot say that nobody does: OFFSET_NOT_AVAILABLE sends the client back to the leader.
 *
 * First it is asked of every partition what there is, without reading; only when that is enough, or the time is over,
 * or something is wrong, is anything read and answered. Otherwise the request waits in the queues of its logs, and
 * what they gain is summed up there: a step of one log costs a waiting request O(1), however many partitions it has.
 *
 * Fetch sessions are never opened: session id 0 is answered, and clients then name all partitions each time. */
#include "base/check.h"
#include "broker/apis.h"
#include "broker/partitions.h"
#include "broker/state.h"
#include "codec/messages.h"
#include "replica/replicas.h"

enum {
    RESPONSE_SIZE_MAX = 55 << 20, /* fetch.max.bytes */
    SESSION_EPOCH_FULL = 0,
    SESSION_EPOCH_FINAL = -1,
    READ_COMMITTED = 1,
    CONSUMER_ID_MAX = -1,         /* replica ids from 0 on are brokers */
    READ_WAITS_MAX = 3,           /* times that a request waits for the disk if others have something for it */
    KEPT_READ_WAITS = 0,          /* kept: how often it did */
    FIRST_VERSION_WITH_RACK = 11, /* clients that know of replicas that are not the leader */
    REPLICA_NOT_PREFERRED = -1,   /* preferred_read_replica: stay here */
    ENDPOINTS_MAX = 16,
    PIN_SHARE = 4,        /* answers may pin this part of the tail's memory, */
    ANSWER_PIN_SHARE = 4, /* and one answer this part of what is left of it */
};
#define POLL_NS (50 * NS_PER_MS) /* how often a request looks by itself when there is no room for its waits */

/* One partition of the request, as it stands. */
struct target {
    const struct fetch_request_partition *asked;
    struct place place;
    int16_t error;
    uint32_t size_max;
    int32_t preferred;          /* the replica to be asked instead; REPLICA_NOT_PREFERRED */
    struct log_offsets offsets; /* asked once: all that is said of the log is of one moment */
    uint64_t available_size;
    const struct log_read *read;
};

struct fetching {
    struct call *call;
    struct fetch_request request;
    struct target *targets; /* over all topics */
    uint32_t target_count;
    uint64_t available_size;
    bool failed;  /* a partition has an error: answered at once */
    bool is_sent; /* a partition is to be read elsewhere: the same */
};

/* ---- what there is ---- */

static int32_t replica_id(const struct call *call, const struct fetch_request *request)
{
    return call->version >= 15 ? request->replica_state.replica_id : request->replica_id;
}

static uint32_t find_topic(const struct call *call, const struct fetch_request_topic *topic)
{
    if (call->version >= 13) return image_topic_by_id(call->image, &topic->topic_id);
    return image_topic_by_name(call->image, topic->name);
}

/* Consumers read below the high watermark. Nothing above it may ever be seen: it may be lost again. */
static int64_t end_of(const struct target *target)
{
    return MUTANT(broker_fetch_above_high_watermark) ? target->offsets.log_end_offset : target->offsets.high_watermark;
}

static uint64_t size_between(const struct logs *logs, uint32_t log, int64_t offset, int64_t end)
{
    if (offset >= end) return 0;
    const uint64_t size = logs_bytes_between(logs, log, offset, end);
    return MAX(size, (uint64_t)1); /* something is there, whatever is known */
}

/* An offset that is not in this log at all. What a follower lacks its leader may have. */
static int16_t error_of_offset(const struct target *target, int64_t offset)
{
    if (offset >= target->offsets.log_start_offset && offset <= target->offsets.log_end_offset) return ERROR_NONE;
    const bool is_denied = target->place.is_led || MUTANT(broker_follower_denies);
    if (offset > target->offsets.log_end_offset && !is_denied) return ERROR_OFFSET_NOT_AVAILABLE;
    return ERROR_OFFSET_OUT_OF_RANGE;
}

static bool is_in_rack(const struct image *image, int32_t broker_id, struct bytes rack)
{
    const uint32_t slot = image_broker_by_id(image, broker_id);

    if (slot == SLOT_NONE) return false;
    const struct image_broker *broker = image_broker(image, slot);
    return bytes_equal((struct bytes){ broker->rack, broker->rack_size }, rack);
}

/* An observer in the client's rack that holds what it asks for; none, if there is none that is alive. */
static int32_t preferred_observer(const struct call *call, const struct target *target, struct bytes rack)
{
    const struct image_partition *partition = target->place.partition;

    for (uint32_t i = 0; i < partition->observer_count; i++) {
        /* One that was removed is named for a while: partitions are settled one after the other. */
        const uint32_t slot = image_broker_by_id(call->image, partition->observers[i]);
        if (!is_in_rack(call->image, partition->observers[i], rack) || image_broker(call->image, slot)->fenced)
            continue;
        const int64_t held = replicas_held_offset(call->replicas, target->place.log, partition->observers[i]);
        if (held >= target->asked->fetch_offset) return partition->observers[i];
    }
    return REPLICA_NOT_PREFERRED;
}

/* Of the replicas in the client's rack that are in sync and hold what it asks for, the one that holds most; none, if
 * this one is in that rack. */
static int32_t preferred_replica(const struct fetching *fetching, const struct target *target)
{
    const struct call *call = fetching->call;
    const struct image_partition *partition = target->place.partition;
    const struct bytes rack = fetching->request.rack_id;
    int32_t preferred = REPLICA_NOT_PREFERRED;
    int64_t preferred_end = target->asked->fetch_offset - 1;

    if (rack.size == 0 || !target->place.is_led || call->version < FIRST_VERSION_WITH_RACK) return preferred;
    if (is_in_rack(call->image, partition->leader, rack)) return preferred;
    for (uint32_t i = 0; i < partition->replica_count; i++) {
        const int32_t id = partition->replicas[i];
        if (id == partition->leader || (partition->isr >> i & 1) == 0 || !is_in_rack(call->image, id, rack)) continue;
        const int64_t end = replicas_held_offset(call->replicas, target->place.log, id);
        if (end <= preferred_end) continue;
        preferred = id;
        preferred_end = end;
    }
    return preferred != REPLICA_NOT_PREFERRED ? preferred : preferred_observer(call, target, rack);
}

static void examine(struct fetching *fetching, uint32_t topic, struct target *target)
{
    struct call *call = fetching->call;
    const struct fetch_request_partition *asked = target->asked;
    const bool anywhere = call->version >= FIRST_VERSION_WITH_RACK;

    target->place =
        (anywhere ? partition_place_to_read : partition_place)(call, topic, asked->index, asked->current_leader_epoch);
    target->error = (int16_t)target->place.error;
    if (topic == SLOT_NONE && call->version >= 13) target->error = ERROR_UNKNOWN_TOPIC_ID;
    if (target->error == ERROR_NONE && replica_id(call, &fetching->request) > CONSUMER_ID_MAX) {
        target->error = ERROR_NOT_LEADER_OR_FOLLOWER; /* followers are not served on this port */
    }
    if (target->error != ERROR_NONE) return;
    target->offsets = log_offsets(call->logs, target->place.log);
    target->error = error_of_offset(target, asked->fetch_offset);
    if (target->error != ERROR_NONE) return;
    target->preferred = preferred_replica(fetching, target);
    if (target->preferred != REPLICA_NOT_PREFERRED) {
        fetching->is_sent = true;
        return;
    }
    target->size_max = asked->partition_max_bytes < 0 ? 0 : (uint32_t)asked->partition_max_bytes;
    target->available_size = size_between(call->logs, target->place.log, asked->fetch_offset, end_of(target));
    fetching->available_size += MIN(target->available_size, (uint64_t)MAX(target->size_max, 1U));
}

static bool examine_all(struct fetching *fetching)
{
    const struct fetch_request *request = &fetching->request;
    uint64_t count = 0;

    for (uint32_t i = 0; i < request->topics_count; i++) count += request->topics[i].partitions_count;
    fetching->targets = arena_take(fetching->call->arena, (uint32_t)count, sizeof *fetching->targets);
    if (fetching->targets == NULL) return false;
    for (uint32_t i = 0; i < request->topics_count; i++) {
        const struct fetch_request_topic *from = &request->topics[i];
        const uint32_t topic = find_topic(fetching->call, from);
        for (uint32_t j = 0; j < from->partitions_count; j++) {
            struct target *target = &fetching->targets[fetching->target_count++];
            *target = (struct target){
                .asked = &from->partitions[j],
                .place.log = SLOT_NONE,
                .preferred = REPLICA_NOT_PREFERRED,
            };
            examine(fetching, topic, target);
            fetching->failed = fetching->failed || target->error != ERROR_NONE;
        }
    }
    return true;
}

/* ---- waiting for more ---- */

static enum call_verdict wait_for_more(struct fetching *fetching)
{
    struct call *call = fetching->call;
    struct waits *waits = &call->broker->waits;
    struct link *link = link_at(call->broker, call->link);
    const uint64_t deadline_ns = call_deadline_ns(call, fetching->request.max_wait_ms);

    if (!waits_have_room(waits, QUEUE_FETCH, fetching->target_count)) {
        call->wait = (struct wait){ WAIT_TIME, 0, MIN(deadline_ns, call->mono_ns + POLL_NS) };
        return CALL_WAITS;
    }
    for (uint32_t i = 0; i < fetching->target_count; i++) {
        const struct target *target = &fetching->targets[i];
        waits_add(waits, QUEUE_FETCH, target->place.log, call->link, target->asked->fetch_offset, &link->fetch_first)
            ->number = target->available_size;
    }
    link->fetch_size = fetching->available_size;
    call->wait = (struct wait){ WAIT_FETCH, (uint64_t)fetching->request.min_bytes, deadline_ns };
    return CALL_WAITS;
}

void fetch_progress(struct broker *broker, uint32_t log, int64_t high_watermark)
{
    for (uint32_t entry = waits_first(&broker->waits, QUEUE_FETCH, log); entry != WAITS_NONE;
         entry = waits_next(&broker->waits, entry)) {
        struct waits_entry *at = waits_at(&broker->waits, entry);
        struct link *link = link_at(broker, at->owner);
        const uint64_t size = size_between(broker->rooms.logs, log, at->offset, high_watermark);
        if (size <= at->number) continue;
        link->fetch_size += size - at->number;
        at->number = size;
        if (link->fetch_size >= link->wait.value) link_wake(broker, link);
    }
}

void fetch_lost(struct broker *broker, uint32_t log)
{
    for (uint32_t entry = waits_first(&broker->waits, QUEUE_FETCH, log); entry != WAITS_NONE;
         entry = waits_next(&broker->waits, entry)) {
        link_wake(broker, link_at(broker, waits_at(&broker->waits, entry)->owner));
    }
}

/* ---- reading ---- */

static void unpin_all(struct fetching *fetching)
{
    for (uint32_t i = 0; i < fetching->target_count; i++) {
        struct target *target = &fetching->targets[i];
        if (target->read != NULL) logs_unpin(fetching->call->logs, target->read);
        target->read = NULL;
    }
}

/* What the answer will take of the arena, whatever is read. */
static size_t answer_arena_size(const struct fetching *fetching)
{
    const uint64_t targets = fetching->target_count, topics = fetching->request.topics_count;

    return (size_t)((targets + 1) * (sizeof(struct referred) + sizeof(struct fetch_response_partition)) +
                    (topics + 1) * (sizeof(struct fetch_response_topic) + 2 * ARENA_ALIGNMENT));
}

/* Reads into the arena, as long as that leaves enough for the answer. */
static enum read_verdict read_one(struct fetching *fetching, struct target *target, uint32_t size_max, bool first)
{
    struct call *call = fetching->call;
    struct arena *arena = call->arena;
    const size_t used = arena->used;
    struct log_read *read;

    if (arena->size - used < sizeof *read + answer_arena_size(fetching)) return READ_OK; /* the next fetch gets it */
    read = arena_take(arena, 1, sizeof *read);
    const enum read_verdict verdict = logs_read(call->logs, target->place.log, target->asked->fetch_offset,
                                                end_of(target), size_max, first, call->waiter, read, call->effects);
    if (verdict == READ_OK && read->piece_count > 0) target->read = read;
    else arena->used = used;
    return verdict;
}

struct reading {
    uint64_t size;
    bool waits; /* a partition's bytes are still to come from the disk */
};

static struct reading read_all(struct fetching *fetching, uint64_t size_max)
{
    struct reading reading = { 0 };

    for (uint32_t i = 0; i < fetching->target_count; i++) {
        struct target *target = &fetching->targets[i];
        const bool first = reading.size == 0 && !MUTANT(broker_first_batch_cut); /* KIP-74 */
        if (target->error != ERROR_NONE || target->available_size == 0) continue;
        if (reading.size >= size_max && !first) break;
        const uint64_t left = size_max > reading.size ? size_max - reading.size : 0;
        switch (read_one(fetching, target, (uint32_t)MIN(left, (uint64_t)target->size_max), first)) {
        case READ_OK:
            if (target->read != NULL) reading.size += target->read->size;
            break;
        case READ_WAITS:
        case READ_BUSY: reading.waits = true; break;
        case READ_OUT_OF_RANGE: target->error = ERROR_OFFSET_OUT_OF_RANGE; break;
        case READ_CORRUPT: target->error = ERROR_KAFKA_STORAGE_ERROR; break;
        }
        fetching->failed = fetching->failed || target->error != ERROR_NONE;
    }
    return reading;
}

/* How much this answer may refer to: never more than a share of what is left, so that slow consumers cannot take all
 * of the memory that producers need. 0: nothing is left now. */
static uint64_t size_allowed(const struct fetching *fetching)
{
    const struct broker *broker = fetching->call->broker;
    const uint64_t pinned_max = broker->config.tail_memory_size / PIN_SHARE;
    const int32_t asked = fetching->request.max_bytes;

    if (broker->pinned_size >= pinned_max) return 0;
    const uint64_t share = MAX((pinned_max - broker->pinned_size) / ANSWER_PIN_SHARE, (uint64_t)1);
    return MIN(MIN(share, (uint64_t)RESPONSE_SIZE_MAX), (uint64_t)MAX(asked, 1));
}

/* ---- the answer ---- */

static void put_leader(struct call *call, const struct target *target, struct fetch_response *response,
                       struct fetch_response_partition *answer)
{
    struct broker_address address;
    const struct image_partition *partition = target->place.partition;

    answer->has_current_leader = true;
    answer->current_leader.leader_id = partition->leader;
    answer->current_leader.leader_epoch = partition->leader_epoch;
    for (uint32_t i = 0; i < response->node_endpoints_count; i++) {
        if (response->node_endpoints[i].node_id == partition->leader) return;
    }
    if (response->node_endpoints_count == ENDPOINTS_MAX || !address_of_id(call->image, partition->leader, &address)) {
        return;
    }
    response->node_endpoints[response->node_endpoints_count++] = (struct fetch_response_node_endpoint){
        .node_id = address.id, .host = address.host, .port = address.port, .rack = address.rack
    };
}

static void put_partition(struct fetching *fetching, const struct target *target, struct fetch_response *response,
                          struct fetch_response_partition *answer)
{
    static struct fetch_response_aborted_transaction none; /* an empty list, where NULL would be no list at all */

    *answer = fetch_response_partition_default;
    answer->index = target->asked->index;
    answer->error_code = target->error;
    if (fetching->request.isolation_level == READ_COMMITTED) answer->aborted_transactions = &none;
    answer->records = BYTES_LITERAL("");
    if (target->error != ERROR_NONE) {
        fetching->call->broker->counters.fetch_errors++;
        answer->high_watermark = -1;
        if (target->error == ERROR_NOT_LEADER_OR_FOLLOWER || target->error == ERROR_FENCED_LEADER_EPOCH) {
            put_leader(fetching->call, target, response, answer);
        }
        return;
    }
    answer->high_watermark = target->offsets.high_watermark;
    answer->last_stable_offset = target->offsets.high_watermark;
    answer->log_start_offset = target->offsets.log_start_offset;
    answer->preferred_read_replica = target->preferred;
    if (target->read == NULL) return;
    answer->records = (struct bytes){ (const uint8_t *)(const void *)target->read, target->read->size };
    fetching->call->broker->counters.fetched_size += target->read->size;
}

static bool put_topics(struct fetching *fetching, struct fetch_response *response)
{
    const struct fetch_request *request = &fetching->request;
    struct arena *arena = fetching->call->arena;
    const struct target *target = fetching->targets;

    response->topics = arena_take(arena, request->topics_count, sizeof *response->topics);
    if (response->topics == NULL) return false;
    for (uint32_t i = 0; i < request->topics_count; i++) {
        const struct fetch_request_topic *from = &request->topics[i];
        struct fetch_response_topic *to = &response->topics[response->topics_count++];
        *to = (struct fetch_response_topic){ .name = from->name, .topic_id = from->topic_id };
        to->partitions = arena_take(arena, from->partitions_count, sizeof *to->partitions);
        if (to->partitions == NULL) return false;
        for (uint32_t j = 0; j < from->partitions_count; j++) {
            put_partition(fetching, target++, response, &to->partitions[to->partitions_count++]);
        }
    }
    return true;
}

/* Bytes of records that the answer gives. */
static uint64_t size_of(const struct fetching *fetching)
{
    uint64_t size = 0;

    for (uint32_t i = 0; i < fetching->target_count; i++) {
        if (fetching->targets[i].read != NULL) size += fetching->targets[i].read->size;
    }
    return size;
}

static enum call_verdict answer(struct fetching *fetching)
{
    struct call *call = fetching->call;
    struct fetch_response response = fetch_response_default;
    struct fetch_response_node_endpoint endpoints[ENDPOINTS_MAX];
    struct referred *referred = arena_take(call->arena, MAX(fetching->target_count, 1U), sizeof *referred);

    response.node_endpoints = endpoints;
    if (referred == NULL || !put_topics(fetching, &response)) {
        unpin_all(fetching);
        return CALL_MALFORMED;
    }
    call->failed = fetching->failed;
    response.throttle_time_ms = call_throttle(call, size_of(fetching));
    writer_refer(call->out, referred, MAX(fetching->target_count, 1U));
    fetch_response_write(call->out, call->version, &response);
    return CALL_ANSWERED; /* the pins are the answer's now */
}

/* ---- the request ---- */

static enum call_verdict refuse_session(struct call *call)
{
    struct fetch_response response = fetch_response_default;

    response.error_code = ERROR_FETCH_SESSION_ID_NOT_FOUND;
    call->failed = true;
    fetch_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}

static bool is_over(const struct fetching *fetching)
{
    const struct call *call = fetching->call;

    /* Not call->timed_out, which is also said of a look in between. */
    return fetching->request.max_wait_ms <= 0 || call->broker->stopping ||
           call->mono_ns >= call_deadline_ns(call, fetching->request.max_wait_ms);
}

enum call_verdict fetch_handle(struct call *call)
{
    struct fetching fetching = { .call = call };
    const struct fetch_request *request = &fetching.request;
    struct reader reader = reader_of(call->body);

    if (!fetch_request_read(&reader, call->version, call->arena, &fetching.request)) return CALL_MALFORMED;
    if (request->session_epoch != SESSION_EPOCH_FULL && request->session_epoch != SESSION_EPOCH_FINAL) {
        return refuse_session(call);
    }
    if (!examine_all(&fetching)) return CALL_MALFORMED;
    const bool enough = request->min_bytes <= 0 || fetching.available_size >= (uint64_t)request->min_bytes;
    const bool at_once = fetching.failed || fetching.is_sent || fetching.target_count == 0;
    if (!enough && !at_once && !is_over(&fetching)) return wait_for_more(&fetching);

    const uint64_t size_max = size_allowed(&fetching);
    if (size_max == 0 && fetching.available_size > 0) {
        call->wait = (struct wait){ WAIT_ANSWER, 0, UINT64_MAX };
        return CALL_WAITS;
    }
    const struct reading reading = read_all(&fetching, size_max);
    /* With something to give, the disk is waited for only so often: else hot partitions would suffer for cold ones,
     * but cold ones must have their turn, too. */
    const bool patient = reading.size == 0 || call->kept[KEPT_READ_WAITS] < READ_WAITS_MAX;
    if (reading.waits && patient && !fetching.failed && !call->broker->stopping) {
        call->kept[KEPT_READ_WAITS]++;
        unpin_all(&fetching);
        call->wait = (struct wait){ WAIT_READ, 0, UINT64_MAX };
        return CALL_WAITS;
    }
    return answer(&fetching);
}
