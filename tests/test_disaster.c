/* A node that goes on alone after a disaster: what it keeps, as whom it goes on, and what crashes on the way leave. */
#include "admin_world.h"
#include "base/crc32c.h"
#include "controller/controller_state.h"
#include "controller/decide.h"
#include "controller/metadata_log.h"
#include "meta/image_state.h"
#include "node_state.h"
#include "raft/state.h"
#include "status.h"

static bool has_topic(struct world *world, const char *name)
{
    return image_topic_by_name(node_image(world->node), text_of(name)) != SLOT_NONE;
}

static void create(struct world *world, const char *name)
{
    struct create_topics_request_topic topic = { .name = text_of(name), .num_partitions = 3, .replication_factor = 1 };
    ASK(create_topics, API_CREATE_TOPICS, 7, .topics = &topic, .topics_count = 1, .timeout_ms = 5000)
    EXPECT_EQ(name, ERROR_NONE, create_topics_answer.topics[0].error_code);
}

TEST(a_survivor_keeps_all_and_is_another_member)
{
    struct world *world = world_new();
    uint64_t members[3];
    struct uuid identities[3];

    create(world, "before");
    const struct uuid cluster_id = image_view(node_image(world->node)).cluster_id;
    for (uint32_t i = 0; i < COUNT_OF(members); i++) {
        members[i] = raft_id(node_raft(world->node));
        identities[i] = image_identity(node_image(world->node));
        const int64_t producer_id = image_view(node_image(world->node)).next_producer_id;
        world_start(world, true);
        EXPECT("it ends by itself", world->halted);
        EXPECT_EQ("as if it were stopped", HALT_STOPPED, world->halt_reason);
        world_start(world, false);
        EXPECT("and serves again", !world->halted && node_state(world->node) == NODE_SERVING);
        EXPECT("with what it had", has_topic(world, "before"));
        EXPECT_EQ("once more", i + 1, image_view(node_image(world->node)).incarnation >> INCARNATION_DRAWN_BITS);
        const struct uuid same = image_view(node_image(world->node)).cluster_id;
        EXPECT("clients see the same cluster", uuid_equal(&cluster_id, &same));
        EXPECT("ids that lost nodes gave to producers are not given again",
               image_view(node_image(world->node)).next_producer_id >= producer_id + LOST_PRODUCER_IDS);
        EXPECT_EQ("of the same node id", 1, member_node(raft_id(node_raft(world->node))));
        EXPECT("as another member", members[i] != raft_id(node_raft(world->node)));
        EXPECT_EQ("who is all of it", 1, raft_configuration(node_raft(world->node))->count);
        for (uint32_t k = 0; k <= i; k++) {
            EXPECT_EQ("others are of an older one", KINSHIP_OLDER,
                      image_kinship(node_image(world->node), &identities[k]));
        }
        create(world, i == 0 ? "first" : i == 1 ? "second" : "third");
    }
    world_start(world, false);
    EXPECT("all is there", has_topic(world, "before") && has_topic(world, "first") && has_topic(world, "third"));
    world_free(world);
}

TEST(without_a_log_there_is_nothing_to_go_on_with)
{
    struct world *world = calloc(1, sizeof *world);

    prng_init(&world->disk.prng, 1, 1);
    world_start(world, true);
    EXPECT("it ends", world->halted);
    EXPECT_EQ("for want of one", HALT_FOREIGN, world->halt_reason);
    world_free(world);
}

/* Power is lost after each of its orders in turn: what is found then is a node as it was, or one that goes on alone. */
TEST(power_may_be_lost_at_any_moment)
{
    for (uint32_t round = 0, done = 0; done < 6; round++) {
        const uint32_t orders = round / 2;
        struct world *world = world_new();
        create(world, "before");
        const uint64_t member = raft_id(node_raft(world->node));
        world->orders_left = orders + 1;
        world_start(world, true);
        done += world->halted;
        world->orders_left = 0;
        disk_crash(&world->disk, round % 2 == 0);
        world_start(world, false);
        EXPECT("it starts", !world->halted);
        EXPECT_EQ("it serves", NODE_SERVING, node_state(world->node));
        const bool renamed = raft_id(node_raft(world->node)) != member;
        EXPECT_EQ("another member is of another incarnation", renamed,
                  image_view(node_image(world->node)).incarnation >> INCARNATION_DRAWN_BITS);
        EXPECT("with what it had", has_topic(world, "before"));
        world_free(world);
        CHECK(round < 1000);
    }
}

/* After a disaster the directory of one that was removed, or lacks what it acknowledged, may be all that is left. */
TEST(who_is_no_member_any_more_may_go_on_alone)
{
    static const struct {
        const char *why;
        bool forgot;
        enum halt_reason stays;
    } rows[] = {
        { "removed", false, HALT_REMOVED },
        { "its disk is an older copy", true, HALT_FORGOT },
    };
    for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *world = world_new();
        create(world, "before");
        const uint64_t member = raft_id(node_raft(world->node));
        if (rows[i].forgot) ((struct raft *)(uintptr_t)node_raft(world->node))->forgot = true;
        else metadata_log_on_removed(world->node->controller->log);
        world->closes = true;
        world->event = (struct event){ 0 };
        step(world, EVENT_TIME_PASSED);
        run(world, world->mono_ns + 1000 * MS);
        EXPECT_EQ("at once, where it promises nothing more", rows[i].forgot, world->halted);
        disk_crash(&world->disk, true); /* the other one waits for its client */
        for (int again = 0; again < 2; again++) {
            world_start(world, false);
            EXPECT("it does not start", world->halted);
            EXPECT_EQ(rows[i].why, rows[i].stays, world->halt_reason);
        }
        world_start(world, true);
        EXPECT_EQ("unless it is to go on alone", HALT_STOPPED, world->halt_reason);
        world_start(world, false);
        EXPECT("then it serves", !world->halted && node_state(world->node) == NODE_SERVING);
        EXPECT("as another member", member != raft_id(node_raft(world->node)));
        EXPECT("with what it had", has_topic(world, "before"));
        world_free(world);
    }
}

