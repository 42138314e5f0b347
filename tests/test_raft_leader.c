/* What a leader counts, sends, and holds back. Node 1 leads term 4; its log is 1 (the list) 1 2 2 and its no-op at 5.
 */
#include "raft_lab.h"

static const uint32_t ones[16] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };

static struct raft *leader(void)
{
    return lab_lead(4, "122");
}

static uint32_t entries_to(uint64_t id)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < lab_out.message_count; i++) {
        const struct raft_message *message = &lab_out.messages[i];
        if (message->to == id && message->kind == RAFT_APPEND_REQUEST) count += message->append_request.entry_count;
    }
    return count;
}

/* Raft, figure 8: an entry of an older term may be on a majority and still be overwritten. */
TEST(entries_of_older_terms_are_not_counted)
{
    struct raft *raft = leader();
    lab_hold(raft, 2, 4);
    EXPECT_EQ("on two of three, and not committed", 0, lab_out.commit_index);
    lab_hold(raft, LAB_LEARNER, 5);
    EXPECT_EQ("a learner does not count", 0, lab_out.commit_index);
    lab_hold(raft, 2, 5);
    EXPECT_EQ("with the no-op all before it", 5, lab_out.commit_index);
    free(raft);
}

TEST(the_own_disk_counts_like_any)
{
    struct raft *raft = leader();
    lab_hold(raft, 2, 5);
    EXPECT_EQ("taken", RAFT_ACCEPTED, raft_propose(raft, lab_now, ones, 2, &lab_out));
    lab_called(raft);
    EXPECT_EQ("entries leave before our disk has them", 2, entries_to(2));
    lab_hold(raft, 2, 7);
    EXPECT_EQ("one of three", 5, raft->commit_index);
    lab_hold(raft, 3, 7);
    EXPECT_EQ("two others commit without us", 7, raft->commit_index);
    EXPECT_EQ("but are applied here when we have them", 0, lab_out.commit_index);
    lab_stored(raft);
    EXPECT_EQ("now", 7, lab_out.commit_index);
    free(raft);
}

TEST(what_is_in_flight_is_bounded)
{
    struct raft *raft = leader();
    lab_hold(raft, 2, 5);
    lab_hold(raft, 3, 5);
    EXPECT_EQ("taken", RAFT_ACCEPTED, raft_propose(raft, lab_now, ones, 10, &lab_out));
    EXPECT_EQ("two messages of four, then it is full", 8, entries_to(2));
    EXPECT_EQ("each follower has its own window", 8, entries_to(3));
    lab_called(raft);
    lab_hold(raft, 2, 7);
    EXPECT_EQ("what was acknowledged makes room", 2, entries_to(2));
    EXPECT_EQ("not more than may be uncommitted", RAFT_FULL, raft_propose(raft, lab_now, ones, 7, &lab_out));
    free(raft);
}

/* Under load nobody ever has all that there is just now. What counts is how old the end is that it has. */
/* 1, 2 and 3 vote, and very many learn. */
static struct raft *leader_of_crowd(void)
{
    enum { CROWD = 70, FIRST_LEARNER = 8 };
    static uint8_t bytes[8 + CROWD * 10] = { 1, 0, 0, 0, 0, 0, 0, CROWD };
    struct raft_config config = lab_config;

    for (uint32_t i = 0; i < CROWD; i++) {
        store_u64(bytes + 8 + i * 10, i < 3 ? i + 1 : FIRST_LEARNER + i - 3);
        bytes[8 + i * 10 + 8] = i < 3 ? RAFT_VOTER : 0;
    }
    config.members_max = CROWD;
    config.configuration_size_max = sizeof bytes;
    struct raft *raft = aligned_alloc(64, (raft_size(&config) + 63) / 64 * 64);
    raft_init(raft, &config);
    CHECK(raft_restore_hard_state(raft, 1, 0) == RAFT_ACCEPTED);
    const struct bytes list = { bytes, sizeof bytes };
    CHECK(raft_restore_entry(raft, 1, RAFT_ENTRY_CONFIGURATION, 1, list) == RAFT_ACCEPTED);
    lab_now = MS;
    raft_start(raft, lab_now, &lab_out);
    lab_wait(raft, 2 * LAB_TIMEOUT_MS);
    lab_vote(raft, 2, true, true);
    lab_stored(raft);
    lab_vote(raft, 2, false, true);
    CHECK(raft->role == RAFT_LEADER);
    return raft;
}

