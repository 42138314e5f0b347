/* A follower's log, and what it says of it. The follower is node 1 in term 4; its log is 1 (the list) and the row's
 * terms, all durable. */
#include "raft_lab.h"

enum { NOTHING, HOLDS, REJECTS };

static const struct append_row {
    const char *why;
    const char *log;
    uint64_t prev_index, prev_term;
    const char *entries;
    uint64_t commit_index;
    enum raft_verdict verdict;
    const char *then; /* the log */
    int at_once;
    uint64_t index, hint_index; /* of the answer */
    int when_stored;
    uint64_t stored_index; /* of that answer */
    uint64_t committed;
} append_rows[] = {
    { "a heartbeat that agrees says how far", "122", 4, 2, "", 0, RAFT_ACCEPTED, "1122", HOLDS, 4, 0, NOTHING, 0, 0 },
    { "entries behind prev are not vouched for", "122", 2, 1, "", 9, RAFT_ACCEPTED, "1122", HOLDS, 2, 0, NOTHING, 0,
      2 },
    { "new entries are acknowledged when durable", "122", 4, 2, "44", 0, RAFT_ACCEPTED, "112244", NOTHING, 0, 0, HOLDS,
      6, 0 },
    { "and committed when durable, as far as they go", "122", 4, 2, "44", 9, RAFT_ACCEPTED, "112244", NOTHING, 0, 0,
      HOLDS, 6, 6 },
    { "known entries are not written again", "122", 2, 1, "22", 0, RAFT_ACCEPTED, "1122", HOLDS, 4, 0, NOTHING, 0, 0 },
    { "only what is new of them", "122", 3, 2, "244", 0, RAFT_ACCEPTED, "112244", NOTHING, 0, 0, HOLDS, 6, 0 },
    { "fewer entries than we have take nothing away", "122", 2, 1, "2", 0, RAFT_ACCEPTED, "1122", HOLDS, 3, 0, NOTHING,
      0, 0 },
    { "another term at an index: that and all behind it goes", "122", 2, 1, "3", 0, RAFT_ACCEPTED, "113", NOTHING, 0, 0,
      HOLDS, 3, 0 },
    { "from the middle", "12233", 3, 2, "44", 0, RAFT_ACCEPTED, "11244", NOTHING, 0, 0, HOLDS, 5, 0 },
    { "behind our end: a gap", "122", 9, 4, "", 0, RAFT_ACCEPTED, "1122", REJECTS, 9, 4, NOTHING, 0, 0 },
    { "a gap, and our end is of no use to that leader", "133", 9, 2, "", 0, RAFT_ACCEPTED, "1133", REJECTS, 9, 2,
      NOTHING, 0, 0 },
    { "prev of another term: the hint skips ours", "1333", 4, 2, "44", 0, RAFT_ACCEPTED, "11333", REJECTS, 4, 2,
      NOTHING, 0, 0 },
    { "prev of a newer term than ours: the hint is that entry", "122", 4, 3, "44", 0, RAFT_ACCEPTED, "1122", REJECTS, 4,
      4, NOTHING, 0, 0 },
    { "a probe that fits any log", "122", 0, 0, "", 9, RAFT_ACCEPTED, "1122", HOLDS, 0, 0, NOTHING, 0, 0 },
    { "terms that fall", "122", 4, 2, "43", 0, RAFT_IMPOSSIBLE, "1122", NOTHING, 0, 0, NOTHING, 0, 0 },
    { "an entry of a term to come", "122", 4, 2, "5", 0, RAFT_IMPOSSIBLE, "1122", NOTHING, 0, 0, NOTHING, 0, 0 },
    { "prev without a term", "122", 4, 0, "4", 0, RAFT_IMPOSSIBLE, "1122", NOTHING, 0, 0, NOTHING, 0, 0 },
    { "an index that would wrap", "122", UINT64_MAX, 2, "4", 0, RAFT_IMPOSSIBLE, "1122", NOTHING, 0, 0, NOTHING, 0, 0 },
};

static int answer(uint64_t *index, uint64_t *hint_index)
{
    const struct raft_message *sent = lab_sent(RAFT_APPEND_RESPONSE, 2);
    if (sent == NULL) return NOTHING;
    *index = sent->append_response.index;
    *hint_index = sent->append_response.hint_index;
    return sent->append_response.rejected ? REJECTS : HOLDS;
}

