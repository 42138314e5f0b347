/* restore.c -- from what the disk says to a library that is started. As raft/restore.c, over a trail and remembered
 * lists; the library is told of all of it at once, when it loads (io.c). */
#include "raft/canonical/state.h"

enum raft_verdict canonical_restore_snapshot(struct raft *raft, uint64_t index, uint64_t term, uint64_t total_size,
                                             struct bytes configuration)
{
    CHECK(!raft->started && raft->trail.last_index == 0 && raft->restored_term == 0);
    if (index == 0 || index >= RAFT_NUMBER_MAX || term == 0 || term >= RAFT_NUMBER_MAX) return RAFT_CORRUPT;
    if (total_size == 0 || total_size >= RAFT_NUMBER_MAX) return RAFT_CORRUPT;
    if (raft_configuration_read(&raft->scratch, configuration) != RAFT_CONFIGURATION_GOOD) return RAFT_CORRUPT;
    if (raft_configuration_is_joint(&raft->scratch)) return RAFT_CORRUPT; /* the other engine's: not for this one */
    lists_add(raft, index, configuration);
    raft->snapshot.index = index;
    raft->snapshot.term = term;
    raft->snapshot.total_size = total_size;
    raft_trail_reset(&raft->trail, index, term);
    raft->told_index = index;
    return RAFT_ACCEPTED;
}

enum raft_verdict canonical_restore_hard_state(struct raft *raft, uint64_t term, uint64_t vote)
{
    CHECK(!raft->started);
    if (term < raft->restored_term || term >= RAFT_NUMBER_MAX) return RAFT_CORRUPT;
    if (term == raft->restored_term && raft->restored_vote != 0 && vote != raft->restored_vote) return RAFT_CORRUPT;
    raft->restored_term = term;
    raft->restored_vote = vote;
    return RAFT_ACCEPTED;
}

enum raft_verdict canonical_restore_truncate(struct raft *raft, uint64_t from)
{
    CHECK(!raft->started);
    if (from == 0 || from >= RAFT_NUMBER_MAX) return RAFT_CORRUPT;
    raft->restore_discards = false;
    const uint64_t first = MAX(from, raft->snapshot.index + 1);
    if (first > raft->trail.last_index) return RAFT_ACCEPTED;
    raft_trail_truncate(&raft->trail, first);
    lists_truncate(raft, first);
    return RAFT_ACCEPTED;
}

enum raft_verdict canonical_restore_entry(struct raft *raft, uint64_t index, uint8_t kind, uint64_t term,
                                          struct bytes payload)
{
    CHECK(!raft->started);
    if (index == 0 || index >= RAFT_NUMBER_MAX || term == 0 || term > raft->restored_term) return RAFT_CORRUPT;
    if (kind < RAFT_ENTRY_DATA || kind > RAFT_ENTRY_CONFIGURATION) return RAFT_CORRUPT;
    if (index == raft->snapshot.index) raft->restore_discards = term != raft->snapshot.term;
    if (index <= raft->snapshot.index || raft->restore_discards) return RAFT_ACCEPTED;
    if (index != raft->trail.last_index + 1 || term < raft_trail_last_term(&raft->trail)) return RAFT_CORRUPT;
    if (index == 1 && kind != RAFT_ENTRY_CONFIGURATION) return RAFT_CORRUPT; /* it would take it for one */
    if (raft_trail_room(&raft->trail) == 0) return RAFT_FULL;
    if (kind == RAFT_ENTRY_CONFIGURATION) {
        if (raft_configuration_read(&raft->scratch, payload) != RAFT_CONFIGURATION_GOOD) return RAFT_CORRUPT;
        if (raft_configuration_is_joint(&raft->scratch)) return RAFT_CORRUPT;
        lists_add(raft, index, payload);
    }
    raft_trail_append(&raft->trail, (struct raft_entry){ .term = term, .size = payload.size, .kind = kind });
    return RAFT_ACCEPTED;
}

void canonical_restore_id(struct raft *raft, uint64_t id)
{
    CHECK(id != 0);
    raft->config.id = id;
}

