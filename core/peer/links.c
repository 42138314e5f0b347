/* links.c -- the life of a link, from its number to its end. */
#include "peer/state.h"

static void set_timer(struct peers *peers, const struct link *link, uint64_t deadline_ns)
{
    timers_set(&peers->timers, link_number(peers, link), deadline_ns);
}

/* ---- begins ---- */

static void begin(struct peers *peers, struct link *link, enum link_state state, enum listener door)
{
    CHECK(link->state == LINK_FREE);
    *link = (struct link){
        .state = state,
        .door = door,
        .dialer = NONE,
        .node = NONE,
        .block = BUDDY_NONE,
        .out_first = NONE,
        .out_last = NONE,
        .flight_last = NONE,
        .heard_ns = peers->mono_ns,
        .said_ns = peers->mono_ns,
    };
    inbox_init(peers, link);
    set_timer(peers, link, peers->mono_ns + HANDSHAKE_NS);
    link_work(peers, link);
}

struct link *link_dial(struct peers *peers, uint32_t number)
{
    const struct dialer *dialer = &peers->dialers[number];
    const bool is_control = dialer_channel(peers, number) == PEER_CONTROL;
    const uint32_t slot = pool_take(&peers->dialed);

    if (slot == POOL_NONE) return NULL;
    struct link *link = &peers->links[peers->config.links_max + slot];
    begin(peers, link, LINK_DIALING, is_control ? LISTENER_NODE : LISTENER_WAL);
    link->dialer = number;
    link->dial_port = dialer->port;
    memcpy(link->dial_host, dialer->host, sizeof link->dial_host);
    peers->counters.dials++;
    return link;
}

static struct link *link_of(struct peers *peers, uint32_t number)
{
    CHECK(peers_own(peers, number));
    return &peers->links[number - peers->config.first_link];
}

void peers_on_link_opened(struct peers *peers, const struct event_link_opened *opened)
{
    struct link *link = link_of(peers, opened->link);

    CHECK(opened->listener != LISTENER_KAFKA);
    if (!link_is_dialed(peers, link)) {
        peers->called_count = MAX(peers->called_count, link_number(peers, link) + 1);
        begin(peers, link, LINK_WAITING, opened->listener);
        link->caller_size = MIN(opened->peer.size, (uint32_t)CALLER_SIZE_MAX);
        memcpy(link->caller, opened->peer.data, link->caller_size);
        return;
    }
    CHECK(link->open_ordered);
    if (link->state == LINK_CLOSING) return; /* it was given up; its end is on the way */
    CHECK(link->state == LINK_DIALING && link->door == opened->listener);
    link->state = LINK_GREETING;
    handshake_greet(peers, link);
    link_work(peers, link);
}

/* ---- ends ---- */

/* Nothing is outstanding with the host, or ever was. */
static void release(struct peers *peers, struct link *link)
{
    chain_remove(&peers->work, link_number(peers, link));
    timers_clear(&peers->timers, link_number(peers, link));
    inbox_free(peers, link);
    outbox_free(peers, link);
    link->state = LINK_FREE;
    if (link_is_dialed(peers, link)) pool_give(&peers->dialed, link_number(peers, link) - peers->config.links_max);
}

static void end_live(struct peers *peers, struct link *link, enum peer_reason reason)
{
    struct node *node = &peers->nodes[link->node];

    CHECK(node->links[link->channel] == link_number(peers, link)); /* (1) */
    node->links[link->channel] = NONE;
    peers->counters.links_up--;
    news_on_down(peers, link, reason);
    if (link->dialer != NONE) peers->dialers[link->dialer].link = NONE;
    link->dialer = NONE;
    dialing_on_down(peers, node, link->channel, peers->mono_ns - link->up_since_ns >= STEADY_NS);
}

void link_end(struct peers *peers, struct link *link, enum peer_reason reason)
{
    const enum link_state state = link->state;

    if (state == LINK_FREE || state == LINK_CLOSING) return;
    link->state = LINK_CLOSING;
    link->held = link->complete = false;
    timers_clear(&peers->timers, link_number(peers, link));
    chain_remove(&peers->arrivals, link_number(peers, link));
    for (uint32_t i = 0; i < MEMORY_CLASS_COUNT; i++) {
        chain_remove(&peers->memory[i].hungry, link_number(peers, link));
    }
    if (state == LINK_LIVE) {
        end_live(peers, link, reason);
    } else if (link->dialer != NONE) {
        struct dialer *dialer = &peers->dialers[link->dialer];
        link->dialer = NONE;
        dialer_on_miss(peers, dialer, reason, reason == PEER_WRONG_CLUSTER ? &link->said.cluster_id : NULL);
    }
    if (state == LINK_DIALING && !link->open_ordered) release(peers, link);
    else link_work(peers, link);
}

void peers_on_link_closed(struct peers *peers, const struct event_link_closed *closed)
{
    struct link *link = link_of(peers, closed->link);

    CHECK(link->state != LINK_FREE);
    if (link->state == LINK_LIVE) link_end(peers, link, PEER_CLOSED);
    else link_end(peers, link, closed->refused ? PEER_CONNECTION_REFUSED : PEER_UNREACHABLE);
    release(peers, link);
}

