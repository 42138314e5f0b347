/* operator.h -- how an operator's orders reach the node: as a client's would, in frames, over a link of its own.
 *
 * So the node needs no other door, and the simulator can do whatever an operator does. One end of a pair of sockets is
 * a link like any (LISTENER_OPERATOR tells it apart), the other one is here. */
#ifndef CHRONIK_RUNTIME_OPERATOR_H
#define CHRONIK_RUNTIME_OPERATOR_H

#include "codec/messages.h"
#include "net.h"

enum { OPERATOR_ASKED_MAX = 64 }; /* orders under way; more are refused */

struct operator_handler {
    /* The answer to the order that was given under this id; NULL: the node has broken off. */
    void (*answered)(void *context, uint64_t id, const struct operate_response *response);
    void *context;
};

struct operator;

/* NULL if there is no memory. The link is made with the first order, and again after it was closed. */
struct operator* operator_new(uv_loop_t *loop, struct net *net, const struct operator_handler *handler);

/* False: not now. */
bool operator_ask(struct operator* operator, uint64_t id, const struct operate_request *request);

/* Whoever waits is told nothing more. The loop has to run once more before operator_free. */
void operator_close(struct operator* operator);
void operator_free(struct operator* operator);

#endif
