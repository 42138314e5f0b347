/* route_peers.c -- what other nodes did and said, to the rooms; and what the rooms have to say to them. */
#include "base/check.h"
#include "routes.h"

enum { FRAMES_PER_STEP_MAX = 256 };

/* The other one is of another cluster; or of ours, before or after a disaster. Who was left behind then must not go on
 * as if nothing had happened: with others of its kind it might decide, and serve. */
static void on_other_cluster(struct node *node, const struct peer_change *change, struct effects *effects)
{
    const struct effect_halt outlived = { .reason = HALT_OUTLIVED };
    const struct ancestry own = controller_ancestry(node->controller);

    switch (ancestry_kinship(&own, &change->cluster_id)) {
    case KINSHIP_NONE:
    case KINSHIP_SAME: break;
    case KINSHIP_OLDER: NOTE(effects, OUTLIVED_CALLS, change->node_id); break;
    case KINSHIP_APART: NOTE(effects, RECOVERED_APART, change->node_id); break;
    case KINSHIP_NEWER:
        NOTE(effects, OUTLIVED, change->node_id);
        node_halt(node, &outlived, effects);
        break;
    }
}

static void on_peer_change(struct node *node, const struct peer_change *change, struct effects *effects)
{
    const struct effect_halt foreign = { .reason = HALT_FOREIGN };
    struct peer_view view;
    const bool is_lost = change->kind == PEER_DOWN || change->kind == PEER_MISSED;

    if (change->kind == PEER_TURNED_AWAY && change->expected_us && change->reason == PEER_WRONG_CLUSTER &&
        controller_founded_by_mistake(node->controller)) {
        NOTE(effects, FOUNDED_TWICE, change->node_id);
        node_halt(node, &foreign, effects);
        return;
    }
    if (change->reason == PEER_WRONG_CLUSTER && !MUTANT(node_outlives_its_cluster)) {
        on_other_cluster(node, change, effects);
    }
    if (node->phase == PHASE_HALTED || change->node_id == 0) return;
    if (change->channel != PEER_CONTROL) {
        if (change->kind == PEER_UP) replicas_on_link(node->replicas, change->node_id, change->channel, true);
        if (change->kind == PEER_DOWN) replicas_on_link(node->replicas, change->node_id, change->channel, false);
        return;
    }
    if (change->kind == PEER_UP) controller_on_link_up(node->controller, change->node_id);
    /* One that was dialed beside a link that stands may well have been missed. */
    if (is_lost && !peers_view(node->peers, change->node_id, PEER_CONTROL, &view)) {
        controller_on_link_lost(node->controller, change->node_id, change->reason == PEER_CONNECTION_REFUSED);
    }
}

static void on_frame(struct node *node, const struct peer_frame *frame, struct effects *effects)
{
    if (frame->channel == PEER_CONTROL) {
        const bool known = controller_on_peer_frame(node->controller, frame->node_id, frame->member_id, frame->kind,
                                                    frame->payload, effects);
        node->frames_refused += !known;
    } else if (node_replicates(node)) { /* else it is lost: it says nothing that will not be said again */
        if (!replicas_on_frame(node->replicas, frame, effects)) peers_hold(node->peers);
    }
}

void route_in(struct node *node, struct effects *effects)
{
    const struct effect_halt foreign = { .reason = HALT_FOREIGN };
    struct peer_change change;
    struct peer_frame frame;
    struct peer_returned returned;
    uint32_t count = 0;

    while (node->phase != PHASE_HALTED && peers_next_change(node->peers, &change, effects)) {
        on_peer_change(node, &change, effects);
    }
    while (count++ < FRAMES_PER_STEP_MAX && peers_next_frame(node->peers, &frame)) on_frame(node, &frame, effects);
    if (node->phase != PHASE_HALTED && controller_founded_twice(node->controller)) node_halt(node, &foreign, effects);
    while (peers_next_returned(node->peers, &returned)) replicas_on_returned(node->replicas, &returned);
}

static struct uuid cluster_of(const struct node *node)
{
    const struct ancestry ancestry = controller_ancestry(node->controller);

    return ancestry_identity(&ancestry);
}

/* Others may know of us once a crash cannot make us another one. */
static void open_peers(struct node *node)
{
    const struct peer_identity identity = { .cluster_id = cluster_of(node),
                                            .member_id = controller_member(node->controller),
                                            .incarnation = controller_incarnation(node->controller) };

    if (identity.member_id == 0) return;
    node->cluster_id = identity.cluster_id;
    node->peers_open = true;
    peers_open(node->peers, &identity);
}

static void seek(struct node *node)
{
    const bool seeks = controller_wants_in(node->controller);

    if (seeks == node->seeks) return;
    node->seeks = seeks;
    if (!seeks) peers_seek_end(node->peers);
    for (uint32_t i = 0; seeks && i < node->config.seed_count; i++) {
        const struct seed_node *from = &node->config.seeds[i];
        if (from->node_id == node->config.node_id) continue;
        peers_seek(node->peers, i, from->node_id, route_address(&from->address));
    }
}

static void set_links(struct node *node)
{
    struct control_link link;

    while (controller_next_link(node->controller, &link)) {
        if (link.wanted) {
            peers_want(node->peers, link.node_id, PEER_CONTROL, (struct peer_address){ link.host, link.port });
        } else {
            peers_unwant(node->peers, link.node_id, PEER_CONTROL);
        }
    }
}

void route_out(struct node *node, struct effects *effects)
{
    const struct uuid cluster_id = cluster_of(node);
    struct controller_frame frame;

    if (!node->peers_open) open_peers(node);
    if (!node->peers_open) {
        peers_work(node->peers, effects);
        return;
    }
    if (!uuid_equal(&node->cluster_id, &cluster_id)) {
        node->cluster_id = cluster_id;
        peers_set_cluster(node->peers, &cluster_id);
    }
    while (controller_next_frame(node->controller, &frame)) {
        const enum peer_verdict verdict =
            peers_send(node->peers, frame.to, PEER_CONTROL, frame.kind, frame.parts, frame.part_count);
        if (verdict != PEER_SENT) controller_on_frame_lost(node->controller);
    }
    set_links(node);
    seek(node);
    peers_work(node->peers, effects);
}
