/* Frames over links: whole, in order, at most once; within bounds that one link can not take from another. */
#include "peer_world.h"

static struct peers *room(struct world *world, int32_t id)
{
    return world->nodes[id].peers;
}

static struct world *linked(uint32_t node_count)
{
    struct world *world = world_new(node_count);

    for (int32_t a = 1; a <= (int32_t)node_count; a++) {
        for (int32_t b = 1; b <= (int32_t)node_count; b++) {
            if (a < b) world_link(world, a, b);
            if (a != b) peers_want(room(world, a), b, PEER_DATA_OUT, world_address(b, true));
        }
    }
    world_run(world, 500);
    return world;
}

static uint8_t bytes[WORLD_DATA_MAX];

static void fill(uint32_t size, uint32_t salt)
{
    for (uint32_t i = 0; i < size; i++) bytes[i] = (uint8_t)(i * 31 + salt + i / 256);
}

/* ---- what is sent arrives ---- */

static const struct size_row {
    const char *why;
    uint32_t size, chunk_max;
} size_rows[] = {
    { "nothing", 0, 0 },
    { "a byte", 1, 0 },
    { "byte by byte", 40, 1 },
    { "as much as a unit takes", 2048 - 16, 0 },
    { "one more", 2048 - 15, 0 },
    { "as much as a link's own buffer takes", (32 << 10) - 16, 0 },
    { "one more takes a block", (32 << 10) - 15, 0 },
    { "the largest", WORLD_CONTROL_MAX, 0 },
    { "the largest in pieces", WORLD_CONTROL_MAX, 3000 },
};

TEST(a_frame_arrives_as_it_was)
{
    FOR_EACH(size_row, row, size_rows) {
        struct world *world = linked(2);
        world->chunk_max = row->chunk_max;
        for (uint32_t i = 0; i < 5; i++) {
            fill(row->size, i);
            const uint32_t half = row->size / 3;
            const struct bytes parts[] = { { bytes, half }, { bytes, 0 }, { bytes + half, row->size - half } };
            EXPECT_EQ(row->why, PEER_SENT, peers_send(room(world, 1), 2, PEER_CONTROL, (uint8_t)i, parts, 3));
            EXPECT(row->why, peers_queued_size(room(world, 1), 2, PEER_CONTROL) >= row->size);
            world_run(world, 200);
            EXPECT_EQ(row->why, 0, peers_queued_size(room(world, 1), 2, PEER_CONTROL));
        }
        const struct world_node *node = &world->nodes[2];
        EXPECT_EQ(row->why, 5, node->frame_count);
        for (uint32_t i = 0; i < node->frame_count; i++) {
            fill(row->size, i);
            EXPECT_EQ(row->why, i, node->frames[i].kind);
            EXPECT_EQ(row->why, crc32c(0, bytes, row->size), node->frames[i].crc);
            EXPECT(row->why, node->frames[i].size == row->size && node->frames[i].checked_size == row->size);
            EXPECT(row->why, node->frames[i].from == 1 && node->frames[i].member_id == (1ull << 24 | 1));
        }
        world_free(world);
    }
}

/* Frames of all sizes, both ways at once, in pieces: the order of each link is kept. */
TEST(many_frames_keep_their_order)
{
    struct world *world = linked(3);
    struct prng prng;
    uint32_t sent[4][4] = { { 0 } }, seen[4][4] = { { 0 } };

    prng_init(&prng, 5, 5);
    world->chunk_max = 20000;
    for (uint32_t i = 0; i < 600; i++) {
        const int32_t from = 1 + (int32_t)prng_below(&prng, 3), to = 1 + (int32_t)prng_below(&prng, 3);
        if (from == to) continue;
        const uint32_t size = 4 + (uint32_t)prng_below(&prng, prng_chance(&prng, 1, 10) ? 90000 : 300);
        store_u32(bytes, sent[from][to]);
        const struct bytes part = { bytes, size };
        const enum peer_verdict verdict = peers_send(room(world, from), to, PEER_CONTROL, 1, &part, 1);
        if (verdict == PEER_SENT) sent[from][to]++;
        else EXPECT_EQ("it may be full", PEER_FULL, verdict);
        world_run(world, prng_below(&prng, 3));
    }
    world_run(world, 2000);
    for (int32_t to = 1; to <= 3; to++) {
        const struct world_node *node = &world->nodes[to];
        for (uint32_t i = 0; i < node->frame_count; i++) seen[node->frames[i].from][to]++;
        for (int32_t from = 1; from <= 3; from++) EXPECT_EQ("all arrive", sent[from][to], seen[from][to]);
        EXPECT_EQ("no link broke", 0, node->downs);
    }
    world_free(world);
}

