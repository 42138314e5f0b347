#include "log/truncate.h"

#include "log/append.h"
#include "log/checkpoint.h"
#include "log/cut.h"
#include "log/learn.h"
#include "log/lookup.h"
#include "log/remove.h"
#include "log/segments.h"

enum { TRIES_PER_STEP = 256 };

/* Where a log ends from now on. */
struct seam {
    int64_t end_offset;    /* of the last batch that stays, or the log's start */
    uint32_t segment;      /* that is cut in its middle, SEGMENT_NONE: none */
    uint32_t position;     /* in it */
    uint64_t log_position; /* as in struct entry; what lies there or behind it goes */
};

enum seam_verdict { SEAM_FOUND, SEAM_WAITS, SEAM_UNREADABLE };

/* ---- finding it ---- */

/* What is not written to a segment lies in memory. */
static struct seam seam_in_memory(const struct logs *logs, const struct log *log, int64_t offset)
{
    struct seam seam = { log->written_offset, SEGMENT_NONE, 0, log->written_position };
    uint32_t at = log->entries.unordered;

    for (; at != ENTRY_NONE; at = entry_at(&logs->entries, at)->next) {
        const struct entry *entry = entry_at(&logs->entries, at);
        if (entry_last_offset(entry) >= offset) break;
        seam.end_offset = entry_last_offset(entry) + 1;
        seam.log_position = entry->position + entry->size;
    }
    return seam;
}

static struct seam seam_in_segment(const struct logs *logs, uint32_t number, uint32_t position, int64_t end_offset)
{
    const struct segment *segment = &logs->segments[number];

    return (struct seam){ end_offset, number, position, segment->begin_position + position };
}

/* Nothing of that segment stays. */
static struct seam seam_before(const struct logs *logs, uint32_t number)
{
    const struct segment *segment = &logs->segments[number];
    const bool first = segment->previous == SEGMENT_NONE;

    return (struct seam){ first ? 0 : logs->segments[segment->previous].written.end_offset, SEGMENT_NONE, 0,
                          segment->begin_position };
}

/* The batch that holds the last offset below the seam, or the first one behind that. If it is still in memory, so is
 * its place. */
static bool seam_by_entry(const struct logs *logs, const struct log *log, uint32_t number, int64_t offset,
                          struct seam *seam)
{
    const struct segment *segment = &logs->segments[number];
    const uint32_t at = log_entry_find(logs, log, offset - 1);
    if (at == ENTRY_NONE) return false;
    const struct entry *entry = entry_at(&logs->entries, at);

    if (entry_last_offset(entry) == offset - 1) {
        const uint64_t end = entry->position + entry->size - segment->begin_position;
        *seam = seam_in_segment(logs, number, (uint32_t)end, offset);
        return true;
    }
    if (!entry_lives(&logs->entries, entry->previous)) return false;
    const struct entry *previous = entry_at(&logs->entries, entry->previous);
    if (previous->base_offset < segment->base_offset) return false;
    *seam = seam_in_segment(logs, number, (uint32_t)(entry->position - segment->begin_position),
                            entry_last_offset(previous) + 1);
    return true;
}

static enum seam_verdict seam_by_lookup(struct logs *logs, uint32_t log, uint32_t number, int64_t offset,
                                        struct seam *seam, struct effects *effects)
{
    const struct cursor *cursor = lookup_cursor(logs, log, offset - 1);

    if (cursor == NULL) {
        if (!lookup_offset(logs, log, number, offset - 1, 0, effects)) logs->due = true;
        return SEAM_WAITS;
    }
    if (cursor->size == 0) {
        lookup_forget(logs, log, offset - 1);
        return SEAM_UNREADABLE;
    }
    if (cursor->last_offset == offset - 1) {
        *seam = seam_in_segment(logs, number, cursor->position + cursor->size, offset);
    } else {
        *seam = seam_in_segment(logs, number, cursor->position, cursor->previous_end);
    }
    return SEAM_FOUND;
}

