#include "replica/isr.h"

#include "base/bytes.h"
#include "base/check.h"

void isr_init(struct isr *isr, uint8_t own_slot, slot_set current)
{
    *isr = (struct isr){ .own_slot = own_slot, .sets = { .current = current, .proposed = current } };
    for (uint8_t slot = 0; slot < REPLICA_SLOTS_MAX; slot++) isr->waits[slot].refused_epoch = -1;
    isr_check(isr);
}

void isr_on_config(struct isr *isr, slot_set current)
{
    const slot_set joined = current & ~isr->sets.current;

    for (uint8_t slot = 0; slot < REPLICA_SLOTS_MAX; slot++) {
        if (slots_have(joined, slot)) isr->waits[slot] = (struct isr_wait){ .refused_epoch = -1 };
    }
    const bool overtaken = isr->asked && current == isr->sets.current;
    isr->asked = overtaken && MUTANT(isr_awaits_an_overtaken_answer);
    isr->sets = (struct isr_sets){ current, current, isr->sets.joining & ~current };
    isr_check(isr);
}

/* ---- those who wait ---- */

static void wait_longer(struct isr *isr, uint8_t slot, uint64_t mono_ns)
{
    struct isr_wait *wait = &isr->waits[slot];
    uint64_t back_off_ns = ISR_BACK_OFF_NS;

    for (uint8_t i = 0; i < wait->failures && back_off_ns < ISR_BACK_OFF_MAX_NS; i++) back_off_ns *= 2;
    if (wait->failures < UINT8_MAX) wait->failures++;
    wait->until_ns = mono_ns + MIN(back_off_ns, ISR_BACK_OFF_MAX_NS);
    wait->refused_epoch = -1;
}

static void leave_joining(struct isr *isr, uint8_t slot, uint64_t mono_ns)
{
    isr->sets.joining &= ~slot_bit(slot);
    wait_longer(isr, slot, mono_ns);
}

void isr_on_lost(struct isr *isr, uint8_t slot, uint64_t mono_ns)
{
    if (slots_have(isr->sets.joining, slot)) leave_joining(isr, slot, mono_ns);
}

void isr_on_refused(struct isr *isr, const struct isr_view *view, bool ineligible)
{
    const slot_set added = isr->asked_for & ~isr->sets.current;

    if (!isr->asked) return;
    isr->asked = false;
    isr->sets.proposed = isr->sets.current;
    isr->quiet_until_ns = view->mono_ns + ISR_BACK_OFF_NS;
    for (uint8_t slot = 0; slot < view->replica_count; slot++) {
        if (!slots_have(added, slot)) continue;
        wait_longer(isr, slot, view->mono_ns);
        if (ineligible) isr->waits[slot].refused_epoch = view->facts[slot].broker_epoch;
    }
    isr_check(isr);
}

/* ---- joining and leaving ---- */

static int64_t bound_of(const struct isr_view *view)
{
    if (MUTANT(follower_joins_before_epoch_start)) return view->high_watermark;
    return MAX(view->high_watermark, view->epoch_start);
}

static bool may_join(const struct isr *isr, const struct isr_view *view, uint8_t slot)
{
    const struct isr_facts *facts = &view->facts[slot];
    const struct isr_wait *wait = &isr->waits[slot];

    if (slot == isr->own_slot || slots_have(isr->sets.current, slot)) return false;
    if (!facts->eligible || facts->full || !facts->live || facts->held_offset == HELD_UNKNOWN) return false;
    /* Who was ineligible may have been so only for a moment: but another process of it need not wait. */
    if (wait->refused_epoch >= 0 && facts->broker_epoch != wait->refused_epoch) return true;
    return view->mono_ns >= wait->until_ns;
}

static void begin_joining(struct isr *isr, const struct isr_view *view)
{
    for (uint8_t slot = 0; slot < view->replica_count; slot++) {
        if (slots_have(isr->sets.joining | isr->sets.proposed, slot) || !may_join(isr, view, slot)) continue;
        isr->sets.joining |= slot_bit(slot);
        isr->joining_until_ns[slot] = view->mono_ns + ISR_JOINING_NS;
    }
}

/* Who joins and may not any more, or takes too long: the high watermark waited long enough. */
static void end_joining(struct isr *isr, const struct isr_view *view)
{
    for (uint8_t slot = 0; slot < view->replica_count; slot++) {
        const struct isr_facts *facts = &view->facts[slot];
        if (!slots_have(isr->sets.joining, slot)) continue;
        const bool fit = facts->eligible && !facts->full && facts->held_offset != HELD_UNKNOWN;
        if (fit && view->mono_ns < isr->joining_until_ns[slot]) continue;
        leave_joining(isr, slot, view->mono_ns);
    }
}

