/* replica_net.h -- core/peer as the replicas of a lab see it: links that are wanted, come up, break, and lose what is
 * on its way. Stands in for core/peer/ where replication is tested alone.
 *
 * A link belongs to the node that dials it. Each of its ends learns in order what comes to it: that it is up, frames,
 * that it is down. The two ends learn of a break at different times; a link may be back before one has heard of it. */
#ifndef CHRONIK_TESTS_REPLICA_NET_H
#define CHRONIK_TESTS_REPLICA_NET_H

#include "base/crc32c.h"
#include "base/prng.h"
#include "peer/peers.h"
#include "t.h"

#include <stdlib.h>

enum { NET_NODES = 5, NET_ITEMS_MAX = 4096, NET_LENT_MAX = 4096 };

enum net_kind { NET_UP, NET_FRAME, NET_DOWN };

struct net_item {
    enum net_kind kind;
    uint32_t life; /* of the link */
    uint8_t frame_kind;
    uint32_t size;
    uint8_t *bytes;
};

/* What comes to one end of a link. */
struct net_queue {
    struct net_item *items;
    uint32_t first, count;
    uint64_t size;
    bool held;
    uint32_t up_life; /* of the link that this end knows to be up; 0: none */
};

struct net_lent {
    uint64_t cookie;
    int32_t node_id;
    uint32_t crc;
    uint32_t piece_count;
    struct piece pieces[PEER_PIECES_MAX];
    struct net_queue *queue; /* that the frame is in, and where: its bytes are taken later */
    uint32_t life;
};

/* Dialed by one node to another. */
struct net_link {
    bool wanted, up;
    bool cut;    /* nothing comes through, and nobody is told */
    bool stands; /* nor are bytes that were lent to it given back */
    uint32_t life;
    struct net_queue to_called, to_dialer;
};

struct net {
    struct prng prng;
    struct net_link links[NET_NODES + 1][NET_NODES + 1]; /* by dialer and called, by node id */
    uint32_t next_life;
    uint32_t full_chance; /* in 1000 sends, so many find no room */
    uint32_t flip_chance; /* in 1000 frames that lend bytes, so many arrive with a bit that is wrong */
    uint64_t frames, lost, flips;
};

struct peers { /* of one node */
    struct net *net;
    int32_t id;
    struct net_lent *lent;
    uint32_t lent_count;
    uint32_t life; /* of the process: what was lent by another one is never given back */
};

/* ---- items ---- */

static inline struct net_item *net_add(struct net_queue *queue, enum net_kind kind, uint32_t life)
{
    if (queue->items == NULL) queue->items = calloc(NET_ITEMS_MAX, sizeof *queue->items);
    CHECK(queue->count < NET_ITEMS_MAX);
    struct net_item *item = &queue->items[(queue->first + queue->count++) % NET_ITEMS_MAX];
    *item = (struct net_item){ .kind = kind, .life = life };
    return item;
}

static inline struct net_item *net_first(struct net_queue *queue)
{
    return queue->count == 0 ? NULL : &queue->items[queue->first];
}

static inline void net_drop_first(struct net_queue *queue)
{
    struct net_item *item = net_first(queue);

    queue->size -= item->size;
    free(item->bytes);
    item->bytes = NULL;
    queue->first = (queue->first + 1) % NET_ITEMS_MAX;
    queue->count--;
}

/* Frames that had not arrived are lost, all or some of them; that the link came up is not. */
static inline void net_lose_frames(struct net *net, struct net_queue *queue)
{
    uint32_t kept = 0;
    const uint32_t count = queue->count, lost_from = (uint32_t)prng_below(&net->prng, count + 1);

    for (uint32_t i = 0; i < count; i++) {
        struct net_item item = queue->items[(queue->first + i) % NET_ITEMS_MAX];
        if (item.kind == NET_FRAME && i >= lost_from) {
            queue->size -= item.size;
            free(item.bytes);
            net->lost++;
            continue;
        }
        queue->items[(queue->first + kept++) % NET_ITEMS_MAX] = item;
    }
    queue->count = kept;
    queue->held = false;
}

