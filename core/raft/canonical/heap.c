#include "raft/canonical/heap.h"

#include "base/bytes.h"
#include "base/check.h"
#include "raft/canonical/library.h"

enum { BLOCK_MIN = 64, BLOCK_MAX = 1 << 30 };

/* The one thing that changes and belongs to no node: whose memory the library's is just now. */
static struct heap *entered;

static struct buddy_config config_of(uint64_t range_size)
{
    return (struct buddy_config){
        .range_size = (range_size + BLOCK_MIN - 1) / BLOCK_MIN * BLOCK_MIN,
        .block_min = BLOCK_MIN,
        .block_max = BLOCK_MAX,
    };
}

size_t heap_size(uint64_t range_size)
{
    const struct buddy_config config = config_of(range_size);
    return (buddy_size(&config) + BLOCK_MIN - 1) / BLOCK_MIN * BLOCK_MIN + config.range_size;
}

void heap_init(struct heap *heap, uint8_t *memory, uint64_t range_size)
{
    const struct buddy_config config = config_of(range_size);
    const size_t tree_size = (buddy_size(&config) + BLOCK_MIN - 1) / BLOCK_MIN * BLOCK_MIN;

    memset(memory, 0, tree_size);
    buddy_init(&heap->buddy, memory, &config);
    heap->range = memory + tree_size;
    heap->zeroed = true;
}

void *heap_take(struct heap *heap, size_t size)
{
    const uint64_t offset = buddy_take(&heap->buddy, size);

    CHECK(offset != BUDDY_NONE);
    if (heap->zeroed) memset(heap->range + offset, 0, size);
    return heap->range + offset;
}

void heap_give(struct heap *heap, void *block)
{
    buddy_give(&heap->buddy, (uint64_t)((uint8_t *)block - heap->range));
}

/* ---- what the library calls ---- */

static void *take(void *data, size_t size)
{
    (void)data;
    return size == 0 ? NULL : heap_take(entered, size);
}

static void give(void *data, void *block)
{
    (void)data;
    if (block != NULL) heap_give(entered, block);
}

static void *take_many(void *data, size_t count, size_t size)
{
    (void)data;
    void *block = take(data, count * size);
    if (block != NULL) memset(block, 0, count * size);
    return block;
}

static void *take_again(void *data, void *block, size_t size)
{
    void *larger = take(data, size);

    if (block == NULL) return larger;
    const size_t before = buddy_block_size(&entered->buddy, (uint64_t)((uint8_t *)block - entered->range));
    if (larger != NULL) memcpy(larger, block, MIN(before, size));
    give(data, block);
    return larger;
}

static void *take_aligned(void *data, size_t alignment, size_t size)
{
    CHECK(alignment <= BLOCK_MIN);
    return take(data, size);
}

static void give_aligned(void *data, size_t alignment, void *block)
{
    (void)alignment;
    give(data, block);
}

static struct raft_heap hooks = { NULL, take, give, take_many, take_again, take_aligned, give_aligned };

void heap_enter(struct heap *heap)
{
    entered = heap;
    libraft_heap_set(&hooks);
}
