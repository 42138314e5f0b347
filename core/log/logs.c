/* logs.c -- the front of the room: opening and deleting, durability, and whose turn it is in a step. */
#include "log/logs.h"

#include "log/append.h"
#include "log/checkpoint.h"
#include "log/compaction.h"
#include "log/compare.h"
#include "log/cut.h"
#include "log/flush.h"
#include "log/learn.h"
#include "log/lookup.h"
#include "log/reads.h"
#include "log/recovery.h"
#include "log/remove.h"
#include "log/retention.h"
#include "log/segments.h"
#include "log/state.h"
#include "log/sync.h"
#include "log/truncate.h"

enum { GATHERED_SIZE_MAX = 256 * 1024 }; /* to sync more takes so long that the rest had better fill the next round */

/* ---- opening and deleting ---- */

static uint32_t topic_get(struct logs *logs, const struct uuid *id, struct bytes name)
{
    uint32_t slot;

    if (map_get(&logs->names, map_key_id(id, UINT32_MAX), &slot)) return slot;
    slot = pool_take(&logs->topics_pool);
    if (slot == POOL_NONE) return UINT32_MAX;
    struct log_topic *topic = &logs->topics[slot];
    *topic = (struct log_topic){ .id = *id, .name_size = (uint8_t)name.size };
    memcpy(topic->name, name.data, name.size);
    CHECK(map_put(&logs->names, map_key_id(id, UINT32_MAX), slot) == MAP_ADDED);
    return slot;
}

void topic_release(struct logs *logs, uint32_t slot)
{
    struct log_topic *topic = &logs->topics[slot];

    CHECK(topic->references > 0);
    if (--topic->references > 0) return;
    CHECK(map_remove(&logs->names, map_key_id(&topic->id, UINT32_MAX)));
    pool_give(&logs->topics_pool, slot);
}

bool logs_open(struct logs *logs, uint32_t number, const struct uuid *topic_id, struct bytes topic, int32_t partition,
               const struct log_rules *rules)
{
    CHECK(topic.size >= 1 && topic.size <= TOPIC_NAME_MAX && partition >= 0);
    if (number >= logs->config.logs_max) return false;
    struct log *log = &logs->logs[number];
    CHECK(!log->open);
    /* Each log that is open must be able to be deleted: as many wait for their files to go at the most. */
    if (logs->open_count + logs->doomed_pool.taken_count >= logs->doomed_pool.slots_max) return false;
    const uint32_t topic_slot = topic_get(logs, topic_id, topic);
    if (topic_slot == UINT32_MAX) return false;
    logs->topics[topic_slot].references++;
    logs->open_count++;
    CHECK(map_put(&logs->names, map_key_id(topic_id, (uint32_t)partition), number) == MAP_ADDED);
    *log = (struct log){
        .open = true,
        .generation = ++logs->generation,
        .topic = topic_slot,
        .partition = partition,
        .rules = *rules,
        .tail_timestamp = -1,
        .begun_epoch = -1,
        .first_segment = SEGMENT_NONE,
        .last_segment = SEGMENT_NONE,
        .flush = SLOT_FREE,
        .next_flush = LOG_NONE,
        .next_durable = LOG_NONE,
        .next_trim = LOG_NONE,
        .next_end = LOG_NONE,
        .next_moving = LOG_NONE,
        .next_unclear = LOG_NONE,
        .fresh = logs->state == LOGS_OPEN,
        .next_truncate = LOG_NONE,
        .next_learn = LOG_NONE,
    };
    if (logs->state == LOGS_OPEN) log->era = ++logs->era; /* what an earlier life of it left in the journal is older */
    entry_list_init(&log->entries);
    epoch_list_init(&log->epochs);
    if (logs->logs_end <= number) logs->logs_end = number + 1;
    remove_before_it_is_opened(logs, number);
    return true;
}

bool logs_has(const struct logs *logs, uint32_t number)
{
    return number < logs->config.logs_max && logs->logs[number].open;
}

void logs_set_compaction_rate(struct logs *logs, uint64_t rate)
{
    pace_set(&logs->compaction.pace, rate, logs->mono_ns);
    logs->due = true; /* it may be waiting for a time by the old one */
}

