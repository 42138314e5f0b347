/* The metadata log over a disk that loses what was not synced: what was answered is there after any crash, at whatever
 * order it came, and equal indexes mean equal images. */
#define DISK_FILES 128

#include "controller/controller_state.h"
#include "disk_model.h"
#include "meta/image_state.h"
#include "meta/snapshot.h"
#include "t.h"

enum { TOPICS = 24, INDEXES = 4096, STEPS_MAX = 20000 };

/* What the test knows: what was answered, and what was asked. */
struct judge {
    uint64_t digests[INDEXES]; /* by index, of the image when it had applied it; 0: never seen */
    uint64_t answered_index;
    bool exists[TOPICS];  /* answered, and not asked to go since */
    bool unknown[TOPICS]; /* asked, and not answered */
    int64_t producer_id;  /* every one at or below it was given out */
};

struct world {
    struct disk *disk;
    struct controller *controller;
    struct effects *effects;
    struct judge judge;
    uint64_t mono_ns;
    uint64_t life;
    uint64_t seed;
    bool broken;
    bool ready;           /* it was told so */
    uint64_t done;        /* orders carried out */
    uint64_t crash_after; /* as many; 0: not */
    uint32_t snapshot_entries;
    uint32_t journal_file_size;
    int32_t node_id;
    struct uuid cluster_id; /* zero: none is founded yet */
};

static struct controller_config config_of(const struct world *world)
{
    return (struct controller_config){
        .node_id = world->node_id,
        .seed = { world->seed, world->life },
        .image = { .node_id = world->node_id,
                   .topics_max = TOPICS,
                   .partitions_max = 200,
                   .brokers_max = 4,
                   .settings_max = 100,
                   .hash_seed = world->seed },
        .endpoints = { { BYTES_LITERAL("localhost"), 9092 } },
        .journal_file_size = world->journal_file_size,
        .snapshot_entries = world->snapshot_entries,
        .message_size_max = 1 << 20,
        .members_max = 4,
        .voters_target = 1,
        .founds = true,
    };
}

static void world_start(struct world *world)
{
    world->life++;
    const struct controller_config config = config_of(world);
    const size_t size = (controller_size(&config) + 63) / 64 * 64;

    EXPECT("the limits agree", size > 0);
    world->controller = aligned_alloc(64, size);
    memset(world->controller, 0, size);
    controller_init(world->controller, &config);
    world->broken = false;
    world->ready = false;
}

static struct world *world_new(uint64_t seed)
{
    struct world *world = calloc(1, sizeof *world);

    world->disk = calloc(1, sizeof *world->disk);
    world->effects = calloc(1, sizeof *world->effects);
    world->seed = seed;
    world->node_id = 1;
    world->snapshot_entries = 6;
    world->journal_file_size = 16 << 10;
    world->judge.producer_id = -1;
    prng_init(&world->disk->prng, seed, 99);
    world_start(world);
    return world;
}

static void world_free(struct world *world)
{
    disk_free(world->disk);
    free(world->disk);
    free(world->controller);
    free(world->effects);
    free(world);
}

/* An index means one image for ever, except where the image was never answered from: those are not recorded. */
static void judge_index(struct world *world)
{
    const uint64_t index = controller_applied_index(world->controller);
    uint64_t *known = &world->judge.digests[index % INDEXES];
    const struct image *image = controller_image(world->controller);

    if (index == 0 || image_is_draining(image)) return;
    const uint64_t digest = image_digest(image);
    if (*known != 0) EXPECT_EQ("equal index, equal image", (int64_t)*known, (int64_t)digest);
    *known = digest;
}

static bool disk_does(struct world *world, struct event *event)
{
    memset(event, 0, sizeof *event);
    if (!disk_step(world->disk, event)) return false;
    world->done++;
    return true;
}

/* ---- a broker room that knows three requests: the kind of a wish says which, its version which topic ---- */

enum { ASK_CREATE, ASK_DELETE, ASK_CONFIGURE };

static struct bytes topic_name(int number, char *name)
{
    sprintf(name, "topic-%d", number);
    return (struct bytes){ (const uint8_t *)name, (uint32_t)strlen(name) };
}

