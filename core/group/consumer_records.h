/* consumer_records.h -- the values that groups of the newer protocol (KIP-848) leave in __consumer_offsets.
 *
 * Version 0 of each, flexible, as Kafka 4 writes them; docs/groups.md has the tables. What later versions add as
 * tagged fields is passed over. */
#ifndef CHRONIK_GROUP_CONSUMER_RECORDS_H
#define CHRONIK_GROUP_CONSUMER_RECORDS_H

#include "codec/reader.h"
#include "codec/writer.h"
#include "group/embedded.h"
#include "group/reconcile.h"

struct consumer_group_value {
    int32_t epoch;
    int64_t hash; /* of what its topics look like */
};

/* Texts as they lie in a value, one behind the other: reader_string(.., true, false) gives each. */
struct texts_value {
    struct bytes texts;
    uint32_t count;
};

/* Of a member that speaks the classic protocol. */
struct classic_value {
    int32_t session_ms;
    struct bytes protocols; /* when written: as embedded.h keeps them; when read: as they lie there, one behind the */
    uint32_t count;         /* other, so many: supported_value_read gives each */
};

struct consumer_member_value {
    struct bytes instance_id; /* null: none, as the next one */
    struct bytes rack;
    struct bytes client_id;
    struct bytes client_host;
    struct texts_value topics; /* that it subscribes to by name */
    struct bytes regex;        /* null: none */
    int32_t rebalance_ms;
    struct bytes assignor; /* null: it does not say */
    bool is_classic;
    struct classic_value classic;
};

struct regex_value {
    struct texts_value topics;
    int64_t version; /* of the topics that were looked through */
    int64_t time_ms;
};

/* Names of topics as they are kept: each as int16 size and bytes. */
bool names_next(struct bytes *names, struct bytes *name);

/* How many bytes one takes there. */
enum { NAME_HEAD_SIZE = 2 };
uint8_t *names_put(uint8_t *to, struct bytes name);

/* False: not a value that Kafka writes. Lists of partitions are read into the caller's memory, in order; of more than
 * there is room for nothing is read. */
bool consumer_group_value_read(struct bytes value, struct consumer_group_value *group);
bool consumer_member_value_read(struct bytes value, struct consumer_member_value *member);
struct supported supported_value_read(struct reader *reader);
bool target_value_read(struct bytes value, int32_t *epoch);
bool target_member_value_read(struct bytes value, struct part *list, uint32_t max, struct part_list *parts);
bool current_member_value_read(struct bytes value, struct part *list, uint32_t max, struct member_standing *standing);
bool regex_value_read(struct bytes value, struct regex_value *regex);

/* `topics` of what is written are names as they are kept. */
void consumer_group_value_write(struct writer *writer, const struct consumer_group_value *group);
void consumer_member_value_write(struct writer *writer, const struct consumer_member_value *member);
void target_value_write(struct writer *writer, int32_t epoch);
void target_member_value_write(struct writer *writer, struct part_list parts);
void current_member_value_write(struct writer *writer, const struct member_standing *standing);
void regex_value_write(struct writer *writer, const struct regex_value *regex);

#endif
