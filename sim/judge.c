#include "sim/judge.h"

#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEADER_EPOCHS_MAX = 1 << 20 };

void judge_init(struct judge *judge)
{
    memset(judge, 0, sizeof *judge);
}

void judge_free(struct judge *judge)
{
    for (uint32_t i = 0; i < judge->partition_count; i++) {
        free(judge->partitions[i].records);
        free(judge->partitions[i].leaders);
    }
}

const char *rule_name(enum rule rule)
{
    static const char *const names[RULE_COUNT] = { "none", "O1",  "O2",  "O3",  "O4",  "O5", "O6", "O7", "O8",    "O10",
                                                   "O11",  "O12", "O13", "O14", "O15", "F",  "L",  "N",  "canary" };
    return names[rule];
}

void judge_violated(struct judge *judge, enum rule rule, const char *story, ...)
{
    va_list arguments;

    if (judge->broken != RULE_NONE) return;
    if (judge->forgives_loss && rule != RULE_L && rule != RULE_O2) {
        judge->skipped_excused++;
        return;
    }
    judge->broken = rule;
    snprintf(judge->place, sizeof judge->place, "%s", story);
    va_start(arguments, story);
    vsnprintf(judge->story, sizeof judge->story, story, arguments);
    va_end(arguments);
}

struct judged_partition *judge_partition(struct judge *judge, const struct uuid *topic_id, int32_t index)
{
    for (uint32_t i = 0; i < judge->partition_count; i++) {
        struct judged_partition *partition = &judge->partitions[i];
        if (partition->index == index && uuid_equal(&partition->topic_id, topic_id)) return partition;
    }
    CHECK(judge->partition_count < JUDGED_PARTITIONS_MAX);
    struct judged_partition *partition = &judge->partitions[judge->partition_count++];
    *partition =
        (struct judged_partition){ .topic_id = *topic_id, .index = index, .offsets_epoch = -1, .epoch_seen = -1 };
    return partition;
}

static struct judged_record *record_at(struct judged_partition *partition, int64_t offset)
{
    if (offset >= partition->max) {
        const int64_t before = partition->max;
        while (offset >= partition->max) partition->max = partition->max == 0 ? 256 : partition->max * 2;
        partition->records = realloc(partition->records, (size_t)partition->max * sizeof *partition->records);
        memset(partition->records + before, 0, (size_t)(partition->max - before) * sizeof *partition->records);
    }
    if (partition->count <= offset) partition->count = offset + 1;
    return &partition->records[offset];
}

static bool leader_was_replaced(const struct judged_partition *partition, int32_t epoch)
{
    return partition->replica_count > 1 && partition->epoch_seen > epoch;
}

/* What is at an offset may be replaced there only if nobody but its leader had it, and that one leads no more. */
static bool may_change(const struct judged_partition *partition, const struct judged_record *record)
{
    if (record->acked || record->committed || !record->weak) return false;
    return leader_was_replaced(partition, record->weak_epoch);
}

/* O2: one value per offset. */
static struct judged_record *one_value(struct judge *judge, struct judged_partition *partition, int64_t offset,
                                       const struct made *made, const char *how)
{
    if (offset < 0 || offset > 50 * 1000 * 1000) {
        judge_violated(judge, RULE_O2, "partition %d: %s an impossible offset %lld", partition->index, how,
                       (long long)offset);
        return NULL;
    }
    struct judged_record *record = record_at(partition, offset);
    if (record->digest != 0 && record->digest != made->digest && may_change(partition, record)) {
        *record = (struct judged_record){ 0 };
    }
    if (record->digest == 0) {
        record->digest = made->digest;
        record->producer = made->producer;
        record->number = (uint32_t)made->number;
        record->sitting = (uint16_t)made->sitting;
    } else if (record->digest != made->digest) {
        judge_violated(judge, record->acked || record->weak ? RULE_O1 : RULE_O2,
                       "partition %d offset %lld: %s record %llu of producer %u, but it was record %u of producer %u",
                       partition->index, (long long)offset, how, (unsigned long long)made->number, made->producer,
                       record->number, record->producer);
        return NULL;
    }
    return record;
}

