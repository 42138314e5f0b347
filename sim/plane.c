#include "sim/plane.h"

#include "log/logs.h"
#include "replica/replicas.h"
#include "sim/offices.h"

#include <stdlib.h>
#include <string.h>

enum { PARTITION_NONE = UINT32_MAX, PLACE_FREE = UINT32_MAX, PLANE_LIVES_MAX = 1024 };

void plane_init(struct plane *plane)
{
    *plane = (struct plane){ 0 };
}

void plane_free(struct plane *plane)
{
    for (uint32_t i = 0; i < plane->partition_count; i++) {
        free(plane->partitions[i]->stored);
        free(plane->partitions[i]->line);
        free(plane->partitions[i]);
    }
    for (uint32_t i = 0; i < plane->machine_max; i++) {
        free(plane->machines[i].slots);
        free(plane->machines[i].partitions);
    }
    free(plane->partitions);
    free(plane->places);
    free(plane->machines);
    free(plane->broker_epochs);
}

/* ---- the table of partitions ---- */

static uint32_t *place_of(const struct plane *plane, const struct uuid *topic_id, int32_t index)
{
    const uint64_t hash =
        (load_u64(topic_id->bytes) ^ load_u64(topic_id->bytes + 8) ^ (uint64_t)index << 32 ^ (uint64_t)index) *
        0x9e3779b97f4a7c15;
    uint32_t at = (uint32_t)(hash >> 32) & (plane->place_max - 1);

    for (; plane->places[at] != PLACE_FREE; at = (at + 1) & (plane->place_max - 1)) {
        const struct plane_partition *partition = plane->partitions[plane->places[at]];
        if (partition->index == index && uuid_equal(&partition->topic_id, topic_id)) break;
    }
    return &plane->places[at];
}

static void place_all(struct plane *plane, uint32_t max)
{
    free(plane->places);
    plane->places = malloc(max * sizeof *plane->places);
    memset(plane->places, 0xff, max * sizeof *plane->places);
    plane->place_max = max;
    for (uint32_t i = 0; i < plane->partition_count; i++) {
        *place_of(plane, &plane->partitions[i]->topic_id, plane->partitions[i]->index) = i;
    }
}

/* What is committed is so on copies of the disks, too. */
static void copy_line(const struct plane_partition *from, struct plane_partition *to)
{
    to->line_max = from->line_count;
    to->line = malloc((from->line_count + 1) * sizeof *to->line);
    if (from->line_count > 0) memcpy(to->line, from->line, from->line_count * sizeof *to->line);
}

void plane_copy(const struct plane *plane, struct plane *copy)
{
    plane_init(copy);
    copy->partitions = malloc((plane->partition_count + 1) * sizeof(struct plane_partition *));
    copy->partition_count = copy->partition_max = plane->partition_count;
    copy->scanned_index = plane->scanned_index;
    memcpy(copy->emptied, plane->emptied, sizeof copy->emptied);
    for (uint32_t i = 0; i < plane->partition_count; i++) {
        copy->partitions[i] = malloc(sizeof *copy->partitions[i]);
        *copy->partitions[i] = *plane->partitions[i];
        copy->partitions[i]->stored = NULL;
        copy->partitions[i]->stored_max = 0;
        copy_line(plane->partitions[i], copy->partitions[i]);
        for (uint32_t j = 0; j < copy->partitions[i]->replica_count; j++) {
            struct plane_replica *replica = &copy->partitions[i]->replicas[j];
            replica->there = replica->leads = false;
            replica->compared_offset = 0;
        }
    }
    if (plane->place_max > 0) place_all(copy, plane->place_max);
}

static uint32_t partition_of(const struct plane *plane, const struct uuid *topic_id, int32_t index)
{
    return plane->place_max == 0 ? PARTITION_NONE : *place_of(plane, topic_id, index);
}

