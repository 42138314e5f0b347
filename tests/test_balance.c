/* The cluster keeps itself as it is meant to be: brokers join, leave and die, replicas catch up, and in the end every
 * partition has as many replicas as it is meant to, where they are meant to be. */
#include "base/prng.h"
#include "controller/balance.h"
#include "controller/decide.h"
#include "meta/image_state.h"
#include "t.h"

#include <stdlib.h>

enum { BROKERS_MAX = 24, PARTITIONS_MAX = 400, ROUNDS_MAX = 20000 };

struct world {
    struct image *image;
    struct placement placement;
    struct balance balance;
    uint32_t placement_memory[5 * BROKERS_MAX], balance_memory[2 * BROKERS_MAX];
    uint8_t memory[64 << 10];
    struct proposal records;
    uint32_t moves_max; /* at the same time */
    uint32_t moves;     /* replicas that were copied */
};

static struct world *world_new(void)
{
    const struct image_config config = { .node_id = 99,
                                         .topics_max = 8,
                                         .partitions_max = PARTITIONS_MAX,
                                         .brokers_max = BROKERS_MAX,
                                         .settings_max = 8,
                                         .statics = { { CONFIG_DEFAULT_REPLICATION_FACTOR, 3 } },
                                         .static_count = 1 };
    const size_t size = (image_size(&config) + 63) / 64 * 64;
    struct world *world = calloc(1, sizeof *world);

    world->image = aligned_alloc(64, size);
    memset(world->image, 0, size);
    image_init(world->image, &config);
    placement_init(&world->placement, world->placement_memory, BROKERS_MAX);
    balance_init(&world->balance, world->balance_memory, BROKERS_MAX);
    world->records = proposal_in(world->memory, sizeof world->memory);
    return world;
}

static void world_free(struct world *world)
{
    free(world->image);
    free(world);
}

static void apply(struct world *world)
{
    struct bytes rest = proposal_bytes(&world->records), record;
    struct image_change change;
    const uint64_t index = image_view(world->image).applied_index + 1;

    while (proposal_next(&rest, &record)) {
        EXPECT_EQ("what was decided applies", APPLY_DONE, image_apply(world->image, index, record, &change));
        while (image_is_draining(world->image)) image_drain(world->image, &change);
    }
    image_advance(world->image, index, 1);
    if (index % 16 == 0) image_check(world->image);
    world->records = proposal_in(world->memory, sizeof world->memory);
    world->moves_max = MAX(world->moves_max, image_view(world->image).reassigning_count);
}

/* Somebody wants evenness. */
static void ask(struct world *world)
{
    proposal_add_balance(&world->records, &(struct metadata_balance_record){ .wanted = true });
    apply(world);
}

static void join_as(struct world *world, int32_t id, uint8_t rack, bool observer)
{
    const struct metadata_broker_record record = { .broker_id = id,
                                                   .incarnation = { { (uint8_t)id, [15] = 1 } },
                                                   .epoch = -1,
                                                   .rack = { &rack, rack != 0 },
                                                   .observer = observer };

    proposal_add_broker(&world->records, &record);
    apply(world);
}

static void join(struct world *world, int32_t id, uint8_t rack)
{
    join_as(world, id, rack, false);
}

static const struct image_broker *broker_of(const struct world *world, int32_t id)
{
    return image_broker(world->image, image_broker_by_id(world->image, id));
}

static void change(struct world *world, int32_t id, int8_t fenced, int8_t leaving)
{
    const struct metadata_broker_change_record record = { .broker_id = id,
                                                          .epoch = broker_of(world, id)->epoch,
                                                          .fenced = fenced,
                                                          .in_controlled_shutdown = -1,
                                                          .leaving = leaving,
                                                          .observer = -1 };

    proposal_add_broker_change(&world->records, &record);
    apply(world);
}

