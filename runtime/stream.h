/* stream.h -- the socket behind one of the core's links: what it was asked to receive and to send, how far that went,
 * and what is to be told.
 *
 * Used by net.c alone, which has the table of them and the listeners. */
#ifndef CHRONIK_RUNTIME_STREAM_H
#define CHRONIK_RUNTIME_STREAM_H

#include "dial.h"
#include "net.h"

enum {
    PEER_SIZE_MAX = 64,               /* "[v6 address]:port" */
    STREAM_SCRATCH_SIZE = 256 * 1024, /* lent with one EVENT_RECEIVED at most */
    DIAL_ENDS = 1024,                 /* addresses whose trouble is remembered */
    DIAL_LATE = 64,
};

struct stream;

/* How the last attempt at an address ended, so that people read the same once. Two may share a place, and are then told
 * more often. */
struct dial_end {
    uint64_t address; /* a hash of it */
    int error;        /* 0: reached */
};

/* Addresses that came too late for the attempt that asked for them. */
struct dial_late {
    uint64_t address;
    uint64_t time_ms;
    struct addrinfo *infos; /* NULL: none */
};

/* What all streams of a net have in common. */
struct stream_common {
    uv_loop_t *loop;
    struct disk *disk;
    struct files *files;
    struct stream *ready_first, *ready_last;
    struct net_counts counts;
    uint8_t *scratch;
    uint32_t resolving; /* names that a thread is looking up */
    struct dial_end dial_ends[DIAL_ENDS];
    struct dial_late dial_late[DIAL_LATE];
};

enum stream_state {
    STREAM_FREE,
    STREAM_DIALING, /* no socket yet */
    STREAM_OPEN,
    STREAM_CLOSING, /* the socket is closed; libuv still has the handle, or the core has not been told */
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

struct stream {
    uv_poll_t poll;
    struct stream_common *common;
    uint32_t number;
    uint32_t generation; /* of this use of the number */
    int fd;
    enum stream_state state;
    enum listener listener;
    int watched;   /* UV_READABLE, UV_WRITABLE: what libuv looks for */
    bool readable; /* as far as we know; a read finds out */
    struct receiving receiving;
    struct sending sending;

    struct dial *dial; /* while dialing */
    bool refused;      /* to be told with `closed` */

    bool opened, sent, closed; /* facts that are still to be told */
    bool listed;
    struct stream *next; /* ready, or free */
    char peer[PEER_SIZE_MAX];
};

/* False: the system has no room to watch one more socket. */
bool stream_open(struct stream_common *common, struct stream *stream, int fd, enum listener listener, const char *peer);

/* The number is the core's: the stream is free, or has only its own end to tell. */
void stream_dial(struct stream_common *common, struct stream *stream, const struct effect_open_link *order);
void stream_on_connected(struct stream *stream, int fd, const char *peer);
void stream_on_unreached(struct stream *stream, bool refused);

void stream_receive(struct stream *stream, const struct effect_receive *order);
void stream_send(struct stream *stream, const struct effect_send *order);

/* At once, with what may still be unsent. Tells the core when libuv has let go of the handle. */
void stream_close(struct stream *stream);

/* Takes the link's next fact. False if there was none after all. LINK_CLOSED frees the link. */
bool stream_tell(struct stream *stream, struct event *event);

void stream_on_warmed(struct stream *stream, struct file *file);

/* Closes a link that has not taken anything for `stall_ms`. True if its SEND is still waiting. */
bool stream_check_stall(struct stream *stream, uint64_t stall_ms);

uint64_t stream_tag(const struct stream *stream);

/* The first ready stream, taken off the list. NULL if there is none. */
struct stream *stream_take_ready(struct stream_common *common);

void stream_check(const struct stream *stream);

#endif
