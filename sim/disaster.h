/* disaster.h -- all nodes but one are lost for ever, it goes on alone, and they come back all the same.
 *
 *   STRUCK   the others have lost their power, and nobody ever serves clients there again. The survivor is ordered to
 *            go on alone, while it runs (promote) or at its next start (recover), and at once if it falls meanwhile
 *   ALONE    it has, and serves. Those that were left behind are started with the disks that they had. Each of them
 *            must find out that its cluster is gone, and stop; then it comes back with an empty disk
 *
 * What may be lost, the judge is told when it strikes: metadata that the survivor did not know to be committed, and
 * partitions of which it did not have to have everything. The rest is owed as ever. */
#ifndef CHRONIK_SIM_DISASTER_H
#define CHRONIK_SIM_DISASTER_H

#include <stdbool.h>
#include <stdint.h>

struct run;

enum disaster_stage { DISASTER_NONE, DISASTER_STRUCK, DISASTER_ALONE };

struct disaster {
    enum disaster_stage stage;
    uint32_t survivor;
    uint32_t obstacle; /* around those that were left behind: no client gets there */
    uint32_t count;    /* how many there were */
};

/* False: it cannot be that node, or not now. */
bool disaster_strike(struct run *run, uint32_t survivor, bool online);

/* A node has ended itself. True: that is part of a disaster, and seen to. */
bool disaster_on_halt(struct run *run, uint32_t machine);

/* Before a machine starts: whether it goes on alone by that. */
void disaster_on_start(struct run *run, uint32_t machine);

/* Now and then: who was left behind comes back. */
void disaster_go_on(struct run *run);

/* All faults have ended, and with them all obstacles. */
void disaster_heal(struct run *run);

/* Nobody is left behind any more. */
bool disaster_is_over(const struct run *run);

#endif
