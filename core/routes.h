/* routes.h -- the roof's routes, for its own files: which fact goes to which room, and whose answer matters to whom.
 *
 *     node.c            a start's phases, the step, the ends
 *     node_memory.c     what each room gets
 *     route_changes.c   what the metadata log applied, to logs and clients; what it is to decide
 *     route_peers.c     what other nodes did and said
 *     route_logs.c      what became durable, committed, and readable */
#ifndef CHRONIK_ROUTES_H
#define CHRONIK_ROUTES_H

#include "node_state.h"

/* ---- node.c ---- */

void node_halt(struct node *node, const struct effect_halt *why, struct effects *effects);

/* ---- node_memory.c ---- */

/* The text stays where it is. */
struct peer_address route_address(const struct address *address);

/* ---- route_changes.c ---- */

/* Names every log that the image gives to this node. */
void route_open_logs(struct node *node);

/* What the metadata log applied, carried on to logs, replicas and clients. Before the logs are open they hear of
 * nothing: they are opened from the image as a whole. */
void route_changes(struct node *node, struct effects *effects);

/* Leaderships and replicas that were lost, to who waits for them: before what is committed is told, because it may be
 * another leader's. */
void route_losses(struct node *node);

/* What this node has to decide, as the leader of the metadata log; whoever asked. */
void route_wishes(struct node *node, struct effects *effects);

/* ---- route_peers.c ---- */

/* What other nodes did and said, to the rooms. */
void route_in(struct node *node, struct effects *effects);

/* What the rooms have to say to other nodes, and with whom they want to speak. */
void route_out(struct node *node, struct effects *effects);

/* ---- route_logs.c ---- */

/* Whether partitions are led and followed: not before the logs are open, nor when they are closed for good. */
bool node_replicates(const struct node *node);

/* What became durable or committed, and which reads may be asked again. */
void route_logs(struct node *node, struct effects *effects);

/* Whose request to its group may be answered. */
void route_groups(struct node *node);

/* What was appended in this step, to those who follow; and what that meant. Behind all that appends. */
void route_appended(struct node *node, struct effects *effects);

#endif
