/* texts.h -- keeps bytes that clients sent, of very different size, in a bounded range.
 *
 * Group and member ids, subscriptions, assignments: their number and size are the clients' choice, the sum is not. Who
 * finds no room is told so. What is empty takes no room, and null is kept as empty: nothing here needs the difference.
 */
#ifndef CHRONIK_GROUP_TEXTS_H
#define CHRONIK_GROUP_TEXTS_H

#include "base/buddy.h"
#include "base/bytes.h"

enum { TEXT_BLOCK_SIZE = 64 }; /* the smallest block: an id and a uuid */

/* Where a text is. Zeroed: an empty one. */
struct kept {
    uint32_t block; /* in blocks of TEXT_BLOCK_SIZE */
    uint32_t size;
};

struct texts {
    struct buddy buddy;
    uint8_t *memory;
};

/* `memory_size` is a power of two, of 64 KiB or more. */
size_t texts_size(uint64_t memory_size);

/* In zeroed memory, aligned to 64; touched only as it is used. */
void texts_init(struct texts *texts, void *memory, uint64_t memory_size);

/* Keeps a copy. False, and nothing changed: there is no room. */
bool texts_keep(struct texts *texts, struct bytes bytes, struct kept *kept);

/* Room for `size` bytes that the caller fills in; NULL: there is none. Size 0 has an address, and takes no room. */
uint8_t *texts_take(struct texts *texts, uint32_t size, struct kept *kept);

/* Gives it back, and leaves an empty text. */
void texts_give(struct texts *texts, struct kept *kept);

/* Puts these bytes in its place; they may lie in no text. False, and nothing changed: there is no room for both. */
bool texts_replace(struct texts *texts, struct kept *kept, struct bytes bytes);

/* Stays where it is until it is given back. Never a NULL pointer. */
struct bytes texts_bytes(const struct texts *texts, const struct kept *kept);

static inline bool texts_equal(const struct texts *texts, const struct kept *kept, struct bytes bytes)
{
    return bytes_equal(texts_bytes(texts, kept), bytes);
}

#endif
