/* chain.h -- numbered things that wait in a line, each at most once, and may step out of it from anywhere. */
#ifndef CHRONIK_BASE_CHAIN_H
#define CHRONIK_BASE_CHAIN_H

#include "base/check.h"

#include <stdint.h>

#define CHAIN_NONE UINT32_MAX

struct chain_hook {
    uint32_t next, previous; /* CHAIN_NONE at an end */
    bool waits;
};

struct chain {
    struct chain_hook *hooks; /* one for each thing, zeroed at first */
    uint32_t first, last;
    uint32_t count;
};

static inline void chain_init(struct chain *chain, struct chain_hook *hooks)
{
    *chain = (struct chain){ .hooks = hooks, .first = CHAIN_NONE, .last = CHAIN_NONE };
}

static inline bool chain_has(const struct chain *chain, uint32_t number)
{
    return chain->hooks[number].waits;
}

/* At the end, unless it waits already. */
static inline void chain_add(struct chain *chain, uint32_t number)
{
    if (chain_has(chain, number)) return;
    chain->hooks[number] = (struct chain_hook){ .next = CHAIN_NONE, .previous = chain->last, .waits = true };
    if (chain->last != CHAIN_NONE) chain->hooks[chain->last].next = number;
    else chain->first = number;
    chain->last = number;
    chain->count++;
}

static inline void chain_remove(struct chain *chain, uint32_t number)
{
    if (!chain_has(chain, number)) return;
    struct chain_hook *hook = &chain->hooks[number];
    if (hook->previous != CHAIN_NONE) chain->hooks[hook->previous].next = hook->next;
    else chain->first = hook->next;
    if (hook->next != CHAIN_NONE) chain->hooks[hook->next].previous = hook->previous;
    else chain->last = hook->previous;
    hook->waits = false;
    CHECK(chain->count > 0);
    chain->count--;
}

/* The first, which waits no more; CHAIN_NONE: nobody waits. */
static inline uint32_t chain_take(struct chain *chain)
{
    const uint32_t number = chain->first;

    if (number != CHAIN_NONE) chain_remove(chain, number);
    return number;
}

#endif
