/* raft_story.c -- what happens in a simulated Raft group, as lines for people. */
#include "sim/raft_world.h"

#include <stdarg.h>
#include <stdio.h>

static void say(struct raft_world *world, const struct raft_node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(struct raft_world *world, const struct raft_node *node, const char *format, ...)
{
    char line[400];
    va_list arguments;
    if (world->config.print == NULL) return;
    int at = snprintf(line, sizeof line, "[%4u] %u ", (unsigned)(world->now_ns / MS), (unsigned)node->id);
    va_start(arguments, format);
    vsnprintf(line + at, sizeof line - (size_t)at, format, arguments);
    va_end(arguments);
    world->config.print(line);
}

static const char *const note_names[] = {
    [RAFT_NOTE_FOLLOWING] = "follows %u in term %u",
    [RAFT_NOTE_LEADER_LOST] = "has lost leader %u of term %u",
    [RAFT_NOTE_PRE_CANDIDATE] = "asks who would vote for it (%u) after term %u",
    [RAFT_NOTE_CANDIDATE] = "is a candidate (%u) in term %u",
    [RAFT_NOTE_LEADER] = "leads (%u) in term %u",
    [RAFT_NOTE_STEPPED_DOWN] = "steps down (%u) from term %u",
    [RAFT_NOTE_QUORUM_LOST] = "hears too few (%u) in term %u",
    [RAFT_NOTE_VOTED] = "votes for %u in term %u",
    [RAFT_NOTE_CONFIGURATION] = "uses the list at %u, %u members",
    [RAFT_NOTE_ROLLED_BACK] = "is back at the list at %u, %u members",
    [RAFT_NOTE_CONFIGURATION_COMMITTED] = "list at %u is committed, %u members",
    [RAFT_NOTE_REMOVED] = "is removed (%u) by the list at %u",
    [RAFT_NOTE_TRUNCATED] = "drops entries %u to %u",
    [RAFT_NOTE_PROBING] = "probes %u from %u",
    [RAFT_NOTE_STREAMING] = "streams to %u from %u",
    [RAFT_NOTE_SNAPSHOT_SENDING] = "sends %u the snapshot at %u",
    [RAFT_NOTE_SNAPSHOT_INSTALLED] = "installed (from %u) the snapshot at %u",
    [RAFT_NOTE_SNAPSHOT_REFUSED] = "refused (from %u) the snapshot at %u",
    [RAFT_NOTE_TRANSFER_BEGUN] = "hands over to %u in term %u",
    [RAFT_NOTE_TRANSFER_FAILED] = "could not hand over to %u in term %u",
    [RAFT_NOTE_IMPOSSIBLE] = "was told what cannot be by %u: %u",
    [RAFT_NOTE_TRAIL_FULL] = "has no room for entry %u behind %u",
};
_Static_assert(sizeof note_names / sizeof note_names[0] == RAFT_NOTE_KIND_COUNT, "each note has a line");

void raft_say_notes(struct raft_world *world, struct raft_node *node)
{
    for (uint32_t i = 0; i < world->out.note_count; i++) {
        const struct raft_note *note = &world->out.notes[i];
        if (note->kind == RAFT_NOTE_IMPOSSIBLE) world->stats.impossible++;
        if (note->kind == RAFT_NOTE_TRUNCATED) world->stats.truncations++;
        if (note->kind == RAFT_NOTE_ROLLED_BACK) world->stats.rollbacks++;
        if (world->config.print == NULL) continue;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
        say(world, node, note_names[note->kind], (unsigned)note->subject, (unsigned)note->detail);
#pragma GCC diagnostic pop
    }
}

void raft_say_message(struct raft_world *world, struct raft_node *node, const struct raft_message *message)
{
    const unsigned from = (unsigned)message->from, term = (unsigned)message->term;

    switch (message->kind) {
    case RAFT_VOTE_REQUEST:
        say(world, node, "< %u asks for a %s in term %u, its log ends at %u/%u", from,
            message->vote_request.pre ? "pre-vote" : "vote", term, (unsigned)message->vote_request.last_index,
            (unsigned)message->vote_request.last_term);
        return;
    case RAFT_VOTE_RESPONSE:
        say(world, node, "< %u says %s to the %s in term %u", from, message->vote_response.granted ? "yes" : "no",
            message->vote_response.pre ? "pre-vote" : "vote", term);
        return;
    case RAFT_APPEND_REQUEST: {
        const struct raft_append_request *request = &message->append_request;
        say(world, node, "< %u appends %u behind %u/%u, commit %u, term %u", from, request->entry_count,
            (unsigned)request->prev_index, (unsigned)request->prev_term, (unsigned)request->commit_index, term);
        return;
    }
    case RAFT_APPEND_RESPONSE: {
        const struct raft_append_response *response = &message->append_response;
        if (response->forgot) {
            say(world, node, "< %u has forgotten what it held up to %u", from, (unsigned)response->index);
        } else if (response->rejected) {
            say(world, node, "< %u rejects behind %u, hint %u/%u, term %u", from, (unsigned)response->index,
                (unsigned)response->hint_index, (unsigned)response->hint_term, term);
        } else {
            say(world, node, "< %u holds %u, term %u", from, (unsigned)response->index, term);
        }
        return;
    }
    case RAFT_SNAPSHOT_REQUEST:
        say(world, node, "< %u sends snapshot %u, %u bytes from %u of %u", from,
            (unsigned)message->snapshot_request.index, message->snapshot_request.size,
            (unsigned)message->snapshot_request.offset, (unsigned)message->snapshot_request.total_size);
        return;
    case RAFT_SNAPSHOT_RESPONSE:
        say(world, node, "< %u %s snapshot %u, wants %u", from,
            message->snapshot_response.installed ? "has" : "receives", (unsigned)message->snapshot_response.index,
            (unsigned)message->snapshot_response.offset);
        return;
    case RAFT_TIMEOUT_NOW: say(world, node, "< %u hands over, term %u", from, term); return;
    case RAFT_READ_REQUEST: say(world, node, "< %u wants to read", from); return;
    case RAFT_READ_RESPONSE:
        say(world, node, "< %u may read at %u", from, (unsigned)message->read_response.index);
        return;
    }
}
