/* Random worlds: 1 to 7 voters and two more nodes under loss, duplicates, reordering, partitions, crashes that forget,
 * slow disks, membership changes, handovers and reads; then all is healed and everything must come to rest.
 *
 * RAFT_SEEDS=A..B runs others than the usual seeds, RAFT_PRINT=1 prints what happens. With -DCHRONIK_MUTANTS,
 * RAFT_MUTANT=M41 switches a known bug on. */
#include "raft_world.h"

#include <signal.h>

static struct world_stats total;

#ifdef CHRONIK_MUTANTS
static uint64_t mutant_reached;

bool mutant_active(const char *name)
{
    static const char *active;
    if (active == NULL) active = getenv("RAFT_MUTANT") != NULL ? getenv("RAFT_MUTANT") : "";
    if (strcmp(active, name) != 0) return false;
    mutant_reached++;
    return true;
}
#endif

static void print_line(const char *line)
{
    fprintf(stderr, "%s\n", line);
}

static struct world_config draw_config(uint64_t seed)
{
    struct prng prng;
    prng_init(&prng, seed, 1);
    const uint32_t voters = 1 + (uint32_t)prng_below(&prng, 7);
    const bool storm = prng_chance(&prng, 1, 4); /* so slow that elections fail and old votes arrive */
    return (struct world_config){
        .seed = seed,
        .voters = voters,
        .nodes = voters + 2,
        .loss = (uint32_t)prng_below(&prng, storm ? 200 : 60),
        .duplicate = (uint32_t)prng_below(&prng, 60),
        .delay_ns = MS / 10 + prng_below(&prng, (storm ? 60 : 5) * MS),
        .disk_ns = MS / 10 + prng_below(&prng, 8 * MS),
        .ordered = prng_chance(&prng, 1, 2),
        .late = (uint32_t)prng_below(&prng, 40),
        .snapshot_entries = 4 + (uint32_t)prng_below(&prng, 60),
        .trailing_entries = (uint32_t)prng_below(&prng, 12),
        .print = getenv("RAFT_PRINT") != NULL ? print_line : NULL,
    };
}

static struct node *any_node(struct world *world)
{
    return &world->nodes[world_draw(world, world->config.nodes)];
}

/* Whoever believes to lead, cut off or not. */
static struct node *any_leader(struct world *world)
{
    for (uint32_t tries = 0; tries < 2 * world->config.nodes; tries++) {
        struct node *node = any_node(world);
        if (node->up && raft_role(node->raft) == RAFT_LEADER) return node;
    }
    return NULL;
}

/* Up to three changes at once, most of which make sense. */
static void change_members(struct world *world)
{
    struct node *leader = any_leader(world);
    struct raft_change changes[3];
    uint32_t count = 0;

    if (leader == NULL) return;
    const struct raft_configuration *list = raft_configuration(leader->raft);
    const uint32_t mood = (uint32_t)world_draw(world, 4), first = (uint32_t)world_draw(world, world->config.nodes);
    for (uint32_t i = 0; i < world->config.nodes && count < 3; i++) {
        const uint64_t id = world->nodes[(first + i) % world->config.nodes].id;
        const struct raft_member *member = raft_configuration_find(list, id);
        const bool voter = member != NULL && (member->flags & RAFT_VOTER) != 0;
        const bool learner = member != NULL && !voter;
        const bool grow = mood < 2 || world_chance(world, 100);
        if (world_chance(world, 300)) continue;
        struct raft_change change = { RAFT_ADD, id, BYTES_LITERAL("elsewhere:9093") };
        if (learner) change.kind = grow ? RAFT_PROMOTE : RAFT_REMOVE;
        if (voter) change.kind = world_chance(world, 500) ? RAFT_REMOVE : RAFT_DEMOTE;
        if (voter == grow && member != NULL) continue;
        changes[count++] = change;
    }
    if (count == 0) return;
    world->stats.asked++;
    if (world_change(world, leader, changes, count) == RAFT_BUSY) world->stats.busy++;
}

