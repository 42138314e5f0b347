/* raft_world.h -- nodes that run the Raft engine, with disks that forget, a network that loses, and a judge.
 *
 * Everything is drawn from one seed. A disk does its writes in order, each taking a while; a crash keeps a random
 * prefix of what was under way, down to single entries. Messages pass through their bytes. raft_judge.h looks at every
 * call: what a node promised must be durable, what is committed must be held by a quorum and stays, terms have one
 * leader, logs match, states are equal, reads are fresh. */
#ifndef CHRONIK_TESTS_RAFT_WORLD_H
#define CHRONIK_TESTS_RAFT_WORLD_H

#include "raft_host.h"

/* ------------------------------------------------------------------------------------- what happens */

static void happens_message(struct world *world, struct node *node, const struct happening *happening)
{
    static struct raft_entry entries[RAFT_APPEND_ENTRIES_MAX];
    struct raft_message message;

    if (!raft_message_read(happening->bytes, entries, &message)) {
        if (world->config.corrupt == 0) world_violate(world, "a message cannot be read");
        return;
    }
    node->heard_ns[world_node(world, happening->from) - world->nodes] = world->now_ns;
    message.from = happening->from;
    message.to = node->id;
    if (world->config.print != NULL) judge_say_message(world, node, &message);
    raft_on_message(node->raft, world->now_ns, &message, &world->out);
    world_drain(world, node, &(struct source){ &message, NULL });
}

static void finish_install(struct world *world, struct node *node, struct op *op)
{
    if (!picture_read(&op->picture)) {
        raft_on_snapshot_refused(node->raft, world->now_ns, &world->out);
        world_drain(world, node, &no_source);
        return;
    }
    disk_apply_picture(world, node, &op->picture);
    world->stats.installs++;
    node->applied = op->picture.index;
    node->chain = op->picture.chain;
    items_reset(&node->log, op->picture.index + 1);
    judge_installed(world, node, &op->picture);
    raft_on_snapshot_installed(node->raft, world->now_ns, picture_list(&op->picture), &world->out);
    world_drain(world, node, &no_source);
}

static void finish_take(struct world *world, struct node *node, const struct op *op)
{
    node->taking = false;
    if (op->picture.index <= node->disk_picture.index) return; /* an install went past it */
    const struct picture before = node->disk_picture;
    disk_apply_picture(world, node, &op->picture);
    world->stats.taken++;
    raft_on_snapshot_taken(node->raft, op->picture.index, op->picture.size);
    picture_keep(node, before);
    if (op->picture.index > trailing_of(world, node)) {
        raft_compact(node->raft, op->picture.index - trailing_of(world, node));
        items_drop_before(&node->log, raft_first_index(node->raft));
    }
    raft_check(node->raft);
    set_timer(world, node);
}

static void happens_disk(struct world *world, struct node *node)
{
    if (node->op_count == 0 || node->ops[node->op_first].done_ns > world->now_ns) return;
    struct op op = node->ops[node->op_first++];
    node->op_count--;
    switch (op.kind) {
    case OP_TAKE: finish_take(world, node, &op); return;
    case OP_INSTALL: finish_install(world, node, &op); return;
    case OP_WRITE: break;
    }
    disk_apply_write(world, node, &op, UINT64_MAX);
    /* The next one is done by now as well, or will be: its ticket speaks for both. */
    const bool more = node->op_count > 0 && node->ops[node->op_first].kind == OP_WRITE;
    if (more && world_chance(world, 300)) return;
    raft_on_stored(node->raft, world->now_ns, op.write.ticket, &world->out);
    world_drain(world, node, &no_source);
}

static void happens_timer(struct world *world, struct node *node)
{
    node->timer_ns = RAFT_NEVER;
    if (raft_deadline_ns(node->raft) <= world->now_ns) {
        raft_on_time(node->raft, world->now_ns, &world->out);
        world_drain(world, node, &no_source);
    } else {
        set_timer(world, node);
    }
}

/* Runs what happens until then, or until a violation. */
static void world_run(struct world *world, uint64_t until_ns)
{
    while (world->queue_count > 0 && world->queue[0].at_ns <= until_ns && world->violation[0] == 0) {
        const struct happening happening = queue_pop(world);
        struct node *node = &world->nodes[happening.slot];
        CHECK(world->now_ns <= happening.at_ns);
        world->now_ns = happening.at_ns;
        judge_alone(world, &world->nodes[world->stats.steps % world->config.nodes]);
        if (!node->up || (happening.life != 0 && happening.life != node->life)) continue;
        switch (happening.kind) {
        case HAPPENS_MESSAGE: happens_message(world, node, &happening); break;
        case HAPPENS_DISK: happens_disk(world, node); break;
        case HAPPENS_TIMER: happens_timer(world, node); break;
        }
    }
    world->now_ns = MAX(world->now_ns, until_ns);
}

/* ------------------------------------------------------------------------------------- life and death */