void judge_on_acked(struct judge *judge, struct judged_partition *partition, int64_t offset, int32_t weak_epoch,
                    const struct made *made)
{
    struct judged_record *record = one_value(judge, partition, offset, made, "acknowledged");
    if (record == NULL) return;
    if (weak_epoch < 0) record->acked = true;
    else record->weak = true;
    record->weak_epoch = weak_epoch;
    judge->acked++;
    if (partition->acked_end <= offset) partition->acked_end = offset + 1;
}

void judge_on_read(struct judge *judge, struct judged_partition *partition, int64_t offset, const struct made *made)
{
    struct judged_record *record = one_value(judge, partition, offset, made, "read");
    if (record == NULL) return;
    record->seen = record->committed = true;
    judge->seen++;
}

struct floor judge_floor(const struct judged_partition *partition)
{
    return (struct floor){ partition->log_start_seen, partition->high_watermark_seen, partition->offsets_epoch };
}

/* What its leader said in a later epoch counts anew. False: it is not known who says this, or it is an old story. */
static bool see_epoch(struct judged_partition *partition, int32_t epoch, int64_t log_start_offset)
{
    if (partition->replica_count <= 1) return true;
    if (epoch <= partition->offsets_epoch) return epoch >= 0 && epoch == partition->offsets_epoch;
    partition->offsets_epoch = epoch;
    partition->high_watermark_seen = 0;
    partition->log_start_seen = MAX(log_start_offset, 0); /* or not told yet: an earlier leader's counts no more */
    return true;
}

void judge_on_offsets(struct judge *judge, struct judged_partition *partition, const struct floor *floor, int32_t epoch,
                      int64_t log_start_offset, int64_t high_watermark)
{
    const bool one_log = partition->replica_count <= 1 || (epoch >= 0 && epoch == floor->epoch);

    if (partition->gone) return;
    if (one_log && high_watermark >= 0 && high_watermark < floor->high_watermark) {
        judge_violated(judge, RULE_O3, "partition %d: the high watermark stepped back from %lld to %lld",
                       partition->index, (long long)floor->high_watermark, (long long)high_watermark);
    }
    const bool counts = see_epoch(partition, epoch, log_start_offset);
    if (counts && high_watermark > partition->high_watermark_seen) partition->high_watermark_seen = high_watermark;
    if (log_start_offset < 0) return;
    if (one_log && log_start_offset < floor->log_start_offset) {
        judge_violated(judge, RULE_O3, "partition %d: the log start offset stepped back from %lld to %lld",
                       partition->index, (long long)floor->log_start_offset, (long long)log_start_offset);
    }
    if (!partition->may_retain && log_start_offset > partition->start_asked) {
        judge_violated(judge, RULE_O1, "partition %d: starts at %lld, and nobody deleted records beyond %lld",
                       partition->index, (long long)log_start_offset, (long long)partition->start_asked);
    }
    if (high_watermark >= 0 && log_start_offset > high_watermark) {
        judge_violated(judge, RULE_O1, "partition %d: starts at %lld, above its high watermark %lld", partition->index,
                       (long long)log_start_offset, (long long)high_watermark);
    }
    if (counts && log_start_offset > partition->log_start_seen) partition->log_start_seen = log_start_offset;
}

void judge_on_step(struct judge *judge, struct judged_partition *partition, int64_t wanted, int64_t given)
{
    if (given <= wanted || judge->compacts) return; /* what lies in between is judged at the end */
    judge_violated(judge, RULE_O11, "partition %d: a consumer at %lld was given records from %lld on", partition->index,
                   (long long)wanted, (long long)given);
}

/* ---- leaders ---- */