/* A call has no room for a message to each of them. */
static uint32_t all_entries_to(struct raft *raft, uint64_t id)
{
    uint32_t count = entries_to(id);

    for (uint32_t i = 0; i < 8; i++) {
        lab_wait(raft, 0);
        count += entries_to(id);
    }
    return count;
}

TEST(of_very_many_who_do_not_vote_wait_for_their_turn)
{
    struct raft *raft = leader_of_crowd();
    (void)all_entries_to(raft, LAB_LEARNER);
    lab_hold(raft, 2, 2);
    lab_hold(raft, LAB_LEARNER, 2);
    (void)all_entries_to(raft, LAB_LEARNER); /* that this is committed */
    EXPECT_EQ("taken", RAFT_ACCEPTED, raft_propose(raft, lab_now, ones, 1, &lab_out));
    EXPECT_EQ("it is sent the next one", 1, all_entries_to(raft, LAB_LEARNER));
    EXPECT_EQ("taken", RAFT_ACCEPTED, raft_propose(raft, lab_now, ones, 1, &lab_out));
    EXPECT_EQ("but not the one behind that", 0, all_entries_to(raft, LAB_LEARNER));
    EXPECT_EQ("taken", RAFT_ACCEPTED, raft_propose(raft, lab_now, ones, 1, &lab_out));
    EXPECT_EQ("who votes is", 1, all_entries_to(raft, 2));
    lab_hold(raft, LAB_LEARNER, 3);
    EXPECT_EQ("both go with one message, when it has answered", 2, all_entries_to(raft, LAB_LEARNER));
    free(raft);
}

TEST(a_follower_is_as_far_as_it_was_asked_to_be)
{
    struct raft *raft = leader();
    struct raft_peer_view peer;

    EXPECT("known", raft_peer(raft, 2, &peer));
    EXPECT_EQ("nothing was heard", 0, peer.caught_up_ns);
    const uint64_t began_ns = lab_now;
    lab_wait(raft, 1);
    lab_hold(raft, 2, 4);
    raft_peer(raft, 2, &peer);
    EXPECT_EQ("it has what there was when we began", began_ns, peer.caught_up_ns);
    lab_wait(raft, 1);
    const uint64_t whole_ns = lab_now;
    lab_hold(raft, 2, 5);
    raft_peer(raft, 2, &peer);
    EXPECT_EQ("it has all that there is, now", whole_ns, peer.caught_up_ns);
    lab_wait(raft, 1);
    EXPECT_EQ("taken", RAFT_ACCEPTED, raft_propose(raft, lab_now, ones, 4, &lab_out));
    lab_hold(raft, 2, 6);
    raft_peer(raft, 2, &peer);
    EXPECT_EQ("more than there was then, but not all", whole_ns, peer.caught_up_ns);
    const uint64_t goal_ns = lab_now;
    lab_wait(raft, 1);
    lab_hold(raft, 2, 8);
    raft_peer(raft, 2, &peer);
    EXPECT_EQ("still less than what there was when it was heard last", whole_ns, peer.caught_up_ns);
    EXPECT_EQ("taken", RAFT_ACCEPTED, raft_propose(raft, lab_now, ones, 1, &lab_out));
    lab_hold(raft, 2, 9);
    raft_peer(raft, 2, &peer);
    EXPECT_EQ("as much as there was then", goal_ns, peer.caught_up_ns);
    free(raft);
}

