/* lookup.c -- the state machine of a lookup. The search of an index is in lookup_index.c, the rebuild in rebuild.c. */
#include "log/lookup.h"

#include "base/hash.h"
#include "log/batch_head.h"
#include "log/flush.h"
#include "log/learn.h"
#include "log/lookup_index.h"
#include "log/reads.h"
#include "log/rebuild.h"
#include "log/segments.h"
#include "log/times.h"

/* ---- cursors: what was found ---- */

/* Sets of four, newest first: a read may need two cursors at the same time, and must not lose one to the other. */
enum { WAYS = 4 };

static struct cursor *cursor_set(const struct logs *logs, uint32_t log, int64_t offset)
{
    const uint64_t hash = hash_mix(hash_mix(logs->config.hash_seed, log), (uint64_t)offset);
    return &logs->cursors[hash % (CURSORS_MAX / WAYS) * WAYS];
}

static struct cursor *find_cursor(const struct logs *logs, uint32_t number, int64_t offset)
{
    struct cursor *set = cursor_set(logs, number, offset);

    for (uint32_t way = 0; way < WAYS; way++) {
        struct cursor *cursor = &set[way];
        if (cursor->generation != logs->logs[number].generation || cursor->era != logs->logs[number].era) continue;
        if (cursor->log == number && cursor->offset == offset) return cursor;
    }
    return NULL;
}

const struct cursor *lookup_cursor(struct logs *logs, uint32_t number, int64_t offset)
{
    const struct cursor *cursor = find_cursor(logs, number, offset);

    if (cursor == NULL) return NULL;
    /* The segment's slot may have another by now. */
    const struct segment *segment = &logs->segments[cursor->segment];
    if (segment->generation != cursor->generation || segment->log != number) return NULL;
    if (segment->edition != cursor->edition) return NULL;
    if (segment->base_offset != cursor->segment_base || (segment->flags & SEGMENT_DYING) != 0) return NULL;
    return cursor;
}

void lookup_forget(struct logs *logs, uint32_t number, int64_t offset)
{
    struct cursor *cursor = find_cursor(logs, number, offset);

    if (cursor != NULL) cursor->generation = 0;
}

/* Of a batch without a size, the segment is corrupt there. */
static void put_cursor(struct logs *logs, const struct lookup *lookup, uint32_t position, const struct batch_head *head)
{
    struct cursor *set = cursor_set(logs, lookup->log, lookup->asked);

    lookup_forget(logs, lookup->log, lookup->asked);
    memmove(set + 1, set, (WAYS - 1) * sizeof *set);
    *set = (struct cursor){
        .offset = lookup->asked,
        .log = lookup->log,
        .generation = lookup->generation,
        .era = logs->logs[lookup->log].era,
        .segment = lookup->segment,
        .segment_base = logs->segments[lookup->segment].base_offset,
        .edition = logs->segments[lookup->segment].edition,
        .position = position,
        .size = head->size,
        .last_offset = head->last_offset,
        .leader_epoch = head->leader_epoch,
        .previous_end = lookup->next_offset,
    };
}

static struct found_time *found_time_slot(struct logs *logs, uint32_t log, int64_t asked)
{
    const uint64_t hash = hash_mix(hash_mix(logs->config.hash_seed, log), (uint64_t)asked);
    return &logs->found_times[hash % FOUND_TIMES_MAX];
}

void lookup_put_time(struct logs *logs, const struct found_time *found)
{
    struct found_time *slot = found_time_slot(logs, found->log, found->asked);

    *slot = *found;
    slot->found_ns = logs->mono_ns;
}

bool lookup_take_time(struct logs *logs, uint32_t number, int64_t asked, struct found_time *found)
{
    struct found_time *slot = found_time_slot(logs, number, asked);

    *found = *slot;
    if (logs->mono_ns - slot->found_ns > FOUND_TIME_AGE_NS) return false;
    if (slot->generation != logs->logs[number].generation || slot->log != number || slot->asked != asked) return false;
    slot->generation = 0;
    return true;
}

/* ---- begin and end ---- */

