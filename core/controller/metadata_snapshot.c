/* metadata_snapshot.c -- snapshots of our own image: encoded, written, named; and the removal of older ones. */
#include "base/check.h"
#include "base/crc32c.h"
#include "controller/metadata_log_state.h"

enum { RENEWAL_ROUNDS = 16 }; /* so many rounds of the journal are worth writing a snapshot again */

void metadata_snapshot_path(char path[META_PATH_SIZE], uint64_t index)
{
    static const char begin[] = META_DIRECTORY "/snapshot-";

    memcpy(path, begin, sizeof begin - 1);
    for (uint32_t i = META_PATH_SIZE - 1; i > sizeof begin - 1; i--) {
        path[i - 1] = (char)('0' + index % 10);
        index /= 10;
    }
    path[META_PATH_SIZE - 1] = 0;
}

/* ---- beginning ---- */

/* The journal is needed from the first entry that the snapshot does not cover; and from whatever is not durable yet,
 * which may be a vote. */
static uint64_t sequence_needed(struct metadata_log *log, uint64_t index)
{
    const uint64_t undurable = journal_durable_sequence(log->journal) + 1;

    if (index + 1 >= log->kept_end) return undurable;
    return MIN(metadata_log_kept(log, index + 1)->sequence, undurable);
}

uint32_t metadata_snapshot_trailer(const struct metadata_log *log, uint64_t journal_sequence, uint8_t *to)
{
    memset(to, 0, TRAILER_SIZE);
    store_u32(to, TRAILER_MAGIC);
    store_u64(to + 8, journal_sequence);
    store_u64(to + 16, log->term);
    store_u64(to + 24, log->vote);
    store_u64(to + 32, log->member);
    to[40] = (uint8_t)log->standing;
    to[41] = log->owed_from != 0;
    store_u32(to + 4, crc32c(0, to + 8, TRAILER_SIZE - 8));
    return TRAILER_SIZE;
}

/* Elections that nothing comes of fill the journal, and leave nothing to apply that a newer snapshot could hold. Then
 * the last one is written again, with a trailer that needs less; and before that the entries behind it, all in one
 * round, so that none of them lies further back. A replay passes over what it has seen already. */
static bool is_wanted_again(struct metadata_log *log)
{
    const struct journal_usage usage = journal_usage(log->journal);
    const uint64_t after = log->snapshot_index + 1, durable = journal_durable_sequence(log->journal);
    uint64_t weight = 0;

    if (usage.used_size <= log->journal_shared_size || log->snapshot_index == 0) return false;
    if (log->renewed_sequence + RENEWAL_ROUNDS > durable) return false; /* that was only just done */
    if (sequence_needed(log, log->snapshot_index) + RENEWAL_ROUNDS > durable) return true;
    for (uint64_t index = after; index < log->kept_end; index++) {
        weight += metadata_entry_weight(metadata_log_kept(log, index)->size);
    }
    if (!metadata_write_reserve(log, weight)) return false;
    metadata_write_again(log, after);
    return false;
}

/* The log has grown enough, or something that it occupies has become scarce. */
static bool is_wanted(struct metadata_log *log)
{
    const uint64_t applied = image_view(log->image).applied_index;

    if (log->snapshot != SNAPSHOT_IDLE || log->applying.active || image_is_draining(log->image)) return false;
    if (log->snapshot_retry_ns > log->mono_ns) return false;
    if (applied <= log->snapshot_index) return is_wanted_again(log);
    if (log->snapshot_index < log->snapshot_from && applied >= log->snapshot_from) return true;
    if (applied == log->judged_index && !log->proposer_waits && log->snapshot_retry_ns == 0) return false;
    log->judged_index = applied;
    log->snapshot_retry_ns = 0;
    const struct journal_usage usage = journal_usage(log->journal);
    if (applied - log->snapshot_index >= log->config.snapshot_entries) return true;
    if (usage.used_size > log->journal_shared_size / 2) return true;
    return log->proposer_waits || tail_used_size(log->tail) > log->tail_memory_size / 4;
}

static void begin(struct metadata_log *log)
{
    const uint64_t index = image_view(log->image).applied_index;
    const struct raft_configuration *configuration = raft_configuration_at(log->raft, index);

    if (configuration == NULL) return; /* a list is about to be committed: at a later index it is known */
    const struct bytes members = { configuration->bytes, configuration->size };
    snapshot_writer_init(&log->writer, log->image, members, log->buffer, log->buffer_size - TRAILER_SIZE);
    log->snapshot = SNAPSHOT_ENCODING;
}

