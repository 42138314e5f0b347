/* deliver.c -- a message of ours becomes one of the library's and is handed over, with the guards that stand around
 * each kind. What the library owns after the call is made of its own memory. */
#include "raft/canonical/state.h"

/* ---- append requests ---- */

/* Of the entries only member lists carry bytes: the library copies them all into its log. */
static void fill_entries(struct raft *raft, const struct raft_append_request *request, struct bytes payload,
                         struct raft_append_entries *theirs)
{
    struct libraft_configuration lists[1];

    theirs->n_entries = request->entry_count;
    if (request->entry_count == 0) return;
    theirs->entries = libraft_calloc(request->entry_count, sizeof *theirs->entries);
    size_t size = 1, at = 0;
    for (uint32_t i = 0; i < request->entry_count; i++) {
        if (request->entries[i].kind == RAFT_ENTRY_CONFIGURATION) {
            size += request->entries[i].size * 3 + 64 * (size_t)raft->config.members_max;
        }
    }
    uint8_t *batch = libraft_malloc(size);
    for (uint32_t i = 0; i < request->entry_count; i++) {
        const struct raft_entry *ours = &request->entries[i];
        struct libraft_entry *entry = &theirs->entries[i];
        *entry = (struct libraft_entry){ .term = ours->term, .type = LIBRAFT_COMMAND, .batch = batch };
        if (ours->kind == RAFT_ENTRY_NOOP) entry->type = LIBRAFT_BARRIER;
        if (ours->kind == RAFT_ENTRY_CONFIGURATION) {
            entry->type = LIBRAFT_CHANGE;
            entry->buf.base = batch + at;
            if (lists_to_library(raft, (struct bytes){ payload.data, ours->size }, lists)) {
                entry->buf.len = lists_encoded_size(lists);
                lists_encode(lists, batch + at);
            } else { /* only without VALIDATE: it is given what came */
                entry->buf.len = ours->size;
                memcpy(batch + at, payload.data, ours->size);
            }
            libraft_configuration_close(lists);
            at += entry->buf.len;
        }
        payload.data += ours->size;
    }
}

/* VALIDATE: entries that our snapshot covers are committed, and the library would append them again. */
static void trim_covered(struct raft *raft, struct raft_append_entries *theirs)
{
    const uint64_t covered = raft->library.log.snapshot.last_index;

    if ((raft->guards & CANONICAL_VALIDATE) == 0 || theirs->prev_log_index >= covered) return;
    if (theirs->prev_log_index > raft->trail.base_index && theirs->prev_log_index != 0) return;
    const uint64_t cut = MIN(covered - theirs->prev_log_index, theirs->n_entries);
    if (theirs->prev_log_index + theirs->n_entries < covered) {
        theirs->n_entries = 0; /* all of it is old news; what is left is a heartbeat that fits */
    } else if (cut > 0) {
        theirs->n_entries -= (unsigned)cut;
        memmove(theirs->entries, theirs->entries + cut, theirs->n_entries * sizeof *theirs->entries);
    }
    if (theirs->n_entries == 0 && theirs->entries != NULL) {
        libraft_free(theirs->entries[0].batch);
        libraft_free(theirs->entries);
        theirs->entries = NULL;
    }
    theirs->prev_log_index = covered;
    theirs->prev_log_term = raft->library.log.snapshot.last_term;
    raft->verified_end = theirs->prev_log_index + theirs->n_entries;
}

/* CONF: where the library would roll back a list, from an entry that it may have dropped, we do it first. */
static void roll_back_before(struct raft *raft, const struct raft_append_entries *theirs)
{
    struct libraft *library = &raft->library;
    const uint64_t uncommitted = library->configuration_uncommitted_index;

    if ((raft->guards & CANONICAL_CONF) == 0 || uncommitted == 0 || theirs->term < library->current_term) return;
    if (library->state == LIBRAFT_LEADER && theirs->term == library->current_term) return;
    if (theirs->prev_log_index != 0 && raft_trail_term(&raft->trail, theirs->prev_log_index) != theirs->prev_log_term) {
        return;
    }
    for (uint32_t i = 0; i < theirs->n_entries; i++) {
        const uint64_t index = theirs->prev_log_index + 1 + i;
        const uint64_t term = index > raft->trail.last_index ? 0 : raft_trail_term(&raft->trail, index);
        if (term == theirs->entries[i].term) continue;
        const struct list *list = lists_at(raft, uncommitted - 1);
        struct libraft_configuration before;
        if (term == 0 || index > uncommitted || list == NULL) return;
        if (!lists_to_library(raft, (struct bytes){ list->bytes, list->size }, &before)) return;
        libraft_configuration_close(&library->configuration);
        library->configuration = before;
        library->configuration_index = list->index;
        library->configuration_uncommitted_index = 0;
        return;
    }
}

