/* raft.c -- the doors of the room: each sets the time, lets one file do its part, and settles. */
#include "raft/state.h"

/* ------------------------------------------------------------------------------------- memory */

static size_t rounded(size_t size)
{
    return (size + 63) / 64 * 64;
}

static uint32_t peers_max(const struct raft_config *config)
{
    return config->members_max + RAFT_CHANGES_MAX; /* and those that were removed by the last change */
}

static size_t dirty_size(const struct raft_config *config)
{
    return (peers_max(config) + 63) / 64 * sizeof(uint64_t);
}

size_t raft_size(const struct raft_config *config)
{
    return rounded(sizeof(struct raft)) + rounded(raft_trail_memory(config->entries_max)) +
           3 * raft_configuration_memory(config->members_max, config->configuration_size_max) +
           2 * rounded(peers_max(config) * sizeof(struct raft_peer)) + rounded(dirty_size(config)) +
           rounded(config->reads_max * sizeof(struct raft_reading));
}

static uint8_t *take(uint8_t **memory, size_t size)
{
    uint8_t *taken = *memory;
    *memory += rounded(size);
    return taken;
}

static void check_config(const struct raft_config *config)
{
    CHECK(config->id != 0);
    CHECK(config->heartbeat_ns > 0 && config->heartbeat_ns * 3 <= config->election_timeout_ns);
    CHECK(config->election_timeout_ns < RAFT_NUMBER_MAX);
    CHECK(config->uncommitted_max > 0 && config->uncommitted_max <= config->entries_max / 4);
    CHECK(config->append_size_max > 0 && config->inflight_size_max > 0 && config->reads_max > 0);
    CHECK(config->chunk_size_max > 0 && config->chunks_inflight_max > 0);
    CHECK(config->entry_size_max > 0 && config->entry_size_max <= RAFT_PAYLOAD_SIZE_MAX);
    CHECK(config->append_size_max <= RAFT_PAYLOAD_SIZE_MAX && config->chunk_size_max <= RAFT_PAYLOAD_SIZE_MAX);
}

void raft_init(struct raft *raft, const struct raft_config *config)
{
    uint8_t *memory = (uint8_t *)raft + rounded(sizeof *raft);
    struct raft_configuration *lists[] = { &raft->in_force, &raft->previous, &raft->scratch };

    check_config(config);
    memset(raft, 0, sizeof *raft);
    raft->config = *config;
    prng_init(&raft->prng, config->seed, config->id);
    raft_trail_init(&raft->trail, take(&memory, raft_trail_memory(config->entries_max)), config->entries_max);
    for (uint32_t i = 0; i < COUNT_OF(lists); i++) {
        const size_t size = raft_configuration_memory(config->members_max, config->configuration_size_max);
        raft_configuration_init(lists[i], take(&memory, size), config->members_max, config->configuration_size_max);
    }
    const size_t peers_size = peers_max(config) * sizeof(struct raft_peer);
    raft->progress.count_max = peers_max(config);
    raft->progress.peers = (struct raft_peer *)(void *)take(&memory, peers_size);
    raft->progress.spare = (struct raft_peer *)(void *)take(&memory, peers_size);
    raft->progress.dirty = (uint64_t *)(void *)take(&memory, dirty_size(config));
    raft->progress.heartbeat_due_ns = RAFT_NEVER;
    raft->reads.count_max = config->reads_max;
    raft->reads.list = (struct raft_reading *)(void *)take(&memory, config->reads_max * sizeof(struct raft_reading));
    raft->reads.next_wire_token = prng_next(&raft->prng); /* not one that an earlier life used */
    CHECK((size_t)(memory - (uint8_t *)raft) == raft_size(config));
}

/* ------------------------------------------------------------------------------------- a call */

static void begin(struct raft *raft, uint64_t now_ns, struct raft_output *output)
{
    CHECK(raft->started && raft->now_ns <= now_ns);
    raft->now_ns = now_ns;
    raft->more = false;
    output->write = (struct raft_write){ .hard_state = false };
    output->commit_index = 0;
    output->chunk = (struct raft_chunk){ .size = 0 };
    output->message_count = 0;
    output->read_count = 0;
    output->note_count = 0;
}

