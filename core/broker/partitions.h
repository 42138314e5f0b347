/* partitions.h -- the partition that a client names: is it here, and is it ours to answer for?
 *
 * What the metadata log says decides, and what this node knows of its own leadership (replicas.h): between an election
 * and the moment when the new leader's log is ready, and between a newer leader's first message and the metadata that
 * explains it, nobody here leads. */
#ifndef CHRONIK_BROKER_PARTITIONS_H
#define CHRONIK_BROKER_PARTITIONS_H

#include "broker/api.h"
#include "codec/errors.h"
#include "meta/image.h"

enum { EPOCH_NOT_GIVEN = -1 };

struct place {
    enum error error;
    uint32_t log;                            /* slot of the partition, if it exists; else SLOT_NONE */
    const struct image_partition *partition; /* NULL if there is none */
    bool is_led;                             /* by us, and now */
};

/* Partition `index` of a topic (a slot, or SLOT_NONE for one that was not found), for a client that believes its
 * leader epoch to be `leader_epoch`: at its leader. */
struct place partition_place(const struct call *call, uint32_t topic, int32_t index, int32_t leader_epoch);

/* The same, at any of its replicas (KIP-392). */
struct place partition_place_to_read(const struct call *call, uint32_t topic, int32_t index, int32_t leader_epoch);

/* Replicas on brokers that are fenced, or unknown. */
replica_set offline_replicas(const struct image *image, const struct image_partition *partition);

/* The brokers of a set, in memory of the call; false if it has none left. */
bool partition_ids(const struct call *call, const struct image_partition *partition, replica_set set,
                   const int32_t **ids, uint32_t *count);

/* Where a broker is reached by clients; false if it is not known. The text is the image's. */
struct broker_address {
    int32_t id;
    struct bytes host;
    uint16_t port;
    struct bytes rack; /* null if it has none */
    bool fenced;
};
bool address_of_id(const struct image *image, int32_t id, struct broker_address *address);
struct broker_address address_of(const struct image_broker *broker);

#endif
