/* state.h -- this room's memory, and who in it does what; for files of this room alone.
 *
 *     memory.c      what it gets
 *     groups.c      the room as a whole: time, who waits, timers, the step's end
 *     places.c      the partitions of __consumer_offsets that are led here: gained, loaded, lost
 *     loading.c     reads their logs
 *     replay.c      what a record makes of what is known
 *     writes.c      what is appended, and what happens when it is committed
 *     members.c     groups and members as things: made, found, removed
 *     rebalance.c   from one generation to the next
 *     join.c        JoinGroup
 *     sync.c        SyncGroup, Heartbeat, LeaveGroup
 *     offsets.c     what groups have committed
 *     commit.c      OffsetCommit, OffsetDelete
 *     expiry.c      what is too old, and groups that go
 *     convert.c     from the classic protocol to the newer one, and back
 *     views.c       what is told to administrators
 *     consumer_*.c  groups of the newer protocol: see consumer_state.h
 *     embedded.c, records.c, texts.c   leaves
 *
 * A group's life:
 *
 *     EMPTY --join--> PREPARING --all have joined, or time is over--> COMPLETING --assignment committed--> STABLE
 *       ^                |  ^                                            |                                   |
 *       '--nobody joined-'  '--------- a member joins, leaves, or is silent for too long -------------------'
 *
 *     DEAD: is being deleted, and comes never back; whoever asks is to ask again when it is gone.
 *
 * Invariants, numbered as in groups_check():
 *   (1) A group is in the list of its place, which is led or being dropped here.
 *   (2) A group's counts are those of its members: promised, joined.
 *   (3) A member that waits is named by its waiter's slot, and the other way round.
 *   (4) The leader is a member, and every generation that is begun has one.
 *   (5) Writes of a place are in rising order of their ends. */
#ifndef CHRONIK_GROUP_STATE_H
#define CHRONIK_GROUP_STATE_H

#include "base/chain.h"
#include "base/check.h"
#include "base/map.h"
#include "base/pool.h"
#include "base/prng.h"
#include "base/timers.h"
#include "codec/compression.h"
#include "codec/record_batch_builder.h"
#include "group/consumer_state.h"
#include "group/groups.h"
#include "group/records.h"
#include "group/texts.h"
#include "log/logs.h"
#include "meta/image.h"

enum {
    NOBODY = 0,                /* no waiter */
    TIMERS_PER_STEP_MAX = 256, /* the rest is due at once, as is the rest of all that follows */
    RECORDS_PER_STEP_MAX = 4096,
    DROPS_PER_STEP_MAX = 4096,
    LOOKS_PER_STEP_MAX = 4096,  /* groups and offsets that are looked at for what is too old */
    TOMBSTONES_MAX = 1024,      /* in one batch of ours, */
    DELETIONS_SIZE = 128 << 10, /* which is not much larger than this */
    BATCHES_READ_MAX = 1 << 20,
    MEMBER_ID_SIZE_MAX = STRING_SIZE_MAX,
    COMMIT_MS_MAX = 5000,    /* who waits for a write waits no longer: Kafka's offsets.commit.timeout.ms */
    UNPACK_SIZE = 4 << 20,   /* a batch that another broker wrote, uncompressed */
    RECORD_REST_SIZE = 4096, /* of a batch, beside its one record's value */
    /* Offsets on their way beyond offsets_max, for what makes nothing new: more than any batch has, and a part of small
     * rooms. */
    OFFSETS_RESERVE_MAX = 32 << 10,
    CROWDED_PART = 16, /* of the memory of names, as much is left to who is there already */
};
#define NONE UINT32_MAX
#define NS_PER_MS UINT64_C(1000000)

enum group_state { GROUP_EMPTY, GROUP_PREPARING, GROUP_COMPLETING, GROUP_STABLE, GROUP_DEAD };

