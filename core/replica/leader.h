/* leader.h -- what does a leader send to one follower of one partition, and what has come of it?
 *
 *     CLOSED --- link, back-off over ---> ASKED --- answer ---> COMPARED --- answer ---> ...
 *        ^                                   |                     |
 *        |                                   +------ matched ------+------> MATCHED -- data, acks
 *        +------ link lost, refused, nothing fits -----------------------------+
 *
 * A stream belongs to one session: what is said in another one does not count. It runs ahead of the follower's acks. It
 * has no bytes and no links of its own: whoever keeps it reads the log and sends.
 *
 * Invariants, numbered as in leader_stream_check():
 *   (1) A stream that is not closed has a session.
 *   (2) matched_offset <= next_offset: what was acknowledged was sent. */
#ifndef CHRONIK_REPLICA_LEADER_H
#define CHRONIK_REPLICA_LEADER_H

#include "replica/frames.h"

enum stream_state {
    STREAM_CLOSED,
    STREAM_ASKED,
    STREAM_COMPARED,
    STREAM_MATCHED,
};

#define STREAM_BACK_OFF_NS (5 * UINT64_C(1000000)) /* the first time; doubled each time: metadata is soon there */
#define STREAM_BACK_OFF_MAX_NS (2 * UINT64_C(1000000000))
#define STREAM_ANSWER_NS (3 * UINT64_C(1000000000)) /* an OPEN that is not answered for so long is asked again */

struct stream {
    enum stream_state state;
    uint64_t session;
    uint32_t follower_number; /* what the follower calls the partition */
    int64_t matched_offset;   /* it holds what we have below this: said by its acks, at first by its OPEN_ANSWER */
    int64_t next_offset;      /* what is sent next */
    int64_t held_offset;      /* it has acknowledged what is below; -1: nothing in this session */
    int32_t sent_epoch;       /* leader epoch of the record before next_offset, -1: none */
    uint8_t failures;
    uint64_t retry_ns;     /* CLOSED: when to ask; ASKED, COMPARED: when to ask again */
    uint64_t caught_up_ns; /* it had everything there was at this time */
    uint64_t sample_ns;    /* something that was sent then is to be answered; 0: nothing is under way */
    int64_t sample_end;    /* where the log ended then */
};

/* The follower's log against ours. */
struct leader_log {
    int64_t log_start_offset;
    int64_t log_end_offset;
    bool distrusts_deletions; /* what it has deleted may have been other records */
    bool bound_known;         /* log_epoch_bound of the follower's last epoch */
    int32_t bound_epoch;
    int64_t bound_offset;
};

enum match_kind {
    MATCH_FOUND,   /* all that it has, we have: it goes on from its end */
    MATCH_COMPARE, /* it has more, or other records, of a common epoch: it is to give them up and answer again */
    MATCH_RESET,   /* nothing of it can be used: it is to begin anew at `offset` */
};

struct match {
    enum match_kind kind;
    int32_t epoch;
    int64_t offset;
};

struct match leader_judge_answer(const struct leader_log *log, const struct open_answer_frame *answer);

/* It is to be opened now, or soon again. `lost`: nothing is wrong with it but its link. */
void leader_stream_close(struct stream *stream, uint64_t mono_ns, bool lost);

void leader_stream_on_asked(struct stream *stream, uint64_t session, uint64_t mono_ns);
void leader_stream_on_compared(struct stream *stream, uint64_t mono_ns);
void leader_stream_on_matched(struct stream *stream, const struct open_answer_frame *answer);

/* Everything from next_offset up to `to` is on its way, or (to == next_offset) only what is committed. */
void leader_stream_on_sent(struct stream *stream, int64_t to, int32_t last_epoch, int64_t log_end_offset,
                           uint64_t mono_ns);

/* It holds all below `held_offset`, which the watermark has found possible. */
void leader_stream_on_ack(struct stream *stream, int64_t held_offset);

/* Since when it has everything. `answered_ns` is when the last beat left that its node has answered: that says
 * something of a stream with nothing under way. */
uint64_t leader_stream_caught_up_ns(const struct stream *stream, int64_t log_end_offset, uint64_t answered_ns);

/* The log is about to grow: what the last beat has said of a stream at rest is kept. */
void leader_stream_on_append(struct stream *stream, int64_t log_end_before, uint64_t answered_ns);

void leader_stream_check(const struct stream *stream);

#endif
