/* read.c -- linearizable reads without writing to the log (Raft 6.4, ReadIndex).
 *
 * The answer to a read is the leader's commit index at a moment after the read was asked, once a majority has answered
 * a beat that was sent after that moment: so no newer leader can have committed more before. One round of beats is
 * under way at a time; reads that come meanwhile share the next. A leader that has committed nothing in its term yet
 * does not know how far its predecessors committed, and lets reads wait. Members forward their reads to the leader. */
#include "raft/state.h"

static void drop(struct raft_reads *reads, uint32_t at)
{
    CHECK(at < reads->count);
    reads->count--;
    reads->list[at] = reads->list[reads->count];
}

static struct raft_reading *add(struct raft *raft, enum raft_read_state state, uint64_t token, uint64_t from)
{
    struct raft_reads *reads = &raft->reads;

    if (reads->count == reads->count_max) return NULL;
    struct raft_reading *reading = &reads->list[reads->count++];
    *reading = (struct raft_reading){ .token = token, .from = from, .state = state };
    return reading;
}

enum raft_verdict raft_read_begin(struct raft *raft, uint64_t token, struct raft_output *output)
{
    if (raft->leader == 0) return RAFT_NOT_LEADER;
    if (raft->role == RAFT_LEADER) {
        return add(raft, RAFT_READ_WAITS, token, 0) == NULL ? RAFT_FULL : RAFT_ACCEPTED;
    }
    struct raft_reading *reading = add(raft, RAFT_READ_FORWARDED, token, 0);
    if (reading == NULL) return RAFT_FULL;
    reading->wire_token = raft->reads.next_wire_token++;
    reading->deadline_ns = raft->now_ns + raft->config.election_timeout_ns;
    raft_message_add(raft, output, RAFT_READ_REQUEST, raft->leader)->read_request =
        (struct raft_read_request){ .token = reading->wire_token };
    return RAFT_ACCEPTED;
}

enum raft_verdict raft_read_on_request(struct raft *raft, const struct raft_message *message)
{
    if (raft->role != RAFT_LEADER) return RAFT_IGNORED;
    if (raft_progress_find(raft, message->from) == NULL) return RAFT_IGNORED;
    const bool fits = add(raft, RAFT_READ_WAITS, message->read_request.token, message->from) != NULL;
    return fits ? RAFT_ACCEPTED : RAFT_IGNORED; /* it asks again, or somebody else */
}

enum raft_verdict raft_read_on_response(struct raft *raft, const struct raft_message *message)
{
    if (raft->leader != message->from) return RAFT_STALE;
    for (uint32_t i = 0; i < raft->reads.count; i++) {
        struct raft_reading *reading = &raft->reads.list[i];
        if (reading->state != RAFT_READ_FORWARDED || reading->wire_token != message->read_response.token) continue;
        reading->index = message->read_response.index;
        reading->state = RAFT_READ_ANSWERED;
        return RAFT_ACCEPTED;
    }
    return RAFT_STALE;
}

/* Nobody will answer what the old leader was asked, or promised to find out. */
void raft_read_leader_changed(struct raft *raft)
{
    struct raft_reads *reads = &raft->reads;

    reads->round_beat = 0;
    for (uint32_t i = 0; i < reads->count; i++) {
        if (reads->list[i].state != RAFT_READ_ANSWERED) reads->list[i].state = RAFT_READ_FAILED;
    }
}

void raft_read_on_time(struct raft *raft)
{
    for (uint32_t i = 0; i < raft->reads.count; i++) {
        struct raft_reading *reading = &raft->reads.list[i];
        if (reading->state != RAFT_READ_FORWARDED || raft->now_ns < reading->deadline_ns) continue;
        reading->state = RAFT_READ_FAILED;
    }
}

static void close_round(struct raft *raft)
{
    struct raft_reads *reads = &raft->reads;

    if (reads->round_beat == 0 || raft_quorum(raft, RAFT_QUORUM_BEAT) < reads->round_beat) return;
    for (uint32_t i = 0; i < reads->count; i++) {
        if (reads->list[i].state == RAFT_READ_ASKED) reads->list[i].state = RAFT_READ_ANSWERED;
    }
    reads->round_beat = 0;
}

static void open_round(struct raft *raft)
{
    struct raft_reads *reads = &raft->reads;
    bool any = false;

    if (reads->round_beat != 0) return;
    for (uint32_t i = 0; i < reads->count; i++) {
        struct raft_reading *reading = &reads->list[i];
        if (reading->state != RAFT_READ_WAITS) continue;
        reading->state = RAFT_READ_ASKED;
        reading->index = raft->commit_index;
        any = true;
    }
    if (!any) return;
    raft->progress.beat++;
    reads->round_beat = raft->progress.beat;
    raft_progress_touch_all(raft);
}

void raft_read_advance(struct raft *raft)
{
    if (raft->role != RAFT_LEADER || raft->reads.count == 0) return;
    if (raft->commit_index < raft->progress.term_start_index && !MUTANT(M55)) return;
    close_round(raft);
    open_round(raft);
    close_round(raft); /* a sole voter has heard from itself */
}

/* Puts out what is settled, as far as there is room. */
void raft_read_put_out(struct raft *raft, struct raft_output *output)
{
    struct raft_reads *reads = &raft->reads;

    for (uint32_t i = 0; i < reads->count;) {
        const struct raft_reading *reading = &reads->list[i];
        const bool failed = reading->state == RAFT_READ_FAILED;
        if (!failed && reading->state != RAFT_READ_ANSWERED) {
            i++;
            continue;
        }
        const bool remote = reading->from != 0;
        if (remote ? !failed && !raft_output_room(output) : output->read_count == RAFT_READS_MAX) {
            raft->more = true;
            return;
        }
        if (!remote) {
            output->reads[output->read_count++] = (struct raft_read_answer){ reading->token, failed, reading->index };
        } else if (!failed) {
            raft_message_add(raft, output, RAFT_READ_RESPONSE, reading->from)->read_response =
                (struct raft_read_response){ reading->token, reading->index };
        }
        drop(reads, i);
    }
}

uint64_t raft_read_deadline_ns(const struct raft *raft)
{
    uint64_t deadline_ns = RAFT_NEVER;
    for (uint32_t i = 0; i < raft->reads.count; i++) {
        const struct raft_reading *reading = &raft->reads.list[i];
        if (reading->state == RAFT_READ_FORWARDED) deadline_ns = MIN(deadline_ns, reading->deadline_ns);
    }
    return deadline_ns;
}
