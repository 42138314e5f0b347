/* cluster_lab.h -- a few metadata logs, each on a disk that loses what was not synced, over a network that loses what
 * it likes; and a judge.
 *
 * Everything is drawn from one seed. The judge knows what may never be: two leaders in one term, two states at one
 * index, an index that was applied once and is gone, a node that takes its own data for foreign or corrupt. */
#ifndef CHRONIK_TESTS_CLUSTER_LAB_H
#define CHRONIK_TESTS_CLUSTER_LAB_H

#define DISK_FILES 96

#include "controller/membership.h"
#include "controller/metadata_log_state.h"
#include "disk_model.h"
#include "image_history.h"
#include "meta/snapshot.h"
#include "raft/state.h"
#include "t.h"

#include <stdarg.h>

enum {
    LAB_NODES_MAX = 9,
    LAB_INDEXES = 1 << 14,
    LAB_TERMS = 1 << 12,
    LAB_MESSAGES_MAX = 1 << 14,
    LAB_READS = 1 << 12, /* more than are ever open */
    LAB_VIOLATION_SIZE = 300,
    LAB_PORT = 9093,
};
#define LAB_MS ((uint64_t)1000000)
#define LAB_NEVER UINT64_MAX

struct lab_config {
    uint64_t seed;
    uint32_t nodes;
    uint32_t loss, duplicate;   /* per mille */
    uint64_t delay_ns, disk_ns; /* usual; drawn from once to twice this */
    uint32_t late;              /* per mille of messages that take up to 100 times as long */
    uint32_t corrupt;           /* per mille of messages with bytes changed */
    uint32_t snapshot_entries;
    uint32_t journal_file_size;
    uint32_t members_max;   /* 0: as many as usual */
    uint32_t voters_target; /* nodes join by themselves, and leaders deal out votes; 0: only tests change members */
    bool prints;
};

struct lab_message {
    uint64_t at_ns, sequence;
    uint32_t to; /* place of the node */
    uint64_t from_member;
    uint8_t *data;
    uint32_t size;
};

struct lab_node {
    int32_t id;
    bool up;
    uint32_t life;
    bool founds;
    bool old_disk;   /* it was replaced by an older copy of it */
    uint32_t forgot; /* how often it stopped for that */
    uint64_t wish;   /* to be started with another directory */
    struct disk *disk;
    uint64_t disk_due_ns;
    struct image *image;
    struct metadata_log *log;
    struct membership membership;
    uint64_t ask_ns, led_ns; /* to join: when it asks next; when it heard of a leader last */
    bool leaves;             /* an operator wants it out, until it is */
    uint64_t member;         /* whose directory it has, as far as that was durable; 0: nobody's */
    char address[32];
    /* its place in the network */
    uint32_t group;
    bool deaf, mute;
    /* what it owes the judge */
    uint64_t judged_index;
    uint64_t converged; /* snapshots that its image was led to */
};

struct lab_stats {
    uint64_t steps, messages, crashes, wipes, proposed, applied, installs, taken, leaders, changes, halts, reads;
    uint64_t joins, removals;
};

struct lab {
    struct lab_config config;
    struct prng prng;
    uint64_t now_ns, sequence;
    struct lab_node nodes[LAB_NODES_MAX];
    struct lab_message *queue; /* a heap */
    uint32_t queue_count;
    struct effects *effects;
    /* the judge */
    uint64_t digests[LAB_INDEXES]; /* of the image at an index; 0: never applied */
    uint64_t applied_max;
    uint64_t leader_of[LAB_TERMS];
    uint64_t wiped_ns; /* when a disk was, last */
    uint64_t next_token;
    uint64_t read_floor[LAB_READS]; /* by token: what was applied somewhere when the read was asked */
    char violation[LAB_VIOLATION_SIZE];
    struct lab_stats stats;
};

static struct lab_stats lab_total;

