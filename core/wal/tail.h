/* tail.h -- the memory that holds what was appended lately.
 *
 * Chunks of one size out of one range; an entry that is larger gets a chunk of its own size. A chunk is free again when
 * nobody pins it any more: the journal round that is to be written from it, the log that has not flushed it, a
 * response that is being sent from it. Free chunks are reused last in, first out, so that a quiet node touches little
 * memory. */
#ifndef CHRONIK_WAL_TAIL_H
#define CHRONIK_WAL_TAIL_H

#include "base/bytes.h"

enum { CHUNK_NONE = UINT32_MAX };

struct tail_config {
    uint32_t chunk_size; /* a power of two, at least 4096 */
    uint64_t memory_size; /* a multiple of chunk_size */
};

struct tail;
size_t tail_size(const struct tail_config *config);
void tail_init(struct tail *tail, const struct tail_config *config);

/* A chunk of at least `size` bytes with one pin. CHUNK_NONE: no memory until something is unpinned. */
uint32_t tail_take(struct tail *tail, uint32_t size);

uint8_t *tail_data(const struct tail *tail, uint32_t chunk);
uint32_t tail_chunk_size(const struct tail *tail, uint32_t chunk); /* usable bytes */

void tail_pin(struct tail *tail, uint32_t chunk);
void tail_unpin(struct tail *tail, uint32_t chunk);

/* Bytes in chunks that are pinned, of memory_size. */
uint64_t tail_used_size(const struct tail *tail);
uint64_t tail_memory_size(const struct tail *tail);

void tail_check(const struct tail *tail);

#endif
