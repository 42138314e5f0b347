/* io.c -- what the library asks for: its struct raft_io and struct raft_fsm.
 *
 * Nothing is done here: each function records. The library must not be called back before its own call has returned,
 * must never be told of a failure (it goes on with half a change), and its requests are completed in their order. */
#include "raft/canonical/state.h"

static struct raft *node_of(const struct raft_io *io)
{
    return io->impl;
}

/* ---- its disk ---- */

static int io_init(struct raft_io *io, unsigned long long id, const char *address)
{
    (void)io;
    (void)id;
    (void)address;
    return 0;
}

static void io_close(struct raft_io *io, raft_io_close_cb callback)
{
    (void)io;
    (void)callback;
    CHECK(false); /* it dies with its node */
}

static struct libraft_snapshot *snapshot_of(struct raft *raft, uint64_t index, uint64_t term)
{
    struct libraft_snapshot *snapshot = libraft_malloc(sizeof *snapshot);
    const struct list *list = lists_at(raft, index);

    CHECK(list != NULL && lists_to_library(raft, (struct bytes){ list->bytes, list->size }, &snapshot->configuration));
    snapshot->index = index;
    snapshot->term = term;
    snapshot->configuration_index = list->index;
    snapshot->n_bufs = 1;
    snapshot->bufs = libraft_malloc(sizeof *snapshot->bufs);
    snapshot->bufs[0] = (struct raft_buffer){ libraft_malloc(1), 1 }; /* the bytes are the caller's */
    return snapshot;
}

struct libraft_snapshot *snapshot_newest(struct raft *raft)
{
    return snapshot_of(raft, raft->snapshot.index, raft->snapshot.term);
}

/* An entry of the library's own log: only member lists carry bytes there. */
static void entry_of(struct raft *raft, uint64_t index, struct libraft_entry *entry)
{
    const struct raft_entry ours = raft_trail_entry(&raft->trail, index);
    static const unsigned short types[] = {
        [RAFT_ENTRY_DATA] = LIBRAFT_COMMAND,
        [RAFT_ENTRY_NOOP] = LIBRAFT_BARRIER,
        [RAFT_ENTRY_CONFIGURATION] = LIBRAFT_CHANGE,
    };

    *entry = (struct libraft_entry){ .term = ours.term, .type = types[ours.kind] };
    if (ours.kind != RAFT_ENTRY_CONFIGURATION) return;
    const struct list *list = lists_at(raft, index);
    struct libraft_configuration theirs;
    if (list == NULL || list->index != index) list = &raft->lists[0]; /* long superseded: never looked at again */
    CHECK(lists_to_library(raft, (struct bytes){ list->bytes, list->size }, &theirs));
    entry->buf.len = lists_encoded_size(&theirs);
    entry->buf.base = libraft_malloc(entry->buf.len);
    lists_encode(&theirs, entry->buf.base);
    libraft_configuration_close(&theirs);
}

static int io_load(struct raft_io *io, libraft_term *term, unsigned long long *vote, struct libraft_snapshot **snapshot,
                   libraft_index *start_index, struct libraft_entry **entries, size_t *count)
{
    struct raft *raft = node_of(io);
    const uint64_t base_index = raft->trail.base_index;

    *term = raft->restored_term;
    *vote = raft->restored_vote;
    *snapshot = base_index > 0 ? snapshot_of(raft, base_index, raft->trail.base_term) : NULL;
    *start_index = base_index + 1;
    *count = (size_t)(raft->trail.last_index - base_index);
    *entries = *count > 0 ? libraft_calloc(*count, sizeof **entries) : NULL;
    for (size_t i = 0; i < *count; i++) entry_of(raft, base_index + 1 + i, &(*entries)[i]);
    return 0;
}

static int io_start(struct raft_io *io, unsigned ms, raft_io_tick_cb tick, raft_io_recv_cb receive)
{
    (void)ms;
    node_of(io)->tick = tick;
    node_of(io)->receive = receive;
    return 0;
}

static int io_bootstrap(struct raft_io *io, const struct libraft_configuration *configuration)
{
    (void)io;
    (void)configuration;
    CHECK(false); /* canonical_found() does it */
    return 0;
}