static void lab_violate(struct lab *lab, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void lab_violate(struct lab *lab, const char *format, ...)
{
    va_list arguments;
    if (lab->violation[0] != 0) return;
    va_start(arguments, format);
    vsnprintf(lab->violation, LAB_VIOLATION_SIZE, format, arguments);
    va_end(arguments);
}

static uint64_t lab_draw(struct lab *lab, uint64_t below)
{
    return prng_below(&lab->prng, below);
}

static bool lab_chance(struct lab *lab, uint32_t per_mille)
{
    return prng_chance(&lab->prng, per_mille, 1000);
}

/* ---- the network ---- */

static bool lab_earlier(const struct lab_message *a, const struct lab_message *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->sequence < b->sequence;
}

static void lab_push(struct lab *lab, struct lab_message message)
{
    if (lab->queue_count == LAB_MESSAGES_MAX) {
        free(message.data);
        return;
    }
    message.sequence = ++lab->sequence;
    uint32_t at = lab->queue_count++;
    for (; at > 0 && lab_earlier(&message, &lab->queue[(at - 1) / 2]); at = (at - 1) / 2) {
        lab->queue[at] = lab->queue[(at - 1) / 2];
    }
    lab->queue[at] = message;
}

static struct lab_message lab_pop(struct lab *lab)
{
    const struct lab_message top = lab->queue[0], last = lab->queue[--lab->queue_count];
    uint32_t at = 0;

    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= lab->queue_count) break;
        if (child + 1 < lab->queue_count && lab_earlier(&lab->queue[child + 1], &lab->queue[child])) child++;
        if (!lab_earlier(&lab->queue[child], &last)) break;
        lab->queue[at] = lab->queue[child];
        at = child;
    }
    lab->queue[at] = last;
    return top;
}

static struct lab_node *lab_find(struct lab *lab, int32_t id)
{
    for (uint32_t i = 0; i < lab->config.nodes; i++) {
        if (lab->nodes[i].id == id) return &lab->nodes[i];
    }
    return NULL;
}

static void lab_send(struct lab *lab, struct lab_node *from, const struct metadata_frame *frame)
{
    struct lab_node *to = lab_find(lab, member_node(frame->to));
    const struct lab_config *config = &lab->config;
    uint32_t size = 0;

    lab->stats.messages++;
    for (uint32_t i = 0; i < frame->part_count; i++) size += frame->parts[i].size;
    const struct metadata_log_config limits = from->log->config;
    if (size > metadata_log_frame_size_max(&limits)) lab_violate(lab, "a frame of %u bytes", size);
    if (to == NULL || from->group != to->group || from->mute || to->deaf || lab_chance(lab, config->loss)) return;
    const uint32_t copies = lab_chance(lab, config->duplicate) ? 2 : 1;
    for (uint32_t copy = 0; copy < copies; copy++) {
        uint8_t *data = malloc(size), *at = data;
        for (uint32_t i = 0; i < frame->part_count; i++) {
            memcpy(at, frame->parts[i].data, frame->parts[i].size);
            at += frame->parts[i].size;
        }
        if (lab_chance(lab, config->corrupt)) data[lab_draw(lab, size)] ^= (uint8_t)(1u << lab_draw(lab, 8));
        const uint64_t factor = lab_chance(lab, config->late) ? 1 + lab_draw(lab, 100) : 1;
        lab_push(lab, (struct lab_message){ .at_ns = lab->now_ns +
                                                     factor * (config->delay_ns + lab_draw(lab, config->delay_ns + 1)),
                                            .to = (uint32_t)(to - lab->nodes),
                                            .from_member = metadata_log_member(from->log),
                                            .data = data,
                                            .size = size });
    }
}

/* ---- the judge ---- */

static void lab_judge(struct lab *lab, struct lab_node *node)
{
    const struct metadata_log_view view = metadata_log_view(node->log);
    const uint64_t index = image_view(node->image).applied_index;

    if (metadata_log_state(node->log) != METADATA_LOG_OPEN) return;
    if (raft_role(node->log->raft) == RAFT_LEADER) {
        uint64_t *leader = &lab->leader_of[view.term % LAB_TERMS];
        const uint64_t member = metadata_log_member(node->log);
        const bool two = *leader != 0 && *leader != member && lab->config.corrupt == 0;
        if (two) lab_violate(lab, "two leaders in term %d", (int)view.term);
        if (*leader == 0) lab->stats.leaders++;
        *leader = member;
    }
    if (index == node->judged_index || image_is_draining(node->image)) return;
    if (node->log->applying.active || node->log->install.state == INSTALL_CONVERGING) return;
    if (index < node->judged_index) lab_violate(lab, "node %d steps back to %d", node->id, (int)index);
    node->judged_index = index;
    lab->applied_max = MAX(lab->applied_max, index);
    if (index >= LAB_INDEXES || lab->config.corrupt > 0) return;
    const uint64_t digest = image_digest(node->image);
    if (lab->digests[index] != 0 && lab->digests[index] != digest) {
        lab_violate(lab, "node %d has another state at index %d", node->id, (int)index);
    }
    lab->digests[index] = digest;
}

