#include "sim/offices.h"

#include "log/logs.h"
#include "replica/replicas.h"

#include <stdlib.h>
#include <string.h>

static uint32_t topic_mark(const struct plane_partition *partition)
{
    return load_u32(partition->topic_id.bytes);
}

static const struct plane_replica *replica_of(const struct plane_partition *partition, int32_t node_id)
{
    for (uint32_t i = 0; i < partition->replica_count; i++) {
        if (partition->replicas[i].machine == (uint32_t)node_id - 1) return &partition->replicas[i];
    }
    return NULL;
}

/* ---- configurations ---- */

/* Of one who is in sync, or eligible. */
static void check_counted(struct judge *judge, const struct image *image, const struct image_partition *newest,
                          uint32_t place, bool others)
{
    const int32_t id = newest->replicas[place];
    const bool in_sync = (newest->isr >> place & 1) != 0;
    const uint32_t slot = image_broker_by_id(image, id);

    if (slot == SLOT_NONE) return;
    const struct image_broker *broker = image_broker(image, slot);
    if (broker->observer) {
        judge_violated(judge, RULE_O7, "node %d observes, and may be elected in partition epoch %d", id,
                       newest->partition_epoch);
    } else if (in_sync && broker->fenced) {
        judge_violated(judge, RULE_O7, "node %d is fenced, and in sync in partition epoch %d", id,
                       newest->partition_epoch);
    } else if (in_sync && broker->in_controlled_shutdown && others) {
        judge_violated(judge, RULE_O7, "node %d is about to go, and in sync with others in partition epoch %d", id,
                       newest->partition_epoch);
    }
}

static bool is_able(const struct image *image, int32_t id)
{
    const uint32_t slot = image_broker_by_id(image, id);
    if (slot == SLOT_NONE) return false;
    const struct image_broker *broker = image_broker(image, slot);
    return !broker->fenced && !broker->in_controlled_shutdown && !broker->observer;
}

void office_check_configuration(struct judge *judge, const struct image *image, const struct image_partition *newest)
{
    const replica_set counting = newest->isr | newest->elr;
    bool others = false;

    for (uint32_t i = 0; i < newest->replica_count && !others; i++) {
        others = (newest->isr >> i & 1) != 0 && is_able(image, newest->replicas[i]);
    }
    for (uint32_t i = 0; i < newest->replica_count; i++) {
        const bool counts = (counting >> i & 1) != 0 || newest->leader == newest->replicas[i];
        if (counts) check_counted(judge, image, newest, i, others);
    }
    if (newest->elr == 0 || replica_set_count(newest->isr) < newest->min_isr) return;
    judge_violated(judge, RULE_O7, "enough are in sync, and others are eligible, in partition epoch %d",
                   newest->partition_epoch);
}

bool office_see_brokers(struct plane *plane, const struct image *image, uint64_t *changed, uint32_t words)
{
    bool any = false;

    memset(changed, 0, words * sizeof *changed);
    for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
        const struct image_broker *broker = image_broker(image, slot);
        const uint32_t machine = (uint32_t)broker->id - 1;
        if (machine >= plane->broker_max) {
            const uint32_t max = MAX(8U, (machine + 1) * 2);
            plane->broker_epochs = realloc(plane->broker_epochs, max * sizeof *plane->broker_epochs);
            memset(plane->broker_epochs + plane->broker_max, 0, (max - plane->broker_max) * sizeof(int64_t));
            plane->broker_max = max;
        }
        int64_t *epoch = &plane->broker_epochs[machine];
        if (*epoch != 0 && *epoch != broker->epoch && machine / 64 < words) {
            changed[machine / 64] |= UINT64_C(1) << machine % 64;
            any = true;
        }
        *epoch = broker->epoch;
    }
    return any;
}