static void judge(struct controller *controller, const struct wish *wish, struct controller_answer *answer)
{
    char name[32];
    const struct bytes topic = topic_name(wish->version, name);
    const struct create_topics_request_topic creation = { .name = topic,
                                                          .num_partitions = (int32_t)load_u32(wish->body.data),
                                                          .replication_factor = 1 };
    const struct setting_wish setting = { BYTES_LITERAL("retention.ms"),
                                          SETTING_SET,
                                          { wish->body.data + 4, wish->body.size - 4 } };
    const uint32_t slot = image_topic_by_name(controller_image(controller), topic);
    struct topic_made made;

    *answer = (struct controller_answer){ .error = ERROR_UNKNOWN_TOPIC_OR_PARTITION };
    if (wish->kind == ASK_CREATE) controller_create_topic(controller, &creation, false, &made, answer);
    if (wish->kind == ASK_DELETE && slot != SLOT_NONE) controller_delete_topic(controller, slot, answer);
    if (wish->kind == ASK_CONFIGURE) {
        controller_change_settings(controller, 2, topic, &setting, 1, false, false, answer);
    }
}

/* The answer is the error, in a byte. */
static void decide(struct world *world, const struct wish *wish)
{
    struct controller_answer answer;

    judge(world->controller, wish, &answer);
    const uint8_t said = (uint8_t)answer.error;
    if (answer.wait_index != 0) controller_postpone(world->controller, answer.wait_index);
    else EXPECT("small", controller_conclude(world->controller, (struct bytes){ &said, 1 }));
}

/* 0: there is no room for another one. */
static uint64_t ask(struct world *world, int16_t what, int topic, uint32_t partitions, const char *value)
{
    uint8_t body[64];

    store_u32(body, partitions);
    memcpy(body + 4, value, strlen(value));
    return controller_wish(world->controller, what, (int16_t)topic, (struct bytes){ body, 4 + (uint32_t)strlen(value) },
                           UINT64_MAX);
}

/* What came of it: an error, or one of these. */
enum { OPEN = 200, LOST };

static int outcome(const struct world *world, uint64_t wish)
{
    struct bytes answer;

    switch (controller_outcome(world->controller, wish, &answer)) {
    case WISH_GRANTED: EXPECT_EQ("only without an error", ERROR_NONE, answer.data[0]); return ERROR_NONE;
    case WISH_ANSWERED: return answer.data[0];
    case WISH_OPEN: return OPEN;
    default: return LOST;
    }
}

/* One step of a node that has nothing but a controller. */
/* Others are told by it whom they speak with, long before they, or we, know what is committed. */
static void judge_cluster(struct world *world)
{
    const struct ancestry ancestry = controller_ancestry(world->controller);

    if (metadata_log_state(world->controller->log) != METADATA_LOG_OPEN) return;
    if (uuid_is_zero(&world->cluster_id)) world->cluster_id = ancestry.cluster_id;
    else EXPECT("it knows its cluster", uuid_equal(&world->cluster_id, &ancestry.cluster_id));
}

static void step(struct world *world, const struct event *event, bool start)
{
    struct image_change change;
    struct wish wish;

    world->mono_ns += 1000;
    world->effects->count = 0;
    controller_on_time(world->controller, world->mono_ns);
    if (start) controller_start(world->controller, world->effects);
    if (event != NULL) controller_on_disk(world->controller, event, world->effects);
    while (controller_next_change(world->controller, &change, world->effects)) {
    }
    if (controller_state(world->controller) == CONTROLLER_REGISTERED && !world->ready) {
        world->ready = true; /* there are no logs to recover */
        controller_set_ready(world->controller, false);
    }
    while (controller_next_wish(world->controller, &wish, world->effects)) decide(world, &wish);
    while (controller_next_done(world->controller) != 0) {
    }
    controller_commit(world->controller, world->effects);
    if (controller_state(world->controller) == CONTROLLER_BROKEN) world->broken = true;
    else controller_check(world->controller);
    disk_take_orders(world->disk, world->effects);
    if (!world->broken) judge_index(world);
    if (!world->broken) judge_cluster(world);
}

/* Until nothing is left to do. False: the power went. */
static bool run(struct world *world)
{
    for (int i = 0; i < STEPS_MAX; i++) {
        struct event event;
        if (world->broken) return true;
        if (world->crash_after != 0 && world->done >= world->crash_after) return false;
        if (disk_does(world, &event)) {
            step(world, &event, false);
        } else {
            const uint64_t deadline = controller_deadline_ns(world->controller, true);
            if (deadline == UINT64_MAX) return true;
            world->mono_ns = MAX(world->mono_ns, deadline);
            step(world, NULL, false);
        }
    }
    EXPECT("it comes to rest", false);
    return true;
}

