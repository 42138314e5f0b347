/* image_partitions.c -- partitions made and changed by records. What follows from a change is partition_rules.c's. */
#include "base/check.h"
#include "meta/image_state.h"

enum { AS_IT_WAS = -1 };

/* ---- what is counted ---- */

/* Adds to (or takes from) what the broker has by this partition. */
void image_count_replicas(struct image *image, const struct image_partition *partition, int32_t broker_id, int sign)
{
    const uint32_t slot = image_broker_by_id(image, broker_id);
    if (slot == SLOT_NONE) return;
    struct image_broker *broker = &image->brokers[slot];

    if (image_partition_has_observer(partition, broker_id)) {
        broker->observed_count += (uint32_t)sign;
        return;
    }
    broker->replica_count += (uint32_t)sign;
    if ((image_partition_place(partition, broker_id) & partition->removing) != 0) {
        broker->removing_count += (uint32_t)sign;
    }
    if (partition->replicas[0] == broker_id) broker->preferred_count += (uint32_t)sign;
    if (partition->leader == broker_id) broker->leader_count += (uint32_t)sign;
}

void image_count_partition(struct image *image, const struct image_partition *partition, int sign)
{
    const bool reassigning = (partition->adding | partition->removing) != 0;

    image->view.reassigning_count += reassigning ? (uint32_t)sign : 0;
    for (uint32_t i = 0; i < partition->replica_count; i++) {
        image_count_replicas(image, partition, partition->replicas[i], sign);
    }
    for (uint32_t i = 0; i < partition->observer_count; i++) {
        image_count_replicas(image, partition, partition->observers[i], sign);
    }
}

static void count_leader(struct image *image, int32_t broker_id, int sign)
{
    const uint32_t slot = image_broker_by_id(image, broker_id);
    if (slot != SLOT_NONE) image->brokers[slot].leader_count += (uint32_t)sign;
}

/* The same copies at the same places, and the same of them on their way. */
static bool is_placed_alike(const struct image_partition *a, const struct image_partition *b)
{
    return a->replica_count == b->replica_count && a->observer_count == b->observer_count && a->adding == b->adding &&
           a->removing == b->removing &&
           memcmp(a->replicas, b->replicas, a->replica_count * sizeof a->replicas[0]) == 0 &&
           memcmp(a->observers, b->observers, a->observer_count * sizeof a->observers[0]) == 0;
}

/* Nearly always only the ISR is another one, or the leader. */
void image_change_partition(struct image *image, uint32_t slot, const struct image_partition *after)
{
    struct image_partition *partition = &image->partitions[slot];

    if (is_placed_alike(partition, after)) {
        if (partition->leader != after->leader) {
            count_leader(image, partition->leader, -1);
            count_leader(image, after->leader, 1);
        }
        *partition = *after;
        return;
    }
    image_count_partition(image, partition, -1);
    *partition = *after;
    image_count_partition(image, after, 1);
    if (!MUTANT(copies_forget_who_moved_in)) image_copies_note(image, slot);
}

/* ---- sets, as records have them ---- */

static bool read_replicas(struct image_partition *partition, const int32_t *ids, uint32_t id_count)
{
    if (id_count == 0 || id_count > REPLICAS_MAX) return false;
    partition->replica_count = (uint8_t)id_count;
    memcpy(partition->replicas, ids, id_count * sizeof *ids);
    return true;
}

static bool read_observers(struct image_partition *partition, const int32_t *ids, uint32_t id_count)
{
    if (id_count > OBSERVERS_MAX) return false;
    memset(partition->observers, 0, sizeof partition->observers);
    partition->observer_count = (uint8_t)id_count;
    if (id_count > 0) memcpy(partition->observers, ids, id_count * sizeof *ids);
    return true;
}

/* False: somebody is no replica, or named twice. */
static bool read_set(const struct image_partition *partition, const int32_t *ids, uint32_t id_count, replica_set *set)
{
    *set = 0;
    for (uint32_t i = 0; i < id_count; i++) {
        const replica_set place = image_partition_place(partition, ids[i]);
        if (place == 0 || (*set & place) != 0) return false;
        *set |= place;
    }
    return true;
}

/* ---- records ---- */

bool image_read_partition(const struct image *image, uint32_t topic, const struct metadata_partition_record *record,
                          struct image_partition *made)
{
    *made = (struct image_partition){ .topic = topic,
                                      .index = record->index,
                                      .leader = record->leader,
                                      .leader_epoch = record->leader_epoch,
                                      .partition_epoch = record->partition_epoch,
                                      .last_leader = record->leader != -1 ? record->leader : record->last_leader,
                                      .last_unclean_leader_epoch = record->last_unclean_leader_epoch,
                                      .replica_target = (uint8_t)record->replica_target,
                                      .recovering = record->recovering,
                                      .next_partition = SLOT_NONE };
    if (!read_replicas(made, record->replicas, record->replicas_count)) return false;
    if (!read_observers(made, record->observers, record->observers_count)) return false;
    if (record->isr == NULL) made->isr = replica_set_all(made);
    else if (!read_set(made, record->isr, record->isr_count, &made->isr)) return false;
    if (!read_set(made, record->elr, record->elr_count, &made->elr)) return false;
    if (!read_set(made, record->adding, record->adding_count, &made->adding)) return false;
    if (!read_set(made, record->removing, record->removing_count, &made->removing)) return false;
    if (record->replica_target == 0)
        made->replica_target = topic == SLOT_NONE ? 1 : image->topics[topic].replica_target;
    if (!partition_is_consistent(made)) return false;
    if (topic != SLOT_NONE) made->min_isr = partition_min_isr(image, made);
    return true;
}

