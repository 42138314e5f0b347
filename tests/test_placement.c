#include "t.h"
#include "controller/placement.h"
#include "meta/image_state.h"
#include <stdlib.h>

enum { BROKERS_MAX = 32 };

/* Brokers 0, 1, 2 ... in racks as a picture: one letter each, '-' for none, a capital for one that is fenced. */
static struct image *image_of(const char *racks)
{
    const struct image_config config = {
        .node_id = 0, .topics_max = 1, .partitions_max = 1, .brokers_max = BROKERS_MAX, .settings_max = 1
    };
    const size_t size = (image_size(&config) + 63) / 64 * 64;
    struct image *image = aligned_alloc(64, size);

    memset(image, 0, size);
    image_init(image, &config);
    for (int32_t id = 0; racks[id] != 0; id++) {
        uint8_t memory[256];
        const uint8_t rack = (uint8_t)(racks[id] | 0x20);
        struct proposal proposal = proposal_in(memory, sizeof memory);
        struct image_change change;
        const struct metadata_broker_record record = { .broker_id = id,
                                                       .epoch = id + 1,
                                                       .rack = { racks[id] == '-' ? NULL : &rack, racks[id] != '-' },
                                                       .fenced = racks[id] >= 'A' && racks[id] <= 'Z' };
        proposal_add_broker(&proposal, &record);
        struct bytes rest = proposal_bytes(&proposal), bytes;
        EXPECT("a record", proposal_next(&rest, &bytes));
        EXPECT_EQ("registered", APPLY_DONE, image_apply(image, 1, bytes, &change));
    }
    return image;
}

static const struct spread_row {
    const char *why;
    const char *racks;
    uint32_t replicas;
    uint32_t racks_covered; /* by each partition */
} spread_rows[] = {
    { "alone", "-", 1, 1 },
    { "three of three", "---", 3, 3 },
    { "one of many", "-------", 1, 1 },
    { "a replica in each rack", "aabbcc", 3, 3 },
    { "a replica in each rack, whatever their size", "aaaaab", 2, 2 },
    { "more replicas than racks", "aaabbb", 5, 2 },
    { "fenced brokers get nothing", "aBcDe", 3, 3 },
    { "who has no rack stands alone", "aa--", 3, 3 },
    { "many racks", "abcdefghijklmnop", 5, 5 },
};

static uint32_t racks_of(const char *racks, const int32_t *replicas, uint32_t count)
{
    uint32_t covered = 0;

    for (uint32_t i = 0; i < count; i++) {
        bool again = false;
        for (uint32_t j = 0; j < i; j++) {
            again |= racks[replicas[i]] != '-' && racks[replicas[i]] == racks[replicas[j]];
        }
        covered += !again;
    }
    return covered;
}

/* Whatever the start: replicas differ, racks are covered, nobody fenced is chosen, and each broker leads as many
 * partitions as any other, give or take one. */
TEST(replicas_are_spread)
{
    FOR_EACH(spread_row, row, spread_rows) {
        struct image *image = image_of(row->racks);
        uint32_t order[BROKERS_MAX];
        struct placement placement;

        placement_init(&placement, order);
        placement_refresh(&placement, image);
        for (uint64_t start = 0; start < 40; start++) {
            uint32_t led[BROKERS_MAX] = { 0 }, least = UINT32_MAX, most = 0;
            for (uint32_t index = 0; index < 50; index++) {
                int32_t replicas[REPLICAS_MAX];
                placement_replicas(&placement, image, start * 0x9e3779b97f4a7c15, index, row->replicas, replicas);
                led[replicas[0]]++;
                for (uint32_t i = 0; i < row->replicas; i++) {
                    EXPECT(row->why, !image_broker(image, image_broker_by_id(image, replicas[i]))->fenced);
                    for (uint32_t j = 0; j < i; j++) EXPECT(row->why, replicas[i] != replicas[j]);
                }
                EXPECT(row->why, racks_of(row->racks, replicas, row->replicas) >= row->racks_covered);
            }
            for (uint32_t i = 0; row->racks[i] != 0; i++) {
                if (row->racks[i] >= 'A' && row->racks[i] <= 'Z') continue;
                least = MIN(least, led[i]);
                most = MAX(most, led[i]);
            }
            EXPECT(row->why, most - least <= 1);
        }
        free(image);
    }
}

/* When a broker is lost, what it led goes to its first followers: they should not all be the same one. */
TEST(followers_of_one_broker_are_everywhere)
{
    struct image *image = image_of("-----");
    uint32_t order[BROKERS_MAX];
    struct placement placement;
    uint32_t follows[5] = { 0 };

    placement_init(&placement, order);
    placement_refresh(&placement, image);
    for (uint32_t index = 0; index < 100; index++) {
        int32_t replicas[2];
        placement_replicas(&placement, image, 3, index, 2, replicas);
        if (replicas[0] == 0) follows[replicas[1]]++;
    }
    for (int i = 1; i < 5; i++) EXPECT_EQ("a quarter each", 5, follows[i]);
    free(image);
}

TEST(the_order_follows_the_brokers)
{
    struct image *image = image_of("ab");
    uint32_t order[BROKERS_MAX];
    struct placement placement;
    uint8_t memory[256];
    struct proposal proposal = proposal_in(memory, sizeof memory);
    struct image_change change;

    placement_init(&placement, order);
    placement_refresh(&placement, image);
    EXPECT_EQ("two", 2, placement_count(&placement));
    proposal_add_broker_change(&proposal,
                               &(struct metadata_broker_change_record){ .broker_id = 1, .epoch = 2, .fenced = 1 });
    struct bytes rest = proposal_bytes(&proposal), bytes;
    EXPECT("a record", proposal_next(&rest, &bytes));
    EXPECT_EQ("fenced", APPLY_DONE, image_apply(image, 2, bytes, &change));
    placement_refresh(&placement, image);
    EXPECT_EQ("one is left", 1, placement_count(&placement));
    free(image);
}