TEST(nobody_there)
{
    struct world *world = world_new(2);
    const struct piece piece = { .data = bytes, .size = 10 };

    EXPECT_EQ("a node that is not known", PEER_NO_LINK, world_send(world, 1, 2, PEER_CONTROL, 1, bytes, 3));
    world_link(world, 1, 2);
    EXPECT_EQ("a link that is not up", PEER_NO_LINK, world_send(world, 1, 2, PEER_CONTROL, 1, bytes, 3));
    EXPECT_EQ("nor lent", PEER_NO_LINK,
              peers_send_lent(room(world, 1), 2, PEER_DATA_OUT, 1, (struct bytes){ bytes, 1 }, &piece, 1, 9));
    world_run(world, 100);
    EXPECT_EQ("now", PEER_SENT, world_send(world, 1, 2, PEER_CONTROL, 1, bytes, 3));
    world_kill(world, 2);
    world_run(world, 10);
    EXPECT_EQ("and no more", PEER_NO_LINK, world_send(world, 1, 2, PEER_CONTROL, 1, bytes, 3));
    EXPECT_EQ("no cookie for what was not taken", 0, world->nodes[1].returned_sent + world->nodes[1].returned_dropped);
    world_free(world);
}

TEST(a_spoiled_frame_ends_its_link_alone)
{
    struct world *world = linked(2);

    world->flips = 1;
    fill(300, 0);
    world_send(world, 1, 2, PEER_CONTROL, 1, bytes, 300);
    world_run(world, 10);
    EXPECT_EQ("it is not handed out", 0, world->nodes[2].frame_count);
    EXPECT_EQ("its link is over", PEER_BROKEN, world->nodes[2].last_down.reason);
    EXPECT_EQ("that one alone", 1, world->nodes[2].downs);
    EXPECT_EQ("it is counted", 1, peers_counters(room(world, 2))->broken);
    world_run(world, 1000);
    EXPECT("and comes again", world_is_up(world, 2, 1, PEER_CONTROL));
    world_free(world);
}

/* ---- data by reference ---- */

static const struct lent_row {
    const char *why;
    uint32_t head_size, piece_count, piece_size;
    uint32_t first_in_file; /* pieces from here on lie in a file */
    uint32_t checked;
} lent_rows[] = {
    { "a head and a piece", 20, 1, 1000, 9, 1020 },
    { "no head", 0, 1, 1000, 9, 1000 },
    { "as many pieces as there may be", PEER_HEAD_SIZE_MAX, PEER_PIECES_MAX, 100, 99, PEER_HEAD_SIZE_MAX + 5600 },
    { "all in a file", 20, 2, 5000, 0, 20 },
    { "its end in a file", 20, 4, 5000, 2, 10020 },
    { "a large one", 20, 10, 100000, 99, 1000020 },
};

TEST(lent_pieces_arrive_and_come_back)
{
    FOR_EACH(lent_row, row, lent_rows) {
        struct world *world = linked(2);
        struct piece pieces[PEER_PIECES_MAX];
        uint8_t head[PEER_HEAD_SIZE_MAX];
        uint32_t crc;
        fill(sizeof bytes, 3);
        memcpy(head, bytes + 77, sizeof head);
        crc = crc32c(0, head, row->head_size);
        for (uint32_t i = 0; i < row->piece_count; i++) {
            pieces[i] = (struct piece){ .data = bytes + i * 1000, .size = row->piece_size };
            if (i >= row->first_in_file)
                pieces[i] = (struct piece){ .path = "f", .position = i, .size = row->piece_size };
            for (uint32_t at = 0; at < row->piece_size; at++) {
                const uint8_t byte = i >= row->first_in_file ? (uint8_t)((i + at) * 7) : pieces[i].data[at];
                crc = crc32c(crc, &byte, 1);
            }
        }
        EXPECT_EQ(row->why, PEER_SENT,
                  peers_send_lent(room(world, 1), 2, PEER_DATA_OUT, 34, (struct bytes){ head, row->head_size }, pieces,
                                  row->piece_count, 4711));
        memset(head, 0, sizeof head); /* it was copied */
        EXPECT_EQ(row->why, 0, world->nodes[1].returned_sent);
        world_run(world, 300);
        const struct got_frame *got = &world->nodes[2].frames[0];
        EXPECT_EQ(row->why, 1, world->nodes[2].frame_count);
        EXPECT(row->why, got->kind == 34 && got->channel == PEER_DATA_IN && got->from == 1);
        EXPECT_EQ(row->why, row->head_size + row->piece_count * row->piece_size, got->size);
        EXPECT_EQ(row->why, crc, got->crc);
        EXPECT_EQ(row->why, row->checked, got->checked_size);
        EXPECT_EQ(row->why, 1, world->nodes[1].returned_sent);
        EXPECT_EQ(row->why, 4711, world->nodes[1].last_cookie);
        EXPECT_EQ(row->why, 0, peers_queued_size(room(world, 1), 2, PEER_DATA_OUT));
        world_free(world);
    }
}