static uint32_t add_partition(struct plane *plane, const struct uuid *topic_id, int32_t index)
{
    if (plane->partition_count == plane->partition_max) {
        plane->partition_max = MAX(16U, plane->partition_max * 2);
        plane->partitions = realloc(plane->partitions, plane->partition_max * sizeof(struct plane_partition *));
    }
    struct plane_partition *partition = plane->partitions[plane->partition_count] = calloc(1, sizeof *partition);

    partition->topic_id = *topic_id;
    partition->index = index;
    partition->newest.partition_epoch = -1;
    const uint32_t number = plane->partition_count++;
    if (2 * plane->partition_count > plane->place_max) place_all(plane, MAX(64U, 2 * plane->place_max));
    else *place_of(plane, topic_id, index) = number;
    return number;
}

const struct plane_partition *plane_find(const struct plane *plane, const struct uuid *topic_id, int32_t index)
{
    const uint32_t at = partition_of(plane, topic_id, index);
    return at == PARTITION_NONE ? NULL : plane->partitions[at];
}

const struct plane_replica *plane_replica_on(const struct plane_partition *partition, uint32_t machine)
{
    for (uint32_t i = 0; i < partition->replica_count; i++) {
        if (partition->replicas[i].machine == machine) return &partition->replicas[i];
    }
    return NULL;
}

/* A new one takes the place of one that the partition has no more, if all are taken. */
static struct plane_replica *make_replica(struct plane_partition *partition, uint32_t machine)
{
    uint32_t at = 0;

    while (at < partition->replica_count && partition->replicas[at].machine != machine) at++;
    if (at < partition->replica_count) return &partition->replicas[at];
    if (at == PLANE_REPLICAS_MAX) {
        at = 0;
        while (image_partition_has_copy(&partition->newest, (int32_t)partition->replicas[at].machine + 1)) at++;
    } else {
        partition->replica_count++;
    }
    partition->replicas[at] =
        (struct plane_replica){ .machine = machine, .leader_epoch = -1, .emptied_epoch = -1, .asked_in = -1 };
    return &partition->replicas[at];
}

/* ---- O7 ---- */

static bool is_judged(const struct plane_partition *partition)
{
    return !partition->exempt && !partition->gone && partition->newest.partition_epoch >= 0;
}

static bool has_bit(const uint64_t *bits, uint32_t number)
{
    return number < PLANE_MACHINES_MAX && (bits[number / 64] & 1ull << number % 64) != 0;
}

static void check_member(const struct plane *plane, struct judge *judge, const struct plane_partition *partition,
                         int32_t broker_id)
{
    const struct plane_replica *replica = plane_replica_on(partition, (uint32_t)broker_id - 1);
    const int64_t durable_offset = replica == NULL ? 0 : replica->durable_offset;
    const int64_t log_start_offset = replica == NULL ? 0 : replica->log_start_offset;

    if ((replica != NULL && replica->lost) || has_bit(plane->behind, (uint32_t)broker_id - 1)) return;
    if (log_start_offset < partition->deleted) {
        judge_violated(judge, RULE_O7,
                       "partition %d of %08x: node %d may be elected, and has records from %lld on, where all below "
                       "%lld are deleted",
                       partition->index, load_u32(partition->topic_id.bytes), broker_id, (long long)log_start_offset,
                       (long long)partition->deleted);
    }
    if (durable_offset >= partition->high_watermark) return;
    judge_violated(
        judge, RULE_O7,
        "partition %d of %08x: node %d has to have all below %lld (partition epoch %d, leader epoch %d), and "
        "has all below %lld on disk",
        partition->index, load_u32(partition->topic_id.bytes), broker_id, (long long)partition->high_watermark,
        partition->newest.partition_epoch, partition->newest.leader_epoch, (long long)durable_offset);
}

/* Everybody who could be elected. */
static void check_members(const struct plane *plane, struct judge *judge, const struct plane_partition *partition)
{
    int32_t ids[REPLICAS_MAX];
    const struct image_partition *newest = &partition->newest;

    if (!is_judged(partition)) return;
    const uint32_t count = image_partition_brokers(newest, newest->isr | newest->elr, ids);
    for (uint32_t i = 0; i < count; i++) check_member(plane, judge, partition, ids[i]);
}