static bool open_world(struct world *world)
{
    step(world, NULL, true);
    return run(world);
}

static void crash_of(struct world *world, bool power)
{
    disk_crash(world->disk, power);
    free(world->controller);
    world_start(world);
}

static void crash(struct world *world)
{
    crash_of(world, true);
}

/* ---- wishes ---- */

/* Asks and waits. False: the power went. */
static bool ask_and_wait(struct world *world, int16_t what, int topic, uint32_t partitions, const char *value)
{
    const uint64_t wish = ask(world, what, topic, partitions, value);

    world->judge.unknown[topic] |= what != ASK_CONFIGURE;
    step(world, NULL, false);
    if (!run(world)) return false;
    if (world->broken) return true;
    const int error = outcome(world, wish);
    EXPECT("done when all is at rest", error != OPEN && error != LOST);
    controller_forget(world->controller, wish);
    world->judge.unknown[topic] = false;
    world->judge.answered_index = controller_applied_index(world->controller);
    if (what == ASK_CREATE) {
        EXPECT_EQ("only if it is not there", world->judge.exists[topic] ? ERROR_TOPIC_ALREADY_EXISTS : ERROR_NONE,
                  error);
        world->judge.exists[topic] = true;
    } else {
        EXPECT_EQ("if it is there", world->judge.exists[topic] ? ERROR_NONE : ERROR_UNKNOWN_TOPIC_OR_PARTITION, error);
        if (what == ASK_DELETE) world->judge.exists[topic] = false;
    }
    return true;
}

static bool create(struct world *world, int number)
{
    return ask_and_wait(world, ASK_CREATE, number, 1 + (uint32_t)number % 7, "");
}

static bool configure(struct world *world, int number, uint64_t value)
{
    char text[32];

    sprintf(text, "%llu", (unsigned long long)value);
    return ask_and_wait(world, ASK_CONFIGURE, number, 0, text);
}

static bool take_producer_id(struct world *world)
{
    int64_t id;
    uint64_t wish;

    for (int i = 0; i < 400; i++) {
        while (!controller_producer_id(world->controller, &id, &wish)) {
            step(world, NULL, false);
            if (!run(world)) return false;
            if (world->broken) return true;
        }
        EXPECT("an id nobody had", id > world->judge.producer_id);
        world->judge.producer_id = id;
    }
    return true;
}

/* Many wishes, with the disk far behind: rounds fill, files are used up while a snapshot is being written. */
static bool burst(struct world *world, struct prng *prng)
{
    for (int i = 0; i < 60 && !world->broken; i++) {
        char text[32];
        struct event event;
        sprintf(text, "%d", i);
        const uint64_t wish = ask(world, ASK_CONFIGURE, (int)prng_below(prng, TOPICS), 0, text);
        if (wish != 0) controller_forget(world->controller, wish); /* nobody waits for it */
        step(world, NULL, false);
        for (uint64_t steps = prng_below(prng, 5); steps > 0 && !world->broken; steps--) {
            if (world->crash_after != 0 && world->done >= world->crash_after) return false;
            if (disk_does(world, &event)) step(world, &event, false);
        }
    }
    return run(world);
}

static bool work(struct world *world, struct prng *prng)
{
    const int number = (int)prng_below(prng, TOPICS);
    switch (prng_below(prng, 9)) {
    case 0:
    case 1:
    case 2: return create(world, number);
    case 3:
    case 4: return ask_and_wait(world, ASK_DELETE, number, 0, "");
    case 5: return take_producer_id(world);
    case 6: return burst(world, prng);
    default: return configure(world, number, prng_below(prng, 1000));
    }
}

/* After a restart: all that was answered, nothing that was not asked. */
static void judge_restart(struct world *world)
{
    const struct image *image = controller_image(world->controller);

    EXPECT_EQ("it opens", CONTROLLER_OPEN, controller_state(world->controller));
    if (controller_state(world->controller) != CONTROLLER_OPEN) return;
    EXPECT("it went on", controller_applied_index(world->controller) > world->judge.answered_index);
    EXPECT_EQ("no guard was needed", 0, (int64_t)controller_view(world->controller).refused);
    for (int i = 0; i < TOPICS; i++) {
        char name[32];
        const bool here = image_topic_by_name(image, topic_name(i, name)) != SLOT_NONE;
        if (!world->judge.unknown[i]) EXPECT_EQ("as it was answered", world->judge.exists[i], here);
        world->judge.exists[i] = here;
        world->judge.unknown[i] = false;
    }
    /* Indexes behind what is applied now may be given to other entries. */
    for (uint64_t i = controller_applied_index(world->controller) + 1; i < INDEXES; i++) world->judge.digests[i] = 0;
}