static void hard_state(struct raft *raft, uint64_t term, uint64_t vote)
{
    raft->pending.hard_state = true;
    raft->pending.term = term;
    raft->pending.vote = vote;
}

/* Taken for durable by the library when we return. It is so for all others: what leaves after it waits (io_send). */
static int io_set_term(struct raft_io *io, libraft_term term)
{
    hard_state(node_of(io), term, 0);
    return 0;
}

static int io_set_vote(struct raft_io *io, unsigned long long id)
{
    struct raft *raft = node_of(io);
    hard_state(raft, raft->pending.hard_state ? raft->pending.term : raft->library.current_term, id);
    return 0;
}

/* Our view of an entry that the library appends at the end of its log; its list is remembered. */
static void append_one(struct raft *raft, const struct libraft_entry *entry)
{
    const uint64_t index = raft->trail.last_index + 1;
    struct raft_entry ours = { .term = entry->term, .kind = RAFT_ENTRY_DATA };
    const struct raft_message *message = raft->source.message;

    if (entry->type == LIBRAFT_BARRIER) ours.kind = RAFT_ENTRY_NOOP;
    if (entry->type == LIBRAFT_CHANGE) ours.kind = RAFT_ENTRY_CONFIGURATION;
    if (message != NULL) {
        const struct raft_append_request *request = &message->append_request;
        struct bytes payload = message->payload;
        CHECK(index > request->prev_index && index - request->prev_index <= request->entry_count);
        const uint64_t at = index - request->prev_index - 1;
        for (uint64_t i = 0; i < at; i++) payload.data += request->entries[i].size;
        ours.size = request->entries[at].size;
        payload.size = ours.size;
        if (ours.kind == RAFT_ENTRY_CONFIGURATION && ours.size <= raft->config.configuration_size_max) {
            lists_add(raft, index, payload);
        }
        if (raft->source.held && raft->pending.held_payload.size == 0) raft->pending.held_payload.data = payload.data;
        if (raft->source.held) raft->pending.held_payload.size += ours.size;
    } else if (ours.kind == RAFT_ENTRY_DATA) {
        ours.size = raft->source.sizes[index - raft->source.sizes_first];
    } else if (ours.kind == RAFT_ENTRY_CONFIGURATION) {
        struct libraft_configuration theirs;
        CHECK(lists_decode(&entry->buf, &theirs));
        lists_from_library(&theirs, &raft->scratch);
        libraft_configuration_close(&theirs);
        ours.size = raft->scratch.size;
        lists_add(raft, index, (struct bytes){ raft->scratch.bytes, raft->scratch.size });
        const struct list *list = lists_at(raft, index);
        raft->pending.own_payload = (struct bytes){ list->bytes, list->size };
    }
    if (message == NULL && ours.kind != RAFT_ENTRY_DATA) raft->own_used = true;
    raft_trail_append(&raft->trail, ours);
}

static int io_append(struct raft_io *io, struct raft_io_append *request, const struct libraft_entry *entries,
                     unsigned count, raft_io_append_cb callback)
{
    struct raft *raft = node_of(io);
    struct raft_write *pending = &raft->pending;

    request->cb = callback;
    CHECK(raft->append_count < APPENDS_MAX);
    raft->appends[raft->append_count++] = (struct append){ request, 0 };
    if (pending->entry_count == 0) pending->first_index = raft->trail.last_index + 1;
    CHECK(pending->first_index + pending->entry_count == raft->trail.last_index + 1);
    for (unsigned i = 0; i < count; i++) append_one(raft, &entries[i]);
    pending->entry_count += count;
    if (raft->in_append && raft->verified_term != raft->library.current_term) raft->verified_index = 0;
    if (raft->in_append) {
        raft->verified_term = raft->library.current_term;
        raft->verified_index = MAX(raft->verified_index, raft->verified_end);
    }
    return 0;
}

static int io_truncate(struct raft_io *io, libraft_index index)
{
    struct raft *raft = node_of(io);
    struct raft_write *pending = &raft->pending;

    if (pending->entry_count > 0 && index > pending->first_index) {
        pending->entry_count = (uint32_t)(index - pending->first_index);
    } else {
        pending->entry_count = 0;
        pending->truncate_from = pending->truncate_from == 0 ? index : MIN(pending->truncate_from, index);
    }
    raft_trail_truncate(&raft->trail, index);
    lists_truncate(raft, index);
    return 0;
}