static void finish(struct logs *logs, struct lookup *lookup)
{
    if (lookup->chunk != CHUNK_NONE) tail_unpin(logs->tail, lookup->chunk);
    lookup->state = LOOKUP_FREE;
    logs->lookups_used--;
    segment_unpin(logs, lookup->segment);
    if (lookup->waiter != 0) reads_wake(logs, lookup->waiter);
    reads_wake_one(logs);
}

void lookup_order_read(struct logs *logs, struct lookup *lookup, enum segment_file file, uint32_t position,
                       uint8_t *into, uint32_t size, struct effects *effects)
{
    segment_path(logs, &logs->segments[lookup->segment], file, lookup->paths[0]);
    lookup->parts_waited = 1;
    effects_add(effects, EFFECT_READ)->read = (struct effect_read){
        .op = logs_op(LOGS_OP_LOOKUP, (uint32_t)(lookup - logs->lookups), 0),
        .path = lookup->paths[0],
        .position = position,
        .into = into,
        .size = size,
    };
}

struct lookup *lookup_begin(struct logs *logs, uint32_t number, uint32_t segment, enum lookup_wants wants,
                            uint64_t waiter, const struct effects *effects)
{
    uint32_t slot = 0;

    if (logs->lookups_used == LOOKUPS_MAX) return NULL;
    if (effects_space(effects) < EFFECTS_RESERVE / 2) {
        logs->reads_refused = true; /* nothing under way will tell: the next step does */
        return NULL;
    }
    while (logs->lookups[slot].state != LOOKUP_FREE) slot++;
    struct lookup *lookup = &logs->lookups[slot];
    uint8_t *buffer = lookup->buffer;
    *lookup = (struct lookup){
        .wants = wants,
        .waiter = waiter,
        .log = number,
        .generation = logs->logs[number].generation,
        .doomed = DOOMED_NONE,
        .segment = segment,
        .mark = logs->segments[segment].written,
        .chunk = CHUNK_NONE,
        .buffer = buffer,
    };
    logs->lookups_used++;
    segment_pin(logs, segment);
    return lookup;
}

/* The lookup cannot be answered: the file is not what was written. Whoever asks again is told so once. */
static void fail(struct logs *logs, struct lookup *lookup)
{
    if (lookup->wants == LOOKUP_OFFSET) put_cursor(logs, lookup, 0, &(struct batch_head){ 0 });
    if (lookup->wants == LOOKUP_TIMESTAMP) {
        lookup_put_time(
            logs, &(struct found_time){
                      .log = lookup->log, .generation = lookup->generation, .asked = lookup->asked, .corrupt = true });
    }
    finish(logs, lookup);
}

static bool index_is_bad(const struct logs *logs, const struct lookup *lookup)
{
    return (logs->segments[lookup->segment].flags & SEGMENT_INDEX_BAD) != 0;
}

/* Reads heads from `position` on, where the batch that the index named is expected. */
static void scan_from(struct logs *logs, struct lookup *lookup, uint32_t position, struct effects *effects)
{
    lookup->state = LOOKUP_SCAN;
    lookup->position = position;
    if (position == 0) lookup->largest_timestamp = -1;
    if (position == 0) lookup->largest_timestamp_offset = logs->segments[lookup->segment].base_offset;
    lookup_order_read(logs, lookup, SEGMENT_LOG, position, lookup->buffer,
                      MIN((uint32_t)LOOKUP_BUFFER_SIZE, lookup->mark.size - position), effects);
}

/* From the begin, believing no index. */
static void scan_all(struct logs *logs, struct lookup *lookup, struct effects *effects)
{
    lookup->index_found = (struct index_entry){ -1, 0 };
    lookup->time_found = (struct time_index_entry){ -1, -1 };
    lookup->next_offset = logs->segments[lookup->segment].base_offset;
    if (lookup->wants == LOOKUP_TIMESTAMP) {
        lookup->offset = MAX(lookup->next_offset, logs->logs[lookup->log].log_start_offset);
    }
    scan_from(logs, lookup, 0, effects);
}

