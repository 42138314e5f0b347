/* image_state.h -- the image's memory, shared by the files of this room that ask, apply and judge settings. */
#ifndef CHRONIK_META_IMAGE_STATE_H
#define CHRONIK_META_IMAGE_STATE_H

#include "base/arena.h"
#include "base/map.h"
#include "base/pool.h"
#include "meta/image.h"
#include "meta/partition_rules.h"
#include "meta/records.h"

/* What is set for one broker, or for all, or by the node's own configuration. */
struct broker_settings {
    uint64_t set; /* bit id - TOPIC_CONFIG_COUNT */
    int64_t values[BROKER_CONFIG_COUNT];
};

/* What a record left to be done in steps. */
enum drain_kind {
    DRAIN_NOTHING,
    DRAIN_TOPIC,      /* `topic` is removed: its slots are given back */
    DRAIN_PARTITIONS, /* partitions from `partition` on, of `topic` and perhaps of those after it, are settled anew */
    DRAIN_COPIES,     /* likewise, partitions of `holder` from slot `partition` on */
};

struct drain {
    enum drain_kind kind;
    uint32_t topic;
    uint32_t partition;
    bool all_topics;
    struct partition_fact fact; /* of one broker: only partitions that it has a replica of */
    bool counts;                /* it was unknown, and what it has is counted on the way */
    uint32_t holder;            /* slot of that broker */
};

struct image {
    struct image_config config;
    struct image_view view;

    struct image_topic *topics; /* [topics_max] */
    int64_t *topic_values;      /* [topics_max][TOPIC_CONFIG_COUNT], touched only for topics with settings */
    struct pool topic_slots;
    struct text_map topics_by_name; /* by folded name; see fold() */
    struct map topics_by_id;
    uint32_t first_topic;
    uint32_t last_topic;
    struct drain drain;
    bool converging; /* led to a snapshot: what follows from what is in it is in it */

    struct image_partition *partitions; /* [partitions_max] */
    struct pool partition_slots;
    struct map partitions_by_index; /* by topic slot and index */
    uint64_t *copies; /* [brokers_max][copies_words]: a bit for each block of partition slots among which the broker has
                         a copy, or had one; see image_copies.c */
    uint32_t copies_words;

    struct image_broker *brokers;     /* [brokers_max] */
    struct broker_settings *settings; /* [brokers_max] */
    struct pool broker_slots;
    struct map brokers_by_id;
    uint32_t first_broker;
    uint32_t own_broker; /* slot of config.node_id, or SLOT_NONE */
    struct broker_settings all_brokers;
    struct broker_settings statics;

    uint32_t quota_count;
    struct image_quota quotas[QUOTAS_MAX]; /* in no order but that of the records */

    uint32_t group_count;
    struct image_group groups[SET_GROUPS_MAX]; /* in no order but that of the records */

    struct arena arena; /* for decoding one record */
};

/* snapshot.c: the record that makes it. */
void image_add_partition(const struct image *image, uint32_t partition, struct proposal *records);
void image_add_broker(const struct image *image, uint32_t broker, struct proposal *records);

/* A name as far as two topics may not be alike: metrics of Kafka write dots as underscores. */
struct folded_name {
    uint8_t bytes[TOPIC_NAME_SIZE_MAX];
    uint8_t size;
};
struct folded_name image_fold(struct bytes name);

#define NO_CHANGE ((struct image_change){ CHANGE_NOTHING, SLOT_NONE, SLOT_NONE, SLOT_NONE })

/* ---- image_partitions.c ---- */

/* What a record makes, but for the links that its place in the image gives it; of a topic that may be SLOT_NONE.
 * False: no record that could have been written. */
bool image_read_partition(const struct image *image, uint32_t topic, const struct metadata_partition_record *record,
                          struct image_partition *made);

/* What brokers have is counted: all by this partition, or one broker's; sign -1 takes it back. */
void image_count_partition(struct image *image, const struct image_partition *partition, int sign);
void image_count_replicas(struct image *image, const struct image_partition *partition, int32_t broker_id, int sign);
void image_change_partition(struct image *image, uint32_t slot, const struct image_partition *after);

enum apply_verdict image_apply_partition(struct image *image, const struct metadata_partition_record *record,
                                         struct image_change *change);
enum apply_verdict image_apply_partition_change(struct image *image,
                                                const struct metadata_partition_change_record *record,
                                                struct image_change *change);

/* ---- image_copies.c: where a broker's partitions are ---- */

uint32_t image_copies_words(uint32_t partitions_max);
void image_copies_clear(struct image *image, uint32_t broker);

/* Of the partition in this slot: all brokers that are registered, or one. */
void image_copies_note(struct image *image, uint32_t partition);
void image_copies_note_one(struct image *image, uint32_t broker, uint32_t partition);
bool image_copies_may_have(const struct image *image, uint32_t broker, uint32_t partition);

/* The next partition slot from `from` on among which there may be one of the broker's; SLOT_NONE: there is none. The
 * mark of a block that is entered is wiped away: who finds something in it notes it again. */
uint32_t image_copies_next(struct image *image, uint32_t broker, uint32_t from);

/* ---- image_brokers.c ---- */

bool image_read_broker(const struct metadata_broker_record *record, uint64_t index, struct image_broker *made);

/* It is all that is left: it neither leaves nor observes any more, in whatever life it is. */
void image_keep_broker(struct image *image, int32_t broker_id, struct image_change *change);

/* In the place of one of the same id. */
void image_replace_broker(struct image *image, uint32_t broker, const struct image_broker *made);

enum apply_verdict image_apply_broker(struct image *image, uint64_t index, const struct metadata_broker_record *record,
                                      struct image_change *change);
enum apply_verdict image_apply_broker_change(struct image *image, const struct metadata_broker_change_record *record,
                                             struct image_change *change);
enum apply_verdict image_apply_broker_removal(struct image *image, const struct metadata_broker_removal_record *record,
                                              struct image_change *change);

/* ---- image_quotas.c ---- */

enum apply_verdict image_apply_client_quota(struct image *image, const struct metadata_client_quota_record *record);
void image_forget_quotas(struct image *image);
enum apply_verdict image_apply_group_config(struct image *image, const struct metadata_group_config_record *record);
void image_forget_groups(struct image *image);

/* ---- what a removal does behind its guard, and nothing that follows from it for others ---- */

void image_remove_topic(struct image *image, uint32_t topic, struct image_change *change);
void image_remove_broker(struct image *image, uint32_t broker, struct image_change *change);

/* ---- image_drain.c: what a record leaves to be done; while converging, nothing but counting ---- */

void image_drain_topic(struct image *image, uint32_t topic);
void image_settle_topic(struct image *image, uint32_t topic);
void image_settle_all(struct image *image);

/* Partitions that the fact's broker is a replica of; `counts`: it was unknown, and what it has is counted. */
void image_settle_broker(struct image *image, const struct partition_fact *fact, bool counts);

static inline struct bytes folded_bytes(const struct folded_name *name)
{
    return (struct bytes){ name->bytes, name->size };
}

static inline struct map_key partition_key(uint32_t topic, int32_t index)
{
    return map_key_u64((uint64_t)topic << 32 | (uint32_t)index);
}

static inline struct map_key broker_key(int32_t id)
{
    return map_key_u64((uint32_t)id);
}

#endif
