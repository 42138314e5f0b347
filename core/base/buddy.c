#include "base/buddy.h"
#include "base/check.h"

enum { HEIGHT_MAX = 30 };

static bool is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

/* The smallest order whose block holds `size` bytes. */
static unsigned order_of(unsigned block_shift, uint64_t size)
{
    const uint64_t blocks = (size - 1) >> block_shift;
    return blocks == 0 ? 0 : 64 - (unsigned)__builtin_clzll(blocks);
}

static unsigned shift_of(uint64_t power_of_two)
{
    return (unsigned)__builtin_ctzll(power_of_two);
}

static unsigned height_of(const struct buddy_config *config)
{
    return order_of(shift_of(config->block_min), config->range_size);
}

/* One more than the order of the largest free block in the subtree; 0 if nothing is free. */
static unsigned free_of(const struct buddy *buddy, uint32_t node, unsigned order)
{
    return order + 1 - buddy->lack[node];
}

/* Sets what the node of this order has free from what its children have. */
static void join(struct buddy *buddy, uint32_t node, unsigned order)
{
    const unsigned left = free_of(buddy, 2 * node, order - 1), right = free_of(buddy, 2 * node + 1, order - 1);
    const bool whole = left == order && right == order;
    buddy->lack[node] = (uint8_t)(whole ? 0 : order + 1 - (left > right ? left : right));
}

static void join_upward(struct buddy *buddy, uint32_t node, unsigned order)
{
    for (node /= 2, order++; node >= 1; node /= 2, order++) join(buddy, node, order);
}

size_t buddy_size(const struct buddy_config *config)
{
    CHECK(is_power_of_two(config->block_min) && is_power_of_two(config->block_max));
    CHECK(config->block_min <= config->block_max);
    CHECK(config->range_size > 0 && config->range_size % config->block_min == 0);
    CHECK(height_of(config) <= HEIGHT_MAX);
    return (size_t)2 << height_of(config);
}

/* Marks everything from block `end` on as taken for ever: the range ends before the root does. On the path to the
 * end, whatever lies wholly to the right of it is closed; the rest of the tree stays untouched. */
static void close_beyond(struct buddy *buddy, uint64_t end)
{
    uint32_t node = 1;
    unsigned order = buddy->height;

    if (end == (uint64_t)1 << order) return;
    while (order > 0) {
        order--;
        node = 2 * node;
        if ((end >> order & 1) == 0) buddy->lack[node + 1] = (uint8_t)(order + 1);
        else node++;
    }
    buddy->lack[node] = 1; /* the first block beyond the end */
    join_upward(buddy, node, 0);
}

void buddy_init(struct buddy *buddy, void *memory, const struct buddy_config *config)
{
    const size_t size = buddy_size(config);

    *buddy = (struct buddy){ .config = *config, .lack = memory };
    buddy->height = (uint8_t)height_of(config);
    buddy->block_shift = (uint8_t)shift_of(config->block_min);
    CHECK(buddy->lack[1] == 0 && buddy->lack[size - 1] == 0); /* zeroed, as far as a glance can tell */
    close_beyond(buddy, config->range_size >> buddy->block_shift);
}

uint64_t buddy_take(struct buddy *buddy, uint64_t size)
{
    CHECK(size >= 1);
    if (size > buddy->config.block_max) return BUDDY_NONE;
    const unsigned wanted = order_of(buddy->block_shift, size);
    unsigned order = buddy->height;
    uint32_t node = 1;

    if (wanted > order || free_of(buddy, node, order) < wanted + 1) return BUDDY_NONE;
    while (order > wanted) {
        order--;
        node = 2 * node;
        const unsigned left = free_of(buddy, node, order), right = free_of(buddy, node + 1, order);
        const bool right_fits = right >= wanted + 1, left_fits = left >= wanted + 1;
        CHECK(left_fits || right_fits);
        if (!left_fits || (right_fits && right < left)) node++;
    }
    CHECK(buddy->lack[node] == 0);
    buddy->lack[node] = (uint8_t)(order + 1);
    join_upward(buddy, node, order);
    buddy->taken_size += (uint64_t)1 << (order + buddy->block_shift);
    return (uint64_t)(node - ((uint32_t)1 << (buddy->height - order))) << (order + buddy->block_shift);
}

/* The taken node whose block begins at `offset`: the lowest on the way up from its first smallest block that has
 * nothing free. Below a taken node all lack nothing, so it is the first one met. */
static uint32_t taken_node(const struct buddy *buddy, uint64_t offset, unsigned *order)
{
    CHECK(offset < buddy->config.range_size);
    CHECK((offset & (buddy->config.block_min - 1)) == 0);
    uint32_t node = (uint32_t)(offset >> buddy->block_shift) + ((uint32_t)1 << buddy->height);
    unsigned above = 0;

    while (free_of(buddy, node, above) != 0) {
        CHECK(node > 1 && node % 2 == 0); /* else no taken block begins at this offset */
        node /= 2;
        above++;
    }
    *order = above;
    return node;
}

uint32_t buddy_block_size(const struct buddy *buddy, uint64_t offset)
{
    unsigned order;
    (void)taken_node(buddy, offset, &order);
    return buddy->config.block_min << order;
}

void buddy_give(struct buddy *buddy, uint64_t offset)
{
    unsigned order;
    const uint32_t node = taken_node(buddy, offset, &order);

    buddy->lack[node] = 0;
    join_upward(buddy, node, order);
    buddy->taken_size -= (uint64_t)1 << (order + buddy->block_shift);
}

/* A node with nothing free whose children lack nothing is a taken block, and so is a leaf with nothing free. */
static bool is_block(const struct buddy *buddy, uint32_t node, unsigned order)
{
    if (free_of(buddy, node, order) != 0) return false;
    return order == 0 || (buddy->lack[2 * node] == 0 && buddy->lack[2 * node + 1] == 0);
}

/* Bytes taken below a node. What is free as a whole is not looked into, nor is what lies in a block: a range of which
 * little is taken is checked at once, however large. */
static uint64_t check_below(const struct buddy *buddy, uint32_t node, unsigned order)
{
    const uint64_t offset = (uint64_t)(node - (1U << (buddy->height - order))) << (order + buddy->block_shift);

    CHECK(buddy->lack[node] <= order + 1);
    if (buddy->lack[node] == 0) return 0;
    if (is_block(buddy, node, order)) {
        return offset < buddy->config.range_size ? (uint64_t)1 << (order + buddy->block_shift) : 0;
    }
    const unsigned left = free_of(buddy, 2 * node, order - 1), right = free_of(buddy, 2 * node + 1, order - 1);
    CHECK(left != order || right != order);                              /* (1) */
    CHECK(free_of(buddy, node, order) == (left > right ? left : right)); /* (2) */
    return check_below(buddy, 2 * node, order - 1) + check_below(buddy, 2 * node + 1, order - 1);
}

void buddy_check(const struct buddy *buddy)
{
    CHECK(check_below(buddy, 1, buddy->height) == buddy->taken_size); /* (3) */
}
