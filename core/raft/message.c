/* message.c -- a message's bytes, all integers big-endian. docs/peer.md has the tables.
 *
 *    0 u8  version, 1
 *    1 u8  kind
 *    2 u8  flags of the kind, else 0
 *    3 u8  0
 *    4 u64 term of the sender
 *   12     numbers of the kind, u64 each, in the order of its struct; then u32 ones
 *          append: u32 entry count, per entry u64 term, u32 size, u8 kind; snapshot: u32 chunk size
 *   ..     payload: the entries' bytes one behind the other; the chunk */
#include "raft/message.h"

#include "base/check.h"

enum { HEAD_SIZE = 12, ENTRY_SIZE = 13, NUMBERS_MAX = 5 };
enum { FLAG_PRE = 1, FLAG_GRANTED = 2, FLAG_TRANSFER = 2, FLAG_REJECTED = 1, FLAG_FORGOT = 2, FLAG_INSTALLED = 1 };

/* What a kind is made of: the flags it may have, how many u64 numbers, whether a u32 follows. */
static const struct shape {
    uint8_t flags, numbers;
    bool counted;
} shapes[] = {
    [RAFT_VOTE_REQUEST] = { FLAG_PRE | FLAG_TRANSFER, 3, false },
    [RAFT_VOTE_RESPONSE] = { FLAG_PRE | FLAG_GRANTED, 1, false },
    [RAFT_APPEND_REQUEST] = { 0, 5, true },
    [RAFT_APPEND_RESPONSE] = { FLAG_REJECTED | FLAG_FORGOT, 4, false },
    [RAFT_SNAPSHOT_REQUEST] = { 0, 5, true },
    [RAFT_SNAPSHOT_RESPONSE] = { FLAG_INSTALLED, 3, false },
    [RAFT_TIMEOUT_NOW] = { 0, 0, false },
    [RAFT_READ_REQUEST] = { 0, 1, false },
    [RAFT_READ_RESPONSE] = { 0, 2, false },
};

/* The middle between struct and bytes: one switch each way, and the bytes are a loop. */
struct numbers {
    uint64_t list[NUMBERS_MAX];
    uint32_t count; /* of entries, or bytes in a chunk */
    uint8_t flags;
};

static struct numbers numbers_of(const struct raft_message *message)
{
    switch (message->kind) {
    case RAFT_VOTE_REQUEST: {
        const struct raft_vote_request *vote = &message->vote_request;
        return (struct numbers){ .list = { vote->last_index, vote->last_term, vote->round },
                                 .flags = (uint8_t)(vote->pre * FLAG_PRE | vote->transfer * FLAG_TRANSFER) };
    }
    case RAFT_VOTE_RESPONSE: {
        const struct raft_vote_response *vote = &message->vote_response;
        return (struct numbers){ .list = { vote->round },
                                 .flags = (uint8_t)(vote->pre * FLAG_PRE | vote->granted * FLAG_GRANTED) };
    }
    case RAFT_APPEND_REQUEST: {
        const struct raft_append_request *append = &message->append_request;
        return (struct numbers){ { append->prev_index, append->prev_term, append->commit_index, append->beat,
                                   append->held_index },
                                 append->entry_count,
                                 0 };
    }
    case RAFT_APPEND_RESPONSE: {
        const struct raft_append_response *append = &message->append_response;
        return (struct numbers){ { append->beat, append->index, append->hint_index, append->hint_term },
                                 0,
                                 (uint8_t)(append->rejected * FLAG_REJECTED | append->forgot * FLAG_FORGOT) };
    }
    case RAFT_SNAPSHOT_REQUEST: {
        const struct raft_snapshot_request *chunk = &message->snapshot_request;
        return (struct numbers){ { chunk->index, chunk->term, chunk->total_size, chunk->offset, chunk->beat },
                                 chunk->size,
                                 0 };
    }
    case RAFT_SNAPSHOT_RESPONSE: {
        const struct raft_snapshot_response *chunk = &message->snapshot_response;
        return (struct numbers){ { chunk->index, chunk->offset, chunk->beat }, 0, chunk->installed * FLAG_INSTALLED };
    }
    case RAFT_TIMEOUT_NOW: break;
    case RAFT_READ_REQUEST: return (struct numbers){ .list = { message->read_request.token } };
    case RAFT_READ_RESPONSE:
        return (struct numbers){ .list = { message->read_response.token, message->read_response.index } };
    }
    return (struct numbers){ .count = 0 };
}

