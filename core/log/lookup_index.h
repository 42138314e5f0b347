/* lookup_index.h -- which is the last entry of an index at or below what is searched? Read in pages, by halving. */
#ifndef CHRONIK_LOG_LOOKUP_INDEX_H
#define CHRONIK_LOG_LOOKUP_INDEX_H

#include "log/state.h"

/* Of a lookup in LOOKUP_INDEX (for lookup->offset) or LOOKUP_TIME (for lookup->timestamp): reads a page of the
 * entries that are not decided. */
void lookup_order_page(struct logs *logs, struct lookup *lookup, struct effects *effects);

enum page_verdict {
    PAGE_MORE, /* another page is needed */
    PAGE_DONE, /* index_found or time_found is the entry, or none */
    PAGE_BAD,  /* these are not entries of an index */
};
enum page_verdict lookup_take_page(const struct logs *logs, struct lookup *lookup, uint32_t size);

/* lookup.c: orders a read of one of the segment's files, answered as part 0. */
void lookup_order_read(struct logs *logs, struct lookup *lookup, enum segment_file file, uint32_t position,
                       uint8_t *into, uint32_t size, struct effects *effects);

/* lookup.c: a slot for a lookup in a segment, which is pinned; NULL: none, or no order is left in this step. */
struct lookup *lookup_begin(struct logs *logs, uint32_t log, uint32_t segment, enum lookup_wants wants, uint64_t waiter,
                            const struct effects *effects);

#endif
