/* Consumer groups under fire: members that come, crash and come back, coordinators that start anew or are lost, logs
 * that commit late or lose what was not committed. A seed is a run; what may never happen is judged all the time:
 *
 *   - an offset whose commit was answered is never forgotten, nor one that was fetched, and nothing else is fetched
 *     than what was sent;
 *   - nobody is told a share of a generation that another member has in it;
 *   - a member that was told its share sees no earlier generation;
 *   - when nothing more goes wrong, the group comes to rest, with all that are there in it. */
#include "base/prng.h"
#include "groups_world.h"

enum { SEEDS = 60, MEMBERS = 5, TURNS = 400, PARTITIONS = 4, GENERATIONS_MAX = 4096 };

enum doing { AWAY, JOINS, WAITS_JOIN, SYNCS, WAITS_SYNC, READS, WAITS_COMMIT };

struct consumer {
    enum doing doing;
    uint64_t waiter;
    char member[128];
    bool promised;
    int32_t generation; /* -1: none */
    int32_t seen;       /* the highest in which this process was told its share: that one is committed */
    int32_t share;      /* the partition that it owns, -1: none */
    int64_t commits;    /* the offset that it is committing */
};

struct chaos {
    struct world *world;
    struct prng prng;
    struct consumer consumers[MEMBERS];
    int64_t answered[PARTITIONS]; /* the highest offset whose commit was answered */
    int64_t sent[PARTITIONS];     /* the highest that anybody asked to commit */
    uint64_t next_waiter;
    int64_t shown[PARTITIONS]; /* the highest that was fetched */
    uint32_t commits;
    int32_t owners[GENERATIONS_MAX][PARTITIONS]; /* who was told so, by generation: a consumer plus one */
    bool calm;
};

static bool chance(struct chaos *chaos, uint32_t of)
{
    return !chaos->calm && prng_below(&chaos->prng, of) == 0;
}

/* ---- members ---- */

static void forget(struct chaos *chaos, struct consumer *consumer)
{
    if (consumer->waiter != 0) groups_forget(chaos->world->groups, consumer->waiter);
    consumer->waiter = 0;
}

/* The process ends, or begins anew, without a word to anybody. */
static void crash(struct chaos *chaos, struct consumer *consumer)
{
    forget(chaos, consumer);
    *consumer = (struct consumer){ .doing = AWAY, .generation = -1, .seen = -1, .share = -1 };
}

static void rejoin(struct consumer *consumer, enum error error)
{
    consumer->doing = JOINS;
    consumer->share = -1;
    if (error != ERROR_UNKNOWN_MEMBER_ID) return;
    consumer->member[0] = 0;
    consumer->promised = false;
}

/* A number for who asks, which nobody else has at the moment: as links have it. */
static uint64_t waiter_of(struct chaos *chaos, const struct consumer *consumer)
{
    return ++chaos->next_waiter << 32 | (uint64_t)(consumer - chaos->consumers + 1);
}

static void on_joined(struct consumer *consumer, const struct heard *heard)
{
    consumer->waiter = 0;
    if (heard->error == ERROR_MEMBER_ID_REQUIRED) {
        strcpy(consumer->member, heard->member);
        consumer->doing = JOINS;
    } else if (heard->error != ERROR_NONE) {
        rejoin(consumer, heard->error);
    } else {
        EXPECT("generations grow", heard->generation >= consumer->seen);
        strcpy(consumer->member, heard->member);
        consumer->generation = heard->generation;
        consumer->doing = SYNCS;
    }
}

static void join(struct chaos *chaos, struct consumer *consumer)
{
    struct join_group_request_protocol protocol = { BYTES_LITERAL("range"), BYTES_LITERAL("m") };
    const struct join_group_request request = {
        .group_id = BYTES_LITERAL("g"),
        .session_timeout_ms = 6000,
        .rebalance_timeout_ms = 4000,
        .member_id = text_of(consumer->member),
        .protocol_type = BYTES_LITERAL("consumer"),
        .protocols = &protocol,
        .protocols_count = 1,
    };
    struct group_joined joined;
    const uint64_t waiter = waiter_of(chaos, consumer);
    const struct group_caller caller = world_caller(waiter, 5);

    if (groups_join(chaos->world->groups, &caller, &request, &joined) == GROUP_WAITS) {
        consumer->waiter = waiter;
        consumer->doing = WAITS_JOIN;
        return;
    }
    const struct heard heard = world_heard(chaos->world, &joined);
    on_joined(consumer, &heard);
}

static void on_synced(struct chaos *chaos, struct consumer *consumer, enum error error, struct bytes assignment)
{
    const int32_t number = (int32_t)(consumer - chaos->consumers) + 1;

    consumer->waiter = 0;
    if (error != ERROR_NONE) {
        rejoin(consumer, error);
        return;
    }
    CHECK(consumer->generation < GENERATIONS_MAX);
    consumer->doing = READS;
    consumer->seen = consumer->generation;
    if (assignment.size == 0) return; /* there are more members than partitions */
    consumer->share = assignment.data[0] - '0';
    int32_t *owner = &chaos->owners[consumer->generation][consumer->share];
    EXPECT("nobody else has it in this generation", *owner == 0 || *owner == number);
    *owner = number;
}

