/* image.h -- the cluster's metadata as one replica of it sees it: what the committed records add up to.
 *
 * Every node applies the same records in the same order and gets the same image: topics, partitions, brokers, configs.
 * It decides nothing; controller/ does. Questions here are O(1) unless they say otherwise. Topics, partitions and
 * brokers are numbered by slots that stay while they live; lists go by slot links, topics in creation order and brokers
 * by id, so walks are deterministic. Slots are this node's own numbers: another node, or the next start, may give
 * others, and nothing that leaves the node names one.
 *
 *   Guards.   A record that changes something says what it expects to find (a topic id, a partition epoch). Where it
 *             does not, it does nothing, on every node alike (C1 of docs/replication.md).
 *   Consequences.
 *             A record says what happened to a broker or a setting; what follows for each partition (who leaves the
 *             ISR, who leads) is worked out here, by rules that see nothing but the image (partition_rules.h), on every
 *             node alike. As that can be every partition of the cluster, it goes in steps: image_is_draining.
 *   Limits.   They are this node's. The controller keeps the cluster within its own; a record that does not fit
 *             into a smaller image is APPLY_FULL, and that node has to stop.
 *
 * Invariants, numbered as in image_check():
 *   (1) A topic slot is in the list, in both maps, or in none of them (removed and being drained).
 *   (2) A topic's chain has partition_count partitions, with indexes 0, 1, 2 ... in this order, each in the map.
 *   (3) topic_count, partition_count and reassigning_count are what the lists have, and no more than the pools gave.
 *   (4) Brokers are listed by rising id.
 *   (5) What a partition says is consistent: partition_check().
 *   (6) Unless draining, every partition is settled: the rules would change nothing. Nobody fenced is in sync. Who
 *       observes is registered as an observer.
 *   (7) Unless draining, a broker's counts are what the partitions say.
 *   (8) Unless draining, whoever looks for a broker's partitions finds all of them. */
#ifndef CHRONIK_META_IMAGE_H
#define CHRONIK_META_IMAGE_H

#include "base/bytes.h"
#include "base/uuid.h"
#include "meta/configs.h"
#include "meta/wish_window.h"

#define SLOT_NONE UINT32_MAX /* no slot: nothing of that name, or the end of a list */

enum {
    TOPIC_NAME_SIZE_MAX = 249,
    REPLICAS_MAX = 16, /* 7, and as many again while a reassignment runs */
    OBSERVERS_MAX = 2, /* of a partition, beside its replicas */
    RACK_SIZE_MAX = 64,
    HOST_SIZE_MAX = 255,
};

struct image_topic {
    struct uuid id;
    uint8_t name[TOPIC_NAME_SIZE_MAX];
    uint8_t name_size;
    bool internal;
    uint8_t replica_target; /* how many replicas it is meant to have when there are enough nodes */
    uint32_t partition_count;
    uint32_t first_partition; /* slot of partition 0; see image_partition_slot */
    uint32_t last_partition;
    uint32_t next_topic; /* in creation order */
    uint32_t previous_topic;
    uint64_t configs_set; /* which settings it has of its own, by config id */
};

/* Some of a partition's replicas: bit i stands for replicas[i]. */
typedef uint16_t replica_set;

/* Leader, epochs, replicas, isr, elr, min_isr and what goes with them are the partition's configuration: its epoch
 * grows whenever one of them changes, the leader's whenever there is another leader (or none), or a replica fewer. */
struct image_partition {
    uint32_t topic; /* slot */
    int32_t index;  /* 0 .. partition_count - 1 */
    int32_t leader; /* broker id, -1: none */
    int32_t leader_epoch;
    int32_t partition_epoch;
    int32_t last_leader;               /* who leads or led last; -1: nobody ever did */
    int32_t last_unclean_leader_epoch; /* the epoch that began with the last unclean election; 0: none did */
    replica_set isr;                   /* in sync: they hold all that is committed, and every commit waits for them */
    replica_set elr;      /* not in sync, but they hold all that is committed: while fewer than min_isr are in sync
                             nothing is (KIP-966) */
    replica_set adding;   /* while a reassignment runs: who was no replica before it ... */
    replica_set removing; /* ... and who will be none after it */
    uint8_t replica_count;
    uint8_t replica_target; /* how many replicas it is meant to have when there are enough nodes */
    uint8_t min_isr;        /* as many must hold a record before it is committed; see partition_rules.h */
    bool recovering;        /* elected uncleanly, and the leader has not yet said that it is done with that */
    uint8_t observer_count;
    int32_t replicas[REPLICAS_MAX];   /* the first is the preferred leader */
    int32_t observers[OBSERVERS_MAX]; /* follow like replicas, and count for nothing: no commit waits for them, and
                                         they never lead */
    uint32_t next_partition;          /* of the same topic */
};
_Static_assert(sizeof(struct image_partition) <= 128, "100,000 partitions are walked in a few milliseconds");

