/* state.h -- what the files of this room share: links, nodes, dialers, and who waits for what.
 *
 *   Link.     A number, as the host has it. Who dialed it is known by its range.
 *
 *        dialed by us:  DIALING -> GREETING -> LIVE        HELLO is sent in GREETING, WELCOME makes it LIVE
 *        by the other:  WAITING -> LIVE, or -> REFUSING    HELLO decides
 *        all:           -> CLOSING -> FREE                 EVENT_LINK_CLOSED frees it
 *
 *   Node.     Another node that is known, wanted or linked; a slot of a table that is found by node id.
 *   Dialer.   One for each link that we may want: two for each node (control, data to it), one for each seed.
 *   Unit.     A piece of memory of a link's outgoing queue. See outbox.h.
 *
 * Slots of the timers: links, then dialers. Numbers of the news: three channels for each node, then seeds. */
#ifndef CHRONIK_PEER_STATE_H
#define CHRONIK_PEER_STATE_H

#include "base/buddy.h"
#include "base/chain.h"
#include "base/check.h"
#include "base/map.h"
#include "base/pool.h"
#include "base/prng.h"
#include "base/timers.h"
#include "peer/peers.h"
#include "peer/wire.h"

#define NONE UINT32_MAX
#define MS 1000000ull

#define KEEPALIVE_NS (1000 * MS) /* what was silent for so long says that it is alive */
#define SILENCE_NS (4000 * MS)   /* who was not heard for so long is taken for dead: three were lost */
#define HANDSHAKE_NS (3000 * MS) /* from the first step of a link until it is live; covers a lost SYN */
#define BACKOFF_MIN_NS (25 * MS)
#define BACKOFF_MAX_NS (1000 * MS)
#define REFUSED_NS (5000 * MS) /* until somebody who refused is asked again: people have to change something first */
#define PATIENCE_NS (300 * MS) /* the higher node id gives the lower one so long to dial first */
#define STEADY_NS (5000 * MS)  /* a link that lived so long is no flapping one */
#define NOTED_NS (60000 * MS)  /* the same refusal is noted once in it */

enum {
    UNIT_SIZE = 2048,
    SEND_PIECES_MAX = 256,
    SEND_ORDER_SIZE = 512 * 1024, /* of one order, about: lent bytes come back as orders are done */
    OWN_BUFFER_SIZE = 32 * 1024,  /* each link's; larger frames take a block */
    BLOCK_MIN = 64 * 1024,
    DIALERS_PER_NODE = 2,
    NOTED_MAX = 8,
    CALLER_SIZE_MAX = 64,  /* "[v6 address]:port" */
    ORDERS_KEPT = 64,      /* of a step, for the rooms that come after this one */
    ORDERS_OF_LINK = 3,    /* at most: close, or open, or receive and send */
    TIMERS_PER_STEP = 128, /* the rest is due at once */
};

_Static_assert(SEND_PIECES_MAX > PEER_PIECES_MAX + 1, "a lent frame and its head go in one order");
_Static_assert(UNIT_SIZE >= PEER_PIECES_MAX * sizeof(struct piece), "lent pieces fit into a unit");
_Static_assert(WIRE_HEAD_SIZE + WIRE_HANDSHAKE_SIZE_MAX <= OWN_BUFFER_SIZE, "a handshake needs no block");

enum link_state { LINK_FREE, LINK_DIALING, LINK_GREETING, LINK_WAITING, LINK_REFUSING, LINK_LIVE, LINK_CLOSING };

struct link {
    enum link_state state;
    enum listener door; /* at which it was taken, ours or theirs */
    bool open_ordered, close_ordered, receiving, sending;
    bool held;       /* the consumer did not take the frame that is complete */
    bool complete;   /* a frame for the rooms above begins at `begin` */
    bool head_known; /* `head` is of the frame that begins there */

    uint32_t dialer; /* who asked for it, if we dialed it and it is still wanted; or NONE */
    uint16_t dial_port;
    char dial_host[PEER_HOST_SIZE_MAX + 1]; /* in the order that is out */
    uint32_t node;                          /* LIVE */
    enum peer_channel channel;
    uint64_t life; /* numbers the live links of this process */
    uint64_t up_since_ns;
    uint64_t heard_ns, said_ns;
    struct introduction said; /* by the other end; its hosts lie in `hosts` */
    uint8_t hosts[2][PEER_HOST_SIZE_MAX];
    uint8_t caller[CALLER_SIZE_MAX]; /* where it was dialed from, if by the other end */
    uint32_t caller_size;

