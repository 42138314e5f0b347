/* image_drain.c -- what a record leaves to be done in steps: a removed topic's slots, and consequences for partitions.
 *
 * A broker that is fenced may be a replica of every partition there is. The record is applied at once, its consequences
 * partition by partition, and nothing else is applied before they are all there: so every node comes to the same
 * image, and no step of a node does more than a bounded piece. */
#include "base/check.h"
#include "meta/image_state.h"

enum { DRAIN_PARTITIONS_MAX = 256 }; /* looked at in one piece: some 10 us */

/* A broker's partitions are found by their slots, all others by their topics. Each is settled by itself: it does not
 * matter in which order. */

bool image_is_draining(const struct image *image)
{
    return image->drain.kind != DRAIN_NOTHING;
}

/* ---- orders ---- */

void image_drain_topic(struct image *image, uint32_t topic)
{
    image->drain = (struct drain){ .kind = DRAIN_TOPIC, .topic = topic, .partition = SLOT_NONE };
}

static void settle_from(struct image *image, uint32_t topic, struct drain *drain)
{
    if (topic == SLOT_NONE || image->view.partition_count == 0) return;
    if (image->converging && !drain->counts) return;
    drain->kind = DRAIN_PARTITIONS;
    drain->topic = topic;
    drain->partition = image->topics[topic].first_partition;
    if (!drain->all_topics && drain->partition == SLOT_NONE) return;
    image->drain = *drain;
}

void image_settle_topic(struct image *image, uint32_t topic)
{
    settle_from(image, topic, &(struct drain){ .fact.broker = -1 });
}

void image_settle_all(struct image *image)
{
    settle_from(image, image->first_topic, &(struct drain){ .all_topics = true, .fact.broker = -1 });
}

void image_settle_broker(struct image *image, const struct partition_fact *fact, bool counts)
{
    const uint32_t holder = image_broker_by_id(image, fact->broker);

    if (!counts && holder != SLOT_NONE) {
        if (image->view.partition_count == 0 || image->converging) return;
        image->drain = (struct drain){ .kind = DRAIN_COPIES, .fact = *fact, .holder = holder };
        return;
    }
    settle_from(image, image->first_topic, &(struct drain){ .all_topics = true, .fact = *fact, .counts = counts });
}

/* ---- steps ---- */

static void give_back(struct image *image, struct image_change *change)
{
    const uint32_t topic = image->drain.topic;
    struct image_topic *owner = &image->topics[topic];
    const uint32_t partition = owner->first_partition;

    if (partition == SLOT_NONE) {
        pool_give(&image->topic_slots, topic);
        image->drain.kind = DRAIN_NOTHING;
        return;
    }
    owner->first_partition = image->partitions[partition].next_partition;
    owner->partition_count--;
    CHECK(map_remove(&image->partitions_by_index, partition_key(topic, image->partitions[partition].index)));
    image_count_partition(image, &image->partitions[partition], -1);
    pool_give(&image->partition_slots, partition);
    image->view.partition_count--;
    image->view.topic_changes++;
    *change = (struct image_change){ CHANGE_PARTITION_REMOVED, topic, partition, SLOT_NONE };
}

/* Settles one partition. True if it changed. */
static bool settle(struct image *image, uint32_t slot, struct image_change *change)
{
    const struct drain *drain = &image->drain;
    const struct image_partition *before = &image->partitions[slot];
    const int32_t broker = drain->fact.broker;
    struct image_partition after;

    if (broker != -1 && !image_partition_has_copy(before, broker)) return false;
    if (drain->kind == DRAIN_COPIES) image_copies_note_one(image, drain->holder, slot);
    if (drain->counts) {
        image_count_replicas(image, before, broker, 1);
        image_copies_note(image, slot);
    }
    after = *before;
    if (image->converging || !partition_settle(image, before, &drain->fact, &after)) return false;
    const bool unclean = after.last_unclean_leader_epoch != before->last_unclean_leader_epoch;
    image_change_partition(image, slot, &after);
    *change = (struct image_change){ CHANGE_PARTITION_CHANGED, after.topic, slot, SLOT_NONE, .unclean = unclean };
    return true;
}

static uint32_t next_copy(struct image *image)
{
    struct drain *drain = &image->drain;
    const uint32_t slot = image_copies_next(image, drain->holder, drain->partition);

    if (slot == SLOT_NONE) drain->kind = DRAIN_NOTHING;
    drain->partition = slot + 1;
    return slot != SLOT_NONE && pool_is_taken(&image->partition_slots, slot) ? slot : SLOT_NONE;
}

/* The next partition to be looked at; SLOT_NONE: that was the last one, or there is none at this place. */
static uint32_t next_partition(struct image *image)
{
    struct drain *drain = &image->drain;
    const uint32_t slot = drain->partition;

    if (drain->kind == DRAIN_COPIES) return next_copy(image);
    if (slot != SLOT_NONE) drain->partition = image->partitions[slot].next_partition;
    if (drain->partition == SLOT_NONE) {
        drain->topic = drain->all_topics ? image->topics[drain->topic].next_topic : SLOT_NONE;
        if (drain->topic == SLOT_NONE) drain->kind = DRAIN_NOTHING;
        else drain->partition = image->topics[drain->topic].first_partition;
    }
    return slot;
}

void image_drain(struct image *image, struct image_change *change)
{
    CHECK(image_is_draining(image));
    *change = NO_CHANGE;
    if (image->drain.kind == DRAIN_TOPIC) {
        give_back(image, change);
        return;
    }
    for (uint32_t i = 0; i < DRAIN_PARTITIONS_MAX && image_is_draining(image); i++) {
        const uint32_t slot = next_partition(image);
        if (slot != SLOT_NONE && settle(image, slot, change)) return;
    }
}