static void create(struct world *world, const char *name, int32_t partitions, int16_t factor, uint64_t start)
{
    const struct uuid id = { { (uint8_t)name[0], [15] = 1 } };
    char words[256];
    struct text message = text_in(words, sizeof words);
    struct topic_made made;
    struct decision decision = { .image = world->image,
                                 .placement = &world->placement,
                                 .message_size_max = 1 << 20,
                                 .topics_left = 8,
                                 .partitions_left = PARTITIONS_MAX,
                                 .settings_left = 8,
                                 .request_partitions_left = PARTITIONS_MAX,
                                 .start = start,
                                 .records = &world->records,
                                 .message = &message };

    placement_refresh(&world->placement, world->image);
    const struct create_topics_request_topic topic = { .name = text_of(name),
                                                       .num_partitions = partitions,
                                                       .replication_factor = factor };
    EXPECT_EQ("made", ERROR_NONE, decide_topic(&decision, &topic, &id, &made));
    apply(world);
}

/* All that was added catches up, as far as it is alive. */
static void catch_up(struct world *world, uint32_t slot)
{
    const struct image_partition *partition = image_partition(world->image, slot);
    const replica_set able = partition_able(world->image, partition);
    struct metadata_partition_change_record record = metadata_partition_change_record_default;
    int32_t isr[REPLICAS_MAX];

    if (partition->leader == -1 || (partition->isr | able) == partition->isr) return;
    record.topic_id = image_topic(world->image, partition->topic)->id;
    record.index = partition->index;
    record.leader_epoch = partition->leader_epoch;
    record.partition_epoch = partition->partition_epoch;
    record.isr = isr;
    record.isr_count = image_partition_brokers(partition, partition->isr | able, isr);
    world->moves += replica_set_count(able & (replica_set)~partition->isr);
    proposal_add_partition_change(&world->records, &record);
    apply(world);
}

/* Until nothing is left to be done; replicas catch up one after the other, or (stuck) not at all. */
static enum balance_verdict settle(struct world *world, struct prng *prng, bool stuck)
{
    for (uint32_t round = 0; round < ROUNDS_MAX; round++) {
        placement_refresh(&world->placement, world->image);
        const enum balance_verdict verdict =
            balance_next(&world->balance, world->image, &world->placement, &world->records);
        EXPECT_EQ("what is found is there", verdict == BALANCE_FOUND, world->records.record_count > 0);
        if (verdict == BALANCE_FOUND) apply(world);
        const bool waits = verdict == BALANCE_WAITS || verdict == BALANCE_RESTS;
        if (waits) image_check(world->image);
        if (waits && (stuck || image_view(world->image).reassigning_count == 0)) return verdict;
        if (stuck) continue;
        uint32_t slot = SLOT_NONE;
        while ((slot = image_next_partition(world->image, slot)) != SLOT_NONE) {
            if (prng_chance(prng, 1, 3)) catch_up(world, slot);
        }
    }
    EXPECT("it comes to an end", false);
    return BALANCE_MORE;
}

static uint32_t staying(const struct world *world)
{
    uint32_t count = 0;

    for (uint32_t slot = image_first_broker(world->image); slot != SLOT_NONE;
         slot = image_next_broker(world->image, slot)) {
        count += !image_broker(world->image, slot)->leaving;
    }
    return count;
}

static bool is_gone(const struct world *world, int32_t id)
{
    return image_broker_by_id(world->image, id) == SLOT_NONE || broker_of(world, id)->leaving;
}

static void expect_targets(const char *why, const struct world *world)
{
    for (uint32_t slot = image_next_partition(world->image, SLOT_NONE); slot != SLOT_NONE;
         slot = image_next_partition(world->image, slot)) {
        const struct image_partition *partition = image_partition(world->image, slot);
        EXPECT_EQ(why, MIN(partition->replica_target, staying(world)), partition->replica_count);
        for (uint32_t i = 0; i < partition->replica_count; i++) EXPECT(why, !is_gone(world, partition->replicas[i]));
    }
}

