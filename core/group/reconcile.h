/* reconcile.h -- what does a member of a group of the newer protocol do next, to come to its target?
 *
 * KIP-848: a member owns what is assigned to it, and is on its way to its target assignment. It first gives up what it
 * is not to have, in its own epoch; when it says that it has, it goes on to the target's epoch, and gets what is free
 * of what it is to have. What others still own comes later, when they have given it up. So each member goes at its own
 * pace, and nothing is owned by two at any time.
 *
 *     STABLE --something is to go--> UNREVOKED --it is gone--> STABLE
 *        '----others still own something of it----> UNRELEASED --they do not--'
 */
#ifndef CHRONIK_GROUP_RECONCILE_H
#define CHRONIK_GROUP_RECONCILE_H

#include "group/parts.h"

enum member_phase { /* the numbers are those of the log */
                    MEMBER_STABLE = 0,
                    MEMBER_UNREVOKED = 1,
                    MEMBER_UNRELEASED = 2,
};

struct member_standing {
    enum member_phase phase;
    int32_t epoch;
    int32_t previous_epoch; /* a member whose answer was lost comes with it again */
    struct part_list assigned;
    struct part_list revoking; /* it is to give them up, and owns them until then */
};

struct reconciling {
    struct member_standing before;
    int32_t target_epoch;
    struct part_list target;
    const bool *taken; /* [target.count]: somebody else owns it */
    bool owned_told;   /* the member says what it owns */
    struct part_list owned;
};

/* The lists of what comes out lie in the caller's memory: `assigned` has room for the target, `revoking` for what was
 * assigned. False: nothing changes. */
bool reconcile(const struct reconciling *reconciling, struct part *assigned, struct part *revoking,
               struct member_standing *after);

/* Whether it has arrived. */
static inline bool standing_is_reconciled(const struct member_standing *standing, int32_t target_epoch)
{
    return standing->phase == MEMBER_STABLE && standing->epoch == target_epoch;
}

#endif
