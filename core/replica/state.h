/* state.h -- the memory of this room, shared by its files. Everything is an array sized by the config and named by
 * number; zeroed memory is a partition that nobody has, a free slot.
 *
 *     replicas.c    the front: what the metadata log says, who leads, which frame goes where
 *     asked.c       what became true, and questions
 *     leading.c     the leader's side of a partition: begin and end, acks, the ISR
 *     streams.c     the leader's side of one follower: opened, compared, closed
 *     sending.c     what is sent to whom next: windows, turns
 *     reading.c     segments that are read for followers that are behind
 *     following.c   the follower's side: sessions, data, acknowledgements
 *     nodes.c       the other nodes: registrations, links, beats
 *     memory.c      how it all lies in one block, and what must hold of it
 *
 * Invariants, numbered as in replicas_check():
 *   (1) Only a partition that is led has streams; a stream and its slot name each other.
 *   (2) A stream is in the chain of its node, and waits in at most one line for a turn or a read.
 *   (3) A node's account is what is lent to its link: it is not forgotten before that is back.
 *   (4) A read belongs to the stream that waits for it, or is one whose end is only waited for. */
#ifndef CHRONIK_REPLICA_STATE_H
#define CHRONIK_REPLICA_STATE_H

#include "base/chain.h"
#include "base/map.h"
#include "base/pool.h"
#include "base/ring.h"
#include "base/timers.h"
#include "log/logs.h"
#include "replica/follower.h"
#include "replica/isr.h"
#include "replica/leader.h"
#include "replica/replicas.h"
#include "replica/watermark.h"

#define NONE UINT32_MAX

enum {
    SENDINGS_PER_NODE = 64, /* messages that are lent to its link, and fewer where many stand still */
    SENDINGS_MAX = 1024,
    LENT_PART = 2,             /* of tail memory: the rest is for appends, whatever links do */
    TURN_SIZE_MAX = 256 << 10, /* of batches in one message, unless one is larger: a turn */
    WINDOW_SIZE = 4 << 20,     /* a stream may be so far ahead of its acks: more than a fast network holds */
    WINDOW_TURNS = 8,          /* where turns are small, so is the window */
    QUEUE_SIZE_MAX = 1 << 20,  /* a link is given so much at a time: the next one waits no longer for its turn */
    TURNS_PER_STEP = 256,      /* messages that one step gives to one link */
    READS_PER_NODE = 2,        /* so that one that stands still does not keep them all */
    READS_PER_STEP = 32,
    SEARCHES_MAX = 32, /* that wait for the disk at the same time; with the reads, REPLICA_WAITERS_MAX */
    TIMERS_PER_STEP = 256,
    STARTS_PER_STEP = 1024,
    RESIGNS_PER_STEP = 256,   /* partitions looked at, when our disk is full */
    ACK_FRAMES_PER_STEP = 16, /* to one node */
    EFFECTS_KEPT = 160,       /* of a step's orders are left for other rooms */
    NOBODY = 0x7fffffff,      /* the waiter of a read that is asked for again anyway */
};

#define SEARCH_WAITER (UINT64_C(1) << 62) /* with REPLICAS_WAITER: of a flow that searches an epoch */

#define NS_PER_MS UINT64_C(1000000)
#define BEAT_NS (100 * NS_PER_MS)
#define TELL_NS (5 * NS_PER_MS)  /* what is committed travels with the next records, or after so long by itself */
#define AGAIN_NS (5 * NS_PER_MS) /* what found no room is tried again */
#define FLOWS_AGAIN_NS (1000 * NS_PER_MS) /* so is a follower that found no stream */
#define START_NS (10 * NS_PER_MS)         /* so is a log that cannot be led yet, if nothing happens before */

enum role {
    ROLE_NONE,
    ROLE_FOLLOWER, /* also where nobody leads */
    ROLE_STARTING, /* to lead, when the log is ready for it */
    ROLE_LEADER,
};

enum loss_bits { LOST_LEADERSHIP = 1, LOST_MIN_ISR = 2 };

/* Partitions that wait for something, each at most once: what they wait for is looked at when they come out. */
struct queue {
    struct ring ring;
    uint32_t *items;
};

struct partition {
    uint8_t role; /* enum role */
    bool alone;   /* no other replica, nothing to recover from, and nothing to be told: the log knows by itself what is
                     committed */
    bool relaxed;
    bool recovering;
    bool cutting; /* the log is losing its end, or all: nothing is appended until that is durable */
    bool anew;    /* when it has lost that, it is to begin anew all the same */
    bool watermark_queued, wish_queued, loss_queued;
    uint8_t losses; /* enum loss_bits, not told yet */
    uint8_t isr_min;
    uint8_t own_slot;
    struct uuid topic_id;
    int32_t index;
    int32_t leader; /* as the metadata log says */
    int32_t leader_epoch;
    int32_t partition_epoch;
    int32_t last_unclean_epoch;
    uint8_t replica_count;
    int32_t replicas[REPLICAS_OF_PARTITION_MAX];
    uint32_t replica_isr; /* a bit for each of these */
    uint32_t replica_elr;
    uint32_t replica_observers;