/* Only an install asks for this: we never let it take a snapshot. It is durable already (snapshot.c). */
static int io_snapshot_put(struct raft_io *io, unsigned trailing, struct raft_io_snapshot_put *request,
                           const struct libraft_snapshot *snapshot, raft_io_snapshot_put_cb callback)
{
    struct raft *raft = node_of(io);

    CHECK(trailing == 0 && raft->put == NULL);
    raft->put = request;
    raft->put_callback = callback;
    raft_trail_reset(&raft->trail, snapshot->index, snapshot->term);
    raft->verified_index = snapshot->index;
    raft->verified_term = raft->library.current_term;
    return 0;
}

static int io_snapshot_get(struct raft_io *io, struct raft_io_snapshot_get *request, raft_io_snapshot_get_cb callback)
{
    struct raft *raft = node_of(io);

    CHECK(raft->get_count < raft->sent_max);
    raft->get_callback = callback;
    raft->gets[raft->get_count++] = request;
    return 0;
}

/* ---- its network ---- */

static void send_append(struct raft *raft, uint64_t to, const struct raft_append_entries *theirs)
{
    const uint64_t end_index = theirs->prev_log_index + theirs->n_entries;
    uint64_t prev_index = theirs->prev_log_index;
    uint64_t prev_term = theirs->prev_log_term;

    do { /* without limits of its own, it sends all that there is */
        const uint64_t fit = raft_trail_fit(&raft->trail, prev_index, raft->config.append_size_max);
        const uint64_t some = MIN(MAX(fit, prev_index + 1), prev_index + RAFT_APPEND_ENTRIES_MAX);
        const uint64_t last_index = MIN(some, end_index);
        struct raft_message *message = canonical_say(raft, RAFT_APPEND_REQUEST, to, theirs->term);
        if (message == NULL) return;
        message->append_request = (struct raft_append_request){
            .prev_index = prev_index,
            .prev_term = prev_term,
            .commit_index = MIN(theirs->leader_commit, canonical_committed(raft)),
            .entry_count = (uint32_t)(last_index - prev_index),
        };
        prev_index = last_index;
        prev_term = raft_trail_term(&raft->trail, last_index);
    } while (prev_index < end_index);
}

/* CLAMP: false, nothing can be acknowledged. */
static bool clamp(struct raft *raft, struct raft_append_entries_result *result)
{
    if ((raft->guards & CANONICAL_CLAMP) == 0 || result->rejected != 0) return true;
    if (result->term != raft->library.current_term || raft->library.state != LIBRAFT_FOLLOWER) return true;
    if (raft->verified_term != raft->library.current_term) {
        raft->verified_index = 0;
        raft->verified_term = raft->library.current_term;
    }
    if (raft->in_append || raft->in_install) raft->verified_index = MAX(raft->verified_index, raft->verified_end);
    if (raft->verified_index == 0 && result->last_log_index > 0) return false;
    result->last_log_index = MIN(result->last_log_index, raft->verified_index);
    return true;
}

static void send_append_result(struct raft *raft, uint64_t to, struct raft_append_entries_result result)
{
    if (!clamp(raft, &result)) return;
    struct raft_message *message = canonical_say(raft, RAFT_APPEND_RESPONSE, to, result.term);
    if (message == NULL) return;
    message->append_response = (struct raft_append_response){
        .rejected = result.rejected != 0,
        .index = result.rejected != 0 ? result.rejected : result.last_log_index,
        .hint_index = result.rejected != 0 ? result.last_log_index : 0,
    };
}

static void send_vote_result(struct raft *raft, uint64_t to, const struct raft_request_vote_result *result)
{
    const bool pre = result->pre_vote == raft_tribool_true;
    const bool lags = (raft->guards & CANONICAL_PREVOTE) != 0 && pre && !result->vote_granted;
    const uint64_t term = lags ? MAX(result->term, raft->library.current_term) : result->term;
    struct raft_message *message = canonical_say(raft, RAFT_VOTE_RESPONSE, to, term);

    if (message == NULL) return;
    message->vote_response = (struct raft_vote_response){ .pre = pre, .granted = result->vote_granted };
}

