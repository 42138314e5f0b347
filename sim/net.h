/* net.h -- connections: how do bytes get from one end to the other, in order, and how does either end learn of the end?
 *
 * A connection has two ends: 0 dialed, 1 was dialed. An end is a client's or a machine's; towards each there is a flow
 * of bytes, each with the time at which it arrives. It behaves like TCP seen from above: nothing is lost, reordered or
 * cut inside a connection; what an obstacle stops arrives after it, or never if the connection ends first. A process
 * that dies resets its connections. A machine that loses power says nothing: the other end learns it from the machine's
 * next start, when it sends, or never (half-open). The sender may be a window ahead of the receiver, no more.
 *
 * Connections exist while somebody has an end of them; there is nothing per pair of machines. What the bytes mean, who
 * listens and which number a link has are for others (links.h). */
#ifndef CHRONIK_SIM_NET_H
#define CHRONIK_SIM_NET_H

#include "sim/queue.h"
#include "sim/routes.h"

enum { SEGMENTS_MAX = 8, CONNECTION_NONE = UINT32_MAX, LINK_NONE = UINT32_MAX };

enum end_state {
    END_NONE,    /* not there yet */
    END_DIALING, /* end 0: waits for an answer */
    END_OPEN,
    END_GONE, /* closed from this side, or told that it is over */
    END_DARK, /* its machine lost power: it never said so */
};

struct end {
    enum end_state state;
    uint32_t place;
    uint32_t client; /* of PLACE_CLIENT */
    uint32_t link;   /* of a machine: the number by which its node knows it */
    bool told;       /* links.c: its node knows of it; */
    bool receiving;  /* a RECEIVE is outstanding, */
    bool sending;    /* a SEND is */
    bool waits_for_space;
    struct effect_receive receive;
    struct effect_send send;
    uint32_t send_crc;
};

struct segment {
    uint64_t at_ns;
    uint32_t size;
};

/* Bytes towards an end. [begin, begin + arrived) can be taken, the rest up to `end` is on its way. */
struct flow {
    uint8_t *data;
    uint32_t begin, end, capacity;
    uint32_t arrived;
    uint32_t held; /* taken, but the sender cannot hear of it: the way back is blocked */
    struct segment segments[SEGMENTS_MAX];
    uint8_t segment_first, segment_count;
    bool ended;  /* the sender closed: behind the last byte comes the end */
    bool queued; /* an arrival is */
    uint64_t last_ns;
    uint64_t total; /* bytes that were ever put, for whoever watches */
    struct prng prng;
};

struct connection {
    uint32_t generation; /* of this number's use: late happenings of an earlier one mean nothing */
    uint8_t listener;
    uint8_t tries; /* of the dialer */
    bool used;
    bool mute; /* nothing passes any more, and nobody is told */
    uint32_t next_free;
    struct end ends[2];
    struct flow flows[2]; /* towards the end of that number */
};

enum { CHUNK_SIZE = 256, CHUNKS_MAX = 1024 };

struct free_buffer {
    struct free_buffer *next;
};

struct net {
    struct queue *queue;
    uint64_t now_ns;
    uint64_t seed;
    uint32_t window_size; /* sent and not taken, per direction */
    struct routes routes;
    struct connection *chunks[CHUNKS_MAX]; /* so that a connection stays where it is */
    uint32_t count, free;                  /* numbers ever used; the first free one */
    uint32_t open;                         /* in use now */
    struct free_buffer *buffers[32];       /* by the logarithm of their size */
    uint64_t dialed, refused, timed_out, resets;
};

void net_init(struct net *net, struct queue *queue, uint64_t seed, uint64_t latency_ns);
void net_free(struct net *net);

static inline struct connection *net_connection(const struct net *net, uint32_t number)
{
    return &net->chunks[number / CHUNK_SIZE][number % CHUNK_SIZE];
}

/* ---- making one ---- */

/* `from` may be PLACE_CLIENT. HAPPENS_KNOCK follows at `to`, or HAPPENS_DIALED with a refusal. */
uint32_t net_dial(struct net *net, uint32_t from, uint32_t to, uint8_t listener);

/* All delays from now on are of another seed. */
void net_reseed(struct net *net, uint64_t seed);

/* HAPPENS_KNOCK is here. True: the machine's kernel is to say whether somebody listens, with net_answer. */
bool net_knock(struct net *net, const struct happening *happening);

/* Accepted: end 1 is open, and HAPPENS_DIALED follows at end 0; or refused. */
void net_answer(struct net *net, uint32_t number, bool accepted);

/* HAPPENS_DIALED is here. */
enum dialed { DIALED_NOTHING, DIALED_OPEN, DIALED_REFUSED };
enum dialed net_dialed(struct net *net, const struct happening *happening);

/* ---- bytes ---- */

/* From end `side` to the other one. Before a dialer knows that it is open, what it sends waits. */
void net_put(struct net *net, uint32_t number, uint32_t side, const void *data, uint32_t size);

/* How much `side` may put now; 0 while the window is full. Then HAPPENS_SENT follows when there is room again. */
uint32_t net_space(struct net *net, uint32_t number, uint32_t side);

/* HAPPENS_ARRIVAL is here: something may have come for the end, as net_readable and net_has_ended say. */
void net_arrive(struct net *net, const struct happening *happening);

static inline uint32_t net_readable(const struct net *net, uint32_t number, uint32_t side)
{
    return net_connection(net, number)->flows[side].arrived;
}

/* The other end is over, and all it sent has been taken. */
bool net_has_ended(const struct net *net, uint32_t number, uint32_t side);

static inline const uint8_t *net_bytes(const struct net *net, uint32_t number, uint32_t side)
{
    const struct flow *flow = &net_connection(net, number)->flows[side];
    return flow->data + flow->begin;
}
void net_take(struct net *net, uint32_t number, uint32_t side, uint32_t size);

/* Somebody wants to read at `side`: HAPPENS_ARRIVAL follows soon if there is something. */
void net_want(struct net *net, uint32_t number, uint32_t side);

/* ---- ends ---- */

/* `side` has closed, or its process is dead: the number is free when both ends are over. `reset`: the other end may
 * lose what it has not taken. */
void net_close(struct net *net, uint32_t number, uint32_t side, bool reset);

/* The machine of `side` lost power. */
void net_go_dark(struct net *net, uint32_t number, uint32_t side);

/* ---- faults ---- */
void net_reset(struct net *net, uint32_t number); /* both ends are told, sooner or later */

/* Nothing passes before that time, in either direction. */
void net_clog(struct net *net, uint32_t number, uint64_t until_ns);

/* Obstacles have gone: what they stopped goes on. */
void net_resume(struct net *net);

#endif