static void lab_judge_halt(struct lab *lab, struct lab_node *node)
{
    const struct effect_halt halt = metadata_log_halt(node->log);

    lab->stats.halts++;
    if (lab->config.corrupt > 0 || halt.reason == HALT_DISK_FULL || halt.reason == HALT_REMOVED) return;
    if (halt.reason == HALT_FORGOT && node->old_disk) {
        node->forgot++;
        return;
    }
    lab_violate(lab, "node %d halts for reason %d at %s", node->id, (int)halt.reason, halt.path);
}

/* ---- a node ---- */

static struct bytes lab_address(const struct lab_node *node)
{
    return (struct bytes){ (const uint8_t *)node->address, (uint32_t)strlen(node->address) };
}

static struct metadata_log_config lab_log_config(const struct lab *lab, const struct lab_node *node)
{
    return (struct metadata_log_config){ .node_id = node->id,
                                         .seed = lab->config.seed * 1000 + (uint64_t)node->id * 100 + node->life,
                                         .journal_id = lab->config.seed * 77 + (uint64_t)node->id * 31 + node->life,
                                         .address = lab_address(node),
                                         .founds = node->founds,
                                         .image = { .node_id = node->id,
                                                    .topics_max = 4 * HISTORY_TOPICS,
                                                    .partitions_max = 8 * HISTORY_PARTITIONS,
                                                    .brokers_max = HISTORY_BROKERS,
                                                    .settings_max = 8 * HISTORY_SETTINGS,
                                                    .hash_seed = lab->config.seed + node->life },
                                         .journal_file_size = lab->config.journal_file_size,
                                         .snapshot_entries = lab->config.snapshot_entries,
                                         .members_max = lab->config.members_max > 0 ? lab->config.members_max : 16 };
}

static void lab_step(struct lab *lab, struct lab_node *node, const struct event *event,
                     const struct lab_message *message);

static void lab_boot(struct lab *lab, struct lab_node *node)
{
    node->life++;
    const struct metadata_log_config config = lab_log_config(lab, node);
    const size_t log_size = (metadata_log_size(&config) + 63) / 64 * 64;
    const size_t image_bytes = (image_size(&config.image) + 63) / 64 * 64;

    CHECK(log_size > 0);
    node->image = aligned_alloc(64, image_bytes);
    memset(node->image, 0, image_bytes);
    image_init(node->image, &config.image);
    node->log = aligned_alloc(64, log_size);
    memset(node->log, 0, log_size);
    metadata_log_init(node->log, &config, node->image);
    node->up = true;
    node->judged_index = 0;
    node->disk_due_ns = LAB_NEVER;
    membership_init(&node->membership, NULL, MAX(lab->config.voters_target, 1U));
    node->ask_ns = lab->now_ns;
    node->led_ns = lab->now_ns;
    lab->effects->count = 0;
    metadata_log_on_time(node->log, lab->now_ns);
    metadata_log_open(node->log, lab->effects);
    disk_take_orders(node->disk, lab->effects);
    node->disk_due_ns = lab->now_ns;
}

static void lab_down(struct lab_node *node)
{
    free(node->log);
    free(node->image);
    node->log = NULL;
    node->image = NULL;
    node->up = false;
}

static void lab_crash(struct lab *lab, struct lab_node *node, bool power)
{
    lab->stats.crashes++;
    disk_crash(node->disk, power);
    lab_down(node);
}

static void lab_wipe(struct lab *lab, struct lab_node *node)
{
    CHECK(!node->up);
    lab->stats.wipes++;
    disk_free(node->disk);
    prng_init(&node->disk->prng, lab->config.seed + node->life, (uint64_t)node->id);
    node->founds = false;
    node->member = 0;
    lab->wiped_ns = lab->now_ns;
}