TEST(every_cookie_comes_back)
{
    struct world *world = linked(2);
    const struct piece piece = { .data = bytes, .size = 50000 };
    uint32_t taken = 0;

    world->nodes[2].holds = true;
    while (peers_send_lent(room(world, 1), 2, PEER_DATA_OUT, 34, (struct bytes){ NULL, 0 }, &piece, 1, taken) ==
           PEER_SENT) {
        taken++;
    }
    EXPECT("many", taken > 50);
    world_run(world, 1000);
    EXPECT("the network takes a few", world->nodes[1].returned_sent >= 2 && world->nodes[1].returned_sent < 15);
    peers_unwant(room(world, 1), 2, PEER_DATA_OUT);
    world_run(world, 100);
    EXPECT_EQ("all the others come back", taken, world->nodes[1].returned_sent + world->nodes[1].returned_dropped);
    EXPECT("as what was not sent", world->nodes[1].returned_dropped > taken - 30);
    world_free(world);
}

/* ---- bounds ---- */

TEST(who_does_not_take_is_not_sent_more)
{
    struct world *world = linked(2);
    const struct piece piece = { .data = bytes, .size = 50000 };

    world->nodes[2].holds = true;
    for (uint32_t i = 0; i < 40; i++) {
        const enum peer_verdict verdict =
            peers_send_lent(room(world, 1), 2, PEER_DATA_OUT, 34, (struct bytes){ NULL, 0 }, &piece, 1, i);
        EXPECT_EQ("queued", PEER_SENT, verdict);
    }
    world_run(world, 30000);
    EXPECT("it stays where it is", world->nodes[1].returned_sent < 15);
    EXPECT("and was not asked for", peers_counters(room(world, 2))->received_size < 100000);
    EXPECT_EQ("a link that waits is no silent one", 0, world->nodes[1].downs + world->nodes[2].downs);
    world_send(world, 1, 2, PEER_CONTROL, 7, bytes, 100);
    world_run(world, 10);
    EXPECT_EQ("control goes past it", 7, world->nodes[2].frames[0].kind);
    world->nodes[2].holds = false;
    peers_release(room(world, 2), 1, PEER_DATA_IN);
    world_run(world, 1000);
    EXPECT_EQ("then all of it comes", 41, world->nodes[2].frame_count);
    EXPECT_EQ("and is given back", 40, world->nodes[1].returned_sent);
    world_free(world);
}

TEST(a_stalled_peer_takes_no_more_than_its_share)
{
    struct world *world = linked(5);
    uint64_t queued = 0;

    for (int32_t id = 2; id <= 4; id++) world_cut(world, 1, id, true);
    fill(1000, 0);
    for (uint32_t i = 0; i < 3000; i++) {
        for (int32_t id = 2; id <= 4; id++) (void)world_send(world, 1, id, PEER_CONTROL, 1, bytes, 1000);
    }
    for (int32_t id = 2; id <= 4; id++) queued += peers_queued_size(room(world, 1), id, PEER_CONTROL);
    EXPECT("three stalled ones leave a quarter", queued < (2 << 20) * 3 / 4);
    EXPECT("but use the rest", queued > (2 << 20) / 2);
    EXPECT("what was too much is counted", peers_counters(room(world, 1))->full > 6000);
    for (uint32_t i = 0; i < 200; i++) {
        EXPECT_EQ("the fifth node is not concerned", PEER_SENT, world_send(world, 1, 5, PEER_CONTROL, 1, bytes, 1000));
        world_run(world, 1);
    }
    EXPECT_EQ("and gets all", 200, world->nodes[5].frame_count);
    world_run(world, 10000);
    EXPECT_EQ("when they are given up, all is free again", 0, peers_queued_size(room(world, 1), 2, PEER_CONTROL));
    EXPECT_EQ("for one that comes", PEER_NO_LINK, world_send(world, 1, 2, PEER_CONTROL, 1, bytes, 1000));
    world_free(world);
}