void logs_set_rules(struct logs *logs, uint32_t number, const struct log_rules *rules)
{
    struct log *log = log_at(logs, number);

    log->rules = *rules;
    compaction_wake(logs, log);
}

/* Takes a log off a queue that runs through the logs; rare, so a walk will do. */
static void unlink_queued(struct logs *logs, uint32_t number, uint32_t *first, uint32_t *last, size_t link)
{
    uint32_t previous = LOG_NONE;

    for (uint32_t at = *first; at != LOG_NONE;) {
        uint32_t *next = (uint32_t *)(void *)((uint8_t *)&logs->logs[at] + link);
        if (at != number) {
            previous = at;
            at = *next;
            continue;
        }
        if (previous == LOG_NONE) *first = *next;
        else *(uint32_t *)(void *)((uint8_t *)&logs->logs[previous] + link) = *next;
        if (*last == number) *last = previous;
        return;
    }
}

static void unlink_log(struct logs *logs, uint32_t number)
{
    const struct log *log = &logs->logs[number];

    if (log->flush_queued) {
        unlink_queued(logs, number, &logs->flush_queue_first, &logs->flush_queue_last,
                      offsetof(struct log, next_flush));
    }
    if (log->durable_queued) {
        unlink_queued(logs, number, &logs->durable_first, &logs->durable_last, offsetof(struct log, next_durable));
    }
    if (log->trim_queued) {
        unlink_queued(logs, number, &logs->trim_first, &logs->trim_last, offsetof(struct log, next_trim));
    }
    if (log->unclear) {
        unlink_queued(logs, number, &logs->unclear.first, &logs->unclear.last, offsetof(struct log, next_unclear));
    }
    if (log->moves) {
        unlink_queued(logs, number, &logs->moving.first, &logs->moving.last, offsetof(struct log, next_moving));
    }
    if (log->end_queued) {
        unlink_queued(logs, number, &logs->end_first, &logs->end_last, offsetof(struct log, next_end));
    }
}

void logs_delete(struct logs *logs, uint32_t number)
{
    struct log *log = log_at(logs, number);
    const struct uuid *topic_id = &logs->topics[log->topic].id;

    unlink_log(logs, number);
    checkpoint_forget_log(logs, number);
    recovery_forget_log(logs, number);
    truncate_forget_log(logs, number);
    learn_forget_log(logs, number);
    logs->pending_size -= log->end_position - log->written_position;
    entries_kill(&logs->entries, &log->entries);
    epochs_clear(&logs->epochs, &log->epochs);
    producers_forget_log(&logs->producers, number);
    CHECK(map_remove(&logs->names, map_key_id(topic_id, (uint32_t)log->partition)));
    remove_log(logs, number);
    topic_release(logs, log->topic);
    log->open = false;
    logs->open_count--;
    logs->due = true;
    logs->starved = false;
}

/* ---- offsets ---- */

struct log_offsets log_offsets(const struct logs *logs, uint32_t number)
{
    const struct log *log = log_at(logs, number);

    return (struct log_offsets){
        .log_start_offset = log->log_start_offset,
        .next_start_offset = log->next_start_offset,
        .durable_offset = log->durable_offset,
        .log_end_offset = log->log_end_offset,
        .high_watermark = log->high_watermark,
        .leader_epoch = log->epochs.count > 0 ? log->epochs.newest.epoch : -1,
        .size = log->segments_size + (log->end_position - log->written_position),
        .producers_known = !log->learning,
    };
}

struct epoch_end log_epoch_end(const struct logs *logs, uint32_t number, int32_t leader_epoch)
{
    const struct log *log = log_at(logs, number);
    const struct epoch_answer answer = epochs_end(&logs->epochs, &log->epochs, leader_epoch, log->log_end_offset);

    return (struct epoch_end){ answer.epoch, answer.end_offset };
}

struct epoch_bound log_epoch_bound(const struct logs *logs, uint32_t number, int32_t leader_epoch)
{
    const struct log *log = log_at(logs, number);
    const struct epoch_floor floor =
        epochs_floor(&logs->epochs, &log->epochs, leader_epoch, log->log_start_offset, log->log_end_offset);