static uint32_t spread_of(const struct world *world, bool preferred)
{
    uint32_t least = UINT32_MAX, most = 0;

    for (uint32_t slot = image_first_broker(world->image); slot != SLOT_NONE;
         slot = image_next_broker(world->image, slot)) {
        const struct image_broker *broker = image_broker(world->image, slot);
        const uint32_t count = preferred ? broker->preferred_count : broker->replica_count;
        if (broker->leaving) continue;
        least = MIN(least, count);
        most = MAX(most, count);
    }
    return most - least;
}

/* Of every partition, how many observers are in the site of a rack. */
static void expect_observed(const char *why, const struct world *world, uint8_t rack, uint32_t wanted)
{
    for (uint32_t slot = image_next_partition(world->image, SLOT_NONE); slot != SLOT_NONE;
         slot = image_next_partition(world->image, slot)) {
        const struct image_partition *partition = image_partition(world->image, slot);
        uint32_t count = 0;
        for (uint32_t i = 0; i < partition->observer_count; i++) {
            count += broker_of(world, partition->observers[i])->rack[0] == rack;
        }
        EXPECT_EQ(why, wanted, count);
    }
}

TEST(each_site_observes_each_partition_once)
{
    struct world *world = world_new();
    struct prng prng;

    prng_init(&prng, 1, 1);
    for (int32_t id = 1; id <= 3; id++) join(world, id, 'a');
    create(world, "topic", 40, 3, 5);
    settle(world, &prng, false);
    expect_observed("nobody observes", world, 'x', 0);
    join_as(world, 4, 'x', true);
    join_as(world, 5, 'x', true);
    settle(world, &prng, false);
    expect_observed("one of two in a site", world, 'x', 1);
    EXPECT_EQ("both as much", 20, broker_of(world, 4)->observed_count);
    join_as(world, 6, 'y', true);
    settle(world, &prng, false);
    expect_observed("as before", world, 'x', 1);
    expect_observed("and the other site", world, 'y', 1);
    EXPECT_EQ("they have no replicas", 0, broker_of(world, 6)->replica_count);
    change(world, 4, -1, 1);
    settle(world, &prng, false);
    EXPECT_EQ("who leaves observes no more", 0, broker_of(world, 4)->observed_count);
    expect_observed("its neighbour does", world, 'x', 1);
    world_free(world);
}

TEST(who_is_promoted_is_one_copy_more_until_it_is_asked_for)
{
    struct world *world = world_new();
    struct prng prng;

    prng_init(&prng, 2, 1);
    for (int32_t id = 1; id <= 3; id++) join(world, id, 'a');
    join_as(world, 4, 'x', true);
    create(world, "topic", 40, 3, 5);
    settle(world, &prng, false);
    struct metadata_broker_change_record record = metadata_broker_change_record_default;
    record.broker_id = 4;
    record.epoch = broker_of(world, 4)->epoch;
    record.observer = 0;
    proposal_add_broker_change(&world->records, &record);
    apply(world);
    settle(world, &prng, false);
    EXPECT_EQ("it has a replica of each", 40, broker_of(world, 4)->replica_count);
    const uint32_t moves = world->moves;
    change(world, 1, -1, 1);
    settle(world, &prng, false);
    EXPECT_EQ("another one leaves, and nothing has to be copied", moves, world->moves);
    EXPECT_EQ("it has nothing left", 0, broker_of(world, 1)->replica_count);
    expect_targets("as many as there are meant to be", world);
    change(world, 1, -1, 0);
    ask(world);
    settle(world, &prng, false);
    expect_targets("when that is asked for", world);
    world_free(world);
}

