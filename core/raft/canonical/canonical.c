/* canonical.c -- the doors of the room: each sets the time and whose memory the library has, lets one file do its
 * part, and settles. */
#include "raft/canonical/state.h"

/* ------------------------------------------------------------------------------------- memory */

static size_t rounded(size_t size)
{
    return (size + 63) / 64 * 64;
}

static uint32_t sents_max(const struct raft_config *config)
{
    return 8 * (config->members_max + RAFT_CHANGES_MAX);
}

static uint32_t outgoings_max(const struct raft_config *config)
{
    return 64 * MIN(config->members_max, (uint32_t)RAFT_VOTERS_MAX + 9);
}

static size_t held_size_max(const struct raft_config *config)
{
    return 4 * ((size_t)config->append_size_max + config->entry_size_max + config->configuration_size_max + 65536);
}

/* What the library may come to need: an entry with its references, twice while its tables grow; whole logs in
 * messages, for a moment; lists in entries and requests. */
static uint64_t range_size(const struct raft_config *config)
{
    const uint64_t entries = config->entries_max, receivers = MIN(config->members_max, 16u);

    return entries * 768 + (receivers + 4) * entries * 128 + (uint64_t)config->configuration_size_max * 512 +
           (uint64_t)(config->members_max + 64) * 8192 + 2 * held_size_max(config) + (1 << 20);
}

size_t canonical_size(const struct raft_config *config)
{
    return rounded(sizeof(struct raft)) + rounded(raft_trail_memory(config->entries_max)) +
           3 * raft_configuration_memory(config->members_max, config->configuration_size_max) +
           LISTS_MAX * rounded(config->configuration_size_max) + rounded(sents_max(config) * sizeof(struct sent)) +
           rounded(sents_max(config) * sizeof(struct raft_io_snapshot_get *)) +
           rounded(outgoings_max(config) * sizeof(struct outgoing)) +
           rounded(config->reads_max * sizeof(struct reading)) + heap_size(range_size(config));
}

static void *take(uint8_t **memory, size_t size)
{
    void *taken = *memory;
    *memory += rounded(size);
    return taken;
}

void canonical_init(struct raft *raft, const struct raft_config *config)
{
    uint8_t *memory = (uint8_t *)raft + rounded(sizeof *raft);
    struct raft_configuration *lists[] = { &raft->in_force, &raft->scratch, &raft->at };

    memset(raft, 0, sizeof *raft);
    raft->config = *config;
    raft->guards = CANONICAL_ALL;
    prng_init(&raft->prng, config->seed, config->id);
    raft->next_wire_token = prng_next(&raft->prng);
    raft_trail_init(&raft->trail, take(&memory, raft_trail_memory(config->entries_max)), config->entries_max);
    for (uint32_t i = 0; i < COUNT_OF(lists); i++) {
        const size_t size = raft_configuration_memory(config->members_max, config->configuration_size_max);
        raft_configuration_init(lists[i], take(&memory, size), config->members_max, config->configuration_size_max);
    }
    for (uint32_t i = 0; i < LISTS_MAX; i++) raft->lists[i].bytes = take(&memory, config->configuration_size_max);
    raft->sent_max = sents_max(config);
    raft->sents = take(&memory, raft->sent_max * sizeof *raft->sents);
    raft->gets = take(&memory, raft->sent_max * sizeof *raft->gets);
    raft->outgoing_max = outgoings_max(config);
    raft->outgoings = take(&memory, raft->outgoing_max * sizeof *raft->outgoings);
    raft->readings = take(&memory, config->reads_max * sizeof *raft->readings);
    raft->held_size_max = held_size_max(config);
    heap_init(&raft->heap, memory, range_size(config));
    memory += heap_size(range_size(config));
    CHECK((size_t)(memory - (uint8_t *)raft) == canonical_size(config));
    canonical_io_init(raft);
}

void canonical_set_guards(struct raft *raft, uint32_t guards)
{
    CHECK(!raft->started);
    raft->guards = guards & CANONICAL_ALL;
    raft->heap.zeroed = (guards & CANONICAL_ZERO) != 0;
}

