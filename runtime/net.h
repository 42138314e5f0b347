/* net.h -- the core's links: sockets that are read when the core asks, and written as far as they take it.
 *
 * Readiness comes from libuv (uv_poll); reading and writing is done here, so that bytes go straight where the core
 * wants them and file ranges straight from the page cache. A link is watched for reading as long as the core reads it;
 * what comes while it does not stays in the kernel, and so slows the client down.
 *
 * A link that does not take what it is sent for `send_stall_ms` is closed. What happens on a link becomes facts, that
 * are handed out one at a time with net_next. After EVENT_LINK_CLOSED its number is free.
 *
 * Invariants, numbered as in net_check():
 *   (1) A link is in the list of ready links exactly if it has a fact to tell or can be read.
 *   (2) A closed link has neither a RECEIVE nor a SEND, and holds no file. */
#ifndef CHRONIK_RUNTIME_NET_H
#define CHRONIK_RUNTIME_NET_H

#include "base/effect.h"
#include "disk.h"

#include <sys/socket.h>

struct net;

struct net_config {
    uint32_t links_max;      /* from clients */
    uint32_t peer_links_max; /* from other nodes, and as many again to them */
    uint64_t send_stall_ms;
};

struct net_counts {
    uint64_t accepted;
    uint64_t dialed;
    uint64_t unreached; /* of these: nobody there */
    uint64_t refused;   /* closed at once: as many as there may be, or no descriptor */
    uint64_t stalled;   /* closed because they took nothing for send_stall_ms */
    uint64_t lost;      /* closed because of an error on the socket or the file that was sent */
    uint64_t received_size;
    uint64_t sent_size;
    uint64_t warmed; /* file ranges that had to be read from the disk before they could be sent */
    uint32_t links;  /* open now */
};

/* NULL and a logged line if there is no memory. */
struct net *net_new(uv_loop_t *loop, struct files *files, struct disk *disk, const struct net_config *config);

/* Closes everything; the loop has to run once more before net_free, and does so until no name is being looked up. */
void net_close(struct net *net);
bool net_is_resolving(const struct net *net);
void net_free(struct net *net);

/* Takes over a bound and listening socket. Connections are taken from net_accept on, until net_accept_end; each means
 * the listeners of that kind. */
void net_listen(struct net *net, int fd, enum listener listener);
void net_accept(struct net *net, enum listener listener);
void net_accept_end(struct net *net, enum listener listener);

/* Makes a link of a connected, non-blocking socket, under a client's number. Takes it over. False: there is no room. */
bool net_adopt(struct net *net, int fd, enum listener listener);

/* An OPEN_LINK, RECEIVE, SEND or CLOSE_LINK. */
void net_order(struct net *net, const struct effect *effect);

/* The next fact, complete but for its time. Memory it lends is good until the next call. */
bool net_next(struct net *net, struct event *event);
bool net_is_ready(const struct net *net);

/* A range that was asked of disk_warm for the link in `tag`. Takes over the file. */
void net_on_warmed(struct net *net, uint64_t tag, struct file *file);

struct net_counts net_counts(const struct net *net);
void net_check(const struct net *net);

#endif
