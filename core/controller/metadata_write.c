/* metadata_write.c -- what Raft wants: written to the journal, kept in memory; is there room? */
#include "base/check.h"
#include "base/prng.h"
#include "controller/metadata_log_state.h"

enum { OWN_WRITES_SIZE = 128 }; /* hard state, truncation and no-op, with their heads */

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

void metadata_log_drop_from(struct metadata_log *log, uint64_t index)
{
    while (log->kept_end > MAX(index, log->kept_first)) {
        tail_unpin(log->tail, metadata_log_kept(log, log->kept_end - 1)->chunk);
        log->kept_end--;
    }
    /* What was dropped will never be applied, and nobody may wait for it: perhaps nothing comes in its place. */
    log->first_index = MIN(log->first_index, index);
}

/* ---- room ---- */

static uint32_t padded(uint32_t size)
{
    return JOURNAL_ENTRY_HEAD_SIZE + (size + 7) / 8 * 8;
}

uint64_t metadata_entry_weight(uint32_t size)
{
    return JOURNAL_ENTRY_HEAD_SIZE + ((uint64_t)ENTRY_HEAD_SIZE + size + 7) / 8 * 8;
}

bool metadata_write_reserve(struct metadata_log *log, uint64_t entries_size)
{
    const struct raft_configuration *list = raft_configuration(log->raft);
    uint64_t own_size = OWN_WRITES_SIZE;

    /* Raft ends a joint phase by itself, in whatever call finds it committed. */
    if (raft_configuration_is_joint(list)) own_size += metadata_entry_weight(list->size);
    if (entries_size > INT32_MAX) return false;
    return journal_reserve(log->journal, (uint32_t)(entries_size + own_size));
}

bool metadata_entries_fit(const struct metadata_log *log)
{
    /* A full journal, or a full trail, could not even begin a term, and without one nothing is applied that a snapshot
     * could hold. */
    if (journal_usage(log->journal).used_size > log->journal_shared_size) return false;
    if (log->kept_end - log->kept_first > log->entries_max / 4 * 3) return false;
    /* Large ones come from a quarter of the memory, small ones from the rest, of which the last part stays free. */
    return tail_used_size(log->tail) + OWN_PIECES * (uint64_t)log->tail_unit_size <= log->tail_memory_size / 2;
}

/* ---- writing what Raft wants durable ---- */