struct group {
    uint8_t state; /* enum group_state */
    bool taken;
    bool initial;            /* its rebalance is the first one, which waits for more members to come */
    bool grew;               /* ... and one came since that wait began */
    bool recorded;           /* the log has a generation of it */
    bool write_wanted;       /* its generation is to be appended, when there is room */
    bool settled;            /* its members' assignments are the last ones that were committed */
    bool assigned;           /* its leader has said who reads what in this generation, which stays so */
    uint32_t place;          /* a log */
    uint32_t previous, next; /* in it */
    struct kept id;
    struct kept protocol_type;
    struct kept protocol; /* empty: none */
    int32_t generation;
    uint32_t leader; /* a member, or NONE */
    uint32_t member_first, member_last;
    uint32_t member_count;   /* those that were promised an id not among them */
    uint32_t promised_count; /* so many were, and have not come back */
    uint32_t joined_count;   /* members that are ready for the next generation */
    uint32_t offset_first;
    uint32_t offset_count;
    uint32_t pending_count;           /* writes that it waits for */
    int64_t state_ms;                 /* since when it is in its state, wall clock */
    uint64_t append_by_ns;            /* of an expected one: whoever waits for it is told so by then */
    uint64_t join_by_ns;              /* of an initial rebalance: it waits no longer for more */
    uint64_t deleter, deleter_ticket; /* who waits for the end of a dead one */
    /* Of the newer protocol; then it is EMPTY, STABLE or DEAD, its generation is its epoch, and it has no leader. */
    struct consumer_group consumer;
};

struct member {
    uint32_t group;
    uint32_t previous, next;
    bool taken;
    bool promised; /* it has an id, and is to come back with it */
    bool joined;   /* it is ready for the next generation */
    bool synced;   /* it asked for its assignment in this generation */
    struct kept id;
    struct kept instance; /* empty: none */
    struct kept client_id;
    struct kept client_host;
    struct kept protocols; /* what it supports, in order of preference: see members.c */
    struct kept assignment;
    int32_t session_ms;
    int32_t rebalance_ms;
    uint64_t waiter; /* whose JoinGroup or SyncGroup waits; NOBODY */
    struct consumer_member consumer;
};

/* Committed, and then in its group's list and in the map; or on its way, and then in the list of a write. */
struct offset {
    uint32_t group;
    uint32_t topic;
    int32_t partition;
    int32_t leader_epoch;
    int64_t offset;
    int64_t commit_ms;
    int64_t expire_ms;
    struct kept metadata;
    uint32_t previous, next;
    bool deletes; /* on its way: there is to be none any more */
};

struct topic {
    struct kept name;
    uint32_t users; /* offsets */
    bool removed;   /* is another topic by now, if there is one of that name */
};

enum place_state {
    PLACE_ELSEWHERE,
    PLACE_READING,  /* records are replayed, up to where the log ended when it was gained */
    PLACE_SETTLING, /* and all of that has to be committed, */
    PLACE_ARMING,   /* and members get their time from then on */
    PLACE_OPEN,
    PLACE_FAILED, /* it does not fit, or cannot be read: what was loaded goes, and it is tried again later */
};

struct place {
    uint8_t state; /* enum place_state */
    bool dropping; /* of an earlier leadership: first that has to go */
    int32_t leader_epoch;
    uint32_t failures;   /* to load it, one after the other */
    uint64_t retry_ns;   /* of a failed one */
    int64_t next_offset; /* to be replayed */
    int64_t end_offset;
    uint32_t group_first;
    uint32_t arm_next;
    uint32_t write_first, write_last;
};

enum write_kind {
    WRITE_OFFSETS,
    WRITE_GENERATION,
    WRITE_REMOVAL,
    WRITE_CONSUMER, /* what a group of the newer protocol has to say */
    WRITE_BEAT,     /* nothing: an answer that waits for what is before it */
};

struct write {
    uint8_t kind;
    uint32_t group;
    uint32_t next;
    uint32_t offset_first; /* of WRITE_OFFSETS */
    uint32_t offset_last;
    int32_t generation;
    int64_t end_offset;
    uint64_t waiter;
    uint64_t ticket; /* of its wait: what this waiter waits for later is something else */
    uint64_t due_ns; /* whoever waits for it is told so by then */
};

enum wait_kind { WAIT_FREE, WAIT_JOIN, WAIT_SYNC, WAIT_COMMIT };

struct wait {
    uint64_t waiter;
    uint64_t ticket; /* no other wait has it */
    uint8_t kind;
    bool ready;
    bool skips; /* a static member that came back: it goes on with the assignment that it had */
    int16_t error;
    uint32_t group, member; /* NONE: nothing more is to be told */
    uint32_t others;        /* writes that it waits for besides the next one */
    int32_t generation;
};

