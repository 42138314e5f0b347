/* metadata_log.c -- proposing, applying, facts, questions. metadata_log_state.h says which file does the rest. */
#include "base/check.h"
#include "controller/metadata_log_state.h"

enum {
    PROPOSAL_SIZE_MAX = 512 << 10,
    PROPOSAL_SIZE_MIN = 2048, /* below it not even a topic fits */
    ENTRIES_MIN = 64,
    LIST_HEAD_SIZE = 8,
    MEMBER_HEAD_SIZE = 10,
    MEMBER_SIZE_MAX = RAFT_ADDRESS_SIZE_MAX + MEMBER_HEAD_SIZE, /* of one member in a list */
    MEMBER_SIZE_USUAL = 64,
    LIST_SIZE_ANY = 16 << 10,   /* up to here every address may be of the largest size */
    OWN_WRITES_SIZE_MAX = 1024, /* of one call of Raft, apart from a list; with heads and an entry's */
    MEMORY_PROPOSALS = 32,      /* of the largest size that fit into memory; a quarter of it is for large ones */
    UNIT_SIZE_MAX = 64 << 10,
    UNIT_SIZE_MIN = 4 << 10,
    CHUNK_SIZE_MAX = 128 << 10,
    CHUNK_SIZE_MIN = 512,
    TIME_CALLS_MAX = 4, /* of Raft in one step: with a thousand members a heartbeat takes many */
    FILES_MIN = 4,
    FILES_RESERVED = 8, /* proposals leave them to what starts write: a vote, an entry without records */
};

/* ---- memory ---- */

struct parts {
    struct tail_config tail;
    struct journal_config journal;
    struct raft_config raft;
    uint64_t journal_shared_size;
    uint32_t entries_max;
    uint32_t chunk_size;
    uint64_t buffer_size;
};

static size_t rounded(size_t size)
{
    return (size + 63) / 64 * 64;
}

static uint32_t members_max(const struct metadata_log_config *config)
{
    return MAX(config->members_max, (uint32_t)RAFT_VOTERS_MAX);
}

/* A small group may have any addresses; in a large one they are not all of the largest size. */
static uint32_t list_size_max(const struct metadata_log_config *config)
{
    const uint32_t count = members_max(config);

    return LIST_HEAD_SIZE + MIN(count * MEMBER_SIZE_MAX, MAX(count * MEMBER_SIZE_USUAL, (uint32_t)LIST_SIZE_ANY));
}

static uint32_t reserve_size(const struct metadata_log_config *config)
{
    return list_size_max(config) + OWN_WRITES_SIZE_MAX;
}

uint32_t metadata_log_proposal_size_max(const struct metadata_log_config *config)
{
    const uint32_t taken = JOURNAL_FRAME_HEAD_SIZE + reserve_size(config);

    if (config->journal_file_size < 2 * taken) return 0;
    return MIN((config->journal_file_size - taken) / 2 / 64 * 64, (uint32_t)PROPOSAL_SIZE_MAX);
}

uint32_t metadata_log_frame_size_max(const struct metadata_log_config *config)
{
    const uint32_t payload_size =
        MAX(MAX(metadata_log_proposal_size_max(config), list_size_max(config)), (uint32_t)CHUNK_SIZE_MAX);

    return FRAME_HEAD_SIZE + RAFT_MESSAGE_HEAD_SIZE_MAX + payload_size;
}

static uint32_t power_of_two(uint32_t least)
{
    uint32_t power = 1;

    while (power < least) power *= 2;
    return power;
}