/* ---- tests ---- */

TEST(a_first_start_founds_a_cluster)
{
    struct world *world = world_new(1);

    EXPECT("rests", open_world(world));
    EXPECT_EQ("open", CONTROLLER_OPEN, controller_state(world->controller));
    const struct image_view view = image_view(controller_image(world->controller));
    EXPECT("with an id", !uuid_is_zero(&view.cluster_id));
    EXPECT_EQ("with a level for its records", 1, view.feature_level);
    EXPECT_EQ("with one broker", 1, view.broker_count);
    const struct image_broker *broker =
        image_broker(controller_image(world->controller), image_first_broker(controller_image(world->controller)));
    EXPECT_EQ("that is us", 1, broker->id);
    EXPECT_EQ("whose epoch is where it registered, an entry before it was unfenced", (int64_t)view.applied_index - 1,
              broker->epoch);
    EXPECT_EQ("reached there", 9092, broker->endpoints[ENDPOINT_KAFKA].port);

    crash(world);
    EXPECT("rests", open_world(world));
    const struct image_view again = image_view(controller_image(world->controller));
    EXPECT("a cluster keeps its id", uuid_equal(&view.cluster_id, &again.cluster_id));
    EXPECT_EQ("and has still one broker", 1, again.broker_count);
    world_free(world);
}

TEST(a_crash_at_any_order_loses_nothing_that_was_answered)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world *world = world_new(seed);
        struct prng prng;
        prng_init(&prng, seed, 1);

        for (int life = 0; life < 6; life++) {
            world->crash_after = world->done + 1 + prng_below(&prng, life % 2 == 0 ? 200 : 25);
            bool alive = open_world(world);
            if (alive && !world->broken) judge_restart(world);
            while (alive && !world->broken) alive = work(world, &prng);
            EXPECT("a crash breaks nothing", !world->broken);
            crash(world);
        }
        world->crash_after = 0;
        EXPECT("rests", open_world(world));
        judge_restart(world);
        world_free(world);
    }
}

/* Every order of a start, one after the other: each is the last before a crash, and the next start is whole. */
TEST(recovery_begins_anew_wherever_it_was_cut)
{
    for (uint64_t orders = 1; orders <= 60; orders++) {
        struct world *world = world_new(7);
        struct prng prng;
        prng_init(&prng, 7, 1);
        EXPECT("rests", open_world(world));
        for (int i = 0; i < 60; i++) EXPECT("rests", work(world, &prng));
        for (int life = 0; life < 3; life++) {
            crash(world);
            world->crash_after = world->done + orders;
            open_world(world);
        }
        crash(world);
        world->crash_after = 0;
        EXPECT("rests", open_world(world));
        judge_restart(world);
        EXPECT("snapshots were taken", controller_view(world->controller).snapshot_index > 0);
        world_free(world);
    }
}

TEST(proposals_go_side_by_side_in_one_round)
{
    struct world *world = world_new(3);
    world->snapshot_entries = 1000;
    world->journal_file_size = 1 << 20;
    free(world->controller);
    world_start(world);
    EXPECT("rests", open_world(world));

    const uint64_t before = world->done;
    uint64_t wishes[TOPICS];
    for (int i = 0; i < TOPICS; i++) wishes[i] = ask(world, ASK_CREATE, i, (uint32_t)-1, "");
    const uint64_t one_more = ask(world, ASK_CREATE, 100, 1, "");
    const uint64_t twin = ask(world, ASK_CREATE, 3, 1, "");
    step(world, NULL, false);
    EXPECT_EQ("nothing is told before it holds", OPEN, outcome(world, wishes[0]));
    EXPECT_EQ("what is under way counts", ERROR_POLICY_VIOLATION, outcome(world, one_more));
    EXPECT_EQ("what is under way is waited for", OPEN, outcome(world, twin));
    EXPECT("rests", run(world));
    EXPECT_EQ("one write and one sync for all", 2, (int64_t)(world->done - before));
    EXPECT_EQ("all are there", TOPICS, (int)image_view(controller_image(world->controller)).topic_count);
    for (int i = 0; i < TOPICS; i++) EXPECT_EQ("and told", ERROR_NONE, outcome(world, wishes[i]));
    EXPECT_EQ("and then it is judged", ERROR_TOPIC_ALREADY_EXISTS, outcome(world, twin));
    world_free(world);
}