static bool is_behind(const struct isr_view *view, uint8_t slot)
{
    const struct isr_facts *facts = &view->facts[slot];

    return facts->full || view->mono_ns > facts->caught_up_ns + view->lag_ns;
}

static slot_set arrived(const struct isr *isr, const struct isr_view *view)
{
    slot_set set = 0;

    for (uint8_t slot = 0; slot < view->replica_count; slot++) {
        if (!slots_have(isr->sets.joining, slot)) continue;
        if (is_behind(view, slot)) continue; /* it would have to leave at once, and so on without end */
        if (view->facts[slot].held_offset >= bound_of(view)) set |= slot_bit(slot);
    }
    return set;
}

static slot_set late(const struct isr *isr, const struct isr_view *view)
{
    slot_set set = 0;

    for (uint8_t slot = 0; slot < view->replica_count; slot++) {
        if (slot == isr->own_slot || !slots_have(isr->sets.current, slot)) continue;
        if (is_behind(view, slot)) set |= slot_bit(slot);
    }
    return set;
}

/* Who stays if we resign: in sync, alive, and with room. Nobody who joins, for it may still be refused. 0: we stay. */
static slot_set successors(const struct isr *isr, const struct isr_view *view)
{
    slot_set set = 0;

    if (!view->own_full || MUTANT(full_leader_stays)) return 0;
    for (uint8_t slot = 0; slot < view->replica_count; slot++) {
        if (slot == isr->own_slot || !slots_have(isr->sets.current, slot)) continue;
        if (view->facts[slot].eligible && !is_behind(view, slot)) set |= slot_bit(slot);
    }
    return slots_count(set) >= view->isr_min ? set : 0;
}

static void ask(struct isr *isr, slot_set wanted)
{
    isr->asked = true;
    isr->asked_for = wanted;
    isr->sets.proposed = wanted | slot_bit(isr->own_slot);
    isr->sets.joining &= ~wanted;
    isr_check(isr);
}

bool isr_decide(struct isr *isr, const struct isr_view *view, slot_set *wanted)
{
    end_joining(isr, view);
    begin_joining(isr, view);
    if (isr->asked || view->mono_ns < isr->quiet_until_ns) return false;
    const slot_set added = arrived(isr, view), removed = late(isr, view);
    if (successors(isr, view) != 0) {
        *wanted = isr->sets.current & ~removed & ~slot_bit(isr->own_slot);
    } else if ((added | removed) != 0) {
        *wanted = (isr->sets.current | added) & ~removed;
    } else {
        return false;
    }
    ask(isr, *wanted);
    return true;
}

uint64_t isr_deadline_ns(const struct isr *isr, const struct isr_view *view)
{
    uint64_t deadline = UINT64_MAX;

    if (!isr->asked && successors(isr, view) != 0) deadline = isr->quiet_until_ns;
    for (uint8_t slot = 0; slot < view->replica_count; slot++) {
        if (slot == isr->own_slot) continue;
        if (slots_have(isr->sets.joining, slot)) {
            deadline = MIN(deadline, isr->joining_until_ns[slot]);
        } else if (slots_have(isr->sets.current, slot)) {
            /* Late is who is later than the lag, so one more. */
            const uint64_t late_ns = view->facts[slot].full ? 0 : view->facts[slot].caught_up_ns + view->lag_ns + 1;
            if (!isr->asked) deadline = MIN(deadline, MAX(late_ns, isr->quiet_until_ns));
        } else if (view->facts[slot].eligible && view->facts[slot].live && isr->waits[slot].until_ns > view->mono_ns) {
            deadline = MIN(deadline, isr->waits[slot].until_ns);
        }
    }
    return deadline;
}

void isr_check(const struct isr *isr)
{
    const slot_set own = slot_bit(isr->own_slot);

    CHECK((isr->sets.current & isr->sets.proposed & own) != 0);   /* (1) */
    CHECK((isr->sets.joining & own) == 0);                        /* (1) */
    CHECK(isr->asked || isr->sets.proposed == isr->sets.current); /* (2) */
    CHECK((isr->sets.joining & (isr->sets.current | isr->sets.proposed)) == 0);
}
