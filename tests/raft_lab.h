/* raft_lab.h -- one node in a state of one's choice, and what it answers. Logs are drawn as their terms: "1123". */
#ifndef CHRONIK_TESTS_RAFT_LAB_H
#define CHRONIK_TESTS_RAFT_LAB_H

#pragma GCC diagnostic ignored "-Wunused-function"

#include "raft/state.h"
#include "t.h"

#include <stdlib.h>

#define MS ((uint64_t)1000000)
enum { LAB_VOTERS = 3, LAB_LEARNER = 8, LAB_TIMEOUT_MS = 150 };

static struct raft_output lab_out;
static uint64_t lab_now;
static struct raft_ticket lab_ticket; /* of the newest write */

static void lab_called(const struct raft *raft)
{
    if (lab_out.write.ticket.sequence != 0) lab_ticket = lab_out.write.ticket;
    raft_check(raft);
}

static const struct raft_config lab_config = {
    .id = 1,
    .seed = 5,
    .election_timeout_ns = LAB_TIMEOUT_MS * MS,
    .heartbeat_ns = 30 * MS,
    .members_max = 8,
    .configuration_size_max = 512,
    .entries_max = 64,
    .uncommitted_max = 16,
    .entry_size_max = 100,
    .append_size_max = 4 * (RAFT_ENTRY_OVERHEAD + 1),
    .inflight_size_max = 8 * (RAFT_ENTRY_OVERHEAD + 1),
    .chunk_size_max = 10,
    .chunks_inflight_max = 2,
    .reads_max = 4,
    .promote_lag_max = 3,
};

/* 1, 2 and 3 vote, 8 learns. */
static struct bytes lab_list(void)
{
    static uint8_t bytes[8 + 4 * 10] = { 1, 0, 0, 0, 0, 0, 0, 4 };
    static const uint8_t ids[] = { 1, 2, 3, LAB_LEARNER };
    for (uint32_t i = 0; i < 4; i++) {
        store_u64(bytes + 8 + i * 10, ids[i]);
        bytes[8 + i * 10 + 8] = ids[i] == LAB_LEARNER ? 0 : RAFT_VOTER;
    }
    return (struct bytes){ bytes, sizeof bytes };
}

/* A member of that group whose entries behind the first (the list, of term 1) have these terms, each of one byte. All
 * of it is durable. */
static struct raft *lab_restore(uint64_t id, uint64_t term, uint64_t vote, const char *terms)
{
    struct raft_config config = lab_config;
    config.id = id;
    struct raft *raft = aligned_alloc(64, raft_size(&config));
    raft_init(raft, &config);
    CHECK(raft_restore_hard_state(raft, term, vote) == RAFT_ACCEPTED);
    CHECK(raft_restore_entry(raft, 1, RAFT_ENTRY_CONFIGURATION, 1, lab_list()) == RAFT_ACCEPTED);
    for (uint64_t index = 2; *terms != 0; index++, terms++) {
        const uint64_t entry_term = (uint64_t)(*terms - '0');
        CHECK(raft_restore_entry(raft, index, RAFT_ENTRY_DATA, entry_term, BYTES_LITERAL("d")) == RAFT_ACCEPTED);
    }
    lab_now = MS;
    lab_ticket = (struct raft_ticket){ .sequence = 0 };
    raft_start(raft, lab_now, &lab_out);
    lab_called(raft);
    return raft;
}

static enum raft_verdict lab_say(struct raft *raft, uint64_t from, uint64_t term, struct raft_message message)
{
    message.from = from;
    message.to = raft->config.id;
    message.term = term;
    const enum raft_verdict verdict = raft_on_message(raft, lab_now, &message, &lab_out);
    lab_called(raft);
    return verdict;
}

static void lab_stored(struct raft *raft)
{
    raft_on_stored(raft, lab_now, lab_ticket, &lab_out);
    lab_called(raft);
}