static void cut_network(struct world *world)
{
    const uint64_t how = world_draw(world, 4);
    struct node *node = any_node(world);

    if (how == 0) {
        for (uint32_t i = 0; i < world->config.nodes; i++) world->nodes[i].group = (uint32_t)world_draw(world, 2);
    } else if (how == 1) node->group = 2;
    else if (how == 2) node->deaf = true;
    else node->mute = true;
}

static void heal_network(struct world *world)
{
    for (uint32_t i = 0; i < world->config.nodes; i++) {
        world->nodes[i].group = 0;
        world->nodes[i].deaf = false;
        world->nodes[i].mute = false;
    }
}

enum deed { CRASH_ANY, CRASH_LEADER, RESTART, CUT, HEAL, HAND_OVER, STALL, DEED_COUNT };

/* How much of each a seed has: a subset, so that what one deed hides another seed shows. */
struct mood {
    uint32_t weights[DEED_COUNT], sum;
    uint64_t pause_ns;
    uint32_t changes; /* of members, per mille of moments */
};

static struct mood draw_mood(struct world *world)
{
    struct mood mood = { .pause_ns = 5 * MS + world_draw(world, 120 * MS) };

    for (uint32_t i = 0; i < DEED_COUNT; i++) {
        mood.weights[i] = world_chance(world, 700) ? 1 + (uint32_t)world_draw(world, 10) : 0;
    }
    mood.changes = world_chance(world, 700) ? (uint32_t)world_draw(world, 100) : 0;
    /* What falls is picked up again, or soon nothing is left to test. */
    mood.weights[RESTART] = 2 * (mood.weights[CRASH_ANY] + mood.weights[CRASH_LEADER]) + 1;
    mood.weights[HEAL] = mood.weights[CUT] + 1;
    for (uint32_t i = 0; i < DEED_COUNT; i++) mood.sum += mood.weights[i];
    return mood;
}

static void disturb(struct world *world, const struct mood *mood)
{
    struct node *node = any_node(world);
    struct node *leader = any_leader(world);
    uint64_t at = world_draw(world, mood->sum);
    uint32_t deed = 0;

    for (; at >= mood->weights[deed]; deed++) at -= mood->weights[deed];
    switch ((enum deed)deed) {
    case CRASH_ANY:
        if (node->up) world_crash(world, node);
        break;
    case CRASH_LEADER:
        if (leader != NULL) world_crash(world, leader);
        break;
    case RESTART:
        if (!node->up) world_restart(world, node);
        break;
    case CUT: cut_network(world); break;
    case HEAL: heal_network(world); break;
    case HAND_OVER:
        if (leader != NULL) world_transfer(world, leader, world_chance(world, 500) ? 0 : node->id);
        break;
    case STALL: {
        const uint64_t until_ns = world->now_ns + world_draw(world, 600 * MS);
        node->disk_free_ns = MAX(node->disk_free_ns, until_ns);
        break;
    }
    case DEED_COUNT: break;
    }
}

static void work(struct world *world)
{
    struct node *leader = any_leader(world);
    if (leader != NULL && leader->up) world_propose(world, leader, 1 + (uint32_t)world_draw(world, 6));
    struct node *reader = any_node(world);
    if (reader->up && world_chance(world, 300)) world_read(world, reader);
}

static void add_up(const struct world_stats *stats)
{
    const uint64_t *from = (const uint64_t *)(const void *)stats;
    uint64_t *to = (uint64_t *)(void *)&total;
    for (size_t i = 0; i < sizeof total / sizeof *to; i++) to[i] += from[i];
}

/* Nobody may need more than this to come to rest when all is well: some failed elections, a snapshot or two. */
enum { REST_MS = 20000 };

static bool come_to_rest(struct world *world)
{
    world->config.loss = 0;
    world->config.duplicate = 0;
    world->config.late = 0;
    world->config.delay_ns = MIN(world->config.delay_ns, 5 * MS);
    heal_network(world);
    for (uint32_t i = 0; i < world->config.nodes; i++) {
        struct node *node = &world->nodes[i];
        if (!node->up) world_restart(world, node);
    }
    const uint64_t before = world->committed_count, until_ns = world->now_ns + REST_MS * MS;
    while (world->now_ns < until_ns && world->violation[0] == 0) {
        world_run(world, world->now_ns + 50 * MS);
        if (world->committed_count > before && world_is_at_rest(world)) return true;
        struct node *leader = world_leader(world);
        if (leader != NULL && world->committed_count == before) world_propose(world, leader, 1);
    }
    return false;
}