TEST(a_cluster_grows_and_shrinks)
{
    struct world *world = world_new();
    struct prng prng;

    prng_init(&prng, 1, 1);
    join(world, 1, 0);
    create(world, "default", 30, -1, 7);
    create(world, "one", 10, 1, 8);
    EXPECT_EQ("alone, it rests", BALANCE_RESTS, settle(world, &prng, false));
    EXPECT_EQ("with one replica each", 40, broker_of(world, 1)->replica_count);
    join(world, 2, 0);
    settle(world, &prng, false);
    expect_targets("two brokers, two replicas where three are meant", world);
    join(world, 3, 0);
    settle(world, &prng, false);
    expect_targets("three brokers, three replicas", world);
    EXPECT("whoever joined is first in line for its share", spread_of(world, true) <= 10 + 1);
    EXPECT("few at a time", world->moves_max <= BALANCE_MOVES_MAX + BALANCE_RECORDS_MAX);
    EXPECT_EQ("and nothing was copied needlessly", 60, world->moves);
    join(world, 4, 0);
    settle(world, &prng, false);
    EXPECT_EQ("who joins gets nothing unasked", 0, broker_of(world, 4)->replica_count);

    change(world, 2, -1, 1);
    settle(world, &prng, false);
    expect_targets("who leaves is replaced", world);
    EXPECT_EQ("and empty", 0, broker_of(world, 2)->replica_count);
    change(world, 3, -1, 1);
    change(world, 4, -1, 1);
    settle(world, &prng, false);
    expect_targets("back to one", world);
    EXPECT_EQ("which has all", 40, broker_of(world, 1)->replica_count);
    EXPECT_EQ("and leads all", 40, broker_of(world, 1)->leader_count);
    world_free(world);
}

TEST(who_is_away_for_a_moment_is_waited_for)
{
    struct world *world = world_new();
    struct prng prng;

    prng_init(&prng, 1, 1);
    for (int32_t id = 1; id <= 3; id++) join(world, id, 0);
    create(world, "t", 10, 3, 7);
    change(world, 3, 1, -1);
    EXPECT_EQ("a fenced broker keeps its replicas", BALANCE_RESTS, settle(world, &prng, false));
    EXPECT_EQ("all of them", 10, broker_of(world, 3)->replica_count);
    join(world, 4, 0);
    settle(world, &prng, false);
    EXPECT_EQ("even when there is another one", 10, broker_of(world, 3)->replica_count);
    change(world, 2, -1, 1);
    settle(world, &prng, true);
    for (int round = 0; round < 20; round++) catch_up(world, image_next_partition(world->image, SLOT_NONE));
    EXPECT_EQ("who leaves stays until it is back: else fewer than meant would hold what is committed", 10,
              broker_of(world, 2)->replica_count);
    change(world, 3, 0, -1);
    settle(world, &prng, false);
    EXPECT_EQ("then it is empty", 0, broker_of(world, 2)->replica_count);
    world_free(world);
}

TEST(a_move_whose_target_is_lost_goes_elsewhere)
{
    struct world *world = world_new();
    struct prng prng;

    prng_init(&prng, 1, 1);
    for (int32_t id = 1; id <= 3; id++) join(world, id, 0);
    create(world, "t", 20, 2, 7);
    join(world, 4, 0);
    change(world, 1, -1, 1);
    settle(world, &prng, true);
    EXPECT("moves are under way", image_view(world->image).reassigning_count > 0);
    change(world, 4, -1, 1);
    change(world, 1, -1, 0);
    settle(world, &prng, false);
    expect_targets("who was to take it leaves, who was to go stays", world);
    EXPECT_EQ("nothing is left behind", 0, broker_of(world, 4)->replica_count);
    world_free(world);
}

