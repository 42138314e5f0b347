/* list_offsets.c -- where does a log begin and end, and which offset belongs to a time?
 *
 * What is committed is all that is seen here, too: the end is the high watermark, and a record above it is not found.
 * A new leader may not know yet all that its predecessor has shown: until it does, it does not say where the end is
 * (KIP-207), because an end that goes back is one that makes consumers read again, or skip.
 * Times are looked up on disk. All partitions are asked at once, and what is known already is kept while the others
 * wait, so that none is looked up twice. */
#include "base/check.h"
#include "broker/apis.h"
#include "broker/partitions.h"
#include "broker/state.h"
#include "codec/messages.h"
#include "replica/replicas.h"

enum {
    TIMESTAMP_LATEST = -1,
    TIMESTAMP_EARLIEST = -2,
    TIMESTAMP_MAX = -3,            /* from version 7 on */
    TIMESTAMP_EARLIEST_LOCAL = -4, /* from version 8 on */
    TIMESTAMP_LATEST_TIERED = -5,  /* from version 9 on */
    EPOCHS_WALKED_MAX = 64,
    FIRST_VERSION_WITH_OFFSET_NOT_AVAILABLE = 5,
};

struct found {
    bool known;
    int16_t error;
    int32_t leader_epoch;
    int64_t offset;
    int64_t timestamp;
};

struct listing {
    struct call *call;
    struct list_offsets_request request;
    struct found *found; /* over all topics */
    uint32_t count;
    bool waits;
};

static const struct found not_found = { true, ERROR_NONE, -1, -1, -1 };

static bool is_served(int16_t version, int64_t timestamp)
{
    switch (timestamp) {
    case TIMESTAMP_MAX: return version >= 7;
    case TIMESTAMP_EARLIEST_LOCAL: return version >= 8;
    case TIMESTAMP_LATEST_TIERED: return version >= 9;
    default: return true;
    }
}

/* The leader epoch in which the record at the log's start was written: the first that ends behind it. */
static int32_t earliest_epoch(const struct logs *logs, uint32_t log, const struct log_offsets *offsets)
{
    int32_t epoch = offsets->leader_epoch;

    for (uint32_t i = 0; i < EPOCHS_WALKED_MAX && epoch > 0; i++) {
        const struct epoch_end before = log_epoch_end(logs, log, epoch - 1);
        if (before.leader_epoch < 0 || before.end_offset <= offsets->log_start_offset) break;
        epoch = before.leader_epoch;
    }
    return epoch;
}

/* What lies at the end is not known, or it is known that there is nothing. */
static struct found nothing(const struct call *call, uint32_t log)
{
    struct found found = not_found;

    if (replicas_watermark_is_known(call->replicas, log) || MUTANT(broker_guesses_the_end)) return found;
    found.error = call->version >= FIRST_VERSION_WITH_OFFSET_NOT_AVAILABLE ? ERROR_OFFSET_NOT_AVAILABLE
                                                                           : ERROR_LEADER_NOT_AVAILABLE;
    return found;
}

static struct found find_time(struct listing *listing, uint32_t log, int64_t timestamp,
                              const struct log_offsets *offsets)
{
    struct call *call = listing->call;
    struct time_answer answer = { -1, -1, -1 };
    struct found found = not_found;

    switch (logs_find_time(call->logs, log, timestamp, call->waiter, &answer, call->effects)) {
    case READ_OK: break;
    case READ_WAITS:
    case READ_BUSY: listing->waits = true; return (struct found){ .known = false };
    case READ_OUT_OF_RANGE: found.error = ERROR_OFFSET_OUT_OF_RANGE; return found;
    case READ_CORRUPT: found.error = ERROR_KAFKA_STORAGE_ERROR; return found;
    }
    if (answer.offset < 0 || answer.offset >= offsets->high_watermark) return nothing(call, log);
    return (struct found){ true, ERROR_NONE, answer.leader_epoch, answer.offset, answer.timestamp };
}

static struct found find(struct listing *listing, uint32_t topic, const struct list_offsets_request_partition *asked)
{
    struct call *call = listing->call;
    const struct place place = (MUTANT(list_offsets_by_anybody) ? partition_place_to_read : partition_place)(
        call, topic, asked->index, asked->current_leader_epoch);
    struct found found = not_found;