/* Small limits, so that every window, wrap and refusal is met. */
static struct raft_config world_raft_config(const struct world *world, uint64_t id, uint32_t life)
{
    if (world->config.roomy) {
        return (struct raft_config){
            .id = id,
            .seed = mix(world->config.seed, life),
            .election_timeout_ns = 500 * MS,
            .heartbeat_ns = 50 * MS,
            .members_max = 1024,
            .configuration_size_max = 65536,
            .entries_max = 1 << 18,
            .uncommitted_max = 1 << 16,
            .entry_size_max = 1 << 20,
            .append_size_max = 1 << 18,
            .inflight_size_max = 4 << 20,
            .chunk_size_max = 1 << 18,
            .chunks_inflight_max = 8,
            .reads_max = 256,
            .promote_lag_max = 1000,
        };
    }
    return (struct raft_config){
        .id = id,
        .seed = mix(world->config.seed, life),
        .election_timeout_ns = 150 * MS,
        .heartbeat_ns = 30 * MS,
        .members_max = 12,
        .configuration_size_max = 512,
        .entries_max = 256,
        .uncommitted_max = 48,
        .entry_size_max = 256,
        .append_size_max = 400,
        .inflight_size_max = 1500,
        .chunk_size_max = 90,
        .chunks_inflight_max = 3,
        .reads_max = 12,
        .promote_lag_max = 20,
    };
}

/* The first voters; whoever restarts before that was durable founds the same group again. */
static void found(struct world *world, struct node *node)
{
    struct raft_change founders[RAFT_VOTERS_MAX];

    if (node->id > world->config.voters) return;
    for (uint32_t i = 0; i < world->config.voters; i++) {
        founders[i] = (struct raft_change){ RAFT_ADD, i + 1, BYTES_LITERAL("somewhere:9093") };
    }
    CHECK(raft_found(node->raft, founders, world->config.voters) == RAFT_ACCEPTED);
}

static void node_begin(struct world *world, struct node *node)
{
    node->up = true;
    node->life++;
    node->timer_ns = RAFT_NEVER;
    node->taking = false;
    node->read_count = 0;
    memset(node->kept, 0, sizeof node->kept);
    node->op_count = 0;
    node->op_first = 0;
    node->disk_free_ns = world->now_ns;
    node->round_begin_ns = world->now_ns;
    node->judged_role = RAFT_FOLLOWER;
    const struct raft_config config = world_raft_config(world, node->id, node->life);
    raft_init(node->raft, &config);
}

/* Somebody deletes the snapshot, and the log begins behind it: that must be noticed. */
static void restore_without_snapshot(struct world *world, struct node *node)
{
    node_begin(world, node);
    raft_restore_hard_state(node->raft, node->disk_term, node->disk_vote);
    const struct item *item = &node->disk_log.list[0];
    const struct bytes bytes = { item->bytes, item->size };
    if (raft_restore_entry(node->raft, node->disk_log.first, item->kind, item->term, bytes) == RAFT_CORRUPT) return;
    world_violate(world, "RESTORE: node %u begins at entry %u without a snapshot", (unsigned)node->id,
                  (unsigned)node->disk_log.first);
}

static void world_restart(struct world *world, struct node *node)
{
    const struct picture *picture = &node->disk_picture;
    enum raft_verdict verdict = RAFT_ACCEPTED;

    CHECK(!node->up);
    if (node->disk_log.count > 0 && node->disk_log.first > 1) restore_without_snapshot(world, node);
    node_begin(world, node);
    if (picture->index > 0) {
        verdict =
            raft_restore_snapshot(node->raft, picture->index, picture->term, picture->size, picture_list(picture));
    }
    if (verdict == RAFT_ACCEPTED) verdict = raft_restore_hard_state(node->raft, node->disk_term, node->disk_vote);
    for (uint32_t i = 0; i < node->disk_log.count && verdict == RAFT_ACCEPTED; i++) {
        const struct item *item = &node->disk_log.list[i];
        verdict = raft_restore_entry(node->raft, node->disk_log.first + i, item->kind, item->term,
                                     (struct bytes){ item->bytes, item->size });
    }
    if (verdict != RAFT_ACCEPTED) {
        world_violate(world, "node %u cannot restore what it wrote: %d", (unsigned)node->id, (int)verdict);
        return;
    }
    node->applied = picture->index;
    node->chain = picture->chain;
    node->judged_commit = picture->index;
    node->judged_term = node->disk_term;
    items_reset(&node->log, picture->index + 1);
    for (uint64_t index = picture->index + 1; index <= raft_last_index(node->raft); index++) {
        items_push(&node->log, items_at(&node->disk_log, index));
    }
    if (node->disk_term == 0 && node->disk_log.count == 0 && picture->index == 0) found(world, node);
    raft_start(node->raft, world->now_ns, &world->out);
    world_drain(world, node, &no_source);
}

static void world_crash(struct world *world, struct node *node)
{
    CHECK(node->up);
    world->stats.crashes++;
    node->up = false;
    for (uint32_t i = 0; i < node->op_count; i++) {
        const struct op *op = &node->ops[node->op_first + i];
        const bool whole = world_chance(world, 600);
        if (op->kind == OP_WRITE) {
            disk_apply_write(world, node, op, whole ? UINT64_MAX : world_draw(world, op->write.entry_count + 3));
        } else if (whole) {
            struct picture picture = op->picture;
            if (op->kind == OP_TAKE || picture_read(&picture)) disk_apply_picture(world, node, &picture);
        }
        if (!whole) break;
    }
    node->op_count = 0;
    free(node->incoming);
    node->incoming = NULL;
}

