/* membership.h -- who shall belong to the group that keeps the metadata log, and who of them shall vote?
 *
 * Decided by the leader from the member list that is in force and what it knows of the members; one change at a time,
 * and each a single step of Raft (raft/membership.c), so that a leader lost on the way leaves nothing half done: the
 * next one looks at the same list and goes on.
 *
 *   Voters.   As many as fit: the largest odd number that is no more than the nodes there are, nor the target. Two
 *             voters tolerate nothing, so of two nodes one learns. Nodes that have just come learn, until they are
 *             close enough to count. A voter that is lost for long gives its vote to a learner that is there. Observers
 *             learn for ever, and do not count as nodes.
 *   Joining.  A node that nobody knows becomes a learner. One that comes with an empty directory has forgotten its
 *             votes: it is another member, and takes the place of the old one once that is not heard any more. Who
 *             asks while a change is under way is noted, and added with others by the next one: where many nodes start
 *             at once, each list names all of them, and a list for each would be a log that grows with the square.
 *   Leaving.  A node goes when it has nothing left that others need; in the same step votes are dealt out anew. A
 *             leader that is to go hands over first. */
#ifndef CHRONIK_CONTROLLER_MEMBERSHIP_H
#define CHRONIK_CONTROLLER_MEMBERSHIP_H

#include "base/bytes.h"
#include "controller/join.h"
#include "controller/metadata_log.h"
#include "raft/configuration.h"

#define MEMBERSHIP_AGAIN_NS (200 * UINT64_C(1000000))   /* between two looks, and two tries */
#define MEMBERSHIP_ANSWERS_NS (600 * UINT64_C(1000000)) /* some heartbeats: who answered since then is there */
#define MEMBERSHIP_GONE_NS                                                                                             \
    (2000 * UINT64_C(1000000)) /* another directory may take the place of who is silent so long */
#define MEMBERSHIP_ASKED_NS (1000 * UINT64_C(1000000)) /* who asked to join is there for so long */
#define MEMBERSHIP_LOST_NS (30000 * UINT64_C(1000000)) /* a voter that is silent for so long may be replaced */

/* Somebody who asked to join while a change was under way. It asks again, and again. */
struct newcomer {
    uint64_t member; /* 0: none */
    uint64_t asked_ns;
    uint8_t address_size;
    uint8_t address[JOIN_ADDRESS_SIZE_MAX];
};
enum { NEWCOMERS_MAX = RAFT_CHANGES_MAX - 1 }; /* and the one who asks when they are added */

struct membership {
    const struct image *image; /* says who is an observer; NULL: nobody is */
    uint64_t own_member;
    uint32_t voters_target;
    uint64_t look_ns;    /* when to look again; UINT64_MAX: not before another fact */
    uint64_t list_index; /* of the list that was looked at last */
    uint64_t led_term;
    uint64_t began_ns; /* when we began to lead: since then we listen */
    struct newcomer newcomers[NEWCOMERS_MAX];
};

/* For how long a member has not answered. */
enum silence { SILENCE_ANSWERS, SILENCE_SHORT, SILENCE_LONG, SILENCE_LOST };

/* What is known of a member beside the list. */
struct elector_view {
    uint64_t id;
    bool voter;
    bool near; /* a learner that could vote: it follows, and lacks little */
    enum silence silence;
};

/* The changes that deal out the votes when `removed` (0: nobody) is gone; 0: none are needed, or none are possible just
 * now. `self` keeps its vote unless it is to be removed. Pure. */
uint32_t membership_deal(const struct elector_view *members, uint32_t count, uint64_t self, uint64_t removed,
                         uint32_t voters_target, struct raft_change changes[RAFT_CHANGES_MAX]);

/* Whether the votes as `changes` deal them can decide something: more than half of those who would have one answer. */
bool membership_is_safe(const struct elector_view *members, uint32_t count, const struct raft_change *changes,
                        uint32_t change_count);

enum voting {
    VOTING_SAME,     /* it has a vote already; it has none anyway */
    VOTING_BEGUN,    /* by these changes */
    VOTING_UNDERWAY, /* the list in force is not committed yet, or joint: this change, or another one */
    VOTING_HANDING,  /* another node has to lead first, and is asked to */
    VOTING_LATER,    /* not just now */
    VOTING_BEHIND,   /* it is not there, or lacks too much to vote */
    VOTING_FIXED,    /* there are as many votes as the nodes allow, and nobody to take one from, or to give it to */
    VOTING_UNSAFE,   /* too few of those that would have to decide are there */
};

/* A member gets a vote, or loses it, by order. How many there are is not changed by that: one is given to a learner by
 * taking it from the voter that can be spared most; one that is taken goes to a learner. Only who does not answer loses
 * it without another one getting it; when it is back it may get it back. Pure. */
enum voting membership_give(const struct elector_view *members, uint32_t count, uint64_t self, uint64_t member,
                            struct raft_change changes[RAFT_CHANGES_MAX], uint32_t *change_count);
enum voting membership_take(const struct elector_view *members, uint32_t count, uint64_t member,
                            struct raft_change changes[RAFT_CHANGES_MAX], uint32_t *change_count);

/* Who observes, or is not registered yet and so may come as an observer, gets no vote, and is not counted among the
 * nodes; by `image`, which is NULL where nobody observes. */
void membership_init(struct membership *membership, const struct image *image, uint32_t voters_target);

/* Who leads the log may have changed; `led_term` is 0 if it is not us. */
void membership_follow(struct membership *membership, const struct metadata_log *log, uint64_t led_term,
                       uint64_t now_ns);

/* What becomes of a node that asks to join, as the leader says. */
enum join_verdict membership_on_join(struct membership *membership, struct metadata_log *log, uint64_t member,
                                     const struct join *join, uint64_t now_ns);

enum removal {
    REMOVAL_DONE,     /* no list has it any more, and that is committed */
    REMOVAL_BEGUN,    /* it goes with the list that was just proposed, or when another node leads */
    REMOVAL_UNDERWAY, /* the list in force is not committed yet, or joint: this change, or another one */
    REMOVAL_LATER,    /* not just now */
    REMOVAL_LAST,     /* nobody would be left */
    REMOVAL_UNSAFE,   /* too few of those that would have to decide are there: the cluster would stand still */
};

/* A node leaves, by its node id. The leader itself hands over first, and the next one removes it; where nobody else has
 * a vote, one gets it in the step that takes ours. */
enum removal membership_remove(struct membership *membership, struct metadata_log *log, int32_t node_id,
                               uint64_t now_ns);

/* The same answer, and nothing is done; REMOVAL_BEGUN: nothing stands against it now. */
enum removal membership_may_remove(const struct membership *membership, const struct metadata_log *log, int32_t node_id,
                                   uint64_t now_ns);

/* The same for a member of the list in force. A leader that is to lose its vote hands over first. */
enum voting membership_give_vote(struct membership *membership, struct metadata_log *log, uint64_t member,
                                 uint64_t now_ns);
enum voting membership_take_vote(struct membership *membership, struct metadata_log *log, uint64_t member,
                                 uint64_t now_ns);

/* Deals out votes anew, where that is due. True: it was time to look. `alone`: nobody else is known, not even one who
 * is on no list any more and has yet to be forgotten. */
bool membership_work(struct membership *membership, struct metadata_log *log, bool alone, uint64_t now_ns);

/* The member that is this node in the list in force; 0: none is. */
uint64_t membership_of_node(const struct metadata_log *log, int32_t node_id);

#endif
