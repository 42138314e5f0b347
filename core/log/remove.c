#include "log/remove.h"

#include "base/check.h"
#include "log/append.h"
#include "log/compaction.h"
#include "log/cut.h"
#include "log/flush.h"
#include "log/lookup.h"
#include "log/replaced.h"
#include "log/segments.h"
#include "log/sync.h"

enum { SEGMENTS_PER_STEP = 64, TRIES_PER_STEP = 8 };

/* ---- segments below the log start offset ---- */

void remove_when_durable(struct logs *logs, uint32_t number)
{
    struct log *log = &logs->logs[number];

    if (log->trim_queued) return;
    log->trim_queued = true;
    log->next_trim = LOG_NONE;
    if (logs->trim_last == LOG_NONE) logs->trim_first = number;
    else logs->logs[logs->trim_last].next_trim = number;
    logs->trim_last = number;
}

static bool start_is_durable(const struct logs *logs, const struct log *log)
{
    return log->start_sequence <= journal_durable_sequence(logs->journal) ||
           MUTANT(segments_dropped_before_start_is_durable);
}

static void start_at(struct logs *logs, uint32_t number)
{
    struct log *log = &logs->logs[number];
    int64_t offset = log->log_start_offset;

    if (start_is_durable(logs, log)) offset = log->next_start_offset;
    else if (log->sent_sequence <= journal_durable_sequence(logs->journal)) offset = log->sent_start_offset;
    if (offset <= log->log_start_offset) return;
    log->log_start_offset = offset;
    epochs_trim(&logs->epochs, &log->epochs, log->log_start_offset);
    append_durable_moved(logs, number);
}

static void line_add(struct logs *logs, uint32_t number)
{
    logs->logs[number].next_moving = LOG_NONE;
    if (logs->moving.last == LOG_NONE) logs->moving.first = number;
    else logs->logs[logs->moving.last].next_moving = number;
    logs->moving.last = number;
}

void remove_start_moves(struct logs *logs, uint32_t number)
{
    struct log *log = &logs->logs[number];

    if (!log->moves) line_add(logs, number);
    log->moves = true;
    remove_when_durable(logs, number);
}

/* The round that moves the log's start next. */
static uint64_t next_move(const struct log *log)
{
    return log->sent_start_offset > log->log_start_offset ? log->sent_sequence : log->start_sequence;
}

/* They are in the order of these rounds; one that moves again goes to the end. */
void remove_starts_are_durable(struct logs *logs)
{
    for (uint32_t at; (at = logs->moving.first) != LOG_NONE;) {
        struct log *log = &logs->logs[at];
        if (!start_is_durable(logs, log) && !logs_is_durable(logs, next_move(log))) return;
        start_at(logs, at);
        logs->moving.first = log->next_moving;
        if (logs->moving.first == LOG_NONE) logs->moving.last = LOG_NONE;
        log->moves = !start_is_durable(logs, log);
        if (log->moves) line_add(logs, at);
    }
}

static void add_dying(struct logs *logs, uint32_t number)
{
    logs->segments[number].dying_next = SEGMENT_NONE;
    if (logs->dying_last == SEGMENT_NONE) logs->dying_first = number;
    else logs->segments[logs->dying_last].dying_next = number;
    logs->dying_last = number;
}

void remove_later(struct logs *logs, uint32_t number)
{
    struct segment *segment = &logs->segments[number];
    const bool known = log_is(logs, segment->log, segment->generation);
    const int64_t delay_ms = known ? logs->logs[segment->log].rules.file_delete_delay_ms : 0;

    segment->due_ns = logs->mono_ns + (uint64_t)MAX(delay_ms, 0) * NS_PER_MS;
    add_dying(logs, number);
}

static uint32_t take_dying(struct logs *logs)
{
    const uint32_t number = logs->dying_first;

    logs->dying_first = logs->segments[number].dying_next;
    if (logs->dying_first == SEGMENT_NONE) logs->dying_last = SEGMENT_NONE;
    return number;
}

static bool may_die(const struct logs *logs, const struct log *log)
{
    if (log->first_segment == SEGMENT_NONE || log->frozen) return false;
    const struct segment *segment = &logs->segments[log->first_segment];
    if ((segment->flags & SEGMENT_CUTTING) != 0) return false;

    const bool begins_within = segment->written.end_offset > log->log_start_offset;
    if (begins_within && !(MUTANT(start_within_a_segment_drops_it) && segment->base_offset < log->log_start_offset &&
                           segment->next != SEGMENT_NONE)) {
        return false;
    }
    /* The active one, and one that a flush is closing, stay until nothing is written to them. */
    return log->flush == SLOT_FREE && segment->written.size > 0;
}