/* Draws what follows from what has changed. */
static void settle(struct raft *raft, struct raft_output *output)
{
    if (raft->role == RAFT_LEADER && raft->progress.recount) raft_progress_count(raft);
    raft_membership_advance(raft, output);
    raft_read_advance(raft);
    raft_transfer_advance(raft, output);
    raft_storage_put_out(raft, output);
    const uint64_t committed = MUTANT(M64) ? raft->trail.last_index : raft->commit_index;
    const uint64_t told_index = MIN(committed, raft->storage.stored_index);
    if (told_index > raft->told_index) {
        raft->told_index = told_index;
        output->commit_index = told_index;
    }
    raft_read_put_out(raft, output);
    raft_progress_send(raft, output);
}

void raft_on_time(struct raft *raft, uint64_t now_ns, struct raft_output *output)
{
    begin(raft, now_ns, output);
    raft_read_on_time(raft);
    if (raft->forgot) {
        MAYBE(raft->reads.count > 0); /* they fail in their time */
    } else if (raft->role == RAFT_LEADER) {
        raft_transfer_on_time(raft, output);
        raft_progress_on_time(raft, output);
    } else {
        raft_election_on_time(raft, output);
    }
    settle(raft, output);
}

void raft_on_lost(struct raft *raft, uint64_t now_ns, uint64_t id)
{
    CHECK(raft->started && now_ns >= raft->now_ns);
    raft->now_ns = now_ns;
    raft_election_on_lost(raft, id);
}

static enum raft_verdict dispatch(struct raft *raft, const struct raft_message *message, struct raft_output *output)
{
    switch (message->kind) {
    case RAFT_VOTE_REQUEST: return raft_election_on_request(raft, message, output);
    case RAFT_VOTE_RESPONSE: return raft_election_on_response(raft, message, output);
    case RAFT_APPEND_REQUEST: return raft_append_on_request(raft, message, output);
    case RAFT_APPEND_RESPONSE: return raft_progress_on_response(raft, message, output);
    case RAFT_SNAPSHOT_REQUEST: return raft_snapshot_on_request(raft, message, output);
    case RAFT_SNAPSHOT_RESPONSE: return raft_snapshot_on_response(raft, message, output);
    case RAFT_TIMEOUT_NOW: return raft_election_on_timeout_now(raft, message, output);
    case RAFT_READ_REQUEST: return raft_read_on_request(raft, message);
    case RAFT_READ_RESPONSE: return raft_read_on_response(raft, message);
    }
    return RAFT_IMPOSSIBLE;
}

/* Raft 5.1: terms are the clock. Who is behind is told; who is ahead is followed. */
static enum raft_verdict on_possible_message(struct raft *raft, const struct raft_message *message,
                                             struct raft_output *output)
{
    const bool asks_vote = message->kind == RAFT_VOTE_REQUEST;
    const bool appends = message->kind == RAFT_APPEND_REQUEST || message->kind == RAFT_SNAPSHOT_REQUEST;

    if (MUTANT(M40) && message->term < raft->term && appends) raft_election_follow(raft, message->term, 0, output);
    if (message->term < raft->term) {
        if (asks_vote || message->kind == RAFT_VOTE_RESPONSE) return dispatch(raft, message, output);
        if (appends) raft_append_refuse_old_term(raft, message, output);
        return RAFT_STALE;
    }
    if (asks_vote && !message->vote_request.transfer && raft_election_leased(raft)) return RAFT_IGNORED;
    if (message->term > raft->term) {
        const bool leads = appends || message->kind == RAFT_TIMEOUT_NOW;
        raft_election_follow(raft, message->term, leads ? message->from : 0, output);
    }
    return dispatch(raft, message, output);
}

enum raft_verdict raft_on_message(struct raft *raft, uint64_t now_ns, const struct raft_message *message,
                                  struct raft_output *output)
{
    enum raft_verdict verdict = RAFT_IMPOSSIBLE;

    begin(raft, now_ns, output);
    if (raft->forgot) return RAFT_IGNORED;
    if (raft_message_is_possible(raft, message)) verdict = on_possible_message(raft, message, output);
    if (verdict == RAFT_IMPOSSIBLE) raft_note(output, RAFT_NOTE_IMPOSSIBLE, message->from, message->kind);
    settle(raft, output);
    return verdict;
}