static void deliver_append(struct raft *raft, const struct raft_message *message, struct libraft_message *theirs)
{
    const struct raft_append_request *request = &message->append_request;
    struct raft_append_entries *append = &theirs->append_entries;
    const uint64_t end_index = request->prev_index + request->entry_count;

    theirs->type = RAFT_IO_APPEND_ENTRIES;
    append->term = message->term;
    append->prev_log_index = request->prev_index;
    append->prev_log_term = request->prev_term;
    append->leader_commit = request->commit_index;
    if ((raft->guards & CANONICAL_CLAMP) != 0) append->leader_commit = MIN(request->commit_index, end_index);
    fill_entries(raft, request, message->payload, append);
    raft->verified_end = end_index;
    trim_covered(raft, append);
    roll_back_before(raft, append);
    raft->in_append = true;
    raft->source.message = message;
    raft->receive(&raft->io, theirs);
    raft->source.message = NULL;
    raft->in_append = false;
}

/* ---- votes ---- */

static bool is_second_vote(const struct raft *raft, const struct raft_message *message)
{
    const struct libraft *library = &raft->library;

    if ((raft->guards & CANONICAL_VOTE) == 0 || message->vote_request.pre || library->transfer == NULL) return false;
    if (library->transfer->id != message->from || message->term != library->current_term) return false;
    return library->voted_for != 0 && library->voted_for != message->from;
}

/* NVOTE: for as long as the library looks at the request we are a voter, whatever our list says. */
static void deliver_vote_request(struct raft *raft, const struct raft_message *message, struct libraft_message *theirs)
{
    struct libraft *library = &raft->library;
    struct libraft_configuration *list = &library->configuration;
    const bool fenced = (raft->guards & CANONICAL_NVOTE) != 0;
    const uint64_t silent_ms = raft->now_ns / 1000000 - library->election_timer_start;
    struct raft_server *self = (struct raft_server *)lists_server(list, raft->config.id);
    const int role = self != NULL ? self->role : 0;

    theirs->type = RAFT_IO_REQUEST_VOTE;
    theirs->request_vote = (struct raft_request_vote){
        .term = message->term,
        .candidate_id = message->from,
        .last_log_index = message->vote_request.last_index,
        .last_log_term = message->vote_request.last_term,
        .disrupt_leader = message->vote_request.transfer,
        .pre_vote = message->vote_request.pre,
    };
    if (is_second_vote(raft, message)) return;
    if (fenced && library->state == LIBRAFT_FOLLOWER && silent_ms >= library->election_timeout) {
        library->follower_state.current_leader.id = 0; /* a learner has no timer that would forget it */
    }
    if (fenced && self != NULL) self->role = (int)LIBRAFT_VOTER;
    const bool added = fenced && self == NULL;
    if (added) CHECK(libraft_configuration_add(list, raft->config.id, "self", (int)LIBRAFT_VOTER) == 0);
    raft->receive(&raft->io, theirs);
    self = (struct raft_server *)lists_server(list, raft->config.id);
    if (fenced && !added && self != NULL) self->role = role;
    if (!added) return;
    libraft_free(list->servers[--list->n].address);
    if (list->n > 0) return;
    libraft_free(list->servers);
    list->servers = NULL;
}

/* ---- sole voters ---- */

/* TERM: the library makes a sole voter leader at once, in the term it is in. That may be one in which somebody else
 * led, or it itself before it lost what it had not stored. */
static void begin_term_alone(struct raft *raft)
{
    struct libraft *library = &raft->library;

    if ((raft->guards & CANONICAL_TERM) == 0 || library->state != LIBRAFT_FOLLOWER) return;
    if (!lists_is_sole_voter(&library->configuration, raft->config.id)) return;
    raft->io.set_term(&raft->io, library->current_term + 1);
    raft->io.set_vote(&raft->io, raft->config.id);
    library->current_term++;
    library->voted_for = raft->config.id;
}

