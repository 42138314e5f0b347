#include "meta/partition_rules.h"

#include "base/check.h"

_Static_assert(REPLICAS_MAX <= 8 * sizeof(replica_set), "a set has a bit for each replica");

/* ---- sets ---- */

replica_set replica_set_moved(const struct image_partition *from, replica_set set, const struct image_partition *to)
{
    replica_set moved = 0;

    if (MUTANT(meta_sets_stay_when_replicas_move)) return set & replica_set_all(to);
    for (uint32_t i = 0; i < from->replica_count; i++) {
        if ((set >> i & 1) != 0) moved |= image_partition_place(to, from->replicas[i]);
    }
    return moved;
}

replica_set partition_able(const struct image *image, const struct image_partition *partition)
{
    replica_set able = 0;

    for (uint32_t i = 0; i < partition->replica_count; i++) {
        const uint32_t slot = image_broker_by_id(image, partition->replicas[i]);
        if (slot == SLOT_NONE) continue;
        const struct image_broker *broker = image_broker(image, slot);
        if (broker->observer) continue;
        if (!broker->fenced && !broker->in_controlled_shutdown) able |= (replica_set)(1u << i);
    }
    return able;
}

static replica_set alive_of(const struct image *image, const struct image_partition *partition)
{
    replica_set alive = 0;

    for (uint32_t i = 0; i < partition->replica_count; i++) {
        const uint32_t slot = image_broker_by_id(image, partition->replicas[i]);
        if (slot != SLOT_NONE && !image_broker(image, slot)->fenced) alive |= (replica_set)(1u << i);
    }
    return alive;
}

static int32_t first_of(const struct image_partition *partition, replica_set set)
{
    return partition->replicas[__builtin_ctz(set)];
}

/* ---- the rules, in their order ---- */

/* A partition on its way from what it was to what it will be. */
struct settling {
    const struct image *image;
    const struct partition_fact *fact;
    struct image_partition *partition;
    replica_set able;
    replica_set trusted; /* held everything that was committed, when it was as before */
    replica_set subject; /* the broker that the fact is about, if it has a replica */
    bool unclean;        /* an election that may lose records */
};

static void look(struct settling *settling)
{
    settling->able = partition_able(settling->image, settling->partition);
    settling->subject = image_partition_place(settling->partition, settling->fact->broker);
}

/* Who observes no more is a replica from now on, and has to catch up like any other that is added; where nobody is in
 * sync it is as good as those that were replicas before. Who is not registered any more is none of both. */
static void follow_observers(struct settling *settling)
{
    struct image_partition *partition = settling->partition;
    const uint8_t count = partition->observer_count;

    partition->observer_count = 0;
    for (uint8_t i = 0; i < count; i++) {
        const int32_t id = partition->observers[i];
        const uint32_t slot = image_broker_by_id(settling->image, id);
        if (slot == SLOT_NONE) continue;
        if (image_broker(settling->image, slot)->observer && !MUTANT(meta_observers_become_replicas)) {
            partition->observers[partition->observer_count++] = id;
        } else if (partition->replica_count < REPLICAS_MAX) {
            const replica_set place = (replica_set)(1u << partition->replica_count);
            if (partition->isr != 0) partition->adding |= place;
            partition->replicas[partition->replica_count++] = id;
        }
    }
    for (uint8_t i = partition->observer_count; i < OBSERVERS_MAX; i++) partition->observers[i] = 0;
}

static void leave(struct settling *settling)
{
    const struct partition_fact *fact = settling->fact;
    struct image_partition *partition = settling->partition;

    if (!MUTANT(meta_fenced_stay_in_isr)) partition->isr &= alive_of(settling->image, partition);
    if (fact->restarted && !MUTANT(meta_restarted_stay_in_isr)) partition->isr &= (replica_set)~settling->subject;
    const bool forgot =
        fact->crashed && topic_is_relaxed(settling->image, partition->topic) && !MUTANT(meta_crashed_remember);
    if ((fact->unclean && !MUTANT(meta_unclean_stay_eligible)) || forgot) {
        partition->isr &= (replica_set)~settling->subject;
        settling->trusted &= (replica_set)~settling->subject;
        /* Its disk is an empty one, or an old copy: others may have more, were they only observers. To choose is an
         * administrator's. Who is only being added has nothing yet that this one had not. */
        const bool is_observed = partition->observer_count > 0 && !MUTANT(meta_forgets_what_observers_have);
        const bool alone = partition->replica_count - replica_set_count(partition->adding) <= 1 && !is_observed;
        const bool is_last = partition->last_leader == fact->broker && !alone;
        /* Nor does who is removed come back with what it had, should its id ever be registered again. */
        const bool is_removed = image_broker_by_id(settling->image, fact->broker) == SLOT_NONE;
        const bool another_disk = fact->restarted || is_removed;
        if (another_disk && is_last && !MUTANT(meta_other_disk_leads)) partition->last_leader = -1;
    }
    const bool others = (partition->isr & settling->able) != 0;
    if (others && !MUTANT(meta_who_goes_stays_in_isr)) partition->isr &= settling->able;
}