static void order_piece(struct metadata_log *log, struct effects *effects)
{
    const uint64_t left = log->file_size - log->written_size;

    log->piece = (struct piece){ .data = log->buffer + log->written_size,
                                 .size = (uint32_t)MIN(left, (uint64_t)DISK_STEP_SIZE) };
    effects_add(effects, EFFECT_WRITE)->write = (struct effect_write){ .op = op_make(OP_META, META_OP_SNAPSHOT),
                                                                       .path = META_TEMPORARY,
                                                                       .position = log->written_size,
                                                                       .pieces = &log->piece,
                                                                       .piece_count = 1 };
}

static void encode(struct metadata_log *log, struct effects *effects)
{
    if (!snapshot_write(&log->writer, log->image, ENCODE_STEP_SIZE)) return;
    const struct bytes snapshot = snapshot_written(&log->writer);
    uint8_t *trailer = log->buffer + snapshot.size;
    log->snapshot_sequence = sequence_needed(log, image_view(log->image).applied_index);
    log->file_size = snapshot.size + metadata_snapshot_trailer(log, log->snapshot_sequence, trailer);
    log->written_size = 0;
    log->snapshot = SNAPSHOT_WRITING;
    if (MUTANT(meta_releases_early)) journal_release(log->journal, log->snapshot_sequence);
    order_piece(log, effects);
}

uint64_t metadata_snapshot_deadline_ns(const struct metadata_log *log)
{
    if (log->snapshot == SNAPSHOT_ENCODING) return log->mono_ns;
    return log->snapshot_retry_ns > log->mono_ns ? log->snapshot_retry_ns : UINT64_MAX;
}

/* ---- what of the log stays in memory ---- */

/* Followers that are a little behind get entries; only those further behind get the whole state. */
void metadata_snapshot_compact(struct metadata_log *log)
{
    const uint64_t kept = raft_last_index(log->raft) + 1 - raft_first_index(log->raft);
    const bool alone = raft_configuration(log->raft)->count <= 1;
    const bool scarce =
        log->proposer_waits || kept > log->entries_max / 4 * 3 || tail_used_size(log->tail) > log->tail_memory_size / 4;
    const uint64_t trailing = alone || scarce ? 0 : log->config.snapshot_entries;
    const uint64_t index = log->snapshot_index > trailing ? log->snapshot_index - trailing : 0;

    if (index < raft_first_index(log->raft)) return;
    raft_compact(log->raft, index);
    metadata_log_forget(log, index + 1);
}

/* ---- older files ---- */

void metadata_snapshot_remember_old(struct metadata_log *log, uint64_t index)
{
    if (log->old_count == OLD_SNAPSHOTS_MAX) return; /* left there: the next start finds it */
    log->old[log->old_count++] = index;
}

/* Whether somebody is being sent it. One behind which the log has a gap is sent no more: Raft takes a newer one. */
static bool is_sent(const struct metadata_log *log, uint64_t index)
{
    return index + 1 >= raft_first_index(log->raft) && raft_snapshot_needed(log->raft, index);
}

/* The next of the older files goes, when a newer one is durable and nobody is being sent it. */
static void sweep(struct metadata_log *log, struct effects *effects)
{
    const bool naming = log->snapshot >= SNAPSHOT_RENAMING || log->install.state >= INSTALL_RENAMING;

    if (!log->sweeps || log->sweep_waits || naming || effects_space(effects) == 0) return;
    for (uint32_t i = log->old_count; i > 0; i--) {
        const uint64_t index = log->old[i - 1];
        const bool taken = index == log->snapshot_index; /* was not good, and the new one has taken its name */
        if (!taken && is_sent(log, index)) continue;
        log->old_count--;
        memmove(&log->old[i - 1], &log->old[i], (log->old_count - (i - 1)) * sizeof log->old[0]);
        if (taken) continue;
        metadata_snapshot_path(log->sweep_path, index);
        log->sweep_waits = true;
        effects_add(effects, EFFECT_FILE)->file = (struct effect_file){ .op = op_make(OP_META, META_OP_SWEEP),
                                                                        .action = FILE_UNLINK,
                                                                        .path = log->sweep_path };
        return;
    }
}

void metadata_sweep_on_disk(struct metadata_log *log, const struct event_disk *disk)
{
    log->sweep_waits = false;
    if (disk->result == DISK_FAILED) metadata_log_break(log, HALT_DISK_FAILED, META_DIRECTORY);
}