void remove_what_waited(struct logs *logs, uint32_t number)
{
    if (may_die(logs, &logs->logs[number])) remove_when_durable(logs, number);
}

/* ---- what an earlier life of a log left ---- */

/* Nothing of the log is flushed before its directory was cleared. */
static void clear_first(struct logs *logs, uint32_t number)
{
    struct log *log = &logs->logs[number];

    log->fresh = false;
    log->unclear = true;
    log->cuts++;
    log->next_unclear = LOG_NONE;
    if (logs->unclear.last == LOG_NONE) logs->unclear.first = number;
    else logs->logs[logs->unclear.last].next_unclear = number;
    logs->unclear.last = number;
    logs->due = true;
}

static bool lies_in(const char *path, const char *root)
{
    while (*root != 0 && *path == *root) path++, root++;
    return *root == 0 && (*path == 0 || *path == '/');
}

/* Whether something is being deleted there. */
static bool is_being_removed(const struct logs *logs, const char *path)
{
    for (uint32_t slot = 0; slot < REMOVES_MAX; slot++) {
        const struct remove *remove = &logs->removes[slot];
        const bool tree = remove->state >= REMOVE_LISTING && remove->state <= REMOVE_LEAVING;
        if (tree && lies_in(path, remove->root)) return true;
    }
    return false;
}

void remove_before_it_is_opened(struct logs *logs, uint32_t number)
{
    const struct log *log = &logs->logs[number];
    const struct log_place place = log_place(logs, log);
    char path[PATH_SIZE_MAX];

    path_of_partition(path, &place);
    if (log->fresh && is_being_removed(logs, path)) clear_first(logs, number);
}

void remove_before_it_begins(struct logs *logs, uint32_t number)
{
    struct log *log = &logs->logs[number];
    uint32_t at = logs->dying_first;
    if (log->fresh && logs->state == LOGS_OPEN) clear_first(logs, number);
    if (MUTANT(reborn_log_keeps_dying_files)) return;

    logs->dying_first = SEGMENT_NONE;
    logs->dying_last = SEGMENT_NONE;
    for (uint32_t next; at != SEGMENT_NONE; at = next) {
        const struct segment *segment = &logs->segments[at];
        next = segment->dying_next;
        if (segment->log == number && segment->generation == log->generation) cut_later(logs, at, 0);
        else add_dying(logs, at);
    }
    for (uint32_t slot = 0; slot < REMOVES_MAX; slot++) {
        struct remove *remove = &logs->removes[slot];
        if (remove->state != REMOVE_SEGMENT || remove->awaited) continue;
        const struct segment *segment = &logs->segments[remove->segment];
        if (segment->log != number || segment->generation != log->generation) continue;
        remove->awaited = true;
        log->cuts++;
    }
}

/* Drops what lies below log start offsets that are durable. */
static void trim(struct logs *logs, struct effects *effects)
{
    for (uint32_t bound = SEGMENTS_PER_STEP; logs->trim_first != LOG_NONE; bound--) {
        const uint32_t number = logs->trim_first;
        struct log *log = &logs->logs[number];
        if (!start_is_durable(logs, log)) return;
        start_at(logs, number);
        if (bound == 0) {
            logs->due = true;
            return;
        }
        if (may_die(logs, log)) {
            const uint32_t segment = segment_take_first(logs, log);
            remove_later(logs, segment);
            logs->checkpoint.activity = true;
            NOTE(effects, SEGMENT_DELETED, number, logs->segments[segment].base_offset, log->log_start_offset);
            continue;
        }
        /* What could not go yet goes with remove_what_waited. */
        logs->trim_first = log->next_trim;
        if (logs->trim_first == LOG_NONE) logs->trim_last = LOG_NONE;
        log->trim_queued = false;
    }
}

/* ---- orders ---- */

static struct remove *free_slot(struct logs *logs, uint32_t *slot)
{
    for (*slot = 0; *slot < REMOVES_MAX; (*slot)++) {
        if (logs->removes[*slot].state == REMOVE_FREE) return &logs->removes[*slot];
    }
    return NULL;
}

static uint32_t slot_of(const struct logs *logs, const struct remove *remove)
{
    return (uint32_t)(remove - logs->removes);
}

