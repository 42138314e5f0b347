/* metadata_open.c -- from what is on disk to a log that goes on: directory, newest snapshot, journal over it.
 *
 * Nothing here changes anything but by removing a temporary file, so a crash at any point of it means no more than
 * that it begins anew. */
#include "base/check.h"
#include "base/crc32c.h"
#include "controller/metadata_log_state.h"
#include "log/paths.h"

enum { FILE_SIZE_MIN = SNAPSHOT_HEAD_SIZE + SNAPSHOT_CRC_SIZE + TRAILER_SIZE };

/* ---- orders ---- */

static void order_file(struct metadata_log *log, enum meta_opening state, enum file_action action, const char *path,
                       struct effects *effects)
{
    log->opening = state;
    effects_add(effects, EFFECT_FILE)->file =
        (struct effect_file){ .op = op_make(OP_META, META_OP_OPEN), .action = action, .path = path };
}

static void order_list(struct metadata_log *log, enum meta_opening state, const char *path, struct effects *effects)
{
    log->opening = state;
    effects_add(effects, EFFECT_FILE)->file = (struct effect_file){ .op = op_make(OP_META, META_OP_OPEN),
                                                                    .action = FILE_LIST,
                                                                    .path = path,
                                                                    .to = log->last_name,
                                                                    .size = LIST_SIZE,
                                                                    .into = log->list };
}

void metadata_log_open(struct metadata_log *log, struct effects *effects)
{
    CHECK(log->opening == OPENING_NOT);
    order_file(log, OPENING_MAKING_DIRECTORY, FILE_MAKE_DIRECTORY, META_DIRECTORY, effects);
}

/* ---- the snapshots that there are ---- */

/* The index in the name of a snapshot; 0 if it is no such name. */
static uint64_t index_of(struct bytes name)
{
    static const char begin[] = "snapshot-";
    uint64_t index = 0;

    if (name.size != sizeof begin - 1 + 20 || memcmp(name.data, begin, sizeof begin - 1) != 0) return 0;
    for (uint32_t i = sizeof begin - 1; i < name.size; i++) {
        if (name.data[i] < '0' || name.data[i] > '9') return 0;
        index = index * 10 + (uint64_t)(name.data[i] - '0');
    }
    return index;
}

/* They come by rising index; the newest are remembered. */
static void remember(struct metadata_log *log, uint64_t index, uint64_t size)
{
    if (log->old_count == OLD_SNAPSHOTS_MAX) {
        log->old_count--;
        memmove(log->old, log->old + 1, log->old_count * sizeof log->old[0]);
        memmove(log->old_sizes, log->old_sizes + 1, log->old_count * sizeof log->old_sizes[0]);
    }
    log->old[log->old_count] = index;
    log->old_sizes[log->old_count++] = size;
}

/* Walks over a page of names. True if `visit` wants no more. */
static bool each_name(struct metadata_log *log, uint32_t size,
                      bool visit(struct metadata_log *log, struct bytes name, uint64_t file_size))
{
    for (uint32_t at = 0; at + FILE_ENTRY_HEAD_SIZE <= size;) {
        const uint8_t *entry = log->list + at;
        const struct bytes name = { entry + FILE_ENTRY_HEAD_SIZE, load_u16(entry + 9) };
        const uint32_t kept = MIN(name.size, (uint32_t)sizeof log->last_name - 1);
        if (visit(log, name, load_u64(entry))) return true;
        memcpy(log->last_name, name.data, kept);
        log->last_name[kept] = 0;
        at += FILE_ENTRY_HEAD_SIZE + name.size;
    }
    return false;
}

static bool visit_meta(struct metadata_log *log, struct bytes name, uint64_t file_size)
{
    const uint64_t index = index_of(name);

    if (index != 0) remember(log, index, file_size);
    if (bytes_equal(name, BYTES_LITERAL("snapshot.tmp"))) log->found_temporary = true;
    if (bytes_equal(name, BYTES_LITERAL("received.tmp"))) log->found_received = true;
    return false;
}

/* ---- reading one ---- */

