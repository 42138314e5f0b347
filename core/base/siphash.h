/* siphash.h -- 128 bits that stand for a key of any length: SipHash-2-4 of Aumasson and Bernstein, its long output.
 *
 * For tables that do not keep the keys themselves. Whoever does not know the seed cannot find two keys of one hash
 * (which for MD5 and its like anybody can), and by chance that does not happen: among a billion keys once in 10^20
 * tables. hash.h is faster, and for tables that compare keys. */
#ifndef CHRONIK_BASE_SIPHASH_H
#define CHRONIK_BASE_SIPHASH_H

#include "base/bytes.h"

struct hash128 {
    uint64_t low;
    uint64_t high;
};

struct hash128 siphash128(uint64_t seed_low, uint64_t seed_high, struct bytes bytes);

#endif
