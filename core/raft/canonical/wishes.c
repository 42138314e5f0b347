/* wishes.c -- what a caller may ask for and the library has in a smaller measure: changes of members one server at a
 * time, reads as entries, one attempt to hand over. */
#include "raft/canonical/state.h"

/* ---- requests to the library: each lives until its callback ---- */

static void barrier_done(struct libraft_barrier *request, int status)
{
    (void)status;
    libraft_free(request);
}

static void apply_done(struct libraft_apply *request, int status, void *result)
{
    (void)status;
    (void)result;
    libraft_free(request);
}

static void change_done(struct libraft_change *request, int status)
{
    (void)status;
    libraft_free(request);
}

static void transfer_done(struct libraft_transfer *request)
{
    libraft_free(request);
}

/* One entry of our own per call: its bytes are ours. */
static bool may_append(struct raft *raft)
{
    if (raft->own_used) raft->more = true;
    return !raft->own_used && raft_trail_room(&raft->trail) > 0 && raft->append_count < APPENDS_MAX;
}

void canonical_barrier(struct raft *raft)
{
    struct libraft *library = &raft->library;

    if ((raft->guards & CANONICAL_BARRIER) == 0 || library->state != LIBRAFT_LEADER) return;
    if (raft->barrier_term == library->current_term || library->transfer != NULL || !may_append(raft)) return;
    struct libraft_barrier *request = libraft_malloc(sizeof *request);
    CHECK(libraft_barrier(library, request, barrier_done) == 0);
    raft->barrier_term = library->current_term;
    raft->barrier_index = raft->trail.last_index;
    canonical_after_call(raft);
}

/* ---- proposals ---- */

static enum raft_verdict propose(struct raft *raft, const uint32_t *sizes, uint32_t count)
{
    struct libraft *library = &raft->library;

    if (canonical_role(raft) != RAFT_LEADER) return RAFT_NOT_LEADER;
    if (library->transfer != NULL) return RAFT_BUSY;
    if (count == 0 || count > raft->config.uncommitted_max) return RAFT_TOO_LARGE;
    for (uint32_t i = 0; i < count; i++) {
        if (sizes[i] > raft->config.entry_size_max) return RAFT_TOO_LARGE;
    }
    if (!canonical_leads_safely(raft) || canonical_must_hold(raft)) return RAFT_FULL;
    const uint64_t uncommitted = raft->trail.last_index - library->commit_index;
    if ((raft->guards & CANONICAL_WINDOW) != 0 && uncommitted > 0) return RAFT_FULL;
    if (uncommitted + count > raft->config.uncommitted_max) return RAFT_FULL;
    if (raft_trail_room(&raft->trail) < count + 1 || raft->append_count == APPENDS_MAX) return RAFT_FULL;
    struct libraft_apply *request = libraft_malloc(sizeof *request);
    struct raft_buffer *buffers = libraft_calloc(count, sizeof *buffers);
    raft->source.sizes = sizes;
    raft->source.sizes_first = raft->trail.last_index + 1;
    CHECK(libraft_apply(library, request, buffers, count, apply_done) == 0);
    raft->source.sizes = NULL;
    libraft_free(buffers);
    canonical_after_call(raft);
    readings_follow(raft, raft->trail.last_index);
    return RAFT_ACCEPTED;
}

enum raft_verdict canonical_propose(struct raft *raft, uint64_t now_ns, const uint32_t *sizes, uint32_t count,
                                    struct raft_output *output)
{
    canonical_begin(raft, now_ns, output);
    const enum raft_verdict verdict = propose(raft, sizes, count);
    canonical_settle(raft, output);
    return verdict;
}

/* ---- changes ---- */

static const struct raft_progress *progress_of(const struct raft *raft, uint64_t id)
{
    const struct libraft *library = &raft->library;

    if (library->state != LIBRAFT_LEADER) return NULL;
    for (unsigned i = 0; i < library->configuration.n; i++) {
        if (library->configuration.servers[i].id == id) return &library->leader_state.progress[i];
    }
    return NULL;
}

static bool is_changing(const struct raft *raft)
{
    const struct libraft *library = &raft->library;
    return library->configuration_uncommitted_index != 0 || library->leader_state.promotee_id != 0 ||
           library->leader_state.change != NULL;
}

static uint32_t voters_besides(const struct libraft_configuration *list, uint64_t id)
{
    uint32_t count = 0;
    for (unsigned i = 0; i < list->n; i++) {
        count += list->servers[i].role == (int)LIBRAFT_VOTER && list->servers[i].id != id;
    }
    return count;
}

/* What the library adds gets nothing until it is made a learner by another entry. In all languages but its own it is
 * one already, so let it be one there, too. */
