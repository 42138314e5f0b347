/* progress.c -- what a leader knows of each member, and what it sends next.
 *
 *                 accepted                          rejected, or the log before next is compacted
 *     PROBING ----------------> STREAMING ---------------------------------------+
 *        ^  ^                       |                                            |
 *        |  +---- rejected ---------+                                            |
 *        +--- installed --- SENDING_SNAPSHOT <--- its log ends before ours begins (said by a rejection)
 *
 * A new leader begins with everybody STREAMING, as if all logs were equal; a new member begins PROBING.
 * PROBING sends empty requests, one per heartbeat or rejection, until the place where both logs agree is found.
 * STREAMING sends entries as they come, `next` running ahead of `match` by a bounded weight. What is lost shows as a
 * rejection of the next request. SENDING_SNAPSHOT sends chunks, and heartbeats that fit any log.
 *
 * Entries leave before our own disk has them: that promises nothing (Raft 10.2.1), and we count like a follower. */
#include "raft/state.h"

enum { CROWD = 64 }; /* peers; see docs/adr/0027 */

struct raft_peer *raft_progress_find(const struct raft *raft, uint64_t id)
{
    uint32_t low = 0, high = raft->progress.count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (raft->progress.peers[middle].id < id) low = middle + 1;
        else high = middle;
    }
    if (low == raft->progress.count || raft->progress.peers[low].id != id) return NULL;
    return &raft->progress.peers[low];
}

void raft_progress_touch(struct raft *raft, const struct raft_peer *peer)
{
    const uint32_t slot = (uint32_t)(peer - raft->progress.peers);
    CHECK(slot < raft->progress.count);
    raft->progress.dirty[slot / 64] |= (uint64_t)1 << slot % 64;
}

void raft_progress_touch_all(struct raft *raft)
{
    const uint32_t count = raft->progress.count;

    for (uint32_t i = 0; i < count / 64; i++) raft->progress.dirty[i] = UINT64_MAX;
    if (count % 64 != 0) raft->progress.dirty[count / 64] = ((uint64_t)1 << count % 64) - 1;
}

/* ------------------------------------------------------------------------------------- who there is */

static struct raft_peer fresh_peer(const struct raft *raft, uint64_t id)
{
    return (struct raft_peer){
        .id = id,
        .state = RAFT_PROBING,
        .probe_due = true,
        .next_index = raft->trail.last_index + 1,
        .heard_ns = raft->now_ns, /* the benefit of the doubt, for one election timeout */
        .goal_index = raft->trail.last_index,
        .goal_ns = raft->now_ns,
    };
}

static void put_peer(struct raft *raft, uint32_t *count, const struct raft_member *member, bool gone)
{
    if (member->id == raft->config.id || *count == raft->progress.count_max) return;
    const struct raft_peer *known = raft_progress_find(raft, member->id);
    struct raft_peer *peer = &raft->progress.spare[(*count)++];
    *peer = known != NULL ? *known : fresh_peer(raft, member->id);
    peer->flags = member->flags;
    peer->gone = gone;
}

/* Members of the list in force, and those of the list before it, which are to hear that they are gone. Not if we were
 * none of them: then our list was forced on a survivor under a new name, and those may have a leader of a newer term,
 * which must not be told to us. */
void raft_progress_rebuild(struct raft *raft)
{
    struct raft_progress *progress = &raft->progress;
    const struct raft_configuration *now = &raft->in_force, *before = &raft->previous;
    const bool were_there = raft_configuration_find(before, raft->config.id) != NULL;
    const uint32_t before_count = were_there ? before->count : 0;
    uint32_t count = 0;

    for (uint32_t i = 0, j = 0; i < now->count || j < before_count;) {
        const uint64_t now_id = i < now->count ? now->members[i].id : UINT64_MAX;
        const uint64_t before_id = j < before_count ? before->members[j].id : UINT64_MAX;
        if (before_id < now_id) {
            if (progress->count_max - count > now->count - i) put_peer(raft, &count, &before->members[j], true);
            j++;
            continue;
        }
        put_peer(raft, &count, &now->members[i++], false);
        j += before_id == now_id;
    }
    struct raft_peer *peers = progress->spare;
    progress->spare = progress->peers;
    progress->peers = peers;
    progress->count = count;
    progress->cursor = 0;
    progress->gone_until_ns = raft->now_ns + 10 * raft->config.election_timeout_ns; /* time enough to come back */
    memset(progress->dirty, 0, (progress->count_max + 63) / 64 * sizeof(uint64_t));
    raft_progress_touch_all(raft);
    if (count > 0 && progress->heartbeat_due_ns == RAFT_NEVER) {
        progress->heartbeat_due_ns = raft->now_ns + raft->config.heartbeat_ns;
    }
    if (count == 0) progress->heartbeat_due_ns = RAFT_NEVER; /* alone: no network, no timers */
}