static void lab_read_answers(struct lab *lab, struct lab_node *node)
{
    struct metadata_read read;

    while (metadata_log_next_read(node->log, &read)) {
        if (read.failed || lab->config.corrupt > 0) continue;
        lab->stats.reads++;
        const uint64_t floor = lab->read_floor[read.token % LAB_READS];
        if (read.index < floor) {
            lab_violate(lab, "node %d may read at %d, and %d was applied", node->id, (int)read.index, (int)floor);
        }
    }
}

static void lab_say_notes(struct lab *lab, const struct lab_node *node)
{
    static const char *const formats[] = {
#define X(name, level, format) #name " " format,
        NOTES(X)
#undef X
    };
    if (!lab->config.prints) return;
    for (uint32_t i = 0; i < lab->effects->count; i++) {
        const struct effect *effect = &lab->effects->list[i];
        if (effect->type != EFFECT_NOTE) continue;
        fprintf(stderr, "[%6d] %d %s (%d %d %d)\n", (int)(lab->now_ns / LAB_MS), node->id, formats[effect->note.id],
                (int)effect->note.numbers[0], (int)effect->note.numbers[1], (int)effect->note.numbers[2]);
    }
}

/* ---- members ---- */

/* The leader's part, as controller.c and operations.c have it. */
static void lab_deal(struct lab *lab, struct lab_node *node)
{
    struct membership *membership = &node->membership;

    if (lab->config.voters_target == 0 || metadata_log_state(node->log) != METADATA_LOG_OPEN) return;
    membership_follow(membership, node->log, metadata_log_generation(node->log), lab->now_ns);
    bool alone = true;
    for (uint32_t i = 0; i < lab->config.nodes; i++) alone = alone && !lab->nodes[i].leaves;
    if (!membership_work(membership, node->log, alone, lab->now_ns)) return;
    for (uint32_t i = 0; i < lab->config.nodes; i++) {
        if (!lab->nodes[i].leaves) continue;
        switch (membership_remove(membership, node->log, lab->nodes[i].id, lab->now_ns)) {
        case REMOVAL_DONE:
            lab->stats.removals++;
            lab->nodes[i].leaves = false;
            break;
        case REMOVAL_LAST: lab->nodes[i].leaves = false; break;
        case REMOVAL_BEGUN:
        case REMOVAL_UNSAFE:
        case REMOVAL_UNDERWAY:
        case REMOVAL_LATER: break;
        }
        return;
    }
}

static bool lab_wants_in(const struct lab *lab, const struct lab_node *node)
{
    if (lab->config.voters_target == 0 || !node->up || !metadata_log_identity_is_durable(node->log)) return false;
    switch (metadata_log_standing(node->log)) {
    case STANDING_WAITS: return !node->founds;
    case STANDING_MEMBER: return lab->now_ns - node->led_ns > 3000 * LAB_MS;
    case STANDING_REMOVED:
    case STANDING_FORGOT: break;
    }
    return false;
}

/* Asks anybody who can be reached; only a leader has something to say. */
static void lab_ask(struct lab *lab, struct lab_node *node)
{
    struct lab_node *asked = &lab->nodes[lab_draw(lab, lab->config.nodes)];
    const struct join join = { metadata_log_standing(node->log) == STANDING_MEMBER, lab_address(node) };

    node->ask_ns = lab->now_ns + 50 * LAB_MS;
    if (asked == node || !asked->up || asked->group != node->group || node->mute || asked->deaf) return;
    if (lab_chance(lab, lab->config.loss) || metadata_log_state(asked->log) != METADATA_LOG_OPEN) return;
    if (asked->membership.led_term == 0 || metadata_log_generation(asked->log) != asked->membership.led_term) return;
    switch (membership_on_join(&asked->membership, asked->log, metadata_log_member(node->log), &join, lab->now_ns)) {
    case JOIN_TAKEN: lab->stats.joins++; break;
    case JOIN_REMOVED:
        if (!node->deaf && !asked->mute) metadata_log_on_removed(node->log);
        break;
    case JOIN_ASK:
    case JOIN_LATER:
    case JOIN_DUPLICATE:
    case JOIN_FULL:
    case JOIN_VERDICT_END: break;
    }
    lab_step(lab, asked, NULL, NULL);
}

