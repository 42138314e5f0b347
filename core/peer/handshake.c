/* handshake.c -- who may be linked with whom, and which of two links stays.
 *
 * Whoever dialed says HELLO; the other end decides alone, and answers WELCOME or REFUSED. Then both ends have to keep
 * the same link of a pair and channel, although each sees things in an order of its own:
 *
 *   (1) A link of a newer process replaces one of an older: of an older, nobody is there any more.
 *   (2) Of two links that one end dialed, the later one stays: it would not have dialed with the first one alive.
 *   (3) Of two links for control that crossed, the one stays that the lower node id dialed.
 *
 * (1) and (2) are decided by who is called, in the order of arrival, and the caller learns it by WELCOME; (3) needs no
 * order. So no sequence of crossing calls makes both ends drop what the other one keeps. */
#include "peer/state.h"

static struct introduction introduce(const struct peers *peers, const struct link *link)
{
    return (struct introduction){
        .version_min = WIRE_VERSION_MIN,
        .version_max = WIRE_VERSION_MAX,
        .channel = link->door == LISTENER_WAL ? WIRE_DATA : WIRE_CONTROL,
        .node_id = peers->config.node_id,
        .member_id = peers->identity.member_id,
        .cluster_id = peers->identity.cluster_id,
        .incarnation = peers->identity.incarnation,
        .node_address = peers->config.node_address,
        .wal_address = peers->config.wal_address,
    };
}

/* What a link that is not live yet has to say; its queue is empty, and there is room for it or the link is not kept. */
static bool say(struct peers *peers, struct link *link, uint8_t kind, const uint8_t *body, uint32_t size)
{
    const struct bytes part = { body, size };
    return outbox_put(peers, link, kind, &part, 1);
}

static void remember(struct link *link, const struct introduction *said)
{
    link->said = *said;
    memcpy(link->hosts[0], said->node_address.host.data, said->node_address.host.size);
    memcpy(link->hosts[1], said->wal_address.host.data, said->wal_address.host.size);
    link->said.node_address.host.data = link->hosts[0];
    link->said.wal_address.host.data = link->hosts[1];
}

void handshake_greet(struct peers *peers, struct link *link)
{
    struct introduction own = introduce(peers, link);
    uint8_t body[WIRE_HANDSHAKE_SIZE_MAX];

    CHECK(link->state == LINK_GREETING);
    own.wanted_id = link->dialer == NONE ? 0 : peers->dialers[link->dialer].node_id;
    if (!say(peers, link, WIRE_HELLO, body, introduction_write(body, &own))) link_end(peers, link, PEER_NO_ROOM);
}

/* ---- which link stays ---- */

static bool is_of_same_process(const struct introduction *a, const struct introduction *b)
{
    return a->member_id == b->member_id && uuid_equal(&a->incarnation, &b->incarnation);
}

static bool lower_dialed(const struct peers *peers, const struct link *link)
{
    const bool own_is_lower = peers->config.node_id < link->said.node_id;
    return link_is_dialed(peers, link) == own_is_lower;
}

/* Whether a new link takes the place of one that stands. */
static bool replaces(const struct peers *peers, const struct link *link, const struct link *old)
{
    if (!is_of_same_process(&link->said, &old->said)) return !MUTANT(peer_link_stays_with_old_process); /* (1) */
    if (link_is_dialed(peers, link) == link_is_dialed(peers, old)) {
        return link_is_dialed(peers, link) || link->said.wanted_id != 0; /* (2) */
    }
    return MUTANT(peer_newest_link_stays) || lower_dialed(peers, link); /* (3) */
}

static struct link *standing(const struct peers *peers, const struct node *node, enum peer_channel channel)
{
    return node->links[channel] == NONE ? NULL : &peers->links[node->links[channel]];
}

