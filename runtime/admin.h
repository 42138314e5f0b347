/* admin.h -- what operators and their tools ask a server over HTTP: /health, /metrics, /admin/status. */
#ifndef CHRONIK_RUNTIME_ADMIN_H
#define CHRONIK_RUNTIME_ADMIN_H

#include "disk.h"
#include "net.h"
#include "node.h"

struct admin;

/* Takes over a listening socket. NULL after a logged line. */
struct admin *admin_new(uv_loop_t *loop, int fd, const struct node *node, const struct net *net,
                        const struct disk *disk);

/* The loop has to run once more before admin_free. */
void admin_close(struct admin *admin);
void admin_free(struct admin *admin);

#endif