static bool must_have_all(const struct plane_partition *partition, uint32_t machine)
{
    const replica_set place = image_partition_place(&partition->newest, (int32_t)machine + 1);
    return (place & (partition->newest.isr | partition->newest.elr)) != 0;
}

/* ---- configurations ---- */

static void forgive(struct judge *judge, struct plane_partition *partition)
{
    partition->exempt = true;
    judge_on_lost(judge, &partition->topic_id, partition->index);
}

/* Where it was the last one that had to have all, nothing is owed any more; it may turn out later that it was, by an
 * entry that was under way. */
static void lose_replica(struct judge *judge, struct plane_partition *partition, uint32_t number)
{
    const struct image_partition *newest = &partition->newest;
    const replica_set place = image_partition_place(newest, (int32_t)number + 1);
    replica_set others = (newest->isr | newest->elr) & (replica_set)~place;

    for (uint32_t j = 0; j < partition->replica_count; j++) {
        struct plane_replica *replica = &partition->replicas[j];
        if (replica->lost) others &= (replica_set)~image_partition_place(newest, (int32_t)replica->machine + 1);
        if (replica->machine != number) continue;
        *replica = (struct plane_replica){ .machine = number,
                                           .leader_epoch = -1,
                                           .emptied_epoch = newest->leader_epoch,
                                           .asked_in = partition->replicas[j].asked_in,
                                           .asked_epoch = partition->replicas[j].asked_epoch,
                                           .lost = must_have_all(partition, number) };
    }
    if (place != 0 && others == 0) forgive(judge, partition);
}

/* Somebody may be counted on whose disk is gone, as long as nobody has missed him: of a new partition, or since the
 * entry that does so was under way when it went. Who was counted on before has been looked at when it went. */
static void lose_emptied(const struct plane *plane, struct judge *judge, struct plane_partition *partition,
                         const struct image_partition *before)
{
    const bool is_new = before->partition_epoch < 0;

    for (uint32_t i = 0; i < partition->newest.replica_count; i++) {
        const uint32_t number = (uint32_t)partition->newest.replicas[i] - 1;
        const int32_t broker = partition->newest.replicas[i];
        const bool counts = ((partition->newest.isr | partition->newest.elr) & (replica_set)(1u << i)) != 0;
        if (!is_new && (!counts || ((before->isr | before->elr) & image_partition_place(before, broker)) != 0))
            continue;
        if (number / 64 >= COUNT_OF(plane->emptied) || (plane->emptied[number / 64] & 1ull << number % 64) == 0)
            continue;
        make_replica(partition, number);
        lose_replica(judge, partition, number);
    }
}

/* Nobody may be elected any more who has what was committed: the last of the others left, or counts no more. */
static bool is_lost(const struct plane_partition *partition)
{
    replica_set left = partition->newest.isr | partition->newest.elr;
    const bool any = left != 0;

    for (uint32_t i = 0; i < partition->replica_count; i++) {
        const struct plane_replica *replica = &partition->replicas[i];
        if (!replica->lost) continue;
        left &= (replica_set)~image_partition_place(&partition->newest, (int32_t)replica->machine + 1);
    }
    return any && left == 0;
}

static void tell_set(FILE *trace, const char *name, const struct image_partition *partition, replica_set set)
{
    int32_t ids[REPLICAS_MAX];
    const uint32_t count = image_partition_brokers(partition, set, ids);

    fprintf(trace, "%s", name);
    for (uint32_t i = 0; i < count; i++) fprintf(trace, " %d", ids[i]);
}

