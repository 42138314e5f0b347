#include "broker/partitions.h"

#include "broker/state.h"
#include "replica/replicas.h"

struct place partition_place_to_read(const struct call *call, uint32_t topic, int32_t index, int32_t leader_epoch)
{
    const int32_t node_id = call->broker->config.node_id;
    struct place place = { ERROR_UNKNOWN_TOPIC_OR_PARTITION, SLOT_NONE, NULL, false };

    if (topic == SLOT_NONE) return place;
    place.log = image_partition_slot(call->image, topic, index);
    if (place.log == SLOT_NONE) return place;
    place.partition = image_partition(call->image, place.log);
    place.error = ERROR_NONE;
    place.is_led = place.partition->leader == node_id &&
                   replicas_leader_epoch(call->replicas, place.log) == place.partition->leader_epoch;
    if (leader_epoch != EPOCH_NOT_GIVEN && leader_epoch < place.partition->leader_epoch) {
        place.error = ERROR_FENCED_LEADER_EPOCH;
    } else if (leader_epoch != EPOCH_NOT_GIVEN && leader_epoch > place.partition->leader_epoch) {
        place.error = ERROR_UNKNOWN_LEADER_EPOCH;
    } else if (!place.is_led && !image_partition_has_copy(place.partition, node_id)) {
        place.error = ERROR_NOT_LEADER_OR_FOLLOWER;
    }
    return place;
}

struct place partition_place(const struct call *call, uint32_t topic, int32_t index, int32_t leader_epoch)
{
    struct place place = partition_place_to_read(call, topic, index, leader_epoch);

    if (place.error == ERROR_NONE && !place.is_led) place.error = ERROR_NOT_LEADER_OR_FOLLOWER;
    return place;
}

replica_set offline_replicas(const struct image *image, const struct image_partition *partition)
{
    replica_set offline = 0;

    for (uint32_t i = 0; i < partition->replica_count; i++) {
        const uint32_t slot = image_broker_by_id(image, partition->replicas[i]);
        if (slot == SLOT_NONE || image_broker(image, slot)->fenced) offline |= (replica_set)(1u << i);
    }
    return offline;
}

bool partition_ids(const struct call *call, const struct image_partition *partition, replica_set set,
                   const int32_t **ids, uint32_t *count)
{
    int32_t *taken = arena_take(call->arena, REPLICAS_MAX, sizeof *taken);

    *ids = taken;
    *count = taken == NULL ? 0 : image_partition_brokers(partition, set, taken);
    return taken != NULL;
}

struct broker_address address_of(const struct image_broker *broker)
{
    const struct image_endpoint *endpoint = &broker->endpoints[ENDPOINT_KAFKA];
    struct broker_address address = {
        .id = broker->id,
        .host = { endpoint->host, endpoint->host_size },
        .port = endpoint->port,
        .fenced = broker->fenced,
    };

    if (broker->rack_size > 0) address.rack = (struct bytes){ broker->rack, broker->rack_size };
    return address;
}

bool address_of_id(const struct image *image, int32_t id, struct broker_address *address)
{
    const uint32_t slot = image_broker_by_id(image, id);

    if (slot == SLOT_NONE) return false;
    *address = address_of(image_broker(image, slot));
    return true;
}