enum reading_state { READING_NOTHING, READING_ASKS, READING_WAITS, READING_UNDER_WAY, READING_HAS };

/* One place is read at a time. */
struct reading {
    enum reading_state state;
    uint32_t place;
    bool orphaned; /* the place was lost meanwhile */
    bool ready;
    struct log_read read;
    uint8_t *buffer;
    uint32_t buffer_size;
    uint32_t filled;
    uint32_t used; /* batches before it are replayed */
    uint32_t skip; /* records of the next batch that are */
};

/* A commit between begin and end. */
struct committing {
    bool open;
    uint32_t group;
    uint32_t first, last; /* offsets */
    uint32_t count;
    enum error error;
    struct record_batch_builder builder;
};

struct groups {
    struct groups_config config;
    struct groups_rooms rooms;
    uint64_t mono_ns;
    int64_t wall_ms;
    bool due; /* work is left */
    struct prng prng;
    struct groups_usage counters;

    struct texts texts;
    struct group *groups;
    struct pool group_pool;
    struct text_map group_ids;
    struct member *members;
    struct pool member_pool;
    struct text_map member_ids; /* of all groups: the group is compared, too */
    struct offset *offsets;
    struct pool offset_pool;
    struct map offset_keys;
    struct topic *topics;
    struct pool topic_pool;
    struct text_map topic_names; /* of those that are not removed */
    struct timers timers;        /* groups, then members */

    struct place *places; /* [logs_max] */
    struct chain watched; /* places that are to be gained */
    struct chain loading;
    struct chain urgent; /* of these, the ones that somebody has asked for */
    struct chain dropping;
    struct chain failed;
    struct write *writes;
    struct pool write_pool;
    struct chain awaited;  /* writes that somebody may wait for, the oldest first */
    struct chain wanting;  /* groups with write_wanted */
    struct chain expected; /* groups that somebody may wait for, with nothing appended yet; the oldest first */
    struct chain dying;    /* groups that are dead and have nothing under way */

    struct wait *waits; /* [waiters_max] */
    uint64_t tickets;   /* the last one */
    struct chain ready; /* of them */

    struct reading reading;
    struct committing committing;
    uint8_t *batch; /* where batches are put together */
    uint8_t *value; /* and values of one record, of up to as many bytes */
    uint32_t batch_size;
    struct compression_memory unpack;

    struct map owners; /* of partitions, in groups of the newer protocol: members */
    struct pattern *patterns;
    struct pool pattern_pool;
    struct chain unresolved; /* patterns whose topics are to be looked for */
    struct resolving resolving;
    struct bytes *matched; /* [topics_max] */
    struct regex tried;    /* of a request */
    struct workshop workshop;

    uint64_t look_due_ns; /* the next search for what is too old; 0: none was asked for yet */
    uint32_t look_group;  /* where it goes on; NONE: none runs */
    uint32_t look_offset; /* the next of that group's offsets, if it was begun with; NONE: it was not */
    bool look_again;      /* it left something behind that it found */
};

static inline struct bytes kept_bytes(const struct groups *groups, const struct kept *kept)
{
    return texts_bytes(&groups->texts, kept);
}

/* ---- groups.c ---- */

struct wait *wait_of(struct groups *groups, uint64_t waiter);

/* A request of this waiter waits from now on. */
struct wait *wait_begin(struct groups *groups, uint64_t waiter, enum wait_kind kind);

/* It may be answered. Nothing happens if nobody waits any more. */
void wait_end(struct groups *groups, uint64_t waiter, enum error error);

/* The same, if it is that wait. A waiter may have given up, and wait for something else by now. */
void wait_end_of(struct groups *groups, uint64_t waiter, uint64_t ticket, enum error error);

/* Of a wait that begins next. */
uint64_t wait_ticket(const struct groups *groups);

void timer_set_group(struct groups *groups, uint32_t group, uint64_t delay_ms);
void timer_clear_group(struct groups *groups, uint32_t group);
void timer_set_member(struct groups *groups, uint32_t member);
void timer_clear_member(struct groups *groups, uint32_t member);

