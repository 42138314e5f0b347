/* rest.h -- has the cluster come to rest, as it must when nothing goes wrong any more?
 *
 * All machines that are part of it are up and serve; one of them leads the metadata group; all have applied what is
 * committed; all are members and counted on; of them, as many vote as should. Every partition is led, all its
 * replicas are in sync, and everything in it is committed and durable on each. */
#ifndef CHRONIK_SIM_REST_H
#define CHRONIK_SIM_REST_H

#include "sim/run.h"

bool rest_is_reached(const struct run *run);

/* A machine whose node is to be emptied and removed, as the cluster sees it; MACHINE_NONE: there is none. */
uint32_t rest_leaving(const struct run *run);

/* Whether the node of a machine votes, as far as the leader knows. */
bool rest_votes(const struct run *run, uint32_t machine);

/* Whether the node of a machine is in the list of members that is in force, under any identity. */
bool rest_is_member(const struct run *run, uint32_t machine);

/* The cluster has made up for the lost disk of a machine: it is a member again, and who it was is none. */
bool rest_is_whole(const struct run *run, uint32_t machine);

/* Whether the disk of a machine may be lost now: not while the votes on it are needed. */
bool rest_may_wipe(const struct run *run, uint32_t machine);

/* What is still missing, of the cluster and of clients. */
void rest_format(const struct run *run, char *text, uint32_t size);

#endif