static int add(struct raft *raft, const struct change *change, struct libraft_change *request)
{
    struct libraft *library = &raft->library;
    char address[LIBRARY_ADDRESS_SIZE_MAX];

    lists_address(change->id, (struct bytes){ change->address, change->address_size }, address);
    const int status = libraft_add(library, request, change->id, address, change_done);
    for (unsigned i = 0; i < library->configuration.n; i++) {
        struct raft_server *server = &library->configuration.servers[i];
        if (server->role == (int)LIBRAFT_SPARE) server->role = (int)LIBRAFT_STANDBY;
    }
    return status;
}

/* The library's verdict; 0: it is under way. */
static int change_one(struct raft *raft, const struct change *change, struct libraft_change *request)
{
    struct libraft *library = &raft->library;
    const bool last = voters_besides(&library->configuration, change->id) == 0;

    switch (change->kind) {
    case RAFT_ADD: return add(raft, change, request);
    case RAFT_PROMOTE:
        if (voters_besides(&library->configuration, change->id) >= RAFT_VOTERS_MAX) return RAFT_INVALID;
        return libraft_assign(library, request, change->id, (int)LIBRAFT_VOTER, change_done);
    case RAFT_DEMOTE:
        if (last) return RAFT_INVALID; /* who was to be promoted before was not */
        return libraft_assign(library, request, change->id, (int)LIBRAFT_STANDBY, change_done);
    case RAFT_REMOVE:
        if (last) return RAFT_INVALID;
        return libraft_remove(library, request, change->id, change_done);
    }
    return RAFT_INVALID;
}

void changes_advance(struct raft *raft)
{
    if (raft->change_count == 0) return;
    if (raft->library.state != LIBRAFT_LEADER) {
        raft->change_count = 0; /* whoever leads now is asked again */
        return;
    }
    if (is_changing(raft) || !canonical_leads_safely(raft) || canonical_must_hold(raft)) return;
    if (raft->library.transfer != NULL || !may_append(raft)) return;
    const struct change *change = &raft->changes[raft->change_first++];
    struct libraft_change *request = libraft_malloc(sizeof *request);
    raft->change_count--;
    if (change_one(raft, change, request) != 0) {
        libraft_free(request);
        raft->more = raft->change_count > 0; /* overtaken by what others did: the next one */
    }
    canonical_after_call(raft);
}

static enum raft_verdict verdict_of(enum raft_configuration_verdict verdict)
{
    switch (verdict) {
    case RAFT_CONFIGURATION_GOOD: return RAFT_ACCEPTED;
    case RAFT_CONFIGURATION_MALFORMED: return RAFT_UNKNOWN;
    case RAFT_CONFIGURATION_UNKNOWN: return RAFT_UNKNOWN;
    case RAFT_CONFIGURATION_EMPTY: return RAFT_EMPTY;
    case RAFT_CONFIGURATION_FULL: return RAFT_TOO_LARGE;
    }
    return RAFT_UNKNOWN;
}

static void queue_change(struct raft *raft, const struct raft_change *asked, enum raft_change_kind kind)
{
    struct change *change = &raft->changes[raft->change_count++];

    *change = (struct change){ .kind = kind, .id = asked->id };
    const struct raft_member *member = raft_configuration_find(&raft->in_force, asked->id);
    const struct bytes address = member != NULL ? raft_configuration_address(&raft->in_force, member) : asked->address;
    change->address_size = address.size;
    if (address.size > 0) memcpy(change->address, address.data, address.size);
}

/* A vote is taken away by removing the member, which then is not even sent the list without it, and adding it anew.
 * One who holds a list without himself cannot campaign here, and where only two vote he may be the only one whose log
 * is good enough (Raft 4.2.2). */
static void queue_changes(struct raft *raft, const struct raft_change *changes, uint32_t count)
{
    static const enum raft_change_kind orders[2][4] = {
        { RAFT_ADD, RAFT_PROMOTE, RAFT_DEMOTE, RAFT_REMOVE }, /* so that there is always somebody to decide */
        { RAFT_ADD, RAFT_DEMOTE, RAFT_REMOVE, RAFT_PROMOTE }, /* and never more than there may be */
    };
    uint32_t voters = voters_besides(&raft->library.configuration, 0);

    for (uint32_t i = 0; i < count; i++) voters += changes[i].kind == RAFT_PROMOTE;
    const enum raft_change_kind *order = orders[voters > RAFT_VOTERS_MAX];
    raft->change_first = 0;
    for (uint32_t pass = 0; pass < COUNT_OF(orders[0]); pass++) {
        for (uint32_t i = 0; i < count; i++) {
            if (changes[i].kind != order[pass]) continue;
            const bool anew = changes[i].kind == RAFT_DEMOTE;
            queue_change(raft, &changes[i], anew ? RAFT_REMOVE : changes[i].kind);
            if (anew) queue_change(raft, &changes[i], RAFT_ADD);
        }
    }
}

