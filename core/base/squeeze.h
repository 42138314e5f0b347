/* squeeze.h -- bytes that repeat themselves, in fewer bytes.
 *
 * For what is written once and read seldom, where a codec of a library would make our own bytes depend on its version:
 * the same bytes are squeezed to the same bytes for ever. It finds repetitions of four bytes and more within 64 KiB.
 *
 *     u32 size of the whole, then tokens until the end, numbers big-endian:
 *     0nnnnnnn                    n + 1 bytes as they are follow
 *     1nnnnnnn u16 d              n + 4 bytes, the same as those d before (n < 127)
 *     11111111 u16 d u16 l        l bytes, the same as those d before; the two may overlap */
#ifndef CHRONIK_BASE_SQUEEZE_H
#define CHRONIK_BASE_SQUEEZE_H

#include "base/bytes.h"

enum { SQUEEZE_PLACES = 4096, SQUEEZE_HEAD_SIZE = 4 };

/* What a squeezing needs while it lasts. */
struct squeeze_table {
    uint32_t places[SQUEEZE_PLACES];
};

/* The size of the result, at most `size_max`; 0: it does not fit. */
uint32_t squeeze(struct squeeze_table *table, struct bytes from, uint8_t *to, uint32_t size_max);

/* What it was before. False: these bytes were never squeezed, or it does not fit. Never writes beyond size_max. */
bool unsqueeze(struct bytes from, uint8_t *to, uint32_t size_max, uint32_t *size);

#endif