static enum seam_verdict find_any_seam(struct logs *logs, uint32_t number, int64_t offset, struct seam *seam,
                                       struct effects *effects)
{
    const struct log *log = &logs->logs[number];

    if (offset >= log->written_offset) {
        *seam = seam_in_memory(logs, log, offset);
        return SEAM_FOUND;
    }
    const uint32_t found = segment_find(logs, log, offset);
    if (offset <= logs->segments[found].base_offset) {
        *seam = seam_before(logs, found);
        return SEAM_FOUND;
    }
    if (seam_by_entry(logs, log, found, offset, seam)) return SEAM_FOUND;
    return seam_by_lookup(logs, number, found, offset, seam, effects);
}

/* The end of the last batch that does not reach beyond the offset. */
static enum seam_verdict find_seam(struct logs *logs, uint32_t number, int64_t offset, struct seam *seam,
                                   struct effects *effects)
{
    const struct log *log = &logs->logs[number];
    const enum seam_verdict verdict = find_any_seam(logs, number, offset, seam, effects);
    if (verdict != SEAM_FOUND) return verdict;

    if (seam->segment != SEGMENT_NONE && seam->position == 0) *seam = seam_before(logs, seam->segment);
    /* A batch that reaches beyond the seam may be the one that the log begins in. */
    seam->end_offset = MAX(seam->end_offset, MAX(log->log_start_offset, log->next_start_offset));
    CHECK(seam->end_offset <= offset);
    return SEAM_FOUND;
}

/* ---- cutting there ---- */

static void shorten(struct logs *logs, uint32_t number, const struct seam *seam)
{
    struct segment *segment = &logs->segments[number];
    struct segment_mark *mark = &segment->written;
    struct log *log = &logs->logs[segment->log];

    log->segments_size -= mark->size - seam->position;
    mark->end_offset = seam->end_offset;
    mark->size = seam->position;
    mark->index_size = 0;
    mark->time_index_size = 0;
    mark->indexed_timestamp = -1;
    mark->unindexed_size = mark->size;
    /* What its youngest record was is not known now; that none is younger is true still. */
    mark->largest_timestamp_offset = MIN(mark->largest_timestamp_offset, mark->end_offset - 1);
    if (MUTANT(truncated_segment_stays_synced)) return;
    const bool synced = segment->synced.size >= mark->size;
    const struct segment_mark before = segment->synced;
    segment->synced = *mark;
    if (synced) return;
    segment->synced.size = before.size;
    segment->synced.end_offset = before.end_offset;
    segment->synced.largest_timestamp = before.largest_timestamp;
    segment->synced.largest_timestamp_offset = before.largest_timestamp_offset;
    segment_dirty(logs, number, 1U << SEGMENT_LOG);
}

static void cut_segments(struct logs *logs, struct log *log, const struct seam *seam, uint64_t sequence)
{
    for (uint32_t at = log->last_segment; at != SEGMENT_NONE; at = log->last_segment) {
        struct segment *segment = &logs->segments[at];
        if (segment->begin_position >= seam->log_position) {
            cut_later(logs, segment_take_last(logs, log), sequence);
            continue;
        }
        if (at != seam->segment) return;
        shorten(logs, at, seam);
        segment->flags |= SEGMENT_SEALED | SEGMENT_INDEX_BAD;
        cut_later(logs, at, sequence);
        return;
    }
}

/* What is compacted ends at the log's end; and files of what was compacted may be there yet, so that a segment that
 * begins where one of those began needs another name. */
static void forget_editions(struct log *log)
{
    log->cleaned_offset = MIN(log->cleaned_offset, log->log_end_offset);
    if (log->edition_top > 0) log->edition = ++log->edition_top;
}

