/* raft_world.h -- nodes that run the Raft engine, with disks that forget, a network that loses, and a judge.
 *
 * Everything is drawn from one seed. A disk does its writes in order, each taking a while; a crash keeps a random
 * prefix of what was under way, down to single entries. Messages pass through their bytes. raft_judge.h looks at every
 * call: what a node promised must be durable, what is committed must be held by a quorum and stays, terms have one
 * leader, logs match, states are equal, reads are fresh. */
#ifndef CHRONIK_TESTS_RAFT_WORLD_H
#define CHRONIK_TESTS_RAFT_WORLD_H

#pragma GCC diagnostic ignored "-Wunused-function"

#include "base/prng.h"
#include "raft/state.h"
#include "t.h"

#include <stdarg.h>
#include <stdlib.h>

enum { NODES_MAX = 9, WORLD_READS_MAX = 64, KEPT_MAX = 8, VIOLATION_SIZE = 300 };
#define MS ((uint64_t)1000000)

struct item { /* an entry with its bytes, which are shared and never change */
    uint64_t term;
    uint8_t kind;
    uint32_t size;
    const uint8_t *bytes;
};

struct items { /* entries first, first + 1, ... */
    uint64_t first;
    uint32_t count, count_max;
    struct item *list;
};

struct picture { /* a snapshot; index 0: none */
    uint64_t index, term, chain;
    const uint8_t *bytes;
    uint64_t size;
};

enum op_kind { OP_WRITE, OP_TAKE, OP_INSTALL };

struct op { /* what a disk is doing */
    enum op_kind kind;
    uint64_t done_ns;
    struct raft_write write;
    struct item *items;
    struct picture picture;
};

struct pending_read {
    uint64_t token, index; /* what was committed when it was asked */
};

struct node {
    uint64_t id;
    struct raft *raft;
    bool up;
    uint32_t life;
    uint64_t timer_ns; /* the wake-up that is in the queue; RAFT_NEVER: none */
    /* volatile */
    struct items log;
    uint64_t applied, chain;
    uint8_t *incoming;
    bool taking; /* a snapshot is being written */
    struct picture kept[KEPT_MAX]; /* older snapshots that the engine may still send */
    struct pending_read reads[WORLD_READS_MAX];
    uint32_t read_count;
    /* its disk */
    uint64_t disk_term, disk_vote;
    struct items disk_log;
    struct picture disk_picture;
    struct op *ops;
    uint32_t op_first, op_count, op_max;
    uint64_t disk_free_ns;
    /* its place in the network */
    uint32_t group;
    bool deaf, mute;
    /* as the judge saw it last */
    uint64_t judged_commit, judged_term;
    uint64_t list_index, led_ns, heard_ns[NODES_MAX]; /* since when it leads these; when a message of each node came in last */
    enum raft_role judged_role;
};

struct world_config {
    uint64_t seed;
    uint32_t voters, nodes;
    uint32_t loss, duplicate;   /* per mille */
    uint64_t delay_ns, disk_ns; /* usual; drawn from once to twice this */
    uint32_t late;              /* per mille of messages that take up to 100 times as long */
    uint32_t corrupt;           /* per mille of messages with bytes changed; then nodes keep their own promises, no more */
    uint32_t snapshot_entries, trailing_entries; /* 0: no snapshots */
    void (*print)(const char *line);             /* a line per note and message; NULL: none */
};

enum happening_kind { HAPPENS_MESSAGE, HAPPENS_DISK, HAPPENS_TIMER };

struct happening {
    uint64_t at_ns, sequence;
    enum happening_kind kind;
    uint32_t slot, life; /* node; life 0: whichever */
    uint64_t from;
    struct bytes bytes;
};

struct committed {
    uint64_t term, hash, chain;
    uint64_t leader_term; /* in which it was committed */
};

struct vote_record {
    uint64_t term, voter, candidate; /* term 0: free */
};

struct match_record {
    uint64_t index, term, hash, prev_term; /* index 0: free */
};

