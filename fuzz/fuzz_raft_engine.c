/* The engine as one member of a group, and bytes that choose what happens to it: time, answers of the disk, wishes, and
 * messages whose every field is chosen, most of them near what would be true. Nothing that others say may fail a CHECK,
 * and what the node wants must keep to its own laws. */
#include "raft/raft.h"

#include <stdlib.h>

enum { TICKETS_MAX = 64, PAYLOAD_MAX = 256 };

struct fuzzed {
    const uint8_t *data;
    size_t size;
    struct raft *raft;
    uint64_t now_ns;
    struct raft_ticket tickets[TICKETS_MAX]; /* not durable yet */
    uint32_t ticket_count;
    uint64_t told_index, term, next_index; /* next_index: where the next write has to begin */
    bool installing;
    struct raft_output output;
};

static const struct raft_config config = {
    .id = 1,
    .seed = 3,
    .election_timeout_ns = 300,
    .heartbeat_ns = 50,
    .members_max = 8,
    .configuration_size_max = 256,
    .entries_max = 32,
    .uncommitted_max = 8,
    .entry_size_max = 8,
    .append_size_max = 100,
    .inflight_size_max = 200,
    .chunk_size_max = 4,
    .chunks_inflight_max = 2,
    .reads_max = 3,
    .promote_lag_max = 4,
};

static const uint8_t list_of_three[] = { 1, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0,
                                         0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0 };
static const struct bytes list_bytes = { list_of_three, sizeof list_of_three };

static void must(bool holds)
{
    if (!holds) abort();
}

static uint8_t next_byte(struct fuzzed *fuzzed)
{
    if (fuzzed->size == 0) return 0;
    fuzzed->size--;
    return *fuzzed->data++;
}

/* Mostly close to `center`, sometimes anything. */
static uint64_t near(struct fuzzed *fuzzed, uint64_t center)
{
    const uint8_t byte = next_byte(fuzzed);
    if (byte == 255) return UINT64_MAX - next_byte(fuzzed);
    if (byte == 254) return RAFT_NUMBER_MAX - 1 - next_byte(fuzzed);
    const uint64_t offset = byte % 16;
    return center + offset < 6 ? 0 : center + offset - 6;
}

/* Does what the call wants, and holds it against the laws of raft.h. */
static void drain(struct fuzzed *fuzzed)
{
    const struct raft_output *output = &fuzzed->output;
    const struct raft_write *write = &output->write;

    raft_check(fuzzed->raft);
    must(raft_term(fuzzed->raft) >= fuzzed->term);
    fuzzed->term = raft_term(fuzzed->raft);
    if (output->commit_index != 0) {
        must(output->commit_index > fuzzed->told_index && output->commit_index == raft_commit_index(fuzzed->raft));
        fuzzed->told_index = output->commit_index;
    }
    if (write->ticket.sequence != 0) {
        if (write->truncate_from != 0) fuzzed->next_index = MIN(fuzzed->next_index, write->truncate_from);
        if (write->entry_count > 0) {
            must(write->first_index == fuzzed->next_index || write->first_index == raft_commit_index(fuzzed->raft) + 1);
            fuzzed->next_index = write->first_index + write->entry_count;
        }
        must(write->ticket.last_index == raft_last_index(fuzzed->raft));
        if (fuzzed->ticket_count == TICKETS_MAX) fuzzed->ticket_count = 0; /* a slow disk that skips answers */
        fuzzed->tickets[fuzzed->ticket_count++] = write->ticket;
    }
    for (uint32_t i = 0; i < output->message_count; i++) {
        const struct raft_message *message = &output->messages[i];
        if (message->kind != RAFT_APPEND_REQUEST) continue;
        for (uint32_t j = 0; j < message->append_request.entry_count; j++) {
            (void)raft_entry(fuzzed->raft, message->append_request.prev_index + 1 + j); /* must be there */
        }
    }
    if (output->chunk.last) fuzzed->installing = true;
}