void office_check_lives(struct judge *judge, const struct plane_partition *partition,
                        const struct image_partition *newest, const uint64_t *changed, uint32_t words)
{
    if (newest->partition_epoch != partition->newest.partition_epoch) return;
    for (uint32_t i = 0; i < newest->replica_count; i++) {
        const uint32_t machine = (uint32_t)newest->replicas[i] - 1;
        if ((newest->isr >> i & 1) == 0 || machine / 64 >= words) continue;
        if ((changed[machine / 64] >> machine % 64 & 1) == 0) continue;
        judge_violated(judge, RULE_O7,
                       "partition %d of %08x: node %d has started anew, and is in sync as before in partition epoch %d",
                       partition->index, topic_mark(partition), newest->replicas[i], newest->partition_epoch);
    }
}

void office_check_added(struct judge *judge, const struct image *image, const struct plane_partition *partition,
                        const struct image_partition *newest)
{
    const struct image_partition *before = &partition->newest;

    if (newest->partition_epoch <= before->partition_epoch || newest->leader_epoch != before->leader_epoch) return;
    for (uint32_t i = 0; i < newest->replica_count; i++) {
        const int32_t id = newest->replicas[i];
        const struct plane_replica *replica = replica_of(partition, id);
        const uint32_t slot = image_broker_by_id(image, id);
        const bool added = (newest->isr >> i & 1) != 0 && (before->isr & image_partition_place(before, id)) == 0;
        if (!added || replica == NULL || slot == SLOT_NONE || replica->asked_in != newest->leader_epoch) continue;
        if (replica->asked_epoch <= 0 || replica->asked_epoch == image_broker(image, slot)->epoch) continue;
        judge_violated(judge, RULE_O7,
                       "partition %d of %08x: node %d was fit to be added when it was registered at %lld, and is in "
                       "sync in partition epoch %d as registered at %lld",
                       partition->index, topic_mark(partition), id, (long long)replica->asked_epoch,
                       newest->partition_epoch, (long long)image_broker(image, slot)->epoch);
    }
}

/* ---- leaders ---- */

static void check_view(struct judge *judge, struct plane_partition *partition, const struct office *office,
                       const struct office_view *view)
{
    const struct plane_replica *replica = replica_of(partition, view->node_id);
    const int64_t durable = replica == NULL ? 0 : replica->durable_offset;
    const bool emptied = replica != NULL && replica->emptied_epoch >= office->leader_epoch;

    if (view->node_id == (int32_t)office->machine + 1 || emptied) return; /* it may have had as much, and lost it */
    if (view->held_offset > durable) {
        judge_violated(
            judge, RULE_O7,
            "partition %d of %08x: node %u leads in epoch %d and believes that node %d has all below %lld on "
            "disk, which has all below %lld",
            partition->index, topic_mark(partition), office->machine + 1, office->leader_epoch, view->node_id,
            (long long)view->held_offset, (long long)durable);
    }
    /* Who has begun to join in this very step may lack what was committed a moment before. */
    const bool waited_for = view->wished || (view->joining && replica != NULL && replica->joins);
    if (office->rose && waited_for && office->high_watermark > durable) {
        judge_violated(judge, RULE_O7,
                       "partition %d of %08x: node %u leads in epoch %d and commits all below %lld, and node %d, which "
                       "is about to be added, has all below %lld on disk",
                       partition->index, topic_mark(partition), office->machine + 1, office->leader_epoch,
                       (long long)office->high_watermark, view->node_id, (long long)durable);
    }
}