/* ------------------------------------------------------------------------------------- a call */

void canonical_begin(struct raft *raft, uint64_t now_ns, struct raft_output *output)
{
    CHECK(raft->started && raft->now_ns <= now_ns);
    heap_enter(&raft->heap);
    raft->now_ns = now_ns;
    raft->more = false;
    raft->own_used = false;
    raft->pending = (struct raft_write){ .hard_state = false };
    if (raft->released.size > 0) heap_give(&raft->heap, raft->released.entries);
    raft->released.size = 0;
    output->write = (struct raft_write){ .hard_state = false };
    output->commit_index = 0;
    output->chunk = (struct raft_chunk){ .size = 0 };
    output->message_count = 0;
    output->read_count = 0;
    output->note_count = 0;
}

bool canonical_must_hold(const struct raft *raft)
{
    if (raft->found_sequence > raft->stored_sequence) return true;
    if ((raft->guards & CANONICAL_HOLD) == 0) return false;
    return raft->append_count > 0 || raft->receiving.complete;
}

bool canonical_leads_safely(const struct raft *raft)
{
    const struct libraft *library = &raft->library;

    if (library->state != LIBRAFT_LEADER) return false;
    if ((raft->guards & CANONICAL_BARRIER) == 0) return true;
    return raft->barrier_term == library->current_term && library->commit_index >= raft->barrier_index;
}

/* A start says 1, although nobody has counted anything. And a leader that has committed nothing of its own term says
 * nothing of what came before it. */
uint64_t canonical_committed(const struct raft *raft)
{
    const struct libraft *library = &raft->library;

    if (library->commit_index <= 1) return raft->told_index;
    if (library->state == LIBRAFT_LEADER && !canonical_leads_safely(raft)) return raft->told_index;
    return library->commit_index;
}

struct raft_message *canonical_say(struct raft *raft, enum raft_message_kind kind, uint64_t to, uint64_t term)
{
    if (raft->outgoing_count == raft->outgoing_max) return NULL; /* lost, which is legal */
    const uint32_t at = (raft->outgoing_first + raft->outgoing_count++) % raft->outgoing_max;
    struct outgoing *outgoing = &raft->outgoings[at];
    outgoing->sequence = raft->pending.hard_state ? raft->sequence + 1 : raft->hard_sequence;
    outgoing->message = (struct raft_message){ .kind = kind, .from = raft->config.id, .to = to, .term = term };
    return &outgoing->message;
}

/* The library frees a request in its callback, and may send more from there. */
void canonical_after_call(struct raft *raft)
{
    while (raft->sent_count > 0 || raft->get_count > 0 || raft->put != NULL) {
        if (raft->put != NULL) {
            struct raft_io_snapshot_put *put = raft->put;
            raft->put = NULL;
            raft->put_callback(put, 0);
        } else if (raft->get_count > 0) {
            struct raft_io_snapshot_get *get = raft->gets[--raft->get_count];
            struct libraft_snapshot *snapshot = snapshot_newest(raft);
            raft->get_callback(get, snapshot, 0);
        } else {
            const struct sent sent = raft->sents[--raft->sent_count];
            sent.callback(sent.request, 0);
        }
    }
    CHECK(raft->library.state != LIBRAFT_UNAVAILABLE); /* (3) */
}

/* ------------------------------------------------------------------------------------- what was held back */

static bool holds(const struct raft *raft, const struct raft_message *message)
{
    const struct libraft *library = &raft->library;

    if (canonical_must_hold(raft)) return true;
    if ((raft->guards & CANONICAL_BARRIER) == 0 || library->state != LIBRAFT_LEADER) return false;
    if (message->kind != RAFT_APPEND_RESPONSE) return false;
    return raft->barrier_term != library->current_term || library->last_stored < raft->barrier_index;
}

