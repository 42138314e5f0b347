/* partition_rules.h -- what becomes of a partition when its brokers, its settings or its replicas change?
 *
 * Every node works this out by itself when it applies a record, so it may see nothing but the image: who is registered,
 * fenced or shutting down, and what the topic wants. Given a partition as it was and as somebody wants it to be, the
 * rest follows, in this order (docs/metadata.md, "What follows"):
 *
 *   1. Leaving.   Who is fenced or unknown leaves the ISR, even as the last one. Who is shutting down leaves it where
 *                 somebody else remains who can lead. Who starts anew leaves it, too.
 *   2. min_isr    is what the topic wants, but no more than the replicas that are not being added: otherwise a topic
 *                 that grows from one replica to three would refuse acks=all until the new ones have caught up.
 *   3. ELR.       As long as fewer than min_isr are in sync nothing is committed, so whoever was in the ISR or the ELR
 *                 still has everything that is, and is in the ELR. With min_isr in sync again it is empty. Who lost
 *                 what it promised to hold ("unclean") is in neither.
 *   4. Election.  Who leads and is in the ISR stays. Else the first replica that can lead and is in the ISR; if nobody
 *                 is, in the ELR. Else, and this may lose records: if both are empty, the last leader (not if it came
 *                 back with another disk, and there are other replicas), or anybody once those who have what is missing
 *                 are not registered any more; where the topic allows it, or somebody
 *                 demands it, anybody.
 *   5. Done.      A reassignment whose target is in the ISR as a whole is done: who was to be removed is; then 2 to 4
 *                 once more.
 *   6. Epochs.    The leader's grows with another leader or none, with a replica fewer, and when the leader started
 *                 anew: it may have forgotten what it promised. The partition's grows with every change. */
#ifndef CHRONIK_META_PARTITION_RULES_H
#define CHRONIK_META_PARTITION_RULES_H

#include "meta/image.h"

enum election {
    ELECT_BY_RULES,
    ELECT_PREFERRED, /* the first replica, if it is in the ISR and can lead */
    ELECT_ANYBODY,   /* if nobody leads: whoever can, the last leader before others */
};

/* What happened, beyond what the image says by now. */
struct partition_fact {
    enum election election;
    int32_t broker; /* whom the next three are about; -1: nobody */
    bool restarted; /* it began a new life */
    bool unclean;   /* it does not hold what it promised to hold */
    bool crashed;   /* the same of topics with relaxed durability: what was only in memory is lost */
};

/* Makes of `after` (`before`, but for what somebody wants: replicas, sets by the places in them, leader, recovering)
 * what it will be. True if anything differs from before. */
bool partition_settle(const struct image *image, const struct image_partition *before,
                      const struct partition_fact *fact, struct image_partition *after);

/* What min_isr has to be. */
uint8_t partition_min_isr(const struct image *image, const struct image_partition *partition);

struct metadata_partition_change_record;

/* What a record would make of a partition, if it were applied to the image as it is: APPLY_DONE, or why nothing. */
enum apply_verdict partition_after(const struct image *image, uint32_t partition,
                                   const struct metadata_partition_change_record *record,
                                   struct image_partition *after);

/* The same replicas, by their places in the list of another partition. */
replica_set replica_set_moved(const struct image_partition *from, replica_set set, const struct image_partition *to);

static inline replica_set replica_set_all(const struct image_partition *partition)
{
    return (replica_set)((1u << partition->replica_count) - 1);
}

/* Whoever is registered and neither fenced nor shutting down: can lead, and join an ISR. */
replica_set partition_able(const struct image *image, const struct image_partition *partition);

/* Whether all that it says can be true together; of others' bytes. */
bool partition_is_consistent(const struct image_partition *partition);

/* Invariants:
 *   (1) There is a replica, and no broker is named twice; all sets are of replicas.
 *   (2) ISR and ELR have nobody in common, nor have those being added and removed.
 *   (3) Who leads is in the ISR, and is the last leader.
 *   (4) With min_isr in sync the ELR is empty.
 *   (5) Whoever recovers is alone in the ISR.
 *   (6) The partition's epoch grew at least as often as the leader's, which grew with every unclean election. */
void partition_check(const struct image_partition *partition);

#endif