TEST(appends)
{
    FOR_EACH(append_row, row, append_rows) {
        struct raft *raft = lab_restore(1, 4, 0, row->log);
        uint64_t index = 0, hint_index = 0, committed;
        EXPECT_EQ(row->why, row->verdict,
                  lab_append(raft, 2, 4, row->prev_index, row->prev_term, row->entries, row->commit_index));
        EXPECT_TEXT(row->why, row->then, lab_draw(raft));
        EXPECT_EQ(row->why, row->at_once, answer(&index, &hint_index));
        EXPECT_EQ(row->why, row->index, index);
        EXPECT_EQ(row->why, row->hint_index, hint_index);
        committed = lab_out.commit_index;
        if (lab_out.write.ticket.sequence != 0) {
            lab_stored(raft);
            index = 0;
            EXPECT_EQ(row->why, row->when_stored, answer(&index, &hint_index));
            EXPECT_EQ(row->why, row->stored_index, index);
            committed = MAX(committed, lab_out.commit_index);
        } else EXPECT_EQ(row->why, NOTHING, row->when_stored);
        EXPECT_EQ(row->why, row->committed, committed);
        free(raft);
    }
}

TEST(what_is_committed_does_not_change)
{
    struct raft *raft = lab_restore(1, 4, 0, "122");
    lab_append(raft, 2, 4, 4, 2, "", 3);
    EXPECT_EQ("committed", 3, lab_out.commit_index);
    EXPECT_EQ("another entry there", RAFT_IMPOSSIBLE, lab_append(raft, 2, 4, 2, 1, "3", 0));
    EXPECT_EQ("another prev there", RAFT_IMPOSSIBLE, lab_append(raft, 2, 4, 3, 3, "", 0));
    EXPECT_EQ("a new leader neither", RAFT_IMPOSSIBLE, lab_append(raft, 3, 5, 2, 1, "5", 0));
    EXPECT_TEXT("the log stays", "1122", lab_draw(raft));
    EXPECT_EQ("but for what is behind it", RAFT_ACCEPTED, lab_append(raft, 3, 5, 3, 2, "5", 2));
    EXPECT_TEXT("of course", "1125", lab_draw(raft));
    EXPECT_EQ("nor does the commit index fall", 0, lab_out.commit_index);
    free(raft);
}

/* An answer of the disk that a truncation overtook must not count for what stands there now, even if that is of the
 * same index and term: the leader's entry came, went with the next leader, and came again. */
TEST(late_answers_of_the_disk_are_about_other_entries)
{
    struct raft *raft = lab_restore(1, 4, 0, "122");

    lab_append(raft, 2, 4, 4, 2, "44", 0);
    const struct raft_ticket first = lab_ticket;
    lab_append(raft, 3, 5, 4, 2, "5", 0); /* truncates 5 and 6 */
    const struct raft_ticket second = lab_ticket;
    lab_append(raft, 2, 6, 4, 2, "44", 0); /* and they are back */
    const struct raft_ticket third = lab_ticket;
    EXPECT_TEXT("as they were", "112244", lab_draw(raft));
    raft_on_stored(raft, lab_now, first, &lab_out);
    EXPECT_EQ("the first write's entries are gone", 4, raft->storage.stored_index);
    raft_on_stored(raft, lab_now, second, &lab_out);
    EXPECT_EQ("the second's too", 4, raft->storage.stored_index);
    EXPECT("nothing was acknowledged", lab_sent(RAFT_APPEND_RESPONSE, 2) == NULL);
    raft_on_stored(raft, lab_now, third, &lab_out);
    EXPECT_EQ("now they are durable", 6, raft->storage.stored_index);
    const struct raft_message *sent = lab_sent(RAFT_APPEND_RESPONSE, 2);
    EXPECT("and it is said", sent != NULL && sent->append_response.index == 6);
    raft_check(raft);
    free(raft);
}

/* A leader says what it was told that we hold: of its own term, durably. If we do not, this is not the disk that it was
 * said of. */
static const struct promise_row {
    const char *why;
    uint64_t term; /* the leader's */
    const char *log;
    uint64_t held_index;
    bool forgot;
} promise_rows[] = {
    { "nothing was promised", 4, "12", 0, false },
    { "all of it is there", 4, "124", 4, false },
    { "and more", 4, "12444", 4, false },
    { "its last entry is not", 4, "124", 5, true },
    { "nor anything of that term", 4, "1", 4, true },
    { "there is another entry, which is older", 4, "1222", 4, true },
    { "what was promised to this leader counts, though our disk is of before it", 5, "124", 6, true },
};

static enum raft_verdict remind(struct raft *raft, uint64_t term, uint64_t held_index)
{
    return lab_say(raft, 2, term,
                   (struct raft_message){ .kind = RAFT_APPEND_REQUEST,
                                          .append_request = { .beat = 9, .held_index = held_index } });
}