static void tell(const struct plane *plane, const struct plane_partition *partition, uint64_t now_ns)
{
    const struct image_partition *newest = &partition->newest;

    fprintf(plane->trace, "[%12.6f]   partition %d of %08x: epoch %d, led by %d in epoch %d", (double)now_ns / 1e9,
            partition->index, load_u32(partition->topic_id.bytes), newest->partition_epoch, newest->leader,
            newest->leader_epoch);
    tell_set(plane->trace, ", replicas", newest, (replica_set)((1u << newest->replica_count) - 1));
    tell_set(plane->trace, ", in sync", newest, newest->isr);
    tell_set(plane->trace, ", eligible", newest, newest->elr);
    fprintf(plane->trace, ", at least %u\n", newest->min_isr);
}

static void see_configuration(struct plane *plane, struct judge *judge, struct plane_partition *partition,
                              const struct image_partition *newest, uint64_t now_ns)
{
    const struct image_partition *before = &partition->newest;
    const struct image_partition old = *before;

    if (newest->partition_epoch <= before->partition_epoch) return;
    if (before->partition_epoch >= 0) {
        plane->elections += newest->leader != before->leader && newest->leader >= 0;
        if (newest->isr != before->isr) {
            plane->isr_changes++;
            plane->isr_changed_ns = now_ns;
        }
    }
    /* Where nothing was ever committed nothing is lost: it was placed on a node whose disk was gone already. */
    if (partition->struck && newest->last_unclean_leader_epoch > before->last_unclean_leader_epoch) {
        forgive(judge, partition);
    }
    const bool loses =
        newest->last_unclean_leader_epoch > before->last_unclean_leader_epoch && partition->high_watermark > 0;
    if (loses && is_judged(partition)) {
        judge_violated(judge, RULE_O7, "partition %d of %08x: node %d is elected uncleanly in epoch %d",
                       partition->index, load_u32(partition->topic_id.bytes), newest->leader, newest->leader_epoch);
    }
    partition->newest = *newest;
    lose_emptied(plane, judge, partition, &old);
    if (plane->trace != NULL) tell(plane, partition, now_ns);
    for (uint32_t i = 0; i < partition->replica_count; i++) {
        struct plane_replica *replica = &partition->replicas[i];
        if (!must_have_all(partition, replica->machine)) replica->lost = false; /* nobody counts on it any more */
    }
    if (is_lost(partition)) forgive(judge, partition);
    check_members(plane, judge, partition);
}

/* Other nodes have a log of it from now on, or one has none any more. */
static bool has_moved(const struct image_partition *before, const struct image_partition *newest)
{
    if (before->partition_epoch < 0 || before->replica_count != newest->replica_count) return true;
    if (before->observer_count != newest->observer_count) return true;
    if (memcmp(before->observers, newest->observers, sizeof before->observers) != 0) return true;
    return memcmp(before->replicas, newest->replicas, before->replica_count * sizeof before->replicas[0]) != 0;
}

/* The first one that has applied an entry shows what all partitions are like after it. */
static void scan(struct plane *plane, struct judge *judge, const struct plane_look *look)
{
    const struct image *image = look->image;
    uint64_t changed[PLANE_LIVES_MAX / 64];
    const bool others = office_see_brokers(plane, image, changed, COUNT_OF(changed));

    plane->scans++;
    for (uint32_t topic = image_first_topic(image); topic != SLOT_NONE; topic = image_next_topic(image, topic)) {
        const struct uuid *id = &image_topic(image, topic)->id;
        for (uint32_t slot = image_topic(image, topic)->first_partition; slot != SLOT_NONE;
             slot = image_partition(image, slot)->next_partition) {
            const struct image_partition *newest = image_partition(image, slot);
            uint32_t at = partition_of(plane, id, newest->index);
            if (at == PARTITION_NONE) at = add_partition(plane, id, newest->index);
            if (has_moved(&plane->partitions[at]->newest, newest)) plane->moved_index = plane->scanned_index;
            plane->partitions[at]->scan = plane->scans;
            if (others) office_check_lives(judge, plane->partitions[at], newest, changed, COUNT_OF(changed));
            if (is_judged(plane->partitions[at])) office_check_added(judge, image, plane->partitions[at], newest);
            office_check_configuration(judge, image, newest);
            see_configuration(plane, judge, plane->partitions[at], newest, look->now_ns);
        }
    }
    for (uint32_t i = 0; i < plane->partition_count; i++) {
        struct plane_partition *partition = plane->partitions[i];
        if (partition->scan == plane->scans || partition->gone) continue;
        partition->gone = true;
        plane->moved_index = plane->scanned_index;
    }
}

