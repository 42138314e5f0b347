/* raft_world.c -- what happens in a simulated Raft group: messages, disks, timers; life and death; wishes. */
#include "base/check.h"
#include "sim/raft_judge.h"

#include <stdlib.h>

/* ------------------------------------------------------------------------------------- what happens */

static void happens_message(struct raft_world *world, struct raft_node *node, const struct raft_happening *happening)
{
    static struct raft_entry entries[RAFT_APPEND_ENTRIES_MAX];
    struct raft_message message;

    if (!raft_message_read(happening->bytes, entries, &message)) {
        if (world->config.corrupt == 0) raft_world_violate(world, "O5 MATCH: a message cannot be read");
        return;
    }
    const struct raft_node *from = raft_world_node(world, happening->from);
    if (from != NULL) node->heard_ns[from - world->nodes] = world->now_ns;
    message.from = happening->from;
    message.to = node->id;
    if (world->config.print != NULL) raft_say_message(world, node, &message);
    node->engine->on_message(node->raft, world->now_ns, &message, &world->out);
    raft_world_drain(world, node, &(struct raft_source){ &message, NULL });
}

static void finish_install(struct raft_world *world, struct raft_node *node, struct raft_op *op)
{
    if (!raft_picture_read(&op->picture)) {
        node->engine->on_snapshot_refused(node->raft, world->now_ns, &world->out);
        raft_world_drain(world, node, &raft_no_source);
        return;
    }
    raft_disk_apply_picture(world, node, &op->picture);
    world->stats.installs++;
    node->applied = op->picture.index;
    node->chain = op->picture.chain;
    raft_items_reset(&node->log, op->picture.index + 1);
    raft_judge_installed(world, node, &op->picture);
    node->engine->on_snapshot_installed(node->raft, world->now_ns, raft_picture_list(&op->picture), &world->out);
    raft_world_drain(world, node, &raft_no_source);
}

static void finish_take(struct raft_world *world, struct raft_node *node, const struct raft_op *op)
{
    node->taking = false;
    if (op->picture.index <= node->disk_picture.index) return; /* an install went past it */
    const struct raft_picture before = node->disk_picture;
    raft_disk_apply_picture(world, node, &op->picture);
    world->stats.taken++;
    node->engine->on_snapshot_taken(node->raft, op->picture.index, op->picture.size);
    raft_picture_keep(node, before);
    if (op->picture.index > raft_disk_trailing(world, node)) {
        node->engine->compact(node->raft, op->picture.index - raft_disk_trailing(world, node));
        raft_items_drop_before(&node->log, node->engine->first_index(node->raft));
    }
    node->engine->check(node->raft);
    raft_world_set_timer(world, node);
}

static void happens_disk(struct raft_world *world, struct raft_node *node)
{
    if (node->op_count == 0 || node->ops[node->op_first].done_ns > world->now_ns) return;
    struct raft_op op = node->ops[node->op_first++];
    node->op_count--;
    switch (op.kind) {
    case RAFT_OP_TAKE: finish_take(world, node, &op); return;
    case RAFT_OP_INSTALL: finish_install(world, node, &op); return;
    case RAFT_OP_WRITE: break;
    }
    raft_disk_apply_write(world, node, &op, UINT64_MAX);
    /* The next one is done by now as well, or will be: its ticket speaks for both. */
    const bool more = node->op_count > 0 && node->ops[node->op_first].kind == RAFT_OP_WRITE;
    if (more && raft_world_chance(world, 300)) return;
    node->engine->on_stored(node->raft, world->now_ns, op.write.ticket, &world->out);
    raft_world_drain(world, node, &raft_no_source);
}

static void happens_timer(struct raft_world *world, struct raft_node *node)
{
    node->timer_ns = RAFT_NEVER;
    if (node->engine->deadline_ns(node->raft) <= world->now_ns) {
        node->engine->on_time(node->raft, world->now_ns, &world->out);
        raft_world_drain(world, node, &raft_no_source);
    } else {
        raft_world_set_timer(world, node);
    }
}