TEST(who_lacks_what_it_acknowledged_notices)
{
    FOR_EACH(promise_row, row, promise_rows) {
        struct raft *raft = lab_restore(1, 4, 0, row->log);
        EXPECT_EQ(row->why, RAFT_ACCEPTED, remind(raft, row->term, row->held_index));
        EXPECT_EQ(row->why, row->forgot, raft_has_forgotten(raft));
        EXPECT_EQ(row->why, row->forgot, lab_noted(RAFT_NOTE_FORGOT));
        const struct raft_message *sent = lab_sent(RAFT_APPEND_RESPONSE, 2);
        EXPECT(row->why, sent != NULL && sent->append_response.forgot == row->forgot);
        if (row->forgot) EXPECT_EQ(row->why, (int64_t)row->held_index, (int64_t)sent->append_response.index);
        free(raft);
    }
}

TEST(who_has_forgotten_promises_nothing_more)
{
    struct raft *raft = lab_restore(1, 4, 0, "122");

    remind(raft, 4, 9);
    EXPECT_EQ("no vote", RAFT_IGNORED, lab_ask_vote(raft, 3, 9, false, 9, 8));
    EXPECT_EQ("not even that it would", RAFT_IGNORED, lab_ask_vote(raft, 3, 9, true, 9, 8));
    EXPECT_EQ("no entries", RAFT_IGNORED, lab_append(raft, 2, 4, 4, 2, "44", 0));
    EXPECT_TEXT("its log stays", "1122", lab_draw(raft));
    EXPECT_EQ("and it waits for nobody", (int64_t)RAFT_NEVER, (int64_t)raft_deadline_ns(raft));
    lab_wait(raft, 10 * LAB_TIMEOUT_MS);
    EXPECT_EQ("nor stands for election", RAFT_FOLLOWER, raft_role(raft));
    EXPECT_EQ("it says nothing", 0, lab_out.message_count);
    free(raft);
}

/* What is under way to the disk when it is found out is not acknowledged any more. */
TEST(who_has_forgotten_acknowledges_nothing_late)
{
    struct raft *raft = lab_restore(1, 4, 0, "122");

    lab_append(raft, 2, 4, 4, 2, "44", 0);
    remind(raft, 4, 9);
    EXPECT("noticed", raft_has_forgotten(raft));
    lab_stored(raft);
    EXPECT_EQ("silence", 0, lab_out.message_count);
    free(raft);
}

TEST(a_leader_of_an_older_term_is_told)
{
    struct raft *raft = lab_restore(1, 4, 0, "122");
    EXPECT_EQ("stale", RAFT_STALE, lab_append(raft, 2, 3, 4, 2, "3", 4));
    EXPECT_TEXT("nothing is taken", "1122", lab_draw(raft));
    EXPECT_EQ("it is not followed", 0, raft_leader(raft));
    const struct raft_message *sent = lab_sent(RAFT_APPEND_RESPONSE, 2);
    EXPECT("our term is all it needs", sent != NULL && sent->append_response.rejected && sent->term == 4);
    free(raft);
}

TEST(a_list_is_in_force_with_its_entry_and_gone_with_it)
{
    struct raft *raft = lab_restore(1, 4, 0, "122");
    static const uint8_t list[] = { 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, RAFT_VOTER, 0 };
    struct raft_entry entry = { 4, sizeof list, RAFT_ENTRY_CONFIGURATION };
    struct raft_message message = {
        .kind = RAFT_APPEND_REQUEST,
        .append_request = { .prev_index = 4, .prev_term = 2, .beat = 1, .entry_count = 1, .entries = &entry },
        .payload = { list, sizeof list }
    };

    EXPECT_EQ("taken", RAFT_ACCEPTED, lab_say(raft, 2, 4, message));
    EXPECT_EQ("in force before it is committed, or durable", 5, raft_configuration(raft)->index);
    EXPECT("it may campaign as long as that is so", raft_election_may_campaign(raft));
    lab_append(raft, 3, 5, 4, 2, "5", 0);
    EXPECT_EQ("the one before is back", 1, raft_configuration(raft)->index);
    EXPECT("and that is said", lab_noted(RAFT_NOTE_ROLLED_BACK));
    EXPECT_EQ("with its members", 4, raft_configuration(raft)->count);
    EXPECT_EQ("that one is committed, or no other could have followed", RAFT_IMPOSSIBLE,
              lab_append(raft, 2, 6, 0, 0, "2", 0));

    entry.size--;
    message.payload.size--;
    EXPECT_EQ("a list that cannot be read", RAFT_IMPOSSIBLE, lab_say(raft, 3, 6, message));
    free(raft);
}