static void order_read(struct metadata_log *log, struct effects *effects)
{
    const uint64_t left = log->file_size - log->read_position;

    log->opening = OPENING_READING;
    effects_add(effects, EFFECT_READ)->read = (struct effect_read){ .op = op_make(OP_META, META_OP_OPEN),
                                                                    .path = log->path,
                                                                    .position = log->read_position,
                                                                    .into = log->buffer + log->read_position,
                                                                    .size = (uint32_t)MIN(left, DISK_STEP_SIZE) };
}

static void replay(struct metadata_log *log, struct effects *effects)
{
    log->opening = OPENING_REPLAYING;
    log->kept_first = log->snapshot_index + 1;
    log->kept_end = log->kept_first;
    log->commit_index = log->snapshot_index;
    journal_open(log->journal, log->sequence_min, effects);
}

/* The newest snapshot that was not found bad. Without any, all is in the journal, or the journal will say that it is
 * not. */
static void read_newest(struct metadata_log *log, struct effects *effects)
{
    while (log->tried > 0 && log->old_sizes[log->tried - 1] < FILE_SIZE_MIN) log->tried--;
    if (log->tried == 0) {
        log->sequence_min = 0;
        replay(log, effects);
        return;
    }
    const uint64_t size = log->old_sizes[log->tried - 1];
    if (size > log->buffer_size) {
        metadata_log_break(log, HALT_FOREIGN, META_DIRECTORY); /* of a larger cluster than our limits allow */
        return;
    }
    metadata_snapshot_path(log->path, log->old[log->tried - 1]);
    log->file_size = size;
    log->read_position = 0;
    order_read(log, effects);
}

/* It is not what was written: the one before it counts, where the journal still reaches back to it. */
static void try_older(struct metadata_log *log, struct effects *effects)
{
    log->tried--;
    read_newest(log, effects);
}

static bool trailer_read(struct metadata_log *log, const uint8_t *from)
{
    if (load_u32(from) != TRAILER_MAGIC) return false;
    if (load_u32(from + 4) != crc32c(0, from + 8, TRAILER_SIZE - 8)) return false;
    log->sequence_min = load_u64(from + 8);
    log->term = load_u64(from + 16);
    log->vote = load_u64(from + 24);
    log->member = load_u64(from + 32);
    log->standing = (enum standing)from[40];
    log->owed_from = from[41] != 0 ? log->loader.head.index + 1 : 0;
    return from[40] >= STANDING_WAITS && from[40] <= STANDING_FORGOT;
}

/* A group that does not know us never elects us, and one that removed us knows us no more. */
static bool is_ours(struct metadata_log *log)
{
    if (member_node(log->member) != log->config.node_id && !log->config.recovers) {
        metadata_log_break(log, HALT_FOREIGN, META_DIRECTORY);
    } else if (log->standing == STANDING_REMOVED && !log->config.recovers) {
        metadata_log_break(log, HALT_REMOVED, META_DIRECTORY);
    } else if (log->standing == STANDING_FORGOT && !log->config.recovers) {
        metadata_log_break(log, HALT_FORGOT, META_DIRECTORY);
    }
    return log->opening != OPENING_BROKEN;
}

/* The file is in memory: is it whole, and does Raft take it? */
static bool snapshot_is_good(struct metadata_log *log)
{
    const uint32_t size = (uint32_t)log->file_size - TRAILER_SIZE;
    if (snapshot_loader_init(&log->loader, (struct bytes){ log->buffer, size }) != SNAPSHOT_GOOD) return false;
    return trailer_read(log, log->buffer + size);
}

static void begin_load(struct metadata_log *log, struct effects *effects)
{
    const struct snapshot_head *head = &log->loader.head;

    if (!snapshot_is_good(log)) {
        try_older(log, effects);
        return;
    }
    if (!is_ours(log)) return;
    metadata_begin_raft(log);
    if (raft_restore_snapshot(log->raft, head->index, head->term, head->size, log->loader.configuration) !=
            RAFT_ACCEPTED ||
        raft_restore_hard_state(log->raft, log->term, log->vote) != RAFT_ACCEPTED) {
        metadata_log_break(log, HALT_CORRUPT, META_DIRECTORY);
        return;
    }
    log->snapshot_index = head->index;
    log->snapshot_file_size = log->file_size;
    log->old_count--;
    log->tried--;
    memmove(log->old + log->tried, log->old + log->tried + 1, (log->old_count - log->tried) * sizeof log->old[0]);
    log->opening = OPENING_LOADING;
}

