/* raft_parts.h -- what a random world for the Raft engine is made of: nodes, their disks, memory, a queue of what is to
 * happen. Part of raft_world.h. */
#ifndef CHRONIK_TESTS_RAFT_PARTS_H
#define CHRONIK_TESTS_RAFT_PARTS_H

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
    bool taking;                   /* a snapshot is being written */
    struct picture kept[KEPT_MAX]; /* older snapshots that the engine may still send */
    struct pending_read reads[WORLD_READS_MAX];
    uint32_t read_count;
    /* its disk */
    uint64_t disk_term, disk_vote;
    struct items disk_log;
    struct picture disk_picture;
    struct op *ops;
    uint32_t op_first, op_count, op_max;
    uint64_t disk_free_ns, round_begin_ns; /* when the disk has done all; when the round that still waits begins */
    /* its place in the network */
    uint32_t group;
    bool deaf, mute;
    uint64_t arrives_ns[NODES_MAX]; /* when the last message of each node comes in, where messages keep their order */
    /* as the judge saw it last */
    uint64_t judged_commit, judged_term;
    uint64_t list_index, led_ns,
        heard_ns[NODES_MAX]; /* since when it leads these; when a message of each node came in last */
    enum raft_role judged_role;
};

struct world_config {
    uint64_t seed;
    uint32_t voters, nodes;
    uint32_t loss, duplicate;   /* per mille */
    uint64_t delay_ns, disk_ns; /* usual; drawn from once to twice this */
    uint32_t late;              /* per mille of messages that take up to 100 times as long */
    uint32_t corrupt; /* per mille of messages with bytes changed; then nodes keep their own promises, no more */
    uint32_t snapshot_entries, trailing_entries; /* 0: no snapshots */
    bool ordered;                    /* messages between two nodes keep their order, but for the late ones */
    bool roomy;                      /* production's limits, for measuring; nobody judges */
    void (*print)(const char *line); /* a line per note and message; NULL: none */
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

/* Whether nodes can be held against each other. */
static bool judged(const struct world *world)
{
    return world->config.corrupt == 0 && !world->config.roomy;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t x = (a ^ b * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
    return x ^ x >> 29;
}

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

#endif
