/* canonical/raft behind our doors: what two of its guards fence, shown message by message, since random runs seldom
 * come by it; and that one node works. All others are shown by seeds (tests/suite/raft_guards.sh). */
#include "raft/canonical/canonical.h"
#include "t.h"

#include <stdlib.h>

#define MS ((uint64_t)1000000)
enum { TIMEOUT_MS = 150 };

static struct raft_output out;
static struct raft_ticket ticket; /* of the newest write */
static uint64_t now_ns;

static const struct raft_config config = {
    .id = 1,
    .seed = 3,
    .election_timeout_ns = TIMEOUT_MS * MS,
    .heartbeat_ns = 30 * MS,
    .members_max = 8,
    .configuration_size_max = 512,
    .entries_max = 64,
    .uncommitted_max = 16,
    .entry_size_max = 100,
    .append_size_max = 1000,
    .inflight_size_max = 1000,
    .chunk_size_max = 100,
    .chunks_inflight_max = 2,
    .reads_max = 4,
    .promote_lag_max = 3,
};

static void called(const struct raft *raft)
{
    if (out.write.ticket.sequence != 0) ticket = out.write.ticket;
    canonical_check(raft);
}

static void stored(struct raft *raft)
{
    canonical_on_stored(raft, now_ns, ticket, &out);
    called(raft);
}

static void wait_ms(struct raft *raft, uint64_t ms)
{
    for (const uint64_t until_ns = now_ns + ms * MS; now_ns < until_ns;) {
        now_ns += 5 * MS;
        if (canonical_deadline_ns(raft) > now_ns) continue;
        canonical_on_time(raft, now_ns, &out);
        called(raft);
        if (out.message_count > 0) return; /* somebody has something to say */
    }
}

static void say(struct raft *raft, uint64_t from, uint64_t term, struct raft_message message)
{
    message.from = from;
    message.to = 1;
    message.term = term;
    canonical_on_message(raft, now_ns, &message, &out);
    called(raft);
}

static void hold(struct raft *raft, uint64_t from, uint64_t index)
{
    say(raft, from, canonical_term(raft),
        (struct raft_message){ .kind = RAFT_APPEND_RESPONSE, .append_response = { .index = index } });
}

/* Whom the last call granted a vote to; 0: nobody. */
static uint64_t granted(void)
{
    for (uint32_t i = 0; i < out.message_count; i++) {
        const struct raft_message *message = &out.messages[i];
        if (message->kind == RAFT_VOTE_RESPONSE && message->vote_response.granted) return message->to;
    }
    return 0;
}

static struct raft *begin(uint32_t guards)
{
    struct raft *raft = aligned_alloc(64, canonical_size(&config));
    canonical_init(raft, &config);
    canonical_set_guards(raft, guards);
    ticket = (struct raft_ticket){ 0, 0 };
    now_ns = MS;
    return raft;
}

static void start(struct raft *raft)
{
    canonical_start(raft, now_ns, &out);
    called(raft);
}

/* 1, 2 and 3 vote. */
static struct bytes list_of_three(void)
{
    static uint8_t bytes[8 + 3 * 10] = { 1, 0, 0, 0, 0, 0, 0, 3 };
    for (uint32_t i = 0; i < 3; i++) {
        store_u64(bytes + 8 + i * 10, i + 1);
        bytes[8 + i * 10 + 8] = RAFT_VOTER;
    }
    return (struct bytes){ bytes, sizeof bytes };
}

static void vote(struct raft *raft, uint64_t from, uint64_t term, bool pre)
{
    say(raft, from, term,
        (struct raft_message){ .kind = RAFT_VOTE_RESPONSE, .vote_response = { .pre = pre, .granted = true } });
}

/* Leads a term behind an entry of term 2 that nobody knows to be committed. */
static struct raft *leader(uint32_t guards)
{
    struct raft *raft = begin(guards);
    CHECK(canonical_restore_hard_state(raft, 3, 0) == RAFT_ACCEPTED);
    CHECK(canonical_restore_entry(raft, 1, RAFT_ENTRY_CONFIGURATION, 1, list_of_three()) == RAFT_ACCEPTED);
    CHECK(canonical_restore_entry(raft, 2, RAFT_ENTRY_DATA, 2, BYTES_LITERAL("d")) == RAFT_ACCEPTED);
    start(raft);
    wait_ms(raft, 3 * TIMEOUT_MS);
    vote(raft, 2, 4, true);
    stored(raft);
    vote(raft, 2, 4, false);
    CHECK(canonical_role(raft) == RAFT_LEADER && canonical_term(raft) == 4);
    stored(raft);
    return raft;
}

