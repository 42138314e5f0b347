/* Three machines, of which two are lost for ever, and come back all the same: in the simulator's world, many seeds. The
 * one that is left goes on alone; the two are a majority of the old member list, and must not be one any more. */
#include "base/check.h"
#include "controller/metadata_log.h"
#include "meta/image.h"
#include "node_state.h"
#include "quiet_world.h"
#include "raft/raft.h"
#include "sim/world.h"
#include "status.h"
#include "t.h"

#include <stdlib.h>

#ifdef CHRONIK_MUTANTS
/* With -DCHRONIK_MUTANTS, MUTANT=name switches a known bug on. */
bool mutant_active(const char *name)
{
    const char *active = getenv("MUTANT");

    return active != NULL && strcmp(active, name) == 0;
}
#endif

enum { MACHINES = 3, SEEDS_TRIED = 12 };
#define SECOND UINT64_C(1000000000)

static struct world world;
static uint64_t ends_ns;

/* ---- what the world tells ---- */

void run_on_phase(struct world *seen)
{
    if (seen->now_ns >= ends_ns) seen->ended = true;
}

void run_on_bytes(struct world *seen, uint32_t client, uint32_t wire, const uint8_t *data, uint32_t size)
{
    (void)seen, (void)client, (void)wire, (void)data, (void)size;
}

void run_on_hang_up(struct world *seen, uint32_t client, uint32_t wire)
{
    (void)seen, (void)client, (void)wire;
}

void run_on_spin(struct world *seen, uint32_t machine)
{
    (void)machine;
    EXPECT("nobody asks for time and does nothing with it", false);
    seen->ended = true;
}

void run_on_halt(struct world *seen, uint32_t machine)
{
    (void)seen, (void)machine;
}

void run_on_orders(struct world *seen, uint32_t machine, const struct effects *effects)
{
    (void)seen, (void)machine, (void)effects;
}

void run_on_step(struct world *seen, uint32_t machine, const struct event *event)
{
    (void)seen, (void)machine, (void)event;
}

/* ---- machines ---- */

static void set_address(struct address *address, uint32_t number, uint16_t port)
{
    snprintf(address->host, sizeof address->host, "n%u", number + 1);
    address->port = port;
}

static void add_machine(uint32_t number)
{
    struct config config;

    config_init(&config);
    config.node_id = (int32_t)number + 1;
    set_address(&config.advertised_kafka, number, 9092);
    set_address(&config.node_address, number, 9093);
    set_address(&config.wal_address, number, 9291);
    config.cluster_enabled = true;
    config.peer_links_max = 16;
    config.voters_target = 3;
    config.links_max = 8;
    config.topics_max = 16;
    config.partitions_max = 32;
    config.segments_max = 256;
    config.producers_max = 16;
    config.request_size_max = 1 << 20;
    config.request_memory_size = 4 << 20;
    config.tail_unit_size = 4096;
    config.tail_memory_size = 4096 * 256;
    config.journal_file_size = 1 << 20;
    config.journal_files_max = 4;
    config.meta_journal_file_size = 64 * 1024;
    config.message_size_max = 64 * 1024;
    world_add_machine(&world, &config, 0);
}

/* Told of `seed`; MACHINE_NONE: of nobody. */
static void start(uint32_t number, uint32_t seed)
{
    struct config *config = &world.machines[number]->config;

    config->seed_count = seed == MACHINE_NONE ? 0 : 1;
    config->seeds[0].node_id = (int32_t)seed + 1;
    set_address(&config->seeds[0].address, seed, 9093);
    world_start(&world, number);
}

static void pass(uint64_t ns)
{
    ends_ns = world.now_ns + ns;
    world.ended = false;
    world_after(&world, ns, HAPPENS_PHASE, MACHINE_NONE, 0, 0);
    world_run(&world);
}

static const struct node *node_of(uint32_t number)
{
    return world.machines[number]->node;
}

static bool serves(uint32_t number)
{
    return world.machines[number]->state == PROCESS_UP && node_state(node_of(number)) == NODE_SERVING;
}

static bool leads(uint32_t number)
{
    return raft_role(node_raft(node_of(number))) == RAFT_LEADER;
}

static bool all_serve(void)
{
    for (uint32_t i = 0; i < MACHINES; i++) {
        if (!serves(i) || raft_configuration(node_raft(node_of(i)))->count != MACHINES) return false;
    }
    return true;
}

static void wait_for_all(void)
{
    for (int i = 0; i < 60 && !all_serve(); i++) pass(SECOND / 2);
    EXPECT("all serve, and know each other", all_serve());
}

/* ---- the disaster ---- */

