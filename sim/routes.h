/* routes.h -- how long does it take from one machine to another just now, and does anything get there at all?
 *
 * A place is a machine, by number, or PLACE_CLIENT, where all clients are. What is in the way is an obstacle: a set of
 * machines that is cut off from everybody else, in one direction or both, for some listeners or all. Whether a packet
 * passes is a question of a few bits, however many machines there are.
 *
 * It knows neither connections nor bytes, and draws only from the generator that it is given: a generator belongs to
 * one direction of one connection, so that a fault elsewhere shifts nothing here. */
#ifndef CHRONIK_SIM_ROUTES_H
#define CHRONIK_SIM_ROUTES_H

#include "base/effect.h"
#include "base/prng.h"

enum { OBSTACLES_MAX = 32, OBSTACLE_NONE = UINT32_MAX, PLACE_CLIENT = UINT32_MAX };

/* Bits: seen from the machines of the set. */
enum way { WAY_OUT = 1, WAY_IN = 2, WAYS_BOTH = 3 };

/* Bits by enum listener. The operator sits beside his node: between the two there is nothing. */
enum {
    CHANNELS_KAFKA = 1 << LISTENER_KAFKA,
    CHANNELS_NODE = 1 << LISTENER_NODE,
    CHANNELS_WAL = 1 << LISTENER_WAL,
    CHANNELS_ALL = CHANNELS_KAFKA | CHANNELS_NODE | CHANNELS_WAL,
};

struct obstacle {
    bool used;
    uint8_t ways;
    uint8_t channels;
    uint64_t until_ns;
};

struct place {
    uint32_t obstacles;        /* bits: in whose set it is */
    uint32_t slow_factor;      /* of all that goes in or out; 1: none */
    uint64_t free_ns;          /* until then its network card is busy with what was sent before */
    bool dark;                 /* without power: nobody answers, and nobody says so */
    uint64_t refuses_until_ns; /* no new connections */
};

struct routes {
    struct place *places;
    uint32_t place_count, place_max;
    struct obstacle obstacles[OBSTACLES_MAX];
    uint32_t used;           /* bits */
    uint64_t latency_ns;     /* one way, about */
    uint32_t zones;          /* machines are dealt out to so many; 1: all are near */
    uint32_t zone_factor;    /* how much farther it is to another zone */
    uint64_t bytes_per_ms;   /* that a machine can send; 0: no limit */
    uint32_t tail_per_10000; /* packets that take far longer: queues, retransmissions */
};

void routes_init(struct routes *routes, uint64_t latency_ns);
void routes_free(struct routes *routes);

/* The next machine. */
void routes_add_place(struct routes *routes);

/* Cuts a set off; machines join it with routes_join. OBSTACLE_NONE: there are too many. */
uint32_t routes_block(struct routes *routes, uint8_t ways, uint8_t channels, uint64_t until_ns);
void routes_join(struct routes *routes, uint32_t obstacle, uint32_t machine);
void routes_unblock(struct routes *routes, uint32_t obstacle);
void routes_unblock_all(struct routes *routes);

/* When a packet sent now could pass; 0: at once. */
uint64_t routes_blocked_until(const struct routes *routes, uint32_t from, uint32_t to, uint8_t listener);

/* How long a packet takes. */
uint64_t routes_delay(const struct routes *routes, uint32_t from, uint32_t to, struct prng *prng);

/* How long until the last of these bytes has left `from`. */
uint64_t routes_transmit(struct routes *routes, uint32_t from, uint64_t now_ns, uint32_t size);

static inline bool place_is_dark(const struct routes *routes, uint32_t place)
{
    return place != PLACE_CLIENT && routes->places[place].dark;
}

#endif