TEST(figure_8)
{
    static const struct barrier_row {
        const char *why;
        uint32_t guards;
        uint64_t commit_index;
    } rows[] = {
        { "Raft, figure 8: an old entry is not committed by counting", CANONICAL_ALL, 0 },
        { "without BARRIER it is, and another leader may overwrite it", CANONICAL_ALL & ~CANONICAL_BARRIER, 2 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct raft *raft = leader(rows[i].guards);
        hold(raft, 2, 2);
        EXPECT_EQ(rows[i].why, rows[i].commit_index, canonical_commit_index(raft));
        free(raft);
    }
    struct raft *raft = leader(CANONICAL_ALL);
    hold(raft, 2, 3);
    EXPECT_EQ("but with an entry of the own term behind it", 3, canonical_commit_index(raft));
    free(raft);
}

static void ask_vote(struct raft *raft, uint64_t from, bool transfer)
{
    say(raft, from, 5,
        (struct raft_message){ .kind = RAFT_VOTE_REQUEST,
                               .vote_request = { .last_index = 3, .last_term = 4, .transfer = transfer } });
    stored(raft);
}

TEST(votes_once)
{
    static const struct vote_row {
        const char *why;
        uint32_t guards;
        uint64_t second;
    } rows[] = {
        { "a vote is given once per term", CANONICAL_ALL, 0 },
        { "without VOTE the target of a transfer gets another one", CANONICAL_ALL & ~CANONICAL_VOTE, 2 },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct raft *raft = leader(rows[i].guards);
        hold(raft, 2, 3);
        EXPECT_EQ("leadership is to go to 2", RAFT_ACCEPTED, canonical_transfer(raft, now_ns, 2, &out));
        called(raft);
        say(raft, 3, 5, (struct raft_message){ .kind = RAFT_APPEND_RESPONSE }); /* 3 is in term 5 already */
        stored(raft);
        ask_vote(raft, 3, false);
        EXPECT_EQ("3 asks first", 3, granted());
        ask_vote(raft, 2, true);
        EXPECT_EQ(rows[i].why, rows[i].second, granted());
        free(raft);
    }
}

TEST(alone)
{
    const struct raft_change founder = { RAFT_ADD, 1, BYTES_LITERAL("here:9093") };
    const uint32_t size = 5;
    struct raft *raft = begin(CANONICAL_ALL);

    EXPECT_EQ("founds", RAFT_ACCEPTED, canonical_found(raft, &founder, 1));
    start(raft);
    EXPECT_EQ("does not lead before its vote is durable", RAFT_CANDIDATE, canonical_role(raft));
    EXPECT_EQ("writes its list", 1, out.write.entry_count);
    stored(raft);
    EXPECT_EQ("leads", RAFT_LEADER, canonical_role(raft));
    EXPECT_EQ("opens its term", 2, out.write.first_index);
    stored(raft);
    EXPECT_EQ("which commits both", 2, out.commit_index);
    EXPECT_EQ("and needs no clock", RAFT_NEVER, canonical_deadline_ns(raft));
    const struct raft_configuration *list = canonical_configuration(raft);
    EXPECT_TEXT("its list keeps the address", "here:9093", (const char *)list->bytes + list->members[0].address_begin);
    const uint64_t term = canonical_term(raft);
    EXPECT_EQ("takes an entry", RAFT_ACCEPTED, canonical_propose(raft, now_ns, &size, 1, &out));
    called(raft);
    EXPECT_EQ("where it says", 3, out.write.first_index);
    EXPECT_EQ("one at a time", RAFT_FULL, canonical_propose(raft, now_ns, &size, 1, &out));
    stored(raft);
    EXPECT_EQ("commits what its disk has", 3, out.commit_index);
    EXPECT_EQ("of that size", 5, canonical_entry(raft, 3).size);

    struct raft *again = begin(CANONICAL_ALL);
    const struct bytes bytes = { list->bytes, list->size };
    CHECK(canonical_restore_hard_state(again, term, 1) == RAFT_ACCEPTED);
    CHECK(canonical_restore_entry(again, 1, RAFT_ENTRY_CONFIGURATION, term, bytes) == RAFT_ACCEPTED);
    start(again);
    stored(again);
    EXPECT("leads again in a new term: it may have lost entries of the old one", canonical_term(again) > term);
    free(raft);
    free(again);
}
