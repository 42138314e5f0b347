/* consumer_state.h -- what this room knows of groups of the newer protocol (KIP-848), and who in it does what.
 *
 *     consumer_beat.c      ConsumerGroupHeartbeat: who comes, stays, leaves, and what each is told
 *     consumer_classic.c   JoinGroup, SyncGroup, Heartbeat and LeaveGroup of those among them that speak the classic
 *                          protocol
 *     consumer_target.c    who is to have what: the target assignment
 *     consumer_members.c   members as things, and who owns which partition
 *     consumer_patterns.c  regular expressions: which topics they mean
 *     consumer_flush.c     what is to be appended to the log
 *     consumer_replay.c    what records make of what is known
 *     consumer_views.c     what is told to administrators
 *     assign, embedded, reconcile, parts, regex, consumer_records: leaves
 *
 * A heartbeat changes what is known here at once; the records that say so are appended together at the step's end, with
 * those of all other heartbeats of the group, and each is answered when its batch is committed. So what is known here
 * may be ahead of the log, but nobody hears of it before the next coordinator would know it, too. If the partition is
 * lost in between, all that was known here is dropped, and read anew.
 *
 * Three numbers:
 *     the group's epoch     (group.generation) grows when its members, their subscriptions, or the topics change
 *     the target's epoch    is the group's epoch for which it was worked out who is to have what
 *     a member's epoch      is the target's epoch that it has come to, or is on its way from (reconcile.h)
 *
 * Invariants, numbered as in consumer_check():
 *   (1) What a member has, and what it is to give up, is its own in the map of owners; nothing else is there.
 *   (2) No member's epoch is above the target's, and that is not above the group's.
 *   (3) A pattern has as many users as members name it.
 *   (4) So many members as the group says speak the classic protocol.
 *
 * A member that speaks the classic protocol joins to learn its epoch, which is its generation, and asks for what it is
 * to read with SyncGroup; what it still has it says in its subscription. Where it is to come again, Heartbeat says
 * REBALANCE_IN_PROGRESS. All else is the same. */
#ifndef CHRONIK_GROUP_CONSUMER_STATE_H
#define CHRONIK_GROUP_CONSUMER_STATE_H

#include "codec/messages.h"
#include "group/assign.h"
#include "group/consumer_records.h"
#include "group/embedded.h"
#include "group/groups.h"
#include "group/regex.h"
#include "group/texts.h"

enum {
    EPOCH_JOINS = 0,           /* of a request: who sends it wants to be a member */
    EPOCH_LEAVES = -1,         /* ... no more */
    EPOCH_LEAVES_STATIC = -2,  /* ... for a while: somebody with its instance will come; and of a member: it did that */
    GROUP_PARTS_MAX = 1 << 18, /* partitions that a group subscribes to, and that all groups of a node own, at most */
    REGEX_WORK_PER_STEP_MAX = 1 << 20, /* bytes of names times instructions */
};

enum assignor { ASSIGNOR_NONE, ASSIGNOR_UNIFORM, ASSIGNOR_RANGE };

/* What is to be appended of a member; what is in a batch that is just being made; see consumer_flush.c. */
enum { SAYS = 1, TARGET = 2, CURRENT = 4 };

struct consumer_group {
    bool is;           /* it is a group of the newer protocol */
    bool epoch_dirty;  /* its epoch is to be appended */
    bool target_dirty; /* and the target's */
    bool was_classic;  /* the log has a generation of it, which is to be deleted */
    int32_t target_epoch;
    int64_t topics_hash;            /* of the topics that it subscribes to */
    uint64_t topics_seen;           /* image_view's topic_changes + 1 when they were looked at; 0: look again */
    uint64_t target_after_ns;       /* a large group's target is not worked out again before */
    uint32_t gone_first;            /* members that are out, and that the log has still */
    uint32_t beat_first, beat_last; /* heartbeats whose answers wait for the next batch: writes */
    uint32_t pattern_first;
    uint32_t classic_count; /* members that speak the classic protocol */
};

