/* One voter: the same engine, no network and no timers. */
#include "raft/raft.h"
#include "t.h"

#include <stdlib.h>

enum { ME = 7, MS = 1000000 };

static const struct raft_config config = {
    .id = ME,
    .seed = 1,
    .election_timeout_ns = 500 * (uint64_t)MS,
    .heartbeat_ns = 100 * (uint64_t)MS,
    .members_max = 8,
    .configuration_size_max = 1024,
    .entries_max = 64,
    .uncommitted_max = 16,
    .entry_size_max = 1000,
    .append_size_max = 4096,
    .inflight_size_max = 65536,
    .chunk_size_max = 100,
    .chunks_inflight_max = 2,
    .reads_max = 8,
    .promote_lag_max = 10,
};

static struct raft_output out;

static struct raft *fresh(void)
{
    struct raft *raft = aligned_alloc(64, raft_size(&config));
    raft_init(raft, &config);
    return raft;
}

static struct raft *founded(void)
{
    struct raft *raft = fresh();
    const struct raft_change me = { RAFT_ADD, ME, BYTES_LITERAL("here:9093") };
    EXPECT_EQ("a group of one", RAFT_ACCEPTED, raft_found(raft, &me, 1));
    return raft;
}

static void stored(struct raft *raft, uint64_t now)
{
    raft_on_stored(raft, now, out.write.ticket, &out);
    raft_check(raft);
}

static bool noted(enum raft_note_kind kind)
{
    for (uint32_t i = 0; i < out.note_count; i++) {
        if (out.notes[i].kind == kind) return true;
    }
    return false;
}

/* Leads, with its no-op committed at index 2. */
static struct raft *leading(void)
{
    struct raft *raft = founded();
    raft_start(raft, 5, &out);
    stored(raft, 6);
    stored(raft, 7);
    EXPECT_EQ("leads", RAFT_LEADER, raft_role(raft));
    return raft;
}

TEST(a_sole_voter_is_elected_by_its_own_disk)
{
    struct raft *raft = founded();

    raft_start(raft, 5, &out);
    EXPECT("it campaigns at once", noted(RAFT_NOTE_CANDIDATE));
    EXPECT_EQ("nothing is promised before the vote is durable", RAFT_CANDIDATE, raft_role(raft));
    EXPECT("term and vote are written", out.write.hard_state && out.write.term == 2 && out.write.vote == ME);
    EXPECT_EQ("with the member list", 1, out.write.first_index);
    EXPECT_EQ("which is one entry", 1, out.write.entry_count);
    EXPECT("whose bytes the engine gives", out.write.own_payload.size == raft_entry(raft, 1).size);
    EXPECT("nothing to wait for but the disk", raft_deadline_ns(raft) == RAFT_NEVER);

    stored(raft, 6);
    EXPECT_EQ("leads when it is durable", RAFT_LEADER, raft_role(raft));
    EXPECT("says so", noted(RAFT_NOTE_LEADER));
    EXPECT_EQ("and opens its term", 2, out.write.first_index);
    EXPECT_EQ("by a no-op", RAFT_ENTRY_NOOP, raft_entry(raft, 2).kind);
    EXPECT_EQ("nothing is committed yet", 0, out.commit_index);

    stored(raft, 7);
    EXPECT_EQ("commit is its own durable write", 2, out.commit_index);
    EXPECT("the list is committed", noted(RAFT_NOTE_CONFIGURATION_COMMITTED));
    EXPECT_EQ("nobody to talk to", 0, out.message_count);
    EXPECT("no timers", raft_deadline_ns(raft) == RAFT_NEVER);
    raft_on_time(raft, 1000000 * (uint64_t)MS, &out);
    EXPECT_EQ("silence does not depose it", RAFT_LEADER, raft_role(raft));
    EXPECT_EQ("nor make it write", 0, out.write.ticket.sequence);
    free(raft);
}

TEST(a_sole_voter_commits_what_is_durable)
{
    struct raft *raft = leading();
    const uint32_t sizes[] = { 10, 20, 30 };

    EXPECT_EQ("taken", RAFT_ACCEPTED, raft_propose(raft, 8, sizes, 3, &out));
    EXPECT_EQ("as one write", 3, out.write.first_index);
    EXPECT_EQ("of three entries", 3, out.write.entry_count);
    EXPECT_EQ("not committed", 0, out.commit_index);
    const struct raft_ticket first = out.write.ticket;
    EXPECT_EQ("a second one may follow at once", RAFT_ACCEPTED, raft_propose(raft, 8, sizes, 1, &out));
    const struct raft_ticket second = out.write.ticket;
    raft_on_stored(raft, 9, second, &out);
    EXPECT_EQ("the later ticket covers both", 6, out.commit_index);
    raft_on_stored(raft, 9, first, &out);
    EXPECT_EQ("the earlier one is old news", 0, out.commit_index);
    EXPECT_EQ("entries keep their size", 20, raft_entry(raft, 4).size);
    raft_check(raft);
    free(raft);
}