TEST(a_failed_sync_ends_all_promises)
{
    struct world *world = world_new(4);
    EXPECT("rests", open_world(world));
    world->disk->sync_fails = true;
    const uint64_t wish = ask(world, ASK_CREATE, 1, 1, "");
    step(world, NULL, false);
    run(world);
    EXPECT("halted", world->broken);
    EXPECT_EQ("for the disk", HALT_DISK_FAILED, controller_halt(world->controller).reason);
    EXPECT_EQ("and nothing was answered", OPEN, outcome(world, wish));
    world_free(world);
}

TEST(a_full_disk_is_waited_for)
{
    struct world *world = world_new(5);
    struct event event;

    EXPECT("rests", open_world(world));
    world->disk->full = true;
    const uint64_t wish = ask(world, ASK_CREATE, 1, 1, "");
    step(world, NULL, false);
    for (int i = 0; i < 50; i++) {
        while (disk_does(world, &event)) step(world, &event, false);
        const uint64_t deadline = controller_deadline_ns(world->controller, true);
        EXPECT("it looks again, but not at once", deadline > world->mono_ns && deadline != UINT64_MAX);
        world->mono_ns = deadline;
        step(world, NULL, false);
    }
    EXPECT("not broken", !world->broken);
    EXPECT_EQ("not told", OPEN, outcome(world, wish));
    EXPECT("it says so", controller_view(world->controller).disk_full);
    world->disk->full = false;
    EXPECT("rests", run(world));
    EXPECT_EQ("told", ERROR_NONE, outcome(world, wish));
    world_free(world);
}

/* A proposer that finds no room is woken, even where nothing else happens. */
TEST(whoever_found_no_room_is_woken)
{
    struct world *world = world_new(6);
    EXPECT("rests", open_world(world));
    int waits = 0;

    for (int k = 0; k < 2; k++) EXPECT("made", ask_and_wait(world, ASK_CREATE, k, 90, ""));
    for (int i = 0; i < 300; i++) {
        uint64_t wishes[4];
        for (int k = 0; k < 4; k++) { /* each pair touches the same topic, and is more than a round takes */
            wishes[k] = ask(world, k % 2 == 0 ? ASK_DELETE : ASK_CREATE, k / 2, 90, "");
            EXPECT("asked", wishes[k] != 0);
        }
        step(world, NULL, false);
        waits += (int)controller_view(world->controller).wishes_waiting;
        EXPECT("rests", run(world));
        for (int k = 0; k < 4; k++) {
            EXPECT_EQ("woken, and done in order", ERROR_NONE, outcome(world, wishes[k]));
            controller_forget(world->controller, wishes[k]);
        }
    }
    EXPECT("some had to wait", waits > 0);
    world_free(world);
}

/* Snapshots stand still while proposals come, until no more are taken. Each start writes a little of its own: that must
 * find room, or nothing is ever applied again, nor cut. */
TEST(a_log_that_no_snapshot_cuts_has_room_for_starts)
{
    struct world *world = world_new(7);
    int taken = 0;
    uint64_t wish;

    world->journal_file_size = 64 << 10;
    crash(world);
    EXPECT("rests", open_world(world));
    create(world, 1);
    world->disk->stuck = "snapshot";
    for (;; taken++) {
        char text[32];
        sprintf(text, "%d", 1000 + taken);
        wish = ask(world, ASK_CONFIGURE, 1, 0, text);
        step(world, NULL, false);
        EXPECT("rests", run(world));
        if (outcome(world, wish) == OPEN) break;
        controller_forget(world->controller, wish);
    }
    EXPECT("many were taken", taken > 30);
    uint64_t index = controller_applied_index(world->controller);
    for (int start = 0; start < 12; start++) {
        crash_of(world, start % 2 == 0);
        EXPECT("rests", open_world(world));
        EXPECT("applied, and its own entry too", controller_applied_index(world->controller) > index);
        index = controller_applied_index(world->controller);
    }
    world->disk->stuck = NULL;
    EXPECT("rests", run(world));
    EXPECT("rests", configure(world, 1, 7));
    EXPECT("goes on", controller_applied_index(world->controller) > index);
    world_free(world);
}