struct world_stats {
    uint64_t steps, messages, elections, crashes, installs, commits, reads, changes, truncations, rollbacks, joint;
    uint64_t impossible, taken, chunks, asked, busy;
};

enum { VOTES_MAX = 1 << 15, MATCHES_MAX = 1 << 17, COMMITTED_MAX = 1 << 16, TERMS_MAX = 1 << 16 };

struct world {
    struct world_config config;
    struct prng prng;
    uint64_t now_ns, sequence;
    struct node nodes[NODES_MAX];
    struct happening *queue; /* a heap */
    uint32_t queue_count, queue_max;
    struct committed *committed; /* [0] is index 0 */
    uint64_t committed_count;    /* the last index */
    uint64_t *leader_of;         /* by term */
    struct vote_record *votes;
    struct match_record *matches;
    uint32_t vote_count, match_count;
    struct block *arena;
    uint64_t next_value, next_token;
    char violation[VIOLATION_SIZE]; /* empty: none */
    struct raft_output out;
    struct world_stats stats;
};

static void world_violate(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void world_say(struct world *world, const struct node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t x = (a ^ b * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
    return x ^ x >> 29;
}

#include "raft_judge.h"

/* ------------------------------------------------------------------------------------- memory and chance */

struct block {
    struct block *next;
    size_t used, size;
    uint8_t bytes[];
};

static uint8_t *arena_take(struct world *world, size_t size)
{
    struct block *block = world->arena;
    size = (size + 15) / 16 * 16;
    if (block == NULL || block->size - block->used < size) {
        const size_t room = MAX(size, (size_t)1 << 20);
        block = malloc(sizeof *block + room);
        *block = (struct block){ .next = world->arena, .size = room };
        world->arena = block;
    }
    uint8_t *taken = block->bytes + block->used;
    block->used += size;
    return taken;
}

static const uint8_t *arena_copy(struct world *world, const void *bytes, size_t size)
{
    uint8_t *copy = arena_take(world, size);
    if (size > 0) memcpy(copy, bytes, size);
    return copy;
}

static uint64_t world_draw(struct world *world, uint64_t below)
{
    return prng_below(&world->prng, below);
}

static bool world_chance(struct world *world, uint32_t per_mille)
{
    return prng_chance(&world->prng, per_mille, 1000);
}

static void world_violate(struct world *world, const char *format, ...)
{
    va_list arguments;
    if (world->violation[0] != 0) return;
    va_start(arguments, format);
    vsnprintf(world->violation, VIOLATION_SIZE, format, arguments);
    va_end(arguments);
}

static void world_say(struct world *world, const struct node *node, const char *format, ...)
{
    char line[400];
    va_list arguments;
    if (world->config.print == NULL) return;
    int at = snprintf(line, sizeof line, "[%4u] %u ", (unsigned)(world->now_ns / MS), (unsigned)node->id);
    va_start(arguments, format);
    vsnprintf(line + at, sizeof line - (size_t)at, format, arguments);
    va_end(arguments);
    world->config.print(line);
}

/* ------------------------------------------------------------------------------------- items */

static uint64_t items_last(const struct items *items)
{
    return items->first + items->count - 1;
}

static const struct item *items_at(const struct items *items, uint64_t index)
{
    if (index < items->first || index > items_last(items)) return NULL;
    return &items->list[index - items->first];
}

static void items_reset(struct items *items, uint64_t first)
{
    items->first = first;
    items->count = 0;
}

static void items_push(struct items *items, const struct item *item)
{
    if (items->count == items->count_max) {
        items->count_max = MAX(64, items->count_max * 2);
        items->list = realloc(items->list, items->count_max * sizeof *items->list);
    }
    items->list[items->count++] = *item;
}

static void items_truncate(struct items *items, uint64_t from)
{
    if (from <= items->first) items->count = 0;
    else if (from <= items_last(items)) items->count = (uint32_t)(from - items->first);
}

static void items_drop_before(struct items *items, uint64_t index)
{
    if (index <= items->first) return;
    const uint32_t dropped = (uint32_t)MIN(index - items->first, items->count);
    if (dropped == 0) return;
    memmove(items->list, items->list + dropped, (items->count - dropped) * sizeof *items->list);
    items->first += dropped;
    items->count -= dropped;
}

/* ------------------------------------------------------------------------------------- the queue */

static bool earlier(const struct happening *a, const struct happening *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->sequence < b->sequence;
}

static void queue_push(struct world *world, struct happening happening)
{
    if (world->queue_count == world->queue_max) {
        world->queue_max = MAX(1024, world->queue_max * 2);
        world->queue = realloc(world->queue, world->queue_max * sizeof *world->queue);
    }
    happening.sequence = ++world->sequence;
    uint32_t at = world->queue_count++;
    for (; at > 0 && earlier(&happening, &world->queue[(at - 1) / 2]); at = (at - 1) / 2) {
        world->queue[at] = world->queue[(at - 1) / 2];
    }
    world->queue[at] = happening;
}

static struct happening queue_pop(struct world *world)
{
    const struct happening top = world->queue[0], last = world->queue[--world->queue_count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= world->queue_count) break;
        if (child + 1 < world->queue_count && earlier(&world->queue[child + 1], &world->queue[child])) child++;
        if (!earlier(&world->queue[child], &last)) break;
        world->queue[at] = world->queue[child];
        at = child;
    }
    world->queue[at] = last;
    return top;
}

static struct node *world_node(struct world *world, uint64_t id)
{
    for (uint32_t i = 0; i < world->config.nodes; i++) {
        if (world->nodes[i].id == id) return &world->nodes[i];
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------- network */

static const struct item *entries_of(struct world *world, struct node *node, const struct raft_message *message,
                                     struct raft_entry *entries, uint8_t *payload)
{
    const struct raft_append_request *request = &message->append_request;
    for (uint32_t i = 0; i < request->entry_count; i++) {
        const uint64_t index = request->prev_index + 1 + i;
        const struct item *item = items_at(&node->log, index);
        if (item == NULL) {
            world_violate(world, "node %u sends entry %u, which it has not", (unsigned)node->id, (unsigned)index);
            return NULL;
        }
        entries[i] = raft_entry(node->raft, index);
        if (item->size > 0) memcpy(payload, item->bytes, item->size);
        payload += item->size;
    }
    return node->log.list;
}

static const struct picture *picture_find(const struct node *node, uint64_t index)
{
    if (node->disk_picture.index == index) return &node->disk_picture;
    for (uint32_t i = 0; i < KEPT_MAX; i++) {
        if (node->kept[i].index == index) return &node->kept[i];
    }
    return NULL;
}

/* A newer snapshot has replaced `picture`: it stays while the engine says that it may send it. */
static void picture_keep(struct node *node, struct picture picture)
{
    for (uint32_t i = 0; i < KEPT_MAX; i++) {
        struct picture *kept = &node->kept[i];
        if (kept->index > 0 && !raft_snapshot_needed(node->raft, kept->index)) kept->index = 0;
        if (kept->index != 0 || picture.index == 0 || !raft_snapshot_needed(node->raft, picture.index)) continue;
        *kept = picture;
        picture.index = 0;
    }
}

static struct bytes encode(struct world *world, struct node *node, const struct raft_message *message)
{
    static struct raft_entry entries[RAFT_APPEND_ENTRIES_MAX];
    static uint8_t head[RAFT_MESSAGE_HEAD_SIZE_MAX];
    uint8_t *bytes;
    uint32_t payload_size = 0;

    if (message->kind == RAFT_APPEND_REQUEST) {
        for (uint32_t i = 0; i < message->append_request.entry_count; i++) {
            entries[i] = raft_entry(node->raft, message->append_request.prev_index + 1 + i);
        }
    }
    payload_size = raft_message_payload_size(message, entries);
    const uint32_t head_size = raft_message_write(message, entries, head);
    bytes = arena_take(world, head_size + payload_size);
    memcpy(bytes, head, head_size);
    if (message->kind == RAFT_APPEND_REQUEST) {
        if (entries_of(world, node, message, entries, bytes + head_size) == NULL) payload_size = 0;
    }
    if (message->kind == RAFT_SNAPSHOT_REQUEST) {
        const struct raft_snapshot_request *chunk = &message->snapshot_request;
        const struct picture *picture = picture_find(node, chunk->index);
        if (picture == NULL) {
            world_violate(world, "node %u sends a snapshot that it said it needs no more", (unsigned)node->id);
            return (struct bytes){ NULL, 0 };
        }
        memcpy(bytes + head_size, picture->bytes + chunk->offset, chunk->size);
    }
    return (struct bytes){ bytes, head_size + payload_size };
}

static bool connected(const struct node *from, const struct node *to)
{
    return from->group == to->group && !from->mute && !to->deaf;
}

static void world_send(struct world *world, struct node *node, const struct raft_message *message)
{
    struct node *to = world_node(world, message->to);
    const struct world_config *config = &world->config;

    world->stats.messages++;
    if (to == NULL || !connected(node, to) || world_chance(world, config->loss)) return;
    struct bytes bytes = encode(world, node, message);
    if (bytes.size == 0) return;
    if (world_chance(world, config->corrupt)) {
        uint8_t *bent = arena_take(world, bytes.size);
        memcpy(bent, bytes.data, bytes.size);
        for (uint64_t i = world_draw(world, 3) + 1; i > 0; i--) {
            bent[world_draw(world, MIN(bytes.size, 96))] ^= (uint8_t)(1u << world_draw(world, 8));
        }
        bytes.data = bent;
    }
    const uint32_t copies = world_chance(world, config->duplicate) ? 2 : 1;
    for (uint32_t i = 0; i < copies; i++) {
        const uint64_t factor = world_chance(world, config->late) ? 1 + world_draw(world, 100) : 1;
        const uint64_t delay_ns = factor * (config->delay_ns + world_draw(world, config->delay_ns + 1));
        queue_push(world, (struct happening){ .at_ns = world->now_ns + delay_ns,
                                              .kind = HAPPENS_MESSAGE,
                                              .slot = (uint32_t)(to - world->nodes),
                                              .from = node->id,
                                              .bytes = bytes });
    }
}

/* ------------------------------------------------------------------------------------- state machine */

/* index, chain, checksum, size of the list, the list, filling */
static struct picture picture_make(struct world *world, uint64_t index, uint64_t term, uint64_t chain,
                                   const struct raft_configuration *list)
{
    const uint64_t filling = world_draw(world, 400);
    uint8_t *bytes = arena_take(world, 32 + list->size + filling);
    store_u64(bytes, index);
    store_u64(bytes + 8, chain);
    store_u32(bytes + 24, list->size);
    store_u32(bytes + 28, 0);
    memcpy(bytes + 32, list->bytes, list->size);
    memset(bytes + 32 + list->size, (int)index, filling);
    store_u64(bytes + 16, bytes_hash(bytes + 24, 8 + list->size + filling));
    return (struct picture){ index, term, chain, bytes, 32 + list->size + filling };
}

static bool picture_read(struct picture *picture)
{
    if (picture->size < 32) return false;
    if (load_u64(picture->bytes + 16) != bytes_hash(picture->bytes + 24, picture->size - 24)) return false;
    if (load_u64(picture->bytes) != picture->index) return false;
    picture->chain = load_u64(picture->bytes + 8);
    return true;
}

static struct bytes picture_list(const struct picture *picture)
{
    return (struct bytes){ picture->bytes + 32, load_u32(picture->bytes + 24) };
}

/* ------------------------------------------------------------------------------------- disk */

static struct op *disk_push(struct world *world, struct node *node, enum op_kind kind)
{
    if (node->op_first + node->op_count == node->op_max) {
        if (node->op_first > 0) {
            memmove(node->ops, node->ops + node->op_first, node->op_count * sizeof *node->ops);
            node->op_first = 0;
        } else {
            node->op_max = MAX(64, node->op_max * 2);
            node->ops = realloc(node->ops, node->op_max * sizeof *node->ops);
        }
    }
    const uint64_t takes_ns = world->config.disk_ns + world_draw(world, world->config.disk_ns + 1);
    const uint64_t install_ns = kind == OP_INSTALL ? world_draw(world, 200 * MS) : 0; /* long enough for a new leader */
    node->disk_free_ns = MAX(node->disk_free_ns, world->now_ns) + takes_ns + install_ns;
    struct op *op = &node->ops[node->op_first + node->op_count++];
    *op = (struct op){ .kind = kind, .done_ns = node->disk_free_ns };
    queue_push(world, (struct happening){ .at_ns = op->done_ns,
                                          .kind = HAPPENS_DISK,
                                          .slot = (uint32_t)(node - world->nodes),
                                          .life = node->life });
    return op;
}

/* Makes the first `parts` parts of a write durable: hard state, truncation, each entry. */
static void disk_apply_write(struct world *world, struct node *node, const struct op *op, uint64_t parts)
{
    const struct raft_write *write = &op->write;

    if (write->hard_state) {
        if (parts-- == 0) return;
        node->disk_term = write->term;
        node->disk_vote = write->vote;
    }
    if (write->truncate_from != 0) {
        if (parts-- == 0) return;
        items_truncate(&node->disk_log, write->truncate_from);
    }
    for (uint32_t i = 0; i < write->entry_count && parts > 0; i++, parts--) {
        const uint64_t index = write->first_index + i;
        if (node->disk_log.count == 0 || items_last(&node->disk_log) < node->disk_picture.index) {
            if (index == node->disk_picture.index + 1) items_reset(&node->disk_log, index);
        }
        if (index != node->disk_log.first + node->disk_log.count) {
            world_violate(world, "node %u appends entry %u behind %u", (unsigned)node->id, (unsigned)index,
                          (unsigned)items_last(&node->disk_log));
            return;
        }
        items_push(&node->disk_log, &op->items[i]);
    }
}

/* Nodes compact at different places, so that one has entries that another has only as a snapshot. */
static uint32_t trailing_of(const struct world *world, const struct node *node)
{
    return world->config.trailing_entries + (uint32_t)(node - world->nodes) % 3 * 30;
}

static void disk_apply_picture(struct world *world, struct node *node, const struct picture *picture)
{
    if (picture->index <= node->disk_picture.index) return;
    node->disk_picture = *picture;
    const uint64_t keep = picture->index > trailing_of(world, node) ? picture->index - trailing_of(world, node) : 1;
    items_drop_before(&node->disk_log, keep); /* what is left may belong to the old log, until the install's mark */
}

/* ------------------------------------------------------------------------------------- what a call wants done */

struct source { /* of the bytes of entries that a call appends */
    const struct raft_message *message;
    const uint8_t *const *proposals;
};

static void take_write(struct world *world, struct node *node, const struct source *source)
{
    const struct raft_write *write = &world->out.write;
    struct op *op;

    if (write->ticket.sequence == 0) return;
    op = disk_push(world, node, OP_WRITE);
    op->write = *write;
    op->items = (struct item *)(void *)arena_take(world, write->entry_count * sizeof(struct item));
    if (write->truncate_from != 0) items_truncate(&node->log, write->truncate_from);
    if (write->entry_count > 0 && node->log.count == 0) items_reset(&node->log, write->first_index);
    uint32_t skipped = 0, at = 0;
    if (source->message != NULL && source->message->kind == RAFT_APPEND_REQUEST) {
        const struct raft_append_request *request = &source->message->append_request;
        for (; request->prev_index + 1 + skipped < write->first_index; skipped++) at += request->entries[skipped].size;
    }
    for (uint32_t i = 0; i < write->entry_count; i++) {
        const struct raft_entry entry = raft_entry(node->raft, write->first_index + i);
        struct item item = { entry.term, entry.kind, entry.size, NULL };
        if (write->own_payload.size > 0) item.bytes = arena_copy(world, write->own_payload.data, entry.size);
        else if (source->message != NULL && source->message->kind == RAFT_APPEND_REQUEST) {
            item.bytes = source->message->payload.data + at;
            at += entry.size;
        } else if (source->proposals != NULL) item.bytes = source->proposals[i];
        op->items[i] = item;
        items_push(&node->log, &item);
        judge_entry(world, node, write->first_index + i, &item, item_hash(&item));
    }
}

static void take_chunk(struct world *world, struct node *node, const struct raft_message *message)
{
    const struct raft_chunk *chunk = &world->out.chunk;

    if (chunk->size == 0) return;
    world->stats.chunks++;
    if (chunk->total_size > 1 << 20) return; /* only a corrupt message says so */
    if (chunk->first) {
        free(node->incoming);
        node->incoming = malloc(chunk->total_size);
    }
    if (node->incoming == NULL) return;
    memcpy(node->incoming + chunk->offset, message->payload.data, chunk->size);
    if (!chunk->last) return;
    struct op *op = disk_push(world, node, OP_INSTALL);
    op->picture = (struct picture){ chunk->index, chunk->term, 0,
                                    arena_copy(world, node->incoming, chunk->total_size), chunk->total_size };
}

static void apply_committed(struct world *world, struct node *node)
{
    if (world->out.commit_index == 0) return;
    for (uint64_t index = node->applied + 1; index <= world->out.commit_index; index++) {
        const struct item *item = items_at(&node->log, index);
        if (item == NULL) {
            world_violate(world, "node %u commits %u, which it has not", (unsigned)node->id, (unsigned)index);
            return;
        }
        const uint64_t hash = item_hash(item);
        node->chain = mix(node->chain, hash);
        node->applied = index;
        judge_applied(world, node, index, item->term, hash);
    }
}

static void maybe_take_snapshot(struct world *world, struct node *node)
{
    if (world->config.snapshot_entries == 0 || node->taking) return;
    if (node->applied < node->disk_picture.index + world->config.snapshot_entries) return;
    const struct raft_configuration *list = raft_configuration_at(node->raft, node->applied);
    if (list == NULL || raft_term_at(node->raft, node->applied) == 0) return;
    node->taking = true;
    struct op *op = disk_push(world, node, OP_TAKE);
    op->picture = picture_make(world, node->applied, raft_term_at(node->raft, node->applied), node->chain, list);
}

static const char *const note_names[] = {
    [RAFT_NOTE_FOLLOWING] = "follows %u in term %u",
    [RAFT_NOTE_LEADER_LOST] = "has lost leader %u of term %u",
    [RAFT_NOTE_PRE_CANDIDATE] = "asks who would vote for it (%u) after term %u",
    [RAFT_NOTE_CANDIDATE] = "is a candidate (%u) in term %u",
    [RAFT_NOTE_LEADER] = "leads (%u) in term %u",
    [RAFT_NOTE_STEPPED_DOWN] = "steps down (%u) from term %u",
    [RAFT_NOTE_QUORUM_LOST] = "hears too few (%u) in term %u",
    [RAFT_NOTE_VOTED] = "votes for %u in term %u",
    [RAFT_NOTE_CONFIGURATION] = "uses the list at %u, %u members",
    [RAFT_NOTE_ROLLED_BACK] = "is back at the list at %u, %u members",
    [RAFT_NOTE_CONFIGURATION_COMMITTED] = "list at %u is committed, %u members",
    [RAFT_NOTE_REMOVED] = "is removed (%u) by the list at %u",
    [RAFT_NOTE_TRUNCATED] = "drops entries %u to %u",
    [RAFT_NOTE_PROBING] = "probes %u from %u",
    [RAFT_NOTE_STREAMING] = "streams to %u from %u",
    [RAFT_NOTE_SNAPSHOT_SENDING] = "sends %u the snapshot at %u",
    [RAFT_NOTE_SNAPSHOT_INSTALLED] = "installed (from %u) the snapshot at %u",
    [RAFT_NOTE_SNAPSHOT_REFUSED] = "refused (from %u) the snapshot at %u",
    [RAFT_NOTE_TRANSFER_BEGUN] = "hands over to %u in term %u",
    [RAFT_NOTE_TRANSFER_FAILED] = "could not hand over to %u in term %u",
    [RAFT_NOTE_IMPOSSIBLE] = "was told what cannot be by %u: %u",
    [RAFT_NOTE_TRAIL_FULL] = "has no room for entry %u behind %u",
};
_Static_assert(sizeof note_names / sizeof note_names[0] == RAFT_NOTE_KIND_COUNT, "each note has a line");

static void say_notes(struct world *world, struct node *node)
{
    for (uint32_t i = 0; i < world->out.note_count; i++) {
        const struct raft_note *note = &world->out.notes[i];
        if (note->kind == RAFT_NOTE_IMPOSSIBLE) world->stats.impossible++;
        if (note->kind == RAFT_NOTE_TRUNCATED) world->stats.truncations++;
        if (note->kind == RAFT_NOTE_ROLLED_BACK) world->stats.rollbacks++;
        if (world->config.print == NULL) continue;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
        world_say(world, node, note_names[note->kind], (unsigned)note->subject, (unsigned)note->detail);
#pragma GCC diagnostic pop
    }
}

static void take_reads(struct world *world, struct node *node)
{
    for (uint32_t i = 0; i < world->out.read_count; i++) {
        const struct raft_read_answer *answer = &world->out.reads[i];
        for (uint32_t j = 0; j < node->read_count; j++) {
            if (node->reads[j].token != answer->token) continue;
            if (!answer->failed) judge_read(world, node, &node->reads[j], answer->index);
            node->reads[j] = node->reads[--node->read_count];
            break;
        }
    }
}

static void set_timer(struct world *world, struct node *node)
{
    const uint64_t deadline_ns = raft_deadline_ns(node->raft);
    if (deadline_ns == RAFT_NEVER || deadline_ns >= node->timer_ns) return;
    node->timer_ns = deadline_ns;
    queue_push(world, (struct happening){ .at_ns = MAX(deadline_ns, world->now_ns),
                                          .kind = HAPPENS_TIMER,
                                          .slot = (uint32_t)(node - world->nodes),
                                          .life = node->life });
}

/* Does what the call of `node` wants. */
static void world_drain(struct world *world, struct node *node, const struct source *source)
{
    world->stats.steps++;
    raft_check(node->raft);
    say_notes(world, node);
    take_write(world, node, source);
    if (source->message != NULL) take_chunk(world, node, source->message);
    judge_step(world, node);
    apply_committed(world, node);
    for (uint32_t i = 0; i < world->out.message_count; i++) {
        judge_message(world, node, &world->out.messages[i]);
        world_send(world, node, &world->out.messages[i]);
    }
    take_reads(world, node);
    maybe_take_snapshot(world, node);
    set_timer(world, node);
}

static const struct source no_source = { NULL, NULL };

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
        verdict = raft_restore_snapshot(node->raft, picture->index, picture->term, picture->size,
                                        picture_list(picture));
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
    struct raft_change founders[RAFT_VOTERS_MAX];
    const struct raft_config raft_config = world_raft_config(world, 1, 0);

    world->config = *config;
    prng_init(&world->prng, config->seed, 0);
    world->committed = calloc(COMMITTED_MAX, sizeof *world->committed);
    world->leader_of = calloc(TERMS_MAX, sizeof *world->leader_of);
    world->votes = calloc(VOTES_MAX, sizeof *world->votes);
    world->matches = calloc(MATCHES_MAX, sizeof *world->matches);
    for (uint32_t i = 0; i < config->voters; i++) {
        founders[i] = (struct raft_change){ RAFT_ADD, i + 1, BYTES_LITERAL("somewhere:9093") };
    }
    for (uint32_t i = 0; i < config->nodes; i++) {
        struct node *node = &world->nodes[i];
        node->id = i + 1;
        node->raft = aligned_alloc(64, raft_size(&raft_config));
        items_reset(&node->log, 1);
        items_reset(&node->disk_log, 1);
        node_begin(world, node);
        if (i < config->voters) CHECK(raft_found(node->raft, founders, config->voters) == RAFT_ACCEPTED);
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