/* Forgets members that are gone when they know it, or when they had time enough to hear it. */
static void forget_gone(struct raft *raft)
{
    struct raft_progress *progress = &raft->progress;
    const bool expired = raft->now_ns >= progress->gone_until_ns;
    const uint64_t index = raft->in_force.index;
    uint32_t count = 0;

    if (index > raft->commit_index) return;
    for (uint32_t i = 0; i < progress->count; i++) {
        const struct raft_peer *peer = &progress->peers[i];
        const bool knows = peer->match_index >= index && peer->commit_told >= index;
        if (peer->gone && (knows || expired)) continue;
        progress->peers[count++] = *peer;
    }
    if (count == progress->count) return;
    progress->count = count;
    progress->cursor = 0;
    memset(progress->dirty, 0, (progress->count_max + 63) / 64 * sizeof(uint64_t));
    raft_progress_touch_all(raft);
    raft_membership_count_voters(raft);
    if (count == 0) progress->heartbeat_due_ns = RAFT_NEVER;
}

void raft_progress_lead(struct raft *raft, struct raft_output *output)
{
    struct raft_progress *progress = &raft->progress;

    CHECK(raft->role == RAFT_CANDIDATE && raft->vote == raft->config.id);
    raft->role = RAFT_LEADER;
    raft->leader = raft->config.id;
    raft_note(output, RAFT_NOTE_LEADER, raft->config.id, raft->term);
    progress->count = 0;
    progress->beat = 1;
    progress->heartbeat = 1;
    progress->heartbeat_due_ns = RAFT_NEVER;
    raft_progress_rebuild(raft); /* first, so that the no-op is what comes next for everybody */
    raft_membership_count_voters(raft);
    /* Most logs are equal to ours, or we would hardly have won: the no-op goes out on that guess, in this very call. */
    for (uint32_t i = 0; i < progress->count; i++) {
        progress->peers[i].state = RAFT_STREAMING;
        progress->peers[i].flight_index = raft->trail.last_index;
    }
    /* An entry of our own term: by it, and only by it, older entries become committed (Raft 5.4.2, 6.4). */
    raft_storage_append(raft, (struct raft_entry){ .term = raft->term, .kind = RAFT_ENTRY_NOOP },
                        (struct bytes){ NULL, 0 }, output);
    progress->term_start_index = raft->trail.last_index;
    progress->recount = true;
}

void raft_progress_resign(struct raft *raft, struct raft_output *output)
{
    CHECK(raft->role == RAFT_LEADER);
    raft_note(output, RAFT_NOTE_STEPPED_DOWN, raft->config.id, raft->term);
    raft->handover.to = 0;
    raft->progress.count = 0;
    raft->progress.heartbeat_due_ns = RAFT_NEVER;
    raft->role = RAFT_FOLLOWER;
    raft->leader = 0;
    raft_membership_count_voters(raft);
    raft_read_leader_changed(raft);
}

/* ------------------------------------------------------------------------------------- what they say */

void raft_progress_hear(struct raft *raft, struct raft_peer *peer, uint64_t beat)
{
    peer->heard_ns = raft->now_ns;
    peer->first_heard = 1;
    peer->beat_heard = MAX(peer->beat_heard, beat);
    raft_progress_touch(raft, peer);
}

void raft_progress_probe(struct raft *raft, struct raft_peer *peer, uint64_t next_index, struct raft_output *output)
{
    if (peer->state != RAFT_PROBING) raft_note(output, RAFT_NOTE_PROBING, peer->id, next_index);
    peer->state = RAFT_PROBING;
    peer->probe_due = true;
    peer->next_index = next_index;
    raft_progress_touch(raft, peer);
}