static void lab_wait(struct raft *raft, uint64_t ms)
{
    lab_now += ms * MS;
    raft_on_time(raft, lab_now, &lab_out);
    lab_called(raft);
}

/* The only message of this kind that the last call put out (to `to`, unless 0); NULL: none or several. */
static const struct raft_message *lab_sent(enum raft_message_kind kind, uint64_t to)
{
    const struct raft_message *found = NULL;
    for (uint32_t i = 0; i < lab_out.message_count; i++) {
        const struct raft_message *message = &lab_out.messages[i];
        if (message->kind != kind || (to != 0 && message->to != to)) continue;
        if (found != NULL) return NULL;
        found = message;
    }
    return found;
}

static bool lab_noted(enum raft_note_kind kind)
{
    for (uint32_t i = 0; i < lab_out.note_count; i++) {
        if (lab_out.notes[i].kind == kind) return true;
    }
    return false;
}

/* An append request behind prev whose entries have these terms, one byte each. */
static enum raft_verdict lab_append(struct raft *raft, uint64_t from, uint64_t term, uint64_t prev_index,
                                    uint64_t prev_term, const char *terms, uint64_t commit_index)
{
    static const uint8_t payload[64];
    struct raft_entry entries[64];
    const uint32_t count = (uint32_t)strlen(terms);
    for (uint32_t i = 0; i < count; i++) {
        entries[i] = (struct raft_entry){ (uint64_t)(terms[i] - '0'), 1, RAFT_ENTRY_DATA };
    }
    return lab_say(raft, from, term,
                   (struct raft_message){ .kind = RAFT_APPEND_REQUEST,
                                          .append_request = { .prev_index = prev_index,
                                                              .prev_term = prev_term,
                                                              .commit_index = commit_index,
                                                              .beat = 1,
                                                              .entry_count = count,
                                                              .entries = entries },
                                          .payload = { payload, count } });
}

static enum raft_verdict lab_ask_vote(struct raft *raft, uint64_t from, uint64_t term, bool pre, uint64_t last_index,
                                      uint64_t last_term)
{
    return lab_say(raft, from, term,
                   (struct raft_message){
                       .kind = RAFT_VOTE_REQUEST,
                       .vote_request = { .last_index = last_index, .last_term = last_term, .round = 77, .pre = pre } });
}

static enum raft_verdict lab_vote(struct raft *raft, uint64_t from, bool pre, bool granted)
{
    return lab_say(
        raft, from, raft->term,
        (struct raft_message){ .kind = RAFT_VOTE_RESPONSE,
                               .vote_response = { .round = raft->election.round, .pre = pre, .granted = granted } });
}

static enum raft_verdict lab_hold(struct raft *raft, uint64_t from, uint64_t index)
{
    return lab_say(raft, from, raft->term,
                   (struct raft_message){ .kind = RAFT_APPEND_RESPONSE,
                                          .append_response = { .beat = raft->progress.beat, .index = index } });
}

/* Node 1 leads in `term` with the no-op durable, and commits nothing yet; 2 and 3 have not answered. */
static struct raft *lab_lead(uint64_t term, const char *terms)
{
    struct raft *raft = lab_restore(1, term - 1, 0, terms);
    lab_wait(raft, 2 * LAB_TIMEOUT_MS);
    lab_vote(raft, 2, true, true);
    lab_stored(raft);
    lab_vote(raft, 2, false, true);
    CHECK(raft->role == RAFT_LEADER && raft->term == term);
    lab_stored(raft);
    return raft;
}

/* The log's terms as text, from the trail's beginning. */
static const char *lab_draw(const struct raft *raft)
{
    static char text[65];
    uint32_t at = 0;
    for (uint64_t index = raft_first_index(raft); index <= raft_last_index(raft); index++) {
        text[at++] = (char)('0' + raft_term_at(raft, index));
    }
    text[at] = 0;
    return text;
}

#endif
