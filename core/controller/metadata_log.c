/* metadata_log.c -- entries: proposed, stored, committed, applied. metadata_open.c begins it, metadata_snapshot.c cuts
 * it. */
#include "base/check.h"
#include "controller/metadata_log_state.h"

enum {
    PROPOSAL_SIZE_MAX = 512 << 10,
    PROPOSAL_SIZE_MIN = 2048, /* below it not even a topic fits */
    ENTRIES_MIN = 64,
    ADDRESS_SIZE_MAX = RAFT_ADDRESS_SIZE_MAX + 10, /* of one member in a list */
    OWN_WRITES_SIZE = 256,                         /* hard state, truncation and no-op, with their heads */
    OWN_PIECES = 4,
    MEMORY_PROPOSALS = 32, /* of the largest size that fit into memory; a quarter of it is for large ones */
    UNIT_SIZE_MAX = 64 << 10,
    UNIT_SIZE_MIN = 4 << 10,
    FILES_MIN = 4,
    FILES_RESERVED = 8, /* proposals leave them to what starts write: a vote, an entry without records */
};

/* Single-voter groups need no timers; these are for the others, and those of docs/replication.md. */
#define ELECTION_TIMEOUT_NS (500 * (uint64_t)1000000)
#define HEARTBEAT_NS (100 * (uint64_t)1000000)

/* ---- memory ---- */

struct parts {
    struct tail_config tail;
    struct journal_config journal;
    struct raft_config raft;
    uint32_t reserve_size;
    uint64_t journal_shared_size;
    uint32_t entries_max;
    uint64_t buffer_size;
};

static size_t rounded(size_t size)
{
    return (size + 63) / 64 * 64;
}

static uint32_t configuration_size_max(const struct metadata_log_config *config)
{
    return 8 + config->members_max * ADDRESS_SIZE_MAX;
}

static uint32_t reserve_size(const struct metadata_log_config *config)
{
    return configuration_size_max(config) + OWN_WRITES_SIZE;
}

