/* What a follower lets a leader do to its log, and what a leader makes of a follower's. */
#include "replica/follower.h"
#include "replica/leader.h"
#include "t.h"

enum { LEADER = 2, EPOCH = 5, OURS = 30, HIS = 20, SESSION = 77 };

/* ---- opening ---- */

static const struct open_row {
    const char *why;
    bool present, offline;
    int32_t leader_epoch;
    int64_t follower_broker_epoch, leader_broker_epoch;
    enum open_step step;
    uint64_t session;
    enum open_verdict verdict;
} open_rows[] = {
    { "a leader of the present epoch", true, false, EPOCH, OURS, HIS, OPEN_ASK, SESSION + 1, OPEN_ACCEPTED },
    { "one of a newer epoch than the metadata say", true, false, EPOCH + 1, OURS, HIS, OPEN_ASK, SESSION + 1,
      OPEN_ACCEPTED },
    { "one that was deposed", true, false, EPOCH - 1, OURS, HIS, OPEN_ASK, SESSION + 1, OPEN_OLD_EPOCH },
    { "a partition that is not here", false, false, EPOCH, OURS, HIS, OPEN_ASK, SESSION + 1, OPEN_UNKNOWN },
    { "said to a process of ours that is gone", true, false, EPOCH, OURS - 1, HIS, OPEN_ASK, SESSION + 1,
      OPEN_STRANGER },
    { "said by a process of his that is gone", true, false, EPOCH, OURS, HIS - 1, OPEN_ASK, SESSION + 1,
      OPEN_STRANGER },
    { "by one that we have not heard of yet", true, false, EPOCH, OURS, HIS + 1, OPEN_ASK, SESSION + 1, OPEN_ACCEPTED },
    { "a replica that has to be looked at", true, true, EPOCH, OURS, HIS, OPEN_ASK, SESSION + 1, OPEN_OFFLINE },
    { "the next step of the session", true, false, EPOCH, OURS, HIS, OPEN_COMPARE, SESSION, OPEN_ACCEPTED },
    { "a step of another session", true, false, EPOCH, OURS, HIS, OPEN_COMPARE, SESSION - 1, OPEN_STALE },
    { "a step in another epoch", true, false, EPOCH + 1, OURS, HIS, OPEN_RESET, SESSION, OPEN_STALE },
};

TEST(opens_are_judged)
{
    FOR_EACH(open_row, row, open_rows) {
        const struct follower follower = { FOLLOWER_ANSWERED, LEADER, EPOCH, SESSION, 1, false, false };
        const struct follower_view view = { row->present, row->offline, EPOCH, OURS, HIS };
        const struct open_frame open = { .leader_epoch = row->leader_epoch,
                                         .leader_broker_epoch = row->leader_broker_epoch,
                                         .follower_broker_epoch = row->follower_broker_epoch,
                                         .session = row->session,
                                         .step = row->step };
        EXPECT_EQ(row->why, row->verdict, follower_judge_open(&follower, &view, LEADER, &open));
    }
}

/* ---- giving up records ---- */

static const struct cut_row {
    const char *why;
    struct follower_log log;
    enum open_step step;
    int32_t bound_epoch;
    int64_t bound_offset, own_bound;
    int32_t last_unclean_epoch;
    enum cut_kind kind;
    int64_t offset;
} cut_rows[] = {
    { "it only answers", { 0, 16, 3, 2 }, OPEN_ASK, -1, -1, 0, 0, CUT_NOTHING, 0 },
    { "KIP-279: (1:0-9)(3:10-) leads (1:0-4)(2:5-15)", { 0, 16, 3, 2 }, OPEN_COMPARE, 1, 10, 5, 0, CUT_TRUNCATE, 5 },
    { "the leader's end is the smaller one", { 0, 16, 3, 2 }, OPEN_COMPARE, 1, 4, 5, 0, CUT_TRUNCATE, 4 },
    { "our log ends before both", { 0, 4, 3, 1 }, OPEN_COMPARE, 1, 10, 4, 0, CUT_TRUNCATE, 4 },
    { "down to the high watermark", { 0, 16, 5, 2 }, OPEN_COMPARE, 1, 10, 5, 0, CUT_TRUNCATE, 5 },
    { "what was committed is not given up", { 0, 16, 6, 2 }, OPEN_COMPARE, 1, 10, 5, 0, CUT_REFUSED, 5 },
    { "unless an election since then was unclean", { 0, 16, 6, 2 }, OPEN_COMPARE, 1, 10, 5, 3, CUT_TRUNCATE, 5 },
    { "one before that explains nothing", { 0, 16, 6, 2 }, OPEN_COMPARE, 1, 10, 5, 2, CUT_REFUSED, 5 },
    { "what the leader has deleted may go", { 0, 16, 16, 2 }, OPEN_RESET, -1, 40, 0, 0, CUT_RESET, 40 },
    { "an empty log begins further on", { 33, 33, 33, -1 }, OPEN_RESET, -1, 40, 0, 0, CUT_RESET, 40 },
    { "but offsets that were given are not given again",
      { 33, 33, 33, -1 },
      OPEN_RESET,
      -1,
      20,
      0,
      0,
      CUT_REFUSED,
      20 },
    { "unless an election was unclean", { 33, 33, 33, -1 }, OPEN_RESET, -1, 20, 0, 3, CUT_RESET, 20 },
    { "a log with committed records does not", { 0, 16, 6, 2 }, OPEN_RESET, -1, 0, 0, 0, CUT_REFUSED, 0 },
};

