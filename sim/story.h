/* story.h -- a run in a dozen lines: whom the faults hit and what they were just then, who led, who fell behind, what
 * was acknowledged where it matters, and what the judge saw. */
#ifndef CHRONIK_SIM_STORY_H
#define CHRONIK_SIM_STORY_H

#include "sim/tape.h"

enum { STORY_LINES = 16 };

void story_print(const struct tape *tape, FILE *file);

#endif