static const struct reject_row {
    const char *why;
    uint64_t index, hint_index, hint_term;
    enum raft_verdict verdict;
    uint64_t probes; /* the prev_index of what is sent then; 0: nothing is */
} reject_rows[] = {
    { "its end is the hint", 4, 2, 1, RAFT_ACCEPTED, 2 },
    { "nothing at all there", 4, 0, 0, RAFT_ACCEPTED, 0 },
    { "its terms are newer: down to where ours are as old", 4, 3, 1, RAFT_ACCEPTED, 2 },
    { "a hint that is no step back steps back one", 4, 4, 2, RAFT_ACCEPTED, 3 },
    { "any request of the stream may be the first that fails", 5, 2, 1, RAFT_ACCEPTED, 2 },
    { "behind our end", 9, 2, 1, RAFT_IMPOSSIBLE, 4 },
};

TEST(rejections_find_where_logs_agree)
{
    FOR_EACH(reject_row, row, reject_rows) {
        struct raft *raft = leader();
        const struct raft_message message = { .kind = RAFT_APPEND_RESPONSE,
                                              .append_response = { .beat = 1,
                                                                   .rejected = true,
                                                                   .index = row->index,
                                                                   .hint_index = row->hint_index,
                                                                   .hint_term = row->hint_term } };
        EXPECT_EQ(row->why, row->verdict, lab_say(raft, 2, 4, message));
        const struct raft_message *sent = lab_sent(RAFT_APPEND_REQUEST, 2);
        EXPECT_EQ(row->why, row->verdict == RAFT_ACCEPTED, sent != NULL);
        if (sent != NULL) EXPECT_EQ(row->why, row->probes, sent->append_request.prev_index);
        if (sent != NULL) EXPECT_EQ("probes carry nothing", 0, sent->append_request.entry_count);
        if (sent != NULL) EXPECT_EQ("what failed behind it is old news", RAFT_STALE, lab_say(raft, 2, 4, message));
        free(raft);
    }
}

static enum raft_verdict answer(struct raft *raft, struct raft_append_response response)
{
    return lab_say(raft, 2, 4, (struct raft_message){ .kind = RAFT_APPEND_RESPONSE, .append_response = response });
}

/* What a follower acknowledged of our own term is durable with the term; so it is told what it said, and held to it. */
TEST(a_promise_is_recalled)
{
    static const struct row {
        const char *why;
        uint64_t held_index, recalled_index;
    } rows[] = {
        { "nothing was said", 0, 0 },
        { "older terms' entries: nothing was promised", 4, 0 },
        { "the own term's", 5, 5 },
    };
    FOR_EACH(row, row, rows) {
        struct raft *raft = leader();
        lab_hold(raft, 2, row->held_index);
        lab_wait(raft, 30);
        const struct raft_message *sent = lab_sent(RAFT_APPEND_REQUEST, 2);
        EXPECT(row->why, sent != NULL && sent->append_request.held_index == row->recalled_index);
        free(raft);
    }
}

TEST(who_has_forgotten_counts_no_more)
{
    struct raft *raft = leader();
    struct raft_peer_view view;

    lab_hold(raft, 2, 5);
    EXPECT_EQ("taken", RAFT_ACCEPTED, raft_propose(raft, lab_now, ones, 2, &lab_out));
    lab_called(raft);
    lab_stored(raft);
    lab_hold(raft, 2, 6);
    EXPECT_EQ("it counted", 6, raft->commit_index);
    const struct raft_append_response more = { .beat = 1, .rejected = true, .forgot = true, .index = 7 };
    EXPECT_EQ("it was never told that much", RAFT_IMPOSSIBLE, answer(raft, more));
    const struct raft_append_response forgot = { .beat = 1, .rejected = true, .forgot = true, .index = 6 };
    EXPECT_EQ("it says so", RAFT_ACCEPTED, answer(raft, forgot));
    EXPECT("and people are told", lab_noted(RAFT_NOTE_FORGOT));
    EXPECT_EQ("once", RAFT_STALE, answer(raft, forgot));
    lab_hold(raft, 2, 7);
    EXPECT_EQ("whatever it says now", 6, raft->commit_index);
    EXPECT("it holds nothing", raft_peer(raft, 2, &view) && view.match_index == 0);
    EXPECT_EQ("it does not lead next", RAFT_BEHIND, raft_transfer(raft, lab_now, 2, &lab_out));
    lab_called(raft);
    lab_hold(raft, 3, 7);
    EXPECT_EQ("others count", 7, raft->commit_index);
    lab_wait(raft, 30);
    const struct raft_message *sent = lab_sent(RAFT_APPEND_REQUEST, 2);
    EXPECT("when it starts again it is told again", sent != NULL && sent->append_request.held_index == 7);
    free(raft);
}

