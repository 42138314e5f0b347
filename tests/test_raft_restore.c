/* What a disk may say when a node starts, and snapshots from others. A replay is drawn as words:
 *   hT term T   hT:V and vote V   sI/T a snapshot   eI/T an entry   cI/T a list   xI a truncation from I on */
#include "raft_lab.h"

static struct raft *blank(void)
{
    struct raft *raft = aligned_alloc(64, raft_size(&lab_config));
    raft_init(raft, &lab_config);
    return raft;
}

static enum raft_verdict replay(struct raft *raft, const char *words)
{
    enum raft_verdict verdict = RAFT_ACCEPTED;
    const struct bytes nothing = { NULL, 0 };

    while (*words != 0 && verdict == RAFT_ACCEPTED) {
        char *end;
        const char what = *words;
        const uint64_t a = strtoull(words + 1, &end, 10);
        const uint64_t b = *end == '/' || *end == ':' ? strtoull(end + 1, &end, 10) : 0;
        if (what == 'h') verdict = raft_restore_hard_state(raft, a, b);
        if (what == 's') verdict = raft_restore_snapshot(raft, a, b, 10, lab_list());
        if (what == 'e') verdict = raft_restore_entry(raft, a, RAFT_ENTRY_NOOP, b, nothing);
        if (what == 'c') verdict = raft_restore_entry(raft, a, RAFT_ENTRY_CONFIGURATION, b, lab_list());
        if (what == 'x') verdict = raft_restore_truncate(raft, a);
        words = *end == ' ' ? end + 1 : end;
    }
    return verdict;
}

static const struct restore_row {
    const char *why;
    const char *words;
    enum raft_verdict verdict;
    uint64_t first, last, last_term, list;
} restore_rows[] = {
    { "a node that was never anything", "", RAFT_ACCEPTED, 1, 0, 0, 0 },
    { "a term and a vote", "h3:2", RAFT_ACCEPTED, 1, 0, 0, 0 },
    { "the newest term counts", "h3:2 h4 h4:1", RAFT_ACCEPTED, 1, 0, 0, 0 },
    { "terms do not fall", "h3 h2", RAFT_CORRUPT, 0, 0, 0, 0 },
    { "a vote is not changed", "h3:2 h3:1", RAFT_CORRUPT, 0, 0, 0, 0 },
    { "a log", "h2 c1/1 e2/2", RAFT_ACCEPTED, 1, 2, 2, 1 },
    { "an entry is not of a term to come", "h1 c1/1 e2/2", RAFT_CORRUPT, 0, 0, 0, 0 },
    { "a gap", "h2 c1/1 e3/2", RAFT_CORRUPT, 0, 0, 0, 0 },
    { "a log without its beginning, and no snapshot", "h2 e5/2", RAFT_CORRUPT, 0, 0, 0, 0 },
    { "falling terms", "h3 c1/1 e2/3 e3/2", RAFT_CORRUPT, 0, 0, 0, 0 },
    { "an entry twice", "h2 c1/1 e2/2 e2/2", RAFT_CORRUPT, 0, 0, 0, 0 },
    { "unless it was truncated between", "h2 c1/1 e2/1 x2 e2/2", RAFT_ACCEPTED, 1, 2, 2, 1 },
    { "a truncation of nothing", "h2 c1/1 x2", RAFT_ACCEPTED, 1, 1, 1, 1 },
    { "a list goes with its entry", "h2 c1/1 c2/1 x2 e2/2", RAFT_ACCEPTED, 1, 2, 2, 1 },
    { "but not two of them", "h2 c1/1 c2/1 c3/1 x2", RAFT_CORRUPT, 0, 0, 0, 0 },
    { "behind a snapshot", "s5/2 h3 e6/3", RAFT_ACCEPTED, 6, 6, 3, 5 },
    { "the snapshot covers the old ones", "s5/2 h3 e3/1 e4/2 e5/2 e6/3", RAFT_ACCEPTED, 6, 6, 3, 5 },
    { "a log that ends before its snapshot", "s5/2 h3 e3/1 e4/2", RAFT_ACCEPTED, 6, 5, 2, 5 },
    { "a gap behind a snapshot", "s5/2 h3 e7/3", RAFT_CORRUPT, 0, 0, 0, 0 },
    { "a log that the snapshot replaced: void", "s5/2 h3 e4/1 e5/1 e6/1", RAFT_ACCEPTED, 6, 5, 2, 5 },
    { "until the install's own mark", "s5/2 h3 e4/1 e5/1 e6/1 x6 e6/3", RAFT_ACCEPTED, 6, 6, 3, 5 },
    { "or until that log itself was put right", "s5/2 h3 e5/1 e6/1 x5 e5/2 e6/3", RAFT_ACCEPTED, 6, 6, 3, 5 },
    { "a snapshot of nothing", "s0/0", RAFT_CORRUPT, 0, 0, 0, 0 },
    { "a snapshot without a term", "s5/0", RAFT_CORRUPT, 0, 0, 0, 0 },
};

