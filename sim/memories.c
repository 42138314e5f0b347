#include "sim/memories.h"

#include "meta/image.h"
#include "status.h"

static const struct log_producer *find(const struct memory *memory, int64_t id)
{
    for (uint32_t i = 0; i < memory->count; i++) {
        if (memory->producers[i].id == id) return &memory->producers[i];
    }
    return NULL;
}

void memories_judge(struct judge *judge, int32_t partition, const struct memory *ours, const struct memory *theirs)
{
    for (uint32_t i = 0; i < ours->count; i++) {
        const struct log_producer *mine = &ours->producers[i], *other = find(theirs, mine->id);
        if (other == NULL && ours->whole && theirs->whole) {
            judge_violated(judge, RULE_O8, "partition %d: node %u knows nothing of producer %lld, and node %u does",
                           partition, theirs->machine + 1, (long long)mine->id, ours->machine + 1);
        }
        if (other == NULL || (other->epoch == mine->epoch && other->last_sequence == mine->last_sequence)) continue;
        judge_violated(judge, RULE_O8,
                       "partition %d: producer %lld wrote up to %d (epoch %d) as node %u remembers, and up to %d "
                       "(epoch %d) as node %u does",
                       partition, (long long)mine->id, mine->last_sequence, mine->epoch, ours->machine + 1,
                       other->last_sequence, other->epoch, theirs->machine + 1);
    }
}

/* False: it has no such log, or does not know yet. */
static bool recall(const struct run *run, uint32_t number, const struct uuid *topic_id, int32_t index,
                   struct memory *memory, int64_t *end)
{
    const struct machine *machine = run->world.machines[number];

    if (machine->state != PROCESS_UP || machine->outlived || !node_image_is_whole(machine->node)) return false;
    const struct image *image = node_image(machine->node);
    const struct logs *logs = node_logs(machine->node);
    const uint32_t topic = image_topic_by_id(image, topic_id);
    const uint32_t slot = topic == SLOT_NONE ? SLOT_NONE : image_partition_slot(image, topic, index);
    if (slot == SLOT_NONE || !image_partition_has_copy(image_partition(image, slot), (int32_t)number + 1) ||
        !logs_has(logs, slot))
        return false;
    const struct log_offsets offsets = log_offsets(logs, slot);
    uint32_t place = LOG_PRODUCERS_BEGIN;
    memory->machine = number;
    memory->whole = offsets.log_start_offset == 0;
    memory->count = 0;
    *end = offsets.log_end_offset;
    while (memory->count < MEMORY_MAX && log_next_producer(logs, slot, &place, &memory->producers[memory->count])) {
        memory->count++;
    }
    return offsets.producers_known;
}

/* All against the first one who knows. */
static void compare(struct run *run, const struct uuid *topic_id, int32_t index)
{
    static struct memory first, next;
    int64_t first_end = -1, end;

    for (uint32_t i = 0; i < run->world.machine_count; i++) {
        if (!recall(run, i, topic_id, index, first_end < 0 ? &first : &next, &end)) continue;
        if (first_end < 0) {
            first_end = end;
        } else if (end == first_end) {
            memories_judge(&run->judge, index, &first, &next);
            memories_judge(&run->judge, index, &next, &first);
        }
    }
}

void memories_compare(struct run *run)
{
    enum { MANY = 16 };

    if (run->damaged || run->is_shadow || run->world.machine_count == 1 || run->world.machine_count > MANY) return;
    for (uint32_t i = 0; i < run->judge.partition_count; i++) {
        const struct judged_partition *partition = &run->judge.partitions[i];
        if (!partition->gone) compare(run, &partition->topic_id, partition->index);
    }
}
