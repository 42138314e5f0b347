#include "sim/routes.h"

#include "base/check.h"

#include <stdlib.h>

void routes_init(struct routes *routes, uint64_t latency_ns)
{
    *routes = (struct routes){ .latency_ns = latency_ns, .zones = 1, .zone_factor = 1, .tail_per_10000 = 100 };
}

void routes_free(struct routes *routes)
{
    free(routes->places);
}

void routes_add_place(struct routes *routes)
{
    if (routes->place_count == routes->place_max) {
        routes->place_max = routes->place_max == 0 ? 8 : routes->place_max * 2;
        routes->places = realloc(routes->places, routes->place_max * sizeof *routes->places);
    }
    routes->places[routes->place_count++] = (struct place){ .slow_factor = 1 };
}

/* ---- obstacles ---- */

uint32_t routes_block(struct routes *routes, uint8_t ways, uint8_t channels, uint64_t until_ns)
{
    uint32_t slot = 0;

    while (slot < OBSTACLES_MAX && (routes->used & 1U << slot) != 0) slot++;
    if (slot == OBSTACLES_MAX) return OBSTACLE_NONE;
    routes->used |= 1U << slot;
    routes->obstacles[slot] =
        (struct obstacle){ .used = true, .ways = ways, .channels = channels, .until_ns = until_ns };
    return slot;
}

void routes_join(struct routes *routes, uint32_t obstacle, uint32_t machine)
{
    CHECK(routes->obstacles[obstacle].used && machine < routes->place_count);
    routes->places[machine].obstacles |= 1U << obstacle;
}

void routes_unblock(struct routes *routes, uint32_t obstacle)
{
    if (!routes->obstacles[obstacle].used) return;
    routes->obstacles[obstacle].used = false;
    routes->used &= ~(1U << obstacle);
    for (uint32_t i = 0; i < routes->place_count; i++) routes->places[i].obstacles &= ~(1U << obstacle);
}

void routes_unblock_all(struct routes *routes)
{
    for (uint32_t slot = 0; slot < OBSTACLES_MAX; slot++) routes_unblock(routes, slot);
}

uint64_t routes_blocked_until(const struct routes *routes, uint32_t from, uint32_t to, uint8_t listener)
{
    const uint32_t out = from == PLACE_CLIENT ? 0 : routes->places[from].obstacles;
    const uint32_t in = to == PLACE_CLIENT ? 0 : routes->places[to].obstacles;
    uint64_t until_ns = 0;

    for (uint32_t differ = out ^ in; differ != 0; differ &= differ - 1) {
        const uint32_t slot = (uint32_t)__builtin_ctz(differ);
        const struct obstacle *obstacle = &routes->obstacles[slot];
        const uint8_t way = (out & 1U << slot) != 0 ? WAY_OUT : WAY_IN;
        if ((obstacle->ways & way) == 0 || (obstacle->channels & 1U << listener) == 0) continue;
        if (obstacle->until_ns > until_ns) until_ns = obstacle->until_ns;
    }
    return until_ns;
}

/* ---- time ---- */

static uint32_t zone(const struct routes *routes, uint32_t place)
{
    return place % routes->zones;
}

uint64_t routes_delay(const struct routes *routes, uint32_t from, uint32_t to, struct prng *prng)
{
    uint64_t base = routes->latency_ns, factor = 1;

    if (from != PLACE_CLIENT && to != PLACE_CLIENT && zone(routes, from) != zone(routes, to)) {
        base *= routes->zone_factor;
    }
    if (from != PLACE_CLIENT) factor = routes->places[from].slow_factor;
    if (to != PLACE_CLIENT && routes->places[to].slow_factor > factor) factor = routes->places[to].slow_factor;
    base *= factor;
    uint64_t delay = base / 2 + prng_below(prng, base) + 1;
    /* A tail without end would have a mean that the rare draw decides: this one stops at 256 times the usual. */
    if (prng_chance(prng, routes->tail_per_10000, 10000)) delay += prng_below(prng, base << (1 + prng_below(prng, 8)));
    return delay;
}

uint64_t routes_transmit(struct routes *routes, uint32_t from, uint64_t now_ns, uint32_t size)
{
    if (routes->bytes_per_ms == 0 || from == PLACE_CLIENT) return 0;
    struct place *place = &routes->places[from];
    if (place->free_ns < now_ns) place->free_ns = now_ns;
    place->free_ns += (uint64_t)size * 1000000 / routes->bytes_per_ms;
    return place->free_ns - now_ns;
}
