/* metadata_frames.c -- what members say to each other, in and out.
 *
 *   frame: u64 member it is for | a message of Raft (raft/message.h)
 *
 * The node behind a link may be another member than the one that is meant: its directory was emptied. It is told apart
 * here, since Raft's messages name nobody. */
#include "base/check.h"
#include "controller/metadata_log_state.h"

/* ---- out ---- */

void metadata_outbox_push(struct metadata_log *log, const struct raft_message *message)
{
    struct outbox *outbox = &log->outbox;

    if (message->kind == RAFT_SNAPSHOT_REQUEST) {
        metadata_chunks_push(log, message);
    } else if (outbox->count == OUTBOX_MAX) {
        log->counters.frames_lost++;
    } else {
        outbox->ring[(outbox->first + outbox->count++) % OUTBOX_MAX] = *message;
    }
}

/* Between the call that put it out and now, another call of this step may have changed the log. In one term a leader's
 * entries stay what they are; in another, or compacted, they are not what the message speaks of. */
static bool entries_are_there(const struct metadata_log *log, const struct raft_message *message)
{
    const struct raft_append_request *request = &message->append_request;

    if (raft_role(log->raft) != RAFT_LEADER || raft_term(log->raft) != message->term) return false;
    return request->prev_index + 1 >= raft_first_index(log->raft) &&
           request->prev_index + request->entry_count <= raft_last_index(log->raft);
}

static void count(struct metadata_log *log, const struct raft_message *message)
{
    struct metadata_log_counters *counters = &log->counters;

    if (message->kind == RAFT_VOTE_REQUEST) counters->vote_requests_sent++;
    if (message->kind == RAFT_SNAPSHOT_REQUEST) counters->chunks_sent++;
    if (message->kind != RAFT_APPEND_REQUEST) return;
    if (message->append_request.entry_count > 0) counters->appends_sent++;
    else counters->heartbeats_sent++;
}

static void encode(struct metadata_log *log, const struct raft_message *message, const struct raft_entry *entries,
                   struct metadata_frame *frame)
{
    store_u64(log->frame_head, message->to);
    const uint32_t head_size = raft_message_write(message, entries, log->frame_head + FRAME_HEAD_SIZE);
    log->frame_parts[0] = (struct bytes){ log->frame_head, FRAME_HEAD_SIZE + head_size };
    *frame = (struct metadata_frame){ .to = message->to, .parts = log->frame_parts, .part_count = 1 };
    count(log, message);
}

/* False: its entries are not there any more. */
static bool encode_append(struct metadata_log *log, const struct raft_message *message, struct metadata_frame *frame)
{
    const struct raft_append_request *request = &message->append_request;
    if (request->entry_count > 0 && !entries_are_there(log, message)) return false;

    for (uint32_t i = 0; i < request->entry_count; i++) {
        log->frame_entries[i] = raft_entry(log->raft, request->prev_index + 1 + i);
    }
    encode(log, message, log->frame_entries, frame);
    for (uint32_t i = 0; i < request->entry_count; i++) {
        const struct kept_entry *kept = metadata_log_kept(log, request->prev_index + 1 + i);
        if (kept->size > 0) log->frame_parts[frame->part_count++] = (struct bytes){ kept->payload, kept->size };
    }
    return true;
}

bool metadata_log_next_frame(struct metadata_log *log, struct metadata_frame *frame)
{
    struct outbox *outbox = &log->outbox;
    struct raft_message message;
    struct bytes chunk;

    while (outbox->count > 0) {
        message = outbox->ring[outbox->first];
        outbox->first = (outbox->first + 1) % OUTBOX_MAX;
        outbox->count--;
        if (message.kind != RAFT_APPEND_REQUEST) {
            encode(log, &message, NULL, frame);
            return true;
        }
        if (encode_append(log, &message, frame)) return true;
        log->counters.frames_lost++;
    }
    while (metadata_chunks_next(log, &message, &chunk)) {
        if (raft_role(log->raft) != RAFT_LEADER || raft_term(log->raft) != message.term) continue; /* old news */
        encode(log, &message, NULL, frame);
        log->frame_parts[frame->part_count++] = chunk;
        return true;
    }
    return false;
}

/* ---- in ---- */