/* One step of a node that has nothing but its metadata log. */
static void lab_step(struct lab *lab, struct lab_node *node, const struct event *event,
                     const struct lab_message *message)
{
    struct image_change change;
    struct applied_entry entry;
    struct metadata_frame frame;
    enum applied applied;

    lab->stats.steps++;
    lab->effects->count = 0;
    metadata_log_on_time(node->log, lab->now_ns);
    if (event != NULL) metadata_log_on_disk(node->log, event, lab->effects);
    if (message != NULL) {
        const bool whole =
            metadata_log_on_frame(node->log, message->from_member, (struct bytes){ message->data, message->size });
        if (!whole && lab->config.corrupt == 0) lab_violate(lab, "a frame cannot be read");
    }
    while ((applied = metadata_log_apply(node->log, &change, &entry)) != APPLIED_NOTHING) {
        if (applied == APPLIED_CHANGE) continue;
        lab->stats.applied++;
        lab->stats.installs += applied == APPLIED_SNAPSHOT;
        lab_judge(lab, node);
    }
    if (metadata_log_state(node->log) != METADATA_LOG_BROKEN) {
        lab_deal(lab, node);
        metadata_log_commit(node->log, lab->effects);
        if (metadata_log_leader(node->log) != 0) node->led_ns = lab->now_ns;
        if (metadata_log_identity_is_durable(node->log)) node->member = metadata_log_member(node->log);
    }
    lab_say_notes(lab, node);
    if (metadata_log_state(node->log) == METADATA_LOG_BROKEN) {
        const bool removed = metadata_log_halt(node->log).reason == HALT_REMOVED;
        lab_judge_halt(lab, node);
        lab_crash(lab, node, false);
        if (removed) lab_wipe(lab, node); /* so it may come again */
        return;
    }
    disk_take_orders(node->disk, lab->effects);
    while (metadata_log_next_frame(node->log, &frame)) lab_send(lab, node, &frame);
    lab_read_answers(lab, node);
    lab_judge(lab, node);
    if (metadata_log_standing(node->log) == STANDING_REMOVED && !journal_is_busy(node->log->journal)) {
        lab_crash(lab, node, false); /* it stops, and may come again with another directory */
        lab_wipe(lab, node);
        return;
    }
    if (node->disk->order_count == 0) node->disk_due_ns = LAB_NEVER;
    else if (node->disk_due_ns == LAB_NEVER) {
        node->disk_due_ns = lab->now_ns + lab->config.disk_ns + lab_draw(lab, lab->config.disk_ns + 1);
    }
}

static void lab_disk_works(struct lab *lab, struct lab_node *node)
{
    struct event event;

    memset(&event, 0, sizeof event);
    node->disk_due_ns = LAB_NEVER;
    if (disk_step(node->disk, &event)) lab_step(lab, node, &event, NULL);
}

/* Runs what happens until then, or until a violation. */
static void lab_run(struct lab *lab, uint64_t until_ns)
{
    while (lab->violation[0] == 0) {
        struct lab_node *next = NULL;
        uint64_t at_ns = lab->queue_count > 0 ? lab->queue[0].at_ns : LAB_NEVER;
        bool disk = false;

        for (uint32_t i = 0; i < lab->config.nodes; i++) {
            struct lab_node *node = &lab->nodes[i];
            if (!node->up) continue;
            uint64_t deadline_ns = metadata_log_deadline_ns(node->log, true);
            deadline_ns = MIN(deadline_ns, node->membership.look_ns);
            if (lab_wants_in(lab, node)) deadline_ns = MIN(deadline_ns, node->ask_ns);
            if (node->disk_due_ns < at_ns) at_ns = node->disk_due_ns, next = node, disk = true;
            if (deadline_ns < at_ns) at_ns = deadline_ns, next = node, disk = false;
        }
        if (at_ns > until_ns) break;
        lab->now_ns = MAX(lab->now_ns, at_ns);
        if (next == NULL) {
            struct lab_message message = lab_pop(lab);
            struct lab_node *node = &lab->nodes[message.to];
            if (node->up) lab_step(lab, node, NULL, &message);
            free(message.data);
        } else if (disk) {
            lab_disk_works(lab, next);
        } else {
            if (lab_wants_in(lab, next) && next->ask_ns <= lab->now_ns) lab_ask(lab, next);
            lab_step(lab, next, NULL, NULL);
        }
    }
    lab->now_ns = MAX(lab->now_ns, until_ns);
}

