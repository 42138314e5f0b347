/* upkeep.c -- what does the leader of the metadata log do by itself, now and then, so that partitions are as they are
 * meant to be?
 *
 * Every leader.imbalance.check.interval.seconds it goes through all partitions, a few in each step, and elects
 * preferred leaders where others lead. Records go to the log without a wish: each guards itself, and what comes to
 * nothing is found again by the next walk. Nothing is decided while something of it is under way, or while what
 * follows from a record is not all in the image. */
#include "base/check.h"
#include "controller/controller_state.h"

enum {
    LOOKS_MAX = 4096,    /* partitions looked at in one step: some 100 us */
    ELECTIONS_MAX = 256, /* in one entry */
    ELECTION_SIZE = 64,  /* of its record, or less */
    RECORDS_SIZE = ELECTIONS_MAX * ELECTION_SIZE,
};

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
    return true;
}

/* The image is in one of its states, and has all that was proposed here. */
static bool may_decide(const struct controller *controller)
{
    return controller->loaded && !metadata_log_is_applying(controller->log) &&
           controller_applied_index(controller) >= controller->upkeep.proposed_index;
}

/* What finds no room is found again by the next walk. */
static void propose(struct controller *controller, const struct proposal *records)
{
    uint64_t index;

    CHECK(proposal_ok(records));
    if (metadata_log_propose(controller->log, proposal_bytes(records), &index) == METADATA_LOG_TAKEN) {
        controller->upkeep.proposed_index = index;
    }
}

/* A piece of the walk. */
static void elect_preferred_leaders(struct controller *controller)
{
    struct upkeep *upkeep = &controller->upkeep;
    uint8_t memory[RECORDS_SIZE];
    struct proposal records = proposal_in(memory, MIN((uint32_t)sizeof memory, controller->wish_size_max));
    const uint32_t count_max = MIN((uint32_t)ELECTIONS_MAX, controller->wish_size_max / ELECTION_SIZE);

    if (decide_preferred_leaders(controller->image, &upkeep->partition, LOOKS_MAX, count_max, &records) > 0) {
        propose(controller, &records);
    }
    upkeep->walks = upkeep->partition != SLOT_NONE;
}

static void look_at_leaders(struct controller *controller)
{
    struct upkeep *upkeep = &controller->upkeep;

    if (!upkeep->walks && due_ns(controller) > controller->mono_ns) return;
    if (!upkeep->walks) {
        upkeep->partition = SLOT_NONE;
        upkeep->began_ns = controller->mono_ns;
        if (broker_config_int(controller->image, CONFIG_AUTO_LEADER_REBALANCE_ENABLE) == 0) return;
    }
    elect_preferred_leaders(controller);
}

void upkeep_work(struct controller *controller)
{
    if (follow_leader(controller) && may_decide(controller)) look_at_leaders(controller);
}

uint64_t upkeep_deadline_ns(const struct controller *controller)
{
    const struct upkeep *upkeep = &controller->upkeep;

    /* Who is alone leads all there is; and what is under way comes with a fact of its own. */
    if (upkeep->led_term == 0 || image_view(controller->image).broker_count < 2) return UINT64_MAX;
    if (!may_decide(controller)) return UINT64_MAX;
    return upkeep->walks ? controller->mono_ns : due_ns(controller);
}