enum endpoint { /* where a broker is reached, for what */
                ENDPOINT_KAFKA,
                ENDPOINT_NODE, /* cluster control and Raft */
                ENDPOINT_WAL,  /* WAL streaming */
                ENDPOINT_COUNT,
};

struct image_endpoint {
    uint16_t port; /* 0: it has none of this kind */
    uint8_t host_size;
    uint8_t host[HOST_SIZE_MAX];
};

struct image_broker {
    int32_t id;
    int64_t epoch;               /* the metadata index of its registration */
    int64_t unfenced_epoch;      /* of its latest registration that was ever unfenced: since then it may be relied on;
                                    -1: none was */
    struct uuid incarnation;     /* of its latest start */
    bool fenced;                 /* neither leads nor is in sync, wherever it may be */
    bool in_controlled_shutdown; /* is about to go: others lead, and it joins no ISR any more */
    bool leaving;                /* is to be emptied and removed: gets no new replicas, those it has go elsewhere */
    bool observer;               /* of a standby site: observes partitions, and has replicas of none */
    int16_t feature_level_min;   /* the levels of metadata.version that it understands */
    int16_t feature_level_max;
    uint32_t replica_count;   /* partitions that it has a replica of, */
    uint32_t removing_count;  /* ... of which so many are to go by a reassignment */
    uint32_t leader_count;    /* partitions that it leads */
    uint32_t preferred_count; /* partitions that it is the first replica of */
    uint32_t observed_count;  /* partitions that it observes */
    uint8_t rack_size;        /* 0: none */
    uint8_t rack[RACK_SIZE_MAX];
    struct image_endpoint endpoints[ENDPOINT_COUNT];
    struct wish_window wishes; /* of this incarnation */
    uint32_t next_broker;      /* by rising id */
};

struct image;
struct log_rules; /* log/logs.h */

/* ---- topics and partitions ---- */

uint32_t image_topic_by_name(const struct image *image, struct bytes name);
uint32_t image_topic_by_id(const struct image *image, const struct uuid *id);
const struct image_topic *image_topic(const struct image *image, uint32_t topic);
struct bytes image_topic_name(const struct image *image, uint32_t topic);

/* A topic whose name differs from this one in nothing but dots where it has underscores, or not even in that. */
uint32_t image_topic_like(const struct image *image, struct bytes name);

/* SLOT_NONE if the topic has no such partition. */
uint32_t image_partition_slot(const struct image *image, uint32_t topic, int32_t index);
const struct image_partition *image_partition(const struct image *image, uint32_t partition);

bool image_partition_has_replica(const struct image_partition *partition, int32_t broker_id);

bool image_partition_has_observer(const struct image_partition *partition, int32_t broker_id);

/* Whether it has a log of the partition, as a replica or as an observer. */
bool image_partition_has_copy(const struct image_partition *partition, int32_t broker_id);

/* The set of one replica; empty if the broker has none. */
replica_set image_partition_place(const struct image_partition *partition, int32_t broker_id);

/* The brokers of a set, in the order of the replicas; their number. */
uint32_t image_partition_brokers(const struct image_partition *partition, replica_set set, int32_t ids[REPLICAS_MAX]);

static inline uint32_t replica_set_count(replica_set set)
{
    return (uint32_t)__builtin_popcount(set);
}

/* Walks: the first and the next slot, SLOT_NONE at the end. A topic's partitions go by first_partition and
 * next_partition. */
uint32_t image_first_topic(const struct image *image);
uint32_t image_next_topic(const struct image *image, uint32_t topic);

/* A walk through all partitions that may be left and gone on with whatever happens between: the next slot behind this
 * one (SLOT_NONE: the first). Not while draining. O(slots between). */
uint32_t image_next_partition(const struct image *image, uint32_t partition);

/* ---- brokers ---- */

uint32_t image_broker_by_id(const struct image *image, int32_t id);
const struct image_broker *image_broker(const struct image *image, uint32_t broker);
uint32_t image_first_broker(const struct image *image);
uint32_t image_next_broker(const struct image *image, uint32_t broker);

/* How this wish stands (wish_window.h). A broker that is not registered, or is in another life, wishes what is
 * impossible. */
enum wish_standing image_wish(const struct image *image, int32_t broker_id, const struct uuid *incarnation,
                              uint64_t first_open, uint64_t sequence);

/* ---- the cluster ---- */