static enum raft_verdict change(struct raft *raft, const struct raft_change *changes, uint32_t count)
{
    if (canonical_role(raft) != RAFT_LEADER) return RAFT_NOT_LEADER;
    if (raft->change_count > 0 || is_changing(raft) || raft->library.transfer != NULL) return RAFT_BUSY;
    if (!canonical_leads_safely(raft) || canonical_must_hold(raft) || !may_append(raft)) return RAFT_BUSY;
    const enum raft_verdict verdict =
        verdict_of(raft_configuration_change(&raft->scratch, &raft->in_force, changes, count));
    if (verdict != RAFT_ACCEPTED) return verdict;
    for (uint32_t i = 0; i < count; i++) {
        const bool member = raft_configuration_find(&raft->in_force, changes[i].id) != NULL;
        const bool leaves = changes[i].kind == RAFT_DEMOTE || changes[i].kind == RAFT_REMOVE;
        if (changes[i].kind == RAFT_ADD && member) return RAFT_UNKNOWN; /* an address cannot be changed */
        /* It would hold such a list itself: leadership is to be handed over first. */
        if (leaves && changes[i].id == raft->config.id) return RAFT_BUSY;
        if (changes[i].kind != RAFT_PROMOTE) continue;
        const struct raft_progress *progress = progress_of(raft, changes[i].id);
        const uint64_t match_index = progress != NULL ? progress->match_index : 0;
        if (match_index + raft->config.promote_lag_max < raft->trail.last_index) return RAFT_BEHIND;
    }
    queue_changes(raft, changes, count);
    changes_advance(raft);
    return RAFT_ACCEPTED;
}

enum raft_verdict canonical_change(struct raft *raft, uint64_t now_ns, const struct raft_change *changes,
                                   uint32_t count, struct raft_output *output)
{
    canonical_begin(raft, now_ns, output);
    const enum raft_verdict verdict = change(raft, changes, count);
    canonical_settle(raft, output);
    return verdict;
}

/* ---- handing over ---- */

static enum raft_verdict transfer(struct raft *raft, uint64_t to)
{
    if (canonical_role(raft) != RAFT_LEADER) return RAFT_NOT_LEADER;
    if (raft->library.transfer != NULL) return raft->library.transfer->id == to ? RAFT_ACCEPTED : RAFT_BUSY;
    if (!canonical_leads_safely(raft) || canonical_must_hold(raft)) return RAFT_BUSY;
    const struct raft_member *member = to == 0 ? NULL : raft_configuration_find(&raft->in_force, to);
    if (to != 0 && (member == NULL || (member->flags & RAFT_VOTER) == 0)) return RAFT_UNKNOWN;
    const struct raft_progress *progress = progress_of(raft, to);
    if (progress != NULL && progress->state == LIBRAFT_SENDING) return RAFT_BEHIND;
    struct libraft_transfer *request = libraft_malloc(sizeof *request);
    if (libraft_transfer(&raft->library, request, to, transfer_done) != 0) {
        libraft_free(request);
        return RAFT_UNKNOWN;
    }
    canonical_after_call(raft);
    return RAFT_ACCEPTED;
}

enum raft_verdict canonical_transfer(struct raft *raft, uint64_t now_ns, uint64_t to, struct raft_output *output)
{
    canonical_begin(raft, now_ns, output);
    const enum raft_verdict verdict = transfer(raft, to);
    canonical_settle(raft, output);
    return verdict;
}

/* ---- reads: an entry of our own that was proposed later proves, once committed, that we led then ---- */

static struct reading *reading_add(struct raft *raft, uint64_t token, uint64_t from)
{
    if (raft->reading_count == raft->config.reads_max) return NULL;
    struct reading *reading = &raft->readings[raft->reading_count++];
    *reading = (struct reading){ .token = token, .from = from, .wire_token = ++raft->next_wire_token };
    reading->deadline_ns = raft->now_ns + raft->config.election_timeout_ns;
    return reading;
}

void readings_follow(struct raft *raft, uint64_t index)
{
    for (uint32_t i = 0; i < raft->reading_count; i++) {
        struct reading *reading = &raft->readings[i];
        if (reading->state != READING_WAITS) continue;
        reading->state = READING_ASKED;
        reading->index = index;
        reading->term = raft->library.current_term;
    }
}

