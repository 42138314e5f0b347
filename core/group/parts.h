/* parts.h -- lists of partitions as members own them: sorted by the topic's id, then by index, each one once. */
#ifndef CHRONIK_GROUP_PARTS_H
#define CHRONIK_GROUP_PARTS_H

#include "base/uuid.h"

struct part {
    struct uuid topic;
    int32_t index;
};
_Static_assert(sizeof(struct part) == 20, "they are kept as bytes, without gaps");

struct part_list {
    const struct part *list;
    uint32_t count;
};

/* Below 0, 0, or above. */
int part_compare(const struct part *a, const struct part *b);

bool parts_have(struct part_list parts, const struct part *part);
bool parts_equal(struct part_list a, struct part_list b);

/* Whether all of `inner` is in `outer`, and whether they have something in common. */
bool parts_within(struct part_list inner, struct part_list outer);
bool parts_meet(struct part_list a, struct part_list b);

/* Puts a list in order, and takes out what is there twice. Returns how many are left. O(n log n). */
uint32_t parts_sort(struct part *list, uint32_t count);

/* How many of a list, from the first on, are of the topic of the first one. */
uint32_t parts_of_topic(struct part_list parts);

/* How many topics they are of. */
uint32_t parts_topic_count(struct part_list parts);

/* As bytes, for keeping; they lie aligned to 4. */
static inline struct bytes parts_bytes(struct part_list parts)
{
    return (struct bytes){ (const uint8_t *)parts.list, parts.count * (uint32_t)sizeof(struct part) };
}

static inline struct part_list parts_in(struct bytes bytes)
{
    return (struct part_list){ (const struct part *)(const void *)bytes.data,
                               bytes.size / (uint32_t)sizeof(struct part) };
}

#endif