static void load(struct metadata_log *log, struct effects *effects)
{
    switch (snapshot_load(&log->loader, log->image, LOAD_STEP_RECORDS)) {
    case SNAPSHOT_GOOD:
        if (log->loader.rest.size == 0) replay(log, effects);
        break;
    case SNAPSHOT_CORRUPT: metadata_log_break(log, HALT_CORRUPT, META_DIRECTORY); break;
    case SNAPSHOT_FULL: metadata_log_break(log, HALT_FOREIGN, META_DIRECTORY); break;
    }
}

/* ---- the journal over it ---- */

/* Replayed bytes are lent for a moment: they are copied to where appended ones would be. False: no memory. */
static bool keep_copy(struct metadata_log *log, uint64_t index, uint64_t sequence, struct bytes payload)
{
    const bool fits =
        log->copy_chunk != CHUNK_NONE && tail_chunk_size(log->tail, log->copy_chunk) - log->copy_used >= payload.size;

    if (!fits) {
        const uint32_t chunk = tail_take(log->tail, MAX(payload.size, 1U));
        if (chunk == CHUNK_NONE) return false;
        if (log->copy_chunk != CHUNK_NONE) tail_unpin(log->tail, log->copy_chunk);
        log->copy_chunk = chunk;
        log->copy_used = 0;
    }
    uint8_t *to = tail_data(log->tail, log->copy_chunk) + log->copy_used;
    if (payload.size > 0) memcpy(to, payload.data, payload.size);
    log->copy_used += payload.size;
    const struct kept_entry kept = { to, payload.size, log->copy_chunk, sequence };
    metadata_log_keep(log, index, &kept);
    return true;
}

static enum raft_verdict replay_hard_state(struct metadata_log *log, struct bytes payload)
{
    const uint64_t term = load_u64(payload.data), vote = load_u64(payload.data + 8);
    const bool older = term < log->term || (term == log->term && vote == 0);

    if (older) return RAFT_ACCEPTED; /* the snapshot's trailer knows better */
    log->term = term;
    log->vote = vote;
    return raft_restore_hard_state(log->raft, term, vote);
}

static enum raft_verdict replay_entry(struct metadata_log *log, const struct journal_entry *entry)
{
    const uint64_t index = load_u64(entry->payload.data);
    const struct bytes payload = { entry->payload.data + ENTRY_HEAD_SIZE, entry->payload.size - ENTRY_HEAD_SIZE };
    const uint64_t last = raft_last_index(log->raft);

    /* Its predecessors lie in rounds that are not needed any more: so it was dropped by a truncation that follows, or
     * written again with all of them. */
    if (index > last + 1 && !MUTANT(M62)) {
        log->replay_gap = MAX(log->replay_gap, index);
        return RAFT_ACCEPTED;
    }
    if (index == log->replay_gap && index == last + 1) log->replay_gap = 0;
    const uint64_t term = raft_term_at(log->raft, index);
    if (term != 0 && index > log->snapshot_index && term == load_u64(entry->payload.data + 8)) return RAFT_ACCEPTED;
    const enum raft_verdict verdict =
        raft_restore_entry(log->raft, index, entry->payload.data[16], load_u64(entry->payload.data + 8), payload);

    if (verdict != RAFT_ACCEPTED || raft_last_index(log->raft) == last) return verdict; /* or covered already */
    if (index - log->kept_first >= log->entries_max) return RAFT_FULL;
    return keep_copy(log, index, entry->sequence, payload) ? RAFT_ACCEPTED : RAFT_FULL;
}

static enum raft_verdict replay_truncation(struct metadata_log *log, uint64_t from)
{
    if (from <= raft_last_index(log->raft) + 1) log->replay_gap = 0;
    metadata_log_drop_from(log, from);
    return raft_restore_truncate(log->raft, from);
}

/* A snapshot replaced the log here. Over an older one than that, what follows is not what it seems to follow. */
static enum raft_verdict replay_replacement(struct metadata_log *log, uint64_t index)
{
    if (index > log->snapshot_index || index >= RAFT_NUMBER_MAX) return RAFT_CORRUPT;
    return replay_truncation(log, index + 1);
}