void judge_on_leader(struct judge *judge, struct judged_partition *partition, int32_t leader_epoch, int32_t broker,
                     uint32_t replica_count)
{
    if (replica_count > partition->replica_count) partition->replica_count = replica_count;
    if (leader_epoch < 0 || leader_epoch >= LEADER_EPOCHS_MAX) return;
    if (leader_epoch > partition->epoch_seen) partition->epoch_seen = leader_epoch;
    if (broker < 0) return;
    if (leader_epoch >= partition->leader_max) {
        const int32_t before = partition->leader_max;
        partition->leader_max = MAX(8, (leader_epoch + 1) * 2);
        partition->leaders = realloc(partition->leaders, (size_t)partition->leader_max * sizeof *partition->leaders);
        memset(partition->leaders + before, 0, (size_t)(partition->leader_max - before) * sizeof *partition->leaders);
    }
    if (partition->leaders[leader_epoch] == 0) partition->leaders[leader_epoch] = broker + 1;
    if (partition->leaders[leader_epoch] == broker + 1) return;
    judge_violated(judge, RULE_O4, "partition %d: broker %d leads in epoch %d, and so did broker %d", partition->index,
                   broker, leader_epoch, partition->leaders[leader_epoch] - 1);
}

/* ---- topics ---- */

static struct asked now(const struct judge *judge)
{
    return (struct asked){ judge->now_ns, judge->index };
}

/* Whether whom we asked had to know of something that was acknowledged then. */
static bool had_to_know(const struct asked *asked, const struct asked *acked)
{
    return acked->ns < asked->ns && acked->index <= asked->index;
}

static struct judged_topic *topic_of(struct judge *judge, const struct uuid *id)
{
    for (uint32_t i = 0; i < judge->topic_count; i++) {
        if (uuid_equal(&judge->topics[i].id, id)) return &judge->topics[i];
    }
    return NULL;
}

void judge_on_topic(struct judge *judge, const struct uuid *id, const char *name, int32_t partitions)
{
    struct judged_topic *topic = topic_of(judge, id);

    if (topic == NULL && judge->topic_count < JUDGED_TOPICS_MAX) {
        topic = &judge->topics[judge->topic_count++];
        *topic = (struct judged_topic){ .id = *id, .acked = now(judge) };
        snprintf(topic->name, sizeof topic->name, "%s", name);
    }
    if (topic == NULL) return;
    if (strcmp(topic->name, name) != 0) {
        judge_violated(judge, RULE_O6, "topic %s has the id of topic %s", name, topic->name);
    }
    if (topic->partitions < partitions) {
        topic->partitions = partitions;
        topic->partitions_since = now(judge);
    }
}

void judge_on_topic_deleting(struct judge *judge, const struct uuid *id)
{
    struct judged_topic *topic = topic_of(judge, id);
    if (topic != NULL) topic->may_be_deleted = true;
    for (uint32_t i = 0; i < judge->partition_count; i++) {
        if (uuid_equal(&judge->partitions[i].topic_id, id)) judge->partitions[i].gone = true;
    }
}

void judge_on_topic_deleted(struct judge *judge, const struct uuid *id)
{
    struct judged_topic *topic = topic_of(judge, id);
    if (topic != NULL && topic->deleted.ns == 0) topic->deleted = now(judge);
}

void judge_on_topic_seen(struct judge *judge, const struct uuid *id, const char *name, int32_t partitions,
                         const struct asked *asked)
{
    const struct judged_topic *topic = topic_of(judge, id);
    const int32_t had = topic == NULL ? 0 : topic->partitions;

    if (topic != NULL && topic->deleted.ns != 0 && had_to_know(asked, &topic->deleted)) {
        judge_violated(judge, RULE_O6, "topic %s is there again after its deletion was acknowledged", name);
    }
    judge_on_topic(judge, id, name, partitions);
    if (topic_of(judge, id) != NULL) topic_of(judge, id)->listing = judge->listings;
    if (partitions < had && had_to_know(asked, &topic->partitions_since)) {
        judge_violated(judge, RULE_O6, "topic %s has %d partitions, and had %d", name, partitions, had);
    }
}