static struct world *world_new(const struct world_config *config)
{
    struct world *world = calloc(1, sizeof *world);

    world->config = *config;
    const struct raft_config raft_config = world_raft_config(world, 1, 0);
    prng_init(&world->prng, config->seed, 0);
    world->committed = calloc(COMMITTED_MAX, sizeof *world->committed);
    world->leader_of = calloc(TERMS_MAX, sizeof *world->leader_of);
    world->votes = calloc(VOTES_MAX, sizeof *world->votes);
    world->matches = calloc(MATCHES_MAX, sizeof *world->matches);
    for (uint32_t i = 0; i < config->nodes; i++) {
        struct node *node = &world->nodes[i];
        node->id = i + 1;
        node->raft = aligned_alloc(64, raft_size(&raft_config));
        items_reset(&node->log, 1);
        items_reset(&node->disk_log, 1);
        node_begin(world, node);
        found(world, node);
        raft_start(node->raft, 0, &world->out);
        world_drain(world, node, &no_source);
    }
    return world;
}

static void world_free(struct world *world)
{
    for (uint32_t i = 0; i < world->config.nodes; i++) {
        free(world->nodes[i].raft);
        free(world->nodes[i].log.list);
        free(world->nodes[i].disk_log.list);
        free(world->nodes[i].ops);
        free(world->nodes[i].incoming);
    }
    while (world->arena != NULL) {
        struct block *block = world->arena;
        world->arena = block->next;
        free(block);
    }
    free(world->queue);
    free(world->committed);
    free(world->leader_of);
    free(world->votes);
    free(world->matches);
    free(world);
}

/* ------------------------------------------------------------------------------------- wishes */

static enum raft_verdict world_propose(struct world *world, struct node *node, uint32_t count)
{
    enum { COUNT_MAX = 16 };
    uint32_t sizes[COUNT_MAX];
    const uint8_t *values[COUNT_MAX];

    CHECK(count <= COUNT_MAX);
    for (uint32_t i = 0; i < count; i++) {
        sizes[i] = 8 + (uint32_t)world_draw(world, 60);
        uint8_t *bytes = arena_take(world, sizes[i]);
        memset(bytes, 0, sizes[i]);
        store_u64(bytes, ++world->next_value);
        values[i] = bytes;
    }
    const enum raft_verdict verdict = raft_propose(node->raft, world->now_ns, sizes, count, &world->out);
    world_drain(world, node, &(struct source){ NULL, values });
    return verdict;
}

static enum raft_verdict world_change(struct world *world, struct node *node, const struct raft_change *changes,
                                      uint32_t count)
{
    const enum raft_verdict verdict = raft_change(node->raft, world->now_ns, changes, count, &world->out);
    if (verdict == RAFT_ACCEPTED) {
        world->stats.changes++;
        world->stats.joint += raft_configuration_is_joint(raft_configuration(node->raft));
    }
    world_drain(world, node, &no_source);
    return verdict;
}

static enum raft_verdict world_transfer(struct world *world, struct node *node, uint64_t to)
{
    const enum raft_verdict verdict = raft_transfer(node->raft, world->now_ns, to, &world->out);
    world_drain(world, node, &no_source);
    return verdict;
}

static enum raft_verdict world_read(struct world *world, struct node *node)
{
    if (node->read_count == WORLD_READS_MAX) return RAFT_FULL;
    const uint64_t token = ++world->next_token;
    node->reads[node->read_count++] = (struct pending_read){ token, world->committed_count };
    const enum raft_verdict verdict = raft_read(node->raft, world->now_ns, token, &world->out);
    if (verdict != RAFT_ACCEPTED) node->read_count--;
    world_drain(world, node, &no_source);
    return verdict;
}

/* The leader of the newest term; NULL: none. */
static struct node *world_leader(struct world *world)
{
    struct node *leader = NULL;
    for (uint32_t i = 0; i < world->config.nodes; i++) {
        struct node *node = &world->nodes[i];
        if (!node->up || raft_role(node->raft) != RAFT_LEADER) continue;
        if (leader == NULL || raft_term(node->raft) > raft_term(leader->raft)) leader = node;
    }
    return leader;
}

/* A leader's committed, settled member list is up and has applied all that is committed. */
static bool world_is_at_rest(struct world *world)
{
    const struct node *leader = world_leader(world);

    if (leader == NULL || leader->applied < raft_last_index(leader->raft)) return false;
    const struct raft_configuration *list = raft_configuration(leader->raft);
    if (!raft_configuration_is_committed(leader->raft) || raft_configuration_is_joint(list)) return false;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct node *node = world_node(world, list->members[i].id);
        if (node == NULL || !node->up || node->applied != leader->applied) return false;
        if (raft_leader(node->raft) != leader->id) return false;
    }
    return true;
}

#endif