static void fill_message(struct raft_message *message, const struct numbers *from)
{
    const uint64_t *n = from->list;

    switch (message->kind) {
    case RAFT_VOTE_REQUEST:
        message->vote_request = (struct raft_vote_request){ n[0], n[1], n[2], (from->flags & FLAG_PRE) != 0,
                                                            (from->flags & FLAG_TRANSFER) != 0 };
        break;
    case RAFT_VOTE_RESPONSE:
        message->vote_response =
            (struct raft_vote_response){ n[0], (from->flags & FLAG_PRE) != 0, (from->flags & FLAG_GRANTED) != 0 };
        break;
    case RAFT_APPEND_REQUEST:
        message->append_request = (struct raft_append_request){ n[0], n[1], n[2], n[3], n[4], from->count, NULL };
        break;
    case RAFT_APPEND_RESPONSE:
        message->append_response = (struct raft_append_response){
            n[0], (from->flags & FLAG_REJECTED) != 0, (from->flags & FLAG_FORGOT) != 0, n[1], n[2], n[3]
        };
        break;
    case RAFT_SNAPSHOT_REQUEST:
        message->snapshot_request = (struct raft_snapshot_request){ n[0], n[1], n[2], n[3], n[4], from->count };
        break;
    case RAFT_SNAPSHOT_RESPONSE:
        message->snapshot_response =
            (struct raft_snapshot_response){ n[0], n[1], n[2], (from->flags & FLAG_INSTALLED) != 0 };
        break;
    case RAFT_TIMEOUT_NOW: break;
    case RAFT_READ_REQUEST: message->read_request = (struct raft_read_request){ n[0] }; break;
    case RAFT_READ_RESPONSE: message->read_response = (struct raft_read_response){ n[0], n[1] }; break;
    }
}

/* Bytes of an append request's entries; 64 bits, since a peer chooses the sizes. */
static uint64_t entries_size(const struct raft_message *message, const struct raft_entry *entries)
{
    uint64_t size = 0;
    for (uint32_t i = 0; i < message->append_request.entry_count; i++) size += entries[i].size;
    return size;
}

uint32_t raft_message_payload_size(const struct raft_message *message, const struct raft_entry *entries)
{
    if (message->kind == RAFT_SNAPSHOT_REQUEST) return message->snapshot_request.size;
    return message->kind == RAFT_APPEND_REQUEST ? (uint32_t)entries_size(message, entries) : 0;
}

uint32_t raft_message_write(const struct raft_message *message, const struct raft_entry *entries, uint8_t *to)
{
    const struct shape *shape = &shapes[message->kind];
    const struct numbers numbers = numbers_of(message);
    uint32_t at = HEAD_SIZE;

    to[0] = RAFT_MESSAGE_VERSION;
    to[1] = (uint8_t)message->kind;
    to[2] = numbers.flags;
    to[3] = 0;
    store_u64(to + 4, message->term);
    for (uint32_t i = 0; i < shape->numbers; i++, at += 8) store_u64(to + at, numbers.list[i]);
    if (!shape->counted) return at;
    store_u32(to + at, numbers.count);
    at += 4;
    if (message->kind != RAFT_APPEND_REQUEST) return at;
    CHECK(numbers.count <= RAFT_APPEND_ENTRIES_MAX);
    for (uint32_t i = 0; i < numbers.count; i++, at += ENTRY_SIZE) {
        store_u64(to + at, entries[i].term);
        store_u32(to + at + 8, entries[i].size);
        to[at + 12] = entries[i].kind;
    }
    return at;
}

/* Reads the table of entries behind `at`; 0: it is cut short or too long. Otherwise where it ends. */
static uint32_t entries_read(struct bytes bytes, uint32_t at, uint32_t count, struct raft_entry *entries)
{
    if (count > RAFT_APPEND_ENTRIES_MAX || (bytes.size - at) / ENTRY_SIZE < count) return 0;
    for (uint32_t i = 0; i < count; i++, at += ENTRY_SIZE) {
        entries[i] = (struct raft_entry){
            .term = load_u64(bytes.data + at),
            .size = load_u32(bytes.data + at + 8),
            .kind = bytes.data[at + 12],
        };
    }
    return at;
}

bool raft_message_read(struct bytes bytes, struct raft_entry *entries, struct raft_message *message)
{
    struct numbers numbers = { .count = 0 };
    uint32_t at = HEAD_SIZE;

    *message = (struct raft_message){ .kind = RAFT_TIMEOUT_NOW };
    if (bytes.size < HEAD_SIZE || bytes.data[0] != RAFT_MESSAGE_VERSION || bytes.data[3] != 0) return false;
    if (bytes.data[1] < RAFT_VOTE_REQUEST || bytes.data[1] > RAFT_READ_RESPONSE) return false;
    message->kind = (enum raft_message_kind)bytes.data[1];
    message->term = load_u64(bytes.data + 4);
    const struct shape *shape = &shapes[message->kind];
    numbers.flags = bytes.data[2];
    if ((numbers.flags & ~shape->flags) != 0) return false;
    if (bytes.size - at < shape->numbers * 8u + (shape->counted ? 4 : 0)) return false;
    for (uint32_t i = 0; i < shape->numbers; i++, at += 8) numbers.list[i] = load_u64(bytes.data + at);
    if (shape->counted) {
        numbers.count = load_u32(bytes.data + at);
        at += 4;
    }
    fill_message(message, &numbers);
    uint64_t payload_size = shape->counted ? numbers.count : 0;
    if (message->kind == RAFT_APPEND_REQUEST) {
        at = entries_read(bytes, at, numbers.count, entries);
        if (at == 0) return false;
        message->append_request.entries = entries;
        payload_size = entries_size(message, entries);
    }
    if (payload_size > RAFT_PAYLOAD_SIZE_MAX || payload_size != bytes.size - at) return false;
    message->payload = (struct bytes){ bytes.data + at, bytes.size - at };
    return true;
}