static struct parts parts_of(const struct metadata_log_config *config)
{
    const uint32_t proposal_size = metadata_log_proposal_size_max(config);
    /* What Raft writes by itself fits into a unit: a run of them may not be there when it must be. */
    const uint32_t unit_size =
        MAX(MIN(MAX(power_of_two(proposal_size / 8), (uint32_t)UNIT_SIZE_MIN), (uint32_t)UNIT_SIZE_MAX),
            power_of_two(reserve_size(config)));
    const uint64_t memory = (uint64_t)MEMORY_PROPOSALS * (proposal_size + unit_size) / unit_size * unit_size;
    const uint64_t entries_size = (uint64_t)config->snapshot_entries * JOURNAL_BLOCK_SIZE;
    const uint64_t files =
        MIN(2 * entries_size / config->journal_file_size + FILES_MIN, (uint64_t)JOURNAL_FILES_MAX - FILES_RESERVED);
    struct parts parts = {
        .tail = { .unit_size = unit_size, .memory_size = memory },
        .journal = { .directory = META_DIRECTORY,
                     .owner = OP_META_JOURNAL,
                     .journal_id = config->journal_id,
                     .file_size = config->journal_file_size,
                     .files_max = (uint32_t)files + FILES_RESERVED,
                     .round_size_max = config->journal_file_size },
        .journal_shared_size = files * config->journal_file_size,
        .entries_max = power_of_two(MAX(4 * config->snapshot_entries, (uint32_t)ENTRIES_MIN)),
        .chunk_size = MIN(MAX(proposal_size / 4, (uint32_t)CHUNK_SIZE_MIN), (uint32_t)CHUNK_SIZE_MAX),
        .buffer_size = snapshot_size_max(&config->image, list_size_max(config)) + TRAILER_SIZE,
    };
    parts.raft = (struct raft_config){
        .seed = config->seed,
        .election_timeout_ns = ELECTION_TIMEOUT_NS,
        .heartbeat_ns = HEARTBEAT_NS,
        .members_max = members_max(config),
        .configuration_size_max = list_size_max(config),
        .entries_max = parts.entries_max,
        .uncommitted_max = parts.entries_max / 4,
        .entry_size_max = proposal_size,
        .append_size_max = proposal_size,
        .inflight_size_max = 4 * proposal_size,
        .chunk_size_max = parts.chunk_size,
        .chunks_inflight_max = 2,
        .reads_max = READS_MAX,
        .promote_lag_max = 64,
    };
    return parts;
}

size_t metadata_log_size(const struct metadata_log_config *config)
{
    if (config->journal_file_size == 0 || config->journal_file_size % JOURNAL_BLOCK_SIZE != 0) return 0;
    if (metadata_log_proposal_size_max(config) < PROPOSAL_SIZE_MIN) return 0;
    if (config->snapshot_entries < 1 || config->snapshot_entries > 1 << 24) return 0;
    const struct parts parts = parts_of(config);
    if (parts.buffer_size > INT32_MAX) return 0; /* sizes of records are counted in 32 bits */
    return rounded(sizeof(struct metadata_log)) + rounded(tail_size(&parts.tail)) +
           rounded(journal_size(&parts.journal)) + rounded(raft_size(&parts.raft)) +
           rounded(parts.entries_max * sizeof(struct kept_entry)) + rounded(LIST_SIZE) +
           2 * rounded(parts.buffer_size) + rounded((size_t)CHUNK_SLOTS * parts.chunk_size) +
           rounded(raft_configuration_memory(parts.raft.members_max, parts.raft.configuration_size_max)) +
           rounded((1 + RAFT_APPEND_ENTRIES_MAX) * sizeof(struct bytes)) +
           rounded(FRAME_HEAD_SIZE + RAFT_MESSAGE_HEAD_SIZE_MAX) +
           rounded(RAFT_APPEND_ENTRIES_MAX * sizeof(struct raft_entry));
}

static void *take(uint8_t **memory, size_t size)
{
    void *taken = *memory;

    *memory += rounded(size);
    return taken;
}