int64_t setting(const struct groups *groups, int id);

/* What is set for this group, or else for brokers. */
int64_t group_setting(const struct groups *groups, uint32_t group, enum group_setting which);

/* What is left of the memory of names is for who is there already: nobody new comes in. */
bool groups_are_crowded(const struct groups *groups);

/* ---- places.c ---- */

/* The log of a group's partition; SLOT_NONE: the topic is not there. */
uint32_t place_of(const struct groups *groups, struct bytes group_id);
bool place_is_open(const struct groups *groups, uint32_t place);
void place_fail(struct groups *groups, uint32_t place, struct effects *effects);
uint64_t places_deadline_ns(const struct groups *groups);
void places_work(struct groups *groups, struct effects *effects);

/* ---- loading.c ---- */

void loading_work(struct groups *groups, struct effects *effects);
void loading_forget(struct groups *groups, uint32_t place);

/* ---- replay.c ---- */

enum replay_verdict { REPLAY_DONE, REPLAY_FULL, REPLAY_BROKEN };

enum replay_verdict replay_record(struct groups *groups, uint32_t place, const struct record *record);

/* ---- consumer_replay.c ---- */

enum replay_verdict consumer_replay(struct groups *groups, uint32_t place, const struct record_key *key,
                                    struct bytes value);

/* All of its log is read: its members have their time from now on. */
void consumer_settle(struct groups *groups, uint32_t group);

/* ---- writes.c ---- */

enum append_outcome { APPENDED, APPEND_LATER, APPEND_REFUSED };

/* Whether one more write may be begun. */
bool writes_have_room(const struct groups *groups);

/* Appends the batch; a write of this kind is open then, for the group. With APPEND_REFUSED *error says why. */
enum append_outcome write_append(struct groups *groups, uint32_t group, struct bytes batch, const struct write *write,
                                 enum error *error);

/* The group's generation and members as they are. */
enum append_outcome write_generation(struct groups *groups, uint32_t group, uint64_t waiter, enum error *error);

/* What its record says of it, in groups->value. False: more than any record may. */
bool generation_value(struct groups *groups, uint32_t group, struct bytes *value);

/* The group is to be forgotten; one of the newer protocol may need several batches: APPEND_LATER. */
enum append_outcome write_removal(struct groups *groups, uint32_t group, enum error *error);

/* Its generation is to be appended as soon as that can be. */
void write_want(struct groups *groups, uint32_t group);

/* Somebody may wait for its next batch, and not for ever. */
void write_expect(struct groups *groups, uint32_t group);
void writes_work(struct groups *groups);
uint64_t writes_deadline_ns(const struct groups *groups);

/* All writes of a place are nobody's. */
void writes_drop(struct groups *groups, uint32_t place);
void writes_committed(struct groups *groups, uint32_t place, int64_t high_watermark);

/* consumer_flush.c: that there is no such group any more, of the newer protocol. */
enum append_outcome consumer_bury(struct groups *groups, uint32_t group, enum error *error);

/* ---- members.c ---- */

uint32_t group_find(const struct groups *groups, struct bytes id);

/* A new and empty one; NONE: there is no room. */
uint32_t group_make(struct groups *groups, uint32_t place, struct bytes id);

/* Has neither members nor offsets, and nothing under way. */
void group_discard(struct groups *groups, uint32_t group);

/* Nobody is in it, and nothing is known of it, here or in the log: then it is none. */
void group_discard_if_nothing(struct groups *groups, uint32_t group);
void group_set_state(struct groups *groups, uint32_t group, enum group_state state);

struct member_terms {
    struct bytes id, instance, client_id, client_host;
    int32_t session_ms, rebalance_ms;
};

/* A new member, which supports nothing yet; NONE: there is no room. */
uint32_t member_make(struct groups *groups, uint32_t group, const struct member_terms *terms, bool promised);

/* Takes it out of its group. Its waiter has been told before. */
void member_free(struct groups *groups, uint32_t member);
uint32_t member_find(const struct groups *groups, uint32_t group, struct bytes id);
uint32_t member_find_instance(const struct groups *groups, uint32_t group, struct bytes instance);
void member_set_joined(struct groups *groups, uint32_t member, bool joined);