TEST(cuts_are_judged)
{
    FOR_EACH(cut_row, row, cut_rows) {
        const struct open_frame open = { .step = row->step,
                                         .bound_epoch = row->bound_epoch,
                                         .bound_offset = row->bound_offset };
        const struct cut_verdict verdict =
            follower_judge_cut(&row->log, &open, row->own_bound, row->last_unclean_epoch);
        EXPECT_EQ(row->why, row->kind, verdict.kind);
        EXPECT_EQ(row->why, row->offset, verdict.offset);
    }
}

/* ---- data ---- */

static const struct data_row {
    const char *why;
    enum follower_state state;
    int32_t from_node, leader_epoch;
    uint64_t session;
    int64_t from;
    int32_t previous_epoch;
    int64_t log_start_offset; /* of a log that ends at 10, in epoch 3 */
    enum data_verdict verdict;
} data_rows[] = {
    { "the next records", FOLLOWER_MATCHED, LEADER, EPOCH, SESSION, 10, 3, 0, DATA_ACCEPTED },
    { "the first ones after an answer", FOLLOWER_ANSWERED, LEADER, EPOCH, SESSION, 10, 3, 0, DATA_ACCEPTED },
    { "a hole between messages", FOLLOWER_MATCHED, LEADER, EPOCH, SESSION, 11, 3, 0, DATA_NOT_NEXT },
    { "the same again", FOLLOWER_MATCHED, LEADER, EPOCH, SESSION, 9, 3, 0, DATA_NOT_NEXT },
    { "the record before is of another epoch", FOLLOWER_MATCHED, LEADER, EPOCH, SESSION, 10, 2, 0, DATA_NOT_NEXT },
    { "nothing said of the record before", FOLLOWER_MATCHED, LEADER, EPOCH, SESSION, 10, -1, 0, DATA_NOT_NEXT },
    { "before the first record there is none", FOLLOWER_MATCHED, LEADER, EPOCH, SESSION, 10, -1, 10, DATA_ACCEPTED },
    { "while the log gives up its end", FOLLOWER_TRUNCATING, LEADER, EPOCH, SESSION, 10, 3, 0, DATA_CLOSED },
    { "without a session", FOLLOWER_CLOSED, LEADER, EPOCH, SESSION, 10, 3, 0, DATA_CLOSED },
    { "of a session before", FOLLOWER_MATCHED, LEADER, EPOCH, SESSION - 1, 10, 3, 0, DATA_CLOSED },
    { "of another node", FOLLOWER_MATCHED, 9, EPOCH, SESSION, 10, 3, 0, DATA_CLOSED },
    { "of another epoch than the session", FOLLOWER_MATCHED, LEADER, EPOCH + 1, SESSION, 10, 3, 0, DATA_CLOSED },
};

TEST(data_are_judged)
{
    FOR_EACH(data_row, row, data_rows) {
        const struct follower follower = { row->state, LEADER, EPOCH, SESSION, 1, false, false };
        const struct follower_log log = { row->log_start_offset, 10, 5, 3 };
        const struct data_frame data = { .leader_epoch = row->leader_epoch,
                                         .session = row->session,
                                         .from = row->from,
                                         .to = row->from + 1,
                                         .previous_epoch = row->previous_epoch };
        EXPECT_EQ(row->why, row->verdict, follower_judge_data(&follower, &log, row->from_node, &data));
    }
}

TEST(a_follower_shows_no_more_than_it_has)
{
    const struct follower_log log = { 0, 10, 5, 3 };
    struct data_frame data = { .high_watermark = 8 };

    EXPECT_EQ("what its leader says", 8, follower_high_watermark(&log, &data));
    data.high_watermark = 12;
    EXPECT_EQ("as far as it goes here", 10, follower_high_watermark(&log, &data));
    data.high_watermark = 3;
    EXPECT_EQ("and never less than before", 5, follower_high_watermark(&log, &data));
}

/* ---- the leader's side ---- */

