/* why.h -- what led to an event? The one that sent what came in, ordered what the disk has done, set the deadline that
 * is here; what led to that; and so on, to where it began or to what the tape still has. */
#ifndef CHRONIK_SIM_WHY_H
#define CHRONIK_SIM_WHY_H

#include "sim/tape.h"

/* A line per event, the oldest first. */
void why_print(const struct tape *tape, uint64_t event, FILE *file);

#endif