enum apply_verdict image_apply_partition(struct image *image, const struct metadata_partition_record *record,
                                         struct image_change *change)
{
    const struct partition_fact nothing = { .broker = -1 };
    const uint32_t topic = image_topic_by_id(image, &record->topic_id);
    struct image_partition asked;

    if (!image_read_partition(image, topic, record, &asked)) return APPLY_MALFORMED;
    if (topic == SLOT_NONE) return APPLY_REFUSED;
    struct image_topic *owner = &image->topics[topic];
    struct image_partition made = asked;
    if (record->index < 0 || (uint32_t)record->index != owner->partition_count) return APPLY_REFUSED;

    const uint32_t slot = pool_take(&image->partition_slots);
    if (slot == POOL_NONE) return APPLY_FULL;
    /* Somebody may have been fenced since this was decided. */
    if (!image->converging) partition_settle(image, &asked, &nothing, &made);
    image->partitions[slot] = made;
    image_count_partition(image, &made, 1);
    image_copies_note(image, slot);
    CHECK(map_put(&image->partitions_by_index, partition_key(topic, made.index), slot) == MAP_ADDED);
    if (owner->last_partition == SLOT_NONE) owner->first_partition = slot;
    else image->partitions[owner->last_partition].next_partition = slot;
    owner->last_partition = slot;
    owner->partition_count++;
    image->view.partition_count++;
    image->view.topic_changes++;
    *change = (struct image_change){ CHANGE_PARTITION_CREATED, topic, slot, SLOT_NONE };
    return APPLY_DONE;
}

/* Everybody that the change counts on is as it was when it was decided (KIP-903: a broker that restarted in between
 * may hold nothing of what it was to be added for). */
static bool are_as_expected(const struct image *image, const struct metadata_partition_change_record *record)
{
    for (uint32_t i = 0; i < record->brokers_count; i++) {
        const struct metadata_partition_change_record_broker *expected = &record->brokers[i];
        const uint32_t slot = image_broker_by_id(image, expected->broker_id);
        if (slot == SLOT_NONE) return false;
        const struct image_broker *broker = image_broker(image, slot);
        if (broker->fenced || broker->in_controlled_shutdown) return false;
        if (broker->epoch != expected->epoch && !MUTANT(isr_takes_stale_broker_epoch)) return false;
    }
    return true;
}

/* False: not a change that could ever be. */
static bool read_change(const struct metadata_partition_change_record *record, const struct image_partition *before,
                        struct image_partition *after)
{
    *after = *before;
    if (record->replicas != NULL) {
        if (!read_replicas(after, record->replicas, record->replicas_count)) return false;
        after->isr = replica_set_moved(before, before->isr, after);
        after->elr = replica_set_moved(before, before->elr, after);
        if (!read_set(after, record->adding, record->adding_count, &after->adding)) return false;
        if (!read_set(after, record->removing, record->removing_count, &after->removing)) return false;
    }
    if (record->observers != NULL && !read_observers(after, record->observers, record->observers_count)) return false;
    if (record->isr != NULL && !read_set(after, record->isr, record->isr_count, &after->isr)) return false;
    after->elr &= (replica_set)~after->isr;
    if (record->replica_target != AS_IT_WAS) after->replica_target = (uint8_t)record->replica_target;
    if (record->recovering != AS_IT_WAS) after->recovering = record->recovering != 0;
    if (!image_partition_has_replica(after, after->leader)) after->leader = -1;
    return record->election >= ELECT_BY_RULES && record->election <= ELECT_ANYBODY && partition_is_consistent(after);
}

enum apply_verdict partition_after(const struct image *image, uint32_t slot,
                                   const struct metadata_partition_change_record *record, struct image_partition *after)
{
    const struct image_partition *before = image_partition(image, slot);
    const struct partition_fact fact = { .election = (enum election)record->election, .broker = -1 };

    if (record->leader_epoch != before->leader_epoch) return APPLY_SKIPPED;
    if (record->partition_epoch != before->partition_epoch && !MUTANT(meta_changes_ignore_epochs)) return APPLY_SKIPPED;
    if (!are_as_expected(image, record)) return APPLY_SKIPPED;
    if (!read_change(record, before, after)) return APPLY_MALFORMED;
    return partition_settle(image, before, &fact, after) ? APPLY_DONE : APPLY_SKIPPED;
}

enum apply_verdict image_apply_partition_change(struct image *image,
                                                const struct metadata_partition_change_record *record,
                                                struct image_change *change)
{
    const uint32_t topic = image_topic_by_id(image, &record->topic_id);
    const uint32_t slot = topic == SLOT_NONE ? SLOT_NONE : image_partition_slot(image, topic, record->index);
    struct image_partition after;
    if (slot == SLOT_NONE) return APPLY_SKIPPED;

    const enum apply_verdict verdict = partition_after(image, slot, record, &after);
    if (verdict != APPLY_DONE) return verdict;
    const bool unclean = after.last_unclean_leader_epoch != image->partitions[slot].last_unclean_leader_epoch;
    image_change_partition(image, slot, &after);
    *change = (struct image_change){ CHANGE_PARTITION_CHANGED, topic, slot, SLOT_NONE, .unclean = unclean };
    return APPLY_DONE;
}
