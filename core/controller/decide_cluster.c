/* decide_cluster.c -- what the cluster decides for itself: how it begins, who is there, who gets which producer ids. */
#include "base/check.h"
#include "controller/decide.h"

void decide_cluster(const struct uuid *cluster_id, struct proposal *records)
{
    const struct metadata_feature_record feature = { BYTES_LITERAL("metadata.version"), FEATURE_LEVEL };

    proposal_add_cluster(records, &(struct metadata_cluster_record){ .cluster_id = *cluster_id });
    proposal_add_feature(records, &feature);
}

void decide_recovery(const struct image *image, int32_t node_id, uint64_t drawn, struct proposal *records)
{
    const uint64_t previous = image_view(image).incarnation;
    const uint64_t count = (previous >> INCARNATION_DRAWN_BITS) + 1;
    const uint64_t mask = ((uint64_t)1 << INCARNATION_DRAWN_BITS) - 1;
    const struct metadata_recovery_record recovery = {
        .previous = (int64_t)previous,
        .incarnation = (int64_t)(count << INCARNATION_DRAWN_BITS | (drawn & mask)),
        .node_id = node_id,
    };

    /* Others may have been given blocks by entries that are lost; two producers of one id would be taken for one. */
    const struct metadata_producer_ids_record lost = {
        .broker_id = -1,
        .broker_epoch = -1,
        .first_producer_id = image_view(image).next_producer_id,
        .count = LOST_PRODUCER_IDS,
    };

    proposal_add_recovery(records, &recovery);
    proposal_add_producer_ids(records, &lost);
    for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
        const struct image_broker *broker = image_broker(image, slot);
        if (broker->id == node_id) continue;
        const struct metadata_broker_removal_record gone = { .broker_id = broker->id, .epoch = broker->epoch };
        proposal_add_broker_removal(records, &gone);
    }
}

/* Somebody has to be there whom it can observe. */
static bool may_observe(const struct image *image, int32_t broker_id)
{
    for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
        if (image_broker(image, slot)->id != broker_id && !image_broker(image, slot)->observer) return true;
    }
    return false;
}

void decide_registration(const struct image *image, int32_t broker_id, const struct uuid *incarnation,
                         const struct wish_registration_record *registration, bool unclean, struct proposal *records)
{
    struct metadata_broker_record_endpoint endpoints[ENDPOINT_COUNT];
    struct metadata_broker_record record = { .broker_id = broker_id,
                                             .incarnation = *incarnation,
                                             .epoch = -1, /* where the record will stand */
                                             .rack = registration->rack,
                                             .fenced = true, /* until its logs are recovered */
                                             .endpoints = endpoints,
                                             .unclean = unclean,
                                             .unfenced_epoch = -1,
                                             .feature_level_min = FEATURE_LEVEL,
                                             .feature_level_max = FEATURE_LEVEL,
                                             .observer = registration->observer && may_observe(image, broker_id) };

    CHECK(registration->endpoints_count <= ENDPOINT_COUNT);
    for (uint32_t i = 0; i < registration->endpoints_count; i++) {
        const struct wish_registration_record_endpoint *from = &registration->endpoints[i];
        endpoints[record.endpoints_count++] =
            (struct metadata_broker_record_endpoint){ .kind = from->kind, .host = from->host, .port = from->port };
    }
    proposal_add_broker(records, &record);
}

void decide_producer_ids(const struct image *image, int32_t broker_id, struct proposal *records)
{
    const uint32_t broker = image_broker_by_id(image, broker_id);
    const struct metadata_producer_ids_record record = {
        .broker_id = broker_id,
        .broker_epoch = broker == SLOT_NONE ? -1 : image_broker(image, broker)->epoch,
        .first_producer_id = image_view(image).next_producer_id,
        .count = PRODUCER_ID_BLOCK,
    };
    proposal_add_producer_ids(records, &record);
}
