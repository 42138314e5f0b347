/* node_state.h -- the roof's memory, for node.c, which routes, and status.c, which answers questions. */
#ifndef CHRONIK_NODE_STATE_H
#define CHRONIK_NODE_STATE_H

#include "broker/broker.h"
#include "controller/controller.h"
#include "group/groups.h"
#include "log/logs.h"
#include "node.h"
#include "peer/peers.h"
#include "replica/replicas.h"

enum { NODE_ADDRESS_SIZE = sizeof(((struct address *)0)->host) + 8 };

enum phase {
    PHASE_NEW,
    PHASE_METADATA,    /* the controller reads its log */
    PHASE_REGISTERING, /* and applies what the cluster has agreed on, up to this start of the node */
    PHASE_LOGS,        /* the logs that the image names are recovered; it stands still meanwhile */
    PHASE_RETURNING,   /* the leader is told so, and counts on this node again */
    PHASE_SERVING,
    PHASE_LEAVING,  /* asked to stop: others take over what it leads */
    PHASE_ENDING,   /* requests are finished */
    PHASE_FLUSHING, /* the logs write what they hold, and a checkpoint */
    PHASE_HALTED,
};

struct node {
    struct config config;
    char address[NODE_ADDRESS_SIZE]; /* "host:port" of config.node_address; "": alone */
    enum phase phase;
    uint64_t mono_ns;
    int64_t wall_ms;
    uint64_t steps; /* since everything was checked, */
    uint64_t checked_ns;
    uint64_t retention_due_ns;
    uint64_t leave_by_ns; /* PHASE_LEAVING: whoever has not taken over by then never will */
    bool work_left;       /* more changed than one step may carry on */
    bool peers_open;
    bool seeks;             /* dials its seeds */
    struct uuid cluster_id; /* image_identity, as it was told to peers */
    uint64_t sampled_ns;    /* once a second: how much was sent to followers, and how fast, in bytes a second */
    uint64_t sampled_size;
    uint64_t replicated_rate;
    uint64_t frames_refused; /* frames of other nodes that nobody here speaks of, or that are malformed */
    struct peers *peers;     /* NULL: this node is alone */
    struct controller *controller;
    struct logs *logs;
    struct replicas *replicas;
    struct groups *groups;
    struct broker *broker;
};

struct node_status;

/* status_partitions.c: its part of node_status; and, at the end of a step, what only time shows. */
void status_of_partitions(const struct node *node, struct node_status *status);
void status_sample(struct node *node);

#endif