void raft_on_stored(struct raft *raft, uint64_t now_ns, struct raft_ticket ticket, struct raft_output *output)
{
    begin(raft, now_ns, output);
    raft_storage_stored(raft, ticket);
    if (!raft->forgot) {
        if (raft_storage_hard_is_durable(raft)) raft_election_on_hard_stored(raft, output);
        raft_append_on_stored(raft, output);
    }
    raft->progress.recount = true;
    settle(raft, output);
}

bool raft_on_snapshot_installed(struct raft *raft, uint64_t now_ns, struct bytes configuration,
                                struct raft_output *output)
{
    begin(raft, now_ns, output);
    const bool good = raft_configuration_read(&raft->scratch, configuration) == RAFT_CONFIGURATION_GOOD;
    if (good) raft_snapshot_installed(raft, output);
    else raft_snapshot_refused(raft, output);
    settle(raft, output);
    return good;
}

void raft_on_snapshot_refused(struct raft *raft, uint64_t now_ns, struct raft_output *output)
{
    begin(raft, now_ns, output);
    raft_snapshot_refused(raft, output);
    settle(raft, output);
}

/* ------------------------------------------------------------------------------------- wishes */

static enum raft_verdict propose(struct raft *raft, const uint32_t *sizes, uint32_t count, struct raft_output *output)
{
    if (raft->role != RAFT_LEADER) return RAFT_NOT_LEADER;
    if (raft->handover.to != 0) return RAFT_BUSY;
    if (count == 0 || count > raft->config.uncommitted_max) return RAFT_TOO_LARGE;
    for (uint32_t i = 0; i < count; i++) {
        if (sizes[i] > raft->config.entry_size_max) return RAFT_TOO_LARGE;
    }
    /* One place stays free for the list that ends a joint phase. */
    if (raft->trail.last_index - raft->commit_index + count > raft->config.uncommitted_max) return RAFT_FULL;
    if (raft_trail_room(&raft->trail) < count + 1) return RAFT_FULL;
    for (uint32_t i = 0; i < count; i++) {
        const struct raft_entry entry = { .term = raft->term, .size = sizes[i], .kind = RAFT_ENTRY_DATA };
        raft_storage_append(raft, entry, (struct bytes){ NULL, 0 }, output);
    }
    raft_progress_touch_all(raft);
    return RAFT_ACCEPTED;
}

enum raft_verdict raft_propose(struct raft *raft, uint64_t now_ns, const uint32_t *sizes, uint32_t count,
                               struct raft_output *output)
{
    begin(raft, now_ns, output);
    const enum raft_verdict verdict = propose(raft, sizes, count, output);
    settle(raft, output);
    return verdict;
}

enum raft_verdict raft_change(struct raft *raft, uint64_t now_ns, const struct raft_change *changes, uint32_t count,
                              struct raft_output *output)
{
    begin(raft, now_ns, output);
    const enum raft_verdict verdict = raft_membership_change(raft, changes, count, output);
    settle(raft, output);
    return verdict;
}

enum raft_verdict raft_read(struct raft *raft, uint64_t now_ns, uint64_t token, struct raft_output *output)
{
    begin(raft, now_ns, output);
    const enum raft_verdict verdict = raft_read_begin(raft, token, output);
    settle(raft, output);
    return verdict;
}

enum raft_verdict raft_transfer(struct raft *raft, uint64_t now_ns, uint64_t to, struct raft_output *output)
{
    begin(raft, now_ns, output);
    const enum raft_verdict verdict = raft_transfer_begin(raft, to, output);
    settle(raft, output);
    return verdict;
}

void raft_on_snapshot_taken(struct raft *raft, uint64_t index, uint64_t total_size)
{
    CHECK(raft->started && total_size > 0 && total_size < RAFT_NUMBER_MAX);
    CHECK(index >= raft->snapshot.index && index <= raft->told_index && raft_trail_covers(&raft->trail, index));
    raft->snapshot = (struct raft_snapshot){ index, raft_trail_term(&raft->trail, index), total_size };
}