void raft_progress_stream(struct raft *raft, struct raft_peer *peer, struct raft_output *output)
{
    if (peer->state != RAFT_STREAMING) {
        raft_note(output, RAFT_NOTE_STREAMING, peer->id, peer->next_index);
        peer->flight_index = peer->next_index - 1;
    }
    peer->state = RAFT_STREAMING;
    raft_progress_touch(raft, peer);
}

/* It holds entries of our own term, by its own word. What it said of older ones it may have said before its disk had
 * our term: after a crash a leader of an older term, whose messages are late, could make it drop those again. */
static bool has_promised(const struct raft *raft, const struct raft_peer *peer)
{
    return peer->match_index >= raft->progress.term_start_index || MUTANT(raft_promises_of_older_terms_bind);
}

static enum raft_verdict on_forgot(struct raft_peer *peer, uint64_t held_index, struct raft_output *output)
{
    if (held_index > peer->match_index) return RAFT_IMPOSSIBLE;
    if (peer->forgot) return RAFT_STALE;
    peer->forgot = true;
    raft_note(output, RAFT_NOTE_FORGOT, peer->id, held_index);
    return RAFT_ACCEPTED;
}

/* It lacks what it said it has, of older terms, and says so in answer to what was sent when we knew that. Nothing rests
 * on it: what commits is of our own term. */
static bool takes_back(const struct raft *raft, const struct raft_peer *peer,
                       const struct raft_append_response *response)
{
    return response->beat > peer->match_beat && !has_promised(raft, peer);
}

static enum raft_verdict on_rejected(struct raft *raft, struct raft_peer *peer,
                                     const struct raft_append_response *response, struct raft_output *output)
{
    if (response->index <= peer->match_index && !takes_back(raft, peer, response)) return RAFT_STALE;
    if (peer->state == RAFT_SENDING_SNAPSHOT) return RAFT_STALE;
    if (peer->state == RAFT_PROBING && response->index != peer->next_index - 1) return RAFT_STALE;
    if (response->index >= peer->next_index) return RAFT_STALE;
    if (response->index <= peer->match_index) peer->match_index = 0;
    /* Ours must agree with theirs no later than where our terms come down to their hint's (Raft 5.3, end). */
    const uint64_t agree = raft_trail_find(&raft->trail, response->hint_index, response->hint_term);
    const uint64_t next_index = MAX(peer->match_index + 1, MIN(agree + 1, response->index));
    if (next_index <= raft->trail.base_index) raft_snapshot_begin(raft, peer, output);
    else raft_progress_probe(raft, peer, next_index, output);
    return RAFT_ACCEPTED;
}

/* Under load nobody ever has all that we have now: the question is how old the end is that it has (KIP-836). */
static void follow_goal(const struct raft *raft, struct raft_peer *peer)
{
    if (peer->match_index < peer->goal_index) return;
    peer->caught_up_ns = peer->match_index == raft->trail.last_index ? raft->now_ns : peer->goal_ns;
    peer->goal_index = raft->trail.last_index;
    peer->goal_ns = raft->now_ns;
}

static void on_accepted(struct raft *raft, struct raft_peer *peer, uint64_t index, struct raft_output *output)
{
    if (index > peer->match_index) {
        peer->match_index = index;
        peer->match_beat = raft->progress.beat;
        peer->next_index = MAX(peer->next_index, index + 1);
        raft->progress.recount = true;
    }
    follow_goal(raft, peer);
    /* A heartbeat that fits any log says nothing about this one. */
    if (peer->state == RAFT_SENDING_SNAPSHOT && peer->match_index < peer->sending.index) return;
    raft_progress_stream(raft, peer, output);
}

enum raft_verdict raft_progress_on_response(struct raft *raft, const struct raft_message *message,
                                            struct raft_output *output)
{
    const struct raft_append_response *response = &message->append_response;
    struct raft_peer *peer = raft_progress_find(raft, message->from);