/* ---- logs ---- */

static struct plane_machine *machine_of(struct plane *plane, uint32_t number)
{
    if (number >= plane->machine_max) {
        const uint32_t max = MAX(8U, (number + 1) * 2);
        plane->machines = realloc(plane->machines, max * sizeof *plane->machines);
        memset(plane->machines + plane->machine_max, 0, (max - plane->machine_max) * sizeof *plane->machines);
        plane->machine_max = max;
    }
    return &plane->machines[number];
}

/* Which logs there are to look at; that changes when partitions come, go or move. */
static void list_logs(struct plane *plane, struct plane_machine *machine, const struct plane_look *look)
{
    const struct image *image = look->image;

    machine->count = 0;
    machine->lacks = false;
    for (uint32_t topic = image_first_topic(image); topic != SLOT_NONE; topic = image_next_topic(image, topic)) {
        for (uint32_t slot = image_topic(image, topic)->first_partition; slot != SLOT_NONE;
             slot = image_partition(image, slot)->next_partition) {
            if (!image_partition_has_copy(image_partition(image, slot), (int32_t)look->number + 1)) continue;
            if (!logs_has(look->logs, slot)) {
                machine->lacks = true;
                continue;
            }
            const uint32_t at =
                partition_of(plane, &image_topic(image, topic)->id, image_partition(image, slot)->index);
            if (at == PARTITION_NONE) continue;
            if (machine->count == machine->max) {
                machine->max = MAX(16U, machine->max * 2);
                machine->slots = realloc(machine->slots, machine->max * sizeof *machine->slots);
                machine->partitions = realloc(machine->partitions, machine->max * sizeof *machine->partitions);
            }
            machine->slots[machine->count] = slot;
            machine->partitions[machine->count++] = at;
        }
    }
}

/* What may not have been done in a step in which the node knew throughout that too few are in sync. */
static void check_too_few(struct judge *judge, const struct plane_partition *partition,
                          const struct plane_replica *before, const struct log_offsets *offsets)
{
    if (offsets->high_watermark > before->high_watermark) {
        judge_violated(judge, RULE_O7, "partition %d of %08x: node %u commits all below %lld with too few in sync",
                       partition->index, load_u32(partition->topic_id.bytes), before->machine + 1,
                       (long long)offsets->high_watermark);
    }
    if (judge->all_strict && offsets->log_end_offset > before->log_end_offset) {
        judge_violated(judge, RULE_O7,
                       "partition %d of %08x: node %u takes records up to %lld with too few in sync, and nobody writes "
                       "but with acks=all",
                       partition->index, load_u32(partition->topic_id.bytes), before->machine + 1,
                       (long long)offsets->log_end_offset);
    }
}

/* Within a term of office. */
static void check_office(struct judge *judge, const struct plane_partition *partition,
                         const struct plane_replica *before, const struct image_partition *own,
                         const struct log_offsets *offsets)
{
    if (offsets->high_watermark < before->high_watermark) {
        judge_violated(judge, RULE_O3, "partition %d: node %u takes its high watermark back from %lld to %lld",
                       partition->index, before->machine + 1, (long long)before->high_watermark,
                       (long long)offsets->high_watermark);
    }
    if (offsets->log_start_offset < before->log_start_offset) {
        judge_violated(judge, RULE_O3, "partition %d: node %u, which leads it, takes its start back from %lld to %lld",
                       partition->index, before->machine + 1, (long long)before->log_start_offset,
                       (long long)offsets->log_start_offset);
    }
    if (before->partition_epoch != own->partition_epoch || replica_set_count(own->isr) >= own->min_isr) return;
    if (is_judged(partition) && own->replica_count > 1) check_too_few(judge, partition, before, offsets);
}

