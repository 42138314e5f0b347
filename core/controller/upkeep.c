/* upkeep.c -- what does the leader of the metadata log do by itself, now and then, so that partitions are as they are
 * meant to be?
 *
 * Every leader.imbalance.check.interval.seconds it goes through all partitions, a few in each step, and elects
 * preferred leaders where others lead; whenever brokers or partitions have changed, it goes through them to give
 * them the replicas that they are meant to have (balance.h). When an administrator wants all to be spread evenly, the
 * image says so until it is: replicas move, then preferred leaders are elected at once, and when a whole walk finds
 * nobody to elect it is taken back. So it survives whoever leads. Records go to the log without a wish: each guards
 * itself, and what comes to nothing is found again by the next walk. Nothing is decided while something of it is under
 * way, or while what follows from a record is not all in the image. */
#include "base/check.h"
#include "controller/controller_state.h"

enum {
    LOOKS_MAX = 4096,    /* partitions looked at in one step: some 100 us */
    ELECTIONS_MAX = 256, /* in one entry */
    ELECTION_SIZE = 64,  /* of its record, or less */
    MOVE_SIZE = 512,     /* of the record of a reassignment, or less */
    RECORDS_SIZE = MAX(ELECTIONS_MAX * ELECTION_SIZE, BALANCE_RECORDS_MAX *MOVE_SIZE),
};

/* Topics may come by the thousand, each with the replicas that it is meant to have: that is seen soon enough. */
#define BALANCE_REST_NS (1000 * UINT64_C(1000000))

/* When the next search begins; the interval may be another one by now. */
static uint64_t due_ns(const struct controller *controller)
{
    const int64_t seconds = broker_config_int(controller->image, CONFIG_LEADER_IMBALANCE_CHECK_INTERVAL_SECONDS);

    return controller->upkeep.began_ns + (uint64_t)seconds * 1000000000;
}

/* Of a leader's own: with another term it begins anew. */
static bool follow_leader(struct controller *controller)
{
    struct upkeep *upkeep = &controller->upkeep;

    if (controller->led_term == 0) {
        upkeep->led_term = 0;
        return false;
    }
    if (upkeep->led_term == controller->led_term) return true;
    *upkeep =
        (struct upkeep){ .led_term = controller->led_term, .partition = SLOT_NONE, .began_ns = controller->mono_ns };
    balance_begin(&controller->balance);
    return true;
}

/* The image is in one of its states, and has all that was proposed here. */
static bool may_decide(const struct controller *controller)
{
    return controller->loaded && !metadata_log_is_applying(controller->log) &&
           (controller_applied_index(controller) >= controller->upkeep.proposed_index || MUTANT(upkeep_decides_twice));
}

/* What finds no room is found again by the next walk. */
static bool propose(struct controller *controller, const struct proposal *records)
{
    uint64_t index;

    CHECK(proposal_ok(records));
    if (metadata_log_propose(controller->log, proposal_bytes(records), &index) != METADATA_LOG_TAKEN) return false;
    controller->upkeep.proposed_index = index;
    return true;
}

/* Evenness is wanted, and no replica has to move for it any more: leaders are next, then it is done. */
static bool settles(const struct controller *controller)
{
    const struct image_view view = image_view(controller->image);

    if (MUTANT(evenness_waits_for_the_search)) return false;
    return view.evens && view.reassigning_count == 0 && !balance_is_due(&controller->balance, controller->image);
}

static void end_evening(struct controller *controller)
{
    uint8_t memory[ELECTION_SIZE];
    struct proposal records = proposal_in(memory, sizeof memory);

    proposal_add_balance(&records, &(struct metadata_balance_record){ .wanted = false });
    propose(controller, &records); /* or after the next walk */
}

/* A piece of the walk. */
static void elect_preferred_leaders(struct controller *controller)
{
    struct upkeep *upkeep = &controller->upkeep;
    uint8_t memory[RECORDS_SIZE];
    struct proposal records = proposal_in(memory, MIN((uint32_t)sizeof memory, controller->wish_size_max));
    const uint32_t count_max = MIN((uint32_t)ELECTIONS_MAX, controller->wish_size_max / ELECTION_SIZE);

    const uint32_t count =
        decide_preferred_leaders(controller->image, &upkeep->partition, LOOKS_MAX, count_max, &records);

    upkeep->walks = upkeep->partition != SLOT_NONE;
    upkeep->elected += count;
    if (count > 0 && !propose(controller, &records)) upkeep->walks = false;
    if (!upkeep->walks && upkeep->ends && upkeep->elected == 0 && settles(controller)) end_evening(controller);
}