/* How many of the request's entries we hold already: they take no room. */
static uint32_t held(const struct metadata_log *log, const struct raft_append_request *request)
{
    uint32_t count_held = 0;

    while (count_held < request->entry_count) {
        const uint64_t index = request->prev_index + 1 + count_held;
        const uint64_t term = raft_term_at(log->raft, index);
        const bool compacted = index < raft_first_index(log->raft);
        if (!compacted && (term == 0 || term != request->entries[count_held].term)) break;
        count_held++;
    }
    return count_held;
}

/* Sets room aside for the entries of an append request, or for the first of them, and cuts off the rest: what is left
 * is a request like any other, and says at least that the leader is there. False: not even for that is there room. */
static bool make_room(struct metadata_log *log, struct raft_message *message)
{
    struct raft_append_request *request = &message->append_request;
    const uint32_t held_count = held(log, request), brought_count = request->entry_count;
    uint32_t taken = metadata_entries_fit(log) ? brought_count : held_count;
    bool fits = false;

    for (;;) {
        uint64_t weight = 0;
        for (uint32_t i = held_count; i < taken; i++) weight += metadata_entry_weight(request->entries[i].size);
        fits = metadata_write_reserve(log, weight);
        if (fits || taken == held_count) break;
        taken = held_count + (taken - held_count) / 2;
    }
    if (taken < brought_count) {
        log->counters.appends_cut++;
        log->proposer_waits = true; /* a snapshot may make room */
    }
    for (uint32_t i = taken; i < brought_count; i++) message->payload.size -= request->entries[i].size;
    request->entry_count = taken;
    return fits;
}

/* What a stranger says may still make us write, if only a newer term. Not into the last of the journal. */
static bool is_stranger(const struct metadata_log *log, uint64_t member)
{
    const struct raft_configuration *list = raft_configuration(log->raft);
    const bool scarce = journal_usage(log->journal).used_size > log->journal_shared_size;

    return scarce && raft_configuration_find(list, member) == NULL;
}

static bool hears(struct metadata_log *log, struct raft_message *message)
{
    if (message->term > raft_term(log->raft) && is_stranger(log, message->from)) return false;
    if (message->kind == RAFT_APPEND_REQUEST) return make_room(log, message);
    if (message->kind == RAFT_SNAPSHOT_REQUEST && !metadata_install_hears(log, message)) return false;
    return metadata_write_reserve(log, 0);
}

/* Sizes of entries are the sender's word: only as many bytes as there are can be cut off. */
static bool sizes_agree(const struct raft_message *message)
{
    uint64_t size = 0;

    if (message->kind != RAFT_APPEND_REQUEST) return true;
    for (uint32_t i = 0; i < message->append_request.entry_count; i++) size += message->append_request.entries[i].size;
    return size == message->payload.size;
}

bool metadata_log_on_frame(struct metadata_log *log, uint64_t from, struct bytes frame)
{
    struct metadata_log_counters *counters = &log->counters;
    struct raft_message message;

    if (log->opening != OPENING_DONE) return true;
    const bool whole = frame.size >= FRAME_HEAD_SIZE;
    const struct bytes rest = { frame.data + FRAME_HEAD_SIZE, whole ? frame.size - FRAME_HEAD_SIZE : 0 };
    if (!whole || !raft_message_read(rest, log->frame_entries, &message) || !sizes_agree(&message)) {
        counters->frames_malformed++;
        return false;
    }
    if (load_u64(frame.data) != log->member) {
        counters->frames_stray++;
        return true;
    }
    message.from = from;
    message.to = log->member;
    if (!hears(log, &message)) {
        counters->frames_unheard++;
        return true;
    }
    const enum raft_verdict verdict = raft_on_message(log->raft, log->mono_ns, &message, &log->output);
    counters->frames_impossible += verdict == RAFT_IMPOSSIBLE;
    const bool brings = message.kind == RAFT_APPEND_REQUEST;
    metadata_log_act(log, &(struct entry_source){ .message = brings ? &message : NULL });
    if (log->output.chunk.size > 0) metadata_install_on_chunk(log, &message);
    return true;
}

/* ---- notes ---- */