static void send_message(struct raft *raft, const struct libraft_message *theirs)
{
    const uint64_t to = theirs->server_id;
    struct raft_message *message;

    switch (theirs->type) {
    case RAFT_IO_REQUEST_VOTE:
        message = canonical_say(raft, RAFT_VOTE_REQUEST, to, theirs->request_vote.term);
        if (message == NULL) return;
        message->vote_request = (struct raft_vote_request){
            .last_index = theirs->request_vote.last_log_index,
            .last_term = theirs->request_vote.last_log_term,
            .pre = theirs->request_vote.pre_vote,
            .transfer = theirs->request_vote.disrupt_leader,
        };
        return;
    case RAFT_IO_REQUEST_VOTE_RESULT: send_vote_result(raft, to, &theirs->request_vote_result); return;
    case RAFT_IO_APPEND_ENTRIES: send_append(raft, to, &theirs->append_entries); return;
    case RAFT_IO_APPEND_ENTRIES_RESULT: send_append_result(raft, to, theirs->append_entries_result); return;
    case RAFT_IO_INSTALL_SNAPSHOT:
        sendings_begin(raft, to, theirs->install_snapshot.last_index, theirs->install_snapshot.last_term);
        return;
    case RAFT_IO_TIMEOUT_NOW: canonical_say(raft, RAFT_TIMEOUT_NOW, to, theirs->timeout_now.term); return;
    default: CHECK(false);
    }
}

static int io_send(struct raft_io *io, struct raft_io_send *request, const struct libraft_message *message,
                   raft_io_send_cb callback)
{
    struct raft *raft = node_of(io);
    const bool known = message->server_id == raft->delivering_from ||
                       lists_server(&raft->library.configuration, message->server_id) != NULL;

    /* Without a callback the request is part of a transfer that may be gone. */
    if (callback != NULL) {
        CHECK(raft->sent_count < raft->sent_max);
        raft->sents[raft->sent_count++] = (struct sent){ request, callback };
    }
    /* A candidate reads the leader out of the memory of its votes, and sends to wherever that leads. */
    if (known) send_message(raft, message);
    return 0;
}

/* ---- its clock, its chance ---- */

static raft_time io_time(struct raft_io *io)
{
    return node_of(io)->now_ns / 1000000;
}

static int io_random(struct raft_io *io, int min, int max)
{
    return min + (int)prng_below(&node_of(io)->prng, (uint64_t)(max - min) + 1);
}

static int io_async_work(struct raft_io *io, struct raft_io_async_work *request, raft_io_async_work_cb callback)
{
    (void)io;
    (void)request;
    (void)callback;
    CHECK(false); /* only for snapshots that it takes itself */
    return 0;
}

/* ---- its state machine: the caller has it, and asks how far it is committed ---- */

static int fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *payload, void **result)
{
    (void)fsm;
    (void)payload;
    *result = NULL;
    return 0;
}

static int fsm_snapshot(struct raft_fsm *fsm, struct raft_buffer **buffers, unsigned *count)
{
    (void)fsm;
    (void)buffers;
    (void)count;
    CHECK(false);
    return 0;
}

static int fsm_restore(struct raft_fsm *fsm, struct raft_buffer *buffer)
{
    (void)fsm;
    libraft_free(buffer->base);
    return 0;
}

static void trace(struct raft_tracer *tracer, const char *file, int line, const char *text)
{
    (void)tracer;
    (void)file;
    (void)line;
    (void)text;
}

void canonical_io_init(struct raft *raft)
{
    raft->io = (struct raft_io){
        .version = 2,
        .impl = raft,
        .init = io_init,
        .close = io_close,
        .load = io_load,
        .start = io_start,
        .bootstrap = io_bootstrap,
        .recover = io_bootstrap,
        .set_term = io_set_term,
        .set_vote = io_set_vote,
        .send = io_send,
        .append = io_append,
        .truncate = io_truncate,
        .snapshot_put = io_snapshot_put,
        .snapshot_get = io_snapshot_get,
        .time = io_time,
        .random = io_random,
        .async_work = io_async_work,
    };
    raft->fsm = (struct raft_fsm){
        .version = 1, .data = raft, .apply = fsm_apply, .snapshot = fsm_snapshot, .restore = fsm_restore
    };
    raft->tracer = (struct raft_tracer){ .impl = NULL, .enabled = false, .emit = trace };
}