/* Gives it another id. False: there is no room. */
bool member_rename(struct groups *groups, uint32_t member, struct bytes id);

/* Tells whoever waits for this member. */
void member_tell(struct groups *groups, uint32_t member, enum error error);

/* What it supports. */
bool member_set_protocols(struct groups *groups, uint32_t member, const struct join_group_request *request);
bool member_has_protocols(const struct groups *groups, uint32_t member, const struct join_group_request *request);

/* Null: it does not support it. */
struct bytes member_subscription(const struct groups *groups, uint32_t member, struct bytes protocol);

/* Whether all members support one of these. */
bool group_supports(const struct groups *groups, uint32_t group, const struct join_group_request *request);

/* The one that most members like best, of those that all of them support. */
struct bytes group_choose_protocol(const struct groups *groups, uint32_t group);

/* "<before>-<uuid>", in the buffer. */
enum { MEMBER_ID_UUID_SIZE = 37 };
struct bytes member_make_id(struct groups *groups, struct bytes before, uint8_t *buffer, uint32_t size);

/* ---- rebalance.c ---- */

/* Members have changed: begins to collect them for the next generation, unless that is under way. */
void rebalance_begin(struct groups *groups, uint32_t group);

/* Ends it if all have come. */
void rebalance_try(struct groups *groups, uint32_t group);

/* The group's timer. */
void rebalance_on_time(struct groups *groups, uint32_t group);

/* A member goes, for whatever reason; whoever waits for it is told this. */
void rebalance_remove(struct groups *groups, uint32_t member, enum error error);

/* Its generation is committed, or cannot be appended. */
void rebalance_settle(struct groups *groups, uint32_t group, int32_t generation, enum error error);

/* ---- sync.c ---- */

/* A request names its member: is it one, of this generation, and not another life of it? */
enum error member_judge(const struct groups *groups, uint32_t group, struct bytes id, struct bytes instance,
                        int32_t generation, uint32_t *member);

/* ---- convert.c ---- */

/* Somebody who speaks the newer protocol comes to a group that does not and has members: it goes over. An error: it
 * does not, or not now. */
enum error group_upgrade(struct groups *groups, uint32_t group);

/* Nobody in the group speaks the newer protocol any more, and it may go back. */
bool group_is_to_go_back(const struct groups *groups, uint32_t group);

/* It does. An error: it does not now. */
enum append_outcome group_downgrade(struct groups *groups, uint32_t group, enum error *error);

/* ---- offsets.c ---- */

uint32_t topic_find(const struct groups *groups, struct bytes name);
uint32_t offset_find(const struct groups *groups, uint32_t group, uint32_t topic, int32_t partition);

/* A new one that is in no list; NONE: there is no room. */
uint32_t offset_make(struct groups *groups, uint32_t group, const struct record_key *key,
                     const struct offset_value *value);
uint32_t offset_make_for(struct groups *groups, uint32_t group, uint32_t topic, int32_t partition,
                         const struct offset_value *value);
void offset_free(struct groups *groups, uint32_t offset);

/* It is committed: takes the place of what was committed before, or takes that away. */
void offset_commit(struct groups *groups, uint32_t offset);

/* Takes it out of its group, where it is committed. */
void offset_remove(struct groups *groups, uint32_t offset);

/* Whether one more partition may have an offset: of a commit, or of a record that is replayed. The rest of the room is
 * for deletions and for what takes an older one's place, which give back more than they take. */
bool offsets_have_room(const struct groups *groups, bool replayed);

/* ---- commit.c ---- */

/* Between begin and groups_end_commit: a committed offset is to go. */
void commit_begin(struct groups *groups, uint32_t group);
enum error commit_add_deletion(struct groups *groups, uint32_t offset);

/* ---- expiry.c ---- */

void expiry_work(struct groups *groups);

/* The group goes: it gets no new members or offsets. */
void group_kill(struct groups *groups, uint32_t group, uint64_t deleter);

/* Whoever waits for its end waits no more; it goes on going. */
void group_give_notice(struct groups *groups, uint32_t group, enum error error);

/* Puts it before expiry_work, if it is dead and nothing is under way. */
void group_reap(struct groups *groups, uint32_t group);

#endif