void metadata_take_notes(struct metadata_log *log)
{
    const struct raft_output *output = &log->output;
    struct metadata_log_counters *counters = &log->counters;

    for (uint32_t i = 0; i < output->note_count; i++) {
        const struct raft_note *note = &output->notes[i];
        counters->elections_won += note->kind == RAFT_NOTE_LEADER;
        counters->leaders_seen += note->kind == RAFT_NOTE_LEADER || note->kind == RAFT_NOTE_FOLLOWING;
        counters->snapshots_sent += note->kind == RAFT_NOTE_SNAPSHOT_SENDING;
        counters->snapshots_installed += note->kind == RAFT_NOTE_SNAPSHOT_INSTALLED;
        counters->members_forgot += note->kind == RAFT_NOTE_FORGOT;
        counters->snapshots_refused += note->kind == RAFT_NOTE_SNAPSHOT_REFUSED;
        if (log->note_count < NOTES_KEPT_MAX) log->notes[log->note_count++] = *note;
    }
}

static void tell(const struct raft_note *note, struct effects *effects)
{
    const int32_t node = member_node(note->subject);
    const int64_t subject = (int64_t)note->subject, detail = (int64_t)note->detail;

    switch (note->kind) {
    case RAFT_NOTE_FOLLOWING: NOTE(effects, RAFT_FOLLOWING, node, detail); break;
    case RAFT_NOTE_LEADER_LOST: NOTE(effects, RAFT_LEADER_LOST, node, detail); break;
    case RAFT_NOTE_CANDIDATE: NOTE(effects, RAFT_CANDIDATE, detail); break;
    case RAFT_NOTE_VOTED: NOTE(effects, RAFT_VOTED, node, detail); break;
    case RAFT_NOTE_STEPPED_DOWN: NOTE(effects, RAFT_STEPPED_DOWN, detail); break;
    case RAFT_NOTE_QUORUM_LOST: NOTE(effects, RAFT_QUORUM_LOST, detail); break;
    case RAFT_NOTE_CONFIGURATION_COMMITTED: NOTE(effects, RAFT_MEMBERS, subject, detail); break;
    case RAFT_NOTE_TRUNCATED: NOTE(effects, RAFT_TRUNCATED, subject, detail); break;
    case RAFT_NOTE_SNAPSHOT_SENDING: NOTE(effects, RAFT_SNAPSHOT_SENDING, detail, node); break;
    case RAFT_NOTE_SNAPSHOT_INSTALLED: NOTE(effects, RAFT_SNAPSHOT_INSTALLED, detail, node); break;
    case RAFT_NOTE_SNAPSHOT_REFUSED: NOTE(effects, RAFT_SNAPSHOT_REFUSED, detail, node); break;
    case RAFT_NOTE_TRANSFER_BEGUN: NOTE(effects, RAFT_TRANSFER, node, detail); break;
    case RAFT_NOTE_TRANSFER_FAILED: NOTE(effects, RAFT_TRANSFER_FAILED, node, detail); break;
    case RAFT_NOTE_IMPOSSIBLE: NOTE(effects, RAFT_IMPOSSIBLE, node, detail); break;
    case RAFT_NOTE_FORGOT: NOTE(effects, RAFT_FORGOT, node, detail); break;
    case RAFT_NOTE_TRAIL_FULL: NOTE(effects, RAFT_TRAIL_FULL, subject); break;
    case RAFT_NOTE_PRE_CANDIDATE:
    case RAFT_NOTE_LEADER: /* told when it may decide */
    case RAFT_NOTE_CONFIGURATION:
    case RAFT_NOTE_ROLLED_BACK:
    case RAFT_NOTE_REMOVED: /* told when it is written down */
    case RAFT_NOTE_PROBING:
    case RAFT_NOTE_STREAMING:
    case RAFT_NOTE_KIND_COUNT: break;
    }
}

/* Whether others belong to the cluster. Who comes to one that is there already makes no transition. */
static void tell_mode(struct metadata_log *log, const struct raft_note *note, struct effects *effects)
{
    const uint64_t before = log->members_told;
    const bool listed = raft_configuration_find(raft_configuration(log->raft), log->member) != NULL;

    if (note->kind != RAFT_NOTE_CONFIGURATION_COMMITTED || !listed) return;
    log->members_told = note->detail;
    if (before == 1 && note->detail > 1) NOTE(effects, CLUSTER_MODE, (int64_t)note->detail);
    if (before > 1 && note->detail == 1) NOTE(effects, SINGLE_NODE_MODE);
}

void metadata_tell_notes(struct metadata_log *log, struct effects *effects)
{
    for (uint32_t i = 0; i < log->note_count; i++) {
        tell(&log->notes[i], effects);
        tell_mode(log, &log->notes[i], effects);
    }
    log->note_count = 0;
}