/* From now on the log ends there. Appended records that were not flushed, written ones, durable ones: all the same. */
static void cut(struct logs *logs, uint32_t number, const struct seam *seam, uint64_t sequence)
{
    struct log *log = &logs->logs[number];

    CHECK(log->flush == SLOT_FREE && !log->frozen);
    lookup_cut_log(logs, number);
    logs->pending_size -= entries_truncate(&logs->entries, &log->entries, seam->log_position);
    cut_segments(logs, log, seam, sequence);
    log->end_position = seam->log_position;
    log->written_position = MIN(log->written_position, seam->log_position);
    log->durable_position = MIN(log->durable_position, seam->log_position);
    log->log_end_offset = seam->end_offset;
    log->written_offset = MIN(log->written_offset, seam->end_offset);
    log->durable_offset = MIN(log->durable_offset, seam->end_offset);
    log->high_watermark = MIN(log->high_watermark, seam->end_offset);
    log->recorded_offset = MIN(log->recorded_offset, seam->end_offset);
    epochs_truncate(&logs->epochs, &log->epochs, seam->end_offset);
    forget_editions(log);
    if (log->begun_epoch > log->epochs.newest.epoch) log->begun_epoch = -1;
    learn_cut_log(logs, number);
    append_end_moved(logs, number);
    logs->checkpoint.activity = true;
    log_check(logs, number);
}

/* The log begins anew at an offset. */
static void empty(struct logs *logs, uint32_t number, int64_t offset, uint64_t sequence)
{
    struct log *log = &logs->logs[number];

    CHECK(log->flush == SLOT_FREE && !log->frozen);
    lookup_cut_log(logs, number);
    logs->pending_size -= entries_truncate(&logs->entries, &log->entries, 0);
    while (log->last_segment != SEGMENT_NONE) cut_later(logs, segment_take_last(logs, log), sequence);
    remove_before_it_begins(logs, number);
    log->written_position = log->durable_position = log->end_position;
    log->log_start_offset = log->next_start_offset = log->sent_start_offset = offset;
    log->log_end_offset = log->written_offset = log->durable_offset = log->high_watermark = offset;
    log->recorded_offset = MIN(log->recorded_offset, offset);
    log->tail_timestamp = -1;
    log->begun_epoch = -1;
    epochs_clear(&logs->epochs, &log->epochs);
    forget_editions(log);
    producers_forget_log(&logs->producers, number);
    learn_forget_log(logs, number);
    append_end_moved(logs, number);
    logs->checkpoint.activity = true;
    log_check(logs, number);
}

/* ---- saying so ---- */

static void seam_write(const struct logs *logs, uint8_t *to, const struct seam *seam)
{
    const bool cuts = seam->segment != SEGMENT_NONE;

    store_u64(to, (uint64_t)seam->end_offset);
    store_u64(to + 8, cuts ? (uint64_t)logs->segments[seam->segment].base_offset : UINT64_MAX);
    store_u32(to + 16, cuts ? seam->position : 0);
    store_u32(to + 20, cuts ? logs->segments[seam->segment].edition : 0);
}

/* Room for an entry with which an era begins; NULL: no memory now, and nothing has begun. */
static uint8_t *begin_era(struct logs *logs, struct log *log, enum entry_kind kind, uint32_t size)
{
    const uint32_t era = log->era;
    uint32_t chunk;

    log->era = logs->era + 1;
    uint8_t *said = append_take(logs, log, kind, size, 0, &chunk);
    if (said == NULL) log->era = era;
    else logs->era++;
    return said;
}

