/* frames.h -- what do the two ends of a partition's stream say to each other, in bytes?
 *
 *     leader                                   follower
 *       OPEN ask ------------------------------->          which of your records do I have?
 *          <------------------------- OPEN_ANSWER          my last epoch, my end
 *       OPEN compare | reset ------------------->          yours ends there in mine: give up the rest, and say again
 *          <------------------------- OPEN_ANSWER
 *       DATA ----------------------------------->          they match: what follows, and what is committed
 *          <--------------------------------- ACK          I hold all below this, durably; of many partitions at once
 *          <-------------------------------- NACK          I cannot take that: open anew
 *       BEAT ----------------------------------->          of the two nodes, not of a partition
 *          <------------------------- BEAT_ANSWER
 *
 * docs/peer.md has the tables. Checked here is all that can be checked without knowing more: sizes, signs, ranges. Each
 * reader is false for bytes that no writer of ours makes. */
#ifndef CHRONIK_REPLICA_FRAMES_H
#define CHRONIK_REPLICA_FRAMES_H

#include "base/bytes.h"
#include "base/uuid.h"

enum replica_kind { /* of frames on data channels */
                    REPLICA_OPEN = 32,
                    REPLICA_OPEN_ANSWER,
                    REPLICA_DATA,
                    REPLICA_ACK,
                    REPLICA_NACK,
                    REPLICA_BEAT,
                    REPLICA_BEAT_ANSWER,
};

enum {
    OPEN_SIZE = 68,
    OPEN_ANSWER_SIZE = 48,
    DATA_HEAD_SIZE = 56,
    ACK_HEAD_SIZE = 16,
    ACK_ENTRY_SIZE = 32,
    ACK_ENTRIES_MAX = 256,
    NACK_SIZE = 40,
    BEAT_SIZE = 16,
    BEAT_ANSWER_SIZE = 24,
};

enum open_step { OPEN_ASK, OPEN_COMPARE, OPEN_RESET };

/* Each end has its own number for a partition; what it says first, the other one repeats, so that neither has to
 * search. Numbers are checked like everything else. */
struct open_frame {
    struct uuid topic_id;
    int32_t partition;
    int32_t leader_epoch;
    int64_t leader_broker_epoch;
    int64_t follower_broker_epoch; /* of the registration that the leader knows */
    uint64_t session;
    uint32_t leader_number;
    enum open_step step;
    bool relaxed;         /* acks may be of what is written and not yet durable */
    int32_t bound_epoch;  /* compare: the largest epoch of the leader that is not above the follower's last one */
    int64_t bound_offset; /* compare: where its records end; reset: where the log begins anew */
};

struct open_answer_frame {
    uint32_t leader_number;
    int32_t leader_epoch;
    uint64_t session;
    int64_t broker_epoch; /* the follower's */
    uint32_t follower_number;
    int32_t last_epoch; /* -1: none */
    int64_t log_start_offset;
    int64_t log_end_offset;
};

struct data_frame {
    uint32_t follower_number;
    int32_t leader_epoch;
    uint64_t session;
    int64_t from;
    int64_t to;
    int32_t previous_epoch; /* of the record before `from`; -1: nothing is said about it, there is none */
    int64_t high_watermark;
    int64_t log_start_offset;
    struct bytes batches; /* not looked at here */
};

struct ack_entry {
    uint32_t leader_number;
    int32_t leader_epoch;
    uint64_t session;
    int64_t held_offset;
    int64_t log_start_offset; /* durable as well */
};

struct ack_frame {
    int64_t broker_epoch;
    uint32_t count; /* 1 to ACK_ENTRIES_MAX */
    struct bytes entries;
};

enum nack_reason {
    NACK_UNKNOWN,   /* no such partition here, or not yet */
    NACK_OLD_EPOCH, /* a newer leader epoch is known here */
    NACK_STRANGER,  /* one of the broker epochs is not the present one */
    NACK_CLOSED,    /* the session is not the present one */
    NACK_NOT_NEXT,  /* it does not follow what is here */
    NACK_INVALID,   /* batches that no log may take */
    NACK_FULL,      /* the disk is full */
    NACK_OFFLINE,   /* to match it would have to give up what is committed, or what it cannot read */
    NACK_REASON_COUNT,
};

struct nack_frame {
    uint32_t leader_number;
    int32_t leader_epoch;
    uint64_t session;
    int64_t broker_epoch;
    enum nack_reason reason;
    int32_t known_epoch; /* the leader epoch in the follower's metadata, -1: none */
    int64_t log_end_offset;
};

struct beat_frame {
    uint64_t sent_ns; /* by the leader's clock; comes back */
    int64_t broker_epoch;
};

struct beat_answer_frame {
    uint64_t sent_ns;
    int64_t broker_epoch;
    bool disk_full; /* it takes no more records */
};

/* Writers fill exactly the size named above. */
void open_write(uint8_t *to, const struct open_frame *open);
void open_answer_write(uint8_t *to, const struct open_answer_frame *answer);
void data_write_head(uint8_t *to, const struct data_frame *data);
void ack_write_head(uint8_t *to, int64_t broker_epoch, uint32_t count);
void ack_write_entry(uint8_t *to, const struct ack_entry *entry);
void nack_write(uint8_t *to, const struct nack_frame *nack);
void beat_write(uint8_t *to, const struct beat_frame *beat);
void beat_answer_write(uint8_t *to, const struct beat_answer_frame *answer);

bool open_read(struct bytes bytes, struct open_frame *open);
bool open_answer_read(struct bytes bytes, struct open_answer_frame *answer);
bool data_read(struct bytes bytes, struct data_frame *data);
bool ack_read(struct bytes bytes, struct ack_frame *ack);
bool ack_read_entry(const struct ack_frame *ack, uint32_t number, struct ack_entry *entry);
bool nack_read(struct bytes bytes, struct nack_frame *nack);
bool beat_read(struct bytes bytes, struct beat_frame *beat);
bool beat_answer_read(struct bytes bytes, struct beat_answer_frame *answer);

#endif