    uint8_t *buffer; /* its own, or the block */
    uint32_t capacity, begin, end;
    uint64_t block; /* BUDDY_NONE: none */
    struct frame_head head;

    uint32_t out_first, out_last, out_units; /* units queued, those in flight first */
    uint32_t flight_last;                    /* the last unit that is in flight, NONE: nothing is */
    uint64_t out_size;
    struct piece pieces[SEND_PIECES_MAX];
};

/* What the rooms above have been told of a channel to a node, and what they have not. */
struct news {
    uint64_t told_life; /* of the link they know to be up; 0: none */
    uint64_t member_id;
    struct uuid incarnation, cluster_id;
    enum peer_reason down; /* why that one went down */
    bool missed;           /* an attempt failed, and is not told */
    enum peer_reason miss;
    struct uuid miss_cluster;
    enum peer_reason miss_noted; /* repetitions are told, not noted */
};

struct node {
    int32_t id; /* 0: the slot is free */
    bool known;
    uint32_t links[PEER_CHANNEL_COUNT]; /* live ones, or NONE */
};

struct dialer {
    bool wanted;
    uint32_t link;    /* under way or live, or NONE */
    int32_t node_id;  /* 0: whoever is there */
    int32_t found_id; /* a seed's: who was there last; 0: nobody yet */
    uint32_t failures;
    uint16_t port;
    char host[PEER_HOST_SIZE_MAX + 1]; /* with a terminator */
};

enum unit_kind { UNIT_BYTES, UNIT_LENT };

struct unit {
    uint32_t next;
    enum unit_kind kind;
    uint32_t size;   /* UNIT_BYTES: of its memory, in use; UNIT_LENT: pieces */
    uint64_t cookie; /* UNIT_LENT */
    uint64_t lent_size;
    int32_t node_id;
    bool sent;
};

/* Somebody who was turned away lately. */
struct noted {
    int32_t node_id;
    enum peer_reason reason;
    uint64_t time_ns;
};

enum memory_class { MEMORY_CONTROL, MEMORY_DATA, MEMORY_CLASS_COUNT };

struct frame_memory {
    struct buddy buddy;
    uint8_t *range;
    struct chain hungry; /* links with the head of a frame that finds no block */
};

struct peers {
    struct peers_config config;
    struct peer_identity identity;
    bool open;
    uint64_t mono_ns;
    uint64_t grace_ns; /* silence before it may be our own */
    struct prng prng;
    uint64_t lives;
    struct peers_counters counters;

    uint32_t link_count;   /* both ranges */
    uint32_t called_count; /* numbers of the first range that were ever used */
    struct link *links;
    uint8_t *own_buffers;
    struct pool dialed; /* numbers of the second range */
    struct chain work, arrivals;
    struct frame_memory memory[MEMORY_CLASS_COUNT];
    uint32_t lent; /* the link whose frame is handed out, or NONE */

    struct map by_id;
    struct pool node_pool;
    struct node *nodes;
    uint32_t dialer_count;
    struct dialer *dialers;
    struct timers timers;

    struct news *news;
    struct chain untold;
    struct peer_change turned_away;
    bool turned_away_untold;
    uint8_t caller[CALLER_SIZE_MAX]; /* who was turned away */
    uint32_t caller_size;
    struct noted noted[NOTED_MAX];
    uint32_t noted_next;

    struct pool unit_pool;
    struct unit *units;
    uint8_t *unit_memory;
    uint32_t returned_first, returned_last; /* lent units that nobody sends any more */
};

/* ---- links.c ---- */

static inline uint32_t link_number(const struct peers *peers, const struct link *link)
{
    return (uint32_t)(link - peers->links);
}

static inline bool link_is_dialed(const struct peers *peers, const struct link *link)
{
    return link_number(peers, link) >= peers->config.links_max;
}

static inline uint32_t frame_max(const struct peers *peers, enum peer_channel channel)
{
    return channel == PEER_CONTROL ? peers->config.control_frame_max : peers->config.data_frame_max;
}

/* It wants an order, perhaps. */
static inline void link_work(struct peers *peers, const struct link *link)
{
    chain_add(&peers->work, link_number(peers, link));
}

/* Takes it down, for whatever it was on its way to; the host is told in peers_work. Does nothing to one that is closing
 * already. Its memory stays until the host has let go of it. */
void link_end(struct peers *peers, struct link *link, enum peer_reason reason);

/* A link on its way to where the dialer wants it, or NULL: no number is free. */
struct link *link_dial(struct peers *peers, uint32_t dialer);

/* What came on it is no frame, or not the one that was due. */
void link_broken(struct peers *peers, struct link *link);