/* A leader gives each member a partition, as long as there are some. */
static void sync(struct chaos *chaos, struct consumer *consumer)
{
    static const char *const shares[] = { "0", "1", "2", "3" };
    struct sync_group_request_assignment assignments[PARTITIONS];
    struct sync_group_request request = {
        .group_id = BYTES_LITERAL("g"),
        .generation_id = consumer->generation,
        .member_id = text_of(consumer->member),
        .assignments = assignments,
    };
    const uint32_t group = groups_find(chaos->world->groups, BYTES_LITERAL("g"));
    const uint64_t waiter = waiter_of(chaos, consumer);
    const struct group_caller caller = world_caller(waiter, 3);
    struct group_synced synced;
    struct member_view view;

    for (uint32_t at = group == GROUP_NONE ? GROUP_NONE
                                           : groups_next_member(chaos->world->groups, group, GROUP_NONE, &view);
         at != GROUP_NONE && request.assignments_count < PARTITIONS;
         at = groups_next_member(chaos->world->groups, group, at, &view)) {
        assignments[request.assignments_count] =
            (struct sync_group_request_assignment){ view.member_id, text_of(shares[request.assignments_count]) };
        request.assignments_count++;
    }
    if (groups_sync(chaos->world->groups, &caller, &request, &synced) == GROUP_WAITS) {
        consumer->waiter = waiter;
        consumer->doing = WAITS_SYNC;
        return;
    }
    on_synced(chaos, consumer, synced.error, synced.assignment);
}

/* ---- offsets ---- */

static void on_committed(struct chaos *chaos, struct consumer *consumer, enum error error)
{
    consumer->waiter = 0;
    consumer->doing = READS;
    if (error == ERROR_NONE) {
        chaos->answered[consumer->share] = MAX(chaos->answered[consumer->share], consumer->commits);
        chaos->commits++;
    } else if (error != ERROR_COORDINATOR_LOAD_IN_PROGRESS && error != ERROR_NOT_COORDINATOR &&
               error != ERROR_COORDINATOR_NOT_AVAILABLE) {
        rejoin(consumer, error);
    }
}

static void commit(struct chaos *chaos, struct consumer *consumer)
{
    const struct group_committer committer = { .group_id = BYTES_LITERAL("g"),
                                               .member_id = text_of(consumer->member),
                                               .generation = consumer->generation };
    const int64_t offset = chaos->sent[consumer->share] + 1;
    const struct group_offset wanted = {
        .topic = BYTES_LITERAL("t"), .partition = consumer->share, .offset = offset, .expire_ms = -1
    };
    const uint64_t waiter = waiter_of(chaos, consumer);
    enum error error = groups_may_commit(chaos->world->groups, &committer);

    consumer->commits = offset;
    if (error == ERROR_NONE) error = groups_begin_commit(chaos->world->groups, committer.group_id, 1);
    if (error != ERROR_NONE) {
        on_committed(chaos, consumer, error);
        return;
    }
    CHECK(groups_add_commit(chaos->world->groups, &wanted) == ERROR_NONE);
    switch (groups_end_commit(chaos->world->groups, waiter, &error)) {
    case GROUP_HELD:
    case GROUP_WAITS:
        chaos->sent[consumer->share] = offset;
        consumer->waiter = waiter;
        consumer->doing = WAITS_COMMIT;
        return;
    case GROUP_NO_ROOM: return;
    case GROUP_ANSWERED: on_committed(chaos, consumer, error); return;
    }
}

static void judge_offsets(struct chaos *chaos)
{
    if (groups_place(chaos->world->groups, BYTES_LITERAL("g")) != ERROR_NONE) return;
    for (int32_t i = 0; i < PARTITIONS; i++) {
        const int64_t fetched = world_offset(chaos->world, "g", "t", i);
        EXPECT("what was answered is there", fetched >= chaos->answered[i]);
        EXPECT("nothing that nobody sent", fetched <= chaos->sent[i]);
        EXPECT("what was shown once stays", fetched >= chaos->shown[i]);
        chaos->shown[i] = MAX(chaos->shown[i], fetched);
    }
}

/* ---- time ---- */

static void take_answer(struct chaos *chaos, struct consumer *consumer)
{
    struct groups *groups = chaos->world->groups;
    const uint64_t waiter = consumer->waiter;

    if (waiter == 0 || !groups_is_ready(groups, waiter)) return;
    if (consumer->doing == WAITS_JOIN) {
        const struct group_caller caller = world_caller(waiter, 5);
        struct group_joined joined;
        groups_joined(groups, waiter, &caller, &joined);
        const struct heard heard = world_heard(chaos->world, &joined);
        groups_forget(groups, waiter);
        on_joined(consumer, &heard);
    } else if (consumer->doing == WAITS_SYNC) {
        struct group_synced synced;
        groups_synced(groups, waiter, &synced);
        on_synced(chaos, consumer, synced.error, synced.assignment);
        groups_forget(groups, waiter);
    } else {
        const enum error error = groups_outcome(groups, waiter);
        groups_forget(groups, waiter);
        on_committed(chaos, consumer, error);
    }
}