struct image_view {
    struct uuid cluster_id; /* zero before the first record */
    uint64_t incarnation;   /* of the cluster; 0 until a node went on alone after a disaster */
    int16_t feature_level;  /* "metadata.version" of the cluster */
    uint64_t applied_index; /* the last entry that is in here, and its term */
    uint64_t applied_term;
    int64_t next_producer_id;
    bool evens; /* replicas and leaders are to be spread evenly, until they are */
    uint32_t topic_count;
    uint32_t partition_count;
    uint32_t reassigning_count; /* partitions whose reassignment runs */
    uint32_t broker_count;
    uint32_t setting_count;  /* that topics have of their own */
    uint64_t topic_changes;  /* grows when a topic or a partition comes or goes; this node's own count */
    uint64_t broker_changes; /* grows when a broker comes, goes or is fenced; this node's own count */
};
struct image_view image_view(const struct image *image);

/* By what nodes find out that they belong together: the cluster's id, into which its incarnation is mixed. That one is
 * how often the cluster was recovered, times 2^48, and a number drawn then. Zero as long as the cluster has no id. */
enum { INCARNATION_DRAWN_BITS = 48 };
struct ancestry {
    struct uuid cluster_id;
    uint64_t incarnation;
};
struct ancestry image_ancestry(const struct image *image);
struct uuid ancestry_identity(const struct ancestry *ancestry);
struct uuid image_identity(const struct image *image);

/* What another node's identity is to ours. */
enum kinship {
    KINSHIP_NONE, /* another cluster, or none */
    KINSHIP_SAME,
    KINSHIP_OLDER, /* our cluster, before it was recovered */
    KINSHIP_NEWER, /* our cluster: it was recovered without us */
    KINSHIP_APART, /* our cluster, and both were recovered as often, each without the other */
};
enum kinship ancestry_kinship(const struct ancestry *ancestry, const struct uuid *other);
enum kinship image_kinship(const struct image *image, const struct uuid *other);

/* ---- settings ---- */

struct config_value {
    int64_t value; /* see configs.h */
    enum config_source source;
};

/* What a topic sets itself; also of one that is still a wish. */
struct topic_settings {
    uint64_t set; /* by config id */
    int64_t values[TOPIC_CONFIG_COUNT];
    uint8_t replica_target;
};

/* What holds for a topic here, and where that comes from. */
struct config_value topic_config(const struct image *image, uint32_t topic, enum config_id id);

struct topic_settings topic_settings(const struct image *image, uint32_t topic);
struct config_value topic_settings_config(const struct image *image, const struct topic_settings *settings,
                                          enum config_id id);

/* What holds for a broker. Only of the own node are static values known. */
struct config_value broker_config(const struct image *image, int32_t broker_id, enum config_id id);

/* What one source alone says about a broker setting. False: nothing. */
bool broker_config_set(const struct image *image, int32_t broker_id, enum config_id id, enum config_source source,
                       int64_t *value);

/* For those who act by it: the number alone; of the own node. */
int64_t topic_config_int(const struct image *image, uint32_t topic, enum config_id id);
int64_t broker_config_int(const struct image *image, enum config_id id);

/* What decides about partitions is the same for the whole cluster: it never depends on one broker's own settings. How
 * many replicas a topic wants in sync (partitions have fewer when they have fewer replicas: min_isr), and whether
 * anybody may lead when nobody is left who has everything. */
int64_t topic_min_isr(const struct image *image, uint32_t topic);
bool topic_elects_uncleanly(const struct image *image, uint32_t topic);
bool topic_is_relaxed(const struct image *image, uint32_t topic); /* what is in memory is acknowledged */

/* A topic's settings as its logs want them. */
struct log_rules topic_log_rules(const struct image *image, uint32_t topic);

/* ---- making one ---- */

/* What clients may send and take in a second. An entity is a user, a client id, or both; each is named, or stands for
 * all of whom nothing else is said. There are so few that they are looked through. */
enum { QUOTA_NAME_SIZE_MAX = 127, QUOTAS_MAX = 128 };
enum quota_part { QUOTA_PART_NONE, QUOTA_PART_DEFAULT, QUOTA_PART_NAMED };
enum quota_key { QUOTA_PRODUCER_BYTE_RATE, QUOTA_CONSUMER_BYTE_RATE, QUOTA_KEYS };

struct quota_name {
    uint8_t part; /* enum quota_part */
    uint8_t size;
    uint8_t bytes[QUOTA_NAME_SIZE_MAX];
};

struct image_quota {
    struct quota_name user, client_id;
    int64_t rates[QUOTA_KEYS]; /* bytes a second; 0: not limited */
};

uint32_t image_quota_count(const struct image *image);
const struct image_quota *image_quota(const struct image *image, uint32_t number);

/* The entity that says how much a client may: Kafka's order, the user before the client id, and who is named before the
 * default. NULL: none does. */