void raft_world_run(struct raft_world *world, uint64_t until_ns)
{
    while (world->queue_count > 0 && world->queue[0].at_ns <= until_ns && world->violation[0] == 0) {
        const struct raft_happening happening = raft_world_pop(world);
        struct raft_node *node = &world->nodes[happening.slot];
        CHECK(world->now_ns <= happening.at_ns);
        world->now_ns = happening.at_ns;
        raft_judge_alone(world, &world->nodes[world->stats.steps % world->config.nodes]);
        if (!node->up || (happening.life != 0 && happening.life != node->life)) continue;
        if (happening.to != 0 && happening.to != node->id) continue;
        switch (happening.kind) {
        case RAFT_HAPPENS_MESSAGE: happens_message(world, node, &happening); break;
        case RAFT_HAPPENS_DISK: happens_disk(world, node); break;
        case RAFT_HAPPENS_TIMER: happens_timer(world, node); break;
        }
    }
    world->now_ns = MAX(world->now_ns, until_ns);
}

/* ------------------------------------------------------------------------------------- life and death */

/* Small limits, so that every window, wrap and refusal is met. */
static struct raft_config config_of(const struct raft_world *world, uint64_t id, uint32_t life)
{
    if (world->config.roomy) {
        return (struct raft_config){
            .id = id,
            .seed = raft_world_mix(world->config.seed, life),
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
    const bool patient = world->config.patience_ns != 0 && id != 1;
    return (struct raft_config){
        .id = id,
        .seed = raft_world_mix(world->config.seed, life),
        .election_timeout_ns = patient ? world->config.patience_ns : 150 * MS,
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
        .promote_lag_max = 60,
    };
}

/* The first voters; whoever restarts before that was durable founds the same group again. */
static void found(struct raft_world *world, struct raft_node *node)
{
    struct raft_change founders[RAFT_VOTERS_MAX];

    if (node->id > world->config.voters) return;
    for (uint32_t i = 0; i < world->config.voters; i++) {
        founders[i] = (struct raft_change){ RAFT_ADD, i + 1, BYTES_LITERAL("somewhere:9093") };
    }
    CHECK(node->engine->found(node->raft, founders, world->config.voters) == RAFT_ACCEPTED);
}

static void node_begin(struct raft_world *world, struct raft_node *node)
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
    node->led_term = 0;
    node->led_index = 0;
    const struct raft_config config = config_of(world, node->id, node->life);
    node->engine->init(node->raft, &config);
    if (node->engine->set_guards != NULL) node->engine->set_guards(node->raft, world->config.guards);
}

/* Somebody deletes the snapshot, and the log begins behind it: that must be noticed. */
static void restore_without_snapshot(struct raft_world *world, struct raft_node *node)
{
    node_begin(world, node);
    node->engine->restore_hard_state(node->raft, node->disk_term, node->disk_vote);
    const struct raft_item *item = &node->disk_log.list[0];
    const struct bytes bytes = { item->bytes, item->size };
    if (node->engine->restore_entry(node->raft, node->disk_log.first, item->kind, item->term, bytes) == RAFT_CORRUPT)
        return;
    raft_world_violate(world, "O13 RESTORE: node %u begins at entry %u without a snapshot", (unsigned)node->id,
                       (unsigned)node->disk_log.first);
}

static enum raft_verdict replay_log(struct raft_node *node)
{
    const struct raft_items *log = &node->disk_log;
    enum raft_verdict verdict = RAFT_ACCEPTED;
    uint32_t cut = 0;