void metadata_log_init(struct metadata_log *log, const struct metadata_log_config *config, struct image *image)
{
    CHECK(metadata_log_size(config) > 0);
    const struct parts parts = parts_of(config);
    uint8_t *memory = (uint8_t *)log;

    take(&memory, sizeof *log);
    *log = (struct metadata_log){ .config = *config, .image = image, .retry_ns = UINT64_MAX, .copy_chunk = CHUNK_NONE };
    log->tail_memory_size = parts.tail.memory_size;
    log->tail_unit_size = parts.tail.unit_size;
    log->journal_shared_size = parts.journal_shared_size;
    log->entries_max = parts.entries_max;
    log->buffer_size = parts.buffer_size;
    log->tail = take(&memory, tail_size(&parts.tail));
    log->journal = take(&memory, journal_size(&parts.journal));
    log->raft = take(&memory, raft_size(&parts.raft));
    log->entries = take(&memory, parts.entries_max * sizeof(struct kept_entry));
    log->list = take(&memory, LIST_SIZE);
    log->buffer = take(&memory, parts.buffer_size);
    log->install.memory = take(&memory, parts.buffer_size);
    log->chunks.size_max = parts.chunk_size;
    metadata_chunks_init(log, take(&memory, (size_t)CHUNK_SLOTS * parts.chunk_size));
    raft_configuration_init(
        &log->install.members,
        take(&memory, raft_configuration_memory(parts.raft.members_max, parts.raft.configuration_size_max)),
        parts.raft.members_max, parts.raft.configuration_size_max);
    log->frame_parts = take(&memory, (1 + RAFT_APPEND_ENTRIES_MAX) * sizeof(struct bytes));
    log->frame_head = take(&memory, FRAME_HEAD_SIZE + RAFT_MESSAGE_HEAD_SIZE_MAX);
    log->frame_entries = take(&memory, RAFT_APPEND_ENTRIES_MAX * sizeof(struct raft_entry));
    tail_init(log->tail, &parts.tail);
    journal_init(log->journal, &parts.journal, log->tail);
    log->raft_config = parts.raft;
    log->raft_config.id = 1; /* until we know who we are it can be asked questions, and nothing else */
    raft_init(log->raft, &log->raft_config);
}

void metadata_log_break(struct metadata_log *log, enum halt_reason reason, const char *path)
{
    if (log->opening == OPENING_BROKEN) return;
    log->opening = OPENING_BROKEN;
    log->halt = (struct effect_halt){ reason, path };
}

enum metadata_log_state metadata_log_state(const struct metadata_log *log)
{
    switch (log->opening) {
    case OPENING_NOT: return METADATA_LOG_CLOSED;
    case OPENING_DONE: return METADATA_LOG_OPEN;
    case OPENING_BROKEN: return METADATA_LOG_BROKEN;
    case OPENING_MAKING_DIRECTORY:
    case OPENING_SYNCING_ROOT:
    case OPENING_SYNCING_WAL:
    case OPENING_LOOKING:
    case OPENING_LISTING:
    case OPENING_UNLINKING:
    case OPENING_READING:
    case OPENING_LOADING:
    case OPENING_REPLAYING:
    case OPENING_SEARCHING: return METADATA_LOG_OPENING;
    }
    CHECK(false);
    return METADATA_LOG_BROKEN;
}

struct effect_halt metadata_log_halt(const struct metadata_log *log)
{
    CHECK(log->opening == OPENING_BROKEN);
    return log->halt;
}

/* ---- who we are ---- */

uint64_t metadata_log_member(const struct metadata_log *log)
{
    return log->opening == OPENING_DONE ? log->member : 0;
}

bool metadata_log_identity_is_durable(const struct metadata_log *log)
{
    return log->opening == OPENING_DONE && journal_durable_sequence(log->journal) >= log->identity_sequence;
}

enum standing metadata_log_standing(const struct metadata_log *log)
{
    return log->opening == OPENING_DONE ? log->standing : STANDING_WAITS;
}

struct ancestry metadata_log_disk_ancestry(const struct metadata_log *log)
{
    return log->disk_ancestry;
}

bool metadata_log_owes_recovery(const struct metadata_log *log)
{
    return log->opening == OPENING_DONE && log->owed_from != 0;
}

void metadata_log_on_recovered(struct metadata_log *log, uint64_t index)
{
    log->owed_from = 0;
    log->snapshot_from = index;
}

