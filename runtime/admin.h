/* admin.h -- what operators and their tools ask of a server over HTTP.
 *
 *     GET  /health  /metrics  /admin/status
 *          /admin/cluster/members  /admin/cluster/leader  /admin/cluster/partitions
 *     POST /admin/add-node  /admin/remove-node  /admin/cluster/transfer-leader
 *
 * A POST carries {"node_id": N, "force": true}, as far as its order wants them. It may come from this machine, or with
 * the key in X-API-Key that CHRONIK_ADMIN_API_KEY names; without one, from nowhere else. Answers are JSON. */
#ifndef CHRONIK_RUNTIME_ADMIN_H
#define CHRONIK_RUNTIME_ADMIN_H

#include "disk.h"
#include "net.h"
#include "node.h"

struct admin;

struct admin_config {
    int fd;              /* a listening socket; taken over */
    const char *api_key; /* "" if there is none. Stays put */
};

/* NULL after a logged line. */
struct admin *admin_new(uv_loop_t *loop, const struct admin_config *config, const struct node *node, struct net *net,
                        const struct disk *disk);

/* The loop has to run once more before admin_free. */
void admin_close(struct admin *admin);
void admin_free(struct admin *admin);

#endif