    for (uint32_t i = 0; i <= log->count && verdict == RAFT_ACCEPTED; i++) {
        const uint64_t index = log->first + i;
        for (; cut < node->disk_cut_count && node->disk_cuts[cut] <= index && verdict == RAFT_ACCEPTED; cut++) {
            verdict = node->engine->restore_truncate(node->raft, node->disk_cuts[cut]);
        }
        if (i == log->count || verdict != RAFT_ACCEPTED) break;
        const struct raft_item *item = &log->list[i];
        const struct bytes bytes = { item->bytes, item->size };
        verdict = node->engine->restore_entry(node->raft, index, item->kind, item->term, bytes);
    }
    return verdict;
}

void raft_world_restart(struct raft_world *world, struct raft_node *node)
{
    const struct raft_picture *picture = &node->disk_picture;
    enum raft_verdict verdict = RAFT_ACCEPTED;

    CHECK(!node->up);
    if (node->disk_log.count > 0 && node->disk_log.first > 1) restore_without_snapshot(world, node);
    node_begin(world, node);
    if (picture->index > 0) {
        verdict = node->engine->restore_snapshot(node->raft, picture->index, picture->term, picture->size,
                                                 raft_picture_list(picture));
    }
    if (verdict == RAFT_ACCEPTED)
        verdict = node->engine->restore_hard_state(node->raft, node->disk_term, node->disk_vote);
    if (verdict == RAFT_ACCEPTED) verdict = replay_log(node);
    if (verdict != RAFT_ACCEPTED) {
        raft_world_violate(world, "O13 RESTORE: node %u cannot restore what it wrote: %d", (unsigned)node->id,
                           (int)verdict);
        return;
    }
    node->applied = picture->index;
    node->chain = picture->chain;
    node->judged_commit = picture->index;
    node->judged_term = node->disk_term;
    raft_items_reset(&node->log, picture->index + 1);
    for (uint64_t index = picture->index + 1; index <= node->engine->last_index(node->raft); index++) {
        raft_items_push(&node->log, raft_items_at(&node->disk_log, index));
    }
    if (node->disk_term == 0 && node->disk_log.count == 0 && picture->index == 0) found(world, node);
    node->engine->start(node->raft, world->now_ns, &world->out);
    raft_world_drain(world, node, &raft_no_source);
}

void raft_world_crash(struct raft_world *world, struct raft_node *node)
{
    CHECK(node->up);
    world->stats.crashes++;
    node->up = false;
    for (uint32_t i = 0; i < node->op_count; i++) {
        const struct raft_op *op = &node->ops[node->op_first + i];
        const bool whole = raft_world_chance(world, 600);
        if (op->kind == RAFT_OP_WRITE) {
            raft_disk_apply_write(world, node, op,
                                  whole ? UINT64_MAX : raft_world_draw(world, op->write.entry_count + 3));
        } else if (whole) {
            struct raft_picture picture = op->picture;
            if (op->kind == RAFT_OP_TAKE || raft_picture_read(&picture)) raft_disk_apply_picture(world, node, &picture);
        }
        if (!whole) break;
    }
    node->op_count = 0;
    free(node->incoming);
    node->incoming = NULL;
}

void raft_world_wipe(struct raft_world *world, struct raft_node *node)
{
    CHECK(!node->up);
    world->stats.wipes++;
    node->rewound = false;
    node->id += RAFT_NODES_MAX;
    node->disk_term = 0;
    node->disk_vote = 0;
    node->disk_picture = (struct raft_picture){ .index = 0 };
    raft_items_reset(&node->disk_log, 1);
    node->disk_cut_count = 0;
    memset(node->heard_ns, 0, sizeof node->heard_ns);
}

struct raft_world *raft_world_new(const struct raft_world_config *config)
{
    struct raft_world *world = calloc(1, sizeof *world);

