/* latency.h -- how long something takes, as a histogram: counts by upper bound, and the sum. */
#ifndef CHRONIK_BASE_LATENCY_H
#define CHRONIK_BASE_LATENCY_H

#include "base/bytes.h"

enum { LATENCY_BOUNDS = 12 };

/* From what one local sync takes up to what an election takes. */
static const uint32_t latency_bounds_us[LATENCY_BOUNDS] = { 250,   500,   1000,   2500,   5000,    10000,
                                                            25000, 50000, 100000, 250000, 1000000, 5000000 };

struct latency {
    uint64_t counts[LATENCY_BOUNDS + 1]; /* longer than the bound before, no longer than this one; last: longer yet */
    uint64_t count;
    uint64_t sum_us;
};

static inline void latency_add(struct latency *latency, uint64_t ns)
{
    const uint64_t us = ns / 1000;
    uint32_t place = 0;

    while (place < LATENCY_BOUNDS && us > latency_bounds_us[place]) place++;
    latency->counts[place]++;
    latency->count++;
    latency->sum_us += us;
}

#endif