    if (raft->role != RAFT_LEADER || peer == NULL) return RAFT_STALE;
    if (response->beat > raft->progress.beat || response->index > raft->trail.last_index) return RAFT_IMPOSSIBLE;
    raft_progress_hear(raft, peer, response->beat);
    if (response->forgot) return on_forgot(peer, response->index, output);
    if (response->rejected) return on_rejected(raft, peer, response, output);
    on_accepted(raft, peer, response->index, output);
    return RAFT_ACCEPTED;
}

/* An entry is committed when a majority holds it durably and it is of our own term: older ones could still be
 * overwritten although a majority holds them (Raft, figure 8). They are committed by the own-term entry behind them. */
void raft_progress_count(struct raft *raft)
{
    CHECK(raft->role == RAFT_LEADER);
    raft->progress.recount = false;
    const uint64_t held = MIN(raft_quorum(raft, RAFT_QUORUM_MATCH), raft->trail.last_index);
    if (held <= raft->commit_index) return;
    if (raft_trail_term(&raft->trail, held) != raft->term && !MUTANT(M41)) return;
    raft->commit_index = held;
    raft_progress_touch_all(raft);
}

/* ------------------------------------------------------------------------------------- what we send */

/* A leader that was away, since its process or its disk stood still, has not heard, either: answers may lie unread. So
 * that time is given to all. */
static void give_back(struct raft_progress *progress, uint64_t now_ns, uint64_t away_ns)
{
    for (uint32_t i = 0; i < progress->count; i++) {
        progress->peers[i].heard_ns = MIN(progress->peers[i].heard_ns + away_ns, now_ns);
    }
}

void raft_progress_on_time(struct raft *raft, struct raft_output *output)
{
    struct raft_progress *progress = &raft->progress;

    if (raft->now_ns < progress->heartbeat_due_ns) return;
    const uint64_t since_ns = raft->now_ns - progress->heartbeat_due_ns + raft->config.heartbeat_ns;
    if (since_ns > 2 * raft->config.heartbeat_ns) give_back(progress, raft->now_ns, since_ns);
    progress->heartbeat_due_ns = raft->now_ns + raft->config.heartbeat_ns;
    const uint64_t heard_ns = raft_quorum(raft, RAFT_QUORUM_HEARD);
    if (raft->now_ns - heard_ns >= raft->config.election_timeout_ns && !MUTANT(M58)) {
        /* Others may have a leader by now. Ours must not go on answering reads or taking proposals (Raft 6.2). */
        raft_note(output, RAFT_NOTE_QUORUM_LOST, raft->config.id, raft->term);
        raft_election_follow(raft, raft->term, 0, output);
        return;
    }
    forget_gone(raft);
    if (progress->count == 0) return;
    progress->beat++;
    progress->heartbeat = progress->beat;
    for (uint32_t i = 0; i < progress->count; i++) raft_snapshot_on_heartbeat(raft, &progress->peers[i]);
    raft_progress_touch_all(raft);
}

static bool beat_is_due(const struct raft *raft, const struct raft_peer *peer)
{
    const bool voter = (peer->flags & (RAFT_VOTER | RAFT_OLD_VOTER)) != 0;
    return peer->beat_told < (voter ? raft->progress.beat : raft->progress.heartbeat);
}

static void send_append(struct raft *raft, struct raft_peer *peer, uint64_t prev_index, uint32_t count,
                        struct raft_output *output)
{
    const uint64_t end_index = prev_index + count;

    raft_message_add(raft, output, RAFT_APPEND_REQUEST, peer->id)->append_request = (struct raft_append_request){
        .prev_index = prev_index,
        .prev_term = raft_trail_term(&raft->trail, prev_index),
        .commit_index = raft->commit_index,
        .beat = raft->progress.beat,
        .held_index = has_promised(raft, peer) ? peer->match_index : 0,
        .entry_count = count,
    };
    peer->beat_told = raft->progress.beat;
    if (peer->state == RAFT_STREAMING) {
        peer->commit_told = MAX(peer->commit_told, MIN(raft->commit_index, end_index));
        peer->next_index = end_index + 1;
    }
}

/* Where very many follow, whoever does not vote is sent one message at a time: what comes up meanwhile goes with the
 * next one. It learns of it a round trip later, and the leader has a message to send and to hear for each round trip,
 * not for each entry and each commit. */
