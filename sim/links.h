/* links.h -- by which number does a node know a connection, and what has it ordered on it?
 *
 * Between the net, which moves bytes, and a node, which knows links: it turns orders about links into what the net
 * does, and what the net has for an end into events. It watches the loan law: what is being sent must not change.
 * Clients have no numbers; they are told of their connections at once (world.h has what is told). */
#ifndef CHRONIK_SIM_LINKS_H
#define CHRONIK_SIM_LINKS_H

#include "sim/net.h"

struct world;

/* The numbers of one range that are or were in use; grows with the largest. */
enum { BANK_KAFKA, BANK_PEERS, BANK_DIALED, BANK_COUNT };
struct bank {
    uint32_t *list; /* connection * 2 + side, or LINK_NONE */
    uint32_t count;
    uint32_t lowest; /* every number below is in use */
};

/* Whether it is one of the happenings that links_event() understands. */
bool links_concern(enum happening_kind kind);

/* True: it is a fact for the node of that machine. */
bool links_event(struct world *world, const struct happening *happening, struct event *event);

/* RECEIVE, SEND, CLOSE_LINK, OPEN_LINK. */
void links_order(struct world *world, uint32_t machine, const struct effect *effect);

/* Which end of which connection a machine's node knows by that number, as connection * 2 + side; or LINK_NONE. */
uint32_t links_end(const struct world *world, uint32_t machine, uint32_t link);

/* The process is dead, or the whole machine has lost its power and `dark` tells nobody. */
void links_kill(struct world *world, uint32_t machine, bool dark);

/* Walks the connections of a machine: the first at or behind *at, as connection * 2 + side; LINK_NONE at the end. */
uint32_t links_next(const struct world *world, uint32_t machine, uint32_t *at);

void links_free(struct world *world, uint32_t machine);

#endif