enum raft_verdict canonical_found(struct raft *raft, const struct raft_change *founders, uint32_t count)
{
    CHECK(!raft->started);
    switch (raft_configuration_found(&raft->scratch, founders, count)) {
    case RAFT_CONFIGURATION_GOOD: break;
    case RAFT_CONFIGURATION_MALFORMED: return RAFT_UNKNOWN;
    case RAFT_CONFIGURATION_UNKNOWN: return RAFT_UNKNOWN;
    case RAFT_CONFIGURATION_EMPTY: return RAFT_EMPTY;
    case RAFT_CONFIGURATION_FULL: return RAFT_TOO_LARGE;
    }
    if (raft_trail_room(&raft->trail) < 2) return RAFT_FULL;
    const uint64_t index = raft->trail.last_index + 1;
    raft->restored_term++;
    raft->restored_vote = 0;
    lists_add(raft, index, (struct bytes){ raft->scratch.bytes, raft->scratch.size });
    const struct list *list = lists_at(raft, index);
    const struct raft_entry entry = { raft->restored_term, list->size, RAFT_ENTRY_CONFIGURATION };
    raft_trail_append(&raft->trail, entry);
    raft->pending = (struct raft_write){ .hard_state = true,
                                         .term = raft->restored_term,
                                         .first_index = index,
                                         .entry_count = 1,
                                         .own_payload = { list->bytes, list->size } };
    raft->found_sequence = 1; /* nothing is done before that write, the first, is durable */
    return RAFT_ACCEPTED;
}

static bool list_is_ours_alone(struct raft *raft)
{
    const struct list *list = lists_at(raft, UINT64_MAX);
    struct libraft_configuration theirs;
    bool alone = false;

    if (list == NULL) return false;
    if (lists_to_library(raft, (struct bytes){ list->bytes, list->size }, &theirs)) {
        alone = lists_is_sole_voter(&theirs, raft->config.id);
    }
    libraft_configuration_close(&theirs);
    return alone;
}

/* CONF: the library takes the newest list for committed, which it need not be. */
static void correct_lists(struct raft *raft)
{
    struct libraft *library = &raft->library;
    const struct list *newest = lists_at(raft, UINT64_MAX);

    if ((raft->guards & CANONICAL_CONF) == 0 || newest == NULL || newest->index <= 1) return;
    if (newest->index <= library->commit_index || newest->index <= raft->snapshot.index) return;
    const struct list *before = lists_at(raft, newest->index - 1);
    library->configuration_uncommitted_index = newest->index;
    library->configuration_index = before != NULL ? before->index : 1;
}

void canonical_start(struct raft *raft, uint64_t now_ns, struct raft_output *output)
{
    const struct raft_write founding = raft->pending;

    CHECK(!raft->started);
    heap_enter(&raft->heap);
    raft->started = true;
    canonical_begin(raft, now_ns, output);
    raft->pending = founding;
    if (raft->restore_discards) raft->pending.truncate_from = raft->snapshot.index + 1; /* for the next replay */
    raft->restore_discards = false;
    raft->own_used = founding.entry_count > 0;
    if ((raft->guards & CANONICAL_TERM) != 0 && list_is_ours_alone(raft)) {
        raft->restored_term++;
        raft->restored_vote = raft->config.id;
        raft->pending.hard_state = true;
        raft->pending.term = raft->restored_term;
        raft->pending.vote = raft->restored_vote;
    }
    CHECK(libraft_init(&raft->library, &raft->io, &raft->fsm, raft->config.id, "self") == 0);
    raft->library.tracer = &raft->tracer;
    libraft_set_election_timeout(&raft->library, (unsigned)MAX(raft->config.election_timeout_ns / 1000000, 2));
    libraft_set_heartbeat_timeout(&raft->library, (unsigned)MAX(raft->config.heartbeat_ns / 1000000, 1));
    libraft_set_install_snapshot_timeout(&raft->library,
                                         (unsigned)MAX(10 * raft->config.election_timeout_ns / 1000000, 2));
    libraft_set_snapshot_threshold(&raft->library, UINT32_MAX); /* the caller takes them */
    libraft_set_pre_vote(&raft->library, true);
    CHECK(libraft_start(&raft->library) == 0);
    correct_lists(raft);
    raft->next_tick_ns = now_ns;
    canonical_after_call(raft);
    lists_refresh(raft);
    raft->seen.list_index = raft->in_force.index; /* no news */
    canonical_settle(raft, output);
}
