/* plane_rest.c -- are all partitions at rest, and has the moment come that a fault waits for? */
#include "sim/plane.h"

#include <string.h>

/* ---- rest ---- */

/* Whoever has it all is lost, and nobody may lead it by himself. */
static bool is_given_up(const struct plane_partition *partition, const struct image_partition *wanted)
{
    return partition->exempt && (wanted->isr | wanted->elr) == 0;
}

bool plane_is_given_up(const struct plane *plane, const struct uuid *topic_id, int32_t index)
{
    const struct plane_partition *partition = plane_find(plane, topic_id, index);

    return partition != NULL && is_given_up(partition, &partition->newest);
}

bool plane_is_exempt(const struct plane *plane, const struct uuid *topic_id, int32_t index)
{
    const struct plane_partition *partition = plane_find(plane, topic_id, index);

    return partition == NULL || partition->exempt;
}

int32_t plane_leader(const struct plane *plane, const struct uuid *topic_id, int32_t index, int32_t *epoch)
{
    const struct plane_partition *partition = plane_find(plane, topic_id, index);

    *epoch = partition == NULL ? -1 : partition->newest.leader_epoch;
    return partition == NULL ? -1 : partition->newest.leader;
}

static const char *fault_of_copy(const struct plane_partition *partition, const struct plane_replica *leader,
                                 int32_t broker_id)
{
    const struct plane_replica *replica = plane_replica_on(partition, (uint32_t)broker_id - 1);

    if (replica == NULL || !replica->there) return "a replica has no log";
    if (replica->log_end_offset != leader->log_end_offset) return "replicas end elsewhere";
    if (replica->log_start_offset != leader->log_start_offset) return "replicas begin elsewhere";
    if (replica->high_watermark != leader->log_end_offset) return "not everything is committed";
    return replica->durable_offset == leader->log_end_offset ? NULL : "not everything is durable";
}

/* NULL: nothing is wrong with this one. */
static const char *fault_of(const struct plane_partition *partition, const struct image_partition *wanted)
{
    const struct plane_replica *leader = plane_replica_on(partition, (uint32_t)wanted->leader - 1);

    if (is_given_up(partition, wanted)) return NULL;
    if (wanted->leader < 0 || leader == NULL || !leader->there) return "nobody leads";
    if (replica_set_count(wanted->isr) != wanted->replica_count) return "not all replicas are in sync";
    if (wanted->recovering || (wanted->adding | wanted->removing) != 0) return "it is being mended, or moved";
    const char *fault = NULL;
    for (uint32_t i = 0; i < wanted->replica_count && fault == NULL; i++) {
        fault = fault_of_copy(partition, leader, wanted->replicas[i]);
    }
    for (uint32_t i = 0; i < wanted->observer_count && fault == NULL; i++) {
        fault = fault_of_copy(partition, leader, wanted->observers[i]);
    }
    return fault;
}

bool plane_shows_all(const struct plane *plane, const struct uuid *topic_id, int32_t index, int64_t high_watermark)
{
    const struct plane_partition *partition = plane_find(plane, topic_id, index);

    if (partition == NULL) return true;
    const struct plane_replica *leader = plane_replica_on(partition, (uint32_t)partition->newest.leader - 1);
    return leader != NULL && leader->leads && high_watermark == leader->log_end_offset;
}

/* How far each of its replicas is. */
static void tell_offsets(const struct plane_partition *partition, const struct image_partition *wanted, char *text,
                         uint32_t size)
{
    uint32_t used = 0;

    for (uint32_t i = 0; i < wanted->replica_count && used < size; i++) {
        const struct plane_replica *replica = plane_replica_on(partition, (uint32_t)wanted->replicas[i] - 1);
        if (replica == NULL) continue;
        const int more =
            snprintf(text + used, size - used, "; n%d has %lld..%lld, durable %lld, shows %lld", wanted->replicas[i],
                     (long long)replica->log_start_offset, (long long)replica->log_end_offset,
                     (long long)replica->durable_offset, (long long)replica->high_watermark);
        used += more > 0 ? (uint32_t)more : 0;
    }
}

