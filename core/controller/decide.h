/* decide.h -- what becomes of a wish, judged by the image: records, or a Kafka error with a message.
 *
 * Pure: the same image, wish and numbers give the same decision. Errors and messages are those of Kafka's controller,
 * since tools and tests of its clients compare them. A wish that is refused leaves no records; one that is accepted
 * takes its share of what is left for the others. */
#ifndef CHRONIK_CONTROLLER_DECIDE_H
#define CHRONIK_CONTROLLER_DECIDE_H

#include "controller/controller.h"
#include "controller/placement.h"
#include "meta/records.h"

enum { REQUEST_PARTITIONS_MAX = 10000 }; /* as in Kafka: one request does not occupy a controller for long */

struct decision {
    const struct image *image;
    const struct placement *placement; /* refreshed */
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

/* One name and value, as a number. */
enum error decide_setting(struct decision *decision, enum config_scope scope, struct bytes name, struct bytes text,
                          enum config_id *id, int64_t *value);

enum { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4, ALL_BROKERS = -1 };

/* The broker that a resource name means, or ALL_BROKERS for "". False: not a number that a broker could have. */
bool decide_broker_name(struct bytes name, int32_t *broker_id);

/* A new cluster begins with its id and the level of its records. */
enum { FEATURE_LEVEL = 1 };
void decide_cluster(const struct uuid *cluster_id, struct proposal *records);

/* A broker that has started registers anew: its epoch will be the index of this record. */
void decide_registration(int32_t broker_id, const struct uuid *incarnation,
                         const struct wish_registration_record *registration, struct proposal *records);

enum { PRODUCER_ID_BLOCK = 1000 }; /* as in Kafka */
void decide_producer_ids(const struct image *image, int32_t broker_id, struct proposal *records);

#endif