static enum raft_verdict hold(struct raft *raft, const struct raft_message *message)
{
    const uint32_t count = message->kind == RAFT_APPEND_REQUEST ? message->append_request.entry_count : 0;
    const size_t entries_size = rounded(MAX(count, 1u) * sizeof(struct raft_entry));
    const size_t size = entries_size + message->payload.size;

    if (raft->held_count == HELD_MAX || raft->held_size + size > raft->held_size_max) return RAFT_IGNORED;
    struct held *held = &raft->held[(raft->held_first + raft->held_count++) % HELD_MAX];
    uint8_t *memory = heap_take(&raft->heap, size);
    *held = (struct held){ *message, (struct raft_entry *)(void *)memory, memory + entries_size, size };
    raft->held_size += size;
    if (count > 0) memcpy(held->entries, message->append_request.entries, count * sizeof(struct raft_entry));
    if (message->payload.size > 0) memcpy(held->payload, message->payload.data, message->payload.size);
    if (message->kind == RAFT_APPEND_REQUEST) held->message.append_request.entries = held->entries;
    held->message.payload.data = held->payload;
    return RAFT_ACCEPTED;
}

/* No more of the library's log than our trail has room for. */
static bool has_room(const struct raft *raft, const struct raft_message *message)
{
    if (raft->append_count + 2 > APPENDS_MAX) return false;
    if (message->kind != RAFT_APPEND_REQUEST) return true;
    return raft_trail_room(&raft->trail) > message->append_request.entry_count;
}

static enum raft_verdict receive(struct raft *raft, const struct raft_message *message)
{
    if (!has_room(raft, message)) return RAFT_IGNORED;
    if ((raft->guards & CANONICAL_VALIDATE) != 0 && !canonical_message_fits(raft, message)) return RAFT_IMPOSSIBLE;
    canonical_deliver(raft, message);
    return RAFT_ACCEPTED;
}

static void release_held(struct raft *raft)
{
    while (raft->held_count > 0 && raft->released.size == 0) {
        struct held *held = &raft->held[raft->held_first];
        if (holds(raft, &held->message)) return;
        raft->held_first = (raft->held_first + 1) % HELD_MAX;
        raft->held_count--;
        raft->held_size -= held->size;
        const uint32_t entry_count = raft->pending.entry_count;
        raft->source.held = held->message.kind == RAFT_APPEND_REQUEST;
        receive(raft, &held->message);
        raft->source.held = false;
        /* What it brought may be about to be written: its bytes stay until the next call. */
        if (raft->pending.entry_count > entry_count && raft->pending.held_payload.size > 0) raft->released = *held;
        else heap_give(&raft->heap, held->entries);
    }
    if (raft->held_count > 0 && !holds(raft, &raft->held[raft->held_first].message)) raft->more = true;
}

static void tick_if_owed(struct raft *raft)
{
    if (!raft->tick_owed || canonical_must_hold(raft))
        return; /* (what only the barrier holds back does not hold time) */
    if (raft->append_count + 2 > APPENDS_MAX || raft_trail_room(&raft->trail) < 2) return;
    raft->tick_owed = false;
    canonical_tick(raft);
    sendings_on_tick(raft);
}

/* ------------------------------------------------------------------------------------- what a call comes to */

void canonical_note(struct raft_output *output, enum raft_note_kind kind, uint64_t subject, uint64_t detail)
{
    if (output->note_count == RAFT_NOTES_MAX) return;
    output->notes[output->note_count++] = (struct raft_note){ kind, subject, detail };
}

static void put_out_write(struct raft *raft, struct raft_output *output)
{
    struct raft_write *pending = &raft->pending;

    if (!pending->hard_state && pending->truncate_from == 0 && pending->entry_count == 0 &&
        raft->append_count == raft->append_put_out) {
        return;
    }
    raft->sequence++;
    pending->ticket = (struct raft_ticket){ raft->sequence, raft->trail.last_index };
    if (pending->hard_state) raft->hard_sequence = raft->sequence;
    for (uint32_t i = raft->append_put_out; i < raft->append_count; i++) raft->appends[i].sequence = raft->sequence;
    raft->append_put_out = raft->append_count;
    output->write = *pending;
}