    return (struct epoch_bound){ floor.known, floor.epoch, floor.end_offset };
}

uint32_t log_producer_count(const struct logs *logs, uint32_t number)
{
    uint32_t count = 0;

    for (uint32_t at = producers_first_of_log(&logs->producers, number); at != PRODUCER_NONE;
         at = producers_next_of_log(&logs->producers, at)) {
        count++;
    }
    return count;
}

bool log_next_producer(const struct logs *logs, uint32_t number, uint32_t *place, struct log_producer *answer)
{
    *place = *place == LOG_PRODUCERS_BEGIN ? producers_first_of_log(&logs->producers, number)
                                           : producers_next_of_log(&logs->producers, *place);
    if (*place == PRODUCER_NONE) return false;
    const struct producer *producer = &logs->producers.producers[*place];
    const struct producer_batch *newest = producer_batch(producer, 0);
    *answer = (struct log_producer){ producer->id, producer->used_ms, newest->last_sequence, newest->epoch };
    return true;
}

void logs_set_replicated(struct logs *logs, uint32_t number, bool replicated)
{
    struct log *log = log_at(logs, number);

    /* What was shown before it was durable stays shown, and the high watermark stands until that is durable. */
    log->sole_when_durable = !replicated && log->high_watermark > log->durable_offset;
    log->replicated = replicated || log->sole_when_durable;
    if (log->replicated || log->high_watermark >= log->durable_offset) return;
    log->high_watermark = log->durable_offset;
    append_durable_moved(logs, number);
}

void logs_set_led(struct logs *logs, uint32_t number, bool led)
{
    log_at(logs, number)->led = led;
}

void logs_set_high_watermark(struct logs *logs, uint32_t number, int64_t high_watermark)
{
    struct log *log = log_at(logs, number);

    CHECK(log->replicated && high_watermark <= log->log_end_offset);
    if (high_watermark <= log->high_watermark) return;
    log->high_watermark = high_watermark;
    logs->checkpoint.activity = true;
    compaction_wake(logs, log);
}

uint32_t logs_next_end(struct logs *logs)
{
    const uint32_t number = logs->end_first;
    if (number == LOG_NONE) return LOG_NONE;
    struct log *log = &logs->logs[number];

    logs->end_first = log->next_end;
    if (log->next_end == LOG_NONE) logs->end_last = LOG_NONE;
    log->end_queued = false;
    return number;
}

/* ---- durability ---- */

static void entry_is_safe(struct logs *logs, const struct entry *entry)
{
    if (entry->log == ENTRY_NONE) return;
    struct log *log = &logs->logs[entry->log];

    log->durable_offset = entry_last_offset(entry) + 1;
    log->durable_position = entry->position + entry->size;
    if (log->sole_when_durable && log->durable_offset >= log->high_watermark) {
        log->sole_when_durable = false;
        log->replicated = false;
    }
    if (!log->replicated) log->high_watermark = log->durable_offset; /* the only replica is this one */
    append_durable_moved(logs, entry->log);
}

static void rounds_are_durable(struct logs *logs)
{
    struct entries *entries = &logs->entries;

    while (logs->round_count > 0) {
        const struct round_mark *mark = &logs->rounds[logs->round_first];
        if (mark->sequence > journal_durable_sequence(logs->journal)) break;
        for (; entries->durable_end != mark->end; entries->durable_end++) {
            const struct entry *entry = entry_at(entries, entries->durable_end);
            entry_is_safe(logs, entry);
            logs->round_bytes += entry->size;
            if (entry->log != ENTRY_NONE) flush_if_much(logs, entry->log);
        }
        logs->round_first = (logs->round_first + 1) % ROUND_MARKS_MAX;
        logs->round_count--;
    }
    remove_starts_are_durable(logs);
    truncations_are_durable(logs);
    logs->rounds_durable++;
    logs->starved = false;
}

uint32_t logs_next_durable(struct logs *logs)
{
    const uint32_t number = logs->durable_first;
    if (number == LOG_NONE) return LOG_NONE;
    struct log *log = &logs->logs[number];

    logs->durable_first = log->next_durable;
    if (log->next_durable == LOG_NONE) logs->durable_last = LOG_NONE;
    log->durable_queued = false;
    return number;
}