/* True when it is in the journal, and in memory. */
static bool say(struct logs *logs, uint32_t number, struct effects *effects)
{
    struct log *log = &logs->logs[number];
    struct seam seam;

    if (!checkpoint_yields(logs) || log->flush != SLOT_FREE) return false;
    log->truncates_all |= log->truncate_offset < MAX(log->log_start_offset, log->next_start_offset);
    const bool epochs_stay = log->epochs.count == 0 || log->epochs.newest.start_offset < log->truncate_offset;
    if (!log->truncates_all && log->truncate_offset >= log->log_end_offset && epochs_stay) {
        log->truncate_sequence = 0;
        return true; /* there is nothing behind it */
    }
    if (log->truncates_all) {
        uint8_t *said = begin_era(logs, log, ENTRY_RESET, RESET_ENTRY_SIZE);
        if (said == NULL) return false;
        store_u64(said, (uint64_t)log->truncate_offset);
        log->truncate_sequence = journal_open_sequence(logs->journal);
        empty(logs, number, log->truncate_offset, log->truncate_sequence);
        return true;
    }
    switch (find_seam(logs, number, log->truncate_offset, &seam, effects)) {
    case SEAM_FOUND: break;
    case SEAM_WAITS: return false;
    case SEAM_UNREADABLE:
        log->truncation_fails = true;
        log->truncate_sequence = 0;
        return true;
    }
    uint8_t *said = begin_era(logs, log, ENTRY_TRUNCATE, TRUNCATE_ENTRY_SIZE);
    if (said == NULL) return false;
    seam_write(logs, said, &seam);
    log->truncate_sequence = journal_open_sequence(logs->journal);
    cut(logs, number, &seam, log->truncate_sequence);
    return true;
}

/* ---- lines: a log is in the one of its state ---- */

static void line_add(struct logs *logs, uint32_t number, enum truncation state)
{
    struct log_line *line = &logs->truncations[state];

    logs->logs[number].truncation = (uint8_t)state;
    logs->logs[number].next_truncate = LOG_NONE;
    if (line->last == LOG_NONE) line->first = number;
    else logs->logs[line->last].next_truncate = number;
    line->last = number;
}

static uint32_t line_take(struct logs *logs, enum truncation state)
{
    struct log_line *line = &logs->truncations[state];
    const uint32_t number = line->first;

    if (number == LOG_NONE) return LOG_NONE;
    line->first = logs->logs[number].next_truncate;
    if (line->first == LOG_NONE) line->last = LOG_NONE;
    return number;
}

static void want(struct logs *logs, uint32_t number)
{
    logs->logs[number].truncation_fails = false;
    line_add(logs, number, TRUNCATION_WANTED);
    logs->due = true;
}

void logs_truncate(struct logs *logs, uint32_t number, int64_t offset)
{
    struct log *log = log_at(logs, number);

    CHECK(logs->state == LOGS_OPEN && offset >= 0);
    CHECK(log->truncation == TRUNCATION_NONE);
    log->truncate_offset = offset;
    log->truncates_all = false;
    want(logs, number);
}

void logs_reset(struct logs *logs, uint32_t number, int64_t log_start_offset)
{
    struct log *log = log_at(logs, number);

    CHECK(logs->state == LOGS_OPEN && log_start_offset >= 0);
    CHECK(log->truncation == TRUNCATION_NONE);
    log->truncate_offset = log_start_offset;
    log->truncates_all = true;
    want(logs, number);
}

/* Each of a bounded number is tried once. */
void truncate_work(struct logs *logs, struct effects *effects)
{
    const uint32_t last = logs->truncations[TRUNCATION_WANTED].last;
    uint32_t number = LOG_NONE;

    if (logs->state != LOGS_OPEN) return;
    for (uint32_t tries = TRIES_PER_STEP; tries > 0 && number != last; tries--) {
        number = line_take(logs, TRUNCATION_WANTED);
        if (!say(logs, number, effects)) line_add(logs, number, TRUNCATION_WANTED);
        else line_add(logs, number, logs->logs[number].truncate_sequence == 0 ? TRUNCATION_TOLD : TRUNCATION_SAID);
    }
    logs->due |= number != last;
}

void truncations_are_durable(struct logs *logs)
{
    for (uint32_t at; (at = logs->truncations[TRUNCATION_SAID].first) != LOG_NONE;) {
        if (!logs_is_durable(logs, logs->logs[at].truncate_sequence)) return;
        line_add(logs, line_take(logs, TRUNCATION_SAID), TRUNCATION_TOLD);
    }
}