/* Whether there was one whose target is in the ISR. */
static bool finish_reassignment(struct settling *settling)
{
    struct image_partition *partition = settling->partition;
    const struct image_partition before = *partition;
    const replica_set target = replica_set_all(partition) & (replica_set)~partition->removing;

    const bool arrived = (target & ~partition->isr) == 0 || MUTANT(meta_moves_end_early);
    if ((partition->adding | partition->removing) == 0 || !arrived) return false;
    partition->replica_count = (uint8_t)image_partition_brokers(&before, target, partition->replicas);
    partition->adding = 0;
    partition->removing = 0;
    partition->isr = replica_set_moved(&before, before.isr, partition);
    settling->trusted = replica_set_moved(&before, settling->trusted, partition);
    look(settling);
    return true;
}

static void keep_eligible(struct settling *settling)
{
    struct image_partition *partition = settling->partition;
    const bool enough = replica_set_count(partition->isr) >= partition->min_isr;

    partition->elr = settling->trusted & (replica_set)~partition->isr;
    if (enough && !MUTANT(meta_elr_outlives_min_isr)) partition->elr = 0;
}

/* Whoever is not registered any more never comes back with what it had; of all others there is nobody to wait for. An
 * observer may have most of it: then it is an administrator's to say who goes on. */
static bool rest_is_lost(const struct settling *settling)
{
    const struct image_partition *partition = settling->partition;
    bool lost = false;

    if (partition->observer_count > 0 && !MUTANT(meta_forgets_what_observers_have)) return false;
    for (uint32_t i = 0; i < partition->replica_count; i++) {
        const bool known = image_broker_by_id(settling->image, partition->replicas[i]) != SLOT_NONE;
        if (known && (settling->able >> i & 1) == 0) return false;
        lost |= !known;
    }
    return lost;
}

static bool may_lose_records(const struct settling *settling, replica_set last_leader)
{
    const struct image_partition *partition = settling->partition;

    if (settling->fact->election == ELECT_ANYBODY) return true;
    if (partition->elr == 0 && (last_leader & settling->able) != 0) return true;
    if (partition->elr == 0 && rest_is_lost(settling) && !MUTANT(meta_waits_for_the_lost)) return true;
    return topic_elects_uncleanly(settling->image, partition->topic);
}

static void elect_uncleanly(struct settling *settling)
{
    struct image_partition *partition = settling->partition;
    const replica_set last_leader = image_partition_place(partition, partition->last_leader);

    partition->leader = -1;
    if (settling->able == 0 || !may_lose_records(settling, last_leader)) return;
    const replica_set old = settling->able & (replica_set)~partition->adding; /* have something, at least */
    replica_set chosen = last_leader & settling->able;
    if (chosen == 0) chosen = old != 0 ? old & (replica_set)-old : settling->able & (replica_set)-settling->able;
    partition->leader = first_of(partition, chosen);
    partition->isr = chosen;
    settling->trusted = chosen; /* what others hold beyond it is not what is committed from now on */
    settling->unclean = true;
}

static void elect(struct settling *settling)
{
    struct image_partition *partition = settling->partition;
    const replica_set leader = image_partition_place(partition, partition->leader);
    const replica_set in_sync =
        (MUTANT(meta_elects_anybody) ? replica_set_all(partition) : partition->isr) & settling->able;
    const replica_set eligible = partition->elr & settling->able;

    if (settling->fact->election == ELECT_PREFERRED && (in_sync & 1) != 0) {
        partition->leader = partition->replicas[0];
    } else if ((partition->isr & leader) != 0) {
        MAYBE((settling->able & leader) == 0); /* shutting down, and nobody else is there: better than none */
    } else if (in_sync != 0) {
        partition->leader = first_of(partition, in_sync);
    } else if (partition->isr == 0 && eligible != 0) {
        partition->leader = first_of(partition, eligible);
        partition->isr = image_partition_place(partition, partition->leader);
    } else if (partition->isr == 0) {
        elect_uncleanly(settling);
    } else {
        partition->leader = -1; /* in sync are only some who shut down */
    }
}

static bool drops_a_replica(const struct image_partition *before, const struct image_partition *after)
{
    for (uint32_t i = 0; i < before->replica_count; i++) {
        if (!image_partition_has_copy(after, before->replicas[i])) return true;
    }
    for (uint32_t i = 0; i < before->observer_count; i++) {
        if (!image_partition_has_copy(after, before->observers[i])) return true;
    }
    return false;
}

static bool has_same_observers(const struct image_partition *a, const struct image_partition *b)
{
    return a->observer_count == b->observer_count &&
           memcmp(a->observers, b->observers, a->observer_count * sizeof a->observers[0]) == 0;
}