/* More moves than may run at a time, none of which can go on: others are served all the same. */
static void stall(const char *why, int32_t silent_before, int32_t silent_after)
{
    struct world *world = world_new();
    struct prng prng;

    prng_init(&prng, 1, 1);
    join(world, 1, 0);
    create(world, "stalled", 2 * BALANCE_MOVES_MAX, 1, 7);
    join(world, 2, 0);
    if (silent_before != 0) change(world, silent_before, 1, -1);
    change(world, 1, -1, 1);
    settle(world, &prng, true);
    EXPECT(why, image_view(world->image).reassigning_count >= BALANCE_MOVES_MAX);
    if (silent_after != 0) change(world, silent_after, 1, -1);
    join(world, 3, 0);
    create(world, "t", 10, 1, 8);
    join(world, 4, 0);
    change(world, 3, -1, 1);
    for (uint32_t round = 0; round < 200; round++) {
        placement_refresh(&world->placement, world->image);
        if (balance_next(&world->balance, world->image, &world->placement, &world->records) == BALANCE_FOUND) {
            apply(world);
        }
        uint32_t slot = SLOT_NONE;
        while ((slot = image_next_partition(world->image, slot)) != SLOT_NONE) catch_up(world, slot);
    }
    EXPECT_EQ(why, 0, broker_of(world, 3)->replica_count);
    EXPECT("and it comes to rest", !balance_is_due(&world->balance, world->image));
    world_free(world);
}

TEST(moves_that_stall_hold_nobody_back)
{
    stall("who leads what is moved is not there", 1, 0);
    stall("who is to take it is not there", 0, 2);
}

TEST(evenness_is_for_who_asks)
{
    struct world *world = world_new();
    struct prng prng;

    prng_init(&prng, 1, 1);
    for (int32_t id = 1; id <= 3; id++) join(world, id, 0);
    create(world, "t", 60, 2, 7);
    for (int32_t id = 4; id <= 6; id++) join(world, id, 0);
    settle(world, &prng, false);
    EXPECT_EQ("nobody asked", 0, broker_of(world, 5)->replica_count);
    ask(world);
    settle(world, &prng, false);
    EXPECT("each has twenty", spread_of(world, false) <= 2);
    EXPECT("and is first in line for ten", spread_of(world, true) <= 2);
    EXPECT("sixty had to be moved, and hardly one more", world->moves <= 66);
    const uint32_t moves = world->moves;
    ask(world);
    settle(world, &prng, false);
    EXPECT_EQ("asked again there is nothing to do", moves, world->moves);
    world_free(world);
}

/* Random clusters, with racks, brokers that come, go and leave; asked for evenness in the end. */
static void live(uint64_t seed)
{
    struct world *world = world_new();
    struct prng prng;
    prng_init(&prng, seed, 3);
    const uint64_t racks = prng_below(&prng, 4);
    int32_t next = 1;

    for (uint64_t count = 1 + prng_below(&prng, 5); count > 0; count--) {
        join(world, next++, racks == 0 ? 0 : (uint8_t)('a' + prng_below(&prng, racks)));
    }
    create(world, "a", 1 + (int32_t)prng_below(&prng, 40), -1, prng_next(&prng));
    create(world, "b", 1 + (int32_t)prng_below(&prng, 40), 1, prng_next(&prng));
    for (int deed = 0; deed < 12; deed++) {
        const int32_t id = 1 + (int32_t)prng_below(&prng, (uint64_t)next - 1);
        const bool known = image_broker_by_id(world->image, id) != SLOT_NONE;
        switch (prng_below(&prng, 5)) {
        case 0:
            if (next <= 12) join(world, next++, racks == 0 ? 0 : (uint8_t)('a' + prng_below(&prng, racks)));
            break;
        case 1:
            if (known && staying(world) > 1 && !broker_of(world, id)->leaving) change(world, id, -1, 1);
            break;
        case 2:
            if (known && broker_of(world, id)->leaving) change(world, id, -1, 0);
            break;
        default: settle(world, &prng, prng_chance(&prng, 1, 2)); break;
        }
    }
    settle(world, &prng, false);
    expect_targets("whatever happened", world);
    ask(world);
    settle(world, &prng, false);
    expect_targets("even when evened out", world);
    if (racks == 0) EXPECT("and even", spread_of(world, false) <= 2);
    world_free(world);
}

TEST(any_cluster_comes_to_rest)
{
    for (uint64_t seed = 1; seed <= 40; seed++) live(seed);
}
