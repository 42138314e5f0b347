#include "sim/raft_chaos.h"

#include <stdio.h>
#include <string.h>

static struct raft_world_config draw_config(const struct raft_chaos_options *options, uint64_t seed)
{
    struct prng prng;
    prng_init(&prng, seed, 1);
    const uint32_t drawn = 1 + (uint32_t)prng_below(&prng, prng_chance(&prng, 1, 4) ? 2 : RAFT_VOTERS_MAX);
    const uint32_t voters = options->voters != 0 ? options->voters : drawn;
    const bool storm = prng_chance(&prng, 1, 4); /* so slow that elections fail and old votes arrive */
    const bool odd = prng_chance(&prng, 2, 3);
    const uint32_t any_kind = 1 + (uint32_t)prng_below(&prng, RAFT_READ_RESPONSE);
    /* Elections are seldom; late votes would be more so. */
    const uint32_t votes = 1u << RAFT_VOTE_REQUEST | 1u << RAFT_VOTE_RESPONSE;
    const uint32_t odd_kinds = prng_chance(&prng, 1, 2) ? votes : 1u << any_kind;
    return (struct raft_world_config){
        .engine = options->engine,
        .guards = options->guards,
        .seed = seed,
        .voters = voters,
        .nodes = options->fixed ? voters : voters + 2,
        .loss = (uint32_t)prng_below(&prng, storm ? 200 : 60),
        .duplicate = (uint32_t)prng_below(&prng, 60),
        .delay_ns = MS / 10 + prng_below(&prng, (storm ? 100 : 5) * MS),
        .disk_ns = MS / 10 + prng_below(&prng, 8 * MS),
        .ordered = prng_chance(&prng, 1, 2),
        .late = (uint32_t)prng_below(&prng, storm ? 200 : 40),
        .odd_kinds = odd ? odd_kinds : 0,
        .odd_loss = (uint32_t)prng_below(&prng, 4) * 200,
        .odd_late = (uint32_t)prng_below(&prng, 4) * 250,
        .list_loss = prng_chance(&prng, 1, 3) ? 300 + (uint32_t)prng_below(&prng, 600) : 0,
        .snapshot_entries = 4 + (uint32_t)prng_below(&prng, 60),
        .trailing_entries = (uint32_t)prng_below(&prng, 12),
        .corrupt = options->lies ? 5 + (uint32_t)prng_below(&prng, 50) : 0,
        .print = options->print,
        .digests = options->digests,
    };
}

static struct raft_node *any_node(struct raft_world *world)
{
    return &world->nodes[raft_world_draw(world, world->config.nodes)];
}

/* Whoever believes to lead, cut off or not. */
static struct raft_node *any_leader(struct raft_world *world)
{
    for (uint32_t tries = 0; tries < 2 * world->config.nodes; tries++) {
        struct raft_node *node = any_node(world);
        if (node->up && node->engine->role(node->raft) == RAFT_LEADER) return node;
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------- members */

/* Members that are nobody any more: their disks were emptied, and who came back is somebody else. */
static uint32_t ghosts_of(struct raft_world *world, const struct raft_configuration *list, struct raft_change *changes,
                          uint32_t max)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < list->count && count < max; i++) {
        if (raft_world_node(world, list->members[i].id) != NULL) continue;
        changes[count++] = (struct raft_change){ .kind = RAFT_REMOVE, .id = list->members[i].id };
    }
    return count;
}

/* Up to three changes at once, most of which make sense. */
static uint32_t draw_changes(struct raft_world *world, const struct raft_configuration *list,
                             struct raft_change changes[3], uint32_t max)
{
    const uint32_t mood = (uint32_t)raft_world_draw(world, 4);
    const uint32_t first = (uint32_t)raft_world_draw(world, world->config.nodes);
    uint32_t count = ghosts_of(world, list, changes, 1);
    const bool haunted = count > 0; /* then nobody else goes: of those who are left each may be needed */

