/* groups.h -- who is in which consumer group, who reads what, and how far has the group come?
 *
 * The coordinator of a group is the leader of its partition of __consumer_offsets, and what it knows is what that log
 * says: generations of groups, and the offsets that they committed. This room appends to the log, and takes a record
 * for true when it is committed (replicas.h): so whatever was answered is known to the next coordinator, which replays
 * the log before it answers anything. Who is there beyond that, and who waits for whom, is known here alone, and asked
 * anew of the members after a failure.
 *
 *   Waiting.   A request that cannot be answered yet leaves its waiter's number behind, and is told of with
 *              groups_next_ready. A waiter has one such request at a time; its lower half is a number below
 *              waiters_max.
 *   Loading.   Reading a log that was not led here before takes a while, in bounded pieces. Until it is done, and all
 *              that was read is committed, groups of this partition are COORDINATOR_LOAD_IN_PROGRESS. A log that cannot
 *              be read, or does not fit, is tried again after a while; meanwhile they are COORDINATOR_NOT_AVAILABLE.
 *   Losing.    Who waits is told NOT_COORDINATOR at once; what was known is dropped, in bounded pieces.
 *   Limits.    Groups, members, offsets and the bytes of their names are bounded; who comes too late is refused.
 *
 * Order within a step: groups_on_time, the facts, groups_work, then requests. */
#ifndef CHRONIK_GROUP_GROUPS_H
#define CHRONIK_GROUP_GROUPS_H

#include "base/effect.h"
#include "codec/errors.h"
#include "codec/messages.h"
#include "group/parts.h"

struct logs;
struct replicas;
struct image;

#define GROUPS_WAITER (UINT64_C(1) << 62) /* waiters of reads that are this room's have this bit, others have not */

struct groups_config {
    int32_t node_id;
    uint32_t groups_max;
    uint32_t members_max; /* of all groups together, as are the next two */
    /* Partitions that groups have committed offsets for, and those that are new among the commits under way. Beyond it
     * there is room for deletions, and for what takes an older one's place. */
    uint32_t offsets_max;
    uint64_t memory_size; /* of names, subscriptions, assignments and the like: a power of two */
    uint32_t topics_max;  /* that offsets were committed for */
    uint32_t logs_max;    /* logs are numbered below it */
    uint32_t waiters_max;
    uint32_t message_size_max; /* of the largest batch that a log may have */
    uint64_t seed[2];
};

struct groups_rooms {
    struct logs *logs;
    const struct replicas *replicas;
    const struct image *image;
};

struct groups;

/* 0 if the limits contradict each other. */
size_t groups_size(const struct groups_config *config);

/* In zeroed memory, aligned to 64. */
void groups_init(struct groups *groups, const struct groups_config *config, const struct groups_rooms *rooms);

/* ---- facts ---- */

void groups_on_time(struct groups *groups, uint64_t mono_ns, int64_t wall_ms);

/* A partition that this node has a replica of came into being, or changed. Of any topic. */
void groups_on_partition(struct groups *groups, uint32_t log);

/* It is led here no more, or in another epoch (replicas_next_loss). */
void groups_on_lost(struct groups *groups, uint32_t log);

/* It is gone, or this node has no replica of it any more. */
void groups_on_removed(struct groups *groups, uint32_t log);

/* More of it is committed. */
void groups_on_high_watermark(struct groups *groups, uint32_t log);

/* Too few replicas are in sync for what is appended to be committed soon. */
void groups_on_min_isr_lost(struct groups *groups, uint32_t log);

/* A topic is gone: offsets that were committed for it are forgotten, and are not those of another one of its name. */
void groups_on_topic_removed(struct groups *groups, struct bytes topic);

void groups_on_ready(struct groups *groups, uint64_t waiter);          /* logs_next_ready, with GROUPS_WAITER */
void groups_on_disk(struct groups *groups, const struct event *event); /* an answer to OP_GROUPS */

/* ---- waiting ---- */

/* The next waiter whose request may be answered now; 0: none. */
uint64_t groups_next_ready(struct groups *groups);

/* Whether it was named so, and what became of it then. */
bool groups_is_ready(const struct groups *groups, uint64_t waiter);
enum error groups_outcome(const struct groups *groups, uint64_t waiter);

/* Nobody waits there any more: the answer was taken, or the link is closed. */
void groups_forget(struct groups *groups, uint64_t waiter);

/* ---- where a group is coordinated ---- */

