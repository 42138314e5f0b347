#include "log/cut.h"

#include "log/flush.h"
#include "log/rebuild.h"
#include "log/remove.h"
#include "log/segments.h"

enum { TRIES_PER_STEP = 64 };

void cut_later(struct logs *logs, uint32_t number, uint64_t sequence)
{
    struct segment *segment = &logs->segments[number];

    segment->cut_sequence = MAX(segment->cut_sequence, sequence);
    if ((segment->flags & SEGMENT_CUTTING) != 0) return;
    segment->flags |= SEGMENT_CUTTING;
    segment->cut_next = SEGMENT_NONE;
    logs->logs[segment->log].cuts++;
    if (logs->cut_last == SEGMENT_NONE) logs->cut_first = number;
    else logs->segments[logs->cut_last].cut_next = number;
    logs->cut_last = number;
}

static uint32_t take(struct logs *logs)
{
    const uint32_t number = logs->cut_first;

    logs->cut_first = logs->segments[number].cut_next;
    if (logs->cut_first == SEGMENT_NONE) logs->cut_last = SEGMENT_NONE;
    return number;
}

static void put_back(struct logs *logs, uint32_t number)
{
    logs->segments[number].cut_next = SEGMENT_NONE;
    if (logs->cut_last == SEGMENT_NONE) logs->cut_first = number;
    else logs->segments[logs->cut_last].cut_next = number;
    logs->cut_last = number;
}

/* Whether the round that says so is durable. Of what a start reads, the last round may be in the page cache only, until
 * it is written again at the end; whatever has a round behind it is on disk. */
static bool is_said(const struct logs *logs, uint64_t sequence)
{
    if (MUTANT(files_cut_before_it_is_durable)) return true;
    if (logs->state == LOGS_RECOVERING) return sequence < logs->recovery.last_round;
    return logs_is_durable(logs, sequence);
}

/* The next one that nothing holds back; SEGMENT_NONE: none of a bounded number. */
static uint32_t next(struct logs *logs)
{
    for (uint32_t tries = TRIES_PER_STEP; tries > 0 && logs->cut_first != SEGMENT_NONE; tries--) {
        const uint32_t number = take(logs);
        const struct segment *segment = &logs->segments[number];
        if (segment->pins == 0 && is_said(logs, segment->cut_sequence)) return number;
        put_back(logs, number);
    }
    return SEGMENT_NONE;
}

static void order(struct logs *logs, struct cut *cut, struct effects *effects)
{
    segment_path(logs, &logs->segments[cut->segment], (enum segment_file)cut->part, cut->path);
    effects_add(effects, EFFECT_FILE)->file = (struct effect_file){
        .op = logs_op(LOGS_OP_CUT, (uint32_t)(cut - logs->cuts), 0),
        .action = cut->unlinks ? FILE_UNLINK : FILE_TRUNCATE,
        .path = cut->path,
        .size = cut->part == SEGMENT_LOG ? cut->size : 0,
    };
}

void cut_work(struct logs *logs, struct effects *effects)
{
    for (uint32_t slot = 0; slot < CUTS_MAX && logs->cut_first != SEGMENT_NONE; slot++) {
        struct cut *cut = &logs->cuts[slot];
        if (cut->used) continue;
        if (!logs_may_order(effects, 1)) {
            logs->due = true;
            return;
        }
        const uint32_t number = next(logs);
        if (number == SEGMENT_NONE) return;
        const struct segment *segment = &logs->segments[number];
        *cut = (struct cut){
            .used = true,
            .segment = number,
            .log = segment->log,
            .generation = segment->generation,
            .unlinks = (segment->flags & SEGMENT_DYING) != 0,
            .size = segment->written.size,
        };
        segment_pin(logs, number);
        order(logs, cut, effects);
    }
}

void cut_is_done(struct logs *logs, uint32_t number)
{
    struct log *log = &logs->logs[number];

    CHECK(log->cuts > 0);
    if (--log->cuts > 0) return;
    log->directory_dirty = true;
    flush_if_much(logs, number);
    remove_what_waited(logs, number);
}

static void finish(struct logs *logs, struct cut *cut, struct effects *effects)
{
    struct segment *segment = &logs->segments[cut->segment];
    const struct log *log = &logs->logs[cut->log];
    const bool dying = (segment->flags & SEGMENT_DYING) != 0;

    cut->used = false;
    segment_unpin(logs, cut->segment); /* which frees an orphan */
    if (!log_is(logs, cut->log, cut->generation)) return;
    if (cut->unlinks != dying || cut->size != segment->written.size) {
        put_back(logs, cut->segment); /* it was cut again meanwhile */
        return;
    }
    segment->flags &= (uint16_t)~SEGMENT_CUTTING;
    segment->cut_sequence = 0;
    if (dying) segment_free(logs, cut->segment);
    cut_is_done(logs, cut->log);
    if (log->cuts == 0 && !dying) rebuild_want(logs, cut->segment, effects);
}

void cut_on_disk(struct logs *logs, uint32_t slot, const struct event_disk *disk, struct effects *effects)
{
    CHECK(slot < CUTS_MAX && logs->cuts[slot].used);
    struct cut *cut = &logs->cuts[slot];
    const bool fine = disk->result == DISK_DONE || disk->result == DISK_NOT_FOUND;

    if (!fine) {
        logs_break(logs, disk->result == DISK_FULL ? HALT_DISK_FULL : HALT_DISK_FAILED, cut->path);
        return;
    }
    if (++cut->part < SEGMENT_FILES && log_is(logs, cut->log, cut->generation)) {
        order(logs, cut, effects);
        return;
    }
    finish(logs, cut, effects);
    if (logs->cut_first != SEGMENT_NONE) logs->due = true;
}

void cut_forget_log(struct logs *logs, uint32_t log, uint32_t doomed)
{
    uint32_t at = logs->cut_first;

    logs->cut_first = SEGMENT_NONE;
    logs->cut_last = SEGMENT_NONE;
    while (at != SEGMENT_NONE) {
        struct segment *segment = &logs->segments[at];
        const uint32_t next_one = segment->cut_next;
        if (segment->log != log || segment->generation != logs->logs[log].generation) {
            put_back(logs, at);
        } else if ((segment->flags & SEGMENT_DYING) != 0) {
            segment->flags &= (uint16_t)~SEGMENT_DYING; /* its last pin frees it */
            if (segment->pins == 0) segment_free(logs, at);
            else segment_orphan(logs, at, doomed);
        }
        at = next_one;
    }
    for (uint32_t slot = 0; slot < CUTS_MAX; slot++) {
        const struct cut *cut = &logs->cuts[slot];
        struct segment *segment = &logs->segments[cut->segment];
        if (!cut->used || cut->log != log || cut->generation != logs->logs[log].generation) continue;
        if ((segment->flags & SEGMENT_DYING) == 0) continue;
        segment->flags &= (uint16_t)~SEGMENT_DYING;
        segment_orphan(logs, cut->segment, doomed);
    }
}
