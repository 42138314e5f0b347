#include "meta/records.h"

/* Begins a record's frame; its size is known when the fields are written. */
static uint64_t begin(struct proposal *proposal, enum record_id id, uint8_t version)
{
    const uint64_t position = writer_leave_int32(&proposal->writer);

    writer_uint8(&proposal->writer, (uint8_t)id);
    writer_uint8(&proposal->writer, version);
    return position;
}

static void end(struct proposal *proposal, uint64_t position)
{
    writer_patch_int32(&proposal->writer, position, (int32_t)(proposal->writer.size - position - 4));
    proposal->record_count++;
}

#define ADD(name, ID, version)                                                                                         \
    void proposal_add_##name(struct proposal *proposal, const struct metadata_##name##_record *record)                 \
    {                                                                                                                  \
        const uint64_t position = begin(proposal, RECORD_METADATA_##ID, version);                                      \
        metadata_##name##_record_write(&proposal->writer, version, record);                                            \
        end(proposal, position);                                                                                       \
    }

ADD(cluster, CLUSTER, 0)
ADD(feature, FEATURE, 0)
ADD(broker, BROKER, 2)
ADD(broker_change, BROKER_CHANGE, 2)
ADD(broker_removal, BROKER_REMOVAL, 0)
ADD(topic, TOPIC, 0)
ADD(topic_removal, TOPIC_REMOVAL, 0)
ADD(partition, PARTITION, 2)
ADD(partition_change, PARTITION_CHANGE, 1)
ADD(config, CONFIG, 0)
ADD(producer_ids, PRODUCER_IDS, 0)
ADD(recovery, RECOVERY, 0)
ADD(balance, BALANCE, 0)
ADD(wish, WISH, 0)
ADD(wish_window, WISH_WINDOW, 0)
ADD(client_quota, CLIENT_QUOTA, 0)
ADD(group_config, GROUP_CONFIG, 0)

bool proposal_next(struct bytes *rest, struct bytes *record)
{
    if (rest->size < RECORD_FRAME_SIZE) return false;
    const uint32_t size = load_u32(rest->data);
    if (size < 2 || size > rest->size - 4) return false;
    *record = (struct bytes){ rest->data + 4, size };
    *rest = (struct bytes){ rest->data + 4 + size, rest->size - 4 - size };
    return true;
}
