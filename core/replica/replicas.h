/* replicas.h -- the replication of all partitions of this node: of those that it leads, and of those that it follows.
 *
 * A leader pushes: it opens a stream to each follower, finds with it where both logs are the same (KIP-101, KIP-279),
 * and sends batches as they are appended, before its own disk has them; a follower acknowledges what is durable on its
 * own. From these acks the leader knows what is committed (watermark.h), and whom to wish into the ISR or out of it
 * (isr.h). docs/replication.md has the rules, docs/peer.md the bytes.
 *
 * This room stands on logs and peers, and calls both. It is told what the metadata log says, what links and logs did,
 * and what other nodes sent; what became true is asked for with replicas_next_*. `log` numbers a partition, as
 * everywhere.
 *
 *   Links.      One data link for each pair of nodes and direction carries all partitions, in turns: each turn is one
 *               message of one partition. What is in memory is sent by reference; what is not, is read from segments,
 *               a bounded number of reads at a time, and if asked for not faster than so many bytes a second.
 *   Windows.    A stream runs ahead of its acks by a bounded number of bytes; a link is given only so much that the
 *               network is kept busy. So one slow follower costs neither memory nor the others' time.
 *   Beats.      One for each pair of nodes, whatever the number of partitions. Its answer says of all streams at rest
 *               that their follower is still there.
 *   Trust.      What another node says is judged, counted and noted; it never harms another partition or this node.
 *
 * Order within a step: replicas_on_time, the facts, then the roof carries on what logs and peers have to say, then
 * replicas_work, then peers_work and logs_commit. */
#ifndef CHRONIK_REPLICA_REPLICAS_H
#define CHRONIK_REPLICA_REPLICAS_H

#include "base/effect.h"
#include "base/uuid.h"
#include "codec/errors.h"
#include "peer/peers.h"

struct logs;

#define REPLICAS_WAITER                                                                                                \
    (UINT64_C(1) << 63) /* waiters of reads that are this room's have this bit, all others have not */

enum {
    REPLICAS_OF_PARTITION_MAX = 18, /* observers among them */
    REPLICA_READS_MAX = 8,          /* reads of segments that may be under way at the same time */
    REPLICA_WAITERS_MAX = 64, /* as many more waiters than its other readers need is what logs are to have room for */
};

struct replicas_config {
    int32_t node_id;
    uint32_t partitions_max; /* logs are numbered below it */
    uint32_t nodes_max;      /* other nodes */
    uint32_t streams_max;    /* followers, over all partitions that are led here */
    uint32_t batch_size_max; /* of the largest batch that a log may have */
    uint64_t lag_ns;         /* replica.lag.time.max.ms */
    uint64_t hash_seed;
};

struct replicas_rooms {
    struct logs *logs;
    struct peers *peers;
};

struct replicas;
size_t replicas_size(const struct replicas_config *config);

/* In zeroed memory, aligned to 64. Without peers (a node that is alone) `rooms.peers` is NULL. */
void replicas_init(struct replicas *replicas, const struct replicas_config *config, const struct replicas_rooms *rooms);

/* replica.lag.time.max.ms was changed. */
void replicas_set_lag(struct replicas *replicas, uint64_t lag_ns);

/* Copies from segments are not to be sent faster than so many bytes a second; 0: no limit. */
void replicas_set_throttle(struct replicas *replicas, uint64_t bytes_per_second);

/* ---- what the metadata log says ---- */

/* Our own registration of this process has been applied, and the logs are open: from now on this node leads, follows
 * and acknowledges. Whatever it knew before is older. */
void replicas_open(struct replicas *replicas, int64_t broker_epoch);

/* A partition that this node has a replica of. Said of each one that there is, as soon as its log is named (logs_open),
 * so before logs_recover at the start; and whenever one of these changes. */
