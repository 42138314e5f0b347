#include "base/pool.h"
#include "base/check.h"

#define POOL_TAKEN (UINT32_MAX - 1)

size_t pool_size(uint32_t slots_max)
{
    return slots_max * sizeof(uint32_t);
}

void pool_init(struct pool *pool, void *memory, uint32_t slots_max)
{
    CHECK(slots_max < POOL_TAKEN);
    CHECK((uintptr_t)memory % sizeof(uint32_t) == 0);
    *pool = (struct pool){ .slots_max = slots_max, .free_first = POOL_NONE, .next = memory };
}

uint32_t pool_take(struct pool *pool)
{
    uint32_t slot = pool->free_first;

    if (slot != POOL_NONE) pool->free_first = pool->next[slot];
    else if (pool->fresh_first < pool->slots_max) slot = pool->fresh_first++;
    else return POOL_NONE;

    pool->next[slot] = POOL_TAKEN;
    pool->taken_count++;
    return slot;
}

void pool_give(struct pool *pool, uint32_t slot)
{
    CHECK(pool_is_taken(pool, slot));
    pool->next[slot] = pool->free_first;
    pool->free_first = slot;
    pool->taken_count--;
}

bool pool_is_taken(const struct pool *pool, uint32_t slot)
{
    CHECK(slot < pool->slots_max);
    return slot < pool->fresh_first && pool->next[slot] == POOL_TAKEN;
}

void pool_check(const struct pool *pool)
{
    uint32_t taken = 0, listed = 0;

    CHECK(pool->fresh_first <= pool->slots_max);
    for (uint32_t slot = 0; slot < pool->fresh_first; slot++) taken += pool->next[slot] == POOL_TAKEN;
    for (uint32_t slot = pool->free_first; slot != POOL_NONE; slot = pool->next[slot]) {
        CHECK(slot < pool->fresh_first && pool->next[slot] != POOL_TAKEN); /* (1) */
        CHECK(++listed <= pool->fresh_first);                              /* (1): no circle */
    }
    CHECK(taken == pool->taken_count);          /* (2) */
    CHECK(taken + listed == pool->fresh_first); /* (1) */
}
