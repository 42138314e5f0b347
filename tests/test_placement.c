#include "t.h"
#include "base/prng.h"
#include "controller/placement.h"
#include "meta/image_state.h"

#include <stdlib.h>

enum { BROKERS_MAX = 64 };

struct world {
    struct image *image;
    struct placement placement;
    uint32_t memory[4 * BROKERS_MAX];
};

static void apply(struct image *image, const struct proposal *proposal)
{
    struct bytes rest = proposal_bytes(proposal), bytes;
    struct image_change change;

    EXPECT("a record", proposal_next(&rest, &bytes));
    EXPECT_EQ("applied", APPLY_DONE, image_apply(image, image_view(image).broker_changes + 1, bytes, &change));
}

/* Brokers 0, 1, 2 ... in racks as a picture: one letter each, '-' for none, a capital for one that is fenced. Behind
 * one that shuts down stands '!', behind one that leaves '~'. */
static struct world *world_of(const char *racks)
{
    const struct image_config config = {
        .node_id = 0, .topics_max = 1, .partitions_max = 1, .brokers_max = BROKERS_MAX, .settings_max = 1
    };
    const size_t size = (image_size(&config) + 63) / 64 * 64;
    struct world *world = calloc(1, sizeof *world);
    int32_t id = 0;

    world->image = aligned_alloc(64, size);
    memset(world->image, 0, size);
    image_init(world->image, &config);
    for (; *racks != 0; racks++, id++) {
        uint8_t memory[256];
        const uint8_t rack = (uint8_t)(*racks | 0x20);
        struct proposal proposal = proposal_in(memory, sizeof memory);
        const struct metadata_broker_record record = { .broker_id = id,
                                                       .epoch = id + 1,
                                                       .rack = { *racks == '-' ? NULL : &rack, *racks != '-' },
                                                       .fenced = *racks >= 'A' && *racks <= 'Z',
                                                       .in_controlled_shutdown = racks[1] == '!',
                                                       .leaving = racks[1] == '~' };
        proposal_add_broker(&proposal, &record);
        apply(world->image, &proposal);
        if (racks[1] == '!' || racks[1] == '~') racks++;
    }
    placement_init(&world->placement, world->memory, BROKERS_MAX);
    placement_refresh(&world->placement, world->image);
    return world;
}

static void world_free(struct world *world)
{
    free(world->image);
    free(world);
}

static const struct image_broker *broker_of(const struct world *world, int32_t id)
{
    return image_broker(world->image, image_broker_by_id(world->image, id));
}

static bool is_able(const struct image_broker *broker)
{
    return !broker->fenced && !broker->in_controlled_shutdown && !broker->leaving;
}

static bool same_rack(const struct image_broker *a, const struct image_broker *b)
{
    return a == b || (a->rack_size > 0 && a->rack_size == b->rack_size && a->rack[0] == b->rack[0]);
}

/* How many racks a list of brokers covers. */
static uint32_t racks_of(const struct world *world, const int32_t *ids, uint32_t count)
{
    uint32_t covered = 0;

    for (uint32_t i = 0; i < count; i++) {
        bool again = false;
        for (uint32_t j = 0; j < i; j++) again |= same_rack(broker_of(world, ids[i]), broker_of(world, ids[j]));
        covered += !again;
    }
    return covered;
}

/* ---- what every placement has to be ---- */

struct tally {
    uint32_t led[BROKERS_MAX], held[BROKERS_MAX];
};

static uint32_t spread_of(const struct world *world, const uint32_t *counts, const struct image_broker *of_rack)
{
    uint32_t least = UINT32_MAX, most = 0;

    for (uint32_t slot = image_first_broker(world->image); slot != SLOT_NONE;
         slot = image_next_broker(world->image, slot)) {
        const struct image_broker *broker = image_broker(world->image, slot);
        if (!is_able(broker) || (of_rack != NULL && !same_rack(broker, of_rack))) continue;
        least = MIN(least, counts[broker->id]);
        most = MAX(most, counts[broker->id]);
    }
    return least == UINT32_MAX ? 0 : most - least;
}

static uint32_t able_racks(const struct world *world)
{
    int32_t ids[BROKERS_MAX];
    uint32_t count = 0;

    for (uint32_t slot = image_first_broker(world->image); slot != SLOT_NONE;
         slot = image_next_broker(world->image, slot)) {
        if (is_able(image_broker(world->image, slot))) ids[count++] = image_broker(world->image, slot)->id;
    }
    return racks_of(world, ids, count);
}

/* One topic, and what must hold for each of its partitions. */
static void place(const char *why, struct world *world, uint64_t start, uint32_t partitions, uint32_t replica_count,
                  struct tally *tally)
{
    const uint32_t able = placement_able_count(&world->placement);
    const uint32_t racks = MIN(able_racks(world), replica_count);

