/* decide_replicas.c -- other replicas for a partition: asked for, taken back (KIP-455). */
#include "base/check.h"
#include "controller/decide.h"

static bool is_one_of(int32_t id, const int32_t *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (ids[i] == id) return true;
    }
    return false;
}

/* What a reassignment makes of the replicas: the target, then those that go when it is reached. Whoever was being added
 * before and is not in the target is dropped at once: it was not counted on yet. */
struct replica_lists {
    int32_t replicas[2 * REPLICAS_MAX];
    int32_t adding[REPLICAS_MAX], removing[REPLICAS_MAX];
    uint32_t replica_count, adding_count, removing_count;
};

static void list_replicas(const struct image_partition *partition, const int32_t *target, uint32_t count,
                          struct replica_lists *lists)
{
    int32_t original[REPLICAS_MAX];
    const replica_set lasting = replica_set_all(partition) & (replica_set)~partition->adding;
    const uint32_t original_count = image_partition_brokers(partition, lasting, original);

    *lists = (struct replica_lists){ .replica_count = count };
    for (uint32_t i = 0; i < count; i++) {
        lists->replicas[i] = target[i];
        if (!is_one_of(target[i], original, original_count)) lists->adding[lists->adding_count++] = target[i];
    }
    for (uint32_t i = 0; i < original_count; i++) {
        if (is_one_of(original[i], target, count)) continue;
        lists->removing[lists->removing_count++] = original[i];
        lists->replicas[lists->replica_count++] = original[i];
    }
}

/* Who has what is committed, as far as anybody has: a partition without them could only be led by somebody who may
 * have less. */
static replica_set survivors_of(const struct image_partition *partition)
{
    if (partition->isr != 0) return partition->isr;
    return partition->elr != 0 ? partition->elr : image_partition_place(partition, partition->last_leader);
}

bool decide_is_only_survivor(const struct image *image, int32_t broker_id)
{
    const uint32_t broker = image_broker_by_id(image, broker_id);
    uint32_t slot = SLOT_NONE;

    if (broker == SLOT_NONE || image_broker(image, broker)->replica_count == 0) return false;
    while ((slot = image_next_partition(image, slot)) != SLOT_NONE) {
        const struct image_partition *partition = image_partition(image, slot);
        const replica_set place = image_partition_place(partition, broker_id);
        if (place != 0 && survivors_of(partition) == place) return true;
    }
    return false;
}

enum replicas_verdict decide_replicas(const struct image *image, uint32_t slot, const int32_t *target, uint32_t count,
                                      bool retarget, struct proposal *records)
{
    const struct image_partition *partition = image_partition(image, slot);
    struct metadata_partition_change_record record = metadata_partition_change_record_default;
    struct image_partition after;
    struct replica_lists lists;
    const replica_set survivors = survivors_of(partition);
    bool survives = survivors == 0;

    CHECK(count >= 1 && count <= REPLICAS_MAX);
    list_replicas(partition, target, count, &lists);
    if (lists.replica_count > REPLICAS_MAX) return REPLICAS_TOO_MANY;
    for (uint32_t i = 0; i < lists.replica_count; i++) {
        survives |= (image_partition_place(partition, lists.replicas[i]) & survivors) != 0;
    }
    if (MUTANT(moves_drop_the_last_copy)) survives = true;
    if (!survives && !topic_elects_uncleanly(image, partition->topic)) return REPLICAS_LOSE_ALL;
    record.topic_id = image_topic(image, partition->topic)->id;
    record.index = partition->index;
    record.leader_epoch = partition->leader_epoch;
    record.partition_epoch = partition->partition_epoch;
    record.replicas = lists.replicas;
    record.replicas_count = lists.replica_count;
    record.adding = lists.adding;
    record.adding_count = lists.adding_count;
    record.removing = lists.removing;
    record.removing_count = lists.removing_count;
    if (retarget) record.replica_target = (int8_t)count;
    if (partition_after(image, slot, &record, &after) != APPLY_DONE) return REPLICAS_SAME;
    proposal_add_partition_change(records, &record);
    return REPLICAS_CHANGED;
}

bool decide_observers(const struct image *image, uint32_t slot, const int32_t *ids, uint32_t count,
                      struct proposal *records)
{
    const struct image_partition *partition = image_partition(image, slot);
    struct metadata_partition_change_record record = metadata_partition_change_record_default;
    struct image_partition after;

    CHECK(count <= OBSERVERS_MAX);
    record.topic_id = image_topic(image, partition->topic)->id;
    record.index = partition->index;
    record.leader_epoch = partition->leader_epoch;
    record.partition_epoch = partition->partition_epoch;
    record.observers = ids;
    record.observers_count = count;
    if (partition_after(image, slot, &record, &after) != APPLY_DONE) return false;
    proposal_add_partition_change(records, &record);
    return true;
}

static enum error say_unclean(struct decision *decision, const struct image_partition *partition, const char *words)
{
    text_add(decision->message, words);
    text_add_bytes(decision->message, image_topic_name(decision->image, partition->topic));
    text_add(decision->message, ":");
    text_add_int(decision->message, partition->index);
    text_add(decision->message, " because it would require an unclean leader election.");
    return ERROR_INVALID_REPLICA_ASSIGNMENT;
}

enum error decide_reassignment(struct decision *decision, uint32_t slot, const int32_t *target, uint32_t count)
{
    const struct image_partition *partition = image_partition(decision->image, slot);
    const bool reverts = target == NULL;
    int32_t original[REPLICAS_MAX];

    if (reverts) {
        if ((partition->adding | partition->removing) == 0) {
            text_add(decision->message, "No partition reassignment is in progress.");
            return ERROR_NO_REASSIGNMENT_IN_PROGRESS;
        }
        const replica_set lasting = replica_set_all(partition) & (replica_set)~partition->adding;
        count = image_partition_brokers(partition, lasting, original);
        target = original;
    } else {
        const enum error error = decide_assignment(decision, target, count, 0);
        if (error != ERROR_NONE) return error;
    }
    switch (decide_replicas(decision->image, slot, target, count, true, decision->records)) {
    case REPLICAS_CHANGED:
    case REPLICAS_SAME: return ERROR_NONE;
    case REPLICAS_TOO_MANY:
        text_add(decision->message, "A partition may not have more than 16 replicas, old and new ones together.");
        return ERROR_INVALID_REPLICA_ASSIGNMENT;
    case REPLICAS_LOSE_ALL: break;
    }
    return say_unclean(decision, partition,
                       reverts ? "Unable to revert partition assignment for "
                               : "Unable to change the reassignment of ");
}