static void put_out_messages(struct raft *raft, struct raft_output *output)
{
    const struct libraft *library = &raft->library;

    while (raft->outgoing_count > 0) {
        const struct outgoing *outgoing = &raft->outgoings[raft->outgoing_first];
        const struct raft_message *message = &outgoing->message;
        if (outgoing->sequence > raft->stored_sequence) return;
        if (output->message_count == RAFT_MESSAGES_MAX) {
            raft->more = true;
            return;
        }
        raft->outgoing_first = (raft->outgoing_first + 1) % raft->outgoing_max;
        raft->outgoing_count--;
        if (message->term < library->current_term) continue; /* what it promises may be true no more */
        if (message->kind == RAFT_APPEND_REQUEST) {          /* the log may have become another one while it waited */
            const uint64_t prev_index = message->append_request.prev_index;
            const uint64_t end_index = prev_index + message->append_request.entry_count;
            if (library->state != LIBRAFT_LEADER || library->current_term != message->term) continue;
            if (message->append_request.entry_count > 0 && prev_index < raft->trail.base_index) continue;
            if (end_index > raft->trail.last_index) continue;
        }
        output->messages[output->message_count++] = *message;
    }
}

static void put_out_notes(struct raft *raft, struct raft_output *output)
{
    const struct seen before = raft->seen;
    const uint64_t self = raft->config.id;
    const struct seen now = {
        .role = canonical_role(raft),
        .term = raft->library.current_term,
        .leader = canonical_leader(raft),
        .vote = raft->library.voted_for,
        .list_index = raft->in_force.index,
        .list_committed = canonical_configuration_is_committed(raft),
    };

    raft->seen = now;
    if (before.role == RAFT_LEADER && (now.role != RAFT_LEADER || now.term != before.term)) {
        canonical_note(output, RAFT_NOTE_STEPPED_DOWN, self, before.term);
    }
    if (before.leader != 0 && before.leader != self && now.leader != before.leader) {
        canonical_note(output, RAFT_NOTE_LEADER_LOST, before.leader, before.term);
    }
    if (now.leader != 0 && now.leader != self && now.leader != before.leader) {
        canonical_note(output, RAFT_NOTE_FOLLOWING, now.leader, now.term);
    }
    if (now.role != before.role || now.term != before.term) {
        if (now.role == RAFT_PRE_CANDIDATE) canonical_note(output, RAFT_NOTE_PRE_CANDIDATE, self, now.term);
        if (now.role == RAFT_CANDIDATE) canonical_note(output, RAFT_NOTE_CANDIDATE, self, now.term);
        if (now.role == RAFT_LEADER) canonical_note(output, RAFT_NOTE_LEADER, self, now.term);
    }
    const bool voted = now.vote != before.vote || now.term != before.term;
    if (voted && now.vote != 0 && now.vote != self) canonical_note(output, RAFT_NOTE_VOTED, now.vote, now.term);
    if (now.list_index > before.list_index) {
        canonical_note(output, RAFT_NOTE_CONFIGURATION, now.list_index, raft->in_force.count);
    }
    if (now.list_index < before.list_index) {
        canonical_note(output, RAFT_NOTE_ROLLED_BACK, now.list_index, raft->in_force.count);
    }
    if (now.list_committed && (!before.list_committed || now.list_index != before.list_index)) {
        canonical_note(output, RAFT_NOTE_CONFIGURATION_COMMITTED, now.list_index, raft->in_force.count);
    }
}

void canonical_settle(struct raft *raft, struct raft_output *output)
{
    release_held(raft);
    tick_if_owed(raft);
    canonical_barrier(raft);
    lists_refresh(raft);
    changes_advance(raft);
    readings_advance(raft);
    lists_refresh(raft);
    put_out_write(raft, output);
    const uint64_t told_index = MIN(canonical_committed(raft), raft->library.last_stored);
    if (told_index > raft->told_index) {
        raft->told_index = told_index;
        output->commit_index = told_index;
    }
    readings_put_out(raft, output);
    put_out_messages(raft, output);
    sendings_put_out(raft, output);
    put_out_notes(raft, output);
}

