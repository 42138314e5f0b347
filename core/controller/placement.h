/* placement.h -- on which brokers do the replicas of a new partition go?
 *
 * Leaders go round all brokers that can lead, so that each of them leads as many of a topic's partitions as any other,
 * give or take one. Followers come from where the topic has fewest so far, beginning at a distance from the
 * leader that grows with each round: so one broker's partitions have their followers everywhere. Racks come first: as
 * long as there are racks without a replica, the next one goes into one of them. Brokers that are fenced or about to go
 * are the last resort, and never lead; brokers that leave get nothing, nor do observers. Where a topic begins is drawn
 * by the caller; the rest is arithmetic. */
#ifndef CHRONIK_CONTROLLER_PLACEMENT_H
#define CHRONIK_CONTROLLER_PLACEMENT_H

#include "meta/image.h"

struct placement {
    uint32_t brokers_max;
    uint32_t *order;     /* broker slots, racks alternating: those that can lead, then the last resort; [brokers_max] */
    uint32_t *racks;     /* by broker slot: its rack, numbered; who has none is alone in one; [brokers_max] */
    uint32_t *followed;  /* by broker slot: partitions of this topic that it follows; [brokers_max] */
    uint32_t *observers; /* slots of observers that are alive and stay, by id; [brokers_max] */
    uint32_t observer_count;
    uint32_t able_count; /* how many can lead */
    uint32_t able_rack_count;
    uint32_t count;   /* all of them */
    uint64_t start;   /* of this topic */
    uint64_t version; /* image_view's broker_changes + 1 of which this was made; 0: none */
};

size_t placement_size(uint32_t brokers_max);

/* In zeroed memory of placement_size bytes. */
void placement_init(struct placement *placement, void *memory, uint32_t brokers_max);

/* Looks at the brokers again if they changed. */
void placement_refresh(struct placement *placement, const struct image *image);

/* How many brokers may get replicas, and how many of them can lead. */
uint32_t placement_count(const struct placement *placement);
uint32_t placement_able_count(const struct placement *placement);

/* A topic that begins at `start`. */
void placement_begin(struct placement *placement, uint64_t start);

/* The replicas of its partition `index`, the leader first: `replica_count` different brokers, at most placement_count,
 * of which one at least can lead. Called once for each partition. */
void placement_next(struct placement *placement, const struct image *image, uint32_t index, uint32_t replica_count,
                    int32_t *replicas);

#endif