void metadata_log_on_removed(struct metadata_log *log)
{
    log->removed = true;
}

/* ---- facts ---- */

void metadata_log_on_time(struct metadata_log *log, uint64_t mono_ns)
{
    CHECK(log->mono_ns <= mono_ns);
    log->mono_ns = mono_ns;
    log->applying.entries_left = APPLY_STEP_ENTRIES;
    log->applying.drains_left = APPLY_STEP_DRAINS;
    log->applying.records_left = CONVERGE_STEP_RECORDS;
    if (log->opening != OPENING_DONE) return;
    log->cramped = false;
    for (uint32_t i = 0; i < TIME_CALLS_MAX && raft_deadline_ns(log->raft) <= mono_ns; i++) {
        if (OUTBOX_MAX - log->outbox.count < RAFT_MESSAGES_MAX) return;
        log->cramped = !metadata_write_reserve(log, 0);
        if (log->cramped) return;
        raft_on_time(log->raft, mono_ns, &log->output);
        metadata_log_act(log, &(struct entry_source){ .message = NULL });
    }
}

static void on_journal(struct metadata_log *log, const struct event *event, struct effects *effects)
{
    const enum journal_verdict verdict = journal_on_disk(log->journal, event, effects);

    switch (verdict) {
    case JOURNAL_KEPT: break;
    case JOURNAL_DURABLE:
        log->disk_full = false;
        metadata_on_round_durable(log);
        break;
    case JOURNAL_STALLED:
        log->disk_full = true;
        log->retry_ns = log->mono_ns + DISK_RETRY_NS;
        break;
    case JOURNAL_BROKEN: metadata_log_break(log, HALT_DISK_FAILED, META_DIRECTORY); break;
    }
    if (log->opening == OPENING_REPLAYING) metadata_open_go_on(log, effects);
}

void metadata_log_on_disk(struct metadata_log *log, const struct event *event, struct effects *effects)
{
    if (log->opening == OPENING_BROKEN) return;
    if (op_owner(event->disk.op) == OP_META_JOURNAL) {
        on_journal(log, event, effects);
        return;
    }
    CHECK(op_owner(event->disk.op) == OP_META);
    switch ((enum meta_op)(event->disk.op & 0xff)) {
    case META_OP_OPEN: metadata_open_on_disk(log, &event->disk, effects); break;
    case META_OP_SNAPSHOT: metadata_snapshot_on_disk(log, &event->disk, effects); break;
    case META_OP_INSTALL: metadata_install_on_disk(log, &event->disk, effects); break;
    case META_OP_SWEEP: metadata_sweep_on_disk(log, &event->disk); break;
    case META_OP_CHUNK: metadata_chunks_on_disk(log, &event->disk); break;
    }
}

/* Whoever found no room looks again when something is applied. Room can also come from a snapshot, when there is
 * nothing to apply: then an entry without records is. */
static void nudge(struct metadata_log *log)
{
    uint64_t index;
    const bool idle = image_view(log->image).applied_index == raft_last_index(log->raft);

    if (!log->proposer_waits || !idle || !metadata_log_leads(log)) return;
    const uint32_t usual_size = metadata_log_proposal_size_max(&log->config) / 2;
    const bool room = metadata_entries_fit(log) && metadata_write_reserve(log, metadata_entry_weight(usual_size));
    if (room) metadata_log_propose(log, (struct bytes){ 0 }, &index);
}

void metadata_log_commit(struct metadata_log *log, struct effects *effects)
{
    if (metadata_open_is_due(log)) metadata_open_go_on(log, effects);
    if (log->opening != OPENING_DONE) return;
    metadata_tell_stored(log);
    metadata_judge_standing(log);
    metadata_snapshot_go_on(log, effects);
    metadata_install_go_on(log, effects);
    nudge(log);
    if (log->retry_ns <= log->mono_ns && effects_space(effects) >= 2) {
        log->retry_ns = UINT64_MAX; /* until the answer says that it is still full */
        journal_retry(log->journal, effects);
        if (raft_role(log->raft) == RAFT_LEADER) metadata_log_transfer(log, 0); /* others may have space */
    }
    journal_commit(log->journal, effects);
    metadata_tell_stored(log); /* which found no room in the round that has gone now */
    metadata_chunks_go_on(log, effects);
    metadata_tell_notes(log, effects);
    metadata_log_check(log);
}