uint32_t metadata_log_proposal_size_max(const struct metadata_log_config *config)
{
    const uint32_t taken = JOURNAL_FRAME_HEAD_SIZE + reserve_size(config);

    if (config->journal_file_size < 2 * taken) return 0;
    return MIN((config->journal_file_size - taken) / 2 / 64 * 64, (uint32_t)PROPOSAL_SIZE_MAX);
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
    const uint32_t unit_size =
        MIN(MAX(power_of_two(proposal_size / 8), (uint32_t)UNIT_SIZE_MIN), (uint32_t)UNIT_SIZE_MAX);
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
        .reserve_size = reserve_size(config),
        .journal_shared_size = files * config->journal_file_size,
        .entries_max = power_of_two(MAX(4 * config->snapshot_entries, (uint32_t)ENTRIES_MIN)),
        .buffer_size = snapshot_size_max(&config->image, configuration_size_max(config)) + TRAILER_SIZE,
    };
    parts.raft = (struct raft_config){
        .id = (uint64_t)config->node_id,
        .seed = config->seed,
        .election_timeout_ns = ELECTION_TIMEOUT_NS,
        .heartbeat_ns = HEARTBEAT_NS,
        .members_max = MAX(config->members_max, (uint32_t)RAFT_VOTERS_MAX),
        .configuration_size_max = configuration_size_max(config),
        .entries_max = parts.entries_max,
        .uncommitted_max = parts.entries_max / 4,
        .entry_size_max = proposal_size,
        .append_size_max = proposal_size,
        .inflight_size_max = 4 * proposal_size,
        .chunk_size_max = DISK_STEP_SIZE,
        .chunks_inflight_max = 2,
        .reads_max = 64,
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
           rounded(parts.entries_max * sizeof(struct kept_entry)) + rounded(LIST_SIZE) + rounded(parts.buffer_size);
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
    log->round_size_max = parts.journal.round_size_max;
    log->reserve_size = parts.reserve_size;
    log->journal_shared_size = parts.journal_shared_size;
    log->entries_max = parts.entries_max;
    log->buffer_size = parts.buffer_size;
    log->tail = take(&memory, tail_size(&parts.tail));
    log->journal = take(&memory, journal_size(&parts.journal));
    log->raft = take(&memory, raft_size(&parts.raft));
    log->entries = take(&memory, parts.entries_max * sizeof(struct kept_entry));
    log->list = take(&memory, LIST_SIZE);
    log->buffer = take(&memory, parts.buffer_size);
    tail_init(log->tail, &parts.tail);
    journal_init(log->journal, &parts.journal, log->tail);
    raft_init(log->raft, &parts.raft);
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

/* ---- entries in memory ---- */

struct kept_entry *metadata_log_kept(struct metadata_log *log, uint64_t index)
{
    CHECK(log->kept_first <= index && index < log->kept_end);
    return &log->entries[index & (log->entries_max - 1)];
}

void metadata_log_keep(struct metadata_log *log, uint64_t index, const struct kept_entry *entry)
{
    CHECK(index == log->kept_end && index - log->kept_first < log->entries_max);
    tail_pin(log->tail, entry->chunk);
    log->entries[index & (log->entries_max - 1)] = *entry;
    log->kept_end++;
}

void metadata_log_forget(struct metadata_log *log, uint64_t end)
{
    for (; log->kept_first < MIN(end, log->kept_end); log->kept_first++) {
        tail_unpin(log->tail, metadata_log_kept(log, log->kept_first)->chunk);
    }
    log->kept_first = MAX(log->kept_first, end);
    log->kept_end = MAX(log->kept_end, log->kept_first);
}

static void drop_from(struct metadata_log *log, uint64_t index)
{
    while (log->kept_end > MAX(index, log->kept_first)) {
        tail_unpin(log->tail, metadata_log_kept(log, log->kept_end - 1)->chunk);
        log->kept_end--;
    }
}

/* ---- writing what Raft wants durable ---- */

/* Memory in the open round. It is there: what is proposed was measured before, and for the rest there is a reserve. */
static uint8_t *append(struct metadata_log *log, uint16_t kind, uint32_t size, uint32_t *chunk)
{
    struct round_fill *fill = &log->fill;
    const uint64_t sequence = journal_open_sequence(log->journal);

    if (fill->sequence != sequence) {
        *fill = (struct round_fill){ .sequence = sequence, .size = JOURNAL_FRAME_HEAD_SIZE, .chunk = CHUNK_NONE };
    }
    uint8_t *to = journal_append(log->journal, kind, size, chunk);
    CHECK(to != NULL);
    fill->size += JOURNAL_ENTRY_HEAD_SIZE + (size + 7) / 8 * 8;
    fill->pieces += fill->chunk != *chunk;
    fill->chunk = *chunk;
    return to;
}

/* Whether an entry of `size` bytes may be appended, and Raft's own writes after it. */
static bool has_room(struct metadata_log *log, uint32_t size)
{
    const bool fresh = log->fill.sequence != journal_open_sequence(log->journal);
    const uint64_t filled = fresh ? JOURNAL_FRAME_HEAD_SIZE : log->fill.size;
    const uint32_t pieces = fresh ? 0 : log->fill.pieces;
    const uint64_t wanted = JOURNAL_ENTRY_HEAD_SIZE + ENTRY_HEAD_SIZE + (uint64_t)size + 8;

    if (filled + wanted + log->reserve_size > log->round_size_max) return false;
    /* A full journal could not even begin a term, and without one nothing is applied that a snapshot could hold. */
    if (journal_usage(log->journal).used_size > log->journal_shared_size) return false;
    if (pieces + 1 + OWN_PIECES > JOURNAL_ROUND_PIECES_MAX) return false;
    /* Large ones come from a quarter of the memory, small ones from the rest, of which the last part stays free. */
    if (tail_used_size(log->tail) + OWN_PIECES * (uint64_t)log->tail_unit_size > log->tail_memory_size / 2) {
        return false;
    }
    const uint32_t chunk = tail_take(log->tail, (uint32_t)wanted + JOURNAL_FRAME_HEAD_SIZE);
    if (chunk == CHUNK_NONE) return false;
    tail_unpin(log->tail, chunk);
    return true;
}

static void write_hard_state(struct metadata_log *log, const struct raft_write *write)
{
    uint32_t chunk;
    uint8_t *to = append(log, JOURNAL_KIND_HARD_STATE, 16, &chunk);

    store_u64(to, write->term);
    store_u64(to + 8, write->vote);
    log->term = write->term;
    log->vote = write->vote;
}

static void write_truncation(struct metadata_log *log, uint64_t from)
{
    uint32_t chunk;

    store_u64(append(log, JOURNAL_KIND_TRUNCATION, 8, &chunk), from);
    drop_from(log, from);
}

static void write_entry(struct metadata_log *log, uint64_t index, struct bytes payload)
{
    const struct raft_entry entry = raft_entry(log->raft, index);
    struct kept_entry kept = { .size = payload.size, .sequence = journal_open_sequence(log->journal) };
    uint8_t *to = append(log, JOURNAL_KIND_ENTRY, ENTRY_HEAD_SIZE + payload.size, &kept.chunk);

    CHECK(entry.size == payload.size);
    store_u64(to, index);
    store_u64(to + 8, entry.term);
    to[16] = entry.kind;
    if (payload.size > 0) memcpy(to + ENTRY_HEAD_SIZE, payload.data, payload.size);
    kept.payload = to + ENTRY_HEAD_SIZE;
    metadata_log_keep(log, index, &kept);
}

static void write_out(struct metadata_log *log, const struct raft_write *write, struct bytes proposal)
{
    const uint64_t sequence = journal_open_sequence(log->journal);

    if (write->hard_state && !MUTANT(meta_forgets_votes)) write_hard_state(log, write);
    if (write->truncate_from != 0) write_truncation(log, write->truncate_from);
    for (uint32_t i = 0; i < write->entry_count; i++) {
        const uint64_t index = write->first_index + i;
        switch ((enum raft_entry_kind)raft_entry(log->raft, index).kind) {
        case RAFT_ENTRY_DATA: write_entry(log, index, proposal); break;
        case RAFT_ENTRY_NOOP: write_entry(log, index, (struct bytes){ 0 }); break;
        case RAFT_ENTRY_CONFIGURATION: write_entry(log, index, write->own_payload); break;
        }
    }
    struct awaited_write *awaited = &log->awaited[sequence % 2];
    CHECK(awaited->sequence == sequence || awaited->sequence <= journal_durable_sequence(log->journal));
    *awaited = (struct awaited_write){ sequence, write->ticket };
}

void metadata_log_act(struct metadata_log *log, struct bytes proposal)
{
    const struct raft_output *output = &log->output;

    CHECK(output->message_count == 0 && output->chunk.size == 0); /* a sole voter talks to nobody */
    if (output->write.ticket.sequence != 0) write_out(log, &output->write, proposal);
    if (output->commit_index > log->commit_index) log->commit_index = output->commit_index;
}

/* A round is durable: what waited for it is told, and may lead to more writes. */
static void on_durable(struct metadata_log *log)
{
    const uint64_t durable = journal_durable_sequence(log->journal);
    struct raft_ticket newest = { 0 };

    for (uint32_t i = 0; i < COUNT_OF(log->awaited); i++) {
        struct awaited_write *awaited = &log->awaited[i];
        if (awaited->sequence == 0 || awaited->sequence > durable) continue;
        if (awaited->ticket.sequence > newest.sequence) newest = awaited->ticket;
        awaited->sequence = 0;
    }
    if (newest.sequence == 0) return;
    raft_on_stored(log->raft, log->mono_ns, newest, &log->output);
    metadata_log_act(log, (struct bytes){ 0 });
}

/* ---- facts ---- */

void metadata_log_on_time(struct metadata_log *log, uint64_t mono_ns)
{
    CHECK(log->mono_ns <= mono_ns);
    log->mono_ns = mono_ns;
    log->applying.entries_left = APPLY_STEP_ENTRIES;
    log->applying.drains_left = APPLY_STEP_DRAINS;
    if (log->opening != OPENING_DONE || raft_deadline_ns(log->raft) > mono_ns) return;
    raft_on_time(log->raft, mono_ns, &log->output);
    metadata_log_act(log, (struct bytes){ 0 });
}

static void on_journal(struct metadata_log *log, const struct event *event, struct effects *effects)
{
    const enum journal_verdict verdict = journal_on_disk(log->journal, event, effects);

    switch (verdict) {
    case JOURNAL_KEPT: break;
    case JOURNAL_DURABLE:
        log->disk_full = false;
        on_durable(log);
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
    }
}

/* Whoever found no room looks again when something is applied. Room can also come from a snapshot, when there is
 * nothing to apply: then an entry without records is. */
static void nudge(struct metadata_log *log)
{
    uint64_t index;
    const bool idle = image_view(log->image).applied_index == raft_last_index(log->raft);

    if (!log->proposer_waits || !idle || !metadata_log_leads(log)) return;
    if (has_room(log, log->round_size_max / 4)) metadata_log_propose(log, (struct bytes){ 0 }, &index);
}

void metadata_log_commit(struct metadata_log *log, struct effects *effects)
{
    if (metadata_open_is_due(log)) metadata_open_go_on(log, effects);
    if (log->opening != OPENING_DONE) return;
    metadata_snapshot_go_on(log, effects);
    nudge(log);
    if (log->retry_ns <= log->mono_ns && effects_space(effects) >= 2) {
        log->retry_ns = UINT64_MAX; /* until the answer says that it is still full */
        journal_retry(log->journal, effects);
    }
    journal_commit(log->journal, effects);
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
    return MIN(MIN(log->retry_ns, raft_deadline_ns(log->raft)), metadata_snapshot_deadline_ns(log));
}

/* ---- applying ---- */

static bool begin_entry(struct metadata_log *log)
{
    struct applying *applying = &log->applying;
    const uint64_t index = image_view(log->image).applied_index + 1;

    if (!may_apply(log) || index > log->commit_index || applying->entries_left == 0) return false;
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

    while (log->opening == OPENING_DONE) {
        if (image_is_draining(log->image)) {
            if (applying->drains_left == 0) return APPLIED_NOTHING;
            applying->drains_left--;
            image_drain(log->image, change);
        } else if (!applying->active) {
            if (!begin_entry(log)) return APPLIED_NOTHING;
            continue;
        } else if (applying->rest.size == 0) {
            image_advance(log->image, applying->index, raft_entry(log->raft, applying->index).term);
            applying->active = false;
            log->proposer_waits = false;
            *entry = (struct applied_entry){ applying->index, applying->refused };
            return APPLIED_ENTRY;
        } else {
            apply_record(log, change);
        }
        if (change->kind != CHANGE_NOTHING) return APPLIED_CHANGE;
    }
    return APPLIED_NOTHING;
}

/* ---- proposing ---- */

uint64_t metadata_log_first_index(const struct metadata_log *log)
{
    return log->first_index;
}

bool metadata_log_leads(const struct metadata_log *log)
{
    if (log->opening != OPENING_DONE || raft_role(log->raft) != RAFT_LEADER) return false;
    return image_view(log->image).applied_term == raft_term(log->raft);
}

enum metadata_log_verdict metadata_log_propose(struct metadata_log *log, struct bytes records, uint64_t *index)
{
    CHECK(records.size <= metadata_log_proposal_size_max(&log->config));
    const uint32_t size = records.size;

    log->proposer_waits = true;
    if (log->opening != OPENING_DONE || !has_room(log, size)) return METADATA_LOG_WAITS;
    if (raft_last_index(log->raft) + 1 - log->kept_first >= log->entries_max) return METADATA_LOG_WAITS;
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
    metadata_log_act(log, records);
    log->proposer_waits = false;
    return METADATA_LOG_TAKEN;
}

struct metadata_log_view metadata_log_view(const struct metadata_log *log)
{
    const struct journal_usage usage = journal_usage(log->journal);

    return (struct metadata_log_view){
        .term = raft_term(log->raft),
        .last_index = raft_last_index(log->raft),
        .commit_index = log->commit_index,
        .snapshot_index = log->snapshot_index,
        .snapshot_size = log->snapshot_file_size,
        .snapshots = log->snapshots,
        .journal_used = usage.used_size,
        .journal_max = usage.size_max,
        .leads = metadata_log_leads(log),
        .disk_full = log->disk_full || journal_is_stalled(log->journal),
    };
}

void metadata_log_check(const struct metadata_log *log)
{
    const uint64_t applied = image_view(log->image).applied_index;

    if (log->opening != OPENING_DONE) return;
    CHECK(applied <= log->commit_index);                                /* (1) */
    CHECK(log->commit_index <= raft_last_index(log->raft));             /* (1) */
    CHECK(log->kept_first <= log->snapshot_index + 1);                  /* (2) */
    CHECK(log->kept_end == raft_last_index(log->raft) + 1);             /* (2) */
    CHECK(log->kept_end - log->kept_first <= log->entries_max);         /* (2) */
    CHECK(log->snapshot != SNAPSHOT_ENCODING || !log->applying.active); /* (3) */
    CHECK(log->snapshot_index <= applied);
}