static void search_offset(struct logs *logs, struct lookup *lookup, struct effects *effects)
{
    lookup->index_found = (struct index_entry){ -1, 0 };
    lookup->next_offset = logs->segments[lookup->segment].base_offset;
    lookup->low = 0;
    lookup->high = lookup->mark.index_size / INDEX_ENTRY_SIZE;
    lookup->guessed = false;
    if (index_is_bad(logs, lookup) || lookup->high == 0 ||
        lookup->offset == logs->segments[lookup->segment].base_offset) {
        scan_from(logs, lookup, 0, effects);
        if (index_is_bad(logs, lookup)) rebuild_want(logs, lookup->segment, effects);
        return;
    }
    lookup->state = LOOKUP_INDEX;
    lookup_order_page(logs, lookup, effects);
}

/* Whether that very question is under way: who asks for several things is woken by the first of them, and asks again
 * for all. */
static bool is_asked(const struct logs *logs, uint32_t number, enum lookup_wants wants, int64_t asked, uint64_t waiter)
{
    for (uint32_t slot = 0; slot < LOOKUPS_MAX && logs->lookups_used > 0; slot++) {
        const struct lookup *lookup = &logs->lookups[slot];
        if (lookup->state == LOOKUP_FREE || lookup->doomed != DOOMED_NONE || lookup->stale) continue;
        if (lookup->wants != wants) continue;
        if (lookup->waiter == waiter && lookup->log == number && lookup->asked == asked) return true;
    }
    return false;
}

bool lookup_offset(struct logs *logs, uint32_t number, uint32_t segment, int64_t offset, uint64_t waiter,
                   struct effects *effects)
{
    if (is_asked(logs, number, LOOKUP_OFFSET, offset, waiter)) return true;
    struct lookup *lookup = lookup_begin(logs, number, segment, LOOKUP_OFFSET, waiter, effects);
    if (lookup == NULL) return false;

    CHECK(offset < lookup->mark.end_offset);
    lookup->asked = offset;
    lookup->offset = MAX(offset, logs->segments[segment].base_offset); /* it may lie in a hole before the segment */
    lookup->time_found = (struct time_index_entry){ -1, -1 };
    search_offset(logs, lookup, effects);
    return true;
}

/* Begins, or begins again in a further segment, the search for a timestamp. */
static void search_time(struct logs *logs, struct lookup *lookup, struct effects *effects)
{
    const struct segment *segment = &logs->segments[lookup->segment];
    const struct log *log = &logs->logs[lookup->log];

    lookup->mark = segment->written;
    lookup->time_found = (struct time_index_entry){ -1, -1 };
    lookup->offset = MAX(segment->base_offset, log->log_start_offset);
    lookup->low = 0;
    lookup->high = lookup->mark.time_index_size / TIME_INDEX_ENTRY_SIZE;
    lookup->guessed = true;
    if (index_is_bad(logs, lookup) || lookup->high == 0) {
        search_offset(logs, lookup, effects);
        return;
    }
    lookup->state = LOOKUP_TIME;
    lookup_order_page(logs, lookup, effects);
}

bool lookup_time(struct logs *logs, uint32_t number, uint32_t segment, int64_t asked, int64_t timestamp,
                 uint64_t waiter, struct effects *effects)
{
    if (is_asked(logs, number, LOOKUP_TIMESTAMP, asked, waiter)) return true;
    struct lookup *lookup = lookup_begin(logs, number, segment, LOOKUP_TIMESTAMP, waiter, effects);
    if (lookup == NULL) return false;

    lookup->asked = asked;
    lookup->timestamp = timestamp;
    search_time(logs, lookup, effects);
    return true;
}

/* ---- the scan ---- */

