/* wish_window.h -- which of one node's wishes are settled already?
 *
 * A node numbers the changes that it wishes for, and may ask for each of them more than once: the leader that it asked
 * may be gone, or slow. At most WISHES_OPEN_MAX of them are open at a time, and each says which is the lowest open
 * one. So a floor and 64 bits are enough to know for ever what was applied:
 *
 *     sequence    ... 16 17 | 18 19 20 21 22 ... 81 |
 *                  settled  |     x  x              |
 *                           `floor  `a bit for each applied one
 *
 * What lies below the floor was applied, or its origin has given it up: either way it is applied no more.
 *
 * Invariants, numbered as in wish_window_check():
 *   (1) Sequences begin at 1, and so does the floor.
 *   (2) The floor itself is not applied: it rises over what is. So equal histories make equal windows. */
#ifndef CHRONIK_META_WISH_WINDOW_H
#define CHRONIK_META_WISH_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum { WISHES_OPEN_MAX = 64 };

#define WISH_SEQUENCE_MAX ((uint64_t)1 << 62) /* no node wishes so often; sums with it do not overflow */

struct wish_window {
    uint64_t floor;
    uint64_t applied; /* bit i: the wish floor + i */
};

/* Nothing is settled yet. */
void wish_window_init(struct wish_window *window);

enum wish_standing {
    WISH_NEW,
    WISH_SETTLED,    /* applied, or given up */
    WISH_IMPOSSIBLE, /* no origin numbers its wishes like this */
};

/* A wish `sequence` of an origin that has none open below `first_open`. */
enum wish_standing wish_window_judge(const struct wish_window *window, uint64_t first_open, uint64_t sequence);

/* Settles a new wish, and all below `first_open`. */
void wish_window_settle(struct wish_window *window, uint64_t first_open, uint64_t sequence);

bool wish_window_has(const struct wish_window *window, uint64_t sequence);

void wish_window_check(const struct wish_window *window);

#endif