void link_broken(struct peers *peers, struct link *link)
{
    if (link->state == LINK_LIVE) {
        peers->counters.broken++;
    } else if (link->state == LINK_WAITING) {
        peers->counters.strangers++;
        news_on_turned_away(peers, link, PEER_BROKEN);
    }
    link_end(peers, link, PEER_BROKEN);
}

/* ---- time ---- */

void link_probe(struct peers *peers, struct link *link)
{
    if (link->state != LINK_LIVE || link->out_units > 0) return; /* what is queued asks as well */
    (void)outbox_put(peers, link, WIRE_ALIVE, NULL, 0);          /* no room: others keep the network busy, not us */
    link_work(peers, link);
}

/* A link is not told each time what it heard and said: it looks once in a while. */
static void look_after(struct peers *peers, struct link *link)
{
    /* What waits in the network because we do not read is not silence; nor is what could not be read while this
     * process stood still. */
    if (!link->receiving || peers->mono_ns < peers->grace_ns) link->heard_ns = peers->mono_ns;
    if (peers->mono_ns >= link->heard_ns + SILENCE_NS && !MUTANT(peer_silence_is_nothing)) {
        peers->counters.silent++;
        link_end(peers, link, PEER_SILENT);
        return;
    }
    uint64_t said_ns = link->said_ns;
    if (peers->mono_ns >= said_ns + KEEPALIVE_NS) {
        link_probe(peers, link);
        said_ns = peers->mono_ns;
    }
    set_timer(peers, link, MIN(link->heard_ns + SILENCE_NS, said_ns + KEEPALIVE_NS));
}

void link_on_timer(struct peers *peers, struct link *link)
{
    switch (link->state) {
    case LINK_FREE:
    case LINK_CLOSING: break;
    case LINK_DIALING:
    case LINK_GREETING: link_end(peers, link, PEER_UNREACHABLE); break;
    case LINK_WAITING:
        if (peers->open) link_broken(peers, link);
        else link_end(peers, link, PEER_DISMISSED); /* it was never listened to */
        break;
    case LINK_REFUSING: link_end(peers, link, PEER_DISMISSED); break;
    case LINK_LIVE: look_after(peers, link); break;
    }
}

/* ---- orders ---- */

static void order(struct peers *peers, struct link *link, struct effects *effects)
{
    const uint32_t number = peers->config.first_link + link_number(peers, link);

    switch (link->state) {
    case LINK_FREE: break;
    case LINK_CLOSING:
        if (link->close_ordered) break;
        link->close_ordered = true;
        effects_add(effects, EFFECT_CLOSE_LINK)->close_link = (struct effect_close_link){ number };
        break;
    case LINK_DIALING:
        if (link->open_ordered) break;
        link->open_ordered = true;
        effects_add(effects, EFFECT_OPEN_LINK)->open_link =
            (struct effect_open_link){ number, link->door, link->dial_port, link->dial_host };
        break;
    case LINK_GREETING:
    case LINK_WAITING:
    case LINK_REFUSING:
    case LINK_LIVE:
        if (outbox_wants(link)) outbox_send(peers, link, effects);
        if (inbox_wants(peers, link)) {
            link->receiving = true;
            effects_add(effects, EFFECT_RECEIVE)->receive = (struct effect_receive){
                .link = number, .into = link->buffer + link->end, .size = link->capacity - link->end
            };
        }
        break;
    }
}

void peers_work(struct peers *peers, struct effects *effects)
{
    if (peers->lent != NONE) inbox_consume(peers, &peers->links[peers->lent]);
    while (effects_space(effects) >= ORDERS_KEPT + ORDERS_OF_LINK) {
        const uint32_t number = chain_take(&peers->work);
        if (number == CHAIN_NONE) return;
        order(peers, &peers->links[number], effects);
    }
}

void peer_link_check(const struct peers *peers, const struct link *link)
{
    const uint32_t number = link_number(peers, link);

    if (link->state == LINK_LIVE) {
        CHECK(peers->nodes[link->node].id == link->said.node_id);       /* (1) */
        CHECK(peers->nodes[link->node].links[link->channel] == number); /* (1) */
        CHECK(link->life > 0);                                          /* (2) */
    } else if (link->state != LINK_FREE && link->state != LINK_CLOSING) {
        CHECK(timers_deadline(&peers->timers, number) != TIMERS_NEVER); /* (2) */
    }
    CHECK(chain_has(&peers->arrivals, number) == (link->complete && !link->held && peers->lent != number)); /* (4) */
    CHECK(!link->receiving || !link->complete);
    CHECK(link->begin <= link->end && link->end <= link->capacity);
    if (chain_has(&peers->work, number) || link->state == LINK_FREE) return;
    if (link->state == LINK_CLOSING) CHECK(link->close_ordered); /* (4) */
    else CHECK(link->state == LINK_DIALING ? link->open_ordered : !outbox_wants(link) && !inbox_wants(peers, link));
}