/* No batch of this segment has the timestamp after all: the record that has it was deleted. */
static void next_segment(struct logs *logs, struct lookup *lookup, struct effects *effects)
{
    const struct log *log = &logs->logs[lookup->log];
    struct segment *segment = &logs->segments[lookup->segment];
    struct found_time found = {
        .log = lookup->log, .generation = lookup->generation, .asked = lookup->asked, .searched = lookup->timestamp
    };
    uint32_t next = log->first_segment;

    if (segment->written.size > lookup->mark.size) { /* it grew meanwhile, and the answer may be in what came */
        const uint32_t position = lookup->mark.size;
        lookup->mark = segment->written;
        lookup->index_found.last_offset = -1;
        lookup->time_found.last_offset = -1;
        scan_from(logs, lookup, position, effects);
        return;
    }
    if (index_is_bad(logs, lookup)) { /* it may have been cut, and all of what is left has been looked at */
        segment->written.largest_timestamp = lookup->largest_timestamp;
        segment->written.largest_timestamp_offset = lookup->largest_timestamp_offset;
    }
    if ((segment->flags & SEGMENT_DYING) == 0) next = segment->next;
    next = times_next_segment(logs, log, next, lookup->timestamp);
    if (next != SEGMENT_NONE) {
        segment_pin(logs, next);
        segment_unpin(logs, lookup->segment);
        lookup->segment = next;
        search_time(logs, lookup, effects);
        return;
    }
    found.answer = (struct time_answer){ -1, -1, -1 };
    found.corrupt = times_in_memory(logs, log, lookup->timestamp, &found.answer) == TIMES_UNREADABLE;
    lookup_put_time(logs, &found);
    finish(logs, lookup);
}

static uint8_t *batch_memory(const struct logs *logs, const struct lookup *lookup)
{
    return lookup->chunk == CHUNK_NONE ? lookup->buffer : tail_data(logs->tail, lookup->chunk);
}

/* Reads the batch that has the answer. One for which there is no memory now is looked at from outside only. */
static void read_batch(struct logs *logs, struct lookup *lookup, uint32_t position, const struct batch_head *head,
                       struct effects *effects)
{
    const struct log *log = &logs->logs[lookup->log];

    if (head->size > LOOKUP_BUFFER_SIZE) {
        lookup->chunk = tail_take(logs->tail, head->size);
        if (lookup->chunk == CHUNK_NONE && flush_evict(logs, 0, 256)) lookup->chunk = tail_take(logs->tail, head->size);
        if (lookup->chunk == CHUNK_NONE) {
            lookup_put_time(logs, &(struct found_time){ .log = lookup->log,
                                                        .generation = lookup->generation,
                                                        .asked = lookup->asked,
                                                        .answer = { MAX(head->base_offset, log->log_start_offset),
                                                                    head->max_timestamp, head->leader_epoch } });
            finish(logs, lookup);
            return;
        }
    }
    lookup->state = LOOKUP_BATCH;
    lookup->position = position;
    lookup->batch_size = head->size;
    lookup_order_read(logs, lookup, SEGMENT_LOG, position, batch_memory(logs, lookup), head->size, effects);
}

/* The batch that an index named must be there. */
static bool claims_hold(struct lookup *lookup, const struct batch_head *head)
{
    if (!lookup->claim_checked && lookup->index_found.last_offset >= 0) {
        if (head->last_offset != lookup->index_found.last_offset) return false;
    }
    lookup->claim_checked = true;
    if (lookup->time_found.last_offset >= 0 && head->last_offset >= lookup->time_found.last_offset) {
        if (head->last_offset != lookup->time_found.last_offset) return false;
        if (head->max_timestamp != lookup->time_found.timestamp) return false;
        lookup->time_found.last_offset = -1;
    }
    return true;
}

enum scan_verdict { SCAN_ON, SCAN_FOUND, SCAN_BAD };

static enum scan_verdict scan_head(const struct lookup *lookup, const struct batch_head *head, uint32_t position)
{
    if (head->base_offset < lookup->next_offset || head->last_offset >= lookup->mark.end_offset) return SCAN_BAD;
    if (head->size > lookup->mark.size - position) return SCAN_BAD;
    if (head->last_offset < lookup->offset) return SCAN_ON;
    if (lookup->wants == LOOKUP_TIMESTAMP && head->max_timestamp < lookup->timestamp) return SCAN_ON;
    return SCAN_FOUND;
}

