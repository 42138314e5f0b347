/* What one link may have of what all share: answers that wait, and memory for what it sends. */
#include "link_deeds.h"

/* One link may have half of all answers, and any other some even then. */
TEST(so_many_produces_of_a_link_and_no_more)
{
    struct world *world = world_serving();
    const int32_t half = (4096 + 4 * WORLD_LINKS) / 2, fast = half + 100;

    world_open(world, 1);
    for (int32_t i = 0; i < fast; i++) put_produce(world, 0, i, 1, 0, 10);
    world_run(world);
    EXPECT_EQ("begun", half + 1, world->logs->logs[world_log(world, "t", 0)].batch_count);
    for (int32_t i = 0; i < 600; i++) put_produce(world, 1, i, 1, 1, 10);
    world_run(world);
    EXPECT_EQ("another's", 512, world->logs->logs[world_log(world, "t", 1)].batch_count);
    for (int32_t round = 0; round < 2; round++) {
        world_durable(world, world_log(world, "t", 0));
        world_durable(world, world_log(world, "t", 1));
    }
    for (int32_t i = 0; i < fast; i++) get_produce("the rest later", world, 0, i, ERROR_NONE);
    for (int32_t i = 0; i < 600; i++) get_produce("the rest of the other's", world, 1, i, ERROR_NONE);
    world_free(world);
}

/* Of a link that fills whatever it is given, much is received at once; and when it does not, its memory goes back. */
TEST(a_fast_link_is_given_more_memory)
{
    struct world *world = world_serving();
    const uint32_t count = 1300; /* more than a MiB: five times what it is given, and twenty nests */

    for (uint32_t i = 0; i < count; i++) put_produce(world, 0, (int32_t)i, 1, 0, 1000);
    world_run(world);
    world_durable(world, world_log(world, "t", 0));
    world_durable(world, world_log(world, "t", 0));
    EXPECT("in few pieces", world->wires[0].receives <= 8);
    for (uint32_t i = 0; i < count; i++) get_produce("each is answered", world, 0, (int32_t)i, ERROR_NONE);
    const struct bytes frame = versions_frame(1);
    world_send(world, 0, frame.data, frame.size);
    world_run(world);
    expect_versions("the last", world, 0, 1);
    EXPECT_EQ("a piece that is small frees it", 0, broker_usage(world->broker).frames_size);
    world_free(world);
}