static void take_down(struct plane_replica *replica, const struct plane_look *look, const struct image_partition *own,
                      const struct log_offsets *offsets)
{
    replica->there = true;
    replica->life = look->life;
    replica->leads = own->leader == (int32_t)look->number + 1;
    replica->leader_epoch = own->leader_epoch;
    replica->partition_epoch = own->partition_epoch;
    replica->log_start_offset = offsets->log_start_offset;
    replica->durable_offset = offsets->durable_offset;
    replica->log_end_offset = offsets->log_end_offset;
    replica->high_watermark = offsets->high_watermark;
}

/* An internal topic is, whatever the others are: epochs of which nothing is left are forgotten. */
static bool is_compacted(const struct plane_look *look, const struct plane_partition *partition)
{
    const uint32_t topic = image_topic_by_id(look->image, &partition->topic_id);

    return topic != SLOT_NONE && image_topic(look->image, topic)->internal;
}

/* Of one that is judged, as it is after the step. */
static void check_log(struct judge *judge, struct plane_partition *partition, struct plane_replica *replica,
                      const struct plane_look *look, uint32_t slot, bool rose)
{
    const bool counts = must_have_all(partition, look->number);

    if (replica->high_watermark > partition->high_watermark) {
        judge_violated(judge, RULE_O7,
                       "partition %d of %08x: node %u shows all below %lld, and no leader more than %lld",
                       partition->index, load_u32(partition->topic_id.bytes), look->number + 1,
                       (long long)replica->high_watermark, (long long)partition->high_watermark);
    }
    if (replica->lost && counts) {
        judge_violated(judge, RULE_O7,
                       "partition %d of %08x: node %u is back with another disk, and counts by the one it had",
                       partition->index, load_u32(partition->topic_id.bytes), look->number + 1);
    }
    if (!is_compacted(look, partition)) line_look(judge, partition, replica, look->logs, slot, counts);
    if (look->replicas == NULL || !replica->leads || (!look->thorough && !rose)) return;
    office_look(judge, partition, look, slot, rose);
}

static void see_log(const struct plane *plane, struct plane_machine *machine, struct judge *judge,
                    struct plane_partition *partition, const struct plane_look *look, uint32_t slot)
{
    const struct image_partition *own = image_partition(look->image, slot);
    const struct log_offsets offsets = log_offsets(look->logs, slot);
    struct plane_replica *replica = make_replica(partition, look->number);
    const struct plane_replica before = *replica;
    const bool leads = own->leader == (int32_t)look->number + 1;
    const bool led = replica->leads && replica->life == look->life;

    if (leads && replica->leads && replica->leader_epoch == own->leader_epoch) {
        check_office(judge, partition, &before, own, &offsets);
    }
    if (leads && !replica->leads && own->leader_epoch > 0) machine->elected_ns = look->now_ns;
    if (offsets.log_end_offset < replica->log_end_offset) machine->cut_ns = look->now_ns;
    machine->waits |= leads && offsets.high_watermark < offsets.log_end_offset;
    take_down(replica, look, own, &offsets);
    /* A log that is the only one has all that counts, whether or not anybody may ask it just now. Who led until this
     * step may have learned in it of a smaller ISR first, and committed by that, and only then of his successor: of
     * him too everybody who could be elected has to have it. */
    const bool shows = leads || led || own->replica_count <= 1;
    if (shows && offsets.high_watermark > partition->high_watermark) {
        partition->high_watermark = offsets.high_watermark;
        partition->high_watermark_epoch = own->leader_epoch;
        check_members(plane, judge, partition);
    }
    if (!is_judged(partition)) return;
    check_log(judge, partition, replica, look, slot, offsets.high_watermark > before.high_watermark);
    const bool fell =
        offsets.durable_offset < before.durable_offset || offsets.log_start_offset < before.log_start_offset;
    if (fell && must_have_all(partition, look->number)) {
        check_member(plane, judge, partition, (int32_t)look->number + 1);
    }
}