static void fill_append(struct fuzzed *fuzzed, struct raft_message *message, struct raft_entry *entries,
                        uint8_t *payload)
{
    struct raft_append_request *request = &message->append_request;
    const uint64_t last = raft_last_index(fuzzed->raft);
    uint32_t size = 0;

    request->prev_index = near(fuzzed, last);
    request->prev_term =
        next_byte(fuzzed) % 4 != 0 ? raft_term_at(fuzzed->raft, request->prev_index) : near(fuzzed, message->term);
    request->commit_index = near(fuzzed, last);
    request->beat = near(fuzzed, 6);
    request->entry_count = next_byte(fuzzed) % 6;
    request->entries = entries;
    for (uint32_t i = 0; i < request->entry_count; i++) {
        const uint8_t byte = next_byte(fuzzed);
        const bool list = byte % 16 == 15;
        entries[i] = (struct raft_entry){ .term = byte % 8 == 7 ? near(fuzzed, message->term) : message->term,
                                          .size = list ? list_bytes.size : byte % 4,
                                          .kind = (uint8_t)(list ? RAFT_ENTRY_CONFIGURATION : 1 + (byte / 16 == 5)) };
        if (entries[i].kind == RAFT_ENTRY_NOOP && byte % 2 == 0) entries[i].size = 0;
        if (size + entries[i].size > PAYLOAD_MAX) entries[i].size = 0;
        if (list && entries[i].size > 0) {
            memcpy(payload + size, list_of_three, list_bytes.size);
            payload[size + 8 + 8] ^= next_byte(fuzzed) & 3; /* node 1's flags */
        }
        size += entries[i].size;
    }
    message->payload = (struct bytes){ payload, size };
}

static void say(struct fuzzed *fuzzed)
{
    static uint8_t payload[PAYLOAD_MAX];
    struct raft_entry entries[6];
    struct raft_message message = { .kind = (enum raft_message_kind)(1 + next_byte(fuzzed) % 9), .to = 1 };
    const uint64_t last = raft_last_index(fuzzed->raft);

    message.from = next_byte(fuzzed) % 5;
    const uint8_t age = next_byte(fuzzed);
    message.term = age % 8 < 6 ? raft_term(fuzzed->raft) : age % 8 == 6 ? raft_term(fuzzed->raft) + 1 : near(fuzzed, 6);
    switch (message.kind) {
    case RAFT_VOTE_REQUEST:
        message.vote_request.last_index = near(fuzzed, last);
        message.vote_request.last_term = near(fuzzed, raft_term_at(fuzzed->raft, last));
        message.vote_request.pre = next_byte(fuzzed) % 2;
        message.vote_request.transfer = next_byte(fuzzed) % 2;
        break;
    case RAFT_VOTE_RESPONSE:
        message.vote_response.round = near(fuzzed, 6);
        message.vote_response.pre = next_byte(fuzzed) % 2;
        message.vote_response.granted = next_byte(fuzzed) % 4 != 0;
        break;
    case RAFT_APPEND_REQUEST: fill_append(fuzzed, &message, entries, payload); break;
    case RAFT_APPEND_RESPONSE:
        message.append_response.beat = near(fuzzed, 6);
        message.append_response.rejected = next_byte(fuzzed) % 2;
        message.append_response.index = near(fuzzed, last);
        message.append_response.hint_index = near(fuzzed, last);
        message.append_response.hint_term = near(fuzzed, raft_term(fuzzed->raft));
        break;
    case RAFT_SNAPSHOT_REQUEST:
        message.snapshot_request.index = near(fuzzed, last + 3);
        message.snapshot_request.term = near(fuzzed, raft_term(fuzzed->raft));
        message.snapshot_request.total_size = 1 + next_byte(fuzzed) % 8;
        message.snapshot_request.offset = next_byte(fuzzed) % 8;
        message.snapshot_request.size = next_byte(fuzzed) % 9;
        message.snapshot_request.beat = near(fuzzed, 6);
        message.payload = (struct bytes){ payload, message.snapshot_request.size };
        break;
    case RAFT_SNAPSHOT_RESPONSE:
        message.snapshot_response.index = near(fuzzed, last);
        message.snapshot_response.offset = near(fuzzed, 6);
        message.snapshot_response.beat = near(fuzzed, 6);
        message.snapshot_response.installed = next_byte(fuzzed) % 2;
        break;
    case RAFT_TIMEOUT_NOW: break;
    case RAFT_READ_REQUEST: message.read_request.token = next_byte(fuzzed); break;
    case RAFT_READ_RESPONSE: message.read_response = (struct raft_read_response){ near(fuzzed, 6), last }; break;
    }
    raft_on_message(fuzzed->raft, fuzzed->now_ns, &message, &fuzzed->output);
    drain(fuzzed);
}

