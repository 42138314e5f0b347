/* converge.h -- how does an image in use become the one that a snapshot holds?
 *
 * A node that was left far behind gets the state itself. Its logs and its clients live by the image it has; so that is
 * not thrown away but led to the other one, a difference at a time, and each comes out as the change that a record
 * would have made. What stays keeps its slot.
 *
 * Both were made by the same records, the snapshot by more of them: so topics that both have stand in the same order,
 * and what only the snapshot has came later. Two walks through its records are enough: the first takes away what it
 * lacks, the second sets what differs and adds what is new. So the limits hold at every moment, and a name is free
 * before another topic takes it. */
#ifndef CHRONIK_META_CONVERGE_H
#define CHRONIK_META_CONVERGE_H

#include "meta/snapshot.h"

struct image_converge {
    struct snapshot_loader loader; /* its bytes stay put until the end */
    struct bytes rest;             /* records of this walk that are not dealt with */
    bool sets;                     /* the second walk */
    uint32_t topic;                /* first walk: ours that the snapshot has not named yet, and those behind it */
    uint32_t broker;
    uint32_t owner_kind; /* whose settings are being compared; enum in converge.c */
    uint32_t owner;
    uint64_t owner_settings; /* those that the snapshot gives it */
};

/* Of a snapshot that was found good. Its index lies behind what the image has applied. */
void image_converge_init(struct image_converge *converge, const struct image *image,
                         const struct snapshot_loader *loader);

enum converge_verdict {
    CONVERGE_GOES_ON, /* `change` says what has changed; perhaps nothing */
    CONVERGE_DONE,    /* the image is the snapshot's, index and term included */
    CONVERGE_CORRUPT, /* it cannot follow what we have: of another cluster, or made by other rules */
    CONVERGE_FULL,    /* this node's limits are too small for it */
};

/* One record, or one difference: bounded, so that the caller decides how much a step does. */
enum converge_verdict image_converge_step(struct image_converge *converge, struct image *image,
                                          struct image_change *change);

#endif
