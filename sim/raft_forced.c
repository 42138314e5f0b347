#include "sim/raft_forced.h"

#include "base/check.h"

#include <string.h>

enum { STEPS = 40, STEP_MS = 20000, SPARES = 2 };

struct play {
    struct raft_world *world;
    struct prng prng; /* of the script alone: both engines get the same */
    bool voters[RAFT_NODES_MAX], members[RAFT_NODES_MAX];
    struct raft_forced *forced;
};

static struct raft_node *leader_of(const struct play *play)
{
    return &play->world->nodes[0];
}

static bool is_over(const struct play *play, uint64_t until_ns)
{
    return play->world->violation[0] != 0 || play->world->now_ns >= until_ns;
}

/* The leader's list is committed, and is what the script says. */
static bool list_is_right(const struct play *play)
{
    const struct raft_node *leader = leader_of(play);
    const struct raft_configuration *list = leader->engine->configuration(leader->raft);
    uint32_t count = 0;

    if (!leader->engine->configuration_is_committed(leader->raft) || raft_configuration_is_joint(list)) return false;
    for (uint32_t i = 0; i < play->world->config.nodes; i++) {
        const struct raft_member *member = raft_configuration_find(list, i + 1);
        if ((member != NULL) != play->members[i]) return false;
        if (member != NULL && ((member->flags & RAFT_VOTER) != 0) != play->voters[i]) return false;
        count += member != NULL;
    }
    return count == list->count;
}

static bool all_is_committed(const struct play *play)
{
    const struct raft_node *leader = leader_of(play);
    return leader->applied == leader->engine->last_index(leader->raft) && list_is_right(play);
}

static void wait(const struct play *play, bool (*done)(const struct play *), const char *what)
{
    const uint64_t until_ns = play->world->now_ns + STEP_MS * MS;

    while (!done(play) && !is_over(play, until_ns)) raft_world_run(play->world, play->world->now_ns + MS);
    if (!done(play)) raft_world_violate(play->world, "L: the forced schedule waits for %s", what);
}

static void propose(struct play *play)
{
    const uint32_t count = 1 + (uint32_t)prng_below(&play->prng, 6);
    const uint64_t until_ns = play->world->now_ns + STEP_MS * MS;

    while (raft_world_propose(play->world, leader_of(play), count) != RAFT_ACCEPTED && !is_over(play, until_ns)) {
        raft_world_run(play->world, play->world->now_ns + MS);
    }
}

static uint32_t count_voters(const struct play *play)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < play->world->config.nodes; i++) count += play->voters[i];
    return count;
}

static bool is_at_rest(const struct play *play)
{
    return raft_world_is_at_rest(play->world);
}

/* Anybody but the leader: joins, gets a vote, loses it, or goes. */
static void change(struct play *play)
{
    const uint32_t slot = 1 + (uint32_t)prng_below(&play->prng, play->world->config.nodes - 1);
    const bool leaves = prng_chance(&play->prng, 1, 2);
    struct raft_change change = { RAFT_ADD, slot + 1, BYTES_LITERAL("forced:9093") };

    wait(play, is_at_rest, "those who were away");
    const uint64_t until_ns = play->world->now_ns + STEP_MS * MS;
    if (play->voters[slot]) {
        if (count_voters(play) == 1) return;
        change.kind = leaves ? RAFT_REMOVE : RAFT_DEMOTE;
    } else if (play->members[slot]) {
        if (!leaves && count_voters(play) == RAFT_VOTERS_MAX) return;
        change.kind = leaves ? RAFT_REMOVE : RAFT_PROMOTE;
    }
    while (raft_world_change(play->world, leader_of(play), &change, 1) != RAFT_ACCEPTED && !is_over(play, until_ns)) {
        raft_world_run(play->world, play->world->now_ns + MS);
    }
    play->members[slot] = change.kind != RAFT_REMOVE;
    play->voters[slot] = change.kind == RAFT_PROMOTE;
    wait(play, list_is_right, "a list");
}