static void stored(struct fuzzed *fuzzed)
{
    if (fuzzed->ticket_count == 0) return;
    const uint32_t at = next_byte(fuzzed) % fuzzed->ticket_count;
    const struct raft_ticket ticket = fuzzed->tickets[at];
    fuzzed->ticket_count -= at + 1;
    memmove(fuzzed->tickets, fuzzed->tickets + at + 1, fuzzed->ticket_count * sizeof *fuzzed->tickets);
    raft_on_stored(fuzzed->raft, fuzzed->now_ns, ticket, &fuzzed->output);
    drain(fuzzed);
}

static void wish(struct fuzzed *fuzzed)
{
    static const uint32_t sizes[] = { 1, 8, 9, 0 };
    struct raft *raft = fuzzed->raft;
    const uint8_t byte = next_byte(fuzzed);
    const struct raft_change change = { (enum raft_change_kind)(byte / 8 % 4), byte / 32, BYTES_LITERAL("x") };

    switch (byte % 5) {
    case 0: raft_propose(raft, fuzzed->now_ns, sizes, 1 + byte / 8 % 4, &fuzzed->output); break;
    case 1: raft_change(raft, fuzzed->now_ns, &change, 1, &fuzzed->output); break;
    case 2: raft_read(raft, fuzzed->now_ns, byte, &fuzzed->output); break;
    case 3: raft_transfer(raft, fuzzed->now_ns, byte / 8 % 5, &fuzzed->output); break;
    default: {
        const uint64_t index = raft_commit_index(raft);
        if (raft_term_at(raft, index) == 0 || raft_configuration_at(raft, index) == NULL) return;
        raft_on_snapshot_taken(raft, index, 1 + byte);
        if (index > byte / 8u % 4) raft_compact(raft, index - byte / 8 % 4);
        raft_check(raft);
        return;
    }
    }
    drain(fuzzed);
}

static void install(struct fuzzed *fuzzed)
{
    if (!fuzzed->installing) return;
    fuzzed->installing = false;
    if (next_byte(fuzzed) % 4 == 0) raft_on_snapshot_refused(fuzzed->raft, fuzzed->now_ns, &fuzzed->output);
    else if (raft_on_snapshot_installed(fuzzed->raft, fuzzed->now_ns, list_bytes, &fuzzed->output)) {
        fuzzed->next_index = raft_last_index(fuzzed->raft) + 1;
    }
    drain(fuzzed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzzed fuzzed;

    fuzzed = (struct fuzzed){ .data = data, .size = size, .next_index = 2 };
    fuzzed.raft = aligned_alloc(64, raft_size(&config));
    raft_init(fuzzed.raft, &config);
    must(raft_restore_hard_state(fuzzed.raft, 1, 0) == RAFT_ACCEPTED);
    must(raft_restore_entry(fuzzed.raft, 1, RAFT_ENTRY_CONFIGURATION, 1, list_bytes) == RAFT_ACCEPTED);
    raft_start(fuzzed.raft, 0, &fuzzed.output);
    drain(&fuzzed);
    while (fuzzed.size > 0) {
        const uint8_t what = next_byte(&fuzzed) % 16;
        if (what < 8) say(&fuzzed);
        else if (what < 11) stored(&fuzzed);
        else if (what < 13) wish(&fuzzed);
        else if (what == 13) install(&fuzzed);
        else {
            fuzzed.now_ns += what == 15 ? 400 : next_byte(&fuzzed);
            raft_on_time(fuzzed.raft, fuzzed.now_ns, &fuzzed.output);
            drain(&fuzzed);
        }
    }
    free(fuzzed.raft);
    return 0;
}