static void found_batch(struct logs *logs, struct lookup *lookup, uint32_t position, const struct batch_head *head,
                        struct effects *effects)
{
    if (lookup->wants == LOOKUP_TIMESTAMP) {
        read_batch(logs, lookup, position, head, effects);
        return;
    }
    put_cursor(logs, lookup, position, head);
    finish(logs, lookup);
}

static void distrust_index(struct logs *logs, struct lookup *lookup, struct effects *effects)
{
    const bool claimed = lookup->index_found.last_offset >= 0 || lookup->time_found.last_offset >= 0;

    if (!claimed) { /* no index spoke of it: it is the segment itself */
        fail(logs, lookup);
        return;
    }
    rebuild_want(logs, lookup->segment, effects);
    scan_all(logs, lookup, effects);
}

static void on_scanned(struct logs *logs, struct lookup *lookup, uint32_t size, struct effects *effects)
{
    uint32_t at = 0;

    while (size - at >= BATCH_HEAD_SIZE) {
        struct batch_head head;
        if (!batch_head_read(lookup->buffer + at, &head) || !claims_hold(lookup, &head)) {
            distrust_index(logs, lookup, effects);
            return;
        }
        const uint32_t position = lookup->position + at;
        const enum scan_verdict verdict = scan_head(lookup, &head, position);
        if (verdict == SCAN_BAD) {
            distrust_index(logs, lookup, effects);
            return;
        }
        if (verdict == SCAN_FOUND) {
            found_batch(logs, lookup, position, &head, effects);
            return;
        }
        lookup->next_offset = head.last_offset + 1;
        if (head.max_timestamp > lookup->largest_timestamp) {
            lookup->largest_timestamp = head.max_timestamp;
            lookup->largest_timestamp_offset = head.last_offset;
        }
        if (head.size >= size - at) { /* the next one begins behind the buffer */
            at = size;
            lookup->position = position + head.size - size;
            break;
        }
        at += head.size;
    }
    const uint32_t position = lookup->position + at;
    if (position < lookup->mark.size && at > 0) scan_from(logs, lookup, position, effects);
    else if (position == lookup->mark.size && lookup->wants == LOOKUP_TIMESTAMP) next_segment(logs, lookup, effects);
    else distrust_index(logs, lookup, effects);
}

static void on_batch(struct logs *logs, struct lookup *lookup, struct effects *effects)
{
    const struct log *log = &logs->logs[lookup->log];
    const struct bytes batch = { batch_memory(logs, lookup), lookup->batch_size };
    struct found_time found = { .log = lookup->log, .generation = lookup->generation, .asked = lookup->asked };
    struct record_batch read;
    if (record_batch_read(batch, &read) != RECORD_BATCH_WHOLE || !record_batch_crc_matches(&read)) {
        fail(logs, lookup);
        return;
    }
    const enum times_verdict verdict =
        times_in_batch(logs, batch, lookup->timestamp,
                       MUTANT(time_lookup_finds_what_is_deleted) ? 0 : log->log_start_offset, &found.answer);

    if (verdict == TIMES_NOT_FOUND) {
        /* Its young records were deleted: the log start offset lies within the batch. */
        struct batch_head head;
        CHECK(batch_head_read(batch.data, &head));
        if (lookup->chunk != CHUNK_NONE) tail_unpin(logs->tail, lookup->chunk);
        lookup->chunk = CHUNK_NONE;
        lookup->next_offset = head.last_offset + 1;
        const uint32_t position = lookup->position + lookup->batch_size;
        if (position < lookup->mark.size) scan_from(logs, lookup, position, effects);
        else next_segment(logs, lookup, effects);
        return;
    }
    found.corrupt = verdict == TIMES_UNREADABLE;
    lookup_put_time(logs, &found);
    finish(logs, lookup);
}

/* ---- answers ---- */