static bool may_apply(const struct metadata_log *log)
{
    return log->opening == OPENING_DONE && log->snapshot != SNAPSHOT_ENCODING;
}

uint64_t metadata_log_deadline_ns(const struct metadata_log *log, bool applies)
{
    if (metadata_open_is_due(log)) return log->mono_ns;
    if (log->opening != OPENING_DONE) return UINT64_MAX;
    const bool more = log->applying.active || image_view(log->image).applied_index < log->commit_index;
    if (more && applies && may_apply(log)) return log->mono_ns;
    uint64_t deadline_ns = raft_deadline_ns(log->raft);
    /* Room comes with an answer of the disk, mostly. */
    if (log->cramped) deadline_ns = MAX(deadline_ns, log->mono_ns + HEARTBEAT_NS);
    deadline_ns = MIN(deadline_ns, MIN(metadata_snapshot_deadline_ns(log), metadata_install_deadline_ns(log)));
    return MIN(deadline_ns, log->retry_ns);
}

/* ---- applying ---- */

static bool begin_entry(struct metadata_log *log)
{
    struct applying *applying = &log->applying;
    const uint64_t index = image_view(log->image).applied_index + 1;

    const uint64_t last = MUTANT(M64) ? raft_last_index(log->raft) : log->commit_index;
    if (!may_apply(log) || index > last || applying->entries_left == 0) return false;
    applying->entries_left--;
    applying->active = true;
    applying->refused = false;
    applying->index = index;
    applying->rest = (struct bytes){ 0 };
    if (raft_entry(log->raft, index).kind == RAFT_ENTRY_DATA) {
        const struct kept_entry *kept = metadata_log_kept(log, index);
        applying->rest = (struct bytes){ kept->payload, kept->size };
    }
    return true;
}

static void apply_record(struct metadata_log *log, struct image_change *change)
{
    struct applying *applying = &log->applying;
    struct bytes record;

    change->kind = CHANGE_NOTHING;
    if (!proposal_next(&applying->rest, &record)) {
        metadata_log_break(log, HALT_CORRUPT, META_DIRECTORY);
        return;
    }
    switch (image_apply(log->image, applying->index, record, change)) {
    case APPLY_DONE: break;
    case APPLY_REFUSED:
        applying->refused = true;
        applying->rest = (struct bytes){ 0 };
        break;
    case APPLY_SKIPPED: applying->refused = true; break;
    case APPLY_FULL: metadata_log_break(log, HALT_FOREIGN, META_DIRECTORY); break;
    case APPLY_MALFORMED: metadata_log_break(log, HALT_CORRUPT, META_DIRECTORY); break;
    }
}

enum applied metadata_log_apply(struct metadata_log *log, struct image_change *change, struct applied_entry *entry)
{
    struct applying *applying = &log->applying;

    if (log->opening == OPENING_DONE && log->install.state == INSTALL_CONVERGING) {
        return may_apply(log) ? metadata_install_converge(log, change, entry) : APPLIED_NOTHING;
    }
    while (log->opening == OPENING_DONE) {
        if (image_is_draining(log->image)) {
            if (applying->drains_left == 0) return APPLIED_NOTHING;
            applying->drains_left--;
            image_drain(log->image, change);
        } else if (!applying->active) {
            if (!begin_entry(log)) return APPLIED_NOTHING;
            continue;
        } else if (applying->rest.size == 0) {
            const uint64_t term = raft_entry(log->raft, applying->index).term;
            const uint64_t proposed_ns = metadata_log_kept(log, applying->index)->proposed_ns;
            image_advance(log->image, applying->index, term);
            if (proposed_ns != 0) latency_add(&log->counters.commits, log->mono_ns - proposed_ns);
            applying->active = false;
            log->proposer_waits = false;
            *entry = (struct applied_entry){ applying->index, term, applying->refused };
            return APPLIED_ENTRY;
        } else {
            apply_record(log, change);
        }
        if (change->kind != CHANGE_NOTHING) return APPLIED_CHANGE;
    }
    return APPLIED_NOTHING;
}

