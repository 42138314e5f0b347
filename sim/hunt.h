/* hunt.h -- for hours: which seeds fail, of every kind of run? `chronik-sim hunt`.
 *
 * What it finds is kept in a directory (hunt_store.h), from which the next hunt goes on.
 * Each kind of run gets the same time. Now and then a canary runs, which fails on purpose: a hunt that does not find it
 * is worth nothing, and says so. */
#ifndef CHRONIK_SIM_HUNT_H
#define CHRONIK_SIM_HUNT_H

#include <stdbool.h>

bool hunt_is_asked(int argc, char **argv);

/* The whole command; returns its exit code. */
int hunt_main(int argc, char **argv);

#endif