/* It acknowledged entries of older terms when its disk did not have our term; after a crash it took a late message of
 * the leader before us, and dropped them. That breaks no promise, and it must not be waited for in vain. */
TEST(entries_of_older_terms_may_be_taken_back)
{
    struct raft *raft = leader();
    struct raft_append_response lacks = { .beat = 1, .rejected = true, .index = 4, .hint_index = 3, .hint_term = 2 };

    lab_hold(raft, 2, 4);
    EXPECT_EQ("said before it said that it has it, perhaps", RAFT_STALE, answer(raft, lacks));
    lab_wait(raft, 30);
    lacks.beat = raft->progress.beat;
    lacks.index = 5; /* what was sent was behind the no-op */
    EXPECT_EQ("a gap", RAFT_ACCEPTED, answer(raft, lacks));
    lab_wait(raft, 30);
    lacks.beat = raft->progress.beat;
    lacks.index = 4;
    EXPECT_EQ("in answer to what was sent after that", RAFT_ACCEPTED, answer(raft, lacks));
    const struct raft_message *sent = lab_sent(RAFT_APPEND_REQUEST, 2);
    EXPECT("it is probed below", sent != NULL && sent->append_request.prev_index == 3);
    lab_hold(raft, 2, 3);
    EXPECT_EQ("and gets on", 2, entries_to(2));
    free(raft);
}

TEST(who_is_too_far_behind_gets_the_snapshot)
{
    struct raft *raft = leader();
    struct raft_message answer = { .kind = RAFT_SNAPSHOT_RESPONSE, .snapshot_response = { .index = 5, .beat = 1 } };
    struct raft_peer_view view;

    lab_hold(raft, 2, 5);
    raft_on_snapshot_taken(raft, 5, 35);
    raft_compact(raft, 5);
    lab_wait(raft, 30);
    const struct raft_message *sent = lab_sent(RAFT_APPEND_REQUEST, 3);
    EXPECT("a silent one is asked at our beginning", sent != NULL && sent->append_request.prev_index == 5);
    lab_say(raft, 3, 4,
            (struct raft_message){ .kind = RAFT_APPEND_RESPONSE,
                                   .append_response = { .beat = 1, .rejected = true, .index = 5 } });
    EXPECT_EQ("two chunks, the window", 2, lab_out.message_count);
    EXPECT_EQ("the second behind the first", 10, lab_out.messages[1].snapshot_request.offset);
    EXPECT("the file is in use", raft_snapshot_needed(raft, 5));
    answer.snapshot_response.offset = 20;
    lab_say(raft, 3, 4, answer);
    EXPECT_EQ("two more", 2, lab_out.message_count);
    EXPECT_EQ("the last one is shorter", 5, lab_out.messages[1].snapshot_request.size);
    answer.snapshot_response.offset = 36;
    EXPECT_EQ("more than there is", RAFT_IMPOSSIBLE, lab_say(raft, 3, 4, answer));
    answer.snapshot_response.offset = 10;
    EXPECT_EQ("old news", RAFT_STALE, lab_say(raft, 3, 4, answer));
    EXPECT("how far it is", raft_peer(raft, 3, &view) && view.snapshot_offset == 20 && view.snapshot_size == 35);
    for (uint32_t i = 0; i < 4; i++) lab_wait(raft, 30), lab_hold(raft, 2, 5);
    lab_wait(raft, 30);
    EXPECT("silence resumes nothing", lab_sent(RAFT_SNAPSHOT_REQUEST, 3) == NULL);
    answer.snapshot_response.installed = true;
    lab_say(raft, 3, 4, answer);
    EXPECT("installed: it holds that much", raft_peer(raft, 3, &view) && view.match_index == 5);
    EXPECT_EQ("and streams", RAFT_STREAMING, view.state);
    free(raft);
}

