/* image.h -- the cluster's metadata as one replica of it sees it: what the committed records add up to.
 *
 * Every node applies the same records in the same order and gets the same image: topics, partitions, brokers, configs.
 * It decides nothing; controller/ does. Questions here are O(1) unless they say otherwise. Topics, partitions and
 * brokers are numbered by slots that stay while they live; lists go by slot links in creation order, so walks are
 * deterministic. */
#ifndef CHRONIK_META_IMAGE_H
#define CHRONIK_META_IMAGE_H

#include "base/bytes.h"
#include "base/uuid.h"

enum {
    SLOT_NONE = UINT32_MAX,
    TOPIC_NAME_SIZE_MAX = 249,
    REPLICAS_MAX = 16, /* 7, and as many again while a reassignment runs */
};

struct image_topic {
    struct uuid id;
    uint8_t name[TOPIC_NAME_SIZE_MAX];
    uint8_t name_size;
    bool internal;
    uint32_t partition_count;
    uint32_t first_partition; /* slot of partition 0; see image_partition_slot */
    uint32_t next_topic;      /* in creation order */
    uint32_t previous_topic;
};

struct image_partition {
    uint32_t topic; /* slot */
    int32_t index;  /* 0 .. partition_count - 1 */
    int32_t leader; /* broker id, -1: none */
    int32_t leader_epoch;
    int32_t partition_epoch;
    uint8_t replica_count;
    uint8_t isr_count;
    int32_t replicas[REPLICAS_MAX];
    int32_t isr[REPLICAS_MAX];
    uint32_t next_partition; /* of the same topic */
};

struct image;

uint32_t image_topic_by_name(const struct image *image, struct bytes name);
uint32_t image_topic_by_id(const struct image *image, const struct uuid *id);
const struct image_topic *image_topic(const struct image *image, uint32_t topic);
struct bytes image_topic_name(const struct image *image, uint32_t topic);

/* SLOT_NONE if the topic has no such partition. */
uint32_t image_partition_slot(const struct image *image, uint32_t topic, int32_t index);
const struct image_partition *image_partition(const struct image *image, uint32_t partition);

/* Walks: the first and the next slot, SLOT_NONE at the end. */
uint32_t image_first_topic(const struct image *image);
uint32_t image_next_topic(const struct image *image, uint32_t topic);

#endif