void plane_on_step(struct plane *plane, struct judge *judge, const struct plane_look *look)
{
    const uint64_t applied_index = image_view(look->image).applied_index;
    struct plane_machine *machine = machine_of(plane, look->number);

    if (applied_index > plane->scanned_index) {
        plane->scanned_index = applied_index;
        scan(plane, judge, look);
    }
    /* Who stops and leads yet may commit what he flushes, and nobody else may know of it before he is back. */
    const enum logs_state state = logs_state(look->logs);
    if (state != LOGS_OPEN && state != LOGS_STOPPING && state != LOGS_STOPPED) {
        machine->listed_index = UINT64_MAX;
        return;
    }
    plane->behind[look->number / 64] &= ~(1ull << look->number % 64);
    if (look->number / 64 < COUNT_OF(plane->emptied)) plane->emptied[look->number / 64] &= ~(1ull << look->number % 64);
    const bool is_listed =
        machine->life == look->life && machine->listed_index != UINT64_MAX &&
        (machine->listed_index == applied_index || (machine->listed_index >= plane->moved_index && !machine->lacks));
    if (!is_listed) {
        machine->listed_index = applied_index;
        machine->life = look->life;
        list_logs(plane, machine, look);
    }
    const uint64_t expands = look->replicas == NULL ? 0 : replicas_counters(look->replicas)->expands;
    const bool asks = expands != machine->expands;
    machine->expands = expands;
    if (is_listed && look->quiet && !asks && machine->seen_index == applied_index) return;
    machine->seen_index = applied_index;
    machine->waits = false;
    for (uint32_t i = 0; i < machine->count; i++) {
        if (!logs_has(look->logs, machine->slots[i])) continue;
        see_log(plane, machine, judge, plane->partitions[machine->partitions[i]], look, machine->slots[i]);
    }
}

/* ---- disks ---- */

void plane_on_wiped(struct plane *plane, struct judge *judge, uint32_t number)
{
    if (number / 64 < COUNT_OF(plane->emptied)) plane->emptied[number / 64] |= 1ull << number % 64;
    for (uint32_t i = 0; i < plane->partition_count; i++) {
        struct plane_partition *partition = plane->partitions[i];
        /* It may be counted on before it ever had a log that was looked at. */
        if (must_have_all(partition, number)) make_replica(partition, number);
        lose_replica(judge, partition, number);
    }
}

void plane_on_disaster(struct plane *plane, struct judge *judge, uint32_t survivor)
{
    for (uint32_t i = 0; i < plane->partition_count; i++) {
        struct plane_partition *partition = plane->partitions[i];
        const struct plane_replica *own = plane_replica_on(partition, survivor);
        if (partition->gone) continue;
        if (own == NULL || own->lost || !must_have_all(partition, survivor)) forgive(judge, partition);
        for (uint32_t j = 0; j < partition->replica_count; j++) {
            struct plane_replica *replica = &partition->replicas[j];
            if (replica->machine == survivor) continue;
            *replica = (struct plane_replica){
                .machine = replica->machine,
                .leader_epoch = -1,
                .emptied_epoch = partition->newest.leader_epoch, /* who leads yet may know of what they had */
                .lost = true
            };
        }
        partition->struck = true;
        partition->newest.partition_epoch = -1;
    }
    memset(plane->behind, 0xff, sizeof plane->behind);
    plane->behind[survivor / 64] &= ~(1ull << survivor % 64);
    plane->scanned_index = plane->moved_index = 0;
}

/* ---- what clients and files say ---- */