/* ---- the step's end, the disk, time ---- */

static void on_journal(struct logs *logs, const struct event *event, struct effects *effects)
{
    switch (journal_on_disk(logs->journal, event, effects)) {
    case JOURNAL_KEPT: logs->recovery.journal_answered = true; break;
    case JOURNAL_DURABLE:
        logs->journal_full = false;
        rounds_are_durable(logs);
        break;
    case JOURNAL_STALLED:
        logs->journal_full = true;
        logs->journal_retry_ns = logs->mono_ns + DISK_RETRY_NS;
        break;
    case JOURNAL_BROKEN: logs_break(logs, HALT_DISK_FAILED, JOURNAL_DIRECTORY); break;
    }
}

void logs_on_disk(struct logs *logs, const struct event *event, struct effects *effects)
{
    const struct event_disk *disk = &event->disk;
    const uint32_t slot = (uint32_t)(disk->op >> 8);
    const uint32_t part = (uint32_t)(disk->op & 0xff);
    if (logs->state == LOGS_BROKEN) return;

    logs->mono_ns = event->mono_ns;
    logs->wall_ms = event->wall_ms;
    if (op_owner(disk->op) == OP_JOURNAL) {
        on_journal(logs, event, effects);
        return;
    }
    CHECK(op_owner(disk->op) == OP_LOGS);
    switch ((enum logs_op)(disk->op >> 40 & 0xff)) {
    case LOGS_OP_FLUSH: flush_on_disk(logs, slot, part, disk, effects); return;
    case LOGS_OP_SYNC: sync_on_disk(logs, slot, part, disk); return;
    case LOGS_OP_LOOKUP: lookup_on_disk(logs, slot, part, disk, effects); return;
    case LOGS_OP_CHECKPOINT: checkpoint_on_disk(logs, disk, effects); return;
    case LOGS_OP_RECOVERY: recovery_on_disk(logs, disk, effects); return;
    case LOGS_OP_COMPARE: compare_on_disk(logs, slot, disk, effects); return;
    case LOGS_OP_REMOVE: remove_on_disk(logs, slot, disk, effects); return;
    case LOGS_OP_CUT: cut_on_disk(logs, slot, disk, effects); return;
    case LOGS_OP_COMPACTION: compaction_on_disk(logs, part, disk); return;
    }
    CHECK(false);
}

/* Everything is flushed, then a clean checkpoint is made. On a full disk the journal keeps what no segment takes. */
static void stop_work(struct logs *logs)
{
    if (logs->state != LOGS_STOPPING) return;
    if (logs->journal_full || logs->segments_full || logs->checkpoint.state == CHECKPOINT_DISK_FULL) {
        logs->state = LOGS_STOPPED;
        return;
    }
    if (journal_is_busy(logs->journal) || logs->entries.unwritten != logs->entries.end) return;
    if (logs->checkpoint.state != CHECKPOINT_IDLE || !compaction_is_idle(logs)) return;
    if (logs->checkpoint.clean && !logs->checkpoint.activity) logs->state = LOGS_STOPPED;
    else logs->checkpoint.wanted = true;
}

void logs_gather(struct logs *logs)
{
    logs->gathers = true;
}

/* Whether the open round has nothing but beginnings of epochs, which need only be durable before what is appended in
 * them: who creates a topic would pay for a second sync, and a node that becomes the leader of many partitions too. */
static bool round_may_wait(struct logs *logs, uint32_t size)
{
    if (logs->awaited_sequence == journal_open_sequence(logs->journal) || logs->state != LOGS_OPEN) return false;
    if (size == 0) return false;
    if (logs->round_due_ns == 0) logs->round_due_ns = logs->mono_ns + UNAWAITED_ROUND_NS;
    return logs->mono_ns < logs->round_due_ns;
}

