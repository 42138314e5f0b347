/* image_history.h -- histories that an image may have lived: every kind of record, as it comes. */
#ifndef CHRONIK_TESTS_IMAGE_HISTORY_H
#define CHRONIK_TESTS_IMAGE_HISTORY_H

#pragma GCC diagnostic ignored "-Wunused-function"

#include "base/prng.h"
#include "meta/image_state.h"
#include "t.h"

#include <stdlib.h>

enum { HISTORY_TOPICS = 12, HISTORY_PARTITIONS = 16, HISTORY_BROKERS = 6, HISTORY_SETTINGS = 14 };

static struct uuid history_id_of(uint64_t number)
{
    struct uuid id = { { [15] = 1 } };
    store_u64(id.bytes, number);
    return id;
}

static struct bytes history_name_of(uint64_t number, char *name)
{
    return (struct bytes){ (uint8_t *)name, (uint32_t)sprintf(name, "topic-%d", (int)number) };
}

static void history_apply(struct image *image, const struct proposal *proposal)
{
    struct bytes rest = proposal_bytes(proposal), record;
    struct image_change change;
    const uint64_t index = image_view(image).applied_index + 1;

    while (proposal_next(&rest, &record)) {
        const enum apply_verdict verdict = image_apply(image, index, record, &change);
        const bool good = verdict == APPLY_DONE || verdict == APPLY_REFUSED || verdict == APPLY_SKIPPED;
        EXPECT("a history of good records", good);
        while (image_is_draining(image)) image_drain(image, &change);
        if (verdict == APPLY_REFUSED) break;
    }
    image_advance(image, index, 3);
}

static uint32_t history_any_topic(const struct image *image, struct prng *prng)
{
    const uint32_t count = image_view(image).topic_count;
    uint32_t topic = image_first_topic(image);

    for (uint64_t i = count == 0 ? 0 : prng_below(prng, count); i > 0; i--) topic = image_next_topic(image, topic);
    return topic;
}

static void history_add_partition(struct image *image, struct prng *prng, const struct uuid *topic_id, uint32_t at,
                                  struct proposal *proposal)
{
    const int32_t replicas[] = { 1, 2, 3 };
    const uint32_t count = 1 + (uint32_t)prng_below(prng, 3);

    if (image_view(image).partition_count + at >= HISTORY_PARTITIONS) return;
    proposal_add_partition(proposal, &(struct metadata_partition_record){ .topic_id = *topic_id,
                                                                          .index = (int32_t)at,
                                                                          .replicas = (int32_t *)replicas,
                                                                          .replicas_count = count,
                                                                          .leader = 1 });
}

static void history_make_topic(struct image *image, struct prng *prng, struct proposal *proposal)
{
    char name[32];
    const struct uuid id = history_id_of(prng_next(prng));
    if (image_view(image).topic_count == HISTORY_TOPICS) return;

    proposal_add_topic(
        proposal, &(struct metadata_topic_record){ .name = history_name_of(prng_below(prng, 2 * HISTORY_TOPICS), name),
                                                   .topic_id = id,
                                                   .replica_target = 3 });
    const uint32_t count = (uint32_t)prng_below(prng, 6);
    for (uint32_t i = 0; i < count; i++) history_add_partition(image, prng, &id, i, proposal);
}