TEST(a_chunk_that_was_lost_is_sent_again)
{
    struct raft *raft = leader();
    struct raft_message answer = { .kind = RAFT_SNAPSHOT_RESPONSE, .snapshot_response = { .index = 5, .beat = 1 } };
    uint32_t again = 0;

    lab_hold(raft, 2, 5);
    raft_on_snapshot_taken(raft, 5, 35);
    raft_compact(raft, 5);
    lab_wait(raft, 30);
    lab_say(raft, 3, 4,
            (struct raft_message){ .kind = RAFT_APPEND_RESPONSE,
                                   .append_response = { .beat = 1, .rejected = true, .index = 5 } });
    for (uint32_t i = 0; i < 6 && again == 0; i++) {
        lab_hold(raft, 2, 5);
        lab_hold(raft, 3, 0); /* alive, and nothing arrives */
        lab_wait(raft, 30);
        for (uint32_t j = 0; j < lab_out.message_count; j++) {
            again += lab_out.messages[j].kind == RAFT_SNAPSHOT_REQUEST;
        }
    }
    EXPECT_EQ("from where it had all", 2, again);
    answer.snapshot_response.offset = 10;
    lab_say(raft, 3, 4, answer);
    EXPECT_EQ("one arrived: one more", 1, lab_out.message_count);
    EXPECT_EQ("the third", 20, lab_out.messages[0].snapshot_request.offset);
    free(raft);
}

TEST(reads_wait_for_the_own_term_and_for_a_majority)
{
    struct raft *raft = leader();
    EXPECT_EQ("asked", RAFT_ACCEPTED, raft_read(raft, lab_now, 70, &lab_out));
    lab_hold(raft, 3, 4);
    EXPECT_EQ("nothing of our term is committed: we may not know it all", 0, lab_out.read_count);
    lab_hold(raft, 2, 5);
    EXPECT_EQ("now a round is opened", 0, lab_out.read_count);
    EXPECT("all voters are asked",
           lab_sent(RAFT_APPEND_REQUEST, 2) != NULL && lab_sent(RAFT_APPEND_REQUEST, 3) != NULL);
    lab_say(raft, 3, 4,
            (struct raft_message){ .kind = RAFT_APPEND_RESPONSE,
                                   .append_response = { .beat = raft->progress.beat - 1, .index = 4 } });
    EXPECT_EQ("an answer to an older beat says nothing", 0, lab_out.read_count);
    lab_hold(raft, LAB_LEARNER, 5);
    EXPECT_EQ("nor a learner's", 0, lab_out.read_count);
    lab_hold(raft, 3, 4);
    EXPECT("a majority with us", lab_out.read_count == 1 && lab_out.reads[0].token == 70);
    EXPECT_EQ("as of when it was asked", 5, lab_out.reads[0].index);

    raft_read(raft, lab_now, 71, &lab_out);
    lab_append(raft, 3, 9, 4, 2, "", 0);
    EXPECT("who is deposed fails its reads", lab_out.read_count == 1 && lab_out.reads[0].failed);
    EXPECT_EQ("and forwards the next", RAFT_ACCEPTED, raft_read(raft, lab_now, 72, &lab_out));
    const struct raft_message *sent = lab_sent(RAFT_READ_REQUEST, 3);
    EXPECT("to the new leader", sent != NULL);
    const struct raft_message answer = { .kind = RAFT_READ_RESPONSE,
                                         .read_response = { sent == NULL ? 0 : sent->read_request.token, 44 } };
    EXPECT_EQ("another's answer", RAFT_STALE, lab_say(raft, 2, 9, answer));
    lab_say(raft, 3, 9, answer);
    EXPECT("the leader's", lab_out.read_count == 1 && lab_out.reads[0].token == 72 && lab_out.reads[0].index == 44);
    EXPECT_EQ("once", RAFT_STALE, lab_say(raft, 3, 9, answer));
    raft_read(raft, lab_now, 73, &lab_out);
    lab_wait(raft, LAB_TIMEOUT_MS);
    EXPECT("no answer in time", lab_out.read_count == 1 && lab_out.reads[0].failed);
    free(raft);
}