TEST(data_leaves_memory_to_control)
{
    struct world *world = linked(7);
    const struct piece piece = { .data = bytes, .size = 1 };
    const struct bytes part = { bytes, 2000 };
    uint32_t taken = 0;

    for (int32_t id = 2; id <= 6; id++) world_cut(world, 1, id, true);
    for (uint32_t i = 0; i < 1000; i++) {
        for (int32_t id = 2; id <= 6; id++) {
            (void)peers_send_lent(room(world, 1), id, PEER_DATA_OUT, 34, (struct bytes){ NULL, 0 }, &piece, 1, 1);
        }
    }
    while (peers_send(room(world, 1), 7, PEER_CONTROL, 1, &part, 1) == PEER_SENT) taken++;
    EXPECT("half of the quarter that is kept, or more", taken * 2048 > (2 << 20) / 8);
    world_free(world);
}

TEST(a_link_is_kept_alive_when_memory_is_short)
{
    struct world *world = linked(7);

    for (int32_t id = 2; id <= 6; id++) world->nodes[id].holds_all = true;
    fill(1000, 0);
    for (uint32_t i = 0; i < 3000; i++) {
        for (int32_t id = 2; id <= 6; id++) (void)world_send(world, 1, id, PEER_CONTROL, 1, bytes, 1000);
    }
    const struct piece piece = { .data = bytes, .size = 1 };
    EXPECT_EQ("there is none for data", PEER_FULL,
              peers_send_lent(room(world, 1), 7, PEER_DATA_OUT, 34, (struct bytes){ NULL, 0 }, &piece, 1, 1));
    world_run(world, 20000);
    EXPECT_EQ("links that carry nothing stand all the same", 0, world->nodes[7].downs + world->nodes[1].downs);
    world_free(world);
}

/* Two links with large frames and memory for less: each gets its turn, none is lost. */
TEST(large_frames_wait_for_memory)
{
    struct world *world = world_new(7);

    world->nodes[7].config.data_frame_max = WORLD_DATA_MAX;
    for (int32_t id = 1; id <= 6; id++) {
        peers_know(room(world, 7), id);
        peers_want(room(world, id), 7, PEER_DATA_OUT, world_address(7, true));
    }
    world_run(world, 100);
    fill(WORLD_DATA_MAX, 1);
    /* Six MiB have room for three blocks of two MiB. */
    const struct piece piece = { .data = bytes, .size = WORLD_DATA_MAX };
    for (int32_t id = 1; id <= 6; id++) {
        for (uint32_t i = 0; i < 3; i++) {
            EXPECT_EQ("queued", PEER_SENT,
                      peers_send_lent(room(world, id), 7, PEER_DATA_OUT, 34, (struct bytes){ NULL, 0 }, &piece, 1, i));
        }
    }
    world_run(world, 3000);
    EXPECT_EQ("all of them", 18, world->nodes[7].frame_count);
    EXPECT_EQ("no link was lost", 0, world->nodes[7].downs);
    const uint32_t crc = crc32c(0, bytes, WORLD_DATA_MAX);
    for (uint32_t i = 0; i < 18; i++) EXPECT_EQ("whole", crc, world->nodes[7].frames[i].crc);
    world_free(world);
}

TEST(links_take_turns)
{
    struct world *world = linked(3);
    uint32_t of_two = 0;

    world->nodes[1].frames_per_step = 0;
    const struct bytes part = { bytes, 10 };
    for (uint32_t i = 0; i < 50; i++) {
        peers_send(room(world, 2), 1, PEER_CONTROL, 1, &part, 1);
        peers_send(room(world, 3), 1, PEER_CONTROL, 1, &part, 1);
    }
    const uint64_t end_ns = world->now_ns + 5 * WORLD_MS;
    world->nodes[1].alive = false; /* it is not asked for its deadline, which is due all the time */
    while (world->now_ns < end_ns) world_run(world, 1);
    world->nodes[1].alive = true;
    EXPECT("what is left over is due", peers_deadline_ns(room(world, 1)) <= world->now_ns);
    world->nodes[1].frames_per_step = 20;
    world_poke(world, 1);
    for (uint32_t i = 0; i < 20; i++) of_two += world->nodes[1].frames[i].from == 2;
    EXPECT_EQ("one of each", 10, of_two);
    world_free(world);
}