static const struct match_row {
    const char *why;
    struct leader_log log;
    int32_t last_epoch;
    int64_t start, end;
    enum match_kind kind;
    int32_t epoch;
    int64_t offset;
} match_rows[] = {
    { "all that it has, we have", { 0, 30, false, true, 3, 30 }, 3, 0, 20, MATCH_FOUND, 3, 20 },
    { "up to our end", { 0, 30, false, true, 3, 30 }, 3, 0, 30, MATCH_FOUND, 3, 30 },
    { "it has more of our newest epoch", { 0, 30, false, true, 3, 30 }, 3, 0, 31, MATCH_COMPARE, 3, 30 },
    { "its last epoch is none of ours (KIP-279)", { 0, 30, false, true, 1, 10 }, 2, 0, 16, MATCH_COMPARE, 1, 10 },
    { "even if it ends where ours ends", { 0, 30, false, true, 1, 10 }, 2, 0, 9, MATCH_COMPARE, 1, 10 },
    { "an older epoch that went on longer there", { 0, 30, false, true, 1, 10 }, 1, 0, 12, MATCH_COMPARE, 1, 10 },
    { "it ends before our log begins", { 25, 30, false, true, 3, 30 }, 1, 0, 20, MATCH_RESET, -1, 25 },
    { "it has nothing, and nor have we before that", { 0, 30, false, false, -1, 0 }, -1, 0, 0, MATCH_FOUND, -1, 0 },
    { "all that it had was deleted, and ours is there yet",
      { 5, 30, false, false, -1, 5 },
      -1,
      20,
      20,
      MATCH_FOUND,
      -1,
      5 },
    { "the same, up to our end", { 5, 30, false, false, -1, 5 }, -1, 30, 30, MATCH_FOUND, -1, 5 },
    { "it has nothing, and begins behind our end", { 5, 30, false, false, -1, 5 }, -1, 33, 33, MATCH_RESET, -1, 5 },
    { "we do not know what it has", { 0, 30, false, false, -1, 0 }, 1, 0, 20, MATCH_RESET, -1, 0 },
    { "it has deleted what an unclean election may have left here",
      { 5, 30, true, false, -1, 5 },
      -1,
      20,
      20,
      MATCH_RESET,
      -1,
      5 },
    { "or it begins where we do", { 5, 30, true, false, -1, 5 }, -1, 5, 5, MATCH_FOUND, -1, 5 },
};

TEST(answers_are_matched)
{
    FOR_EACH(match_row, row, match_rows) {
        const struct open_answer_frame answer = { .last_epoch = row->last_epoch,
                                                  .log_start_offset = row->start,
                                                  .log_end_offset = row->end };
        const struct match match = leader_judge_answer(&row->log, &answer);
        EXPECT_EQ(row->why, row->kind, match.kind);
        EXPECT_EQ(row->why, row->epoch, match.epoch);
        if (row->kind != MATCH_FOUND || row->last_epoch >= 0) EXPECT_EQ(row->why, row->offset, match.offset);
    }
}

static struct stream matched_at(int64_t offset)
{
    struct stream stream = { .state = STREAM_CLOSED };
    const struct open_answer_frame answer = { .log_end_offset = offset, .last_epoch = 3, .follower_number = 9 };

    leader_stream_on_asked(&stream, SESSION, 1);
    leader_stream_on_matched(&stream, &answer);
    return stream;
}

TEST(a_stream_is_caught_up_when_what_was_sent_is_answered)
{
    struct stream stream = matched_at(10);

    leader_stream_on_sent(&stream, 20, 4, 25, 100);
    leader_stream_on_sent(&stream, 25, 4, 30, 200);
    leader_stream_on_ack(&stream, 20);
    EXPECT_EQ("he had all of the log up to 20 when it ended at 25", 0, leader_stream_caught_up_ns(&stream, 30, 900));
    leader_stream_on_ack(&stream, 25);
    EXPECT_EQ("now he has what there was when the first one left", 100, leader_stream_caught_up_ns(&stream, 30, 900));
    leader_stream_on_sent(&stream, 30, 4, 30, 300);
    leader_stream_on_ack(&stream, 40);
    EXPECT_EQ("nothing is held that was not sent", 30, stream.held_offset);
    EXPECT_EQ("at rest a beat says that he is there", 900, leader_stream_caught_up_ns(&stream, 30, 900));
    leader_stream_on_append(&stream, 30, 900);
    EXPECT_EQ("which stays true when the log grows", 900, leader_stream_caught_up_ns(&stream, 31, 5000));
    leader_stream_close(&stream, 1000, true);
    EXPECT_EQ("of a stream that is lost a beat says nothing", 900, leader_stream_caught_up_ns(&stream, 30, 5000));
}

TEST(a_stream_is_opened_again_later_each_time)
{
    struct stream stream = { .state = STREAM_CLOSED };

    for (uint64_t back_off_ns = STREAM_BACK_OFF_NS; back_off_ns < STREAM_BACK_OFF_MAX_NS; back_off_ns *= 2) {
        leader_stream_on_asked(&stream, SESSION, 5);
        leader_stream_close(&stream, 1000, false);
        EXPECT_EQ("twice as long", 1000 + back_off_ns, stream.retry_ns);
    }
    for (uint32_t i = 0; i < 300; i++) leader_stream_close(&stream, 1000, false);
    EXPECT_EQ("there is a limit", 1000 + STREAM_BACK_OFF_MAX_NS, stream.retry_ns);
    leader_stream_close(&stream, 1000, true);
    EXPECT_EQ("a link that was lost is no reason to wait", 1000, stream.retry_ns);
}
