/* peers.h -- who is at the other end of a link between nodes, and how do frames get there whole?
 *
 * Rooms above name a node by its id and a channel, hand over frames and get frames; this room knows what a frame's
 * bytes are for as little as a postman. It dials, shakes hands, keeps one live link per channel and pair, finds out
 * when one is dead, and tells. docs/peer.md has the bytes.
 *
 *   Channels.   Between two nodes there are up to three links: one for control, used both ways, and one for message
 *               data in each direction, dialed by the node that has the data. So data never delays a heartbeat.
 *   Dialing.    A link that is wanted is dialed until it stands: for control by the lower node id at once, by the
 *               higher one if nothing came for a while; for data by whoever wants it. Attempts are spaced by a
 *               back-off with jitter. Nothing waits for a dead peer.
 *   Delivery.   Frames of one link arrive whole, in order, at most once. When the link goes down, what is under way in
 *               either direction is lost, and a PEER_DOWN lies between what came before and what comes after.
 *   Memory.     What is queued is bounded for each link and for all. A link may queue as much as is left over for
 *               others: a stalled peer takes its own share, then gets PEER_FULL; others never wait for it.
 *   Trust.      What another node says is checked field by field, and every frame by a checksum. A link that breaks a
 *               rule is closed, counted and noted; it never harms another one.
 *
 * Order within a step: peers_on_time, then the fact, then what the roof carries (peers_next_change before
 * peers_next_frame, peers_next_returned), then peers_work.
 *
 * Invariants, numbered as in peers_check():
 *   (1) A node has at most one live link per channel, and that link names it.
 *   (2) A live link has seen its handshake through; all others are on a deadline.
 *   (3) What the links queue adds up to the units that are taken.
 *   (4) A link is in the list of work exactly if it wants an order, in the list of arrivals exactly if a frame of it
 *       is complete and not held. */
#ifndef CHRONIK_PEER_PEERS_H
#define CHRONIK_PEER_PEERS_H

#include "base/effect.h"
#include "base/uuid.h"

enum {
    PEER_SEEDS_MAX = 16,
    PEER_PIECES_MAX = 56,     /* lent with one frame */
    PEER_HEAD_SIZE_MAX = 128, /* copied with one lent frame */
    PEER_HOST_SIZE_MAX = 255,
    PEER_KIND_MAX = 199, /* kinds of frames are the rooms' above; what lies behind is this room's own */
};

/* Three links between two nodes, as one of them sees it. */
enum peer_channel {
    PEER_CONTROL,
    PEER_DATA_OUT, /* to a node that follows us: we dialed it; frames go both ways */
    PEER_DATA_IN,  /* from a node that we follow: it dialed us; frames go both ways */
};
enum { PEER_CHANNEL_COUNT = 3 };

struct peer_address {
    struct bytes host; /* a name or a literal, without a port; at most PEER_HOST_SIZE_MAX */
    uint16_t port;
};

struct peers_config {
    int32_t node_id;
    uint64_t seed[2];                              /* of back-off and hashing */
    uint32_t first_link;                           /* links of other nodes come first, dialed ones behind them */
    uint32_t links_max;                            /* of each of the two kinds */
    uint32_t nodes_max;                            /* other nodes that are known, wanted or linked at one time */
    struct peer_address node_address, wal_address; /* how others reach us; they stay put */
    uint32_t control_frame_max, data_frame_max;    /* bytes of the largest payload */
    uint64_t send_memory_size;                     /* frames queued, over all links; lent bytes do not count */
    uint64_t receive_memory_size; /* frames being received that are too large for a link's own buffer */
};

/* Who we are, said in every handshake. */
struct peer_identity {
    struct uuid cluster_id;  /* zero: of none yet */
    uint64_t member_id;      /* of this data directory; not 0. Another one under our node id is another node */
    struct uuid incarnation; /* of this process */
};

struct peers;

/* 0 if the limits contradict each other. */
size_t peers_size(const struct peers_config *config);

/* In zeroed memory, aligned to 64. Links may open from now on, and wait. */
void peers_init(struct peers *peers, const struct peers_config *config);

/* From now on links are answered and dialed. Once. */
void peers_open(struct peers *peers, const struct peer_identity *identity);