static struct disk_inode *newest_snapshot(struct world *world)
{
    static const char prefix[] = "wal/__meta/snapshot-";
    const struct disk_name *newest = NULL;

    for (uint32_t i = 0; i < world->disk.name_count; i++) {
        const struct disk_name *name = &world->disk.names[i];
        if (strncmp(name->path, prefix, sizeof prefix - 1) != 0) continue;
        if (newest == NULL || strcmp(name->path, newest->path) > 0) newest = name;
    }
    return newest == NULL ? NULL : &world->disk.inodes[newest->inode];
}

/* Byte 41 of a snapshot's trailer: what this node owes follows behind it. Where nothing does, it is done now. */
TEST(a_snapshot_tells_that_a_recovery_is_owed)
{
    enum { TRAILER = 48, OWES = 41 };

    for (uint8_t owes = 0; owes < 2; owes++) {
        struct world *world = world_new();
        create(world, "before");
        world_start(world, true);
        struct disk_inode *inode = newest_snapshot(world);
        EXPECT("there is one, with the recovery", inode != NULL);
        uint8_t *trailer = inode->now + inode->now_size - TRAILER;
        EXPECT_EQ("it is at the end", 0x4348524c, load_u32(trailer));
        EXPECT_EQ("nothing is owed", 0, trailer[OWES]);
        trailer[OWES] = owes;
        store_u32(trailer + 4, crc32c(0, trailer + 8, TRAILER - 8));
        world_start(world, false);
        run(world, world->mono_ns + 1000 * MS);
        EXPECT("it serves", !world->halted && node_state(world->node) == NODE_SERVING);
        EXPECT_EQ("recovered once, or once more", 1 + owes,
                  image_view(node_image(world->node)).incarnation >> INCARNATION_DRAWN_BITS);
        EXPECT("with what it had", has_topic(world, "before"));
        world_free(world);
    }
}

TEST(kinship_is_told_by_how_often_a_cluster_was_recovered)
{
    static const struct {
        const char *why;
        uint64_t ours, theirs;
        enum kinship kinship;
    } rows[] = {
        { "never, both", 0, 0, KINSHIP_SAME },
        { "they do not know of it", (uint64_t)1 << 48 | 5, 0, KINSHIP_OLDER },
        { "nor of the second time", (uint64_t)2 << 48 | 5, (uint64_t)1 << 48 | 9, KINSHIP_OLDER },
        { "we do not know of it", 0, (uint64_t)1 << 48 | 5, KINSHIP_NEWER },
        { "each without the other", (uint64_t)1 << 48 | 5, (uint64_t)1 << 48 | 9, KINSHIP_APART },
        { "together", (uint64_t)1 << 48 | 5, (uint64_t)1 << 48 | 5, KINSHIP_SAME },
    };
    struct world *world = world_new();

    for (uint32_t row = 0; row < COUNT_OF(rows); row++) {
        struct image *image = (struct image *)(uintptr_t)node_image(world->node);
        image->view.incarnation = rows[row].theirs;
        const struct uuid theirs = image_identity(image);
        image->view.incarnation = rows[row].ours;
        EXPECT_EQ(rows[row].why, rows[row].kinship, image_kinship(image, &theirs));
        struct uuid other = theirs;
        other.bytes[3] ^= 1;
        EXPECT_EQ("another cluster is none of it", KINSHIP_NONE, image_kinship(image, &other));
        image->view.incarnation = 0;
    }
    world_free(world);
}

TEST(a_cluster_is_recovered_from_what_it_was)
{
    static const struct {
        const char *why;
        int64_t previous, incarnation;
        enum apply_verdict verdict;
        uint64_t after;
    } rows[] = {
        { "a first time", 0, 7, APPLY_DONE, 7 },
        { "not twice", 0, 8, APPLY_REFUSED, 7 },
        { "again", 7, 9, APPLY_DONE, 9 },
        { "a number that is none", -1, 3, APPLY_REFUSED, 9 },
    };
    const struct image_config config = { .node_id = 1, .topics_max = 4, .partitions_max = 8, .brokers_max = 4 };
    struct image *image = aligned_alloc(64, (image_size(&config) + 63) / 64 * 64);

    memset(image, 0, image_size(&config));
    image_init(image, &config);

    for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
        struct image_change change;
        uint8_t memory[64];
        struct proposal proposal = proposal_in(memory, sizeof memory);
        const struct metadata_recovery_record record = { rows[i].previous, rows[i].incarnation, 1 };
        proposal_add_recovery(&proposal, &record);
        struct bytes rest = proposal_bytes(&proposal), bytes;
        EXPECT(rows[i].why, proposal_next(&rest, &bytes));
        EXPECT_EQ(rows[i].why, rows[i].verdict, image_apply(image, i + 1, bytes, &change));
        EXPECT_EQ(rows[i].why, rows[i].after, image_view(image).incarnation);
    }
    free(image);
}
