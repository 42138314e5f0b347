/* link.h -- one connection: what it was asked to receive and to send, how far that went, and what is to be told.
 *
 * Used by net.c alone, which has the table of links and the listeners. */
#ifndef CHRONIK_RUNTIME_LINK_H
#define CHRONIK_RUNTIME_LINK_H

#include "net.h"

enum {
    PEER_SIZE_MAX = 64,             /* "[v6 address]:port" */
    LINK_SCRATCH_SIZE = 256 * 1024, /* lent with one EVENT_RECEIVED at most */
};

struct link;

/* What all links of a net have in common. */
struct link_common {
    uv_loop_t *loop;
    struct disk *disk;
    struct files *files;
    struct link *ready_first, *ready_last;
    struct net_counts counts;
    uint8_t *scratch;
};

enum link_state {
    LINK_FREE,
    LINK_OPEN,
    LINK_CLOSING, /* the socket is closed; libuv still has the handle, or the core has not been told */
};

struct receiving {
    uint8_t *into;
    uint32_t size; /* 0: nothing was ordered */
};

struct sending {
    bool active;
    bool blocked; /* waits for the socket to take more */
    bool warming; /* waits for a file range to be in the page cache */
    const struct piece *pieces;
    uint32_t piece_count;
    uint32_t piece; /* the one that is being sent, and the bytes of it that are gone */
    uint32_t done;
    struct file *file;    /* of that piece, once it has been opened */
    uint64_t warm_end;    /* a range up to here was warmed for us: no more questions */
    uint64_t progress_ms; /* when it went on last */
};

struct link {
    uv_poll_t poll;
    struct link_common *common;
    uint32_t number;
    uint32_t generation; /* of this use of the number */
    int fd;
    enum link_state state;
    enum listener listener;
    int watched;   /* UV_READABLE, UV_WRITABLE: what libuv looks for */
    bool readable; /* as far as we know; a read finds out */
    struct receiving receiving;
    struct sending sending;

    bool opened, sent, closed; /* facts that are still to be told */
    bool listed;
    struct link *next; /* ready, or free */
    char peer[PEER_SIZE_MAX];
};

/* False: the system has no room to watch one more socket. */
bool link_open(struct link_common *common, struct link *link, int fd, enum listener listener, const char *peer);
void link_receive(struct link *link, const struct effect_receive *order);
void link_send(struct link *link, const struct effect_send *order);

/* At once, with what may still be unsent. Tells the core when libuv has let go of the handle. */
void link_close(struct link *link);

/* Takes the link's next fact. False if there was none after all. LINK_CLOSED frees the link. */
bool link_tell(struct link *link, struct event *event);

void link_on_warmed(struct link *link, struct file *file);

/* Closes a link that has not taken anything for `stall_ms`. True if its SEND is still waiting. */
bool link_check_stall(struct link *link, uint64_t stall_ms);

uint64_t link_tag(const struct link *link);

/* The first ready link, taken off the list. NULL if there is none. */
struct link *link_take_ready(struct link_common *common);

void link_check(const struct link *link);

#endif