/* We belong to a cluster now. Links to nodes of another one go down. So do those to nodes that had not said of which
 * one they are, nor had we: where they are wanted they are made anew, and both say it. Others stay. */
void peers_set_cluster(struct peers *peers, const struct uuid *cluster_id);

/* ---- wishes ---- */

/* A link to this node shall be there, and is dialed at this address, again and again. A new address counts from the
 * next attempt on. A node that is wanted is known. PEER_DATA_IN is never wanted: it is the other one's to want.
 * False: nodes_max. */
bool peers_want(struct peers *peers, int32_t node_id, enum peer_channel channel, struct peer_address address);

/* Dial it no more. If we dialed the link it goes down; if the other node did, it is that node's to end. */
void peers_unwant(struct peers *peers, int32_t node_id, enum peer_channel channel);

/* Nodes of our cluster are known: only these may open data channels to us. Control is open to any node of our cluster
 * or of none, because that is how nodes join. False: nodes_max. */
bool peers_know(struct peers *peers, int32_t node_id);

/* It is wanted and known no more; all its links go down. */
void peers_forget(struct peers *peers, int32_t node_id);

/* Dials a control link at this address at once, whoever may be there; node_id 0: we do not know who. It goes on until
 * a control link stands, and begins anew when that one is down. `seed` is below PEER_SEEDS_MAX. */
void peers_seek(struct peers *peers, uint32_t seed, int32_t node_id, struct peer_address address);

/* All of them. Links that stand stay. */
void peers_seek_end(struct peers *peers);

/* ---- sending ---- */

enum peer_verdict {
    PEER_SENT,    /* queued: it leaves, unless the link goes down before */
    PEER_NO_LINK, /* none is up */
    PEER_FULL,    /* nothing was queued: this link has its share under way */
};

/* Copies the parts, one behind the other, into one frame. Together they are at most the channel's frame_max. */
enum peer_verdict peers_send(struct peers *peers, int32_t node_id, enum peer_channel channel, uint8_t kind,
                             const struct bytes *parts, uint32_t part_count);

/* One frame of a head, which is copied, and pieces, which are lent (PEER_PIECES_MAX at most; the array itself is
 * copied): in memory or in files, and put until `cookie` comes back. After PEER_SENT it does so exactly once. Only on
 * data channels. The checksum ends where the first piece in a file begins: what lies in files has one of its own. */
enum peer_verdict peers_send_lent(struct peers *peers, int32_t node_id, enum peer_channel channel, uint8_t kind,
                                  struct bytes head, const struct piece *pieces, uint32_t piece_count, uint64_t cookie);

struct peer_returned {
    uint64_t cookie;
    int32_t node_id;
    bool sent; /* false: dropped, its link is down */
};

/* The next cookie whose bytes are free again. False: none. */
bool peers_next_returned(struct peers *peers, struct peer_returned *returned);

/* Bytes queued to this node and not yet taken by the network, lent ones included. */
uint64_t peers_queued_size(const struct peers *peers, int32_t node_id, enum peer_channel channel);

/* ---- receiving ---- */

struct peer_frame {
    int32_t node_id;
    enum peer_channel channel;
    uint64_t member_id; /* of who sent it */
    uint8_t kind;
    struct bytes payload;  /* lent until the next call */
    uint32_t checked_size; /* bytes of it, from the begin, that the checksum vouches for; of control: all */
};

/* The next frame that is complete, of the links in turn. False: none. Who takes no more leaves the rest: it shows as a
 * deadline that is due. */
bool peers_next_frame(struct peers *peers, struct peer_frame *frame);

/* The frame that came last is not taken. It comes again after peers_release; until then nothing more is received on
 * its link, and the sender feels it. A link that goes down drops what it held. */
void peers_hold(struct peers *peers);
void peers_release(struct peers *peers, int32_t node_id, enum peer_channel channel);

/* ---- changes ---- */

enum peer_change_kind {
    PEER_UP,          /* a link is live */
    PEER_DOWN,        /* it is no more; `reason` says why */
    PEER_MISSED,      /* an attempt to dial failed; `reason` says how */
    PEER_TURNED_AWAY, /* somebody called here and was refused; `reason` says why */
};

enum peer_reason {
    PEER_REASON_NONE,