static void order_unlink(const struct logs *logs, struct remove *remove, const char *path, struct effects *effects)
{
    effects_add(effects, EFFECT_FILE)->file = (struct effect_file){
        .op = logs_op(LOGS_OP_REMOVE, slot_of(logs, remove), 0), .action = FILE_UNLINK, .path = path
    };
}

static void order_list(const struct logs *logs, struct remove *remove, const char *path, const char *after,
                       struct effects *effects)
{
    effects_add(effects, EFFECT_FILE)->file = (struct effect_file){
        .op = logs_op(LOGS_OP_REMOVE, slot_of(logs, remove), 0),
        .action = FILE_LIST,
        .path = path,
        .to = after,
        .size = RECOVERY_BUFFER_SIZE,
        .into = remove->buffer,
    };
}

/* ---- one segment ---- */

static void unlink_part(struct logs *logs, struct remove *remove, struct effects *effects)
{
    segment_path(logs, &logs->segments[remove->segment], (enum segment_file)remove->part, remove->path);
    order_unlink(logs, remove, remove->path, effects);
}

/* The dying segment that is due first; one that is pinned waits behind the others. */
static uint32_t next_dying(struct logs *logs)
{
    const bool hurry = logs->segments_full || logs->state == LOGS_STOPPING;

    for (uint32_t tries = TRIES_PER_STEP; tries > 0 && logs->dying_first != SEGMENT_NONE; tries--) {
        const struct segment *segment = &logs->segments[logs->dying_first];
        const bool orphaned = !log_is(logs, segment->log, segment->generation);
        if (!orphaned && !hurry && logs->mono_ns < segment->due_ns) return SEGMENT_NONE;
        const uint32_t number = take_dying(logs);
        if (segment->pins > 0) add_dying(logs, number);
        else if (orphaned) segment_free(logs, number); /* its directory goes as a whole */
        else return number;
    }
    return SEGMENT_NONE;
}

static bool begin_segment(struct logs *logs, struct remove *remove, struct effects *effects)
{
    const uint32_t number = next_dying(logs);

    if (number == SEGMENT_NONE) return false;
    remove->state = REMOVE_SEGMENT;
    remove->job = REMOVE_DYING;
    remove->segment = number;
    remove->part = 0;
    remove->awaited = false;
    unlink_part(logs, remove, effects);
    return true;
}

static void on_segment(struct logs *logs, struct remove *remove, struct effects *effects)
{
    const struct segment *segment = &logs->segments[remove->segment];

    if (++remove->part < SEGMENT_FILES && log_is(logs, segment->log, segment->generation)) {
        unlink_part(logs, remove, effects);
        return;
    }
    if (remove->awaited && log_is(logs, segment->log, segment->generation)) cut_is_done(logs, segment->log);
    segment_free(logs, remove->segment);
    remove->state = REMOVE_FREE;
}

/* ---- a tree: files first, then the directory that they were in, up to the root ---- */

static void copy_path(char *to, const char *from)
{
    uint32_t size = 0;

    while (from[size] != 0) size++;
    memcpy(to, from, size + 1);
}

static bool same_path(const char *a, const char *b)
{
    while (*a != 0 && *a == *b) a++, b++;
    return *a == *b;
}

static void list_directory(const struct logs *logs, struct remove *remove, struct effects *effects)
{
    remove->state = REMOVE_LISTING;
    order_list(logs, remove, remove->directory, remove->last_name, effects);
}

static void enter(const struct logs *logs, struct remove *remove, const char *path, struct effects *effects)
{
    copy_path(remove->directory, path);
    remove->last_name[0] = 0;
    list_directory(logs, remove, effects);
}

static void begin_tree(const struct logs *logs, struct remove *remove, enum remove_job job, struct effects *effects)
{
    remove->job = job;
    enter(logs, remove, remove->root, effects);
}

/* Goes on with the page at hand. */
static void walk(const struct logs *logs, struct remove *remove, struct effects *effects)
{
    struct listed_file listed;

    while (listed_file_read(&remove->list, &listed)) {
        if (listed.name.size >= PATH_SIZE_MAX || !path_of_name(remove->path, remove->directory, listed.name)) continue;
        memcpy(remove->last_name, listed.name.data, listed.name.size);
        remove->last_name[listed.name.size] = 0;
        if (listed.is_directory) {
            enter(logs, remove, remove->path, effects);
        } else {
            remove->state = REMOVE_UNLINKING;
            order_unlink(logs, remove, remove->path, effects);
        }
        return;
    }
    if (remove->more) {
        list_directory(logs, remove, effects);
        return;
    }
    remove->state = REMOVE_LEAVING;
    order_unlink(logs, remove, remove->directory, effects);
}