/* Another one of the same node id is linked with us, and not known to be dead. */
static bool is_double(struct peers *peers, const struct node *node, const struct link *link)
{
    for (uint32_t channel = 0; channel < PEER_CHANNEL_COUNT; channel++) {
        struct link *other = standing(peers, node, (enum peer_channel)channel);
        if (other == NULL || other->said.member_id == link->said.member_id) continue;
        link_probe(peers, other);
        return true;
    }
    return false;
}

/* What an earlier process of that node left behind. */
static void end_older(struct peers *peers, const struct node *node, const struct link *link)
{
    for (uint32_t channel = 0; channel < PEER_CHANNEL_COUNT; channel++) {
        struct link *other = standing(peers, node, (enum peer_channel)channel);
        if (other != NULL && !is_of_same_process(&other->said, &link->said)) link_end(peers, other, PEER_REPLACED);
    }
}

static void go_live(struct peers *peers, struct link *link, struct node *node, enum peer_channel channel)
{
    struct link *old = standing(peers, node, channel);

    end_older(peers, node, link);
    if (old != NULL) link_end(peers, old, PEER_REPLACED);
    CHECK(node->links[channel] == NONE);
    node->links[channel] = link_number(peers, link);
    link->state = LINK_LIVE;
    link->node = node_slot(peers, node);
    link->channel = channel;
    link->life = ++peers->lives;
    link->up_since_ns = link->heard_ns = peers->mono_ns;
    timers_set(&peers->timers, link_number(peers, link), peers->mono_ns + KEEPALIVE_NS);
    peers->counters.links_up++;
    peers->counters.handshakes++;
    news_on_up(peers, link);
    if (link->dialer != NONE) dialer_on_up(peers, &peers->dialers[link->dialer], node->id);
}

/* ---- the end that is called ---- */

static bool in_another_cluster(const struct peers *peers, const struct introduction *said)
{
    return !uuid_is_zero(&peers->identity.cluster_id) && !uuid_is_zero(&said->cluster_id) &&
           !uuid_equal(&peers->identity.cluster_id, &said->cluster_id);
}

/* What the caller says, held against what we are. */
static enum peer_reason objection(const struct peers *peers, const struct introduction *said)
{
    const struct node *node = node_find(peers, said->node_id);
    const bool of_cluster = !uuid_is_zero(&peers->identity.cluster_id) && !uuid_is_zero(&said->cluster_id);

    if (said->version_min > WIRE_VERSION_MAX || said->version_max < WIRE_VERSION_MIN) return PEER_WRONG_VERSION;
    if (in_another_cluster(peers, said)) return PEER_WRONG_CLUSTER;
    if (said->node_id == peers->config.node_id) {
        return uuid_equal(&said->incarnation, &peers->identity.incarnation) ? PEER_ONESELF : PEER_DUPLICATE;
    }
    if (said->wanted_id != 0 && said->wanted_id != peers->config.node_id) return PEER_WRONG_NODE;
    if (said->channel == WIRE_DATA && (!of_cluster || node == NULL || !node->known)) return PEER_UNKNOWN;
    return PEER_REASON_NONE;
}

static void refuse(struct peers *peers, struct link *link, enum peer_reason reason)
{
    const struct refusal refusal = { WIRE_VERSION_MIN, WIRE_VERSION_MAX, reason, peers->config.node_id,
                                     peers->identity.cluster_id };
    uint8_t body[WIRE_HANDSHAKE_SIZE_MAX];

    peers->counters.turned_away++;
    news_on_turned_away(peers, link, reason);
    link->state = LINK_REFUSING;
    if (say(peers, link, WIRE_REFUSED, body, refusal_write(body, &refusal))) link_work(peers, link);
    else link_end(peers, link, reason);
}