    /* DOWN */
    PEER_CLOSED,    /* the other end closed it, or the network did */
    PEER_SILENT,    /* nothing was heard for PEER_SILENCE_NS: half open, paused, or cut off */
    PEER_BROKEN,    /* it sent what is no frame */
    PEER_REPLACED,  /* a newer link of the same pair and channel took over: PEER_UP follows */
    PEER_DISMISSED, /* we wanted it no more */

    /* MISSED */
    PEER_CONNECTION_REFUSED, /* the machine is there, and nobody listens: its process is gone */
    PEER_UNREACHABLE,        /* no answer, or no way, or no such name */

    /* MISSED, said by the other one; and TURNED_AWAY, said by us */
    PEER_WRONG_VERSION,  /* no version of the protocol in common */
    PEER_WRONG_CLUSTER,  /* it belongs to another cluster */
    PEER_WRONG_NODE,     /* whoever is at this address is another node than was dialed */
    PEER_DUPLICATE,      /* a node with that id, and other data, is alive */
    PEER_ONESELF,        /* we have called ourselves */
    PEER_UNKNOWN,        /* data from a node that is not known here (yet) */
    PEER_NO_ROOM,        /* no room for another node */
    PEER_LINKED_ALREADY, /* there is a live link, and this one is not to replace it */
    PEER_REASON_COUNT,
};

/* What is said in a note, in a few words. */
const char *peer_reason_text(enum peer_reason reason);

struct peer_change {
    enum peer_change_kind kind;
    enum peer_reason reason;
    int32_t node_id; /* MISSED: who was dialed, 0: a seed whose id is not known; TURNED_AWAY: who called */
    enum peer_channel channel;
    uint64_t member_id;      /* UP, DOWN, TURNED_AWAY */
    struct uuid incarnation; /* as above */
    struct uuid cluster_id;  /* as above; TURNED_AWAY and MISSED with PEER_WRONG_CLUSTER: the other one's */
    bool expected_us;        /* TURNED_AWAY: it asked for our node id: its cluster knows us, or our double */
};

/* The next change, which is noted too. Those of one channel come in their order; a link that was up and down between
 * two calls may be left out, a PEER_DOWN behind a PEER_UP that was told never is. Of several MISSED or TURNED_AWAY the
 * latest is told. False: none. */
bool peers_next_change(struct peers *peers, struct peer_change *change, struct effects *effects);

/* ---- questions ---- */

struct peer_view {
    uint64_t member_id;
    struct uuid incarnation;
    struct uuid cluster_id;                        /* as it said when the link came up; zero: none then */
    struct peer_address node_address, wal_address; /* as it says it is reached; lent until the next call that changes
                                                      something */
    uint64_t up_since_ns;
    uint64_t heard_ns; /* when something came from it last */
};

/* False: no link of this channel is up. */
bool peers_view(const struct peers *peers, int32_t node_id, enum peer_channel channel, struct peer_view *view);

struct peers_counters {
    uint64_t frames_in, frames_out, received_size, sent_size;
    uint64_t dials, misses;
    uint64_t links_up;    /* live now */
    uint64_t handshakes;  /* seen through */
    uint64_t turned_away; /* callers refused in words */
    uint64_t strangers;   /* links closed before they had said who they are */
    uint64_t broken;      /* links closed because what came is no frame */
    uint64_t silent;      /* links closed because nothing came */
    uint64_t full;        /* frames that found no room */
};
const struct peers_counters *peers_counters(const struct peers *peers);

/* ---- facts ---- */

/* Whether a link is this room's. */
bool peers_own(const struct peers *peers, uint32_t link);

void peers_on_time(struct peers *peers, uint64_t mono_ns);
void peers_on_link_opened(struct peers *peers, const struct event_link_opened *opened);
void peers_on_link_closed(struct peers *peers, const struct event_link_closed *closed);
void peers_on_received(struct peers *peers, const struct event_received *received);
void peers_on_sent(struct peers *peers, const struct event_sent *sent);

/* Last in every step: gives the orders that wait, as far as there is space. */
void peers_work(struct peers *peers, struct effects *effects);

uint64_t peers_deadline_ns(const struct peers *peers);
void peers_check(const struct peers *peers);

#endif