    for (uint32_t i = 0; i < world->config.nodes && count < max; i++) {
        const uint64_t id = world->nodes[(first + i) % world->config.nodes].id;
        const struct raft_member *member = raft_configuration_find(list, id);
        const bool voter = member != NULL && (member->flags & RAFT_VOTER) != 0;
        const bool learner = member != NULL && !voter;
        const bool grow = mood < 2 || raft_world_chance(world, 100);
        if (raft_world_chance(world, 300)) continue;
        struct raft_change change = { RAFT_ADD, id, BYTES_LITERAL("elsewhere:9093") };
        if (learner) change.kind = grow ? RAFT_PROMOTE : RAFT_REMOVE;
        if (voter) change.kind = raft_world_chance(world, 500) ? RAFT_REMOVE : RAFT_DEMOTE;
        if (voter == grow && member != NULL) continue;
        if (haunted && voter) continue;
        changes[count++] = change;
    }
    return count;
}

enum deed { CRASH_ANY, CRASH_LEADER, RESTART, CUT, HEAL, HAND_OVER, STALL, WIPE, DEED_COUNT };

/* How much of each a seed has: a subset, so that what one deed hides another seed shows. */
struct mood {
    uint32_t weights[DEED_COUNT], sum;
    uint64_t pause_ns;
    uint32_t changes; /* of members, per mille of moments */
    uint32_t aim;     /* per mille of them in the middle of which the leader falls */
};

/* What a change leaves half done is where the bugs are: now and then its leader falls just then, heard or unheard. */
static void change_members(struct raft_world *world, const struct mood *mood)
{
    struct raft_node *leader = any_leader(world);
    struct raft_change changes[3];

    if (leader == NULL) return;
    const struct raft_configuration *list = leader->engine->configuration(leader->raft);
    /* Made one after the other, the last may be made when a disk was lost after the first. */
    const uint32_t max = leader->engine->joint || mood->weights[WIPE] == 0 ? 3 : 1;
    const uint32_t count = draw_changes(world, list, changes, max);
    if (count == 0) return;
    const bool aimed = raft_world_chance(world, mood->aim), unheard = aimed && raft_world_chance(world, 500);
    const uint32_t life = leader->life;
    if (unheard) leader->group = 3;
    world->stats.asked++;
    const enum raft_verdict verdict = raft_world_change(world, leader, changes, count);
    world->stats.busy += verdict == RAFT_BUSY;
    if (!aimed) return;
    raft_world_run(world, world->now_ns + raft_world_draw(world, 3 * (world->config.disk_ns + world->config.delay_ns)));
    if (!leader->up || leader->life != life || world->violation[0] != 0) return;
    if (raft_world_chance(world, 500)) raft_world_crash(world, leader);
    leader->group = unheard && !leader->up ? 0 : 3;
}

