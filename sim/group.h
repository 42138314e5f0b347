/* group.h -- the metadata group as its judge sees it: what must be true of the Raft of all nodes at any time.
 *
 *   O4   a term has one leader; no node leads a term again after a restart; a node's term does not step back; nobody
 *        votes for two in one term, whatever he forgets
 *   O5   an index and a term name one entry, and what lies before it, everywhere and always
 *   O6   all nodes commit the same entries in the same order, and have the same image when they have applied as much
 *   O14  what a leader commits is durable on a majority of its voters (of both sets while they change)
 *
 * It looks at a node after each of its steps, by questions that raft/raft.h and meta/image.h answer, and compares what
 * is new with what it knows: O(1) and O(new entries). It keeps a number per entry, never an entry. */
#ifndef CHRONIK_SIM_GROUP_H
#define CHRONIK_SIM_GROUP_H

#include "sim/judge.h"

struct node;
struct raft;
struct image;

/* A node, as it was when it was looked at last. */
struct member_seen {
    const struct raft *raft; /* in the node's block: as its process left it, until the next one begins */
    uint32_t life;           /* of its process */
    uint64_t id;             /* in the group */
    uint64_t term;
    uint64_t vote; /* in that term; 0: none that is on disk */
    bool leads;
    uint64_t commit_index, applied_index;
    uint64_t durable_index;               /* its disk has all up to here */
    uint64_t scanned_index, scanned_term; /* entries up to here are known */
};

/* One whose disk was lost. What it had acknowledged before counts for whoever has heard of it. */
struct ghost {
    uint64_t id;
    uint64_t durable_index;
};
enum { GHOSTS_MAX = 32 };

struct led_term {
    uint32_t machine;
    uint32_t life; /* of its process; 0: nobody led it */
};

struct known_entry {
    uint64_t index, term;   /* index 0: free */
    uint64_t previous_term; /* of the entry before it; 0: not known */
    uint64_t digest;
};

/* A vote that was on disk, and may have been told. */
struct known_vote {
    uint64_t term, voter; /* term 0: free */
    uint64_t candidate;
};

struct group {
    struct member_seen *members; /* by machine */
    uint32_t member_max;
    struct ghost ghosts[GHOSTS_MAX];
    uint32_t ghost_count;
    struct led_term *terms; /* by term */
    uint64_t term_max;
    uint64_t *committed; /* by index: term << 32 | digest of the entry; 0: not known */
    uint64_t *images;    /* by index: digest of the image that has applied it; 0: not known */
    uint64_t index_max;
    struct known_entry *entries; /* a hash table */
    uint64_t entry_count, entry_max;
    struct known_vote *votes; /* a hash table */
    uint64_t vote_count, vote_max;

    uint32_t leader; /* machine that led last; UINT32_MAX: none yet */
    uint64_t leader_since_ns;
    uint64_t commit_index;  /* the highest that any node announced */
    uint64_t applied_index; /* the highest that any node has applied */
    uint64_t images_compared, entries_compared, elections;
};

void group_init(struct group *group);
void group_free(struct group *group);

/* Machine `number`, in the `life`-th life of its process, has made a step. */
struct group_look {
    uint32_t number;
    uint32_t life;
    uint64_t now_ns;
    const struct node *node;
    const struct raft *raft;
    const struct image *image;
    uint32_t images; /* every so many entries the image is compared; 0: never */
};
void group_on_step(struct group *group, struct judge *judge, const struct group_look *look);

/* It goes on alone, with what it knows to be committed: up to the index that is returned. What the others knew beyond
 * that, and whom they elected, is forgotten. */
uint64_t group_on_disaster(struct group *group, uint32_t survivor);

/* The machine's disk is empty: what it had promised is gone. */
void group_on_wiped(struct group *group, uint32_t number);

#endif
