/* raft_judge.h -- what must be true of any run of a Raft engine.
 *
 *   O4  ELECTION   a term has one leader.
 *   O4  ELECTED    a majority of its voters (of both sets while joint) voted for a new leader, in its term.
 *   O4  VOTE       a node votes once per term, whatever it forgets.
 *   O4  ALONE      who has heard no majority for long does not believe to lead.
 *   O5  MATCH      an index and a term name one entry and one entry before it, everywhere and always.
 *   O6  COMPLETE   a new leader has all that was committed before its term.
 *   O6  STATE      all nodes apply the same entries in the same order; snapshots equal the state at their index.
 *   O6  LIST       a node goes by the newest member list in its log.
 *   O6  FRESH      a read's index is not below what was committed when it was asked.
 *   O12 PROMISE    what a message promises is durable at its sender when it leaves.
 *   O14 QUORUM     what a leader commits is durable on a majority of its voters (of both sets while joint).
 *   O14 OWN TERM   a leader commits by counting only entries of its own term (Raft, figure 8).
 *
 * A leader commits what it says so of: to its caller, or in a message. */
#ifndef CHRONIK_SIM_RAFT_JUDGE_H
#define CHRONIK_SIM_RAFT_JUDGE_H

#include "sim/raft_world.h"

/* Whether nodes can be held against each other. */
bool raft_judged(const struct raft_world *world);

/* An entry entered a node's log. */
void raft_judge_entry(struct raft_world *world, struct raft_node *node, uint64_t index, const struct raft_item *item);
void raft_judge_applied(struct raft_world *world, struct raft_node *node, uint64_t index, const struct raft_item *item);
void raft_judge_installed(struct raft_world *world, struct raft_node *node, const struct raft_picture *picture);
/* After each call, before anything that it wants is done. */
void raft_judge_step(struct raft_world *world, struct raft_node *node);
void raft_judge_message(struct raft_world *world, struct raft_node *node, const struct raft_message *message);
void raft_judge_read(struct raft_world *world, struct raft_node *node, const struct raft_pending_read *read,
                     uint64_t index);
void raft_judge_alone(struct raft_world *world, const struct raft_node *node);

#endif
