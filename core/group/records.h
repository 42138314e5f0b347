/* records.h -- the records of __consumer_offsets: which bytes are which fact? docs/groups.md has the tables.
 *
 * Keys and values are Kafka's own, so that its tools read them, and so that a log which Kafka wrote is read here. What
 * is written is Kafka's usual version of each; all that it ever wrote is read. A key of a kind that is not known here
 * is passed over, as Kafka does it: it belongs to a newer feature. */
#ifndef CHRONIK_GROUP_RECORDS_H
#define CHRONIK_GROUP_RECORDS_H

#include "codec/reader.h"
#include "codec/writer.h"

#define OFFSETS_TOPIC BYTES_LITERAL("__consumer_offsets")

/* Which partition of the topic has a group: the coordinator is its leader. Java's String.hashCode of the id, as Kafka
 * takes it, without its sign. */
uint32_t group_partition(struct bytes group_id, uint32_t partition_count);

enum record_kind {
    RECORD_OFFSET, /* what a group has committed for a partition */
    RECORD_GROUP,  /* a generation of a group, and its members */
    /* Of groups of the newer protocol; their values are in consumer_records.h. */
    RECORD_CONSUMER_GROUP,  /* its epoch */
    RECORD_CONSUMER_MEMBER, /* what a member says of itself */
    RECORD_TARGET,          /* the epoch of the target assignment */
    RECORD_TARGET_MEMBER,   /* what a member is to have */
    RECORD_CURRENT_MEMBER,  /* what it has */
    RECORD_REGEX,           /* the topics of a regular expression */
    RECORD_OTHER,           /* of a kind that is not known */
    RECORD_BROKEN,          /* no key that Kafka writes */
};

struct record_key {
    enum record_kind kind;
    struct bytes group_id;
    struct bytes topic; /* of RECORD_OFFSET, as is the next */
    int32_t partition;
    struct bytes name; /* of those that have one: the member's id, or the expression */
};

struct record_key record_key_read(struct bytes key);
void record_key_write(struct writer *writer, const struct record_key *key);

enum { NO_EXPIRY = -1 };

struct offset_value {
    int64_t offset;
    int32_t leader_epoch; /* -1: not told */
    struct bytes metadata;
    int64_t commit_ms;
    int64_t expire_ms; /* NO_EXPIRY: as offsets.retention.minutes says */
};

/* False: not a value that Kafka writes. */
bool offset_value_read(struct bytes value, struct offset_value *offset);
void offset_value_write(struct writer *writer, const struct offset_value *offset);

struct group_value {
    struct bytes protocol_type;
    int32_t generation;
    struct bytes protocol; /* null: there is none, as of an empty group */
    struct bytes leader;   /* null: nobody */
    int64_t state_ms;      /* when the group came into its state; -1: not known */
    uint32_t member_count; /* so many member_value follow */
};

struct member_value {
    struct bytes member_id;
    struct bytes instance_id; /* null: none */
    struct bytes client_id;
    struct bytes client_host;
    int32_t rebalance_ms;
    int32_t session_ms;
    struct bytes subscription; /* what it said for the group's protocol */
    struct bytes assignment;
};

/* Reads what comes before the members, and then one after the other with the same reader and version. False: not a
 * value that Kafka writes. */
bool group_value_read(struct reader *reader, int16_t *version, struct group_value *group);
bool member_value_read(struct reader *reader, int16_t version, struct member_value *member);

void group_value_write(struct writer *writer, const struct group_value *group);
void member_value_write(struct writer *writer, const struct member_value *member);

/* Whether a subscription of the consumer protocol names a topic; also if it cannot be read: then nobody knows. */
bool subscription_has_topic(struct bytes subscription, struct bytes topic);

#endif
