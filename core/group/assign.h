/* assign.h -- which member of a group is to read which partition?
 *
 * Two answers, as KIP-848 has them. Both see nothing but numbers: members, topics and partitions are counted from 0,
 * a topic's partitions follow each other, and members that subscribe to the same topics share a set of them.
 *
 *   range    each topic for itself: its subscribers, in their order, get stretches of it, the first ones one more where
 *            it does not come out even. Topics of as many partitions and the same subscribers are cut alike, so that
 *            whoever has partition 3 of the one has partition 3 of the other.
 *   uniform  what somebody has stays with him as far as that is fair: nobody has two more than another member who
 *            might have one of them.
 *
 * O(p log m + t m) for range with p partitions, t topics and m members; uniform makes a bounded number of rounds of
 * O(p log m + s), where s is what all topics have in subscribers, counted once where neighbours have the same. */
#ifndef CHRONIK_GROUP_ASSIGN_H
#define CHRONIK_GROUP_ASSIGN_H

#include <stdint.h>

#define ASSIGN_NOBODY UINT32_MAX

struct assign {
    uint32_t member_count, topic_count, set_count;
    const uint32_t *topic_first; /* [topic_count + 1]: its first partition */
    const uint32_t *member_set;  /* [member_count] */
    const uint32_t *set_first;   /* [set_count + 1]: its first topic in set_topics */
    const uint32_t *set_topics;  /* rising within a set */
    const uint32_t *order;       /* [member_count]: the members as range takes them */
    uint32_t *owner;             /* [partitions]: who has it, and then who is to have it; or ASSIGN_NOBODY */
    uint32_t *scratch;           /* [assign_scratch_count] */
};

uint64_t assign_scratch_count(uint64_t members, uint64_t topics, uint64_t sets, uint64_t set_topics);

/* How long a group of that size is to rest before it is worked out again: none for most, and for large ones as long as
 * keeps all of it to a few hundredths of the time, however many members come one after the other. */
uint64_t assign_pause_ms(uint64_t members, uint64_t partitions);

void assign_range(const struct assign *assign);
void assign_uniform(const struct assign *assign);

#endif