/* Asks whether somebody is still there: a machine that came back without this connection says so at once. */
void link_probe(struct peers *peers, struct link *link);

void link_on_timer(struct peers *peers, struct link *link);
void peer_link_check(const struct peers *peers, const struct link *link);

/* ---- inbox.c ---- */

/* Looks at what has come: hands handshakes on, and puts the link into `arrivals` with the first frame for others. */
void inbox_look(struct peers *peers, struct link *link);
bool inbox_wants(const struct peers *peers, const struct link *link);

/* The frame that was handed out last is done with. */
void inbox_consume(struct peers *peers, struct link *link);
void inbox_init(struct peers *peers, struct link *link);
void inbox_free(struct peers *peers, struct link *link);

/* ---- outbox.c: what is queued on a link, in units of memory from one pool ----
 *
 *     first                     flight_last                 last
 *     [bytes]->[lent 3 pieces]->[bytes]      -> [bytes]  -> [bytes  .....]
 *     `---- in flight: one EFFECT_SEND ----'                appended to here
 *
 * A unit of bytes holds the ends and begins of frames as they come; one of lent pieces holds the array of them. What is
 * in flight is not appended to: it stays put. When it is sent, bytes go back to the pool, and lent units to the line of
 * those whose cookie is to be returned. */

/* Queues a frame of this room's own. False: no room. */
bool outbox_put(struct peers *peers, struct link *link, uint8_t kind, const struct bytes *parts, uint32_t part_count);
bool outbox_wants(const struct link *link);
void outbox_send(struct peers *peers, struct link *link, struct effects *effects);
void outbox_on_sent(struct peers *peers, struct link *link);
void outbox_free(struct peers *peers, struct link *link);

/* ---- handshake.c ---- */

void handshake_greet(struct peers *peers, struct link *link);
void handshake_on_hello(struct peers *peers, struct link *link, struct bytes payload);
void handshake_on_answer(struct peers *peers, struct link *link, uint8_t kind, struct bytes payload);

/* ---- dialing.c ---- */

struct node *node_find(const struct peers *peers, int32_t id);
struct node *node_get(struct peers *peers, int32_t id);    /* NULL: nodes_max */
void node_release(struct peers *peers, struct node *node); /* if nothing keeps it */

static inline uint32_t node_slot(const struct peers *peers, const struct node *node)
{
    return (uint32_t)(node - peers->nodes);
}

static inline struct dialer *dialer_of(struct peers *peers, const struct node *node, enum peer_channel channel)
{
    CHECK(channel != PEER_DATA_IN);
    return &peers->dialers[node_slot(peers, node) * DIALERS_PER_NODE + (channel == PEER_DATA_OUT)];
}

static inline uint32_t dialer_number(const struct peers *peers, const struct dialer *dialer)
{
    return (uint32_t)(dialer - peers->dialers);
}

static inline bool dialer_is_seed(const struct peers *peers, uint32_t dialer)
{
    return dialer >= peers->config.nodes_max * DIALERS_PER_NODE;
}

static inline enum peer_channel dialer_channel(const struct peers *peers, uint32_t dialer)
{
    return !dialer_is_seed(peers, dialer) && dialer % DIALERS_PER_NODE == 1 ? PEER_DATA_OUT : PEER_CONTROL;
}

void dialing_open(struct peers *peers);
void dialer_on_timer(struct peers *peers, struct dialer *dialer);

/* Its attempt failed; `cluster_id` may be NULL. */
void dialer_on_miss(struct peers *peers, struct dialer *dialer, enum peer_reason reason, const struct uuid *cluster_id);

/* The link that it dialed is live. */
void dialer_on_up(struct peers *peers, struct dialer *dialer, int32_t node_id);
/* A link of this channel is live no more, whoever dialed it. */
void dialing_on_down(struct peers *peers, struct node *node, enum peer_channel channel, bool was_steady);

/* ---- news.c ---- */

static inline uint32_t news_number(const struct peers *peers, const struct node *node, enum peer_channel channel)
{
    return node_slot(peers, node) * PEER_CHANNEL_COUNT + (uint32_t)channel;
}

void news_on_up(struct peers *peers, const struct link *link);
void news_on_down(struct peers *peers, const struct link *link, enum peer_reason reason);
void news_on_miss(struct peers *peers, uint32_t dialer, enum peer_reason reason, const struct uuid *cluster_id);
void news_on_reached(struct peers *peers, uint32_t dialer);

/* What it said of itself is in the link, or nothing if it said nothing of use. */
void news_on_turned_away(struct peers *peers, const struct link *link, enum peer_reason reason);

#endif