struct consumer_member {
    bool classic; /* it speaks the classic protocol */
    bool named;   /* the log, or the member itself, has said who it is */
    uint8_t dirty, writing;
    uint8_t phase; /* enum member_phase */
    uint8_t assignor;
    int32_t epoch, previous_epoch;
    uint32_t pattern; /* or NONE */
    struct kept rack;
    struct kept names;  /* topics that it subscribes to, sorted */
    struct kept target; /* parts; what it has is `assignment` of the member */
    struct kept revoking;
    uint64_t session_by_ns;
    struct kept spare;     /* what it is to have after a conversion that is under way: convert.c */
    uint64_t revoke_by_ns; /* it has given up what it is to, or come again, until then; 0: nothing */
};

/* A regular expression of a group. */
struct pattern {
    uint32_t group;
    uint32_t next;  /* of the group */
    uint32_t users; /* members */
    bool dirty;
    bool writing;
    bool resolved;
    uint64_t seen; /* topic_changes + 1 as of which it was */
    struct kept text;
    struct kept topics; /* names, sorted */
};

/* One is worked on at a time. */
struct resolving {
    uint32_t pattern; /* or NONE */
    uint32_t topic;   /* the next one to be looked at */
    uint64_t seen;
    uint32_t count;
    struct regex regex;
};

/* Where a target is worked out: nothing lasts. */
struct workshop {
    uint32_t topics_max, parts_max;
    uint32_t *member_at;   /* [members_max]: the group's members */
    uint32_t *member_set;  /* [members_max] */
    uint32_t *order;       /* [members_max] */
    uint32_t *share_first; /* [members_max + 1] */
    uint32_t *set_first;   /* [members_max + 1] */
    uint32_t *set_user;    /* [members_max]: a member that subscribes to it */
    uint32_t *set_topics;  /* [parts_max] */
    uint32_t *set_table;   /* [table_mask + 1]: sets by their hash */
    uint32_t table_mask;
    uint32_t *topic_slots; /* [topics_max], sorted by their ids */
    uint32_t *topic_index; /* [topics_max]: by slot: where it is among them; NONE: it is not */
    uint32_t *topic_first; /* [topics_max + 1] */
    uint32_t *owner;       /* [parts_max] */
    uint32_t *scratch;     /* for the assignors */
    struct part *parts;    /* [parts_max], as the next ones */
    struct part *owned, *assigned, *revoking;
    bool *taken;
    struct bytes *names; /* [topics_max] */
    struct assign assign;
    int64_t hash;
};

struct groups;

/* ---- consumer_members.c ---- */

/* Who owns a partition of a group; NONE: nobody. */
uint32_t owner_of(const struct groups *groups, uint32_t group, const struct part *part);
bool owners_have_room(const struct groups *groups, uint32_t count);
void owners_add(struct groups *groups, uint32_t member, struct part_list parts);
void owners_remove(struct groups *groups, uint32_t member, struct part_list parts);

struct member_standing member_standing(const struct groups *groups, uint32_t member);
struct part_list member_target(const struct groups *groups, uint32_t member);

/* All that belongs to it as a member of this protocol; of any member that is freed. */
void consumer_release(struct groups *groups, uint32_t member);

/* It speaks the classic protocol from now on, or does no more: then nothing is left of what it supported. */
void consumer_set_classic(struct groups *groups, uint32_t member, bool classic);

/* It is out: the log is to be told so, and the group's epoch grows. */
void consumer_remove(struct groups *groups, uint32_t member);

/* A member of another id takes all that it has; NONE: there is no room. */
uint32_t consumer_replace(struct groups *groups, uint32_t member, struct bytes id);
void consumer_bump(struct groups *groups, uint32_t group);

/* The group becomes one of this protocol. */
void consumer_begin(struct groups *groups, uint32_t group);

