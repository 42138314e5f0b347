/* watermark.h -- what is committed in one partition, as its leader sees it.
 *
 * A leader must know up to which offset its log is safe to show: the high watermark. This room keeps the least state
 * that answers it. It has no bytes, no links, no clock, and it tells nobody: whoever asks acts on what it returns.
 *
 * Our own disk is a replica like the others. When a commit round becomes durable, that arrives here as an ack of our
 * own slot.
 *
 * Invariants, numbered as in watermark_check():
 *   (1) isr_min is at least 1, and the sets name only slots below replica_count.
 *   (2) No replica holds more than we handed out: held_offset[slot] <= log_end_offset.
 *   (3) high_watermark <= log_end_offset, and within one leader epoch it never decreases. */
#ifndef CHRONIK_REPLICA_WATERMARK_H
#define CHRONIK_REPLICA_WATERMARK_H

#include "replica/slots.h"

enum { HELD_UNKNOWN = -1 };

struct isr_sets {
    slot_set current;  /* as the metadata log has it */
    slot_set proposed; /* as we asked the controller; equal to current when all is settled */
    slot_set joining;  /* caught up lately and about to be proposed; see isr.h */
};

struct watermark {
    int32_t leader_epoch;
    uint8_t replica_count; /* a slot is an index into the partition's replica list */
    uint8_t isr_min;       /* min.insync.replicas */
    struct isr_sets isr;
    int64_t log_end_offset;                 /* next offset to hand out */
    int64_t high_watermark;                 /* every record below it is committed */
    uint64_t session[REPLICA_SLOTS_MAX];    /* the present stream to each replica */
    int64_t held_offset[REPLICA_SLOTS_MAX]; /* a replica holds all below it, durably; HELD_UNKNOWN: not heard in this
                                               session, which blocks (a wiped follower forgets) */
};

/* A replica says: in your epoch, I hold all below held_offset, durably. */
struct ack {
    uint8_t slot;
    uint64_t session;
    int32_t leader_epoch;
    int64_t held_offset;
};

enum ack_verdict {
    ACK_FENCED,     /* of another leader epoch or session: it speaks of another log */
    ACK_IMPOSSIBLE, /* of offsets we never handed out: the peer must truncate and ask again */
    ACK_KEPT,       /* recorded; the high watermark stays */
    ACK_COMMITTED,  /* recorded; the high watermark rose: waiting clients may go on */
};

/* Opens a leader epoch with the fields above held_offset. Nothing needs closing. */
void watermark_init(struct watermark *watermark, const struct watermark *opening);

/* A replica joins the list, behind those that are there. Its slot; REPLICA_SLOT_NONE: there are too many. */
uint8_t watermark_add_replica(struct watermark *watermark);

/* A stream to a replica begins anew: what it held is unknown until it says so again. */
void watermark_on_session(struct watermark *watermark, uint8_t slot, uint64_t session);

/* Our log grew. */
void watermark_on_append(struct watermark *watermark, int64_t log_end_offset);

/* Records an ack and says what it taught us. Acks may come late, twice and out of order. */
enum ack_verdict watermark_on_ack(struct watermark *watermark, const struct ack *ack);

/* Whose acks it takes to commit: all that may be elected, and who is about to join. */
slot_set watermark_waits_for(const struct watermark *watermark);

/* The ISR or isr_min changed, or a change was asked for. True if the high watermark rose. */
bool watermark_on_isr(struct watermark *watermark, const struct isr_sets *isr, uint8_t isr_min);

void watermark_check(const struct watermark *watermark);

#endif