/* Who we are comes first of all. What it says of us may be older than the snapshot, which then knows better. */
static enum raft_verdict replay_identity(struct metadata_log *log, struct bytes payload)
{
    const uint64_t member = load_u64(payload.data);
    const bool known = payload.data[8] >= STANDING_WAITS && payload.data[8] <= STANDING_FORGOT;

    const bool renamed = log->snapshot_index != 0 && member_node(member) == member_node(log->member);
    if (!known || (log->member != 0 && log->member != member && !renamed)) return RAFT_CORRUPT;
    log->standing = (enum standing)MAX((uint32_t)log->standing, (uint32_t)payload.data[8]);
    if (log->member != 0) return RAFT_ACCEPTED;
    log->member = member;
    metadata_begin_raft(log);
    return RAFT_ACCEPTED;
}

static enum raft_verdict replay_rename(struct metadata_log *log, struct bytes payload)
{
    const uint64_t member = load_u64(payload.data);

    if (member_node(member) != member_node(log->member)) return RAFT_CORRUPT;
    log->member = member;
    log->standing = STANDING_MEMBER;
    log->owed_from = MUTANT(meta_forgets_what_it_owes) ? 0 : raft_last_index(log->raft) + 1;
    raft_restore_id(log->raft, member);
    return RAFT_ACCEPTED;
}

static enum raft_verdict replay_one(struct metadata_log *log, const struct journal_entry *entry)
{
    const uint32_t size = entry->payload.size;

    if (entry->kind == JOURNAL_KIND_IDENTITY) {
        return size == IDENTITY_SIZE ? replay_identity(log, entry->payload) : RAFT_CORRUPT;
    }
    if (log->member == 0) return RAFT_CORRUPT;
    log->replayed_any = true;
    switch (entry->kind) {
    case JOURNAL_KIND_HARD_STATE: return size == 16 ? replay_hard_state(log, entry->payload) : RAFT_CORRUPT;
    case JOURNAL_KIND_TRUNCATION:
        return size == 8 ? replay_truncation(log, load_u64(entry->payload.data)) : RAFT_CORRUPT;
    case JOURNAL_KIND_REPLACEMENT:
        return size == 8 ? replay_replacement(log, load_u64(entry->payload.data)) : RAFT_CORRUPT;
    case JOURNAL_KIND_RENAMED: return size == RENAMED_SIZE ? replay_rename(log, entry->payload) : RAFT_CORRUPT;
    case JOURNAL_KIND_ENTRY: return size >= ENTRY_HEAD_SIZE ? replay_entry(log, entry) : RAFT_CORRUPT;
    default: return RAFT_CORRUPT;
    }
}

/* ---- what the disk says of us ---- */

/* The logs' first checkpoint is made before anything is promised. Names come in their order: it is the first one behind
 * what is nearly its name. */
static void look_for_logs(struct metadata_log *log, struct effects *effects)
{
    static const char before[] = "__checkpoin";

    memcpy(log->last_name, before, sizeof before);
    order_list(log, OPENING_LOOKING, WAL_DIRECTORY, effects);
}

static bool visit_checkpoint(struct metadata_log *log, struct bytes name, uint64_t file_size)
{
    (void)file_size;
    log->found_logs = bytes_equal(name, BYTES_LITERAL("__checkpoint"));
    return true;
}

static void on_looked(struct metadata_log *log, const struct event_disk *disk, struct effects *effects)
{
    each_name(log, disk->size, visit_checkpoint);
    log->last_name[0] = 0;
    order_list(log, OPENING_LISTING, META_DIRECTORY, effects);
}

/* Whether an entry registers this node. */
static bool registers_us(struct metadata_log *log, struct bytes rest)
{
    uint64_t memory[RECORD_ARENA_SIZE / sizeof(uint64_t)];
    struct metadata_broker_record broker;
    struct bytes record;
    struct arena arena;

    while (proposal_next(&rest, &record)) {
        if (record.size < 2 || record.data[0] != RECORD_METADATA_BROKER) continue;
        struct reader reader = reader_of((struct bytes){ record.data + 2, record.size - 2 });
        arena_init(&arena, memory, sizeof memory);
        if (!metadata_broker_record_read(&reader, record.data[1], &arena, &broker)) return false;
        if (broker.broker_id == log->config.node_id) return true;
    }
    return false;
}