static bool is_same(const struct image_partition *a, const struct image_partition *b)
{
    if (a->leader != b->leader || a->leader_epoch != b->leader_epoch || a->recovering != b->recovering) return false;
    if (a->isr != b->isr || a->elr != b->elr || a->adding != b->adding || a->removing != b->removing) return false;
    if (a->min_isr != b->min_isr || a->replica_target != b->replica_target) return false;
    if (a->last_leader != b->last_leader || !has_same_observers(a, b)) return false;
    return a->replica_count == b->replica_count &&
           memcmp(a->replicas, b->replicas, a->replica_count * sizeof a->replicas[0]) == 0;
}

static void begin_epochs(const struct settling *settling, const struct image_partition *before)
{
    struct image_partition *after = settling->partition;
    const bool resumes = settling->fact->restarted && after->leader == settling->fact->broker;
    bool begins = after->leader != before->leader || settling->unclean;

    if (!MUTANT(meta_same_epoch_after_restart)) begins |= resumes && before->leader == after->leader;
    if (!MUTANT(meta_same_epoch_without_a_replica)) begins |= drops_a_replica(before, after);
    if (begins) after->leader_epoch++;
    if (settling->unclean) {
        after->recovering = true;
        after->last_unclean_leader_epoch = after->leader_epoch;
    }
    if (after->leader != -1) after->last_leader = after->leader;
    if (!is_same(before, after)) after->partition_epoch++;
}

uint8_t partition_min_isr(const struct image *image, const struct image_partition *partition)
{
    const uint32_t lasting = partition->replica_count - replica_set_count(partition->adding);

    return (uint8_t)MIN(topic_min_isr(image, partition->topic), (int64_t)lasting);
}

bool partition_settle(const struct image *image, const struct image_partition *before,
                      const struct partition_fact *fact, struct image_partition *after)
{
    struct settling settling = { .image = image, .fact = fact, .partition = after };

    settling.trusted = replica_set_moved(before, before->isr | before->elr, after);
    follow_observers(&settling);
    look(&settling);
    leave(&settling);
    do {
        after->min_isr = partition_min_isr(image, after);
        keep_eligible(&settling);
        elect(&settling);
        keep_eligible(&settling); /* who was elected from the ELR is in the ISR now, and may be enough */
    } while (finish_reassignment(&settling));
    begin_epochs(&settling, before);
    return after->partition_epoch != before->partition_epoch;
}

/* ---- what can be true ---- */

static bool names_nobody_twice(const struct image_partition *partition)
{
    for (uint32_t i = 0; i < partition->replica_count; i++) {
        if (partition->replicas[i] < 0) return false;
        for (uint32_t j = 0; j < i; j++) {
            if (partition->replicas[i] == partition->replicas[j]) return false;
        }
    }
    for (uint32_t i = 0; i < partition->observer_count; i++) {
        if (partition->observers[i] < 0 || image_partition_has_replica(partition, partition->observers[i]))
            return false;
        for (uint32_t j = 0; j < i; j++) {
            if (partition->observers[i] == partition->observers[j]) return false;
        }
    }
    return true;
}

bool partition_is_consistent(const struct image_partition *partition)
{
    if (partition->replica_count == 0 || partition->replica_count > REPLICAS_MAX) return false;
    if (partition->observer_count > OBSERVERS_MAX) return false;
    const replica_set sets = partition->isr | partition->elr | partition->adding | partition->removing;

    if ((sets & ~replica_set_all(partition)) != 0 || !names_nobody_twice(partition)) return false;
    if ((partition->isr & partition->elr) != 0 || (partition->adding & partition->removing) != 0) return false;
    if (partition->adding == replica_set_all(partition) || partition->removing == replica_set_all(partition))
        return false;
    if (partition->leader != -1 && !image_partition_has_replica(partition, partition->leader)) return false;
    if (partition->recovering && replica_set_count(partition->isr) > 1) return false;
    if (partition->leader_epoch < 0 || partition->partition_epoch < partition->leader_epoch) return false;
    return partition->last_leader >= -1 && partition->last_unclean_leader_epoch >= 0 &&
           partition->last_unclean_leader_epoch <= partition->leader_epoch && partition->replica_target >= 1 &&
           partition->replica_target <= REPLICAS_MAX;
}

void partition_check(const struct image_partition *partition)
{
    CHECK(partition_is_consistent(partition)); /* (1), (2), (5), (6) */
    if (partition->leader != -1) {
        CHECK((image_partition_place(partition, partition->leader) & partition->isr) != 0); /* (3) */
        CHECK(partition->last_leader == partition->leader);                                 /* (3) */
    }
    CHECK(partition->min_isr >= 1 && partition->min_isr <= partition->replica_count);
    if (replica_set_count(partition->isr) >= partition->min_isr) CHECK(partition->elr == 0); /* (4) */
}
