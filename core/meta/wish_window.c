#include "meta/wish_window.h"

#include "base/check.h"

void wish_window_init(struct wish_window *window)
{
    *window = (struct wish_window){ .floor = 1 };
}

bool wish_window_has(const struct wish_window *window, uint64_t sequence)
{
    if (sequence < window->floor) return true;
    return sequence - window->floor < WISHES_OPEN_MAX && (window->applied >> (sequence - window->floor) & 1) != 0;
}

enum wish_standing wish_window_judge(const struct wish_window *window, uint64_t first_open, uint64_t sequence)
{
    if (first_open < 1 || sequence < first_open || sequence > WISH_SEQUENCE_MAX) return WISH_IMPOSSIBLE;
    if (sequence - first_open >= WISHES_OPEN_MAX) return WISH_IMPOSSIBLE;
    return wish_window_has(window, sequence) ? WISH_SETTLED : WISH_NEW;
}

static void raise(struct wish_window *window, uint64_t floor)
{
    if (floor <= window->floor) return;
    const uint64_t by = floor - window->floor;
    window->applied = by < WISHES_OPEN_MAX ? window->applied >> by : 0;
    window->floor = floor;
}

void wish_window_settle(struct wish_window *window, uint64_t first_open, uint64_t sequence)
{
    CHECK(wish_window_judge(window, first_open, sequence) == WISH_NEW);
    raise(window, first_open);
    window->applied |= (uint64_t)1 << (sequence - window->floor);
    while ((window->applied & 1) != 0) raise(window, window->floor + 1);
    wish_window_check(window);
}

void wish_window_check(const struct wish_window *window)
{
    CHECK(window->floor >= 1);         /* (1) */
    CHECK((window->applied & 1) == 0); /* (2) */
}