static void welcome(struct peers *peers, struct link *link, struct node *node, enum peer_channel channel)
{
    struct introduction own = introduce(peers, link);
    uint8_t body[WIRE_HANDSHAKE_SIZE_MAX];

    own.version_min = own.version_max = MIN(link->said.version_max, (uint16_t)WIRE_VERSION_MAX);
    own.wanted_id = node->id;
    if (say(peers, link, WIRE_WELCOME, body, introduction_write(body, &own))) go_live(peers, link, node, channel);
    else link_end(peers, link, PEER_NO_ROOM);
}

void handshake_on_hello(struct peers *peers, struct link *link, struct bytes payload)
{
    struct introduction said;

    CHECK(link->state == LINK_WAITING && peers->open);
    if (!introduction_read(payload, &said) || (said.channel == WIRE_DATA) != (link->door == LISTENER_WAL)) {
        link_broken(peers, link);
        return;
    }
    remember(link, &said);
    const enum peer_channel channel = said.channel == WIRE_DATA ? PEER_DATA_IN : PEER_CONTROL;
    const enum peer_reason reason = objection(peers, &said);
    if (reason != PEER_REASON_NONE) {
        refuse(peers, link, reason);
        return;
    }
    struct node *node = node_get(peers, said.node_id);
    if (node == NULL) {
        refuse(peers, link, PEER_NO_ROOM);
        return;
    }
    struct link *old = standing(peers, node, channel);
    if (is_double(peers, node, link)) {
        refuse(peers, link, PEER_DUPLICATE);
    } else if (old != NULL && !replaces(peers, link, old)) {
        link_probe(peers, old); /* the caller may know better than we that it is dead */
        refuse(peers, link, PEER_LINKED_ALREADY);
    } else {
        welcome(peers, link, node, channel);
    }
    node_release(peers, node);
}

/* ---- the end that called ---- */

static void on_welcome(struct peers *peers, struct link *link, const struct introduction *said)
{
    const int32_t wanted_id = link->dialer == NONE ? 0 : peers->dialers[link->dialer].node_id;
    const enum peer_channel channel = link->door == LISTENER_WAL ? PEER_DATA_OUT : PEER_CONTROL;

    if (said->version_min != said->version_max || said->version_max < WIRE_VERSION_MIN ||
        said->version_max > WIRE_VERSION_MAX || said->wanted_id != peers->config.node_id ||
        (said->channel == WIRE_DATA) != (link->door == LISTENER_WAL)) {
        link_broken(peers, link);
        return;
    }
    remember(link, said);
    if (in_another_cluster(peers, said)) {
        link_end(peers, link, PEER_WRONG_CLUSTER);
        return;
    }
    if (said->node_id == peers->config.node_id || (wanted_id != 0 && said->node_id != wanted_id)) {
        link_end(peers, link, PEER_WRONG_NODE);
        return;
    }
    struct node *node = node_get(peers, said->node_id);
    if (node == NULL) {
        link_end(peers, link, PEER_NO_ROOM);
        return;
    }
    const struct link *old = standing(peers, node, channel);
    if (is_double(peers, node, link)) link_end(peers, link, PEER_DUPLICATE);
    else if (old != NULL && !replaces(peers, link, old)) link_end(peers, link, PEER_LINKED_ALREADY);
    else go_live(peers, link, node, channel);
    node_release(peers, node);
}

void handshake_on_answer(struct peers *peers, struct link *link, uint8_t kind, struct bytes payload)
{
    struct introduction said;
    struct refusal refusal;

    CHECK(link->state == LINK_GREETING);
    if (kind == WIRE_WELCOME && introduction_read(payload, &said)) {
        on_welcome(peers, link, &said);
    } else if (kind == WIRE_REFUSED && refusal_read(payload, &refusal)) {
        link->said.cluster_id = refusal.cluster_id;
        if (link->dialer != NONE && refusal.reason == PEER_LINKED_ALREADY) {
            peers->dialers[link->dialer].found_id = refusal.node_id;
        }
        link_end(peers, link, refusal.reason);
    } else {
        link_broken(peers, link);
    }
}
