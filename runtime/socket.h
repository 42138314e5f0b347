/* socket.h -- "host:port" read, bound, and made into something that clients can reach. */
#ifndef CHRONIK_RUNTIME_SOCKET_H
#define CHRONIK_RUNTIME_SOCKET_H

#include "node.h"

/* Reads "host:port" or "[v6]:port"; the port may be 0 for any. NULL, or what is wrong with it. */
const char *address_parse(const char *text, struct address *address);

/* Reads "id@host:port": another node, and where it is reached. NULL, or what is wrong with it. */
const char *seed_parse(const char *text, struct seed_node *seed);

enum { ADDRESS_TEXT_SIZE = sizeof(((struct address *)0)->host) + 10 };
const char *address_format(const struct address *address, char text[ADDRESS_TEXT_SIZE]);

/* A listening, non-blocking socket, and the port it got. -1 after a logged line; `name` says whose it is. */
int socket_listen(const char *name, const struct address *address, uint16_t *port);

/* Where clients reach what listens on `bound`, if nobody said so: the same, or for 0.0.0.0 and :: an address of this
 * machine. True if that was a guess. */
bool address_guess(const struct address *bound, struct address *advertised);

#endif