    /* As its leader. Slots are this epoch's numbers of replicas. */
    int64_t epoch_start;
    uint64_t begun_ns;
    uint64_t flows_again_ns;                 /* a replica has no stream for want of room; UINT64_MAX: none */
    int32_t nodes[REPLICA_SLOTS_MAX];        /* node ids by slot */
    uint32_t flows[REPLICA_SLOTS_MAX];       /* 1 + number; 0: our own slot, or there was no room */
    int64_t asked_epochs[REPLICA_SLOTS_MAX]; /* of the brokers, when the wish was decided (KIP-903) */
    struct watermark watermark;
    struct isr isr;

    /* As a follower. */
    struct follower follower;
    bool offline;       /* what the log has cannot be given up; a new configuration may explain it */
    bool held;          /* a frame of it waits for memory; its first batches may be here */
    int64_t held_from;  /* where that one begins */
    uint32_t link_life; /* of the node's link when the session was opened: it ended with that */
    bool refusal_due;   /* whoever leads is to be told of that */
    uint8_t refusal;    /* enum nack_reason */
    uint64_t refused;   /* the session that was refused last: what is still on its way belongs to it */
    uint32_t ack_node;  /* in whose line it waits with an ack */
};

/* One follower of one partition. */
struct flow {
    struct stream stream;
    uint32_t log;
    uint32_t node;
    uint8_t slot;
    bool behind;            /* it needs what is not in memory any more */
    bool reset;             /* it was told to begin anew in this session: once is enough */
    bool tells;             /* what is committed is to be told, with records or without */
    uint32_t read;          /* what was read for it, or is being; NONE */
    int64_t broker_epoch;   /* of the follower, when the session was opened */
    int32_t answered_epoch; /* its last answer: the next one is to be behind that */
    int64_t answered_offset;
    int64_t sent_high_watermark, sent_start_offset;
    bool searches;                   /* how its last answer is to be judged lies in batches of ours */
    bool waits;                      /* and the disk was asked */
    struct open_answer_frame answer; /* its last one */
    struct epoch_search search;
    int64_t held_start_offset; /* where its log begins, as it said in this session */
};

struct node {
    int32_t id;
    int64_t broker_epoch; /* -1: it is not registered */
    bool fenced;
    bool shutting_down;
    bool wanted;        /* a data link to it is */
    bool out_up;        /* the one that we dialed */
    bool in_up;         /* the one that it dialed */
    bool held;          /* a frame of it waits for memory */
    bool disk_full;     /* it says so */
    uint8_t reads;      /* under way for it */
    uint32_t sendings;  /* lent to its link */
    uint64_t lent_size; /* of tail memory that these pin */
    uint32_t in_life;   /* counts its links to us */
    struct chain flows;
    struct chain turns;   /* flows with something to send */
    struct chain telling; /* flows with something to tell, soon */
    struct chain acks;    /* partitions that we owe it acks for */
    uint64_t answered_ns; /* when the last beat left that it has answered */
    uint64_t heard_ns;    /* when it last said something as a leader */
    uint16_t port;        /* 0: its address is not known */
    uint8_t host_size;
    uint8_t host[PEER_HOST_SIZE_MAX];
};

/* A message whose bytes are lent to a link; its number, plus one, is the cookie. */
struct sending {
    struct log_read read; /* to be given back; of memory */
    uint32_t slot;        /* NONE, or the bytes are those of this segment_read */
    uint32_t node;        /* on whose account it is */
    uint64_t pinned_size; /* of tail memory */
};

enum read_state {
    READ_FREE,
    READ_ASKING,    /* logs_read looks it up */
    READ_UNDER_WAY, /* the disk has it */
    READ_READY,     /* for the stream's turn */
    READ_SENDING,   /* its bytes are lent to a link */
};

/* A piece of a segment for a follower that is behind. */
struct segment_read {
    enum read_state state;
    uint32_t flow; /* NONE: it is gone, and so nobody wants it */
    uint32_t node; /* on whose account it is */
    int64_t from, to;
    int32_t last_epoch;
    uint32_t size;
    bool ready; /* READ_ASKING: may be asked again */
    struct log_read read;
    uint8_t *buffer;
};

