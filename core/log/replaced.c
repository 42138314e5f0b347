#include "log/replaced.h"

#include "log/remove.h"

enum { SEGMENTS_PER_STEP = 64 };

void replaced_add(struct logs *logs, uint32_t number)
{
    const struct checkpoint *checkpoint = &logs->checkpoint;
    /* One that is under way may have named it. */
    const uint64_t wait = checkpoint->state == CHECKPOINT_IDLE ? 1 : 2;

    logs->segments[number].forgotten_count = checkpoint->count + (MUTANT(compaction_sources_go_at_once) ? 0 : wait);
    logs->segments[number].dying_next = SEGMENT_NONE;
    if (logs->replaced_last == SEGMENT_NONE) logs->replaced_first = number;
    else logs->segments[logs->replaced_last].dying_next = number;
    logs->replaced_last = number;
}

void replaced_release(struct logs *logs)
{
    for (uint32_t bound = SEGMENTS_PER_STEP; logs->replaced_first != SEGMENT_NONE; bound--) {
        const uint32_t number = logs->replaced_first;
        const struct segment *segment = &logs->segments[number];
        if (segment->forgotten_count > logs->checkpoint.count) {
            /* A full disk waits for them. */
            logs->checkpoint.wanted |= logs->segments_full && logs->checkpoint.state == CHECKPOINT_IDLE;
            return;
        }
        if (bound == 0) {
            logs->due = true;
            return;
        }
        logs->replaced_first = segment->dying_next;
        if (logs->replaced_first == SEGMENT_NONE) logs->replaced_last = SEGMENT_NONE;
        remove_later(logs, number);
    }
}
