/* Bytes that are said to be squeezed, and bytes that are: nothing is written where it does not belong, and all comes
 * back. */
#include "base/check.h"
#include "base/squeeze.h"

#include <stdlib.h>

enum { ROOM = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct squeeze_table table;
    const struct bytes input = { data, (uint32_t)MIN(size, (size_t)ROOM) };
    const uint32_t room = size == 0 ? 0 : data[size - 1] * 16U;
    uint8_t *to = malloc(room + 1);
    uint32_t got = 0;

    if (unsqueeze(input, to, room, &got)) CHECK(got <= room);
    free(to);

    uint8_t *squeezed = malloc(2 * ROOM), *back = malloc(input.size + 1);
    const uint32_t squeezed_size = squeeze(&table, input, squeezed, 2 * ROOM);
    CHECK(squeezed_size > 0);
    CHECK(unsqueeze((struct bytes){ squeezed, squeezed_size }, back, input.size, &got) && got == input.size);
    CHECK(got == 0 || memcmp(back, input.data, got) == 0);
    free(squeezed);
    free(back);
    return 0;
}