void raft_compact(struct raft *raft, uint64_t index)
{
    CHECK(raft->started && index <= raft->snapshot.index);
    if (index > raft->trail.base_index) raft_trail_compact(&raft->trail, index);
}

/* ------------------------------------------------------------------------------------- questions */

uint64_t raft_deadline_ns(const struct raft *raft)
{
    const bool waits = raft->leader != 0 || raft_election_may_campaign(raft);
    uint64_t deadline_ns = RAFT_NEVER;

    if (raft->more) return raft->now_ns;
    if (raft->reads.count > 0) deadline_ns = raft_read_deadline_ns(raft);
    if (raft->forgot) return deadline_ns;
    if (raft->role == RAFT_LEADER) {
        if (raft->handover.to != 0) deadline_ns = MIN(deadline_ns, raft->handover.deadline_ns);
        return MIN(deadline_ns, raft->progress.heartbeat_due_ns);
    }
    if (!waits || raft->election.campaign_owed) return deadline_ns;
    return MIN(deadline_ns, raft->election.deadline_ns);
}

uint64_t raft_id(const struct raft *raft)
{
    return raft->config.id;
}

bool raft_is_started(const struct raft *raft)
{
    return raft->started;
}

bool raft_has_forgotten(const struct raft *raft)
{
    return raft->forgot;
}

bool raft_snapshot_is_arriving(const struct raft *raft)
{
    return raft->receiving.from != 0;
}

enum raft_role raft_role(const struct raft *raft)
{
    return raft->role;
}

uint64_t raft_term(const struct raft *raft)
{
    return raft->term;
}

uint64_t raft_vote(const struct raft *raft)
{
    return raft->vote;
}

bool raft_vote_is_durable(const struct raft *raft)
{
    return raft_storage_hard_is_durable(raft);
}

uint64_t raft_leader(const struct raft *raft)
{
    return raft->leader;
}

uint64_t raft_commit_index(const struct raft *raft)
{
    return raft->told_index;
}

uint64_t raft_stored_index(const struct raft *raft)
{
    return raft->storage.stored_index;
}

uint64_t raft_last_index(const struct raft *raft)
{
    return raft->trail.last_index;
}

uint64_t raft_first_index(const struct raft *raft)
{
    return raft->trail.base_index + 1;
}

struct raft_entry raft_entry(const struct raft *raft, uint64_t index)
{
    return raft_trail_entry(&raft->trail, index);
}

uint64_t raft_term_at(const struct raft *raft, uint64_t index)
{
    return raft_trail_term(&raft->trail, index);
}

const struct raft_configuration *raft_configuration(const struct raft *raft)
{
    return &raft->in_force;
}

bool raft_configuration_is_committed(const struct raft *raft)
{
    return raft->in_force.index <= raft->commit_index;
}

const struct raft_configuration *raft_configuration_at(const struct raft *raft, uint64_t index)
{
    if (index > raft->told_index) return NULL;
    if (index >= raft->in_force.index) return &raft->in_force;
    if (raft->previous.count > 0 && index >= raft->previous.index) return &raft->previous;
    return NULL;
}

bool raft_snapshot_needed(const struct raft *raft, uint64_t index)
{
    for (uint32_t i = 0; i < raft->progress.count; i++) {
        const struct raft_peer *peer = &raft->progress.peers[i];
        if (peer->state == RAFT_SENDING_SNAPSHOT && peer->sending.index == index) return true;
    }
    return index == raft->snapshot.index;
}

bool raft_peer(const struct raft *raft, uint64_t id, struct raft_peer_view *view)
{
    const struct raft_peer *peer = raft->role == RAFT_LEADER ? raft_progress_find(raft, id) : NULL;
    if (peer == NULL) return false;
    const bool sending = peer->state == RAFT_SENDING_SNAPSHOT;
    *view = (struct raft_peer_view){
        .state = (enum raft_peer_state)peer->state,
        .match_index = peer->forgot ? 0 : peer->match_index,
        .heard_ns = peer->first_heard != 0 ? peer->heard_ns : 0,
        .caught_up_ns = peer->caught_up_ns,
        .snapshot_offset = sending ? peer->sending.offset : 0,
        .snapshot_size = sending ? peer->sending.total_size : 0,
    };
    return true;
}
