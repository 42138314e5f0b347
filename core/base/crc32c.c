#include "base/crc32c.h"
#include "base/bytes.h"

/* ISA-L's: it neither inverts the register before nor after, reads only, and takes an int for the size. */
unsigned int crc32_iscsi(unsigned char *data, int size, unsigned int crc_register);

enum { PIECE_SIZE = 1 << 30 };

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *from = data;
    uint32_t state = ~crc;

    while (size > 0) {
        const int piece = (int)MIN(size, (size_t)PIECE_SIZE);
        state = crc32_iscsi((unsigned char *)(uintptr_t)from, piece, state);
        from += piece;
        size -= (size_t)piece;
    }
    return ~state;
}
