/* metadata_install.c -- a snapshot that comes from the leader.
 *
 *     chunks --> memory --last--> good? --> SETTLING --> WRITING --> SYNCING --> RENAMING --> SYNCING_DIRECTORY
 *                                                                                                  |
 *          IDLE <-- CONVERGING: the image is led to it <-- Raft is told; the log begins behind it <-- DURABLE
 *
 * From the last chunk on Raft takes no entries, so that all that the journal gets meanwhile is terms and votes. What it
 * got before may be of a log that parted from the snapshot. So the file says from which round on the journal counts,
 * and that round is one behind the last with such entries, durable or not: a crash at any moment finds either the old
 * log alone, or the snapshot and nothing of the old log. The mark that Raft writes when it is told lets a replay over
 * an older snapshot notice that it lacks this one. */
#include "base/check.h"
#include "controller/metadata_log_state.h"

/* ---- chunks ---- */

bool metadata_install_hears(struct metadata_log *log, const struct raft_message *message)
{
    const struct raft_snapshot_request *request = &message->snapshot_request;
    struct install *install = &log->install;

    /* Raft knows of one that is being installed, and answers. While the image is led to it, its bytes are in use. */
    if (install->state == INSTALL_CONVERGING) return request->index <= log->commit_index;
    if (request->total_size <= log->buffer_size - TRAILER_SIZE) return true;
    if (install->refused_index != request->index) install->refused_size = request->total_size;
    install->refused_index = request->index;
    return false;
}

/* Whether the bytes that came are the snapshot that was announced, and one that this node can begin with. */
static bool is_good(struct metadata_log *log)
{
    struct install *install = &log->install;
    const struct bytes bytes = { install->memory, (uint32_t)install->size };
    struct snapshot_loader *loader = &install->loader;

    if (snapshot_loader_init(loader, bytes) != SNAPSHOT_GOOD) return false;
    if (loader->head.index != install->index || loader->head.term != install->term) return false;
    return raft_configuration_read(&install->members, loader->configuration) == RAFT_CONFIGURATION_GOOD;
}

void metadata_install_on_chunk(struct metadata_log *log, const struct raft_message *message)
{
    const struct raft_chunk chunk = log->output.chunk;
    struct install *install = &log->install;

    CHECK(install->state == INSTALL_IDLE && chunk.size == message->payload.size);
    CHECK(chunk.offset + chunk.size <= log->buffer_size - TRAILER_SIZE);
    memcpy(install->memory + chunk.offset, message->payload.data, chunk.size);
    log->counters.chunks_received++;
    if (!chunk.last) return;
    install->index = chunk.index;
    install->term = chunk.term;
    install->size = chunk.total_size;
    if (is_good(log)) {
        install->settled_sequence = journal_last_sequence(log->journal);
        install->state = INSTALL_SETTLING;
        return;
    }
    raft_on_snapshot_refused(log->raft, log->mono_ns, &log->output);
    metadata_log_act(log, &(struct entry_source){ .message = NULL });
}

/* ---- on the disk ---- */

static void order_file(struct metadata_log *log, enum install_state state, struct effect_file order,
                       struct effects *effects)
{
    order.op = op_make(OP_META, META_OP_INSTALL);
    log->install.state = state;
    effects_add(effects, EFFECT_FILE)->file = order;
}

static void order_piece(struct metadata_log *log, struct effects *effects)
{
    struct install *install = &log->install;
    const uint64_t left = install->file_size - install->written_size;

    install->state = INSTALL_WRITING;
    install->piece = (struct piece){ .data = install->memory + install->written_size,
                                     .size = (uint32_t)MIN(left, (uint64_t)DISK_STEP_SIZE) };
    effects_add(effects, EFFECT_WRITE)->write = (struct effect_write){ .op = op_make(OP_META, META_OP_INSTALL),
                                                                       .path = META_RECEIVED,
                                                                       .position = install->written_size,
                                                                       .pieces = &install->piece,
                                                                       .piece_count = 1 };
}

static void write(struct metadata_log *log, struct effects *effects)
{
    struct install *install = &log->install;
    uint8_t *trailer = install->memory + install->size;

    /* All that is not durable yet comes after it: terms and votes, nothing else. */
    install->journal_sequence = journal_durable_sequence(log->journal) + 1;
    if (MUTANT(M67)) install->journal_sequence = MAX(log->sequence_min, (uint64_t)1);
    install->file_size = install->size + metadata_snapshot_trailer(log, install->journal_sequence, trailer);
    install->written_size = 0;
    order_piece(log, effects);
}

static void rename_it(struct metadata_log *log, struct effects *effects)
{
    struct install *install = &log->install;

    metadata_snapshot_path(install->path, install->index);
    const struct effect_file order = { .action = FILE_RENAME, .path = META_RECEIVED, .to = install->path };
    order_file(log, INSTALL_RENAMING, order, effects);
}

