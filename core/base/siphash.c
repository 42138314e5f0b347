#include "base/siphash.h"

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotated(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void mix(struct sip *sip, unsigned rounds)
{
    while (rounds-- > 0) {
        sip->v0 += sip->v1;
        sip->v1 = rotated(sip->v1, 13) ^ sip->v0;
        sip->v0 = rotated(sip->v0, 32);
        sip->v2 += sip->v3;
        sip->v3 = rotated(sip->v3, 16) ^ sip->v2;
        sip->v0 += sip->v3;
        sip->v3 = rotated(sip->v3, 21) ^ sip->v0;
        sip->v2 += sip->v1;
        sip->v1 = rotated(sip->v1, 17) ^ sip->v2;
        sip->v2 = rotated(sip->v2, 32);
    }
}

static void take_word(struct sip *sip, uint64_t word)
{
    sip->v3 ^= word;
    mix(sip, 2);
    sip->v0 ^= word;
}

static uint64_t little_endian(const uint8_t *from, uint32_t size)
{
    uint64_t word = 0;

    for (uint32_t i = 0; i < size; i++) word |= (uint64_t)from[i] << 8 * i;
    return word;
}

struct hash128 siphash128(uint64_t seed_low, uint64_t seed_high, struct bytes bytes)
{
    struct sip sip = { seed_low ^ 0x736f6d6570736575, seed_high ^ 0x646f72616e646f6d ^ 0xee,
                       seed_low ^ 0x6c7967656e657261, seed_high ^ 0x7465646279746573 };
    const uint32_t whole = bytes.size / 8 * 8;
    struct hash128 hash;

    for (uint32_t at = 0; at < whole; at += 8) take_word(&sip, little_endian(bytes.data + at, 8));
    /* A key of no bytes may have no address. */
    const uint64_t rest = bytes.size == whole ? 0 : little_endian(bytes.data + whole, bytes.size - whole);
    take_word(&sip, (uint64_t)bytes.size << 56 | rest);
    sip.v2 ^= 0xee;
    mix(&sip, 4);
    hash.low = sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
    sip.v1 ^= 0xdd;
    mix(&sip, 4);
    hash.high = sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
    return hash;
}