bool metadata_log_is_applying(const struct metadata_log *log)
{
    return log->applying.active || image_is_draining(log->image) || log->install.state == INSTALL_CONVERGING;
}

/* ---- proposing ---- */

int64_t metadata_log_disk_epoch(const struct metadata_log *log)
{
    return log->disk_epoch;
}

uint64_t metadata_log_first_index(const struct metadata_log *log)
{
    return log->first_index;
}

bool metadata_log_leads(const struct metadata_log *log)
{
    if (log->opening != OPENING_DONE || raft_role(log->raft) != RAFT_LEADER) return false;
    return image_view(log->image).applied_term == raft_term(log->raft);
}

uint64_t metadata_log_term(const struct metadata_log *log)
{
    return raft_term(log->raft);
}

uint64_t metadata_log_generation(const struct metadata_log *log)
{
    return metadata_log_leads(log) ? raft_term(log->raft) : 0;
}

uint64_t metadata_log_leader(const struct metadata_log *log)
{
    return raft_leader(log->raft);
}

enum metadata_log_verdict metadata_log_propose(struct metadata_log *log, struct bytes records, uint64_t *index)
{
    CHECK(records.size <= metadata_log_proposal_size_max(&log->config));
    const uint32_t size = records.size;

    if (log->opening != OPENING_DONE || raft_role(log->raft) != RAFT_LEADER) return METADATA_LOG_WAITS;
    log->proposer_waits = true;
    if (!metadata_entries_fit(log) || !metadata_write_reserve(log, metadata_entry_weight(size))) {
        return METADATA_LOG_WAITS;
    }
    switch (raft_propose(log->raft, log->mono_ns, &size, 1, &log->output)) {
    case RAFT_ACCEPTED: break;
    case RAFT_NOT_LEADER:
    case RAFT_FULL:
    case RAFT_BUSY: return METADATA_LOG_WAITS;
    case RAFT_STALE:
    case RAFT_IGNORED:
    case RAFT_IMPOSSIBLE:
    case RAFT_BEHIND:
    case RAFT_UNKNOWN:
    case RAFT_EMPTY:
    case RAFT_TOO_LARGE:
    case RAFT_CORRUPT: CHECK(false);
    }
    *index = log->output.write.first_index;
    metadata_log_act(log, &(struct entry_source){ .proposal = records });
    metadata_log_kept(log, *index)->proposed_ns = log->mono_ns;
    log->proposer_waits = false;
    return METADATA_LOG_TAKEN;
}

/* ---- reading ---- */

bool metadata_log_read_barrier(struct metadata_log *log, uint64_t token)
{
    if (log->opening != OPENING_DONE || log->reads_open == READS_MAX) return false;
    if (raft_leader(log->raft) == 0 || !metadata_write_reserve(log, 0)) return false;
    const enum raft_verdict verdict = raft_read(log->raft, log->mono_ns, token, &log->output);
    log->reads_open += verdict == RAFT_ACCEPTED;
    metadata_log_act(log, &(struct entry_source){ .message = NULL });
    return verdict == RAFT_ACCEPTED;
}

bool metadata_log_next_read(struct metadata_log *log, struct metadata_read *read)
{
    if (log->read_count == 0) return false;
    *read = log->reads[log->read_first];
    log->read_first = (log->read_first + 1) % READS_MAX;
    log->read_count--;
    log->reads_open--;
    return true;
}

/* ---- members ---- */

const struct raft *metadata_log_raft(const struct metadata_log *log)
{
    return log->raft;
}