struct replicas {
    struct replicas_config config;
    struct replicas_rooms rooms;
    struct replicas_counters counters;
    bool open;
    bool due;     /* something was left over */
    bool gathers; /* in this step; what is to be sent waits for the end of the turn */
    uint64_t mono_ns;
    int64_t wall_ms;
    int64_t broker_epoch;
    uint64_t lag_ns;
    uint64_t next_session;
    uint64_t next_beat_ns;
    uint64_t again_ns; /* a link had no room for a message; UINT64_MAX: none */
    uint32_t swept;    /* flows whose log starts were compared; see nodes_work */
    bool own_fills;    /* our own disk took no more at the last beat */
    bool own_full;     /* ... and at the one before */
    uint32_t resigned; /* partitions below it were decided since; partitions_end or more: all were */

    struct partition *partitions;
    struct map by_id;
    uint32_t partitions_end; /* numbers from here on were never used */
    struct flow *flows;
    struct pool flows_pool;
    struct node *nodes;
    struct pool nodes_pool;
    struct map nodes_by_id;
    uint32_t held_count; /* nodes that wait for memory */

    struct timers partition_timers; /* when isr_decide has something to do */
    struct timers flow_timers;      /* when a stream is to be opened, or opened again */
    struct timers tell_timers;      /* of nodes: when what is committed is to be told */

    struct queue watermarks, wishes, losses;
    struct chain starts;  /* partitions */
    struct chain senders; /* nodes with turns */
    struct chain ackers;  /* nodes that we owe acks */
    struct chain readers; /* flows that wait for a segment */
    struct chain judging; /* flows whose answers are to be judged */
    uint32_t waiting;     /* of them, who wait for the disk */
    struct chain_hook *hooks_of_node, *hooks_of_turns, *hooks_of_telling, *hooks_of_acks;

    struct sending *sendings;
    struct pool sendings_pool;
    uint64_t lent_size, lent_max; /* of tail memory, to all links */
    struct segment_read reads[REPLICA_READS_MAX];
    uint32_t read_count; /* slots that there are */
    uint32_t turn_size;  /* of batches in one message, unless one is larger */
    uint32_t read_size;  /* of a buffer: the largest batch fits */
    uint32_t window_size;
    uint32_t ack_entries;  /* of one frame */
    uint64_t throttle;     /* bytes a second, 0: no limit */
    uint64_t next_read_ns; /* none is begun before */
};

static inline struct partition *partition_at(struct replicas *replicas, uint32_t log)
{
    CHECK(log < replicas->config.partitions_max);
    return &replicas->partitions[log];
}

static inline struct flow *flow_at(struct replicas *replicas, uint32_t number)
{
    CHECK(pool_is_taken(&replicas->flows_pool, number));
    return &replicas->flows[number];
}

static inline bool partition_is_led(const struct partition *partition)
{
    return partition->role == ROLE_LEADER || partition->role == ROLE_STARTING;
}

/* ---- replicas.c ---- */

/* Whether a node only observes. */
static inline bool partition_is_observed_by(const struct partition *partition, int32_t node_id)
{
    for (uint8_t i = 0; i < partition->replica_count; i++) {
        if (partition->replicas[i] == node_id) return (partition->replica_observers >> i & 1) != 0;
    }
    return false;
}

/* Somebody leads in a newer epoch than we do. */
void partition_resign(struct replicas *replicas, uint32_t log);

/* ---- asked.c ---- */

void tell_watermark(struct replicas *replicas, uint32_t log);
void tell_loss(struct replicas *replicas, uint32_t log, uint8_t loss);
void tell_wish(struct replicas *replicas, uint32_t log);

/* ---- leading.c ---- */

/* It is to be led here; it begins as soon as the log is ready for it. */
void leading_want(struct replicas *replicas, uint32_t log);
void leading_work(struct replicas *replicas);

/* Another configuration in the same leader epoch; `newer`: than what was known, or only something beside it. */
void leading_on_partition(struct replicas *replicas, uint32_t log, bool newer);

/* What is acknowledged means something else from now on (relaxed, or not any more): all is to be said anew. */
void leading_on_promise(struct replicas *replicas, uint32_t log);
void leading_end(struct replicas *replicas, uint32_t log);

/* The log has grown, or more of it is durable. */
void leading_on_log(struct replicas *replicas, uint32_t log);

/* Looks at whom to wish into the ISR or out of it. */
void leading_decide(struct replicas *replicas, uint32_t log);

/* A follower's log begins further on than ours did: what it knows to be deleted is. */
void leading_learn_start(struct replicas *replicas, uint32_t log);

/* Its timer is due. */
void leading_on_time(struct replicas *replicas, uint32_t log);
void leading_resign(struct replicas *replicas); /* what others can lead, while our disk is full; a few a step */