    found.error = (int16_t)place.error;
    if (found.error == ERROR_NONE && !is_served(call->version, asked->timestamp)) {
        found.error = ERROR_UNSUPPORTED_VERSION;
    }
    if (found.error != ERROR_NONE) return found;
    const struct log_offsets offsets = log_offsets(call->logs, place.log);
    switch (asked->timestamp) {
    case TIMESTAMP_LATEST:
        found = nothing(call, place.log);
        if (found.error != ERROR_NONE) return found;
        found.offset = MUTANT(broker_lists_uncommitted) ? offsets.log_end_offset : offsets.high_watermark;
        found.leader_epoch = offsets.leader_epoch;
        return found;
    case TIMESTAMP_EARLIEST:
    case TIMESTAMP_EARLIEST_LOCAL:
        found.offset = offsets.log_start_offset;
        found.leader_epoch = earliest_epoch(call->logs, place.log, &offsets);
        return found;
    case TIMESTAMP_LATEST_TIERED: return found; /* nothing is tiered */
    default: return find_time(listing, place.log, asked->timestamp, &offsets);
    }
}

static void find_all(struct listing *listing)
{
    struct found *found = listing->found;

    for (uint32_t i = 0; i < listing->request.topics_count; i++) {
        const struct list_offsets_request_topic *from = &listing->request.topics[i];
        const uint32_t topic = image_topic_by_name(listing->call->image, from->name);
        for (uint32_t j = 0; j < from->partitions_count; j++, found++) {
            if (!found->known) *found = find(listing, topic, &from->partitions[j]);
        }
    }
}

static enum call_verdict answer(struct listing *listing)
{
    struct call *call = listing->call;
    struct list_offsets_response response = list_offsets_response_default;
    const struct found *found = listing->found;

    response.topics = arena_take(call->arena, listing->request.topics_count, sizeof *response.topics);
    if (response.topics == NULL) return CALL_MALFORMED;
    for (uint32_t i = 0; i < listing->request.topics_count; i++) {
        const struct list_offsets_request_topic *from = &listing->request.topics[i];
        struct list_offsets_response_topic *to = &response.topics[response.topics_count++];
        *to = (struct list_offsets_response_topic){ .name = from->name };
        to->partitions = arena_take(call->arena, from->partitions_count, sizeof *to->partitions);
        if (to->partitions == NULL) return CALL_MALFORMED;
        for (uint32_t j = 0; j < from->partitions_count; j++, found++) {
            to->partitions[to->partitions_count++] = (struct list_offsets_response_partition){
                .index = from->partitions[j].index,
                .error_code = found->error,
                .timestamp = found->timestamp,
                .offset = found->offset,
                .leader_epoch = found->leader_epoch,
            };
            call->failed = call->failed || found->error != ERROR_NONE;
        }
    }
    list_offsets_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}

enum call_verdict list_offsets_handle(struct call *call)
{
    struct link *link = link_at(call->broker, call->link);
    struct listing listing = { .call = call, .found = answers_kept(call->broker, link) };
    struct reader reader = reader_of(call->body);
    uint64_t count = 0;

    if (!list_offsets_request_read(&reader, call->version, call->arena, &listing.request)) return CALL_MALFORMED;
    for (uint32_t i = 0; i < listing.request.topics_count; i++) count += listing.request.topics[i].partitions_count;
    const uint64_t found_size = count * sizeof *listing.found;
    if (found_size > ANSWER_SIZE_MAX) return CALL_MALFORMED;
    if (listing.found == NULL) {
        if (!call_reserve(call, (uint32_t)found_size)) return CALL_WAITS;
        listing.found = arena_take(call->arena, (uint32_t)count, sizeof *listing.found);
        if (listing.found == NULL) return CALL_MALFORMED;
        if (count > 0) memset(listing.found, 0, found_size);
    }
    find_all(&listing);
    if (!listing.waits) return answer(&listing);
    if (answers_kept(call->broker, link) == NULL) {
        memcpy(answers_keep(call->broker, link, (uint32_t)found_size), listing.found, found_size);
    }
    call->wait = (struct wait){ WAIT_READ, 0, UINT64_MAX };
    return CALL_WAITS;
}