/* ---- begin and end ---- */

static struct lab *lab_new(const struct lab_config *config)
{
    struct lab *lab = calloc(1, sizeof *lab);

    CHECK(config->nodes <= LAB_NODES_MAX);
    lab->config = *config;
    lab->effects = calloc(1, sizeof *lab->effects);
    lab->queue = calloc(LAB_MESSAGES_MAX, sizeof *lab->queue);
    prng_init(&lab->prng, config->seed, 0);
    for (uint32_t i = 0; i < config->nodes; i++) {
        struct lab_node *node = &lab->nodes[i];
        node->id = (int32_t)i + 1;
        node->founds = i == 0;
        snprintf(node->address, sizeof node->address, "node%d:%d", node->id, LAB_PORT);
        node->disk = calloc(1, sizeof *node->disk);
        prng_init(&node->disk->prng, config->seed, (uint64_t)node->id);
        lab_boot(lab, node);
    }
    return lab;
}

static void lab_free(struct lab *lab)
{
    const uint64_t *from = (const uint64_t *)(const void *)&lab->stats;
    uint64_t *to = (uint64_t *)(void *)&lab_total;

    for (size_t i = 0; i < sizeof lab_total / sizeof *to; i++) to[i] += from[i];
    for (uint32_t i = 0; i < lab->config.nodes; i++) {
        if (lab->nodes[i].up) lab_down(&lab->nodes[i]);
        disk_free(lab->nodes[i].disk);
        free(lab->nodes[i].disk);
    }
    while (lab->queue_count > 0) free(lab_pop(lab).data);
    free(lab->queue);
    free(lab->effects);
    free(lab);
}

/* ---- deeds ---- */

/* The leader of the newest term; NULL: none. */
static struct lab_node *lab_leader(struct lab *lab)
{
    struct lab_node *leader = NULL;

    for (uint32_t i = 0; i < lab->config.nodes; i++) {
        struct lab_node *node = &lab->nodes[i];
        if (!node->up || metadata_log_state(node->log) != METADATA_LOG_OPEN) continue;
        if (raft_role(node->log->raft) != RAFT_LEADER) continue;
        if (leader == NULL || raft_term(node->log->raft) > raft_term(leader->log->raft)) leader = node;
    }
    return leader;
}

static struct lab_node *lab_any(struct lab *lab)
{
    return &lab->nodes[lab_draw(lab, lab->config.nodes)];
}

/* Sends, and orders what a call between two steps has left to do. */
static void lab_after(struct lab *lab, struct lab_node *node)
{
    lab_step(lab, node, NULL, NULL);
}

static void lab_propose(struct lab *lab, struct lab_node *node)
{
    uint8_t memory[8 << 10];
    struct proposal proposal = proposal_in(memory, sizeof memory);
    uint64_t index;

    if (!metadata_log_leads(node->log)) return;
    if (image_is_draining(node->image)) return;
    if (uuid_is_zero(&node->image->view.cluster_id)) history_first_entry(&proposal);
    else history_entry(node->image, &lab->prng, &proposal);
    if (proposal_bytes(&proposal).size > metadata_log_proposal_size_max(&node->log->config)) return;
    if (metadata_log_propose(node->log, proposal_bytes(&proposal), &index) == METADATA_LOG_TAKEN) {
        lab->stats.proposed++;
    }
    lab_after(lab, node);
}

static void lab_read(struct lab *lab, struct lab_node *node)
{
    if (metadata_log_state(node->log) != METADATA_LOG_OPEN) return;
    const uint64_t token = ++lab->next_token;
    lab->read_floor[token % LAB_READS] = lab->applied_max;
    metadata_log_read_barrier(node->log, token);
    lab_after(lab, node);
}

static void lab_heal(struct lab *lab)
{
    for (uint32_t i = 0; i < lab->config.nodes; i++) {
        lab->nodes[i].group = 0;
        lab->nodes[i].deaf = false;
        lab->nodes[i].mute = false;
        lab->nodes[i].disk->full = false;
    }
}

#endif