/* A round of one batch would keep those that come in right behind it waiting for its whole sync. */
static void commit_round(struct logs *logs, struct effects *effects)
{
    const bool gathers = logs->gathers && logs->state == LOGS_OPEN;
    const uint64_t much = MIN((uint64_t)GATHERED_SIZE_MAX, logs->config.tail_memory_size / 8);
    const uint32_t size = journal_ready_size(logs->journal);

    logs->gathers = false;
    if (round_may_wait(logs, size)) return;
    logs->round_due_ns = 0;
    if (gathers && size > 0 && size < much) logs->due = true;
    else journal_commit(logs->journal, effects);
}

static void tell_forgotten(struct logs *logs, struct effects *effects)
{
    const uint64_t forgotten = logs->producers_forgotten - logs->producers_told;

    if (forgotten == 0 || logs->mono_ns < logs->producers_told_ns) return;
    NOTE(effects, PRODUCERS_FORGOTTEN, (int64_t)forgotten, logs->config.producers_max);
    logs->producers_told = logs->producers_forgotten;
    logs->producers_told_ns = logs->mono_ns + PRODUCERS_TOLD_NS;
}

void logs_commit(struct logs *logs, uint64_t mono_ns, int64_t wall_ms, struct effects *effects)
{
    logs->mono_ns = mono_ns;
    logs->wall_ms = wall_ms;
    logs->due = false;
    if (logs->state == LOGS_CLOSED || logs->state == LOGS_BROKEN || logs->state == LOGS_STOPPED) return;

    if (logs->journal_full && mono_ns >= logs->journal_retry_ns) {
        logs->journal_retry_ns = mono_ns + DISK_RETRY_NS;
        journal_retry(logs->journal, effects);
    }
    if (logs->reads_refused) {
        logs->reads_refused = false;
        for (uint32_t i = logs->lookups_used; i < LOOKUPS_MAX; i++) reads_wake_one(logs);
    }
    if (logs->ready.count > 0) logs->due = true;
    truncate_work(logs, effects);
    commit_round(logs, effects);
    if (logs->state == LOGS_RECOVERING) recovery_work(logs, effects);
    cut_work(logs, effects);
    learn_work(logs, effects);
    flush_work(logs, effects);
    checkpoint_work(logs, effects);
    if (logs->state != LOGS_RECOVERING) {
        retention_work(logs);
        compaction_work(logs, effects);
        remove_work(logs, effects);
        logs->due |= producers_expire(&logs->producers, wall_ms, 16);
        tell_forgotten(logs, effects);
    }
    stop_work(logs);
    /* Behind one that is under way, another one begins when that one is done. */
    if (logs->state == LOGS_STOPPING && checkpoint_may_begin(logs)) logs->due = true;
}

uint64_t logs_deadline_ns(const struct logs *logs)
{
    uint64_t deadline;

    switch (logs->state) {
    case LOGS_CLOSED:
    case LOGS_STOPPED:
    case LOGS_BROKEN: return UINT64_MAX;
    case LOGS_RECOVERING:
    case LOGS_OPEN:
    case LOGS_STOPPING: break;
    }
    if (logs->due) return 0;
    deadline = MIN(flush_deadline_ns(logs), checkpoint_deadline_ns(logs));
    deadline = MIN(deadline, remove_deadline_ns(logs));
    if (logs->state == LOGS_OPEN) deadline = MIN(deadline, compaction_deadline_ns(logs));
    if (logs->journal_full) deadline = MIN(deadline, logs->journal_retry_ns);
    if (logs->round_due_ns != 0) deadline = MIN(deadline, logs->round_due_ns);
    return deadline;
}

/* ---- states ---- */

enum logs_state logs_state(const struct logs *logs)
{
    return logs->state;
}

struct effect_halt logs_halt(const struct logs *logs)
{
    CHECK(logs->state == LOGS_BROKEN);
    return logs->halt;
}

void logs_recover(struct logs *logs, struct effects *effects)
{
    CHECK(logs->state == LOGS_CLOSED);
    logs->state = LOGS_RECOVERING;
    recovery_begin(logs, effects);
}

void logs_stop(struct logs *logs, struct effects *effects)
{
    (void)effects;
    /* Before it is open nothing was promised, and all that is on disk may stay as it is. */
    if (logs->state == LOGS_CLOSED || logs->state == LOGS_RECOVERING) logs->state = LOGS_STOPPED;
    if (logs->state != LOGS_OPEN) return;
    logs->state = LOGS_STOPPING;
    logs->flush_all = true;
    logs->due = true;
}

