/* Messages as bytes: each kind once byte by byte, as docs/peer.md has it, and what is refused. */
#include "raft/message.h"
#include "t.h"

#include <stdlib.h>

static const struct raft_entry two_entries[] = { { 5, 3, RAFT_ENTRY_DATA }, { 6, 0, RAFT_ENTRY_NOOP } };

#define U64(n) 0, 0, 0, 0, 0, 0, 0, n
#define U32(n) 0, 0, 0, n

static const struct bytes_row {
    const char *why;
    struct raft_message message;
    uint8_t bytes[128];
    uint32_t size, payload_size;
} bytes_rows[] = {
    { "a vote request",
      { .kind = RAFT_VOTE_REQUEST,
        .term = 7,
        .vote_request = { .last_index = 1, .last_term = 2, .round = 3, .pre = true } },
      { 1, 1, 1, 0, U64(7), U64(1), U64(2), U64(3) },
      36,
      0 },
    { "one by order of the leader",
      { .kind = RAFT_VOTE_REQUEST, .term = 7, .vote_request = { .transfer = true } },
      { 1, 1, 2, 0, U64(7), U64(0), U64(0), U64(0) },
      36,
      0 },
    { "a vote",
      { .kind = RAFT_VOTE_RESPONSE, .term = 7, .vote_response = { .round = 3, .granted = true } },
      { 1, 2, 2, 0, U64(7), U64(3) },
      20,
      0 },
    { "entries",
      { .kind = RAFT_APPEND_REQUEST,
        .term = 7,
        .append_request = { .prev_index = 1,
                            .prev_term = 2,
                            .commit_index = 3,
                            .beat = 4,
                            .held_index = 8,
                            .entry_count = 2 } },
      { 1,      3,      0,      0, U64(7), U64(1), U64(2), U64(3), U64(4), U64(8),
        U32(2), U64(5), U32(3), 1, U64(6), U32(0), 2,      'a',    'b',    'c' },
      85,
      3 },
    { "an acknowledgement",
      { .kind = RAFT_APPEND_RESPONSE, .term = 7, .append_response = { .beat = 1, .index = 2 } },
      { 1, 4, 0, 0, U64(7), U64(1), U64(2), U64(0), U64(0) },
      44,
      0 },
    { "a rejection",
      { .kind = RAFT_APPEND_RESPONSE,
        .term = 7,
        .append_response = { .beat = 1, .rejected = true, .index = 2, .hint_index = 3, .hint_term = 4 } },
      { 1, 4, 1, 0, U64(7), U64(1), U64(2), U64(3), U64(4) },
      44,
      0 },
    { "a promise that is broken",
      { .kind = RAFT_APPEND_RESPONSE,
        .term = 7,
        .append_response = { .beat = 1, .rejected = true, .forgot = true, .index = 2 } },
      { 1, 4, 3, 0, U64(7), U64(1), U64(2), U64(0), U64(0) },
      44,
      0 },
    { "a chunk",
      { .kind = RAFT_SNAPSHOT_REQUEST,
        .term = 7,
        .snapshot_request = { .index = 1, .term = 2, .total_size = 9, .offset = 6, .beat = 5, .size = 3 } },
      { 1, 5, 0, 0, U64(7), U64(1), U64(2), U64(9), U64(6), U64(5), U32(3), 'a', 'b', 'c' },
      59,
      3 },
    { "its answer",
      { .kind = RAFT_SNAPSHOT_RESPONSE,
        .term = 7,
        .snapshot_response = { .index = 1, .offset = 2, .beat = 3, .installed = true } },
      { 1, 6, 1, 0, U64(7), U64(1), U64(2), U64(3) },
      36,
      0 },
    { "a handover", { .kind = RAFT_TIMEOUT_NOW, .term = 7 }, { 1, 7, 0, 0, U64(7) }, 12, 0 },
    { "a read",
      { .kind = RAFT_READ_REQUEST, .term = 7, .read_request = { 8 } },
      { 1, 8, 0, 0, U64(7), U64(8) },
      20,
      0 },
    { "its answer",
      { .kind = RAFT_READ_RESPONSE, .term = 7, .read_response = { 8, 9 } },
      { 1, 9, 0, 0, U64(7), U64(8), U64(9) },
      28,
      0 },
};

TEST(messages_have_these_bytes)
{
    static uint8_t head[RAFT_MESSAGE_HEAD_SIZE_MAX];
    static struct raft_entry entries[RAFT_APPEND_ENTRIES_MAX];

    FOR_EACH(bytes_row, row, bytes_rows) {
        struct raft_message read;
        const uint32_t size = raft_message_write(&row->message, two_entries, head);
        EXPECT_BYTES(row->why, row->bytes, row->size - row->payload_size, head, size);
        EXPECT_EQ(row->why, row->payload_size, raft_message_payload_size(&row->message, two_entries));

        EXPECT(row->why, raft_message_read((struct bytes){ row->bytes, row->size }, entries, &read));
        EXPECT_EQ(row->why, row->payload_size, read.payload.size);
        const uint32_t again = raft_message_write(&read, entries, head);
        EXPECT_BYTES(row->why, row->bytes, row->size - row->payload_size, head, again);

        /* In memory of exactly that size, so that a sanitizer sees a byte read too many. */
        for (uint32_t shorter = 0; shorter < row->size; shorter++) {
            uint8_t *part = malloc(shorter + 1);
            memcpy(part, row->bytes, shorter);
            EXPECT("cut short", !raft_message_read((struct bytes){ part, shorter }, entries, &read));
            free(part);
        }
        EXPECT("a byte too many", !raft_message_read((struct bytes){ row->bytes, row->size + 1 }, entries, &read));
    }
}

static const struct refused_row {
    const char *why;
    uint8_t bytes[64];
    uint32_t size;
} refused_rows[] = {
    { "another version", { 2, 7, 0, 0, U64(7) }, 12 },
    { "kind 0", { 1, 0, 0, 0, U64(7) }, 12 },
    { "an unknown kind", { 1, 10, 0, 0, U64(7) }, 12 },
    { "a flag that the kind has not", { 1, 7, 1, 0, U64(7) }, 12 },
    { "the byte that is 0", { 1, 7, 0, 1, U64(7) }, 12 },
    { "more entries than there are bytes", { 1, 3, 0, 0, U64(7), U64(1), U64(2), U64(3), U64(4), U32(1) }, 48 },
    { "entries without end", { 1, 3, 0, 0, U64(7), U64(1), U64(2), U64(3), U64(4), 255, 255, 255, 255 }, 48 },
    { "a chunk larger than its bytes",
      { 1, 5, 0, 0, U64(7), U64(1), U64(2), U64(9), U64(6), U64(5), U32(3), 'a' },
      57 },
};

TEST(bytes_that_are_no_message)
{
    static struct raft_entry entries[RAFT_APPEND_ENTRIES_MAX];
    FOR_EACH(refused_row, row, refused_rows) {
        struct raft_message read;
        EXPECT(row->why, !raft_message_read((struct bytes){ row->bytes, row->size }, entries, &read));
    }
}