/* ------------------------------------------------------------------------------------- facts */

void canonical_on_time(struct raft *raft, uint64_t now_ns, struct raft_output *output)
{
    canonical_begin(raft, now_ns, output);
    if (now_ns >= raft->next_tick_ns) {
        raft->tick_owed = true;
        raft->next_tick_ns = now_ns + MAX(raft->config.heartbeat_ns / 2, 1); /* a whole one would miss every other */
    }
    canonical_settle(raft, output);
}

static enum raft_verdict on_message(struct raft *raft, const struct raft_message *message, struct raft_output *output)
{
    const bool fenced = (raft->guards & CANONICAL_VALIDATE) != 0;

    if (fenced && !canonical_message_is_possible(raft, message)) return RAFT_IMPOSSIBLE;
    switch (message->kind) {
    case RAFT_SNAPSHOT_REQUEST: return receiving_on_request(raft, message, output);
    case RAFT_SNAPSHOT_RESPONSE: return sendings_on_response(raft, message);
    case RAFT_READ_REQUEST: return readings_on_request(raft, message);
    case RAFT_READ_RESPONSE: return readings_on_response(raft, message);
    case RAFT_VOTE_REQUEST: break;
    case RAFT_VOTE_RESPONSE: break;
    case RAFT_APPEND_REQUEST: break;
    case RAFT_APPEND_RESPONSE: break;
    case RAFT_TIMEOUT_NOW: break;
    }
    if (raft->held_count > 0 || holds(raft, message)) return hold(raft, message);
    return receive(raft, message);
}

enum raft_verdict canonical_on_message(struct raft *raft, uint64_t now_ns, const struct raft_message *message,
                                       struct raft_output *output)
{
    canonical_begin(raft, now_ns, output);
    const enum raft_verdict verdict = on_message(raft, message, output);
    if (verdict == RAFT_IMPOSSIBLE) canonical_note(output, RAFT_NOTE_IMPOSSIBLE, message->from, message->kind);
    canonical_settle(raft, output);
    return verdict;
}

void canonical_on_stored(struct raft *raft, uint64_t now_ns, struct raft_ticket ticket, struct raft_output *output)
{
    canonical_begin(raft, now_ns, output);
    CHECK(ticket.sequence <= raft->sequence);
    raft->stored_sequence = MAX(raft->stored_sequence, ticket.sequence);
    while (raft->append_count > 0 && raft->appends[0].sequence != 0 &&
           raft->appends[0].sequence <= raft->stored_sequence) {
        struct raft_io_append *request = raft->appends[0].request;
        memmove(raft->appends, raft->appends + 1, --raft->append_count * sizeof *raft->appends);
        raft->append_put_out--;
        request->cb(request, 0);
        canonical_after_call(raft);
    }
    canonical_settle(raft, output);
}

bool canonical_on_snapshot_installed(struct raft *raft, uint64_t now_ns, struct bytes configuration,
                                     struct raft_output *output)
{
    const struct receiving receiving = raft->receiving;

    canonical_begin(raft, now_ns, output);
    CHECK(receiving.complete);
    const bool good = raft_configuration_read(&raft->scratch, configuration) == RAFT_CONFIGURATION_GOOD &&
                      !raft_configuration_is_joint(&raft->scratch);
    raft->receiving = (struct receiving){ .from = 0 };
    if (!good) {
        canonical_note(output, RAFT_NOTE_SNAPSHOT_REFUSED, receiving.from, receiving.index);
        canonical_settle(raft, output);
        return false;
    }
    raft->list_count = 0; /* the log they were in is gone */
    lists_add(raft, receiving.index, configuration);
    canonical_deliver_install(raft, receiving.from, receiving.index, receiving.term, configuration);
    raft->snapshot.index = receiving.index;
    raft->snapshot.term = receiving.term;
    raft->snapshot.total_size = receiving.total_size;
    raft->pending.truncate_from = receiving.index + 1;
    canonical_note(output, RAFT_NOTE_SNAPSHOT_INSTALLED, receiving.from, receiving.index);
    canonical_settle(raft, output);
    return true;
}

