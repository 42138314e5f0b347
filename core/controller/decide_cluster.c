/* decide_cluster.c -- what the cluster decides for itself: how it begins, who is there, who gets which producer ids. */
#include "base/check.h"
#include "controller/decide.h"

void decide_cluster(const struct uuid *cluster_id, struct proposal *records)
{
    const struct metadata_feature_record feature = { BYTES_LITERAL("metadata.version"), FEATURE_LEVEL };

    proposal_add_cluster(records, &(struct metadata_cluster_record){ .cluster_id = *cluster_id });
    proposal_add_feature(records, &feature);
}

void decide_registration(int32_t broker_id, const struct uuid *incarnation,
                         const struct wish_registration_record *registration, struct proposal *records)
{
    struct metadata_broker_record_endpoint endpoints[ENDPOINT_COUNT];
    struct metadata_broker_record record = { .broker_id = broker_id,
                                             .incarnation = *incarnation,
                                             .epoch = -1, /* where the record will stand */
                                             .rack = registration->rack,
                                             .fenced = true, /* until its logs are recovered */
                                             .endpoints = endpoints,
                                             .unfenced_epoch = -1,
                                             .feature_level_min = FEATURE_LEVEL,
                                             .feature_level_max = FEATURE_LEVEL };

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