/* One without members becomes a classic one, as the log is told. An error: it does not, or not now. */
enum error consumer_end(struct groups *groups, uint32_t group);

/* It is about to be dropped: nothing of this protocol is left of it. */
void consumer_forget(struct groups *groups, uint32_t group);

/* Whether a member subscribes to a topic. */
bool consumer_reads(const struct groups *groups, uint32_t member, struct bytes topic);
bool names_have(struct bytes names, struct bytes name);

/* Sorts names, and gives them as they are kept, in memory that is the workshop's until the next call. False: they are
 * too many. `list` is changed. */
bool names_keep(struct groups *groups, struct bytes *list, uint32_t count, struct kept *kept, bool *changed);

/* A member's time begins, or has come. */
void consumer_arm(struct groups *groups, uint32_t member);
void consumer_on_time(struct groups *groups, uint32_t member);
void consumer_set_timer(struct groups *groups, uint32_t member);

void consumer_check(const struct groups *groups, uint32_t group);

/* Goes on to the member's target, as far as that is possible now. True: what it may read has changed. */
bool consumer_step(struct groups *groups, uint32_t member, bool owned_told, struct part_list owned);

/* ---- consumer_classic.c ---- */

enum group_verdict consumer_join(struct groups *groups, uint32_t group, const struct group_caller *caller,
                                 const struct join_group_request *request, struct group_joined *joined);
enum group_verdict consumer_sync(struct groups *groups, uint32_t group, const struct group_caller *caller,
                                 const struct sync_group_request *request, struct group_synced *synced);
enum error consumer_heartbeat(struct groups *groups, uint32_t group, const struct heartbeat_request *request);
enum error consumer_leave(struct groups *groups, uint32_t group, const struct group_leaver *leaver);

/* The topics of a subscription, and what it says is owned, in the workshop's names and owned. False: they are too
 * many. */
bool consumer_take_names(struct groups *groups, struct embedded_topics names, uint32_t *count);
bool consumer_take_parts(struct groups *groups, struct embedded_topics topics, struct part *list,
                         struct part_list *parts);

/* An assignment, as that protocol has it. */
void consumer_put_assignment(const struct groups *groups, struct writer *writer, int16_t version,
                             struct part_list parts);

/* ---- consumer_patterns.c ---- */

/* The member's expression is this one from now on; empty: none. False: there is no room. */
bool pattern_set(struct groups *groups, uint32_t member, struct bytes text);
void pattern_leave(struct groups *groups, uint32_t member);

/* One of the log; NONE: there is no room. */
uint32_t pattern_make(struct groups *groups, uint32_t group, struct bytes text);
uint32_t pattern_find(const struct groups *groups, uint32_t group, struct bytes text);
void pattern_free(struct groups *groups, uint32_t pattern);

/* Looks again which topics the group's expressions mean, if topics have changed. */
void patterns_refresh(struct groups *groups, uint32_t group);
void patterns_work(struct groups *groups);

/* ---- consumer_target.c ---- */

/* Looks at what the group subscribes to, if that may have changed, and works out who is to have what, if it has. */
void target_refresh(struct groups *groups, uint32_t group);
enum assignor group_assignor(const struct groups *groups, uint32_t group);

/* ---- consumer_flush.c ---- */

/* The answer to this waiter goes out when all that the group has to say is committed. */
void consumer_wait(struct groups *groups, uint32_t group, uint64_t waiter);
bool consumer_has_to_say(const struct groups *groups, uint32_t group);

/* Appends what is to be appended, or as much as one batch has room for. */
void consumer_flush(struct groups *groups, uint32_t group);

/* Appends graves for all of it, and it as a classic group, in one batch; whoever waits for what it has to say waits for
 * that. `value` lies in groups->value. */
enum append_outcome consumer_write_back(struct groups *groups, uint32_t group, struct bytes value, enum error *error);

#endif