void canonical_on_snapshot_refused(struct raft *raft, uint64_t now_ns, struct raft_output *output)
{
    canonical_begin(raft, now_ns, output);
    CHECK(raft->receiving.complete);
    canonical_note(output, RAFT_NOTE_SNAPSHOT_REFUSED, raft->receiving.from, raft->receiving.index);
    raft->receiving = (struct receiving){ .from = 0 };
    canonical_settle(raft, output);
}

void canonical_on_snapshot_taken(struct raft *raft, uint64_t index, uint64_t total_size)
{
    CHECK(raft->started && total_size > 0 && total_size < RAFT_NUMBER_MAX);
    CHECK(index >= raft->snapshot.index && index <= raft->told_index && raft_trail_covers(&raft->trail, index));
    heap_enter(&raft->heap);
    raft->snapshot.index = index;
    raft->snapshot.term = raft_trail_term(&raft->trail, index);
    raft->snapshot.total_size = total_size;
    logSnapshot(&raft->library.log, index, UINT32_MAX);
}

void canonical_compact(struct raft *raft, uint64_t index)
{
    CHECK(raft->started && index <= raft->snapshot.index);
    if (index <= raft->trail.base_index) return;
    heap_enter(&raft->heap);
    logSnapshot(&raft->library.log, raft->snapshot.index, (unsigned)(raft->snapshot.index - index));
    raft_trail_compact(&raft->trail, index);
}

/* ------------------------------------------------------------------------------------- questions */

uint64_t canonical_deadline_ns(const struct raft *raft)
{
    const struct libraft *library = &raft->library;
    const bool alone = library->state == LIBRAFT_LEADER && library->configuration.n == 1;

    if (!raft->started) return RAFT_NEVER;
    if (raft->more) return raft->now_ns;
    const uint64_t read_ns = readings_deadline_ns(raft);
    const bool idle = alone && raft->change_count == 0 && raft->reading_count == 0;
    return idle ? RAFT_NEVER : MIN(raft->next_tick_ns, read_ns);
}

uint64_t canonical_id(const struct raft *raft)
{
    return raft->config.id;
}

bool canonical_is_started(const struct raft *raft)
{
    return raft->started;
}

bool canonical_vote_is_durable(const struct raft *raft)
{
    return raft->stored_sequence >= raft->hard_sequence;
}

uint64_t canonical_stored_index(const struct raft *raft)
{
    return raft->library.last_stored;
}

bool canonical_has_forgotten(const struct raft *raft)
{
    MAYBE(raft->started);
    return false;
}

bool canonical_snapshot_is_arriving(const struct raft *raft)
{
    return raft->receiving.from != 0;
}

/* A leader of its own making leads when its vote for itself is durable. */
enum raft_role canonical_role(const struct raft *raft)
{
    switch (raft->library.state) {
    case LIBRAFT_LEADER: return raft->hard_sequence > raft->stored_sequence ? RAFT_CANDIDATE : RAFT_LEADER;
    case LIBRAFT_CANDIDATE: return raft->library.candidate_state.in_pre_vote ? RAFT_PRE_CANDIDATE : RAFT_CANDIDATE;
    default: return RAFT_FOLLOWER;
    }
}

uint64_t canonical_term(const struct raft *raft)
{
    return raft->library.current_term;
}

uint64_t canonical_vote(const struct raft *raft)
{
    return raft->library.voted_for;
}

uint64_t canonical_leader(const struct raft *raft)
{
    if (raft->library.state == LIBRAFT_FOLLOWER) return raft->library.follower_state.current_leader.id;
    return canonical_role(raft) == RAFT_LEADER ? raft->config.id : 0;
}