TEST(a_sole_voter_reads_at_once)
{
    struct raft *raft = leading();
    EXPECT_EQ("asked", RAFT_ACCEPTED, raft_read(raft, 8, 77, &out));
    EXPECT_EQ("answered in the same call", 1, out.read_count);
    EXPECT("with its commit index", out.reads[0].token == 77 && out.reads[0].index == 2 && !out.reads[0].failed);
    free(raft);
}

TEST(a_full_trail_takes_nothing_until_it_is_compacted)
{
    struct raft *raft = leading();
    uint32_t sizes[16] = { 0 };
    uint64_t now = 10;

    EXPECT_EQ("more than may be uncommitted", RAFT_TOO_LARGE, raft_propose(raft, now, sizes, 17, &out));
    const uint32_t large = 1001;
    EXPECT_EQ("an entry that is too large", RAFT_TOO_LARGE, raft_propose(raft, now, &large, 1, &out));
    EXPECT_EQ("as much as may be uncommitted", RAFT_ACCEPTED, raft_propose(raft, now, sizes, 16, &out));
    const struct raft_ticket ticket = out.write.ticket;
    EXPECT_EQ("not one more", RAFT_FULL, raft_propose(raft, now, sizes, 1, &out));
    raft_on_stored(raft, now, ticket, &out);
    while (raft_propose(raft, ++now, sizes, 1, &out) == RAFT_ACCEPTED) stored(raft, now);
    EXPECT_EQ("one place stays free for a joint list's end", 63, raft_last_index(raft));
    raft_on_snapshot_taken(raft, 60, 1);
    raft_compact(raft, 50);
    EXPECT_EQ("forgotten", 51, raft_first_index(raft));
    EXPECT_EQ("room again", RAFT_ACCEPTED, raft_propose(raft, ++now, sizes, 1, &out));
    stored(raft, now);
    EXPECT_EQ("committed", 64, out.commit_index);
    free(raft);
}

TEST(a_restart_has_all_that_was_durable)
{
    struct raft *raft = leading();
    uint8_t list[64];
    const struct raft_configuration *now = raft_configuration(raft);
    memcpy(list, now->bytes, now->size);
    const struct bytes bytes = { list, now->size };
    free(raft);

    raft = fresh();
    EXPECT_EQ("term", RAFT_ACCEPTED, raft_restore_hard_state(raft, 2, ME));
    EXPECT_EQ("list", RAFT_ACCEPTED, raft_restore_entry(raft, 1, RAFT_ENTRY_CONFIGURATION, 1, bytes));
    EXPECT_EQ("no-op", RAFT_ACCEPTED, raft_restore_entry(raft, 2, RAFT_ENTRY_NOOP, 2, (struct bytes){ NULL, 0 }));
    EXPECT_EQ("data", RAFT_ACCEPTED, raft_restore_entry(raft, 3, RAFT_ENTRY_DATA, 2, BYTES_LITERAL("abc")));
    raft_start(raft, 100, &out);
    EXPECT("a new term, never the old one again", out.write.term == 3 && out.write.vote == ME);
    stored(raft, 101);
    EXPECT_EQ("what was there is not committed by being there", 0, out.commit_index);
    stored(raft, 102);
    EXPECT_EQ("but by the no-op behind it", 4, out.commit_index);
    free(raft);
}

TEST(growing_by_a_learner_starts_the_timers_and_shrinking_ends_them)
{
    struct raft *raft = leading();
    const struct raft_change add = { RAFT_ADD, 9, BYTES_LITERAL("there:9093") };
    const struct raft_change remove = { RAFT_REMOVE, 9, { NULL, 0 } };

    EXPECT_EQ("added", RAFT_ACCEPTED, raft_change(raft, 8, &add, 1, &out));
    EXPECT_EQ("a learner needs no joint phase", 2, raft_configuration(raft)->count);
    EXPECT_EQ("it is spoken to", 1, out.message_count);
    EXPECT("and there are heartbeats", raft_deadline_ns(raft) != RAFT_NEVER);
    EXPECT_EQ("one change at a time", RAFT_BUSY,
              raft_change(raft, 8, &remove, 1, &(struct raft_output){ .message_count = 0 }));
    stored(raft, 9);
    EXPECT_EQ("alone it decides", 3, out.commit_index);
    EXPECT_EQ("a learner that never answered is no voter", RAFT_BEHIND,
              raft_change(raft, 9, &(struct raft_change){ .kind = RAFT_PROMOTE, .id = 9 }, 1, &out));
    EXPECT_EQ("removed", RAFT_ACCEPTED, raft_change(raft, 10, &remove, 1, &out));
    stored(raft, 11);
    EXPECT_EQ("committed", 4, out.commit_index);
    raft_on_time(raft, 11 + 5001 * (uint64_t)MS, &out);
    EXPECT("the removed one had its time to hear of it", raft_deadline_ns(raft) == RAFT_NEVER);
    EXPECT_EQ("the last voter stays", RAFT_EMPTY,
              raft_change(raft, 6000 * (uint64_t)MS, &(struct raft_change){ .kind = RAFT_REMOVE, .id = ME }, 1, &out));
    raft_check(raft);
    free(raft);
}