void logs_retain(struct logs *logs, int64_t wall_ms)
{
    logs->wall_ms = wall_ms;
    if (logs->state == LOGS_OPEN && logs->retain_log == LOG_NONE) logs->retain_log = 0;
}

struct logs_usage logs_usage(const struct logs *logs)
{
    return (struct logs_usage){
        .tail_used_size = tail_used_size(logs->tail),
        .tail_memory_size = tail_memory_size(logs->tail),
        .journal_used_size = journal_usage(logs->journal).used_size,
        .rounds = logs->rounds_durable,
        .round_bytes = logs->round_bytes,
        .flushes = logs->flushes_done,
        .checkpoints = logs->checkpoint.count,
        .producers_forgotten = logs->producers_forgotten,
        .disk_full = logs->journal_full || logs->segments_full,
    };
}

struct compaction_usage logs_compaction_usage(const struct logs *logs)
{
    struct compaction_usage usage = logs->compaction.usage;

    for (uint32_t number = 0; number < logs->logs_end; number++) {
        usage.uncleanable +=
            logs->logs[number].open && (logs->logs[number].uncleanable || logs->logs[number].passed_over);
    }
    return usage;
}

/* ---- invariants ---- */

void log_check(const struct logs *logs, uint32_t number)
{
    const struct log *log = log_at(logs, number);

    CHECK(log->log_start_offset <= log->high_watermark || logs->state == LOGS_RECOVERING ||
          MUTANT(start_beyond_high_watermark));             /* (1) */
    CHECK(log->log_start_offset <= log->next_start_offset); /* (1) */
    CHECK(log->high_watermark <= (log->replicated ? log->log_end_offset : log->durable_offset) ||
          logs->state == LOGS_RECOVERING);                                                        /* (1) */
    CHECK(log->durable_offset <= log->log_end_offset);                                            /* (1) */
    CHECK(log->written_offset <= log->durable_offset || MUTANT(flush_takes_what_is_not_durable)); /* (2) */
    CHECK(log->written_position <= log->end_position);
    CHECK(log->cleaned_offset <= log->log_end_offset || logs->state == LOGS_RECOVERING);
    if (log->entries.first != ENTRY_NONE) {
        const struct entry *first = entry_at(&logs->entries, log->entries.first);
        CHECK(first->log == number && first->position <= log->written_position); /* (2) */
    } else {
        CHECK(log->written_position == log->end_position); /* (2) */
    }
    if (log->flush != SLOT_FREE) CHECK(logs->flushes[log->flush].log == number); /* (4) */
    if (log->last_segment != SEGMENT_NONE) {
        CHECK(logs->segments[log->last_segment].next == SEGMENT_NONE);
        CHECK(logs->segments[log->first_segment].previous == SEGMENT_NONE);
    }
}

static void segments_check(const struct logs *logs, const struct log *log)
{
    uint64_t size = 0;
    uint32_t count = 0;

    for (uint32_t slot = log->first_segment; slot != SEGMENT_NONE; slot = logs->segments[slot].next) {
        const struct segment *segment = &logs->segments[slot];
        const uint32_t next = segment->next;
        CHECK(segment->synced.size <= segment->written.size);
        if (next != SEGMENT_NONE) {
            CHECK(segment->written.end_offset <= logs->segments[next].base_offset); /* (3) */
            CHECK((segment->flags & SEGMENT_SEALED) != 0);                          /* (3) */
        }
        size += segment->written.size;
        count++;
    }
    CHECK(size == log->segments_size && count == log->segment_count);
}

void logs_check(const struct logs *logs)
{
    for (uint32_t number = 0; number < logs->logs_end; number++) {
        if (!logs->logs[number].open) continue;
        log_check(logs, number);
        segments_check(logs, &logs->logs[number]);
        epochs_check(&logs->epochs, &logs->logs[number].epochs);
    }
    entries_check(&logs->entries);
    producers_check(&logs->producers);
    journal_check(logs->journal);
    tail_check(logs->tail);
    map_check(&logs->names);
}