void judge_on_topic_absent(struct judge *judge, const char *name, const struct asked *asked)
{
    for (uint32_t i = 0; i < judge->topic_count; i++) {
        const struct judged_topic *topic = &judge->topics[i];
        if (topic->may_be_deleted || !had_to_know(asked, &topic->acked) || strcmp(topic->name, name) != 0) continue;
        judge_violated(judge, RULE_O6, "topic %s was acknowledged, and is not there", name);
    }
}

void judge_on_listing(struct judge *judge)
{
    judge->listings++;
}

void judge_on_listed(struct judge *judge, const struct asked *asked)
{
    for (uint32_t i = 0; i < judge->topic_count; i++) {
        const struct judged_topic *topic = &judge->topics[i];
        if (topic->listing != judge->listings) judge_on_topic_absent(judge, topic->name, asked);
    }
}

void judge_on_config_asked(struct judge *judge, uint32_t config, int32_t value)
{
    judge->configs[config].asked = value;
    judge->configs[config].in_doubt = true;
}

void judge_on_config_acked(struct judge *judge, uint32_t config)
{
    judge->configs[config].value = judge->configs[config].asked;
    judge->configs[config].in_doubt = false;
    judge->configs[config].acked = now(judge);
}

void judge_on_config_seen(struct judge *judge, uint32_t config, int32_t value, const struct asked *asked)
{
    const struct judged_config *known = &judge->configs[config];

    if (known->in_doubt && value == known->asked) {
        judge_on_config_acked(judge, config); /* whoever has seen it may rely on it */
    } else if (known->value != 0 && value != known->value && had_to_know(asked, &known->acked)) {
        judge_violated(judge, RULE_O6, "a config of topic %u was acknowledged as %d and is %d", config, known->value,
                       value);
    }
}

void judge_on_lost(struct judge *judge, const struct uuid *topic_id, int32_t index)
{
    for (uint32_t i = 0; i < judge->partition_count; i++) {
        struct judged_partition *partition = &judge->partitions[i];
        if (partition->index == index && uuid_equal(&partition->topic_id, topic_id)) partition->gone = true;
    }
}

static void forget_leaders(struct judged_partition *partition)
{
    if (partition->leader_max > 0) {
        memset(partition->leaders, 0, (size_t)partition->leader_max * sizeof *partition->leaders);
    }
    partition->offsets_epoch = partition->epoch_seen = -1;
    for (int64_t offset = 0; offset < partition->count; offset++) {
        struct judged_record *record = &partition->records[offset];
        if (record->weak && !record->acked && !record->committed) *record = (struct judged_record){ 0 };
        record->weak = false;
    }
}

void judge_on_disaster(struct judge *judge, uint64_t known_index)
{
    for (uint32_t i = 0; i < judge->topic_count; i++) {
        struct judged_topic *topic = &judge->topics[i];
        if (topic->acked.index > known_index) {
            const struct uuid id = topic->id;
            judge_on_topic_deleting(judge, &id);
        }
        if (topic->deleted.index > known_index) topic->deleted = (struct asked){ 0 };
        if (topic->partitions_since.index > known_index) topic->partitions = 0;
    }
    for (uint32_t i = 0; i < JUDGED_CONFIGS_MAX; i++) {
        if (judge->configs[i].acked.index > known_index) judge->configs[i].value = 0;
    }
    for (uint32_t i = 0; i < judge->partition_count; i++) forget_leaders(&judge->partitions[i]);
    judge->index = known_index;
}

/* ---- the end ---- */

/* What comes next of a producer, in one partition. */
struct judged_order {
    uint64_t next; /* of an idempotent one; 0: nothing was there yet */
    struct {
        uint32_t sitting;
        uint64_t next;
    } sittings[JUDGED_SITTINGS_MAX];
};

/* An idempotent producer's numbers have no gap, whatever became of his connections. */
static void judge_consecutive(struct judge *judge, const struct judged_partition *partition, int64_t offset,
                              struct judged_order *order)
{
    const struct judged_record *record = &partition->records[offset];