static void sweep(const struct logs *logs, struct remove *remove, struct effects *effects)
{
    remove->state = REMOVE_SWEEPING;
    order_list(logs, remove, WAL_DIRECTORY, remove->swept_name, effects);
}

static void sweep_topic(const struct logs *logs, struct remove *remove, struct effects *effects)
{
    uint32_t size = 0;

    while (remove->swept_name[size] != 0) size++;
    remove->state = REMOVE_SWEEPING_TOPIC;
    const bool fits =
        path_of_name(remove->directory, WAL_DIRECTORY, (struct bytes){ (const uint8_t *)remove->swept_name, size });
    CHECK(fits); /* it was there */
    order_list(logs, remove, remove->directory, remove->swept_partition, effects);
}

static void directory_is_clear(struct logs *logs, struct remove *remove)
{
    remove->state = REMOVE_FREE;
    if (log_is(logs, remove->log, remove->generation)) cut_is_done(logs, remove->log);
    logs->due = true;
}

static void topic_is_left(struct logs *logs, struct remove *remove)
{
    const uint32_t topic = logs->doomed[remove->doomed].topic;

    pool_give(&logs->doomed_pool, remove->doomed);
    topic_release(logs, topic);
    remove->state = REMOVE_FREE;
    logs->due = true;
}

static void tree_is_gone(struct logs *logs, struct remove *remove, struct effects *effects)
{
    switch (remove->job) {
    case REMOVE_DOOMED_PARTITION: {
        const struct doomed *doomed = &logs->doomed[remove->doomed];
        if (logs->topics[doomed->topic].references > 1) {
            topic_is_left(logs, remove);
            return;
        }
        const struct log_place place = doomed_place(logs, doomed);
        path_of_topic(remove->root, &place); /* it was the last one */
        begin_tree(logs, remove, REMOVE_DOOMED_TOPIC, effects);
        return;
    }
    case REMOVE_DOOMED_TOPIC: topic_is_left(logs, remove); return;
    case REMOVE_UNKNOWN_TOPIC: sweep(logs, remove, effects); return;
    case REMOVE_UNKNOWN_PARTITION: sweep_topic(logs, remove, effects); return;
    case REMOVE_FORMER_LIFE: directory_is_clear(logs, remove); return;
    case REMOVE_DYING: break;
    }
    CHECK(false);
}

/* The directory at hand is gone, or cannot go: then what is left of the tree is swept after the next start. */
static void on_left(struct logs *logs, struct remove *remove, enum disk_result result, struct effects *effects)
{
    const bool gone = result == DISK_DONE || result == DISK_NOT_FOUND;
    uint32_t size = 0, parent = 0;

    if (!gone || same_path(remove->directory, remove->root)) {
        tree_is_gone(logs, remove, effects);
        return;
    }
    for (; remove->directory[size] != 0; size++) {
        if (remove->directory[size] == '/') parent = size;
    }
    remove->directory[parent] = 0;
    remove->last_name[0] = 0;
    list_directory(logs, remove, effects);
}

/* ---- topics that nobody knows, and partitions that are not here any more ---- */

/* False: no name of a partition's directory. */
static bool partition_read(struct bytes name, uint32_t *partition)
{
    uint32_t number = 0;

    if (name.size == 0 || name.size > 9) return false;
    for (uint32_t i = 0; i < name.size; i++) {
        if (name.data[i] < '0' || name.data[i] > '9') return false;
        number = number * 10 + (uint32_t)(name.data[i] - '0');
    }
    *partition = number;
    return true;
}

/* Its files go when nobody reads them any more. */
static bool is_doomed(const struct logs *logs, const struct uuid *topic_id, uint32_t partition)
{
    for (uint32_t at = logs->doomed_first; at != DOOMED_NONE; at = logs->doomed[at].next) {
        const struct doomed *doomed = &logs->doomed[at];
        if ((uint32_t)doomed->partition == partition && uuid_equal(&logs->topics[doomed->topic].id, topic_id))
            return true;
    }
    return false;
}

/* The replica was taken away while this node was down. The image that the logs were opened by is newer than all that
 * it knew then (its registration is in it), so what is not open is not its. */