void metadata_snapshot_go_on(struct metadata_log *log, struct effects *effects)
{
    if (effects_space(effects) == 0) return;
    if (log->proposer_waits || !metadata_entries_fit(log)) metadata_snapshot_compact(log);
    if (log->install.state != INSTALL_CONVERGING && is_wanted(log)) begin(log);
    if (log->snapshot == SNAPSHOT_ENCODING) encode(log, effects);
    sweep(log, effects);
}

/* ---- on the disk ---- */

static void order(struct metadata_log *log, enum snapshot_state state, enum file_action action, const char *path,
                  struct effects *effects)
{
    log->snapshot = state;
    effects_add(effects, EFFECT_FILE)->file =
        (struct effect_file){ .op = op_make(OP_META, META_OP_SNAPSHOT), .action = action, .path = path };
}

static void order_sync(struct metadata_log *log, struct effects *effects)
{
    log->snapshot = SNAPSHOT_SYNCING;
    effects_add(effects, EFFECT_SYNC)->sync =
        (struct effect_sync){ .op = op_make(OP_META, META_OP_SNAPSHOT), .path = META_TEMPORARY };
}

static void order_rename(struct metadata_log *log, struct effects *effects)
{
    struct snapshot_head head;

    CHECK(snapshot_head_read((struct bytes){ log->buffer, SNAPSHOT_HEAD_SIZE }, &head));
    metadata_snapshot_path(log->path, head.index);
    log->snapshot = SNAPSHOT_RENAMING;
    effects_add(effects, EFFECT_FILE)->file = (struct effect_file){
        .op = op_make(OP_META, META_OP_SNAPSHOT), .action = FILE_RENAME, .path = META_TEMPORARY, .to = log->path
    };
}

/* It is durable, under its name: what came before may go. */
static void on_durable(struct metadata_log *log, struct effects *effects)
{
    struct snapshot_head head;

    CHECK(snapshot_head_read((struct bytes){ log->buffer, SNAPSHOT_HEAD_SIZE }, &head));
    log->snapshot = SNAPSHOT_IDLE;
    log->renewed_sequence = journal_durable_sequence(log->journal);
    if (head.index < log->snapshot_index) { /* one that came from the leader went past it */
        metadata_snapshot_remember_old(log, head.index);
        return;
    }
    if (head.index == log->snapshot_index) {
        journal_release(log->journal, log->snapshot_sequence);
        return;
    }
    if (log->snapshot_index != 0) metadata_snapshot_remember_old(log, log->snapshot_index);
    log->snapshot_index = head.index;
    log->snapshot_file_size = log->file_size;
    log->snapshots++;
    log->sweeps = true;
    raft_on_snapshot_taken(log->raft, head.index, head.size);
    metadata_snapshot_compact(log);
    journal_release(log->journal, log->snapshot_sequence);
    NOTE(effects, META_SNAPSHOT, (int64_t)head.index, (int64_t)log->file_size);
}

static void on_done(struct metadata_log *log, struct effects *effects)
{
    switch (log->snapshot) {
    case SNAPSHOT_WRITING:
        log->written_size += log->piece.size;
        if (log->written_size < log->file_size) order_piece(log, effects);
        else if (MUTANT(meta_snapshot_not_synced)) order_rename(log, effects);
        else order_sync(log, effects);
        break;
    case SNAPSHOT_SYNCING: order_rename(log, effects); break;
    case SNAPSHOT_RENAMING:
        if (MUTANT(meta_snapshot_name_not_synced)) on_durable(log, effects);
        else order(log, SNAPSHOT_SYNCING_DIRECTORY, FILE_SYNC_DIRECTORY, META_DIRECTORY, effects);
        break;
    case SNAPSHOT_SYNCING_DIRECTORY: on_durable(log, effects); break;
    case SNAPSHOT_DISCARDING: log->snapshot = SNAPSHOT_IDLE; break;
    case SNAPSHOT_IDLE:
    case SNAPSHOT_ENCODING: CHECK(false);
    }
}

void metadata_snapshot_on_disk(struct metadata_log *log, const struct event_disk *disk, struct effects *effects)
{
    const bool gone = disk->result == DISK_NOT_FOUND && log->snapshot == SNAPSHOT_DISCARDING;

    if (disk->result == DISK_DONE || gone) {
        on_done(log, effects);
    } else if (disk->result == DISK_FULL && log->snapshot != SNAPSHOT_SYNCING) {
        /* Not fatal: the log is longer for a while. */
        log->snapshot_retry_ns = log->mono_ns + DISK_RETRY_NS;
        order(log, SNAPSHOT_DISCARDING, FILE_UNLINK, META_TEMPORARY, effects);
    } else {
        metadata_log_break(log, HALT_DISK_FAILED, META_DIRECTORY);
    }
}