/* Memory in the open round, which was reserved before Raft was called. */
static uint8_t *append(struct metadata_log *log, uint16_t kind, uint32_t size, uint32_t *chunk)
{
    uint8_t *to = journal_append(log->journal, kind, size, chunk);

    CHECK(to != NULL);
    return to;
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

/* A log that a snapshot replaced is another one: whoever replays it over an older snapshot must not take the one for
 * the other. */
static void write_truncation(struct metadata_log *log, uint64_t from)
{
    uint32_t chunk;

    if (log->replaces) store_u64(append(log, JOURNAL_KIND_REPLACEMENT, 8, &chunk), from - 1);
    else store_u64(append(log, JOURNAL_KIND_TRUNCATION, 8, &chunk), from);
    metadata_log_drop_from(log, from);
}

/* Its bytes in the round. */
static const uint8_t *append_entry(struct metadata_log *log, uint64_t index, struct bytes payload, uint32_t *chunk)
{
    const struct raft_entry entry = raft_entry(log->raft, index);
    uint8_t *to = append(log, JOURNAL_KIND_ENTRY, ENTRY_HEAD_SIZE + payload.size, chunk);

    CHECK(entry.size == payload.size);
    store_u64(to, index);
    store_u64(to + 8, entry.term);
    to[16] = entry.kind;
    if (payload.size > 0) memcpy(to + ENTRY_HEAD_SIZE, payload.data, payload.size);
    return to + ENTRY_HEAD_SIZE;
}

static void write_entry(struct metadata_log *log, uint64_t index, struct bytes payload)
{
    struct kept_entry kept = { .size = payload.size, .sequence = journal_open_sequence(log->journal) };

    kept.payload = append_entry(log, index, payload, &kept.chunk);
    metadata_log_keep(log, index, &kept);
}

void metadata_write_again(struct metadata_log *log, uint64_t index)
{
    for (; index < log->kept_end; index++) {
        struct kept_entry *kept = metadata_log_kept(log, index);
        uint32_t chunk;
        append_entry(log, index, (struct bytes){ kept->payload, kept->size }, &chunk);
        kept->sequence = journal_open_sequence(log->journal);
    }
}

/* The bytes of the entries from `index` on in the request that brings them. */
static struct bytes brought(const struct raft_message *message, uint64_t index)
{
    const struct raft_append_request *request = &message->append_request;
    struct bytes rest = message->payload;

    CHECK(index > request->prev_index && index - request->prev_index <= request->entry_count);
    for (uint32_t i = 0; i < index - request->prev_index - 1; i++) {
        rest.data += request->entries[i].size;
        rest.size -= request->entries[i].size;
    }
    return rest;
}

static void write_entries(struct metadata_log *log, const struct raft_write *write, const struct entry_source *source)
{
    struct bytes rest = source->proposal;

    if (write->held_payload.size > 0) rest = write->held_payload;
    else if (source->message != NULL && write->own_payload.size == 0)
        rest = brought(source->message, write->first_index);
    for (uint32_t i = 0; i < write->entry_count; i++) {
        const uint64_t index = write->first_index + i;
        const struct raft_entry entry = raft_entry(log->raft, index);
        const bool own = entry.kind == RAFT_ENTRY_CONFIGURATION && write->own_payload.size > 0;
        CHECK(own || entry.size <= rest.size);
        write_entry(log, index, own ? write->own_payload : (struct bytes){ rest.data, entry.size });
        if (own || entry.size == 0) continue;
        rest.data += entry.size;
        rest.size -= entry.size;
    }
}

static void write_out(struct metadata_log *log, const struct raft_write *write, const struct entry_source *source)
{
    const uint64_t sequence = journal_open_sequence(log->journal);

    if (write->hard_state && !MUTANT(meta_forgets_votes)) write_hard_state(log, write);
    if (write->truncate_from != 0) write_truncation(log, write->truncate_from);
    if (write->entry_count > 0) write_entries(log, write, source);
    struct awaited_write *awaited = &log->awaited[sequence % 2];
    CHECK(awaited->sequence == sequence || awaited->sequence <= journal_durable_sequence(log->journal));
    *awaited = (struct awaited_write){ sequence, write->ticket };
}

static void take_reads(struct metadata_log *log)
{
    const struct raft_output *output = &log->output;

    for (uint32_t i = 0; i < output->read_count; i++) {
        const struct raft_read_answer *answer = &output->reads[i];
        CHECK(log->read_count < READS_MAX); /* so many are never open */
        log->reads[(log->read_first + log->read_count++) % READS_MAX] =
            (struct metadata_read){ answer->token, answer->failed, answer->index };
    }
}

void metadata_log_act(struct metadata_log *log, const struct entry_source *source)
{
    const struct raft_output *output = &log->output;

    if (output->write.ticket.sequence != 0) write_out(log, &output->write, source);
    if (output->commit_index > log->commit_index) log->commit_index = output->commit_index;
    for (uint32_t i = 0; i < output->message_count; i++) metadata_outbox_push(log, &output->messages[i]);
    take_reads(log);
    metadata_take_notes(log);
}

/* ---- what is durable ---- */

void metadata_tell_stored(struct metadata_log *log)
{
    const struct raft_ticket stored = log->stored;

    if (stored.sequence == 0 || !metadata_write_reserve(log, 0)) return;
    log->stored.sequence = 0;
    raft_on_stored(log->raft, log->mono_ns, stored, &log->output);
    metadata_log_act(log, &(struct entry_source){ .message = NULL });
}

void metadata_on_round_durable(struct metadata_log *log)
{
    const uint64_t durable = journal_durable_sequence(log->journal);

    for (uint32_t i = 0; i < COUNT_OF(log->awaited); i++) {
        struct awaited_write *awaited = &log->awaited[i];
        if (awaited->sequence == 0 || awaited->sequence > durable) continue;
        if (awaited->ticket.sequence > log->stored.sequence) log->stored = awaited->ticket;
        awaited->sequence = 0;
    }
    metadata_tell_stored(log);
    if (log->forgot_sequence != 0 && log->forgot_sequence <= durable) {
        metadata_log_break(log, HALT_FORGOT, META_DIRECTORY);
    }
}

/* ---- who we are ---- */

static void write_standing(struct metadata_log *log, enum standing standing)
{
    uint32_t chunk;
    uint8_t *to = append(log, JOURNAL_KIND_IDENTITY, IDENTITY_SIZE, &chunk);

    store_u64(to, log->member);
    to[8] = (uint8_t)standing;
    log->standing = standing;
}

void metadata_begin_raft(struct metadata_log *log)
{
    log->raft_config.id = log->member;
    raft_init(log->raft, &log->raft_config);
}

static uint64_t draw_member(const struct metadata_log *log, int32_t node_id)
{
    struct prng prng;

    prng_init(&prng, log->config.seed, log->config.journal_id);
    return (uint64_t)node_id << MEMBER_SUFFIX_BITS |
           (1 + prng_below(&prng, ((uint64_t)1 << MEMBER_SUFFIX_BITS) - 1)); /* none is of 0 bits */
}

void metadata_write_identity(struct metadata_log *log, enum standing standing)
{
    log->member = draw_member(log, log->config.node_id);
    metadata_begin_raft(log);
    log->identity_sequence = journal_open_sequence(log->journal);
    write_standing(log, standing);
}

bool metadata_write_rename(struct metadata_log *log)
{
    const uint64_t before = log->member, member = draw_member(log, member_node(before));
    const uint32_t list_size = 32 + RAFT_ADDRESS_SIZE_MAX; /* of one member */
    uint32_t chunk;

    if (!metadata_write_reserve(log, metadata_entry_weight(list_size) + padded(RENAMED_SIZE))) return false;
    uint8_t *to = append(log, JOURNAL_KIND_RENAMED, RENAMED_SIZE, &chunk);
    store_u64(to, member);
    store_u64(to + 8, before);
    log->member = member;
    log->standing = STANDING_MEMBER;
    log->owed_from = raft_last_index(log->raft) + 1;
    raft_restore_id(log->raft, member);
    return true;
}

/* Not before the directory says so: another leader, who was told nothing, would take this node in. But if that cannot
 * be written, at once. */
static void judge_memory(struct metadata_log *log)
{
    if (!raft_has_forgotten(log->raft) || log->standing == STANDING_FORGOT) return;
    if (!journal_reserve(log->journal, padded(IDENTITY_SIZE))) {
        metadata_log_break(log, HALT_FORGOT, META_DIRECTORY);
        return;
    }
    log->forgot_sequence = journal_open_sequence(log->journal);
    write_standing(log, STANDING_FORGOT);
}

/* A list says something of us when it is known to be committed. One that is in our log only may be another's dream. */
void metadata_judge_standing(struct metadata_log *log)
{
    const struct raft_configuration *list = raft_configuration(log->raft);
    enum standing standing = log->standing;

    judge_memory(log);
    if (log->standing >= STANDING_REMOVED) return;
    if (log->removed) {
        standing = STANDING_REMOVED;
    } else {
        if (list->index == log->standing_index || !raft_configuration_is_committed(log->raft)) return;
        const bool listed = raft_configuration_find(list, log->member) != NULL;
        if (listed) standing = STANDING_MEMBER;
        else if (log->standing == STANDING_MEMBER) standing = STANDING_REMOVED;
    }
    if (standing != log->standing) {
        if (!journal_reserve(log->journal, padded(IDENTITY_SIZE))) return; /* in another step */
        write_standing(log, standing);
    }
    log->standing_index = list->index;
}
