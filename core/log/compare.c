#include "log/compare.h"

#include "log/rebuild.h"
#include "log/segments.h"

static void order_list(struct compare *compare, uint32_t slot, struct effects *effects)
{
    compare->state = COMPARE_LISTING;
    effects_add(effects, EFFECT_FILE)->file = (struct effect_file){
        .op = logs_op(LOGS_OP_COMPARE, slot, 0),
        .action = FILE_LIST,
        .path = compare->directory,
        .to = compare->last_name,
        .size = RECOVERY_BUFFER_SIZE,
        .into = compare->buffer,
    };
}

static void order_fix(struct compare *compare, uint32_t slot, enum file_action action, uint64_t size,
                      struct effects *effects)
{
    compare->state = COMPARE_FIXING;
    effects_add(effects, EFFECT_FILE)->file = (struct effect_file){
        .op = logs_op(LOGS_OP_COMPARE, slot, 0), .action = action, .path = compare->path, .size = size
    };
}

bool compare_work(struct logs *logs, struct effects *effects)
{
    struct recovery *recovery = &logs->recovery;
    bool busy = false;

    for (uint32_t slot = 0; slot < RECOVERIES_MAX; slot++) {
        struct compare *compare = &recovery->compares[slot];
        if (compare->state != COMPARE_FREE) {
            busy = true;
            continue;
        }
        while (recovery->next_compare < logs->logs_end && !logs->logs[recovery->next_compare].open) {
            recovery->next_compare++;
        }
        if (recovery->next_compare == logs->logs_end) continue;
        busy = true;
        if (!logs_may_order(effects, 1)) {
            logs->due = true;
            break;
        }
        compare->log = recovery->next_compare++;
        compare->last_name[0] = 0;
        const struct log_place place = log_place(logs, &logs->logs[compare->log]);
        path_of_partition(compare->directory, &place);
        order_list(compare, slot, effects);
    }
    return !busy;
}

/* ---- one file ---- */

static struct segment *recorded_segment(struct logs *logs, const struct log *log, int64_t base_offset, uint32_t edition)
{
    const uint32_t number = segment_find(logs, log, base_offset);

    if (number == SEGMENT_NONE || logs->segments[number].base_offset != base_offset) return NULL;
    if (logs->segments[number].edition != edition) return NULL; /* what it was made of, or was to become */
    return &logs->segments[number];
}

static uint32_t recorded_size(const struct segment *segment, enum segment_file file)
{
    switch (file) {
    case SEGMENT_LOG: return segment->written.size;
    case SEGMENT_INDEX: return segment->written.index_size;
    case SEGMENT_TIME_INDEX: return segment->written.time_index_size;
    }
    CHECK(false);
    return 0;
}

/* Retention may have unlinked the file, or a truncation cut it: the journal will say so. Else something durable is
 * gone. */
static void damage(struct segment *segment, uint32_t found_size)
{
    segment->flags |= SEGMENT_DAMAGED | SEGMENT_SEALED; /* a file with a hole would be no segment */
    segment->found_size = found_size;
}

/* True if the file was put right with an order, whose answer goes on. */
static bool compare_file(struct logs *logs, struct compare *compare, uint32_t slot, const struct listed_file *listed,
                         struct effects *effects)
{
    const struct log *log = &logs->logs[compare->log];
    int64_t base_offset;
    uint32_t edition;
    enum segment_file file;

    const bool unfinished = is_new_segment_name(listed->name);
    if (listed->is_directory || (!unfinished && !segment_name_read(listed->name, &base_offset, &edition, &file))) {
        return false; /* not of ours */
    }
    if (!path_of_name(compare->path, compare->directory, listed->name)) return false;
    if (unfinished) {
        order_fix(compare, slot, FILE_UNLINK, 0, effects);
        return true;
    }
    struct segment *segment = recorded_segment(logs, log, base_offset, edition);
    if (segment == NULL) {
        order_fix(compare, slot, FILE_UNLINK, 0, effects); /* made after the checkpoint */
        return true;
    }
    const uint32_t size = recorded_size(segment, file);
    segment->dirty |= (uint8_t)(1U << file); /* seen */
    if (listed->size == size || MUTANT(recovery_does_not_cut)) return false;
    if (listed->size > size) {
        order_fix(compare, slot, FILE_TRUNCATE, size, effects);
        return true;
    }
    if (file == SEGMENT_LOG) {
        damage(segment, (uint32_t)listed->size);
        return false;
    }
    segment->flags |= SEGMENT_INDEX_BAD | SEGMENT_SEALED;
    if (listed->size == 0) return false;
    /* A crash may have brought back entries of batches that were cut off; who else reads them asks no checkpoint. */
    order_fix(compare, slot, FILE_TRUNCATE, 0, effects);
    return true;
}

/* All names were seen. What was recorded and not seen is missing. */
static void finish(struct logs *logs, struct compare *compare)
{
    const struct log *log = &logs->logs[compare->log];

    for (uint32_t number = log->first_segment; number != SEGMENT_NONE; number = logs->segments[number].next) {
        struct segment *segment = &logs->segments[number];
        for (uint32_t file = 0; file < SEGMENT_FILES; file++) {
            if ((segment->dirty & 1U << file) != 0 || recorded_size(segment, (enum segment_file)file) == 0) continue;
            if (file == SEGMENT_LOG) damage(segment, 0);
            else segment->flags |= SEGMENT_INDEX_BAD | SEGMENT_SEALED;
        }
        segment->dirty = 0;
    }
    compare->state = COMPARE_FREE;
}

static void go_on(struct logs *logs, struct compare *compare, uint32_t slot, struct effects *effects)
{
    struct listed_file listed;

    while (listed_file_read(&compare->list, &listed)) {
        const uint32_t kept = MIN(listed.name.size, (uint32_t)PATH_SIZE_MAX - 1);
        memcpy(compare->last_name, listed.name.data, kept);
        compare->last_name[kept] = 0;
        if (compare_file(logs, compare, slot, &listed, effects)) return;
        if (logs->state == LOGS_BROKEN) return;
    }
    if (compare->more) order_list(compare, slot, effects);
    else finish(logs, compare);
}

void compare_on_disk(struct logs *logs, uint32_t slot, const struct event_disk *disk, struct effects *effects)
{
    CHECK(slot < RECOVERIES_MAX);
    struct compare *compare = &logs->recovery.compares[slot];

    CHECK(compare->state != COMPARE_FREE);
    if (compare->log == LOG_NONE) { /* deleted meanwhile */
        compare->state = COMPARE_FREE;
        return;
    }
    if (disk->result != DISK_DONE && disk->result != DISK_NOT_FOUND) {
        logs_break(logs, HALT_DISK_FAILED, compare->directory);
        return;
    }
    if (compare->state == COMPARE_LISTING) {
        const bool there = disk->result == DISK_DONE;
        compare->list = (struct bytes){ compare->buffer, there ? disk->size : 0 };
        compare->more = there && disk->more && disk->size > 0;
    }
    go_on(logs, compare, slot, effects);
}

void compare_forget_log(struct logs *logs, uint32_t log)
{
    for (uint32_t slot = 0; slot < RECOVERIES_MAX; slot++) {
        struct compare *compare = &logs->recovery.compares[slot];
        if (compare->state != COMPARE_FREE && compare->log == log) compare->log = LOG_NONE;
    }
}