/* The budget: of the voters of every list that anybody goes by, a minority loses its disk until they are replaced. */
static bool may_be_wiped(struct raft_world *world, const struct raft_node *victim)
{
    for (uint32_t i = 0; i < world->config.nodes; i++) {
        const struct raft_voters *voters = &world->nodes[i].judged_voters;
        for (uint32_t set = 0; set < 2; set++) {
            uint32_t lost = 0;
            for (uint32_t j = 0; j < voters->count[set]; j++) {
                const struct raft_node *node = raft_world_node(world, voters->ids[set][j]);
                lost += node == NULL || node == victim;
            }
            if (lost > 0 && lost > (voters->count[set] - 1) / 2) return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------------------------- faults */

static void cut_network(struct raft_world *world)
{
    const uint64_t how = raft_world_draw(world, 5);
    struct raft_node *node = any_node(world);

    world->stats.cuts++;
    if (how == 0) {
        for (uint32_t i = 0; i < world->config.nodes; i++) {
            world->nodes[i].group = (uint32_t)raft_world_draw(world, 2);
        }
    } else if (how == 1) node->group = 2;
    else if (how == 2) node->deaf = true;
    else if (how == 3) node->mute = true;
    else node->cut |= (uint32_t)raft_world_draw(world, (uint64_t)1 << world->config.nodes);
}

static void heal_network(struct raft_world *world)
{
    for (uint32_t i = 0; i < world->config.nodes; i++) {
        world->nodes[i].group = 0;
        world->nodes[i].deaf = false;
        world->nodes[i].mute = false;
        world->nodes[i].cut = 0;
    }
}

static struct mood draw_mood(struct raft_world *world, bool fixed)
{
    struct mood mood = { .pause_ns = 5 * MS + raft_world_draw(world, 120 * MS) };

    for (uint32_t i = 0; i < DEED_COUNT; i++) {
        mood.weights[i] = raft_world_chance(world, 700) ? 1 + (uint32_t)raft_world_draw(world, 10) : 0;
    }
    mood.changes = raft_world_chance(world, 700) ? (uint32_t)raft_world_draw(world, 400) : 0;
    if ((world->config.odd_kinds >> RAFT_VOTE_RESPONSE & 1) != 0) mood.weights[CRASH_LEADER] += 10; /* for elections */
    mood.aim = raft_world_chance(world, 400) ? (uint32_t)raft_world_draw(world, 700) : 0;
    /* Who lost his disk is to be replaced; and it is the rarest thing to happen. */
    if (mood.changes == 0 || world->config.corrupt != 0 || mood.weights[WIPE] < 6) mood.weights[WIPE] = 0;
    else mood.weights[WIPE] = 1;
    if (fixed) {
        mood.changes = 0;
        mood.weights[WIPE] = 0;
    }
    /* What falls is picked up again, or soon nothing is left to test. */
    mood.weights[RESTART] = 2 * (mood.weights[CRASH_ANY] + mood.weights[CRASH_LEADER]) + 1;
    mood.weights[HEAL] = mood.weights[CUT] + 1;
    for (uint32_t i = 0; i < DEED_COUNT; i++) mood.sum += mood.weights[i];
    return mood;
}

static void wipe(struct raft_world *world, struct raft_node *node)
{
    if (!may_be_wiped(world, node)) return;
    if (node->up) raft_world_crash(world, node);
    raft_world_wipe(world, node);
    raft_world_restart(world, node);
}

static bool somebody_installs(const struct raft_world *world)
{
    for (uint32_t i = 0; i < world->config.nodes; i++) {
        const struct raft_node *node = &world->nodes[i];
        for (uint32_t j = 0; j < node->op_count; j++) {
            if (node->ops[node->op_first + j].kind == RAFT_OP_INSTALL) return true;
        }
    }
    return false;
}

/* A leader in the middle of a change: its list is in force, and nobody may have heard of it. */
static bool changes_members(const struct raft_node *leader)
{
    return leader != NULL && !leader->engine->configuration_is_committed(leader->raft);
}

static void disturb(struct raft_world *world, const struct mood *mood)
{
    struct raft_node *node = any_node(world);
    struct raft_node *leader = any_leader(world);
    uint64_t at = raft_world_draw(world, mood->sum);
    uint32_t deed = 0;

    for (; at >= mood->weights[deed]; deed++) at -= mood->weights[deed];
    if (somebody_installs(world) && raft_world_chance(world, mood->aim)) deed = CRASH_LEADER;
    if (changes_members(leader) && raft_world_chance(world, mood->aim)) deed = CRASH_LEADER;
    switch ((enum deed)deed) {
    case CRASH_ANY:
        if (node->up) raft_world_crash(world, node);
        break;
    case CRASH_LEADER:
        if (leader != NULL) raft_world_crash(world, leader);
        break;
    case RESTART:
        if (!node->up) raft_world_restart(world, node);
        break;
    case CUT: cut_network(world); break;
    case HEAL: heal_network(world); break;
    case HAND_OVER:
        world->stats.handovers++;
        if (leader != NULL) raft_world_transfer(world, leader, raft_world_chance(world, 500) ? 0 : node->id);
        break;
    case STALL: {
        const uint64_t until_ns = world->now_ns + raft_world_draw(world, 600 * MS);
        world->stats.stalls++;
        node->disk_free_ns = MAX(node->disk_free_ns, until_ns);
        break;
    }
    case WIPE: wipe(world, node); break;
    case DEED_COUNT: break;
    }
}

static void work(struct raft_world *world)
{
    struct raft_node *leader = any_leader(world);
    if (leader != NULL && leader->up) raft_world_propose(world, leader, 1 + (uint32_t)raft_world_draw(world, 6));
    struct raft_node *reader = any_node(world);
    if (reader->up && raft_world_chance(world, 300)) raft_world_read(world, reader);
}

/* ------------------------------------------------------------------------------------- a run */

/* Nobody may need more than this to come to rest when all is well: some failed elections, a snapshot or two. */
enum { REST_MS = 20000, CHAOS_MS = 10000 };

/* Whoever lost his disk is replaced: what an operator, or the controller, does. */
static void bury_ghosts(struct raft_world *world, struct raft_node *leader)
{
    struct raft_change changes[1];

    if (ghosts_of(world, leader->engine->configuration(leader->raft), changes, 1) == 0) return;
    raft_world_change(world, leader, changes, 1);
}

static bool come_to_rest(struct raft_world *world)
{
    world->config.loss = 0;
    world->config.duplicate = 0;
    world->config.late = 0;
    world->config.odd_kinds = 0;
    world->config.list_loss = 0;
    world->config.delay_ns = MIN(world->config.delay_ns, 5 * MS);
    heal_network(world);
    for (uint32_t i = 0; i < world->config.nodes; i++) {
        struct raft_node *node = &world->nodes[i];
        if (!node->up) raft_world_restart(world, node);
    }
    const uint64_t before = world->committed_count, until_ns = world->now_ns + REST_MS * MS;
    while (world->now_ns < until_ns && world->violation[0] == 0) {
        raft_world_run(world, world->now_ns + 50 * MS);
        if (world->committed_count > before && raft_world_is_at_rest(world)) return true;
        struct raft_node *leader = raft_world_leader(world);
        if (leader == NULL) continue;
        bury_ghosts(world, leader);
        if (world->committed_count == before && leader->up) raft_world_propose(world, leader, 1);
    }
    return false;
}

/* Who is what, as far as it fits. */
static void violate_rest(struct raft_world *world)
{
    static const char letters[] = "FPCL";
    char text[RAFT_VIOLATION_SIZE];
    size_t at = 0;

    for (uint32_t i = 0; i < world->config.nodes && at < sizeof text; i++) {
        const struct raft_node *node = &world->nodes[i];
        const struct raft_configuration *list = node->engine->configuration(node->raft);
        at += (size_t)snprintf(text + at, sizeof text - at, " %u:%c%u/%u/%u(", (unsigned)node->id,
                               letters[node->engine->role(node->raft)], (unsigned)node->engine->term(node->raft),
                               (unsigned)node->engine->last_index(node->raft), (unsigned)node->applied);
        for (uint32_t j = 0; j < list->count && at < sizeof text; j++) {
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%u:%x", j > 0 ? " " : "",
                                   (unsigned)list->members[j].id, list->members[j].flags);
        }
        if (at < sizeof text) at += (size_t)snprintf(text + at, sizeof text - at, ")");
    }
    raft_world_violate(world, "L: no rest:%.*s", (int)sizeof text, text);
}

/* Not of one that was alone then: back in those days it would need nobody, and ask nobody. */
static void back_up(struct raft_world *world, const struct raft_node *node)
{
    const bool idle = node->op_count == 0; /* its disk has the list that it goes by */

    if (node->up && idle && node->judged_voters.count[0] > 1) raft_disk_back_up(world, node);
}

/* Somebody who was heard in this term, and whose disk was copied in the midst of it all; NULL: nobody. The leader is
 * left alone: what it was told is what it is about. */
static struct raft_node *one_with_backup(struct raft_world *world, const struct raft_node *leader)
{
    struct raft_node *node = raft_world_node(world, world->backup.id);
    const bool listed = raft_configuration_find(leader->engine->configuration(leader->raft), world->backup.id) != NULL;

    return node == NULL || node == leader || !listed || leader->judged_voters.count[0] < 3 ? NULL : node;
}

/* All is at rest. A disk is replaced by an older copy of it: has its node broken a promise? Then it has to notice, and
 * goes for good; or else it gets on. */
static void rewind_one(struct raft_world *world)
{
    enum { NOTICE_MS = 2000 };
    struct raft_node *leader = raft_world_leader(world), *node = one_with_backup(world, leader);
    struct raft_peer_view held;

    if (node == NULL || !leader->engine->recalls || !leader->engine->peer(leader->raft, node->id, &held)) return;
    if (held.match_index != leader->engine->last_index(leader->raft)) return; /* an answer is still under way */
    const uint64_t term = leader->engine->term(leader->raft);
    const bool promised = leader->engine->term_at(leader->raft, held.match_index) == term;
    raft_world_crash(world, node);
    raft_disk_rewind(world, node);
    const bool broken = promised && !raft_disk_has(node, held.match_index, term);
    raft_world_restart(world, node);
    raft_world_run(world, world->now_ns + NOTICE_MS * MS);
    if (world->violation[0] != 0 || leader->engine->term(leader->raft) != term) return;
    if (leader->engine->has_forgotten(node->raft) != broken) {
        raft_world_violate(world, "O12 PROMISE: node %u %s what it acknowledged up to %u, and nobody %s",
                           (unsigned)node->id, broken ? "lacks" : "has", (unsigned)held.match_index,
                           broken ? "notices" : "believes it");
        return;
    }
    world->stats.forgot += broken;
    if (!broken) return;
    raft_world_crash(world, node);
    raft_world_wipe(world, node);
    raft_world_restart(world, node);
}

void raft_chaos_run(const struct raft_chaos_options *options, uint64_t seed, struct raft_chaos_result *result)
{
    const struct raft_world_config config = draw_config(options, seed);
    struct raft_world *world = raft_world_new(&config);
    const struct mood mood = draw_mood(world, options->fixed);
    const uint64_t chaos_ns = (options->time_ms != 0 ? options->time_ms : CHAOS_MS) * MS;
    uint64_t next_ns = mood.pause_ns;
    struct prng backups; /* its own: what else happens is not changed by them */

    prng_init(&backups, seed, 3);
    while (world->now_ns < chaos_ns && world->violation[0] == 0) {
        raft_world_run(world, world->now_ns + 1 + raft_world_draw(world, 15 * MS));
        work(world);
        if (prng_chance(&backups, 1, 100)) back_up(world, &world->nodes[prng_below(&backups, config.nodes)]);
        if (raft_world_chance(world, mood.changes)) change_members(world, &mood);
        const bool aim = mood.aim > 0 && (somebody_installs(world) || changes_members(raft_world_leader(world)));
        const bool aimed = aim && raft_world_chance(world, 100);
        if (world->now_ns < next_ns && !aimed) continue;
        next_ns = world->now_ns + raft_world_draw(world, 2 * mood.pause_ns);
        disturb(world, &mood);
    }
    if (!options->lies && world->violation[0] == 0 && come_to_rest(world)) rewind_one(world);
    if (!options->lies && world->violation[0] == 0 && !come_to_rest(world)) violate_rest(world);
    memcpy(result->violation, world->violation, sizeof result->violation);
    result->digest = world->digest;
    result->now_ns = world->now_ns;
    result->stats = world->stats;
    raft_world_free(world);
}