/* The stream to that slot is over. */
void leading_on_lost(struct replicas *replicas, uint32_t log, uint8_t slot);

void leading_on_ack(struct replicas *replicas, uint32_t node, const struct ack_frame *ack, struct effects *effects);

/* ---- streams.c ---- */

/* NONE: no room. */
uint32_t flow_begin(struct replicas *replicas, uint32_t log, uint8_t slot, uint32_t node);
void flow_end(struct replicas *replicas, uint32_t number);

/* The session is over; another one is opened, at once if it was only its link that was lost, else a little later. */
void flow_close(struct replicas *replicas, uint32_t number, bool lost);

/* Its time has come: it is asked for, if it can be. */
void flow_open(struct replicas *replicas, uint32_t number);

void streams_on_answer(struct replicas *replicas, uint32_t node, const struct open_answer_frame *answer);

/* Judges answers, or goes on with it. */
void streams_work(struct replicas *replicas, struct effects *effects);

/* A search of that flow may go on. */
void streams_on_ready(struct replicas *replicas, uint64_t number);
void streams_on_nack(struct replicas *replicas, uint32_t node, const struct nack_frame *nack);

/* The stream of a node in a session of a partition; NONE: there is none, or not in that epoch or session. */
uint32_t flow_find(struct replicas *replicas, uint32_t node, uint32_t log, int32_t leader_epoch, uint64_t session);

/* ---- sending.c ---- */

/* It may have something to send. */
void flow_queue(struct replicas *replicas, uint32_t number);

/* What is committed has changed: told with the next records, or by itself after a while. */
void flow_tell(struct replicas *replicas, uint32_t number);

/* It waits in no line any more. */
void flow_unqueue(struct replicas *replicas, uint32_t number);

bool flow_window_is_open(const struct replicas *replicas, const struct flow *flow);

void sending_on_returned(struct replicas *replicas, const struct peer_returned *returned);
void sending_work(struct replicas *replicas, struct effects *effects);
uint64_t sending_deadline_ns(const struct replicas *replicas);

/* ---- reading.c ---- */

/* What it needs is not in memory. */
void reading_want(struct replicas *replicas, uint32_t flow);

/* The stream is over: what is read for it is not wanted any more. */
void reading_forget(struct replicas *replicas, uint32_t flow);

/* The slot's bytes are on their way, and were sent. */
void reading_lend(struct replicas *replicas, uint32_t slot);
void reading_give(struct replicas *replicas, uint32_t slot);

void reading_work(struct replicas *replicas, struct effects *effects);
uint64_t reading_deadline_ns(const struct replicas *replicas);

/* ---- following.c ---- */

void following_on_open(struct replicas *replicas, uint32_t node, const struct open_frame *open,
                       struct effects *effects);
/* False: no memory now. */
bool following_on_data(struct replicas *replicas, uint32_t node, const struct data_frame *data);
void following_on_durable(struct replicas *replicas, uint32_t log);
void following_on_truncated(struct replicas *replicas, uint32_t log, bool failed, struct effects *effects);
void following_end(struct replicas *replicas, uint32_t log);
void following_work(struct replicas *replicas);

/* ---- nodes.c ---- */

/* The slot of a node; NONE if there is none. */
uint32_t replica_node_find(const struct replicas *replicas, int32_t id);

/* The same, made if it is new; NONE: nodes_max. */
uint32_t replica_node_get(struct replicas *replicas, int32_t id);

/* One more stream to it, or one less. */
void node_want(struct replicas *replicas, uint32_t node);
void replica_node_release(struct replicas *replicas, uint32_t node);

/* Sends a small frame; false: it was not possible. */
bool node_send(struct replicas *replicas, uint32_t node, enum peer_channel channel, enum replica_kind kind,
               const uint8_t *bytes, uint32_t size);

/* Whether it may be in an ISR. */
bool node_is_eligible(const struct node *node);

/* It takes no more records, or does again: leaders look at the partitions that it follows. */
void node_set_full(struct replicas *replicas, uint32_t node, bool full);

void nodes_work(struct replicas *replicas);
void nodes_on_beat(struct replicas *replicas, uint32_t node, const struct beat_frame *beat);
void nodes_on_beat_answer(struct replicas *replicas, uint32_t node, const struct beat_answer_frame *answer);

/* ---- lines ---- */

static inline void queue_push(struct queue *queue, bool *queued, uint32_t number)
{
    if (*queued) return;
    *queued = true;
    queue->items[ring_push(&queue->ring)] = number;
}

/* The next one, whose flag the caller takes back; NONE: empty. */
static inline uint32_t queue_pop(struct queue *queue)
{
    const uint32_t at = ring_pop(&queue->ring);

    return at == RING_NONE ? NONE : queue->items[at];
}

#endif
