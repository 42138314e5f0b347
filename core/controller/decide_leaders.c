/* decide_leaders.c -- who is in sync and who leads, as far as somebody asks for it. What follows by itself is
 * meta/partition_rules.h's. */
#include "base/check.h"
#include "controller/decide.h"

static struct metadata_partition_change_record change_of(const struct image *image, uint32_t slot)
{
    const struct image_partition *partition = image_partition(image, slot);
    struct metadata_partition_change_record record = metadata_partition_change_record_default;

    record.topic_id = image_topic(image, partition->topic)->id;
    record.index = partition->index;
    record.leader_epoch = partition->leader_epoch;
    record.partition_epoch = partition->partition_epoch;
    return record;
}

/* ---- the ISR ---- */

enum error decide_origin(const struct image *image, int32_t broker_id, int64_t broker_epoch)
{
    const uint32_t slot = image_broker_by_id(image, broker_id);

    if (slot == SLOT_NONE) return ERROR_BROKER_ID_NOT_REGISTERED;
    return image_broker(image, slot)->epoch == broker_epoch ? ERROR_NONE : ERROR_STALE_BROKER_EPOCH;
}

/* Whether the wish comes from the present leader, and is based on what holds. */
static enum error judge_epochs(const struct image_partition *partition, int32_t broker_id,
                               const struct wish_isr_record_partition *wish)
{
    if (wish->leader_epoch > partition->leader_epoch) return ERROR_NOT_CONTROLLER;
    if (wish->partition_epoch > partition->partition_epoch) return ERROR_NOT_CONTROLLER;
    if (wish->leader_epoch < partition->leader_epoch) return ERROR_FENCED_LEADER_EPOCH;
    if (broker_id != partition->leader) return ERROR_INVALID_REQUEST;
    return wish->partition_epoch < partition->partition_epoch ? ERROR_INVALID_UPDATE_VERSION : ERROR_NONE;
}

/* The set that is wished for; false: nobody, or somebody is no replica, or named twice. */
static bool read_isr(const struct image_partition *partition, const struct wish_isr_record_partition *wish,
                     replica_set *isr)
{
    *isr = 0;
    for (uint32_t i = 0; i < wish->isr_count; i++) {
        const replica_set place = image_partition_place(partition, wish->isr[i].broker_id);
        if (place == 0 || (*isr & place) != 0) return false;
        *isr |= place;
    }
    return *isr != 0;
}

/* A leader whose disk is full may ask to leave, if nothing else is asked, enough stay to commit, and one of these can
 * lead. Otherwise who leads is in sync. */
static enum error judge_leader(const struct image *image, const struct image_partition *partition, replica_set isr)
{
    if ((isr & image_partition_place(partition, partition->leader)) != 0) return ERROR_NONE;
    if ((isr & (replica_set)~partition->isr) != 0) return ERROR_INVALID_REQUEST;
    if (replica_set_count(isr) < partition->min_isr) return ERROR_INVALID_REQUEST;
    return (isr & partition_able(image, partition)) != 0 ? ERROR_NONE : ERROR_INELIGIBLE_REPLICA;
}

/* Who is fenced, about to go, or not in the life in which it caught up, must not join (KIP-841, KIP-903). Who is in
 * sync already may be about to go: it stays until somebody else is there. */
static bool is_eligible(const struct image *image, const struct image_partition *partition,
                        const struct wish_isr_record_member *member)
{
    const uint32_t slot = image_broker_by_id(image, member->broker_id);
    const bool joins = (image_partition_place(partition, member->broker_id) & partition->isr) == 0;
    if (slot == SLOT_NONE) return false;
    const struct image_broker *broker = image_broker(image, slot);

    if (joins && (broker->fenced || broker->in_controlled_shutdown || broker->observer)) return false;
    return broker->epoch == member->broker_epoch || MUTANT(isr_takes_stale_broker_epoch);
}

static enum error put_isr(const struct image *image, uint32_t slot, const struct wish_isr_record_partition *wish,
                          struct proposal *records)
{
    const struct image_partition *partition = image_partition(image, slot);
    struct metadata_partition_change_record record = change_of(image, slot);
    struct metadata_partition_change_record_broker brokers[REPLICAS_MAX];
    struct image_partition after;
    int32_t isr[REPLICAS_MAX];