struct replica_partition {
    struct uuid topic_id;
    int32_t index;
    int32_t leader; /* node id, -1: none */
    int32_t leader_epoch;
    int32_t partition_epoch;
    int32_t last_unclean_epoch; /* the newest leader epoch that began with an unclean election; 0 or less: none did */
    bool recovering;            /* the leader has not said yet that it is done with that */
    bool relaxed;               /* what is written counts like what is durable */
    uint8_t isr_min;            /* min.insync.replicas, at most replica_count */
    uint8_t replica_count;
    int32_t replicas[REPLICAS_OF_PARTITION_MAX];
    uint32_t isr;       /* a bit for each of these */
    uint32_t elr;       /* the same: who may be elected where nobody in sync is left */
    uint32_t observers; /* the same: they are sent everything, nothing waits for them, and they join no ISR */
};
void replicas_on_partition(struct replicas *replicas, uint32_t log, const struct replica_partition *partition);

/* It is gone, or this node has no replica of it any more; before its log is deleted. If only the replica is gone, its
 * log is not to be deleted: it becomes empty, in the journal too, so that nothing of it can come back if the replica
 * does. */
void replicas_on_partition_removed(struct replicas *replicas, uint32_t log);

struct replica_broker {
    int32_t node_id;
    int64_t epoch;
    bool fenced;
    bool shutting_down;
    struct peer_address wal_address;
};
void replicas_on_broker(struct replicas *replicas, const struct replica_broker *broker);
void replicas_on_broker_removed(struct replicas *replicas, int32_t node_id);

/* ---- what happened ---- */

void replicas_on_time(struct replicas *replicas, uint64_t mono_ns, int64_t wall_ms);

/* A data link is up (PEER_UP) or down (PEER_DOWN). */
void replicas_on_link(struct replicas *replicas, int32_t node_id, enum peer_channel channel, bool up);

/* A frame on a data channel. False: it is not taken now, for want of memory: peers_hold. It is asked for again by this
 * room, with peers_release. */
bool replicas_on_frame(struct replicas *replicas, const struct peer_frame *frame, struct effects *effects);

/* A cookie came back (peers_next_returned). */
void replicas_on_returned(struct replicas *replicas, const struct peer_returned *returned);

void replicas_on_end(struct replicas *replicas, uint32_t log);     /* logs_next_end */
void replicas_on_durable(struct replicas *replicas, uint32_t log); /* logs_next_durable, of any log */
void replicas_on_truncated(struct replicas *replicas, uint32_t log, bool failed, struct effects *effects);
void replicas_on_ready(struct replicas *replicas, uint64_t waiter);          /* logs_next_ready, with REPLICAS_WAITER */
void replicas_on_disk(struct replicas *replicas, const struct event *event); /* an answer to OP_REPLICAS */

/* ---- what became true ---- */

/* The next partition whose high watermark rose, here or at its leader; or whose followers have given up more of what
 * was deleted. LOG_NONE: none. */
uint32_t replicas_next_watermark(struct replicas *replicas);

enum replica_loss_kind {
    LOSS_LEADERSHIP, /* it is led here no more: whoever waits for it is to look for the new leader */
    LOSS_MIN_ISR,    /* too few replicas are in sync: what waits for acks=all may not be committed for long */
};
struct replica_loss {
    uint32_t log;
    enum replica_loss_kind kind;
};
/* The next one. False: none. */
bool replicas_next_loss(struct replicas *replicas, struct replica_loss *loss);

/* The next change of an ISR that is to be wished for (AlterPartition). False: none. What became of it: a new
 * configuration, or replicas_on_wish_refused. */
struct replica_wish {
    uint32_t log;
    struct uuid topic_id;
    int32_t index;
    int32_t leader_epoch;
    int32_t partition_epoch;
    uint8_t isr_count;
    int32_t isr[REPLICAS_OF_PARTITION_MAX];
    int64_t broker_epochs[REPLICAS_OF_PARTITION_MAX]; /* of these: KIP-903 */
};
bool replicas_next_wish(struct replicas *replicas, struct replica_wish *wish);

/* It was refused, and will never be granted; or it was never asked, for want of room. Asked again after a while. */
void replicas_on_wish_refused(struct replicas *replicas, uint32_t log, int32_t leader_epoch, int32_t partition_epoch,
                              enum error error);

/* ---- questions ---- */