/* Where a majority is left, somebody misses so much that he gets the snapshot. */
static void go_away(struct play *play)
{
    const uint32_t slot = 1 + (uint32_t)prng_below(&play->prng, play->world->config.nodes - 1);
    const uint32_t rounds = 1 + (uint32_t)prng_below(&play->prng, 20);

    if (play->voters[slot] && count_voters(play) < 3) return;
    wait(play, is_at_rest, "those who were away");
    play->world->nodes[slot].group = 1;
    for (uint32_t i = 0; i < rounds; i++) {
        propose(play);
        wait(play, all_is_committed, "a majority");
    }
    play->world->nodes[slot].group = 0;
}

static void note_list(struct play *play)
{
    uint64_t digest = play->forced->digest;

    for (uint32_t i = 0; i < play->world->config.nodes; i++) {
        digest = raft_world_mix(digest, (uint64_t)play->members[i] << 1 | play->voters[i]);
    }
    play->forced->digest = digest;
    play->forced->lists++;
}

/* No-ops and barriers are the engines' own matter. */
static void note_values(struct play *play)
{
    const struct raft_world *world = play->world;

    for (uint64_t index = 1; index <= world->committed_count; index++) {
        const struct raft_committed *committed = &world->committed[index];
        if (committed->kind != RAFT_ENTRY_DATA) continue;
        play->forced->digest = raft_world_mix(play->forced->digest, load_u64(committed->bytes.data));
        play->forced->values++;
    }
}

static struct raft_world_config draw_config(const struct raft_engine *engine, uint32_t guards, uint64_t seed)
{
    struct prng prng;

    prng_init(&prng, seed, 2);
    const uint32_t voters = 1 + (uint32_t)prng_below(&prng, RAFT_VOTERS_MAX);
    return (struct raft_world_config){
        .engine = engine,
        .guards = guards,
        .seed = seed,
        .voters = voters,
        .nodes = voters + SPARES,
        .delay_ns = MS / 10 + prng_below(&prng, 5 * MS),
        .disk_ns = MS / 10 + prng_below(&prng, 5 * MS),
        .ordered = true,
        .patience_ns = 100000 * MS,
        .snapshot_entries = 4 + (uint32_t)prng_below(&prng, 60),
        .trailing_entries = (uint32_t)prng_below(&prng, 12),
    };
}

static bool leads(const struct play *play)
{
    return raft_world_leader(play->world) == leader_of(play);
}

void raft_forced_run(const struct raft_engine *engine, uint32_t guards, uint64_t seed, void (*print)(const char *line),
                     struct raft_forced *forced)
{
    struct raft_world_config config = draw_config(engine, guards, seed);
    config.print = print;
    struct play play = { .world = raft_world_new(&config), .forced = forced };

    *forced = (struct raft_forced){ .digest = seed };
    prng_init(&play.prng, seed, 3);
    for (uint32_t i = 0; i < config.voters; i++) play.members[i] = play.voters[i] = true;
    wait(&play, leads, "the first leader");
    for (uint32_t i = 0; i < STEPS && play.world->violation[0] == 0; i++) {
        const uint64_t what = prng_below(&play.prng, 10);
        if (what < 5) propose(&play);
        else if (what < 8) change(&play);
        else if (what < 9) go_away(&play);
        else raft_world_read(play.world, &play.world->nodes[prng_below(&play.prng, config.nodes)]);
        wait(&play, all_is_committed, "a commit");
        note_list(&play);
    }
    wait(&play, is_at_rest, "rest");
    note_values(&play);
    if (!leads(&play)) raft_world_violate(play.world, "O6 STATE: the leader of the forced schedule has changed");
    if (forced->values != play.world->next_value) raft_world_violate(play.world, "O6 STATE: a value is missing");
    memcpy(forced->violation, play.world->violation, sizeof forced->violation);
    raft_world_free(play.world);
}