TEST(leadership_is_handed_over)
{
    struct raft *raft = leader();
    lab_hold(raft, 2, 5);
    EXPECT_EQ("not to a learner", RAFT_UNKNOWN, raft_transfer(raft, lab_now, LAB_LEARNER, &lab_out));
    EXPECT_EQ("nor to a stranger", RAFT_UNKNOWN, raft_transfer(raft, lab_now, 9, &lab_out));
    EXPECT_EQ("nor to itself", RAFT_UNKNOWN, raft_transfer(raft, lab_now, 1, &lab_out));
    EXPECT_EQ("to who is behind", RAFT_ACCEPTED, raft_transfer(raft, lab_now, 3, &lab_out));
    EXPECT("not before it holds everything", lab_sent(RAFT_TIMEOUT_NOW, 3) == NULL);
    EXPECT_EQ("meanwhile nothing is proposed", RAFT_BUSY, raft_propose(raft, lab_now, ones, 1, &lab_out));
    EXPECT_EQ("nor handed to another", RAFT_BUSY, raft_transfer(raft, lab_now, 2, &lab_out));
    lab_hold(raft, 3, 5);
    EXPECT("then it is told", lab_sent(RAFT_TIMEOUT_NOW, 3) != NULL);
    lab_hold(raft, 3, 5);
    EXPECT("once per heartbeat", lab_sent(RAFT_TIMEOUT_NOW, 3) == NULL);
    lab_wait(raft, 30);
    EXPECT("again", lab_sent(RAFT_TIMEOUT_NOW, 3) != NULL);
    for (uint32_t i = 0; i < 4; i++) lab_hold(raft, 2, 5), lab_wait(raft, 30);
    EXPECT("not for ever", lab_noted(RAFT_NOTE_TRANSFER_FAILED));
    EXPECT_EQ("and we go on", RAFT_ACCEPTED, raft_propose(raft, lab_now, ones, 1, &lab_out));
    free(raft);
}

/* Whose votes are decided, as digits: 1, 2 and 8 are 128. */
static uint64_t deciding(const struct raft *raft)
{
    const struct raft_configuration *list = raft_configuration_decided(raft);
    uint64_t ids = 0;

    for (uint32_t i = 0; i < list->count; i++) {
        if ((list->members[i].flags & raft_configuration_voting(list)) != 0) ids = 10 * ids + list->members[i].id;
    }
    return ids;
}

