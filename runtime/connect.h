/* connect.h -- a connection that a typed command makes, and waits for. */
#ifndef CHRONIK_RUNTIME_CONNECT_H
#define CHRONIK_RUNTIME_CONNECT_H

#include <stdint.h>

/* A connected socket whose calls give up after that many seconds; or -1, and in `why` why not. */
int connect_to(const char *host, uint16_t port, unsigned patience_s, const char **why);

#endif
