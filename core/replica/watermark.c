#include "replica/watermark.h"

#include "base/bytes.h"
#include "base/check.h"

void watermark_init(struct watermark *watermark, const struct watermark *opening)
{
    *watermark = *opening;
    for (uint8_t slot = 0; slot < REPLICA_SLOTS_MAX; slot++) watermark->held_offset[slot] = HELD_UNKNOWN;
    watermark_check(watermark);
}

/* The replicas that a commit waits for, which is more than the ISR. While a change is in flight we do not know from
 * which of the two sets a successor will be elected (KIP-497). And a replica about to join would never arrive if the
 * mark ran ahead of it. Waiting is never wrong, only slower. */
slot_set watermark_waits_for(const struct watermark *watermark)
{
    if (MUTANT(watermark_counts_committed_isr)) return watermark->isr.current;
    return watermark->isr.current | watermark->isr.proposed | watermark->isr.joining;
}

/* The offset below which each of them holds every record. */
static int64_t committed_offset(const struct watermark *watermark)
{
    int64_t committed = watermark->log_end_offset;

    for (uint8_t slot = 0; slot < watermark->replica_count; slot++) {
        const int64_t held = watermark->held_offset[slot];
        if (slots_have(watermark_waits_for(watermark), slot) && held < committed) committed = held;
    }
    return committed;
}

static bool rise(struct watermark *watermark)
{
    watermark_check(watermark);
    /* With fewer, one of them may be the last that has it: the mark stands still, and so what an eligible leader
     * outside the ISR holds stays enough (KIP-966). */
    const bool enough = slots_count(watermark->isr.current) >= watermark->isr_min;
    if (!enough && !MUTANT(watermark_rises_below_min_isr)) return false;
    const int64_t committed = committed_offset(watermark);
    if (committed <= watermark->high_watermark) return false;
    watermark->high_watermark = committed;
    return true;
}

uint8_t watermark_add_replica(struct watermark *watermark)
{
    if (watermark->replica_count == REPLICA_SLOTS_MAX) return REPLICA_SLOT_NONE;
    return watermark->replica_count++;
}

void watermark_on_session(struct watermark *watermark, uint8_t slot, uint64_t session)
{
    CHECK(slot < watermark->replica_count);
    watermark->session[slot] = session;
    if (!MUTANT(new_session_keeps_old_ack)) watermark->held_offset[slot] = HELD_UNKNOWN;
}

void watermark_on_append(struct watermark *watermark, int64_t log_end_offset)
{
    CHECK(log_end_offset >= watermark->log_end_offset);
    watermark->log_end_offset = log_end_offset;
}

enum ack_verdict watermark_on_ack(struct watermark *watermark, const struct ack *ack)
{
    CHECK(ack->slot < watermark->replica_count); /* from our own table, not from the peer */
    const bool current = ack->leader_epoch == watermark->leader_epoch && ack->session == watermark->session[ack->slot];
    if (!current && !MUTANT(watermark_takes_old_acks)) return ACK_FENCED;
    if (ack->held_offset > watermark->log_end_offset || ack->held_offset < 0) return ACK_IMPOSSIBLE;

    /* A late ack repeats old news. It must not make us forget what we heard since. */
    int64_t *held = &watermark->held_offset[ack->slot];
    MAYBE(ack->held_offset < *held);
    *held = MAX(*held, ack->held_offset);
    return rise(watermark) ? ACK_COMMITTED : ACK_KEPT;
}

bool watermark_on_isr(struct watermark *watermark, const struct isr_sets *isr, uint8_t isr_min)
{
    watermark->isr = *isr;
    watermark->isr_min = isr_min;
    return rise(watermark);
}

void watermark_check(const struct watermark *watermark)
{
    const slot_set all = watermark->isr.current | watermark->isr.proposed | watermark->isr.joining;

    CHECK(watermark->replica_count <= REPLICA_SLOTS_MAX);
    CHECK(watermark->isr_min >= 1);                  /* (1) */
    CHECK(all < slot_bit(watermark->replica_count)); /* (1) */
    for (uint8_t slot = 0; slot < watermark->replica_count; slot++) {
        CHECK(watermark->held_offset[slot] <= watermark->log_end_offset); /* (2) */
    }
    CHECK(watermark->high_watermark <= watermark->log_end_offset); /* (3) */
}
