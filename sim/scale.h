/* scale.h -- a cluster of very many nodes: what it is made of, how it grows, and what befalls it.
 *
 *   GROW    all nodes join one that founds; when they are at rest, topics are made until there are ten partitions for
 *           each node; they come to rest, too
 *   CHAOS   all nodes are stopped and started again, one zone after the other, while clients work; then the
 *           leader of the metadata group loses power, and another voter its disk
 *
 * Then it goes on as any run (run.h). */
#ifndef CHRONIK_SIM_SCALE_H
#define CHRONIK_SIM_SCALE_H

#include "sim/run.h"

void scale_knobs(struct knobs *knobs, const struct wishes *wishes);
void scale_config(const struct knobs *knobs, struct config *config);
void scale_schedule(const struct knobs *knobs, struct schedule *schedule);

/* Looks how far the cluster has grown, and has what is missing made. True: it is there, and at rest. */
bool scale_has_grown(struct run *run);

#endif
