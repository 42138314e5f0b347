/* follower.h -- what may a leader do to the log of a partition that we follow?
 *
 * Answers only: each of these looks at what a frame says and at what is known here, and gives a verdict. What follows
 * from it, the caller does. Rules of KIP-101, KIP-279 and KIP-320. */
#ifndef CHRONIK_REPLICA_FOLLOWER_H
#define CHRONIK_REPLICA_FOLLOWER_H

#include "replica/frames.h"

enum follower_state {
    FOLLOWER_CLOSED,     /* no session */
    FOLLOWER_ANSWERED,   /* the leader has been told where the log stands: it will compare, or send */
    FOLLOWER_TRUNCATING, /* until the log has given up what the leader does not have */
    FOLLOWER_MATCHED,    /* data has come, and fitted */
};

/* One partition, as a replica of it that does not lead. Zeroed: nothing is known. */
struct follower {
    enum follower_state state;
    int32_t leader;         /* of the session */
    int32_t leader_epoch;   /* of the session */
    uint64_t session;       /* 0: none */
    uint32_t leader_number; /* what the leader calls the partition */
    bool relaxed;           /* it is content with what is written */
    bool answer_due;        /* an OPEN_ANSWER is to be sent as soon as the log stands still */
    bool told;              /* a leader has said to this process what is committed, */
    int64_t told_watermark; /* ... which was this, when it said so last */
};

/* What the log looks like at the moment. */
struct follower_log {
    int64_t log_start_offset;
    int64_t log_end_offset;
    int64_t high_watermark;
    int32_t last_epoch; /* -1: none */
};

/* What is true here when an OPEN comes. */
struct follower_view {
    bool present;                /* the partition is here, by this topic id, and we are one of its replicas */
    bool offline;                /* it cannot be a replica before somebody looks at it */
    int32_t leader_epoch;        /* as our metadata has it; what others say of newer ones is only waited for */
    int64_t broker_epoch;        /* ours */
    int64_t leader_broker_epoch; /* of who speaks, as far as we know; -1: not at all */
};

enum open_verdict {
    OPEN_ACCEPTED,
    OPEN_UNKNOWN,   /* NACK_UNKNOWN: perhaps our metadata is behind */
    OPEN_OLD_EPOCH, /* NACK_OLD_EPOCH */
    OPEN_STRANGER,  /* NACK_STRANGER: it speaks to an earlier process of ours, or is one of his */
    OPEN_OFFLINE,   /* NACK_OFFLINE */
    OPEN_STALE,     /* a step of a session that is over: nobody waits for an answer */
};

/* An OPEN frame from `from`. Steps behind the first belong to the session that the first has opened. */
enum open_verdict follower_judge_open(const struct follower *follower, const struct follower_view *view, int32_t from,
                                      const struct open_frame *open);

enum cut_kind {
    CUT_NOTHING,  /* it is answered as it stands */
    CUT_TRUNCATE, /* to `offset` */
    CUT_RESET,    /* to begin anew at `offset` */
    CUT_REFUSED,  /* it would give up what was committed, and no unclean election explains that */
};

struct cut_verdict {
    enum cut_kind kind;
    int64_t offset;
};

/* What the leader's comparison means for our log. `own_bound` is where in our own log the records end of the largest
 * epoch that is not above open->bound_epoch, or our log's start if that is not known. `last_unclean_epoch` is the
 * newest leader epoch that began with an unclean election, -1: none did. */
struct cut_verdict follower_judge_cut(const struct follower_log *log, const struct open_frame *open, int64_t own_bound,
                                      int32_t last_unclean_epoch);

enum data_verdict {
    DATA_ACCEPTED,
    DATA_CLOSED,   /* NACK_CLOSED: not of the session that is open here */
    DATA_NOT_NEXT, /* NACK_NOT_NEXT: another offset, or another epoch before it */
};
enum data_verdict follower_judge_data(const struct follower *follower, const struct follower_log *log, int32_t from,
                                      const struct data_frame *data);

/* What is committed here, after data that was accepted and appended. */
int64_t follower_high_watermark(const struct follower_log *log, const struct data_frame *data);

#endif
