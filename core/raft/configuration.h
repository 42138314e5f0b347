/* configuration.h -- who is a member of the group, and which members decide.
 *
 * A configuration is the payload of a log entry. It is in force from the moment it is in the log, committed or not
 * (Raft 4.1), and is rolled back with its entry. Changes of voters go through joint consensus (Raft 4.3): while a
 * member list is joint, a decision needs a majority of the old voters and a majority of the new ones. Learners
 * receive the log and decide nothing, so that a change which touches learners only needs no joint phase.
 *
 * This file knows sets and bytes. It knows no log, no time and no peer.
 *
 * Invariants, numbered as in raft_configuration_check():
 *   (1) Members are ordered by id, no id twice, no id 0.
 *   (2) Unless there are no members at all, there is at least one voter and at most RAFT_VOTERS_MAX.
 *   (3) Joint means that there are old voters; then there are at most RAFT_VOTERS_MAX of them.
 *   (4) Only a joint list has leaving members, and a leaving member is an old voter and no new one. */
#ifndef CHRONIK_RAFT_CONFIGURATION_H
#define CHRONIK_RAFT_CONFIGURATION_H

#include "base/bytes.h"

enum {
    RAFT_VOTERS_MAX = 7,         /* more voters make commits slower and survive no fault that happens */
    RAFT_ADDRESS_SIZE_MAX = 255, /* a host name of 249 bytes, a colon, a port */
    RAFT_CHANGES_MAX = 16,       /* in one call: all voters replaced, and two more */
};

/* What a member is, as bits; none of them: a learner. */
enum {
    RAFT_VOTER = 1,     /* decides; in a joint list: is in the new voter set */
    RAFT_OLD_VOTER = 2, /* joint list only: is in the old voter set */
    RAFT_LEAVING = 4,   /* joint list only: is no member any more when the joint phase ends */
};

struct raft_member {
    uint64_t id;
    uint8_t flags;
    uint8_t address_size;
    uint32_t address_begin; /* in the configuration's bytes */
};

/* A list of members. Its arrays lie in the engine's block and are sized by raft_config. */
struct raft_configuration {
    uint64_t index; /* of the entry (or the snapshot) it comes from; 0: nobody told us yet */
    uint32_t count;
    uint32_t members_max;
    uint32_t size; /* of the encoded form below */
    uint32_t size_max;
    struct raft_member *members;
    uint8_t *bytes; /* as it is in the log */
};

enum raft_change_kind {
    RAFT_ADD,     /* as a learner; a member that is there already gets a new address */
    RAFT_PROMOTE, /* a learner becomes a voter */
    RAFT_DEMOTE,  /* a voter becomes a learner */
    RAFT_REMOVE,
};

struct raft_change {
    enum raft_change_kind kind;
    uint64_t id;
    struct bytes address; /* of RAFT_ADD: where the member's peers reach it; opaque here */
};

enum raft_configuration_verdict {
    RAFT_CONFIGURATION_GOOD,
    RAFT_CONFIGURATION_MALFORMED, /* bytes that raft_configuration_read does not understand */
    RAFT_CONFIGURATION_UNKNOWN,   /* the change names nobody, or one who is no member, or a member twice */
    RAFT_CONFIGURATION_EMPTY,     /* nobody would be left to decide */
    RAFT_CONFIGURATION_FULL,      /* too many members, voters or address bytes */
};

/* Points the arrays into `memory` and empties the list. raft_configuration_memory() says how much that takes. */
size_t raft_configuration_memory(uint32_t members_max, uint32_t size_max);
void raft_configuration_init(struct raft_configuration *configuration, uint8_t *memory, uint32_t members_max,
                             uint32_t size_max);

void raft_configuration_clear(struct raft_configuration *configuration);
void raft_configuration_copy(struct raft_configuration *to, const struct raft_configuration *from);

/* Reads what a peer, a disk or an operator says; leaves the list empty unless all of it is good. */
enum raft_configuration_verdict raft_configuration_read(struct raft_configuration *configuration, struct bytes bytes);

/* Puts a member behind the others, whose ids are lower. False: no room. Whether a list is good is seen when it is
 * read. */
bool raft_configuration_put(struct raft_configuration *to, uint64_t id, uint8_t flags, struct bytes address);

/* The list that `changes` make of `from`; joint if they change the voters. `from` is not joint. */
enum raft_configuration_verdict raft_configuration_change(struct raft_configuration *to,
                                                          const struct raft_configuration *from,
                                                          const struct raft_change *changes, uint32_t count);

/* The list of a new group: these (each a RAFT_ADD), all voters. */
enum raft_configuration_verdict raft_configuration_found(struct raft_configuration *to,
                                                         const struct raft_change *founders, uint32_t count);

/* The list that ends the joint phase of `from`: the new voters alone, without the leaving members. */
void raft_configuration_leave_joint(struct raft_configuration *to, const struct raft_configuration *from);

/* NULL: no member. */
const struct raft_member *raft_configuration_find(const struct raft_configuration *configuration, uint64_t id);
struct bytes raft_configuration_address(const struct raft_configuration *configuration,
                                        const struct raft_member *member);
bool raft_configuration_is_joint(const struct raft_configuration *configuration);
bool raft_configuration_is_voter(const struct raft_configuration *configuration, uint64_t id); /* of either set */

/* The flag of those who vote whatever becomes of a phase under way: RAFT_VOTER; of a joint list RAFT_OLD_VOTER. */
uint8_t raft_configuration_voting(const struct raft_configuration *configuration);

/* One voter, alone: `id` decides everything by itself. */
bool raft_configuration_is_sole_voter(const struct raft_configuration *configuration, uint64_t id);

void raft_configuration_check(const struct raft_configuration *configuration);

#endif
