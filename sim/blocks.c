#include "sim/blocks.h"

#include "base/check.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum {
    PAGE = 4096,
    KEPT_MAX = 64,         /* blocks that wait for a next node */
    LOOK = 1024,           /* pages that are asked about at a time */
    CLEARED_MAX = 4 << 20, /* bytes of a block: more of them go back to the kernel */
    IDLE_MAX = 512         /* pages of a block that were written in an earlier life: to look at them costs more */
};

static struct {
    void *block;
    size_t size;
} kept[KEPT_MAX];
static uint32_t kept_count;

/* A size that others may use too: to the next eighth of a power of two. */
static size_t rounded(size_t size)
{
    size_t step = PAGE;

    while (step * 16 <= size) step *= 2;
    return (size + step - 1) / step * step;
}

void *block_take(size_t size)
{
    const size_t whole = rounded(size);

    for (uint32_t i = kept_count; i-- > 0;) {
        if (kept[i].size != whole) continue;
        void *block = kept[i].block;
        kept[i] = kept[--kept_count];
        return block;
    }
    void *block = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(block != MAP_FAILED);
    return block;
}

static void give_back(void *memory, size_t size)
{
    CHECK(madvise(memory, size, MADV_DONTNEED) == 0);
}

static bool is_zeros(const uint8_t *page)
{
    static const uint8_t zeros[PAGE];

    return memcmp(page, zeros, PAGE) == 0;
}

void block_clear(void *block, size_t size)
{
    const size_t whole = rounded(size);
    unsigned char there[LOOK];
    uint8_t *at = block;
    size_t cleared = 0, idle = 0; /* most nodes touch a sixth of what others touched before them */

    for (size_t first = 0; first < whole / PAGE; first += LOOK) {
        const size_t count = whole / PAGE - first < LOOK ? whole / PAGE - first : LOOK;
        if (cleared > CLEARED_MAX || mincore(at + first * PAGE, count * PAGE, there) != 0) {
            give_back(at + first * PAGE, whole - first * PAGE);
            return;
        }
        for (size_t i = 0; i < count; i++) {
            uint8_t *page = at + (first + i) * PAGE;
            if ((there[i] & 1) == 0) continue;
            if (is_zeros(page)) {
                idle++;
                continue;
            }
            memset(page, 0, PAGE);
            cleared += PAGE;
        }
    }
    if (idle > IDLE_MAX) give_back(at, whole);
}

void block_give(void *block, size_t size)
{
    if (kept_count == KEPT_MAX) {
        munmap(block, rounded(size));
        return;
    }
    kept[kept_count].block = block;
    kept[kept_count++].size = rounded(size);
}