/* The mark waits for nobody who could not be added: else it would stand still for nothing (KAFKA-15021). */
static void check_joining(struct judge *judge, struct plane_partition *partition, const struct office *office,
                          const struct office_view *view)
{
    for (uint32_t i = 0; i < partition->replica_count; i++) {
        struct plane_replica *replica = &partition->replicas[i];
        if (replica->machine != (uint32_t)view->node_id - 1) continue;
        if (view->joining && !replica->joins && !view->able && !replica->able) {
            judge_violated(judge, RULE_O7,
                           "partition %d of %08x: node %u leads in epoch %d and waits for node %d, which may not join",
                           partition->index, topic_mark(partition), office->machine + 1, office->leader_epoch,
                           view->node_id);
        }
        if (view->asked_epoch >= 0) {
            replica->asked_in = office->leader_epoch;
            replica->asked_epoch = view->asked_epoch;
        }
        replica->joins = view->joining;
        replica->wished = view->wished;
        replica->able = view->able;
    }
}

void office_check(struct judge *judge, struct plane_partition *partition, const struct office *office)
{
    if (office->leader_epoch != partition->newest.leader_epoch) return;
    if (office->log_epoch != office->leader_epoch) {
        judge_violated(judge, RULE_O5, "partition %d of %08x: node %u leads in epoch %d, and its log is of epoch %d",
                       partition->index, topic_mark(partition), office->machine + 1, office->leader_epoch,
                       office->log_epoch);
    }
    for (uint32_t i = 0; i < office->count; i++) {
        check_view(judge, partition, office, &office->views[i]);
        check_joining(judge, partition, office, &office->views[i]);
    }
}

void office_look(struct judge *judge, struct plane_partition *partition, const struct plane_look *look, uint32_t slot,
                 bool rose)
{
    const struct log_offsets offsets = log_offsets(look->logs, slot);
    struct office office = { .machine = look->number,
                             .leader_epoch = replicas_leader_epoch(look->replicas, slot),
                             .log_epoch = offsets.leader_epoch,
                             .high_watermark = offsets.high_watermark,
                             .rose = rose };
    struct replica_view view;

    if (office.leader_epoch < 0) return;
    while (office.count < COUNT_OF(office.views) && replicas_view(look->replicas, slot, office.count, &view)) {
        office.views[office.count++] =
            (struct office_view){ .node_id = view.node_id,
                                  .joining = view.joining,
                                  .wished = view.wished,
                                  .able = is_able(look->image, view.node_id),
                                  .held_offset = view.held_offset,
                                  .asked_epoch = view.wished && !view.in_sync ? view.asked_epoch : -1 };
    }
    office_check(judge, partition, &office);
}

/* ---- answers ---- */

void office_check_latest(struct judge *judge, const struct plane_partition *partition, const struct plane_floor *floor,
                         int32_t leader_epoch, int64_t offset)
{
    /* Of an older epoch he may not know yet that it is over. */
    if (floor->leader_epoch < 0 || leader_epoch < floor->leader_epoch || offset >= floor->high_watermark) return;
    judge_violated(
        judge, RULE_O3,
        "partition %d of %08x: a leader of epoch %d says that all below %lld is committed, and %lld was known",
        partition->index, topic_mark(partition), leader_epoch, (long long)offset, (long long)floor->high_watermark);
}

void office_check_denied(struct judge *judge, const struct judged_partition *judged, const struct plane_floor *floor,
                         const struct plane_floor *now, uint32_t machine, int64_t offset)
{
    if (judged->gone || judged->may_retain || floor->leader_epoch < 0 || now->leader_epoch < 0) return;
    if (!floor->follows || !now->follows) return; /* who leads, or believes so, may not know of his successor */
    if (offset < judged->start_asked || offset > floor->high_watermark) return;
    judge_violated(judge, RULE_O11, "partition %d: node %u, a follower, says that nobody has records at %lld",
                   judged->index, machine + 1, (long long)offset);
}

/* ---- lines of epochs ---- */

uint32_t office_stretches(const struct logs *logs, uint32_t slot, int64_t from, int64_t to,
                          struct stretch stretches[STRETCHES_MAX])
{
    const struct log_offsets offsets = log_offsets(logs, slot);
    struct epoch_bound at = log_epoch_bound(logs, slot, offsets.leader_epoch);
    uint32_t count = 0;