static bool any_waits(const struct raft *raft)
{
    for (uint32_t i = 0; i < raft->reading_count; i++) {
        if (raft->readings[i].state == READING_WAITS) return true;
    }
    return false;
}

/* Ours alone is asked: the leader answers it, or nobody in time. */
static void forward(struct raft *raft, struct reading *reading)
{
    const uint64_t leader = canonical_leader(raft);

    if (leader == 0 || leader == raft->config.id || reading->from != 0) return;
    struct raft_message *message = canonical_say(raft, RAFT_READ_REQUEST, leader, raft->library.current_term);
    if (message == NULL) return;
    message->read_request.token = reading->wire_token;
    reading->state = READING_FORWARDED;
}

static void advance_one(struct raft *raft, struct reading *reading, bool leads)
{
    const struct libraft *library = &raft->library;

    switch (reading->state) {
    case READING_WAITS:
        if (!leads) forward(raft, reading);
        break;
    case READING_ASKED:
        if (!leads || reading->term != library->current_term) reading->state = READING_FAILED;
        else if (canonical_committed(raft) >= reading->index) reading->state = READING_ANSWERED;
        break;
    case READING_FORWARDED: break;
    case READING_ANSWERED: break;
    case READING_FAILED: break;
    }
    const bool over = reading->state == READING_ANSWERED || reading->state == READING_FAILED;
    if (!over && raft->now_ns >= reading->deadline_ns) reading->state = READING_FAILED;
}

void readings_advance(struct raft *raft)
{
    struct libraft *library = &raft->library;
    const bool leads = canonical_role(raft) == RAFT_LEADER;

    for (uint32_t i = 0; i < raft->reading_count; i++) advance_one(raft, &raft->readings[i], leads);
    if (!leads || !any_waits(raft) || !canonical_leads_safely(raft) || canonical_must_hold(raft)) return;
    const bool closed = (raft->guards & CANONICAL_WINDOW) != 0 && library->commit_index < raft->trail.last_index;
    if (closed || library->transfer != NULL || !may_append(raft)) return;
    struct libraft_barrier *request = libraft_malloc(sizeof *request);
    CHECK(libraft_barrier(library, request, barrier_done) == 0);
    canonical_after_call(raft);
    readings_follow(raft, raft->trail.last_index);
}

void readings_put_out(struct raft *raft, struct raft_output *output)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < raft->reading_count; i++) {
        const struct reading *reading = &raft->readings[i];
        const bool failed = reading->state == READING_FAILED;
        const bool over = failed || reading->state == READING_ANSWERED;
        if (!over || (reading->from == 0 && output->read_count == RAFT_READS_MAX)) {
            raft->more = raft->more || over;
            raft->readings[kept++] = *reading;
            continue;
        }
        if (reading->from == 0) {
            output->reads[output->read_count++] =
                (struct raft_read_answer){ .token = reading->token, .failed = failed, .index = reading->index };
            continue;
        }
        if (failed) continue; /* who asked has a clock as well */
        struct raft_message *message =
            canonical_say(raft, RAFT_READ_RESPONSE, reading->from, raft->library.current_term);
        if (message == NULL) continue;
        message->read_response = (struct raft_read_response){ .token = reading->token, .index = reading->index };
    }
    raft->reading_count = kept;
}

uint64_t readings_deadline_ns(const struct raft *raft)
{
    uint64_t deadline_ns = RAFT_NEVER;
    for (uint32_t i = 0; i < raft->reading_count; i++) deadline_ns = MIN(deadline_ns, raft->readings[i].deadline_ns);
    return deadline_ns;
}

enum raft_verdict readings_on_request(struct raft *raft, const struct raft_message *message)
{
    if (canonical_role(raft) != RAFT_LEADER) return RAFT_STALE;
    return reading_add(raft, message->read_request.token, message->from) != NULL ? RAFT_ACCEPTED : RAFT_IGNORED;
}

enum raft_verdict readings_on_response(struct raft *raft, const struct raft_message *message)
{
    for (uint32_t i = 0; i < raft->reading_count; i++) {
        struct reading *reading = &raft->readings[i];
        if (reading->from != 0 || reading->wire_token != message->read_response.token) continue;
        if (reading->state != READING_FORWARDED) continue;
        reading->index = message->read_response.index;
        reading->state = READING_ANSWERED;
        return RAFT_ACCEPTED;
    }
    return RAFT_STALE;
}

enum raft_verdict canonical_read(struct raft *raft, uint64_t now_ns, uint64_t token, struct raft_output *output)
{
    canonical_begin(raft, now_ns, output);
    const enum raft_verdict verdict = reading_add(raft, token, 0) != NULL ? RAFT_ACCEPTED : RAFT_FULL;
    canonical_settle(raft, output);
    return verdict;
}