void canonical_tick(struct raft *raft)
{
    const struct libraft *library = &raft->library;

    if (library->state == LIBRAFT_FOLLOWER) {
        const uint64_t silent_ms = raft->now_ns / 1000000 - library->election_timer_start;
        if (silent_ms >= library->follower_state.randomized_election_timeout) begin_term_alone(raft);
    }
    raft->tick(&raft->io);
    canonical_after_call(raft);
}

static void deliver_timeout_now(struct raft *raft, const struct raft_message *message, struct libraft_message *theirs)
{
    const struct libraft *library = &raft->library;

    theirs->type = RAFT_IO_TIMEOUT_NOW;
    /* The leader says so when we hold all it has. Where its log ends is not in the message; ours does there. */
    theirs->timeout_now.term = message->term;
    theirs->timeout_now.last_log_index = raft->trail.last_index;
    theirs->timeout_now.last_log_term = raft_trail_last_term(&raft->trail);
    const bool from_leader =
        library->state == LIBRAFT_FOLLOWER && library->follower_state.current_leader.id == message->from;
    if (from_leader && message->term == library->current_term) begin_term_alone(raft);
    if (from_leader) theirs->timeout_now.term = MAX(message->term, library->current_term);
    raft->receive(&raft->io, theirs);
}

/* ---- all of them ---- */

void canonical_deliver(struct raft *raft, const struct raft_message *message)
{
    struct libraft_message theirs;

    memset(&theirs, 0, sizeof theirs);
    theirs.server_id = message->from;
    theirs.server_address = "peer"; /* nobody looks at it: messages go by id */
    raft->delivering_from = message->from;
    switch (message->kind) {
    case RAFT_VOTE_REQUEST: deliver_vote_request(raft, message, &theirs); break;
    case RAFT_VOTE_RESPONSE:
        theirs.type = RAFT_IO_REQUEST_VOTE_RESULT;
        theirs.request_vote_result.term = message->term;
        theirs.request_vote_result.vote_granted = message->vote_response.granted;
        theirs.request_vote_result.pre_vote = TO_RAFT_TRIBOOL(message->vote_response.pre);
        raft->receive(&raft->io, &theirs);
        break;
    case RAFT_APPEND_REQUEST: deliver_append(raft, message, &theirs); break;
    case RAFT_APPEND_RESPONSE: {
        const struct raft_append_response *response = &message->append_response;
        theirs.type = RAFT_IO_APPEND_ENTRIES_RESULT;
        theirs.append_entries_result.term = message->term;
        theirs.append_entries_result.rejected = response->rejected ? response->index : 0;
        theirs.append_entries_result.last_log_index = response->rejected ? response->hint_index : response->index;
        raft->receive(&raft->io, &theirs);
        break;
    }
    case RAFT_TIMEOUT_NOW: deliver_timeout_now(raft, message, &theirs); break;
    case RAFT_SNAPSHOT_REQUEST: CHECK(false); break; /* these never come here */
    case RAFT_SNAPSHOT_RESPONSE: CHECK(false); break;
    case RAFT_READ_REQUEST: CHECK(false); break;
    case RAFT_READ_RESPONSE: CHECK(false); break;
    }
    canonical_after_call(raft);
    raft->delivering_from = 0;
}

void canonical_deliver_install(struct raft *raft, uint64_t from, uint64_t index, uint64_t term, struct bytes list)
{
    struct libraft_message theirs;
    struct raft_install_snapshot *install = &theirs.install_snapshot;

    memset(&theirs, 0, sizeof theirs);
    theirs.type = RAFT_IO_INSTALL_SNAPSHOT;
    theirs.server_id = from;
    theirs.server_address = "peer";
    install->term = raft->library.current_term;
    install->last_index = index;
    install->last_term = term;
    install->conf_index = index;
    CHECK(lists_to_library(raft, list, &install->conf));
    install->data = (struct raft_buffer){ libraft_malloc(1), 1 };
    raft->delivering_from = from;
    raft->verified_end = index;
    raft->in_install = true;
    raft->receive(&raft->io, &theirs);
    canonical_after_call(raft);
    /* CONF: it remembers that a list of the log that is gone was not committed. */
    const bool fenced = (raft->guards & CANONICAL_CONF) != 0 && raft->trail.last_index == index;
    if (fenced && raft->library.configuration_uncommitted_index <= index) {
        raft->library.configuration_uncommitted_index = 0;
    }
    raft->in_install = false;
    raft->delivering_from = 0;
}