void plane_on_acked(const struct plane *plane, struct judge *judge, const struct uuid *topic_id, int32_t index,
                    int64_t offset)
{
    const uint32_t at = partition_of(plane, topic_id, index);

    if (at == PARTITION_NONE || !is_judged(plane->partitions[at])) return;
    if (offset < plane->partitions[at]->high_watermark) return;
    judge_violated(judge, RULE_O12,
                   "partition %d: offset %lld is acknowledged, and no leader has committed beyond %lld", index,
                   (long long)offset, (long long)plane->partitions[at]->high_watermark);
}

struct plane_floor plane_floor(const struct plane *plane, const struct uuid *topic_id, int32_t index, uint32_t machine)
{
    const uint32_t at = partition_of(plane, topic_id, index);

    if (at == PARTITION_NONE || !is_judged(plane->partitions[at])) return (struct plane_floor){ .leader_epoch = -1 };
    const struct plane_partition *partition = plane->partitions[at];
    const struct plane_replica *replica = plane_replica_on(partition, machine);
    return (struct plane_floor){ partition->high_watermark, partition->high_watermark_epoch,
                                 replica != NULL && replica->there && !replica->leads };
}

void plane_on_latest(const struct plane *plane, struct judge *judge, const struct uuid *topic_id, int32_t index,
                     const struct plane_floor *floor, int32_t leader_epoch, int64_t offset)
{
    const uint32_t at = partition_of(plane, topic_id, index);

    if (at == PARTITION_NONE || !is_judged(plane->partitions[at])) return;
    office_check_latest(judge, plane->partitions[at], floor, leader_epoch, offset);
}

void plane_on_denied(const struct plane *plane, struct judge *judge, const struct judged_partition *judged,
                     const struct plane_floor *floor, uint32_t machine, int64_t offset)
{
    const struct plane_floor now = plane_floor(plane, &judged->topic_id, judged->index, machine);

    office_check_denied(judge, judged, floor, &now, machine, offset);
}

int64_t plane_log_start(const struct plane *plane, uint32_t machine, const struct judged_partition *judged)
{
    const uint32_t at = partition_of(plane, &judged->topic_id, judged->index);
    const struct plane_replica *replica =
        at == PARTITION_NONE ? NULL : plane_replica_on(plane->partitions[at], machine);

    if (replica == NULL) return 0;
    const bool stays = image_partition_has_copy(&plane->partitions[at]->newest, (int32_t)machine + 1);
    return stays ? replica->log_start_offset : INT64_MAX;
}

void plane_on_deleted(struct plane *plane, struct judge *judge, const struct uuid *topic_id, int32_t index,
                      int64_t log_start_offset)
{
    const uint32_t at = partition_of(plane, topic_id, index);
    if (at == PARTITION_NONE) return;
    struct plane_partition *partition = plane->partitions[at];

    if (log_start_offset <= partition->deleted) return;
    partition->deleted = log_start_offset;
    check_members(plane, judge, partition);
}

void plane_on_stored(struct plane *plane, struct judge *judge, uint32_t machine, const struct judged_partition *judged,
                     int64_t base_offset, uint64_t digest)
{
    const uint32_t at = partition_of(plane, &judged->topic_id, judged->index);

    if (at == PARTITION_NONE || !is_judged(plane->partitions[at])) return;
    struct plane_partition *partition = plane->partitions[at];
    const struct plane_replica *replica = plane_replica_on(partition, machine);
    if (replica == NULL || !replica->there || base_offset < 0 || base_offset >= replica->high_watermark) return;
    if (base_offset >= partition->stored_max) {
        const int64_t max = MAX(256, (base_offset + 1) * 2);
        partition->stored = realloc(partition->stored, (size_t)max * sizeof *partition->stored);
        memset(partition->stored + partition->stored_max, 0,
               (size_t)(max - partition->stored_max) * sizeof *partition->stored);
        partition->stored_max = max;
    }
    plane->compared++;
    if (partition->stored[base_offset] == 0) partition->stored[base_offset] = digest;
    if (partition->stored[base_offset] == digest) return;
    judge_violated(judge, RULE_O2, "partition %d: the batch at %lld is another one on another disk", judged->index,
                   (long long)base_offset);
}