/* Somebody asks who coordinates this group: if that is here, and not loaded yet, it comes before those that nobody has
 * asked for. */
void groups_hurry(struct groups *groups, struct bytes group_id);

/* ERROR_NONE: here, and now. */
enum error groups_place(const struct groups *groups, struct bytes group_id);

/* ---- members: the classic protocol ---- */

enum group_verdict {
    GROUP_ANSWERED,
    GROUP_WAITS, /* groups_next_ready names the waiter; then ask for the outcome */
    GROUP_HELD,  /* the answer is told, and goes out when groups_next_ready names the waiter, if no error came of it */
    GROUP_NO_ROOM, /* nothing was done: ask again when logs_has_room */
};

struct group_caller {
    uint64_t waiter;
    int16_t version; /* of the request */
    struct bytes client_id;
    struct bytes host;
};

struct group_joined {
    enum error error;
    int32_t generation; /* -1: none */
    struct bytes protocol_type, protocol, leader, member_id;
    bool skip_assignment;
    bool lists_members; /* the leader is to be told who is there: groups_next_member */
    uint32_t group;
};

/* JoinGroup. The texts stay put until the next call that may change the group. */
enum group_verdict groups_join(struct groups *groups, const struct group_caller *caller,
                               const struct join_group_request *request, struct group_joined *joined);

/* The answer to a request that waited; it is ready. */
void groups_joined(struct groups *groups, uint64_t waiter, const struct group_caller *caller,
                   struct group_joined *joined);

struct group_synced {
    enum error error;
    struct bytes protocol_type, protocol, assignment;
};
enum group_verdict groups_sync(struct groups *groups, const struct group_caller *caller,
                               const struct sync_group_request *request, struct group_synced *synced);
void groups_synced(struct groups *groups, uint64_t waiter, struct group_synced *synced);

enum error groups_heartbeat(struct groups *groups, const struct heartbeat_request *request);

struct group_leaver {
    struct bytes member_id;
    struct bytes instance_id; /* null: none */
};

/* One member leaves. The place of the group was asked for before: groups_place. */
enum error groups_leave(struct groups *groups, struct bytes group_id, const struct group_leaver *leaver);

/* ---- members: the newer protocol (KIP-848) ---- */

struct consumer_answer {
    enum error error;
    struct bytes member_id;
    int32_t member_epoch;
    int32_t heartbeat_interval_ms;
    bool tells_assignment;
    struct part_list assignment;
};

/* ConsumerGroupHeartbeat. The answer is told at once, and lies here until the next call; with GROUP_WAITS it is to go
 * out when groups_next_ready names the waiter, and only if the outcome is no error. */
enum group_verdict groups_consumer_beat(struct groups *groups, const struct group_caller *caller,
                                        const struct consumer_group_heartbeat_request *request,
                                        struct consumer_answer *answer);

/* Whether a member that asks for offsets is one, in this epoch, if the group is of this protocol. */
enum error groups_consumer_judge(const struct groups *groups, struct bytes group_id, struct bytes member_id,
                                 int32_t epoch);

/* ---- offsets ---- */

struct group_committer {
    struct bytes group_id, member_id, instance_id;
    int32_t generation;
    int16_t version; /* of the request */
};

/* Whether it may commit. */
enum error groups_may_commit(struct groups *groups, const struct group_committer *committer);

/* Then: offsets for some partitions, one after the other, and all together at the end. Between begin and end nothing
 * else of this room is called. False at the begin: there is no room for so many, ask again (GROUP_NO_ROOM). */
struct group_offset {
    struct bytes topic;
    int32_t partition;
    int64_t offset; /* what is committed; -1: nothing is */
    int32_t leader_epoch;
    struct bytes metadata;
    int64_t expire_ms; /* wall clock; -1: as offsets.retention.minutes says */
};
enum error groups_begin_commit(struct groups *groups, struct bytes group_id, uint32_t count);
enum error groups_add_commit(struct groups *groups, const struct group_offset *offset);
enum error groups_add_deletion(struct groups *groups, struct bytes topic, int32_t partition);

/* GROUP_WAITS: until it is committed. GROUP_ANSWERED: nothing was added, or *error is what became of it. */
enum group_verdict groups_end_commit(struct groups *groups, uint64_t waiter, enum error *error);

/* What a group has committed for a partition. */
struct group_offset groups_offset(const struct groups *groups, struct bytes group_id, struct bytes topic,
                                  int32_t partition);