enum append_permission {
    APPEND_PERMITTED,
    APPEND_NOT_LED,    /* NOT_LEADER_OR_FOLLOWER: led elsewhere, or not yet here */
    APPEND_NOT_ENOUGH, /* NOT_ENOUGH_REPLICAS: acks=all, and fewer than min.insync.replicas are in sync */
};
enum append_permission replicas_may_append(const struct replicas *replicas, uint32_t log, bool acks_all);

/* In which epoch it is led here; -1: it is not, or not yet. */
int32_t replicas_leader_epoch(const struct replicas *replicas, uint32_t log);

/* Whether all that was ever committed is known to be: a new leader's high watermark may lag behind what its predecessor
 * has shown until it reaches the begin of the epoch. */
bool replicas_watermark_is_known(const struct replicas *replicas, uint32_t log);

/* Whether all whom a commit waits for have given up what lies below the offset, and enough are in sync: so that no
 * leader after this one has it. Not asked of the log here. False where it is not led here. */
bool replicas_start_is_held(const struct replicas *replicas, uint32_t log, int64_t log_start_offset);

/* Up to where another node is known to hold the partition, which is led here; -1: it is not known. */
int64_t replicas_held_offset(const struct replicas *replicas, uint32_t log, int32_t node_id);

/* For status and metrics: one replica of a partition that is led here. False: there is none of that number. */
struct replica_view {
    int32_t node_id;
    bool in_sync;
    bool joining;
    bool wished; /* in sync, if what was asked for last is granted */
    bool observes;
    bool streaming;        /* it and we agree on where the logs are the same */
    int64_t asked_epoch;   /* of the broker that was judged, where it was asked for and is not in sync yet; else -1 */
    int64_t held_offset;   /* -1: not known */
    uint64_t caught_up_ns; /* when it last had everything */
};
bool replicas_view(const struct replicas *replicas, uint32_t log, uint32_t number, struct replica_view *view);

/* What this node would lack if it were all that is left: of the partitions that others lead, as far as their leaders
 * have told. O(partitions). */
struct replicas_lack {
    uint32_t partitions; /* that others lead, or led */
    uint32_t behind;     /* of these: they lacked something that was committed, when their leader was heard last */
    uint64_t records;    /* all that these lacked */
    uint32_t unheard;    /* of these: no leader has spoken to this process, so nothing is known */
    uint64_t silent_ns;  /* since when nothing is known of the one that was heard longest ago; 0: of none */
};
struct replicas_lack replicas_lack(const struct replicas *replicas);

/* The same of one partition. False: it is led here, or its leader has never spoken to this process. */
bool replicas_lack_of(const struct replicas *replicas, uint32_t log, uint64_t *records, uint64_t *silent_ns);

struct replicas_counters {
    uint64_t sent_frames, sent_size, received_frames, received_size;
    uint64_t acks_received;
    uint64_t opened;           /* streams that found where both logs are the same */
    uint64_t reads, read_size; /* from segments, for followers that are behind */
    uint64_t truncations, resets;
    uint64_t shrinks, expands;   /* wished for */
    uint64_t malformed;          /* frames that no writer of ours makes */
    uint64_t impossible_acks;    /* of what was never sent */
    uint64_t impossible_answers; /* to an OPEN, that lead nowhere */
    uint64_t stale;              /* what belongs to another session or epoch */
    uint64_t refused[16];        /* by us, by enum nack_reason */
    uint64_t refusals[16];       /* of us, by enum nack_reason */
    uint64_t offline;            /* partitions whose replica here has to be looked at */
    uint64_t unreadable;         /* reads for followers that found no batch where one was written */
    uint64_t no_room;            /* a follower found no stream: streams_max or nodes_max. Tried again each second */
};
const struct replicas_counters *replicas_counters(const struct replicas *replicas);

/* ---- the step's end ---- */

/* More may be appended before time passes: the replicas_work of this step sends no records, and the next one is due at
 * once. So what comes in together is sent together. */
void replicas_gather(struct replicas *replicas);

void replicas_work(struct replicas *replicas, struct effects *effects);
uint64_t replicas_deadline_ns(const struct replicas *replicas);

void replicas_check(const struct replicas *replicas);

#endif
