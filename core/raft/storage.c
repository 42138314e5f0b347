/* storage.c -- what is to be written, and what an answer of the disk is worth. */
#include "raft/state.h"

void raft_storage_hard(struct raft *raft)
{
    raft->storage.pending.hard_state = !MUTANT(M38); /* a vote that is forgotten is given twice */
}

bool raft_storage_hard_is_durable(const struct raft *raft)
{
    const struct raft_storage *storage = &raft->storage;
    return !storage->pending.hard_state && storage->hard_sequence <= storage->stored_sequence;
}

void raft_storage_truncate(struct raft *raft, uint64_t from, struct raft_output *output)
{
    struct raft_storage *storage = &raft->storage;

    CHECK(from > raft->commit_index);
    CHECK(storage->pending.entry_count == 0 && storage->pending.truncate_from == 0);
    raft_note(output, RAFT_NOTE_TRUNCATED, from, raft->trail.last_index);
    raft_trail_truncate(&raft->trail, from);
    storage->pending.truncate_from = from;
    storage->stored_index = MIN(storage->stored_index, from - 1);
    raft_membership_roll_back(raft, from, output);
}

void raft_storage_append(struct raft *raft, struct raft_entry entry, struct bytes payload, struct raft_output *output)
{
    struct raft_write *pending = &raft->storage.pending;

    raft_trail_append(&raft->trail, entry);
    if (pending->entry_count == 0) pending->first_index = raft->trail.last_index;
    pending->entry_count++;
    CHECK(pending->first_index + pending->entry_count == raft->trail.last_index + 1);
    if (entry.kind == RAFT_ENTRY_CONFIGURATION) {
        raft_membership_adopt(raft, raft->trail.last_index, payload, output);
    }
}

void raft_storage_replace(struct raft *raft, uint64_t index, uint64_t term)
{
    struct raft_storage *storage = &raft->storage;

    CHECK(storage->pending.entry_count == 0 && storage->pending.truncate_from == 0);
    raft_trail_reset(&raft->trail, index, term);
    storage->stored_index = index;
    storage->pending.truncate_from = index + 1;
}

void raft_storage_put_out(struct raft *raft, struct raft_output *output)
{
    struct raft_storage *storage = &raft->storage;
    struct raft_write *pending = &storage->pending;

    if (!pending->hard_state && pending->truncate_from == 0 && pending->entry_count == 0) return;
    storage->sequence++;
    pending->ticket = (struct raft_ticket){ storage->sequence, raft->trail.last_index };
    if (pending->hard_state) storage->hard_sequence = storage->sequence;
    if (pending->truncate_from != 0) {
        const uint64_t cut_index = pending->truncate_from - 1;
        const bool outstanding = storage->cut_sequence != 0;
        storage->cut_index = outstanding ? MIN(storage->cut_index, cut_index) : cut_index;
        storage->cut_sequence = storage->sequence;
    }
    pending->term = raft->term;
    pending->vote = raft->vote;
    output->write = *pending;
    *pending = (struct raft_write){ .hard_state = false };
}

void raft_storage_stored(struct raft *raft, struct raft_ticket ticket)
{
    struct raft_storage *storage = &raft->storage;
    uint64_t index = ticket.last_index;

    CHECK(ticket.sequence <= storage->sequence);
    if (ticket.sequence <= storage->stored_sequence) return;
    storage->stored_sequence = ticket.sequence;

    /* An answer to a write from before a truncation says nothing about what stands there now, even where index and
     * term are the same again. Several cuts are treated as the deepest one: late, never wrong. */
    const bool before_cut = ticket.sequence < storage->cut_sequence && !MUTANT(M49);
    if (before_cut) index = MIN(index, storage->cut_index);
    else storage->cut_sequence = 0;
    index = MIN(index, raft->trail.last_index);
    storage->stored_index = MAX(storage->stored_index, index);
}
