/* operate.h -- what an operator may order of a cluster (the request `operate` in codec/schema/operator.schema).
 *
 * What takes long is begun and goes on by itself; asking again tells how far it is, and changes nothing. Every node
 * takes an order. */
#ifndef CHRONIK_BROKER_OPERATE_H
#define CHRONIK_BROKER_OPERATE_H

enum operation {
    OPERATION_ADD_NODE,    /* how node_id joins; one that leaves stays after all */
    OPERATION_REMOVE_NODE, /* node_id leaves: first its partitions, then its vote, then it. force: now, it is lost */
    OPERATION_TRANSFER_LEADER,  /* node_id leads the metadata; -1: whoever is furthest */
    OPERATION_PROMOTE,          /* the node that is asked goes on alone; force: although there is a leader */
    OPERATION_REBALANCE,        /* every node has as many replicas, and leads as many partitions, as any other */
    OPERATION_PROMOTE_OBSERVER, /* node_id observes no more: it is an ordinary node */
};

#endif