static void history_change_topic(struct image *image, struct prng *prng, struct proposal *proposal)
{
    const uint32_t topic = history_any_topic(image, prng);
    if (topic == SLOT_NONE) return;
    const struct image_topic *owner = image_topic(image, topic);
    const uint32_t slot = owner->first_partition;

    if (prng_chance(prng, 1, 2) && image_view(image).partition_count < HISTORY_PARTITIONS) {
        const int32_t replicas[] = { 3, 1 };
        proposal_add_partition(proposal, &(struct metadata_partition_record){ .topic_id = owner->id,
                                                                              .index = (int32_t)owner->partition_count,
                                                                              .replicas = (int32_t *)replicas,
                                                                              .replicas_count = 2,
                                                                              .leader = -1 });
    } else if (slot != SLOT_NONE) {
        const struct image_partition *partition = image_partition(image, slot);
        const int32_t isr[] = { partition->replicas[0] };
        struct metadata_partition_change_record record = metadata_partition_change_record_default;
        record.topic_id = owner->id;
        record.leader_epoch = partition->leader_epoch;
        record.partition_epoch = partition->partition_epoch;
        if (prng_chance(prng, 1, 2)) record.isr = isr, record.isr_count = 1;
        else record.election = ELECT_ANYBODY;
        proposal_add_partition_change(proposal, &record);
    }
}

static void history_set_something(struct image *image, struct prng *prng, struct proposal *proposal)
{
    static const char *const topic_names[] = { "retention.ms", "segment.bytes", "max.message.bytes",
                                               "min.insync.replicas" };
    static const char *const broker_names[] = { "log.retention.ms", "log.segment.bytes", "num.partitions",
                                                "min.insync.replicas" };
    char value[32];
    const uint64_t which = prng_below(prng, 4);
    const bool of_topic = prng_chance(prng, 2, 3), takes_back = prng_chance(prng, 1, 3);
    struct metadata_config_record record = { .resource_type = of_topic ? 2 : 4 };
    const uint32_t topic = history_any_topic(image, prng);
    const char *name = of_topic ? topic_names[which] : broker_names[which];

    record.name = (struct bytes){ (const uint8_t *)name, (uint32_t)strlen(name) };
    if (!takes_back) {
        record.value.data = (uint8_t *)value;
        record.value.size =
            (uint32_t)sprintf(value, "%d", (int)(which == 3 ? 1 + prng_below(prng, 3) : 100000 + prng_below(prng, 3)));
    }
    if (of_topic) {
        if (topic == SLOT_NONE) return;
        if (!takes_back && image_view(image).setting_count == HISTORY_SETTINGS) return;
        record.topic_id = image_topic(image, topic)->id;
    } else {
        record.broker_id = prng_chance(prng, 1, 2) ? -1 : 1 + (int32_t)prng_below(prng, HISTORY_BROKERS);
    }
    proposal_add_config(proposal, &record);
}

static void history_change_broker(struct image *image, struct prng *prng, struct proposal *proposal)
{
    const int32_t id = 1 + (int32_t)prng_below(prng, HISTORY_BROKERS);
    const uint32_t slot = image_broker_by_id(image, id);
    const uint64_t what = prng_below(prng, 4);

    if (slot == SLOT_NONE || what == 0) {
        struct metadata_broker_record_endpoint endpoint = { 0, BYTES_LITERAL("somewhere"),
                                                            (uint16_t)(9092 + prng_below(prng, 3)) };
        proposal_add_broker(proposal, &(struct metadata_broker_record){ .broker_id = id,
                                                                        .incarnation = history_id_of(prng_next(prng)),
                                                                        .epoch = -1,
                                                                        .endpoints = &endpoint,
                                                                        .endpoints_count = 1 });
        return;
    }
    const int64_t epoch = image_broker(image, slot)->epoch;
    struct metadata_broker_change_record change = metadata_broker_change_record_default;
    change.broker_id = id;
    change.epoch = epoch;
    if (what == 2) change.fenced = (int8_t)prng_below(prng, 2);
    else change.in_controlled_shutdown = (int8_t)prng_below(prng, 2);
    change.unclean = prng_chance(prng, 1, 8);
    change.crashed = prng_chance(prng, 1, 8);
    if (what == 1) proposal_add_broker_removal(proposal, &(struct metadata_broker_removal_record){ id, epoch });
    else proposal_add_broker_change(proposal, &change);
}

