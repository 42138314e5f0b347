/* content.h -- the bytes of a file, twice: as its process sees them, and as a power loss would leave them.
 *
 * Both are pages that are shared while they are equal, with each other and with copies of the whole disk. So a sync
 * moves pointers, and a copy of a disk costs what differs. */
#ifndef CHRONIK_SIM_CONTENT_H
#define CHRONIK_SIM_CONTENT_H

#include "base/prng.h"

#include <stdbool.h>
#include <stdint.h>

enum { SECTOR_SIZE = 512, CONTENT_PAGE_SIZE = 8 * SECTOR_SIZE };

/* What a power loss does to sectors and names that were not synced. */
enum loss {
    LOSS_ALL,   /* all of them are lost */
    LOSS_NONE,  /* none is: the same as a killed process */
    LOSS_MIXED, /* each sector for itself, each directory a prefix */
    LOSS_COUNT,
};

struct page;

struct content {
    struct page **now, **durable; /* NULL: zeros */
    uint8_t *dirty;               /* per page a bit per sector whose two versions may differ */
    uint32_t *dirty_pages;
    uint32_t dirty_count, page_max;
    uint32_t size, durable_size;
    bool tainted; /* a sync failed: sectors that differ are taken for clean */
    bool forgotten;
};

void content_free(struct content *content);
void content_write(struct content *content, uint64_t position, const uint8_t *data, uint32_t size);
void content_truncate(struct content *content, uint32_t size);

/* What the process sees; returns the bytes there are. */
uint32_t content_read(const struct content *content, uint64_t position, uint8_t *into, uint32_t size);

void content_sync(struct content *content);

/* What could not be written is marked clean: the process goes on to see it, the disk will never have it. */
void content_fail_sync(struct content *content);

struct loss_count {
    uint64_t sectors_lost, sectors_kept;
};
void content_lose(struct content *content, enum loss loss, struct prng *prng, struct loss_count *count);

/* Nobody can come by it any more. Its bytes are given back; a power loss draws for it what it would have drawn, so that
 * what becomes of other files does not depend on when this one went. */
void content_forget(struct content *content);

void content_copy(const struct content *from, struct content *to);
void content_flip(struct content *content, uint32_t position, uint8_t bit);

#endif