TEST(restores)
{
    FOR_EACH(restore_row, row, restore_rows) {
        struct raft *raft = blank();
        EXPECT_EQ(row->why, row->verdict, replay(raft, row->words));
        if (row->verdict == RAFT_ACCEPTED) {
            raft_start(raft, 0, &lab_out);
            raft_check(raft);
            EXPECT_EQ(row->why, row->first, raft_first_index(raft));
            EXPECT_EQ(row->why, row->last, raft_last_index(raft));
            EXPECT_EQ(row->why, row->last_term, raft_term_at(raft, row->last));
            EXPECT_EQ(row->why, row->list, raft_configuration(raft)->index);
        }
        free(raft);
    }
}

TEST(a_void_log_is_marked_for_the_next_replay)
{
    struct raft *raft = blank();
    replay(raft, "s5/2 h3 e5/1 e6/1");
    raft_start(raft, 0, &lab_out);
    EXPECT_EQ("what is written first is where it ended", 6, lab_out.write.truncate_from);
    free(raft);
}

TEST(a_survivor_is_forced_to_be_alone)
{
    struct raft *raft = blank();
    const struct raft_change me = { RAFT_ADD, 1, BYTES_LITERAL("here") };
    replay(raft, "h3:2 c1/1 e2/3");
    EXPECT_EQ("forced", RAFT_ACCEPTED, raft_found(raft, &me, 1));
    raft_start(raft, 0, &lab_out);
    EXPECT_EQ("by an entry", 3, lab_out.write.first_index);
    EXPECT_EQ("and elected at once, in a new term", 5, lab_out.write.term);
    lab_ticket = lab_out.write.ticket;
    lab_stored(raft);
    lab_stored(raft);
    EXPECT_EQ("with all it had", 4, lab_out.commit_index);
    EXPECT_EQ("and nobody else", 1, raft_configuration(raft)->count);
    free(raft);
}

/* ---- snapshots from others ---- */

static enum raft_verdict chunk(struct raft *raft, uint64_t index, uint64_t term, uint64_t offset, uint32_t size)
{
    static const uint8_t bytes[100];
    return lab_say(raft, 2, 4,
                   (struct raft_message){ .kind = RAFT_SNAPSHOT_REQUEST,
                                          .snapshot_request = { .index = index,
                                                                .term = term,
                                                                .total_size = 20,
                                                                .offset = offset,
                                                                .beat = 1,
                                                                .size = size },
                                          .payload = { bytes, size } });
}

static uint64_t wanted(void)
{
    const struct raft_message *sent = lab_sent(RAFT_SNAPSHOT_RESPONSE, 2);
    return sent == NULL ? 999 : sent->snapshot_response.offset;
}

static bool says_installed(void)
{
    const struct raft_message *sent = lab_sent(RAFT_SNAPSHOT_RESPONSE, 2);
    return sent != NULL && sent->snapshot_response.installed;
}

