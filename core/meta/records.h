/* records.h -- the bytes of metadata records, and of the proposals and snapshots that carry them.
 *
 * A proposal is what one entry of the metadata log carries: records that are applied together, in order. A snapshot's
 * body is the same, only longer. What a record says is described in core/codec/schema/metadata.schema; this file puts
 * the frame around it, all integers big-endian:
 *
 *     0 u32 size of what follows | 4 u8 record id | 5 u8 version | 6 fields
 *
 * docs/metadata.md tells what each record does. */
#ifndef CHRONIK_META_RECORDS_H
#define CHRONIK_META_RECORDS_H

#include "codec/messages.h"

enum {
    RECORD_FRAME_SIZE = 6,
    RECORD_ARENA_SIZE = 8 << 10, /* decodes the largest record: three endpoints, or twice REPLICAS_MAX numbers */
};

/* Records being written. What does not fit is counted and left out; ask once at the end. */
struct proposal {
    struct writer writer;
    uint32_t record_count;
};

static inline struct proposal proposal_in(void *memory, uint32_t size)
{
    return (struct proposal){ .writer = writer_of(memory, size) };
}

static inline bool proposal_ok(const struct proposal *proposal)
{
    return writer_ok(&proposal->writer);
}

/* Asked only when proposal_ok. */
static inline struct bytes proposal_bytes(const struct proposal *proposal)
{
    return writer_written(&proposal->writer);
}

void proposal_add_cluster(struct proposal *proposal, const struct metadata_cluster_record *record);
void proposal_add_feature(struct proposal *proposal, const struct metadata_feature_record *record);
void proposal_add_broker(struct proposal *proposal, const struct metadata_broker_record *record);
void proposal_add_broker_change(struct proposal *proposal, const struct metadata_broker_change_record *record);
void proposal_add_broker_removal(struct proposal *proposal, const struct metadata_broker_removal_record *record);
void proposal_add_topic(struct proposal *proposal, const struct metadata_topic_record *record);
void proposal_add_topic_removal(struct proposal *proposal, const struct metadata_topic_removal_record *record);
void proposal_add_partition(struct proposal *proposal, const struct metadata_partition_record *record);
void proposal_add_partition_change(struct proposal *proposal, const struct metadata_partition_change_record *record);
void proposal_add_config(struct proposal *proposal, const struct metadata_config_record *record);
void proposal_add_producer_ids(struct proposal *proposal, const struct metadata_producer_ids_record *record);
void proposal_add_recovery(struct proposal *proposal, const struct metadata_recovery_record *record);
void proposal_add_balance(struct proposal *proposal, const struct metadata_balance_record *record);
void proposal_add_wish(struct proposal *proposal, const struct metadata_wish_record *record);
void proposal_add_wish_window(struct proposal *proposal, const struct metadata_wish_window_record *record);
void proposal_add_group_config(struct proposal *proposal, const struct metadata_group_config_record *record);
void proposal_add_client_quota(struct proposal *proposal, const struct metadata_client_quota_record *record);

/* The next record of a proposal, with `rest` moved behind it. False: there is none, and what is left (if anything) is
 * not a record. */
bool proposal_next(struct bytes *rest, struct bytes *record);

#endif