static void on_page(struct logs *logs, struct lookup *lookup, uint32_t size, struct effects *effects)
{
    const bool by_time = lookup->state == LOOKUP_TIME;

    switch (lookup_take_page(logs, lookup, size)) {
    case PAGE_MORE: lookup_order_page(logs, lookup, effects); return;
    case PAGE_BAD:
        rebuild_want(logs, lookup->segment, effects);
        scan_all(logs, lookup, effects);
        return;
    case PAGE_DONE: break;
    }
    if (by_time) {
        /* A record that was deleted says nothing about where the others lie. */
        if (lookup->time_found.last_offset < lookup->offset) lookup->time_found.last_offset = -1;
        lookup->offset = MAX(lookup->offset, lookup->time_found.last_offset);
        search_offset(logs, lookup, effects);
        return;
    }
    lookup->claim_checked = false;
    if (lookup->index_found.last_offset < 0) scan_from(logs, lookup, 0, effects);
    else scan_from(logs, lookup, lookup->index_found.position, effects);
}

static void on_read(struct logs *logs, struct lookup *lookup, const struct event_disk *disk, struct effects *effects)
{
    const bool of_index = lookup->state == LOOKUP_INDEX || lookup->state == LOOKUP_TIME;

    if (disk->result != DISK_DONE && !of_index) {
        fail(logs, lookup);
        return;
    }
    switch (lookup->state) {
    case LOOKUP_TIME:
    case LOOKUP_INDEX: on_page(logs, lookup, disk->result == DISK_DONE ? disk->size : 0, effects); return;
    case LOOKUP_SCAN: on_scanned(logs, lookup, disk->size, effects); return;
    case LOOKUP_BATCH:
        if (disk->size < lookup->batch_size) fail(logs, lookup);
        else on_batch(logs, lookup, effects);
        return;
    case LOOKUP_FREE:
    case LOOKUP_REBUILD_CLEAR:
    case LOOKUP_REBUILD_SCAN:
    case LOOKUP_REBUILD_WRITE:
    case LOOKUP_REBUILD_SYNC:
    case LOOKUP_REBUILD_RENAME:
    case LOOKUP_LEARN: break;
    }
    CHECK(false);
}

void lookup_on_disk(struct logs *logs, uint32_t slot, uint32_t part, const struct event_disk *disk,
                    struct effects *effects)
{
    CHECK(slot < LOOKUPS_MAX && part < 2);
    struct lookup *lookup = &logs->lookups[slot];

    CHECK((lookup->parts_waited & 1U << part) != 0);
    lookup->parts_waited &= ~(1U << part);
    if (lookup->doomed != DOOMED_NONE) {
        logs->doomed[lookup->doomed].holds--;
        if (lookup->parts_waited == 0) finish(logs, lookup);
        return;
    }
    if (lookup->stale && lookup->wants != LOOKUP_INDEXES) {
        finish(logs, lookup);
        return;
    }
    switch (lookup->wants) {
    case LOOKUP_OFFSET:
    case LOOKUP_TIMESTAMP: on_read(logs, lookup, disk, effects); return;
    case LOOKUP_INDEXES:
        if (rebuild_on_disk(logs, lookup, part, disk, effects)) finish(logs, lookup);
        return;
    case LOOKUP_PRODUCERS:
        if (learn_on_disk(logs, lookup, disk, effects)) finish(logs, lookup);
        return;
    }
}

void lookup_cut_log(struct logs *logs, uint32_t number)
{
    for (uint32_t slot = 0; slot < LOOKUPS_MAX && logs->lookups_used > 0; slot++) {
        struct lookup *lookup = &logs->lookups[slot];
        if (lookup->state != LOOKUP_FREE && lookup->log == number) lookup->stale = true;
    }
    for (uint32_t i = 0; i < FOUND_TIMES_MAX; i++) {
        if (logs->found_times[i].log == number) logs->found_times[i].generation = 0;
    }
    logs->logs[number].hidden_offset = 0;
}

uint32_t lookup_abandon(struct logs *logs, uint32_t number, uint32_t doomed)
{
    uint32_t orders = 0;

    for (uint32_t slot = 0; slot < LOOKUPS_MAX; slot++) {
        struct lookup *lookup = &logs->lookups[slot];
        if (lookup->state == LOOKUP_FREE || lookup->log != number || lookup->doomed != DOOMED_NONE) continue;
        lookup->doomed = doomed;
        for (uint32_t parts = lookup->parts_waited; parts != 0; parts &= parts - 1) orders++;
    }
    return orders;
}
