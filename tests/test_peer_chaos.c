/* Whatever happens on the way: when it is over, every wanted link stands, both ends agree on it, and what came over
 * each was a run of what was sent. */
#include "peer_world.h"

enum { SEEDS = 60, STEPS = 150, NODES = 4 };

struct chaos {
    struct world *world;
    struct prng prng;
    bool wants[NODES + 1][NODES + 1][2];
    uint32_t life[NODES + 1];
    uint32_t sent[NODES + 1][NODES + 1]; /* control frames from and to */
    uint32_t looked_at[NODES + 1];
    uint32_t heard[NODES + 1][NODES + 1]; /* [to][from]: the last number */
};

static struct peers *room(struct chaos *chaos, int32_t id)
{
    return chaos->world->nodes[id].peers;
}

static int32_t some_node(struct chaos *chaos)
{
    return 1 + (int32_t)prng_below(&chaos->prng, NODES);
}

static void tell_wishes(struct chaos *chaos, int32_t a)
{
    for (int32_t b = 1; b <= NODES; b++) {
        if (a == b) continue;
        peers_know(room(chaos, a), b);
        if (chaos->wants[a][b][0]) peers_want(room(chaos, a), b, PEER_CONTROL, world_address(b, false));
        if (chaos->wants[a][b][1]) peers_want(room(chaos, a), b, PEER_DATA_OUT, world_address(b, true));
    }
}

static void restart(struct chaos *chaos, int32_t id)
{
    world_start(chaos->world, id, ++chaos->life[id]);
    tell_wishes(chaos, id);
}

static void change_wish(struct chaos *chaos)
{
    const int32_t a = some_node(chaos), b = some_node(chaos);
    const bool data = prng_chance(&chaos->prng, 1, 2);

    if (a == b || !chaos->world->nodes[a].alive) return;
    bool *wants = &chaos->wants[a][b][data];
    *wants = !*wants;
    if (*wants) tell_wishes(chaos, a);
    else peers_unwant(room(chaos, a), b, data ? PEER_DATA_OUT : PEER_CONTROL);
}

static void send_some(struct chaos *chaos)
{
    static uint8_t bytes[70000];
    const int32_t a = some_node(chaos), b = some_node(chaos);
    const uint32_t size = 8 + (uint32_t)prng_below(&chaos->prng, prng_chance(&chaos->prng, 1, 8) ? 60000 : 100);

    if (a == b || !chaos->world->nodes[a].alive) return;
    if (world_send(chaos->world, a, b, PEER_CONTROL, (uint8_t)(chaos->sent[a][b] % 200), bytes, size) == PEER_SENT) {
        chaos->sent[a][b]++;
    }
    const struct piece piece = { .data = bytes, .size = size };
    (void)peers_send_lent(room(chaos, a), b, PEER_DATA_OUT, 34, (struct bytes){ bytes, 8 }, &piece, 1, 1);
}

static void trouble(struct chaos *chaos)
{
    struct world *world = chaos->world;
    const int32_t a = some_node(chaos), b = some_node(chaos);

    switch (prng_below(&chaos->prng, 8)) {
    case 0:
        if (world->nodes[a].alive) world_kill(world, a);
        else restart(chaos, a);
        break;
    case 1:
        if (world->nodes[a].alive) world_vanish(world, a);
        else restart(chaos, a);
        break;
    case 2: world_cut(world, a, b, true); break;
    case 3: world->cut[a][b] = true; break; /* one way */
    case 4: world_cut(world, a, b, false); break;
    case 5: world->flips = prng_chance(&chaos->prng, 1, 4); break;
    case 6: world->nodes[a].holds = !world->nodes[a].holds; break;
    default: change_wish(chaos);
    }
}

