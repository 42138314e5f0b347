/* when.h -- "beginning", "end", "1234", "-10", "@1700000000000", "@2024-02-29T12:00:00": a place in a partition. */
#ifndef CHRONIK_RUNTIME_CLIENT_WHEN_H
#define CHRONIK_RUNTIME_CLIENT_WHEN_H

#include <stdbool.h>
#include <stdint.h>

enum when_kind { WHEN_BEGINNING, WHEN_END, WHEN_OFFSET, WHEN_LAST, WHEN_TIME };

struct when {
    enum when_kind kind;
    int64_t number; /* the offset; how many before the end; ms since 1970 */
};

/* False: it is none of these. */
bool when_parse(const char *text, struct when *when);

/* The offset that it is in a partition with this first offset and this end. `timed` is that of the first record since
 * a time; -1: there is none. */
int64_t when_offset(const struct when *when, int64_t first, int64_t end, int64_t timed);

#endif
