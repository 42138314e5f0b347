#include "group/reconcile.h"

#include "base/check.h"

/* It says what it owns, and nothing of these is among it. What it does not say may be anything. */
static bool has_given_up(const struct reconciling *reconciling, struct part_list parts)
{
    return reconciling->owned_told && !parts_meet(reconciling->owned, parts);
}

/* Of the target: what it has, and what is free. False: something is not. */
static bool take(const struct reconciling *reconciling, bool all, struct part *assigned, uint32_t *count)
{
    const struct part_list had = reconciling->before.assigned;
    bool whole = true;

    *count = 0;
    for (uint32_t i = 0; i < reconciling->target.count; i++) {
        const struct part *part = &reconciling->target.list[i];
        if (parts_have(had, part)) assigned[(*count)++] = *part;
        else if (reconciling->taken[i] && !MUTANT(group_assigns_unreleased)) whole = false;
        else if (all) assigned[(*count)++] = *part;
    }
    return whole;
}

static uint32_t give_up(const struct reconciling *reconciling, struct part *revoking)
{
    const struct part_list had = reconciling->before.assigned;
    uint32_t count = 0;

    for (uint32_t i = 0; i < had.count; i++) {
        if (!parts_have(reconciling->target, &had.list[i])) revoking[count++] = had.list[i];
    }
    return count;
}

static void next(const struct reconciling *reconciling, int32_t epoch, struct part *assigned, struct part *revoking,
                 struct member_standing *after)
{
    const struct part_list going = { revoking, give_up(reconciling, revoking) };

    *after = (struct member_standing){ .previous_epoch = reconciling->before.epoch };
    after->assigned.list = assigned;
    if (going.count > 0 && !has_given_up(reconciling, going)) {
        after->phase = MEMBER_UNREVOKED;
        after->epoch = epoch;
        after->revoking = going;
        take(reconciling, false, assigned, &after->assigned.count);
        return;
    }
    const bool whole = take(reconciling, true, assigned, &after->assigned.count);
    after->phase = whole ? MEMBER_STABLE : MEMBER_UNRELEASED;
    after->epoch = reconciling->target_epoch;
}

bool reconcile(const struct reconciling *reconciling, struct part *assigned, struct part *revoking,
               struct member_standing *after)
{
    const struct member_standing *before = &reconciling->before;

    switch (before->phase) {
    case MEMBER_STABLE:
        if (before->epoch == reconciling->target_epoch) return false;
        next(reconciling, before->epoch, assigned, revoking, after);
        break;
    case MEMBER_UNREVOKED:
        if (!has_given_up(reconciling, before->revoking) && !MUTANT(group_revokes_unheard)) return false;
        next(reconciling, before->epoch + 1, assigned, revoking, after);
        break;
    case MEMBER_UNRELEASED: next(reconciling, before->epoch, assigned, revoking, after); break;
    }
    return after->phase != before->phase || after->epoch != before->epoch ||
           !parts_equal(after->assigned, before->assigned) || !parts_equal(after->revoking, before->revoking);
}
