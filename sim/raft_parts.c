/* raft_parts.c -- what a simulated Raft group is made of: memory, chance, logs, a queue of what is to happen. */
#include "sim/raft_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t raft_world_mix(uint64_t a, uint64_t b)
{
    uint64_t x = (a ^ b * 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u;
    return x ^ x >> 29;
}

/* ------------------------------------------------------------------------------------- memory and chance */

struct raft_block {
    struct raft_block *next;
    size_t used, size;
    uint8_t bytes[];
};

uint8_t *raft_world_take(struct raft_world *world, size_t size)
{
    struct raft_block *block = world->memory;
    size = (size + 15) / 16 * 16;
    if (block == NULL || block->size - block->used < size) {
        const size_t room = MAX(size, (size_t)1 << 20);
        block = malloc(sizeof *block + room);
        *block = (struct raft_block){ .next = world->memory, .size = room };
        world->memory = block;
    }
    uint8_t *taken = block->bytes + block->used;
    block->used += size;
    return taken;
}

const uint8_t *raft_world_copy(struct raft_world *world, const void *bytes, size_t size)
{
    uint8_t *copy = raft_world_take(world, size);
    if (size > 0) memcpy(copy, bytes, size);
    return copy;
}

uint64_t raft_world_draw(struct raft_world *world, uint64_t below)
{
    return prng_below(&world->prng, below);
}

bool raft_world_chance(struct raft_world *world, uint32_t per_mille)
{
    return prng_chance(&world->prng, per_mille, 1000);
}

void raft_world_violate(struct raft_world *world, const char *format, ...)
{
    va_list arguments;
    if (world->violation[0] != 0) return;
    va_start(arguments, format);
    vsnprintf(world->violation, RAFT_VIOLATION_SIZE, format, arguments);
    va_end(arguments);
}

void raft_world_give_back(struct raft_world *world)
{
    while (world->memory != NULL) {
        struct raft_block *block = world->memory;
        world->memory = block->next;
        free(block);
    }
}

/* ------------------------------------------------------------------------------------- logs */

static uint64_t bytes_hash(const uint8_t *bytes, uint64_t size)
{
    uint64_t hash = size;
    for (; size >= 8; size -= 8, bytes += 8) hash = raft_world_mix(hash, load_u64(bytes));
    for (; size > 0; size--) hash = raft_world_mix(hash, *bytes++);
    return hash;
}

uint64_t raft_item_hash(const struct raft_item *item)
{
    return raft_world_mix(bytes_hash(item->bytes, item->size), item->kind);
}

uint64_t raft_items_last(const struct raft_items *items)
{
    return items->first + items->count - 1;
}

const struct raft_item *raft_items_at(const struct raft_items *items, uint64_t index)
{
    if (index < items->first || index > raft_items_last(items)) return NULL;
    return &items->list[index - items->first];
}

void raft_items_reset(struct raft_items *items, uint64_t first)
{
    items->first = first;
    items->count = 0;
}

void raft_items_push(struct raft_items *items, const struct raft_item *item)
{
    if (items->count == items->count_max) {
        items->count_max = MAX(64, items->count_max * 2);
        items->list = realloc(items->list, items->count_max * sizeof *items->list);
    }
    items->list[items->count++] = *item;
}

void raft_items_truncate(struct raft_items *items, uint64_t from)
{
    if (from <= items->first) items->count = 0;
    else if (from <= raft_items_last(items)) items->count = (uint32_t)(from - items->first);
}

void raft_items_drop_before(struct raft_items *items, uint64_t index)
{
    if (index <= items->first) return;
    const uint32_t dropped = (uint32_t)MIN(index - items->first, items->count);
    if (dropped == 0) return;
    memmove(items->list, items->list + dropped, (items->count - dropped) * sizeof *items->list);
    items->first += dropped;
    items->count -= dropped;
}

/* ------------------------------------------------------------------------------------- the queue */

static bool earlier(const struct raft_happening *a, const struct raft_happening *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->sequence < b->sequence;
}

void raft_world_push(struct raft_world *world, struct raft_happening happening)
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

struct raft_happening raft_world_pop(struct raft_world *world)
{
    const struct raft_happening top = world->queue[0], last = world->queue[--world->queue_count];
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

struct raft_node *raft_world_node(struct raft_world *world, uint64_t id)
{
    for (uint32_t i = 0; i < world->config.nodes; i++) {
        if (world->nodes[i].id == id) return &world->nodes[i];
    }
    return NULL;
}
