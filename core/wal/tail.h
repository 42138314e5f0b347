/* tail.h -- the memory that holds what was appended lately.
 *
 * One range, cut into units. A chunk is one unit, or a run of units for an entry that is larger than one; runs come
 * from a quarter of the range that single units never use, so that small entries cannot starve a large one. A chunk
 * is free again when nobody pins it: the journal round that is to be written from it, the log that has not flushed
 * it, a response that is being sent from it. Free units are reused last in, first out: a quiet node touches little
 * memory, and that stays in the cache.
 *
 * Invariants, numbered as in tail_check():
 *   (1) A unit is free, or the first of a chunk with at least one pin, or a later one of a run.
 *   (2) used_units counts those that are not free. */
#ifndef CHRONIK_WAL_TAIL_H
#define CHRONIK_WAL_TAIL_H

#include "base/bytes.h"

enum { CHUNK_NONE = UINT32_MAX };

struct tail_config {
    uint32_t unit_size;   /* a power of two, at least 512 */
    uint64_t memory_size; /* a multiple of unit_size, at least 8 units */
};

struct tail;
size_t tail_size(const struct tail_config *config);
void tail_init(struct tail *tail, const struct tail_config *config);

/* The largest entry that can ever be had. */
uint64_t tail_entry_size_max(const struct tail_config *config);

/* A chunk of at least `size` bytes with one pin. CHUNK_NONE: no memory until something is unpinned. */
uint32_t tail_take(struct tail *tail, uint32_t size);

uint8_t *tail_data(const struct tail *tail, uint32_t chunk);
uint32_t tail_chunk_size(const struct tail *tail, uint32_t chunk);

void tail_pin(struct tail *tail, uint32_t chunk);
void tail_unpin(struct tail *tail, uint32_t chunk);

/* Bytes in chunks that are pinned, of memory_size. */
uint64_t tail_used_size(const struct tail *tail);
uint64_t tail_memory_size(const struct tail *tail);

void tail_check(const struct tail *tail);

#endif
