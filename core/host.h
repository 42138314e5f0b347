/* host.h -- the one loop that every host runs, whatever its clock, network and disk are made of.
 *
 * A host is two functions: one waits for the next fact, one carries out what a step ordered. runtime/ has them on
 * libuv, sim/ on a queue and a seed. The loop is here, in a header, so that the core itself needs neither. */
#ifndef CHRONIK_HOST_H
#define CHRONIK_HOST_H

#include "node.h"

struct host; /* each host defines its own */

/* The next fact, and the node that it concerns: a host may have one node or thousands. NULL ends the loop. */
struct node *host_wait(struct host *host, struct event *event);

/* Carries out what the node that was returned last has ordered. Orders may be done in any order that keeps those for
 * one path in line (base/effect.h), and nothing is answered from in here: answers come out of host_wait. */
void host_do(struct host *host, struct effects *effects);

static inline void host_run(struct host *host, struct effects *effects)
{
    struct event event;

    for (struct node *node; (node = host_wait(host, &event)) != NULL;) {
        effects->count = 0;
        effects->notes_dropped = 0;
        node_step(node, &event, effects);
        host_do(host, effects);
    }
}

#endif
