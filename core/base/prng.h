/* prng.h -- numbers that look random and come again from the same seed.
 *
 * xoshiro256** (Blackman and Vigna), seeded through splitmix64. Whoever needs randomness owns a generator; streams
 * of one seed are independent of each other, so that one subsystem's draws never shift another's. Not for secrets.
 *
 * Invariant, as in prng_check(): (1) the state is never all zero, which would repeat zero for ever. */
#ifndef CHRONIK_BASE_PRNG_H
#define CHRONIK_BASE_PRNG_H

#include <stdbool.h>
#include <stdint.h>

struct prng {
    uint64_t s[4];
};

/* Begins stream `stream` of `seed`; any two numbers will do, zero included. */
void prng_init(struct prng *prng, uint64_t seed, uint64_t stream);

/* All 64 bits are good. */
uint64_t prng_next(struct prng *prng);

/* Each number in [0, bound) is equally likely. The bound is at least 1. */
uint64_t prng_below(struct prng *prng, uint64_t bound);

/* True `numerator` times out of `denominator`. Always draws once, so that a changed rate does not shift what follows
 * it. The denominator is at least 1 and the numerator at most as large. */
bool prng_chance(struct prng *prng, uint32_t numerator, uint32_t denominator);

void prng_check(const struct prng *prng);

#endif