static void start_alone(uint32_t survivor)
{
    start(survivor, MACHINE_NONE);
    for (int i = 0; i < 20 && !(serves(survivor) && leads(survivor)); i++) pass(SECOND / 2);
    EXPECT("it serves, alone", serves(survivor) && leads(survivor));
    EXPECT_EQ("nobody else is a member", 1, raft_configuration(node_raft(node_of(survivor)))->count);
}

static void recover(uint32_t survivor)
{
    struct machine *machine = world.machines[survivor];

    machine->config.recovers = true;
    start(survivor, MACHINE_NONE);
    for (int i = 0; i < 20 && machine->state == PROCESS_UP; i++) pass(SECOND / 2);
    EXPECT("it ends by itself", machine->state == PROCESS_HALTED);
    EXPECT_EQ("as if it were stopped", HALT_STOPPED, machine->halt.reason);
    machine->config.recovers = false;
    start_alone(survivor);
}

/* While the survivor is away the others elect leaders, again and again: their term is larger than its own then. And
 * what they know of their cluster they know only when they have elected one more. */
static void raise_terms(uint32_t survivor)
{
    world_lose_power(&world, survivor, LOSS_MIXED, false);
    for (int round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < MACHINES; i++) {
            if (i != survivor) start(i, survivor);
        }
        pass(4 * SECOND);
        for (uint32_t i = 0; i < MACHINES; i++) {
            if (i != survivor) world_lose_power(&world, i, LOSS_MIXED, false);
        }
    }
    start_alone(survivor);
}

/* Both at once: they elect a leader among themselves, if nobody hinders them. */
static void come_back(uint32_t survivor)
{
    const uint64_t commit_index = raft_commit_index(node_raft(node_of(survivor)));
    const uint64_t term = raft_term(node_raft(node_of(survivor)));

    for (uint32_t i = 0; i < MACHINES; i++) {
        if (i != survivor) start(i, survivor);
    }
    for (int i = 0; i < 40; i++) {
        pass(SECOND / 2);
        EXPECT("the survivor goes on", serves(survivor) && leads(survivor));
        EXPECT_EQ("in its term", term, raft_term(node_raft(node_of(survivor))));
    }
    EXPECT("with what it decided", raft_commit_index(node_raft(node_of(survivor))) >= commit_index);
    EXPECT_EQ("alone", 1, raft_configuration(node_raft(node_of(survivor)))->count);
    for (uint32_t i = 0; i < MACHINES; i++) {
        if (i == survivor) continue;
        const struct machine *machine = world.machines[i];
        EXPECT("who was left behind has stopped", machine->state == PROCESS_HALTED);
        EXPECT("because of that", machine->halt.reason == HALT_OUTLIVED || machine->halt.reason == HALT_STOPPED);
    }
}

static void play(uint64_t seed, uint32_t survivor)
{
    world_init(&world, seed, 100 * 1000 + seed * 37 * 1000);
    world.events_max = UINT64_MAX;
    for (uint32_t i = 0; i < MACHINES; i++) add_machine(i);
    start(0, MACHINE_NONE);
    start(1, 0);
    start(2, 0);
    wait_for_all();
    for (uint32_t i = 0; i < MACHINES; i++) {
        if (i != survivor) world_lose_power(&world, i, LOSS_MIXED, false);
    }
    pass(seed % 3 * SECOND);
    world_lose_power(&world, survivor, LOSS_MIXED, false);
    recover(survivor);
    raise_terms(survivor);
    come_back(survivor);
    for (uint32_t i = 0; i < MACHINES; i++) {
        if (i == survivor) continue;
        world_wipe(&world, i);
        start(i, survivor);
    }
    wait_for_all();
    EXPECT_EQ("recovered once", 1, image_view(node_image(node_of(survivor))).incarnation >> INCARNATION_DRAWN_BITS);
    for (uint32_t i = 0; i < MACHINES; i++) {
        const struct uuid one = image_identity(node_image(node_of(i)));
        const struct uuid other = image_identity(node_image(node_of(survivor)));
        EXPECT("all are of that cluster", uuid_equal(&one, &other));
    }
    world_free(&world);
}

TEST(two_of_three_are_lost_and_come_back)
{
    for (uint64_t seed = 1; seed <= SEEDS_TRIED; seed++) play(seed, (uint32_t)(seed % MACHINES));
}

/* ---- a founder without its disk ---- */

static bool serve_together(uint32_t first, uint32_t second)
{
    return serves(first) && serves(second) && (leads(first) || leads(second));
}