/* ---- links ---- */

static inline void net_up(struct net *net, int32_t dialer, int32_t called)
{
    struct net_link *link = &net->links[dialer][called];

    link->up = true;
    link->life = ++net->next_life;
    net_add(&link->to_dialer, NET_UP, link->life);
    net_add(&link->to_called, NET_UP, link->life);
}

static inline void net_break(struct net *net, int32_t dialer, int32_t called)
{
    struct net_link *link = &net->links[dialer][called];

    if (!link->up) return;
    link->up = false;
    net_lose_frames(net, &link->to_dialer);
    net_lose_frames(net, &link->to_called);
    net_add(&link->to_dialer, NET_DOWN, link->life);
    net_add(&link->to_called, NET_DOWN, link->life);
}

/* The process of this node is gone, and knows nothing any more. */
static inline void net_forget(struct net *net, int32_t id)
{
    for (int32_t other = 1; other <= NET_NODES; other++) {
        net_break(net, id, other);
        net_break(net, other, id);
        struct net_queue *own[] = { &net->links[id][other].to_dialer, &net->links[other][id].to_called };
        for (uint32_t i = 0; i < 2; i++) {
            while (own[i]->count > 0) net_drop_first(own[i]);
            own[i]->up_life = 0;
            own[i]->held = false;
        }
        net->links[id][other].wanted = false;
    }
}

static inline void net_free(struct net *net)
{
    for (int32_t id = 1; id <= NET_NODES; id++) {
        for (int32_t other = 1; other <= NET_NODES; other++) {
            struct net_queue *queues[] = { &net->links[id][other].to_dialer, &net->links[id][other].to_called };
            for (uint32_t i = 0; i < 2; i++) {
                while (queues[i]->count > 0) net_drop_first(queues[i]);
                free(queues[i]->items);
            }
        }
    }
}

/* ---- core/peer ---- */

/* Where this node's frames of a channel go, and what it knows of that link. */
static inline struct net_queue *net_way(struct peers *peers, int32_t node_id, enum peer_channel channel,
                                        struct net_queue **own, struct net_link **link)
{
    CHECK(node_id >= 1 && node_id <= NET_NODES && node_id != peers->id);
    const bool dials = channel == PEER_DATA_OUT;
    *link = dials ? &peers->net->links[peers->id][node_id] : &peers->net->links[node_id][peers->id];
    *own = dials ? &(*link)->to_dialer : &(*link)->to_called;
    return dials ? &(*link)->to_called : &(*link)->to_dialer;
}

static inline enum peer_verdict net_may_send(struct peers *peers, int32_t node_id, enum peer_channel channel,
                                             struct net_queue **to, bool *arrives)
{
    struct net_queue *own;
    struct net_link *link;

    *to = net_way(peers, node_id, channel, &own, &link);
    if (own->up_life == 0) return PEER_NO_LINK;
    if (prng_chance(&peers->net->prng, peers->net->full_chance, 1000)) return PEER_FULL;
    if ((*to)->count > NET_ITEMS_MAX / 2) return PEER_FULL;
    *arrives = link->up && own->up_life == link->life; /* else it goes into a link that is gone */
    peers->net->frames++;
    return PEER_SENT;
}

bool peers_want(struct peers *peers, int32_t node_id, enum peer_channel channel, struct peer_address address)
{
    CHECK(channel == PEER_DATA_OUT && address.port != 0);
    peers->net->links[peers->id][node_id].wanted = true;
    return true;
}

void peers_unwant(struct peers *peers, int32_t node_id, enum peer_channel channel)
{
    CHECK(channel == PEER_DATA_OUT);
    peers->net->links[peers->id][node_id].wanted = false;
    net_break(peers->net, peers->id, node_id);
}

bool peers_know(struct peers *peers, int32_t node_id)
{
    return node_id != peers->id;
}

