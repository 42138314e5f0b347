/* news.c -- what the rooms above have not been told yet, and what people read of it. */
#include "peer/state.h"

static const struct reason_text {
    const char *text;
} reason_texts[] = {
    [PEER_REASON_NONE] = { "for no reason" },
    [PEER_CLOSED] = { "it was closed" },
    [PEER_SILENT] = { "nothing was heard any more" },
    [PEER_BROKEN] = { "what came is not of this protocol" },
    [PEER_REPLACED] = { "a newer one takes its place" },
    [PEER_DISMISSED] = { "it is wanted no more" },
    [PEER_CONNECTION_REFUSED] = { "nobody listens there" },
    [PEER_UNREACHABLE] = { "no answer" },
    [PEER_WRONG_VERSION] = { "there is no version of the protocol that both speak" },
    [PEER_WRONG_CLUSTER] = { "the other one belongs to another cluster" },
    [PEER_WRONG_NODE] = { "at this address is another node than the one that was called" },
    [PEER_DUPLICATE] = { "a node with the same id, and other data, is there already" },
    [PEER_ONESELF] = { "it is the node itself" },
    [PEER_UNKNOWN] = { "only members of the cluster exchange data" },
    [PEER_NO_ROOM] = { "there is no room for another node" },
    [PEER_LINKED_ALREADY] = { "there is a link already" },
};
_Static_assert(COUNT_OF(reason_texts) == PEER_REASON_COUNT, "each reason has its words");

const char *peer_reason_text(enum peer_reason reason)
{
    return reason_texts[reason].text;
}

static struct bytes text_of_reason(enum peer_reason reason)
{
    struct bytes text = { (const uint8_t *)reason_texts[reason].text, 0 };
    while (text.data[text.size] != 0) text.size++;
    return text;
}

static bool is_data(enum peer_channel channel)
{
    return channel != PEER_CONTROL;
}

/* ---- what happened ---- */

void news_on_up(struct peers *peers, const struct link *link)
{
    chain_add(&peers->untold, news_number(peers, &peers->nodes[link->node], link->channel));
}

void news_on_down(struct peers *peers, const struct link *link, enum peer_reason reason)
{
    const uint32_t number = news_number(peers, &peers->nodes[link->node], link->channel);

    peers->news[number].down = reason;
    chain_add(&peers->untold, number);
}

static uint32_t number_of_dialer(const struct peers *peers, uint32_t dialer)
{
    const uint32_t seeds = peers->config.nodes_max * DIALERS_PER_NODE;

    if (dialer >= seeds) return peers->config.nodes_max * PEER_CHANNEL_COUNT + dialer - seeds;
    return dialer / DIALERS_PER_NODE * PEER_CHANNEL_COUNT + (uint32_t)dialer_channel(peers, dialer);
}

void news_on_miss(struct peers *peers, uint32_t dialer, enum peer_reason reason, const struct uuid *cluster_id)
{
    const uint32_t number = number_of_dialer(peers, dialer);
    struct news *news = &peers->news[number];

    news->missed = true;
    news->miss = reason;
    news->miss_cluster = cluster_id == NULL ? (struct uuid){ { 0 } } : *cluster_id;
    chain_add(&peers->untold, number);
}

void news_on_reached(struct peers *peers, uint32_t dialer)
{
    peers->news[number_of_dialer(peers, dialer)].miss_noted = PEER_REASON_NONE;
}

void news_on_turned_away(struct peers *peers, const struct link *link, enum peer_reason reason)
{
    const struct introduction *said = &link->said;

    peers->turned_away = (struct peer_change){
        .kind = PEER_TURNED_AWAY,
        .reason = reason,
        .node_id = said->node_id,
        .channel = said->channel == WIRE_DATA ? PEER_DATA_IN : PEER_CONTROL,
        .member_id = said->member_id,
        .incarnation = said->incarnation,
        .cluster_id = said->cluster_id,
        .expected_us = said->wanted_id == peers->config.node_id,
    };
    memcpy(peers->caller, link->caller, link->caller_size);
    peers->caller_size = link->caller_size;
    peers->turned_away_untold = true;
}

/* ---- what people read ---- */

static void note_up(const struct peer_change *change, struct effects *effects)
{
    if (is_data(change->channel)) NOTE(effects, PEER_DATA_UP, change->node_id, change->channel == PEER_DATA_OUT);
    else NOTE(effects, PEER_UP, change->node_id);
}

static void note_down(const struct peer_change *change, struct effects *effects)
{
    const struct bytes why = text_of_reason(change->reason);

    if (is_data(change->channel)) NOTE_TEXT(effects, PEER_DATA_DOWN, why, change->node_id);
    else if (change->reason == PEER_BROKEN) NOTE(effects, PEER_BROKEN, change->node_id);
    else NOTE_TEXT(effects, PEER_DOWN, why, change->node_id);
}