/* What a leader says later may be newer than this disk ever was. */
static int64_t find_disk_epoch(struct metadata_log *log)
{
    const uint32_t slot = image_broker_by_id(log->image, log->config.node_id);

    if (!log->found_logs) return -1;
    for (uint64_t index = log->kept_end; index-- > log->kept_first;) {
        if (raft_entry(log->raft, index).kind != RAFT_ENTRY_DATA) continue;
        if (registers_us(log, metadata_log_payload(log, index))) return (int64_t)index;
    }
    return slot == SLOT_NONE ? -1 : image_broker(log->image, slot)->epoch;
}

/* What an entry says of the cluster that it is of. */
static void trace(struct ancestry *ancestry, struct bytes rest)
{
    uint64_t memory[RECORD_ARENA_SIZE / sizeof(uint64_t)];
    struct metadata_cluster_record cluster;
    struct metadata_recovery_record recovery;
    struct bytes record;
    struct arena arena;

    while (proposal_next(&rest, &record)) {
        if (record.size < 2) continue;
        struct reader reader = reader_of((struct bytes){ record.data + 2, record.size - 2 });
        arena_init(&arena, memory, sizeof memory);
        if (record.data[0] == RECORD_METADATA_CLUSTER) {
            if (!metadata_cluster_record_read(&reader, record.data[1], &arena, &cluster)) return;
            if (uuid_is_zero(&ancestry->cluster_id)) ancestry->cluster_id = cluster.cluster_id;
        } else if (record.data[0] == RECORD_METADATA_RECOVERY) {
            if (!metadata_recovery_record_read(&reader, record.data[1], &arena, &recovery)) return;
            if ((uint64_t)recovery.previous != ancestry->incarnation) return;
            ancestry->incarnation = (uint64_t)recovery.incarnation;
        }
    }
}

/* Both records are proposed by a node that is the whole group, so they are committed as soon as they are on its disk,
 * and nobody else has them before. */
static struct ancestry find_ancestry(struct metadata_log *log)
{
    struct ancestry ancestry = image_ancestry(log->image);

    for (uint64_t index = log->kept_first; index < log->kept_end; index++) {
        if (raft_entry(log->raft, index).kind != RAFT_ENTRY_DATA) continue;
        trace(&ancestry, metadata_log_payload(log, index));
    }
    return ancestry;
}

static bool holds_recovery(struct bytes rest)
{
    struct bytes record;

    while (proposal_next(&rest, &record)) {
        if (record.size > 0 && record.data[0] == RECORD_METADATA_RECOVERY) return true;
    }
    return false;
}

/* An entry behind the new name has made the cluster another one. */
static bool is_recovered(struct metadata_log *log)
{
    for (uint64_t index = MAX(log->owed_from, log->kept_first); index < log->kept_end; index++) {
        if (raft_entry(log->raft, index).kind != RAFT_ENTRY_DATA) continue;
        if (holds_recovery(metadata_log_payload(log, index))) return true;
    }
    return false;
}

/* ---- from replayed to open ---- */

static void begin_life(struct metadata_log *log)
{
    log->disk_epoch = find_disk_epoch(log);
    log->disk_ancestry = find_ancestry(log);
    if (log->copy_chunk != CHUNK_NONE) tail_unpin(log->tail, log->copy_chunk);
    log->copy_chunk = CHUNK_NONE;
    log->first_index = raft_last_index(log->raft) + 1;
    journal_release(log->journal, MAX(log->sequence_min, (uint64_t)1));
    log->opening = OPENING_DONE;
    log->members_told = raft_configuration_is_committed(log->raft) ? raft_configuration(log->raft)->count : 0;
    raft_start(log->raft, log->mono_ns, &log->output);
    metadata_log_act(log, &(struct entry_source){ .message = NULL });
}