void truncate_forget_log(struct logs *logs, uint32_t number)
{
    const enum truncation state = (enum truncation)logs->logs[number].truncation;
    if (state == TRUNCATION_NONE) return;

    /* Rare, so a walk will do. */
    const uint32_t last = logs->truncations[state].last;
    for (uint32_t at = LOG_NONE; at != last;) {
        at = line_take(logs, state);
        if (at != number) line_add(logs, at, state);
    }
    logs->logs[number].truncation = TRUNCATION_NONE;
}

bool truncations_allow_checkpoint(const struct logs *logs, bool urgent)
{
    if (logs->truncations[TRUNCATION_SAID].first != LOG_NONE) return false;
    return logs->truncations[TRUNCATION_WANTED].first == LOG_NONE || logs->state != LOGS_OPEN || urgent;
}

struct log_truncated logs_next_truncated(struct logs *logs)
{
    const uint32_t number = line_take(logs, TRUNCATION_TOLD);

    if (number == LOG_NONE) return (struct log_truncated){ LOG_NONE, false };
    logs->logs[number].truncation = TRUNCATION_NONE;
    return (struct log_truncated){ number, logs->logs[number].truncation_fails };
}

/* ---- hearing it again ---- */

/* Whether the segment is the one that was cut, and not what compaction made that of: then it is whole, and has every
 * batch that the other one has. */
static bool is_edition(const struct logs *logs, uint32_t number, uint32_t edition)
{
    return number != SEGMENT_NONE && logs->segments[number].edition == edition;
}

enum replay_verdict truncate_replay(struct logs *logs, uint32_t number, uint32_t era, struct bytes said,
                                    struct effects *effects)
{
    struct log *log = &logs->logs[number];

    if (said.size != TRUNCATE_ENTRY_SIZE) return REPLAY_CORRUPT;
    const int64_t end_offset = (int64_t)load_u64(said.data), base_offset = (int64_t)load_u64(said.data + 8);
    const uint32_t position = load_u32(said.data + 16), edition = load_u32(said.data + 20);
    struct seam seam;
    if (end_offset < log->log_start_offset || end_offset > log->log_end_offset) return REPLAY_CORRUPT;
    if (log->flush != SLOT_FREE) return REPLAY_WAITS;
    const uint32_t found = segment_find(logs, log, end_offset - 1);
    if (end_offset < log->recorded_offset && base_offset >= 0 && is_edition(logs, found, edition)) {
        /* The file may be cut there already. It is the same one: segments only grow. */
        if (logs->segments[found].base_offset != base_offset) return REPLAY_CORRUPT;
        if (position == 0 || position > logs->segments[found].written.size) return REPLAY_CORRUPT;
        seam = seam_in_segment(logs, found, position, end_offset);
    } else {
        switch (find_seam(logs, number, end_offset, &seam, effects)) {
        case SEAM_FOUND: break;
        case SEAM_WAITS: return REPLAY_WAITS;
        case SEAM_UNREADABLE: return REPLAY_CORRUPT;
        }
        if (seam.end_offset != end_offset) return REPLAY_CORRUPT;
    }
    log->era = era;
    cut(logs, number, &seam, logs->recovery.last_round);
    return REPLAY_DONE;
}

enum replay_verdict reset_replay(struct logs *logs, uint32_t number, uint32_t era, struct bytes said)
{
    struct log *log = &logs->logs[number];

    if (said.size != RESET_ENTRY_SIZE || (int64_t)load_u64(said.data) < 0) return REPLAY_CORRUPT;
    if (log->flush != SLOT_FREE) return REPLAY_WAITS;
    log->era = era;
    empty(logs, number, (int64_t)load_u64(said.data), logs->recovery.last_round);
    return REPLAY_DONE;
}