static void history_wish(struct image *image, struct prng *prng, struct proposal *proposal)
{
    const int32_t id = 1 + (int32_t)prng_below(prng, HISTORY_BROKERS);
    const uint32_t slot = image_broker_by_id(image, id);
    if (slot == SLOT_NONE) return;
    const struct image_broker *broker = image_broker(image, slot);
    const int64_t floor = (int64_t)broker->wishes.floor;

    proposal_add_wish(proposal, &(struct metadata_wish_record){ .broker_id = id,
                                                                .incarnation = broker->incarnation,
                                                                .sequence = floor + (int64_t)prng_below(prng, 5),
                                                                .first_open = floor,
                                                                .answer = BYTES_LITERAL("done") });
}

static void history_limit(struct prng *prng, struct proposal *proposal)
{
    static const char *const names[] = { "a", "b", "c" };
    const int8_t user = (int8_t)prng_below(prng, 3), client = user == 0 ? 1 : (int8_t)prng_below(prng, 3);

    proposal_add_client_quota(
        proposal, &(struct metadata_client_quota_record){
                      .user_part = user,
                      .user = user == QUOTA_PART_NAMED ? text_of(names[prng_below(prng, 3)]) : BYTES_LITERAL(""),
                      .client_id_part = client,
                      .client_id = client == QUOTA_PART_NAMED ? text_of(names[prng_below(prng, 3)]) : BYTES_LITERAL(""),
                      .key = (int8_t)prng_below(prng, QUOTA_KEYS),
                      .rate = (int64_t)prng_below(prng, 3) * 1000,
                  });
}

static void history_group(struct prng *prng, struct proposal *proposal)
{
    static const char *const names[] = { "a", "b", "c" };

    proposal_add_group_config(proposal, &(struct metadata_group_config_record){
                                            .group = text_of(names[prng_below(prng, 3)]),
                                            .setting = (int8_t)prng_below(prng, GROUP_SETTINGS),
                                            .value = (int32_t)prng_below(prng, 3) * 1000,
                                        });
}

/* What one entry may say, as far as this image goes; at times nothing. */
static void history_entry(struct image *image, struct prng *prng, struct proposal *proposal)
{
    const uint32_t topic = history_any_topic(image, prng);
    switch (prng_below(prng, 10)) {
    case 0:
    case 1: history_make_topic(image, prng, proposal); break;
    case 2:
        if (topic == SLOT_NONE) break;
        proposal_add_topic_removal(proposal, &(struct metadata_topic_removal_record){ image_topic(image, topic)->id });
        break;
    case 3: history_change_broker(image, prng, proposal); break;
    case 4: {
        const int64_t next = image_view(image).next_producer_id;
        proposal_add_balance(proposal, &(struct metadata_balance_record){ .wanted = next % 3000 == 0 });
        proposal_add_producer_ids(proposal, &(struct metadata_producer_ids_record){ 1, 1, next, 1000 });
        break;
    }
    case 5: history_change_topic(image, prng, proposal); break;
    case 6: history_wish(image, prng, proposal); break;
    case 7: history_limit(prng, proposal); break;
    case 8: history_group(prng, proposal); break;
    default: history_set_something(image, prng, proposal); break;
    }
}

static void history_live(struct image *image, struct prng *prng, uint64_t entries)
{
    uint8_t memory[8 << 10];

    for (; entries > 0; entries--) {
        struct proposal proposal = proposal_in(memory, sizeof memory);
        history_entry(image, prng, &proposal);
        if (proposal.record_count > 0) history_apply(image, &proposal);
    }
}

static void history_first_entry(struct proposal *proposal)
{
    proposal_add_cluster(proposal, &(struct metadata_cluster_record){ history_id_of(999) });
    proposal_add_feature(proposal, &(struct metadata_feature_record){ BYTES_LITERAL("metadata.version"), 1 });
}

static void history_begin(struct image *image)
{
    uint8_t memory[256];
    struct proposal proposal = proposal_in(memory, sizeof memory);

    history_first_entry(&proposal);
    history_apply(image, &proposal);
}

#endif
