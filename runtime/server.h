/* server.h -- one node on libuv: the production host of the core. */
#ifndef CHRONIK_RUNTIME_SERVER_H
#define CHRONIK_RUNTIME_SERVER_H

#include "settings.h"

/* What the process ends with. 0 is a clean stop. */
enum exit_code {
    EXIT_STOPPED = 0,
    EXIT_CANNOT_START = 1, /* a port, the data directory, memory */
    EXIT_USAGE = 2,        /* command line or config file */
    EXIT_DISK_FAILED = 3,
    EXIT_DISK_FULL = 4,
    EXIT_CORRUPT = 5,
    EXIT_FOREIGN = 6,
    EXIT_REMOVED = 7,  /* this node is none of its cluster any more */
    EXIT_PROMOTED = 8, /* to be run with `recovers`, and then again */
    EXIT_KILLED = 130, /* a second signal, while stopping */
};

/* Runs until the node halts, or cannot start; every reason has been logged. */
enum exit_code server_run(const struct settings *settings);

#endif