/* Attempts are repeated for as long as it takes: only what is new is worth a line. */
static void note_miss(struct news *news, const struct peer_change *change, struct effects *effects)
{
    const struct bytes why = text_of_reason(change->reason);

    if (news->miss_noted == change->reason) return;
    if (change->reason == PEER_LINKED_ALREADY || change->reason == PEER_ONESELF) return; /* as it should be */
    news->miss_noted = change->reason;
    if (change->reason == PEER_CONNECTION_REFUSED || change->reason == PEER_UNREACHABLE) {
        NOTE_TEXT(effects, PEER_UNREACHED, why, change->node_id);
    } else {
        NOTE_TEXT(effects, PEER_REFUSED_US, why, change->node_id);
    }
}

/* The same of the same caller, not long ago. */
static bool was_noted(struct peers *peers, const struct peer_change *change)
{
    for (uint32_t i = 0; i < NOTED_MAX; i++) {
        const struct noted *noted = &peers->noted[i];
        if (noted->reason != change->reason || noted->node_id != change->node_id) continue;
        if (peers->mono_ns - noted->time_ns < NOTED_NS) return true;
    }
    peers->noted[peers->noted_next] = (struct noted){ change->node_id, change->reason, peers->mono_ns };
    peers->noted_next = (peers->noted_next + 1) % NOTED_MAX;
    return false;
}

static void note_turned_away(struct peers *peers, const struct peer_change *change, struct effects *effects)
{
    if (change->reason == PEER_LINKED_ALREADY || change->reason == PEER_ONESELF) return;
    if (was_noted(peers, change)) return;
    if (change->reason == PEER_BROKEN) {
        NOTE_TEXT(effects, PEER_STRANGER, ((struct bytes){ peers->caller, peers->caller_size }));
    } else {
        NOTE_TEXT(effects, PEER_TURNED_AWAY, text_of_reason(change->reason), change->node_id);
    }
}

/* ---- telling ---- */

static struct peer_change of_link(enum peer_change_kind kind, int32_t node_id, enum peer_channel channel,
                                  const struct news *news)
{
    return (struct peer_change){
        .kind = kind,
        .node_id = node_id,
        .channel = channel,
        .member_id = news->member_id,
        .incarnation = news->incarnation,
        .cluster_id = news->cluster_id,
    };
}

/* The link that is live, if it is not the one that was told. */
static const struct link *untold_link(const struct peers *peers, const struct news *news, const struct node *node,
                                      enum peer_channel channel)
{
    const uint32_t number = node->links[channel];
    return number != NONE && peers->links[number].life != news->told_life ? &peers->links[number] : NULL;
}

/* First what ended, then what failed, then what began. False: nothing is left to tell. */
static bool tell(struct peers *peers, uint32_t number, struct peer_change *change, struct effects *effects)
{
    struct news *news = &peers->news[number];
    const uint32_t slot = number / PEER_CHANNEL_COUNT;
    const bool is_seed = slot >= peers->config.nodes_max;
    const enum peer_channel channel = is_seed ? PEER_CONTROL : (enum peer_channel)(number % PEER_CHANNEL_COUNT);
    const struct node *node = is_seed ? NULL : &peers->nodes[slot];
    const struct link *link = is_seed ? NULL : untold_link(peers, news, node, channel);

    if (MUTANT(peer_replaced_link_is_not_told) && link != NULL && news->told_life != 0) return false;

    if (news->told_life != 0 && (link != NULL || node->links[channel] == NONE)) {
        *change = of_link(PEER_DOWN, node->id, channel, news);
        change->reason = news->down;
        news->told_life = 0;
        note_down(change, effects);
        return true;
    }
    if (news->missed) {
        const uint32_t seed = number - peers->config.nodes_max * PEER_CHANNEL_COUNT;
        *change = (struct peer_change){ .kind = PEER_MISSED, .reason = news->miss, .channel = channel };
        change->node_id =
            is_seed ? peers->dialers[peers->config.nodes_max * DIALERS_PER_NODE + seed].node_id : node->id;
        change->cluster_id = news->miss_cluster;
        news->missed = false;
        note_miss(news, change, effects);
        return true;
    }
    if (link == NULL) return false;
    news->told_life = link->life;
    news->member_id = link->said.member_id;
    news->incarnation = link->said.incarnation;
    news->cluster_id = link->said.cluster_id;
    *change = of_link(PEER_UP, node->id, channel, news);
    note_up(change, effects);
    return true;
}

bool peers_next_change(struct peers *peers, struct peer_change *change, struct effects *effects)
{
    for (uint32_t number; (number = peers->untold.first) != CHAIN_NONE;) {
        if (tell(peers, number, change, effects)) return true;
        chain_take(&peers->untold);
        if (number >= peers->config.nodes_max * PEER_CHANNEL_COUNT) continue;
        node_release(peers, &peers->nodes[number / PEER_CHANNEL_COUNT]);
    }
    if (!peers->turned_away_untold) return false;
    peers->turned_away_untold = false;
    *change = peers->turned_away;
    note_turned_away(peers, change, effects);
    return true;
}