/* ---- what is not ours, or not whole ---- */

TEST(topic_directories_without_metadata_are_not_taken_for_rubbish)
{
    struct world *world = world_new(8);
    disk_make_directories(world->disk, "wal/orders.AAAAAAAAAAAAAAAAAAAAAA");
    open_world(world);
    EXPECT("it does not found a cluster over them", world->broken);
    EXPECT_EQ("and says why", HALT_FOREIGN, controller_halt(world->controller).reason);
    world_free(world);
}

TEST(the_directory_of_another_node_is_refused)
{
    struct world *world = world_new(12);
    EXPECT("rests", open_world(world));
    world->node_id = 7;
    crash(world);
    open_world(world);
    EXPECT("it does not wait for an election that it cannot win", world->broken);
    EXPECT_EQ("and says why", HALT_FOREIGN, controller_halt(world->controller).reason);
    world->node_id = 1;
    crash(world);
    EXPECT("its owner finds all as it was", open_world(world));
    EXPECT_EQ("open", CONTROLLER_OPEN, controller_state(world->controller));
    world_free(world);
}

static struct disk_inode *newest_snapshot(struct world *world)
{
    const struct disk_name *newest = NULL;
    for (uint32_t i = 0; i < world->disk->name_count; i++) {
        const struct disk_name *name = &world->disk->names[i];
        if (strncmp(name->path, "wal/__meta/snapshot-", 20) != 0) continue;
        if (newest == NULL || strcmp(name->path, newest->path) > 0) newest = name;
    }
    return newest == NULL ? NULL : &world->disk->inodes[newest->inode];
}

/* A flipped bit anywhere in the only snapshot, its trailer included: the node stops rather than forget. */
TEST(a_damaged_snapshot_stops_the_node)
{
    for (uint32_t step_size = 0; step_size < 40; step_size++) {
        struct world *world = world_new(9);
        struct prng prng;
        prng_init(&prng, 9, 1);
        EXPECT("rests", open_world(world));
        for (int i = 0; i < 80; i++) EXPECT("rests", work(world, &prng));
        crash_of(world, false); /* the older ones are gone for good */
        struct disk_inode *inode = newest_snapshot(world);
        EXPECT("there is one", inode != NULL);
        const uint64_t size = inode->now_size;
        inode->now[step_size < 20 ? size - 1 - step_size * 2 : step_size * 9 % size] ^= 0x20;
        open_world(world);
        EXPECT("stopped", world->broken);
        if (world->broken) {
            EXPECT_EQ("as corrupt", HALT_CORRUPT, controller_halt(world->controller).reason);
        }
        world_free(world);
    }
}

/* What a disk knows of this node's registrations, when it is opened. */
TEST(a_disk_remembers_the_last_registration)
{
    static const uint8_t bytes[4];
    const struct piece piece = { .data = bytes, .size = sizeof bytes };
    const struct effect_write made = { .path = "wal/__checkpoint", .pieces = &piece, .piece_count = 1 };
    const struct effect_file gone = { .path = "wal/__checkpoint", .action = FILE_UNLINK };
    struct event_disk answer;
    struct world *world = world_new(0);

    EXPECT("it opens", open_world(world));
    EXPECT_EQ("a new one knows of none", -1, metadata_log_disk_epoch(world->controller->log));
    for (int start = 0; start < 5; start++) {
        const struct image *image = controller_image(world->controller);
        const int64_t epoch = image_broker(image, image_broker_by_id(image, world->controller->config.node_id))->epoch;
        EXPECT_EQ("its logs are there", DISK_DONE, disk_do_write(world->disk, &made));
        crash_of(world, false);
        EXPECT("it opens again", open_world(world));
        EXPECT_EQ("the one before", epoch, metadata_log_disk_epoch(world->controller->log));
    }
    disk_do_file(world->disk, &gone, &answer);
    crash_of(world, false);
    EXPECT("it opens without logs", open_world(world));
    EXPECT_EQ("which is as good as nothing", -1, metadata_log_disk_epoch(world->controller->log));
    world_free(world);
}