    memset(tally, 0, sizeof *tally);
    placement_begin(&world->placement, start);
    for (uint32_t index = 0; index < partitions; index++) {
        int32_t replicas[REPLICAS_MAX];
        uint32_t ables = 0;
        placement_next(&world->placement, world->image, index, replica_count, replicas);
        EXPECT(why, is_able(broker_of(world, replicas[0])));
        tally->led[replicas[0]]++;
        for (uint32_t i = 0; i < replica_count; i++) {
            tally->held[replicas[i]]++;
            ables += is_able(broker_of(world, replicas[i]));
            EXPECT(why, !broker_of(world, replicas[i])->leaving);
            for (uint32_t j = 0; j < i; j++) EXPECT(why, replicas[i] != replicas[j]);
        }
        EXPECT_EQ("others than able brokers are the last resort", MIN(able, replica_count), ables);
        EXPECT("as many racks as there are", racks_of(world, replicas, replica_count) >= racks);
    }
    EXPECT("each leads as many as any other", spread_of(world, tally->led, NULL) <= 1);
}

static const struct spread_row {
    const char *why;
    const char *racks;
    uint32_t replicas;
    uint32_t uneven; /* how many replicas more than another a broker may have, of 60 partitions */
} spread_rows[] = {
    { "alone", "-", 1, 0 },
    { "three of three", "---", 3, 0 },
    { "one of many", "-------", 1, 1 },
    { "three of five", "-----", 3, 2 },
    { "a replica in each rack", "aabbcc", 3, 0 },
    { "a replica in each rack, and one more", "aabbcc", 4, 2 },
    { "a replica in each rack, whatever their size", "aaaaab", 2, 48 },
    { "more replicas than racks", "aaabbb", 5, 0 },
    { "fenced brokers get nothing", "aBcDe", 3, 0 },
    { "unless there are not enough others", "aBcDe", 4, 0 },
    { "nor do those that shut down", "--!--", 3, 0 },
    { "and those that leave get nothing at all", "--~--", 3, 0 },
    { "who has no rack stands alone", "aa--", 3, 30 },
    { "many racks", "abcdefghijklmnop", 5, 2 },
    { "racks of different sizes", "aaabbc", 2, 20 },
};

TEST(replicas_are_spread)
{
    FOR_EACH(spread_row, row, spread_rows) {
        struct world *world = world_of(row->racks);
        for (uint64_t start = 0; start < 40; start++) {
            struct tally tally;
            place(row->why, world, start * 0x9e3779b97f4a7c15, 60, row->replicas, &tally);
            const uint32_t uneven = spread_of(world, tally.held, NULL);
            if (uneven > row->uneven) EXPECT_EQ(row->why, row->uneven, uneven);
        }
        world_free(world);
    }
}

/* Random clusters: whatever they look like, the promises hold; and within a rack brokers have as much as each other. */
TEST(replicas_are_spread_in_any_cluster)
{
    uint32_t worst = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        char racks[2 * BROKERS_MAX + 1];
        struct prng prng;
        struct tally tally;
        size_t size = 0;
        prng_init(&prng, seed, 0);
        const uint64_t brokers = 1 + prng_below(&prng, 24), kinds = prng_below(&prng, 6),
                       trouble = prng_below(&prng, 8);
        for (uint64_t i = 0; i < brokers; i++) {
            racks[size] = kinds == 0 ? '-' : (char)('a' + prng_below(&prng, kinds));
            if (i > 0 && kinds > 0 && prng_below(&prng, 20) < trouble) racks[size] &= ~0x20;
            size++;
            if (i > 0 && prng_below(&prng, 40) < trouble) racks[size++] = prng_chance(&prng, 1, 2) ? '!' : '~';
        }
        racks[size] = 0;
        struct world *world = world_of(racks);
        const uint32_t count = placement_count(&world->placement);
        const uint32_t replicas = 1 + (uint32_t)prng_below(&prng, MIN(count, 7));
        const uint32_t partitions = 1 + (uint32_t)prng_below(&prng, 200);
        place(racks, world, prng_next(&prng), partitions, replicas, &tally);
        for (uint32_t slot = image_first_broker(world->image); slot != SLOT_NONE;
             slot = image_next_broker(world->image, slot)) {
            const uint32_t uneven = spread_of(world, tally.held, image_broker(world->image, slot));
            worst = MAX(worst, uneven);
        }
        world_free(world);
    }
    EXPECT("brokers of one rack have as many as each other, give or take two", worst <= 2);
}

/* When a broker is lost, what it led goes to its first followers: they should not all be the same one. */
TEST(followers_of_one_broker_are_everywhere)
{
    struct world *world = world_of("-----");
    uint32_t follows[5] = { 0 };

    placement_begin(&world->placement, 3);
    for (uint32_t index = 0; index < 100; index++) {
        int32_t replicas[2];
        placement_next(&world->placement, world->image, index, 2, replicas);
        if (replicas[0] == 0) follows[replicas[1]]++;
    }
    for (int i = 1; i < 5; i++) EXPECT_EQ("a quarter each", 5, follows[i]);
    world_free(world);
}

TEST(the_order_follows_the_brokers)
{
    struct world *world = world_of("ab");
    uint8_t memory[256];
    struct proposal proposal = proposal_in(memory, sizeof memory);
    struct metadata_broker_change_record record = { .broker_id = 1, .epoch = 2, .fenced = 1 };

    EXPECT_EQ("two", 2, placement_able_count(&world->placement));
    proposal_add_broker_change(&proposal, &record);
    apply(world->image, &proposal);
    placement_refresh(&world->placement, world->image);
    EXPECT_EQ("one is left", 1, placement_able_count(&world->placement));
    EXPECT_EQ("the other is a last resort", 2, placement_count(&world->placement));
    world_free(world);
}