static void on_done(struct metadata_log *log, struct effects *effects)
{
    struct install *install = &log->install;

    switch (install->state) {
    case INSTALL_WRITING:
        install->written_size += install->piece.size;
        if (install->written_size < install->file_size) {
            order_piece(log, effects);
        } else if (MUTANT(M68)) {
            install->state = INSTALL_DURABLE;
        } else {
            install->state = INSTALL_SYNCING;
            effects_add(effects, EFFECT_SYNC)->sync =
                (struct effect_sync){ .op = op_make(OP_META, META_OP_INSTALL), .path = META_RECEIVED };
        }
        break;
    case INSTALL_SYNCING: rename_it(log, effects); break;
    case INSTALL_RENAMING:
        order_file(log, INSTALL_SYNCING_DIRECTORY,
                   (struct effect_file){ .action = FILE_SYNC_DIRECTORY, .path = META_DIRECTORY }, effects);
        break;
    case INSTALL_SYNCING_DIRECTORY: install->state = INSTALL_DURABLE; break;
    case INSTALL_IDLE:
    case INSTALL_SETTLING:
    case INSTALL_WAITING:
    case INSTALL_DURABLE:
    case INSTALL_CONVERGING: CHECK(false);
    }
}

void metadata_install_on_disk(struct metadata_log *log, const struct event_disk *disk, struct effects *effects)
{
    struct install *install = &log->install;

    if (disk->result == DISK_DONE) {
        on_done(log, effects);
    } else if (disk->result == DISK_FULL && install->state != INSTALL_SYNCING) {
        install->state = INSTALL_WAITING; /* from the begin again: Raft waits as long */
        install->retry_ns = log->mono_ns + DISK_RETRY_NS;
    } else {
        metadata_log_break(log, HALT_DISK_FAILED, META_DIRECTORY);
    }
}

/* ---- in force ---- */

static bool is_settled(const struct metadata_log *log)
{
    return journal_durable_sequence(log->journal) >= log->install.settled_sequence;
}

/* An entry that is half applied has its bytes in the log that goes. */
static bool may_replace(struct metadata_log *log)
{
    return !log->applying.active && !image_is_draining(log->image) && log->snapshot != SNAPSHOT_ENCODING &&
           metadata_write_reserve(log, 0);
}

static void replace(struct metadata_log *log)
{
    struct install *install = &log->install;

    CHECK(install->index > log->commit_index);
    metadata_log_drop_from(log, log->kept_first);
    metadata_log_forget(log, install->index + 1);
    if (log->snapshot_index != 0) metadata_snapshot_remember_old(log, log->snapshot_index);
    log->snapshot_index = install->index;
    log->snapshot_file_size = install->file_size;
    log->sweeps = true;
    log->replaces = true;
    const bool taken = raft_on_snapshot_installed(log->raft, log->mono_ns, install->loader.configuration, &log->output);
    CHECK(taken); /* its list was judged before */
    metadata_log_act(log, &(struct entry_source){ .message = NULL });
    log->replaces = false;
    journal_release(log->journal, install->journal_sequence);
    image_converge_init(&install->converge, log->image, &install->loader);
    install->state = INSTALL_CONVERGING;
}

void metadata_install_go_on(struct metadata_log *log, struct effects *effects)
{
    struct install *install = &log->install;

    if (install->refused_size > 0) {
        NOTE(effects, RAFT_SNAPSHOT_TOO_LARGE, (int64_t)install->refused_index, (int64_t)install->refused_size);
        install->refused_size = 0;
    }
    if (effects_space(effects) == 0) return;
    if (install->state == INSTALL_SETTLING && (is_settled(log) || MUTANT(M67))) write(log, effects);
    if (install->state == INSTALL_WAITING && install->retry_ns <= log->mono_ns) write(log, effects);
    if (install->state == INSTALL_DURABLE && may_replace(log)) replace(log);
}

uint64_t metadata_install_deadline_ns(const struct metadata_log *log)
{
    return log->install.state == INSTALL_WAITING ? log->install.retry_ns : UINT64_MAX;
}

enum applied metadata_install_converge(struct metadata_log *log, struct image_change *change,
                                       struct applied_entry *entry)
{
    struct install *install = &log->install;

    while (log->applying.records_left > 0 && log->applying.drains_left > 0) {
        if (image_is_draining(log->image)) log->applying.drains_left--;
        else log->applying.records_left--;
        switch (image_converge_step(&install->converge, log->image, change)) {
        case CONVERGE_GOES_ON:
            if (change->kind != CHANGE_NOTHING) return APPLIED_CHANGE;
            break;
        case CONVERGE_DONE:
            install->state = INSTALL_IDLE;
            log->proposer_waits = false;
            *entry = (struct applied_entry){ .index = install->index, .term = install->term };
            return APPLIED_SNAPSHOT;
        case CONVERGE_FULL: metadata_log_break(log, HALT_FOREIGN, META_DIRECTORY); return APPLIED_NOTHING;
        case CONVERGE_CORRUPT: metadata_log_break(log, HALT_CORRUPT, META_DIRECTORY); return APPLIED_NOTHING;
        }
    }
    return APPLIED_NOTHING;
}