struct bytes metadata_log_payload(const struct metadata_log *log, uint64_t index)
{
    const struct kept_entry *entry = &log->entries[index & (log->entries_max - 1)];

    CHECK(log->kept_first <= index && index < log->kept_end);
    return (struct bytes){ entry->payload, entry->size };
}

enum raft_verdict metadata_log_change(struct metadata_log *log, const struct raft_change *changes, uint32_t count)
{
    uint32_t list_size = raft_configuration(log->raft)->size + LIST_HEAD_SIZE;

    if (log->opening != OPENING_DONE) return RAFT_NOT_LEADER;
    for (uint32_t i = 0; i < count; i++) list_size += MEMBER_HEAD_SIZE + changes[i].address.size;
    if (!metadata_write_reserve(log, metadata_entry_weight(list_size))) return RAFT_FULL;
    const enum raft_verdict verdict = raft_change(log->raft, log->mono_ns, changes, count, &log->output);
    metadata_log_act(log, &(struct entry_source){ .message = NULL });
    return verdict;
}

void metadata_log_on_lost(struct metadata_log *log, int32_t node_id)
{
    if (log->opening != OPENING_DONE) return;
    const uint64_t leader = raft_leader(log->raft);
    if (leader != 0 && member_node(leader) == node_id) raft_on_lost(log->raft, log->mono_ns, leader);
}

enum raft_verdict metadata_log_transfer(struct metadata_log *log, uint64_t to)
{
    if (log->opening != OPENING_DONE) return RAFT_NOT_LEADER;
    if (!metadata_write_reserve(log, 0)) return RAFT_FULL;
    const enum raft_verdict verdict = raft_transfer(log->raft, log->mono_ns, to, &log->output);
    metadata_log_act(log, &(struct entry_source){ .message = NULL });
    return verdict;
}

/* ---- for status and metrics ---- */

static uint32_t voter_count(const struct raft_configuration *list)
{
    const uint8_t voting = raft_configuration_voting(list);
    uint32_t count = 0;

    for (uint32_t i = 0; i < list->count; i++) count += (list->members[i].flags & voting) != 0;
    return count;
}

struct metadata_log_view metadata_log_view(const struct metadata_log *log)
{
    const struct journal_usage usage = journal_usage(log->journal);
    const struct raft_configuration *list = raft_configuration_decided(log->raft);

    return (struct metadata_log_view){
        .term = raft_term(log->raft),
        .last_index = raft_last_index(log->raft),
        .commit_index = log->commit_index,
        .snapshot_index = log->snapshot_index,
        .snapshot_size = log->snapshot_file_size,
        .snapshots = log->snapshots,
        .journal_used = usage.used_size,
        .journal_max = usage.size_max,
        .leader = raft_leader(log->raft),
        .voters = voter_count(list),
        .members = list->count,
        .leads = metadata_log_leads(log),
        .counters = log->counters,
        .disk_full = log->disk_full || journal_is_stalled(log->journal),
    };
}

void metadata_log_check(const struct metadata_log *log)
{
    const uint64_t applied = image_view(log->image).applied_index;

    if (log->opening != OPENING_DONE) return;
    CHECK(applied <= log->commit_index);                                /* (1) */
    CHECK(log->commit_index <= raft_last_index(log->raft));             /* (1) */
    CHECK(log->kept_first == raft_first_index(log->raft));              /* (2) */
    CHECK(log->kept_first <= log->snapshot_index + 1);                  /* (2) */
    CHECK(log->kept_end == raft_last_index(log->raft) + 1);             /* (2) */
    CHECK(log->kept_end - log->kept_first <= log->entries_max);         /* (2) */
    CHECK(log->snapshot != SNAPSHOT_ENCODING || !log->applying.active); /* (3) */
    CHECK(log->snapshot_index <= applied || log->install.state == INSTALL_CONVERGING);
    CHECK(log->read_count <= log->reads_open && log->reads_open <= READS_MAX);
}