    if (order->next > 0 && record->number != order->next) {
        judge_violated(judge, RULE_O8, "partition %d offset %lld: record %u of idempotent producer %u follows its %llu",
                       partition->index, (long long)offset, record->number, record->producer,
                       (unsigned long long)order->next - 1);
    }
    order->next = (uint64_t)record->number + 1;
}

/* What another one sent on one connection rises, so that nothing is there twice: none of them sends a record again. A
 * connection that he gave up may still be read from, while he sends on another. */
static void judge_rising(struct judge *judge, const struct judged_partition *partition, int64_t offset,
                         struct judged_order *order)
{
    const struct judged_record *record = &partition->records[offset];
    const uint32_t at = record->sitting % JUDGED_SITTINGS_MAX;

    if (order->sittings[at].sitting == record->sitting && record->number < order->sittings[at].next) {
        judge_violated(judge, RULE_O8, "partition %d offset %lld: record %u of producer %u comes after its record %llu",
                       partition->index, (long long)offset, record->number, record->producer,
                       (unsigned long long)order->sittings[at].next - 1);
    }
    order->sittings[at].sitting = record->sitting;
    order->sittings[at].next = (uint64_t)record->number + 1;
}

/* O8: nothing of a producer is there twice, out of order or, if he is idempotent, missing. */
static void judge_order(struct judge *judge, const struct judged_partition *partition)
{
    static struct judged_order orders[JUDGED_PRODUCERS_MAX];

    memset(orders, 0, sizeof orders);
    for (int64_t offset = partition->log_start_seen; offset < partition->count; offset++) {
        const struct judged_record *record = &partition->records[offset];
        if (record->digest == 0 || record->producer >= JUDGED_PRODUCERS_MAX || !record->seen) continue;
        struct judged_order *order = &orders[record->producer];
        if (judge->consecutive[record->producer] && !judge->compacts)
            judge_consecutive(judge, partition, offset, order);
        else judge_rising(judge, partition, offset, order);
    }
}

/* The last offsets of all keys that were read; -1: of this one, none was. */
static void find_newest(const struct judged_partition *partition, int64_t newest[JUDGED_KEYS])
{
    for (uint32_t key = 0; key < JUDGED_KEYS; key++) newest[key] = -1;
    for (int64_t offset = partition->log_start_seen; offset < partition->count; offset++) {
        const struct judged_record *record = &partition->records[offset];
        if (record->digest != 0 && record->seen) newest[judged_key(record->number)] = offset;
    }
}

void judge_on_end(struct judge *judge)
{
    int64_t newest[JUDGED_KEYS];

    for (uint32_t i = 0; i < judge->partition_count; i++) {
        const struct judged_partition *partition = &judge->partitions[i];
        if (partition->gone) continue;
        find_newest(partition, newest);
        for (int64_t offset = partition->log_start_seen; offset < partition->acked_end; offset++) {
            const struct judged_record *record = &partition->records[offset];
            if ((!record->acked && !record->weak) || record->seen) continue;
            if (may_change(partition, record)) continue;
            if (judge->compacts && newest[judged_key(record->number)] > offset) continue;
            judge_violated(judge, judge->compacts ? RULE_O15 : RULE_O1,
                           "partition %d offset %lld: record %u of producer %u was acknowledged%s and is lost "
                           "(log start offset %lld, high watermark %lld, leader epoch %d of %d)",
                           partition->index, (long long)offset, record->number, record->producer,
                           record->acked ? "" : " by its leader", (long long)partition->log_start_seen,
                           (long long)partition->high_watermark_seen, record->weak_epoch, partition->epoch_seen);
            return;
        }
        if (partition->start_acked > partition->log_start_seen) {
            judge_violated(judge, RULE_O1, "partition %d: records below %lld were deleted and are back",
                           partition->index, (long long)partition->start_acked);
        }
        judge_order(judge, partition);
    }
}

void judge_read_again(struct judge *judge)
{
    for (uint32_t i = 0; i < judge->partition_count; i++) {
        struct judged_partition *partition = &judge->partitions[i];
        for (int64_t offset = 0; offset < partition->count; offset++) partition->records[offset].seen = false;
    }
}
