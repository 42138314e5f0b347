#include "base/prng.h"
#include "base/check.h"

__extension__ typedef unsigned __int128 u128;

static uint64_t rotate_left(uint64_t value, unsigned count)
{
    return value << count | value >> (64 - count);
}

/* splitmix64 walks a counter and mixes it one to one: four outputs in a row are never all zero. */
static uint64_t splitmix_next(uint64_t *counter)
{
    *counter += 0x9e3779b97f4a7c15;
    uint64_t mixed = *counter;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return mixed ^ mixed >> 31;
}

void prng_init(struct prng *prng, uint64_t seed, uint64_t stream)
{
    /* The stream is mixed before it meets the seed: seed 1 of stream 2 must not be seed 2 of stream 1, and
     * neighbours must not be the same walk shifted by one. */
    uint64_t counter = stream;
    counter = seed ^ splitmix_next(&counter);
    for (unsigned i = 0; i < 4; i++) prng->s[i] = splitmix_next(&counter);
    prng_check(prng);
}

uint64_t prng_next(struct prng *prng)
{
    uint64_t *s = prng->s;
    const uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    const uint64_t shifted = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

/* Lemire's method: the high half of a product is uniform once the few low halves that would favour some results are
 * drawn again. That happens less often than once in 2^64 / bound, so two draws are rare and many are unheard of. */
uint64_t prng_below(struct prng *prng, uint64_t bound)
{
    CHECK(bound >= 1);
    u128 product = (u128)prng_next(prng) * bound;
    if ((uint64_t)product < bound) {
        const uint64_t unfair = -bound % bound;
        while ((uint64_t)product < unfair) product = (u128)prng_next(prng) * bound;
    }
    return (uint64_t)(product >> 64);
}

bool prng_chance(struct prng *prng, uint32_t numerator, uint32_t denominator)
{
    CHECK(denominator >= 1 && numerator <= denominator);
    /* The product of a 64-bit fraction and the denominator, without a second draw: the bias is below 2^-32. */
    return (uint64_t)((u128)prng_next(prng) * denominator >> 64) < numerator;
}

void prng_check(const struct prng *prng)
{
    CHECK((prng->s[0] | prng->s[1] | prng->s[2] | prng->s[3]) != 0); /* (1) */
}
