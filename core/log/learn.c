#include "log/learn.h"

#include "log/append.h"
#include "log/batch_head.h"
#include "log/lookup_index.h"
#include "log/segments.h"

enum { BATCHES_PER_STEP = 1024 };

static void unqueue(struct logs *logs, uint32_t number)
{
    uint32_t previous = LOG_NONE;

    if (!logs->logs[number].learn_queued) return;
    logs->logs[number].learn_queued = false;
    for (uint32_t at = logs->learn_first; at != number; at = logs->logs[at].next_learn) previous = at;
    if (previous == LOG_NONE) logs->learn_first = logs->logs[number].next_learn;
    else logs->logs[previous].next_learn = logs->logs[number].next_learn;
    if (logs->learn_last == number) logs->learn_last = previous;
}

void learn_begin(struct logs *logs, uint32_t number)
{
    struct log *log = &logs->logs[number];

    producers_forget_log(&logs->producers, number);
    log->learning = true;
    log->learns++;
    log->learnt_offset = log->log_start_offset;
    logs->due = true;
    if (log->learn_queued) return;
    log->learn_queued = true;
    log->next_learn = LOG_NONE;
    if (logs->learn_last == LOG_NONE) logs->learn_first = number;
    else logs->logs[logs->learn_last].next_learn = number;
    logs->learn_last = number;
}

void learn_cut_log(struct logs *logs, uint32_t number)
{
    struct log *log = &logs->logs[number];

    if (MUTANT(truncation_keeps_producers)) return;
    if (!producers_truncate(&logs->producers, number, log->log_end_offset)) learn_begin(logs, number);
    else if (log->learning) log->learnt_offset = MIN(log->learnt_offset, log->log_end_offset);
}

void learn_forget_log(struct logs *logs, uint32_t number)
{
    unqueue(logs, number);
    logs->logs[number].learning = false;
}

/* Some batches cannot be read any more: they were deleted meanwhile, or the disk does not give them. Whoever wrote
 * before them may have written them, and would be told that he left something out. So it begins anew behind them. */
static void skip_to(struct logs *logs, uint32_t number, int64_t offset)
{
    struct log *log = &logs->logs[number];

    if (log->learnt_offset >= offset) return;
    if (!MUTANT(learning_skips_batches)) producers_forget_log(&logs->producers, number);
    log->learnt_offset = offset;
}

/* ---- from memory ---- */

static void learn_batch(struct logs *logs, uint32_t number, struct bytes bytes)
{
    struct log *log = &logs->logs[number];
    struct record_batch batch;

    CHECK(record_batch_read(bytes, &batch) == RECORD_BATCH_WHOLE);
    append_learn(logs, number, &batch, logs->wall_ms);
    log->learnt_offset = record_batch_last_offset(&batch) + 1;
}

/* True if everything behind what is learnt was in memory, and is learnt. */
static bool learn_memory(struct logs *logs, uint32_t number, uint32_t *bound)
{
    struct log *log = &logs->logs[number];
    uint32_t at = log_entry_find(logs, log, log->learnt_offset);

    while (at != ENTRY_NONE && *bound > 0) {
        const struct entry *entry = entry_at(&logs->entries, at);
        learn_batch(logs, number, (struct bytes){ tail_data(logs->tail, entry->chunk) + entry->chunk_at, entry->size });
        at = entry->next;
        (*bound)--;
    }
    return log->learnt_offset >= log->log_end_offset;
}

/* ---- from segments ---- */

static void order_scan(struct logs *logs, struct lookup *lookup, uint32_t position, struct effects *effects)
{
    lookup->state = LOOKUP_LEARN;
    lookup->position = position;
    lookup_order_read(logs, lookup, SEGMENT_LOG, position, lookup->buffer,
                      MIN((uint32_t)LOOKUP_BUFFER_SIZE, lookup->mark.size - position), effects);
}

static bool is_reading(const struct logs *logs, uint32_t number)
{
    for (uint32_t slot = 0; slot < LOOKUPS_MAX; slot++) {
        const struct lookup *lookup = &logs->lookups[slot];
        if (lookup->state == LOOKUP_LEARN && lookup->log == number && lookup->doomed == DOOMED_NONE) return true;
    }
    return false;
}

static void read_segment(struct logs *logs, uint32_t number, struct effects *effects)
{
    const struct log *log = &logs->logs[number];
    const uint32_t segment = segment_find(logs, log, log->learnt_offset);

    CHECK(segment != SEGMENT_NONE); /* what is not in memory is in a segment */
    struct lookup *lookup = lookup_begin(logs, number, segment, LOOKUP_PRODUCERS, 0, effects);
    if (lookup == NULL) logs->due = true;
    else order_scan(logs, lookup, 0, effects);
}

/* Heads in the buffer, up to the first one that it does not hold whole; where that begins in the segment. */
static uint32_t learn_heads(struct logs *logs, const struct lookup *lookup, uint32_t size)
{
    struct log *log = &logs->logs[lookup->log];
    uint64_t at = 0;

    while (at + BATCH_HEAD_SIZE <= size) {
        struct record_batch batch;
        struct batch_head head;
        if (!batch_head_read(lookup->buffer + at, &head)) return UINT32_MAX;
        if (head.last_offset >= lookup->mark.end_offset) return UINT32_MAX;
        if (head.last_offset >= log->learnt_offset) {
            batch = batch_of_head(&head, lookup->buffer + at);
            append_learn(logs, lookup->log, &batch, logs->wall_ms);
            log->learnt_offset = head.last_offset + 1;
        }
        at += head.size;
    }
    return lookup->position + (uint32_t)MIN(at, (uint64_t)INT32_MAX);
}

bool learn_on_disk(struct logs *logs, struct lookup *lookup, const struct event_disk *disk, struct effects *effects)
{
    const uint32_t position = disk->result == DISK_DONE ? learn_heads(logs, lookup, disk->size) : UINT32_MAX;
    const bool forward = position != UINT32_MAX && position > lookup->position;

    if (forward && position < lookup->mark.size) {
        order_scan(logs, lookup, position, effects);
        return false;
    }
    skip_to(logs, lookup->log, lookup->mark.end_offset);
    logs->due = true;
    return true;
}

void learn_work(struct logs *logs, struct effects *effects)
{
    uint32_t bound = BATCHES_PER_STEP;

    while (logs->learn_first != LOG_NONE && logs->state == LOGS_OPEN) {
        const uint32_t number = logs->learn_first;
        struct log *log = &logs->logs[number];
        if (is_reading(logs, number)) return;
        skip_to(logs, number, log->log_start_offset);
        if (!learn_memory(logs, number, &bound)) {
            if (bound == 0) logs->due = true;
            else read_segment(logs, number, effects);
            return;
        }
        unqueue(logs, number);
        log->learning = false;
        append_end_moved(logs, number); /* whoever waits to lead it looks again */
    }
}
