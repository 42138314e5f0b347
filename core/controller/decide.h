/* decide.h -- what becomes of a wish, judged by the image: records, or a Kafka error with a message.
 *
 * Pure: the same image, wish and numbers give the same decision. Errors and messages are those of Kafka's controller,
 * since tools and tests of its clients compare them. A wish that is refused leaves no records; one that is accepted
 * takes its share of what is left for the others. */
#ifndef CHRONIK_CONTROLLER_DECIDE_H
#define CHRONIK_CONTROLLER_DECIDE_H

#include "controller/controller.h"
#include "controller/placement.h"
#include "controller/sessions.h"
#include "meta/partition_rules.h"
#include "meta/records.h"

enum { REQUEST_PARTITIONS_MAX = 10000 }; /* as in Kafka: one request does not occupy a controller for long */

struct decision {
    const struct image *image;
    struct placement *placement; /* refreshed */
    uint32_t message_size_max;
    uint32_t topics_left; /* room of this cluster, less what is under way */
    uint32_t partitions_left;
    uint32_t settings_left;
    uint32_t request_partitions_left;
    uint64_t start; /* of placement, drawn anew for each topic */
    struct proposal *records;
    struct text *message;
};

enum error decide_name(struct bytes name, struct text *message);

enum error decide_topic(struct decision *decision, const struct create_topics_request_topic *topic,
                        const struct uuid *id, struct topic_made *made);
enum error decide_topic_removal(struct decision *decision, uint32_t topic);
enum error decide_partitions(struct decision *decision, const struct create_partitions_request_topic *topic);
enum error decide_settings(struct decision *decision, int8_t resource_type, struct bytes resource_name,
                           const struct setting_wish *wishes, uint32_t count, bool replace);

/* The same of a group of consumers. */
enum error decide_group_settings(struct decision *decision, struct bytes name, const struct setting_wish *wishes,
                                 uint32_t count, bool replace);

/* One name and value, as a number. */
enum error decide_setting(struct decision *decision, enum config_scope scope, struct bytes name, struct bytes text,
                          enum config_id *id, int64_t *value);

enum { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4, RESOURCE_GROUP = 32, ALL_BROKERS = -1 };

/* The broker that a resource name means, or ALL_BROKERS for "". False: not a number that a broker could have. */
bool decide_broker_name(struct bytes name, int32_t *broker_id);

/* A new cluster begins with its id and the level of its records. */
enum { FEATURE_LEVEL = 1 };
void decide_cluster(const struct uuid *cluster_id, struct proposal *records);

/* After a disaster the cluster goes on with one node: all others are forgotten. `drawn`: another number each time. */
void decide_recovery(const struct image *image, int32_t node_id, uint64_t drawn, struct proposal *records);

/* A broker that has started registers anew: its epoch will be the index of this record. `unclean`: it does not hold
 * what it promised to hold, so it leaves every ISR and ELR with this record. It is an observer if it wants to be, and
 * somebody else is there who is none; of one that is known, what it was stays (image_apply). */
void decide_registration(const struct image *image, int32_t broker_id, const struct uuid *incarnation,
                         const struct wish_registration_record *registration, bool unclean, struct proposal *records);

/* ---- who is in sync, who leads (decide_leaders.c) ---- */

/* What a partition's leader wishes of its ISR. As in Kafka: NOT_CONTROLLER: it knows more than we do;
 * FENCED_LEADER_EPOCH, INVALID_UPDATE_VERSION: it knows less; INELIGIBLE_REPLICA: of a member that is not alive, or not
 * the one that the leader means; INVALID_REQUEST. NEW_LEADER_ELECTED says that it is done and moved the leader, as when
 * one whose disk is full asks to leave the ISR. */
enum error decide_isr(const struct image *image, int32_t broker_id, const struct wish_isr_record_partition *wish,
                      struct proposal *records);

/* STALE_BROKER_EPOCH, or BROKER_ID_NOT_REGISTERED, if this is not the present life of the broker; fenced or not. */
enum error decide_origin(const struct image *image, int32_t broker_id, int64_t broker_epoch);

/* ElectLeaders, of a partition by slot. ELECT_ANYBODY may lose records, and is for who demands it. */
enum error decide_election(const struct image *image, uint32_t partition, enum election election,
                           struct proposal *records);

/* The next elections of preferred replicas that do not lead but can: of partitions behind `*partition` (SLOT_NONE at
 * first), looking at up to `looks_max` and adding up to `count_max` records. `*partition` is where to go on; SLOT_NONE:
 * that was all of them. */
uint32_t decide_preferred_leaders(const struct image *image, uint32_t *partition, uint32_t looks_max,
                                  uint32_t count_max, struct proposal *records);

/* ---- who has replicas (decide_replicas.c) ---- */

/* AlterPartitionReassignments, of a partition by slot; a target of NULL takes back the one that runs. */
enum error decide_reassignment(struct decision *decision, uint32_t partition, const int32_t *target, uint32_t count);

/* Makes `target`, in its order, the replicas of a partition, if need be by a reassignment. `retarget`: it is also meant
 * to have as many from now on. */
enum replicas_verdict {
    REPLICAS_CHANGED,  /* a record is added */
    REPLICAS_SAME,     /* it is so already */
    REPLICAS_TOO_MANY, /* old and new ones together */
    REPLICAS_LOSE_ALL, /* nobody would remain who has what is committed */
};
/* Others observe the partition than do. False: it is so already. */
bool decide_observers(const struct image *image, uint32_t partition, const int32_t *ids, uint32_t count,
                      struct proposal *records);
enum replicas_verdict decide_replicas(const struct image *image, uint32_t partition, const int32_t *target,
                                      uint32_t count, bool retarget, struct proposal *records);

/* What replicas somebody has named by hand; `expected`: as many as other partitions have, or 0. */
enum error decide_assignment(struct decision *decision, const int32_t *ids, uint32_t count, uint32_t expected);

/* ---- brokers (decide_brokers.c) ---- */

/* What sessions (sessions.h) found out. */
void decide_session(const struct session_decision *decision, struct proposal *records);

/* The broker is to be emptied, or not any more. Refused for an unknown one, and for the last one that stays. */
enum error decide_leaving(const struct image *image, int32_t broker_id, bool leaving, struct proposal *records,
                          struct text *message);

/* An observer is an ordinary broker from now on: what it observes it has a replica of, which has to catch up. */
enum error decide_promotion(const struct image *image, int32_t broker_id, struct proposal *records,
                            struct text *message);

/* Whether there is a partition of which nobody else holds what is committed. O(partitions) if it has any. */
bool decide_is_only_survivor(const struct image *image, int32_t broker_id);

/* UnregisterBroker. Refused while it has replicas, or is alive: it is to leave first. `force`: it is lost, and so is
 * what only it had. */
enum error decide_unregistration(const struct image *image, int32_t broker_id, bool force, struct proposal *records,
                                 struct text *message);

/* Raises (or lowers) the level of metadata.version, if every registered broker understands it. */
enum error decide_feature_level(const struct image *image, int16_t level, struct proposal *records,
                                struct text *message);

enum { PRODUCER_ID_BLOCK = 1000 }; /* as in Kafka */

/* More than a cluster gives out between an entry that a survivor of a disaster has and the last one that was lost. */
#define LOST_PRODUCER_IDS (INT64_C(1) << 32)
void decide_producer_ids(const struct image *image, int32_t broker_id, struct proposal *records);

#endif