TEST(a_held_frame_goes_with_its_link)
{
    struct world *world = linked(2);
    const struct piece piece = { .data = bytes, .size = 100 };

    world->nodes[2].holds = true;
    peers_send_lent(room(world, 1), 2, PEER_DATA_OUT, 34, (struct bytes){ NULL, 0 }, &piece, 1, 1);
    world_run(world, 100);
    world_kill(world, 1);
    world_run(world, 100);
    /* Nothing is being received on that link: only a look at the clock, or at what is sent, can find its end. */
    world->nodes[2].holds = false;
    peers_release(room(world, 2), 1, PEER_DATA_IN);
    world_run(world, 100);
    EXPECT("it came, or it did not", world->nodes[2].frame_count <= 1);
    EXPECT("the link is over", !world_is_up(world, 2, 1, PEER_DATA_IN));
    world_free(world);
}

/* ---- frames that no room of ours would send ---- */

/* Puts bytes into what is on the way to node `to` on its control link. */
static void inject(struct world *world, int32_t to, const void *data, uint32_t size)
{
    for (uint32_t i = 0; i < world->wire_count; i++) {
        for (uint32_t side = 0; side < 2; side++) {
            struct wire_end *end = &world->wires[i].ends[side];
            if (!end->used || end->node != (uint32_t)to) continue;
            world_put(end, data, size);
            world_after(world, WORLD_DELAY, WORLD_ARRIVE, i, (enum side)side);
            return;
        }
    }
    EXPECT("there is a link", false);
}

static const struct inject_row {
    const char *why;
    uint8_t kind;
    uint32_t size, checked;
    bool right;
} inject_rows[] = {
    { "a frame", 0, 20, 20, true },
    { "the last kind there is", PEER_KIND_MAX, 20, 20, true },
    { "a frame that says nothing", WIRE_ALIVE, 0, 0, true },
    { "control that is checked in part", 1, 20, 10, false },
    { "a hello that nobody waits for", WIRE_HELLO, 20, 20, false },
    { "a welcome", WIRE_WELCOME, 20, 20, false },
    { "a refusal", WIRE_REFUSED, 20, 20, false },
    { "a kind of a later version", WIRE_ALIVE + 1, 20, 20, false },
    { "the largest", 1, WORLD_CONTROL_MAX, WORLD_CONTROL_MAX, true },
    { "one byte more", 1, WORLD_CONTROL_MAX + 1, WORLD_CONTROL_MAX + 1, false },
};

TEST(what_may_come_on_a_live_link)
{
    FOR_EACH(inject_row, row, inject_rows) {
        struct world *world = world_new(2);
        static uint8_t frame[WIRE_HEAD_SIZE + WORLD_CONTROL_MAX + 1];
        struct frame_head head = { WIRE_HEAD_SIZE + row->size, 0, row->checked, row->kind };
        world_link(world, 1, 2);
        world_run(world, 100);
        fill(row->size, 1);
        memcpy(frame + WIRE_HEAD_SIZE, bytes, row->size);
        head.crc = crc32c(frame_crc_begin(head.kind, head.checked), bytes, head.checked);
        wire_head_write(frame, &head);
        inject(world, 2, frame, head.size);
        world_run(world, 100);
        EXPECT_EQ(row->why, row->right ? 0 : 1, world->nodes[2].downs);
        EXPECT_EQ(row->why, row->right ? 0 : 1, peers_counters(room(world, 2))->broken);
        EXPECT_EQ(row->why, row->right && row->kind <= PEER_KIND_MAX, world->nodes[2].frame_count);
        world_free(world);
    }
}

TEST(a_frame_may_outlive_its_link_until_the_next)
{
    struct world *world = world_new(2);
    const struct bytes part = { bytes, 100 };
    struct peer_frame frame;

    world_link(world, 1, 2);
    world_run(world, 100);
    fill(100, 4);
    world->nodes[2].frames_per_step = 0;
    for (uint32_t i = 0; i < 3; i++) peers_send(room(world, 1), 2, PEER_CONTROL, 1, &part, 1);
    world_poke(world, 1);
    while (world->happening_count > 0) {
        const struct happening next = world->happenings[0];
        world->happenings[0] = world->happenings[--world->happening_count];
        world_happen(world, &next);
    }
    EXPECT("it is there", peers_next_frame(room(world, 2), &frame));
    peers_forget(room(world, 2), 1);
    EXPECT_BYTES("still", bytes, 100, frame.payload.data, frame.payload.size);
    EXPECT("the next one went with its link", !peers_next_frame(room(world, 2), &frame));
    world_poke(world, 2);
    peers_forget(room(world, 1), 2);
    world_run(world, 100);
    EXPECT_EQ("which is over", 0, peers_counters(room(world, 2))->links_up);
    world_free(world);
}