/* Where nothing is, and nothing was ever heard from others, a group is founded by those who are to; others wait. */
static void found_or_wait(struct metadata_log *log)
{
    const struct raft_change founder = { RAFT_ADD, log->member, log->config.address };

    if (log->config.founds) CHECK(raft_found(log->raft, &founder, 1) == RAFT_ACCEPTED);
    begin_life(log);
}

/* Topic directories without metadata: the directory is not ours, or it lost what says what it holds. A new cluster
 * would take them for rubbish and delete them. */
static bool visit_wal(struct metadata_log *log, struct bytes name, uint64_t file_size)
{
    (void)log;
    (void)file_size;
    return name.size < 2 || name.data[0] != '_' || name.data[1] != '_';
}

static void begin_anew(struct metadata_log *log)
{
    metadata_write_identity(log, STANDING_WAITS);
    found_or_wait(log);
}

static void on_searched(struct metadata_log *log, const struct event_disk *disk, struct effects *effects)
{
    if (each_name(log, disk->size, visit_wal)) {
        metadata_log_break(log, HALT_FOREIGN, "wal");
    } else if (disk->more) {
        order_list(log, OPENING_SEARCHING, "wal", effects);
    } else {
        begin_anew(log);
    }
}

static struct bytes listed_address(const struct metadata_log *log)
{
    const struct raft_configuration *list = raft_configuration(log->raft);

    for (uint32_t i = 0; i < list->count; i++) {
        const struct raft_member *member = &list->members[i];
        if (member_node(member->id) == member_node(log->member)) return raft_configuration_address(list, member);
    }
    return log->config.address;
}

/* A survivor goes on alone, with all that its log has: what of that was not committed is, from now on. It does so as
 * another member: those that are thought lost may come back, and with a majority of the old list speak to the one that
 * it was. */
static void recover(struct metadata_log *log)
{
    const struct bytes address = listed_address(log);
    const bool renamed = log->owed_from != 0 && !log->config.recovers; /* power was lost just behind that */

    journal_release(log->journal, MAX(log->sequence_min, (uint64_t)1));
    if (renamed && !metadata_write_reserve(log, metadata_entry_weight(32 + RAFT_ADDRESS_SIZE_MAX))) {
        metadata_log_break(log, HALT_DISK_FULL, META_DIRECTORY);
        return;
    }
    if (!renamed && !MUTANT(meta_recovers_under_its_old_name) && !metadata_write_rename(log)) {
        metadata_log_break(log, HALT_DISK_FULL, META_DIRECTORY);
        return;
    }
    const struct raft_change survivor = { RAFT_ADD, log->member, address };
    if (raft_found(log->raft, &survivor, 1) == RAFT_ACCEPTED) begin_life(log);
    else metadata_log_break(log, HALT_FOREIGN, META_DIRECTORY); /* a longer log than our limits allow */
}

/* The new name is durable, and the list that knows it is not. */
static bool is_renamed_only(const struct metadata_log *log)
{
    return log->owed_from != 0 && !raft_configuration_is_sole_voter(raft_configuration(log->raft), log->member);
}

static void on_replayed(struct metadata_log *log, struct effects *effects)
{
    const bool has_log = log->snapshot_index != 0 || log->replayed_any;

    if (log->owed_from != 0 && is_recovered(log)) log->owed_from = 0;

    if (log->replay_gap != 0) {
        metadata_log_break(log, HALT_CORRUPT, META_DIRECTORY); /* something was lost that lay before it */
    } else if (log->config.recovers && !has_log) {
        metadata_log_break(log, HALT_FOREIGN, META_DIRECTORY); /* there is nothing to go on with */
    } else if (log->member == 0) {
        log->last_name[0] = 0;
        order_list(log, OPENING_SEARCHING, "wal", effects);
    } else if (!is_ours(log)) {
        return;
    } else if (log->config.recovers || is_renamed_only(log)) {
        recover(log);
    } else if (has_log) {
        begin_life(log);
    } else {
        found_or_wait(log);
    }
}