uint64_t canonical_commit_index(const struct raft *raft)
{
    return raft->told_index;
}

uint64_t canonical_last_index(const struct raft *raft)
{
    return raft->trail.last_index;
}

uint64_t canonical_first_index(const struct raft *raft)
{
    return raft->trail.base_index + 1;
}

struct raft_entry canonical_entry(const struct raft *raft, uint64_t index)
{
    return raft_trail_entry(&raft->trail, index);
}

uint64_t canonical_term_at(const struct raft *raft, uint64_t index)
{
    return raft_trail_term(&raft->trail, index);
}

const struct raft_configuration *canonical_configuration(const struct raft *raft)
{
    return &raft->in_force;
}

bool canonical_configuration_is_committed(const struct raft *raft)
{
    return raft->library.configuration_uncommitted_index == 0 && raft->in_force.index <= canonical_committed(raft);
}

/* CONF: the one in the log. Without it, what the library would take: the one in force, committed or not. */
const struct raft_configuration *canonical_configuration_at(const struct raft *raft, uint64_t index)
{
    struct raft_configuration *at = &((struct raft *)raft)->at; /* a place for the answer, no more */
    const struct list *list = lists_at(raft, index);

    if (index > raft->told_index) return NULL;
    if ((raft->guards & CANONICAL_CONF) == 0) return &raft->in_force;
    if (list == NULL) return NULL;
    if (raft_configuration_read(at, (struct bytes){ list->bytes, list->size }) != RAFT_CONFIGURATION_GOOD) return NULL;
    at->index = list->index;
    return at;
}

bool canonical_snapshot_needed(const struct raft *raft, uint64_t index)
{
    for (uint32_t i = 0; i < SENDINGS_MAX; i++) {
        if (raft->sendings[i].to != 0 && raft->sendings[i].index == index) return true;
    }
    return index == raft->snapshot.index;
}

bool canonical_peer(const struct raft *raft, uint64_t id, struct raft_peer_view *view)
{
    const struct libraft *library = &raft->library;

    if (library->state != LIBRAFT_LEADER || id == raft->config.id) return false;
    for (unsigned i = 0; i < library->configuration.n; i++) {
        const struct raft_progress *progress = &library->leader_state.progress[i];
        if (library->configuration.servers[i].id != id) continue;
        *view = (struct raft_peer_view){
            .state = progress->state == LIBRAFT_PROBE ? RAFT_PROBING : RAFT_STREAMING,
            .match_index = progress->match_index,
            .heard_ns = progress->recent_recv ? raft->now_ns : 0, /* in this or the last election timeout */
        };
        if (progress->match_index == raft->trail.last_index) view->caught_up_ns = view->heard_ns;
        if (progress->state == LIBRAFT_SENDING) view->state = RAFT_SENDING_SNAPSHOT;
        for (uint32_t j = 0; j < SENDINGS_MAX; j++) {
            if (raft->sendings[j].to != id) continue;
            view->snapshot_offset = raft->sendings[j].offset;
            view->snapshot_size = raft->sendings[j].total_size;
        }
        return true;
    }
    return false;
}

void canonical_check(const struct raft *raft)
{
    struct libraft *library = &((struct raft *)raft)->library; /* its questions are not const */

    raft_trail_check(&raft->trail);
    CHECK(libraft_last_index(library) == raft->trail.last_index); /* (1) */
    CHECK(raft->told_index <= raft->trail.last_index || raft->receiving.complete);
    CHECK(library->state != LIBRAFT_UNAVAILABLE); /* (3) */
    CHECK(raft->append_put_out == raft->append_count);
    for (uint32_t i = 0; i < raft->append_count; i++) {
        CHECK(raft->appends[i].sequence > raft->stored_sequence);                    /* (4) */
        CHECK(i == 0 || raft->appends[i - 1].sequence <= raft->appends[i].sequence); /* (4) */
    }
    CHECK(raft->outgoing_count <= raft->outgoing_max && raft->held_count <= HELD_MAX);
}