const struct image_quota *image_quota_of(const struct image *image, enum quota_key key, struct bytes user,
                                         struct bytes client_id);

/* What is set for a group of consumers (KIP-848); what is not, holds as it is set for brokers. */
enum { GROUP_NAME_SIZE_MAX = 249, SET_GROUPS_MAX = 128 };
enum group_setting { GROUP_HEARTBEAT_INTERVAL_MS, GROUP_SESSION_TIMEOUT_MS, GROUP_SETTINGS };

struct image_group {
    uint8_t size;
    uint8_t name[GROUP_NAME_SIZE_MAX];
    int32_t values[GROUP_SETTINGS]; /* 0: not set */
};

uint32_t image_group_count(const struct image *image);
const struct image_group *image_group(const struct image *image, uint32_t number);

/* Kafka's name, and the setting of brokers that holds where nothing is set. */
const char *group_setting_name(enum group_setting setting);
enum config_id group_setting_default(enum group_setting setting);

/* 0: not set for this group. */
int32_t image_group_setting(const struct image *image, struct bytes group, enum group_setting setting);

/* Settings from the node's own configuration. */
struct config_static {
    enum config_id id;
    int64_t value;
};
enum { CONFIG_STATICS_MAX = 32 };

struct image_config {
    int32_t node_id;
    uint32_t topics_max;
    uint32_t partitions_max;
    uint32_t brokers_max;
    uint32_t settings_max; /* that topics have of their own, all together */
    uint64_t hash_seed;
    uint32_t static_count;
    struct config_static statics[CONFIG_STATICS_MAX];
};

size_t image_size(const struct image_config *config);

/* In zeroed memory, aligned to 64. */
void image_init(struct image *image, const struct image_config *config);

/* Forgets everything but its own configuration: a snapshot follows. */
void image_clear(struct image *image);

enum apply_verdict {
    APPLY_DONE,
    APPLY_REFUSED,   /* its guard found something else than it expects: nothing was changed, here and everywhere; nor
                        may what follows in the same proposal be applied */
    APPLY_SKIPPED,   /* the same of a record that stands alone: what follows goes on */
    APPLY_FULL,      /* this node's limits are too small for this cluster: it has to stop */
    APPLY_MALFORMED, /* not a record that this version knows: it has to stop */
};

enum image_change_kind {
    CHANGE_NOTHING,
    CHANGE_TOPIC_CREATED,     /* topic */
    CHANGE_PARTITION_CREATED, /* topic, partition */
    CHANGE_PARTITION_CHANGED, /* topic, partition: anything of it, and its epoch; by image_drain, too */
    CHANGE_TOPIC_REMOVED,     /* topic: neither found nor listed any more; its slots are given back by
                                 image_drain, and can be looked at until then */
    CHANGE_PARTITION_REMOVED, /* topic, partition: by image_drain */
    CHANGE_TOPIC_CONFIG,      /* topic */
    CHANGE_BROKER_CONFIG,     /* broker, or SLOT_NONE: all of them. Rules of every topic may have changed */
    CHANGE_BROKER,            /* broker: registered, fenced or not and the like; partitions follow one by one */
    CHANGE_BROKER_REMOVED,    /* broker_id; broker is SLOT_NONE; partitions follow one by one */
    CHANGE_OWN_WISH,          /* wish, answer: one of this node's own; the records behind it are what it asked for */
};

/* What a record did. Slots are looked up when it is seen, before another record is applied. */
struct image_change {
    enum image_change_kind kind;
    uint32_t topic;
    uint32_t partition;
    uint32_t broker;
    uint64_t wish;       /* its sequence */
    struct bytes answer; /* lies in the record */
    bool unclean;        /* of a partition: an election that may have lost records */
    int32_t broker_id;   /* of CHANGE_BROKER_REMOVED: who is there no more */
};

/* Applies one record of the entry at `index`. Not while image_is_draining. Only then `change` says what it did. */
enum apply_verdict image_apply(struct image *image, uint64_t index, struct bytes record, struct image_change *change);

/* The entry at `index` has been applied as a whole. */
void image_advance(struct image *image, uint64_t index, uint64_t term);

/* A record may leave work for many steps: the slots of a removed topic are given back one by one (its own comes last,
 * as CHANGE_NOTHING), or partitions are looked at for the consequences of a record, and named when they changed. Each
 * call does a bounded piece and names at most one; CHANGE_NOTHING: it found none in that piece. Meanwhile questions
 * are answered as if what was not looked at were as before. */
bool image_is_draining(const struct image *image);
void image_drain(struct image *image, struct image_change *change);

/* What it says, for people and transcripts; cut off where the text ends. O(everything). */
void image_format(const struct image *image, struct text *text);

/* The invariants; O(everything). */
void image_check(const struct image *image);

#endif