static void on_topic_swept(struct logs *logs, struct remove *remove, struct effects *effects)
{
    struct listed_file listed;
    struct uuid topic_id;
    uint32_t size = 0, partition, found;

    while (remove->swept_name[size] != 0) size++;
    const bool known = topic_directory_read((struct bytes){ (const uint8_t *)remove->swept_name, size }, &topic_id);
    CHECK(known);
    while (listed_file_read(&remove->list, &listed)) {
        if (listed.name.size >= PATH_SIZE_MAX) continue;
        memcpy(remove->swept_partition, listed.name.data, listed.name.size);
        remove->swept_partition[listed.name.size] = 0;
        if (!listed.is_directory || !partition_read(listed.name, &partition)) continue;
        if (map_get(&logs->names, map_key_id(&topic_id, partition), &found)) continue;
        if (!path_of_name(remove->root, remove->directory, listed.name)) continue;
        if (is_doomed(logs, &topic_id, partition) || is_being_removed(logs, remove->root)) continue;
        begin_tree(logs, remove, REMOVE_UNKNOWN_PARTITION, effects);
        return;
    }
    if (remove->more) sweep_topic(logs, remove, effects);
    else sweep(logs, remove, effects);
}

static void on_swept(struct logs *logs, struct remove *remove, struct effects *effects)
{
    struct listed_file listed;
    struct uuid topic_id;
    uint32_t topic;

    while (listed_file_read(&remove->list, &listed)) {
        if (listed.name.size >= PATH_SIZE_MAX) continue;
        memcpy(remove->swept_name, listed.name.data, listed.name.size);
        remove->swept_name[listed.name.size] = 0;
        if (!listed.is_directory || !topic_directory_read(listed.name, &topic_id)) continue;
        if (map_get(&logs->names, map_key_id(&topic_id, UINT32_MAX), &topic)) {
            remove->swept_partition[0] = 0;
            sweep_topic(logs, remove, effects);
            return;
        }
        if (!path_of_name(remove->root, WAL_DIRECTORY, listed.name)) continue;
        begin_tree(logs, remove, REMOVE_UNKNOWN_TOPIC, effects);
        return;
    }
    if (remove->more) sweep(logs, remove, effects);
    else remove->state = REMOVE_FREE;
}

/* ---- deleted logs ---- */

static void add_doomed(struct logs *logs, uint32_t slot)
{
    logs->doomed[slot].next = DOOMED_NONE;
    if (logs->doomed_last == DOOMED_NONE) logs->doomed_first = slot;
    else logs->doomed[logs->doomed_last].next = slot;
    logs->doomed_last = slot;
}

static uint32_t take_doomed(struct logs *logs)
{
    const uint32_t slot = logs->doomed_first;

    logs->doomed_first = logs->doomed[slot].next;
    if (logs->doomed_first == DOOMED_NONE) logs->doomed_last = DOOMED_NONE;
    return slot;
}

static bool begin_doomed(struct logs *logs, struct remove *remove, struct effects *effects)
{
    for (uint32_t tries = TRIES_PER_STEP; tries > 0 && logs->doomed_first != DOOMED_NONE; tries--) {
        const uint32_t slot = take_doomed(logs);
        if (logs->doomed[slot].holds > 0) {
            add_doomed(logs, slot);
            continue;
        }
        const struct log_place place = doomed_place(logs, &logs->doomed[slot]);
        path_of_partition(remove->root, &place);
        remove->doomed = slot;
        begin_tree(logs, remove, REMOVE_DOOMED_PARTITION, effects);
        return true;
    }
    return false;
}

/* One at a time, and not while something else is deleted there. */
static bool begin_former(struct logs *logs, struct remove *remove, struct effects *effects)
{
    const uint32_t number = logs->unclear.first;
    if (number == LOG_NONE) return false;
    struct log *log = &logs->logs[number];
    const struct log_place place = log_place(logs, log);
    char path[PATH_SIZE_MAX];

    path_of_partition(path, &place);
    if (is_being_removed(logs, path)) return false;
    logs->unclear.first = log->next_unclear;
    if (logs->unclear.first == LOG_NONE) logs->unclear.last = LOG_NONE;
    log->unclear = false;
    copy_path(remove->root, path);
    remove->log = number;
    remove->generation = log->generation;
    begin_tree(logs, remove, REMOVE_FORMER_LIFE, effects);
    return true;
}

/* The files of a segment that is pinned stay, and with them the directory. True if it is. */
static bool hold(struct logs *logs, uint32_t number, uint32_t slot)
{
    if (logs->segments[number].pins == 0) return false;
    segment_orphan(logs, number, slot);
    return true;
}

