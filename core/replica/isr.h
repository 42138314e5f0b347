/* isr.h -- who should be in the ISR of a partition that we lead?
 *
 * The ISR changes only in the metadata log; here is decided what to ask for, and whom the high watermark waits for
 * meanwhile (watermark.h). It knows replicas by slot, and of each a few facts; it has no log, no frames, no names.
 *
 *   Shrink.  A member that has not been caught up for replica.lag.time.max.ms, or whose disk is full, is to leave. It
 *            counts until the change is applied: the controller may choose it as leader until then.
 *   Resign.  A leader whose own disk is full takes nothing more. If somebody in sync can take over, and enough stay to
 *            commit, it asks to leave, and the controller elects one of those that stay. With fewer nothing would be
 *            gained: what is committed can be read from it.
 *   Expand.  A replica whose stream is live, and that may join at all, *joins*: the high watermark waits for it, since
 *            under load it would never meet a mark that runs ahead of it. When it holds all that is committed and the
 *            begin of this leader epoch (KAFKA-7128), it counts first, and is asked for then (KIP-497).
 *   Asking.  One change at a time. Once asked for, a set counts until the metadata log says otherwise: by a
 *            configuration with a larger partition epoch, or by refusing the very change. Then the newcomer waits,
 *            longer each time, or, if it was found ineligible (KIP-903), until its broker registers anew.
 *
 * Invariants, numbered as in isr_check():
 *   (1) Our own slot is in every set but `joining`, in which it never is: who resigns counts until somebody else leads.
 *   (2) Without a question open, nothing is proposed beyond what is current. */
#ifndef CHRONIK_REPLICA_ISR_H
#define CHRONIK_REPLICA_ISR_H

#include "replica/watermark.h"

#define ISR_JOINING_NS (500 * UINT64_C(1000000))  /* the high watermark waits so long for one that joins */
#define ISR_BACK_OFF_NS (500 * UINT64_C(1000000)) /* the first time; doubled each time */
#define ISR_BACK_OFF_MAX_NS (16 * UINT64_C(1000000000))

/* What is known of a replica now. */
struct isr_facts {
    bool eligible;         /* its broker is there: registered, unfenced, not shutting down; and it is no observer */
    bool live;             /* its stream has sent all that there is, and it has deleted what is deleted here */
    bool full;             /* it says that its disk takes no more */
    int64_t broker_epoch;  /* of its registration */
    int64_t held_offset;   /* HELD_UNKNOWN: not heard in this session */
    uint64_t caught_up_ns; /* it had all that there was at this time */
};

struct isr_wait {
    uint64_t until_ns;     /* no try before ... */
    int64_t refused_epoch; /* but at once with another broker epoch than this; -1: it was not ineligible */
    uint8_t failures;
};

struct isr {
    uint8_t own_slot;
    struct isr_sets sets;
    bool asked;
    slot_set asked_for;
    uint64_t quiet_until_ns; /* after a refusal nothing is asked for a while */
    uint64_t joining_until_ns[REPLICA_SLOTS_MAX];
    struct isr_wait waits[REPLICA_SLOTS_MAX];
};

/* What a leader knows when it decides. */
struct isr_view {
    uint64_t mono_ns;
    uint64_t lag_ns; /* replica.lag.time.max.ms */
    int64_t high_watermark;
    int64_t epoch_start; /* where our leader epoch began */
    uint8_t replica_count;
    uint8_t isr_min;               /* min.insync.replicas */
    bool own_full;                 /* our own disk takes no more */
    const struct isr_facts *facts; /* [replica_count]; our own are not looked at */
};

/* A leader epoch begins. */
void isr_init(struct isr *isr, uint8_t own_slot, slot_set current);

/* The metadata log has a new configuration of the partition. */
void isr_on_config(struct isr *isr, slot_set current);

/* Looks at all of them. True: `wanted` is to be asked for; it counts already. We ourselves are lacking in it if we
 * resign. After either answer `sets` may have
 * changed, and the watermark wants to know. */
bool isr_decide(struct isr *isr, const struct isr_view *view, slot_set *wanted);

/* What was asked for was refused for good: no entry of the metadata log will ever have it. `ineligible`: for a replica
 * that was to be added. */
void isr_on_refused(struct isr *isr, const struct isr_view *view, bool ineligible);

/* Its stream broke off: it does not join any more. */
void isr_on_lost(struct isr *isr, uint8_t slot, uint64_t mono_ns);

/* When isr_decide has something to do if nothing else happens. */
uint64_t isr_deadline_ns(const struct isr *isr, const struct isr_view *view);

void isr_check(const struct isr *isr);

#endif