TEST(a_snapshot_arrives_in_chunks)
{
    struct raft *raft = lab_restore(1, 4, 0, "122");

    EXPECT_EQ("the middle first", RAFT_STALE, chunk(raft, 9, 3, 10, 10));
    EXPECT_EQ("from the beginning, please", 0, wanted());
    EXPECT_EQ("the first", RAFT_ACCEPTED, chunk(raft, 9, 3, 0, 10));
    EXPECT("to be kept", lab_out.chunk.size == 10 && lab_out.chunk.first && !lab_out.chunk.last);
    EXPECT_EQ("go on", 10, wanted());
    EXPECT_EQ("the first again", RAFT_STALE, chunk(raft, 9, 3, 0, 10));
    EXPECT_EQ("is not kept twice", 0, lab_out.chunk.size);
    EXPECT_EQ("go on", 10, wanted());
    EXPECT_EQ("the last", RAFT_ACCEPTED, chunk(raft, 9, 3, 10, 10));
    EXPECT("is the order to install", lab_out.chunk.last && !lab_out.chunk.first);

    lab_append(raft, 2, 4, 4, 2, "4", 4);
    EXPECT_TEXT("meanwhile nothing is appended", "1122", lab_draw(raft));
    EXPECT_EQ("nor committed", 0, lab_out.commit_index);
    EXPECT("but answered: we are alive", lab_sent(RAFT_APPEND_RESPONSE, 2) != NULL);
    lab_append(raft, 3, 5, 4, 2, "5", 4);
    EXPECT_TEXT("nor in a new term", "1122", lab_draw(raft));
    lab_wait(raft, 2 * LAB_TIMEOUT_MS);
    EXPECT_EQ("and there is no campaign", RAFT_FOLLOWER, raft_role(raft));
    lab_append(raft, 2, 6, 4, 2, "", 4);

    EXPECT("installed", raft_on_snapshot_installed(raft, lab_now, lab_list(), &lab_out));
    lab_called(raft);
    EXPECT_EQ("it is the log now", 9, raft_last_index(raft));
    EXPECT_EQ("and committed", 9, lab_out.commit_index);
    EXPECT_EQ("the end of the old log is marked", 10, lab_out.write.truncate_from);
    EXPECT("and the leader told", says_installed());
    EXPECT_EQ("with its list", 9, raft_configuration(raft)->index);
    lab_append(raft, 2, 6, 9, 3, "4", 9);
    EXPECT_EQ("the log goes on", 10, raft_last_index(raft));
    free(raft);
}

TEST(a_snapshot_that_is_no_good)
{
    struct raft *raft = lab_restore(1, 4, 0, "122");
    chunk(raft, 9, 3, 0, 20);
    raft_on_snapshot_refused(raft, lab_now, &lab_out);
    lab_called(raft);
    EXPECT("is noted", lab_noted(RAFT_NOTE_SNAPSHOT_REFUSED));
    chunk(raft, 9, 3, 10, 10);
    EXPECT_EQ("and begins anew", 0, wanted());
    chunk(raft, 9, 3, 0, 20);
    EXPECT("a list that cannot be read", !raft_on_snapshot_installed(raft, lab_now, BYTES_LITERAL("?"), &lab_out));
    lab_called(raft);
    EXPECT_TEXT("leaves the log", "1122", lab_draw(raft));
    free(raft);
}

TEST(a_snapshot_that_nobody_needs)
{
    struct raft *raft = lab_restore(1, 4, 0, "122");
    chunk(raft, 3, 2, 0, 10);
    EXPECT("we have its last entry, so all of it", says_installed());
    EXPECT_EQ("and know that it is committed", 3, lab_out.commit_index);
    EXPECT_EQ("nothing is kept", 0, lab_out.chunk.size);
    chunk(raft, 2, 1, 0, 10);
    EXPECT("older ones too", says_installed());
    EXPECT_EQ("more than it said", RAFT_IMPOSSIBLE, chunk(raft, 9, 3, 15, 10));
    EXPECT_EQ("a chunk of nothing", RAFT_IMPOSSIBLE, chunk(raft, 9, 3, 0, 0));
    EXPECT_EQ("of a term to come", RAFT_IMPOSSIBLE, chunk(raft, 9, 5, 0, 10));
    free(raft);
}