/* The same for those of the log in a list of segments that left it. */
static void hold_all(struct logs *logs, const struct log *log, uint32_t number, uint32_t first, uint32_t slot)
{
    for (uint32_t at = first; at != SEGMENT_NONE; at = logs->segments[at].dying_next) {
        const struct segment *segment = &logs->segments[at];
        if (segment->log == number && segment->generation == log->generation) hold(logs, at, slot);
    }
}

void remove_log(struct logs *logs, uint32_t number)
{
    const struct log *log = &logs->logs[number];
    const uint32_t slot = pool_take(&logs->doomed_pool);

    CHECK(slot != POOL_NONE); /* logs_open has seen to it */
    struct doomed *doomed = &logs->doomed[slot];
    *doomed = (struct doomed){ .topic = log->topic, .partition = log->partition };
    logs->topics[log->topic].references++;
    doomed->holds += flush_abandon(logs, number, slot);
    doomed->holds += sync_abandon(logs, number, slot);
    doomed->holds += lookup_abandon(logs, number, slot);
    doomed->holds += compaction_abandon(logs, number, slot);
    cut_forget_log(logs, number, slot);
    for (uint32_t at = log->first_segment; at != SEGMENT_NONE;) {
        const uint32_t next = logs->segments[at].next;
        if (!hold(logs, at, slot)) segment_free(logs, at);
        at = next;
    }
    hold_all(logs, log, number, logs->dying_first, slot);
    hold_all(logs, log, number, logs->replaced_first, slot);
    add_doomed(logs, slot);
}

/* ---- steps and answers ---- */

/* A replica that is not ours now may be ours again at the next start. Then no checkpoint may name files that are gone:
 * first comes one that does not know of it. */
static bool may_sweep(struct logs *logs)
{
    if (logs->checkpoint.count > 0) return true;
    logs->due |= !logs->checkpoint.wanted;
    logs->checkpoint.wanted = true;
    return false;
}

void remove_work(struct logs *logs, struct effects *effects)
{
    uint32_t slot;

    trim(logs, effects);
    replaced_release(logs);
    for (struct remove *remove; (remove = free_slot(logs, &slot)) != NULL;) {
        if (!logs_may_order(effects, 1)) {
            logs->due = true;
            return;
        }
        if (begin_former(logs, remove, effects) || begin_doomed(logs, remove, effects)) continue;
        if (begin_segment(logs, remove, effects)) continue;
        if (!logs->sweep_wanted || logs->state != LOGS_OPEN || !may_sweep(logs)) return;
        logs->sweep_wanted = false;
        remove->swept_name[0] = 0;
        sweep(logs, remove, effects);
    }
}

void remove_on_disk(struct logs *logs, uint32_t slot, const struct event_disk *disk, struct effects *effects)
{
    CHECK(slot < REMOVES_MAX);
    struct remove *remove = &logs->removes[slot];
    const bool listed =
        remove->state == REMOVE_LISTING || remove->state == REMOVE_SWEEPING || remove->state == REMOVE_SWEEPING_TOPIC;

    if (listed) {
        remove->list = (struct bytes){ remove->buffer, disk->result == DISK_DONE ? disk->size : 0 };
        remove->more = disk->result == DISK_DONE && disk->more && disk->size > 0;
    }
    switch (remove->state) {
    case REMOVE_SEGMENT: on_segment(logs, remove, effects); return;
    case REMOVE_LISTING:
    case REMOVE_UNLINKING: walk(logs, remove, effects); return;
    case REMOVE_LEAVING: on_left(logs, remove, disk->result, effects); return;
    case REMOVE_SWEEPING: on_swept(logs, remove, effects); return;
    case REMOVE_SWEEPING_TOPIC: on_topic_swept(logs, remove, effects); return;
    case REMOVE_FREE: break;
    }
    CHECK(false);
}

uint64_t remove_deadline_ns(const struct logs *logs)
{
    if (logs->dying_first == SEGMENT_NONE) return UINT64_MAX;
    const struct segment *segment = &logs->segments[logs->dying_first];
    bool busy = true;

    for (uint32_t slot = 0; slot < REMOVES_MAX; slot++) busy = busy && logs->removes[slot].state != REMOVE_FREE;
    /* One that is pinned, or finds no slot, is looked at again when something else happens. */
    return segment->pins > 0 || (busy && !MUTANT(removal_without_a_slot_is_due)) ? UINT64_MAX : segment->due_ns;
}