static unsigned long long running_seed;

/* A failed CHECK aborts: say where it was. */
static void on_abort(int signal_number)
{
    fprintf(stderr, "seed %llu\n", running_seed);
    signal(signal_number, SIG_DFL);
}

static bool run_seed(uint64_t seed, uint32_t corrupt)
{
    struct world_config config = draw_config(seed);

    running_seed = seed;
    config.corrupt = corrupt;
    struct world *world = world_new(&config);
    const struct mood mood = draw_mood(world);
    const uint64_t chaos_ns = 4000 * MS;
    uint64_t next_ns = mood.pause_ns;

    while (world->now_ns < chaos_ns && world->violation[0] == 0) {
        world_run(world, world->now_ns + 1 + world_draw(world, 15 * MS));
        work(world);
        if (world_chance(world, mood.changes)) change_members(world);
        if (world->now_ns < next_ns) continue;
        next_ns = world->now_ns + world_draw(world, 2 * mood.pause_ns);
        disturb(world, &mood);
    }
    if (corrupt == 0 && world->violation[0] == 0 && !come_to_rest(world))
        world_violate(world, "LIVENESS: it does not come to rest");
    const bool good = world->violation[0] == 0;
    if (!good)
        fprintf(stderr, "seed %llu at %llu ms: %s\n", (unsigned long long)seed,
                (unsigned long long)(world->now_ns / MS), world->violation);
    add_up(&world->stats);
    world_free(world);
    return good;
}

static void seeds(unsigned long long *from, unsigned long long *to)
{
    const char *asked = getenv("RAFT_SEEDS");
    if (asked != NULL && sscanf(asked, "%llu..%llu", from, to) == 1) *to = *from;
}

TEST(chaos)
{
    unsigned long long from = 1, to = 300, failed = 0;

    signal(SIGABRT, on_abort);
    seeds(&from, &to);
    for (unsigned long long seed = from; seed <= to && failed < 10; seed++) {
        if (!run_seed(seed, 0)) failed++;
#ifdef CHRONIK_MUTANTS
        if (failed > 0) {
            fprintf(stderr, "killed by seed %llu\n", seed);
            break;
        }
#endif
    }
    EXPECT_EQ("every seed is clean", 0, failed);
    if (getenv("RAFT_SEEDS") == NULL) return;
    printf("steps %llu messages %llu elections %llu crashes %llu installs %llu taken %llu commits %llu reads %llu\n",
           (unsigned long long)total.steps, (unsigned long long)total.messages, (unsigned long long)total.elections,
           (unsigned long long)total.crashes, (unsigned long long)total.installs, (unsigned long long)total.taken,
           (unsigned long long)total.commits, (unsigned long long)total.reads);
    printf("asked %llu busy %llu ", (unsigned long long)total.asked, (unsigned long long)total.busy);
    printf("changes %llu joint %llu rollbacks %llu truncations %llu impossible %llu chunks %llu\n",
           (unsigned long long)total.changes, (unsigned long long)total.joint, (unsigned long long)total.rollbacks,
           (unsigned long long)total.truncations, (unsigned long long)total.impossible,
           (unsigned long long)total.chunks);
#ifdef CHRONIK_MUTANTS
    printf("mutant reached %llu\n", (unsigned long long)mutant_reached);
#endif
}

/* Peers that say anything: whole messages with a few bits changed. A node may be led astray, but it does not fail a
 * CHECK, does not break its own promises, and can restore what it wrote. */
TEST(chaos_with_lies)
{
    unsigned long long from = 1, to = 60, failed = 0;

    signal(SIGABRT, on_abort);
    seeds(&from, &to);
    for (unsigned long long seed = from; seed <= to && failed < 10; seed++) {
        if (!run_seed(seed, 5 + (uint32_t)(seed % 50))) failed++;
    }
    EXPECT_EQ("every seed is clean", 0, failed);
    EXPECT("lies were noticed", total.impossible > 0);
}