    world->config = *config;
    const struct raft_config raft_config = config_of(world, 1, 0);
    prng_init(&world->prng, config->seed, 0);
    world->committed = calloc(RAFT_COMMITTED_MAX, sizeof *world->committed);
    world->leader_of = calloc(RAFT_TERMS_MAX, sizeof *world->leader_of);
    world->votes = calloc(RAFT_VOTES_MAX, sizeof *world->votes);
    world->matches = calloc(RAFT_MATCHES_MAX, sizeof *world->matches);
    for (uint32_t i = 0; i < config->nodes; i++) {
        struct raft_node *node = &world->nodes[i];
        node->id = i + 1;
        node->engine = config->engine;
        node->raft = aligned_alloc(64, node->engine->size(&raft_config));
        raft_items_reset(&node->log, 1);
        raft_items_reset(&node->disk_log, 1);
        node_begin(world, node);
        found(world, node);
        node->engine->start(node->raft, 0, &world->out);
        raft_world_drain(world, node, &raft_no_source);
    }
    return world;
}

void raft_world_free(struct raft_world *world)
{
    for (uint32_t i = 0; i < world->config.nodes; i++) {
        free(world->nodes[i].raft);
        free(world->nodes[i].log.list);
        free(world->nodes[i].disk_log.list);
        free(world->nodes[i].ops);
        free(world->nodes[i].incoming);
    }
    raft_world_give_back(world);
    free(world->backup.log.list);
    free(world->queue);
    free(world->committed);
    free(world->leader_of);
    free(world->votes);
    free(world->matches);
    free(world);
}

/* ------------------------------------------------------------------------------------- wishes */

enum raft_verdict raft_world_propose(struct raft_world *world, struct raft_node *node, uint32_t count)
{
    static uint32_t sizes[RAFT_PROPOSE_MAX];
    static const uint8_t *values[RAFT_PROPOSE_MAX];

    CHECK(count <= RAFT_PROPOSE_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t value = world->next_value + 1 + i;
        sizes[i] = 8 + (uint32_t)(raft_world_mix(world->config.seed, value) % 60);
        uint8_t *bytes = raft_world_take(world, sizes[i]);
        memset(bytes, 0, sizes[i]);
        store_u64(bytes, value);
        values[i] = bytes;
    }
    const enum raft_verdict verdict = node->engine->propose(node->raft, world->now_ns, sizes, count, &world->out);
    if (verdict == RAFT_ACCEPTED) world->next_value += count;
    raft_world_drain(world, node, &(struct raft_source){ NULL, values });
    return verdict;
}

enum raft_verdict raft_world_change(struct raft_world *world, struct raft_node *node, const struct raft_change *changes,
                                    uint32_t count)
{
    const enum raft_verdict verdict = node->engine->change(node->raft, world->now_ns, changes, count, &world->out);
    if (verdict == RAFT_ACCEPTED) {
        world->stats.changes++;
        world->stats.joint += raft_configuration_is_joint(node->engine->configuration(node->raft));
    }
    raft_world_drain(world, node, &raft_no_source);
    return verdict;
}

enum raft_verdict raft_world_transfer(struct raft_world *world, struct raft_node *node, uint64_t to)
{
    const enum raft_verdict verdict = node->engine->transfer(node->raft, world->now_ns, to, &world->out);
    raft_world_drain(world, node, &raft_no_source);
    return verdict;
}

enum raft_verdict raft_world_read(struct raft_world *world, struct raft_node *node)
{
    if (node->read_count == RAFT_WORLD_READS_MAX) return RAFT_FULL;
    const uint64_t token = ++world->next_token;
    node->reads[node->read_count++] = (struct raft_pending_read){ token, world->committed_count };
    const enum raft_verdict verdict = node->engine->read(node->raft, world->now_ns, token, &world->out);
    if (verdict != RAFT_ACCEPTED) node->read_count--;
    raft_world_drain(world, node, &raft_no_source);
    return verdict;
}

struct raft_node *raft_world_leader(struct raft_world *world)
{
    struct raft_node *leader = NULL;
    for (uint32_t i = 0; i < world->config.nodes; i++) {
        struct raft_node *node = &world->nodes[i];
        if (!node->up || node->engine->role(node->raft) != RAFT_LEADER) continue;
        if (leader == NULL || node->engine->term(node->raft) > node->engine->term(leader->raft)) leader = node;
    }
    return leader;
}

bool raft_world_is_at_rest(struct raft_world *world)
{
    const struct raft_node *leader = raft_world_leader(world);

    if (leader == NULL || leader->applied < leader->engine->last_index(leader->raft)) return false;
    const struct raft_configuration *list = leader->engine->configuration(leader->raft);
    if (!leader->engine->configuration_is_committed(leader->raft) || raft_configuration_is_joint(list)) return false;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct raft_node *node = raft_world_node(world, list->members[i].id);
        if (node == NULL || !node->up || node->applied != leader->applied) return false;
        if (node->engine->leader(node->raft) != leader->id) return false;
    }
    return true;
}
