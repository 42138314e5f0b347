/* output.c -- puts notes and messages into the output of a call. */
#include "raft/state.h"

void raft_note(struct raft_output *output, enum raft_note_kind kind, uint64_t subject, uint64_t detail)
{
    CHECK(kind < RAFT_NOTE_KIND_COUNT);
    if (output == NULL || output->note_count == RAFT_NOTES_MAX) return; /* NULL: while restoring nobody listens */
    output->notes[output->note_count++] = (struct raft_note){ kind, subject, detail };
}

bool raft_output_room(const struct raft_output *output)
{
    return output->message_count < RAFT_MESSAGES_MAX;
}

struct raft_message *raft_message_add(struct raft *raft, struct raft_output *output, enum raft_message_kind kind,
                                      uint64_t to)
{
    CHECK(raft_output_room(output));
    CHECK(to != 0 && to != raft->config.id);
    struct raft_message *message = &output->messages[output->message_count++];
    *message = (struct raft_message){ .kind = kind, .from = raft->config.id, .to = to, .term = raft->term };
    return message;
}