/* What a link brings is in order, whatever was lost before it stood: kinds count up, and begin anew with each link. */
static void look_at_frames(struct chaos *chaos)
{
    for (int32_t to = 1; to <= NODES; to++) {
        struct world_node *node = &chaos->world->nodes[to];
        for (; chaos->looked_at[to] < node->frame_count; chaos->looked_at[to]++) {
            const struct got_frame *frame = &node->frames[chaos->looked_at[to]];
            EXPECT("of a node that there is", frame->from >= 1 && frame->from <= NODES && frame->from != to);
            if (frame->channel != PEER_CONTROL) continue;
            const uint32_t step = (frame->kind + 200 - chaos->heard[to][frame->from]) % 200;
            EXPECT("never backwards, never twice", step > 0 && step < 150);
            chaos->heard[to][frame->from] = frame->kind;
        }
        node->frame_count = chaos->looked_at[to] = 0;
    }
}

static void heal(struct chaos *chaos)
{
    struct world *world = chaos->world;

    world->flips = 0;
    for (int32_t a = 1; a <= NODES; a++) {
        for (int32_t b = 1; b <= NODES; b++) world_cut(world, a, b, false);
        world->nodes[a].holds = false;
        if (!world->nodes[a].alive) restart(chaos, a);
        else tell_wishes(chaos, a);
        for (int32_t b = 1; b <= NODES; b++) peers_release(room(chaos, a), b, PEER_DATA_IN);
    }
    for (uint32_t i = 0; i < 50; i++) {
        world_run(world, 250);
        for (int32_t a = 1; a <= NODES; a++) {
            for (int32_t b = 1; b <= NODES; b++) {
                if (a != b) peers_release(room(chaos, a), b, PEER_DATA_IN);
            }
        }
        look_at_frames(chaos);
    }
}

static void judge(struct chaos *chaos)
{
    struct world *world = chaos->world;
    uint64_t up[NODES + 1] = { 0 };

    for (int32_t a = 1; a <= NODES; a++) {
        for (int32_t b = 1; b <= NODES; b++) {
            if (a == b) continue;
            const bool wanted = chaos->wants[a][b][0] || chaos->wants[b][a][0];
            if (wanted) EXPECT("who is wanted is there", world_is_up(world, a, b, PEER_CONTROL));
            if (chaos->wants[a][b][1]) EXPECT("for data too", world_is_up(world, a, b, PEER_DATA_OUT));
            EXPECT("both agree", world_is_up(world, a, b, PEER_CONTROL) == world_is_up(world, b, a, PEER_CONTROL));
            EXPECT("on data", world_is_up(world, a, b, PEER_DATA_OUT) == world_is_up(world, b, a, PEER_DATA_IN));
            for (uint32_t channel = 0; channel < PEER_CHANNEL_COUNT; channel++) {
                up[a] += world_is_up(world, a, b, (enum peer_channel)channel);
            }
        }
        const struct peers_counters *counters = peers_counters(room(chaos, a));
        EXPECT_EQ("all are counted", up[a], counters->links_up);
        uint32_t numbers = 0;
        for (uint32_t link = 0; link < 2 * WORLD_LINKS; link++) numbers += world->nodes[a].wire_of[link] != UINT32_MAX;
        EXPECT_EQ("no number is taken but by these", up[a], numbers);
        EXPECT_EQ("nothing is left behind", 0, peers_queued_size(room(chaos, a), a % NODES + 1, PEER_CONTROL));
    }
}

TEST(it_comes_right_in_the_end)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct chaos chaos = { .world = world_new(NODES) };
        prng_init(&chaos.prng, seed, 1);
        chaos.world->chunk_max = seed % 3 == 0 ? 30000 : 0;
        for (int32_t id = 1; id <= NODES; id++) {
            chaos.life[id] = 1;
            for (int32_t from = 1; from <= NODES; from++) chaos.heard[id][from] = 199;
        }
        for (uint32_t i = 0; i < STEPS; i++) {
            if (prng_chance(&chaos.prng, 1, 3)) trouble(&chaos);
            else if (prng_chance(&chaos.prng, 1, 4)) change_wish(&chaos);
            else send_some(&chaos);
            world_run(chaos.world,
                      prng_chance(&chaos.prng, 1, 6) ? prng_below(&chaos.prng, 3000) : prng_below(&chaos.prng, 4));
            look_at_frames(&chaos);
        }
        heal(&chaos);
        judge(&chaos);
        world_free(chaos.world);
    }
}