static void act(struct chaos *chaos, struct consumer *consumer)
{
    enum error error;

    take_answer(chaos, consumer);
    if (consumer->doing != AWAY && chance(chaos, 60)) crash(chaos, consumer);
    switch (consumer->doing) {
    case AWAY:
        if (chaos->calm || chance(chaos, 8)) consumer->doing = JOINS;
        break;
    case JOINS: join(chaos, consumer); break;
    case SYNCS:
        if (!chance(chaos, 5)) sync(chaos, consumer);
        break;
    case READS: {
        const struct heartbeat_request request = { .group_id = BYTES_LITERAL("g"),
                                                   .generation_id = consumer->generation,
                                                   .member_id = text_of(consumer->member) };
        if (consumer->share >= 0 && prng_below(&chaos->prng, 2) == 0) {
            commit(chaos, consumer);
            break;
        }
        error = groups_heartbeat(chaos->world->groups, &request);
        if (error == ERROR_REBALANCE_IN_PROGRESS || error == ERROR_UNKNOWN_MEMBER_ID ||
            error == ERROR_ILLEGAL_GENERATION) {
            rejoin(consumer, error);
        }
        break;
    }
    case WAITS_JOIN:
    case WAITS_SYNC:
    case WAITS_COMMIT: break;
    }
}

/* The coordinator's process is gone, and with it what it knew; its log may have lost what was not committed. */
static void lose_coordinator(struct chaos *chaos)
{
    struct world *world = chaos->world;
    struct fake_log *log = &world->logs->logs[world_log_of(world, "g")];

    for (uint32_t i = 0; i < MEMBERS; i++) { /* connections are closed */
        struct consumer *consumer = &chaos->consumers[i];
        consumer->waiter = 0;
        if (consumer->doing == WAITS_JOIN) consumer->doing = JOINS;
        if (consumer->doing == WAITS_SYNC) consumer->doing = SYNCS;
        if (consumer->doing == WAITS_COMMIT) consumer->doing = READS;
    }
    if (chance(chaos, 2)) {
        while (log->batch_count > 0 && log->batches[log->batch_count - 1].last_offset >= log->offsets.high_watermark) {
            free(log->batches[--log->batch_count].data);
        }
        log->offsets.log_end_offset = log->offsets.high_watermark;
    }
    world_restart(world);
}

static void turn(struct chaos *chaos)
{
    struct world *world = chaos->world;

    for (uint32_t i = 0; i < MEMBERS; i++) act(chaos, &chaos->consumers[i]);
    if (chance(chaos, 3) || chaos->calm) world_commit(world);
    if (chance(chaos, 40)) lose_coordinator(chaos);
    if (chance(chaos, 50)) {
        groups_on_lost(world->groups, world_log_of(world, "g")); /* in another epoch */
    }
    world_pass(world, chaos->calm ? 100 : prng_below(&chaos->prng, chance(chaos, 30) ? 9000 : 300));
    judge_offsets(chaos);
}

static bool is_at_rest(const struct chaos *chaos)
{
    uint32_t shares = 0;

    for (uint32_t i = 0; i < MEMBERS; i++) {
        const struct consumer *consumer = &chaos->consumers[i];
        if (consumer->doing != READS && consumer->doing != WAITS_COMMIT) return false;
        if (consumer->generation != chaos->consumers[0].generation) return false;
        shares += consumer->share >= 0;
    }
    return shares == PARTITIONS;
}

TEST(groups_survive_what_may_happen)
{
    struct chaos *chaos = calloc(1, sizeof *chaos);
    uint32_t commits = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        char why[32];
        *chaos = (struct chaos){ .world = world_new() };
        prng_init(&chaos->prng, seed, 0);
        sprintf(why, "seed %d", (int)seed);
        for (uint32_t i = 0; i < MEMBERS; i++) crash(chaos, &chaos->consumers[i]);
        for (uint32_t i = 0; i < PARTITIONS; i++) {
            chaos->answered[i] = chaos->sent[i] = chaos->shown[i] = -1;
        }
        chaos->world->slow = true;
        for (uint32_t i = 0; i < TURNS; i++) turn(chaos);
        chaos->calm = true;
        chaos->world->slow = false;
        for (uint32_t i = 0; i < TURNS && !is_at_rest(chaos); i++) turn(chaos);
        EXPECT(why, is_at_rest(chaos));
        commits += chaos->commits;
        world_free(chaos->world);
    }
    EXPECT("something was done", commits > SEEDS * 10);
    free(chaos);
}
