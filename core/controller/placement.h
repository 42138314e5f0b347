/* placement.h -- on which brokers do the replicas of a new partition go?
 *
 * Leaders go round all brokers, so that each leads as many as any other, give or take one; followers follow at a
 * distance that grows with each round, so that one broker's partitions have their followers everywhere. Racks come
 * first: as long as there are racks without a replica, the next replica goes into one of them. Fenced brokers get
 * nothing. Where a topic begins is drawn by the caller; the rest is arithmetic. */
#ifndef CHRONIK_CONTROLLER_PLACEMENT_H
#define CHRONIK_CONTROLLER_PLACEMENT_H

#include "meta/image.h"

struct placement {
    uint32_t *order; /* broker slots, racks alternating; [brokers_max] */
    uint32_t count;
    uint64_t version; /* image_view's broker_changes + 1 of which `order` was made; 0: none */
};

/* `order` has room for all brokers of the image. */
void placement_init(struct placement *placement, uint32_t *order);

/* Looks at the brokers again if they changed. */
void placement_refresh(struct placement *placement, const struct image *image);

/* How many brokers may get replicas. */
uint32_t placement_count(const struct placement *placement);

/* The replicas of partition `index` of a topic that begins at `start`, the leader first: `replica_count` different
 * brokers, at most placement_count. */
void placement_replicas(const struct placement *placement, const struct image *image, uint64_t start, uint32_t index,
                        uint32_t replica_count, int32_t *replicas);

#endif