    record.isr = isr;
    record.brokers = brokers;
    for (uint32_t i = 0; i < wish->isr_count; i++) {
        const struct wish_isr_record_member *member = &wish->isr[i];
        isr[record.isr_count++] = member->broker_id;
        if ((image_partition_place(partition, member->broker_id) & partition->isr) != 0) continue;
        brokers[record.brokers_count++] =
            (struct metadata_partition_change_record_broker){ member->broker_id, member->broker_epoch };
    }
    record.recovering = wish->recovering;
    switch (partition_after(image, slot, &record, &after)) {
    case APPLY_DONE: break;
    case APPLY_SKIPPED: return ERROR_NONE; /* it is as it is wished for */
    case APPLY_REFUSED:
    case APPLY_FULL:
    case APPLY_MALFORMED: CHECK(false);
    }
    proposal_add_partition_change(records, &record);
    return after.leader == partition->leader ? ERROR_NONE : ERROR_NEW_LEADER_ELECTED;
}

enum error decide_isr(const struct image *image, int32_t broker_id, const struct wish_isr_record_partition *wish,
                      struct proposal *records)
{
    const uint32_t topic = image_topic_by_id(image, &wish->topic_id);
    if (topic == SLOT_NONE) return ERROR_UNKNOWN_TOPIC_ID;
    const uint32_t slot = image_partition_slot(image, topic, wish->index);
    if (slot == SLOT_NONE) return ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    const struct image_partition *partition = image_partition(image, slot);
    replica_set isr;

    enum error error = judge_epochs(partition, broker_id, wish);
    if (error != ERROR_NONE) return error;
    if (!read_isr(partition, wish, &isr)) return ERROR_INVALID_REQUEST;
    error = judge_leader(image, partition, isr);
    if (error != ERROR_NONE) return error;
    if (wish->recovering && (wish->isr_count > 1 || !partition->recovering)) return ERROR_INVALID_REQUEST;
    for (uint32_t i = 0; i < wish->isr_count; i++) {
        if (!is_eligible(image, partition, &wish->isr[i])) return ERROR_INELIGIBLE_REPLICA;
    }
    return put_isr(image, slot, wish, records);
}

/* ---- elections ---- */

static bool elect(const struct image *image, uint32_t slot, enum election election, struct proposal *records)
{
    const struct image_partition *partition = image_partition(image, slot);
    struct metadata_partition_change_record record = change_of(image, slot);
    struct image_partition after;

    record.election = (int8_t)election;
    if (partition_after(image, slot, &record, &after) != APPLY_DONE) return false;
    if (after.leader == partition->leader) return false;
    proposal_add_partition_change(records, &record);
    return true;
}

enum error decide_election(const struct image *image, uint32_t slot, enum election election, struct proposal *records)
{
    const struct image_partition *partition = image_partition(image, slot);
    const bool preferred = election == ELECT_PREFERRED;

    if (preferred ? partition->leader == partition->replicas[0] : partition->leader != -1) {
        return ERROR_ELECTION_NOT_NEEDED;
    }
    if (elect(image, slot, election, records)) return ERROR_NONE;
    return preferred ? ERROR_PREFERRED_LEADER_NOT_AVAILABLE : ERROR_ELIGIBLE_LEADERS_NOT_AVAILABLE;
}

uint32_t decide_preferred_leaders(const struct image *image, uint32_t *partition, uint32_t looks_max,
                                  uint32_t count_max, struct proposal *records)
{
    uint32_t slot = *partition, count = 0;

    for (uint32_t looks = 0; looks < looks_max && count < count_max; looks++) {
        slot = image_next_partition(image, slot);
        if (slot == SLOT_NONE) break;
        const struct image_partition *found = image_partition(image, slot);
        if (found->leader == found->replicas[0] || (found->isr & 1) == 0) continue;
        count += elect(image, slot, ELECT_PREFERRED, records);
    }
    *partition = slot;
    return count;
}