TEST(members_change_through_a_joint_phase)
{
    struct raft *raft = leader();
    const struct raft_change swap[] = { { .kind = RAFT_REMOVE, .id = 3 }, { .kind = RAFT_PROMOTE, .id = LAB_LEARNER } };

    EXPECT_EQ("not before our term has committed something", RAFT_BUSY, raft_change(raft, lab_now, swap, 2, &lab_out));
    lab_hold(raft, 2, 5);
    EXPECT_EQ("nor with one that never answered", RAFT_BEHIND, raft_change(raft, lab_now, swap, 2, &lab_out));
    lab_hold(raft, LAB_LEARNER, 0);
    EXPECT_EQ("or lacks too much", RAFT_BEHIND, raft_change(raft, lab_now, swap, 2, &lab_out));
    lab_hold(raft, LAB_LEARNER, 5);
    for (uint32_t i = 0; i < 6; i++) lab_hold(raft, 2, 5), lab_wait(raft, 30);
    EXPECT_EQ("or is silent", RAFT_BEHIND, raft_change(raft, lab_now, swap, 2, &lab_out));
    lab_hold(raft, LAB_LEARNER, 5);
    EXPECT_EQ("now", RAFT_ACCEPTED, raft_change(raft, lab_now, swap, 2, &lab_out));
    lab_called(raft);
    EXPECT("the joint list is in force at once", raft_configuration_is_joint(raft_configuration(raft)));
    EXPECT_EQ("and nothing is decided by that", 123, deciding(raft));
    lab_stored(raft);
    lab_hold(raft, 3, 6);
    EXPECT_EQ("the old majority alone", 5, raft->commit_index);
    lab_hold(raft, LAB_LEARNER, 6);
    EXPECT_EQ("and the new one", 6, raft->commit_index);
    EXPECT_EQ("end the joint phase in the same call", 7, lab_out.write.first_index);
    EXPECT("by a list", !raft_configuration_is_joint(raft_configuration(raft)));
    EXPECT_EQ("until which the old voters are needed", 123, deciding(raft));
    EXPECT_EQ("one change at a time", RAFT_BUSY, raft_change(raft, lab_now, swap, 1, &lab_out));
    EXPECT("who goes still hears of it", raft_peer(raft, 3, &(struct raft_peer_view){ .match_index = 0 }));
    lab_stored(raft);
    lab_hold(raft, 3, 7);
    EXPECT_EQ("and counts no more", 6, raft->commit_index);
    EXPECT_EQ("although that is not decided", 123, deciding(raft));
    lab_hold(raft, 2, 7);
    EXPECT("done", lab_noted(RAFT_NOTE_CONFIGURATION_COMMITTED));
    EXPECT_EQ("the others decide now", 128, deciding(raft));
    EXPECT_EQ("the next one", RAFT_ACCEPTED,
              raft_change(raft, lab_now, &(struct raft_change){ .kind = RAFT_DEMOTE, .id = 2 }, 1, &lab_out));
    free(raft);
}

TEST(a_leader_removes_itself)
{
    struct raft *raft = leader();
    lab_hold(raft, 2, 5);
    lab_hold(raft, 3, 5);
    raft_change(raft, lab_now, &(struct raft_change){ .kind = RAFT_REMOVE, .id = 1 }, 1, &lab_out);
    lab_called(raft);
    lab_stored(raft);
    lab_hold(raft, 2, 6);
    EXPECT_EQ("a majority of the old, one of two new", 6, raft_configuration(raft)->index);
    lab_hold(raft, 3, 6);
    EXPECT_EQ("it ends the joint phase", 7, raft_configuration(raft)->index);
    lab_stored(raft);
    EXPECT_EQ("and does not count itself", 6, raft->commit_index);
    lab_hold(raft, 2, 7);
    EXPECT_EQ("nor one of two", RAFT_LEADER, raft_role(raft));
    lab_hold(raft, 3, 7);
    EXPECT_EQ("when it is committed it goes", RAFT_FOLLOWER, raft_role(raft));
    EXPECT("it says so", lab_noted(RAFT_NOTE_REMOVED));
    EXPECT("and tells one of the others to go on", lab_sent(RAFT_TIMEOUT_NOW, 0) != NULL);
    EXPECT_EQ("with all committed", 7, lab_out.commit_index);
    EXPECT("it waits for nothing", raft_deadline_ns(raft) == RAFT_NEVER);
    free(raft);
}