static void go_on_replaying(struct metadata_log *log, struct effects *effects)
{
    struct journal_entry entry;

    log->journal_waits = false;
    for (uint32_t i = 0; i < REPLAY_STEP_ENTRIES; i++) {
        switch (journal_opening_next(log->journal, &entry, effects)) {
        case JOURNAL_OPENING_WAITS: log->journal_waits = true; return;
        case JOURNAL_OPENING_DONE: on_replayed(log, effects); return;
        case JOURNAL_OPENING_FAILED: {
            const struct effect_halt halt = journal_opening_halt(log->journal);
            metadata_log_break(log, halt.reason, halt.path);
            return;
        }
        case JOURNAL_OPENING_ENTRY: break;
        }
        const enum raft_verdict verdict = replay_one(log, &entry);
        if (verdict == RAFT_ACCEPTED) continue;
        /* Too long a log: of larger limits than ours; or what a damaged snapshot would have covered. */
        const bool foreign = verdict == RAFT_FULL && log->old_count == log->tried;
        metadata_log_break(log, foreign ? HALT_FOREIGN : HALT_CORRUPT, META_DIRECTORY);
        return;
    }
}

bool metadata_open_is_due(const struct metadata_log *log)
{
    return log->opening == OPENING_LOADING || (log->opening == OPENING_REPLAYING && !log->journal_waits);
}

void metadata_open_go_on(struct metadata_log *log, struct effects *effects)
{
    if (log->opening == OPENING_LOADING) load(log, effects);
    else if (log->opening == OPENING_REPLAYING) go_on_replaying(log, effects);
}

/* ---- answers ---- */

static void begin_reading(struct metadata_log *log, struct effects *effects)
{
    log->tried = log->old_count;
    read_newest(log, effects);
}

static void unlink_temporaries(struct metadata_log *log, struct effects *effects)
{
    if (log->found_temporary) {
        log->found_temporary = false;
        order_file(log, OPENING_UNLINKING, FILE_UNLINK, META_TEMPORARY, effects);
    } else if (log->found_received) {
        log->found_received = false;
        order_file(log, OPENING_UNLINKING, FILE_UNLINK, META_RECEIVED, effects);
    } else {
        begin_reading(log, effects);
    }
}

static void on_listed(struct metadata_log *log, const struct event_disk *disk, struct effects *effects)
{
    each_name(log, disk->size, visit_meta);
    if (disk->more) order_list(log, OPENING_LISTING, META_DIRECTORY, effects);
    else unlink_temporaries(log, effects);
}

static void on_read(struct metadata_log *log, const struct event_disk *disk, struct effects *effects)
{
    const uint64_t wanted = MIN(log->file_size - log->read_position, (uint64_t)DISK_STEP_SIZE);

    if (disk->size < wanted) { /* shorter than the directory said */
        try_older(log, effects);
        return;
    }
    log->read_position += disk->size;
    if (log->read_position < log->file_size) order_read(log, effects);
    else begin_load(log, effects);
}

void metadata_open_on_disk(struct metadata_log *log, const struct event_disk *disk, struct effects *effects)
{
    const bool gone = disk->result == DISK_NOT_FOUND && log->opening == OPENING_UNLINKING;

    if (disk->result != DISK_DONE && !gone) {
        metadata_log_break(log, disk->result == DISK_FULL ? HALT_DISK_FULL : HALT_DISK_FAILED, META_DIRECTORY);
        return;
    }
    switch (log->opening) {
    case OPENING_MAKING_DIRECTORY: order_file(log, OPENING_SYNCING_ROOT, FILE_SYNC_DIRECTORY, ".", effects); break;
    case OPENING_SYNCING_ROOT: order_file(log, OPENING_SYNCING_WAL, FILE_SYNC_DIRECTORY, "wal", effects); break;
    case OPENING_SYNCING_WAL: look_for_logs(log, effects); break;
    case OPENING_LOOKING: on_looked(log, disk, effects); break;
    case OPENING_LISTING: on_listed(log, disk, effects); break;
    case OPENING_UNLINKING: unlink_temporaries(log, effects); break;
    case OPENING_READING: on_read(log, disk, effects); break;
    case OPENING_SEARCHING: on_searched(log, disk, effects); break;
    case OPENING_NOT:
    case OPENING_LOADING:
    case OPENING_REPLAYING:
    case OPENING_DONE:
    case OPENING_BROKEN: CHECK(false);
    }
}
