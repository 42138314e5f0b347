/* hash.h -- spreads keys over a table, by a seed that whoever chooses the keys does not know.
 *
 * Multiply and fold, 64 bits at a time. Two nodes with one seed hash alike, which is what a replay needs; nothing
 * that leaves the node or decides an order may depend on a hash. */
#ifndef CHRONIK_BASE_HASH_H
#define CHRONIK_BASE_HASH_H

#include "base/bytes.h"

__extension__ typedef unsigned __int128 hash_product;

/* One round: both factors are kept away from zero, which would swallow the other one. */
static inline uint64_t hash_mix(uint64_t hash, uint64_t word)
{
    const hash_product product = (hash_product)(hash ^ 0xa0761d6478bd642f) * (word ^ 0xe7037ed1a0b428db);
    return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

static inline uint64_t hash_bytes(uint64_t seed, struct bytes bytes)
{
    uint64_t hash = hash_mix(seed, bytes.size);
    uint32_t at = 0;

    for (; bytes.size - at >= 8; at += 8) hash = hash_mix(hash, load_u64(bytes.data + at));
    if (at < bytes.size) {
        uint64_t rest = 0;
        memcpy(&rest, bytes.data + at, bytes.size - at);
        hash = hash_mix(hash, rest);
    }
    return hash_mix(hash, seed);
}

#endif