enum peer_verdict peers_send(struct peers *peers, int32_t node_id, enum peer_channel channel, uint8_t kind,
                             const struct bytes *parts, uint32_t part_count)
{
    struct net_queue *to;
    bool arrives;
    const enum peer_verdict verdict = net_may_send(peers, node_id, channel, &to, &arrives);

    if (verdict != PEER_SENT || !arrives) return verdict;
    CHECK(part_count == 1);
    struct net_item *item = net_add(to, NET_FRAME, 0);
    item->frame_kind = kind;
    item->size = parts[0].size;
    item->bytes = malloc(parts[0].size + 1);
    memcpy(item->bytes, parts[0].data, parts[0].size);
    to->size += item->size;
    return PEER_SENT;
}

static inline uint32_t net_crc(const struct piece *pieces, uint32_t count)
{
    uint32_t crc = 0;

    for (uint32_t i = 0; i < count; i++) crc = crc32c(crc, pieces[i].data, pieces[i].size);
    return crc;
}

enum peer_verdict peers_send_lent(struct peers *peers, int32_t node_id, enum peer_channel channel, uint8_t kind,
                                  struct bytes head, const struct piece *pieces, uint32_t piece_count, uint64_t cookie)
{
    struct net_queue *to;
    bool arrives;
    const enum peer_verdict verdict = net_may_send(peers, node_id, channel, &to, &arrives);
    if (verdict != PEER_SENT) return verdict;

    CHECK(piece_count >= 1 && piece_count <= PEER_PIECES_MAX && head.size <= PEER_HEAD_SIZE_MAX);
    if (peers->lent == NULL) peers->lent = calloc(NET_LENT_MAX, sizeof *peers->lent);
    CHECK(peers->lent_count < NET_LENT_MAX);
    struct net_lent *lent = &peers->lent[peers->lent_count++];
    *lent = (struct net_lent){
        .cookie = cookie, .node_id = node_id, .crc = net_crc(pieces, piece_count), .piece_count = piece_count
    };
    memcpy(lent->pieces, pieces, piece_count * sizeof *pieces);
    if (!arrives) return PEER_SENT;
    struct net_item *item = net_add(to, NET_FRAME, 0);
    item->frame_kind = kind;
    item->size = head.size;
    for (uint32_t i = 0; i < piece_count; i++) item->size += pieces[i].size;
    item->bytes = malloc(item->size + 1);
    memcpy(item->bytes, head.data, head.size);
    for (uint32_t i = 0, at = head.size; i < piece_count; at += pieces[i++].size) {
        memcpy(item->bytes + at, pieces[i].data, pieces[i].size);
    }
    if (prng_chance(&peers->net->prng, peers->net->flip_chance, 1000)) {
        const uint32_t crc_covers = head.size + 21; /* of the first batch, from its attributes on */
        item->bytes[crc_covers + prng_below(&peers->net->prng, item->size - crc_covers)] ^= 16;
        peers->net->flips++;
    }
    to->size += item->size;
    return PEER_SENT;
}

bool peers_next_returned(struct peers *peers, struct peer_returned *returned)
{
    if (peers->lent_count == 0) return false;
    uint32_t at = (uint32_t)prng_below(&peers->net->prng, peers->lent_count);
    for (uint32_t i = 0; peers->net->links[peers->id][peers->lent[at].node_id].stands; i++) {
        if (i == peers->lent_count) return false;
        at = (at + 1) % peers->lent_count;
    }
    const struct net_lent *lent = &peers->lent[at];

    CHECK(net_crc(lent->pieces, lent->piece_count) == lent->crc); /* lent bytes stayed put */
    *returned = (struct peer_returned){ lent->cookie, lent->node_id, true };
    peers->lent[at] = peers->lent[--peers->lent_count];
    return true;
}

uint64_t peers_queued_size(const struct peers *peers, int32_t node_id, enum peer_channel channel)
{
    struct net_queue *own;
    struct net_link *link;

    return net_way((struct peers *)peers, node_id, channel, &own, &link)->size;
}

void peers_release(struct peers *peers, int32_t node_id, enum peer_channel channel)
{
    CHECK(channel == PEER_DATA_IN);
    peers->net->links[node_id][peers->id].to_called.held = false;
}

#endif
