/* pace.h -- when may work that costs so many bytes go on, so that it does not cost more than so many a second?
 *
 * What is taken is paid for afterwards, by waiting: whoever waits until `free_ns` before he takes more never takes more
 * than the rate over any stretch of time that begins with a piece of work, plus the one piece that ends it. Time that
 * passed without work is not saved up. It is given the time, and keeps none. */
#ifndef CHRONIK_LOG_PACE_H
#define CHRONIK_LOG_PACE_H

#include <stdint.h>

struct pace {
    uint64_t rate;    /* bytes a second; 0: no limit */
    uint64_t free_ns; /* what was taken is paid for by then */
};

/* A new rate counts from now on: what was taken by the old one is forgotten. */
void pace_set(struct pace *pace, uint64_t rate, uint64_t now_ns);

void pace_take(struct pace *pace, uint32_t size, uint64_t now_ns);

#endif