    while (at.known && at.end_offset > from && count < STRETCHES_MAX) {
        const struct epoch_bound older = log_epoch_bound(logs, slot, at.leader_epoch - 1);
        if (!older.known && at.leader_epoch > 0) break; /* where this one began was forgotten */
        const int64_t start = MAX(older.known ? older.end_offset : 0, offsets.log_start_offset);
        const struct stretch stretch = { at.leader_epoch, MAX(start, from), MIN(at.end_offset, to) };
        if (stretch.from < stretch.to) stretches[count++] = stretch;
        if (start <= from || !older.known) break;
        at = older;
    }
    return count;
}

static void add_epoch(struct plane_partition *partition, int64_t start_offset, int32_t leader_epoch)
{
    if (partition->line_count > 0 && partition->line[partition->line_count - 1].leader_epoch == leader_epoch) return;
    if (partition->line_count == partition->line_max) {
        partition->line_max = MAX(8U, 2 * partition->line_max);
        partition->line = realloc(partition->line, partition->line_max * sizeof *partition->line);
    }
    partition->line[partition->line_count++] = (struct plane_epoch){ start_offset, leader_epoch };
}

void line_extend(struct plane_partition *partition, const struct stretch *stretches, uint32_t count, int64_t to)
{
    if (to <= partition->line_end) return;
    int64_t from = partition->line_end;
    for (uint32_t i = count; i-- > 0;) {
        if (stretches[i].from > from) add_epoch(partition, from, -1);
        add_epoch(partition, stretches[i].from, stretches[i].leader_epoch);
        from = stretches[i].to;
    }
    if (from < to) add_epoch(partition, from, -1);
    partition->line_end = to;
}

static int32_t epoch_at(const struct plane_partition *partition, int64_t offset)
{
    if (offset >= partition->line_end) return -1;
    for (uint32_t i = partition->line_count; i-- > 0;) {
        if (partition->line[i].start_offset <= offset) return partition->line[i].leader_epoch;
    }
    return -1;
}

static void check_offset(struct judge *judge, const struct plane_partition *partition, uint32_t machine, int64_t offset,
                         int32_t leader_epoch)
{
    const int32_t committed = epoch_at(partition, offset);

    if (committed < 0 || committed == leader_epoch) return;
    judge_violated(judge, RULE_O2,
                   "partition %d of %08x: what node %u has at %lld is of epoch %d, and what is committed there of %d",
                   partition->index, topic_mark(partition), machine + 1, (long long)offset, leader_epoch, committed);
}

void line_check(struct judge *judge, const struct plane_partition *partition, uint32_t machine,
                const struct stretch *stretches, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        check_offset(judge, partition, machine, stretches[i].from, stretches[i].leader_epoch);
        check_offset(judge, partition, machine, stretches[i].to - 1, stretches[i].leader_epoch);
    }
}

void line_look(struct judge *judge, struct plane_partition *partition, struct plane_replica *replica,
               const struct logs *logs, uint32_t slot, bool must_have_all)
{
    struct stretch stretches[STRETCHES_MAX];
    const int64_t shown = must_have_all ? replica->durable_offset : replica->high_watermark;
    const int64_t to = MIN(MIN(shown, partition->high_watermark), replica->log_end_offset);

    if (judge->compacts) return; /* epochs of which nothing is left are forgotten */
    if (partition->high_watermark > partition->line_end && replica->high_watermark == partition->high_watermark) {
        const uint32_t count = office_stretches(logs, slot, partition->line_end, partition->high_watermark, stretches);
        line_extend(partition, stretches, count, partition->high_watermark);
    }
    replica->compared_offset = MIN(replica->compared_offset, replica->log_end_offset);
    if (to <= replica->compared_offset) return;
    line_check(judge, partition, replica->machine, stretches,
               office_stretches(logs, slot, replica->compared_offset, to, stretches));
    replica->compared_offset = to;
}