/* All of it, in no order that means something: begins with GROUP_NONE, and says so at the end. */
#define GROUP_NONE UINT32_MAX
uint32_t groups_next_offset(const struct groups *groups, struct bytes group_id, uint32_t after,
                            struct group_offset *offset);
struct group_offset groups_offset_at(const struct groups *groups, uint32_t offset);
uint32_t groups_offset_count(const struct groups *groups, struct bytes group_id);

/* A number for the topic of an offset, for whoever sorts by it. */
uint32_t groups_offset_topic(const struct groups *groups, uint32_t offset);

/* ---- administration ---- */

struct group_view {
    struct bytes group_id;
    const char *state; /* Kafka's word */
    struct bytes protocol_type;
    struct bytes protocol;
    uint32_t member_count;
    bool consumer;        /* of the newer protocol; the next ones only then */
    int32_t epoch;        /* of the group */
    int32_t target_epoch; /* of its target assignment */
    const char *assignor;
};

/* A member of such a group. */
struct consumer_view {
    struct bytes member_id;
    struct bytes instance_id; /* null: none */
    struct bytes rack;        /* null: none */
    int32_t epoch;
    struct bytes client_id;
    struct bytes client_host;
    struct bytes topics; /* groups_next_name */
    struct bytes regex;  /* null: none */
    bool classic;        /* it speaks the classic protocol */
    struct part_list assignment, target;
};

struct member_view {
    struct bytes member_id;
    struct bytes instance_id; /* null: none */
    struct bytes client_id;
    struct bytes client_host;
    struct bytes subscription; /* for the group's protocol */
    struct bytes assignment;
};

/* GROUP_NONE: there is none of that id. */
uint32_t groups_find(const struct groups *groups, struct bytes group_id);
struct group_view groups_view(const struct groups *groups, uint32_t group);

/* The members of a group, begins with GROUP_NONE. */
uint32_t groups_next_member(const struct groups *groups, uint32_t group, uint32_t after, struct member_view *member);

/* What was just told of a group of the newer protocol may be ahead of its log: true, and then the answer may go out
 * when groups_next_ready names the waiter, if no error came of it. One answer may tell of several groups: `first` is
 * true until one of them says true. There is room for it: groups_may_hold. */
bool groups_hold(struct groups *groups, uint32_t group, uint64_t waiter, bool first);
bool groups_may_hold(const struct groups *groups, uint32_t count);

/* The same of a group of the newer protocol. */
uint32_t groups_next_consumer(const struct groups *groups, uint32_t group, uint32_t after,
                              struct consumer_view *member);

/* Takes the first name off a list; false: there is none. */
bool groups_next_name(struct bytes *names, struct bytes *name);

/* The groups that are coordinated here, begins with GROUP_NONE. */
uint32_t groups_next_group(const struct groups *groups, uint32_t after);

/* Whether some partition is still being loaded: then not all groups are listed. */
bool groups_are_loading(const struct groups *groups);

/* DeleteGroups: GROUP_WAITS until all of it is gone, as committed. */
enum group_verdict groups_delete(struct groups *groups, struct bytes group_id, uint64_t waiter, enum error *error);

/* OffsetDelete: whether offsets of this group may be deleted at all; and for this topic. */
enum error groups_may_delete_offsets(const struct groups *groups, struct bytes group_id);
bool groups_subscribe(const struct groups *groups, struct bytes group_id, struct bytes topic);

/* ---- the step's end, status ---- */

void groups_work(struct groups *groups, struct effects *effects);
uint64_t groups_deadline_ns(const struct groups *groups);

struct groups_usage {
    uint32_t groups, members, offsets;
    uint32_t empty, preparing, completing, stable, dead; /* of the groups, by what DescribeGroups calls their state */
    uint64_t memory_used, memory_max;
    uint64_t rebalances;        /* generations begun */
    uint64_t commits;           /* batches of offsets that were committed, */
    uint64_t offsets_committed; /* and offsets in them */
    uint64_t offsets_deleted;   /* for whatever reason */
    uint64_t offsets_expired;   /* of those that were asked to go, because they are too old or their topic is gone */
    uint64_t loads;
    uint64_t load_failures;
    uint32_t loading, failed; /* partitions of __consumer_offsets that are led here, and not served yet */
};
struct groups_usage groups_usage(const struct groups *groups);

void groups_check(const struct groups *groups);

#endif
