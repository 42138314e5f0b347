#include "log/retention.h"

#include "log/remove.h"

enum { LOGS_PER_STEP = 64, SEGMENTS_PER_STEP = 256 };

static bool is_outlived(const struct log *log, const struct segment *segment, uint64_t rest_size, int64_t wall_ms)
{
    /* Records without a time are as old as their segment. */
    const int64_t youngest =
        segment->written.largest_timestamp >= 0 ? segment->written.largest_timestamp : segment->created_ms;

    const bool decides = !log->replicated || log->led || MUTANT(followers_go_by_their_own_clocks);

    if (!log->rules.deletes || !decides) return false;
    if (log->rules.retention_ms >= 0 && wall_ms > youngest && wall_ms - youngest > log->rules.retention_ms) return true;
    return log->rules.retention_size >= 0 && rest_size >= (uint64_t)log->rules.retention_size;
}

/* Whether it may go as a whole: nothing is being written to it, and nothing waits to be. */
static bool is_settled(const struct log *log, const struct segment *segment)
{
    if (segment->next != SEGMENT_NONE) return true;
    return log->flush == SLOT_FREE && log->written_offset == log->log_end_offset && segment->written.size > 0;
}

/* False: no memory for the journal entry; the same log again in a later step. */
static bool retain(struct logs *logs, uint32_t number)
{
    const struct log *log = &logs->logs[number];
    uint64_t size = log->segments_size + (log->end_position - log->written_position);
    int64_t start_offset = log->next_start_offset;
    bool any_below = false;
    uint32_t at = log->first_segment;

    for (uint32_t bound = SEGMENTS_PER_STEP; at != SEGMENT_NONE && bound > 0; bound--) {
        const struct segment *segment = &logs->segments[at];
        const int64_t end_offset = segment->written.end_offset;
        if (!is_settled(log, segment) || end_offset > log->high_watermark) break;
        size -= segment->written.size;
        if (end_offset <= log->log_start_offset) any_below = true;
        else if (end_offset <= start_offset || is_outlived(log, segment, size, logs->wall_ms))
            start_offset = MAX(start_offset, end_offset);
        else break;
        at = segment->next;
    }
    if (start_offset > log->next_start_offset) return logs_advance_start(logs, number, start_offset) != 0;
    if (any_below) remove_when_durable(logs, number);
    return true;
}

void retention_work(struct logs *logs)
{
    if (logs->retain_log == LOG_NONE || logs->state != LOGS_OPEN) return;
    for (uint32_t count = 0; count < LOGS_PER_STEP; count++) {
        if (logs->retain_log >= logs->logs_end) {
            logs->retain_log = LOG_NONE;
            return;
        }
        if (logs->logs[logs->retain_log].open && !retain(logs, logs->retain_log)) return;
        logs->retain_log++;
    }
    logs->due = true;
}
