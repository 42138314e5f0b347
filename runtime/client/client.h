/* client.h -- a cluster as a typed command sees it: who is in it, who leads what.
 *
 * Any broker of any maker that speaks Kafka's protocol will do; the first of the bootstrap addresses that answers says
 * where the others are. */
#ifndef CHRONIK_RUNTIME_CLIENT_CLIENT_H
#define CHRONIK_RUNTIME_CLIENT_CLIENT_H

#include "runtime/client/contact.h"

#include <time.h>

enum { CLIENT_BOOTSTRAP_MAX = 16, CLIENT_MEMORY_SIZE = 256 << 20 };

struct client_broker {
    int32_t id;
    struct contact contact;
};

struct client {
    struct address bootstrap[CLIENT_BOOTSTRAP_MAX];
    uint32_t bootstrap_count;
    struct contact first; /* to one of them */
    struct client_broker *brokers;
    uint32_t broker_count, broker_max;
    int32_t controller;  /* -1: nobody says */
    struct arena memory; /* for what a command keeps: until client_free */
    char error[CONTACT_ERROR_SIZE];
};

/* What is wrong with the addresses ("host:port,host:port"); NULL: nothing. */
const char *client_init(struct client *client, const char *bootstrap);
void client_free(struct client *client);

/* A topic, as the last client_topics saw it. */
struct client_topic {
    struct bytes name;
    struct uuid id;
    int16_t error; /* of the topic: nothing else is known then */
    bool internal;
    uint32_t partition_count;
    struct client_partition *partitions; /* [i].index is i, unless the broker left some out */
};
struct client_partition {
    int32_t index, leader, leader_epoch; /* leader -1: none */
    const int32_t *replicas, *isr, *offline;
    uint32_t replica_count, isr_count, offline_count;
};
struct client_topics {
    struct client_topic *topics;
    uint32_t count;
};

/* Asks for these topics, or for all (names NULL), and learns where the brokers are. Nothing is created by that. False:
 * nobody answers. What was asked for stays in the client's memory. */
bool client_topics(struct client *client, const struct bytes *names, uint32_t count, struct client_topics *topics);

/* An open connection to this broker, to any, or to the controller (who is any, where all brokers pass requests on);
 * NULL: there is none. */
struct contact *client_broker(struct client *client, int32_t id);
struct contact *client_any(struct client *client);
struct contact *client_controller(struct client *client);

/* contact_version, and says so if there is none. -1 then. */
int16_t client_version(struct client *client, const struct contact *contact, int16_t api_key, int16_t most);

/* Copies into the client's memory. */
struct bytes client_keep(struct client *client, struct bytes bytes);
void *client_take(struct client *client, size_t count, size_t size); /* zeroed */

/* Finds one topic; waits up to that long while it is just being made, and a moment for one that is not there: perhaps
 * the broker that was asked has only not heard of it. False, and why not in the client's error. */
bool client_find_topic(struct client *client, struct bytes name, int64_t patience_ms, struct client_topic *topic);

/* Whether the same request may succeed in a moment, perhaps at another broker. */
bool client_may_retry(int16_t error);

/* Before it is tried again. */
void client_pause(void);
uint64_t client_now_ms(clockid_t clock);

#endif