static void look_at_leaders(struct controller *controller)
{
    struct upkeep *upkeep = &controller->upkeep;

    const bool evens = settles(controller) && upkeep->settle_ns <= controller->mono_ns;

    if (!upkeep->walks && !evens && due_ns(controller) > controller->mono_ns) return;
    if (!upkeep->walks) {
        upkeep->partition = SLOT_NONE;
        upkeep->ends = evens;
        upkeep->elected = 0;
        upkeep->began_ns = controller->mono_ns;
        upkeep->settle_ns = controller->mono_ns + BALANCE_REST_NS;
        if (!evens && broker_config_int(controller->image, CONFIG_AUTO_LEADER_REBALANCE_ENABLE) == 0) return;
    }
    elect_preferred_leaders(controller);
}

/* ---- who has replicas ---- */

static void look_at_replicas(struct controller *controller)
{
    struct upkeep *upkeep = &controller->upkeep;
    uint8_t memory[RECORDS_SIZE];
    struct proposal records = proposal_in(memory, MIN((uint32_t)sizeof memory, controller->wish_size_max));

    if (upkeep->balance_ns > controller->mono_ns || !balance_is_due(&controller->balance, controller->image)) return;
    placement_refresh(&controller->placement, controller->image);
    const enum balance_verdict verdict =
        balance_next(&controller->balance, controller->image, &controller->placement, &records);
    upkeep->waits = verdict == BALANCE_WAITS;
    switch (verdict) {
    case BALANCE_FOUND:
        if (propose(controller, &records)) break;
        upkeep->balance_ns = controller->mono_ns + BALANCE_REST_NS;
        break;
    case BALANCE_MORE:
    case BALANCE_WAITS: break;
    case BALANCE_RESTS: upkeep->balance_ns = controller->mono_ns + BALANCE_REST_NS; break;
    }
}

/* Who is alone leads all there is. It may still have to drop replicas that others had, who are gone for ever. */
static bool is_alone(const struct controller *controller)
{
    return image_view(controller->image).broker_count < 2;
}

void upkeep_work(struct controller *controller)
{
    if (!follow_leader(controller) || !may_decide(controller)) return;
    if (!is_alone(controller) || settles(controller)) look_at_leaders(controller);
    if (may_decide(controller)) look_at_replicas(controller);
}

void controller_rebalance(struct controller *controller, struct controller_answer *answer)
{
    const struct rebalance_view view = controller_rebalance_view(controller);
    const uint64_t key = draft_key(controller, SUBJECT_BALANCE, (struct bytes){ NULL, 0 });

    if (!draft_begin_wish(controller, key, answer)) return;
    if (!view.wanted) {
        proposal_add_balance(&controller->draft.records, &(struct metadata_balance_record){ .wanted = true });
        draft_made(controller, key);
        controller->upkeep.balance_ns = controller->mono_ns;
        controller->upkeep.settle_ns = controller->mono_ns;
    }
    text_add(&answer->message, view.wanted ? "It goes on: " : "Replicas and leaders are spread evenly from now on: ");
    text_add_int(&answer->message, view.moving);
    text_add(&answer->message, view.moving == 1 ? " partition is being moved, " : " partitions are being moved, ");
    text_add_int(&answer->message, view.left);
    text_add(&answer->message, view.left == 1 ? " more replica has to be; " : " more replicas have to be; ");
    text_add(&answer->message, "then leaders change. It ends by itself: cluster status tells how far it is.");
}

struct rebalance_view controller_rebalance_view(const struct controller *controller)
{
    const struct image_view view = image_view(controller->image);

    return (struct rebalance_view){ view.evens, view.reassigning_count, balance_left(controller->image) };
}

uint64_t upkeep_deadline_ns(const struct controller *controller)
{
    const struct upkeep *upkeep = &controller->upkeep;
    const bool balances = !upkeep->waits && balance_is_due(&controller->balance, controller->image);

    /* What is under way comes with a fact of its own. */
    if (upkeep->led_term == 0 || !may_decide(controller)) return UINT64_MAX;
    if (upkeep->walks) return controller->mono_ns;
    const uint64_t elects_ns = is_alone(controller) ? UINT64_MAX : due_ns(controller);
    const uint64_t settles_ns = settles(controller) ? upkeep->settle_ns : UINT64_MAX;
    return MIN(MIN(elects_ns, settles_ns), balances ? upkeep->balance_ns : UINT64_MAX);
}