const char *plane_unrest(const struct plane *plane, const struct image *image, char *text, uint32_t size)
{
    for (uint32_t topic = image_first_topic(image); topic != SLOT_NONE; topic = image_next_topic(image, topic)) {
        for (uint32_t slot = image_topic(image, topic)->first_partition; slot != SLOT_NONE;
             slot = image_partition(image, slot)->next_partition) {
            const struct image_partition *wanted = image_partition(image, slot);
            const struct plane_partition *partition = plane_find(plane, &image_topic(image, topic)->id, wanted->index);
            const char *fault = partition == NULL ? NULL : fault_of(partition, wanted);
            if (fault == NULL) continue;
            const struct bytes name = image_topic_name(image, topic);
            const int used = snprintf(text, size, "%.*s-%d (leader %d, epoch %d, %u of %u in sync): %s", (int)name.size,
                                      (const char *)name.data, wanted->index, wanted->leader, wanted->leader_epoch,
                                      replica_set_count(wanted->isr), wanted->replica_count, fault);
            if (used > 0 && (uint32_t)used < size) {
                tell_offsets(partition, wanted, text + used, size - (uint32_t)used);
            }
            return text;
        }
    }
    return NULL;
}

bool plane_is_whole(const struct plane *plane, uint32_t machine)
{
    for (uint32_t i = 0; i < plane->partition_count; i++) {
        const struct plane_partition *partition = plane->partitions[i];
        const replica_set place = image_partition_place(&partition->newest, (int32_t)machine + 1);
        if (partition->gone || place == 0) continue;
        const struct plane_replica *replica = plane_replica_on(partition, machine);
        if ((partition->newest.isr & place) == 0 || replica == NULL || replica->lost) return false;
    }
    return true;
}

/* The so-manieth of the set, of a partition. */
static uint32_t machine_of_set(const struct image_partition *partition, replica_set set, uint64_t number)
{
    int32_t ids[REPLICAS_MAX];
    const uint32_t count = image_partition_brokers(partition, set, ids);

    return count == 0 ? PLANE_NOBODY : (uint32_t)ids[number % count] - 1;
}

uint32_t plane_in_role(const struct plane *plane, enum machine_role role, uint64_t number)
{
    for (uint64_t i = 0; i < plane->partition_count; i++) {
        const struct plane_partition *partition = plane->partitions[(number + i) % plane->partition_count];
        const struct image_partition *newest = &partition->newest;
        if (partition->gone || newest->partition_epoch < 0 || newest->replica_count < 2) continue;
        const replica_set head = newest->leader < 0 ? 0 : image_partition_place(newest, newest->leader);
        replica_set set = head;
        if (role == ROLE_FOLLOWER) set = newest->isr & (replica_set)~head;
        if (role == ROLE_LAGGARD) set = (replica_set)((1u << newest->replica_count) - 1) & (replica_set)~newest->isr;
        const uint32_t machine = machine_of_set(newest, set, number);
        if (machine != PLANE_NOBODY) return machine;
    }
    return PLANE_NOBODY;
}

static bool must_be_added(const struct plane_partition *partition, const struct plane_replica *replica)
{
    const replica_set place = image_partition_place(&partition->newest, (int32_t)replica->machine + 1);
    return place != 0 && (partition->newest.isr & place) == 0 && (replica->joins || replica->wished);
}

/* A leader means to have it in sync, and it is not yet; or it is that leader. */
static bool is_joining(const struct plane *plane, uint32_t machine)
{
    for (uint32_t i = 0; i < plane->partition_count; i++) {
        const struct plane_partition *partition = plane->partitions[i];
        const replica_set place = image_partition_place(&partition->newest, (int32_t)machine + 1);
        const bool leads = partition->newest.leader == (int32_t)machine + 1;
        if (partition->gone || place == 0 || (!leads && (partition->newest.isr & place) != 0)) continue;
        for (uint32_t j = 0; j < partition->replica_count; j++) {
            const struct plane_replica *replica = &partition->replicas[j];
            if (!leads && replica->machine != machine) continue;
            if (must_be_added(partition, replica)) return true;
        }
    }
    return false;
}

bool plane_moment(const struct plane *plane, enum aim aim, uint32_t number, uint64_t now_ns)
{
    enum { JUST_NS = 3 * 1000 * 1000 };
    static const struct plane_machine unseen;
    const struct plane_machine *machine = number < plane->machine_max ? &plane->machines[number] : &unseen;

    switch (aim) {
    case AIM_APPEND: return machine->waits;
    case AIM_OFFICE: return machine->elected_ns + JUST_NS > now_ns;
    case AIM_CUT: return machine->cut_ns + JUST_NS > now_ns;
    case AIM_ISR: return plane->isr_changed_ns + JUST_NS > now_ns;
    case AIM_JOINING: return is_joining(plane, number);
    default: return !plane_is_whole(plane, number);
    }
}