static bool all_vote(void)
{
    for (uint32_t i = 0; i < MACHINES; i++) {
        const struct raft_configuration *list = raft_configuration(node_raft(node_of(i)));
        for (uint32_t k = 0; k < list->count; k++) {
            if ((list->members[k].flags & RAFT_VOTER) == 0) return false;
        }
        if (raft_configuration_is_joint(list) || !raft_configuration_is_committed(node_raft(node_of(i)))) return false;
    }
    return true;
}

/* No snapshot was ever taken, so the two know of their cluster by entries alone that nobody can tell them to be
 * committed. The founder finds nothing, and founds: before the others are there, with them, or after them. */
static void lose_the_founder(uint64_t seed, uint64_t head_start_ns)
{
    world_init(&world, seed, 100 * 1000 + seed * 37 * 1000);
    world.events_max = UINT64_MAX;
    for (uint32_t i = 0; i < MACHINES; i++) add_machine(i);
    start(0, MACHINE_NONE);
    start(1, 0);
    start(2, 0);
    wait_for_all();
    for (int i = 0; i < 60 && !all_vote(); i++) pass(SECOND / 2);
    EXPECT("all of them vote", all_vote());
    const struct uuid before = image_identity(node_image(node_of(1)));
    for (uint32_t i = 0; i < MACHINES; i++) world_lose_power(&world, i, LOSS_MIXED, false);
    world_wipe(&world, 0);
    start(0, MACHINE_NONE);
    if (head_start_ns > 0) pass(head_start_ns);
    start(1, 0);
    if (seed % 3 == 0) pass(5 * SECOND);
    start(2, 0);
    for (int i = 0; i < 30 && !serve_together(1, 2); i++) pass(SECOND / 2);
    EXPECT("the two go on", serve_together(1, 2));
    for (uint32_t i = 1; i < MACHINES; i++) {
        if (!serves(i)) continue;
        const struct uuid now = image_identity(node_image(node_of(i)));
        EXPECT("as the cluster that they were", uuid_equal(&before, &now));
        EXPECT("with all its members", raft_configuration(node_raft(node_of(i)))->count == MACHINES);
    }
    EXPECT("the founder has stopped", world.machines[0]->state == PROCESS_HALTED);
    EXPECT_EQ("for its directory is of another cluster", HALT_FOREIGN, world.machines[0]->halt.reason);
    world_wipe(&world, 0);
    start(0, 1);
    wait_for_all();
    world_free(&world);
}

TEST(a_wiped_founder_takes_nobody_along)
{
    static const uint64_t head_starts_ns[] = { 0, SECOND / 100, SECOND / 10, 2 * SECOND };

    for (uint64_t seed = 1; seed <= SEEDS_TRIED; seed++) {
        lose_the_founder(seed, head_starts_ns[seed % COUNT_OF(head_starts_ns)]);
    }
}

/* ---- an order to go on alone ---- */

static enum error order_promotion(uint32_t number)
{
    struct controller_answer answer;

    controller_promote(world.machines[number]->node->controller, false, &answer);
    return answer.error;
}

static uint32_t leading(void)
{
    for (uint32_t i = 0; i < MACHINES; i++) {
        if (serves(i) && leads(i)) return i;
    }
    return MACHINE_NONE;
}

/* While another leader is elected nobody leads either; a cluster that was split then would have two halves. */
TEST(an_election_is_no_disaster)
{
    world_init(&world, 7, 359 * 1000);
    world.events_max = UINT64_MAX;
    for (uint32_t i = 0; i < MACHINES; i++) add_machine(i);
    start(0, MACHINE_NONE);
    start(1, 0);
    start(2, 0);
    wait_for_all();
    for (int i = 0; i < 60 && !all_vote(); i++) pass(SECOND / 2);
    const uint32_t lost = leading();
    world_lose_power(&world, lost, LOSS_MIXED, false);
    for (int i = 0; i < 200; i++) {
        pass(SECOND / 50);
        for (uint32_t k = 0; k < MACHINES; k++) {
            if (k != lost) EXPECT_EQ("two of three are there", ERROR_INVALID_REQUEST, order_promotion(k));
        }
    }
    const uint32_t second = leading(), last = MACHINES - lost - second;
    EXPECT("another one leads", second != MACHINE_NONE);
    if (second == MACHINE_NONE) return;
    world_lose_power(&world, second, LOSS_MIXED, false);
    for (int i = 0; i < 20; i++) {
        pass(SECOND / 10);
        EXPECT_EQ("not for long yet", ERROR_INVALID_REQUEST, order_promotion(last));
    }
    pass(10 * SECOND);
    EXPECT_EQ("nobody else is there", ERROR_NONE, order_promotion(last));
    world_free(&world);
}