static bool has_to_wait(const struct raft *raft, const struct raft_peer *peer)
{
    const bool voter = (peer->flags & (RAFT_VOTER | RAFT_OLD_VOTER)) != 0;
    const uint64_t sent_index = peer->next_index - 1;

    return !voter && raft->progress.count >= CROWD && sent_index > MAX(peer->match_index, peer->flight_index);
}

/* How many entries may go to a streaming peer now: one message's worth, within what may be in flight. */
static uint32_t sendable(const struct raft *raft, const struct raft_peer *peer)
{
    const struct raft_trail *trail = &raft->trail;
    const uint64_t sent_index = peer->next_index - 1;
    const uint64_t known_index = MIN(MAX(peer->match_index, peer->flight_index), sent_index);
    const uint64_t in_flight = raft_trail_weight(trail, known_index, sent_index);

    if (sent_index == trail->last_index || in_flight >= raft->config.inflight_size_max) return 0;
    const uint64_t room = MIN(raft->config.append_size_max, raft->config.inflight_size_max - in_flight);
    const uint64_t fit = raft_trail_fit(trail, sent_index, room) - sent_index;
    if (fit == 0) return in_flight == 0 || raft_trail_weight(trail, sent_index, sent_index + 1) <= room;
    return (uint32_t)MIN(fit, RAFT_APPEND_ENTRIES_MAX);
}

/* Sends one message, if there is something to say. */
static bool send_one(struct raft *raft, struct raft_peer *peer, struct raft_output *output)
{
    const uint64_t base_index = raft->trail.base_index;

    /* Compaction has overtaken it. Whether it needs the snapshot is for it to say: it may be far ahead, or dead. */
    if (peer->state != RAFT_SENDING_SNAPSHOT && peer->next_index <= base_index && !MUTANT(M52)) {
        raft_progress_probe(raft, peer, base_index + 1, output);
    }
    switch ((enum raft_peer_state)peer->state) {
    case RAFT_PROBING:
        if (!peer->probe_due && !beat_is_due(raft, peer)) return false;
        peer->probe_due = false;
        send_append(raft, peer, peer->next_index - 1, 0, output);
        return true;
    case RAFT_STREAMING: {
        const bool waits = has_to_wait(raft, peer);
        const uint32_t count = waits ? 0 : sendable(raft, peer);
        const bool news = !waits && peer->commit_told < MIN(raft->commit_index, peer->next_index - 1);
        if (count == 0 && !news && !beat_is_due(raft, peer)) return false;
        send_append(raft, peer, peer->next_index - 1, count, output);
        return true;
    }
    case RAFT_SENDING_SNAPSHOT:
        if (raft_snapshot_send(raft, peer, output)) return true;
        if (!beat_is_due(raft, peer)) return false;
        send_append(raft, peer, 0, 0, output); /* fits any log */
        return true;
    }
    return false;
}

/* Gives each peer that has something to be told its turn; none gets the whole output while others wait. */
void raft_progress_send(struct raft *raft, struct raft_output *output)
{
    enum { TURN_MAX = 8 };
    struct raft_progress *progress = &raft->progress;
    const uint32_t words = (progress->count + 63) / 64;
    uint32_t idle = 0; /* words seen clean since the last one that was not */

    if (raft->role != RAFT_LEADER) return;
    while (idle <= words && words > 0) {
        const uint32_t word = progress->cursor / 64, bit = progress->cursor % 64;
        const uint64_t waiting = word < words ? progress->dirty[word] >> bit << bit : 0;
        if (waiting == 0) {
            progress->cursor = word + 1 < words ? (word + 1) * 64 : 0;
            idle++;
            continue;
        }
        const uint32_t slot = word * 64 + (uint32_t)__builtin_ctzll(waiting);
        struct raft_peer *peer = &progress->peers[slot];
        uint32_t turns = 0;
        while (turns < TURN_MAX && raft_output_room(output) && send_one(raft, peer, output)) turns++;
        if (!raft_output_room(output)) {
            raft->more = true;
            progress->cursor = turns < TURN_MAX ? slot : slot + 1;
            return;
        }
        if (turns < TURN_MAX) progress->dirty[word] &= ~((uint64_t)1 << slot % 64);
        progress->cursor = slot + 1;
        idle = 0;
    }
}
